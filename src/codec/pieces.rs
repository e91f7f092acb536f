//! Where a file is cut whose tensors are known: at the start and end of every large one, and in fixed pieces inside.
//!
//! So a tensor gives the same chunks wherever it lies: behind a longer header, in another shard, in another container. Pieces
//! have the same number of elements for every width of float, so that a tensor and its conversion have matching pieces.

use crate::spec::{PIECE, PIECE_ELEMENTS, PIECE_LEAST};
use crate::tensor::{Dtype, Tensor};

/// A piece of a tensor: number of the tensor in its file, and of the piece in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The tensor.
    pub tensor: u32,
    /// The piece.
    pub piece: u32,
    /// Whether it is all of the piece: a hole in the file ends a chunk, and begins another.
    pub whole: bool,
    /// Bytes before its first whole element: only behind a hole in a tensor that lies at an odd place.
    pub skip: u8,
}

/// How a file goes on at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// So many bytes are one chunk.
    Piece(u64, Place),
    /// Up to here it is cut by content.
    Content(u64),
}

/// The cuts of one file.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    large: Vec<Large>,
}

#[derive(Clone, Copy, Debug)]
struct Large {
    start: u64,
    end: u64,
    piece: u64,
    width: u64,
    number: u32,
}

/// Bytes of a piece of a tensor of this dtype.
pub fn piece_len(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4m3 | Dtype::F8E5m2 => {
            PIECE_ELEMENTS * dtype.bytes()
        }
        _ => PIECE,
    }
}

impl Plan {
    /// The cuts of a file with these tensors, which are sorted by offset and do not overlap.
    pub fn new(tensors: &[Tensor]) -> Plan {
        let large = tensors.iter().zip(0..).filter(|(tensor, _)| tensor.len >= piece_len(tensor.dtype) / PIECE_LEAST);
        let large = large.map(|(tensor, number)| {
            let Tensor { offset: start, len, dtype, .. } = *tensor;
            Large { start, end: start + len, piece: piece_len(dtype), width: dtype.bytes(), number }
        });
        Plan { large: large.collect() }
    }

    /// Whether nothing of the file is cut in fixed pieces.
    pub fn is_empty(&self) -> bool {
        self.large.is_empty()
    }

    /// How the file goes on at `offset`.
    pub fn next(&self, offset: u64) -> Next {
        let at = self.large.partition_point(|large| large.end <= offset);
        let Some(large) = self.large.get(at) else { return Next::Content(u64::MAX) };
        if offset < large.start {
            return Next::Content(large.start);
        }
        let (within, left) = ((offset - large.start) % large.piece, large.end - offset);
        let piece = ((offset - large.start) / large.piece) as u32;
        let len = large.piece - within;
        // A short rest is no chunk of its own.
        let len = if left < len + large.piece / PIECE_LEAST { left } else { len };
        let skip = (within.next_multiple_of(large.width) - within) as u8;
        Next::Piece(len, Place { tensor: large.number, piece, whole: within == 0, skip })
    }
}

/// Where the pieces of a tensor start, with the length of each, counted from the start of the tensor.
pub fn pieces(dtype: Dtype, len: u64) -> impl Iterator<Item = (u64, u64)> {
    let plan = Plan::new(&[Tensor { dtype, len, ..Tensor::default() }]);
    let mut at = 0;
    std::iter::from_fn(move || match plan.next(at) {
        Next::Piece(len, _) => {
            at += len;
            Some((at - len, len))
        }
        Next::Content(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(offset: u64, len: u64, dtype: Dtype) -> Tensor {
        Tensor { offset, len, dtype, ..Tensor::default() }
    }

    #[test]
    fn large_tensors_are_cut_in_pieces_and_small_ones_left_to_the_content() {
        let tensors = [
            tensor(100, 50, Dtype::F32),
            tensor(1000, (5 << 19) + 70_000, Dtype::Bf16),
            tensor(3_000_000, 9, Dtype::U8),
        ];
        let plan = Plan::new(&tensors);
        assert_eq!(plan.next(0), Next::Content(1000));
        let (mut at, mut lengths) = (1000, Vec::new());
        while let Next::Piece(len, place) = plan.next(at) {
            assert_eq!((place.tensor, place.piece as usize, place.whole), (1, lengths.len(), true));
            lengths.push(len);
            at += len;
        }
        assert_eq!(lengths, [1 << 19, 1 << 19, 1 << 19, 1 << 19, 1 << 19, 70_000]);
        assert_eq!((at, plan.next(at)), (1000 + (5 << 19) + 70_000, Next::Content(u64::MAX)));
    }

    #[test]
    fn a_short_rest_joins_the_last_piece_and_conversions_match() {
        let lengths = |dtype, len| pieces(dtype, len).map(|(_, len)| len).collect::<Vec<_>>();
        assert_eq!(lengths(Dtype::F32, (2 << 20) + 65_532), [1 << 20, (1 << 20) + 65_532]);
        assert_eq!(lengths(Dtype::Other, (2 << 20) + 65_536), [1 << 20, 1 << 20, 65_536]);
        assert_eq!(lengths(Dtype::F64, (8 << 20) + 160_000).len(), lengths(Dtype::F16, (2 << 20) + 40_000).len());
        assert!(lengths(Dtype::F32, 65_535).is_empty());
        // Behind a hole, up to the end of the piece.
        let Next::Piece(len, place) = Plan::new(&[tensor(3, 4 << 20, Dtype::F32)]).next((1 << 20) + 4096) else {
            panic!()
        };
        assert_eq!((len, place.piece, place.whole, place.skip), ((1 << 20) - 4093, 1, false, 3));
    }
}
