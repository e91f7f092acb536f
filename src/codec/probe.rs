//! Guesses from cheap statistics what a chunk holds.

/// What a chunk seems to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing to gain.
    Random,
    /// Bytes without a period: text, programs, quantised numbers.
    Bytes,
    /// Pieces that differ much, like an archive of pictures and captions: a small trial says nothing about the whole.
    Mixed,
    /// Elements of `width` bytes, of which the first starts at `phase`.
    Numbers {
        /// Bytes of one element.
        width: u8,
        /// Bytes before the first whole element.
        phase: u8,
    },
}

/// A guess, and the key under which a verdict on such chunks is remembered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// What the chunk seems to hold.
    pub kind: Kind,
    /// Equal for chunks that look alike.
    pub key: u32,
    /// Bits per byte, zero words left out.
    pub bits: f32,
    /// A sixteenth or more is zero words.
    pub sparse: bool,
}

type Counts = [u32; 256];

/// Bits per byte of a distribution, corrected for the size of the sample (Miller and Madow), so that planes with few
/// samples compare fairly with the whole.
fn entropy(counts: &Counts) -> f32 {
    let (mut total, mut kinds, mut sum) = (0u32, 0u32, 0f32);
    for &count in counts {
        total += count;
        kinds += u32::from(count != 0);
        // x * log2(x) by exponent and a cubic, exact to 0.001: vectorised, where libm would cost 1 us a histogram.
        let x = count.max(1) as f32;
        let bits = x.to_bits();
        let m = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
        let log = ((0.158_248_7 * m - 1.051_875) * m + 3.047_884_2) * m - 2.153_620_7;
        sum += x * ((bits >> 23) as f32 - 127.0 + log) * f32::from(u8::from(count > 1));
    }
    if total == 0 {
        return 0.0;
    }
    let total = total as f32;
    (total.log2() - sum / total + kinds.saturating_sub(1) as f32 / (2.0 * std::f32::consts::LN_2 * total)).min(8.0)
}

/// Bytes of one sample.
const SAMPLE: usize = 512;

/// Entropy of a plane in bits per byte, from 4 KiB of it.
pub fn plane_entropy(plane: &[u8]) -> f32 {
    let mut counts = [[0u32; 256]; 2];
    let pieces = 8;
    for i in 0..pieces {
        let at = plane.len().saturating_sub(SAMPLE) * i / (pieces - 1);
        // Two histograms, because equal neighbours would wait for each other's increment.
        for pair in plane[at..plane.len().min(at + SAMPLE)].as_chunks::<2>().0 {
            counts[0][usize::from(pair[0])] += 1;
            counts[1][usize::from(pair[1])] += 1;
        }
    }
    let [mut all, second] = counts;
    all.iter_mut().zip(second).for_each(|(a, b)| *a += b);
    entropy(&all)
}

/// Histograms of bytes by their place modulo 8, without words of 8 zero bytes, which would hide the rest.
struct Sampled {
    phases: [Counts; 8],
    /// Words counted, and zero words seen.
    words: usize,
    zeros: usize,
    /// Least and greatest chance that two bytes of one sample are equal.
    alike: (f32, f32),
}

fn sample(input: &[u8]) -> Sampled {
    let mut s = Sampled { phases: [[0; 256]; 8], words: 0, zeros: 0, alike: (1.0, 0.0) };
    let last = input.len().saturating_sub(SAMPLE);
    let mut take = |at: usize| {
        let at = at & !7;
        let mut local = [0u16; 256];
        let before = s.words;
        for word in input[at..input.len().min(at + SAMPLE)].as_chunks::<8>().0 {
            if *word == [0; 8] {
                s.zeros += 1;
                continue;
            }
            s.words += 1;
            for (counts, byte) in s.phases.iter_mut().zip(word) {
                counts[usize::from(*byte)] += 1;
                local[usize::from(*byte)] += 1;
            }
        }
        if s.words - before >= SAMPLE / 16 {
            let pairs: u32 = local.iter().map(|c| u32::from(*c) * u32::from(*c)).sum();
            let alike = pairs as f32 / ((s.words - before) as f32 * 8.0).powi(2);
            s.alike = (s.alike.0.min(alike), s.alike.1.max(alike));
        }
        s.words
    };
    let enough = (0..16).map(|i| take(last / 15 * i)).last() >= Some(512);
    if !enough {
        // Mostly zeros: look at more places, but not at all of them.
        let _ = (0..112).map(|i| take(last / 112 * i + SAMPLE)).find(|&words| words >= 512);
    }
    s
}

