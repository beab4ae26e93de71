//! The names of a job's fields: ours, those of our listings, and rq's.

use super::source::shown;

/// What a field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    After,
    Argv,
    Array,
    Backoff,
    Command,
    Cpus,
    Data,
    Directory,
    Environment,
    Grace,
    Held,
    Hosts,
    /// As listings have them.
    Limits,
    Mail,
    MailTo,
    Memory,
    Name,
    Need,
    Notify,
    Priority,
    Queue,
    Restartable,
    Retries,
    Stderr,
    Stdin,
    Stdout,
    Tags,
    Time,
    Unique,
    Variants,
    Warn,
    /// Shows that the record is from a listing: a job that was submitted before.
    Id,
    /// Whether it is a job at all.
    Kind,
    /// Where it ran. Not where it shall run.
    Host,
    /// rq's: the hosts it may run on while it waits, and the one where it ran afterwards.
    Runner,
    /// Only what is held stays what it is.
    State,
    /// What became of an earlier job; the new one has its own.
    Past,
}

/// The field of this name.
pub fn field(name: &str) -> Option<Field> {
    FIELDS.binary_search_by_key(&name, |(known, _)| known).ok().map(|at| FIELDS[at].1)
}

/// The sentence for a name that is none.
pub fn unknown(name: &str) -> String {
    let asked = |meant: &str| format!("{}: no such field; did you mean \"{meant}\"?", shown(name));
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
        return asked(meant);
    }
    let submitted =
        FIELDS.iter().filter(|(_, field)| !matches!(field, Field::Past | Field::Id | Field::Kind | Field::Runner));
    // Long names are not misspellings, and would take long to compare.
    let near = submitted.filter(|_| name.len() <= 32).map(|(known, _)| (distance(name, known), *known));
    match near.min().filter(|(edits, known)| *edits <= known.len().min(6) / 3) {
        Some((_, meant)) => asked(meant),
        None => format!("{}: no such field", shown(name)),
    }
}

/// Letters to be changed, added, left out or swapped with the next to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.chars().collect::<Vec<_>>(), other.chars().collect::<Vec<_>>());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, wanted) in other.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(letter != wanted)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *wanted && *letter == other[j - 1] {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// Sorted by name.
const FIELDS: [(&str, Field); 62] = [
    ("after", Field::After),
    ("argv", Field::Argv),
    ("array", Field::Array),
    ("attempt", Field::Past),
    ("backoff", Field::Backoff),
    ("backoff_s", Field::Backoff),
    ("command", Field::Command),
    ("core", Field::Past),
    ("cpus", Field::Cpus),
    ("data", Field::Data),
    ("detail", Field::Past),
    ("directory", Field::Directory),
    ("elapsed", Field::Past),
    ("ended_us", Field::Past),
    ("environment", Field::Environment),
    ("exit", Field::Past),
    ("exit_status", Field::Past),
    ("finished", Field::Past),
    ("grace", Field::Grace),
    ("held", Field::Held),
    ("home", Field::Past),
    ("host", Field::Host),
    ("hosts", Field::Hosts),
    ("id", Field::Id),
    ("jid", Field::Id),
    ("kind", Field::Kind),
    ("left_over", Field::Past),
    ("limits", Field::Limits),
    ("mail", Field::Mail),
    ("mail_to", Field::MailTo),
    ("mem", Field::Memory),
    ("memory", Field::Memory),
    ("name", Field::Name),
    ("need", Field::Need),
    ("needs", Field::Need),
    ("notice", Field::Past),
    ("notify", Field::Notify),
    ("pid", Field::Past),
    ("priority", Field::Priority),
    ("queue", Field::Queue),
    ("report", Field::Past),
    ("restartable", Field::Restartable),
    ("retries", Field::Retries),
    ("runner", Field::Runner),
    ("signal", Field::Past),
    ("started", Field::Past),
    ("started_us", Field::Past),
    ("state", Field::State),
    ("stderr", Field::Stderr),
    ("stdin", Field::Stdin),
    ("stdout", Field::Stdout),
    ("submitted", Field::Past),
    ("submitted_us", Field::Past),
    ("submitter", Field::Past),
    ("tag", Field::Tags),
    ("tags", Field::Tags),
    ("time", Field::Time),
    ("unique", Field::Unique),
    ("usage", Field::Past),
    ("user", Field::Past),
    ("variants", Field::Variants),
    ("warn", Field::Warn),
];

/// What other programs call it, where the letters do not show what is meant.
const ELSEWHERE: [(&str, &str); 8] = [
    ("chdir", "directory"),
    ("cmd", "command"),
    ("cwd", "directory"),
    ("env", "environment"),
    ("error", "stderr"),
    ("input", "stdin"),
    ("on", "hosts"),
    ("output", "stdout"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for (name, meant) in FIELDS {
            assert_eq!(field(name), Some(meant), "{name}: the table has to be sorted");
        }
        assert_eq!(field("Command"), None);
        assert_eq!(field(""), None);
    }

    #[test]
    fn every_field_of_a_listing_is_known() {
        let row = serde_json::to_value(wire::batch::JobRow::default()).expect("a row is JSON");
        for name in row.as_object().expect("of named fields").keys() {
            assert!(field(name).is_some(), "{name}: what a listing shows cannot be submitted again");
        }
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let meant =
            |name: &str| unknown(name).split_once("mean \"").map(|(_, rest)| rest.trim_end_matches("\"?").to_owned());
        let pairs = [("prioirty", "priority"), ("Command", "command"), ("hold", "held"), ("env", "environment")];
        for (name, known) in pairs {
            assert_eq!(meant(name).as_deref(), Some(known), "{name}");
        }
        assert_eq!(unknown("colour"), "\"colour\": no such field");
        assert_eq!(meant(&"x".repeat(1000)), None);
        assert_eq!(
            [("", "ab"), ("ab", "ba"), ("abc", "ac"), ("same", "same")].map(|(a, b)| distance(a, b)),
            [2, 1, 1, 0]
        );
    }
}
