//! `lastgood verify`: proves that snapshots can be restored.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::open::{hostname, open};
use super::progress::Running;
use super::size::{count, grouped, show};
use super::time::show_span;
use super::ui::{Ui, first_problems, say};
use crate::error::{Error, Kind, Problem, Result};
use crate::flows::verify::{Damage, ReadData, VerifyOptions, VerifyReport, verify};
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// Prove that the snapshots can be restored
///
/// Always checked: that every snapshot opens, that everything it refers to is in the index, and that every pack that the index
/// names is there, with the right length. --scrub and --read-data look deeper, and read more. What is damaged is
/// named together with the files that need it; nothing is repaired or removed. Damage is also noted in the repository, so that
/// `last-good` passes the damaged snapshots over, until a --read-data finds nothing any more.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "check")]
#[command(after_help = exit::status(&OPENING, &[
    (Exit::Done, "done, and no damage found in what was looked at"),
    (Exit::Damage, "damage found"),
    (Exit::Unverified, ""),
    (Exit::Interrupted, "interrupted; nothing is changed by that"),
]))]
pub struct Args {
    /// Read every object, and compare it with the hash in its name
    ///
    /// It finds what the disk or the store has lost or changed.
    #[arg(long)]
    scrub: bool,

    /// Read, decrypt and decode all data
    ///
    /// It proves that every file can be restored, short of restoring it.
    #[arg(long, conflicts_with = "read_data_subset")]
    read_data: bool,

    /// Read only a part of the data: `n/t`, `x%` or a size
    ///
    /// 2/7 is the second of seven parts: with the day of the week for n, each week reads everything. 5% and 10G take packs at random.
    #[arg(long, value_name = "N/T|X%|SIZE", value_parser = subset)]
    read_data_subset: Option<ReadData>,
}

fn subset(text: &str) -> Result<ReadData> {
    let bad = || {
        Error::new(Kind::Usage, format!("{text:?} is no part of the data"))
            .hint("write 2/7 for the second of seven parts, 5% or 2.5% for a random share, or a size such as 10G")
    };
    if let Some((part, of)) = text.split_once('/') {
        let (part, of) = (part.parse().map_err(|_| bad())?, of.parse().map_err(|_| bad())?);
        return if (1..=of).contains(&part) { Ok(ReadData::Part { part, of }) } else { Err(bad()) };
    }
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().map_err(|_| bad())?;
        return if percent > 0.0 && percent <= 100.0 { Ok(ReadData::Percent(percent)) } else { Err(bad()) };
    }
    match super::size::parse(text).map_err(|_| bad())? {
        0 => Err(bad()),
        bytes => Ok(ReadData::Size(bytes)),
    }
}

/// The end of a verification, for machines.
#[derive(Serialize)]
struct Done<'a> {
    message_type: &'static str,
    num_errors: usize,
    broken_packs: Vec<&'a str>,
    seconds_elapsed: f64,
    snapshots: u64,
    packs: u64,
    chunks: u64,
    objects_hashed: u64,
    packs_read: u64,
    bytes_read: u64,
    damage: &'a [Damage],
    unknown: &'a [Problem],
    notes: &'a [Problem],
}

/// Verifies.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let read_data = match (args.read_data, args.read_data_subset) {
        (true, _) => ReadData::All,
        (false, part) => part.unwrap_or_default(),
    };
    let options = VerifyOptions { scrub: args.scrub, read_data, record: Some(hostname()) };
    let repo = open(global, ui).await?;
    let running = Running::start(ui);
    let report = verify(&repo, &options, running.progress()).await?;
    let took = running.elapsed();
    drop(running);
    let finds = finds(&report);
    if ui.quiet && !ui.json && !finds.is_empty() {
        say(finds.trim_end());
    }
    ui.report(&machine(&report, took), || words(&report, &options, &finds, took))?;
    Ok(verdict(&report))
}

fn verdict(report: &VerifyReport) -> Exit {
    match (report.damage.is_empty(), report.unknown.is_empty()) {
        (false, _) => Exit::Damage,
        (true, false) => Exit::Unverified,
        (true, true) => Exit::Done,
    }
}

fn machine(report: &VerifyReport, took: Duration) -> Done<'_> {
    let pack = |damage: &'_ Damage| damage.object.starts_with("packs/");
    let id = |object: &'_ str| object.len() - object.rsplit('/').next().map_or(0, str::len);
    Done {
        message_type: "summary",
        num_errors: report.damage.len(),
        broken_packs: report.damage.iter().filter(|damage| pack(damage)).map(|d| &d.object[id(&d.object)..]).collect(),
        seconds_elapsed: took.as_secs_f64(),
        snapshots: report.snapshots,
        packs: report.packs,
        chunks: report.chunks,
        objects_hashed: report.objects_hashed,
        packs_read: report.packs_read,
        bytes_read: report.bytes_read,
        damage: &report.damage,
        unknown: &report.unknown,
        notes: &report.notes,
    }
}

