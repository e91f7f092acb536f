//! Exit codes: the one list of them, what they mean, and which error ends in which.

use crate::error::{Kind, Problem, Trouble};
use std::fmt::Write;

/// How a command ends. 4 to 9 are free; 11, 22 and 30 are kept for commands to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// The command line, or a setting, is wrong.
    Usage = 2,
    /// Done, but not all of it.
    Problems = 3,
    /// There is no repository.
    NoRepository = 10,
    /// The password or key file is wrong.
    WrongKey = 12,
    /// No snapshot, or nothing in it, matches.
    NoMatch = 13,
    /// A checkpoint is not complete.
    Incomplete = 14,
    /// Damage was found.
    Damage = 20,
    /// Verification could not finish.
    Unverified = 21,
    /// A signal stopped it.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What an error ends in.
    pub fn of(kind: Kind) -> Exit {
        match kind {
            Kind::Usage => Exit::Usage,
            Kind::NoRepository => Exit::NoRepository,
            Kind::WrongKey => Exit::WrongKey,
            Kind::NoMatch => Exit::NoMatch,
            Kind::Incomplete => Exit::Incomplete,
            Kind::Damaged | Kind::Missing => Exit::Damage,
            Kind::Interrupted => Exit::Interrupted,
            Kind::Unsupported | Kind::Store | Kind::Target | Kind::Source | Kind::Internal => Exit::Failed,
        }
    }

    /// What problems end in: damage outweighs everything else.
    pub fn of_problems(problems: &[Problem]) -> Exit {
        let damage = |problem: &Problem| matches!(problem.kind, Trouble::Damaged | Trouble::Missing);
        match problems {
            [] => Exit::Done,
            problems if problems.iter().any(damage) => Exit::Damage,
            _ => Exit::Problems,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed: the message says why",
            Exit::Usage => "wrong usage or setting: nothing was done",
            Exit::Problems => "done, but with problems",
            Exit::NoRepository => "there is no repository at the place named",
            Exit::WrongKey => "wrong password or key file",
            Exit::NoMatch => "no snapshot, or nothing in it, matches",
            Exit::Incomplete => "a checkpoint is not complete, and was required to be: no snapshot was made",
            Exit::Damage => "the repository is damaged, or lacks something",
            Exit::Unverified => "verification could not look at everything; what it saw is good",
            Exit::Interrupted => "interrupted; what was stored by then is found again by the next run",
        }
    }
}

/// What every command that opens a repository can end in.
pub const OPENING: [Exit; 6] =
    [Exit::Done, Exit::Failed, Exit::Usage, Exit::NoRepository, Exit::WrongKey, Exit::Damage];

/// The section of a help text that lists exit codes: `common` ones, and `own` ones with or without words of their own.
pub fn status(common: &[Exit], own: &[(Exit, &'static str)]) -> String {
    let words = |&(exit, own): &(Exit, &'static str)| (exit, if own.is_empty() { exit.meaning() } else { own });
    let mut list: Vec<(Exit, &str)> = own.iter().map(words).collect();
    list.extend(
        common.iter().filter(|exit| own.iter().all(|(own, _)| own != *exit)).map(|exit| (*exit, exit.meaning())),
    );
    list.sort_by_key(|(exit, _)| exit.code());
    let mut text = String::from("EXIT STATUS:\n");
    for (exit, meaning) in list {
        let _ = writeln!(text, "  {:>3}  {meaning}", exit.code());
    }
    text.push_str("  Any other code is a failure too.");
    text
}

/// The section of the main help text that lists all exit codes.
pub fn all() -> String {
    status(
        &OPENING,
        &[
            (Exit::Problems, ""),
            (Exit::NoMatch, ""),
            (Exit::Incomplete, ""),
            (Exit::Unverified, ""),
            (Exit::Interrupted, ""),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_codes() {
        for (kind, code) in [
            (Kind::Usage, 2),
            (Kind::NoRepository, 10),
            (Kind::WrongKey, 12),
            (Kind::NoMatch, 13),
            (Kind::Incomplete, 14),
            (Kind::Unsupported, 1),
            (Kind::Damaged, 20),
            (Kind::Missing, 20),
            (Kind::Store, 1),
            (Kind::Target, 1),
            (Kind::Source, 1),
            (Kind::Interrupted, 130),
            (Kind::Internal, 1),
        ] {
            assert_eq!(Exit::of(kind).code(), code, "{kind:?}");
        }
    }

    #[test]
    fn damage_outweighs_other_problems() {
        let problem = |kind| Problem::new(kind, "x", "y");
        assert_eq!(Exit::of_problems(&[]), Exit::Done);
        assert_eq!(Exit::of_problems(&[problem(Trouble::NotRestored)]), Exit::Problems);
        assert_eq!(Exit::of_problems(&[problem(Trouble::NotRestored), problem(Trouble::Missing)]), Exit::Damage);
    }

    #[test]
    fn a_list_is_sorted_and_says_each_code_once() {
        let text = status(&[Exit::Failed, Exit::Done], &[(Exit::Problems, "not all"), (Exit::Done, "")]);
        assert_eq!(
            text,
            "EXIT STATUS:\n    0  done\n    1  failed: the message says why\n    3  not all\n  Any other code is a failure too."
        );
        assert_eq!(all().lines().count(), 13);
    }
}
