//! From what the system says of a file to an entry of a manifest.

use crate::records::manifest::{Entry, FileKind, Stamp};
use rustix::fs::{FileType, Stat};
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// A change within so many seconds of a snapshot may be followed by one that leaves the same time stamp.
const SETTLED_SECONDS: i64 = 2;

/// Names of owners, each looked up once: a look-up may ask a network.
#[derive(Debug, Default)]
pub(super) struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    fn user(&mut self, uid: u32) -> String {
        self.users.entry(uid).or_insert_with(|| user_name(uid)).clone()
    }

    fn group(&mut self, gid: u32) -> String {
        self.groups.entry(gid).or_insert_with(|| group_name(gid)).clone()
    }
}

fn user_name(uid: u32) -> String {
    uzers::get_user_by_uid(uid).and_then(|user| user.name().to_str().map(str::to_owned)).unwrap_or_default()
}

fn group_name(gid: u32) -> String {
    uzers::get_group_by_gid(gid).and_then(|group| group.name().to_str().map(str::to_owned)).unwrap_or_default()
}

/// The fields of `Stat` that are used, in one width: they differ among systems and processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: Option<FileKind>,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) size: u64,
    pub(super) mtime: Stamp,
    pub(super) ctime: Stamp,
    pub(super) blocks: u64,
    pub(super) links: u64,
    pub(super) rdev: u64,
}

impl State {
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // Necessary on other systems and processors.
    pub(super) fn of(stat: &Stat) -> State {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Some(FileKind::File),
            FileType::Directory => Some(FileKind::Directory),
            FileType::Symlink => Some(FileKind::Symlink),
            FileType::Fifo => Some(FileKind::Fifo),
            FileType::Socket => Some(FileKind::Socket),
            FileType::CharacterDevice => Some(FileKind::CharDevice),
            FileType::BlockDevice => Some(FileKind::BlockDevice),
            _ => None,
        };
        let (major, minor) = (rustix::fs::major(stat.st_rdev as _), rustix::fs::minor(stat.st_rdev as _));
        State {
            kind,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            mode: u32::from(stat.st_mode) & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: Stamp { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Stamp { seconds: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
            blocks: stat.st_blocks as u64,
            links: stat.st_nlink as u64,
            rdev: (u64::from(major) << 32) | u64::from(minor),
        }
    }

    /// An entry without path, link target, links and extended attributes.
    pub(super) fn entry(&self, owners: &mut Owners) -> Entry {
        let kind = self.kind.unwrap_or_default();
        let is_device = matches!(kind, FileKind::CharDevice | FileKind::BlockDevice);
        Entry {
            kind,
            mode: self.mode,
            uid: self.owner.0,
            gid: self.owner.1,
            user: owners.user(self.owner.0),
            group: owners.group(self.owner.1),
            mtime: self.mtime,
            ctime: self.ctime,
            inode: self.inode,
            size: if kind == FileKind::File { self.size } else { 0 },
            device: if is_device { self.rdev } else { 0 },
            ..Entry::default()
        }
    }

    /// Brings an entry of the same inode up to date.
    pub(super) fn update(&self, entry: &mut Entry) {
        if entry.uid != self.owner.0 {
            entry.user = user_name(self.owner.0);
        }
        if entry.gid != self.owner.1 {
            entry.group = group_name(self.owner.1);
        }
        (entry.uid, entry.gid) = self.owner;
        (entry.mode, entry.size, entry.mtime, entry.ctime) = (self.mode, self.size, self.mtime, self.ctime);
    }

    /// Whether it is one and the same file, whatever happened to its content.
    pub(super) fn same_file(&self, entry: &Entry, device: u64) -> bool {
        (self.kind, self.inode, self.device) == (Some(entry.kind), entry.inode, device)
    }
}

/// The time by the clock of the system, which is the one that file systems use.
pub fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}

/// Whether the time stamps of an entry prove that it did not change since: false if they are younger than two seconds
/// before `now`, the start of the walk that saw them, because clocks of file systems are coarse; or if they are in the future.
pub fn trusted(entry: &Entry, now: Stamp) -> bool {
    let settled = Stamp { seconds: now.seconds.saturating_sub(SETTLED_SECONDS), nanos: now.nanos };
    entry.mtime <= settled && entry.ctime <= settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn young_and_future_stamps_are_not_trusted() {
        let at = |seconds, nanos| Stamp { seconds, nanos };
        let now = at(100, 500);
        for (mtime, ctime, expected) in [
            (at(98, 500), at(98, 500), true),
            (at(-5, 0), at(10, 0), true),
            (at(98, 501), at(98, 500), false),
            (at(98, 500), at(99, 0), false),
            (at(200, 0), at(98, 0), false),
        ] {
            let entry = Entry { mtime, ctime, ..Entry::default() };
            assert_eq!(trusted(&entry, now), expected, "{mtime:?} {ctime:?}");
        }
    }

    #[test]
    fn owners_have_names() {
        let mut owners = Owners::default();
        assert_eq!((owners.user(0), owners.user(4_000_000_000)), ("root".into(), String::new()));
        assert!(!owners.group(0).is_empty());
    }
}
