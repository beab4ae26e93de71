//! Jobs and ids as people and other programs write them: YAML, JSON, what rq prints, shell lines. The client's own
//! reader is in a program, so its files are taken from there.
#![no_main]
// The client uses all of it.
#![allow(dead_code, unused_imports)]

#[path = "../../queue-cli/src/failure.rs"]
mod failure;
#[path = "../../queue-cli/src/records/mod.rs"]
mod records;

use libfuzzer_sys::fuzz_target;
use records::Format;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let forced = [None, Some(Format::Lines), Some(Format::Yaml), Some(Format::Json)][usize::from(choice % 4)];
    if choice & 0x80 != 0 {
        match records::read_ids("file", text) {
            Ok(named) => assert!(named.jobs.len() + named.sessions <= text.len(), "more jobs than bytes"),
            Err(failure) => said(&failure),
        }
        return;
    }
    match records::read("file", text, forced) {
        Ok(jobs) => {
            let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(jobs.iter().all(|job| (1..=lines).contains(&job.line)), "a job is in no line of the file");
        }
        Err(failure) => said(&failure),
    }
});

/// A refusal is one line for a person, whatever was in the file.
fn said(failure: &failure::Failure) {
    let text = failure.to_string();
    assert!(text.starts_with("queue: file") && !text.chars().any(char::is_control), "{text:?}");
}
