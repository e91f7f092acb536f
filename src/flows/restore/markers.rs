//! Markers: what says that a checkpoint is complete must not stand beside files that are only half restored.
//!
//! Those that are there already are moved aside before the first file changes, and dropped when the new ones stand: a
//! restore that is killed on the way leaves no marker, and whatever happens nothing is lost.

use super::plan::{Verdict, Wanted};
use super::{Overwrite, Session};
use crate::error::Result;
use crate::frameworks::is_marker;
use crate::records::manifest::{Entry, FileKind};
use crate::targets::{drop_aside, move_aside};
use futures::StreamExt;
use std::sync::Arc;

/// Whether an entry is restored only when all others are.
pub(super) fn comes_last(entry: &Entry) -> bool {
    entry.kind == FileKind::File && entry.link_group == 0 && is_marker(&entry.path)
}

impl Session {
    /// Moves the markers aside that this restore will write anew at its end.
    pub(super) async fn move_markers_aside(self: &Arc<Session>) -> Result<()> {
        let Some(tree) = &self.tree else { return Ok(()) };
        let keeps = matches!(self.options.overwrite, Overwrite::Never | Overwrite::IfNewer);
        if self.options.dry_run || keeps || tree.directory(b"").is_ok_and(|top| top.created()) {
            return Ok(());
        }
        let mut wanted = Wanted::new(&self.options)?;
        let mut stream = Box::pin(self.manifest.stream(&self.options.subtree));
        while let Some(page) = stream.next().await {
            // A page that cannot be read is told when it is restored.
            for entry in page.unwrap_or_default() {
                if matches!(wanted.judge(&entry), Verdict::Yes(_)) && comes_last(&entry) {
                    self.with_existing(&self.placed(entry).path, move_aside)?;
                }
            }
        }
        Ok(())
    }

    /// Drops what was moved aside for markers that stand now.
    pub(super) fn drop_markers_aside(&self, places: &[Vec<u8>]) -> Result<()> {
        places.iter().try_for_each(|place| self.with_existing(place, drop_aside))
    }

    /// Does something to a name whose directory is there.
    fn with_existing(
        &self,
        place: &[u8],
        work: fn(&crate::targets::Directory, &[u8]) -> crate::targets::Result<()>,
    ) -> Result<()> {
        let Some(tree) = &self.tree else { return Ok(()) };
        let at = place.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = at.map_or((&b""[..], place), |at| (&place[..at], &place[at + 1..]));
        let done = match tree.directory_existing(parent) {
            Ok(Some(dir)) => work(&dir, name),
            Ok(None) => Ok(()),
            Err(e) => Err(e),
        };
        done.or_else(|e| self.target_problem(&e))
    }
}
