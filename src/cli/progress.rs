//! Counts what a flow reports, draws it on a clock of its own, and passes on that the user wants to stop.

use super::ui::{Ui, can_draw, problem_json, problem_words, say};
use super::view::{View, word};
use crate::error::{Problem, printable};
use crate::progress::{Phase, Progress, Step};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often a terminal is drawn anew.
const DRAW: Duration = Duration::from_millis(200);
/// How often machines get a status.
const STATUS: Duration = Duration::from_secs(1);
/// How often a log gets a line.
const LOG: Duration = Duration::from_secs(60);
/// The rate is an average over about so many seconds.
const SMOOTH: f64 = 8.0;

/// Where progress goes.
enum Voice {
    /// Nowhere: only problems are said.
    Silent,
    /// Over and over the same lines of a terminal.
    Terminal(ProgressBar),
    /// To a log.
    Log,
    /// To machines.
    Json,
}

/// The counters of a run: what workers call, and never wait for.
struct Meter {
    entries: AtomicU64,
    unchanged: AtomicU64,
    duplicate: AtomicU64,
    raw: AtomicU64,
    stored: AtomicU64,
    done: AtomicU64,
    total_entries: AtomicU64,
    total_bytes: AtomicU64,
    problems: AtomicU64,
    base: Mutex<Base>,
    current: Mutex<Vec<u8>>,
    started: Instant,
    stop: AtomicBool,
    voice: Voice,
    verbose: bool,
}

/// Where a phase began.
#[derive(Clone, Copy)]
struct Base {
    phase: Phase,
    entries: u64,
    bytes: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    fn new(voice: Voice, verbose: bool) -> Meter {
        let [entries, unchanged, duplicate, raw, stored, done] = [const { AtomicU64::new(0) }; 6];
        let [total_entries, total_bytes, problems] = [const { AtomicU64::new(0) }; 3];
        Meter {
            entries,
            unchanged,
            duplicate,
            raw,
            stored,
            done,
            total_entries,
            total_bytes,
            problems,
            base: Mutex::new(Base { phase: Phase::Opening, entries: 0, bytes: 0 }),
            current: Mutex::new(Vec::new()),
            started: Instant::now(),
            stop: AtomicBool::new(false),
            voice,
            verbose,
        }
    }

    fn bytes(&self) -> u64 {
        [&self.unchanged, &self.duplicate, &self.raw, &self.done].iter().map(|count| count.load(Relaxed)).sum()
    }

    fn view(&self, rate: &mut Rate) -> View {
        let base = *locked(&self.base);
        let current = locked(&self.current).clone();
        let bytes = self.bytes().saturating_sub(base.bytes);
        View {
            phase: base.phase,
            elapsed: self.started.elapsed(),
            rate: rate.update(bytes, Instant::now()),
            entries: self.entries.load(Relaxed).saturating_sub(base.entries),
            total_entries: self.total_entries.load(Relaxed),
            bytes,
            total_bytes: self.total_bytes.load(Relaxed),
            unchanged: self.unchanged.load(Relaxed),
            duplicate: self.duplicate.load(Relaxed),
            raw: self.raw.load(Relaxed),
            stored: self.stored.load(Relaxed),
            current: if current.is_empty() { String::new() } else { format!("/{}", printable(&current)) },
            problems: self.problems.load(Relaxed),
        }
    }

    /// Says a line without disturbing what is drawn.
    fn say(&self, text: &str) {
        match &self.voice {
            Voice::Terminal(bar) => bar.suspend(|| say(text)),
            _ => say(text),
        }
    }

    fn draw(&self, rate: &mut Rate) {
        let view = self.view(rate);
        match &self.voice {
            Voice::Silent => {}
            Voice::Log => say(&view.line()),
            Voice::Json => {
                // Whoever stopped reading does not stop the run: the report will notice.
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(format!("{}\n", view.json()).as_bytes()).and_then(|()| out.flush());
            }
            Voice::Terminal(bar) => bar.set_message(view.draw(usize::from(console::Term::stderr().size().1))),
        }
    }
}

impl Progress for Meter {
    fn phase(&self, phase: Phase) {
        let base = Base { phase, entries: self.entries.load(Relaxed), bytes: self.bytes() };
        *locked(&self.base) = base;
        self.total_entries.store(0, Relaxed);
        self.total_bytes.store(0, Relaxed);
        locked(&self.current).clear();
        if self.verbose && matches!(self.voice, Voice::Log) {
            say(&format!("lastgood: {}", word(phase)));
        }
    }

    fn total(&self, entries: u64, bytes: u64) {
        self.total_entries.store(entries, Relaxed);
        self.total_bytes.store(bytes, Relaxed);
    }

    fn step(&self, step: Step) {
        let (count, by) = match step {
            Step::Entries(n) => (&self.entries, n),
            Step::Unchanged(n) => (&self.unchanged, n),
            Step::Duplicate(n) => (&self.duplicate, n),
            Step::Stored { raw, stored } => {
                self.stored.fetch_add(stored, Relaxed);
                (&self.raw, raw)
            }
            Step::Done(n) | Step::Skipped(n) => (&self.done, n),
        };
        count.fetch_add(by, Relaxed);
    }

