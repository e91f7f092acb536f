//! safetensors: a JSON header with the range of every tensor, then the data, without gaps.
//!
//! The layout is that of huggingface/safetensors, README, section "Format".

use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The longest header that safetensors itself accepts.
const HEADER_MAX: u64 = 100_000_000;

/// The format.
pub(super) struct Safetensors;

#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Tensor(Described),
    Metadata(serde::de::IgnoredAny),
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
        let described: BTreeMap<String, Value> =
            serde_json::from_slice(&header).or_else(|e| broken(format!("its header is no header: {e}")))?;
        if described.len() > TENSORS_MAX {
            return unknown("it has too many tensors");
        }
        let (data, mut end) = (8 + header_len, 8 + header_len);
        let mut tensors = Vec::with_capacity(described.len());
        for (name, value) in described {
            let Value::Tensor(Described { dtype, shape, data_offsets: (from, to) }) = value else { continue };
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
    fn every_other_length_is_broken() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert!(matches!(read_slice(&Safetensors, &bytes[..len]), Err(Fault::Broken(_))), "{len}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(matches!(read_slice(&Safetensors, &longer), Err(Fault::Broken(_))));
    }
}
