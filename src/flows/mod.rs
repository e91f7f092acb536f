//! Flows: one file a verb. Options in, a report out; the repository first, progress last.

pub mod backup;
