//! The code that ships: dispatchers at the homes, admission at the hosts, messages between.

use queued::core::admission::{self, Admission, Ask, IfFull, Key, QueueRule, Slot};
use queued::core::dispatch::{self, Dispatcher, HostNews, Submission, Work};
use queued::core::names::{HostName, JobId, QueueName, UserName};
use queued::core::time::Millis;
use wire::api::{HostChoice, OnFull, Refusal};
use wire::news::{Edition, HostState, OwnRank};

use super::cluster::{Cluster, Policy, START};
use super::load::{Readings, millis};
use super::news::{Publisher, under_way};

pub struct Shipped {
    homes: Vec<Home>,
    hosts: Vec<Host>,
    queue: QueueName,
    user: UserName,
    pub counts: Counts,
}

/// What the placing of jobs has cost.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub placed: u64,
    pub asked: u64,
}

struct Home {
    name: HostName,
    dispatcher: Dispatcher,
}

struct Host {
    name: HostName,
    admission: Admission,
    readings: Readings,
    publisher: Publisher,
    published: u64,
    /// How often it has told its rank.
    words: u64,
    /// The newest record that has reached the homes.
    heard: u64,
    look: Millis,
}

pub enum Message {
    Ask {
        host: usize,
        ask: Box<Ask>,
    },
    Reserved {
        host: usize,
        key: Key,
        rank: OwnRank,
    },
    Refused {
        host: usize,
        key: Key,
        refusal: Box<Refusal>,
        rank: OwnRank,
    },
    /// The client has connected and released the job.
    Start {
        host: usize,
        home: usize,
        id: JobId,
    },
    Withdraw {
        host: usize,
        home: usize,
        id: JobId,
    },
    Ended {
        home: usize,
        host: usize,
        id: JobId,
        rank: OwnRank,
    },
    Look {
        host: usize,
    },
    /// The record reaches all homes at once: what misleads them misleads all.
    News {
        host: usize,
        number: u64,
        state: Box<HostState>,
    },
}

impl Shipped {
    pub fn new(homes: usize) -> Self {
        let home = |number: usize| {
            let name = name_of(number);
            Home { dispatcher: Dispatcher::new(name.clone(), number as u64), name }
        };
        Self {
            homes: (0..homes).map(home).collect(),
            hosts: Vec::new(),
            queue: "now".into(),
            user: "somebody".into(),
            counts: Counts::default(),
        }
    }

    fn home_does(&mut self, cluster: &mut Cluster<Message>, home: usize, event: dispatch::Event) {
        let actions = self.homes[home].dispatcher.handle(millis(cluster.now), event);
        for action in actions {
            match action {
                dispatch::Action::Ask { id, host, runner_up_rank, slot, .. } => {
                    let key = Key { home: self.homes[home].name.clone(), id };
                    let (user, queue) = (self.user.clone(), self.queue.clone());
                    let (needs, if_full) = (Default::default(), IfFull::Remember);
                    let ask = Ask { key, user, queue, priority: 0, runner_up_rank, slot, needs, if_full };
                    self.counts.asked += 1;
                    let delay = delay(cluster);
                    cluster.send(delay, Message::Ask { host: number_of(&host), ask: Box::new(ask) });
                }
                dispatch::Action::Place { id, host, .. } => {
                    self.counts.placed += 1;
                    let delay = delay(cluster) + delay(cluster);
                    cluster.send(delay, Message::Start { host: number_of(&host), home, id });
                }
                dispatch::Action::Release { id, host } => {
                    let delay = delay(cluster);
                    cluster.send(delay, Message::Withdraw { host: number_of(&host), home, id });
                }
                other => panic!("a queue without limits gives no {other:?}"),
            }
        }
    }

    fn host_does(&mut self, cluster: &mut Cluster<Message>, host: usize, event: admission::Event) {
        let running = cluster.machines[host].running();
        self.read(cluster.now, host, running);
        for action in self.hosts[host].admission.handle(millis(cluster.now), event) {
            let delay = delay(cluster);
            match action {
                admission::Action::Accept { key, rank, .. } => {
                    let rank = self.hosts[host].own_rank(rank);
                    cluster.send(delay, Message::Reserved { host, key, rank });
                }
                admission::Action::Refuse { key, refusal, rank } => {
                    let rank = self.hosts[host].own_rank(rank);
                    cluster.send(delay, Message::Refused { host, key, refusal: Box::new(refusal), rank });
                }
                other => panic!("a queue without limits gives no {other:?}"),
            }
        }
        self.look(cluster, host);
    }

