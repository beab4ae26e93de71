//! A small network for tests: every message takes some milliseconds, connections can be cut,
//! hosts stopped, and some pairs of hosts cannot reach each other.

use std::collections::BTreeMap;

use wire::exchange::Message;
use wire::news::{HostRow, HostState};

use super::super::*;

/// Daemons by number, and what is under way between them.
pub struct Net {
    pub now: u64,
    pub daemons: Vec<Daemon>,
    /// What was asked for besides messages and connections.
    pub asked: Vec<(usize, Action)>,
    /// Connections may not be begun from the first to the second.
    pub walls: Vec<(usize, usize)>,
    /// Connections are closed without a farewell, as by a driver that does not know better.
    pub rude: bool,
    /// How often each daemon tried to connect to another.
    pub dials: Vec<u64>,
    /// How often each daemon was woken.
    pub wakes: Vec<u64>,
    links: BTreeMap<u64, Link>,
    post: BTreeMap<(u64, u64), Post>,
    count: u64,
    random: Random,
}

pub struct Daemon {
    pub table: Table,
    pub up: bool,
    pub name: String,
    pub address: String,
    pub started: u64,
}

#[derive(Clone)]
struct Link {
    ends: [usize; 2],
    open: [bool; 2],
    /// Nothing overtakes on a connection.
    last: [u64; 2],
}

enum Post {
    Event(usize, u64, Event),
    /// The daemon that waits for it, its life, the connection, and when it was asked.
    Answer(usize, u64, u64, Message, u64),
    Dialled(usize, u64, String),
}

impl Net {
    pub fn new(seed: u64) -> Self {
        Self {
            now: 1_000,
            daemons: Vec::new(),
            asked: Vec::new(),
            walls: Vec::new(),
            rude: false,
            dials: Vec::new(),
            wakes: Vec::new(),
            links: BTreeMap::new(),
            post: BTreeMap::new(),
            count: 0,
            random: Random::new(seed),
        }
    }

    /// Daemons `a`, `b`, ... that all know the first, after they found each other.
    pub fn cluster(count: usize) -> Self {
        let mut net = Self::new(count as u64);
        for number in 0..count {
            net.start(&letter(number), &["a:1"]);
        }
        net.run(20_000);
        net
    }

    /// A daemon starts; its address is its name and port 1.
    pub fn start(&mut self, name: &str, peers: &[&str]) -> usize {
        self.start_at(name, &format!("{name}:1"), 1_000_000 + self.now, peers)
    }

    pub fn start_at(&mut self, name: &str, address: &str, incarnation: u64, peers: &[&str]) -> usize {
        let own = OwnHost { name: name.into(), address: address.into(), incarnation };
        let table = Table::new(own, peers.iter().map(|&peer| peer.to_owned()).collect(), self.random.bits());
        let daemon = Daemon { table, up: true, name: name.into(), address: address.into(), started: self.now };
        self.daemons.push(daemon);
        self.wakes.push(0);
        self.dials.push(0);
        let number = self.daemons.len() - 1;
        self.measure(number, |_| ());
        number
    }

    /// Tells a daemon its own state.
    pub fn measure(&mut self, number: usize, change: impl FnOnce(&mut HostState)) {
        let mut state = plain_state(self.now);
        change(&mut state);
        self.event(number, Event::OwnState(state));
    }

    /// A daemon stops without a word: its connections are lost at once, or after 4 s.
    pub fn stop(&mut self, number: usize, after: u64) {
        self.daemons[number].up = false;
        let ids: Vec<u64> = self.links_of(number);
        for id in ids {
            let link = self.links.get_mut(&id).expect("listed just now");
            let mine = usize::from(link.ends[0] != number);
            link.open[mine] = false;
            let peer = link.ends[1 - mine];
            self.send(after, peer, Event::Lost { connection: ConnectionId(id) });
        }
    }

    /// A connection between these two breaks, if there is one.
    pub fn cut(&mut self, one: usize, other: usize) {
        let between = |link: &Link| link.ends == [one, other] || link.ends == [other, one];
        let cut: Vec<u64> = self.links.iter().filter(|(_, link)| between(link)).map(|(&id, _)| id).collect();
        for id in cut {
            for end in [one, other] {
                self.send(1, end, Event::Lost { connection: ConnectionId(id) });
            }
        }
    }

