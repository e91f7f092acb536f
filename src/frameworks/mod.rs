//! Frameworks: which files make one checkpoint, and whether all that belong to it are there and whole.
//!
//! Judged is a list of files, not a directory: the same code serves files on disk, before a backup, and files of a snapshot.
//!
//! Rules on which all frameworks rest: what a checkpoint's own index, metadata or names promise must be there and as long
//! as promised; what is written last must be there; what every neighbour of the same run has must be there; nothing may be
//! left under a temporary name. A first checkpoint without neighbours is not judged by what only neighbours would tell.

mod dcp;
mod deepspeed;
mod hf_model;
mod hf_trainer;
mod hub;
mod json;
mod lightning;
mod megatron;
mod names;
mod orbax;
mod ranks;
mod single;
mod tensorflow;
#[cfg(test)]
mod tests;
mod tree;

pub use names::{holds_weights, is_training_state};

use std::collections::BTreeMap;
use tree::{Place, Tree};

/// One file, link or directory that may belong to a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Components joined by `/`, without the first `/`.
    pub path: Vec<u8>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Bytes of a file.
    pub size: u64,
    /// Seconds since 1970 of its last change.
    pub mtime: i64,
    /// Where a symbolic link points, as it is written there.
    pub link: Option<Vec<u8>>,
    /// Why its own format says that it is not whole, or that it could not be read.
    pub broken: Option<String>,
    /// What is in it, for those files of which [`interest`] wants the content.
    pub content: Option<Vec<u8>>,
}

/// What of a file matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing.
    Nothing,
    /// That it is there.
    Name,
    /// What it says.
    Content,
}

/// A checkpoint, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Its directory, or the file itself if it is a single one.
    pub path: Vec<u8>,
    /// What wrote it.
    pub framework: &'static str,
    /// Why it is not complete, each reason with the name of the file; empty if it is.
    pub faults: Vec<String>,
    /// The training step.
    pub step: Option<u64>,
    /// Metrics that its own files state.
    pub metrics: BTreeMap<String, f64>,
    /// The newest change of its files, seconds since 1970.
    pub mtime: i64,
    /// Files elsewhere that links in it point to, as in a hub cache.
    pub elsewhere: Vec<Vec<u8>>,
}

/// The largest file of which the content is wanted.
const CONTENT_MAX: u64 = 16 << 20;
/// The most faults that are told of one checkpoint.
const FAULTS_MAX: usize = 20;

/// The files of a directory that no checkpoint has claimed yet, by name.
type Free<'a> = BTreeMap<&'a [u8], &'a Seen>;

/// A checkpoint that a framework finds in a directory.
#[derive(Default)]
struct Claim<'a> {
    path: Vec<u8>,
    /// Its files right in the directory; `None`: all of them, and all that is below.
    files: Option<Vec<&'a Seen>>,
    faults: Vec<String>,
    step: Option<u64>,
    metrics: BTreeMap<String, f64>,
}

