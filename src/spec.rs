//! Every object name, magic, version and limit of the repository format, on one page.
//!
//! `man/lastgood-repository.5` specifies the same in prose; the two change in one commit.

/// The version of the repository format that this program writes and reads.
pub const FORMAT_VERSION: u8 = 1;

/// First bytes of every object.
pub const MAGIC: &[u8; 8] = b"LASTGOOD";
/// Last bytes of a pack.
pub const PACK_END: &[u8; 4] = b"LGPE";
/// Crypto suite 1: BLAKE3, AES-256-GCM, Argon2id.
pub const SUITE: u8 = 1;
/// Length of the clear header that opens every object.
pub const HEADER_LEN: usize = 128;
/// Length of an AES-GCM tag.
pub const TAG_LEN: usize = 16;

/// Object types; the type takes part in the key derivation, so one can never pose as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectType {
    /// `config/0`
    Config = 1,
    /// `keys/<hash>`
    Slot = 2,
    /// `packs/<2 hex>/<hash>` with file content
    DataPack = 3,
    /// `packs/<2 hex>/<hash>` with manifest pages and long chunk lists
    ManifestPack = 4,
    /// `index/<hash>`
    Index = 5,
    /// `snapshots/<time>-<hash>`
    Snapshot = 6,
    /// `verdicts/<time>-<hash>`
    Verdict = 12,
}

/// Object types 7 to 11 are reserved: plan, tombstone, parity, cache, pending.
pub const RESERVED_TYPES: std::ops::RangeInclusive<u8> = 7..=11;

/// Name of the configuration object.
pub const CONFIG_NAME: &str = "config/0";
/// Prefix of key slots.
pub const KEYS: &str = "keys";
/// Prefix of packs.
pub const PACKS: &str = "packs";
/// Prefix of index pages.
pub const INDEX: &str = "index";
/// Prefix of snapshots.
pub const SNAPSHOTS: &str = "snapshots";
/// Prefix of what verifications found.
pub const VERDICTS: &str = "verdicts";
/// Prefix of prune plans: reserved, a repository that has any is one for a newer lastgood.
pub const PLANS: &str = "plans";

/// A pack is closed when it has grown to this many bytes.
pub const PACK_TARGET: usize = 32 << 20;
/// A manifest pack is closed at this size: manifests are read in small pieces.
pub const MANIFEST_PACK_TARGET: usize = 8 << 20;
/// The end of a pack is padded to a multiple of this, so that lengths of chunks do not show.
pub const PACK_ALIGN: usize = 64 << 10;
/// The largest pack that a reader accepts.
pub const PACK_MAX: u64 = 1 << 30;
/// The most chunks that a pack may hold.
pub const PACK_CHUNKS_MAX: u32 = 1 << 20;
/// The most chunks that this program puts into one pack, so that a footer stays small.
pub const PACK_CHUNKS_TARGET: usize = 1 << 16;
/// The longest chunk (plaintext).
pub const CHUNK_MAX: usize = 64 << 20;
/// The largest config, slot, index page or snapshot that a reader accepts.
pub const OBJECT_MAX: u64 = 64 << 20;
/// The longest chain of chunks that are differences to one another that a reader follows; a writer makes chains of 1.
pub const BASE_DEPTH: usize = 4;
/// An index page is written after so many packs, or after [`INDEX_SECONDS`].
pub const INDEX_PACKS: usize = 64;
/// An index page has at most so many chunks, unless one pack alone has more: it stays far below [`OBJECT_MAX`].
pub const INDEX_CHUNKS: usize = 1 << 19;
/// An index page is written after so many seconds of uploading.
pub const INDEX_SECONDS: u64 = 60;

/// Cut rules, version 1: (least, average, most) bytes of a chunk of a small file ...
pub const CUT_SMALL: (usize, usize, usize) = (128 << 10, 256 << 10, 1 << 20);
/// ... and of a file of [`CUT_LARGE_FROM`] bytes or more.
pub const CUT_LARGE: (usize, usize, usize) = (512 << 10, 1 << 20, 4 << 20);
/// Files of this size and more are cut by [`CUT_LARGE`].
pub const CUT_LARGE_FROM: u64 = 256 << 20;

/// A piece of a tensor of floats has so many elements, whatever their width ...
pub const PIECE_ELEMENTS: u64 = 1 << 18;
/// ... and of any other tensor so many bytes.
pub const PIECE: u64 = 1 << 20;
/// A tensor, or the rest of one, that is shorter than a piece divided by this is not cut off.
pub const PIECE_LEAST: u64 = 16;

/// A manifest page is cut at an entry whose path says so, once it has this many bytes ...
pub const PAGE_MIN: usize = 64 << 10;
/// ... and at the latest when it has this many.
pub const PAGE_MAX: usize = 1 << 20;
/// One path in this many ends a page.
pub const PAGE_ENTRIES: u64 = 1024;
/// A file with more chunks than this keeps its list in list chunks of this many ids.
pub const CHUNK_LIST_MAX: usize = 4096;
/// The most holes recorded for a file; later ones are stored as zeros.
pub const HOLES_MAX: usize = 1 << 16;

/// Least and most Argon2id memory that a slot may ask for, in KiB.
pub const KDF_MEMORY_KIB: std::ops::RangeInclusive<u32> = 8 << 10..=4 << 20;
/// Least and most Argon2id passes.
pub const KDF_PASSES: std::ops::RangeInclusive<u32> = 1..=64;
/// Least and most Argon2id lanes.
pub const KDF_LANES: std::ops::RangeInclusive<u32> = 1..=16;
/// Argon2id as RFC 9106 section 4 recommends second: 64 MiB, 3 passes, 4 lanes.
pub const KDF_DEFAULT: (u32, u32, u32) = (64 << 10, 3, 4);
/// The most key slots that are tried.
pub const SLOTS_MAX: usize = 20;

/// Codec numbers of a chunk.
pub mod codec {
    /// The chunk as it is.
    pub const STORED: u8 = 0;
    /// A zstd frame (RFC 8878).
    pub const ZSTD: u8 = 1;
    /// Byte planes of numbers.
    pub const PLANES: u8 = 2;
    /// Planes of the difference to a base chunk.
    pub const DELTA: u8 = 3;
}
