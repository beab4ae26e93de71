//! What a host offers to jobs, and what jobs need of it. Whether a need is met is decided elsewhere.

use toml::de::DeTable;
use wire::needs::{LONGEST_WORD, is_offer_name, is_plain};
pub use wire::needs::{Need, NeedTest, NeedValue};

use super::fault::{Fault, Faults, Source};
use super::size::Size;
use super::value::{self, MOST, Value, gather};
use super::words::absolute;
use super::written::{self, Written, quoted};
use crate::config::is_host_name;

/// One thing that a host offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Such as `gpu`.
    pub name: String,
    /// How much of it.
    pub amount: Amount,
}

/// How much is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// So many, of which each job takes some.
    Number(u64),
    /// So many bytes.
    Size(Size),
    /// It is there, or not.
    Flag(bool),
    /// These, of which each job is given some by name.
    Devices(Vec<String>),
    /// So many in the whole cluster, counted by one host.
    Shared {
        /// How many.
        count: u64,
        /// Who counts.
        counted_by: String,
    },
}

/// What `offer` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers(pub Vec<Offer>);

/// What `needs` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs(pub Vec<Need>);

/// What `offer` says in a file that has other things too, `queued.toml`: for this host, its `[host.NAME]` before
/// the rest.
///
/// # Errors
/// What is wrong with it, with its places.
pub fn in_settings(text: &str, host: &str) -> Result<Offers, Vec<Fault>> {
    let source = Source::new(text);
    let (table, _) = DeTable::parse_recoverable(text);
    let entries = value::entries("", table.get_ref(), &source);
    let entry = |name: &str| entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value);
    let own = entry("host").and_then(Value::lines).unwrap_or_default();
    let own = own.iter().find(|(key, _)| key.text == host).and_then(|(_, table)| table.lines()).unwrap_or_default();
    let own = own.iter().find(|(key, _)| key.text == "offer").map(|(_, value)| value);
    own.or_else(|| entry("offer")).map_or(Ok(Offers::default()), offers)
}

pub(super) fn needs(value: &Value<'_>) -> Result<Needs, Faults> {
    let expected = "a list of needs such as [\"gpu=1\", \"scratch>=500GiB\", \"raid\"] is expected";
    let need = |need: &Value<'_>| match need.text().and_then(Need::parse) {
        Some(need) => Ok(need),
        None => need.refuse("a need such as \"gpu=1\", \"scratch>=500GiB\" or \"raid\" is expected"),
    };
    value.each(MOST_OFFERS, expected, need).map(Needs)
}

pub(super) fn offers(value: &Value<'_>) -> Result<Offers, Faults> {
    let Some(entries) = value.entries() else {
        return value.refuse("a table such as { gpu = 2, raid = true } is expected");
    };
    if entries.len() > MOST_OFFERS {
        return value.refuse(format_args!("at most {MOST_OFFERS} are expected, here are {}", entries.len()));
    }
    let offers = entries.iter().map(|(name, value)| {
        if !is_offer_name(name.text) {
            return value.refuse("the name before it is not one of small letters, digits, -, _ and . after a letter");
        }
        Ok(Offer { name: name.text.to_owned(), amount: amount(value)? })
    });
    gather(offers).map(Offers)
}

fn amount(value: &Value<'_>) -> Result<Amount, Faults> {
    if let Some(flag) = value.truth() {
        return Ok(Amount::Flag(flag));
    }
    if let Some(number) = whole(value) {
        return Ok(Amount::Number(number));
    }
    if let Some(size) = value.text().filter(|text| text.contains(char::is_alphabetic)).and_then(Size::parse) {
        return Ok(Amount::Size(size));
    }
    if value.list().is_some() {
        return devices(value).map(Amount::Devices);
    }
    match value.entries() {
        Some(entries) => shared(value, &entries),
        None => value.refuse(
            "a whole number, a size such as \"500GiB\", true or false, a list of devices, or { count = 5, counted-by = \"HOST\" } is expected",
        ),
    }
}

fn devices(value: &Value<'_>) -> Result<Vec<String>, Faults> {
    let device = |device: &Value<'_>| match device.text() {
        Some(name) if !name.is_empty() && name.chars().all(is_plain) && name.len() <= LONGEST_WORD => {
            Ok(name.to_owned())
        }
        Some(path) if absolute(path) && path.chars().all(is_plain) => Ok(path.to_owned()),
        _ => device.refuse("a device's name without white space is expected"),
    };
    let names = value.each(MOST_DEVICES, "a list of devices is expected", device)?;
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return value.refuse(format_args!("{} stands there twice", quoted(name)));
        }
    }
    Ok(names)
}

fn shared(value: &Value<'_>, entries: &[(super::value::Key<'_>, Value<'_>)]) -> Result<Amount, Faults> {
    let (mut count, mut counted_by) = (None, None);
    for (key, value) in entries {
        match key.text {
            "count" => match whole(value) {
                Some(number) => count = Some(number),
                None => return value.refuse("a whole number is expected"),
            },
            "counted-by" => match value.text().filter(|name| is_host_name(name)) {
                Some(host) => counted_by = Some(host.to_owned()),
                None => return value.refuse("a host's name is expected"),
            },
            _ => return value.refuse("no such key; count and counted-by are expected"),
        }
    }
    match (count, counted_by) {
        (Some(count), Some(counted_by)) => Ok(Amount::Shared { count, counted_by }),
        _ => value.refuse("both count and counted-by are expected"),
    }
}

fn whole(value: &Value<'_>) -> Option<u64> {
    let number = value.integer().and_then(|number| u64::try_from(number).ok());
    number.filter(|&number| number <= u64::from(MOST))
}

impl Written for Amount {
    fn written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            // A bare number would be a count.
            Self::Size(size) => quoted(&size.to_string()),
            Self::Flag(flag) => flag.to_string(),
            Self::Devices(names) => written::list(names.iter().map(String::as_str)),
            Self::Shared { count, counted_by } => {
                format!("{{ count = {count}, counted-by = {} }}", quoted(counted_by))
            }
        }
    }
}

impl Written for Offers {
    fn written(&self) -> String {
        written::table(self.0.iter().map(|offer| (offer.name.clone(), offer.amount.written())))
    }
}

impl Written for Needs {
    fn written(&self) -> String {
        let needs: Vec<String> = self.0.iter().map(Need::to_string).collect();
        written::list(needs.iter().map(String::as_str))
    }
}

const MOST_OFFERS: usize = 64;
const MOST_DEVICES: usize = 1024;
