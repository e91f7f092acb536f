//! The reading threads: read a file, cut it, and store its chunks; whoever is free helps with the chunks of a large one.

use super::collect::{Compared, Done, Tally};
use super::run::Run;
use super::scan::{absolute, problem};
use crate::codec::coding::Hint;
use crate::codec::cutter::Limits;
use crate::codec::envelope::Realm;
use crate::error::{Problem, Result, Trouble};
use crate::id::ChunkId;
use crate::memory::large_vec;
use crate::records::config::CutSizes;
use crate::records::manifest::{Entry, Fault, Stamp};
use crate::repo::writer::{Filler, Writer};
use crate::sources::{Item, Reading, SourceError};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;
/// What is read at once of a large file: holds the longest chunk and then some.
const BUFFER: usize = 8 << 20;
/// Files of at most this size are read, cut and stored by one thread alone.
const ALONE: u64 = 2 << 20;
/// Chunks waiting for a helper, for each thread.
const TASKS: usize = 8;
const SHORT_WAIT: Duration = Duration::from_millis(1);

/// A file to read.
pub(super) struct Job {
    pub number: u64,
    pub item: Item,
    /// The same path in the last snapshot.
    pub before: Option<Entry>,
}

impl Job {
    /// How what was read compares with the last snapshot: a file may have been read only because it was too young.
    fn compare(&self, now: &Entry) -> Compared {
        match &self.before {
            None => Compared::New,
            Some(before) if before == now => Compared::Same,
            Some(_) => Compared::Changed,
        }
    }
}

/// A chunk of a large file that any thread may store.
struct Task {
    file: Arc<LargeFile>,
    place: usize,
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
    path: Vec<u8>,
    ids: Mutex<Vec<ChunkId>>,
    hint: Mutex<Hint>,
    /// Chunks not stored yet.
    left: AtomicU64,
    tally: Mutex<Tally>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One reading thread.
pub(super) struct Reader<'a> {
    run: &'a Run,
    work: &'a Work,
    done: Sender<Done>,
    filler: Filler,
    buffer: Vec<u8>,
}

/// What came of one attempt to read a file.
struct Attempt {
    entry: Entry,
    stable: bool,
    problems: Vec<Problem>,
    tally: Tally,
}

/// Why an attempt ended early.
enum Failure {
    Source(SourceError),
    Run(crate::error::Error),
}

