//! The target directory, and handles of the directories below it, opened one component at a time.

use super::{Result, TargetError, name_fault, system};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many directories of the last path stay open. Deeper paths work: what was closed is opened again from the top.
const OPEN_MAX: usize = 64;

/// What all directories of one tree have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// Whether big files reserve their space first.
    pub reserves: bool,
    /// Whether files can be made without a name, and named when they are whole; found out at the first file.
    pub anonymous: OnceLock<bool>,
}

/// A directory in the target. Any number of threads may use it at once.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: Vec<u8>,
    created: bool,
    inherits: OnceLock<bool>,
    pub(super) shared: Arc<Shared>,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Directory {
    /// The path below the target directory.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Whether this tree made it, so that nothing of before is in it.
    pub fn created(&self) -> bool {
        self.created
    }

    /// The path of something in it.
    pub(super) fn join(&self, name: &[u8]) -> Vec<u8> {
        if self.path.is_empty() { name.to_vec() } else { [&self.path, &b"/"[..], name].concat() }
    }

    /// The system's answer to an attempt at something in it.
    pub(super) fn error(&self, name: &[u8], attempt: &str, errno: Errno) -> TargetError {
        TargetError::system(self.join(name), attempt, errno)
    }

    /// Refuses what is not one component.
    pub(super) fn check(&self, name: &[u8]) -> Result<()> {
        name_fault(name).map_or(Ok(()), |fault| Err(TargetError::new(self.join(name), fault)))
    }

    /// Whether what is made in it gets an ACL from it that nobody asked for.
    pub(super) fn inherits_acl(&self) -> bool {
        *self.inherits.get_or_init(|| {
            rustix::fs::fgetxattr_query(&self.fd, c"system.posix_acl_default").is_ok_and(|size| size > 0)
        })
    }

    /// Opens a directory in this one, and makes it if `make`; `None` if there is none.
    fn child(&self, name: &[u8], make: bool) -> Result<Option<Directory>> {
        self.check(name)?;
        // In a new directory there is nothing to find.
        let mut created = make && self.created && self.make(name)?;
        let fd = match self.open(name) {
            Err(Errno::NOENT) if !make => return Ok(None),
            Err(Errno::NOENT) => {
                created = self.make(name)?;
                self.open(name)
            }
            opened => opened,
        };
        let fd = fd.map_err(|errno| self.in_the_way(name, errno))?;
        Ok(Some(Directory {
            fd,
            path: self.join(name),
            created,
            inherits: OnceLock::new(),
            shared: self.shared.clone(),
        }))
    }

    fn open(&self, name: &[u8]) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat(&self.fd, name, system::read_flags() | OFlags::DIRECTORY, Mode::empty())
    }

    /// Makes a directory that only we can enter until it is finished; false if something is there.
    fn make(&self, name: &[u8]) -> Result<bool> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(self.error(name, "cannot make the directory", errno)),
        }
    }

    fn in_the_way(&self, name: &[u8], errno: Errno) -> TargetError {
        let found = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Directory) | Err(_) => self.error(name, "cannot open the directory", errno),
            Ok(FileType::Symlink) => TargetError::new(
                self.join(name),
                "a symbolic link is where a directory is needed, and links are never followed",
            ),
            Ok(_) => TargetError::new(self.join(name), "something that is not a directory is where one is needed"),
        }
    }
}

/// A way down from a directory: the names, and the handles of the last of them.
#[derive(Debug)]
pub(super) struct Chain {
    top: Arc<Directory>,
    names: Vec<Vec<u8>>,
    // Of the last names, one each.
    open: VecDeque<Arc<Directory>>,
}

impl Chain {
    pub fn new(top: Arc<Directory>) -> Chain {
        Chain { top, names: Vec::new(), open: VecDeque::new() }
    }

    /// The directory at the end of the way.
    pub fn current(&mut self) -> Result<Arc<Directory>> {
        if let Some(last) = self.open.back() {
            return Ok(last.clone());
        }
        let mut here = self.top.clone();
        for name in &self.names {
            let next = here.child(name, false)?;
            here = Arc::new(next.ok_or_else(|| TargetError::new(here.join(name), "the directory has vanished"))?);
            keep(&mut self.open, here.clone());
        }
        Ok(here)
    }

    /// Goes down by one name; false if there is no such directory.
    pub fn enter(&mut self, name: &[u8], make: bool) -> Result<bool> {
        let Some(next) = self.current()?.child(name, make)? else { return Ok(false) };
        self.names.push(name.to_vec());
        keep(&mut self.open, Arc::new(next));
        Ok(true)
    }

