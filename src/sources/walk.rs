//! Walks the roots in the order of a manifest.

use super::SourceError;
use super::item::Item;
use super::listing::{Directory, Names};
use super::metadata::{Owners, State, now};
use super::roots::{Role, Roots};
use super::select::Selection;
use crate::error::Trouble;
use crate::records::manifest::{Entry, FileKind, LeftOut, Stamp};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

/// How often something that is replaced at the moment of looking is looked at again.
const ATTEMPTS: usize = 3;
const LOOK: &str = "read the metadata of";

/// An iterator over everything below the roots, and the directories above them, in the order of a manifest.
///
/// It keeps open one file descriptor for each directory on the way to where it is. An error concerns one path;
/// the walk goes on after it.
#[derive(Debug)]
pub struct Walk {
    roots: Roots,
    selection: Selection,
    /// (device, inode) of the directories that are not entered.
    skip: HashSet<(u64, u64)>,
    started: Option<Stamp>,
    frames: Vec<Frame>,
    /// The path of the directory of the last frame.
    path: Vec<u8>,
    owners: Owners,
    links: HashMap<(u64, u64), Links>,
    buffer: Vec<u8>,
    skipped: Vec<Vec<u8>>,
    excluded: u64,
}

/// A directory in the middle of being walked.
#[derive(Debug)]
struct Frame {
    directory: Arc<Directory>,
    path_len: usize,
    names: Names,
    next: usize,
    /// Only passing through to roots below: the names are not all there are.
    passing: bool,
}

/// The hard links to one inode that were met.
#[derive(Debug)]
struct Links {
    group: u64,
    seen: u64,
    /// Size and times when the first was met.
    state: (u64, Stamp, Stamp),
}

/// A directory that was looked at: its metadata, itself if it was opened, and what is wrong with its content.
type Entered = (State, Option<Arc<Directory>>, LeftOut, Option<SourceError>);

/// Where the walk looks at the moment.
struct Place {
    parent: Arc<Directory>,
    path: Vec<u8>,
    /// Where the name begins in `path`.
    name_at: usize,
}

impl Place {
    fn name(&self) -> &[u8] {
        if self.path.is_empty() { b"." } else { &self.path[self.name_at..] }
    }

    fn failed(&self, doing: &'static str) -> impl Fn(Errno) -> SourceError {
        move |errno| SourceError::new(&self.path, doing, errno)
    }

    fn item(self, mut entry: Entry, state: &State, own: Option<Arc<Directory>>) -> Item {
        entry.path = self.path;
        let (blocks, device, links) = (state.blocks, state.device, state.links);
        Item { entry, parent: self.parent, own, blocks, device, links, first: true }
    }
}

impl Walk {
    /// Prepares a walk. What was named and does not exist is not walked and comes back as an error each.
    ///
    /// Roots may be relative to the current directory. One below another is not walked twice; it is kept even if the
    /// selection leaves out what is above it. Directories in `skip` (the repository) are recorded without their content.
    pub fn new(roots: &[PathBuf], selection: Selection, skip: &[PathBuf]) -> (Walk, Vec<SourceError>) {
        // Without a current directory, relative roots do not exist, and are reported so.
        let base = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/proc/self/cwd"));
        let (roots, errors) = Roots::resolve(roots, &base);
        let skip = skip
            .iter()
            .filter_map(|path| std::fs::metadata(path).ok())
            .map(|found| (found.dev(), found.ino()))
            .collect();
        let walk = Walk {
            roots,
            selection,
            skip,
            started: None,
            frames: Vec::new(),
            path: Vec::new(),
            owners: Owners::default(),
            links: HashMap::new(),
            buffer: Vec::new(),
            skipped: Vec::new(),
            excluded: 0,
        };
        (walk, errors)
    }

