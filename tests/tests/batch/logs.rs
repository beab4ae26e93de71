//! What jobs have written can be read while they run and afterwards.

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

#[test]
fn streams_stay_apart_and_are_exact() {
    let here = Here::new();
    let id = here.script(&[], "printf 'a\\0b\\nno end'; printf err >&2");
    assert_eq!(here.wait(&[id]), 0);
    let id = id.to_string();
    let both = here.queue(&["logs", &id]).success();
    assert_eq!((&both.stdout[..], &both.stderr[..]), (&b"a\0b\nno end"[..], &b"err"[..]));
    let [out, err] = ["--stdout", "--stderr"].map(|stream| here.queue(&["logs", stream, &id]).success());
    assert_eq!((&out.stdout[..], &out.stderr[..]), (&b"a\0b\nno end"[..], &b""[..]));
    assert_eq!((&err.stdout[..], &err.stderr[..]), (&b""[..], &b"err"[..]));
}

#[test]
fn logs_of_what_runs_end_at_once_and_followed_ones_with_the_job() {
    let here = Here::new();
    here.gate("gate");
    let follows_early = here.script(&[], "echo begun; read line <gate; echo more; echo err >&2; exit 5");
    here.until(follows_early, "running");
    let id = follows_early.to_string();
    until("the first line is there", PATIENCE, || {
        (here.queue(&["logs", &id]).success().text() == "begun").then_some(())
    });
    let mut follows = here.start(&["logs", "-f", &id]);
    follows.until_it_says("begun");
    assert!(follows.runs());
    here.open("gate");
    let ended = follows.end().success();
    assert_eq!((ended.text(), ended.errors()), ("begun\nmore".to_owned(), "err".to_owned()));
}

#[test]
fn what_waits_can_be_followed_until_it_ends() {
    let here = Here::new();
    let id = here.script(&["--hold"], "echo at last");
    let mut follows = here.start(&["logs", "-f", &id.to_string()]);
    here.until(id, "held");
    assert!(follows.runs());
    here.queue(&["release", &id.to_string()]).success();
    assert_eq!(follows.end().success().text(), "at last");
}

#[test]
fn following_what_is_cancelled_before_it_starts_ends() {
    let here = Here::new();
    let id = here.script(&["--hold"], "echo never");
    let follows = here.start(&["logs", "-f", &id.to_string()]);
    here.queue(&["cancel", &id.to_string()]).success();
    assert_eq!(follows.end().success().text(), "");
}

#[test]
fn twenty_megabytes_are_exact() {
    let here = Here::new();
    let id = here.script(&["--mail", "none"], "seq 3000000");
    assert_eq!(here.wait(&[id]), 0);
    let said = here.start(&["logs", &id.to_string()]).end_within(PATIENCE * 3).success();
    let expected: String = (1..=3_000_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(said.stdout.len(), expected.len());
    assert!(said.stdout == expected.as_bytes());
}

#[test]
fn output_goes_where_it_was_told_to() {
    let here = Here::new();
    let said = ["--output", "out-%j-%h-%a", "--error", "err-%j"];
    let id = here.script(&said, "echo out; echo err >&2");
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(here.text(&format!("out-{id}-redfish-1")), "out\n");
    assert_eq!(here.text(&format!("err-{id}")), "err\n");
}

#[test]
fn logs_of_what_is_not_there_are_refused() {
    let here = Here::new();
    here.queue(&["logs", "17"]).fails(64, "queue: there is no job 17 of yours on redfish");
}
