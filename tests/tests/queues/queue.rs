//! What `queue queues` says of one queue.

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;
use serde_json::Value;

use crate::here::{HOST, Here};

/// The queue's row.
#[track_caller]
pub fn row(here: &Here, queue: &str) -> Value {
    let said = here.queue(&["queues", "--json"]).success().stdout;
    let answer: Value = serde_json::from_slice(&said).expect("JSON as documented");
    let rows = answer["queues"].as_array().expect("a list").iter();
    rows.clone().find(|row| row["queue"] == queue).unwrap_or_else(|| panic!("no {queue} in {answer}")).clone()
}

/// Waits until it is shut in words that contain these.
#[track_caller]
pub fn until_shut(here: &Here, queue: &str, words: &str) {
    until(&format!("{queue} is shut: {words}"), PATIENCE, || {
        row(here, queue)["shut"].as_str().is_some_and(|shut| shut.contains(words)).then_some(())
    });
}

/// Writes its profile.
pub fn profile(here: &Here, queue: &str, text: &str) {
    here.login.profile(HOST, queue, text);
}

/// How many lines a job has written.
pub fn lines(here: &Here, id: u64) -> usize {
    here.output(id).split(|byte| *byte == b'\n').count()
}