    fn read(&mut self, now: f64, host: usize, running: u32) {
        let host = &mut self.hosts[host];
        if let Some((at, runnable)) = host.readings.before(now, running) {
            host.admission.handle(at, admission::Event::Sampled { runnable, load1: 0.0 });
        }
    }

    /// A daemon reads the figures of its own host before it places a job.
    fn know_own(&mut self, cluster: &mut Cluster<Message>, home: usize) {
        self.read(cluster.now, home, cluster.machines[home].running());
        let now = millis(cluster.now);
        let host = &self.hosts[home];
        let news = HostNews {
            host: host.name.clone(),
            state: host.admission.state(now),
            edition: Edition::default(),
            heard: now,
            unavailable: None,
        };
        self.home_does(cluster, home, dispatch::Event::HostsChanged { changed: vec![news], gone: Vec::new() });
    }

    fn look(&mut self, cluster: &mut Cluster<Message>, host: usize) {
        let now = millis(cluster.now);
        let most = under_way(self.hosts.len()).as_secs_f64();
        let entry = &mut self.hosts[host];
        let state = entry.admission.state(now);
        if entry.publisher.due(now, &state) {
            entry.published += 1;
            let number = entry.published;
            let delay = 0.05 + (most - 0.05) * cluster.random.fraction();
            cluster.send(delay, Message::News { host, number, state: Box::new(state) });
        }
        let deadline = entry.publisher.next_deadline();
        if entry.look <= now || deadline < entry.look {
            entry.look = deadline;
            cluster.send((deadline.as_secs_f64() - cluster.now).max(0.001), Message::Look { host });
        }
    }
}

impl Policy for Shipped {
    type Message = Message;

    fn begin(&mut self, cluster: &mut Cluster<Message>) {
        for (host, machine) in cluster.machines.iter().enumerate() {
            let mut admission = Admission::new(machine.cpus, 1.0);
            let rule = QueueRule::default_for(self.queue.clone(), machine.cpus);
            admission.handle(Millis(0), admission::Event::Queues(vec![rule]));
            let runnable = f64::from(machine.running());
            admission.handle(Millis(0), admission::Event::Sampled { runnable, load1: 0.0 });
            let state = admission.state(millis(START));
            let mut publisher = Publisher::new(cluster.machines.len());
            publisher.due(millis(START - 15.0 * cluster.random.fraction()), &state);
            let readings = Readings::new(cluster.random.fraction());
            let (name, look) = (name_of(host), Millis(0));
            for home in &mut self.homes {
                let news = HostNews {
                    host: name.clone(),
                    state: state.clone(),
                    edition: edition(0),
                    heard: Millis(0),
                    unavailable: None,
                };
                let event = dispatch::Event::HostsChanged { changed: vec![news], gone: Vec::new() };
                home.dispatcher.handle(Millis(0), event);
            }
            self.hosts.push(Host { name, admission, readings, publisher, published: 0, words: 0, heard: 0, look });
        }
        let first: Vec<(usize, u32)> = (0..).zip(cluster.machines.iter().map(|machine| machine.running())).collect();
        let mut id = 0;
        for (host, running) in first {
            for _ in 0..running {
                let key = Key { home: "first".into(), id: JobId(id) };
                let (user, queue) = (self.user.clone(), self.queue.clone());
                let event =
                    admission::Event::Adopted { key, user, queue, slot: Slot::Counted, taken: Default::default() };
                self.hosts[host].admission.handle(millis(START), event);
                id += 1;
            }
            self.look(cluster, host);
        }
    }

    fn submitted(&mut self, cluster: &mut Cluster<Message>, job: u32) {
        let submission = Submission {
            id: JobId(u64::from(job)),
            user: self.user.clone(),
            queue: self.queue.clone(),
            command: String::new(),
            directory: String::new(),
            priority: 0,
            choice: HostChoice::Any,
            needs: Default::default(),
            allowed: Vec::new(),
            excluded: Vec::new(),
            on_full: OnFull::Wait,
            work: Work::Session,
        };
        let home = cluster.jobs[job as usize].home;
        self.know_own(cluster, home);
        self.home_does(cluster, home, dispatch::Event::Submitted(submission));
    }

