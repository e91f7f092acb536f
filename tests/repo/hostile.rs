//! Manifests that were forged with the real key: an error or a problem, and nothing outside of the target.

use crate::common::*;
use lastgood::codec::envelope::Realm;
use lastgood::codec::pack::PackBuilder;
use lastgood::error::{Kind, Result};
use lastgood::flows::restore::{RestoreOptions, RestoreReport};
use lastgood::id::{ChunkId, Id};
use lastgood::records::manifest::{Entry, FileKind, Hole, Stamp, Xattr};
use lastgood::records::page::{PageBuilder, PageRef, write_root};
use lastgood::records::snapshot::Snapshot;
use lastgood::repo::Repository;
use lastgood::repo::index::pack_name;
use lastgood::repo::writer::Filler;
use std::sync::Arc;

const CONTENT: &[u8] = b"forged content";

fn add(filler: &mut Filler, realm: Realm, bytes: &[u8]) -> ChunkId {
    filler.add(realm, bytes, &mut Default::default()).unwrap().id()
}

fn entry(path: &[u8], kind: FileKind) -> Entry {
    Entry { path: path.to_vec(), kind, mode: 0o755, mtime: Stamp { seconds: 1, nanos: 0 }, ..Entry::default() }
}

/// A file with [`CONTENT`]; its chunk is filled in when it is stored.
fn file(path: &[u8]) -> Entry {
    Entry { size: CONTENT.len() as u64, chunks: vec![Id([0; 32])], ..entry(path, FileKind::File) }
}

fn link(path: &[u8], target: &str) -> Entry {
    Entry { link_target: target.into(), ..entry(path, FileKind::Symlink) }
}

/// Commits these pages of entries, in whatever order they come.
async fn forge_pages(repo: &Arc<Repository>, pages: Vec<Vec<Entry>>) -> Snapshot {
    let make = move |filler: &mut Filler| {
        let content = add(filler, Realm::Data, CONTENT);
        let mut refs = Vec::new();
        for entries in pages {
            let (first, count) = (entries[0].path.clone(), entries.len() as u64);
            let mut builder = PageBuilder::default();
            for mut entry in entries {
                entry.chunks.iter_mut().filter(|id| id.0 == [0; 32]).for_each(|id| *id = content);
                assert!(builder.push(entry).is_none());
            }
            let page = builder.finish().unwrap();
            refs.push(PageRef { id: add(filler, Realm::Manifest, &page.bytes), first, entries: count });
        }
        write_root(&refs)
    };
    forge(repo, make).await
}

