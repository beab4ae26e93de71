//! What a person sees of the table, and what the dispatcher chooses from.

use std::fmt;
use std::time::Duration;

use wire::exchange::{Card, Figures};
use wire::news::{HostRecord, HostRow};

use super::{ConnectionId, Table};
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
    /// The rows of `queue hosts`, by name.
    pub fn hosts(&self, now: Millis) -> Vec<HostRow> {
        let _ = now;
        Vec::new()
    }

    /// The row of one host; its newest claimant where two use the name.
    pub fn host(&self, name: &str, now: Millis) -> Option<HostRow> {
        let _ = (name, now);
        None
    }

    /// Every host with what the dispatcher must know, the own host included, by name.
    pub fn candidates(&self, now: Millis) -> impl Iterator<Item = Candidate<'_>> {
        let _ = now;
        std::iter::empty()
    }

    /// Where a host can be reached.
    pub fn address(&self, name: &str) -> Option<&str> {
        let _ = name;
        None
    }

    /// The names and addresses of all hosts but this one, departed ones excluded.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::empty()
    }

    /// A standing connection to this host that this side began, for requests of others.
    pub fn connection(&self, name: &str) -> Option<ConnectionId> {
        let _ = name;
        None
    }

    /// Whether there is anybody to tell: a daemon without company need not measure itself
    /// until it is asked.
    pub fn has_company(&self) -> bool {
        false
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
