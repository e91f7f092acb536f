//! NumPy arrays: one in a `.npy` file, many in a `.npz` archive.
//!
//! The layout is that of numpy/lib/format.py: a magic, a version, the length of a Python literal, the literal, the data.

use super::stream::Stream;
use super::zip;
use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest literal: that of a record with hundreds of fields.
const LITERAL_MAX: u64 = 1 << 20;

/// One array.
pub(super) struct Npy;

/// An archive of arrays.
pub(super) struct Npz;

impl Format for Npy {
    fn name(&self) -> &'static str {
        "npy"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        name.ends_with(b".npy") || head.starts_with(MAGIC)
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let end = file.len();
        Ok(Layout { tensors: vec![array(file, String::new(), 0, end)?] })
    }
}

impl Format for Npz {
    fn name(&self) -> &'static str {
        "npz"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        name.ends_with(b".npz") || zip::first_name(head).ends_with(b".npy")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let archive = zip::open_whole(file)?;
        let mut tensors = Vec::new();
        for member in &archive.members {
            let start = archive.data(file, member)?;
            let Some(name) = member.name.strip_suffix(b".npy").filter(|_| member.stored) else { continue };
            if tensors.len() == TENSORS_MAX {
                return unknown("it has too many arrays");
            }
            tensors.push(array(file, String::from_utf8_lossy(name).into(), start, start + member.len)?);
        }
        Ok(Layout { tensors })
    }
}

/// What stands behind a key of the literal.
fn entry<'a>(literal: &'a str, key: &str) -> Option<&'a str> {
    let rest = literal.split_once(&format!("'{key}'"))?.1;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// The dtype and the bytes of one element, as `<f4` tells them; no bytes for records and objects.
fn element(descr: &str) -> (Dtype, Option<u64>) {
    let name = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next()).unwrap_or_default();
    let size = name.get(2..).and_then(|size| size.split('[').next()?.parse::<u64>().ok());
    let dtype = match name {
        "<f8" => Dtype::F64,
        "<f4" => Dtype::F32,
        "<f2" => Dtype::F16,
        "<i8" => Dtype::I64,
        "<i4" => Dtype::I32,
        "<i2" => Dtype::I16,
        "|i1" => Dtype::I8,
        "<u8" => Dtype::U64,
        "<u4" => Dtype::U32,
        "<u2" => Dtype::U16,
        "|u1" => Dtype::U8,
        "|b1" => Dtype::Bool,
        "<c8" => Dtype::C64,
        "<c16" => Dtype::C128,
        _ => Dtype::Other,
    };
    match name.chars().nth(1) {
        Some('U') => (dtype, size.and_then(|size| size.checked_mul(4))),
        Some('O') | None => (dtype, None),
        Some(_) => (dtype, size),
    }
}

/// Reads the array that lies between two offsets.
fn array(file: &mut Window<'_>, name: String, start: u64, end: u64) -> Result<Tensor, Fault> {
    let who = if name.is_empty() { "it".to_owned() } else { format!("array {name}") };
    let mut stream = Stream::new(file, start, end);
    if stream.take(6)? != MAGIC {
        return broken(format!("{who} does not start as one"));
    }
    let literal_len = match stream.array()? {
        [1, _] => stream.u16()?.into(),
        [2 | 3, _] => stream.u32()?.into(),
        [version, _] => return unknown(format!("{who} is of version {version}")),
    };
    if literal_len > LITERAL_MAX {
        return unknown(format!("{who} has too long a header"));
    }
    let literal = String::from_utf8_lossy(stream.take(literal_len)?).into_owned();
    let offset = stream.at();
    let descr = entry(&literal, "descr");
    let sides = entry(&literal, "shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (Some(descr), Some((sides, _))) = (descr, sides) else {
        return broken(format!("{who} has a header that tells no shape"));
    };
    let sides = sides.split(',').map(|side| side.trim().trim_end_matches('L')).filter(|side| !side.is_empty());
    let Ok(shape) = sides.map(str::parse).collect::<Result<Vec<u64>, _>>() else {
        return broken(format!("{who} has an impossible shape"));
    };
    let (dtype, size) = element(descr);
    let wanted = size.map(|size| shape.iter().try_fold(size, |bytes, side| bytes.checked_mul(*side)));
    let across = entry(&literal, "fortran_order").is_some_and(|rest| rest.starts_with("True"));
    // The first dimension fastest: its bytes do not have its shape, so it is told as a row of elements.
    let shape = match shape.iter().try_fold(1u64, |all, side| all.checked_mul(*side)).filter(|_| across) {
        Some(elements) => vec![elements],
        None => shape,
    };
    match wanted {
        None => Ok(Tensor { name, dtype, shape, offset, len: end - offset }),
        Some(Some(len)) if len <= end - offset => Ok(Tensor { name, dtype, shape, offset, len }),
        Some(_) => broken(format!("{who} has {} bytes, less than its shape needs", end - offset)),
    }
}

/// A small array.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let literal = b"{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }\n";
    [MAGIC, &[1, 0, literal.len() as u8, 0], literal, &[7; 12]].concat()
}

/// A small archive of two arrays.
#[cfg(test)]
pub(super) fn sample_archive() -> Vec<u8> {
    zip::build(&[("w.npy", &sample()), ("b/0.npy", &sample())])
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn arrays_are_found() {
        let found = read_slice(&Npy, &sample()).unwrap().tensors;
        assert_eq!((&found[0].shape[..], found[0].dtype, found[0].len), (&[2, 3][..], Dtype::I16, 12));
        let found = read_slice(&Npz, &sample_archive()).unwrap().tensors;
        assert_eq!([&found[0].name[..], &found[1].name[..]], ["w", "b/0"]);
    }

    #[test]
    fn an_array_across_is_told_as_a_row_of_elements() {
        let across = String::from_utf8_lossy(&sample()).replace("False", "True ");
        let across: Vec<u8> = [&sample()[..10], &across.as_bytes()[across.find('{').unwrap()..]].concat();
        assert_eq!(read_slice(&Npy, &across).unwrap().tensors[0].shape, [6]);
    }

    #[test]
    fn elements() {
        assert_eq!(element("'<U5', "), (Dtype::Other, Some(20)));
        assert_eq!(element("'>f4'"), (Dtype::Other, Some(4)));
        assert_eq!(element("'<M8[ns]'"), (Dtype::Other, Some(8)));
        assert_eq!(element("'|O'").1, None);
        assert_eq!(element("[('a', '<f4')]").1, None);
    }
}
