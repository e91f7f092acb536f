//! Writing: chunks that are not known yet go into packs, full packs to the store, acknowledged packs into the index.

use super::Repository;
use super::direct::ALIGN;
use super::index::{Index, pack_name};
use crate::codec::coding::{Against, Coder, Hint, Level};
use crate::codec::envelope::{Keys, Realm};
use crate::codec::pack::{PackBuilder, PackTable};
use crate::error::{Error, Kind, Result};
use crate::id::ChunkId;
use crate::memory::aligned_vec;
use crate::spec::{
    CHUNK_MAX, INDEX_CHUNKS, INDEX_PACKS, INDEX_SECONDS, MANIFEST_PACK_TARGET, PACK_CHUNKS_TARGET, codec,
};
use crate::tensor::Dtype;
use bytes::Bytes;
use crossbeam_channel as channel;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How many packs are on their way at once; with the open ones this bounds the memory of a backup.
const UPLOADS: usize = 2;
const CLAIM_SHARDS: usize = 64;

/// Buffers that go round: filled by a worker, emptied by the store. New ones cost page faults for every byte. What is in
/// them already only brings the pack to an aligned address.
#[derive(Clone)]
struct Pool {
    free: (channel::Sender<Vec<u8>>, channel::Receiver<Vec<u8>>),
    capacity: usize,
}

impl Pool {
    fn take(&self) -> Vec<u8> {
        self.free.1.try_recv().unwrap_or_else(|_| aligned_vec(self.capacity, ALIGN))
    }
}

struct Pooled {
    buffer: Vec<u8>,
    start: usize,
    pool: Pool,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        self.buffer.truncate(self.start);
        // A full pool means that there are buffers enough.
        self.pool.free.0.try_send(std::mem::take(&mut self.buffer)).ok();
    }
}

/// What all writing threads share.
pub struct Writer {
    keys: Arc<Keys>,
    level: Level,
    pack_size: usize,
    index: Arc<Index>,
    claimed: Vec<Mutex<HashSet<(Realm, ChunkId)>>>,
    full: mpsc::Sender<FullPack>,
    pool: Pool,
}

/// A finished pack on its way to the store.
pub struct FullPack {
    table: PackTable,
    bytes: Bytes,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The repository has it already, or gets it in this run.
    Known(ChunkId),
    /// It was new.
    New {
        /// The chunk.
        id: ChunkId,
        /// Bytes in its pack.
        stored: usize,
        /// How it was coded.
        codec: u8,
        /// What it is a difference to.
        base: Option<ChunkId>,
    },
}

/// A chunk that another may be stored as a difference to. Its id was checked.
pub struct Near<'a> {
    /// Its id.
    pub base: ChunkId,
    /// What the elements of the other chunk are.
    pub dtype: Dtype,
    /// Its plaintext, and how the other follows from it.
    pub against: Against<'a>,
}

impl Added {
    /// The chunk's id.
    pub fn id(self) -> ChunkId {
        match self {
            Added::Known(id) | Added::New { id, .. } => id,
        }
    }
}

impl Writer {
    /// A writer, and the queue that [`upload`] empties.
    pub fn new(repo: &Repository, index: Arc<Index>, level: Level) -> (Writer, mpsc::Receiver<FullPack>) {
        let (full, queue) = mpsc::channel(1);
        let pack_size = repo.config().pack_size;
        // A pack is closed after the chunk that fills it: the last one, the footer and the padding need room too.
        let capacity = pack_size + repo.config().cut.large.max + (1 << 20);
        let pool = Pool { free: channel::bounded(UPLOADS + 2), capacity };
        let claimed = (0..CLAIM_SHARDS).map(|_| Mutex::default()).collect();
        (Writer { keys: repo.keys().clone(), level, pack_size, index, claimed, full, pool }, queue)
    }

    /// Whether the repository has a chunk, or gets it in this run.
    pub fn knows(&self, realm: Realm, id: &ChunkId) -> bool {
        self.index.find(realm, id).is_some()
    }

    /// True for the first caller only: it has to store the chunk.
    fn claim(&self, realm: Realm, id: &ChunkId) -> bool {
        let shard = &self.claimed[id.0[31] as usize % CLAIM_SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner).insert((realm, *id))
    }

    /// A filler for one thread.
    pub fn filler(self: &Arc<Writer>) -> Result<Filler> {
        let coder =
            Coder::new().map_err(|e| Error::new(Kind::Internal, "Cannot start a coder").because(e.to_string()))?;
        Ok(Filler { writer: self.clone(), coder, data: None, manifest: None })
    }
}

/// Fills packs on one thread: a data pack and a manifest pack at most are open.
pub struct Filler {
    writer: Arc<Writer>,
    coder: Coder,
    data: Option<PackBuilder>,
    manifest: Option<PackBuilder>,
}

impl Filler {
    /// Stores a chunk unless it is known.
    pub fn add(&mut self, realm: Realm, plaintext: &[u8], hint: &mut Hint) -> Result<Added> {
        self.add_near(realm, plaintext, hint, || None)
    }

