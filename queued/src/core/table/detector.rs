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
use super::dials::Failure;
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
    /// How often it was decided.
    rounds: u32,
}

impl Detector {
    /// When something is to be decided.
    pub fn deadline(&self) -> Option<Millis> {
        let decisions = self.losses.values().map(|loss| loss.decide_at);
        decisions.chain(self.confirm_at).min()
    }

    /// The host gave a sign of life to this very daemon, or left.
    pub fn forget(&mut self, host: &str) {
        self.losses.remove(host);
    }
}

impl Table {
    /// A connection with this host died. If another stands it must show that it works, else
    /// this daemon connects to see whether the host is there.
    pub(super) fn lost_host(&mut self, now: Millis, host: &Arc<str>) {
        let Some(id) = self.roster.newest(host).filter(|_| **host != *self.own.name) else {
            return;
        };
        let incarnation = self.roster[id].card.incarnation;
        let decide_at = now + pace::grace(self.roster.count());
        let loss = Loss { incarnation, at: now, decide_at, rounds: 0 };
        self.detector.losses.entry(Arc::clone(host)).or_insert(loss);
        match self.neighbours.slot_of_host(host) {
            Some(slot) if self.neighbours[slot].outgoing.is_some() => self.neighbours[slot].greeted = false,
            _ => self.look_for(now, host),
        }
    }

    /// A lost host could not be connected to. Silence may be a lost packet, and the rest of the
    /// grace is for another try at once, since this one took a second; a refusal would only be
    /// repeated.
    pub(super) fn missed_host(&mut self, now: Millis, host: &str, failure: Failure) {
        let Some(loss) = self.detector.losses.get_mut(host).filter(|loss| loss.rounds == 0) else {
            return;
        };
        match failure {
            Failure::Refused => loss.decide_at = loss.decide_at.min(loss.at + pace::grace(1)),
            Failure::Silence if loss.decide_at > now => {
                let address = self.address(host).unwrap_or_default().to_owned();
                self.dial(now, &address);
            }
            Failure::Silence => {}
        }
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
        if claim.card.incarnation > loss.incarnation {
            return;
        }
        let version = claim.version();
        if claim.heard > loss.at {
            loss.at = claim.heard;
        } else if claim.doubt.is_none() {
            let doubt = Doubt { sequence: version.sequence, since: Instant::before(now, Duration::ZERO) };
            self.doubt(now, id, doubt, None);
        }
        if self.connection(host).is_none() {
            self.look_for(now, host);
        }
        // What refutes may have been sent before the host died and only now have arrived.
        loss.rounds += 1;
        if loss.rounds < ROUNDS {
            loss.decide_at = now + NEXT_ROUND;
            self.detector.losses.insert(Arc::clone(host), loss);
        }
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
        let later = claim.version().sequence > rumour.sequence;
        if later && (claim.age(now) < age || claim.refuted >= Some(rumour.sequence)) {
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

    /// Whether a host is there as far as is known: it is not silent, and news of it comes.
    pub(super) fn lives(&self, claim: &Claim, now: Millis) -> bool {
        self.silent_for(claim, now).is_none() && claim.age(now) <= pace::quiet(self.roster.count())
    }

    /// Doubts a host. If a later record than the doubter's was heard before the doubt began, the
    /// doubt is about that: the host can have sent it before it died.
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
            // Nobody can have heard so many records of this life.
            Ordering::Equal if rumour.sequence > self.publisher.sequence() + ABSURD => {
                self.live_on(now, rumour.incarnation);
            }
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

/// A sequence number this far beyond the own one is nonsense, and is not followed.
const ABSURD: u64 = 1_000_000;
/// A lost host is looked at again after this time.
const NEXT_ROUND: Duration = Duration::from_secs(1);
/// After so many looks it is silent, or lives and is only out of our own reach.
const ROUNDS: u32 = 4;
