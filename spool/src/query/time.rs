//! Points in time, as people write them, against a clock that the caller has read.

use std::ops::RangeInclusive;

use super::{Now, amount};

/// What was written for a time; microseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moment {
    /// The moment that long ago.
    Ago(i64),
    /// Every moment of that day, minute or second.
    Within(RangeInclusive<i64>),
}

/// `2026-11-25`, `2026-11-25T14:02`, `14:02`, with seconds or without, or an age such as `2h`.
pub(super) fn moment(text: &str, now: Now) -> Option<Moment> {
    if let Some(age_us) = amount::age_us(text) {
        return Some(Moment::Ago(now.unix_us.saturating_sub(age_us)));
    }
    let offset_s = i64::from(now.utc_offset_s);
    if let Some((second, length)) = time_of_day(text) {
        let today = (now.unix_us.div_euclid(SECOND) + offset_s).div_euclid(DAY);
        return Some(within(today * DAY + second - offset_s, length));
    }
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        return Some(within(day(text)? * DAY - offset_s, DAY));
    };
    let (time, offset_s) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => (time, offset_s),
    };
    let (second, length) = time_of_day(time)?;
    Some(within(day(date)? * DAY + second - offset_s, length))
}

fn within(first_s: i64, length_s: i64) -> Moment {
    let first = first_s.saturating_mul(SECOND);
    Moment::Within(first..=first.saturating_add(length_s * SECOND - 1))
}

/// Seconds since midnight, and how many seconds are shown so.
fn time_of_day(text: &str) -> Option<(i64, i64)> {
    let mut parts = text.split(':');
    let hour = number(parts.next()?, 1..=2, 0..=23)?;
    let minute = number(parts.next()?, 2..=2, 0..=59)?;
    let (second, length) = match parts.next() {
        Some(second) => (number(second, 2..=2, 0..=59)?, 1),
        None => (0, 60),
    };
    parts.next().is_none().then_some((hour * 3600 + minute * 60 + second, length))
}

/// Days since 1970 of a date such as `2026-11-25`.
fn day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = number(parts.next()?, 4..=4, 1..=9999)?;
    let month = number(parts.next()?, 2..=2, 1..=12)?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = number(parts.next()?, 2..=2, 1..=days_in_month)?;
    if parts.next().is_some() {
        return None;
    }
    // Years that begin in March end with the day that is not always there.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - MARCH_OF_YEAR_0)
}

fn number(text: &str, digits: RangeInclusive<usize>, allowed: RangeInclusive<i64>) -> Option<i64> {
    let is_digits = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_digits && allowed.contains(number))
}

const SECOND: i64 = 1_000_000;
/// In seconds.
const DAY: i64 = 86_400;
/// Days from 1 March of the year 0 to 1 January 1970.
const MARCH_OF_YEAR_0: i64 = 719_468;
