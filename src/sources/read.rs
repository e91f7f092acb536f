//! Reads one regular file without its holes, and tells whether it held still.

use super::metadata::State;
use super::xattr::xattrs_of_fd;
use super::{Item, SourceError};
use crate::error::Trouble;
use crate::records::manifest::{Entry, FileKind, Hole};
use crate::spec::HOLES_MAX;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, SeekFrom, fcntl_setfl, fstat, seek};
use rustix::io::{Errno, retry_on_intr};

/// From this size on the system is told that the file is read from begin to end, so that it reads further ahead.
const LARGE: u64 = 1 << 20;
const DOING: &str = "read";

/// A regular file while it is read: its data without the holes, up to the size that it had when it was opened.
#[derive(Debug)]
pub struct Reading {
    fd: OwnedFd,
    /// As of the moment of opening; its holes are those found then.
    entry: Entry,
    opened: State,
    /// How many of the holes lie before `at`.
    passed: usize,
    /// Where the next byte is read.
    at: u64,
    /// The file ended before the size it had.
    short: bool,
    /// Reading waits for data that are not at hand.
    waits: bool,
}

/// What [`Reading::read`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes put at the start of the buffer; 0 means that nothing is left.
    pub len: usize,
    /// What comes next is behind a hole, or there is nothing: no chunk may go on beyond this.
    pub ends_segment: bool,
}

/// How reading ended.
#[derive(Debug)]
pub struct Finished {
    /// Whether all was read, and nothing changed from opening to the end. If not, read it again.
    pub stable: bool,
    /// The entry with the state of the moment of opening, holes and extended attributes; without chunks. `data_len` is what
    /// was read, even if the file became shorter. Its times are never later than its content, so a file that was not stable
    /// cannot look unchanged to the next backup.
    pub entry: Entry,
    /// The extended attributes could not be read, and are not in the entry.
    pub xattr_error: Option<SourceError>,
}

impl Reading {
    /// Opens a regular file that the walk found. An error of kind `Unstable` says that something else is there now.
    pub fn open(item: &Item) -> Result<Reading, SourceError> {
        let path = &item.entry.path;
        if item.entry.kind != FileKind::File {
            return Err(SourceError::replaced(path, "open"));
        }
        let fd = match item.parent.open_file(item.name()) {
            Ok(fd) => fd,
            // A link, or a socket or a pipe without another end, that was no such thing a moment ago.
            Err(Errno::LOOP | Errno::NXIO) => return Err(SourceError::replaced(path, "open")),
            // Someone holds a lease on it, and has been told to give it back.
            Err(errno @ Errno::AGAIN) => {
                return Err(SourceError { kind: Trouble::Unstable, ..SourceError::new(path, "open", errno) });
            }
            Err(errno) => return Err(SourceError::new(path, "open", errno)),
        };
        let opened = State::of(&fstat(&fd).map_err(|errno| SourceError::new(path, DOING, errno))?);
        if !opened.same_file(&item.entry, item.device) {
            return Err(SourceError::replaced(path, "open"));
        }
        let mut entry = item.entry.clone();
        opened.update(&mut entry);
        entry.holes =
            if opened.blocks.saturating_mul(512) < opened.size { holes_of(&fd, opened.size) } else { Vec::new() };
        #[cfg(not(target_vendor = "apple"))]
        if opened.size >= LARGE {
            // Only advice: nothing is lost if it is not taken.
            let _ = rustix::fs::fadvise(&fd, 0, None, rustix::fs::Advice::Sequential);
        }
        let mut reading = Reading { fd, entry, opened, passed: 0, at: 0, short: false, waits: false };
        reading.skip_hole();
        Ok(reading)
    }

