//! safetensors: a JSON header with the range of every tensor, then the data, without gaps.
//!
//! The layout is that of huggingface/safetensors, README, section "Format".

use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;

/// The longest header that safetensors itself accepts.
const HEADER_MAX: u64 = 100_000_000;

/// The name in a header that is not that of a tensor.
const METADATA: &str = "__metadata__";

/// The format.
pub(super) struct Safetensors;

#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Shape,
    data_offsets: (u64, u64),
}

/// Dimensions of one tensor: more than any library makes, few enough that a header of them alone takes no memory.
struct Shape(Vec<u64>);

const DIMENSIONS_MAX: usize = 64;

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Shape, D::Error> {
        struct Sides;
        impl<'de> Visitor<'de> for Sides {
            type Value = Shape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {DIMENSIONS_MAX} dimensions")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sides: A) -> Result<Shape, A::Error> {
                let mut shape = Vec::new();
                while let Some(side) = sides.next_element()? {
                    if shape.len() == DIMENSIONS_MAX {
                        return Err(serde::de::Error::invalid_length(DIMENSIONS_MAX + 1, &self));
                    }
                    shape.push(side);
                }
                Ok(Shape(shape))
            }
        }
        from.deserialize_seq(Sides)
    }
}

/// The tensors of a header by name, without its metadata.
struct Header(BTreeMap<String, Described>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Header, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tensors by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Header, A::Error> {
                let mut tensors = BTreeMap::new();
                while let Some(name) = entries.next_key::<String>()? {
                    match name.as_str() {
                        METADATA => drop(entries.next_value::<IgnoredAny>()?),
                        _ => drop(tensors.insert(name, entries.next_value()?)),
                    }
                }
                Ok(Header(tensors))
            }
        }
        from.deserialize_map(Entries)
    }
}

impl Format for Safetensors {
    fn name(&self) -> &'static str {
        "safetensors"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        let length = head.first_chunk::<8>().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes));
        name.ends_with(b".safetensors") || length <= HEADER_MAX && head.get(8..10) == Some(b"{\"")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let header_len = u64::from_le_bytes(file.array(0)?);
        if header_len > HEADER_MAX {
            return broken("the length of its header is impossible");
        }
        let header = file.get(8, header_len)?;
        let Header(described) =
            serde_json::from_slice(&header).or_else(|e| broken(format!("its header is no header: {e}")))?;
        if described.len() > TENSORS_MAX {
            return unknown("it has too many tensors");
        }
        let (data, mut end) = (8 + header_len, 8 + header_len);
        let mut tensors = Vec::with_capacity(described.len());
        for (name, value) in described {
            let Described { dtype, shape: Shape(shape), data_offsets: (from, to) } = value;
            let bounds = to.checked_sub(from).zip(data.checked_add(from)).zip(data.checked_add(to));
            let Some(((len, offset), last)) = bounds else { return broken(format!("tensor {name} has no range")) };
            let dtype = Dtype::from_name(&dtype);
            let wanted = shape.iter().try_fold(dtype.bytes(), |bytes, side| bytes.checked_mul(*side));
            if dtype != Dtype::Other && wanted != Some(len) {
                return broken(format!("tensor {name} has {len} bytes, which is not what its shape needs"));
            }
            end = end.max(last);
            tensors.push(Tensor { name, dtype, shape, offset, len });
        }
        match file.len() {
            len if len < end => broken(format!("it has {len} bytes, {} less than its header says", end - len)),
            len if len > end => broken(format!("it has {len} bytes, {} more than its header says", len - end)),
            _ => Ok(Layout { tensors }),
        }
    }
}

/// Why a tensor cannot be in a file of this format, if it cannot.
pub fn refuses(tensor: &Tensor) -> Option<&'static str> {
    let wanted = tensor.shape.iter().try_fold(tensor.dtype.bytes(), |bytes, side| bytes.checked_mul(*side));
    match tensor.dtype {
        Dtype::Other | Dtype::C128 => Some("safetensors has no name for its elements"),
        _ if wanted != Some(tensor.len) => Some("its shape and its bytes do not agree"),
        _ if tensor.name == METADATA => Some("safetensors keeps that name for itself"),
        _ => None,
    }
}

