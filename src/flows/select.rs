//! Which snapshot is meant: `latest`, `latest~2`, an id prefix, narrowed by host, label, tag, path and time.

use super::last_good::Wish;
use crate::error::{Error, Kind, Result};
use crate::records::snapshot::Snapshot;
use chrono::{DateTime, FixedOffset, SecondsFormat};

/// What narrows a list of snapshots down; empty lists and `None` let everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Any of these hosts.
    pub hosts: Vec<String>,
    /// Any of these labels.
    pub labels: Vec<String>,
    /// Any of these sets; a snapshot must have all tags of a set.
    pub tags: Vec<Vec<String>>,
    /// All of these paths must be among those that were backed up.
    pub paths: Vec<String>,
    /// At or before this time.
    pub at: Option<DateTime<FixedOffset>>,
    /// Before this time.
    pub before: Option<DateTime<FixedOffset>>,
    /// After this time.
    pub after: Option<DateTime<FixedOffset>>,
    /// What else is wanted of `last-good`.
    pub wish: Wish,
}

impl Filter {
    /// Whether a snapshot passes.
    pub fn admits(&self, snapshot: &Snapshot) -> bool {
        let any = |wanted: &[String], have: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == have);
        any(&self.hosts, &snapshot.hostname)
            && any(&self.labels, &snapshot.label)
            && (self.tags.is_empty() || self.tags.iter().any(|set| set.iter().all(|tag| snapshot.tags.contains(tag))))
            && self.paths.iter().all(|path| snapshot.paths.contains(path))
            && self.at.is_none_or(|at| snapshot.time <= at)
            && self.before.is_none_or(|before| snapshot.time < before)
            && self.after.is_none_or(|after| snapshot.time > after)
    }

    /// The filter in words, for an error: empty if it lets everything through.
    fn words(&self) -> String {
        let mut words = Vec::new();
        let mut list = |name: &str, items: &[String]| {
            if !items.is_empty() {
                words.push(format!("of {name} {}", items.join(" or ")));
            }
        };
        list("host", &self.hosts);
        list("label", &self.labels);
        list("tag", &self.tags.iter().map(|set| set.join(" and ")).collect::<Vec<_>>());
        list("path", &self.paths);
        for (name, time) in [("at or before", self.at), ("before", self.before), ("after", self.after)] {
            words.extend(time.map(|time| format!("{name} {}", time.to_rfc3339_opts(SecondsFormat::Secs, true))));
        }
        words.join(", ")
    }
}

