//! Who is told what: the account of which neighbour knows which record.
//!
//! Every record would reach a daemon over each of its connections. So each daemon remembers
//! which neighbour told it of a host first, its source for that host, and asks the others to
//! spare it. The sources make a tree for each host, without a circle: a source had the record
//! before, and from its own source. Only records that were pushed all the way count; a pulled
//! one may have been quicker by luck, and a tree of such ways would be without news until
//! somebody happened to ask.
//!
//! When a source goes, a daemon tells all neighbours that it has lost the way; one that hears this
//! from its own source has lost it too, and asks on. A record that ends a doubt is told to all, spared or not.

use std::sync::Arc;
use std::time::Duration;

use super::Table;
use super::claim::{Claim, ClaimId, Teller, Track};
use super::pace;
use super::roster::{Change, Gone};
use super::slots::{Slot, Slots};
use crate::core::time::Millis;

/// How soon something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// With the next exchange, to those who did not ask to be spared.
    Ordinary,
    /// At once, and to everybody.
    Urgent,
}

impl Table {
    /// This record is new here: it is to be told to all who may not have it.
    pub(super) fn pass_on(&mut self, id: ClaimId, from: Option<Teller>, change: Change, haste: Haste) {
        let everybody = self.neighbours.present();
        let teller: Slots = from.map(|teller| teller.slot).into_iter().collect();
        let account = &mut self.roster[id].account;
        account.known = teller;
        account.card_known = if change.card { teller } else { account.card_known.with(teller) };
        account.due = account.due.without(teller);
        account.track = from.map_or(Track::Pushed, |teller| teller.track);
        let spared = if haste == Haste::Ordinary { account.spared } else { Slots::default() };
        if let Some(teller) = from {
            self.consider_source(id, teller);
        }
        self.tell(id, everybody.without(teller).without(spared), haste);
    }

    /// The first to tell a record is the source for its host, if it can be relied on: a daemon
    /// that others do connect to relies only on what is pushed to it all the way.
    fn consider_source(&mut self, id: ClaimId, teller: Teller) {
        if teller.track == Track::Pulled && !self.is_deaf() {
            return;
        }
        let claim = &mut self.roster[id];
        claim.account.source = Some(teller.slot);
        if claim.account.sparing.remove(teller.slot) {
            let neighbour = &mut self.neighbours[teller.slot];
            neighbour.spare.remove(&claim.key);
            neighbour.again.insert(claim.key);
        }
    }

    /// These neighbours are to be told this record.
    pub(super) fn tell(&mut self, id: ClaimId, to: Slots, haste: Haste) {
        let account = &mut self.roster[id].account;
        for slot in to.iter() {
            account.known.remove(slot);
            let neighbour = &mut self.neighbours[slot];
            if !account.due.contains(slot) {
                account.due.insert(slot);
                neighbour.pending.push_back(id);
            }
            neighbour.urgent |= haste == Haste::Urgent;
        }
    }

    /// A neighbour told the very record that is known here.
    pub(super) fn heard_again(&mut self, id: ClaimId, from: Teller) {
        let account = &mut self.roster[id].account;
        let told_before = account.card_known.contains(from.slot);
        account.known.insert(from.slot);
        account.card_known.insert(from.slot);
        account.due.remove(from.slot);
        if account.track == Track::Pulled && from.track == Track::Pushed {
            account.track = Track::Pushed;
            self.consider_source(id, from);
        } else if told_before {
            self.ask_to_spare(id, from.slot);
        }
    }

    /// A neighbour told an earlier record than is known here.
    pub(super) fn heard_late(&mut self, id: ClaimId, from: Teller) {
        if self.roster[id].account.card_known.contains(from.slot) {
            self.ask_to_spare(id, from.slot);
        }
    }

    /// This neighbour was not the first to tell, and not because it has just become a neighbour
    /// and tells all it knows.
    fn ask_to_spare(&mut self, id: ClaimId, slot: Slot) {
        let claim = &mut self.roster[id];
        let account = &mut claim.account;
        let other_source = account.source.is_some_and(|source| source != slot);
        let neighbour = &mut self.neighbours[slot];
        if other_source && *claim.card.host != *neighbour.host && !account.sparing.contains(slot) {
            account.sparing.insert(slot);
            neighbour.again.remove(&claim.key);
            neighbour.spare.insert(claim.key);
        }
    }

    /// A neighbour hears of this host sooner from somebody else. What this host says of itself
    /// is told to all neighbours all the same: it shows that the connection works.
    pub(super) fn spare(&mut self, id: ClaimId, from: Slot) {
        let claim = &mut self.roster[id];
        if *claim.card.host != *self.own.name {
            claim.account.spared.insert(from);
            claim.account.due.remove(from);
        }
    }

    /// A neighbour wants to hear of this host again.
    pub(super) fn asked_again(&mut self, now: Millis, id: ClaimId, from: Slot) {
        let claim = &mut self.roster[id];
        claim.account.spared.remove(from);
        if claim.age(now) < pace::RECENT && !claim.account.known.contains(from) {
            self.tell(id, from.into(), Haste::Ordinary);
        }
    }

    /// A neighbour has lost the way to this host. If that was our way, too, it is lost.
    pub(super) fn asked_for_way(&mut self, now: Millis, id: ClaimId, from: Slot) {
        self.asked_again(now, id, from);
        if self.roster[id].account.source == Some(from) {
            self.seek_source(id);
        }
    }

    /// Nobody is the source for this host any more: every neighbour shall tell of it.
    pub(super) fn seek_source(&mut self, id: ClaimId) {
        let claim = &mut self.roster[id];
        claim.account.source = None;
        for slot in claim.account.sparing.take().iter() {
            self.neighbours[slot].spare.remove(&claim.key);
            self.neighbours[slot].lost.insert(claim.key);
        }
    }

