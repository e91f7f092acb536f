//! Trainer of Hugging Face: `checkpoint-N` with `trainer_state.json`, which is written last; and what accelerate saves.
//!
//! The order in it: model, optimizer, scheduler, state of random numbers, `trainer_state.json`. A checkpoint of the model
//! only has no optimizer, and that is complete unless its neighbours have one.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, deepspeed, hf_model, json, names, ranks};
use std::collections::{BTreeMap, BTreeSet};

const STATE: &[u8] = b"trainer_state.json";

/// The framework.
pub(super) struct Trainer;

impl Framework for Trainer {
    fn name(&self) -> &'static str {
        "Hugging Face"
    }

    fn interest(&self, name: &[u8]) -> Interest {
        if name == STATE { Interest::Content } else { Interest::Nothing }
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        name == STATE
    }

    fn find<'a>(&self, place: Place<'a>, _free: &Free<'a>) -> Vec<Claim<'a>> {
        let mut claim = Claim::whole(place);
        claim.step = names::last_number(place.name());
        if unfinished(place.name()) {
            claim.faults.push("its name is that of one which is still being written".into());
        } else if is_trainers(place) {
            check(place, &mut claim);
        } else if place.files().keys().any(|name| names::numbers(name, "random_states_#.pkl").is_some()) {
            check_parts(place, &mut claim.faults, |sibling| !sibling.files().is_empty());
        } else {
            return Vec::new();
        }
        vec![claim]
    }
}

/// Whether a directory of this name is still being written.
pub(super) fn unfinished(name: &[u8]) -> bool {
    name.strip_prefix(b"tmp-").is_some_and(|name| names::numbers(name, "checkpoint-#").is_some())
}

fn is_trainers(place: Place<'_>) -> bool {
    let own = |name: &&[u8]| {
        [STATE, b"training_args.bin", b"optimizer.pt", b"scheduler.pt"].contains(name) || name.starts_with(b"rng_state")
    };
    names::numbers(place.name(), "checkpoint-#").is_some()
        && (place.files().keys().any(own)
            || place.dirs().any(|dir| dir.name().starts_with(b"global_step") && deepspeed::is_tag(dir))
            || place.siblings().iter().any(|sibling| sibling.has(STATE)))
}

fn check(place: Place<'_>, claim: &mut Claim<'_>) {
    let faults = &mut claim.faults;
    match (place.has(STATE), place.content(STATE), state(place)) {
        (false, _, _) => faults.push("trainer_state.json is missing: it is written last".into()),
        (true, Some(_), None) => faults.push("trainer_state.json was cut short or damaged".into()),
        (true, _, state) => {
            let (step, metrics) = state.unwrap_or_default();
            claim.step = claim.step.or(step);
            claim.metrics = metrics;
        }
    }
    faults.extend(deepspeed::lost(place).into_iter().flat_map(|lost| lost.faults));
    check_parts(place, faults, |sibling| sibling.has(STATE));
    let random = ranks::found(place.files().keys().copied(), "rng_state_#.pth");
    for tag in place.dirs().filter(|dir| !random.is_empty() && deepspeed::is_tag(*dir)) {
        let (processes, name) = (deepspeed::processes(tag), String::from_utf8_lossy(tag.name()));
        if let Some(processes) = processes.filter(|processes| *processes != random.len()) {
            let random = random.len();
            faults.push(format!("{name} is of {processes} processes, but there are {random} rng_state files"));
        }
    }
}

