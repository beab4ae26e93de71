//! Queues and their profiles, in the API: what is in force on a host and why, and what an admin orders.
//!
//! A host answers for itself; for another one the daemon that is asked passes the question on.

use serde::{Deserialize, Serialize};

/// `POST /v1/queues/list`: all queues of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueuesRequest {
    /// The host; none: the one that is asked.
    pub host: Option<String>,
}

/// Answer to [`QueuesRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuesAnswer {
    /// The host.
    pub host: String,
    /// Its spool, below which each queue is a directory.
    pub spool: String,
    /// By name, `now` and `wait` first.
    pub queues: Vec<QueueRow>,
}

/// One queue of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueRow {
    /// Its name.
    pub queue: String,
    /// The queue that it is another name of.
    pub alias_of: Option<String>,
    /// Jobs that hold a slot there.
    pub running: u32,
    /// `maxexec`: how many may; none: no limit.
    pub limit: Option<u32>,
    /// Jobs of this host as a home that wait in it.
    pub waiting: u64,
    /// Why it starts nothing now, in words that follow its name; none: it is open.
    pub shut: Option<String>,
    /// Why jobs that run are suspended, in such words.
    pub suspended: Option<String>,
    /// What an admin has ordered: `drain` or `pause`.
    pub order: Option<String>,
    /// What is wrong with its profile, line by line; what was read before stays in force.
    pub faults: Vec<String>,
}

/// `POST /v1/queues/effective`: what is in force in a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectiveRequest {
    /// The host; none: the one that is asked.
    #[serde(default)]
    pub host: Option<String>,
    /// The queue.
    pub queue: String,
}

/// Answer to [`EffectiveRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectiveAnswer {
    /// The host.
    pub host: String,
    /// The queue, an alias resolved.
    pub queue: String,
    /// The profile's file, whether it is there or not.
    pub path: String,
    /// Each directive.
    pub directives: Vec<Directive>,
    /// As in [`QueueRow`].
    pub faults: Vec<String>,
}

/// One directive in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directive {
    /// Its name.
    pub name: String,
    /// Its value, as a profile has it.
    pub value: String,
    /// Where it stands; none: it is the default.
    #[serde(default)]
    pub from: Option<String>,
}

/// `POST /v1/queues/check`: whether a profile can be used, or all of this host's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckRequest {
    /// The text of a profile; none: those in the spool.
    pub text: Option<String>,
}

/// Answer to [`CheckRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckAnswer {
    /// The files that were looked at.
    pub files: Vec<CheckedFile>,
}

/// One profile that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckedFile {
    /// Its path; empty for a text that came with the question.
    pub path: String,
    /// What is wrong in it.
    pub faults: Vec<Fault>,
    /// Directives that are understood and have no effect in this release, each with its line.
    pub idle: Vec<String>,
    /// With faults, since when another version is in force, microseconds since 1970; none: there is none.
    pub in_force_since_us: Option<i64>,
}

/// One fault of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// The line, from 1; 0: it is about the whole file.
    pub line: usize,
    /// The column in it, from 1, in characters.
    pub column: usize,
    /// What is wrong: `loadsched = "two": a number is expected`.
    pub message: String,
    /// The line's text.
    pub text: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            _ => write!(f, "{}:{}: {}", self.line, self.column, self.message),
        }
    }
}

/// `POST /v1/queues/import`: a profile of GNU Queue's as one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRequest {
    /// The text of the original.
    pub text: String,
}

/// Answer to [`ImportRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportAnswer {
    /// The profile.
    pub text: String,
    /// What was left out or changed, each with its line.
    pub remarks: Vec<String>,
    /// What could not be understood, each with its line: there is no profile then.
    pub faults: Vec<String>,
}

/// `POST /v1/queues/order`: an admin's word, in force until it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRequest {
    /// The host; none: the one that is asked.
    #[serde(default)]
    pub host: Option<String>,
    /// The queue; none: all of the host's.
    #[serde(default)]
    pub queue: Option<String>,
    /// What.
    pub order: Order,
}

/// What an admin may order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Nothing is started; what runs goes on.
    Drain,
    /// A drain is over.
    Undrain,
    /// Nothing is started, and what runs is suspended.
    Pause,
    /// A pause is over.
    Resume,
    /// A drain of a whole host that also moves away what can be started elsewhere, and takes no more submissions. It is
    /// over with the drain.
    Evacuate,
}

/// Answer to [`OrderRequest`]: it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAnswer {
    /// The host.
    pub host: String,
    /// Jobs that run in what was ordered.
    pub running: u32,
    /// Whether that changed anything.
    pub changed: bool,
    /// Jobs of this host's spool that have not ended; said of an evacuation.
    #[serde(default)]
    pub open: Option<u64>,
    /// What is in force there now: `drain` or `pause`, also by the whole host's order.
    #[serde(default)]
    pub still: Option<String>,
}
