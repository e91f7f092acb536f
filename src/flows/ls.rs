//! Ls: the entries of a snapshot, in order.

use crate::error::{Error, Kind, Result, printable};
use crate::records::manifest::{Entry, LeftOut, is_within};
use crate::records::snapshot::Snapshot;
use crate::repo::Repository;
use crate::repo::manifest::Manifest;
use futures::StreamExt;
use std::sync::Arc;

/// Gives every entry at or below `subtree` to `each`; unless `recursive`, only the subtree itself and its children, and
/// of the whole snapshot only what was asked for when it was made.
pub async fn ls(
    repo: &Arc<Repository>,
    snapshot: &Snapshot,
    subtree: &[u8],
    recursive: bool,
    each: &mut dyn FnMut(&Entry),
) -> Result<()> {
    let index = Arc::new(repo.load_index(true).await?.index);
    let manifest = Manifest::open(repo, &index, &snapshot.tree).await?;
    let mut stream = Box::pin(manifest.stream(subtree));
    let mut found = false;
    let below = |path: &[u8]| {
        let rest = path.get(subtree.len()..).unwrap_or_default();
        rest.iter().skip(1).filter(|&&byte| byte == b'/').count()
    };
    // The first real entry is a root of the backup: the directories above it are only on the way.
    let mut top: Option<usize> = None;
    while let Some(page) = stream.next().await {
        for entry in page?.iter().filter(|entry| is_within(&entry.path, subtree)) {
            if entry.left_out == LeftOut::Itself {
                continue;
            }
            found = true;
            let depth = entry.path.iter().filter(|&&byte| byte == b'/').count();
            if subtree.is_empty() && !entry.ancestor {
                top = Some(top.map_or(depth, |top| top.min(depth)));
            }
            let shallow = match (subtree.is_empty(), top) {
                (false, _) => below(&entry.path) == 0,
                (true, Some(top)) => depth <= top + 1,
                (true, None) => true,
            };
            if recursive || shallow {
                each(entry);
            }
        }
    }
    match found || subtree.is_empty() {
        true => Ok(()),
        false => Err(not_there(subtree)),
    }
}

/// The error for a path that a snapshot does not have.
pub(super) fn not_there(subtree: &[u8]) -> Error {
    Error::new(Kind::NoMatch, format!("/{} is not in the snapshot", printable(subtree)))
        .hint("`lastgood ls -R` lists all paths of a snapshot; they are absolute")
}
