//! What the walk finds: an entry, and how to get at the file behind it.

use super::SourceError;
use super::listing::Directory;
use super::metadata::State;
use crate::records::manifest::{Entry, FileKind};
use std::sync::Arc;

/// One file, link, directory or device that the walk found.
#[derive(Debug)]
pub struct Item {
    /// All that is known without opening it: no extended attributes, no holes, no chunks.
    /// A directory that could not be listed, or not to its end, carries the fault already.
    pub entry: Entry,
    /// The directory that it is in; [`Item::name`] is relative to it.
    pub parent: Arc<Directory>,
    /// If it is a directory that was entered, the directory itself.
    pub own: Option<Arc<Directory>>,
    /// Blocks of 512 bytes that it takes.
    pub blocks: u64,
    /// The device that it is on.
    pub device: u64,
    /// How many hard links there are to it.
    pub links: u64,
    /// Whether it is the first of its `link_group`, or has none: only the first needs to be read.
    pub first: bool,
}

impl Item {
    /// Its name in `parent`; `.` for the root directory.
    pub fn name(&self) -> &[u8] {
        if self.entry.path.is_empty() { b"." } else { self.entry.name() }
    }

    /// Looks at a regular file again before another attempt to read it: programs replace a file by renaming a new one over
    /// it, and then the inode that the walk saw is gone for good. A new inode is in no `link_group`: if this was the first
    /// of one, another member has to be read for it. An error of kind `Unstable`: it is no regular file any more.
    pub fn look_again(&mut self) -> Result<(), SourceError> {
        const DOING: &str = "read the metadata of";
        let path = &self.entry.path;
        let stat = self.parent.stat(self.name()).map_err(|errno| SourceError::new(path, DOING, errno))?;
        let state = State::of(&stat);
        if (self.entry.kind, state.kind) != (FileKind::File, Some(FileKind::File)) {
            return Err(SourceError::replaced(path, DOING));
        }
        if (state.inode, state.device) != (self.entry.inode, self.device) {
            (self.entry.inode, self.device) = (state.inode, state.device);
            (self.entry.link_group, self.first) = (0, true);
        }
        state.update(&mut self.entry);
        (self.blocks, self.links) = (state.blocks, state.links);
        Ok(())
    }
}
