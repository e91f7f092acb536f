//! Waiting for checkpoints that are still being written.

use super::BackupOptions;
use crate::error::{Error, Kind, Result};
use crate::flows::gate::{Gate, content, look_at, wants_content};
use crate::frameworks::{Interest, interest};
use crate::progress::{Phase, Progress};
use crate::records::manifest::FileKind;
use crate::records::snapshot::Checkpoint;
use crate::repo::on_cpu;
use crate::sources::{Selection, Walk};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The checkpoints on disk, judged by names, headers and control files.
fn look(options: &BackupOptions, skip: &[PathBuf]) -> Result<Vec<Checkpoint>> {
    let (walk, _) = Walk::new(&options.paths, Selection::new(&options.selection)?, skip);
    let mut gate = Gate::default();
    for item in walk.flatten() {
        let mut entry = item.entry;
        let name = [b"/", &entry.path[..]].concat();
        if entry.kind == FileKind::File && interest(&entry.path, entry.size) != Interest::Nothing {
            entry.format = look_at(&entry, &name).ok().and_then(|look| look.summary(&[], None));
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
    Some(Error::new(Kind::Incomplete, format!("The checkpoint {} is not complete: {why}{more}", first.path)).hint(
        "no snapshot was made; --wait-complete 10min waits for it, without --require-complete it is stored as it is",
    ))
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
