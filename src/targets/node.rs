//! Everything that is neither a file nor a directory: links of both kinds, pipes, sockets and devices.

use super::existing::{Existing, existing};
use super::fresh::Temporary;
use super::metadata::{Before, Subject, apply};
use super::system::{self, Node};
use super::tree::Directory;
use super::{Ownership, Result, TargetError};
use crate::records::manifest::{Entry, FileKind};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

/// Makes a symbolic link to wherever the entry says. Replaces a file, a link or an empty directory of that name.
/// Returns what of the metadata could not be set.
pub fn symlink(dir: &Directory, name: &[u8], entry: &Entry, ownership: &Ownership) -> Result<Vec<String>> {
    make(dir, name, entry, ownership, |dir, name| rustix::fs::symlinkat(&entry.link_target[..], dir, name))
}

/// Makes a pipe, socket or device. Replaces a file, a link or an empty directory of that name. Returns what of the
/// metadata could not be set.
pub fn special(dir: &Directory, name: &[u8], entry: &Entry, ownership: &Ownership) -> Result<Vec<String>> {
    let what = match entry.kind {
        FileKind::Fifo => None,
        FileKind::Socket => Some("a socket"),
        FileKind::CharDevice | FileKind::BlockDevice => Some("a device"),
        FileKind::File | FileKind::Directory | FileKind::Symlink => {
            return Err(TargetError::new(dir.join(name), "is neither a pipe nor a socket nor a device"));
        }
    };
    if let Some(what) = what.filter(|_| !ownership.is_root()) {
        return Err(TargetError::new(dir.join(name), format!("{what} needs root to be restored")));
    }
    make(dir, name, entry, ownership, |dir, name| system::make_node(dir, name, entry.kind, entry.device))
}

/// Makes another name for something that was restored before; of a symbolic link, for the link itself. Replaces a file,
/// a link or an empty directory of that name.
pub fn hard_link(from_dir: &Directory, from_name: &[u8], dir: &Directory, name: &[u8]) -> Result<()> {
    from_dir.check(from_name)?;
    dir.check(name)?;
    let failed = |errno| dir.error(name, "cannot make the hard link", errno);
    let link = |dir: BorrowedFd<'_>, name: &[u8]| rustix::fs::linkat(from_dir, from_name, dir, name, AtFlags::empty());
    match link(dir.as_fd(), name) {
        Err(Errno::EXIST) => {}
        linked => return linked.map_err(failed),
    }
    // To rename one name of an inode to another does nothing at all, so this must be known before.
    let inode = |found: Option<Existing>| found.map(|found| found.inode);
    if inode(existing(dir, name)?) == inode(existing(from_dir, from_name)?) {
        return Ok(());
    }
    let mut temporary = Temporary::new(dir, name);
    temporary.make(link).map_err(failed)?;
    temporary.put(name)
}

fn make(
    dir: &Directory,
    name: &[u8],
    entry: &Entry,
    ownership: &Ownership,
    create: impl Fn(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<()>,
) -> Result<Vec<String>> {
    dir.check(name)?;
    let failed = |errno| dir.error(name, &format!("cannot make the {}", entry.kind.name()), errno);
    match create(dir.as_fd(), name) {
        Ok(()) => return Ok(describe(dir, name, entry, ownership)),
        Err(Errno::EXIST) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let mut temporary = Temporary::new(dir, name);
    temporary.make(create).map_err(failed)?;
    let warnings = describe(dir, &temporary.name, entry, ownership);
    temporary.put(name)?;
    Ok(warnings)
}

/// Sets the metadata of a node that was just made.
fn describe(dir: &Directory, name: &[u8], entry: &Entry, ownership: &Ownership) -> Vec<String> {
    let node = match Node::hold(dir.as_fd(), name) {
        Ok(node) => node,
        Err(errno) => return vec![format!("its metadata could not be set: {}", std::io::Error::from(errno))],
    };
    // Whoever may write to the directory could have put something else there.
    let ours = node.stat().is_ok_and(|stat| {
        super::existing::kind(FileType::from_raw_mode(stat.st_mode)) == Some(entry.kind) && stat.st_nlink == 1
    });
    if !ours {
        return vec!["its metadata could not be set: another process exchanged it".to_owned()];
    }
    apply(&Subject::Node(&node), entry, ownership, Before::New { inherits: dir.inherits_acl() })
}
