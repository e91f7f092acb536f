//! Checkpoints: judged when they are backed up, found by last-good, and restored so that half of one never passes for a whole.

use crate::common::*;
use lastgood::error::Kind;
use lastgood::flows::backup::BackupOptions;
use lastgood::flows::last_good::{Best, Choice, Wish, last_good};
use lastgood::flows::restore::RestoreOptions;
use lastgood::flows::verify::{ReadData, VerifyOptions};
use lastgood::progress::Quiet;
use lastgood::records::snapshot::Snapshot;
use lastgood::repo::Repository;
use object_store::ObjectStoreExt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A safetensors file with one f32 tensor.
fn safetensors(numbers: &[f32]) -> Vec<u8> {
    let header =
        format!(r#"{{"w":{{"dtype":"F32","shape":[{0}],"data_offsets":[0,{1}]}}}}"#, numbers.len(), numbers.len() * 4);
    let data = numbers.iter().flat_map(|x| x.to_le_bytes());
    (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes()).chain(data).collect()
}

/// Writes what a Trainer writes; the marker last.
fn checkpoint(run: &Path, step: u64, numbers: &[f32]) -> PathBuf {
    let dir = run.join(format!("checkpoint-{step}"));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.json"), "{}").unwrap();
    fs::write(dir.join("model.safetensors"), safetensors(numbers)).unwrap();
    let loss = 10.0 / step as f64;
    let state = format!(r#"{{"global_step":{step},"log_history":[{{"eval_loss":{loss},"step":{step}}}]}}"#);
    fs::write(dir.join("trainer_state.json"), state).unwrap();
    dir
}

fn numbers(step: u64) -> Vec<f32> {
    (0..50_000).map(|i| ((i * 7 + step) as f32).sin() / 50.0).collect()
}

struct Scene {
    sandbox: Sandbox,
    run: PathBuf,
    repo: Arc<Repository>,
}

impl Scene {
    async fn new() -> Scene {
        let sandbox = Sandbox::new();
        let run = sandbox.fresh("run");
        fs::create_dir_all(&run).unwrap();
        let (_, repo) = small_packs().await;
        Scene { sandbox, run, repo }
    }

    async fn backup(&self) -> Snapshot {
        let done = backup(&self.repo, &self.run).await.unwrap_or_else(|e| panic!("{}", words(&e)));
        snapshot(&self.repo, done.snapshot).await
    }

    async fn last_good(&self, wish: &Wish) -> lastgood::error::Result<Choice> {
        let all = self.repo.snapshots().await.unwrap();
        last_good(&self.repo, &all.iter().collect::<Vec<_>>(), wish).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn last_good_passes_over_what_is_not_good_and_says_why() {
    let scene = Scene::new().await;
    checkpoint(&scene.run, 10, &numbers(10));
    let good = scene.backup().await;
    assert_eq!((good.step(), good.metric("eval_loss")), (Some(10), Some(1.0)));
    let nan = checkpoint(&scene.run, 20, &[&[f32::NAN][..], &numbers(20)].concat());
    let with_nan = scene.backup().await;
    assert_eq!(with_nan.checkpoints.iter().map(|c| c.not_finite).sum::<u64>(), 1);
    fs::remove_dir_all(&nan).unwrap();
    let open = checkpoint(&scene.run, 30, &numbers(30));
    fs::remove_file(open.join("trainer_state.json")).unwrap();
    scene.backup().await;
    let Choice { snapshot, passed, .. } = scene.last_good(&Wish::default()).await.unwrap();
    assert_eq!((snapshot.id, passed.len()), (good.id, 2));
    assert!(passed[0].reasons[0].contains("trainer_state.json"), "{passed:?}");
    assert!(passed[1].reasons[0].contains("NaN"), "{passed:?}");

    checkpoint(&scene.run, 30, &numbers(30));
    let newest = scene.backup().await;
    assert_eq!(scene.last_good(&Wish::default()).await.unwrap().snapshot.id, newest.id);
    let before = Wish { before_step: Some(30), ..Wish::default() };
    assert_eq!(scene.last_good(&before).await.unwrap().snapshot.id, good.id);
    let worst = Wish { best: Some(Best { metric: "eval_loss".into(), greatest: true }), ..Wish::default() };
    assert_eq!(scene.last_good(&worst).await.unwrap().snapshot.id, good.id);
    let none = Wish { before_step: Some(10), ..Wish::default() };
    assert_eq!(scene.last_good(&none).await.unwrap_err().kind, Kind::NoMatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_required_is_waited_for_or_nothing_is_committed() {
    let scene = Scene::new().await;
    let dir = checkpoint(&scene.run, 10, &numbers(10));
    let whole = fs::read(dir.join("model.safetensors")).unwrap();
    fs::write(dir.join("model.safetensors"), &whole[..whole.len() / 2]).unwrap();
    let required = BackupOptions { require_complete: true, ..options(&[&scene.run]) };
    let run = |options: BackupOptions| {
        let repo = scene.repo.clone();
        async move { lastgood::flows::backup::backup(&repo, &options, Arc::new(Quiet)).await }
    };
    let e = run(required.clone()).await.unwrap_err();
    assert!(e.kind == Kind::Incomplete && e.what.contains("model.safetensors"), "{}", words(&e));
    assert!(scene.repo.snapshots().await.unwrap().is_empty());
    let short = BackupOptions { wait_complete: Some(Duration::ZERO), ..required.clone() };
    assert_eq!(run(short).await.unwrap_err().kind, Kind::Incomplete);
    let waiting = tokio::spawn(run(BackupOptions { wait_complete: Some(Duration::from_secs(60)), ..required }));
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(dir.join("model.safetensors"), &whole).unwrap();
    let done = waiting.await.unwrap().unwrap_or_else(|e| panic!("{}", words(&e)));
    assert!(done.snapshot.is_some() && done.checkpoints.iter().all(|c| c.good()), "{done:?}");
}

/// A verification that finds damage leaves a verdict; one of all data that finds none makes up for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_not_good_until_it_is_whole_again() {
    let sandbox = Sandbox::new();
    let run = sandbox.fresh("run");
    checkpoint(&run, 10, &numbers(10));
    let (inner, repo) = small_packs().await;
    backup(&repo, &run).await.unwrap();
    checkpoint(&run, 20, &numbers(20));
    let newest = backup(&repo, &run).await.unwrap().snapshot;
    let scene = Scene { sandbox, run, repo };
    assert_eq!(scene.last_good(&Wish::default()).await.unwrap().snapshot.id, newest);
    let all = objects(inner.as_ref()).await;
    let deep = VerifyOptions { scrub: false, read_data: ReadData::All, record: Some("host".into()) };
    let verify = || lastgood::flows::verify::verify(&scene.repo, &deep, Arc::new(Quiet));
    let mut hit = false;
    for (name, bytes) in all.iter().filter(|(name, _)| name.starts_with("packs/")) {
        let mut flipped = bytes.to_vec();
        flipped[200] ^= 1;
        inner.put(&name.as_str().into(), flipped.into()).await.unwrap();
        let report = verify().await.unwrap();
        assert!(!report.damage.is_empty(), "{name}");
        let touched = report.damage.iter().any(|damage| damage.snapshots.keys().any(|id| Some(*id) == newest));
        hit |= touched;
        match scene.last_good(&Wish::default()).await {
            Ok(Choice { snapshot, .. }) if !touched => assert_eq!(snapshot.id, newest, "{name}"),
            Ok(Choice { snapshot, passed, .. }) => {
                assert!(snapshot.id != newest && passed[0].reasons[0].contains("verification"), "{name}: {passed:?}");
            }
            Err(e) => assert!(touched && e.kind == Kind::NoMatch, "{name}: {}", words(&e)),
        }
        inner.put(&name.as_str().into(), bytes.clone().into()).await.unwrap();
        assert!(verify().await.unwrap().damage.is_empty());
        assert_eq!(scene.last_good(&Wish::default()).await.unwrap().snapshot.id, newest, "{name}");
    }
    assert!(hit);
}

/// Lost data keep the marker away, and with it the claim that the checkpoint is whole.
#[tokio::test(flavor = "multi_thread")]
async fn markers_stand_aside_while_files_change() {
    let scene = Scene::new().await;
    let dir = checkpoint(&scene.run, 10, &numbers(10));
    let made = scene.backup().await;
    let target = scene.sandbox.fresh("target");
    let options = RestoreOptions { verify: true, ..to_restore(&made, &scene.run, &target) };
    restore(&scene.repo, &options).await.unwrap();
    let there = target.join("checkpoint-10");
    assert_eq!(tree::read(&scene.run), tree::read(&target));
    // In place, over a later state: a restore that is stopped on its way has moved the marker aside, and lost nothing.
    fs::write(there.join("model.safetensors"), safetensors(&numbers(11))).unwrap();
    fs::write(there.join("trainer_state.json"), "later").unwrap();
    let stopped = Arc::new(StopAtRestoring::default());
    let e = lastgood::flows::restore::restore(&scene.repo, &options, stopped).await.unwrap_err();
    assert_eq!(e.kind, Kind::Interrupted);
    assert!(!there.join("trainer_state.json").exists());
    assert_eq!(fs::read(there.join("trainer_state.json.before-restore")).unwrap(), b"later");
    let lists = RestoreOptions { delete: true, ..options.clone() };
    fs::write(there.join("trainer_state.json"), "mine").unwrap();
    restore(&scene.repo, &options).await.unwrap();
    // What was there before a restore that was killed is the user's; what this one moved aside is gone.
    assert_eq!(fs::read(there.join("trainer_state.json.before-restore")).unwrap(), b"later");
    restore(&scene.repo, &lists).await.unwrap();
    assert_eq!(tree::read(&scene.run), tree::read(&target));
    assert!(dir.exists());
}

/// Stops as soon as files are restored.
#[derive(Default)]
struct StopAtRestoring(std::sync::atomic::AtomicBool);

impl lastgood::progress::Progress for StopAtRestoring {
    fn phase(&self, phase: lastgood::progress::Phase) {
        let restoring = phase == lastgood::progress::Phase::Restoring;
        self.0.store(restoring, std::sync::atomic::Ordering::Relaxed);
    }
    fn total(&self, _: u64, _: u64) {}
    fn step(&self, _: lastgood::progress::Step) {}
    fn current(&self, _: &[u8]) {}
    fn problem(&self, _: &lastgood::error::Problem) {}
    fn stopped(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_cache_comes_back_as_links_or_flat() {
    let scene = Scene::new().await;
    let hub = scene.run.join("models--a--b");
    let (blobs, rev) = (hub.join("blobs"), hub.join("snapshots/1"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&rev).unwrap();
    fs::write(blobs.join("ab"), safetensors(&numbers(1))).unwrap();
    std::os::unix::fs::symlink("../../blobs/ab", rev.join("model.safetensors")).unwrap();
    std::os::unix::fs::symlink("model.safetensors", rev.join("again")).unwrap();
    std::os::unix::fs::symlink("../nowhere", rev.join("dangling")).unwrap();
    let made = scene.backup().await;
    assert!(made.summary.data_added < 250_000, "each byte is stored once");
    let links = scene.sandbox.fresh("links");
    restore(&scene.repo, &to_restore(&made, &scene.run, &links)).await.unwrap();
    assert_eq!(tree::read(&scene.run), tree::read(&links));
    let flat = scene.sandbox.fresh("flat");
    let options = RestoreOptions { flat: true, verify: true, ..to_restore(&made, &rev, &flat) };
    let report = restore(&scene.repo, &options).await.unwrap();
    assert!(report.problems.is_empty() && report.files_verified == 2, "{report:?}");
    for name in ["model.safetensors", "again"] {
        assert!(flat.join(name).symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read(flat.join(name)).unwrap(), fs::read(blobs.join("ab")).unwrap());
    }
    assert!(flat.join("dangling").symlink_metadata().unwrap().is_symlink());
}

/// A copy with `cp --sparse` has holes where an optimizer has zeros: its tensors are differences all the same, its holes come
/// back as holes, and what is NaN behind one is seen.
#[tokio::test(flavor = "multi_thread")]
async fn sparse_checkpoints_have_tensors_too() {
    let scene = Scene::new().await;
    let write = |step: u64, first: f32| {
        let dir = checkpoint(&scene.run, step, &[]);
        let mut all: Vec<f32> = (0..2_000_000)
            .map(|i| if (300_000..1_500_000).contains(&i) { 0.0 } else { 0.5 + (i as f32 / 7e6) })
            .collect();
        all[step as usize] = 0.25;
        all[1_600_000] = first;
        let bytes = safetensors(&all);
        let file = fs::File::create(dir.join("model.safetensors")).unwrap();
        for (at, block) in bytes.chunks(1 << 16).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0)) {
            std::os::unix::fs::FileExt::write_all_at(&file, block, (at << 16) as u64).unwrap();
        }
        file.set_len(bytes.len() as u64).unwrap();
    };
    write(10, 0.125);
    assert_eq!(scene.backup().await.checkpoints[0].not_finite, 0);
    write(20, f32::NAN);
    let made = scene.backup().await;
    assert!(made.summary.data_delta > 1 << 20, "{:?}", made.summary);
    assert_eq!(made.checkpoints.iter().map(|c| c.not_finite).collect::<Vec<_>>(), [0, 1]);
    let target = scene.sandbox.fresh("target");
    let options = RestoreOptions { verify: true, ..to_restore(&made, &scene.run, &target) };
    assert!(restore(&scene.repo, &options).await.unwrap().problems.is_empty());
    assert_eq!(tree::read(&scene.run), tree::read(&target));
}
