//! House rules: floors, which crate in which room, sizes, first lines, and nothing left to do.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

/// Rooms and the floor that each is on.
#[rustfmt::skip]
const FLOORS: [(&str, u8); 16] = [
    ("lib", 60), ("main", 50), ("cli", 40), ("flows", 30), ("repo", 20), ("sources", 20), ("targets", 20),
    ("frameworks", 11), ("codec", 10), ("records", 10), ("formats", 10),
    ("progress", 4), ("error", 3), ("memory", 2), ("tensor", 2), ("id", 1),
];

/// Crates and words, and the only rooms that may use them.
#[rustfmt::skip]
const ONLY: [(&str, &[&str]); 13] = [
    ("object_store", &["repo"]), ("tokio", &["repo", "flows", "cli", "main"]),
    ("clap", &["cli"]), ("indicatif", &["cli"]), ("console", &["cli"]), ("rpassword", &["cli"]),
    ("zstd_safe", &["codec"]), ("aes_gcm", &["codec"]), ("aws_lc_rs", &["codec"]), ("argon2", &["codec"]),
    ("println!", &["cli", "main"]), ("eprintln!", &["cli", "main"]), ("print!", &["cli", "main"]),
];

fn floor(room: &str) -> u8 {
    FLOORS.iter().find(|(name, _)| *name == room).map_or(0, |(_, floor)| *floor)
}

/// The code without comments and the inside of strings; lines stay where they are.
fn bare(text: &str) -> String {
    let strip = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
    };
    text.lines().map(|line| strip(line) + "\n").collect()
}

/// Whether a word stands in the code, with nothing before or after it that would make it another one.
fn uses(code: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (code[..at].chars().next_back(), code[at + word.len()..].chars().next());
        !before.is_some_and(name) && (word.ends_with('!') || after == Some(':') || after == Some(';'))
    })
}

/// What the code names after `crate::` and the like, also inside of braces.
fn rooms_named(code: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    let paths = ["crate::", "lastgood::", "super::"].iter().flat_map(|prefix| code.split(prefix).skip(1));
    let listed = |path: &str| match path.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default().split(',').map(word).collect(),
        None => vec![word(path)],
    };
    paths.flat_map(listed).collect()
}

/// What breaks a rule in one file of src.
fn breaches(path: &str, text: &str) -> Vec<String> {
    let mut found = sizes(path, text);
    let room = path.split(['/', '.']).next().unwrap_or_default();
    let code = bare(text);
    for other in rooms_named(&code).iter().filter(|other| *other != room) {
        if floor(other) >= floor(room) && FLOORS.iter().any(|(name, _)| name == other) {
            found.push(format!("{path}: {room} may not see {other}"));
        }
    }
    if code.contains("crate::*") {
        found.push(format!("{path}: a path that hides what is used"));
    }
    for (word, rooms) in ONLY.iter().filter(|(word, rooms)| !rooms.contains(&room) && uses(&code, word)) {
        found.push(format!("{path}: {word} is only for {}", rooms.join(", ")));
    }
    let unfinished = ["todo!(", "unimplemented!("].into_iter().filter(|left| code.contains(left));
    found.extend(unfinished.map(|left| format!("{path}: {left}")));
    found
}

/// Rules that hold for tests too: 400 lines a file, 70 a function, and a first line that says what the file is for.
fn sizes(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with("//! ") || !first.ends_with(['.', ':']) && !first.contains(". ") {
        found.push(format!("{path}: the first line is no `//! ` sentence"));
    }
    let lines = text.lines().count();
    found.extend((lines > 400).then(|| format!("{path}: {lines} lines")));
    if text.contains(concat!("FIX", "ME")) {
        found.push(format!("{path}: something is left to do"));
    }
    let (mut start, mut indent) = (0, None);
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let depth = line.len() - code.len();
        if indent.is_none() && (code.starts_with("fn ") || code.contains(" fn ")) && !code.starts_with("//") {
            (start, indent) = (number, Some(depth));
        }
        let ends = indent == Some(depth) && (code == "}" || code.ends_with(" }") || code.ends_with(';'));
        if ends && number - start >= 70 {
            found.push(format!("{path}: a function of {} lines at line {}", number - start + 1, start + 1));
        }
        indent = indent.filter(|_| !ends);
    }
    found
}

fn each(top: &Path, dir: &Path, work: &mut dyn FnMut(&str, &str)) {
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            each(top, &entry, work);
        } else if entry.extension().is_some_and(|end| end == "rs") {
            work(entry.strip_prefix(top).unwrap().to_str().unwrap(), &fs::read_to_string(&entry).unwrap());
        }
    }
}

#[test]
fn the_house_is_tidy() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    each(&home.join("src"), &home.join("src"), &mut |path, text| found.extend(breaches(path, text)));
    each(home, &home.join("tests"), &mut |path, text| found.extend(sizes(path, text)));
    let lock = fs::read_to_string(home.join("Cargo.lock")).unwrap();
    found.extend(lock.contains("name = \"openssl").then(|| "Cargo.lock has openssl".to_owned()));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn planted_breaches_are_found() {
    let long = format!("//! A.\nfn long() {{\n{}}}\n", "    x();\n".repeat(69));
    for (path, text) in [
        ("codec/a.rs", "//! A.\nuse crate::records::page;"),
        ("id.rs", "//! A.\nuse crate::error::Error;"),
        ("repo/mod.rs", "//! A.\nfn f() { crate::sources::walk() }"),
        ("flows/a.rs", "//! A.\nuse crate::{cli, id::Id};"),
        ("flows/a.rs", "//! A.\nuse object_store::path::Path;"),
        ("repo/a.rs", "//! A.\nuse crate::*;"),
        ("repo/mod.rs", "//! A.\nuse super::flows::backup;"),
        ("records/a.rs", "//! A.\nuse tokio::sync::mpsc;"),
        ("flows/a.rs", "//! A.\nfn f() { println!(\"x\") }"),
        ("cli/a.rs", "//! A.\nfn f() { todo!() }"),
        ("cli/a.rs", "fn f() {}"),
        ("cli/a.rs", &long),
        ("cli/a.rs", &format!("//! A.\n{}", "x();\n".repeat(400))),
    ] {
        assert_eq!(breaches(path, text).len(), 1, "{path}: {text}: {:?}", breaches(path, text));
    }
    let fine = "//! Speaks of tokio:: and crate::cli.\nuse crate::id::Id;\nfn f() { g(\"tokio::x\") }\n";
    assert_eq!(breaches("codec/a.rs", fine), [""; 0]);
}
