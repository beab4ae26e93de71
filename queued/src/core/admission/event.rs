//! What an admission hears and what it asks for.

use std::collections::BTreeMap;

use wire::api::Refusal;

use crate::core::names::{HostName, JobId, QueueName, UserName};
use crate::core::rank::RankRule;
use crate::core::resources::{Needs, Offers, Taken};

/// A start as its host knows it: job `id` of `home`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The host whose daemon placed it.
    pub home: HostName,
    /// The job's number there.
    pub id: JobId,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "job {}@{}", self.id.0, self.home)
    }
}

/// A home asks for a start.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Which start.
    pub key: Key,
    /// Whose job it is.
    pub user: UserName,
    /// In which queue.
    pub queue: QueueName,
    /// Its priority, high first.
    pub priority: i32,
    /// The rank of the home's second choice; `None`: no comparison.
    pub runner_up_rank: Option<f64>,
    /// Whether it takes a slot.
    pub slot: Slot,
    /// What it takes of this host besides.
    pub needs: Needs,
    /// Whether its home is told when a slot becomes free.
    pub if_full: IfFull,
}

/// Whether a start takes a slot of its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slot {
    /// As every job.
    #[default]
    Counted,
    /// `--on-full local`: it runs although the queue is full, and is not counted.
    Without,
}

/// What a full host does with the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfFull {
    /// Remember that its home waits.
    #[default]
    Remember,
    /// Nothing: the job does not wait.
    Forget,
}

/// A queue of this host, from its profile.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRule {
    /// The queue.
    pub queue: QueueName,
    /// `maxexec`: how many may run; `None` is no limit.
    pub limit: Option<u32>,
    /// Why it takes nothing now, in words that follow the queue's name: `is draining`.
    pub shut: Option<String>,
    /// How its rank is computed.
    pub rank: RankRule,
    /// `max-cpus`: the most slots of one job; `None` is no limit of its own.
    pub most_cpus: Option<u32>,
}

impl QueueRule {
    /// A queue whose profile says nothing: `now` has no limit, others as many as CPUs.
    pub fn default_for(queue: QueueName, cpus: u32) -> Self {
        let limit = (queue.as_str() != "now").then_some(cpus);
        Self { queue, limit, shut: None, rank: RankRule::Share, most_cpus: None }
    }
}

/// What happened on this host.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// All queues with their limits and gates, at the start and after every change.
    Queues(Vec<QueueRule>),
    /// What this host is: its memory in bytes, and words such as `linux` by name; once, at the start.
    Found {
        /// Bytes.
        memory: u64,
        /// Words by name.
        facts: BTreeMap<String, String>,
    },
    /// All that is offered to jobs, at the start and after every change.
    Offers(Offers),
    /// The load was read.
    Sampled {
        /// Runnable tasks at this instant.
        runnable: f64,
        /// Load average over one minute.
        load1: f64,
    },
    /// A home asks.
    Asked(Ask),
    /// The reservation is not needed, or the runner could not make the leader ready.
    Withdrawn {
        /// Which start.
        key: Key,
    },
    /// The client has released the start: the job runs.
    Started {
        /// Which start.
        key: Key,
    },
    /// A runner told of a job that was running before this daemon began.
    Adopted {
        /// Which start.
        key: Key,
        /// Whose job it is.
        user: UserName,
        /// In which queue it was started.
        queue: QueueName,
        /// Whether it holds slots.
        slot: Slot,
        /// What it has.
        taken: Taken,
    },
    /// The job has ended.
    Ended {
        /// Which start.
        key: Key,
        /// CPU time used in its life divided by its life: how many CPUs it kept busy.
        busy: f64,
    },
    /// The home to which a slot was offered has nobody waiting.
    Declined {
        /// The home.
        home: HostName,
        /// The queue of the slot.
        queue: QueueName,
    },
    /// The deadline has come.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make a leader ready and answer `Reserved`.
    Accept {
        /// Which start.
        key: Key,
        /// The rank before it.
        rank: f64,
        /// What it has of this host from now on.
        taken: Taken,
    },
    /// Answer `Refused`.
    Refuse {
        /// Which start.
        key: Key,
        /// Why, without this host's name.
        refusal: Refusal,
        /// The rank at this instant.
        rank: f64,
    },
    /// Nobody released this start in time: its leader must go, and its home is told that it
    /// has ended.
    Void {
        /// Which start.
        key: Key,
    },
    /// Tell this home that a slot is held for it for half a second.
    Offer {
        /// Who waits.
        home: HostName,
        /// In which queue.
        queue: QueueName,
        /// Which of its jobs was refused last for the same needs; `None` where nothing but a slot is needed.
        job: Option<JobId>,
    },
}
