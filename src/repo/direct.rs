//! Writing a pack past the page cache: copying it there takes longer than sealing it, and nobody reads it soon.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};

/// Where the memory and the lengths of direct writes must be aligned: enough for every disk in use.
pub const ALIGN: usize = 4096;
/// Bytes of one write.
const PIECE: usize = 4 << 20;

/// Makes a file that must not exist yet, all of it or nothing, durably, as `LocalFileSystem` makes it: under its name
/// with `#1`, which no listing shows, and then by a link. `false`, and nothing made, where that is not possible: then
/// the ordinary way is.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool> {
    if !bytes.as_ptr().addr().is_multiple_of(ALIGN) || !bytes.len().is_multiple_of(ALIGN) {
        return Ok(false);
    }
    let (file, staging) = match stage(path) {
        Ok(staged) => staged,
        // A folder is missing: the ordinary way makes it.
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let done = match write(file, bytes) {
        Ok(true) => publish(&staging, path).map(|()| true),
        other => other,
    };
    std::fs::remove_file(&staging).ok();
    done
}

fn stage(path: &Path) -> Result<(File, PathBuf)> {
    let mut number = 1;
    loop {
        let mut staging = path.as_os_str().to_owned();
        staging.push(format!("#{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&staging) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => number += 1,
            opened => return Ok((opened?, staging.into())),
        }
    }
}

fn write(mut file: File, bytes: &[u8]) -> Result<bool> {
    if !set_direct(&file) {
        return Ok(false);
    }
    allocate(&file, bytes.len() as u64)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match file.write(&rest[..rest.len().min(PIECE)]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::InvalidInput => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    file.sync_all()?;
    Ok(true)
}

/// The link fails if the name is taken, whoever took it and when.
fn publish(staging: &Path, path: &Path) -> Result<()> {
    std::fs::hard_link(staging, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Asks for writes past the page cache: not every system and file system has them.
fn set_direct(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        fcntl_getfl(file).and_then(|flags| fcntl_setfl(file, flags | OFlags::DIRECT)).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        false
    }
}

/// Reserves the room at once: one piece of the disk, and a full one is noticed before it is written to.
fn allocate(file: &File, len: u64) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::{fs::FallocateFlags, io::Errno};
        let allocated = rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len);
        // A file system that cannot do this is only slower.
        if let Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) = allocated {
            return Err(e.into());
        }
    }
    let _ = (file, len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ALIGN, create, stage, write};
    use crate::memory::aligned_vec;
    use std::io::ErrorKind;
    use std::path::Path;

    /// A buffer, and where the aligned part of it begins.
    fn buffer(len: usize) -> (Vec<u8>, usize) {
        let mut bytes = aligned_vec(len, ALIGN);
        let start = bytes.len();
        bytes.extend((0..len).map(|at| (at / 7 % 251) as u8));
        (bytes, start)
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        std::fs::read_dir(folder).unwrap().map(name).collect()
    }

    /// Whether direct writes work in the folder or not.
    fn holds_in(folder: &Path) {
        let (path, (bytes, start)) = (folder.join("pack"), buffer(9 << 20));
        let bytes = &bytes[start..];
        if !create(&path, bytes).unwrap() {
            assert_eq!(names(folder), [""; 0], "nothing is made");
            return;
        }
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(create(&path, &bytes[ALIGN..]).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(std::fs::read(&path).unwrap() == bytes, "what is there stays");
        assert_eq!(names(folder), ["pack"], "no staging file is left");
    }

    #[test]
    fn a_pack_is_created_whole_or_not_at_all() {
        for place in [std::env::temp_dir().as_path(), Path::new("/dev/shm"), Path::new(env!("CARGO_MANIFEST_DIR"))] {
            if let Ok(folder) = tempfile::tempdir_in(place) {
                holds_in(folder.path());
            }
        }
    }

    #[test]
    fn what_is_not_possible_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (bytes, start) = buffer(1 << 20);
        let (pack, bytes) = (folder.path().join("pack"), &bytes[start..]);
        assert!(!create(&pack, &bytes[16..]).unwrap(), "memory that is not aligned");
        assert!(!create(&pack, &bytes[..ALIGN + 512]).unwrap(), "a length that is not");
        assert!(!create(&folder.path().join("missing/pack"), bytes).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
        std::fs::write(&pack, b"").unwrap();
        assert!(create(&pack.join("below a file"), bytes).is_err());
        // A disk that wants more than we have seen to: refused, and not half a file that passes for a whole one.
        let (file, staging) = stage(&pack.with_extension("odd")).unwrap();
        assert!(!write(file, &bytes[1..]).unwrap() || std::fs::read(&staging).unwrap() == bytes[1..]);
        std::fs::remove_file(staging).unwrap();
        // Another writer's staging file is not touched, and not in the way.
        std::fs::write(folder.path().join("other#1"), b"theirs").unwrap();
        if create(&folder.path().join("other"), bytes).unwrap() {
            assert_eq!(std::fs::read(folder.path().join("other#1")).unwrap(), b"theirs");
            assert_eq!(names(folder.path()).len(), 3);
        }
    }
}
