//! The envelope of every object: a clear header, a key for this one object, and sealing of small objects whole.

use super::crypto::Aead;
use crate::id::{ChunkId, Id};
use crate::spec::{FORMAT_VERSION, HEADER_LEN, MAGIC, ObjectType, SUITE, TAG_LEN};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Why an object cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// It is shorter than its parts, or not as long as it says.
    Length,
    /// It does not begin as our objects do.
    Foreign,
    /// It was written by a newer lastgood.
    Newer(String),
    /// Its header was changed.
    Header,
    /// It is of another type than its place says.
    Type(u8),
    /// It belongs to another repository.
    Repository,
    /// It was sealed with a key that this repository's keyring does not have.
    Key,
    /// Its body was changed.
    Body,
    /// What it holds breaks a rule of the format.
    Content(String),
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvelopeError::Length => f.write_str("it is cut short or too long"),
            EnvelopeError::Foreign => f.write_str("it is no lastgood object"),
            EnvelopeError::Newer(what) => write!(f, "it needs a newer lastgood ({what})"),
            EnvelopeError::Header => f.write_str("its header was changed"),
            EnvelopeError::Type(found) => write!(f, "it is an object of type {found}, which does not belong there"),
            EnvelopeError::Repository => f.write_str("it belongs to another repository"),
            EnvelopeError::Key => f.write_str("it was sealed with another key"),
            EnvelopeError::Body => f.write_str("its content was changed"),
            EnvelopeError::Content(what) => write!(f, "its content breaks the format: {what}"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

/// The clear first 128 bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the object is.
    pub object_type: u8,
    /// Which master key it was sealed under.
    pub epoch: u32,
    /// Random id of the repository.
    pub repository: [u8; 32],
    /// Makes the object's key, and its name, unique.
    pub salt: [u8; 32],
    /// Proof that a key is the object's key, checked before anything is decrypted.
    pub commit: [u8; 32],
    /// Bytes after the header.
    pub body_len: u64,
}

impl Header {
    /// The bytes that the object's key is derived from.
    fn prefix(&self) -> [u8; 80] {
        let mut bytes = [0; 80];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = FORMAT_VERSION;
        bytes[9] = self.object_type;
        bytes[10] = SUITE;
        bytes[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.repository);
        bytes[48..80].copy_from_slice(&self.salt);
        bytes
    }

    /// All 128 bytes.
    pub fn bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..80].copy_from_slice(&self.prefix());
        bytes[80..112].copy_from_slice(&self.commit);
        let sum = blake3::hash(&bytes[..112]);
        bytes[112..120].copy_from_slice(&sum.as_bytes()[..8]);
        bytes[120..].copy_from_slice(&self.body_len.to_le_bytes());
        bytes
    }

    /// Reads the header of an object that is `object_len` bytes long; needs no key.
    pub fn parse(bytes: &[u8], object_len: u64) -> Result<Header, EnvelopeError> {
        let bytes: &[u8; HEADER_LEN] =
            bytes.get(..HEADER_LEN).and_then(|b| b.try_into().ok()).ok_or(EnvelopeError::Length)?;
        if &bytes[..8] != MAGIC {
            return Err(EnvelopeError::Foreign);
        }
        let sum = blake3::hash(&bytes[..112]);
        if bytes[112..120] != sum.as_bytes()[..8] {
            return Err(EnvelopeError::Header);
        }
        for (at, known, what) in [(8, FORMAT_VERSION, "format"), (10, SUITE, "crypto suite"), (11, 0, "flags")] {
            if bytes[at] != known {
                return Err(EnvelopeError::Newer(format!("{what} {}", bytes[at])));
            }
        }
        let (mut epoch, mut body_len) = ([0; 4], [0; 8]);
        epoch.copy_from_slice(&bytes[12..16]);
        body_len.copy_from_slice(&bytes[120..]);
        let part = |from: usize| {
            let mut part = [0; 32];
            part.copy_from_slice(&bytes[from..from + 32]);
            part
        };
        let header = Header {
            object_type: bytes[9],
            epoch: u32::from_le_bytes(epoch),
            repository: part(16),
            salt: part(48),
            commit: part(80),
            body_len: u64::from_le_bytes(body_len),
        };
        if header.body_len.checked_add(HEADER_LEN as u64) != Some(object_len) {
            return Err(EnvelopeError::Length);
        }
        Ok(header)
    }
}

