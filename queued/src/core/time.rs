//! The time as the core is told it: milliseconds since some start, never asked for.

use std::ops::Add;
use std::time::Duration;

/// An instant: milliseconds since the driver's start, on a clock that never goes back and
/// goes on while the machine sleeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// How long ago `earlier` was; zero when it is not in the past.
    pub fn since(self, earlier: Millis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This instant in seconds since the start.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl Add<Duration> for Millis {
    type Output = Millis;

    /// The instant `length` later, rounded up, so that a deadline is never early.
    fn add(self, length: Duration) -> Millis {
        let millis = length.as_nanos().div_ceil(1_000_000);
        Millis(self.0.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

impl From<Duration> for Millis {
    fn from(since_start: Duration) -> Self {
        Millis(u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early() {
        assert_eq!(Millis(5) + Duration::from_micros(1), Millis(6));
        assert_eq!(Millis(5) + Duration::from_millis(300), Millis(305));
        assert_eq!(Millis(u64::MAX) + Duration::from_secs(1), Millis(u64::MAX));
    }

    #[test]
    fn a_clock_that_stands_still_gives_zero() {
        assert_eq!(Millis(5).since(Millis(7)), Duration::ZERO);
    }
}
