//! How the hosts' wall clocks differ. Measured only in exchanges with the host itself: a record
//! that was passed on is old by an unknown time, which would look like a clock that is slow.

use std::time::Duration;

use crate::core::time::Millis;

/// How another host's wall clock differs from the own one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockDifference {
    /// Milliseconds, positive when the other is ahead.
    pub ms: i64,
    /// It may be wrong by this much.
    error_ms: u64,
    measured: Millis,
}

/// The own wall clock, as the last own state told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnClock {
    wall_us: u64,
    told: Millis,
}

impl OwnClock {
    /// The wall clock showed this at `now`.
    pub fn new(wall_us: u64, now: Millis) -> Self {
        Self { wall_us, told: now }
    }

    /// What it shows now, unless somebody has set it since.
    pub fn at(self, now: Millis) -> u64 {
        self.wall_us.saturating_add(now.since(self.told).as_micros() as u64)
    }

    /// The difference when another clock showed `other_us` at some moment of the last
    /// `round_trip`.
    pub fn difference(self, now: Millis, other_us: u64, round_trip: Duration) -> ClockDifference {
        let middle = i128::from(self.at(now)) - (round_trip / 2).as_micros() as i128;
        let difference = (i128::from(other_us) - middle) / 1000;
        ClockDifference {
            ms: difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64,
            error_ms: (round_trip / 2).as_millis() as u64,
            measured: now,
        }
    }
}

impl ClockDifference {
    /// This measurement or the one before: the closer one, as long as it is not old.
    pub fn or_earlier(self, earlier: Option<ClockDifference>) -> ClockDifference {
        match earlier {
            Some(earlier) if earlier.error_ms < self.error_ms && self.measured.since(earlier.measured) < WORTH => {
                earlier
            }
            _ => self,
        }
    }
}

/// The longest that a request is thought to travel where no round trip was measured.
pub(super) const UNMEASURED: Duration = Duration::from_secs(1);
/// A close measurement is kept for so long although later ones are less close.
const WORTH: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_exchange_does_not_look_like_a_slow_clock() {
        let own = OwnClock::new(1_000_000_000, Millis(0));
        let now = Millis(2_000);
        // The other clock is right; its answer was written a second ago.
        let slow = own.difference(now, 1_001_000_000, Duration::from_secs(2));
        assert_eq!(slow.ms, 0);
        let ahead = own.difference(now, 1_182_000_000, Duration::from_millis(20));
        assert_eq!(ahead.ms, 180_010);
    }

    #[test]
    fn the_closer_measurement_stays_until_it_is_old() {
        let own = OwnClock::new(0, Millis(0));
        let close = own.difference(Millis(1_000), 1_000_000, Duration::from_millis(2));
        let rough = own.difference(Millis(2_000), 1_500_000, Duration::from_secs(1));
        let late = own.difference(Millis(400_000), 390_000_000, Duration::from_secs(1));
        assert_eq!(rough.or_earlier(Some(close)), close);
        assert_eq!(late.or_earlier(Some(close)), late);
        assert_eq!(close.or_earlier(None), close);
    }

    #[test]
    fn absurd_clocks_give_a_number() {
        let own = OwnClock::new(u64::MAX, Millis(0));
        assert!(own.difference(Millis(5), 0, Duration::ZERO).ms < 0);
        let own = OwnClock::new(0, Millis(0));
        assert!(own.difference(Millis(0), u64::MAX, Duration::from_secs(9)).ms > 0);
    }
}