/// One master key and the time it came into use.
#[derive(Clone)]
pub struct Epoch {
    /// Its number; 0 is the first.
    pub number: u32,
    /// The master key.
    pub key: Zeroizing<[u8; 32]>,
    /// Seconds since 1970.
    pub created: i64,
}

/// Which chunk ids: file content and manifests are named with different keys, so that one can never pose as the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Realm {
    /// File content.
    Data,
    /// Manifest pages and chunk lists.
    Manifest,
}

impl Realm {
    /// The type of the packs that hold these chunks.
    pub fn pack_type(self) -> ObjectType {
        match self {
            Realm::Data => ObjectType::DataPack,
            Realm::Manifest => ObjectType::ManifestPack,
        }
    }
}

/// All keys of an open repository.
pub struct Keys {
    repository: [u8; 32],
    epochs: Vec<Epoch>,
    data_ids: Zeroizing<[u8; 32]>,
    manifest_ids: Zeroizing<[u8; 32]>,
    cutter: Zeroizing<[u8; 32]>,
    salts: Zeroizing<[u8; 32]>,
    notes: Zeroizing<[u8; 32]>,
}

fn derive(context: &str, key: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key(context, key))
}

impl Keys {
    /// The keys of a repository; ids and cuts hang on the first epoch for ever, since deduplication does.
    pub fn new(repository: [u8; 32], epochs: Vec<Epoch>) -> Option<Keys> {
        let first = epochs.iter().find(|epoch| epoch.number == 0)?.key.clone();
        Some(Keys {
            repository,
            epochs,
            data_ids: derive("lastgood 2026 v1 id data", &first),
            manifest_ids: derive("lastgood 2026 v1 id manifest", &first),
            cutter: derive("lastgood 2026 v1 cutter", &first),
            salts: derive("lastgood 2026 v1 salt", &first),
            notes: derive("lastgood 2026 v1 slot note", &first),
        })
    }

    /// The repository's random id.
    pub fn repository(&self) -> &[u8; 32] {
        &self.repository
    }

    /// The master keys, for a new slot.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The key of the cutter.
    pub fn cutter(&self) -> &[u8; 32] {
        &self.cutter
    }

    /// The key that slots' notes are sealed with.
    pub fn notes(&self) -> &[u8; 32] {
        &self.notes
    }

    /// The id of a chunk.
    pub fn chunk_id(&self, realm: Realm, plaintext: &[u8]) -> ChunkId {
        let key = match realm {
            Realm::Data => &self.data_ids,
            Realm::Manifest => &self.manifest_ids,
        };
        Id(*blake3::keyed_hash(key, plaintext).as_bytes())
    }

    /// A salt that is unique even if the random generator repeats itself: it also depends on `content`,
    /// a digest of everything that will be sealed under it.
    pub fn salt(&self, content: &[u8]) -> Result<[u8; 32], getrandom::Error> {
        let mut random = [0; 32];
        getrandom::fill(&mut random)?;
        let mut hasher = blake3::Hasher::new_keyed(&self.salts);
        hasher.update(&random).update(content);
        Ok(*hasher.finalize().as_bytes())
    }

    /// A new header with its key, under the newest epoch.
    pub fn new_object(&self, object_type: ObjectType, salt: [u8; 32]) -> (Header, Aead) {
        let epoch = self.epochs.iter().map(|epoch| epoch.number).max().unwrap_or(0);
        let repository = self.repository;
        let mut header =
            Header { object_type: object_type as u8, epoch, repository, salt, commit: [0; 32], body_len: 0 };
        let (key, commit) = match self.object_key(&header) {
            Ok(found) => found,
            Err(_) => unreachable!("the newest epoch is in the keyring"),
        };
        header.commit = commit;
        (header, Aead::new(&key))
    }

    fn object_key(&self, header: &Header) -> Result<(Zeroizing<[u8; 32]>, [u8; 32]), EnvelopeError> {
        let epoch = self.epochs.iter().find(|epoch| epoch.number == header.epoch).ok_or(EnvelopeError::Key)?;
        let of_type = derive(&format!("lastgood 2026 v1 object {}", header.object_type), &epoch.key);
        let mut both = Zeroizing::new([0; 64]);
        blake3::Hasher::new_keyed(&of_type).update(&header.prefix()).finalize_xof().fill(&mut both[..]);
        let (mut key, mut commit) = (Zeroizing::new([0; 32]), [0; 32]);
        key.copy_from_slice(&both[..32]);
        commit.copy_from_slice(&both[32..]);
        Ok((key, commit))
    }

