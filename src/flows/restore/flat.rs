//! Flat restores: files where the snapshot has symbolic links to them, as in a hub cache, so that the result stands alone.

use super::Session;
use crate::error::Result;
use crate::records::manifest::{Entry, FileKind};

/// Links to links are followed so far: a hub cache has two in a row.
const LINKS: usize = 8;

impl Session {
    /// The entry as a flat restore takes it: a link whose target the snapshot has as a file becomes that file. Any other link
    /// stays one.
    pub(super) async fn flat(&self, entry: Entry) -> Result<Entry> {
        if !self.options.flat || entry.kind != FileKind::Symlink {
            return Ok(entry);
        }
        let (mut path, mut target) = (entry.path.clone(), entry.link_target.clone());
        for _ in 0..LINKS {
            let Some(next) = resolve(&path, &target) else { return Ok(entry) };
            let Some(found) = self.manifest.entry(&next).await? else { return Ok(entry) };
            match found.kind {
                // It is written once for each link, so it is no hard link to anything.
                FileKind::File => return Ok(Entry { path: entry.path, link_group: 0, ..found }),
                FileKind::Symlink => (path, target) = (next, found.link_target),
                _ => return Ok(entry),
            }
        }
        Ok(entry)
    }
}

/// Where a link at `path` points, as a manifest writes paths; `None` if that is above the root. Only names are looked at: a
/// directory on the way that is a link itself leads nowhere.
fn resolve(path: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = match target.first() {
        Some(b'/') => Vec::new(),
        _ => path.split(|&byte| byte == b'/').collect(),
    };
    parts.pop();
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn links_are_resolved_by_name() {
        let to = |path: &str, target: &str| {
            resolve(path.as_bytes(), target.as_bytes()).map(|p| String::from_utf8(p).unwrap())
        };
        assert_eq!(to("hub/snapshots/1/x", "../../blobs/ab").unwrap(), "hub/blobs/ab");
        assert_eq!(to("a/b", "c").unwrap(), "a/c");
        assert_eq!(to("a/b", "/x//y/./z").unwrap(), "x/y/z");
        assert_eq!(to("a/b", "../../c"), None);
    }
}
