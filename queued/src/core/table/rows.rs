//! What a person sees of the table, and what the dispatcher chooses from.

use std::fmt;
use std::time::Duration;

use wire::exchange::{Card, Figures};
use wire::news::{Edition, HostRecord, HostRow};

use super::claim::{Claim, ClaimId};
use super::dials::Way;
use super::event::{ConnectionId, OwnHost};
use super::roster::Host;
use super::{Table, pace};
use crate::core::time::Millis;

/// One host as the dispatcher sees it. Borrowed: choosing among a thousand hosts copies nothing.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// Name, address, CPUs, queues with limits and gates.
    pub card: &'a Card,
    /// Load, free memory, running jobs (`running` in the order of the card's queues).
    pub figures: &'a Figures,
    /// How old the figures are: since they were first heard here; zero for the own host.
    pub age: Duration,
    /// Whether it is the own host.
    pub this_host: bool,
    /// What is known of the way to it.
    pub reach: Reach,
    /// Somebody lost it a moment ago and it has not refuted yet: rather not now.
    pub doubted: bool,
    /// Why it must not be chosen; `None` when it may be.
    pub unavailable: Option<Unavailable>,
}

/// Whether this daemon can reach a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A connection stands, or it is the own host.
    Connected,
    /// It was spoken with at this time.
    Succeeded(Millis),
    /// Nobody has tried.
    Untried,
    /// The last try failed at this time.
    Failed(Millis),
}

/// Why a host is not chosen. `Display` says it in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// Its neighbours lost it so long ago and it has not refuted.
    Silent(Duration),
    /// Nobody lost it, but nothing new was heard for so long.
    Quiet(Duration),
    /// Two hosts at these addresses use one name.
    SharedName(Vec<String>),
    /// This daemon cannot connect to it.
    Unreachable {
        /// What the last try said.
        reason: String,
        /// Tries in a row that failed.
        tries: u32,
    },
    /// It listens nowhere and has no connection with this daemon.
    NoAddress,
}

impl Candidate<'_> {
    /// The record as it is shown.
    pub fn record(&self) -> HostRecord {
        self.figures.record(self.card)
    }
}

impl Table {
    /// The rows of `queue hosts`, by name. Two hosts that use one name have a row each.
    pub fn hosts(&self, now: Millis) -> Vec<HostRow> {
        let mut rows: Vec<HostRow> = self.candidates(now).map(|candidate| self.row(&candidate)).collect();
        rows.sort_by(|one, other| {
            let key = |row: &HostRow| (row.record.host.clone(), row.record.address.clone());
            key(one).cmp(&key(other))
        });
        rows
    }

    /// The row of one host; of the newest claimant where two use the name.
    pub fn host(&self, name: &str, now: Millis) -> Option<HostRow> {
        self.candidate(name, now).map(|candidate| self.row(&candidate))
    }

