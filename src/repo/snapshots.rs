//! Snapshots in the store: listing, reading, and the one write that commits a backup.

use super::index::FETCHES;
use super::{Repository, on_cpu};
use crate::error::{Error, Kind, Result};
use crate::id::{Id, ObjectId};
use crate::records::snapshot::{Snapshot, parse_name, snapshot_name};
use crate::spec::{OBJECT_MAX, ObjectType, SNAPSHOTS};
use futures::{StreamExt, stream};

impl Repository {
    /// All snapshots, oldest first. One that cannot be opened is an error that names it.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let (snapshots, mut damaged) = self.snapshots_and_damage().await?;
        match damaged.pop() {
            None => Ok(snapshots),
            Some((_, error)) => Err(error),
        }
    }

    /// All snapshots that open, oldest first, and those that do not with the reason.
    pub async fn snapshots_and_damage(&self) -> Result<(Vec<Snapshot>, Vec<(String, Error)>)> {
        let listed = self.store().list(SNAPSHOTS).await?;
        let results: Vec<(String, Result<Snapshot>)> = stream::iter(listed)
            .map(|listed| async move {
                let snapshot = self.read_snapshot(&listed.name).await;
                (listed.name, snapshot)
            })
            .buffered(FETCHES)
            .collect()
            .await;
        let (mut snapshots, mut damaged) = (Vec::new(), Vec::new());
        for (name, result) in results {
            match result {
                Ok(snapshot) => snapshots.push(snapshot),
                // Forgotten by another host between the listing and now.
                Err(e) if e.kind == Kind::Missing => {}
                Err(e) if e.kind == Kind::Damaged => damaged.push((name, e)),
                Err(e) => return Err(e),
            }
        }
        snapshots.sort_by_key(|snapshot| snapshot.time);
        Ok((snapshots, damaged))
    }

    /// Reads one snapshot and checks that its name tells the truth.
    pub async fn read_snapshot(&self, name: &str) -> Result<Snapshot> {
        let object = self.store().get(name, OBJECT_MAX).await?;
        let (keys, name) = (self.keys().clone(), name.to_owned());
        on_cpu(move || {
            let damaged = |why: String| Error::damaged(format!("The snapshot {name} is damaged")).because(why);
            let (_, id) = parse_name(name.rsplit('/').next().unwrap_or_default())
                .ok_or_else(|| damaged("its name is not one of a snapshot".into()))?;
            if Id::of(&object) != id {
                return Err(damaged("its bytes are not those that its name says".into()));
            }
            let plain = keys.open(ObjectType::Snapshot, &object).map_err(|e| damaged(e.to_string()))?;
            let snapshot = Snapshot::from_bytes(&plain, id).map_err(damaged)?;
            match name.ends_with(&snapshot_name(&snapshot.time, &id)) {
                true => Ok(snapshot),
                false => Err(damaged("the time in its name is not its time".into())),
            }
        })
        .await?
    }

    /// Writes a snapshot: from here on the backup exists.
    pub async fn commit(&self, snapshot: &Snapshot) -> Result<ObjectId> {
        let failed = |why: String| Error::new(Kind::Internal, "Cannot seal the snapshot").because(why);
        let plain = snapshot.to_bytes().map_err(failed)?;
        let object = self.keys().seal(ObjectType::Snapshot, &plain).map_err(|e| failed(e.to_string()))?;
        let id = Id::of(&object);
        let name = snapshot_name(&snapshot.time, &id);
        if parse_name(&name).is_none() {
            return Err(Error::new(Kind::Usage, "The time of the snapshot is out of range"));
        }
        let name = format!("{SNAPSHOTS}/{name}");
        self.store().put(&name, object.into()).await?;
        Ok(id)
    }
}
