//! `lastgood inspect`: what the checkpoints and the files with tensors are, in a snapshot or on disk.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, Guess, choose, describe};
use super::open::open;
use super::progress::Running;
use super::tensors::{Tensors, elements, summary, verdict};
use super::ui::{Ui, json_line};
use crate::error::{Error, Kind, Problem, Result, Trouble, printable};
use crate::flows::inspect::{Findings, Inspected, inspect, inspect_disk};
use crate::flows::restore::tensor_patterns;
use crate::flows::select::Selector;
use crate::id::ObjectId;
use crate::progress::{Progress, Quiet};
use crate::records::model::TensorRecord;
use crate::records::snapshot::Checkpoint;
use globset::GlobSet;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Show what the checkpoints and tensors are
///
/// Shows the checkpoints and whether each of them is complete, and the files whose format is known with their tensors, parameters
/// and faults. Of a snapshot it shows what the backup has seen; nothing of the files is read. A path on disk needs neither a
/// repository nor a password: headers are read and compared with the files, as before a backup.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[
    (Exit::Done, "done, and all is complete; NaN and infinities are told, but do not count"),
    (Exit::Problems, "something could not be read; all else is complete"),
    (Exit::NoMatch, "no snapshot matches, or nothing there is of a kind that is known"),
    (Exit::Incomplete, "the newest checkpoint of a run is not complete, or a file is broken"),
    (Exit::Interrupted, "interrupted; nothing is changed by that"),
]))]
pub struct Args {
    /// A snapshot, with a path in it perhaps, or a path on disk
    ///
    /// What has a `/` before any colon, or exists, is a path: ./checkpoint-1000, model.safetensors. What could be the name of
    /// a snapshot too, as `latest` or a number of four digits and more, is a snapshot: write ./latest for the path.
    #[arg(value_name = "SNAPSHOT[:PATH]|PATH", default_value = "latest")]
    what: OsString,

    /// List the tensors; only those whose name matches GLOB
    ///
    /// `*` stands for any letters, `?` for one, `[0-9]` for one of these, `{a,b}` for either: --tensors='*.layers.0.*'
    #[arg(short, long, value_name = "GLOB", num_args = 0..=1, require_equals = true, default_missing_value = "*",
        value_parser = glob)]
    tensors: Option<GlobSet>,

    /// Read the files on disk, and count NaN and infinities
    ///
    /// It takes as long as reading all tensors. Of a snapshot they are known: they were counted when it was made.
    #[arg(long)]
    numbers: bool,

    #[command(flatten)]
    filter: FilterArgs,
}

fn glob(text: &str) -> Result<GlobSet> {
    tensor_patterns(&[text.to_owned()])
}

/// All that was found, for machines.
#[derive(Serialize)]
struct Document<'a> {
    snapshot_id: Option<ObjectId>,
    /// Whether anybody has counted NaN and infinities.
    numbers_counted: bool,
    checkpoints: &'a [Checkpoint],
    files: &'a [FileJson],
    problems: &'a [Problem],
}

/// A file, for machines.
#[derive(Serialize)]
struct FileJson {
    path: String,
    format: String,
    size: u64,
    tensors: u64,
    parameters: u64,
    /// Parameters by dtype.
    dtypes: BTreeMap<&'static str, u64>,
    broken: Option<String>,
    not_finite: Option<u64>,
    constant: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensor_list: Option<Vec<TensorJson>>,
}

/// A tensor, for machines.
#[derive(Serialize)]
struct TensorJson {
    name: String,
    dtype: &'static str,
    shape: Vec<u64>,
    offset: u64,
    size: u64,
    nan: Option<u64>,
    infinite: Option<u64>,
    constant: Option<bool>,
}

impl FileJson {
    fn new(file: &Inspected, tensors: Option<&[TensorRecord]>, counted: bool) -> FileJson {
        let mut dtypes = BTreeMap::new();
        for tensor in &file.tensors {
            let sum: &mut u64 = dtypes.entry(tensor.dtype.name()).or_default();
            *sum = sum.saturating_add(elements(tensor));
        }
        let tensor = |tensor: &TensorRecord| TensorJson {
            name: tensor.name.clone(),
            dtype: tensor.dtype.name(),
            shape: tensor.shape.clone(),
            offset: tensor.offset,
            size: tensor.len,
            nan: counted.then_some(tensor.nan),
            infinite: counted.then_some(tensor.infinite),
            constant: counted.then_some(tensor.constant),
        };
        FileJson {
            path: format!("/{}", String::from_utf8_lossy(&file.path)),
            format: file.format.name.clone(),
            size: file.size,
            tensors: file.format.tensors,
            parameters: file.format.elements,
            dtypes,
            broken: file.format.broken.clone(),
            not_finite: counted.then_some(file.format.not_finite),
            constant: counted.then_some(file.format.constant),
            tensor_list: tensors.map(|tensors| tensors.iter().map(tensor).collect()),
        }
    }
}

