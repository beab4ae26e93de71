//! Sessions that have ended, for a daemon that may not have heard of it: one that was away then, or that died
//! before it had read what was written to it. A daemon hears of some twice, which harms nobody.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wire::history::Past;

use crate::link::Held;

/// Those that the next daemon is told of.
#[derive(Default)]
pub struct Ended(VecDeque<One>);

struct One {
    session: (Held, Past),
    /// When it was written to a daemon; none: never.
    told: Option<Instant>,
}

impl Ended {
    /// One more. Of too many the oldest is forgotten.
    pub fn add(&mut self, session: (Held, Past), is_told: bool) {
        let now = Instant::now();
        self.forget(now);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(One { session, told: is_told.then_some(now) });
    }

    /// What a new daemon is told.
    pub fn tell(&mut self) -> Vec<(Held, Past)> {
        let now = Instant::now();
        self.forget(now);
        self.0.iter_mut().for_each(|one| _ = one.told.get_or_insert(now));
        self.0.iter().map(|one| one.session.clone()).collect()
    }

    /// Whether no daemon was told of one of them.
    pub fn has_untold(&self) -> bool {
        self.0.iter().any(|one| one.told.is_none())
    }

    fn forget(&mut self, now: Instant) {
        self.0.retain(|one| one.told.is_none_or(|told| now - told < READ));
    }
}

/// At most so many.
const MOST: usize = 1000;
/// A daemon that lives has read within this what was written to it.
const READ: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn session(job_id: u64) -> (Held, Past) {
        let held = Held {
            session: String::new(),
            job_id,
            home: "redfish".into(),
            queue: "now".into(),
            taken: Default::default(),
        };
        (held, Past { command: "true".into(), started_us: 1, ended_us: 2, end: None })
    }

    fn ids(told: &[(Held, Past)]) -> Vec<u64> {
        told.iter().map(|(held, _)| held.job_id).collect()
    }

    #[test]
    fn the_next_daemon_hears_of_what_the_last_one_may_have_missed() {
        let mut ended = Ended::default();
        ended.add(session(1), true);
        assert!(!ended.has_untold());
        ended.add(session(2), false);
        assert!(ended.has_untold());
        assert_eq!(ids(&ended.tell()), [1, 2]);
        assert!(!ended.has_untold());
        assert_eq!(ids(&ended.tell()), [1, 2], "the one that was told may have died at once");
        ended.forget(Instant::now() + READ);
        assert_eq!(ids(&ended.tell()), [0; 0]);
    }

    #[test]
    fn their_number_has_a_bound() {
        let mut ended = Ended::default();
        (0..1500).for_each(|id| ended.add(session(id), false));
        assert_eq!(ids(&ended.tell()), (500..1500).collect::<Vec<_>>());
    }
}
