//! TensorFlow: `PREFIX.index`, which is written after the `PREFIX.data-0000I-of-0000N` that it names; and saved models.

use super::names::{self, Shard};
use super::tree::Place;
use super::{Claim, Framework, Free, Interest, Seen};
use std::collections::{BTreeMap, BTreeSet};

const SAVED: [&[u8]; 2] = [b"saved_model.pb", b"saved_model.pbtxt"];

/// The framework.
pub(super) struct TensorFlow;

impl Framework for TensorFlow {
    fn name(&self) -> &'static str {
        "TensorFlow"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        match name {
            b"checkpoint" => Interest::Content,
            _ if name.ends_with(b".index") => Interest::Content,
            _ if SAVED.contains(&name) || data(name).is_some() => Interest::Name,
            _ => Interest::Nothing,
        }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        name == b"checkpoint" || name.ends_with(b".index") || SAVED.contains(&name)
    }

    fn find<'a>(&self, place: Place<'a>, free: &Free<'a>) -> Vec<Claim<'a>> {
        let variables = || place.dir(b"variables").is_some_and(|dir| !prefixes(dir.files()).is_empty());
        let saved = SAVED.iter().any(|name| place.has(name));
        if saved || variables() {
            let mut claim = Claim::whole(place);
            if !saved {
                claim.faults.push("saved_model.pb is missing: it is written after the variables".into());
            }
            let empty = SAVED.iter().filter(|name| place.file(name).is_some_and(|f| f.size == 0 && f.link.is_none()));
            claim.faults.extend(empty.map(|name| format!("{} is empty", String::from_utf8_lossy(name))));
            return vec![claim];
        }
        let prefixes = prefixes(free);
        let mut claims: Vec<Claim<'a>> = prefixes.iter().map(|prefix| one(place, free, prefix)).collect();
        let named = newest(place).filter(|name| !place.files().keys().any(|file| file.starts_with(name)));
        let why = |name: &[u8]| format!("checkpoint names {}, which is not there", String::from_utf8_lossy(name));
        claims.extend(named.map(|name| Claim::lost(place, name, why(name))));
        claims
    }
}

/// The prefix and the place in its set of a file of data.
fn data(name: &[u8]) -> Option<(&[u8], Shard<'_>)> {
    let shard = Shard::parse(name).filter(|shard| shard.after.is_empty())?;
    Some((shard.before.strip_suffix(b".data-")?, shard))
}

/// The prefixes of checkpoints: those that have data, or an index that can be read.
fn prefixes<'a>(files: &Free<'a>) -> BTreeSet<&'a [u8]> {
    let read = |seen: &Seen| seen.content.as_deref().and_then(promised).is_some();
    let indexed = files.iter().filter(|(_, seen)| read(seen)).filter_map(|(name, _)| name.strip_suffix(b".index"));
    files.keys().filter_map(|name| Some(data(name)?.0)).chain(indexed).collect()
}

fn one<'a>(place: Place<'a>, free: &Free<'a>, prefix: &[u8]) -> Claim<'a> {
    let of = |ending: &[u8]| [prefix, ending].concat();
    let told = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let path = if place.path().is_empty() { prefix.to_vec() } else { [place.path(), prefix].join(&b'/') };
    let ours =
        |name: &[u8]| *name == of(b".index") || *name == of(b".meta") || data(name).is_some_and(|d| d.0 == prefix);
    let files = free.iter().filter(|(name, _)| ours(name)).map(|(_, seen)| *seen).collect();
    let mut claim = Claim { step: names::last_number(prefix), ..Claim::of(path, files) };
    let shards: Vec<Shard<'_>> =
        free.keys().filter_map(|name| data(name).filter(|d| d.0 == prefix)).map(|d| d.1).collect();
    if place.name().ends_with(b"_temp") {
        claim.faults.push("it is in a temporary directory, where parts are joined".into());
    }
    if !place.has(&of(b".index")) {
        claim.faults.push(format!("{} is missing: it is written after the data", told(&of(b".index"))));
    }
    if shards.iter().any(|shard| Some(shard.of) != shards.first().map(|first| first.of)) {
        claim.faults.push("its data are parts of sets of different sizes".into());
    }
    let have: BTreeSet<u64> = shards.iter().map(|shard| shard.number).collect();
    if let Some(first) = shards.first() {
        let missing = (0..first.of).filter(|number| !have.contains(number)).take(8);
        claim.faults.extend(missing.map(|number| format!("{} is missing", told(&first.sibling(number)))));
    }
    let promised = place.content(&of(b".index")).and_then(promised).unwrap_or_default();
    hold(place, &shards, &promised, &mut claim.faults);
    claim
}