    fn ended(&mut self, cluster: &mut Cluster<Message>, job: u32, host: usize, before: u32) {
        let entry = cluster.jobs[job as usize];
        let id = JobId(u64::from(job));
        let home = if entry.first { "first".into() } else { self.homes[entry.home].name.clone() };
        self.read(cluster.now, host, before);
        self.hosts[host].readings.changes(cluster.now, before);
        let busy = (entry.length / (cluster.now - entry.started).max(1e-9)).min(1.0);
        self.host_does(cluster, host, admission::Event::Ended { key: Key { home, id }, busy });
        if !entry.first {
            let rank = self.hosts[host].admission.rank(millis(cluster.now), &self.queue);
            let rank = self.hosts[host].own_rank(rank);
            let delay = delay(cluster);
            cluster.send(delay, Message::Ended { home: entry.home, host, id, rank });
        }
    }

    fn arrived(&mut self, cluster: &mut Cluster<Message>, message: Message) {
        match message {
            Message::Ask { host, ask } => self.host_does(cluster, host, admission::Event::Asked(*ask)),
            Message::Reserved { host, key, rank } => {
                let home = number_of(&key.home);
                let host = self.hosts[host].name.clone();
                self.home_does(cluster, home, dispatch::Event::Reserved { id: key.id, host, rank });
            }
            Message::Refused { host, key, refusal, rank } => {
                let home = number_of(&key.home);
                let host = self.hosts[host].name.clone();
                self.home_does(cluster, home, dispatch::Event::Refused { id: key.id, host, refusal: *refusal, rank });
            }
            Message::Start { host, home, id } => {
                let running = cluster.machines[host].running();
                self.read(cluster.now, host, running);
                self.hosts[host].readings.changes(cluster.now, running);
                cluster.start(id.0 as u32, host);
                let key = Key { home: self.homes[home].name.clone(), id };
                self.hosts[host].admission.handle(millis(cluster.now), admission::Event::Started { key });
            }
            Message::Withdraw { host, home, id } => {
                let key = Key { home: self.homes[home].name.clone(), id };
                self.host_does(cluster, host, admission::Event::Withdrawn { key });
            }
            Message::Ended { home, host, id, rank } => {
                let host = self.hosts[host].name.clone();
                self.home_does(cluster, home, dispatch::Event::Ended { id, host, rank: Some(rank) });
            }
            Message::Look { host } => {
                let running = cluster.machines[host].running();
                self.read(cluster.now, host, running);
                if millis(cluster.now) >= self.hosts[host].look {
                    self.look(cluster, host);
                }
            }
            Message::News { host, number, state } => {
                let heard = millis(cluster.now);
                if number > self.hosts[host].heard {
                    self.hosts[host].heard = number;
                    // A home knows its own host without news.
                    for home in (0..self.homes.len()).filter(|home| *home != host) {
                        let name = self.hosts[host].name.clone();
                        let news = HostNews {
                            host: name,
                            state: (*state).clone(),
                            edition: edition(number),
                            heard,
                            unavailable: None,
                        };
                        let event = dispatch::Event::HostsChanged { changed: vec![news], gone: Vec::new() };
                        self.home_does(cluster, home, event);
                    }
                }
            }
        }
    }
}

impl Host {
    fn own_rank(&mut self, value: f64) -> OwnRank {
        self.words += 1;
        OwnRank { value, edition: edition(self.published), number: self.words }
    }
}

/// The first record is that of the beginning.
fn edition(number: u64) -> Edition {
    Edition { incarnation: 1, sequence: number }
}

/// One way through a local network and two programs.
fn delay(cluster: &mut Cluster<Message>) -> f64 {
    0.0001 + 0.0009 * cluster.random.fraction()
}

fn name_of(host: usize) -> HostName {
    format!("h{host}").into()
}

fn number_of(host: &HostName) -> usize {
    host.as_str()[1..].parse().expect("all names are made by name_of")
}
