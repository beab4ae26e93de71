//! One attempt of a batch job, as its owner thread has it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::eventfd::{EfdFlags, EventFd};

use wire::job::TimeLimit;

use super::files::Place;
use crate::core::resources::Taken;
use crate::link::{AttemptKey, AttemptWord};
use crate::runner::leader_link::LeaderLink;
use crate::runner::memory::Watch;

/// One attempt.
pub struct Attempt {
    /// Which.
    pub key: AttemptKey,
    /// Its queue.
    pub queue: String,
    /// What it has of this host.
    pub taken: Taken,
    /// Where its files are.
    pub place: Place,
    /// Which of its output streams are kept there.
    pub kept: [bool; 2],
    /// How long it was to run when it started.
    pub time: Option<TimeLimit>,
    /// How much memory it may have, and the watch over that while it runs.
    pub memory: Option<u64>,
    /// As above.
    pub watch: Option<Watch>,
    /// How far it is.
    pub phase: Phase,
    /// Its leader; none before the data directory is there, and when it has died.
    pub leader: Option<LeaderLink>,
    /// Readable when nobody writes output any more; made for the first who waits for that.
    ended: Option<Arc<EventFd>>,
}

/// From the check to the end.
pub enum Phase {
    /// Its data directory is being made; then this is for the leader.
    Unpacking {
        /// The question's number.
        request: u64,
        /// What the leader gets.
        kit: Kit,
        /// As in `Ready`.
        ready: Ready,
    },
    /// The leader gets ready.
    Opening {
        /// The question's number.
        request: u64,
        /// What is needed at the release.
        ready: Ready,
    },
    /// The daemon knows that it may be released.
    Ready(Ready),
    /// The leader was told to start it; its group, once it runs.
    Released {
        /// 0 before.
        pid: i32,
    },
    /// It is over, and its output is being made safe before this is told.
    Syncing(AttemptWord),
    /// That was told.
    Over,
}

/// What is needed at the release.
#[derive(Default)]
pub struct Ready {
    /// How long the first lease is, milliseconds.
    pub lease_ms: Option<u64>,
    /// Files of the user's that are emptied then.
    pub named: Vec<File>,
}

/// What a leader gets for its job.
pub struct Kit {
    /// The assignment's memory file.
    pub sheet: OwnedFd,
    /// Standard input, output and error.
    pub ends: [OwnedFd; 3],
}

impl Attempt {
    /// One that begins.
    pub fn new(key: AttemptKey, queue: String, place: Place, kept: [bool; 2], phase: Phase) -> Self {
        Self {
            key,
            queue,
            taken: Taken::default(),
            place,
            kept,
            time: None,
            memory: None,
            watch: None,
            phase,
            leader: None,
            ended: None,
        }
    }

    /// Its job runs as this process: what it may have is watched.
    pub fn runs(&mut self, pid: i32) {
        self.phase = Phase::Released { pid };
        self.watch = Watch::over(self.memory, sys::process::parent(pid).ok());
    }

    /// Whether it was released.
    pub fn is_released(&self) -> bool {
        matches!(self.phase, Phase::Released { .. } | Phase::Syncing(_) | Phase::Over)
    }

    /// What is readable when nobody writes output any more; none: nobody does.
    pub fn watch_end(&mut self) -> Option<Arc<EventFd>> {
        if !matches!(self.phase, Phase::Released { .. }) {
            return None;
        }
        if self.ended.is_none() {
            self.ended = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC).ok().map(Arc::new);
        }
        self.ended.clone()
    }

    /// Nobody writes output any more.
    pub fn has_ended(&mut self) {
        self.watch = None;
        if let Some(ended) = self.ended.take() {
            // It is written once, and read by nobody: so all who wait see it.
            let _ = ended.write(1);
        }
    }
}