/// Takes what is found, file by file: what is listed is written at once, and of the rest as much is kept as the end needs.
struct Sink<'a> {
    ui: &'a Ui,
    glob: Option<&'a GlobSet>,
    counted: bool,
    files: Vec<Inspected>,
    documents: Vec<FileJson>,
    matched: u64,
}

impl Sink<'_> {
    fn take(&mut self, mut file: Inspected) -> Result<()> {
        let wanted = |glob: &GlobSet| {
            file.tensors.iter().filter(|tensor| glob.is_match(&tensor.name)).cloned().collect::<Vec<_>>()
        };
        let listed = self.glob.map(wanted);
        self.matched += listed.as_ref().map_or(0, |listed| listed.len() as u64);
        if self.ui.json {
            self.documents.push(FileJson::new(&file, listed.as_deref(), self.counted));
        } else if let Some(listed) = listed.filter(|listed| !listed.is_empty() && !self.ui.quiet) {
            self.ui.write(Tensors { file: &file, listed: &listed, counted: self.counted }.words().as_bytes())?;
        }
        // One for each dtype is enough for the table.
        file.tensors = super::tensors::by_dtype(&file.tensors);
        self.files.push(file);
        Ok(())
    }
}

/// Inspects a snapshot or a path.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let path = path_of(&args.what, ui);
    let (mut snapshot_id, counted) = (None, path.is_none() || args.numbers);
    let glob = args.tensors.as_ref();
    let mut sink = Sink { ui, glob, counted, files: Vec::new(), documents: Vec::new(), matched: 0 };
    let findings = match &path {
        Some(path) => {
            args.filter.refuse("A path on disk is in no snapshot")?;
            // Nothing but a long reading is worth the drawing.
            let running = (args.numbers && !ui.json).then(|| Running::start(ui));
            let quiet = || Arc::new(Quiet) as Arc<dyn Progress>;
            let progress = running.as_ref().map_or_else(quiet, Running::progress);
            inspect_disk(path, args.numbers, progress, &mut |file| sink.take(file)).await?
        }
        None => {
            let selector = args.what.to_str().unwrap_or_default();
            Selector::parse(selector).map_err(|e| Error {
                what: format!("{} is neither a file here nor a snapshot", shown(&args.what)),
                ..e.hint("write a path, or a snapshot as in latest:models/base; patterns come as --tensors=PATTERN")
            })?;
            let repo = open(global, ui).await?;
            let (snapshot, subtree) = choose(&repo, selector, &args.filter.filter(), Guess::Warn, ui).await?;
            ui.note(&describe(&snapshot));
            snapshot_id = snapshot.id;
            inspect(&repo, &snapshot, &subtree, &mut |file| sink.take(file)).await?
        }
    };
    let Sink { files, documents, matched, .. } = sink;
    let Findings { checkpoints, problems } = &findings;
    for problem in problems {
        ui.warn(&format!("{}: {}", problem.item, problem.message));
    }
    let text = match ui.json {
        true => {
            json_line(&Document { snapshot_id, numbers_counted: counted, checkpoints, files: &documents, problems })?
        }
        false if ui.quiet => verdict(&findings, &files, true),
        false if glob.is_some() => verdict(&findings, &files, false),
        false => summary(&files, counted) + &verdict(&findings, &files, false),
    };
    ui.write(text.as_bytes())?;
    let exit = ending(&findings, &files);
    if exit != Exit::Done {
        return Ok(exit);
    }
    if files.is_empty() && checkpoints.is_empty() {
        return Err(Error::new(Kind::NoMatch, format!("Nothing in {} is of a kind that is known", shown(&args.what)))
            .hint("`lastgood inspect` knows checkpoints and files with tensors, not others"));
    }
    if glob.is_some() && matched == 0 {
        return Err(Error::new(Kind::NoMatch, "No tensor has a name that matches the pattern")
            .hint("--tensors alone lists them all; a pattern must match the whole name, as *.weight does"));
    }
    Ok(Exit::Done)
}

fn shown(what: &OsStr) -> String {
    printable(what.as_bytes())
}

/// The path on disk that is meant; `None` if it is a snapshot.
fn path_of(what: &OsStr, ui: &Ui) -> Option<PathBuf> {
    let bytes = what.as_bytes();
    let there = || std::fs::symlink_metadata(what).is_ok();
    if bytes.split(|&byte| byte == b':').next().is_some_and(|name| name.contains(&b'/')) {
        return Some(what.into());
    }
    if what.to_str().is_some_and(|text| Selector::parse(text).is_ok()) {
        if there() {
            ui.note(&format!("{0} is taken for a snapshot; ./{0} is the file of that name", shown(what)));
        }
        return None;
    }
    (there() || what.to_str().is_none()).then(|| what.into())
}