/// Damage with the files that it touches, and what could not be looked at.
fn finds(report: &VerifyReport) -> String {
    let mut text = String::new();
    for damage in &report.damage {
        let _ = writeln!(text, "DAMAGED {}: {}", damage.object, damage.message);
        if damage.file_count > 0 {
            let (chunks, files) = (count(damage.chunks, "chunk"), count(damage.file_count, "file"));
            let _ = writeln!(text, "  {chunks} lost, needed by {files}:");
        }
        for file in &damage.files {
            let _ = writeln!(text, "    {}:/{}", file.snapshot.brief(), file.path.trim_start_matches('/'));
        }
        let more = damage.file_count.saturating_sub(damage.files.len() as u64);
        if more > 0 && !damage.files.is_empty() {
            let _ = writeln!(text, "    ... and {} more", grouped(more));
        }
        if !damage.advice.is_empty() {
            let _ = writeln!(text, "  {}", damage.advice);
        }
    }
    if !report.unknown.is_empty() {
        let unknown = report.unknown.len() as u64;
        let _ = writeln!(text, "Could not look at {}:", count(unknown, "object"));
        text.push_str(&first_problems(&report.unknown, unknown));
    }
    text
}

fn words(report: &VerifyReport, options: &VerifyOptions, finds: &str, took: Duration) -> String {
    let mut text = format!(
        "Checked {}, {}, {}\n",
        count(report.snapshots, "snapshot"),
        count(report.packs, "pack"),
        count(report.chunks, "chunk")
    );
    if options.scrub {
        let _ = writeln!(text, "Hashed {}", count(report.objects_hashed, "object"));
    }
    if options.read_data != ReadData::None {
        let of = count(report.packs, "pack");
        let _ = writeln!(text, "Read the data of {} of {of}", grouped(report.packs_read));
    }
    if !report.notes.is_empty() {
        let notes = report.notes.len() as u64;
        let _ = writeln!(text, "Harmless: {}", count(notes, "find"));
        text.push_str(&first_problems(&report.notes, notes));
    }
    text.push_str(finds);
    let took = show_span(took);
    let _ = match verdict(report) {
        Exit::Damage => writeln!(
            text,
            "DAMAGE FOUND: {} (exit code 20), took {took}",
            count(report.damage.len() as u64, "damaged object")
        ),
        Exit::Unverified => {
            writeln!(text, "Not all could be looked at; nothing known is damaged (exit code 21), took {took}")
        }
        _ => writeln!(text, "No damage found, read {}, took {took}", show(report.bytes_read)),
    };
    if options.read_data == ReadData::None && !options.scrub && report.damage.is_empty() {
        text.push_str("The data itself was not read: --scrub or --read-data does that.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Trouble;
    use crate::flows::verify::Affected;
    use crate::id::Id;

    fn report() -> VerifyReport {
        VerifyReport { snapshots: 2, packs: 3, chunks: 4000, bytes_read: 5_000, ..VerifyReport::default() }
    }

    fn damaged() -> VerifyReport {
        let damage = Damage {
            object: "packs/ab/abcd".into(),
            message: "not what its name says".into(),
            chunks: 12,
            files: vec![Affected { snapshot: Id([3; 32]), path: "models/a".into() }],
            snapshots: Default::default(),
            file_count: 4,
            advice: "put back a copy".into(),
        };
        VerifyReport { damage: vec![damage], ..report() }
    }

    #[test]
    fn subsets_are_read() {
        for (text, part) in [
            ("1/1", ReadData::Part { part: 1, of: 1 }),
            ("7/7", ReadData::Part { part: 7, of: 7 }),
            ("5%", ReadData::Percent(5.0)),
            ("0.5%", ReadData::Percent(0.5)),
            ("10G", ReadData::Size(10 << 30)),
        ] {
            assert_eq!(subset(text).unwrap(), part);
        }
        for text in ["", "0/7", "8/7", "1/", "/7", "0%", "101%", "NaN%", "inf%", "%", "0", "x", "-1%"] {
            assert_eq!(subset(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }

    #[test]
    fn damage_outweighs_what_is_unknown() {
        let unknown = vec![Problem::new(Trouble::Unknown, "packs/x", "timeout")];
        assert_eq!(verdict(&report()), Exit::Done);
        assert_eq!(verdict(&VerifyReport { unknown: unknown.clone(), ..report() }), Exit::Unverified);
        assert_eq!(verdict(&VerifyReport { unknown, ..damaged() }), Exit::Damage);
    }

    #[test]
    fn people_read_what_is_lost() {
        let text = words(&damaged(), &VerifyOptions::default(), &finds(&damaged()), Duration::ZERO);
        assert_eq!(
            text,
            "Checked 2 snapshots, 3 packs, 4,000 chunks\nDAMAGED packs/ab/abcd: not what its name says\n  12 chunks lost, needed by 4 files:\n    \
             03030303:/models/a\n    ... and 3 more\n  put back a copy\nDAMAGE FOUND: 1 damaged object (exit code 20), took 0.0 s\n"
        );
        let deep = VerifyOptions { scrub: true, read_data: ReadData::All, record: None };
        assert!(words(&report(), &deep, "", Duration::ZERO).ends_with("No damage found, read 5.0 kB, took 0.0 s\n"));
    }

    #[test]
    fn json_shape() {
        assert_eq!(
            serde_json::to_string(&machine(&damaged(), Duration::from_secs(1))).unwrap(),
            format!(
                r#"{{"message_type":"summary","num_errors":1,"broken_packs":["abcd"],"seconds_elapsed":1.0,"snapshots":2,"packs":3,"chunks":4000,"objects_hashed":0,"packs_read":0,"bytes_read":5000,"damage":[{{"object":"packs/ab/abcd","message":"not what its name says","chunks":12,"files":[{{"snapshot":"{}","path":"models/a"}}],"file_count":4,"snapshots":{{}},"advice":"put back a copy"}}],"unknown":[],"notes":[]}}"#,
                "03".repeat(32)
            )
        );
    }
}
