//! Tests of owner, extended attributes, ACLs, mode and times; what only root can do is tested only as root.
#![allow(clippy::unwrap_used)]

use super::tests::{MTIME, entry, root, temp};
use super::*;
use crate::records::manifest::{Entry, FileKind, Stamp, Xattr};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

// Version 2; owner rw-, user 4711 r--, group r--, mask rw-, others ---.
const ACL: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\
    \x02\0\x04\0\x67\x12\0\0\
    \x04\0\x04\0\xff\xff\xff\xff\x10\0\x06\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";

fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr { name: name.into(), value: value.into() }
}

fn value(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 65536];
    rustix::fs::lgetxattr(path, name, &mut value[..]).ok().map(|size| value[..size].to_vec())
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn modes_owners_and_times_round_trip() {
    let (temp, tree) = temp();
    let (dir, ownership) = (root(&tree), Ownership::new());
    for (i, wanted) in [0u32, 0o400, 0o644, 0o777, 0o4755, 0o2755, 0o1644, 0o7777, 0o177_644].into_iter().enumerate() {
        let (name, seconds) = (format!("f{i}"), [-1, 0, 1, 4_000_000_000][i % 4]);
        let entry =
            Entry { mode: wanted, uid: 12, gid: 34, mtime: Stamp { seconds, nanos: 1 }, ..entry(FileKind::File) };
        assert_eq!(write_small(&dir, name.as_bytes(), b"x", &entry, &ownership).unwrap(), Vec::<String>::new());
        let stat = fs::metadata(temp.path().join(&name)).unwrap();
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (seconds, 1));
        if ownership.is_root() {
            assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid()), (wanted & 0o7777, 12, 34));
        }
    }
}

#[test]
fn without_root_there_are_no_special_bits() {
    let (temp, tree) = temp();
    let (dir, ownership) = (root(&tree), Ownership::new().unprivileged());
    let wanted = Entry { mode: 0o7755, uid: 12, ..entry(FileKind::File) };
    assert!(write_small(&dir, b"a", b"x", &wanted, &ownership).unwrap().is_empty());
    assert_eq!(mode(&temp.path().join("a")), 0o755);
    assert_ne!(fs::metadata(temp.path().join("a")).unwrap().uid(), 12);
    // But a directory does not lose those that it has.
    let sub = tree.directory(b"sub").unwrap();
    fs::set_permissions(temp.path().join("sub"), fs::Permissions::from_mode(0o2700)).unwrap();
    assert!(finish_directory(&sub, &Entry { mode: 0o3770, ..entry(FileKind::Directory) }, &ownership).is_empty());
    assert_eq!(mode(&temp.path().join("sub")), 0o2770);
}

#[test]
fn a_file_that_cannot_be_given_away_is_not_setuid() {
    let (temp, tree) = temp();
    let forged = Entry { mode: 0o6755, uid: u32::MAX, gid: 0, ..entry(FileKind::File) };
    let warnings = write_small(&root(&tree), b"a", b"x", &forged, &Ownership::new()).unwrap();
    assert_eq!(warnings.len(), usize::from(Ownership::new().is_root()));
    assert_eq!(mode(&temp.path().join("a")), 0o755);
}

#[test]
fn attributes_and_acls_round_trip() {
    let (temp, tree) = temp();
    let (dir, ownership) = (root(&tree), Ownership::new());
    // Read only: attributes must be set before the mode.
    let mut wanted = Entry {
        mode: 0o460,
        xattrs: vec![xattr("system.posix_acl_access", ACL), xattr("user.a", b"\0\xff"), xattr("user.b", b"")],
        ..entry(FileKind::File)
    };
    let file = PartialFile::create(dir.clone(), b"a", 1).unwrap();
    assert_eq!(file.finish(&wanted, &ownership).unwrap(), Vec::<String>::new());
    let at = temp.path().join("a");
    assert_eq!((value(&at, "user.a").unwrap(), value(&at, "user.b").unwrap()), (b"\0\xff".to_vec(), vec![]));
    let mut acl = ACL.to_vec();
    acl[6] = 4; // The mode's owner bits are the ACL's.
    assert_eq!((value(&at, "system.posix_acl_access").unwrap(), mode(&at)), (acl, 0o460));
    if ownership.is_root() {
        let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        wanted.xattrs = vec![xattr("security.capability", capability)];
        wanted.uid = 12;
        assert_eq!(write_small(&dir, b"b", b"x", &wanted, &ownership).unwrap(), Vec::<String>::new());
        assert_eq!(value(&temp.path().join("b"), "security.capability").unwrap(), capability);
        let link = Entry {
            link_target: b"b".to_vec(),
            xattrs: vec![xattr("trusted.x", b"of the link")],
            ..entry(FileKind::Symlink)
        };
        assert_eq!(symlink(&dir, b"link", &link, &ownership).unwrap(), Vec::<String>::new());
        assert_eq!(value(&temp.path().join("link"), "trusted.x").unwrap(), b"of the link");
        assert_eq!(value(&temp.path().join("b"), "trusted.x"), None);
    }
}

