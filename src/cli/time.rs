//! Points in time and spans, as people type them and as they are shown.

use crate::error::{Error, Kind, Result};
use chrono::{
    DateTime, FixedOffset, Local, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Timelike,
};
use std::time::Duration;

/// A point in time with its zone.
pub type Moment = DateTime<FixedOffset>;

const FORMS: &str = "write a time as 2026-08-20T14:00:00Z, 2026-08-20 14:00 (local), 2026-08-20 14:00:00 +0200, \
                     2026-08-20 (its first moment, local), `2h ago`, `2 hours ago`, `today`, `yesterday` (their first \
                     moments), `yesterday 14:00` or `now`";

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

/// Reads a point in time that is not in the future, for what is at or before it.
///
/// A time of day without fractions of a second means that whole second: times are shown without them.
pub fn parse_past(text: &str) -> Result<Moment> {
    let moment = parse(text)?;
    let whole = text.contains(':') && !text.contains('.');
    match moment <= Local::now() {
        true if whole => Ok(moment.with_nanosecond(999_999_999).unwrap_or(moment)),
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
            if let Some(moment) = DateTime::parse_from_rfc3339(text).ok().or_else(|| zoned(text)) {
                return Ok(moment);
            }
            let day = |name: &str, days_ago| Some(first_of(days_ago).and_time(clock(text.strip_prefix(name)?)?));
            let local = day("today ", 0).or_else(|| day("yesterday ", 1)).or_else(|| local_time(text));
            local.ok_or_else(|| bad(""))?
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

/// A time with its zone behind it, as `show` writes it: `2026-08-20 14:00:23 +0200`, or with `UTC` or `Z`.
fn zoned(text: &str) -> Option<Moment> {
    let (local, zone) = match text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        Some(local) => (local, FixedOffset::east_opt(0)?),
        None => {
            let (local, zone) = text.split_at(text.rfind(['+', '-'])?);
            // chrono does not look at what follows a zone.
            (local, zone.parse().ok().filter(|_| matches!((zone.len(), zone.find(':')), (5, None) | (6, Some(3))))?)
        }
    };
    let local = local.trim_end();
    // A date alone is no moment of a zone.
    (local.len() > 10).then(|| local_time(local))??.and_local_timezone(zone).single()
}

/// A time of day.
fn clock(text: &str) -> Option<NaiveTime> {
    let text = text.trim();
    match text.len() {
        5 => NaiveTime::parse_from_str(text, "%H:%M").ok(),
        8 => NaiveTime::parse_from_str(text, "%H:%M:%S").ok(),
        _ => None,
    }
}

fn local_time(text: &str) -> Option<NaiveDateTime> {
    // chrono takes `1-2-3` for a date as well: only what is as long as it must be is looked at.
    match text.len() {
        10 => Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN)),
        16 => ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"].iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()),
        19 => {
            ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"].iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
        }
        21..=29 => ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"]
            .iter()
            .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()),
        _ => None,
    }
}

/// Reads a span: `30s 15min 12h 7d 2w 3mo 1y`, also joined as in `1d12h`, or with words as in `2 hours`.
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
            "s" | "sec" | "second" | "seconds" => (0, 1),
            "min" | "mins" | "minute" | "minutes" => (0, 60),
            "h" | "hour" | "hours" => (0, 3600),
            "d" | "day" | "days" => (0, 86_400),
            "w" | "week" | "weeks" => (0, 7 * 86_400),
            "mo" | "month" | "months" => (1, 0),
            "y" | "year" | "years" => (12, 0),
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

/// Reads how long to wait: a span without months and years.
pub fn parse_wait(text: &str) -> Result<Duration> {
    let span = parse_span(text)?;
    let bad = || Error::new(Kind::Usage, format!("{text:?} is too long to wait")).hint("write it as 30s, 10min or 2h");
    u64::try_from(span.seconds).ok().filter(|_| span.months == 0).map(Duration::from_secs).ok_or_else(bad)
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
            ("2026-11-22 14:00:23 +0000", "2026-11-22T14:00:23+00:00"),
            ("2026-11-22 14:00:23 -07:00", "2026-11-22T14:00:23-07:00"),
            ("2026-11-22 14:00:23 UTC", "2026-11-22T14:00:23+00:00"),
            ("2026-11-22 14:00:23Z", "2026-11-22T14:00:23+00:00"),
            ("2026-11-22 14:00 Z", "2026-11-22T14:00:00+00:00"),
            ("2026-11-22 14:00:23.250 +0100", "2026-11-22T14:00:23.250+01:00"),
            ("2 hours ago", "2026-08-20T12:30:15+02:00"),
            ("2hours ago", "2026-08-20T12:30:15+02:00"),
            ("5 minutes ago", "2026-08-20T14:25:15+02:00"),
            ("3 days ago", "2026-08-17T14:30:15+02:00"),
            ("1 week ago", "2026-08-13T14:30:15+02:00"),
            ("2 months ago", "2026-06-20T14:30:15+02:00"),
            ("1 day 2 hours ago", "2026-08-19T12:30:15+02:00"),
            ("yesterday 14:00", "2026-08-19T14:00:00+02:00"),
            ("today  14:00:05", "2026-08-20T14:00:05+02:00"),
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
            "yesterday 14",
            "2026-08-20Z",
            "2026-08-20 14:00 +02",
            "2026-08-20 14:00 +02000",
            "2026-08-20 14:00 CEST",
            "+0200",
            "2 hourses ago",
        ] {
            let error = parse_at(text, &now()).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{text}");
            assert!(error.hint.is_some(), "{text}");
        }
        assert!(parse_past("2h ago").is_ok());
        assert_eq!(parse_past("2999-01-01").unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_second_without_fractions_is_a_whole_second() {
        for (text, nanos) in [
            ("2026-01-01 14:00:23 +0000", 999_999_999),
            ("2026-01-01T14:00:23Z", 999_999_999),
            ("2026-01-01 14:00", 999_999_999),
            ("2026-01-01T14:00:23.5Z", 500_000_000),
            ("2026-01-01", 0),
        ] {
            assert_eq!(parse_past(text).unwrap().nanosecond(), nanos, "{text}");
        }
        let made = DateTime::parse_from_rfc3339("2026-01-01T14:00:23.75+03:00").unwrap();
        assert!(parse_past(&show(&made)).unwrap() >= made);
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
            ("5 hours", 0, 18_000),
            ("1 year 2 months", 14, 0),
        ] {
            assert_eq!(parse_span(text).unwrap(), Span { months, seconds }, "{text}");
        }
        for text in ["", "5", "h", "5 hrs", "-1h", "1.5h", "5M", "5H", "99999999999s", "999999999y"] {
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
