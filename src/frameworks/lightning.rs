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

#[cfg(test)]
mod tests {
    use super::super::tests::{damaged, file, good, link, text};

    #[test]
    fn good_ones_are_complete() {
        let seen = vec![file("c/epoch=3-step=1000.ckpt", 9), link("c/last.ckpt", "epoch=3-step=1000.ckpt")];
        let expected = [("epoch=3-step=1000", Some(1000)), ("last", None)];
        assert_eq!(good(seen), expected.map(|(name, step)| (format!("c/{name}.ckpt"), "Lightning", step)));
        let names = ["meta.pt", ".metadata", "__0_0.distcp"];
        let sharded = names.map(|name| file(&format!("c/epoch=0-step=3.ckpt/{name}"), 9)).to_vec();
        assert_eq!(good(sharded.clone()), [("c/epoch=0-step=3.ckpt".to_owned(), "Lightning", Some(3))]);
        let lost = names.map(|name| ("lose", format!("c/epoch=0-step=3.ckpt/{name}")));
        lost.iter().for_each(|(how, path)| damaged(&sharded, "c/epoch=0-step=3.ckpt", &[(how, path)]));
        let top = "c/epoch=1-step=9.ckpt";
        let parts = ["mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"];
        let parts = parts.map(|part| file(&format!("{top}/checkpoint/{part}"), 9)).to_vec();
        let deepspeed = [parts, vec![text(&format!("{top}/latest"), "checkpoint")]].concat();
        assert_eq!(good(deepspeed.clone()), [(top.to_owned(), "Lightning", Some(9))]);
        damaged(&deepspeed, top, &[("lose", &format!("{top}/latest"))]);
    }

    #[test]
    fn damages_are_told() {
        let seen = [file("c/epoch=3-step=10.ckpt", 9), link("c/last.ckpt", "epoch=3-step=10.ckpt")];
        damaged(
            &seen,
            "c/epoch=3-step=10.ckpt",
            &[("empty", "c/epoch=3-step=10.ckpt"), ("break", "c/epoch=3-step=10.ckpt")],
        );
        damaged(&seen, "c/last.ckpt", &[("lose", "c/epoch=3-step=10.ckpt")]);
        damaged(&seen, "c/last.ckpt.tmp", &[("add", "c/last.ckpt.tmp")]);
    }
}
