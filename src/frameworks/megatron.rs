//! Megatron: `iter_NNNNNNN` directories, and beside them `latest_checkpointed_iteration.txt`, which is written last.
//!
//! What `latest_checkpointed_iteration.txt` says is judged as `latest` of DeepSpeed is.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, Seen, dcp, names, ranks};
use std::collections::BTreeSet;

const TRACKER: &[u8] = b"latest_checkpointed_iteration.txt";
/// What a directory of one model parallel rank may have; if one rank has it, all have.
const OF_RANK: [&[u8]; 3] = [b"model_optim_rng.pt", b"model_rng.pt", b"distrib_optim.pt"];

/// The framework.
pub(super) struct Megatron;

impl Framework for Megatron {
    fn name(&self) -> &'static str {
        "Megatron"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        match name {
            TRACKER => Interest::Content,
            b"metadata.json" => Interest::Name,
            _ => Interest::Nothing,
        }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        name == TRACKER || name == b"metadata.json"
    }

    fn find<'a>(&self, place: Place<'a>, _free: &Free<'a>) -> Vec<Claim<'a>> {
        if is_iteration(place) {
            let mut claim = Claim::whole(place);
            claim.step = names::numbers(place.name(), "iter_#").map(|numbers| numbers[0]);
            check(place, &mut claim.faults);
            return vec![claim];
        }
        lost(place).into_iter().collect()
    }
}

/// The ranks that have a directory of their own, as their numbers and the directory.
fn parts(place: Place<'_>) -> Vec<(Vec<u64>, Place<'_>)> {
    let patterns = ["mp_rank_#", "mp_rank_#_#", "mp_rank_#_#_#"];
    let numbers = |dir: Place<'_>| patterns.iter().find_map(|pattern| names::numbers(dir.name(), pattern));
    place.dirs().filter_map(|dir| Some((numbers(dir)?, dir))).collect()
}

fn is_distributed(place: Place<'_>) -> bool {
    let own: [&[u8]; 3] = [b".metadata", b"metadata.json", b"common.pt"];
    place.files().keys().any(|name| own.contains(name) || name.ends_with(b".distcp"))
}

fn is_iteration(place: Place<'_>) -> bool {
    let numbered = place.name().len() >= 12 && names::numbers(place.name(), "iter_#").is_some();
    let tracked = || place.parent().is_some_and(|parent| parent.has(TRACKER));
    (numbered && tracked())
        || (numbered || place.name() == b"release") && (!parts(place).is_empty() || is_distributed(place))
}

/// The iteration that the tracker names.
fn tracked(place: Place<'_>) -> Option<u64> {
    names::number(place.content(TRACKER)?.trim_ascii())
}

/// The iteration that the tracker names but that is not there, unless a later one is.
fn lost(place: Place<'_>) -> Option<Claim<'_>> {
    let named = tracked(place)?;
    let steps: Vec<u64> = place.dirs().filter_map(|dir| names::last_number(dir.name())).collect();
    // Other programs use the tracker with directories of other names.
    let others = place.dirs().any(|dir| !is_iteration(dir) && names::last_number(dir.name()).is_some());
    let there = steps.iter().any(|step| *step >= named);
    let name = format!("iter_{named:07}");
    let why = || format!("latest_checkpointed_iteration.txt names {name}, which is not there");
    (!others && !there).then(|| Claim::lost(place, name.as_bytes(), why()))
}

fn check(place: Place<'_>, faults: &mut Vec<String>) {
    let (parts, distributed) = (parts(place), is_distributed(place));
    if distributed {
        if place.files().keys().any(|name| name.ends_with(b".distcp")) || place.has(b".metadata") {
            dcp::check(place, faults);
        }
        if !place.has(b"metadata.json") && place.has(b"common.pt") {
            faults.push("metadata.json is missing: it is written last".into());
        }
        let others: Vec<Place<'_>> = place.siblings().into_iter().filter(|other| is_distributed(*other)).collect();
        if !place.has(b"common.pt") && !others.is_empty() && others.iter().all(|other| other.has(b"common.pt")) {
            faults.push("common.pt is missing: its neighbours have it".into());
        }
    } else if parts.is_empty() {
        faults.push("nothing that Megatron writes is in it".into());
    }
    check_ranks(place, &parts, faults);
    let Some(parent) = place.parent() else { return };
    let own = names::last_number(place.name());
    match parent.file(TRACKER) {
        Some(marker) if ranks::after_marker(place, own, marker, tracked(parent)) => {
            faults.push("latest_checkpointed_iteration.txt still names an earlier one: it is written last".into());
        }
        Some(_) => {}
        None if parent.dirs().filter(|dir| is_iteration(*dir)).take(2).count() == 1 => {
            faults.push("latest_checkpointed_iteration.txt is missing: it is written last".into());
        }
        None => {}
    }
}

fn files_of_ranks<'a>(parts: &[(Vec<u64>, Place<'a>)]) -> Vec<&'a Seen> {
    parts
        .iter()
        .flat_map(|(_, dir)| dir.files().values().copied())
        .filter(|seen| names::is_weights(&seen.path))
        .collect()
}

