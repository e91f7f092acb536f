//! A key slot's bytes: clear cost, the wrapped keyring, and a sealed note for `key list`.

use serde::{Deserialize, Serialize};

/// What kind of secret opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// A password.
    Password,
    /// A key file.
    KeyFile,
}

/// The body of a slot, after the common header: a clear part of 24 bytes, then two sealed parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotBody {
    /// What opens it.
    pub kind: SlotKind,
    /// Argon2id memory in KiB, passes and lanes; zeros for a key file.
    pub cost: [u32; 3],
    /// Keyring sealed with the key from the secret: ciphertext and tag.
    pub keyring: Vec<u8>,
    /// [`SlotNote`] sealed with a key from the keyring: ciphertext and tag.
    pub note: Vec<u8>,
}

/// What `key list` shows of a slot; only holders of the master key can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotNote {
    /// When the slot was made, RFC 3339.
    pub created: String,
    /// On which host.
    pub hostname: String,
    /// By whom.
    pub username: String,
    /// A free label.
    #[serde(default)]
    pub label: String,
}

const CLEAR_LEN: usize = 24;

impl SlotBody {
    /// The clear part: kind, 3 zero bytes, cost, length of the keyring, length of the note, all little endian.
    pub fn clear(&self) -> [u8; CLEAR_LEN] {
        let mut clear = [0; CLEAR_LEN];
        clear[0] = match self.kind {
            SlotKind::Password => 1,
            SlotKind::KeyFile => 2,
        };
        let numbers = self.cost.into_iter().chain([self.keyring.len() as u32, self.note.len() as u32]);
        for (place, number) in clear[4..].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        clear
    }

    /// All bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.clear()[..], &self.keyring, &self.note].concat()
    }

    /// Reads the body; an unknown kind is `Ok(None)`: another slot may open.
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<SlotBody>, String> {
        let cut_short = || "it is cut short or too long".to_owned();
        let clear = bytes.get(..CLEAR_LEN).ok_or_else(cut_short)?;
        let number = |at: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&clear[at..at + 4]);
            u32::from_le_bytes(word)
        };
        let kind = match clear[0] {
            1 => SlotKind::Password,
            2 => SlotKind::KeyFile,
            _ => return Ok(None),
        };
        if clear[1..4] != [0; 3] {
            return Err("bytes that must be zero are not".into());
        }
        let keyring_end = CLEAR_LEN.checked_add(number(16) as usize).ok_or_else(cut_short)?;
        let keyring = bytes.get(CLEAR_LEN..keyring_end).ok_or_else(cut_short)?.to_vec();
        let note = bytes[keyring_end..].to_vec();
        if note.len() != number(20) as usize {
            return Err(cut_short());
        }
        Ok(Some(SlotBody { kind, cost: [number(4), number(8), number(12)], keyring, note }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let body = SlotBody { kind: SlotKind::Password, cost: [65536, 3, 4], keyring: vec![1; 60], note: vec![2; 90] };
        let bytes = body.to_bytes();
        assert_eq!(SlotBody::from_bytes(&bytes), Ok(Some(body)));
        for len in 0..bytes.len() {
            assert!(SlotBody::from_bytes(&bytes[..len]).is_err());
        }
        assert_eq!(SlotBody::from_bytes(&[&[9][..], &bytes[1..]].concat()), Ok(None));
    }
}
