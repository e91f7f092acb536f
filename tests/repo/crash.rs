//! Faults at every write: whatever was committed stays, whatever was not leaves nothing but reusable packs.

use crate::common::faults::{Effect, Fault, FaultStore};
use crate::common::*;
use lastgood::error::{Kind, Result};
use lastgood::flows::backup::BackupReport;
use lastgood::id::Id;
use lastgood::repo::Repository;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every way in which the write with this number can fail.
fn faults(at: u64) -> impl Iterator<Item = Fault> {
    let effects = [Effect::Before, Effect::After].into_iter();
    effects.flat_map(move |effect| [true, false].map(|dies| Fault { at, effect, dies }))
}

/// A source with two states, and what a restore of each must give.
pub struct Source {
    pub sandbox: Sandbox,
    pub path: PathBuf,
}

impl Source {
    pub fn empty() -> Source {
        let sandbox = Sandbox::new();
        let path = sandbox.fresh("source");
        Source { sandbox, path }
    }

    fn new() -> Source {
        let source = Source::empty();
        tree::sample(&source.path, 1, 4 << 20);
        source
    }

    fn change(&self, seed: u64) {
        tree::write(&self.path.join("model/optimizer.bin"), &tree::noise(seed, 3 << 20));
        tree::write(&self.path.join(format!("new-{seed}")), b"new");
    }

    pub fn tree(&self) -> tree::Tree {
        tree::read(&self.path)
    }

    pub fn target(&self) -> PathBuf {
        self.sandbox.fresh("target")
    }
}

/// After the fault: all that was committed is sound and restores, and the next backup does as well.
async fn recovers(repo: &Arc<Repository>, source: &Source, kept: &[(Option<Id>, tree::Tree)], case: &str) {
    for (id, expected) in kept {
        assert_restores(repo, *id, &source.path, &source.target(), expected, case).await;
    }
    assert_sound(repo, case).await;
    let next = backup(repo, &source.path).await.unwrap_or_else(|e| panic!("{case}: next backup: {}", words(&e)));
    assert_eq!(next.problem_count, 0, "{case}: {:?}", next.problems);
    assert_restores(repo, next.snapshot, &source.path, &source.target(), &source.tree(), case).await;
    assert_sound(repo, case).await;
    let report = verify(repo, false).await.unwrap();
    // The slot of an init that was cut off may stay.
    let left: Vec<_> = report.notes.iter().filter(|note| !note.item.starts_with("keys/")).collect();
    assert!(left.is_empty(), "{case}: the next backup indexes every pack that was left: {left:?}");
}

