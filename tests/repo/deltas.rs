//! Chunks that are differences to others: they come back whatever became of files, packs and runs, or are named as lost.

use crate::common::*;
use crate::crash::{Source, crash_backup};
use lastgood::codec::coding::{Against, Coder, Level};
use lastgood::codec::delta::Relation;
use lastgood::codec::envelope::Realm;
use lastgood::codec::pack::PackBuilder;
use lastgood::flows::backup::BackupReport;
use lastgood::id::{ChunkId, Id};
use lastgood::repo::Repository;
use lastgood::repo::index::pack_name;
use lastgood::spec::codec;
use lastgood::tensor::Dtype;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const COUNT: usize = 300_000;

/// Numbers like weights; of those of a later step, one in 40 is a little different.
fn weights(seed: u64, step: u32) -> Vec<f32> {
    let words = tree::noise(seed, COUNT * 4);
    let number = |(i, word): (usize, &[u8; 4])| {
        let x = f32::from_bits(u32::from_le_bytes(*word) & 0x007f_ffff | 0x3c80_0000);
        if i % 40 == step as usize % 40 { f32::from_bits(x.to_bits() ^ step ^ step << 16) } else { x }
    };
    words.as_chunks::<4>().0.iter().enumerate().map(number).collect()
}

fn f32s(numbers: &[f32]) -> (&'static str, Vec<u8>) {
    ("F32", numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
}

fn bf16s(numbers: &[f32]) -> (&'static str, Vec<u8>) {
    ("BF16", numbers.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect())
}

/// Writes a safetensors file; gives the length of what is before the data.
fn write_model(path: &Path, tensors: &[(&str, (&str, Vec<u8>))]) -> usize {
    let (mut header, mut at) = (Vec::new(), 0);
    for (name, (dtype, bytes)) in tensors {
        let (end, width) = (at + bytes.len(), if *dtype == "F32" { 4 } else { 2 });
        header.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":[{}],"data_offsets":[{at},{end}]}}"#,
            bytes.len() / width
        ));
        at = end;
    }
    let header = format!("{{{}}}", header.join(","));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    tensors.iter().for_each(|(_, (_, bytes))| file.extend_from_slice(bytes));
    tree::write(path, &file);
    8 + header.len()
}

/// One checkpoint of a series.
fn checkpoint(source: &Path, step: u32) {
    let (a, b) = (weights(1, step), weights(2, step));
    let tensors = [("a", f32s(&a)), ("b", bf16s(&b)), ("small", f32s(&a[..100]))];
    write_model(&source.join(format!("step-{step}/model.safetensors")), &tensors);
}

/// What all packs that an index page names have: chunk and base, of those that are differences.
async fn differences(repo: &Repository) -> HashMap<ChunkId, ChunkId> {
    let mut found = HashMap::new();
    for page in repo.store().list("index").await.unwrap() {
        let page = repo.index_page(Id::from_hex(page.file_name()).unwrap()).await.unwrap();
        let chunks = page.iter().flat_map(|table| &table.chunks).filter(|chunk| chunk.codec == codec::DELTA);
        found.extend(chunks.map(|chunk| (chunk.id, chunk.base.unwrap())));
    }
    found
}

/// Most of what a backup stored are differences.
fn assert_small(done: &BackupReport, case: &str) {
    let summary = &done.summary;
    let (raw, stored) = (summary.data_delta, summary.data_delta_packed);
    assert!(raw * 10 > summary.data_added * 9 && stored * 2 < raw, "{case}: {summary:?}");
}

/// A repository with a snapshot for each of three steps; every file is still there.
struct Series {
    source: Source,
    memory: Arc<InMemory>,
    repo: Arc<Repository>,
    kept: Vec<(Option<Id>, tree::Tree)>,
}

impl Series {
    async fn new(steps: u32) -> Series {
        let source = Source::empty();
        let (memory, repo) = small_packs().await;
        let mut series = Series { source, memory, repo, kept: Vec::new() };
        for step in 1..=steps {
            checkpoint(&series.source.path, step);
            let done = series.backup().await;
            assert!(step == 1 || done.summary.data_delta > 0, "{:?}", done.summary);
        }
        series
    }

