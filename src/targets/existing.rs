//! What is already in the target: looked at, read, and put right where only its metadata differs.

use super::metadata::{Before, Subject, apply, stamp};
use super::tree::Directory;
use super::{Ownership, Result, TargetError, system};
use crate::records::manifest::{Entry, FileKind, Stamp};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, Stat};
use rustix::io::Errno;

/// What is known of something in the target without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Existing {
    /// What it is.
    pub kind: FileKind,
    /// Bytes of a file.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Stamp,
    /// How many names it has.
    pub links: u64,
    /// Device and number of its inode: names of one inode have the same.
    pub inode: (u64, u64),
}

impl Existing {
    #[allow(clippy::unnecessary_cast)] // the types differ between systems
    fn of(stat: &Stat) -> Existing {
        Existing {
            kind: kind(FileType::from_raw_mode(stat.st_mode)).unwrap_or_default(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: stamp(stat),
            links: stat.st_nlink as u64,
            inode: (stat.st_dev as u64, stat.st_ino as u64),
        }
    }
}

/// The kind of a file as manifests have it; `None` if the file system does not tell.
pub(super) fn kind(found: FileType) -> Option<FileKind> {
    Some(match found {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
        FileType::Unknown => return None,
    })
}

/// What is under a name in a directory, if anything; links are not followed.
pub fn existing(dir: &Directory, name: &[u8]) -> Result<Option<Existing>> {
    dir.check(name)?;
    match rustix::fs::statat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Existing::of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(dir.error(name, "cannot look at it", errno)),
    }
}

/// A regular file that is already in the target, open for reading.
#[derive(Debug)]
pub struct ExistingFile {
    file: OwnedFd,
    path: Vec<u8>,
    about: Existing,
}

impl ExistingFile {
    /// Opens a regular file; `None` if there is none of that name, or something else, which is not touched.
    pub fn open(dir: &Directory, name: &[u8]) -> Result<Option<ExistingFile>> {
        // Looked at first, because opening a device can have effects.
        if existing(dir, name)?.is_none_or(|found| found.kind != FileKind::File) {
            return Ok(None);
        }
        let file = match rustix::fs::openat(dir.as_fd(), name, system::read_flags(), Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(dir.error(name, "cannot open the existing file", errno)),
        };
        let stat =
            rustix::fs::fstat(&file).map_err(|errno| dir.error(name, "cannot look at the existing file", errno))?;
        let about = Existing::of(&stat);
        Ok((about.kind == FileKind::File).then(|| ExistingFile { file, path: dir.join(name), about }))
    }

    /// What is known of it.
    pub fn about(&self) -> &Existing {
        &self.about
    }

    /// Reads until `buffer` is full or the file ends, and returns how much that was. Any number of threads may do this.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        // Ends, because each round reads at least one byte.
        while done < buffer.len() {
            let from = offset.saturating_add(done as u64);
            let read = rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut buffer[done..], from));
            match read.map_err(|errno| TargetError::system(&self.path[..], "cannot read the existing file", errno))? {
                0 => break,
                more => done += more,
            }
        }
        Ok(done)
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.file
    }
}

/// Sets the metadata of an existing file whose content is right, touching only what differs. `None`: it must be written
/// anew, because it cannot be opened, is no regular file, or has other names. One of these could be outside of the
/// target, put there to have its owner and mode changed.
pub fn update_metadata(
    dir: &Directory,
    name: &[u8],
    entry: &Entry,
    ownership: &Ownership,
) -> Result<Option<Vec<String>>> {
    let Some(found) = existing(dir, name)?.filter(|found| found.kind == FileKind::File) else { return Ok(None) };
    let Ok(file) = rustix::fs::openat(dir.as_fd(), name, system::read_flags(), Mode::empty()) else {
        return Ok(None);
    };
    let about = rustix::fs::fstat(&file).map(|stat| Existing::of(&stat));
    if !about.is_ok_and(|about| (about.kind, about.links, about.inode) == (FileKind::File, 1, found.inode)) {
        return Ok(None);
    }
    Ok(Some(apply(&Subject::Open(file.as_fd()), entry, ownership, Before::Any)))
}
