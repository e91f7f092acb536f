//! Restoring only what a model is: what is left out, and whether any weights remain.

use super::plan::Wanted;
use super::{RestoreReport, Session};
use crate::error::{Error, Kind, Result, Trouble};
use crate::frameworks::{holds_weights, is_training_state};
use crate::records::manifest::{Entry, FileKind};

/// The files of training state that were left out.
#[derive(Default)]
pub(super) struct LeftOutFiles {
    files: u64,
    bytes: u64,
    /// Whether weights may be in them: DeepSpeed can keep them where the optimizer is.
    sharded: bool,
    /// Whether there are files with weights beside them.
    weights: bool,
}

impl LeftOutFiles {
    /// Whether an entry is left out; then it is counted.
    pub fn takes(&mut self, entry: &Entry) -> bool {
        if !is_training_state(&entry.path) {
            self.weights |= holds_weights(&entry.path);
            return false;
        }
        if entry.kind == FileKind::File {
            self.files += 1;
            self.bytes = self.bytes.saturating_add(entry.size);
        }
        self.sharded |= entry.path.ends_with(b"optim_states.pt");
        true
    }
}

impl Session {
    /// Says what was left out, and that the rest is no model if it is none.
    pub(super) fn left_out(&self, wanted: &Wanted, report: &mut RestoreReport) -> Result<()> {
        let LeftOutFiles { files, bytes, sharded, weights } = wanted.left_out;
        (report.files_left_out, report.bytes_left_out) = (files, bytes);
        if files > 0 && report.total_entries == 0 {
            return Err(Error::new(Kind::NoMatch, "All that was asked for is training state, which is left out")
                .hint("restore without --weights-only"));
        }
        if sharded && !weights {
            let message = "no file with weights is restored: DeepSpeed may keep them in the files of the optimizer, \
                which --weights-only leaves out";
            self.file_problem(Trouble::NotRestored, b"", message);
        }
        Ok(())
    }
}
