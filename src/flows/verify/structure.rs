//! Structure: every object is there and is what its place says; indexes fit packs, manifests fit indexes.

use super::{REBACKUP, REINDEX, REPLACE, REWRITE, Session, lock, reason};
use crate::codec::envelope::{Header, Realm};
use crate::codec::pack::PackTable;
use crate::error::{Error, Kind, Result, printable};
use crate::id::{Id, ObjectId};
use crate::records::manifest::{Entry, FileKind, LeftOut};
use crate::records::page::PageRef;
use crate::records::snapshot::Snapshot;
use crate::repo::index::{FETCHES, Loaded, listed_id, listed_pack, pack_name};
use crate::repo::manifest::{Manifest, chunks_of};
use crate::repo::reader::read_footer;
use crate::repo::store::Listed;
use crate::spec::{INDEX, KEYS, OBJECT_MAX, ObjectType, PACKS, SNAPSHOTS};
use futures::{StreamExt, stream};
use std::collections::{HashMap, HashSet};

impl Session {
    /// Checks everything but the chunks of files themselves, and gives the snapshots that open.
    pub(super) async fn structure(&self, loaded: &Loaded, adopted: &[PackTable]) -> Result<Vec<Snapshot>> {
        {
            let mut report = lock(&self.report);
            report.packs = (self.index.pack_count() + loaded.absent.len()) as u64;
            report.chunks = self.index.len() as u64;
        }
        for (id, e) in &loaded.damaged {
            self.damage(format!("{INDEX}/{id}"), reason(e), REINDEX, Vec::new());
        }
        self.slots().await?;
        self.strays().await?;
        self.packs(loaded, adopted).await?;
        let (snapshots, damaged) = self.repo.snapshots_and_damage().await?;
        self.lineage(&snapshots, &damaged);
        for (name, e) in damaged {
            self.damage(name, reason(&e), REPLACE, Vec::new());
        }
        lock(&self.report).snapshots = snapshots.len() as u64;
        let entries: u64 = snapshots.iter().map(|s| s.summary.total_files_processed).sum();
        self.progress.total(entries, 0);
        let mut seen = HashSet::new();
        for snapshot in &snapshots {
            self.progress.check()?;
            self.manifest(snapshot, &mut seen).await?;
        }
        Ok(snapshots)
    }

    async fn slots(&self) -> Result<()> {
        for listed in self.repo.store().list(KEYS).await? {
            let object = match self.repo.store().get(&listed.name, OBJECT_MAX).await {
                Ok(object) => object,
                Err(e) => {
                    self.judge(&listed.name, e, REPLACE, Vec::new())?;
                    continue;
                }
            };
            if listed_id(&listed).is_none_or(|(id, _)| id != Id::of(&object)) {
                self.damage(&listed.name, "its bytes are not those that its name says", REPLACE, Vec::new());
                continue;
            }
            match Header::parse(&object, object.len() as u64) {
                Ok(header) if header.repository != *self.repo.keys().repository() => {
                    self.note(
                        &listed.name,
                        "a key slot of another repository, left by an init that was cut off: harmless",
                    );
                }
                Ok(header) if header.object_type == ObjectType::Slot as u8 => {}
                Ok(_) => self.damage(&listed.name, "it is no key slot", REPLACE, Vec::new()),
                Err(e) => self.damage(&listed.name, e.to_string(), REPLACE, Vec::new()),
            }
        }
        Ok(())
    }

    /// Objects whose names are not ours.
    async fn strays(&self) -> Result<()> {
        for (prefix, ours) in [(PACKS, listed_pack as fn(&Listed) -> _), (INDEX, listed_id)] {
            for listed in self.repo.store().list(prefix).await? {
                if ours(&listed).is_none() {
                    self.note(listed.name, "lastgood did not put this here under this name");
                }
            }
        }
        for listed in self.repo.store().list(SNAPSHOTS).await? {
            if crate::records::snapshot::parse_name(listed.file_name()).is_none() {
                self.note(listed.name, "lastgood did not put this here under this name");
            }
        }
        Ok(())
    }

    /// A snapshot that a later one saw and that is gone: this version never removes one.
    fn lineage(&self, snapshots: &[Snapshot], damaged: &[(String, Error)]) {
        let mut there: HashSet<Id> = snapshots.iter().filter_map(|snapshot| snapshot.id).collect();
        for snapshot in snapshots {
            for id in snapshot.parent.into_iter().chain(snapshot.seen_heads.iter().map(|head| head.id)) {
                if there.insert(id) && !damaged.iter().any(|(name, _)| name.ends_with(&id.hex())) {
                    let message = format!("it is missing: snapshot {} was made when it was there", snapshot.brief());
                    self.damage(format!("{SNAPSHOTS}/*-{id}"), message, REPLACE, Vec::new());
                }
            }
        }
    }

