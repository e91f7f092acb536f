//! Decides where a file is cut into chunks: by its content, under a key, and the same on every CPU.
//!
//! Two stages look at each position `p` between the smallest and the largest size:
//!
//! 1. A public GF(2)-affine test of the 4 bytes before `p`, which SIMD does at tens of GB/s. About one position in 256 survives.
//! 2. At the survivors only, SipHash-1-3 under a secret key of the 32 bytes before `p`. It decides.
//!
//! So nobody without the key can compute the lengths that known content is cut to. What remains to an observer who sees lengths in
//! their order: all cuts are survivors of stage 1, which is a test for a guess at the content. Lengths are to be hidden all the same.
//!
//! All this is part of the repository format: with another constant, key derivation or threshold no old chunk would be found again.

/// Bytes before a cut that decide about it, and nothing else does: cuts find the same places again after an insertion.
const WINDOW: usize = 32;

/// Bytes before a position that stage 1 looks at.
pub(super) const REACH: usize = 4;

/// Positions that one word of stage-1 output stands for.
pub(super) const LANES: usize = 64;

/// Words of stage-1 output fetched at once: 4 KiB of input stay in the first-level cache for stage 2.
const BATCH: usize = 64;

/// The matrices of stage 1, for the bytes `p - 4`, `p - 3`, `p - 2`, `p - 1`. Bit `i` of the product is the parity of the byte and the row
/// `matrix >> (56 - 8 * i)`, which is the layout of `gf2p8affineqb`.
///
/// Nobody chose them by hand: they are candidate 4996394 of a stream of BLAKE3, the first one to meet these demands. Each has full rank
/// and each sum of two of them rank 7 at least; no run of one byte value survives, nor do fills with 1.0, -inf and the like, with small
/// integers or line ends; of text, programs, weights and random bytes close to 1/256 survives.
pub(super) const MATRICES: [u64; 4] =
    [0xde53_daf9_c4a8_fa46, 0xa488_f2da_be1b_e591, 0xc9fd_40f3_d0e1_1a0c, 0xbf0a_8463_4c29_bac0];

/// What the sum of the four products must be for a position to survive stage 1.
pub(super) const TARGET: u8 = 0x5d;

/// The context of BLAKE3's key derivation for the SipHash key.
const CONTEXT: &str = "lastgood 2026 v1 cutter siphash";

/// Stage 1 over a stretch of input: bit `j` of `masks[i]` says whether the position after `bytes[..64 * i + j + 4]` survives.
/// `bytes` must hold `64 * masks.len() + 3` bytes.
pub(super) type Stage1 = fn(bytes: &[u8], masks: &mut [u64]);

/// The sizes that chunks may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No chunk is shorter, except the last one of a file. At least 64.
    pub min: usize,
    /// The mean length on data without repetition; a power of two above `min`.
    pub average: usize,
    /// No chunk is longer.
    pub max: usize,
}

impl Limits {
    /// A survivor of stage 1 is a boundary if its SipHash is below this. One survivor comes per 256 bytes and the search starts at `min`,
    /// so one survivor in `(average - min) / 256` has to be accepted for a mean of `average`.
    fn threshold(&self) -> u64 {
        let gap = self.average.saturating_sub(self.min).max(1) as u128;
        u64::try_from((256_u128 << 64) / gap).unwrap_or(u64::MAX)
    }
}

/// Finds the boundaries of chunks, under one key.
#[derive(Clone)]
pub struct Cutter {
    key: [u64; 2],
    stage1: Stage1,
}

impl Cutter {
    /// A cutter for this key, with the fastest implementation that the CPU has. All of them cut the same.
    pub fn new(key: &[u8; 32]) -> Cutter {
        let secret = blake3::derive_key(CONTEXT, key);
        Cutter { key: [word(&secret, 0), word(&secret, 1)], stage1: fastest() }
    }

    /// The length of the first chunk of `data`: the first boundary from `min` to `max`, or else the lesser of `max` and `data.len()`.
    ///
    /// Give it at least `max` bytes, or all that the file still has: a result of `data.len()` below `max` may be the end of the data
    /// only, and no boundary.
    pub fn cut(&self, limits: &Limits, data: &[u8]) -> usize {
        let end = data.len().min(limits.max);
        let threshold = limits.threshold();
        let mut position = limits.min.max(WINDOW);
        let mut last = [0_u8; WINDOW];
        let mut masks = [0_u64; BATCH];
        while position <= end {
            let left = end - position + 1;
            let count = (left / LANES).min(BATCH);
            let (lanes, used) = if count > 0 { (count * LANES, &mut masks[..count]) } else { (left, &mut masks[..1]) };
            let bytes = &data[position - REACH..position + lanes - 1];
            if count > 0 {
                (self.stage1)(bytes, used);
            } else {
                used[0] = scalar_word(bytes);
            }
            let windows = &data[position - WINDOW..];
            if let Some(found) = self.first_boundary(windows, used, threshold, &mut last) {
                return position + found;
            }
            position += lanes;
        }
        end
    }

