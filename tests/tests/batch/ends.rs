//! How a job ended is kept, told and reported, whatever it left behind.

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;
use crate::login::is_alive;

#[test]
fn the_end_of_a_job_is_the_end_of_who_waits_for_it() {
    let here = Here::new();
    for (script, code, exit, signal) in
        [("exit 0", 0, Some(0), None), ("exit 3", 3, Some(3), None), ("kill -USR1 $$", 128 + 10, None, Some("USR1"))]
    {
        let id = here.script(&["--mail", "none"], script);
        assert_eq!(here.wait(&[id]), code, "{script}");
        let row = here.show(id);
        assert_eq!(
            (row["state"].as_str(), row["exit"].as_u64(), row["signal"].as_str()),
            (Some("finished"), exit, signal)
        );
        assert_eq!((row["host"].as_str(), row["attempt"].as_u64()), (Some("redfish"), Some(1)));
        assert!(row["usage"]["wall_us"].as_u64().is_some_and(|wall| wall > 0));
    }
    assert_eq!(here.wait(&[1, 2]), 1, "of several it is told whether all went well");
    let failed = here.queue(&["query", "failed", "--parsable"]).success().text();
    assert_eq!(failed, "2\n3");
}

#[test]
fn output_is_kept_apart_and_followed_to_the_recorded_end() {
    let here = Here::new();
    here.gate("gate");
    let id = here.script(&["--mail", "none"], "echo one; echo err >&2; read line <gate; echo two");
    let follower = here.start(&["logs", "-f", "--stdout", &id.to_string()]);
    until("the follower has the first line", PATIENCE, || (follower.stdout() == b"one\n").then_some(()));
    here.open("gate");
    assert_eq!(follower.end_within(PATIENCE).success().text(), "one\ntwo");
    assert_eq!(here.queue(&["logs", "--stderr", &id.to_string()]).success().errors(), "err");
    assert_eq!(here.output(id), b"one\ntwo\n");
}

#[test]
fn a_failure_is_tried_again_as_often_as_was_asked() {
    let here = Here::new();
    let id = here.script(&["--mail", "none", "--retries", "2", "--backoff", "0"], "echo $QUEUE_ATTEMPT >>ran; exit 5");
    assert_eq!(here.wait(&[id]), 5);
    assert_eq!(here.text("ran"), "1\n2\n3\n");
    let success = here.script(&["--mail", "none", "--retries", "2", "--backoff", "0"], "echo s >>ran2");
    assert_eq!(here.wait(&[success]), 0);
    assert_eq!(here.text("ran2"), "s\n");
}

#[test]
fn what_a_job_leaves_behind_is_ended_and_counted() {
    let here = Here::new();
    let id = here.script(&["--mail", "none"], "sleep 1000 & sleep 1000 & echo $! >left; exit 0");
    assert_eq!(here.wait(&[id]), 0);
    let row = here.show(id);
    assert_eq!(row["left_over"].as_u64(), Some(2));
    let left: i32 = here.text("left").trim().parse().expect("a pid");
    assert!(!is_alive(left));
}

#[test]
fn what_no_host_can_run_is_dead_with_the_reason() {
    let here = Here::new();
    let id = here.submit(&["--mail", "none", "--", "no-such-command"]);
    let row = until("the job is dead", PATIENCE * 3, || {
        let row = here.show(id);
        (row["state"] == "dead").then_some(row)
    });
    let detail = row["detail"].as_str().unwrap_or_default();
    assert!(detail.starts_with("never started: ") && detail.contains("command not found"), "{detail}");
    assert_eq!(here.wait(&[id]), 125);
}

#[test]
fn ends_are_reported_unless_nobody_wants_to_know() {
    let here = Here::new();
    let silent = here.script(&["--mail", "none"], "exit 1");
    let failing = here.script(&["--mail", "failure", "-j", "the-name"], "echo its last words; exit 7");
    let succeeding = here.script(&["--mail", "failure"], "exit 0");
    here.wait(&[silent, failing, succeeding]);
    until("the report is sent", PATIENCE, || (here.show(failing)["report"] == "sent").then_some(()));
    for id in [silent, succeeding] {
        assert_eq!(here.show(id)["report"], "not wanted");
    }
    let list = here.queue(&["mail"]).success().text();
    assert_eq!(list.lines().count(), 2, "a heading and one report: {list}");
    assert!(list.contains("[queue] FAILED exit 7: the-name (wait, 2) on redfish"), "{list}");
    let report = here.queue(&["mail", "1"]).success().text();
    assert!(report.contains("its last words"), "{report}");
}

