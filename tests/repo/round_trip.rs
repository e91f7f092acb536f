//! Backup and restore are inverse, for any tree and after any edits: checked on generated ones.

use crate::common::tree::{self, Tree};
use crate::common::*;
use lastgood::repo::Repository;
use object_store::memory::InMemory;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What can be put at a path.
#[derive(Clone, Debug)]
enum Thing {
    Directory,
    File {
        seed: u64,
        len: usize,
        compressible: bool,
    },
    Sparse {
        size: u64,
        data: Vec<(u64, usize)>,
        seed: u64,
    },
    Symlink(Vec<u8>),
    /// To the n-th path there is.
    HardLink(usize),
    Fifo,
}

/// One step that makes or changes a tree.
#[derive(Clone, Debug)]
enum Edit {
    Put { parent: usize, name: Vec<u8>, thing: Thing },
    Remove(usize),
    Append { to: usize, seed: u64, len: usize },
    Overwrite { file: usize, at: u64, seed: u64, len: usize },
    Truncate { file: usize, len: u64 },
    Mode { of: usize, mode: u32 },
    Owner { of: usize, uid: u32, gid: u32 },
    Time { of: usize, seconds: i64, nanos: i64 },
    Xattr { of: usize, name: u8, value: Vec<u8> },
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let odd: Vec<&[u8]> = vec![
        b"a",
        b"a.b",
        b"a-b",
        b"a b",
        b"-rf",
        b"\xff\xfe",
        b"\xc3\x28",
        b"n\new\nline",
        b"\x1b[31mred",
        b"...",
        b".hidden",
        b"*?[x]",
        b"e\xcc\x81",
        b"\xc3\xa9",
        b"A",
        b"back\\slash",
        b"\xe2\x80\xaeevil",
        b"con",
        b" ",
    ];
    let byte = || (1u8..=255).prop_map(|byte| if byte == b'/' { b'_' } else { byte });
    let any = |len| prop::collection::vec(byte(), len);
    let any = prop_oneof![6 => any(1..12usize).boxed(), 1 => any(255..256usize).boxed()];
    prop_oneof![3 => prop::sample::select(odd).prop_map(<[u8]>::to_vec), 2 => any]
        .prop_filter("not special", |name| !matches!(&name[..], b"." | b".."))
}

fn thing() -> impl Strategy<Value = Thing> {
    let len =
        prop_oneof![1 => Just(0usize), 5 => 1..5000usize, 2 => 100_000..900_000usize, 1 => 2_200_000..3_000_000usize];
    let file = (any::<u64>(), len, any::<bool>()).prop_map(|(seed, len, compressible)| Thing::File {
        seed,
        len,
        compressible,
    });
    let data = prop::collection::vec((0..2_000_000u64, 1..20_000usize), 0..5);
    let sparse =
        (1..2_500_000u64, data, any::<u64>()).prop_map(|(size, data, seed)| Thing::Sparse { size, data, seed });
    let target = prop_oneof![Just(b".".to_vec()), Just(b"/nowhere/at all".to_vec()), name()];
    prop_oneof![
        3 => Just(Thing::Directory),
        6 => file,
        2 => sparse,
        2 => target.prop_map(Thing::Symlink),
        2 => any::<usize>().prop_map(Thing::HardLink),
        1 => Just(Thing::Fifo),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    let of = any::<usize>;
    let mode = prop_oneof![0..0o1000u32, 0..0o10000u32];
    let value = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        6 => (of(), name(), thing()).prop_map(|(parent, name, thing)| Edit::Put { parent, name, thing }),
        1 => of().prop_map(Edit::Remove),
        1 => (of(), any::<u64>(), 1..100_000usize).prop_map(|(to, seed, len)| Edit::Append { to, seed, len }),
        1 => (of(), 0..1_000_000u64, any::<u64>(), 1..10_000usize)
            .prop_map(|(file, at, seed, len)| Edit::Overwrite { file, at, seed, len }),
        1 => (of(), 0..1_000_000u64).prop_map(|(file, len)| Edit::Truncate { file, len }),
        1 => (of(), mode).prop_map(|(of, mode)| Edit::Mode { of, mode }),
        1 => (of(), 0..70_000u32, 0..70_000u32).prop_map(|(of, uid, gid)| Edit::Owner { of, uid, gid }),
        2 => (of(), -2_000_000_000..4_000_000_000i64, 0..1_000_000_000i64)
            .prop_map(|(of, seconds, nanos)| Edit::Time { of, seconds, nanos }),
        1 => (of(), any::<u8>(), value).prop_map(|(of, name, value)| Edit::Xattr { of, name, value }),
    ]
}

