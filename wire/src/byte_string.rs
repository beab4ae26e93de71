//! Byte strings inside JSON: arguments, environment and paths are bytes, JSON is not.
//!
//! A [`ByteString`] is written as a JSON string when it is valid UTF-8 and as
//! `{"b64": "..."}` otherwise, so that every argument arrives unchanged.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are usually, but not necessarily, UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteString(pub Vec<u8>);

impl ByteString {
    /// The bytes as the operating system's string.
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// The bytes for a person: invalid UTF-8 and control characters escaped.
    pub fn display(&self) -> String {
        let mut shown = String::new();
        for character in String::from_utf8_lossy(&self.0).chars() {
            if character.is_control() {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        shown
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.display())
    }
}

impl From<OsString> for ByteString {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("b64", &STANDARD.encode(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteStringVisitor)
    }
}

struct ByteStringVisitor;

impl<'de> Visitor<'de> for ByteStringVisitor {
    type Value = ByteString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or {\"b64\": \"...\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteString, E> {
        Ok(ByteString::from(text))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<ByteString, E> {
        Ok(ByteString(text.into_bytes()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByteString, A::Error> {
        let mut bytes = None;
        while let Some(name) = map.next_key::<String>()? {
            if name == "b64" {
                let text = map.next_value::<String>()?;
                bytes = Some(STANDARD.decode(text).map_err(de::Error::custom)?);
            } else {
                map.next_value::<de::IgnoredAny>()?;
            }
        }
        bytes.map(ByteString).ok_or_else(|| de::Error::missing_field("b64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_bytes_survives_json() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let before = ByteString(vec![first, second]);
                let text = serde_json::to_string(&before).expect("byte strings always serialise");
                let after: ByteString = serde_json::from_str(&text).expect("what we wrote reads back");
                assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn an_unknown_field_beside_b64_is_ignored() {
        let read: ByteString = serde_json::from_str(r#"{"new": 1, "b64": "/w=="}"#).expect("tolerant");
        assert_eq!(read.0, [0xff]);
    }
}
