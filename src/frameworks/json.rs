//! JSON as Python writes it: with `NaN` and `Infinity`, which the standard does not have.

use serde_json::Value;
use std::collections::BTreeMap;

/// Reads a text; words that no standard has become `null`.
pub(super) fn read(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().or_else(|| serde_json::from_slice(&standard(text)).ok())
}

fn standard(text: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let (mut out, mut at, mut quoted) = (Vec::with_capacity(text.len()), 0, false);
    while let Some(c) = text.get(at) {
        let word = WORDS.iter().find(|word| !quoted && text[at..].starts_with(word));
        if let Some(word) = word {
            out.extend(b"null");
            at += word.len();
            continue;
        }
        out.push(*c);
        if *c == b'\\' && quoted {
            out.extend(text.get(at + 1));
            at += 1;
        }
        quoted ^= *c == b'"';
        at += 1;
    }
    out
}

/// The finite numbers right in an object.
pub(super) fn numbers(value: &Value) -> BTreeMap<String, f64> {
    let entries = value.as_object().into_iter().flatten();
    let finite = |value: &Value| value.as_f64().filter(|number| number.is_finite());
    entries.filter_map(|(name, value)| Some((name.clone(), finite(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let value = read(br#"{"a": NaN, "b": [-Infinity, 1], "c": "NaN \" NaN", "d": 2.5}"#).unwrap();
        assert_eq!(value["c"], "NaN \" NaN");
        assert_eq!(numbers(&value), BTreeMap::from([("d".to_owned(), 2.5)]));
        assert!(read(b"{\"a\": 1").is_none() && read(b"").is_none() && read(b"\"\\").is_none());
    }
}
