//! An entry of a manifest: everything a snapshot knows of one file, link, directory or device.

use super::model::FileFormat;
use crate::id::ChunkId;
use minicbor::{Decode, Encode};
use std::cmp::Ordering;

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum FileKind {
    /// A regular file.
    #[default]
    #[n(0)]
    File,
    /// A directory.
    #[n(1)]
    Directory,
    /// A symbolic link.
    #[n(2)]
    Symlink,
    /// A named pipe.
    #[n(3)]
    Fifo,
    /// A socket.
    #[n(4)]
    Socket,
    /// A character device.
    #[n(5)]
    CharDevice,
    /// A block device.
    #[n(6)]
    BlockDevice,
}

impl FileKind {
    /// restic's name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::File => "file",
            FileKind::Directory => "dir",
            FileKind::Symlink => "symlink",
            FileKind::Fifo => "fifo",
            FileKind::Socket => "socket",
            FileKind::CharDevice => "chardev",
            FileKind::BlockDevice => "dev",
        }
    }
}

/// What of an entry the user chose not to back up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LeftOut {
    /// Nothing.
    #[default]
    #[n(0)]
    Nothing,
    /// All of it: only the name and the kind are known. It was excluded, or too large.
    #[n(1)]
    Itself,
    /// What is in the directory, or some of it: a marker file says so, or another file system or the repository is there.
    #[n(2)]
    Content,
}

/// A time stamp: seconds since 1970-01-01T00:00:00Z and nanoseconds below a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Stamp {
    /// Whole seconds, may be negative.
    #[n(0)]
    pub seconds: i64,
    /// 0 to 999,999,999.
    #[n(1)]
    pub nanos: u32,
}

/// A part of a file that is not stored because it is a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Hole {
    /// First byte.
    #[n(0)]
    pub offset: u64,
    /// Bytes.
    #[n(1)]
    pub length: u64,
}

/// An extended attribute; ACLs are `system.posix_acl_access` and `system.posix_acl_default`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Xattr {
    /// Its name with the name space, as bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub name: Vec<u8>,
    /// Its value.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub value: Vec<u8>,
}

/// Why the content of an entry is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Fault {
    /// True: it could not be read, and there is no content. False: it changed in every attempt to read it.
    #[n(0)]
    pub unreadable: bool,
    /// What the system said.
    #[n(1)]
    pub reason: String,
}

