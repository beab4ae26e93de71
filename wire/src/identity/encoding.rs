//! Text forms of bytes: hexadecimal for keys and names, base64 for binary fields in JSON.

use std::fmt::Write;

/// Two lower-case digits per byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing into a string does not fail");
    }
    text
}

/// The reverse of [`hex`]; upper case and any other length are refused, so that bytes have one spelling only.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// For `#[serde(with)]`: a field of known size as a base64 string. Another size is an error of the reader.
pub(super) mod base64_array {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, const N: usize, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        // Judged by the length of the text first: what is far too long is not decoded at all.
        if text.len() != N.div_ceil(3) * 4 {
            return Err(D::Error::custom(format_args!(
                "expected {N} bytes in base64, found {} characters",
                text.len()
            )));
        }
        let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
        let found = bytes.len();
        bytes.try_into().map_err(|_| D::Error::custom(format_args!("expected {N} bytes in base64, found {found}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_hexadecimal() {
        for byte in 0..=255 {
            assert_eq!(from_hex(&hex(&[byte, !byte])), Some([byte, !byte]));
        }
    }

    #[test]
    fn hexadecimal_has_one_spelling() {
        for wrong in ["", "0", "0A", "0g", "000", "+1", " 1", "é"] {
            assert_eq!(from_hex::<1>(wrong), None, "{wrong:?}");
        }
    }
}
