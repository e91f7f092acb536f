//! Verdicts in the store: what earlier verifications found.

use super::index::FETCHES;
use super::{Repository, on_cpu};
use crate::error::{Error, Kind, Result};
use crate::id::{Id, ObjectId};
use crate::records::snapshot::{parse_name, snapshot_name};
use crate::records::verdict::Verdict;
use crate::spec::{OBJECT_MAX, ObjectType, VERDICTS};
use futures::{StreamExt, stream};

impl Repository {
    /// All verdicts, newest first, and the names of those that cannot be read: they may have told of damage.
    pub async fn verdicts(&self) -> Result<(Vec<Verdict>, Vec<String>)> {
        let listed = self.store().list(VERDICTS).await?;
        let read = stream::iter(listed).map(|listed| async move {
            let verdict = self.read_verdict(&listed.name).await;
            (listed.name, verdict)
        });
        let results: Vec<(String, Result<Verdict>)> = read.buffered(FETCHES).collect().await;
        let (mut verdicts, mut lost) = (Vec::new(), Vec::new());
        for (name, result) in results {
            match result {
                Ok(verdict) => verdicts.push(verdict),
                Err(e) if e.kind == Kind::Missing => {}
                Err(e) if matches!(e.kind, Kind::Damaged | Kind::Unsupported) => lost.push(name),
                Err(e) => return Err(e),
            }
        }
        verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.time));
        Ok((verdicts, lost))
    }

    async fn read_verdict(&self, name: &str) -> Result<Verdict> {
        let object = self.store().get(name, OBJECT_MAX).await?;
        let (keys, name) = (self.keys().clone(), name.to_owned());
        on_cpu(move || {
            let damaged = |why: String| Error::damaged(format!("The verdict {name} is damaged")).because(why);
            let (_, id) = parse_name(name.rsplit('/').next().unwrap_or_default())
                .filter(|(_, id)| Id::of(&object) == *id)
                .ok_or_else(|| damaged("its bytes are not those that its name says".into()))?;
            let plain = keys.open(ObjectType::Verdict, &object).map_err(|e| damaged(e.to_string()))?;
            Verdict::from_bytes(&plain, id).map_err(damaged)
        })
        .await?
    }

    /// Writes a verdict.
    pub async fn put_verdict(&self, verdict: &Verdict) -> Result<ObjectId> {
        let failed = |why: String| Error::new(Kind::Internal, "Cannot seal the verdict").because(why);
        let plain = verdict.to_bytes().map_err(failed)?;
        let object = self.keys().seal(ObjectType::Verdict, &plain).map_err(|e| failed(e.to_string()))?;
        let id = Id::of(&object);
        self.store().put(&format!("{VERDICTS}/{}", snapshot_name(&verdict.time, &id)), object.into()).await?;
        Ok(id)
    }
}
