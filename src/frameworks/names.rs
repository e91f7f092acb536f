//! Names of files: what they are by their endings, and the numbers in them.

/// Endings of files that hold tensors; an empty one is always a fault.
const WEIGHTS: [&[u8]; 12] = [
    b".safetensors",
    b".bin",
    b".pt",
    b".pth",
    b".ckpt",
    b".gguf",
    b".onnx",
    b".h5",
    b".keras",
    b".npz",
    b".msgpack",
    b".pkl",
];

/// Endings of files that are still being written.
const UNFINISHED: [&[u8]; 5] = [b".tmp", b".temp", b".part", b".partial", b".incomplete"];

/// Patterns of names of files of training state, as `numbers` reads them.
const TRAINING: [&str; 12] = [
    "optimizer_#.pt",
    "optimizer_#.bin",
    "optimizer_#.safetensors",
    "scheduler_#.pt",
    "scheduler_#.bin",
    "scaler_#.pt",
    "sampler_#.bin",
    "rng_state_#.pth",
    "random_states_#.pkl",
    "dl_state_dict_#.bin",
    "distrib_optim_#.pt",
    "rng_state_#.pt",
];

/// Endings of names without a number: what they are, before one of `.pt`, `.pth`, `.bin`, `.pkl` and `.safetensors`.
const TRAINING_STEMS: [&[u8]; 15] = [
    b"optimizer",
    b"optim",
    b"optimizer_state",
    b"optimizer_states",
    b"optimizer_state_dict",
    b"scheduler",
    b"lr_scheduler",
    b"scaler",
    b"grad_scaler",
    b"sampler",
    b"rng_state",
    b"random_states",
    b"dl_state_dict",
    b"distrib_optim",
    b"training_args",
];

/// Whether a path is, by its name, of the state of a training and not of the model: an optimizer, a scheduler, a gradient
/// scaler, random numbers, or what the training program notes for itself. A file that holds both is not.
pub fn is_training_state(path: &[u8]) -> bool {
    let name = last(path);
    let above = last(path.get(..path.len().saturating_sub(name.len() + 1)).unwrap_or_default());
    let dot = name.iter().rposition(|c| *c == b'.').unwrap_or(name.len());
    let (stem, end) = name.split_at(dot);
    let tensors: [&[u8]; 5] = [b".pt", b".pth", b".bin", b".pkl", b".safetensors"];
    let of_optimizer = [&b"optimizer"[..], b"optim"].contains(&above) || numbers(above, "optimizer_#").is_some();
    name == b"trainer_state.json"
        || name.ends_with(b"optim_states.pt")
        || tensors.contains(&end) && TRAINING_STEMS.contains(&stem)
        || TRAINING.iter().any(|pattern| numbers(name, pattern).is_some())
        // What PyTorch writes as a distributed checkpoint of the optimizer alone.
        || of_optimizer && (name == b".metadata" || end == b".distcp")
}

/// Whether a path is, by its name, a file with weights of a model. The states of ZeRO-3 hold none, whatever their name.
pub fn holds_weights(path: &[u8]) -> bool {
    let name = last(path);
    let only_states = numbers(name, "zero_pp_rank_#_mp_rank_##_model_states.pt").is_some();
    !only_states && (is_weights(name) || name.ends_with(b".distcp")) && !is_training_state(path)
}

/// The last component of a path.
pub(super) fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|c| *c == b'/').next().unwrap_or_default()
}

/// A path as it is told to people, below a directory if it is there.
pub(super) fn below(dir: &[u8], path: &[u8]) -> String {
    let inside = path.strip_prefix(dir).and_then(|rest| rest.strip_prefix(b"/"));
    String::from_utf8_lossy(inside.unwrap_or(last(path))).into_owned()
}

/// Whether a part is somewhere in a name.
pub(super) fn contains(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window == part)
}

/// Whether a file of this name holds tensors.
pub(super) fn is_weights(name: &[u8]) -> bool {
    WEIGHTS.iter().any(|ending| name.ends_with(ending))
}

/// The name without the ending that says that it is still being written.
pub(super) fn unfinished(name: &[u8]) -> Option<&[u8]> {
    UNFINISHED.iter().find_map(|ending| name.strip_suffix(*ending))
}

/// Whether a name is a hash in hexadecimal digits, as blobs of a hub cache have it.
pub(super) fn is_hash(name: &[u8]) -> bool {
    matches!(name.len(), 40 | 64) && name.iter().all(u8::is_ascii_hexdigit)
}

/// A number in decimal digits, and nothing else.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// The number at the end of a name.
pub(super) fn last_number(name: &[u8]) -> Option<u64> {
    let digits = name.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    number(&name[name.len() - digits..])
}

/// The number right after a word.
pub(super) fn number_after(name: &[u8], word: &[u8]) -> Option<u64> {
    let at = name.windows(word.len()).position(|window| window == word)? + word.len();
    let digits = name[at..].iter().take_while(|c| c.is_ascii_digit()).count();
    number(&name[at..at + digits])
}

/// The numbers of a name that has the shape of a pattern, where every run of `#` stands for a number.
pub(super) fn numbers(name: &[u8], pattern: &str) -> Option<Vec<u64>> {
    let (mut name, mut pattern, mut found) = (name, pattern.as_bytes(), Vec::new());
    while let Some(first) = pattern.first() {
        if *first != b'#' {
            name = name.strip_prefix(&[*first])?;
            pattern = &pattern[1..];
            continue;
        }
        let digits = name.iter().take_while(|c| c.is_ascii_digit()).count();
        found.push(number(&name[..digits])?);
        name = &name[digits..];
        pattern = &pattern[pattern.iter().take_while(|c| **c == b'#').count()..];
    }
    name.is_empty().then_some(found)
}

