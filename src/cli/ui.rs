//! How the program talks: results to standard output, the rest to standard error, as words or as JSON.

use super::exit::Exit;
use crate::error::{Error, Kind, Problem, Result};
use serde::Serialize;
use serde_json::json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The settings of all talk, and whether anyone still listens.
#[derive(Debug, Default)]
pub struct Ui {
    /// Machines read.
    pub json: bool,
    /// Only problems and errors are said.
    pub quiet: bool,
    /// More is said.
    pub verbose: bool,
    closed: AtomicBool,
}

impl Ui {
    /// A way to talk.
    pub fn new(json: bool, quiet: bool, verbose: bool) -> Ui {
        Ui { json, quiet, verbose, closed: AtomicBool::new(false) }
    }

    /// Writes to standard output. That its reader went away, as `head` does, is no error.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            Err(e) => Err(Error::new(Kind::Target, "Cannot write to standard output").because(e)),
        }
    }

    /// Whether the reader of standard output went away.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Writes a value as one line of JSON to standard output.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        self.write(json_line(value)?.as_bytes())
    }

    /// Writes the result of a command: the value for machines, the words for people who want to know.
    pub fn report(&self, value: &impl Serialize, words: impl FnOnce() -> String) -> Result<()> {
        match (self.json, self.quiet) {
            (true, _) => self.json(value),
            (false, true) => Ok(()),
            (false, false) => self.write(words().as_bytes()),
        }
    }

    /// Says something by the way.
    pub fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            say(text);
        }
    }

    /// Says something that only those want to hear who asked for more.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.note(text);
        }
    }

    /// Warns.
    pub fn warn(&self, text: &str) {
        match self.json {
            true => say(&json!({"message_type": "warning", "message": text}).to_string()),
            false => say(&format!("lastgood: warning: {text}")),
        }
    }

    /// Says why the command failed, and gives its exit code.
    pub fn fail(&self, error: &Error) -> Exit {
        let exit = Exit::of(error.kind);
        say(&match self.json {
            true => error_json(error, exit),
            false => error_words(error),
        });
        exit
    }
}

/// A value as one line of JSON.
pub fn json_line(value: &impl Serialize) -> Result<String> {
    let mut line = serde_json::to_string(value)
        .map_err(|e| Error::new(Kind::Internal, "Cannot write the report as JSON").because(e))?;
    line.push('\n');
    Ok(line)
}

/// Writes a line to standard error, in one piece. Nothing can be done if that fails.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Whether standard error is a terminal that a line can be drawn over.
pub fn can_draw() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// An error and its causes, one per line, and the next step.
fn error_words(error: &Error) -> String {
    let mut text = format!("lastgood: {}", clean(&error.what));
    for cause in causes(error) {
        text.push_str(&format!("\n  caused by: {cause}"));
    }
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\n  hint: {}", clean(hint)));
    }
    text
}

fn error_json(error: &Error, exit: Exit) -> String {
    let mut value = json!({"message_type": "exit_error", "code": exit.code(), "message": error.what});
    let causes = causes(error);
    if !causes.is_empty() {
        value["causes"] = json!(causes);
    }
    if let Some(hint) = &error.hint {
        value["hint"] = json!(hint);
    }
    value.to_string()
}

/// The causes of an error, outermost first, without those that say the same again.
fn causes(error: &Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let text = clean(&cause.to_string());
        if !causes.last().is_some_and(|last| last.ends_with(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// Text of others without what could steer a terminal; names in our own messages are escaped already.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

/// A problem, for people.
pub fn problem_words(problem: &Problem) -> String {
    format!("problem: {}: {}", problem.item, clean(&problem.message))
}

/// A problem, for machines.
pub fn problem_json(problem: &Problem, during: &str) -> String {
    json!({
        "message_type": "error", "error": {"message": problem.message}, "during": during,
        "item": problem.item, "kind": problem.kind,
    })
    .to_string()
}

/// How many problems a report repeats; all were said when they happened.
const REPEATED: usize = 5;

/// The first problems of a run, indented, for the end of a report.
pub fn first_problems(problems: &[Problem], count: u64) -> String {
    let mut text = String::new();
    for problem in problems.iter().take(REPEATED) {
        text.push_str(&format!("  {}: {}\n", problem.item, clean(&problem.message)));
    }
    let more = count.saturating_sub(problems.len().min(REPEATED) as u64);
    if more > 0 {
        text.push_str(&format!("  ... and {} more\n", super::size::grouped(more)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Trouble;

    fn error() -> Error {
        let inner = Error::new(Kind::Store, "Disk\u{1b}[31m is\nfull").because(std::io::Error::other("full"));
        Error::new(Kind::NoRepository, "There is no repository at /x").because(inner).hint("make one")
    }

    #[test]
    fn errors_are_said_with_causes_and_hint() {
        assert_eq!(
            error_words(&error()),
            "lastgood: There is no repository at /x\n  caused by: Disk\\u{1b}[31m is full\n  hint: make one"
        );
        assert_eq!(
            error_json(&Error::new(Kind::NoMatch, "No").hint("a \"b\""), Exit::NoMatch),
            r#"{"code":13,"hint":"a \"b\"","message":"No","message_type":"exit_error"}"#
        );
    }

    #[test]
    fn problems_are_listed_up_to_a_limit() {
        let problem = |n: usize| Problem::new(Trouble::Unreadable, format!("f{n}"), "no\x07");
        assert_eq!(first_problems(&[problem(0)], 1), "  f0: no\\u{7}\n");
        let all: Vec<Problem> = (0..9).map(problem).collect();
        let text = first_problems(&all, 1009);
        assert_eq!(text.lines().count(), 6);
        assert!(text.ends_with("  ... and 1,004 more\n"));
        assert_eq!(
            problem_json(&problem(1), "saving"),
            r#"{"during":"saving","error":{"message":"no\u0007"},"item":"f1","kind":"unreadable","message_type":"error"}"#
        );
    }
}
