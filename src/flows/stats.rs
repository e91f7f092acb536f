//! Stats: what a repository holds and what it takes, and the same of one snapshot.

use crate::codec::envelope::Realm;
use crate::error::{Problem, Result, Trouble};
use crate::id::ChunkId;
use crate::records::manifest::FileKind;
use crate::records::snapshot::Snapshot;
use crate::repo::Repository;
use crate::repo::index::{Index, Location, pack_name};
use crate::repo::manifest::Manifest;
use crate::spec::{CONFIG_NAME, INDEX, KEYS, PACKS, SNAPSHOTS, VERDICTS};
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Chunks: how many, how long, and what they take in packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub chunks: u64,
    /// Bytes before coding.
    pub raw: u64,
    /// Bytes in packs.
    pub stored: u64,
}

impl Sum {
    fn add(&mut self, at: &Location) {
        self.chunks += 1;
        self.raw += u64::from(at.raw);
        self.stored += u64::from(at.stored);
    }

    /// Both together.
    pub fn join(self, other: Sum) -> Sum {
        Sum { chunks: self.chunks + other.chunks, raw: self.raw + other.raw, stored: self.stored + other.stored }
    }
}

/// What a repository holds.
#[derive(Clone, Debug, Default)]
pub struct RepositoryStats {
    /// Chunks of files, by codec.
    pub data: BTreeMap<u8, Sum>,
    /// Manifests and other descriptions.
    pub manifest: Sum,
    /// Packs that the index names, and their bytes.
    pub packs: (u64, u64),
    /// Packs that no index page names.
    pub unindexed: (u64, u64),
    /// Index pages.
    pub index: (u64, u64),
    /// All objects.
    pub objects: (u64, u64),
    /// What is wrong with the index.
    pub problems: Vec<Problem>,
}

impl RepositoryStats {
    /// All chunks.
    pub fn total(&self) -> Sum {
        self.data.values().fold(self.manifest, |all, sum| all.join(*sum))
    }

    /// What packs take beyond their chunks: headers, padding, footers, and chunks that are stored twice.
    pub fn overhead(&self) -> u64 {
        self.packs.1.saturating_sub(self.total().stored)
    }
}

/// Counts what a repository holds, by its index and its listings.
pub async fn stats(repo: &Arc<Repository>) -> Result<RepositoryStats> {
    let loaded = repo.load_index(false).await?;
    let mut stats = RepositoryStats::default();
    for at in loaded.index.chunks() {
        match loaded.index.pack(at.pack).realm {
            Realm::Data => stats.data.entry(at.codec).or_default().add(&at),
            Realm::Manifest => stats.manifest.add(&at),
        }
    }
    let count = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold((0, 0), |(n, bytes), size| (n + 1, bytes + size));
    stats.packs = count(&mut (0..loaded.index.pack_count()).map(|number| loaded.index.pack(number as u32).size));
    stats.unindexed = count(&mut loaded.unindexed.iter().map(|(_, size)| *size));
    for prefix in [PACKS, INDEX, SNAPSHOTS, KEYS, VERDICTS] {
        let listed = repo.store().list(prefix).await?;
        let found = count(&mut listed.iter().map(|object| object.size));
        if prefix == INDEX {
            stats.index = found;
        }
        stats.objects = (stats.objects.0 + found.0, stats.objects.1 + found.1);
    }
    if let Some(size) = repo.store().size(CONFIG_NAME).await? {
        stats.objects = (stats.objects.0 + 1, stats.objects.1 + size);
    }
    for (id, e) in loaded.damaged {
        stats.problems.push(Problem::new(Trouble::Damaged, format!("{INDEX}/{id}"), e.what));
    }
    for (pack, found) in loaded.absent {
        let (kind, what) = match found {
            None => (Trouble::Missing, "it is missing"),
            Some(_) => (Trouble::Damaged, "it has another length than the index says"),
        };
        stats.problems.push(Problem::new(kind, pack_name(&pack), what));
    }
    Ok(stats)
}

/// Files of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindStats {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their chunks, each counted with the first file that has it.
    pub chunks: Sum,
}

/// What a snapshot takes.
#[derive(Clone, Debug, Default)]
pub struct SnapshotStats {
    /// By the name of the format; `other` for files without one.
    pub kinds: BTreeMap<String, KindStats>,
    /// Chunks that belong to none of its files, but that some of its chunks are differences to.
    pub bases: Sum,
    /// Chunks that no pack has.
    pub missing: u64,
}

/// The name of all files without a format that is known.
pub const OTHER: &str = "other";

/// Counts what the files of a snapshot take, by reading its manifest.
pub async fn snapshot_stats(repo: &Arc<Repository>, snapshot: &Snapshot) -> Result<SnapshotStats> {
    let index = Arc::new(repo.load_index(true).await?.index);
    let manifest = Manifest::open(repo, &index, &snapshot.tree).await?;
    let mut stats = SnapshotStats::default();
    let mut seen = Seen::default();
    let mut pages = Box::pin(manifest.stream(b""));
    while let Some(page) = pages.next().await {
        for entry in page?.iter().filter(|entry| entry.kind == FileKind::File) {
            let name = entry.format.as_ref().map_or(OTHER, |format| &format.name);
            let mut kind = stats.kinds.get(name).copied().unwrap_or_default();
            kind.files += 1;
            kind.bytes += entry.size;
            for id in manifest.chunks(entry).await? {
                match seen.take(&index, &id) {
                    None => stats.missing += 1,
                    Some(Some(at)) => kind.chunks.add(&at),
                    Some(None) => {}
                }
            }
            stats.kinds.insert(name.to_owned(), kind);
        }
    }
    seen.bases.iter().filter(|(place, _)| !seen.chunks.contains(place)).for_each(|(_, at)| stats.bases.add(at));
    Ok(stats)
}

/// Chunks that were met, by pack and frame.
#[derive(Default)]
struct Seen {
    chunks: HashSet<(u32, u32)>,
    bases: HashMap<(u32, u32), Location>,
}

impl Seen {
    /// Where a chunk is, `Some(None)` if it was met before, `None` if no pack has it.
    fn take(&mut self, index: &Index, id: &ChunkId) -> Option<Option<Location>> {
        let at = index.find(Realm::Data, id)?;
        if !self.chunks.insert((at.pack, at.frame)) {
            return Some(None);
        }
        let mut base = index.base(Realm::Data, id);
        while let Some(at) = base.and_then(|base| index.find(Realm::Data, &base)) {
            if self.bases.insert((at.pack, at.frame), at).is_some() {
                break;
            }
            base = base.and_then(|base| index.base(Realm::Data, &base));
        }
        Some(Some(at))
    }
}
