//! Every kind of damage to every kind of object: verify names the object, and no restore writes wrong bytes.

use crate::common::*;
use bytes::Bytes;
use lastgood::error::Kind;
use lastgood::flows::verify::VerifyReport;
use lastgood::id::Id;
use lastgood::records::snapshot::Snapshot;
use lastgood::repo::Repository;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Kinds of objects, by the type in their header.
const KINDS: [(u8, &str); 6] =
    [(1, "config"), (2, "key slot"), (3, "data pack"), (4, "manifest pack"), (5, "index page"), (6, "snapshot")];

/// A repository with two of everything but the configuration, and what its snapshots restore to.
struct World {
    sandbox: Sandbox,
    source: PathBuf,
    base: Arc<InMemory>,
    snapshots: Vec<(Snapshot, tree::Tree)>,
    objects: BTreeMap<String, Bytes>,
    /// Another repository of the same source and secret.
    other: BTreeMap<String, Bytes>,
}

/// What is done to the repository: name of an object and its new bytes, or none.
type Blow = Vec<(String, Option<Bytes>)>;

/// What became of a damaged repository.
struct Outcome {
    /// Everything that was said about what object.
    said: Vec<String>,
    /// Whether it was said in a way that changes the exit code.
    loud: bool,
    /// Files of each snapshot that were not restored.
    missing: Vec<Vec<Vec<u8>>>,
    report: Option<VerifyReport>,
}

async fn build(source: &std::path::Path) -> (Arc<InMemory>, Vec<(Snapshot, tree::Tree)>) {
    let (memory, repo) = small_packs().await;
    repo.add_slot(key(2), CHEAP, note()).await.unwrap();
    let mut snapshots = Vec::new();
    for seed in [1, 50] {
        if seed != 1 {
            tree::write(&source.join("model/optimizer.bin"), &tree::noise(seed, 200 << 10));
        }
        let done = backup(&repo, source).await.unwrap();
        snapshots.push((snapshot(&repo, done.snapshot).await, tree::read(source)));
    }
    (memory, snapshots)
}

impl World {
    async fn new() -> World {
        let sandbox = Sandbox::new();
        let source = sandbox.fresh("source");
        tree::sample(&source, 1, 800 << 10);
        let other = build(&source).await.0;
        tree::sample(&sandbox.fresh("source"), 1, 800 << 10);
        let (base, snapshots) = build(&source).await;
        let objects = objects(&*base).await.into_iter().collect();
        let other = self::objects(&*other).await.into_iter().collect();
        World { sandbox, source, base, snapshots, objects, other }
    }

    /// The objects of one type; the first slot is the one that key 1 opens.
    fn of_type(&self, kind: u8) -> Vec<(&String, &Bytes)> {
        self.objects.iter().filter(|(_, bytes)| bytes[9] == kind).collect()
    }

    async fn strike(&self, blow: &Blow) -> Arc<InMemory> {
        let memory = Arc::new(self.base.fork());
        for (name, bytes) in blow {
            let path = ObjectPath::from(name.as_str());
            match bytes {
                Some(bytes) => drop(memory.put(&path, bytes.clone().into()).await.unwrap()),
                None => memory.delete(&path).await.unwrap(),
            }
        }
        memory
    }

    /// Opens, verifies and restores a damaged repository. Wrong bytes under a real name fail here.
    async fn suffer(&self, blow: &Blow, deep: bool, case: &str) -> Outcome {
        let memory = self.strike(blow).await;
        let mut outcome = Outcome { said: Vec::new(), loud: false, missing: Vec::new(), report: None };
        let mut opened = Vec::new();
        for number in [1, 2] {
            match Repository::open(store(memory.clone()), &key(number)).await {
                Ok(repo) => opened.push(Arc::new(repo)),
                Err(e) => {
                    let right = [Kind::Damaged, Kind::WrongKey, Kind::NoRepository, Kind::Unsupported];
                    assert!(right.contains(&e.kind), "{case}: {}", words(&e));
                    outcome.said.push(words(&e));
                }
            }
        }
        let Some(repo) = opened.pop() else {
            outcome.loud = true;
            return outcome;
        };
        match verify(&repo, deep).await {
            Ok(report) => {
                outcome.loud = !report.damage.is_empty();
                outcome.said.extend(report.damage.iter().map(|damage| format!("{} {}", damage.object, damage.message)));
                outcome.said.extend(report.notes.iter().map(|note| format!("{} {}", note.item, note.message)));
                outcome.report = Some(report);
            }
            Err(e) => {
                assert_eq!(e.kind, Kind::Damaged, "{case}: {}", words(&e));
                outcome.loud = true;
                outcome.said.push(words(&e));
            }
        }
        self.restore_all(&repo, &mut outcome, case).await;
        outcome
    }

