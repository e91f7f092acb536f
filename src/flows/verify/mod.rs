//! Verify: what is there, what refers to what, and whether every byte still opens.

mod affected;
mod data;
mod structure;

use crate::codec::envelope::Realm;
use crate::error::{Error, Kind, Problem, Result, Trouble};
use crate::id::{ChunkId, ObjectId};
use crate::progress::{Phase, Progress};
use crate::records::verdict::{DamagedSnapshot, Verdict};
use crate::repo::Repository;
use crate::repo::index::Index;
use crate::spec::VERDICTS;
use chrono::Local;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of the data is read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// None of it.
    #[default]
    None,
    /// All of it.
    All,
    /// The n-th of t parts, by the names of the packs: t runs read everything.
    Part {
        /// From 1 to `of`.
        part: u64,
        /// How many parts there are.
        of: u64,
    },
    /// A random share of the packs, in percent.
    Percent(f64),
    /// Random packs of about so many bytes.
    Size(u64),
}

/// How deep to look.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Hash every object and compare with its name.
    pub scrub: bool,
    /// Open, decode and hash chunks.
    pub read_data: ReadData,
    /// Keep what was found in the repository, so that `last-good` knows of it: the name of this host.
    pub record: Option<String>,
}

/// A file that needs something damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// Its snapshot.
    pub snapshot: ObjectId,
    /// Its path, escaped for a terminal.
    pub path: String,
}

/// One damaged or missing object.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    /// Its name in the repository.
    pub object: String,
    /// What is wrong with it.
    pub message: String,
    /// How many chunks are lost with it.
    pub chunks: u64,
    /// The first files that need them.
    pub files: Vec<Affected>,
    /// How many such files there are, over all snapshots.
    pub file_count: u64,
    /// The snapshots that they are in, and how many in each.
    pub snapshots: BTreeMap<ObjectId, u64>,
    /// What can be done.
    pub advice: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Snapshots checked.
    pub snapshots: u64,
    /// Packs in the repository.
    pub packs: u64,
    /// Chunks in the index.
    pub chunks: u64,
    /// Objects hashed by `scrub`.
    pub objects_hashed: u64,
    /// Packs whose chunks were opened.
    pub packs_read: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Damage; not empty means exit 20.
    pub damage: Vec<Damage>,
    /// What could not be looked at; not empty (and no damage) means exit 21.
    pub unknown: Vec<Problem>,
    /// Harmless finds, such as packs of an interrupted run.
    pub notes: Vec<Problem>,
}

/// A damaged object and the chunks that are lost with it, before it is known which files need them.
struct Found {
    object: String,
    message: String,
    advice: &'static str,
    lost: Vec<(Realm, ChunkId)>,
}

const REPLACE: &str = "put back a good copy of this object from a replica of the repository";
const REWRITE: &str = "put back a good copy of this object from a replica; or move it out of the repository and back up the \
    files again: what is still the same on disk is stored anew, and old snapshots heal with it";
const REBACKUP: &str = "put back a good copy of this object from a replica; or back up the files again: what is still the \
    same on disk is stored anew, and old snapshots heal with it";
const REINDEX: &str = "nothing is lost: the next backup reads the packs themselves and writes a new index page; then this \
    object can be moved out of the repository";

