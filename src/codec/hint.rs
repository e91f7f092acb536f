//! Remembers per file which coding won, so that not every chunk needs a trial.

/// What a trial found best for chunks that look alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Keep as it is.
    Stored,
    /// A zstd frame that only counts bytes.
    Huffman,
    /// A zstd frame with matches.
    Match,
    /// Planes, or a zstd frame with matches when that is shorter and the planes do not meet `most`.
    Planes {
        /// Bit j says that plane j wants matches.
        matched: u8,
        /// Bytes of frame per byte in planes, as the trial leads to expect; 0 to make both always.
        most: f32,
    },
}

/// So many kinds of chunk are remembered per file; a checkpoint has weights, moments, ids and padding.
const KINDS: usize = 8;
/// A verdict holds for this many chunks, the one tried included ...
const HOLDS: u8 = 16;
/// ... but only this many when it is to store: another look costs little and may gain much.
const HOLDS_STORED: u8 = 4;

/// What is remembered of the chunks of one file, so that not every chunk needs a trial. Start each file with a new one.
#[derive(Clone, Debug, Default)]
pub struct Hint {
    known: [Option<(u32, Verdict, u8)>; KINDS],
    next: usize,
    /// For so many chunks to come nothing but a full try decides.
    mixed: u8,
    /// Mixed content between tensors says nothing of the tensors.
    tensors: bool,
}

impl Hint {
    /// For a file with tensors.
    pub fn of_tensors() -> Hint {
        Hint { tensors: true, ..Hint::default() }
    }

    /// A chunk was mixed, and worth coding: those after it are likely to be so too, whatever their samples look like.
    pub fn note_mixed(&mut self) {
        self.mixed = if self.tensors { 0 } else { HOLDS };
    }

    /// Whether this chunk follows mixed ones.
    pub fn follows_mixed(&mut self) -> bool {
        let follows = self.mixed > 0;
        self.mixed = self.mixed.saturating_sub(1);
        follows
    }

    /// The verdict on chunks with this key, if one is left; uses it up by one.
    pub fn recall(&mut self, key: u32) -> Option<Verdict> {
        let (_, verdict, left) = self.known.iter_mut().flatten().find(|(k, ..)| *k == key)?;
        *left = left.checked_sub(1)?;
        Some(*verdict)
    }

    /// Remembers what a trial found.
    pub fn learn(&mut self, key: u32, verdict: Verdict) {
        let holds = if verdict == Verdict::Stored { HOLDS_STORED } else { HOLDS };
        let slot = self.known.iter().position(|e| e.is_some_and(|(k, ..)| k == key)).unwrap_or_else(|| {
            self.next = (self.next + 1) % KINDS;
            self.next
        });
        self.known[slot] = Some((key, verdict, holds - 1));
    }

    /// Forgets a verdict that turned out wrong.
    pub fn forget(&mut self, key: u32) {
        for entry in &mut self.known {
            if entry.is_some_and(|(k, ..)| k == key) {
                *entry = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_sixteen_chunks_of_its_kind() {
        let mut hint = Hint::default();
        hint.learn(5, Verdict::Match);
        hint.learn(6, Verdict::Stored);
        assert_eq!((0..99).take_while(|_| hint.recall(5).is_some()).count(), 15);
        assert_eq!((0..99).take_while(|_| hint.recall(6).is_some()).count(), 3);
        (0..20).for_each(|key| hint.learn(key, Verdict::Huffman));
        hint.forget(19);
        assert_eq!((hint.recall(0), hint.recall(18), hint.recall(19)), (None, Some(Verdict::Huffman), None));
    }
}
