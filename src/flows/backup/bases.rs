//! Earlier files with the same tensors: what a tensor is stored as the difference to.
//!
//! A base stands for itself: what was stored as a difference leads on to its own base, so chains have length 1. The
//! plaintext of a base is taken from the local file while it is still there, else from the repository; its id is checked.

use super::lock;
use super::look::Look;
use crate::codec::coding::Against;
use crate::codec::delta::Relation;
use crate::codec::envelope::{Keys, Realm};
use crate::codec::pieces::{Place, piece_len, pieces};
use crate::frameworks::family;
use crate::id::ChunkId;
use crate::records::model::{ModelRef, TensorRecord, kind, read_list};
use crate::records::snapshot::Snapshot;
use crate::repo::Repository;
use crate::repo::index::Index;
use crate::repo::manifest::Manifest;
use crate::repo::reader::{Opener, read_chunk};
use crate::repo::writer::{Filler, Near};
use crate::sources::read_exactly;
use crate::tensor::{Dtype, Tensor};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::Handle;

/// Pieces of one tensor that are remembered: 1 TiB of f32. A sparse file may claim far more.
const PIECES_MAX: u32 = 1 << 20;
/// So many earlier files are compared with a new one.
const CANDIDATES: usize = 4;
/// So many of them only because they are of the same architecture, of this run and of the last snapshot each.
const ALIKE: usize = 2;

/// A chunk that stands for itself, and where its plaintext may still be found.
#[derive(Clone, Copy)]
struct Key {
    id: ChunkId,
    /// Number of a file in `Bases::files`, and the offset in it.
    place: Option<(u32, u64)>,
}

/// A tensor of an earlier file.
struct Known {
    dtype: Dtype,
    shape: Vec<u64>,
    /// One for each piece.
    keys: Vec<Option<Key>>,
}

/// An earlier file.
pub(super) struct Model {
    path: Vec<u8>,
    kind: u64,
    tensors: HashMap<String, Known>,
}

/// A file of the last snapshot; its tensors are read when somebody asks.
struct Older {
    listed: ModelRef,
    model: OnceLock<Option<Arc<Model>>>,
}

/// The files of the last snapshot, and which of them are looked for: there may be very many.
#[derive(Default)]
struct Last {
    files: Vec<Older>,
    paths: HashMap<Vec<u8>, usize>,
    /// The newest of each family.
    families: HashMap<Vec<u8>, usize>,
    /// The two newest of each architecture, the newest first.
    kinds: HashMap<u64, Vec<usize>>,
}

impl Last {
    fn new(list: Vec<ModelRef>) -> Last {
        let mut last = Last::default();
        let mut order: Vec<usize> = (0..list.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(list[at].mtime));
        for at in order {
            let ModelRef { path, kind, .. } = &list[at];
            last.paths.insert(path.clone(), at);
            last.families.entry(family(path)).or_insert(at);
            let alike = last.kinds.entry(*kind).or_default();
            alike.extend((alike.len() < ALIKE).then_some(at));
        }
        last.files = list.into_iter().map(|listed| Older { listed, model: OnceLock::new() }).collect();
        last
    }
}

/// The files of this run; those that no other will be compared with are forgotten.
#[derive(Default)]
struct Now {
    /// The newest of each family.
    families: HashMap<Vec<u8>, Arc<Model>>,
    /// The two newest of each architecture, the newest last.
    kinds: HashMap<u64, Vec<Arc<Model>>>,
}

/// All earlier files.
pub(super) struct Bases {
    repo: Arc<Repository>,
    index: Arc<Index>,
    runtime: Handle,
    last: Last,
    manifest: Option<Manifest>,
    now: Mutex<Now>,
    files: Mutex<Vec<Arc<[u8]>>>,
    /// What was stored as a difference in this run.
    differences: Mutex<HashMap<ChunkId, Key>>,
}

impl Bases {
    /// Those of `last`, and of the run as it goes on. What cannot be read of the last snapshot is not a base.
    pub async fn new(repo: &Arc<Repository>, index: &Arc<Index>, last: Option<&Snapshot>) -> Bases {
        let (mut older, mut manifest) = (Last::default(), None);
        if let Some((last, models)) = last.and_then(|last| Some((last, last.models?))) {
            let list = read_chunk(repo, index, Realm::Manifest, &models).await;
            let list = list.ok().and_then(|bytes| read_list::<ModelRef>(&bytes).ok()).unwrap_or_default();
            older = Last::new(list);
            manifest = Manifest::open(repo, index, &last.tree).await.ok();
        }
        let (repo, index, runtime) = (repo.clone(), index.clone(), Handle::current());
        let (now, files, differences) = Default::default();
        Bases { repo, index, runtime, last: older, manifest, now, files, differences }
    }

