//! Tests of the walk on real directories.

use super::*;
use crate::records::manifest::path_order;
use crate::sources::{SelectionOptions, xattrs_of};
use proptest::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::slice::from_ref;

type Found = Vec<Result<Item, SourceError>>;

fn walk(roots: &[PathBuf], options: &SelectionOptions, skip: &[PathBuf]) -> Found {
    let (walk, errors) = Walk::new(roots, Selection::new(options).unwrap(), skip);
    assert!(errors.is_empty(), "{errors:?}");
    let found: Found = walk.collect();
    let paths: Vec<&[u8]> =
        found.iter().map(|found| found.as_ref().map_or_else(|e| &e.path[..], |i| &i.entry.path[..])).collect();
    assert!(paths.is_sorted_by(|a, b| path_order(a, b).is_lt()), "not in the order of a manifest");
    found
}

/// What is below `base`, relative to it; ancestors with a `<`, faults with a `!`, errors with a `?`. Not what is left out.
fn shown(found: &Found, base: &Path) -> Vec<String> {
    let base = &base.as_os_str().as_bytes()[1..];
    let relative = |path: &[u8]| {
        let rest = path.strip_prefix(base)?;
        Some(String::from_utf8_lossy(rest.strip_prefix(b"/").unwrap_or(rest)).into_owned())
    };
    let show = |found: &Result<Item, SourceError>| match found {
        Ok(item) if item.entry.left_out == LeftOut::Itself => None,
        Ok(item) => {
            let mark = if item.entry.ancestor { "<" } else { "" };
            let fault = if item.entry.fault.is_some() { "!" } else { "" };
            relative(&item.entry.path).map(|path| format!("{mark}{path}{fault}"))
        }
        Err(error) => relative(&error.path).map(|path| format!("{path}?")),
    };
    found.iter().filter_map(show).collect()
}

fn temp() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    (dir, base)
}

fn make(base: &Path, files: &[&str]) {
    for file in files {
        let path = base.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if file.ends_with('/') { fs::create_dir_all(path).unwrap() } else { fs::write(path, file).unwrap() }
    }
}

fn item<'a>(found: &'a Found, base: &Path, name: impl AsRef<OsStr>) -> &'a Item {
    let path = &base.join(name.as_ref()).into_os_string().as_bytes()[1..].to_vec();
    found.iter().flatten().find(|item| &item.entry.path == path).unwrap()
}

#[test]
fn order_ancestors_and_metadata() {
    let (_dir, base) = temp();
    make(&base, &["a/x", "a.b", "a-b", "b", "a/sub/deep", "a\u{1}\n"]);
    let odd = OsStr::from_bytes(b"\xff\xfe");
    fs::write(base.join(odd), "").unwrap();
    symlink("nowhere", base.join("dangling")).unwrap();
    symlink(".", base.join("loop")).unwrap();
    let found = walk(from_ref(&base), &SelectionOptions::default(), &[]);
    let expected =
        ["", "a", "a/sub", "a/sub/deep", "a/x", "a\u{1}\n", "a-b", "a.b", "b", "dangling", "loop", "\u{fffd}\u{fffd}"];
    assert_eq!(shown(&found, &base), expected);

    let top = &found[0].as_ref().unwrap().entry;
    assert!(top.path.is_empty() && top.ancestor && top.kind == FileKind::Directory && top.mode != 0);
    assert_eq!((top.mtime, top.ctime, top.inode), (Stamp::default(), Stamp::default(), 0));
    assert_eq!(&item(&found, &base, "dangling").entry.link_target, b"nowhere");
    let file = item(&found, &base, "a.b");
    let meta = fs::metadata(base.join("a.b")).unwrap();
    assert_eq!((file.entry.size, file.entry.inode, file.links), (3, meta.ino(), 1));
    assert_eq!((file.entry.mtime.seconds, i64::from(file.entry.mtime.nanos)), (meta.mtime(), meta.mtime_nsec()));
    assert_eq!(file.entry.mode, meta.mode() & 0o7777);
    assert!(file.own.is_none() && item(&found, &base, "a").own.is_some());
    assert_eq!(item(&found, &base, odd).name(), b"\xff\xfe");
}

#[test]
fn several_roots_share_ancestors() {
    let (_dir, base) = temp();
    make(&base, &["p/q/r/f", "p/q/s/f", "p/other", "z/f", "z/n/g"]);
    symlink("p/q", base.join("short")).unwrap();
    let roots = ["z", "p/q/s", "p/q/r", "z/n", "short/s"].map(|root| base.join(root));
    let expected = [
        "<",
        "<p",
        "<p/q",
        "p/q/r",
        "p/q/r/f",
        "p/q/s",
        "p/q/s/f",
        "<short",
        "short/s",
        "short/s/f",
        "z",
        "z/f",
        "z/n",
        "z/n/g",
    ];
    assert_eq!(shown(&walk(&roots, &SelectionOptions::default(), &[]), &base), expected);
    assert_eq!(shown(&walk(&[base.join("short")], &SelectionOptions::default(), &[]), &base), ["<", "short"]);

    let (walk, errors) = Walk::new(&[base.join("absent"), base.join("z/n"), base.join("z")], Selection::default(), &[]);
    assert_eq!((errors.len(), errors[0].kind), (1, Trouble::Vanished));
    assert_eq!(walk.roots().len(), 1);
    assert!(Walk::new(&[], Selection::default(), &[]).0.next().is_none());
}

