//! What came of a restore, for machines and for people.

use super::exit::Exit;
use super::size::{count, grouped, show};
use super::time::show_span;
use super::ui::{clean, first_problems};
use crate::error::Problem;
use crate::flows::restore::{RestoreOptions, RestoreReport, TensorFile};
use crate::id::ObjectId;
use crate::records::snapshot::Snapshot;
use serde::Serialize;
use std::time::Duration;

/// The end of a restore, for machines.
#[derive(Serialize)]
pub struct Done<'a> {
    message_type: &'static str,
    dry_run: bool,
    seconds_elapsed: f64,
    total_files: u64,
    files_restored: u64,
    files_skipped: u64,
    files_left_out: u64,
    files_deleted: u64,
    /// The first of them, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletions: Option<&'a [String]>,
    files_verified: u64,
    total_bytes: u64,
    bytes_restored: u64,
    bytes_skipped: u64,
    bytes_left_out: u64,
    bytes_fetched: u64,
    /// If only tensors were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors_restored: Option<u64>,
    /// The first of the files that they are in, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tensor_files: Option<&'a [TensorFile]>,
    snapshot_id: Option<ObjectId>,
    snapshot_time: String,
    snapshot_complete: bool,
    target: String,
    problem_count: usize,
    problems: &'a [Problem],
}

/// The report as a value.
pub fn machine<'a>(report: &'a RestoreReport, options: &RestoreOptions, named: bool, took: Duration) -> Done<'a> {
    let Snapshot { id, time, complete, .. } = &options.snapshot;
    let tensors = !options.tensors.is_empty();
    Done {
        message_type: "summary",
        dry_run: options.dry_run,
        seconds_elapsed: took.as_secs_f64(),
        total_files: report.total_files,
        files_restored: report.files_restored,
        files_skipped: report.files_skipped,
        files_left_out: report.files_left_out,
        files_deleted: report.files_deleted,
        deletions: named.then_some(&report.deletions),
        files_verified: report.files_verified,
        total_bytes: report.total_bytes,
        bytes_restored: report.bytes_restored,
        bytes_skipped: report.bytes_skipped,
        bytes_left_out: report.bytes_left_out,
        bytes_fetched: report.bytes_fetched,
        tensors_restored: tensors.then_some(report.tensors_restored),
        tensor_files: (named && tensors).then_some(&report.tensor_files),
        snapshot_id: *id,
        snapshot_time: time.to_rfc3339(),
        snapshot_complete: *complete,
        target: options.target.to_string_lossy().into_owned(),
        problem_count: report.problems.len(),
        problems: &report.problems,
    }
}

/// What is removed, one a line.
fn deletions(report: &RestoreReport) -> String {
    let mut text = String::from(":\n");
    for path in &report.deletions {
        text.push_str(&format!("  {}\n", clean(path)));
    }
    match report.files_deleted.saturating_sub(report.deletions.len() as u64) {
        0 => {}
        more => text.push_str(&format!("  ... and {} more\n", grouped(more))),
    }
    text
}

/// How many tensors there are, and the files that they are in, one a line.
fn tensors(report: &RestoreReport, named: bool) -> String {
    let mut text = format!("Tensors: {}\n", grouped(report.tensors_restored));
    for file in report.tensor_files.iter().filter(|_| named) {
        let TensorFile { path, tensors, bytes, bytes_fetched } = file;
        let (bytes, fetched) = (show(*bytes), show(*bytes_fetched));
        text.push_str(&format!("  {path}: {}, {bytes}; {fetched} from packs\n", count(*tensors, "tensor")));
    }
    text
}

