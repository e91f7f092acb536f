//! What to restore and how, and what came of it.

use crate::error::Problem;
use crate::records::snapshot::Snapshot;
use serde::Serialize;
use std::path::PathBuf;

/// What to do with a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Make it what the snapshot has; equal parts are not fetched.
    #[default]
    Always,
    /// Like `Always`, but a file with the same size and mtime is taken to be equal.
    IfChanged,
    /// Only if the snapshot's is newer.
    IfNewer,
    /// Leave it.
    Never,
}

/// What to restore, and where to.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Only what is at or below this path, which is then put right into the target; empty: all, with whole paths.
    pub subtree: Vec<u8>,
    /// The directory to restore into.
    pub target: PathBuf,
    /// Only paths that match one of these patterns, and what is below them; none: all.
    pub include: Vec<String>,
    /// No paths that match one of these patterns.
    pub exclude: Vec<String>,
    /// What to do with files that are there.
    pub overwrite: Overwrite,
    /// Remove what is in restored directories and not in the snapshot.
    pub delete: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Read every restored file again and compare it.
    pub verify: bool,
    /// Leave out the state of optimizers, schedulers and random numbers.
    pub weights_only: bool,
    /// Put files where the snapshot has symbolic links to them.
    pub flat: bool,
    /// Only tensors with names that match one of these patterns, in safetensors files of their own; none: whole files.
    pub tensors: Vec<String>,
}

/// What a restore did. Bytes are those of files.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// Files, links and directories selected.
    pub total_entries: u64,
    /// Files selected.
    pub total_files: u64,
    /// Bytes of them.
    pub total_bytes: u64,
    /// Files written.
    pub files_restored: u64,
    /// Bytes of them.
    pub bytes_restored: u64,
    /// Files left as they were.
    pub files_skipped: u64,
    /// Bytes of them, and of parts that were there already.
    pub bytes_skipped: u64,
    /// Bytes read from packs.
    pub bytes_fetched: u64,
    /// Names removed by `delete`, or that would be in a dry run; a directory counts once.
    pub files_deleted: u64,
    /// The first of their paths.
    pub deletions: Vec<String>,
    /// Files read again and found equal.
    pub files_verified: u64,
    /// Files of training state that were left out.
    pub files_left_out: u64,
    /// Bytes of them.
    pub bytes_left_out: u64,
    /// Tensors written into files of their own.
    pub tensors_restored: u64,
    /// The first of those files.
    pub tensor_files: Vec<TensorFile>,
    /// What went wrong.
    pub problems: Vec<Problem>,
}

/// A file that was, or would be, written for some tensors of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorFile {
    /// Its path, escaped.
    pub path: String,
    /// How many tensors are in it.
    pub tensors: u64,
    /// Its length.
    pub bytes: u64,
    /// Bytes read from packs for it.
    pub bytes_fetched: u64,
}
