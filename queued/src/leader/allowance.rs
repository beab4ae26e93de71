//! How long a job may still run. It is counted here because everybody else may be dead meanwhile.
//!
//! A limit is a length and not a moment: time in which the queue has the job suspended does not count, and a limit
//! that is changed while it runs counts from its start all the same. It must not signal anybody.

use std::time::Duration;

use wire::job::TimeLimit;

/// The time that a job may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// So long.
    pub limit: Duration,
    /// A signal, and how long before.
    pub warn: Option<(i32, Duration)>,
    /// From TERM to KILL.
    pub grace: Duration,
}

impl Time {
    /// What the assignment says.
    pub fn of(limit: &TimeLimit) -> Self {
        let seconds = Duration::from_secs;
        let warn = limit.warn.as_ref();
        Self {
            limit: seconds(limit.seconds),
            // A signal that there is not on this system warns nobody.
            warn: warn.and_then(|warn| Some((sys::signal::number(&warn.signal)?, seconds(warn.before_s)))),
            grace: limit.grace_s.map_or(GRACE, seconds),
        }
    }
}

/// Where nobody says how long it is.
pub const GRACE: Duration = Duration::from_secs(10);

/// The account of one job. Moments are those since boot.
#[derive(Default)]
pub struct Allowance {
    since: Duration,
    time: Option<Time>,
    /// How long it was suspended, and since when it is.
    away: Duration,
    suspended: Option<Duration>,
    warned: bool,
}

impl Allowance {
    /// Of a job that starts at this moment.
    pub fn begin(time: Option<Time>, now: Duration) -> Self {
        Self { since: now, time, ..Self::default() }
    }

    /// From now on it may have this time. Where the warning is ahead of it, there is one again.
    pub fn set(&mut self, time: Time, now: Duration) {
        self.time = Some(time);
        self.warned = self.warned && self.warns_at().is_none_or(|at| at <= now);
    }

    /// The queue has it suspended, or go on.
    pub fn suspend(&mut self, yes: bool, now: Duration) {
        match (yes, self.suspended) {
            (true, None) => self.suspended = Some(now),
            (false, Some(since)) => {
                self.away += now.saturating_sub(since);
                self.suspended = None;
            }
            _ => {}
        }
    }

    /// When there is something to do; not while it is suspended.
    pub fn due(&self) -> Option<Duration> {
        let warning = self.warns_at().filter(|_| !self.warned);
        self.ends_at().into_iter().chain(warning).min().filter(|_| self.suspended.is_none())
    }

    /// The signal of a warning that is due now, once, and how long the job has then.
    pub fn take_warning(&mut self, now: Duration) -> Option<(i32, Duration)> {
        let (signal, _) = self.time?.warn?;
        let is_due = self.due().is_some_and(|due| due <= now) && !self.warned;
        // One whose end is due too has nothing from a warning.
        let end = self.ends_at().filter(|end| is_due && *end > now)?;
        self.warned = true;
        Some((signal, end - now))
    }

    /// The time that is over now.
    pub fn over(&self, now: Duration) -> Option<Time> {
        self.time.filter(|_| self.suspended.is_none() && self.ends_at().is_some_and(|end| end <= now))
    }

    fn ends_at(&self) -> Option<Duration> {
        Some(self.since.saturating_add(self.time?.limit).saturating_add(self.away))
    }

    fn warns_at(&self) -> Option<Duration> {
        let (_, before) = self.time?.warn?;
        Some(self.ends_at()?.saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn time(limit: u64, before: u64) -> Time {
        Time { limit: at(limit), warn: Some((10, at(before))), grace: at(1) }
    }

    #[test]
    fn a_warning_comes_once_and_then_the_end() {
        let mut allowance = Allowance::begin(Some(time(100, 30)), at(1000));
        assert_eq!((allowance.due(), allowance.take_warning(at(1069))), (Some(at(1070)), None));
        assert_eq!(allowance.take_warning(at(1071)), Some((10, at(29))));
        assert_eq!((allowance.take_warning(at(1072)), allowance.due()), (None, Some(at(1100))));
        assert_eq!((allowance.over(at(1099)), allowance.over(at(1100))), (None, Some(time(100, 30))));
    }

    #[test]
    fn time_in_which_the_queue_has_it_suspended_does_not_count() {
        let mut allowance = Allowance::begin(Some(time(100, 30)), at(0));
        allowance.suspend(true, at(90));
        allowance.suspend(true, at(95));
        assert_eq!((allowance.due(), allowance.over(at(500)), allowance.take_warning(at(500))), (None, None, None));
        allowance.suspend(false, at(590));
        assert_eq!((allowance.take_warning(at(590)), allowance.due()), (Some((10, at(10))), Some(at(600))));
    }

    #[test]
    fn another_limit_counts_from_the_start_and_warns_again_only_ahead() {
        let mut allowance = Allowance::begin(Some(time(100, 30)), at(0));
        assert!(allowance.take_warning(at(80)).is_some());
        allowance.set(time(105, 30), at(81));
        assert_eq!((allowance.take_warning(at(82)), allowance.due()), (None, Some(at(105))));
        allowance.set(time(200, 30), at(83));
        assert_eq!((allowance.take_warning(at(83)), allowance.due()), (None, Some(at(170))));
        allowance.set(time(50, 30), at(84));
        assert_eq!((allowance.take_warning(at(84)), allowance.over(at(84))), (None, Some(time(50, 30))));
    }

    #[test]
    fn a_job_without_a_limit_has_nothing_due_and_may_get_one() {
        let mut allowance = Allowance::begin(None, at(10));
        assert_eq!((allowance.due(), allowance.over(at(1 << 40))), (None, None));
        allowance.set(Time { warn: None, ..time(5, 0) }, at(12));
        assert_eq!((allowance.due(), allowance.take_warning(at(15))), (Some(at(15)), None));
        // One that nothing can reach does not overflow.
        allowance.set(Time { limit: Duration::MAX, ..time(0, 30) }, at(12));
        assert_eq!(allowance.over(at(1 << 40)), None);
    }
}
