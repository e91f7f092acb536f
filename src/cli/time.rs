//! Points in time and spans, as people type them and as they are shown.

use crate::error::{Error, Kind, Result};
use chrono::{
    DateTime, FixedOffset, Local, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
};
use std::time::Duration;

/// A point in time with its zone.
pub type Moment = DateTime<FixedOffset>;

const FORMS: &str = "write a time as 2026-08-20T14:00:00Z, 2026-08-20 14:00 (local), 2026-08-20 (its first moment, local), \
                     `2h ago`, `today`, `yesterday` (their first moments) or `now`";

/// A span of time: months are counted in the calendar, the rest in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Months; a year is twelve.
    pub months: u32,
    /// Seconds; a day has 86,400.
    pub seconds: i64,
}

/// Reads a point in time, with now and the zone of this machine.
pub fn parse(text: &str) -> Result<Moment> {
    parse_at(text, &Local::now())
}

/// Reads a point in time that is not in the future.
pub fn parse_past(text: &str) -> Result<Moment> {
    let moment = parse(text)?;
    match moment <= Local::now() {
        true => Ok(moment),
        false => Err(Error::new(Kind::Usage, format!("{text:?} is in the future: {}", show(&moment)))
            .hint("the newest snapshot is `latest`")),
    }
}

/// Reads a point in time as of `now`, in the zone of `now`.
fn parse_at<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Result<Moment> {
    let text = text.trim();
    let bad = |why: &str| Error::new(Kind::Usage, format!("{text:?} is not a time{why}")).hint(FORMS);
    let first_of = |days_ago: i64| now.date_naive() - TimeDelta::days(days_ago);
    let local = match text {
        "now" => return Ok(now.fixed_offset()),
        "today" => first_of(0).and_time(NaiveTime::MIN),
        "yesterday" => first_of(1).and_time(NaiveTime::MIN),
        _ => {
            if let Some(span) = text.strip_suffix("ago") {
                let span = parse_span(span)?;
                return before(now, span).ok_or_else(|| bad(": that is too long ago"));
            }
            if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
                return Ok(moment);
            }
            local_time(text).ok_or_else(|| bad(""))?
        }
    };
    match local.and_local_timezone(now.timezone()) {
        LocalResult::Single(moment) => Ok(moment.fixed_offset()),
        LocalResult::Ambiguous(..) => {
            Err(bad(": the clocks showed it twice; add the zone, as in 2026-10-25T02:30:00+02:00"))
        }
        LocalResult::None => Err(bad(": the clocks skipped it; add the zone, as in 2026-03-29T02:30:00+01:00")),
    }
}

fn before<Z: TimeZone>(now: &DateTime<Z>, span: Span) -> Option<Moment> {
    let moment = now.clone().checked_sub_months(Months::new(span.months))?;
    Some(moment.checked_sub_signed(TimeDelta::try_seconds(span.seconds)?)?.fixed_offset())
}

fn local_time(text: &str) -> Option<NaiveDateTime> {
    // chrono takes `1-2-3` for a date as well: only what is as long as it must be is looked at.
    match text.len() {
        10 => Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN)),
        16 => ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"].iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()),
        19 => {
            ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"].iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
        }
        _ => None,
    }
}

/// Reads a span: `30s 15min 12h 7d 2w 3mo 1y`, also joined as in `1d12h`.
pub fn parse_span(text: &str) -> Result<Span> {
    let text = text.trim();
    let refuse =
        |what: String| Error::new(Kind::Usage, what).hint("write a span as 30s, 15min, 12h, 7d, 2w, 3mo or 1y");
    let bad = || refuse(format!("{text:?} is not a span of time"));
    if text.is_empty() {
        return Err(bad());
    }
    let (mut span, mut rest) = (Span::default(), text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |n| digits + n);
        let number: u32 = rest[..digits].parse().map_err(|_| bad())?;
        let (months, seconds) = match rest[digits..unit].trim() {
            "s" => (0, 1),
            "min" => (0, 60),
            "h" => (0, 3600),
            "d" => (0, 86_400),
            "w" => (0, 7 * 86_400),
            "mo" => (1, 0),
            "y" => (12, 0),
            "m" => {
                return Err(refuse(format!("{text:?} could mean minutes or months: write {number}min or {number}mo")));
            }
            _ => return Err(bad()),
        };
        let months = number.checked_mul(months).and_then(|months| span.months.checked_add(months));
        span.months = months.ok_or_else(bad)?;
        span.seconds += i64::from(number) * seconds;
        rest = rest[unit..].trim_start();
    }
    Ok(span)
}

