//! Homes and hosts with delayed messages between them, for tests of the whole.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;
use crate::core::admission::{self, Admission, Ask, Key, QueueRule};

/// What is under way.
#[derive(Debug, Clone)]
pub enum Message {
    Ask {
        host: usize,
        ask: Ask,
    },
    Answer {
        home: usize,
        event: Event,
    },
    ToHost {
        host: usize,
        event: admission::Event,
    },
    /// The client connects, unless it has died.
    Connect {
        host: usize,
        key: Key,
    },
    News {
        host: usize,
        edition: Edition,
        state: HostState,
    },
}

impl Message {
    /// From whom to whom.
    fn link(&self) -> (String, String) {
        match self {
            Self::Ask { host, ask } => (ask.key.home.to_string(), name(*host).to_string()),
            Self::Answer { home, event } => {
                let from = match event {
                    Event::Reserved { host, .. } | Event::Refused { host, .. } => host.as_str(),
                    Event::Ended { host, .. } | Event::SlotFreed { host, .. } => host.as_str(),
                    _ => "",
                };
                (from.to_owned(), name(*home).to_string())
            }
            Self::ToHost { host, event } => {
                let from = match event {
                    admission::Event::Withdrawn { key } => key.home.as_str(),
                    admission::Event::Declined { home, .. } => home.as_str(),
                    _ => "",
                };
                (from.to_owned(), name(*host).to_string())
            }
            Self::Connect { host, key } => (format!("client {}", key.id), name(*host).to_string()),
            Self::News { host, .. } => (name(*host).to_string(), String::new()),
        }
    }
}

/// Several homes, several hosts, one clock.
pub struct Cluster {
    pub now: Millis,
    pub homes: Vec<Dispatcher>,
    pub hosts: Vec<Admission>,
    pub limit: Option<u32>,
    pub random: Random,
    /// One in so many messages between hosts is lost; 0 for none.
    pub loses: u64,
    messages: BTreeMap<(Millis, u64), Message>,
    /// When the last message of each link arrives.
    links: HashMap<(String, String), Millis>,
    sent: u64,
    /// How many records each host has published.
    published: Vec<u64>,
    /// How often a host has told its rank.
    words: u64,
    /// How each submission ended, by home.
    pub ends: HashMap<(usize, JobId), Vec<Action>>,
    /// Reservations held or running, with their host.
    pub held: HashMap<Key, HashSet<usize>>,
    pub users: HashMap<(usize, JobId), UserName>,
}

impl Cluster {
    /// Hosts with these CPUs, some of which are homes; what homes know is up to 15 s old.
    pub fn new(homes: usize, cpus: &[u32], limit: Option<u32>, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let queue = QueueRule { limit, ..QueueRule::default_for("now".into(), 1) };
        let admission = |cpus: &u32| {
            let mut admission = Admission::new(*cpus, 1.0);
            admission.handle(Millis(0), admission::Event::Queues(vec![queue.clone()]));
            admission
        };
        let hosts: Vec<Admission> = cpus.iter().map(admission).collect();
        let home = |number: usize| {
            let mut home = Dispatcher::new(name(number), random.bits());
            for (host, admission) in hosts.iter().enumerate() {
                let heard = Millis(random.below(15_000));
                let news = HostNews {
                    host: name(host),
                    state: admission.state(heard),
                    edition: edition(0),
                    heard,
                    unavailable: None,
                };
                home.handle(heard, Event::HostsChanged { changed: vec![news], gone: Vec::new() });
            }
            home
        };
        let homes = (0..homes).map(home).collect();
        Self {
            now: Millis(20_000),
            homes,
            hosts,
            limit,
            random,
            loses: 0,
            messages: BTreeMap::new(),
            links: HashMap::new(),
            sent: 0,
            published: vec![0; cpus.len()],
            words: 0,
            ends: HashMap::new(),
            held: HashMap::new(),
            users: HashMap::new(),
        }
    }

