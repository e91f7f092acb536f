//! Codes one chunk into a frame and back: chooses the codec, runs it, and reads the frame back before it is trusted.

pub use super::against::Against;
pub use super::hint::Hint;
use super::hint::Verdict;
use super::planes::{self, Header, Kept, Shape};
use super::probe::{self, Guess, Kind};
use super::zstd_frame::{Mode, Zstd, room};
use crate::spec::{CHUNK_MAX, codec};

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Level {
    /// Every chunk is stored.
    Off,
    /// Floats as planes, other compressible chunks as zstd level 3, the rest stored.
    #[default]
    Auto,
    /// The same with zstd level 12.
    Max,
}

/// Why a frame cannot be decoded, or a coder not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingError {
    /// The codec is not one that this program knows.
    UnknownCodec(u8),
    /// The chunk is a difference to another one, and there is none, or not the right one.
    NoBase,
    /// The length of the chunk is beyond the limit of the format.
    TooLong(usize),
    /// The frame is damaged, or does not hold a chunk of this length.
    Damaged,
    /// zstd could not be set up.
    Setup(&'static str),
}

impl std::fmt::Display for CodingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CodingError::UnknownCodec(n) => write!(f, "codec {n} is unknown; a newer lastgood may know it"),
            CodingError::NoBase => write!(f, "it is a difference to a chunk that is not at hand"),
            CodingError::TooLong(n) => write!(f, "a chunk of {n} bytes is beyond the limit of {CHUNK_MAX}"),
            CodingError::Damaged => write!(f, "the frame is damaged"),
            CodingError::Setup(why) => write!(f, "zstd could not be set up: {why}"),
        }
    }
}

impl std::error::Error for CodingError {}

/// Length of the piece that is coded both ways to choose.
const TRIAL: usize = 32 << 10;
/// Planes with more bits per byte than this are stored without a try.
const PLANE_BITS: f32 = 7.75;

/// A frame for a chunk or plane of `len` bytes must be shorter than this: 97 %.
pub(super) fn worthwhile(len: usize) -> usize {
    len - len / 32
}

/// Codes chunks; one per worker thread: it keeps zstd contexts and buffers from chunk to chunk.
pub struct Coder {
    pub(super) zstd: Zstd,
    planes: Vec<u8>,
    dense: Vec<u8>,
    map: Vec<u8>,
    packed: Vec<u8>,
    check: Vec<u8>,
    pub(super) delta: super::against::Buffers,
}

impl Coder {
    /// A coder with empty buffers; they grow with the longest chunk.
    pub fn new() -> Result<Coder, CodingError> {
        let [planes, dense, map, packed, check] = [const { Vec::new() }; 5];
        Ok(Coder { zstd: Zstd::new()?, planes, dense, map, packed, check, delta: Default::default() })
    }

    /// Appends the frame of `input` to `out` and returns its codec: 0 stored, 1 zstd, 2 planes.
    ///
    /// Never fails: what is not worth coding or does not read back is stored. `hint` belongs to the file of the chunk.
    pub fn encode(&mut self, input: &[u8], level: Level, hint: &mut Hint, out: &mut Vec<u8>) -> u8 {
        let start = out.len();
        if level != Level::Off && !input.is_empty() && input.len() <= CHUNK_MAX {
            let (level, guess) = (if level == Level::Max { 12 } else { 3 }, probe::guess(input));
            let mut verdict = self.verdict(input, level, guess, hint);
            if hint.follows_mixed() {
                verdict = match verdict {
                    Verdict::Planes { matched, .. } => Verdict::Planes { matched, most: 0.0 },
                    _ => Verdict::Match,
                };
            }
            if let Some(number) = self.code(input, level, guess.kind, verdict, out) {
                if out.len() - start < worthwhile(input.len()) && self.reads_back(number, &out[start..], input) {
                    if guess.kind == Kind::Mixed {
                        hint.note_mixed();
                    }
                    return number;
                }
                hint.forget(guess.key);
            }
            out.truncate(start);
        }
        out.extend_from_slice(input);
        codec::STORED
    }

