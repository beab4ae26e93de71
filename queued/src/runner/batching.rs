//! Reading what a job writes in pieces that are worth it.
//!
//! A reader that is as fast as the writer meets it at the pipe's lock for every page: both spin, the
//! pages wander from one CPU's free list to the other's, and a read gives 4 KiB (measured: 0.6 to
//! 1.3 GB/s and all of a CPU, against 1.7 GB/s and half of one). So while bytes flow, a pipe that
//! has little in it is left alone for some microseconds. A first or a single write is read at once.

use std::time::{Duration, Instant};

/// When one pipe is read.
#[derive(Debug, Default)]
pub struct Batching {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Still,
    /// The last read gave a page or more, then.
    Flowing { at: Instant },
    /// Left alone until then.
    Waiting { until: Instant },
}

impl Batching {
    /// Whether it is left alone now.
    pub fn waits(&self, now: Instant) -> bool {
        matches!(self.state, State::Waiting { until } if now < until)
    }

    /// When to look at it again.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Still | State::Flowing { .. } => None,
        }
    }

    /// Whether it is to be read now; `available` says how many bytes are in it.
    pub fn reads(&mut self, available: impl FnOnce() -> usize, now: Instant) -> bool {
        if let State::Flowing { at } = self.state
            && now.saturating_duration_since(at) < FLOW
            && available() < WORTH_READING
        {
            self.state = State::Waiting { until: now + PAUSE };
        }
        !self.waits(now)
    }

    /// A read gave so many bytes.
    pub fn took(&mut self, count: usize, now: Instant) {
        self.state = if count >= PAGE { State::Flowing { at: now } } else { State::Still };
    }
}

/// What a writer of much writes at least at once.
const PAGE: usize = 4096;
/// Bytes that are read without waiting for more: half of the pipe.
const WORTH_READING: usize = 64 * 1024;
/// A read that gave less than a page, or that long ago, says nothing about what comes.
const FLOW: Duration = Duration::from_micros(200);
/// How long a pipe is left alone: a fast writer fills it in that time.
const PAUSE: Duration = Duration::from_micros(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_alone_is_read_at_once() {
        let (mut pipe, begin) = (Batching::default(), Instant::now());
        for round in 0..10 {
            let now = begin + PAUSE * round;
            assert!(pipe.reads(|| 100, now) && pipe.deadline().is_none());
            pipe.took(100, now);
        }
        pipe.took(PAGE, begin);
        assert!(pipe.reads(|| 100, begin + FLOW), "the flow has ended");
    }

    #[test]
    fn a_flow_is_read_when_there_is_much_or_after_a_pause() {
        let (mut pipe, now) = (Batching::default(), Instant::now());
        pipe.took(8192, now);
        assert!(pipe.reads(|| WORTH_READING, now));
        pipe.took(WORTH_READING, now);
        assert!(!pipe.reads(|| 8192, now) && pipe.waits(now));
        assert_eq!(pipe.deadline(), Some(now + PAUSE));
        assert!(pipe.reads(|| 8192, now + PAUSE) && !pipe.waits(now + PAUSE), "once");
    }
}
