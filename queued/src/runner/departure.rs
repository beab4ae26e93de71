//! What becomes of a job whose client has gone: a table of time and signals, no input or output.
//!
//! | the client | with a terminal | without |
//! |---|---|---|
//! | closed in good order | HUP at once, TERM, KILL | the same |
//! | detached | lingers | |
//! | died (on this host) | lingers | HUP at once, TERM, KILL |
//! | died (over the network) | lingers | the same, unless it is back within 5 s |
//! | silent | lingers | lingers 10 minutes, then the same |
//!
//! A terminal lingers for as long as the runner was told; in personal mode without limit. Then its job is
//! hung up too. TERM follows HUP after 5 s, KILL after 10 s. Whoever died or left does not come for the end of
//! the job either: it is kept for those who may come back.

use std::time::{Duration, Instant};

use super::client_link::{How, Lost};

/// How far a session has gone in ending its job.
#[derive(Debug)]
pub struct Departure {
    has_terminal: bool,
    /// How long a job with a terminal is left alone; `None`: for ever.
    linger: Option<Duration>,
    sent: usize,
}

impl Departure {
    /// Nobody has gone.
    pub fn new(has_terminal: bool, linger: Option<Duration>) -> Self {
        Self { has_terminal, linger, sent: 0 }
    }

    /// The client is back.
    pub fn cancel(&mut self) {
        self.sent = 0;
    }

    /// When something is due next.
    pub fn deadline(&self, lost: Option<Lost>) -> Option<Instant> {
        let lost = lost?;
        let (after, _) = STEPS.get(self.sent)?;
        Some(lost.at + self.patience(lost.how)? + *after)
    }

    /// The signal that is due now, each once.
    pub fn due(&mut self, lost: Option<Lost>, now: Instant) -> Option<i32> {
        if self.deadline(lost)? > now {
            return None;
        }
        let (_, signal) = STEPS[self.sent];
        self.sent += 1;
        Some(signal)
    }

    /// From when on nobody comes back any more; `None`: somebody may.
    pub fn is_final_at(&self, lost: Option<Lost>) -> Option<Instant> {
        let lost = lost?;
        let may_return = matches!(lost.how, How::Silent | How::Detached) && !self.has_terminal;
        let patience = self.patience(lost.how).filter(|_| !may_return)?;
        Some(lost.at + patience)
    }

    /// How long the job is left alone; `None`: for ever.
    fn patience(&self, how: How) -> Option<Duration> {
        match (how, self.has_terminal) {
            (How::Left | How::DiedHere, false) | (How::Left, true) => Some(Duration::ZERO),
            (How::Died, false) => Some(GRACE),
            (How::Silent | How::Detached, false) => Some(LINGER),
            (How::Died | How::DiedHere | How::Silent | How::Detached, true) => self.linger,
        }
    }
}

const STEPS: [(Duration, i32); 3] = [
    (Duration::ZERO, nix::libc::SIGHUP),
    (Duration::from_secs(5), nix::libc::SIGTERM),
    (Duration::from_secs(10), nix::libc::SIGKILL),
];

/// A kernel that forgot a connection during a cut resets it as if the client were dead; the
/// client itself is back sooner than this.
const GRACE: Duration = Duration::from_secs(5);

/// How long a silent client without a terminal is waited for.
const LINGER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_client_without_a_terminal_takes_its_job_with_it_in_three_steps() {
        let at = Instant::now();
        let lost = Some(Lost { at, how: How::DiedHere });
        let mut departure = Departure::new(false, None);
        assert_eq!(departure.due(lost, at), Some(nix::libc::SIGHUP));
        assert_eq!(departure.due(lost, at), None);
        assert_eq!(departure.due(lost, at + Duration::from_secs(5)), Some(nix::libc::SIGTERM));
        assert_eq!(departure.due(lost, at + Duration::from_secs(10)), Some(nix::libc::SIGKILL));
        assert_eq!(departure.deadline(lost), None, "after KILL there is nothing to wait for");
    }

    #[test]
    fn the_end_of_a_job_is_kept_for_the_silent_and_not_for_the_dead() {
        let at = Instant::now();
        let final_at = |how, terminal| Departure::new(terminal, None).is_final_at(Some(Lost { at, how }));
        assert_eq!(final_at(How::DiedHere, false), Some(at));
        assert_eq!(final_at(How::Died, false), Some(at + GRACE));
        assert_eq!(final_at(How::Silent, false), None);
        assert_eq!((final_at(How::Left, true), final_at(How::Died, true)), (Some(at), None));
        assert_eq!(Departure::new(false, None).is_final_at(None), None, "it is there");
    }

    #[test]
    fn a_client_that_comes_back_within_the_grace_keeps_its_job() {
        let at = Instant::now();
        let mut departure = Departure::new(false, None);
        assert_eq!(departure.due(Some(Lost { at, how: How::Died }), at + Duration::from_secs(4)), None);
        departure.cancel();
        assert_eq!(departure.due(None, at + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_terminal_lingers_unless_its_client_left_on_purpose() {
        let at = Instant::now();
        for how in [How::Died, How::DiedHere, How::Silent, How::Detached] {
            let lost = Some(Lost { at, how });
            assert_eq!(Departure::new(true, None).deadline(lost), None);
            let day = Duration::from_secs(86_400);
            assert_eq!(Departure::new(true, Some(day)).deadline(lost), Some(at + day));
        }
        assert_eq!(Departure::new(true, None).deadline(Some(Lost { at, how: How::Left })), Some(at));
    }
}
