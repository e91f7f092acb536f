//! What the tests of the library share: places to work in, repositories that are cheap to open, and short calls.

pub mod faults;
pub mod tree;

use lastgood::codec::coding::Level;
use lastgood::codec::envelope::Realm;
use lastgood::codec::kdf::{Cost, Secret};
use lastgood::error::{Error, Problem, Result};
use lastgood::flows::backup::{BackupOptions, BackupReport};
use lastgood::flows::restore::{Overwrite, RestoreOptions, RestoreReport};
use lastgood::flows::verify::{ReadData, VerifyOptions, VerifyReport};
use lastgood::id::Id;
use lastgood::progress::{Phase, Progress, Quiet, Step};
use lastgood::records::slot::SlotNote;
use lastgood::records::snapshot::Snapshot;
use lastgood::repo::Repository;
use lastgood::repo::store::Store;
use lastgood::repo::writer::{Filler, Writer, upload};
use lastgood::spec::{CONFIG_NAME, ObjectType};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// The cheapest Argon2id that a slot may ask for.
pub const CHEAP: Cost = Cost { memory_kib: 8192, passes: 1, lanes: 1 };

/// A directory on a real disk that is gone after the test.
pub struct Sandbox(tempfile::TempDir);

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A directory of this name, empty, whatever was there.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        std::fs::create_dir(&path).unwrap();
        path
    }
}

/// A key file: needs no Argon2.
pub fn key(number: u8) -> Secret {
    Secret::KeyFile(vec![number; 32].into())
}

pub fn password(text: &str) -> Secret {
    Secret::Password(text.as_bytes().to_vec().into())
}

pub fn note() -> SlotNote {
    SlotNote {
        created: "2026-01-01T00:00:00Z".into(),
        hostname: "h".into(),
        username: "u".into(),
        label: "test".into(),
    }
}

pub fn store(inner: Arc<dyn ObjectStore>) -> Store {
    Store::from_object_store(inner, "the test store")
}

pub async fn create(inner: Arc<dyn ObjectStore>) -> Result<Arc<Repository>> {
    Repository::create(store(inner), key(1), CHEAP, note()).await.map(Arc::new)
}

pub async fn open(inner: Arc<dyn ObjectStore>) -> Result<Arc<Repository>> {
    Repository::open(store(inner), &key(1)).await.map(Arc::new)
}

/// A new repository in memory whose packs are as small as a configuration allows, so that little data makes many.
pub async fn small_packs() -> (Arc<InMemory>, Arc<Repository>) {
    let memory = Arc::new(InMemory::new());
    let repo = create(memory.clone()).await.unwrap();
    let mut config = repo.config().clone();
    config.pack_size = 1 << 20;
    let mut object = repo.keys().seal(ObjectType::Config, &config.to_bytes().unwrap()).unwrap();
    let sum = blake3::hash(&object);
    object.extend_from_slice(sum.as_bytes());
    memory.put(&ObjectPath::from(CONFIG_NAME), object.into()).await.unwrap();
    let repo = open(memory.clone()).await.unwrap();
    (memory, repo)
}

/// All objects of a store: name and bytes, sorted.
pub async fn objects(inner: &dyn ObjectStore) -> Vec<(String, bytes::Bytes)> {
    use futures::TryStreamExt;
    let listed: Vec<_> = inner.list(None).try_collect().await.unwrap();
    let mut all = Vec::new();
    for meta in listed {
        let bytes = inner.get(&meta.location).await.unwrap().bytes().await.unwrap();
        all.push((meta.location.to_string(), bytes));
    }
    all.sort();
    all
}

pub fn options(paths: &[&Path]) -> BackupOptions {
    BackupOptions {
        paths: paths.iter().map(PathBuf::from).collect(),
        hostname: "host".into(),
        username: "user".into(),
        label: "label".into(),
        tags: Vec::new(),
        meta: Default::default(),
        time: None,
        selection: Default::default(),
        dry_run: false,
        skip_if_unchanged: false,
        level: Level::Auto,
        delta: true,
        wait_complete: None,
        require_complete: false,
    }
}

pub async fn backup(repo: &Arc<Repository>, source: &Path) -> Result<BackupReport> {
    lastgood::flows::backup::backup(repo, &options(&[source]), Arc::new(Quiet)).await
}

/// The snapshot of this id.
pub async fn snapshot(repo: &Repository, id: Option<Id>) -> Snapshot {
    let all = repo.snapshots().await.unwrap();
    all.into_iter().find(|snapshot| snapshot.id == id).unwrap_or_else(|| panic!("no snapshot {id:?}"))
}

