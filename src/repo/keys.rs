//! Key slots: wrapping the keyring with a password or a key file, opening it, listing, adding, removing.

use super::{Repository, on_cpu, store::Store};
use crate::codec::crypto::Aead;
use crate::codec::envelope::{EnvelopeError, Epoch, Header, Keys};
use crate::codec::kdf::{Cost, Secret, stretch};
use crate::error::{Error, Kind, Result};
use crate::id::{Id, ObjectId};
use crate::records::slot::{SlotBody, SlotKind, SlotNote};
use crate::spec::{HEADER_LEN, KEYS, OBJECT_MAX, ObjectType, SLOTS_MAX};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A slot as `key list` shows it.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its name.
    pub id: ObjectId,
    /// What opens it.
    pub kind: SlotKind,
    /// What it costs to open.
    pub cost: [u32; 3],
    /// Who made it and when; `None` if the note cannot be read.
    pub note: Option<SlotNote>,
    /// Whether it opened the repository this time.
    pub current: bool,
}

/// What opened a repository.
pub struct Unlocked {
    /// The keys.
    pub keys: Arc<Keys>,
    /// The slot that opened.
    pub slot: ObjectId,
}

/// Seals the keyring into a new slot object.
pub fn seal_slot(keys: &Keys, secret: &Secret, cost: Cost, note: &SlotNote) -> Result<Vec<u8>> {
    let internal = |what: String| Error::new(Kind::Internal, "Cannot make a key slot").because(what);
    let (kind, cost) = match secret {
        Secret::Password(_) => (SlotKind::Password, cost),
        Secret::KeyFile(_) => (SlotKind::KeyFile, Cost { memory_kib: 0, passes: 0, lanes: 0 }),
    };
    let note = serde_json::to_vec(note).map_err(|e| internal(e.to_string()))?;
    let salt = keys.salt(&note).map_err(|e| internal(e.to_string()))?;
    let stretched = stretch(secret, &salt, &cost).map_err(internal)?;
    let note = seal(&note_key(keys, &salt), b"", &note)?;

    let mut keyring = Zeroizing::new(Vec::with_capacity(4 + 44 * keys.epochs().len()));
    keyring.extend_from_slice(&(keys.epochs().len() as u32).to_le_bytes());
    for epoch in keys.epochs() {
        keyring.extend_from_slice(&epoch.number.to_le_bytes());
        keyring.extend_from_slice(&epoch.key[..]);
        keyring.extend_from_slice(&epoch.created.to_le_bytes());
    }
    let sealed_len = keyring.len() + crate::spec::TAG_LEN;
    let cost = [cost.memory_kib, cost.passes, cost.lanes];
    let mut body = SlotBody { kind, cost, keyring: vec![0; sealed_len], note };
    let header = Header {
        object_type: ObjectType::Slot as u8,
        epoch: 0,
        repository: *keys.repository(),
        salt,
        commit: blake3::derive_key("lastgood 2026 v1 slot commit", &stretched[..]),
        body_len: body.to_bytes().len() as u64,
    };
    body.keyring = seal(&slot_key(&stretched), &slot_aad(&header, &body), &keyring)?;
    Ok([&header.bytes()[..], &body.to_bytes()].concat())
}

fn slot_key(stretched: &[u8; 32]) -> Aead {
    Aead::new(&Zeroizing::new(blake3::derive_key("lastgood 2026 v1 slot key", stretched)))
}

fn note_key(keys: &Keys, salt: &[u8; 32]) -> Aead {
    Aead::new(&Zeroizing::new(*blake3::keyed_hash(keys.notes(), salt).as_bytes()))
}

/// The whole clear header and the clear part of the body: none of it can be changed without notice.
fn slot_aad(header: &Header, body: &SlotBody) -> Vec<u8> {
    [&header.bytes()[..], &body.clear()].concat()
}

