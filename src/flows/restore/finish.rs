//! What a restore does last: links and special files, removing what is not in the snapshot, and directories' metadata.

use super::batch::Batch;
use super::plan::{Wanted, keeps};
use super::{RestoreReport, Session};
use crate::error::{Result, printable};
use crate::progress::{Phase, Step};
use crate::records::manifest::{Entry, FileKind, LeftOut};
use crate::targets::{TargetError, existing, finish_directory, hard_link, list, remove_tree, special, symlink};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, PoisonError};

/// How many deletions are named.
const NAMED: usize = 1000;

/// Everything that waits until the files are there.
#[derive(Default)]
pub(super) struct Later {
    /// Directories in manifest order, and whether they are wanted themselves.
    directories: Vec<(Entry, bool)>,
    nodes: Vec<Entry>,
    links: Vec<(Vec<u8>, Entry)>,
    markers: Vec<Entry>,
    /// Names that the snapshot has, by directory: only kept for `--delete`.
    names: HashMap<Vec<u8>, HashSet<Vec<u8>>>,
    /// Part of the listing could not be read, so nobody knows what the snapshot does not have.
    incomplete: bool,
}

fn split(place: &[u8]) -> (&[u8], &[u8]) {
    match place.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&place[..at], &place[at + 1..]),
        None => (b"", place),
    }
}

impl Later {
    /// A directory; one that is only passed through gets its metadata if the restore has to make it.
    pub fn directory(&mut self, entry: Entry, wanted: bool) {
        let wanted = wanted && !entry.ancestor;
        let entry = Entry { chunks: Vec::new(), ..entry };
        self.directories.push((entry, wanted));
    }

    /// A symbolic link, pipe, socket or device.
    pub fn node(&mut self, entry: Entry) {
        self.nodes.push(entry);
    }

    /// A file that a framework writes last.
    pub fn marker(&mut self, entry: Entry) {
        self.markers.push(entry);
    }

    /// A further name of a file that is restored at `first`.
    pub fn hard_link(&mut self, first: Vec<u8>, entry: Entry) {
        self.links.push((first, entry));
    }

    /// A path that the snapshot has, wanted or not.
    pub fn seen(&mut self, place: &[u8]) {
        let (parent, name) = split(place);
        self.names.entry(parent.to_vec()).or_default().insert(name.to_vec());
    }

    /// A page of the manifest cannot be read.
    pub fn names_are_missing(&mut self) {
        self.incomplete = true;
    }

    /// Does it all.
    pub async fn finish(mut self, session: &Arc<Session>, wanted: &Wanted, report: &mut RestoreReport) -> Result<()> {
        session.progress.check()?;
        session.progress.phase(Phase::Finishing);
        if session.options.dry_run {
            self.write_markers(session).await?;
            return self.delete(session, wanted, report);
        }
        for entry in std::mem::take(&mut self.nodes) {
            make_node(session, &entry)?;
        }
        let mut firsts: HashMap<u64, Vec<u8>> = HashMap::new();
        for (first, entry) in std::mem::take(&mut self.links) {
            let first = firsts.get(&entry.link_group).unwrap_or(&first);
            if session.linkable.lock().unwrap_or_else(PoisonError::into_inner).contains(first) {
                make_link(session, first, &entry)?;
                continue;
            }
            // The first was kept as it is, or lost: this name gets the content by itself, and those after it link to it.
            firsts.insert(entry.link_group, entry.path.clone());
            if entry.kind == FileKind::File {
                let mut alone = Batch::default();
                session.file(entry, &mut alone).await?;
                alone.run(session).await?;
            } else {
                make_node(session, &entry)?;
            }
        }
        self.delete(session, wanted, report)?;
        self.write_markers(session).await?;
        for (entry, wanted) in self.directories.iter().rev() {
            make_directory(session, entry, *wanted)?;
        }
        if let Some(tree) = &session.tree {
            tree.sync().map_err(|e| session.full(&e))?;
        }
        Ok(())
    }

    /// Writes what says that a checkpoint is complete, after everything else is on the disk.
    async fn write_markers(&mut self, session: &Arc<Session>) -> Result<()> {
        if self.markers.is_empty() {
            return Ok(());
        }
        if let Some(tree) = session.tree.as_ref().filter(|_| !session.options.dry_run) {
            tree.sync().map_err(|e| session.full(&e))?;
        }
        let mut batch = Batch::default();
        for entry in std::mem::take(&mut self.markers) {
            session.file(entry, &mut batch).await?;
            if batch.is_full() {
                std::mem::take(&mut batch).run(session).await?;
            }
        }
        batch.run(session).await?;
        session.drop_markers_aside()
    }