    /// The earlier file that the tensors of a new one are compared with: of those of its family or its architecture, the
    /// one that a piece of its largest common tensor is nearest to.
    pub fn choose(
        &self,
        path: &[u8],
        look: &Look,
        filler: &mut Filler,
        reader: &mut BaseReader,
        mut read: impl FnMut(u64, &mut [u8]) -> std::io::Result<()>,
    ) -> Option<Arc<Model>> {
        if look.plan.is_empty() {
            return None;
        }
        let mut candidates = self.candidates(path, &look.tensors);
        // Another shard of the same checkpoint has a name of the same family, and no tensor in common.
        let common = |model: &Arc<Model>| -> u64 {
            look.tensors.iter().filter(|tensor| model.relation(tensor).is_some()).map(|tensor| tensor.len).sum()
        };
        let most = candidates.iter().map(common).max().unwrap_or(0);
        candidates.retain(|model| most > 0 && common(model) >= most / 2);
        candidates.truncate(CANDIDATES);
        if candidates.len() < 2 {
            return candidates.into_iter().next();
        }
        let common = |tensor: &&Tensor| candidates.iter().all(|model| model.relation(tensor).is_some());
        let largest = look.tensors.iter().filter(common).max_by_key(|tensor| tensor.len);
        // Without a common one the first, which is the nearest by its name, has to do.
        let Some(tensor) = largest else { return candidates.into_iter().next() };
        // One from the middle: the first rows of an embedding are those that are never trained.
        let number = pieces(tensor.dtype, tensor.len).count() / 2;
        let middle = pieces(tensor.dtype, tensor.len).nth(number);
        let Some((at, len)) = middle else { return candidates.into_iter().next() };
        let mut piece = vec![0; len as usize];
        read(tensor.offset + at, &mut piece).ok()?;
        let mut gain = |model: &Arc<Model>| -> Option<f32> {
            let (relation, key) = (model.relation(tensor)?, model.key(tensor, number as u32)?);
            let base = reader.load(self, key, relation, piece.len())?;
            filler.gain(&piece, tensor.dtype, Against { relation, base })
        };
        let gains: Vec<f32> = candidates.iter().map(|model| gain(model).unwrap_or(f32::MAX)).collect();
        candidates.into_iter().zip(gains).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(model, _)| model)
    }

    /// Files of the same family (the newest of this run, the same path, the newest of the last snapshot), then those of the
    /// same architecture.
    fn candidates(&self, path: &[u8], tensors: &[Tensor]) -> Vec<Arc<Model>> {
        let (own_family, own_kind) = (family(path), kind(tensors.iter()));
        let mut found: Vec<Arc<Model>> = Vec::new();
        let mut add = |model: Option<Arc<Model>>| {
            if let Some(model) = model.filter(|model| found.iter().all(|other| other.path != model.path)) {
                found.push(model);
            }
        };
        let (of_family, alike) = {
            let now = lock(&self.now);
            (now.families.get(&own_family).cloned(), now.kinds.get(&own_kind).cloned().unwrap_or_default())
        };
        let last = &self.last;
        add(of_family);
        for at in last.paths.get(path).into_iter().chain(last.families.get(&own_family)) {
            add(self.load(&last.files[*at]));
        }
        alike.into_iter().rev().for_each(|model| add(Some(model)));
        last.kinds.get(&own_kind).into_iter().flatten().for_each(|at| add(self.load(&last.files[*at])));
        found
    }

    /// The tensors and chunks of a file of the last snapshot.
    fn load(&self, older: &Older) -> Option<Arc<Model>> {
        let read = || -> Option<Arc<Model>> {
            let ModelRef { path, details, kind, .. } = &older.listed;
            let manifest = self.manifest.as_ref()?;
            let (bytes, entry, chunks) = self.runtime.block_on(async {
                let bytes = read_chunk(&self.repo, &self.index, Realm::Manifest, details).await.ok()?;
                let entry = manifest.entry(path).await.ok()??;
                let chunks = manifest.chunks(&entry).await.ok()?;
                Some((bytes, entry, chunks))
            })?;
            let chunks = crate::flows::restore::plan::pieces(&entry, &chunks, &self.index).ok()?;
            let starts: HashMap<(u64, u64), ChunkId> =
                chunks.iter().map(|chunk| ((chunk.offset, u64::from(chunk.at.raw)), chunk.id)).collect();
            let file = self.file(path);
            let key = |offset: u64, len: u64| Some(self.key(*starts.get(&(offset, len))?, (file, offset)));
            let known = |record: TensorRecord| {
                let keys = pieces(record.dtype, record.len).map(|(at, len)| key(record.offset + at, len)).collect();
                (record.name, Known { dtype: record.dtype, shape: record.shape, keys })
            };
            let records = read_list::<TensorRecord>(&bytes).ok()?;
            if records.iter().any(|record| record.offset.checked_add(record.len).is_none_or(|end| end > entry.size)) {
                return None;
            }
            let tensors = records.into_iter().map(known).collect();
            Some(Arc::new(Model { path: path.clone(), kind: *kind, tensors }))
        };
        older.model.get_or_init(read).clone()
    }

    fn file(&self, path: &[u8]) -> u32 {
        let mut files = lock(&self.files);
        files.push([b"/", path].concat().into());
        files.len() as u32 - 1
    }

    /// The chunk that stands for itself behind `id`, which is at this place.
    fn key(&self, id: ChunkId, place: (u32, u64)) -> Key {
        if let Some(key) = lock(&self.differences).get(&id) {
            return *key;
        }
        // One whose base was lost is stored anew by this run.
        match self.index.find(Realm::Data, &id).and_then(|_| self.index.base(Realm::Data, &id)) {
            Some(base) => Key { id: base, place: None },
            None => Key { id, place: Some(place) },
        }
    }

    /// Remembers that a chunk of this run is a difference to the one that `place` of `file` was compared with.
    pub fn note_difference(&self, id: ChunkId, file: &Subject, place: Place) {
        let key = file.base.as_ref().and_then(|base| base.key(file.tensor(place)?, place.piece));
        if let Some(key) = key {
            lock(&self.differences).insert(id, key);
        }
    }

    /// A file that was read whole: from now on others may be compared with it.
    pub fn add(&self, path: &[u8], look: &Look, ids: &[(ChunkId, Option<Place>)]) {
        if look.plan.is_empty() {
            return;
        }
        let file = self.file(path);
        let mut keys: HashMap<u32, Vec<Option<Key>>> = HashMap::new();
        for (id, place) in ids.iter().filter_map(|(id, place)| Some((*id, (*place)?))) {
            let Some(tensor) = look.tensor(place).filter(|_| place.whole && place.piece < PIECES_MAX) else { continue };
            let offset = tensor.offset + u64::from(place.piece) * piece_len(tensor.dtype);
            let of_tensor = keys.entry(place.tensor).or_default();
            of_tensor.resize(of_tensor.len().max(place.piece as usize + 1), None);
            of_tensor[place.piece as usize] = Some(self.key(id, (file, offset)));
        }
        let known = |(number, tensor): (u32, &Tensor)| {
            let keys = keys.remove(&number)?;
            Some((tensor.name.clone(), Known { dtype: tensor.dtype, shape: tensor.shape.clone(), keys }))
        };
        let tensors = (0..).zip(&look.tensors).filter_map(known).collect();
        let model = Arc::new(Model { path: path.to_vec(), kind: kind(look.tensors.iter()), tensors });
        let mut now = lock(&self.now);
        let alike = now.kinds.entry(model.kind).or_default();
        if alike.len() == ALIKE {
            alike.remove(0);
        }
        alike.push(model.clone());
        now.families.insert(family(path), model);
    }
}

