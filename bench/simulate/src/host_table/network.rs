//! A virtual network of daemons: delays, lost packets, dead hosts, and what TCP makes of them.
//!
//! Packets take 1 to 20 ms. A lost one is repeated after 200 ms, then 400, 800 and so on, and
//! holds up what comes behind it on its connection. A connection with something unacknowledged
//! for 4 s dies (`TCP_USER_TIMEOUT`), one at rest when three probes in a row are lost
//! (keepalive, 1 s, 3 times). A dead host answers nothing; a dead daemon's kernel closes its
//! connections.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use queued::core::random::Random;
use queued::core::table::{Action, ConnectionId, Event, OwnHost, Table};
use queued::core::time::Millis;
use wire::exchange::Message;

use super::cost::{ANSWER_HEAD, REQUEST_HEAD, on_the_wire};
use super::host::{End, Host, State};
use super::load::Load;

/// All hosts, all connections, and what is under way.
pub struct Network {
    /// The present, milliseconds.
    pub now: u64,
    /// Every host there ever was.
    pub hosts: Vec<Host>,
    /// Connections that broke though both ends lived.
    pub breaks: u64,
    agenda: BinaryHeap<Reverse<(u64, u64, usize)>>,
    plans: Vec<Option<Plan>>,
    free: Vec<usize>,
    planned: u64,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    random: Random,
    loss: f64,
}

struct Connection {
    /// The host that began it, the host it leads to.
    ends: [usize; 2],
    open: [bool; 2],
    /// When the last message each way arrives: nothing overtakes.
    last: [u64; 2],
    /// When something was first sent each way that a dead host will not acknowledge.
    unacknowledged: [bool; 2],
}

enum Plan {
    Wake {
        host: usize,
    },
    /// In this life of the host.
    Measure {
        host: usize,
        started: u64,
    },
    Dialled {
        from: usize,
        to: usize,
        address: String,
    },
    Refused {
        from: usize,
        address: String,
        reason: &'static str,
    },
    Accepted {
        connection: u64,
    },
    Request {
        connection: u64,
        message: Box<Message>,
        sent: u64,
    },
    Answer {
        connection: u64,
        message: Box<Message>,
        sent: u64,
    },
    /// The end with this number learns that the connection is no more.
    Ends {
        connection: u64,
        end: usize,
        orderly: bool,
    },
    /// Keepalive to a dead host fails, unless there is something unacknowledged to wait for.
    Unanswered {
        connection: u64,
        end: usize,
    },
    /// Keepalive fails although both ends live.
    Break {
        connection: u64,
        end: usize,
    },
}

impl Network {
    /// No host yet.
    pub fn new(loss: f64, seed: u64) -> Self {
        Self {
            now: 0,
            hosts: Vec::new(),
            breaks: 0,
            agenda: BinaryHeap::new(),
            plans: Vec::new(),
            free: Vec::new(),
            planned: 0,
            connections: BTreeMap::new(),
            next_connection: 0,
            random: Random::new(seed),
            loss,
        }
    }

    /// A host starts now, knowing these peers.
    pub fn start(&mut self, load: Load, peers: Vec<String>) -> usize {
        let number = self.hosts.len();
        let name = format!("host{number:04}");
        let address = format!("10.1.{}.{}:7117", number / 250, number % 250 + 1);
        let own = self.own(&name, &address);
        let table = Table::new(own, peers, self.random.bits());
        self.hosts.push(Host {
            table,
            state: State::Up,
            load,
            sent: 0,
            messages: 0,
            wakes: 0,
            name,
            address,
            wake: None,
            started: self.now,
        });
        self.measure(number);
        number
    }

    /// A dead host starts again.
    pub fn restart(&mut self, host: usize, peers: Vec<String>) {
        let (name, address) = (self.hosts[host].name.clone(), self.hosts[host].address.clone());
        let own = self.own(&name, &address);
        let table = Table::new(own, peers, self.random.bits());
        let now = self.now;
        let host_state = &mut self.hosts[host];
        host_state.table = table;
        host_state.state = State::Up;
        host_state.wake = None;
        host_state.started = now;
        self.measure(host);
    }

