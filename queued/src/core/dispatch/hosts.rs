//! What a home knows of the hosts: the news, corrected by what it has heard from the host
//! itself since, and by its own starts that no news can show yet.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use wire::news::{HostState, QueueState};

use super::event::HostNews;
use crate::core::names::{HostName, QueueName};
use crate::core::rank::{Figures, RankRule};
use crate::core::time::Millis;

/// News may have been under way for this long: what happened so short before it was heard
/// counts beside it.
pub const UNDER_WAY: Duration = Duration::from_secs(2);

/// How long a host that let a question time out is not asked again, unless it is heard.
pub const SUSPECTED: Duration = Duration::from_secs(5);

/// How long a host's answer that a queue is full is believed without asking again. Shorter
/// than a host remembers who waits.
pub const FULL: Duration = Duration::from_secs(20);

/// One host.
#[derive(Debug)]
pub struct Host {
    pub name: HostName,
    /// Why it cannot be asked, in words that follow its name.
    pub unavailable: Option<String>,
    pub gone: bool,
    state: HostState,
    heard: Millis,
    /// Tasks that want a CPU there, as far as this home knows.
    busy: f64,
    /// Questions without an answer: each may be a start.
    asked: u32,
    /// Own starts and ends that the next news may not show yet.
    recent: VecDeque<(Millis, f64)>,
    /// Since when it owes an answer.
    suspected: Option<Millis>,
    /// Queues it said are full, when, and in which words.
    full: Vec<(QueueName, Millis, String)>,
    rules: Vec<(QueueName, RankRule)>,
}

/// Whether a host can take a job of a queue, as far as this home knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It may have room.
    Open,
    /// By the news it has none; it has not said so itself.
    SeemsFull,
    /// It said so itself, and remembers that this home waits.
    Full,
    /// It does not know this queue.
    NoQueue,
}

/// All hosts; a host keeps its number for ever.
#[derive(Debug, Default)]
pub struct Hosts {
    list: Vec<Host>,
    numbers: HashMap<HostName, usize>,
    rules: HashMap<QueueName, RankRule>,
}

impl Hosts {
    pub fn number(&self, name: &HostName) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Host)> {
        self.list.iter().enumerate().filter(|(_, host)| !host.gone)
    }

    pub fn known(&self) -> Vec<HostName> {
        self.iter().map(|(_, host)| host.name.clone()).collect()
    }

    /// Takes a record from the table. Gives the host's number.
    pub fn learn(&mut self, news: HostNews) -> usize {
        let number = *self.numbers.entry(news.host.clone()).or_insert(self.list.len());
        if number == self.list.len() {
            self.list.push(Host::new(news));
        } else {
            self.list[number].learn(news);
        }
        number
    }

    pub fn forget(&mut self, name: &HostName) {
        if let Some(number) = self.number(name) {
            self.list[number].gone = true;
        }
    }

    /// The formula of `queue` on `host`, or on all hosts that have no own one.
    pub fn ranked(&mut self, queue: QueueName, host: Option<&HostName>, rule: RankRule) {
        match host.map(|host| self.number(host)) {
            None => {
                self.rules.insert(queue, rule);
            }
            Some(Some(number)) => {
                let rules = &mut self.list[number].rules;
                rules.retain(|(other, _)| *other != queue);
                rules.push((queue, rule));
            }
            Some(None) => {}
        }
    }

    pub fn rule(&self, number: usize, queue: &QueueName) -> RankRule {
        let own = self.list[number].rules.iter().find(|(other, _)| other == queue).map(|(_, rule)| *rule);
        own.or_else(|| self.rules.get(queue).copied()).unwrap_or_default()
    }
}

impl std::ops::Index<usize> for Hosts {
    type Output = Host;

    fn index(&self, number: usize) -> &Host {
        &self.list[number]
    }
}

impl std::ops::IndexMut<usize> for Hosts {
    fn index_mut(&mut self, number: usize) -> &mut Host {
        &mut self.list[number]
    }
}

impl Host {
    fn new(news: HostNews) -> Self {
        let busy = news.state.runnable + f64::from(news.state.starting);
        Self {
            name: news.host,
            unavailable: news.unavailable,
            gone: false,
            state: news.state,
            heard: news.heard,
            busy,
            asked: 0,
            recent: VecDeque::new(),
            suspected: None,
            full: Vec::new(),
            rules: Vec::new(),
        }
    }

