//! The language of `queue query`, which clients hand to daemons as text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spool::query::{Now, Query};
use wire::batch::JobRow;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let now = Now { unix_us: 1_790_000_000_000_000, utc_offset_s: 7200 };
    match Query::parse(text, now) {
        Ok(query) => {
            let (sql, values) = query.sql();
            // What a person wrote is in the values and nowhere else.
            assert_eq!(sql.matches('?').count(), values.len(), "{sql}");
            query.matches(&JobRow::default());
            let _ = (query.states(), query.ids());
        }
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }
});