/// What the steps of one verification share.
struct Session {
    repo: Arc<Repository>,
    index: Arc<Index>,
    progress: Arc<dyn Progress>,
    found: Mutex<Vec<Found>>,
    lost: Mutex<HashSet<(Realm, ChunkId)>>,
    report: Mutex<VerifyReport>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the repository as deep as `options` says. Damage is in the report; an error means that nothing could be said.
pub async fn verify(
    repo: &Arc<Repository>,
    options: &VerifyOptions,
    progress: Arc<dyn Progress>,
) -> Result<VerifyReport> {
    progress.phase(Phase::Structure);
    // Those that are known now: what another verification finds meanwhile is not for this one to make up for.
    let known = if options.record.is_some() { repo.verdicts().await?.0 } else { Vec::new() };
    let mut loaded = repo.load_index(false).await?;
    let adopted = repo.adopt(&loaded.unindexed).await?;
    adopted.iter().for_each(|table| loaded.index.insert(table));
    let session = Session {
        repo: repo.clone(),
        index: Arc::new(std::mem::take(&mut loaded.index)),
        progress,
        found: Mutex::default(),
        lost: Mutex::default(),
        report: Mutex::default(),
    };
    let snapshots = session.structure(&loaded, &adopted).await?;
    let mut chosen = session.choose(options.read_data).await?;
    if options.scrub {
        session.progress.phase(Phase::Scrubbing);
        // Of a pack whose hash is wrong, every chunk is tried, to know which files it takes with it.
        chosen.extend(session.scrub().await?);
    }
    if !chosen.is_empty() {
        session.progress.phase(Phase::Reading);
        let unindexed = loaded.unindexed.iter().map(|&(pack, _)| pack);
        let told = loaded.absent.iter().map(|&(pack, _)| pack).chain(unindexed).collect();
        session.read_data(chosen, &adopted, &told).await?;
    }
    let damage = session.affected(&snapshots).await?;
    let mut report = std::mem::take(&mut *lock(&session.report));
    report.damage = damage;
    if let Some(hostname) = &options.record {
        record(repo, hostname, options.read_data == ReadData::All, known, &mut report).await?;
    }
    Ok(report)
}

/// Keeps the verdict, if it says anything that is not known yet. A repository that cannot be written to is no reason to fail.
async fn record(
    repo: &Arc<Repository>,
    hostname: &str,
    read_data: bool,
    known: Vec<Verdict>,
    report: &mut VerifyReport,
) -> Result<()> {
    let mut damaged: BTreeMap<ObjectId, DamagedSnapshot> = BTreeMap::new();
    for damage in &report.damage {
        for (&snapshot, files) in &damage.snapshots {
            let object = damage.object.clone();
            damaged.entry(snapshot).or_insert(DamagedSnapshot { snapshot, files: 0, object }).files += files;
        }
    }
    let damaged: Vec<DamagedSnapshot> = damaged.into_values().collect();
    // Without damage, a verdict is worth keeping when it makes up for one that told of some.
    let read_data = read_data && report.unknown.is_empty();
    let replaced: HashSet<ObjectId> = known.iter().flat_map(|verdict| verdict.replaces.iter().copied()).collect();
    let open = |verdict: &&Verdict| verdict.id.is_some_and(|id| !replaced.contains(&id));
    let mut open = known.iter().filter(open).filter(|verdict| !verdict.damaged.is_empty()).peekable();
    let healed = read_data && open.peek().is_some();
    let same = open.any(|old| (old.read_data, &old.damaged) == (read_data, &damaged));
    if (damaged.is_empty() && !healed) || same {
        return Ok(());
    }
    let program_version = concat!("lastgood ", env!("CARGO_PKG_VERSION")).to_owned();
    let time = Local::now().fixed_offset();
    let replaces = known.iter().filter(|_| read_data).filter_map(|verdict| verdict.id).collect();
    let verdict =
        Verdict { time, hostname: hostname.to_owned(), read_data, replaces, damaged, program_version, id: None };
    if let Err(e) = repo.put_verdict(&verdict).await {
        let message = format!("this result could not be kept in the repository: {}", reason(&e));
        report.notes.push(Problem::new(Trouble::Unknown, VERDICTS, message));
    }
    Ok(())
}

impl Session {
    fn damage(
        &self,
        object: impl Into<String>,
        message: impl Into<String>,
        advice: &'static str,
        lost: Vec<(Realm, ChunkId)>,
    ) {
        let (object, message) = (object.into(), message.into());
        lock(&self.lost).extend(lost.iter().copied());
        let mut found = lock(&self.found);
        match found.iter_mut().find(|found| found.object == object) {
            Some(known) => known.lost.extend(lost),
            None => found.push(Found { object, message, advice, lost }),
        }
    }

    fn note(&self, object: impl Into<String>, message: impl Into<String>) {
        lock(&self.report).notes.push(Problem::new(Trouble::Stray, object, message));
    }

    /// An error while looking at an object: damage, or that it could not be looked at.
    fn judge(&self, object: &str, e: Error, advice: &'static str, lost: Vec<(Realm, ChunkId)>) -> Result<()> {
        match e.kind {
            Kind::Damaged | Kind::Missing => self.damage(object, reason(&e), advice, lost),
            Kind::Store | Kind::Unsupported => {
                let problem = Problem::new(Trouble::Unknown, object, reason(&e));
                self.progress.problem(&problem);
                lock(&self.report).unknown.push(problem);
            }
            _ => return Err(e),
        }
        Ok(())
    }
}

/// What went wrong, with its cause, on one line.
fn reason(e: &Error) -> String {
    let mut text = e.what.clone();
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
