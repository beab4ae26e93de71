//! The messages of the exchange: how one is put together for a neighbour, and how one that came
//! is taken in.

use std::sync::Arc;
use std::time::Duration;

use wire::exchange::{Departure, Greeting, Introduction, Key, MAX_KEYS, MAX_RECORDS, Message, Rumour, Update};

use super::Table;
use super::claim::{ClaimId, Instant, Teller, Track};
use super::clock::UNMEASURED;
use super::pace;
use super::roster::{Change, Gone, Merge, remembered};
use super::slots::Slot;
use super::spread::Haste;
use crate::core::time::Millis;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The peer sent it of its own accord.
    Request,
    /// It answers a request of ours.
    Answer {
        /// From sending to reading.
        round_trip: Duration,
    },
}

impl Table {
    /// What there is to tell this neighbour now.
    pub(super) fn compose(&mut self, now: Millis, slot: Slot) -> Message {
        if self.neighbours[slot].tell_all_at <= now {
            self.neighbours[slot].tell_all_at = now + self.jittered(pace::TELL_ALL);
            self.tell_all(slot);
        }
        let mut message = Message::default();
        self.compose_greeting(now, slot, &mut message);
        let neighbour = &mut self.neighbours[slot];
        message.wanted = take(&mut neighbour.wanted);
        message.spare = take(&mut neighbour.spare);
        message.again = take(&mut neighbour.again);
        message.lost = take(&mut neighbour.lost);
        if !neighbour.acquainted {
            // Whether it needs cards or figures shows in its first message.
            message.introductions.extend(self.publisher.told());
            return message;
        }
        self.compose_records(now, slot, &mut message);
        self.compose_doubts(now, slot, &mut message);
        self.compose_departures(now, slot, &mut message);
        let neighbour = &mut self.neighbours[slot];
        message.more = !(neighbour.pending.is_empty() && neighbour.missing.is_empty() && neighbour.doubts.is_empty());
        if !message.more {
            neighbour.newcomer = false;
        }
        message
    }

    /// An answer to a peer that cannot become a neighbour: whom else it may ask.
    pub(super) fn send_on(&mut self) -> Message {
        let ids: Vec<ClaimId> = self.roster.newest_claims().collect();
        let mut introductions: Vec<Introduction> = self.publisher.told().into_iter().collect();
        for _ in 0..SAMPLE.min(ids.len()) {
            let pick = ids[self.random.below(ids.len() as u64) as usize];
            let claim = &self.roster[pick];
            if claim.doubt.is_none() && !introductions.iter().any(|told| told.card.host == claim.card.host) {
                introductions.push(claim.introduction());
            }
        }
        let greeting = Some(self.greeting());
        Message { greeting, introductions, crowded: true, ..Message::default() }
    }

    /// Takes in a message. `from` is `None` for a peer that is no neighbour.
    pub(super) fn hear(&mut self, now: Millis, host: &Arc<str>, from: Option<Slot>, message: Message, heard: Heard) {
        let pushed = if heard == Heard::Request { Track::Pushed } else { Track::Pulled };
        let teller = |track| from.map(|slot| Teller { slot, track });
        self.detector.forget(host);
        if let (Some(slot), Some(greeting)) = (from, message.greeting) {
            self.hear_greeting(slot, greeting);
        }
        for departure in &message.departures {
            self.hear_departure(now, departure, from);
        }
        for introduction in message.introductions {
            if *introduction.card.host == *self.own.name && !self.hear_of_self(now, &introduction) {
                continue;
            }
            let name = introduction.card.host.clone();
            let merge = self.roster.introduce(now, introduction);
            // An introduction founds no source: new cards take any way.
            self.settle(now, merge, teller(Track::Pulled));
            if let (Merge::Void, Some(slot)) = (merge, from) {
                self.tell_departure(&name, slot.into());
            }
        }
        for update in message.updates {
            self.hear_update(now, update, teller(pushed));
        }
        for update in message.pulled {
            self.hear_update(now, update, teller(Track::Pulled));
        }
        for rumour in &message.rumours {
            self.hear_rumour(now, rumour, from);
        }
        if let Some(clock_us) = message.clock_us {
            self.hear_clock(now, host, clock_us, heard);
        }
        let Some(slot) = from else {
            return;
        };
        for id in self.found(&message.spare) {
            self.spare(id, slot);
        }
        for id in self.found(&message.again) {
            self.asked_again(now, id, slot);
        }
        for id in self.found(&message.lost) {
            self.asked_for_way(now, id, slot);
        }
        let missing = self.found(&message.wanted);
        let keys: Vec<Key> = missing.into_iter().map(|id| self.roster[id].key).collect();
        let neighbour = &mut self.neighbours[slot];
        neighbour.missing.extend(keys);
        neighbour.more = message.more;
    }

