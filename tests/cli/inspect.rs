//! Inspect and stats: what is told of checkpoints, on disk and in snapshots, and how they end.

use super::{Desk, Said};
use serde_json::Value;
use std::fs;

/// A file of safetensors with three tensors; `odd` is the bits of one number of the first.
fn safetensors(odd: u32) -> Vec<u8> {
    let header = concat!(
        r#"{"a.weight":{"dtype":"F32","shape":[64,64],"data_offsets":[0,16384]},"#,
        r#""b\u001b.bias":{"dtype":"F32","shape":[4],"data_offsets":[16384,16400]},"#,
        r#""c":{"dtype":"I64","shape":[2],"data_offsets":[16400,16416]}}"#
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend((0..4096u32).flat_map(|n| if n == 77 { odd.to_le_bytes() } else { (n as f32 / 7.0).to_le_bytes() }));
    bytes.extend([0; 32]);
    bytes
}

const ONE: u32 = 0x3f80_0000;
const NAN: u32 = 0x7fc0_0000;

/// A desk with a Trainer's checkpoint for each step.
fn desk(steps: &[u32]) -> Desk {
    let desk = Desk::new();
    for step in steps {
        let dir = desk.path(&format!("source/checkpoint-{step}"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("model.safetensors"), safetensors(ONE)).unwrap();
        fs::write(dir.join("config.json"), "{}").unwrap();
        fs::write(dir.join("optimizer.pt"), b"x").unwrap();
        let log = r#"[{"step":5,"eval_loss":1.25}]"#;
        let state = format!(r#"{{"global_step":{step},"log_history":{log}}}"#);
        fs::write(dir.join("trainer_state.json"), state).unwrap();
    }
    desk
}

/// Without a repository and a password.
fn bare(desk: &Desk, arguments: &[&str]) -> Said {
    desk.run_as(arguments, &[("LASTGOOD_REPOSITORY", "")])
}

fn one(said: &Said) -> Value {
    let mut lines = said.json();
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[test]
fn a_path_is_judged_without_a_repository() {
    let desk = desk(&[500, 1000]);
    fs::remove_file(desk.path("source/checkpoint-500/optimizer.pt")).unwrap();
    fs::remove_file(desk.path("source/checkpoint-1000/optimizer.pt")).unwrap();
    let said = bare(&desk, &["inspect", "./source"]).gives(0).out();
    assert!(said.contains("F32 4.1K") && said.contains("checkpoint-1000:\nsafetensors"), "{said}");
    assert!(said.contains("step 1000): complete\n") && said.contains("there is a newer one"), "{said}");
    let file = "source/checkpoint-1000/model.safetensors";
    let listed = bare(&desk, &["inspect", file, "--tensors=b*", "--numbers"]).gives(0).out();
    assert!(
        listed.contains("1 of 3 tensors") && listed.contains("b\\u{1b}.bias") && !listed.contains('\u{1b}'),
        "{listed}"
    );
    assert!(listed.contains("all zero") && !listed.contains("a.weight"), "{listed}");
    bare(&desk, &["inspect", file, "-t=nothing"]).gives(13).names("No tensor");
    bare(&desk, &["inspect", file, "-t=a["]).gives(2).names("a[");
    bare(&desk, &["inspect", "./source/run"]).gives(13).names("./source/run");
    bare(&desk, &["inspect", "./nowhere"]).gives(1);
    bare(&desk, &["inspect", "./source", "--host", "h"]).gives(2).names("no meaning");

    // A number that is not one is told, loudly, but does not make a checkpoint incomplete.
    fs::write(desk.path(file), safetensors(NAN)).unwrap();
    assert!(!bare(&desk, &["inspect", file]).gives(0).out().contains("NOT FINITE"));
    let said = bare(&desk, &["inspect", "./source/checkpoint-1000", "--numbers"]).gives(0).out();
    assert!(said.contains("NOT FINITE: 1 number") && said.contains("1 NaN/Inf"), "{said}");
    let json = one(&bare(&desk, &["inspect", file, "--numbers", "-t", "--json"]).gives(0));
    let found = &json["files"][0];
    assert_eq!((&found["not_finite"], &found["tensor_list"][0]["nan"]), (&1.into(), &1.into()), "{json}");
    assert_eq!((&found["dtypes"]["I64"], &found["constant"]), (&2.into(), &1.into()), "{json}");

    // Cut short: the file and the checkpoint that it is in; but not as long as a newer one is whole.
    fs::write(desk.path(file), &safetensors(ONE)[..9000]).unwrap();
    let said = bare(&desk, &["inspect", "-q", "./source/checkpoint-1000"]).gives(14).out();
    assert!(said.contains("NOT COMPLETE") && said.contains("model.safetensors is broken: "), "{said}");
    bare(&desk, &["inspect", file]).gives(14);
    bare(&desk, &["inspect", "nowhere"]).gives(2).names("nowhere");
    let json = one(&bare(&desk, &["inspect", "source", "--json"]).gives(14));
    assert!(json["files"][0]["not_finite"].is_null() && json["files"][0]["broken"].is_string(), "{json}");
    fs::write(desk.path(file), safetensors(ONE)).unwrap();
    fs::write(desk.path("source/checkpoint-500/model.safetensors"), b"x").unwrap();
    bare(&desk, &["inspect", "source"]).gives(0);
    // A link to a file elsewhere is that file, and one to a directory is judged by the name of the directory.
    std::os::unix::fs::symlink("source/checkpoint-500", desk.path("last")).unwrap();
    assert!(bare(&desk, &["inspect", "last"]).gives(14).out().contains("/source/checkpoint-500"));
    fs::create_dir(desk.path("links")).unwrap();
    std::os::unix::fs::symlink(desk.path(file), desk.path("links/model.safetensors")).unwrap();
    let json = one(&bare(&desk, &["inspect", "links", "--json"]).gives(0));
    assert_eq!(json["files"][0]["parameters"], 4102, "{json}");
}

#[test]
fn a_snapshot_tells_what_the_backup_saw() {
    let desk = desk(&[500, 1000]);
    for step in [500, 1000] {
        fs::remove_file(desk.path(&format!("source/checkpoint-{step}/optimizer.pt"))).unwrap();
    }
    fs::write(desk.path("source/checkpoint-1000/model.safetensors"), safetensors(NAN)).unwrap();
    desk.run(&["backup", "--init", "source"]).gives(0);
    let said = desk.run(&["inspect"]).gives(0).out();
    assert!(said.contains("NOT FINITE: 1 number") && said.contains("complete, but 1 number NaN"), "{said}");
    let source = desk.path("source").canonicalize().unwrap();
    let below = format!("latest:{}/checkpoint-500", source.display());
    let json = one(&desk.run(&["inspect", &below, "-t", "--json"]).gives(0));
    assert_eq!((json["checkpoints"].as_array().unwrap().len(), json["files"].as_array().unwrap().len()), (1, 1));
    assert_eq!(json["files"][0]["tensor_list"].as_array().unwrap().len(), 3);
    desk.run(&["inspect", "latest:no/such"]).gives(13).names("no/such");
    fs::write(desk.path("source/checkpoint-1000/model.safetensors"), &safetensors(ONE)[..9000]).unwrap();
    desk.run(&["backup", "source"]).gives(0);
    let said = desk.run(&["inspect", "latest"]).gives(14).out();
    assert!(said.contains("NOT COMPLETE") && said.contains("model.safetensors is broken: "), "{said}");
    desk.run(&["inspect", "latest~1"]).gives(0);
}

#[test]
fn stats_count_what_is_stored() {
    let desk = desk(&[500, 1000]);
    desk.run(&["backup", "--init", "source"]).gives(0);
    let first = one(&desk.run(&["stats", "--json"]).gives(0));
    desk.run(&["backup", "source"]).gives(0);
    let all = one(&desk.run(&["stats", "--json"]).gives(0));
    assert_eq!((&all["snapshots_count"], &first["snapshots_count"]), (&2.into(), &1.into()));
    assert_eq!(all["total_restore_size"], first["total_restore_size"].as_u64().unwrap() * 2);
    let sum = |of: &str| all["codecs"].as_array().unwrap().iter().map(|codec| codec[of].as_u64().unwrap()).sum::<u64>();
    assert_eq!(all["total_size"].as_u64().unwrap(), sum("stored") + all["manifest"]["stored"].as_u64().unwrap());
    let sizes = ["total_size", "packs_size", "objects_size"].map(|name| all[name].as_u64().unwrap());
    assert!(sizes.is_sorted() && sizes[0] > 0, "{all}");
    let one_of = one(&desk.run(&["stats", "latest", "--json"]).gives(0));
    let kind =
        |name: &str| one_of["kinds"].as_array().unwrap().iter().find(|kind| kind["name"] == name).unwrap().clone();
    assert_eq!(kind("safetensors")["files"], 2);
    let stored = one_of["kinds"].as_array().unwrap().iter().map(|kind| kind["stored"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(stored, sum("stored"), "{one_of}");
    assert!(desk.run(&["stats"]).gives(0).out().contains("Repository:  "));
    desk.run(&["stats", "latest:x"]).gives(2).names("colon");
    desk.run(&["stats", "--host", "h"]).gives(2).names("no meaning");
    fs::remove_file(desk.object("index")).unwrap();
    let bare = one(&desk.run(&["stats", "--json"]).gives(0));
    assert_eq!((&bare["unindexed_packs_count"], &bare["total_size"]), (&all["packs_count"], &0.into()), "{bare}");
}
