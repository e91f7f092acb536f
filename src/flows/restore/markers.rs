//! Markers: what says that a checkpoint is complete must not stand beside files that are only half restored.
//!
//! Those that are there already are moved aside before the first file changes, and dropped when the new ones stand: a
//! restore that is killed on the way leaves no marker, and whatever happens nothing is lost.

use super::plan::{Verdict, Wanted};
use super::{Overwrite, Session};
use crate::error::{Result, Trouble};
use crate::frameworks::is_marker;
use crate::records::manifest::{Entry, FileKind};
use crate::targets::{Directory, drop_aside, move_aside};
use futures::StreamExt;
use std::sync::{Arc, PoisonError};

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
                let taken = matches!(wanted.judge(&entry), Verdict::Yes(_));
                let entry = self.placed(self.flat(entry).await?);
                if !taken || !comes_last(&entry) {
                    continue;
                }
                let moved = self.existing_directory(&entry.path).and_then(|found| match found {
                    Some((dir, name)) => move_aside(&dir, name).map(|aside| aside.map(|aside| (dir, aside))),
                    None => Ok(None),
                });
                match moved {
                    Ok(Some((dir, aside))) => {
                        let path = if dir.path().is_empty() { aside } else { [dir.path(), b"/", &aside].concat() };
                        self.aside.lock().unwrap_or_else(PoisonError::into_inner).insert(path, entry.path);
                    }
                    Ok(None) => {}
                    Err(e) => self.target_problem(&e)?,
                }
            }
        }
        Ok(())
    }

    /// Whether this place is a marker that this restore moved aside: it is not for `--delete` to remove.
    pub(super) fn is_aside(&self, place: &[u8]) -> bool {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).contains_key(place)
    }

    /// Drops what was moved aside for markers that stand now; any other stays where it is, and that is said.
    pub(super) fn drop_markers_aside(&self) -> Result<()> {
        let all = std::mem::take(&mut *self.aside.lock().unwrap_or_else(PoisonError::into_inner));
        for (aside, place) in all {
            let dropped = self.existing_directory(&place).and_then(|found| match found {
                Some((dir, name)) => drop_aside(&dir, name, aside.rsplit(|&c| c == b'/').next().unwrap_or_default()),
                None => Ok(true),
            });
            match dropped {
                Ok(true) => {}
                Ok(false) => {
                    self.file_problem(Trouble::NotRestored, &aside, "this is what was there before; it was kept");
                }
                Err(e) => self.target_problem(&e)?,
            }
        }
        Ok(())
    }

    /// The directory that a place is in, if it is there, and the name in it.
    fn existing_directory<'a>(&self, place: &'a [u8]) -> crate::targets::Result<Option<(Arc<Directory>, &'a [u8])>> {
        let Some(tree) = &self.tree else { return Ok(None) };
        let at = place.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = at.map_or((&b""[..], place), |at| (&place[..at], &place[at + 1..]));
        Ok(tree.directory_existing(parent)?.map(|dir| (dir, name)))
    }
}
