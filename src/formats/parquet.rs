//! Parquet: a magic, row groups, a footer, its length, the magic again.
//!
//! The layout is that of apache/parquet-format, README, section "File format".

use super::{Fault, Format, Layout, Window, broken};

/// The format.
pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        name.ends_with(b".parquet") || head.starts_with(b"PAR1")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let len = file.len();
        let Some(tail) = len.checked_sub(8).filter(|tail| *tail >= 4) else { return broken("it is too short") };
        let (head, tail): ([u8; 4], [u8; 8]) = (file.array(0)?, file.array(tail)?);
        let [a, b, c, d, magic @ ..] = tail;
        if head != magic || head != *b"PAR1" && head != *b"PARE" {
            return broken("it does not start and end as one");
        }
        match u64::from(u32::from_le_bytes([a, b, c, d])) {
            0 => broken("its footer is empty"),
            footer if footer + 12 > len => broken("its footer is longer than it"),
            _ => Ok(Layout::default()),
        }
    }
}

/// A small file.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    b"PAR1column\x15\x02\0\x03\0\0\0PAR1".to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn a_footer_must_fit() {
        let mut bytes = sample();
        assert_eq!(read_slice(&Parquet, &bytes), Ok(Layout::default()));
        bytes[13] = 10;
        assert!(matches!(read_slice(&Parquet, &bytes), Err(Fault::Broken(_))));
    }
}
