//! Parts of files: one file or one tensor dumped, tensors restored by themselves, and models without their training state.

use crate::common::*;
use lastgood::codec::envelope::Realm;
use lastgood::error::{Kind, Result, Trouble};
use lastgood::flows::dump::{DumpOptions, DumpReport, Part, dump, dump_to_file};
use lastgood::flows::restore::{RestoreOptions, RestoreReport};
use lastgood::formats::safetensors::lay_out;
use lastgood::progress::Quiet;
use lastgood::records::snapshot::Snapshot;
use lastgood::repo::Repository;
use lastgood::repo::index::Index;
use lastgood::repo::manifest::Manifest;
use lastgood::spec::codec;
use lastgood::tensor::{Dtype, Tensor};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Weights as training makes them: not noise, and `step` moves a few of them a little.
fn weights(seed: u64, step: u64, elements: usize) -> Vec<u8> {
    let (base, moved) = (tree::noise(seed, elements * 2), tree::noise(seed + 1000 + step, elements));
    let value = |(at, moved): (usize, &u8)| {
        let exponent = 0x3c00 + u16::from(base[2 * at] & 3) * 0x80;
        (exponent + u16::from(base[2 * at + 1] & 0x7f)) ^ u16::from(step > 0 && moved.is_multiple_of(20))
    };
    moved.iter().enumerate().map(value).flat_map(u16::to_le_bytes).collect()
}

/// A model: the tensors with their bytes, and the file.
fn model(step: u64) -> (BTreeMap<String, Vec<u8>>, Vec<u8>) {
    let parts = [
        ("embed.weight", Dtype::Bf16, vec![1024, 1200], weights(1, step, 1024 * 1200)),
        ("head.weight", Dtype::Bf16, vec![700, 1000], weights(2, step, 700_000)),
        ("layers.0.scale", Dtype::F32, vec![3], [1f32, 2.5, -8.0].map(f32::to_le_bytes).concat()),
        ("layers.0.w", Dtype::U8, vec![3 << 20], tree::noise(3, 3 << 20)),
        ("mask", Dtype::Bool, vec![5], vec![1, 0, 1, 1, 0]),
        ("odd", Dtype::Other, vec![8], b"whatever".to_vec()),
    ];
    let tensor = |(name, dtype, shape, bytes): &(&str, Dtype, Vec<u64>, Vec<u8>)| Tensor {
        name: (*name).into(),
        dtype: *dtype,
        shape: shape.clone(),
        offset: 0,
        len: bytes.len() as u64,
    };
    let mut tensors = parts.each_ref().map(tensor);
    let bytes: BTreeMap<String, Vec<u8>> = parts.into_iter().map(|(name, .., bytes)| (name.into(), bytes)).collect();
    let head = lay_out(&mut tensors, &[]).unwrap();
    let data: Vec<u8> = tensors.iter().flat_map(|tensor| bytes[&tensor.name].clone()).collect();
    (bytes, [head, data].concat())
}

/// What a safetensors file holds, read by a few lines that nothing else shares.
fn parse(bytes: &[u8]) -> BTreeMap<String, (String, Vec<u64>, Vec<u8>)> {
    let head = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert!(head.is_multiple_of(8) && bytes[8] == b'{');
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..head]).unwrap();
    let (mut found, mut ranges) = (BTreeMap::new(), Vec::new());
    for (name, value) in header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        let numbers = |key: &str| -> Vec<u64> { serde_json::from_value(value[key].clone()).unwrap() };
        let range = numbers("data_offsets");
        ranges.push((range[0], range[1]));
        let data = bytes[head + range[0] as usize..head + range[1] as usize].to_vec();
        found.insert(name.clone(), (value["dtype"].as_str().unwrap().into(), numbers("shape"), data));
    }
    ranges.sort_unstable();
    let end = ranges.iter().fold(0, |end, (from, to)| if *from == end { *to } else { panic!("a gap at {end}") });
    assert_eq!(head as u64 + end, bytes.len() as u64);
    found
}

