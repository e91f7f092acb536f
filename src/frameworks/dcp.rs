//! PyTorch distributed checkpoints: `__R_I.distcp` files, and `.metadata`, which is written last and names them.
//!
//! A rank that has nothing to write may leave no file or an empty one, so that gaps in the names mean nothing.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, Seen, ranks};
use std::collections::BTreeMap;

/// The framework.
pub(super) struct Dcp;

impl Framework for Dcp {
    fn name(&self) -> &'static str {
        "PyTorch distributed"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        match name {
            b".metadata" => Interest::Content,
            _ if name.ends_with(b".distcp") => Interest::Name,
            _ => Interest::Nothing,
        }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        name == b".metadata"
    }

    fn find<'a>(&self, place: Place<'a>, free: &Free<'a>) -> Vec<Claim<'a>> {
        let data = free.keys().any(|name| name.ends_with(b".distcp"));
        if !data && (!free.contains_key(&b".metadata"[..]) || !fits_by_metadata(place)) {
            return Vec::new();
        }
        let mut claim = Claim::whole(place);
        claim.step = super::names::last_number(place.name());
        check(place, &mut claim.faults);
        vec![claim]
    }
}

/// Whether a lone `.metadata` is one of ours: others use the name, too.
fn fits_by_metadata(place: Place<'_>) -> bool {
    place.content(b".metadata").is_some_and(|content| promised(content).is_some())
        || place.siblings().iter().any(|sibling| !shards(*sibling).is_empty())
}

fn shards(place: Place<'_>) -> Vec<&Seen> {
    place.files().iter().filter(|(name, _)| name.ends_with(b".distcp")).map(|(_, seen)| *seen).collect()
}

/// Judges the files of a directory.
pub(super) fn check(place: Place<'_>, faults: &mut Vec<String>) {
    let own = shards(place);
    if !place.has(b".metadata") {
        faults.push(".metadata is missing: it is written last".into());
        return;
    }
    if place.content(b".metadata").is_some_and(|content| content.iter().all(|byte| *byte == 0)) {
        faults.push(".metadata is empty or zeros: it was never written".into());
    } else if let Some(promised) = place.content(b".metadata").and_then(promised) {
        hold(place, &promised, faults);
    } else if own.is_empty() {
        faults.push(".metadata is there, but no .distcp file".into());
    } else {
        let more = place.siblings().into_iter().find(|sibling| ranks::fewer(&own, &shards(*sibling)));
        faults.extend(more.map(|more| {
            let (have, name) = (own.len(), String::from_utf8_lossy(more.name()));
            format!("it has {have} .distcp files, but {name} has {}, and more data", shards(more).len())
        }));
    }
}

/// Holds the files against what `.metadata` promises.
fn hold(place: Place<'_>, promised: &BTreeMap<String, u64>, faults: &mut Vec<String>) {
    for (name, least) in promised {
        match place.file(name.as_bytes()).map(|seen| place.tree.real(seen)) {
            None => faults.push(format!("{name} is missing: .metadata names it")),
            Some(Ok(seen)) if seen.size < *least => {
                faults.push(format!("{name} has {} bytes, but .metadata needs {least}", seen.size));
            }
            Some(_) => {}
        }
    }
}

/// The files that `.metadata` names, with the least length of each.
fn promised(content: &[u8]) -> Option<BTreeMap<String, u64>> {
    crate::formats::dcp::shards(content).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, text};
    use super::super::tree::Tree;
    use super::hold;

    fn step(step: u64) -> Vec<Seen> {
        let names = [".metadata", "__0_0.distcp", "__1_0.distcp", "__3_0.distcp"];
        names.map(|name| file(&format!("run/step-{step}/{name}"), 1000)).to_vec()
    }

    #[test]
    fn good_ones_are_complete() {
        let expected = [10, 20].map(|step| (format!("run/step-{step}"), "PyTorch distributed", Some(step)));
        assert_eq!(good([step(10), step(20)].concat()), expected);
        assert_eq!(good(vec![file("a/.metadata", 9)]), []);
        assert_eq!(good(vec![file("a/.metadata", 9), file("a/__0_0.distcp", 9), file("a/__1_0.distcp", 0)]).len(), 1);
    }

    #[test]
    fn promises_are_kept_or_told() {
        let seen = step(10);
        let tree = Tree::new(&seen);
        let place = tree.top().dir(b"run").and_then(|run| run.dir(b"step-10")).unwrap();
        let told = |promised: &[(&str, u64)]| {
            let mut faults = Vec::new();
            hold(place, &promised.iter().map(|(name, least)| ((*name).to_owned(), *least)).collect(), &mut faults);
            faults
        };
        assert_eq!(told(&[("__0_0.distcp", 1000), ("__1_0.distcp", 0)]), [""; 0]);
        assert_eq!(told(&[("__0_0.distcp", 1001)]), ["__0_0.distcp has 1000 bytes, but .metadata needs 1001"]);
        assert_eq!(told(&[("__2_0.distcp", 0)]), ["__2_0.distcp is missing: .metadata names it"]);
    }

    #[test]
    fn damages_are_told() {
        let seen = [step(10), step(20)].concat();
        let one = |name: &str| format!("run/step-20/{name}");
        damaged(&seen, "run/step-20", &[("lose", &one(".metadata")), ("add", &one(".metadata.tmp"))]);
        damaged(&seen, "run/step-20", &[("lose", &one("__3_0.distcp")), ("break", &one("__0_0.distcp"))]);
        let zeros =
            [step(10), vec![text("run/step-20/.metadata", "\0\0\0"), file("run/step-20/__0_0.distcp", 9)]].concat();
        assert_eq!(faults(zeros), ["run/step-20: .metadata is empty or zeros: it was never written"]);
    }
}
