//! Codec 3: codes a chunk of numbers as its difference to a base chunk, when a sample says that this wins by enough.

use super::coding::{Coder, CodingError, Level};
use super::delta::{self, Relation};
use super::planes::Shape;
use super::zstd_frame::{Mode, room};
use crate::spec::{CHUNK_MAX, codec};
use crate::tensor::Dtype;

/// A sample is so many pieces of this many bytes: an embedding of which few rows changed shows in it.
const PIECES: usize = 4;
const PIECE: usize = 8 << 10;
/// A difference must be below this part of the chunk coded alone: a restore has to read two chunks for it.
const ENOUGH: f32 = 0.9;

/// A base, and how a chunk follows from it.
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The relation.
    pub relation: Relation,
    /// The plaintext of the base.
    pub base: &'a [u8],
}

/// Buffers that go from chunk to chunk.
#[derive(Default)]
pub struct Buffers {
    difference: Vec<u8>,
    frame: Vec<u8>,
    check: Vec<u8>,
}

/// A difference has no sign bit of its own any more.
fn shape(relation: Relation) -> Shape {
    Shape { width: relation.widths().1 as u8, phase: 0, rotate: 0 }
}

impl Coder {
    /// Bytes that a sample of `input` takes as a difference, and as what it is alone; the planes that want matches.
    /// `None` when they do not fit.
    fn sample(&mut self, input: &[u8], dtype: Dtype, against: Against<'_>) -> Option<(usize, usize, u8)> {
        let (wide, own) = against.relation.widths();
        if !against.relation.fits(against.base.len(), input.len()) || input.is_empty() {
            return None;
        }
        let mut buffers = std::mem::take(&mut self.delta);
        let count = input.len() / own;
        let piece = (PIECE / own).min(count / PIECES).max(1);
        let (mut sample, mut base) = (Vec::with_capacity(PIECES * PIECE), Vec::with_capacity(PIECES * PIECE * 2));
        for i in 0..PIECES.min(count) {
            let at = (count - piece) / (PIECES - 1).max(1) * i;
            sample.extend_from_slice(&input[at * own..(at + piece) * own]);
            base.extend_from_slice(&against.base[at * wide..(at + piece) * wide]);
        }
        let difference = room(&mut buffers.difference, sample.len());
        delta::take(against.relation, &base, &sample, difference);
        buffers.frame.clear();
        let found = self.encode_planes(difference, shape(against.relation), None, &mut buffers.frame);
        let with = buffers.frame.len();
        let alone = if dtype.is_float() {
            buffers.frame.clear();
            self.encode_planes(&sample, Shape::floats(own as u8, 0), None, &mut buffers.frame)
                .map(|_| buffers.frame.len())
        } else {
            self.zstd.pack(Mode::Level(3), &sample, &mut buffers.frame)
        };
        self.delta = buffers;
        Some((with, alone?.min(sample.len()), found?.0))
    }

    /// How large a chunk would be as a difference, as a part of what it is alone; from a sample.
    pub fn gain(&mut self, input: &[u8], dtype: Dtype, against: Against<'_>) -> Option<f32> {
        self.sample(input, dtype, against).map(|(with, alone, _)| with as f32 / alone.max(1) as f32)
    }

    /// Appends the frame of `input` as a difference, if that wins by enough and reads back; false leaves `out` as it was.
    pub fn encode_against(
        &mut self,
        input: &[u8],
        dtype: Dtype,
        against: Against<'_>,
        level: Level,
        out: &mut Vec<u8>,
    ) -> bool {
        if level == Level::Off || input.len() > CHUNK_MAX {
            return false;
        }
        let Some((with, alone, matched)) = self.sample(input, dtype, against) else { return false };
        if with as f32 > ENOUGH * alone as f32 {
            return false;
        }
        let start = out.len();
        out.push(against.relation as u8);
        let mut buffers = std::mem::take(&mut self.delta);
        let difference = room(&mut buffers.difference, input.len());
        delta::take(against.relation, against.base, input, difference);
        let coded = self.encode_planes(difference, shape(against.relation), Some(matched), out).is_some();
        let mut check = std::mem::take(&mut buffers.check);
        self.delta = buffers;
        let good = coded
            && out.len() - start < super::coding::worthwhile(input.len())
            && self.decode_against(&out[start..], input.len(), against.base, &mut check).is_ok()
            && check == input;
        self.delta.check = check;
        if !good {
            out.truncate(start);
        }
        good
    }

