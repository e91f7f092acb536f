//! The index: which chunk is in which pack, on disk as immutable pages and in memory as one table.

use super::index_page::{read_page, write_page};
use super::reader::read_footer;
use super::{Repository, on_cpu, store::Listed};
use crate::codec::envelope::Realm;
use crate::codec::pack::PackTable;
use crate::error::{Error, Kind, Result};
use crate::id::{ChunkId, Id, ObjectId};
use crate::spec::{BASE_DEPTH, INDEX, INDEX_CHUNKS, OBJECT_MAX, ObjectType, PACKS, codec};
use futures::{StreamExt, TryStreamExt, stream};
use hashbrown::HashTable;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How many objects are fetched at once.
pub const FETCHES: usize = 8;

/// What is needed to open a chunk's pack.
#[derive(Clone, Debug)]
pub struct PackMeta {
    /// Its name.
    pub id: ObjectId,
    /// What kind of chunks it holds.
    pub realm: Realm,
    /// Master key epoch.
    pub epoch: u32,
    /// Salt of its key.
    pub salt: [u8; 32],
    /// Bytes of the whole object.
    pub size: u64,
}

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Number of the pack in this index.
    pub pack: u32,
    /// Number of the frame in the pack.
    pub frame: u32,
    /// Where the frame starts.
    pub offset: u32,
    /// Bytes of the frame.
    pub stored: u32,
    /// Bytes of the plaintext.
    pub raw: u32,
    /// How it is coded.
    pub codec: u8,
}

/// 36 bytes a chunk, and about 8 in the table. Half of the id is enough: two chunks of one repository agree in
/// 128 bits of a keyed hash less often than memory fails.
#[derive(Clone, Copy)]
struct Slot {
    short: [u32; 4],
    pack: u32,
    frame_and_codec: u32,
    offset: u32,
    stored: u32,
    raw: u32,
}

impl Slot {
    fn location(&self) -> Location {
        Location {
            pack: self.pack,
            frame: self.frame_and_codec & 0xff_ffff,
            offset: self.offset,
            stored: self.stored,
            raw: self.raw,
            codec: (self.frame_and_codec >> 24) as u8,
        }
    }
}

/// The index in memory.
#[derive(Default)]
pub struct Index {
    packs: Vec<PackMeta>,
    slots: Vec<Slot>,
    table: HashTable<u32>,
    /// What the chunks that are differences are differences to.
    bases: HashMap<[u32; 4], ChunkId>,
    /// Other copies of chunks that are known as differences to what is not known so far.
    spare: Vec<(Realm, ChunkId, Slot, Option<ChunkId>)>,
}

fn split(realm: Realm, id: &ChunkId) -> [u32; 4] {
    // Ids of the two realms come from different keys: they cannot meet by design, and a flipped bit keeps them apart.
    let short = id.short() ^ u128::from(realm == Realm::Manifest);
    [short as u32, (short >> 32) as u32, (short >> 64) as u32, (short >> 96) as u32]
}

fn hash(short: &[u32; 4]) -> u64 {
    u64::from(short[1]) << 32 | u64::from(short[2])
}

impl Index {
    /// Adds a pack. A chunk that is known already stays where it was first found, but one that stands for itself goes before
    /// one that is a difference: so no two chunks can be known only as differences to each other.
    pub fn insert(&mut self, table: &PackTable) {
        self.add(table, true);
        self.settle();
    }

    /// Adds a pack that is not whole: whatever is known already, and can be restored from there, stays where it is.
    pub fn insert_behind(&mut self, table: &PackTable) {
        self.add(table, false);
        self.settle();
    }

    fn add(&mut self, table: &PackTable, prefer: bool) {
        let pack = self.packs.len() as u32;
        let PackTable { pack: id, realm, epoch, salt, size, .. } = *table;
        self.packs.push(PackMeta { id, realm, epoch, salt, size });
        let mut offset = crate::spec::HEADER_LEN as u32;
        for (frame, chunk) in table.chunks.iter().enumerate() {
            let short = split(realm, &chunk.id);
            let frame_and_codec = frame as u32 | u32::from(chunk.codec) << 24;
            let slot = Slot { short, pack, frame_and_codec, offset, stored: chunk.stored, raw: chunk.raw };
            offset = offset.saturating_add(chunk.stored);
            let slots = &self.slots;
            match self.table.find(hash(&short), |&at| slots[at as usize].short == short) {
                Some(&at) if prefer && chunk.base.is_none() && self.bases.remove(&short).is_some() => {
                    self.slots[at as usize] = slot;
                }
                Some(_) if self.bases.get(&short).is_some_and(|base| chunk.base != Some(*base)) => {
                    self.spare.push((realm, chunk.id, slot, chunk.base));
                }
                Some(_) => {}
                None => {
                    self.slots.push(slot);
                    let slots = &self.slots;
                    let at = slots.len() as u32 - 1;
                    self.table.insert_unique(hash(&short), at, |&at| hash(&slots[at as usize].short));
                    if let Some(base) = chunk.base {
                        self.bases.insert(short, base);
                    }
                }
            }
        }
    }