    fn found(&self, keys: &[Key]) -> Vec<ClaimId> {
        keys.iter().filter_map(|&key| self.roster.find(key)).collect()
    }

    fn hear_clock(&mut self, now: Millis, host: &str, clock_us: u64, heard: Heard) {
        let round_trip = match heard {
            Heard::Request => UNMEASURED,
            Heard::Answer { round_trip } => round_trip,
        };
        if let (Some(own), Some(host)) = (self.clock, self.roster.host_mut(host)) {
            host.clock = Some(own.difference(now, clock_us, round_trip).or_earlier(host.clock));
        }
    }

    fn hear_greeting(&mut self, slot: Slot, greeting: Greeting) {
        let known = self.roster.count();
        let neighbour = &mut self.neighbours[slot];
        neighbour.acquainted = true;
        neighbour.newcomer = (greeting.known as usize) < known / 2;
    }

    fn hear_update(&mut self, now: Millis, update: Update, from: Option<Teller>) {
        let Update { key, figures } = update;
        if let Some(id) = self.roster.find(key)
            && self.own_claim() == Some(id)
        {
            let Introduction { card, .. } = self.roster[id].introduction();
            if !self.hear_of_self(now, &Introduction { card, figures: figures.clone() }) {
                return;
            }
        }
        let merge = self.roster.update(now, key, figures);
        if let (Merge::Unknown, Some(Teller { slot, .. })) = (merge, from)
            && self.neighbours[slot].wanted.len() < pace::MOST_HOSTS
        {
            self.neighbours[slot].wanted.insert(key);
        }
        self.settle(now, merge, from);
    }

    /// What follows from something that was merged.
    fn settle(&mut self, now: Millis, merge: Merge, from: Option<Teller>) {
        match merge {
            Merge::Appeared(id) => {
                let change = Change { card: true, ..Change::default() };
                self.pass_on(id, from, change, Haste::Ordinary);
                self.peers.reconsider(now);
                self.changed = true;
            }
            Merge::Newer(id, change) => {
                let haste = if change.doubt_ended { Haste::Urgent } else { Haste::Ordinary };
                self.pass_on(id, from, change, haste);
                if change.doubt_ended || change.card {
                    self.peers.reconsider(now);
                }
                self.changed |= change.card || change.doubt_ended || change.room;
            }
            Merge::Same(id) => {
                if let Some(teller) = from {
                    self.heard_again(id, teller);
                }
            }
            Merge::Older(id) => {
                if let Some(teller) = from {
                    self.heard_late(id, teller);
                }
            }
            Merge::Void | Merge::Unknown | Merge::Refused => {}
        }
    }

    fn hear_departure(&mut self, now: Millis, departure: &Departure, from: Option<Slot>) {
        let age = Duration::from_secs(departure.age_s);
        if age > remembered(departure.manner) || departure.host.is_empty() || departure.host.len() > 255 {
            return;
        }
        if *departure.host == *self.own.name && !self.hear_own_departure(now, departure) {
            return;
        }
        let gone = Gone {
            incarnation: departure.incarnation,
            manner: departure.manner,
            since: Instant::before(now, age),
            due: Default::default(),
            known: Default::default(),
        };
        self.part_with(now, &departure.host, gone, from);
    }

    fn compose_greeting(&mut self, now: Millis, slot: Slot, message: &mut Message) {
        let greeting = self.greeting();
        let clock = self.clock;
        let neighbour = &mut self.neighbours[slot];
        if !neighbour.greeted {
            neighbour.greeted = true;
            message.greeting = Some(greeting);
        }
        if neighbour.tell_clock_at <= now
            && let Some(clock) = clock
        {
            message.clock_us = Some(clock.at(now));
            neighbour.tell_clock_at = now + pace::TELL_CLOCK;
        }
    }

    fn greeting(&self) -> Greeting {
        Greeting { incarnation: self.own.incarnation, known: self.roster.count() as u32 }
    }

