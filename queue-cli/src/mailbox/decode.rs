//! The encodings of mail that our own reports use: encoded words in a head, quoted-printable and base64
//! bodies, all of UTF-8. What is not understood is left as it stands.

use wire::ByteString;

/// A line of a head, with its encoded words decoded (RFC 2047).
pub fn head(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while !rest.is_empty() {
        let start = find(rest, b"=?").unwrap_or(rest.len());
        let (between, found) = rest.split_at(start);
        let word = encoded_word(found);
        // Blanks between two encoded words are part of neither.
        if !(after_word && word.is_some() && between.iter().all(u8::is_ascii_whitespace)) {
            decoded.extend_from_slice(between);
        }
        match word {
            Some((bytes, length)) => {
                decoded.extend_from_slice(&bytes);
                rest = &found[length..];
                after_word = true;
            }
            None => {
                let taken = found.len().min(2);
                decoded.extend_from_slice(&found[..taken]);
                rest = &found[taken..];
                after_word = false;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// What `=?utf-8?b?...?=` at the beginning says, and its length.
fn encoded_word(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut parts = text.strip_prefix(b"=?")?.splitn(3, |byte| *byte == b'?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let length = find(&rest[..rest.len().min(LONGEST_WORD)], b"?=")?;
    let word = &rest[..length];
    if word.iter().any(u8::is_ascii_whitespace) || !is_utf8(charset) {
        return None;
    }
    let bytes = match encoding {
        b"b" | b"B" => base64(word)?,
        b"q" | b"Q" => {
            let blanks = word.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect::<Vec<_>>();
            quoted_printable(&blanks)
        }
        _ => return None,
    };
    Some((bytes, 2 + charset.len() + 1 + encoding.len() + 1 + length + 2))
}

fn is_utf8(charset: &[u8]) -> bool {
    charset.eq_ignore_ascii_case(b"utf-8") || charset.eq_ignore_ascii_case(b"us-ascii")
}

/// Ours have 75 at most; a head that only looks like words is not searched to its end for each of them.
const LONGEST_WORD: usize = 1024;

/// A body with this transfer encoding.
pub fn body(text: &[u8], encoding: &str) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "quoted-printable" => quoted_printable(text),
        "base64" => base64(text).unwrap_or_else(|| text.to_vec()),
        _ => text.to_vec(),
    }
}

fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'=' {
            decoded.push(*byte);
            continue;
        }
        // Blanks at the end of a line may have been added on the way.
        let blanks = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        match behind {
            [high, low, end @ ..] if let (Some(high), Some(low)) = (digit(*high), digit(*low)) => {
                decoded.push(high << 4 | low);
                rest = end;
            }
            _ if behind.get(blanks) == Some(&b'\n') => rest = &behind[blanks + 1..],
            _ => decoded.push(b'='),
        }
    }
    decoded
}

fn digit(letter: u8) -> Option<u8> {
    char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// By the decoder that byte strings of the API have.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    let text = String::from_utf8(text).ok()?;
    serde_json::from_value::<ByteString>(serde_json::json!({ "b64": text })).ok().map(|bytes| bytes.0)
}

/// Where it begins.
pub fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_decoded_and_joined() {
        for (text, decoded) in [
            ("plain", "plain"),
            ("=?utf-8?b?w6TDtg==?=", "äö"),
            ("[queue] ok: =?UTF-8?Q?n=C3=A4chtlich_x?= (17)", "[queue] ok: nächtlich x (17)"),
            ("=?utf-8?b?w6Q=?= =?utf-8?b?w7Y=?= x", "äö x"),
            // A character in two words.
            ("=?utf-8?q?a=C3?= =?utf-8?q?=A4?=", "aä"),
            ("ä raw", "ä raw"),
        ] {
            assert_eq!(head(text.as_bytes()), decoded, "{text}");
        }
    }

    #[test]
    fn what_is_no_encoded_word_is_left() {
        for text in
            ["a =? b", "=?utf-8?b?!!?=", "=?utf-8?x?a?=", "=?koi8-r?b?w6Q=?=", "=?utf-8?q?a b?=", "=?", "=?a?b", "?="]
        {
            assert_eq!(head(text.as_bytes()), text);
        }
    }

    #[test]
    fn bodies_are_decoded_and_damage_stays_visible() {
        assert_eq!(body(b"a=3D=C3=A4 =\r\nb=\n=ZZ =", "Quoted-Printable"), "a=ä b=ZZ =".as_bytes());
        assert_eq!(body(b"aGFs\r\nbG8=\r\n", "BASE64"), b"hallo");
        assert_eq!(body(b"a!", "base64"), b"a!");
        assert_eq!(body(b"=41", "8bit"), b"=41");
    }
}
