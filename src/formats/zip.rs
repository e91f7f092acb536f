//! The directory of a zip archive: what is in it, and where the bytes of a member lie.
//!
//! The layout is that of APPNOTE.TXT of PKWARE, sections 4.3 and 4.5.3 (zip64). Nothing is ever unpacked.

use super::stream::Stream;
use super::{Fault, Format, Layout, Window, broken, unknown};

/// The end record with the two records of zip64 before it, and the end record with the longest comment.
const TAILS: [u64; 2] = [98, 22 + 65_535];
/// The longest directory that is read, and the most members.
const DIRECTORY_MAX: u64 = 128 << 20;
const MEMBERS_MAX: usize = 1 << 20;

/// One member.
pub(super) struct Member {
    /// Its name.
    pub name: Vec<u8>,
    /// Whether its bytes are stored as they are.
    pub stored: bool,
    /// Where its local header starts in the file.
    header: u64,
    /// How many bytes it takes in the archive.
    pub len: u64,
}

/// An archive.
pub(super) struct Archive {
    /// Where it starts in the file; not 0 when something comes before it.
    pub base: u64,
    /// Where it ends in the file, with its comment.
    pub end: u64,
    /// Its members, as the directory has them.
    pub members: Vec<Member>,
    directory: u64,
}

/// What the end of an archive says of its directory: where it ends, its length, where it starts after the base, members.
struct End {
    last: u64,
    at: u64,
    len: u64,
    start: u64,
    members: u64,
}

/// Whether a file starts as an archive does.
pub(super) fn starts(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// The name of the first member, as far as the first bytes of a file tell it.
pub(super) fn first_name(head: &[u8]) -> &[u8] {
    let name_len = head.get(26..28).map_or(0, |len| usize::from(len[0]) | usize::from(len[1]) << 8);
    let name = head.get(30..).unwrap_or_default();
    if starts(head) { &name[..name_len.min(name.len())] } else { b"" }
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    let taken = bytes.get(at..at + len).unwrap_or_default();
    taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Finds the end record of the archive that ends at `end`, from behind.
fn find_end(file: &mut Window<'_>, end: u64) -> Result<End, Fault> {
    for tail_len in TAILS.map(|len| len.min(end)) {
        let tail = file.get(end - tail_len, tail_len)?;
        let found = (0..tail.len().saturating_sub(21)).rev().find(|at| {
            let comment_len = number(&tail, at + 20, 2) as usize;
            tail[*at..].starts_with(b"PK\x05\x06") && at + 22 + comment_len <= tail.len()
        });
        if let Some(at) = found {
            let record = &tail[at..];
            let (len, start) = (number(record, 12, 4), number(record, 16, 4));
            let (at, members) = (end - tail_len + at as u64, number(record, 10, 2));
            let last = at + 22 + number(record, 20, 2);
            return large_end(file, End { last, at, len, start, members });
        }
    }
    broken("it has no end record: it was cut short")
}

/// What the records of zip64 say instead, if they are there.
fn large_end(file: &mut Window<'_>, plain: End) -> Result<End, Fault> {
    let Some(at) = plain.at.checked_sub(76) else { return Ok(plain) };
    let record = file.get(at, 76)?;
    if !record[56..].starts_with(b"PK\x06\x07") {
        return Ok(plain);
    }
    if !record.starts_with(b"PK\x06\x06") {
        return unknown("its zip64 records are longer than usual");
    }
    let [members, len, start] = [32, 40, 48].map(|at| number(&record, at, 8));
    Ok(End { at, len, start, members, ..plain })
}

impl Archive {
    /// Reads the directory of the archive that ends at `end`.
    pub fn open(file: &mut Window<'_>, end: u64) -> Result<Archive, Fault> {
        let found = find_end(file, end)?;
        let Some(directory) = found.at.checked_sub(found.len) else { return broken("its directory is too long") };
        let Some(base) = directory.checked_sub(found.start) else { return broken("its beginning is missing") };
        if found.len > DIRECTORY_MAX || found.members > MEMBERS_MAX as u64 {
            return unknown("it has too many members");
        }
        let mut archive = Archive { base, end: found.last, members: Vec::new(), directory };
        let mut stream = Stream::new(file, directory, found.at);
        while !stream.is_done() {
            let member = archive.member(&mut stream)?;
            archive.members.push(member);
        }
        if archive.members.len() as u64 != found.members {
            return broken("its directory has not as many members as its end record says");
        }
        Ok(archive)
    }

    /// Reads one record of the directory.
    fn member(&self, stream: &mut Stream<'_, '_>) -> Result<Member, Fault> {
        let record: [u8; 46] = stream.array()?;
        if !record.starts_with(b"PK\x01\x02") {
            return broken("its directory is not where its end record says");
        }
        let name = stream.take(number(&record, 28, 2))?.to_vec();
        let extra = stream.take(number(&record, 30, 2))?.to_vec();
        stream.skip(number(&record, 32, 2))?;
        let [mut whole, mut len, mut start] = [24, 20, 42].map(|at| number(&record, at, 4));
        let mut rest = &extra[..];
        while rest.len() >= 4 {
            let size = number(rest, 2, 2) as usize;
            let field = rest.get(4..4 + size).unwrap_or_default();
            let mut large = field.chunks_exact(8).filter(|_| number(rest, 0, 2) == 1);
            for value in [&mut whole, &mut len, &mut start] {
                if *value == u64::from(u32::MAX) {
                    *value = large.next().map_or(*value, |bytes| number(bytes, 0, 8));
                }
            }
            rest = rest.get(4 + size..).unwrap_or_default();
        }
        let stored = number(&record, 10, 2) == 0 && record[8] & 1 == 0;
        let header = self.base.checked_add(start);
        let last = header.and_then(|at| at.checked_add(30 + name.len() as u64)?.checked_add(len));
        match header.zip(last) {
            Some((header, last)) if last <= self.directory => Ok(Member { name, stored, header, len }),
            _ => broken(format!("member {} is not within it", String::from_utf8_lossy(&name))),
        }
    }

    /// Where the bytes of a member start: after its local header.
    pub fn data(&self, file: &mut Window<'_>, member: &Member) -> Result<u64, Fault> {
        let name = String::from_utf8_lossy(&member.name);
        let header: [u8; 30] = file.array(member.header)?;
        if !header.starts_with(b"PK\x03\x04") || number(&header, 26, 2) != member.name.len() as u64 {
            return broken(format!("member {name} is not where the directory says"));
        }
        let data = member.header + 30 + number(&header, 26, 2) + number(&header, 28, 2);
        match data.checked_add(member.len).filter(|last| *last <= self.directory) {
            Some(_) => Ok(data),
            None => broken(format!("member {name} is not within it")),
        }
    }
}

/// Opens the archive that a whole file is.
pub(super) fn open_whole(file: &mut Window<'_>) -> Result<Archive, Fault> {
    let archive = Archive::open(file, file.len())?;
    match archive.base {
        0 => Ok(archive),
        base => broken(format!("{base} bytes are in it that its directory does not know of")),
    }
}

/// A Keras model: a zip archive of configuration and weights.
pub(super) struct Keras;

impl Format for Keras {
    fn name(&self) -> &'static str {
        "keras"
    }

    fn fits(&self, name: &[u8], head: &[u8]) -> bool {
        // Older ones of that name are HDF5.
        name.ends_with(b".keras") && !head.starts_with(b"\x89HDF")
    }

    fn read(&self, file: &mut Window<'_>) -> Result<Layout, Fault> {
        let archive = open_whole(file)?;
        for member in &archive.members {
            archive.data(file, member)?;
        }
        Ok(Layout::default())
    }
}

/// An archive of stored members, for tests.
#[cfg(test)]
pub(super) fn build(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let [len, start, name_len] = [bytes.len(), archive.len(), name.len()].map(|n| (n as u32).to_le_bytes());
        let common = [b"\x14\0\0\0\0\0\0\0\0\0", &[0; 4][..], &len, &len, &name_len[..2], &[0, 0]].concat();
        archive.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        directory.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &start, name.as_bytes()].concat());
    }
    let [count, len, start] = [members.len(), directory.len(), archive.len()].map(|n| (n as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..2], &count[..2], &len, &start, &[0, 0]].concat();
    [archive, directory, end].concat()
}

