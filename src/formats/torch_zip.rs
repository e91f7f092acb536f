//! What torch.save writes since PyTorch 1.6: a zip archive with a pickle and one record for every storage.
//!
//! The layout is that of caffe2/serialize/inline_container.h and torch/serialization.py of PyTorch. What the pickle
//! calls tensors are views of storages; told are the storages, each once, by the first tensor that views it.

use super::pickle::{Call, Pickle, Ref, Value};
use super::stream::Stream;
use super::zip::{self, Archive};
use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};
use std::collections::{HashMap, HashSet};

/// How deep tensors are looked for, how many values are looked at, and how many bytes all names may have.
const DEPTH_MAX: u32 = 64;
const STEPS_MAX: usize = 1 << 22;
const NAMES_MAX: usize = 64 << 20;
/// The longest part of a name, in characters.
const KEY_MAX: usize = 1 << 10;

/// The format.
pub(super) struct TorchZip;

impl Format for TorchZip {
    fn name(&self) -> &'static str {
        "torch"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending.as_bytes()));
        let weights = name.starts_with(b"pytorch_model") || name.starts_with(b"adapter_model");
        // Texts have these names too: a translation to Portuguese, and paths of Python.
        let binary = zip::starts(head) || head.starts_with(b"\x80") || head.iter().take(4).all(|byte| *byte == 0);
        let state = [&b"optimizer.pt"[..], b"scheduler.pt", b"scaler.pt", b"training_args.bin"].contains(&name)
            || name.starts_with(b"rng_state") && name.ends_with(b".pth");
        let unwritten = !head.is_empty() && head.iter().all(|byte| *byte == 0);
        binary && ends(&[".pt", ".pth"])
            || weights && ends(&[".bin"])
            || state
            || unwritten && ends(&[".ckpt"])
            || zip::starts(head) && ends(&[".bin", ".ckpt"])
            || zip::first_name(head).ends_with(b"/data.pkl")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let head = file.get(0, file.len().min(4))?;
        match head[..] {
            [b'P', b'K', ..] => {}
            [] | [b'P'] => return broken("it is empty or cut short"),
            [0, 0, 0, 0] => return broken("it starts with zeros: its beginning was never written"),
            [0x80, ..] => return unknown("it is a torch file of before 1.6, or a plain pickle"),
            _ => return broken("it is no torch file"),
        }
        let archive = zip::open_whole(file)?;
        Ok(Layout { tensors: tensors(file, &archive)? })
    }
}

/// A storage as a pickle names it.
#[derive(Clone, Copy)]
struct Storage<'a> {
    key: &'a str,
    dtype: Dtype,
    /// Bytes that it must have.
    len: u64,
}

/// The dtype of a storage class of PyTorch, or of one of its dtypes.
fn dtype(name: &str) -> Option<Dtype> {
    let name = name.rsplit('.').next().unwrap_or_default();
    Some(match name.strip_suffix("Storage").unwrap_or(name) {
        "Double" | "float64" => Dtype::F64,
        "Float" | "float32" => Dtype::F32,
        "Half" | "float16" => Dtype::F16,
        "BFloat16" | "bfloat16" => Dtype::Bf16,
        "float8_e4m3fn" => Dtype::F8E4m3,
        "float8_e5m2" => Dtype::F8E5m2,
        "Long" | "int64" => Dtype::I64,
        "Int" | "QInt32" | "int32" => Dtype::I32,
        "Short" | "int16" => Dtype::I16,
        "Char" | "QInt8" | "int8" => Dtype::I8,
        "uint64" => Dtype::U64,
        "uint32" => Dtype::U32,
        "uint16" => Dtype::U16,
        "Byte" | "QUInt8" | "uint8" => Dtype::U8,
        "Bool" | "bool" => Dtype::Bool,
        "ComplexFloat" | "complex64" => Dtype::C64,
        "ComplexDouble" | "complex128" => Dtype::C128,
        "Untyped" => Dtype::Other,
        _ => return None,
    })
}

/// The storage that a value stands for: `("storage", class, key, device, elements)` outside of the pickle.
fn storage(pickle: &Pickle, value: Ref) -> Option<Storage<'_>> {
    let Value::Persistent(id) = pickle.get(value) else { return None };
    let [kind, class, key, device, elements, ..] = *pickle.items(*id) else { return None };
    if pickle.text(kind) != Some("storage") || pickle.text(device) == Some("meta") {
        return None;
    }
    let dtype = pickle.global(class).and_then(dtype);
    let elements = pickle.number(elements)?;
    let len = dtype.map_or(Some(0), |dtype| elements.checked_mul(dtype.bytes()))?;
    Some(Storage { key: pickle.text(key)?, dtype: dtype.unwrap_or_default(), len })
}

