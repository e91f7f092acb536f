//! `lastgood init`: makes a repository.

use super::Global;
use super::exit::{self, Exit, OPENING};
use super::open::{CostArgs, create, usual_cost};
use super::ui::Ui;
use crate::error::Result;
use crate::id::Id;
use serde::Serialize;

/// Make a repository
///
/// The folder is made if it is missing, and must be empty if it is there. The password is asked for twice unless one of the
/// global options gives it. Nobody can open the repository without the password or a key file: keep a copy of it
/// somewhere else, or add a second key with `lastgood key add`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::status(&OPENING[..3], &[]))]
pub struct Args {
    #[command(flatten)]
    cost: CostArgs,
}

/// A new repository.
#[derive(Serialize)]
pub struct Initialized<'a> {
    message_type: &'static str,
    id: Id,
    repository: &'a str,
}

impl Initialized<'_> {
    /// With its id and place.
    pub fn new(id: Id, repository: &str) -> Initialized<'_> {
        Initialized { message_type: "initialized", id, repository }
    }
}

/// Makes the repository.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit> {
    let repo = create(global, args.cost.cost(usual_cost())?, ui).await?;
    let (id, place) = (repo.config().id, repo.store().place());
    ui.report(&Initialized::new(id, place), || {
        format!("Made repository {} at {place}\nNobody can read it without its password or key file: keep a copy of it elsewhere.\n", id.brief())
    })?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shape() {
        let json = serde_json::to_string(&Initialized::new(Id([0xab; 32]), "/x")).unwrap();
        assert_eq!(json, format!(r#"{{"message_type":"initialized","id":"{}","repository":"/x"}}"#, "ab".repeat(32)));
    }
}
