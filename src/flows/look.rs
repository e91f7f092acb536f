//! What is known of one file by its format: where its tensors are, how it is cut, and what was seen of its numbers.

use super::lock;
use crate::codec::finite::{self, Seen};
use crate::codec::pieces::{Place, Plan, piece_len, pieces};
use crate::formats::{self, Fault, Window};
use crate::id::ChunkId;
use crate::records::model::{FileFormat, TensorRecord, kind};
use crate::spec::PIECE_LEAST;
use crate::tensor::Tensor;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Small tensors that lie within this many bytes of one another are read together when their numbers are counted.
const TOGETHER: u64 = 1 << 20;

/// Characters of the reason why a file is broken that a manifest keeps.
const REASON: usize = 500;

/// One file.
#[derive(Default)]
pub(super) struct Look {
    /// Its format, if it has one that is known.
    format: Option<&'static str>,
    /// Why it does not keep its own promises.
    broken: Option<String>,
    /// Its tensors, by offset.
    pub tensors: Vec<Tensor>,
    /// How it is cut.
    pub plan: Plan,
    seen: Mutex<Vec<Seen>>,
    /// Some numbers could not be looked at, so nobody may call them finite.
    uncounted: AtomicBool,
}

impl Look {
    /// Looks at a file of `len` bytes by its name, its first bytes, and what its format wants to read of it.
    pub fn at(name: &[u8], head: &[u8], len: u64, mut read: impl FnMut(u64, &mut [u8]) -> std::io::Result<()>) -> Look {
        let head = &head[..head.len().min(formats::HEAD)];
        let Some(format) = formats::of(name, head) else { return Look::default() };
        let look = Look { format: Some(format.name()), ..Look::default() };
        match formats::read(format, &mut Window::new(len, &mut read)) {
            Ok(layout) => Look {
                plan: Plan::new(&layout.tensors),
                seen: Mutex::new(vec![Seen::default(); layout.tensors.len()]),
                tensors: layout.tensors,
                ..look
            },
            // The name of a tensor, which may be in there, is as long as somebody wants.
            Err(Fault::Broken(why)) => Look { broken: Some(why.chars().take(REASON).collect()), ..look },
            // Nothing is known of it, which is no fault of the file.
            Err(Fault::Unknown(_)) => look,
        }
    }

    /// The tensor that a piece is of.
    pub fn tensor(&self, place: Place) -> Option<&Tensor> {
        self.tensors.get(place.tensor as usize)
    }

    /// Counts the numbers of a piece.
    pub fn count(&self, place: Place, bytes: &[u8]) {
        let Some(tensor) = self.tensor(place) else { return };
        let seen = finite::count(tensor.dtype, bytes.get(usize::from(place.skip)..).unwrap_or_default());
        let all = &mut lock(&self.seen)[place.tensor as usize];
        *all = all.join(seen);
    }

    /// Counts the numbers of the tensors that are not cut in pieces, by reading them once more.
    pub fn count_small(&self, mut read: impl FnMut(u64, &mut [u8]) -> std::io::Result<()>) {
        let cut = |tensor: &Tensor| !self.plan.is_empty() && tensor.len >= piece_len(tensor.dtype) / PIECE_LEAST;
        let small = self.tensors.iter().enumerate().filter(|(_, tensor)| !cut(tensor) && tensor.len > 0);
        let (mut bytes, mut from) = (Vec::new(), 0);
        for (number, tensor) in small {
            let within = tensor.offset >= from && tensor.offset + tensor.len <= from + bytes.len() as u64;
            if !within {
                let last = self.tensors.last().map_or(0, |last| last.offset + last.len);
                let len = (last - tensor.offset).min(TOGETHER.max(tensor.len).min(64 * TOGETHER));
                from = tensor.offset;
                bytes.resize(len as usize, 0);
                if read(from, &mut bytes).is_err() {
                    self.uncounted.store(true, Ordering::Relaxed);
                    return;
                }
            }
            let at = (tensor.offset - from) as usize;
            let end = bytes.len().min(at + tensor.len as usize);
            lock(&self.seen)[number] = finite::count(tensor.dtype, &bytes[at..end]);
        }
    }

    /// Counts the numbers of all tensors, by reading them.
    pub fn count_all(&self, mut read: impl FnMut(u64, &mut [u8]) -> std::io::Result<()>) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for (tensor, number) in self.tensors.iter().zip(0..) {
            for ((at, len), piece) in pieces(tensor.dtype, tensor.len).zip(0..) {
                bytes.resize(len as usize, 0);
                read(tensor.offset + at, &mut bytes)?;
                self.count(Place { tensor: number, piece, whole: true, skip: 0 }, &bytes);
            }
        }
        let mut done = Ok(());
        self.count_small(|offset, out| {
            done = read(offset, out);
            done.as_ref().map_err(|e| e.kind().into()).copied()
        });
        done
    }

    /// What a manifest tells of the tensors.
    pub fn records(&self) -> Vec<TensorRecord> {
        let record = |(tensor, seen): (&Tensor, &Seen)| {
            let Tensor { name, dtype, shape, offset, len } = tensor.clone();
            let several = len > dtype.bytes() && dtype.is_float();
            let (constant, zero) = (several && seen.constant(), seen.zero());
            TensorRecord { name, dtype, shape, offset, len, nan: seen.nan, infinite: seen.infinite, constant, zero }
        };
        self.tensors.iter().zip(lock(&self.seen).iter()).map(record).collect()
    }

    /// What a manifest entry tells of the file; `details` is the chunk with the records.
    pub fn summary(&self, records: &[TensorRecord], details: Option<ChunkId>) -> Option<FileFormat> {
        let sum = |of: fn(&TensorRecord) -> u64| records.iter().map(of).fold(0, u64::saturating_add);
        // An infinite number on its own is no weight but the worst score or widest bound there is, as callbacks start with it.
        let bad = |r: &TensorRecord| if r.shape.is_empty() && r.nan == 0 { 0 } else { r.nan + r.infinite };
        Some(FileFormat {
            name: self.format?.to_owned(),
            broken: self.broken.clone().or_else(|| {
                let uncounted = self.uncounted.load(Ordering::Relaxed);
                uncounted.then(|| "its numbers could not be read a second time".to_owned())
            }),
            tensors: records.len() as u64,
            details,
            not_finite: sum(bad),
            constant: sum(|record| u64::from(record.constant)),
            elements: sum(|record| record.shape.iter().fold(1, |all, side| all.saturating_mul(*side))),
            kind: if records.is_empty() { 0 } else { kind(self.tensors.iter()) },
        })
    }
}
