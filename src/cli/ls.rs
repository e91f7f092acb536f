//! `lastgood ls`: lists what is in a snapshot.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::filter::{FilterArgs, Guess, SnapshotJson, choose, describe};
use super::open::open;
use super::time;
use super::ui::{Ui, json_line};
use crate::error::{Result, printable};
use crate::flows::ls::ls;
use crate::records::manifest::{Entry, FileKind};
use chrono::{DateTime, Local, SecondsFormat};
use serde::Serialize;
use std::fmt::Write;

/// List what is in a snapshot
///
/// Without --recursive, the directory is listed as by ls(1). Characters that could disturb a terminal are shown escaped.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING, &[(Exit::NoMatch, "")]))]
pub struct Args {
    /// Snapshot, and a path in it: latest, latest~1, 3f2a91bc, latest:models/base
    #[arg(value_name = "SNAPSHOT[:PATH]", default_value = "latest")]
    snapshot: String,

    /// Show permissions, owner, size and time as well
    #[arg(short, long)]
    long: bool,

    /// List directories in directories as well
    #[arg(short = 'R', long)]
    recursive: bool,

    #[command(flatten)]
    filter: FilterArgs,
}

/// Lines are written in blocks of this many bytes.
const BLOCK: usize = 64 << 10;

/// The head of a listing, for machines.
#[derive(Serialize)]
struct Head<'a> {
    message_type: &'static str,
    struct_type: &'static str,
    #[serde(flatten)]
    snapshot: SnapshotJson<'a>,
}

/// An entry, for machines.
#[derive(Serialize)]
struct Node {
    message_type: &'static str,
    struct_type: &'static str,
    name: String,
    r#type: &'static str,
    path: String,
    /// All bytes of the path in hexadecimal, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_raw: Option<String>,
    uid: u32,
    gid: u32,
    user: String,
    group: String,
    size: u64,
    mode: u32,
    permissions: String,
    mtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linktarget: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// Why the content of an entry is not to be trusted.
#[derive(Serialize)]
struct Fault {
    kind: &'static str,
    reason: String,
}

/// Lists the entries.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let filter = args.filter.filter();
    let repo = open(global, ui).await?;
    let (snapshot, path) = choose(&repo, &args.snapshot, &filter, Guess::Warn, ui).await?;
    ui.note(&describe(&snapshot));
    let mut text = String::with_capacity(BLOCK + 4096);
    if ui.json {
        let (message_type, struct_type) = ("snapshot", "snapshot");
        text = json_line(&Head { message_type, struct_type, snapshot: SnapshotJson::new(&snapshot) })?;
    }
    let mut written = Ok(());
    let mut each = |entry: &Entry| {
        match ui.json {
            true => text.push_str(&json_line(&node(entry)).unwrap_or_default()),
            false if args.long => long(&mut text, entry),
            false => text.extend([shown(entry).as_str(), "\n"]),
        }
        if text.len() >= BLOCK && written.is_ok() {
            written = ui.write(text.as_bytes());
            text.clear();
        }
    };
    ls(&repo, &snapshot, &path, args.recursive, &mut each).await?;
    written?;
    ui.write(text.as_bytes())?;
    Ok(Exit::Done)
}

/// A path from the root, escaped, and `/` behind a directory.
fn shown(entry: &Entry) -> String {
    let slash = if entry.kind == FileKind::Directory && !entry.path.is_empty() { "/" } else { "" };
    format!("/{}{slash}", printable(&entry.path))
}

fn node(entry: &Entry) -> Node {
    let path = String::from_utf8_lossy(&entry.path);
    let raw = std::str::from_utf8(&entry.path).is_err();
    let kind = |unreadable| if unreadable { "unreadable" } else { "unstable" };
    Node {
        message_type: "node",
        struct_type: "node",
        name: String::from_utf8_lossy(entry.name()).into_owned(),
        r#type: entry.kind.name(),
        path: format!("/{path}"),
        path_raw: raw.then(|| entry.path.iter().map(|byte| format!("{byte:02x}")).collect()),
        uid: entry.uid,
        gid: entry.gid,
        user: entry.user.clone(),
        group: entry.group.clone(),
        size: entry.size,
        mode: entry.mode,
        permissions: permissions(entry),
        mtime: moment(entry).map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, false)),
        linktarget: (entry.kind == FileKind::Symlink).then(|| String::from_utf8_lossy(&entry.link_target).into_owned()),
        fault: entry.fault.as_ref().map(|fault| Fault { kind: kind(fault.unreadable), reason: fault.reason.clone() }),
    }
}

/// When the content changed last. What is only on the way to what was backed up is kept without times.
fn moment(entry: &Entry) -> Option<time::Moment> {
    let stamp = Some(entry.mtime).filter(|_| !entry.ancestor)?;
    DateTime::from_timestamp(stamp.seconds, stamp.nanos).map(|time| time.with_timezone(&Local).fixed_offset())
}

