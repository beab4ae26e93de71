//! A submission whose answer does not come: the client dies, or the daemon does and the client asks again.

use queue_tests::cluster::Cluster;

use crate::fault::{self, Fault};
use crate::ledger::{Ledger, May};

#[test]
fn a_submission_is_there_once_whether_its_client_or_its_daemon_dies_before_the_answer() {
    let cluster = Cluster::up(1);
    let mut ledger = Ledger::new(&cluster, "redfish");
    let submission = ledger.submit(&[]);
    let mut ids = vec![ledger.id(submission)];
    ledger.check(&ids, May::End);

    // The daemon stands still when it has written the submission down.
    let daemon = cluster.pids("redfish", "daemon")[0];
    let fault = Fault::stop(daemon, "fsync,fdatasync", 1);
    let unheard = ledger.submit(&[]);
    fault.until_it_strikes();
    drop(fault);
    ledger.never_hear(unheard);
    fault::go_on(daemon);

    // The daemon dies then; the client repeats the same words under the same key.
    let fault = Fault::stop(daemon, "fsync,fdatasync", 1);
    let submission = ledger.submit(&[]);
    fault.until_it_strikes();
    drop(fault);
    cluster.kill("redfish", "daemon");
    ids.push(ledger.id(submission));
    // Whoever comes next has the next id.
    let submission = ledger.submit(&[]);
    ids.push(ledger.id(submission));
    ledger.check(&ids, May::End);
    ledger.check_all_are_there();
}