    /// Stage 2: the first survivor in `masks` that is a boundary. The window of survivor 0 starts at `bytes[0]`.
    /// `last` is the window rejected last, or zeros at first, which cannot survive stage 1: rows of equal survivors, as in arrays that
    /// repeat one number, then cost a comparison each and not a hash.
    fn first_boundary(&self, bytes: &[u8], masks: &[u64], threshold: u64, last: &mut [u8; WINDOW]) -> Option<usize> {
        for (index, &mask) in masks.iter().enumerate() {
            let mut rest = mask;
            while rest != 0 {
                let at = index * LANES + rest.trailing_zeros() as usize;
                let window = bytes[at..].first_chunk::<WINDOW>()?;
                if window != last {
                    if siphash13(self.key, window) < threshold {
                        return Some(at);
                    }
                    *last = *window;
                }
                rest &= rest - 1;
            }
        }
        None
    }
}

/// The fastest stage 1 that this CPU has.
fn fastest() -> Stage1 {
    #[cfg(target_arch = "x86_64")]
    let found = super::cutter_x86::avx512().or_else(super::cutter_x86::avx2);
    #[cfg(target_arch = "aarch64")]
    let found = super::cutter_neon::neon();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found = None;
    found.unwrap_or(scalar)
}

/// The product of a matrix of [`MATRICES`] and a byte.
pub(super) const fn product(matrix: u64, byte: u8) -> u8 {
    let mut result = 0;
    let mut bit = 0;
    while bit < 8 {
        let row = (matrix >> (56 - 8 * bit)) as u8;
        result |= (((row & byte).count_ones() & 1) as u8) << bit;
        bit += 1;
    }
    result
}

/// The products of each matrix with the 16 low (`[0]`) and the 16 high (`[1]`) halves of a byte, for the CPUs that look up 16 entries at
/// once. Their sum is the product with the byte; `TARGET` is in the first table, so a survivor sums up to zero.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) const HALVES: [[[u8; 16]; 2]; 4] = {
    let mut tables = [[[0; 16]; 2]; 4];
    let mut entry = 0;
    while entry < 4 * 16 {
        let (which, half) = (entry / 16, entry % 16);
        let offset = if which == 0 { TARGET } else { 0 };
        tables[which][0][half] = product(MATRICES[which], half as u8) ^ offset;
        tables[which][1][half] = product(MATRICES[which], (half as u8) << 4);
        entry += 1;
    }
    tables
};

/// The products of each byte with all the matrices, the first one lowest. A sum that moves up by a byte before the next entry is added
/// has the four products that belong to a position in its highest byte.
const PRODUCTS: [u32; 256] = {
    let mut table = [0; 256];
    let mut entry = 0;
    while entry < 4 * 256 {
        let (which, byte) = (entry % 4, entry / 4);
        table[byte] |= (product(MATRICES[which], byte as u8) as u32) << (8 * which);
        entry += 1;
    }
    table
};

/// The reference implementation of [`Stage1`], for any CPU.
pub(super) fn scalar(bytes: &[u8], masks: &mut [u64]) {
    for (index, mask) in masks.iter_mut().enumerate() {
        *mask = scalar_word(&bytes[index * LANES..][..LANES + REACH - 1]);
    }
}

/// Stage 1 for the at most 64 positions that have four bytes before them in `bytes`.
fn scalar_word(bytes: &[u8]) -> u64 {
    let (before, rest) = bytes.split_at(REACH - 1);
    let add = |sum: u32, byte: &u8| sum << 8 ^ PRODUCTS[usize::from(*byte)];
    let mut sum = before.iter().fold(0, add);
    let mut mask = 0;
    for (bit, byte) in rest.iter().enumerate() {
        sum = add(sum, byte);
        mask |= u64::from(sum >> 24 == u32::from(TARGET)) << bit;
    }
    mask
}

/// The little-endian word number `index` of `bytes`.
fn word(bytes: &[u8; WINDOW], index: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[8 * index..][..8]);
    u64::from_le_bytes(value)
}

/// One round of SipHash.
#[inline(always)]
fn sip_round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32).wrapping_add(d);
    c = c.wrapping_add(b);
    d = d.rotate_left(21) ^ a;
    b = b.rotate_left(17) ^ c;
    [a, b, c.rotate_left(32), d]
}

