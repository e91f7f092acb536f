//! Files with tensors in words: tables of them, and what is wrong.

use super::checkpoints::{faults, line};
use super::size::{count, grouped, short, show};
use super::table::{Side, Table};
use crate::error::printable;
use crate::flows::inspect::{Findings, Inspected};
use crate::frameworks::family;
use crate::records::model::{FileFormat, TensorRecord};
use crate::records::snapshot::Checkpoint;
use crate::tensor::Dtype;
use std::collections::BTreeMap;

/// The most metrics that are told of a checkpoint.
const METRICS: usize = 6;

/// How many elements a tensor has.
pub fn elements(tensor: &TensorRecord) -> u64 {
    tensor.shape.iter().fold(1, |all: u64, side| all.saturating_mul(*side))
}

/// One nameless tensor for all of each dtype, the most elements first.
pub fn by_dtype(tensors: &[TensorRecord]) -> Vec<TensorRecord> {
    let mut sums: BTreeMap<Dtype, u64> = BTreeMap::new();
    for tensor in tensors {
        let sum = sums.entry(tensor.dtype).or_default();
        *sum = sum.saturating_add(elements(tensor));
    }
    let one = |(dtype, sum)| TensorRecord { dtype, shape: vec![sum], ..Default::default() };
    let mut found: Vec<TensorRecord> = sums.into_iter().map(one).collect();
    found.sort_by_key(|tensor| std::cmp::Reverse(elements(tensor)));
    found
}

/// A list of tensors of one file.
pub struct Tensors<'a> {
    /// The file.
    pub file: &'a Inspected,
    /// Those of its tensors that are wanted.
    pub listed: &'a [TensorRecord],
    /// Whether their numbers were counted.
    pub counted: bool,
}

impl Tensors<'_> {
    /// As a table below the name of the file.
    pub fn words(&self) -> String {
        let of = match self.listed.len() as u64 {
            all if all == self.file.format.tensors => count(all, "tensor"),
            some => format!("{} of {}", grouped(some), count(self.file.format.tensors, "tensor")),
        };
        let mut table = Table::new(&[
            ("Name", Side::Left),
            ("Dtype", Side::Left),
            ("Shape", Side::Left),
            ("Size", Side::Right),
            ("Health", Side::Left),
        ]);
        for tensor in self.listed {
            table.row(vec![
                printable(tensor.name.as_bytes()),
                tensor.dtype.name().to_owned(),
                format!("{:?}", tensor.shape),
                show(tensor.len),
                if self.counted { tensor_health(tensor) } else { String::new() },
            ]);
        }
        let path = full(&self.file.path);
        format!("{path} ({}, {}): {of}\n{}\n", self.file.format.name, show(self.file.size), table.render())
    }
}

fn full(path: &[u8]) -> String {
    printable(&[b"/", path].concat())
}

fn tensor_health(tensor: &TensorRecord) -> String {
    let mut words = Vec::new();
    words.extend((tensor.nan > 0).then(|| format!("{} NaN", grouped(tensor.nan))));
    words.extend((tensor.infinite > 0).then(|| format!("{} Inf", grouped(tensor.infinite))));
    words.extend(tensor.constant.then(|| if tensor.zero { "all zero" } else { "constant" }.to_owned()));
    if words.is_empty() { "ok".into() } else { words.join(", ") }
}

fn health(format: &FileFormat) -> String {
    let mut words = Vec::new();
    words.extend(format.broken.as_ref().map(|_| "BROKEN".to_owned()));
    words.extend((format.not_finite > 0).then(|| format!("{} NaN/Inf", grouped(format.not_finite))));
    words.extend((format.constant > 0).then(|| format!("{} constant", grouped(format.constant))));
    if words.is_empty() { "ok".into() } else { words.join("\n") }
}

/// The directory of a path, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// How many elements there are of each dtype.
fn parameters(tensors: &[TensorRecord]) -> String {
    let word = |tensor: &TensorRecord| format!("{} {}", tensor.dtype.name(), short(elements(tensor)));
    tensors.iter().map(word).collect::<Vec<_>>().join("\n")
}

