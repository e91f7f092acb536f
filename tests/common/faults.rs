//! An object store that fails on the k-th write, before or after its effect, once or for ever; and counts what is asked of it.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::*;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// When the fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The write does not happen.
    Before,
    /// The write happens, but its caller is told otherwise.
    After,
}

/// Which write fails, from 0, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub at: u64,
    pub effect: Effect,
    /// The disk died: nothing works from then on, not even a read.
    pub dies: bool,
}

#[derive(Debug)]
struct State {
    inner: Arc<dyn ObjectStore>,
    fault: Option<Fault>,
    writes: AtomicU64,
    dead: AtomicBool,
    fired: AtomicBool,
    puts: Mutex<Vec<(String, u64)>>,
    reads: Mutex<Vec<String>>,
}

/// The decorator.
#[derive(Clone, Debug)]
pub struct FaultStore(Arc<State>);

impl FaultStore {
    pub fn new(inner: Arc<dyn ObjectStore>, fault: Option<Fault>) -> FaultStore {
        FaultStore(Arc::new(State {
            inner,
            fault,
            writes: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            fired: AtomicBool::new(false),
            puts: Mutex::default(),
            reads: Mutex::default(),
        }))
    }

    /// Only counts.
    pub fn counting(inner: Arc<dyn ObjectStore>) -> FaultStore {
        FaultStore::new(inner, None)
    }

    /// Whether the fault struck.
    pub fn fired(&self) -> bool {
        self.0.fired.load(SeqCst)
    }

    /// Name and length of every object that was stored.
    pub fn puts(&self) -> Vec<(String, u64)> {
        self.0.puts.lock().unwrap().clone()
    }

    /// Bytes stored below a prefix.
    pub fn put_bytes(&self, prefix: &str) -> u64 {
        self.puts().iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, len)| len).sum()
    }

    /// Names of the objects that were read, once for each read.
    pub fn reads(&self) -> Vec<String> {
        self.0.reads.lock().unwrap().clone()
    }

    fn broken(&self) -> Error {
        Error::Generic { store: "FaultStore", source: "injected fault".into() }
    }

    fn alive(&self) -> Result<()> {
        if self.0.dead.load(SeqCst) { Err(self.broken()) } else { Ok(()) }
    }

    /// Counts a write, and tells when this one is to fail.
    fn strike(&self) -> Option<Effect> {
        let number = self.0.writes.fetch_add(1, SeqCst);
        let fault = self.0.fault.filter(|fault| fault.at == number)?;
        self.0.fired.store(true, SeqCst);
        if fault.dies {
            self.0.dead.store(true, SeqCst);
        }
        Some(fault.effect)
    }

    async fn remove(&self, location: Path) -> Result<Path> {
        self.alive()?;
        let strike = self.strike();
        if strike == Some(Effect::Before) {
            return Err(self.broken());
        }
        self.0.inner.delete(&location).await?;
        if strike.is_some() { Err(self.broken()) } else { Ok(location) }
    }
}

impl std::fmt::Display for FaultStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaultStore({})", self.0.inner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.alive()?;
        let strike = self.strike();
        if strike == Some(Effect::Before) {
            return Err(self.broken());
        }
        let len = payload.content_length() as u64;
        let done = self.0.inner.put_opts(location, payload, opts).await?;
        self.0.puts.lock().unwrap().push((location.to_string(), len));
        if strike.is_some() { Err(self.broken()) } else { Ok(done) }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        panic!("one PUT per object, never multipart")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.alive()?;
        if !options.head {
            self.0.reads.lock().unwrap().push(location.to_string());
        }
        self.0.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.alive()?;
        self.0.reads.lock().unwrap().push(location.to_string());
        self.0.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let remove = move |location: Result<Path>| {
            let store = store.clone();
            async move { store.remove(location?).await }
        };
        locations.then(remove).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.alive() {
            Ok(()) => self.0.inner.list(prefix),
            Err(e) => futures::stream::iter([Err(e)]).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.alive() {
            Ok(()) => self.0.inner.list_with_offset(prefix, offset),
            Err(e) => futures::stream::iter([Err(e)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.alive()?;
        self.0.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        panic!("nothing is ever copied in the store")
    }

    async fn rename_opts(&self, _: &Path, _: &Path, _: RenameOptions) -> Result<()> {
        panic!("nothing is ever renamed in the store")
    }
}