impl<'a> Reader<'a> {
    pub fn new(run: &'a Run, work: &'a Work, done: Sender<Done>, writer: &Arc<Writer>) -> Result<Reader<'a>> {
        Ok(Reader { run, work, done, filler: writer.filler()?, buffer: Vec::new() })
    }

    /// Works until there is nothing left to do. What is packed by then is sent off, also if the run was stopped.
    pub fn serve(&mut self, jobs: &Receiver<Job>) -> Result<()> {
        let mut open = true;
        while !self.run.stopped() {
            if self.help()? {
                continue;
            }
            match jobs.try_recv() {
                Ok(job) => self.file(job)?,
                Err(TryRecvError::Empty) => self.wait()?,
                Err(TryRecvError::Disconnected) => open = false,
            }
            if !open {
                // Another thread may still be cutting a large file.
                if self.run.active.load(Ordering::Acquire) == 0 {
                    break;
                }
                self.wait()?;
            }
        }
        self.filler.flush()
    }

    /// Stores one waiting chunk of somebody's large file, if there is one.
    fn help(&mut self) -> Result<bool> {
        match self.work.tasks.1.try_recv() {
            Ok(task) => self.store(task).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn wait(&mut self) -> Result<()> {
        match self.work.tasks.1.recv_timeout(SHORT_WAIT) {
            Ok(task) => self.store(task),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn store(&mut self, task: Task) -> Result<()> {
        let chunk = &task.buffer.bytes[task.range.clone()];
        let mut hint = lock(&task.file.hint).clone();
        let added = self.filler.add(Realm::Data, chunk, &mut hint)?;
        *lock(&task.file.hint) = hint;
        self.run.progress.step(lock(&task.file.tally).count(added, chunk.len()));
        lock(&task.file.ids)[task.place] = added.id();
        task.file.left.fetch_sub(1, Ordering::Release);
        Ok(())
    }

    /// Reads one file, again if it changes, and tells the collector.
    fn file(&mut self, mut job: Job) -> Result<()> {
        self.run.progress.current(&job.item.entry.path);
        let mut last = None;
        let mut spent = Tally::default();
        for attempt in 0..ATTEMPTS {
            // A program that writes a new file and renames it over the old one leaves another inode.
            let seen = if attempt == 0 { Ok(()) } else { job.item.look_again() };
            match seen.map_err(Failure::Source).and_then(|()| self.attempt(&job.item)) {
                Ok(mut attempt) => {
                    for (sum, part) in [
                        (&mut spent.chunks, attempt.tally.chunks),
                        (&mut spent.raw, attempt.tally.raw),
                        (&mut spent.stored, attempt.tally.stored),
                    ] {
                        *sum += part;
                    }
                    attempt.tally = Tally { duplicate: attempt.tally.duplicate, ..spent };
                    let stable = attempt.stable;
                    last = Some(Ok(attempt));
                    if stable {
                        break;
                    }
                }
                Err(Failure::Run(e)) => return Err(e),
                Err(Failure::Source(e)) => {
                    let again = e.kind == Trouble::Unstable;
                    last = Some(Err(e));
                    if !again {
                        break;
                    }
                }
            }
            self.run.progress.check()?;
        }
        let done = match last {
            Some(Ok(attempt)) => finished(job, attempt),
            Some(Err(e)) if e.kind == Trouble::Vanished => Done::problem(job.number, problem(&e)),
            Some(Err(e)) => {
                let entry = Entry { fault: Some(e.fault()), ..job.item.entry.clone() };
                let compared = job.compare(&entry);
                Done { problems: vec![problem(&e)], ..Done::entry(job.number, entry, compared) }
            }
            None => unreachable!("there is at least one attempt"),
        };
        self.run.send(&self.done, done);
        self.run.active.fetch_sub(1, Ordering::Release);
        Ok(())
    }

    fn attempt(&mut self, item: &Item) -> std::result::Result<Attempt, Failure> {
        let mut reading = Reading::open(item).map_err(Failure::Source)?;
        let (size, data_len) = (reading.entry().size, reading.entry().data_len());
        let sizes =
            if size >= self.run.config.cut.large_from { self.run.config.cut.large } else { self.run.config.cut.small };
        let CutSizes { min, average, max } = sizes;
        let limits = Limits { min, average, max };
        let (ids, tally) = if data_len <= ALONE && reading.entry().holes.is_empty() {
            self.read_alone(&mut reading, &limits)?
        } else {
            self.read_shared(&mut reading, &limits)?
        };
        let finished = reading.finish();
        let mut entry = finished.entry;
        entry.chunks = ids;
        if finished.xattr_error.is_some() {
            // Never equal to what the next walk sees: then it is looked at again.
            entry.ctime = Stamp::default();
        }
        let problems = finished.xattr_error.iter().map(problem).collect();
        Ok(Attempt { entry, stable: finished.stable, problems, tally })
    }

    /// A small file without holes, whole in one buffer.
    fn read_alone(
        &mut self,
        reading: &mut Reading,
        limits: &Limits,
    ) -> std::result::Result<(Vec<ChunkId>, Tally), Failure> {
        let len = reading.entry().size as usize;
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
        let mut filled = 0;
        while filled < len {
            let read = reading.read(&mut self.buffer[filled..len]).map_err(Failure::Source)?;
            if read.len == 0 {
                break;
            }
            filled += read.len;
        }
        let (mut ids, mut tally, mut hint, mut at) = (Vec::new(), Tally::default(), Hint::default(), 0);
        while at < filled {
            let chunk = &self.buffer[at..filled];
            let chunk = &chunk[..self.run.cutter.cut(limits, chunk)];
            let added = self.filler.add(Realm::Data, chunk, &mut hint).map_err(Failure::Run)?;
            self.run.progress.step(tally.count(added, chunk.len()));
            ids.push(added.id());
            at += chunk.len();
        }
        Ok((ids, tally))
    }

    /// A large file: this thread reads and cuts, every thread stores.
    fn read_shared(
        &mut self,
        reading: &mut Reading,
        limits: &Limits,
    ) -> std::result::Result<(Vec<ChunkId>, Tally), Failure> {
        let file = Arc::new(LargeFile {
            path: reading.entry().path.clone(),
            ids: Mutex::default(),
            hint: Mutex::default(),
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
                let len = self.run.cutter.cut(limits, &buffer.bytes[at..filled]);
                // The end of the buffer is no end of a chunk, unless the stretch of data ends there too.
                if at + len == filled && !ended && len < limits.max {
                    break;
                }
                self.hand_out(&file, &buffer, at..at + len).map_err(Failure::Run)?;
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
                return Err(Failure::Run(crate::error::Error::interrupted()));
            }
            self.wait().map_err(Failure::Run)?;
        }
        self.run.progress.current(&file.path);
        let (ids, tally) = (std::mem::take(&mut *lock(&file.ids)), *lock(&file.tally));
        Ok((ids, tally))
    }

    /// Gives a chunk to whoever is free; that may be this thread.
    fn hand_out(&mut self, file: &Arc<LargeFile>, buffer: &Arc<Buffer>, range: Range<usize>) -> Result<()> {
        let place = {
            let mut ids = lock(&file.ids);
            ids.push(crate::id::Id([0; 32]));
            ids.len() - 1
        };
        file.left.fetch_add(1, Ordering::Relaxed);
        let task = Task { file: file.clone(), place, buffer: buffer.clone(), range };
        match self.work.tasks.0.try_send(task) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) => self.store(task),
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
                return Err(crate::error::Error::interrupted());
            }
            self.wait()?;
        }
    }
}

/// The entry of a file that was read, with a fault if it never held still.
fn finished(job: Job, attempt: Attempt) -> Done {
    let Attempt { mut entry, stable, mut problems, tally } = attempt;
    if !stable {
        let reason = format!("it changed while it was read, {ATTEMPTS} times");
        problems.push(Problem::of_path(Trouble::Unstable, &absolute(&entry.path), reason.clone()));
        entry.fault = Some(Fault { unreadable: false, reason });
    }
    let compared = job.compare(&entry);
    Done { problems, tally, was_read: true, ..Done::entry(job.number, entry, compared) }
}
