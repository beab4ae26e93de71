//! Job 17, its attempts on redfish, and what is said of them.

use spool::home::{Event, Loss, Lost, Place, Report};
use spool::{Attempt, JobId, SpoolId};
use wire::api::{Refusal, RefusalKind};
use wire::session::{End, Outcome, Usage};

pub fn id() -> JobId {
    JobId::new(17).expect("17 is an id")
}

pub fn attempt(number: u64) -> Attempt {
    Attempt::new(number).expect("tests count from 1")
}

/// The spool of redfish.
pub fn own_spool() -> SpoolId {
    SpoolId::new([1; 16])
}

/// A spool in which nothing was placed.
pub fn other_spool() -> SpoolId {
    SpoolId::new([9; 16])
}

pub fn place(number: u64) -> Place {
    Place { attempt: attempt(number), host: "redfish".into(), spool: own_spool() }
}

pub fn lost(number: u64, loss: Loss) -> Lost {
    Lost { place: place(number), loss, earlier: None }
}

pub fn placed(number: u64) -> Event {
    Event::Placed(place(number))
}

pub fn says(number: u64, report: Report) -> Event {
    Event::Reported { attempt: attempt(number), spool: own_spool(), report }
}

pub fn says_other_spool(number: u64) -> Event {
    Event::Reported { attempt: attempt(number), spool: other_spool(), report: Report::OtherSpool }
}

pub fn no_host_can() -> Event {
    Event::NoHostCan(Refusal { message: "not found".into(), kind: RefusalKind::NotFound })
}

pub fn end(code: u8) -> End {
    End { outcome: Outcome::Exited(code), usage: Usage::default(), incomplete: None, limit: None }
}
