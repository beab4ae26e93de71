//! The program itself, where it needs no daemon. (That there is such a test also makes cargo build the program before
//! the end-to-end tests of the workspace run.)

use std::process::Command;

#[test]
fn wrong_usage_ends_with_64_and_one_sentence() {
    let ended = Command::new(env!("CARGO_BIN_EXE_queue")).args(["-h"]).output().expect("built with its tests");
    assert_eq!(ended.status.code(), Some(64));
    let sentence = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(sentence.starts_with("queue: "), "{sentence}");
    assert!(ended.stdout.is_empty());
}

#[test]
fn the_version_is_told_without_a_daemon() {
    let ended = Command::new(env!("CARGO_BIN_EXE_queue")).args(["--version"]).output().expect("built with its tests");
    assert_eq!(ended.status.code(), Some(0));
}
