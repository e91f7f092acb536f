//! Tests of the way down into a target: nothing outside of it is ever touched, however deep or forged a path is.
#![allow(clippy::unwrap_used)]

use super::tests::{entry, names, root, temp};
use super::*;
use crate::records::manifest::{Entry, FileKind};
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink as link};

#[test]
fn directories_are_made_for_the_owner_only() {
    let (temp, _) = temp();
    let target = temp.path().join("not/there/yet");
    assert!(Tree::open_existing(&target).unwrap().is_none());
    let tree = Tree::open(&target).unwrap();
    assert!(root(&tree).created() && tree.free().unwrap() > 0);
    let dir = tree.directory(b"a/b/c").unwrap();
    assert!(dir.created());
    assert_eq!(dir.path(), b"a/b/c");
    assert_eq!(tree.directory(b"a/b/d").unwrap().path(), b"a/b/d");
    assert_eq!(fs::metadata(target.join("a/b")).unwrap().mode() & 0o7777, 0o700);
    assert!(tree.directory_existing(b"a/x/y").unwrap().is_none());
    assert!(!target.join("a/x").exists());
    let again = Tree::open_existing(&target).unwrap().unwrap();
    assert!(!again.directory(b"a").unwrap().created());
    assert!(again.directory_existing(b"a/b/d").unwrap().is_some());
    tree.sync().unwrap();
}

#[test]
fn the_target_itself_may_be_a_link() {
    let (temp, _) = temp();
    fs::create_dir(temp.path().join("real")).unwrap();
    link("real", temp.path().join("link")).unwrap();
    Tree::open(&temp.path().join("link")).unwrap().directory(b"a").unwrap();
    assert!(temp.path().join("real/a").is_dir());
    fs::write(temp.path().join("file"), b"").unwrap();
    assert!(Tree::open(&temp.path().join("file")).is_err());
    assert!(Tree::open(&temp.path().join("file/x")).is_err());
}

