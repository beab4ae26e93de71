//! When the memory that a stream keeps for its next bytes is given back: a second after the last.

use std::time::{Duration, Instant};

use super::Endpoint;

/// Watches one end for the program that drives it.
#[derive(Debug, Default)]
pub struct Idle {
    since: Option<Instant>,
}

impl Idle {
    /// Bytes have moved.
    pub fn interrupted(&mut self) {
        self.since = None;
    }

    /// To be called each time before waiting: gives memory back when it is time to.
    pub fn look(&mut self, endpoint: &mut Endpoint, now: Instant) {
        if !endpoint.has_spare() {
            self.since = None;
        } else if now >= *self.since.get_or_insert(now) + SHORT {
            endpoint.release();
            self.since = None;
        }
    }

    /// When to look next.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + SHORT)
    }
}

/// A pause in a stream that may go on.
const SHORT: Duration = Duration::from_secs(1);
