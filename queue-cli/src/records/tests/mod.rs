//! Each format, each refusal, and bytes that nobody meant.

mod arbitrary;
mod formats;
mod ids;
mod listings;
mod refusals;

use super::{Command, Record, read};

fn jobs(text: &str) -> Vec<Record> {
    read("jobs", text.as_bytes(), None).expect(text)
}

fn job(text: &str) -> Record {
    let mut records = jobs(text);
    assert_eq!(records.len(), 1, "{text}");
    records.remove(0)
}

/// The message without the file's name before it and what did not happen behind it.
fn refused(text: &str) -> String {
    let failure = read("jobs", text.as_bytes(), None).expect_err(text);
    assert_eq!(failure.code, crate::failure::USAGE);
    let message = failure.message.strip_prefix("jobs:").and_then(|rest| rest.strip_suffix("  Nothing was submitted."));
    message.expect("a place and a consequence").to_owned()
}

fn shell(text: &str) -> Command {
    Command::Shell(text.to_owned())
}

fn argv(words: &[&str]) -> Command {
    Command::Argv(words.iter().map(|word| (*word).into()).collect())
}

fn names(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}