/// A tree on disk that is being edited.
struct Ground {
    top: PathBuf,
    paths: Vec<PathBuf>,
}

impl Ground {
    fn at(&self, number: usize, fits: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let there: Vec<_> = self.paths.iter().filter(|path| path.symlink_metadata().is_ok() && fits(path)).collect();
        there.get(number.checked_rem(there.len())?).map(|path| path.to_path_buf())
    }

    fn file(&self, number: usize) -> Option<fs::File> {
        let path = self.at(number, |path| path.symlink_metadata().unwrap().is_file())?;
        Some(fs::OpenOptions::new().write(true).open(path).unwrap())
    }

    fn put(&mut self, parent: usize, name: &[u8], thing: &Thing) {
        let parent =
            self.at(parent, |path| path.symlink_metadata().unwrap().is_dir()).unwrap_or_else(|| self.top.clone());
        let path = parent.join(tree::os(name));
        let deep = path.strip_prefix(&self.top).unwrap().as_os_str().len() > 1500;
        if deep || path.symlink_metadata().is_ok() {
            return;
        }
        match thing {
            Thing::Directory => fs::create_dir(&path).unwrap(),
            Thing::File { seed, len, compressible: true } => {
                let line = format!("{seed} is the seed of this line\n").repeat(len / 20 + 1);
                fs::write(&path, &line[..*len]).unwrap();
            }
            Thing::File { seed, len, .. } => fs::write(&path, tree::noise(*seed, *len)).unwrap(),
            Thing::Sparse { size, data, seed } => {
                let data: Vec<_> = data.iter().map(|(at, len)| (*at, tree::noise(*seed, *len))).collect();
                tree::write_sparse(&path, *size, &data);
            }
            Thing::Symlink(target) => std::os::unix::fs::symlink(tree::os(target), &path).unwrap(),
            Thing::HardLink(number) => {
                let Some(old) = self.at(*number, |path| path.symlink_metadata().unwrap().is_file()) else { return };
                fs::hard_link(old, &path).unwrap();
            }
            Thing::Fifo => tree::fifo(&path),
        }
        self.paths.push(path);
    }

    fn apply(&mut self, edit: &Edit) {
        use std::os::unix::fs::FileExt;
        let any = |_: &Path| true;
        let real = |path: &Path| path.is_dir() || path.is_file();
        let real = |path: &Path| !path.is_symlink() && real(path);
        match edit {
            Edit::Put { parent, name, thing } => self.put(*parent, name, thing),
            Edit::Remove(number) => match self.at(*number, any) {
                Some(path) if path.symlink_metadata().unwrap().is_dir() => fs::remove_dir_all(path).unwrap(),
                Some(path) => fs::remove_file(path).unwrap(),
                None => {}
            },
            Edit::Append { to, seed, len } => {
                let Some(file) = self.file(*to) else { return };
                file.write_all_at(&tree::noise(*seed, *len), file.metadata().unwrap().len()).unwrap();
            }
            Edit::Overwrite { file, at, seed, len } => {
                let Some(file) = self.file(*file) else { return };
                file.write_all_at(&tree::noise(*seed, *len), *at).unwrap();
            }
            Edit::Truncate { file, len } => drop(self.file(*file).map(|file| file.set_len(*len).unwrap())),
            Edit::Mode { of, mode } => {
                // Only root can read what nobody may read, and give what runs as somebody else.
                let least = if tree::is_root() { 0 } else { 0o700 };
                let most = if tree::is_root() { 0o7777 } else { 0o777 };
                self.at(*of, real).into_iter().for_each(|path| tree::set_mode(&path, mode & most | least));
            }
            Edit::Owner { of, uid, gid } if tree::is_root() => {
                self.at(*of, any)
                    .into_iter()
                    .for_each(|path| std::os::unix::fs::lchown(path, Some(*uid), Some(*gid)).unwrap());
            }
            Edit::Owner { .. } => {}
            Edit::Time { of, seconds, nanos } => {
                self.at(*of, any).into_iter().for_each(|path| tree::set_mtime(&path, *seconds, *nanos));
            }
            Edit::Xattr { of, name, value } => {
                let name = format!("user.{}", char::from(b'a' + name % 3));
                self.at(*of, real).into_iter().for_each(|path| tree::set_xattr(&path, &name, value));
            }
        }
    }
}

