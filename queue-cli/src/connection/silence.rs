//! Whether the peer still acknowledges what it is sent.
//!
//! A cut cable says nothing, and it takes the kernel long to give a connection up. But it knows
//! what is owed: bytes that were sent and not acknowledged. While there are some it is asked, and
//! only then; an idle link is nobody's business.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::socket::Socket;

/// What is known of the peer's silence.
#[derive(Default)]
pub struct Silence {
    /// Since when something is owed and nothing was acknowledged.
    since: Option<Instant>,
    next_look: Option<Instant>,
    round_trip: Duration,
}

impl Silence {
    /// Something was sent, or is about to be.
    pub fn spoken(&mut self, now: Instant) {
        self.next_look.get_or_insert(now + LOOK);
    }

    /// When to look next.
    pub fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// Since when the peer owes an acknowledgement; `None` while it does not.
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// How long the peer's acknowledgements usually take, while it owes one.
    pub fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Asks the kernel, if it is time to.
    pub fn look(&mut self, socket: &Socket, now: Instant) {
        if self.next_look.is_none_or(|at| at > now) {
            return;
        }
        let owed = match socket {
            Socket::Tcp(stream) => sys::tcp::owed(stream.as_fd()).ok().flatten(),
            Socket::Unix(_) => None,
        };
        self.round_trip = owed.map_or(Duration::ZERO, |owed| owed.round_trip);
        // What was acknowledged last may be older than what is owed first.
        self.since = owed.map(|owed| self.since.unwrap_or(now).max(now.checked_sub(owed.heard).unwrap_or(now)));
        self.next_look = self.since.map(|_| now + LOOK);
    }
}

/// Silence for so long is worth a word.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
