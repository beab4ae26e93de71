//! Sizes in bytes, and lengths of time.
//!
//! Not `spool::query`'s reading of the same: that one answers "which jobs show this figure" and therefore
//! rounds to KiB and gives ranges; a limit is exact. Units mean the same in both: all are powers of 1024.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Faults;
use super::value::Value;
use super::written::{Written, quoted};

/// So many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// Reads `10GiB`, `10G`, `1.5 GB`; a bare number is bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(length);
        let power = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 2,
            "g" | "gb" | "gib" => 3,
            "t" | "tb" | "tib" => 4,
            "p" | "pb" | "pib" => 5,
            _ => return None,
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some(_) if power == 0 => return None,
            Some(split) => split,
            None => (number, ""),
        };
        if whole.is_empty() || whole.len() > 19 || fraction.len() > 6 || fraction.contains('.') {
            return None;
        }
        let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let bytes = (digits << (10 * power)) / scale;
        u64::try_from(bytes).ok().filter(|&bytes| bytes <= MOST_BYTES).map(Self)
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        match value.text() {
            Some(text) => Self::parse(text),
            None => value.integer().and_then(|bytes| u64::try_from(bytes).ok()).map(Self),
        }
    }
}

pub(super) fn size(value: &Value<'_>) -> Result<Size, Faults> {
    Size::read(value).map_or_else(|| value.refuse("a size such as \"10GiB\", or a number of bytes, is expected"), Ok)
}

pub(super) fn size_or_none(value: &Value<'_>) -> Result<Option<Size>, Faults> {
    match Size::read(value) {
        _ if value.is("none") => Ok(None),
        Some(size) => Ok(Some(size)),
        None => value.refuse("a size such as \"10GiB\", or a number of bytes, or \"none\", is expected"),
    }
}

impl Written for Size {
    fn written(&self) -> String {
        let units = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let fits = |&&(_, shift): &&(&str, u32)| self.0 != 0 && self.0.trailing_zeros() >= shift;
        match units.iter().find(fits) {
            Some((unit, shift)) => quoted(&format!("{}{unit}", self.0 >> shift)),
            None => self.0.to_string(),
        }
    }
}

/// A length such as `1h 30m` within bounds.
pub(super) fn length(value: &Value<'_>, range: RangeInclusive<Duration>, example: &str) -> Result<Duration, Faults> {
    within(value, &range, &format!("a length of time such as {example:?}"))
}

/// The same, or a word for no limit.
pub(super) fn length_or(
    word: &str,
    value: &Value<'_>,
    range: RangeInclusive<Duration>,
    example: &str,
) -> Result<Option<Duration>, Faults> {
    if value.is(word) {
        return Ok(None);
    }
    within(value, &range, &format!("a length of time such as {example:?}, or {word:?},")).map(Some)
}

fn within(value: &Value<'_>, range: &RangeInclusive<Duration>, expected: &str) -> Result<Duration, Faults> {
    let Some(length) = value.text().and_then(parse_length) else {
        return value.refuse(format_args!("{expected} is expected"));
    };
    if !range.contains(&length) {
        let [least, most] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound));
        return value.refuse(format_args!("a length from {least} to {most} is expected"));
    }
    Ok(length)
}

/// When something is done about a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// When it has lasted so long.
    For(Duration),
    /// At no time.
    Never,
}

pub(super) fn after(value: &Value<'_>, example: &str) -> Result<After, Faults> {
    let length = length_or("never", value, SECOND..=LONGEST, example)?;
    Ok(length.map_or(After::Never, After::For))
}

impl Written for After {
    fn written(&self) -> String {
        match self {
            Self::For(length) => length.written(),
            Self::Never => quoted("never"),
        }
    }
}

/// A length with its units.
pub(super) fn parse_length(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

impl Written for Duration {
    fn written(&self) -> String {
        quoted(&humantime::format_duration(*self).to_string())
    }
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(86_400);
/// Hundred years as they are shown; longer is for ever, and has a word for that.
pub(super) const LONGEST: Duration = Duration::from_secs(100 * 31_557_600);
/// TOML has no greater integers.
const MOST_BYTES: u64 = i64::MAX as u64;
