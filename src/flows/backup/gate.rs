//! The completeness gate: which checkpoints are among the files, and whether each of them is all there.
//!
//! The same judgement is made twice: of the files on disk, before anything is stored, for those who wait for it; and of what
//! was read and stored, for the record.

use super::BackupOptions;
use super::look::Look;
use crate::error::{Error, Kind, Result, printable};
use crate::formats;
use crate::frameworks::{Interest, Seen, interest, judge, newest_of_families};
use crate::progress::{Phase, Progress};
use crate::records::manifest::{Entry, FileKind, LeftOut};
use crate::records::snapshot::Checkpoint;
use crate::repo::on_cpu;
use crate::sources::{Selection, Walk, read_exactly};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of control files that are kept in memory; beyond that only names are judged.
const CONTENTS: usize = 256 << 20;
/// The most checkpoints that a snapshot records: those beyond are the oldest of their families.
const RECORDED: usize = 1000;
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the judge wants to know what is in a file.
pub(super) fn wants_content(entry: &Entry) -> bool {
    entry.kind == FileKind::File && interest(&entry.path, entry.size) == Interest::Content
}

/// The content of a file that is on disk as `entry` says, for the judge.
pub(super) fn content(entry: &Entry) -> Option<Vec<u8>> {
    let mut bytes = vec![0; entry.size as usize];
    read_exactly(&[b"/", &entry.path[..]].concat(), 0, &mut bytes).ok()?;
    Some(bytes)
}

/// Everything that a judgement needs, gathered in the order of the manifest.
#[derive(Default)]
pub(super) struct Gate {
    seen: Vec<Seen>,
    /// Files with tensors: how many numbers are not finite, and how many there are.
    numbers: Vec<(Vec<u8>, u64, u64)>,
    kept: usize,
}

impl Gate {
    /// Takes an entry, with its content if that is wanted.
    pub fn take(&mut self, entry: &Entry, content: Option<Vec<u8>>) {
        let directory = entry.kind == FileKind::Directory;
        if entry.left_out == LeftOut::Itself {
            return;
        }
        let format = entry.format.as_ref();
        if let Some(format) = format.filter(|format| format.tensors > 0) {
            self.numbers.push((entry.path.clone(), format.not_finite, format.elements));
        }
        if !directory && interest(&entry.path, entry.size) == Interest::Nothing {
            return;
        }
        let broken = format.and_then(|format| format.broken.clone());
        let content = content.filter(|content| self.kept + content.len() <= CONTENTS);
        self.kept += content.as_ref().map_or(0, Vec::len);
        self.seen.push(Seen {
            path: entry.path.clone(),
            directory,
            size: entry.size,
            mtime: entry.mtime.seconds,
            link: (entry.kind == FileKind::Symlink).then(|| entry.link_target.clone()),
            broken: broken.or_else(|| entry.fault.as_ref().map(|fault| fault.reason.clone())),
            content,
        });
    }

    /// The checkpoints among what was taken.
    pub fn judge(self) -> Vec<Checkpoint> {
        let found = judge(&self.seen);
        let newest = newest_of_families(&found);
        let mut numbers = vec![(0, 0); found.len()];
        let linked: Vec<HashSet<&[u8]>> =
            found.iter().map(|checkpoint| checkpoint.elsewhere.iter().map(|path| &path[..]).collect()).collect();
        for (path, not_finite, elements) in &self.numbers {
            let within = |place: &[u8]| crate::records::manifest::is_within(path, place);
            // The innermost of those that it is in has the longest path.
            let owner = (0..found.len()).filter(|&at| within(&found[at].path)).max_by_key(|&at| found[at].path.len());
            let linked = (0..found.len()).filter(|&at| linked[at].contains(&path[..]) && !within(&found[at].path));
            for owner in linked.chain(owner) {
                numbers[owner] = (numbers[owner].0 + not_finite, numbers[owner].1 + elements);
            }
        }
        let mut recorded: Vec<Checkpoint> = Vec::with_capacity(found.len());
        for (at, (found, (not_finite, elements))) in found.into_iter().zip(numbers).enumerate() {
            recorded.push(Checkpoint {
                path: printable(&[b"/", &found.path[..]].concat()),
                framework: found.framework.to_owned(),
                complete: found.faults.is_empty(),
                faults: found.faults.iter().map(|fault| printable(fault.as_bytes())).collect(),
                not_finite,
                elements,
                step: found.step,
                metrics: found.metrics,
                newest: newest.contains(&at),
            });
        }
        if recorded.len() > RECORDED {
            recorded.sort_by_key(|checkpoint| !checkpoint.newest);
            recorded.truncate(RECORDED);
            recorded.sort_by(|a, b| a.path.cmp(&b.path));
        }
        recorded
    }
}

/// The checkpoints on disk, judged by names, headers and control files.
fn look(options: &BackupOptions, skip: &[PathBuf]) -> Result<Vec<Checkpoint>> {
    let (walk, _) = Walk::new(&options.paths, Selection::new(&options.selection)?, skip);
    let mut gate = Gate::default();
    for item in walk.flatten() {
        let mut entry = item.entry;
        let name = [b"/", &entry.path[..]].concat();
        if entry.kind == FileKind::File && interest(&entry.path, entry.size) != Interest::Nothing {
            let mut head = vec![0; formats::HEAD.min(entry.size as usize)];
            let read = read_exactly(&name, 0, &mut head);
            let seen = Look::at(entry.name(), &head, entry.size, |offset, out| read_exactly(&name, offset, out));
            entry.format = read.ok().and_then(|()| seen.summary(&[], None));
        }
        let content = if wants_content(&entry) { content(&entry) } else { None };
        gate.take(&entry, content);
    }
    Ok(gate.judge())
}

/// What of the newest checkpoints is not complete.
pub(super) fn incomplete(checkpoints: &[Checkpoint]) -> Option<Error> {
    let mut open = checkpoints.iter().filter(|checkpoint| checkpoint.newest && !checkpoint.complete);
    let first = open.next()?;
    let more = match open.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let why = first.faults.first().cloned().unwrap_or_default();
    Some(
        Error::new(Kind::Incomplete, format!("The checkpoint {} is not complete: {why}{more}", first.path))
            .hint("no snapshot was made; wait for it with --wait-complete 10min, or leave out --require-complete"),
    )
}

/// Waits until every newest checkpoint is complete, at most as long as the options say. What is still open then is an error
/// if it is required to be complete, and otherwise for the record.
pub(super) async fn wait(options: &BackupOptions, skip: &[PathBuf], progress: &Arc<dyn Progress>) -> Result<()> {
    let Some(limit) = options.wait_complete else { return Ok(()) };
    progress.phase(Phase::Waiting);
    let started = Instant::now();
    loop {
        let (asked, not_there) = (options.clone(), skip.to_vec());
        let open = incomplete(&on_cpu(move || look(&asked, &not_there)).await??);
        match open {
            None => return Ok(()),
            Some(e) if started.elapsed() >= limit && options.require_complete => return Err(e),
            Some(_) if started.elapsed() >= limit => return Ok(()),
            Some(_) => {}
        }
        let until = Instant::now() + PAUSE;
        while Instant::now() < until {
            progress.check()?;
            tokio::time::sleep(PAUSE / 10).await;
        }
    }
}
