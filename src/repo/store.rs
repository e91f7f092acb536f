//! Our short vocabulary over `object_store`: create-only writes, reads, lists, deletes, and errors that say what to do.

use crate::error::{Error, Kind, Result, printable};
use crate::spec::{CONFIG_NAME, INDEX, KEYS, PACKS, SNAPSHOTS};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Objects of this size and more are packs full of data; smaller ones are soon read again.
const LARGE: usize = 1 << 20;

/// Where a repository is: a folder here, or a store that a test hands in.
#[derive(Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    place: String,
    folder: Option<PathBuf>,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its full name in the repository.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
}

impl Listed {
    /// The last component of the name.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }
}

impl Store {
    /// The folder of a repository that exists.
    pub fn open(location: &str) -> Result<Store> {
        let folder = local_path(location)?;
        match std::fs::metadata(&folder) {
            Ok(found) if found.is_dir() => Store::local(folder, location),
            Ok(_) => Err(Error::new(Kind::NoRepository, format!("There is no repository at {location}: it is a file"))
                .hint("name the folder of the repository")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(no_repository(location)),
            Err(e) => Err(Error::new(Kind::Store, format!("Cannot read the repository {location}")).because(e)),
        }
    }

    /// The folder of a repository that is to be made; the folder is made if it is missing.
    pub fn create(location: &str) -> Result<Store> {
        let folder = local_path(location)?;
        let cannot = |e: std::io::Error| {
            Error::new(Kind::Store, format!("Cannot make the folder {location}"))
                .because(e)
                .hint("name a folder that is empty or does not exist yet, below one that you may write to")
        };
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        // What an init that was cut off left is no hindrance; anything else is somebody's.
        let ours = [CONFIG_NAME, KEYS, PACKS, INDEX, SNAPSHOTS].map(|name| name.split('/').next().unwrap_or(name));
        for entry in std::fs::read_dir(&folder).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            if !ours.iter().any(|ours| name == **ours) {
                let what = format!("The folder {location} is not empty: it has {}", printable(name.as_encoded_bytes()));
                return Err(Error::new(Kind::Usage, what).hint("name a folder that is empty or does not exist yet"));
            }
        }
        Store::local(folder, location)
    }

    fn local(folder: PathBuf, location: &str) -> Result<Store> {
        let cannot = |e| store_error(format!("Cannot use the folder {location}"), e);
        let inner = LocalFileSystem::new_with_prefix(&folder).map_err(cannot)?.with_fsync(true);
        let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
        Ok(Store { inner: Arc::new(inner), place: location.into(), folder: Some(folder) })
    }

    /// Any object store, under a name for messages.
    pub fn from_object_store(inner: Arc<dyn ObjectStore>, place: &str) -> Store {
        Store { inner, place: place.into(), folder: None }
    }

    /// The place as the user wrote it.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The folder, if the store is one on this machine.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }

