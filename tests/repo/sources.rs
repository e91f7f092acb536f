//! Sources that are large, odd, or do not hold still; and backups that have nothing to do.

use crate::common::faults::FaultStore;
use crate::common::*;
use lastgood::error::{Kind, Problem, Trouble};
use lastgood::flows::backup::BackupOptions;
use lastgood::progress::{Phase, Progress, Step};
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_backup_writes_one_object_and_reads_no_file() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    tree::sample(&source, 1, 4 << 20);
    let segments: Vec<_> = (0..5000).map(|n| (n * 8192, tree::noise(n, 4096))).collect();
    tree::write_sparse(&source.join("many-segments"), 5000 * 8192, &segments);
    let (memory, _) = small_packs().await;
    let counting = FaultStore::counting(memory.clone());
    let repo = open(Arc::new(counting.clone())).await.unwrap();
    // Young time stamps are not trusted.
    std::thread::sleep(Duration::from_millis(2100));
    let first = backup(&repo, &source).await.unwrap();
    let (before, reads) = (counting.puts().len(), counting.reads().len());
    let progress = Arc::new(Recorder::default());
    let second = lastgood::flows::backup::backup(&repo, &options(&[&source]), progress.clone()).await.unwrap();
    let puts = counting.puts().split_off(before);
    assert!(puts.len() == 1 && puts[0].0.starts_with("snapshots/"), "{puts:?}");
    assert_eq!(progress.read.load(Relaxed), 0, "bytes read");
    let packs: Vec<_> = objects(&*memory).await.into_iter().filter(|(_, bytes)| bytes[9] == 3).collect();
    let read = counting.reads().split_off(reads);
    assert!(!packs.iter().any(|(name, _)| read.contains(name)), "of packs only manifests are read: {read:?}");
    // Six files, one of them by two names.
    assert_eq!(second.summary.files_unmodified, first.summary.files_new, "{:?}", second.summary);
    assert_eq!((second.summary.data_added, second.summary.data_duplicate), (0, 0));
    assert_eq!(second.parent, first.snapshot);
    let expected = tree::read(&source);
    for done in [first, second] {
        assert_restores(&repo, done.snapshot, &source, &sandbox.fresh("target"), &expected, "unchanged").await;
    }
    let skipping = BackupOptions { skip_if_unchanged: true, ..options(&[&source]) };
    let third = lastgood::flows::backup::backup(&repo, &skipping, progress).await.unwrap();
    assert!(third.skipped && third.snapshot.is_none() && counting.puts().len() == before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_content_is_stored_once() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    let bytes = tree::noise(5, 6 << 20);
    for copy in 0..6 {
        tree::write(&source.join(format!("{copy}/weights")), &bytes);
    }
    // Moved by a header that grew: cuts by content find the rest again.
    tree::write(&source.join("shifted"), &[b"a longer header", &bytes[..]].concat());
    let (memory, _) = small_packs().await;
    let counting = FaultStore::counting(memory);
    let repo = open(Arc::new(counting.clone())).await.unwrap();
    let done = backup(&repo, &source).await.unwrap();
    let stored = counting.put_bytes("packs");
    assert!(stored < 8 << 20, "{stored} bytes stored of {} different", 6 << 20);
    assert_restores(&repo, done.snapshot, &source, &sandbox.fresh("target"), &tree::read(&source), "equal content")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    tree::sample(&source, 1, 1 << 20);
    let (memory, _) = small_packs().await;
    let counting = FaultStore::counting(memory);
    let repo = open(Arc::new(counting.clone())).await.unwrap();
    let dry = BackupOptions { dry_run: true, ..options(&[&source]) };
    let done = lastgood::flows::backup::backup(&repo, &dry, Arc::new(Recorder::default())).await.unwrap();
    assert!(done.snapshot.is_none() && done.summary.data_added > 1 << 19, "{done:?}");
    assert_eq!(counting.puts(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_gib_of_nothing_and_many_small_segments() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    let size = 100 << 30;
    let data = [(0, tree::noise(1, 10_000)), (40 << 30, tree::noise(2, 100)), (size - 5, b"last!".to_vec())];
    tree::write_sparse(&source.join("sparse"), size, &data);
    tree::write_sparse(&source.join("hollow"), size, &[]);
    // More chunks than an entry holds itself: the list is stored as chunks.
    let segments: Vec<_> = (0..5000).map(|n| (n * 8192 + 4096, tree::noise(n, 4096))).collect();
    tree::write_sparse(&source.join("many"), 5000 * 8192 + 1000, &segments);
    let (_, repo) = small_packs().await;
    let begun = std::time::Instant::now();
    let done = backup(&repo, &source).await.unwrap();
    assert!(done.summary.data_added < 24 << 20, "{:?}", done.summary);
    let expected = tree::read(&source);
    assert!(expected[&b"many"[..]].data.len() >= 5000, "the file system has no holes of 4 KiB");
    assert_restores(&repo, done.snapshot, &source, &sandbox.fresh("target"), &expected, "sparse").await;
    assert!(begun.elapsed() < Duration::from_secs(30), "holes were read: {:?}", begun.elapsed());
    assert_sound(&repo, "sparse").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_twenty_thousand() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    for number in 0..20_000 {
        fs::write(source.join(format!("{number:05}")), format!("{}", number % 100)).unwrap();
    }
    let (_, repo) = small_packs().await;
    let done = backup(&repo, &source).await.unwrap();
    assert!(done.summary.data_blobs <= 200, "a hundred contents: {:?}", done.summary);
    assert!(done.summary.tree_blobs >= 3, "several pages and a root: {:?}", done.summary);
    assert_restores(&repo, done.snapshot, &source, &sandbox.fresh("target"), &tree::read(&source), "20,000 files")
        .await;
}

/// Appends to a file whenever a chunk was stored: no attempt to read the file can miss it.
struct Restless(std::path::PathBuf);

impl Progress for Restless {
    fn phase(&self, _: Phase) {}
    fn total(&self, _: u64, _: u64) {}
    fn step(&self, _: Step) {
        fs::OpenOptions::new().append(true).open(&self.0).unwrap().write_all(b"x").unwrap();
    }
    fn current(&self, _: &[u8]) {}
    fn problem(&self, _: &Problem) {}
    fn stopped(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_holds_still_is_called_unstable() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    let path = source.join("log");
    tree::write(&path, &tree::noise(1, 24 << 20));
    tree::write(&source.join("calm"), b"calm");
    let (_, repo) = small_packs().await;
    let restless = Arc::new(Restless(path));
    let done = lastgood::flows::backup::backup(&repo, &options(&[&source]), restless).await.unwrap();
    assert_eq!(done.problem_count, 1, "{:?}", done.problems);
    assert_eq!(done.problems[0].kind, Trouble::Unstable);
    assert!(done.problems[0].item.ends_with("source/log"), "{:?}", done.problems);
    let made = snapshot(&repo, done.snapshot).await;
    assert!(!made.complete && made.problems == done.problems, "the snapshot says so too");
    let target = sandbox.fresh("target");
    let report = restore(&repo, &to_restore(&made, &source, &target)).await.unwrap();
    assert_eq!(
        report.problems.iter().map(|p| p.kind).collect::<Vec<_>>(),
        [Trouble::Unstable],
        "{:?}",
        report.problems
    );
    assert_eq!(fs::read(target.join("calm")).unwrap(), b"calm");
    // Once it is calm, it is read again although its times may be those of the attempt.
    let done = backup(&repo, &source).await.unwrap();
    assert_eq!(done.problem_count, 0, "{:?}", done.problems);
    assert_restores(&repo, done.snapshot, &source, &sandbox.fresh("target"), &tree::read(&source), "calm again").await;
    assert_sound(&repo, "unstable").await;
}

/// A thread replaces, shrinks and removes files while they are read: each is right as of some moment, or has a problem.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_replaced_and_vanish_are_never_mixed() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    let fill = |seed: u64| blake3::hash(&seed.to_le_bytes()).as_bytes()[0];
    for file in 0..200 {
        tree::write(&source.join(format!("{file:03}")), &vec![fill(file); 50_000]);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (ended, top) = (stop.clone(), source.clone());
    let writer = std::thread::spawn(move || {
        let mut seed = 1000;
        while !ended.load(Relaxed) {
            seed += 1;
            let path = top.join(format!("{:03}", seed * 7 % 200));
            let bytes = vec![fill(seed); 40_000 + (seed % 20_000) as usize];
            match seed % 3 {
                0 => fs::remove_file(&path).unwrap_or(()),
                1 => fs::write(top.join("../new"), bytes).and_then(|()| fs::rename(top.join("../new"), &path)).unwrap(),
                _ => fs::write(&path, bytes).unwrap(),
            }
        }
    });
    let (_, repo) = small_packs().await;
    for round in 0..5 {
        let done = backup(&repo, &source).await.unwrap();
        let made = snapshot(&repo, done.snapshot).await;
        let target = sandbox.fresh("target");
        restore(&repo, &to_restore(&made, &source, &target)).await.unwrap();
        for found in fs::read_dir(&target).unwrap().map(Result::unwrap) {
            let bytes = fs::read(found.path()).unwrap();
            let name = found.file_name().into_string().unwrap();
            let named = done.problems.iter().any(|problem| problem.item.ends_with(&name));
            let whole = bytes.iter().all(|byte| *byte == bytes[0]);
            assert!(whole || named, "round {round}: {name} is mixed and has no problem");
        }
    }
    stop.store(true, Relaxed);
    writer.join().unwrap();
    assert_sound(&repo, "replaced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_the_rest_is_kept() {
    if tree::is_root() {
        return;
    }
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    for name in ["a", "b", "c/d", "e/f", "g"] {
        tree::write(&source.join(name), name.as_bytes());
    }
    tree::set_mode(&source.join("b"), 0);
    tree::set_mode(&source.join("c"), 0);
    let (_, repo) = small_packs().await;
    let done = backup(&repo, &source).await.unwrap();
    let kinds: Vec<_> = done.problems.iter().map(|problem| problem.kind).collect();
    tree::set_mode(&source.join("c"), 0o700);
    assert_eq!(kinds, [Trouble::Unreadable; 2], "{:?}", done.problems);
    let made = snapshot(&repo, done.snapshot).await;
    let target = sandbox.fresh("target");
    let report = restore(&repo, &to_restore(&made, &source, &target)).await.unwrap();
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
    for name in ["a", "e/f", "g"] {
        assert_eq!(fs::read(target.join(name)).unwrap(), name.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_that_are_not_there() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    tree::write(&source.join("a"), b"a");
    let (memory, repo) = small_packs().await;
    let before = objects(&*memory).await.len();
    let gone = sandbox.path("gone");
    let error = backup(&repo, &gone).await.unwrap_err();
    assert!(error.kind == Kind::Source && error.what.contains("gone"), "{}", words(&error));
    assert_eq!(objects(&*memory).await.len(), before, "nothing is committed");
    let both = lastgood::flows::backup::backup(&repo, &options(&[&source, &gone]), Arc::new(Recorder::default()))
        .await
        .unwrap();
    assert!(both.problem_count == 1 && both.problems[0].item.contains("gone"), "{:?}", both.problems);
    assert!(!snapshot(&repo, both.snapshot).await.complete);
}
