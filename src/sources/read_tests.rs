//! Tests of reading on real files.

use super::*;
use crate::sources::{Selection, Walk, xattrs_of};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const BLOCK: u64 = 64 << 10;

fn temp() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("file");
    (dir, path)
}

fn item(path: &Path) -> Item {
    let (walk, errors) = Walk::new(&[path.to_owned()], Selection::default(), &[]);
    assert!(errors.is_empty());
    walk.map(Result::unwrap).find(|item| !item.entry.ancestor).unwrap()
}

/// Reads to the end; gives the data of each segment.
fn segments(reading: &mut Reading, buffer: usize) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; buffer];
    let mut segments = vec![Vec::new()];
    for _ in 0..100_000 {
        let chunk = reading.read(&mut buffer).unwrap();
        if chunk.len == 0 {
            assert!(chunk.ends_segment);
            break;
        }
        segments.last_mut().unwrap().extend_from_slice(&buffer[..chunk.len]);
        if chunk.ends_segment {
            segments.push(Vec::new());
        }
    }
    assert_eq!(segments.pop(), Some(Vec::new()));
    segments
}

/// A file of blocks: `d` for data, `.` for a hole.
fn sparse(path: &Path, blocks: &str) -> u64 {
    let file = File::create(path).unwrap();
    let size = blocks.len() as u64 * BLOCK;
    file.set_len(size).unwrap();
    for (i, _) in blocks.bytes().enumerate().filter(|(_, block)| *block == b'd') {
        file.write_all_at(&[b'd'; BLOCK as usize], i as u64 * BLOCK).unwrap();
    }
    size
}

#[test]
fn holes_are_left_out() {
    for blocks in ["d", ".", "..", ".d", "d.", "d.d", ".d.", "..dd..d...", "dd.d.d"] {
        let (_dir, path) = temp();
        let size = sparse(&path, blocks);
        let item = item(&path);
        let mut reading = Reading::open(&item).unwrap();
        let runs = blocks.split('.').filter(|run| !run.is_empty()).map(|run| run.len() * BLOCK as usize);
        let found = segments(&mut reading, 100_000);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), runs.collect::<Vec<_>>(), "{blocks}");
        assert!(found.iter().flatten().all(|&byte| byte == b'd'));
        let finished = reading.finish();
        assert!(finished.stable && finished.entry.size == size, "{blocks}");
        assert_eq!(finished.entry.data_len(), found.iter().map(Vec::len).sum::<usize>() as u64);
        assert_eq!(finished.entry.holes.len(), blocks.split('d').filter(|run| !run.is_empty()).count(), "{blocks}");
        assert!(finished.entry.holes.windows(2).all(|pair| pair[0].offset + pair[0].length < pair[1].offset));
    }
}

#[test]
fn segments_end_exactly_at_the_end_of_a_buffer() {
    let (_dir, path) = temp();
    sparse(&path, "d.d");
    let mut reading = Reading::open(&item(&path)).unwrap();
    let mut buffer = vec![0; BLOCK as usize];
    let ends: Vec<Chunk> = (0..3).map(|_| reading.read(&mut buffer).unwrap()).collect();
    let chunk = |len, ends_segment| Chunk { len, ends_segment };
    assert_eq!(ends, [chunk(buffer.len(), true), chunk(buffer.len(), true), chunk(0, true)]);
    let mut reading = Reading::open(&item(&path)).unwrap();
    assert_eq!(reading.read(&mut buffer[1..]).unwrap(), chunk(BLOCK as usize - 1, false));
    assert_eq!((reading.offset(), reading.read(&mut buffer).unwrap()), (BLOCK - 1, chunk(1, true)));
    assert_eq!(reading.offset(), 2 * BLOCK);
    assert!(!reading.finish().stable, "not all was read");
}

#[test]
fn small_and_empty_files() {
    for content in ["", "x", "some content"] {
        let (_dir, path) = temp();
        fs::write(&path, content).unwrap();
        let item = item(&path);
        let mut reading = Reading::open(&item).unwrap();
        assert_eq!(segments(&mut reading, 7).concat(), content.as_bytes());
        let finished = reading.finish();
        assert!(finished.stable && finished.entry.holes.is_empty());
        assert!(finished.entry.same_inode_state(&item.entry));
    }
}

