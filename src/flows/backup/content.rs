//! The content of one file: cut it where its tensors start or its bytes say so, and store the chunks. Chunks of a large
//! file go to whoever is free.

use super::bases::Subject;
use super::collect::Tally;
use super::lock;
use super::look::Look;
use super::read::{Failure, Reader};
use crate::codec::coding::Hint;
use crate::codec::cutter::Limits;
use crate::codec::envelope::Realm;
use crate::codec::pieces::{Next, Place};
use crate::error::{Error, Result};
use crate::formats;
use crate::id::{ChunkId, Id};
use crate::memory::large_vec;
use crate::repo::writer::Added;
use crate::sources::Reading;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is read at once of a large file: holds the longest chunk and then some.
const BUFFER: usize = 8 << 20;
/// Files of at most this size are read, cut and stored by one thread alone.
const ALONE: u64 = 2 << 20;
/// Chunks waiting for a helper, for each thread.
const TASKS: usize = 8;
const SHORT_WAIT: Duration = Duration::from_millis(1);

/// A chunk of a large file that any thread may store.
struct Task {
    file: Arc<LargeFile>,
    number: usize,
    buffer: Arc<Buffer>,
    range: Range<usize>,
}

/// Read-ahead of a large file; goes back to the others when the last chunk in it is stored.
struct Buffer {
    bytes: Vec<u8>,
    home: Sender<Vec<u8>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.try_send(std::mem::take(&mut self.bytes)).ok();
    }
}

/// What the reading threads share.
pub(super) struct Work {
    tasks: (Sender<Task>, Receiver<Task>),
    buffers: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
}

impl Work {
    /// Queues for so many threads; no more buffers than these exist.
    pub fn new(threads: usize) -> Work {
        let buffers = bounded(threads + 2);
        for _ in 0..threads + 2 {
            buffers.0.try_send(Vec::new()).ok();
        }
        Work { tasks: bounded(threads * TASKS), buffers }
    }
}

/// A large file in the middle of being read.
struct LargeFile {
    look: Arc<Subject>,
    chunks: Mutex<Vec<(ChunkId, Option<Place>)>>,
    hint: Mutex<Hint>,
    /// Chunks not stored yet.
    left: AtomicU64,
    tally: Mutex<Tally>,
}

/// What was read and stored of a file.
pub(super) struct Content {
    pub look: Arc<Subject>,
    pub chunks: Vec<(ChunkId, Option<Place>)>,
    pub tally: Tally,
}

/// What is known of the coding of a file before its first chunk.
fn hint(look: &Look) -> Hint {
    if look.plan.is_empty() { Hint::default() } else { Hint::of_tensors() }
}

