//! Connections that come and go, and the exchanges over them.

use std::sync::Arc;
use std::time::Duration;

use wire::exchange::Message;

use super::event::{Action, ConnectionId};
use super::neighbours::{Connection, Farewell, Neighbour, Purpose};
use super::slots::Slot;
use super::talk::Heard;
use super::{Table, pace};
use crate::core::time::Millis;

impl Table {
    /// Gives up connections on which a request is not answered.
    pub(super) fn give_up_hanging(&mut self, now: Millis) {
        let hanging = |neighbour: &Neighbour| neighbour.asked.is_some_and(|at| at + pace::ANSWER_WITHIN <= now);
        let hosts = self.neighbours.iter().filter(|(_, neighbour)| hanging(neighbour));
        let hosts: Vec<_> = hosts.filter_map(|(_, peer)| Some((peer.outgoing?, Arc::clone(&peer.host)))).collect();
        for (connection, host) in hosts {
            self.disconnect(now, connection);
            self.lost_host(now, &host);
        }
    }

    /// Sends what is due to a neighbour, if anything is.
    pub(super) fn send_what_is_due(&mut self, now: Millis, slot: Slot, deaf: bool) {
        let neighbour = &self.neighbours[slot];
        let Some(connection) = neighbour.outgoing else {
            return;
        };
        if neighbour.send_at(deaf).is_none_or(|at| at > now) {
            return;
        }
        let asks = deaf || !neighbour.greeted || neighbour.more;
        let mut message = self.compose(now, slot);
        let neighbour = &mut self.neighbours[slot];
        neighbour.urgent = false;
        if neighbour.farewell == Farewell::Due {
            neighbour.farewell = Farewell::Said;
            message.closing = true;
        }
        if asks || !message.is_empty() {
            self.neighbours[slot].sent(now);
            self.out.push(Action::Send { connection, message });
        }
    }

    /// A connection stands.
    pub(super) fn connected(&mut self, now: Millis, id: ConnectionId, connection: Connection) {
        let Connection { host, address, incoming, .. } = connection.clone();
        // A driver that uses a number twice has lost the first.
        self.end(now, id);
        self.neighbours.connected(id, connection);
        self.detector.forget(&host);
        if !incoming {
            self.reached(now, &host);
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
        self.neighbours.note_purpose(id, Purpose::News);
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
        self.neighbours[slot].tell_all_at = now + self.jittered(pace::TELL_ALL);
        self.tell_all(slot);
        Some(slot)
    }

    /// A request came in: takes it in and answers it.
    pub(super) fn exchange(&mut self, now: Millis, connection: ConnectionId, message: Message) {
        let Some(host) = self.neighbours.connection(connection).map(|connection| Arc::clone(&connection.host)) else {
            self.out.push(Action::Answer { connection, message: Message::default() });
            return;
        };
        let was_deaf = self.is_deaf();
        self.neighbours.note_purpose(connection, if message.closing { Purpose::Ending } else { Purpose::News });
        let slot = match self.neighbours.slot_of_host(&host) {
            Some(slot) => Some(slot),
            None if *host == *self.own.name => None,
            None => self.adopt(now, &host, None),
        };
        if was_deaf && !self.is_deaf() {
            // From now on news is pushed to us; what we pulled until now founds no source.
            let slots: Vec<Slot> = self.neighbours.present().iter().collect();
            slots.into_iter().for_each(|slot| self.find_other_sources(slot));
        }
        self.hear(now, &host, slot, message, Heard::Request);
        let message = match slot {
            Some(slot) => self.compose(now, slot),
            None => {
                self.neighbours.note_purpose(connection, Purpose::Ending);
                self.send_on()
            }
        };
        self.out.push(Action::Answer { connection, message });
    }

    /// A request of ours was answered.
    pub(super) fn answered(&mut self, now: Millis, connection: ConnectionId, message: Message, round_trip: Duration) {
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
        if crowded || slot.is_none_or(|slot| self.neighbours[slot].farewell == Farewell::Said) {
            self.disconnect(now, connection);
        }
        if crowded && *host != *self.own.name {
            self.avoid(now, &address);
        }
    }

    /// This daemon got through to a host.
    pub(super) fn reached(&mut self, now: Millis, host: &str) {
        if let Some(host) = self.roster.host_mut(host) {
            self.changed |= host.way.is_barred(now);
            host.way.succeed(now);
        }
    }

    /// Closes a connection.
    pub(super) fn disconnect(&mut self, now: Millis, connection: ConnectionId) {
        self.end(now, connection);
        self.out.push(Action::Disconnect { connection });
    }

    /// Forgets a connection and what was on its way over it.
    pub(super) fn end(&mut self, now: Millis, id: ConnectionId) -> Option<Connection> {
        let connection = self.neighbours.disconnected(id)?;
        if let Some(slot) = self.neighbours.slot_of_host(&connection.host) {
            let neighbour = &mut self.neighbours[slot];
            if neighbour.outgoing == Some(id) {
                neighbour.outgoing = None;
                neighbour.asked = None;
                neighbour.more = false;
                neighbour.farewell = Farewell::NotDue;
            }
            let (reached, visits) = (neighbour.outgoing.is_some(), neighbour.visits);
            if !reached && !visits {
                self.forget_neighbour(slot);
            } else if connection.purpose != Purpose::Other {
                self.tell_all(slot);
                if !visits {
                    self.find_other_sources(slot);
                }
            }
        }
        if !connection.incoming {
            self.reached(now, &connection.host);
        }
        self.dial_ended(now, &connection);
        self.peers.reconsider(now);
        Some(connection)
    }

    /// Whether nobody connects to this daemon, so that it must ask for news.
    pub(super) fn is_deaf(&self) -> bool {
        !self.neighbours.is_visited()
    }
}