struct Scene {
    sandbox: Sandbox,
    source: PathBuf,
    memory: Arc<InMemory>,
    repo: Arc<Repository>,
    made: Snapshot,
    tensors: BTreeMap<String, Vec<u8>>,
}

impl Scene {
    /// Two checkpoints in two snapshots; the second is stored as differences where it can be.
    async fn new() -> Scene {
        let sandbox = Sandbox::new();
        let source = sandbox.fresh("source");
        let (memory, repo) = small_packs().await;
        let (mut tensors, mut made) = (BTreeMap::new(), None);
        for step in [0, 1] {
            let file;
            (tensors, file) = model(step);
            let dir = source.join(format!("checkpoint-{step}"));
            tree::write(&dir.join("model.safetensors"), &file);
            tree::write(&dir.join("optimizer.pt"), &tree::noise(60 + step, 90_000));
            tree::write(&dir.join("optimizer_0/.metadata"), b"x");
            tree::write(&dir.join("optimizer_0/__0_0.distcp"), &tree::noise(70, 5000));
            tree::write(&dir.join("config.json"), b"{}");
            tree::write(&dir.join("trainer_state.json"), b"{\"global_step\": 1}");
            fs::create_dir_all(dir.join("empty/deep")).unwrap();
            tree::write_sparse(&source.join("sparse"), 3 << 20, &[(64 << 10, tree::noise(9, 8 << 10))]);
            tree::write(&source.join("nothing"), b"");
            made = backup(&repo, &source).await.unwrap().snapshot;
        }
        let made = snapshot(&repo, made).await;
        Scene { sandbox, source, memory, repo, made, tensors }
    }

    fn inside(&self, name: &str) -> Vec<u8> {
        inside(&self.source.join(name))
    }

    /// Dumps; gives what was written, also if it ends in an error.
    async fn dump(&self, name: &str, tensor: Option<&str>) -> (Vec<u8>, Result<DumpReport>) {
        let options =
            DumpOptions { snapshot: self.made.clone(), path: self.inside(name), tensor: tensor.map(str::to_owned) };
        let mut out = Vec::new();
        let write = |part: Part<'_>| {
            match part {
                Part::Zeros(len) => out.resize(out.len() + len as usize, 0),
                Part::Bytes(bytes) => out.extend_from_slice(bytes),
            }
            Ok(true)
        };
        let report = dump(&self.repo, &options, write, Arc::new(Quiet)).await;
        (out, report)
    }

    fn options(&self, target: &Path, tensors: &[&str]) -> RestoreOptions {
        let tensors = tensors.iter().map(|&name| name.into()).collect();
        RestoreOptions { tensors, ..to_restore(&self.made, &self.source, target) }
    }

    async fn restore(&self, options: &RestoreOptions) -> RestoreReport {
        restore(&self.repo, options).await.unwrap_or_else(|e| panic!("{}", words(&e)))
    }

    async fn index(&self) -> Arc<Index> {
        Arc::new(self.repo.load_index(true).await.unwrap().index)
    }
}

const LATEST: &str = "checkpoint-1/model.safetensors";