impl Reader<'_> {
    /// Reads and stores a file up to its end.
    pub(super) fn content(&mut self, reading: &mut Reading) -> std::result::Result<Content, Failure> {
        let small = reading.entry().data_len() <= ALONE && reading.entry().holes.is_empty();
        let content = if small { self.read_alone(reading)? } else { self.read_shared(reading)? };
        content.look.count_small(|offset, out| reading.look(offset, out));
        Ok(content)
    }

    /// Stores one waiting chunk of somebody's large file, if there is one.
    pub(super) fn help(&mut self) -> Result<bool> {
        match self.work.tasks.1.try_recv() {
            Ok(task) => self.store_task(task).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Waits a moment for a chunk to store.
    pub(super) fn wait(&mut self) -> Result<()> {
        match self.work.tasks.1.recv_timeout(SHORT_WAIT) {
            Ok(task) => self.store_task(task),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn store_task(&mut self, task: Task) -> Result<()> {
        let file = &task.file;
        let chunk = &task.buffer.bytes[task.range.clone()];
        let (mut hint, place) = (lock(&file.hint).clone(), lock(&file.chunks)[task.number].1);
        let added = self.store(chunk, &file.look, place, &mut hint)?;
        *lock(&file.hint) = hint;
        self.run.progress.step(lock(&file.tally).count(added, chunk.len()));
        lock(&file.chunks)[task.number].0 = added.id();
        file.left.fetch_sub(1, Ordering::Release);
        Ok(())
    }

    /// Stores a chunk: a piece of a tensor perhaps as the difference to an earlier one.
    fn store(&mut self, chunk: &[u8], look: &Subject, place: Option<Place>, hint: &mut Hint) -> Result<Added> {
        let Some(place) = place else { return self.filler.add(Realm::Data, chunk, hint) };
        look.count(place, chunk);
        let Some((bases, reader)) = self.run.bases.as_ref().zip(self.bases.as_mut()) else {
            return self.filler.add(Realm::Data, chunk, hint);
        };
        let added =
            self.filler.add_near(Realm::Data, chunk, hint, move || reader.near(bases, look, place, chunk.len()))?;
        if let Added::New { id, base: Some(_), .. } = added {
            bases.note_difference(id, look, place);
        }
        Ok(added)
    }

    /// What the format of a file says, with the earlier file that it is compared with.
    fn look(&mut self, reading: &Reading, head: &[u8]) -> Subject {
        let entry = reading.entry();
        let look = Look::at(entry.name(), head, entry.size, |offset, out| reading.look(offset, out));
        if let Some((bases, reader)) = self.run.bases.as_ref().zip(self.bases.as_mut()) {
            let read = |offset: u64, out: &mut [u8]| reading.look(offset, out);
            let base = bases.choose(&entry.path, &look, &mut self.filler, reader, read);
            return Subject { look, base };
        }
        Subject { look, base: None }
    }

    /// Limits of the chunks of a file that are cut by content: those of a small file between tensors.
    fn limits(&self, look: &Look, size: u64) -> Limits {
        let cut = &self.run.config.cut;
        let sizes = if size >= cut.large_from && look.plan.is_empty() { cut.large } else { cut.small };
        Limits { min: sizes.min, average: sizes.average, max: sizes.max }
    }

    /// The length of the chunk that starts at `offset` of the file, where `data` is; `None` when more must be read first.
    /// `ended` says that nothing follows `data`.
    fn cut(
        &self,
        look: &Look,
        limits: &Limits,
        offset: u64,
        data: &[u8],
        ended: bool,
    ) -> Option<(usize, Option<Place>)> {
        match look.plan.next(offset) {
            Next::Piece(len, place) if len <= data.len() as u64 => Some((len as usize, Some(place))),
            // A hole follows, or the file became shorter while it was read.
            Next::Piece(_, place) => ended.then_some((data.len(), Some(Place { whole: false, ..place }))),
            Next::Content(end) => {
                let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
                let within = &data[..data.len().min(left)];
                let len = self.run.cutter.cut(limits, within);
                // The end of the buffer is no end of a chunk, unless the stretch of data ends there too.
                let open = len == data.len() && len < left && !ended && len < limits.max;
                (!open).then_some((len, None))
            }
        }
    }

    /// A small file without holes, whole in one buffer.
    fn read_alone(&mut self, reading: &mut Reading) -> std::result::Result<Content, Failure> {
        let len = reading.entry().size as usize;
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let stored = self.store_alone(reading, &mut buffer[..len]);
        self.buffer = buffer;
        stored
    }

    fn store_alone(&mut self, reading: &mut Reading, buffer: &mut [u8]) -> std::result::Result<Content, Failure> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = reading.read(&mut buffer[filled..]).map_err(Failure::Source)?;
            if read.len == 0 {
                break;
            }
            filled += read.len;
        }
        let data = &buffer[..filled];
        let look = Arc::new(self.look(reading, data));
        let limits = self.limits(&look, data.len() as u64);
        let (mut chunks, mut tally, mut hint, mut at) = (Vec::new(), Tally::default(), hint(&look), 0);
        while let Some((len, place)) = self.cut(&look, &limits, at as u64, &data[at..], true).filter(|_| at < filled) {
            let chunk = &data[at..at + len];
            let added = self.store(chunk, &look, place, &mut hint).map_err(Failure::Run)?;
            self.run.progress.step(tally.count(added, len));
            chunks.push((added.id(), place));
            at += len;
        }
        Ok(Content { look, chunks, tally })
    }

    /// A large file: this thread reads and cuts, every thread stores.
    fn read_shared(&mut self, reading: &mut Reading) -> std::result::Result<Content, Failure> {
        let mut head = vec![0; formats::HEAD.min(reading.entry().size as usize)];
        reading.look(0, &mut head).unwrap_or_default();
        let look = Arc::new(self.look(reading, &head));
        let limits = self.limits(&look, reading.entry().size);
        let file = Arc::new(LargeFile {
            look: look.clone(),
            chunks: Mutex::default(),
            hint: Mutex::new(hint(&look)),
            left: AtomicU64::new(0),
            tally: Mutex::default(),
        });
        let mut rest: Option<(Arc<Buffer>, Range<usize>)> = None;
        loop {
            let mut buffer = self.free_buffer().map_err(Failure::Run)?;
            let mut filled = 0;
            if let Some((old, range)) = rest.take() {
                filled = range.len();
                buffer.bytes[..filled].copy_from_slice(&old.bytes[range]);
            }
            let start = reading.offset() - filled as u64;
            let mut ended = false;
            while filled < BUFFER && !ended {
                let read = reading.read(&mut buffer.bytes[filled..]).map_err(Failure::Source)?;
                filled += read.len;
                ended = read.ends_segment || read.len == 0;
                self.run.progress.check().map_err(Failure::Run)?;
            }
            let buffer = Arc::new(buffer);
            let mut at = 0;
            while at < filled {
                let data = &buffer.bytes[at..filled];
                let Some((len, place)) = self.cut(&look, &limits, start + at as u64, data, ended) else { break };
                self.hand_out(&file, place, &buffer, at..at + len).map_err(Failure::Run)?;
                at += len;
            }
            let at_end = reading.offset() >= reading.entry().size;
            if ended && at_end || filled == 0 {
                break;
            }
            rest = (at < filled).then(|| (buffer.clone(), at..filled));
        }
        while file.left.load(Ordering::Acquire) > 0 {
            if self.run.stopped() {
                return Err(Failure::Run(Error::interrupted()));
            }
            self.wait().map_err(Failure::Run)?;
        }
        self.run.progress.current(&reading.entry().path);
        let (chunks, tally) = (std::mem::take(&mut *lock(&file.chunks)), *lock(&file.tally));
        Ok(Content { look, chunks, tally })
    }

    /// Gives a chunk to whoever is free; that may be this thread.
    fn hand_out(
        &mut self,
        file: &Arc<LargeFile>,
        place: Option<Place>,
        buffer: &Arc<Buffer>,
        range: Range<usize>,
    ) -> Result<()> {
        let number = {
            let mut chunks = lock(&file.chunks);
            chunks.push((Id([0; 32]), place));
            chunks.len() - 1
        };
        file.left.fetch_add(1, Ordering::Relaxed);
        let task = Task { file: file.clone(), number, buffer: buffer.clone(), range };
        match self.work.tasks.0.try_send(task) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => self.store_task(task),
        }
    }

    /// A buffer to read into: while all are in use, this thread stores chunks to free one.
    fn free_buffer(&mut self) -> Result<Buffer> {
        loop {
            if let Ok(mut bytes) = self.work.buffers.1.try_recv() {
                if bytes.is_empty() {
                    bytes = large_vec(BUFFER);
                }
                bytes.resize(BUFFER, 0);
                return Ok(Buffer { bytes, home: self.work.buffers.0.clone() });
            }
            if self.run.stopped() {
                return Err(Error::interrupted());
            }
            self.wait()?;
        }
    }
}