    /// Lets other neighbours try to be quicker than the sources: so the trees stay flat, and none
    /// that was there first carries the most for ever. Each source is tried once a
    /// [`pace::TRIAL`].
    pub(super) fn try_others(&mut self, since: Duration) {
        let chance = since.as_secs_f64() / pace::TRIAL.as_secs_f64();
        for (_, claim) in self.roster.claims_mut() {
            if self.random.fraction() >= chance {
                continue;
            }
            let spare = claim.account.sparing.iter().filter(|&slot| self.neighbours[slot].visits);
            let spare: Vec<Slot> = spare.collect();
            if !spare.is_empty() {
                let slot = spare[self.random.below(spare.len() as u64) as usize];
                claim.account.sparing.remove(slot);
                self.neighbours[slot].spare.remove(&claim.key);
                self.neighbours[slot].again.insert(claim.key);
            }
        }
    }

    /// Hosts nothing was heard of for longer than there should be are asked for everywhere.
    pub(super) fn ask_for_overdue(&mut self, now: Millis) {
        let overdue = pace::heartbeat(self.roster.count()) + pace::OVERDUE;
        let is_overdue = |(id, claim): (ClaimId, &Claim)| {
            let asked_enough = claim.age(now) > 20 * overdue;
            (claim.doubt.is_none() && claim.age(now) > overdue && !asked_enough).then_some(id)
        };
        let ids: Vec<ClaimId> = self.roster.claims().filter_map(is_overdue).collect();
        for id in ids {
            self.seek_source(id);
        }
    }

    /// Forgets what is no longer due: a peer that is connected and never asks must not make its
    /// list grow as hosts come and go.
    pub(super) fn tidy_lists(&mut self) {
        let most = 2 * self.roster.count() + 64;
        for slot in self.neighbours.present().iter() {
            let neighbour = &mut self.neighbours[slot];
            if neighbour.pending.len() > most {
                let due = self.roster.claims().filter(|(_, claim)| claim.account.due.contains(slot));
                neighbour.pending = due.map(|(id, _)| id).collect();
            }
            if neighbour.doubts.len() > most {
                let due = self.roster.claims().filter(|(_, claim)| claim.account.doubt_due.contains(slot));
                neighbour.doubts = due.map(|(id, _)| id).collect();
            }
        }
    }

    /// What this neighbour knows is not known any more: a connection broke, or it is new.
    pub(super) fn tell_all(&mut self, slot: Slot) {
        let neighbour = &mut self.neighbours[slot];
        neighbour.pending.clear();
        neighbour.doubts.clear();
        for (id, claim) in self.roster.claims_mut() {
            let account = &mut claim.account;
            account.known.remove(slot);
            account.card_known.remove(slot);
            account.due.insert(slot);
            neighbour.pending.push_back(id);
            account.doubt_due.remove(slot);
            if claim.doubt.is_some() {
                account.doubt_due.insert(slot);
                neighbour.doubts.push(id);
            }
        }
        for (name, host) in self.roster.hosts_mut() {
            if let Some(gone) = &mut host.gone {
                gone.known.remove(slot);
                gone.due.insert(slot);
                neighbour.departures.insert(Arc::clone(name));
            }
        }
    }

    /// This neighbour is none any more; hosts it was the source for are asked for elsewhere.
    pub(super) fn forget_neighbour(&mut self, slot: Slot) {
        self.find_other_sources(slot);
        for (_, claim) in self.roster.claims_mut() {
            let account = &mut claim.account;
            for set in [
                &mut account.known,
                &mut account.card_known,
                &mut account.due,
                &mut account.doubt_due,
                &mut account.spared,
                &mut account.sparing,
            ] {
                set.remove(slot);
            }
        }
        for (_, host) in self.roster.hosts_mut() {
            if let Some(gone) = &mut host.gone {
                gone.known.remove(slot);
                gone.due.remove(slot);
            }
        }
        self.neighbours.release(slot);
    }

    /// This neighbour went, or cannot tell us news at once any more: the hosts it was the source
    /// for are asked for everywhere.
    pub(super) fn find_other_sources(&mut self, slot: Slot) {
        let its = |(id, claim): (ClaimId, &Claim)| (claim.account.source == Some(slot)).then_some(id);
        let orphans: Vec<ClaimId> = self.roster.claims().filter_map(its).collect();
        for id in orphans {
            self.seek_source(id);
        }
    }

    /// A host departed: it is over with its claims, and all are to be told.
    pub(super) fn part_with(&mut self, now: Millis, name: &str, departure: Gone, from: Option<Slot>) {
        let everybody = self.neighbours.present();
        if !self.roster.depart(name, departure) {
            if let (Some(slot), Some(host)) = (from, self.roster.host_mut(name))
                && let Some(gone) = &mut host.gone
                && gone.incarnation == departure.incarnation
            {
                gone.known.insert(slot);
                gone.due.remove(slot);
            }
            return;
        }
        let known: Slots = from.into_iter().collect();
        self.tell_departure(name, everybody.without(known));
        self.detector.forget(name);
        self.peers.reconsider(now);
        self.changed = true;
    }

    /// These neighbours are to be told at once that the host departed.
    pub(super) fn tell_departure(&mut self, name: &str, to: Slots) {
        let Some(gone) = self.roster.host_mut(name).and_then(|host| host.gone.as_mut()) else {
            return;
        };
        for slot in to.iter() {
            gone.known.remove(slot);
            gone.due.insert(slot);
            self.neighbours[slot].departures.insert(name.into());
            self.neighbours[slot].urgent = true;
        }
    }
}
