//! What can go wrong: an `Error` stops a run, a `Problem` is counted, recorded, and does not.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The result of everything that can stop a run.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What class an error is of; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line or a setting is wrong: exit 2.
    Usage,
    /// There is no repository at the place named: exit 10.
    NoRepository,
    /// No key slot opens with this password or key file: exit 12.
    WrongKey,
    /// No snapshot, or no path in it, matches: exit 13.
    NoMatch,
    /// A checkpoint is not complete, and was required to be: exit 14.
    Incomplete,
    /// The repository needs a newer program: exit 1.
    Unsupported,
    /// Stored bytes are not what they must be: exit 20.
    Damaged,
    /// An object that must exist does not: exit 20.
    Missing,
    /// The store cannot be reached or refuses: exit 1.
    Store,
    /// A file cannot be created where it is asked for: exit 1.
    Target,
    /// A source that was named cannot be backed up at all: exit 1.
    Source,
    /// The user, or a signal, stopped the run: exit 130.
    Interrupted,
    /// A rule of this program is broken: exit 1, and worth a report.
    Internal,
}

/// An error that stops a run: what failed, with its name; why; and what to do about it.
#[derive(Debug)]
pub struct Error {
    /// Its class.
    pub kind: Kind,
    /// What failed, with the name of the thing. Capital first, no full stop.
    pub what: String,
    /// The next step for the user.
    pub hint: Option<String>,
    /// The cause, printed as `caused by:` lines.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a cause.
    pub fn new(kind: Kind, what: impl Into<String>) -> Error {
        Error { kind, what: what.into(), hint: None, source: None }
    }

    /// Adds the next step for the user.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// The run was stopped from outside.
    pub fn interrupted() -> Error {
        Error::new(Kind::Interrupted, "Interrupted")
            .hint("run the same command again: what is done already is not done twice")
    }

    /// Damage of an object of the repository.
    pub fn damaged(what: impl Into<String>) -> Error {
        Error::new(Kind::Damaged, what)
            .hint("run `lastgood verify --read-data` to see what else is damaged, and which files it touches")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

/// What class a problem is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// A source could not be read; the snapshot has its name but not its content.
    Unreadable,
    /// A source changed in every attempt to read it; the snapshot has the last attempt.
    Unstable,
    /// A source was there when its directory was listed and gone when it was to be read.
    Vanished,
    /// Something could not be restored, or not with all of its metadata.
    NotRestored,
    /// An object of the repository is missing.
    Missing,
    /// An object of the repository is not what its name or its key says.
    Damaged,
    /// An object is in the repository that lastgood did not put there, or has not finished.
    Stray,
    /// Verification could not read something, so nothing is known about it.
    Unknown,
}

/// A fault that does not stop the run: printed, counted, and reflected in the exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its class.
    pub kind: Trouble,
    /// The path or object concerned, escaped for a terminal.
    pub item: String,
    /// What happened.
    pub message: String,
}

impl Problem {
    /// A problem with something that has a printable name.
    pub fn new(kind: Trouble, item: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { kind, item: item.into(), message: message.into() }
    }

    /// A problem with a path, which is shown escaped.
    pub fn of_path(kind: Trouble, path: &[u8], message: impl Into<String>) -> Problem {
        Problem::new(kind, printable(path), message)
    }
}

/// A path for people: absolute, with control characters, bidirectional marks and bytes that are not UTF-8 escaped.
pub fn printable(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len() + 1);
    for piece in path.utf8_chunks() {
        for c in piece.valid().chars() {
            let hidden =
                matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if c.is_control() || hidden || c == '\\' {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in piece.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(printable("a\u{1b}[31m é".as_bytes()), "a\\u{1b}[31m é");
        assert_eq!(printable(b"x\xff\n\\"), "x\\xff\\n\\\\");
        assert_eq!(printable("evil\u{202e}txt".as_bytes()), "evil\\u{202e}txt");
    }

    #[test]
    fn an_error_keeps_its_cause_apart() {
        let error = Error::new(Kind::Store, "Cannot read x").because(std::io::Error::other("no disk"));
        assert_eq!(error.to_string(), "Cannot read x");
        assert_eq!(std::error::Error::source(&error).map(|s| s.to_string()), Some("no disk".into()));
    }
}
