//! What Linux and other systems do by different calls; the only file of this room with `cfg`.

use crate::records::manifest::FileKind;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Gid, Mode, Stat, Timestamps, Uid};
use rustix::io::{Errno, Result};

pub(super) use platform::*;

/// The flags that open a name for reading without following it, waiting for it, or giving it to a child process.
pub(super) fn read_flags() -> rustix::fs::OFlags {
    use rustix::fs::OFlags;
    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

/// Permission bits as the system's type.
pub(super) fn mode_bits(bits: u32) -> Mode {
    Mode::from_raw_mode((bits & 0o7777) as rustix::fs::RawMode)
}

#[cfg(target_os = "linux")]
mod platform {
    use super::*;
    use rustix::fd::AsRawFd;
    use rustix::fs::{CWD, FallocateFlags, FileType, OFlags, XattrFlags};

    /// `f_type` of the file systems that reserve space at once and write faster afterwards: ext4 and XFS. tmpfs touches
    /// every page while it reserves (8 % slower in all, and on one core), btrfs gives up compression.
    const RESERVING: [u64; 2] = [0xef53, 0x5846_5342];

    /// A new file without a name, which is gone if the process is.
    pub fn open_anonymous(dir: BorrowedFd<'_>) -> Result<OwnedFd> {
        rustix::fs::openat(dir, c".", OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC, mode_bits(0o600))
    }

    /// Gives a file without a name one. Before Linux 6.10 this needs CAP_DAC_READ_SEARCH.
    pub fn link_anonymous(file: &OwnedFd, dir: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
        rustix::fs::linkat(file, c"", dir, name, AtFlags::EMPTY_PATH)
    }

    /// Whether reserving space in this file system is worth its time.
    pub fn reserves(dir: BorrowedFd<'_>) -> bool {
        rustix::fs::fstatfs(dir).is_ok_and(|found| RESERVING.contains(&(found.f_type as u64)))
    }

    /// Reserves the space of a whole file.
    pub fn reserve(file: &OwnedFd, size: u64) -> Result<()> {
        rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size)
    }

    /// Copies inside the kernel, sharing blocks where the file system can. Returns how much was copied.
    pub fn copy_range(from: &OwnedFd, to: &OwnedFd, offset: u64, length: usize) -> Result<usize> {
        let (mut read, mut write) = (offset, offset);
        rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut write), length)
    }

    /// Makes everything in the file system of `dir` durable.
    pub fn sync(dir: BorrowedFd<'_>) -> Result<()> {
        rustix::fs::syncfs(dir).or_else(|_| rustix::fs::fsync(dir))
    }

    /// Makes a pipe, socket or device; `device` as manifests have it.
    pub fn make_node(dir: BorrowedFd<'_>, name: &[u8], kind: FileKind, device: u64) -> Result<()> {
        let (kind, device) = match kind {
            FileKind::Fifo => (FileType::Fifo, 0),
            FileKind::Socket => (FileType::Socket, 0),
            FileKind::CharDevice => (FileType::CharacterDevice, device),
            FileKind::BlockDevice => (FileType::BlockDevice, device),
            _ => return Err(Errno::INVAL),
        };
        let number = rustix::fs::makedev((device >> 32) as u32, device as u32);
        rustix::fs::mknodat(dir, name, kind, mode_bits(0o600), number)
    }

    /// A link, pipe, socket or device: held by a descriptor that opens nothing, so that it cannot be exchanged for
    /// something else (say, a hard link to a file of another user) between its creation and `chown`.
    #[derive(Debug)]
    pub struct Node(OwnedFd);

    impl Node {
        /// Holds what `name` is now.
        pub fn hold(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Node> {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(dir, name, flags, Mode::empty()).map(Node)
        }

        // A magic link leads to the held node itself, even if that is a symbolic link.
        fn link(&self) -> String {
            format!("/proc/self/fd/{}", self.0.as_raw_fd())
        }

        pub fn stat(&self) -> Result<Stat> {
            rustix::fs::fstat(&self.0)
        }

        pub fn chown(&self, uid: Uid, gid: Gid) -> Result<()> {
            rustix::fs::chownat(&self.0, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
        }

        pub fn chmod(&self, mode: Mode) -> Result<()> {
            rustix::fs::chmodat(CWD, self.link(), mode, AtFlags::empty())
        }

        pub fn set_times(&self, times: &Timestamps) -> Result<()> {
            // An empty path is known since Linux 5.8.
            rustix::fs::utimensat(&self.0, c"", times, AtFlags::EMPTY_PATH)
                .or_else(|_| rustix::fs::utimensat(CWD, self.link(), times, AtFlags::empty()))
        }

        pub fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<()> {
            rustix::fs::setxattr(self.link(), name, value, XattrFlags::empty())
        }

        pub fn remove_xattr(&self, name: &[u8]) -> Result<()> {
            rustix::fs::removexattr(self.link(), name)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::*;

    pub fn open_anonymous(_: BorrowedFd<'_>) -> Result<OwnedFd> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn link_anonymous(_: &OwnedFd, _: BorrowedFd<'_>, _: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn reserves(_: BorrowedFd<'_>) -> bool {
        false
    }

    pub fn reserve(_: &OwnedFd, _: u64) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn copy_range(_: &OwnedFd, _: &OwnedFd, _: u64, _: usize) -> Result<usize> {
        Err(Errno::NOSYS)
    }

    pub fn sync(dir: BorrowedFd<'_>) -> Result<()> {
        rustix::fs::sync();
        rustix::fs::fsync(dir)
    }

    pub fn make_node(dir: BorrowedFd<'_>, name: &[u8], kind: FileKind, _: u64) -> Result<()> {
        match kind {
            FileKind::Fifo => rustix::fs::mkfifoat(dir, name, mode_bits(0o600)),
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// A link or pipe, by its name.
    #[derive(Debug)]
    pub struct Node(OwnedFd, Vec<u8>);

    impl Node {
        pub fn hold(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Node> {
            Ok(Node(dir.try_clone_to_owned().map_err(|_| Errno::MFILE)?, name.to_vec()))
        }

        pub fn stat(&self) -> Result<Stat> {
            rustix::fs::statat(&self.0, &self.1, AtFlags::SYMLINK_NOFOLLOW)
        }

        pub fn chown(&self, uid: Uid, gid: Gid) -> Result<()> {
            rustix::fs::chownat(&self.0, &self.1, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        }

        pub fn chmod(&self, mode: Mode) -> Result<()> {
            rustix::fs::chmodat(&self.0, &self.1, mode, AtFlags::SYMLINK_NOFOLLOW)
        }

        pub fn set_times(&self, times: &Timestamps) -> Result<()> {
            rustix::fs::utimensat(&self.0, &self.1, times, AtFlags::SYMLINK_NOFOLLOW)
        }

        pub fn set_xattr(&self, _: &[u8], _: &[u8]) -> Result<()> {
            Err(Errno::OPNOTSUPP)
        }

        pub fn remove_xattr(&self, _: &[u8]) -> Result<()> {
            Err(Errno::OPNOTSUPP)
        }
    }
}
