//! Reads extended attributes, which carry ACLs and capabilities too.

use super::{Item, SourceError};
use crate::records::manifest::Xattr;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::Errno;
use std::ffi::CStr;

/// The kernel's limit of a list of names, and of a value.
const LIMIT: usize = 64 << 10;
/// Most lists and values fit into this; only longer ones are asked for twice.
const USUAL: usize = 512;
/// What the system says of an attribute that does not exist.
#[cfg(target_vendor = "apple")]
const ABSENT: Errno = Errno::NOATTR;
#[cfg(not(target_vendor = "apple"))]
const ABSENT: Errno = Errno::NODATA;
const DOING: &str = "read the extended attributes of";

/// The extended attributes of what the walk found, sorted by name; for a regular file that is open use [`xattrs_of_fd`].
pub fn xattrs_of(item: &Item) -> Result<Vec<Xattr>, SourceError> {
    if item.entry.ancestor {
        return Ok(Vec::new());
    }
    if let Some(directory) = &item.own {
        return xattrs_of_fd(directory.as_fd(), &item.entry.path);
    }
    let mut result = Err(Errno::NOENT);
    // A path through the handle of the parent is short and safe from renames above, but needs /proc.
    if cfg!(target_os = "linux") {
        let mut path = format!("/proc/self/fd/{}/", item.parent.as_fd().as_raw_fd()).into_bytes();
        path.extend_from_slice(item.name());
        result = read(&ByPath(&path));
    }
    if result == Err(Errno::NOENT) {
        result = read(&ByPath(&[b"/", &item.entry.path[..]].concat()));
    }
    result.map_err(|errno| SourceError::new(&item.entry.path, DOING, errno))
}

/// The extended attributes of an open file or directory, sorted by name; `path` only names it in an error.
pub fn xattrs_of_fd(fd: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<Xattr>, SourceError> {
    read(&fd).map_err(|errno| SourceError::new(path, DOING, errno))
}

/// Where attributes are read from.
trait Source {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno>;
    fn get(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno>;
}

/// A path whose last component is not followed.
struct ByPath<'a>(&'a [u8]);

impl Source for ByPath<'_> {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::llistxattr(self.0, into)
    }
    fn get(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::lgetxattr(self.0, name, into)
    }
}

impl Source for BorrowedFd<'_> {
    fn list(&self, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::flistxattr(self, into)
    }
    fn get(&self, name: &CStr, into: &mut [u8]) -> Result<usize, Errno> {
        rustix::fs::fgetxattr(self, name, into)
    }
}

fn read(source: &impl Source) -> Result<Vec<Xattr>, Errno> {
    let list = match fetch(|into| source.list(into)) {
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
        list => list?,
    };
    let mut found = Vec::new();
    for piece in list.split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(piece) else { continue };
        match fetch(|into| source.get(name, into)) {
            Ok(value) => found.push(Xattr { name: name.to_bytes().to_vec(), value }),
            // Removed since it was listed; or listed by a file system that has no values for it.
            Err(ABSENT | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno),
        }
    }
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Calls with a small buffer, and once more with the largest if that is too small.
fn fetch(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; USUAL];
    match call(&mut small) {
        Ok(length) => Ok(small[..length].to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; LIMIT];
            let length = call(&mut large)?;
            large.truncate(length);
            large.shrink_to_fit();
            Ok(large)
        }
        Err(errno) => Err(errno),
    }
}
