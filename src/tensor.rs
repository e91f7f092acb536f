//! A tensor as a file holds it: its name, its numbers, and where its bytes are.

use minicbor::{Decode, Encode};

/// What the elements of a tensor are. The number is the one in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Dtype {
    /// Something else: quantised blocks, strings, records.
    #[default]
    #[n(0)]
    Other,
    /// IEEE double.
    #[n(1)]
    F64,
    /// IEEE single.
    #[n(2)]
    F32,
    /// IEEE half.
    #[n(3)]
    F16,
    /// The upper half of a single.
    #[n(4)]
    Bf16,
    /// 8-bit float, 4 bits of exponent, without infinities.
    #[n(5)]
    F8E4m3,
    /// 8-bit float, 5 bits of exponent.
    #[n(6)]
    F8E5m2,
    /// Signed, 64 bits.
    #[n(7)]
    I64,
    /// Signed, 32 bits.
    #[n(8)]
    I32,
    /// Signed, 16 bits.
    #[n(9)]
    I16,
    /// Signed, 8 bits.
    #[n(10)]
    I8,
    /// Unsigned, 64 bits.
    #[n(11)]
    U64,
    /// Unsigned, 32 bits.
    #[n(12)]
    U32,
    /// Unsigned, 16 bits.
    #[n(13)]
    U16,
    /// Unsigned, 8 bits.
    #[n(14)]
    U8,
    /// One byte a truth value.
    #[n(15)]
    Bool,
    /// Two singles.
    #[n(16)]
    C64,
    /// Two doubles.
    #[n(17)]
    C128,
}

/// Every dtype with the name that safetensors gives it, and the bytes of one element.
const NAMES: [(Dtype, &str, u64); 18] = [
    (Dtype::Other, "other", 1),
    (Dtype::F64, "F64", 8),
    (Dtype::F32, "F32", 4),
    (Dtype::F16, "F16", 2),
    (Dtype::Bf16, "BF16", 2),
    (Dtype::F8E4m3, "F8_E4M3", 1),
    (Dtype::F8E5m2, "F8_E5M2", 1),
    (Dtype::I64, "I64", 8),
    (Dtype::I32, "I32", 4),
    (Dtype::I16, "I16", 2),
    (Dtype::I8, "I8", 1),
    (Dtype::U64, "U64", 8),
    (Dtype::U32, "U32", 4),
    (Dtype::U16, "U16", 2),
    (Dtype::U8, "U8", 1),
    (Dtype::Bool, "BOOL", 1),
    (Dtype::C64, "C64", 8),
    (Dtype::C128, "C128", 16),
];

impl Dtype {
    fn row(self) -> &'static (Dtype, &'static str, u64) {
        NAMES.iter().find(|row| row.0 == self).unwrap_or(&NAMES[0])
    }

    /// The name that safetensors gives it.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Bytes of one element; 1 for what has no fixed length.
    pub fn bytes(self) -> u64 {
        self.row().2
    }

    /// The dtype that safetensors calls so; `Other` for a name that is not known.
    pub fn from_name(name: &str) -> Dtype {
        NAMES.iter().find(|row| row.1 == name).map_or(Dtype::Other, |row| row.0)
    }

    /// Whether its numbers can be NaN.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4m3 | Dtype::F8E5m2)
            || matches!(self, Dtype::C64 | Dtype::C128)
    }
}

/// One tensor of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tensor {
    /// Its name; for an optimizer's state the path to it, joined with dots.
    pub name: String,
    /// What its elements are.
    pub dtype: Dtype,
    /// Its dimensions, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes they are.
    pub len: u64,
}