impl Model {
    /// How a tensor follows from the one of the same name here, if there is one of the same shape.
    fn relation(&self, tensor: &Tensor) -> Option<Relation> {
        let known = self.tensors.get(&tensor.name).filter(|known| known.shape == tensor.shape)?;
        Relation::between(known.dtype, tensor.dtype)
    }

    fn key(&self, tensor: &Tensor, piece: u32) -> Option<Key> {
        self.tensors.get(&tensor.name).and_then(|known| *known.keys.get(piece as usize)?)
    }
}

/// A file that is being stored: what is known of it, and the earlier file that its tensors are compared with.
#[derive(Default)]
pub(super) struct Subject {
    pub look: Look,
    pub base: Option<Arc<Model>>,
}

impl std::ops::Deref for Subject {
    type Target = Look;

    fn deref(&self) -> &Look {
        &self.look
    }
}

/// Reads bases on one thread.
pub(super) struct BaseReader {
    keys: Arc<Keys>,
    opener: Opener,
    plain: Vec<u8>,
}

impl BaseReader {
    pub fn new(bases: &Bases) -> crate::error::Result<BaseReader> {
        let opener = Opener::new(&bases.repo, &bases.index)?;
        Ok(BaseReader { keys: bases.repo.keys().clone(), opener, plain: Vec::new() })
    }

    /// What a piece of `file` may be stored as the difference to.
    pub fn near(&mut self, bases: &Bases, file: &Subject, place: Place, len: usize) -> Option<Near<'_>> {
        let (model, tensor) = (file.base.as_ref().filter(|_| place.whole)?, file.tensor(place)?);
        let (relation, key) = (model.relation(tensor)?, model.key(tensor, place.piece)?);
        let base = self.load(bases, key, relation, len)?;
        Some(Near { base: key.id, dtype: tensor.dtype, against: Against { relation, base } })
    }

    /// The plaintext of a base for a chunk of `len` bytes. One that cannot be had costs only space.
    fn load(&mut self, bases: &Bases, key: Key, relation: Relation, len: usize) -> Option<&[u8]> {
        let (wide, own) = relation.widths();
        if let Some((file, offset)) = key.place {
            let path = lock(&bases.files).get(file as usize)?.clone();
            self.plain.resize(len / own * wide, 0);
            let read = read_exactly(&path, offset, &mut self.plain);
            if read.is_ok() && self.keys.chunk_id(Realm::Data, &self.plain) == key.id {
                return Some(&self.plain);
            }
        }
        self.opener.read(Realm::Data, &key.id, &mut self.plain).ok()?;
        Some(&self.plain)
    }
}