async fn state(
    repo: &Arc<Repository>,
    sandbox: &Sandbox,
    source: &Path,
    case: &str,
) -> (Option<lastgood::id::Id>, Tree) {
    // What is still in the page cache has no place on disk yet, and may be reported as a hole that it is not.
    rustix::fs::syncfs(fs::File::open(source).unwrap()).unwrap();
    let expected = tree::read(source);
    let done = backup(repo, source).await.unwrap_or_else(|e| panic!("{case}: {}", words(&e)));
    assert!(done.problems.is_empty(), "{case}: {:?}", done.problems);
    assert_restores(repo, done.snapshot, source, &sandbox.fresh("target"), &expected, case).await;
    (done.snapshot, expected)
}

async fn round_trip(base: &InMemory, edits: &[Edit], more: &[Edit]) {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    let repo = open(Arc::new(base.fork())).await.unwrap();
    let mut ground = Ground { top: source.clone(), paths: Vec::new() };
    edits.iter().for_each(|edit| ground.apply(edit));
    let (first, first_tree) = state(&repo, &sandbox, &source, "first snapshot").await;
    more.iter().for_each(|edit| ground.apply(edit));
    let (_, second_tree) = state(&repo, &sandbox, &source, "second snapshot").await;
    // The first one again, into what the second left there: in place, with all that is too much removed.
    let wanted = snapshot(&repo, first).await;
    let target = sandbox.path("target");
    let options = lastgood::flows::restore::RestoreOptions { delete: true, ..to_restore(&wanted, &source, &target) };
    let report = restore(&repo, &options).await.unwrap();
    // What became a directory, or no longer is one, stands in the way: that is said, and the user removes it.
    let other = |(path, node): (&Vec<u8>, &tree::Node)| {
        second_tree.get(path).is_some_and(|now| (now.kind == "directory") != (node.kind == "directory"))
    };
    if !first_tree.iter().any(other) {
        assert!(report.problems.is_empty(), "in place: {:?}", report.problems);
        tree::assert_same(&first_tree, &tree::read(&target), "first snapshot in place of the second");
    }
    assert_restores(&repo, first, &source, &sandbox.fresh("target"), &first_tree, "first snapshot").await;
    tree::assert_same(&second_tree, &tree::read(&source), "a backup changes nothing in its source");
    assert_sound(&repo, "after all").await;
}

#[test]
fn any_tree_comes_back() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(64);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (base, _) = runtime.block_on(small_packs());
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let strategy = (prop::collection::vec(edit(), 0..60), prop::collection::vec(edit(), 0..20));
    let run = |(edits, more): (Vec<Edit>, Vec<Edit>)| {
        let work = std::panic::AssertUnwindSafe(|| runtime.block_on(round_trip(&base, &edits, &more)));
        std::panic::catch_unwind(work).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no text".into());
            TestCaseError::fail(text)
        })
    };
    let mut runner = TestRunner::new(config);
    if let Err(e) = runner.run(&strategy, run) {
        panic!("{e}");
    }
}

/// Names are bytes: every single byte but two makes a file name, and all come back.
#[tokio::test(flavor = "multi_thread")]
async fn every_byte_is_a_name() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    for byte in (1..=255u8).filter(|byte| !b"/.".contains(byte)) {
        fs::write(source.join(std::ffi::OsStr::from_bytes(&[byte])), [byte]).unwrap();
    }
    let (_, repo) = small_packs().await;
    state(&repo, &sandbox, &source, "names of one byte").await;
}
