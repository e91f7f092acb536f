//! Tests of the index in memory.

use super::*;
use crate::codec::pack::PackedChunk;

fn table(pack: u8, chunks: std::ops::Range<u32>) -> PackTable {
    let chunk = |i: u32| PackedChunk {
        id: Id::of(&i.to_le_bytes()),
        codec: (i % 2) as u8,
        stored: 100 + i,
        raw: if i.is_multiple_of(2) { 84 + i } else { 500 },
        base: None,
    };
    let chunks: Vec<_> = chunks.map(chunk).collect();
    PackTable { pack: Id([pack; 32]), realm: Realm::Data, epoch: 0, salt: [pack; 32], size: 1 << 24, chunks }
}

#[test]
fn pages_and_memory_agree() {
    let tables = [table(1, 0..1000), table(2, 900..2000)];
    let page = write_page(&tables);
    assert_eq!(read_page(&page).unwrap(), tables);
    assert!((0..page.len()).step_by(97).all(|len| read_page(&page[..len]).is_none()));
    let mut index = Index::default();
    tables.iter().for_each(|table| index.insert(table));
    assert_eq!((index.len(), index.pack_count()), (2000, 2));
    let found = index.find(Realm::Data, &Id::of(&950u32.to_le_bytes())).unwrap();
    assert_eq!((found.pack, found.frame, found.raw, found.codec), (0, 950, 1034, 0));
    assert_eq!(found.offset, 128 + (0..950).map(|i| 100 + i).sum::<u32>());
    assert_eq!(index.find(Realm::Manifest, &Id::of(&950u32.to_le_bytes())), None);
    assert_eq!(index.find(Realm::Data, &Id::of(&2000u32.to_le_bytes())), None);
    assert!(size_of::<Slot>() == 36);
}

/// A pack with chunks that are differences: (own number, number of the base).
fn differences(pack: u8, pairs: &[(u32, u32)]) -> PackTable {
    let id = |n: u32| Id::of(&n.to_le_bytes());
    let chunk = |&(own, base): &(u32, u32)| PackedChunk {
        id: id(own),
        codec: codec::DELTA,
        stored: 50,
        raw: 500,
        base: Some(id(base)),
    };
    PackTable { chunks: pairs.iter().map(chunk).collect(), ..table(pack, 0..0) }
}

#[test]
fn a_difference_is_known_only_with_its_base() {
    let find = |index: &Index, n: u32| index.find(Realm::Data, &Id::of(&n.to_le_bytes()));
    let mut index = Index::default();
    index.insert(&differences(1, &[(7, 3), (8, 7), (20, 21), (21, 20)]));
    assert!([7, 8, 20, 21].iter().all(|&n| find(&index, n).is_none()));
    index.insert(&table(2, 3..4));
    assert_eq!(find(&index, 8).map(|at| (at.pack, at.codec)), Some((0, codec::DELTA)));
    assert!(find(&index, 7).is_some() && find(&index, 20).is_none());
    // A copy that stands for itself ends the circle, whichever is read first; one in a cut pack does not replace.
    index.insert(&table(3, 21..22));
    assert_eq!(find(&index, 21).map(|at| at.pack), Some(2));
    assert!(find(&index, 20).is_some());
    index.insert(&differences(4, &[(21, 20)]));
    assert_eq!(find(&index, 21).map(|at| at.pack), Some(2));
    index.insert_behind(&table(5, 7..8));
    assert_eq!(find(&index, 7).map(|at| at.codec), Some(codec::DELTA));
}

/// Two runs compared one chunk with different bases, and one base is gone: the other copy counts, in any order.
#[test]
fn of_two_differences_the_one_that_can_be_restored_counts() {
    let find = |index: &Index, n: u32| index.find(Realm::Data, &Id::of(&n.to_le_bytes())).map(|at| at.pack);
    let tables = [differences(1, &[(7, 100)]), differences(2, &[(7, 8)]), differences(3, &[(8, 9)]), table(4, 9..10)];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 3, 1, 2], [1, 0, 3, 2]] {
        let mut index = Index::default();
        order.iter().for_each(|&at| index.insert(&tables[at]));
        let pack = |at| order.iter().position(|&other| other == at).map(|at| at as u32);
        assert_eq!((find(&index, 7), find(&index, 8)), (pack(1), pack(2)), "{order:?}");
        assert_eq!(index.chain(Realm::Data, &Id::of(&7u32.to_le_bytes())).count(), 3);
    }
    // A copy in a cut pack is better than a difference without a base, and worse than one with it.
    let mut index = Index::default();
    index.insert(&tables[0]);
    index.insert_behind(&table(5, 7..8));
    assert_eq!((find(&index, 7), index.base(Realm::Data, &Id::of(&7u32.to_le_bytes()))), (Some(1), None));
}