#[test]
fn a_link_is_never_followed() {
    let (temp, _) = temp();
    let (outside, target) = (temp.path().join("outside"), temp.path().join("target"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("keep"), b"precious").unwrap();
    let tree = Tree::open(&target).unwrap();
    link(&outside, target.join("absolute")).unwrap();
    link("../outside", target.join("relative")).unwrap();
    // Two hops: each link alone looks harmless, together they lead out.
    fs::create_dir(target.join("inner")).unwrap();
    link("..", target.join("inner/up")).unwrap();
    link("inner/up/../outside", target.join("hops")).unwrap();
    fs::write(target.join("file"), b"").unwrap();
    for path in ["absolute", "relative/x", "inner/up/outside", "hops", "hops/x/y", "inner/up"] {
        let error = tree.directory(path.as_bytes()).unwrap_err();
        assert!(error.message.contains("links are never followed"), "{path}: {error}");
        assert!(tree.directory_existing(path.as_bytes()).is_err());
    }
    assert!(tree.directory(b"file/x").unwrap_err().message.contains("not a directory"));
    assert_eq!(names(&outside), ["keep"]);
    // The tree still works after a failure.
    assert!(tree.directory(b"inner/ok").unwrap().created());
}

#[test]
fn a_directory_exchanged_for_a_link_is_not_entered_again() {
    let (temp, _) = temp();
    let (outside, target) = (temp.path().join("outside"), temp.path().join("target"));
    fs::create_dir(&outside).unwrap();
    let tree = Tree::open(&target).unwrap();
    let dir = tree.directory(b"a/b").unwrap();
    fs::rename(target.join("a"), target.join("moved")).unwrap();
    link(&outside, target.join("a")).unwrap();
    let file = entry(FileKind::File);
    write_small(&dir, b"x", b"", &file, &Ownership::new()).unwrap();
    tree.directory(b"a/c").unwrap();
    assert_eq!(
        (names(&outside).len(), names(&target.join("moved/b")), names(&target.join("moved"))),
        (0, vec!["x".into()], vec!["b".into(), "c".into()])
    );
    tree.directory(b"elsewhere").unwrap();
    assert!(tree.directory(b"a/b").is_err());
}

#[test]
fn forged_names_are_refused() {
    let (temp, _) = temp();
    let target = temp.path().join("target");
    let tree = Tree::open(&target).unwrap();
    let (dir, long) = (root(&tree), vec![b'x'; 256]);
    for path in [&b".."[..], b".", b"a/../b", b"/a", b"a/", b"a//b", b"a\0b", &long] {
        assert!(tree.directory(path).unwrap_err().message.contains("refused"), "{path:?}");
        assert!(tree.place(path).unwrap_err().message.contains("refused"), "{path:?}");
    }
    let (file, fifo, ownership) = (entry(FileKind::File), entry(FileKind::Fifo), Ownership::new());
    let pointing = Entry { link_target: b"x".to_vec(), ..entry(FileKind::Symlink) };
    for name in [&b""[..], b".", b"..", b"a/b", b"../x", b"a\0", &long] {
        assert!(write_small(&dir, name, b"", &file, &ownership).is_err());
        assert!(PartialFile::create(dir.clone(), name, 1).is_err());
        assert!(symlink(&dir, name, &pointing, &ownership).is_err() && special(&dir, name, &fifo, &ownership).is_err());
        assert!(existing(&dir, name).is_err() && ExistingFile::open(&dir, name).is_err());
        assert!(remove_tree(&dir, name).is_err() && update_metadata(&dir, name, &file, &ownership).is_err());
    }
    // The one of `a/../b` that was all right.
    assert_eq!((names(&target), names(temp.path())), (vec!["a".into()], vec!["target".into()]));
    write_small(&dir, &long[..255], b"", &file, &ownership).unwrap();
}

#[test]
fn paths_deeper_than_the_system_takes() {
    let (temp, tree) = temp();
    let (depth, ownership) = (3000, Ownership::new());
    let path = |depth: usize| vec![&b"ab"[..]; depth].join(&b'/');
    for down in (0..=depth).step_by(50) {
        let dir = tree.directory(&path(down)).unwrap();
        write_small(&dir, b"before", b"x", &entry(FileKind::File), &ownership).unwrap();
    }
    // Up again, beyond what is kept open.
    for up in (0..=depth).rev().step_by(7) {
        let dir = tree.directory_existing(&path(up)).unwrap().unwrap();
        assert_eq!(dir.path(), path(up));
        write_small(&dir, b"after", b"x", &entry(FileKind::File), &ownership).unwrap();
        assert_eq!(
            finish_directory(&dir, &Entry { mode: 0o750, ..entry(FileKind::Directory) }, &ownership),
            Vec::<String>::new()
        );
    }
    let open = fs::read_dir("/proc/self/fd").map(|open| open.count()).unwrap_or(0);
    assert!(open < 600, "{open} descriptors are open");
    assert_eq!(remove_tree(&root(&tree), b"ab").unwrap(), 3000 + 60 + 429);
    assert_eq!(names(temp.path()), ["before"]);
}

#[test]
fn removing_does_not_follow_links() {
    let (temp, _) = temp();
    let (outside, target) = (temp.path().join("outside"), temp.path().join("target"));
    fs::create_dir_all(outside.join("inner")).unwrap();
    fs::write(outside.join("keep"), b"precious").unwrap();
    let tree = Tree::open(&target).unwrap();
    fs::create_dir_all(target.join("a/b/c")).unwrap();
    fs::create_dir_all(target.join("a/d")).unwrap();
    fs::write(target.join("a/b/file"), b"").unwrap();
    for name in ["a/b/link", "a/link", "link", "kept"] {
        link(&outside, target.join(name)).unwrap();
    }
    let dir = root(&tree);
    let listed: Vec<_> = list(&dir).unwrap();
    assert_eq!(
        listed,
        [
            (b"a".to_vec(), FileKind::Directory),
            (b"kept".to_vec(), FileKind::Symlink),
            (b"link".to_vec(), FileKind::Symlink)
        ]
    );
    assert_eq!(remove_tree(&dir, b"a").unwrap() + remove_tree(&dir, b"link").unwrap(), 8);
    assert_eq!((names(&target), names(&outside)), (vec!["kept".into()], vec!["inner".into(), "keep".into()]));
    assert_eq!(remove_tree(&dir, b"none").unwrap(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_path_nothing_is_made_outside(
            paths in proptest::collection::vec("[ab./\0]{0,9}", 1..12),
            links in proptest::collection::vec("[ab./]{1,5}", 0..4),
        ) {
        let (temp, _) = temp();
        let target = temp.path().join("x/target");
        let tree = Tree::open(&target).unwrap();
        let dir = root(&tree);
        for (i, text) in links.iter().enumerate() {
            let entry = Entry { link_target: text.clone().into_bytes(), ..entry(FileKind::Symlink) };
            let _ = symlink(&dir, ["a", "b", "ab", "ba"][i].as_bytes(), &entry, &Ownership::new());
        }
        for path in &paths {
            if let Ok((dir, name)) = tree.place(path.as_bytes()) {
                let made = write_small(&dir, name, b"1", &entry(FileKind::File), &Ownership::new());
                if made.is_ok() {
                    prop_assert_eq!(fs::read(target.join(path)).unwrap(), b"1");
                    prop_assert!(fs::symlink_metadata(target.join(path)).unwrap().is_file());
                }
            }
        }
        prop_assert_eq!((names(temp.path()), names(&temp.path().join("x"))), (vec!["x".to_owned()], vec!["target".to_owned()]));
    }
}
