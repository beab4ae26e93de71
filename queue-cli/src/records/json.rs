//! JSON: objects one after the other, or in lists; a daemon's answer with its list in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Sink;
use super::source::{Problem, Source};
use super::value::{Entry, Shape, Value};

/// Gives each element to `sink`.
pub fn each<'a>(source: &Source<'a>, sink: &mut Sink<'a, '_>) -> Result<(), Problem> {
    let text = source.text()?;
    let reader = Reader { text, guess: source.guess };
    for raw in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let raw = raw.map_err(|error| {
            let place = source.offset(error.line(), error.column());
            Problem::at(place, format!("this is no JSON: {}{}", words(&error), source.guess))
        })?;
        match raw.get().as_bytes().first() {
            Some(b'[') => {
                for element in reader.elements(raw)? {
                    sink(reader.value(element, 0)?)?;
                }
            }
            Some(b'{') => {
                let entries = reader.entries(raw)?;
                let jobs = entries.iter().find(|(key, value)| key.get() == "\"jobs\"" && value.get().starts_with('['));
                match jobs {
                    Some((_, jobs)) => {
                        for element in reader.elements(jobs)? {
                            sink(reader.value(element, 0)?)?;
                        }
                    }
                    None => sink(reader.value(raw, 0)?)?,
                }
            }
            _ => return Err(Problem::at(reader.offset(raw), "an object or a list of objects is expected here")),
        }
    }
    Ok(())
}

/// Makes values of pieces of one text.
struct Reader<'a> {
    text: &'a str,
    guess: &'static str,
}

impl<'a> Reader<'a> {
    /// Where a piece stands. Pieces are slices of the text.
    fn offset(&self, raw: &RawValue) -> usize {
        (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    fn value(&self, raw: &'a RawValue, depth: usize) -> Result<Value<'a>, Problem> {
        let offset = self.offset(raw);
        if depth > DEEPEST {
            return Err(Problem::at(offset, "lists and objects stand too deep in one another here"));
        }
        let written = raw.get();
        let shape = match written.as_bytes().first() {
            Some(b'n') => Shape::Nothing,
            Some(b't') => Shape::Truth(true, written),
            Some(b'f') => Shape::Truth(false, written),
            Some(b'"') => Shape::Text(self.string(raw)?),
            Some(b'[') => {
                let elements = self.elements(raw)?.into_iter();
                Shape::List(elements.map(|element| self.value(element, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'{') => {
                let entry = |(key, value): (&'a RawValue, &'a RawValue)| {
                    let value = self.value(value, depth + 1)?;
                    Ok(Entry { key: self.string(key)?, offset: self.offset(key), value })
                };
                Shape::Map(self.entries(raw)?.into_iter().map(entry).collect::<Result<_, _>>()?)
            }
            _ => Shape::Number(written),
        };
        Ok(Value { offset, shape })
    }

    fn string(&self, raw: &'a RawValue) -> Result<Cow<'a, str>, Problem> {
        let plain = raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        match plain {
            Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
            _ => self.read::<String>(raw).map(Cow::Owned),
        }
    }

    fn elements(&self, raw: &'a RawValue) -> Result<Vec<&'a RawValue>, Problem> {
        self.read(raw)
    }

    fn entries(&self, raw: &'a RawValue) -> Result<Vec<(&'a RawValue, &'a RawValue)>, Problem> {
        self.read::<Entries>(raw).map(|entries| entries.0)
    }

    fn read<T: Deserialize<'a>>(&self, raw: &'a RawValue) -> Result<T, Problem> {
        serde_json::from_str(raw.get())
            .map_err(|error| Problem::at(self.offset(raw), format!("this is no JSON: {}{}", words(&error), self.guess)))
    }
}

/// An object as its pieces, in their order.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Deserialize<'a> for Entries<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'a> Visitor<'a> for EntriesVisitor {
    type Value = Entries<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Entries<'a>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

/// The error without the place, which stands before it.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(words, _)| words.to_owned())
}

/// Lists and objects in one another; no field needs more than three.
const DEEPEST: usize = 16;