    /// Removes what the snapshot does not have, where the snapshot knows all that there was; never the repository.
    fn delete(&self, session: &Session, wanted: &Wanted, report: &mut RestoreReport) -> Result<()> {
        let Some(tree) = session.tree.as_ref().filter(|_| session.options.delete) else { return Ok(()) };
        if self.incomplete {
            let message = "nothing was removed: part of the snapshot's listing cannot be read";
            session.file_problem(crate::error::Trouble::NotRestored, b"", message);
            return Ok(());
        }
        let whole = |entry: &Entry| entry.fault.is_none() && entry.left_out == LeftOut::Nothing;
        let none = HashSet::new();
        for (entry, _) in self.directories.iter().filter(|(entry, wanted)| *wanted && whole(entry)) {
            session.progress.check()?;
            let listed = match tree.directory_existing(&entry.path) {
                Ok(Some(dir)) => list(&dir).map(|names| (dir, names)),
                Ok(None) => continue,
                Err(e) => Err(e),
            };
            let (dir, names) = match listed {
                Ok(listed) => listed,
                Err(e) => {
                    session.target_problem(&e)?;
                    continue;
                }
            };
            let known = self.names.get(&entry.path).unwrap_or(&none);
            for (name, _) in names.into_iter().filter(|(name, _)| !known.contains(name)) {
                let path = if entry.path.is_empty() { name.clone() } else { [&entry.path[..], b"/", &name].concat() };
                if !wanted.may_delete(&path) || session.holds_repository(&path) || session.is_aside(&path) {
                    continue;
                }
                if !session.options.dry_run
                    && let Err(e) = remove_tree(&dir, &name)
                {
                    session.target_problem(&e)?;
                    continue;
                }
                report.files_deleted += 1;
                if report.deletions.len() < NAMED {
                    report.deletions.push(printable(&session.shown(&path)));
                }
            }
        }
        Ok(())
    }
}

impl Session {
    /// Whether a place in the target is the repository that is being read, is in it, or has it below.
    fn holds_repository(&self, place: &[u8]) -> bool {
        let Some(repository) = self.repo.store().folder() else { return false };
        let Ok(target) = std::fs::canonicalize(&self.options.target) else { return false };
        let path = target.join(OsStr::from_bytes(place));
        repository.starts_with(&path) || path.starts_with(repository)
    }
}

fn make_node(session: &Session, entry: &Entry) -> Result<()> {
    let Some((dir, name)) = session.directory_of(&entry.path)? else { return Ok(()) };
    let made = match existing(&dir, &name) {
        Ok(Some(there)) if there.kind != FileKind::Directory && keeps(session.options.overwrite, &there, entry) => {
            return Ok(());
        }
        Ok(_) if entry.kind == FileKind::Symlink => symlink(&dir, &name, entry, &session.ownership),
        Ok(_) => special(&dir, &name, entry, &session.ownership),
        Err(e) => Err(e),
    };
    session.progress.step(Step::Entries(1));
    match made {
        Ok(warnings) => {
            session.stands(entry);
            session.warnings(&entry.path, warnings);
        }
        Err(e) => session.target_problem(&e)?,
    }
    Ok(())
}

fn make_link(session: &Session, first: &[u8], entry: &Entry) -> Result<()> {
    let Some((from, from_name)) = session.directory_of(first)? else { return Ok(()) };
    let Some((dir, name)) = session.directory_of(&entry.path)? else { return Ok(()) };
    let made = match existing(&dir, &name) {
        Ok(Some(there)) if there.kind != FileKind::Directory && keeps(session.options.overwrite, &there, entry) => {
            session.skip_file(entry.size);
            return Ok(());
        }
        Ok(_) => hard_link(&from, &from_name, &dir, &name),
        Err(e) => Err(e),
    };
    session.progress.step(Step::Entries(1));
    match made {
        Ok(()) => {
            session.counts.files_restored.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            session.counts.bytes_restored.fetch_add(entry.size, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        }
        Err(e) => session.target_problem(&e),
    }
}

fn make_directory(session: &Session, entry: &Entry, wanted: bool) -> Result<()> {
    let Some(tree) = &session.tree else { return Ok(()) };
    // The target directory itself is the user's, with the metadata that the user gave it, unless it was made just now
    // to become a directory of the snapshot.
    if entry.path.is_empty() {
        let made = !session.options.subtree.is_empty() && tree.directory(b"").is_ok_and(|top| top.created());
        if !made {
            return Ok(());
        }
    }
    let made = tree.directory(&entry.path).map(|dir| {
        let fault = entry.fault.as_ref().map(|fault| format!("the backup could not list all of it ({})", fault.reason));
        match wanted || dir.created() {
            true => finish_directory(&dir, entry, &session.ownership).into_iter().chain(fault).collect(),
            false => Vec::new(),
        }
    });
    session.progress.step(Step::Entries(1));
    match made {
        Ok(warnings) => session.warnings(&entry.path, warnings),
        Err(TargetError { full: false, path, message }) => {
            session.file_problem(crate::error::Trouble::NotRestored, &path, message);
        }
        Err(e) => return Err(session.full(&e)),
    }
    Ok(())
}
