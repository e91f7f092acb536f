//! What progress looks like at one moment: as lines of a terminal, as a line of a log, as JSON.

use super::size::{grouped, show};
use super::time::show_span;
use crate::progress::Phase;
use serde::Serialize;
use std::time::Duration;

/// All counters at one moment.
#[derive(Clone, Debug)]
pub struct View {
    /// What the flow is busy with.
    pub phase: Phase,
    /// Since the command began.
    pub elapsed: Duration,
    /// Bytes a second, lately.
    pub rate: f64,
    /// Entries done in this phase.
    pub entries: u64,
    /// Entries to be done in this phase, 0 if unknown.
    pub total_entries: u64,
    /// Bytes done in this phase.
    pub bytes: u64,
    /// Bytes to be done in this phase, 0 if unknown.
    pub total_bytes: u64,
    /// Bytes of unchanged files.
    pub unchanged: u64,
    /// Bytes whose chunks are there.
    pub duplicate: u64,
    /// New bytes.
    pub raw: u64,
    /// What they came to.
    pub stored: u64,
    /// The entry that is worked on, escaped.
    pub current: String,
    /// Problems so far.
    pub problems: u64,
}

/// A status line for machines, with restic's names.
#[derive(Serialize)]
struct Status<'a> {
    message_type: &'static str,
    phase: &'static str,
    percent_done: f64,
    total_files: u64,
    files_done: u64,
    total_bytes: u64,
    bytes_done: u64,
    seconds_elapsed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_remaining: Option<u64>,
    error_count: u64,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    current_files: &'a [&'a str],
}

/// What a phase is called.
pub fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "opening",
        Phase::Waiting => "waiting",
        Phase::Saving => "saving",
        Phase::Committing => "committing",
        Phase::Planning => "planning",
        Phase::Restoring => "restoring",
        Phase::Finishing => "finishing",
        Phase::Structure => "checking",
        Phase::Scrubbing => "hashing",
        Phase::Reading => "reading",
    }
}

/// Characters of a full bar.
const BAR: usize = 12;

impl View {
    /// How much of the phase is done, from 0 to 1.
    fn fraction(&self) -> Option<f64> {
        let of = |done: u64, total: u64| (total > 0).then(|| (done as f64 / total as f64).min(1.0));
        of(self.bytes, self.total_bytes).or_else(|| of(self.entries, self.total_entries))
    }

    fn seconds_left(&self) -> Option<u64> {
        let left = self.total_bytes.checked_sub(self.bytes).filter(|&left| left > 0)?;
        (self.rate >= 1.0).then(|| (left as f64 / self.rate).ceil() as u64)
    }

    /// Bytes, rate and time left, as far as they are known.
    fn figures(&self) -> Vec<String> {
        let mut parts = Vec::new();
        match (self.bytes, self.total_bytes) {
            (0, 0) => {}
            (bytes, 0) => parts.push(show(bytes)),
            (bytes, total) => parts.push(format!("{} of {}", show(bytes), show(total))),
        }
        if self.rate >= 1.0 {
            parts.push(format!("{}/s", show(self.rate as u64)));
        }
        match self.seconds_left() {
            None => {}
            Some(seconds @ 0..60) => parts.push(format!("{seconds} s left")),
            Some(seconds) => parts.push(format!("{} left", show_span(Duration::from_secs(seconds)))),
        }
        parts
    }

    /// How many entries are done, if there are any.
    fn counted(&self) -> Option<String> {
        match (self.entries, self.total_entries) {
            (0, 0) => None,
            (entries, 0) => Some(format!("{} entries", grouped(entries))),
            (entries, total) => Some(format!("{} of {} entries", grouped(entries), grouped(total))),
        }
    }

    /// How many problems there were, if any.
    fn troubles(&self) -> Option<String> {
        (self.problems > 0).then(|| super::size::count(self.problems, "problem"))
    }

    /// The lines of a terminal so many columns wide.
    pub fn draw(&self, width: usize) -> String {
        let bar = match self.fraction() {
            Some(fraction) => {
                let full = (fraction * BAR as f64) as usize;
                format!("[{}{}] {:>3.0} %  ", "#".repeat(full), "-".repeat(BAR - full), (fraction * 100.0).floor())
            }
            None => String::new(),
        };
        let mut lines = vec![format!("{:<10} {bar}{}", word(self.phase), self.figures().join(", "))];
        if self.unchanged + self.duplicate + self.raw > 0 {
            lines.push(format!("{:<10} {}", "", split(self.unchanged, self.duplicate, self.raw, self.stored)));
        }
        let mut last = self.counted().into_iter().chain(self.troubles()).collect::<Vec<_>>().join(", ");
        if !self.current.is_empty() {
            let colon = if last.is_empty() { "" } else { ": " };
            let room = width.saturating_sub(12 + last.len() + colon.len());
            last = format!("{last}{colon}{}", end_of(&self.current, room));
        }
        if !last.is_empty() {
            lines.push(format!("{:<10} {last}", ""));
        }
        let fitting = |line: String| console::truncate_str(&line, width.saturating_sub(1), "").trim_end().to_owned();
        lines.into_iter().map(fitting).collect::<Vec<_>>().join("\n")
    }

