//! The instructions of a pickle, followed one by one; what they would do in Python is only noted down.

use super::pickle::{Call, Ref, Value};
use super::stream::Stream;
use super::{Fault, broken, unknown};
use std::collections::HashMap;

/// The longest line.
const LINE_MAX: usize = 64 << 10;
/// The longest part of a name that is put together from texts.
const NAME_MAX: usize = 1 << 10;

/// The state while reading.
#[derive(Default)]
pub(super) struct Machine {
    /// Every value made so far.
    pub values: Vec<Value>,
    /// Bytes of all texts among them.
    pub bytes: usize,
    stack: Vec<Ref>,
    marks: Vec<usize>,
    memo: HashMap<u64, Ref>,
}

/// Text up to a line feed.
fn line(stream: &mut Stream<'_, '_>) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    while bytes.len() < LINE_MAX {
        match stream.u8()? {
            b'\n' => return Ok(String::from_utf8_lossy(&bytes).into_owned()),
            byte => bytes.push(byte),
        }
    }
    unknown("its pickle has too long a line")
}

fn text(stream: &mut Stream<'_, '_>, len: u64) -> Result<Value, Fault> {
    Ok(Value::Text(String::from_utf8_lossy(stream.take(len)?).into()))
}

fn skipped(stream: &mut Stream<'_, '_>, len: u64) -> Result<Value, Fault> {
    stream.skip(len).map(|()| Value::Atom)
}

/// A number of so many bytes, little-endian, with a sign.
fn long(stream: &mut Stream<'_, '_>, len: u64) -> Result<Value, Fault> {
    let bytes = stream.take(len)?;
    let fill = if bytes.last().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
    let mut whole = [fill; 8];
    let Some(low) = whole.get_mut(..bytes.len()) else { return Ok(Value::Atom) };
    low.copy_from_slice(bytes);
    Ok(Value::Int(i64::from_le_bytes(whole)))
}

/// The number in a line, with the L that Python 2 put behind it.
fn decimal(stream: &mut Stream<'_, '_>) -> Result<Value, Fault> {
    Ok(line(stream)?.trim_end_matches('L').parse().map_or(Value::Atom, Value::Int))
}

/// A quoted or bare line as text.
fn quoted(stream: &mut Stream<'_, '_>) -> Result<Value, Fault> {
    Ok(Value::Text(line(stream)?.trim_matches(['\'', '"']).into()))
}

/// The value that an instruction pushes without looking at the stack.
fn literal(instruction: u8, stream: &mut Stream<'_, '_>) -> Result<Option<Value>, Fault> {
    let value = match instruction {
        b'N' | 0x88 | 0x89 | 0x97 => Value::Atom,
        b'J' => Value::Int(stream.u32()?.cast_signed().into()),
        b'K' => Value::Int(stream.u8()?.into()),
        b'M' => Value::Int(stream.u16()?.into()),
        b'I' | b'L' => decimal(stream)?,
        b'F' => line(stream).map(|_| Value::Atom)?,
        b'G' => skipped(stream, 8)?,
        0x8a => stream.u8().and_then(|len| long(stream, len.into()))?,
        0x8b => stream.u32().and_then(|len| long(stream, len.into()))?,
        b'S' | b'V' => quoted(stream)?,
        b'U' | 0x8c => stream.u8().and_then(|len| text(stream, len.into()))?,
        b'T' | b'X' => stream.u32().and_then(|len| text(stream, len.into()))?,
        0x8d => stream.u64().and_then(|len| text(stream, len))?,
        b'C' => stream.u8().and_then(|len| skipped(stream, len.into()))?,
        b'B' => stream.u32().and_then(|len| skipped(stream, len.into()))?,
        0x8e | 0x96 => stream.u64().and_then(|len| skipped(stream, len))?,
        0x82 => skipped(stream, 1)?,
        0x83 => skipped(stream, 2)?,
        0x84 => skipped(stream, 4)?,
        b')' | b']' | 0x8f => Value::List(Vec::new()),
        b'}' => Value::Dict(Vec::new()),
        b'c' => Value::Global(format!("{}.{}", line(stream)?, line(stream)?).into()),
        _ => return Ok(None),
    };
    Ok(Some(value))
}

impl Machine {
    fn push(&mut self, value: Value) {
        self.bytes += match &value {
            Value::Text(text) | Value::Global(text) => text.len(),
            _ => 0,
        };
        self.stack.push(Ref(self.values.len() as u32));
        self.values.push(value);
    }

    /// Takes the topmost value above the last mark.
    pub fn pop(&mut self) -> Result<Ref, Fault> {
        let floor = self.marks.last().copied().unwrap_or_default();
        match self.stack.pop() {
            Some(top) if self.stack.len() >= floor => Ok(top),
            _ => broken("its pickle takes a value where there is none"),
        }
    }

