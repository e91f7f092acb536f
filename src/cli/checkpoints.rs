//! Checkpoints in words: which there are, and what is wrong with them.

use super::size::{count, grouped};
use crate::records::snapshot::Checkpoint;

/// The most checkpoints that are named one by one, and the most faults of each.
const NAMED: usize = 10;
const FAULTS: usize = 5;
/// Good ones are named if there are no more of them.
const FEW: usize = 3;

/// The newest checkpoints, each on a line with what is wrong with it; many good ones, and the older ones of a family, are
/// only counted.
pub fn checkpoints(all: &[Checkpoint]) -> String {
    let (newest, older): (Vec<&Checkpoint>, Vec<&Checkpoint>) = all.iter().partition(|checkpoint| checkpoint.newest);
    let mut text = String::new();
    // What is wrong comes first: it must not be lost among many good ones.
    let (mut named, good): (Vec<&Checkpoint>, Vec<&Checkpoint>) =
        newest.into_iter().partition(|checkpoint| !checkpoint.good());
    match good.len() {
        0..=FEW => named.extend(good),
        many => text.push_str(&format!("Checkpoints that are complete and finite: {}\n", grouped(many as u64))),
    }
    for checkpoint in named.iter().take(NAMED) {
        text.push_str(&format!("Checkpoint {}\n", line(checkpoint)));
        for fault in faults(checkpoint) {
            text.push_str(&format!("  {fault}\n"));
        }
    }
    if named.len() > NAMED {
        text.push_str(&format!("  ... and {} more checkpoints\n", named.len() - NAMED));
    }
    let open = older.iter().filter(|checkpoint| !checkpoint.good()).count() as u64;
    if !older.is_empty() {
        let bad = if open > 0 { format!(", {} of them not good", grouped(open)) } else { String::new() };
        text.push_str(&format!("Older checkpoints beside them: {}{bad}\n", grouped(older.len() as u64)));
    }
    text
}

/// A checkpoint on one line.
pub fn line(checkpoint: &Checkpoint) -> String {
    let state = match (checkpoint.complete, checkpoint.not_finite) {
        (false, _) => "NOT COMPLETE".to_owned(),
        (true, 0) if checkpoint.elements > 0 => "complete, all numbers finite".to_owned(),
        (true, 0) => "complete".to_owned(),
        (true, bad) => format!("complete, but {} NaN or infinite", count(bad, "number")),
    };
    let step = checkpoint.step.map(|step| format!(", step {step}")).unwrap_or_default();
    format!("{} ({}{step}): {state}", checkpoint.path, checkpoint.framework)
}

/// What is wrong with a checkpoint that is not good, on one line.
pub fn warning(checkpoint: &Checkpoint) -> String {
    let faults = faults(checkpoint).join("; ");
    if faults.is_empty() { line(checkpoint) } else { format!("{}: {faults}", line(checkpoint)) }
}

/// Why it is not complete, as far as is of use on a screen.
pub fn faults(checkpoint: &Checkpoint) -> Vec<String> {
    let mut faults: Vec<String> = checkpoint.faults.iter().take(FAULTS).cloned().collect();
    match checkpoint.faults.len().saturating_sub(FAULTS) {
        0 => {}
        more => faults.push(format!("... and {more} more")),
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_ones_come_first_and_older_ones_are_counted() {
        let checkpoint = |path: &str, complete, newest| Checkpoint {
            path: path.into(),
            framework: "HF Trainer".into(),
            complete,
            newest,
            step: Some(5),
            faults: if complete { Vec::new() } else { vec!["model.safetensors is missing".into()] },
            ..Checkpoint::default()
        };
        let nan = Checkpoint { not_finite: 12, elements: 99, ..checkpoint("/m/c", true, true) };
        let all =
            [checkpoint("/m/a", true, true), checkpoint("/m/b", false, true), checkpoint("/m/d", true, false), nan];
        assert_eq!(
            checkpoints(&all),
            "Checkpoint /m/b (HF Trainer, step 5): NOT COMPLETE\n  model.safetensors is missing\n\
             Checkpoint /m/c (HF Trainer, step 5): complete, but 12 numbers NaN or infinite\n\
             Checkpoint /m/a (HF Trainer, step 5): complete\nOlder checkpoints beside them: 1\n"
        );
    }
}