    /// A line of a log.
    pub fn line(&self) -> String {
        let percent = self.fraction().map(|fraction| format!("{:.0} %", (fraction * 100.0).floor()));
        let mut parts: Vec<String> = percent.into_iter().chain(self.figures()).collect();
        parts.extend(self.counted().into_iter().chain(self.troubles()));
        parts.push(format!("{} so far", show_span(self.elapsed)));
        format!("lastgood: {}: {}", word(self.phase), parts.join(", "))
    }

    /// A line of JSON, without its newline.
    pub fn json(&self) -> String {
        let status = Status {
            message_type: "status",
            phase: word(self.phase),
            percent_done: self.fraction().unwrap_or(0.0),
            total_files: self.total_entries,
            files_done: self.entries,
            total_bytes: self.total_bytes,
            bytes_done: self.bytes,
            seconds_elapsed: self.elapsed.as_secs(),
            seconds_remaining: self.seconds_left(),
            error_count: self.problems,
            current_files: &[self.current.as_str()][..usize::from(!self.current.is_empty())],
        };
        serde_json::to_string(&status).unwrap_or_default()
    }
}

/// Where the bytes of a backup went: how much deduplication saved, and how much compression.
pub fn split(unchanged: u64, duplicate: u64, raw: u64, stored: u64) -> String {
    let ratio = if stored > 0 { format!(" ({:.2}x)", raw as f64 / stored as f64) } else { String::new() };
    let coded = if raw > 0 { format!(" -> {} stored{ratio}", show(stored)) } else { String::new() };
    format!("{} unchanged, {} deduplicated, {} new{coded}", show(unchanged), show(duplicate), show(raw))
}

/// The end of a text, which is what tells paths apart, in so many columns.
fn end_of(text: &str, width: usize) -> String {
    let mut room = width;
    if console::measure_text_width(text) <= width {
        return text.to_owned();
    }
    let mut start = text.len();
    room = room.saturating_sub(1);
    for (at, c) in text.char_indices().rev() {
        let taken = console::measure_text_width(c.encode_utf8(&mut [0; 4]));
        if taken > room {
            break;
        }
        room -= taken;
        start = at;
    }
    format!("…{}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            phase: Phase::Saving,
            elapsed: Duration::from_secs(61),
            rate: 1.2e9,
            entries: 134,
            total_entries: 1200,
            bytes: 12_300_000_000,
            total_bytes: 30_000_000_000,
            unchanged: 3_000_000_000,
            duplicate: 1_200_000_000,
            raw: 8_100_000_000,
            stored: 5_400_000_000,
            current: "/models/checkpoint-10/model-00001.safetensors".into(),
            problems: 0,
        }
    }

    #[test]
    fn a_terminal_gets_three_lines_that_fit() {
        assert_eq!(
            view().draw(120),
            "saving     [####--------]  41 %  12.3 GB of 30.0 GB, 1.2 GB/s, 15 s left\n           \
             3.0 GB unchanged, 1.2 GB deduplicated, 8.1 GB new -> 5.4 GB stored (1.50x)\n           \
             134 of 1,200 entries: /models/checkpoint-10/model-00001.safetensors"
        );
        for width in [0, 1, 5, 12, 40, 41, 80] {
            for line in view().draw(width).lines() {
                assert!(console::measure_text_width(line) <= width, "{width}: {line}");
            }
        }
        let narrow = view().draw(60);
        assert!(narrow.ends_with("           134 of 1,200 entries: …0/model-00001.safetensors"), "{narrow}");
    }

    #[test]
    fn what_is_unknown_is_not_drawn() {
        let idle = View {
            rate: 0.0,
            entries: 0,
            total_entries: 0,
            bytes: 0,
            total_bytes: 0,
            unchanged: 0,
            duplicate: 0,
            raw: 0,
            current: String::new(),
            ..view()
        };
        assert_eq!(idle.draw(80), "saving");
        assert_eq!(idle.line(), "lastgood: saving: 1 min 1 s so far");
        let over = View { bytes: 40_000_000_000, ..view() };
        assert!(over.draw(100).contains("100 %") && !over.draw(100).contains("left"));
    }

    #[test]
    fn a_log_gets_one_line() {
        assert_eq!(
            View { problems: 1, ..view() }.line(),
            "lastgood: saving: 41 %, 12.3 GB of 30.0 GB, 1.2 GB/s, 15 s left, 134 of 1,200 entries, 1 problem, 1 min 1 s so far"
        );
    }

    #[test]
    fn machines_get_restics_names() {
        assert_eq!(
            view().json(),
            r#"{"message_type":"status","phase":"saving","percent_done":0.41,"total_files":1200,"files_done":134,"total_bytes":30000000000,"bytes_done":12300000000,"seconds_elapsed":61,"seconds_remaining":15,"error_count":0,"current_files":["/models/checkpoint-10/model-00001.safetensors"]}"#
        );
    }

    #[test]
    fn paths_keep_their_end() {
        assert_eq!(end_of("abcdef", 6), "abcdef");
        assert_eq!(end_of("abcdef", 4), "…def");
        assert_eq!(end_of("日本語", 4), "…語");
        assert_eq!(end_of("abcdef", 0), "…");
    }
}
