//! Who has fallen silent.
//!
//! A daemon that loses its last connection with a host gives it a moment to come back, then
//! doubts it and says so at once over all its connections; who hears of it passes it on. The
//! host hears it too and refutes by a new record, which travels as fast. What is not refuted
//! in time is silent: it is shown and not chosen.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wire::exchange::Rumour;

use super::Table;
use super::claim::{Claim, ClaimId, Doubt, Instant};
use super::pace;
use super::slots::{Slot, Slots};
use super::spread::Haste;
use crate::core::time::Millis;

/// Hosts that were lost and have not come back, and the next doubt that becomes certain.
#[derive(Debug, Default)]
pub(super) struct Detector {
    losses: BTreeMap<Arc<str>, Loss>,
    confirm_at: Option<Millis>,
}

#[derive(Debug, Clone, Copy)]
struct Loss {
    incarnation: u64,
    /// News first heard after this shows that the host lives.
    at: Millis,
    decide_at: Millis,
    /// News has shown so often that it lives though we cannot reach it.
    lives: u32,
}

impl Detector {
    /// When something is to be decided.
    pub fn deadline(&self) -> Option<Millis> {
        let decisions = self.losses.values().map(|loss| loss.decide_at);
        decisions.chain(self.confirm_at).min()
    }

    /// The host has a connection again, or left.
    pub fn forget(&mut self, host: &str) {
        self.losses.remove(host);
    }
}

impl Table {
    /// The last connection with this host died.
    pub(super) fn lost_host(&mut self, now: Millis, host: &Arc<str>) {
        let Some(id) = self.roster.newest(host) else {
            return;
        };
        let incarnation = self.roster[id].card.incarnation;
        let loss = Loss { incarnation, at: now, decide_at: now + pace::GRACE, lives: 0 };
        self.detector.losses.insert(Arc::clone(host), loss);
    }

    /// Decides what is due about hosts that were lost and hosts in doubt.
    pub(super) fn judge(&mut self, now: Millis) {
        let due = |(host, loss): (&Arc<str>, &Loss)| (loss.decide_at <= now).then(|| Arc::clone(host));
        let lost: Vec<Arc<str>> = self.detector.losses.iter().filter_map(due).collect();
        for host in lost {
            self.judge_loss(now, &host);
        }
        if self.detector.confirm_at.is_some_and(|at| at <= now) {
            self.changed = true;
            self.peers.reconsider(now);
            self.watch_doubts(now);
        }
    }

    fn judge_loss(&mut self, now: Millis, host: &Arc<str>) {
        let Some(mut loss) = self.detector.losses.remove(host) else {
            return;
        };
        let Some(id) = self.roster.newest(host) else {
            return;
        };
        let claim = &self.roster[id];
        if claim.card.incarnation > loss.incarnation || self.neighbours.is_connected(host) {
            return;
        }
        if claim.heard > loss.at {
            loss.lives += 1;
            if loss.lives < LIVES {
                loss.at = claim.heard;
                loss.decide_at = now + LATER;
                self.detector.losses.insert(Arc::clone(host), loss);
            }
            return;
        }
        let sequence = claim.version().sequence;
        self.doubt(now, id, Doubt { sequence, since: Instant::before(now, Duration::ZERO) }, None);
    }

    /// Takes in that somebody lost a host.
    pub(super) fn hear_rumour(&mut self, now: Millis, rumour: &Rumour, from: Option<Slot>) {
        if *rumour.host == *self.own.name {
            self.refute(now, rumour);
            return;
        }
        let Some(host) = self.roster.host(&rumour.host) else {
            return;
        };
        let same_life = |id: &ClaimId| self.roster[*id].card.incarnation == rumour.incarnation;
        let Some(id) = host.claims.iter().copied().find(same_life) else {
            return;
        };
        let age = Duration::from_millis(rumour.age_ms);
        let since = Instant::before(now, age);
        let claim = &mut self.roster[id];
        let refuted = rumour.sequence < claim.version().sequence
            && claim.age(now) + pace::propagation(self.roster.count()) < age;
        if refuted {
            if let Some(slot) = from {
                self.tell(id, slot.into(), Haste::Urgent);
            }
            return;
        }
        self.doubt(now, id, Doubt { sequence: rumour.sequence, since }, from);
    }

    /// Whether a host is doubted and has not refuted in time.
    pub(super) fn silent_for(&self, claim: &Claim, now: Millis) -> Option<Duration> {
        let age = claim.doubt?.since.age(now);
        (age >= pace::confirmation(self.roster.count())).then_some(age)
    }

    /// Doubts a host after the last record that anybody here has of it. A doubt about an
    /// earlier record is raised to that: there may be news still under way that the host
    /// sent before it died.
    fn doubt(&mut self, now: Millis, id: ClaimId, doubt: Doubt, from: Option<Slot>) {
        let present = self.neighbours.present();
        let claim = &mut self.roster[id];
        let sequence = doubt.sequence.max(claim.version().sequence);
        let teller: Slots = from.into_iter().collect();
        if claim.doubt.is_some_and(|known| known.sequence >= sequence) {
            if doubt.sequence == sequence {
                claim.account.doubt_due = claim.account.doubt_due.without(teller);
            }
            return;
        }
        claim.doubt = Some(Doubt { sequence, since: doubt.since });
        let informed = if doubt.sequence == sequence { teller } else { Slots::default() };
        self.tell_doubt(id, present.without(informed));
        self.watch_doubts(now);
    }

    /// Sees to it that these neighbours are told of the doubt at once.
    pub(super) fn tell_doubt(&mut self, id: ClaimId, to: Slots) {
        let account = &mut self.roster[id].account;
        for slot in to.without(account.doubt_due).iter() {
            let neighbour = &mut self.neighbours[slot];
            neighbour.doubts.push(id);
            neighbour.urgent = true;
        }
        account.doubt_due = to;
    }

    /// Somebody lost this host: it says at once that it lives. A doubt about an earlier record
    /// is refuted by the one that is on its way.
    fn refute(&mut self, now: Millis, rumour: &Rumour) {
        match rumour.incarnation.cmp(&self.own.incarnation) {
            Ordering::Equal if rumour.sequence >= self.publisher.sequence() => {
                self.publish(now, rumour.sequence, Haste::Urgent);
            }
            Ordering::Less | Ordering::Equal => {}
            Ordering::Greater => self.live_on(now, rumour.incarnation),
        }
    }

    fn watch_doubts(&mut self, now: Millis) {
        let confirmation = pace::confirmation(self.roster.count());
        let doubts = self.roster.claims().filter_map(|(_, claim)| claim.doubt);
        let upcoming = doubts.map(|doubt| doubt.since.after(confirmation)).filter(|&at| at > now);
        self.detector.confirm_at = upcoming.min();
    }
}

/// A lost host that news is still heard of is looked at again after this time.
const LATER: Duration = Duration::from_secs(1);
/// After so many looks it is clear that it lives and is only out of our own reach.
const LIVES: u32 = 3;