    /// A host's daemon ends.
    pub fn end(&mut self, host: usize, end: End) {
        if end == End::Leave {
            self.handle(host, Event::Leave);
            self.run(self.now + 200);
        }
        self.hosts[host].state = if end == End::Power { State::Dead } else { State::Crashed };
        let of_host = |connection: &Connection| connection.ends.iter().position(|&end| end == host);
        let cut: Vec<(u64, usize)> =
            self.connections.iter().filter_map(|(&id, connection)| Some((id, of_host(connection)?))).collect();
        for (connection, side) in cut {
            if let Some(open) = self.connections.get_mut(&connection) {
                open.open[side] = false;
            }
            let end = match end {
                // The other end heard something at most a second ago, then probes for three.
                End::Power => {
                    let wait = 3_000 + self.random.below(1_000);
                    self.plan(wait, Plan::Unanswered { connection, end: 1 - side });
                    continue;
                }
                End::Crash => Plan::Ends { connection, end: 1 - side, orderly: false },
                End::Leave => Plan::Ends { connection, end: 1 - side, orderly: true },
            };
            let wait = self.delay();
            self.plan(wait, end);
        }
    }

    /// Lets everything happen until this moment.
    pub fn run(&mut self, until: u64) {
        while let Some(&Reverse((at, _, place))) = self.agenda.peek() {
            if at > until {
                break;
            }
            self.agenda.pop();
            self.now = at;
            if let Some(plan) = self.plans[place].take() {
                self.free.push(place);
                self.carry_out(plan);
            }
        }
        self.now = until;
    }

    /// Connections that a host has.
    pub fn connections_of(&self, host: usize) -> usize {
        self.connections.values().filter(|connection| connection.ends.contains(&host)).count()
    }

    /// A host's own clock.
    pub fn clock_of(&self, host: usize) -> Millis {
        Millis(self.now - self.hosts[host].started)
    }

    /// Forgets what was counted.
    pub fn reset_counters(&mut self) {
        for host in &mut self.hosts {
            (host.sent, host.messages, host.wakes) = (0, 0, 0);
        }
    }

    fn own(&self, name: &str, address: &str) -> OwnHost {
        let incarnation = 1_790_000_000_000_000 + self.now * 1000;
        OwnHost { name: name.into(), address: address.into(), incarnation }
    }

    fn carry_out(&mut self, plan: Plan) {
        match plan {
            Plan::Wake { host } => {
                if self.hosts[host].wake.is_some_and(|at| at <= self.now) {
                    self.hosts[host].wake = None;
                    self.hosts[host].wakes += 1;
                    self.handle(host, Event::Deadline);
                    assert!(self.hosts[host].wake != Some(self.now), "{} wakes for nothing", self.hosts[host].name);
                }
            }
            Plan::Measure { host, started } => {
                if self.hosts[host].started == started {
                    self.measure(host);
                }
            }
            Plan::Dialled { from, to, address } => self.dialled(from, to, address),
            Plan::Refused { from, address, reason } => {
                self.handle(from, Event::ConnectFailed { address, reason: reason.into() });
            }
            Plan::Accepted { connection } => self.accepted(connection),
            Plan::Request { connection, message, sent } => self.request(connection, *message, sent),
            Plan::Answer { connection, message, sent } => self.answer(connection, *message, sent),
            Plan::Ends { connection, end, orderly } => self.ends(connection, end, orderly),
            Plan::Unanswered { connection, end } => {
                if self.connections.get(&connection).is_some_and(|open| !open.unacknowledged[end]) {
                    self.ends(connection, end, false);
                }
            }
            Plan::Break { connection, end } => {
                if self.connections.get(&connection).is_some_and(|open| open.open == [true, true]) {
                    self.breaks += 1;
                    self.ends(connection, end, false);
                    let wait = self.random.below(1_000) + self.delay();
                    self.plan(wait, Plan::Ends { connection, end: 1 - end, orderly: false });
                }
            }
        }
    }