    /// The roots that are walked, as manifest paths in order: none is below another one.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots.tops
    }

    /// When the first item was asked for: what [`super::trusted`] compares with. Before that, now.
    pub fn started(&self) -> Stamp {
        self.started.unwrap_or_else(now)
    }

    /// The directories recorded without their content so far because they were to be skipped.
    pub fn skipped(&self) -> &[Vec<u8>] {
        &self.skipped
    }

    /// How many files and directories the selection left out so far; what is below them is not counted.
    pub fn excluded(&self) -> u64 {
        self.excluded
    }

    fn start(&mut self) -> Option<Result<Item, SourceError>> {
        self.started = Some(now());
        if self.roots.is_empty() {
            return None;
        }
        match Directory::root() {
            Ok(slash) => self.visit(Place { parent: Arc::new(slash), path: Vec::new(), name_at: 0 }, true),
            Err(errno) => Some(Err(SourceError::new(b"", "open", errno))),
        }
    }

    /// The next name of the innermost directory that has one left.
    fn next_place(&mut self) -> Option<(Place, bool)> {
        loop {
            let frame = self.frames.last_mut()?;
            self.path.truncate(frame.path_len);
            let Some(name) = frame.names.get(frame.next) else {
                self.frames.pop();
                continue;
            };
            frame.next += 1;
            let mut path = Vec::with_capacity(self.path.len() + 1 + name.len());
            path.extend_from_slice(&self.path);
            if !path.is_empty() {
                path.push(b'/');
            }
            let name_at = path.len();
            path.extend_from_slice(name);
            return Some((Place { parent: Arc::clone(&frame.directory), path, name_at }, frame.passing));
        }
    }

    /// Looks at one name; `None` if it is on no way to a root.
    fn visit(&mut self, place: Place, passing: bool) -> Option<Result<Item, SourceError>> {
        let role = if passing || self.roots.nested() { self.roots.role(&place.path) } else { Role::default() };
        let excluded = !role.root && (passing && role.above || self.selection.excludes(&place.path));
        if excluded && role.above {
            return Some(self.pass(place));
        }
        if excluded && passing {
            return None;
        }
        if excluded {
            self.excluded += 1;
            let state = State::of(&place.parent.stat(place.name()).ok()?);
            return Some(Ok(left_out(place, &state)));
        }
        Some(self.record(place, role))
    }

    /// Records a directory that is only passed through on the way to a root.
    fn pass(&mut self, place: Place) -> Result<Item, SourceError> {
        let directory = place.parent.pass(place.name()).map_err(place.failed("open"))?;
        let state = State::of(&directory.stat_self().map_err(place.failed(LOOK))?);
        let mut entry = state.entry(&mut self.owners);
        (entry.ancestor, entry.inode) = (true, 0);
        (entry.mtime, entry.ctime) = (Stamp::default(), Stamp::default());
        self.push_passing(&place, directory);
        Ok(place.item(entry, &state, None))
    }

    /// Records anything else.
    fn record(&mut self, place: Place, role: Role) -> Result<Item, SourceError> {
        for _ in 0..ATTEMPTS {
            let state = State::of(&place.parent.stat(place.name()).map_err(place.failed(LOOK))?);
            let Some(kind) = state.kind else {
                return Err(SourceError::new(&place.path, LOOK, Errno::NOTSUP));
            };
            if kind == FileKind::Directory {
                match self.enter(&place, state, role) {
                    Err(error) if error.kind == Trouble::Unstable => continue,
                    Err(error) => return Err(error),
                    Ok((state, own, left_out, failed)) => {
                        let mut entry = state.entry(&mut self.owners);
                        entry.left_out = left_out;
                        entry.fault = failed.map(|error| error.fault());
                        return Ok(place.item(entry, &state, own));
                    }
                }
            }
            if kind == FileKind::File && !role.root && self.selection.too_large(state.size) {
                self.excluded += 1;
                return Ok(left_out(place, &state));
            }
            let mut entry = state.entry(&mut self.owners);
            if kind == FileKind::Symlink {
                match rustix::fs::readlinkat(&place.parent, place.name(), Vec::new()) {
                    Ok(target) => entry.link_target = target.into_bytes(),
                    Err(Errno::INVAL) => continue,
                    Err(errno) => return Err(SourceError::new(&place.path, "read the link", errno)),
                }
            }
            let mut item = place.item(entry, &state, None);
            if state.links > 1 {
                self.group(&mut item, &state);
            }
            return Ok(item);
        }
        Err(SourceError::replaced(&place.path, LOOK))
    }

    /// Opens and lists a directory and makes it the next to be walked. Its metadata are taken when it is open, so that they
    /// and the names are of one directory.
    fn enter(&mut self, place: &Place, seen: State, role: Role) -> Result<Entered, SourceError> {
        if !self.is_wanted(place, &seen) {
            self.pass_to_roots(place, role);
            return Ok((seen, None, LeftOut::Content, None));
        }
        let directory = match place.parent.open(place.name()) {
            Ok(directory) => Arc::new(directory),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(SourceError::replaced(&place.path, "open")),
            Err(errno) => {
                let error = SourceError::new(&place.path, "open", errno);
                if error.kind == Trouble::Vanished {
                    return Err(error);
                }
                self.pass_to_roots(place, role);
                return Ok((seen, None, LeftOut::Nothing, Some(error)));
            }
        };
        let state = State::of(&directory.stat_self().map_err(place.failed(LOOK))?);
        // Something may have been mounted there, by being opened or otherwise.
        if (state.device, state.inode) != (seen.device, seen.inode) && !self.is_wanted(place, &state) {
            self.pass_to_roots(place, role);
            return Ok((state, Some(directory), LeftOut::Content, None));
        }
        let (mut names, failed) = directory.names(&mut self.buffer);
        let passing = self.selection.keep_markers(&directory, &mut names);
        if role.above {
            self.roots.next_names(&place.path).into_iter().for_each(|name| names.push(name));
            names.sort();
        }
        self.push(place, Arc::clone(&directory), names, passing);
        let left_out = if passing { LeftOut::Content } else { LeftOut::Nothing };
        Ok((state, Some(directory), left_out, failed.map(place.failed("list"))))
    }

    /// Whether the content of a directory is to be walked.
    fn is_wanted(&mut self, place: &Place, state: &State) -> bool {
        if self.skip.contains(&(state.device, state.inode)) {
            self.skipped.push(place.path.clone());
            return false;
        }
        !self.selection.one_file_system || self.roots.devices.contains(&state.device)
    }

    /// If there are roots below a directory that is not walked, makes the walk go there nevertheless.
    fn pass_to_roots(&mut self, place: &Place, role: Role) {
        if role.above
            && let Ok(directory) = place.parent.pass(place.name())
        {
            self.push_passing(place, directory);
        }
    }

    fn push_passing(&mut self, place: &Place, directory: Directory) {
        let mut names = Names::default();
        self.roots.next_names(&place.path).into_iter().for_each(|name| names.push(name));
        self.push(place, Arc::new(directory), names, true);
    }

    fn push(&mut self, place: &Place, directory: Arc<Directory>, names: Names, passing: bool) {
        // `path` is that of the parent by now: a path is long in a deep tree, so only the rest is copied.
        self.path.extend_from_slice(&place.path[self.path.len()..]);
        self.frames.push(Frame { directory, path_len: self.path.len(), names, next: 0, passing });
    }

    /// Gives an item the number of its hard links; the number follows from the path of the first.
    fn group(&mut self, item: &mut Item, state: &State) {
        let key = (state.device, state.inode);
        let now = (state.size, state.mtime, state.ctime);
        let fresh = || Links { group: group_of(&item.entry.path), seen: 0, state: now };
        let links = self.links.entry(key).or_insert_with(fresh);
        // It changed meanwhile, or another file got the number of one that was removed: it is read as one of its own.
        if links.state != now {
            *links = fresh();
        }
        item.entry.link_group = links.group;
        item.first = links.seen == 0;
        links.seen += 1;
        if links.seen >= state.links {
            self.links.remove(&key);
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.started.is_none() {
            let first = self.start();
            if first.is_some() {
                return first;
            }
        }
        loop {
            let (place, passing) = self.next_place()?;
            let found = self.visit(place, passing);
            if found.is_some() {
                return found;
            }
        }
    }
}

/// Something that the selection leaves out: that it is there is recorded, and nothing else of it.
fn left_out(place: Place, state: &State) -> Item {
    let kind = state.kind.unwrap_or_default();
    place.item(Entry { kind, left_out: LeftOut::Itself, ..Entry::default() }, state, None)
}

/// The number of a group of hard links: never 0.
fn group_of(path: &[u8]) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&blake3::hash(path).as_bytes()[..8]);
    u64::from_le_bytes(half).max(1)
}

/// Lets the process open as many files as it may: a walk holds a descriptor for each level, and whoever holds an [`Item`]
/// holds those of its directories. Call it once at the start of a program.
pub fn allow_many_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused the limit stays, and deep trees are reported as unreadable.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "walk_tests.rs"]
mod tests;