    pub fn submit(&mut self, home: usize, submission: Submission) {
        self.users.insert((home, submission.id), submission.user.clone());
        self.home_does(home, Event::Submitted(submission));
    }

    pub fn home_does(&mut self, home: usize, event: Event) {
        let actions = self.homes[home].handle(self.now, event);
        for action in actions {
            match action.clone() {
                Action::Ask { id, host, runner_up_rank, slot, if_full, .. } => {
                    let user = self.users[&(home, id)].clone();
                    let (key, queue) = (Key { home: name(home), id }, "now".into());
                    let needs = Default::default();
                    let ask = Ask { key, user, queue, priority: 0, runner_up_rank, slot, needs, if_full };
                    self.send(Message::Ask { host: number(&host), ask });
                }
                Action::Place { id, host, .. } => {
                    self.ends.entry((home, id)).or_default().push(action);
                    let key = Key { home: name(home), id };
                    self.send(Message::Connect { host: number(&host), key });
                }
                Action::Refuse { id, .. } => self.ends.entry((home, id)).or_default().push(action),
                Action::Release { id, host } => {
                    let event = admission::Event::Withdrawn { key: Key { home: name(home), id } };
                    self.send(Message::ToHost { host: number(&host), event });
                }
                Action::Decline { host, queue } => {
                    let event = admission::Event::Declined { home: name(home), queue };
                    self.send(Message::ToHost { host: number(&host), event });
                }
                Action::Wait { .. } => {}
            }
        }
    }

    pub fn host_does(&mut self, host: usize, event: admission::Event) {
        let actions = self.hosts[host].handle(self.now, event);
        for action in actions {
            match action {
                admission::Action::Accept { key, rank, .. } => {
                    self.held.entry(key.clone()).or_default().insert(host);
                    let rank = self.own_rank(host, rank);
                    let event = Event::Reserved { id: key.id, host: name(host), rank };
                    self.send(Message::Answer { home: number(&key.home), event });
                }
                admission::Action::Refuse { key, refusal, rank } => {
                    let rank = self.own_rank(host, rank);
                    let event = Event::Refused { id: key.id, host: name(host), refusal, rank };
                    self.send(Message::Answer { home: number(&key.home), event });
                }
                admission::Action::Void { key } => self.frees(host, &key),
                admission::Action::Offer { home, queue, .. } => {
                    let event = Event::SlotFreed { host: name(host), queue, job: None };
                    self.send(Message::Answer { home: number(&home), event });
                }
            }
        }
        if let Some(limit) = self.limit {
            assert!(self.hosts[host].running(&"now".into()) <= limit, "a host is over its limit");
        }
    }

    /// The job ends, or its reservation does.
    pub fn ends(&mut self, host: usize, key: &Key) {
        self.host_does(host, admission::Event::Ended { key: key.clone(), busy: 1.0 });
        self.frees(host, key);
    }

    fn frees(&mut self, host: usize, key: &Key) {
        if let Some(hosts) = self.held.get_mut(key) {
            hosts.remove(&host);
        }
        let rank = self.hosts[host].rank(self.now, &"now".into());
        let rank = Some(self.own_rank(host, rank));
        // The end of a job is never lost: it is repeated until it is acknowledged.
        let event = Event::Ended { id: key.id, host: name(host), rank };
        self.deliver_later(Message::Answer { home: number(&key.home), event });
    }

    fn own_rank(&mut self, host: usize, value: f64) -> OwnRank {
        self.words += 1;
        OwnRank { value, edition: edition(self.published[host]), number: self.words }
    }

    fn send(&mut self, message: Message) {
        let between_hosts = !matches!(message, Message::Connect { .. });
        if self.loses > 0 && between_hosts && self.random.below(self.loses) == 0 {
            return;
        }
        self.deliver_later(message);
    }

