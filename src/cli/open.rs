//! From the global flags to an open repository.

use super::Global;
use super::secret::{PASSWORD, Source, choose};
use super::ui::Ui;
use crate::codec::kdf::{Cost, Secret};
use crate::error::{Error, Kind, Result};
use crate::records::slot::SlotNote;
use crate::repo::Repository;
use crate::repo::store::{Store, no_repository};
use crate::spec::{CONFIG_NAME, KDF_DEFAULT};
use chrono::{Local, SecondsFormat};
use std::sync::Arc;

/// What Argon2id may cost.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cost of guessing the password")]
pub struct CostArgs {
    /// Memory that each guess takes (default 64M)
    ///
    /// Whoever opens the repository needs as much, for a moment. From 8M to 4G.
    #[arg(long, value_name = "SIZE", value_parser = super::size::parse)]
    pub kdf_memory: Option<u64>,

    /// How often each guess goes over that memory (default 3)
    ///
    /// The time to open the repository grows with it. From 1 to 64.
    #[arg(long, value_name = "N")]
    pub kdf_passes: Option<u32>,
}

impl CostArgs {
    /// The cost, starting from `usual`.
    pub fn cost(&self, usual: Cost) -> Result<Cost> {
        let memory = self.kdf_memory.map(|bytes| u32::try_from(bytes >> 10).unwrap_or(u32::MAX));
        let cost = Cost {
            memory_kib: memory.unwrap_or(usual.memory_kib),
            passes: self.kdf_passes.unwrap_or(usual.passes),
            ..usual
        };
        match cost.is_sane() {
            true => Ok(cost),
            false => Err(Error::new(Kind::Usage, "--kdf-memory or --kdf-passes is out of bounds")
                .hint("memory is from 8M to 4G, and passes from 1 to 64")),
        }
    }
}

/// The cost of a new key, unless the user says otherwise.
pub fn usual_cost() -> Cost {
    let (memory_kib, passes, lanes) = KDF_DEFAULT;
    Cost { memory_kib, passes, lanes }
}

/// Where the repository is.
pub fn location(global: &Global) -> Result<&str> {
    global.repo.as_deref().ok_or_else(|| {
        Error::new(Kind::Usage, "No repository is named").hint("give --repo PATH, or set LASTGOOD_REPOSITORY")
    })
}

/// The one source of the secret that opens the repository.
pub fn source(global: &Global) -> Result<Source> {
    choose(&global.secret, std::env::var_os(PASSWORD))
}

/// Opens the repository.
pub async fn open(global: &Global, ui: &Ui) -> Result<Arc<Repository>> {
    let (location, source) = (location(global)?, source(global)?);
    let store = Store::open(location)?;
    if source == Source::Prompt && store.size(CONFIG_NAME).await?.is_none() {
        // Nobody likes to type a password for what is not there.
        return Err(no_repository(location));
    }
    let secret = source.read(location, ui)?;
    let repo = Repository::open(store, &secret).await?;
    ui.detail(&format!("Opened repository {} with key {}", repo.config().id.brief(), repo.slot().brief()));
    Ok(Arc::new(repo))
}

/// Makes the repository.
pub async fn create(global: &Global, cost: Cost, ui: &Ui) -> Result<Arc<Repository>> {
    let (location, source) = (location(global)?, source(global)?);
    if let Ok(store) = Store::open(location)
        && source == Source::Prompt
        && store.size(CONFIG_NAME).await?.is_some()
    {
        return Err(Error::new(Kind::Usage, format!("There is already a repository at {location}")));
    }
    let secret: Secret = source.read_new(ui)?;
    let repo = Repository::create(Store::create(location)?, secret, cost, slot_note(String::new())).await?;
    Ok(Arc::new(repo))
}

/// Opens the repository, or makes it if there is none; says whether it was made.
pub async fn open_or_create(global: &Global, ui: &Ui) -> Result<(Arc<Repository>, bool)> {
    let there = match Store::open(location(global)?) {
        Ok(store) => store.size(CONFIG_NAME).await?.is_some(),
        Err(e) if e.kind == Kind::NoRepository => false,
        Err(e) => return Err(e),
    };
    match there {
        true => Ok((open(global, ui).await?, false)),
        false => Ok((create(global, usual_cost(), ui).await?, true)),
    }
}

/// Who makes a key, where and when.
pub fn slot_note(label: String) -> SlotNote {
    let created = Local::now().to_rfc3339_opts(SecondsFormat::Secs, false);
    SlotNote { created, hostname: hostname(), username: username(), label }
}

/// The name of this machine.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name of the user, or its number if it has none.
pub fn username() -> String {
    let name = uzers::get_current_username().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| uzers::get_current_uid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_bounded() {
        let cost = |kdf_memory, kdf_passes| CostArgs { kdf_memory, kdf_passes }.cost(usual_cost());
        assert_eq!(cost(None, None).unwrap(), usual_cost());
        assert_eq!(cost(Some(1 << 30), Some(5)).unwrap(), Cost { memory_kib: 1 << 20, passes: 5, lanes: 4 });
        for (memory, passes) in [(Some(1 << 20), None), (Some(u64::MAX), None), (None, Some(0)), (None, Some(65))] {
            assert_eq!(cost(memory, passes).unwrap_err().kind, Kind::Usage);
        }
    }
}
