//! Sizes and counts, as people type them and as they are shown.

use crate::error::{Error, Kind, Result};

/// Units as typed, in lower case: with `i` or alone they are powers of 1024, with `b` powers of 1000.
const UNITS: [(&str, u64); 17] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
    ("p", 1 << 50),
    ("pib", 1 << 50),
    ("pb", 1_000_000_000_000_000),
];

/// Reads a size: `500`, `10K`, `10KiB`, `1.5G`, `2GB`.
pub fn parse(text: &str) -> Result<u64> {
    let bad = || {
        Error::new(Kind::Usage, format!("{text:?} is not a size"))
            .hint("write a number of bytes or with a unit: 500, 10K or 10KiB (10,240), 10KB (10,000), 1.5G, 2TB")
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return Err(bad());
    }
    let digits = |text: &str| text.parse::<u64>().map_err(|_| bad());
    let part = u128::from(digits(fraction)?) * u128::from(factor) / 10_u128.pow(fraction.len() as u32);
    let bytes = u128::from(digits(whole)?) * u128::from(factor) + part;
    u64::try_from(bytes).map_err(|_| bad())
}

/// A size for people, in powers of 1000: `272.4 MB`.
pub fn show(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    for unit in ["kB", "MB", "GB", "TB", "PB"] {
        value /= 1000.0;
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
    }
    format!("{:.1} EB", value / 1000.0)
}

/// A count with its noun: `1 file`, `1,200 files`.
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A large count in a few letters: `850`, `1.2K`, `22.7M`.
pub fn short(n: u64) -> String {
    if n < 1000 {
        return n.to_string();
    }
    let mut value = n as f64;
    for unit in ["K", "M", "B"] {
        value /= 1000.0;
        if value < 999.95 {
            return format!("{value:.1}{unit}");
        }
    }
    format!("{:.1}T", value / 1000.0)
}

/// What coding came to: `1.53x`.
pub fn ratio(raw: u64, stored: u64) -> String {
    if stored == 0 { String::new() } else { format!("{:.2}x", raw as f64 / stored as f64) }
}

/// A number with its digits in groups of three.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("500", 500),
            ("500B", 500),
            ("10K", 10_240),
            ("10k", 10_240),
            ("10KiB", 10_240),
            ("10KB", 10_000),
            ("10 kB", 10_000),
            ("1.5G", 3 << 29),
            ("2GB", 2_000_000_000),
            ("0.1KB", 100),
            ("3TiB", 3 << 40),
            ("16PB", 16_000_000_000_000_000),
        ] {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "K", "-1", "1.", ".5", "1.2.3", "1X", "1e9", "99999999P", "1,000", "1 0", "+1", "1.0000000001"]
        {
            assert_eq!(parse(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (272_400_000, "272.4 MB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(show(bytes), text);
        }
    }

    #[test]
    fn short_counts_are_shown() {
        for (n, text) in [(0, "0"), (999, "999"), (1234, "1.2K"), (22_713_216, "22.7M"), (8_030_261_248, "8.0B")] {
            assert_eq!(short(n), text);
        }
        assert_eq!((short(999_960), short(1_000_000_000_000)), ("1.0M".into(), "1.0T".into()));
        assert_eq!((ratio(3, 2), ratio(1, 0)), ("1.50x".into(), String::new()));
    }

    #[test]
    fn counts_are_shown() {
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(1_234_567, "file"), "1,234,567 files");
        assert_eq!(count(999, "file"), "999 files");
    }
}
