//! Splits a chunk of numbers into byte planes, joins them again, and lays out the header of codec 2.

/// How the numbers lie in a chunk, and what is done to each before it is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of one element: 2, 4 or 8.
    pub width: u8,
    /// Bytes before the first whole element; less than `width`.
    pub phase: u8,
    /// Bits by which the upper 16 bits of each element are rotated left before the split: 0 to 15.
    pub rotate: u8,
}

impl Shape {
    /// The shape that suits floats of this width: the exponent gets a byte of its own.
    /// bf16 and f32 have 8 bits of exponent below the sign, so one bit of rotation is exact. f16 has 5: any rotation
    /// does. f64 has 11, of which the upper 3 hardly change: they join the sign.
    pub fn floats(width: u8, phase: u8) -> Shape {
        Shape { width, phase, rotate: if width == 8 { 4 } else { 1 } }
    }

    /// Whole elements in a chunk of `len` bytes.
    pub fn elements(&self, len: usize) -> usize {
        len.saturating_sub(usize::from(self.phase)) / usize::from(self.width)
    }
}

/// How a section of a frame of codec 2 is kept; only the zero map may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// No bytes.
    Absent,
    /// As it is.
    Stored,
    /// As one zstd frame.
    Coded,
}

/// The clear header of a frame of codec 2; the bytes around the elements and the sections follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The shape of the numbers.
    pub shape: Shape,
    /// The zero map, then plane 0 (the lowest bytes) and so on: how each is kept and its length in the frame.
    pub sections: [(Kept, u32); 9],
}

impl Header {
    /// Length of the header for elements of `width` bytes.
    pub fn len(width: u8) -> usize {
        8 + 4 * (1 + usize::from(width))
    }

    /// Writes the header to the first bytes of `frame`.
    pub fn write(&self, frame: &mut [u8]) {
        let width = usize::from(self.shape.width);
        let coded = (1..=width).filter(|&j| self.sections[j].0 == Kept::Coded).fold(0, |mask, j| mask | 1 << (j - 1));
        let (Shape { width: w, phase, rotate }, map) = (self.shape, self.sections[0].0 as u8);
        frame[..8].copy_from_slice(&[rotate, w, phase, map, coded, 0, 0, 0]);
        for (place, section) in frame[8..].as_chunks_mut::<4>().0.iter_mut().zip(&self.sections[..=width]) {
            *place = section.1.to_le_bytes();
        }
    }

    /// Reads a header; `None` when it is none, or when the lengths in it and around it are not exactly those of `frame`.
    pub fn parse(frame: &[u8], raw_len: usize) -> Option<Header> {
        let &[rotate, width, phase, map, coded, 0, 0, 0] = frame.first_chunk::<8>()? else { return None };
        let shape = Shape { width, phase, rotate };
        let known = matches!(width, 2 | 4 | 8) && phase < width && rotate < 16 && map < 3;
        if !known || usize::from(phase) > raw_len || u32::from(coded) >> width != 0 {
            return None;
        }
        let lengths = frame.get(8..Header::len(width))?.as_chunks::<4>().0;
        let mut sections = [(Kept::Absent, 0); 9];
        let mut total = Header::len(width) + raw_len - shape.elements(raw_len) * usize::from(width);
        for (j, length) in lengths.iter().enumerate() {
            let kept = match if j == 0 { map } else { 1 + (coded >> (j - 1) & 1) } {
                0 => Kept::Absent,
                1 => Kept::Stored,
                _ => Kept::Coded,
            };
            let length = u32::from_le_bytes(*length);
            sections[j] = (kept, length);
            total = total.checked_add(usize::try_from(length).ok()?)?;
        }
        (total == frame.len() && (map != 0 || sections[0].1 == 0)).then_some(Header { shape, sections })
    }
}

