//! The disk fails: a sync comes to nothing. Nothing further is promised by whoever saw it, and what comes next says
//! only what is true.

use queue_tests::cluster::Cluster;
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

use crate::fault::{Fault, SYNCS};
use crate::ledger::{Ledger, May};

/// Three jobs, and the first sync of the daemon fails; three more, and the second; and so on, until the jobs have ended
/// without so many. Each client hears one id, from the next daemon if need be, and each job runs once.
#[test]
fn whichever_sync_fails_the_daemon_ends_and_every_job_is_there_once_and_runs_once() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    // So that each daemon has numbers in hand, and there is a runner.
    let first = ledger.submit(&[]);
    let mut all = vec![ledger.id(first)];
    ledger.check(&all, May::End);
    for nth in 1.. {
        cluster.start("redfish");
        let fault = Fault::fail(cluster.pids("redfish", "daemon")[0], SYNCS, nth);
        let submissions = [(); 3].map(|()| ledger.submit(&[]));
        let ids = submissions.map(|submission| ledger.id(submission));
        ledger.check(&ids, May::End);
        all.extend(ids);
        if fault.failures() == 0 {
            assert!(nth > 3, "the daemon makes no such calls");
            break;
        }
        until("the daemon whose sync failed ends", PATIENCE, || fault.has_killed().then_some(()));
    }
    let log = cluster.log("redfish");
    assert!(log.contains("nothing further can be promised, and this daemon ends"), "{log}");
    ledger.check(&all, May::End);
    ledger.check_all_are_there();
}

#[test]
fn while_every_sync_fails_no_id_is_printed_and_the_person_is_told_why() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    let submission = ledger.submit(&[]);
    let id = ledger.id(submission);
    ledger.check(&[id], May::End);

    // No daemon that the client starts can sync anything either.
    cluster.kill("redfish", "daemon");
    let inject = format!("inject={SYNCS}:error=EIO");
    let trace = format!("trace={SYNCS}");
    let words = ["strace", "-f", "-o", "/dev/null", "-e", &trace, "-e", &inject, "queue", "-r", "--", "true"];
    let ended = Process::start(cluster.command("redfish", &words)).end_within(PATIENCE * 2);
    assert_eq!((ended.code(), ended.text().as_str()), (Some(125), ""), "{ended:?}");
    assert!(ended.errors().contains("spool.sqlite"), "{ended:?}");
    assert!(ended.errors().to_lowercase().contains("input/output error"), "{ended:?}");
    cluster.start("redfish");
    ledger.check(&[id], May::End);
    ledger.check_all_are_there();
}

/// A cancel that may be on disk or not is not confirmed; the next daemon knows.
#[test]
fn a_change_whose_sync_fails_is_not_confirmed() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    let submission = ledger.submit(&["--hold"]);
    let id = ledger.id(submission);
    let fault = Fault::fail(cluster.pids("redfish", "daemon")[0], SYNCS, 1);
    let ended = cluster.queue("redfish", &["release", &id.to_string()]);
    assert_ne!(ended.code(), Some(0), "{ended:?}");
    assert!(ended.errors().contains("is not known before queued has started again"), "{ended:?}");
    until("the daemon whose sync failed ends", PATIENCE, || fault.has_killed().then_some(()));
    drop(fault);
    // Released or held, and then it is released.
    let state = until("the next daemon says how it is", PATIENCE, || {
        Some(ledger.state(id).0).filter(|state| !state.is_empty())
    });
    if state == "held" {
        cluster.queue("redfish", &["release", &id.to_string()]).success();
    }
    ledger.check(&[id], May::End);
    ledger.check_all_are_there();
}

/// The runner at home writes what a job wrote elsewhere. A copy whose sync has failed is not synced again, which would
/// say nothing: it is taken away and written from its first byte.
#[test]
fn home_s_copy_of_output_is_written_anew_when_its_sync_fails() {
    let cluster = Cluster::up(2);
    let script = "seq 1 300000; seq 300001 300100 >&2";
    let whole = (1..=300_000).map(|number| format!("{number}\n")).collect::<String>();
    // A job here leaves a runner behind.
    cluster.queue("redfish", &["-r", "--parsable", "-h", "redfish", "--", "true"]).success();
    until("its runner is there", PATIENCE, || (!cluster.pids("redfish", "runner").is_empty()).then_some(()));
    let mut removed = 0;
    for nth in 1.. {
        let fault = Fault::fail(cluster.pids("redfish", "runner")[0], SYNCS, nth);
        let words = ["-r", "--parsable", "-h", "bluefish", "--", "sh", "-c", script];
        let id = cluster.queue("redfish", &words).success().text();
        cluster.queue("redfish", &["wait", &id]).success();
        let stdout = cluster.queue("redfish", &["logs", "--stdout", &id]).success();
        assert!(stdout.stdout == whole.as_bytes(), "the {nth}th sync failed, and its output is not whole");
        let stderr = cluster.queue("redfish", &["logs", "--stderr", &id]).success();
        assert_eq!(stderr.errors().lines().count(), 100, "the {nth}th sync failed: {stderr:?}");
        let removals = fault.removals("stdout") + fault.removals("stderr");
        assert_eq!(removals, fault.failures(), "the {nth}th sync");
        removed += removals;
        if removals == 0 {
            break;
        }
    }
    assert!(removed >= 6, "each of five pieces is synced with its directory: {removed}");
}
