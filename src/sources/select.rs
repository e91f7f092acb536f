//! Which of the files below the roots are left out.

use super::listing::{Directory, Names};
use crate::error::{Error, Kind, Result, printable};
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};
use rustix::fs::FileType;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The name of the file that marks a cache directory, and how it begins: <https://bford.info/cachedir/>.
const CACHE_TAG: (&str, &str) = ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55");

/// What the user asked to leave out.
///
/// A pattern without `/` matches a name at any depth; one that begins with `/` a whole path; any other one the end of a path.
/// `*` and `?` match within a name (`?` one byte of it), `**` any number of names, `[a-z]` and `[!a-z]` one byte, `{a,b}` either,
/// and `\` takes away what the next character means. What is below a directory that matches is left out with it.
/// Of several patterns that match, the last one counts, and if it begins with `!` the path stays. Case counts.
#[derive(Clone, Debug, Default)]
pub struct SelectionOptions {
    /// Patterns; they come after those of `exclude_files`, so they have the last word.
    pub exclude: Vec<String>,
    /// Files of patterns: one a line, without white space around it; empty lines and lines that begin with `#` do not count.
    pub exclude_files: Vec<PathBuf>,
    /// `NAME` or `NAME:PREFIX`: of a directory with a file of this name (that begins so) nothing but that file is kept.
    pub exclude_if_present: Vec<String>,
    /// The same for a `CACHEDIR.TAG` that is one.
    pub exclude_caches: bool,
    /// Leave out regular files of more bytes than this.
    pub exclude_larger_than: Option<u64>,
    /// Do not go into directories on other devices than those of the roots.
    pub one_file_system: bool,
}

/// [`SelectionOptions`] made ready for matching. What the user named as a root is never left out.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    globs: GlobSet,
    /// For each glob whether it brings back; empty if none does.
    negated: Vec<bool>,
    markers: Vec<Marker>,
    larger_than: Option<u64>,
    pub(super) one_file_system: bool,
}

/// A file whose presence leaves out the directory it is in.
#[derive(Clone, Debug)]
struct Marker {
    name: Vec<u8>,
    prefix: Vec<u8>,
}

impl Selection {
    /// Reads the exclude files and compiles the patterns. Fails with the name of the file, or with the pattern.
    pub fn new(options: &SelectionOptions) -> Result<Selection> {
        let mut patterns = Vec::new();
        for file in &options.exclude_files {
            patterns.extend(patterns_in(file)?);
        }
        patterns.extend(options.exclude.iter().cloned());

        let mut set = GlobSetBuilder::new();
        let mut negated = Vec::with_capacity(patterns.len());
        for pattern in &patterns {
            let (negates, positive) = pattern.strip_prefix('!').map_or((false, pattern.as_str()), |rest| (true, rest));
            let glob = to_glob(positive).map_err(|why| bad_pattern(pattern).because(why))?;
            let glob = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(|why| bad_pattern(pattern).because(why))?);
            negated.push(negates);
        }
        if !negated.contains(&true) {
            negated.clear();
        }
        let mut markers =
            options.exclude_if_present.iter().map(|text| Marker::parse(text)).collect::<Result<Vec<_>>>()?;
        if options.exclude_caches {
            markers.push(Marker { name: CACHE_TAG.0.into(), prefix: CACHE_TAG.1.into() });
        }
        Ok(Selection {
            globs: set
                .build()
                .map_err(|why| Error::new(Kind::Usage, "The exclude patterns are too large").because(why))?,
            negated,
            markers,
            larger_than: options.exclude_larger_than,
            one_file_system: options.one_file_system,
        })
    }

    /// Whether a pattern leaves out this path (as in a manifest). It does not ask about the directories above.
    pub fn excludes(&self, path: &[u8]) -> bool {
        if self.globs.is_empty() {
            return false;
        }
        let candidate = Candidate::from_bytes(path);
        if self.negated.is_empty() {
            return self.globs.is_match_candidate(&candidate);
        }
        let mut matching = Vec::new();
        self.globs.matches_candidate_into(&candidate, &mut matching);
        matching.last().is_some_and(|&last| !self.negated[last])
    }

    /// Whether a regular file is too large.
    pub fn too_large(&self, size: u64) -> bool {
        self.larger_than.is_some_and(|most| size > most)
    }

    /// If the directory holds a marker, keeps only the markers of its names, and says so.
    pub(super) fn keep_markers(&self, directory: &Directory, names: &mut Names) -> bool {
        let here = |marker: &&Marker| names.contains(&marker.name) && marker.is_one(directory);
        let markers: Vec<&Marker> = self.markers.iter().filter(here).collect();
        if !markers.is_empty() {
            names.retain(|name| markers.iter().any(|marker| marker.name == name));
        }
        !markers.is_empty()
    }
}

impl Marker {
    fn parse(text: &str) -> Result<Marker> {
        let (name, prefix) = text.split_once(':').unwrap_or((text, ""));
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            let what = format!("Bad name of a marker file: {:?}", printable(text.as_bytes()));
            return Err(
                Error::new(Kind::Usage, what).hint("give a file name, or a file name, a colon and how the file begins")
            );
        }
        Ok(Marker { name: name.into(), prefix: prefix.into() })
    }

    /// Whether the file begins as it must. One that cannot be read marks nothing: rather too much is kept than too little.
    fn is_one(&self, directory: &Directory) -> bool {
        if self.prefix.is_empty() {
            return true;
        }
        let Ok(fd) = directory.open_file(&self.name) else { return false };
        let regular =
            rustix::fs::fstat(&fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let mut begin = vec![0; self.prefix.len()];
        regular && rustix::io::pread(&fd, &mut begin[..], 0) == Ok(begin.len()) && begin == self.prefix
    }
}

