//! The program as its users run it: commands, exit codes, messages and JSON.

#![allow(clippy::unwrap_used)]

mod dump;
mod inspect;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PASSWORD: &str = "canary-battery-staple";

/// A folder with a source, a place for a repository, and nothing of the environment.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        fs::create_dir_all(desk.path("source/run")).unwrap();
        fs::write(desk.path("source/run/weights"), vec![7; 300_000]).unwrap();
        fs::write(desk.path("source/note"), b"hello").unwrap();
        desk
    }

    /// With a repository and one snapshot of the source.
    fn with_snapshot() -> Desk {
        let desk = Desk::new();
        desk.run(&["init", "--kdf-memory", "8M", "--kdf-passes", "1"]).gives(0);
        desk.run(&["backup", "source"]).gives(0);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastgood"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("LASTGOOD_REPOSITORY", "repo").env("TZ", "UTC").stdin(std::process::Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_as(arguments, &[("LASTGOOD_PASSWORD", PASSWORD)])
    }

    fn run_as(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        Said { output: command.output().unwrap(), case: arguments.join(" ") }
    }

    /// The one file below a folder of the repository.
    fn object(&self, folder: &str) -> PathBuf {
        let mut found: Vec<PathBuf> =
            fs::read_dir(self.path("repo").join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(found.len(), 1, "{folder}: {found:?}");
        found.remove(0)
    }
}

struct Said {
    output: Output,
    case: String,
}