#[test]
fn what_cannot_be_set_is_said_once_each_and_not_forever() {
    let (temp, tree) = temp();
    let forged = Entry {
        xattrs: (0..20).map(|i| xattr(&format!("no such space.{i}"), b"")).collect(),
        mtime: Stamp { seconds: 5, nanos: u32::MAX },
        ..entry(FileKind::File)
    };
    let warnings = write_small(&root(&tree), b"a", b"x", &forged, &Ownership::new()).unwrap();
    assert_eq!((warnings.len(), warnings[8].as_str()), (9, "12 more of its metadata could not be set"));
    assert!(warnings[0].starts_with("the extended attribute no such space.0 could not be set: "), "{}", warnings[0]);
    assert_eq!(fs::metadata(temp.path().join("a")).unwrap().mtime(), 5);
}

#[test]
fn a_directory_is_finished() {
    let (temp, tree) = temp();
    let (sub, ownership) = (tree.directory(b"sub").unwrap(), Ownership::new());
    let at = temp.path().join("sub");
    rustix::fs::setxattr(&at, "user.old", b"x", rustix::fs::XattrFlags::empty()).unwrap();
    let wanted = Entry {
        mode: 0o1750,
        uid: 12,
        gid: 34,
        xattrs: vec![xattr("system.posix_acl_default", ACL), xattr("user.new", b"y")],
        ..entry(FileKind::Directory)
    };
    assert_eq!(finish_directory(&sub, &wanted, &ownership), Vec::<String>::new());
    let stat = fs::metadata(&at).unwrap();
    assert_eq!(stat.mtime(), MTIME.seconds);
    assert_eq!(
        (value(&at, "user.old"), value(&at, "user.new").unwrap(), value(&at, "system.posix_acl_default").unwrap()),
        (None, b"y".to_vec(), ACL.to_vec())
    );
    if ownership.is_root() {
        assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (12, 34, 0o1750));
    }
    // A second time nothing is touched.
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(finish_directory(&sub, &wanted, &ownership).is_empty());
    let again = fs::metadata(&at).unwrap();
    assert_eq!((again.ctime(), again.ctime_nsec()), (stat.ctime(), stat.ctime_nsec()));
    let ancestor = Entry { ancestor: true, mtime: Stamp::default(), ..wanted };
    assert!(finish_directory(&sub, &ancestor, &ownership).is_empty());
    assert_eq!(fs::metadata(&at).unwrap().mtime(), MTIME.seconds);
}

#[test]
fn an_acl_that_nobody_recorded_is_not_inherited() {
    let (temp, _) = temp();
    let mut acl = ACL.to_vec();
    acl[6] = 7; // The owner must be able to enter the directory that is made.
    rustix::fs::setxattr(temp.path(), "system.posix_acl_default", &acl, rustix::fs::XattrFlags::empty()).unwrap();
    let tree = Tree::open(temp.path()).unwrap();
    let (dir, ownership) = (root(&tree), Ownership::new());
    assert!(write_small(&dir, b"a", b"x", &entry(FileKind::File), &ownership).unwrap().is_empty());
    assert!(special(&dir, b"fifo", &entry(FileKind::Fifo), &ownership).unwrap().is_empty());
    let sub = tree.directory(b"sub").unwrap();
    assert!(write_small(&sub, b"a", b"x", &entry(FileKind::File), &ownership).unwrap().is_empty());
    assert!(finish_directory(&sub, &Entry { mode: 0o750, ..entry(FileKind::Directory) }, &ownership).is_empty());
    for name in ["a", "fifo", "sub", "sub/a"] {
        let at = temp.path().join(name);
        assert_eq!(
            (value(&at, "system.posix_acl_access"), value(&at, "system.posix_acl_default"), mode(&at) & 0o750),
            (None, None, if name == "sub" { 0o750 } else { 0o640 }),
            "{name}"
        );
    }
}

#[test]
fn an_existing_file_gets_only_what_differs() {
    let (temp, tree) = temp();
    let (dir, ownership, at) = (root(&tree), Ownership::new(), temp.path().join("a"));
    let mut wanted = Entry { xattrs: vec![xattr("user.a", b"1")], ..entry(FileKind::File) };
    write_small(&dir, b"a", b"x", &wanted, &ownership).unwrap();
    let first = fs::metadata(&at).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(update_metadata(&dir, b"a", &wanted, &ownership).unwrap(), Some(vec![]));
    assert_eq!(fs::metadata(&at).unwrap().ctime_nsec(), first.ctime_nsec());
    wanted.xattrs[0].name = b"user.b".to_vec();
    wanted.mode = 0o600;
    assert_eq!(update_metadata(&dir, b"a", &wanted, &ownership).unwrap(), Some(vec![]));
    assert_eq!((value(&at, "user.a"), value(&at, "user.b").unwrap(), mode(&at)), (None, b"1".to_vec(), 0o600));
    // A name of something outside: its metadata is not ours.
    fs::hard_link(&at, temp.path().join("b")).unwrap();
    assert_eq!(update_metadata(&dir, b"b", &entry(FileKind::File), &ownership).unwrap(), None);
    std::os::unix::fs::symlink("a", temp.path().join("link")).unwrap();
    assert_eq!(update_metadata(&dir, b"link", &entry(FileKind::File), &ownership).unwrap(), None);
    assert_eq!(mode(&at), 0o600);
}
