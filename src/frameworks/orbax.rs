//! Orbax: a directory a step, written under a temporary name and then renamed, or closed by `commit_success.txt`.
//!
//! Which of the files that close a checkpoint are written depends on version and storage: only those are required which
//! the neighbours have. The names of data files are random, so that a missing one cannot be told.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, json, names, ranks};
use std::collections::BTreeSet;

const METADATA: &[u8] = b"_CHECKPOINT_METADATA";
const MANIFEST: &[u8] = b"manifest.ocdbt";
/// Files that are written after all others.
const MARKERS: [&[u8]; 3] = [METADATA, b"commit_success.txt", b"orbax.checkpoint"];
/// Files that describe what is in a checkpoint.
const OTHERS: [&[u8]; 3] = [b"_METADATA", MANIFEST, b"_sharding"];

/// The framework.
pub(super) struct Orbax;

impl Framework for Orbax {
    fn name(&self) -> &'static str {
        "Orbax"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        match name {
            METADATA | b"metrics" | b"_METADATA" | MANIFEST => Interest::Content,
            _ if MARKERS.contains(&name) || OTHERS.contains(&name) => Interest::Name,
            _ => Interest::Nothing,
        }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        MARKERS.contains(&name)
    }

    fn find<'a>(&self, place: Place<'a>, _free: &Free<'a>) -> Vec<Claim<'a>> {
        let mut claim = Claim::whole(place);
        if unfinished(place.name()) {
            let name = place.name().split(|c| *c == b'.').next().unwrap_or_default();
            claim.step = names::last_number(name);
            claim.faults.push("its name is that of one which is still being written".into());
            return vec![claim];
        }
        if !is_step(place) {
            return Vec::new();
        }
        claim.step = names::last_number(place.name());
        let metadata = place.content(METADATA).map(json::read);
        if matches!(metadata, Some(None)) {
            claim.faults.push("_CHECKPOINT_METADATA was cut short or damaged".into());
        }
        let stated = metadata.flatten().map(|metadata| json::numbers(&metadata["metrics"]));
        let file = place.dir(b"metrics").and_then(|dir| dir.content(b"metrics")).and_then(json::read);
        claim.metrics = stated.into_iter().chain(file.as_ref().map(json::numbers)).flatten().collect();
        check(place, &mut claim.faults);
        vec![claim]
    }
}

/// Whether a directory of this name is still being written.
pub(super) fn unfinished(name: &[u8]) -> bool {
    names::contains(name, b".orbax-checkpoint-tmp")
}

fn is_item(place: Place<'_>) -> bool {
    OTHERS.iter().any(|name| place.has(name)) || place.dirs().any(|dir| is_process(dir.name()))
}

fn is_process(name: &[u8]) -> bool {
    names::numbers(name, "ocdbt.process_#").is_some()
}

fn is_step(place: Place<'_>) -> bool {
    let numbered = |place: Place<'_>| names::last_number(place.name()).is_some();
    let items = || place.dirs().any(|dir| !numbered(dir) && !unfinished(dir.name()) && is_item(dir));
    let beside = || place.siblings().iter().any(|sibling| sibling.has(METADATA));
    let used = !place.files().is_empty() || place.dirs().next().is_some();
    MARKERS.iter().any(|name| place.has(name))
        || (is_item(place) && !is_process(place.name()))
        || used && numbered(place) && (items() || beside())
}

/// The describing and closing files of a step and of its items.
fn described(place: Place<'_>) -> BTreeSet<Vec<u8>> {
    let own = |place: Place<'_>| -> Vec<&'static [u8]> {
        MARKERS.iter().chain(&OTHERS).copied().filter(|name| place.has(name)).collect()
    };
    let items = place.dirs().flat_map(|dir| own(dir).into_iter().map(move |name| [dir.name(), name].join(&b'/')));
    items.chain(own(place).into_iter().map(<[u8]>::to_vec)).collect()
}

/// Whether the metadata say when the checkpoint was finished; some programs never say it.
fn is_dated(place: Place<'_>) -> bool {
    let metadata = place.content(METADATA).and_then(json::read);
    metadata.is_some_and(|metadata| metadata["commit_timestamp_nsecs"].is_number())
}

/// Whether what a file says can be all of it.
type Test = fn(&[u8]) -> bool;

/// Whether a manifest of the database is as long as it says, after its magic number.
fn is_manifest(content: &[u8]) -> bool {
    let len = content.strip_prefix(b"\x0c\xdb\x3a\x2a").and_then(|rest| rest.first_chunk::<8>());
    len.is_some_and(|len| u64::from_le_bytes(*len) == content.len() as u64)
}

