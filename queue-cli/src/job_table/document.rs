//! JSON and YAML for programs.
//!
//! Both are written by the same hand: a value in YAML is the value in JSON, which YAML contains, and only
//! words that nobody can read as anything else stand without quotes. Characters that drive a terminal,
//! end a line or are not printable in YAML are escaped.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::Style;
use super::fields::{Field, Picked};

/// Writes one value as JSON, on one line and without its end.
pub fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Careful { between: "" })).map_err(io::Error::from)
}

/// Writes a job as an item of a list.
pub fn write_yaml_item(out: &mut impl Write, picked: &Picked<'_>) -> io::Result<()> {
    for (place, field) in picked.fields.iter().enumerate() {
        let value = field_value(Style::Yaml, &Picked { fields: &[*field], ..*picked });
        let dash = if place == 0 { "- " } else { "  " };
        write!(out, "{dash}{}: ", field.key())?;
        out.write_all(unquoted(&value).unwrap_or(&value))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// A job as a map.
pub fn job(style: Style, picked: &Picked<'_>) -> String {
    let entry = |field: &Field| (field.key(), field_value(style, &Picked { fields: &[*field], ..*picked }));
    map(style, &picked.fields.iter().map(entry).collect::<Vec<_>>())
}

/// The value of the only field that is picked.
fn field_value(style: Style, one: &Picked<'_>) -> Vec<u8> {
    // `{"key":value}`; the value begins behind the first colon, as no key has one.
    let mut text = value(style, one);
    let begin = text.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
    text.pop();
    text.drain(..begin);
    if text.first() == Some(&b' ') {
        text.remove(0);
    }
    text
}

/// A value in an entry of [`map`].
pub fn value(style: Style, value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    let between = if style == Style::Yaml { " " } else { "" };
    match value.serialize(&mut Serializer::with_formatter(&mut text, Careful { between })) {
        Ok(()) => text,
        // Plain fields and a buffer in memory: there is nothing that could fail.
        Err(_) => b"null".to_vec(),
    }
}

/// A map of these entries, in their order: in YAML for that style, in JSON for any other.
pub fn map(style: Style, entries: &[(&str, Vec<u8>)]) -> String {
    let mut text = Vec::new();
    for (name, value) in entries {
        if style == Style::Yaml {
            text.extend(format!("{name}: ").bytes());
            text.extend(unquoted(value).unwrap_or(value));
            text.push(b'\n');
        } else {
            text.extend(if text.is_empty() { b"{" } else { b"," });
            text.extend(format!("\"{name}\":").bytes());
            text.extend(value);
        }
    }
    if style != Style::Yaml {
        text.extend(b"}\n");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The word in a JSON string, if YAML reads it as that word without quotes.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let word = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let begins = word.first().is_some_and(u8::is_ascii_alphabetic);
    let goes_on = word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(byte));
    let means_more = RESERVED.iter().any(|reserved| word.eq_ignore_ascii_case(reserved));
    (begins && goes_on && !means_more).then_some(word)
}

/// Words that one release of YAML or another takes for a truth or for nothing.
const RESERVED: &[&[u8]] = &[b"y", b"yes", b"n", b"no", b"on", b"off", b"true", b"false", b"null", b"nan", b"inf"];

/// One line, and in strings only what is printable everywhere.
struct Careful {
    between: &'static str,
}

impl Careful {
    fn mark<W: ?Sized + Write>(&self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        writer.write_all(mark)?;
        writer.write_all(self.between.as_bytes())
    }
}

impl Formatter for Careful {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { self.mark(writer, b",") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { self.mark(writer, b",") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.mark(writer, b":")
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly all are, in lists of a million.
        if fragment.bytes().all(|byte| byte < b'\x7f') {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((place, letter)) = rest.char_indices().find(|(_, letter)| is_strange(*letter)) {
            // All of these have four hexadecimal digits.
            write!(writer, "{}\\u{:04x}", &rest[..place], u32::from(letter))?;
            rest = &rest[place + letter.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Control characters, ends of lines, marks that turn the direction of a line, and what YAML does not print.
fn is_strange(letter: char) -> bool {
    matches!(
        letter,
        '\u{7f}'..='\u{9f}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fffe}'..='\u{ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_mean_nothing_else_stand_without_quotes() {
        for word in ["running", "redfish.example", "x86_64", "a/b"] {
            assert_eq!(unquoted(format!("\"{word}\"").as_bytes()), Some(word.as_bytes()));
        }
        for text in ["\"\"", "\"No\"", "\"1e3\"", "\"a: b\"", "\"a b\"", "\"-\"", "17", "null", "\"~\"", "\"a\\n\""] {
            assert_eq!(unquoted(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_would_drive_a_terminal_is_escaped_and_reads_back() {
        let before = "a\u{1b}[2J\u{9b}2J\u{7f}\u{2028}\u{202e}\u{feff}\u{ffff}\u{10ffff}z".to_owned();
        let mut text = Vec::new();
        write_json(&mut text, &before).expect("memory");
        let text = String::from_utf8(text).expect("JSON is UTF-8");
        assert!(!text.chars().any(|letter| letter.is_control() || is_strange(letter)), "{text:?}");
        assert_eq!(serde_json::from_str::<String>(&text).expect("what we wrote"), before);
        assert_eq!(serde_saphyr::from_str::<String>(&text).expect("what we wrote"), before);
    }
}
