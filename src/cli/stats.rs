//! `lastgood stats`: what the repository holds, and what it takes.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, Guess, all, choose, describe};
use super::open::open;
use super::size::{count, grouped, ratio, show};
use super::table::{Side, Table};
use super::ui::Ui;
use super::view::split;
use crate::error::{Error, Kind, Problem, Result, printable};
use crate::flows::stats::{RepositoryStats, SnapshotStats, Sum, snapshot_stats, stats};
use crate::id::ObjectId;
use crate::records::snapshot::{Snapshot, Summary};
use crate::repo::Repository;
use crate::spec::codec;
use serde::Serialize;
use std::sync::Arc;

/// Show what the repository holds, and what it takes
///
/// Without SNAPSHOT: all snapshots together, and how their data are stored. With one: what its backup saved, and what its
/// files take by kind. Nothing but the index and manifests is read.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[(Exit::NoMatch, "")]))]
pub struct Args {
    /// Only this snapshot: latest, latest~1, 3f2a91bc
    #[arg(value_name = "SNAPSHOT")]
    snapshot: Option<String>,

    #[command(flatten)]
    filter: FilterArgs,
}

/// What the repository holds, for machines; with restic's names where it has them.
#[derive(Serialize)]
struct AllJson {
    snapshots_count: u64,
    total_file_count: u64,
    total_restore_size: u64,
    total_size: u64,
    total_uncompressed_size: u64,
    total_blob_count: u64,
    compression_ratio: f64,
    codecs: Vec<CodecJson>,
    manifest: CodecJson,
    packs_count: u64,
    packs_size: u64,
    packs_overhead: u64,
    unindexed_packs_count: u64,
    unindexed_packs_size: u64,
    index_count: u64,
    index_size: u64,
    objects_count: u64,
    objects_size: u64,
    problems: Vec<Problem>,
}

/// Chunks, for machines.
#[derive(Serialize)]
struct CodecJson {
    name: &'static str,
    chunks: u64,
    raw: u64,
    stored: u64,
    ratio: f64,
}

impl CodecJson {
    fn new(name: &'static str, sum: Sum) -> CodecJson {
        CodecJson { name, chunks: sum.chunks, raw: sum.raw, stored: sum.stored, ratio: times(sum.raw, sum.stored) }
    }
}

/// A snapshot, for machines.
#[derive(Serialize)]
struct OneJson<'a> {
    snapshot_id: Option<ObjectId>,
    summary: &'a Summary,
    kinds: Vec<KindJson<'a>>,
    bases_chunks: u64,
    bases_stored: u64,
    missing_chunks: u64,
}

/// Files of one kind, for machines.
#[derive(Serialize)]
struct KindJson<'a> {
    name: &'a str,
    files: u64,
    bytes: u64,
    chunks: u64,
    stored: u64,
    ratio: f64,
}

fn times(raw: u64, stored: u64) -> f64 {
    if stored == 0 { 1.0 } else { raw as f64 / stored as f64 }
}

fn codec_name(number: u8) -> &'static str {
    match number {
        codec::STORED => "stored",
        codec::ZSTD => "zstd",
        codec::PLANES => "planes",
        codec::DELTA => "delta",
        _ => "unknown",
    }
}

/// Counts and tells.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    if args.snapshot.is_none() {
        args.filter.refuse("All snapshots are counted")?;
    }
    let repo = open(global, ui).await?;
    match &args.snapshot {
        Some(selector) => of_snapshot(&repo, selector, args, ui).await,
        None => of_all(&repo, ui).await,
    }
}

async fn of_all(repo: &Arc<Repository>, ui: &Ui) -> Result<Exit> {
    let (snapshots, damaged) = all(repo, ui).await?;
    let found = stats(repo).await?;
    for problem in &found.problems {
        ui.warn(&format!("{}: {}", problem.item, problem.message));
    }
    ui.report(&all_json(&snapshots, &found), || all_words(&snapshots, &found))?;
    Ok(if damaged.is_empty() && found.problems.is_empty() { Exit::Done } else { Exit::Damage })
}

async fn of_snapshot(repo: &Arc<Repository>, selector: &str, args: &Args, ui: &Ui) -> Result<Exit> {
    let (snapshot, path) = choose(repo, selector, &args.filter.filter(), Guess::Warn, ui).await?;
    if !path.is_empty() {
        return Err(Error::new(Kind::Usage, "What is stored is told of whole snapshots only")
            .hint("leave out the colon and the path"));
    }
    ui.note(&describe(&snapshot));
    let found = snapshot_stats(repo, &snapshot).await?;
    ui.report(&one_json(&snapshot, &found), || one_words(&snapshot, &found))?;
    match found.missing {
        0 => Ok(Exit::Done),
        n => {
            ui.warn(&format!("{} in no pack: run `lastgood verify`", count(n, "chunk")));
            Ok(Exit::Damage)
        }
    }
}

