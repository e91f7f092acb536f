//! Data: hashing whole objects, which needs no key, and opening chunks, which proves that they can be restored.

use super::{REINDEX, REPLACE, REWRITE, ReadData, Session, lock};
use crate::codec::envelope::{EnvelopeError, Keys, Realm};
use crate::codec::pack::{PackTable, open_padding};
use crate::error::{Error, Kind, Problem, Result, Trouble};
use crate::id::{ChunkId, Id};
use crate::progress::Step;
use crate::repo::fetch::{Read, fetch};
use crate::repo::index::{Index, PackMeta, listed_id, listed_pack, pack_name};
use crate::repo::reader::{OpenFault, Opener};
use crate::repo::store::Listed;
use crate::repo::{on_cpu, split_config};
use crate::spec::{CONFIG_NAME, HEADER_LEN, INDEX, KEYS, OBJECT_MAX, PACKS, SNAPSHOTS, VERDICTS};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// At most so much is fetched at once.
const RANGE: u64 = 4 << 20;
/// Objects hashed at once.
const HASHING: usize = 3;
/// Packs whose reads are planned at once: bounds the memory, not the speed.
const PACKS_AT_ONCE: usize = 256;

impl Session {
    /// Hashes every object and compares it with its name; gives the packs that differ.
    pub(super) async fn scrub(&self) -> Result<Vec<(Id, u64)>> {
        let store = self.repo.store();
        let mut all = Vec::new();
        for prefix in [KEYS, INDEX, SNAPSHOTS, VERDICTS, PACKS] {
            all.extend(store.list(prefix).await?);
        }
        self.progress.total(all.len() as u64, all.iter().map(|listed| listed.size).sum());
        let config = store.get(CONFIG_NAME, OBJECT_MAX).await?;
        if let Err(e) = split_config(&config) {
            self.damage(CONFIG_NAME, e.to_string(), REPLACE, Vec::new());
        }
        lock(&self.report).objects_hashed += 1;
        stream::iter(all)
            .map(|listed| async move {
                self.progress.check()?;
                let Some(name) = hash_in_name(&listed) else { return Ok(None) };
                let hash = self.hash(&listed).await;
                self.progress.step(Step::Entries(1));
                lock(&self.report).objects_hashed += 1;
                match hash {
                    Ok(hash) if hash == name => return Ok(None),
                    Ok(_) => {
                        self.damage(&listed.name, "its bytes are not those that its name says", REWRITE, Vec::new());
                    }
                    Err(e) => self.judge(&listed.name, e, REWRITE, Vec::new())?,
                }
                Ok(Some((name, listed.size)).filter(|_| listed.name.starts_with(PACKS)))
            })
            .buffer_unordered(HASHING)
            .try_filter_map(|bad| async move { Ok(bad) })
            .try_collect()
            .await
    }

    async fn hash(&self, listed: &Listed) -> Result<Id> {
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        while at < listed.size {
            let end = listed.size.min(at + RANGE);
            let bytes = self.repo.store().get_range(&listed.name, at..end).await?;
            hasher = on_cpu(move || {
                hasher.update(&bytes);
                hasher
            })
            .await?;
            self.progress.step(Step::Done(end - at));
            lock(&self.report).bytes_read += end - at;
            at = end;
            self.progress.check()?;
        }
        Ok(Id(*hasher.finalize().as_bytes()))
    }

    /// The packs that are to be read.
    pub(super) async fn choose(&self, how: ReadData) -> Result<Vec<(Id, u64)>> {
        if how == ReadData::None {
            return Ok(Vec::new());
        }
        choose(self.repo.store().list(PACKS).await?.iter().filter_map(listed_pack).collect(), how)
    }

