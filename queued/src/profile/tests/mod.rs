//! Tests of the language, one file for each subject.

mod directives;
mod documents;
mod faults;
mod hosts;
mod hours;
mod import;

use super::*;

/// The host most tests are about.
fn redfish() -> HostFacts {
    HostFacts { name: "redfish".to_owned(), cpus: 4 }
}

/// What holds on it for the queue `wait`.
fn effective(text: &str) -> Effective {
    match parse(text) {
        Ok(profile) => profile.effective("wait", &redfish()),
        Err(faults) => panic!("{text}\n{faults:?}"),
    }
}

/// A directive's value on it, as one would write it.
fn shown(text: &str, directive: &str) -> String {
    let lines = effective(text).lines();
    let line = lines.into_iter().find(|(name, _, _)| name == directive);
    line.expect("the tests name directives that exist").1
}

/// `LINE:COLUMN: MESSAGE` of each fault.
fn faults(text: &str) -> Vec<String> {
    parse(text).expect_err(text).iter().map(ToString::to_string).collect()
}
