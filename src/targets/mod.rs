//! Targets: where a restore goes; everything is made below one directory, and no symbolic link is ever followed.
//!
//! A [`Tree`] is the target directory. It hands out [`Directory`] handles, which any thread may use:
//! [`PartialFile`] and [`write_small`] make files, [`symlink`], [`hard_link`] and [`special`] the other kinds,
//! [`finish_directory`] sets what a directory needs after all below it is done. [`ExistingFile`], [`existing`], [`list`],
//! and [`remove_tree`] look at, and clear away, what was there before.
//!
//! Nothing appears under its name before it is whole.

mod existing;
mod file;
mod fresh;
mod metadata;
mod node;
mod ownership;
mod remove;
mod system;
mod tree;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_metadata;
#[cfg(test)]
mod tests_tree;

pub use existing::{Existing, ExistingFile, existing, update_metadata};
pub use file::{PartialFile, write_small};
pub use metadata::finish_directory;
pub use node::{hard_link, special, symlink};
pub use ownership::Ownership;
pub use remove::{drop_aside, list, move_aside, remove_tree};
pub use tree::{Directory, Tree};

use rustix::io::Errno;
use std::fmt;

/// The result of everything that makes something in a target.
pub type Result<T, E = TargetError> = std::result::Result<T, E>;

/// The longest name of one component.
const NAME_MAX: usize = 255;

/// Something could not be made, read or removed in the target. It concerns one path, unless `full`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    /// The path below the target directory; of the target directory itself its own.
    pub path: Vec<u8>,
    /// What could not be done, and why. No path in it.
    pub message: String,
    /// The target has no space left or cannot be written to: going on makes no sense.
    pub full: bool,
}

impl TargetError {
    /// An error that is not the system's.
    pub(crate) fn new(path: impl Into<Vec<u8>>, message: impl Into<String>) -> TargetError {
        TargetError { path: path.into(), message: message.into(), full: false }
    }

    /// What the system said to an attempt at something.
    pub(crate) fn system(path: impl Into<Vec<u8>>, attempt: &str, errno: Errno) -> TargetError {
        let full = matches!(errno, Errno::NOSPC | Errno::DQUOT | Errno::ROFS);
        TargetError { path: path.into(), message: format!("{attempt}: {}", std::io::Error::from(errno)), full }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", crate::error::printable(&self.path), self.message)
    }
}

impl std::error::Error for TargetError {}

/// Why a name cannot be one component of a path below the target.
fn name_fault(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("an empty name is refused"),
        b"." | b".." => Some("the names `.` and `..` are refused"),
        _ if name.len() > NAME_MAX => Some("a name of more than 255 bytes is refused"),
        _ if name.contains(&b'/') => Some("a name with a slash in it is refused"),
        _ if name.contains(&0) => Some("a name with a NUL byte in it is refused"),
        _ => None,
    }
}
