//! The load of a simulated host. Its free memory is the time it was measured, so that whoever
//! holds a record knows how old it really is.

use queued::core::random::Random;
use wire::news::{HostState, QueueState};

/// How the load of one host goes.
pub struct Load {
    kind: Kind,
    runnable: f64,
    random: Random,
    /// Why its queue `wait` takes nothing.
    pub shut: Option<String>,
}

/// Whether a host works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing changes.
    Idle,
    /// Everything changes all the time.
    Busy,
}

impl Load {
    /// A load of this kind.
    pub fn new(kind: Kind, seed: u64) -> Self {
        Self { kind, runnable: 0.0, random: Random::new(seed), shut: None }
    }

    /// The host's state at this moment.
    pub fn measure(&mut self, now: u64) -> HostState {
        if self.kind == Kind::Busy {
            self.runnable = self.random.fraction() * 32.0;
        }
        let running = self.runnable as u32;
        let queue = |name: &str, running, limit| QueueState { queue: name.into(), running, limit, shut: None };
        let mut queues = vec![queue("now", running / 3, None), queue("wait", running / 2, Some(16))];
        queues[1].shut = self.shut.clone();
        HostState {
            load1: self.runnable * 0.9,
            runnable: self.runnable,
            cpus: 16,
            speed: 1.0,
            memory_mib: 1_000_000_000,
            memory_free_mib: now,
            starting: 0,
            queues,
            offers: Vec::new(),
            platform: "linux/x86_64".into(),
            version: "0.1.0".into(),
            clock_us: 1_790_000_000_000_000 + now * 1000,
        }
    }

    /// Milliseconds until it is measured again.
    pub fn interval(&self) -> u64 {
        match self.kind {
            Kind::Idle => 5_000,
            Kind::Busy => 500,
        }
    }
}
