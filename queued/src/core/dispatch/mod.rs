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
//! - `Worse`: what was believed is out of date, so the next one asked is the one with the
//!   freshest word among the best. After three, the best by the answers, uncompared.
//! - `Full`: the host remembers that this home waits and offers a slot later; the home asks
//!   again before it is forgotten. At most [`MOST_REGISTERED`] hosts are made to remember.
//! - A host that cannot run the job is not asked for it again.
//! - Silence for 300 ms: a session goes to the next host. Others are asked before this one
//!   until it is heard or 5 s have passed. When there is no next host, a late answer is waited
//!   for as long as the host would hold the reservation. A batch job waits for its answer.

mod answers;
mod event;
mod host;
mod hosts;
mod lanes;
mod line;
mod search;
mod shares;
mod words;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use wire::api::Refusal;
use wire::news::OwnRank;

pub use event::{Action, Event, HostNews, Submission, Work};
pub use shares::Share;

use super::admission::Slot;
use super::names::{HostName, JobId, QueueName, UserName};
use super::random::Random;
use super::time::Millis;
use answers::Silence;
use host::QueueNumber;
use hosts::Hosts;
use lanes::{LaneKey, Lanes, Place};
use search::Question;

/// How long a host may take to answer.
pub const ANSWER: Duration = Duration::from_millis(300);

/// How many jobs may be in line on one home.
pub const MOST_IN_LINE: usize = 10_000;

/// How many full hosts are made to remember that this home waits.
pub const MOST_REGISTERED: usize = 16;

/// How often a job is refused as worse before the best host by the answers is asked without
/// comparison.
pub const MOST_WORSE: usize = 3;

/// How often those who wait are looked at although nothing has happened: hosts that said they
/// were full are asked again in time, and what is waited for may be gone.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The dispatcher of one home.
#[derive(Debug)]
pub struct Dispatcher {
    own: HostName,
    random: Random,
    hosts: Hosts,
    lanes: Lanes,
    jobs: HashMap<JobId, Job>,
    placed: HashMap<JobId, Placed>,
    /// Hosts to which a question was over in this event.
    over: Vec<usize>,
    /// Lanes that somebody has left in this event, perhaps the one who held up the others.
    left: Vec<LaneKey>,
    deadlines: BTreeSet<(Millis, JobId, Due)>,
    /// When to look again at hosts that were full or silent.
    look_again: Option<Millis>,
    turns: u64,
}

#[derive(Debug)]
struct Job {
    submission: Submission,
    queue: QueueNumber,
    lane: LaneKey,
    place: Place,
    phase: Phase,
    /// Hosts that refused as worse since it was last found that nobody can be asked.
    worse: Vec<usize>,
    /// Hosts that were full since then.
    full: Vec<usize>,
    /// Hosts that will not run it, and why.
    cannot: Vec<(usize, Refusal)>,
    /// Hosts that did not answer in time.
    silent: Vec<Silent>,
    /// What the client was told last.
    told: Option<String>,
}

#[derive(Debug)]
enum Phase {
    InLine,
    /// `number` is the question's at its host.
    Asking {
        question: Question,
        number: u64,
        deadline: Millis,
    },
}

/// What was to come until a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Answer,
    /// After it no answer is waited for any more.
    LateAnswer,
}

/// A question that was not answered in time.
#[derive(Debug)]
struct Silent {
    host: usize,
    question: u64,
    /// Until when an answer may still come.
    until: Millis,
}

#[derive(Debug)]
struct Placed {
    host: usize,
    user: UserName,
    queue: QueueNumber,
    in_queue: QueueName,
    cpus: u32,
}