    fn top(&self) -> Result<Ref, Fault> {
        match self.stack.last() {
            Some(top) => Ok(*top),
            None => broken("its pickle uses a value where there is none"),
        }
    }

    /// Takes all values down to the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Ref>, Fault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => broken("its pickle goes back to a mark that was never made"),
        }
    }

    fn tuple(&mut self, len: u8) -> Result<(), Fault> {
        let mut items = (0..len).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Value::List(items));
        Ok(())
    }

    fn call(&mut self, function: Ref, arguments: Ref) {
        self.push(Value::Call(Box::new(Call { function, arguments, state: None, list: Vec::new(), dict: Vec::new() })));
    }

    /// Calls what was pushed before its arguments, or the global that stands in the instruction.
    fn call_marked(&mut self, global: Option<Value>) -> Result<(), Fault> {
        let mut items = self.pop_mark()?;
        let function = match global {
            Some(global) => {
                self.push(global);
                self.pop()?
            }
            None if items.is_empty() => return broken("its pickle calls nothing"),
            None => items.remove(0),
        };
        self.push(Value::List(items));
        let arguments = self.pop()?;
        self.call(function, arguments);
        Ok(())
    }

    fn append(&mut self, items: Vec<Ref>) -> Result<(), Fault> {
        let top = self.top()?;
        match &mut self.values[top.0 as usize] {
            Value::List(list) => list.extend(items),
            Value::Call(call) => call.list.extend(items),
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, items: &[Ref]) -> Result<(), Fault> {
        let top = self.top()?;
        let pairs = items.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        match &mut self.values[top.0 as usize] {
            Value::Dict(dict) => dict.extend(pairs),
            Value::Call(call) => call.dict.extend(pairs),
            _ => {}
        }
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), Fault> {
        match self.memo.get(&key) {
            Some(value) => self.stack.push(*value),
            None => return broken("its pickle recalls what was never stored"),
        }
        Ok(())
    }

    fn store(&mut self, key: u64) -> Result<(), Fault> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    /// Follows one instruction.
    pub fn step(&mut self, instruction: u8, stream: &mut Stream<'_, '_>) -> Result<(), Fault> {
        if let Some(value) = literal(instruction, stream)? {
            self.push(value);
            return Ok(());
        }
        match instruction {
            b'(' => self.marks.push(self.stack.len()),
            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.stack.push(self.top()?),
            b't' | b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Value::List(items));
            }
            0x85..=0x87 => self.tuple(instruction - 0x84)?,
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Value::Dict(Vec::new()));
                self.set(&items)?;
            }
            b'a' => self.pop().and_then(|item| self.append(vec![item]))?,
            b'e' | 0x90 => self.pop_mark().and_then(|items| self.append(items))?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => self.pop_mark().and_then(|items| self.set(&items))?,
            0x80 if stream.u8()? > 5 => return unknown("its pickle is of a newer protocol"),
            0x80 | 0x98 => {}
            0x95 => drop(stream.u64()?),
            _ => self.refer(instruction, stream)?,
        }
        Ok(())
    }

    /// Follows an instruction that stores, recalls or calls.
    fn refer(&mut self, instruction: u8, stream: &mut Stream<'_, '_>) -> Result<(), Fault> {
        match instruction {
            b'h' => self.recall(stream.u8()?.into())?,
            b'j' => self.recall(stream.u32()?.into())?,
            b'g' => {
                line(stream)?.parse().map_or_else(|_| broken("its pickle recalls no number"), |key| self.recall(key))?
            }
            b'q' => self.store(stream.u8()?.into())?,
            b'r' => self.store(stream.u32()?.into())?,
            b'p' => {
                line(stream)?.parse().map_or_else(|_| broken("its pickle stores no number"), |key| self.store(key))?
            }
            0x94 => self.store(self.memo.len() as u64)?,
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let part = |value: Ref| match &self.values[value.0 as usize] {
                    Value::Text(text) => text.chars().take(NAME_MAX).collect(),
                    _ => String::new(),
                };
                let global = format!("{}.{}", part(module), part(name));
                self.push(Value::Global(global.into()));
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments);
            }
            0x92 => {
                let (_, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(class, arguments);
            }
            b'o' => self.call_marked(None)?,
            b'i' => {
                let global = format!("{}.{}", line(stream)?, line(stream)?);
                self.call_marked(Some(Value::Global(global.into())))?;
            }
            b'b' => {
                let (state, top) = (self.pop()?, self.top()?);
                if let Value::Call(call) = &mut self.values[top.0 as usize] {
                    call.state = Some(state);
                }
            }
            b'Q' => self.pop().map(|id| self.push(Value::Persistent(id)))?,
            b'P' => {
                self.push(Value::Text(line(stream)?.into()));
                self.pop().map(|id| self.push(Value::Persistent(id)))?;
            }
            _ => return broken(format!("its pickle has an instruction {instruction:#04x}, which there is not")),
        }
        Ok(())
    }
}
