//! The table of hosts: what is known of each, who is told next, and who has fallen silent.
//!
//! Pure: events and the time go in, actions come out; chance comes from a seed. Daemons hold
//! a few standing connections and exchange news over them; what one hears first from a
//! neighbour it passes on to the others. Nothing here decides where a job runs, and nobody is
//! woken by news: it is for choosing only, the chosen host has the last word. The paper is
//! `docs/host-table.md`.
//!
//! | Module | Question it answers |
//! |---|---|
//! | `roster` | Who is there, and which of two records is the newer? |
//! | `publish` | Is there news about this host? |
//! | `spread` | Which neighbour is told what? |
//! | `links` | What follows from a connection or an exchange? |
//! | `talk` | How is that put into a message, and a message taken in? |
//! | `detector` | Who has fallen silent? |
//! | `peers` | With whom do we keep connections? |
//! | `dials` | Which addresses may be connected to, and how did that go? |
//! | `life` | What if others say something about this host itself? |
//! | `rows` | What does a person see, what the dispatcher? |
//! | `pace` | How fast does all this go with so many hosts? |

use std::sync::Arc;
use std::time::Duration;

use wire::news::HostState;

use crate::core::random::Random;
use crate::core::time::Millis;

mod claim;
mod clock;
mod detector;
mod dials;
mod event;
mod life;
mod links;
mod neighbours;
mod pace;
mod peers;
mod publish;
mod roster;
mod rows;
mod slots;
mod spread;
mod talk;
#[cfg(test)]
mod tests;

pub use event::{Action, ConnectionId, Event, OwnHost};
pub use rows::{Candidate, Reach, Unavailable};

use clock::OwnClock;
use detector::Detector;
use life::Life;
use neighbours::{Connection, Neighbours, Purpose};
use peers::Peers;
use publish::Publisher;
use roster::Roster;
use slots::Slot;
use spread::Haste;

/// What this daemon knows of all hosts.
#[derive(Debug)]
pub struct Table {
    own: OwnHost,
    life: Life,
    roster: Roster,
    neighbours: Neighbours,
    peers: Peers,
    detector: Detector,
    publisher: Publisher,
    clock: Option<OwnClock>,
    random: Random,
    house_kept: Millis,
    out: Vec<Action>,
    changed: bool,
}

impl Table {
    /// A table that knows nobody yet. It tells nothing before it is told the host's own state.
    pub fn new(own: OwnHost, peers: Vec<String>, seed: u64) -> Self {
        Self {
            own,
            life: Life::default(),
            roster: Roster::default(),
            neighbours: Neighbours::new(),
            peers: Peers::new(peers),
            detector: Detector::default(),
            publisher: Publisher::default(),
            clock: None,
            random: Random::new(seed),
            house_kept: Millis(0),
            out: Vec::new(),
            changed: false,
        }
    }

    /// Takes in what happened and says what to do about it, in this order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        match event {
            Event::OwnState(state) => self.measured(now, state),
            Event::Connected { connection, host, address, incoming } => {
                let host = Arc::from(host.as_str());
                self.connected(
                    now,
                    connection,
                    Connection { host, address, incoming, since: now, purpose: Purpose::Other },
                );
            }
            Event::ConnectFailed { address, reason } => self.dial_failed(now, &address, reason),
            Event::Lost { connection } => {
                if let Some(Connection { host, purpose: Purpose::News, .. }) = self.end(now, connection) {
                    self.lost_host(now, &host);
                }
            }
            Event::Closed { connection } => {
                self.end(now, connection);
            }
            Event::Exchange { connection, message } => self.exchange(now, connection, message),
            Event::ExchangeAnswer { connection, message, round_trip_ms } => {
                self.answered(now, connection, message, Duration::from_millis(round_trip_ms));
            }
            Event::Reached { host } => self.reached(now, &host),
            Event::Unreachable { host, reason } => {
                if let Some(host) = self.roster.host_mut(&host) {
                    host.way.fail(now, reason);
                }
            }
            Event::Remove { host } => self.remove(now, &host),
            Event::Peers(peers) => self.peers.configure(now, peers),
            Event::Address(address) => self.moved(now, address),
            Event::Leave => self.leave(now),
            Event::Deadline => {}
        }
        self.advance(now);
        if std::mem::take(&mut self.changed) {
            self.out.push(Action::Changed);
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Event::Deadline`] is due; `None` while there is nothing to wait for. It may lie in
    /// the past.
    pub fn next_deadline(&self) -> Option<Millis> {
        let deaf = self.is_deaf();
        let requests = self.neighbours.iter().filter_map(|(_, neighbour)| {
            neighbour.asked.map(|at| at + pace::ANSWER_WITHIN).or_else(|| neighbour.send_at(deaf))
        });
        requests
            .chain(self.publication_at())
            .chain(self.detector.deadline())
            .chain(self.peers.deadline())
            .chain(self.life.deadline())
            .min()
    }

    /// Does what is due now.
    fn advance(&mut self, now: Millis) {
        self.resume_life(now);
        self.judge(now);
        self.tend_peers(now);
        if self.publication_at().is_some_and(|at| at <= now) {
            self.publish(now, 0, Haste::Ordinary);
            self.keep_house(now);
        }
        self.give_up_hanging(now);
        let deaf = self.is_deaf();
        let slots: Vec<Slot> = self.neighbours.present().iter().collect();
        for slot in slots {
            self.send_what_is_due(now, slot, deaf);
        }
    }

    /// Now and then, when there is something to do anyway.
    fn keep_house(&mut self, now: Millis) {
        let since = now.since(self.house_kept);
        if since >= pace::HOUSEKEEPING {
            self.house_kept = now;
            self.ask_for_overdue(now);
            self.try_others(since);
            self.tidy_lists();
            self.roster.sweep(now);
        }
    }

    /// When to publish next. Alone, only the first record is made: it is what the first peer is
    /// told.
    fn publication_at(&self) -> Option<Millis> {
        let wanted = self.has_company() || self.publisher.told().is_none();
        if self.is_over() || !wanted {
            return None;
        }
        self.publisher.due(self.roster.count())
    }

    fn measured(&mut self, now: Millis, state: HostState) {
        self.clock = (state.clock_us > 0).then(|| OwnClock::new(state.clock_us, now));
        self.publisher.measured(&self.own, state);
    }

    /// Tells the others about this host, with a number later than `floor`.
    fn publish(&mut self, now: Millis, floor: u64, haste: Haste) {
        if self.life.is_over() {
            return;
        }
        let heartbeat = pace::heartbeat(self.roster.count());
        let busy = self.roster.claims().filter(|(_, claim)| {
            claim.age(now) < heartbeat && claim.interval.is_some_and(|interval| interval < heartbeat * 9 / 10)
        });
        let busy = busy.count();
        let Some(introduction) = self.publisher.publish(now, &self.own, floor, busy) else {
            return;
        };
        match self.roster.introduce(now, introduction) {
            roster::Merge::Appeared(id) => {
                let change = roster::Change { card: true, ..roster::Change::default() };
                self.pass_on(id, None, change, haste);
            }
            roster::Merge::Newer(id, change) => self.pass_on(id, None, change, haste),
            _ => {}
        }
    }
}
