//! `lastgood snapshots`: lists snapshots.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, SnapshotJson, all, warn_of};
use super::open::open;
use super::size::{count, show};
use super::table::{Side, Table};
use super::time;
use super::ui::Ui;
use crate::error::{Error, Kind, Result, printable};
use crate::flows::last_good::{Wish, faults};
use crate::records::snapshot::{Checkpoint, Snapshot};
use crate::records::verdict::{Verdict, damage};
use std::collections::HashMap;

/// List snapshots
///
/// The oldest comes first. `!` after an id says that the snapshot is not complete: something could not be read when it was
/// made. State says whether the newest checkpoints in it are complete and their numbers finite, and whether a verification
/// found it damaged; `lastgood inspect` tells more. Added is what the snapshot took in the repository when it was made, after deduplication and compression.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "list")]
#[command(after_help = exit::status(&OPENING, &[(Exit::Damage, "some snapshots are damaged; the others are listed")]))]
pub struct Args {
    /// Only the newest N of each host and label
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    latest: Option<u32>,

    /// Only good ones: the newest checkpoints in them are complete and finite, and nothing is known to be damaged
    #[arg(long)]
    good: bool,

    #[command(flatten)]
    filter: FilterArgs,
}

/// Lists the snapshots.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let filter = args.filter.filter();
    let repo = open(global, ui).await?;
    let (mut snapshots, damaged) = all(&repo, ui).await?;
    if filter.wish != Wish::default() {
        return Err(Error::new(Kind::Usage, "--before-step and --best are for `restore last-good`"));
    }
    let (verdicts, unread) = repo.verdicts().await?;
    warn_of(&unread, ui);
    snapshots.retain(|snapshot| filter.admits(snapshot) && (!args.good || faults(snapshot, &verdicts, b"").is_empty()));
    if let Some(most) = args.latest {
        snapshots = newest(snapshots, most);
    }
    match ui.json {
        true => {
            let json = |snapshot| SnapshotJson::with_faults(snapshot, faults(snapshot, &verdicts, b""));
            ui.json(&snapshots.iter().map(json).collect::<Vec<_>>())?;
        }
        false => ui.write(listing(&snapshots, &verdicts).as_bytes())?,
    }
    Ok(if damaged.is_empty() { Exit::Done } else { Exit::Damage })
}

/// The newest so many of each series, oldest first.
fn newest(snapshots: Vec<Snapshot>, most: u32) -> Vec<Snapshot> {
    let mut taken: HashMap<(String, String), u32> = HashMap::new();
    let mut kept: Vec<Snapshot> = Vec::new();
    for snapshot in snapshots.into_iter().rev() {
        let count = taken.entry((snapshot.hostname.clone(), snapshot.label.clone())).or_default();
        *count += 1;
        if *count <= most {
            kept.push(snapshot);
        }
    }
    kept.reverse();
    kept
}

/// In one word whether somebody could go on from a snapshot.
fn state(snapshot: &Snapshot, verdicts: &[Verdict]) -> &'static str {
    let newest = |test: fn(&Checkpoint) -> bool| snapshot.checkpoints.iter().any(|c| c.newest && test(c));
    match faults(snapshot, verdicts, b"").is_empty() {
        true => "good",
        false if snapshot.id.is_some_and(|id| damage(verdicts, &id).is_some()) => "DAMAGED",
        false if newest(|checkpoint| !checkpoint.complete) => "not complete",
        false if newest(|checkpoint| checkpoint.not_finite > 0) => "NaN or inf",
        false => "problems",
    }
}

fn listing(snapshots: &[Snapshot], verdicts: &[Verdict]) -> String {
    let shown = |text: &String| printable(text.as_bytes());
    let mut table = Table::new(&[
        ("ID", Side::Left),
        ("Time", Side::Left),
        ("Host", Side::Left),
        ("Label", Side::Left),
        ("Tags", Side::Left),
        ("Meta", Side::Left),
        ("Step", Side::Right),
        ("State", Side::Left),
        ("Paths", Side::Left),
        ("Size", Side::Right),
        ("Added", Side::Right),
    ]);
    for snapshot in snapshots {
        table.row(vec![
            format!("{}{}", snapshot.brief(), if snapshot.complete { "" } else { "!" }),
            time::show(&snapshot.time),
            shown(&snapshot.hostname),
            shown(&snapshot.label),
            snapshot.tags.iter().map(shown).collect::<Vec<_>>().join(","),
            snapshot.meta.iter().map(|(name, value)| shown(&format!("{name}={value}"))).collect::<Vec<_>>().join("\n"),
            snapshot
                .step()
                .filter(|_| !snapshot.meta.contains_key("step"))
                .map(|step| step.to_string())
                .unwrap_or_default(),
            state(snapshot, verdicts).to_owned(),
            snapshot.paths.iter().map(shown).collect::<Vec<_>>().join("\n"),
            show(snapshot.summary.total_bytes_processed),
            show(snapshot.summary.data_added_packed),
        ]);
    }
    let incomplete = snapshots.iter().filter(|snapshot| !snapshot.complete).count() as u64;
    let footer = match incomplete {
        0 => String::new(),
        n => format!(", {n} not complete (!)"),
    };
    let rows = if snapshots.is_empty() { String::new() } else { table.render() };
    format!("{rows}{}{footer}\n", count(snapshots.len() as u64, "snapshot"))
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::snapshot;
    use super::*;

    #[test]
    fn a_table_with_a_footer() {
        let first = snapshot(1, r#","tags":["a","b\u001b"]"#);
        let second =
            Snapshot { complete: false, problem_count: 1, paths: vec!["/x".into(), "/y".into()], ..snapshot(2, "") };
        let text = listing(&[first, second], &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("ID         Time ")
                && lines[0].ends_with("Host  Tags       State     Paths  Size  Added"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("01010101   2026-01-01") || lines[2].starts_with("01010101   2025-12-31"),
            "{text}"
        );
        assert!(lines[2].ends_with("h     a,b\\u{1b}  good      /a      0 B    0 B"), "{text}");
        assert!(lines[3].starts_with("02020202!  ") && lines[4].trim() == "/y", "{text}");
        assert_eq!(lines[5], "2 snapshots, 1 not complete (!)");
        assert_eq!(listing(&[], &[]), "0 snapshots\n");
        let text = listing(&[snapshot(1, r#","meta":{"run":"7f","step":"5"}"#), snapshot(2, "")], &[]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("Host  Meta    State  Paths") && lines[2].contains("  run=7f  good   /a"), "{text}");
        assert_eq!(lines[3].trim(), "step=5");
    }

    #[test]
    fn the_newest_of_each_series_are_kept() {
        let other = |hour| Snapshot { label: "x".into(), ..snapshot(hour, "") };
        let all = vec![snapshot(1, ""), other(2), snapshot(3, ""), snapshot(4, "")];
        let kept = |most| newest(all.clone(), most).iter().map(|s| s.id.map_or(0, |id| id.0[0])).collect::<Vec<_>>();
        assert_eq!((kept(1), kept(2), kept(9)), (vec![2, 4], vec![2, 3, 4], vec![1, 2, 3, 4]));
    }
}
