//! Which snapshot is meant: the flags that narrow the choice, and the choice itself.

use super::time::{self, Moment};
use super::ui::Ui;
use crate::error::{Error, Kind, Result, printable};
use crate::flows::last_good::{Best, Choice, PassedOver, Wish, last_good};
use crate::flows::select::{Filter, Selector};
use crate::id::ObjectId;
use crate::records::snapshot::{Snapshot, parse_name};
use crate::repo::Repository;
use serde::Serialize;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Flags that narrow the snapshots down.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which snapshots")]
pub struct FilterArgs {
    /// Only snapshots of this host; repeat for any of several
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,

    /// Only snapshots with this label; repeat for any of several
    #[arg(long, value_name = "LABEL")]
    pub label: Vec<String>,

    /// Only snapshots with this tag: `a,b` means both, a repeated --tag means either
    #[arg(long, value_name = "TAG[,TAG]")]
    pub tag: Vec<String>,

    /// Only snapshots that were made of this path; repeat for all of several
    ///
    /// It chooses among snapshots, by what was named to `lastgood backup`. It does not choose files in them.
    #[arg(long, value_name = "PATH")]
    pub path: Vec<PathBuf>,

    /// Only snapshots at or before this time: `latest` is then the state at that time
    ///
    /// Times are written as 2026-08-20T14:00:00Z, "2026-08-20 14:00" (local), 2026-08-20 (its first moment, local),
    /// "2h ago", "2 hours ago", today or yesterday (their first moments), "yesterday 14:00", now; or as `lastgood snapshots`
    /// shows them. Spans before `ago`: 30s 15min 12h 7d 2w 3mo 1y. A time without fractions of a second is that whole second.
    #[arg(long, value_name = "TIME", value_parser = time::parse_past)]
    pub at: Option<Moment>,

    /// Only snapshots before this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub before: Option<Moment>,

    /// Only snapshots after this time
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub after: Option<Moment>,

    /// With `last-good`: the newest whose newest checkpoint is of a step before this one
    #[arg(long, value_name = "STEP")]
    pub before_step: Option<u64>,

    /// With `last-good`: not the newest, but the best by a metric, as in eval_loss:min or accuracy:max
    #[arg(long, value_name = "METRIC:min|max", value_parser = best)]
    pub best: Option<Best>,
}

fn best(text: &str) -> Result<Best> {
    let bad = || Error::new(Kind::Usage, format!("{text:?} is no metric with a direction")).hint("write eval_loss:min");
    let (metric, greatest) = match text.rsplit_once(':') {
        Some((metric, "min")) => (metric, false),
        Some((metric, "max")) => (metric, true),
        _ => return Err(bad()),
    };
    if metric.is_empty() { Err(bad()) } else { Ok(Best { metric: metric.to_owned(), greatest }) }
}

impl FilterArgs {
    /// An error if there is any flag where no snapshot is chosen; `why` says why there is none.
    pub fn refuse(&self, why: &str) -> Result<()> {
        let lists = [&self.host, &self.label, &self.tag].iter().all(|list| list.is_empty()) && self.path.is_empty();
        let wishes = self.before_step.is_some() || self.best.is_some();
        match lists && !wishes && self.at.or(self.before).or(self.after).is_none() {
            true => Ok(()),
            false => Err(Error::new(Kind::Usage, format!("{why}: the flags that choose one have no meaning here"))
                .hint("leave them out, or name the snapshot, as in `latest`")),
        }
    }

    /// The filter that the flags ask for.
    pub fn filter(&self) -> Filter {
        let absolute = |path: &PathBuf| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let text = path.to_string_lossy().into_owned();
            if text.len() > 1 { text.trim_end_matches('/').to_owned() } else { text }
        };
        Filter {
            hosts: self.host.clone(),
            labels: self.label.clone(),
            tags: self.tag.iter().map(|set| words(set)).collect(),
            paths: self.path.iter().map(absolute).collect(),
            at: self.at,
            before: self.before,
            after: self.after,
            wish: Wish { before_step: self.before_step, best: self.best.clone(), path: Vec::new() },
        }
    }
}