/// A point in time for people: local, with the zone.
pub fn show(moment: &Moment) -> String {
    moment.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %z").to_string()
}

/// A time that took so long, for people: `0.4 s`, `12 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`.
pub fn show_span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        DateTime::parse_from_rfc3339("2026-08-20T14:30:15+02:00").unwrap()
    }

    #[test]
    fn times_are_read() {
        for (text, moment) in [
            ("2026-08-20T14:00:00Z", "2026-08-20T14:00:00+00:00"),
            ("2026-08-20T14:00:00.5-07:00", "2026-08-20T14:00:00.500-07:00"),
            ("2026-08-20 14:00:00+01:00", "2026-08-20T14:00:00+01:00"),
            ("2026-08-20 14:00", "2026-08-20T14:00:00+02:00"),
            (" 2026-08-20T14:00 ", "2026-08-20T14:00:00+02:00"),
            ("2026-08-20 14:00:05", "2026-08-20T14:00:05+02:00"),
            ("2026-08-20", "2026-08-20T00:00:00+02:00"),
            ("now", "2026-08-20T14:30:15+02:00"),
            ("today", "2026-08-20T00:00:00+02:00"),
            ("yesterday", "2026-08-19T00:00:00+02:00"),
            ("2h ago", "2026-08-20T12:30:15+02:00"),
            ("30min ago", "2026-08-20T14:00:15+02:00"),
            ("1d12h ago", "2026-08-19T02:30:15+02:00"),
            ("1d 12h ago", "2026-08-19T02:30:15+02:00"),
            ("6mo ago", "2026-02-20T14:30:15+02:00"),
            ("1y ago", "2025-08-20T14:30:15+02:00"),
        ] {
            let read = parse_at(text, &now()).unwrap();
            assert_eq!(read.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, false), moment, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "ago",
            "2h",
            "2 ago",
            "tomorrow",
            "20.08.2026",
            "2026-13-01",
            "2026-02-30",
            "2026-8-2",
            "2026-08-20 25:00",
            "2026-08-20 14",
            "1700000000",
            "9999999y ago",
            "latest",
        ] {
            let error = parse_at(text, &now()).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{text}");
            assert!(error.hint.is_some(), "{text}");
        }
        assert!(parse_past("2h ago").is_ok());
        assert_eq!(parse_past("2999-01-01").unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn spans_are_read() {
        for (text, months, seconds) in [
            ("30s", 0, 30),
            ("15min", 0, 900),
            ("12h", 0, 43_200),
            ("7d", 0, 604_800),
            ("2w", 0, 1_209_600),
            ("3mo", 3, 0),
            ("1y", 12, 0),
            ("1y2mo3d", 14, 259_200),
            ("0s", 0, 0),
            ("2 h", 0, 7200),
        ] {
            assert_eq!(parse_span(text).unwrap(), Span { months, seconds }, "{text}");
        }
        for text in ["", "5", "h", "5 hours", "-1h", "1.5h", "5M", "5H", "99999999999s", "999999999y"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert_eq!(parse_span("30m").unwrap_err().what, "\"30m\" could mean minutes or months: write 30min or 30mo");
    }

    #[test]
    fn spans_are_shown() {
        for (seconds, text) in
            [(0.4, "0.4 s"), (59.9, "59 s"), (184.0, "3 min 4 s"), (7500.0, "2 h 5 min"), (273_600.0, "3 d 4 h")]
        {
            assert_eq!(show_span(Duration::from_secs_f64(seconds)), text);
        }
    }
}
