//! A directory tree as a value: everything that a restore must bring back, read from disk and compared.

use rustix::fs::{AtFlags, CWD, SeekFrom, Timespec, Timestamps, XattrFlags};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: &'static str,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
    pub size: u64,
    /// Where there are data, and their hash.
    pub data: Vec<(u64, u64)>,
    pub content: Option<blake3::Hash>,
    pub target: PathBuf,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// First path, in the order of bytes, with the same inode.
    pub first_link: Vec<u8>,
}

/// By path below the top. The top itself is left out: a restore leaves it as its user made it.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// Everything below `top`.
pub fn read(top: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut links: HashMap<(u64, u64), Vec<u8>> = HashMap::new();
    let mut waiting = vec![top.to_path_buf()];
    let mut paths = Vec::new();
    while let Some(dir) = waiting.pop() {
        for found in fs::read_dir(&dir).unwrap_or_else(|e| panic!("{dir:?}: {e}")) {
            let path = found.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                waiting.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let about = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec();
        let first_link = match about.nlink() > 1 && !about.is_dir() {
            true => links.entry((about.dev(), about.ino())).or_insert_with(|| name.clone()).clone(),
            false => name.clone(),
        };
        tree.insert(name, node(&path, &about, first_link));
    }
    tree
}

fn node(path: &Path, about: &Metadata, first_link: Vec<u8>) -> Node {
    let kind = about.file_type();
    let name = match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "link",
        () if kind.is_fifo() => "pipe",
        () => "other",
    };
    let (data, content) = if kind.is_file() { content(path, about) } else { (Vec::new(), None) };
    Node {
        kind: name,
        mode: about.mode() & 0o7777,
        owner: (about.uid(), about.gid()),
        mtime: (about.mtime(), about.mtime_nsec()),
        size: if kind.is_file() { about.len() } else { 0 },
        data,
        content,
        target: if kind.is_symlink() { fs::read_link(path).unwrap() } else { PathBuf::new() },
        xattrs: xattrs(path),
        first_link,
    }
}

/// The ranges with data, and one hash over all of them with their places.
fn content(path: &Path, about: &Metadata) -> (Vec<(u64, u64)>, Option<blake3::Hash>) {
    let size = about.len();
    // Blocks of attributes can make up for those of a hole: then nobody looks for it, and it comes back as zeros.
    let whole = about.blocks() * 512 >= size;
    let file = File::open(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let (mut data, mut hasher, mut at) = (Vec::new(), blake3::Hasher::new(), 0);
    while at < size {
        let seek = |from| rustix::fs::seek(&file, from);
        let found = if whole { Ok(at) } else { seek(SeekFrom::Data(at)) };
        let Ok(start) = found else { break };
        let end = if whole { size } else { seek(SeekFrom::Hole(start)).unwrap().min(size) };
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, start).unwrap();
        hasher.update(&start.to_le_bytes()).update(&bytes);
        data.push((start, end));
        at = end;
    }
    (data, Some(hasher.finalize()))
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value).unwrap();
        value.truncate(len);
        value
    };
    let names = names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names.map(|name| (name.to_vec(), value(name))).collect()
}

/// Fails with every difference.
pub fn assert_same(expected: &Tree, found: &Tree, case: &str) {
    let differences: Vec<String> = expected
        .keys()
        .chain(found.keys())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .filter(|path| expected.get(*path) != found.get(*path))
        .map(|path| {
            let show = |tree: &Tree| tree.get(path).map_or("nothing".into(), |node| format!("{node:?}"));
            format!("{}\n  expected {}\n  found    {}", path.escape_ascii(), show(expected), show(found))
        })
        .collect();
    assert!(differences.is_empty(), "{case}: {} differ\n{}", differences.len(), differences.join("\n"));
}

/// Files that are there must be right; gives those that are not there.
pub fn missing_but_never_wrong(expected: &Tree, found: &Tree, case: &str) -> Vec<Vec<u8>> {
    for (path, node) in found.iter().filter(|(_, node)| node.kind != "directory") {
        let name = path.escape_ascii();
        let right = expected.get(path).unwrap_or_else(|| panic!("{case}: {name} was never backed up"));
        let same = (right.kind, right.size, right.content, &right.target)
            == (node.kind, node.size, node.content, &node.target);
        assert!(same, "{case}: {name} has wrong content");
    }
    expected.keys().filter(|path| !found.contains_key(*path)).cloned().collect()
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Writes a file, with the directories above it.
pub fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A file of data at some places and holes elsewhere.
pub fn write_sparse(path: &Path, size: u64, data: &[(u64, Vec<u8>)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    data.iter().for_each(|(at, bytes)| file.write_all_at(bytes, *at).unwrap());
    file.sync_all().unwrap();
}

pub fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
}

pub fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn set_mtime(path: &Path, seconds: i64, nanos: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A path out of bytes.
pub fn os(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec()))
}

/// A small tree with one of everything, and `bytes` of content that does not compress in a few files.
pub fn sample(top: &Path, seed: u64, bytes: usize) {
    write(&top.join("model/weights.bin"), &noise(seed, bytes / 2));
    write(&top.join("model/optimizer.bin"), &noise(seed + 1, bytes / 4));
    write(&top.join("model/shared.bin"), &noise(7, bytes / 4));
    write(&top.join("empty"), b"");
    write(&top.join("text"), "step 1000\n".repeat(500).as_bytes());
    write(&top.join("state.json"), format!("{{\"step\": {seed}}}").as_bytes());
    write_sparse(&top.join("sparse"), 1 << 20, &[(64 << 10, noise(seed + 2, 8 << 10))]);
    fs::create_dir_all(top.join("hollow/deep")).unwrap();
    fs::hard_link(top.join("text"), top.join("model/text")).unwrap();
    std::os::unix::fs::symlink("../text", top.join("model/link")).unwrap();
    set_xattr(&top.join("text"), "user.tag", b"gold");
    set_mode(&top.join("state.json"), 0o640);
    set_mtime(&top.join("hollow"), 1_000_000_000, 123_456_789);
}
