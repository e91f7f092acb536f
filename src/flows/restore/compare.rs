//! Comparing files that are there with chunk ids, on all cores: before a restore in place, and to verify after one.

use super::plan::{FilePlan, Verdict, Wanted, pieces};
use super::{Overwrite, Session};
use crate::codec::envelope::Realm;
use crate::error::{Result, Trouble};
use crate::progress::Step;
use crate::records::manifest::{Entry, FileKind};
use crate::repo::fetch::on_threads;
use crate::repo::on_cpu;
use crate::targets::ExistingFile;
use futures::StreamExt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of a file that one thread takes at once: one large file keeps all cores busy.
const SHARE: u64 = 16 << 20;

/// Finds out which pieces of the files are in the target already.
pub(super) async fn mark_present(session: &Arc<Session>, files: &Arc<Vec<FilePlan>>) -> Result<()> {
    let mut shares: Vec<(usize, Range<usize>)> = Vec::new();
    for (number, file) in files.iter().enumerate().filter(|(_, file)| file.existing.is_some()) {
        let (mut start, mut bytes) = (0, 0);
        for (at, piece) in file.pieces.iter().enumerate() {
            bytes += u64::from(piece.at.raw);
            if bytes >= SHARE || at + 1 == file.pieces.len() {
                shares.push((number, start..at + 1));
                (start, bytes) = (at + 1, 0);
            }
        }
    }
    if shares.is_empty() {
        return Ok(());
    }
    let (session, files) = (session.clone(), files.clone());
    on_cpu(move || {
        let next = AtomicUsize::new(0);
        on_threads(|| {
            let mut buffer = Vec::new();
            while let Some((number, range)) = shares.get(next.fetch_add(1, Relaxed)) {
                session.progress.check()?;
                compare(&session, &files[*number], range.clone(), &mut buffer);
            }
            Ok(())
        })
    })
    .await?
}

fn compare(session: &Session, file: &FilePlan, range: Range<usize>, buffer: &mut Vec<u8>) {
    let Some(old) = &file.existing else { return };
    for place in range {
        let piece = &file.pieces[place];
        buffer.resize(piece.at.raw as usize, 0);
        // A file that cannot be read is simply replaced.
        let read = old.read_at(piece.offset, buffer).unwrap_or(0);
        let equal = read == buffer.len() && session.repo.keys().chunk_id(Realm::Data, buffer) == piece.id;
        file.present[place].store(equal, Relaxed);
    }
}

/// Reads every restored file again and compares it with the snapshot.
pub(super) async fn verify(session: &Arc<Session>) -> Result<()> {
    let mut wanted = Wanted::new(&session.options)?;
    let mut files = Vec::new();
    let mut stream = Box::pin(session.manifest.stream(&session.options.subtree));
    while let Some(page) = stream.next().await {
        // Pages that cannot be read were reported when they were planned.
        for entry in page.unwrap_or_default() {
            let taken = matches!(wanted.judge(&entry), Verdict::Yes(_));
            let entry = session.flat(entry).await?;
            if taken && entry.kind == FileKind::File {
                files.extend(open_restored(session, session.placed(entry)).await?);
            }
        }
        check_all(session, std::mem::take(&mut files)).await?;
    }
    Ok(())
}

/// A file as it stands now; one that was reported already, or kept on purpose, is not looked at.
async fn open_restored(session: &Arc<Session>, entry: Entry) -> Result<Option<FilePlan>> {
    if entry.fault.as_ref().is_some_and(|fault| fault.unreadable) {
        return Ok(None);
    }
    let chunks = session.manifest.chunks(&entry).await.ok();
    let Some(pieces) = chunks.and_then(|chunks| pieces(&entry, &chunks, &session.index).ok()) else { return Ok(None) };
    let place = entry.path.clone();
    let Some((dir, name)) = session.directory_of(&place)? else { return Ok(None) };
    match ExistingFile::open(&dir, &name) {
        Ok(Some(there)) => Ok(Some(FilePlan::new(entry, place, dir, pieces, Some(there)))),
        Ok(None) => {
            session.file_problem(Trouble::NotRestored, &place, "there is no such file after the restore");
            Ok(None)
        }
        Err(e) if e.full => Err(session.full(&e)),
        Err(e) => session.target_problem(&e).map(|()| None),
    }
}

async fn check_all(session: &Arc<Session>, files: Vec<FilePlan>) -> Result<()> {
    let files = Arc::new(files);
    mark_present(session, &files).await?;
    for file in files.iter() {
        let whole = file.present.iter().all(|there| there.load(Relaxed));
        let size = file.existing.as_ref().map(|there| there.about().size);
        if whole && size == Some(file.entry.size) {
            session.counts.files_verified.fetch_add(1, Relaxed);
            session.progress.step(Step::Done(file.entry.size));
        } else if matches!(session.options.overwrite, Overwrite::Always | Overwrite::IfChanged) {
            let message = "it is not what the snapshot has; did something write to it during the restore?";
            session.file_problem(Trouble::NotRestored, &file.place, message);
        }
    }
    Ok(())
}
