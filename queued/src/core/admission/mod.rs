//! May this start happen here, now? The running host's own word, which is the last one.
//!
//! Admission alone counts the slots of its host, whoever asks: sessions and batch jobs, its
//! own home and the others. A start is accepted (the slot is held for 5 s until the client
//! releases it), refused with the true state, or refused as worse than the home's runner-up.
//! Whoever was refused because a queue is full is remembered for 30 s, and a slot that
//! becomes free is offered and held for one of them.
//!
//! | State of a start | asked | started | withdrawn | ended | 5 s passed |
//! |---|---|---|---|---|---|
//! | none | reserved or refused | - | - | - | - |
//! | reserved | accepted again | running | none | none | void, none |
//! | running | refused | - | - | none | - |

mod event;
mod waiting;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use wire::api::{Refusal, RefusalKind};
use wire::news::{HostState, QueueState};

pub use event::{Action, Ask, Event, IfFull, Key, QueueRule, Slot};

use super::estimate::Estimate;
use super::names::{QueueName, UserName};
use super::rank::Figures;
use super::time::Millis;
use waiting::{Offers, Waiting};

/// How long a reservation waits for its client.
pub const RESERVATION: Duration = Duration::from_secs(5);

/// A host refuses as worse only when its rank exceeds the runner-up's by more than this part.
pub const TOLERANCE: f64 = 0.05;

/// The slots of one host.
#[derive(Debug)]
pub struct Admission {
    cpus: u32,
    speed: f64,
    load1: f64,
    estimate: Estimate,
    queues: Vec<QueueRule>,
    starts: HashMap<Key, Start>,
    /// When the reservations among the starts end.
    reservations: BTreeSet<(Millis, Key)>,
    /// Starts that hold a slot, by queue.
    used: HashMap<QueueName, u32>,
    waiting: Waiting,
    offers: Offers,
}

#[derive(Debug)]
struct Start {
    user: UserName,
    queue: QueueName,
    slot: Slot,
    /// `None`: before this daemon began.
    since: Option<Millis>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reserved { until: Millis },
    Running,
}

impl Admission {
    /// A host with `cpus` CPUs for jobs and this speed relative to the others.
    pub fn new(cpus: u32, speed: f64) -> Self {
        Self {
            cpus,
            speed,
            load1: 0.0,
            estimate: Estimate::default(),
            queues: Vec::new(),
            starts: HashMap::new(),
            reservations: BTreeSet::new(),
            used: HashMap::new(),
            waiting: Waiting::default(),
            offers: Offers::default(),
        }
    }

