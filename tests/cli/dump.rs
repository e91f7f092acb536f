//! `dump`, and restores of tensors and of models without training state.

use super::*;
use std::io::Read;
use std::process::Stdio;

/// A safetensors file of two tensors.
fn model() -> Vec<u8> {
    let header = br#"{"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}  "#;
    [&(header.len() as u64).to_le_bytes()[..], header, b"aaaa", b"bbbbBBBB"].concat()
}

/// A desk with a checkpoint, and how its directory is named to commands.
fn desk() -> (Desk, String) {
    let desk = Desk::new();
    fs::write(desk.path("source/run/model.safetensors"), model()).unwrap();
    fs::write(desk.path("source/run/optimizer.pt"), [5; 5000]).unwrap();
    fs::write(desk.path("source/run/esc\x1b"), b"x").unwrap();
    desk.run(&["init", "--kdf-memory", "8M", "--kdf-passes", "1"]).gives(0);
    desk.run(&["backup", "source"]).gives(0);
    let run = format!("latest:{}", desk.path("source/run").canonicalize().unwrap().display());
    (desk, run)
}

#[test]
fn a_file_and_a_tensor_are_written_to_standard_output() {
    let (desk, run) = desk();
    let file = format!("{run}/model.safetensors");
    let said = desk.run(&["dump", &file]).gives(0);
    assert!(said.output.stdout == model() && said.err().contains("snapshot "), "{}", said.err());
    let said = desk.run(&["dump", &file, "--tensor", "b"]).gives(0);
    assert!(said.out() == "bbbbBBBB" && said.err().contains("F32 [2]"), "{}", said.err());
    assert_eq!(desk.run(&["dump", &format!("{run}/weights"), "-q"]).gives(0).output.stdout, vec![7; 300_000]);
    desk.run(&["dump", &file, "--tensor", "c"]).gives(13).names("no tensor c");
    desk.run(&["dump", &format!("{run}/nothing")]).gives(13).names("nothing");
    desk.run(&["dump", &run]).gives(13).names("is a directory");
    desk.run(&["dump", "latest"]).gives(2).names("latest");
    desk.run(&["dump", "latest:/"]).gives(2).names("names no file");
    let said = desk.run(&["dump", &format!("{run}/esc\x1b"), "--tensor", "x\x1b"]).gives(13).names("esc\\u{1b}");
    assert!(!said.err().contains('\x1b'), "{}", said.err());
}

#[test]
fn a_dump_to_a_file_is_reported() {
    let (desk, run) = desk();
    let file = format!("{run}/model.safetensors");
    let done = desk.run(&["dump", &file, "-o", "out", "--tensor", "a", "--json"]).gives(0).json().pop().unwrap();
    assert_eq!((&done["bytes_written"], &done["tensor"]["dtype"]), (&4.into(), &"BF16".into()), "{done}");
    assert_eq!(fs::read(desk.path("out")).unwrap(), b"aaaa");
    desk.run(&["dump", &file, "-o", "out"]).gives(0);
    assert_eq!(fs::read(desk.path("out")).unwrap(), model());
    assert_eq!(desk.run(&["dump", &file, "-o", "-"]).gives(0).output.stdout, model());
    desk.run(&["dump", &file, "-o", "source"]).gives(2).names("a directory");
    desk.run(&["dump", &file, "-o", "/dev/null"]).gives(2).names("/dev/null");
    desk.run(&["dump", &file, "-o", "no/such/out"]).gives(1).names("no/such/out");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (desk, run) = desk();
    let mut command = desk.command(&["dump", &format!("{run}/weights")]);
    let mut child =
        command.env("LASTGOOD_PASSWORD", PASSWORD).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(0) && !err.contains("lastgood:"), "{err}");
}

#[test]
fn damage_ends_in_20() {
    let (desk, run) = desk();
    for folder in fs::read_dir(desk.path("repo/packs")).unwrap() {
        for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
            let pack = pack.unwrap().path();
            if fs::read(&pack).unwrap()[9] == 3 {
                let mut bytes = fs::read(&pack).unwrap();
                bytes[128..].fill(0x55);
                fs::write(&pack, bytes).unwrap();
            }
        }
    }
    let said = desk.run(&["dump", &format!("{run}/weights")]).gives(20).names("weights");
    assert!(said.output.stdout.is_empty(), "wrong bytes were written");
    desk.run(&["dump", &format!("{run}/weights"), "-o", "out"]).gives(20);
    assert!(!desk.path("out").exists());
    desk.run(&["restore", &run, "-t", "back", "--tensors", "*"]).gives(20).err().contains("model.safetensors");
}

#[test]
fn tensors_and_weights_are_restored() {
    let (desk, run) = desk();
    let said = desk.run(&["restore", &run, "-t", "one", "--tensors", "b", "--dry-run"]).gives(0);
    assert!(said.out().contains("one/model.safetensors: 1 tensor") && !desk.path("one").exists(), "{}", said.out());
    let said = desk.run(&["restore", &run, "-t", "one", "--tensors", "b", "--json"]).gives(0).json().pop().unwrap();
    assert_eq!((&said["tensors_restored"], &said["files_restored"]), (&1.into(), &1.into()), "{said}");
    let made = fs::read(desk.path("one/model.safetensors")).unwrap();
    assert!(made.ends_with(b"}bbbbBBBB") || made.ends_with(b" bbbbBBBB"), "{made:?}");
    assert_eq!(fs::read_dir(desk.path("one")).unwrap().count(), 1);
    desk.run(&["restore", &run, "-t", "one", "--tensors", "zzz"]).gives(13).names("zzz");
    desk.run(&["restore", &run, "-t", "one", "--tensors", "a[b"]).gives(2).names("--tensors");
    let all = desk.run(&["restore", &run, "-t", "two", "--weights-only"]).gives(0);
    assert!(all.out().contains("Left out as training state: 1 file, 5.0 kB"), "{}", all.out());
    assert!(desk.path("two/model.safetensors").exists() && !desk.path("two/optimizer.pt").exists());
    let json = desk.run(&["restore", &run, "-t", "two", "--weights-only", "--json"]).gives(0).json().pop().unwrap();
    assert_eq!((&json["files_left_out"], &json["bytes_left_out"]), (&1.into(), &5000.into()), "{json}");
}
