//! Restoring single tensors: of every wanted file those that match, in a safetensors file in its place.

use super::Overwrite;
use super::plan::{Piece, Verdict, Wanted, keeps};
use super::{RestoreReport, Session, TensorFile};
use crate::error::{Error, Kind, Problem, Result, Trouble, printable};
use crate::flows::content::{Content, read, stored, tensors};
use crate::formats::safetensors::{lay_out, refuses};
use crate::progress::{Phase, Step};
use crate::records::manifest::{Entry, FileKind};
use crate::records::model::TensorRecord;
use crate::targets::{Directory, PartialFile, TargetError, existing};
use crate::tensor::Tensor;
use futures::StreamExt;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// How many files, and how many tensors that are refused, are named.
const NAMED: usize = 1000;
const REFUSED_NAMED: usize = 3;
const SUFFIX: &[u8] = b".safetensors";
/// An attribute that says who may read a file; others may speak of the content, which is another one.
const ACCESS: &[u8] = b"system.posix_acl_access";

/// Reads patterns of names of tensors: `*` and `?` match any characters, dots and slashes, too.
pub fn tensor_patterns(patterns: &[String]) -> Result<GlobSet> {
    let bad = |pattern: &str| {
        Error::new(Kind::Usage, format!("Bad pattern: {}", printable(pattern.as_bytes())))
            .hint("write it as for a shell: *.weight, model.layers.[0-3].*, {a,b}.bias")
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = GlobBuilder::new(pattern).literal_separator(false).backslash_escape(true).build();
        set.add(glob.map_err(|e| bad(pattern).because(e))?);
    }
    set.build().map_err(|e| bad(&patterns.join(" ")).because(e))
}

/// Writes what matches, and nothing else.
pub(super) async fn run(session: &Arc<Session>) -> Result<RestoreReport> {
    let patterns = tensor_patterns(&session.options.tensors)?;
    let (mut report, mut wanted) = (RestoreReport::default(), Wanted::new(&session.options)?);
    let mut made = HashSet::new();
    // Whether the reason why there is nothing may be one that was told.
    let mut told = false;
    session.progress.phase(Phase::Restoring);
    let mut stream = Box::pin(session.manifest.stream(&session.options.subtree));
    while let Some(page) = stream.next().await {
        let entries = page.unwrap_or_else(|e| {
            told = true;
            session.problem(Problem::new(Trouble::Damaged, e.what, "the files that it lists are not restored"));
            Vec::new()
        });
        for entry in entries {
            session.progress.check()?;
            if !matches!(wanted.judge(&entry), Verdict::Yes(_)) || entry.kind != FileKind::File {
                continue;
            }
            let place = session.placed(entry.clone()).path;
            let name = entry.name().to_vec();
            match plan(session, entry, &patterns).await {
                Ok(Some(subset)) => {
                    let place = if name.ends_with(SUFFIX) { place } else { [&place[..], SUFFIX].concat() };
                    report.total_entries += 1;
                    report.total_files += 1;
                    report.total_bytes = report.total_bytes.saturating_add(subset.len());
                    session.progress.total(report.total_entries, report.total_bytes);
                    match made.insert(place.clone()) {
                        true => subset.put(session, place, &mut report).await?,
                        false => session.file_problem(
                            Trouble::NotRestored,
                            &place,
                            "another file with tensors was written there: restore the two into different directories",
                        ),
                    }
                }
                Ok(None) => {}
                Err(e) if e.kind == Kind::Unsupported => {
                    told = true;
                    session.file_problem(Trouble::NotRestored, &place, e.what);
                }
                Err(e) => {
                    told = true;
                    session.lost(&place, &e)?;
                }
            }
        }
    }
    session.left_out(&wanted, &mut report)?;
    if report.total_files == 0 && !told {
        let names: Vec<String> = session.options.tensors.iter().map(|name| printable(name.as_bytes())).collect();
        return Err(Error::new(
            Kind::NoMatch,
            format!("No tensor in the files asked for matches {}", names.join(", ")),
        )
        .hint("`lastgood inspect --tensors` lists the tensors of a file; * matches any characters"));
    }
    if let Some(tree) = session.tree.as_ref().filter(|_| !session.options.dry_run) {
        tree.sync().map_err(|e| session.full(&e))?;
    }
    Ok(report)
}

/// The tensors of a file that are wanted.
struct Subset {
    entry: Entry,
    /// As the new file has them.
    tensors: Vec<Tensor>,
    /// Why the others that match are not among them.
    refused: Vec<String>,
    /// What comes before the data of the new file.
    head: Vec<u8>,
}

/// Chooses the tensors of a file; `None` if none match.
async fn plan(session: &Session, entry: Entry, patterns: &GlobSet) -> Result<Option<Subset>> {
    let Some(records) = tensors(&session.repo, &session.index, &entry).await? else { return Ok(None) };
    let (mut taken, refused) = choose(&records, patterns);
    if taken.is_empty() && refused.is_empty() {
        return Ok(None);
    }
    let torch = entry.format.as_ref().is_some_and(|format| format.name == "torch");
    let metadata: &[(&str, &str)] = if torch { &[("format", "pt")] } else { &[] };
    let head = lay_out(&mut taken, metadata);
    let head = head.map_err(|why| Error::new(Kind::Unsupported, format!("/{}: {why}", printable(&entry.path))))?;
    Ok(Some(Subset { entry, tensors: taken, refused, head }))
}

