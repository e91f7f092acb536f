//! The snapshot record: what was backed up, when, by whom, and how it went.

use crate::error::Problem;
use crate::id::{Id, ObjectId};
use chrono::{DateTime, FixedOffset, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of one backup, with restic's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// When it began and ended, RFC 3339.
    pub backup_start: String,
    /// When the last chunk was stored.
    pub backup_end: String,
    /// Files that the parent does not have.
    pub files_new: u64,
    /// Files that differ from the parent's.
    pub files_changed: u64,
    /// Files that were not read again.
    pub files_unmodified: u64,
    /// Directories that the parent does not have.
    pub dirs_new: u64,
    /// Directories whose metadata differ from the parent's.
    pub dirs_changed: u64,
    /// Directories that are as they were.
    pub dirs_unmodified: u64,
    /// Chunks that were new to the repository.
    pub data_blobs: u64,
    /// Manifest pages and chunk lists that were new.
    pub tree_blobs: u64,
    /// Bytes of new chunks, as they were read.
    pub data_added: u64,
    /// Bytes that they take in packs.
    pub data_added_packed: u64,
    /// Bytes read whose chunks the repository already had.
    pub data_duplicate: u64,
    /// Of `data_added`, what is stored as byte planes, and what that takes in packs.
    pub data_planes: u64,
    /// The latter.
    pub data_planes_packed: u64,
    /// Of `data_added`, what is stored as the difference to an earlier tensor, and what that takes in packs.
    pub data_delta: u64,
    /// The latter.
    pub data_delta_packed: u64,
    /// Bytes of files that were not read again.
    pub data_unmodified: u64,
    /// All files of the snapshot.
    pub total_files_processed: u64,
    /// All bytes of the snapshot's files.
    pub total_bytes_processed: u64,
}

/// The commit record of a backup, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When the backup began, with the zone of the host.
    pub time: DateTime<FixedOffset>,
    /// The host.
    pub hostname: String,
    /// The user that ran lastgood.
    pub username: String,
    /// Its number.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Snapshots of one host and label are a series.
    #[serde(default)]
    pub label: String,
    /// Tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Free pairs: step, metrics, git commit, run id.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
    /// What was asked for, absolute.
    pub paths: Vec<String>,
    /// Patterns that were left out.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// The snapshot before it in its series.
    pub parent: Option<ObjectId>,
    /// Its number in its series, from 1.
    pub sequence: u64,
    /// Newest snapshot of every other series that was visible: a rolled-back repository shows.
    #[serde(default)]
    pub seen_heads: Vec<SeenHead>,
    /// The manifest's root chunk.
    pub tree: Id,
    /// The manifest chunk with the list of all files with tensors ([`crate::records::model::ModelRef`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Id>,
    /// The checkpoints that were recognised, and how they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<Checkpoint>,
    /// False if a source was unreadable, unstable or gone.
    pub complete: bool,
    /// The first problems, at most [`PROBLEMS_KEPT`]; `problem_count` says how many there were.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// How many problems there were.
    #[serde(default)]
    pub problem_count: u64,
    /// Several snapshots with the same group make one checkpoint.
    #[serde(default)]
    pub group: Option<String>,
    /// What wrote it.
    pub program_version: String,
    /// Counts.
    pub summary: Summary,
    /// Name of the object without the time: not stored, filled in when it is read.
    #[serde(skip)]
    pub id: Option<ObjectId>,
}

/// A checkpoint in a snapshot: a directory, or a single file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// Its path, escaped for a terminal.
    pub path: String,
    /// What wrote it.
    pub framework: String,
    /// Whether all that belongs to it is there and whole.
    pub complete: bool,
    /// Why it is not.
    pub faults: Vec<String>,
    /// Elements of its tensors that are NaN or infinite.
    pub not_finite: u64,
    /// How many elements its tensors have.
    pub elements: u64,
    /// The training step.
    pub step: Option<u64>,
    /// Metrics that its own files state.
    pub metrics: BTreeMap<String, f64>,
    /// Whether it is the newest of its family, such as checkpoint-1500 beside checkpoint-1000.
    pub newest: bool,
}

impl Checkpoint {
    /// Whether somebody could go on from it.
    pub fn good(&self) -> bool {
        self.complete && self.not_finite == 0
    }
}

/// The newest snapshot of a series, as another series saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHead {
    /// Host of the series.
    pub hostname: String,
    /// Label of the series.
    pub label: String,
    /// Number in the series.
    pub sequence: u64,
    /// The snapshot.
    pub id: ObjectId,
}

/// How many problems a snapshot keeps.
pub const PROBLEMS_KEPT: usize = 1000;

impl Snapshot {
    /// The JSON text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec_pretty(self).map_err(|e| e.to_string())
    }

    /// Reads the JSON text of the object named `id`.
    pub fn from_bytes(bytes: &[u8], id: ObjectId) -> Result<Snapshot, String> {
        let mut snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        snapshot.id = Some(id);
        Ok(snapshot)
    }

    /// Whether both are of one series.
    pub fn same_series(&self, hostname: &str, label: &str) -> bool {
        self.hostname == hostname && self.label == label
    }

    /// The training step: as `meta` says, or that of the newest checkpoint.
    pub fn step(&self) -> Option<u64> {
        let said = ["step", "global_step"].iter().find_map(|name| self.meta.get(*name)?.parse().ok());
        said.or_else(|| self.checkpoints.iter().filter(|checkpoint| checkpoint.newest).filter_map(|c| c.step).max())
    }

    /// A metric: as `meta` says, or that of the newest checkpoint that has it. Only finite ones count.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let said = self.meta.get(name).and_then(|value| value.parse().ok());
        let of = |checkpoint: &&Checkpoint| checkpoint.newest && checkpoint.metrics.contains_key(name);
        let newest = self.checkpoints.iter().filter(of).max_by_key(|checkpoint| checkpoint.step);
        said.or_else(|| newest.and_then(|checkpoint| checkpoint.metrics.get(name).copied()))
            .filter(|v: &f64| v.is_finite())
    }

    /// The id, brief.
    pub fn brief(&self) -> String {
        self.id.map_or_else(|| "new".into(), |id| id.brief())
    }
}

/// The name of a snapshot object: its time in UTC to the microsecond, and its hash.
pub fn snapshot_name(time: &DateTime<FixedOffset>, id: &ObjectId) -> String {
    format!("{}-{id}", time.with_timezone(&Utc).format("%Y%m%dT%H%M%S%6fZ"))
}

/// Time and hash of a snapshot by its name.
pub fn parse_name(name: &str) -> Option<(DateTime<Utc>, ObjectId)> {
    let (time, id) = name.split_once('-')?;
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%6fZ").ok()?;
    Some((time.and_utc(), Id::from_hex(id)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_time() {
        let time = DateTime::parse_from_rfc3339("2026-08-20T14:00:00.123456+02:00").unwrap();
        let name = snapshot_name(&time, &Id([5; 32]));
        assert!(name.starts_with("20260820T120000123456Z-0505"), "{name}");
        assert_eq!(parse_name(&name), Some((time.with_timezone(&Utc), Id([5; 32]))));
        assert_eq!(parse_name("20260820T120000Z-05"), None);
    }
}
