//! Last good: the newest snapshot that somebody could go on from, and why newer ones are not it.
//!
//! Good is a snapshot whose newest checkpoints are complete and have finite numbers, whose sources could be read, that no
//! verification found damaged, and of which every chunk is there.

use crate::codec::envelope::Realm;
use crate::error::{Error, Kind, Problem, Result, printable};
use crate::id::{ChunkId, ObjectId};
use crate::records::manifest::Entry;
use crate::records::snapshot::{Checkpoint, Snapshot};
use crate::records::verdict::{Verdict, damage};
use crate::repo::Repository;
use crate::repo::index::Index;
use crate::repo::manifest::Manifest;
use futures::StreamExt;
use serde::Serialize;
use std::sync::Arc;

/// What else is wanted of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Its newest checkpoint is of a step before this one.
    pub before_step: Option<u64>,
    /// Not the newest, but the one with the best value of a metric.
    pub best: Option<Best>,
    /// Only what is at or below this path, as a manifest writes it, has to be good; empty: everything.
    pub path: Vec<u8>,
}

/// A metric, and which of its values is best.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    /// The metric.
    pub metric: String,
    /// The greatest is best, otherwise the least.
    pub greatest: bool,
}

/// A snapshot that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PassedOver {
    /// The snapshot.
    pub snapshot: ObjectId,
    /// When it was made, RFC 3339.
    pub time: String,
    /// Why it is not good.
    pub reasons: Vec<String>,
}

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Newer ones that are not good, newest first.
    pub passed: Vec<PassedOver>,
    /// Verdicts of verifications that cannot be read: they may have told of damage.
    pub unread: Vec<String>,
}

/// Why a snapshot is not good, as far as its own record and the verdicts tell; nothing if it is.
///
/// What counts are the newest checkpoints below `path`, and one that `path` names itself or is in, be it the newest or not.
pub fn faults(snapshot: &Snapshot, verdicts: &[Verdict], path: &[u8]) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(found) = snapshot.id.and_then(|id| damage(verdicts, &id)) {
        faults.push(format!("a verification found {} of its files damaged ({})", found.files, found.object));
    }
    let concerned = concerned(snapshot, path);
    for checkpoint in &concerned {
        if !checkpoint.complete {
            let first = checkpoint.faults.first().map_or("not complete", String::as_str);
            let more = checkpoint.faults.len().saturating_sub(1);
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            faults.push(format!("{} is not complete: {first}{more}", checkpoint.path));
        }
        if checkpoint.not_finite > 0 {
            faults.push(format!("{} has {} numbers that are NaN or infinite", checkpoint.path, checkpoint.not_finite));
        }
    }
    let top = printable(&[b"/", path].concat());
    let matters = |problem: &&Problem| match concerned.is_empty() {
        true => path.is_empty() || is_below(&problem.item, &top),
        false => concerned.iter().any(|checkpoint| is_below(&problem.item, &checkpoint.path)),
    };
    let problems = snapshot.problems.iter().filter(matters);
    faults.extend(problems.take(3).map(|problem| format!("{}: {}", problem.item, problem.message)));
    if snapshot.problem_count > snapshot.problems.len() as u64 {
        faults.push(format!("it had {} problems, more than are recorded", snapshot.problem_count));
    }
    faults
}

/// The checkpoints that count for what is at or below `path`.
pub fn concerned<'a>(snapshot: &'a Snapshot, path: &[u8]) -> Vec<&'a Checkpoint> {
    let top = printable(&[b"/", path].concat());
    let counts = |checkpoint: &&Checkpoint| match path.is_empty() {
        true => checkpoint.newest,
        false => checkpoint.newest && is_below(&checkpoint.path, &top) || is_below(&top, &checkpoint.path),
    };
    snapshot.checkpoints.iter().filter(counts).collect()
}

