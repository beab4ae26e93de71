//! How spans of time, times and counts are written.

use jiff::{Timestamp, Zoned};

/// `0:41`, `2:10:05`, from a day on `3d 2:10`.
pub fn clock(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{:02}", seconds % 60),
        (0, _) => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{days}d {hours}:{minutes:02}"),
    }
}

/// `41 s`, `6 min`, `2 h 10 min`, `3 d 2 h`.
pub fn words(us: u64) -> String {
    let seconds = us / 1_000_000;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// From one time to another, in microseconds; clocks of two hosts may differ: never less than nothing.
pub fn between(from_us: i64, to_us: i64) -> u64 {
    u64::try_from(to_us.saturating_sub(from_us)).unwrap_or(0)
}

/// A time in the zone of `now`, without the zone's name.
pub fn time(us: i64, now: &Zoned) -> String {
    at(us, now, "%Y-%m-%d %H:%M:%S")
}

/// The same with the zone.
pub fn time_with_zone(us: i64, now: &Zoned) -> String {
    at(us, now, "%Y-%m-%d %H:%M:%S %Z")
}

fn at(us: i64, now: &Zoned, format: &str) -> String {
    match Timestamp::from_microsecond(us) {
        Ok(time) => time.to_zoned(now.time_zone().clone()).strftime(format).to_string(),
        // No clock says so; it is shown as it came.
        Err(_) => format!("{us} us"),
    }
}

/// A number, with separators where people read it.
pub fn count(number: u64, for_people: bool) -> String {
    let digits = number.to_string();
    if !for_people {
        return digits;
    }
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn spans_are_as_short_as_their_size_allows() {
        assert_eq!(clock(41 * SECOND + 999_999), "0:41");
        assert_eq!(clock(3599 * SECOND), "59:59");
        assert_eq!(clock(7805 * SECOND), "2:10:05");
        assert_eq!(clock((3 * 86_400 + 600) * SECOND), "3d 0:10");
        assert_eq!(words(41 * SECOND), "41 s");
        assert_eq!(words(7800 * SECOND), "2 h 10 min");
        assert_eq!(words(7200 * SECOND), "2 h");
        assert_eq!(words(93_600 * SECOND), "1 d 2 h");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_huge_age() {
        assert_eq!(between(2, 1), 0);
        assert_eq!(between(i64::MIN, i64::MAX), i64::MAX as u64);
    }

    #[test]
    fn separators_stand_before_every_third_digit_from_the_end() {
        let shown = [0, 999, 1000, 18_377, 1_234_567].map(|number| count(number, true));
        assert_eq!(shown, ["0", "999", "1,000", "18,377", "1,234,567"]);
        assert_eq!(count(18_377, false), "18377");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_shown_as_it_came() {
        let now = Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
        assert_eq!(time(1_000_000, &now), "1970-01-01 00:00:01");
        assert_eq!(time_with_zone(1_000_000, &now), "1970-01-01 00:00:01 UTC");
        assert_eq!(time(i64::MAX, &now), format!("{} us", i64::MAX));
    }
}
