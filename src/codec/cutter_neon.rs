//! Stage 1 of the cutter for 64-bit ARM, 64 positions a step.

use super::cutter::{HALVES, LANES, REACH, Stage1};
use core::arch::aarch64::*;

/// The value of each lane in its byte of a mask.
const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

/// Stage 1 by NEON, if this CPU has it (all of them do) and numbers its lanes as this code does.
pub(super) fn neon() -> Option<Stage1> {
    let has = cfg!(target_endian = "little") && std::arch::is_aarch64_feature_detected!("neon");
    has.then_some(run_neon as Stage1)
}

#[allow(unsafe_code)]
fn run_neon(bytes: &[u8], masks: &mut [u64]) {
    // SAFETY: only `neon` gives this function away, after it has found NEON in the CPU.
    unsafe { masks_neon(bytes, masks) }
}

#[target_feature(enable = "neon")]
fn masks_neon(bytes: &[u8], masks: &mut [u64]) {
    let tables = HALVES.map(|halves| halves.map(|table| load16(&table, 0)));
    let low_bits = vdupq_n_u8(0x0f);
    let bits = load16(&BITS, 0);
    for (index, mask) in masks.iter_mut().enumerate() {
        let step = &bytes[index * LANES..][..LANES + REACH - 1];
        let mut found = [bits; 4];
        for (which, found) in found.iter_mut().enumerate() {
            let mut sums = [vdupq_n_u8(0); 2];
            for (offset, [low, high]) in tables.iter().enumerate() {
                let input = load16(step, 16 * which + offset);
                sums[0] = veorq_u8(sums[0], vqtbl1q_u8(*low, vandq_u8(input, low_bits)));
                sums[1] = veorq_u8(sums[1], vqtbl1q_u8(*high, vshrq_n_u8::<4>(input)));
            }
            *found = vandq_u8(*found, vceqq_u8(sums[0], sums[1]));
        }
        // Eight lanes have one bit each of a byte of the mask: three sums of neighbours put them together.
        let halves = vpaddq_u8(vpaddq_u8(found[0], found[1]), vpaddq_u8(found[2], found[3]));
        let whole = vpaddq_u8(halves, halves);
        *mask = vgetq_lane_u64::<0>(vreinterpretq_u64_u8(whole));
    }
}

#[allow(unsafe_code)]
#[inline]
#[target_feature(enable = "neon")]
fn load16(bytes: &[u8], at: usize) -> uint8x16_t {
    let source = &bytes[at..at + 16];
    // SAFETY: the slice has the 16 bytes that are read; no alignment is needed.
    unsafe { vld1q_u8(source.as_ptr()) }
}