fn seal(key: &Aead, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let mut sealed = plaintext.to_vec();
    let tag = key.seal(&[0; 12], aad, &mut sealed).map_err(|_| Error::new(Kind::Internal, "Cannot seal a key slot"))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

fn parse_slot(object: &[u8]) -> Result<Option<(Header, SlotBody)>, EnvelopeError> {
    let header = Header::parse(object, object.len() as u64)?;
    if header.object_type != ObjectType::Slot as u8 {
        return Err(EnvelopeError::Type(header.object_type));
    }
    let body = SlotBody::from_bytes(&object[HEADER_LEN..]).map_err(EnvelopeError::Content)?;
    Ok(body.map(|body| (header, body)))
}

/// Whether a slot is for this kind of secret and not left by an `init` of another repository that was cut off.
fn fits(header: &Header, body: &SlotBody, repository: &[u8; 32], secret: &Secret) -> bool {
    header.repository == *repository && matches!(secret, Secret::Password(_)) == (body.kind == SlotKind::Password)
}

/// Tries one slot. `Ok(None)`: it is for another secret.
fn try_slot(header: &Header, body: &SlotBody, secret: &Secret) -> Result<Option<Keys>, EnvelopeError> {
    let [memory_kib, passes, lanes] = body.cost;
    let stretched =
        stretch(secret, &header.salt, &Cost { memory_kib, passes, lanes }).map_err(EnvelopeError::Content)?;
    // The commitment comes first: one crafted slot cannot match many passwords.
    let commit = blake3::derive_key("lastgood 2026 v1 slot commit", &stretched[..]);
    if !bool::from(commit.ct_eq(&header.commit)) {
        return Ok(None);
    }
    let mut keyring = Zeroizing::new(Vec::new());
    let opened = slot_key(&stretched).open(&[0; 12], &slot_aad(header, body), &body.keyring, &mut keyring);
    opened.map_err(|_| EnvelopeError::Body)?;
    let broken = || EnvelopeError::Content("its keyring is no keyring".into());
    read_keyring(&keyring).and_then(|epochs| Keys::new(header.repository, epochs)).map(Some).ok_or_else(broken)
}

fn read_keyring(bytes: &[u8]) -> Option<Vec<Epoch>> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    if rest.len() != (u32::from_le_bytes(*count) as usize).checked_mul(44)? {
        return None;
    }
    let epoch = |part: &[u8]| {
        let (number, rest) = part.split_first_chunk::<4>()?;
        let (key, created) = rest.split_first_chunk::<32>()?;
        let created = i64::from_le_bytes(created.try_into().ok()?);
        Some(Epoch { number: u32::from_le_bytes(*number), key: Zeroizing::new(*key), created })
    };
    rest.chunks_exact(44).map(epoch).collect()
}