    fn measure(&mut self, host: usize) {
        if self.hosts[host].state != State::Up {
            return;
        }
        let state = self.hosts[host].load.measure(self.now);
        self.handle(host, Event::OwnState(state));
        let wait = self.hosts[host].load.interval();
        self.plan(wait, Plan::Measure { host, started: self.hosts[host].started });
    }

    /// Tells a daemon something and does what it asks for; its answer, if that was a request.
    fn handle(&mut self, host: usize, event: Event) -> Option<Message> {
        if self.hosts[host].state != State::Up {
            return None;
        }
        let clock = self.clock_of(host);
        let actions = self.hosts[host].table.handle(clock, event);
        let mut answer = None;
        for action in actions {
            match action {
                Action::Connect { address } => self.dial(host, address),
                Action::Disconnect { connection } => self.disconnect(host, connection.0),
                Action::Send { connection: ConnectionId(connection), message } => {
                    let sent = self.now;
                    let request = |message| Plan::Request { connection, message, sent };
                    self.transmit(host, connection, request, message, REQUEST_HEAD);
                }
                Action::Answer { message, .. } => answer = Some(message),
                Action::Changed | Action::Incarnation(_) | Action::Expelled => {}
            }
        }
        self.schedule(host);
        answer
    }

    fn schedule(&mut self, host: usize) {
        let started = self.hosts[host].started;
        let Some(deadline) = self.hosts[host].table.next_deadline() else {
            return;
        };
        let at = (deadline.0 + started).max(self.now);
        if self.hosts[host].wake.is_none_or(|wake| wake > at) {
            self.hosts[host].wake = Some(at);
            self.plan(at - self.now, Plan::Wake { host });
        }
    }

    fn dial(&mut self, from: usize, address: String) {
        let Some(to) = self.hosts.iter().position(|host| host.address == address) else {
            self.plan(1, Plan::Refused { from, address, reason: "no such address" });
            return;
        };
        let handshake = self.carried(1_000) + self.carried(1_000) + self.carried(200) + self.carried(200);
        match self.hosts[to].state {
            State::Up if handshake < 1_000 => self.plan(handshake, Plan::Dialled { from, to, address }),
            State::Crashed if handshake < 1_000 => {
                self.plan(handshake / 2, Plan::Refused { from, address, reason: "connection refused" });
            }
            _ => self.plan(1_000, Plan::Refused { from, address, reason: "timed out" }),
        }
    }

    fn dialled(&mut self, from: usize, to: usize, address: String) {
        if self.hosts[to].state != State::Up {
            self.plan(1_000, Plan::Refused { from, address, reason: "timed out" });
            return;
        }
        let id = self.next_connection;
        self.next_connection += 1;
        let connection =
            Connection { ends: [from, to], open: [true, true], last: [self.now; 2], unacknowledged: [false; 2] };
        self.connections.insert(id, connection);
        let wait = self.delay();
        self.connections.get_mut(&id).expect("just made").last[0] = self.now + wait;
        self.plan(wait, Plan::Accepted { connection: id });
        let host = self.hosts[to].name.clone();
        self.handle(from, Event::Connected { connection: ConnectionId(id), host, address, incoming: false });
        if self.loss > 0.0 {
            // A probe and its answer must both arrive.
            let probe_lost = 1.0 - (1.0 - self.loss).powi(2);
            let lifetime = -(1.0 - self.random.fraction()).ln() / probe_lost.powi(3) * 1_000.0;
            let end = self.random.below(2) as usize;
            self.plan(lifetime as u64, Plan::Break { connection: id, end });
        }
    }

    fn accepted(&mut self, id: u64) {
        let Some(&Connection { ends: [from, to], open: [_, true], .. }) = self.connections.get(&id) else {
            return;
        };
        let host = self.hosts[from].name.clone();
        let address = self.hosts[from].address.clone();
        self.handle(to, Event::Connected { connection: ConnectionId(id), host, address, incoming: true });
    }

