//! The bytes that are read, and how a message names a place in them.
//!
//! Readers count in bytes from the start. A line and a column are worked out only for a message, or line
//! by line for the records themselves.

use crate::failure::Failure;

/// A file, or standard input.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// As messages call it.
    pub name: &'a str,
    /// All of it, without a byte order mark.
    pub bytes: &'a [u8],
    /// What did not happen when it is refused: `Nothing was submitted.`
    pub consequence: &'static str,
    /// Why it is read as what it is not, in parentheses, where that was not said but guessed.
    pub guess: &'static str,
}

/// Why it is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Bytes from the start.
    pub offset: usize,
    /// A sentence without its full stop.
    pub message: String,
}

impl Problem {
    /// At this byte.
    pub fn at(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, message: message.into() }
    }
}

impl<'a> Source<'a> {
    /// Refuses what is larger than is ever read.
    pub fn of(name: &'a str, bytes: &'a [u8], consequence: &'static str) -> Result<Self, Failure> {
        if bytes.len() > LARGEST {
            return Err(Failure::usage(format!(
                "{name}: this has {} bytes, and at most 1 GiB is read at once.  {consequence}",
                bytes.len()
            )));
        }
        Ok(Self { name, bytes: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), consequence, guess: "" })
    }

    /// All of it as text, for the formats that are text.
    pub fn text(&self) -> Result<&'a str, Problem> {
        std::str::from_utf8(self.bytes).map_err(|error| {
            let message = "this is not UTF-8; in JSON and YAML such bytes are written {\"b64\": \"...\"}";
            Problem::at(error.valid_up_to(), message)
        })
    }

    /// The sentence for the person at the prompt.
    pub fn failure(&self, problem: &Problem) -> Failure {
        let (line, column) = self.place(problem.offset);
        let stop = if problem.message.ends_with(['?', '!', '.']) { "" } else { "." };
        let Self { name, consequence, .. } = self;
        Failure::usage(format!("{name}:{line}:{column}: {}{stop}  {consequence}", problem.message))
    }

    /// Line and column, both from 1; columns are characters.
    fn place(&self, offset: usize) -> (usize, usize) {
        let before = &self.bytes[..offset.min(self.bytes.len())];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        (newlines(before) + 1, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
    }

    /// The byte at a line and column as serde_json counts them: from 1, columns in bytes.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let newlines = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let start = match line {
            0 | 1 => 0,
            _ => newlines.skip(line - 2).map(|(at, _)| at + 1).next().unwrap_or(self.bytes.len()),
        };
        (start + column.saturating_sub(1)).min(self.bytes.len())
    }
}

/// Numbers lines for places that come in their order.
#[derive(Debug)]
pub struct LineCounter<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    /// From the first line on.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0, line: 1 }
    }

    /// The line of this byte.
    pub fn line(&mut self, offset: usize) -> usize {
        let between = self.bytes.get(self.offset..offset).unwrap_or_default();
        self.line += newlines(between);
        self.offset = self.offset.max(offset);
        self.line
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// What somebody wrote, for the middle of a message.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("\"{}...\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}

/// Characters of a text that a message repeats.
const MOST_SHOWN: usize = 40;

/// Bytes that are read at once.
const LARGEST: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_and_a_column_of_characters() {
        let source = Source::of("f", "a\nöb\n".as_bytes(), "No.").expect("small");
        let places = [0, 1, 2, 4, 5, 6, 99].map(|offset| source.place(offset));
        assert_eq!(places, [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 1)]);
        assert_eq!([(1, 1), (1, 2), (2, 3), (3, 1), (9, 9)].map(|(l, c)| source.offset(l, c)), [0, 1, 4, 6, 6]);
        let mut counter = LineCounter::of(source.bytes);
        assert_eq!([0, 1, 2, 5, 6, 0].map(|offset| counter.line(offset)), [1, 1, 2, 2, 3, 3]);
    }

    #[test]
    fn a_message_says_where_what_and_what_did_not_happen() {
        let source = Source::of("jobs", b"\xef\xbb\xbfx\xff", "Nothing was submitted.").expect("small");
        let problem = source.text().expect_err("0xff is never UTF-8");
        assert_eq!(
            source.failure(&problem).message,
            "jobs:1:2: this is not UTF-8; in JSON and YAML such bytes are written {\"b64\": \"...\"}.  \
             Nothing was submitted."
        );
        let asked = source.failure(&Problem::at(0, "did you mean y?")).message;
        assert_eq!(asked, "jobs:1:1: did you mean y?  Nothing was submitted.");
    }
}
