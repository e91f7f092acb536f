//! What is being backed up: finding it, its metadata, and reading it.
//!
//! [`Walk`] yields [`Item`]s in the order of a manifest, [`Selection`] decides what it leaves out, and [`Reading`] reads one
//! regular file and says whether it held still. Everything here blocks: call it from a thread that may.

mod fault;
mod item;
mod listing;
mod metadata;
mod read;
mod roots;
mod select;
mod walk;
mod xattr;

pub use fault::SourceError;
pub use item::Item;
pub use listing::Directory;
pub use metadata::{now, trusted};
pub use read::{Chunk, Finished, Reading, read_exactly};
pub use select::{Selection, SelectionOptions};
pub use walk::{Walk, allow_many_open_files};
pub use xattr::{xattrs_of, xattrs_of_fd};