/// Files and bytes that all snapshots would restore.
fn restorable(snapshots: &[Snapshot]) -> (u64, u64) {
    let sum = |of: fn(&Summary) -> u64| snapshots.iter().map(|s| of(&s.summary)).fold(0, u64::saturating_add);
    (sum(|summary| summary.total_files_processed), sum(|summary| summary.total_bytes_processed))
}

fn all_json(snapshots: &[Snapshot], found: &RepositoryStats) -> AllJson {
    let (total, (files, bytes)) = (found.total(), restorable(snapshots));
    AllJson {
        snapshots_count: snapshots.len() as u64,
        total_file_count: files,
        total_restore_size: bytes,
        total_size: total.stored,
        total_uncompressed_size: total.raw,
        total_blob_count: total.chunks,
        compression_ratio: times(total.raw, total.stored),
        codecs: found.data.iter().map(|(number, sum)| CodecJson::new(codec_name(*number), *sum)).collect(),
        manifest: CodecJson::new("manifest", found.manifest),
        packs_count: found.packs.0,
        packs_size: found.packs.1,
        packs_overhead: found.overhead(),
        unindexed_packs_count: found.unindexed.0,
        unindexed_packs_size: found.unindexed.1,
        index_count: found.index.0,
        index_size: found.index.1,
        objects_count: found.objects.0,
        objects_size: found.objects.1,
        problems: found.problems.clone(),
    }
}

fn all_words(snapshots: &[Snapshot], found: &RepositoryStats) -> String {
    let (total, (files, bytes)) = (found.total(), restorable(snapshots));
    let mut table = Table::new(&[
        ("Stored as", Side::Left),
        ("Chunks", Side::Right),
        ("Data", Side::Right),
        ("In packs", Side::Right),
        ("Ratio", Side::Right),
    ]);
    let named = |number: u8| match number {
        codec::STORED => "as it is",
        codec::PLANES => "byte planes",
        codec::DELTA => "differences",
        other => codec_name(other),
    };
    let data = found.data.iter().map(|(number, sum)| (named(*number), *sum));
    for (name, sum) in data.chain([("manifests", found.manifest), ("total", total)]) {
        let cells = [name.to_owned(), grouped(sum.chunks), show(sum.raw), show(sum.stored), ratio(sum.raw, sum.stored)];
        table.row(cells.into());
    }
    let mut text = format!(
        "{}, {} to restore in {}\n\n{}\n",
        count(snapshots.len() as u64, "snapshot"),
        show(bytes),
        count(files, "file"),
        table.render()
    );
    let (packs, size) = found.packs;
    text.push_str(&format!(
        "Packs:       {} in {}, {} of it padding and footers\n",
        show(size),
        count(packs, "pack"),
        show(found.overhead())
    ));
    if found.unindexed.0 > 0 {
        let (packs, size) = found.unindexed;
        text.push_str(&format!("Unfinished:  {} in {} that no index names\n", show(size), count(packs, "pack")));
    }
    text.push_str(&format!("Index:       {} in {}\n", show(found.index.1), count(found.index.0, "page")));
    let (objects, size) = found.objects;
    let saved = match bytes {
        0 => String::new(),
        _ => format!(": {} of what it restores", percent(size, bytes)),
    };
    text.push_str(&format!("Repository:  {} in {}{saved}\n", show(size), count(objects, "object")));
    text
}

/// A share, with as many digits as make sense.
fn percent(part: u64, whole: u64) -> String {
    let share = part as f64 / whole.max(1) as f64 * 100.0;
    if share < 10.0 { format!("{share:.1} %") } else { format!("{share:.0} %") }
}

fn one_json<'a>(snapshot: &'a Snapshot, found: &'a SnapshotStats) -> OneJson<'a> {
    let kind = |(name, kind): (&'a String, &crate::flows::stats::KindStats)| KindJson {
        name,
        files: kind.files,
        bytes: kind.bytes,
        chunks: kind.chunks.chunks,
        stored: kind.chunks.stored,
        ratio: times(kind.bytes, kind.chunks.stored),
    };
    OneJson {
        snapshot_id: snapshot.id,
        summary: &snapshot.summary,
        kinds: found.kinds.iter().map(kind).collect(),
        bases_chunks: found.bases.chunks,
        bases_stored: found.bases.stored,
        missing_chunks: found.missing,
    }
}