impl<'a> Claim<'a> {
    /// A directory with all that is in it.
    fn whole(place: Place<'a>) -> Claim<'a> {
        Claim { path: place.path().to_vec(), ..Claim::default() }
    }

    /// Some files of a directory.
    fn of(path: Vec<u8>, files: Vec<&'a Seen>) -> Claim<'a> {
        Claim { path, files: Some(files), ..Claim::default() }
    }

    /// A checkpoint that should be there but is not.
    fn lost(place: Place<'a>, name: &[u8], why: String) -> Claim<'a> {
        let path = if place.path().is_empty() { name.to_vec() } else { [place.path(), name].join(&b'/') };
        Claim { path, files: Some(Vec::new()), faults: vec![why], step: names::last_number(name), ..Claim::default() }
    }
}

/// One framework.
trait Framework: Sync {
    /// Its name in records and tables.
    fn name(&self) -> &'static str;

    /// What of a file matters to it, by the last component of its path.
    fn interest(&self, name: &[u8]) -> Interest;

    /// Whether it writes a file of this name last.
    fn is_marker(&self, _name: &[u8]) -> bool {
        false
    }

    /// Its checkpoints in a directory, of the files that nobody has claimed yet.
    fn find<'a>(&self, place: Place<'a>, free: &Free<'a>) -> Vec<Claim<'a>>;
}

/// Every framework; where several could claim the same files, the first one does.
const FRAMEWORKS: [&dyn Framework; 10] = [
    &hub::Hub,
    &orbax::Orbax,
    &megatron::Megatron,
    &hf_trainer::Trainer,
    &deepspeed::DeepSpeed,
    &lightning::Lightning,
    &dcp::Dcp,
    &tensorflow::TensorFlow,
    &hf_model::Model,
    &single::Single,
];

/// Which files matter, by their names: cheap enough to ask of every file of a data set.
pub fn interest(path: &[u8], size: u64) -> Interest {
    let name = names::last(path);
    if size <= CONTENT_MAX && hub::is_text(path) {
        return Interest::Content;
    }
    let mut most = Interest::Nothing;
    for found in FRAMEWORKS.iter().map(|framework| framework.interest(name)) {
        match found {
            Interest::Content if size <= CONTENT_MAX => return Interest::Content,
            Interest::Content | Interest::Name => most = Interest::Name,
            Interest::Nothing => {}
        }
    }
    let kept = || names::is_hash(name) || names::unfinished(name).is_some() || in_unfinished(path);
    if most == Interest::Nothing && kept() { Interest::Name } else { most }
}

/// Whether a directory of the path has the name of one that is still being written.
fn in_unfinished(path: &[u8]) -> bool {
    names::contains(path, b"tmp")
        && path.split(|c| *c == b'/').any(|part| orbax::unfinished(part) || hf_trainer::unfinished(part))
}

/// Finds every checkpoint among files that are sorted by path, and judges it.
///
/// Wanted are all files and links in which there is [`interest`], and all directories: that a marker is missing is told
/// only of a directory that was listed. A file belongs to one checkpoint only. A directory that is one checkpoint owns all that is below, and what is found
/// wrong there, for instance in the DeepSpeed directory of a Trainer's checkpoint, is a fault of that one.
pub fn judge(seen: &[Seen]) -> Vec<Checkpoint> {
    let tree = Tree::new(seen);
    let mut found = Vec::new();
    visit(tree.top(), None, &mut found);
    for checkpoint in &mut found {
        let told = checkpoint.faults.len();
        if told > FAULTS_MAX {
            checkpoint.faults.truncate(FAULTS_MAX);
            checkpoint.faults.push(format!("and {} more", told - FAULTS_MAX));
        }
    }
    let parts = |path: &'_ [u8]| path.split(|c| *c == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    found.sort_by_cached_key(|checkpoint| parts(&checkpoint.path));
    found
}

fn visit<'a>(place: Place<'a>, mut owner: Option<&mut Checkpoint>, out: &mut Vec<Checkpoint>) {
    let mut free = place.files().clone();
    for framework in FRAMEWORKS {
        for claim in framework.find(place, &free) {
            let mut found = Checkpoint {
                path: claim.path,
                framework: framework.name(),
                faults: claim.faults,
                step: claim.step,
                metrics: claim.metrics,
                mtime: i64::MIN,
                elsewhere: Vec::new(),
            };
            let whole = claim.files.is_none();
            for seen in claim.files.unwrap_or_else(|| free.values().copied().collect()) {
                free.remove(names::last(&seen.path));
                note(place, seen, &mut found);
            }
            match &mut owner {
                Some(owner) => {
                    let told = |fault: &String| told_below(&owner.path, &found.path, fault);
                    let faults: Vec<String> = found.faults.iter().map(told).collect();
                    owner.faults.extend(faults);
                    owner.mtime = owner.mtime.max(found.mtime);
                    owner.elsewhere.extend(found.elsewhere);
                }
                None if whole => {
                    place.dirs().for_each(|dir| visit(dir, Some(&mut found), out));
                    out.push(dated(found));
                    return;
                }
                None => out.push(dated(found)),
            }
        }
    }
    if let Some(owner) = &mut owner {
        free.values().for_each(|seen| note(place, seen, owner));
    }
    place.dirs().for_each(|dir| visit(dir, owner.as_deref_mut(), out));
}

/// A fault of a part of a checkpoint, with the place of the part.
fn told_below(owner: &[u8], part: &[u8], fault: &str) -> String {
    if part == owner { fault.to_owned() } else { format!("{}: {fault}", names::below(owner, part)) }
}

fn dated(mut found: Checkpoint) -> Checkpoint {
    found.mtime = if found.mtime == i64::MIN { 0 } else { found.mtime };
    found
}

/// What a file of a checkpoint says of it, whatever the framework.
fn note(place: Place<'_>, seen: &Seen, found: &mut Checkpoint) {
    found.mtime = found.mtime.max(seen.mtime);
    let name = names::last(&seen.path);
    let real = place.tree.real(seen);
    found.elsewhere.extend(real.ok().filter(|real| real.path != seen.path).map(|real| real.path.clone()));
    let fault = match real {
        _ if names::unfinished(name).is_some() => "is an unfinished temporary file".to_owned(),
        Err(why) => why.to_owned(),
        Ok(real) => match &real.broken {
            Some(why) => format!("is broken: {why}"),
            None if real.size == 0 && real.link.is_none() && names::is_weights(name) => "is empty".to_owned(),
            None => return,
        },
    };
    found.faults.push(format!("{} {fault}", names::below(&found.path, &seen.path)));
}

/// Whether a framework writes this file last, so that its presence says that all others are there: a restore writes it last.
pub fn is_marker(path: &[u8]) -> bool {
    FRAMEWORKS.iter().any(|framework| framework.is_marker(names::last(path)))
}

/// Whether the name says that a file is one of several that belong together: on its own it is not judged.
pub fn is_part(name: &[u8]) -> bool {
    names::Shard::parse(name).is_some()
}

/// The path of a checkpoint with every run of digits replaced by `#`: equal for the checkpoints of one run.
pub fn family(path: &[u8]) -> Vec<u8> {
    names::family(path)
}

/// The newest checkpoint of every family, as indexes: that of the highest step, or of the newest change without steps.
pub fn newest_of_families(checkpoints: &[Checkpoint]) -> Vec<usize> {
    let mut newest: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let age = |index: usize| checkpoints.get(index).map(|checkpoint| (checkpoint.step, checkpoint.mtime));
    for (index, checkpoint) in checkpoints.iter().enumerate() {
        let best = newest.entry(family(&checkpoint.path)).or_insert(index);
        if age(index) > age(*best) {
            *best = index;
        }
    }
    let mut newest: Vec<usize> = newest.into_values().collect();
    newest.sort_unstable();
    newest
}
