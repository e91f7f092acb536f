//! The datasets of an HDF5 file of the older layout, which is what h5py and Keras write: groups as B-trees of symbols.
//!
//! The layout is that of the HDF5 File Format Specification, sections III.A to III.D and IV.A.1. Told are datasets that lie in one
//! piece; what is chunked, compact, shared or of the newer layout is passed over.

use super::stream::Stream;
use super::{Fault, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};
use std::collections::HashSet;

/// The longest names of one group together, the longest name with its path, and the longest header of an object.
const HEAP_MAX: u64 = 16 << 20;
const NAME_MAX: usize = 1 << 12;
const HEADER_MAX: u64 = 1 << 20;
/// The most dimensions of a dataset, and the most parts of one header.
const SIDES_MAX: u8 = 32;
const PARTS_MAX: usize = 64;

/// The tensors below the group whose header is at `root`; all addresses count from `base`.
pub(super) fn tensors(file: &mut Window<'_>, base: u64, root: u64) -> Result<Vec<Tensor>, Fault> {
    let end = file.len();
    let mut walk = Walk { stream: Stream::new(file, 0, end), base, end, seen: HashSet::new() };
    let (mut found, mut ahead) = (Vec::new(), vec![(String::new(), root)]);
    while let Some((name, header)) = ahead.pop() {
        if !walk.seen.insert(header) {
            continue;
        }
        let object = walk.object(header)?;
        if let Some((tree, heap)) = object.group {
            walk.group(&name, tree, heap, &mut ahead)?;
        }
        if let (Some(shape), Some((dtype, size)), Some((address, len))) = (object.shape, object.element, object.place) {
            let wanted = shape.iter().try_fold(size, |bytes, side| bytes.checked_mul(*side));
            if address != u64::MAX && wanted == Some(len) {
                found.push(Tensor { name, dtype, shape, offset: walk.place(address)?, len });
            }
        }
        if walk.seen.len() > TENSORS_MAX || ahead.len() > TENSORS_MAX {
            return unknown("it has too many objects");
        }
    }
    Ok(found)
}

/// What the header of an object tells.
#[derive(Default)]
struct Object {
    shape: Option<Vec<u64>>,
    element: Option<(Dtype, u64)>,
    /// Address and length of data in one piece.
    place: Option<(u64, u64)>,
    /// Addresses of the tree and the names of a group.
    group: Option<(u64, u64)>,
}

struct Walk<'w, 'a> {
    stream: Stream<'w, 'a>,
    base: u64,
    end: u64,
    /// Addresses of what was read, so that nothing is read twice.
    seen: HashSet<u64>,
}

impl Walk<'_, '_> {
    fn place(&self, address: u64) -> Result<u64, Fault> {
        match self.base.checked_add(address).filter(|at| *at <= self.end) {
            Some(at) => Ok(at),
            None => broken("an object is not within it"),
        }
    }

    /// Goes to something that starts with a signature.
    fn go(&mut self, address: u64, signature: &[u8; 4]) -> Result<(), Fault> {
        let at = self.place(address)?;
        self.stream.seek(at)?;
        if self.stream.array()? == *signature { Ok(()) } else { broken("an object of it is another") }
    }

    /// Reads the header of an object, with its continuations.
    fn object(&mut self, address: u64) -> Result<Object, Fault> {
        let at = self.place(address)?;
        self.stream.seek(at)?;
        let [version, ..] = self.stream.array::<8>()?;
        if version != 1 {
            return Ok(Object::default());
        }
        let mut parts = vec![(at + 16, u64::from(self.stream.u32()?))];
        let (mut object, mut done) = (Object::default(), 0);
        while let Some((at, len)) = parts.get(done).copied() {
            if len > HEADER_MAX || parts.len() > PARTS_MAX {
                return unknown("an object has too long a header");
            }
            done += 1;
            self.stream.seek(at)?;
            let outer = self.stream.enter(len)?;
            while self.stream.at() + 8 <= at + len {
                let (kind, size, flags) = (self.stream.u16()?, self.stream.u16()?, self.stream.u32()?);
                let rest = self.stream.enter(size.into())?;
                match kind {
                    0x10 => {
                        let (next, len) = (self.stream.u64()?, self.stream.u64()?);
                        parts.push((self.place(next)?, len));
                    }
                    _ if flags & 2 != 0 => {}
                    _ => self.message(kind, &mut object)?,
                }
                self.stream.leave(rest);
            }
            self.stream.leave(outer);
        }
        Ok(object)
    }

    /// Reads one message of a header.
    fn message(&mut self, kind: u16, object: &mut Object) -> Result<(), Fault> {
        let stream = &mut self.stream;
        match kind {
            0x01 => {
                let [version, sides, _, class] = stream.array()?;
                if version == 1 {
                    stream.skip(4)?;
                }
                if sides <= SIDES_MAX && (version == 1 || version == 2 && class < 2) {
                    object.shape = Some((0..sides).map(|_| stream.u64()).collect::<Result<_, _>>()?);
                }
            }
            0x03 => {
                let [class, order, _, _] = stream.array()?;
                let size = stream.u32()?;
                let exponent = if class & 15 == 1 { stream.array::<6>()?[5] } else { 0 };
                object.element = Some((dtype(class & 15, order, size, exponent), size.into()));
            }
            0x08 => {
                if let [3 | 4, 1] = stream.array()? {
                    object.place = Some((stream.u64()?, stream.u64()?));
                }
            }
            0x11 => object.group = Some((stream.u64()?, stream.u64()?)),
            _ => {}
        }
        Ok(())
    }

