//! The repository: objects in a store, opened with a key. The only room that knows `object_store`.

mod direct;
pub mod fetch;
pub mod index;
pub mod index_page;
pub mod keys;
pub mod manifest;
pub mod reader;
pub mod snapshots;
pub mod store;
pub mod verdicts;
pub mod writer;

use crate::codec::envelope::{EnvelopeError, Epoch, Header, Keys};
use crate::codec::kdf::{Cost, Secret};
use crate::error::{Error, Kind, Result};
use crate::id::{Id, ObjectId};
use crate::records::config::{Config, ConfigError};
use crate::records::slot::SlotNote;
use crate::spec::{CONFIG_NAME, INDEX, KEYS, OBJECT_MAX, ObjectType, PACKS, PLANS, SNAPSHOTS};
use std::ops::Range;
use std::sync::Arc;
use store::Store;
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// An open repository.
pub struct Repository {
    store: Store,
    keys: Arc<Keys>,
    config: Config,
    slot: ObjectId,
    runtime: Handle,
}

/// Length of the plain BLAKE3 hash at the end of `config/0`, whose name cannot carry it.
const CONFIG_SUM: usize = 32;

impl Repository {
    /// Makes a repository in a store that has none, with one key slot, and opens it.
    pub async fn create(store: Store, secret: Secret, cost: Cost, note: SlotNote) -> Result<Repository> {
        refuse_occupied(&store).await?;
        let random = || {
            let mut bytes = [0; 32];
            let failed = |e| Error::new(Kind::Internal, "The system gives no random bytes").because(format!("{e}"));
            getrandom::fill(&mut bytes).map(|()| bytes).map_err(failed)
        };
        let (id, master) = (random()?, Zeroizing::new(random()?));
        let now = chrono::Utc::now();
        let epoch = Epoch { number: 0, key: master, created: now.timestamp() };
        let Some(keys) = Keys::new(id, vec![epoch]) else { unreachable!("the keyring has epoch 0") };
        let keys = Arc::new(keys);
        let config = Config::new(Id(id), now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));

        let folders = (0..=255).map(|n| format!("{PACKS}/{n:02x}"));
        store.prepare(folders.chain([INDEX, SNAPSHOTS, KEYS].map(String::from)))?;
        let sealing = keys.clone();
        let slot = on_cpu(move || keys::seal_slot(&sealing, &secret, cost, &note)).await??;
        let slot_id = Id::of(&slot);
        store.put(&format!("{KEYS}/{slot_id}"), slot.into()).await?;
        // The config comes last and makes the repository: whatever stops us before leaves a slot that opens nothing.
        let internal = |what: String| Error::new(Kind::Internal, "Cannot write the configuration").because(what);
        let plain = config.to_bytes().map_err(internal)?;
        let mut object = keys.seal(ObjectType::Config, &plain).map_err(|e| internal(e.to_string()))?;
        let sum = blake3::hash(&object);
        object.extend_from_slice(sum.as_bytes());
        store.put(CONFIG_NAME, object.into()).await?;
        Ok(Repository { store, keys, config, slot: slot_id, runtime: Handle::current() })
    }

    /// Opens a repository with a password or key file.
    pub async fn open(store: Store, secret: &Secret) -> Result<Repository> {
        let object = match store.get(CONFIG_NAME, OBJECT_MAX).await {
            Ok(object) => object,
            Err(e) if e.kind == Kind::Missing => return Err(no_config(&store).await?),
            Err(e) => return Err(e),
        };
        let broken = |why: EnvelopeError| match why {
            EnvelopeError::Newer(what) => newer(&store, &what),
            _ => Error::damaged(format!("The configuration {CONFIG_NAME} of {} is damaged", store.place()))
                .because(why)
                .hint("put back config/0 from a copy of the repository; nothing else is lost"),
        };
        let (header, body) = split_config(&object).map_err(&broken)?;
        let keys::Unlocked { keys, slot } = keys::unlock(&store, header.repository, secret).await?;
        let plain = keys.open(ObjectType::Config, body).map_err(&broken)?;
        let config = Config::from_bytes(&plain).map_err(|e| match e {
            ConfigError::Newer(what) => newer(&store, &what),
            ConfigError::Broken(what) => broken(EnvelopeError::Content(what)),
        })?;
        if config.id.0 != *keys.repository() {
            return Err(broken(EnvelopeError::Repository));
        }
        Ok(Repository { store, keys, config, slot, runtime: Handle::current() })
    }

    /// Refuses to write where only a newer program may: features it does not know, or prune plans it would not respect.
    pub async fn check_writable(&self) -> Result<()> {
        if let Some(what) = self.config.unwritable() {
            return Err(newer(&self.store, &what));
        }
        match self.store.list(PLANS).await?.first() {
            None => Ok(()),
            Some(plan) => Err(newer(&self.store, &format!("it removes data as {} says", plan.name))),
        }
    }

    /// Where its objects are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its keys.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Reads a part of an object on a plain thread, not on one of the runtime.
    pub fn read_now(&self, name: &str, range: Range<u64>, buffer: &mut Vec<u8>) -> Result<()> {
        if let Some(read) = self.store.read_local(name, &range, buffer) {
            return read;
        }
        let bytes = self.runtime.block_on(self.store.get_range(name, range))?;
        buffer.clear();
        buffer.extend_from_slice(&bytes);
        Ok(())
    }

    /// The slot that opened it.
    pub fn slot(&self) -> ObjectId {
        self.slot
    }
}

