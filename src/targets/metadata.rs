//! Metadata of what was restored: owner, extended attributes, mode, times, in this order.

use super::tree::Directory;
use super::{Ownership, system};
use crate::error::printable;
use crate::records::manifest::{Entry, FileKind, Stamp, Xattr};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};

/// The most warnings for one entry; a forged one could have any number of attributes.
const WARNINGS_MAX: usize = 8;
/// Names of extended attributes of one file: no more than Linux allows.
const NAMES_BYTES: usize = 64 << 10;

/// Whose metadata is set.
#[derive(Debug)]
pub(super) enum Subject<'a> {
    /// A file or directory, which is open.
    Open(BorrowedFd<'a>),
    /// A link, pipe, socket or device.
    Node(&'a system::Node),
}

/// What was there before metadata is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It was just made. If `inherits`, the directory may have given it an ACL.
    New { inherits: bool },
    /// It may have any attributes; what is right already is not touched, so that its ctime stays.
    Any,
}

/// Sets a directory's owner, extended attributes, mode and times, and returns what could not be set. To be called when
/// everything in it is done, deepest directories first. An ancestor keeps its times: none were recorded.
pub fn finish_directory(dir: &Directory, entry: &Entry, ownership: &Ownership) -> Vec<String> {
    apply(&Subject::Open(dir.as_fd()), entry, ownership, Before::Any)
}

/// Sets everything that an entry says of `subject`, and returns what could not be set.
pub(super) fn apply(subject: &Subject<'_>, entry: &Entry, ownership: &Ownership, before: Before) -> Vec<String> {
    let mut warnings = Warnings::default();
    // A new file of a process that is not root's has nothing that needs a look.
    let now = if before == Before::Any || ownership.is_root() { subject.stat().ok() } else { None };
    // Owner first, because `chown` takes setuid bits and capabilities away. Mode last but times, because a file that
    // cannot be written to takes no attributes, and nobody else shall read it before it has its owner and ACL.
    let owned = ownership.is_root() && set_owner(subject, entry, ownership, now.as_ref(), &mut warnings);
    set_xattrs(subject, entry, before, &mut warnings);
    if entry.kind != FileKind::Symlink {
        let bits = system::mode_bits(entry.mode & allowed_bits(owned, ownership, before, now.as_ref()));
        let right = before == Before::Any && subject.stat().is_ok_and(|now| Mode::from_raw_mode(now.st_mode) == bits);
        if !right && let Err(errno) = subject.chmod(bits) {
            warnings.add("the mode", errno);
        }
    }
    let right = before == Before::Any && now.is_some_and(|now| stamp(&now) == entry.mtime);
    if !entry.ancestor
        && !right
        && let Err(errno) = subject.set_times(&times(entry.mtime))
    {
        warnings.add("the time of the last change", errno);
    }
    warnings.done()
}

/// The bits that may be set. Were a setuid file to stay ours because it could not be given away, it would run as us; and
/// who is not root gets no special bits, but loses none that were there.
#[allow(clippy::useless_conversion)] // the types differ between systems
fn allowed_bits(owned: bool, ownership: &Ownership, before: Before, now: Option<&Stat>) -> u32 {
    match now {
        _ if owned => 0o7777,
        Some(now) if before == Before::Any && !ownership.is_root() => 0o777 | (u32::from(now.st_mode) & 0o7000),
        _ => 0o777,
    }
}

/// Whether it belongs to whom it shall belong to.
fn set_owner(
    subject: &Subject<'_>,
    entry: &Entry,
    ownership: &Ownership,
    now: Option<&Stat>,
    warnings: &mut Warnings,
) -> bool {
    let (uid, gid) = ownership.of(entry);
    if now.is_some_and(|now| (now.st_uid, now.st_gid) == (uid, gid)) {
        return true;
    }
    // The number -1 means "leave it as it is" to the system, so it can only come from a forged manifest.
    let changed = if uid == u32::MAX || gid == u32::MAX { Err(Errno::INVAL) } else { subject.chown(uid, gid) };
    changed.map_err(|errno| warnings.add(&format!("the owner {uid}:{gid}"), errno)).is_ok()
}

