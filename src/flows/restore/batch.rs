//! A batch of files: what is there already is kept, the rest is fetched pack by pack and written where it belongs.

use super::plan::FilePlan;
use super::{Session, compare};
use crate::error::{Error, Kind, Result, Trouble};
use crate::id::{ChunkId, ObjectId};
use crate::progress::Step;
use crate::repo::fetch::{Read, fetch};
use crate::repo::index::{Location, pack_name};
use crate::repo::reader::Opener;
use crate::targets::{PartialFile, TargetError, update_metadata, write_small};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Arc, PoisonError};
use tokio::runtime::Handle;

/// Limits of a batch: they bound its memory and the files that are open at once.
const PIECES: usize = 1 << 16;
const OPEN_FILES: usize = 512;
const DIRECTORIES: usize = 512;
/// At most so much of a pack is fetched at once ...
const RANGE: u64 = 4 << 20;
/// ... and so much that nobody wants is fetched rather than asking twice.
const GAP: u64 = 64 << 10;

/// Files to restore together.
#[derive(Default)]
pub(super) struct Batch {
    files: Vec<FilePlan>,
    pieces: usize,
    open: usize,
    directories: usize,
}

/// A chunk to fetch, and where it goes: (file, piece) pairs.
struct Want {
    id: ChunkId,
    at: Location,
    places: Vec<(u32, u32)>,
}

/// Neighbouring chunks of one pack.
struct Stretch {
    pack: ObjectId,
    start: u64,
    wants: Vec<Want>,
}

impl Batch {
    /// Adds a file.
    pub fn add(&mut self, file: FilePlan) {
        self.pieces += file.pieces.len();
        self.open += usize::from(!file.is_single());
        let same = self.files.last().is_some_and(|last| Arc::ptr_eq(&last.dir, &file.dir));
        self.directories += usize::from(!same);
        self.files.push(file);
    }

    /// Whether it should be run before more is added.
    pub fn is_full(&self) -> bool {
        self.pieces >= PIECES
            || self.files.len() >= PIECES
            || self.open >= OPEN_FILES
            || self.directories >= DIRECTORIES
    }

    /// Restores all of it.
    pub async fn run(self, session: &Arc<Session>) -> Result<()> {
        let files = Arc::new(self.files);
        compare::mark_present(session, &files).await?;
        let stretches = prepare(session, &files)?;
        let fetched: u64 = stretches.iter().map(Stretch::len).sum();
        session.counts.bytes_fetched.fetch_add(fetched, Relaxed);
        if session.options.dry_run {
            return Ok(());
        }
        let reads = stretches.into_iter().map(|stretch| {
            let range = stretch.start..stretch.start + stretch.len();
            Read { pack: stretch.pack, range, job: stretch }
        });
        let (repo, session) = (session.repo.clone(), session.clone());
        let runtime = Handle::current();
        fetch(&repo, reads.collect(), move || {
            let (session, files, runtime) = (session.clone(), files.clone(), runtime.clone());
            let mut opener = Opener::new(&session.repo, &session.index)?;
            let mut plain = Vec::new();
            Ok(move |stretch: Stretch, bytes: Result<&[u8]>| {
                session.progress.check()?;
                stretch.restore(&session, &files, bytes, &mut opener, &mut plain, &runtime)
            })
        })
        .await
    }
}

