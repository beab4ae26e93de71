//! Who waits for a slot of this host, and whom a free one is held for.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use super::Ask;
use crate::core::names::{HostName, JobId, QueueName, UserName};
use crate::core::resources::Needs;
use crate::core::time::Millis;

/// How long a home that was refused is remembered; it asks again before that.
pub const REMEMBERED: Duration = Duration::from_secs(30);

/// How long a free slot is held for the home it was offered to.
pub const OFFERED: Duration = Duration::from_millis(500);

/// How many are remembered. Who comes beyond is refused all the same, and asks again later.
pub const MOST_WAITING: usize = 1000;

/// A user's jobs on one home that wait for a slot of one queue and need the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    pub home: HostName,
    pub queue: QueueName,
    pub user: UserName,
    pub needs: Needs,
    /// The last of them that asked.
    pub job: JobId,
    priority: i32,
    /// Its place among equals: a number that grows.
    turn: u64,
    renewed: Millis,
}

impl Waiter {
    fn is(&self, home: &HostName, queue: &QueueName, user: &UserName, needs: &Needs) -> bool {
        self.home == *home && self.queue == *queue && self.user == *user && self.needs == *needs
    }

    fn is_same(&self, other: &Waiter) -> bool {
        self.is(&other.home, &other.queue, &other.user, &other.needs)
    }

    /// What tells it from all others that ever waited here.
    pub fn number(&self) -> u64 {
        self.turn
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
        let known = self.waiters.iter_mut().find(|waiter| waiter.is(&ask.key.home, &ask.queue, &ask.user, &ask.needs));
        if let Some(waiter) = known {
            waiter.renewed = now;
            waiter.priority = ask.priority;
            waiter.job = ask.key.id;
        } else if self.waiters.len() < MOST_WAITING {
            self.turns += 1;
            self.waiters.push(Waiter {
                home: ask.key.home.clone(),
                queue: ask.queue.clone(),
                user: ask.user.clone(),
                needs: ask.needs.clone(),
                job: ask.key.id,
                priority: ask.priority,
                turn: self.turns,
                renewed: now,
            });
        }
    }

    /// Whom a free slot of `queue` goes to: the highest priority, then the user with least
    /// running here, then in turn. Whoever holds an offer already is left out, and whoever needs what is not free.
    pub fn next(
        &self,
        queue: &QueueName,
        running: &HashMap<UserName, u32>,
        offers: &Offers,
        fits: impl Fn(&Needs) -> bool,
    ) -> Option<&Waiter> {
        let waiters = self.waiters.iter().filter(|waiter| waiter.queue == *queue && !offers.are_held_for(waiter));
        let waiters = waiters.filter(|waiter| fits(&waiter.needs));
        waiters.min_by_key(|waiter| {
            let running = running.get(&waiter.user).copied().unwrap_or_default();
            (Reverse(waiter.priority), running, waiter.turn)
        })
    }

    /// It has taken what was offered and goes to the end of its equals, should it wait for more.
    pub fn served(&mut self, taken: &Waiter) {
        self.turns += 1;
        let known = self.waiters.iter_mut().find(|waiter| waiter.is_same(taken));
        if let Some(waiter) = known {
            waiter.turn = self.turns;
        }
    }

    /// It did not take what was offered: nobody waits there any more, unless it has asked again.
    pub fn forget(&mut self, lapsed: &Waiter) {
        self.waiters.retain(|waiter| !waiter.is_same(lapsed) || waiter.renewed > lapsed.renewed);
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
        let held = self.0.iter().filter(|(_, waiter)| waiter.queue == *queue);
        held.fold(0, |sum, (_, waiter)| sum.saturating_add(waiter.needs.cpus))
    }

    /// Takes what was held for `home` and these needs, whichever of its users it was meant for: a
    /// home's own order is its own affair.
    pub fn take(&mut self, home: &HostName, queue: &QueueName, needs: &Needs) -> Option<Waiter> {
        let is_meant = |waiter: &Waiter| waiter.home == *home && waiter.queue == *queue && waiter.needs == *needs;
        let held = self.0.iter().position(|(_, waiter)| is_meant(waiter));
        held.map(|place| self.0.remove(place).1)
    }

    /// Takes the first that is held for `home`, which does not want it.
    pub fn take_any(&mut self, home: &HostName, queue: &QueueName) -> Option<Waiter> {
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
        self.0.iter().any(|(_, held)| held.is_same(waiter))
    }
}