/// Runs one backup on a copy of `base` for every fault of every write; gives how many writes there are.
pub async fn crash_backup(base: &InMemory, source: &Source, kept: &[(Option<Id>, tree::Tree)], name: &str) -> u64 {
    for at in 0.. {
        let mut struck = false;
        for fault in faults(at) {
            let case = format!("{name}, {fault:?}");
            let memory = Arc::new(base.fork());
            let faulty = FaultStore::new(memory.clone(), Some(fault));
            let repo = open(Arc::new(faulty.clone())).await.unwrap();
            let done = backup(&repo, &source.path).await;
            struck |= faulty.fired();
            assert_eq!(done.is_err(), faulty.fired(), "{case}: a failed write must fail the backup, and nothing else");
            let repo = open(memory).await.unwrap();
            let found = repo.snapshots().await.unwrap().len();
            let committed =
                fault.effect == Effect::After && faulty.puts().last().is_some_and(|(name, _)| name.starts_with("snap"));
            let more = usize::from(done.is_ok() || committed);
            assert_eq!(found, kept.len() + more, "{case}: a snapshot is written last, or not at all");
            recovers(&repo, source, kept, &case).await;
        }
        if !struck {
            return at;
        }
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread")]
async fn first_and_second_backup() {
    let source = Source::new();
    let (memory, repo) = small_packs().await;
    let writes = crash_backup(&memory, &source, &[], "first backup").await;
    assert!(writes >= 5, "data packs, manifest pack, index, snapshot: {writes} writes");
    let first = backup(&repo, &source.path).await.unwrap();
    let kept = [(first.snapshot, source.tree())];
    source.change(10);
    let writes = crash_backup(&memory, &source, &kept, "second backup").await;
    assert!(writes >= 5, "{writes} writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn init() {
    let source = Source::new();
    for at in 0.. {
        let mut struck = false;
        for fault in faults(at) {
            let case = format!("init, {fault:?}");
            let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let faulty = FaultStore::new(memory.clone(), Some(fault));
            let made = create(Arc::new(faulty.clone())).await;
            struck |= faulty.fired();
            assert_eq!(made.is_err(), faulty.fired(), "{case}");
            // If the last write had its effect, the repository is there and whole; otherwise it can be made.
            let repo = match open(memory.clone()).await {
                Ok(repo) => repo,
                Err(e) => {
                    assert_eq!(e.kind, Kind::NoRepository, "{case}: {}", words(&e));
                    create(memory).await.unwrap_or_else(|e| panic!("{case}: init again: {}", words(&e)))
                }
            };
            recovers(&repo, &source, &[], &case).await;
        }
        if !struck {
            assert_eq!(at, 2, "a slot and the configuration");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_in_a_folder() {
    let source = Source::new();
    for fault in faults(0).chain(faults(1)) {
        let case = format!("init in a folder, {fault:?}");
        let folder = source.sandbox.fresh("repo");
        let local =
            || Arc::new(object_store::local::LocalFileSystem::new_with_prefix(&folder).unwrap().with_fsync(true));
        let faulty = FaultStore::new(local(), Some(fault));
        assert!(create(Arc::new(faulty)).await.is_err(), "{case}");
        let place = || lastgood::repo::store::Store::create(folder.to_str().unwrap()).unwrap();
        let repo = match Repository::open(place(), &key(1)).await {
            Ok(repo) => repo,
            Err(_) => Repository::create(place(), key(1), CHEAP, note())
                .await
                .unwrap_or_else(|e| panic!("{case}: {}", words(&e))),
        };
        recovers(&Arc::new(repo), &source, &[], &case).await;
    }
}

/// Changes keys with every fault; afterwards one of the secrets opens the repository, and key 1 or 2 is no exception.
async fn crash_keys<F>(name: &str, work: impl Fn(Arc<Repository>) -> F)
where
    F: Future<Output = Result<Id>>,
{
    let source = Source::new();
    let (memory, repo) = small_packs().await;
    let first = backup(&repo, &source.path).await.unwrap();
    repo.add_slot(key(9), CHEAP, note()).await.unwrap();
    let kept = [(first.snapshot, source.tree())];
    for at in 0.. {
        let mut struck = false;
        for fault in faults(at) {
            let case = format!("{name}, {fault:?}");
            let memory: Arc<dyn ObjectStore> = Arc::new(memory.fork());
            let faulty = FaultStore::new(memory.clone(), Some(fault));
            let done = work(open(Arc::new(faulty.clone())).await.unwrap()).await;
            struck |= faulty.fired();
            assert_eq!(done.is_err(), faulty.fired(), "{case}");
            let mut opened = None;
            for secret in [key(1), password("new")] {
                opened = opened.or(Repository::open(store(memory.clone()), &secret).await.ok());
            }
            let repo = opened.unwrap_or_else(|| panic!("{case}: neither the old nor the new secret opens it"));
            if done.is_ok() && name == "key passwd" {
                assert!(
                    open(memory.clone()).await.is_err_and(|e| e.kind == Kind::WrongKey),
                    "{case}: the old secret still opens"
                );
            }
            recovers(&Arc::new(repo), &source, &kept, &case).await;
        }
        if !struck {
            assert!(at > 0);
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_add() {
    crash_keys("key add", |repo| async move { repo.add_slot(password("new"), CHEAP, note()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_passwd() {
    crash_keys("key passwd", |repo| async move { repo.replace_slot(password("new"), CHEAP, note()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn key_remove() {
    let work = |repo: Arc<Repository>| async move {
        let other = repo.slots().await?.into_iter().find(|slot| !slot.current).unwrap();
        repo.remove_slot(&other.id.hex()).await
    };
    crash_keys("key remove", work).await;
}

/// A backup into a copy of `memory` that is asked to stop after so many bytes.
async fn stopped_after(
    memory: &InMemory,
    source: &Path,
    stop: Option<u64>,
) -> (FaultStore, Arc<Repository>, Result<BackupReport>) {
    let counting = FaultStore::counting(Arc::new(memory.fork()));
    let repo = open(Arc::new(counting.clone())).await.unwrap();
    let progress = Arc::new(Recorder { stop_after: stop, ..Recorder::default() });
    let done = lastgood::flows::backup::backup(&repo, &options(&[source]), progress).await;
    (counting, repo, done)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_backup_stored_is_not_stored_again() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    for file in 0..24 {
        tree::write(&source.join(format!("{file:02}.bin")), &tree::noise(file, 1 << 20));
    }
    let (memory, _) = small_packs().await;
    let whole = stopped_after(&memory, &source, None).await.0.put_bytes("packs");
    for stop in [1, 6 << 20, 20 << 20] {
        let case = format!("stopped after {stop} bytes");
        let (counting, repo, stopped) = stopped_after(&memory, &source, Some(stop)).await;
        assert_eq!(stopped.unwrap_err().kind, Kind::Interrupted, "{case}");
        assert!(repo.snapshots().await.unwrap().is_empty(), "{case}");
        let before = counting.put_bytes("packs");
        assert!(before >= stop.saturating_sub(2 << 20), "{case}: only {before} bytes of packs were kept");
        let done = backup(&repo, &source).await.unwrap();
        let both = counting.put_bytes("packs");
        // Packs that were not full when the run was stopped cost padding and footers.
        assert!(both <= whole + (512 << 10), "{case}: {both} bytes in two runs, {whole} in one");
        assert_restores(&repo, done.snapshot, &source, &sandbox.fresh("target"), &tree::read(&source), &case).await;
        assert_sound(&repo, &case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_never_overwritten() {
    let (memory, repo) = small_packs().await;
    let put = |bytes: &'static [u8]| repo.store().put("index/x", bytes.into());
    put(b"first").await.unwrap();
    put(b"first").await.unwrap();
    assert_eq!(put(b"other").await.unwrap_err().kind, Kind::Store);
    assert_eq!(put(b"longer").await.unwrap_err().kind, Kind::Store);
    let found = objects(&*memory).await.into_iter().find(|(name, _)| name == "index/x");
    assert_eq!(found.unwrap().1, "first");
    let error = create(memory).await.map(drop).unwrap_err();
    assert!(error.kind == Kind::Usage && error.what.contains("already a repository"), "{}", words(&error));
}