fn bad_pattern(pattern: &str) -> Error {
    Error::new(Kind::Usage, format!("Bad exclude pattern: {}", printable(pattern.as_bytes())))
}

/// The lines of a file that are patterns.
fn patterns_in(file: &Path) -> Result<Vec<String>> {
    let shown = printable(file.as_os_str().as_bytes());
    let text = std::fs::read(file).map_err(|why| {
        Error::new(Kind::Usage, format!("Cannot read the exclude file {shown}"))
            .hint("check its path and permissions; nothing was backed up")
            .because(why)
    })?;
    let text = String::from_utf8(text)
        .map_err(|why| Error::new(Kind::Usage, format!("The exclude file {shown} is not UTF-8")).because(why))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// The glob that matches manifest paths where `pattern` is to match.
fn to_glob(pattern: &str) -> Result<String, &'static str> {
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() {
        return Err("it names nothing");
    }
    if parts.contains(&"..") {
        return Err("`..` is never part of a path that is backed up");
    }
    let anywhere = if pattern.starts_with('/') { "" } else { "**/" };
    Ok(format!("{anywhere}{}", parts.join("/")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn selection(patterns: &[&str]) -> Selection {
        let exclude = patterns.iter().map(|&p| p.to_owned()).collect();
        Selection::new(&SelectionOptions { exclude, ..SelectionOptions::default() }).unwrap()
    }

    #[test]
    fn patterns_match_as_restic_does() {
        let table: &[(&[&str], &[u8], bool)] = &[
            (&["foo"], b"foo", true),
            (&["foo"], b"a/b/foo", true),
            (&["foo/"], b"a/b/foo", true),
            (&["foo"], b"a/foo/b", false), // The walk never comes here: it left out `a/foo`.
            (&["foo"], b"a/Foo", false),
            (&["foo"], b"a/food", false),
            (&["*.pt"], b"a/.pt", true),
            (&["*.pt"], b"a/x\xff\n.pt", true),
            (&["*"], b"a\xff", true),
            (&["x?y"], b"x\xffy", true),
            (&["x?y"], b"a/x/y", false),
            (&["[a-c]x"], b"q/bx", true),
            (&["[!a-c]x"], b"q/bx", false),
            (&["{a,b}.log"], b"q/b.log", true),
            (&["/a/b"], b"a/b", true),
            (&["/a/b"], b"x/a/b", false),
            (&["//a/./b/"], b"a/b", true),
            (&["a/b"], b"x/a/b", true),
            (&["./a/b"], b"x/a/b", true),
            (&["a/b"], b"a/b", true),
            (&["a/b"], b"xa/b", false),
            (&["a/*/c"], b"x/a/b/c", true),
            (&["a/*/c"], b"a/b/b/c", false),
            (&["a/**/c"], b"x/a/b/b/c", true),
            (&["/a/**/c"], b"a/c", true),
            (&["/a/**"], b"a/b/c", true),
            (&["/a/**"], b"a", false),
            (&["/*"], b"a", true),
            (&["/*"], b"a/b", false),
            (&["*.o", "!keep.o"], b"x/keep.o", false),
            (&["*.o", "!keep.o"], b"x/lose.o", true),
            (&["!keep.o", "*.o"], b"x/keep.o", true),
            (&["*", "!/a", "!/a/**", "/a/b"], b"a/b", true),
            (&["*", "!/a", "!/a/**", "/a/b"], b"a/c", false),
            (&["\\!x"], b"a/!x", true),
            (&["\\#x"], b"#x", true),
            (&["a\\*"], b"a*", true),
            (&["a\\*"], b"ab", false),
            (&["**"], b"a/b", true),
            (&["caf\u{e9}"], "x/caf\u{e9}".as_bytes(), true),
        ];
        for (patterns, path, expected) in table {
            assert_eq!(selection(patterns).excludes(path), *expected, "{patterns:?} {}", printable(path));
        }
        assert!(!selection(&[]).excludes(b"a"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for pattern in ["a[", "", "/", "!", "a/../b", "{a"] {
            let options =
                SelectionOptions { exclude: vec!["ok".into(), pattern.into()], ..SelectionOptions::default() };
            let error = Selection::new(&options).unwrap_err();
            assert_eq!((error.kind, error.what), (Kind::Usage, format!("Bad exclude pattern: {pattern}")));
            assert!(error.source.is_some());
        }
        for marker in ["", ":x", "a/b", ".."] {
            let options = SelectionOptions { exclude_if_present: vec![marker.into()], ..SelectionOptions::default() };
            assert_eq!(Selection::new(&options).unwrap_err().kind, Kind::Usage, "{marker}");
        }
    }

    #[test]
    fn exclude_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("patterns");
        std::fs::write(&file, "# comment\n\n  *.tmp \r\n!keep.tmp\n\\#odd\n").unwrap();
        let mut options =
            SelectionOptions { exclude_files: vec![file], exclude: vec!["z.*".into()], ..SelectionOptions::default() };
        let selection = Selection::new(&options).unwrap();
        let left_out: Vec<bool> = ["a/x.tmp", "keep.tmp", "z.tmp", "#odd", "comment", "# comment"]
            .iter()
            .map(|path| selection.excludes(path.as_bytes()))
            .collect();
        assert_eq!(left_out, [true, false, true, true, false, false]);

        options.exclude_files.push(dir.path().join("absent"));
        let error = Selection::new(&options).unwrap_err();
        assert!(error.what.ends_with("/absent") && error.source.is_some(), "{error}");
    }
}