    /// Takes what happened and says what is to be done, in this order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Queues(queues) => self.queues = queues,
            Event::Sampled { runnable, load1 } => {
                self.load1 = load1;
                self.estimate.sampled(now, runnable);
            }
            Event::Asked(ask) => actions.push(self.answer(now, ask)),
            Event::Withdrawn { key } => {
                if matches!(self.starts.get(&key), Some(Start { phase: Phase::Reserved { .. }, .. })) {
                    self.end(now, &key, 0.0);
                }
            }
            Event::Started { key } => {
                if let Some(start) = self.starts.get_mut(&key)
                    && let Phase::Reserved { until } = std::mem::replace(&mut start.phase, Phase::Running)
                {
                    self.reservations.remove(&(until, key));
                }
            }
            Event::Adopted { key, user, queue, slot } => {
                if !self.starts.contains_key(&key) {
                    self.begin(key, Start { user, queue, slot, since: None, phase: Phase::Running });
                }
            }
            Event::Ended { key, busy } => self.end(now, &key, busy),
            Event::Declined { home, queue } => {
                if let Some(waiter) = self.offers.take(&home, &queue) {
                    self.waiting.forget(&waiter);
                }
            }
            Event::Tick => {}
        }
        self.expire(now, &mut actions);
        self.offer_free_slots(now, &mut actions);
        actions
    }

    /// When to call `handle` with [`Event::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Millis> {
        let reservation = self.reservations.first().map(|(until, _)| *until);
        reservation.into_iter().chain(self.offers.next_deadline()).min()
    }

    /// The rank of this host for a start in `queue`.
    pub fn rank(&self, now: Millis, queue: &QueueName) -> f64 {
        let rule = self.rule(queue).map(|rule| rule.rank).unwrap_or_default();
        self.figures(now, queue).rank(rule)
    }

    /// The part of this host's state that admission knows; memory, platform, version and
    /// clock are left to the caller.
    pub fn state(&self, now: Millis) -> HostState {
        let starting = self.estimate.p(now).round();
        HostState {
            load1: self.load1,
            // What rounding took from `starting`, so that the sum is the truth.
            runnable: (self.estimate.busy(now) - starting).max(0.0),
            cpus: self.cpus,
            speed: self.speed,
            starting: starting as u32,
            queues: self.queues.iter().map(|rule| self.queue_state(rule)).collect(),
            ..HostState::default()
        }
    }

    /// Starts that hold a slot of `queue`, reserved and running.
    pub fn running(&self, queue: &QueueName) -> u32 {
        self.used.get(queue).copied().unwrap_or_default()
    }

    /// Tasks that want a CPU, smoothed and without those that are gone, and the load average over a minute.
    pub fn load(&self, now: Millis) -> (f64, f64) {
        (self.estimate.r(now), self.load1)
    }

    /// Whether anything runs or is reserved.
    pub fn has_starts(&self) -> bool {
        !self.starts.is_empty()
    }

    fn queue_state(&self, rule: &QueueRule) -> QueueState {
        QueueState {
            queue: rule.queue.to_string(),
            running: self.running(&rule.queue),
            limit: rule.limit,
            shut: rule.shut.clone(),
        }
    }

    fn answer(&mut self, now: Millis, ask: Ask) -> Action {
        let rank = self.rank(now, &ask.queue);
        match self.judge(now, &ask, rank) {
            Ok(()) => {
                if !self.starts.contains_key(&ask.key) {
                    self.estimate.started(now);
                    let (since, phase) = (Some(now), Phase::Reserved { until: now + RESERVATION });
                    self.begin(
                        ask.key.clone(),
                        Start { user: ask.user, queue: ask.queue, slot: ask.slot, since, phase },
                    );
                }
                Action::Accept { key: ask.key, rank }
            }
            Err(refusal) => {
                if refusal.kind == RefusalKind::Full && ask.if_full == IfFull::Remember {
                    self.waiting.remember(now, &ask);
                }
                Action::Refuse { key: ask.key, refusal, rank }
            }
        }
    }

    fn judge(&mut self, now: Millis, ask: &Ask, rank: f64) -> Result<(), Refusal> {
        match self.starts.get(&ask.key).map(|start| start.phase) {
            // The first answer was lost or is on its way: the same answer again.
            Some(Phase::Reserved { .. }) => return Ok(()),
            Some(Phase::Running) => {
                return Err(refusal(RefusalKind::Failed, format!("job {} runs here already", ask.key.id)));
            }
            None => {}
        }
        let Some(rule) = self.rule(&ask.queue) else {
            return Err(refusal(RefusalKind::Failed, format!("no queue \"{}\"", ask.queue)));
        };
        if ask.slot == Slot::Without {
            return Ok(());
        }
        if let Some(words) = &rule.shut {
            return Err(refusal(RefusalKind::Full, format!("queue \"{}\" {words}", ask.queue)));
        }
        let (limit, running) = (rule.limit.unwrap_or(u32::MAX), self.running(&ask.queue));
        // A slot that was held for this home is its own, but never one beyond the limit.
        let offered = self.offers.take(&ask.key.home, &ask.queue);
        let held = if offered.is_some() { 0 } else { self.offers.held(&ask.queue) };
        if running.saturating_add(held) >= limit {
            let words = format!("queue \"{}\" is full ({running} of {limit})", ask.queue);
            return Err(refusal(RefusalKind::Full, words));
        }
        if let Some(waiter) = offered {
            self.waiting.served(&waiter);
            return Ok(());
        }
        match ask.runner_up_rank {
            Some(other) if rank > other * (1.0 + TOLERANCE) => {
                let words = format!("{:.2} of {} CPUs busy", self.estimate.busy(now), self.cpus);
                Err(refusal(RefusalKind::Worse, words))
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, key: Key, start: Start) {
        if let Phase::Reserved { until } = start.phase {
            self.reservations.insert((until, key.clone()));
        }
        if start.slot == Slot::Counted {
            *self.used.entry(start.queue.clone()).or_default() += 1;
        }
        self.starts.insert(key, start);
    }

    fn end(&mut self, now: Millis, key: &Key, busy: f64) {
        let Some(start) = self.starts.remove(key) else { return };
        self.estimate.ended(now, start.since, busy);
        if let Phase::Reserved { until } = start.phase {
            self.reservations.remove(&(until, key.clone()));
        }
        if start.slot == Slot::Counted
            && let Some(used) = self.used.get_mut(&start.queue)
        {
            *used -= 1;
        }
    }

    fn expire(&mut self, now: Millis, actions: &mut Vec<Action>) {
        while let Some((until, key)) = self.reservations.first().cloned()
            && until <= now
        {
            self.end(now, &key, 0.0);
            actions.push(Action::Void { key });
        }
        for lapsed in self.offers.expire(now) {
            self.waiting.forget(&lapsed);
        }
        self.waiting.expire(now);
    }

    fn offer_free_slots(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.waiting.is_empty() {
            return;
        }
        let mut running_by_user: HashMap<UserName, u32> = HashMap::new();
        for start in self.starts.values() {
            *running_by_user.entry(start.user.clone()).or_default() += 1;
        }
        for rule in self.queues.iter().filter(|rule| rule.shut.is_none()) {
            let running = self.used.get(&rule.queue).copied().unwrap_or_default();
            let used = running.saturating_add(self.offers.held(&rule.queue));
            let free = rule.limit.map_or(u32::MAX, |limit| limit.saturating_sub(used));
            for _ in 0..free {
                let Some(waiter) = self.waiting.next(&rule.queue, &running_by_user, &self.offers) else { break };
                *running_by_user.entry(waiter.user.clone()).or_default() += 1;
                actions.push(Action::Offer { home: waiter.home.clone(), queue: rule.queue.clone() });
                self.offers.hold(now, waiter.clone());
            }
        }
    }

    fn rule(&self, queue: &QueueName) -> Option<&QueueRule> {
        self.queues.iter().find(|rule| rule.queue == *queue)
    }

    fn figures(&self, now: Millis, queue: &QueueName) -> Figures {
        Figures {
            busy: self.estimate.busy(now),
            cpus: self.cpus,
            speed: self.speed,
            load1: self.load1,
            running: self.running(queue),
        }
    }
}

fn refusal(kind: RefusalKind, message: String) -> Refusal {
    Refusal { message, kind }
}

#[cfg(test)]
mod tests;