/// Header and whole sealed part of `config/0`, after checking the plain hash behind it.
pub fn split_config(object: &[u8]) -> Result<(Header, &[u8]), EnvelopeError> {
    let at = object.len().checked_sub(CONFIG_SUM).ok_or(EnvelopeError::Length)?;
    // A version that we do not know may have another layout: that is said first.
    let header = Header::parse(object, at as u64)?;
    let (body, sum) = object.split_at(at);
    match blake3::hash(body).as_bytes() == sum {
        true => Ok((header, body)),
        false => Err(EnvelopeError::Body),
    }
}

/// The error for a place without a configuration: nothing is there, or a repository that lost it.
async fn no_config(store: &Store) -> Result<Error> {
    Ok(match store.list(SNAPSHOTS).await?.is_empty() && store.list(PACKS).await?.is_empty() {
        true => store::no_repository(store.place()),
        false => Error::damaged(format!("The repository {} has lost its configuration {CONFIG_NAME}", store.place()))
            .hint("put back config/0 from a copy of the repository; nothing else is lost"),
    })
}

async fn refuse_occupied(store: &Store) -> Result<()> {
    if store.size(CONFIG_NAME).await?.is_some() {
        return Err(Error::new(Kind::Usage, format!("There is already a repository at {}", store.place()))
            .hint("use it as it is: `lastgood backup` needs no init"));
    }
    // A keyring or data without a config is a repository that lost it, not an empty place.
    for prefix in [SNAPSHOTS, PACKS, INDEX] {
        if let Some(found) = store.list(prefix).await?.first() {
            return Err(Error::new(Kind::Usage, format!("{} is not empty: it has {}", store.place(), found.name))
                .hint("a repository that lost config/0 can be opened again with a copy of that file; otherwise name an empty folder"));
        }
    }
    Ok(())
}

fn newer(store: &Store, what: &str) -> Error {
    Error::new(Kind::Unsupported, format!("The repository {} needs a newer lastgood ({what})", store.place()))
        .hint(format!("this is lastgood {}; update it", env!("CARGO_PKG_VERSION")))
}

/// The one door from async to CPU work: runs `work` on a thread where it may take its time.
pub async fn on_cpu<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::new(Kind::Internal, "A worker stopped unexpectedly").because(e))
}
