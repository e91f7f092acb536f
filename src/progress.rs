//! How a flow tells what it is doing, and learns that it should stop.

use crate::error::{Error, Problem, Result};

/// What a flow is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opening the repository and reading its index.
    Opening,
    /// Waiting for a checkpoint to be complete.
    Waiting,
    /// Walking and reading the sources.
    Saving,
    /// Writing the last packs, the index and the snapshot.
    Committing,
    /// Deciding what to restore.
    Planning,
    /// Restoring files.
    Restoring,
    /// Setting directory times and removing what is not in the snapshot.
    Finishing,
    /// Checking which objects exist, and how they refer to each other.
    Structure,
    /// Hashing objects.
    Scrubbing,
    /// Opening and decoding chunks.
    Reading,
}

/// A step forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Entries done.
    Entries(u64),
    /// Bytes of a file that did not change and was not read.
    Unchanged(u64),
    /// Bytes read whose chunk the repository already has.
    Duplicate(u64),
    /// Bytes read and stored, and what they came to.
    Stored {
        /// Bytes before coding.
        raw: u64,
        /// Bytes after coding and sealing.
        stored: u64,
    },
    /// Bytes written to a target, or checked.
    Done(u64),
    /// Bytes that did not have to be written or fetched.
    Skipped(u64),
}

/// Where a flow reports to. Workers only call; whoever draws does it on its own clock.
pub trait Progress: Send + Sync {
    /// A new phase starts.
    fn phase(&self, phase: Phase);
    /// So much is to be done in this phase, as far as is known by now; replaces what was said before.
    fn total(&self, entries: u64, bytes: u64);
    /// So much was done.
    fn step(&self, step: Step);
    /// The entry that is being worked on, as bytes of its path.
    fn current(&self, path: &[u8]);
    /// Something went wrong that does not stop the run.
    fn problem(&self, problem: &Problem);
    /// Whether the run was asked to stop.
    fn stopped(&self) -> bool;

    /// An error if the run was asked to stop.
    fn check(&self) -> Result<()> {
        if self.stopped() { Err(Error::interrupted()) } else { Ok(()) }
    }
}

/// Reports nothing, never stops.
pub struct Quiet;

impl Progress for Quiet {
    fn phase(&self, _: Phase) {}
    fn total(&self, _: u64, _: u64) {}
    fn step(&self, _: Step) {}
    fn current(&self, _: &[u8]) {}
    fn problem(&self, _: &Problem) {}
    fn stopped(&self) -> bool {
        false
    }
}
