//! Restores into places that are not empty, of parts, and as of a time.

use crate::common::*;
use lastgood::codec::kdf::Cost;
use lastgood::error::{Kind, Trouble};
use lastgood::flows::restore::{Overwrite, RestoreOptions, RestoreReport};
use lastgood::flows::select::{Filter, Selector};
use lastgood::progress::Quiet;
use lastgood::records::snapshot::Snapshot;
use lastgood::repo::Repository;
use lastgood::repo::store::Store;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A backup of the sample tree, and a place to restore it to.
struct Scene {
    sandbox: Sandbox,
    source: PathBuf,
    repo: Arc<Repository>,
    made: Snapshot,
    expected: tree::Tree,
}

impl Scene {
    async fn new() -> Scene {
        let sandbox = Sandbox::new();
        let source = sandbox.fresh("source");
        tree::sample(&source, 1, 8 << 20);
        let (_, repo) = small_packs().await;
        let done = backup(&repo, &source).await.unwrap();
        let made = snapshot(&repo, done.snapshot).await;
        let expected = tree::read(&source);
        Scene { sandbox, source, repo, made, expected }
    }

    fn options(&self, target: &Path) -> RestoreOptions {
        RestoreOptions { verify: true, ..to_restore(&self.made, &self.source, target) }
    }

    async fn restore(&self, options: &RestoreOptions) -> RestoreReport {
        let report = restore(&self.repo, options).await.unwrap_or_else(|e| panic!("{}", words(&e)));
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        report
    }

