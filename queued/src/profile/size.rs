//! Sizes in bytes, and lengths of time.
//!
//! Not `spool::query`'s reading of the same: that one answers "which jobs show this figure" and therefore
//! rounds to KiB and gives ranges; a limit is exact. Units mean the same in both: all are powers of 1024.

use std::ops::RangeInclusive;
use std::time::Duration;

pub use wire::size::Size;

use super::fault::Faults;
use super::value::Value;
use super::written::{Written, quoted};

fn read(value: &Value<'_>) -> Option<Size> {
    match value.text() {
        Some(text) => Size::parse(text),
        None => value.integer().and_then(|bytes| u64::try_from(bytes).ok()).map(Size),
    }
}

pub(super) fn size(value: &Value<'_>) -> Result<Size, Faults> {
    read(value).map_or_else(|| value.refuse("a size such as \"10GiB\", or a number of bytes, is expected"), Ok)
}

pub(super) fn size_or_none(value: &Value<'_>) -> Result<Option<Size>, Faults> {
    match read(value) {
        _ if value.is("none") => Ok(None),
        Some(size) => Ok(Some(size)),
        None => value.refuse("a size such as \"10GiB\", or a number of bytes, or \"none\", is expected"),
    }
}

impl Written for Size {
    fn written(&self) -> String {
        match self.to_string() {
            text if text.ends_with("iB") => quoted(&text),
            _ => self.0.to_string(),
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
