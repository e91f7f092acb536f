//! Backup: walk, read, cut, store what is new, and commit a snapshot last.

mod bases;
mod collect;
mod content;
mod read;
mod record;
mod run;
mod scan;
mod wait;

use super::{gate, lock, look};
use crate::codec::coding::Level;
use crate::error::{Error, Kind, Problem, Result, Trouble, printable};
use crate::id::ObjectId;
use crate::progress::{Phase, Progress};
use crate::records::snapshot::{Checkpoint, PROBLEMS_KEPT, Snapshot, Summary};
use crate::repo::index::Index;
use crate::repo::manifest::Manifest;
use crate::repo::writer::{Writer, upload};
use crate::repo::{Repository, on_cpu};
use crate::sources::{Selection, SelectionOptions, Walk};
use bases::Bases;
use chrono::{DateTime, FixedOffset, Local};
use collect::Collected;
use futures::StreamExt;
use run::Run;
use scan::Base;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// What to back up, and how.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// Host to record.
    pub hostname: String,
    /// User to record.
    pub username: String,
    /// Label: names the series together with the host.
    pub label: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Free pairs.
    pub meta: BTreeMap<String, String>,
    /// Time to record instead of now.
    pub time: Option<DateTime<FixedOffset>>,
    /// What to leave out.
    pub selection: SelectionOptions,
    /// Store nothing, only count.
    pub dry_run: bool,
    /// Make no snapshot if nothing changed since the last of the series.
    pub skip_if_unchanged: bool,
    /// How hard to compress.
    pub level: Level,
    /// Store tensors as differences to those of earlier checkpoints where that wins.
    pub delta: bool,
    /// Wait so long for checkpoints that are still being written.
    pub wait_complete: Option<Duration>,
    /// Make no snapshot of a newest checkpoint that is not complete.
    pub require_complete: bool,
}

/// What a backup did.
#[derive(Clone, Debug, Default)]
pub struct BackupReport {
    /// The snapshot; `None` in a dry run, or if nothing had changed and that was to be skipped.
    pub snapshot: Option<ObjectId>,
    /// The snapshot it was compared with.
    pub parent: Option<ObjectId>,
    /// Counts.
    pub summary: Summary,
    /// The first problems, at most as many as a snapshot keeps.
    pub problems: Vec<Problem>,
    /// How many there were.
    pub problem_count: u64,
    /// Whether nothing had changed and no snapshot was made.
    pub skipped: bool,
    /// Bytes of all packs that were written.
    pub pack_bytes: u64,
    /// The checkpoints that were recognised.
    pub checkpoints: Vec<Checkpoint>,
}

/// How long an interrupted run may take to store what it has read already.
const LAST_WORDS: Duration = Duration::from_millis(700);
/// Pages of the parent's manifest that are read ahead.
const PAGES_AHEAD: usize = 2;

/// Backs up `options.paths` and commits a snapshot. Nothing but complete packs is left behind by a run that fails.
pub async fn backup(
    repo: &Arc<Repository>,
    options: &BackupOptions,
    progress: Arc<dyn Progress>,
) -> Result<BackupReport> {
    progress.phase(Phase::Opening);
    let selection = Selection::new(&options.selection)?;
    let skip: Vec<PathBuf> = repo.store().folder().map(PathBuf::from).into_iter().collect();
    wait::wait(options, &skip, &progress).await?;
    let started = Local::now().fixed_offset();
    let (walk, missing) = Walk::new(&options.paths, selection, &skip);
    if walk.roots().is_empty() {
        return Err(nothing_to_back_up(&missing));
    }
    let problems: Vec<Problem> = missing.iter().map(scan::problem).collect();
    repo.check_writable().await?;
    let (snapshots, damaged) = repo.snapshots_and_damage().await?;
    // What is wrong with the repository does not make this snapshot incomplete: it is said, and is for `verify` to judge.
    let mut faults: Vec<Problem> =
        damaged.into_iter().map(|(name, e)| Problem::new(Trouble::Damaged, name, e.what)).collect();
    let index = open_index(repo, options.dry_run, &mut faults).await?;
    problems.iter().chain(&faults).for_each(|problem| progress.problem(problem));

    let paths: Vec<String> = walk.roots().iter().map(|root| printable(&scan::absolute(root))).collect();
    let series: Vec<&Snapshot> =
        snapshots.iter().filter(|s| s.same_series(&options.hostname, &options.label)).collect();
    let base = series.iter().rev().find(|s| s.paths == paths).or(series.last()).copied().cloned();
    progress.phase(Phase::Saving);
    let (collected, pack_bytes) = save(repo, options, index, walk, base.clone(), problems, &progress).await?;

    progress.phase(Phase::Committing);
    if let Some(e) = wait::incomplete(&collected.checkpoints).filter(|_| options.require_complete) {
        return Err(e);
    }
    let mut report = BackupReport { parent: base.as_ref().and_then(|base| base.id), pack_bytes, ..Default::default() };
    let unchanged = base.as_ref().is_some_and(|base| base.tree == collected.tree && base.paths == paths);
    let snapshot = record::snapshot(options, &snapshots, paths, started, &collected);
    let summary = snapshot.summary.clone();
    report.skipped = options.skip_if_unchanged && unchanged && collected.problem_count == 0;
    if !options.dry_run && !report.skipped {
        progress.check()?;
        // A last look: from here on a newer program that removes data sees this snapshot.
        repo.check_writable().await?;
        report.snapshot = Some(repo.commit(&snapshot).await?);
    }
    let Collected { problems, problem_count, checkpoints, .. } = collected;
    Ok(BackupReport { summary, problems, problem_count, checkpoints, ..report })
}

