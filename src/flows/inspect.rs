//! Inspect: what the checkpoints and the files with tensors are, of a snapshot or on disk.

use super::gate::{Gate, content_at, look_at, wants_content};
use super::ls::not_there;
use crate::codec::envelope::Realm;
use crate::error::{Error, Kind, Problem, Result, Trouble, printable};
use crate::frameworks::is_part;
use crate::progress::{Phase, Progress, Step};
use crate::records::manifest::{Entry, Fault, FileKind, LeftOut, Stamp, is_within};
use crate::records::model::{FileFormat, TensorRecord, read_list};
use crate::records::snapshot::{Checkpoint, PROBLEMS_KEPT, Snapshot};
use crate::repo::index::{FETCHES, Index};
use crate::repo::manifest::Manifest;
use crate::repo::reader::read_chunk;
use crate::repo::{Repository, on_cpu};
use crate::sources::{Selection, Walk, read_exactly};
use futures::{StreamExt, stream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Files that may wait for whoever prints them.
const AHEAD: usize = 4;

/// A file with a format that is known.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// Its path, as a manifest writes it.
    pub path: Vec<u8>,
    /// Its bytes.
    pub size: u64,
    /// What its format says.
    pub format: FileFormat,
    /// Its tensors, by offset.
    pub tensors: Vec<TensorRecord>,
}

/// What was found besides the files.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// What could not be read; the first, at most as many as a snapshot keeps.
    pub problems: Vec<Problem>,
}

impl Findings {
    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(problem);
        }
    }

    /// The checkpoints that a file is in.
    pub fn owners(&self, path: &[u8]) -> impl Iterator<Item = &Checkpoint> {
        let path = absolute(path);
        self.checkpoints.iter().filter(move |checkpoint| within(&path, &checkpoint.path))
    }

    /// Whether a file may be broken and nothing is lost: it is part of a checkpoint that a newer one has followed.
    pub fn is_past(&self, path: &[u8]) -> bool {
        self.owners(path).max_by_key(|owner| owner.path.len()).is_some_and(|owner| !owner.newest)
    }
}

/// A path as checkpoints name theirs.
fn absolute(path: &[u8]) -> String {
    printable(&[b"/", path].concat())
}

/// Whether a path is at or below another, both escaped.
fn within(path: &str, top: &str) -> bool {
    is_within(path.as_bytes(), top.trim_end_matches('/').as_bytes())
}

/// Gives every file at or below `subtree` to `each`, with what the snapshot recorded of it.
pub async fn inspect(
    repo: &Arc<Repository>,
    snapshot: &Snapshot,
    subtree: &[u8],
    each: &mut dyn FnMut(Inspected) -> Result<()>,
) -> Result<Findings> {
    let index = Arc::new(repo.load_index(true).await?.index);
    let manifest = Manifest::open(repo, &index, &snapshot.tree).await?;
    let mut pages = Box::pin(manifest.stream(subtree));
    let mut findings = Findings::default();
    let mut found = subtree.is_empty();
    while let Some(page) = pages.next().await {
        let mut entries = page?;
        entries.retain(|entry| is_within(&entry.path, subtree) && entry.left_out != LeftOut::Itself);
        found |= !entries.is_empty();
        let known = entries.into_iter().filter_map(|entry| entry.format.map(|format| (entry.path, entry.size, format)));
        let described = |(path, size, format): (Vec<u8>, u64, FileFormat)| {
            let index = &index;
            async move {
                let tensors = tensors(repo, index, &format).await;
                (Inspected { path, size, format, tensors: Vec::new() }, tensors)
            }
        };
        let mut files = Box::pin(stream::iter(known).map(described).buffered(FETCHES));
        while let Some((mut file, tensors)) = files.next().await {
            match tensors {
                Ok(tensors) => file.tensors = tensors,
                Err(e) if matches!(e.kind, Kind::Damaged | Kind::Missing) => {
                    findings.problem(Problem::new(Trouble::Damaged, absolute(&file.path), e.what));
                }
                Err(e) => return Err(e),
            }
            each(file)?;
        }
    }
    if !found {
        return Err(not_there(subtree));
    }
    let place = absolute(subtree);
    let mut checkpoints = snapshot.checkpoints.clone();
    match checkpoints.iter().any(|checkpoint| within(&checkpoint.path, &place)) {
        true => checkpoints.retain(|checkpoint| within(&checkpoint.path, &place)),
        // The one that it is a part of.
        false => checkpoints.retain(|checkpoint| within(&place, &checkpoint.path)),
    }
    Ok(Findings { checkpoints, ..findings })
}

/// The tensors of a file, as they were recorded.
async fn tensors(repo: &Arc<Repository>, index: &Arc<Index>, format: &FileFormat) -> Result<Vec<TensorRecord>> {
    let Some(details) = &format.details else { return Ok(Vec::new()) };
    let bytes = read_chunk(repo, index, Realm::Manifest, details).await?;
    read_list(&bytes).map_err(|why| Error::damaged("The list of its tensors is damaged").because(why))
}

/// Gives every file at or below `path` on disk to `each`, as it is now. If `numbers`, all of it is read and its numbers are
/// counted, otherwise headers alone are read.
pub async fn inspect_disk(
    path: &Path,
    numbers: bool,
    progress: Arc<dyn Progress>,
    each: &mut dyn FnMut(Inspected) -> Result<()>,
) -> Result<Findings> {
    progress.phase(Phase::Reading);
    let (files, mut queue) = mpsc::channel(AHEAD);
    let path = path.to_owned();
    let work = on_cpu(move || {
        let mut look = Disk { numbers, progress, files, findings: Findings::default(), gate: Gate::default() };
        look.walk(&path).map(|()| look.findings)
    });
    let print = async move {
        while let Some(file) = queue.recv().await {
            // Whoever finds the queue closed stops looking.
            each(file)?;
        }
        Ok(())
    };
    let (findings, printed) = tokio::join!(work, print);
    printed.and(findings?)
}

