//! `lastgood backup`: makes a snapshot.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::init::Initialized;
use super::open::{hostname, open, open_or_create, username};
use super::progress::Running;
use super::size::{count, grouped, show};
use super::time::{self, Moment, show_span};
use super::ui::{Ui, first_problems};
use super::view::split;
use crate::codec::coding::Level;
use crate::error::{Error, Kind, Problem, Result, printable};
use crate::flows::backup::{BackupOptions, BackupReport, backup};
use crate::id::ObjectId;
use crate::records::snapshot::Summary;
use crate::sources::SelectionOptions;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Make a snapshot of files and directories
///
/// Only what the repository does not have yet is stored. Files that did not change since the last snapshot of the same
/// host and label are not read again. The snapshot appears when everything is stored safely; if the run is stopped
/// before, the next one finds what was stored and goes on from there.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[
    (Exit::Problems, "done, but some sources could not be read, or changed while they were read"),
    (Exit::Interrupted, ""),
]))]
pub struct Args {
    /// Files and directories to back up
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Make the repository if there is none
    #[arg(long)]
    init: bool,

    /// Only say what would be stored
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Make no snapshot if nothing changed since the last one
    #[arg(long)]
    skip_if_unchanged: bool,

    /// How hard to compress: `off` stores as it is, `auto` is fast, `max` is slow and somewhat smaller
    #[arg(long, value_name = "HOW", default_value = "auto")]
    compression: Compression,

    /// Whether a tensor may be stored as its difference to the one of an earlier checkpoint: `off`, or `auto` where that wins
    #[arg(long, value_name = "HOW", default_value = "auto")]
    delta: Delta,

    #[command(flatten)]
    record: RecordArgs,

    #[command(flatten)]
    select: SelectArgs,
}

/// What is recorded with the snapshot.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is recorded")]
struct RecordArgs {
    /// Tags of the snapshot; repeat, or separate with commas
    #[arg(long, value_name = "TAG[,TAG]", value_delimiter = ',')]
    tag: Vec<String>,

    /// Label: snapshots of one host and label are a series
    #[arg(long, value_name = "LABEL", default_value = "", hide_default_value = true)]
    label: String,

    /// Host, instead of the name of this machine
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Time of the snapshot, instead of now: 2026-08-20T14:00:00Z, "2026-08-20 14:00", "2h ago"
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    time: Option<Moment>,

    /// Something to remember, such as step=1000 or run=7f3a; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
}

/// What is left out.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What is left out")]
struct SelectArgs {
    /// Leave out what matches this pattern; may be repeated
    ///
    /// A pattern without `/` matches a name at any depth, one that begins with `/` a whole path, any other the end of a path.
    /// `*` and `?` match within a name, `**` any number of names; `[a-z]`, `{a,b}` and `\` work as in a shell. What is below a
    /// directory that matches is left out with it. The last pattern that matches counts; with `!` before it, the path stays.
    #[arg(short, long, value_name = "PATTERN")]
    exclude: Vec<String>,

    /// Read such patterns from this file, one a line
    ///
    /// Empty lines and lines that begin with `#` do not count. Patterns given with --exclude come after those of files.
    #[arg(long, value_name = "FILE")]
    exclude_file: Vec<PathBuf>,

    /// Leave out the content of directories that hold a file of this name
    ///
    /// NAME:TEXT asks that the file begins with TEXT.
    #[arg(long, value_name = "NAME[:TEXT]")]
    exclude_if_present: Vec<String>,

    /// Leave out the content of directories with a CACHEDIR.TAG
    #[arg(long)]
    exclude_caches: bool,

    /// Leave out files larger than this: 500, 10K or 10KiB (10,240), 10KB (10,000), 1.5G, 2TB
    #[arg(long, value_name = "SIZE", value_parser = super::size::parse)]
    exclude_larger_than: Option<u64>,

    /// Do not go into other file systems
    #[arg(short = 'x', long)]
    one_file_system: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Compression {
    Off,
    Auto,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Delta {
    Off,
    Auto,
}

fn pair(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => {
            Err(Error::new(Kind::Usage, format!("{text:?} is not NAME=VALUE")).hint("write it as in --meta step=1000"))
        }
    }
}

impl Args {
    fn options(&self) -> BackupOptions {
        let (record, select) = (&self.record, &self.select);
        BackupOptions {
            paths: self.paths.clone(),
            hostname: record.host.clone().unwrap_or_else(hostname),
            username: username(),
            label: record.label.clone(),
            tags: record.tag.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect(),
            meta: record.meta.iter().cloned().collect(),
            time: record.time,
            selection: SelectionOptions {
                exclude: select.exclude.clone(),
                exclude_files: select.exclude_file.clone(),
                exclude_if_present: select.exclude_if_present.clone(),
                exclude_caches: select.exclude_caches,
                exclude_larger_than: select.exclude_larger_than,
                one_file_system: select.one_file_system,
            },
            dry_run: self.dry_run,
            skip_if_unchanged: self.skip_if_unchanged,
            level: match self.compression {
                Compression::Off => Level::Off,
                Compression::Auto => Level::Auto,
                Compression::Max => Level::Max,
            },
            delta: self.delta == Delta::Auto,
        }
    }
}

/// The end of a backup, for machines.
#[derive(Serialize)]
struct Done<'a> {
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
    problem_count: u64,
    problems: &'a [Problem],
}

