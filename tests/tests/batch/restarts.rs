//! Our processes are killed in the middle; no job is lost, none runs twice, and every end is told.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    until(&format!("{pid} has ended"), PATIENCE, || (!crate::login::is_alive(pid)).then_some(()));
}

/// One job that runs while this is done to the host; it must end well and have run once.
fn while_a_job_runs(disturb: impl FnOnce(&Here)) {
    let here = Here::new();
    here.gate("gate");
    let id = here.script(
        &["--mail", "none"],
        "echo start >>ran; echo before; read line <gate; echo after; echo end >>ran; exit 9",
    );
    until("it runs", PATIENCE, || (here.text("ran") == "start\n").then_some(()));
    disturb(&here);
    here.open("gate");
    assert_eq!(here.wait(&[id]), 9);
    assert_eq!(here.text("ran"), "start\nend\n");
    assert_eq!(here.output(id), b"before\nafter\n");
    let row = here.show(id);
    assert_eq!((row["state"].as_str(), row["attempt"].as_u64()), (Some("finished"), Some(1)));
}

#[test]
fn a_killed_daemon_loses_nothing() {
    while_a_job_runs(|here| end(here.login.daemon()));
}

#[test]
fn a_killed_runner_loses_nothing() {
    while_a_job_runs(|here| end(here.login.runners()[0]));
}

#[test]
fn both_killed_lose_nothing() {
    while_a_job_runs(|here| {
        let runner = here.login.runners()[0];
        end(here.login.daemon());
        end(runner);
    });
}

#[test]
fn an_end_while_nobody_is_there_is_told_to_the_next() {
    let here = Here::new();
    here.gate("gate");
    let id = here.script(&["--mail", "none"], "echo start >>ran; read line <gate; echo end >>ran; exit 9");
    until("it runs", PATIENCE, || (here.text("ran") == "start\n").then_some(()));
    let runner = here.login.runners()[0];
    end(here.login.daemon());
    end(runner);
    here.open("gate");
    until("it has ended", PATIENCE, || (here.text("ran") == "start\nend\n").then_some(()));
    assert_eq!(here.wait(&[id]), 9);
}

#[test]
fn what_waits_waits_for_the_next_daemon_too() {
    let here = Here::new();
    let blockers = here.fill("gate");
    let ids =
        (0..20).map(|number| here.script(&["--mail", "none"], &format!("echo {number} >>ran"))).collect::<Vec<_>>();
    end(here.login.daemon());
    here.open("gate");
    assert_eq!(here.wait(&ids), 0);
    here.wait(&blockers);
    let ran = here.text("ran");
    let numbers = ran.lines().collect::<std::collections::BTreeSet<_>>();
    assert_eq!((ran.lines().count(), numbers.len()), (20, 20), "{ran}");
}

#[test]
fn a_daemon_that_is_killed_again_and_again_runs_each_job_once() {
    let here = Here::new();
    let script =
        "for number in $(seq 60); do echo \"echo $number >>ran; sleep 0.02\"; done | queue submit --mail none -";
    let ids = here.shell(script).success().text();
    let ids = ids.lines().map(|id| id.parse().expect("an id")).collect::<Vec<u64>>();
    for count in [5, 15, 30, 45] {
        until(&format!("{count} have run"), PATIENCE * 2, || (here.text("ran").lines().count() >= count).then_some(()));
        end(here.login.daemon());
        here.queue(&["status"]).success();
    }
    assert_eq!(here.wait(&ids), 0);
    let ran = here.text("ran");
    let numbers = ran.lines().collect::<std::collections::BTreeSet<_>>();
    assert_eq!((ran.lines().count(), numbers.len()), (60, 60), "{ran}");
}

/// They were all counted in the queue "wait", which was full with jobs of others.
#[test]
fn jobs_are_counted_in_their_own_queues_by_the_next_daemon_too() {
    let here = Here::new();
    here.gate("gate");
    let counts = || {
        let hosts = here.queue(&["hosts", "--json"]).success();
        let hosts: serde_json::Value = serde_json::from_slice(&hosts.stdout).expect("JSON");
        let queues = hosts["hosts"][0]["state"]["queues"].as_array().cloned().unwrap_or_default();
        let of = |name: &str| queues.iter().find(|queue| queue["queue"] == name)?["running"].as_u64();
        (of("now"), of("wait"))
    };
    let ids = ["-i", "-i", "-q"].map(|queue| here.script(&["--mail", "none", queue], "read line <gate; exit 0"));
    ids.iter().for_each(|id| drop(here.until(*id, "running")));
    until("they are counted", PATIENCE, || (counts() == (Some(2), Some(1))).then_some(()));
    for with_runner in [false, true] {
        let runner = here.login.runners()[0];
        end(here.login.daemon());
        if with_runner {
            end(runner);
        }
        ids.iter().for_each(|id| drop(here.until(*id, "running")));
        until("the next daemon counts them", PATIENCE, || match counts() {
            (Some(2), Some(1)) => Some(()),
            (now, wait) => {
                assert!(now.unwrap_or(0) + wait.unwrap_or(0) < 3, "now {now:?}, wait {wait:?}");
                None
            }
        });
    }
    here.open("gate");
    assert_eq!(here.wait(&ids), 0);
}

/// A leader keeps the end of its job for the next runner. In a home that is taken away none will come, and no test may
/// leave it behind.
#[test]
fn a_leader_that_waits_for_a_runner_ends_with_its_home() {
    let here = Here::new();
    here.gate("gate");
    here.script(&["--mail", "none"], "echo $PPID >leader; read line <gate");
    let leader = until("it runs", PATIENCE, || here.text("leader").trim().parse::<i32>().ok());
    let runner = here.login.runners()[0];
    end(here.login.daemon());
    end(runner);
    here.open("gate");
    let children = format!("/proc/{leader}/task/{leader}/children");
    until("the job has ended", PATIENCE, || std::fs::read(&children).ok()?.is_empty().then_some(()));
    assert!(crate::login::is_alive(leader));
    drop(here);
    assert!(!crate::login::is_alive(leader), "it is left behind");
}
