//! What a snapshot knows of files with tensors: the format, every tensor, and how healthy its numbers are.

use super::manifest::is_default;
use crate::id::ChunkId;
use crate::tensor::{Dtype, Tensor};
use minicbor::{Decode, Encode};

/// The format of a file, in its manifest entry. CBOR: a map; default values are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FileFormat {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Why the file does not keep the promises of its header.
    #[n(1)]
    pub broken: Option<String>,
    /// How many tensors it has.
    #[cbor(n(2), default, skip_if = "is_default")]
    pub tensors: u64,
    /// The manifest chunk that describes them: [`TensorRecord`]s in one CBOR array.
    #[n(3)]
    pub details: Option<ChunkId>,
    /// How many elements are NaN or infinite; an infinite number that is a tensor of its own is no damage.
    #[cbor(n(4), default, skip_if = "is_default")]
    pub not_finite: u64,
    /// How many tensors of floats, of more than one element, are the same everywhere.
    #[cbor(n(5), default, skip_if = "is_default")]
    pub constant: u64,
    /// How many elements all tensors have.
    #[cbor(n(6), default, skip_if = "is_default")]
    pub elements: u64,
    /// What tells its architecture from another, see [`kind`]; 0 without tensors.
    #[cbor(n(7), default, skip_if = "is_default")]
    pub kind: u64,
}

/// One tensor of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct TensorRecord {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// What its elements are.
    #[n(1)]
    pub dtype: Dtype,
    /// Its dimensions, outermost first.
    #[n(2)]
    pub shape: Vec<u64>,
    /// Where its bytes start in the file.
    #[n(3)]
    pub offset: u64,
    /// How many bytes they are.
    #[n(4)]
    pub len: u64,
    /// Elements that are NaN.
    #[n(5)]
    pub nan: u64,
    /// Elements that are infinite.
    #[n(6)]
    pub infinite: u64,
    /// Whether every element has the same bits; with more than one element.
    #[n(7)]
    pub constant: bool,
    /// Whether every bit is zero.
    #[n(8)]
    pub zero: bool,
}

impl TensorRecord {
    /// As a format tells it.
    pub fn tensor(&self) -> Tensor {
        let TensorRecord { name, dtype, shape, offset, len, .. } = self.clone();
        Tensor { name, dtype, shape, offset, len }
    }
}

/// A file with tensors, as the list of all of them in a snapshot names it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ModelRef {
    /// Its path in the manifest.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub path: Vec<u8>,
    /// The chunk with its tensors.
    #[n(1)]
    pub details: ChunkId,
    /// Seconds since 1970 of its last change.
    #[n(2)]
    pub mtime: i64,
    /// As in [`FileFormat`]: files of one architecture have the same.
    #[n(3)]
    pub kind: u64,
}

/// What tells an architecture from another: the first 8 bytes of a hash of name and shape of the largest tensor, of equal
/// ones the first by name.
pub fn kind<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> u64 {
    let elements = |tensor: &Tensor| tensor.shape.iter().fold(1u64, |all, side| all.saturating_mul(*side));
    let largest = tensors.max_by(|a, b| elements(a).cmp(&elements(b)).then_with(|| b.name.cmp(&a.name)));
    let text = largest.map(|tensor| format!("{} {:?}", tensor.name, tensor.shape)).unwrap_or_default();
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The bytes of a list of records.
pub fn write_list<T: Encode<()>>(records: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    minicbor::encode(records, &mut bytes).ok();
    bytes
}

/// Reads a list of records.
pub fn read_list<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<Vec<T>, String> {
    minicbor::decode(bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn lists_come_back() {
        let record =
            TensorRecord { name: "a.weight".into(), dtype: Dtype::Bf16, shape: vec![2, 3], ..Default::default() };
        let list = [record.clone(), TensorRecord { nan: 7, zero: true, ..record }];
        let bytes = write_list(&list);
        assert_eq!(read_list::<TensorRecord>(&bytes).unwrap(), list);
        assert!((0..bytes.len()).all(|len| read_list::<TensorRecord>(&bytes[..len]).is_err()));
        let list = [ModelRef { path: b"a/\xff".to_vec(), details: Id([3; 32]), mtime: -5, kind: 9 }];
        assert_eq!(read_list::<ModelRef>(&write_list(&list)).unwrap(), list);
    }

    #[test]
    fn kind_is_that_of_the_largest_tensor() {
        let tensor =
            |name: &str, shape: &[u64]| Tensor { name: name.into(), shape: shape.to_vec(), ..Tensor::default() };
        let (a, b, c) = (tensor("a", &[4, 4]), tensor("b", &[4, 4]), tensor("c", &[2]));
        assert_eq!(kind([&a, &b, &c].into_iter()), kind([&b, &a].into_iter()));
        assert_ne!(kind([&b].into_iter()), kind([&a].into_iter()));
    }
}