/// Runs the threads that walk, read and pack, beside the task that uploads.
async fn save(
    repo: &Arc<Repository>,
    options: &BackupOptions,
    index: Arc<Index>,
    walk: Walk,
    base: Option<Snapshot>,
    problems: Vec<Problem>,
    progress: &Arc<dyn Progress>,
) -> Result<(Collected, u64)> {
    let (writer, queue) = Writer::new(repo, index.clone(), options.level);
    let upload = tokio::spawn(upload(repo.clone(), queue, options.dry_run));
    let bases = match options.delta && options.level != Level::Off {
        true => Some(Bases::new(repo, &index, base.as_ref()).await),
        false => None,
    };
    let base = base.map(|base| follow(repo, &index, base));
    let run = Run::new(repo.config(), repo.keys().cutter(), bases, progress.clone());
    let work = on_cpu(move || run::run(run, writer, walk, base, problems)).await?;
    let lost = |e| Error::new(Kind::Internal, "The uploading task stopped unexpectedly").because(e);
    match work {
        // The threads have let go of the queue, so the upload ends when the last pack is stored.
        Ok(collected) => Ok((collected, upload.await.map_err(lost)??)),
        Err(e) if e.kind == Kind::Interrupted => {
            tokio::time::timeout(LAST_WORDS, upload).await.ok();
            Err(e)
        }
        // If the store failed, the threads only saw that nobody took their packs.
        Err(e) => Err(upload.await.map_err(lost)?.err().unwrap_or(e)),
    }
}

/// Reads the parent's manifest page by page, in the order in which the walk will meet its entries.
fn follow(repo: &Arc<Repository>, index: &Arc<Index>, snapshot: Snapshot) -> Base {
    let (pages, entries) = mpsc::channel(PAGES_AHEAD);
    let (repo, index, tree) = (repo.clone(), index.clone(), snapshot.tree);
    let (reading, known) = (repo.clone(), index.clone());
    tokio::spawn(async move {
        let Ok(manifest) = Manifest::open(&repo, &index, &tree).await else { return };
        let mut stream = Box::pin(manifest.stream(b""));
        // A page that cannot be read only means that its files are read again.
        while let Some(Ok(page)) = stream.next().await {
            if pages.send(page).await.is_err() {
                return;
            }
        }
    });
    Base::new(entries, reading, known, &snapshot)
}

/// The index of what can be reused, with the packs that an interrupted run left.
async fn open_index(repo: &Arc<Repository>, dry_run: bool, problems: &mut Vec<Problem>) -> Result<Arc<Index>> {
    let mut loaded = repo.load_index(false).await?;
    for (id, e) in &loaded.damaged {
        problems.push(Problem::new(Trouble::Damaged, format!("index/{id}"), e.what.clone()));
    }
    for (pack, _) in &loaded.absent {
        let lost = "it is missing or of another size; what this backup reads again is stored again";
        problems.push(Problem::new(Trouble::Missing, crate::repo::index::pack_name(pack), lost));
    }
    let adopted = repo.adopt(&loaded.unindexed).await?;
    adopted.iter().for_each(|table| loaded.index.insert(table));
    if !adopted.is_empty() && !dry_run {
        repo.put_tables(adopted).await?;
    }
    Ok(Arc::new(loaded.index))
}

fn nothing_to_back_up(missing: &[crate::sources::SourceError]) -> Error {
    match missing.first() {
        Some(first) => Error::new(Kind::Source, format!("Cannot back up {}", printable(&scan::absolute(&first.path))))
            .because(first.cause.to_string())
            .hint("nothing was stored; check the path"),
        None => Error::new(Kind::Usage, "No path to back up").hint("name at least one file or directory"),
    }
}

/// Keeps the first problems and counts all.
fn note(problems: &mut Vec<Problem>, count: &mut u64, problem: Problem) {
    *count += 1;
    if problems.len() < PROBLEMS_KEPT {
        problems.push(problem);
    }
}