/// Restoring all below `source` right into `target`.
pub fn to_restore(snapshot: &Snapshot, source: &Path, target: &Path) -> RestoreOptions {
    RestoreOptions {
        snapshot: snapshot.clone(),
        subtree: inside(source),
        target: target.into(),
        include: Vec::new(),
        exclude: Vec::new(),
        overwrite: Overwrite::Always,
        delete: false,
        dry_run: false,
        verify: false,
        weights_only: false,
        flat: false,
        tensors: Vec::new(),
    }
}

/// A path as a manifest writes it.
pub fn inside(path: &Path) -> Vec<u8> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
    path.as_os_str().as_bytes().strip_prefix(b"/").unwrap().to_vec()
}

pub async fn restore(repo: &Arc<Repository>, options: &RestoreOptions) -> Result<RestoreReport> {
    lastgood::flows::restore::restore(repo, options, Arc::new(Quiet)).await
}

pub async fn verify(repo: &Arc<Repository>, deep: bool) -> Result<VerifyReport> {
    let read_data = if deep { ReadData::All } else { ReadData::None };
    lastgood::flows::verify::verify(repo, &VerifyOptions { scrub: deep, read_data, record: None }, Arc::new(Quiet))
        .await
}

/// Fails unless a full verification finds nothing wrong.
pub async fn assert_sound(repo: &Arc<Repository>, case: &str) {
    let report = verify(repo, true).await.unwrap_or_else(|e| panic!("{case}: verify: {}", words(&e)));
    assert!(report.damage.is_empty() && report.unknown.is_empty(), "{case}: {:?} {:?}", report.damage, report.unknown);
}

/// Fails unless a snapshot of `source` restores to exactly `expected`.
pub async fn assert_restores(
    repo: &Arc<Repository>,
    id: Option<Id>,
    source: &Path,
    target: &Path,
    expected: &tree::Tree,
    case: &str,
) {
    let wanted = RestoreOptions { verify: true, ..to_restore(&snapshot(repo, id).await, source, target) };
    let report = restore(repo, &wanted).await.unwrap_or_else(|e| panic!("{case}: restore: {}", words(&e)));
    assert!(report.problems.is_empty(), "{case}: {:?}", report.problems);
    tree::assert_same(expected, &tree::read(target), case);
}

/// An error with its causes and its hint.
pub fn words(e: &Error) -> String {
    let mut text = format!("{:?}: {e}", e.kind);
    let mut cause = std::error::Error::source(e);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text + &e.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default()
}

/// Collects what a flow reports, and asks it to stop after so many bytes.
#[derive(Default)]
pub struct Recorder {
    pub problems: Mutex<Vec<Problem>>,
    pub unchanged: AtomicU64,
    pub read: AtomicU64,
    pub stop_after: Option<u64>,
}

impl Progress for Recorder {
    fn phase(&self, _: Phase) {}
    fn total(&self, _: u64, _: u64) {}
    fn step(&self, step: Step) {
        match step {
            Step::Unchanged(bytes) => self.unchanged.fetch_add(bytes, Relaxed),
            Step::Duplicate(raw) | Step::Stored { raw, .. } | Step::Done(raw) => self.read.fetch_add(raw, Relaxed),
            Step::Entries(_) | Step::Skipped(_) => 0,
        };
    }
    fn current(&self, _: &[u8]) {}
    fn problem(&self, problem: &Problem) {
        self.problems.lock().unwrap().push(problem.clone());
    }
    fn stopped(&self) -> bool {
        self.stop_after.is_some_and(|most| self.read.load(Relaxed) >= most)
    }
}

/// Commits a snapshot whose manifest is whatever `make` stores; it gives the bytes of the root.
pub async fn forge(repo: &Arc<Repository>, make: impl FnOnce(&mut Filler) -> Vec<u8> + Send + 'static) -> Snapshot {
    let index = repo.load_index(false).await.unwrap().index;
    let (writer, queue) = Writer::new(repo, Arc::new(index), Level::Auto);
    let uploading = tokio::spawn(upload(repo.clone(), queue, false));
    let work = tokio::task::spawn_blocking(move || {
        let mut filler = Arc::new(writer).filler().unwrap();
        let root = make(&mut filler);
        let tree = filler.add(Realm::Manifest, &root, &mut Default::default()).unwrap().id();
        filler.flush().unwrap();
        tree
    });
    let tree = work.await.unwrap();
    uploading.await.unwrap().unwrap();
    let json = format!(
        r#"{{"time":"2026-01-01T00:00:00+00:00","hostname":"h","username":"u","uid":0,"gid":0,"paths":["/"],"parent":null,
        "sequence":1,"tree":"{tree}","complete":true,"program_version":"","summary":{{}}}}"#
    );
    let forged = Snapshot::from_bytes(json.as_bytes(), Id([0; 32])).unwrap();
    let id = repo.commit(&forged).await.unwrap();
    snapshot(repo, Some(id)).await
}