/// SipHash-1-3 of a window.
#[inline]
fn siphash13(key: [u64; 2], window: &[u8; WINDOW]) -> u64 {
    let mut state = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    // The last word has no bytes left, only the length in its top byte.
    for index in 0..5 {
        let message = if index < 4 { word(window, index) } else { (WINDOW as u64) << 56 };
        state[3] ^= message;
        state = sip_round(state);
        state[0] ^= message;
    }
    state[2] ^= 0xff;
    for _ in 0..3 {
        state = sip_round(state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn limits(min: usize, average: usize, max: usize) -> Limits {
        Limits { min, average, max }
    }

    const SMALL: Limits = limits(2048, 4096, 16384);

    /// Every implementation that can run here, the reference first.
    fn all() -> Vec<Stage1> {
        let mut all = vec![scalar as Stage1];
        #[cfg(target_arch = "x86_64")]
        all.extend(super::super::cutter_x86::avx2());
        #[cfg(target_arch = "x86_64")]
        all.extend(super::super::cutter_x86::avx512());
        #[cfg(target_arch = "aarch64")]
        all.extend(super::super::cutter_neon::neon());
        all
    }

    fn random(seed: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let hasher = blake3::Hasher::new().update(&seed.to_le_bytes()).clone();
        hasher.finalize_xof().fill(&mut bytes);
        bytes
    }

    fn lengths(cutter: &Cutter, limits: &Limits, mut data: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !data.is_empty() {
            let length = cutter.cut(limits, data);
            lengths.push(length);
            data = &data[length..];
        }
        lengths
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        /// `values` below 255 and a small `period` make many equal windows and runs.
        #[test]
        fn every_implementation_cuts_the_same(
            seed: u64, values in 1_u8..=255, period in 1_usize..60_000,
            length in 0_usize..60_000, offset in 0_usize..130, min in 64_usize..700,
        ) {
            let limits = limits(min, 1024, 4000);
            let base = random(seed, period);
            let bytes: Vec<u8> = base.iter().map(|byte| byte % values).cycle().take(length).collect();
            let data = &bytes[offset.min(length)..];
            let reference = Cutter { stage1: scalar, ..Cutter::new(&[values; 32]) };
            let wanted = lengths(&reference, &limits, data);
            for stage1 in all() {
                prop_assert_eq!(&lengths(&Cutter { stage1, ..reference }, &limits, data), &wanted);
            }
            prop_assert_eq!(wanted.iter().sum::<usize>(), data.len());
            prop_assert!(wanted.iter().all(|&length| length <= limits.max));
            prop_assert!(wanted.iter().rev().skip(1).all(|&length| length >= limits.min));
        }

        #[test]
        fn stage_one_follows_its_definition(bytes in proptest::array::uniform32(any::<u8>())) {
            let bytes = [bytes, bytes, bytes].concat();
            for stage1 in all() {
                let mut masks = [0];
                stage1(&bytes[..67], &mut masks);
                for (bit, window) in bytes[..67].windows(REACH).enumerate() {
                    let products = window.iter().zip(MATRICES).map(|(&byte, matrix)| product(matrix, byte));
                    let sum = products.fold(0, |sum, product| sum ^ product);
                    prop_assert_eq!(masks[0] >> bit & 1 == 1, sum == TARGET);
                }
            }
        }
    }

    #[test]
    fn cuts_are_the_same_again_soon_after_an_insertion() {
        let cutter = Cutter::new(&[1; 32]);
        let mut data = random(1, 400_000);
        let before = lengths(&cutter, &SMALL, &data);
        data.splice(100_000..100_000, *b"inserted");
        let after = lengths(&cutter, &SMALL, &data);
        assert_eq!(before[before.len() - 50..], after[after.len() - 50..]);
    }

    #[test]
    fn the_mean_length_is_the_average() {
        let count = lengths(&Cutter::new(&[2; 32]), &SMALL, &random(2, 8 << 20)).len();
        let mean = (8 << 20) / count;
        assert!(mean.abs_diff(SMALL.average) < SMALL.average / 10, "{mean}");
    }

    #[test]
    fn runs_of_one_byte_never_reach_the_hash() {
        for byte in 0..=255 {
            let data = vec![byte; 20_000];
            for stage1 in all() {
                let mut masks = [1; 64];
                stage1(&data[..64 * LANES + 3], &mut masks);
                assert_eq!(masks, [0; 64]);
            }
            assert_eq!(Cutter::new(&[3; 32]).cut(&SMALL, &data), SMALL.max);
        }
    }

    #[test]
    fn siphash_gives_the_published_value() {
        let window = std::array::from_fn(|index| index as u8);
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        // Entry 32 of the vectors for SipHash-1-3 in the tests of Rust's core library: 0db6a7166c7b1581 as bytes.
        assert_eq!(siphash13(key, &window), 0x8115_7b6c_16a7_b60d);
    }

    /// A failure here means that new snapshots would share nothing with the old ones.
    #[test]
    fn the_format_is_frozen() {
        let cutter = Cutter::new(&std::array::from_fn(|index| index as u8));
        let small = [2504, 3490, 3927, 2952, 3060, 2113, 9390, 6610, 8818, 4766, 2370];
        assert_eq!(lengths(&cutter, &SMALL, &random(3, 50_000)), small);
        let large = [223212, 242399, 185663, 245859, 172117, 203269, 215575, 11906];
        let sizes = limits(1 << 17, 1 << 18, 1 << 20);
        assert_eq!(lengths(&cutter, &sizes, &random(4, 1_500_000)), large);
    }
}