    /// Decodes a frame into `out`, which is cleared first and then holds exactly `raw_len` bytes.
    ///
    /// The frame may come from anywhere: the result is an error or `raw_len` bytes, and neither `out` nor the buffers of
    /// the coder grow beyond `raw_len` and a constant each.
    pub fn decode(&mut self, number: u8, frame: &[u8], raw_len: usize, out: &mut Vec<u8>) -> Result<(), CodingError> {
        let decoded = match number {
            _ if raw_len > CHUNK_MAX => Err(CodingError::TooLong(raw_len)),
            codec::STORED if frame.len() == raw_len => {
                out.clear();
                out.extend_from_slice(frame);
                Ok(())
            }
            codec::ZSTD => {
                out.resize(raw_len, 0);
                self.zstd.unpack(frame, out)
            }
            codec::PLANES => self.decode_planes(frame, raw_len, out),
            codec::STORED => Err(CodingError::Damaged),
            codec::DELTA => Err(CodingError::NoBase),
            _ => Err(CodingError::UnknownCodec(number)),
        };
        decoded.inspect_err(|_| out.clear())
    }

    fn reads_back(&mut self, number: u8, frame: &[u8], input: &[u8]) -> bool {
        let mut check = std::mem::take(&mut self.check);
        let same = self.decode(number, frame, input.len(), &mut check).is_ok() && check == input;
        self.check = check;
        same
    }

    /// The verdict on chunks like this one, from memory or from a trial.
    fn verdict(&mut self, input: &[u8], level: i32, guess: Guess, hint: &mut Hint) -> Verdict {
        match guess.kind {
            Kind::Random => Verdict::Stored,
            Kind::Mixed => Verdict::Match,
            _ => hint.recall(guess.key).unwrap_or_else(|| {
                let verdict = self.trial(input, level, guess);
                hint.learn(guess.key, verdict);
                verdict
            }),
        }
    }

    /// Codes as the verdict says; `None` when that is to store, or when zstd fails.
    fn code(&mut self, input: &[u8], level: i32, kind: Kind, verdict: Verdict, out: &mut Vec<u8>) -> Option<u8> {
        let mode = match (verdict, kind) {
            (Verdict::Planes { matched, most }, Kind::Numbers { width, phase }) => {
                let start = out.len();
                let (_, full) = self.encode_planes(input, Shape::floats(width, phase), Some(matched), out)?;
                let len = out.len() - start;
                let expected = len as f32 <= most * full as f32;
                let matched =
                    if expected { len } else { self.zstd.pack(Mode::Level(level), input, &mut self.packed)? };
                if matched >= len {
                    return Some(codec::PLANES);
                }
                out.truncate(start);
                out.extend_from_slice(&self.packed[..matched]);
                return Some(codec::ZSTD);
            }
            (Verdict::Match, _) => Mode::Level(level),
            (Verdict::Huffman, _) => Mode::Huffman,
            _ => return None,
        };
        let len = self.zstd.pack(mode, input, &mut self.packed)?;
        out.extend_from_slice(&self.packed[..len]);
        Some(codec::ZSTD)
    }