/// The same with the records of zip64 at its end.
#[cfg(test)]
pub(super) fn build_large(members: &[(&str, &[u8])]) -> Vec<u8> {
    let plain = build(members);
    let (rest, end) = plain.split_at(plain.len() - 22);
    let wide = |at: usize, len: usize| number(end, at, len).to_le_bytes();
    let record = [b"PK\x06\x06\x2c\0\0\0\0\0\0\0", &[0; 12][..], &wide(8, 2), &wide(10, 2), &wide(12, 4), &wide(16, 4)];
    let locator = [b"PK\x06\x07", &[0; 4][..], &(rest.len() as u64).to_le_bytes(), &[1, 0, 0, 0]].concat();
    let end = [&end[..8], &[0xff; 12], &[0, 0]].concat();
    [rest, &record.concat(), &locator, &end].concat()
}

#[cfg(test)]
mod tests {
    use super::super::window::over;
    use super::*;

    #[test]
    fn members_are_found_with_and_without_zip64() {
        for bytes in [build(&[("a", b"12"), ("b/c", b"345")]), build_large(&[("a", b"12"), ("b/c", b"345")])] {
            over(&bytes, |file| {
                let archive = open_whole(file).unwrap();
                let at = archive.data(file, &archive.members[1]).unwrap() as usize;
                assert_eq!((&archive.members[1].name[..], &bytes[at..at + 3]), (&b"b/c"[..], &b"345"[..]));
            });
            let commented = [&bytes[..bytes.len() - 2], b"\x04\0note"].concat();
            assert!(over(&commented, |file| open_whole(file).is_ok()));
            let front = over(&bytes[1..], |file| open_whole(file).map(drop));
            assert!(matches!(front, Err(Fault::Broken(_))));
            assert!(matches!(
                over(&[b"x", &bytes[..]].concat(), |file| open_whole(file).map(drop)),
                Err(Fault::Broken(_))
            ));
        }
    }
}
