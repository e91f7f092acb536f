//! From lost chunks to the files of the snapshots that need them.

use super::{Affected, Damage, Session, lock};
use crate::codec::envelope::Realm;
use crate::error::{Result, printable};
use crate::id::ChunkId;
use crate::records::snapshot::Snapshot;
use crate::repo::manifest::Manifest;
use std::collections::{HashMap, HashSet};

/// How many files are named for each damaged object; all are counted.
const NAMED: usize = 100;

impl Session {
    /// Names the files that each damaged object takes with it.
    pub(super) async fn affected(&self, snapshots: &[Snapshot]) -> Result<Vec<Damage>> {
        let found = std::mem::take(&mut *lock(&self.found));
        let mut lost: HashMap<(Realm, ChunkId), usize> = HashMap::new();
        for (number, found) in found.iter().enumerate() {
            lost.extend(found.lost.iter().map(|&chunk| (chunk, number)));
        }
        let mut damage: Vec<Damage> = found
            .into_iter()
            .map(|found| Damage {
                object: found.object,
                message: found.message,
                chunks: found.lost.iter().collect::<HashSet<_>>().len() as u64,
                files: Vec::new(),
                file_count: 0,
                snapshots: Default::default(),
                advice: found.advice.into(),
            })
            .collect();
        if lost.is_empty() {
            return Ok(damage);
        }
        for snapshot in snapshots {
            self.snapshot(snapshot, &lost, &mut damage).await?;
        }
        Ok(damage)
    }

    async fn snapshot(
        &self,
        snapshot: &Snapshot,
        lost: &HashMap<(Realm, ChunkId), usize>,
        damage: &mut [Damage],
    ) -> Result<()> {
        let Some(id) = snapshot.id else { return Ok(()) };
        let mut add = |number: usize, path: String| {
            let damage = &mut damage[number];
            damage.file_count += 1;
            *damage.snapshots.entry(id).or_default() += 1;
            if damage.files.len() < NAMED {
                damage.files.push(Affected { snapshot: id, path });
            }
        };
        if let Some(&number) = lost.get(&(Realm::Manifest, snapshot.tree)) {
            add(number, "everything in this snapshot".into());
            return Ok(());
        }
        let Ok(manifest) = Manifest::open(&self.repo, &self.index, &snapshot.tree).await else { return Ok(()) };
        for page in manifest.pages() {
            self.progress.check()?;
            if let Some(&number) = lost.get(&(Realm::Manifest, page.id)) {
                add(number, format!("{} entries from /{} on", page.entries, printable(&page.first)));
                continue;
            }
            // What else is wrong with a page was found before.
            for entry in manifest.page(page).await.unwrap_or_default() {
                let path = || printable(&[b"/", &entry.path[..]].concat());
                let realm = if entry.listed { Realm::Manifest } else { Realm::Data };
                // What is a difference to a lost chunk is lost too.
                let number = |realm, chunk: &ChunkId| {
                    self.index.chain(realm, chunk).find_map(|chunk| lost.get(&(realm, chunk)).copied())
                };
                let mut numbers: Vec<usize> = entry.chunks.iter().filter_map(|chunk| number(realm, chunk)).collect();
                if entry.listed {
                    let chunks = manifest.chunks(&entry).await.unwrap_or_default();
                    numbers.extend(chunks.iter().filter_map(|chunk| number(Realm::Data, chunk)));
                }
                numbers.sort_unstable();
                numbers.dedup();
                numbers.into_iter().for_each(|number| add(number, path()));
            }
        }
        Ok(())
    }
}