/// The storage and the shape of a tensor: `_rebuild_tensor_v2(storage, offset, shape, strides, ...)` and its kin.
fn tensor<'a>(pickle: &'a Pickle, call: &Call) -> Option<(Storage<'a>, Option<Vec<u64>>)> {
    let mut arguments = pickle.items(call.arguments);
    if pickle.global(call.function) == Some("torch._tensor._rebuild_from_type_v2") {
        arguments = pickle.items(*arguments.get(2)?);
    }
    let mut found = storage(pickle, *arguments.first()?)?;
    if let Some(named) = arguments.get(6).and_then(|name| dtype(pickle.global(*name)?)) {
        found.dtype = named;
    }
    let sides = arguments.get(2).map(|shape| match pickle.get(*shape) {
        Value::Call(size) => pickle.items(size.arguments).first().map_or(&[][..], |sides| pickle.items(*sides)),
        _ => pickle.items(*shape),
    });
    let sides: Option<Vec<u64>> = sides.and_then(|sides| sides.iter().map(|side| pickle.number(*side)).collect());
    let numbers = |value: &Ref| pickle.items(*value).iter().map(|side| pickle.number(*side)).collect();
    let strides: Option<Vec<u64>> = arguments.get(3).and_then(numbers);
    // A view in another order of the dimensions has a shape that its bytes do not have.
    Some((found, sides.filter(|sides| strides.is_none_or(|strides| in_order(sides, &strides)))))
}

/// Whether the elements of a tensor follow one another, the last dimension fastest.
fn in_order(sides: &[u64], strides: &[u64]) -> bool {
    let mut step = 1u64;
    let follows = |(side, stride): (&u64, &u64)| {
        let right = *side == 1 || *stride == step;
        step = step.saturating_mul(*side);
        right
    };
    sides.contains(&0) || sides.len() == strides.len() && sides.iter().zip(strides).rev().all(follows)
}

/// A place in a pickle: the one it is in, and what it is called there.
struct Place {
    parent: usize,
    key: Key,
    depth: u32,
}

#[derive(Clone, Copy)]
enum Key {
    None,
    Index(usize),
    Value(Ref),
}

/// A walk through all values that can hold tensors.
struct Walk<'a> {
    pickle: &'a Pickle,
    places: Vec<Place>,
    ahead: Vec<(usize, Ref)>,
}

impl Walk<'_> {
    fn add(&mut self, parent: usize, key: Key, value: Ref) {
        let depth = self.places.get(parent).map_or(0, |place| place.depth + 1);
        let holds = !matches!(self.pickle.get(value), Value::Atom | Value::Int(_) | Value::Text(_) | Value::Global(_));
        if holds && depth <= DEPTH_MAX && self.places.len() < STEPS_MAX {
            self.ahead.push((self.places.len(), value));
            self.places.push(Place { parent, key, depth });
        }
    }

    /// Puts what a value holds ahead, so that the first comes first.
    fn enter(&mut self, place: usize, value: Ref) {
        let before = self.ahead.len();
        match self.pickle.get(value) {
            Value::List(items) => self.list(place, items),
            Value::Dict(pairs) => self.dict(place, pairs),
            Value::Call(call) => {
                for argument in self.pickle.items(call.arguments) {
                    self.add(place, Key::None, *argument);
                }
                self.list(place, &call.list);
                self.dict(place, &call.dict);
                call.state.iter().for_each(|state| self.add(place, Key::None, *state));
            }
            _ => {}
        }
        self.ahead[before..].reverse();
    }

    fn list(&mut self, place: usize, items: &[Ref]) {
        items.iter().enumerate().for_each(|(at, item)| self.add(place, Key::Index(at), *item));
    }

    fn dict(&mut self, place: usize, pairs: &[(Ref, Ref)]) {
        pairs.iter().for_each(|(key, value)| self.add(place, Key::Value(*key), *value));
    }

    /// The keys that lead to a place. The dictionaries that a module keeps its parts in are not named.
    fn name(&self, mut place: usize) -> String {
        let mut keys = Vec::new();
        while let Some(Place { parent, key, .. }) = self.places.get(place) {
            match *key {
                Key::None => {}
                Key::Index(at) => keys.push(at.to_string()),
                Key::Value(key) => match self.pickle.get(key) {
                    Value::Text(text) if matches!(&**text, "_modules" | "_parameters" | "_buffers") => {}
                    Value::Text(text) => keys.push(text.chars().take(KEY_MAX).collect()),
                    Value::Int(number) => keys.push(number.to_string()),
                    _ => keys.push("?".to_owned()),
                },
            }
            place = *parent;
        }
        keys.reverse();
        keys.join(".")
    }
}