/// The name of a pattern with these numbers; a run of `#` is as wide as a number at least is.
pub(super) fn fill(pattern: &str, numbers: &[u64]) -> String {
    let (mut text, mut rest, mut numbers) = (String::new(), pattern, numbers.iter());
    while let Some(at) = rest.find('#') {
        let width = rest[at..].bytes().take_while(|c| *c == b'#').count();
        text += &rest[..at];
        text += &numbers.next().map(|number| format!("{number:0width$}")).unwrap_or_default();
        rest = &rest[at + width..];
    }
    text + rest
}

/// One of several files of a set, as in `model-00002-of-00005.safetensors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard<'a> {
    pub before: &'a [u8],
    pub width: usize,
    pub number: u64,
    pub of: u64,
    pub after: &'a [u8],
}

impl<'a> Shard<'a> {
    /// Reads a name.
    pub fn parse(name: &'a [u8]) -> Option<Shard<'a>> {
        let at = name.windows(4).rposition(|window| window == b"-of-")?;
        let width = name[..at].iter().rev().take_while(|c| c.is_ascii_digit()).count();
        let of = name[at + 4..].iter().take_while(|c| c.is_ascii_digit()).count();
        let (before, number_text) = name[..at].split_at(at - width);
        let shard = |number, of_number| Shard { before, width, number, of: of_number, after: &name[at + 4 + of..] };
        Some(shard(number(number_text)?, number(&name[at + 4..at + 4 + of])?))
    }

    /// The name of another file of the same set.
    pub fn sibling(&self, number: u64) -> Vec<u8> {
        let (width, of) = (self.width, self.of);
        [self.before, format!("{number:0width$}-of-{of:0width$}").as_bytes(), self.after].concat()
    }
}

/// The path of a checkpoint with every run of digits replaced by `#`: equal for the checkpoints of one run.
pub(super) fn family(path: &[u8]) -> Vec<u8> {
    let mut family: Vec<u8> = path.iter().map(|c| if c.is_ascii_digit() { b'#' } else { *c }).collect();
    family.dedup_by(|a, b| *a == b'#' && *b == b'#');
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_filled() {
        let pattern = "zero_pp_rank_#_mp_rank_##_optim_states.pt";
        assert_eq!(numbers(b"zero_pp_rank_12_mp_rank_03_optim_states.pt", pattern), Some(vec![12, 3]));
        assert_eq!(fill(pattern, &[12, 3]), "zero_pp_rank_12_mp_rank_03_optim_states.pt");
        assert_eq!(numbers(b"zero_pp_rank__mp_rank_03_optim_states.pt", pattern), None);
        assert_eq!(numbers(b"zero_pp_rank_1_mp_rank_03_optim_states.pt.tmp", pattern), None);
        assert_eq!(number(b"99999999999999999999999"), None);
        assert_eq!(last_number(b"step_0012"), Some(12));
        assert_eq!(number_after(b"epoch=3-step=1000.ckpt", b"step="), Some(1000));
    }

    #[test]
    fn shards_know_their_siblings() {
        let shard = Shard::parse(b"model-00002-of-00005.safetensors").unwrap();
        assert_eq!((shard.number, shard.of), (2, 5));
        assert_eq!(shard.sibling(3), b"model-00003-of-00005.safetensors");
        assert_eq!(Shard::parse(b"out-of-the-box.bin"), None);
        assert_eq!(Shard::parse(b"v.data-00000-of-00001").unwrap().sibling(0), b"v.data-00000-of-00001");
    }

    #[test]
    fn training_state_is_told_by_name() {
        for name in [
            "a/checkpoint-5/optimizer.pt",
            "optimizer.bin",
            "optimizer_1.bin",
            "scheduler.pt",
            "scaler.pt",
            "rng_state.pth",
            "rng_state_12.pth",
            "random_states_0.pkl",
            "training_args.bin",
            "trainer_state.json",
            "iter_0000005/mp_rank_00/distrib_optim.pt",
            "global_step5/zero_pp_rank_0_mp_rank_00_optim_states.pt",
            "global_step5/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt",
            "optimizer_0/__0_0.distcp",
            "optimizer_0/.metadata",
        ] {
            assert!(is_training_state(name.as_bytes()) && !holds_weights(name.as_bytes()), "{name}");
        }
        for name in [
            "model.safetensors",
            "optimizer_0/model.safetensors",
            "optimizer/config.json",
            "pytorch_model_fsdp_0/.metadata",
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "README.md",
            "scheduler/scheduler_config.json",
            "global_step5/mp_rank_00_model_states.pt",
            "model_optim_rng.pt",
            "latest",
            "",
            "/",
        ] {
            assert!(!is_training_state(name.as_bytes()), "{name}");
        }
        assert!(holds_weights(b"a/model.safetensors") && holds_weights(b"global_step5/mp_rank_00_model_states.pt"));
        assert!(!holds_weights(b"global_step5/zero_pp_rank_0_mp_rank_00_model_states.pt"));
    }

    #[test]
    fn families_ignore_numbers() {
        assert_eq!(family(b"run/checkpoint-1000"), b"run/checkpoint-#");
        assert_eq!(family(b"a1/epoch=3-step=10.ckpt"), b"a#/epoch=#-step=#.ckpt");
    }
}