    /// Codes a piece of the chunk in every way that its kind allows.
    fn trial(&mut self, input: &[u8], level: i32, guess: Guess) -> Verdict {
        let piece = probe::piece(input, TRIAL);
        let matched = self.zstd.pack(Mode::Level(level), piece, &mut self.packed).unwrap_or(usize::MAX);
        let (fast, verdict) = match guess.kind {
            Kind::Numbers { width, phase } => {
                let mut frame = Vec::with_capacity(TRIAL + 64);
                match self.encode_planes(piece, Shape::floats(width, phase), None, &mut frame) {
                    Some((mask, full)) => {
                        // Sure when matches do not matter, or when planes are far ahead in spite of them.
                        let full = full as f32;
                        let sure = matched as f32 > 0.9 * full * guess.bits / 8.0 || frame.len() < matched / 5 * 4;
                        let most = if sure { frame.len() as f32 / full + 0.08 } else { 0.0 };
                        (frame.len(), Verdict::Planes { matched: mask, most })
                    }
                    None => (usize::MAX, Verdict::Stored),
                }
            }
            // So little is left by runs and repeats, which the whole has too.
            _ if matched < piece.len() / 4 => (usize::MAX, Verdict::Match),
            _ => (self.zstd.pack(Mode::Huffman, piece, &mut self.packed).unwrap_or(usize::MAX), Verdict::Huffman),
        };
        // What is several times faster may be a little larger.
        match fast.min(matched) < worthwhile(piece.len()) {
            true if fast <= matched + matched / 64 => verdict,
            false if !guess.sparse => Verdict::Stored,
            _ => Verdict::Match,
        }
    }

    /// Appends a frame of codec 2; bit j of `matches` says that plane j is coded with matches, `None` that both ways are
    /// tried. Returns the planes for which matches won the try, and the bytes in planes; `None` when zstd fails.
    pub(super) fn encode_planes(
        &mut self,
        input: &[u8],
        shape: Shape,
        matches: Option<u8>,
        out: &mut Vec<u8>,
    ) -> Option<(u8, usize)> {
        let (start, width) = (out.len(), usize::from(shape.width));
        let count = shape.elements(input.len());
        let (head, body) = input.split_at_checked(usize::from(shape.phase))?;
        let (body, tail) = body.split_at(count * width);
        out.resize(start + Header::len(shape.width), 0);
        out.extend_from_slice(head);
        out.extend_from_slice(tail);
        let mut sections = [(Kept::Absent, 0); 9];

        let mut dense = body;
        if planes::count_zeros(shape, body) > count / 16 {
            let map = room(&mut self.map, count.div_ceil(8));
            let used = planes::squeeze(shape, body, map, room(&mut self.dense, body.len() + 64 * width));
            dense = &self.dense[..used];
            let len = self.zstd.pack(Mode::Level(1), map, &mut self.packed)?;
            sections[0] = put(out, map, &self.packed[..len]);
        }
        let elements = dense.len() / width;
        let split = room(&mut self.planes, dense.len());
        planes::split(shape, dense, split);
        let (mut matched, mut second) = (0, Vec::new());
        for (j, plane) in (0..width).map(|j| (j, &split[j * elements..][..elements])) {
            if probe::plane_entropy(plane) > PLANE_BITS {
                sections[j + 1] = put(out, plane, plane);
                continue;
            }
            let wanted = matches.is_some_and(|mask| mask >> j & 1 == 1);
            let mode = if wanted { Mode::Level(1) } else { Mode::Huffman };
            let len = self.zstd.pack(mode, plane, &mut self.packed)?;
            let mut best = &self.packed[..len];
            if matches.is_none() {
                let len = self.zstd.pack(Mode::Level(1), plane, &mut second)?;
                // Matches are slow, so they have to gain a fiftieth.
                if len + len / 50 < best.len() {
                    best = &second[..len];
                    matched |= 1 << j;
                }
            }
            sections[j + 1] = put(out, plane, best);
        }
        Header { shape, sections }.write(&mut out[start..]);
        Some((matched, dense.len()))
    }