/// Makes the snapshot.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let options = args.options();
    // A dry run makes nothing, and so no repository.
    let repo = match args.init && !args.dry_run {
        false => open(global, ui).await?,
        true => {
            let (repo, made) = open_or_create(global, ui).await?;
            let (id, place) = (repo.config().id, repo.store().place());
            if made && ui.json {
                ui.json(&Initialized::new(id, place))?;
            } else if made {
                ui.note(&format!("Made repository {} at {place}", id.brief()));
            }
            repo
        }
    };
    let running = Running::start(ui);
    let report = backup(&repo, &options, running.progress()).await?;
    let took = running.elapsed();
    drop(running);
    for link in bare_links(&args.paths) {
        let done = if args.dry_run { "would be" } else { "was" };
        ui.warn(&format!("only the link {link} {done} stored; write {link}/ to back up what it points to"));
    }
    ui.report(&machine(&report, args.dry_run, took), || words(&report, &options, took))?;
    Ok(match report.problem_count {
        0 => Exit::Done,
        _ => Exit::Problems,
    })
}

/// The paths that are symbolic links themselves. With a slash at the end, a path is what the link points to.
fn bare_links(paths: &[PathBuf]) -> Vec<String> {
    let is_link = |path: &&PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    paths.iter().filter(is_link).map(|path| printable(path.as_os_str().as_encoded_bytes())).collect()
}

fn machine(report: &BackupReport, dry_run: bool, took: Duration) -> Done<'_> {
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
        problem_count: report.problem_count,
        problems: &report.problems,
    }
}

fn words(report: &BackupReport, options: &BackupOptions, took: Duration) -> String {
    let sum = &report.summary;
    let mut text = format!(
        "Files: {} new, {} changed, {} unchanged\n{} {}: {}\n",
        grouped(sum.files_new),
        grouped(sum.files_changed),
        grouped(sum.files_unmodified),
        if options.dry_run { "Would save" } else { "Saved" },
        show(sum.total_bytes_processed),
        split(sum.data_unmodified, sum.data_duplicate, sum.data_added, sum.data_added_packed),
    );
    let begin = options.time.or_else(|| Moment::parse_from_rfc3339(&sum.backup_start).ok());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Trouble;
    use crate::id::Id;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn options(line: &str) -> BackupOptions {
        Line::try_parse_from(line.split(' ')).unwrap().args.options()
    }

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
    fn flags_become_options() {
        let all = options(
            "backup --tag a,b --tag c --label l --host h --meta step=5 --meta note=x=y -e *.tmp -e !b --exclude-larger-than 10K -x -n \
             --compression max --time 2026-08-20T14:00:00Z /m",
        );
        assert_eq!((all.tags.join("+").as_str(), all.label.as_str(), all.hostname.as_str()), ("a+b+c", "l", "h"));
        assert_eq!((all.meta["step"].as_str(), all.meta["note"].as_str()), ("5", "x=y"));
        assert_eq!((all.selection.exclude.len(), all.selection.exclude_larger_than), (2, Some(10_240)));
        assert!(all.selection.one_file_system && all.dry_run && !all.skip_if_unchanged && all.level == Level::Max);
        let none = options("backup /m");
        assert!(
            !none.hostname.is_empty() && !none.username.is_empty() && none.tags.is_empty() && none.level == Level::Auto
        );
    }

    #[test]
    fn links_are_told_from_what_they_point_to() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("l");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        let slash = PathBuf::from(format!("{}/", link.display()));
        let none = dir.path().join("none");
        assert_eq!(bare_links(&[dir.path().into(), slash, none, link.clone()]), [link.display().to_string()]);
    }

    #[test]
    fn json_shape() {
        assert_eq!(
            serde_json::to_string(&machine(&report(), false, Duration::from_millis(1500))).unwrap(),
            format!(
                r#"{{"message_type":"summary","dry_run":false,"backup_start":"2026-08-20T14:00:00+00:00","backup_end":"2026-08-20T14:00:02+00:00","files_new":3,"files_changed":0,"files_unmodified":1200,"dirs_new":0,"dirs_changed":0,"dirs_unmodified":0,"data_blobs":0,"tree_blobs":0,"data_added":260400000,"data_added_packed":170100000,"data_duplicate":0,"data_planes":0,"data_planes_packed":0,"data_delta":0,"data_delta_packed":0,"data_unmodified":12000000,"total_files_processed":1203,"total_bytes_processed":272400000,"total_duration":1.5,"snapshot_id":"{}","parent":null,"skipped":false,"complete":true,"pack_bytes":170200000,"problem_count":0,"problems":[]}}"#,
                "3f".repeat(32)
            )
        );
    }

    #[test]
    fn people_read_what_came_of_it() {
        let text = words(&report(), &options("backup /m"), Duration::from_millis(1500));
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
        let text = words(&broken, &options("backup /m"), Duration::ZERO);
        assert!(text.ends_with("1 problem: the snapshot is NOT COMPLETE (exit code 3)\n  m/x: Permission denied\n"));
        let skipped = BackupReport { snapshot: None, skipped: true, parent: Some(Id([1; 32])), ..report() };
        let text = words(&skipped, &options("backup /m"), Duration::ZERO);
        assert!(text.ends_with("Nothing changed since snapshot 01010101: no snapshot made, took 0.0 s\n"));
    }
}
