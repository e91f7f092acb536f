//! A window read forward, as parsers like it: a few bytes at a time here, large pieces of the file below.

use super::{Fault, Window, broken};

/// What is read after a jump, and what a piece grows to while reading goes straight on.
const PIECE: (u64, u64) = (4 << 10, 256 << 10);

/// A position in a part of a file.
pub(super) struct Stream<'w, 'a> {
    file: &'w mut Window<'a>,
    at: u64,
    end: u64,
    last: u64,
    piece: Vec<u8>,
    start: u64,
    next: u64,
}

impl<'w, 'a> Stream<'w, 'a> {
    /// A stream of the bytes from `at` to `end`.
    pub fn new(file: &'w mut Window<'a>, at: u64, end: u64) -> Stream<'w, 'a> {
        Stream { file, at, end, last: end, piece: Vec::new(), start: at, next: PIECE.0 }
    }

    /// Where in the file it is.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether it has come to its end.
    pub fn is_done(&self) -> bool {
        self.at >= self.end
    }

    fn after(&self, len: u64) -> Result<u64, Fault> {
        match self.at.checked_add(len).filter(|last| *last <= self.end) {
            Some(last) => Ok(last),
            None => broken(format!("it ends, or a part of it, before the {len} bytes that belong at {}", self.at)),
        }
    }

    /// Passes over bytes.
    pub fn skip(&mut self, len: u64) -> Result<(), Fault> {
        self.at = self.after(len)?;
        Ok(())
    }

    /// Goes to any place before the end.
    pub fn seek(&mut self, at: u64) -> Result<(), Fault> {
        self.at = 0;
        self.skip(at)
    }

    /// Lets the stream end after `len` bytes; gives the end that it had, for [`Stream::leave`].
    pub fn enter(&mut self, len: u64) -> Result<u64, Fault> {
        let last = self.after(len)?;
        Ok(std::mem::replace(&mut self.end, last))
    }

    /// Goes to the end and has the outer one again.
    pub fn leave(&mut self, outer: u64) {
        self.at = std::mem::replace(&mut self.end, outer);
    }

    /// The next bytes.
    pub fn take(&mut self, len: u64) -> Result<&[u8], Fault> {
        let last = self.after(len)?;
        let had = self.start..=self.start + self.piece.len() as u64;
        if !had.contains(&self.at) || !had.contains(&last) {
            self.next = if had.contains(&self.at) { (self.next * 2).min(PIECE.1) } else { PIECE.0 };
            let wanted = len.max(self.next.min(self.last.min(self.file.len()).saturating_sub(self.at)));
            self.piece = self.file.get(self.at, wanted)?;
            self.start = self.at;
        }
        let from = (self.at - self.start) as usize;
        self.at = last;
        Ok(&self.piece[from..from + len as usize])
    }

    /// The same, as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    /// A number of 16 bits, little-endian as all here.
    pub fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// A number of 32 bits.
    pub fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number of 64 bits.
    pub fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A number of seven bits a byte, least significant first, as protobuf and LevelDB have it.
    pub fn varint(&mut self) -> Result<u64, Fault> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        broken("a number in it is too long")
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::over;
    use super::*;

    #[test]
    fn parts_end_where_they_should() {
        let bytes: Vec<u8> = (0..100).collect();
        over(&bytes, |file| {
            let mut stream = Stream::new(file, 10, 20);
            let outer = stream.enter(4).unwrap();
            assert_eq!((stream.u8(), stream.u16()), (Ok(10), Ok(0x0c0b)));
            assert!(stream.u16().is_err() && stream.skip(2).is_err());
            stream.leave(outer);
            assert_eq!(stream.take(6), Ok(&[14, 15, 16, 17, 18, 19][..]));
            assert!(stream.is_done() && stream.take(1).is_err());
            stream.seek(3).unwrap();
            assert_eq!((stream.u8(), stream.at()), (Ok(3), 4));
        });
    }

    #[test]
    fn numbers_of_seven_bits() {
        over(&[0xac, 0x02, 0xff, 0xff], |file| {
            let mut stream = Stream::new(file, 0, 4);
            assert_eq!(stream.varint(), Ok(300));
            assert!(stream.varint().is_err());
        });
        over(&[0xff; 11], |file| assert!(Stream::new(file, 0, 11).varint().is_err()));
    }
}
