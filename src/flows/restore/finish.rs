//! What a restore does last: links and special files, removing what is not in the snapshot, and directories' metadata.

use super::Session;
use super::plan::{Wanted, keeps};
use crate::error::Result;
use crate::progress::{Phase, Step};
use crate::records::manifest::{Entry, FileKind};
use crate::targets::{TargetError, existing, finish_directory, hard_link, remove_extra, special, symlink};
use std::collections::{HashMap, HashSet};

/// Everything that waits until the files are there.
#[derive(Default)]
pub(super) struct Later {
    /// Directories in manifest order, and whether they are wanted themselves.
    directories: Vec<(Entry, bool)>,
    nodes: Vec<Entry>,
    links: Vec<(Vec<u8>, Entry)>,
    /// Names that the snapshot has, by directory: only kept for `--delete`.
    names: HashMap<Vec<u8>, HashSet<Vec<u8>>>,
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

    /// A further name of a file that is restored at `first`.
    pub fn hard_link(&mut self, first: Vec<u8>, entry: Entry) {
        self.links.push((first, entry));
    }

    /// A path that the snapshot has, wanted or not.
    pub fn seen(&mut self, place: &[u8]) {
        let (parent, name) = split(place);
        self.names.entry(parent.to_vec()).or_default().insert(name.to_vec());
    }

    /// Does it all; gives how many files and directories were removed.
    pub async fn finish(mut self, session: &Session, wanted: &Wanted) -> Result<u64> {
        session.progress.check()?;
        session.progress.phase(Phase::Finishing);
        if session.options.dry_run {
            return Ok(0);
        }
        for entry in std::mem::take(&mut self.nodes) {
            make_node(session, &entry)?;
        }
        for (first, entry) in std::mem::take(&mut self.links) {
            make_link(session, &first, &entry)?;
        }
        let removed = self.delete(session, wanted)?;
        for (entry, wanted) in self.directories.iter().rev() {
            make_directory(session, entry, *wanted)?;
        }
        if let Some(tree) = &session.tree {
            tree.sync().map_err(|e| session.full(&e))?;
        }
        Ok(removed)
    }

    fn delete(&self, session: &Session, wanted: &Wanted) -> Result<u64> {
        let mut removed = 0;
        let Some(tree) = session.tree.as_ref().filter(|_| session.options.delete) else { return Ok(0) };
        for (entry, _) in self.directories.iter().filter(|(_, wanted)| *wanted) {
            session.progress.check()?;
            let none = HashSet::new();
            let names = self.names.get(&entry.path).unwrap_or(&none);
            let keep = |name: &[u8]| {
                let path = [&entry.path[..], b"/", name].concat();
                names.contains(name) || !wanted.may_delete(path.strip_prefix(b"/").unwrap_or(&path))
            };
            let done = match tree.directory_existing(&entry.path) {
                Ok(Some(dir)) => remove_extra(&dir, keep),
                Ok(None) => continue,
                Err(e) => Err(e),
            };
            match done {
                Ok(done) => {
                    removed += done.count;
                    done.failed.iter().try_for_each(|e| session.target_problem(e))?;
                }
                Err(e) => session.target_problem(&e)?,
            }
        }
        Ok(removed)
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
        Ok(warnings) => session.warnings(&entry.path, warnings),
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