    /// The entry as of the moment of opening, with its holes: what is about to be read is `entry().data_len()` bytes.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Where in the file the next byte comes from.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// Fills `buffer`, which must not be empty, as far as the data up to the next hole goes.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Chunk, SourceError> {
        let end = self.segment_end();
        let wanted = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let mut len = 0;
        while len < wanted && !self.short {
            let part = &mut buffer[len..wanted];
            match retry_on_intr(|| rustix::io::pread(&self.fd, &mut *part, self.at)) {
                Ok(0) => self.cut_short(),
                Ok(count) => {
                    len += count;
                    self.at += count as u64;
                }
                // A file that has to come from a tape first. It is known to be a regular one: now waiting is right.
                Err(Errno::AGAIN) if !self.waits => {
                    self.waits = true;
                    fcntl_setfl(&self.fd, OFlags::empty())
                        .map_err(|errno| SourceError::new(&self.entry.path, DOING, errno))?;
                }
                Err(errno) => return Err(SourceError::new(&self.entry.path, DOING, errno)),
            }
        }
        let ends_segment = self.short || self.at == end;
        self.skip_hole();
        Ok(Chunk { len, ends_segment })
    }

    /// Fills `out` with what is at `offset`, without moving on.
    pub fn look(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        fill(self.fd.as_fd(), offset, out)
    }

    /// Looks at the file once more and reads its extended attributes.
    pub fn finish(self) -> Finished {
        let (xattrs, xattr_error) = match xattrs_of_fd(self.fd.as_fd(), &self.entry.path) {
            Ok(xattrs) => (xattrs, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let same = fstat(&self.fd).is_ok_and(|stat| {
            let now = State::of(&stat);
            (now.size, now.mtime, now.ctime) == (self.opened.size, self.opened.mtime, self.opened.ctime)
        });
        let stable = same && !self.short && self.at == self.opened.size;
        let mut entry = self.entry;
        entry.xattrs = xattrs;
        Finished { stable, entry, xattr_error }
    }

    /// Where the data end that `at` is in.
    fn segment_end(&self) -> u64 {
        self.entry.holes.get(self.passed).map_or(self.entry.size, |hole| hole.offset)
    }

    /// Moves on to the next data; two holes never touch.
    fn skip_hole(&mut self) {
        if let Some(hole) = self.entry.holes.get(self.passed).filter(|hole| hole.offset == self.at && !self.short) {
            self.at += hole.length;
            self.passed += 1;
        }
    }

    /// The file ends here now: the entry must fit what was read of it.
    fn cut_short(&mut self) {
        self.short = true;
        self.entry.size = self.at;
        self.entry.holes.truncate(self.passed);
    }
}

fn fill(fd: BorrowedFd<'_>, mut offset: u64, mut out: &mut [u8]) -> std::io::Result<()> {
    while !out.is_empty() {
        match retry_on_intr(|| rustix::io::pread(fd, &mut *out, offset))? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => {
                out = &mut out[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// Fills `out` with what a regular file has at `offset`; what is there by that name may be anything by now.
pub fn read_exactly(path: &[u8], offset: u64, out: &mut [u8]) -> std::io::Result<()> {
    // To open a pipe or a device has effects on others; one that takes the place of the file just now is read in vain.
    if State::of(&rustix::fs::lstat(path)?).kind != Some(FileKind::File) {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    fill(fd.as_fd(), offset, out)
}

/// The holes of a file; what comes after the most that an entry may have counts as data, and so does all of a file whose
/// file system does not know.
fn holes_of(fd: &OwnedFd, size: u64) -> Vec<Hole> {
    let mut holes = Vec::new();
    let mut at = 0;
    while at < size && holes.len() < HOLES_MAX {
        let data = match seek(fd, SeekFrom::Data(at)) {
            Ok(data) => data.clamp(at, size),
            Err(Errno::NXIO) => size,
            Err(_) => break,
        };
        if data > at {
            holes.push(Hole { offset: at, length: data - at });
        }
        if data == size {
            break;
        }
        match seek(fd, SeekFrom::Hole(data)) {
            Ok(hole) if hole > data => at = hole,
            _ => break,
        }
    }
    holes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "read_tests.rs"]
mod tests;