    fn current(&self, path: &[u8]) {
        if matches!(self.voice, Voice::Silent | Voice::Log) {
            return;
        }
        if let Ok(mut current) = self.current.try_lock() {
            current.clear();
            current.extend_from_slice(path);
        }
    }

    fn problem(&self, problem: &Problem) {
        self.problems.fetch_add(1, Relaxed);
        match &self.voice {
            Voice::Json => say(&problem_json(problem, word(locked(&self.base).phase))),
            _ => self.say(&problem_words(problem)),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }
}

/// Bytes a second, smoothed.
#[derive(Default)]
struct Rate {
    last: Option<(u64, Instant)>,
    value: Option<f64>,
}

impl Rate {
    fn update(&mut self, bytes: u64, now: Instant) -> f64 {
        let Some((before, then)) = self.last.replace((bytes, now)) else { return 0.0 };
        let Some(more) = bytes.checked_sub(before) else {
            // Another phase began.
            self.value = None;
            return 0.0;
        };
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds > 0.0 {
            let latest = more as f64 / seconds;
            let weight = 1.0 - (-seconds / SMOOTH).exp();
            self.value = Some(self.value.map_or(latest, |value| value + weight * (latest - value)));
        }
        self.value.unwrap_or(0.0)
    }
}

/// A run that is being watched. Dropping it takes away what is drawn.
pub struct Running {
    meter: Arc<Meter>,
    wake: Option<mpsc::Sender<()>>,
    clock: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts to draw, and to listen for Ctrl-C and SIGTERM: the first asks the flow to stop, the second ends the process.
    pub fn start(ui: &Ui) -> Running {
        let (voice, every) = match (ui.quiet, ui.json) {
            (true, false) => (Voice::Silent, None),
            (true, true) => (Voice::Json, None),
            (false, true) => (Voice::Json, Some(STATUS)),
            (false, false) if can_draw() => (Voice::Terminal(bar()), Some(DRAW)),
            (false, false) => (Voice::Log, Some(LOG)),
        };
        let meter = Arc::new(Meter::new(voice, ui.verbose));
        if let (Ok(interrupt), Ok(terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            super::prompt::hand_over();
            tokio::spawn(listen(meter.clone(), interrupt, terminate));
        }
        let (wake, asleep) = mpsc::channel();
        let drawn = meter.clone();
        let clock = every.and_then(|every| {
            let tick = move || {
                let mut rate = Rate::default();
                while asleep.recv_timeout(every) == Err(mpsc::RecvTimeoutError::Timeout) {
                    drawn.draw(&mut rate);
                }
            };
            std::thread::Builder::new().name("progress".into()).spawn(tick).ok()
        });
        Running { meter, wake: Some(wake), clock }
    }

    /// What the flow reports to.
    pub fn progress(&self) -> Arc<dyn Progress> {
        self.meter.clone()
    }

    /// How long the run has taken.
    pub fn elapsed(&self) -> Duration {
        self.meter.started.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(clock) = self.clock.take() {
            let _ = clock.join();
        }
        if let Voice::Terminal(bar) = &self.meter.voice {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn listen(meter: Arc<Meter>, mut interrupt: Signal, mut terminate: Signal) {
    for again in [false, true] {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if again {
            std::process::exit(super::exit::Exit::Interrupted.code().into());
        }
        meter.stop.store(true, Relaxed);
        if !matches!(meter.voice, Voice::Json) {
            meter.say("lastgood: stopping; once more to stop at once");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_counts_from_its_own_start() {
        let meter = Meter::new(Voice::Json, false);
        meter.phase(Phase::Saving);
        meter.total(10, 1000);
        meter.current(b"a\n");
        for step in [
            Step::Entries(2),
            Step::Unchanged(100),
            Step::Duplicate(20),
            Step::Stored { raw: 30, stored: 10 },
            Step::Done(3),
            Step::Skipped(4),
        ] {
            meter.step(step);
        }
        let view = meter.view(&mut Rate::default());
        assert_eq!((view.entries, view.total_entries, view.bytes, view.total_bytes), (2, 10, 157, 1000));
        assert_eq!((view.unchanged, view.duplicate, view.raw, view.stored), (100, 20, 30, 10));
        assert_eq!(view.current, "/a\\n");
        meter.phase(Phase::Committing);
        let view = meter.view(&mut Rate::default());
        assert_eq!((view.entries, view.total_entries, view.bytes, view.total_bytes), (0, 0, 0, 0));
        assert_eq!((view.phase, view.raw, view.current.as_str()), (Phase::Committing, 30, ""));
        assert!(!meter.stopped());
    }

    #[test]
    fn the_rate_is_smooth_and_starts_again_with_a_phase() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(rate.update(0, at(0)), 0.0);
        assert_eq!(rate.update(1000, at(1)), 1000.0);
        let slower = rate.update(1000, at(2));
        assert!(slower > 800.0 && slower < 1000.0, "{slower}");
        assert_eq!(rate.update(0, at(3)), 0.0);
        assert_eq!(rate.update(10, at(4)), 10.0);
    }
}