/// A guess at what `input` holds, from about 8 KiB of it.
pub fn guess(input: &[u8]) -> Guess {
    if input.len() < 4 * SAMPLE {
        return Guess { kind: Kind::Bytes, key: 0, bits: 8.0, sparse: false };
    }
    let s = sample(input);
    let sparse = s.zeros * 16 > s.words + s.zeros;
    let all = fold::<1>(&s.phases);
    let whole = entropy(&all[0]);
    let uneven = s.alike.1 > 2.0 * s.alike.0;
    // Random bytes have no zero word at all: where there is one, there is padding.
    let mixed = uneven || s.zeros > 0;
    let guess = |kind, key| Guess { kind, key, bits: whole, sparse };
    if !sparse && !mixed && whole > 7.97 {
        return guess(Kind::Random, 1);
    }
    let by8 = s.phases.map(|c| entropy(&c));
    let by4 = fold::<4>(&s.phases).map(|c| entropy(&c));
    let by2 = fold::<2>(&s.phases).map(|c| entropy(&c));
    let mean = |e: &[f32]| e.iter().sum::<f32>() / e.len() as f32;
    let mut best: &[f32] = &by2;
    for wider in [&by4[..], &by8[..]] {
        if mean(wider) + 0.15 < mean(best) {
            best = wider;
        }
    }
    let constant = best.iter().filter(|e| **e < 0.5).count() as u32;
    let key = |kind: u32| kind << 16 | constant << 8 | u32::from(sparse) << 4 | 2;
    if whole - mean(best) > 0.15 {
        let (width, phase) = (best.len() as u8, phase(best));
        return guess(Kind::Numbers { width, phase }, key(u32::from(width) << 8 | u32::from(phase)));
    }
    if sparse && !uneven && whole > 6.0 {
        // No period in what is there, but leaving out the zeros alone is worth it.
        return guess(Kind::Numbers { width: 4, phase: 0 }, key(0x0400));
    }
    if mixed && whole > 7.0 { guess(Kind::Mixed, 3) } else { guess(Kind::Bytes, key(0)) }
}

/// Histograms by place modulo N from those modulo 8.
fn fold<const N: usize>(phases: &[Counts; 8]) -> [Counts; N] {
    std::array::from_fn(|n| {
        let mut sum = [0; 256];
        for counts in phases.iter().skip(n).step_by(N) {
            sum.iter_mut().zip(counts).for_each(|(s, c)| *s += c);
        }
        sum
    })
}

/// Where elements start, given the entropy of each byte of them at an unknown shift.
///
/// The top byte (sign and exponent) is the one that is much poorer than the byte before it, which is mantissa and nearly
/// as full as any. The poorest byte alone will not do: low bytes of upcast numbers and exponents of alike numbers are constant.
fn phase(bytes: &[f32]) -> u8 {
    let width = bytes.len();
    let full = 0.75 * bytes.iter().copied().fold(0.0, f32::max);
    let drop = |t: usize| {
        let before = bytes[(t + width - 1) % width];
        if before > full { before - bytes[t] } else { -bytes[t] }
    };
    let top = (0..width).max_by(|&a, &b| drop(a).total_cmp(&drop(b))).unwrap_or(width - 1);
    ((top + 1) % width) as u8
}