/// A table of the files by directories, and what they come to.
pub fn summary(files: &[Inspected], counted: bool) -> String {
    if files.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&[
        ("Format", Side::Left),
        ("Size", Side::Right),
        ("Tensors", Side::Right),
        ("Parameters", Side::Left),
        ("Health", Side::Left),
        ("File", Side::Left),
    ]);
    let good = files.iter().all(|file| health(&file.format) == "ok");
    let mut rows = Vec::new();
    for Inspected { path, size, format, tensors } in files {
        let (parameters, health) = (parameters(tensors), if good { String::new() } else { health(format) });
        let lines = parameters.lines().count().max(health.lines().count()).max(1);
        let (directory, name) = split(path);
        rows.push((directory, lines));
        let number = if format.tensors == 0 { String::new() } else { grouped(format.tensors) };
        table.row(vec![format.name.clone(), show(*size), number, parameters, health, printable(name)]);
    }
    let rendered = table.render();
    let mut lines = rendered.split_inclusive('\n');
    let mut text: String = lines.by_ref().take(2).collect();
    let mut last = None;
    for (directory, count) in rows {
        if last != Some(directory) {
            text.push_str(&format!("{}:\n", full(directory)));
        }
        last = Some(directory);
        text.extend(lines.by_ref().take(count));
    }
    let sum = |of: fn(&Inspected) -> u64| files.iter().map(of).fold(0, u64::saturating_add);
    let (tensors, elements) = (sum(|file| file.format.tensors), sum(|file| file.format.elements));
    let total = format!("{} in {}", count(tensors, "tensor"), count(files.len() as u64, "file"));
    let state = match (good, counted || tensors == 0) {
        (true, true) => ", all ok",
        (true, false) => ", headers ok; numbers not looked at (--numbers)",
        (false, true) => "",
        (false, false) => "; numbers not looked at (--numbers)",
    };
    format!("{text}{total}, {} parameters{state}\n\n", short(elements))
}

/// The checkpoints one by one, and then all that is wrong; `bad` asks for nothing but that.
pub fn verdict(findings: &Findings, files: &[Inspected], bad: bool) -> String {
    let mut text = String::new();
    let wanted = |checkpoint: &&Checkpoint| !bad || checkpoint.newest && !checkpoint.good();
    let mut checkpoints: Vec<&Checkpoint> = findings.checkpoints.iter().filter(wanted).collect();
    // The newest come last: that is where people look.
    checkpoints.sort_by_cached_key(|found| (found.newest, family(found.path.as_bytes()), found.step));
    for checkpoint in checkpoints {
        let newer = if checkpoint.newest { "" } else { "; there is a newer one" };
        text.push_str(&format!("Checkpoint {}{newer}\n", line(checkpoint)));
        text.extend(metrics(checkpoint));
        for fault in faults(checkpoint) {
            text.push_str(&format!("  {fault}\n"));
        }
    }
    for file in files {
        let name = full(split(&file.path).1);
        let told = findings.owners(&file.path).any(|found| found.faults.iter().any(|fault| fault.contains(&name[1..])));
        if let Some(why) = file.format.broken.as_ref().filter(|_| !told) {
            text.push_str(&format!("BROKEN: {}: {}\n", full(&file.path), printable(why.as_bytes())));
        }
    }
    let spoilt: Vec<u64> = files.iter().map(|file| file.format.not_finite).filter(|&n| n > 0).collect();
    if !spoilt.is_empty() {
        let numbers = count(spoilt.iter().fold(0, |all: u64, n| all.saturating_add(*n)), "number");
        let files = count(spoilt.len() as u64, "file");
        text.push_str(&format!("NOT FINITE: {numbers} NaN or infinite in {files}\n"));
    }
    text
}

/// The metrics that a checkpoint states of itself, on a line.
fn metrics(checkpoint: &Checkpoint) -> Option<String> {
    let word = |(name, value): (&String, &f64)| format!("{} {}", printable(name.as_bytes()), figure(*value));
    let words: Vec<String> = checkpoint.metrics.iter().take(METRICS).map(word).collect();
    (!words.is_empty()).then(|| format!("  {}\n", words.join(", ")))
}

