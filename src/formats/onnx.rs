//! ONNX: a model in one Protocol Buffers message, its weights inside or in files beside it.
//!
//! The fields are those of onnx/onnx.proto: ModelProto, GraphProto, TensorProto.

use super::proto::{Content, message, pass};
use super::stream::Stream;
use super::{Fault, Format, Layout, TENSORS_MAX, Window, broken, unknown};
use crate::tensor::{Dtype, Tensor};

/// The longest name, and the most dimensions.
const NAME_MAX: u64 = 1 << 12;
const SIDES_MAX: usize = 64;

/// The format.
pub(super) struct Onnx;

impl Format for Onnx {
    fn name(&self) -> &'static str {
        "onnx"
    }

    fn fits(&self, name: &[u8], _head: &[u8]) -> bool {
        name.ends_with(b".onnx")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let len = file.len();
        let mut stream = Stream::new(file, 0, len);
        let mut tensors = Vec::new();
        let (mut version, mut graph, mut operators) = (0, false, false);
        message(&mut stream, len, |stream, number, content| match (number, content) {
            (1, Content::Number(number)) => {
                version = number;
                Ok(())
            }
            (7, Content::Bytes(len)) => {
                graph = true;
                message(stream, len, |stream, number, content| match (number, content) {
                    (5, Content::Bytes(len)) => initializer(stream, len, &mut tensors),
                    _ => pass(stream, content),
                })
            }
            _ => {
                operators |= number == 8;
                pass(stream, content)
            }
        })?;
        if !graph || version >= 3 && !operators {
            return broken("it ends before the model does");
        }
        Ok(Layout { tensors })
    }
}

fn dtype(number: u64) -> Dtype {
    match number {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        14 => Dtype::C64,
        15 => Dtype::C128,
        16 => Dtype::Bf16,
        17 => Dtype::F8E4m3,
        19 => Dtype::F8E5m2,
        _ => Dtype::Other,
    }
}

/// Reads one tensor of the graph; it is told if its bytes are raw and in this file.
fn initializer(stream: &mut Stream<'_, '_>, len: u64, tensors: &mut Vec<Tensor>) -> Result<(), Fault> {
    let (mut tensor, mut raw) = (Tensor::default(), false);
    message(stream, len, |stream, number, content| {
        match (number, content) {
            (1, Content::Number(side)) => tensor.shape.push(side),
            (1, Content::Bytes(len)) => {
                let outer = stream.enter(len)?;
                while !stream.is_done() && tensor.shape.len() <= SIDES_MAX {
                    tensor.shape.push(stream.varint()?);
                }
                stream.leave(outer);
            }
            (2, Content::Number(number)) => tensor.dtype = dtype(number),
            (8, Content::Bytes(len)) if len <= NAME_MAX => {
                tensor.name = String::from_utf8_lossy(stream.take(len)?).into_owned();
            }
            (9, Content::Bytes(len)) => {
                (raw, tensor.offset, tensor.len) = (true, stream.at(), len);
                stream.skip(len)?;
            }
            _ => pass(stream, content)?,
        }
        if tensor.shape.len() > SIDES_MAX { unknown("a tensor has too many dimensions") } else { Ok(()) }
    })?;
    if !raw || tensor.len == 0 {
        return Ok(());
    }
    let wanted = tensor.shape.iter().try_fold(tensor.dtype.bytes(), |bytes, side| bytes.checked_mul(*side));
    if tensor.dtype != Dtype::Other && wanted != Some(tensor.len) {
        return broken(format!("tensor {} has {} bytes, not what its shape needs", tensor.name, tensor.len));
    }
    if tensors.len() == TENSORS_MAX {
        return unknown("it has too many tensors");
    }
    tensors.push(tensor);
    Ok(())
}

/// A small model of two tensors, the shape of one packed.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let first = b"\x08\x02\x08\x01\x10\x01\x42\x01a\x4a\x0812345678";
    let second = b"\x0a\x01\x03\x10\x0a\x42\x02bc\x4a\x06123456";
    let outside = b"\x08\x02\x10\x01\x42\x01d\x70\x01";
    let part = |bytes: &[u8]| [&[0x2a, bytes.len() as u8], bytes].concat();
    let graph = [b"\x0a\x02\x12\0".to_vec(), part(first), part(second), part(outside), b"\x12\x01g".to_vec()].concat();
    [&b"\x08\x0a\x12\x01p\x3a"[..], &[graph.len() as u8], &graph, b"\x42\x02\x10\x12"].concat()
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn tensors_are_found() {
        let found = read_slice(&Onnx, &sample()).unwrap().tensors;
        let found: Vec<_> = found.iter().map(|t| (&t.name[..], t.dtype, &t.shape[..], t.len)).collect();
        assert_eq!(found, [("a", Dtype::F32, &[2, 1][..], 8), ("bc", Dtype::F16, &[3][..], 6)]);
    }
}
