//! What a backup says at its end, to people and to machines.

use super::checkpoints::checkpoints;
use super::exit::Exit;
use super::size::{count, grouped, show};
use super::time::{self, Moment, show_span};
use super::ui::first_problems;
use super::view::split;
use crate::error::Problem;
use crate::flows::backup::BackupReport;
use crate::id::ObjectId;
use crate::records::snapshot::{Checkpoint, Summary};
use serde::Serialize;
use std::time::Duration;

/// The end of a backup, for machines.
#[derive(Serialize)]
pub struct Done<'a> {
    message_type: &'static str,
    dry_run: bool,
    #[serde(flatten)]
    summary: &'a Summary,
    total_duration: f64,
    snapshot_id: Option<ObjectId>,
    parent: Option<ObjectId>,
    skipped: bool,
    complete: bool,
    pack_bytes: u64,
    checkpoints: &'a [Checkpoint],
    problem_count: u64,
    problems: &'a [Problem],
}

/// The end of a backup, for machines.
pub fn machine(report: &BackupReport, dry_run: bool, took: Duration) -> Done<'_> {
    Done {
        message_type: "summary",
        dry_run,
        summary: &report.summary,
        total_duration: took.as_secs_f64(),
        snapshot_id: report.snapshot,
        parent: report.parent,
        skipped: report.skipped,
        complete: report.problem_count == 0,
        pack_bytes: report.pack_bytes,
        checkpoints: &report.checkpoints,
        problem_count: report.problem_count,
        problems: &report.problems,
    }
}

/// The end of a backup, for people; `begin` is the time of the snapshot if it is not that of the backup.
pub fn words(report: &BackupReport, begin: Option<Moment>, dry_run: bool, took: Duration) -> String {
    let sum = &report.summary;
    let mut text = format!(
        "Files: {} new, {} changed, {} unchanged\n{} {}: {}\n",
        grouped(sum.files_new),
        grouped(sum.files_changed),
        grouped(sum.files_unmodified),
        if dry_run { "Would save" } else { "Saved" },
        show(sum.total_bytes_processed),
        split(sum.data_unmodified, sum.data_duplicate, sum.data_added, sum.data_added_packed),
    );
    text.extend(coded(sum));
    text.push_str(&checkpoints(&report.checkpoints));
    let begin = begin.or_else(|| Moment::parse_from_rfc3339(&sum.backup_start).ok());
    let of = begin.map(|time| format!(" of {}", time::show(&time))).unwrap_or_default();
    let took = show_span(took);
    text.push_str(&match (report.snapshot, report.skipped) {
        (Some(id), _) => format!("Snapshot {}{of}, took {took}\n", id.brief()),
        (None, true) => {
            let parent = report.parent.map(|id| format!(" since snapshot {}", id.brief())).unwrap_or_default();
            format!("Nothing changed{parent}: no snapshot made, took {took}\n")
        }
        (None, false) => format!("Dry run: no snapshot made, took {took}\n"),
    });
    if report.problem_count > 0 {
        text.push_str(&format!(
            "{}: the snapshot is NOT COMPLETE (exit code {})\n{}",
            count(report.problem_count, "problem"),
            Exit::Problems.code(),
            first_problems(&report.problems, report.problem_count)
        ));
    }
    text
}

/// What coding by tensors saved, if anything was coded so.
pub fn coded(sum: &Summary) -> Option<String> {
    let part = |what: &str, raw: u64, stored: u64| match raw {
        0 => None,
        _ => Some(format!("{} as {what} -> {} ({:.2}x)", show(raw), show(stored), raw as f64 / stored.max(1) as f64)),
    };
    let parts = [
        part("byte planes", sum.data_planes, sum.data_planes_packed),
        part("differences to earlier tensors", sum.data_delta, sum.data_delta_packed),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("Of the new: {}\n", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Trouble;
    use crate::id::Id;

    fn report() -> BackupReport {
        let summary = Summary {
            backup_start: "2026-08-20T14:00:00+00:00".into(),
            backup_end: "2026-08-20T14:00:02+00:00".into(),
            files_new: 3,
            files_unmodified: 1200,
            total_files_processed: 1203,
            total_bytes_processed: 272_400_000,
            data_unmodified: 12_000_000,
            data_added: 260_400_000,
            data_added_packed: 170_100_000,
            ..Summary::default()
        };
        BackupReport { snapshot: Some(Id([0x3f; 32])), summary, pack_bytes: 170_200_000, ..BackupReport::default() }
    }

    #[test]
    fn json_shape() {
        assert_eq!(
            serde_json::to_string(&machine(&report(), false, Duration::from_millis(1500))).unwrap(),
            format!(
                r#"{{"message_type":"summary","dry_run":false,"backup_start":"2026-08-20T14:00:00+00:00","backup_end":"2026-08-20T14:00:02+00:00","files_new":3,"files_changed":0,"files_unmodified":1200,"dirs_new":0,"dirs_changed":0,"dirs_unmodified":0,"data_blobs":0,"tree_blobs":0,"data_added":260400000,"data_added_packed":170100000,"data_duplicate":0,"data_planes":0,"data_planes_packed":0,"data_delta":0,"data_delta_packed":0,"data_unmodified":12000000,"total_files_processed":1203,"total_bytes_processed":272400000,"total_duration":1.5,"snapshot_id":"{}","parent":null,"skipped":false,"complete":true,"pack_bytes":170200000,"checkpoints":[],"problem_count":0,"problems":[]}}"#,
                "3f".repeat(32)
            )
        );
    }

    #[test]
    fn people_read_what_came_of_it() {
        let text = words(&report(), None, false, Duration::from_millis(1500));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Files: 3 new, 0 changed, 1,200 unchanged");
        assert_eq!(
            lines[1],
            "Saved 272.4 MB: 12.0 MB unchanged, 0 B deduplicated, 260.4 MB new -> 170.1 MB stored (1.53x)"
        );
        assert!(lines[2].starts_with("Snapshot 3f3f3f3f of 2026-08-2") && lines[2].ends_with("took 1.5 s"));
        let mut broken = report();
        broken.problems.push(Problem::of_path(Trouble::Unreadable, b"m/x", "Permission denied"));
        broken.problem_count = 1;
        let text = words(&broken, None, false, Duration::ZERO);
        assert!(text.ends_with("1 problem: the snapshot is NOT COMPLETE (exit code 3)\n  m/x: Permission denied\n"));
        let skipped = BackupReport { snapshot: None, skipped: true, parent: Some(Id([1; 32])), ..report() };
        let text = words(&skipped, None, false, Duration::ZERO);
        assert!(text.ends_with("Nothing changed since snapshot 01010101: no snapshot made, took 0.0 s\n"));
    }
}
