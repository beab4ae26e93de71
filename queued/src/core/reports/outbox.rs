//! Letters on their way: which is tried now, when again, and what became of it.
//!
//! | State of a letter | written | accepted | refused for good | not now |
//! |---|---|---|---|---|
//! | none | waits, due now | - | - | - |
//! | waits | - | - | - | - |
//! | is delivered (at most [`AT_ONCE`]) | - | none, settled | none, settled | waits: 1 min, doubled to 1 h |
//!
//! A letter is kept until a sink took it or refused it for good, however long that is. After a restart the
//! spool tells what is owed, and the pauses begin anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::time::Millis;

/// How many letters are delivered at the same time.
pub const AT_ONCE: usize = 4;
/// The pause after the first failure.
pub const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What a sink says about a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has it now, and is responsible for it.
    Accepted,
    /// Not now, or nobody knows; the sentence says who and why.
    Later(String),
    /// Never; the sentence says who and why.
    Refused(String),
}

/// What happened. `K` names a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<K> {
    /// A letter is to be sent.
    Written(K),
    /// A sink has answered for it, or its deadline has passed.
    Delivered(K, Outcome),
    /// A deadline has come.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<K> {
    /// Give it to the sink, and tell the outcome.
    Deliver(K),
    /// A sink has it.
    Sent(K),
    /// No sink will ever take it, for this reason.
    Refused(K, String),
    /// It is tried again then; this is why.
    Postponed(K, String, Millis),
}

/// The letters that no sink has taken yet.
#[derive(Debug)]
pub struct Outbox<K> {
    letters: BTreeMap<K, Letter>,
    /// Those that wait, by when they are due, and in the order in which they came to wait.
    line: BTreeSet<(Millis, u64, K)>,
    places: u64,
    delivered: usize,
    first_pause: Duration,
}

#[derive(Debug)]
struct Letter {
    state: State,
    /// How often it was not taken.
    failures: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Waits,
    IsDelivered,
}

impl<K> Default for Outbox<K> {
    fn default() -> Self {
        Self::pausing(FIRST_PAUSE)
    }
}

impl<K> Outbox<K> {
    /// Nothing is in it. So long is the pause after the first failure.
    pub fn pausing(first_pause: Duration) -> Self {
        Self { letters: BTreeMap::new(), line: BTreeSet::new(), places: 0, delivered: 0, first_pause }
    }
}

impl<K: Clone + Ord> Outbox<K> {
    /// Takes what happened and says what is to be done, in this order.
    pub fn handle(&mut self, now: Millis, event: Event<K>) -> Vec<Action<K>> {
        let mut actions = Vec::new();
        match event {
            Event::Written(key) => {
                if !self.letters.contains_key(&key) {
                    self.letters.insert(key.clone(), Letter { state: State::Waits, failures: 0 });
                    self.stand_in_line(now, key);
                }
            }
            Event::Delivered(key, outcome) => actions.extend(self.delivered(now, key, outcome)),
            Event::Tick => {}
        }
        self.start(now, &mut actions);
        actions
    }

