//! `lastgood key`: the passwords and key files that open a repository.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::open::{CostArgs, open, slot_note, usual_cost};
use super::secret::{NewSecretArgs, choose_new};
use super::table::{Side, Table};
use super::time;
use super::ui::Ui;
use crate::codec::kdf::Cost;
use crate::error::{Result, printable};
use crate::id::ObjectId;
use crate::records::slot::SlotKind;
use crate::repo::Repository;
use crate::repo::keys::Slot;
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;

/// Manage the passwords and key files that open the repository
///
/// Any of them opens it. Removing one does not help against somebody who used it before and kept a copy of the key inside.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = exit::status(&OPENING, &[(Exit::NoMatch, "no key has such an id")]))]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the keys
    ///
    /// `*` marks the one that opened the repository just now.
    #[command(visible_alias = "ls", after_help = exit::status(&OPENING, &[]))]
    List,

    /// Add a password or a key file
    ///
    /// A new password is asked for twice, unless --new-password-file gives it.
    #[command(after_help = exit::status(&OPENING, &[]))]
    Add(AddArgs),

    /// Remove a key, but never the one that opened the repository just now
    #[command(visible_alias = "rm", after_help = exit::status(&OPENING, &[(Exit::NoMatch, "no key has such an id")]))]
    Remove {
        /// Id of the key, or the begin of it
        id: String,
    },

    /// Replace the key that opened the repository just now by a new password or key file
    ///
    /// The new one is added before the old one is removed. It costs as much to guess as the old one, unless you say otherwise.
    #[command(after_help = exit::status(&OPENING, &[]))]
    Passwd(PasswdArgs),
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    #[command(flatten)]
    secret: NewSecretArgs,

    /// What `lastgood key list` shows as its label
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    label: String,

    #[command(flatten)]
    cost: CostArgs,
}

#[derive(Debug, clap::Args)]
struct PasswdArgs {
    #[command(flatten)]
    secret: NewSecretArgs,

    #[command(flatten)]
    cost: CostArgs,
}

/// Lists or changes keys.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let repo = open(global, ui).await?;
    match &args.action {
        Action::List => list(&repo, ui).await?,
        Action::Add(add) => {
            let cost = add.cost.cost(usual_cost())?;
            let secret = choose_new(&add.secret).read_new(ui)?;
            let id = repo.add_slot(secret, cost, slot_note(add.label.clone())).await?;
            ui.report(&json!({"message_type": "key_added", "id": id}), || format!("Added key {}\n", id.brief()))?;
        }
        Action::Remove { id } => {
            let id = repo.remove_slot(id).await?;
            ui.report(&json!({"message_type": "key_removed", "id": id}), || format!("Removed key {}\n", id.brief()))?;
        }
        Action::Passwd(passwd) => replace(&repo, passwd, ui).await?,
    }
    Ok(Exit::Done)
}

async fn replace(repo: &Repository, args: &PasswdArgs, ui: &Ui) -> Result<()> {
    let slots = repo.slots().await?;
    let old = slots.iter().find(|slot| slot.current);
    let [memory_kib, passes, lanes] = old.map_or([0; 3], |slot| slot.cost);
    let cost = Cost { memory_kib, passes, lanes };
    let cost = args.cost.cost(if cost.is_sane() { cost } else { usual_cost() })?;
    let label = old.and_then(|slot| slot.note.as_ref()).map(|note| note.label.clone()).unwrap_or_default();
    let secret = choose_new(&args.secret).read_new(ui)?;
    let (new, old) = (repo.replace_slot(secret, cost, slot_note(label)).await?, repo.slot());
    ui.report(&json!({"message_type": "key_replaced", "id": new, "replaced": old}), || {
        format!("Replaced key {} by {}\n", old.brief(), new.brief())
    })
}

/// A key, for machines, with the names that snapshots have.
#[derive(Serialize)]
struct KeyJson {
    current: bool,
    id: ObjectId,
    kind: SlotKind,
    username: Option<String>,
    hostname: Option<String>,
    created: Option<String>,
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf: Option<KdfJson>,
}

