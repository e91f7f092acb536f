//! `lastgood cat`: prints one object of a repository, decrypted.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::open::open;
use super::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::flows::cat::cat;
use std::io::IsTerminal;

/// Print one object of the repository, decrypted
///
/// All is printed as JSON, but a chunk as the bytes that it is: redirect those to a file.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[(Exit::NoMatch, "there is no such object")]))]
pub struct Args {
    /// What to print
    #[arg(value_name = "WHAT")]
    what: What,

    /// Its id, or the begin of it; a chunk is named by all 64 digits
    id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The configuration
    Config,
    /// A page of the index
    Index,
    /// What is in a pack
    Pack,
    /// A snapshot
    Snapshot,
    /// The clear part of a key, and its note
    Key,
    /// The manifest pages of a snapshot
    Tree,
    /// A chunk, decoded
    Chunk,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Config => "config",
            What::Index => "index",
            What::Pack => "pack",
            What::Snapshot => "snapshot",
            What::Key => "key",
            What::Tree => "tree",
            What::Chunk => "chunk",
        }
    }
}

/// Prints the object.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let (what, id) = (args.what.word(), args.id.as_deref());
    match (args.what, id) {
        (What::Config, Some(_)) => return Err(Error::new(Kind::Usage, "There is one config, and it has no id")),
        (What::Config, None) | (_, Some(_)) => {}
        (_, None) => {
            let hint = format!("write `lastgood cat {what} ID`");
            return Err(Error::new(Kind::Usage, format!("Which {what}?")).hint(hint));
        }
    }
    let binary = args.what == What::Chunk;
    if binary && std::io::stdout().is_terminal() {
        return Err(Error::new(Kind::Usage, format!("A {what} is not for a terminal"))
            .hint(format!("redirect it: lastgood cat {what} ID > FILE")));
    }
    let repo = open(global, ui).await?;
    let mut bytes = cat(&repo, what, id).await?;
    if !binary && bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    ui.write(&bytes)?;
    Ok(Exit::Done)
}
