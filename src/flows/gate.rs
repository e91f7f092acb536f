//! The completeness gate: which checkpoints are among the files, and whether each of them is all there.
//!
//! The same judgement is made everywhere: of the files on disk, for those who wait for it or only ask; and of what was read and
//! stored, for the record.

use super::look::Look;
use crate::error::printable;
use crate::formats;
use crate::frameworks::{Interest, Seen, interest, judge, newest_of_families};
use crate::records::manifest::{Entry, FileKind, LeftOut};
use crate::records::snapshot::Checkpoint;
use crate::sources::read_exactly;
use std::collections::HashSet;

/// Bytes of control files that are kept in memory; beyond that only names are judged.
const CONTENTS: usize = 256 << 20;
/// The most checkpoints that a snapshot records: those beyond are the oldest of their families.
const RECORDED: usize = 1000;

/// Whether the judge wants to know what is in a file.
pub(super) fn wants_content(entry: &Entry) -> bool {
    entry.kind == FileKind::File && interest(&entry.path, entry.size) == Interest::Content
}

/// The content of a file that is on disk as `entry` says, for the judge.
pub(super) fn content(entry: &Entry) -> Option<Vec<u8>> {
    content_at(entry, &[b"/", &entry.path[..]].concat())
}

/// The same, of a file that is at `place`.
pub(super) fn content_at(entry: &Entry, place: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; entry.size as usize];
    read_exactly(place, 0, &mut bytes).ok()?;
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
        let wanted = wants_content(entry);
        let content = content.filter(|content| self.kept + content.len() <= CONTENTS);
        // What nobody has looked at is not to be called complete.
        let unread = wanted && content.is_none() && entry.fault.is_none();
        let unread = unread.then(|| "it was not looked at: too many such files, or it could not be read".to_owned());
        self.kept += content.as_ref().map_or(0, Vec::len);
        self.seen.push(Seen {
            path: entry.path.clone(),
            directory,
            size: entry.size,
            mtime: entry.mtime.seconds,
            link: (entry.kind == FileKind::Symlink).then(|| entry.link_target.clone()),
            broken: broken.or_else(|| entry.fault.as_ref().map(|fault| fault.reason.clone())).or(unread),
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

/// What the format of a file that is on disk at `place` says, by its headers.
pub(super) fn look_at(entry: &Entry, place: &[u8]) -> std::io::Result<Look> {
    let mut head = vec![0; formats::HEAD.min(entry.size as usize)];
    read_exactly(place, 0, &mut head)?;
    Ok(Look::at(entry.name(), &head, entry.size, |offset, out| read_exactly(place, offset, out)))
}