/// Judges the model, the files of several processes, and what neighbours have.
fn check_parts(place: Place<'_>, faults: &mut Vec<String>, counts: fn(Place<'_>) -> bool) {
    let weights = hf_model::check(place, faults);
    let data = |name: &[u8]| hf_model::is_model(name) || name.ends_with(b".distcp");
    if !weights && !place.all().iter().any(|seen| data(names::last(&seen.path))) {
        faults.push("no file of a model is there".into());
    }
    // The three are saved together, or none of them is. Sharded optimizers have directories of their own.
    let resumes = place.has(b"scheduler.pt") || place.files().keys().any(|name| name.starts_with(b"rng_state"));
    let optimizer = |name: &[u8]| name.starts_with(b"optimizer") || names::family(name).starts_with(b"global_step#");
    if resumes && !place.all().iter().any(|seen| seen.path[place.path().len()..].split(|c| *c == b'/').any(optimizer)) {
        faults.push("optimizer.pt is missing: it is saved together with the scheduler and the random state".into());
    }
    for pattern in ["rng_state_#.pth", "random_states_#.pkl"] {
        let found = ranks::found(place.files().keys().copied(), pattern);
        ranks::tell(faults, pattern, &ranks::missing(&found));
    }
    // A process that is alone does not number its file.
    if ranks::found(place.files().keys().copied(), "rng_state_#.pth") == BTreeSet::from([vec![0]]) {
        ranks::tell(faults, "rng_state_#.pth", &[vec![1]]);
    }
    let siblings: Vec<_> = place.siblings().into_iter().filter(|sibling| counts(*sibling)).map(kinds).collect();
    let unlike = ranks::unlike(&kinds(place), &siblings);
    faults.extend(unlike.iter().map(|kind| format!("{} is missing: its neighbours have it", kind.replace('#', "*"))));
}

/// The kinds of files and directories that every checkpoint of a run should have.
fn kinds(place: Place<'_>) -> BTreeSet<String> {
    let kind = |name: &[u8]| String::from_utf8_lossy(&names::family(name)).into_owned();
    let dirs: [&[u8]; 3] = [b"global_step#", b"pytorch_model_fsdp_#", b"optimizer_#"];
    let random = |name: &[u8]| if name.starts_with(b"rng_state") { "rng_state#.pth".to_owned() } else { kind(name) };
    let files = place.files().keys().filter(|name| names::is_weights(name)).map(|name| random(name));
    let known = place.dirs().filter(|dir| dirs.contains(&&names::family(dir.name())[..]));
    files.chain(known.map(|dir| kind(dir.name()))).collect()
}