/// The parts of a list with commas.
pub fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// All snapshots that can be read, oldest first. Those that cannot are warned of, and their names given.
pub async fn all(repo: &Repository, ui: &Ui) -> Result<(Vec<Snapshot>, Vec<String>)> {
    let (snapshots, damaged) = repo.snapshots_and_damage().await?;
    for (_, error) in &damaged {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        ui.warn(&format!("{}{cause}", error.what));
    }
    Ok((snapshots, damaged.into_iter().map(|(name, _)| name).collect()))
}

/// What may be done with the latest snapshot if it is not said of which host and label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It is taken, with a warning.
    Warn,
    /// Too much would be lost by a wrong one.
    Refuse,
}

/// The snapshot and the path in it that the user means.
pub async fn choose(
    repo: &Arc<Repository>,
    selector: &str,
    filter: &Filter,
    guess: Guess,
    ui: &Ui,
) -> Result<(Snapshot, Vec<u8>)> {
    let selector = Selector::parse(selector)?;
    let (snapshots, damaged) = all(repo, ui).await?;
    if selector.good {
        let wish = Wish { path: selector.path.clone(), ..filter.wish.clone() };
        let found = good(repo, &snapshots, filter, &wish, ui).await?;
        refuse_guess(&found, &snapshots, filter, guess, ui)?;
        return Ok((found, selector.path));
    }
    if filter.wish != Wish::default() {
        return Err(Error::new(Kind::Usage, "--before-step and --best choose among good snapshots")
            .hint("name the snapshot `last-good`"));
    }
    let found = match selector.find(&snapshots, filter) {
        // What is meant may well be the one that cannot be read.
        Err(e) if e.kind == Kind::NoMatch && !damaged.is_empty() => {
            return Err(Error::damaged(format!("{}, but {} that cannot be read", e.what, damaged.join(", "))));
        }
        found => found?,
    };
    if selector.back.is_some() {
        refuse_older(&found, filter, &damaged)?;
        refuse_guess(&found, &snapshots, filter, guess, ui)?;
    }
    Ok((found, selector.path))
}

/// Says that results of verifications cannot be read.
pub fn warn_of(unread: &[String], ui: &Ui) {
    if let Some(first) = unread.first() {
        let more = if unread.len() > 1 { format!(" and {} more", unread.len() - 1) } else { String::new() };
        ui.warn(&format!("{first}{more} cannot be read, and may tell of damage: run `lastgood verify --read-data`"));
    }
}

/// The newer snapshots that are not good, for machines.
#[derive(Serialize)]
struct PassedOverJson<'a> {
    message_type: &'static str,
    passed_over: &'a [PassedOver],
}

/// The last good one; says why newer ones are not it.
async fn good(
    repo: &Arc<Repository>,
    snapshots: &[Snapshot],
    filter: &Filter,
    wish: &Wish,
    ui: &Ui,
) -> Result<Snapshot> {
    let admitted: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| filter.admits(snapshot)).collect();
    let Choice { snapshot, passed, unread } = last_good(repo, &admitted, wish).await?;
    warn_of(&unread, ui);
    if ui.json {
        ui.json(&PassedOverJson { message_type: "passed_over", passed_over: &passed })?;
    }
    for over in &passed {
        let time = Moment::parse_from_rfc3339(&over.time).map_or_else(|_| over.time.clone(), |time| time::show(&time));
        let reasons = printable(over.reasons.join("; ").as_bytes());
        ui.note(&format!("Passed over snapshot {} of {time}: {reasons}", over.snapshot.brief()));
    }
    Ok(snapshot)
}

