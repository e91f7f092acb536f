//! tar: members with headers of 512 bytes, then two blocks of zeros.
//!
//! The layout is that of POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header", and of the GNU tar
//! manual, "Basic Tar Format".

use super::{Fault, Format, Layout, Window, broken, unknown};

const BLOCK: u64 = 512;
const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
/// The most members that are followed.
const MEMBERS_MAX: usize = 1 << 19;
/// The longest extended header.
const EXTENDED_MAX: u64 = 1 << 20;
/// How gzip, zstd, xz, bzip2 and LZ4 files start: archives of them are often called `.tar` all the same.
const PACKED: [&[u8]; 5] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"\x04\x22\x4d\x18"];

/// The format.
pub(super) struct Tar;

impl Format for Tar {
    fn name(&self) -> &'static str {
        "tar"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        name.ends_with(b".tar") || head.get(257..262) == Some(b"ustar")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let (mut at, mut real_len) = (0, None);
        for _ in 0..MEMBERS_MAX {
            let header: [u8; BLOCK as usize] = match file.array(at) {
                Err(Fault::Broken(_)) => return broken("it ends without its two blocks of zeros"),
                header => header?,
            };
            at += BLOCK;
            if header == ZEROS {
                return match file.array(at)? {
                    ZEROS => Ok(Layout::default()),
                    _ => broken("it has one block of zeros instead of two"),
                };
            }
            if at == BLOCK && PACKED.iter().any(|magic| header.starts_with(magic)) {
                return unknown("it is compressed");
            }
            if !is_sound(&header) {
                return broken(format!("the header at {} is damaged", at - BLOCK));
            }
            let Some(mut len) = number(&header[124..136]) else { return broken("a member has no length") };
            match header[156] {
                b'x' => {
                    real_len = extended(file, at, len)?;
                }
                b'g' | b'L' | b'K' | b'X' => {}
                b'1'..=b'6' => (len, real_len) = (0, None),
                kind => {
                    at = if kind == b'S' { after_sparse(file, &header, at)? } else { at };
                    len = real_len.take().unwrap_or(len);
                }
            }
            at = match len.checked_next_multiple_of(BLOCK).and_then(|len| at.checked_add(len)) {
                Some(next) if next <= file.len() => next,
                _ => return broken(format!("the member at {at} ends beyond the end of the file")),
            };
        }
        unknown("it has too many members")
    }
}

/// Whether the checksum of a header is right, of bytes with or without a sign.
fn is_sound(header: &[u8]) -> bool {
    let counted = |at: usize| if (148..156).contains(&at) { b' ' } else { header[at] };
    let plain: i64 = (0..header.len()).map(|at| i64::from(counted(at))).sum();
    let signed: i64 = (0..header.len()).map(|at| i64::from(counted(at).cast_signed())).sum();
    let told = number(&header[148..156]).and_then(|told| i64::try_from(told).ok());
    told == Some(plain) || told == Some(signed)
}

/// An octal number, or one of base 256 after a byte of 0x80.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] == 0x80 {
        return field[1..].iter().try_fold(0u64, |number, byte| Some(number.checked_mul(256)? + u64::from(*byte)));
    }
    let digits = field.iter().skip_while(|byte| **byte == b' ').take_while(|byte| !matches!(byte, b' ' | 0));
    digits.into_iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'7' => Some(number.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
}

/// The length of the next member as an extended header has it: lines of a length, a key and a value.
fn extended(file: &mut Window<'_>, at: u64, len: u64) -> Result<Option<u64>, Fault> {
    if len > EXTENDED_MAX {
        return unknown("it has too long an extended header");
    }
    let records = file.get(at, len)?;
    let mut rest = &records[..];
    let mut found = None;
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let told = std::str::from_utf8(&rest[..space]).ok().and_then(|told| told.parse::<usize>().ok());
        let Some(record) = told.and_then(|told| rest.get(space + 1..told)) else { break };
        if let Some(value) = record.strip_prefix(b"size=") {
            found = std::str::from_utf8(value).ok().and_then(|value| value.trim_end().parse().ok());
        }
        rest = &rest[space + 1 + record.len()..];
    }
    Ok(found)
}

/// Where the data of an old GNU sparse member starts: after all blocks of its map.
fn after_sparse(file: &mut Window<'_>, header: &[u8], mut at: u64) -> Result<u64, Fault> {
    let mut more = header[482];
    while more != 0 {
        more = file.array::<{ BLOCK as usize }>(at)?[504];
        at += BLOCK;
    }
    Ok(at)
}

/// A small archive: an extended header that tells a length, the member that has it, a directory.
#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let header = |kind: u8, len: u32| {
        let mut header = [0; 512];
        header[..4].copy_from_slice(b"name");
        header[124..135].copy_from_slice(format!("{len:011o}").as_bytes());
        header[148..156].fill(b' ');
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    };
    let mut bytes = [&header(b'x', 25)[..], b"13 path=long\n12 size=700\n"].concat();
    bytes.resize(1024, 0);
    bytes.extend(header(b'0', 0));
    bytes.resize(bytes.len() + 1024, 7);
    bytes.extend(header(b'5', 99));
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::window::read_slice;
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"00000001234 "), Some(0o1234));
        assert_eq!(number(b"  17\0x"), Some(15));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1]), Some((2 << 32) + 1));
        assert_eq!(number(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(number(b"9"), None);
    }

    #[test]
    fn members_are_followed() {
        let mut bytes = sample();
        assert_eq!(read_slice(&Tar, &bytes), Ok(Layout::default()));
        bytes[3] ^= 1;
        assert!(matches!(read_slice(&Tar, &bytes), Err(Fault::Broken(_))));
        assert!(matches!(read_slice(&Tar, &[&b"\x1f\x8b"[..], &bytes].concat()), Err(Fault::Unknown(_))));
    }
}
