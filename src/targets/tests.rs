//! Tests of files, links and nodes: whole or not there, and never outside.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::records::manifest::{Entry, FileKind, Stamp};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink as link};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub(super) const MTIME: Stamp = Stamp { seconds: 1_234_567_890, nanos: 123_456_789 };

pub(super) fn entry(kind: FileKind) -> Entry {
    Entry { kind, mode: 0o640, mtime: MTIME, ..Entry::default() }
}

pub(super) fn temp() -> (TempDir, Tree) {
    let temp = tempfile::tempdir().unwrap();
    let tree = Tree::open(temp.path()).unwrap();
    (temp, tree)
}

pub(super) fn root(tree: &Tree) -> Arc<Directory> {
    tree.directory(b"").unwrap()
}

pub(super) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn small(dir: &Directory, name: &[u8], bytes: &[u8]) -> Result<Vec<String>> {
    write_small(dir, name, bytes, &entry(FileKind::File), &Ownership::new())
}

fn temporary_name(dir: &Directory, name: &[u8]) -> std::path::PathBuf {
    OsStr::from_bytes(&fresh::Temporary::new(dir, name).name).into()
}

#[test]
fn a_file_has_its_content_mode_and_time() {
    let (temp, tree) = temp();
    assert_eq!(small(&root(&tree), b"a", b"content").unwrap(), Vec::<String>::new());
    assert_eq!(small(&root(&tree), b"empty", b"").unwrap(), Vec::<String>::new());
    let stat = fs::metadata(temp.path().join("a")).unwrap();
    assert_eq!(fs::read(temp.path().join("a")).unwrap(), b"content");
    assert_eq!((stat.mode() & 0o7777, stat.mtime(), stat.mtime_nsec()), (0o640, MTIME.seconds, 123_456_789));
    assert_eq!((stat.atime(), stat.atime_nsec()), (MTIME.seconds, 123_456_789));
    assert_eq!(names(temp.path()), ["a", "empty"]);
}

#[test]
fn a_file_without_anonymous_files_is_the_same() {
    let (temp, tree) = temp();
    let dir = root(&tree);
    dir.shared.anonymous.set(false).unwrap();
    fs::write(temp.path().join(temporary_name(&dir, b"a")), b"leftover").unwrap();
    small(&dir, b"a", b"1").unwrap();
    small(&dir, b"a", b"2").unwrap();
    assert_eq!(fs::read(temp.path().join("a")).unwrap(), b"2");
    let file = PartialFile::create(dir.clone(), b"b", 3).unwrap();
    assert_eq!(names(temp.path()).len(), 2);
    drop(file);
    assert_eq!(names(temp.path()), ["a"]);
}

#[test]
fn a_file_exchanged_under_its_temporary_name_is_not_published() {
    let (temp, tree) = temp();
    let dir = root(&tree);
    dir.shared.anonymous.set(false).unwrap();
    let file = PartialFile::create(dir.clone(), b"a", 3).unwrap();
    let hidden = temp.path().join(temporary_name(&dir, b"a"));
    fs::remove_file(&hidden).unwrap();
    fs::write(&hidden, b"forged").unwrap();
    assert!(file.finish(&entry(FileKind::File), &Ownership::new()).unwrap_err().message.contains("exchanged"));
    assert!(!temp.path().join("a").exists());
}

#[test]
fn what_is_dropped_leaves_nothing_and_leftovers_go() {
    let (temp, tree) = temp();
    let dir = root(&tree);
    fs::write(temp.path().join("a"), b"old").unwrap();
    fs::write(temp.path().join(temporary_name(&dir, b"a")), b"leftover of a killed restore").unwrap();
    let file = PartialFile::create(dir.clone(), b"a", 1 << 20).unwrap();
    file.write_at(0, b"new").unwrap();
    drop(file);
    assert_eq!(names(temp.path()), ["a"]);
    assert_eq!(fs::read(temp.path().join("a")).unwrap(), b"old");
}

#[test]
fn what_is_in_the_way_is_replaced_but_not_a_full_directory() {
    let (temp, tree) = temp();
    let (dir, at) = (root(&tree), |name: &str| temp.path().join(name));
    fs::write(at("outside"), b"precious").unwrap();
    for (turn, anonymous) in [(0, true), (1, false)] {
        let tree = Tree::open(temp.path()).unwrap();
        tree.directory(b"").unwrap().shared.anonymous.set(anonymous).unwrap();
        let dir = root(&tree);
        fs::write(at("file"), b"old").unwrap();
        link(at("outside"), at("link")).unwrap();
        fs::create_dir(at("empty")).unwrap();
        fs::create_dir_all(at("full/inner")).unwrap();
        for name in ["file", "link", "empty"] {
            small(&dir, name.as_bytes(), b"new").unwrap();
            assert!(fs::symlink_metadata(at(name)).unwrap().is_file());
            assert_eq!(fs::read(at(name)).unwrap(), b"new");
            fs::remove_file(at(name)).unwrap();
        }
        let error = small(&dir, b"full", b"new").unwrap_err();
        assert!(error.message.contains("a directory is in the way") && !error.full, "{turn}: {error}");
    }
    for name in ["link", "fifo", "full"] {
        let made = [
            symlink(
                &dir,
                name.as_bytes(),
                &Entry { link_target: b"x".to_vec(), ..entry(FileKind::Symlink) },
                &Ownership::new(),
            ),
            special(&dir, name.as_bytes(), &entry(FileKind::Fifo), &Ownership::new()),
        ];
        assert_eq!(made.map(|made| made.is_ok()), [name != "full"; 2]);
    }
    assert_eq!(fs::read(at("outside")).unwrap(), b"precious");
    assert_eq!(names(temp.path()), ["fifo", "full", "link", "outside"]);
}