    /// Index against packs: each is there, as long as it should be, and its own footer says the same.
    async fn packs(&self, loaded: &Loaded, adopted: &[PackTable]) -> Result<()> {
        let absent: HashMap<ObjectId, Option<u64>> = loaded.absent.iter().copied().collect();
        let unreadable = loaded.unindexed.iter().filter(|(id, _)| !adopted.iter().any(|table| table.pack == *id));
        for (id, _) in unreadable {
            self.note(
                pack_name(id),
                "no index page names it and it does not open: left by a run that was cut off, or damaged",
            );
        }
        for table in adopted {
            let note = "no index page names it yet: an interrupted run left it, and the next backup will use it";
            self.note(pack_name(&table.pack), note);
        }
        let mut seen = HashSet::new();
        for page in self.repo.store().list(INDEX).await?.iter().filter_map(listed_id) {
            let tables = match self.repo.index_page(page.0).await {
                Ok(tables) => tables,
                Err(e) => {
                    self.judge(&format!("{INDEX}/{}", page.0), e, REINDEX, Vec::new())?;
                    continue;
                }
            };
            let tables: Vec<_> = tables.into_iter().filter(|table| seen.insert(table.pack)).collect();
            let mut footers = stream::iter(tables)
                .map(|table| async {
                    let found = match absent.contains_key(&table.pack) {
                        true => None,
                        false => Some(read_footer(&self.repo, table.pack, table.size).await),
                    };
                    (table, found)
                })
                .buffered(FETCHES);
            while let Some((table, footer)) = footers.next().await {
                self.progress.check()?;
                let name = pack_name(&table.pack);
                match footer {
                    Some(Ok(footer)) if footer == table => {}
                    Some(Ok(_)) => {
                        self.damage(name, "its table of contents is not what the index says", REWRITE, Vec::new())
                    }
                    Some(Err(e)) => self.judge(&name, e, REWRITE, Vec::new())?,
                    None => self.absent(&table, absent.get(&table.pack).copied().flatten()),
                }
            }
        }
        Ok(())
    }

    fn absent(&self, table: &PackTable, found: Option<u64>) {
        // A copy in another pack serves as well.
        let lost = table.chunks.iter().filter(|chunk| self.index.find(table.realm, &chunk.id).is_none());
        let lost: Vec<_> = lost.map(|chunk| (table.realm, chunk.id)).collect();
        let message = match found {
            None => "it is missing".to_owned(),
            Some(size) => {
                format!("it is {size} bytes long and must be {}; a restore tries what is left of it", table.size)
            }
        };
        let advice = if found.is_none() { REBACKUP } else { REWRITE };
        if lost.is_empty() {
            return self
                .note(pack_name(&table.pack), format!("{message}; all that was in it is in other packs by now"));
        }
        self.damage(pack_name(&table.pack), message, advice, lost);
    }

    /// Manifest against index: every page opens, and every chunk that it names is in a pack that is there.
    async fn manifest(&self, snapshot: &Snapshot, seen: &mut HashSet<Id>) -> Result<()> {
        let manifest = match Manifest::open(&self.repo, &self.index, &snapshot.tree).await {
            Ok(manifest) => manifest,
            Err(e) => return self.lost_chunk(snapshot.tree, Realm::Manifest, e),
        };
        let new: Vec<PageRef> = manifest.pages().iter().filter(|page| seen.insert(page.id)).cloned().collect();
        let mut pages = stream::iter(new)
            .map(|page| {
                let manifest = &manifest;
                async move { (page.id, manifest.page(&page).await) }
            })
            .buffered(FETCHES);
        while let Some((id, page)) = pages.next().await {
            self.progress.check()?;
            match page {
                Ok(entries) => {
                    for entry in &entries {
                        self.entry(entry).await?;
                    }
                    self.progress.step(crate::progress::Step::Entries(entries.len() as u64));
                }
                Err(e) => self.lost_chunk(id, Realm::Manifest, e)?,
            }
        }
        Ok(())
    }

    async fn entry(&self, entry: &Entry) -> Result<()> {
        let chunks = match chunks_of(&self.repo, &self.index, entry).await {
            Ok(chunks) => chunks,
            Err(e) => {
                let list = entry.chunks.iter().find(|id| self.index.find(Realm::Manifest, id).is_none());
                return self.lost_chunk(*list.or(entry.chunks.first()).unwrap_or(&Id([0; 32])), Realm::Manifest, e);
            }
        };
        let mut data = 0u64;
        for id in &chunks {
            data = data.saturating_add(self.index.find(Realm::Data, id).map_or(0, |at| u64::from(at.raw)));
            let mut chain = self.index.chain(Realm::Data, id);
            if self.index.find(Realm::Data, id).is_none() && !chain.any(|id| self.is_lost(Realm::Data, &id)) {
                // The end of the chain is what is lost; whatever is a difference to it is lost with it.
                let lost = self.index.chain(Realm::Data, id).last().unwrap_or(*id);
                self.damage(format!("chunk {lost}"), "no pack has it", REBACKUP, vec![(Realm::Data, lost)]);
            }
        }
        let whole = entry.kind == FileKind::File && entry.fault.is_none() && entry.left_out == LeftOut::Nothing;
        let there = chunks.iter().all(|id| self.index.find(Realm::Data, id).is_some());
        if whole && there && data != entry.data_len() {
            let path = printable(&[b"/", &entry.path[..]].concat());
            self.damage(path, "its chunks do not add up to its size", REBACKUP, Vec::new());
        }
        Ok(())
    }

    fn is_lost(&self, realm: Realm, id: &Id) -> bool {
        lock(&self.lost).contains(&(realm, *id))
    }

    /// A chunk of a manifest that cannot be had: the damage is that of its pack, if it has one.
    fn lost_chunk(&self, id: Id, realm: Realm, e: Error) -> Result<()> {
        if self.is_lost(realm, &id) {
            return Ok(());
        }
        let object = match self.index.find(realm, &id) {
            Some(at) if e.kind != Kind::Internal => pack_name(&self.index.pack(at.pack).id),
            _ => format!("chunk {id}"),
        };
        self.judge(&object, e, REPLACE, vec![(realm, id)])
    }
}
