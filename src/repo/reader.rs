//! Reading: the only way from stored bytes to plaintext. Every chunk is opened, decoded and checked against its id.

use super::index::{Index, Location, PackMeta, pack_name};
use super::{Repository, on_cpu};
use crate::codec::coding::Coder;
use crate::codec::crypto::Aead;
use crate::codec::envelope::{EnvelopeError, Header, Realm};
use crate::codec::pack::{PackTable, PackedChunk, TRAILER_LEN, find_footer, open_footer, open_frame};
use crate::error::{Error, Kind, Result};
use crate::id::{ChunkId, ObjectId};
use crate::spec::{BASE_DEPTH, HEADER_LEN, ObjectType, codec};
use std::sync::Arc;

/// Opens frames on one thread: holds the decoder, the buffers, and the key of the pack it read last.
pub struct Opener {
    repo: Arc<Repository>,
    index: Arc<Index>,
    coder: Coder,
    coded: Vec<u8>,
    frame: Vec<u8>,
    pack: Option<(ObjectId, Aead)>,
    base: Option<Box<Base>>,
    depth: usize,
}

/// The base chunk that was read last, and what reads the next.
struct Base {
    opener: Opener,
    id: Option<ChunkId>,
    frame: Vec<u8>,
    plain: Vec<u8>,
}

/// Why a frame does not open.
#[derive(Debug)]
pub enum OpenFault {
    /// It is damaged.
    Chunk(EnvelopeError),
    /// It is a difference, and its base cannot be had.
    Base(Error),
}

impl From<EnvelopeError> for OpenFault {
    fn from(why: EnvelopeError) -> OpenFault {
        OpenFault::Chunk(why)
    }
}

impl OpenFault {
    /// As an error of the chunk `id` in `pack`.
    pub fn into_error(self, pack: &ObjectId, id: &ChunkId) -> Error {
        match self {
            OpenFault::Chunk(why) => damaged_chunk(pack, id, &why),
            OpenFault::Base(e) => {
                let what = format!("Chunk {} in pack {} needs another chunk", id.brief(), pack_name(pack));
                Error { hint: e.hint.clone(), ..Error::new(e.kind, what) }.because(e)
            }
        }
    }
}

impl Opener {
    /// An opener for the chunks of a repository; the index is for the bases of those that are differences.
    pub fn new(repo: &Arc<Repository>, index: &Arc<Index>) -> Result<Opener> {
        Opener::at_depth(repo, index, 0)
    }

    fn at_depth(repo: &Arc<Repository>, index: &Arc<Index>, depth: usize) -> Result<Opener> {
        let coder =
            Coder::new().map_err(|e| Error::new(Kind::Internal, "Cannot start a decoder").because(e.to_string()))?;
        let (repo, index) = (repo.clone(), index.clone());
        Ok(Opener { repo, index, coder, coded: Vec::new(), frame: Vec::new(), pack: None, base: None, depth })
    }

    /// Reads a chunk on a plain thread, from wherever it is.
    pub fn read(&mut self, realm: Realm, id: &ChunkId, out: &mut Vec<u8>) -> Result<()> {
        let at = self.index.find(realm, id).ok_or_else(|| missing_chunk(id))?;
        let (index, mut frame) = (self.index.clone(), std::mem::take(&mut self.frame));
        let pack = index.pack(at.pack);
        let range = u64::from(at.offset)..u64::from(at.offset) + u64::from(at.stored);
        let read = self.repo.read_now(&pack_name(&pack.id), range, &mut frame);
        let read = read.and_then(|()| self.open(pack, &at, id, &frame, out));
        self.frame = frame;
        read
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
        let base = self.index.base(pack.realm, id).filter(|_| at.codec == codec::DELTA);
        let chunk = PackedChunk { id: *id, codec: at.codec, stored: at.stored, raw: at.raw, base };
        self.try_open(pack, at.frame, &chunk, frame, out).map_err(|why| why.into_error(&pack.id, id))
    }

