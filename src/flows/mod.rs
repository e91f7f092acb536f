//! Flows: one room a verb. Options in, a report out; the repository first, progress last.

pub mod backup;
pub mod cat;
mod content;
pub mod dump;
pub mod last_good;
pub mod ls;
pub mod restore;
pub mod select;
pub mod verify;
