//! The language as people meet it, and the promise that both evaluators say the same.

mod agree;
mod database;
mod errors;
mod meaning;
mod parsed;
mod samples;

use super::{BadQuery, Now, Query};

/// Wednesday, 25 November 2026, 14:30:15 in a place that is an hour ahead of UTC.
const NOW: Now = Now { unix_us: 1_795_613_415_000_000, utc_offset_s: 3600 };

fn parse(text: &str) -> Result<Query, BadQuery> {
    Query::parse(text, NOW)
}

fn good(text: &str) -> Query {
    parse(text).unwrap_or_else(|error| panic!("{text:.200}: {error}"))
}
