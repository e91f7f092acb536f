//! `lastgood restore`: puts a snapshot, or a part of it, back.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, Guess, choose, describe};
use super::open::open;
use super::progress::Running;
use super::size::{count, grouped, show};
use super::time::show_span;
use super::ui::{Ui, clean, first_problems};
use crate::error::{Error, Kind, Problem, Result};
use crate::flows::restore::{Overwrite, RestoreOptions, RestoreReport, restore};
use crate::id::ObjectId;
use crate::records::snapshot::Snapshot;
use crate::sources::{Selection, SelectionOptions};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Put a snapshot, or a part of it, back
///
/// Without a snapshot the latest is taken; --at TIME takes the state at that time. A path after the snapshot, as in
/// latest:models/base, is put right into the target; otherwise everything is put there with its whole path. What is in
/// the target already and equal is not fetched again, so that a restore that was stopped goes on where it was.
/// Which snapshot was taken is said on standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[
    (Exit::Problems, "done, but some files, or their metadata, could not be restored"),
    (Exit::NoMatch, ""),
    (Exit::Damage, "the repository is damaged: the files named are lost, the others are restored"),
    (Exit::Interrupted, "interrupted; run the same command again to go on"),
]))]
pub struct Args {
    /// Snapshot, and a path in it: latest, latest~1, 3f2a91bc, latest:models/base
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    snapshot: String,

    /// Directory to restore into; it is made if it is missing
    #[arg(short, long, value_name = "DIR")]
    target: PathBuf,

    /// Only what matches this pattern; may be repeated
    ///
    /// A pattern without `/` matches a name at any depth, one that begins with `/` a whole path, any other the end of a path.
    /// Paths are those that `lastgood ls` shows. What is below a directory that matches is restored with it.
    /// `*` and `?` match within a name, `**` any number of names; `[a-z]`, `{a,b}` and `\` work as in a shell.
    #[arg(short, long, value_name = "PATTERN")]
    include: Vec<String>,

    /// Leave out what matches this pattern; may be repeated
    #[arg(short, long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// What to do with files that are there
    #[arg(long, value_name = "WHEN", default_value = "always")]
    overwrite: When,

    /// Remove what is in the restored directories and not in the snapshot
    #[arg(long)]
    delete: bool,

    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Read every restored file again, and compare it
    #[arg(long)]
    verify: bool,

    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum When {
    /// Make them what the snapshot has; equal parts are kept
    Always,
    /// The same, but a file with the same size and time is taken to be equal, and not read
    IfChanged,
    /// Only if the snapshot's file is newer
    IfNewer,
    /// Leave them
    Never,
}

impl From<When> for Overwrite {
    fn from(when: When) -> Overwrite {
        match when {
            When::Always => Overwrite::Always,
            When::IfChanged => Overwrite::IfChanged,
            When::IfNewer => Overwrite::IfNewer,
            When::Never => Overwrite::Never,
        }
    }
}

/// The end of a restore, for machines.
#[derive(Serialize)]
struct Done<'a> {
    message_type: &'static str,
    dry_run: bool,
    seconds_elapsed: f64,
    total_files: u64,
    files_restored: u64,
    files_skipped: u64,
    files_deleted: u64,
    /// The first of them, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    deletions: Option<&'a [String]>,
    files_verified: u64,
    total_bytes: u64,
    bytes_restored: u64,
    bytes_skipped: u64,
    bytes_fetched: u64,
    snapshot_id: Option<ObjectId>,
    snapshot_time: String,
    snapshot_complete: bool,
    target: String,
    problem_count: usize,
    problems: &'a [Problem],
}

/// Restores.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    refuse_to_empty_the_machine(args)?;
    refuse_bad_patterns(args)?;
    let filter = args.filter.filter();
    let repo = open(global, ui).await?;
    let (snapshot, subtree) = choose(&repo, &args.snapshot, &filter, guess(args), ui).await?;
    ui.note(&format!("{} {}", if args.dry_run { "Would restore" } else { "Restoring" }, describe(&snapshot)));
    let options = RestoreOptions {
        snapshot,
        subtree,
        target: args.target.clone(),
        include: args.include.clone(),
        exclude: args.exclude.clone(),
        overwrite: args.overwrite.into(),
        delete: args.delete,
        dry_run: args.dry_run,
        verify: args.verify,
    };
    let running = Running::start(ui);
    let report = restore(&repo, &options, running.progress()).await?;
    let took = running.elapsed();
    drop(running);
    let named = args.dry_run || ui.verbose;
    ui.report(&machine(&report, &options, named, took), || words(&report, &options, named, took))?;
    Ok(Exit::of_problems(&report.problems))
}

