//! With whom a daemon keeps standing connections, and how it gets them.
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
use super::event::{Action, ConnectionId};
use super::pace::{self, STANDING};
use crate::core::random::Random;
use crate::core::time::Millis;

/// The configured peers, the dials under way or failed, and when to choose anew.
#[derive(Debug)]
pub(super) struct Peers {
    configured: Vec<String>,
    /// Hosts that configured addresses turned out to be.
    found: BTreeMap<String, Arc<str>>,
    dials: BTreeMap<String, Dial>,
    choose_at: Option<Millis>,
    probe_at: Option<Millis>,
}

#[derive(Debug, Clone, Copy)]
enum Dial {
    UnderWay { failures: u32, since: Millis },
    Waits { failures: u32, until: Millis },
}

/// How a dial came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Somebody answered that nobody listens.
    Refused,
    /// Nobody answered in time.
    Silence,
}

/// What this daemon knows of the way to a host.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// When it was last spoken with.
    pub succeeded: Option<Millis>,
    /// Tries since then that failed.
    pub failures: u32,
    pub failed: Option<Millis>,
    /// Why, in the words of the last.
    pub reason: String,
}

impl Peers {
    /// These are configured; all are tried at once.
    pub fn new(configured: Vec<String>) -> Self {
        Self { configured, found: BTreeMap::new(), dials: BTreeMap::new(), choose_at: Some(Millis(0)), probe_at: None }
    }

    /// Other peers are configured.
    pub fn configure(&mut self, now: Millis, configured: Vec<String>) {
        self.found.retain(|address, _| configured.contains(address));
        self.configured = configured;
        self.choose_at = Some(now);
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

    fn is_under_way(&self, address: &str) -> bool {
        matches!(self.dials.get(address), Some(Dial::UnderWay { .. }))
    }

    pub(super) fn waits_until(&self, address: &str, now: Millis) -> Option<Millis> {
        match self.dials.get(address) {
            Some(&Dial::Waits { until, .. }) if until > now => Some(until),
            _ => None,
        }
    }
}

impl Way {
    /// The host was spoken with.
    pub fn succeed(&mut self, now: Millis) {
        *self = Self { succeeded: Some(now), ..Self::default() };
    }

    /// A try failed.
    pub fn fail(&mut self, now: Millis, reason: String) {
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(now);
        self.reason = reason;
    }

    /// Whether it is not worth another try now. One failure may be a lost packet.
    pub fn is_barred(&self, now: Millis) -> bool {
        let pause = (BARRED * 2u32.saturating_pow(self.failures.min(8))).min(LONGEST_WAIT);
        self.failures >= 2 && self.failed.is_some_and(|at| now.since(at) < pause)
    }
}

impl Table {
    /// A dial came to nothing.
    pub(super) fn dial_failed(&mut self, now: Millis, address: &str, reason: String) {
        let Some(&Dial::UnderWay { failures, since }) = self.peers.dials.get(address) else {
            return;
        };
        let failure = if now.since(since) < SILENCE { Failure::Refused } else { Failure::Silence };
        self.back_off(now, address, failures + 1);
        if let Some(name) = self.host_at(address) {
            if let Some(host) = self.roster.host_mut(&name) {
                host.way.fail(now, reason);
                self.changed |= host.way.failures == 2;
            }
            self.missed_host(now, &name, failure);
        }
        self.peers.reconsider(now);
    }

    /// A dial led to this host. One that leads to the host itself is not tried again soon.
    pub(super) fn dial_succeeded(&mut self, now: Millis, address: &str, host: &Arc<str>) {
        self.peers.dials.remove(address);
        if self.peers.configured.iter().any(|peer| peer == address) {
            self.peers.found.insert(address.to_owned(), Arc::clone(host));
        }
        if **host == *self.own.name {
            self.peers.dials.insert(address.to_owned(), Dial::Waits { failures: 0, until: now + OWN_NAME });
        }
    }

