//! Protocol Buffers without a schema: fields by number, contents passed over unless asked for.
//!
//! The layout is that of protobuf.dev, "Encoding".

use super::stream::Stream;
use super::{Fault, broken, unknown};

/// What a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A number.
    Number(u64),
    /// So many bytes, which come next in the stream.
    Bytes(u64),
}

/// The number of the next field and what it has; none at the end of the message. A field with [`Content::Bytes`] is to be
/// passed over by the caller, with [`pass`] if by nothing else.
pub(super) fn field(stream: &mut Stream<'_, '_>) -> Result<Option<(u64, Content)>, Fault> {
    if stream.is_done() {
        return Ok(None);
    }
    let tag = stream.varint()?;
    let content = match tag & 7 {
        0 => Content::Number(stream.varint()?),
        1 => Content::Number(stream.u64()?),
        2 => Content::Bytes(stream.varint()?),
        5 => Content::Number(stream.u32()?.into()),
        3 | 4 => return unknown("it has groups, which are of an old protobuf"),
        _ => return broken("it has a field of a kind that there is not"),
    };
    match tag >> 3 {
        0 => broken("it has a field without a number"),
        number => Ok(Some((number, content))),
    }
}

/// Passes over what a field has.
pub(super) fn pass(stream: &mut Stream<'_, '_>, content: Content) -> Result<(), Fault> {
    match content {
        Content::Number(_) => Ok(()),
        Content::Bytes(len) => stream.skip(len),
    }
}

/// Goes through a message of `len` bytes; `each` is told every field and must read or pass over what it has.
pub(super) fn message<'w, 'a, E>(stream: &mut Stream<'w, 'a>, len: u64, mut each: E) -> Result<(), Fault>
where
    E: FnMut(&mut Stream<'w, 'a>, u64, Content) -> Result<(), Fault>,
{
    let outer = stream.enter(len)?;
    while let Some((number, content)) = field(stream)? {
        each(stream, number, content)?;
    }
    stream.leave(outer);
    Ok(())
}