    async fn restore_all(&self, repo: &Arc<Repository>, outcome: &mut Outcome, case: &str) {
        for (snapshot, expected) in &self.snapshots {
            let target = self.sandbox.fresh("target");
            let (quiet, what) = match restore(repo, &to_restore(snapshot, &self.source, &target)).await {
                Ok(report) => (report.problems.is_empty(), format!("{:?}", report.problems)),
                Err(e) => (false, words(&e)),
            };
            let missing = tree::missing_but_never_wrong(expected, &tree::read(&target), case);
            assert!(missing.is_empty() || !quiet, "{case}: {} are missing and nobody said so", missing.len());
            if quiet {
                tree::assert_same(expected, &tree::read(&target), case);
            }
            outcome.said.push(what);
            outcome.missing.push(missing);
        }
    }
}

/// What can happen to one object. The first number says how many bytes matter in front of padding.
fn blows(name: &str, bytes: &Bytes) -> Vec<(String, Blow)> {
    let len = bytes.len();
    let mut all: Vec<(String, Blow)> = Vec::new();
    let mut add = |what: String, new: Option<Vec<u8>>| all.push((what, vec![(name.to_owned(), new.map(Bytes::from))]));
    for at in [0, 9, 13, 20, 50, 90, 115, 124, 128, 200, len / 2, len - 40, len - 17, len - 5, len - 1] {
        let mut new = bytes.to_vec();
        new[at.min(len - 1)] ^= 1 << (at % 8);
        add(format!("bit flipped in byte {at} of {len}"), Some(new));
    }
    for keep in [0, 1, 127, len / 2, len - 1] {
        add(format!("cut to {keep} of {len} bytes"), Some(bytes[..keep].to_vec()));
    }
    add("one byte longer".into(), Some([&bytes[..], &[0]].concat()));
    for at in [128, len / 2] {
        let mut new = bytes.to_vec();
        let end = len.min(at + 512);
        new[at..end].fill(0);
        add(format!("zeros from {at} to {end}"), Some(new));
    }
    all
}