    async fn restored(&self) -> PathBuf {
        let target = self.sandbox.fresh("target");
        self.restore(&self.options(&target)).await;
        tree::assert_same(&self.expected, &tree::read(&target), "restored");
        target
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_place_only_what_differs_is_fetched() {
    let scene = Scene::new().await;
    let target = scene.restored().await;
    let again = scene.restore(&scene.options(&target)).await;
    assert_eq!(again.bytes_fetched, 0, "{again:?}");
    assert_eq!(again.files_verified, again.total_files, "{again:?}");
    tree::assert_same(&scene.expected, &tree::read(&target), "restored twice");
    // One byte of 4 MiB: one chunk is fetched, and the hole next to it too many is dug again.
    let weights = target.join("model/weights.bin");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[2 << 20] ^= 1;
    fs::write(&weights, bytes).unwrap();
    fs::write(target.join("text"), "other").unwrap();
    tree::set_mode(&target.join("state.json"), 0o600);
    tree::set_xattr(&target.join("empty"), "user.extra", b"x");
    let repaired = scene.restore(&scene.options(&target)).await;
    assert!((1..=1100 << 10).contains(&repaired.bytes_fetched), "{repaired:?}");
    tree::assert_same(&scene.expected, &tree::read(&target), "repaired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_touches_nothing() {
    let scene = Scene::new().await;
    let target = scene.restored().await;
    fs::write(target.join("text"), "other").unwrap();
    fs::write(target.join("extra"), "extra").unwrap();
    let before = tree::read(&target);
    let dry = RestoreOptions { dry_run: true, delete: true, ..scene.options(&target) };
    let report = scene.restore(&dry).await;
    assert!(report.files_restored >= 1 && report.files_skipped >= 4, "{report:?}");
    tree::assert_same(&before, &tree::read(&target), "dry run");
    let nowhere = scene.sandbox.path("nowhere");
    let report = scene.restore(&RestoreOptions { target: nowhere.clone(), ..dry }).await;
    assert!(report.files_restored > 0 && !nowhere.exists(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_removes_only_what_the_snapshot_does_not_have() {
    let scene = Scene::new().await;
    let target = scene.restored().await;
    tree::write(&target.join("model/extra/deep/file"), b"x");
    tree::write(&target.join("keep.me"), b"x");
    let outside = scene.sandbox.fresh("outside");
    tree::write(&outside.join("precious"), b"x");
    std::os::unix::fs::symlink(&outside, target.join("way-out")).unwrap();
    let kept = RestoreOptions { delete: true, exclude: vec!["keep.*".into()], ..scene.options(&target) };
    let report = scene.restore(&kept).await;
    assert!(report.files_deleted >= 2 && target.join("keep.me").exists(), "{report:?}");
    assert!(outside.join("precious").exists(), "a link was followed");
    scene.restore(&RestoreOptions { delete: true, ..scene.options(&target) }).await;
    tree::assert_same(&scene.expected, &tree::read(&target), "after delete");
    // Of a part: nothing beside it goes.
    tree::write(&target.join("model/extra"), b"x");
    tree::write(&target.join("beside"), b"x");
    let part = RestoreOptions { delete: true, include: vec!["model".into()], ..scene.options(&target) };
    scene.restore(&part).await;
    assert!(target.join("beside").exists() && !target.join("model/extra").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn overwrite_does_as_it_is_told() {
    let scene = Scene::new().await;
    for (overwrite, mtime, len, replaced) in [
        (Overwrite::Always, 4_000_000_000, 5, true),
        (Overwrite::Never, 1, 5, false),
        (Overwrite::IfNewer, 1, 5, true),
        (Overwrite::IfNewer, 4_000_000_000, 5, false),
        (Overwrite::IfChanged, 1, 5, true),
        (Overwrite::IfChanged, 0, 5000, false),
    ] {
        let case = format!("{overwrite:?} {mtime} {len}");
        let target = scene.sandbox.fresh("target");
        let text = target.join("text");
        fs::write(&text, "x".repeat(len)).unwrap();
        let node = &scene.expected[&b"text"[..]];
        let (seconds, nanos) = if mtime == 0 { node.mtime } else { (mtime, 0) };
        tree::set_mtime(&text, seconds, nanos);
        let mut how = RestoreOptions { overwrite, ..scene.options(&target) };
        if overwrite == Overwrite::IfChanged && !replaced {
            // Its size and time tell a lie, which only reading it can find.
            let checked = restore(&scene.repo, &how).await.unwrap();
            assert_eq!(checked.problems.len(), 1, "{checked:?}");
            how.verify = false;
        }
        scene.restore(&how).await;
        let found = fs::read_to_string(&text).unwrap();
        assert_eq!(found.starts_with("step"), replaced, "{case}");
        assert!(target.join("model/weights.bin").exists(), "{case}: what is not there is restored all the same");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_chosen_by_pattern_and_subtree() {
    let scene = Scene::new().await;
    let names = |target: &Path| -> Vec<String> {
        tree::read(target).into_keys().map(|path| String::from_utf8(path).unwrap()).collect()
    };
    let only = |include: &str, exclude: &str| RestoreOptions {
        include: include.split_whitespace().map(str::to_owned).collect(),
        exclude: exclude.split_whitespace().map(str::to_owned).collect(),
        ..scene.options(&scene.sandbox.fresh("target"))
    };
    for (include, exclude, expected) in [
        ("*.json", "", vec!["state.json"]),
        ("weights.bin", "", vec!["model", "model/weights.bin"]),
        ("hollow", "deep", vec!["hollow"]),
        ("model", "*.bin link", vec!["model", "model/text"]),
    ] {
        let options = only(include, exclude);
        scene.restore(&options).await;
        assert_eq!(names(&options.target), expected, "{include:?} without {exclude:?}");
    }
    let error = restore(&scene.repo, &only("*.nothing", "")).await.unwrap_err();
    assert_eq!(error.kind, Kind::NoMatch, "{}", words(&error));
    let subtree = |name: &str| RestoreOptions { subtree: inside(&scene.source.join(name)), ..only("", "") };
    scene.restore(&subtree("model")).await;
    let target = scene.sandbox.path("target");
    assert_eq!(names(&target), ["link", "optimizer.bin", "shared.bin", "text", "weights.bin"]);
    scene.restore(&subtree("state.json")).await;
    assert_eq!(names(&target), ["state.json"]);
    let error = restore(&scene.repo, &subtree("no/such")).await.unwrap_err();
    assert_eq!(error.kind, Kind::NoMatch, "{}", words(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_in_the_target_are_never_followed() {
    let scene = Scene::new().await;
    let outside = scene.sandbox.fresh("outside");
    tree::write(&outside.join("weights.bin"), b"precious");
    let before = tree::read(&outside);
    let target = scene.sandbox.fresh("target");
    std::os::unix::fs::symlink(&outside, target.join("model")).unwrap();
    std::os::unix::fs::symlink(outside.join("weights.bin"), target.join("state.json")).unwrap();
    for delete in [false, true] {
        let options = RestoreOptions { delete, ..scene.options(&target) };
        let report = restore(&scene.repo, &options).await;
        tree::assert_same(&before, &tree::read(&outside), "outside of the target");
        let problems = report.map(|report| report.problems).unwrap_or_default();
        let model = target.join("model").symlink_metadata().unwrap();
        assert!(model.is_dir() || !problems.is_empty(), "the files of model/ are nowhere, and nobody said so");
        assert!(!target.join("state.json").is_symlink(), "a link in the place of a file is replaced");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_replaced_or_named() {
    let scene = Scene::new().await;
    let target = scene.sandbox.fresh("target");
    tree::write(&target.join("hollow"), b"a file where a directory shall be");
    fs::create_dir_all(target.join("text/full")).unwrap();
    fs::create_dir(target.join("state.json")).unwrap();
    let options = RestoreOptions { verify: false, ..scene.options(&target) };
    let report = restore(&scene.repo, &options).await.unwrap();
    let found = tree::read(&target);
    for (path, node) in &scene.expected {
        let same = found.get(path).is_some_and(|there| there.kind == node.kind && there.content == node.content);
        let place = target.join(tree::os(path));
        let name = place.display();
        let named = report.problems.iter().any(|problem| place.starts_with(&problem.item));
        assert!(same || named, "{name} is not restored: {:?}", report.problems);
    }
    assert!(report.problems.iter().all(|problem| problem.kind == Trouble::NotRestored), "{:?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_snapshot_at_a_time() {
    let scene = Scene::new().await;
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    for hour in [1, 2, 3] {
        fs::write(scene.source.join("hour"), hour.to_string()).unwrap();
        let at = Some(time(&format!("2020-01-01T0{hour}:00:00Z")));
        let options = lastgood::flows::backup::BackupOptions { time: at, ..options(&[&scene.source]) };
        lastgood::flows::backup::backup(&scene.repo, &options, Arc::new(Recorder::default())).await.unwrap();
    }
    let all = scene.repo.snapshots().await.unwrap();
    let find =
        |at: &str| Selector::parse("latest").unwrap().find(&all, &Filter { at: Some(time(at)), ..Filter::default() });
    for (at, hour) in [("2020-01-01T02:00:00Z", "2"), ("2020-01-01T03:59:59+01:00", "2"), ("2021-01-01T00:00:00Z", "3")]
    {
        let target = scene.sandbox.fresh("target");
        let made = find(at).unwrap();
        scene.restore(&to_restore(&made, &scene.source, &target)).await;
        assert_eq!(fs::read_to_string(target.join("hour")).unwrap(), hour, "{at}");
    }
    assert_eq!(find("2020-01-01T00:59:59Z").unwrap_err().kind, Kind::NoMatch);
    let latest = Selector::parse("latest").unwrap().find(&all, &Filter::default()).unwrap();
    assert_eq!(latest.id, scene.made.id, "backups under an old time are not the latest");
}

/// What the backup left out, and the repository itself, are not what the snapshot "does not have".
#[tokio::test(flavor = "multi_thread")]
async fn delete_spares_what_was_left_out_and_the_repository() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    for name in ["kept", "cache/a", "big", "marked/CACHEDIR.TAG", "marked/content", "dir/old"] {
        tree::write(&source.join(name), if name == "big" { &[1; 9000] } else { b"x" });
    }
    fs::write(source.join("marked/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n").unwrap();
    let place = source.join("backup");
    let store = Store::create(place.to_str().unwrap()).unwrap();
    let cost = Cost { memory_kib: 8192, passes: 1, lanes: 1 };
    let repo = Arc::new(Repository::create(store, password("x"), cost, note()).await.unwrap());
    let mut what = options(&[&source]);
    what.selection.exclude = vec!["cache".into()];
    what.selection.exclude_larger_than = Some(5000);
    what.selection.exclude_caches = true;
    let done = lastgood::flows::backup::backup(&repo, &what, Arc::new(Quiet)).await.unwrap();
    let made = snapshot(&repo, done.snapshot).await;
    tree::write(&source.join("dir/stray"), b"x");
    let back = RestoreOptions { delete: true, dry_run: true, ..to_restore(&made, &source, &source) };
    let planned = restore(&repo, &back).await.unwrap();
    assert!(planned.files_deleted == 1 && planned.deletions[0].ends_with("dir/stray"), "{planned:?}");
    assert!(source.join("dir/stray").exists());
    let report = restore(&repo, &RestoreOptions { dry_run: false, ..back }).await.unwrap();
    assert_eq!((report.files_deleted, report.problems.len()), (1, 0), "{report:?}");
    assert!(!source.join("dir/stray").exists());
    for name in ["kept", "cache/a", "big", "marked/content", "dir/old", "backup/config/0"] {
        assert!(source.join(name).exists(), "{name} is gone");
    }
    assert_sound(&repo, "after the restore").await;
}