/// Holds the data against what the index promises.
fn hold(place: Place<'_>, shards: &[Shard<'_>], promised: &BTreeMap<u32, u64>, faults: &mut Vec<String>) {
    for (number, least) in promised {
        let name =
            shards.iter().find(|shard| shard.number == u64::from(*number)).map(|shard| shard.sibling(shard.number));
        let seen = name.as_ref().and_then(|name| place.file(name)).map(|seen| place.tree.real(seen));
        match seen {
            None if shards.is_empty() => faults.push(format!("part {number} of the data is missing")),
            Some(Ok(seen)) if seen.size < *least => {
                let name = String::from_utf8_lossy(name.as_deref().unwrap_or_default());
                faults.push(format!("{name} has {} bytes, but the index needs {least}", seen.size));
            }
            _ => {}
        }
    }
}

/// The prefix that the file `checkpoint` names as the newest, if it is in the same directory.
fn newest(place: Place<'_>) -> Option<&[u8]> {
    let lines = place.content(b"checkpoint")?.split(|c| *c == b'\n');
    let mut values = lines.filter_map(|line| line.strip_prefix(b"model_checkpoint_path:"));
    let name = values.next()?.trim_ascii().strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    (!name.is_empty() && !name.contains(&b'/') && !name.contains(&b'\\')).then_some(name)
}

/// The parts that an index names, with the least length of each.
fn promised(content: &[u8]) -> Option<BTreeMap<u32, u64>> {
    crate::formats::tensorflow::shards(content).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, file, good, text};
    use super::super::tree::Tree;
    use super::{data, hold};

    fn prefix(prefix: &str) -> Vec<Seen> {
        let names = ["index", "data-00000-of-00002", "data-00001-of-00002"];
        names.map(|name| file(&format!("{prefix}.{name}"), 100)).to_vec()
    }

    #[test]
    fn good_ones_are_complete() {
        let state = text("t/checkpoint", "model_checkpoint_path: \"ckpt-2\"\nall_model_checkpoint_paths: \"ckpt-1\"\n");
        let seen = [prefix("t/ckpt-1"), prefix("t/ckpt-2"), vec![state]].concat();
        assert_eq!(good(seen), [1, 2].map(|step| (format!("t/ckpt-{step}"), "TensorFlow", Some(step))));
        let saved = [prefix("s/variables/variables"), vec![file("s/saved_model.pb", 9)]].concat();
        assert_eq!(good(saved), [("s".to_owned(), "TensorFlow", None)]);
        assert_eq!(good(vec![file("faiss.index", 9), file("checkpoint", 9)]), []);
    }

    #[test]
    fn promises_are_kept_or_told() {
        let seen = prefix("ckpt-1");
        let tree = Tree::new(&seen);
        let shards: Vec<_> = seen.iter().filter_map(|seen| data(&seen.path)).map(|data| data.1).collect();
        let told = |shards: &[_], promised: &[(u32, u64)]| {
            let mut faults = Vec::new();
            hold(tree.top(), shards, &promised.iter().copied().collect(), &mut faults);
            faults
        };
        assert_eq!(told(&shards, &[(0, 100), (1, 7)]), [""; 0]);
        assert_eq!(told(&shards, &[(1, 101)]), ["ckpt-1.data-00001-of-00002 has 100 bytes, but the index needs 101"]);
        assert_eq!(told(&[], &[(1, 1)]), ["part 1 of the data is missing"]);
    }

    #[test]
    fn damages_are_told() {
        let state = text("t/checkpoint", "model_checkpoint_path: \"ckpt-2\"\n");
        let seen = [prefix("t/ckpt-1"), prefix("t/ckpt-2"), vec![state.clone()]].concat();
        for name in ["index", "data-00000-of-00002", "data-00001-of-00002"] {
            damaged(&seen, "t/ckpt-2", &[("lose", &format!("t/ckpt-2.{name}"))]);
        }
        damaged(&[prefix("t/ckpt-1"), vec![state]].concat(), "t/ckpt-2", &[("cut", "t/ckpt-1.index")]);
        let saved = [prefix("s/variables/variables"), vec![file("s/saved_model.pb", 9)]].concat();
        damaged(&saved, "s", &[("lose", "s/saved_model.pb"), ("empty", "s/saved_model.pb")]);
        damaged(
            &saved,
            "s",
            &[("lose", "s/variables/variables.data-00001-of-00002"), ("lose", "s/variables/variables.index")],
        );
    }
}
