//! Pages: a manifest cut at entries whose path says so, and the root that lists the pages.

use super::manifest::{Entry, path_order};
use crate::spec::{PAGE_ENTRIES, PAGE_MAX, PAGE_MIN};
use minicbor::{Decode, Encode};
use std::cmp::Ordering;

use crate::id::ChunkId;

/// A page as the root lists it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PageRef {
    /// The chunk with the page.
    #[n(0)]
    pub id: ChunkId,
    /// Path of its first entry.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub first: Vec<u8>,
    /// How many entries it has.
    #[n(2)]
    pub entries: u64,
}

/// Builds pages out of entries that come in manifest order.
#[derive(Default)]
pub struct PageBuilder {
    bytes: Vec<u8>,
    first: Vec<u8>,
    last: Vec<u8>,
    entries: u64,
}

/// A finished page, not stored yet.
pub struct Page {
    /// Its bytes: CBOR entries one after another.
    pub bytes: Vec<u8>,
    /// Path of its first entry.
    pub first: Vec<u8>,
    /// How many entries it has.
    pub entries: u64,
}

impl PageBuilder {
    /// Adds the next entry; gives a page when this entry ends one.
    pub fn push(&mut self, mut entry: Entry) -> Option<Page> {
        let path = std::mem::take(&mut entry.path);
        if self.entries == 0 {
            self.first.clone_from(&path);
            self.last.clear();
        }
        let shared = path.iter().zip(&self.last).take_while(|(a, b)| a == b).count();
        entry.shared = shared as u64;
        entry.path = path[shared..].to_vec();
        if minicbor::encode(&entry, &mut self.bytes).is_err() {
            unreachable!("writing to a vector does not fail");
        }
        self.entries += 1;
        let ends = self.bytes.len() >= PAGE_MIN && ends_page(&path);
        self.last = path;
        (ends || self.bytes.len() >= PAGE_MAX).then(|| self.take())
    }

    /// The last page, if there are entries left.
    pub fn finish(mut self) -> Option<Page> {
        (self.entries > 0).then(|| self.take())
    }

    fn take(&mut self) -> Page {
        let page = Page {
            bytes: std::mem::take(&mut self.bytes),
            first: std::mem::take(&mut self.first),
            entries: self.entries,
        };
        self.entries = 0;
        page
    }
}

/// Whether a page may end after this path: decided by the path alone, so that a changed entry moves no boundary.
fn ends_page(path: &[u8]) -> bool {
    let mut word = [0; 8];
    word.copy_from_slice(&blake3::hash(path).as_bytes()[..8]);
    u64::from_le_bytes(word).is_multiple_of(PAGE_ENTRIES)
}

/// Reads a page, refusing entries that are out of order or whose path is not one of a tree.
pub fn read_page(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let mut entries: Vec<Entry> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while decoder.position() < bytes.len() {
        let mut entry: Entry = decoder.decode().map_err(|e| e.to_string())?;
        let shared = usize::try_from(entry.shared).ok().and_then(|n| last.get(..n));
        let mut path = shared.ok_or("an entry shares more than there is")?.to_vec();
        path.append(&mut entry.path);
        if !entries.is_empty() && path_order(&last, &path) != Ordering::Less {
            return Err(format!("{} is out of order", crate::error::printable(&path)));
        }
        if !is_tree_path(&path) {
            return Err(format!("{} is no path in a tree", crate::error::printable(&path)));
        }
        last.clone_from(&path);
        entry.path = path;
        entry.shared = 0;
        entries.push(entry);
    }
    Ok(entries)
}

/// Whether every component is a name: not empty, not `.` or `..`, without NUL. The empty path is the root.
pub fn is_tree_path(path: &[u8]) -> bool {
    path.is_empty()
        || path.split(|&byte| byte == b'/').all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&0))
}

/// The bytes of the root: its pages as a CBOR array.
pub fn write_root(pages: &[PageRef]) -> Vec<u8> {
    match minicbor::to_vec(pages) {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("writing to a vector does not fail"),
    }
}

/// Reads a root.
pub fn read_root(bytes: &[u8]) -> Result<Vec<PageRef>, String> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let pages: Vec<PageRef> = decoder.decode().map_err(|e| e.to_string())?;
    if decoder.position() != bytes.len() {
        return Err("something follows its last page".into());
    }
    match pages.windows(2).all(|pair| path_order(&pair[0].first, &pair[1].first) == Ordering::Less) {
        true => Ok(pages),
        false => Err("its pages are out of order".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: usize) -> Vec<Entry> {
        let path = |i: usize| format!("d/{:06}", i).into_bytes();
        (0..count).map(|i| Entry { path: path(i), size: i as u64, inode: 7 * i as u64, ..Entry::default() }).collect()
    }

    fn pages(entries: Vec<Entry>) -> Vec<Page> {
        let mut builder = PageBuilder::default();
        let mut pages: Vec<Page> = entries.into_iter().filter_map(|entry| builder.push(entry)).collect();
        pages.extend(builder.finish());
        pages
    }

    #[test]
    fn pages_hold_all_entries_in_order() {
        let all = entries(20_000);
        let pages = pages(all.clone());
        assert!(pages.len() > 3);
        let read: Vec<Entry> = pages.iter().flat_map(|page| read_page(&page.bytes).unwrap()).collect();
        assert_eq!(read, all);
        assert!(pages.iter().all(|page| page.bytes.len() <= PAGE_MAX + 200));
    }

    #[test]
    fn one_change_changes_one_page() {
        let mut all = entries(20_000);
        let before: Vec<_> = pages(all.clone()).into_iter().map(|page| page.bytes).collect();
        all[10_000].size = 5;
        let after: Vec<_> = pages(all.clone()).into_iter().map(|page| page.bytes).collect();
        assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 1);
        all.remove(3);
        let after: Vec<_> = pages(all).into_iter().map(|page| page.bytes).collect();
        assert!(after.iter().filter(|page| !before.contains(page)).count() <= 2);
    }

    #[test]
    fn hostile_pages_are_refused() {
        for path in [&b"../x"[..], b"a//b", b"/a", b"a/./b", b"a\0b", b"a/"] {
            let mut bytes = Vec::new();
            minicbor::encode(&Entry { path: path.to_vec(), ..Entry::default() }, &mut bytes).unwrap();
            assert!(read_page(&bytes).is_err(), "{path:?}");
        }
        let mut bytes = Vec::new();
        for name in [b"b", b"a"] {
            minicbor::encode(&Entry { path: name.to_vec(), ..Entry::default() }, &mut bytes).unwrap();
        }
        assert!(read_page(&bytes).is_err());
        assert!(read_page(&[0xff, 0x00, 0x12]).is_err());
    }
}
