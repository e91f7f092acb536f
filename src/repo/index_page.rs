//! The bytes of an index page.

use crate::codec::envelope::Realm;
use crate::codec::pack::{PackTable, put_chunks, put_varint, take, take_chunks, take_varint};
use crate::id::Id;
use crate::spec::PACK_MAX;

/// The plaintext of an index page: for each pack its name, realm, epoch, salt, size and chunks.
pub fn write_page(tables: &[PackTable]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, tables.len() as u64);
    for table in tables {
        out.extend_from_slice(&table.pack.0);
        out.push(table.realm.pack_type() as u8);
        out.extend_from_slice(&table.epoch.to_le_bytes());
        out.extend_from_slice(&table.salt);
        put_varint(&mut out, table.size);
        put_chunks(&mut out, &table.chunks);
    }
    out
}

/// Reads an index page.
pub fn read_page(bytes: &[u8]) -> Option<Vec<PackTable>> {
    let mut rest = bytes;
    let count = take_varint(&mut rest)?;
    let mut tables = Vec::new();
    for _ in 0..count {
        let pack = Id::from_slice(take(&mut rest, 32)?)?;
        let realm = match take(&mut rest, 1)?[0] {
            3 => Realm::Data,
            4 => Realm::Manifest,
            _ => return None,
        };
        let epoch = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let salt = take(&mut rest, 32)?.try_into().ok()?;
        let size = take_varint(&mut rest).filter(|&size| size <= PACK_MAX)?;
        let chunks = take_chunks(&mut rest)?;
        let frames: u64 = chunks.iter().map(|chunk| u64::from(chunk.stored)).sum();
        if frames > size {
            return None;
        }
        tables.push(PackTable { pack, realm, epoch, salt, size, chunks });
    }
    rest.is_empty().then_some(tables)
}
