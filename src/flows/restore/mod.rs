//! Restore: plan which chunks are needed, fetch each pack's once, and put whole files in place.

mod batch;
mod compare;
mod finish;
mod flat;
mod markers;
mod options;
pub(super) mod plan;
mod tensors;
mod weights;

pub use options::{Overwrite, RestoreOptions, RestoreReport, TensorFile};
pub use tensors::tensor_patterns;

use crate::error::{Error, Kind, Problem, Result, Trouble, printable};
use crate::progress::{Phase, Progress};
use crate::records::manifest::{Entry, FileKind};
use crate::repo::Repository;
use crate::repo::index::Index;
use crate::repo::manifest::Manifest;
use crate::targets::{Directory, ExistingFile, Ownership, TargetError, Tree, existing};
use batch::Batch;
use finish::Later;
use futures::StreamExt;
use markers::comes_last;
use plan::{FilePlan, Piece, Verdict, Wanted, keeps, pieces, place};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

/// What all steps of one restore share.
struct Session {
    repo: Arc<Repository>,
    index: Arc<Index>,
    manifest: Manifest,
    options: RestoreOptions,
    /// `None` in a dry run into a directory that does not exist.
    tree: Option<Tree>,
    ownership: Ownership,
    progress: Arc<dyn Progress>,
    subtree_is_directory: bool,
    problems: Mutex<Vec<Problem>>,
    /// Places of restored files that others may be hard links to.
    linkable: Mutex<HashSet<Vec<u8>>>,
    /// Markers of checkpoints that were moved aside, by the place where they are now.
    aside: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    files_restored: AtomicU64,
    bytes_restored: AtomicU64,
    files_skipped: AtomicU64,
    bytes_skipped: AtomicU64,
    bytes_fetched: AtomicU64,
    files_verified: AtomicU64,
}

