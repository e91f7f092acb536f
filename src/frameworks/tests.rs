//! Tests of all frameworks together: good examples, a table of damages, and properties.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A file of some bytes.
pub(super) fn file(path: &str, size: u64) -> Seen {
    Seen { path: path.into(), size, mtime: 100, ..Seen::default() }
}

/// A small file that says something.
pub(super) fn text(path: &str, text: &str) -> Seen {
    Seen { content: Some(text.into()), ..file(path, text.len() as u64) }
}

/// A symbolic link.
pub(super) fn link(path: &str, to: &str) -> Seen {
    Seen { link: Some(to.into()), ..file(path, to.len() as u64) }
}

/// What is judged, after each file has been asked for, as a backup would.
pub(super) fn judged(mut seen: Vec<Seen>) -> Vec<Checkpoint> {
    let above =
        |path: &[u8]| (0..path.len()).filter(|at| path[*at] == b'/').map(|at| path[..at].to_vec()).collect::<Vec<_>>();
    let dirs: BTreeSet<Vec<u8>> = seen.iter().flat_map(|seen| above(&seen.path)).collect();
    seen.extend(dirs.into_iter().map(|path| Seen { path, directory: true, ..Seen::default() }));
    seen.sort_by(|a, b| a.path.split(|c| *c == b'/').cmp(b.path.split(|c| *c == b'/')));
    seen.retain(|seen| seen.directory || interest(&seen.path, seen.size) != Interest::Nothing);
    for seen in seen.iter_mut().filter(|seen| interest(&seen.path, seen.size) == Interest::Name) {
        seen.content = None;
    }
    judge(&seen)
}

/// Paths, frameworks and steps of good examples.
pub(super) fn good(seen: Vec<Seen>) -> Vec<(String, &'static str, Option<u64>)> {
    let judged = judged(seen);
    for checkpoint in &judged {
        assert_eq!(checkpoint.faults, [""; 0], "{}", String::from_utf8_lossy(&checkpoint.path));
    }
    let told = |found: Checkpoint| (String::from_utf8(found.path).unwrap(), found.framework, found.step);
    judged.into_iter().map(told).collect()
}

/// All faults, each after the path of its checkpoint.
pub(super) fn faults(seen: Vec<Seen>) -> Vec<String> {
    let told = |found: Checkpoint| {
        let path = String::from_utf8_lossy(&found.path).into_owned();
        found.faults.into_iter().map(move |fault| format!("{path}: {fault}")).collect::<Vec<_>>()
    };
    judged(seen).into_iter().flat_map(told).collect()
}

/// Removes, cuts short, empties and breaks files of a good example: each damage must be told of the checkpoint.
pub(super) fn damaged(good: &[Seen], checkpoint: &str, damages: &[(&str, &str)]) {
    for (damage, path) in damages {
        let mut seen = good.to_vec();
        let at = seen.iter().position(|seen| seen.path == path.as_bytes());
        match (*damage, at) {
            ("add", _) => seen.push(file(path, 9)),
            ("lose", Some(at)) => drop(seen.remove(at)),
            ("empty", Some(at)) => (seen[at].size, seen[at].content) = (0, seen[at].content.as_ref().map(|_| vec![])),
            ("break", Some(at)) => seen[at].broken = Some("it is too short".into()),
            ("cut", Some(at)) => {
                seen[at].size /= 2;
                let size = seen[at].size as usize;
                seen[at].content.as_mut().into_iter().for_each(|content| content.truncate(size));
            }
            _ => panic!("no file {path} to {damage}"),
        }
        let found = faults(seen);
        assert!(found.iter().any(|fault| fault.starts_with(&format!("{checkpoint}: "))), "{damage} {path}: {found:?}");
    }
}

#[test]
fn most_files_do_not_matter() {
    for name in ["a/0001.jpg", "README.md", "x/train-00001-of-00002.parquet", "tmp/a.txt", "d/0123456789abcdef", ""] {
        assert_eq!(interest(name.as_bytes(), 9), Interest::Nothing, "{name}");
    }
    for name in ["a/model.safetensors.index.json", "latest", ".metadata", "x.index", "c/trainer_state.json"] {
        assert_eq!(interest(name.as_bytes(), 9), Interest::Content, "{name}");
        assert_eq!(interest(name.as_bytes(), CONTENT_MAX + 1), Interest::Name, "{name}");
    }
    let more =
        ["a.gguf", "x.pt.tmp", "1.orbax-checkpoint-tmp-2/d/x", "tmp-checkpoint-5/x.txt", "v.data-00000-of-00001"];
    for name in more.into_iter().chain(["blobs/0123456789012345678901234567890123456789"]) {
        assert_eq!(interest(name.as_bytes(), 9), Interest::Name, "{name}");
    }
}

#[test]
fn markers_are_what_is_written_last() {
    for name in ["a/latest", "trainer_state.json", "c/.metadata", "1/commit_success.txt", "checkpoint", "x.index"] {
        assert!(is_marker(name.as_bytes()), "{name}");
    }
    for name in ["a/model.safetensors", "config.json", "latest/x.pt", "optimizer.pt"] {
        assert!(!is_marker(name.as_bytes()), "{name}");
    }
}

