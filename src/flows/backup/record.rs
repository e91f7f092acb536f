//! The commit record of a backup.

use super::BackupOptions;
use super::collect::Collected;
use crate::records::snapshot::{SeenHead, Snapshot, Summary};
use chrono::{DateTime, FixedOffset, Local, SecondsFormat};
use std::collections::BTreeMap;

/// The record of what was collected, ended now; `snapshots` are all that the repository has.
pub(super) fn snapshot(
    options: &BackupOptions,
    snapshots: &[Snapshot],
    paths: Vec<String>,
    started: DateTime<FixedOffset>,
    collected: &Collected,
) -> Snapshot {
    let series = || snapshots.iter().filter(|s| s.same_series(&options.hostname, &options.label));
    let text = |time: &DateTime<FixedOffset>| time.to_rfc3339_opts(SecondsFormat::Micros, false);
    let (backup_start, backup_end) = (text(&started), text(&Local::now().fixed_offset()));
    Snapshot {
        time: options.time.unwrap_or(started),
        hostname: options.hostname.clone(),
        username: options.username.clone(),
        uid: rustix::process::getuid().as_raw(),
        gid: rustix::process::getgid().as_raw(),
        label: options.label.clone(),
        tags: options.tags.clone(),
        meta: options.meta.clone(),
        paths,
        excludes: options.selection.exclude.clone(),
        parent: series().next_back().and_then(|last| last.id),
        sequence: series().map(|s| s.sequence).max().unwrap_or(0) + 1,
        seen_heads: heads(snapshots, &options.hostname, &options.label),
        tree: collected.tree,
        models: collected.models,
        checkpoints: collected.checkpoints.clone(),
        complete: collected.problem_count == 0,
        problems: collected.problems.clone(),
        problem_count: collected.problem_count,
        group: None,
        program_version: concat!("lastgood ", env!("CARGO_PKG_VERSION")).into(),
        summary: Summary { backup_start, backup_end, ..collected.summary.clone() },
        id: None,
    }
}

/// The newest snapshot of every other series.
fn heads(snapshots: &[Snapshot], hostname: &str, label: &str) -> Vec<SeenHead> {
    let mut heads = BTreeMap::new();
    for snapshot in snapshots.iter().filter(|s| !s.same_series(hostname, label)) {
        let Some(id) = snapshot.id else { continue };
        let Snapshot { hostname, label, sequence, .. } = snapshot.clone();
        heads.insert((hostname.clone(), label.clone()), SeenHead { hostname, label, sequence, id });
    }
    heads.into_values().collect()
}
