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
    fn families_ignore_numbers() {
        assert_eq!(family(b"run/checkpoint-1000"), b"run/checkpoint-#");
        assert_eq!(family(b"a1/epoch=3-step=10.ckpt"), b"a#/epoch=#-step=#.ckpt");
    }
}
