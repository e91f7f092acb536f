//! PyTorch Lightning: `*.ckpt` files, and `*.ckpt` directories of a sharded checkpoint with `meta.pt`, which is written last.

use super::tree::Place;
use super::{Claim, Framework, Free, Interest, Seen, dcp, deepspeed, names};

/// The framework.
pub(super) struct Lightning;

impl Framework for Lightning {
    fn name(&self) -> &'static str {
        "Lightning"
    }

    fn interest(&self, _name: &[u8]) -> Interest {
        Interest::Nothing
    }

    fn is_marker(&self, name: &[u8]) -> bool {
        name == b"meta.pt"
    }

    fn find<'a>(&self, place: Place<'a>, free: &Free<'a>) -> Vec<Claim<'a>> {
        let data = || place.files().keys().any(|name| name.ends_with(b".distcp"));
        let sharded = || place.has(b".metadata") || place.has(b"meta.pt") || data();
        if place.name().ends_with(b".ckpt") && (sharded() || place.dirs().any(deepspeed::is_tag)) {
            let mut claim = Claim::whole(place);
            claim.step = step(place.name());
            if sharded() {
                dcp::check(place, &mut claim.faults);
                if !place.has(b"meta.pt") && !place.has(b"common.pt") {
                    claim.faults.push("meta.pt is missing: it is written last".into());
                }
            }
            claim.faults.extend(deepspeed::lost(place).into_iter().flat_map(|lost| lost.faults));
            return vec![claim];
        }
        let files = free.iter().filter(|(name, _)| name.ends_with(b".ckpt") && is_ours(name));
        let claim =
            |name: &[u8], seen: &'a Seen| Claim { step: step(name), ..Claim::of(seen.path.clone(), vec![seen]) };
        files.map(|(name, seen)| claim(name, seen)).collect()
    }
}

/// Whether a file has a name as Lightning gives them: others write `.ckpt`, too.
fn is_ours(name: &[u8]) -> bool {
    name.starts_with(b"last") || names::contains(name, b"epoch=") || names::contains(name, b"step=")
}

fn step(name: &[u8]) -> Option<u64> {
    names::number_after(name, b"step=")
}
