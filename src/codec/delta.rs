//! The difference of a chunk of numbers to a base chunk with the same numbers of an earlier day, or in another width.
//!
//! Every element is predicted from the base; what is kept is the distance of the bit patterns, zigzag coded so that
//! small distances of either sign have high zero bytes. Measured, this is 1 to 4 points smaller than XOR.

use crate::tensor::Dtype;

/// How an element is predicted from the element of the base at the same place. The number is in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Relation {
    /// It is the same number.
    Same16 = 0,
    /// The same, 4 bytes.
    Same32 = 1,
    /// The same, 8 bytes.
    Same64 = 2,
    /// bf16, widened to f32.
    Bf16ToF32 = 3,
    /// f32, rounded to bf16.
    F32ToBf16 = 4,
    /// f16, widened to f32.
    F16ToF32 = 5,
    /// f32, rounded to f16.
    F32ToF16 = 6,
    /// bf16, converted to f16.
    Bf16ToF16 = 7,
    /// f16, converted to bf16.
    F16ToBf16 = 8,
}

impl Relation {
    /// All of them, by number.
    const ALL: [Relation; 9] = [
        Relation::Same16,
        Relation::Same32,
        Relation::Same64,
        Relation::Bf16ToF32,
        Relation::F32ToBf16,
        Relation::F16ToF32,
        Relation::F32ToF16,
        Relation::Bf16ToF16,
        Relation::F16ToBf16,
    ];

    /// The relation with this number.
    pub fn from_number(number: u8) -> Option<Relation> {
        Relation::ALL.get(usize::from(number)).copied()
    }

    /// How numbers of one dtype follow from those of another, if they do.
    pub fn between(base: Dtype, own: Dtype) -> Option<Relation> {
        Some(match (base, own) {
            (Dtype::Bf16, Dtype::F32) => Relation::Bf16ToF32,
            (Dtype::F32, Dtype::Bf16) => Relation::F32ToBf16,
            (Dtype::F16, Dtype::F32) => Relation::F16ToF32,
            (Dtype::F32, Dtype::F16) => Relation::F32ToF16,
            (Dtype::Bf16, Dtype::F16) => Relation::Bf16ToF16,
            (Dtype::F16, Dtype::Bf16) => Relation::F16ToBf16,
            _ if base != own || own == Dtype::Other => return None,
            _ => match own.bytes() {
                2 => Relation::Same16,
                4 => Relation::Same32,
                8 => Relation::Same64,
                _ => return None,
            },
        })
    }

    /// Bytes of an element of the base, and of an element of the chunk.
    pub fn widths(self) -> (usize, usize) {
        match self {
            Relation::Same16 | Relation::Bf16ToF16 | Relation::F16ToBf16 => (2, 2),
            Relation::Same32 => (4, 4),
            Relation::Same64 => (8, 8),
            Relation::Bf16ToF32 | Relation::F16ToF32 => (2, 4),
            Relation::F32ToBf16 | Relation::F32ToF16 => (4, 2),
        }
    }

    /// Whether a base of `base` bytes has exactly the elements of a chunk of `len` bytes, and nothing is left over.
    pub fn fits(self, base: usize, len: usize) -> bool {
        let (wide, own) = self.widths();
        len.is_multiple_of(own) && base.is_multiple_of(wide) && len / own == base / wide
    }
}

/// One pass over elements.
enum Pass<'a> {
    /// Differences of `own` to `base`, into `out`.
    Take { base: &'a [u8], own: &'a [u8], out: &'a mut [u8] },
    /// Differences in `data` become the numbers again.
    Undo { base: &'a [u8], data: &'a mut [u8] },
}

/// Predicts elements of N bytes from elements of M bytes and takes or undoes the difference.
macro_rules! loops {
    ($name:ident, $base:ty, $own:ty, $signed:ty) => {
        #[inline(always)]
        fn $name(pass: Pass<'_>, predict: impl Fn($base) -> $own) {
            const M: usize = size_of::<$base>();
            const N: usize = size_of::<$own>();
            match pass {
                Pass::Take { base, own, out } => {
                    let inputs = base.as_chunks::<M>().0.iter().zip(own.as_chunks::<N>().0);
                    for ((base, own), out) in inputs.zip(out.as_chunks_mut::<N>().0) {
                        let predicted = predict(<$base>::from_le_bytes(*base));
                        let distance = <$own>::from_le_bytes(*own).wrapping_sub(predicted) as $signed;
                        *out = (distance << 1 ^ distance >> (<$own>::BITS - 1)).to_le_bytes();
                    }
                }
                Pass::Undo { base, data } => {
                    for (base, own) in base.as_chunks::<M>().0.iter().zip(data.as_chunks_mut::<N>().0) {
                        let predicted = predict(<$base>::from_le_bytes(*base));
                        let coded = <$own>::from_le_bytes(*own);
                        let distance = coded >> 1 ^ (coded & 1).wrapping_neg();
                        *own = predicted.wrapping_add(distance).to_le_bytes();
                    }
                }
            }
        }
    };
}

loops!(loops16, u16, u16, i16);
loops!(loops32, u32, u32, i32);
loops!(loops64, u64, u64, i64);
loops!(widen, u16, u32, i32);
loops!(narrow, u32, u16, i16);

fn bf16_to_f32(x: u16) -> u32 {
    u32::from(x) << 16
}

/// Rounds to the nearest, ties to even; what becomes of NaN does not matter, as long as it is always the same.
fn f32_to_bf16(x: u32) -> u16 {
    (x.wrapping_add(0x7fff + (x >> 16 & 1)) >> 16) as u16
}

