//! One letter for each report, or one for many: nobody gets ten thousand letters in a night.
//!
//! For each user and kind at most [`SINGLES`] letters about one job go out in [`WINDOW`]. What is owed beyond
//! that is collected, by recipient, until a minute has passed without another, ten minutes have gone by, or
//! ten thousand are there; then one digest names them all. While something is collected, what comes later
//! is collected too, so that a reader finds the jobs in their order.
//!
//! Nobody can know at the first end how many will follow: ten thousand jobs that end at once are twenty
//! letters and, a minute later, a digest of 9,980.
//!
//! | State, for a user and kind | owed | a quiet minute, ten minutes or ten thousand |
//! |---|---|---|
//! | fewer than 20 letters in ten minutes | goes out alone | - |
//! | 20 | collected | - |
//! | collecting | collected | digest (alone if it is one), no longer collecting |
//!
//! Every report that is told comes back in exactly one action. What was collected is forgotten with the
//! process: the spool tells again what is owed. A digest's members are to be on disk before it is sent, or a
//! digest sent twice would have two names.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::{Attempt, Kind};
use crate::core::names::UserName;
use crate::core::time::Millis;

/// How many letters about one job a user gets in [`WINDOW`].
pub const SINGLES: usize = 20;
/// The time for these, and the longest that a report is collected.
pub const WINDOW: Duration = Duration::from_secs(600);
/// A digest goes out when so long nothing was added.
pub const QUIET: Duration = Duration::from_secs(60);
/// How many reports a digest has at most.
pub const COLLECTED: usize = 10_000;

/// A report that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// About which attempt.
    pub attempt: Attempt,
    /// What it tells, and to whom.
    pub address: Address,
}

/// What a letter tells, and to whom: reports with the same address may be in one digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whose jobs.
    pub user: UserName,
    /// What is told.
    pub kind: Kind,
    /// Where the owner wants it, as the owner wrote it; none: the owner.
    pub to: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A report is owed. Told once for each report.
    Owed(Owed),
    /// A deadline has come.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a letter about this one.
    SendOne(Owed),
    /// Send one letter about all of these.
    SendDigest {
        /// What it tells, and to whom.
        address: Address,
        /// In the order of their numbers, at least two.
        attempts: Vec<Attempt>,
    },
}

/// Who has been written to, and what is collected.
#[derive(Debug, Default)]
pub struct Caps {
    /// When letters about one job went out; of each at most [`SINGLES`] in [`WINDOW`].
    written: HashMap<(UserName, Kind), VecDeque<Millis>>,
    collections: HashMap<Address, Collection>,
}

#[derive(Debug)]
struct Collection {
    attempts: BTreeSet<Attempt>,
    first: Millis,
    last: Millis,
}

impl Collection {
    fn due(&self) -> Millis {
        (self.first + WINDOW).min(self.last + QUIET)
    }
}

impl Caps {
    /// Takes what happened and says what is to be done.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        match event {
            Event::Owed(owed) => self.owed(now, owed).into_iter().collect(),
            Event::Tick => self.tick(now),
        }
    }

    /// When [`Event::Tick`] is to be told.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.collections.values().map(Collection::due).min()
    }

    fn owed(&mut self, now: Millis, owed: Owed) -> Option<Action> {
        let Owed { attempt, address } = owed;
        if !self.collections.contains_key(&address) && self.may_write(now, &address) {
            self.written(now, &address);
            return Some(Action::SendOne(Owed { attempt, address }));
        }
        let empty = || Collection { attempts: BTreeSet::new(), first: now, last: now };
        let collection = self.collections.entry(address.clone()).or_insert_with(empty);
        collection.attempts.insert(attempt);
        collection.last = now;
        if collection.attempts.len() < COLLECTED {
            return None;
        }
        let full = self.collections.remove(&address)?;
        self.send(now, address, full)
    }

    fn tick(&mut self, now: Millis) -> Vec<Action> {
        self.written.retain(|_, times| times.back().is_some_and(|last| *last + WINDOW > now));
        let mut due: Vec<_> = self.collections.extract_if(|_, collection| collection.due() <= now).collect();
        // The same order every time, whatever the table's.
        due.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        due.into_iter().filter_map(|(address, collection)| self.send(now, address, collection)).collect()
    }

    fn send(&mut self, now: Millis, address: Address, collection: Collection) -> Option<Action> {
        let attempts = Vec::from_iter(collection.attempts);
        match attempts[..] {
            [] => None,
            [attempt] => {
                self.written(now, &address);
                Some(Action::SendOne(Owed { attempt, address }))
            }
            _ => Some(Action::SendDigest { address, attempts }),
        }
    }

    /// Whether a letter about one job may go out now.
    fn may_write(&self, now: Millis, address: &Address) -> bool {
        let recent = |times: &VecDeque<Millis>| times.iter().filter(|time| **time + WINDOW > now).count();
        self.written.get(&(address.user.clone(), address.kind)).is_none_or(|times| recent(times) < SINGLES)
    }

    fn written(&mut self, now: Millis, address: &Address) {
        let times = self.written.entry((address.user.clone(), address.kind)).or_default();
        times.push_back(now);
        while times.len() > SINGLES {
            times.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