/// The tensors that match, and those of them that safetensors does not take, with the reason.
fn choose(records: &[TensorRecord], patterns: &GlobSet) -> (Vec<Tensor>, Vec<String>) {
    let (mut taken, mut refused, mut names) = (Vec::new(), Vec::new(), HashSet::new());
    for record in records.iter().filter(|record| patterns.is_match(&record.name)) {
        let tensor = record.tensor();
        let why = match names.insert(&record.name) {
            true => refuses(&tensor),
            false => Some("another tensor has the same name"),
        };
        match why {
            Some(why) => refused.push(format!("{} ({why})", printable(record.name.as_bytes()))),
            None => taken.push(tensor),
        }
    }
    (taken, refused)
}

impl Subset {
    /// Bytes of the new file.
    fn len(&self) -> u64 {
        self.tensors.iter().fold(self.head.len() as u64, |all, tensor| all.saturating_add(tensor.len))
    }

    /// Where the bytes of each tensor are, and where they go, in the order of the old file.
    fn moves(&self) -> Vec<(Range<u64>, u64)> {
        let mut to = self.head.len() as u64;
        let mut moves = Vec::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            moves.push((tensor.offset..tensor.offset + tensor.len, to));
            to += tensor.len;
        }
        moves.sort_by_key(|(from, _)| (from.start, from.end));
        moves
    }

    /// Writes the new file.
    async fn put(self, session: &Arc<Session>, place: Vec<u8>, report: &mut RestoreReport) -> Result<()> {
        if !self.refused.is_empty() {
            let more = match self.refused.len().saturating_sub(REFUSED_NAMED) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let named = self.refused[..self.refused.len().min(REFUSED_NAMED)].join(", ");
            let message = format!("not in it: {named}{more}; `lastgood dump --tensor NAME` writes the bytes of one");
            session.file_problem(Trouble::NotRestored, &place, message);
        }
        if self.tensors.is_empty() {
            return Ok(());
        }
        let moves = self.moves();
        let parts: Vec<Range<u64>> = moves.iter().map(|(from, _)| from.clone()).collect();
        let pieces = match Content::find(&session.manifest, &session.index, &self.entry).await {
            Ok(content) => content.holding(&parts),
            Err(e) => Err(e),
        };
        let pieces = match pieces {
            Ok(pieces) => pieces,
            Err(e) => return session.lost(&place, &e),
        };
        let xattrs = self.entry.xattrs.iter().filter(|xattr| xattr.name == ACCESS).cloned().collect();
        let new =
            Entry { path: place, size: self.len(), link_group: 0, xattrs, holes: Vec::new(), ..self.entry.clone() };
        let new = Entry { chunks: Vec::new(), format: None, ..new };
        let fetched = stored(&pieces);
        let target = session.directory_of(&new.path)?;
        if target.is_none() && !session.options.dry_run {
            return Ok(());
        }
        if let Some((dir, name)) = &target {
            match existing(dir, name) {
                // Size and time do not tell one choice of tensors from another.
                Ok(Some(there))
                    if session.options.overwrite != Overwrite::IfChanged
                        && keeps(session.options.overwrite, &there, &new) =>
                {
                    session.skip_file(new.size);
                    return Ok(());
                }
                Ok(_) => {}
                Err(e) => return session.target_problem(&e),
            }
        }
        session.counts.bytes_fetched.fetch_add(fetched, Relaxed);
        if let Some(target) = target.filter(|_| !session.options.dry_run) {
            match self.write(session, target, &new, pieces, &moves).await {
                Ok(warnings) => session.warnings(&new.path, warnings),
                Err(Stopped::Target(e)) => return session.target_problem(&e),
                Err(Stopped::Read(e)) => return session.lost(&new.path, &e),
            }
        }
        session.count_dry(&new, &[]);
        session.progress.step(Step::Entries(1));
        report.tensors_restored += self.tensors.len() as u64;
        if report.tensor_files.len() < NAMED {
            let (path, tensors) = (printable(&session.shown(&new.path)), self.tensors.len() as u64);
            report.tensor_files.push(TensorFile { path, tensors, bytes: new.size, bytes_fetched: fetched });
        }
        Ok(())
    }

    async fn write(
        &self,
        session: &Session,
        (dir, name): (Arc<Directory>, Vec<u8>),
        new: &Entry,
        pieces: Vec<Piece>,
        moves: &[(Range<u64>, u64)],
    ) -> Result<Vec<String>, Stopped> {
        let partial = PartialFile::create(dir, &name, new.size).map_err(Stopped::Target)?;
        partial.reserve().and_then(|()| partial.write_at(0, &self.head)).map_err(Stopped::Target)?;
        fill(session, &partial, pieces, moves).await?;
        partial.finish(new, &session.ownership).map_err(Stopped::Target)
    }
}

/// Why a file is not written to its end.
enum Stopped {
    Read(Error),
    Target(TargetError),
}

/// Writes what chunks have of the tensors where it goes.
async fn fill(
    session: &Session,
    partial: &PartialFile,
    pieces: Vec<Piece>,
    moves: &[(Range<u64>, u64)],
) -> Result<(), Stopped> {
    let mut chunks = std::pin::pin!(read(&session.repo, &session.index, pieces));
    while let Some(chunk) = chunks.next().await {
        session.progress.check().map_err(Stopped::Read)?;
        let (piece, plain) = chunk.map_err(Stopped::Read)?;
        let bytes = piece.bytes();
        let first = moves.partition_point(|(from, _)| from.end <= bytes.start);
        for (from, to) in moves[first..].iter().take_while(|(from, _)| from.start < bytes.end) {
            let (start, end) = (from.start.max(bytes.start), from.end.min(bytes.end));
            let part = &plain[(start - bytes.start) as usize..(end.max(start) - bytes.start) as usize];
            partial.write_at(to + (start - from.start), part).map_err(Stopped::Target)?;
            session.progress.step(Step::Done(part.len() as u64));
        }
    }
    Ok(())
}