    /// This address has no use for us for now.
    pub(super) fn avoid(&mut self, now: Millis, address: &str) {
        let until = now + AVOID;
        self.peers.dials.insert(address.to_owned(), Dial::Waits { failures: 0, until });
        self.peers.reconsider(now);
    }

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
            if card.host == self.own.name || card.address.is_empty() || self.silent_for(claim, now).is_some() {
                continue;
            }
            match self.peers.waits_until(&card.address, now) {
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
            match self.peers.waits_until(&address, now) {
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
        let mut surplus: Vec<ConnectionId> = Vec::new();
        for (_, neighbour) in self.neighbours.iter() {
            let Some(id) = neighbour.outgoing else {
                continue;
            };
            if needed.contains(&*neighbour.host) || needed.is_empty() {
                continue;
            }
            let since = self.neighbours.connection(id).map_or(now, |connection| connection.since);
            let of_use = missing || neighbour.more;
            let at = if of_use { now + LINGER } else { since + LINGER };
            if at <= now {
                surplus.push(id);
            } else {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        for id in surplus {
            self.disconnect(now, id);
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
            let lost = self.silent_for(claim, now).is_some() && !claim.card.address.is_empty();
            lost.then(|| claim.card.address.clone())
        });
        let nobodys = self.peers.configured.iter().filter(move |address| {
            let host = self.peers.found.get(*address).cloned().or_else(|| self.host_at(address));
            let living = |host: Arc<str>| {
                *host == *self.own.name
                    || self.roster.newest(&host).is_some_and(|id| self.silent_for(&self.roster[id], now).is_none())
            };
            **address != self.own.address && !host.is_some_and(living)
        });
        silent.chain(nobodys.cloned()).filter(move |address| self.peers.waits_until(address, now).is_none())
    }

    /// Connects to a host if it has an address and is not being connected to.
    pub(super) fn dial_host(&mut self, now: Millis, host: &str) {
        if let Some(address) = self.address(host).map(str::to_owned)
            && !address.is_empty()
            && !self.is_over()
        {
            self.dial(now, &address);
        }
    }

    fn dial(&mut self, now: Millis, address: &str) {
        if self.peers.is_under_way(address) || address == self.own.address {
            return;
        }
        let failures = match self.peers.dials.get(address) {
            Some(Dial::Waits { failures, .. }) => *failures,
            _ => 0,
        };
        self.peers.dials.insert(address.to_owned(), Dial::UnderWay { failures, since: now });
        self.out.push(Action::Connect { address: address.to_owned() });
    }

    fn back_off(&mut self, now: Millis, address: &str, failures: u32) {
        let wait = FIRST_WAIT * 2u32.saturating_pow(failures.saturating_sub(1)).min(128);
        let until = now + self.jittered(wait.min(LONGEST_WAIT));
        self.peers.dials.insert(address.to_owned(), Dial::Waits { failures, until });
        if self.peers.dials.len() > pace::MOST_HOSTS {
            self.peers.dials.retain(|_, dial| matches!(dial, Dial::UnderWay { .. }));
        }
    }

    /// The host that has this address, as far as is known.
    fn host_at(&self, address: &str) -> Option<Arc<str>> {
        let claims = self.roster.newest_claims();
        let mut owners = claims.map(|id| &self.roster[id].card).filter(|card| card.address == address);
        owners.next().map(|card| Arc::from(card.host.as_str()))
    }

    fn jittered(&mut self, length: Duration) -> Duration {
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

/// A dial that fails sooner was refused.
const SILENCE: Duration = Duration::from_millis(900);
/// Changes that come together are answered together.
const SETTLE: Duration = Duration::from_millis(200);
/// A connection that turns out not to be needed stays for so long.
const LINGER: Duration = Duration::from_secs(10);
/// The pause after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After two failures a host is not chosen for four times this; it doubles with each.
const BARRED: Duration = Duration::from_secs(1);
/// A crowded peer is left alone for so long.
const AVOID: Duration = Duration::from_secs(60);
/// Where somebody with the own name was found, the daemon looks again: it may be another host.
const OWN_NAME: Duration = Duration::from_secs(30);
