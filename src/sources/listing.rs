//! An open directory and the sorted names in it.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

/// An open directory; names are looked up relative to it, so no path is ever too long.
///
/// Whoever holds one holds a file descriptor: see [`super::allow_many_open_files`].
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What it takes to look up names in a directory, which needs no right to list it.
#[cfg(target_os = "linux")]
const PASSAGE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASSAGE: OFlags = OFlags::RDONLY;

impl Directory {
    /// Opens `/`.
    pub(super) fn root() -> Result<Directory, Errno> {
        let flags = PASSAGE | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, "/", flags, Mode::empty()).map(|fd| Directory { fd })
    }

    /// Opens a directory to list it; a symbolic link is refused.
    pub(super) fn open(&self, name: &[u8]) -> Result<Directory, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(self, name, flags, Mode::empty()).map(|fd| Directory { fd })
    }

    /// Opens a directory, or what a link to one leads to, only to look up names in it.
    pub(super) fn pass(&self, name: &[u8]) -> Result<Directory, Errno> {
        let flags = PASSAGE | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(self, name, flags, Mode::empty()).map(|fd| Directory { fd })
    }

    /// Opens a file for reading; never follows a link, never waits for the other end of a pipe.
    pub(super) fn open_file(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::io::retry_on_intr(|| rustix::fs::openat(self, name, flags, Mode::empty()))
    }

    /// The metadata of a name, or of the link itself if it is one.
    pub(super) fn stat(&self, name: &[u8]) -> Result<Stat, Errno> {
        use rustix::fs::AtFlags;
        #[cfg(target_os = "linux")]
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        #[cfg(not(target_os = "linux"))]
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::statat(self, name, flags)
    }

    /// The metadata of the directory itself.
    pub(super) fn stat_self(&self) -> Result<Stat, Errno> {
        rustix::fs::fstat(self)
    }

    /// All names, sorted, and what stopped the listing if it is not complete.
    pub(super) fn names(&self, buffer: &mut Vec<u8>) -> (Names, Option<Errno>) {
        let mut names = Names::default();
        let failed = self.each_name(buffer, |name| names.push(name)).err();
        names.sort();
        (names, failed)
    }

    #[cfg(target_os = "linux")]
    fn each_name(&self, buffer: &mut Vec<u8>, mut add: impl FnMut(&[u8])) -> Result<(), Errno> {
        buffer.clear();
        buffer.reserve(LIST_BYTES);
        let mut listing = rustix::fs::RawDir::new(self, buffer.spare_capacity_mut());
        loop {
            match listing.next() {
                None => return Ok(()),
                Some(Ok(entry)) => add(entry.file_name().to_bytes()),
                Some(Err(Errno::INTR)) => {}
                Some(Err(errno)) => return Err(errno),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn each_name(&self, _: &mut Vec<u8>, mut add: impl FnMut(&[u8])) -> Result<(), Errno> {
        let mut listing = rustix::fs::Dir::read_from(self)?;
        while let Some(entry) = listing.read() {
            add(entry?.file_name().to_bytes());
        }
        Ok(())
    }
}

/// How much of a directory one call to the system asks for.
#[cfg(target_os = "linux")]
const LIST_BYTES: usize = 64 << 10;

/// Names in one allocation, because a directory may have millions.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// Where a name is in `bytes`.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    length: usize,
}

impl Span {
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.length]
    }
}

impl Names {
    /// Adds a name, except `.` and `..`; call `sort` before anything else.
    pub(super) fn push(&mut self, name: &[u8]) {
        if name != b"." && name != b".." {
            self.spans.push(Span { start: self.bytes.len(), length: name.len() });
            self.bytes.extend_from_slice(name);
        }
    }

    /// Sorts by bytes. A file system may list a name twice while it changes; a manifest must not.
    pub(super) fn sort(&mut self) {
        let bytes = &self.bytes;
        self.spans.sort_unstable_by(|a, b| a.of(bytes).cmp(b.of(bytes)));
        self.spans.dedup_by(|a, b| a.of(bytes) == b.of(bytes));
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        self.spans.get(index).map(|span| span.of(&self.bytes))
    }

    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.spans.binary_search_by(|span| span.of(&self.bytes).cmp(name)).is_ok()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        let bytes = &self.bytes;
        self.spans.retain(|span| keep(span.of(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_once_each() {
        let mut names = Names::default();
        for name in [&b"b"[..], b"a.b", b".", b"a", b"..", b"a", b"a-b", b"\xff"] {
            names.push(name);
        }
        names.sort();
        let sorted: Vec<&[u8]> = (0..).map_while(|i| names.get(i)).collect();
        assert_eq!(sorted, [&b"a"[..], b"a-b", b"a.b", b"b", b"\xff"]);
        assert!(names.contains(b"a-b") && !names.contains(b"c"));
        names.retain(|name| name == b"b");
        assert_eq!((names.get(0), names.get(1)), (Some(&b"b"[..]), None));
    }
}
