//! Dump: the content of one file, or of one tensor in it, in order.

use super::content::{Content, read, stored, tensors};
use super::restore::plan::Piece;
use crate::error::{Error, Kind, Result, printable};
use crate::progress::{Phase, Progress, Step};
use crate::records::manifest::{Entry, FileKind, LeftOut};
use crate::records::model::TensorRecord;
use crate::records::snapshot::Snapshot;
use crate::repo::Repository;
use crate::repo::index::Index;
use crate::repo::manifest::Manifest;
use crate::targets::{PartialFile, TargetError, Tree};
use crate::tensor::Tensor;
use futures::StreamExt;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to write.
#[derive(Clone, Debug)]
pub struct DumpOptions {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The file, as a manifest writes its path.
    pub path: Vec<u8>,
    /// Only the bytes of this tensor.
    pub tensor: Option<String>,
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct DumpReport {
    /// Bytes written.
    pub bytes: u64,
    /// Bytes read from packs.
    pub bytes_fetched: u64,
    /// The tensor that they are of.
    pub tensor: Option<Tensor>,
    /// Why the file is not what it was at any one time: it changed while it was backed up.
    pub unstable: Option<String>,
}

/// Some bytes, in order.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// So many zeros: a hole.
    Zeros(u64),
    /// These.
    Bytes(&'a [u8]),
}

/// What is to be written, and where it is.
struct Source {
    repo: Arc<Repository>,
    index: Arc<Index>,
    path: Vec<u8>,
    bytes: Range<u64>,
    pieces: Vec<Piece>,
    report: DumpReport,
}

/// Gives the bytes to `out`, in order, until it says that it wants no more.
pub async fn dump(
    repo: &Arc<Repository>,
    options: &DumpOptions,
    mut out: impl FnMut(Part<'_>) -> Result<bool>,
    progress: Arc<dyn Progress>,
) -> Result<DumpReport> {
    let source = find(repo, options, &progress).await?;
    let mut done = 0;
    let written = source.copy(&mut done, &mut out, &progress).await;
    written.map_err(|e| match e.kind {
        Kind::Damaged | Kind::Missing | Kind::Store => {
            let what = format!(
                "/{} cannot be read to its end: what was written, {done} bytes, is only its beginning",
                printable(&source.path)
            );
            Error { hint: e.hint.clone(), ..Error::new(e.kind, what) }.because(e)
        }
        _ => e,
    })?;
    Ok(DumpReport { bytes: done, ..source.report })
}

/// Writes the bytes to a file, which is there under its name only when it is whole and durable.
pub async fn dump_to_file(
    repo: &Arc<Repository>,
    options: &DumpOptions,
    output: &Path,
    progress: Arc<dyn Progress>,
) -> Result<DumpReport> {
    let (output, (dir, name)) = (output.as_os_str().as_bytes(), place(output)?);
    let cannot = |e: TargetError| {
        let what = format!("Cannot write to {}", printable(output));
        Error::new(Kind::Target, what).because(e.message).hint("check the path, its permissions and the space")
    };
    let tree = Tree::open_existing(&dir).map_err(cannot)?;
    let tree = tree.ok_or_else(|| cannot(TargetError::new(output, "the directory is not there")))?;
    let source = find(repo, options, &progress).await?;
    let size = source.bytes.end - source.bytes.start;
    let partial = tree.directory(b"").and_then(|dir| PartialFile::create(dir, &name, size)).map_err(cannot)?;
    let (mut at, mut done) = (0, 0);
    let mut write = |part: Part<'_>| {
        match part {
            Part::Zeros(len) => at += len,
            Part::Bytes(bytes) => {
                partial.write_at(at, bytes).map_err(cannot)?;
                at += bytes.len() as u64;
            }
        }
        Ok(true)
    };
    source.copy(&mut done, &mut write, &progress).await?;
    partial.publish_durable().map_err(cannot)?;
    Ok(DumpReport { bytes: done, ..source.report })
}

/// The directory and the name of a file to be written. A link to one stays, and what is no file is left alone.
fn place(output: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let shown = printable(output.as_os_str().as_bytes());
    let refused = |why: &str| Err(Error::new(Kind::Usage, format!("--output: {shown} is {why}")));
    let path = match std::fs::metadata(output) {
        Ok(about) if about.is_dir() => return refused("a directory").map_err(|e| e.hint("name a file in it")),
        Ok(about) if !about.is_file() => return refused("no file").map_err(|e| e.hint("redirect with > instead")),
        Ok(_) => std::fs::canonicalize(output).unwrap_or_else(|_| output.into()),
        Err(_) if output.is_symlink() => return refused("a link to nothing").map_err(|e| e.hint("remove it first")),
        Err(_) => output.into(),
    };
    let Some(name) = path.file_name() else {
        return refused("no name of a file").map_err(|e| e.hint("name a file"));
    };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((dir.into(), name.as_bytes().to_vec()))
}

async fn find(repo: &Arc<Repository>, options: &DumpOptions, progress: &Arc<dyn Progress>) -> Result<Source> {
    progress.phase(Phase::Planning);
    let index = Arc::new(repo.load_index(true).await?.index);
    let manifest = Manifest::open(repo, &index, &options.snapshot.tree).await?;
    let entry = manifest.entry(&options.path).await?.filter(|entry| entry.left_out != LeftOut::Itself);
    let entry = entry.ok_or_else(|| {
        Error::new(Kind::NoMatch, format!("/{} is not in the snapshot", printable(&options.path)))
            .hint("`lastgood ls -R` lists all paths of a snapshot; they are absolute")
    })?;
    readable(&entry)?;
    let tensor = match &options.tensor {
        Some(name) => Some(pick(&entry, tensors(repo, &index, &entry).await?, name)?),
        None => None,
    };
    let bytes = tensor.as_ref().map_or(0..entry.size, |tensor| tensor.offset..tensor.offset + tensor.len);
    let whole = || format!("/{} cannot be read", printable(&entry.path));
    let pieces = match Content::find(&manifest, &index, &entry).await {
        Ok(content) => content.holding(std::slice::from_ref(&bytes)),
        Err(e) => Err(e),
    };
    let pieces = pieces.map_err(|e| match e.kind {
        Kind::Damaged | Kind::Missing => Error { hint: e.hint.clone(), ..Error::new(e.kind, whole()) }.because(e),
        _ => e,
    })?;
    let unstable = entry.fault.map(|fault| fault.reason);
    let report = DumpReport { bytes_fetched: stored(&pieces), tensor, unstable, ..DumpReport::default() };
    progress.phase(Phase::Restoring);
    progress.total(1, bytes.end - bytes.start);
    progress.current(&entry.path);
    Ok(Source { repo: repo.clone(), index, path: entry.path, bytes, pieces, report })
}

/// Refuses what has no content.
fn readable(entry: &Entry) -> Result<()> {
    let path = printable(&entry.path);
    match (&entry.kind, &entry.fault) {
        (FileKind::File, Some(fault)) if fault.unreadable => {
            let what = format!("There is no content of /{path}: the backup could not read it ({})", fault.reason);
            Err(Error::new(Kind::NoMatch, what).hint("take another snapshot, as latest~1"))
        }
        (FileKind::File, _) => Ok(()),
        (FileKind::Symlink, _) => {
            let what = format!("/{path} is a link to {}", printable(&entry.link_target));
            Err(Error::new(Kind::NoMatch, what).hint("name the file that it points to"))
        }
        (FileKind::Directory, _) => Err(Error::new(Kind::NoMatch, format!("/{path} is a directory"))
            .hint("name a file in it, or use `lastgood restore`")),
        (kind, _) => Err(Error::new(Kind::NoMatch, format!("/{path} is a {}, not a file", kind.name()))
            .hint("only files have content")),
    }
}

/// The tensor of this name.
fn pick(entry: &Entry, records: Option<Vec<TensorRecord>>, name: &str) -> Result<Tensor> {
    let path = printable(&entry.path);
    let Some(records) = records else {
        return Err(Error::new(Kind::NoMatch, format!("No tensors of /{path} are known"))
            .hint("dump the whole file; tensors are known of files whose format is known when they are backed up"));
    };
    if let Some(record) = records.iter().find(|record| record.name == name) {
        return Ok(record.tensor());
    }
    let hint = match nearest(name, records.iter().map(|record| &record.name[..])) {
        Some(near) => format!("did you mean {}?", printable(near.as_bytes())),
        None => "`lastgood inspect --tensors` lists them".into(),
    };
    Err(Error::new(Kind::NoMatch, format!("/{path} has no tensor {}", printable(name.as_bytes()))).hint(hint))
}

/// The name most like another: that begins and ends like it, by half at least.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let alike = |other: &str| {
        let other = other.to_ascii_lowercase();
        let start = wanted.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let (short, rest) = (wanted.len().min(other.len()), (wanted.bytes().rev(), other.bytes().rev()));
        let end = rest.0.zip(rest.1).take(short - start).take_while(|(a, b)| a == b).count();
        (start + end, std::cmp::Reverse(other.len()))
    };
    let best = names.map(|other| (alike(other), other)).max_by_key(|(alike, _)| *alike)?;
    let ((same, _), found) = best;
    (same * 2 >= name.len().max(found.len())).then_some(found)
}