/// The piece of `input` for a trial: of a few places the one with the fewest zeros, starting at a multiple of 8.
pub fn piece(input: &[u8], len: usize) -> &[u8] {
    let Some(last) = input.len().checked_sub(len) else { return input };
    let full = |at: &usize| input[*at..at + len].as_chunks::<8>().0.iter().filter(|word| **word != [0; 8]).count();
    let at = [1, 7, 2, 6, 4].map(|eighth| (last / 8 * eighth) & !7).into_iter().max_by_key(full).unwrap_or(0);
    &input[at..at + len]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::super::coding::{Coder, Hint, Level};
    use super::super::planes::tests::shapes;
    use proptest::prelude::*;

    /// Bytes without a pattern, and numbers like weights: twelve of the former summed.
    fn random(seed: u64) -> impl Iterator<Item = u8> {
        let mut x = seed | 1;
        std::iter::repeat_with(move || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
    }

    fn weights(seed: u64) -> impl Iterator<Item = f64> {
        let mut bytes = random(seed);
        std::iter::repeat_with(move || {
            (0..24).fold(0.0, |sum, _| sum / 256.0 + f64::from(bytes.next().unwrap())) / 4e3 - 0.03
        })
    }

    /// A chunk of one of the sorts that occur.
    pub fn chunk(sort: u8, len: usize, seed: u64) -> Vec<u8> {
        let f32s = || weights(seed).map(|w| w as f32);
        let mut chunk: Vec<u8> = match sort {
            0 => random(seed).take(len).collect(),
            1 => f32s().take(len / 4).flat_map(f32::to_le_bytes).collect(),
            2 => f32s().take(len / 2).flat_map(|w| ((w.to_bits() >> 16) as u16).to_le_bytes()).collect(),
            3 => weights(seed).take(len / 8).flat_map(f64::to_le_bytes).collect(),
            4 => random(seed).take(len / 8).flat_map(|b| (i64::from(b) * 37).to_le_bytes()).collect(),
            5 => random(seed)
                .flat_map(|b| ["step ", "loss ", "0.25 ", "rate\n"][usize::from(b & 3)].bytes())
                .take(len)
                .collect(),
            6 => (0..len / 4)
                .zip(f32s())
                .flat_map(|(i, w)| if i / 300 % 2 == 0 { [0; 4] } else { w.to_le_bytes() })
                .collect(),
            7 => random(!seed)
                .zip(f32s())
                .take(len / 4)
                .flat_map(|(b, w)| if b < 128 { [0; 4] } else { w.to_le_bytes() })
                .collect(),
            _ => vec![seed as u8; len],
        };
        chunk.resize(len, 9);
        chunk
    }

    /// Chunks of every sort.
    pub fn any_chunk(max: usize) -> impl Strategy<Value = Vec<u8>> {
        (0u8..9, 0..max, any::<u64>()).prop_map(|(sort, len, seed)| chunk(sort, len, seed))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn every_chunk_comes_back_at_every_level(chunk in any_chunk(70_000), skip in 0usize..9) {
            let chunk = &chunk[skip.min(chunk.len())..];
            let (mut coder, mut hint, mut back) = (Coder::new().unwrap(), Hint::default(), vec![7; 9]);
            for level in [Level::Off, Level::Auto, Level::Max, Level::Auto] {
                let mut out = vec![1, 2, 3];
                let number = coder.encode(chunk, level, &mut hint, &mut out);
                prop_assert!(out.starts_with(&[1, 2, 3]) && out.len() <= chunk.len() + 3);
                prop_assert!(level != Level::Off || number == 0);
                coder.decode(number, &out[3..], chunk.len(), &mut back).unwrap();
                prop_assert_eq!(&back, chunk);
            }
        }

        #[test]
        fn a_damaged_frame_gives_an_error_or_other_bytes(
            chunk in any_chunk(20_000), at in any::<prop::sample::Index>(), flip in 1u8.., longer in 0usize..70_000,
        ) {
            let (mut coder, mut frame) = (Coder::new().unwrap(), Vec::new());
            let codec = coder.encode(&chunk, Level::Auto, &mut Hint::default(), &mut frame);
            let mut decode = |codec, frame: &[u8], len| {
                let mut out = Vec::new();
                let decoded = coder.decode(codec, frame, len, &mut out);
                assert!(out.len() == if decoded.is_ok() { len } else { 0 } && out.capacity() <= len + 64);
                decoded
            };
            let _ = decode(codec, &frame, longer);
            for wrong in [chunk.len() + 1, chunk.len().saturating_sub(1)] {
                assert!(wrong == chunk.len() || decode(codec, &frame, wrong).is_err());
            }
            if !frame.is_empty() {
                assert!(decode(codec, &frame[..at.index(frame.len())], chunk.len()).is_err());
                let place = at.index(frame.len());
                frame[place] ^= flip;
                for number in 0..4 {
                    let _ = decode(number, &frame, chunk.len());
                }
            }
        }

        #[test]
        fn every_shape_comes_back(shape in shapes(), chunk in any_chunk(9_000), matches: Option<u8>) {
            let (mut coder, mut frame, mut out) = (Coder::new().unwrap(), Vec::new(), Vec::new());
            prop_assume!(coder.encode_planes(&chunk, shape, matches, &mut frame).is_some());
            coder.decode(2, &frame, chunk.len(), &mut out).unwrap();
            prop_assert_eq!(out, chunk);
        }
    }

    #[test]
    fn each_sort_gets_its_codec_at_any_shift() {
        let mut coder = Coder::new().unwrap();
        // Sort, codec, at most this many percent.
        for (sort, codec, most) in
            [(0, 0, 100), (1, 2, 86), (2, 2, 72), (3, 2, 92), (5, 1, 15), (6, 2, 46), (7, 2, 48), (8, 1, 1)]
        {
            for shift in [0, 1, 3, 6] {
                let (data, mut out) = (chunk(sort, 1 << 18, 77), Vec::new());
                let got = coder.encode(&data[shift..], Level::Auto, &mut Hint::default(), &mut out);
                let percent = out.len() * 100 / data.len();
                assert!(got == codec && percent <= most, "sort {sort} shift {shift}: codec {got}, {percent} %");
            }
        }
    }
}