    /// The same, with the bare reason.
    pub fn try_open(
        &mut self,
        pack: &PackMeta,
        frame_number: u32,
        chunk: &PackedChunk,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), OpenFault> {
        self.decode(pack, frame_number, chunk, frame, out)?;
        if out.len() != chunk.raw as usize || self.repo.keys().chunk_id(pack.realm, out) != chunk.id {
            return Err(EnvelopeError::Content("a chunk decodes to other bytes than were stored".into()).into());
        }
        Ok(())
    }

    /// Opens and decodes, without a look at the chunk's id.
    fn decode(
        &mut self,
        pack: &PackMeta,
        frame_number: u32,
        chunk: &PackedChunk,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), OpenFault> {
        if let Some(base) = chunk.base {
            self.load_base(pack.realm, base).map_err(OpenFault::Base)?;
        }
        if self.pack.as_ref().is_none_or(|(id, _)| *id != pack.id) {
            self.pack = Some((pack.id, self.repo.keys().pack_key(pack.realm, pack.epoch, &pack.salt)?));
        }
        let Some((_, key)) = &self.pack else { unreachable!("set just above") };
        // What was stored as it is needs no second buffer.
        if chunk.codec == codec::STORED {
            open_frame(key, frame_number, chunk, frame, out)?;
            return Ok(());
        }
        open_frame(key, frame_number, chunk, frame, &mut self.coded)?;
        let base = self.base.as_ref().map_or(&[][..], |base| &base.plain);
        let decoded = self.coder.decode_with(chunk.codec, &self.coded, chunk.raw as usize, base, out);
        decoded.map_err(|e| EnvelopeError::Content(e.to_string()).into())
    }

    /// Makes `self.base` hold the plaintext of a chunk. Its id is not checked: that of the chunk that needs it will be.
    fn load_base(&mut self, realm: Realm, id: ChunkId) -> Result<()> {
        let base = match self.base.take() {
            Some(base) => base,
            None if self.depth >= BASE_DEPTH => return Err(missing_chunk(&id)),
            None => {
                let opener = Opener::at_depth(&self.repo, &self.index, self.depth + 1)?;
                Box::new(Base { opener, id: None, frame: Vec::new(), plain: Vec::new() })
            }
        };
        let base = self.base.insert(base);
        if base.id == Some(id) {
            return Ok(());
        }
        base.id = None;
        let at = self.index.find(realm, &id).ok_or_else(|| missing_chunk(&id))?;
        let pack = self.index.pack(at.pack);
        let range = u64::from(at.offset)..u64::from(at.offset) + u64::from(at.stored);
        self.repo.read_now(&pack_name(&pack.id), range, &mut base.frame)?;
        let own = self.index.base(realm, &id).filter(|_| at.codec == codec::DELTA);
        let chunk = PackedChunk { id, codec: at.codec, stored: at.stored, raw: at.raw, base: own };
        let decoded = base.opener.decode(pack, at.frame, &chunk, &base.frame, &mut base.plain);
        decoded.map_err(|why| why.into_error(&pack.id, &id))?;
        base.id = Some(id);
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
pub async fn read_chunk(repo: &Arc<Repository>, index: &Arc<Index>, realm: Realm, id: &ChunkId) -> Result<Vec<u8>> {
    let at = index.find(realm, id).ok_or_else(|| missing_chunk(id))?;
    let pack = index.pack(at.pack).clone();
    let range = u64::from(at.offset)..u64::from(at.offset) + u64::from(at.stored);
    let frame = repo.store().get_range(&pack_name(&pack.id), range).await?;
    let (repo, index, id) = (repo.clone(), index.clone(), *id);
    on_cpu(move || {
        let mut plain = Vec::new();
        Opener::new(&repo, &index)?.open(&pack, &at, &id, &frame, &mut plain)?;
        Ok(plain)
    })
    .await?
}