impl Source {
    /// Gives all of it to `out`; `done` counts what was given.
    async fn copy(
        &self,
        done: &mut u64,
        out: &mut impl FnMut(Part<'_>) -> Result<bool>,
        progress: &Arc<dyn Progress>,
    ) -> Result<()> {
        let Range { start, end } = self.bytes;
        let mut give = |part: Part<'_>, len: u64| {
            progress.check()?;
            let more = len == 0 || out(part)?;
            *done += len;
            progress.step(Step::Done(len));
            Ok::<bool, Error>(more)
        };
        let mut at = start;
        let mut chunks = std::pin::pin!(read(&self.repo, &self.index, self.pieces.clone()));
        while let Some(chunk) = chunks.next().await {
            let (piece, plain) = chunk?;
            if piece.offset > at {
                if !give(Part::Zeros(piece.offset - at), piece.offset - at)? {
                    return Ok(());
                }
                at = piece.offset;
            }
            let to = piece.bytes().end.min(end);
            let inside = &plain[(at - piece.offset) as usize..(to - piece.offset) as usize];
            if !give(Part::Bytes(inside), inside.len() as u64)? {
                return Ok(());
            }
            at = to;
        }
        give(Part::Zeros(end - at), end - at)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_told_if_it_is_near() {
        let names = ["model.layers.0.mlp.weight", "model.layers.1.mlp.weight", "lm_head.weight", "x"];
        for (wanted, found) in [
            ("model.layers.1.mlp.weigth", Some("model.layers.1.mlp.weight")),
            ("layers.0.mlp.weight", Some("model.layers.0.mlp.weight")),
            ("LM_HEAD.weight", Some("lm_head.weight")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(wanted, names.into_iter()), found, "{wanted}");
        }
        assert_eq!(nearest("x", [].into_iter()), None);
    }

    #[test]
    fn a_place_for_the_output() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a");
        assert_eq!(place(&file).unwrap(), (home.path().into(), b"a".to_vec()));
        assert_eq!(place(Path::new("a")).unwrap(), (".".into(), b"a".to_vec()));
        std::fs::write(&file, "x").unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink("a", &link).unwrap();
        assert_eq!(place(&link).unwrap().1, b"a");
        std::fs::remove_file(&file).unwrap();
        for path in [home.path(), &link, Path::new("/dev/null"), Path::new("/"), &home.path().join("x/..")] {
            assert_eq!(place(path).unwrap_err().kind, Kind::Usage, "{path:?}");
        }
    }
}
