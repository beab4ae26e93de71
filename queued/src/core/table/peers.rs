//! With whom a daemon keeps standing connections.
//!
//! All hosts stand on eight rings, on each in another order that follows from their names. Each
//! daemon connects to the next living host on every ring. So the choice needs no talk, the graph
//! is in one piece, any two hosts are a few steps apart, every host is visited by as many as it
//! visits, and one that comes or goes moves eight connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Table;
use super::claim::ClaimId;
use super::dials::Dials;
use super::neighbours::Farewell;
use super::pace::{self, STANDING};
use super::slots::Slot;
use crate::core::random::Random;
use crate::core::time::Millis;

/// The configured peers, how connecting goes, and when to choose anew.
#[derive(Debug)]
pub(super) struct Peers {
    configured: Vec<String>,
    /// Hosts that configured addresses turned out to be.
    found: BTreeMap<String, Arc<str>>,
    pub dials: Dials,
    choose_at: Option<Millis>,
    probe_at: Option<Millis>,
}

impl Peers {
    /// These are configured; all are tried at once.
    pub fn new(configured: Vec<String>) -> Self {
        Self { configured, found: BTreeMap::new(), dials: Dials::default(), choose_at: Some(Millis(0)), probe_at: None }
    }

    /// Other peers are configured.
    pub fn configure(&mut self, now: Millis, configured: Vec<String>) {
        self.found.retain(|address, _| configured.contains(address));
        self.configured = configured;
        self.choose_at = Some(now);
    }

    /// A dial led to this host.
    pub fn note_found(&mut self, address: &str, host: &Arc<str>) {
        if self.configured.iter().any(|peer| peer == address) {
            self.found.insert(address.to_owned(), Arc::clone(host));
        }
    }

    /// Hosts came or went: chooses anew in a moment, together with what else comes.
    pub fn reconsider(&mut self, now: Millis) {
        let soon = now + SETTLE;
        self.choose_at = Some(self.choose_at.map_or(soon, |at| at.min(soon)));
    }

    /// When something is to be done.
    pub fn deadline(&self) -> Option<Millis> {
        self.choose_at.into_iter().chain(self.probe_at).min()
    }
}

impl Table {
    /// Opens and closes connections as is due.
    pub(super) fn tend_peers(&mut self, now: Millis) {
        if self.peers.choose_at.is_some_and(|at| at <= now) {
            self.choose_peers(now);
        }
        if self.peers.probe_at.is_some_and(|at| at <= now) {
            self.probe(now);
        }
    }

    fn choose_peers(&mut self, now: Millis) {
        self.peers.choose_at = None;
        if self.is_over() {
            return;
        }
        let (chosen, mut next) = self.chosen(now);
        for &id in &chosen {
            let card = Arc::clone(&self.roster[id].card);
            let slot = self.neighbours.slot_of_host(&card.host);
            if slot.is_none_or(|slot| self.neighbours[slot].outgoing.is_none()) {
                self.dial(now, &card.address);
            }
        }
        if chosen.is_empty() && self.neighbours.is_empty() {
            next = next.into_iter().chain(self.dial_configured(now)).min();
        }
        let surplus_at = self.drop_surplus(now, &chosen);
        self.peers.choose_at = next.into_iter().chain(surplus_at).chain(self.peers.choose_at).min();
        let somebody_to_find = self.peers.probe_at.is_none() && self.lost_sheep(now).next().is_some();
        if somebody_to_find {
            self.peers.probe_at = Some(now + self.jittered(pace::between_probes(self.roster.count())));
        }
    }

    /// The hosts to keep standing connections with, and when one may join them that could not
    /// be reached a moment ago.
    fn chosen(&self, now: Millis) -> (Vec<ClaimId>, Option<Millis>) {
        let mut next: Option<Millis> = None;
        let mut others: Vec<(u64, ClaimId)> = Vec::new();
        for id in self.roster.newest_claims() {
            let claim = &self.roster[id];
            let card = &claim.card;
            if card.host == self.own.name || card.address.is_empty() || !self.lives(claim, now) {
                continue;
            }
            match self.peers.dials.waits_until(&card.address, now) {
                Some(until) if self.connection(&card.host).is_none() => {
                    next = Some(next.map_or(until, |next| next.min(until)));
                }
                _ => others.push((claim.position, id)),
            }
        }
        let own = position(&self.own.name);
        let mut chosen = Vec::new();
        for ring in 0..STANDING as u64 {
            let ahead = |(position, _): &(u64, ClaimId)| on_ring(*position, ring).wrapping_sub(on_ring(own, ring));
            if let Some(place) = (0..others.len()).min_by_key(|&place| ahead(&others[place])) {
                chosen.push(others.swap_remove(place).1);
            }
        }
        (chosen, next)
    }