/// Finishes the files that need nothing from the store, and sorts what the others need by pack.
fn prepare(session: &Session, files: &[FilePlan]) -> Result<Vec<Stretch>> {
    let mut wants: Vec<(u32, u32, u32, u32)> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let before = wants.len();
        for (place, piece) in file.pieces.iter().enumerate() {
            if !file.present.get(place).is_some_and(|there| there.load(Relaxed)) {
                wants.push((piece.at.pack, piece.at.offset, number as u32, place as u32));
            }
        }
        let missing = wants.len() - before;
        file.left.store(missing as u32, Relaxed);
        if missing == 0 {
            without_fetching(session, file)?;
        } else {
            if session.options.dry_run {
                session.count_dry(&file.entry, &[]);
            }
            let there: u64 = file.there().map(|piece| u64::from(piece.at.raw)).sum();
            session.counts.bytes_skipped.fetch_add(there, Relaxed);
            session.progress.step(Step::Skipped(there));
        }
    }
    wants.sort_unstable();
    let mut stretches: Vec<Stretch> = Vec::new();
    for (pack, offset, file, place) in wants {
        let piece = &files[file as usize].pieces[place as usize];
        let id = session.index.pack(pack).id;
        if let Some(last) = stretches.last_mut().filter(|last| last.pack == id) {
            if let Some(same) = last.wants.last_mut().filter(|want| want.at.offset == offset) {
                same.places.push((file, place));
                continue;
            }
            let end = last.start + last.len();
            let offset = u64::from(offset);
            if offset <= end + GAP && offset + u64::from(piece.at.stored) - last.start <= RANGE {
                last.wants.push(Want { id: piece.id, at: piece.at, places: vec![(file, place)] });
                continue;
            }
        }
        let wants = vec![Want { id: piece.id, at: piece.at, places: vec![(file, place)] }];
        stretches.push(Stretch { pack: id, start: u64::from(offset), wants });
    }
    Ok(stretches)
}

/// A file whose content is empty, all holes, or in the target already.
fn without_fetching(session: &Session, file: &FilePlan) -> Result<()> {
    let equal =
        file.existing.as_ref().is_some_and(|old| old.about().size == file.entry.size && file.entry.holes.is_empty());
    if session.options.dry_run {
        if equal {
            session.skip_file(file.entry.size);
        } else {
            session.count_dry(&file.entry, &[]);
        }
        return Ok(());
    }
    if equal {
        match update_metadata(&file.dir, file.name(), &file.entry, &session.ownership) {
            Ok(Some(warnings)) => {
                session.warnings(&file.place, warnings);
                session.skip_file(file.entry.size);
                session.stands(&file.entry);
                return Ok(());
            }
            Ok(None) => {}
            Err(e) => return session.target_problem(&e),
        }
    }
    let made = file.with_partial(|_| Ok(())).and_then(|()| file.complete(session));
    made.or_else(|e| session.target_problem(&e))
}

impl FilePlan {
    /// The pieces that the existing file has.
    fn there(&self) -> impl Iterator<Item = &super::plan::Piece> {
        self.pieces.iter().zip(&self.present).filter(|(_, there)| there.load(Relaxed)).map(|(piece, _)| piece)
    }

    /// Works on the partial file, which is made, with what was there already, on the first call.
    fn with_partial(&self, work: impl FnOnce(&PartialFile) -> Result<(), TargetError>) -> Result<(), TargetError> {
        let partial = {
            let mut slot = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
            match &*slot {
                Some(partial) => partial.clone(),
                None => {
                    let partial = PartialFile::create(self.dir.clone(), self.name(), self.entry.size)?;
                    if self.entry.holes.is_empty() {
                        partial.reserve()?;
                    }
                    if let Some(old) = &self.existing {
                        for piece in self.there() {
                            partial.copy_from_existing(old, piece.offset, u64::from(piece.at.raw))?;
                        }
                    }
                    slot.insert(Arc::new(partial)).clone()
                }
            }
        };
        work(&partial)
    }

    /// Gives the file its metadata and its name.
    fn complete(&self, session: &Session) -> Result<(), TargetError> {
        let taken = self.partial.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(partial) = taken.and_then(Arc::into_inner) else {
            return Err(TargetError::new(&self.place[..], "it was finished twice"));
        };
        let warnings = partial.finish(&self.entry, &session.ownership)?;
        self.restored(session, warnings);
        Ok(())
    }

