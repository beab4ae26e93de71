//! What a home knows of the hosts: the news, corrected by what it has heard from the host
//! itself since, and by its own starts that no news can show yet.
//!
//! For each queue there is a flat list of views, one for each host, so that the best of ten
//! thousand hosts is found without looking anything up.

use std::collections::HashMap;

use super::event::HostNews;
use super::host::{Host, QueueNumber, Source, under_way};
use crate::core::names::{HostName, QueueName};
use crate::core::rank::RankRule;
use crate::core::resources::Needs;
use crate::core::time::Millis;

/// All hosts. A host keeps its number until it is gone and another one needs it.
#[derive(Debug, Default)]
pub struct Hosts {
    list: Vec<Host>,
    numbers: HashMap<HostName, usize>,
    /// Those that are no members; some may have come back.
    gone: Vec<usize>,
    queues: Vec<QueueName>,
    /// By queue and host.
    views: Vec<Vec<View>>,
    /// By queue, for hosts that have no own one.
    rules: Vec<RankRule>,
}

/// What a start in one queue on one host looks like.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub rank: f64,
    /// The part of its CPUs that is free.
    pub spare: f64,
    /// When the newest word about it was said.
    pub said: Millis,
    pub opening: Opening,
    /// The host said that the queue is full, and is believed until then.
    pub full_until: Millis,
    /// The host owes an answer, and others are asked before it until then.
    pub suspected_until: Millis,
}

/// Whether a host can take a job of a queue, by the news and what was heard since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It may have room.
    Open,
    /// It seems to have none.
    Full,
    /// It could never run the job, by what the job needs.
    Unfit,
    /// As `Full`, but a question is under way that may tell.
    FullIfAsked,
    /// It does not know this queue.
    NoQueue,
    /// It cannot be asked, or is gone.
    Unavailable,
}

impl View {
    /// Whether it may be asked in the hope that it has room.
    pub fn is_open(&self, now: Millis) -> bool {
        self.opening == Opening::Open && self.full_until <= now
    }
}

impl Hosts {
    pub fn number(&self, name: &HostName) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The hosts that are members, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Host)> {
        self.list.iter().enumerate().filter(|(_, host)| !host.is_gone())
    }

    pub fn known(&self) -> Vec<HostName> {
        self.iter().map(|(_, host)| host.name.clone()).collect()
    }

    /// Every host ever known as it looks to a start in `queue`, by number.
    pub fn views(&self, queue: QueueNumber) -> &[View] {
        &self.views[queue.0]
    }

    pub fn view(&self, host: usize, queue: QueueNumber) -> &View {
        &self.views[queue.0][host]
    }

    /// The same for a start that needs this.
    pub fn seen(&self, host: usize, queue: QueueNumber, needs: &Needs) -> View {
        let view = *self.view(host, queue);
        if needs.are_plain() { view } else { self.list[host].seen(queue, needs, view) }
    }

    /// Whether any queue there may have room.
    pub fn has_room(&self, now: Millis, number: usize) -> bool {
        self.views.iter().any(|views| views[number].is_open(now))
    }

    /// The number of a queue that some host has told of.
    pub fn find_queue(&self, name: &str) -> Option<QueueNumber> {
        self.queues.iter().position(|queue| queue.as_str() == name).map(QueueNumber)
    }

    /// The number of a queue, made when it is new.
    fn queue(&mut self, name: &str) -> QueueNumber {
        self.find_queue(name).unwrap_or_else(|| {
            self.queues.push(name.into());
            self.rules.push(RankRule::default());
            let queue = QueueNumber(self.views.len());
            let views = self.list.iter().map(|host| host.view(queue, RankRule::default()));
            self.views.push(views.collect());
            queue
        })
    }

    /// Frees the number of a host that is gone, should `name` be new: hosts that come and go
    /// for years must not make the list longer. Gives the number, which means `name` now.
    pub fn make_room_for(&mut self, name: &HostName) -> Option<usize> {
        if self.numbers.contains_key(name) {
            return None;
        }
        self.gone.retain(|number| self.list[*number].is_gone());
        let place = self.gone.iter().position(|number| self.list[*number].can_be_replaced())?;
        let number = self.gone.swap_remove(place);
        self.numbers.remove(&self.list[number].name);
        self.numbers.insert(name.clone(), number);
        self.list[number] = Host::new(name.clone());
        Some(number)
    }

    /// Takes a record from the table. Gives the host's number.
    pub fn learn(&mut self, news: HostNews, own: &HostName) -> usize {
        let known = self.numbers.get(&news.host).copied();
        let number = known.unwrap_or(self.list.len());
        if known.is_none() {
            self.numbers.insert(news.host.clone(), number);
            self.list.push(Host::new(news.host.clone()));
            for (queue, views) in self.views.iter_mut().enumerate() {
                views.push(self.list[number].view(QueueNumber(queue), self.rules[queue]));
            }
        }
        let source = match news.host == *own {
            true => Source::Itself,
            false => Source::News { edition: news.edition, under_way: under_way(self.list.len()) },
        };
        let HostNews { state, heard, unavailable, .. } = news;
        if self.list[number].learn(&state, heard, unavailable, source) {
            for state in &state.queues {
                let queue = self.queue(&state.queue);
                self.list[number].learn_queue(queue, state);
            }
        }
        self.refresh(number);
        number
    }

    pub fn forget(&mut self, number: usize) {
        if !self.list[number].is_gone() {
            self.list[number].forget();
            self.gone.push(number);
            self.refresh(number);
        }
    }

    /// Changes what is known of a host.
    pub fn change<R>(&mut self, number: usize, change: impl FnOnce(&mut Host) -> R) -> R {
        let result = change(&mut self.list[number]);
        self.refresh(number);
        result
    }

    /// The formula of `queue` on `host`, or on all hosts that have no own one.
    pub fn ranked(&mut self, queue: &QueueName, host: Option<&HostName>, rule: RankRule) {
        let queue = self.queue(queue.as_str());
        match host.map(|host| self.number(host)) {
            None => self.rules[queue.0] = rule,
            Some(Some(number)) => self.list[number].ranked(queue, rule),
            Some(None) => {}
        }
        (0..self.list.len()).for_each(|number| self.refresh(number));
    }

    pub fn rule(&self, number: usize, queue: QueueNumber) -> RankRule {
        self.list[number].rule(queue).unwrap_or(self.rules[queue.0])
    }

    fn refresh(&mut self, number: usize) {
        for (queue, views) in self.views.iter_mut().enumerate() {
            views[number] = self.list[number].view(QueueNumber(queue), self.rules[queue]);
        }
    }
}

impl std::ops::Index<usize> for Hosts {
    type Output = Host;

    fn index(&self, number: usize) -> &Host {
        &self.list[number]
    }
}