#[test]
fn selection_is_applied_but_roots_are_kept() {
    let (_dir, base) = temp();
    make(&base, &["keep", "x.tmp", "cache/a/wanted", "cache/b", "big", "tmp.tmp/y.tmp", "tmp.tmp/z"]);
    fs::write(base.join("big"), [0; 100]).unwrap();
    let exclude = vec!["*.tmp".into(), format!("{}/cache", base.display())];
    let options = SelectionOptions { exclude, exclude_larger_than: Some(99), ..SelectionOptions::default() };
    assert_eq!(shown(&walk(from_ref(&base), &options, &[]), &base), ["", "keep"]);
    // A root below what is left out is reached all the same, and named roots are not left out.
    let roots = [base.clone(), base.join("cache/a"), base.join("tmp.tmp"), base.join("big")];
    let expected = ["", "big", "<cache", "cache/a", "cache/a/wanted", "keep", "tmp.tmp", "tmp.tmp/z"];
    assert_eq!(shown(&walk(&roots, &options, &[]), &base), expected);
    let (mut walk, _) = Walk::new(from_ref(&base), Selection::new(&options).unwrap(), &[]);
    walk.by_ref().for_each(drop);
    assert_eq!(walk.excluded(), 4);
}

#[test]
fn marked_directories_keep_their_marker() {
    let (_dir, base) = temp();
    make(&base, &["c/data", "c/sub/x", "fake/data", "n/.nobackup", "n/data", "p/note", "p/data", "q/note", "q/data"]);
    fs::write(base.join("c/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n# more").unwrap();
    fs::write(base.join("fake/CACHEDIR.TAG"), "Signature: wrong").unwrap();
    fs::write(base.join("p/note"), "skip me\n").unwrap();
    let exclude_if_present = vec![".nobackup".into(), "note:skip".into()];
    let options = SelectionOptions { exclude_if_present, exclude_caches: true, ..SelectionOptions::default() };
    let mut expected = vec!["", "c", "c/CACHEDIR.TAG", "fake", "fake/CACHEDIR.TAG", "fake/data"];
    expected.extend(["n", "n/.nobackup", "p", "p/note", "q", "q/data", "q/note"]);
    assert_eq!(shown(&walk(from_ref(&base), &options, &[]), &base), expected);
    let found = shown(&walk(&[base.clone(), base.join("c/sub/x")], &options, &[]), &base);
    assert_eq!(found[1..5], ["c", "c/CACHEDIR.TAG", "<c/sub", "c/sub/x"]);
}

#[test]
fn the_repository_is_not_walked() {
    let (_dir, base) = temp();
    make(&base, &["a", "repo/config/0", "z"]);
    symlink("repo", base.join("repo-link")).unwrap();
    let (mut walk, _) =
        Walk::new(from_ref(&base), Selection::default(), &[base.join("repo-link"), base.join("absent")]);
    let found: Found = walk.by_ref().collect();
    assert_eq!(shown(&found, &base), ["", "a", "repo", "repo-link", "z"]);
    assert_eq!(walk.skipped(), [base.join("repo").as_os_str().as_bytes()[1..].to_vec()]);
    assert!(xattrs_of(item(&found, &base, "repo")).is_ok());
}

#[test]
fn other_devices_are_recorded_but_not_entered() {
    let options = SelectionOptions { one_file_system: true, ..SelectionOptions::default() };
    let device = |path: &str| fs::metadata(path).map(|meta| meta.dev()).unwrap_or_default();
    if device("/dev") == device("/dev/pts") || !Path::new("/dev/pts/ptmx").exists() {
        return;
    }
    let below = |found: &Found| found.iter().flatten().filter(|item| item.entry.path.starts_with(b"dev/pts")).count();
    assert_eq!(below(&walk(&[PathBuf::from("/dev")], &options, &[])), 1);
    assert!(below(&walk(&[PathBuf::from("/dev"), PathBuf::from("/dev/pts/ptmx")], &options, &[])) >= 2);
}

#[test]
fn hard_links_have_a_group() {
    let (_dir, base) = temp();
    make(&base, &["b/one", "alone", "gone/x"]);
    fs::hard_link(base.join("b/one"), base.join("a")).unwrap();
    fs::hard_link(base.join("b/one"), base.join("z")).unwrap();
    fs::hard_link(base.join("gone/x"), base.join("left")).unwrap();
    symlink("x", base.join("l1")).unwrap();
    fs::hard_link(base.join("l1"), base.join("l2")).unwrap();
    let options = SelectionOptions { exclude: vec!["gone".into()], ..SelectionOptions::default() };
    let found = walk(from_ref(&base), &options, &[]);
    let of = |name: &str| (item(&found, &base, name).entry.link_group, item(&found, &base, name).first);
    let group = group_of(&base.join("a").as_os_str().as_bytes()[1..]);
    assert_eq!([of("a"), of("b/one"), of("z")], [(group, true), (group, false), (group, false)]);
    assert_eq!((of("alone"), of("b")), ((0, true), (0, true)));
    assert!(of("left").0 != 0 && of("left").1 && of("l1").0 == of("l2").0 && !of("l2").1);
    assert_ne!(group, 0);
}

#[test]
fn what_changes_under_the_walk_is_reported() {
    let (_dir, base) = temp();
    make(&base, &["a", "b/in", "c", "d/in", "e/in", "z"]);
    let (mut walk, _) = Walk::new(from_ref(&base), Selection::default(), &[]);
    let mut found: Found =
        walk.by_ref().take_while(|item| !matches!(item, Ok(i) if i.entry.path.ends_with(b"/a"))).collect();
    fs::remove_dir_all(base.join("b")).unwrap();
    fs::remove_file(base.join("c")).unwrap();
    fs::remove_dir_all(base.join("d")).unwrap();
    fs::write(base.join("d"), "now a file").unwrap();
    fs::remove_dir_all(base.join("e")).unwrap();
    symlink("/", base.join("e")).unwrap();
    found.extend(walk);
    assert_eq!(shown(&found, &base), ["", "b?", "c?", "d", "e", "z"]);
    assert!(found.iter().flat_map(Result::as_ref).all(|item| item.entry.fault.is_none()));
    assert_eq!(
        found.iter().filter_map(|f| f.as_ref().err()).map(|e| e.kind).collect::<Vec<_>>(),
        [Trouble::Vanished; 2]
    );
    assert_eq!(
        (item(&found, &base, "d").entry.kind, item(&found, &base, "e").entry.kind),
        (FileKind::File, FileKind::Symlink)
    );
}

#[test]
fn special_files_are_recorded_and_never_opened() {
    let (_dir, base) = temp();
    let handle = fs::File::open(&base).unwrap();
    rustix::fs::mknodat(&handle, "pipe", rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(base.join("socket")).unwrap();
    let found = walk(from_ref(&base), &SelectionOptions::default(), &[]);
    assert_eq!(item(&found, &base, "pipe").entry.kind, FileKind::Fifo);
    assert_eq!(item(&found, &base, "socket").entry.kind, FileKind::Socket);
    assert!(xattrs_of(item(&found, &base, "pipe")).unwrap().is_empty());
    let null = &walk(&[PathBuf::from("/dev/null")], &SelectionOptions::default(), &[])[2];
    let null = &null.as_ref().unwrap().entry;
    assert_eq!((null.kind, null.device, null.size), (FileKind::CharDevice, 1 << 32 | 3, 0));
}

#[test]
fn many_names_and_deep_trees() {
    let (_dir, base) = temp();
    for i in 0..20_000 {
        fs::File::create(base.join(format!("{i}"))).unwrap();
    }
    let mut directory = fs::File::open(&base).unwrap();
    for _ in 0..300 {
        let name = "deep".repeat(20);
        rustix::fs::mkdirat(&directory, &name, 0o700.into()).unwrap();
        let next = rustix::fs::openat(&directory, &name, rustix::fs::OFlags::DIRECTORY, 0.into()).unwrap();
        directory = next.into();
    }
    allow_many_open_files();
    let (walk, _) = Walk::new(from_ref(&base), Selection::default(), &[]);
    let found: usize =
        walk.map(|item| item.unwrap()).filter(|item| item.entry.path.len() >= base.as_os_str().len()).count();
    assert_eq!(found, 20_300);
}

#[test]
fn a_directory_that_cannot_be_opened_is_recorded() {
    let (_dir, base) = temp();
    make(&base, &["a/in", "b/in", "c"]);
    fs::set_permissions(base.join("a"), std::os::unix::fs::PermissionsExt::from_mode(0o0)).unwrap();
    let found = walk(from_ref(&base), &SelectionOptions::default(), &[]);
    if fs::read_dir(base.join("a")).is_err() {
        assert_eq!(shown(&found, &base), ["", "a!", "b", "b/in", "c"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_tree_is_walked_in_order(names in proptest::collection::btree_set("[ab.\u{1}-]{1,3}(/[ab.!0-]{1,3}){0,3}", 1..30)) {
        let (_dir, base) = temp();
        // Whether a path becomes a file or a directory depends on what came before; the walk must find all of it.
        for name in &names {
            let path = base.join(name);
            if fs::create_dir_all(path.parent().unwrap()).is_ok() {
                let _ = fs::write(path, "");
            }
        }
        let mut expected = vec![base.clone()];
        let mut next = 0;
        while let Some(path) = expected.get(next).cloned() {
            expected.extend(fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()));
            next += 1;
        }
        let found = walk(from_ref(&base), &SelectionOptions::default(), &[]);
        prop_assert_eq!(found.iter().flatten().filter(|item| !item.entry.ancestor).count(), expected.len());
    }
}
