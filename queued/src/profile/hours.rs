//! `timesched` and `timestop`: the hours of a week. They know no time zone and no clock; the weekday and the
//! minute of the day are told, as the host's wall clock shows them.
//!
//! A specification is open when one of its items is. An item is a day, or a range of the clock, or both, and
//! then both must hold: `Wk1800-0700` is Monday to Friday before seven and from six, and not Saturday at one in
//! the morning, although that night has begun on a Friday.

use std::collections::BTreeSet;

use jiff::civil::Weekday;

use super::fault::Faults;
use super::value::Value;
use super::written::{Written, list, quoted};

/// The hours in a week in which something may be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hours {
    /// One for each comma-separated item; none is always.
    items: Vec<Item>,
    written: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Item {
    days: Days,
    clock: Option<Clock>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    Any,
    /// Both included; goes on after Sunday with Monday.
    Range(Weekday, Weekday),
    Evening,
    Night,
}

/// Minutes of the day, the second not included; wraps at midnight when it is the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    from: u16,
    to: u16,
}

impl Hours {
    /// Always.
    pub fn always() -> Self {
        Self::default()
    }

    /// Reads one specification: `Wk1800-0700`, `Sa,Su`, `Mo-Fr 08:00-18:00`.
    ///
    /// # Errors
    /// The item that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(|item| item.trim());
        let items: Result<_, _> = items.map(|text| item(text).ok_or_else(|| text.to_owned())).collect();
        Ok(Self { items: items?, written: vec![text.trim().to_owned()] })
    }

    /// Whether it is open at this minute (0 to 1439) of the day.
    pub fn is_open(&self, weekday: Weekday, minute_of_day: u16) -> bool {
        self.items.is_empty() || self.items.iter().any(|item| item.is_open(weekday, minute_of_day))
    }

    /// In how many minutes it opens or closes, at least one; `None`: it never does.
    pub fn next_change(&self, weekday: Weekday, minute_of_day: u16) -> Option<u32> {
        let now = self.is_open(weekday, minute_of_day);
        let edges: BTreeSet<u16> = self.items.iter().flat_map(Item::edges).collect();
        let mut day = weekday;
        for days in 0..=7 {
            for &edge in &edges {
                let later = days > 0 || edge > minute_of_day;
                if later && self.is_open(day, edge) != now {
                    return Some(days * u32::from(DAY) + u32::from(edge) - u32::from(minute_of_day.min(DAY - 1)));
                }
            }
            day = day.next();
        }
        None
    }
}

impl Item {
    fn is_open(&self, weekday: Weekday, minute: u16) -> bool {
        self.days.are_open(weekday, minute) && self.clock.is_none_or(|clock| clock.is_open(minute))
    }

    /// The minutes of a day at which it may open or close.
    fn edges(&self) -> Vec<u16> {
        let mut edges = vec![0];
        match self.days {
            Days::Any | Days::Range(..) => {}
            Days::Evening => edges.extend([MORNING, AFTERNOON]),
            Days::Night => edges.extend([MORNING, AFTERNOON, BEDTIME]),
        }
        // The end of a day is the beginning of the next.
        edges.extend(self.clock.iter().flat_map(|clock| [clock.from, clock.to % DAY]));
        edges
    }
}

impl Days {
    fn are_open(self, weekday: Weekday, minute: u16) -> bool {
        let weekend = matches!(weekday, Weekday::Saturday | Weekday::Sunday);
        match self {
            Self::Any => true,
            Self::Range(first, last) => first.until(weekday) <= first.until(last),
            Self::Evening => weekend || !(MORNING..AFTERNOON).contains(&minute),
            Self::Night => {
                let free = weekday == Weekday::Saturday || weekday == Weekday::Sunday && minute < AFTERNOON;
                free || !(MORNING..BEDTIME).contains(&minute)
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if let Some((first, last)) = text.split_once('-') {
            return Some(Self::Range(weekday(first.trim())?, weekday(last.trim())?));
        }
        Some(match text.as_str() {
            "" | "any" => Self::Any,
            "wk" => Self::Range(Weekday::Monday, Weekday::Friday),
            "evening" => Self::Evening,
            "night" => Self::Night,
            day => {
                let day = weekday(day)?;
                Self::Range(day, day)
            }
        })
    }
}

impl Clock {
    fn is_open(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (clock_time(from.trim())?, clock_time(to.trim())?);
        // Nothing, or everything? Nobody can tell, so it is neither.
        (from < DAY && from != to % DAY || (from, to) == (0, DAY)).then_some(Self { from, to })
    }
}

/// `[DAY][HHMM-HHMM]`.
fn item(text: &str) -> Option<Item> {
    let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (days, clock) = text.split_at(digits);
    if text.is_empty() {
        return None;
    }
    let clock = if clock.is_empty() { None } else { Some(Clock::parse(clock)?) };
    Some(Item { days: Days::parse(days.trim())?, clock })
}

/// `0800`, `08:00`, `8:00`; `2400` is the end of the day.
fn clock_time(text: &str) -> Option<u16> {
    let (hour, minute) = match text.split_once(':') {
        Some(split) => split,
        None if text.len() == 4 && text.is_ascii() => text.split_at(2),
        None => return None,
    };
    let number = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        let plain = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

/// The first two letters, the first three, or the whole name, in lower case.
fn weekday(text: &str) -> Option<Weekday> {
    let days = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let is = |name: &str| text == name || matches!(text.len(), 2 | 3) && name.starts_with(text);
    days.into_iter().find(|(name, _)| is(name)).map(|(_, day)| day)
}

pub(super) fn hours(value: &Value<'_>) -> Result<Hours, Faults> {
    let expected = "days and hours such as \"Wk1800-0700\", \"Sa,Su\" or \"Mo-Fr 08:00-18:00\" are expected";
    let one = |value: &Value<'_>| {
        let Some(text) = value.text() else {
            return value.refuse(expected);
        };
        Hours::parse(text).or_else(|item| value.refuse(format_args!("{} is not understood; {expected}", quoted(&item))))
    };
    if value.is("always") {
        return Ok(Hours::always());
    }
    if value.list().is_none() {
        return one(value);
    }
    let all = value.each(MOST_ITEMS, expected, one)?;
    if all.is_empty() {
        return value.refuse(format_args!("{expected}; exec = \"drain\" starts nothing at any time"));
    }
    let mut hours = Hours::always();
    for Hours { items, written } in all {
        hours.items.extend(items);
        hours.written.extend(written);
    }
    Ok(hours)
}

impl Written for Hours {
    fn written(&self) -> String {
        match self.written.as_slice() {
            [] => quoted("always"),
            [one] => quoted(one),
            several => list(several.iter().map(String::as_str)),
        }
    }
}

const DAY: u16 = 24 * 60;
const MORNING: u16 = 8 * 60;
const AFTERNOON: u16 = 17 * 60;
const BEDTIME: u16 = 23 * 60;
const MOST_ITEMS: usize = 64;
