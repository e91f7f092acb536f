//! The front door: words in, words out. The only room with clap, indicatif and the terminal.

mod backup;
mod backup_report;
mod cat;
mod checkpoints;
mod dump;
mod exit;
mod filter;
mod init;
mod inspect;
mod key;
mod ls;
mod open;
mod progress;
mod prompt;
mod restore;
mod restore_report;
mod secret;
mod size;
mod snapshots;
mod stats;
mod table;
mod tensors;
mod time;
mod ui;
mod verify;
mod version;
mod view;

use crate::error::{Error, Kind, Result};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use exit::Exit;
use std::process::ExitCode;
use ui::Ui;

const MORE: &str = "\
A first backup, and back:
  export LASTGOOD_REPOSITORY=/backup/models LASTGOOD_PASSWORD_FILE=~/.lastgood
  lastgood backup --init /models
  lastgood restore latest:models/checkpoint-1000 --target ./checkpoint-1000

ENVIRONMENT:
  LASTGOOD_REPOSITORY        the repository, as --repo
  LASTGOOD_PASSWORD_FILE     a file with the password, as --password-file
  LASTGOOD_PASSWORD_COMMAND  a command that prints the password, as --password-command
  LASTGOOD_KEY_FILE          a key file, as --key-file
  LASTGOOD_PASSWORD          the password itself; others may see it, a file is better
  NO_COLOR                   no colours in help texts
  A flag goes before its variable. Two different sources of the password are an error.";

/// Deduplicated, encrypted snapshots of model checkpoints
///
/// lastgood stores what is new in model checkpoints and datasets, encrypted, as snapshots, proves that they can be restored,
/// and restores them as of a chosen point in time.
#[derive(Debug, Parser)]
#[command(name = "lastgood", version, propagate_version = false, arg_required_else_help = true)]
#[command(after_help = exit::all(), after_long_help = format!("{MORE}\n\n{}", exit::all()))]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// The repository: the path of a folder
    #[arg(short, long, global = true, value_name = "PATH", env = "LASTGOOD_REPOSITORY", hide_env_values = true)]
    repo: Option<String>,

    #[command(flatten)]
    secret: secret::SecretArgs,

    /// Write JSON, for programs
    ///
    /// Listings are one document or one object a line; long commands write a status a second and a summary at the end.
    /// Errors are JSON as well, on standard error.
    #[arg(long, global = true)]
    json: bool,

    /// Say only problems and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,

    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(init::Args),
    Backup(backup::Args),
    Snapshots(snapshots::Args),
    Ls(ls::Args),
    Inspect(inspect::Args),
    Dump(dump::Args),
    Restore(restore::Args),
    Verify(verify::Args),
    Stats(stats::Args),
    Cat(cat::Args),
    Key(key::Args),
    Version(version::Args),
}

/// The whole command line, for the generators of manual pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line; if that is all there is to do, says so and gives the exit code.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|e| {
        let json = std::env::args_os().any(|word| word == "--json");
        refuse(&e, &Ui::new(json, false, false)).code().into()
    })
}

/// Does what the command line says.
pub async fn run(cli: Cli) -> ExitCode {
    let global = &cli.global;
    let ui = Ui::new(global.json, global.quiet, global.verbose);
    let done = match &cli.command {
        Command::Init(args) => init::run(args, global, &ui).await,
        Command::Backup(args) => backup::run(args, global, &ui).await,
        Command::Snapshots(args) => snapshots::run(args, global, &ui).await,
        Command::Ls(args) => ls::run(args, global, &ui).await,
        Command::Inspect(args) => inspect::run(args, global, &ui).await,
        Command::Dump(args) => dump::run(args, global, &ui).await,
        Command::Restore(args) => restore::run(args, global, &ui).await,
        Command::Verify(args) => verify::run(args, global, &ui).await,
        Command::Stats(args) => stats::run(args, global, &ui).await,
        Command::Cat(args) => cat::run(args, global, &ui).await,
        Command::Key(args) => key::run(args, global, &ui).await,
        Command::Version(args) => version::run(args, &ui),
    };
    done.unwrap_or_else(|error| ui.fail(&error)).code().into()
}

