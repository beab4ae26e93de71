//! Who waits for a slot of this host, and whom a free one is held for.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use super::Ask;
use crate::core::names::{HostName, QueueName, UserName};
use crate::core::time::Millis;

/// How long a home that was refused is remembered; it asks again before that.
pub const REMEMBERED: Duration = Duration::from_secs(30);

/// How long a free slot is held for the home it was offered to.
pub const OFFERED: Duration = Duration::from_millis(500);

/// How many are remembered. Who comes beyond is refused all the same, and asks again later.
pub const MOST_WAITING: usize = 1000;

/// A user's jobs on one home that wait for a slot of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    pub home: HostName,
    pub queue: QueueName,
    pub user: UserName,
    priority: i32,
    /// Its place among equals: a number that grows.
    turn: u64,
    renewed: Millis,
}

impl Waiter {
    fn is(&self, home: &HostName, queue: &QueueName, user: &UserName) -> bool {
        self.home == *home && self.queue == *queue && self.user == *user
    }
}

/// Who waits.
#[derive(Debug, Default)]
pub struct Waiting {
    waiters: Vec<Waiter>,
    turns: u64,
}

impl Waiting {
    /// Remembers the one who asked, or renews it: it keeps its turn.
    pub fn remember(&mut self, now: Millis, ask: &Ask) {
        let known = self.waiters.iter_mut().find(|waiter| waiter.is(&ask.key.home, &ask.queue, &ask.user));
        if let Some(waiter) = known {
            waiter.renewed = now;
            waiter.priority = ask.priority;
        } else if self.waiters.len() < MOST_WAITING {
            self.turns += 1;
            self.waiters.push(Waiter {
                home: ask.key.home.clone(),
                queue: ask.queue.clone(),
                user: ask.user.clone(),
                priority: ask.priority,
                turn: self.turns,
                renewed: now,
            });
        }
    }

    /// Whom a free slot of `queue` goes to: the highest priority, then the user with least
    /// running here, then in turn. Whoever holds an offer already is left out.
    pub fn next(&self, queue: &QueueName, running: &HashMap<UserName, u32>, offers: &Offers) -> Option<&Waiter> {
        let waiters = self.waiters.iter().filter(|waiter| waiter.queue == *queue && !offers.are_held_for(waiter));
        waiters.min_by_key(|waiter| {
            let running = running.get(&waiter.user).copied().unwrap_or_default();
            (Reverse(waiter.priority), running, waiter.turn)
        })
    }

    /// It has taken what was offered and goes to the end of its equals, should it wait for more.
    pub fn served(&mut self, taken: &Waiter) {
        self.turns += 1;
        let known = self.waiters.iter_mut().find(|waiter| waiter.is(&taken.home, &taken.queue, &taken.user));
        if let Some(waiter) = known {
            waiter.turn = self.turns;
        }
    }

    /// It did not take what was offered: nobody waits there any more, unless it has asked again.
    pub fn forget(&mut self, lapsed: &Waiter) {
        self.waiters
            .retain(|waiter| !waiter.is(&lapsed.home, &lapsed.queue, &lapsed.user) || waiter.renewed > lapsed.renewed);
    }

    pub fn expire(&mut self, now: Millis) {
        self.waiters.retain(|waiter| now.since(waiter.renewed) < REMEMBERED);
    }

    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}

/// Free slots held for somebody.
#[derive(Debug, Default)]
pub struct Offers(Vec<(Millis, Waiter)>);

impl Offers {
    pub fn hold(&mut self, now: Millis, waiter: Waiter) {
        self.0.push((now + OFFERED, waiter));
    }

    /// How many slots of `queue` are held.
    pub fn held(&self, queue: &QueueName) -> u32 {
        self.0.iter().filter(|(_, waiter)| waiter.queue == *queue).count() as u32
    }

    /// Takes a slot that was held for `home`, whichever of its users it was meant for: a
    /// home's own order is its own affair.
    pub fn take(&mut self, home: &HostName, queue: &QueueName) -> Option<Waiter> {
        let held = self.0.iter().position(|(_, waiter)| waiter.home == *home && waiter.queue == *queue);
        held.map(|place| self.0.remove(place).1)
    }

    /// Ends what was not taken in time.
    pub fn expire(&mut self, now: Millis) -> Vec<Waiter> {
        self.0.extract_if(.., |(until, _)| *until <= now).map(|(_, waiter)| waiter).collect()
    }

    pub fn next_deadline(&self) -> Option<Millis> {
        self.0.iter().map(|(until, _)| *until).min()
    }

    fn are_held_for(&self, waiter: &Waiter) -> bool {
        self.0.iter().any(|(_, held)| held.is(&waiter.home, &waiter.queue, &waiter.user))
    }
}
