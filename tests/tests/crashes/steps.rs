//! The daemon is killed at each of its steps from a submission to an end: each write into the spool, each sync of
//! it, each word to the runner, each answer.

use queue_tests::cluster::Cluster;

use crate::fault::Fault;
use crate::ledger::{Ledger, May};

#[test]
fn killed_before_each_sync() {
    at_each("fsync,fdatasync", 1);
}

#[test]
fn killed_before_each_word_to_the_runner() {
    at_each("sendmsg", 1);
}

#[test]
fn killed_before_each_answer() {
    at_each("writev", 1);
}

#[test]
fn killed_before_writes_into_the_spool() {
    // Some pages of each of the groups are enough: a group is whole with its last, or not there.
    at_each("pwrite64", 7);
}

/// Three jobs, and the daemon dies at the first such call; three more, and it dies at the second; and so on, until
/// the jobs have ended and it lives.
fn at_each(calls: &str, stride: u32) {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    let mut all = Vec::new();
    for nth in (1..).step_by(stride as usize) {
        cluster.start("redfish");
        let fault = Fault::kill(cluster.pids("redfish", "daemon")[0], calls, nth);
        let submissions = [(); 3].map(|()| ledger.submit(&[]));
        let ids = submissions.map(|submission| ledger.id(submission));
        ledger.check(&ids, May::End);
        all.extend(ids);
        if !fault.has_killed() {
            assert!(nth > 2 * stride, "the daemon makes no such calls");
            break;
        }
    }
    ledger.check(&all, May::End);
    ledger.check_all_are_there();
}