/// The files below a directory, as paths.
fn files(top: &Path) -> Vec<String> {
    let files = tree::read(top).into_iter().filter(|(_, node)| node.kind != "directory");
    files.map(|(path, _)| String::from_utf8(path).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_tensors_are_dumped_exactly() {
    let scene = Scene::new().await;
    for name in [LATEST, "checkpoint-0/model.safetensors", "sparse", "nothing", "checkpoint-1/config.json"] {
        let (bytes, report) = scene.dump(name, None).await;
        let (report, expected) = (report.unwrap(), fs::read(scene.source.join(name)).unwrap());
        assert!(bytes == expected && report.bytes == expected.len() as u64, "{name}: {report:?}");
    }
    assert!(scene.dump("sparse", None).await.1.unwrap().bytes_fetched < 100_000, "a hole was fetched");
    for (name, expected) in &scene.tensors {
        let (bytes, report) = scene.dump(LATEST, Some(name)).await;
        let report = report.unwrap();
        assert!(bytes == *expected, "{name}");
        // What is small shares a chunk with others.
        let most = (expected.len() as u64 * 11 / 10).max(200_000);
        assert!((1..most).contains(&report.bytes_fetched), "{name}: {report:?}");
    }
    for (name, tensor, kind, hint) in [
        ("no/such", None, Kind::NoMatch, "ls"),
        ("checkpoint-1", None, Kind::NoMatch, "restore"),
        (LATEST, Some("head.weigth"), Kind::NoMatch, "did you mean head.weight?"),
        (LATEST, Some("quite another"), Kind::NoMatch, "inspect --tensors"),
        ("sparse", Some("x"), Kind::NoMatch, "whole file"),
    ] {
        let (bytes, report) = scene.dump(name, tensor).await;
        let e = report.unwrap_err();
        assert!(e.kind == kind && e.hint.as_ref().unwrap().contains(hint) && bytes.is_empty(), "{}", words(&e));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_resolved() {
    let scene = Scene::new().await;
    let index = scene.index().await;
    let manifest = Manifest::open(&scene.repo, &index, &scene.made.tree).await.unwrap();
    let entry = manifest.entry(&scene.inside(LATEST)).await.unwrap().unwrap();
    let chunks = manifest.chunks(&entry).await.unwrap();
    let delta = |id| index.find(Realm::Data, id).unwrap().codec == codec::DELTA;
    assert!(chunks.iter().filter(|id| delta(id)).count() >= 4, "the scene has no differences");
    let target = scene.sandbox.fresh("target");
    let subtree = RestoreOptions { subtree: scene.inside("checkpoint-1"), ..scene.options(&target, &["*.weight"]) };
    let report = scene.restore(&subtree).await;
    assert_eq!((report.tensors_restored, report.files_restored, report.problems.len()), (2, 1, 0), "{report:?}");
    for (name, (dtype, _, bytes)) in parse(&fs::read(target.join("model.safetensors")).unwrap()) {
        assert!(dtype == "BF16" && bytes == scene.tensors[&name], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_to_a_file_is_whole_or_nothing() {
    let scene = Scene::new().await;
    let output = scene.sandbox.fresh("out").join("file");
    let to_file = async |name: &str| {
        let options = DumpOptions { snapshot: scene.made.clone(), path: scene.inside(name), tensor: None };
        dump_to_file(&scene.repo, &options, &output, Arc::new(Quiet)).await
    };
    to_file(LATEST).await.unwrap();
    assert!(fs::read(&output).unwrap() == fs::read(scene.source.join(LATEST)).unwrap());
    to_file("sparse").await.unwrap();
    let before = fs::read(&output).unwrap();
    assert!(before == fs::read(scene.source.join("sparse")).unwrap());
    spoil(&scene, 1).await;
    assert!(matches!(to_file(LATEST).await.unwrap_err().kind, Kind::Damaged | Kind::Missing));
    assert!(fs::read(&output).unwrap() == before && files(&scene.sandbox.path("out")) == ["file"]);
}

/// Flips a bit in every chunk of `layers.0.w` from the `from`-th on.
async fn spoil(scene: &Scene, from: u64) {
    let index = scene.index().await;
    let manifest = Manifest::open(&scene.repo, &index, &scene.made.tree).await.unwrap();
    let entry = manifest.entry(&scene.inside(LATEST)).await.unwrap().unwrap();
    let noise = scene.tensors["layers.0.w"].chunks(1 << 20).skip(from as usize);
    for piece in noise {
        let id = scene.repo.keys().chunk_id(Realm::Data, piece);
        assert!(manifest.chunks(&entry).await.unwrap().contains(&id), "the file is cut otherwise");
        let at = index.find(Realm::Data, &id).unwrap();
        let name = ObjectPath::from(lastgood::repo::index::pack_name(&index.pack(at.pack).id));
        let mut bytes = scene.memory.get(&name).await.unwrap().bytes().await.unwrap().to_vec();
        bytes[at.offset as usize + 100] ^= 1;
        scene.memory.put(&name, bytes.into()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_beginning_is_written_of_what_is_damaged() {
    let scene = Scene::new().await;
    spoil(&scene, 2).await;
    for (name, tensor) in [(LATEST, None), (LATEST, Some("layers.0.w"))] {
        let (bytes, report) = scene.dump(name, tensor).await;
        let e = report.unwrap_err();
        let whole = match tensor {
            None => fs::read(scene.source.join(name)).unwrap(),
            Some(tensor) => scene.tensors[tensor].clone(),
        };
        assert!(bytes.len() >= 2 << 20 && bytes.len() < whole.len() && whole.starts_with(&bytes), "{}", bytes.len());
        assert!(e.kind == Kind::Damaged && e.what.contains(&bytes.len().to_string()), "{}", words(&e));
    }
    for name in ["embed.weight", "layers.0.scale", "mask"] {
        assert!(scene.dump(LATEST, Some(name)).await.0 == scene.tensors[name], "{name}");
    }
    let target = scene.sandbox.fresh("target");
    let report = scene.restore(&scene.options(&target, &["layers.*"])).await;
    assert!(report.problems.iter().all(|problem| problem.kind == Trouble::Damaged), "{report:?}");
    assert_eq!((report.problems.len(), report.files_restored, files(&target).len()), (2, 0, 0), "{report:?}");
    let report = scene.restore(&scene.options(&target, &["*.scale"])).await;
    assert_eq!((report.problems.len(), report.files_restored), (0, 2), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tensors_beside_a_missing_chunk_are_still_had() {
    let scene = Scene::new().await;
    let index = scene.index().await;
    let id = scene.repo.keys().chunk_id(Realm::Data, &scene.tensors["layers.0.w"][1 << 20..2 << 20]);
    let pack = &index.pack(index.find(Realm::Data, &id).unwrap().pack).id;
    scene.memory.delete(&ObjectPath::from(lastgood::repo::index::pack_name(pack))).await.unwrap();
    let (bytes, report) = scene.dump(LATEST, None).await;
    let e = report.unwrap_err();
    assert!(e.kind == Kind::Missing && bytes.is_empty(), "{}", words(&e));
    let mut had = 0;
    for (name, expected) in &scene.tensors {
        let (bytes, report) = scene.dump(LATEST, Some(name)).await;
        had += usize::from(report.is_ok());
        assert!(report.is_err_and(|e| e.kind == Kind::Missing && bytes.is_empty()) || bytes == *expected, "{name}");
    }
    assert!((1..scene.tensors.len()).contains(&had), "{had}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tensors_are_restored_as_files_of_their_own() {
    let scene = Scene::new().await;
    let target = scene.sandbox.fresh("target");
    let few = scene.options(&target, &["layers.*.scale", "mask"]);
    let planned = scene.restore(&RestoreOptions { dry_run: true, ..few.clone() }).await;
    assert!(planned.tensor_files.len() == 2 && files(&target).is_empty(), "{planned:?}");
    let report = scene.restore(&few).await;
    assert_eq!((report.files_restored, report.tensors_restored, report.problems.len()), (2, 4, 0), "{report:?}");
    assert_eq!((report.bytes_fetched, &report.tensor_files), (planned.bytes_fetched, &planned.tensor_files));
    assert!(report.bytes_fetched < 300_000, "of megabytes only what is needed is read: {report:?}");
    assert_eq!(files(&target), ["checkpoint-0/model.safetensors", LATEST]);
    let found = parse(&fs::read(target.join(LATEST)).unwrap());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["layers.0.scale", "mask"]);
    let (dtype, shape, bytes) = &found["layers.0.scale"];
    assert_eq!((&dtype[..], &shape[..], bytes), ("F32", &[3][..], &scene.tensors["layers.0.scale"]));
    assert_eq!(fs::metadata(target.join(LATEST)).unwrap().modified().unwrap(), modified(&scene.source.join(LATEST)));
    // All but what safetensors cannot name; from another directory; and again, where they are.
    let all = RestoreOptions { subtree: scene.inside(LATEST), ..scene.options(&target, &["*"]) };
    let report = scene.restore(&all).await;
    let [problem] = &report.problems[..] else { panic!("{report:?}") };
    assert!(problem.kind == Trouble::NotRestored && problem.message.contains("odd ("), "{problem:?}");
    let found = parse(&fs::read(target.join("model.safetensors")).unwrap());
    assert!(found.len() == 5 && found.iter().all(|(name, (_, _, bytes))| *bytes == scene.tensors[name]));
    // Another choice of tensors may have the same size and time: it is never taken for this one.
    let again = RestoreOptions { overwrite: lastgood::flows::restore::Overwrite::IfChanged, ..all.clone() };
    assert_eq!(scene.restore(&again).await.files_skipped, 0);
    let kept = RestoreOptions { overwrite: lastgood::flows::restore::Overwrite::Never, ..all };
    assert_eq!(scene.restore(&kept).await.files_skipped, 1);
    for patterns in [&["no.such"][..], &["embed"]] {
        let e = restore(&scene.repo, &scene.options(&target, patterns)).await.unwrap_err();
        assert_eq!(e.kind, Kind::NoMatch, "{}", words(&e));
    }
    let e = restore(&scene.repo, &scene.options(&target, &["a[b"])).await.unwrap_err();
    assert_eq!(e.kind, Kind::Usage, "{}", words(&e));
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn training_state_is_left_out_and_counted() {
    let scene = Scene::new().await;
    let target = scene.sandbox.fresh("target");
    let top = RestoreOptions { subtree: scene.inside("checkpoint-1"), ..scene.options(&target, &[]) };
    let report = scene.restore(&RestoreOptions { weights_only: true, verify: true, ..top.clone() }).await;
    assert_eq!(files(&target), ["config.json", "model.safetensors"]);
    assert!(target.join("empty/deep").is_dir() && !target.join("optimizer_0").exists());
    assert_eq!((report.files_left_out, report.bytes_left_out), (4, 90_000 + 1 + 5000 + 18), "{report:?}");
    assert!(report.problems.is_empty() && report.files_verified == 2, "{report:?}");
    let whole = tree::read(&scene.source.join("checkpoint-1"));
    tree::missing_but_never_wrong(&whole, &tree::read(&target), "weights only");
    let times = |top: &Path| modified(&top.join("empty"));
    assert_eq!(times(&target), times(&scene.source.join("checkpoint-1")));
    // With patterns, what is on the way to what is wanted is made, and no more.
    let target = scene.sandbox.fresh("target");
    let part = RestoreOptions { include: vec!["*.json".into()], weights_only: true, target: target.clone(), ..top };
    scene.restore(&part).await;
    assert_eq!(tree::read(&target).keys().collect::<Vec<_>>(), [b"config.json"]);
    let state = RestoreOptions { subtree: scene.inside("checkpoint-1/optimizer_0"), ..part.clone() };
    let state = RestoreOptions { include: Vec::new(), ..state };
    assert_eq!(restore(&scene.repo, &state).await.unwrap_err().kind, Kind::NoMatch);
}

/// Of ZeRO-3 the weights are where the optimizer is: without them there is no model, and that is said.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_weights_is_not_passed_off_as_one() {
    let sandbox = Sandbox::new();
    let source = sandbox.fresh("source");
    let rank = |kind: &str| source.join(format!("global_step5/zero_pp_rank_0_mp_rank_00_{kind}_states.pt"));
    for kind in ["optim", "model"] {
        tree::write(&rank(kind), &tree::noise(1, 500));
    }
    let (_, repo) = small_packs().await;
    for (more, problems) in [(None, 1), (Some("model.safetensors"), 0)] {
        if let Some(more) = more {
            tree::write(&source.join(more), &model(0).1);
        }
        let made = backup(&repo, &source).await.unwrap();
        let made = snapshot(&repo, made.snapshot).await;
        let target = sandbox.fresh("target");
        let options = RestoreOptions { weights_only: true, ..to_restore(&made, &source, &target) };
        let report = restore(&repo, &options).await.unwrap();
        assert_eq!((report.files_left_out, report.problems.len()), (1, problems), "{report:?}");
    }
}
