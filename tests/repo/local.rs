//! Packs in folders here: past the page cache where that is possible, the ordinary way elsewhere, and the same either way.

use crate::common::*;
use bytes::Bytes;
use lastgood::error::Kind;
use lastgood::repo::Repository;
use lastgood::repo::store::Store;
use std::path::Path;
use std::sync::Arc;

/// A folder on a real disk and one in memory, where there is one.
fn folders() -> Vec<tempfile::TempDir> {
    let places = [env!("CARGO_TARGET_TMPDIR"), "/dev/shm"];
    places.iter().filter_map(|place| tempfile::tempdir_in(place).ok()).collect()
}

/// All files below a folder that no listing of objects shows.
fn staged(folder: &Path) -> Vec<String> {
    let names = tree::read(folder).into_keys().map(|name| String::from_utf8(name).unwrap());
    names.filter(|name| name.contains('#')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_are_created_once() {
    let bytes = |seed, len| Bytes::from(tree::noise(seed, len));
    for folder in folders() {
        let store = Store::create(folder.path().to_str().unwrap()).unwrap();
        // Lengths as packs have them and others; most of this memory is not aligned, which must make no difference.
        for (name, len) in [("packs/00/a", 1 << 20), ("packs/00/b", (9 << 20) + 1), ("packs/new/c", 5 << 20)] {
            for _ in 0..2 {
                store.put(name, bytes(1, len)).await.unwrap();
            }
            let error = store.put(name, bytes(2, len)).await.unwrap_err();
            assert!(error.kind == Kind::Store && error.what.contains("already exists"), "{}", words(&error));
            assert_eq!(store.get(name, 1 << 30).await.unwrap(), bytes(1, len));
        }
        let error = store.put("packs/00/a/d", bytes(1, 1 << 20)).await.unwrap_err();
        assert!(error.kind == Kind::Store && error.what.contains("Cannot write packs/00/a/d"), "{}", words(&error));
        assert_eq!(staged(folder.path()), [""; 0]);
        tree::write(&folder.path().join("packs/00/z#1"), b"of a run that was killed");
        assert_eq!(staged(folder.path()), ["packs/00/z#1"]);
        store.put("packs/00/z", bytes(1, 1 << 20)).await.unwrap();
        assert_eq!(store.list("packs").await.unwrap().len(), 4, "staging files are no objects");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_of_a_backup_are_whole() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    tree::sample(&source, 1, 48 << 20);
    for folder in folders() {
        let place = folder.path().to_str().unwrap();
        let repo = Repository::create(Store::create(place).unwrap(), key(1), CHEAP, note()).await.unwrap();
        let repo = Arc::new(repo);
        let first = backup(&repo, &source).await.unwrap();
        assert_sound(&repo, place).await;
        let target = sandbox.fresh("target");
        assert_restores(&repo, first.snapshot, &source, &target, &tree::read(&source), place).await;
        assert_eq!(staged(folder.path()), [""; 0]);
    }
}
