//! What goes wrong with a source: it never stops a run, so it is no `Error`, and nothing converts it into one.

use crate::error::{Trouble, printable};
use crate::records::manifest::Fault;
use rustix::io::Errno;
use std::{fmt, io};

/// Something about one source path that failed.
#[derive(Debug)]
pub struct SourceError {
    /// `Vanished`, `Unstable` (it is not what it was a moment ago: try again) or `Unreadable`.
    pub kind: Trouble,
    /// The path, as in a manifest: absolute without the first `/`.
    pub path: Vec<u8>,
    /// What was tried: `open`, `list`, ...
    pub doing: &'static str,
    /// What the system said.
    pub cause: io::Error,
}

impl SourceError {
    /// From what the system said; "no such file" and "stale handle" mean that it vanished.
    pub(super) fn new(path: &[u8], doing: &'static str, errno: Errno) -> SourceError {
        let gone = matches!(errno, Errno::NOENT | Errno::STALE);
        let kind = if gone { Trouble::Vanished } else { Trouble::Unreadable };
        SourceError { kind, path: path.to_vec(), doing, cause: errno.into() }
    }

    /// As `new`, from an error of the standard library.
    pub(super) fn from_io(path: &[u8], doing: &'static str, cause: io::Error) -> SourceError {
        let kind = if cause.kind() == io::ErrorKind::NotFound { Trouble::Vanished } else { Trouble::Unreadable };
        SourceError { kind, path: path.to_vec(), doing, cause }
    }

    /// Something else is there now than what the walk saw.
    pub(super) fn replaced(path: &[u8], doing: &'static str) -> SourceError {
        let cause = io::Error::other("something else took its place");
        SourceError { kind: Trouble::Unstable, path: path.to_vec(), doing, cause }
    }

    /// What was tried and what the system said, without the path: the message of a problem.
    pub fn reason(&self) -> String {
        format!("cannot {}: {}", self.doing, self.cause)
    }

    /// The same as a note in the entry that stays without content.
    pub fn fault(&self) -> Fault {
        Fault { unreadable: true, reason: self.reason() }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cannot {} /{}", self.doing, printable(&self.path))
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
