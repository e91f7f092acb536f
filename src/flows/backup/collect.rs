//! The collecting thread: puts entries back in order, writes the manifest, and counts.

use super::gate::Gate;
use super::run::Run;
use crate::codec::coding::Hint;
use crate::codec::envelope::Realm;
use crate::error::{Error, Problem, Result};
use crate::flows::gate::{content as content_of, wants_content};
use crate::id::Id;
use crate::progress::Step;
use crate::records::manifest::{Entry, FileKind, LeftOut};
use crate::records::model::{FileFormat, ModelRef, write_list};
use crate::records::page::{Page, PageBuilder, PageRef, write_root};
use crate::records::snapshot::{Checkpoint, Summary};
use crate::repo::writer::{Added, Filler, Writer};
use crate::spec::{CHUNK_LIST_MAX, CHUNK_MAX, codec};
use crossbeam_channel::Receiver;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How an entry compares with the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    New,
    Changed,
    Same,
}

/// Chunks of a file that were new: how many, their bytes, and what they take in packs; and the bytes of those that were not.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub chunks: u64,
    pub raw: u64,
    pub stored: u64,
    pub duplicate: u64,
    /// Of `raw` and `stored`, what was stored as planes, and as differences.
    pub planes: (u64, u64),
    pub delta: (u64, u64),
}

impl Tally {
    /// Both together.
    pub fn join(self, other: Tally) -> Tally {
        let pair = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        Tally {
            chunks: self.chunks + other.chunks,
            raw: self.raw + other.raw,
            stored: self.stored + other.stored,
            duplicate: self.duplicate + other.duplicate,
            planes: pair(self.planes, other.planes),
            delta: pair(self.delta, other.delta),
        }
    }

    /// Counts a chunk of `raw` bytes.
    pub fn count(&mut self, added: Added, raw: usize) -> Step {
        match added {
            Added::Known(_) => {
                self.duplicate += raw as u64;
                Step::Duplicate(raw as u64)
            }
            Added::New { stored, codec, .. } => {
                let (raw, stored) = (raw as u64, stored as u64);
                let part = match codec {
                    codec::PLANES => Tally { planes: (raw, stored), ..Tally::default() },
                    codec::DELTA => Tally { delta: (raw, stored), ..Tally::default() },
                    _ => Tally::default(),
                };
                *self = self.join(Tally { chunks: 1, raw, stored, ..part });
                Step::Stored { raw, stored }
            }
        }
    }
}

/// What became of one thing that the walk found.
pub(super) struct Done {
    pub number: u64,
    pub entry: Option<Entry>,
    pub compared: Compared,
    pub problems: Vec<Problem>,
    pub tally: Tally,
    /// Its content was read, be it the same as before or not.
    pub was_read: bool,
    /// A hard link whose content is that of the first of its group.
    pub follows_link: bool,
    /// What is in it, for the judge of checkpoints.
    pub content: Option<Vec<u8>>,
}

impl Done {
    /// An entry without problems.
    pub fn entry(number: u64, entry: Entry, compared: Compared) -> Done {
        Done {
            number,
            entry: Some(entry),
            compared,
            problems: Vec::new(),
            tally: Tally::default(),
            was_read: false,
            follows_link: false,
            content: None,
        }
    }

    /// A problem without an entry.
    pub fn problem(number: u64, problem: Problem) -> Done {
        Done {
            number,
            entry: None,
            compared: Compared::New,
            problems: vec![problem],
            tally: Tally::default(),
            was_read: false,
            follows_link: false,
            content: None,
        }
    }
}

/// What a finished walk comes to.
pub(super) struct Collected {
    pub tree: Id,
    pub models: Option<Id>,
    pub checkpoints: Vec<Checkpoint>,
    pub summary: Summary,
    pub problems: Vec<Problem>,
    pub problem_count: u64,
}

/// The collecting thread.
pub(super) struct Collector<'a> {
    run: &'a Run,
    filler: Filler,
    pages: PageBuilder,
    refs: Vec<PageRef>,
    /// The first of each group of hard links; later ones take their content from it.
    links: HashMap<u64, (Entry, Option<Vec<u8>>)>,
    models: Vec<ModelRef>,
    gate: Gate,
    summary: Summary,
    problems: Vec<Problem>,
    problem_count: u64,
}

