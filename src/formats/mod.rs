//! File formats that hold tensors or records: what a file's own header promises, and where its tensors lie.
//!
//! Headers and indexes are read, never the data. Whatever a file holds, the result is a layout or a reason, after a
//! bounded number of small reads; a format can neither stop nor alter a backup.

pub mod dcp;
mod gguf;
mod hdf5;
mod hdf5_tree;
mod npy;
mod onnx;
mod parquet;
mod pickle;
mod pickle_steps;
mod proto;
pub mod safetensors;
mod stream;
mod tar;
pub mod tensorflow;
#[cfg(test)]
mod tests;
mod torch_zip;
mod window;
mod zip;

pub use window::{ReadAt, Window, read_slice};

use crate::tensor::Tensor;

/// First bytes of a file that are enough to tell its format.
pub const HEAD: usize = 512;
/// The most tensors that are told of one file.
pub const TENSORS_MAX: usize = 1 << 18;
/// The longest reason, in characters.
const WHY_MAX: usize = 300;

/// What is known of a file that keeps its promises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Its tensors, sorted by offset, not overlapping, all within the file.
    pub tensors: Vec<Tensor>,
}

/// Why there is no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file does not hold what its header promises: it was cut short, half written or damaged.
    Broken(String),
    /// It can be read by others perhaps, but not by this program; nothing is known of it.
    Unknown(String),
}

/// A reason that can be shown: names in it come from the file, whatever they are.
fn shown(why: impl Into<String>) -> String {
    let why: String = why.into();
    why.chars().take(WHY_MAX).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A reason for [`Fault::Broken`].
pub(crate) fn broken<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Broken(shown(why)))
}

/// A reason for [`Fault::Unknown`].
pub(crate) fn unknown<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unknown(shown(why)))
}

/// One file format.
pub trait Format: Sync {
    /// Its name in records and tables.
    fn name(&self) -> &'static str;

    /// Whether a file is of this format, by the last component of its path and its first bytes, at most [`HEAD`] of them.
    /// A file whose name says so is of the format also when its first bytes do not: then it is broken.
    fn fits(&self, name: &[u8], head: &[u8]) -> bool;

    /// Reads headers and indexes.
    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault>;
}

/// Every format; the first that fits is taken. Those that are told by name alone come before those that look inside.
const FORMATS: [&dyn Format; 14] = [
    &safetensors::Safetensors,
    &dcp::Shard,
    &dcp::Metadata,
    &zip::Keras,
    &onnx::Onnx,
    &tensorflow::Index,
    &tensorflow::SavedModel,
    &npy::Npz,
    &torch_zip::TorchZip,
    &npy::Npy,
    &gguf::Gguf,
    &hdf5::Hdf5,
    &parquet::Parquet,
    &tar::Tar,
];

/// The format of a file, by the last component of its path and its first bytes.
pub fn of(name: &[u8], head: &[u8]) -> Option<&'static dyn Format> {
    FORMATS.into_iter().find(|format| format.fits(name, head))
}

/// Reads the layout of a file and holds the format to what a layout promises.
pub fn read(format: &dyn Format, file: &mut Window<'_>) -> Result<Layout, Fault> {
    let len = file.len();
    let mut layout = format.read(file)?;
    layout.tensors.sort_by(|a, b| (a.offset, a.len, &a.name).cmp(&(b.offset, b.len, &b.name)));
    let mut end = 0;
    for tensor in &layout.tensors {
        let last = tensor.offset.checked_add(tensor.len).filter(|last| *last <= len);
        end = match last {
            _ if tensor.offset < end => return unknown(format!("tensor {} overlaps the one before it", tensor.name)),
            Some(last) => last,
            None => return broken(format!("tensor {} ends beyond the end of the file", tensor.name)),
        };
    }
    Ok(layout)
}
