//! A file that is being made: without a name, or under a temporary one, until it is whole.

use super::tree::Directory;
use super::{Result, TargetError, system};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use std::ops::Deref;

/// A temporary name in a directory; what bears it is removed if the value is dropped before it was put in place.
#[derive(Debug)]
pub(super) struct Temporary<D: Deref<Target = Directory>> {
    pub dir: D,
    /// `.lastgood-<16 hexadecimal digits>.partial`: from the name, so that the next restore finds and removes it.
    pub name: [u8; 34],
    /// Whether we made something of that name.
    pub used: bool,
}

impl<D: Deref<Target = Directory>> Temporary<D> {
    pub fn new(dir: D, name: &[u8]) -> Temporary<D> {
        let mut text = *b".lastgood-0000000000000000.partial";
        text[10..26].copy_from_slice(&blake3::hash(name).to_hex().as_bytes()[..16]);
        Temporary { dir, name: text, used: false }
    }

    /// Makes something of the temporary name; what a killed restore left there is removed first.
    pub fn make<T>(&mut self, make: impl Fn(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
        let mut made = make(self.dir.as_fd(), &self.name);
        if matches!(made, Err(Errno::EXIST)) {
            self.clear()?;
            made = make(self.dir.as_fd(), &self.name);
        }
        self.used = made.is_ok();
        made
    }

    /// Removes what a killed restore left.
    pub fn clear(&self) -> rustix::io::Result<()> {
        rustix::fs::unlinkat(self.dir.as_fd(), &self.name[..], AtFlags::empty())
    }

    /// Gives what bears the temporary name its real one. A file, link or empty directory of that name is replaced.
    pub fn put(mut self, name: &[u8]) -> Result<()> {
        let dir = self.dir.as_fd();
        let rename = || rustix::fs::renameat(dir, &self.name[..], dir, name);
        let mut renamed = rename();
        if matches!(renamed, Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST)) {
            rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
                .map_err(|errno| self.dir.error(name, "a directory is in the way and cannot be removed", errno))?;
            renamed = rename();
        }
        renamed.map_err(|errno| self.dir.error(name, "cannot give it its name", errno))?;
        self.used = false;
        Ok(())
    }
}

impl<D: Deref<Target = Directory>> Drop for Temporary<D> {
    fn drop(&mut self) {
        if self.used {
            let _ = self.clear();
        }
    }
}

/// A new, empty file that has no name yet.
#[derive(Debug)]
pub(super) struct Fresh<D: Deref<Target = Directory>> {
    pub file: OwnedFd,
    pub temporary: Temporary<D>,
}

impl<D: Deref<Target = Directory>> Fresh<D> {
    pub fn create(dir: D, name: &[u8]) -> Result<Fresh<D>> {
        dir.check(name)?;
        let temporary = Temporary::new(dir, name);
        // Without a name is better: 10 to 20 % faster on tmpfs, nothing is left by a killed process, and two files of one name
        // cannot meet. It is not possible everywhere.
        if can_be_anonymous(&temporary.dir) {
            match system::open_anonymous(temporary.dir.as_fd()) {
                Ok(file) => return Ok(Fresh { file, temporary }),
                // Another file system, mounted below the target.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
                Err(errno) => return Err(temporary.dir.error(name, "cannot create the file", errno)),
            }
        }
        Fresh::create_named(temporary, name)
    }

    /// Where a file cannot be made without a name.
    pub fn create_named(mut temporary: Temporary<D>, name: &[u8]) -> Result<Fresh<D>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match temporary.make(|dir, unnamed| rustix::fs::openat(dir, unnamed, flags, system::mode_bits(0o600))) {
            Ok(file) => Ok(Fresh { file, temporary }),
            Err(errno) => Err(temporary.dir.error(name, "cannot create the file", errno)),
        }
    }

    /// Writes all of some bytes.
    pub fn write_at(&self, name: &[u8], mut offset: u64, mut bytes: &[u8]) -> Result<()> {
        // Ends, because each round writes at least one byte.
        while !bytes.is_empty() {
            let wrote = rustix::io::retry_on_intr(|| rustix::io::pwrite(&self.file, bytes, offset));
            match wrote.map_err(|errno| self.temporary.dir.error(name, "cannot write", errno))? {
                0 => {
                    return Err(TargetError::new(
                        self.temporary.dir.join(name),
                        "cannot write: the system takes no more bytes",
                    ));
                }
                done => {
                    offset += done as u64;
                    bytes = &bytes[done..];
                }
            }
        }
        Ok(())
    }

    /// Gives the whole file its name.
    pub fn publish(mut self, name: &[u8]) -> Result<()> {
        let dir = &self.temporary.dir;
        if self.temporary.used {
            // Two restores into one directory could meet in one temporary name; what we wrote must be what gets the name.
            let ours = rustix::fs::fstat(&self.file).map(|stat| (stat.st_dev, stat.st_ino));
            let there = rustix::fs::statat(dir.as_fd(), &self.temporary.name[..], AtFlags::SYMLINK_NOFOLLOW);
            if ours.ok() != there.ok().map(|stat| (stat.st_dev, stat.st_ino)) {
                return Err(TargetError::new(
                    dir.join(name),
                    "another process exchanged the file while it was being written",
                ));
            }
            return self.temporary.put(name);
        }
        match system::link_anonymous(&self.file, dir.as_fd(), name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => {
                let linked = self.temporary.make(|dir, unnamed| system::link_anonymous(&self.file, dir, unnamed));
                linked.map_err(|errno| self.temporary.dir.error(name, "cannot give it its name", errno))?;
                self.temporary.put(name)
            }
            Err(errno) => Err(dir.error(name, "cannot give it its name", errno)),
        }
    }
}

/// Whether this system and this user can make a file without a name, and name it later. Tried once for a tree.
fn can_be_anonymous(dir: &Directory) -> bool {
    *dir.shared.anonymous.get_or_init(|| {
        let mut probe = Temporary::new(dir, b"");
        let Ok(file) = system::open_anonymous(dir.as_fd()) else { return false };
        probe.make(|dir, unnamed| system::link_anonymous(&file, dir, unnamed)).is_ok()
    })
}