    fn request(&mut self, id: u64, message: Message, sent: u64) {
        let Some(&Connection { ends: [_, to], open: [_, true], .. }) = self.connections.get(&id) else {
            return;
        };
        if self.hosts[to].state != State::Up {
            return;
        }
        self.hosts[to].wakes += 1;
        let answer = self.handle(to, Event::Exchange { connection: ConnectionId(id), message });
        let message = answer.expect("a request has an answer");
        self.transmit(to, id, |message| Plan::Answer { connection: id, message, sent }, message, ANSWER_HEAD);
    }

    fn answer(&mut self, id: u64, message: Message, sent: u64) {
        let Some(&Connection { ends: [from, _], open: [true, _], .. }) = self.connections.get(&id) else {
            return;
        };
        self.hosts[from].wakes += 1;
        let round_trip_ms = self.now - sent;
        self.handle(from, Event::ExchangeAnswer { connection: ConnectionId(id), message, round_trip_ms });
    }

    fn ends(&mut self, id: u64, end: usize, orderly: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let host = connection.ends[end];
        let was_open = std::mem::replace(&mut connection.open[end], false);
        if connection.open == [false, false] {
            self.connections.remove(&id);
        }
        if was_open {
            let connection = ConnectionId(id);
            self.hosts[host].wakes += 1;
            self.handle(host, if orderly { Event::Closed { connection } } else { Event::Lost { connection } });
        }
    }

    fn disconnect(&mut self, host: usize, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = usize::from(connection.ends[0] != host);
        connection.open[end] = false;
        let peer = connection.ends[1 - end];
        if self.hosts[peer].state != State::Dead {
            let wait = self.carried(200);
            self.plan(wait, Plan::Ends { connection: id, end: 1 - end, orderly: true });
        } else {
            self.connections.remove(&id);
        }
    }

    fn transmit(&mut self, host: usize, id: u64, plan: impl FnOnce(Box<Message>) -> Plan, message: Message, head: u64) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let end = usize::from(connection.ends[0] != host);
        if !connection.open[end] {
            return;
        }
        self.hosts[host].sent += on_the_wire(&message, head);
        self.hosts[host].messages += 1;
        let peer = connection.ends[1 - end];
        let carried = self.carried(200);
        let connection = self.connections.get_mut(&id).expect("looked at just now");
        if self.hosts[peer].state == State::Dead {
            // Nothing is acknowledged any more, and keepalive waits for what is.
            if !std::mem::replace(&mut connection.unacknowledged[end], true) {
                let planned = Plan::Ends { connection: id, end, orderly: false };
                self.plan(4_000, planned);
            }
            return;
        }
        if carried >= 4_000 {
            self.breaks += 1;
            self.plan(4_000, Plan::Ends { connection: id, end, orderly: false });
            self.plan(4_000 + carried % 500, Plan::Ends { connection: id, end: 1 - end, orderly: false });
            return;
        }
        let at = (self.now + carried).max(connection.last[end]);
        connection.last[end] = at;
        self.plan(at - self.now, plan(Box::new(message)));
    }

    fn plan(&mut self, wait: u64, plan: Plan) {
        let place = match self.free.pop() {
            Some(place) => {
                self.plans[place] = Some(plan);
                place
            }
            None => {
                self.plans.push(Some(plan));
                self.plans.len() - 1
            }
        };
        self.planned += 1;
        self.agenda.push(Reverse((self.now + wait, self.planned, place)));
    }

    fn delay(&mut self) -> u64 {
        1 + self.random.below(20)
    }

    /// How long one packet takes, repeats included.
    fn carried(&mut self, first_repeat: u64) -> u64 {
        let mut time = self.delay();
        let mut repeat = first_repeat;
        while self.random.fraction() < self.loss && time < 10_000 {
            time += repeat;
            repeat *= 2;
        }
        time
    }
}