fn f16_to_f32(x: u16) -> u32 {
    let (sign, rest) = (u32::from(x & 0x8000) << 16, u32::from(x & 0x7fff));
    // A subnormal is its mantissa times 2^-24, which f32 holds exactly.
    let small = (rest as f32 * f32::from_bits(0x3380_0000)).to_bits();
    let normal = (rest << 13) + (112 << 23);
    let endless = normal + (112 << 23);
    sign | if rest < 0x0400 {
        small
    } else if rest < 0x7c00 {
        normal
    } else {
        endless
    }
}

/// Rounds to the nearest, ties to even.
fn f32_to_f16(x: u32) -> u16 {
    let (sign, rest) = ((x >> 16 & 0x8000) as u16, x & 0x7fff_ffff);
    // One half has steps of 2^-24, those of the subnormals: the addition rounds.
    let small = (f32::from_bits(rest) + 0.5).to_bits().wrapping_sub(0x3f00_0000) as u16;
    let normal = (rest.wrapping_add(0xfff + (rest >> 13 & 1)).wrapping_sub(112 << 23) >> 13) as u16;
    sign | if rest < 0x3880_0000 {
        small
    } else if rest < 0x4780_0000 {
        normal.min(0x7c00)
    } else {
        0x7c00
    }
}

/// Any pass, with whatever instructions the caller was compiled for.
#[inline(always)]
fn portable(relation: Relation, pass: Pass<'_>) {
    match relation {
        Relation::Same16 => loops16(pass, |x| x),
        Relation::Same32 => loops32(pass, |x| x),
        Relation::Same64 => loops64(pass, |x| x),
        Relation::Bf16ToF32 => widen(pass, bf16_to_f32),
        Relation::F16ToF32 => widen(pass, f16_to_f32),
        Relation::F32ToBf16 => narrow(pass, f32_to_bf16),
        Relation::F32ToF16 => narrow(pass, f32_to_f16),
        Relation::Bf16ToF16 => loops16(pass, |x| f32_to_f16(bf16_to_f32(x))),
        Relation::F16ToBf16 => loops16(pass, |x| f32_to_bf16(f16_to_f32(x))),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(relation: Relation, pass: Pass<'_>) {
    portable(relation, pass)
}

/// A pass with the best instructions that this processor has; the result is the same with all of them.
#[allow(unsafe_code)]
fn run(relation: Relation, pass: Pass<'_>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was found on this processor just above.
        return unsafe { avx2(relation, pass) };
    }
    portable(relation, pass)
}

/// Writes the difference of `own` to `base` to `out`, all with the same number of elements.
pub fn take(relation: Relation, base: &[u8], own: &[u8], out: &mut [u8]) {
    run(relation, Pass::Take { base, own, out });
}

/// Makes the chunk of its difference to `base`, in place.
pub fn undo(relation: Relation, base: &[u8], data: &mut [u8]) {
    run(relation, Pass::Undo { base, data });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_difference_is_undone(number in 0u8..9, base: Vec<u64>, seed: u64) {
            let relation = Relation::from_number(number).unwrap();
            let (wide, own) = relation.widths();
            let base: Vec<u8> = base.iter().flat_map(|x| x.to_le_bytes()).collect();
            let count = base.len() / wide;
            let mut x = seed;
            let mut chunk = vec![0; count * own];
            chunk.iter_mut().for_each(|byte| {
                x = x.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                *byte = (x >> 56) as u8;
            });
            prop_assert!(relation.fits(base.len(), chunk.len()));
            let (mut out, mut plain) = (vec![0; chunk.len()], vec![0; chunk.len()]);
            take(relation, &base, &chunk, &mut out);
            portable(relation, Pass::Take { base: &base, own: &chunk, out: &mut plain });
            prop_assert_eq!(&out, &plain);
            undo(relation, &base, &mut out);
            prop_assert_eq!(out, chunk);
        }
    }

    /// A conversion of the base leaves nothing: checked against the conversions of the language, and known halves.
    #[test]
    fn conversions_are_exact() {
        let halves = [(0x0000, 0.0f32), (0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 5.960_464_5e-8)];
        for (half, single) in halves.into_iter().chain([(0x03ff, 6.097_555e-5), (0x7c00, f32::INFINITY)]) {
            assert_eq!(f16_to_f32(half), single.to_bits());
            assert_eq!(f32_to_f16(single.to_bits()), half);
        }
        for half in (0..=u16::MAX).filter(|half| half & 0x7fff <= 0x7c00) {
            assert_eq!(f32_to_f16(f16_to_f32(half)), half);
        }
        // Half way between 1 and the next half: to even.
        assert_eq!(f32_to_f16(0x3f80_1000), 0x3c00);
        assert_eq!(f32_to_f16(0x3f80_3000), 0x3c02);
        assert_eq!(f32_to_bf16(0x3f80_8000), 0x3f80);
        assert_eq!(f32_to_bf16(0x3f81_8000), 0x3f82);
        assert_eq!(f32_to_f16(70000f32.to_bits()), 0x7c00);
    }

    #[test]
    fn close_numbers_have_small_differences() {
        let (base, own) =
            ([1.0f32, -1.0, 0.5].map(f32::to_bits), [1.0f32, -1.000_000_1, 0.499_999_97].map(f32::to_bits));
        let bytes = |x: [u32; 3]| x.map(u32::to_le_bytes).concat();
        let mut out = [9; 12];
        take(Relation::Same32, &bytes(base), &bytes(own), &mut out);
        assert_eq!(out, [0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]);
    }
}