    /// When [`Event::Tick`] is to be told. Nothing while all places are taken: an outcome comes first.
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.delivered == AT_ONCE { None } else { self.line.first().map(|(due, ..)| *due) }
    }

    /// How many letters no sink has taken yet.
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether every letter was taken or refused.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    fn delivered(&mut self, now: Millis, key: K, outcome: Outcome) -> Option<Action<K>> {
        let letter = self.letters.get_mut(&key).filter(|letter| letter.state == State::IsDelivered)?;
        self.delivered -= 1;
        match outcome {
            Outcome::Accepted => {
                self.letters.remove(&key);
                Some(Action::Sent(key))
            }
            Outcome::Refused(why) => {
                self.letters.remove(&key);
                Some(Action::Refused(key, why))
            }
            Outcome::Later(why) => {
                let due = now + self.first_pause.saturating_mul(1 << letter.failures.min(10)).min(LONGEST_PAUSE);
                letter.failures = letter.failures.saturating_add(1);
                letter.state = State::Waits;
                self.stand_in_line(due, key.clone());
                Some(Action::Postponed(key, why, due))
            }
        }
    }

    fn stand_in_line(&mut self, due: Millis, key: K) {
        self.places += 1;
        self.line.insert((due, self.places, key));
    }

    fn start(&mut self, now: Millis, actions: &mut Vec<Action<K>>) {
        while self.delivered < AT_ONCE
            && self.line.first().is_some_and(|(due, ..)| *due <= now)
            && let Some((_, _, key)) = self.line.pop_first()
        {
            if let Some(letter) = self.letters.get_mut(&key) {
                letter.state = State::IsDelivered;
                self.delivered += 1;
                actions.push(Action::Deliver(key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> Outcome {
        Outcome::Later("busy".to_owned())
    }

    fn postponed(key: u32, seconds: u64) -> Action<u32> {
        Action::Postponed(key, "busy".to_owned(), Millis(seconds * 1000))
    }

    fn handle(outbox: &mut Outbox<u32>, seconds: u64, event: Event<u32>) -> Vec<Action<u32>> {
        outbox.handle(Millis(seconds * 1000), event)
    }

    #[test]
    fn a_letter_is_tried_after_a_minute_doubled_to_an_hour_until_it_is_taken() {
        let mut outbox = Outbox::default();
        assert_eq!(handle(&mut outbox, 0, Event::Written(7)), [Action::Deliver(7)]);
        let mut now = 0;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let due = now + minutes * 60;
            assert_eq!(handle(&mut outbox, now, Event::Delivered(7, later())), [postponed(7, due)]);
            assert_eq!(outbox.next_deadline(), Some(Millis(due * 1000)));
            assert_eq!(handle(&mut outbox, due - 1, Event::Tick), []);
            assert_eq!(handle(&mut outbox, due, Event::Tick), [Action::Deliver(7)]);
            now = due;
        }
        assert_eq!(handle(&mut outbox, now, Event::Delivered(7, Outcome::Accepted)), [Action::Sent(7)]);
        assert!(outbox.is_empty());
        assert_eq!(outbox.next_deadline(), None);
    }

    #[test]
    fn a_refusal_is_told_and_ends_it() {
        let mut outbox = Outbox::default();
        assert_eq!(handle(&mut outbox, 0, Event::Written(7)), [Action::Deliver(7)]);
        let refused = Outcome::Refused("550 no such user".to_owned());
        let told = [Action::Refused(7, "550 no such user".to_owned())];
        assert_eq!(handle(&mut outbox, 1, Event::Delivered(7, refused.clone())), told);
        assert_eq!(handle(&mut outbox, 2, Event::Delivered(7, refused)), [], "nobody asked again");
        assert!(outbox.is_empty());
    }

    #[test]
    fn four_are_delivered_at_a_time_in_the_order_they_came() {
        let mut outbox = Outbox::default();
        let started: Vec<_> = (1..=6).flat_map(|key| handle(&mut outbox, 0, Event::Written(7 - key))).collect();
        assert_eq!(started, [6, 5, 4, 3].map(Action::Deliver));
        assert_eq!(outbox.next_deadline(), None, "no place is free");
        assert_eq!(handle(&mut outbox, 5, Event::Tick), []);
        assert_eq!(
            handle(&mut outbox, 5, Event::Delivered(5, Outcome::Accepted)),
            [Action::Sent(5), Action::Deliver(2)]
        );
        // Who has failed waits behind those who have not been tried.
        assert_eq!(handle(&mut outbox, 6, Event::Delivered(6, later())), [postponed(6, 66), Action::Deliver(1)]);
        assert_eq!(outbox.len(), 5);
    }

    #[test]
    fn a_letter_that_is_told_twice_is_delivered_once() {
        let mut outbox = Outbox::default();
        assert_eq!(handle(&mut outbox, 0, Event::Written(7)), [Action::Deliver(7)]);
        assert_eq!(handle(&mut outbox, 0, Event::Written(7)), []);
        assert_eq!(handle(&mut outbox, 0, Event::Delivered(7, later())), [postponed(7, 60)]);
        assert_eq!(handle(&mut outbox, 1, Event::Written(7)), []);
        assert_eq!(handle(&mut outbox, 60, Event::Tick), [Action::Deliver(7)]);
    }
}
