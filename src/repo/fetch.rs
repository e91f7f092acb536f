//! Fetching many ranges of packs: a few are on their way at any time, and plain threads work on what has arrived.

use super::index::pack_name;
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
    F: FnMut(T, Result<Bytes>) -> Result<()>,
{
    let (arrived, queue) = mpsc::channel(2);
    let threads = thread::available_parallelism().map_or(2, usize::from).max(2);
    let work = on_cpu(move || {
        let queue = Mutex::new(queue);
        let work = || {
            let done = worker().and_then(|mut work| {
                loop {
                    // Held only while waiting: one thread waits for the next range, the others wait for the lock.
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    match next {
                        Some((job, bytes)) => work(job, bytes)?,
                        None => return Ok(()),
                    }
                }
            });
            if done.is_err() {
                // The others end with what is in the queue, and the fetching stops.
                queue.lock().unwrap_or_else(PoisonError::into_inner).close();
            }
            done
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let own = work();
            let lost = |_| Err(Error::new(Kind::Internal, "A worker stopped unexpectedly"));
            others.into_iter().fold(own, |first, thread| first.and(thread.join().unwrap_or_else(lost)))
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