/// How it ends: damage of the repository outweighs what it holds.
fn ending(findings: &Findings, files: &[Inspected]) -> Exit {
    let damaged = findings.problems.iter().any(|problem| problem.kind == Trouble::Damaged);
    let open = findings.checkpoints.iter().any(|checkpoint| checkpoint.newest && !checkpoint.complete);
    let broken = files.iter().any(|file| file.format.broken.is_some() && !findings.is_past(&file.path));
    match (damaged, open || broken) {
        (true, _) => Exit::Damage,
        (false, true) => Exit::Incomplete,
        (false, false) if findings.problems.is_empty() => Exit::Done,
        (false, false) => Exit::Problems,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::model::FileFormat;
    use crate::tensor::Dtype;

    fn file(broken: Option<&str>) -> Inspected {
        let tensor = TensorRecord {
            name: "a.weight".into(),
            dtype: Dtype::Bf16,
            shape: vec![2, 3],
            offset: 8,
            len: 12,
            nan: 1,
            ..Default::default()
        };
        let format = FileFormat { name: "safetensors".into(), tensors: 1, elements: 6, ..Default::default() };
        let format = FileFormat { broken: broken.map(str::to_owned), not_finite: 1, ..format };
        Inspected { path: b"m/c-1/a.safetensors".to_vec(), size: 20, format, tensors: vec![tensor] }
    }

    #[test]
    fn json_shape() {
        let one = file(None);
        let files = [FileJson::new(&one, Some(&one.tensors), true), FileJson::new(&file(Some("short")), None, false)];
        let checkpoint = Checkpoint { path: "/m/c-1".into(), framework: "file".into(), ..Default::default() };
        let document = Document {
            snapshot_id: None,
            numbers_counted: true,
            checkpoints: &[checkpoint],
            files: &files,
            problems: &[Problem::new(Trouble::Unreadable, "/m/x", "no")],
        };
        assert_eq!(
            json_line(&document).unwrap().trim(),
            concat!(
                r#"{"snapshot_id":null,"numbers_counted":true,"checkpoints":[{"path":"/m/c-1","framework":"file","#,
                r#""complete":false,"faults":[],"not_finite":0,"elements":0,"step":null,"metrics":{},"newest":false}],"#,
                r#""files":[{"path":"/m/c-1/a.safetensors","format":"safetensors","size":20,"tensors":1,"parameters":6,"#,
                r#""dtypes":{"BF16":6},"broken":null,"not_finite":1,"constant":0,"tensor_list":[{"name":"a.weight","#,
                r#""dtype":"BF16","shape":[2,3],"offset":8,"size":12,"nan":1,"infinite":0,"constant":false}]},"#,
                r#"{"path":"/m/c-1/a.safetensors","format":"safetensors","size":20,"tensors":1,"parameters":6,"#,
                r#""dtypes":{"BF16":6},"broken":"short","not_finite":null,"constant":null}],"#,
                r#""problems":[{"kind":"unreadable","item":"/m/x","message":"no"}]}"#,
            )
        );
    }

    #[test]
    fn paths_and_snapshots_are_told_apart() {
        let ui = Ui::new(false, true, false);
        for path in ["./latest", "a/b", "a/b:c", "/x", "Cargo.toml", "."] {
            assert_eq!(path_of(OsStr::new(path), &ui), Some(PathBuf::from(path)), "{path}");
        }
        for snapshot in ["latest", "latest~2", "latest:models/base", "3f2a91bc", "no-such-file"] {
            assert_eq!(path_of(OsStr::new(snapshot), &ui), None, "{snapshot}");
        }
        assert!(path_of(OsStr::from_bytes(b"\xff"), &ui).is_some());
        assert_eq!(glob("a[").unwrap_err().kind, Kind::Usage);
        assert!(glob("*.0.*").unwrap().is_match("model.0.a/b") && !glob("a").unwrap().is_match("ab"));
    }

    #[test]
    fn only_the_newest_must_be_whole() {
        let found = |complete, newest| Findings {
            checkpoints: vec![Checkpoint { path: "/m/c-1".into(), complete, newest, ..Default::default() }],
            ..Default::default()
        };
        let (good, bad) = ([file(None)], [file(Some("short"))]);
        assert_eq!(ending(&found(true, true), &good), Exit::Done);
        assert_eq!(ending(&found(false, true), &good), Exit::Incomplete);
        assert_eq!(ending(&found(false, false), &bad), Exit::Done);
        assert_eq!(ending(&Findings::default(), &bad), Exit::Incomplete);
        let problem = |kind| vec![Problem::new(kind, "x", "y")];
        let with = |kind| Findings { problems: problem(kind), ..found(false, true) };
        assert_eq!(ending(&with(Trouble::Damaged), &good), Exit::Damage);
        assert_eq!(ending(&with(Trouble::Unreadable), &good), Exit::Incomplete);
        let unread = Findings { problems: problem(Trouble::Unreadable), ..found(true, true) };
        assert_eq!(ending(&unread, &good), Exit::Problems);
    }
}