/// A metric with as many digits as make sense.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (1e-2..1e6).contains(&size) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{value:.3e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: Dtype, shape: &[u64]) -> TensorRecord {
        TensorRecord { name: "a\u{1b}".into(), dtype, shape: shape.to_vec(), len: 2, ..Default::default() }
    }

    fn file(path: &str, tensors: Vec<TensorRecord>) -> Inspected {
        let (all, elements) = (tensors.len() as u64, tensors.iter().map(elements).sum());
        let format = FileFormat { name: "safetensors".into(), tensors: all, elements, ..Default::default() };
        Inspected { path: path.into(), size: 2_000_000, format, tensors: by_dtype(&tensors) }
    }

    #[test]
    fn files_are_a_table_below_their_directory() {
        let two = vec![tensor(Dtype::F32, &[100]), tensor(Dtype::Bf16, &[1000, 1000]), tensor(Dtype::F32, &[20])];
        let mut broken = file("m/c\u{1b}/b", Vec::new());
        broken.format.broken = Some("it ends\u{7}".into());
        let mut nan = file("m/c\u{1b}/d/e", vec![tensor(Dtype::F16, &[5])]);
        (nan.format.not_finite, nan.format.constant) = (12, 1);
        let files = [file("m/c\u{1b}/a", two), broken, nan];
        let wanted = "Format         Size  Tensors  Parameters  Health      File
----------------------------------------------------------
/m/c\\u{1b}:
safetensors  2.0 MB        3  BF16 1.0M   ok          a
                              F32 120
safetensors  2.0 MB                       BROKEN      b
/m/c\\u{1b}/d:
safetensors  2.0 MB        1  F16 5       12 NaN/Inf  e
                                          1 constant
4 tensors in 3 files, 1.0M parameters; numbers not looked at (--numbers)

";
        assert_eq!(summary(&files, false), wanted);
        let text = verdict(&Findings::default(), &files, true);
        assert_eq!(text, "BROKEN: /m/c\\u{1b}/b: it ends\\u{7}\nNOT FINITE: 12 numbers NaN or infinite in 1 file\n");
        let good = summary(&files[..1], true);
        assert!(good.contains("Parameters  File\n") && good.ends_with("1.0M parameters, all ok\n\n"), "{good}");
        assert_eq!((summary(&[], true), split(b"a")), (String::new(), (&b""[..], &b"a"[..])));
    }

    #[test]
    fn tensors_are_listed_below_their_file() {
        let nan = TensorRecord { nan: 1, infinite: 2, ..tensor(Dtype::F32, &[2, 3]) };
        let zero = TensorRecord { constant: true, zero: true, ..tensor(Dtype::Other, &[]) };
        let listed = [nan, zero];
        let mut one = file("m/a", vec![]);
        one.format.tensors = 9;
        let text = Tensors { file: &one, listed: &listed, counted: true }.words();
        let wanted = "/m/a (safetensors, 2.0 MB): 2 of 9 tensors
Name     Dtype  Shape   Size  Health
------------------------------------------
a\\u{1b}  F32    [2, 3]   2 B  1 NaN, 2 Inf
a\\u{1b}  other  []       2 B  all zero

";
        assert_eq!(text, wanted);
        let text = Tensors { file: &one, listed: &listed, counted: false }.words();
        assert!(!text.contains("Health"), "{text}");
    }

    #[test]
    fn checkpoints_say_how_they_are() {
        let one = Checkpoint {
            path: "/m/c-1".into(),
            framework: "HF Trainer".into(),
            step: Some(1),
            faults: vec!["a is missing".into()],
            metrics: [("eval_loss".to_owned(), 1.25)].into(),
            ..Default::default()
        };
        let newest = Checkpoint { complete: true, newest: true, faults: Vec::new(), ..one.clone() };
        let findings = Findings { checkpoints: vec![one, newest], ..Default::default() };
        assert_eq!(
            verdict(&findings, &[], false),
            "Checkpoint /m/c-1 (HF Trainer, step 1): NOT COMPLETE; there is a newer one\n  eval_loss 1.25\n  \
             a is missing\nCheckpoint /m/c-1 (HF Trainer, step 1): complete\n  eval_loss 1.25\n"
        );
        assert_eq!(verdict(&findings, &[], true), "");
        assert_eq!([0.0, 2.34567, 1e-7, 5e9, 100.0].map(figure), ["0", "2.3457", "1.000e-7", "5.000e9", "100"]);
    }
}