    async fn backup(&mut self) -> BackupReport {
        let done = backup(&self.repo, &self.source.path).await.unwrap();
        assert!(done.problems.is_empty(), "{:?}", done.problems);
        self.kept.push((done.snapshot, self.source.tree()));
        done
    }

    async fn check(&self, case: &str) {
        for (id, expected) in &self.kept {
            assert_restores(&self.repo, *id, &self.source.path, &self.source.target(), expected, case).await;
        }
        assert_sound(&self.repo, case).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_comes_back_whatever_becomes_of_the_local_files() {
    let mut series = Series::new(2).await;
    let found = differences(&series.repo).await;
    assert!(found.len() >= 4 && found.values().all(|base| !found.contains_key(base)), "{found:?}");
    series.check("two steps").await;
    let model = |step: u32| series.source.path.join(format!("step-{step}/model.safetensors"));
    // The base is read from where it was, if it is there: what is there by that name by now is something else each time.
    let (one, two) = (model(1), model(2));
    for (step, case) in (3..).zip(["changed", "shorter", "a pipe", "a link", "a directory", "gone"]) {
        // To read a pipe would wait for ever.
        let bytes = if one.is_file() { fs::read(&one).unwrap() } else { Vec::new() };
        fs::remove_file(&one).or_else(|_| fs::remove_dir(&one)).ok();
        match case {
            "changed" => tree::write(&one, &bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()),
            "shorter" => tree::write(&one, b"{}"),
            "a pipe" => tree::fifo(&one),
            "a link" => std::os::unix::fs::symlink("../step-3", &one).unwrap(),
            "a directory" => fs::create_dir(&one).unwrap(),
            _ => fs::remove_file(&two).unwrap(),
        }
        checkpoint(&series.source.path, step);
        let done = series.backup().await;
        assert!(done.summary.data_delta >= 1_500_000, "{case}: {:?}", done.summary);
    }
    series.check("six more steps").await;
    let found = differences(&series.repo).await;
    assert!(found.values().all(|base| !found.contains_key(base)), "no chain is longer than 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_and_conversions_find_their_bases() {
    let mut series = Series::new(0).await;
    let top = series.source.path.clone();
    let shards = |step: u32| {
        for (shard, name) in [(1, "a"), (2, "b"), (3, "c")] {
            let path = top.join(format!("step-{step}/model-{shard}-of-3.safetensors"));
            write_model(&path, &[(name, f32s(&weights(shard, step)))]);
        }
    };
    shards(1);
    assert_eq!(series.backup().await.summary.data_delta, 0, "one shard is no base of another");
    shards(2);
    assert_small(&series.backup().await, "shards");
    for shard in [1, 2, 3] {
        write_model(
            &top.join(format!("export-{shard}.safetensors")),
            &[(["a", "b", "c"][shard as usize - 1], { bf16s(&weights(shard, 2)) })],
        );
    }
    let done = series.backup().await;
    assert!(done.summary.data_delta > 1_700_000 && done.summary.data_delta_packed < 200_000, "{:?}", done.summary);
    write_model(&top.join("half.safetensors"), &[("h", bf16s(&weights(9, 1)))]);
    series.backup().await;
    write_model(&top.join("whole.safetensors"), &[("h", f32s(&weights(9, 1)))]);
    let done = series.backup().await;
    assert_eq!(done.summary.data_delta, 4 * COUNT as u64, "{:?}", done.summary);
    series.check("shards and conversions").await;
    for (delta, level) in [(false, Level::Auto), (true, Level::Off)] {
        shards(if delta { 3 } else { 4 });
        let options = lastgood::flows::backup::BackupOptions { delta, level, ..options(&[&top]) };
        let done =
            lastgood::flows::backup::backup(&series.repo, &options, Arc::new(Recorder::default())).await.unwrap();
        assert!(done.summary.data_added > 3_000_000 && done.summary.data_delta == 0, "{:?}", done.summary);
        series.kept.push((done.snapshot, series.source.tree()));
    }
    series.check("without differences").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_differences_fails_at_every_write() {
    let series = Series::new(1).await;
    checkpoint(&series.source.path, 2);
    checkpoint(&series.source.path, 3);
    let writes = crash_backup(&series.memory, &series.source, &series.kept, "differences").await;
    assert!(writes >= 4, "{writes} writes");
}

/// Snapshot and path of every file that verify names, and the objects that it calls damaged.
async fn named(repo: &Arc<Repository>, deep: bool) -> (BTreeSet<(Id, String)>, BTreeSet<String>) {
    let report = verify(repo, deep).await.unwrap();
    assert!(report.unknown.is_empty(), "{:?}", report.unknown);
    let files = report.damage.iter().flat_map(|damage| &damage.files);
    let files = files.map(|file| (file.snapshot, file.path.clone())).collect();
    (files, report.damage.into_iter().map(|damage| damage.object).collect())
}

/// Restores all snapshots; gives those files that did not come back. None has a wrong byte.
async fn lost(series: &Series, repo: &Arc<Repository>, case: &str) -> BTreeSet<(Id, String)> {
    let mut all = BTreeSet::new();
    for (id, expected) in &series.kept {
        let target = series.source.target();
        let made = snapshot(repo, *id).await;
        let report = restore(repo, &to_restore(&made, &series.source.path, &target)).await.unwrap();
        let missing = tree::missing_but_never_wrong(expected, &tree::read(&target), case);
        assert!(missing.is_empty() || !report.problems.is_empty(), "{case}: nobody said that {missing:?} are lost");
        let path = |path: &[u8]| format!("{}/{}", series.source.path.display(), path.escape_ascii());
        all.extend(missing.iter().map(|missing| (id.unwrap(), path(missing))));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_pack_takes_exactly_the_files_that_verify_names() {
    let series = Series::new(3).await;
    let packs: Vec<_> =
        objects(&*series.memory).await.into_iter().filter(|(_, bytes)| bytes.get(9) == Some(&3)).collect();
    let mut through_bases = 0;
    for (name, bytes) in &packs {
        for blow in ["removed", "cut", "flipped"] {
            let case = format!("{name} {blow}");
            let memory = Arc::new(series.memory.fork());
            let path = ObjectPath::from(name.as_str());
            let mut new = bytes.to_vec();
            match blow {
                "removed" => memory.delete(&path).await.unwrap(),
                "cut" => drop(memory.put(&path, bytes.slice(..bytes.len() / 2).into()).await.unwrap()),
                _ => {
                    new[300] ^= 1;
                    drop(memory.put(&path, new.into()).await.unwrap());
                }
            }
            let repo = open(memory).await.unwrap();
            let ((files, objects), lost) = (named(&repo, true).await, lost(&series, &repo, &case).await);
            // A restore saves what it can of a pack that was cut short.
            assert!(files == lost || blow == "cut" && files.is_superset(&lost), "{case}: {files:?}, lost {lost:?}");
            assert_eq!(objects, BTreeSet::from([name.clone()]), "{case}");
            through_bases += usize::from(lost.len() > 3);
            let shallow = named(&repo, false).await;
            assert!(blow == "flipped" || shallow == (files, objects), "{case}: {shallow:?}");
            if blow == "flipped" {
                continue;
            }
            // Every file is still there: one more backup heals all snapshots.
            backup(&repo, &series.source.path).await.unwrap();
            assert_eq!(self::lost(&series, &repo, &format!("{case}, healed")).await, BTreeSet::new());
            assert_eq!(named(&repo, true).await.0, BTreeSet::new(), "{case}");
        }
    }
    assert!(through_bases > 0, "no pack of a base was hit");
}

/// Stores a pack by hand: (plaintext, base), coded as the difference to that base.
async fn forge_differences(repo: &Arc<Repository>, chunks: &[(&[u8], &[u8])]) {
    let mut coder = Coder::new().unwrap();
    let mut builder = PackBuilder::new(Realm::Data, Vec::new());
    let id = |plain: &[u8]| repo.keys().chunk_id(Realm::Data, plain);
    for (plain, base) in chunks {
        builder.add(id(plain), plain.len(), |out| {
            let against = Against { relation: Relation::Same32, base };
            assert!(coder.encode_against(plain, Dtype::F32, against, Level::Auto, out));
            (codec::DELTA, Some(id(base)))
        });
    }
    let (table, pack) = builder.finish(repo.keys()).unwrap();
    repo.store().put(&pack_name(&table.pack), pack.into()).await.unwrap();
    repo.put_index(repo.seal_index(&[table]).unwrap()).await.unwrap();
}

/// Other runs left differences to one another, to nothing, and to themselves: no backup takes them for what it has.
#[tokio::test(flavor = "multi_thread")]
async fn differences_that_lead_nowhere_are_no_copies() {
    let piece = |step| f32s(&weights(1, step)).1[..1 << 20].to_vec();
    let [one, two, three, gone] = [1, 2, 3, 50].map(piece);
    let circle: [Vec<(&[u8], &[u8])>; 4] = [
        vec![(&one, &two), (&two, &one)],
        vec![(&one, &gone), (&two, &gone), (&three, &gone)],
        vec![(&two, &two), (&three, &three)],
        vec![(&one, &two), (&two, &three), (&three, &one)],
    ];
    // Which of two index pages is read first is a matter of their hashes: several tries.
    for (round, chunks) in (0..).zip(circle.iter().cycle().take(12)) {
        let mut series = Series::new(if round % 2 == 0 { 1 } else { 0 }).await;
        forge_differences(&series.repo, chunks).await;
        for step in 1..=3 {
            checkpoint(&series.source.path, step);
            series.backup().await;
        }
        let case = format!("round {round}");
        series.check(&case).await;
        let done = series.backup().await;
        assert_eq!((done.summary.data_added, done.summary.files_changed), (0, 0), "{case}: {:?}", done.summary);
    }
}

/// Files that promise anything at all are kept as they are, and harm no other.
#[tokio::test(flavor = "multi_thread")]
async fn absurd_headers_come_back() {
    let mut series = Series::new(1).await;
    let top = series.source.path.clone();
    let max = u64::MAX;
    let tensor = |name: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"U8","shape":[{}],"data_offsets":[{from},{to}]}}"#, to.wrapping_sub(from))
    };
    let many: Vec<String> = (0..1 << 18).map(|n| tensor(&format!("{n}"), 0, 0)).collect();
    let mut headers = vec![
        ("max", tensor("a", max - 1, max)),
        ("backwards", tensor("a", 9, 3)),
        ("overlap", format!("{},{}", tensor("a", 0, 90_000), tensor("b", 10, 100_000))),
        ("empty", format!("{},{}", tensor("a", 0, 0), tensor("b", 0, 100_000))),
        ("shape", r#""a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,100000]}"#.into()),
        ("many", format!("{},{}", many.join(","), tensor("last", 0, 100_000))),
        ("name", tensor(&"x".repeat(70 << 20), 9, 3)),
    ];
    headers.push(("nested", "[".repeat(100_000)));
    for (name, header) in headers {
        let header = format!("{{{header}}}");
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &tree::noise(1, 100_000)].concat();
        tree::write(&top.join(format!("{name}.safetensors")), &file);
    }
    for (name, length) in [("long", max), ("cut", 90_000_000), ("none", 0)] {
        tree::write(&top.join(format!("{name}.safetensors")), &[&length.to_le_bytes()[..], b"{\"a\":1}"].concat());
    }
    let start = write_model(&top.join("sparse.safetensors"), &[("a", f32s(&weights(1, 1)))]) as u64;
    let dense = fs::read(top.join("sparse.safetensors")).unwrap();
    let data = [(0, dense[..start as usize + 5000].to_vec()), (start + 700_000, dense[..9000].to_vec())];
    tree::write_sparse(&top.join("sparse.safetensors"), dense.len() as u64, &data);
    series.backup().await;
    series.check("absurd headers").await;
}