    /// Goes up by one, and returns the name that was left.
    pub fn leave(&mut self) -> Option<Vec<u8>> {
        self.open.pop_back();
        self.names.pop()
    }

    /// Goes to a path; `None`, and somewhere on the way to it, if it does not exist and is not to be made.
    fn go(&mut self, path: &[u8], make: bool) -> Result<Option<Arc<Directory>>> {
        if let Some(last) = self.open.back().filter(|last| last.path == path) {
            return Ok(Some(last.clone()));
        }
        let wanted = || path.split(|&byte| byte == b'/').filter(|_| !path.is_empty());
        let same = self.names.iter().zip(wanted()).take_while(|(have, want)| have.as_slice() == *want).count();
        while self.names.len() > same {
            self.leave();
        }
        for name in wanted().skip(same) {
            if !self.enter(name, make)? {
                return Ok(None);
            }
        }
        self.current().map(Some)
    }
}

fn keep(open: &mut VecDeque<Arc<Directory>>, next: Arc<Directory>) {
    if open.len() == OPEN_MAX {
        open.pop_front();
    }
    open.push_back(next);
}

/// The directory that a restore goes to. Consecutive paths in the order of a manifest cost next to nothing.
#[derive(Debug)]
pub struct Tree {
    root: Arc<Directory>,
    chain: Mutex<Chain>,
}

impl Tree {
    /// Opens the target directory, and makes it and what is above it (for the owner only) if it is not there.
    /// The way to it may go through links: it is the user's own choice.
    pub fn open(target: &Path) -> Result<Tree> {
        let created = match std::fs::symlink_metadata(target) {
            Ok(_) => false,
            Err(_) => {
                let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(target);
                made.map_err(|error| of_target(target, "cannot make the directory", error))?;
                true
            }
        };
        Tree::at(target, created).map_err(|errno| of_target(target, "cannot open the directory", errno.into()))
    }

    /// Opens the target directory if it is there, and makes nothing: for plans and dry runs.
    pub fn open_existing(target: &Path) -> Result<Option<Tree>> {
        match Tree::at(target, false) {
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(of_target(target, "cannot open the directory", errno.into())),
            Ok(tree) => Ok(Some(tree)),
        }
    }

    fn at(target: &Path, created: bool) -> rustix::io::Result<Tree> {
        let fd = rustix::fs::open(target, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let shared = Arc::new(Shared { reserves: system::reserves(fd.as_fd()), anonymous: OnceLock::new() });
        let root = Arc::new(Directory { fd, path: Vec::new(), created, inherits: OnceLock::new(), shared });
        Ok(Tree { chain: Mutex::new(Chain::new(root.clone())), root })
    }

    /// The directory at a path, which is made, with all above it and for the owner only, if it is not there.
    pub fn directory(&self, path: &[u8]) -> Result<Arc<Directory>> {
        let found = self.go(path, true)?;
        found.ok_or_else(|| TargetError::new(path, "the directory has vanished"))
    }

    /// Where an entry goes: the directory above it, made if it is not there, and its name. The path must not be empty.
    pub fn place<'a>(&self, path: &'a [u8]) -> Result<(Arc<Directory>, &'a [u8])> {
        let (above, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(0) => return Err(TargetError::new(path, "an absolute path is refused")),
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        // Before anything is made.
        name_fault(name).map_or(Ok(()), |fault| Err(TargetError::new(path, fault)))?;
        Ok((self.directory(above)?, name))
    }

    /// The directory at a path, or `None`; makes nothing.
    pub fn directory_existing(&self, path: &[u8]) -> Result<Option<Arc<Directory>>> {
        self.go(path, false)
    }

    fn go(&self, path: &[u8], make: bool) -> Result<Option<Arc<Directory>>> {
        if path.is_empty() {
            return Ok(Some(self.root.clone()));
        }
        self.chain.lock().unwrap_or_else(PoisonError::into_inner).go(path, make)
    }

    /// Bytes that can still be written, if the system tells.
    pub fn free(&self) -> Option<u64> {
        let found = rustix::fs::fstatvfs(&self.root.fd).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    }

    /// Makes all that was written durable. Other file systems mounted below the target are not included.
    pub fn sync(&self) -> Result<()> {
        system::sync(self.root.as_fd())
            .map_err(|errno| self.root.error(b"", "cannot make what was written durable", errno))
    }
}

fn of_target(target: &Path, attempt: &str, error: std::io::Error) -> TargetError {
    match Errno::from_io_error(&error) {
        Some(errno) => TargetError::system(target.as_os_str().as_bytes(), attempt, errno),
        None => TargetError::new(target.as_os_str().as_bytes(), format!("{attempt}: {error}")),
    }
}
