//! Asks for a password at the terminal, and leaves the terminal as it was even if a signal ends the process.

use super::exit::Exit;
use super::ui::say;
use crate::error::{Error, Kind, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{ErrorKind, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

const SOURCES: &str = "give --password-file, --password-command or --key-file, or set LASTGOOD_PASSWORD_FILE, \
                       LASTGOOD_PASSWORD_COMMAND, LASTGOOD_KEY_FILE or LASTGOOD_PASSWORD";
/// So long the prompt itself has to end after Ctrl-C, with a message.
const OWN_END: Duration = Duration::from_millis(200);

/// The terminal as it was before the prompt, during the prompt.
static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);
/// Whether a flow sees to signals by now.
static HANDED_OVER: AtomicBool = AtomicBool::new(false);
static WATCHED: Once = Once::new();

fn before() -> MutexGuard<'static, Option<(File, Termios)>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks, without showing what is typed.
pub fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>> {
    if !std::io::stdin().is_terminal() {
        let what = "No password is given, and there is no terminal to ask for one";
        return Err(Error::new(Kind::Usage, what).hint(SOURCES));
    }
    if let Ok(terminal) = File::open("/dev/tty")
        && let Ok(settings) = tcgetattr(&terminal)
    {
        *before() = Some((terminal, settings));
        WATCHED.call_once(watch);
    }
    let typed = rpassword::prompt_password(prompt);
    *before() = None;
    match typed {
        Ok(text) => Ok(Zeroizing::new(text.into_bytes())),
        Err(e) if e.kind() == ErrorKind::Interrupted => Err(Error::interrupted()),
        Err(e) => {
            // The prompt still stands there.
            say("");
            Err(match e.kind() {
                ErrorKind::UnexpectedEof => Error::new(Kind::Usage, "No password was typed").hint(SOURCES),
                _ => Error::new(Kind::Usage, "Cannot ask for the password").because(e).hint(SOURCES),
            })
        }
    }
}

/// From now on, a flow sees to signals.
pub fn hand_over() {
    HANDED_OVER.store(true, Ordering::Relaxed);
}

/// Ends the process at a signal. Once a signal is listened to, it does not end the process by itself any more, so that
/// this goes on after the prompt, until a flow listens.
fn watch() {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    if let (Ok(interrupt), Ok(terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        runtime.spawn(end(interrupt, terminate));
    }
}

async fn end(mut interrupt: Signal, mut terminate: Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    if HANDED_OVER.load(Ordering::Relaxed) {
        return;
    }
    if before().is_some() {
        tokio::time::sleep(OWN_END).await;
    }
    if let Some((terminal, settings)) = &*before() {
        let _ = tcsetattr(terminal, OptionalActions::Now, settings);
        say("");
    }
    std::process::exit(Exit::Interrupted.code().into());
}