    /// Opens, decodes and hashes every chunk of the chosen packs.
    pub(super) async fn read_data(
        &self,
        chosen: Vec<(Id, u64)>,
        adopted: &[PackTable],
        told: &HashSet<Id>,
    ) -> Result<()> {
        self.progress.total(chosen.len() as u64, chosen.iter().map(|(_, size)| size).sum());
        let mut chosen: HashMap<Id, u64> = chosen.into_iter().collect();
        let mut waiting = Vec::new();
        let pages = self.repo.store().list(INDEX).await?;
        let mut pages: Vec<Id> = pages.iter().filter_map(listed_id).map(|(id, _)| id).collect();
        let mut tables = adopted.to_vec();
        loop {
            // Packs that are missing or cut short were reported with the structure.
            let fresh =
                tables.drain(..).filter(|table| chosen.remove(&table.pack).is_some_and(|size| size == table.size));
            waiting.extend(fresh.map(Arc::new));
            if waiting.len() >= PACKS_AT_ONCE || pages.is_empty() {
                self.read_packs(std::mem::take(&mut waiting)).await?;
            }
            match pages.pop() {
                Some(page) => match self.repo.index_page(page).await {
                    Ok(read) => tables = read,
                    Err(e) => self.judge(&format!("{INDEX}/{page}"), e, REINDEX, Vec::new())?,
                },
                None => break,
            }
        }
        // Those of which the structure told already are known; of any other, nobody has seen the content.
        for pack in chosen.into_keys().filter(|pack| !told.contains(pack)) {
            let problem = Problem::new(Trouble::Unknown, pack_name(&pack), "no index page that can be read names it");
            lock(&self.report).unknown.push(problem);
        }
        Ok(())
    }

    async fn read_packs(&self, tables: Vec<Arc<PackTable>>) -> Result<()> {
        let count = tables.len() as u64;
        let reads: Vec<Read<Part>> = tables.iter().flat_map(|table| parts(table.clone())).collect();
        let bad: Arc<Mutex<Vec<Bad>>> = Arc::default();
        let (faults, repo, index, progress) =
            (bad.clone(), self.repo.clone(), self.index.clone(), self.progress.clone());
        fetch(&self.repo, reads, move || {
            let (faults, keys, progress) = (faults.clone(), repo.keys().clone(), progress.clone());
            let known = index.clone();
            let (mut opener, mut plain) = (Opener::new(&repo, &index)?, Vec::new());
            Ok(move |part: Part, bytes: Result<&[u8]>| {
                progress.check()?;
                progress.step(Step::Done(part.bytes));
                part.check(&keys, &known, bytes, &mut opener, &mut plain, &faults);
                Ok(())
            })
        })
        .await?;
        {
            let mut report = lock(&self.report);
            report.packs_read += count;
            report.bytes_read += tables.iter().map(|table| table.size).sum::<u64>();
        }
        for Bad { pack, realm, error, lost } in std::mem::take(&mut *lock(&bad)) {
            let lost = lost.into_iter().map(|id| (realm, id)).collect();
            self.judge(&pack_name(&pack), error, REWRITE, lost)?;
        }
        Ok(())
    }
}

/// Frames of a pack that lie behind one another.
struct Part {
    table: Arc<PackTable>,
    frames: Range<usize>,
    /// How many bytes that is.
    bytes: u64,
    /// Whether the padding follows.
    last: bool,
}

/// Chunks of a pack that do not open.
struct Bad {
    pack: Id,
    realm: Realm,
    error: Error,
    lost: Vec<ChunkId>,
}

/// Cuts a pack into reads. Header, footer and trailer were checked with the structure; the padding comes with the last.
fn parts(table: Arc<PackTable>) -> Vec<Read<Part>> {
    let mut parts = Vec::new();
    let (mut start, mut from, mut at) = (0, HEADER_LEN as u64, HEADER_LEN as u64);
    let footer = crate::codec::pack::footer_range(&table).start;
    for (frame, chunk) in table.chunks.iter().enumerate() {
        at += u64::from(chunk.stored);
        let last = frame + 1 == table.chunks.len();
        if at - from >= RANGE || last {
            let range = from..if last { footer.max(at) } else { at };
            let job = Part { table: table.clone(), frames: start..frame + 1, bytes: range.end - range.start, last };
            parts.push(Read { pack: table.pack, range, job });
            (start, from) = (frame + 1, at);
        }
    }
    parts
}

