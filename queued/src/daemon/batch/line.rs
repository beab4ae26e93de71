//! Which of the jobs that wait in the spool are with the dispatcher: of each lane the first few, so that a
//! million of them take no memory, and no lane holds up another.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use spool::home::State;
use spool::store::{Brief, Description, Reader};
use wire::api::{HostChoice, OnFull, Refusal, RefusalKind};

use super::{Batch, now_us};
use crate::core::choose;
use crate::core::dispatch::{Submission, Work};
use crate::core::names::{JobId, QueueName, UserName};
use crate::daemon::Daemon;

/// The jobs that are with the dispatcher, or being placed.
#[derive(Default)]
pub struct Line {
    jobs: RefCell<HashMap<u64, InLine>>,
    lanes: RefCell<HashMap<i64, usize>>,
    /// What no host could run, by job: the hosts that said so after a start was on its way.
    refused: RefCell<HashMap<u64, Vec<(String, Refusal)>>>,
    /// Jobs that are not placed again for a moment.
    resting: RefCell<HashMap<u64, Instant>>,
    /// What jobs wait for that the dispatcher does not keep.
    aside: RefCell<HashMap<u64, String>>,
    /// Lanes that will be looked at again.
    later: RefCell<HashSet<i64>>,
}

/// A job in line.
pub struct InLine {
    lane: i64,
    user: String,
    /// What it waits for, as the dispatcher says.
    pub waits_for: String,
    /// The attempt it will be.
    pub attempt: u64,
    /// What is to be run.
    description: Rc<Description>,
}

impl Line {
    /// Whether a job is with the dispatcher.
    pub fn has(&self, job: u64) -> bool {
        self.jobs.borrow().contains_key(&job)
    }

    /// What a job waits for, if it is with the dispatcher.
    pub fn waits_for(&self, job: u64) -> Option<String> {
        let in_line = self.jobs.borrow().get(&job).map(|job| job.waits_for.clone());
        in_line.or_else(|| self.aside.borrow().get(&job).cloned()).filter(|text| !text.is_empty())
    }

    fn remember(&self, job: u64, text: String) {
        let mut aside = self.aside.borrow_mut();
        // It is for people: of very many the first are enough.
        if aside.len() < MOST_ASIDE {
            aside.insert(job, text);
        }
    }

    /// The dispatcher says what a job waits for.
    pub fn waits(&self, job: u64, text: String) {
        if let Some(job) = self.jobs.borrow_mut().get_mut(&job) {
            job.waits_for = text;
        }
    }

    /// Whose a job in line is.
    pub fn user(&self, job: u64) -> Option<String> {
        self.jobs.borrow().get(&job).map(|job| job.user.clone())
    }

    /// The attempt that a job in line will be.
    pub fn attempt(&self, job: u64) -> Option<u64> {
        self.jobs.borrow().get(&job).map(|job| job.attempt)
    }

    /// A host refused a job after its start was on the way. It is not asked again if it cannot run it; what was
    /// an accident, such as a runner that ended, is forgotten after a moment.
    pub fn refuses(&self, job: u64, host: &str, refusal: Refusal) {
        if is_definite(refusal.kind) {
            self.refused.borrow_mut().entry(job).or_default().push((host.to_owned(), refusal));
        } else {
            self.resting.borrow_mut().insert(job, Instant::now() + REST);
        }
    }

    /// How long a job rests after an accident.
    fn rests(&self, job: u64) -> Option<Duration> {
        let mut resting = self.resting.borrow_mut();
        let left = resting.get(&job)?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            resting.remove(&job);
            return None;
        }
        Some(left)
    }

    /// What hosts have said so.
    pub fn refusals(&self, job: u64) -> Vec<(String, Refusal)> {
        self.refused.borrow().get(&job).cloned().unwrap_or_default()
    }

    /// A job has left the line. Says its lane.
    pub fn leave(&self, job: u64) -> Option<i64> {
        let lane = self.jobs.borrow_mut().remove(&job)?.lane;
        let mut lanes = self.lanes.borrow_mut();
        if let Some(count) = lanes.get_mut(&lane) {
            *count -= 1;
            if *count == 0 {
                lanes.remove(&lane);
            }
        }
        Some(lane)
    }

    /// A job has ended: nothing is remembered of it.
    pub fn forget(&self, job: u64) {
        self.refused.borrow_mut().remove(&job);
        self.aside.borrow_mut().remove(&job);
        self.resting.borrow_mut().remove(&job);
    }

    fn enter(&self, brief: &Brief, attempt: u64, description: Description) {
        let (waits_for, description) = (String::new(), Rc::new(description));
        let job = InLine { lane: brief.lane, user: brief.user.clone(), waits_for, attempt, description };
        if self.jobs.borrow_mut().insert(brief.id().number(), job).is_none() {
            *self.lanes.borrow_mut().entry(brief.lane).or_default() += 1;
        }
    }

    /// What is to be run, of a job in line.
    pub fn description(&self, job: u64) -> Option<Rc<Description>> {
        self.jobs.borrow().get(&job).map(|job| job.description.clone())
    }

    fn in_lane(&self, lane: i64) -> usize {
        self.lanes.borrow().get(&lane).copied().unwrap_or(0)
    }
}

impl Batch {
    /// After a start of the daemon: everybody who waits gets into line.
    pub fn fill(&self, daemon: &Rc<Daemon>) {
        match self.store.ask(|reader| reader.lanes()) {
            Ok(lanes) => lanes.into_iter().for_each(|lane| self.feed(daemon, lane)),
            Err(error) => tracing::error!("the jobs that wait cannot be read: {error}"),
        }
    }

