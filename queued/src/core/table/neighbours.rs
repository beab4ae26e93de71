//! The connections that stand, and the peers news is exchanged with over them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use wire::exchange::Key;

use super::claim::ClaimId;
use super::event::ConnectionId;
use super::pace::{self, BETWEEN_EXCHANGES, CROWDED, EXCHANGES_AT_ONCE, MOST_NEIGHBOURS};
use super::slots::{Slot, Slots};
use crate::core::time::Millis;

/// All connections and neighbours.
#[derive(Debug)]
pub(super) struct Neighbours {
    connections: BTreeMap<ConnectionId, Connection>,
    by_host: BTreeMap<Arc<str>, BTreeSet<ConnectionId>>,
    places: Vec<Option<Neighbour>>,
    present: Slots,
}

/// A connection that stands.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub host: Arc<str>,
    pub address: String,
    pub incoming: bool,
    pub since: Millis,
    pub purpose: Purpose,
}

/// What is known of what a connection is for. Only one that carries news shows by its end that
/// its host may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Other requests, as far as has been seen.
    Other,
    /// News.
    News,
    /// No more: one of the two sides has said that it closes it.
    Ending,
}

/// A connection that is not needed is closed after the peer was told, or it would fear for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It is needed.
    NotDue,
    /// The peer is to be told.
    Due,
    /// It was told; the connection ends with its answer.
    Said,
}

/// A peer, and what is still to be told to it.
#[derive(Debug)]
pub(super) struct Neighbour {
    pub host: Arc<str>,
    /// The connection on which requests go; without one, news waits for the peer's requests.
    pub outgoing: Option<ConnectionId>,
    /// Whether it began a connection, too, so that it can tell us news at once.
    pub visits: bool,
    /// Since when a request is under way.
    pub asked: Option<Millis>,
    /// Whether the peer was told on this connection who speaks.
    pub greeted: bool,
    /// Whether the peer has said who it is. Before, it is told about this host only.
    pub acquainted: bool,
    /// It knows few hosts: it is told cards without being asked whether it has them.
    pub newcomer: bool,
    /// Records to tell, oldest first. Some may have become known to it since.
    pub pending: VecDeque<ClaimId>,
    /// Cards it asked for.
    pub missing: BTreeSet<Key>,
    /// Hosts in doubt to tell of.
    pub doubts: Vec<ClaimId>,
    /// Departed hosts to tell of.
    pub departures: BTreeSet<Arc<str>>,
    /// Cards to ask it for.
    pub wanted: BTreeSet<Key>,
    /// Hosts to be spared news of.
    pub spare: BTreeSet<Key>,
    /// Hosts to hear of again.
    pub again: BTreeSet<Key>,
    /// Hosts that the way to is lost.
    pub lost: BTreeSet<Key>,
    /// Whether our connection is still needed.
    pub farewell: Farewell,
    /// Something does not wait for its turn.
    pub urgent: bool,
    /// The peer has more to tell than it said.
    pub more: bool,
    /// When a request was last sent.
    pub last_sent: Millis,
    /// When all is told again.
    pub tell_all_at: Millis,
    /// When the wall clock is told again.
    pub tell_clock_at: Millis,
    budget: Budget,
}

/// Lets a few exchanges follow at once and then one per [`BETWEEN_EXCHANGES`].
#[derive(Debug, Clone, Copy, Default)]
struct Budget {
    /// When all that was spent is earned again.
    full_at: Millis,
}

impl Neighbours {
    /// No connection stands.
    pub fn new() -> Self {
        Self {
            connections: BTreeMap::new(),
            by_host: BTreeMap::new(),
            places: (0..MOST_NEIGHBOURS).map(|_| None).collect(),
            present: Slots::default(),
        }
    }

    /// A connection stands.
    pub fn connected(&mut self, id: ConnectionId, connection: Connection) {
        let host = Arc::clone(&connection.host);
        self.by_host.entry(Arc::clone(&host)).or_default().insert(id);
        self.connections.insert(id, connection);
        self.note_visits(&host);
    }

