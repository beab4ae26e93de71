//! May this start happen here, now? The running host's own word, which is the last one.
//!
//! Admission alone counts the slots of its host, whoever asks: sessions and batch jobs, its
//! own home and the others. A start is accepted (the slot is held for 5 s until the client
//! releases it), refused with the true state, or refused as worse than the home's runner-up.
//! Whoever was refused because a queue is full is remembered for 30 s, and a slot that
//! becomes free is offered and held for one of them, together with what else its jobs need.
//! A job that says so takes several slots; memory and what is offered under a name is in a
//! [`Pool`]. Who waits for that holds up nobody who does not need it.
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
use super::resources::{Lack, Needs, Pool, Taken};
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
    /// What there is besides slots.
    pool: Pool<Holder>,
    /// Slots that starts hold, by queue.
    used: HashMap<QueueName, u32>,
    waiting: Waiting,
    offers: Offers,
}

#[derive(Debug)]
struct Start {
    user: UserName,
    queue: QueueName,
    slot: Slot,
    /// How many slots.
    cpus: u32,
    /// `None`: before this daemon began.
    since: Option<Millis>,
    phase: Phase,
}

/// Who has something of the pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Start(Key),
    /// It is held for a waiter.
    Offer(u64),
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(key) => key.fmt(f),
            Self::Offer(_) => f.write_str("one who waits for it"),
        }
    }
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
            pool: Pool::default(),
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
            Event::Found { memory, facts } => self.pool.found(memory, facts),
            Event::Offers(offers) => self.pool.offer(offers),
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
            Event::Adopted { key, user, queue, slot, taken } => {
                if !self.starts.contains_key(&key) {
                    // A release before did not say how many; then it was one.
                    let cpus = taken.cpus.max(1);
                    self.pool.adopt(Holder::Start(key.clone()), taken);
                    self.begin(key, Start { user, queue, slot, cpus, since: None, phase: Phase::Running });
                }
            }
            Event::Ended { key, busy } => self.end(now, &key, busy),
            Event::Declined { home, queue } => {
                if let Some(waiter) = self.offers.take_any(&home, &queue) {
                    self.pool.give_back(&Holder::Offer(waiter.number()));
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
            offers: self.pool.state(),
            ..HostState::default()
        }
    }

    /// Why a start that needs this could not begin in `queue` at this moment, were there a slot for one; `None`: it
    /// could.
    pub fn lack(&self, queue: &QueueName, needs: &Needs) -> Option<String> {
        let rule = self.rule(queue);
        let slots = rule.and_then(|rule| (needs.cpus > 1).then(|| self.too_few_slots(rule, needs, 0)).flatten());
        let pool = || self.pool.try_take(needs).err().map(|lack| lack.words().to_owned());
        self.never(queue, needs).or(slots).or_else(pool)
    }

    /// Why such a start could never begin here, as far as this host knows; `None`: some day it could.
    pub fn never(&self, queue: &QueueName, needs: &Needs) -> Option<String> {
        let slots = self.rule(queue).and_then(|rule| never_fits(rule, needs, self.cpus));
        slots.or_else(|| self.pool.could_ever(needs).err().map(|lack| lack.words().to_owned()))
    }

    /// Slots of `queue` that starts hold, reserved and running.
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
            Ok(taken) => {
                if !self.starts.contains_key(&ask.key) {
                    self.estimate.started(now);
                    let (since, phase) = (Some(now), Phase::Reserved { until: now + RESERVATION });
                    let (slot, cpus) = (ask.slot, ask.needs.cpus);
                    if ask.needs.take_something() {
                        self.pool.adopt(Holder::Start(ask.key.clone()), taken.clone());
                    }
                    self.begin(ask.key.clone(), Start { user: ask.user, queue: ask.queue, slot, cpus, since, phase });
                }
                Action::Accept { key: ask.key, rank, taken }
            }
            Err(refusal) => {
                if refusal.kind == RefusalKind::Full && ask.if_full == IfFull::Remember {
                    self.waiting.remember(now, &ask);
                }
                Action::Refuse { key: ask.key, refusal, rank }
            }
        }
    }

    fn judge(&mut self, now: Millis, ask: &Ask, rank: f64) -> Result<Taken, Refusal> {
        match self.starts.get(&ask.key).map(|start| (start.phase, start.cpus)) {
            // The first answer was lost or is on its way: the same answer again.
            Some((Phase::Reserved { .. }, cpus)) => {
                let held = self.pool.held(&Holder::Start(ask.key.clone()));
                return Ok(held.cloned().unwrap_or(Taken { cpus, ..Taken::default() }));
            }
            Some((Phase::Running, _)) => {
                return Err(refusal(RefusalKind::Failed, format!("job {} runs here already", ask.key.id)));
            }
            None => {}
        }
        let Some(rule) = self.queues.iter().find(|rule| rule.queue == ask.queue) else {
            return Err(refusal(RefusalKind::Failed, format!("no queue \"{}\"", ask.queue)));
        };
        if let Some(words) = self.never(&ask.queue, &ask.needs) {
            return Err(refusal(RefusalKind::Impossible, words));
        }
        if ask.slot == Slot::Without {
            return self.pool.try_take(&ask.needs).map_err(refused_by);
        }
        if let Some(words) = &rule.shut {
            return Err(refusal(RefusalKind::Full, format!("queue \"{}\" {words}", ask.queue)));
        }
        // What was held for this home is its own, but never a slot beyond the limit.
        let offered = self.offers.take(&ask.key.home, &ask.queue, &ask.needs);
        let held = if offered.is_some() { 0 } else { self.offers.held(&ask.queue) };
        let too_few = self.too_few_slots(rule, &ask.needs, held);
        if let Some(waiter) = &offered {
            self.pool.give_back(&Holder::Offer(waiter.number()));
        }
        if let Some(words) = too_few {
            return Err(refusal(RefusalKind::Full, words));
        }
        let taken = self.pool.try_take(&ask.needs).map_err(refused_by)?;
        if let Some(waiter) = offered {
            self.waiting.served(&waiter);
            return Ok(taken);
        }
        match ask.runner_up_rank {
            Some(other) if rank > other * (1.0 + TOLERANCE) => {
                let words = format!("{:.2} of {} CPUs busy", self.estimate.busy(now), self.cpus);
                Err(refusal(RefusalKind::Worse, words))
            }
            _ => Ok(taken),
        }
    }

    /// Whether there are fewer slots than are needed, `held` of them being for others, in words.
    fn too_few_slots(&self, rule: &QueueRule, needs: &Needs, held: u32) -> Option<String> {
        let (limit, running) = (rule.limit?, self.running(&rule.queue));
        let used = running.saturating_add(held);
        if needs.cpus <= 1 {
            return (used >= limit).then(|| format!("queue \"{}\" is full ({running} of {limit})", rule.queue));
        }
        let free = limit.saturating_sub(used);
        let words = || format!("queue \"{}\" has {free} of {limit} slots free, {} needed", rule.queue, needs.cpus);
        (free < needs.cpus).then(words)
    }

    fn begin(&mut self, key: Key, start: Start) {
        if let Phase::Reserved { until } = start.phase {
            self.reservations.insert((until, key.clone()));
        }
        if start.slot == Slot::Counted {
            let used = self.used.entry(start.queue.clone()).or_default();
            *used = used.saturating_add(start.cpus);
        }
        self.starts.insert(key, start);
    }

    fn end(&mut self, now: Millis, key: &Key, busy: f64) {
        let Some(start) = self.starts.remove(key) else { return };
        self.pool.give_back(&Holder::Start(key.clone()));
        self.estimate.ended(now, start.since, busy);
        if let Phase::Reserved { until } = start.phase {
            self.reservations.remove(&(until, key.clone()));
        }
        if start.slot == Slot::Counted
            && let Some(used) = self.used.get_mut(&start.queue)
        {
            *used = used.saturating_sub(start.cpus);
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
            self.pool.give_back(&Holder::Offer(lapsed.number()));
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
            let mut free = rule.limit.map_or(u32::MAX, |limit| limit.saturating_sub(used));
            while free > 0 {
                let pool = &self.pool;
                let fits = |needs: &Needs| needs.cpus <= free && pool.try_take(needs).is_ok();
                let Some(waiter) = self.waiting.next(&rule.queue, &running_by_user, &self.offers, fits) else { break };
                free -= waiter.needs.cpus;
                *running_by_user.entry(waiter.user.clone()).or_default() += 1;
                let job = (!waiter.needs.are_plain()).then_some(waiter.job);
                actions.push(Action::Offer { home: waiter.home.clone(), queue: rule.queue.clone(), job });
                if waiter.needs.take_something() {
                    // It was free a moment ago.
                    let _ = self.pool.take(Holder::Offer(waiter.number()), &waiter.needs);
                }
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

/// Why a start of this queue could never be so wide, if it could not. Where slots are not counted, the CPUs are the
/// measure.
fn never_fits(rule: &QueueRule, needs: &Needs, cpus: u32) -> Option<String> {
    let QueueRule { queue, limit, most_cpus, .. } = rule;
    if needs.cpus <= 1 {
        return None;
    }
    if let Some(most) = most_cpus.filter(|most| needs.cpus > *most) {
        return Some(format!("queue \"{queue}\" allows {most} CPUs a job, {} needed", needs.cpus));
    }
    match limit {
        Some(limit) if needs.cpus > *limit => {
            Some(format!("queue \"{queue}\" has {limit} slots in all, {} needed", needs.cpus))
        }
        None if needs.cpus > cpus => Some(format!("{cpus} CPUs in all, {} needed", needs.cpus)),
        Some(_) | None => None,
    }
}

fn refused_by(lack: Lack) -> Refusal {
    match lack {
        Lack::Taken(words) => refusal(RefusalKind::Full, words),
        Lack::Never(words) => refusal(RefusalKind::Impossible, words),
    }
}

fn refusal(kind: RefusalKind, message: String) -> Refusal {
    Refusal { message, kind }
}

#[cfg(test)]
mod tests;