impl Said {
    fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn err(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Checks the exit code, and that no secret was said.
    fn gives(self, code: i32) -> Said {
        assert_eq!(self.output.status.code(), Some(code), "{}: {}{}", self.case, self.out(), self.err());
        assert!(!(self.out() + &self.err()).contains("canary"), "{}: the password is in the output", self.case);
        self
    }

    /// Checks that the error names a thing and has a hint.
    fn names(self, thing: &str) -> Said {
        let err = self.err();
        assert!(err.contains(thing) && err.contains("hint:"), "{}: {err}", self.case);
        assert!(!err.contains("panicked"), "{}: {err}", self.case);
        self
    }

    fn json(&self) -> Vec<Value> {
        self.out().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_first_backup_is_one_command_and_comes_back() {
    let desk = Desk::new();
    desk.run(&["backup", "--init", "source", "--tag", "a,b", "--label", "nightly", "--meta", "step=100"]).gives(0);
    let listed: Value = serde_json::from_str(&desk.run(&["snapshots", "--json"]).gives(0).out()).unwrap();
    let one = &listed[0];
    assert_eq!((&one["tags"][1], &one["label"], &one["meta"]["step"]), (&"b".into(), &"nightly".into(), &"100".into()));
    let source = desk.path("source").canonicalize().unwrap();
    let names = desk.run(&["ls", &format!("latest:{}", source.display())]).gives(0).out();
    assert!(names.contains("source/note") && names.contains("source/run/"), "{names}");
    desk.run(&["restore", &format!("latest:{}", source.display()), "--target", "back", "--verify"]).gives(0);
    assert_eq!(fs::read(desk.path("back/run/weights")).unwrap(), vec![7; 300_000]);
    desk.run(&["verify", "--scrub", "--read-data"]).gives(0);
    let again = desk.run(&["backup", "source", "--label", "nightly", "--skip-if-unchanged", "--json", "-q"]).gives(0);
    let summary = again.json().pop().unwrap();
    assert_eq!((&summary["message_type"], &summary["files_unmodified"]), (&"summary".into(), &2.into()), "{summary}");
    assert!(summary["snapshot_id"].is_null(), "{summary}");
}

#[test]
fn what_is_typed_wrong_is_said_with_a_hint_and_its_exit_code() {
    let desk = Desk::with_snapshot();
    fs::write(desk.path("afile"), b"x").unwrap();
    fs::write(desk.path("password"), b"other\n").unwrap();
    desk.run(&["backup", "not-there"]).gives(1).names("not-there");
    desk.run(&["-r", "afile", "snapshots"]).gives(10).names("afile");
    desk.run(&["-r", "nowhere", "snapshots"]).gives(10).names("nowhere");
    desk.run(&["-r", "s3:bucket/x", "init"]).gives(2).names("s3:");
    desk.run(&["-r", "source", "init"]).gives(2).names("not empty");
    desk.run(&["init"]).gives(2).names("already");
    desk.run_as(&["snapshots"], &[("LASTGOOD_PASSWORD", "wrong")]).gives(12).names("Wrong password");
    desk.run_as(&["snapshots"], &[]).gives(2).names("password");
    desk.run(&["--password-file", "password", "snapshots"]).gives(2).names("Two sources");
    desk.run(&["restore", "-t", "out", "--at", "gestern"]).gives(2).names("gestern");
    desk.run(&["restore", "-t", "out", "--at", "2000-01-01"]).gives(13).names("2000-01-01");
    desk.run(&["restore", "-t", "out", "--include", "no/such"]).gives(13).names("no/such");
    desk.run(&["restore", "latest:no/such", "-t", "out"]).gives(13).names("no/such");
    desk.run(&["restore", "ffffff", "-t", "out"]).gives(13).names("ffffff");
    desk.run(&["restore", "-t", "afile"]).gives(1).names("afile");
    desk.run(&["backup", "source", "--exclude-file", "nofile"]).gives(2).names("nofile");
    assert_eq!(desk.run(&["no-such-command"]).gives(2).out(), "");
    let one = desk.run(&["--json", "-r", "nowhere", "snapshots"]).gives(10).err();
    let error: Value = serde_json::from_str(one.trim()).unwrap();
    assert_eq!((&error["message_type"], &error["code"]), (&"exit_error".into(), &10.into()));
}

#[test]
fn a_source_that_is_missing_makes_the_snapshot_incomplete() {
    let desk = Desk::with_snapshot();
    let said = desk.run(&["backup", "source", "not-there"]).gives(3);
    assert!((said.out() + &said.err()).contains("not-there"));
    let listed: Value = serde_json::from_str(&desk.run(&["snapshots", "--json"]).gives(0).out()).unwrap();
    assert_eq!((&listed[0]["complete"], &listed[1]["complete"]), (&true.into(), &false.into()));
}

#[test]
fn damage_is_named_with_its_files_and_exit_20() {
    let desk = Desk::with_snapshot();
    let packs = |desk: &Desk| -> Vec<PathBuf> {
        let folders = fs::read_dir(desk.path("repo/packs")).unwrap().map(|e| e.unwrap().path());
        folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|e| e.unwrap().path())).collect()
    };
    // Byte 9 tells a pack of files from one of manifests. Two threads may have filled one each: only one is hit.
    for pack in packs(&desk).iter().filter(|pack| fs::read(pack).unwrap()[9] == 3).take(1) {
        // In the first chunk: that of one of the two files.
        flip(pack, 130);
    }
    let said = desk.run(&["verify", "--read-data", "--json", "-q"]).gives(20);
    let summary = said.json().pop().unwrap();
    let damage = summary["damage"].to_string();
    assert!(damage.contains("source/run/weights") != damage.contains("source/note"), "{summary}");
    assert!(summary["damage"].to_string().contains("packs/"), "{summary}");
    desk.run(&["restore", "-t", "out"]).gives(20);
    let back =
        |name: &str| desk.path("out").join(desk.path(name).canonicalize().unwrap().strip_prefix("/").unwrap()).exists();
    assert!(back("source/run/weights") != back("source/note"), "one is back, the damaged one is not");
    let desk = Desk::with_snapshot();
    flip(&desk.object("snapshots"), 300);
    desk.run(&["verify"]).gives(20);
    desk.run(&["restore", "-t", "out"]).gives(20);
}

#[test]
fn a_newer_repository_is_refused_by_name() {
    let desk = Desk::with_snapshot();
    let config = desk.path("repo/config/0");
    let mut bytes = fs::read(&config).unwrap();
    bytes[8] = 2;
    let sum = blake3::hash(&bytes[..112]);
    bytes[112..120].copy_from_slice(&sum.as_bytes()[..8]);
    let end = bytes.len() - 32;
    let sum = blake3::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(sum.as_bytes());
    fs::write(&config, bytes).unwrap();
    desk.run(&["snapshots"]).gives(1).names("newer lastgood (format 2)");
}

#[test]
fn keys_come_and_go() {
    let desk = Desk::with_snapshot();
    fs::write(desk.path("second"), b"another canary password\n").unwrap();
    fs::write(desk.path("keyfile"), [9; 64]).unwrap();
    let cheap = ["--kdf-memory", "8M", "--kdf-passes", "1"];
    desk.run(&[&["key", "add", "--new-password-file", "second"][..], &cheap].concat()).gives(0);
    desk.run(&["key", "add", "--new-key-file", "keyfile"]).gives(0);
    desk.run_as(&["snapshots", "-p", "second"], &[]).gives(0);
    desk.run_as(&["snapshots", "--key-file", "keyfile"], &[]).gives(0);
    let keys: Value = serde_json::from_str(&desk.run(&["key", "list", "--json"]).gives(0).out()).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 3, "{keys}");
    let own = keys.as_array().unwrap().iter().find(|key| key["current"] == true).unwrap();
    desk.run(&["key", "remove", own["id"].as_str().unwrap()]).gives(2).names("opened the repository");
    desk.run_as(&["key", "remove", own["id"].as_str().unwrap(), "--key-file", "keyfile"], &[]).gives(0);
    desk.run(&["snapshots"]).gives(12);
    desk.run_as(&["verify", "--scrub", "-p", "second"], &[]).gives(0);
}

#[test]
fn a_restore_as_of_a_time_takes_the_newest_at_or_before() {
    let desk = Desk::with_snapshot();
    for (time, text) in [("2026-01-01T10:00:00Z", "first"), ("2026-01-02T10:00:00Z", "second")] {
        fs::write(desk.path("source/note"), text).unwrap();
        desk.run(&["backup", "source", "--time", time, "--label", "past"]).gives(0);
    }
    let note = desk.path("source/note").canonicalize().unwrap();
    for (at, text) in
        [("2026-01-01T10:00:00Z", "first"), ("2026-01-02 09:59:59", "first"), ("2026-01-02T10:00:00Z", "second")]
    {
        let selector = format!("latest:{}", note.display());
        let said = desk.run(&["restore", &selector, "--label", "past", "--at", at, "-t", "then"]).gives(0);
        assert!(said.err().contains("Restoring snapshot"), "{}", said.err());
        assert_eq!(fs::read_to_string(desk.path("then/note")).unwrap(), text, "{at}");
    }
}