    pub(super) fn decode_planes(&mut self, frame: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), CodingError> {
        let header = Header::parse(frame, len).ok_or(CodingError::Damaged)?;
        let shape = header.shape;
        let (width, count) = (usize::from(shape.width), shape.elements(len));
        let (head, rest) = frame[Header::len(shape.width)..].split_at(usize::from(shape.phase));
        let (tail, mut rest) = rest.split_at(len - head.len() - count * width);
        let mut section = |j: usize| {
            let (now, later) = rest.split_at(header.sections[j].1 as usize);
            rest = later;
            (header.sections[j].0, now)
        };

        let mut map: &[u8] = &[];
        let mut elements = count;
        let map_section = section(0);
        if map_section.0 != Kept::Absent {
            map = take(&mut self.zstd, map_section, room(&mut self.map, count.div_ceil(8)))?;
            elements = planes::ones(map);
            if count == 0 || count % 8 != 0 && map[count / 8] >> (count % 8) != 0 {
                return Err(CodingError::Damaged);
            }
        }
        let mut planes: [&[u8]; 8] = [&[]; 8];
        let mut scratch = room(&mut self.planes, elements * width);
        for (j, plane) in planes.iter_mut().enumerate().take(width) {
            let (place, later) = scratch.split_at_mut(elements);
            scratch = later;
            *plane = take(&mut self.zstd, section(j + 1), place)?;
        }

        out.resize(len, 0);
        out[..head.len()].copy_from_slice(head);
        out[len - tail.len()..].copy_from_slice(tail);
        let body = &mut out[head.len()..len - tail.len()];
        if map.is_empty() {
            planes::join(shape, &planes, body);
            return Ok(());
        }
        for (body, map) in body.chunks_mut(STRIP * width).zip(map.chunks(STRIP / 8)) {
            let elements = planes::ones(map);
            let dense = room(&mut self.dense, elements * width);
            planes::join(shape, &planes, dense);
            planes::expand(shape, map, dense, body);
            planes.iter_mut().take(width).for_each(|plane| *plane = &plane[elements..]);
        }
        Ok(())
    }
}

/// Elements that are joined and expanded at a time, so that they stay in the nearest cache.
const STRIP: usize = 2048;

/// Appends a section, coded when that is worth it.
fn put(out: &mut Vec<u8>, raw: &[u8], coded: &[u8]) -> (Kept, u32) {
    let (kept, bytes) = if coded.len() < worthwhile(raw.len()) { (Kept::Coded, coded) } else { (Kept::Stored, raw) };
    out.extend_from_slice(bytes);
    (kept, bytes.len() as u32)
}

/// A section's bytes: those of the frame, or unpacked into `place`, which has the length that they must have.
fn take<'a>(zstd: &mut Zstd, (kept, bytes): (Kept, &'a [u8]), place: &'a mut [u8]) -> Result<&'a [u8], CodingError> {
    match kept {
        Kept::Coded => zstd.unpack(bytes, place).map(|()| &*place),
        _ if bytes.len() == place.len() => Ok(bytes),
        _ => Err(CodingError::Damaged),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_one_plain_zstd_frame_is_codec_1() {
        let (mut coder, mut out) = (std::thread::spawn(Coder::new).join().unwrap().unwrap(), Vec::new());
        // One RLE block of 200 bytes "a"; the same with a frame to skip behind it; and without a content size.
        let one = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 200, 0x43, 0x06, 0, b'a'];
        assert_eq!(coder.decode(codec::ZSTD, &one, 200, &mut out), Ok(()));
        assert_eq!(out, [b'a'; 200]);
        let two = [&one[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat();
        for bad in [&two[..], &two[10..], b"\x28\xb5\x2f\xfd\0\0\x43\x06\0a", &[], &one[..9]] {
            assert_eq!(coder.decode(codec::ZSTD, bad, 200, &mut out), Err(CodingError::Damaged));
        }
        assert_eq!(coder.decode(3, &one, 200, &mut out), Err(CodingError::NoBase));
        assert_eq!(coder.decode(0, &one, CHUNK_MAX + 1, &mut out), Err(CodingError::TooLong(CHUNK_MAX + 1)));
        assert!(coder.decode(2, &one, CHUNK_MAX, &mut out).is_err() && out.capacity() <= 200);
    }
}
