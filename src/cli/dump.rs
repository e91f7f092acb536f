//! `lastgood dump`: writes the content of one file, or of one tensor in it.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, Guess, choose, describe};
use super::open::open;
use super::progress::Running;
use super::size::show;
use super::time::show_span;
use super::ui::Ui;
use crate::error::{Error, Kind, Result, printable};
use crate::flows::dump::{DumpOptions, DumpReport, Part, dump, dump_to_file};
use crate::flows::select::Selector;
use crate::id::ObjectId;
use crate::progress::Quiet;
use crate::records::snapshot::Snapshot;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Write the content of one file of a snapshot
///
/// All of it goes to standard output, holes as zeros; with --tensor only the bytes of one tensor, and only what holds them is
/// read. Every byte is checked before it is written: if something is damaged, what was written until then is right, but
/// only the beginning. Binary content is not written to a terminal. Which snapshot was taken is said on standard error.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[
    (Exit::Problems, "done, but the file changed while it was backed up"),
    (Exit::NoMatch, "no snapshot, no such file in it, or no such tensor in that"),
    (Exit::Damage, "the repository is damaged: what was written, if anything, is only the beginning"),
    (Exit::Interrupted, "interrupted; with --output, nothing was written"),
]))]
pub struct Args {
    /// Snapshot, and a file in it: latest:models/base/config.json
    #[arg(value_name = "SNAPSHOT:PATH")]
    file: String,

    /// Only the bytes of this tensor, without any header
    ///
    /// They are the numbers as the file has them: little-endian, the last dimension fastest. Type and shape are said on
    /// standard error. To get tensors as a file that can be loaded, use `lastgood restore --tensors`.
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,

    /// Write to this file, which gets its name when it is whole; - is standard output, whatever that is
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    filter: FilterArgs,
}

/// The end of a dump to a file, for machines.
#[derive(Serialize)]
struct Done {
    message_type: &'static str,
    seconds_elapsed: f64,
    bytes_written: u64,
    bytes_fetched: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensor: Option<TensorJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unstable: Option<String>,
    snapshot_id: Option<ObjectId>,
    path: String,
    output: String,
}

/// A tensor, for machines.
#[derive(Serialize)]
struct TensorJson {
    name: String,
    dtype: &'static str,
    shape: Vec<u64>,
}

/// Zeros of a hole are written so many at once.
const ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Writes the file.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let output = args.output.as_deref().filter(|output| *output != Path::new("-"));
    let terminal = args.output.is_none() && std::io::stdout().is_terminal();
    if Selector::parse(&args.file)?.path.is_empty() {
        return Err(Error::new(Kind::Usage, format!("{:?} names no file", args.file))
            .hint("write the snapshot, a colon and a path, as `lastgood ls -R` shows it: latest:models/config.json"));
    }
    if terminal && args.tensor.is_some() {
        return Err(binary());
    }
    let filter = args.filter.filter();
    let repo = open(global, ui).await?;
    let (snapshot, path) = choose(&repo, &args.file, &filter, Guess::Warn, ui).await?;
    ui.note(&describe(&snapshot));
    let options = DumpOptions { snapshot, path, tensor: args.tensor.clone() };
    let report = match output {
        Some(output) => {
            let running = Running::start(ui);
            let report = dump_to_file(&repo, &options, output, running.progress()).await?;
            let took = running.elapsed();
            drop(running);
            ui.report(&machine(&report, &options, output, took), || words(&report, output, took))?;
            report
        }
        None => dump(&repo, &options, |part| write(ui, part, terminal), Arc::new(Quiet)).await?,
    };
    if let Some(tensor) = &report.tensor {
        ui.note(&format!("tensor of {} {:?}, {}", tensor.dtype.name(), tensor.shape, show(tensor.len)));
    }
    ui.detail(&format!("{} fetched", show(report.bytes_fetched)));
    match &report.unstable {
        None => Ok(Exit::Done),
        Some(reason) => {
            ui.warn(&format!("/{} was written as it was read, but {reason}", printable(&options.path)));
            Ok(Exit::Problems)
        }
    }
}