    fn learn(&mut self, news: HostNews) {
        self.gone = false;
        self.unavailable = news.unavailable;
        if news.heard <= self.heard {
            return;
        }
        self.heard = news.heard;
        self.state = news.state;
        self.suspected = None;
        self.full.clear();
        while self.recent.front().is_some_and(|(at, _)| news.heard.since(*at) > UNDER_WAY) {
            self.recent.pop_front();
        }
        let beside: f64 = self.recent.iter().map(|(_, change)| change).sum();
        self.busy = (self.state.runnable + f64::from(self.state.starting) + beside).max(0.0);
    }

    /// What its rank is made of, with what this home is asking it for.
    pub fn figures(&self, queue: &QueueName) -> Figures {
        let running = self.queue(queue).map_or(0, |queue| queue.running);
        Figures {
            busy: self.busy + f64::from(self.asked),
            cpus: self.state.cpus,
            speed: self.state.speed,
            load1: self.state.load1,
            running: running + self.asked,
        }
    }

    pub fn asked(&mut self) {
        self.asked += 1;
    }

    pub fn has_questions(&self) -> bool {
        self.asked > 0
    }

    /// It has answered, whatever it said.
    pub fn answered(&mut self) {
        self.asked = self.asked.saturating_sub(1);
        self.suspected = None;
    }

    /// It did not answer in time.
    pub fn silent(&mut self, now: Millis) {
        self.asked = self.asked.saturating_sub(1);
        self.suspected = Some(now);
    }

    pub fn is_suspected(&self, now: Millis) -> bool {
        self.suspected.is_some_and(|since| now.since(since) < SUSPECTED)
    }

    /// It told its rank, computed by `rule`.
    pub fn told_rank(&mut self, rank: f64, rule: RankRule) {
        if rule == RankRule::Share {
            let free = f64::from(self.state.cpus.max(1)) - 1.0;
            let busy = Figures::busy_of_share(rank, self.state.cpus, self.state.speed);
            self.busy = busy.unwrap_or(self.busy.min(free));
        }
    }

    /// A job of this home starts there.
    pub fn started(&mut self, now: Millis, queue: &QueueName) {
        self.change(now, queue, 1);
    }

    /// A job of this home has ended there.
    pub fn ended(&mut self, now: Millis, queue: &QueueName) {
        self.change(now, queue, -1);
        self.full.retain(|(other, ..)| other != queue);
    }

    pub fn is_full(&mut self, now: Millis, queue: &QueueName, words: String) {
        self.full.retain(|(other, ..)| other != queue);
        self.full.push((queue.clone(), now, words));
    }

    /// It offers a slot of `queue`.
    pub fn is_open(&mut self, queue: &QueueName) {
        self.full.retain(|(other, ..)| other != queue);
    }

    pub fn opening(&self, now: Millis, queue: &QueueName) -> Opening {
        if self.full_words(now, queue).is_some() {
            return Opening::Full;
        }
        let Some(state) = self.queue(queue) else { return Opening::NoQueue };
        let is_full = state.limit.is_some_and(|limit| state.running + self.asked >= limit);
        if is_full || state.shut.is_some() { Opening::SeemsFull } else { Opening::Open }
    }

    /// In which words it said that `queue` is full.
    pub fn full_words(&self, now: Millis, queue: &QueueName) -> Option<&str> {
        let said = self.full.iter().find(|(other, at, _)| other == queue && now.since(*at) < FULL);
        said.map(|(_, _, words)| words.as_str())
    }

    fn queue(&self, queue: &QueueName) -> Option<&QueueState> {
        self.state.queues.iter().find(|state| state.queue == queue.as_str())
    }

    fn change(&mut self, now: Millis, queue: &QueueName, by: i32) {
        self.busy = (self.busy + f64::from(by)).max(0.0);
        self.recent.push_back((now, f64::from(by)));
        while self.recent.front().is_some_and(|(at, _)| now.since(*at) > UNDER_WAY) {
            self.recent.pop_front();
        }
        if let Some(state) = self.state.queues.iter_mut().find(|state| state.queue == queue.as_str()) {
            state.running = state.running.saturating_add_signed(by);
        }
    }
}
