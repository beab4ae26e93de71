//! A query's text, read from left to right. What a character means depends on where it stands: a value
//! may be `2026-11-25T14:02` or `/home/*`, so the parser says what it wants to read next.

use std::borrow::Cow;
use std::fmt;

use super::error::{BadQuery, Why};
use super::{Query, suggest};

/// The text, and how much of it is read.
#[derive(Clone)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A value as it was written.
pub(super) struct Written<'a> {
    /// Without its quotes.
    pub text: Cow<'a, str>,
    /// Whether it had any.
    pub quoted: bool,
    /// Its first byte.
    pub at: usize,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=` or `==`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    Greater,
    /// `>=`.
    AtLeast,
    /// `=~`.
    Like,
    /// `!~`.
    Unlike,
}

impl<'a> Scanner<'a> {
    /// At the beginning of a text that is neither too long nor full of rubbish.
    pub fn new(text: &'a str) -> Result<Self, BadQuery> {
        let scanner = Self { text, at: 0 };
        if text.len() > Query::MOST_BYTES {
            let mut end = Query::MOST_BYTES;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            return Err(scanner.bad(end, Why::TooLong));
        }
        match text.char_indices().find(|(_, c)| c.is_control() && !c.is_whitespace()) {
            Some((at, control)) => Err(scanner.bad(at, Why::Control(control))),
            None => Ok(scanner),
        }
    }

    /// The next character that is no blank, which is where the next thing begins; none at the end.
    pub fn peek(&mut self) -> Option<char> {
        let rest = self.rest().trim_start();
        self.at = self.text.len() - rest.len();
        rest.chars().next()
    }

    /// Where the next thing begins.
    pub fn next_at(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Whether the next thing is this character; if so it is read.
    pub fn take(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        if is_next {
            self.at += wanted.len_utf8();
        }
        is_next
    }

    /// Whether the next thing is this word, in whichever case; if so it is read.
    pub fn take_word(&mut self, wanted: &str) -> bool {
        let is_next = self.peek_word().eq_ignore_ascii_case(wanted);
        if is_next {
            self.at += wanted.len();
        }
        is_next
    }

    /// The next word, read: a term or the field of a comparison. Empty: something else is there.
    pub fn word(&mut self) -> &'a str {
        let word = self.peek_word();
        self.at += word.len();
        word
    }

    fn peek_word(&mut self) -> &'a str {
        self.peek();
        let rest = self.rest();
        &rest[..rest.find(|c| ends_word(c) || is_operator(c)).unwrap_or(rest.len())]
    }

    /// The operator that comes next, read.
    pub fn operator(&mut self) -> Result<Option<Operator>, BadQuery> {
        let Some(first) = self.peek() else { return Ok(None) };
        if !is_operator(first) {
            return Ok(None);
        }
        let rest = self.rest();
        for (sign, operator) in OPERATORS {
            if rest.starts_with(sign) {
                self.at += sign.len();
                return Ok(Some(operator));
            }
        }
        let length = rest.find(|c| !is_operator(c)).unwrap_or(rest.len());
        Err(self.bad(self.at, Why::NoComparison(suggest::shown(&rest[..length]))))
    }

    /// The value that comes next, read; none if something else is there.
    pub fn value(&mut self) -> Result<Option<Written<'a>>, BadQuery> {
        let written = match self.peek() {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            Some(first) if !is_operator(first) && !ends_word(first) => {
                let (at, rest) = (self.at, self.rest());
                let length = rest.find(ends_word).unwrap_or(rest.len());
                self.at += length;
                Written { text: Cow::Borrowed(&rest[..length]), quoted: false, at }
            }
            _ => return Ok(None),
        };
        let behind = self.rest().chars().next();
        let ends = |c: char| c.is_whitespace() || c == '(' || c == ')';
        if behind.is_some_and(|c| !ends(c)) {
            return Err(self.bad(self.at, Why::QuoteInside));
        }
        Ok(Some(written))
    }

    fn quoted(&mut self, quote: char) -> Result<Written<'a>, BadQuery> {
        let at = self.at;
        let mut text = Cow::Borrowed("");
        self.at += quote.len_utf8();
        loop {
            let rest = self.rest();
            let Some(length) = rest.find(quote) else {
                return Err(self.bad(at, Why::NeverClosed { opening: quote }));
            };
            self.at += length + quote.len_utf8();
            text += &rest[..length];
            if !self.rest().starts_with(quote) {
                return Ok(Written { text, quoted: true, at });
            }
            self.at += quote.len_utf8();
            text.to_mut().push(quote);
        }
    }

    /// What comes next, for a sentence that says what should have; none at the end.
    pub fn found(&mut self) -> Option<String> {
        let first = self.peek()?;
        let word = self.peek_word();
        Some(if word.is_empty() { first.to_string() } else { suggest::shown(word) })
    }

    /// What is wrong with the thing that begins at a byte.
    pub fn bad(&self, at: usize, why: Why) -> BadQuery {
        BadQuery { column: self.text[..at].chars().count() + 1, why }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
}

impl Operator {
    /// The comparison without "not", and whether there was one. What is absent is therefore unequal.
    pub(super) fn positive(self) -> (Self, bool) {
        match self {
            Self::NotEqual => (Self::Equal, true),
            Self::Unlike => (Self::Like, true),
            Self::Equal | Self::Less | Self::AtMost | Self::Greater | Self::AtLeast | Self::Like => (self, false),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Like => "=~",
            Self::Unlike => "!~",
        })
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"' | '\'')
}

fn is_operator(c: char) -> bool {
    matches!(c, '=' | '!' | '<' | '>' | '~')
}

/// The longer ones first.
const OPERATORS: [(&str, Operator); 9] = [
    ("==", Operator::Equal),
    ("=~", Operator::Like),
    ("!=", Operator::NotEqual),
    ("!~", Operator::Unlike),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];