    /// Decodes a frame of any codec; `base` is the plaintext of the base if the codec is 3.
    pub fn decode_with(
        &mut self,
        number: u8,
        frame: &[u8],
        raw_len: usize,
        base: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodingError> {
        if number == codec::DELTA {
            return self.decode_against(frame, raw_len, base, out).inspect_err(|_| out.clear());
        }
        self.decode(number, frame, raw_len, out)
    }

    fn decode_against(
        &mut self,
        frame: &[u8],
        raw_len: usize,
        base: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CodingError> {
        if raw_len > CHUNK_MAX {
            return Err(CodingError::TooLong(raw_len));
        }
        let (number, frame) = frame.split_first().ok_or(CodingError::Damaged)?;
        let relation = Relation::from_number(*number).ok_or(CodingError::Damaged)?;
        let wanted = shape(relation);
        if frame.get(..3) != Some(&[wanted.rotate, wanted.width, wanted.phase]) {
            return Err(CodingError::Damaged);
        }
        if !relation.fits(base.len(), raw_len) {
            return Err(CodingError::NoBase);
        }
        self.decode_planes(frame, raw_len, out)?;
        delta::undo(relation, base, out);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::probe::tests::chunk;
    use super::*;
    use proptest::prelude::*;

    const DTYPES: [Dtype; 5] = [Dtype::F32, Dtype::Bf16, Dtype::F16, Dtype::F64, Dtype::I64];

    /// A chunk like `base` in which one byte in `one_in` differs a little.
    fn later(base: &[u8], one_in: usize) -> Vec<u8> {
        base.iter().enumerate().map(|(i, byte)| if i % one_in == 0 { byte ^ 1 } else { *byte }).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_coded_comes_back(
            sort in 0u8..9, kind in 0usize..5, len in 1usize..9000, seed: u64, one_in in 1usize..90, flip in any::<prop::sample::Index>(),
        ) {
            let base = chunk(sort, len * 8, seed);
            let (own, dtype) = (later(&base, one_in), DTYPES[kind]);
            let relation = Relation::between(dtype, dtype).unwrap();
            let (mut coder, mut out, mut back) = (Coder::new().unwrap(), vec![5], Vec::new());
            let against = Against { relation, base: &base };
            if coder.encode_against(&own, dtype, against, Level::Auto, &mut out) {
                prop_assert!(out.len() < own.len());
                coder.decode_with(3, &out[1..], own.len(), &base, &mut back).unwrap();
                prop_assert_eq!(&back, &own);
                // Another base, or none, or a damaged frame: an error or other bytes, never a panic.
                prop_assert!(coder.decode_with(3, &out[1..], own.len(), &base[1..], &mut back).is_err());
                prop_assert!(coder.decode(3, &out[1..], own.len(), &mut back).is_err());
                let at = 1 + flip.index(out.len() - 1);
                out[at] ^= 1 << (seed % 8);
                let _ = coder.decode_with(3, &out[1..], own.len(), &base, &mut back);
                let _ = coder.decode_with(3, &out[1..at], own.len(), &base, &mut back);
            } else {
                prop_assert_eq!(out, [5]);
            }
        }
    }

    /// Five f16 as the difference to f32, written by hand: the layout, frozen. The manual page has the same.
    #[rustfmt::skip]
    const GOLDEN: &[u8] = &[
        6, // f32, rounded to f16
        0, 2, 0, 1, 0, 0, 0, 0, // not rotated, width 2, phase 0, zero map stored, no plane coded
        1, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, // lengths: zero map, plane 0, plane 1
        0b1_1010, 1, 4, 1, 0, 0, 0, // zero map, planes: the distances 0, -1, 0, 2, -1
    ];

    #[test]
    fn the_layout_is_frozen() {
        let (mut coder, mut out) = (Coder::new().unwrap(), Vec::new());
        let base = [0x3f80_0000u32, 0x3f80_3000, 0x3380_0000, 0xc020_0000, 0x4780_0000].map(u32::to_le_bytes).concat();
        coder.decode_with(3, GOLDEN, 10, &base, &mut out).unwrap();
        assert_eq!(out, [0x3c00u16, 0x3c01, 1, 0xc102, 0x7bff].map(u16::to_le_bytes).concat());
        // Place and value: each of them breaks one rule.
        for (at, value) in
            [(0, 9), (0, 255), (0, 0), (0, 3), (1, 1), (2, 4), (3, 1), (4, 0), (6, 1), (9, 2), (21, 0x3a)]
        {
            let mut frame = GOLDEN.to_vec();
            frame[at] = value;
            assert!(coder.decode_with(3, &frame, 10, &base, &mut out).is_err(), "{at} = {value}");
        }
        for (len, base) in [(10, &base[4..]), (10, &base[1..]), (8, &base[..]), (9, &base[..]), (10, &base[..0])] {
            assert!(coder.decode_with(3, GOLDEN, len, base, &mut out).is_err(), "{len} {}", base.len());
        }
    }

    #[test]
    fn a_fine_tune_is_small_and_a_stranger_is_not_tried() {
        let mut coder = Coder::new().unwrap();
        let base = chunk(1, 1 << 20, 1);
        let (own, other) = (later(&base, 16), chunk(1, 1 << 20, 2));
        let mut out = Vec::new();
        let against = |base| Against { relation: Relation::Same32, base };
        assert!(coder.encode_against(&own, Dtype::F32, against(&base), Level::Auto, &mut out));
        assert!(out.len() < own.len() / 4, "{}", out.len());
        out.clear();
        assert!(!coder.encode_against(&other, Dtype::F32, against(&base), Level::Auto, &mut out) && out.is_empty());
        assert!(coder.gain(&own, Dtype::F32, against(&base)).unwrap() < 0.4);
    }

    #[test]
    fn a_conversion_costs_almost_nothing() {
        let mut coder = Coder::new().unwrap();
        let wide = chunk(1, 1 << 20, 3);
        let narrow: Vec<u8> = wide
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|x| {
                let bits = u32::from_le_bytes(*x);
                (((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16).to_le_bytes()
            })
            .collect();
        let (mut out, relation) = (Vec::new(), Relation::between(Dtype::F32, Dtype::Bf16).unwrap());
        assert!(coder.encode_against(&narrow, Dtype::Bf16, Against { relation, base: &wide }, Level::Auto, &mut out));
        assert!(out.len() < 200, "{}", out.len());
        out.clear();
        let relation = Relation::between(Dtype::Bf16, Dtype::F32).unwrap();
        assert!(coder.encode_against(&wide, Dtype::F32, Against { relation, base: &narrow }, Level::Auto, &mut out));
        assert!(out.len() < wide.len() * 6 / 10, "{}", out.len());
    }
}
