//! What a dispatcher hears and what it asks for.

use std::collections::HashMap;

use wire::api::{HostChoice, OnFull, Refusal};
use wire::news::{Edition, HostState, OwnRank};

use super::shares::Share;
use crate::core::admission::{IfFull, Slot};
use crate::core::names::{HostName, JobId, QueueName, UserName};
use crate::core::rank::RankRule;
use crate::core::resources::Needs;
use crate::core::time::Millis;

/// A job to be placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Its number on this home; never used twice.
    pub id: JobId,
    /// Whose it is.
    pub user: UserName,
    /// In which queue.
    pub queue: QueueName,
    /// Its command's name, for messages.
    pub command: String,
    /// Its working directory, for messages.
    pub directory: String,
    /// High first; 0 is usual.
    pub priority: i32,
    /// What the person asked for.
    pub choice: HostChoice,
    /// What it takes of its host.
    pub needs: Needs,
    /// Hosts that may run it; empty means any.
    pub allowed: Vec<String>,
    /// Hosts that were just tried and gave no answer to the client.
    pub excluded: Vec<String>,
    /// What to do when every host is full.
    pub on_full: OnFull,
    /// What a host's silence means.
    pub work: Work,
}

/// What a host's silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Work {
    /// Nothing runs until the client releases it: after 300 ms the next host is asked.
    #[default]
    Session,
    /// The host may have started it: it is waited for.
    Batch,
}

/// What is known of one host, from the table.
#[derive(Debug, Clone, PartialEq)]
pub struct HostNews {
    /// Its name.
    pub host: HostName,
    /// Its newest record.
    pub state: HostState,
    /// Which record that is; of no matter for the own host.
    pub edition: Edition,
    /// When this record was first heard; for the own host, when its figures were read.
    pub heard: Millis,
    /// Why it cannot be asked, in words that follow its name: `is silent since 14:02 (no
    /// answer on 10.0.0.9:7117: connection refused)`. `None` when it may be chosen.
    pub unavailable: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A job is to be placed.
    Submitted(Submission),
    /// A host is ready for it.
    Reserved {
        /// Which job.
        id: JobId,
        /// Where.
        host: HostName,
        /// The host's rank before this start.
        rank: OwnRank,
    },
    /// A host will not run it.
    Refused {
        /// Which job.
        id: JobId,
        /// Who says so.
        host: HostName,
        /// Why.
        refusal: Refusal,
        /// The host's rank at this instant.
        rank: OwnRank,
    },
    /// No answer will come: the question could not be sent, or the connection broke. Tell
    /// first, with `HostsChanged`, if the table calls the host unavailable now. An answer
    /// that is only late needs no event: the dispatcher has its deadline.
    Silent {
        /// Which job.
        id: JobId,
        /// Who is silent.
        host: HostName,
    },
    /// The table has changed in these hosts.
    HostsChanged {
        /// New or newer records, and hosts that can be asked or cannot any more.
        changed: Vec<HostNews>,
        /// Hosts that are no longer members.
        gone: Vec<HostName>,
    },
    /// The profile of a queue was read: how its hosts are ranked.
    Ranked {
        /// Which queue.
        queue: QueueName,
        /// On which host, by a `[host.NAME]` table; `None`: on all others.
        host: Option<HostName>,
        /// By which formula.
        rule: RankRule,
    },
    /// The profiles of this home were read: how queues divide their slots among users. Queues that are not named do
    /// so as usual.
    Shares(HashMap<QueueName, Share>),
    /// A host holds a slot for this home.
    SlotFreed {
        /// Which host.
        host: HostName,
        /// In which queue.
        queue: QueueName,
        /// For jobs that need the same as this one; `None`: for jobs that need nothing but a slot.
        job: Option<JobId>,
    },
    /// A job that was placed has ended, or its reservation was void.
    Ended {
        /// Which job.
        id: JobId,
        /// Where.
        host: HostName,
        /// The host's rank after this end, if it said so.
        rank: Option<OwnRank>,
    },
    /// Nobody wants it any more.
    Cancelled {
        /// Which job.
        id: JobId,
    },
    /// The deadline has come.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask this host for a reservation.
    Ask {
        /// For which job.
        id: JobId,
        /// Whom.
        host: HostName,
        /// With this to compare with.
        runner_up_rank: Option<f64>,
        /// Whether the job takes a slot there.
        slot: Slot,
        /// Whether the host remembers that this home waits.
        if_full: IfFull,
        /// When its silence means that the next one is asked. Go on listening for as long as a
        /// reservation lasts: a late answer is taken or given back.
        deadline: Millis,
    },
    /// The job is placed: tell the client. This is the end of the submission.
    Place {
        /// Which job.
        id: JobId,
        /// Where.
        host: HostName,
        /// One line for `--verbose`: why there.
        reason: String,
    },
    /// The job waits: tell the client what for. Said again only when it has changed.
    Wait {
        /// Which job.
        id: JobId,
        /// What for, in words.
        text: String,
    },
    /// No host will run it. This is the end of the submission.
    Refuse {
        /// Which job.
        id: JobId,
        /// Why, for the person.
        refusal: Refusal,
    },
    /// Give back a reservation that nobody needs.
    Release {
        /// Which job.
        id: JobId,
        /// Where.
        host: HostName,
    },
    /// Tell the host that nobody waits here for the slot it holds.
    Decline {
        /// Which host.
        host: HostName,
        /// In which queue.
        queue: QueueName,
    },
}
