//! Model directories of Hugging Face: a configuration, and weights in one file or in shards that an index names.
//!
//! An index of which no shard is there is ignored if other weights are: a download often takes one format only.
//! Whether a shard of safetensors is long enough its own header tells. `metadata.total_size` of the index is held against
//! other shards only: tools that quantize or strip weights often leave a too large one behind.

use super::names::{self, Shard};
use super::tree::Place;
use super::{Claim, Framework, Free, Interest, json};
use std::collections::{BTreeMap, BTreeSet};

const CONFIGS: [&[u8]; 2] = [b"config.json", b"adapter_config.json"];
/// Beginnings of the shards that cannot be loaded without an index.
const INDEXED: [&[u8]; 4] = [b"model-", b"pytorch_model-", b"adapter_model-", b"diffusion_pytorch_model-"];

/// The framework.
pub(super) struct Model;

impl Framework for Model {
    fn name(&self) -> &'static str {
        "Hugging Face model"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        match name {
            _ if is_index(name) => Interest::Content,
            _ if CONFIGS.contains(&name) || names::is_weights(name) => Interest::Name,
            _ => Interest::Nothing,
        }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        is_index(name)
    }

    fn find<'a>(&self, place: Place<'a>, free: &Free<'a>) -> Vec<Claim<'a>> {
        let weights = free.keys().any(|name| is_model(name));
        let configured = CONFIGS.iter().any(|name| free.contains_key(name));
        let indexed = free.keys().any(|name| is_index(name));
        if !(indexed || configured && weights) {
            return Vec::new();
        }
        let mut claim = Claim::of(place.path().to_vec(), free.values().copied().collect());
        check(place, &mut claim.faults);
        (claim.step, claim.metrics) = super::hf_trainer::state(place).unwrap_or_default();
        vec![claim]
    }
}

/// Whether a file lists shards, as `model.safetensors.index.json` and `pytorch_model.bin.index.fp16.json` do.
fn is_index(name: &[u8]) -> bool {
    let kinds: [&[u8]; 4] = [b".safetensors.index.", b".bin.index.", b".h5.index.", b".msgpack.index."];
    name.ends_with(b".json") && kinds.iter().any(|kind| names::contains(name, kind))
}

/// Whether a file holds the weights of a model, and not a state of training.
pub(super) fn is_model(name: &[u8]) -> bool {
    let training: [&[u8]; 7] =
        [b"optimizer", b"scheduler", b"scaler", b"rng_state", b"random_states", b"training_args", b"tokenizer"];
    names::is_weights(name) && !training.iter().any(|start| name.starts_with(start))
}

/// Judges the weights right in a directory; whether there are any.
pub(super) fn check(place: Place<'_>, faults: &mut Vec<String>) -> bool {
    let mut listed = BTreeSet::new();
    for name in place.files().keys().filter(|name| is_index(name)) {
        let Some(content) = place.content(name) else { continue };
        let told = String::from_utf8_lossy(name);
        let index = json::read(content).unwrap_or_default();
        let Some(map) = index["weight_map"].as_object() else {
            faults.push(format!("{told} is no index: it was cut short or damaged"));
            continue;
        };
        let shards: BTreeSet<&str> = map.values().filter_map(|shard| shard.as_str()).collect();
        let missing: Vec<&&str> = shards.iter().filter(|shard| !place.has(shard.as_bytes())).collect();
        let other = |name: &&[u8]| is_model(name) && !shards.iter().any(|shard| shard.as_bytes() == *name);
        if missing.len() == shards.len() && place.files().keys().any(other) {
            continue;
        }
        faults.extend(missing.iter().map(|shard| format!("{shard} is missing: {told} names it")));
        if missing.is_empty() && !shards.iter().any(|shard| shard.ends_with(".safetensors")) {
            let size =
                |shard: &&str| place.file(shard.as_bytes()).and_then(|seen| place.tree.real(seen).ok()).map(|f| f.size);
            let sum: u64 = shards.iter().filter_map(size).fold(0, u64::saturating_add);
            let total = index["metadata"]["total_size"].as_f64().unwrap_or_default();
            if (sum as f64) < total {
                faults.push(format!("its shards have {sum} bytes, but {told} promises {total}"));
            }
        }
        listed.insert(stem(name));
    }
    check_sets(place, &listed, faults);
    place.files().keys().any(|name| is_model(name) || is_index(name))
}