    fn compose_records(&mut self, now: Millis, slot: Slot, message: &mut Message) {
        let mut room = PAGE_BYTES;
        let neighbour = &mut self.neighbours[slot];
        while let Some(key) = neighbour.missing.pop_first() {
            let Some(id) = self.roster.find(key) else {
                continue;
            };
            let claim = &mut self.roster[id];
            claim.account.card_known.insert(slot);
            claim.account.known.insert(slot);
            claim.account.due.remove(slot);
            let introduction = claim.introduction();
            room = room.saturating_sub(introduction.card.weight());
            message.introductions.push(introduction);
            if room == 0 || message.introductions.len() == MAX_RECORDS / 2 {
                return;
            }
        }
        while let Some(id) = neighbour.pending.pop_front() {
            let Some(claim) = self.roster.get_mut(id) else {
                continue;
            };
            let account = &mut claim.account;
            if !account.due.remove(slot) || account.known.contains(slot) {
                continue;
            }
            account.known.insert(slot);
            let card_known = account.card_known.contains(slot);
            account.card_known.insert(slot);
            let young = now.since(claim.card_heard) < pace::NEW_CARD;
            if !card_known && (young || neighbour.newcomer) {
                let introduction = claim.introduction();
                room = room.saturating_sub(introduction.card.weight());
                message.introductions.push(introduction);
            } else {
                room = room.saturating_sub(UPDATE_BYTES);
                let updates = match claim.account.track {
                    Track::Pushed => &mut message.updates,
                    Track::Pulled => &mut message.pulled,
                };
                updates.push(Update { key: claim.key, figures: claim.figures.clone() });
            }
            let updates = message.updates.len().max(message.pulled.len());
            let full = message.introductions.len() == MAX_RECORDS / 2 || updates == MAX_RECORDS;
            if room == 0 || full {
                return;
            }
        }
    }

    /// Doubts: of the hosts introduced here first, because the neighbour would take them for
    /// living ones.
    fn compose_doubts(&mut self, now: Millis, slot: Slot, message: &mut Message) {
        let introduced = message.introductions.iter().filter_map(|told| self.roster.find(told.card.key()));
        let mut ids: Vec<ClaimId> = introduced.filter(|&id| self.roster[id].doubt.is_some()).collect();
        for &id in &ids {
            self.roster[id].account.doubt_due.remove(slot);
        }
        let neighbour = &mut self.neighbours[slot];
        while ids.len() < MAX_RECORDS {
            let Some(id) = neighbour.doubts.pop() else {
                break;
            };
            let claim = self.roster.get_mut(id);
            if claim.is_some_and(|claim| claim.account.doubt_due.remove(slot) && claim.doubt.is_some()) {
                ids.push(id);
            }
        }
        for id in ids {
            let claim = &self.roster[id];
            if let Some(doubt) = claim.doubt {
                message.rumours.push(Rumour {
                    host: claim.card.host.clone(),
                    incarnation: claim.card.incarnation,
                    sequence: doubt.sequence,
                    age_ms: doubt.since.age(now).as_millis() as u64,
                });
            }
        }
    }

    fn compose_departures(&mut self, now: Millis, slot: Slot, message: &mut Message) {
        while message.departures.len() < MAX_RECORDS {
            let Some(name) = self.neighbours[slot].departures.pop_first() else {
                break;
            };
            let Some(gone) = self.roster.host_mut(&name).and_then(|host| host.gone.as_mut()) else {
                continue;
            };
            if gone.due.remove(slot) && !gone.known.contains(slot) {
                gone.known.insert(slot);
                message.departures.push(Departure {
                    host: name.to_string(),
                    incarnation: gone.incarnation,
                    manner: gone.manner,
                    age_s: gone.since.age(now).as_secs(),
                });
            }
        }
    }
}

/// As many of these as one message holds.
fn take(keys: &mut std::collections::BTreeSet<Key>) -> Vec<Key> {
    let mut taken = Vec::new();
    while taken.len() < MAX_KEYS
        && let Some(key) = keys.pop_first()
    {
        taken.push(key);
    }
    taken
}

/// A message is about so long at most, unless one card alone is longer.
const PAGE_BYTES: usize = 64 * 1024;
const UPDATE_BYTES: usize = 60;
/// Hosts told to a peer that is sent on.
const SAMPLE: usize = 32;