    /// The key of an object by its header, if the header is of this repository and commits to that key.
    pub fn open_header(&self, header: &Header, object_type: ObjectType) -> Result<Aead, EnvelopeError> {
        if header.object_type != object_type as u8 {
            return Err(EnvelopeError::Type(header.object_type));
        }
        if header.repository != self.repository {
            return Err(EnvelopeError::Repository);
        }
        let (key, commit) = self.object_key(header)?;
        if !bool::from(commit.ct_eq(&header.commit)) {
            return Err(EnvelopeError::Key);
        }
        Ok(Aead::new(&key))
    }

    /// The key of a pack from what the index says of it, so that one range of it can be opened without its header.
    pub fn pack_key(&self, realm: Realm, epoch: u32, salt: &[u8; 32]) -> Result<Aead, EnvelopeError> {
        let object_type = realm.pack_type() as u8;
        let header =
            Header { object_type, epoch, repository: self.repository, salt: *salt, commit: [0; 32], body_len: 0 };
        Ok(Aead::new(&self.object_key(&header)?.0))
    }

    /// Seals a small object whole: header, ciphertext, tag.
    pub fn seal(&self, object_type: ObjectType, plaintext: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        let salt = self.salt(blake3::hash(plaintext).as_bytes())?;
        let (mut header, key) = self.new_object(object_type, salt);
        header.body_len = (plaintext.len() + TAG_LEN) as u64;
        let mut object = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        object.extend_from_slice(&header.bytes());
        object.extend_from_slice(plaintext);
        match key.seal(&[0; 12], b"", &mut object[HEADER_LEN..]) {
            Ok(tag) => object.extend_from_slice(&tag),
            Err(_) => unreachable!("sealing fails only beyond 64 GiB"),
        }
        Ok(object)
    }

    /// Opens a small object that was sealed whole.
    pub fn open(&self, object_type: ObjectType, object: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let header = Header::parse(object, object.len() as u64)?;
        let key = self.open_header(&header, object_type)?;
        let mut plaintext = Vec::new();
        key.open(&[0; 12], b"", &object[HEADER_LEN..], &mut plaintext).map_err(|_| EnvelopeError::Body)?;
        Ok(plaintext)
    }
}

#[cfg(test)]
pub(crate) fn test_keys(seed: u8) -> Keys {
    let epoch = Epoch { number: 0, key: Zeroizing::new([seed; 32]), created: 0 };
    Keys::new([seed; 32], vec![epoch]).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_and_every_bit_matters() {
        let keys = test_keys(1);
        let mut object = keys.seal(ObjectType::Index, b"plain words").unwrap();
        assert_eq!(keys.open(ObjectType::Index, &object).unwrap(), b"plain words");
        for bit in 0..object.len() * 8 {
            object[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open(ObjectType::Index, &object).is_err(), "bit {bit}");
            object[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..object.len() {
            assert!(keys.open(ObjectType::Index, &object[..len]).is_err());
        }
    }

    #[test]
    fn another_type_repository_or_key_is_named() {
        let (keys, other) = (test_keys(1), test_keys(2));
        let object = keys.seal(ObjectType::Index, b"x").unwrap();
        assert_eq!(keys.open(ObjectType::Snapshot, &object), Err(EnvelopeError::Type(5)));
        assert_eq!(other.open(ObjectType::Index, &object), Err(EnvelopeError::Repository));
        let epoch = Epoch { number: 0, key: Zeroizing::new([9; 32]), created: 0 };
        let same_id = Keys::new([1; 32], vec![epoch]).unwrap();
        assert_eq!(same_id.open(ObjectType::Index, &object), Err(EnvelopeError::Key));
        assert_eq!(keys.open(ObjectType::Index, b"LASTGOO"), Err(EnvelopeError::Length));
        assert_eq!(keys.open(ObjectType::Index, &[0; 200]), Err(EnvelopeError::Foreign));
    }

    #[test]
    fn equal_objects_get_different_names() {
        let keys = test_keys(1);
        assert_ne!(keys.seal(ObjectType::Index, b"x").unwrap(), keys.seal(ObjectType::Index, b"x").unwrap());
        assert_ne!(keys.chunk_id(Realm::Data, b"x"), keys.chunk_id(Realm::Manifest, b"x"));
    }
}