/// A line as of `ls -l`.
fn long(text: &mut String, entry: &Entry) {
    let or_number =
        |name: &String, number: u32| if name.is_empty() { number.to_string() } else { printable(name.as_bytes()) };
    let time = moment(entry).map_or_else(|| "-".into(), |time| time::show(&time));
    let (user, group) = (or_number(&entry.user, entry.uid), or_number(&entry.group, entry.gid));
    let _ = write!(text, "{} {user:<8} {group:<8} {:>14} {time:<25} {}", permissions(entry), entry.size, shown(entry));
    if entry.kind == FileKind::Symlink {
        text.extend([" -> ", printable(&entry.link_target).as_str()]);
    }
    match &entry.fault {
        Some(fault) if fault.unreadable => text.push_str("  (UNREADABLE: no content)"),
        Some(_) => text.push_str("  (UNSTABLE: changed while it was read)"),
        None => {}
    }
    text.push('\n');
}

/// Type and permissions in ten letters.
fn permissions(entry: &Entry) -> String {
    let kind = match entry.kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Symlink => 'l',
        FileKind::Fifo => 'p',
        FileKind::Socket => 's',
        FileKind::CharDevice => 'c',
        FileKind::BlockDevice => 'b',
    };
    let mut letters = String::from(kind);
    for (at, special) in [(6, 's'), (3, 's'), (0, 't')] {
        let bits = entry.mode >> at;
        letters.push(if bits & 4 != 0 { 'r' } else { '-' });
        letters.push(if bits & 2 != 0 { 'w' } else { '-' });
        // Set-user-id, set-group-id and sticky stand above the nine bits, in the same order as the groups of three.
        let set = entry.mode & (0o1000 << (at / 3)) != 0;
        letters.push(match (set, bits & 1 != 0) {
            (true, true) => special,
            (true, false) => special.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::manifest::{self, Stamp};

    fn entry() -> Entry {
        Entry {
            path: b"models/a\x1b".to_vec(),
            mode: 0o644,
            uid: 7,
            user: "root".into(),
            size: 1_234_567,
            mtime: Stamp { seconds: 1_780_000_000, nanos: 5 },
            ..Entry::default()
        }
    }

    #[test]
    fn permissions_are_ten_letters() {
        for (kind, mode, letters) in [
            (FileKind::File, 0o644, "-rw-r--r--"),
            (FileKind::Directory, 0o1777, "drwxrwxrwt"),
            (FileKind::File, 0o4755, "-rwsr-xr-x"),
            (FileKind::File, 0o6644, "-rwSr-Sr--"),
            (FileKind::Symlink, 0o777, "lrwxrwxrwx"),
            (FileKind::BlockDevice, 0, "b---------"),
        ] {
            assert_eq!(permissions(&Entry { kind, mode, ..Entry::default() }), letters);
        }
    }

    #[test]
    fn names_are_escaped_for_people() {
        let mut text = String::new();
        long(&mut text, &entry());
        assert!(text.starts_with("-rw-r--r-- root     0               1234567 2026-05-"), "{text}");
        assert!(text.ends_with(" /models/a\\u{1b}\n"));
        let link = Entry { kind: FileKind::Symlink, link_target: b"../b\n".to_vec(), ..entry() };
        let mut text = String::new();
        long(&mut text, &link);
        assert!(text.ends_with(" -> ../b\\n\n"));
        let above = Entry { kind: FileKind::Directory, ancestor: true, path: b"models".to_vec(), ..Entry::default() };
        let mut text = String::new();
        long(&mut text, &above);
        assert!(text.ends_with(&format!(" 0 -{} /models/\n", " ".repeat(24))), "{text}");
        assert_eq!(node(&above).mtime, None);
        assert_eq!(shown(&Entry { path: Vec::new(), ..above }), "/");
    }

    #[test]
    fn json_shape() {
        let mut node = node(&entry());
        node.mtime = Some("t".into());
        assert_eq!(
            serde_json::to_string(&node).unwrap(),
            r#"{"message_type":"node","struct_type":"node","name":"a\u001b","type":"file","path":"/models/a\u001b","uid":7,"gid":0,"user":"root","group":"","size":1234567,"mode":420,"permissions":"-rw-r--r--","mtime":"t"}"#
        );
        let fault = Some(manifest::Fault { unreadable: true, reason: "no".into() });
        let json = serde_json::to_value(super::node(&Entry { path: b"x/\xff".to_vec(), fault, ..entry() })).unwrap();
        assert_eq!(json["path_raw"], "782fff");
        assert_eq!(json["fault"]["kind"], "unreadable");
    }
}
