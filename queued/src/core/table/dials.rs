//! Connecting: which addresses are being connected to, which are left alone for a while, and what
//! is known of the way to each host. Nothing is tried again without a pause, whatever the other
//! side does: refuses, is silent, or accepts and hangs up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::Action;
use super::neighbours::Connection;
use super::{Table, pace};
use crate::core::time::Millis;

/// How connecting to each address goes.
#[derive(Debug, Default)]
pub(super) struct Dials {
    by_address: BTreeMap<String, Dial>,
}

#[derive(Debug, Clone, Copy)]
enum Dial {
    UnderWay {
        failures: u32,
        since: Millis,
    },
    /// It stands, and has yet to show that it lasts.
    Open {
        failures: u32,
    },
    Waits {
        failures: u32,
        until: Millis,
    },
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
    /// When the last of them did.
    pub failed: Option<Millis>,
    /// Why, in the words of the last.
    pub reason: String,
}

impl Dials {
    /// Until when this address is left alone.
    pub fn waits_until(&self, address: &str, now: Millis) -> Option<Millis> {
        match self.by_address.get(address) {
            Some(&Dial::Waits { until, .. }) if until > now => Some(until),
            _ => None,
        }
    }

    fn failures(&self, address: &str) -> u32 {
        match self.by_address.get(address) {
            Some(Dial::UnderWay { failures, .. } | Dial::Open { failures } | Dial::Waits { failures, .. }) => *failures,
            None => 0,
        }
    }

    fn set(&mut self, address: &str, dial: Dial) {
        self.by_address.insert(address.to_owned(), dial);
        if self.by_address.len() > pace::MOST_HOSTS {
            self.by_address.retain(|_, dial| matches!(dial, Dial::UnderWay { .. }));
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
    /// Connects to this address, unless that is under way.
    pub(super) fn dial(&mut self, now: Millis, address: &str) {
        let under_way = matches!(self.peers.dials.by_address.get(address), Some(Dial::UnderWay { .. }));
        if under_way || address.is_empty() || address == self.own.address || self.is_over() {
            return;
        }
        let failures = self.peers.dials.failures(address);
        self.peers.dials.set(address, Dial::UnderWay { failures, since: now });
        self.out.push(Action::Connect { address: address.to_owned() });
    }

    /// Connects to this host to see whether it is there, unless that has just been tried.
    pub(super) fn look_for(&mut self, now: Millis, host: &str) {
        let address = self.address(host).unwrap_or_default().to_owned();
        if self.peers.dials.waits_until(&address, now).is_none() {
            self.dial(now, &address);
        }
    }

    /// A dial led to this host.
    pub(super) fn dial_succeeded(&mut self, now: Millis, address: &str, host: &Arc<str>) {
        let failures = self.peers.dials.failures(address);
        let expected = self.host_at(address);
        let dial = if **host == *self.own.name || expected.is_some_and(|expected| expected != *host) {
            Dial::Waits { failures, until: now + ANOTHER }
        } else {
            Dial::Open { failures }
        };
        self.peers.dials.set(address, dial);
        self.peers.note_found(address, host);
    }

    /// A dial came to nothing.
    pub(super) fn dial_failed(&mut self, now: Millis, address: &str, reason: String) {
        let Some(&Dial::UnderWay { since, .. }) = self.peers.dials.by_address.get(address) else {
            return;
        };
        self.back_off(now, address);
        if let Some(name) = self.host_at(address) {
            if let Some(host) = self.roster.host_mut(&name) {
                host.way.fail(now, reason);
                self.changed |= host.way.failures == 2;
            }
            let failure = if now.since(since) < SILENCE { Failure::Refused } else { Failure::Silence };
            self.missed_host(now, &name, failure);
        }
        self.peers.reconsider(now);
    }

    /// A connection ended. One that did not last is no better than a dial that failed.
    pub(super) fn dial_ended(&mut self, now: Millis, connection: &Connection) {
        if connection.incoming {
            return;
        }
        if now.since(connection.since) < LASTS {
            self.back_off(now, &connection.address);
        } else if let Some(Dial::Open { .. }) = self.peers.dials.by_address.get(&connection.address) {
            self.peers.dials.by_address.remove(&connection.address);
        }
    }

    /// This address has no use for us for now.
    pub(super) fn avoid(&mut self, now: Millis, address: &str) {
        self.peers.dials.set(address, Dial::Waits { failures: 0, until: now + AVOID });
        self.peers.reconsider(now);
    }

    /// The host that has this address, as far as is known.
    pub(super) fn host_at(&self, address: &str) -> Option<Arc<str>> {
        let claims = self.roster.newest_claims();
        let mut owners = claims.map(|id| &self.roster[id].card).filter(|card| card.address == address);
        owners.next().map(|card| Arc::from(card.host.as_str()))
    }

    fn back_off(&mut self, now: Millis, address: &str) {
        let failures = self.peers.dials.failures(address).saturating_add(1);
        let wait = FIRST_WAIT * 2u32.saturating_pow(failures - 1).min(128);
        let until = now + self.jittered(wait.min(LONGEST_WAIT));
        self.peers.dials.set(address, Dial::Waits { failures, until });
    }
}

/// A dial that fails sooner was refused.
const SILENCE: Duration = Duration::from_millis(900);
/// A connection that ends sooner was of no use.
const LASTS: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After two failures a host is not chosen for four times this; it doubles with each.
const BARRED: Duration = Duration::from_secs(1);
/// A crowded peer is left alone for so long.
const AVOID: Duration = Duration::from_secs(60);
/// Where another host was found than expected, or one of the own name, the daemon looks again
/// after this time.
const ANOTHER: Duration = Duration::from_secs(30);