    /// The same; `near` is asked only for a chunk that is new.
    pub fn add_near<'a>(
        &mut self,
        realm: Realm,
        plaintext: &[u8],
        hint: &mut Hint,
        near: impl FnOnce() -> Option<Near<'a>>,
    ) -> Result<Added> {
        // A table that names a longer chunk is refused as a whole by every reader, and with it all else that it names.
        if plaintext.len() > CHUNK_MAX {
            return Err(Error::new(Kind::Internal, format!("A chunk of {} bytes is too long", plaintext.len())));
        }
        let writer = &self.writer;
        let id = writer.keys.chunk_id(realm, plaintext);
        if writer.knows(realm, &id) || !writer.claim(realm, &id) {
            return Ok(Added::Known(id));
        }
        let (slot, target) = match realm {
            Realm::Data => (&mut self.data, writer.pack_size),
            Realm::Manifest => (&mut self.manifest, MANIFEST_PACK_TARGET),
        };
        let builder = slot.get_or_insert_with(|| match realm {
            Realm::Data => PackBuilder::new(realm, writer.pool.take()),
            Realm::Manifest => PackBuilder::new(realm, Vec::new()),
        });
        let (coder, level) = (&mut self.coder, writer.level);
        let near = near();
        let chunk = builder.add(id, plaintext.len(), |out| match near {
            Some(Near { base, dtype, against }) if coder.encode_against(plaintext, dtype, against, level, out) => {
                (codec::DELTA, Some(base))
            }
            _ => (coder.encode(plaintext, level, hint, out), None),
        });
        let added = Added::New { id, stored: chunk.stored as usize, codec: chunk.codec, base: chunk.base };
        if builder.len() >= target || builder.count() >= PACK_CHUNKS_TARGET {
            self.close(realm)?;
        }
        Ok(added)
    }

    /// How large a chunk would be as a difference, as a part of what it is alone; from a sample.
    pub fn gain(&mut self, plaintext: &[u8], dtype: Dtype, against: Against<'_>) -> Option<f32> {
        self.coder.gain(plaintext, dtype, against)
    }

    /// Sends off the open packs.
    pub fn flush(&mut self) -> Result<()> {
        self.close(Realm::Data)?;
        self.close(Realm::Manifest)
    }

    fn close(&mut self, realm: Realm) -> Result<()> {
        let slot = match realm {
            Realm::Data => &mut self.data,
            Realm::Manifest => &mut self.manifest,
        };
        let Some(builder) = slot.take().filter(|builder| !builder.is_empty()) else { return Ok(()) };
        let failed = |e: getrandom::Error| Error::new(Kind::Internal, "Cannot seal a pack").because(format!("{e}"));
        let (table, buffer) = builder.finish(&self.writer.keys).map_err(failed)?;
        let bytes = match realm {
            Realm::Data => {
                let start = buffer.len() - table.size as usize;
                Bytes::from_owner(Pooled { buffer, start, pool: self.writer.pool.clone() })
            }
            Realm::Manifest => Bytes::from(buffer),
        };
        // The other end is gone only after an error, which is the one that will be shown.
        let gone = |_| Error::new(Kind::Store, "The store took no more packs");
        self.writer.full.blocking_send(FullPack { table, bytes }).map_err(gone)
    }
}

/// Uploads packs until the queue ends, and indexes what the store has acknowledged. With `dry`, only counts.
/// Gives the number of bytes of all packs.
pub async fn upload(repo: Arc<Repository>, mut queue: mpsc::Receiver<FullPack>, dry: bool) -> Result<u64> {
    let mut flights = FuturesUnordered::new();
    let (mut acknowledged, mut total, mut open) = (Vec::new(), 0, true);
    let (mut since, mut chunks) = (Instant::now(), 0);
    while open || !flights.is_empty() {
        tokio::select! {
            pack = queue.recv(), if open && flights.len() < UPLOADS => match pack {
                Some(pack) if dry => total += pack.bytes.len() as u64,
                Some(pack) => flights.push(put(repo.clone(), pack)),
                None => open = false,
            },
            Some(done) = flights.next(), if !flights.is_empty() => match done {
                Ok(table) => {
                    total += table.size;
                    chunks += table.chunks.len();
                    acknowledged.push(table);
                }
                Err(e) => {
                    // What the store has taken is indexed all the same, so that the next run finds it.
                    save(&repo, &mut acknowledged).await.ok();
                    return Err(e);
                }
            },
        }
        let many = acknowledged.len() >= INDEX_PACKS || chunks >= INDEX_CHUNKS;
        if many || since.elapsed() >= Duration::from_secs(INDEX_SECONDS) {
            save(&repo, &mut acknowledged).await?;
            (since, chunks) = (Instant::now(), 0);
        }
    }
    save(&repo, &mut acknowledged).await?;
    Ok(total)
}

async fn put(repo: Arc<Repository>, pack: FullPack) -> Result<PackTable> {
    repo.store().put(&pack_name(&pack.table.pack), pack.bytes).await?;
    Ok(pack.table)
}

async fn save(repo: &Arc<Repository>, tables: &mut Vec<PackTable>) -> Result<()> {
    repo.put_tables(std::mem::take(tables)).await
}