/// Tells each storage once, in the order in which tensors name them.
fn storages(
    pickle: &Pickle,
    mut tell: impl FnMut(String, Storage<'_>, Option<Vec<u64>>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut walk = Walk { pickle, places: Vec::new(), ahead: Vec::new() };
    walk.add(usize::MAX, Key::None, pickle.root);
    let (mut told, mut names) = (HashSet::new(), 0);
    while let Some((place, value)) = walk.ahead.pop() {
        let found = match pickle.get(value) {
            Value::Call(call) => tensor(pickle, call),
            _ => storage(pickle, value).map(|storage| (storage, None)),
        };
        let Some((storage, shape)) = found else {
            walk.enter(place, value);
            continue;
        };
        if told.insert(storage.key) {
            let name = walk.name(place);
            names += name.len();
            if names > NAMES_MAX || told.len() > TENSORS_MAX {
                return unknown("it has too many tensors");
            }
            tell(name, storage, shape)?;
        }
    }
    Ok(())
}

/// The tensors of an archive that torch.save wrote; none of another archive.
pub(super) fn tensors(file: &mut Window<'_>, archive: &Archive) -> Result<Vec<Tensor>, Fault> {
    let is_pickle = |name: &[u8]| name.ends_with(b"/data.pkl") || name == b"data.pkl";
    let Some(main) = archive.members.iter().find(|member| is_pickle(&member.name)) else { return Ok(Vec::new()) };
    if !main.stored {
        return unknown("its pickle is compressed");
    }
    let start = archive.data(file, main)?;
    let pickle = Pickle::read(&mut Stream::new(file, start, start + main.len))?;
    let prefix = [&main.name[..main.name.len() - b"data.pkl".len()], b"data/"].concat();
    let inside = archive.members.iter().filter_map(|member| Some((member.name.strip_prefix(&prefix[..])?, member)));
    let records: HashMap<&[u8], &zip::Member> = inside.collect();
    for index in 0..pickle.values().len() {
        let Some(storage) = storage(&pickle, Ref(index as u32)) else { continue };
        match records.get(storage.key.as_bytes()) {
            None => return broken(format!("it lacks storage {}", storage.key)),
            Some(record) if record.stored && record.len < storage.len => {
                return broken(format!("storage {} has {} bytes instead of {}", storage.key, record.len, storage.len));
            }
            Some(_) => {}
        }
    }
    let mut tensors = Vec::new();
    storages(&pickle, |name, storage, shape| {
        let Some(record) = records.get(storage.key.as_bytes()).filter(|record| record.stored) else { return Ok(()) };
        let offset = archive.data(file, record)?;
        let covers = |shape: &Vec<u64>| {
            let bytes = shape.iter().try_fold(storage.dtype.bytes(), |bytes, side| bytes.checked_mul(*side));
            storage.dtype != Dtype::Other && bytes == Some(record.len)
        };
        let shape = shape.filter(covers).unwrap_or_else(|| vec![record.len / storage.dtype.bytes()]);
        tensors.push(Tensor { name, dtype: storage.dtype, shape, offset, len: record.len });
        Ok(())
    })?;
    Ok(tensors)
}

/// The pickle of a tensor of singles in storage `key`, without the pickle's own start and end.
#[cfg(test)]
fn pickled(key: &str, elements: u8, offset: u8, shape: &[u8]) -> Vec<u8> {
    let strides: Vec<u8> = (1..=shape.len()).map(|at| shape[at..].iter().product()).collect();
    pickled_view(key, elements, offset, shape, &strides)
}

#[cfg(test)]
fn pickled_view(key: &str, elements: u8, offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage =
        [b"((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0", key.as_bytes(), b"X\x03\0\0\0cpuK"].concat();
    let [shape, strides] = [shape, strides].map(|all| all.iter().flat_map(|side| [b'K', *side]).collect::<Vec<u8>>());
    let rest =
        [&b"tQK"[..], &[offset], b"(", &shape, b"t(", &strides, b"t\x89ccollections\nOrderedDict\n)RtR"].concat();
    [b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), storage, vec![elements], rest].concat()
}

