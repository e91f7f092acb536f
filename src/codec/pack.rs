//! Packs: sealed chunks, padding, and an encrypted table of contents, as one object.

use super::crypto::{Aead, Nonce};
use super::envelope::{EnvelopeError, Header, Keys, Realm};
use crate::id::{ChunkId, Id, ObjectId};
use crate::spec::{CHUNK_MAX, HEADER_LEN, PACK_ALIGN, PACK_CHUNKS_MAX, PACK_END, PACK_MAX, TAG_LEN, codec};

/// Bytes after the footer: its length (u32) and the end mark.
pub const TRAILER_LEN: usize = 8;
const FOOTER_STEP: usize = 1024;

/// One chunk in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedChunk {
    /// Its id.
    pub id: ChunkId,
    /// How its plaintext was coded.
    pub codec: u8,
    /// Bytes of the frame: coded and sealed.
    pub stored: u32,
    /// Bytes of the plaintext.
    pub raw: u32,
    /// The chunk that it is a difference to: only with codec 3.
    pub base: Option<ChunkId>,
}

/// A pack and its chunks, in the order of their frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackTable {
    /// Name of the pack.
    pub pack: ObjectId,
    /// What kind of chunks.
    pub realm: Realm,
    /// Master key epoch.
    pub epoch: u32,
    /// Salt of the pack's key.
    pub salt: [u8; 32],
    /// Bytes of the whole object.
    pub size: u64,
    /// Its chunks.
    pub chunks: Vec<PackedChunk>,
}

/// Appends a number as LEB128: seven bits a byte, least significant first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number from the front; only the shortest form is accepted.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if (part << shift) >> shift != part || (byte == 0 && shift > 0) {
            return None;
        }
        value |= part << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Takes `len` bytes from the front.
pub fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(front)
}

/// Appends the number of chunks and each chunk: id, codec, stored length, raw length unless stored, base if any.
pub fn put_chunks(out: &mut Vec<u8>, chunks: &[PackedChunk]) {
    put_varint(out, chunks.len() as u64);
    for chunk in chunks {
        out.extend_from_slice(&chunk.id.0);
        out.push(chunk.codec);
        put_varint(out, u64::from(chunk.stored));
        if chunk.codec != codec::STORED {
            put_varint(out, u64::from(chunk.raw));
        }
        if let Some(base) = chunk.base {
            out.extend_from_slice(&base.0);
        }
    }
}

/// Takes what [`put_chunks`] wrote, checking every limit.
pub fn take_chunks(bytes: &mut &[u8]) -> Option<Vec<PackedChunk>> {
    let count = take_varint(bytes).filter(|&n| n <= u64::from(PACK_CHUNKS_MAX))?;
    // A chunk takes at least 34 bytes here: no more is allocated than is there.
    let mut chunks = Vec::with_capacity((count as usize).min(bytes.len() / 34 + 1));
    for _ in 0..count {
        let id = Id::from_slice(take(bytes, 32)?)?;
        let coding = take(bytes, 1)?[0];
        let stored = u32::try_from(take_varint(bytes)?).ok().filter(|&n| n as usize >= TAG_LEN)?;
        let raw = match coding {
            codec::STORED => stored - TAG_LEN as u32,
            codec::ZSTD | codec::PLANES | codec::DELTA => u32::try_from(take_varint(bytes)?).ok()?,
            _ => return None,
        };
        if raw as usize > CHUNK_MAX || stored as usize > CHUNK_MAX + TAG_LEN {
            return None;
        }
        let base = if coding == codec::DELTA { Some(Id::from_slice(take(bytes, 32)?)?) } else { None };
        chunks.push(PackedChunk { id, codec: coding, stored, raw, base });
    }
    Some(chunks)
}

fn nonce(kind: u8, number: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[0] = kind;
    nonce[8..].copy_from_slice(&number.to_le_bytes());
    nonce
}

fn frame_aad(number: u32, id: &ChunkId, coding: u8, raw: u32) -> [u8; 42] {
    let mut aad = [0; 42];
    aad[0] = b'c';
    aad[1..5].copy_from_slice(&number.to_le_bytes());
    aad[5..37].copy_from_slice(&id.0);
    aad[37] = coding;
    aad[38..].copy_from_slice(&raw.to_le_bytes());
    aad
}

/// The footer is bound to the length of the whole pack.
fn footer_aad(size: u64) -> [u8; 9] {
    let mut aad = [b'f'; 9];
    aad[1..].copy_from_slice(&size.to_le_bytes());
    aad
}

