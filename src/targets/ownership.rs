//! Whom a restored file shall belong to: names of this system before numbers of the old one.

use crate::records::manifest::Entry;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// More names than any system has; only a forged manifest names more.
const NAMES_MAX: usize = 4096;

type Names = Mutex<HashMap<String, Option<u32>>>;

/// Looks up owners, each once. Any number of threads may use it at once.
#[derive(Debug)]
pub struct Ownership {
    root: bool,
    numeric: bool,
    users: Names,
    groups: Names,
}

impl Default for Ownership {
    fn default() -> Self {
        Ownership::new()
    }
}

impl Ownership {
    /// Sets owners and special bits if this process is root's.
    pub fn new() -> Ownership {
        let root = rustix::process::geteuid().is_root();
        Ownership { root, numeric: false, users: Names::default(), groups: Names::default() }
    }

    /// Goes by numbers only: for restores of another system's files.
    pub fn numeric(self) -> Ownership {
        Ownership { numeric: true, ..self }
    }

    /// Does what a process that is not root's does: files belong to whoever runs it, without setuid, setgid and sticky bits.
    pub fn unprivileged(self) -> Ownership {
        Ownership { root: false, ..self }
    }

    /// Whether owners and special bits are set at all.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// The user and group number that the entry's names mean here, or else the ones it was recorded with.
    pub fn of(&self, entry: &Entry) -> (u32, u32) {
        if self.numeric {
            return (entry.uid, entry.gid);
        }
        let user = number(&self.users, &entry.user, |name| uzers::get_user_by_name(name).map(|user| user.uid()));
        let group = number(&self.groups, &entry.group, |name| uzers::get_group_by_name(name).map(|group| group.gid()));
        (user.unwrap_or(entry.uid), group.unwrap_or(entry.gid))
    }
}

fn number(names: &Names, name: &str, look_up: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    if name.is_empty() {
        return None;
    }
    let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return *known;
    }
    if names.len() == NAMES_MAX {
        names.clear();
    }
    let found = look_up(name);
    names.insert(name.to_owned(), found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_this_system_wins_over_a_number() {
        let entry =
            Entry { uid: 4711, gid: 4712, user: "root".into(), group: "no such group here".into(), ..Entry::default() };
        let ownership = Ownership::new();
        assert_eq!(ownership.of(&entry), (0, 4712));
        assert_eq!(ownership.of(&entry), (0, 4712));
        assert_eq!(ownership.numeric().of(&entry), (4711, 4712));
    }

    #[test]
    fn forged_names_do_not_fill_the_memory() {
        let names = Names::default();
        for i in 0..3 * NAMES_MAX {
            assert_eq!(number(&names, &format!("user{i}\0"), |_| None), None);
        }
        assert!(names.lock().is_ok_and(|names| names.len() <= NAMES_MAX));
    }
}
