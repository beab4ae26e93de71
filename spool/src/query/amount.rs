//! Lengths of time and sizes, as people write them.

use std::ops::RangeInclusive;

/// A length such as `41s`, `1h30min`, `0.5s` or `90`, which is seconds: the microseconds that are shown so.
pub(super) fn duration(text: &str) -> Option<RangeInclusive<i64>> {
    let bare = || text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (us, grain_us) = parts(text).or_else(|| bare().then(|| parts(&format!("{text}s")))?)?;
    Some(us..=us + (grain_us - 1))
}

/// How long ago: a length with units.
pub(super) fn age_us(text: &str) -> Option<i64> {
    parts(text).map(|(us, _)| us)
}

/// A size such as `500M` or `4GiB` in KiB, rounded down.
pub(super) fn size_kib(text: &str) -> Option<RangeInclusive<i64>> {
    let (number, unit) = Decimal::before_unit(text)?;
    let power = match unit.to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => 0,
        "m" | "mb" | "mib" => 1,
        "g" | "gb" | "gib" => 2,
        "t" | "tb" | "tib" => 3,
        _ => return None,
    };
    let kib = number.times(1 << (10 * power))?;
    Some(kib..=kib)
}

/// Microseconds, and the smallest difference that this way of writing shows.
fn parts(text: &str) -> Option<(i64, i64)> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let (mut sum, mut grain) = (0_i64, SECOND);
    while !rest.is_empty() {
        let (number, behind) = Decimal::before_unit(rest)?;
        let length = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let unit = match &behind[..length] {
            "us" => 1,
            "ms" => 1_000,
            "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
            "m" | "min" | "mins" | "minute" | "minutes" => 60 * SECOND,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600 * SECOND,
            "d" | "day" | "days" => 86_400 * SECOND,
            "w" | "week" | "weeks" => 7 * 86_400 * SECOND,
            _ => return None,
        };
        sum = sum.checked_add(number.times(unit)?).filter(|&sum| sum <= LONGEST)?;
        if unit <= SECOND {
            grain = grain.min((unit / number.scale).max(1));
        }
        rest = &behind[length..];
    }
    Some((sum, grain))
}

/// `digits / scale`, where the scale is a power of ten.
struct Decimal {
    digits: i64,
    scale: i64,
}

impl Decimal {
    /// The number a text begins with, and what is behind it.
    fn before_unit(text: &str) -> Option<(Self, &str)> {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, behind) = text.split_at(length);
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some(split) => split,
            None => (number, ""),
        };
        // Together less than 10^18, which is room enough for everything that is real.
        if whole.is_empty() || whole.len() > 12 || fraction.len() > 6 || fraction.contains('.') {
            return None;
        }
        let scale = fraction.bytes().fold(1, |scale, _| scale * 10);
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some((Self { digits, scale }, behind))
    }

    /// Rounded down; none when it is too much.
    fn times(&self, unit: i64) -> Option<i64> {
        let product = i128::from(self.digits) * i128::from(unit) / i128::from(self.scale);
        i64::try_from(product).ok()
    }
}

const SECOND: i64 = 1_000_000;
/// 30,000 years: sums and differences with any time stay in their 64 bits.
const LONGEST: i64 = 30_000 * 366 * 86_400 * SECOND;
