//! One job, held at a stage while somebody dies: made ready and not released, running, over and not settled.

use nix::sys::signal::Signal;
use queue_tests::cluster::Cluster;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::fault::{self, Fault};
use crate::ledger::{Ledger, May};

/// Who dies, and in which order.
const VICTIMS: [&[&str]; 4] = [&["runner"], &["leader"], &["daemon"], &["daemon", "runner"]];
/// The same of all three. A leader that was not released ends with whoever could release it, so it must be first.
const ALL_BEFORE: &[&str] = &["leader", "daemon", "runner"];
const ALL_AFTER: &[&str] = &["daemon", "runner", "leader"];

#[test]
fn whoever_dies_before_the_release_the_job_runs_once() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    for victims in VICTIMS.into_iter().chain([ALL_BEFORE]) {
        cluster.start("redfish");
        let daemon = cluster.pids("redfish", "daemon")[0];
        // The question whether the runner can run it is the first word to it.
        ensure_runner(&cluster, &mut ledger);
        let fault = Fault::stop(daemon, "sendmsg", 1);
        let submission = ledger.submit(&[]);
        fault.until_it_strikes();
        until("the leader is ready", PATIENCE, || (!cluster.pids("redfish", "leader").is_empty()).then_some(()));
        drop(fault);
        die(&cluster, victims);
        fault::go_on(daemon);
        let id = ledger.id(submission);
        ledger.check(&[id], May::End);
    }
    ledger.check_all_are_there();
}

#[test]
fn whoever_dies_while_a_job_runs_it_ends_once_and_is_lost_only_with_its_leader() {
    at_the_gate(false);
}

#[test]
fn whoever_dies_when_a_job_is_over_and_not_settled_its_end_is_known() {
    at_the_gate(true);
}

/// The daemon is stopped while the job waits in its middle; the victims die there, or after its end.
fn at_the_gate(is_over: bool) {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    for victims in VICTIMS.into_iter().chain([ALL_AFTER]) {
        cluster.start("redfish");
        ledger.close_gate();
        let submission = ledger.submit(&[]);
        let id = ledger.id(submission);
        ledger.until_started(id);
        let daemon = cluster.pids("redfish", "daemon")[0];
        cluster.signal(daemon, Signal::SIGSTOP);
        until("the daemon is stopped", PATIENCE, || fault::is_stopped(daemon).then_some(()));
        if is_over {
            ledger.open_gate();
            ledger.until_over(id);
        }
        die(&cluster, victims);
        fault::go_on(daemon);
        ledger.open_gate();
        ledger.check(&[id], if victims.contains(&"leader") { May::BeLost } else { May::End });
    }
    ledger.check_all_are_there();
}

#[test]
fn a_job_that_is_killed_has_ended_by_that_signal_whoever_else_dies() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    for victims in [&[][..], &["runner"], &["daemon"], &["daemon", "runner"]] {
        cluster.start("redfish");
        ledger.close_gate();
        let submission = ledger.submit(&[]);
        let id = ledger.id(submission);
        ledger.until_started(id);
        die(&cluster, victims);
        for leader in cluster.pids("redfish", "leader") {
            children_of(leader).into_iter().for_each(|job| cluster.signal(job, Signal::SIGKILL));
        }
        cluster.start("redfish");
        let row = ledger.until_ended(id);
        assert_eq!((row["state"].as_str(), row["signal"].as_str()), (Some("finished"), Some("KILL")), "{row}");
        ledger.check(&[id], May::BeKilled);
    }
}

#[test]
fn when_all_die_as_in_a_power_failure_what_ran_is_lost_and_what_waited_runs() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    ledger.close_gate();
    let submissions = [(); 3].map(|()| ledger.submit(&[]));
    let ids = submissions.map(|submission| ledger.id(submission));
    until("one runs", PATIENCE, || ids.iter().any(|id| ledger.lines(*id, "start") > 0).then_some(()));
    let held = ledger.submit(&["--hold"]);
    let held = ledger.id(held);
    let restartable = ledger.submit(&["--restartable"]);
    let restartable = ledger.id(restartable);
    cluster.crash("redfish");
    cluster.boot("redfish");
    ledger.open_gate();
    assert_eq!(ledger.state(held).0, "held");
    cluster.queue("redfish", &["release", &held.to_string()]).success();
    ledger.check(&ids, May::BeLost);
    ledger.check(&[held, restartable], May::End);
    ledger.check_all_are_there();
}

/// A job that has run leaves a runner behind.
fn ensure_runner(cluster: &Cluster, ledger: &mut Ledger) {
    let submission = ledger.submit(&[]);
    let id = ledger.id(submission);
    ledger.check(&[id], May::End);
    until("nothing is left of it", PATIENCE, || cluster.pids("redfish", "leader").is_empty().then_some(()));
}

fn die(cluster: &Cluster, victims: &[&str]) {
    for victim in victims {
        cluster.kill("redfish", victim);
    }
}

fn children_of(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
