//! Planning a restore: which entries are wanted, where each goes, and which chunks a batch of files needs.

use super::weights::LeftOutFiles;
use super::{Overwrite, RestoreOptions};
use crate::codec::envelope::Realm;
use crate::error::{Error, Kind, Result};
use crate::id::ChunkId;
use crate::records::manifest::{Entry, FileKind, LeftOut, is_within};
use crate::repo::index::{Index, Location};
use crate::sources::{Selection, SelectionOptions};
use crate::targets::{Directory, Existing, ExistingFile, PartialFile};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};

/// Which entries are wanted, decided one after another in manifest order.
pub(super) struct Wanted {
    subtree: Vec<u8>,
    include: Option<Selection>,
    exclude: Selection,
    included_below: Option<Vec<u8>>,
    excluded_below: Option<Vec<u8>>,
    weights_only: bool,
    /// Directories that were passed and will be needed if something below them is wanted.
    passed: Vec<Passed>,
    /// Directories that are wanted though nothing below them is.
    released: Vec<Entry>,
    /// What `weights_only` left out.
    pub left_out: LeftOutFiles,
}

/// A directory that was passed.
struct Passed {
    entry: Entry,
    /// Whether it is wanted even without anything below it.
    wanted: bool,
}

/// What to do with an entry.
pub(super) enum Verdict {
    /// Not wanted.
    No,
    /// Wanted, after these directories above it.
    Yes(Vec<Entry>),
}

impl Wanted {
    pub fn new(options: &RestoreOptions) -> Result<Wanted> {
        let patterns = |exclude: &[String]| {
            Selection::new(&SelectionOptions { exclude: exclude.to_vec(), ..SelectionOptions::default() })
        };
        Ok(Wanted {
            subtree: options.subtree.clone(),
            include: if options.include.is_empty() { None } else { Some(patterns(&options.include)?) },
            exclude: patterns(&options.exclude)?,
            included_below: None,
            excluded_below: None,
            weights_only: options.weights_only,
            passed: Vec::new(),
            released: Vec::new(),
            left_out: LeftOutFiles::default(),
        })
    }

    /// Judges the next entry.
    pub fn judge(&mut self, entry: &Entry) -> Verdict {
        let left_out = entry.left_out == LeftOut::Itself;
        if left_out || !is_within(&entry.path, &self.subtree) || self.excludes(&entry.path) {
            return Verdict::No;
        }
        self.leave(Some(&entry.path));
        let included = self.includes(&entry.path);
        let directory = entry.kind == FileKind::Directory;
        if directory && (self.weights_only || !included) {
            let ancestor = entry.ancestor || !included;
            self.passed.push(Passed { entry: Entry { ancestor, ..entry.clone() }, wanted: included });
            return Verdict::No;
        }
        if included && self.weights_only && self.left_out.takes(entry) {
            // A directory that holds only such files is left out with them.
            self.passed.iter_mut().for_each(|passed| passed.wanted = false);
            return Verdict::No;
        }
        match included {
            true => Verdict::Yes(self.pass()),
            false => Verdict::No,
        }
    }

    /// Lets the directories go that the next path is not in. One that is wanted by itself takes those above it along.
    fn leave(&mut self, path: Option<&[u8]>) {
        let inside = |passed: &Passed| path.is_some_and(|path| is_within(path, &passed.entry.path));
        if let Some(last) = self.passed.iter().rposition(|passed| passed.wanted && !inside(passed)) {
            self.released.extend(self.passed.drain(..=last).map(|passed| passed.entry));
        }
        self.passed.retain(inside);
    }

    /// The directories that come before what is wanted next.
    fn pass(&mut self) -> Vec<Entry> {
        let mut above = std::mem::take(&mut self.released);
        above.extend(self.passed.drain(..).map(|passed| passed.entry));
        above
    }

    /// The directories that are still wanted after the last entry.
    pub fn rest(&mut self) -> Vec<Entry> {
        self.leave(None);
        std::mem::take(&mut self.released)
    }

    fn excludes(&mut self, path: &[u8]) -> bool {
        let below = self.excluded_below.as_ref().is_some_and(|top| is_within(path, top));
        if !below && self.exclude.excludes(path) {
            self.excluded_below = Some(path.to_vec());
            return true;
        }
        below
    }

    fn includes(&mut self, path: &[u8]) -> bool {
        let Some(include) = &self.include else { return true };
        let below = self.included_below.as_ref().is_some_and(|top| is_within(path, top));
        if !below && include.excludes(path) {
            self.included_below = Some(path.to_vec());
            return true;
        }
        below
    }

