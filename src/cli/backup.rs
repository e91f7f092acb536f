//! `lastgood backup`: makes a snapshot.

use super::Global;
use super::backup_report::{machine, words};
use super::checkpoints::warning;
use super::exit::{self, Exit, OPENING};
use super::init::Initialized;
use super::open::{hostname, open, open_or_create, username};
use super::progress::Running;
use super::time::{self, Moment};
use super::ui::Ui;
use crate::codec::coding::Level;
use crate::error::{Error, Kind, Result, printable};
use crate::flows::backup::{BackupOptions, backup};
use crate::sources::SelectionOptions;
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
    (Exit::Incomplete, ""),
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

    /// Wait so long for checkpoints that are still being written: 30s, 10min, 1h
    ///
    /// A checkpoint is complete when every file that its index or metadata names is there and whole, and what its framework
    /// writes last is there. One that is still open after that time is recorded as not complete.
    #[arg(long, value_name = "SPAN", value_parser = time::parse_wait)]
    wait_complete: Option<Duration>,

    /// Make no snapshot if a newest checkpoint is not complete
    #[arg(long)]
    require_complete: bool,

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

    /// A metric of what is backed up, such as eval_loss=0.31, for `last-good --best`; may be repeated
    ///
    /// Metrics and the step that a checkpoint states itself, as trainer_state.json does, are known without this.
    #[arg(long, value_name = "NAME=NUMBER", value_parser = metric)]
    metric: Vec<(String, String)>,
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

fn metric(text: &str) -> Result<(String, String)> {
    let bad = || Error::new(Kind::Usage, format!("{text:?} is not NAME=NUMBER")).hint("write it as eval_loss=0.31");
    let (name, value) = pair(text).map_err(|_| bad())?;
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    number.map(|_| (name, value)).ok_or_else(bad)
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
            meta: record.meta.iter().chain(&record.metric).cloned().collect(),
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
            wait_complete: self.wait_complete,
            require_complete: self.require_complete,
        }
    }
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
    if ui.quiet && !ui.json {
        for checkpoint in report.checkpoints.iter().filter(|checkpoint| checkpoint.newest && !checkpoint.good()) {
            ui.warn(&warning(checkpoint));
        }
    }
    ui.report(&machine(&report, args.dry_run, took), || words(&report, options.time, args.dry_run, took))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn options(line: &str) -> BackupOptions {
        Line::try_parse_from(line.split(' ')).unwrap().args.options()
    }

    #[test]
    fn flags_become_options() {
        let all = options(
            "backup --tag a,b --tag c --label l --host h --meta step=5 --meta note=x=y -e *.tmp -e !b --exclude-larger-than 10K -x -n \
             --compression max --time 2026-08-20T14:00:00Z /m",
        );
        assert_eq!((all.tags.join("+").as_str(), all.label.as_str(), all.hostname.as_str()), ("a+b+c", "l", "h"));
        assert_eq!(options("backup --metric loss=0.5 /m").meta["loss"], "0.5");
        assert!(metric("loss=low").is_err() && metric("loss=NaN").is_err() && metric("=1").is_err());
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
}
