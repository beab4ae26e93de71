//! The same question to a row in memory and to SQLite has the same answer; and no text is too strange.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use wire::ByteString;
use wire::batch::JobRow;

use super::super::Query;
use super::database::Database;
use super::{good, parse, samples};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_match_when_sqlite_says_so(rows in vec(samples::row(), 1..8), queries in vec(samples::query(), 1..8)) {
        let rows = numbered(rows);
        let database = Database::of(&rows);
        for text in queries {
            agree(&text, &good(&text), &rows, &database)?;
        }
    }

    /// Directories may be anything; brackets, broken UTF-8 and zeros are where the two could differ.
    #[test]
    fn patterns_fit_what_they_fit_for_sqlite(samples in vec(samples::directory_and_pattern(), 1..20)) {
        for (directory, pattern) in samples {
            let row = JobRow { id: 1, directory: ByteString(directory), ..JobRow::default() };
            let rows = [row];
            let text = format!("directory=~{pattern}");
            agree(&text, &good(&text), &rows, &Database::of(&rows))?;
        }
    }

    #[test]
    fn any_text_is_a_query_or_an_error_with_a_place(text in samples::soup(), rows in vec(samples::row(), 1..4)) {
        match parse(&text) {
            Ok(query) => {
                let rows = numbered(rows);
                agree(&text, &query, &rows, &Database::of(&rows))?;
            }
            Err(error) => {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{text}: {error}");
                prop_assert!(error.to_string().len() < 400, "{error}");
            }
        }
    }
}

/// What SQLite takes bytes for that are no UTF-8 is its own affair and may change with its version.
#[test]
fn patterns_fit_broken_utf8_as_they_do_for_sqlite() {
    let directories = [
        &b"/\xa9"[..],
        b"\xa9/",
        b"\xc2\xa9/",
        b"\xe0\x82\xa9/",
        b"\xc3",
        b"\xc1\x81",
        b"\xed\xa0\x80",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbe",
        b"\xef\xbf\xbf",
        b"\xf0\x9d\x84\x9e",
        b"\xff\xbf",
        b"\xfe",
        b"a\0b",
        b"[a]",
    ];
    let rows: Vec<JobRow> =
        directories.iter().map(|bytes| JobRow { directory: ByteString(bytes.to_vec()), ..JobRow::default() }).collect();
    let rows = numbered(rows);
    let database = Database::of(&rows);
    let patterns = [
        "?",
        "??",
        "?*?",
        "\u{a9}*",
        "*\u{a9}",
        "\u{fffd}*",
        "*\u{fffd}",
        "*\u{fffe}",
        "\u{ffff}*",
        "a*",
        "*b",
        "[a*",
        "*[*]",
    ];
    for pattern in patterns {
        for text in [format!("directory=~{pattern}"), format!("directory!~{pattern}")] {
            agree(&text, &good(&text), &rows, &database).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

/// Samples from which both kinds of answer never come would prove nothing.
#[test]
fn samples_are_sometimes_true_and_sometimes_false() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut sample = || {
        let both = (samples::row(), samples::query()).new_tree(&mut runner);
        let (row, text) = both.expect("nothing is filtered").current();
        good(&text).matches(&row)
    };
    let yes = (0..400).filter(|_| sample()).count();
    assert!((40..360).contains(&yes), "{yes} of 400");
}

fn agree(text: &str, query: &Query, rows: &[JobRow], database: &Database) -> Result<(), TestCaseError> {
    let (yes, no) = database.select(query);
    for row in rows {
        let matches = query.matches(row);
        prop_assert_eq!(matches, yes.contains(&row.id), "{}: {}: {:?}", text, query.sql().0, row);
        prop_assert_eq!(!matches, no.contains(&row.id), "NULL: {}: {}: {:?}", text, query.sql().0, row);
    }
    if let Some(ids) = query.ids() {
        for row in rows {
            prop_assert_eq!(ids.iter().any(|range| range.contains(&row.id)), query.matches(row), "{}", text);
        }
    }
    Ok(())
}

fn numbered(mut rows: Vec<JobRow>) -> Vec<JobRow> {
    for (id, row) in (1..).zip(&mut rows) {
        row.id = id;
    }
    rows
}
