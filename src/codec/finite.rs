//! Counts what makes a tensor worthless: NaN, infinities, and the same bits everywhere.

use crate::tensor::Dtype;

/// What was seen of the elements of one tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Elements that are NaN.
    pub nan: u64,
    /// Elements that are infinite.
    pub infinite: u64,
    /// The bits of the first element, and whether all others have the same.
    pub first: Option<(u64, bool)>,
}

impl Seen {
    /// Both together.
    pub fn join(self, other: Seen) -> Seen {
        let first = match (self.first, other.first) {
            (Some((a, same)), Some((b, alike))) => Some((a, same && alike && a == b)),
            (one, None) | (None, one) => one,
        };
        Seen { nan: self.nan + other.nan, infinite: self.infinite + other.infinite, first }
    }

    /// Whether there are elements, and all of them are the same.
    pub fn constant(self) -> bool {
        self.first.is_some_and(|(_, same)| same)
    }

    /// Whether there are elements, and every bit of them is zero.
    pub fn zero(self) -> bool {
        self.first == Some((0, true))
    }
}

macro_rules! floats {
    ($name:ident, $int:ty, $exponent:expr) => {
        /// Elements with all bits of the exponent set are counted first: in good weights there are none.
        #[inline(always)]
        fn $name(bytes: &[u8]) -> Seen {
            const N: usize = size_of::<$int>();
            const EXPONENT: $int = $exponent;
            const MANTISSA: $int = <$int>::MAX >> 1 & !EXPONENT;
            let elements = bytes.as_chunks::<N>().0;
            let Some(first) = elements.first().map(|e| <$int>::from_le_bytes(*e)) else { return Seen::default() };
            let (mut special, mut other) = (0, 0);
            // Few enough at a time that the counter of the narrowest element cannot overflow.
            for block in elements.chunks(128) {
                let mut found: $int = 0;
                for e in block {
                    let x = <$int>::from_le_bytes(*e);
                    found += <$int>::from(x & EXPONENT == EXPONENT);
                    other |= x ^ first;
                }
                special += u64::from(found);
            }
            let nan = |e: &&[u8; N]| {
                let x = <$int>::from_le_bytes(**e);
                x & EXPONENT == EXPONENT && x & MANTISSA != 0
            };
            let nan = if special == 0 { 0 } else { elements.iter().filter(nan).count() as u64 };
            Seen { nan, infinite: special - nan, first: Some((u64::from(first), other == 0)) }
        }
    };
}

floats!(f64s, u64, 0x7ff0_0000_0000_0000);
floats!(f32s, u32, 0x7f80_0000);
floats!(f16s, u16, 0x7c00);
floats!(bf16s, u16, 0x7f80);
floats!(f8e5m2s, u8, 0x7c);

/// e4m3 has no infinities, and one NaN of each sign.
#[inline(always)]
fn f8e4m3s(bytes: &[u8]) -> Seen {
    let nan = bytes.iter().filter(|x| **x & 0x7f == 0x7f).count() as u64;
    Seen { nan, ..plain(bytes) }
}

/// Numbers that are always finite.
#[inline(always)]
fn plain(bytes: &[u8]) -> Seen {
    let Some(first) = bytes.first() else { return Seen::default() };
    let same = bytes.iter().fold(0, |other, x| other | x ^ first) == 0;
    Seen { first: Some((u64::from(*first), same)), ..Seen::default() }
}

/// Any count, with whatever instructions the caller was compiled for.
#[inline(always)]
fn portable(dtype: Dtype, bytes: &[u8]) -> Seen {
    match dtype {
        Dtype::F64 | Dtype::C128 => f64s(bytes),
        Dtype::F32 | Dtype::C64 => f32s(bytes),
        Dtype::F16 => f16s(bytes),
        Dtype::Bf16 => bf16s(bytes),
        Dtype::F8E5m2 => f8e5m2s(bytes),
        Dtype::F8E4m3 => f8e4m3s(bytes),
        _ => plain(bytes),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(dtype: Dtype, bytes: &[u8]) -> Seen {
    portable(dtype, bytes)
}

/// Counts whole elements; bytes after the last one are left alone.
#[allow(unsafe_code)]
pub fn count(dtype: Dtype, bytes: &[u8]) -> Seen {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the feature was found on this processor just above.
        return unsafe { avx2(dtype, bytes) };
    }
    portable(dtype, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn f32_counts_are_those_of_the_language(
            words in prop::collection::vec(prop_oneof![any::<u32>(), Just(0x7f80_0000), Just(0xff80_0001), Just(0)], 0..600),
        ) {
            let bytes: Vec<u8> = words.iter().flat_map(|x| x.to_le_bytes()).collect();
            let is = |test: fn(f32) -> bool| words.iter().filter(|x| test(f32::from_bits(**x))).count() as u64;
            let seen = count(Dtype::F32, &bytes);
            prop_assert_eq!((seen.nan, seen.infinite), (is(f32::is_nan), is(f32::is_infinite)));
            prop_assert_eq!(seen.constant(), !words.is_empty() && words.iter().all(|x| *x == words[0]));
            prop_assert_eq!(seen, portable(Dtype::F32, &bytes));
            let half = bytes.len() / 8 * 4;
            prop_assert_eq!(seen, count(Dtype::F32, &bytes[..half]).join(count(Dtype::F32, &bytes[half..])));
        }
    }

    #[test]
    fn every_float_has_its_nan() {
        let wide =
            |x: u64, n: usize| [&1u64.to_le_bytes()[..n], &x.to_le_bytes()[..n], &2u64.to_le_bytes()[..n]].concat();
        #[rustfmt::skip]
        let table = [
            (Dtype::F64, 8, 0x7ff8_0000_0000_0000, 0xfff0_0000_0000_0000), (Dtype::F32, 4, 0x7fc0_0000, 0x7f80_0000),
            (Dtype::F16, 2, 0x7e00, 0xfc00), (Dtype::Bf16, 2, 0xffc0, 0x7f80), (Dtype::F8E5m2, 1, 0x7e, 0xfc),
        ];
        for (dtype, n, nan, infinite) in table {
            assert_eq!(count(dtype, &wide(nan, n)).nan, 1, "{dtype:?}");
            assert_eq!(count(dtype, &wide(infinite, n)).infinite, 1, "{dtype:?}");
            assert!(count(dtype, &wide(1, n)).infinite == 0 && !count(dtype, &wide(1, n)).constant());
        }
        assert_eq!(count(Dtype::F8E4m3, &[0x7f, 0xff, 0x7e]).nan, 2);
        assert!(count(Dtype::I64, &[0; 64]).zero() && count(Dtype::F32, &[0; 64]).zero());
    }
}
