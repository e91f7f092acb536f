//! Reading: the only way from stored bytes to plaintext. Every chunk is opened, decoded and checked against its id.

use super::index::{Index, Location, PackMeta, pack_name};
use super::{Repository, on_cpu};
use crate::codec::coding::Coder;
use crate::codec::crypto::Aead;
use crate::codec::envelope::{EnvelopeError, Header, Keys, Realm};
use crate::codec::pack::{PackTable, PackedChunk, TRAILER_LEN, find_footer, open_footer, open_frame};
use crate::error::{Error, Kind, Result};
use crate::id::{ChunkId, ObjectId};
use crate::spec::{HEADER_LEN, ObjectType};
use std::sync::Arc;

/// Opens frames on one thread: holds the decoder, the buffers, and the key of the pack it read last.
pub struct Opener {
    keys: Arc<Keys>,
    coder: Coder,
    coded: Vec<u8>,
    pack: Option<(ObjectId, Aead)>,
}

impl Opener {
    /// An opener for the chunks of a repository.
    pub fn new(keys: &Arc<Keys>) -> Result<Opener> {
        let coder =
            Coder::new().map_err(|e| Error::new(Kind::Internal, "Cannot start a decoder").because(e.to_string()))?;
        Ok(Opener { keys: keys.clone(), coder, coded: Vec::new(), pack: None })
    }

    /// Opens one frame into `out`: exactly the plaintext whose id was asked for, or an error that names the pack.
    pub fn open(
        &mut self,
        pack: &PackMeta,
        at: &Location,
        id: &ChunkId,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let chunk = PackedChunk { id: *id, codec: at.codec, stored: at.stored, raw: at.raw, base: None };
        self.try_open(pack, at.frame, &chunk, frame, out).map_err(|why| damaged_chunk(&pack.id, id, &why))
    }

    /// The same, with the bare reason.
    pub fn try_open(
        &mut self,
        pack: &PackMeta,
        frame_number: u32,
        chunk: &PackedChunk,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), EnvelopeError> {
        if self.pack.as_ref().is_none_or(|(id, _)| *id != pack.id) {
            self.pack = Some((pack.id, self.keys.pack_key(pack.realm, pack.epoch, &pack.salt)?));
        }
        let Some((_, key)) = &self.pack else { unreachable!("set just above") };
        // What was stored as it is needs no second buffer.
        if chunk.codec == crate::spec::codec::STORED {
            open_frame(key, frame_number, chunk, frame, out)?;
        } else {
            open_frame(key, frame_number, chunk, frame, &mut self.coded)?;
            let decoded = self.coder.decode(chunk.codec, &self.coded, chunk.raw as usize, out);
            decoded.map_err(|e| EnvelopeError::Content(e.to_string()))?;
        }
        if out.len() != chunk.raw as usize || self.keys.chunk_id(pack.realm, out) != chunk.id {
            return Err(EnvelopeError::Content("a chunk decodes to other bytes than were stored".into()));
        }
        Ok(())
    }
}

/// The error for a chunk that does not open.
pub fn damaged_chunk(pack: &ObjectId, id: &ChunkId, why: &EnvelopeError) -> Error {
    Error::damaged(format!("Chunk {} in pack {} is damaged", id.brief(), pack_name(pack))).because(why.clone())
}

/// The error for a chunk that no pack has.
pub fn missing_chunk(id: &ChunkId) -> Error {
    Error::new(Kind::Missing, format!("Chunk {} is in no pack that the repository has", id.brief()))
        .hint("run `lastgood verify` to see which files need it, and what can be done")
}

/// Reads the table of contents of a pack from its end.
pub async fn read_footer(repo: &Repository, pack: ObjectId, size: u64) -> Result<PackTable> {
    let name = pack_name(&pack);
    let damaged = |why: EnvelopeError| match why {
        EnvelopeError::Newer(_) => Error::new(Kind::Unsupported, format!("Pack {name} needs a newer lastgood")),
        why => Error::damaged(format!("Pack {name} is damaged")).because(why),
    };
    let least = (HEADER_LEN + TRAILER_LEN) as u64;
    let end = size.checked_sub(TRAILER_LEN as u64).filter(|_| size >= least);
    let end = end.ok_or_else(|| damaged(EnvelopeError::Length))?;
    let header = repo.store().get_range(&name, 0..HEADER_LEN as u64).await?;
    let header = Header::parse(&header, size).map_err(damaged)?;
    let realm = match header.object_type {
        t if t == ObjectType::DataPack as u8 => Realm::Data,
        t if t == ObjectType::ManifestPack as u8 => Realm::Manifest,
        other => return Err(damaged(EnvelopeError::Type(other))),
    };
    let trailer = repo.store().get_range(&name, end..size).await?;
    let footer = find_footer(&trailer, size).map_err(damaged)?;
    let footer = repo.store().get_range(&name, footer).await?;
    open_footer(repo.keys(), realm, pack, &header, &footer).map_err(damaged)
}

/// Reads single chunks, such as manifest pages.
pub async fn read_chunk(repo: &Repository, index: &Index, realm: Realm, id: &ChunkId) -> Result<Vec<u8>> {
    let at = index.find(realm, id).ok_or_else(|| missing_chunk(id))?;
    let pack = index.pack(at.pack).clone();
    let range = u64::from(at.offset)..u64::from(at.offset) + u64::from(at.stored);
    let frame = repo.store().get_range(&pack_name(&pack.id), range).await?;
    let (keys, id) = (repo.keys().clone(), *id);
    on_cpu(move || {
        let mut plain = Vec::new();
        Opener::new(&keys)?.open(&pack, &at, &id, &frame, &mut plain)?;
        Ok(plain)
    })
    .await?
}
