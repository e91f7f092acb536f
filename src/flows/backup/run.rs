//! The threads of a backup: one walks, one a core reads and packs, one collects; what they share, and how they end.

use super::bases::Bases;
use super::collect::{Collected, Collector, Done};
use super::content::Work;
use super::read::Reader;
use super::scan::{Base, Scan};
use crate::codec::cutter::Cutter;
use crate::error::{Error, Problem, Result};
use crate::progress::Progress;
use crate::records::config::Config;
use crate::repo::writer::Writer;
use crate::sources::Walk;
use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Entries between the walk and the collector: bounds the memory while one large file holds up those behind it.
const WINDOW: usize = 16 << 10;
/// Files waiting for a reader.
const JOBS: usize = 1 << 10;
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// What the threads of one backup share.
pub(super) struct Run {
    pub progress: Arc<dyn Progress>,
    pub config: Config,
    pub cutter: Cutter,
    /// What tensors are compared with, if they are.
    pub bases: Option<Bases>,
    /// Files that were handed to readers and are not collected yet.
    pub active: AtomicU64,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Run {
    /// A run that has not started.
    pub fn new(config: &Config, cutter_key: &[u8; 32], bases: Option<Bases>, progress: Arc<dyn Progress>) -> Run {
        Run {
            progress,
            config: config.clone(),
            cutter: Cutter::new(cutter_key),
            bases,
            active: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            error: Mutex::new(None),
        }
    }

    /// Remembers the first error and makes every thread stop.
    pub fn fail(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn stopped(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.progress.stopped()
    }

    /// Sends, unless the run is stopped meanwhile.
    pub fn send<T>(&self, to: &Sender<T>, mut value: T) -> bool {
        while !self.stopped() {
            match to.send_timeout(value, LOOK_AROUND) {
                Ok(()) => return true,
                Err(SendTimeoutError::Timeout(back)) => value = back,
                Err(SendTimeoutError::Disconnected(_)) => return false,
            }
        }
        false
    }
}

/// Runs all threads to their end. When it returns, the queue of packs has no sender any more.
pub(super) fn run(
    run: Run,
    writer: Writer,
    walk: Walk,
    base: Option<Base>,
    problems: Vec<Problem>,
) -> Result<Collected> {
    let writer = Arc::new(writer);
    let threads = thread::available_parallelism().map_or(2, usize::from).max(2);
    let (jobs, job_queue) = bounded(JOBS);
    let (done, done_queue) = bounded(JOBS);
    let (tokens, token_queue): (Sender<()>, Receiver<()>) = bounded(WINDOW);
    let work = Work::new(threads);
    let collected = thread::scope(|scope| {
        let (run, work) = (&run, &work);
        let to_collector: Sender<Done> = done.clone();
        scope.spawn(move || Scan { run, jobs, done: to_collector, tokens }.walk(walk, base));
        for _ in 0..threads {
            let (jobs, done, writer) = (job_queue.clone(), done.clone(), writer.clone());
            scope.spawn(move || {
                if let Err(e) = Reader::new(run, work, done, &writer).and_then(|mut reader| reader.serve(&jobs)) {
                    run.fail(e);
                }
            });
        }
        drop((job_queue, done));
        let collected =
            Collector::new(run, &writer, problems).and_then(|collector| collector.collect(&done_queue, &token_queue));
        drop((done_queue, token_queue));
        // An error makes the other threads stop; the first one counts.
        collected.map_err(|e| run.fail(e)).ok()
    });
    if run.progress.stopped() {
        return Err(Error::interrupted());
    }
    match (run.error.into_inner().unwrap_or_else(PoisonError::into_inner), collected) {
        (None, Some(collected)) => Ok(collected),
        (error, _) => Err(error.unwrap_or_else(Error::interrupted)),
    }
}
