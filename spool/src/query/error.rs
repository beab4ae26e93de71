//! What is wrong with a query, where, and what would have been right.

use std::fmt;

use super::Query;
use super::pattern::Glob;
use super::scan::Operator;
use crate::LARGEST;

/// A text that is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("query:{column}: {why}")]
pub struct BadQuery {
    /// The character it is about, counted from 1.
    pub column: usize,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong at that place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The text has too many bytes.
    #[error("the query is longer than {} bytes", Query::MOST_BYTES)]
    TooLong,
    /// There are too many terms.
    #[error("the query has more than {} terms", Query::MOST_TERMS)]
    TooManyTerms,
    /// Parentheses in parentheses in parentheses.
    #[error("parentheses and \"not\" are more than {} deep here", Query::MOST_DEPTH)]
    TooDeep,
    /// A character that can only be a mistake.
    #[error("the control character {} is in the way: expected text", .0.escape_default())]
    Control(char),
    /// There should be a term. What was there instead; nothing: the end.
    #[error("expected {TERM}, found {}", instead(.0.as_deref()))]
    NoTerm(Option<String>),
    /// A parenthesis that was not opened.
    #[error("\")\" closes nothing: expected another term or the end")]
    ClosesNothing,
    /// A parenthesis or quote that is not closed.
    #[error("{opening} is never closed: expected {} before the end", closing(*.opening))]
    NeverClosed {
        /// The one that opens.
        opening: char,
    },
    /// A quote in the middle of a word, or a word right behind a quote.
    #[error("a quote in the middle of a word: expected quotes around the whole value")]
    QuoteInside,
    /// Something like `~` or `!`.
    #[error("{0:?} is no comparison: expected one of = != < <= > >= =~ !~")]
    NoComparison(String),
    /// A comparison with nothing behind it. The field and the operator.
    #[error("expected a value behind {field}{operator}, found {}", instead(.found.as_deref()))]
    NoValue {
        /// The field.
        field: &'static str,
        /// The operator.
        operator: Operator,
        /// What was there instead; nothing: the end.
        found: Option<String>,
    },
    /// A field with no comparison behind it.
    #[error("{field:?} alone says nothing: expected a comparison such as {field}{example}")]
    FieldAlone {
        /// The field.
        field: &'static str,
        /// How a comparison with it may look.
        example: &'static str,
    },
    /// A name that no field has.
    #[error("{name:?}: no such field; {}", meant(*.nearest, FIELDS))]
    NoField {
        /// As written.
        name: String,
        /// The field that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The beginning of several names.
    #[error("{name:?} could be {}: expected more of the name", .fields.join(" or "))]
    Ambiguous {
        /// As written.
        name: String,
        /// The fields.
        fields: Vec<&'static str>,
    },
    /// A word that is no term.
    #[error("{word:?}: no such state or field; {}", meant(*.nearest, TERM))]
    NoWord {
        /// As written.
        word: String,
        /// The word or field that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A word that is no state.
    #[error("{word:?}: no such state; {}", meant(*.nearest, STATES))]
    NoState {
        /// As written.
        word: String,
        /// The state that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A value the field is never compared with.
    #[error("{value:?} does not fit {field}: expected {expected}")]
    NoFit {
        /// The field.
        field: &'static str,
        /// As written.
        value: String,
        /// What would fit.
        expected: Expected,
    },
    /// A job id that none can have, or something else that begins with a digit.
    #[error("{word:?} is no job id: expected {}", Expected::Ids)]
    NoId {
        /// As written.
        word: String,
    },
    /// A comparison that makes no sense with the field.
    #[error("{operator} does not fit {field}: expected one of {expected}")]
    NoOperator {
        /// The field.
        field: &'static str,
        /// As written.
        operator: Operator,
        /// Those that would fit.
        expected: &'static str,
    },
    /// `=` or `!=` with an age.
    #[error("{value:?} is a moment: expected {field} with one of < <= > >=, or a time such as 2026-11-25")]
    Moment {
        /// The field.
        field: &'static str,
        /// As written.
        value: String,
    },
    /// `none` for a field that every job has.
    #[error("{value} stands for absent, which {field} never is: expected a value, or '{value}' in quotes")]
    NeverAbsent {
        /// The field.
        field: &'static str,
        /// As written.
        value: String,
    },
    /// A pattern that would take too long.
    #[error("expected a pattern of at most {} bytes with at most {} *", Glob::MOST_BYTES, Glob::MOST_STARS)]
    Pattern,
}

/// What a field is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A whole number.
    Integer,
    /// A job's number or a range of them.
    Ids,
    /// A time or an age.
    Time,
    /// A length of time.
    Duration,
    /// Memory.
    Size,
    /// Yes or no.
    Flag,
    /// A signal by name.
    Signal,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer => f.write_str("a whole number"),
            Self::Ids => write!(f, "a number from 1 to {LARGEST}, or a rising range such as 17-30"),
            Self::Time => {
                f.write_str("a time such as 2026-11-25, 2026-11-25T14:02 or 14:02, or an age such as 2h, 30min or 3d")
            }
            Self::Duration => f.write_str("a duration such as 41s, 1h30min or 90 (seconds)"),
            Self::Size => f.write_str("a size such as 500M or 4GiB"),
            Self::Flag => f.write_str("true or false"),
            Self::Signal => f.write_str("a signal's name such as KILL"),
        }
    }
}

fn instead(what: Option<&str>) -> String {
    what.map_or_else(|| "the end".to_owned(), |what| format!("{what:?}"))
}

fn closing(opening: char) -> char {
    if opening == '(' { ')' } else { opening }
}

fn meant(nearest: Option<&str>, otherwise: &str) -> String {
    nearest.map_or_else(|| format!("expected {otherwise}"), |nearest| format!("did you mean {nearest:?}?"))
}

const TERM: &str = "a term such as failed, 17-30 or exit!=0";
const STATES: &str =
    "held, pending, running, finished, dead or cancelled, or one of waiting, ended, ok, failed and all";
const FIELDS: &str = "id, state, queue, user, priority, name, tag, host, exit, signal, command, directory, \
                      attempt, restartable, report, notice, submitted, started, ended, wall, cpu or memory";