/// One pass over elements; a value, so that there is one place that picks the instructions for all of them.
enum Pass<'a> {
    Split { src: &'a [u8], planes: &'a mut [u8] },
    Join { planes: &'a [&'a [u8]; 8], out: &'a mut [u8] },
    CountZeros { src: &'a [u8] },
    Squeeze { src: &'a [u8], map: &'a mut [u8], dense: &'a mut [u8] },
    Expand { map: &'a [u8], dense: &'a [u8], out: &'a mut [u8] },
}

macro_rules! passes {
    ($name:ident, $int:ty, $width:literal) => {
        /// The loops for one width. They are plain so that the compiler can vectorise them for each target.
        #[inline(always)]
        fn $name(rotate: u8, pass: Pass<'_>) -> usize {
            const W: usize = $width;
            const HIGH: u32 = W as u32 * 8 - 16;
            let rotate = u32::from(rotate);
            match pass {
                Pass::Split { src, planes } => {
                    let src = src.as_chunks::<W>().0;
                    let mut rest = planes;
                    let planes: [&mut [u8]; W] = std::array::from_fn(|_| {
                        let (plane, after) = std::mem::take(&mut rest).split_at_mut(src.len());
                        rest = after;
                        plane
                    });
                    for (i, e) in src.iter().enumerate() {
                        let x = <$int>::from_le_bytes(*e);
                        let high = u32::from((x >> HIGH) as u16);
                        let high = (high << rotate | high >> (16 - rotate)) as u16;
                        let x = x & !(0xffff << HIGH) | <$int>::from(high) << HIGH;
                        for j in 0..W {
                            planes[j][i] = (x >> (8 * j)) as u8;
                        }
                    }
                    0
                }
                Pass::Join { planes, out } => {
                    let out = out.as_chunks_mut::<W>().0;
                    let planes: [&[u8]; W] = std::array::from_fn(|j| &planes[j][..out.len()]);
                    for (i, e) in out.iter_mut().enumerate() {
                        let x = (0..W).fold(0, |x, j| x | <$int>::from(planes[j][i]) << (8 * j));
                        let high = u32::from((x >> HIGH) as u16);
                        let high = (high >> rotate | high << (16 - rotate)) as u16;
                        *e = (x & !(0xffff << HIGH) | <$int>::from(high) << HIGH).to_le_bytes();
                    }
                    0
                }
                Pass::CountZeros { src } => src.as_chunks::<W>().0.iter().filter(|e| **e == [0; W]).count(),
                Pass::Squeeze { src, map, dense } => squeeze_loop::<W>(src, map, dense),
                Pass::Expand { map, dense, out } => expand_loop::<W>(map, dense, out),
            }
        }
    };
}
passes!(passes2, u16, 2);
passes!(passes4, u32, 4);
passes!(passes8, u64, 8);

#[inline(always)]
fn squeeze_loop<const W: usize>(src: &[u8], map: &mut [u8], dense: &mut [u8]) -> usize {
    let mut used = 0;
    for (group, bits) in src.as_chunks::<W>().0.chunks(64).zip(map.chunks_mut(8)) {
        let mask = group.iter().enumerate().fold(0, |m, (i, e)| m | u64::from(*e != [0; W]) << i);
        bits.copy_from_slice(&mask.to_le_bytes()[..bits.len()]);
        if mask == u64::MAX {
            dense[used..used + 64 * W].copy_from_slice(group.as_flattened());
        } else if mask != 0 {
            // Every element is written and some are kept: no branch to mispredict.
            let (mut few, mut at) = ([[0; W]; 64], 0);
            for (i, e) in group.iter().enumerate() {
                few[at & 63] = *e;
                at += (mask >> i & 1) as usize;
            }
            dense[used..used + 64 * W].copy_from_slice(few.as_flattened());
        }
        used += W * mask.count_ones() as usize;
    }
    used
}

#[inline(always)]
fn expand_loop<const W: usize>(map: &[u8], dense: &[u8], out: &mut [u8]) -> usize {
    let mut dense = dense.as_chunks::<W>().0;
    for (group, bits) in out.as_chunks_mut::<W>().0.chunks_mut(64).zip(map.chunks(8)) {
        let mask = bits.iter().rev().fold(0u64, |mask, byte| mask << 8 | u64::from(*byte));
        let (now, later) = dense.split_at(mask.count_ones() as usize);
        dense = later;
        if now.is_empty() {
            group.fill([0; W]);
        } else if now.len() == group.len() {
            group.copy_from_slice(now);
        } else {
            // Place 64 stays zero: that is what was left out.
            let (mut few, mut at) = ([[0; W]; 65], 0);
            few[..now.len()].copy_from_slice(now);
            for (i, e) in group.iter_mut().enumerate() {
                let bit = (mask >> i & 1) as usize;
                *e = few[if bit == 1 { at & 63 } else { 64 }];
                at += bit;
            }
        }
    }
    0
}

/// Any pass, with whatever instructions the caller was compiled for.
#[inline(always)]
fn portable(shape: Shape, pass: Pass<'_>) -> usize {
    match shape.width {
        2 => passes2(shape.rotate, pass),
        4 => passes4(shape.rotate, pass),
        _ => passes8(shape.rotate, pass),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn avx2(shape: Shape, pass: Pass<'_>) -> usize {
    portable(shape, pass)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
fn avx512(shape: Shape, pass: Pass<'_>) -> usize {
    portable(shape, pass)
}

/// A pass with the best instructions that this processor has; the result is the same with all of them.
#[allow(unsafe_code)]
fn run(shape: Shape, pass: Pass<'_>) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        if has!("avx2") && has!("bmi1") && has!("bmi2") && has!("popcnt") {
            if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                // SAFETY: every feature that `avx512` enables was found on this processor just above.
                return unsafe { avx512(shape, pass) };
            }
            // SAFETY: every feature that `avx2` enables was found on this processor just above.
            return unsafe { avx2(shape, pass) };
        }
    }
    portable(shape, pass)
}

/// Splits whole elements into `width` planes that lie one after the other in `planes`, of the same length as `src`.
pub fn split(shape: Shape, src: &[u8], planes: &mut [u8]) {
    run(shape, Pass::Split { src, planes });
}

/// Joins planes, each at least as long as `out` has elements.
pub fn join(shape: Shape, planes: &[&[u8]; 8], out: &mut [u8]) {
    run(shape, Pass::Join { planes, out });
}

/// Counts the elements of which every bit is zero.
pub fn count_zeros(shape: Shape, src: &[u8]) -> usize {
    run(shape, Pass::CountZeros { src })
}

/// Leaves out the zero elements: bit i of `map` (rounded up to bytes) says whether element i is in `dense`, which must have
/// room for 64 elements more than there are. Returns the bytes used of `dense`.
pub fn squeeze(shape: Shape, src: &[u8], map: &mut [u8], dense: &mut [u8]) -> usize {
    run(shape, Pass::Squeeze { src, map, dense })
}

/// Undoes [`squeeze`]; `dense` must have as many elements as `map` has ones, and `map` none beyond `out`.
pub fn expand(shape: Shape, map: &[u8], dense: &[u8], out: &mut [u8]) {
    run(shape, Pass::Expand { map, dense, out });
}

/// The number of set bits.
pub fn ones(map: &[u8]) -> usize {
    let (words, rest) = map.as_chunks::<8>();
    let ones = words.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum::<u32>();
    (ones + rest.iter().map(|byte| byte.count_ones()).sum::<u32>()) as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::super::coding::{Coder, CodingError};
    use super::super::probe::tests::{any_chunk, chunk};
    use super::*;
    use proptest::prelude::*;

    pub fn shapes() -> impl Strategy<Value = Shape> {
        (0u8..3, 0u8..8, 0u8..16).prop_map(|(w, p, rotate)| Shape { width: 2 << w, phase: p % (2 << w), rotate })
    }

    /// The bytes that all passes make of `chunk`, with the instructions that `run` picks.
    fn passes(shape: Shape, chunk: &[u8], run: impl Fn(Shape, Pass<'_>) -> usize) -> Vec<u8> {
        let (width, count) = (usize::from(shape.width), shape.elements(chunk.len()));
        let src = &chunk[chunk.len() - count * width..];
        let (mut map, mut dense) = (vec![0; count.div_ceil(8)], vec![0; src.len() + 64 * width]);
        let used = run(shape, Pass::Squeeze { src, map: &mut map, dense: &mut dense });
        assert_eq!((used, ones(&map) * width), (src.len() - run(shape, Pass::CountZeros { src }) * width, used));
        let (mut back, mut planes) = (vec![1; src.len()], vec![0; src.len()]);
        run(shape, Pass::Expand { map: &map, dense: &dense[..used], out: &mut back });
        assert_eq!(back, src);
        run(shape, Pass::Split { src, planes: &mut planes });
        let parts = std::array::from_fn(|j| planes.get(j * count..(j + 1) * count).unwrap_or(&[]));
        back.fill(1);
        run(shape, Pass::Join { planes: &parts, out: &mut back });
        assert_eq!(back, src);
        [map, dense[..used].to_vec(), planes].concat()
    }

    proptest! {
        #[test]
        fn all_instructions_give_the_same_bytes(shape in shapes(), chunk in any_chunk(9_000)) {
            prop_assert_eq!(passes(shape, &chunk, portable), passes(shape, &chunk, run));
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("bmi2") {
                // SAFETY: found just above; every processor with AVX2 and BMI2 has BMI1 and POPCNT.
                #[allow(unsafe_code)]
                let run = |shape, pass: Pass<'_>| unsafe { avx2(shape, pass) };
                prop_assert_eq!(passes(shape, &chunk, portable), passes(shape, &chunk, run));
            }
        }
    }

    /// Seven bf16 with a byte before and after, written by hand: the layout, frozen.
    #[rustfmt::skip]
    const GOLDEN: &[u8] = &[
        1, 2, 1, 1, 0b10, 0, 0, 0, // rotated by 1, width 2, phase 1, zero map stored, plane 1 coded
        1, 0, 0, 0, 3, 0, 0, 0, 10, 0, 0, 0, // lengths: zero map, plane 0, plane 1
        b'<', b'>', 0b0100_1010, // head, tail, zero map: elements 1, 3 and 6 are not zero
        0x01, 0x00, 0x25, // plane 0: mantissa and sign
        0x28, 0xb5, 0x2f, 0xfd, 0x20, 3, 0x1b, 0, 0, 0x7f, // plane 1: zstd, three exponents 127
    ];

    #[test]
    fn the_layout_is_frozen() {
        let (mut coder, mut out) = (Coder::new().unwrap(), Vec::new());
        coder.decode(2, GOLDEN, 16, &mut out).unwrap();
        assert_eq!(out, b"<\0\0\x80\xbf\0\0\x80\x3f\0\0\0\0\x92\xbf>");
        let mut header = [0xff; 20];
        Header::parse(GOLDEN, 16).unwrap().write(&mut header);
        assert_eq!(header, GOLDEN[..20]);
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let (mut coder, mut out) = (Coder::new().unwrap(), Vec::new());
        // Place and value: each of them breaks one rule.
        #[rustfmt::skip]
        let lies = [
            (0, 16), (1, 3), (1, 0), (1, 4), (2, 2), (2, 0), (3, 0), (3, 2), (3, 3), (4, 0), (4, 0b11), (4, 0b110), (5, 1),
            (7, 1), (8, 2), (8, 0), (11, 255), (12, 2), (16, 9), (19, 128), (22, 0b1100_1010), (22, 0b0100_1011),
        ];
        for (at, value) in lies {
            let mut frame = GOLDEN.to_vec();
            frame[at] = value;
            assert_eq!(coder.decode(2, &frame, 16, &mut out), Err(CodingError::Damaged), "{at} = {value}");
        }
        for raw_len in [0, 1, 14, 15, 17, 64 << 20] {
            assert_eq!(coder.decode(2, GOLDEN, raw_len, &mut out), Err(CodingError::Damaged), "{raw_len}");
        }
        let mut frame = Vec::new();
        coder.encode_planes(&chunk(1, 4096, 3), Shape::floats(4, 0), Some(0), &mut frame).unwrap();
        (0..frame.len()).for_each(|end| assert!(coder.decode(2, &frame[..end], 4096, &mut out).is_err()));
    }
}
