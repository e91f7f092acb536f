//! Speed of the building blocks on one core, in GB/s: `cargo bench`. Figures for people; nothing is asserted.

use lastgood::codec::coding::{Against, Coder, Hint, Level};
use lastgood::codec::crypto::Aead;
use lastgood::codec::cutter::{Cutter, Limits};
use lastgood::codec::delta::Relation;
use lastgood::codec::finite;
use lastgood::codec::kdf::{Cost, Secret, stretch};
use lastgood::tensor::Dtype;
use std::time::{Duration, Instant};

const SIZE: usize = 32 << 20;
const CHUNK: usize = 1 << 20;
const FOR: Duration = Duration::from_millis(700);

/// Best of several runs over `SIZE` bytes.
fn rate(name: &str, mut run: impl FnMut() -> usize) {
    let (start, mut best, mut check) = (Instant::now(), f64::MAX, 0);
    while start.elapsed() < FOR {
        let begun = Instant::now();
        check ^= run();
        best = best.min(begun.elapsed().as_secs_f64());
    }
    println!("{name:<34} {:7.2} GB/s   ({check:x})", SIZE as f64 / best / 1e9);
}

/// Bytes that nothing can compress.
fn random() -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    blake3::Hasher::new().update(b"bench").finalize_xof().fill(&mut bytes);
    bytes
}

/// Numbers as weights are: small, of both signs, spread like a sum of uniform ones.
fn weights(half: bool) -> Vec<u8> {
    let random = random();
    let number = |six: &[u8]| (six.iter().map(|&byte| f32::from(byte)).sum::<f32>() - 765.0) * 1e-4;
    let numbers = random.windows(6).step_by(if half { 2 } else { 4 }).map(number);
    let mut bytes: Vec<u8> = match half {
        true => numbers.flat_map(|n| (n.to_bits() >> 16).to_le_bytes()[..2].to_vec()).collect(),
        false => numbers.flat_map(|n| n.to_le_bytes()).collect(),
    };
    bytes.resize(SIZE, 0);
    bytes
}

fn coding(name: &str, data: &[u8]) {
    let Ok(mut coder) = Coder::new() else { return };
    let mut stored = 0;
    rate(&format!("encode {name} (read back)"), || {
        let mut hint = Hint::default();
        stored = 0;
        for chunk in data.chunks(CHUNK) {
            let mut out = Vec::with_capacity(CHUNK + 1024);
            coder.encode(chunk, Level::Auto, &mut hint, &mut out);
            stored += out.len();
        }
        stored
    });
    println!("{:<34} {:7.2} %", format!("  {name} comes to"), 100.0 * stored as f64 / SIZE as f64);
    let mut frame = Vec::new();
    let codec = coder.encode(&data[..CHUNK], Level::Auto, &mut Hint::default(), &mut frame);
    let mut out = Vec::new();
    rate(&format!("decode {name}"), || {
        (0..SIZE / CHUNK).map(|_| coder.decode(codec, &frame, CHUNK, &mut out).map_or(0, |()| out.len())).sum()
    });
}

/// Numbers of a later step: of all a fifth has moved by a little.
fn later(data: &[u8], dtype: Dtype) -> Vec<u8> {
    let width = dtype.bytes() as usize;
    let moved = |(i, byte): (usize, &u8)| if i % (5 * width) == 0 { byte.wrapping_add(i as u8 % 7) } else { *byte };
    data.iter().enumerate().map(moved).collect()
}

fn delta(name: &str, dtype: Dtype, base: &[u8]) {
    let (Ok(mut coder), Some(relation)) = (Coder::new(), Relation::between(dtype, dtype)) else { return };
    let own = later(base, dtype);
    let (mut stored, mut frames) = (0, vec![Vec::new(); SIZE / CHUNK]);
    rate(&format!("encode {name} as a difference"), || {
        stored = 0;
        for ((chunk, base), out) in own.chunks(CHUNK).zip(base.chunks(CHUNK)).zip(&mut frames) {
            out.clear();
            coder.encode_against(chunk, dtype, Against { relation, base }, Level::Auto, out);
            stored += out.len();
        }
        stored
    });
    println!("{:<34} {:7.2} %", format!("  {name} comes to"), 100.0 * stored as f64 / SIZE as f64);
    let mut out = Vec::new();
    rate(&format!("decode {name} as a difference"), || {
        let decoded = base
            .chunks(CHUNK)
            .zip(&frames)
            .map(|(base, frame)| coder.decode_with(3, frame, CHUNK, base, &mut out).map_or(0, |()| out.len()));
        decoded.sum()
    });
    rate(&format!("count NaN in {name}"), || {
        own.chunks(CHUNK).map(|chunk| finite::count(dtype, chunk).nan as usize).sum::<usize>()
    });
}

fn main() {
    let data = random();
    let cutter = Cutter::new(&[7; 32]);
    let limits = Limits { min: 128 << 10, average: 256 << 10, max: 1 << 20 };
    rate("cut, 256 KiB", || {
        let (mut at, mut count) = (0, 0);
        while at < data.len() {
            at += cutter.cut(&limits, &data[at..]);
            count += 1;
        }
        count
    });
    rate("chunk id (keyed BLAKE3)", || {
        data.chunks(CHUNK).map(|chunk| usize::from(blake3::keyed_hash(&[1; 32], chunk).as_bytes()[0])).sum()
    });
    let key = Aead::new(&[3; 32]);
    let mut sealed = data.clone();
    rate("seal, AES-256-GCM", || {
        sealed.chunks_mut(CHUNK).map(|chunk| key.seal(&[0; 12], b"", chunk).map_or(0, |tag| usize::from(tag[0]))).sum()
    });
    coding("random", &data);
    coding("f32 weights", &weights(false));
    coding("bf16 weights", &weights(true));
    delta("f32 weights", Dtype::F32, &weights(false));
    delta("bf16 weights", Dtype::Bf16, &weights(true));
    let secret = Secret::Password(b"correct horse".to_vec().into());
    let begun = Instant::now();
    stretch(&secret, &[0; 32], &Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 }).ok();
    println!("{:<34} {:7.0} ms", "Argon2id, 64 MiB, 3 passes", begun.elapsed().as_secs_f64() * 1e3);
}
