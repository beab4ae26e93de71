//! One value in a profile, and the ways in which any directive reads it. What is expected is said by the one
//! who reads; what stands there, and where, is said here.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults, Place, Source};

/// One value and the name it stands under.
pub(super) struct Value<'a> {
    pub name: String,
    toml: &'a Spanned<DeValue<'a>>,
    source: &'a Source<'a>,
}

/// A key, and where it stands.
pub(super) struct Key<'a> {
    pub text: &'a str,
    pub at: usize,
}

impl<'a> Value<'a> {
    /// The sentence about this value.
    pub fn fault(&self, expected: impl fmt::Display) -> Fault {
        let span = self.toml.span();
        let written = self.source.written(span.clone());
        let message = match self.toml.get_ref() {
            // What stands there is a header or a dotted key.
            DeValue::Table(_) if !written.starts_with('{') => format!("{} is a table: {expected}", self.name),
            _ => format!("{} = {written}: {expected}", self.name),
        };
        self.source.fault(span.start, message)
    }

    pub fn refuse<T>(&self, expected: impl fmt::Display) -> Result<T, Faults> {
        Err(vec![self.fault(expected)])
    }

    pub fn place(&self) -> Place {
        self.source.place(self.toml.span().start)
    }

    pub fn text(&self) -> Option<&'a str> {
        self.toml.get_ref().as_str()
    }

    pub fn is(&self, word: &str) -> bool {
        self.text() == Some(word)
    }

    pub fn truth(&self) -> Option<bool> {
        self.toml.get_ref().as_bool()
    }

    pub fn integer(&self) -> Option<i64> {
        let integer = self.toml.get_ref().as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// An integer or a fraction, finite.
    pub fn number(&self) -> Option<f64> {
        let number = match self.toml.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok()?,
            _ => self.integer()? as f64,
        };
        f64::is_finite(number).then_some(number)
    }

    pub fn list(&self) -> Option<Vec<Value<'a>>> {
        let array = self.toml.get_ref().as_array()?;
        Some(array.iter().map(|toml| Self { name: self.name.clone(), toml, source: self.source }).collect())
    }

    /// The entries of a table, in the order of the file, each under `NAME.KEY`.
    pub fn entries(&self) -> Option<Vec<(Key<'a>, Value<'a>)>> {
        let table = self.toml.get_ref().as_table()?;
        Some(entries(&self.name, table, self.source))
    }

    /// The same, each under its key alone: a line in it is cited as it stands there.
    pub fn lines(&self) -> Option<Vec<(Key<'a>, Value<'a>)>> {
        let table = self.toml.get_ref().as_table()?;
        Some(entries("", table, self.source))
    }

    /// Every element of a list of at most `most`, each read by `read`; all that is wrong with any of them.
    pub fn each<T>(
        &self,
        most: usize,
        expected: &str,
        mut read: impl FnMut(&Value<'a>) -> Result<T, Faults>,
    ) -> Result<Vec<T>, Faults> {
        let Some(list) = self.list() else {
            return self.refuse(expected);
        };
        if list.len() > most {
            return self.refuse(format_args!("at most {most} are expected, here are {}", list.len()));
        }
        gather(list.iter().map(&mut read))
    }
}

/// The entries of a table, in the order of the file.
pub(super) fn entries<'a>(prefix: &str, table: &'a DeTable<'a>, source: &'a Source<'a>) -> Vec<(Key<'a>, Value<'a>)> {
    let entry = |(key, toml): (&'a Spanned<_>, &'a _)| {
        let text: &'a std::borrow::Cow<'a, str> = key.get_ref();
        let name = match prefix {
            "" => text.to_string(),
            _ => format!("{prefix}.{}", super::written::key(text)),
        };
        (Key { text, at: key.span().start }, Value { name, toml, source })
    };
    let mut entries: Vec<_> = table.iter().map(entry).collect();
    entries.sort_by_key(|(key, _)| key.at);
    entries
}

/// All values, or everything that is wrong with any.
pub(super) fn gather<T>(results: impl IntoIterator<Item = Result<T, Faults>>) -> Result<Vec<T>, Faults> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(faults) => wrong.extend(faults),
        }
    }
    if wrong.is_empty() { Ok(good) } else { Err(wrong) }
}

/// A whole number within bounds.
pub(super) fn whole(value: &Value<'_>, range: RangeInclusive<i64>) -> Result<i64, Faults> {
    match value.integer() {
        Some(number) if range.contains(&number) => Ok(number),
        _ => value.refuse(format_args!("a whole number from {} to {} is expected", range.start(), range.end())),
    }
}

/// The same, or `"none"`.
pub(super) fn whole_or_none(value: &Value<'_>, range: RangeInclusive<i64>) -> Result<Option<i64>, Faults> {
    match value.integer() {
        _ if value.is("none") => Ok(None),
        Some(number) if range.contains(&number) => Ok(Some(number)),
        _ => value.refuse(format_args!(
            "a whole number from {} to {}, or \"none\", is expected",
            range.start(),
            range.end()
        )),
    }
}

/// How many: at most so many jobs, hosts, files.
pub(super) fn count(value: &Value<'_>, least: u32) -> Result<u32, Faults> {
    whole(value, i64::from(least)..=i64::from(MOST)).map(within)
}

/// The same, or `"none"`.
pub(super) fn count_or_none(value: &Value<'_>, least: u32) -> Result<Option<u32>, Faults> {
    whole_or_none(value, i64::from(least)..=i64::from(MOST)).map(|number| number.map(within))
}

fn within(number: i64) -> u32 {
    u32::try_from(number).expect("both bounds are counts")
}

pub(super) fn truth(value: &Value<'_>) -> Result<bool, Faults> {
    value.truth().map_or_else(|| value.refuse("true or false is expected"), Ok)
}

/// The most of anything that is counted.
pub(super) const MOST: u32 = 1_000_000_000;
