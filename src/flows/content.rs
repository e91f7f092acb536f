//! Parts of a file's content: which chunks hold them, what tensors there are, and reading in order, a few chunks ahead.

use super::restore::plan::{Piece, pieces};
use crate::codec::envelope::Realm;
use crate::error::{Error, Kind, Result, printable};
use crate::id::ChunkId;
use crate::records::manifest::Entry;
use crate::records::model::{TensorRecord, read_list};
use crate::repo::index::Index;
use crate::repo::manifest::Manifest;
use crate::repo::reader::{Opener, missing_chunk, read_chunk};
use crate::repo::{Repository, on_cpu};
use futures::{Stream, StreamExt, stream};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Chunks that are read and opened ahead: with their length, a megabyte as a rule, they bound the memory.
const AHEAD: usize = 8;

/// Where the content of a file is.
pub(super) struct Content {
    pieces: Vec<Piece>,
    /// What no pack has: the bytes, and the first chunk of them.
    lost: Option<(Range<u64>, ChunkId)>,
}

impl Content {
    /// Finds every chunk of a file. Those before and behind a lost one are found, too, unless the file has holes.
    pub async fn find(manifest: &Manifest, index: &Index, entry: &Entry) -> Result<Content> {
        let chunks = manifest.chunks(entry).await?;
        match pieces(entry, &chunks, index) {
            Ok(pieces) => Ok(Content { pieces, lost: None }),
            Err(e) if e.kind == Kind::Missing && entry.holes.is_empty() => around(entry, &chunks, index).ok_or(e),
            Err(e) => Err(e),
        }
    }

    /// The chunks that hold these parts, which are sorted and do not overlap.
    pub fn holding(&self, parts: &[Range<u64>]) -> Result<Vec<Piece>> {
        let touches = |bytes: &Range<u64>| {
            let behind = &parts[parts.partition_point(|part| part.end <= bytes.start)..];
            behind.iter().take_while(|part| part.start < bytes.end).any(|part| !part.is_empty())
        };
        if let Some((_, id)) = self.lost.as_ref().filter(|(bytes, _)| touches(bytes)) {
            return Err(missing_chunk(id));
        }
        Ok(self.pieces.iter().filter(|piece| touches(&piece.bytes())).copied().collect())
    }
}

/// What is found of a file from its start and from its end.
fn around(entry: &Entry, chunks: &[ChunkId], index: &Index) -> Option<Content> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    let (mut start, mut end) = (0u64, entry.size);
    for id in chunks {
        let Some(at) = index.find(Realm::Data, id) else { break };
        front.push(Piece { id: *id, at, offset: start });
        start = start.checked_add(u64::from(at.raw))?;
    }
    for id in chunks.iter().rev() {
        let Some(at) = index.find(Realm::Data, id) else { break };
        end = end.checked_sub(u64::from(at.raw))?;
        back.push(Piece { id: *id, at, offset: end });
    }
    let lost = *chunks.get(front.len())?;
    front.extend(back.into_iter().rev());
    (start < end).then_some(Content { pieces: front, lost: Some((start..end, lost)) })
}

/// Bytes that reading these chunks takes from packs.
pub(super) fn stored(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.at.stored)).sum()
}

/// Reads chunks in order; each is checked against its id.
pub(super) fn read(
    repo: &Arc<Repository>,
    index: &Arc<Index>,
    pieces: Vec<Piece>,
) -> impl Stream<Item = Result<(Piece, Vec<u8>)>> + Send + 'static {
    let (repo, index, idle) = (repo.clone(), index.clone(), Arc::new(Mutex::new(Vec::<Opener>::new())));
    let open = move |piece: Piece| {
        let (repo, index, idle) = (repo.clone(), index.clone(), idle.clone());
        move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut opener = match taken {
                Some(opener) => opener,
                None => Opener::new(&repo, &index)?,
            };
            let mut plain = Vec::new();
            opener.read(Realm::Data, &piece.id, &mut plain)?;
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(opener);
            Ok((piece, plain))
        }
    };
    stream::iter(pieces)
        .map(move |piece| {
            let work = on_cpu(open(piece));
            async move { work.await? }
        })
        .buffered(AHEAD)
}

/// The tensors of a file, by their place in it; `None` if none are known.
pub(super) async fn tensors(
    repo: &Arc<Repository>,
    index: &Arc<Index>,
    entry: &Entry,
) -> Result<Option<Vec<TensorRecord>>> {
    let Some(details) = entry.format.as_ref().and_then(|format| format.details) else { return Ok(None) };
    let damaged = |why: String| {
        Error::damaged(format!("What is known of the tensors of /{} is damaged", printable(&entry.path))).because(why)
    };
    let bytes = read_chunk(repo, index, Realm::Manifest, &details).await?;
    let records: Vec<TensorRecord> = read_list(&bytes).map_err(damaged)?;
    let mut end = 0;
    for record in &records {
        let last = record.offset.checked_add(record.len).filter(|last| *last <= entry.size && record.offset >= end);
        end =
            last.ok_or_else(|| damaged(format!("tensor {} is not in the file", printable(record.name.as_bytes()))))?;
    }
    Ok(Some(records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::repo::index::Location;

    fn piece(offset: u64, raw: u32) -> Piece {
        let at = Location { pack: 0, frame: 0, offset: 0, stored: raw + 9, raw, codec: 0 };
        Piece { id: Id::of(&offset.to_le_bytes()), at, offset }
    }

    #[test]
    fn only_chunks_that_hold_something_wanted() {
        let content = Content { pieces: vec![piece(0, 10), piece(10, 10), piece(40, 10)], lost: None };
        for (parts, expected) in [
            (&[0..50][..], &[0, 10, 40][..]),
            (&[9..10], &[0]),
            (&[10..11, 49..50], &[10, 40]),
            (&[20..40], &[]),
            (&[5..5, 10..10], &[]),
            (&[12..12, 15..16], &[10]),
            (&[0..1, 9..11], &[0, 10]),
            (&[], &[]),
        ] {
            let found = content.holding(parts).unwrap();
            assert_eq!(found.iter().map(|piece| piece.offset).collect::<Vec<_>>(), expected, "{parts:?}");
            assert_eq!(stored(&found), 19 * found.len() as u64);
        }
        let content = Content { lost: Some((20..40, Id::of(b"x"))), ..content };
        assert_eq!(content.holding(&[0..20, 40..50]).unwrap().len(), 3);
        assert_eq!(content.holding(&[0..21]).map(drop).unwrap_err().kind, Kind::Missing);
    }
}