    /// Every host with what the dispatcher must know; the own host first, then by name.
    pub fn candidates(&self, now: Millis) -> impl Iterator<Item = Candidate<'_>> {
        let own = self.own_claim();
        let others = self.roster.hosts().flat_map(move |(name, host)| {
            let sharers = self.sharers(host, now);
            // Of the own name there is nobody else unless it is shared: what is left of an
            // earlier address of this host is not shown.
            let single = if **name == *self.own.name { None } else { host.claims.last().copied() };
            let shown = if sharers.is_empty() { single.into_iter().collect() } else { sharers };
            let others = shown.into_iter().filter(move |&id| Some(id) != own);
            others.map(move |id| self.describe(name, host, id, now))
        });
        self.describe_own(now).into_iter().chain(others)
    }

    /// One host as the dispatcher sees it.
    pub fn candidate(&self, name: &str, now: Millis) -> Option<Candidate<'_>> {
        if *name == *self.own.name {
            return self.describe_own(now);
        }
        let host = self.roster.host(name)?;
        let id = *host.claims.last()?;
        Some(self.describe(name, host, id, now))
    }

    /// Where a host can be reached.
    pub fn address(&self, name: &str) -> Option<&str> {
        let id = self.roster.newest(name)?;
        Some(self.roster[id].card.address.as_str())
    }

    /// The names and addresses of all hosts but this one, silent ones included.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        let cards = self.roster.newest_claims().map(|id| &*self.roster[id].card);
        let others = cards.filter(|card| card.host != self.own.name);
        others.map(|card| (card.host.as_str(), card.address.as_str()))
    }

    /// A standing connection to this host that this side began, for requests of others.
    pub fn connection(&self, name: &str) -> Option<ConnectionId> {
        self.neighbours[self.neighbours.slot_of_host(name)?].outgoing
    }

    /// Whether there is anybody to tell: a daemon without company need not measure itself
    /// until it is asked.
    pub fn has_company(&self) -> bool {
        !self.neighbours.is_empty()
    }

    /// This host as others know it; its incarnation may have risen since the start.
    pub fn own(&self) -> &OwnHost {
        &self.own
    }

    /// The newest record that this host has published.
    pub fn edition(&self) -> Edition {
        Edition { incarnation: self.own.incarnation, sequence: self.publisher.sequence() }
    }

    fn describe_own(&self, now: Millis) -> Option<Candidate<'_>> {
        let (card, figures) = self.publisher.live()?;
        let sharers = self.roster.host(&self.own.name).map(|host| self.sharers(host, now));
        Some(Candidate {
            card,
            figures,
            age: Duration::ZERO,
            this_host: true,
            reach: Reach::Connected,
            doubted: false,
            unavailable: sharers.and_then(|sharers| self.shared_name(&sharers)),
        })
    }

    fn describe<'a>(&'a self, name: &str, host: &Host, id: ClaimId, now: Millis) -> Candidate<'a> {
        let claim = &self.roster[id];
        Candidate {
            card: &claim.card,
            figures: &claim.figures,
            age: claim.age(now),
            this_host: false,
            reach: self.reach(name, &host.way),
            doubted: claim.doubt.is_some(),
            unavailable: self.unavailable(name, host, claim, now),
        }
    }

    fn unavailable(&self, name: &str, host: &Host, claim: &Claim, now: Millis) -> Option<Unavailable> {
        if let Some(shared) = self.shared_name(&self.sharers(host, now)) {
            Some(shared)
        } else if let Some(length) = self.silent_for(claim, now) {
            Some(Unavailable::Silent(length))
        } else if claim.age(now) > pace::quiet(self.roster.count()) {
            Some(Unavailable::Quiet(claim.age(now)))
        } else if self.neighbours.is_connected(name) {
            None
        } else if claim.card.address.is_empty() {
            Some(Unavailable::NoAddress)
        } else if host.way.is_barred(now) {
            Some(Unavailable::Unreachable { reason: host.way.reason.clone(), tries: host.way.failures })
        } else {
            None
        }
    }

    fn reach(&self, name: &str, way: &Way) -> Reach {
        match (way.failed, way.succeeded) {
            _ if self.neighbours.is_connected(name) => Reach::Connected,
            (Some(at), _) => Reach::Failed(at),
            (None, Some(at)) => Reach::Succeeded(at),
            (None, None) => Reach::Untried,
        }
    }

    /// The claims of hosts that use one name at the same time; empty when only one does. An
    /// earlier claim counts only if it goes on after the newest was heard: a host that moved
    /// leaves one behind, too.
    fn sharers(&self, host: &Host, now: Millis) -> Vec<ClaimId> {
        let Some((&last, earlier)) = host.claims.split_last() else {
            return Vec::new();
        };
        let newest = &self.roster[last];
        let lives = |claim: &Claim| claim.age(now) < pace::quiet(self.roster.count());
        let goes_on = |claim: &Claim| claim.interval.is_some() && claim.heard >= newest.first + OVERLAP;
        let mut sharers: Vec<ClaimId> =
            earlier.iter().copied().filter(|&id| lives(&self.roster[id]) && goes_on(&self.roster[id])).collect();
        if !sharers.is_empty() && lives(newest) {
            sharers.push(last);
        } else {
            sharers.clear();
        }
        sharers
    }

    fn shared_name(&self, sharers: &[ClaimId]) -> Option<Unavailable> {
        let mut addresses: Vec<String> = sharers.iter().map(|&id| self.roster[id].card.address.clone()).collect();
        addresses.sort();
        (!addresses.is_empty()).then_some(Unavailable::SharedName(addresses))
    }

    fn row(&self, candidate: &Candidate<'_>) -> HostRow {
        let mut record = candidate.record();
        let host = self.roster.host(&record.host);
        if candidate.this_host {
            record.sequence = self.publisher.sequence();
            record.state.clock_us = self.publisher.state().map_or(0, |state| state.clock_us);
        }
        HostRow {
            age_ms: candidate.age.as_millis() as u64,
            clock_difference_ms: host
                .and_then(|host| host.clock)
                .filter(|_| !candidate.this_host)
                .map(|clock| clock.ms),
            this_host: candidate.this_host,
            unavailable: candidate.unavailable.as_ref().map(Unavailable::to_string),
            record,
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(length) => write!(formatter, "silent for {}", Length(*length)),
            Self::Quiet(length) => write!(formatter, "no news for {}", Length(*length)),
            Self::SharedName(addresses) => {
                write!(formatter, "two hosts use this name: {}", addresses.join(" and "))
            }
            Self::Unreachable { reason, tries } => {
                write!(formatter, "cannot be reached from here: {reason} ({tries} tries)")
            }
            Self::NoAddress => formatter.write_str("cannot be reached from here: it listens nowhere"),
        }
    }
}

/// A length of time for a person: `12 s`, `7 min`, `3 h`, `9 d`.
struct Length(Duration);

impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..120 => write!(formatter, "{seconds} s"),
            seconds @ 120..7_200 => write!(formatter, "{} min", seconds / 60),
            seconds @ 7_200..172_800 => write!(formatter, "{} h", seconds / 3_600),
            seconds => write!(formatter, "{} d", seconds / 86_400),
        }
    }
}

/// An earlier claim to a name that is renewed so long after the newest was heard is another
/// host's: news of the host before it moved has arrived by then.
const OVERLAP: Duration = Duration::from_secs(5);
