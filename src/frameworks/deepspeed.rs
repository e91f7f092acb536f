//! DeepSpeed: a directory a tag with one file a rank, and beside it `latest`, which is written last and names the tag.
//!
//! `latest` may name a tag that is gone. If a later one is there, that one was not finished; if none is, the lost one is
//! reported, and the older ones remain as good as they are. Several tags without any `latest` are complete, since a
//! program may save without it; a single one is not, since it may be the first save that never ended.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, Seen, names, ranks};
use std::collections::BTreeSet;

const OPTIMIZER: [&str; 4] = [
    "zero_pp_rank_#_mp_rank_##_optim_states.pt",
    "bf16_zero_pp_rank_#_mp_rank_##_optim_states.pt",
    "fp16_zero_pp_rank_#_mp_rank_##_optim_states.pt",
    "expp_rank_#_mp_rank_##_optim_states.pt",
];
const MODEL: &str = "mp_rank_##_model_states.pt";
const ZERO_MODEL: &str = "zero_pp_rank_#_mp_rank_##_model_states.pt";
const EXPERT: &str = "layer_#_expert_#_mp_rank_##_model_states.pt";

/// The framework.
pub(super) struct DeepSpeed;

impl Framework for DeepSpeed {
    fn name(&self) -> &'static str {
        "DeepSpeed"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        if name == b"latest" { Interest::Content } else { Interest::Nothing }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        name == b"latest"
    }

    fn find<'a>(&self, place: Place<'a>, _free: &Free<'a>) -> Vec<Claim<'a>> {
        if is_tag(place) {
            let mut claim = Claim::whole(place);
            claim.step = names::last_number(place.name());
            check(place, &mut claim.faults);
            return vec![claim];
        }
        lost(place).into_iter().collect()
    }
}

fn states(place: Place<'_>) -> Vec<&Seen> {
    place.files().iter().filter(|(name, _)| name.ends_with(b"_states.pt")).map(|(_, seen)| *seen).collect()
}

/// Whether a directory is a tag.
pub(super) fn is_tag(place: Place<'_>) -> bool {
    let named = names::numbers(place.name(), "global_step#").is_some();
    place.files().keys().any(|name| name.ends_with(b"_states.pt"))
        || named && place.parent().is_some_and(|parent| latest(parent).is_some())
}

/// The tag that `latest` names.
fn latest(place: Place<'_>) -> Option<&[u8]> {
    let name = place.content(b"latest")?.trim_ascii();
    let plain = (1..256).contains(&name.len()) && !name.contains(&b'/') && !name.contains(&0) && name != b"..";
    plain.then_some(name)
}

fn has_later(place: Place<'_>) -> bool {
    let step = names::last_number(place.name());
    place.siblings().iter().any(|sibling| names::last_number(sibling.name()) > step)
}