impl Part {
    fn check(
        self,
        keys: &Keys,
        index: &Index,
        bytes: Result<&[u8]>,
        opener: &mut Opener,
        plain: &mut Vec<u8>,
        bad: &Mutex<Vec<Bad>>,
    ) {
        let PackTable { pack, realm, epoch, salt, size, .. } = *self.table;
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                let lost = self.table.chunks[self.frames].iter().map(|chunk| chunk.id).collect();
                lock(bad).push(Bad { pack, realm, error, lost });
                return;
            }
        };
        let meta = PackMeta { id: pack, realm, epoch, salt, size };
        let mut at = 0;
        let (mut lost, mut why) = (Vec::new(), None);
        for number in self.frames {
            let chunk = &self.table.chunks[number];
            let end = at + chunk.stored as usize;
            match opener.try_open(&meta, number as u32, chunk, &bytes[at..end], plain) {
                Ok(()) => {}
                Err(OpenFault::Chunk(e)) => {
                    lost.push(chunk.id);
                    why.get_or_insert(e);
                }
                // The fault is that of the base, and so is the pack that is named. An interrupted backup may leave a
                // difference without its base: no snapshot can need it, or the structure has told that it is lost.
                Err(OpenFault::Base(error)) => {
                    let base = chunk.base.and_then(|base| Some((base, index.find(realm, &base)?.pack)));
                    if let Some((base, at)) = base {
                        lock(bad).push(Bad { pack: index.pack(at).id, realm, error, lost: vec![base] });
                    }
                }
            }
            at = end;
        }
        if self.last {
            let key = keys.pack_key(realm, epoch, &salt);
            let padding = key.and_then(|key| open_padding(&key, &bytes[at..]));
            why = why
                .or(padding.err().map(|_| EnvelopeError::Content("its padding was changed; no chunk is lost".into())));
        }
        if let Some(why) = why {
            let what = match lost.len() {
                0 => "it was changed".to_owned(),
                count => format!("{count} of its chunks do not open"),
            };
            let error = Error::damaged(what).because(why);
            lock(bad).push(Bad { pack, realm, error, lost });
        }
    }
}

fn hash_in_name(listed: &Listed) -> Option<Id> {
    match crate::records::snapshot::parse_name(listed.file_name()) {
        Some((_, id)) => Some(id),
        None => Id::from_hex(listed.file_name()),
    }
}

/// The packs that are read.
fn choose(mut packs: Vec<(Id, u64)>, how: ReadData) -> Result<Vec<(Id, u64)>> {
    let number = |id: &Id| (id.short() >> 64) as u64;
    let mut seed = [0; 32];
    let failed = |e| Error::new(Kind::Internal, "The system gives no random bytes").because(format!("{e}"));
    getrandom::fill(&mut seed).map_err(failed)?;
    let random = |id: &Id| Id(*blake3::keyed_hash(&seed, &id.0).as_bytes()).short() as u64;
    match how {
        ReadData::None => packs.clear(),
        ReadData::All => {}
        ReadData::Part { part, of } => packs.retain(|(id, _)| number(id) % of == part - 1),
        ReadData::Percent(percent) => {
            packs.sort_by_key(|(id, _)| random(id));
            let count = (packs.len() as f64 * percent / 100.0).ceil() as usize;
            packs.truncate(count);
        }
        ReadData::Size(size) => {
            packs.sort_by_key(|(id, _)| random(id));
            let mut sum = 0;
            packs.retain(|(_, length)| {
                let wanted = sum < size;
                sum += length;
                wanted
            });
        }
    }
    Ok(packs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_everything_once() {
        let packs: Vec<(Id, u64)> = (0..100u8).map(|n| (Id::of(&[n]), 1000)).collect();
        let part = |part| choose(packs.clone(), ReadData::Part { part, of: 7 }).unwrap();
        let mut all: Vec<_> = (1..=7).flat_map(part).collect();
        all.sort();
        let mut sorted = packs.clone();
        sorted.sort();
        assert_eq!(all, sorted);
        assert_eq!(choose(packs.clone(), ReadData::Percent(10.0)).unwrap().len(), 10);
        assert_eq!(choose(packs.clone(), ReadData::Percent(0.1)).unwrap().len(), 1);
        assert_eq!(choose(packs.clone(), ReadData::Size(5500)).unwrap().len(), 6);
        assert!(choose(packs, ReadData::None).unwrap().is_empty());
    }
}
