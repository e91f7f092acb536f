//! Stage 1 of the cutter for x86-64, 64 positions a step.
//!
//! The functions with `#[target_feature]` are reached only through [`avx2`] and [`avx512`], which ask the CPU first.

use super::cutter::{HALVES, LANES, MATRICES, REACH, Stage1, TARGET};
use core::arch::x86_64::*;

/// Stage 1 by AVX2, if this CPU has it.
pub(super) fn avx2() -> Option<Stage1> {
    std::arch::is_x86_feature_detected!("avx2").then_some(run_avx2 as Stage1)
}

/// Stage 1 by AVX-512 and GFNI, if this CPU has them.
pub(super) fn avx512() -> Option<Stage1> {
    let has = std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("gfni");
    has.then_some(run_avx512 as Stage1)
}

#[allow(unsafe_code)]
fn run_avx2(bytes: &[u8], masks: &mut [u64]) {
    // SAFETY: only `avx2` gives this function away, after it has found AVX2 in the CPU.
    unsafe { masks_avx2(bytes, masks) }
}

#[allow(unsafe_code)]
fn run_avx512(bytes: &[u8], masks: &mut [u64]) {
    // SAFETY: only `avx512` gives this function away, after it has found AVX-512F, AVX-512BW and GFNI in the CPU.
    unsafe { masks_avx512(bytes, masks) }
}

#[target_feature(enable = "avx2")]
fn masks_avx2(bytes: &[u8], masks: &mut [u64]) {
    let tables = HALVES.map(|halves| halves.map(|table| both_halves(table)));
    let low_bits = _mm256_set1_epi8(0x0f);
    for (index, mask) in masks.iter_mut().enumerate() {
        let step = &bytes[index * LANES..][..LANES + REACH - 1];
        let mut found = [0_u32; 2];
        for (which, found) in found.iter_mut().enumerate() {
            let mut sums = [_mm256_setzero_si256(); 2];
            for (offset, [low, high]) in tables.iter().enumerate() {
                let input = load32(step, 32 * which + offset);
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(input), low_bits);
                let lower = _mm256_and_si256(input, low_bits);
                sums[0] = _mm256_xor_si256(sums[0], _mm256_shuffle_epi8(*low, lower));
                sums[1] = _mm256_xor_si256(sums[1], _mm256_shuffle_epi8(*high, upper));
            }
            *found = _mm256_movemask_epi8(_mm256_cmpeq_epi8(sums[0], sums[1])).cast_unsigned();
        }
        *mask = u64::from(found[0]) | u64::from(found[1]) << 32;
    }
}

/// A table of 16 bytes in both halves of a register, as the shuffle wants it.
#[allow(unsafe_code)]
#[target_feature(enable = "avx2")]
fn both_halves(table: [u8; 16]) -> __m256i {
    // SAFETY: the pointer comes from an array of the 16 bytes that are read; no alignment is needed.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
}

#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx2")]
fn load32(bytes: &[u8], at: usize) -> __m256i {
    let source = &bytes[at..at + 32];
    // SAFETY: the slice has the 32 bytes that are read; no alignment is needed.
    unsafe { _mm256_loadu_si256(source.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn masks_avx512(bytes: &[u8], masks: &mut [u64]) {
    let matrices = MATRICES.map(|matrix| _mm512_set1_epi64(matrix.cast_signed()));
    for (index, mask) in masks.iter_mut().enumerate() {
        let step = &bytes[index * LANES..][..LANES + REACH - 1];
        // The instruction adds its constant to the product: the target goes in with the first, so the four products of a survivor sum
        // up to zero, which is to say that three of them sum up to the fourth.
        let first = _mm512_gf2p8affine_epi64_epi8::<{ TARGET as i32 }>(load64(step, 0), matrices[0]);
        let second = _mm512_gf2p8affine_epi64_epi8::<0>(load64(step, 1), matrices[1]);
        let third = _mm512_gf2p8affine_epi64_epi8::<0>(load64(step, 2), matrices[2]);
        let fourth = _mm512_gf2p8affine_epi64_epi8::<0>(load64(step, 3), matrices[3]);
        let three = _mm512_ternarylogic_epi64::<0x96>(first, second, third);
        *mask = _mm512_cmpeq_epi8_mask(three, fourth);
    }
}

#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "avx512f")]
fn load64(bytes: &[u8], at: usize) -> __m512i {
    let source = &bytes[at..at + 64];
    // SAFETY: the slice has the 64 bytes that are read; no alignment is needed.
    unsafe { _mm512_loadu_si512(source.as_ptr().cast()) }
}
