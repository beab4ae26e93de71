//! A certificate as bytes: it is judged by [`Trust::verify`](super::Trust::verify), not here.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An X.509 certificate in DER form, not yet judged. In JSON a base64 string.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(pub Vec<u8>);

impl Certificate {
    /// More bytes than this are never a certificate of queue: names have 255 bytes at most, three times that escaped.
    pub const MOST_BYTES: usize = 4096;
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes)", self.0.len())
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Certificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() > Self::MOST_BYTES.div_ceil(3) * 4 {
            return Err(D::Error::custom("this is too long for a certificate"));
        }
        STANDARD.decode(text).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_base64_strings() {
        let text = serde_json::to_string(&Certificate(vec![0, 0xff])).expect("strings always serialise");
        assert_eq!(text, r#""AP8=""#);
        assert_eq!(serde_json::from_str::<Certificate>(&text).expect("what we wrote"), Certificate(vec![0, 0xff]));
    }

    #[test]
    fn other_json_is_an_error() {
        let long = format!("\"{}\"", "A".repeat(Certificate::MOST_BYTES * 2));
        for wrong in ["null", "7", "[1]", r#""AP8""#, r#""!!!!""#, &long] {
            assert!(serde_json::from_str::<Certificate>(wrong).is_err(), "{wrong:.20}");
        }
    }
}
