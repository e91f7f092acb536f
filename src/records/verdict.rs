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

/// What the newest verdicts say of a snapshot; `verdicts` are sorted, newest first. A verification of all data that does not
/// list it makes up for older ones that do.
pub fn damage<'a>(verdicts: &'a [Verdict], snapshot: &Id) -> Option<&'a DamagedSnapshot> {
    for verdict in verdicts {
        let listed = verdict.damaged.iter().find(|damaged| damaged.snapshot == *snapshot);
        if listed.is_some() || verdict.read_data {
            return listed;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_verification_makes_up_for_older_damage() {
        let verdict = |read_data, damaged: &[u8]| Verdict {
            time: DateTime::default(),
            hostname: "h".into(),
            read_data,
            damaged: damaged
                .iter()
                .map(|n| DamagedSnapshot { snapshot: Id([*n; 32]), files: 1, object: "packs/x".into() })
                .collect(),
            program_version: "x".into(),
            id: None,
        };
        let is = |verdicts: &[Verdict], n: u8| damage(verdicts, &Id([n; 32])).is_some();
        let old = verdict(true, &[1, 2]);
        let one = std::slice::from_ref(&old);
        assert!(is(one, 1) && !is(one, 3));
        assert!(is(&[verdict(false, &[]), old.clone()], 1), "a look at the structure says nothing of the data");
        assert!(!is(&[verdict(true, &[2]), old.clone()], 1) && is(&[verdict(true, &[2]), old], 2));
        let bytes = verdict(true, &[4]).to_bytes().unwrap();
        assert_eq!(Verdict::from_bytes(&bytes, Id([5; 32])).unwrap().damaged.len(), 1);
    }
}
