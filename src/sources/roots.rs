//! Turns the paths that the user named into absolute roots, and knows the way from `/` to each.

use super::SourceError;
use crate::records::manifest::{is_within, path_order};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// The roots of a walk, as manifest paths.
#[derive(Debug, Default)]
pub(super) struct Roots {
    /// All of them, in the order of a manifest.
    all: Vec<Vec<u8>>,
    /// Those that are not below another one.
    pub(super) tops: Vec<Vec<u8>>,
    /// The devices that they are on.
    pub(super) devices: HashSet<u64>,
}

/// What a path is to the roots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    /// It is a root: it is kept whatever the selection says.
    pub(super) root: bool,
    /// There are roots below it: the walk must pass here.
    pub(super) above: bool,
}

impl Roots {
    /// Resolves what the user named; what does not exist comes back as an error each.
    pub(super) fn resolve(named: &[PathBuf], base: &Path) -> (Roots, Vec<SourceError>) {
        let mut roots = Roots::default();
        let mut errors = Vec::new();
        for path in named {
            let found =
                absolute(path, base).and_then(|path| Ok((std::fs::symlink_metadata(&path)?.dev(), to_manifest(&path))));
            match found {
                Ok((device, path)) => {
                    roots.devices.insert(device);
                    roots.all.push(path);
                }
                Err(why) => errors.push(SourceError::from_io(&to_manifest(&base.join(path)), "find", why)),
            }
        }
        roots.straighten(&mut errors);
        for path in &roots.all {
            if !roots.tops.last().is_some_and(|top| is_within(path, top)) {
                roots.tops.push(path.clone());
            }
        }
        (roots, errors)
    }

    /// A root that is below another one by way of a symbolic link would not be met by the walk, as links are not followed:
    /// such a root goes by its real path instead. A real path may lie below others again, but not by a link of its own.
    fn straighten(&mut self, errors: &mut Vec<SourceError>) {
        for _ in 0..=self.all.len() {
            self.all.sort_by(|a, b| path_order(a, b));
            self.all.dedup();
            let (winding, straight): (Vec<_>, Vec<_>) =
                self.all.iter().cloned().partition(|path| self.is_winding(path));
            if winding.is_empty() {
                return;
            }
            self.all = straight;
            for path in winding {
                match real_parent(&to_path(&path)) {
                    Ok(real) => self.all.push(to_manifest(&real)),
                    Err(why) => errors.push(SourceError::from_io(&path, "find", why)),
                }
            }
        }
    }