/// Warns, or refuses, if snapshots of another series could be meant.
fn refuse_guess(found: &Snapshot, snapshots: &[Snapshot], filter: &Filter, guess: Guess, ui: &Ui) -> Result<()> {
    let Some(what) = guessed(found, snapshots, filter) else { return Ok(()) };
    match guess {
        Guess::Warn => ui.warn(&format!("{what}; --host and --label choose")),
        Guess::Refuse => {
            return Err(Error::new(Kind::Usage, format!("It is not said which snapshots are meant: {what}"))
                .hint("add --host or --label; `lastgood snapshots` lists them"));
        }
    }
    Ok(())
}

/// That there are other series that the latest snapshot could have been of, if the user chose none.
fn guessed(found: &Snapshot, snapshots: &[Snapshot], filter: &Filter) -> Option<String> {
    if !(filter.hosts.is_empty() && filter.labels.is_empty() && filter.tags.is_empty() && filter.paths.is_empty()) {
        return None;
    }
    let admitted = snapshots.iter().filter(|snapshot| filter.admits(snapshot));
    let series: HashSet<(&str, &str)> = admitted.map(|s| (s.hostname.as_str(), s.label.as_str())).collect();
    let others = (series.len() as u64).checked_sub(1).filter(|&others| others > 0)?;
    let label = match found.label.as_str() {
        "" => "no label".into(),
        label => format!("label {}", printable(label.as_bytes())),
    };
    let host = printable(found.hostname.as_bytes());
    let are =
        if others == 1 { "is 1 other host or label".into() } else { format!("are {others} other hosts or labels") };
    Some(format!("snapshot {} is of host {host}, {label}, and there {are}", found.brief()))
}

/// Refuses to take an older snapshot for the latest because the latest is damaged.
fn refuse_older(found: &Snapshot, filter: &Filter, damaged: &[String]) -> Result<()> {
    let hidden = damaged.iter().find(|name| {
        let time = parse_name(name.rsplit('/').next().unwrap_or_default()).map(|(time, _)| time);
        time.is_none_or(|time| {
            time > found.time
                && filter.at.is_none_or(|at| time <= at)
                && filter.before.is_none_or(|before| time < before)
        })
    });
    match hidden {
        None => Ok(()),
        Some(name) => Err(Error::damaged(format!("{name} is damaged, and could be the snapshot that is meant"))
            .hint(format!("to take the latest before it, name it: {} of {}", found.brief(), time::show(&found.time)))),
    }
}

/// A snapshot in a few words: which, when, whose, and whether it can be trusted.
pub fn describe(snapshot: &Snapshot) -> String {
    let label = if snapshot.label.is_empty() { String::new() } else { format!(", label {}", snapshot.label) };
    let mut text =
        format!("snapshot {} of {}, host {}{label}", snapshot.brief(), time::show(&snapshot.time), snapshot.hostname);
    if !snapshot.complete {
        text.push_str(&format!("; NOT COMPLETE: {}", super::size::count(snapshot.problem_count, "problem")));
    }
    text
}

/// A snapshot as JSON, with its id.
#[derive(Serialize)]
pub struct SnapshotJson<'a> {
    id: Option<ObjectId>,
    short_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    /// Why it is not good, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    good: Option<bool>,
    #[serde(flatten)]
    snapshot: &'a Snapshot,
}

