//! Looks once a second at how much memory a job has, all of its processes together, and says when it is more than it
//! may have. What it then gets is the leader's affair.
//!
//! It is for what the limit of the address space cannot see: that is of each process alone.

use std::time::{Duration, Instant};

use sys::process::Snapshot;

use crate::leader::message::{Limit, ToLeader};

/// The watch over one job.
pub struct Watch {
    bytes: u64,
    leader: i32,
    next: Instant,
}

impl Watch {
    /// Over a job that runs, if it has a limit, by the process that leads it.
    pub fn over(memory: Option<u64>, leader: Option<i32>) -> Option<Self> {
        Some(Self { bytes: memory?, leader: leader?, next: Instant::now() + PAUSE })
    }

    /// When it looks again.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Looks at a job, if it is time; what its leader is to be told, if anything.
    pub fn look(&mut self, snapshot: &mut Option<Snapshot>, now: Instant) -> Option<ToLeader> {
        if self.next > now {
            return None;
        }
        self.next = now + PAUSE;
        if snapshot.is_none() {
            *snapshot = Snapshot::take().ok();
        }
        // What processes share is counted for each of them at first; only where that is too much it takes longer.
        let snapshot = snapshot.as_ref()?;
        if snapshot.resident(self.leader) <= self.bytes {
            return None;
        }
        let peak = snapshot.proportional(self.leader);
        // There is no time to lose: TERM and a grace would be time to take more.
        let limit = Limit::Memory { bytes: self.bytes, peak };
        (peak > self.bytes).then_some(ToLeader::Exceeded { limit, grace_ms: 0 })
    }
}

/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(1);
