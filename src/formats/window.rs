//! What a format may see of a file: pieces of it, so many bytes in all.

use super::{Fault, broken, unknown};

/// Bytes that a format may read of one file: more than the longest header of a real checkpoint.
const BUDGET: u64 = 256 << 20;
/// Pieces that it may read: a directory of records is read in large pieces, not one by one.
const PIECES: u32 = 1 << 20;

/// Reads bytes of a file from an offset on: fills the whole buffer or fails.
pub type ReadAt<'a> = dyn FnMut(u64, &mut [u8]) -> std::io::Result<()> + 'a;

/// A file as a format sees it.
pub struct Window<'a> {
    len: u64,
    read: &'a mut ReadAt<'a>,
    left: u64,
    pieces: u32,
}

impl<'a> Window<'a> {
    /// A window on a file of `len` bytes.
    pub fn new(len: u64, read: &'a mut ReadAt<'a>) -> Window<'a> {
        Window { len, read, left: BUDGET, pieces: PIECES }
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the file; broken when it ends before them.
    pub fn get(&mut self, offset: u64, len: u64) -> Result<Vec<u8>, Fault> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return broken(format!("it ends after {} bytes, but {len} bytes at {offset} belong to it", self.len));
        }
        let allowed = self.left.checked_sub(len).zip(self.pieces.checked_sub(1));
        let Some((left, pieces)) = allowed else { return unknown("its header is too long") };
        (self.left, self.pieces) = (left, pieces);
        let mut bytes = vec![0; len as usize];
        match (self.read)(offset, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(e) => unknown(format!("it cannot be read: {e}")),
        }
    }

    /// The same, as an array.
    pub fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(&self.get(offset, N as u64)?);
        Ok(array)
    }
}

/// Does something with a window on bytes that are in memory.
pub(super) fn over<T>(bytes: &[u8], work: impl FnOnce(&mut Window<'_>) -> T) -> T {
    let mut read = |offset: u64, out: &mut [u8]| {
        let from = offset as usize;
        let piece = bytes.get(from..from.saturating_add(out.len())).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(piece);
        Ok(())
    };
    work(&mut Window::new(bytes.len() as u64, &mut read))
}

/// Reads a whole file that is in memory, as tests, fuzzers and small files have it.
pub fn read_slice(format: &dyn super::Format, bytes: &[u8]) -> Result<super::Layout, Fault> {
    over(bytes, |file| super::read(format, file))
}