    /// A difference that leads nowhere gives way to another copy that does not: two runs may have compared a chunk with
    /// different bases, and one of them left no base. What can be restored stays so, whatever is added later.
    fn settle(&mut self) {
        let (mut spare, mut before) = (std::mem::take(&mut self.spare), usize::MAX);
        while spare.len() < before {
            before = spare.len();
            spare.retain(|(realm, id, slot, base)| {
                let lost = self.find(*realm, id).is_none();
                if !lost || base.is_some_and(|base| self.find(*realm, &base).is_none()) {
                    return lost;
                }
                let (short, slots) = (slot.short, &self.slots);
                if let Some(&at) = self.table.find(hash(&short), |&at| slots[at as usize].short == short) {
                    self.slots[at as usize] = *slot;
                }
                self.bases.remove(&short);
                self.bases.extend(base.map(|base| (short, base)));
                false
            });
        }
        self.spare = spare;
    }

    /// Where a chunk is, if it is known and, should it be a difference, its base is known too: what cannot be restored must
    /// not pass for something that is there.
    pub fn find(&self, realm: Realm, id: &ChunkId) -> Option<Location> {
        let mut base = *id;
        for _ in 0..=BASE_DEPTH {
            let at = self.locate(realm, &base)?;
            if at.codec != codec::DELTA {
                return if base == *id { Some(at) } else { self.locate(realm, id) };
            }
            base = self.base(realm, &base)?;
        }
        None
    }

    /// A chunk, what it is a difference to, and so on.
    pub fn chain(&self, realm: Realm, id: &ChunkId) -> impl Iterator<Item = ChunkId> {
        std::iter::successors(Some(*id), move |id| self.base(realm, id)).take(BASE_DEPTH + 1)
    }

    /// The chunk that a chunk is a difference to.
    pub fn base(&self, realm: Realm, id: &ChunkId) -> Option<ChunkId> {
        self.bases.get(&split(realm, id)).copied()
    }

    fn locate(&self, realm: Realm, id: &ChunkId) -> Option<Location> {
        let short = split(realm, id);
        let &at = self.table.find(hash(&short), |&at| self.slots[at as usize].short == short)?;
        Some(self.slots[at as usize].location())
    }

    /// Where every chunk is, each one once.
    pub fn chunks(&self) -> impl Iterator<Item = Location> {
        self.slots.iter().map(Slot::location)
    }

    /// A pack by its number.
    pub fn pack(&self, number: u32) -> &PackMeta {
        &self.packs[number as usize]
    }

    /// How many packs there are.
    pub fn pack_count(&self) -> usize {
        self.packs.len()
    }

    /// How many chunks there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it knows no chunk.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// What loading the index found.
#[derive(Default)]
pub struct Loaded {
    /// The index: only packs that were listed in this run, with the size that the index states unless to salvage.
    pub index: Index,
    /// Packs that the index names and that are missing (`None`) or of another size.
    pub absent: Vec<(ObjectId, Option<u64>)>,
    /// Packs that no index page names.
    pub unindexed: Vec<(ObjectId, u64)>,
    /// Index pages that cannot be read, and why.
    pub damaged: Vec<(ObjectId, Error)>,
}

impl Repository {
    /// Lists packs and index pages and reads the pages. For a backup only what both say counts: a chunk of a pack that is
    /// gone or cut short is unknown and is stored again. To `salvage`, a pack of the wrong size is better than none, and one
    /// that no page names any more tells its own contents.
    pub async fn load_index(&self, salvage: bool) -> Result<Loaded> {
        // Pages first: a pack that is written between the two listings is then at worst unindexed, never absent.
        let pages = self.store().list(INDEX).await?;
        let packs = self.store().list(PACKS).await?;
        let mut sizes: HashMap<ObjectId, u64> = packs.iter().filter_map(listed_pack).collect();
        let mut loaded = Loaded::default();
        let mut named = HashSet::new();
        let mut cut_short = Vec::new();
        let ids: Vec<ObjectId> = pages.iter().filter_map(listed_id).map(|(id, _)| id).collect();
        let mut fetched = stream::iter(ids).map(|id| async move { (id, self.index_page(id).await) }).buffered(FETCHES);
        while let Some((id, page)) = fetched.next().await {
            let tables = match page {
                Ok(tables) => tables,
                Err(e) if matches!(e.kind, Kind::Damaged | Kind::Missing) => {
                    loaded.damaged.push((id, e));
                    continue;
                }
                Err(e) => return Err(e),
            };
            for table in tables {
                if !named.insert(table.pack) {
                    continue;
                }
                match sizes.remove(&table.pack) {
                    Some(size) if size == table.size => loaded.index.add(&table, true),
                    found => {
                        loaded.absent.push((table.pack, found));
                        if salvage && found.is_some() {
                            cut_short.push(table);
                        }
                    }
                }
            }
        }
        loaded.unindexed = sizes.into_iter().collect();
        loaded.unindexed.sort();
        if salvage {
            self.adopt(&loaded.unindexed).await?.iter().for_each(|table| loaded.index.add(table, true));
        }
        loaded.index.settle();
        // Last: a whole copy of a chunk, wherever it is, goes before one in a pack that is cut short.
        cut_short.iter().for_each(|table| loaded.index.insert_behind(table));
        Ok(loaded)
    }