/// Restores what `options` says. Problems with single files are in the report; a full or read-only target is an error.
pub async fn restore(
    repo: &Arc<Repository>,
    options: &RestoreOptions,
    progress: Arc<dyn Progress>,
) -> Result<RestoreReport> {
    progress.phase(Phase::Planning);
    let loaded = repo.load_index(true).await?;
    let index = Arc::new(loaded.index);
    let manifest = Manifest::open(repo, &index, &options.snapshot.tree).await?;
    let subtree_is_directory = subtree_kind(&manifest, &options.subtree).await?;
    let tree = match options.dry_run {
        true => Tree::open_existing(&options.target),
        false => Tree::open(&options.target).map(Some),
    };
    let tree = tree.map_err(|e| fatal(&e.path, &e))?;
    let session = Arc::new(Session {
        repo: repo.clone(),
        index,
        manifest,
        options: options.clone(),
        tree,
        ownership: Ownership::new(),
        progress,
        subtree_is_directory,
        problems: Mutex::default(),
        linkable: Mutex::default(),
        aside: Mutex::default(),
        counts: Counts::default(),
    });
    let mut report = match options.tensors.is_empty() {
        true => session.run().await?,
        false => tensors::run(&session).await?,
    };
    let take = |count: &AtomicU64| count.load(Relaxed);
    let counts = &session.counts;
    report.files_restored = take(&counts.files_restored);
    report.bytes_restored = take(&counts.bytes_restored);
    report.files_skipped = take(&counts.files_skipped);
    report.bytes_skipped = take(&counts.bytes_skipped);
    report.bytes_fetched = take(&counts.bytes_fetched);
    report.files_verified = take(&counts.files_verified);
    report.problems = std::mem::take(&mut session.problems.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(report)
}

/// Whether the subtree is a directory; an error if it is not in the snapshot.
async fn subtree_kind(manifest: &Manifest, subtree: &[u8]) -> Result<bool> {
    if subtree.is_empty() {
        return Ok(true);
    }
    match manifest.entry(subtree).await? {
        Some(entry) => Ok(entry.kind == FileKind::Directory),
        None => Err(Error::new(Kind::NoMatch, format!("/{} is not in the snapshot", printable(subtree)))
            .hint("`lastgood ls` lists the paths of a snapshot; they are absolute")),
    }
}

/// An error of the target that stops the whole restore.
fn fatal(path: &[u8], e: &TargetError) -> Error {
    let error = Error::new(Kind::Target, format!("Cannot write to {}", printable(path))).because(e.message.clone());
    match e.full {
        true => error.hint("free some space or name another target, and run the same command again: what is restored already is kept and not fetched again"),
        false => error.hint("check the path and its permissions"),
    }
}

impl Session {
    fn problem(&self, problem: Problem) {
        self.progress.problem(&problem);
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
    }

    fn file_problem(&self, kind: Trouble, place: &[u8], message: impl Into<String>) {
        self.problem(Problem::of_path(kind, &self.shown(place), message));
    }

    /// A place in the target as the user knows it.
    fn shown(&self, place: &[u8]) -> Vec<u8> {
        let target = self.options.target.as_os_str().as_encoded_bytes();
        [target.strip_suffix(b"/").unwrap_or(target), b"/", place].concat()
    }

    /// The error that stops the restore.
    fn full(&self, e: &TargetError) -> Error {
        fatal(&self.shown(&e.path), e)
    }

    /// Records what could not be done in the target, or stops if nothing more can be.
    fn target_problem(&self, e: &TargetError) -> Result<()> {
        if e.full {
            return Err(self.full(e));
        }
        self.file_problem(Trouble::NotRestored, &e.path, e.message.clone());
        Ok(())
    }

    fn warnings(&self, place: &[u8], warnings: Vec<String>) {
        for warning in warnings {
            self.file_problem(Trouble::NotRestored, place, warning);
        }
    }

    /// Remembers that a place has what the snapshot has there, if others may become hard links to it.
    fn stands(&self, entry: &Entry) {
        if entry.link_group != 0 {
            self.linkable.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.path.clone());
        }
    }

    fn skip_file(&self, size: u64) {
        self.counts.files_skipped.fetch_add(1, Relaxed);
        self.counts.bytes_skipped.fetch_add(size, Relaxed);
        self.progress.step(crate::progress::Step::Skipped(size));
    }

    async fn run(self: &Arc<Session>) -> Result<RestoreReport> {
        let mut report = RestoreReport::default();
        let mut wanted = Wanted::new(&self.options)?;
        let mut later = Later::default();
        let mut batch = Batch::default();
        let mut first_links: HashMap<u64, Vec<u8>> = HashMap::new();
        self.move_markers_aside().await?;
        self.progress.phase(Phase::Restoring);
        let mut stream = Box::pin(self.manifest.stream(&self.options.subtree));
        while let Some(page) = stream.next().await {
            let entries = match page {
                Ok(entries) => entries,
                Err(e) => {
                    self.problem(Problem::new(Trouble::Damaged, e.what, "the files that it lists are not restored"));
                    later.names_are_missing();
                    continue;
                }
            };
            self.progress.check()?;
            for entry in entries {
                if self.options.delete {
                    later.seen(place(&entry.path, &self.options.subtree, self.subtree_is_directory));
                }
                let Verdict::Yes(above) = wanted.judge(&entry) else { continue };
                for directory in above {
                    later.directory(self.placed(directory), true);
                }
                report.total_entries += 1;
                if entry.kind == FileKind::File {
                    report.total_files += 1;
                    report.total_bytes = report.total_bytes.saturating_add(entry.size);
                }
                self.take(entry, &mut batch, &mut later, &mut first_links).await?;
                if batch.is_full() {
                    self.progress.total(report.total_entries, report.total_bytes);
                    std::mem::take(&mut batch).run(self).await?;
                }
            }
            self.progress.total(report.total_entries, report.total_bytes);
        }
        for directory in wanted.rest() {
            later.directory(self.placed(directory), true);
        }
        self.left_out(&wanted, &mut report)?;
        if report.total_entries == 0 && !self.options.include.is_empty() {
            return Err(Error::new(
                Kind::NoMatch,
                format!("Nothing in the snapshot matches {}", self.options.include.join(", ")),
            )
            .hint("a pattern with a leading / matches the whole absolute path, as `lastgood ls` shows it"));
        }
        batch.run(self).await?;
        later.finish(self, &wanted, &mut report).await?;
        if self.options.verify && !self.options.dry_run {
            compare::verify(self).await?;
        }
        Ok(report)
    }

    /// An entry with its path in the target.
    fn placed(&self, mut entry: Entry) -> Entry {
        entry.path = place(&entry.path, &self.options.subtree, self.subtree_is_directory).to_vec();
        entry
    }

    /// Sees to one wanted entry: into the batch, or kept for later.
    async fn take(
        self: &Arc<Session>,
        entry: Entry,
        batch: &mut Batch,
        later: &mut Later,
        first_links: &mut HashMap<u64, Vec<u8>>,
    ) -> Result<()> {
        let entry = self.placed(self.flat(entry).await?);
        if entry.link_group != 0 && entry.kind != FileKind::Directory {
            if let Some(first) = first_links.get(&entry.link_group) {
                later.hard_link(first.clone(), entry);
                return Ok(());
            }
            first_links.insert(entry.link_group, entry.path.clone());
        }
        match entry.kind {
            FileKind::Directory => later.directory(entry, true),
            // What says that a checkpoint is complete comes when it is.
            FileKind::File if comes_last(&entry) => later.marker(entry),
            FileKind::File => self.file(entry, batch).await?,
            _ => later.node(entry),
        }
        Ok(())
    }

    async fn file(self: &Arc<Session>, entry: Entry, batch: &mut Batch) -> Result<()> {
        let place = entry.path.clone();
        if let Some(fault) = entry.fault.as_ref().filter(|fault| fault.unreadable) {
            let message = format!("the backup could not read it ({}), so there is no content to restore", fault.reason);
            self.file_problem(Trouble::Unreadable, &place, message);
            return Ok(());
        }
        let chunks = match self.manifest.chunks(&entry).await {
            Ok(chunks) => chunks,
            Err(e) => return self.lost(&place, &e),
        };
        let pieces = match pieces(&entry, &chunks, &self.index) {
            Ok(pieces) => pieces,
            Err(e) => return self.lost(&place, &e),
        };
        let Some((dir, name)) = self.directory_of(&place)? else {
            if self.options.dry_run {
                self.count_dry(&entry, &pieces);
            }
            return Ok(());
        };
        let old = match existing(&dir, &name) {
            Ok(Some(there)) if keeps(self.options.overwrite, &there, &entry) => {
                self.skip_file(entry.size);
                if self.options.overwrite == Overwrite::IfChanged {
                    self.stands(&entry);
                }
                return Ok(());
            }
            Ok(Some(there)) if there.kind == FileKind::File && there.size > 0 && !pieces.is_empty() => {
                ExistingFile::open(&dir, &name).unwrap_or_default()
            }
            Ok(_) => None,
            Err(e) => return self.target_problem(&e),
        };
        if self.options.dry_run && old.is_none() {
            self.count_dry(&entry, &pieces);
            return Ok(());
        }
        batch.add(FilePlan::new(entry, place, dir, pieces, old));
        Ok(())
    }

    /// Counts a file that would be restored, from the pieces that would be fetched.
    fn count_dry(&self, entry: &Entry, pieces: &[Piece]) {
        self.counts.bytes_fetched.fetch_add(pieces.iter().map(|piece| u64::from(piece.at.stored)).sum(), Relaxed);
        self.counts.files_restored.fetch_add(1, Relaxed);
        self.counts.bytes_restored.fetch_add(entry.size, Relaxed);
    }

    fn lost(&self, place: &[u8], e: &Error) -> Result<()> {
        let kind = match e.kind {
            Kind::Missing => Trouble::Missing,
            Kind::Damaged => Trouble::Damaged,
            _ => return Err(Error::new(e.kind, e.what.clone())),
        };
        self.file_problem(kind, place, format!("not restored: {e}"));
        Ok(())
    }

    /// The directory that a path is in, and its name there. `None` in a dry run, where it does not exist yet.
    fn directory_of(&self, place: &[u8]) -> Result<Option<(Arc<Directory>, Vec<u8>)>> {
        let at = place.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = at.map_or((&b""[..], place), |at| (&place[..at], &place[at + 1..]));
        let Some(tree) = &self.tree else { return Ok(None) };
        let found = match self.options.dry_run {
            true => tree.directory_existing(parent),
            false => tree.directory(parent).map(Some),
        };
        match found {
            Ok(dir) => Ok(dir.map(|dir| (dir, name.to_vec()))),
            Err(e) => self.target_problem(&e).map(|()| None),
        }
    }
}
