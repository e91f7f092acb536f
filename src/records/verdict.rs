//! The verdict of a verification: which snapshots it found damaged. Kept so that `last-good` passes them over.

use crate::id::{Id, ObjectId};
use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};

/// One verification, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// When it ended.
    pub time: DateTime<FixedOffset>,
    /// Where it ran.
    pub hostname: String,
    /// Whether every chunk was opened, decoded and hashed; otherwise only what it lists is known.
    pub read_data: bool,
    /// Earlier verdicts that this one makes up for: those that were known when a verification of all data began.
    #[serde(default)]
    pub replaces: Vec<ObjectId>,
    /// Snapshots that lost something.
    pub damaged: Vec<DamagedSnapshot>,
    /// What wrote it.
    pub program_version: String,
    /// Its hash: not stored, filled in when it is read.
    #[serde(skip)]
    pub id: Option<ObjectId>,
}

/// A snapshot that lost something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedSnapshot {
    /// The snapshot.
    pub snapshot: ObjectId,
    /// How many of its files.
    pub files: u64,
    /// The first damaged object that it needs.
    pub object: String,
}

impl Verdict {
    /// The JSON text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec_pretty(self).map_err(|e| e.to_string())
    }

    /// Reads the JSON text of the object named `id`.
    pub fn from_bytes(bytes: &[u8], id: ObjectId) -> Result<Verdict, String> {
        let mut verdict: Verdict = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        verdict.id = Some(id);
        Ok(verdict)
    }
}

/// What the verdicts say of a snapshot. A verdict that another one replaces counts no more; clocks do not matter.
pub fn damage<'a>(verdicts: &'a [Verdict], snapshot: &Id) -> Option<&'a DamagedSnapshot> {
    let replaced = |id: &ObjectId| verdicts.iter().any(|other| other.id != Some(*id) && other.replaces.contains(id));
    let counts = |verdict: &&Verdict| verdict.id.is_none_or(|id| !replaced(&id));
    let mut listed = verdicts.iter().filter(counts).flat_map(|verdict| &verdict.damaged);
    listed.find(|damaged| damaged.snapshot == *snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_counts_until_one_that_knew_it_replaces_it() {
        let verdict = |id: u8, replaces: &[u8], damaged: &[u8]| Verdict {
            time: DateTime::default(),
            hostname: "h".into(),
            read_data: true,
            replaces: replaces.iter().map(|n| Id([*n; 32])).collect(),
            damaged: damaged
                .iter()
                .map(|n| DamagedSnapshot { snapshot: Id([*n; 32]), files: 1, object: "packs/x".into() })
                .collect(),
            program_version: "x".into(),
            id: Some(Id([id; 32])),
        };
        let is = |verdicts: &[Verdict], n: u8| damage(verdicts, &Id([n; 32])).is_some();
        let old = verdict(1, &[], &[1, 2]);
        assert!(is(std::slice::from_ref(&old), 1) && !is(std::slice::from_ref(&old), 3));
        assert!(is(&[verdict(2, &[], &[]), old.clone()], 1), "one that did not know of it says nothing");
        for order in [false, true] {
            let mut both = vec![verdict(2, &[1], &[2]), old.clone()];
            if order {
                both.reverse();
            }
            assert!(!is(&both, 1) && is(&both, 2));
        }
        let bytes = verdict(4, &[3], &[4]).to_bytes().unwrap();
        assert_eq!(Verdict::from_bytes(&bytes, Id([4; 32])).unwrap(), verdict(4, &[3], &[4]));
    }
}