/// Whether what was said names the object: by its whole name, or a person's short form of it.
fn names(said: &str, name: &str) -> bool {
    let hash = name.rsplit(['/', '-']).next().unwrap_or_default();
    said.contains(name) || (hash.len() == 64 && said.contains(&hash[..8]))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_blow_to_every_kind_of_object_is_found() {
    let world = World::new().await;
    for (kind, kind_name) in KINDS {
        let all = world.of_type(kind);
        let (name, bytes) = all[0];
        assert!(kind == 1 || all.len() >= 2, "{kind_name}: {}", all.len());
        for (what, blow) in blows(name, bytes) {
            let case = format!("{kind_name} {name}: {what}");
            let outcome = world.suffer(&blow, true, &case).await;
            assert!(outcome.loud && outcome.said.iter().any(|said| names(said, name)), "{case}: {:#?}", outcome.said);
            // Only the content of packs is needed for a restore once the repository is open and its index read.
            if kind == 3 {
                affected_are_named(&world, &outcome, &case);
            }
        }
    }
}

/// Every file that did not come back is named by verify.
fn affected_are_named(world: &World, outcome: &Outcome, case: &str) {
    let report = outcome.report.as_ref().unwrap();
    for ((snapshot, _), missing) in world.snapshots.iter().zip(&outcome.missing) {
        for path in missing {
            let path = lastgood::error::printable(&[b"/", &inside(&world.source)[..], b"/", path].concat());
            let named = report.damage.iter().flat_map(|damage| &damage.files);
            let found = named.clone().any(|file| Some(file.snapshot) == snapshot.id && file.path == path);
            assert!(found, "{case}: {path} of {} is lost, named are {:?}", snapshot.brief(), named.collect::<Vec<_>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_and_foreign_objects_are_found() {
    let world = World::new().await;
    for (kind, kind_name) in KINDS {
        let all = world.of_type(kind);
        if let [(a, a_bytes), (b, b_bytes), ..] = all[..] {
            let case = format!("{kind_name}: {a} and {b} changed places");
            let blow = vec![(a.clone(), Some(b_bytes.clone())), (b.clone(), Some(a_bytes.clone()))];
            let outcome = world.suffer(&blow, true, &case).await;
            assert!(outcome.loud, "{case}");
            let both = [a, b].map(|name| outcome.said.iter().any(|said| names(said, name)));
            assert!(both == [true; 2], "{case}: {:#?}", outcome.said);
        }
        let (_, foreign) = world.other.iter().find(|(_, bytes)| bytes[9] == kind).unwrap();
        let case = format!("{kind_name} {}: another repository's bytes", all[0].0);
        let outcome = world.suffer(&vec![(all[0].0.clone(), Some(foreign.clone()))], true, &case).await;
        assert!(outcome.loud, "{case}: {:#?}", outcome.said);
        assert!(kind == 1 || outcome.said.iter().any(|said| names(said, all[0].0)), "{case}: {:#?}", outcome.said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_another_repository_under_their_own_names_do_no_harm() {
    let world = World::new().await;
    for (kind, kind_name) in KINDS.into_iter().filter(|(kind, _)| *kind != 1) {
        let (name, bytes) = world.other.iter().find(|(_, bytes)| bytes[9] == kind).unwrap();
        let case = format!("foreign {kind_name} {name}");
        let outcome = world.suffer(&vec![(name.clone(), Some(bytes.clone()))], true, &case).await;
        assert!(outcome.said.iter().any(|said| names(said, name)), "{case} is not mentioned: {:#?}", outcome.said);
        assert!(outcome.missing.iter().all(Vec::is_empty), "{case}: {:?}", outcome.missing);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_object_is_found_without_reading_data() {
    let world = World::new().await;
    for (kind, kind_name) in KINDS {
        let all = world.of_type(kind);
        for (name, bytes) in &all {
            for keep in [None, Some(0), Some(bytes.len() / 2), Some(bytes.len() - 1)] {
                let case =
                    format!("{kind_name} {name}: {}", keep.map_or("removed".into(), |len| format!("cut to {len}")));
                let blow = vec![((*name).clone(), keep.map(|len| bytes.slice(..len)))];
                let outcome = world.suffer(&blow, false, &case).await;
                match (kind, keep) {
                    // Nothing in the repository tells how many keys there were.
                    (2, None) => assert!(outcome.missing.iter().all(Vec::is_empty), "{case}"),
                    // Packs carry their own index: nothing is lost, and the packs are named.
                    (5, None) => {
                        let note = outcome.said.iter().any(|said| said.starts_with("packs/"));
                        assert!(note && outcome.missing.iter().all(Vec::is_empty), "{case}: {:#?}", outcome.said);
                    }
                    // The newest is missed by nobody: only a witness outside could tell.
                    (6, None) if *name == all[all.len() - 1].0 => {}
                    _ => {
                        let named = outcome.said.iter().any(|said| names(said, name));
                        assert!(outcome.loud && named, "{case}: {:#?}", outcome.said);
                    }
                }
                if kind == 3 {
                    affected_are_named(&world, &outcome, &case);
                }
            }
        }
    }
}

/// One bit in every few hundred bytes of every object, and every byte of the small ones' headers; verify alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_of_single_bits() {
    let world = World::new().await;
    let flips: usize = std::env::var("LASTGOOD_FLIPS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let total: usize = world.objects.values().map(Bytes::len).sum();
    let seed = Id::of(format!("{:?}", std::time::SystemTime::now()).as_bytes());
    let mut random = blake3::Hasher::new().update(&seed.0).finalize_xof();
    for _ in 0..flips {
        let mut word = [0; 8];
        random.fill(&mut word);
        let mut at = u64::from_le_bytes(word) as usize % total;
        let found = world.objects.iter().find(|(_, bytes)| {
            let here = at < bytes.len();
            at -= if here { 0 } else { bytes.len() };
            here
        });
        let (name, bytes) = found.unwrap();
        let mut new = bytes.to_vec();
        new[at] ^= 1 << (word[7] % 8);
        let case = format!("seed {seed}: {name} byte {at} bit {}", word[7] % 8);
        let memory = world.strike(&vec![(name.clone(), Some(new.into()))]).await;
        let Ok(repo) = open(memory).await else { continue };
        let report = verify(&repo, true).await.unwrap_or_else(|e| panic!("{case}: {}", words(&e)));
        assert!(report.damage.iter().any(|damage| damage.object == *name), "{case}: {:?}", report.damage);
    }
}

/// What is still on disk is stored anew by the next backup, and old snapshots that share it heal.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_heals_what_is_lost() {
    let world = World::new().await;
    let newest = world.snapshots.last().unwrap();
    for (name, bytes) in world.of_type(3).into_iter().chain(world.of_type(4)).chain(world.of_type(5)) {
        for keep in [None, Some(bytes.len() / 2), Some(200)] {
            let case = format!("{name} {}", keep.map_or("removed".into(), |len| format!("cut to {len}")));
            let memory = world.strike(&vec![(name.clone(), keep.map(|len| bytes.slice(..len)))]).await;
            let repo = open(memory).await.unwrap();
            let done = backup(&repo, &world.source).await.unwrap_or_else(|e| panic!("{case}: {}", words(&e)));
            // The pages of the new snapshot's manifest are those of the newest before, or new because times are.
            let ids = if bytes[9] == 4 { vec![done.snapshot] } else { vec![done.snapshot, newest.0.id] };
            for id in ids {
                let target = world.sandbox.fresh("target");
                let made = snapshot(&repo, id).await;
                let report = restore(&repo, &to_restore(&made, &world.source, &target)).await.unwrap();
                tree::assert_same(&newest.1, &tree::read(&target), &case);
                // A page of the index that is damaged is still there, and is said to be.
                let problems: Vec<_> =
                    report.problems.iter().filter(|problem| !problem.item.contains("index/")).collect();
                assert!(problems.is_empty(), "{case}: {problems:?}");
            }
        }
    }
}
