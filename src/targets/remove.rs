//! Clearing away what a target has and a snapshot has not, without ever following a link.

use super::existing::{existing, kind};
use super::tree::{Chain, Directory};
use super::{Result, TargetError};
use crate::records::manifest::FileKind;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;
use std::sync::Arc;

/// The names in a directory, in the order of a manifest, each with what it is.
pub fn list(dir: &Directory) -> Result<Vec<(Vec<u8>, FileKind)>> {
    let failed = |errno| TargetError::system(dir.path(), "cannot list the directory", errno);
    let mut names = Vec::new();
    for found in Dir::read_from(dir).map_err(failed)? {
        let found = found.map_err(failed)?;
        let name = found.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        match kind(found.file_type()) {
            Some(kind) => names.push((name.to_vec(), kind)),
            // Some file systems want to be asked for each; what vanishes meanwhile is not there.
            None => names.extend(existing(dir, name)?.map(|about| (name.to_vec(), about.kind))),
        }
    }
    names.sort_unstable_by(|a: &(Vec<u8>, FileKind), b| a.0.cmp(&b.0));
    Ok(names)
}

/// What the name of a file that was moved aside ends in, and how many such names are tried.
const ASIDE: &str = ".before-restore";
const ASIDES: usize = 9;

/// Gives a regular file another name beside its own until what replaces it is whole, and tells that name; anything else
/// stays. Nothing is overwritten: what has such a name already, perhaps from a restore that was killed, is kept.
pub fn move_aside(dir: &Directory, name: &[u8]) -> Result<Option<Vec<u8>>> {
    dir.check(name)?;
    if existing(dir, name)?.is_none_or(|found| found.kind != FileKind::File) {
        return Ok(None);
    }
    let failed = |errno| dir.error(name, "cannot move it aside", errno);
    for number in 1..=ASIDES {
        let ending = if number == 1 { ASIDE.to_owned() } else { format!("{ASIDE}-{number}") };
        let aside = [name, ending.as_bytes()].concat();
        dir.check(&aside)?;
        if existing(dir, &aside)?.is_some() {
            continue;
        }
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(dir, name, dir, &aside[..], rustix::fs::RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(Some(aside)),
            Err(Errno::EXIST) => continue,
            // Not every file system has it; it was looked for just above.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            Err(errno) => return Err(failed(errno)),
        }
        rustix::fs::renameat(dir, name, dir, &aside[..]).map_err(failed)?;
        return Ok(Some(aside));
    }
    Err(failed(Errno::EXIST))
}

/// Removes what was moved aside, if the name has a file again; tells whether it is gone.
pub fn drop_aside(dir: &Directory, name: &[u8], aside: &[u8]) -> Result<bool> {
    let stands = existing(dir, name)?.is_some_and(|found| found.kind == FileKind::File);
    if stands {
        unlink(dir, aside, AtFlags::empty())?;
    }
    Ok(stands)
}

/// Removes something and, if it is a directory, all below it; returns how many names are gone. What is mounted there
/// stays, and is an error.
pub fn remove_tree(dir: &Arc<Directory>, name: &[u8]) -> Result<u64> {
    dir.check(name)?;
    let Some(found) = existing(dir, name)? else { return Ok(0) };
    if found.kind != FileKind::Directory {
        return unlink(dir, name, AtFlags::empty());
    }
    let mut chain = Chain::new(dir.clone());
    // For each directory on the way down, the directories in it that are still to be removed: no recursion, because
    // a tree can be deeper than a stack.
    let mut waiting = vec![vec![name.to_vec()]];
    let mut count = 0;
    while let Some(level) = waiting.last_mut() {
        if let Some(next) = level.pop() {
            if !chain.enter(&next, false)? {
                continue;
            }
            let (gone, inside) = empty(&*chain.current()?, found.inode.0)?;
            count += gone;
            waiting.push(inside);
        } else {
            waiting.pop();
            if let Some(left) = chain.leave() {
                count += unlink(&*chain.current()?, &left, AtFlags::REMOVEDIR)?;
            }
        }
    }
    Ok(count)
}

/// Removes all of a directory that is no directory itself; returns how many that were, and the directories.
fn empty(dir: &Directory, device: u64) -> Result<(u64, Vec<Vec<u8>>)> {
    let stat = rustix::fs::fstat(dir)
        .map_err(|errno| TargetError::system(dir.path(), "cannot look at the directory", errno))?;
    #[allow(clippy::unnecessary_cast)] // the types differ between systems
    if stat.st_dev as u64 != device {
        return Err(TargetError::new(dir.path(), "another file system is mounted here, and is left alone"));
    }
    let (mut count, mut inside) = (0, Vec::new());
    for (name, kind) in list(dir)? {
        if kind == FileKind::Directory {
            inside.push(name);
        } else {
            count += unlink(dir, &name, AtFlags::empty())?;
        }
    }
    Ok((count, inside))
}

fn unlink(dir: &Directory, name: &[u8], flags: AtFlags) -> Result<u64> {
    match rustix::fs::unlinkat(dir.as_fd(), name, flags) {
        Ok(()) => Ok(1),
        Err(Errno::NOENT) => Ok(0),
        Err(errno) => Err(dir.error(name, "cannot remove it", errno)),
    }
}
