//! Names that the tables give to events and states. A new event or state does not compile
//! here before it has a name, and then it has no row.

use spool::home::{Death, Event, Report, Stage, State};
use spool::hosted;

use crate::samples::{attempt, end, no_host_can, own_spool, placed, says, says_other_spool};

/// All events, by their names in the tables; those about an attempt are about `number`.
pub fn events(number: u64) -> [(&'static str, Event); 20] {
    let says = |report| says(number, report);
    let attempt = attempt(number);
    let all = [
        ("submitted", Event::Submitted),
        ("held", Event::Held),
        ("released", Event::Released),
        ("placed", placed(2)),
        ("says: accepted", says(Report::Accepted)),
        ("says: refused", says(Report::Refused)),
        ("says: started", says(Report::Started)),
        ("says: ended", says(Report::Ended(end(3)))),
        ("says: gone", says(Report::Gone)),
        ("says: other spool", says_other_spool(number)),
        ("delivered", Event::Delivered { attempt }),
        ("host silent", Event::HostSilent { attempt, since_unix: 1_000 }),
        ("host heard", Event::HostHeard { attempt }),
        ("lease asked", Event::LeaseAsked { attempt }),
        ("lease expired", Event::LeaseExpired { attempt }),
        ("cancel asked", Event::CancelAsked),
        ("no host can", no_host_can()),
        ("awaited in vain", Event::AwaitedInVain("job 16 ended otherwise (exit 3)".into())),
        ("given up", Event::GivenUp),
        ("resubmitted", Event::Resubmitted),
    ];
    // Compiles only with all of them.
    for (name, event) in &all {
        let row = match event {
            Event::Submitted => "submitted",
            Event::Held => "held",
            Event::Released => "released",
            Event::Placed(_) => "placed",
            Event::Reported { report, .. } => match report {
                Report::Accepted => "says: accepted",
                Report::Refused => "says: refused",
                Report::Started => "says: started",
                Report::Ended(_) => "says: ended",
                Report::Gone => "says: gone",
                Report::OtherSpool => "says: other spool",
            },
            Event::Delivered { .. } => "delivered",
            Event::HostSilent { .. } => "host silent",
            Event::HostHeard { .. } => "host heard",
            Event::LeaseAsked { .. } => "lease asked",
            Event::LeaseExpired { .. } => "lease expired",
            Event::CancelAsked => "cancel asked",
            Event::NoHostCan(_) => "no host can",
            Event::AwaitedInVain(_) => "awaited in vain",
            Event::GivenUp => "given up",
            Event::Resubmitted => "resubmitted",
        };
        assert_eq!(*name, row);
    }
    all
}

/// All events of a host, by their names in the table.
pub fn hosted_events() -> [(&'static str, hosted::Event); 7] {
    let spool = own_spool();
    let all = [
        ("start asked", hosted::Event::StartAsked { spool }),
        ("asked", hosted::Event::Asked { spool }),
        ("cancel asked", hosted::Event::CancelAsked { spool }),
        ("acknowledged", hosted::Event::Acknowledged { spool }),
        ("declined", hosted::Event::Declined),
        ("started", hosted::Event::Started),
        ("ended", hosted::Event::Ended(hosted::Ending::Itself(end(3)))),
    ];
    for (name, event) in &all {
        let row = match event {
            hosted::Event::StartAsked { .. } => "start asked",
            hosted::Event::Asked { .. } => "asked",
            hosted::Event::CancelAsked { .. } => "cancel asked",
            hosted::Event::Acknowledged { .. } => "acknowledged",
            hosted::Event::Declined => "declined",
            hosted::Event::Started => "started",
            hosted::Event::Ended(_) => "ended",
        };
        assert_eq!(*name, row);
    }
    all
}

/// A state's name in the tables.
pub fn name_of(state: &State) -> &'static str {
    match state {
        State::Held { .. } => "held",
        State::Pending { .. } => "pending",
        State::Running(run) => match run.stage {
            Stage::Placed { .. } => "placed",
            Stage::Accepted { .. } => "accepted",
            Stage::Started { .. } => "started",
            Stage::Delivering(_) => "delivering",
        },
        State::Finished { .. } => "finished",
        State::Dead(Death::LostHost(_)) => "lost",
        State::Dead(Death::NeverStarted(_)) => "never started",
        State::Cancelled => "cancelled",
    }
}

/// The same for a host.
pub fn hosted_name(state: &hosted::State) -> &'static str {
    match state {
        hosted::State::Unseen => "unseen",
        hosted::State::Accepted => "accepted",
        hosted::State::Refused => "refused",
        hosted::State::Started => "started",
        hosted::State::Ended(_) => "ended",
        hosted::State::Acknowledged => "acknowledged",
    }
}
