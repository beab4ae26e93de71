//! Which job is placed next, and whom do we ask? One dispatcher per home.
//!
//! A submission goes into a lane in one order and is asked for at the best host that seems
//! to have room. The host has the last word; its answer corrects what is known of it. Each
//! submission ends in exactly one `Place` or `Refuse` unless it is cancelled.
//!
//! | State | next host found | reserved | refused, silent | nothing to ask | cancelled |
//! |---|---|---|---|---|---|
//! | in line | asking | (late) placed | - | waits, refused or local | gone |
//! | asking | - | placed | in line | - | gone, reservation given back |
//! | gone, placed | - | given back | - | - | - |
//!
//! What happens in between:
//! - `Worse`: the next best is asked; after three, the best by the answers, uncompared.
//! - `Full`: the host remembers that this home waits and offers a slot later; the home asks
//!   again before it is forgotten. At most [`MOST_REGISTERED`] hosts are made to remember.
//! - A host that cannot run the job is not asked for it again.
//! - Silence for 300 ms: a session goes to the next host, and the host is not asked by
//!   anybody until it is heard or 5 s have passed. A batch job is waited for.

mod event;
mod hosts;
mod lanes;
mod search;
mod words;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use wire::api::{OnFull, Refusal, RefusalKind};

pub use event::{Action, Event, HostNews, Submission, Work};

use super::admission::{IfFull, Slot};
use super::choose;
use super::names::{HostName, JobId, QueueName, UserName};
use super::random::Random;
use super::rank::Figures;
use super::time::Millis;
use hosts::Hosts;
use lanes::{LaneKey, Lanes, Place};
use search::{Next, Question};

/// How long a host may take to answer.
pub const ANSWER: Duration = Duration::from_millis(300);

/// How many jobs may be in line on one home.
pub const MOST_IN_LINE: usize = 10_000;

/// How many full hosts are made to remember that this home waits.
pub const MOST_REGISTERED: usize = 16;

/// How often a job is refused as worse before the best host by the answers is asked without
/// comparison.
pub const MOST_WORSE: usize = 3;

/// The dispatcher of one home.
#[derive(Debug)]
pub struct Dispatcher {
    own: HostName,
    random: Random,
    hosts: Hosts,
    lanes: Lanes,
    jobs: HashMap<JobId, Job>,
    placed: HashMap<JobId, Placed>,
    /// When questions have been open for too long.
    deadlines: BTreeSet<(Millis, JobId)>,
    /// When to look again at hosts that were full or silent.
    look_again: Option<Millis>,
    turns: u64,
}

#[derive(Debug)]
struct Job {
    submission: Submission,
    lane: LaneKey,
    place: Place,
    phase: Phase,
    /// Hosts that refused as worse, with their ranks.
    worse: Vec<(usize, f64)>,
    /// Hosts that will not run it, and why.
    cannot: Vec<(usize, Refusal)>,
    /// Hosts that owe an answer.
    silent: Vec<usize>,
    /// What the client was told last.
    told: Option<String>,
}

#[derive(Debug)]
enum Phase {
    InLine,
    Asking { question: Question, deadline: Millis },
}

#[derive(Debug)]
struct Placed {
    host: usize,
    user: UserName,
    queue: QueueName,
}

impl Dispatcher {
    /// The dispatcher of the host `own`; `seed` decides how ties are broken.
    pub fn new(own: HostName, seed: u64) -> Self {
        Self {
            own,
            random: Random::new(seed),
            hosts: Hosts::default(),
            lanes: Lanes::default(),
            jobs: HashMap::new(),
            placed: HashMap::new(),
            deadlines: BTreeSet::new(),
            look_again: None,
            turns: 0,
        }
    }