    /// Whether a directory of the target with such a name may be cleared of it: it is inside of what is restored.
    pub fn may_delete(&self, place: &[u8]) -> bool {
        match self.subtree.is_empty() {
            true => !self.exclude.excludes(place),
            false => !self.exclude.excludes(&[&self.subtree[..], b"/", place].concat()),
        }
    }
}

/// Where an entry of the snapshot goes: below the target, without the subtree's own path.
pub(super) fn place<'a>(path: &'a [u8], subtree: &[u8], subtree_is_directory: bool) -> &'a [u8] {
    let rest = if subtree_is_directory {
        path.get(subtree.len()..).unwrap_or_default()
    } else {
        let parent = subtree.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        path.get(parent..).unwrap_or_default()
    };
    rest.strip_prefix(b"/").unwrap_or(rest)
}

/// A chunk of a file: where it is stored, and where it goes.
#[derive(Clone, Copy)]
pub(in crate::flows) struct Piece {
    pub id: ChunkId,
    pub at: Location,
    pub offset: u64,
}

impl Piece {
    /// Its place in the file.
    pub fn bytes(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.at.raw)
    }
}

/// A file that is being restored.
pub(super) struct FilePlan {
    pub entry: Entry,
    /// Path in the target.
    pub place: Vec<u8>,
    pub dir: Arc<Directory>,
    pub pieces: Vec<Piece>,
    /// What is there already, to take equal parts from.
    pub existing: Option<ExistingFile>,
    /// For each piece whether `existing` has it.
    pub present: Vec<AtomicBool>,
    pub partial: Mutex<Option<Arc<PartialFile>>>,
    /// Pieces still to be written.
    pub left: AtomicU32,
    pub failed: AtomicBool,
}

impl FilePlan {
    pub fn new(
        entry: Entry,
        place: Vec<u8>,
        dir: Arc<Directory>,
        pieces: Vec<Piece>,
        existing: Option<ExistingFile>,
    ) -> FilePlan {
        let present = pieces.iter().filter(|_| existing.is_some()).map(|_| AtomicBool::new(false)).collect();
        FilePlan {
            entry,
            place,
            dir,
            pieces,
            existing,
            present,
            partial: Mutex::new(None),
            left: AtomicU32::new(0),
            failed: AtomicBool::new(false),
        }
    }

    /// The name in its directory.
    pub fn name(&self) -> &[u8] {
        self.place.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Whether the content is exactly one chunk.
    pub fn is_single(&self) -> bool {
        self.pieces.len() == 1 && self.entry.holes.is_empty() && self.existing.is_none()
    }
}

/// Finds every chunk of a file, and checks that together with the holes they make up its size.
pub(in crate::flows) fn pieces(entry: &Entry, chunks: &[ChunkId], index: &Index) -> Result<Vec<Piece>> {
    let mut pieces = Vec::with_capacity(chunks.len());
    let mut holes = entry.holes.iter().peekable();
    let mut at = 0u64;
    let broken = || Error::damaged("its chunks do not add up to its size");
    let mut pass = |at: &mut u64| {
        while let Some(hole) = holes.next_if(|hole| hole.offset == *at && hole.length > 0) {
            *at = hole.offset.checked_add(hole.length)?;
        }
        Some(())
    };
    for id in chunks {
        pass(&mut at).ok_or_else(broken)?;
        let location = index.find(Realm::Data, id).ok_or_else(|| {
            Error::new(Kind::Missing, format!("chunk {} is in no pack that the repository has", id.brief()))
        })?;
        pieces.push(Piece { id: *id, at: location, offset: at });
        at = at.checked_add(u64::from(location.raw)).ok_or_else(broken)?;
    }
    pass(&mut at).ok_or_else(broken)?;
    if at != entry.size || holes.next().is_some() {
        return Err(broken());
    }
    Ok(pieces)
}

/// Whether a file that is there is left as it is, by size and time alone.
pub(super) fn keeps(overwrite: Overwrite, there: &Existing, entry: &Entry) -> bool {
    let file = there.kind == FileKind::File;
    match overwrite {
        Overwrite::Never => true,
        Overwrite::IfNewer => there.mtime >= entry.mtime,
        Overwrite::IfChanged => file && (there.size, there.mtime) == (entry.size, entry.mtime),
        Overwrite::Always => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(place(b"a/b/c", b"", true), b"a/b/c");
        assert_eq!(place(b"a/b/c", b"a/b", true), b"c");
        assert_eq!(place(b"a/b", b"a/b", true), b"");
        assert_eq!(place(b"a/b/c", b"a/b/c", false), b"c");
        assert_eq!(place(b"c", b"c", false), b"c");
    }
}