/// Opens one frame into the coded bytes of its chunk.
pub fn open_frame(
    key: &Aead,
    number: u32,
    chunk: &PackedChunk,
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EnvelopeError> {
    let aad = frame_aad(number, &chunk.id, chunk.codec, chunk.raw);
    key.open(&nonce(1, number), &aad, frame, out).map_err(|_| EnvelopeError::Body)
}

/// A pack that is being filled, in one buffer that is given back when the pack is finished.
pub struct PackBuilder {
    realm: Realm,
    start: usize,
    buffer: Vec<u8>,
    chunks: Vec<PackedChunk>,
}

impl PackBuilder {
    /// An empty pack behind what is in a buffer, which should have room for a whole pack.
    pub fn new(realm: Realm, mut buffer: Vec<u8>) -> PackBuilder {
        let start = buffer.len();
        buffer.resize(start + HEADER_LEN, 0);
        PackBuilder { realm, start, buffer, chunks: Vec::new() }
    }

    /// Adds a chunk: `code` appends its coded bytes to the buffer and returns the codec, and the base if it has one.
    pub fn add(
        &mut self,
        id: ChunkId,
        raw: usize,
        code: impl FnOnce(&mut Vec<u8>) -> (u8, Option<ChunkId>),
    ) -> &PackedChunk {
        let start = self.buffer.len();
        let (codec, base) = code(&mut self.buffer);
        self.buffer.resize(self.buffer.len() + TAG_LEN, 0);
        let stored = self.buffer.len() - start;
        self.chunks.push(PackedChunk { id, codec, stored: stored as u32, raw: raw as u32, base });
        &self.chunks[self.chunks.len() - 1]
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether there is no chunk in it.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// How many chunks are in it.
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// Seals every frame in place, adds padding, footer and trailer, and names the whole by its hash. The pack is the end
    /// of the buffer, behind what was there before.
    pub fn finish(mut self, keys: &Keys) -> Result<(PackTable, Vec<u8>), getrandom::Error> {
        let mut table = Vec::new();
        put_chunks(&mut table, &self.chunks);
        // The ids are keyed hashes of all that is sealed here, so the salt depends on every byte of it.
        let salt = keys.salt(blake3::hash(&table).as_bytes())?;
        let (mut header, key) = keys.new_object(self.realm.pack_type(), salt);
        table.resize(table.len().next_multiple_of(FOOTER_STEP), 0);
        let footer_len = table.len() + TAG_LEN;
        let unpadded = self.len() + TAG_LEN + footer_len + TRAILER_LEN;
        let size = unpadded.next_multiple_of(PACK_ALIGN);
        header.body_len = (size - HEADER_LEN) as u64;
        let mut at = self.start + HEADER_LEN;
        self.buffer[self.start..at].copy_from_slice(&header.bytes());

        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.buffer[self.start..at]);
        for (number, chunk) in self.chunks.iter().enumerate() {
            let (end, number) = (at + chunk.stored as usize, number as u32);
            let frame = &mut self.buffer[at..end];
            let body = frame.len() - TAG_LEN;
            let aad = frame_aad(number, &chunk.id, chunk.codec, chunk.raw);
            seal_into(&key, &nonce(1, number), &aad, frame, body);
            hasher.update(frame);
            at = end;
        }
        self.buffer.resize(at + (size - unpadded) + TAG_LEN, 0);
        seal_into(&key, &nonce(3, 0), b"p", &mut self.buffer[at..], size - unpadded);
        let footer_at = self.buffer.len();
        self.buffer.extend_from_slice(&table);
        self.buffer.resize(footer_at + footer_len, 0);
        seal_into(&key, &nonce(2, 0), &footer_aad(size as u64), &mut self.buffer[footer_at..], table.len());
        self.buffer.extend_from_slice(&(footer_len as u32).to_le_bytes());
        self.buffer.extend_from_slice(PACK_END);
        hasher.update(&self.buffer[at..]);

        let pack = Id(*hasher.finalize().as_bytes());
        let size = self.len() as u64;
        Ok((PackTable { pack, realm: self.realm, epoch: header.epoch, salt, size, chunks: self.chunks }, self.buffer))
    }
}

fn seal_into(key: &Aead, nonce: &Nonce, aad: &[u8], frame: &mut [u8], body: usize) {
    let (text, tag) = frame.split_at_mut(body);
    match key.seal(nonce, aad, text) {
        Ok(sealed) => tag.copy_from_slice(&sealed),
        Err(_) => unreachable!("sealing fails only beyond 64 GiB"),
    }
}

/// Where the footer of a pack is, read from the last bytes of a pack of `size` bytes.
pub fn find_footer(trailer: &[u8], size: u64) -> Result<std::ops::Range<u64>, EnvelopeError> {
    let trailer: &[u8; TRAILER_LEN] = trailer.try_into().map_err(|_| EnvelopeError::Length)?;
    let (length, mark) = trailer.split_at(4);
    if mark != PACK_END || size > PACK_MAX {
        return Err(EnvelopeError::Length);
    }
    let length = u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
    let end = size.checked_sub(TRAILER_LEN as u64).ok_or(EnvelopeError::Length)?;
    let begin = end.checked_sub(length).ok_or(EnvelopeError::Length)?;
    if begin < (HEADER_LEN + TAG_LEN) as u64 || length < TAG_LEN as u64 {
        return Err(EnvelopeError::Length);
    }
    Ok(begin..end)
}

/// Where the footer of a pack lies, by its table: it follows the padding.
pub fn footer_range(table: &PackTable) -> std::ops::Range<u64> {
    let mut plain = Vec::new();
    put_chunks(&mut plain, &table.chunks);
    let footer_len = (plain.len().next_multiple_of(FOOTER_STEP) + TAG_LEN) as u64;
    let end = table.size.saturating_sub(TRAILER_LEN as u64);
    end.saturating_sub(footer_len)..end
}

/// Opens the footer of a pack: `header` is its first 128 bytes, `footer` what [`find_footer`] found.
pub fn open_footer(
    keys: &Keys,
    realm: Realm,
    pack: ObjectId,
    header: &Header,
    footer: &[u8],
) -> Result<PackTable, EnvelopeError> {
    let key = keys.open_header(header, realm.pack_type())?;
    let size = header.body_len + HEADER_LEN as u64;
    let mut table = Vec::new();
    key.open(&nonce(2, 0), &footer_aad(size), footer, &mut table).map_err(|_| EnvelopeError::Body)?;
    let mut rest = &table[..];
    let broken = || EnvelopeError::Content("its table of contents is no such table".into());
    let chunks = take_chunks(&mut rest).ok_or_else(broken)?;
    let frames: u64 = chunks.iter().map(|chunk| u64::from(chunk.stored)).sum();
    let others = (HEADER_LEN + TAG_LEN + footer.len() + TRAILER_LEN) as u64;
    if frames + others > size || rest.iter().any(|&byte| byte != 0) {
        return Err(broken());
    }
    Ok(PackTable { pack, realm, epoch: header.epoch, salt: header.salt, size, chunks })
}

/// Checks that the padding between the last frame and the footer is what was written.
pub fn open_padding(key: &Aead, padding: &[u8]) -> Result<(), EnvelopeError> {
    let mut zeros = Vec::new();
    key.open(&nonce(3, 0), b"p", padding, &mut zeros).map_err(|_| EnvelopeError::Body)
}

#[cfg(test)]
mod tests {
    use super::super::envelope::test_keys;
    use super::*;

    fn sample(keys: &Keys) -> (PackTable, Vec<u8>) {
        let mut builder = PackBuilder::new(Realm::Data, Vec::new());
        for (i, text) in [&b"first chunk"[..], b"", b"third"].iter().enumerate() {
            let id = keys.chunk_id(Realm::Data, text);
            builder.add(id, text.len(), |out| {
                out.extend_from_slice(text);
                (if i == 0 { codec::ZSTD } else { codec::STORED }, None)
            });
        }
        builder.finish(keys).unwrap()
    }

    fn contents(keys: &Keys, pack: &[u8]) -> Result<PackTable, EnvelopeError> {
        let size = pack.len() as u64;
        let header = Header::parse(pack, size)?;
        let range = find_footer(&pack[pack.len() - TRAILER_LEN..], size)?;
        let footer = &pack[range.start as usize..range.end as usize];
        let table = open_footer(keys, Realm::Data, Id::of(pack), &header, footer)?;
        assert_eq!(footer_range(&table), range);
        let key = keys.open_header(&header, Realm::Data.pack_type())?;
        let mut at = HEADER_LEN;
        let mut out = Vec::new();
        for (number, chunk) in table.chunks.iter().enumerate() {
            open_frame(&key, number as u32, chunk, &pack[at..at + chunk.stored as usize], &mut out)?;
            at += chunk.stored as usize;
        }
        open_padding(&key, &pack[at..range.start as usize])?;
        Ok(table)
    }

    #[test]
    fn a_pack_tells_its_own_contents() {
        let keys = test_keys(3);
        let (table, pack) = sample(&keys);
        assert_eq!(pack.len() % PACK_ALIGN, 0);
        assert_eq!(contents(&keys, &pack).unwrap(), table);
        assert_eq!(contents(&test_keys(4), &pack), Err(EnvelopeError::Repository));
    }

    #[test]
    fn every_byte_of_a_pack_is_covered() {
        let keys = test_keys(3);
        let (table, mut pack) = sample(&keys);
        let end = pack.len();
        for at in (0..end).filter(|at| at % 61 == 0 || *at < 400 || *at > end - 1200) {
            pack[at] ^= 0x10;
            assert!(contents(&keys, &pack).is_err(), "byte {at}");
            assert_ne!(Id::of(&pack), table.pack);
            pack[at] ^= 0x10;
        }
    }

    #[test]
    fn varints_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(take_varint(&mut &bytes[..]), Some(value));
        }
        assert_eq!(take_varint(&mut &[0x80, 0][..]), None);
        assert_eq!(take_varint(&mut &[0xff; 11][..]), None);
        assert_eq!(take_varint(&mut &[0x80][..]), None);
    }
}
