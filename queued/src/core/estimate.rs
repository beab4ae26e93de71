//! How many tasks want a CPU here, when the kernel's figure is smoothed and lags.
//!
//! `r` is the count of runnable tasks, smoothed exponentially over 5 s because a single
//! reading is noise. A start becomes visible in `r` at that pace, and an end fades at that
//! pace. So each start counts as one in full until `r` shows it (`p`), and each end is taken
//! off as far as `r` still shows it: the sum follows at once what has happened here, and
//! what was not ours comes with `r`.

use std::time::Duration;

use super::time::Millis;

/// The time over which runnable tasks are smoothed.
pub const SMOOTHING: Duration = Duration::from_secs(5);

/// The estimate of one host.
#[derive(Debug, Clone, Default)]
pub struct Estimate {
    runnable: Fading,
    /// The last reading, taken to hold until the next one.
    reading: f64,
    /// Starts less what `r` shows of them already.
    starting: Fading,
    /// What `r` still shows of jobs that have ended.
    ended: Fading,
}

impl Estimate {
    /// The kernel's count of runnable tasks was `runnable` just now.
    pub fn sampled(&mut self, now: Millis, runnable: f64) {
        self.runnable = Fading { at: now, value: self.runnable(now) };
        self.reading = runnable.max(0.0);
    }

    /// A job starts now.
    pub fn started(&mut self, now: Millis) {
        self.starting.add(now, 1.0);
    }

    /// A job ended now, or its reservation is void. It started at `start`, `None` before this
    /// estimate began; `busy` is how many CPUs it kept busy in its life, 0 for one that only
    /// slept.
    pub fn ended(&mut self, now: Millis, start: Option<Millis>, busy: f64) {
        let hidden = start.map_or(0.0, |start| left_after(now.since(start)));
        self.starting.add(now, -hidden);
        self.ended.add(now, busy.max(0.0) * (1.0 - hidden));
    }

    /// `r`: runnable tasks smoothed, without those that are gone.
    pub fn r(&self, now: Millis) -> f64 {
        (self.runnable(now) - self.ended.at(now)).max(0.0)
    }

    /// `p`: starts that `r` cannot show yet.
    pub fn p(&self, now: Millis) -> f64 {
        self.starting.at(now).max(0.0)
    }

    /// `r + p`: tasks that want a CPU, as far as can be known.
    pub fn busy(&self, now: Millis) -> f64 {
        self.r(now) + self.p(now)
    }

    fn runnable(&self, now: Millis) -> f64 {
        let left = left_after(now.since(self.runnable.at));
        self.runnable.value * left + self.reading * (1.0 - left)
    }
}

/// A number that fades to zero.
#[derive(Debug, Clone, Default)]
struct Fading {
    at: Millis,
    value: f64,
}

impl Fading {
    fn at(&self, now: Millis) -> f64 {
        self.value * left_after(now.since(self.at))
    }

    fn add(&mut self, now: Millis, more: f64) {
        *self = Fading { at: now, value: self.at(now) + more };
    }
}

fn left_after(age: Duration) -> f64 {
    (-age.as_secs_f64() / SMOOTHING.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;

    /// A host whose kernel shows exactly the jobs that run, read once a second.
    fn busy_along(changes: &[(u64, i32)], ask: u64) -> f64 {
        let mut estimate = Estimate::default();
        let (mut running, mut starts) = (0, Vec::new());
        for now in 0..=ask {
            for &(_, change) in changes.iter().filter(|(at, _)| *at == now) {
                running += change;
                if change > 0 {
                    starts.extend((0..change).map(|_| now));
                    (0..change).for_each(|_| estimate.started(Millis(now)));
                } else {
                    starts.drain(..change.unsigned_abs() as usize).for_each(|start| {
                        estimate.ended(Millis(now), Some(Millis(start)), 1.0);
                    });
                }
            }
            if now % SECOND == 0 {
                estimate.sampled(Millis(now), f64::from(running));
            }
        }
        estimate.busy(Millis(ask))
    }

    #[test]
    fn starts_and_ends_count_at_once_and_are_not_counted_twice() {
        let changes = [(500, 4), (2300, 3), (9900, -4), (9950, -2)];
        for (ask, truth) in [(500, 4.0), (1400, 4.0), (2300, 7.0), (9000, 7.0), (9950, 1.0), (30_000, 1.0)] {
            let busy = busy_along(&changes, ask);
            assert!((busy - truth).abs() < 0.9, "at {ask} ms: {busy} instead of {truth}");
        }
    }

    #[test]
    fn a_burst_of_starts_is_seen_before_the_kernel_shows_it() {
        let mut estimate = Estimate::default();
        (0..50).for_each(|_| estimate.started(Millis(100)));
        assert_eq!(estimate.busy(Millis(100)), 50.0);
    }

    #[test]
    fn jobs_that_only_sleep_are_forgotten() {
        let mut estimate = Estimate::default();
        (0..50).for_each(|_| estimate.started(Millis(0)));
        assert!(estimate.busy(Millis(30 * SECOND)) < 0.2);
        estimate.ended(Millis(30 * SECOND), Some(Millis(0)), 0.0);
        assert_eq!(estimate.r(Millis(30 * SECOND)), 0.0);
    }

    #[test]
    fn a_job_that_ends_at_once_leaves_nothing_behind() {
        let mut estimate = Estimate::default();
        estimate.started(Millis(100));
        estimate.ended(Millis(100), Some(Millis(100)), 1.0);
        assert_eq!(estimate.busy(Millis(100)), 0.0);
        assert_eq!(estimate.busy(Millis(5000)), 0.0);
    }

    #[test]
    fn load_that_is_not_ours_is_seen_over_five_seconds() {
        let mut estimate = Estimate::default();
        estimate.sampled(Millis(0), 8.0);
        assert!((estimate.r(Millis(5 * SECOND)) - 8.0 * (1.0 - (-1.0f64).exp())).abs() < 1e-9);
        assert!(estimate.r(Millis(60 * SECOND)) > 7.9);
    }
}