fn check_ranks(place: Place<'_>, own: &[(Vec<u64>, Place<'_>)], faults: &mut Vec<String>) {
    let set: BTreeSet<Vec<u64>> = own.iter().map(|(numbers, _)| numbers.clone()).collect();
    let width = set.first().map_or(0, Vec::len);
    if set.iter().any(|numbers| numbers.len() != width) {
        faults.push("its mp_rank directories are of different kinds".into());
    } else if !ranks::regular(&set) {
        let pattern = ["mp_rank_##", "mp_rank_##_###", "mp_rank_##_###_###"][width.clamp(1, 3) - 1];
        ranks::tell(faults, pattern, &ranks::missing(&set));
    }
    for name in OF_RANK.iter().filter(|name| own.iter().any(|(_, dir)| dir.has(name))) {
        let without = own.iter().filter(|(_, dir)| !dir.has(name));
        let told = |dir: &Place<'_>| String::from_utf8_lossy(&[dir.name(), name].join(&b'/')).into_owned();
        faults.extend(without.map(|(_, dir)| format!("{} is missing", told(dir))));
    }
    let files = files_of_ranks(own);
    if !own.is_empty() && files.is_empty() {
        faults.push("its mp_rank directories are empty".into());
    }
    let others = place.siblings().into_iter().map(|sibling| (sibling, files_of_ranks(&parts(sibling))));
    let more = others.into_iter().find(|(_, other)| ranks::fewer(&files, other));
    faults.extend(more.map(|(more, other)| {
        let (have, name) = (files.len(), String::from_utf8_lossy(more.name()));
        format!("it has {have} files of ranks, but {name} has {}, and more data", other.len())
    }));
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, text};

    fn tracker(step: u64) -> Vec<Seen> {
        vec![Seen { mtime: step as i64, ..text("run/latest_checkpointed_iteration.txt", &step.to_string()) }]
    }

    fn iteration(step: u64, parts: &[&str]) -> Vec<Seen> {
        let seen = |part: &&str| Seen { mtime: step as i64, ..file(&format!("run/iter_{step:07}/{part}"), 1000) };
        parts.iter().map(seen).collect()
    }

    const RANKS: [&str; 4] = [
        "mp_rank_00_000/model_optim_rng.pt",
        "mp_rank_00_001/model_optim_rng.pt",
        "mp_rank_01_000/model_optim_rng.pt",
        "mp_rank_01_001/model_optim_rng.pt",
    ];
    const DISTRIBUTED: [&str; 5] = ["common.pt", "metadata.json", ".metadata", "__0_0.distcp", "__1_1.distcp"];

    #[test]
    fn good_ones_are_complete() {
        for parts in [&RANKS[..], &DISTRIBUTED, &["mp_rank_00/model_optim_rng.pt"]] {
            let found = good([iteration(10, parts), iteration(20, parts), tracker(20)].concat());
            let expected = [10, 20].map(|step| (format!("run/iter_{step:07}"), "Megatron", Some(step)));
            assert_eq!(found, expected);
        }
        let release = file("run/release/mp_rank_00/model_optim_rng.pt", 9);
        let seen = vec![release, text("run/latest_checkpointed_iteration.txt", "release")];
        assert_eq!(good(seen), [("run/release".to_owned(), "Megatron", None)]);
    }

    #[test]
    fn damages_are_told() {
        let ranks = [iteration(10, &RANKS), iteration(20, &RANKS), tracker(20)].concat();
        for rank in RANKS.map(|rank| format!("run/iter_0000020/{rank}")) {
            damaged(&ranks, "run/iter_0000020", &[("lose", &rank), ("empty", &rank), ("break", &rank)]);
        }
        let distributed = [iteration(10, &DISTRIBUTED), iteration(20, &DISTRIBUTED), tracker(20)].concat();
        for part in DISTRIBUTED {
            damaged(&distributed, "run/iter_0000020", &[("lose", &format!("run/iter_0000020/{part}"))]);
        }
        let one = [iteration(20, &DISTRIBUTED), tracker(20)].concat();
        damaged(&one, "run/iter_0000020", &[("lose", "run/latest_checkpointed_iteration.txt")]);
        let early = [iteration(10, &RANKS), iteration(20, &RANKS), tracker(10)].concat();
        assert_eq!(faults(early).len(), 1);
        let lost = faults([iteration(10, &RANKS), tracker(20)].concat());
        assert_eq!(
            lost,
            ["run/iter_0000020: latest_checkpointed_iteration.txt names iter_0000020, which is not there"]
        );
    }
}