    /// Lets so many milliseconds pass.
    pub fn run(&mut self, length: u64) {
        let end = self.now + length;
        loop {
            let wake = self.next_wake();
            let post = self.post.keys().next().copied();
            let at = wake.map(|(at, _)| at).into_iter().chain(post.map(|(at, _)| at)).min();
            let Some(at) = at.filter(|&at| at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            match post.filter(|(post_at, _)| *post_at == at) {
                Some(key) => {
                    let post = self.post.remove(&key).expect("seen just now");
                    self.deliver(post);
                }
                None => {
                    let number = wake.expect("one of the two is due").1;
                    self.wakes[number] += 1;
                    self.event(number, Event::Deadline);
                    let again = self.daemons[number].table.next_deadline();
                    assert!(again.is_none_or(|at| at > self.clock(number)), "wakes up for nothing");
                }
            }
        }
        self.now = end;
    }

    /// The daemon's own clock.
    pub fn clock(&self, number: usize) -> Millis {
        Millis(self.now - self.daemons[number].started)
    }

    /// What the daemon would show.
    pub fn rows(&self, number: usize) -> Vec<HostRow> {
        self.daemons[number].table.hosts(self.clock(number))
    }

    /// Names of the hosts that the daemon would choose from.
    pub fn choice(&self, number: usize) -> Vec<String> {
        let candidates = self.daemons[number].table.candidates(self.clock(number));
        let mut names: Vec<String> =
            candidates.filter(|host| host.unavailable.is_none()).map(|host| host.card.host.clone()).collect();
        names.sort();
        names
    }

    /// Why the daemon does not choose a host.
    pub fn why_not(&self, number: usize, name: &str) -> Option<String> {
        self.daemons[number].table.host(name, self.clock(number))?.unavailable
    }

    /// Hands an event to a daemon and carries out what follows; the answer if it was a request.
    pub fn event(&mut self, number: usize, event: Event) -> Option<Message> {
        if !self.daemons[number].up {
            return None;
        }
        let clock = self.clock(number);
        let request = matches!(event, Event::Exchange { .. });
        let actions = self.daemons[number].table.handle(clock, event);
        let mut answers = Vec::new();
        for action in actions {
            match action {
                Action::Connect { address } => self.dial(number, address),
                Action::Disconnect { connection } => self.disconnect(number, connection.0),
                Action::Send { connection, message } => {
                    let message = through_json(message);
                    let link = &self.links[&connection.0];
                    assert_eq!(link.ends[0], number, "requests go on own connections");
                    let peer = link.ends[1];
                    self.send(0, peer, Event::Exchange { connection, message });
                }
                Action::Answer { message, .. } => answers.push(through_json(message)),
                other => self.asked.push((number, other)),
            }
        }
        assert_eq!(answers.len(), usize::from(request), "exactly one answer to a request");
        answers.pop()
    }

    fn next_wake(&self) -> Option<(u64, usize)> {
        let up = self.daemons.iter().enumerate().filter(|(_, daemon)| daemon.up);
        let deadline = |(number, daemon): (usize, &Daemon)| {
            let at = daemon.table.next_deadline()?.0 + daemon.started;
            Some((at.max(self.now), number))
        };
        up.filter_map(deadline).min()
    }

    fn deliver(&mut self, post: Post) {
        match post {
            Post::Event(number, started, event) => {
                if self.daemons[number].started != started {
                    return;
                }
                let connection = match &event {
                    Event::Connected { connection, .. }
                    | Event::Lost { connection }
                    | Event::Closed { connection }
                    | Event::Exchange { connection, .. } => connection.0,
                    _ => unreachable!("nothing else is sent"),
                };
                let Some(link) = self.links.get_mut(&connection) else {
                    return;
                };
                let mine = usize::from(link.ends[0] != number);
                if !link.open[mine] {
                    return;
                }
                if matches!(event, Event::Lost { .. } | Event::Closed { .. }) {
                    link.open[mine] = false;
                }
                let peer = link.ends[1 - mine];
                let asked = self.now;
                if let Some(message) = self.event(number, event) {
                    let life = self.daemons[peer].started;
                    let at = self.arrival(connection, number, 0);
                    self.post_at(at, Post::Answer(peer, life, connection, message, asked));
                }
            }
            Post::Answer(number, started, connection, message, asked) => {
                let open = self.links.get(&connection).is_some_and(|link| link.open[0]);
                if self.daemons[number].started == started && open {
                    // The request took about as long as its answer.
                    let round_trip_ms = (self.now - asked) * 2;
                    let connection = ConnectionId(connection);
                    self.event(number, Event::ExchangeAnswer { connection, message, round_trip_ms });
                }
            }
            Post::Dialled(number, started, address) => {
                if self.daemons[number].started == started {
                    self.dialled(number, address);
                }
            }
        }
    }

    fn dial(&mut self, number: usize, address: String) {
        self.dials[number] += 1;
        let target = self.at_address(&address);
        // Half of the addresses without a daemon refuse, half are silent.
        let silent = target.is_none() && address.len().is_multiple_of(2);
        let wait = if silent { 1_000 } else { self.random.below(20) };
        self.post_at(self.now + wait, Post::Dialled(number, self.daemons[number].started, address));
    }

    fn dialled(&mut self, number: usize, address: String) {
        let Some(target) = self.at_address(&address).filter(|&target| !self.walls.contains(&(number, target))) else {
            self.event(number, Event::ConnectFailed { address, reason: "connection refused".into() });
            return;
        };
        self.count += 1;
        let id = self.count;
        self.links.insert(id, Link { ends: [number, target], open: [true; 2], last: [self.now; 2] });
        let name = self.daemons[number].name.clone();
        let connection = ConnectionId(id);
        self.send(0, target, Event::Connected { connection, host: name, address: "from:9".into(), incoming: true });
        let host = self.daemons[target].name.clone();
        self.event(number, Event::Connected { connection, host, address, incoming: false });
    }

    fn disconnect(&mut self, number: usize, id: u64) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let mine = usize::from(link.ends[0] != number);
        link.open[mine] = false;
        let peer = link.ends[1 - mine];
        let connection = ConnectionId(id);
        self.send(0, peer, if self.rude { Event::Lost { connection } } else { Event::Closed { connection } });
    }