    /// Tries all configured peers; when the first that has to wait may be tried again.
    fn dial_configured(&mut self, now: Millis) -> Option<Millis> {
        let mut next: Option<Millis> = None;
        for address in self.peers.configured.clone() {
            match self.peers.dials.waits_until(&address, now) {
                Some(until) => next = Some(next.map_or(until, |next| next.min(until))),
                None => self.dial(now, &address),
            }
        }
        next
    }

    /// Closes connections this side began and does not need; when there may be another.
    fn drop_surplus(&mut self, now: Millis, chosen: &[ClaimId]) -> Option<Millis> {
        let needed: BTreeSet<&str> = chosen.iter().map(|&id| &*self.roster[id].card.host).collect();
        let missing = needed.iter().any(|host| self.connection(host).is_none());
        let mut next: Option<Millis> = None;
        let mut surplus: Vec<Slot> = Vec::new();
        for (slot, neighbour) in self.neighbours.iter() {
            let Some(id) = neighbour.outgoing else {
                continue;
            };
            if neighbour.farewell != Farewell::NotDue || needed.contains(&*neighbour.host) || needed.is_empty() {
                continue;
            }
            let since = self.neighbours.connection(id).map_or(now, |connection| connection.since);
            let of_use = missing || neighbour.more;
            let at = if of_use { now + LINGER } else { since + LINGER };
            if at <= now {
                surplus.push(slot);
            } else {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        for slot in surplus {
            self.neighbours[slot].farewell = Farewell::Due;
        }
        next
    }

    /// Tries one address where somebody may be that nobody here has a connection with: so two
    /// halves of a cluster find each other again.
    fn probe(&mut self, now: Millis) {
        self.peers.probe_at = None;
        let addresses: Vec<String> = self.lost_sheep(now).collect();
        if addresses.is_empty() || self.is_over() {
            return;
        }
        let pick = self.random.below(addresses.len() as u64) as usize;
        self.dial(now, &addresses[pick]);
        self.peers.probe_at = Some(now + self.jittered(pace::between_probes(self.roster.count())));
    }

    /// Addresses of silent hosts, and configured ones that no living host is known to have.
    fn lost_sheep(&self, now: Millis) -> impl Iterator<Item = String> {
        let silent = self.roster.newest_claims().filter_map(move |id| {
            let claim = &self.roster[id];
            let lost = !self.lives(claim, now) && !claim.card.address.is_empty();
            lost.then(|| claim.card.address.clone())
        });
        let nobodys = self.peers.configured.iter().filter(move |address| {
            let host = self.peers.found.get(*address).cloned().or_else(|| self.host_at(address));
            let living = |host: Arc<str>| {
                let newest = self.roster.newest(&host);
                *host == *self.own.name || newest.is_some_and(|id| self.lives(&self.roster[id], now))
            };
            **address != self.own.address && !host.is_some_and(living)
        });
        silent.chain(nobodys.cloned())
    }

    /// About so long: what many daemons do must not fall together.
    pub(super) fn jittered(&mut self, length: Duration) -> Duration {
        length.mul_f64(0.75 + 0.5 * self.random.fraction())
    }
}

/// What decides where a name stands on the rings.
pub(super) fn position(name: &str) -> u64 {
    name.bytes().fold(0, |hash, byte| Random::new(hash ^ u64::from(byte)).bits())
}

/// Where it stands on this ring.
fn on_ring(position: u64, ring: u64) -> u64 {
    Random::new(position ^ ring).bits()
}

/// Changes that come together are answered together.
const SETTLE: Duration = Duration::from_millis(200);
/// A connection that turns out not to be needed stays for so long.
const LINGER: Duration = Duration::from_secs(10);
