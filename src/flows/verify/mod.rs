//! Verify: what is there, what refers to what, and whether every byte still opens.

use crate::error::Problem;
use crate::id::ObjectId;
use serde::Serialize;

/// How much of the data is read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// None of it.
    #[default]
    None,
    /// All of it.
    All,
    /// The n-th of t parts, by the names of the packs: t runs read everything.
    Part {
        /// From 1 to `of`.
        part: u64,
        /// How many parts there are.
        of: u64,
    },
    /// A random share of the packs, in percent.
    Percent(f64),
    /// Random packs of about so many bytes.
    Size(u64),
}

/// How deep to look.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Hash every object and compare with its name.
    pub scrub: bool,
    /// Open, decode and hash chunks.
    pub read_data: ReadData,
}

/// A file that needs something damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// Its snapshot.
    pub snapshot: ObjectId,
    /// Its path, escaped for a terminal.
    pub path: String,
}

/// One damaged or missing object.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    /// Its name in the repository.
    pub object: String,
    /// What is wrong with it.
    pub message: String,
    /// How many chunks are lost with it.
    pub chunks: u64,
    /// The first files that need them.
    pub files: Vec<Affected>,
    /// How many such files there are, over all snapshots.
    pub file_count: u64,
    /// What can be done.
    pub advice: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Snapshots checked.
    pub snapshots: u64,
    /// Packs in the repository.
    pub packs: u64,
    /// Chunks in the index.
    pub chunks: u64,
    /// Objects hashed by `scrub`.
    pub objects_hashed: u64,
    /// Packs whose chunks were opened.
    pub packs_read: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Damage; not empty means exit 20.
    pub damage: Vec<Damage>,
    /// What could not be looked at; not empty (and no damage) means exit 21.
    pub unknown: Vec<Problem>,
    /// Harmless finds, such as packs of an interrupted run.
    pub notes: Vec<Problem>,
}