#[test]
fn handles_go_to_any_thread() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<(Tree, Directory, PartialFile, ExistingFile, Ownership, TargetError)>();
}

#[test]
fn threads_write_one_file_at_once() {
    let (temp, tree) = temp();
    let file = PartialFile::create(root(&tree), b"a", 4 << 20).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let file = &file;
            scope.spawn(move || {
                for block in (u64::from(thread)..64).step_by(4) {
                    file.write_at(block << 16, &[thread + 1; 1 << 16]).unwrap();
                }
            });
        }
    });
    assert!(file.write_at(4 << 20, b"x").is_err() && file.write_at(u64::MAX, b"x").is_err());
    file.finish(&entry(FileKind::File), &Ownership::new()).unwrap();
    let read = fs::read(temp.path().join("a")).unwrap();
    assert_eq!(read.len(), 4 << 20);
    assert!(
        read.chunks(1 << 16).enumerate().all(|(i, chunk)| chunk.iter().all(|&byte| usize::from(byte) == i % 4 + 1))
    );
}

#[test]
fn holes_stay_holes() {
    let (temp, tree) = temp();
    let file = PartialFile::create(root(&tree), b"a", 1 << 40).unwrap();
    file.write_at((1 << 40) - 5, b"end.\n").unwrap();
    file.finish(&entry(FileKind::File), &Ownership::new()).unwrap();
    let stat = fs::metadata(temp.path().join("a")).unwrap();
    assert_eq!(stat.len(), 1 << 40);
    assert!(stat.blocks() < 64, "{} blocks", stat.blocks());
    assert!(PartialFile::create(root(&tree), b"b", u64::MAX).is_err());
}

#[test]
fn big_files_reserve_their_space() {
    let (temp, tree) = temp();
    let file = PartialFile::create(root(&tree), b"a", 65 << 20).unwrap();
    file.reserve().unwrap();
    file.finish(&entry(FileKind::File), &Ownership::new()).unwrap();
    let stat = fs::metadata(temp.path().join("a")).unwrap();
    assert_eq!((stat.len(), stat.blocks() > 0), (65 << 20, root(&tree).shared.reserves));
}

#[test]
fn existing_content_is_read_and_copied() {
    let (temp, tree) = temp();
    let dir = root(&tree);
    let content: Vec<u8> = (0..3 << 20).map(|i| (i % 251) as u8).collect();
    fs::write(temp.path().join("old"), &content).unwrap();
    link("old", temp.path().join("link")).unwrap();
    assert!(
        ExistingFile::open(&dir, b"link").unwrap().is_none() && ExistingFile::open(&dir, b"none").unwrap().is_none()
    );
    let old = ExistingFile::open(&dir, b"old").unwrap().unwrap();
    assert_eq!((old.about().size, old.about().links), (3 << 20, 1));
    let mut tail = [0; 10];
    assert_eq!(old.read_at((3 << 20) - 4, &mut tail).unwrap(), 4);
    let file = PartialFile::create(dir.clone(), b"old", 4 << 20).unwrap();
    file.copy_from_existing(&old, 1 << 20, 2 << 20).unwrap();
    assert!(file.copy_from_existing(&old, 3 << 20, 1).unwrap_err().message.contains("shorter"));
    assert!(file.copy_from_existing(&old, 4 << 20, 1).is_err());
    file.write_at(0, &content[..1 << 20]).unwrap();
    file.finish(&entry(FileKind::File), &Ownership::new()).unwrap();
    assert!(fs::read(temp.path().join("old")).unwrap().starts_with(&content));
    assert_eq!(existing(&dir, b"link").unwrap().unwrap().kind, FileKind::Symlink);
    assert_eq!(existing(&dir, b"none").unwrap(), None);
    assert_eq!(existing(&dir, b"old").unwrap().unwrap().mtime, MTIME);
}