    /// Takes what happened and says what is to be done, in this order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Submitted(submission) => self.submitted(now, submission, &mut actions),
            Event::Reserved { id, host, rank } => self.reserved(now, id, &host, rank, &mut actions),
            Event::Refused { id, host, refusal, rank } => {
                self.refused(now, id, &host, refusal, rank, &mut actions);
            }
            Event::Silent { id, host } => {
                if let Some(host) = self.hosts.number(&host) {
                    self.silent(now, id, host, &mut actions);
                }
            }
            Event::HostsChanged { changed, gone } => self.hosts_changed(now, changed, gone, &mut actions),
            Event::Ranked { queue, host, rule } => self.hosts.ranked(queue, host.as_ref(), rule),
            Event::SlotFreed { host, queue } => self.slot_freed(now, host, queue, &mut actions),
            Event::Ended { id, host } => self.ended(now, id, &host, &mut actions),
            Event::Cancelled { id } => self.cancelled(now, id, &mut actions),
            Event::Tick => self.tick(now, &mut actions),
        }
        actions
    }

    /// When to call `handle` with [`Event::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Millis> {
        let answer = self.deadlines.first().map(|(deadline, _)| *deadline);
        answer.into_iter().chain(self.look_again).min()
    }

    /// How many jobs are in line and not being asked for.
    pub fn in_line(&self) -> usize {
        self.lanes.len()
    }

    fn submitted(&mut self, now: Millis, submission: Submission, actions: &mut Vec<Action>) {
        let id = submission.id;
        if self.jobs.contains_key(&id) || self.placed.contains_key(&id) {
            return;
        }
        if self.lanes.len() >= MOST_IN_LINE {
            actions.push(Action::Refuse { id, refusal: words::line_too_long(MOST_IN_LINE) });
            return;
        }
        match search::lane_of(&submission, &self.hosts) {
            Ok(lane) => {
                self.turns += 1;
                let place = Place { turn: self.turns, id };
                self.lanes.insert(&lane, submission.priority, &submission.user, place);
                let (worse, cannot, silent) = (Vec::new(), Vec::new(), Vec::new());
                let job =
                    Job { lane: lane.clone(), submission, place, phase: Phase::InLine, worse, cannot, silent, told: None };
                self.jobs.insert(id, job);
                self.pump(now, vec![lane], actions);
            }
            Err(refusal) => actions.push(Action::Refuse { id, refusal }),
        }
    }

    fn reserved(&mut self, now: Millis, id: JobId, name: &HostName, rank: f64, actions: &mut Vec<Action>) {
        let release = Action::Release { id, host: name.clone() };
        let Some(host) = self.hosts.number(name) else {
            actions.push(release);
            return;
        };
        let Some(job) = self.jobs.get(&id) else {
            // The same host may have been asked twice; what it holds is what was placed.
            if self.placed.get(&id).is_none_or(|placed| placed.host != host) {
                actions.push(release);
            }
            return;
        };
        let reason = match &job.phase {
            Phase::Asking { question, .. } if question.host == host => self.reason(job, question, rank),
            // It comes late, but the job is still without a host.
            _ if job.silent.contains(&host) => self.reason_of_late(job, host, rank),
            _ => {
                actions.push(release);
                return;
            }
        };
        let job = self.take(id);
        let queue = job.submission.queue;
        let rule = self.hosts.rule(host, &queue);
        self.hosts[host].told_rank(rank, rule);
        self.hosts[host].started(now, &queue);
        self.lanes.begin(&job.submission.user);
        self.placed.insert(id, Placed { host, user: job.submission.user, queue });
        actions.push(Action::Place { id, host: name.clone(), reason });
        self.pump_host(now, host, actions);
    }

    fn refused(
        &mut self,
        now: Millis,
        id: JobId,
        name: &HostName,
        refusal: Refusal,
        rank: f64,
        actions: &mut Vec<Action>,
    ) {
        let Some(host) = self.hosts.number(name) else { return };
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let rule = self.hosts.rule(host, &job.submission.queue);
        self.hosts[host].told_rank(rank, rule);
        if refusal.kind == RefusalKind::Full {
            self.hosts[host].is_full(now, &job.submission.queue, refusal.message.clone());
            look_again_at(&mut self.look_again, now + hosts::FULL);
        }
        let slot = match &job.phase {
            Phase::Asking { question, .. } if question.host == host => question.slot,
            Phase::Asking { .. } | Phase::InLine => return,
        };
        match refusal.kind {
            RefusalKind::Usage => {
                self.take(id);
                actions.push(Action::Refuse { id, refusal });
                return;
            }
            RefusalKind::Full if slot == Slot::Without => {
                self.take(id);
                let message = format!("{name}: {}", refusal.message);
                actions.push(Action::Refuse { id, refusal: Refusal { message, ..refusal } });
                return;
            }
            RefusalKind::Worse => job.worse.push((host, rank)),
            RefusalKind::Full => {}
            RefusalKind::NotFound | RefusalKind::NotExecutable | RefusalKind::NoDirectory | RefusalKind::Failed => {
                job.cannot.push((host, refusal));
            }
        }
        self.back_in_line(id, Some(host));
        self.pump_host(now, host, actions);
        self.pump_job(now, id, actions);
    }

    fn silent(&mut self, now: Millis, id: JobId, host: usize, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match &job.phase {
            Phase::Asking { question, .. } if question.host == host && job.submission.work == Work::Session => {
                job.silent.push(host);
                self.back_in_line(id, None);
                self.hosts[host].silent(now);
                look_again_at(&mut self.look_again, now + hosts::SUSPECTED);
                self.pump_job(now, id, actions);
                self.pump_host(now, host, actions);
            }
            Phase::Asking { .. } | Phase::InLine => {}
        }
    }

    fn hosts_changed(
        &mut self,
        now: Millis,
        changed: Vec<HostNews>,
        gone: Vec<HostName>,
        actions: &mut Vec<Action>,
    ) {
        for name in gone {
            self.hosts.forget(&name);
            if let Some(host) = self.hosts.number(&name) {
                for (_, placed) in self.placed.extract_if(|_, placed| placed.host == host) {
                    self.lanes.end(&placed.user);
                }
            }
        }
        let changed: Vec<usize> = changed.into_iter().map(|news| self.hosts.learn(news)).collect();
        if self.lanes.len() > 0 {
            let lanes = self.lanes.keys().filter(|lane| changed.iter().any(|host| self.may_open(now, lane, *host)));
            let lanes = lanes.cloned().collect();
            self.pump(now, lanes, actions);
        }
    }

    fn slot_freed(&mut self, now: Millis, name: HostName, queue: QueueName, actions: &mut Vec<Action>) {
        let Some(host) = self.hosts.number(&name) else {
            actions.push(Action::Decline { host: name, queue });
            return;
        };
        self.hosts[host].is_open(&queue);
        let lanes = self.lanes.keys().filter(|lane| lane.queue == queue && search::admits(lane, &self.hosts[host]));
        match lanes.filter_map(|lane| self.lanes.first(lane)).min() {
            Some(first) => {
                let figures = self.hosts[host].figures(&queue);
                let question = Question { host, figures, runner_up: None, slot: Slot::Counted };
                self.ask(now, first.place.id, question, actions);
            }
            None => actions.push(Action::Decline { host: name, queue }),
        }
    }

    fn ended(&mut self, now: Millis, id: JobId, name: &HostName, actions: &mut Vec<Action>) {
        let Some(host) = self.hosts.number(name) else { return };
        if self.placed.get(&id).is_none_or(|placed| placed.host != host) {
            return;
        }
        if let Some(placed) = self.placed.remove(&id) {
            self.lanes.end(&placed.user);
            self.hosts[host].ended(now, &placed.queue);
            self.pump_host(now, host, actions);
        }
    }

    fn cancelled(&mut self, now: Millis, id: JobId, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get(&id) else { return };
        let host = match &job.phase {
            Phase::Asking { question, .. } => Some(question.host),
            Phase::InLine => None,
        };
        self.take(id);
        if let Some(host) = host {
            self.pump_host(now, host, actions);
        }
    }

    fn tick(&mut self, now: Millis, actions: &mut Vec<Action>) {
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(Job { phase: Phase::Asking { question, .. }, .. }) = self.jobs.get(&id) {
                let host = question.host;
                self.silent(now, id, host, actions);
            }
        }
        if self.look_again.is_some_and(|at| at <= now) {
            self.look_again = None;
            if self.lanes.len() > 0 {
                look_again_at(&mut self.look_again, now + hosts::SUSPECTED);
                let lanes = self.lanes.keys().cloned().collect();
                self.pump(now, lanes, actions);
            }
        }
    }

    /// Asks for as many jobs of these lanes as there is room for, in order.
    fn pump(&mut self, now: Millis, mut lanes: Vec<LaneKey>, actions: &mut Vec<Action>) {
        loop {
            let firsts = lanes.iter().enumerate();
            let firsts = firsts.filter_map(|(number, lane)| Some((self.lanes.first(lane)?, number)));
            let Some((first, number)) = firsts.min() else { return };
            let id = first.place.id;
            match self.next(now, id) {
                Next::Ask(question) => self.ask(now, id, question, actions),
                Next::Later => {
                    lanes.swap_remove(number);
                }
                Next::Nobody => {
                    let lane = lanes.swap_remove(number);
                    for id in self.lanes.take_new(&lane) {
                        self.conclude(now, id, actions);
                    }
                }
            }
        }
    }

    /// Something changed at this host: whoever may run there is looked at.
    fn pump_host(&mut self, now: Millis, host: usize, actions: &mut Vec<Action>) {
        if self.lanes.len() > 0 {
            let lanes = self.lanes.keys().filter(|lane| search::admits(lane, &self.hosts[host]));
            let lanes = lanes.cloned().collect();
            self.pump(now, lanes, actions);
        }
    }

    fn pump_job(&mut self, now: Millis, id: JobId, actions: &mut Vec<Action>) {
        if let Some(Job { lane, phase: Phase::InLine, .. }) = self.jobs.get(&id) {
            let lanes = vec![lane.clone()];
            self.pump(now, lanes, actions);
        }
    }

    fn ask(&mut self, now: Millis, id: JobId, question: Question, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let submission = &job.submission;
        self.lanes.remove(&job.lane, submission.priority, &submission.user, job.place);
        self.lanes.begin(&submission.user);
        let deadline = now + ANSWER;
        if submission.work == Work::Session {
            self.deadlines.insert((deadline, id));
        }
        let host = &mut self.hosts[question.host];
        host.asked();
        actions.push(Action::Ask {
            id,
            host: host.name.clone(),
            runner_up_rank: question.runner_up.as_ref().map(|(_, _, rank)| *rank),
            slot: question.slot,
            if_full: if submission.on_full == OnFull::Wait { IfFull::Remember } else { IfFull::Forget },
            deadline,
        });
        job.phase = Phase::Asking { question, deadline };
    }

    /// The question is over; the job is in line again. `answered` is the host if it did.
    fn back_in_line(&mut self, id: JobId, answered: Option<usize>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if let Phase::Asking { deadline, .. } = std::mem::replace(&mut job.phase, Phase::InLine) {
            self.deadlines.remove(&(deadline, id));
        }
        if let Some(host) = answered {
            self.hosts[host].answered();
        }
        let Submission { user, priority, .. } = &job.submission;
        self.lanes.end(user);
        for (host, _) in &job.cannot {
            let name = &self.hosts[*host].name;
            if let Err(place) = job.lane.barred.binary_search(name) {
                job.lane.barred.insert(place, name.clone());
            }
        }
        self.lanes.insert(&job.lane, *priority, user, job.place);
    }

    /// The submission is over.
    fn take(&mut self, id: JobId) -> Job {
        let job = self.jobs.remove(&id).expect("callers have just seen this job");
        let Submission { user, priority, .. } = &job.submission;
        match &job.phase {
            Phase::Asking { question, deadline } => {
                self.deadlines.remove(&(*deadline, id));
                self.lanes.end(user);
                self.hosts[question.host].answered();
            }
            Phase::InLine => self.lanes.remove(&job.lane, *priority, user, job.place),
        }
        job
    }

    /// No host can be asked for this job now: it waits, is refused, or runs at home.
    fn conclude(&mut self, now: Millis, id: JobId, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if matches!(job.phase, Phase::Asking { .. }) {
            return;
        }
        job.worse.clear();
        let obstacles = search::obstacles(now, &self.jobs[&id], &self.hosts);
        let job = &self.jobs[&id];
        let is_full = obstacles.iter().any(|(_, obstacle)| matches!(obstacle, words::Obstacle::Full(_)));
        let refusal = match (is_full, job.submission.on_full) {
            (false, _) => words::nobody(&job.submission, &obstacles),
            (true, OnFull::Fail) => words::no_room(&job.submission, &obstacles),
            (true, OnFull::Wait) => return self.wait(id, &obstacles, actions),
            (true, OnFull::Local) => match self.hosts.number(&self.own) {
                Some(host) if job.cannot.iter().all(|(other, _)| *other != host) => {
                    let figures = self.hosts[host].figures(&job.submission.queue);
                    let question = Question { host, figures, runner_up: None, slot: Slot::Without };
                    return self.ask(now, id, question, actions);
                }
                _ => words::nobody(&job.submission, &obstacles),
            },
        };
        self.take(id);
        actions.push(Action::Refuse { id, refusal });
    }

    fn wait(&mut self, id: JobId, obstacles: &words::Obstacles, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let ahead = self.lanes.ahead(&job.lane, job.submission.priority, job.place);
        let text = words::waiting(&job.submission, obstacles, ahead);
        if job.told.as_ref() != Some(&text) {
            job.told = Some(text.clone());
            actions.push(Action::Wait { id, text });
        }
    }

    fn reason(&self, job: &Job, question: &Question, rank: f64) -> String {
        let rule = self.hosts.rule(question.host, &job.submission.queue);
        let mut chosen = question.figures;
        if let Some(busy) = Figures::busy_of_share(rank, chosen.cpus, chosen.speed) {
            chosen.busy = busy;
        }
        let runner_up = question.runner_up.as_ref();
        let runner_up = runner_up.map(|(host, figures, _)| (&self.hosts[*host].name, figures));
        choose::reason(rule, &chosen, runner_up)
    }

    fn reason_of_late(&self, job: &Job, host: usize, rank: f64) -> String {
        let figures = self.hosts[host].figures(&job.submission.queue);
        self.reason(job, &Question { host, figures, runner_up: None, slot: Slot::Counted }, rank)
    }
}

fn look_again_at(look_again: &mut Option<Millis>, at: Millis) {
    *look_again = Some(look_again.map_or(at, |other| other.min(at)));
}

#[cfg(test)]
mod tests;
