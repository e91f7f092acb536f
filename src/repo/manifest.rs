//! Manifests in the store: pages are read as they are needed, long chunk lists on demand.

use super::Repository;
use super::index::{FETCHES, Index};
use super::reader::read_chunk;
use crate::codec::envelope::Realm;
use crate::error::{Error, Result};
use crate::id::{ChunkId, Id};
use crate::records::manifest::{Entry, is_within, path_order};
use crate::records::page::{PageRef, read_page, read_root};
use futures::{Stream, StreamExt, stream};
use std::cmp::Ordering;
use std::sync::Arc;

/// The pages of one snapshot.
#[derive(Clone)]
pub struct Manifest {
    repo: Arc<Repository>,
    index: Arc<Index>,
    pages: Arc<Vec<PageRef>>,
}

impl Manifest {
    /// Reads the root.
    pub async fn open(repo: &Arc<Repository>, index: &Arc<Index>, tree: &Id) -> Result<Manifest> {
        let root = read_chunk(repo, index, Realm::Manifest, tree).await?;
        let pages = read_root(&root)
            .map_err(|why| Error::damaged(format!("The manifest {} is damaged", tree.brief())).because(why))?;
        Ok(Manifest { repo: repo.clone(), index: index.clone(), pages: Arc::new(pages) })
    }

    /// All pages.
    pub fn pages(&self) -> &[PageRef] {
        &self.pages
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.pages.iter().map(|page| page.entries).sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The entries of one page.
    pub async fn page(&self, page: &PageRef) -> Result<Vec<Entry>> {
        let bytes = read_chunk(&self.repo, &self.index, Realm::Manifest, &page.id).await?;
        let damaged =
            |why: String| Error::damaged(format!("The manifest page {} is damaged", page.id.brief())).because(why);
        let entries = read_page(&bytes).map_err(damaged)?;
        let as_listed =
            entries.len() as u64 == page.entries && entries.first().is_some_and(|first| first.path == page.first);
        let at = self.pages.partition_point(|other| path_order(&other.first, &page.first) != Ordering::Greater);
        let before_next = match (entries.last(), self.pages.get(at)) {
            (Some(last), Some(next)) => path_order(&last.path, &next.first) == Ordering::Less,
            _ => true,
        };
        match as_listed && before_next {
            true => Ok(entries),
            false => Err(damaged("it is not the page that the root lists".into())),
        }
    }

    /// The pages that may hold entries at or below `top`, read ahead, in order.
    pub fn stream(&self, top: &[u8]) -> impl Stream<Item = Result<Vec<Entry>>> + Send + 'static {
        let after = self.pages.partition_point(|page| path_order(&page.first, top) != Ordering::Greater);
        let within = self.pages[after..].iter().take_while(|page| is_within(&page.first, top)).count();
        let pages = self.pages[after.saturating_sub(1)..after + within].to_vec();
        let manifest = self.clone();
        stream::iter(pages)
            .map(move |page| {
                let manifest = manifest.clone();
                async move { manifest.page(&page).await }
            })
            .buffered(FETCHES / 2)
    }

    /// One entry by its path.
    pub async fn entry(&self, path: &[u8]) -> Result<Option<Entry>> {
        let after = self.pages.partition_point(|page| path_order(&page.first, path) != Ordering::Greater);
        let Some(page) = after.checked_sub(1).and_then(|at| self.pages.get(at)) else { return Ok(None) };
        Ok(self.page(page).await?.into_iter().find(|entry| entry.path == path))
    }

    /// The content chunks of a file: its own list, or what its list chunks hold.
    pub async fn chunks(&self, entry: &Entry) -> Result<Vec<ChunkId>> {
        chunks_of(&self.repo, &self.index, entry).await
    }
}

/// The content chunks of a file: its own list, or what its list chunks hold.
pub async fn chunks_of(repo: &Arc<Repository>, index: &Arc<Index>, entry: &Entry) -> Result<Vec<ChunkId>> {
    if !entry.listed {
        return Ok(entry.chunks.clone());
    }
    let mut chunks = Vec::new();
    for list in &entry.chunks {
        let bytes = read_chunk(repo, index, Realm::Manifest, list).await?;
        if bytes.len() % 32 != 0 {
            return Err(Error::damaged(format!("The chunk list {} is damaged", list.brief())));
        }
        chunks.extend(bytes.chunks_exact(32).filter_map(Id::from_slice));
        // No chunk is empty: a crafted list must not exhaust the memory.
        if chunks.len() as u64 > entry.size {
            return Err(Error::damaged(format!("The chunk list {} is longer than its file", list.brief())));
        }
    }
    Ok(chunks)
}
