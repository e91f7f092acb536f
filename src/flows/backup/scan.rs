//! The walking thread: compares what it finds with the last snapshot and hands on what has to be read.

use super::collect::{Compared, Done};
use super::gate::{content, wants_content};
use super::read::Job;
use super::run::Run;
use crate::codec::envelope::Realm;
use crate::error::{Problem, Trouble};
use crate::progress::Step;
use crate::records::manifest::{Entry, FileKind, LeftOut, Stamp, path_order};
use crate::records::snapshot::Snapshot;
use crate::repo::Repository;
use crate::repo::index::Index;
use crate::repo::manifest::chunks_of;
use crate::sources::{Item, SourceError, Walk, trusted, xattrs_of};
use chrono::DateTime;
use crossbeam_channel::Sender;
use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// The last snapshot's entries, in order, as they come.
pub(super) struct Base {
    pages: mpsc::Receiver<Vec<Entry>>,
    page: std::vec::IntoIter<Entry>,
    next: Option<Entry>,
    repo: Arc<Repository>,
    index: Arc<Index>,
    /// When that backup began: what was younger than two seconds then is not trusted.
    started: Stamp,
    runtime: Handle,
}

impl Base {
    pub fn new(
        pages: mpsc::Receiver<Vec<Entry>>,
        repo: Arc<Repository>,
        index: Arc<Index>,
        snapshot: &Snapshot,
    ) -> Base {
        let began = DateTime::parse_from_rfc3339(&snapshot.summary.backup_start).unwrap_or_default();
        let started = Stamp { seconds: began.timestamp(), nanos: began.timestamp_subsec_nanos() };
        Base { pages, page: Vec::new().into_iter(), next: None, repo, index, started, runtime: Handle::current() }
    }

    /// The entry of this path. Paths must be asked for in order.
    fn find(&mut self, path: &[u8]) -> Option<Entry> {
        loop {
            if self.next.is_none() {
                self.next = self.page.next();
            }
            match &self.next {
                None => self.page = self.pages.blocking_recv()?.into_iter(),
                Some(next) => match path_order(&next.path, path) {
                    Ordering::Less => self.next = None,
                    Ordering::Equal => return self.next.take(),
                    Ordering::Greater => return None,
                },
            }
        }
    }

    /// Whether a file need not be read: it is as it was, and every chunk of it is still in the repository.
    fn holds(&self, before: &Entry, now: &Entry) -> bool {
        before.same_inode_state(now)
            && before.fault.is_none()
            && trusted(before, self.started)
            && self.has_chunks(before)
    }

    fn has_chunks(&self, entry: &Entry) -> bool {
        let known = |realm, chunks: &[crate::id::ChunkId]| chunks.iter().all(|id| self.index.find(realm, id).is_some());
        let details: Vec<_> = entry.format.iter().filter_map(|format| format.details).collect();
        if !known(Realm::Manifest, &details) {
            return false;
        }
        if !entry.listed {
            return known(Realm::Data, &entry.chunks);
        }
        known(Realm::Manifest, &entry.chunks)
            && self
                .runtime
                .block_on(chunks_of(&self.repo, &self.index, entry))
                .is_ok_and(|chunks| known(Realm::Data, &chunks))
    }
}

/// The walking thread's ends of the channels.
pub(super) struct Scan<'a> {
    pub run: &'a Run,
    pub jobs: Sender<Job>,
    pub done: Sender<Done>,
    pub tokens: Sender<()>,
}

impl Scan<'_> {
    /// Walks to the end, or until the run is stopped.
    pub fn walk(self, walk: Walk, mut base: Option<Base>) {
        let (mut entries, mut bytes) = (0, 0);
        for (number, found) in walk.enumerate() {
            let number = number as u64;
            if !self.run.send(&self.tokens, ()) {
                return;
            }
            let sent = match found {
                Err(e) => self.run.send(&self.done, Done::problem(number, problem(&e))),
                Ok(item) => {
                    entries += 1;
                    bytes += if item.entry.kind == FileKind::File { item.entry.size } else { 0 };
                    if entries % 64 == 1 {
                        self.run.progress.total(entries, bytes);
                    }
                    let before = base.as_mut().and_then(|base| base.find(&item.entry.path));
                    self.hand_on(number, item, before, base.as_ref())
                }
            };
            if !sent {
                return;
            }
        }
        self.run.progress.total(entries, bytes);
    }

    fn hand_on(&self, number: u64, item: Item, before: Option<Entry>, base: Option<&Base>) -> bool {
        if item.entry.left_out == LeftOut::Itself {
            return self.run.send(&self.done, Done::entry(number, item.entry, Compared::Same));
        }
        let compared = match &before {
            None => Compared::New,
            Some(_) => Compared::Changed,
        };
        if item.entry.kind == FileKind::File && item.entry.fault.is_none() {
            if let (Some(before), Some(base)) = (&before, base)
                && base.holds(before, &item.entry)
            {
                self.run.progress.step(Step::Unchanged(item.entry.size));
                let entry = Entry {
                    chunks: before.chunks.clone(),
                    listed: before.listed,
                    holes: before.holes.clone(),
                    xattrs: before.xattrs.clone(),
                    format: before.format.clone(),
                    ..item.entry
                };
                let content = if wants_content(&entry) { content(&entry) } else { None };
                return self.run.send(&self.done, Done { content, ..Done::entry(number, entry, Compared::Same) });
            }
            if item.first {
                self.run.active.fetch_add(1, Relaxed);
                return self.run.send(&self.jobs, Job { number, item, before });
            }
            // The content comes from the first link, which the collector meets before this one.
            let done = Done { follows_link: true, ..Done::entry(number, item.entry, compared) };
            return self.run.send(&self.done, done);
        }
        self.run.send(&self.done, without_content(number, item, before))
    }
}

/// Directories, links, pipes and devices: everything is known but their extended attributes.
fn without_content(number: u64, item: Item, before: Option<Entry>) -> Done {
    let mut problems = Vec::new();
    let mut entry = item.entry.clone();
    if let Some(fault) = &entry.fault {
        problems.push(Problem::of_path(Trouble::Unreadable, &absolute(&entry.path), fault.reason.clone()));
    }
    // Setting an attribute changes the ctime.
    match before.as_ref().filter(|before| before.same_inode_state(&entry) && before.ctime != Stamp::default()) {
        Some(before) => entry.xattrs.clone_from(&before.xattrs),
        None if entry.ancestor => {}
        None => match xattrs_of(&item) {
            Ok(xattrs) => entry.xattrs = xattrs,
            Err(e) => {
                // Never equal to what the next walk sees: then they are asked for again.
                entry.ctime = Stamp::default();
                problems.push(problem(&e));
            }
        },
    }
    let compared = match before {
        None => Compared::New,
        Some(before) if before == entry => Compared::Same,
        Some(_) => Compared::Changed,
    };
    Done { problems, ..Done::entry(number, entry, compared) }
}

/// A source error as a problem.
pub(super) fn problem(e: &SourceError) -> Problem {
    Problem::of_path(e.kind, &absolute(&e.path), e.reason())
}

/// A manifest path with its first `/`.
pub(super) fn absolute(path: &[u8]) -> Vec<u8> {
    [b"/", path].concat()
}