#[derive(Serialize)]
struct KdfJson {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

async fn list(repo: &Repository, ui: &Ui) -> Result<()> {
    let slots = repo.slots().await?;
    match ui.json {
        true => ui.json(&slots.iter().map(machine).collect::<Vec<_>>()),
        false => ui.write(listing(&slots).as_bytes()),
    }
}

fn machine(slot: &Slot) -> KeyJson {
    let note = slot.note.as_ref();
    let [memory_kib, passes, lanes] = slot.cost;
    KeyJson {
        current: slot.current,
        id: slot.id,
        kind: slot.kind,
        username: note.map(|note| note.username.clone()),
        hostname: note.map(|note| note.hostname.clone()),
        created: note.map(|note| note.created.clone()),
        label: note.map(|note| note.label.clone()),
        kdf: (slot.kind == SlotKind::Password).then_some(KdfJson { memory_kib, passes, lanes }),
    }
}

fn listing(slots: &[Slot]) -> String {
    let mut table = Table::new(&[
        ("ID", Side::Left),
        ("Opened by", Side::Left),
        ("Made", Side::Left),
        ("Host", Side::Left),
        ("User", Side::Left),
        ("Label", Side::Left),
        ("Cost", Side::Left),
    ]);
    for slot in slots {
        let (kind, cost) = match slot.kind {
            SlotKind::Password => ("password", format!("{} MiB, {} passes", slot.cost[0] >> 10, slot.cost[1])),
            SlotKind::KeyFile => ("key file", String::new()),
        };
        let note = |part: fn(&crate::records::slot::SlotNote) -> &str| {
            slot.note.as_ref().map(|note| printable(part(note).as_bytes())).unwrap_or_default()
        };
        let made = slot.note.as_ref().and_then(|note| time::Moment::parse_from_rfc3339(&note.created).ok());
        table.row(vec![
            format!("{}{}", slot.id.brief(), if slot.current { "*" } else { "" }),
            kind.to_owned(),
            made.map(|made| time::show(&made)).unwrap_or_default(),
            note(|note| &note.hostname),
            note(|note| &note.username),
            note(|note| &note.label),
            cost,
        ]);
    }
    let mut text = table.render();
    let _ = writeln!(text, "{}", super::size::count(slots.len() as u64, "key"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::records::slot::SlotNote;

    fn slots() -> [Slot; 2] {
        let note = SlotNote {
            created: "2026-08-20T14:00:00+00:00".into(),
            hostname: "h\n".into(),
            username: "u".into(),
            label: String::new(),
        };
        [
            Slot { id: Id([1; 32]), kind: SlotKind::Password, cost: [65_536, 3, 4], note: Some(note), current: true },
            Slot { id: Id([2; 32]), kind: SlotKind::KeyFile, cost: [0; 3], note: None, current: false },
        ]
    }

    #[test]
    fn json_shape() {
        let [first, second] = slots().map(|slot| serde_json::to_string(&machine(&slot)).unwrap());
        assert_eq!(
            first,
            format!(
                r#"{{"current":true,"id":"{}","kind":"password","username":"u","hostname":"h\n","created":"2026-08-20T14:00:00+00:00","label":"","kdf":{{"memory_kib":65536,"passes":3,"lanes":4}}}}"#,
                "01".repeat(32)
            )
        );
        assert_eq!(
            second,
            format!(
                r#"{{"current":false,"id":"{}","kind":"key_file","username":null,"hostname":null,"created":null,"label":null}}"#,
                "02".repeat(32)
            )
        );
    }

    #[test]
    fn people_read_a_table() {
        let text = listing(&slots());
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[2].starts_with("01010101*  password   2026-08-2") && lines[2].ends_with("64 MiB, 3 passes"),
            "{text}"
        );
        assert!(lines[2].contains(" h\\n ") && !lines[0].contains("Label"), "{text}");
        assert_eq!((lines[3], lines[4]), ("02020202   key file", "2 keys"));
    }
}