impl Job {
    fn new(submission: Submission, queue: QueueNumber, lane: LaneKey, place: Place) -> Self {
        let (phase, worse, full, cannot, silent) = (Phase::InLine, Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { submission, queue, lane, place, phase, worse, full, cannot, silent, told: None }
    }

    /// This number means another host now.
    fn forget(&mut self, host: usize) {
        self.worse.retain(|other| *other != host);
        self.full.retain(|other| *other != host);
        self.cannot.retain(|(other, _)| *other != host);
        self.silent.retain(|silent| silent.host != host);
    }

    /// Whether this host will not run it, or did not answer.
    fn was_turned_down_by(&self, host: usize) -> bool {
        self.cannot.iter().any(|(other, _)| *other == host) || self.silent.iter().any(|silent| silent.host == host)
    }
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
            over: Vec::new(),
            left: Vec::new(),
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
                    self.silent(now, id, host, Silence::Lost, &mut actions);
                }
            }
            Event::HostsChanged { changed, gone } => self.hosts_changed(now, changed, gone, &mut actions),
            Event::Shares(rules) => {
                self.lanes.shares.set(rules);
                let lanes: Vec<LaneKey> = self.lanes.keys().cloned().collect();
                lanes.iter().for_each(|lane| self.lanes.all_are_new(lane));
                self.pump(now, lanes, &mut actions);
            }
            Event::Ranked { queue, host, rule } => self.hosts.ranked(&queue, host.as_ref(), rule),
            Event::SlotFreed { host, queue, job } => self.slot_freed(now, host, queue, job, &mut actions),
            Event::Ended { id, host, rank } => self.ended(now, id, &host, rank, &mut actions),
            Event::Cancelled { id } => self.cancelled(id),
            Event::Tick => self.tick(now, &mut actions),
        }
        // Somebody else may have waited for the outcome of these.
        while let Some(host) = self.over.pop() {
            self.pump_host(now, host, &mut actions);
        }
        while let Some(lane) = self.left.pop() {
            self.pump(now, vec![lane], &mut actions);
        }
        actions
    }

    /// When to call `handle` with [`Event::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Millis> {
        let answer = self.deadlines.first().map(|(deadline, ..)| *deadline);
        answer.into_iter().chain(self.look_again).min()
    }

    /// How many jobs are in line and not being asked for.
    pub fn in_line(&self) -> usize {
        self.lanes.len()
    }

    fn submitted(&mut self, now: Millis, submission: Submission, actions: &mut Vec<Action>) {
        let id = submission.id;
        if self.jobs.contains_key(&id) {
            return;
        }
        // Its home knows that the start before is over, such as that on a host that was silent for too long.
        if let Some(placed) = self.placed.remove(&id) {
            self.lanes.shares.end(&placed.in_queue, &placed.user);
            let rule = self.hosts.rule(placed.host, placed.queue);
            self.hosts.change(placed.host, |host| host.ended(now, None, rule, (placed.queue, placed.cpus)));
        }
        if self.lanes.len() >= MOST_IN_LINE {
            actions.push(Action::Refuse { id, refusal: words::line_too_long(MOST_IN_LINE) });
            return;
        }
        // A name that no host has ever told is not worth a number.
        let Some(queue) = self.hosts.find_queue(submission.queue.as_str()) else {
            actions.push(Action::Refuse { id, refusal: words::no_queue(&submission) });
            return;
        };
        match LaneKey::of(&submission, &self.hosts) {
            Ok(lane) => {
                self.turns += 1;
                let place = Place { turn: self.turns, id };
                self.lanes.insert(&lane, submission.priority, &submission.user, place);
                self.jobs.insert(id, Job::new(submission, queue, lane.clone(), place));
                self.pump(now, vec![lane], actions);
            }
            Err(refusal) => actions.push(Action::Refuse { id, refusal }),
        }
    }

    fn hosts_changed(&mut self, now: Millis, changed: Vec<HostNews>, gone: Vec<HostName>, actions: &mut Vec<Action>) {
        for name in gone {
            if let Some(host) = self.hosts.number(&name) {
                self.hosts.forget(host);
                for (_, placed) in self.placed.extract_if(|_, placed| placed.host == host) {
                    self.lanes.shares.end(&placed.in_queue, &placed.user);
                }
            }
        }
        let mut learned = Vec::with_capacity(changed.len());
        for news in changed {
            if let Some(number) = self.hosts.make_room_for(&news.host) {
                self.jobs.values_mut().for_each(|job| job.forget(number));
            }
            learned.push(self.hosts.learn(news, &self.own));
        }
        if self.lanes.len() > 0 {
            for host in learned {
                if self.hosts.has_room(now, host) {
                    self.pump_host(now, host, actions);
                }
            }
        }
    }

    fn slot_freed(
        &mut self,
        now: Millis,
        name: HostName,
        queue: QueueName,
        job: Option<JobId>,
        actions: &mut Vec<Action>,
    ) {
        let (Some(host), Some(number)) = (self.hosts.number(&name), self.hosts.find_queue(queue.as_str())) else {
            actions.push(Action::Decline { host: name, queue });
            return;
        };
        // What is held besides the slot serves only those who need it. Is the job gone for which it is held, another
        // one may need the same; the host knows.
        let needs = job.and_then(|job| Some(&self.jobs.get(&job)?.submission.needs));
        let is_meant = |lane: &LaneKey| match needs {
            Some(needs) => lane.needs == *needs,
            None => lane.needs.are_plain() == job.is_none(),
        };
        let lanes = self.lanes.keys().filter(|lane| lane.queue == queue && is_meant(lane));
        let lanes = lanes.filter(|lane| search::admits(lane, &self.hosts[host]));
        match lanes.filter_map(|lane| self.lanes.first(lane)).min() {
            Some(first) => {
                let figures = self.hosts[host].figures(number);
                let question = Question { host, figures, runner_up: None, slot: Slot::Counted };
                self.ask(now, first.place.id, question, actions);
            }
            None => {
                // Whoever comes next asks there again: it has room, and forgets that anybody has waited.
                if job.is_none() {
                    self.hosts.change(host, |host| host.said_free(number));
                }
                actions.push(Action::Decline { host: name, queue });
            }
        }
    }

    fn ended(&mut self, now: Millis, id: JobId, name: &HostName, rank: Option<OwnRank>, actions: &mut Vec<Action>) {
        let Some(host) = self.hosts.number(name) else { return };
        if self.placed.get(&id).is_none_or(|placed| placed.host != host) {
            return;
        }
        if let Some(placed) = self.placed.remove(&id) {
            self.lanes.shares.end(&placed.in_queue, &placed.user);
            if self.lanes.shares.of(&placed.in_queue).per_user.is_some() {
                // Whoever waited for this end may run anywhere.
                let of_queue = self.lanes.keys().filter(|lane| lane.queue == placed.in_queue);
                self.left.extend(of_queue.cloned());
            }
            let rule = self.hosts.rule(host, placed.queue);
            self.hosts.change(host, |host| host.ended(now, rank, rule, (placed.queue, placed.cpus)));
            self.pump_host(now, host, actions);
        }
    }

    fn cancelled(&mut self, id: JobId) {
        if self.jobs.contains_key(&id) {
            self.take(id);
        }
    }

    fn tick(&mut self, now: Millis, actions: &mut Vec<Action>) {
        while let Some(&(deadline, id, due)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            match (due, self.jobs.get(&id).map(|job| &job.phase)) {
                (Due::Answer, Some(Phase::Asking { question, .. })) => {
                    let host = question.host;
                    self.silent(now, id, host, Silence::Late, actions);
                }
                (Due::LateAnswer, Some(Phase::InLine)) => self.pump_job(now, id, actions),
                (Due::Answer, Some(Phase::InLine) | None) | (Due::LateAnswer, Some(Phase::Asking { .. }) | None) => {}
            }
        }
        if self.look_again.is_some_and(|at| at <= now) {
            self.look_again = None;
            if self.lanes.len() > 0 {
                self.look_again_at(now + LOOK_AGAIN);
                let lanes: Vec<LaneKey> = self.lanes.keys().cloned().collect();
                // What they wait for may have changed, or be gone.
                lanes.iter().for_each(|lane| self.lanes.all_are_new(lane));
                self.pump(now, lanes, actions);
            }
        }
    }

    fn look_again_at(&mut self, at: Millis) {
        self.look_again = Some(self.look_again.map_or(at, |other| other.min(at)));
    }
}

#[cfg(test)]
mod tests;