/// A small file of one tensor that is not in a dictionary.
#[cfg(test)]
pub(super) fn sample_one() -> Vec<u8> {
    let pickle = [b"\x80\x02", &pickled("0", 2, 0, &[2])[..], b"."].concat();
    zip::build_large(&[("archive/data.pkl", &pickle), ("archive/data/0", &[1; 8]), ("archive/version", b"3\n")])
}

/// A small file of a model, an optimizer, and a list of two views.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let entry = |key: &str, value: &[u8]| [&b"X"[..], &[key.len() as u8, 0, 0, 0], key.as_bytes(), value].concat();
    let dict = |entries: &[Vec<u8>]| [b"}(", &entries.concat()[..], b"u"].concat();
    let model = [b"ccollections\nOrderedDict\n)R(", &entry("a.w", &pickled("0", 6, 0, &[2, 3]))[..], b"u"].concat();
    let state = dict(&[[b"K\0", &dict(&[entry("exp_avg", &pickled("1", 2, 0, &[2]))])[..]].concat()]);
    let views = [b"](", &pickled("2", 4, 1, &[2])[..], &pickled("2", 4, 0, &[4]), b"e"].concat();
    let root = dict(&[entry("model", &model), entry("state", &state), entry("views", &views)]);
    let pickle = [b"\x80\x02", &root[..], b"."].concat();
    zip::build(&[("m/data.pkl", &pickle), ("m/data/0", &[0; 24]), ("m/data/1", &[1; 8]), ("m/data/2", &[2; 16])])
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn storages_are_found_with_the_names_of_tensors() {
        let found = read_slice(&TorchZip, &sample()).unwrap().tensors;
        let found: Vec<_> = found.iter().map(|t| (&t.name[..], t.dtype, &t.shape[..], t.len)).collect();
        let singles = |name, shape, len| (name, Dtype::F32, shape, len);
        let state = singles("state.0.exp_avg", &[2][..], 8);
        assert_eq!(found, [singles("model.a.w", &[2, 3][..], 24), state, singles("views.0", &[4][..], 16)]);
    }

    #[test]
    fn a_view_across_is_told_as_a_row_of_elements() {
        for (sides, strides, right) in [
            (&[2, 3][..], &[3, 1][..], true),
            (&[2, 3], &[1, 2], false),
            (&[1, 3], &[7, 1], true),
            (&[], &[], true),
            (&[0, 3], &[9, 9], true),
            (&[2], &[2], false),
            (&[2, 3], &[1], false),
        ] {
            assert_eq!(in_order(sides, strides), right, "{sides:?} {strides:?}");
        }
        let across = |strides: &[u8]| [b"\x80\x02", &pickled_view("0", 6, 0, &[2, 3], strides)[..], b"."].concat();
        for (strides, shape) in [(&[3, 1], &[2, 3][..]), (&[1, 2], &[6])] {
            let file = zip::build(&[("m/data.pkl", &across(strides)), ("m/data/0", &[0; 24])]);
            assert_eq!(read_slice(&TorchZip, &file).unwrap().tensors[0].shape, shape);
        }
    }

    #[test]
    fn a_storage_that_lacks_is_noticed() {
        let pickle = [b"\x80\x02", &pickled("0", 2, 0, &[2])[..], b"."].concat();
        for members in [&[("m/data.pkl", &pickle[..])][..], &[("m/data.pkl", &pickle[..]), ("m/data/0", &[0; 7])]] {
            assert!(matches!(read_slice(&TorchZip, &zip::build(members)), Err(Fault::Broken(_))));
        }
    }

    #[test]
    fn other_files() {
        assert!(matches!(read_slice(&TorchZip, b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), Err(Fault::Unknown(_))));
        assert!(matches!(read_slice(&TorchZip, &[0; 600]), Err(Fault::Broken(_))));
        assert!(TorchZip.fits(b"5d41402abc4b2a76", &sample()[..200]) && !TorchZip.fits(b"a.bin", b"other"));
    }
}