    /// Gives the dispatcher more of a lane when it has few of it.
    pub fn feed(&self, daemon: &Rc<Daemon>, lane: i64) {
        let there = self.line.in_lane(lane);
        if there > FEW {
            return;
        }
        let now = now_us();
        let most = (there + MANY) as u32;
        let asked = self.store.ask(|reader| {
            // All that is needed of them is read at once: one look at the file, and not one for each.
            reader.at_once(|reader| {
                let mut described = Vec::new();
                for brief in reader.waiting(lane, most, now)? {
                    if !self.line.has(brief.id().number())
                        && let Some(description) = reader.description(brief.id())?
                    {
                        described.push((brief, description));
                    }
                }
                Ok((described, reader.next_start(lane, now)?))
            })
        });
        let (waiting, next_start) = match asked {
            Ok(asked) => asked,
            Err(error) => return tracing::error!("the jobs that wait cannot be read: {error}"),
        };
        if let Some(next_start) = next_start {
            self.look_later(daemon, lane, Duration::from_micros((next_start - now) as u64));
        }
        if !waiting.is_empty() {
            daemon.placing.refresh(daemon);
        }
        for (brief, description) in waiting {
            self.submit_to_dispatcher(daemon, &brief, description);
        }
    }

    /// A job may have become more urgent than those in line, or wait anew.
    pub fn renew(&self, daemon: &Rc<Daemon>, brief: &Brief) {
        let id = brief.id().number();
        daemon.placing.withdraw(daemon, JobId(id));
        self.line.leave(id);
        if let State::Pending { .. } = brief.state()
            && brief.not_before_us <= now_us()
        {
            daemon.placing.refresh(daemon);
            match self.store.ask(|reader| reader.description(brief.id())) {
                Ok(Some(description)) => self.submit_to_dispatcher(daemon, brief, description),
                Ok(None) => {}
                Err(error) => tracing::error!(job = id, "a job that waits cannot be read: {error}"),
            }
        }
        self.feed(daemon, brief.lane);
    }

    fn submit_to_dispatcher(&self, daemon: &Rc<Daemon>, brief: &Brief, description: Description) {
        let id = brief.id().number();
        let Some(attempt) = brief.record.next_attempt() else { return };
        if self.line.has(id) {
            return;
        }
        if let Some(left) = self.line.rests(id) {
            return self.look_later(daemon, brief.lane, left);
        }
        let needs = daemon.queues.needs_of(&description.job);
        self.line.enter(brief, attempt.number(), description);
        let hosts = self.allowed(daemon, &brief.hosts);
        if hosts.is_empty() && !brief.hosts.is_empty() {
            let text = format!("no host is named {}", brief.hosts.join(" or "));
            self.line.waits(id, text);
            return self.turned_away(daemon, id, LOOK_FOR_HOSTS);
        }
        let choice = match &hosts[..] {
            [one] => HostChoice::Only(one.clone()),
            _ => HostChoice::Any,
        };
        let of_queue = daemon.queues.effective(daemon, &brief.queue).map_or(0, |effective| effective.priority.value);
        let submission = Submission {
            id: JobId(id),
            user: UserName::from(brief.user.as_str()),
            queue: QueueName::from(brief.queue.as_str()),
            command: brief.command.clone(),
            directory: brief.directory.clone(),
            priority: brief.priority.saturating_add(of_queue),
            choice,
            needs,
            allowed: if hosts.len() > 1 { hosts } else { Vec::new() },
            excluded: self.line.refusals(id).into_iter().map(|(host, _)| host).collect(),
            on_full: OnFull::Wait,
            // Nothing runs before it is released, so a silent host holds nothing up.
            work: Work::Session,
        };
        daemon.placing.submit_batch(daemon, submission);
    }

    /// The hosts that a job may run on, of those that are known: its list may have patterns with `*` and `?`.
    fn allowed(&self, daemon: &Rc<Daemon>, wanted: &[String]) -> Vec<String> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let known = daemon.host_rows().into_iter().map(|row| row.record.host);
        known.filter(|host| wanted.iter().any(|wanted| choose::fits(wanted, host))).collect()
    }

    /// The dispatcher does not keep this job; its lane is looked at again.
    pub fn turned_away(&self, daemon: &Rc<Daemon>, job: u64, after: Duration) {
        let text = self.line.waits_for(job);
        if let Some(lane) = self.line.leave(job) {
            self.line.remember(job, text.unwrap_or_default());
            self.look_later(daemon, lane, after);
        }
    }

    /// A lane is looked at again after a while.
    pub fn look_later(&self, daemon: &Rc<Daemon>, lane: i64, after: Duration) {
        if !self.line.later.borrow_mut().insert(lane) {
            return;
        }
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(after.min(LONGEST_LOOK).max(SHORTEST_LOOK)).await;
            daemon.batch.line.later.borrow_mut().remove(&lane);
            daemon.batch.feed(&daemon, lane);
        });
    }
}

/// Whether a host that says so will never run the job.
pub fn is_definite(kind: RefusalKind) -> bool {
    matches!(kind, RefusalKind::NotFound | RefusalKind::NotExecutable | RefusalKind::NoDirectory | RefusalKind::Usage)
}

/// How long a job rests after an accident with its start.
const REST: Duration = Duration::from_millis(300);
/// How long a job waits whose hosts nobody knows.
const LOOK_FOR_HOSTS: Duration = Duration::from_secs(5);
/// A lane with at most so many in line gets more.
const FEW: usize = 64;
/// So many more.
const MANY: usize = 128;
/// Jobs of which it is remembered what they wait for although they are not in line.
const MOST_ASIDE: usize = 10_000;
/// A lane whose first jobs must not start yet is looked at again at least so often.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
