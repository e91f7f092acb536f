//! GGUF, versions 2 and 3: metadata, a list of tensors, then their data, aligned.
//!
//! The layout is that of ggml, docs/gguf.md; blocks of quantised tensors are those of ggml/src/ggml-common.h.

use super::stream::Stream;
use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};

/// Arrays in arrays that are followed.
const DEPTH_MAX: u32 = 8;
/// The most dimensions of a tensor, the longest key or name, and the most metadata.
const SIDES_MAX: u32 = 8;
const NAME_MAX: u64 = 1 << 16;
const PAIRS_MAX: u64 = 1 << 20;

/// The format.
pub(super) struct Gguf;

impl Format for Gguf {
    fn name(&self) -> &'static str {
        "gguf"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        name.ends_with(b".gguf") || head.starts_with(b"GGUF")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let len = file.len();
        let mut stream = Stream::new(file, 0, len);
        if stream.take(4)? != b"GGUF" {
            return broken("it does not start as one");
        }
        match stream.u32()? {
            2 | 3 => {}
            version if version & 0xffff == 0 && version != 0 => return unknown("it is big-endian"),
            version => return unknown(format!("it is of version {version}")),
        }
        let (tensors, pairs) = (stream.u64()?, stream.u64()?);
        if tensors > TENSORS_MAX as u64 || pairs > PAIRS_MAX {
            return unknown("it has too many tensors or too much metadata");
        }
        let mut alignment = 32;
        for _ in 0..pairs {
            let named = text(&mut stream)? == "general.alignment";
            let kind = stream.u32()?;
            if named && kind == 4 {
                alignment = u64::from(stream.u32()?);
            } else {
                value(&mut stream, kind, DEPTH_MAX)?;
            }
        }
        let infos = (0..tensors).map(|_| info(&mut stream)).collect::<Result<Vec<_>, _>>()?;
        let Some(data) = stream.at().checked_next_multiple_of(alignment) else { return broken("its alignment is 0") };
        placed(infos, data, len)
    }
}

fn text(stream: &mut Stream<'_, '_>) -> Result<String, Fault> {
    match stream.u64()? {
        len if len <= NAME_MAX => Ok(String::from_utf8_lossy(stream.take(len)?).into_owned()),
        _ => broken("a name in it is too long"),
    }
}

/// Bytes of a value of metadata, if its kind tells them.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// Passes over a value of metadata.
fn value(stream: &mut Stream<'_, '_>, kind: u32, depth: u32) -> Result<(), Fault> {
    match kind {
        8 => stream.u64().and_then(|len| stream.skip(len)),
        9 if depth == 0 => unknown("its metadata is too deep"),
        9 => {
            let (inner, count) = (stream.u32()?, stream.u64()?);
            match width(inner) {
                Some(width) => stream.skip(count.saturating_mul(width)),
                None => (0..count).try_for_each(|_| value(stream, inner, depth - 1)),
            }
        }
        _ => match width(kind) {
            Some(width) => stream.skip(width),
            None => unknown(format!("its metadata has a value of kind {kind}")),
        },
    }
}

/// A tensor as the list has it, with the kind of its elements; its offset counts from the data.
fn info(stream: &mut Stream<'_, '_>) -> Result<(Tensor, u32), Fault> {
    let name = text(stream)?;
    let sides = stream.u32()?;
    if sides > SIDES_MAX {
        return broken(format!("tensor {name} has {sides} dimensions"));
    }
    let mut shape = (0..sides).map(|_| stream.u64()).collect::<Result<Vec<_>, _>>()?;
    shape.reverse();
    let kind = stream.u32()?;
    Ok((Tensor { name, shape, dtype: Dtype::Other, offset: stream.u64()?, len: 0 }, kind))
}

/// What elements of a kind are: the dtype, the elements of a block and its bytes.
fn block(kind: u32) -> Option<(Dtype, u64, u64)> {
    let (elements, bytes) = match kind {
        0 => return Some((Dtype::F32, 1, 4)),
        1 => return Some((Dtype::F16, 1, 2)),
        24 => return Some((Dtype::I8, 1, 1)),
        25 => return Some((Dtype::I16, 1, 2)),
        26 => return Some((Dtype::I32, 1, 4)),
        27 => return Some((Dtype::I64, 1, 8)),
        28 => return Some((Dtype::F64, 1, 8)),
        30 => return Some((Dtype::Bf16, 1, 2)),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        40 => (64, 36),
        _ => return None,
    };
    Some((Dtype::Other, elements, bytes))
}

/// The tensors whose lengths are known, each with its place in the file.
fn placed(infos: Vec<(Tensor, u32)>, data: u64, len: u64) -> Result<Layout, Fault> {
    let mut tensors = Vec::with_capacity(infos.len());
    for (mut tensor, kind) in infos {
        let Some(offset) = data.checked_add(tensor.offset).filter(|offset| *offset <= len) else {
            return broken(format!("tensor {} starts beyond the end of the file", tensor.name));
        };
        let Some((dtype, elements, bytes)) = block(kind) else { continue };
        let count = tensor.shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side));
        let size = count.and_then(|count| count.div_ceil(elements).checked_mul(bytes));
        let Some(size) = size.filter(|size| *size <= len - offset) else {
            return broken(format!("it has {len} bytes, too few for tensor {}", tensor.name));
        };
        (tensor.dtype, tensor.offset, tensor.len) = (dtype, offset, size);
        tensors.push(tensor);
    }
    Ok(Layout { tensors })
}

/// A small file with a plain and a quantised tensor.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    let head = [b"GGUF".to_vec(), numbers(&[3, 2, 0, 3, 0])].concat();
    let words = [text("words"), numbers(&[9, 8, 2, 0]), text("a"), text("bc")].concat();
    let pairs = [text("general.alignment"), numbers(&[4, 64]), words, text("on"), numbers(&[7]), vec![1]].concat();
    let plain = [text("plain"), numbers(&[2, 3, 0, 2, 0, 0, 0, 0])].concat();
    let packed = [text("packed"), numbers(&[1, 64, 0, 8, 64, 0])].concat();
    let mut bytes = [head, pairs, plain, packed].concat();
    bytes.resize(bytes.len().next_multiple_of(64) + 64 + 68, 1);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn tensors_are_found() {
        let bytes = sample();
        let found = read_slice(&Gguf, &bytes).unwrap().tensors;
        assert_eq!((&found[0].shape[..], found[0].dtype, found[0].len), (&[2, 3][..], Dtype::F32, 24));
        assert_eq!((&found[1].name[..], found[1].dtype, found[1].len), ("packed", Dtype::Other, 68));
        assert_eq!((found[0].offset % 64, found[1].offset + 68), (0, bytes.len() as u64));
    }

    #[test]
    fn other_versions_are_not_known() {
        for version in [[1, 0, 0, 0], [0, 0, 0, 3]] {
            let mut bytes = sample();
            bytes[4..8].copy_from_slice(&version);
            assert!(matches!(read_slice(&Gguf, &bytes), Err(Fault::Unknown(_))));
        }
    }
}