#[test]
fn content_is_copied_from_another_file_system() {
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let (temp, tree) = temp();
    let content = vec![7; (1 << 20) + 1];
    fs::write(other.path().join("old"), &content).unwrap();
    let old = ExistingFile::open(&root(&Tree::open(other.path()).unwrap()), b"old").unwrap().unwrap();
    let file = PartialFile::create(root(&tree), b"new", content.len() as u64).unwrap();
    file.copy_from_existing(&old, 0, content.len() as u64).unwrap();
    file.finish(&entry(FileKind::File), &Ownership::new()).unwrap();
    assert!(fs::read(temp.path().join("new")).unwrap() == content);
}

#[test]
fn only_some_errors_concern_the_whole_target() {
    let full = |errno| TargetError::system(b"a", "cannot write", errno).full;
    assert!([rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT, rustix::io::Errno::ROFS].into_iter().all(full));
    assert!(![rustix::io::Errno::ACCESS, rustix::io::Errno::IO, rustix::io::Errno::NAMETOOLONG].into_iter().any(full));
}

#[test]
fn hard_links_share_an_inode() {
    let (temp, tree) = temp();
    let (dir, sub) = (root(&tree), tree.directory(b"sub").unwrap());
    small(&dir, b"a", b"1").unwrap();
    hard_link(&dir, b"a", &sub, b"b").unwrap();
    hard_link(&dir, b"a", &sub, b"b").unwrap();
    fs::write(temp.path().join("c"), b"in the way").unwrap();
    hard_link(&dir, b"a", &dir, b"c").unwrap();
    let inode = |name: &str| fs::symlink_metadata(temp.path().join(name)).unwrap().ino();
    assert_eq!((inode("sub/b"), inode("c")), (inode("a"), inode("a")));
    assert_eq!(
        (names(temp.path()), names(&temp.path().join("sub"))),
        (vec!["a".into(), "c".into(), "sub".into()], vec!["b".into()])
    );
    // Of a link, the link: not what it leads to.
    link("a", temp.path().join("link")).unwrap();
    hard_link(&dir, b"link", &dir, b"again").unwrap();
    assert_eq!(inode("again"), inode("link"));
    assert!(hard_link(&dir, b"sub", &dir, b"d").is_err() && hard_link(&dir, b"none", &dir, b"d").is_err());
    assert!(hard_link(&dir, b"../x", &dir, b"d").is_err() && hard_link(&dir, b"a", &dir, b"..").is_err());
}

#[test]
fn nodes_of_every_kind() {
    let (temp, tree) = temp();
    let (dir, ownership) = (root(&tree), Ownership::new());
    let made = |name: &[u8], entry: &Entry| special(&dir, name, entry, &ownership);
    assert_eq!(made(b"fifo", &Entry { uid: 12, gid: 34, ..entry(FileKind::Fifo) }).unwrap(), Vec::<String>::new());
    let stat = fs::symlink_metadata(temp.path().join("fifo")).unwrap();
    assert!(stat.file_type().is_fifo());
    if ownership.is_root() {
        assert_eq!((stat.mode() & 0o7777, stat.uid(), stat.gid(), stat.mtime()), (0o640, 12, 34, MTIME.seconds));
        assert_eq!(
            made(b"null", &Entry { device: 1 << 32 | 3, ..entry(FileKind::CharDevice) }).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(made(b"socket", &entry(FileKind::Socket)).unwrap(), Vec::<String>::new());
        let stat = fs::symlink_metadata(temp.path().join("null")).unwrap();
        assert!(stat.file_type().is_char_device());
        assert_eq!(stat.rdev(), fs::metadata("/dev/null").unwrap().rdev());
        assert!(fs::symlink_metadata(temp.path().join("socket")).unwrap().file_type().is_socket());
    }
    let refused = special(&dir, b"x", &entry(FileKind::BlockDevice), &Ownership::new().unprivileged()).unwrap_err();
    assert_eq!(refused.message, "a device needs root to be restored");
    assert!(made(b"x", &entry(FileKind::File)).is_err());
}

#[test]
fn a_link_keeps_its_own_owner_and_time() {
    let (temp, tree) = temp();
    fs::write(temp.path().join("target"), b"").unwrap();
    let before = fs::metadata(temp.path().join("target")).unwrap();
    let wanted = Entry { link_target: b"target".to_vec(), uid: 12, gid: 34, ..entry(FileKind::Symlink) };
    for _ in 0..2 {
        assert_eq!(symlink(&root(&tree), b"link", &wanted, &Ownership::new()).unwrap(), Vec::<String>::new());
        let stat = fs::symlink_metadata(temp.path().join("link")).unwrap();
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (MTIME.seconds, 123_456_789));
        assert_eq!(stat.uid(), if Ownership::new().is_root() { 12 } else { before.uid() });
    }
    let after = fs::metadata(temp.path().join("target")).unwrap();
    assert_eq!((after.uid(), after.mtime(), after.ctime_nsec()), (before.uid(), before.mtime(), before.ctime_nsec()));
    let empty = symlink(&root(&tree), b"empty", &entry(FileKind::Symlink), &Ownership::new());
    assert!(empty.unwrap_err().message.starts_with("cannot make the symlink"));
}