fn is_root(path: &Path) -> bool {
    std::fs::canonicalize(path).is_ok_and(|path| path.parent().is_none())
}

/// Whether the snapshot of another host could do harm.
fn guess(args: &Args) -> Guess {
    match args.delete || is_root(&args.target) {
        true => Guess::Refuse,
        false => Guess::Warn,
    }
}

/// Says of which flag a pattern is wrong, before a password is asked for.
fn refuse_bad_patterns(args: &Args) -> Result<()> {
    for (flag, patterns) in [("--include", &args.include), ("--exclude", &args.exclude)] {
        let options = SelectionOptions { exclude: patterns.clone(), ..SelectionOptions::default() };
        Selection::new(&options).map_err(|e| Error {
            what: format!("{flag}: {}", e.what.replacen("Bad exclude pattern", "Bad pattern", 1)),
            ..e
        })?;
    }
    Ok(())
}

/// `--delete` on the root directory would remove everything that was never backed up.
fn refuse_to_empty_the_machine(args: &Args) -> Result<()> {
    match args.delete && args.include.is_empty() && is_root(&args.target) {
        true => Err(Error::new(Kind::Usage, "--delete with the target / would remove all that is not in the snapshot")
            .hint("say with --include what is to be made equal, or restore a part: latest:models --target /models")),
        false => Ok(()),
    }
}

fn machine<'a>(report: &'a RestoreReport, options: &RestoreOptions, named: bool, took: Duration) -> Done<'a> {
    let Snapshot { id, time, complete, .. } = &options.snapshot;
    Done {
        message_type: "summary",
        dry_run: options.dry_run,
        seconds_elapsed: took.as_secs_f64(),
        total_files: report.total_files,
        files_restored: report.files_restored,
        files_skipped: report.files_skipped,
        files_deleted: report.files_deleted,
        deletions: named.then_some(&report.deletions),
        files_verified: report.files_verified,
        total_bytes: report.total_bytes,
        bytes_restored: report.bytes_restored,
        bytes_skipped: report.bytes_skipped,
        bytes_fetched: report.bytes_fetched,
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

fn words(report: &RestoreReport, options: &RestoreOptions, named: bool, took: Duration) -> String {
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
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(line.split(' ')).unwrap().args
    }

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
    fn the_machine_is_not_emptied() {
        for line in ["restore -t / --delete", "restore -t /usr/.. --delete", "restore -t // --delete -e x"] {
            assert_eq!(refuse_to_empty_the_machine(&args(line)).unwrap_err().kind, Kind::Usage, "{line}");
        }
        for line in ["restore -t /", "restore -t / --delete -i models", "restore -t /does/not/exist --delete"] {
            assert!(refuse_to_empty_the_machine(&args(line)).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_guess_that_could_harm_is_refused() {
        for (line, expected) in [
            ("restore -t /tmp", Guess::Warn),
            ("restore -t /tmp --delete", Guess::Refuse),
            ("restore -t /usr/..", Guess::Refuse),
        ] {
            assert_eq!(guess(&args(line)), expected, "{line}");
        }
    }

    #[test]
    fn a_bad_pattern_is_told_with_its_flag() {
        for flag in ["--include", "--exclude"] {
            let error = refuse_bad_patterns(&args(&format!("restore -t /x {flag} a[b"))).unwrap_err();
            assert_eq!((error.kind, error.what), (Kind::Usage, format!("{flag}: Bad pattern: a[b")));
        }
        assert!(refuse_bad_patterns(&args("restore -t /x -i *.a -e {b,c}")).is_ok());
    }

    #[test]
    fn json_shape() {
        assert_eq!(
            serde_json::to_string(&machine(&report(), &options(), false, Duration::from_secs(2))).unwrap(),
            format!(
                r#"{{"message_type":"summary","dry_run":false,"seconds_elapsed":2.0,"total_files":3,"files_restored":2,"files_skipped":1,"files_deleted":2,"files_verified":3,"total_bytes":6000000,"bytes_restored":5000000,"bytes_skipped":1000000,"bytes_fetched":4000000,"snapshot_id":"{}","snapshot_time":"2026-01-01T03:00:00+00:00","snapshot_complete":true,"target":"/t","problem_count":0,"problems":[]}}"#,
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
}