/// Ends the process for an error that came before any command could run.
pub fn fail(error: &Error) -> ExitCode {
    Ui::default().fail(error).code().into()
}

/// Says what is wrong with the command line, or shows the help that was asked for.
fn refuse(e: &clap::Error, ui: &Ui) -> Exit {
    if !e.use_stderr() {
        let _ = e.print();
        return Exit::Done;
    }
    if let Some(error) = own_error(e) {
        return ui.fail(&error);
    }
    if ui.json {
        return ui.fail(&Error::new(Kind::Usage, in_one_line(e)));
    }
    let _ = e.print();
    Exit::Usage
}

/// What clap says, without the usage and the tips behind it.
fn in_one_line(e: &clap::Error) -> String {
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing".into();
    }
    let text = e.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The error of one of our own parsers in an error of clap, with the name of the flag.
fn own_error(e: &clap::Error) -> Option<Error> {
    let error = std::error::Error::source(e)?.downcast_ref::<Error>()?;
    let what = match e.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) => format!("{flag}: {}", error.what),
        _ => error.what.clone(),
    };
    Some(Error { kind: error.kind, what, hint: error.hint.clone(), source: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
        for line in [
            "lastgood init -r /x --kdf-memory 128M --kdf-passes 4",
            "lastgood -r /x -p /p backup --init --tag a,b --tag c --meta step=5 -e *.tmp -x -n /models /data",
            "lastgood snapshots --host a --latest 3 --json",
            "lastgood list",
            "lastgood ls latest:models -l --recursive --at yesterday",
            "lastgood restore -t /x --overwrite if-newer --delete -i a -e b --verify",
            "lastgood restore -t /x --weights-only --tensors *.weight --tensors lm_head* -n",
            "lastgood dump latest:a/model.safetensors --tensor lm_head.weight -o /x",
            "lastgood check --read-data-subset 2/7",
            "lastgood cat pack ab12",
            "lastgood inspect",
            "lastgood inspect ./checkpoint-1000 -t --numbers --json",
            "lastgood inspect --tensors=model.* latest:models --at yesterday",
            "lastgood stats latest~1 --host a",
            "lastgood key add --new-key-file /k",
            "lastgood key passwd -q",
            "lastgood version --json",
        ] {
            assert!(parsed(line).is_ok(), "{line}");
        }
        for line in [
            "lastgood backup",
            "lastgood restore latest",
            "lastgood restore latest -t /x --overwrite sometimes",
            "lastgood restore -t /x --tensors * --delete",
            "lastgood restore -t /x --tensors * --verify",
            "lastgood dump",
            "lastgood verify --read-data --read-data-subset 1/2",
            "lastgood backup /x --compression 9",
            "lastgood backup /x --meta step",
            "lastgood key",
            "lastgood cat",
            "lastgood cat blob 12",
            "lastgood snapshots -q -v",
            "lastgood snapshots --latest 0",
            "lastgood frobnicate",
        ] {
            assert!(parsed(line).unwrap_err().use_stderr(), "{line}");
        }
    }

    #[test]
    fn a_bad_value_is_named_with_its_flag_and_the_accepted_forms() {
        let error = own_error(&parsed("lastgood restore -t /x --at soon").unwrap_err()).unwrap();
        assert_eq!((error.kind, error.what.as_str()), (Kind::Usage, "--at <TIME>: \"soon\" is not a time"));
        assert!(error.hint.unwrap().contains("2h ago"));
        assert!(
            own_error(&parsed("lastgood restore -t /x --at 2999-01-01").unwrap_err()).unwrap().what.contains("future")
        );
        assert!(own_error(&parsed("lastgood frobnicate").unwrap_err()).is_none());
    }

    #[test]
    fn machines_get_the_words_of_clap_in_one_line() {
        for (line, words) in [
            ("lastgood backup", "the following required arguments were not provided: <PATH>..."),
            ("lastgood key", "a command is missing"),
            ("lastgood frobnicate", "unrecognized subcommand 'frobnicate'"),
        ] {
            assert_eq!(in_one_line(&parsed(line).unwrap_err()), words);
        }
    }

    #[test]
    fn every_command_lists_its_exit_codes() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("EXIT STATUS:\n    0  done"), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }
}