    fn deliver_later(&mut self, message: Message) {
        // Mostly a millisecond or so; rarely longer than the home waits.
        let slow = self.loses > 0 && self.random.below(10) == 0;
        let delay = self.random.below(if slow { 800 } else { 3 });
        let mut at = Millis(self.now.0 + delay);
        if let Message::News { .. } = &message {
            at = at + Duration::from_millis(self.random.below(40));
        } else if let Message::Answer { event: Event::Reserved { .. }, .. } = &message {
            // The host decides at once, but answers when it has made a leader ready.
            at = at + Duration::from_millis(10 + self.random.below(20));
        } else if self.loses == 0 {
            // Two daemons speak over one connection: what was said first is heard first.
            let last = self.links.entry(message.link()).or_default();
            at = at.max(*last);
            *last = at;
        }
        self.sent += 1;
        self.messages.insert((at, self.sent), message);
    }

    /// The host publishes a record, which reaches the homes at any time.
    pub fn tell_news(&mut self, host: usize) {
        self.published[host] += 1;
        let edition = edition(self.published[host]);
        self.deliver_later(Message::News { host, edition, state: self.hosts[host].state(self.now) });
    }

    /// Goes on to the next message or deadline; `false` when there is neither before `until`.
    pub fn step(&mut self, until: Millis) -> bool {
        let deadlines = self.homes.iter().filter_map(Dispatcher::next_deadline);
        let deadlines = deadlines.chain(self.hosts.iter().filter_map(Admission::next_deadline));
        let deadline = deadlines.min().unwrap_or(Millis(u64::MAX));
        let message = self.messages.first_key_value().map_or(Millis(u64::MAX), |((at, _), _)| *at);
        let next = deadline.min(message);
        if next > until {
            self.now = until;
            return false;
        }
        self.now = self.now.max(next);
        if message <= deadline {
            let (_, message) = self.messages.pop_first().expect("its time was just looked at");
            self.deliver(message);
        } else {
            for home in 0..self.homes.len() {
                if self.homes[home].next_deadline().is_some_and(|deadline| deadline <= self.now) {
                    self.home_does(home, Event::Tick);
                    let later = self.homes[home].next_deadline();
                    assert!(later.is_none_or(|deadline| deadline > self.now), "a deadline that stays is a busy loop");
                }
            }
            for host in 0..self.hosts.len() {
                if self.hosts[host].next_deadline().is_some_and(|deadline| deadline <= self.now) {
                    self.host_does(host, admission::Event::Tick);
                    let later = self.hosts[host].next_deadline();
                    assert!(later.is_none_or(|deadline| deadline > self.now), "a deadline that stays is a busy loop");
                }
            }
        }
        true
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Ask { host, ask } => self.host_does(host, admission::Event::Asked(ask)),
            Message::Answer { home, event } => self.home_does(home, event),
            Message::ToHost { host, event } => {
                if let admission::Event::Withdrawn { key } = &event
                    && let Some(hosts) = self.held.get_mut(key)
                {
                    hosts.remove(&host);
                }
                self.host_does(host, event);
            }
            Message::Connect { host, key } => {
                if self.held.get(&key).is_some_and(|hosts| hosts.contains(&host)) {
                    self.host_does(host, admission::Event::Started { key });
                }
            }
            Message::News { host, edition, state } => {
                for home in 0..self.homes.len() {
                    // A home knows its own host without news.
                    let state = if home == host { self.hosts[host].state(self.now) } else { state.clone() };
                    let (heard, unavailable) = (self.now, None);
                    let news = HostNews { host: name(host), state, edition, heard, unavailable };
                    self.home_does(home, Event::HostsChanged { changed: vec![news], gone: Vec::new() });
                }
            }
        }
    }
}

pub fn name(host: usize) -> HostName {
    format!("h{host}").into()
}

pub fn number(host: &HostName) -> usize {
    host.as_str()[1..].parse().expect("all names are made by `name`")
}