/// The step and the metrics of `trainer_state.json`.
pub(super) fn state(place: Place<'_>) -> Option<(Option<u64>, BTreeMap<String, f64>)> {
    let state = json::read(place.content(STATE)?).filter(serde_json::Value::is_object)?;
    let history = state["log_history"].as_array().into_iter().flatten().rev();
    let entries = history.map(json::numbers);
    let mut metrics = entries.map(|entry| entry.into_iter().filter(|(name, _)| name.starts_with("eval_")).collect());
    let mut metrics: BTreeMap<String, f64> =
        metrics.find(|found: &BTreeMap<_, _>| !found.is_empty()).unwrap_or_default();
    metrics
        .extend(state["best_metric"].as_f64().filter(|best| best.is_finite()).map(|best| ("best_metric".into(), best)));
    Some((state["global_step"].as_u64(), metrics))
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, judged, text};

    fn checkpoint(step: u64, parts: &[&str]) -> Vec<Seen> {
        let state = format!(
            r#"{{"global_step": {step}, "best_metric": 0.5, "log_history": [
            {{"eval_loss": 1.5, "epoch": 1.0}}, {{"eval_loss": 0.75, "eval_nan": NaN}}, {{"loss": NaN}}]}}"#
        );
        let all = parts.iter().map(|part| file(&format!("run/checkpoint-{step}/{part}"), 1 << 21));
        all.chain([text(&format!("run/checkpoint-{step}/trainer_state.json"), &state)]).collect()
    }

    const FULL: [&str; 6] =
        ["config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"];

    #[test]
    fn good_ones_are_complete() {
        let both = [checkpoint(500, &FULL), checkpoint(1000, &FULL)].concat();
        let steps = [1000, 500].map(|step| (format!("run/checkpoint-{step}"), "Hugging Face", Some(step)));
        assert_eq!(good(both.clone()), steps);
        let metrics = &judged(both)[0].metrics;
        assert_eq!(
            metrics.iter().map(|(name, value)| (&name[..], *value)).collect::<Vec<_>>(),
            [("best_metric", 0.5), ("eval_loss", 0.75)]
        );
        let model_only = ["config.json", "model.safetensors", "training_args.bin"];
        assert_eq!(good([checkpoint(1, &model_only), checkpoint(2, &model_only)].concat()).len(), 2);
        let adapter =
            ["adapter_config.json", "adapter_model.safetensors", "optimizer.pt", "rng_state_0.pth", "rng_state_1.pth"];
        assert_eq!(good(checkpoint(7, &adapter)).len(), 1);
        let fsdp = [
            "pytorch_model_fsdp_0/.metadata",
            "pytorch_model_fsdp_0/__0_0.distcp",
            "optimizer_0/.metadata",
            "optimizer_0/__0_0.distcp",
        ];
        assert_eq!(good(checkpoint(8, &fsdp)).len(), 1);
    }

    #[test]
    fn the_models_of_a_run_are_beside_its_checkpoints() {
        let parts = ["run/config.json", "run/model.safetensors"].map(|path| file(path, 9));
        let seen = [checkpoint(5, &FULL), parts.to_vec(), vec![text("run/trainer_state.json", "{\"global_step\":5}")]]
            .concat();
        let found = good(seen);
        assert_eq!(found[0], ("run".to_owned(), "Hugging Face model", Some(5)));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn damages_are_told() {
        let seen = [checkpoint(500, &FULL), checkpoint(1000, &FULL)].concat();
        let one = |name: &str| format!("run/checkpoint-1000/{name}");
        for name in ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"] {
            damaged(&seen, "run/checkpoint-1000", &[("lose", &one(name)), ("empty", &one(name))]);
        }
        let more = [one("trainer_state.json"), one("model.safetensors"), one("model.safetensors.tmp")];
        damaged(&seen, "run/checkpoint-1000", &[("cut", &more[0]), ("break", &more[1]), ("add", &more[2])]);
        damaged(&seen, "run/tmp-checkpoint-1500", &[("add", "run/tmp-checkpoint-1500/config.json")]);
        let ranks = ["optimizer.pt", "model.safetensors", "rng_state_0.pth", "rng_state_2.pth"];
        assert_eq!(faults(checkpoint(3, &ranks)), ["run/checkpoint-3: rng_state_1.pth is missing"]);
        assert_eq!(faults(checkpoint(3, &ranks[..3])), ["run/checkpoint-3: rng_state_1.pth is missing"]);
    }

    /// Also when there is no other checkpoint to compare with.
    #[test]
    fn an_optimizer_is_missed_beside_what_is_saved_with_it() {
        let alone = |parts: &[&str]| faults(checkpoint(3, parts)).len();
        assert_eq!(alone(&["model.safetensors", "scheduler.pt", "rng_state.pth"]), 1);
        assert_eq!(alone(&["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]), 0);
        assert_eq!(alone(&["model.safetensors"]), 0);
    }

    #[test]
    fn what_accelerate_saves_needs_no_state() {
        let parts = ["unet/model.safetensors", "optimizer.bin", "random_states_0.pkl", "random_states_1.pkl"];
        let seen: Vec<Seen> = parts.iter().map(|part| file(&format!("checkpoint-5/{part}"), 9)).collect();
        assert_eq!(good(seen.clone()), [("checkpoint-5".to_owned(), "Hugging Face", Some(5))]);
        damaged(
            &seen,
            "checkpoint-5",
            &[("lose", "checkpoint-5/random_states_0.pkl"), ("lose", "checkpoint-5/unet/model.safetensors")],
        );
    }
}
