//! What `queue history` shows: jobs and sessions in the order of their ends.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;
use serde_json::Value;

use crate::here::{HOST, Here};

/// All that `queue history` shows to a program.
fn history(here: &Here, words: &[&str]) -> Vec<Value> {
    let shown = here.queue(&[&["history", "--json"], words].concat()).success();
    serde_json::from_slice(&shown.stdout).expect("JSON")
}

/// Waits until so many sessions are there; all rows.
fn until_sessions(here: &Here, sessions: usize) -> Vec<Value> {
    until("the sessions are in the history", PATIENCE, || {
        let rows = history(here, &[]);
        let there = rows.iter().filter(|row| row["kind"] == "session").count();
        (there == sessions).then_some(rows)
    })
}

#[test]
fn a_session_that_has_ended_is_in_the_history_among_the_jobs() {
    let here = Here::new();
    let first = here.script(&["--mail", "none"], "exit 2");
    here.wait(&[first]);
    assert_eq!(
        here.queue(&["--", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3"]).code(),
        Some(3)
    );
    assert_eq!(here.queue(&["-p", "--", "sh", "-c", "kill -TERM $$"]).code(), None);
    // Neither of these was ever a session.
    assert_eq!(here.queue(&["--", "no-such-command"]).code(), Some(127));
    assert_eq!(here.queue(&["-h", "gold", "--", "true"]).code(), Some(64));
    let last = here.script(&["--mail", "none"], "true");
    here.wait(&[last]);
    let rows = until_sessions(&here, 2);
    let kinds = rows.iter().map(|row| row["kind"].as_str().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(kinds, ["job", "session", "session", "job"], "{rows:?}");
    let row = &rows[1];
    assert_eq!((&row["exit"], &row["state"], &row["host"]), (&3.into(), &"finished".into(), &HOST.into()));
    assert_eq!((&row["queue"], &row["home"]), (&"now".into(), &HOST.into()));
    assert_eq!(row["user"], here.show(first)["user"]);
    assert!(row["command"].as_str().is_some_and(|command| command.starts_with("sh -c ")), "{row}");
    let number = |field: &Value| field.as_i64().unwrap_or_default();
    let (started, ended) = (number(&row["started_us"]), number(&row["ended_us"]));
    let (earlier, later) = (number(&rows[0]["ended_us"]), number(&rows[3]["started_us"]));
    assert!(earlier <= started && started < ended && ended <= later, "{rows:?}");
    let usage = &row["usage"];
    assert!(number(&usage["user_us"]) > 0 && number(&usage["max_rss_kib"]) > 0, "{usage}");
    assert_eq!(rows[2]["signal"], "TERM");
    // Queries are about sessions too.
    assert_eq!(history(&here, &["exit=3"]).len(), 1);
    assert_eq!(history(&here, &["failed"]).len(), 3);
    // For people a session is marked, and what takes numbers leaves it out.
    let table = here.queue(&["history"]).success().text();
    assert_eq!(table.lines().filter(|line| line.trim_start().starts_with('s')).count(), 2, "{table}");
    assert_eq!(here.queue(&["history", "--parsable"]).success().text(), format!("{first}\n{last}"));
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), format!("{first}\n{last}"));
    let deleted = here.shell("queue history | queue delete -");
    assert_eq!(deleted.code(), Some(0), "{}", deleted.errors());
    assert_eq!(deleted.text(), format!("deleted 2 jobs: {first}, {last}"));
    assert!(deleted.errors().contains("2 sessions are left out"), "{}", deleted.errors());
    // It is durable, and moves into an archive with what else has ended.
    let daemon = here.login.daemon();
    kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it is there");
    until("the daemon has ended", PATIENCE, || (!crate::login::is_alive(daemon)).then_some(()));
    assert_eq!(history(&here, &[]).len(), 2);
    let said = here.queue(&["rotate", "old"]).success().text();
    assert_eq!(said, format!("{}: 2 sessions", here.path("old").display()));
    assert_eq!(history(&here, &[]).len(), 0);
    assert_eq!(history(&here, &["--archive", "old"]).len(), 2);
}

#[test]
fn a_session_that_ends_while_no_daemon_runs_is_remembered_by_the_next() {
    let here = Here::new();
    let session =
        here.start(&["--", "sh", "-c", &format!("echo >here; read line <{}; exit 5", here.gate("gate").display())]);
    until("it runs", PATIENCE, || here.path("here").exists().then_some(()));
    let daemon = here.login.daemon();
    kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it is there");
    until("the daemon has ended", PATIENCE, || (!crate::login::is_alive(daemon)).then_some(()));
    here.open("gate");
    assert_eq!(session.end().code(), Some(5));
    let rows = until_sessions(&here, 1);
    assert_eq!(rows[0]["exit"], 5);
}
