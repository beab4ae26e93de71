//! The language of `queue query`: which jobs are meant, in one line of text.
//!
//! A text becomes a [`Query`] once; then it can be asked about a row in memory ([`Query::matches`]) or
//! handed to SQLite ([`Query::sql`]), and both give the same answer. Nothing here opens a database, asks
//! for the time or knows who may see which job.
//!
//! # Terms
//!
//! ```text
//! query 'state=finished exit!=0 tag=night'
//! query 'failed and ended>2h'
//! query 'not (host=~red* or queue=now) 17-30'
//! ```
//!
//! Terms stand side by side or are joined by `and` (both mean the same) and by `or`; `not` and parentheses
//! do what they do elsewhere. `not` binds closer than `and`, `and` closer than `or`. A term is one of
//!
//! * a state: `held`, `pending`, `running`, `finished`, `dead`, `cancelled`; or a word for several:
//!   `waiting` (held or pending), `ended` (finished, dead or cancelled), `ok` (`exit=0`),
//!   `failed` (`state=finished and (exit!=0 or signal!=none)`), `all`;
//! * a job id or a range of them: `17`, `17-30`;
//! * a comparison: a field, one of `=` `==` `!=` `<` `<=` `>` `>=` `=~` `!~`, a value. The value is a word,
//!   or text in `'` or `"`; a quote is doubled to stand inside its own kind.
//!
//! # Fields
//!
//! | field                                   | compared with                                               |
//! |-----------------------------------------|-------------------------------------------------------------|
//! | `id` or `jid`                           | a job id; with `=` and `!=` also a range                    |
//! | `state`                                 | a state or one of the words for several; no `<` or `>`      |
//! | `queue` `user` `command` `directory`    | text                                                        |
//! | `name` `host` (`runner`) `signal` `report` `notice` | text, or absent; a signal with or without `SIG` |
//! | `tag`                                   | text: true if one of the tags is so; no `<` or `>`          |
//! | `priority` `attempt`                    | a whole number; no attempt is 0                             |
//! | `exit` (`exit_status`)                  | a whole number, or absent                                   |
//! | `restartable`                           | `true` or `false`; only `=` and `!=`                        |
//! | `submitted` `started` `ended` (`finished`) | a time or an age; the last two may be absent             |
//! | `wall` `cpu`                            | `41s`, `1h30min`, a bare number of seconds; or absent       |
//! | `memory`                                | the peak: `500M`, `4GiB`, always powers of 1024; or absent  |
//!
//! A field's name may be shortened as long as only one begins so. Text is compared byte by byte. `=~` and
//! `!~` look for a pattern that is the whole text, with `*` for anything and `?` for one character; a value
//! with neither is looked for anywhere in the text. Both are about text only.
//!
//! # What may surprise
//!
//! * A time is as long as it is written: `2026-11-25` is that day, `2026-11-25T14:02` and `14:02` (today) are
//!   that minute, `14:02:30` is that second; a `Z` behind a date with a time means UTC, otherwise it is the
//!   caller's local time. `=` is within, `<` before its beginning, `>` after its end; so `submitted<=2026-11-25`
//!   has that day in it, and `submitted>2026-11-25` has not.
//! * An age such as `2h` or `3d` is the moment that long ago. So `ended>2h` is *later* than two hours ago: ended
//!   less than two hours ago. Nothing is exactly at a moment, so `=` and `!=` are refused.
//! * `wall` and `cpu` are compared in whole seconds, unless the value has a fraction or is in `ms` or `us`.
//! * What is absent is not equal to anything, nor less, nor greater: `exit<5` and `exit=0` are false for a job
//!   without an exit code, and `exit!=0`, `name!~x` and `not exit<5` are true. `none` or `null`, not in
//!   quotes, asks for it: `exit=none`, `tag=none`, `host!=none`.
//! * `17 18` is both at once, which no job is; `17 or 18` is what was meant.

mod amount;
mod error;
mod field;
mod ids;
mod matches;
mod parse;
mod pattern;
mod scan;
mod sql;
pub mod suggest;
mod term;
#[cfg(test)]
mod tests;
mod time;

use std::ops::RangeInclusive;

use wire::batch::JobRow;

pub use error::{BadQuery, Expected, Why};
use field::{Number, Text};
use pattern::Glob;
pub use scan::Operator;

/// Which jobs are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    root: Node,
}

/// When and where a query is asked, which its ages and times of day depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since 1970, UTC.
    pub unix_us: i64,
    /// Seconds that local time is ahead of UTC. It is taken for every time in the query, so a day on the
    /// other side of a change of the clocks begins an hour early or late.
    pub utc_offset_s: i32,
}

/// What takes the place of a `?` in [`Query::sql`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
}

impl Query {
    /// The longest query in bytes.
    pub const MOST_BYTES: usize = 64 * 1024;
    /// How deep parentheses and `not` may stand in each other.
    pub const MOST_DEPTH: usize = 64;
    /// The most terms.
    pub const MOST_TERMS: usize = 1000;

    /// The query this text means to somebody at that time and place.
    pub fn parse(text: &str, now: Now) -> Result<Self, BadQuery> {
        parse::parse(text, now).map(|root| Self { root })
    }

    /// Whether the job is one of those that are meant.
    pub fn matches(&self, row: &JobRow) -> bool {
        self.root.matches(row)
    }

    /// An expression over the columns of the table `jobs`, never NULL, and what to bind to its `?`s in order.
    ///
    /// It can stand behind `WHERE` and between `AND`s as it is. The text holds nothing that was in the query.
    pub fn sql(&self) -> (String, Vec<Value>) {
        sql::expression(&self.root)
    }

    /// States that all of the jobs that are meant are in, if the query says so.
    pub fn states(&self) -> Option<&[&'static str]> {
        let parts = match &self.root {
            Node::And(parts) => parts.as_slice(),
            one => std::slice::from_ref(one),
        };
        parts.iter().find_map(|part| match part {
            Node::Test(Test::State(states)) => Some(states.as_slice()),
            _ => None,
        })
    }

    /// Whether it is about nothing but states, or all.
    pub fn is_about_states(&self) -> bool {
        self.root.is_about_states()
    }

    /// The ids that are meant, rising and apart, when the query is about nothing but ids that it names.
    ///
    /// A range may be as long as there are ids: it must not be walked through.
    pub fn ids(&self) -> Option<Vec<RangeInclusive<u64>>> {
        ids::named(&self.root)
    }
}

/// A query or a part of it. Every one is true or false of a job, never something third.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    All,
    Test(Test),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Node {
    fn is_about_states(&self) -> bool {
        match self {
            Self::All => true,
            Self::Test(test) => matches!(test, Test::State(_)),
            Self::Not(node) => node.is_about_states(),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().all(Self::is_about_states),
        }
    }

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    fn negated_if(self, negated: bool) -> Self {
        if negated { self.not() } else { self }
    }
}

/// What is asked about one field. False when what it asks about is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// The state is one of these.
    State(Vec<&'static str>),
    /// The number is there and in the range, which may be empty.
    Number(Number, RangeInclusive<i64>),
    /// The text is there and so.
    Text(Text, TextTest),
    /// One of the tags is so.
    Tag(TextTest),
    /// It is restartable.
    Restartable,
}

/// What is asked about a text that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TextTest {
    /// Nothing more.
    Present,
    Equal(String),
    Less(String),
    AtMost(String),
    Greater(String),
    AtLeast(String),
    Contains(String),
    Like(Glob),
}

/// What a job's state can be, in the order of its life.
const STATES: [&str; 6] = ["held", "pending", "running", "finished", "dead", "cancelled"];