    /// Whether the path is below a root, and that root or a directory between the two is a symbolic link.
    fn is_winding(&self, path: &[u8]) -> bool {
        let is_root = |path: &[u8]| self.all.binary_search_by(|root| path_order(root, path)).is_ok();
        let mut below = is_root(b"");
        for end in (0..path.len()).filter(|&end| path[end] == b'/') {
            below = below || is_root(&path[..end]);
            if below && std::fs::symlink_metadata(to_path(&path[..end])).is_ok_and(|found| found.is_symlink()) {
                return true;
            }
        }
        false
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a root is below another one.
    pub(super) fn nested(&self) -> bool {
        self.all.len() > self.tops.len()
    }

    /// What this path is to the roots.
    pub(super) fn role(&self, path: &[u8]) -> Role {
        let from = self.all.partition_point(|root| path_order(root, path) == Ordering::Less);
        let root = self.all.get(from).is_some_and(|first| first == path);
        let below = self.all.get(from + usize::from(root));
        Role { root, above: below.is_some_and(|below| is_within(below, path)) }
    }

    /// The names in directory `path` that lead to roots, in order.
    pub(super) fn next_names(&self, path: &[u8]) -> Vec<&[u8]> {
        let from = self.all.partition_point(|root| path_order(root, path) != Ordering::Greater);
        let below = self.all[from..].iter().take_while(|root| is_within(root, path));
        let skip = if path.is_empty() { 0 } else { path.len() + 1 };
        let mut names: Vec<&[u8]> = below.filter_map(|root| root[skip..].split(|&byte| byte == b'/').next()).collect();
        names.dedup();
        names
    }
}

/// Makes a path absolute. Links stay as they were typed, except where `..` goes back through one, which leads to the
/// parent of what it points to; and except for one at the very end with a `/` after it, which asks for what it points to.
fn absolute(path: &Path, base: &Path) -> io::Result<PathBuf> {
    let typed = path.as_os_str().as_bytes();
    if typed.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut made = PathBuf::from("/");
    for component in base.join(path).components() {
        match component {
            Component::Normal(name) => made.push(name),
            Component::ParentDir => {
                if std::fs::symlink_metadata(&made)?.is_symlink() {
                    made = made.canonicalize()?;
                }
                made.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if typed.ends_with(b"/") || typed.ends_with(b"/.") {
        let found = std::fs::symlink_metadata(&made)?;
        if found.is_symlink() {
            made = made.canonicalize()?;
        }
        if !std::fs::metadata(&made)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
    }
    Ok(made)
}

/// The path with all links above the last component resolved.
fn real_parent(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.canonicalize()?.join(name)),
        _ => Ok(path.to_owned()),
    }
}

fn to_manifest(path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    bytes.strip_prefix(b"/").unwrap_or(bytes).to_vec()
}

fn to_path(manifest: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec([b"/", manifest].concat()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Resolves names relative to a new directory; gives the tops relative to it too.
    fn tops(prepare: impl Fn(&Path), named: &[&str]) -> (Vec<String>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        prepare(&base);
        let named: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
        let (roots, errors) = Roots::resolve(&named, &base);
        let shown = |path: &Vec<u8>| to_path(path).strip_prefix(&base).unwrap().to_str().unwrap().to_owned();
        (roots.tops.iter().map(shown).collect(), errors.len())
    }

    fn tree(base: &Path) {
        std::fs::create_dir_all(base.join("a/b/c")).unwrap();
        std::fs::create_dir_all(base.join("a-b")).unwrap();
        std::fs::write(base.join("file"), "x").unwrap();
        symlink("a/b", base.join("link")).unwrap();
        symlink("../../a-b", base.join("a/b/out")).unwrap();
        symlink("nowhere", base.join("dangling")).unwrap();
    }

    #[test]
    fn names_become_roots() {
        let table: &[(&[&str], &[&str], usize)] = &[
            (&["a"], &["a"], 0),
            (&[".", "a"], &[""], 0),
            (&["./a//b/.", "a-b"], &["a/b", "a-b"], 0),
            (&["a-b", "a/b/c", "a", "a"], &["a", "a-b"], 0),
            (&["link"], &["link"], 0),
            (&["link/"], &["a/b"], 0),
            (&["link/."], &["a/b"], 0),
            (&["link/c"], &["link/c"], 0),
            (&["link/.."], &["a"], 0),
            (&["a/.."], &[""], 0),
            (&["link/../../file"], &["file"], 0),
            (&["dangling"], &["dangling"], 0),
            (&["dangling/"], &[], 1),
            (&["file/"], &[], 1),
            (&["absent", "", "a"], &["a"], 2),
            (&["absent/.."], &[], 1),
            // Below one another only by a link: by the real path, or the walk would not come there.
            (&["link", "link/c"], &["a/b/c", "link"], 0),
            (&["a", "a/b/out/"], &["a", "a-b"], 0),
            (&[".", "link/c"], &[""], 0),
        ];
        for (named, expected, errors) in table {
            let (found, failed) = tops(tree, named);
            assert_eq!((found, failed), (expected.iter().map(|&e| e.to_owned()).collect(), *errors), "{named:?}");
        }
    }

    #[test]
    fn the_way_to_the_roots() {
        let all: Vec<Vec<u8>> = ["a/b", "a/b/x/y", "a/c", "a-b", "d"].iter().map(|p| p.as_bytes().to_vec()).collect();
        let tops = all.iter().filter(|path| path.as_slice() != b"a/b/x/y").cloned().collect();
        let roots = Roots { all, tops, devices: HashSet::new() };
        assert!(roots.nested());
        assert_eq!(roots.next_names(b""), [&b"a"[..], b"a-b", b"d"]);
        assert_eq!(roots.next_names(b"a"), [&b"b"[..], b"c"]);
        assert_eq!(roots.next_names(b"a/b"), [&b"x"[..]]);
        assert_eq!(roots.next_names(b"d"), [&b""[..]; 0]);
        let role = |path: &[u8]| (roots.role(path).root, roots.role(path).above);
        assert_eq!(
            [role(b""), role(b"a"), role(b"a/b"), role(b"a/b/x")],
            [(false, true), (false, true), (true, true), (false, true)]
        );
        assert_eq!(
            [role(b"a/b/x/y"), role(b"d"), role(b"a/a"), role(b"z")],
            [(true, false), (true, false), (false, false), (false, false)]
        );
    }
}
