//! What an admin orders: drain, undrain, pause, resume.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::terminal::Terminal;
use queue_tests::wait::until;

use crate::here::{HOST, Here};
use crate::queue::{lines, row};

fn end(pids: Vec<i32>) {
    for pid in pids {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    }
}

#[test]
fn a_drain_holds_until_it_is_taken_back_also_over_a_restart() {
    let here = Here::new();
    here.gate("gate");
    let first = here.script(&[], "read line <gate; true");
    here.until(first, "running");
    let said = here.queue(&["drain"]).success().text();
    assert_eq!(said, format!("{HOST} is drained: nothing is started any more; 1 job may end"));
    let second = here.script(&[], "true");
    here.open("gate");
    assert_eq!(here.wait(&[first]), 0);
    end(here.login.daemons());
    let why = here.queue(&["why", &second.to_string()]).success().text();
    assert!(why.contains("is drained by its admin, until queue undrain"), "{why}");
    assert_eq!(here.queue(&["undrain"]).success().text(), format!("{HOST} is not drained any more"));
    assert_eq!(here.wait(&[second]), 0);
    assert_eq!(here.queue(&["undrain"]).success().text(), format!("{HOST} was not drained"));
}

#[test]
fn a_pause_suspends_what_runs_and_outlives_daemon_and_runner() {
    let here = Here::new();
    let id = here.script(&[], "while :; do echo line; sleep 0.02; done");
    until("it writes", PATIENCE, || (lines(&here, id) > 2).then_some(()));
    here.queue(&["pause", "-d", "wait"]).success();
    assert_eq!(row(&here, "wait")["order"], "pause");
    let stands = || {
        until("it writes no more", PATIENCE, || {
            let before = lines(&here, id);
            // Ten of its turns.
            std::thread::sleep(std::time::Duration::from_millis(200));
            (lines(&here, id) == before).then_some(before)
        })
    };
    let before = stands();
    end([here.login.daemons(), here.login.runners()].concat());
    assert_eq!(stands(), before, "nobody let it go on");
    // A user may know better.
    here.queue(&["signal", "CONT", &id.to_string()]).success();
    let later = until("it goes on", PATIENCE, || Some(lines(&here, id)).filter(|now| *now > before));
    here.queue(&["resume", "-d", "wait"]).success();
    until("it goes on", PATIENCE, || (lines(&here, id) > later).then_some(()));
    here.queue(&["pause"]).success();
    stands();
    // What is suspended can be ended.
    here.queue(&["cancel", &id.to_string()]).success();
    here.until(id, "cancelled");
}

#[test]
fn a_session_that_is_suspended_says_so_and_goes_on() {
    let here = Here::new();
    let on = here.login.command("/usr/bin/env");
    let queue = queue_tests::programs::queue();
    let script = "echo ready; read line; echo got $line; read line";
    let words = [queue.to_str().expect("a plain path"), "--", "sh", "-c", script];
    let terminal = Terminal::start(on, &words, (24, 80));
    terminal.wait_for_line("ready");
    here.queue(&["pause", "-d", "now"]).success();
    terminal.wait_for_text("[queue: suspended: queue \"now\" is paused by its admin, until queue resume]");
    // The stub was not stopped: keys go on their way, and are read when the job goes on.
    terminal.type_line("keys");
    here.queue(&["resume", "-d", "now"]).success();
    terminal.wait_for_text("[queue: queue \"now\" lets its jobs go on]");
    terminal.wait_for_line("got keys");
    terminal.type_line("end");
}