/// Writes a part to standard output; false if nobody listens any more.
fn write(ui: &Ui, part: Part<'_>, terminal: bool) -> Result<bool> {
    match part {
        Part::Bytes(bytes) if terminal && is_binary(bytes) => return Err(binary()),
        Part::Zeros(_) if terminal => return Err(binary()),
        Part::Bytes(bytes) => ui.write(bytes)?,
        Part::Zeros(mut left) => {
            while left > 0 && !ui.is_closed() {
                let some = left.min(ZEROS.len() as u64);
                ui.write(&ZEROS[..some as usize])?;
                left -= some;
            }
        }
    }
    Ok(!ui.is_closed())
}

fn binary() -> Error {
    Error::new(Kind::Usage, "Binary content is not for a terminal")
        .hint("redirect it with > FILE, or name a file with --output; --output - writes it all the same")
}

/// Whether bytes could do anything to a terminal but show as text.
fn is_binary(bytes: &[u8]) -> bool {
    let control = |byte: &u8| matches!(byte, 0..=8 | 11 | 12 | 14..=31 | 127);
    // U+0080 to U+009F, as UTF-8.
    let upper = |pair: &[u8]| pair[0] == 0xc2 && (0x80..0xa0).contains(&pair[1]);
    bytes.iter().any(control) || bytes.windows(2).any(upper)
}

fn machine(report: &DumpReport, options: &DumpOptions, output: &Path, took: Duration) -> Done {
    let Snapshot { id, .. } = &options.snapshot;
    let tensor = report.tensor.clone();
    Done {
        message_type: "summary",
        seconds_elapsed: took.as_secs_f64(),
        bytes_written: report.bytes,
        bytes_fetched: report.bytes_fetched,
        tensor: tensor.map(|t| TensorJson { dtype: t.dtype.name(), name: t.name, shape: t.shape }),
        unstable: report.unstable.clone(),
        snapshot_id: *id,
        path: format!("/{}", String::from_utf8_lossy(&options.path)),
        output: output.to_string_lossy().into_owned(),
    }
}

fn words(report: &DumpReport, output: &Path, took: Duration) -> String {
    let output = printable(output.as_os_str().as_encoded_bytes());
    let (bytes, fetched) = (show(report.bytes), show(report.bytes_fetched));
    format!("Wrote {bytes} to {output}; fetched {fetched}, took {}\n", show_span(took))
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::snapshot;
    use super::*;
    use crate::tensor::{Dtype, Tensor};

    fn report() -> DumpReport {
        let tensor = Tensor { name: "w".into(), dtype: Dtype::Bf16, shape: vec![2, 3], offset: 8, len: 12 };
        DumpReport { bytes: 12, bytes_fetched: 99, tensor: Some(tensor), unstable: None }
    }

    #[test]
    fn text_is_told_from_what_a_terminal_should_not_get() {
        for text in ["", "{\"a\": 1}\n\ttab\r\n", "é ü 日本"] {
            assert!(!is_binary(text.as_bytes()), "{text}");
        }
        for bytes in [&b"\0"[..], b"a\x1b[31m", b"\x7f", b"x\x08", "\u{9b}".as_bytes(), b"ELF\x02"] {
            assert!(is_binary(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn json_shape() {
        let options = DumpOptions { snapshot: snapshot(3, ""), path: b"a/b".to_vec(), tensor: None };
        assert_eq!(
            serde_json::to_string(&machine(&report(), &options, Path::new("out"), Duration::from_secs(2))).unwrap(),
            format!(
                r#"{{"message_type":"summary","seconds_elapsed":2.0,"bytes_written":12,"bytes_fetched":99,"tensor":{{"name":"w","dtype":"BF16","shape":[2,3]}},"snapshot_id":"{}","path":"/a/b","output":"out"}}"#,
                "03".repeat(32)
            )
        );
        let text = words(&report(), Path::new("a\u{1b}"), Duration::from_secs(2));
        assert_eq!(text, "Wrote 12 B to a\\u{1b}; fetched 99 B, took 2.0 s\n");
    }
}
