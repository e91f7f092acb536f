//! Frameworks: which files make one checkpoint, and whether all that belong to it are there and whole.
//!
//! Judged is a list of files, not a directory: the same code serves files on disk, before a backup, and files of a snapshot.

use std::collections::BTreeMap;

/// One file, link or directory that may belong to a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Components joined by `/`, without the first `/`.
    pub path: Vec<u8>,
    /// Whether it is a directory.
    pub directory: bool,
    /// Bytes of a file.
    pub size: u64,
    /// Seconds since 1970 of its last change.
    pub mtime: i64,
    /// Where a symbolic link points, as it is written there.
    pub link: Option<Vec<u8>>,
    /// Why its own format says that it is not whole, or that it could not be read.
    pub broken: Option<String>,
    /// What is in it, for those files of which [`interest`] wants the content.
    pub content: Option<Vec<u8>>,
}

/// What of a file matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing.
    Nothing,
    /// That it is there.
    Name,
    /// What it says.
    Content,
}

/// A checkpoint, and what is known of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// Its directory, or the file itself if it is a single one.
    pub path: Vec<u8>,
    /// What wrote it.
    pub framework: &'static str,
    /// Why it is not complete, each reason with the name of the file; empty if it is.
    pub faults: Vec<String>,
    /// The training step.
    pub step: Option<u64>,
    /// Metrics that its own files state.
    pub metrics: BTreeMap<String, f64>,
    /// The newest change of its files, seconds since 1970.
    pub mtime: i64,
}
