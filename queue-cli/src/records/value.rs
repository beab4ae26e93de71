//! A value as YAML and JSON both have it, with its place in the file.
//!
//! Numbers and truths keep their spelling: `argv: [chmod, 0755, f]` and `name: 1.10` mean what stands
//! there, and only the field they are for says whether they are numbers at all.

use std::borrow::Cow;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::{Error, MapDeserializer};
use wire::ByteString;

use super::source::{Problem, shown};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Value<'a> {
    /// Bytes from the start of the file.
    pub offset: usize,
    /// What it is.
    pub shape: Shape<'a>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape<'a> {
    /// `null`, `~`, or nothing at all.
    Nothing,
    /// `true`, or what YAML takes for it, as it is written.
    Truth(bool, &'a str),
    /// As it is written.
    Number(&'a str),
    /// Without quotes and escapes.
    Text(Cow<'a, str>),
    /// In its order.
    List(Vec<Value<'a>>),
    /// In its order; keys may still be doubled.
    Map(Vec<Entry<'a>>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// The key.
    pub key: Cow<'a, str>,
    /// Where the key stands.
    pub offset: usize,
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Value<'a> {
    /// A text for `field`, which is said in messages.
    pub fn text(self, field: &str) -> Result<String, Problem> {
        let text = match self.shape {
            Shape::Text(text) => text.into_owned(),
            Shape::Truth(_, written) | Shape::Number(written) => written.to_owned(),
            _ => return Err(self.is_not(field, "a text")),
        };
        match text.contains('\0') {
            true => Err(Problem::at(self.offset, format!("{field}: a zero byte cannot be part of it"))),
            false => Ok(text),
        }
    }

    /// A text or, for bytes that are none, `{"b64": "..."}`.
    pub fn bytes(self, field: &str) -> Result<ByteString, Problem> {
        let offset = self.offset;
        let bytes = match self.shape {
            Shape::Map(entries) => {
                let pairs = entries.into_iter().map(|entry| Ok((entry.key, entry.value.text("b64")?)));
                let pairs = pairs.collect::<Result<Vec<_>, Problem>>()?;
                ByteString::deserialize(MapDeserializer::<_, Error>::new(pairs.into_iter())).map_err(|error| {
                    Problem::at(offset, format!("{field}: a text or {{\"b64\": \"...\"}} is expected ({error})"))
                })?
            }
            _ => ByteString(self.text(field)?.into_bytes()),
        };
        match bytes.0.contains(&0) {
            true => Err(Problem::at(offset, format!("{field}: a zero byte cannot be part of it"))),
            false => Ok(bytes),
        }
    }

    /// A list for `field`.
    pub fn list(self, field: &str) -> Result<Vec<Value<'a>>, Problem> {
        match self.shape {
            Shape::List(values) => Ok(values),
            _ => Err(self.is_not(field, "a list")),
        }
    }

    /// Keys and values for `field`, each key once.
    pub fn map(self, field: &str) -> Result<Vec<Entry<'a>>, Problem> {
        let entries = match self.shape {
            Shape::Map(entries) => entries,
            _ => return Err(self.is_not(field, "a map of keys and values")),
        };
        let mut keys = entries.iter().map(|entry| (&entry.key, entry.offset)).collect::<Vec<_>>();
        keys.sort();
        match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Problem::at(pair[1].1, format!("{} is said twice", shown(pair[1].0)))),
            None => Ok(entries),
        }
    }

    /// `true` or `false`, also as a text, which is how rq has it.
    pub fn truth(&self, field: &str) -> Result<bool, Problem> {
        match &self.shape {
            Shape::Truth(truth, _) => Ok(*truth),
            Shape::Text(text) if text == "true" => Ok(true),
            Shape::Text(text) if text == "false" => Ok(false),
            _ => Err(self.is_not(field, "true or false")),
        }
    }

    /// A whole number within the bounds of its type, also as a text.
    pub fn whole<N: FromStr>(&self, field: &str, expected: &str) -> Result<N, Problem> {
        let written = match &self.shape {
            Shape::Number(written) => written,
            Shape::Text(text) => text.trim(),
            _ => "",
        };
        written.parse().map_err(|_| self.is_not(field, expected))
    }

    /// The refusal for something else than `expected`.
    pub fn is_not(&self, field: &str, expected: &str) -> Problem {
        let found = match &self.shape {
            Shape::Nothing => "nothing".to_owned(),
            Shape::Truth(_, written) | Shape::Number(written) => (*written).to_owned(),
            Shape::Text(text) => shown(text),
            Shape::List(_) => "a list".to_owned(),
            Shape::Map(_) => "a map".to_owned(),
        };
        Problem::at(self.offset, format!("{field}: {found} stands where {expected} is expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(shape: Shape) -> Value {
        Value { offset: 7, shape }
    }

    #[test]
    fn a_number_is_a_text_as_it_was_written() {
        assert_eq!(value(Shape::Number("1.10")).text("name"), Ok("1.10".to_owned()));
        assert_eq!(value(Shape::Truth(true, "yes")).text("name"), Ok("yes".to_owned()));
        let refused = value(Shape::Nothing).text("name").expect_err("nothing is no text");
        assert_eq!(refused, Problem::at(7, "name: nothing stands where a text is expected"));
        assert!(value(Shape::Text("a\0b".into())).text("name").is_err());
    }

    #[test]
    fn a_whole_number_has_no_fraction_and_fits() {
        let whole = |shape| value(shape).whole::<i32>("priority", "a whole number").ok();
        assert_eq!(whole(Shape::Number("-3")), Some(-3));
        assert_eq!(whole(Shape::Text(" 3".into())), Some(3));
        assert_eq!(whole(Shape::Number("3.0")), None);
        assert_eq!(whole(Shape::Number("3000000000")), None);
        assert_eq!(whole(Shape::List(Vec::new())), None);
    }

    #[test]
    fn bytes_are_a_text_or_base64() {
        let entry = |key: &'static str, text: &'static str| {
            let value = value(Shape::Text(text.into()));
            Entry { key: key.into(), offset: 7, value }
        };
        let map = |entries| value(Shape::Map(entries)).bytes("argv").map(|bytes| bytes.0);
        assert_eq!(map(vec![entry("b64", "/w==")]), Ok(vec![0xff]));
        assert!(map(vec![entry("b64", "AA==")]).is_err(), "a zero byte");
        assert!(map(vec![entry("b64", "!")]).is_err());
        assert!(map(vec![entry("c64", "/w==")]).is_err());
        assert_eq!(value(Shape::Text("a".into())).bytes("argv"), Ok("a".into()));
    }
}