fn check(place: Place<'_>, faults: &mut Vec<String>) {
    for item in place.dirs().chain([place]) {
        let whole: [(&[u8], Test); 2] =
            [(b"_METADATA", |content| json::read(content).is_some()), (MANIFEST, is_manifest)];
        for (name, _) in whole.iter().filter(|(name, whole)| item.content(name).is_some_and(|content| !whole(content)))
        {
            let path = [item.path(), name].join(&b'/');
            faults.push(format!("{} was cut short or damaged", names::below(place.path(), &path)));
        }
    }
    let siblings: Vec<Place<'_>> = place.siblings().into_iter().filter(|sibling| is_step(*sibling)).collect();
    let others: Vec<_> = siblings.iter().map(|sibling| described(*sibling)).collect();
    let unlike = ranks::unlike(&described(place), &others);
    let told = |name: &Vec<u8>| format!("{} is missing: its neighbours have it", String::from_utf8_lossy(name));
    faults.extend(unlike.iter().map(told));
    if place.has(METADATA) && !is_dated(place) && siblings.iter().any(|sibling| is_dated(*sibling)) {
        faults.push("_CHECKPOINT_METADATA has no time of the end, as its neighbours have".into());
    }
    for item in place.dirs().chain([place]).filter(|dir| dir.dirs().any(|dir| is_process(dir.name()))) {
        let name = if item.path() == place.path() { MANIFEST.to_vec() } else { [item.name(), MANIFEST].join(&b'/') };
        if !item.has(MANIFEST) {
            faults.push(format!("{} is missing: it joins what processes wrote", String::from_utf8_lossy(&name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, judged, text};

    fn step(step: u64, bucket: bool) -> Vec<Seen> {
        let metadata = r#"{"metrics": {"loss": 0.5}, "init_timestamp_nsecs": 1, "commit_timestamp_nsecs": 2}"#;
        let names =
            ["params/_METADATA", "params/manifest.ocdbt", "params/_sharding", "params/ocdbt.process_0/manifest.ocdbt"];
        let more = ["commit_success.txt", "params/commit_success.txt"].iter().filter(|_| bucket);
        let files = names.iter().chain(more).map(|name| file(&format!("run/{step}/{name}"), 9));
        files.chain([text(&format!("run/{step}/_CHECKPOINT_METADATA"), metadata)]).collect()
    }

    #[test]
    fn good_ones_are_complete() {
        for bucket in [false, true] {
            let expected = [100, 200].map(|step| (format!("run/{step}"), "Orbax", Some(step)));
            assert_eq!(good([step(100, bucket), step(200, bucket)].concat()), expected);
        }
        assert_eq!(judged(step(5, false))[0].metrics["loss"], 0.5);
        assert_eq!(good(vec![file("run/7/default/_METADATA", 9), file("run/7/default/manifest.ocdbt", 9)]).len(), 1);
        assert_eq!(good(vec![text("run/7/_CHECKPOINT_METADATA", r#"{"commit_timestamp_nsecs": null}"#)]).len(), 1);
    }

    #[test]
    fn damages_are_told() {
        let seen = [step(100, true), step(200, true)].concat();
        let names = ["_CHECKPOINT_METADATA", "commit_success.txt", "params/_METADATA", "params/manifest.ocdbt"];
        for name in names.map(|name| format!("run/200/{name}")) {
            damaged(&seen, "run/200", &[("lose", &name)]);
        }
        damaged(&seen, "run/200", &[("cut", "run/200/_CHECKPOINT_METADATA")]);
        assert!(!super::is_manifest(b"\x0c\xdb\x3a\x2a\x0d\0\0\0\0\0\0\0"));
        assert!(super::is_manifest(b"\x0c\xdb\x3a\x2a\x0c\0\0\0\0\0\0\0"));
        for (name, content) in [("_METADATA", "{\"tree"), ("manifest.ocdbt", "")] {
            let bad = text(&format!("run/300/params/{name}"), content);
            let told = format!("run/300: params/{name} was cut short or damaged");
            assert!(faults(vec![bad, file("run/300/orbax.checkpoint", 9)]).contains(&told));
        }
        damaged(&seen, "run/300.orbax-checkpoint-tmp-17", &[("add", "run/300.orbax-checkpoint-tmp-17/params/d/x")]);
        damaged(&seen, "run/200", &[("add", "run/200/state.orbax-checkpoint-tmp-17/x")]);
        let late =
            text("run/300/_CHECKPOINT_METADATA", r#"{"init_timestamp_nsecs": 1, "commit_timestamp_nsecs": null}"#);
        assert!(
            faults([step(100, false), vec![late]].concat()).iter().any(|fault| fault.contains("no time of the end"))
        );
    }
}
