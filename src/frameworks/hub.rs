//! Cache of the Hugging Face hub: `models--*/snapshots/REVISION` with links into `blobs`.
//!
//! Blobs that end in `.incomplete` are a fault of the newest revision only: older ones were finished before.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, hf_model, names};

/// The framework.
pub(super) struct Hub;

impl Framework for Hub {
    fn name(&self) -> &'static str {
        "Hugging Face hub"
    }

    fn interest(&self, _name: &[u8]) -> Interest {
        Interest::Nothing
    }

    fn find<'a>(&self, place: Place<'a>, _free: &Free<'a>) -> Vec<Claim<'a>> {
        let Some(repo) = repo(place) else { return Vec::new() };
        let mut claim = Claim::whole(place);
        hf_model::check(place, &mut claim.faults);
        let revisions = repo.dir(b"snapshots").into_iter().flat_map(Place::dirs);
        let newest = revisions.map(|dir| (dir.mtime(), dir.path())).max().is_none_or(|newest| newest.1 == place.path());
        let blobs = repo.dir(b"blobs").filter(|_| newest).into_iter().flat_map(|blobs| blobs.files().keys());
        for blob in blobs.filter(|name| name.ends_with(b".incomplete")) {
            claim.faults.push(format!("blobs/{} is an unfinished download", String::from_utf8_lossy(blob)));
        }
        vec![claim]
    }
}

/// Whether a file is one that git keeps as it is, and not as a hash: small, and perhaps an index.
pub(super) fn is_text(path: &[u8]) -> bool {
    let mut parts = path.rsplit(|c| *c == b'/');
    let [name, blobs, repo] = [(); 3].map(|()| parts.next().unwrap_or_default());
    name.len() == 40 && names::is_hash(name) && blobs == b"blobs" && repo.starts_with(b"models--")
}

/// The repository of a revision.
fn repo(place: Place<'_>) -> Option<Place<'_>> {
    let repo = place.above()?.above()?;
    (place.above()?.name() == b"snapshots" && repo.name().starts_with(b"models--")).then_some(repo)
}

#[cfg(test)]
mod tests {
    use super::super::Seen;
    use super::super::tests::{damaged, faults, file, good, link, text};

    const BLOB: &str = "0123456789abcdef0123456789abcdef01234567";
    const REVISION: &str = "hub/models--a--b/snapshots/r1";

    fn cache() -> Vec<Seen> {
        let blob = format!("hub/models--a--b/blobs/{BLOB}");
        let to = format!("../../blobs/{BLOB}");
        let links = ["config.json", "model.safetensors"].map(|name| link(&format!("{REVISION}/{name}"), &to));
        [&links[..], &[file(&blob, 99)]].concat()
    }

    #[test]
    fn good_ones_are_complete() {
        assert_eq!(good(cache()), [(REVISION.to_owned(), "Hugging Face hub", None)]);
    }

    #[test]
    fn damages_are_told() {
        let blob = format!("hub/models--a--b/blobs/{BLOB}");
        damaged(&cache(), REVISION, &[("lose", &blob), ("empty", &blob), ("break", &blob)]);
        damaged(&cache(), REVISION, &[("add", "hub/models--a--b/blobs/x.incomplete")]);
        let index = format!("hub/models--a--b/blobs/{}", BLOB.replace('0', "f"));
        let to = index.replace("hub/models--a--b", "../..");
        let more = vec![link(&format!("{REVISION}/model.safetensors.index.json"), &to), text(&index, "{\"weight_map")];
        assert_eq!(faults([cache(), more].concat()).len(), 1);
        let outside = [cache(), vec![link(&format!("{REVISION}/more.safetensors"), "/elsewhere/store/x")]].concat();
        assert_eq!(faults(outside), [format!("{REVISION}: more.safetensors points outside of what is backed up")]);
        let old =
            Seen { mtime: 5, ..link("hub/models--a--b/snapshots/r0/config.json", &format!("../../blobs/{BLOB}")) };
        let two = [cache(), vec![old, file("hub/models--a--b/blobs/x.incomplete", 5)]].concat();
        assert_eq!(faults(two), [format!("{REVISION}: blobs/x.incomplete is an unfinished download")]);
    }
}