fn one_words(snapshot: &Snapshot, found: &SnapshotStats) -> String {
    let sum = &snapshot.summary;
    let mut text = format!(
        "Saved {}: {}\n",
        show(sum.total_bytes_processed),
        split(sum.data_unmodified, sum.data_duplicate, sum.data_added, sum.data_added_packed)
    );
    text.extend(super::backup_report::coded(sum));
    let mut table = Table::new(&[
        ("Kind", Side::Left),
        ("Files", Side::Right),
        ("Size", Side::Right),
        ("Chunks", Side::Right),
        ("In packs", Side::Right),
        ("Ratio", Side::Right),
    ]);
    let mut kinds: Vec<_> = found.kinds.iter().collect();
    kinds.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.bytes));
    for (name, kind) in kinds {
        table.row(vec![
            printable(name.as_bytes()),
            grouped(kind.files),
            show(kind.bytes),
            grouped(kind.chunks.chunks),
            show(kind.chunks.stored),
            ratio(kind.bytes, kind.chunks.stored),
        ]);
    }
    if !found.kinds.is_empty() {
        text.push_str(&format!("\n{}", table.render()));
    }
    if found.bases.chunks > 0 {
        text.push_str(&format!(
            "Some are differences to {} ({}) of other snapshots\n",
            count(found.bases.chunks, "chunk"),
            show(found.bases.stored)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::snapshot;
    use super::*;
    use crate::flows::stats::KindStats;

    fn sum(chunks: u64, raw: u64, stored: u64) -> Sum {
        Sum { chunks, raw, stored }
    }

    fn found() -> RepositoryStats {
        RepositoryStats {
            data: [(0, sum(1, 1000, 1016)), (2, sum(2, 3_000_000, 2_000_000))].into(),
            manifest: sum(3, 500, 100),
            packs: (2, 2_100_000),
            unindexed: (1, 5000),
            index: (1, 300),
            objects: (9, 2_200_000),
            problems: Vec::new(),
        }
    }

    fn two() -> [Snapshot; 2] {
        let mut two = [snapshot(1, ""), snapshot(2, "")];
        two.iter_mut()
            .for_each(|s| (s.summary.total_files_processed, s.summary.total_bytes_processed) = (5, 3_000_000));
        two
    }

    #[test]
    fn a_repository_in_words() {
        let wanted = "2 snapshots, 6.0 MB to restore in 10 files

Stored as    Chunks    Data  In packs  Ratio
--------------------------------------------
as it is          1  1.0 kB    1.0 kB  0.98x
byte planes       2  3.0 MB    2.0 MB  1.50x
manifests         3   500 B     100 B  5.00x
total             6  3.0 MB    2.0 MB  1.50x

Packs:       2.1 MB in 2 packs, 98.9 kB of it padding and footers
Unfinished:  5.0 kB in 1 pack that no index names
Index:       300 B in 1 page
Repository:  2.2 MB in 9 objects: 37 % of what it restores
";
        assert_eq!(all_words(&two(), &found()), wanted);
        assert!(all_words(&[], &RepositoryStats::default()).ends_with("Repository:  0 B in 0 objects\n"));
    }

    #[test]
    fn json_shapes() {
        assert_eq!(
            serde_json::to_string(&all_json(&two(), &found())).unwrap(),
            concat!(
                r#"{"snapshots_count":2,"total_file_count":10,"total_restore_size":6000000,"total_size":2001116,"#,
                r#""total_uncompressed_size":3001500,"total_blob_count":6,"compression_ratio":1.4999130485189265,"#,
                r#""codecs":[{"name":"stored","chunks":1,"raw":1000,"stored":1016,"ratio":0.984251968503937},"#,
                r#"{"name":"planes","chunks":2,"raw":3000000,"stored":2000000,"ratio":1.5}],"#,
                r#""manifest":{"name":"manifest","chunks":3,"raw":500,"stored":100,"ratio":5.0},"packs_count":2,"#,
                r#""packs_size":2100000,"packs_overhead":98884,"unindexed_packs_count":1,"unindexed_packs_size":5000,"#,
                r#""index_count":1,"index_size":300,"objects_count":9,"objects_size":2200000,"problems":[]}"#,
            )
        );
        let kind = KindStats { files: 2, bytes: 4000, chunks: sum(1, 4000, 2000) };
        let one = SnapshotStats { kinds: [("safetensors".into(), kind)].into(), bases: sum(1, 9, 8), missing: 0 };
        let json = serde_json::to_value(one_json(&two()[0], &one)).unwrap();
        assert_eq!(
            json["kinds"].to_string(),
            r#"[{"bytes":4000,"chunks":1,"files":2,"name":"safetensors","ratio":2.0,"stored":2000}]"#
        );
        for name in ["snapshot_id", "summary", "bases_chunks", "bases_stored", "missing_chunks"] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_snapshot_in_words() {
        let kind = KindStats { files: 2, bytes: 4000, chunks: sum(1, 4000, 2000) };
        let other = KindStats { files: 1, bytes: 10, chunks: Sum::default() };
        let kinds = [("safetensors".into(), kind), ("other".into(), other)].into();
        let one = SnapshotStats { kinds, bases: sum(1, 9, 8), missing: 0 };
        let text = one_words(&two()[0], &one);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("Saved 3.0 MB: "), "{text}");
        assert_eq!(lines[4], "safetensors      2  4.0 kB       1    2.0 kB  2.00x");
        assert_eq!(lines[5], "other            1    10 B       0       0 B");
        assert_eq!(lines[6], "Some are differences to 1 chunk (8 B) of other snapshots");
    }
}