    fn at_address(&self, address: &str) -> Option<usize> {
        self.daemons.iter().position(|daemon| daemon.up && daemon.address == address)
    }

    fn links_of(&self, number: usize) -> Vec<u64> {
        self.links.iter().filter(|(_, link)| link.ends.contains(&number)).map(|(&id, _)| id).collect()
    }

    /// Something that happens to this end of a connection, after what was sent to it before.
    fn send(&mut self, wait: u64, to: usize, event: Event) {
        let connection = match &event {
            Event::Connected { connection, .. }
            | Event::Lost { connection }
            | Event::Closed { connection }
            | Event::Exchange { connection, .. } => connection.0,
            _ => unreachable!("nothing else is sent"),
        };
        let from = self.links[&connection].ends.iter().copied().find(|&end| end != to).unwrap_or(to);
        let at = self.arrival(connection, from, wait);
        let started = self.daemons[to].started;
        self.post_at(at, Post::Event(to, started, event));
    }

    fn arrival(&mut self, connection: u64, from: usize, wait: u64) -> u64 {
        let delay = wait + 1 + self.random.below(20);
        let link = self.links.get_mut(&connection).expect("connections are never forgotten");
        let side = usize::from(link.ends[0] != from);
        link.last[side] = link.last[side].max(self.now + delay);
        link.last[side]
    }

    fn post_at(&mut self, at: u64, post: Post) {
        self.count += 1;
        self.post.insert((at, self.count), post);
    }
}

/// A host without work.
pub fn plain_state(now: u64) -> HostState {
    HostState { cpus: 4, speed: 1.0, memory_mib: 1_000, clock_us: 1_000_000_000 + now * 1_000, ..HostState::default() }
}

pub fn letter(number: usize) -> String {
    char::from(b'a' + number as u8).to_string()
}

/// What is written is read again: tests see what a peer would.
fn through_json(message: Message) -> Message {
    let text = serde_json::to_string(&message).expect("a message is plain data");
    assert!(text.len() < wire::exchange::MAX_BYTES);
    serde_json::from_str(&text).expect("what is written can be read")
}
