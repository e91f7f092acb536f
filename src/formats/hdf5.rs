//! HDF5: a superblock that says where the file ends.
//!
//! The layout is that of the HDF5 File Format Specification, section II.A. netCDF 4 files are of it too.

use super::hdf5_tree;
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
        if !matches!(width, 2 | 4 | 8) {
            return unknown(format!("its offsets have {width} bytes"));
        }
        // The base, then the free space or the extension of the superblock, then the end.
        let base = offset(&mut stream, width)?;
        stream.skip(width.into())?;
        let end = offset(&mut stream, width)?;
        match end {
            end if end > len => broken(format!("it has {len} bytes, {} less than its superblock says", end - len)),
            _ if flags & WRITING != 0 => broken("it was not closed by what wrote it"),
            _ if version > 1 || width != 8 => Ok(Layout::default()),
            _ => {
                // The information of a driver, then the root group: its name, which it does not have, and its header.
                stream.skip(16)?;
                let root = stream.u64()?;
                // What cannot be followed is not told; the file is whole all the same.
                Ok(Layout { tensors: hdf5_tree::tensors(file, base, root).unwrap_or_default() })
            }
        }
    }
}

fn offset(stream: &mut Stream<'_, '_>, width: u8) -> Result<u64, Fault> {
    Ok(stream.take(width.into())?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// A file with a superblock of version 0 behind a block of the user's, and one with a superblock of version 3.
#[cfg(test)]
pub(super) fn samples() -> [Vec<u8>; 2] {
    let tree = hdf5_tree::sample(96);
    let nothing = [0xff; 8];
    let end = (512 + 96 + tree.len() as u64).to_le_bytes();
    let head = [&[b'u'; 512], MAGIC, &[0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0], &512u64.to_le_bytes()];
    let root = [&[0; 8][..], &96u64.to_le_bytes(), &[0; 24]];
    let old = [&head.concat()[..], &nothing, &end, &nothing, &root.concat(), &tree].concat();
    let new = [MAGIC, &[3, 8, 8, 0], &[0; 8], &nothing, &60u64.to_le_bytes(), &[1; 24]].concat();
    [old, new]
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;
    use crate::tensor::Dtype;

    #[test]
    fn datasets_are_found() {
        let bytes = &samples()[0];
        let found = read_slice(&Hdf5, bytes).unwrap().tensors;
        let found: Vec<_> = found.iter().map(|t| (&t.name[..], t.dtype, &t.shape[..], t.offset + t.len)).collect();
        assert_eq!(found, [("g/w", Dtype::F32, &[2, 3][..], bytes.len() as u64)]);
    }

    #[test]
    fn a_file_must_have_been_closed() {
        let [_, mut new] = samples();
        assert_eq!(read_slice(&Hdf5, &new), Ok(Layout::default()));
        new[11] = WRITING;
        assert!(matches!(read_slice(&Hdf5, &new), Err(Fault::Broken(_))));
    }
}