fn is_below(item: &str, path: &str) -> bool {
    item.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Finds the last good one among `snapshots`, oldest first.
pub async fn last_good(repo: &Arc<Repository>, snapshots: &[&Snapshot], wish: &Wish) -> Result<Choice> {
    let (verdicts, unread) = repo.verdicts().await?;
    let index = Arc::new(repo.load_index(false).await?.index);
    let mut passed = Vec::new();
    for snapshot in in_order(snapshots, wish) {
        let mut reasons = faults(snapshot, &verdicts, &wish.path);
        if let Some(limit) = wish.before_step {
            match snapshot.step() {
                Some(step) if step < limit => {}
                Some(step) => reasons.push(format!("its newest step is {step}")),
                None => reasons.push("it has no step".into()),
            }
        }
        // A source that was not mounted, or is empty by now.
        let same = |other: &&&Snapshot| other.same_series(&snapshot.hostname, &snapshot.label);
        if concerned(snapshot, &wish.path).is_empty()
            && snapshots.iter().filter(same).any(|other| !concerned(other, &wish.path).is_empty())
        {
            reasons.push("it has no checkpoint, and others of its host and label have".into());
        }
        if reasons.is_empty() {
            reasons.extend(missing(repo, &index, snapshot, &wish.path).await?);
        }
        match reasons.is_empty() {
            true => return Ok(Choice { snapshot: snapshot.clone(), passed, unread }),
            false => passed.extend(snapshot.id.map(|id| {
                let time = snapshot.time.to_rfc3339();
                PassedOver { snapshot: id, time, reasons }
            })),
        }
    }
    Err(nothing(snapshots, wish, &passed))
}

/// The order in which they are tried.
fn in_order<'a>(snapshots: &[&'a Snapshot], wish: &Wish) -> Vec<&'a Snapshot> {
    let mut order: Vec<&Snapshot> = snapshots.iter().rev().copied().collect();
    if let Some(Best { metric, greatest }) = &wish.best {
        order.retain(|snapshot| snapshot.metric(metric).is_some());
        let value = |snapshot: &&Snapshot| {
            let value = snapshot.metric(metric).unwrap_or(f64::NAN);
            if *greatest { -value } else { value }
        };
        // Stable: of equal values the newest is tried first.
        order.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
    order
}

/// What of a snapshot the repository does not have any more.
async fn missing(
    repo: &Arc<Repository>,
    index: &Arc<Index>,
    snapshot: &Snapshot,
    path: &[u8],
) -> Result<Option<String>> {
    let judged = |e: Error| match e.kind {
        Kind::Damaged | Kind::Missing => Ok(Some(e.what)),
        _ => Err(e),
    };
    let manifest = match Manifest::open(repo, index, &snapshot.tree).await {
        Ok(manifest) => manifest,
        Err(e) => return judged(e),
    };
    if !path.is_empty() {
        match manifest.entry(path).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Some(format!("it has no {}", printable(&[b"/", path].concat())))),
            Err(e) => return judged(e),
        }
    }
    let mut pages = Box::pin(manifest.stream(b""));
    while let Some(page) = pages.next().await {
        let entries: Vec<Entry> = match page {
            Ok(entries) => entries,
            Err(e) => return judged(e),
        };
        for entry in entries {
            let chunks: Vec<ChunkId> = match manifest.chunks(&entry).await {
                Ok(chunks) => chunks,
                Err(e) => return judged(e),
            };
            if chunks.iter().any(|id| index.find(Realm::Data, id).is_none()) {
                let path = printable(&[b"/", &entry.path[..]].concat());
                return Ok(Some(format!("{path} has lost a part in the repository")));
            }
        }
    }
    Ok(None)
}

