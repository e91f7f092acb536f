//! Python pickles, read as plain values: nothing is ever imported, called or built.
//!
//! The opcodes are those of Lib/pickletools.py of CPython, protocols 0 to 5. Values lie in one vector and name each
//! other by number, so what a pickle shares stays shared, cycles are harmless, and dropping needs no recursion.

use super::pickle_steps::Machine;
use super::stream::Stream;
use super::{Fault, unknown};

/// The most values that are made, and the most instructions that are followed.
const VALUES_MAX: usize = 1 << 22;
const STEPS_MAX: usize = 1 << 24;
/// The most bytes of texts.
const BYTES_MAX: usize = 128 << 20;

/// The number of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ref(pub u32);

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    /// Something that does not matter here: None, a truth value, a float, bytes.
    Atom,
    /// A whole number that 64 bits can hold.
    Int(i64),
    /// Text.
    Text(Box<str>),
    /// A name that Python would import: module and name, with a dot between.
    Global(Box<str>),
    /// A tuple, frozen set, list or set.
    List(Vec<Ref>),
    /// A dictionary, in the order written.
    Dict(Vec<(Ref, Ref)>),
    /// A thing that lies outside of the pickle, by what it is called there.
    Persistent(Ref),
    /// What Python would get by calling something.
    Call(Box<Call>),
}

/// A call that nobody makes.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// What is called.
    pub function: Ref,
    /// Its arguments, a tuple.
    pub arguments: Ref,
    /// The state that the result is given.
    pub state: Option<Ref>,
    /// What is appended to the result.
    pub list: Vec<Ref>,
    /// What is set in the result by key.
    pub dict: Vec<(Ref, Ref)>,
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    /// The value that it stands for.
    pub root: Ref,
}

impl Pickle {
    /// Reads one pickle, up to the end of the stream or its STOP.
    pub fn read(stream: &mut Stream<'_, '_>) -> Result<Pickle, Fault> {
        let mut machine = Machine::default();
        for _ in 0..STEPS_MAX {
            let instruction = stream.u8()?;
            if instruction == b'.' {
                let root = machine.pop()?;
                return Ok(Pickle { values: machine.values, root });
            }
            machine.step(instruction, stream)?;
            if machine.values.len() > VALUES_MAX || machine.bytes > BYTES_MAX {
                return unknown("its pickle has too many values");
            }
        }
        unknown("its pickle has too many instructions")
    }

    /// A value by its number.
    pub fn get(&self, value: Ref) -> &Value {
        &self.values[value.0 as usize]
    }

    /// All values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The text that a value is.
    pub fn text(&self, value: Ref) -> Option<&str> {
        match self.get(value) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name that a value imports.
    pub fn global(&self, value: Ref) -> Option<&str> {
        match self.get(value) {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }

    /// The number, not below zero, that a value is.
    pub fn number(&self, value: Ref) -> Option<u64> {
        match self.get(value) {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The items of a tuple or list; none of anything else.
    pub fn items(&self, value: Ref) -> &[Ref] {
        match self.get(value) {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// What a dictionary, or the state of an object, has under a key.
    pub fn field(&self, value: Ref, key: &str) -> Option<Ref> {
        let dict = match self.get(value) {
            Value::Dict(dict) => dict,
            Value::Call(call) => match self.get(call.state?) {
                Value::Dict(dict) => dict,
                _ => return None,
            },
            _ => return None,
        };
        dict.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| *value)
    }
}

/// Reads one pickle that is in memory.
#[cfg(test)]
pub(super) fn parse(bytes: &[u8]) -> Result<Pickle, Fault> {
    super::window::over(bytes, |file| Pickle::read(&mut Stream::new(file, 0, bytes.len() as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_called_and_sharing_is_kept() {
        // {"a": (os.system("x"), 300), "b": the same tuple, -2: deque([1])}, protocol 4.
        let bytes = b"\x80\x04}(\x8c\x01a\x8c\x02os\x8c\x06system\x93\x8c\x01x\x85R\x94M\x2c\x01\x86\x94\
            \x8c\x01bh\x01J\xfe\xff\xff\xffccollections\ndeque\n)R(K\x01eu.";
        let pickle = parse(bytes).unwrap();
        let pair = pickle.field(pickle.root, "a").unwrap();
        assert_eq!(pickle.field(pickle.root, "b"), Some(pair));
        assert_eq!(pickle.number(pickle.items(pair)[1]), Some(300));
        let Value::Call(call) = pickle.get(pickle.items(pair)[0]) else { panic!() };
        assert_eq!(pickle.global(call.function), Some("os.system"));
        let Value::Dict(root) = pickle.get(pickle.root) else { panic!() };
        assert_eq!(*pickle.get(root[2].0), Value::Int(-2));
        let Value::Call(call) = pickle.get(root[2].1) else { panic!() };
        assert_eq!(call.list.len(), 1);
        for len in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..len]), Err(Fault::Broken(_))), "{len}");
        }
    }

    #[test]
    fn old_protocols_and_long_numbers() {
        let bytes = b"(I7\nL-9L\nS'it'\nVis\np5\n0g5\nF1.5\n\x8a\x02\x00\xff\x8a\x09123456789(lNt.";
        let pickle = parse(bytes).unwrap();
        let items = pickle.items(pickle.root);
        let numbers: Vec<_> = [0, 1, 5].map(|at| pickle.get(items[at])).into();
        assert_eq!(numbers, [&Value::Int(7), &Value::Int(-9), &Value::Int(-256)]);
        assert_eq!((pickle.text(items[2]), pickle.text(items[3])), (Some("it"), Some("is")));
        assert_eq!((items.len(), pickle.get(items[6])), (9, &Value::Atom));
    }

    #[test]
    fn bombs_stay_small() {
        // Sixty lists, each of the one before it twice; then a list that holds itself.
        let doubled = [b"]".as_slice(), &b"\x94]\x94(hhe".repeat(60), b"."].concat();
        assert!(parse(&doubled).is_err());
        let nested = [b"]".repeat(1 << 20), b"a".repeat((1 << 20) - 1), b".".to_vec()].concat();
        drop(parse(&nested).unwrap());
        drop(parse(b"]q\x00h\x00a.").unwrap());
        // One long text, recalled as the name of many things.
        let named = [&b"X\0\0\x10\0"[..], &[b'm'; 1 << 20], b"\x94", &b"h\0h\0\x93".repeat(1 << 18), b"."].concat();
        assert!(matches!(parse(&named), Err(Fault::Unknown(_))));
        let long = b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.";
        assert!(matches!(parse(long), Err(Fault::Broken(_))));
        assert!(matches!(parse(&b"N".repeat(VALUES_MAX + 2)), Err(Fault::Unknown(_))));
    }
}
