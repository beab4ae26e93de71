//! What is due when a stream pauses: the sender is told how far all has come, and a second after the
//! last byte the memory that was kept for the next is given back.
//!
//! The word to the sender is also a question: where the link is cut, it is not acknowledged.

use std::time::{Duration, Instant};

use super::Endpoint;

/// Watches one end for the program that drives it.
#[derive(Debug, Default)]
pub struct Idle {
    since: Option<Instant>,
    told: bool,
}

impl Idle {
    /// Bytes have moved.
    pub fn interrupted(&mut self) {
        *self = Self::default();
    }

    /// To be called each time before waiting: does what is due.
    pub fn look(&mut self, endpoint: &mut Endpoint, now: Instant) {
        if !endpoint.has_spare() && !endpoint.owes_acknowledgement() {
            self.since = None;
            return;
        }
        let since = *self.since.get_or_insert(now);
        if now >= since + PAUSE && !self.told {
            endpoint.acknowledge_now();
            self.told = true;
        }
        if now >= since + SHORT {
            endpoint.release();
            self.since = None;
        }
    }

    /// When to look next.
    pub fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + if self.told { SHORT } else { PAUSE })
    }
}

/// What flows does not pause for so long.
const PAUSE: Duration = Duration::from_millis(200);
/// A pause in a stream that may go on.
const SHORT: Duration = Duration::from_secs(1);
