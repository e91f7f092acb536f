//! HDF5: a superblock that says where the file ends.
//!
//! The layout is that of the HDF5 File Format Specification, section II.A. netCDF 4 files are of it too.

use super::stream::Stream;
use super::{Fault, Format, Layout, Window, broken, unknown};

const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
/// The bit that a writer sets while it has a file open.
const WRITING: u8 = 1;

/// The format.
pub(super) struct Hdf5;

impl Format for Hdf5 {
    fn name(&self) -> &'static str {
        "hdf5"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        name.ends_with(b".h5") || name.ends_with(b".hdf5") || head.starts_with(MAGIC)
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let len = file.len();
        // The superblock is at 0, or after a block of the user's, which has 512 bytes or a power of two more.
        let mut start = 0;
        while file.get(start, (len - start).min(8))? != MAGIC {
            start = (start * 2).max(512);
            if start >= len {
                return broken("it has no superblock");
            }
        }
        let mut stream = Stream::new(file, start + 8, len);
        let version = stream.u8()?;
        let (width, flags) = match version {
            0 | 1 => {
                stream.skip(4)?;
                let width = stream.u8()?;
                stream.skip(if version == 0 { 10 } else { 14 })?;
                (width, 0)
            }
            2 | 3 => {
                let [width, _, flags] = stream.array()?;
                (width, if version == 3 { flags } else { 0 })
            }
            _ => return unknown(format!("its superblock is of version {version}")),
        };
        // The base, then the free space or the extension of the superblock, then the end.
        let end = match width {
            2 | 4 | 8 => {
                stream.skip(2 * u64::from(width))?;
                stream.take(width.into())?.iter().rev().fold(0, |end, byte| end << 8 | u64::from(*byte))
            }
            _ => return unknown(format!("its offsets have {width} bytes")),
        };
        match end {
            end if end > len => broken(format!("it has {len} bytes, {} less than its superblock says", end - len)),
            _ if flags & WRITING != 0 => broken("it was not closed by what wrote it"),
            _ => Ok(Layout::default()),
        }
    }
}

/// A superblock of version 0 behind a block of the user's, and a superblock of version 3, each with some data.
#[cfg(test)]
pub(super) fn samples() -> [Vec<u8>; 2] {
    let nothing = [0xff; 8];
    let old = [&[b'u'; 512], MAGIC, &[0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0], &[0; 8], &nothing].concat();
    let old = [&old[..], &636u64.to_le_bytes(), &nothing, &[1; 68]].concat();
    let new = [MAGIC, &[3, 8, 8, 0], &[0; 8], &nothing, &60u64.to_le_bytes(), &[1; 24]].concat();
    [old, new]
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn a_file_must_have_been_closed() {
        let [old, mut new] = samples();
        assert_eq!(read_slice(&Hdf5, &old), Ok(Layout::default()));
        assert_eq!(read_slice(&Hdf5, &new), Ok(Layout::default()));
        new[11] = WRITING;
        assert!(matches!(read_slice(&Hdf5, &new), Err(Fault::Broken(_))));
    }
}
