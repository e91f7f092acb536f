//! `lastgood restore`: puts a snapshot, or a part of it, back.

use super::Global;
use super::checkpoints::warning;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, Guess, choose, describe};
use super::open::open;
use super::progress::Running;
use super::restore_report::{machine, words};
use super::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::flows::last_good::concerned;
use crate::flows::restore::{Overwrite, RestoreOptions, restore, tensor_patterns};
use crate::sources::{Selection, SelectionOptions};
use std::path::{Path, PathBuf};

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

    /// Leave out optimizer, scheduler, random numbers and other training state
    ///
    /// What is such a file is told by its name: optimizer.pt, *_optim_states.pt, scheduler.pt, scaler.pt, rng_state_*.pth,
    /// training_args.bin, trainer_state.json, optimizer_0/ and the like. What is left is no checkpoint to go on from. Of a
    /// file that holds the model and more, such as .ckpt, all is restored. ZeRO-3 may keep weights only in what is left out.
    #[arg(long)]
    weights_only: bool,

    /// Put files where the snapshot has symbolic links to them, as in a hub cache
    ///
    /// What a link points to must be in the snapshot; it may be outside of the path that is restored. Other links stay links.
    #[arg(long, conflicts_with = "tensors")]
    flat: bool,

    /// Only tensors with names that match this pattern, as safetensors; may be repeated
    ///
    /// Of every file with such tensors, one with only those is written: under its name if that ends in .safetensors,
    /// otherwise with .safetensors added. Nothing else is restored, and only what they need is read. `*` and `?` match any
    /// characters, `[0-9]` and `{a,b}` work as in a shell. Tensors of which safetensors does not know the type are left out.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["delete", "verify"])]
    tensors: Vec<String>,

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

/// Restores.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    refuse_to_empty_the_machine(args)?;
    refuse_bad_patterns(args)?;
    let filter = args.filter.filter();
    let repo = open(global, ui).await?;
    let (snapshot, subtree) = choose(&repo, &args.snapshot, &filter, guess(args), ui).await?;
    ui.note(&format!("{} {}", if args.dry_run { "Would restore" } else { "Restoring" }, describe(&snapshot)));
    for checkpoint in concerned(&snapshot, &subtree).iter().filter(|checkpoint| !checkpoint.good()) {
        ui.warn(&warning(checkpoint));
    }
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
        weights_only: args.weights_only,
        flat: args.flat,
        tensors: args.tensors.clone(),
    };
    let running = Running::start(ui);
    let report = restore(&repo, &options, running.progress()).await?;
    let took = running.elapsed();
    drop(running);
    if report.total_files == 0 && report.total_entries > 0 && args.tensors.is_empty() && !args.flat {
        ui.note("Only directories and links were restored; --flat puts files where the snapshot has links to them");
    }
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
    tensor_patterns(&args.tensors).map(drop).map_err(|e| Error { what: format!("--tensors: {}", e.what), ..e })
}

/// `--delete` on the root directory would remove everything that was never backed up.
fn refuse_to_empty_the_machine(args: &Args) -> Result<()> {
    match args.delete && args.include.is_empty() && is_root(&args.target) {
        true => Err(Error::new(Kind::Usage, "--delete with the target / would remove all that is not in the snapshot")
            .hint("say with --include what is to be made equal, or restore a part: latest:models --target /models")),
        false => Ok(()),
    }
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

    fn args(line: &str) -> Args {
        Line::try_parse_from(line.split(' ')).unwrap().args
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
        for flag in ["--include", "--exclude", "--tensors"] {
            let error = refuse_bad_patterns(&args(&format!("restore -t /x {flag} a[b"))).unwrap_err();
            assert_eq!((error.kind, error.what), (Kind::Usage, format!("{flag}: Bad pattern: a[b")));
        }
        assert!(refuse_bad_patterns(&args("restore -t /x -i *.a -e {b,c}")).is_ok());
    }
}