fn nothing(snapshots: &[&Snapshot], wish: &Wish, passed: &[PassedOver]) -> Error {
    let what = match (&wish.best, wish.before_step) {
        _ if snapshots.is_empty() => "There is no snapshot that matches".to_owned(),
        (Some(Best { metric, .. }), _) if passed.is_empty() => format!("No snapshot has a metric {metric:?}"),
        (_, Some(step)) => format!("None of {} snapshots is good and of a step before {step}", snapshots.len()),
        _ => format!("None of {} snapshots is good", snapshots.len()),
    };
    let why = passed.first().map(|first| format!("; the newest: {}", first.reasons.join("; "))).unwrap_or_default();
    // A checkpoint inside of a snapshot may do.
    let inside = |limit: u64| {
        let good = |checkpoint: &&Checkpoint| checkpoint.good() && checkpoint.step.is_some_and(|step| step < limit);
        let of = |snapshot: &&Snapshot| {
            let best = snapshot.checkpoints.iter().filter(good).max_by_key(|checkpoint| checkpoint.step)?;
            Some(format!("{}:{}", snapshot.brief(), best.path.trim_start_matches('/')))
        };
        snapshots.iter().rev().find_map(of)
    };
    let hint = match wish.before_step.and_then(inside) {
        Some(inside) => format!("one snapshot holds such a checkpoint beside newer ones: restore {inside}"),
        None => "`lastgood snapshots` lists all of them; any can be restored by its id".into(),
    };
    Error::new(Kind::NoMatch, format!("{what}{why}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Trouble;
    use crate::id::Id;

    fn snapshot(hour: u8, checkpoints: Vec<Checkpoint>) -> Snapshot {
        let json = format!(
            r#"{{"time":"2026-01-01T{hour:02}:00:00+00:00","hostname":"h","username":"u","uid":0,"gid":0,"paths":["/a"],
            "parent":null,"sequence":1,"tree":"{0}","complete":true,"program_version":"","summary":{{}}}}"#,
            Id([0; 32])
        );
        Snapshot { checkpoints, ..Snapshot::from_bytes(json.as_bytes(), Id([hour; 32])).unwrap() }
    }

    fn checkpoint(step: u64, newest: bool) -> Checkpoint {
        let metrics = [("eval_loss".to_owned(), 10.0 - step as f64)].into();
        let path = format!("/a/checkpoint-{step}");
        Checkpoint { path, complete: true, newest, step: Some(step), metrics, ..Checkpoint::default() }
    }

    #[test]
    fn only_what_concerns_the_newest_checkpoints_counts() {
        let open =
            Checkpoint { complete: false, faults: vec!["x is missing".into(), "y".into()], ..checkpoint(5, true) };
        assert!(faults(&snapshot(1, vec![checkpoint(5, true)]), &[], b"").is_empty());
        assert_eq!(
            faults(&snapshot(1, vec![open.clone()]), &[], b""),
            ["/a/checkpoint-5 is not complete: x is missing (and 1 more)"]
        );
        let old = Checkpoint { newest: false, ..open };
        assert!(faults(&snapshot(1, vec![old, checkpoint(6, true)]), &[], b"").is_empty());
        // Who names an older one wants that one to be good.
        let older = Checkpoint { not_finite: 1, ..checkpoint(5, false) };
        let both = snapshot(1, vec![older, checkpoint(6, true)]);
        let of = |path: &str| faults(&both, &[], path.as_bytes()).len();
        assert_eq!(
            (of(""), of("a"), of("a/checkpoint-5"), of("a/checkpoint-5/x"), of("a/checkpoint-6")),
            (0, 0, 1, 1, 0)
        );
        let nan = Checkpoint { not_finite: 3, ..checkpoint(5, true) };
        assert_eq!(faults(&snapshot(1, vec![nan]), &[], b"").len(), 1);
        let problem = |item: &str| Problem::new(Trouble::Unreadable, item, "denied");
        let with = |checkpoints, item| Snapshot {
            problems: vec![problem(item)],
            problem_count: 1,
            ..snapshot(1, checkpoints)
        };
        assert!(faults(&with(vec![checkpoint(5, true)], "/a/log"), &[], b"").is_empty());
        assert_eq!(faults(&with(vec![checkpoint(5, true)], "/a/checkpoint-5/x"), &[], b"").len(), 1);
        assert_eq!(faults(&with(vec![], "/a/log"), &[], b"").len(), 1);
    }

    #[test]
    fn the_best_is_tried_first() {
        let all = [snapshot(1, vec![checkpoint(7, true)]), snapshot(2, vec![checkpoint(9, true)]), snapshot(3, vec![])];
        let all: Vec<&Snapshot> = all.iter().collect();
        let order = |greatest| {
            let wish = Wish { best: Some(Best { metric: "eval_loss".into(), greatest }), ..Wish::default() };
            in_order(&all, &wish).iter().map(|s| s.step().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((order(false), order(true)), (vec![9, 7], vec![7, 9]));
        let newest = in_order(&all, &Wish::default());
        assert_eq!(newest[0].time, all[2].time);
    }

    #[test]
    fn an_error_says_what_could_be_done() {
        let one = snapshot(1, vec![checkpoint(500, false), checkpoint(1000, false), checkpoint(1500, true)]);
        let e = nothing(&[&one], &Wish { before_step: Some(1200), ..Wish::default() }, &[]);
        assert!(e.hint.unwrap().ends_with("restore 01010101:a/checkpoint-1000"));
        assert_eq!(e.what, "None of 1 snapshots is good and of a step before 1200");
    }
}
