//! Words that are still on their way when a process dies.

use queue_tests::cluster::Cluster;

use crate::fault::Fault;
use crate::ledger::{Ledger, May};

/// The runner had said to the next daemon that it knows nothing of an attempt whose release lay unread in its
/// thread: the daemon placed another one, and both were started.
#[test]
fn a_release_that_the_runner_has_not_acted_on_when_another_daemon_comes_starts_one_attempt() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    let submission = ledger.submit(&[]);
    let first = ledger.id(submission);
    ledger.check(&[first], May::End);
    // It gives the directory its final name just before its leader is told to start.
    let fault = Fault::delay(cluster.pids("redfish", "runner")[0], "rename,renameat,renameat2", 2_000_000);
    let submission = ledger.submit(&[]);
    let id = ledger.id(submission);
    fault.until_a_call_is_made();
    cluster.kill("redfish", "daemon");
    cluster.start("redfish");
    ledger.check(&[first, id], May::End);
}