fn set_xattrs(subject: &Subject<'_>, entry: &Entry, before: Before, warnings: &mut Warnings) {
    if before != (Before::New { inherits: false }) {
        remove_others(subject, entry, warnings);
    }
    for Xattr { name, value } in &entry.xattrs {
        if before == Before::Any && subject.has_xattr(name, value) {
            continue;
        }
        if let Err(errno) = subject.set_xattr(name, value) {
            warnings.add(&format!("the extended attribute {}", printable(name)), errno);
        }
    }
}

/// Removes the attributes and ACLs that the entry does not have. Those of the system and of its security stay.
fn remove_others(subject: &Subject<'_>, entry: &Entry, warnings: &mut Warnings) {
    for name in subject.removable_xattrs() {
        if entry.xattrs.iter().any(|wanted| wanted.name == name) {
            continue;
        }
        if let Err(errno) = subject.remove_xattr(&name)
            && !matches!(errno, Errno::NODATA | Errno::OPNOTSUPP)
        {
            warnings.add(&format!("the removal of the extended attribute {}", printable(&name)), errno);
        }
    }
}

impl Subject<'_> {
    fn stat(&self) -> Result<Stat> {
        match self {
            Subject::Open(fd) => rustix::fs::fstat(fd),
            Subject::Node(node) => node.stat(),
        }
    }

    fn chown(&self, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        match self {
            Subject::Open(fd) => rustix::fs::fchown(fd, Some(uid), Some(gid)),
            Subject::Node(node) => node.chown(uid, gid),
        }
    }

    fn chmod(&self, mode: Mode) -> Result<()> {
        match self {
            Subject::Open(fd) => rustix::fs::fchmod(fd, mode),
            Subject::Node(node) => node.chmod(mode),
        }
    }

    fn set_times(&self, times: &Timestamps) -> Result<()> {
        match self {
            Subject::Open(fd) => rustix::fs::futimens(fd, times),
            Subject::Node(node) => node.set_times(times),
        }
    }

    fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<()> {
        match self {
            Subject::Open(fd) => rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()),
            Subject::Node(node) => node.set_xattr(name, value),
        }
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        match self {
            Subject::Open(fd) => rustix::fs::fremovexattr(fd, name),
            Subject::Node(node) => node.remove_xattr(name),
        }
    }

    fn has_xattr(&self, name: &[u8], value: &[u8]) -> bool {
        let Subject::Open(fd) = self else { return false };
        // One byte more than expected: a longer value either fits and differs, or is an error.
        let mut found = vec![0; value.len() + 1];
        rustix::fs::fgetxattr(fd, name, &mut found[..]).is_ok_and(|size| found.get(..size) == Some(value))
    }

    fn removable_xattrs(&self) -> Vec<Vec<u8>> {
        let Subject::Open(fd) = self else {
            // A new node has none but an ACL of its directory's.
            return vec![b"system.posix_acl_access".to_vec()];
        };
        let mut names = vec![0; NAMES_BYTES];
        let size = rustix::fs::flistxattr(fd, &mut names[..]).unwrap_or(0);
        let names = names.get(..size).unwrap_or_default().split(|&byte| byte == 0);
        let ours = |name: &&[u8]| name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_");
        names.filter(ours).map(<[u8]>::to_vec).collect()
    }
}

/// When the content changed last.
#[allow(clippy::unnecessary_cast)] // the types differ between systems
pub(super) fn stamp(stat: &Stat) -> Stamp {
    Stamp { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 }
}

/// Both times, because the time of the last access is not recorded.
#[allow(clippy::unnecessary_cast)] // the types differ between systems
fn times(mtime: Stamp) -> Timestamps {
    // Larger numbers mean "now" and "leave it" to the system, so they must not come from a manifest.
    let nanos = mtime.nanos.min(999_999_999);
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: nanos as _ };
    Timestamps { last_access: time, last_modification: time }
}

#[derive(Default)]
struct Warnings {
    said: Vec<String>,
    more: usize,
}

impl Warnings {
    fn add(&mut self, what: &str, errno: Errno) {
        if self.said.len() < WARNINGS_MAX {
            self.said.push(format!("{what} could not be set: {}", std::io::Error::from(errno)));
        } else {
            self.more += 1;
        }
    }

    fn done(mut self) -> Vec<String> {
        if self.more > 0 {
            self.said.push(format!("{} more of its metadata could not be set", self.more));
        }
        self.said
    }
}