/// A snapshot and a path in it, as typed: `latest`, `latest~1`, `last-good`, `3f2a`, `latest:models/base`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// `Some(n)`: the n-th newest, from 0. `None`: by `prefix`.
    pub back: Option<usize>,
    /// The newest good one: [`super::last_good`] finds it.
    pub good: bool,
    /// Begin of the id.
    pub prefix: String,
    /// Path inside, as a manifest writes it; empty: all.
    pub path: Vec<u8>,
}

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Selector> {
        let (name, path) = text.split_once(':').unwrap_or((text, ""));
        let path = path.trim_matches('/').as_bytes().to_vec();
        if !crate::records::page::is_tree_path(&path) {
            return Err(Error::new(Kind::Usage, format!("{text:?}: the path after the colon is not a plain path"))
                .hint("write it as `lastgood ls` shows it, without `.` and `..`"));
        }
        if name == "latest" {
            return Ok(Selector { back: Some(0), good: false, prefix: String::new(), path });
        }
        if name == "last-good" {
            return Ok(Selector { back: None, good: true, prefix: String::new(), path });
        }
        if let Some(back) = name.strip_prefix("latest~").and_then(|n| n.parse().ok()) {
            return Ok(Selector { back: Some(back), good: false, prefix: String::new(), path });
        }
        if (4..=64).contains(&name.len()) && name.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Selector { back: None, good: false, prefix: name.to_owned(), path });
        }
        Err(Error::new(Kind::Usage, format!("{name:?} names no snapshot")).hint(
            "write `latest`, `latest~1`, `last-good`, or at least four digits of an id that `lastgood snapshots` shows",
        ))
    }

    /// Finds the snapshot among all of a repository, oldest first.
    pub fn find(&self, snapshots: &[Snapshot], filter: &Filter) -> Result<Snapshot> {
        let admitted: Vec<&Snapshot> = snapshots.iter().filter(|snapshot| filter.admits(snapshot)).collect();
        if let Some(back) = self.back {
            let found = admitted.iter().rev().nth(back).map(|&found| found.clone());
            return found.ok_or_else(|| self.nothing(snapshots, filter, admitted.len()));
        }
        let of_prefix = |snapshot: &&&Snapshot| snapshot.id.is_some_and(|id| id.hex().starts_with(&self.prefix));
        match admitted.iter().filter(of_prefix).collect::<Vec<_>>()[..] {
            [&found] => Ok(found.clone()),
            [] => Err(self.nothing(snapshots, filter, 0)),
            _ => Err(Error::new(Kind::Usage, format!("Several snapshots have ids that begin with {}", self.prefix))
                .hint("give more digits")),
        }
    }

    fn nothing(&self, all: &[Snapshot], filter: &Filter, admitted: usize) -> Error {
        let words = filter.words();
        let of = if words.is_empty() { String::new() } else { format!(" {words}") };
        let what = match self.back {
            Some(0) => format!("There is no snapshot{of}"),
            Some(back) => format!("There is no snapshot {back} before the latest{of}: there are {admitted}"),
            None => format!("No snapshot has an id that begins with {}{of}", self.prefix),
        };
        let hint = match (all.first(), all.last()) {
            (Some(first), Some(last)) => format!(
                "the repository has {} from {} to {}; `lastgood snapshots` lists them",
                all.len(),
                first.time.to_rfc3339_opts(SecondsFormat::Secs, true),
                last.time.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
            _ => "the repository has no snapshots yet; `lastgood backup PATH` makes the first".into(),
        };
        Error::new(Kind::NoMatch, what).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn snapshot(hour: u32, host: &str) -> Snapshot {
        let json = format!(
            r#"{{"time":"2026-01-01T{hour:02}:00:00+00:00","hostname":"{host}","username":"u","uid":0,"gid":0,"paths":["/a"],
            "tags":["x","y"],"parent":null,"sequence":1,"tree":"{0}","complete":true,"program_version":"","summary":{{}}}}"#,
            Id([0; 32])
        );
        Snapshot::from_bytes(json.as_bytes(), Id([hour as u8; 32])).unwrap()
    }

    fn hour(text: &str, filter: &Filter) -> Result<u8> {
        let all = [snapshot(1, "a"), snapshot(2, "b"), snapshot(3, "a")];
        Ok(Selector::parse(text)?.find(&all, filter)?.id.map(|id| id.0[0]).unwrap())
    }

    #[test]
    fn selectors_select() {
        let all = Filter::default();
        let time = |text| DateTime::parse_from_rfc3339(text).ok();
        assert_eq!(hour("latest", &all).unwrap(), 3);
        assert_eq!(hour("latest~2", &all).unwrap(), 1);
        assert_eq!(hour("0202", &all).unwrap(), 2);
        assert_eq!(hour("latest", &Filter { hosts: vec!["b".into()], ..all.clone() }).unwrap(), 2);
        assert_eq!(hour("latest", &Filter { at: time("2026-01-01T02:00:00Z"), ..all.clone() }).unwrap(), 2);
        assert_eq!(hour("latest", &Filter { before: time("2026-01-01T02:00:00Z"), ..all.clone() }).unwrap(), 1);
        assert_eq!(hour("latest", &Filter { tags: vec![vec!["x".into(), "y".into()]], ..all.clone() }).unwrap(), 3);
        for (text, filter) in [
            ("latest~3", all.clone()),
            ("abcd", all.clone()),
            ("latest", Filter { after: time("2026-01-01T03:00:00Z"), ..all.clone() }),
            ("latest", Filter { paths: vec!["/b".into()], ..all.clone() }),
        ] {
            assert_eq!(hour(text, &filter).unwrap_err().kind, Kind::NoMatch, "{text}");
        }
        for text in ["last", "LATEST", "ab", "latest~x", "latest:../x", ""] {
            assert_eq!(hour(text, &all).unwrap_err().kind, Kind::Usage, "{text}");
        }
        assert_eq!(Selector::parse("latest:/a/b/").unwrap().path, b"a/b");
        assert!(Selector::parse("last-good:a").unwrap().good);
    }
}