    /// Puts the members of a group ahead.
    fn group(&mut self, path: &str, tree: u64, heap: u64, ahead: &mut Vec<(String, u64)>) -> Result<(), Fault> {
        self.go(heap, b"HEAP")?;
        self.stream.skip(4)?;
        let (len, _, names) = (self.stream.u64()?, self.stream.u64()?, self.stream.u64()?);
        if len > HEAP_MAX {
            return unknown("a group has too many names");
        }
        let at = self.place(names)?;
        self.stream.seek(at)?;
        let names = self.stream.take(len)?.to_vec();
        let mut nodes = vec![tree];
        while let Some(node) = nodes.pop() {
            if !self.seen.insert(node) {
                continue;
            }
            self.go(node, b"TREE")?;
            let ([_, level], used) = (self.stream.array()?, self.stream.u16()?);
            self.stream.skip(16)?;
            for _ in 0..used {
                self.stream.skip(8)?;
                let (child, next) = (self.stream.u64()?, self.stream.at());
                if level > 0 {
                    nodes.push(child);
                } else if self.seen.insert(child) {
                    self.symbols(path, child, &names, ahead)?;
                    self.stream.seek(next)?;
                }
            }
        }
        Ok(())
    }

    /// Reads one node of symbols.
    fn symbols(&mut self, path: &str, node: u64, names: &[u8], ahead: &mut Vec<(String, u64)>) -> Result<(), Fault> {
        self.go(node, b"SNOD")?;
        self.stream.skip(2)?;
        for _ in 0..self.stream.u16()? {
            let (name, header) = (self.stream.u64()?, self.stream.u64()?);
            // A symbolic link has a path for an object.
            let link = self.stream.u32()? == 2;
            self.stream.skip(20)?;
            let rest = names.get(name as usize..).unwrap_or_default();
            let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
            if !link && !name.is_empty() && path.len() + name.len() < NAME_MAX {
                let name = String::from_utf8_lossy(name);
                ahead.push((if path.is_empty() { name.into() } else { format!("{path}/{name}") }, header));
            }
        }
        Ok(())
    }
}

/// The dtype of numbers, little-endian ones only.
fn dtype(class: u8, order: u8, size: u32, exponent: u8) -> Dtype {
    let signed = order & 8 != 0;
    match (class, order & 1, size) {
        (0, 0, 1) if signed => Dtype::I8,
        (0, 0, 2) if signed => Dtype::I16,
        (0, 0, 4) if signed => Dtype::I32,
        (0, 0, 8) if signed => Dtype::I64,
        (0, 0, 1) => Dtype::U8,
        (0, 0, 2) => Dtype::U16,
        (0, 0, 4) => Dtype::U32,
        (0, 0, 8) => Dtype::U64,
        (1, 0, 8) if exponent == 11 => Dtype::F64,
        (1, 0, 4) if exponent == 8 => Dtype::F32,
        (1, 0, 2) if exponent == 5 => Dtype::F16,
        (1, 0, 2) if exponent == 8 => Dtype::Bf16,
        _ => Dtype::Other,
    }
}

/// A group `g` with itself and a dataset `w` in it, below a root group whose header comes first, at address `start`.
#[cfg(test)]
pub(super) fn sample(start: u64) -> Vec<u8> {
    let wide = |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let message = |kind: u8, data: Vec<u8>| [vec![kind, 0, data.len() as u8, 0, 0, 0, 0, 0], data].concat();
    let header = |parts: Vec<u8>| [&[1, 0, 1, 0, 1, 0, 0, 0, parts.len() as u8], &[0; 7][..], &parts].concat();
    let symbols = |at: u64, member: &[u8; 8], headers: [u64; 2]| {
        let entry = |name: u64, header: u64| [wide(&[name, header]), vec![0; 24]].concat();
        let node = [b"SNOD\x01\0\x02\0".to_vec(), entry(1, headers[0]), entry(6, headers[1])].concat();
        let tree = [b"TREE\0\0\x01\0".to_vec(), wide(&[u64::MAX, u64::MAX, 0, at + 128, 8])].concat();
        let heap = [b"HEAP\0\0\0\0".to_vec(), wide(&[8, 1, at + 120]), member.to_vec()].concat();
        let group = header(message(0x11, wide(&[at + 40, at + 88])));
        [group, tree, heap, node].concat()
    };
    let len = symbols(0, &[0; 8], [0; 2]).len() as u64;
    let (group, dataset) = (start + len, start + 2 * len);
    let shape = message(1, [vec![1, 2, 0, 0, 0, 0, 0, 0], wide(&[2, 3])].concat());
    let element = message(3, vec![0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]);
    let rest = (16 + shape.len() + element.len() + 32) as u64;
    let place = message(8, [vec![3, 1], wide(&[dataset + rest, 24]), vec![0; 6]].concat());
    let data = [header([shape, element, place].concat()), vec![7; 24]].concat();
    [symbols(start, b"\0g\0\0\0\0\0\0", [group, start]), symbols(group, b"\0w\0\0\0\0\0\0", [dataset, group]), data]
        .concat()
}
