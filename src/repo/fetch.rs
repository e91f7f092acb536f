//! Fetching many ranges of packs: a few are on their way at any time, and plain threads work on what has arrived.

use super::index::pack_name;
use super::store::Store;
use super::{Repository, on_cpu};
use crate::error::{Error, Kind, Result};
use crate::id::ObjectId;
use bytes::Bytes;
use futures::{StreamExt, stream};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::mpsc;

/// Ranges on their way at once, beside those that are worked on.
const IN_FLIGHT: usize = 4;

/// A range of a pack, and what it is wanted for.
pub struct Read<T> {
    /// The pack.
    pub pack: ObjectId,
    /// Bytes of it.
    pub range: Range<u64>,
    /// What it is wanted for.
    pub job: T,
}

/// Fetches every range and gives it to one of a few threads; each thread makes its own worker first. An error of a
/// worker stops everything; an error of the store is the worker's to judge.
pub async fn fetch<T, W, F>(repo: &Arc<Repository>, reads: Vec<Read<T>>, worker: W) -> Result<()>
where
    T: Send + 'static,
    W: Fn() -> Result<F> + Send + Sync + 'static,
    F: FnMut(T, Result<&[u8]>) -> Result<()>,
{
    if repo.store().folder().is_some() {
        return read_here(repo.store().clone(), reads, worker).await;
    }
    let (arrived, queue) = mpsc::channel::<(T, Result<Bytes>)>(2);
    let work = on_cpu(move || {
        let queue = Mutex::new(queue);
        on_threads(|| {
            let mut work = worker()?;
            loop {
                // Held only while waiting: one thread waits for the next range, the others wait for the lock.
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                let Some((job, bytes)) = next else { return Ok(()) };
                let done = match bytes {
                    Ok(bytes) => work(job, Ok(&bytes)),
                    Err(e) => work(job, Err(e)),
                };
                if done.is_err() {
                    // The others end with what is in the queue, and the fetching stops.
                    queue.lock().unwrap_or_else(PoisonError::into_inner).close();
                    return done;
                }
            }
        })
    });
    let store = repo.store();
    let feed = async move {
        let mut fetched = stream::iter(reads)
            .map(|read| async move { (read.job, store.get_range(&pack_name(&read.pack), read.range).await) })
            .buffered(IN_FLIGHT);
        while let Some(item) = fetched.next().await {
            if arrived.send(item).await.is_err() {
                return;
            }
        }
    };
    let (done, ()) = tokio::join!(work, feed);
    done?
}

/// A folder on this machine: each thread reads for itself, into one buffer that stays.
async fn read_here<T, W, F>(store: Store, reads: Vec<Read<T>>, worker: W) -> Result<()>
where
    T: Send + 'static,
    W: Fn() -> Result<F> + Send + Sync + 'static,
    F: FnMut(T, Result<&[u8]>) -> Result<()>,
{
    on_cpu(move || {
        let reads = Mutex::new(reads.into_iter());
        on_threads(|| {
            let (mut work, mut buffer) = (worker()?, Vec::new());
            loop {
                let next = reads.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(Read { pack, range, job }) = next else { return Ok(()) };
                let read = store.read_local(&pack_name(&pack), &range, &mut buffer).unwrap_or(Ok(()));
                let done = work(job, read.map(|()| &buffer[..]));
                if done.is_err() {
                    reads.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
                    return done;
                }
            }
        })
    })
    .await?
}

/// Runs the same work on a thread for each core, two at least; the first error is the result.
pub fn on_threads(work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    let threads = thread::available_parallelism().map_or(2, usize::from).max(2);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(&work)).collect();
        let own = work();
        let lost = |_| Err(Error::new(Kind::Internal, "A worker stopped unexpectedly"));
        others.into_iter().fold(own, |first, thread| first.and(thread.join().unwrap_or_else(lost)))
    })
}
