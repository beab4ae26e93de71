//! What jobs may use: `rlimit*`, and the warning before a time limit.

use std::time::Duration;

use super::fault::Faults;
use super::size::{LONGEST, SECOND, Size, parse_length};
use super::value::Value;
use super::written::{Written, quoted};

/// One limit of setrlimit(2). A job gets the lower one of this and its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// What the numbers count.
    pub unit: Unit,
    /// What is enforced.
    pub soft: Bound,
    /// Up to where a job may raise it; `None` leaves that as it is.
    pub hard: Option<Bound>,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds of CPU time.
    Seconds,
    /// Bytes.
    Bytes,
    /// Files, processes.
    Number,
}

/// One of the two numbers of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// So much.
    At(u64),
    /// Anything: greater than every number.
    Unlimited,
}

impl Bound {
    /// The number; `None` is unlimited.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::At(number) => Some(number),
            Self::Unlimited => None,
        }
    }

    fn read(value: &Value<'_>, unit: Unit) -> Result<Self, Faults> {
        let bare = value.integer().and_then(|number| u64::try_from(number).ok());
        let read = match (value.text(), unit) {
            (Some("none"), _) => return Ok(Self::Unlimited),
            (Some(text), Unit::Seconds) => parse_length(text).filter(is_whole_seconds).map(|length| length.as_secs()),
            (Some(text), Unit::Bytes) => Size::parse(text).map(|size| size.0),
            (Some(_), Unit::Number) => None,
            (None, _) => bare,
        };
        let expected = match unit {
            Unit::Seconds => "a number of seconds, or a length of time such as \"1h\", or \"none\", is expected",
            Unit::Bytes => "a number of bytes, or a size such as \"2GiB\", or \"none\", is expected",
            Unit::Number => "a whole number from 0, or \"none\", is expected",
        };
        read.map_or_else(|| value.refuse(expected), |number| Ok(Self::At(number)))
    }

    fn written(self, unit: Unit) -> String {
        match (self, unit) {
            (Self::Unlimited, _) => quoted("none"),
            (Self::At(seconds), Unit::Seconds) => Duration::from_secs(seconds).written(),
            (Self::At(bytes), Unit::Bytes) => Size(bytes).written(),
            (Self::At(number), Unit::Number) => number.to_string(),
        }
    }
}

fn is_whole_seconds(length: &Duration) -> bool {
    length.subsec_nanos() == 0 && *length <= LONGEST
}

fn rlimit(value: &Value<'_>, unit: Unit) -> Result<Option<Rlimit>, Faults> {
    let Some(pair) = value.list() else {
        let soft = Bound::read(value, unit)?;
        return Ok((soft != Bound::Unlimited).then_some(Rlimit { unit, soft, hard: None }));
    };
    let [soft, hard] = pair.as_slice() else {
        return value.refuse("one limit, or two as in [SOFT, HARD], is expected");
    };
    let bounds = super::value::gather([soft, hard].map(|bound| Bound::read(bound, unit)))?;
    let [soft, hard] = <[Bound; 2]>::try_from(bounds).expect("two were read");
    if soft > hard {
        return value.refuse("the first of the two, the soft limit, is above the second, the hard one");
    }
    Ok(Some(Rlimit { unit, soft, hard: Some(hard) }))
}

pub(super) fn seconds(value: &Value<'_>) -> Result<Option<Rlimit>, Faults> {
    rlimit(value, Unit::Seconds)
}

pub(super) fn bytes(value: &Value<'_>) -> Result<Option<Rlimit>, Faults> {
    rlimit(value, Unit::Bytes)
}

pub(super) fn number(value: &Value<'_>) -> Result<Option<Rlimit>, Faults> {
    rlimit(value, Unit::Number)
}

impl Written for Rlimit {
    fn written(&self) -> String {
        match self.hard {
            None => self.soft.written(self.unit),
            Some(hard) => format!("[{}, {}]", self.soft.written(self.unit), hard.written(self.unit)),
        }
    }
}

/// A signal before the end of the time that a job has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Its name without `SIG`.
    pub signal: String,
    /// How long before.
    pub before: Duration,
}

pub(super) fn warning(value: &Value<'_>) -> Result<Option<Warning>, Faults> {
    let parse = |text: &str| {
        let (signal, before) = text.split_once('@')?;
        let number = sys::signal::number(signal.trim())?;
        let before = parse_length(before.trim()).filter(|before| (SECOND..=LONGEST).contains(before))?;
        Some(Warning { signal: sys::signal::name(number), before })
    };
    match value.text() {
        Some("none") => Ok(None),
        Some(text) if parse(text).is_some() => Ok(parse(text)),
        _ => value.refuse("a signal and how long before the end, such as \"USR1@10m\", or \"none\", is expected"),
    }
}

impl Written for Warning {
    fn written(&self) -> String {
        quoted(&format!("{}@{}", self.signal, humantime::format_duration(self.before)))
    }
}