#[test]
fn the_newest_of_each_family_is_found() {
    let of = |path: &str, step, mtime| Checkpoint { path: path.into(), step, mtime, ..Checkpoint::default() };
    let all = [
        of("a/checkpoint-1000", Some(1000), 5),
        of("a/checkpoint-500", Some(500), 9),
        of("b/v1.pt", None, 3),
        of("b/v2.pt", None, 2),
    ];
    assert_eq!(newest_of_families(&all), [0, 2]);
    assert_eq!(newest_of_families(&[]), [0; 0]);
}

/// Two saves of a run: a Trainer with DeepSpeed on four processes, and a model in three shards.
fn run() -> Vec<Seen> {
    let mut seen = Vec::new();
    for step in [10, 20] {
        let top = format!("run/checkpoint-{step}");
        let shards: Vec<String> = (1..=3).map(|n| format!("model-0000{n}-of-00003.safetensors")).collect();
        let map: Vec<String> = shards.iter().map(|name| format!(r#""{name}.w":"{name}""#)).collect();
        seen.push(text(
            &format!("{top}/model.safetensors.index.json"),
            &format!(r#"{{"weight_map":{{{}}}}}"#, map.join(",")),
        ));
        seen.extend(shards.iter().map(|name| file(&format!("{top}/{name}"), 1000)));
        seen.push(text(&format!("{top}/trainer_state.json"), &format!(r#"{{"global_step":{step}}}"#)));
        seen.push(text(&format!("{top}/latest"), &format!("global_step{step}")));
        seen.push(file(&format!("{top}/global_step{step}/mp_rank_00_model_states.pt"), 500));
        for rank in 0..4 {
            seen.push(file(&format!("{top}/rng_state_{rank}.pth"), 10));
            let name = format!("bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt");
            seen.push(file(&format!("{top}/global_step{step}/{name}"), 800));
        }
    }
    seen
}

/// A path, often one with a meaning.
fn path() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "run",
        "checkpoint-1",
        "checkpoint-2",
        "tmp-checkpoint-3",
        "global_step1",
        "iter_0000001",
        "mp_rank_00_001",
        "latest",
        "trainer_state.json",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "config.json",
        ".metadata",
        "__0_0.distcp",
        "zero_pp_rank_9_mp_rank_00_optim_states.pt",
        "mp_rank_00_model_states.pt",
        "a.ckpt",
        "b.pt",
        "",
        "latest_checkpointed_iteration.txt",
        "7",
        "params",
        "manifest.ocdbt",
        "_CHECKPOINT_METADATA",
        "checkpoint",
        "ckpt-1.index",
        "ckpt-1.data-00000-of-99999999999",
        "saved_model.pb",
        "variables",
        "models--a",
        "snapshots",
        "blobs",
        "x.incomplete",
        "..",
    ]);
    prop::collection::vec(prop_oneof![9 => part.prop_map(str::to_owned), 1 => "[a-z0-9._/-]{0,12}"], 1..6)
        .prop_map(|parts| parts.join("/"))
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        Just(br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":7},"global_step":-1,"log_history":[{"eval_x":1}]}"#.to_vec()),
        Just(b"global_step7".to_vec()),
        Just(b"99999999999999999999".to_vec()),
        Just(b"model_checkpoint_path: \"ckpt-2\"".to_vec()),
    ];
    let link = prop::option::weighted(0.2, path().prop_map(String::into_bytes));
    (path(), any::<(bool, u64, i64)>(), link, prop::option::of(Just("why".to_owned())), prop::option::of(content))
        .prop_map(|(path, (directory, size, mtime), link, broken, content)| Seen {
            path: path.into(),
            directory,
            size,
            mtime,
            link,
            broken,
            content,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn judge_is_total(seen in prop::collection::vec(any_seen(), 0..40)) {
        let found = judge(&seen);
        prop_assert!(newest_of_families(&found).len() <= found.len());
        prop_assert!(found.iter().all(|checkpoint| checkpoint.faults.len() <= FAULTS_MAX + 1));
        for seen in &seen {
            interest(&seen.path, seen.size);
            is_marker(&seen.path);
        }
    }

    #[test]
    fn a_subset_is_never_complete(lost in prop::collection::btree_set(0usize..14, 1..14)) {
        let good = run();
        let second = good.iter().filter(|seen| seen.path.starts_with(b"run/checkpoint-20/"));
        let left = second.enumerate().filter(|(index, _)| !lost.contains(index)).map(|(_, seen)| seen.clone());
        let first = good.iter().filter(|seen| seen.path.starts_with(b"run/checkpoint-10/")).cloned();
        let found = judged(first.chain(left).collect());
        for checkpoint in found {
            prop_assert_eq!(checkpoint.faults.is_empty(), checkpoint.path == b"run/checkpoint-10", "{:?}", checkpoint);
        }
    }
}

#[test]
fn a_run_is_good_as_it_is() {
    let expected = [10, 20].map(|step| (format!("run/checkpoint-{step}"), "Hugging Face", Some(step)));
    assert_eq!(good(run()), expected);
}

#[test]
fn absurd_depth_does_no_harm() {
    let deep = "a/".repeat(100_000) + "model.pt";
    assert_eq!(judge(&[file(&deep, 1)]), []);
    assert_eq!(judge(&[file(&("a/".repeat(250) + "model.pt"), 1)]).len(), 1);
    let loops = [link("a.pt", "b.pt"), link("b.pt", "a.pt")];
    assert_eq!(faults(loops.to_vec()), ["a.pt: a.pt points to itself", "b.pt: b.pt points to itself"]);
}