    /// Reads one index page.
    pub async fn index_page(&self, id: ObjectId) -> Result<Vec<PackTable>> {
        let name = format!("{INDEX}/{id}");
        let object = self.store().get(&name, OBJECT_MAX).await?;
        let keys = self.keys().clone();
        on_cpu(move || {
            let damaged = || Error::damaged(format!("The index page {name} is damaged"));
            let plain = keys.open(ObjectType::Index, &object).map_err(|e| damaged().because(e))?;
            read_page(&plain).ok_or_else(|| damaged().because("it holds no table of packs"))
        })
        .await?
    }

    /// Reads the footers of packs that no index page names: an interrupted run left them, and they are good.
    /// Those that do not open are left alone; `verify` names them.
    pub async fn adopt(&self, unindexed: &[(ObjectId, u64)]) -> Result<Vec<PackTable>> {
        stream::iter(unindexed.to_vec())
            .map(|(pack, size)| async move {
                match read_footer(self, pack, size).await {
                    Ok(table) => Ok(Some(table)),
                    Err(e) if matches!(e.kind, Kind::Damaged | Kind::Missing | Kind::Unsupported) => Ok(None),
                    Err(e) => Err(e),
                }
            })
            .buffered(FETCHES)
            .try_filter_map(|table| async move { Ok(table) })
            .try_collect()
            .await
    }

    /// Seals an index page.
    pub fn seal_index(&self, tables: &[PackTable]) -> Result<Vec<u8>> {
        let failed =
            |e: getrandom::Error| Error::new(Kind::Internal, "Cannot seal an index page").because(format!("{e}"));
        self.keys().seal(ObjectType::Index, &write_page(tables)).map_err(failed)
    }

    /// Indexes packs: in one page, or in several that a reader accepts.
    pub async fn put_tables(self: &Arc<Repository>, tables: Vec<PackTable>) -> Result<()> {
        let (mut page, mut chunks) = (Vec::new(), 0);
        for table in tables {
            if chunks + table.chunks.len() > INDEX_CHUNKS && !page.is_empty() {
                self.put_page(std::mem::take(&mut page)).await?;
                chunks = 0;
            }
            chunks += table.chunks.len();
            page.push(table);
        }
        if page.is_empty() { Ok(()) } else { self.put_page(page).await }
    }

    async fn put_page(self: &Arc<Repository>, page: Vec<PackTable>) -> Result<()> {
        let sealing = self.clone();
        let object = on_cpu(move || sealing.seal_index(&page)).await??;
        self.put_index(object).await
    }

    /// Stores an index page under its hash.
    pub async fn put_index(&self, object: Vec<u8>) -> Result<()> {
        let id = Id::of(&object);
        self.store().put(&format!("{INDEX}/{id}"), object.into()).await
    }
}

/// Name of a pack.
pub fn pack_name(id: &ObjectId) -> String {
    let hex = id.hex();
    format!("{PACKS}/{}/{hex}", &hex[..2])
}

/// Id and size of a listed object whose name is a hash.
pub fn listed_id(listed: &Listed) -> Option<(ObjectId, u64)> {
    Id::from_hex(listed.file_name()).map(|id| (id, listed.size))
}

/// The same for a pack, which must also be in its folder: elsewhere nobody would find it.
pub fn listed_pack(listed: &Listed) -> Option<(ObjectId, u64)> {
    listed_id(listed).filter(|(id, _)| pack_name(id) == listed.name)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