fn stem(name: &[u8]) -> &[u8] {
    name.split(|c| matches!(c, b'.' | b'-')).next().unwrap_or_default()
}

/// Judges shards by their names, where no index does.
fn check_sets(place: Place<'_>, listed: &BTreeSet<&[u8]>, faults: &mut Vec<String>) {
    for set in sets(place.files().keys().copied().filter(|name| is_model(name))) {
        let [first, ..] = &set[..] else { continue };
        if listed.contains(stem(first.before)) {
            continue;
        }
        let missing = missing(&set);
        faults.extend(missing.iter().map(|name| format!("{name} is missing")));
        if missing.is_empty() && INDEXED.contains(&first.before) {
            let name = [first.before.strip_suffix(b"-").unwrap_or(first.before), first.after, b".index.json"].concat();
            if !place.has(&name) {
                faults.push(format!("{} is missing: it is written after the shards", String::from_utf8_lossy(&name)));
            }
        }
    }
}

/// Names that are parts of sets, by set.
pub(super) fn sets<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<Shard<'a>>> {
    let mut sets: BTreeMap<_, Vec<Shard<'a>>> = BTreeMap::new();
    for shard in names.filter_map(Shard::parse) {
        sets.entry((shard.before, shard.of, shard.after)).or_default().push(shard);
    }
    sets.into_values().collect()
}

/// The first few names that are missing in a set that counts from one.
pub(super) fn missing(set: &[Shard<'_>]) -> Vec<String> {
    let Some(first) = set.first() else { return Vec::new() };
    let have: BTreeSet<u64> = set.iter().map(|shard| shard.number).collect();
    let missing = (1..=first.of).filter(|number| !have.contains(number)).take(8);
    missing.map(|number| String::from_utf8_lossy(&first.sibling(number)).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, text};

    fn index(path: &str, total: u64, shards: &[&str]) -> Seen {
        let map: Vec<String> = shards.iter().map(|shard| format!(r#""{shard}.weight": "{shard}""#)).collect();
        text(path, &format!(r#"{{"metadata": {{"total_size": {total}}}, "weight_map": {{{}}}}}"#, map.join(",")))
    }

    fn sharded() -> Vec<Seen> {
        let shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
        let files = shards.map(|shard| file(&format!("m/{shard}"), 1000));
        let index = index("m/pytorch_model.bin.index.json", 1900, &shards);
        [&files[..], &[index, file("m/config.json", 9)]].concat()
    }

    #[test]
    fn good_ones_are_complete() {
        let model = |path: &str| (path.to_owned(), "Hugging Face model", None);
        assert_eq!(good(sharded()), [model("m")]);
        assert_eq!(good(vec![file("m/config.json", 9), file("m/model.safetensors", 99)]), [model("m")]);
        assert_eq!(good(vec![file("config.json", 9), file("x.txt", 9)]), []);
        let pipeline = ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "model_index.json"];
        assert_eq!(good(pipeline.map(|path| file(path, 9)).to_vec()), [model("unet")]);
    }

    #[test]
    fn an_index_of_a_format_that_was_not_fetched_is_no_fault() {
        let other = index("m/pytorch_model.bin.index.json", 9000, &["pytorch_model-00001-of-00001.bin"]);
        let quantized = index("m/model.safetensors.index.json", 9000, &["model.safetensors"]);
        assert_eq!(good(vec![other, quantized, file("m/model.safetensors", 99), file("m/config.json", 9)]).len(), 1);
    }

    #[test]
    fn damages_are_told() {
        let shard = "m/pytorch_model-00002-of-00002.bin";
        let index = "m/pytorch_model.bin.index.json";
        damaged(&sharded(), "m", &[("lose", shard), ("cut", shard), ("empty", shard), ("break", shard)]);
        damaged(&sharded(), "m", &[("lose", index), ("cut", index), ("empty", index)]);
        let left = sharded().into_iter().filter(|seen| !seen.path.ends_with(b".bin")).collect();
        assert_eq!(faults(left).len(), 2);
        let names = ["model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors", "config.json"];
        assert_eq!(faults(names.map(|name| file(name, 9)).to_vec()), [": model-00002-of-00003.safetensors is missing"]);
    }
}