/// One file, link, directory or device. CBOR: a map with the numbers below as keys; default values are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// Absolute path: components joined by `/`, without the first `/`; empty for the root directory.
    /// In a page only the part after `shared` bytes of the path before it is written.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub path: Vec<u8>,
    /// In a page: how many bytes of the path of the entry before begin this one. In memory always 0.
    #[cbor(n(1), default, skip_if = "is_default")]
    pub shared: u64,
    /// What it is.
    #[cbor(n(2), default, skip_if = "is_default")]
    pub kind: FileKind,
    /// A directory above the paths that were asked for, kept without times.
    #[cbor(n(3), default, skip_if = "is_default")]
    pub ancestor: bool,
    /// Permission bits, `07777`.
    #[cbor(n(4), default, skip_if = "is_default")]
    pub mode: u32,
    /// Owner.
    #[cbor(n(5), default, skip_if = "is_default")]
    pub uid: u32,
    /// Group.
    #[cbor(n(6), default, skip_if = "is_default")]
    pub gid: u32,
    /// Name of the owner, if it has one.
    #[cbor(n(7), default, skip_if = "is_default")]
    pub user: String,
    /// Name of the group, if it has one.
    #[cbor(n(8), default, skip_if = "is_default")]
    pub group: String,
    /// Last change of the content.
    #[cbor(n(9), default, skip_if = "is_default")]
    pub mtime: Stamp,
    /// Last change of the inode; tells an unchanged file from a changed one.
    #[cbor(n(10), default, skip_if = "is_default")]
    pub ctime: Stamp,
    /// Inode number; tells an unchanged file from a changed one.
    #[cbor(n(11), default, skip_if = "is_default")]
    pub inode: u64,
    /// Bytes of a file, holes included.
    #[cbor(n(12), default, skip_if = "is_default")]
    pub size: u64,
    /// Entries with the same number, not 0, are hard links to one inode.
    #[cbor(n(13), default, skip_if = "is_default")]
    pub link_group: u64,
    /// Target of a symbolic link.
    #[cbor(n(14), with = "minicbor::bytes", default, skip_if = "is_default")]
    pub link_target: Vec<u8>,
    /// Device number (major in the high 32 bits, minor in the low) of a device.
    #[cbor(n(15), default, skip_if = "is_default")]
    pub device: u64,
    /// Extended attributes, sorted by name.
    #[cbor(n(16), default, skip_if = "is_default")]
    pub xattrs: Vec<Xattr>,
    /// Holes, sorted, not touching each other.
    #[cbor(n(17), default, skip_if = "is_default")]
    pub holes: Vec<Hole>,
    /// The chunks of the content without its holes, in order; or, if `listed`, of the list chunks that name them.
    #[cbor(n(18), default, skip_if = "is_default")]
    pub chunks: Vec<ChunkId>,
    /// Whether `chunks` names list chunks.
    #[cbor(n(19), default, skip_if = "is_default")]
    pub listed: bool,
    /// What is wrong with the content.
    #[n(20)]
    pub fault: Option<Fault>,
    /// What of it the user chose not to back up: a restore must not take it for something that was not there.
    #[cbor(n(21), default, skip_if = "is_default")]
    pub left_out: LeftOut,
    /// What is known of its format, if it has one that is known.
    #[n(22)]
    pub format: Option<FileFormat>,
}

/// Whether a field holds what it has when it is left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Entry {
    /// The last component of the path.
    pub fn name(&self) -> &[u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// Bytes of the content that are not in holes.
    pub fn data_len(&self) -> u64 {
        self.holes.iter().fold(self.size, |left, hole| left.saturating_sub(hole.length))
    }

    /// Whether nothing says that the content changed since `self` was recorded: size, times and inode are the same.
    pub fn same_inode_state(&self, now: &Entry) -> bool {
        (self.kind, self.size, self.mtime, self.ctime, self.inode)
            == (now.kind, now.size, now.mtime, now.ctime, now.inode)
    }
}

/// The order of a manifest: by components, each by its bytes, so that a directory is followed by all below it.
pub fn path_order(a: &[u8], b: &[u8]) -> Ordering {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let rank =
        |path: &[u8]| path.get(same).map(|&byte| if byte == b'/' { 1 } else { u16::from(byte) + 2 }).unwrap_or(0);
    rank(a).cmp(&rank(b))
}

/// Whether `path` is `top` or below it; everything is below the empty path.
pub fn is_within(path: &[u8], top: &[u8]) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_component() {
        let mut paths: Vec<&[u8]> = vec![b"a.b", b"a/b", b"a", b"a/b/c", b"", b"a-b", b"b", b"a\x01"];
        paths.sort_by(|a, b| path_order(a, b));
        assert_eq!(paths, [&b""[..], b"a", b"a/b", b"a/b/c", b"a\x01", b"a-b", b"a.b", b"b"]);
    }

    #[test]
    fn what_is_default_is_not_written() {
        let bytes = minicbor::to_vec(Entry { path: b"a".to_vec(), size: 5, ..Entry::default() }).unwrap();
        assert_eq!(bytes, [0xa2, 0x00, 0x41, b'a', 0x0c, 0x05]);
        assert_eq!(minicbor::decode::<Entry>(&bytes).unwrap().size, 5);
    }

    #[test]
    fn within() {
        assert!(is_within(b"a/b", b"a") && is_within(b"a", b"a") && is_within(b"a", b""));
        assert!(!is_within(b"ab", b"a") && !is_within(b"a", b"a/b"));
    }
}
