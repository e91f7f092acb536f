//! PyTorch distributed checkpoints: a pickle called `.metadata`, and files of tensors that it points into.
//!
//! The layout is that of torch/distributed/checkpoint/filesystem.py and metadata.py of PyTorch: every tensor, and
//! everything else, is an archive of torch.save of its own, and a `.distcp` file is one such archive after the other.

use super::pickle::{Pickle, Value};
use super::stream::Stream;
use super::torch_zip;
use super::window::over;
use super::zip::{self, Archive};
use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use std::collections::BTreeMap;

/// The metadata.
pub(super) struct Metadata;

/// A file of tensors.
pub(super) struct Shard;

impl Format for Metadata {
    fn name(&self) -> &'static str {
        "torch-dcp-metadata"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        // Processes that save without each other write `__0.metadata` and so on.
        let named = name == b".metadata" || name.starts_with(b"__") && name.ends_with(b".metadata");
        named && matches!(head, [0x80, ..] | [])
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        files(file).map(|_| Layout::default())
    }
}

impl Format for Shard {
    fn name(&self) -> &'static str {
        "torch-dcp"
    }

    fn fits(&self, name: &[u8], _head: &[u8]) -> bool {
        name.ends_with(b".distcp")
    }

    /// Archives are found from behind, as the end of each tells where it starts. Tensors have the number of their archive
    /// for a name: the names they are saved by are in the metadata only.
    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let head = file.get(0, file.len().min(4))?;
        if head.is_empty() {
            return Ok(Layout::default());
        }
        if !zip::starts(&head) && !b"PK\x03\x04".starts_with(&head) {
            return match head[..] {
                [0, 0, 0, 0] => broken("it starts with zeros: its beginning was never written"),
                _ => unknown("it is not made of archives"),
            };
        }
        let (mut end, mut archives) = (file.len(), Vec::new());
        while end > 0 {
            let archive = Archive::open(file, end)?;
            if archive.end != end {
                return broken(format!("it ends {} bytes after its last archive", end - archive.end));
            }
            let found = torch_zip::tensors(file, &archive)?;
            archives.push(found);
            if archives.len() > TENSORS_MAX {
                return unknown("it has too many archives");
            }
            end = archive.base;
        }
        archives.reverse();
        let mut tensors = Vec::new();
        for (number, mut tensor) in
            archives.into_iter().enumerate().flat_map(|(at, all)| all.into_iter().map(move |t| (at, t)))
        {
            tensor.name = if tensor.name.is_empty() { number.to_string() } else { format!("{number}.{}", tensor.name) };
            tensors.push(tensor);
        }
        Ok(Layout { tensors })
    }
}

/// The files that the metadata of a checkpoint names, by their paths beside it, and how long each must be at least.
pub fn shards(metadata: &[u8]) -> Result<BTreeMap<String, u64>, Fault> {
    over(metadata, files)
}

fn files(file: &mut Window<'_>) -> Result<BTreeMap<String, u64>, Fault> {
    let len = file.len();
    let pickle = Pickle::read(&mut Stream::new(file, 0, len))?;
    let places = pickle.field(pickle.root, "storage_data").map(|places| pickle.get(places));
    let Some(Value::Dict(places)) = places else { return unknown("it does not tell where tensors are") };
    let mut lens = BTreeMap::new();
    for (_, place) in places {
        let path = pickle.field(*place, "relative_path").and_then(|path| pickle.text(path));
        let [offset, len] = ["offset", "length"].map(|key| pickle.number(pickle.field(*place, key)?));
        let (Some(path), Some((offset, len))) = (path, offset.zip(len)) else {
            return unknown("it tells where tensors are in another way");
        };
        let Some(least) = offset.checked_add(len) else { return broken(format!("a tensor in {path} has no place")) };
        match lens.get_mut(path) {
            Some(known) => *known = least.max(*known),
            None => drop(lens.insert(path.to_owned(), least)),
        }
    }
    Ok(lens)
}

/// Small metadata: two tensors in one file and one in another.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let place = |path: &[u8], offset: u8, len: u8| {
        let state =
            [&b"}(\x8c\x0drelative_path\x8c"[..], &[path.len() as u8], path, b"\x8c\x06offsetK", &[offset]].concat();
        [b"m\nInfo\n)\x81"[..].to_vec(), state, b"\x8c\x06lengthK".to_vec(), vec![len], b"ub".to_vec()].concat()
    };
    let places =
        [&b"K\0c"[..], &place(b"a", 7, 9), b"K\x01c", &place(b"b", 0, 5), b"K\x02c", &place(b"a", 1, 2)].concat();
    [b"\x80\x04cm\nMetadata\n)\x81}\x8c\x0cstorage_data}(", &places[..], b"usb."].concat()
}

/// A small file of two tensors.
#[cfg(test)]
pub(super) fn sample_shard() -> Vec<u8> {
    [torch_zip::sample_one(), torch_zip::sample_one()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn files_are_told() {
        assert_eq!(shards(&sample()), Ok([("a".to_owned(), 16), ("b".to_owned(), 5)].into()));
    }

    #[test]
    fn tensors_are_found() {
        let one = torch_zip::sample_one().len() as u64;
        let found = read_slice(&Shard, &sample_shard()).unwrap().tensors;
        assert_eq!([&found[0].name[..], &found[1].name[..]], ["0", "1"]);
        assert_eq!(found[1].offset - found[0].offset, one);
        assert_eq!(read_slice(&Shard, b""), Ok(Layout::default()));
    }
}
