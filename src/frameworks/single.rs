//! Files of weights that belong to no framework: one file, or a set of files with numbers, as of llama.cpp.

use super::names::{self, Shard};
use super::tree::Place;
use super::{Claim, Framework, Free, Interest, Seen, hf_model};

/// Smaller `.bin` files may be anything.
const BIN_MIN: u64 = 1 << 20;

/// The framework.
pub(super) struct Single;

impl Framework for Single {
    fn name(&self) -> &'static str {
        "file"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        if names::is_weights(name) { Interest::Name } else { Interest::Nothing }
    }

    fn find<'a>(&self, place: Place<'a>, free: &Free<'a>) -> Vec<Claim<'a>> {
        let files: Vec<(&'a [u8], &'a Seen)> = free.iter().map(|(name, seen)| (*name, *seen)).collect();
        let weights = |(name, seen): &(&'a [u8], &'a Seen)| is_alone(name, place.tree.real(seen).unwrap_or(seen));
        let weights: Vec<_> = files.into_iter().filter(weights).collect();
        let sets = hf_model::sets(weights.iter().map(|(name, _)| *name));
        let alone = weights.iter().filter(|(name, _)| Shard::parse(name).is_none());
        let alone = alone.map(|(_, seen)| Claim::of(seen.path.clone(), vec![*seen]));
        alone.chain(sets.iter().filter_map(|set| of_set(place, free, set))).collect()
    }
}

fn of_set<'a>(place: Place<'a>, free: &Free<'a>, set: &[Shard<'_>]) -> Option<Claim<'a>> {
    let first = set.first()?.sibling(1);
    let path = if place.path().is_empty() { first } else { [place.path(), &first].join(&b'/') };
    let names = set.iter().map(|shard| shard.sibling(shard.number));
    let mut claim = Claim::of(path, names.filter_map(|name| free.get(&name[..]).copied()).collect());
    claim.faults = hf_model::missing(set).iter().map(|name| format!("{name} is missing")).collect();
    Some(claim)
}

/// Whether a file is a checkpoint on its own, or will be one once it is finished.
fn is_alone(name: &[u8], seen: &Seen) -> bool {
    let name = names::unfinished(name).unwrap_or(name);
    let other = name.ends_with(b".pkl") || name.ends_with(b".msgpack");
    let small = name.ends_with(b".bin") && seen.size < BIN_MIN && seen.broken.is_none();
    hf_model::is_model(name) && !other && !small
}

#[cfg(test)]
mod tests {
    use super::super::tests::{damaged, file, good};

    #[test]
    fn good_ones_are_complete() {
        let names = ["a.gguf", "b.onnx", "c.pt", "d.safetensors", "q-00001-of-00002.gguf"];
        let mut seen = names.map(|name| file(&format!("m/{name}"), 9)).to_vec();
        seen.extend([file("m/q-00002-of-00002.gguf", 9), file("m/small.bin", 9), file("m/optimizer.pt", 9)]);
        assert_eq!(good(seen), names.map(|name| (format!("m/{name}"), "file", None)));
        assert_eq!(good(vec![file("big.bin", 2 << 20)]).len(), 1);
    }

    #[test]
    fn damages_are_told() {
        let seen = ["m/a.gguf", "m/q-00001-of-00002.gguf", "m/q-00002-of-00002.gguf"].map(|path| file(path, 9));
        damaged(&seen, "m/a.gguf", &[("empty", "m/a.gguf"), ("break", "m/a.gguf")]);
        damaged(
            &seen,
            "m/q-00001-of-00002.gguf",
            &[("lose", "m/q-00001-of-00002.gguf"), ("lose", "m/q-00002-of-00002.gguf")],
        );
        damaged(&seen, "m/c.pth.part", &[("add", "m/c.pth.part")]);
    }
}
