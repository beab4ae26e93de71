//! What a queue's profile says of how each of its jobs runs, as the daemon tells it with the job. The runner applies
//! it: what a job asks for itself may be less, never more.

use serde::{Deserialize, Serialize};
use wire::ByteString;
use wire::job::Warn;
use wire::limits::length;

/// The terms of a queue on this host. Those of a queue that says nothing change nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Jobs are at least so nice.
    pub nice: Option<i32>,
    /// Limits of setrlimit(2).
    pub limits: Vec<Bounds>,
    /// Where jobs begin; none: where they were submitted.
    pub chdir: Option<Directory>,
    /// How long a job runs that says nothing, seconds.
    pub time_s: Option<u64>,
    /// The longest time that one may ask for, seconds.
    pub most_time_s: Option<u64>,
    /// A signal before the time is up, for jobs that name none.
    pub warn: Option<Warn>,
    /// Seconds from TERM to KILL, for jobs that say nothing.
    pub grace_s: Option<u64>,
    /// The memory of a job that says nothing, bytes.
    pub memory: Option<u64>,
    /// The most memory that one may ask for.
    pub most_memory: Option<u64>,
}

impl Terms {
    /// Why the queue of these terms does not give so much time.
    pub fn too_long(&self, queue: &str, seconds: u64) -> Option<String> {
        let most = self.most_time_s.filter(|most| seconds > *most)?;
        let (asked, most) = (length(seconds), length(most));
        Some(format!("a time limit of {asked} is more than queue \"{queue}\" gives here (at most {most})"))
    }
}

/// The limits of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Lower-case name without `RLIMIT_`.
    pub name: String,
    /// The highest soft limit; none: any.
    pub soft: Option<u64>,
    /// The hard limit, where the process has not a lower one already; none: what it has.
    pub hard: Option<u64>,
}

/// Where jobs begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Directory {
    /// In their users' home directories.
    Home,
    /// Here.
    Path(ByteString),
}
