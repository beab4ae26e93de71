//! What others say about this host itself, and what it does about it: it lives on under a later
//! incarnation, leaves, or learns that it was removed.

use std::collections::BTreeSet;
use std::time::Duration;

use wire::exchange::{Departure, Introduction, Manner};

use super::Table;
use super::claim::{ClaimId, Instant, version_of};
use super::event::Action;
use super::roster::Gone;
use super::spread::Haste;
use crate::core::time::Millis;

/// How this host's life in the cluster goes.
#[derive(Debug, Default)]
pub(super) struct Life {
    over: bool,
    /// Other addresses the own name was heard with and passed.
    passed: BTreeSet<String>,
    /// A later incarnation was heard of, but the last one was passed a moment ago.
    waits: Option<u64>,
    next: Option<Millis>,
    pause: Duration,
}

impl Life {
    /// Whether this host left or was removed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// When a later incarnation that was heard of is passed.
    pub fn deadline(&self) -> Option<Millis> {
        self.waits.and(self.next)
    }
}

impl Table {
    /// The claim of this very host.
    pub(super) fn own_claim(&self) -> Option<ClaimId> {
        let claims = &self.roster.host(&self.own.name)?.claims;
        let own = |id: &ClaimId| {
            let card = &self.roster[*id].card;
            card.address == self.own.address && card.incarnation == self.own.incarnation
        };
        claims.iter().copied().find(own)
    }

    /// Whether this host left or was removed.
    pub(super) fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// Takes in a record of the own name; whether it may be merged. A later one than this host
    /// has made is left from a life whose store is lost, or of before a snapshot was restored.
    pub(super) fn hear_of_self(&mut self, now: Millis, introduction: &Introduction) -> bool {
        let Introduction { card, figures } = introduction;
        if !card.is_sound() || !figures.is_sound() {
            return false;
        }
        if card.address != self.own.address {
            // Where this host lived before, or another of the same name. It is passed once, so
            // that the newest claim is this one; two living hosts would pass each other for ever.
            let first = self.life.passed.len() < MOST_PASSED && self.life.passed.insert(card.address.clone());
            if first && card.incarnation >= self.own.incarnation {
                self.live_on(now, card.incarnation);
            }
            return true;
        }
        let version = version_of(card, figures);
        let newer = match card.incarnation.cmp(&self.own.incarnation) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => version.sequence > self.publisher.sequence(),
            std::cmp::Ordering::Greater => true,
        };
        if newer {
            self.live_on(now, card.incarnation);
        }
        !newer && card.incarnation == self.own.incarnation
    }

    /// Takes in that this host departed; whether that is so.
    pub(super) fn hear_own_departure(&mut self, now: Millis, departure: &Departure) -> bool {
        if departure.incarnation < self.own.incarnation || self.life.over {
            return true;
        }
        if departure.manner == Manner::Removed && departure.incarnation == self.own.incarnation {
            self.life.over = true;
            self.out.push(Action::Expelled);
            return true;
        }
        if departure.incarnation < HIGHEST {
            self.live_on(now, departure.incarnation);
        }
        false
    }

    /// This host lives on under a later incarnation than this one. If that happens again and
    /// again, another host has its name and address; then it takes its time.
    pub(super) fn live_on(&mut self, now: Millis, incarnation: u64) {
        if self.life.over || incarnation < self.own.incarnation || incarnation >= HIGHEST {
            return;
        }
        if let Some(next) = self.life.next
            && next > now
        {
            self.life.waits = self.life.waits.max(Some(incarnation));
            return;
        }
        self.life.pause = (self.life.pause * 2).clamp(Duration::from_secs(1), Duration::from_secs(60));
        self.life.next = Some(now + self.life.pause);
        self.life.waits = None;
        self.own.incarnation = incarnation + 1;
        self.publisher.begin_life();
        self.out.push(Action::Incarnation(self.own.incarnation));
        self.publish(now, 0, Haste::Urgent);
    }

    /// Passes the incarnation that had to wait.
    pub(super) fn resume_life(&mut self, now: Millis) {
        if self.life.next.is_some_and(|at| at <= now)
            && let Some(incarnation) = self.life.waits.take()
        {
            self.live_on(now, incarnation);
        }
    }

    /// This host can be reached somewhere else from now on.
    pub(super) fn moved(&mut self, now: Millis, address: String) {
        if address == self.own.address {
            return;
        }
        self.own.address = address;
        self.life.next = None;
        let incarnation = self.life.waits.take().unwrap_or_default().max(self.own.incarnation);
        self.live_on(now, incarnation);
        self.peers.reconsider(now);
    }

    /// This host leaves the cluster.
    pub(super) fn leave(&mut self, now: Millis) {
        if self.life.over {
            return;
        }
        let name = self.own.name.clone();
        self.part_with(now, &name, gone(now, self.own.incarnation, Manner::Left), None);
        self.life.over = true;
    }

    /// Somebody removes a host.
    pub(super) fn remove(&mut self, now: Millis, name: &str) {
        let Some(incarnation) = self.roster.newest(name).map(|id| self.roster[id].card.incarnation) else {
            return;
        };
        self.part_with(now, name, gone(now, incarnation, Manner::Removed), None);
        if *name == *self.own.name && !self.life.over {
            self.life.over = true;
            self.out.push(Action::Expelled);
        }
    }
}

fn gone(now: Millis, incarnation: u64, manner: Manner) -> Gone {
    let since = Instant::before(now, Duration::ZERO);
    Gone { incarnation, manner, since, due: Default::default(), known: Default::default() }
}

/// No host passes this: one that claims more is broken.
const HIGHEST: u64 = 1 << 60;
/// Other addresses of the own name that are passed in one life.
const MOST_PASSED: usize = 8;