#[test]
fn a_wait_begun_before_the_end_hears_of_it() {
    let here = Here::new();
    here.gate("gate");
    let id = here.script(&[], "read line <gate; exit 9");
    let waits = here.start(&["wait", &id.to_string(), "--json"]);
    here.until(id, "running");
    here.open("gate");
    let ended = waits.end();
    assert_eq!(ended.code(), Some(9));
    let rows: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!((&rows[0]["id"], &rows[0]["state"]), (&id.into(), &"finished".into()));
}

#[test]
fn a_wait_for_what_is_not_there_is_refused_and_does_not_hang() {
    let here = Here::new();
    here.submit(&["--", "true"]);
    here.queue(&["wait", "17"]).fails(64, "queue: there is no job 17 of yours on redfish");
    let ended = here.queue(&["wait", "1@gold"]);
    ended.fails(64, "queue: no host named \"gold\"; known: redfish");
}

#[test]
fn what_a_job_leaves_behind_is_killed_even_if_it_ignores_signals() {
    let here = Here::new();
    let script = "for number in 1 2 3; do sh -c 'trap \"\" TERM HUP; echo $$ >>pids; while :; do sleep 60; done' & done
                  until [ \"$(wc -l <pids)\" = 3 ]; do sleep 0.01; done; exit 4";
    std::fs::write(here.path("pids"), "").expect("ours");
    let id = here.script(&[], script);
    assert_eq!(here.wait(&[id]), 4);
    let row = here.show(id);
    assert!(row["left_over"].as_u64().is_some_and(|count| count >= 3), "{row}");
    for pid in here.text("pids").lines() {
        let pid = pid.parse().expect("a number");
        until("a process that was left behind is gone", PATIENCE, || (!is_alive(pid)).then_some(()));
    }
}

#[test]
fn a_retry_waits_for_its_backoff_and_says_so() {
    let here = Here::new();
    let id = here.script(&["--retries", "1", "--backoff", "1h"], "exit 6");
    let row = until("it waits for its second attempt", PATIENCE, || {
        let row = here.show(id);
        (row["state"] == "pending" && row["attempt"] == 1).then_some(row)
    });
    assert!(row["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{row}");
    let why = here.queue(&["why", &id.to_string()]).success().text();
    assert!(why.contains("starts"), "{why}");
    here.queue(&["cancel", &id.to_string()]).success();
    assert_eq!(here.wait(&[id]), 125);
    assert_eq!(here.show(id)["state"], "cancelled");
}

#[test]
fn a_failure_is_tried_again_and_each_attempt_has_its_output() {
    let here = Here::new();
    let script = "echo attempt $QUEUE_ATTEMPT; echo x >>tries; [ $(wc -l <tries) = 3 ]";
    let id = here.script(&["--retries", "5", "--backoff", "0s"], script);
    assert_eq!(here.wait(&[id]), 0);
    let row = here.show(id);
    assert_eq!((&row["state"], &row["attempt"], &row["exit"]), (&"finished".into(), &3.into(), &0.into()));
    for attempt in ["1", "2", "3"] {
        let logs = here.queue(&["logs", "--attempt", attempt, &id.to_string()]).success();
        assert_eq!(logs.text(), format!("attempt {attempt}"));
    }
    assert_eq!(here.queue(&["logs", &id.to_string()]).success().text(), "attempt 3");
}

/// A leader leads one batch job after the other, and nothing of one is seen by the next.
#[test]
fn the_next_job_has_the_leader_of_one_before_and_nothing_else_of_it() {
    let here = Here::new();
    let script = "echo $PPID; umask; ulimit -S -n; trap; ls -l /proc/self/fd | wc -l; sleep 100 & exec true";
    let mut leaders = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let id = here.script(&["--mail", "none"], script);
        assert_eq!(here.wait(&[id]), 0);
        assert_eq!(here.show(id)["left_over"], 1);
        let output = here.output(id);
        let (leader, rest) = std::str::from_utf8(&output).expect("text").split_once('\n').expect("lines");
        leaders.push(leader.to_owned());
        seen.push(rest.to_owned());
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
    let different = leaders.iter().collect::<std::collections::BTreeSet<_>>();
    assert!(different.len() < leaders.len(), "each had a leader of its own: {leaders:?}");
}

#[test]
fn output_that_is_not_where_it_was_kept_is_told_with_the_end() {
    let here = Here::new();
    let id = here.script(&["--mail", "none"], "echo something; rm $QUEUE_JOB_DIR/stdout");
    assert_eq!(here.wait(&[id]), 0, "the job itself ended well");
    let shown = here.queue(&["show", &id.to_string()]).success().text();
    assert!(shown.contains("finished (output may be incomplete: a file of it is gone from "), "{shown}");
    let well = here.script(&["--mail", "none"], "echo something");
    assert_eq!(here.wait(&[well]), 0);
    assert_eq!(here.show(well)["detail"], "");
}
