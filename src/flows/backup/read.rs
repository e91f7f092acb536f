//! The reading threads: read a file until it holds still, store its chunks and what is known of its tensors.

use super::bases::BaseReader;
use super::collect::{Compared, Done, Tally};
use super::content::{Content, Work};
use super::gate::wants_content;
use super::run::Run;
use super::scan::{absolute, problem};
use crate::codec::coding::Hint;
use crate::codec::envelope::Realm;
use crate::error::{Error, Problem, Result, Trouble};
use crate::records::manifest::{Entry, Fault, Stamp};
use crate::records::model::{FileFormat, write_list};
use crate::repo::writer::{Filler, Writer};
use crate::sources::{Item, Reading, SourceError};
use crate::spec::CHUNK_MAX;
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 3;

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

/// One reading thread.
pub(super) struct Reader<'a> {
    pub(super) run: &'a Run,
    pub(super) work: &'a Work,
    done: Sender<Done>,
    pub(super) filler: Filler,
    pub(super) bases: Option<BaseReader>,
    pub(super) buffer: Vec<u8>,
}

/// What came of one attempt to read a file.
struct Attempt {
    entry: Entry,
    stable: bool,
    problems: Vec<Problem>,
    tally: Tally,
    /// What is in it, if the judge of checkpoints wants to know.
    text: Option<Vec<u8>>,
}

/// Why an attempt ended early.
pub(super) enum Failure {
    Source(SourceError),
    Run(Error),
}

impl<'a> Reader<'a> {
    pub fn new(run: &'a Run, work: &'a Work, done: Sender<Done>, writer: &Arc<Writer>) -> Result<Reader<'a>> {
        let bases = run.bases.as_ref().map(BaseReader::new).transpose()?;
        Ok(Reader { run, work, done, filler: writer.filler()?, bases, buffer: Vec::new() })
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
                    let duplicate = attempt.tally.duplicate;
                    spent = spent.join(attempt.tally);
                    attempt.tally = Tally { duplicate, ..spent };
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
        let content = self.content(&mut reading)?;
        let mut text = wants_content(reading.entry()).then(|| vec![0; reading.entry().size as usize]);
        if text.as_mut().is_some_and(|text| reading.look(0, text).is_err()) {
            text = None;
        }
        let finished = reading.finish();
        let mut entry = finished.entry;
        if finished.stable {
            entry.format = self.format(&content).map_err(Failure::Run)?;
            if let Some(bases) = &self.run.bases {
                bases.add(&entry.path, &content.look, &content.chunks);
            }
        }
        entry.chunks = content.chunks.into_iter().map(|(id, _)| id).collect();
        if finished.xattr_error.is_some() {
            // Never equal to what the next walk sees: then it is looked at again.
            entry.ctime = Stamp::default();
        }
        let problems = finished.xattr_error.iter().map(problem).collect();
        Ok(Attempt { entry, stable: finished.stable, problems, tally: content.tally, text })
    }

    /// What the manifest tells of the file's format; the description of its tensors is a chunk of its own.
    fn format(&mut self, content: &Content) -> Result<Option<FileFormat>> {
        let records = content.look.records();
        let bytes = write_list(&records);
        // Beyond the longest chunk nobody could read it: then the file is known only as a whole.
        let details = match records.is_empty() || bytes.len() > CHUNK_MAX {
            true => None,
            false => Some(self.filler.add(Realm::Manifest, &bytes, &mut Hint::default())?.id()),
        };
        Ok(content.look.summary(&records, details))
    }
}

/// The entry of a file that was read, with a fault if it never held still.
fn finished(job: Job, attempt: Attempt) -> Done {
    let Attempt { mut entry, stable, mut problems, tally, text } = attempt;
    if !stable {
        let reason = format!("it changed while it was read, {ATTEMPTS} times");
        problems.push(Problem::of_path(Trouble::Unstable, &absolute(&entry.path), reason.clone()));
        entry.fault = Some(Fault { unreadable: false, reason });
    }
    let compared = job.compare(&entry);
    Done { problems, tally, was_read: true, content: text, ..Done::entry(job.number, entry, compared) }
}
