//! Flows: one room a verb. Options in, a report out; the repository first, progress last.

pub mod backup;
pub mod cat;
mod content;
pub mod dump;
mod gate;
pub mod inspect;
pub mod last_good;
mod look;
pub mod ls;
pub mod restore;
pub mod select;
pub mod stats;
pub mod verify;

use std::sync::{Mutex, MutexGuard, PoisonError};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
