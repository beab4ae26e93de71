//! Two hosts: the home, or the host that runs, dies between two of the durable steps of a start and of an end, or the
//! link between them is cut while words are on their way.

use nix::sys::signal::Signal;
use queue_tests::cluster::Cluster;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::fault::Fault;
use crate::ledger::{Ledger, May};

const HOME: &str = "redfish";
const HOST: &str = "bluefish";

#[test]
fn the_home_killed_before_each_sync() {
    at_each(HOME, "fsync,fdatasync", 1);
}

#[test]
fn the_home_killed_before_words_to_the_host() {
    at_each(HOME, "writev,sendto", 2);
}

#[test]
fn the_host_killed_before_each_sync() {
    at_each(HOST, "fsync,fdatasync", 1);
}

#[test]
fn the_host_killed_before_each_word_to_its_runner() {
    at_each(HOST, "sendmsg", 1);
}

#[test]
fn the_host_killed_before_answers_to_the_home() {
    at_each(HOST, "writev,sendto", 2);
}

/// Three jobs for the other host, and the daemon of `victim` dies at the first such call; three more, and it dies at
/// the second; and so on, until the jobs have ended and it lives.
fn at_each(victim: &str, calls: &str, stride: u32) {
    let cluster = Cluster::up(2);
    let mut ledger = Ledger::new(&cluster, HOME);
    let mut all = Vec::new();
    for nth in (1..).step_by(stride as usize) {
        cluster.start(HOME);
        cluster.start(HOST);
        let fault = Fault::kill(cluster.pids(victim, "daemon")[0], calls, nth);
        let submissions = [(); 3].map(|()| ledger.submit(&["-h", HOST]));
        let ids = submissions.map(|submission| ledger.id(submission));
        until("the daemon dies or all has ended", PATIENCE * 2, || {
            (fault.has_killed() || ledger.have_ended(&ids)).then_some(())
        });
        let has_died = fault.has_killed();
        // Nobody on a host without clients, and without jobs, starts its daemon again.
        drop(fault);
        cluster.start(victim);
        ledger.check(&ids, May::End);
        all.extend(ids);
        if !has_died {
            assert!(nth > 2 * stride, "the daemon makes no such calls");
            break;
        }
    }
    ledger.check(&all, May::End);
    ledger.check_all_are_there();
}

/// All that is of ours on one side or on both, killed while a job runs on the other host.
#[test]
fn whoever_dies_on_either_side_while_a_job_runs_it_ends_once() {
    const VICTIMS: [&[(&str, &str)]; 6] = [
        &[(HOME, "daemon")],
        &[(HOST, "daemon")],
        &[(HOST, "runner")],
        &[(HOST, "daemon"), (HOST, "runner")],
        &[(HOME, "daemon"), (HOST, "daemon")],
        &[(HOME, "daemon"), (HOST, "daemon"), (HOST, "runner")],
    ];
    for is_over in [false, true] {
        let cluster = Cluster::up(2);
        let mut ledger = Ledger::new(&cluster, HOME);
        for victims in VICTIMS {
            cluster.start(HOME);
            cluster.start(HOST);
            ledger.close_gate();
            let submission = ledger.submit(&["-h", HOST]);
            let id = ledger.id(submission);
            ledger.until_started(id);
            let daemon = cluster.pids(HOST, "daemon")[0];
            if is_over {
                // Nobody hears of the end before the victims are dead.
                cluster.signal(daemon, Signal::SIGSTOP);
                ledger.open_gate();
                ledger.until_over(id);
            }
            for (host, role) in victims {
                cluster.kill(host, role);
            }
            cluster.signal(daemon, Signal::SIGCONT);
            for host in [HOME, HOST] {
                cluster.start(host);
            }
            ledger.open_gate();
            ledger.check(&[id], May::End);
        }
        ledger.check_all_are_there();
    }
}

/// Output of an attempt on a host that is cut off, whose daemon dies meanwhile, comes home whole.
#[test]
fn an_end_behind_a_cut_link_comes_home_when_it_is_healed() {
    let cluster = Cluster::up(2);
    let mut ledger = Ledger::new(&cluster, HOME);
    for victim in [None, Some("daemon"), Some("runner")] {
        cluster.start(HOST);
        ledger.close_gate();
        let submission = ledger.submit(&["-h", HOST]);
        let id = ledger.id(submission);
        ledger.until_started(id);
        cluster.cut(HOST);
        ledger.open_gate();
        ledger.until_over(id);
        if let Some(role) = victim {
            cluster.kill(HOST, role);
            cluster.start(HOST);
        }
        cluster.until_unavailable(HOME, HOST);
        assert_eq!(ledger.state(id).0, "running", "a silent host is not a lost job");
        cluster.heal(HOST);
        ledger.check(&[id], May::End);
    }
    ledger.check_all_are_there();
}

/// The host crashes with everything on it: what ran there is lost and said to be; what may be restarted runs again.
#[test]
fn a_host_that_loses_its_power_loses_what_ran_there_and_nothing_else() {
    let cluster = Cluster::up(2);
    let mut ledger = Ledger::new(&cluster, HOME);
    ledger.close_gate();
    let submission = ledger.submit(&["-h", HOST]);
    let lost = ledger.id(submission);
    let submission = ledger.submit(&["-h", HOST, "--restartable"]);
    let again = ledger.id(submission);
    for id in [lost, again] {
        ledger.until_started(id);
    }
    cluster.crash(HOST);
    cluster.boot(HOST);
    until("the lost one is known to be", PATIENCE * 2, || (ledger.state(lost).0 == "dead").then_some(()));
    ledger.open_gate();
    ledger.check(&[lost], May::BeLost);
    ledger.check(&[again], May::End);
    assert_eq!(ledger.lines(again, "start"), 2, "one attempt before the power failure, one after it");
    ledger.check_all_are_there();
}
