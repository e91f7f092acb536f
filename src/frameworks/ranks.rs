//! Files of several processes: which ranks are missing, what neighbours have, and what was written after the marker.

use super::tree::Place;
use super::{Seen, names};
use std::collections::{BTreeMap, BTreeSet};

/// So many missing ranks are named.
const NAMED_MAX: usize = 8;

/// The numbers of all names that have the shape of a pattern.
pub(super) fn found<'a>(names: impl Iterator<Item = &'a [u8]>, pattern: &str) -> BTreeSet<Vec<u64>> {
    names.filter_map(|name| names::numbers(name, pattern)).collect()
}

/// The ranks that are missing where every combination from zero to the highest must be there; the first few.
pub(super) fn missing(found: &BTreeSet<Vec<u64>>) -> Vec<Vec<u64>> {
    let mut sides: Vec<u64> = found.first().map(|first| vec![0; first.len()]).unwrap_or_default();
    for numbers in found {
        sides.iter_mut().zip(numbers).for_each(|(side, number)| *side = (*side).max(*number));
    }
    let (mut missing, mut next) = (Vec::new(), vec![0; sides.len()]);
    while missing.len() < NAMED_MAX && !sides.is_empty() {
        if !found.contains(&next) {
            missing.push(next.clone());
        }
        let Some(turn) = (0..next.len()).rev().find(|side| next[*side] < sides[*side]) else { break };
        next[turn] += 1;
        next[turn + 1..].fill(0);
    }
    missing
}

/// Whether every number of every place occurs equally often, without gaps: also true of grids of which a diagonal is saved.
pub(super) fn regular(found: &BTreeSet<Vec<u64>>) -> bool {
    let places = found.first().map_or(0, Vec::len);
    (0..places).all(|place| {
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        found
            .iter()
            .filter_map(|numbers| numbers.get(place))
            .for_each(|number| *counts.entry(*number).or_default() += 1);
        let even = counts.values().all(|count| Some(count) == counts.values().next());
        even && counts.keys().enumerate().all(|(index, number)| index as u64 == *number)
    })
}

/// Tells the ranks that are missing.
pub(super) fn tell(faults: &mut Vec<String>, pattern: &str, missing: &[Vec<u64>]) {
    faults.extend(missing.iter().map(|numbers| format!("{} is missing", names::fill(pattern, numbers))));
}

/// Whether a checkpoint has fewer files and less data than another of the same run.
///
/// A run that goes on with fewer processes writes the same amount in fewer files; a lost file is both fewer and less.
pub(super) fn fewer(own: &[&Seen], other: &[&Seen]) -> bool {
    let bytes = |files: &[&Seen]| files.iter().map(|seen| u128::from(seen.size)).sum::<u128>();
    let half_a_file = bytes(other) / (2 * other.len().max(1) as u128);
    own.len() < other.len() && bytes(own) + half_a_file <= bytes(other)
}

/// Names that all neighbours have but this one has not; without neighbours none.
pub(super) fn unlike<T: Ord + Clone>(own: &BTreeSet<T>, others: &[BTreeSet<T>]) -> Vec<T> {
    let Some((first, rest)) = others.split_first() else { return Vec::new() };
    first.iter().filter(|name| !own.contains(name) && rest.iter().all(|other| other.contains(name))).cloned().collect()
}

/// Whether a checkpoint was written after the file that names the newest complete one, and for a later step.
///
/// A run that was set back leaves checkpoints of later steps behind, which are older than that file and complete.
pub(super) fn after_marker(place: Place<'_>, step: Option<u64>, marker: &Seen, named: Option<u64>) -> bool {
    step.zip(named).is_some_and(|(own, named)| own > named) && place.mtime() > marker.mtime
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[&[u64]]) -> BTreeSet<Vec<u64>> {
        numbers.iter().map(|numbers| numbers.to_vec()).collect()
    }

    #[test]
    fn gaps_are_named() {
        assert_eq!(missing(&set(&[&[0, 0], &[1, 0], &[0, 1], &[1, 1]])), [[0; 2]; 0]);
        assert_eq!(missing(&set(&[&[0, 0], &[1, 0], &[1, 1]])), [[0, 1]]);
        assert_eq!(missing(&set(&[&[u64::MAX]])).len(), NAMED_MAX);
        assert_eq!(missing(&BTreeSet::new()), [[0; 0]; 0]);
    }

    #[test]
    fn diagonals_are_regular() {
        assert!(regular(&set(&[&[0, 0], &[1, 1], &[0, 2], &[1, 3]])));
        assert!(!regular(&set(&[&[0, 0], &[1, 1], &[0, 2]])));
        assert!(!regular(&set(&[&[1], &[2]])));
        assert!(regular(&BTreeSet::new()));
    }
}