#[test]
fn a_file_that_changes_is_not_stable() {
    type Change = fn(&File);
    let changes: [(&str, Change); 4] = [
        ("grows", |mut file| file.write_all(b"more").unwrap()),
        ("is cut", |file| file.set_len(3 * BLOCK + 7).unwrap()),
        ("is emptied", |file| file.set_len(0).unwrap()),
        ("is overwritten", |file| file.write_all_at(b"x", 9).unwrap()),
    ];
    for (what, change) in changes {
        let (_dir, path) = temp();
        let size = sparse(&path, "d.ddd.d");
        let item = item(&path);
        let mut reading = Reading::open(&item).unwrap();
        let mut buffer = vec![0; BLOCK as usize];
        let mut read = reading.read(&mut buffer).unwrap().len;
        // Clocks of file systems tick every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change(&File::options().append(what == "grows").write(true).open(&path).unwrap());
        read += segments(&mut reading, 10_000).concat().len();
        let finished = reading.finish();
        assert!(!finished.stable, "{what}");
        assert_eq!(finished.entry.data_len(), read as u64, "{what}");
        assert!(finished.entry.size <= size);
        assert_eq!(finished.entry.mtime, item.entry.mtime, "{what}");
        assert!(!finished.entry.same_inode_state(&self::item(&path).entry), "{what}");
        if what == "is cut" {
            assert_eq!((finished.entry.size, finished.entry.holes.len()), (3 * BLOCK + 7, 1));
        }
    }
}

#[test]
fn what_took_its_place_is_not_read() {
    let (dir, path) = temp();
    fs::write(&path, "old").unwrap();
    let mut seen = item(&path);
    fs::write(path.with_extension("new"), "newer").unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    assert_eq!(Reading::open(&seen).unwrap_err().kind, Trouble::Unstable);
    seen.look_again().unwrap();
    assert_eq!((seen.entry.size, Reading::open(&seen).unwrap().entry().size), (5, 5));

    fs::remove_file(&path).unwrap();
    assert_eq!(Reading::open(&seen).unwrap_err().kind, Trouble::Vanished);
    assert_eq!(seen.look_again().unwrap_err().kind, Trouble::Vanished);
    let handle = File::open(dir.path()).unwrap();
    rustix::fs::mknodat(&handle, "file", rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(Reading::open(&seen).unwrap_err().kind, Trouble::Unstable, "and it did not wait for a writer");
    assert_eq!(seen.look_again().unwrap_err().kind, Trouble::Unstable);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(Reading::open(&seen).unwrap_err().kind, Trouble::Unstable);
    assert_eq!(Reading::open(&item(&path)).unwrap_err().kind, Trouble::Unstable, "only regular files are read");
}

#[test]
fn a_file_that_grew_after_the_walk_is_read_as_it_is_now() {
    let (_dir, path) = temp();
    fs::write(&path, "old").unwrap();
    let item = item(&path);
    fs::write(&path, "longer than before").unwrap();
    let mut reading = Reading::open(&item).unwrap();
    assert_eq!(segments(&mut reading, 100).concat(), b"longer than before");
    let finished = reading.finish();
    assert!(finished.stable && finished.entry.size == 18);
}

#[test]
fn extended_attributes_are_read() {
    let (dir, path) = temp();
    fs::write(&path, "x").unwrap();
    let long = vec![b'v'; 2000];
    let flags = rustix::fs::XattrFlags::empty();
    let set = |path: &Path, name: &str, value: &[u8]| rustix::fs::lsetxattr(path, name, value, flags).is_ok();
    if !(set(&path, "user.zz", b"") && set(&path, "user.a", &long) && set(dir.path(), "user.dir", b"\xff\0")) {
        return; // A file system without them.
    }
    let reading = Reading::open(&item(&path)).unwrap();
    let finished = reading.finish();
    assert!(finished.xattr_error.is_none());
    let pairs = |found: &[crate::records::manifest::Xattr]| {
        let user = found.iter().filter(|xattr| xattr.name.starts_with(b"user."));
        user.map(|xattr| (xattr.name.clone(), xattr.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(pairs(&finished.entry.xattrs), [(b"user.a".to_vec(), long), (b"user.zz".to_vec(), Vec::new())]);
    assert_eq!(pairs(&xattrs_of(&item(&path)).unwrap()), pairs(&finished.entry.xattrs));
    assert_eq!(pairs(&xattrs_of(&item(dir.path())).unwrap()), [(b"user.dir".to_vec(), b"\xff\0".to_vec())]);
    std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
    assert!(pairs(&xattrs_of(&item(&dir.path().join("link"))).unwrap()).is_empty(), "a link is not followed");
}