    /// Makes sub-folders ahead, durably, so that no later write has to; other stores need none.
    pub fn prepare(&self, folders: impl Iterator<Item = String>) -> Result<()> {
        let Some(root) = &self.folder else { return Ok(()) };
        let cannot =
            |e: std::io::Error| Error::new(Kind::Store, format!("Cannot make folders in {}", self.place)).because(e);
        for folder in folders {
            std::fs::create_dir_all(root.join(folder)).map_err(cannot)?;
        }
        let handle = std::fs::File::open(root).map_err(cannot)?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&handle).map_err(|e| cannot(e.into()))?;
        handle.sync_all().map_err(cannot)
    }

    /// Writes an object that must not exist yet. Finding the very same bytes there already is success.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        match self.create_object(name, &bytes).await {
            Ok(()) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                let there = self.get(name, bytes.len() as u64).await?;
                if there == bytes {
                    return Ok(());
                }
                Err(Error::new(Kind::Store, format!("{name} already exists in {} with other content", self.place)))
            }
            Err(e) => Err(store_error(format!("Cannot write {name} to {}", self.place), e)),
        }
    }

    async fn create_object(&self, name: &str, bytes: &Bytes) -> object_store::Result<()> {
        if bytes.len() >= LARGE && self.create_direct(name, bytes).await? {
            return Ok(());
        }
        self.inner.put_opts(&Path::from(name), PutPayload::from(bytes.clone()), PutMode::Create.into()).await?;
        if bytes.len() >= LARGE {
            self.let_go(name).await;
        }
        Ok(())
    }

    /// Writes an object past the page cache; `false`, and nothing written, where that is not possible.
    async fn create_direct(&self, name: &str, bytes: &Bytes) -> object_store::Result<bool> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(name)) else { return Ok(false) };
        let (bytes, name) = (bytes.clone(), name.to_owned());
        let written = tokio::task::spawn_blocking(move || super::direct::create(&path, &bytes)).await?;
        written.map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists { path: name, source: e.into() },
            _ => object_store::Error::Generic { store: "LocalFileSystem", source: e.into() },
        })
    }

    /// Tells the system that an object just written will not be read soon: a night's backup must not push out of memory
    /// what the machine is working with, and pages that go round are cheaper than new ones.
    async fn let_go(&self, name: &str) {
        #[cfg(target_os = "linux")]
        if let Some(path) = self.folder.as_ref().map(|folder| folder.join(name)) {
            let advise = move || {
                let file = std::fs::File::open(path)?;
                std::io::Result::Ok(rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?)
            };
            // Only advice: nothing is lost if it is not taken.
            super::on_cpu(advise).await.ok();
        }
    }

    /// Reads a whole object of at most `most` bytes.
    pub async fn get(&self, name: &str, most: u64) -> Result<Bytes> {
        let cannot = |e| store_error(format!("Cannot read {name} from {}", self.place), e);
        let found = self.inner.get_opts(&Path::from(name), GetOptions::default()).await.map_err(cannot)?;
        if found.meta.size > most {
            return Err(Error::damaged(format!("{name} is {} bytes long, which is too much", found.meta.size)));
        }
        found.bytes().await.map_err(cannot)
    }

    /// Reads a part of an object; fewer bytes than asked for is an error.
    pub async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let want = range.end - range.start;
        let bytes = self
            .inner
            .get_range(&Path::from(name), range)
            .await
            .map_err(|e| store_error(format!("Cannot read {name} from {}", self.place), e))?;
        if bytes.len() as u64 != want {
            return Err(Error::damaged(format!("{name} is shorter than it must be")));
        }
        Ok(bytes)
    }

    /// Reads a part of an object into a buffer, if the store is a folder here: no thread is crossed, no memory is new.
    /// `None` for any other store.
    pub fn read_local(&self, name: &str, range: &Range<u64>, buffer: &mut Vec<u8>) -> Option<Result<()>> {
        use std::os::unix::fs::FileExt;
        let path = self.folder.as_ref()?.join(name);
        buffer.resize((range.end - range.start) as usize, 0);
        let read = std::fs::File::open(path).and_then(|file| file.read_exact_at(buffer, range.start));
        Some(read.map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::damaged(format!("{name} is shorter than it must be")),
            std::io::ErrorKind::NotFound => Error::new(Kind::Missing, format!("{name} is missing from {}", self.place)),
            _ => Error::new(Kind::Store, format!("Cannot read {name} from {}", self.place)).because(e),
        }))
    }

    /// Length of an object, or `None` if there is none.
    pub async fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.inner.head(&Path::from(name)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(store_error(format!("Cannot read {name} from {}", self.place), e)),
        }
    }

    /// All objects below a prefix, sorted by name.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let objects: Vec<_> = self
            .inner
            .list(Some(&Path::from(prefix)))
            .map(|found| found.map(|meta| Listed { name: meta.location.to_string(), size: meta.size }))
            .try_collect()
            .await
            .map_err(|e| store_error(format!("Cannot list {prefix}/ in {}", self.place), e))?;
        let mut objects = objects;
        objects.sort_by(|a: &Listed, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    /// Removes an object; that it is gone already is no error.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self.inner.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(store_error(format!("Cannot delete {name} from {}", self.place), e)),
        }
    }
}

/// The error for a place without a repository.
pub fn no_repository(place: &str) -> Error {
    Error::new(Kind::NoRepository, format!("There is no repository at {place}"))
        .hint("make one with `lastgood init`, or with the first backup: `lastgood backup --init`")
}

fn local_path(location: &str) -> Result<PathBuf> {
    if let Some(path) = location.strip_prefix("file://") {
        return Ok(PathBuf::from(path));
    }
    match scheme(location) {
        Some(scheme) => Err(Error::new(Kind::Usage, format!("Repository {location}: {scheme}: is not supported"))
            .hint(format!(
                "this version stores in local folders: give a path, ./{location} if that is the folder's name"
            ))),
        None if location.is_empty() => {
            Err(Error::new(Kind::Usage, "The name of the repository is empty").hint("give a path with --repo"))
        }
        None => Ok(PathBuf::from(location)),
    }
}

/// The scheme of something that is written like a URL: `s3://b/p`, and `s3:b` or `sftp:h:/p` as other tools have it. A
/// folder with such a name can be written as `./s3:b`.
fn scheme(location: &str) -> Option<&str> {
    let (scheme, _) = location.split_once(':')?;
    let plain =
        scheme.len() > 1 && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    plain.then_some(scheme)
}

/// Turns an error of the store into ours, with what the user can do about the common ones.
fn store_error(what: String, cause: object_store::Error) -> Error {
    let kind = match &cause {
        object_store::Error::NotFound { .. } => Kind::Missing,
        _ => Kind::Store,
    };
    let error = Error::new(kind, what);
    let error = match io_kind(&cause) {
        Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) => {
            error.hint("the disk is full: free some space and run the same command again; what was stored is kept")
        }
        Some(std::io::ErrorKind::PermissionDenied) => error.hint("check who owns the folder, and its permissions"),
        Some(std::io::ErrorKind::ReadOnlyFilesystem) => error.hint("the file system is mounted read-only"),
        _ => error,
    };
    error.because(cause)
}

fn io_kind(cause: &object_store::Error) -> Option<std::io::ErrorKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}