    /// A connection is no more.
    pub fn disconnected(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        if let Some(ids) = self.by_host.get_mut(&connection.host) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_host.remove(&connection.host);
            }
        }
        self.note_visits(&connection.host);
        Some(connection)
    }

    fn note_visits(&mut self, host: &str) {
        if let Some(slot) = self.slot_of_host(host) {
            self[slot].visits = self.visits(host);
        }
    }

    fn visits(&self, host: &str) -> bool {
        let ids = self.by_host.get(host).into_iter().flatten();
        ids.filter_map(|id| self.connections.get(id)).any(Connection::is_visit)
    }

    /// The connection is for this. One that is about to end is for nothing else any more.
    pub fn note_purpose(&mut self, id: ConnectionId, purpose: Purpose) {
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.purpose != Purpose::Ending
            && connection.purpose != purpose
        {
            connection.purpose = purpose;
            let host = Arc::clone(&connection.host);
            self.note_visits(&host);
        }
    }

    /// The connection of this number.
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Whether any connection with this host stands.
    pub fn is_connected(&self, host: &str) -> bool {
        self.by_host.contains_key(host)
    }

    /// Whether anybody pushes news to us.
    pub fn is_visited(&self) -> bool {
        self.iter().any(|(_, neighbour)| neighbour.visits)
    }

    /// The neighbour that this connection leads to.
    pub fn slot_of(&self, id: ConnectionId) -> Option<Slot> {
        self.slot_of_host(&self.connections.get(&id)?.host)
    }

    /// The neighbour of this name.
    pub fn slot_of_host(&self, host: &str) -> Option<Slot> {
        self.present.iter().find(|&slot| &*self[slot].host == host)
    }

    /// Makes the host a neighbour, unless there are too many.
    pub fn adopt(&mut self, now: Millis, host: &Arc<str>, outgoing: Option<ConnectionId>) -> Option<Slot> {
        let used = self.present.iter().count();
        if outgoing.is_none() && used >= CROWDED {
            return None;
        }
        let slot = Slot::all().find(|&slot| !self.present.contains(slot))?;
        self.present.insert(slot);
        self.places[slot.index()] = Some(Neighbour {
            host: Arc::clone(host),
            outgoing,
            visits: self.visits(host),
            asked: None,
            greeted: false,
            acquainted: false,
            newcomer: false,
            pending: VecDeque::new(),
            missing: BTreeSet::new(),
            doubts: Vec::new(),
            departures: BTreeSet::new(),
            wanted: BTreeSet::new(),
            spare: BTreeSet::new(),
            again: BTreeSet::new(),
            lost: BTreeSet::new(),
            farewell: Farewell::NotDue,
            urgent: false,
            more: false,
            last_sent: now,
            tell_all_at: now,
            tell_clock_at: now,
            budget: Budget::default(),
        });
        Some(slot)
    }

    /// The place is free again.
    pub fn release(&mut self, slot: Slot) {
        self.present.remove(slot);
        self.places[slot.index()] = None;
    }

    /// All neighbours.
    pub fn present(&self) -> Slots {
        self.present
    }

    /// All neighbours with their places.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &Neighbour)> {
        self.present.iter().map(|slot| (slot, &self[slot]))
    }

    /// Whether any connection stands.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }
}

impl Connection {
    fn is_visit(&self) -> bool {
        self.incoming && self.purpose == Purpose::News
    }
}

impl Neighbour {
    /// Whether there is something that is worth a request of its own. What the peer need or need
    /// not tell us does not count: it travels with the next message.
    pub fn has_news(&self) -> bool {
        !self.greeted
            || self.more
            || !(self.missing.is_empty() && self.wanted.is_empty() && self.lost.is_empty())
            || self.acquainted && !(self.pending.is_empty() && self.doubts.is_empty() && self.departures.is_empty())
    }

    /// When the next request may go: `None` while one is under way, there is no way to send
    /// one, or there is nothing to say.
    pub fn send_at(&self, deaf: bool) -> Option<Millis> {
        if self.outgoing.is_none() || self.asked.is_some() {
            return None;
        }
        if self.urgent || self.farewell == Farewell::Due || !self.greeted {
            return Some(Millis(0));
        }
        let poll = deaf.then(|| self.last_sent + pace::POLL);
        let news = self.has_news().then(|| self.budget.ready_at());
        poll.into_iter().chain(news).min()
    }

    /// A request goes out.
    pub fn sent(&mut self, now: Millis) {
        self.asked = Some(now);
        self.last_sent = now;
        self.urgent = false;
        self.budget.spend(now);
    }
}

impl Budget {
    fn ready_at(self) -> Millis {
        let ahead = BETWEEN_EXCHANGES * (EXCHANGES_AT_ONCE - 1);
        Millis(self.full_at.0.saturating_sub(ahead.as_millis() as u64))
    }

    fn spend(&mut self, now: Millis) {
        self.full_at = self.full_at.max(now) + BETWEEN_EXCHANGES;
    }
}

impl std::ops::Index<Slot> for Neighbours {
    type Output = Neighbour;

    fn index(&self, slot: Slot) -> &Neighbour {
        self.places[slot.index()].as_ref().expect("a slot is used only while its neighbour is present")
    }
}

impl std::ops::IndexMut<Slot> for Neighbours {
    fn index_mut(&mut self, slot: Slot) -> &mut Neighbour {
        self.places[slot.index()].as_mut().expect("a slot is used only while its neighbour is present")
    }
}
