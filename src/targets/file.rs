//! Regular files: written by any number of threads, and under their name only when they are whole.

use super::existing::ExistingFile;
use super::fresh::Fresh;
use super::metadata::{Before, Subject, apply};
use super::tree::Directory;
use super::{Ownership, Result, TargetError, system};
use crate::records::manifest::Entry;
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::ops::Deref;
use std::sync::Arc;

/// Smaller files do not reserve their space.
const RESERVE_FROM: u64 = 64 << 20;
/// How much is copied by one call, so that a copy can be interrupted.
const COPY_STEP: u64 = 128 << 20;
/// How much is copied at once where the kernel cannot do it.
const COPY_BUFFER: usize = 256 << 10;

/// A file that is being written. Dropped before [`PartialFile::finish`] it leaves nothing behind.
#[derive(Debug)]
pub struct PartialFile {
    fresh: Fresh<Arc<Directory>>,
    name: Vec<u8>,
    size: u64,
}

impl PartialFile {
    /// Starts a file of `size` bytes, all of which are a hole until they are written.
    pub fn create(dir: Arc<Directory>, name: &[u8], size: u64) -> Result<PartialFile> {
        let fresh = Fresh::create(dir, name)?;
        let dir = &fresh.temporary.dir;
        if !fresh.temporary.used && !dir.created() {
            // There may be a leftover of a restore that could not make files without a name.
            let _ = fresh.temporary.clear();
        }
        rustix::fs::ftruncate(&fresh.file, size)
            .map_err(|errno| dir.error(name, "cannot make a file of its size", errno))?;
        Ok(PartialFile { fresh, name: name.to_vec(), size })
    }

    /// Reserves the space of the whole file if that is worth it, to learn early that there is not enough. Only for files
    /// without holes: a reserved hole takes space.
    pub fn reserve(&self) -> Result<()> {
        if self.size < RESERVE_FROM || !self.dir().shared.reserves {
            return Ok(());
        }
        match system::reserve(&self.fresh.file, self.size) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(()),
            Err(errno) => Err(self.dir().error(&self.name, "cannot reserve its space", errno)),
        }
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes some of the content. Any number of threads may do this at once.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.check_range(offset, bytes.len() as u64)?;
        self.fresh.write_at(&self.name, offset, bytes)
    }

    /// Copies some of the content from the same place of an existing file, inside the kernel where that is possible.
    /// Whoever calls has checked that it is right there; it is not checked again.
    pub fn copy_from_existing(&self, old: &ExistingFile, offset: u64, length: u64) -> Result<()> {
        self.check_range(offset, length)?;
        let mut done = 0;
        // Ends, because each round copies at least one byte.
        while done < length {
            let step = (length - done).min(COPY_STEP) as usize;
            match system::copy_range(old.fd(), &self.fresh.file, offset + done, step) {
                Ok(0) => return self.copy_by_hand(old, offset + done, length - done),
                Ok(copied) => done += copied as u64,
                Err(Errno::INTR) => {}
                Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::IO | Errno::FBIG)) => {
                    return Err(self.dir().error(&self.name, "cannot copy from the existing file", errno));
                }
                // Other file systems, old kernels, odd mounts.
                Err(_) => return self.copy_by_hand(old, offset + done, length - done),
            }
        }
        Ok(())
    }

    fn copy_by_hand(&self, old: &ExistingFile, offset: u64, length: u64) -> Result<()> {
        let mut buffer = vec![0; COPY_BUFFER.min(usize::try_from(length).unwrap_or(COPY_BUFFER))];
        let mut done = 0;
        while done < length {
            let step = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
            let piece = &mut buffer[..step];
            if old.read_at(offset + done, piece)? < step {
                return Err(TargetError::new(
                    self.dir().join(&self.name),
                    "the existing file became shorter while it was copied",
                ));
            }
            self.fresh.write_at(&self.name, offset + done, piece)?;
            done += step as u64;
        }
        Ok(())
    }

    /// Sets owner, extended attributes, mode and times, and gives the file its name. Replaces a file, a link or an empty
    /// directory of that name. Returns what of the metadata could not be set.
    pub fn finish(self, entry: &Entry, ownership: &Ownership) -> Result<Vec<String>> {
        finish(self.fresh, &self.name, entry, ownership)
    }

    /// Gives the file its name as it is, for its owner only, after it was made durable; the name is durable then, too.
    pub fn publish_durable(self) -> Result<()> {
        let cannot = |dir: &Directory, errno| dir.error(&self.name, "cannot make it durable", errno);
        let dir = self.fresh.temporary.dir.clone();
        rustix::fs::fsync(&self.fresh.file).map_err(|errno| cannot(&dir, errno))?;
        self.fresh.publish(&self.name)?;
        // Some file systems cannot do this for a directory, and need it not.
        rustix::fs::fsync(dir.as_fd()).or_else(|errno| match errno {
            Errno::INVAL | Errno::OPNOTSUPP => Ok(()),
            errno => Err(dir.error(&self.name, "cannot make its name durable", errno)),
        })
    }

    fn dir(&self) -> &Directory {
        &self.fresh.temporary.dir
    }

    fn check_range(&self, offset: u64, length: u64) -> Result<()> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size => Ok(()),
            _ => Err(TargetError::new(self.dir().join(&self.name), "more bytes to be written than the file has")),
        }
    }
}

/// Makes a whole small file with the fewest calls to the system; otherwise as [`PartialFile`].
pub fn write_small(
    dir: &Directory,
    name: &[u8],
    bytes: &[u8],
    entry: &Entry,
    ownership: &Ownership,
) -> Result<Vec<String>> {
    let fresh = Fresh::create(dir, name)?;
    fresh.write_at(name, 0, bytes)?;
    finish(fresh, name, entry, ownership)
}

fn finish<D: Deref<Target = Directory>>(
    fresh: Fresh<D>,
    name: &[u8],
    entry: &Entry,
    ownership: &Ownership,
) -> Result<Vec<String>> {
    let before = Before::New { inherits: fresh.temporary.dir.inherits_acl() };
    let warnings = apply(&Subject::Open(fresh.file.as_fd()), entry, ownership, before);
    fresh.publish(name)?;
    Ok(warnings)
}
