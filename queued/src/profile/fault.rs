//! What is wrong with a profile, and where. Nothing here knows what a directive means.

use std::fmt;

use toml::de::Error;

/// One thing that is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// A sentence that cites what stands there and says what is expected.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// Where something stands, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub fn fault(self, message: String) -> Fault {
        Fault { line: self.line, column: self.column, message }
    }
}

/// Several of them, at least one.
pub(super) type Faults = Vec<Fault>;

/// The text of a profile and where its lines begin.
pub(super) struct Source<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters begin before each piece of the text: a line may be all of it, and full of faults.
    before: Vec<usize>,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str) -> Self {
        let behind = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut sum = 0;
        let ends = text.as_bytes().chunks(PIECE).map(|piece| {
            sum += characters(piece);
            sum
        });
        let before = std::iter::once(0).chain(ends).collect();
        Self { text, starts: std::iter::once(0).chain(behind).collect(), before }
    }

    pub fn place(&self, at: usize) -> Place {
        let at = self.text.floor_char_boundary(at.min(self.text.len()));
        let line = self.starts.partition_point(|&start| start <= at);
        Place { line, column: self.characters_before(at) - self.characters_before(self.starts[line - 1]) + 1 }
    }

    fn characters_before(&self, at: usize) -> usize {
        let piece = at / PIECE;
        self.before[piece] + characters(&self.text.as_bytes()[piece * PIECE..at])
    }

    pub fn fault(&self, at: usize, message: String) -> Fault {
        self.place(at).fault(message)
    }

    /// What stands there, short enough for a sentence.
    pub fn written(&self, span: std::ops::Range<usize>) -> String {
        let text = self.text.get(span).unwrap_or("").trim_end();
        let first = text.lines().next().unwrap_or("");
        let mut shown: String = first.chars().take(LONGEST_SHOWN).map(visible).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        shown
    }

    /// What the reader of TOML says, in a sentence.
    pub fn syntax(&self, error: &Error) -> Fault {
        let span = error.span().unwrap_or(0..0);
        let message = match error.message() {
            "duplicate key" => format!("{}: stands twice in this table", self.written(span.clone())),
            "recursion limit" => "tables are nested too deep".to_owned(),
            other => other.replace('\n', ", "),
        };
        self.fault(span.start, message)
    }
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&byte| byte & 0xC0 != 0x80).count()
}

/// Messages go to terminals and logs.
fn visible(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

const LONGEST_SHOWN: usize = 60;
const PIECE: usize = 512;
