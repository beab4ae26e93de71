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
//! | `talk` | How is that put into a message, and a message taken in? |
//! | `detector` | Who has fallen silent? |
//! | `peers` | With whom do we keep connections? |
//! | `life` | What if others say something about this host itself? |
//! | `rows` | What does a person see, what the dispatcher? |
//! | `pace` | How fast does all this go with so many hosts? |

use std::sync::Arc;
use std::time::Duration;

use wire::exchange::Message;
use wire::news::HostState;

use crate::core::random::Random;
use crate::core::time::Millis;

mod claim;
mod clock;
mod detector;
mod event;
mod life;
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
use neighbours::{Connection, Neighbour, Neighbours};
use peers::Peers;
use publish::Publisher;
use roster::Roster;
use slots::Slot;
use spread::Haste;
use talk::Heard;

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
    /// When other sources were last tried.
    tried: Millis,
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
            tried: Millis(0),
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
                self.connected(now, connection, Connection { host, address, incoming, since: now });
            }
            Event::ConnectFailed { address, reason } => self.dial_failed(now, &address, reason),
            Event::Lost { connection } => {
                if let Some(host) = self.end(now, connection) {
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
            Event::Reached { host } => {
                if let Some(host) = self.roster.host_mut(&host) {
                    self.changed |= host.way.is_barred(now);
                    host.way.succeed(now);
                }
            }
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
            self.ask_for_overdue(now);
            self.try_others(now);
            self.roster.sweep(now);
        }
        self.give_up_hanging(now);
        let deaf = self.is_deaf();
        let slots: Vec<Slot> = self.neighbours.present().iter().collect();
        for slot in slots {
            self.send_what_is_due(now, slot, deaf);
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

    /// Gives up connections on which a request is not answered.
    fn give_up_hanging(&mut self, now: Millis) {
        let hanging = |neighbour: &Neighbour| neighbour.asked.is_some_and(|at| at + pace::ANSWER_WITHIN <= now);
        let hosts = self.neighbours.iter().filter(|(_, neighbour)| hanging(neighbour));
        let hosts: Vec<_> = hosts.filter_map(|(_, peer)| Some((peer.outgoing?, Arc::clone(&peer.host)))).collect();
        for (connection, host) in hosts {
            self.disconnect(now, connection);
            self.lost_host(now, &host);
        }
    }

    fn send_what_is_due(&mut self, now: Millis, slot: Slot, deaf: bool) {
        let neighbour = &self.neighbours[slot];
        let Some(connection) = neighbour.outgoing else {
            return;
        };
        if neighbour.send_at(deaf).is_none_or(|at| at > now) {
            return;
        }
        let asks = deaf || !neighbour.greeted || neighbour.more;
        let message = self.compose(now, slot);
        self.neighbours[slot].urgent = false;
        if asks || !message.is_empty() {
            self.neighbours[slot].sent(now);
            self.out.push(Action::Send { connection, message });
        }
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

    fn connected(&mut self, now: Millis, id: ConnectionId, connection: Connection) {
        let Connection { host, address, incoming, .. } = connection.clone();
        let was_deaf = self.is_deaf();
        self.neighbours.connected(id, connection);
        if was_deaf && incoming {
            // From now on news is pushed to us; what we pulled until now founds no source.
            let slots: Vec<Slot> = self.neighbours.present().iter().collect();
            slots.into_iter().for_each(|slot| self.find_other_sources(slot));
        }
        self.detector.forget(&host);
        if let Some(host) = self.roster.host_mut(&host) {
            self.changed |= host.way.is_barred(now);
            host.way.succeed(now);
        }
        if !incoming {
            self.dial_succeeded(now, &address, &host);
            self.begin_exchanges(now, id, &host);
        }
        self.peers.reconsider(now);
    }

    fn begin_exchanges(&mut self, now: Millis, id: ConnectionId, host: &Arc<str>) {
        if **host == *self.own.name {
            // Either this daemon itself, or another host of the same name.
            let message = self.send_on();
            self.out.push(Action::Send { connection: id, message: Message { crowded: false, ..message } });
            return;
        }
        let slot = match self.neighbours.slot_of_host(host) {
            Some(slot) if self.neighbours[slot].outgoing.is_some() => None,
            Some(slot) => {
                let neighbour = &mut self.neighbours[slot];
                neighbour.outgoing = Some(id);
                neighbour.greeted = false;
                Some(slot)
            }
            None => self.adopt(now, host, Some(id)),
        };
        if slot.is_none() {
            self.disconnect(now, id);
        }
    }

    fn adopt(&mut self, now: Millis, host: &Arc<str>, outgoing: Option<ConnectionId>) -> Option<Slot> {
        let slot = self.neighbours.adopt(now, host, outgoing)?;
        self.tell_all(slot);
        Some(slot)
    }

    fn exchange(&mut self, now: Millis, connection: ConnectionId, message: Message) {
        let Some(host) = self.neighbours.connection(connection).map(|connection| Arc::clone(&connection.host)) else {
            self.out.push(Action::Answer { connection, message: Message::default() });
            return;
        };
        let slot = match self.neighbours.slot_of_host(&host) {
            Some(slot) => Some(slot),
            None if *host == *self.own.name => None,
            None => self.adopt(now, &host, None),
        };
        self.hear(now, &host, slot, message, Heard::Request);
        let message = match slot {
            Some(slot) => self.compose(now, slot),
            None => self.send_on(),
        };
        self.out.push(Action::Answer { connection, message });
    }

    fn answered(&mut self, now: Millis, connection: ConnectionId, message: Message, round_trip: Duration) {
        let Some(Connection { host, address, .. }) = self.neighbours.connection(connection).cloned() else {
            return;
        };
        let slot = self.neighbours.slot_of(connection);
        let slot = slot.filter(|&slot| self.neighbours[slot].outgoing == Some(connection));
        if let Some(slot) = slot {
            self.neighbours[slot].asked = None;
        }
        let crowded = message.crowded;
        self.hear(now, &host, slot, message, Heard::Answer { round_trip });
        if crowded || slot.is_none() {
            self.disconnect(now, connection);
        }
        if crowded && *host != *self.own.name {
            self.avoid(now, &address);
        }
    }

    fn disconnect(&mut self, now: Millis, connection: ConnectionId) {
        self.end(now, connection);
        self.out.push(Action::Disconnect { connection });
    }

    /// Forgets a connection and what was on its way over it; whose it was.
    fn end(&mut self, now: Millis, id: ConnectionId) -> Option<Arc<str>> {
        let connection = self.neighbours.disconnected(id)?;
        let host = connection.host;
        if let Some(slot) = self.neighbours.slot_of_host(&host) {
            let neighbour = &mut self.neighbours[slot];
            if neighbour.outgoing == Some(id) {
                neighbour.outgoing = None;
                neighbour.asked = None;
                neighbour.more = false;
            }
            if !self.neighbours.is_connected(&host) {
                self.forget_neighbour(slot);
            } else {
                self.tell_all(slot);
                if !self.neighbours[slot].visits {
                    self.find_other_sources(slot);
                }
            }
        }
        if let Some(host) = self.roster.host_mut(&host) {
            host.way.succeed(now);
        }
        self.peers.reconsider(now);
        Some(host)
    }

    /// Whether nobody connects to this daemon, so that it must ask for news.
    fn is_deaf(&self) -> bool {
        !self.neighbours.is_visited()
    }
}
