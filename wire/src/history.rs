//! What is remembered of sessions that have ended: told by the host that ran one, kept at the home of whoever
//! began it, and shown among the jobs by `queue history`.

use serde::{Deserialize, Serialize};

use crate::session::End;

/// A session that has ended, as the host that ran it tells the home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSession {
    /// Whose it was.
    pub user: String,
    /// Its queue.
    pub queue: String,
    /// The rest.
    pub past: Past,
}

/// What the runner knows of a session that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The command, as a shell would read it, shortened.
    pub command: String,
    /// When it began, microseconds since 1970 by the clock of the host that ran it.
    pub started_us: i64,
    /// When it ended.
    pub ended_us: i64,
    /// How, and what it used; none: it was lost, and nobody knows.
    pub end: Option<End>,
}

/// A place in a list that is sorted by the ends of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct EndPlace {
    /// When that ended, microseconds since 1970.
    pub ended_us: i64,
    /// Which it was, among those of the same moment.
    pub id: u64,
}

/// What a row of a listing is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// A batch job.
    #[default]
    Job,
    /// A session that has ended: it has a number, but no command takes it.
    Session,
}
