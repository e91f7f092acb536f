//! The files that were seen, as a tree of directories.

use super::{Seen, names};
use std::collections::{BTreeMap, HashMap};

/// Deeper paths than any file system has are left out.
const DEPTH_MAX: usize = 256;
/// So many links one after another are followed.
const LINKS_MAX: usize = 8;
/// So many neighbours of a checkpoint are compared with it.
const SIBLINGS_MAX: usize = 8;

struct Dir<'a> {
    path: &'a [u8],
    parent: Option<usize>,
    /// Whether it was listed itself, or a file right in it: then all that is in it was seen.
    known: bool,
    files: BTreeMap<&'a [u8], &'a Seen>,
    dirs: BTreeMap<&'a [u8], usize>,
}

/// All that was seen.
pub(super) struct Tree<'a> {
    dirs: Vec<Dir<'a>>,
    by_path: HashMap<&'a [u8], usize>,
}

impl<'a> Tree<'a> {
    /// Sorts what was seen into directories.
    pub fn new(seen: &'a [Seen]) -> Tree<'a> {
        let root = Dir { path: b"", parent: None, known: false, files: BTreeMap::new(), dirs: BTreeMap::new() };
        let mut tree = Tree { dirs: vec![root], by_path: HashMap::from([(&b""[..], 0)]) };
        for seen in seen.iter().filter(|seen| seen.path.iter().filter(|c| **c == b'/').count() < DEPTH_MAX) {
            if seen.directory {
                let at = tree.add(&seen.path);
                tree.dirs[at].known = true;
            } else {
                let name = names::last(&seen.path);
                let at = tree.add(seen.path[..seen.path.len() - name.len()].strip_suffix(b"/").unwrap_or_default());
                tree.dirs[at].known = true;
                tree.dirs[at].files.insert(name, seen);
            }
        }
        tree
    }

    fn add(&mut self, path: &'a [u8]) -> usize {
        let mut at = 0;
        let ends = path.iter().enumerate().filter(|(_, c)| **c == b'/').map(|(end, _)| end).chain([path.len()]);
        for end in ends.filter(|_| !path.is_empty()) {
            let path = &path[..end];
            at = *self.by_path.entry(path).or_insert_with(|| {
                let new = Dir { path, parent: Some(at), known: false, files: BTreeMap::new(), dirs: BTreeMap::new() };
                self.dirs.push(new);
                let index = self.dirs.len() - 1;
                self.dirs[at].dirs.insert(names::last(path), index);
                index
            });
        }
        at
    }

    /// The directory on top.
    pub fn top(&'a self) -> Place<'a> {
        Place { tree: self, at: 0 }
    }

    fn place(&'a self, path: &[u8]) -> Option<Place<'a>> {
        self.by_path.get(path).map(|at| Place { tree: self, at: *at })
    }

    /// The file itself, after links.
    ///
    /// An absolute link is looked up among the paths that were seen, since those are absolute but for the first `/`.
    pub fn real(&'a self, seen: &'a Seen) -> Result<&'a Seen, &'static str> {
        let mut seen = seen;
        for _ in 0..LINKS_MAX {
            let Some(link) = &seen.link else { return Ok(seen) };
            let mut path: Vec<&[u8]> = match link.first() {
                Some(b'/') => Vec::new(),
                _ => seen.path.split(|c| *c == b'/').collect(),
            };
            path.pop();
            for part in link.split(|c| *c == b'/') {
                match part {
                    b"" | b"." => {}
                    b".." if path.pop().is_none() => return Err("points outside of what is backed up"),
                    b".." => {}
                    _ => path.push(part),
                }
            }
            if self.place(&path.join(&b'/')).is_some_and(|place| place.known()) {
                return Ok(seen);
            }
            let Some((name, dir)) = path.split_last() else { return Ok(seen) };
            match self.place(&dir.join(&b'/')).and_then(|place| place.file(name)) {
                Some(target) => seen = target,
                None => {
                    let known =
                        (1..=dir.len()).any(|len| self.place(&dir[..len].join(&b'/')).is_some_and(|p| p.known()));
                    return Err(if known { "points to nothing" } else { "points outside of what is backed up" });
                }
            }
        }
        Err("points to itself")
    }
}

/// One directory of the tree.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub tree: &'a Tree<'a>,
    at: usize,
}

impl<'a> Place<'a> {
    fn here(self) -> &'a Dir<'a> {
        &self.tree.dirs[self.at]
    }

    /// Its path.
    pub fn path(self) -> &'a [u8] {
        self.here().path
    }

    /// The last component of its path.
    pub fn name(self) -> &'a [u8] {
        names::last(self.here().path)
    }

    /// Whether all that is in it was seen.
    pub fn known(self) -> bool {
        self.here().known
    }

    /// The files right in it, by name.
    pub fn files(self) -> &'a BTreeMap<&'a [u8], &'a Seen> {
        &self.here().files
    }

    /// A file right in it.
    pub fn file(self, name: &[u8]) -> Option<&'a Seen> {
        self.here().files.get(name).copied()
    }

    /// Whether it has this file.
    pub fn has(self, name: &[u8]) -> bool {
        self.file(name).is_some()
    }

    /// What a file right in it says.
    pub fn content(self, name: &[u8]) -> Option<&'a [u8]> {
        self.file(name).and_then(|seen| self.tree.real(seen).ok()).and_then(|seen| seen.content.as_deref())
    }

    /// The directories right in it.
    pub fn dirs(self) -> impl Iterator<Item = Place<'a>> {
        self.here().dirs.values().map(move |at| Place { tree: self.tree, at: *at })
    }

    /// A directory right in it.
    pub fn dir(self, name: &[u8]) -> Option<Place<'a>> {
        self.here().dirs.get(name).map(|at| Place { tree: self.tree, at: *at })
    }

    /// The directory that it is in.
    pub fn above(self) -> Option<Place<'a>> {
        self.here().parent.map(|at| Place { tree: self.tree, at })
    }

    /// The directory that it is in, if all that is in that was seen.
    pub fn parent(self) -> Option<Place<'a>> {
        self.above().filter(|parent| parent.known())
    }

    /// The directories beside it whose names differ in numbers only; not more than a few.
    pub fn siblings(self) -> Vec<Place<'a>> {
        let Some(parent) = self.here().parent else { return Vec::new() };
        let (dirs, own) = (&self.tree.dirs[parent].dirs, names::family(self.name()));
        let name = self.name();
        let before = dirs.range(..name).rev().take(2 * SIBLINGS_MAX);
        let after = dirs.range(name..).skip(1).take(2 * SIBLINGS_MAX);
        let alike = before.chain(after).filter(|(name, _)| names::family(name) == own);
        alike.take(SIBLINGS_MAX).map(|(_, at)| Place { tree: self.tree, at: *at }).collect()
    }

    /// Every file in it and below.
    pub fn all(self) -> Vec<&'a Seen> {
        let mut all: Vec<&Seen> = self.files().values().copied().collect();
        let mut open: Vec<Place> = self.dirs().collect();
        while let Some(place) = open.pop() {
            all.extend(place.files().values());
            open.extend(place.dirs());
        }
        all
    }

    /// The newest change of a file in it and below.
    pub fn mtime(self) -> i64 {
        self.all().iter().map(|seen| seen.mtime).max().unwrap_or(i64::MIN)
    }
}
