//! Cat: what an object of the repository holds, opened: for debugging, and for those who want to see.

use crate::codec::envelope::{Header, Realm};
use crate::codec::pack::PackTable;
use crate::error::{Error, Kind, Result};
use crate::id::{Id, ObjectId};
use crate::records::snapshot::Snapshot;
use crate::repo::Repository;
use crate::repo::index::listed_id;
use crate::repo::manifest::Manifest;
use crate::repo::reader::{missing_chunk, read_chunk, read_footer};
use crate::spec::{INDEX, KEYS, OBJECT_MAX, PACKS};
use serde_json::{Value, json};
use std::sync::Arc;

/// The content of one object: JSON text for records, plaintext for a chunk.
/// `what` is one of config, key, index, pack, snapshot, tree, chunk; all but config need an id or a prefix of one.
pub async fn cat(repo: &Arc<Repository>, what: &str, id: Option<&str>) -> Result<Vec<u8>> {
    let id = match (what, id) {
        ("config", _) => "",
        (_, Some(id)) => id,
        (_, None) => {
            return Err(Error::new(Kind::Usage, format!("Which {what}?")).hint(format!("lastgood cat {what} ID")));
        }
    };
    let value = match what {
        "config" => json(repo.config())?,
        "key" => key(repo, find(repo, KEYS, id).await?.0).await?,
        "index" => tables(&repo.index_page(find(repo, INDEX, id).await?.0).await?),
        "pack" => {
            let (pack, size) = find(repo, PACKS, id).await?;
            tables(&[read_footer(repo, pack, size).await?])
        }
        "snapshot" => json(&snapshot(repo, id).await?)?,
        "tree" => tree(repo, &snapshot(repo, id).await?).await?,
        "chunk" => return chunk(repo, id).await,
        other => {
            return Err(Error::new(Kind::Usage, format!("There is nothing called {other:?} to show"))
                .hint("config, key, index, pack, snapshot, tree or chunk"));
        }
    };
    let mut text = serde_json::to_vec_pretty(&value).map_err(internal)?;
    text.push(b'\n');
    Ok(text)
}

fn internal(e: serde_json::Error) -> Error {
    Error::new(Kind::Internal, "Cannot write JSON").because(e)
}

fn json(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(internal)
}

/// The one object below `prefix` whose hash begins with `id`.
async fn find(repo: &Repository, prefix: &str, id: &str) -> Result<(ObjectId, u64)> {
    let listed = repo.store().list(prefix).await?;
    let mut found = listed.iter().filter_map(listed_id).filter(|(found, _)| found.hex().starts_with(id));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::new(Kind::NoMatch, format!("Nothing in {prefix}/ begins with {id:?}"))),
        _ => {
            Err(Error::new(Kind::Usage, format!("Several objects in {prefix}/ begin with {id:?}"))
                .hint("give more digits"))
        }
    }
}

async fn snapshot(repo: &Repository, id: &str) -> Result<Snapshot> {
    let all = repo.snapshots().await?;
    crate::flows::select::Selector::parse(id)?.find(&all, &Default::default())
}

async fn key(repo: &Repository, id: ObjectId) -> Result<Value> {
    let object = repo.store().get(&format!("{KEYS}/{id}"), OBJECT_MAX).await?;
    let damaged = |e| Error::damaged(format!("The key slot {} is damaged", id.brief())).because(e);
    let header = Header::parse(&object, object.len() as u64).map_err(damaged)?;
    let slot = repo.slots().await?.into_iter().find(|slot| slot.id == id);
    let slot = slot.ok_or_else(|| Error::damaged(format!("The key slot {} is damaged", id.brief())))?;
    Ok(json!({
        "id": id, "kind": slot.kind, "memory_kib": slot.cost[0], "passes": slot.cost[1], "lanes": slot.cost[2],
        "note": slot.note, "repository": Id(header.repository),
    }))
}

fn tables(tables: &[PackTable]) -> Value {
    let chunk = |chunk: &crate::codec::pack::PackedChunk| json!({"id": chunk.id, "codec": chunk.codec, "stored": chunk.stored, "raw": chunk.raw, "base": chunk.base});
    let table = |table: &PackTable| {
        json!({
            "pack": table.pack, "type": if table.realm == Realm::Data { "data" } else { "manifest" },
            "size": table.size, "epoch": table.epoch, "chunks": table.chunks.iter().map(chunk).collect::<Vec<_>>(),
        })
    };
    Value::Array(tables.iter().map(table).collect())
}

async fn tree(repo: &Arc<Repository>, snapshot: &Snapshot) -> Result<Value> {
    let index = Arc::new(repo.load_index(true).await?.index);
    let manifest = Manifest::open(repo, &index, &snapshot.tree).await?;
    let page = |page: &crate::records::page::PageRef| json!({"id": page.id, "first": crate::error::printable(&page.first), "entries": page.entries});
    Ok(json!({"id": snapshot.tree, "pages": manifest.pages().iter().map(page).collect::<Vec<_>>()}))
}

async fn chunk(repo: &Arc<Repository>, id: &str) -> Result<Vec<u8>> {
    let id = Id::from_hex(id).ok_or_else(|| Error::new(Kind::Usage, "A chunk is named by all 64 digits of its id"))?;
    let index = Arc::new(repo.load_index(true).await?.index);
    let realm = [Realm::Data, Realm::Manifest].into_iter().find(|&realm| index.find(realm, &id).is_some());
    read_chunk(repo, &index, realm.ok_or_else(|| missing_chunk(&id))?, &id).await
}