impl<'a> SnapshotJson<'a> {
    /// Of a snapshot.
    pub fn new(snapshot: &'a Snapshot) -> SnapshotJson<'a> {
        SnapshotJson {
            id: snapshot.id,
            short_id: snapshot.brief(),
            step: snapshot.step(),
            faults: None,
            good: None,
            snapshot,
        }
    }

    /// With what keeps it from being good.
    pub fn with_faults(snapshot: &'a Snapshot, faults: Vec<String>) -> SnapshotJson<'a> {
        SnapshotJson { good: Some(faults.is_empty()), faults: Some(faults), ..SnapshotJson::new(snapshot) }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::id::Id;

    /// A snapshot of an hour.
    pub fn snapshot(hour: u8, extra: &str) -> Snapshot {
        let json = format!(
            r#"{{"time":"2026-01-01T{hour:02}:00:00+00:00","hostname":"h","username":"u","uid":0,"gid":0,"paths":["/a"],
            "parent":null,"sequence":1,"tree":"{}","complete":true,"program_version":"lastgood 0.1.0","summary":{{}}{extra}}}"#,
            Id([0; 32])
        );
        Snapshot::from_bytes(json.as_bytes(), Id([hour; 32])).unwrap()
    }

    #[test]
    fn flags_make_a_filter() {
        let args = FilterArgs {
            tag: vec!["a, b".into(), "c".into()],
            path: vec!["/x/y/".into(), "/".into()],
            ..FilterArgs::default()
        };
        let filter = args.filter();
        assert_eq!(filter.tags, [vec!["a".to_owned(), "b".into()], vec!["c".into()]]);
        assert_eq!(filter.paths, ["/x/y", "/"]);
        assert!(words(",").is_empty());
        assert!(args.refuse("x").is_err() && FilterArgs::default().refuse("x").is_ok());
    }

    #[test]
    fn a_damaged_newer_snapshot_is_not_passed_over() {
        let found = snapshot(10, "");
        let name = |hour| format!("snapshots/20260101T{hour}0000000000Z-{}", Id([1; 32]));
        let all = Filter::default();
        assert!(refuse_older(&found, &all, &[]).is_ok());
        assert!(refuse_older(&found, &all, &[name("09")]).is_ok());
        assert_eq!(refuse_older(&found, &all, &[name("09"), name("11")]).unwrap_err().kind, Kind::Damaged);
        assert!(refuse_older(&found, &all, &["snapshots/junk".into()]).is_err());
        let at = Filter { at: Some(found.time), ..Filter::default() };
        assert!(refuse_older(&found, &at, &[name("11")]).is_ok());
    }

    #[test]
    fn a_guess_among_series_is_told() {
        let other = |label: &str| Snapshot { label: label.into(), ..snapshot(4, "") };
        let (one, all) = (snapshot(3, ""), Filter::default());
        assert_eq!(guessed(&one, &[one.clone(), snapshot(2, "")], &all), None);
        let several = [one.clone(), other("x"), other("x"), other("y")];
        assert_eq!(
            guessed(&one, &several, &all).unwrap(),
            "snapshot 03030303 is of host h, no label, and there are 2 other hosts or labels"
        );
        assert!(
            guessed(&several[1], &several[..2], &all).unwrap().ends_with("label x, and there is 1 other host or label")
        );
        for chosen in [
            Filter { hosts: vec!["h".into()], ..all.clone() },
            Filter { labels: vec![String::new()], ..all.clone() },
            Filter { paths: vec!["/a".into()], ..all.clone() },
            Filter { at: Some(one.time), ..all.clone() },
        ] {
            assert_eq!(guessed(&one, &several, &chosen), None);
        }
    }

    #[test]
    fn a_snapshot_is_json_with_restics_names() {
        let json = serde_json::to_value(SnapshotJson::new(&snapshot(3, ""))).unwrap();
        for (name, value) in [
            ("short_id", "03030303"),
            ("time", "2026-01-01T03:00:00Z"),
            ("hostname", "h"),
            ("username", "u"),
            ("program_version", "lastgood 0.1.0"),
            ("label", ""),
        ] {
            assert_eq!(json[name], value, "{name}");
        }
        for name in ["id", "parent", "tree", "paths", "uid", "gid", "tags", "excludes", "summary", "meta", "complete"] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_snapshot_that_is_not_complete_says_so() {
        let broken = Snapshot { complete: false, problem_count: 2, label: "x".into(), ..snapshot(3, "") };
        assert!(describe(&broken).ends_with("host h, label x; NOT COMPLETE: 2 problems"));
    }
}