/// All slot objects: name and bytes.
async fn load_slots(store: &Store) -> Result<Vec<(ObjectId, Vec<u8>)>> {
    let mut slots = Vec::new();
    for listed in store.list(KEYS).await? {
        let Some(id) = Id::from_hex(listed.file_name()) else { continue };
        match store.get(&listed.name, OBJECT_MAX).await {
            Ok(bytes) => slots.push((id, bytes.to_vec())),
            // Another host has just removed it, or the one bad slot must not block the others.
            Err(e) if matches!(e.kind, Kind::Missing | Kind::Damaged) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(slots)
}

/// Opens the keyring of a repository with a secret.
pub async fn unlock(store: &Store, repository: [u8; 32], secret: &Secret) -> Result<Unlocked> {
    let slots = load_slots(store).await?;
    let (place, secret) = (store.place().to_owned(), secret.clone());
    if slots.is_empty() {
        return Err(Error::damaged(format!("The repository {place} has no key slot left"))
            .hint("restore a file below keys/ from a copy of the repository"));
    }
    on_cpu(move || {
        let (mut faults, mut tried) = (Vec::new(), 0);
        for (id, bytes) in &slots {
            if Id::of(bytes) != *id {
                faults.push(format!("key slot {}: it is damaged", id.brief()));
                continue;
            }
            let tried_slot = match parse_slot(bytes) {
                Ok(Some((header, body))) if fits(&header, &body, &repository, &secret) && tried < SLOTS_MAX => {
                    tried += 1;
                    try_slot(&header, &body, &secret)
                }
                Ok(_) => Ok(None),
                Err(fault) => Err(fault),
            };
            match tried_slot {
                Ok(Some(keys)) => return Ok(Unlocked { keys: Arc::new(keys), slot: *id }),
                Ok(None) => {}
                Err(fault) => faults.push(format!("key slot {}: {fault}", id.brief())),
            }
        }
        let what = match &secret {
            Secret::Password(_) => "Wrong password",
            Secret::KeyFile(_) => "Wrong key file",
        };
        if tried == 0 && !faults.is_empty() {
            return Err(Error::damaged(format!("No key slot of the repository {place} is sound"))
                .because(faults.join("; "))
                .hint("put back the files below keys/ from a copy of the repository"));
        }
        let error = Error::new(Kind::WrongKey, format!("{what} for the repository {place}"));
        Err(match faults.is_empty() {
            true => error.hint("a repository may have several keys; any of them opens it"),
            false => error.because(faults.join("; ")).hint("a damaged key slot can be replaced by its copy in keys/"),
        })
    })
    .await?
}

impl Repository {
    /// All slots, for people.
    pub async fn slots(&self) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        for (id, bytes) in load_slots(self.store()).await? {
            let Ok(Some((header, body))) = parse_slot(&bytes) else { continue };
            let mut note = Vec::new();
            let opened = note_key(self.keys(), &header.salt).open(&[0; 12], b"", &body.note, &mut note);
            let note = opened.ok().and_then(|()| serde_json::from_slice(&note).ok());
            slots.push(Slot { id, kind: body.kind, cost: body.cost, note, current: id == self.slot() });
        }
        Ok(slots)
    }

    /// Adds a slot and gives its name.
    pub async fn add_slot(&self, secret: Secret, cost: Cost, note: SlotNote) -> Result<ObjectId> {
        self.check_writable().await?;
        if load_slots(self.store()).await?.len() >= SLOTS_MAX {
            return Err(Error::new(Kind::Usage, format!("A repository has at most {SLOTS_MAX} keys"))
                .hint("remove one that is not used any more: `lastgood key list`, `lastgood key remove`"));
        }
        let keys = self.keys().clone();
        let object = on_cpu(move || seal_slot(&keys, &secret, cost, &note)).await??;
        let id = Id::of(&object);
        self.store().put(&format!("{KEYS}/{id}"), object.into()).await?;
        Ok(id)
    }

    /// Removes a slot by a prefix of its name; never the one in use, so that a repository never loses its last.
    pub async fn remove_slot(&self, prefix: &str) -> Result<ObjectId> {
        self.check_writable().await?;
        let slots = self.slots().await?;
        let found: Vec<_> =
            slots.iter().filter(|slot| !prefix.is_empty() && slot.id.hex().starts_with(prefix)).collect();
        let slot = match found[..] {
            [slot] => slot,
            [] => {
                return Err(Error::new(Kind::NoMatch, format!("No key has an id that begins with {prefix:?}"))
                    .hint("`lastgood key list` shows them"));
            }
            _ => {
                return Err(Error::new(Kind::Usage, format!("Several keys have ids that begin with {prefix:?}"))
                    .hint("give more digits"));
            }
        };
        if slot.current {
            return Err(Error::new(Kind::Usage, format!("Key {} opened the repository just now", slot.id.brief()))
                .hint("open the repository with another key to remove this one"));
        }
        self.store().delete(&format!("{KEYS}/{}", slot.id)).await?;
        Ok(slot.id)
    }

    /// Puts a new slot in the place of the one in use: added first, so that an interruption leaves both.
    pub async fn replace_slot(&self, secret: Secret, cost: Cost, note: SlotNote) -> Result<ObjectId> {
        let id = self.add_slot(secret.clone(), cost, note).await?;
        // The old one goes only after the new one has opened from what the store gives back.
        let object = self.store().get(&format!("{KEYS}/{id}"), OBJECT_MAX).await?;
        let opened = on_cpu(move || match parse_slot(&object) {
            Ok(Some((header, body))) => try_slot(&header, &body, &secret).is_ok_and(|keys| keys.is_some()),
            _ => false,
        });
        if !opened.await? {
            return Err(Error::new(Kind::Store, "The new key does not open the repository; the old one was kept"));
        }
        self.store().delete(&format!("{KEYS}/{}", self.slot())).await?;
        Ok(id)
    }
}