/// The tag that `latest` names but that is not there, unless a later one is.
pub(super) fn lost(place: Place<'_>) -> Option<Claim<'_>> {
    let name = latest(place)?;
    let tags = place.dirs().filter(|dir| is_tag(*dir)).map(|dir| names::last_number(dir.name()));
    let tags: Vec<Option<u64>> = tags.collect();
    let ours = !tags.is_empty() || names::numbers(name, "global_step#").is_some();
    let later = tags.iter().any(|step| *step > names::last_number(name));
    let why = || format!("latest names {}, which is not there", String::from_utf8_lossy(name));
    (ours && !later && place.dir(name).is_none()).then(|| Claim::lost(place, name, why()))
}

/// How many processes have saved their part of the optimizer.
pub(super) fn processes(place: Place<'_>) -> Option<usize> {
    let experts = !ranks::found(place.files().keys().copied(), EXPERT).is_empty();
    let count = |pattern: &str| ranks::found(place.files().keys().copied(), pattern).len();
    OPTIMIZER.iter().map(|pattern| count(pattern)).max().filter(|count| *count > 0 && !experts)
}

fn check(place: Place<'_>, faults: &mut Vec<String>) {
    let found = |pattern: &str| ranks::found(place.files().keys().copied(), pattern);
    let (model, zero, expert) = (found(MODEL), found(ZERO_MODEL), found(EXPERT));
    let optimizer = OPTIMIZER.map(|pattern| (pattern, found(pattern)));
    for (pattern, set) in optimizer.iter().chain(&[(MODEL, model.clone()), (ZERO_MODEL, zero.clone())]) {
        ranks::tell(faults, pattern, &ranks::missing(set));
    }
    if !ranks::regular(&expert) {
        ranks::tell(faults, EXPERT, &ranks::missing(&expert));
    }
    let layers = place.files().keys().any(|name| name.starts_with(b"layer_"));
    for (pattern, set) in optimizer.iter().filter(|(pattern, set)| !set.is_empty() && !pattern.starts_with("expp")) {
        if !zero.is_empty() {
            ranks::tell(faults, ZERO_MODEL, &set.difference(&zero).cloned().collect::<Vec<_>>());
            ranks::tell(faults, pattern, &zero.difference(set).cloned().collect::<Vec<_>>());
        } else if !layers {
            let of: BTreeSet<Vec<u64>> = set.iter().map(|numbers| numbers[1..].to_vec()).collect();
            ranks::tell(faults, MODEL, &of.difference(&model).cloned().collect::<Vec<_>>());
            let lone: Vec<Vec<u64>> = model.difference(&of).map(|rank| vec![0, rank[0]]).collect();
            ranks::tell(faults, pattern, &lone);
        }
    }
    let own = states(place);
    if own.is_empty() {
        faults.push("none of the states that DeepSpeed writes is there".into());
    }
    let more = place.siblings().into_iter().find(|sibling| ranks::fewer(&own, &states(*sibling)));
    faults.extend(more.map(|more| {
        let (have, name) = (own.len(), String::from_utf8_lossy(more.name()));
        format!("it has {have} files of states, but {name} has {}, and more data", states(more).len())
    }));
    let Some(parent) = place.parent() else { return };
    match (parent.file(b"latest"), latest(parent)) {
        (Some(marker), Some(name)) => {
            let (own, named) = (names::last_number(place.name()), names::last_number(name));
            if ranks::after_marker(place, own, marker, named) {
                faults.push(format!("latest still names {}: it is written last", String::from_utf8_lossy(name)));
            }
        }
        (Some(marker), None) if marker.content.is_some() && !has_later(place) => {
            faults.push("latest names no tag".into());
        }
        (Some(_), None) => {}
        (None, _) if parent.dirs().filter(|dir| is_tag(*dir)).take(2).count() == 1 => {
            faults.push("latest is missing: it is written last".into());
        }
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, text};

    fn tag(step: u64, stage: u8, ranks: u64) -> Vec<Seen> {
        let top = format!("run/global_step{step}");
        let optimizer = (0..ranks).map(|rank| format!("{top}/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"));
        let model = match stage {
            3 => (0..ranks).map(|rank| format!("{top}/zero_pp_rank_{rank}_mp_rank_00_model_states.pt")).collect(),
            _ => vec![format!("{top}/mp_rank_00_model_states.pt")],
        };
        optimizer.chain(model).map(|path| Seen { mtime: step as i64, ..file(&path, 8000 / ranks) }).collect()
    }

    fn latest(step: u64) -> Vec<Seen> {
        vec![Seen { mtime: step as i64, ..text("run/latest", &format!("global_step{step}\n")) }]
    }

    #[test]
    fn good_ones_are_complete() {
        for (stage, ranks) in [(1, 4), (3, 4), (3, 1)] {
            let found = good([tag(10, stage, ranks), tag(20, stage, ranks), latest(20)].concat());
            let expected = [10, 20].map(|step| (format!("run/global_step{step}"), "DeepSpeed", Some(step)));
            assert_eq!(found, expected);
        }
        // More or fewer processes than before; set back, so that a later step is the older one; saved without `latest`.
        assert_eq!(good([tag(10, 3, 8), tag(20, 3, 4), tag(30, 3, 8), latest(30)].concat()).len(), 3);
        let set_back = [tag(30, 3, 4), tag(20, 3, 4), vec![Seen { mtime: 40, ..latest(20)[0].clone() }]].concat();
        assert_eq!(good(set_back).len(), 2);
        assert_eq!(good([tag(10, 3, 4), tag(20, 3, 4)].concat()).len(), 2);
        let moe = ["layer_0_expert_0_mp_rank_00_model_states.pt", "layer_0_expert_1_mp_rank_00_model_states.pt"];
        let moe = moe.map(|name| file(&format!("run/global_step5/{name}"), 9)).to_vec();
        let rest = ["mp_rank_00_model_states.pt", "expp_rank_0_mp_rank_00_optim_states.pt"];
        let rest = rest.map(|name| file(&format!("run/global_step5/{name}"), 9)).to_vec();
        assert_eq!(good([moe, rest, vec![Seen { mtime: 100, ..latest(5)[0].clone() }]].concat()).len(), 1);
    }

    #[test]
    fn damages_are_told() {
        let three = [tag(10, 3, 4), tag(20, 3, 4), latest(20)].concat();
        let one = [tag(10, 1, 4), tag(20, 1, 4), latest(20)].concat();
        for rank in 0..4 {
            let optimizer = format!("run/global_step20/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt");
            let model = format!("run/global_step20/zero_pp_rank_{rank}_mp_rank_00_model_states.pt");
            damaged(&three, "run/global_step20", &[("lose", &optimizer), ("lose", &model), ("empty", &model)]);
            damaged(&one, "run/global_step20", &[("lose", &optimizer), ("break", &optimizer), ("empty", &optimizer)]);
        }
        damaged(&one, "run/global_step20", &[("lose", "run/global_step20/mp_rank_00_model_states.pt")]);
        damaged(&one, "run/global_step20", &[("empty", "run/latest"), ("add", "run/global_step20/x.pt.tmp")]);
        damaged(&[tag(5, 1, 2), latest(5)].concat(), "run/global_step5", &[("lose", "run/latest")]);
    }

    #[test]
    fn a_tag_that_latest_does_not_name_yet_is_not_complete() {
        let found = faults([tag(10, 3, 2), tag(20, 3, 2), latest(10)].concat());
        assert_eq!(found, ["run/global_step20: latest still names global_step10: it is written last"]);
        let found = faults([tag(10, 3, 2), latest(20)].concat());
        assert_eq!(found, ["run/global_step20: latest names global_step20, which is not there"]);
    }
}