impl<'a> Collector<'a> {
    pub fn new(run: &'a Run, writer: &Arc<Writer>, problems: Vec<Problem>) -> Result<Collector<'a>> {
        let problem_count = problems.len() as u64;
        Ok(Collector {
            run,
            filler: writer.filler()?,
            pages: PageBuilder::default(),
            refs: Vec::new(),
            links: HashMap::new(),
            models: Vec::new(),
            gate: Gate::default(),
            summary: Summary::default(),
            problems,
            problem_count,
        })
    }

    /// Takes everything in the order of the walk, and gives one token back for each.
    pub fn collect(mut self, done: &Receiver<Done>, tokens: &Receiver<()>) -> Result<Collected> {
        let (mut waiting, mut next): (VecDeque<Option<Done>>, u64) = (VecDeque::new(), 0);
        for done in done {
            let place = (done.number - next) as usize;
            if waiting.len() <= place {
                waiting.resize_with(place + 1, || None);
            }
            waiting[place] = Some(done);
            while let Some(done) = waiting.front_mut().and_then(Option::take) {
                waiting.pop_front();
                next += 1;
                tokens.try_recv().ok();
                self.take(done)?;
            }
        }
        // Every sender is gone: after a full walk nothing waits; otherwise the run was stopped, and why is known already.
        if self.run.stopped() || !waiting.is_empty() {
            self.filler.flush()?;
            return Err(Error::interrupted());
        }
        self.finish()
    }

    fn finish(mut self) -> Result<Collected> {
        if let Some(page) = std::mem::take(&mut self.pages).finish() {
            self.store_page(page)?;
        }
        let root = write_root(&self.refs);
        let tree = self.store(&root)?;
        let list = write_list(&self.models);
        // Beyond the longest chunk nobody could read it: then the next backup compares with nothing.
        let models = match self.models.is_empty() || list.len() > CHUNK_MAX {
            true => None,
            false => Some(self.store(&list)?),
        };
        self.filler.flush()?;
        let checkpoints = std::mem::take(&mut self.gate).judge();
        let Collector { summary, problems, problem_count, .. } = self;
        Ok(Collected { tree, models, checkpoints, summary, problems, problem_count })
    }

    fn take(&mut self, mut done: Done) -> Result<()> {
        for problem in std::mem::take(&mut done.problems) {
            self.run.progress.problem(&problem);
            super::note(&mut self.problems, &mut self.problem_count, problem);
        }
        let Some(mut entry) = done.entry else { return Ok(()) };
        if entry.link_group != 0 {
            match self.links.get(&entry.link_group).filter(|_| done.follows_link) {
                Some((first, content)) => {
                    entry = Entry { path: entry.path, ..first.clone() };
                    // The name of a later link may be one that matters where that of the first was not.
                    done.content =
                        content.clone().or_else(|| wants_content(&entry).then(|| content_of(&entry)).flatten());
                    self.run.progress.step(Step::Duplicate(entry.size));
                }
                // The first one vanished, or its number is gone with a problem: then this one has no content either.
                None if done.follows_link => return self.lost_link(entry),
                None => drop(self.links.insert(entry.link_group, (entry.clone(), done.content.clone()))),
            }
        }
        self.count(&entry, done.compared, done.was_read, &done.tally);
        self.gate.take(&entry, done.content);
        self.write_list(&mut entry)?;
        if let Some(FileFormat { kind, details: Some(details), .. }) = entry.format {
            self.models.push(ModelRef { path: entry.path.clone(), details, mtime: entry.mtime.seconds, kind });
        }
        self.run.progress.step(Step::Entries(1));
        match self.pages.push(entry) {
            Some(page) => self.store_page(page),
            None => Ok(()),
        }
    }

    fn lost_link(&mut self, entry: Entry) -> Result<()> {
        let reason = "the hard link to it that was to be read first vanished";
        let problem = Problem::of_path(crate::error::Trouble::Vanished, &super::scan::absolute(&entry.path), reason);
        self.run.progress.problem(&problem);
        super::note(&mut self.problems, &mut self.problem_count, problem);
        Ok(())
    }

    fn count(&mut self, entry: &Entry, compared: Compared, was_read: bool, tally: &Tally) {
        if entry.left_out == LeftOut::Itself {
            return;
        }
        let s = &mut self.summary;
        s.data_blobs += tally.chunks;
        s.data_added += tally.raw;
        s.data_added_packed += tally.stored;
        s.data_duplicate += tally.duplicate;
        s.data_planes += tally.planes.0;
        s.data_planes_packed += tally.planes.1;
        s.data_delta += tally.delta.0;
        s.data_delta_packed += tally.delta.1;
        let counter = match (entry.kind, compared) {
            (FileKind::Directory, Compared::New) => &mut s.dirs_new,
            (FileKind::Directory, Compared::Changed) => &mut s.dirs_changed,
            (FileKind::Directory, Compared::Same) => &mut s.dirs_unmodified,
            (_, Compared::New) => &mut s.files_new,
            (_, Compared::Changed) => &mut s.files_changed,
            (_, Compared::Same) => &mut s.files_unmodified,
        };
        *counter += 1;
        if entry.kind != FileKind::Directory {
            s.total_files_processed += 1;
        }
        let unreadable = entry.fault.as_ref().is_some_and(|fault| fault.unreadable);
        if entry.kind == FileKind::File && !unreadable {
            s.total_bytes_processed += entry.size;
            if compared == Compared::Same && !was_read {
                s.data_unmodified += entry.size;
            }
        }
    }

    /// A very long list of chunks becomes chunks itself; one that comes from the last snapshot is stored already.
    fn write_list(&mut self, entry: &mut Entry) -> Result<()> {
        if entry.listed || entry.chunks.len() <= CHUNK_LIST_MAX {
            return Ok(());
        }
        let mut lists = Vec::new();
        for part in entry.chunks.chunks(CHUNK_LIST_MAX) {
            let bytes: Vec<u8> = part.iter().flat_map(|id| id.0).collect();
            lists.push(self.store(&bytes)?);
        }
        entry.chunks = lists;
        entry.listed = true;
        Ok(())
    }

    fn store_page(&mut self, page: Page) -> Result<()> {
        let id = self.store(&page.bytes)?;
        self.refs.push(PageRef { id, first: page.first, entries: page.entries });
        Ok(())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<Id> {
        let added = self.filler.add(Realm::Manifest, bytes, &mut Hint::default())?;
        let mut tally = Tally::default();
        tally.count(added, bytes.len());
        self.summary.tree_blobs += tally.chunks;
        self.summary.data_added_packed += tally.stored;
        Ok(added.id())
    }
}