/// Puts tensors in the order of a file of this format, wide elements first so that all are aligned, and gives the bytes
/// that come before their data. Their names must differ.
pub fn lay_out(tensors: &mut [Tensor], metadata: &[(&str, &str)]) -> Result<Vec<u8>, String> {
    tensors.sort_by(|a, b| (b.dtype.bytes(), &a.name).cmp(&(a.dtype.bytes(), &b.name)));
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut parts = Vec::with_capacity(tensors.len() + 1);
    if !metadata.is_empty() {
        let pairs: Vec<String> = metadata.iter().map(|(key, value)| format!("{}:{}", text(key), text(value))).collect();
        parts.push(format!("{}:{{{}}}", text(METADATA), pairs.join(",")));
    }
    let mut end = 0u64;
    for Tensor { name, dtype, shape, len, .. } in tensors.iter() {
        let from = end;
        end = end.checked_add(*len).ok_or("the tensors are too long for one file")?;
        let (name, shape) = (text(name), shape.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
        parts.push(format!(r#"{name}:{{"dtype":"{}","shape":[{shape}],"data_offsets":[{from},{end}]}}"#, dtype.name()));
    }
    let mut header = format!("{{{}}}", parts.join(",")).into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() as u64 > HEADER_MAX {
        return Err("so many tensors need a longer header than safetensors allows".into());
    }
    Ok([&(header.len() as u64).to_le_bytes()[..], &header].concat())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::window::read_slice;
    use super::*;

    /// A small file with two tensors.
    pub(in super::super) fn sample() -> Vec<u8> {
        let header = br#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},
            "a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#;
        [&(header.len() as u64).to_le_bytes()[..], header, &[7; 12]].concat()
    }

    #[test]
    fn tensors_are_found() {
        let bytes = sample();
        let layout = read_slice(&Safetensors, &bytes).unwrap();
        let found: Vec<_> = layout.tensors.iter().map(|t| (&t.name[..], t.dtype, t.len)).collect();
        assert_eq!(found, [("a", Dtype::Bf16, 4), ("b", Dtype::F32, 8)]);
        assert_eq!(layout.tensors[1].offset + 8, bytes.len() as u64);
    }

    #[test]
    fn what_is_laid_out_is_read_again() {
        let tensor = |name: &str, dtype: Dtype, shape: &[u64]| Tensor {
            name: name.into(),
            dtype,
            shape: shape.to_vec(),
            offset: 999,
            len: shape.iter().product::<u64>() * dtype.bytes(),
        };
        let mut tensors = [
            tensor("flags", Dtype::Bool, &[3]),
            tensor("z \"q\" \u{1f}é", Dtype::Bf16, &[2, 2]),
            tensor("b", Dtype::F32, &[]),
            tensor("a", Dtype::F32, &[0, 7]),
            tensor("w", Dtype::F64, &[1]),
        ];
        assert!(tensors.iter().all(|tensor| refuses(tensor).is_none()));
        for metadata in [&[][..], &[("format", "pt")]] {
            let head = lay_out(&mut tensors, metadata).unwrap();
            assert!(head.len().is_multiple_of(8) && head[8] == b'{');
            let found = read_slice(&Safetensors, &[&head[..], &[1; 8 + 4 + 8 + 3]].concat()).unwrap().tensors;
            let mut at = head.len() as u64;
            for tensor in &mut tensors {
                let there = found.iter().find(|found| found.name == tensor.name).unwrap();
                tensor.offset = at;
                assert_eq!((there, at % tensor.dtype.bytes()), (&*tensor, 0));
                at += tensor.len;
            }
        }
        assert_eq!(tensors.each_ref().map(|tensor| tensor.name.len()), [1, 1, 1, 9, 5]);
        let empty = lay_out(&mut [], &[]).unwrap();
        assert!(read_slice(&Safetensors, &empty).unwrap().tensors.is_empty());
        for bad in [
            tensor("x", Dtype::Other, &[4]),
            tensor("x", Dtype::C128, &[4]),
            tensor("__metadata__", Dtype::U8, &[4]),
            Tensor { len: 5, ..tensor("x", Dtype::U8, &[4]) },
            Tensor { shape: vec![u64::MAX, 2], ..tensor("x", Dtype::F32, &[4]) },
        ] {
            assert!(refuses(&bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn every_other_length_is_broken() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert!(matches!(read_slice(&Safetensors, &bytes[..len]), Err(Fault::Broken(_))), "{len}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(matches!(read_slice(&Safetensors, &longer), Err(Fault::Broken(_))));
    }
}