/// Restores and verifies a forged snapshot in a sandbox; whatever it says, nothing else in the sandbox changes.
async fn attack(snapshot: &Snapshot, repo: &Arc<Repository>, case: &str) -> (Sandbox, Result<RestoreReport>) {
    let sandbox = Sandbox::new();
    let target = sandbox.fresh("target");
    let outside = sandbox.fresh("outside");
    tree::write(&outside.join("precious"), b"precious");
    let before = tree::read(&outside);
    let _ = verify(repo, true).await;
    for delete in [false, true] {
        let options =
            RestoreOptions { subtree: Vec::new(), delete, verify: true, ..to_restore(snapshot, &target, &target) };
        let report = restore(repo, &options).await;
        tree::assert_same(&before, &tree::read(&outside), case);
        let names: Vec<_> =
            std::fs::read_dir(sandbox.path("")).unwrap().map(|found| found.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{case}: {names:?}");
        if delete {
            return (sandbox, report);
        }
    }
    unreachable!()
}

fn loud(report: &Result<RestoreReport>) -> bool {
    report.as_ref().map_or(true, |report| !report.problems.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_are_none() {
    let long = vec![b'n'; 256];
    for path in [
        &b"../outside/new"[..],
        b"..",
        b".",
        b"a/../../outside/new",
        b"/etc/lastgood-was-here",
        b"//x",
        b"a//b",
        b"a/",
        b"nul\0byte",
        b"",
        &long,
    ] {
        let case = format!("path {}", path[..path.len().min(40)].escape_ascii());
        let (_, repo) = small_packs().await;
        let made = forge_pages(&repo, vec![vec![file(path)]]).await;
        let (sandbox, report) = attack(&made, &repo, &case).await;
        assert!(loud(&report), "{case}: {report:?}");
        assert!(tree::read(&sandbox.path("target")).values().all(|node| node.kind == "directory"), "{case}");
    }
    assert!(!std::path::Path::new("/etc/lastgood-was-here").exists());
}

/// Far longer than the system takes in one call, and deeper than a stack: restored, backed up again, and removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_ten_thousand_directories() {
    let (_, repo) = small_packs().await;
    let deep = [&b"d/".repeat(10_000)[..], b"file"].concat();
    let made = forge_pages(&repo, vec![vec![file(&deep)]]).await;
    let sandbox = Sandbox::new();
    let target = sandbox.fresh("target");
    let report =
        restore(&repo, &RestoreOptions { subtree: Vec::new(), ..to_restore(&made, &target, &target) }).await.unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let done = backup(&repo, &target).await.unwrap();
    assert!(done.problems.is_empty(), "{:?}", done.problems);
    assert_eq!((done.summary.total_files_processed, done.summary.data_duplicate), (1, CONTENT.len() as u64));
    let empty = sandbox.fresh("empty");
    let nothing = backup(&repo, &empty).await.unwrap();
    let clear =
        RestoreOptions { delete: true, ..to_restore(&snapshot(&repo, nothing.snapshot).await, &empty, &target) };
    let report = restore(&repo, &clear).await;
    // Sandboxes are removed by recursion, which this would be too deep for.
    assert!(std::process::Command::new("rm").arg("-rf").arg(target.join("d")).status().unwrap().success());
    assert_eq!(report.unwrap().files_deleted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_duplicates() {
    for (case, pages, refused) in [
        ("out of order", vec![vec![file(b"b"), file(b"a")]], true),
        ("twice in a page", vec![vec![file(b"a"), file(b"a")]], true),
        ("twice in two pages", vec![vec![file(b"a")], vec![file(b"a")]], true),
        ("pages out of order", vec![vec![file(b"b")], vec![file(b"a")]], true),
        ("pages that overlap", vec![vec![file(b"a"), file(b"c")], vec![file(b"b"), file(b"c")]], false),
        ("a file that is a directory", vec![vec![file(b"a"), file(b"a/b")]], false),
    ] {
        let (_, repo) = small_packs().await;
        let made = forge_pages(&repo, pages).await;
        let (sandbox, report) = attack(&made, &repo, case).await;
        assert!(loud(&report) || !refused, "{case}: {report:?}");
        let files = tree::read(&sandbox.path("target")).into_values().filter(|node| node.kind == "file");
        let right = blake3::Hasher::new().update(&0u64.to_le_bytes()).update(CONTENT).finalize();
        files.for_each(|node| assert_eq!(node.content, Some(right), "{case}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_out() {
    let outside = "../outside";
    let two_hops = vec![link(b"a", "."), link(b"b", "a/../outside"), file(b"b/new")];
    let hard = |path: &[u8]| Entry { link_group: 7, ..file(path) };
    for (case, entries) in [
        ("a file below a link", vec![link(b"a", outside), file(b"a/new")]),
        ("a file below a link to precious", vec![link(b"a", outside), file(b"a/precious")]),
        ("a directory below a link", vec![link(b"a", outside), entry(b"a/d", FileKind::Directory), file(b"a/d/new")]),
        ("two hops", two_hops),
        ("a link in the place of a directory", vec![link(b"a", outside), link(b"a/precious", "/dev/null")]),
        ("a hard link below a link", vec![hard(b"a"), link(b"b", outside), hard(b"b/precious")]),
        ("a pipe below a link", vec![link(b"a", outside), entry(b"a/pipe", FileKind::Fifo)]),
    ] {
        let (_, repo) = small_packs().await;
        let made = forge_pages(&repo, vec![entries]).await;
        let (sandbox, report) = attack(&made, &repo, case).await;
        // A link and something below it cannot both be there.
        let links: Vec<_> =
            tree::read(&sandbox.path("target")).into_values().filter(|node| node.kind == "link").collect();
        assert!(loud(&report) || links.len() < 2, "{case}: {report:?}, {links:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_that_do_not_add_up() {
    let hole = |offset, length| Hole { offset, length };
    let with = |change: fn(&mut Entry)| {
        let mut entry = file(b"f");
        change(&mut entry);
        entry
    };
    let mut forged = vec![
        ("longer than its chunks", with(|entry| entry.size += 1)),
        ("shorter than its chunks", with(|entry| entry.size -= 1)),
        ("nothing of something", with(|entry| entry.chunks.clear())),
        ("as large as can be", with(|entry| entry.size = u64::MAX)),
        ("the same chunk too often", with(|entry| entry.chunks = vec![Id([0; 32]); 3])),
        ("a chunk that nobody has", with(|entry| entry.chunks = vec![Id([7; 32])])),
        ("content as a list", with(|entry| entry.listed = true)),
        ("a list that nobody has", with(|entry| (entry.listed, entry.chunks) = (true, vec![Id([7; 32])]))),
    ];
    let len = CONTENT.len() as u64;
    for (case, holes) in [
        ("a hole inside a chunk", vec![hole(5, 3)]),
        ("holes that overlap", vec![hole(len, 10), hole(len + 5, 10)]),
        ("holes out of order", vec![hole(len + 10, 5), hole(len, 10)]),
        ("a hole without length", vec![hole(len, 0)]),
        ("a hole beyond all", vec![hole(len, u64::MAX)]),
        ("a hole behind the end", vec![hole(1000, 5)]),
    ] {
        let size = len + holes.iter().fold(0u64, |sum, hole| sum.saturating_add(hole.length)) % (1 << 40);
        forged.push((case, Entry { holes, size, ..file(b"f") }));
    }
    for (case, entry) in forged {
        let (_, repo) = small_packs().await;
        let made = forge_pages(&repo, vec![vec![entry, file(b"good")]]).await;
        let (sandbox, report) = attack(&made, &repo, case).await;
        assert!(loud(&report), "{case}: {report:?}");
        let found = tree::read(&sandbox.path("target"));
        assert_eq!(found.keys().collect::<Vec<_>>(), [b"good"], "{case}: the good file is there, the bad one is not");
    }
}

/// Packs that were sealed with the real key, of chunks that are not what their table says.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_lie() {
    let bomb = zeros_as_zstd();
    for (case, codec, raw, bytes) in [
        ("other content under an id", 0, CONTENT.len(), b"other content!".to_vec()),
        ("fewer bytes than stated", 0, CONTENT.len(), b"other".to_vec()),
        ("an unknown codec", 99, CONTENT.len(), CONTENT.to_vec()),
        ("noise as zstd", 1, CONTENT.len(), tree::noise(1, 1000)),
        ("noise as planes", 2, CONTENT.len(), tree::noise(1, 1000)),
        ("a bomb", 1, CONTENT.len(), bomb.clone()),
        ("a bomb of the length stated", 1, 63 << 20, bomb),
    ] {
        let (_, repo) = small_packs().await;
        let id = repo.keys().chunk_id(Realm::Data, CONTENT);
        let mut builder = PackBuilder::new(Realm::Data, Vec::new());
        builder.add(id, raw, |out| {
            out.extend_from_slice(&bytes);
            (codec, None)
        });
        let (table, pack) = builder.finish(repo.keys()).unwrap();
        repo.store().put(&pack_name(&table.pack), pack.into()).await.unwrap();
        repo.put_index(repo.seal_index(&[table]).unwrap()).await.unwrap();
        let made = forge_pages(&repo, vec![vec![Entry { size: raw as u64, ..file(b"f") }]]).await;
        let report = verify(&repo, true).await.unwrap();
        assert!(!report.damage.is_empty(), "{case}");
        let (sandbox, report) = attack(&made, &repo, case).await;
        // A table with a codec that is none is refused as a whole, and so the chunk was stored again.
        let whole = std::fs::read(sandbox.path("target/f")).is_ok_and(|bytes| bytes == CONTENT);
        let nothing = tree::read(&sandbox.path("target")).is_empty();
        assert!(if codec == 99 { whole } else { nothing && loud(&report) }, "{case}: {report:?}");
    }
}

/// The frame of a gigabyte of zeros.
fn zeros_as_zstd() -> Vec<u8> {
    // A skeleton of RFC 8878: no checksum, a window of 8 MiB, then blocks that repeat one byte 128 KiB times.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68];
    for block in 0..8192u32 {
        let header = (131_072 << 3) | (1 << 1) | u32::from(block == 8191);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_metadata() {
    let xattr = |name: &[u8]| vec![Xattr { name: name.to_vec(), value: vec![1; 100] }];
    for (case, entry) in [
        ("a time without end", Entry { mtime: Stamp { seconds: i64::MAX, nanos: u32::MAX }, ..file(b"f") }),
        ("a mode with all bits", Entry { mode: u32::MAX, ..file(b"f") }),
        ("an owner that is none", Entry { uid: u32::MAX, gid: u32::MAX, ..file(b"f") }),
        ("an attribute without a name", Entry { xattrs: xattr(b""), ..file(b"f") }),
        ("an attribute with NUL", Entry { xattrs: xattr(b"user.\0"), ..file(b"f") }),
        ("an attribute of an unknown space", Entry { xattrs: xattr(b"nobody.x"), ..file(b"f") }),
        ("a link to nothing", link(b"f", "")),
        ("a link that is too long", link(b"f", &"x".repeat(5000))),
        ("a link with NUL", link(b"f", "a\0b")),
        (
            "a hollow file of 8 EiB",
            Entry { size: 1 << 62, chunks: Vec::new(), holes: vec![Hole { offset: 0, length: 1 << 62 }], ..file(b"f") },
        ),
    ] {
        let (_, repo) = small_packs().await;
        let made = forge_pages(&repo, vec![vec![entry, file(b"good")]]).await;
        // What cannot be set is set as near as can be, or is a problem; it only must not harm the others.
        let (sandbox, report) = attack(&made, &repo, case).await;
        let good = std::fs::read(sandbox.path("target/good")).unwrap_or_else(|e| panic!("{case}: {e}: {report:?}"));
        assert_eq!(good, CONTENT, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_and_pages_of_noise() {
    for len in [0, 1, 10, 1000, 100_000] {
        let noise = tree::noise(len as u64, len);
        let case = format!("a root of {len} bytes of noise");
        let (_, repo) = small_packs().await;
        let root = noise.clone();
        let made = forge(&repo, move |_| root).await;
        let (_, report) = attack(&made, &repo, &case).await;
        assert_eq!(report.unwrap_err().kind, Kind::Damaged, "{case}");
        let case = format!("a page of {len} bytes of noise");
        let make = move |filler: &mut Filler| {
            let id = add(filler, Realm::Manifest, &noise);
            write_root(&[PageRef { id, first: b"a".to_vec(), entries: 1 }])
        };
        let made = forge(&repo, make).await;
        let (_, report) = attack(&made, &repo, &case).await;
        assert!(loud(&report) || len == 0, "{case}: {report:?}");
    }
    // A root that lists itself 100,000 times over costs time in proportion and no more.
    let (_, repo) = small_packs().await;
    let make = |_: &mut Filler| {
        let pages = (0..100_000u32).map(|n| PageRef {
            id: Id([9; 32]),
            first: format!("{n:09}").into_bytes(),
            entries: u64::MAX,
        });
        write_root(&pages.collect::<Vec<_>>())
    };
    let made = forge(&repo, make).await;
    let (_, report) = attack(&made, &repo, "100,000 pages that nobody has").await;
    assert!(loud(&report));
}