/// Looks at files on disk.
struct Disk {
    numbers: bool,
    progress: Arc<dyn Progress>,
    files: mpsc::Sender<Inspected>,
    findings: Findings,
    gate: Gate,
}

impl Disk {
    fn walk(&mut self, path: &Path) -> Result<()> {
        let top = real(path)?;
        let (walk, missing) = Walk::new(std::slice::from_ref(&top), Selection::default(), &[]);
        if let Some(e) = missing.first() {
            return Err(no_path(path).because(e.cause.to_string()));
        }
        let (mut alone, root) = (None, walk.roots().first().cloned().unwrap_or_default());
        for item in walk {
            self.progress.check()?;
            let mut entry = match item {
                Ok(item) => item.entry,
                Err(e) => {
                    self.findings.problem(Problem::of_path(e.kind, &[b"/", &e.path[..]].concat(), e.reason()));
                    continue;
                }
            };
            if entry.ancestor {
                // What else is in it is not asked for.
                continue;
            }
            if let Some(fault) = &entry.fault {
                self.findings.problem(Problem::new(Trouble::Unreadable, absolute(&entry.path), fault.reason.clone()));
            }
            let place = follow(&mut entry, &root);
            if entry.path == root && entry.kind == FileKind::File {
                alone = Some(entry.path.clone());
            }
            if !self.file(&mut entry, &place)? {
                return Ok(());
            }
            let content = if wants_content(&entry) { content_at(&entry, &place) } else { None };
            if alone.is_some() {
                // A file is judged by itself, not as what is left of its directory.
                entry.path = entry.name().to_vec();
            }
            self.gate.take(&entry, content);
        }
        let mut checkpoints = std::mem::take(&mut self.gate).judge();
        if let Some(path) = alone {
            let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            checkpoints.retain(|checkpoint| checkpoint.path == absolute(name) && !is_part(name));
            checkpoints.iter_mut().for_each(|checkpoint| checkpoint.path = absolute(&path));
        }
        self.findings.checkpoints = checkpoints;
        Ok(())
    }

    /// Looks at one file and hands on what its format says; `false` if nobody wants to know any more.
    fn file(&mut self, entry: &mut Entry, place: &[u8]) -> Result<bool> {
        if entry.kind != FileKind::File || entry.fault.is_some() {
            return Ok(true);
        }
        self.progress.current(&entry.path);
        let look = match look_at(entry, place) {
            Ok(look) => look,
            Err(e) => return Ok(self.unreadable(entry, &e)),
        };
        if self.numbers {
            let mut stopped = false;
            let counted = look.count_all(|offset, out| {
                stopped = self.progress.stopped();
                if stopped {
                    return Err(std::io::ErrorKind::Interrupted.into());
                }
                read_exactly(place, offset, out)?;
                self.progress.step(Step::Done(out.len() as u64));
                Ok(())
            });
            match counted {
                Err(_) if stopped => return Err(Error::interrupted()),
                Err(e) => return Ok(self.unreadable(entry, &e)),
                Ok(()) => {}
            }
        }
        self.progress.step(Step::Entries(1));
        let mut tensors = look.records();
        if !self.numbers {
            // Of elements that nobody has seen nothing is said.
            tensors.iter_mut().for_each(|tensor| (tensor.constant, tensor.zero) = (false, false));
        }
        let Some(format) = look.summary(&tensors, None) else { return Ok(true) };
        // Without a count the judgement must not say that all numbers are finite.
        entry.format = if self.numbers { Some(format.clone()) } else { look.summary(&[], None) };
        let file = Inspected { path: entry.path.clone(), size: entry.size, format, tensors };
        Ok(self.files.blocking_send(file).is_ok())
    }

    fn unreadable(&mut self, entry: &mut Entry, e: &std::io::Error) -> bool {
        entry.fault = Some(Fault { unreadable: true, reason: e.to_string() });
        self.findings.problem(Problem::new(Trouble::Unreadable, absolute(&entry.path), e.to_string()));
        true
    }
}

fn no_path(path: &Path) -> Error {
    Error::new(Kind::Source, format!("Cannot inspect {}", printable(path.as_os_str().as_bytes())))
}

/// A directory by its own name, not by that of a link such as `latest`; a file by the name that it was given.
fn real(path: &Path) -> Result<PathBuf> {
    let failed = |e: std::io::Error| no_path(path).because(e);
    match std::fs::metadata(path).map_err(failed)?.is_dir() {
        true => path.canonicalize().map_err(failed),
        false => Ok(path.to_owned()),
    }
}

/// Takes a link to a file elsewhere for the file, as in a cache of the Hugging Face hub; gives the place of the file.
fn follow(entry: &mut Entry, root: &[u8]) -> Vec<u8> {
    let place = [b"/", &entry.path[..]].concat();
    if entry.kind != FileKind::Symlink {
        return place;
    }
    let Ok(real) = Path::new(std::ffi::OsStr::from_bytes(&place)).canonicalize() else { return place };
    let real_path = real.as_os_str().as_bytes();
    let inside = is_within(real_path.strip_prefix(b"/").unwrap_or_default(), root) && entry.path != root;
    match std::fs::metadata(&real) {
        Ok(found) if found.is_file() && !inside => {
            entry.kind = FileKind::File;
            entry.size = found.size();
            entry.mtime = Stamp { seconds: found.mtime(), nanos: 0 };
            real_path.to_vec()
        }
        _ => place,
    }
}