/// The report in words; what is removed or made of tensors is named if `named`.
pub fn words(report: &RestoreReport, options: &RestoreOptions, named: bool, took: Duration) -> String {
    let would = |done: &str, planned: &str| if options.dry_run { planned.to_owned() } else { done.to_owned() };
    let mut text = format!(
        "{} {}, {}; {} {}, took {}\n",
        would("Restored", "Would restore"),
        count(report.files_restored, "file"),
        show(report.bytes_restored),
        would("fetched", "would fetch"),
        show(report.bytes_fetched),
        show_span(took)
    );
    if report.files_skipped > 0 || report.bytes_skipped > 0 {
        text.push_str(&format!(
            "Left as it was: {}, {}\n",
            count(report.files_skipped, "file"),
            show(report.bytes_skipped)
        ));
    }
    if report.files_left_out > 0 {
        let (files, bytes) = (count(report.files_left_out, "file"), show(report.bytes_left_out));
        text.push_str(&format!("Left out as training state: {files}, {bytes}\n"));
    }
    if !options.tensors.is_empty() {
        text.push_str(&tensors(report, named));
    }
    if report.files_deleted > 0 {
        text.push_str(&format!("{} {}", would("Removed", "Would remove"), count(report.files_deleted, "item")));
        text.push_str(&if named { deletions(report) } else { "\n".into() });
    }
    if options.verify && !options.dry_run {
        text.push_str(&format!("Read again and found equal: {}\n", count(report.files_verified, "file")));
    }
    let exit = Exit::of_problems(&report.problems);
    if exit != Exit::Done {
        let problems = report.problems.len() as u64;
        let list = first_problems(&report.problems, problems);
        text.push_str(&format!(
            "{}: NOT all is restored (exit code {})\n{list}",
            count(problems, "problem"),
            exit.code()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::snapshot;
    use super::*;
    use crate::error::Trouble;
    use crate::flows::restore::Overwrite;

    fn options() -> RestoreOptions {
        RestoreOptions {
            snapshot: snapshot(3, ""),
            subtree: Vec::new(),
            target: "/t".into(),
            include: Vec::new(),
            exclude: Vec::new(),
            overwrite: Overwrite::Always,
            delete: false,
            dry_run: false,
            verify: true,
            weights_only: false,
            flat: false,
            tensors: Vec::new(),
        }
    }

    fn report() -> RestoreReport {
        RestoreReport {
            total_files: 3,
            total_bytes: 6_000_000,
            files_restored: 2,
            bytes_restored: 5_000_000,
            files_skipped: 1,
            bytes_skipped: 1_000_000,
            bytes_fetched: 4_000_000,
            files_deleted: 2,
            deletions: vec!["/t/a".into()],
            files_verified: 3,
            ..RestoreReport::default()
        }
    }

    #[test]
    fn json_shape() {
        assert_eq!(
            serde_json::to_string(&machine(&report(), &options(), false, Duration::from_secs(2))).unwrap(),
            format!(
                r#"{{"message_type":"summary","dry_run":false,"seconds_elapsed":2.0,"total_files":3,"files_restored":2,"files_skipped":1,"files_left_out":0,"files_deleted":2,"files_verified":3,"total_bytes":6000000,"bytes_restored":5000000,"bytes_skipped":1000000,"bytes_left_out":0,"bytes_fetched":4000000,"snapshot_id":"{}","snapshot_time":"2026-01-01T03:00:00+00:00","snapshot_complete":true,"target":"/t","problem_count":0,"problems":[]}}"#,
                "03".repeat(32)
            )
        );
    }

    #[test]
    fn people_read_what_came_of_it() {
        assert_eq!(
            words(&report(), &options(), false, Duration::from_secs(2)),
            "Restored 2 files, 5.0 MB; fetched 4.0 MB, took 2.0 s\nLeft as it was: 1 file, 1.0 MB\nRemoved 2 items\n\
             Read again and found equal: 3 files\n"
        );
        let broken = RestoreReport { problems: vec![Problem::new(Trouble::Damaged, "m/x", "lost")], ..report() };
        let text = words(&broken, &RestoreOptions { dry_run: true, ..options() }, true, Duration::ZERO);
        assert!(text.starts_with("Would restore 2 files, 5.0 MB; would fetch 4.0 MB, took"), "{text}");
        assert!(text.contains("\nWould remove 2 items:\n  /t/a\n  ... and 1 more\n"), "{text}");
        let json = serde_json::to_value(machine(&broken, &options(), true, Duration::ZERO)).unwrap();
        assert_eq!((&json["files_deleted"], &json["deletions"][0]), (&2.into(), &"/t/a".into()));
        assert!(text.ends_with("1 problem: NOT all is restored (exit code 20)\n  m/x: lost\n"));
    }

    #[test]
    fn what_was_left_out_and_taken_out_is_said() {
        let file = TensorFile { path: "/t/m.safetensors".into(), tensors: 1, bytes: 2_000, bytes_fetched: 1_000 };
        let report = RestoreReport {
            files_left_out: 2,
            bytes_left_out: 9_000_000,
            tensors_restored: 1,
            tensor_files: vec![file],
            ..report()
        };
        let options = RestoreOptions { tensors: vec!["*".into()], ..options() };
        let text = words(&report, &options, true, Duration::ZERO);
        assert!(text.contains("\nLeft out as training state: 2 files, 9.0 MB\nTensors: 1\n"), "{text}");
        assert!(text.contains("\n  /t/m.safetensors: 1 tensor, 2.0 kB"), "{text}");
        let json = serde_json::to_value(machine(&report, &options, true, Duration::ZERO)).unwrap();
        assert_eq!((&json["files_left_out"], &json["bytes_left_out"]), (&2.into(), &9_000_000.into()));
        assert_eq!((&json["tensors_restored"], &json["tensor_files"][0]["tensors"]), (&1.into(), &1.into()));
    }
}
