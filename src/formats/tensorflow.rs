//! TensorFlow: the index of a checkpoint, and saved models.
//!
//! An index is a LevelDB table (doc/table_format.md of LevelDB) of tensorflow/core/protobuf/tensor_bundle.proto: which
//! tensor is where in which data file. A saved model is tensorflow/core/protobuf/saved_model.proto.

use super::proto::{Content, message, pass};
use super::stream::Stream;
use super::window::over;
use super::{Fault, Format, Layout, Window, broken, unknown};
use std::collections::BTreeMap;

const FOOTER: u64 = 48;
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Bytes behind a block: its compression and its checksum.
const TRAILER: u64 = 5;
/// The most data files of one checkpoint.
const SHARDS_MAX: u64 = 99_999;

/// The index of a checkpoint.
pub(super) struct Index;

/// A saved model.
pub(super) struct SavedModel;

impl Format for Index {
    fn name(&self) -> &'static str {
        "tensorflow-index"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        // The first entry: nothing shared, no key, and a header that starts with the number of data files.
        let header = matches!(head, [0, 0, _, 8, ..]);
        let usual = name == b"variables.index" || name.windows(4).any(|part| part == b"ckpt");
        let unwritten = head.iter().all(|byte| *byte == 0);
        name.ends_with(b".index") && (header || usual && unwritten)
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        index(file).map(|_| Layout::default())
    }
}

impl Format for SavedModel {
    fn name(&self) -> &'static str {
        "tensorflow-saved-model"
    }

    fn fits(&self, name: &[u8], _head: &[u8]) -> bool {
        name == b"saved_model.pb"
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let len = file.len();
        let mut graphs = 0;
        message(&mut Stream::new(file, 0, len), len, |stream, number, content| match (number, content) {
            (2, Content::Bytes(len)) => {
                graphs += 1;
                message(stream, len, |stream, _, content| pass(stream, content))
            }
            _ => pass(stream, content),
        })?;
        if graphs == 0 { broken("it has no graph") } else { Ok(Layout::default()) }
    }
}

/// The data files that an index names, `.data-<number>-of-<count>`, all of them, and how long each must be at least.
pub fn shards(index_file: &[u8]) -> Result<BTreeMap<u32, u64>, Fault> {
    over(index_file, index)
}

/// A part of the table: where it starts and its length without the trailer.
#[derive(Clone, Copy)]
struct Handle {
    at: u64,
    len: u64,
}

fn handle(stream: &mut Stream<'_, '_>) -> Result<Handle, Fault> {
    Ok(Handle { at: stream.varint()?, len: stream.varint()? })
}

/// What CRC-32C makes of bytes, masked as LevelDB stores it.
fn checksum(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    });
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Goes through a block, which must be whole; `each` finds the value of an entry next in a stream that ends after it.
fn block(
    file: &mut Window<'_>,
    Handle { at, len }: Handle,
    mut each: impl FnMut(&mut Stream<'_, '_>, u64, bool) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let end = file.len();
    let mut stream = Stream::new(file, 0, end);
    stream.seek(at)?;
    let whole = len.checked_add(TRAILER).map_or_else(|| broken("a block is too long"), |len| stream.take(len))?;
    let Some((checked, crc)) = whole.split_last_chunk::<4>() else { return broken("a block is too short") };
    if checksum(checked) != u32::from_le_bytes(*crc) {
        return broken("a block of it is damaged");
    }
    if checked.last() != Some(&0) {
        return unknown("it is compressed");
    }
    let Some(restarts) = len.checked_sub(4) else { return broken("a block is too short") };
    stream.seek(at + restarts)?;
    let entries = u64::from(stream.u32()?).checked_mul(4).and_then(|bytes| restarts.checked_sub(bytes));
    let Some(entries) = entries else { return broken("a block has too many restarts") };
    stream.seek(at)?;
    stream.enter(entries)?;
    while !stream.is_done() {
        let (shared, own, value) = (stream.varint()?, stream.varint()?, stream.varint()?);
        stream.skip(own)?;
        let outer = stream.enter(value)?;
        each(&mut stream, value, shared == 0 && own == 0)?;
        stream.leave(outer);
    }
    Ok(())
}

/// Reads all of an index.
fn index(file: &mut Window<'_>) -> Result<BTreeMap<u32, u64>, Fault> {
    let end = file.len();
    let Some(start) = end.checked_sub(FOOTER) else { return broken("it is shorter than its footer") };
    let mut stream = Stream::new(file, start, end);
    let (_, top) = (handle(&mut stream)?, handle(&mut stream)?);
    stream.seek(end - 8)?;
    if stream.u64()? != MAGIC {
        return broken("it does not end as one");
    }
    let mut blocks = Vec::new();
    block(file, top, |stream, _, _| handle(stream).map(|found| blocks.push(found)))?;
    let mut next = 0;
    let (mut count, mut lens) = (None, BTreeMap::new());
    for found in blocks {
        if found.at < next {
            return broken("its blocks are not in order");
        }
        next = found.at.saturating_add(found.len);
        block(file, found, |stream, len, header| {
            let [first, _, shard, offset, size] = numbers(stream, len)?;
            if header {
                count = Some(first);
                return Ok(());
            }
            let (Ok(shard), Some(least)) = (u32::try_from(shard), offset.checked_add(size)) else {
                return broken("an entry has an impossible place");
            };
            let known = lens.entry(shard).or_insert(0);
            *known = least.max(*known);
            Ok(())
        })?;
    }
    match count {
        Some(count) if (1..=SHARDS_MAX).contains(&count) && lens.keys().all(|shard| u64::from(*shard) < count) => {
            Ok((0..count as u32).map(|shard| (shard, lens.get(&shard).copied().unwrap_or_default())).collect())
        }
        Some(_) => broken("its number of data files is impossible"),
        None => broken("it has no header"),
    }
}

/// The numbers in the first five fields of a message.
fn numbers(stream: &mut Stream<'_, '_>, len: u64) -> Result<[u64; 5], Fault> {
    let mut found = [0; 5];
    message(stream, len, |stream, number, content| {
        let place = found.get_mut((number - 1) as usize);
        if let (Some(place), Content::Number(number)) = (place, content) {
            *place = number;
        }
        pass(stream, content)
    })?;
    Ok(found)
}

/// A small index of two data files.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let sealed = |entries: &[u8]| {
        let block = [entries, b"\0\0\0\0\x01\0\0\0\0"].concat();
        [&block[..], &checksum(&block).to_le_bytes()].concat()
    };
    let data = sealed(b"\0\0\x02\x08\x02\0\x01\x06a\x18\x01\x20\x64\x28\x08\0\x01\x04b\x20\x02\x28\x03");
    let len = data.len() as u8 - 5;
    let top = sealed(&[0, 1, 2, b'c', 0, len]);
    let handles = [0, 0, data.len() as u8, top.len() as u8 - 5];
    [&data[..], &top, &handles, &[0; 36], &MAGIC.to_le_bytes()].concat()
}

/// A small saved model.
#[cfg(test)]
pub(super) fn sample_model() -> Vec<u8> {
    b"\x08\x01\x12\x06\x0a\x02ab\x10\x01".to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_files_are_told() {
        assert_eq!(shards(&sample()), Ok([(0, 5), (1, 108)].into()));
        assert_eq!(checksum(b"123456789"), 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn every_flip_in_a_block_is_found() {
        let bytes = sample();
        for at in 0..bytes.len() - FOOTER as usize {
            let mut bytes = bytes.clone();
            bytes[at] ^= 4;
            assert!(matches!(shards(&bytes), Err(Fault::Broken(_))), "{at}");
        }
    }
}
