//! Figures that may be given per CPU: loads and slots; and the length of a queue, which may be given per slot.

use super::fault::Faults;
use super::value::{MOST, Value};
use super::written::{Written, quoted};

/// A load: how many tasks run or want to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// On the whole host.
    Whole(f64),
    /// For each of its CPUs.
    PerCpu(f64),
}

impl Load {
    /// On a host of so many CPUs.
    pub fn on(self, cpus: u32) -> f64 {
        match self {
            Self::Whole(load) => load,
            Self::PerCpu(load) => load * f64::from(cpus.max(1)),
        }
    }

    /// To three digits, as a person would write it.
    pub(super) fn times(self, factor: f64) -> Self {
        let product = |load: f64| (load * factor * 1e3).round() / 1e3;
        match self {
            Self::Whole(load) => Self::Whole(product(load)),
            Self::PerCpu(load) => Self::PerCpu(product(load)),
        }
    }

    /// Whether it is below another on hosts of any size; `None`: that depends on the host.
    pub(super) fn is_below(self, other: Self) -> Option<bool> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) | (Self::PerCpu(one), Self::PerCpu(other)) => Some(one < other),
            _ => None,
        }
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        let load = match value.text() {
            Some(text) => Self::PerCpu(per_cpu(text)?),
            // There are two zeros, and one of them has a sign.
            None => Self::Whole(value.number().filter(|&load| (0.0..=f64::from(MOST)).contains(&load))?.abs()),
        };
        Some(load)
    }
}

pub(super) fn load(value: &Value<'_>) -> Result<Load, Faults> {
    Load::read(value).map_or_else(|| value.refuse(format_args!("{A_LOAD}, is expected")), Ok)
}

pub(super) fn load_or_none(value: &Value<'_>) -> Result<Option<Load>, Faults> {
    match Load::read(value) {
        _ if value.is("none") => Ok(None),
        Some(load) => Ok(Some(load)),
        // Nobody mistypes "none" as a number.
        None => value.refuse(format_args!("{A_LOAD}, is expected")),
    }
}

impl Written for Load {
    fn written(&self) -> String {
        match self {
            Self::Whole(load) => load.to_string(),
            Self::PerCpu(load) => format!("\"{load}/cpu\""),
        }
    }
}

/// How many jobs of a queue run on a host at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slots {
    /// So many.
    Number(u32),
    /// So many for each CPU; at least one, unless it is none for each.
    PerCpu(f64),
}

impl Slots {
    /// On a host of so many CPUs.
    pub fn on(self, cpus: u32) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::PerCpu(0.0) => 0,
            Self::PerCpu(each) => ((each * f64::from(cpus.max(1))) as u32).clamp(1, MOST_SLOTS),
        }
    }
}

pub(super) fn slots(value: &Value<'_>) -> Result<Option<Slots>, Faults> {
    let number = value.integer().and_then(|number| u32::try_from(number).ok()).filter(|&number| number <= MOST_SLOTS);
    match value.text() {
        Some("none") => Ok(None),
        Some(text) if per_cpu(text).is_some() => Ok(per_cpu(text).map(Slots::PerCpu)),
        None if number.is_some() => Ok(number.map(Slots::Number)),
        _ => value
            .refuse("a whole number from 0 to 100000, or a number per CPU such as \"1/cpu\", or \"none\", is expected"),
    }
}

impl Written for Slots {
    fn written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::PerCpu(each) => format!("\"{each}/cpu\""),
        }
    }
}

/// How many jobs may wait in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backlog {
    /// So many.
    Number(u32),
    /// So many times its slots.
    TimesSlots(u32),
}

impl Backlog {
    /// With so many slots; `None`, no limit, where slots have none.
    pub fn with(self, slots: Option<u32>) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::TimesSlots(times) => slots.map(|slots| slots.saturating_mul(times)),
        }
    }
}

pub(super) fn backlog(value: &Value<'_>) -> Result<Option<Backlog>, Faults> {
    let number = value.integer().and_then(|number| u32::try_from(number).ok()).filter(|&number| number <= MOST);
    let times = || value.text()?.strip_suffix('x').filter(|digits| is_digits(digits))?.parse().ok();
    match (number, times()) {
        _ if value.is("none") => Ok(None),
        (Some(number), _) => Ok(Some(Backlog::Number(number))),
        (_, Some(times @ 1..=100_000)) => Ok(Some(Backlog::TimesSlots(times))),
        _ => value
            .refuse("a whole number from 0 to 1000000000, or times the slots such as \"3x\", or \"none\", is expected"),
    }
}

impl Written for Backlog {
    fn written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::TimesSlots(times) => quoted(&format!("{times}x")),
        }
    }
}

/// `1.5/cpu`.
fn per_cpu(text: &str) -> Option<f64> {
    let number = text.strip_suffix("/cpu")?.trim_end();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = number.parse().ok()?;
    (plain && number <= f64::from(MOST_SLOTS)).then_some(number)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

const A_LOAD: &str = "a number, or a number per CPU such as \"1.5/cpu\"";
const MOST_SLOTS: u32 = 100_000;