    fn restored(&self, session: &Session, warnings: Vec<String>) {
        session.stands(&self.entry);
        session.warnings(&self.place, warnings);
        if let Some(fault) = &self.entry.fault {
            let message = format!("restored as it was read, but {}", fault.reason);
            session.file_problem(Trouble::Unstable, &self.place, message);
        }
        session.counts.files_restored.fetch_add(1, Relaxed);
        session.counts.bytes_restored.fetch_add(self.entry.size, Relaxed);
        session.progress.step(Step::Entries(1));
    }

    /// Writes one piece, and finishes the file with its last one.
    fn write(&self, session: &Session, place: usize, plain: &[u8]) -> Result<()> {
        session.progress.step(Step::Done(plain.len() as u64));
        let done = if self.is_single() {
            write_small(&self.dir, self.name(), plain, &self.entry, &session.ownership)
                .map(|warnings| self.restored(session, warnings))
        } else if self.failed.load(Relaxed) {
            self.piece_done(session)
        } else {
            self.with_partial(|partial| partial.write_at(self.pieces[place].offset, plain))
                .and_then(|()| self.piece_done(session))
        };
        done.or_else(|e| {
            self.abandon();
            session.target_problem(&e)
        })
    }

    fn piece_done(&self, session: &Session) -> Result<(), TargetError> {
        if self.left.fetch_sub(1, AcqRel) != 1 {
            return Ok(());
        }
        match self.failed.load(Acquire) {
            true => {
                self.abandon();
                Ok(())
            }
            false => self.complete(session),
        }
    }

    /// Leaves nothing of the file behind.
    fn abandon(&self) {
        self.failed.store(true, Relaxed);
        self.partial.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A piece is lost, and so is the file.
    fn lose(&self, session: &Session, e: &Error) -> Result<()> {
        if !self.failed.swap(true, AcqRel) {
            let kind = match e.kind {
                Kind::Missing => Trouble::Missing,
                Kind::Damaged => Trouble::Damaged,
                _ => Trouble::NotRestored,
            };
            session.file_problem(kind, &self.place, format!("not restored: {e}{}", cause(e)));
        }
        self.piece_done(session).or_else(|e| session.target_problem(&e))
    }
}

fn cause(e: &Error) -> String {
    e.source.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default()
}

impl Stretch {
    fn len(&self) -> u64 {
        self.wants.last().map_or(0, |last| u64::from(last.at.offset) + u64::from(last.at.stored) - self.start)
    }

    /// Opens every chunk and writes it to each place that wants it.
    fn restore(
        &self,
        session: &Session,
        files: &[FilePlan],
        bytes: Result<&[u8]>,
        opener: &mut Opener,
        plain: &mut Vec<u8>,
        runtime: &Handle,
    ) -> Result<()> {
        for want in &self.wants {
            let from = u64::from(want.at.offset);
            let range = (from - self.start) as usize..(from - self.start) as usize + want.at.stored as usize;
            let opened = match &bytes {
                Ok(bytes) => open(session, opener, want, &bytes[range], plain),
                // The stretch as a whole cannot be had: perhaps this chunk can.
                Err(_) => {
                    let range = from..from + u64::from(want.at.stored);
                    let alone = runtime.block_on(session.repo.store().get_range(&pack_name(&self.pack), range));
                    alone.and_then(|bytes| open(session, opener, want, &bytes, plain))
                }
            };
            for &(file, place) in &want.places {
                let file = &files[file as usize];
                match &opened {
                    Ok(()) => file.write(session, place as usize, plain)?,
                    Err(e) => file.lose(session, e)?,
                }
            }
        }
        Ok(())
    }
}

fn open(session: &Session, opener: &mut Opener, want: &Want, frame: &[u8], plain: &mut Vec<u8>) -> Result<()> {
    opener.open(session.index.pack(want.at.pack), &want.at, &want.id, frame, plain)
}
