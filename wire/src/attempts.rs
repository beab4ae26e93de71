//! What daemons say to each other about attempts of batch jobs: home to the host that runs it, and back.
//!
//! A start is three durable steps (see the crate `spool`); what a host reports of an attempt is true for
//! ever, so every message here may be repeated.

use serde::{Deserialize, Serialize};

use crate::api::Refusal;
use crate::batch::{OutputStream, Wishes};
use crate::news::OwnRank;
use crate::session::End;

/// What a reservation for an attempt says besides the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptTerms {
    /// Which attempt it will be.
    pub attempt: u64,
    /// What its variables say.
    pub wishes: Wishes,
    /// When the job was submitted, microseconds since 1970.
    pub submitted_us: i64,
    /// For a restartable job, how long its first lease is; milliseconds.
    pub lease_ms: Option<u64>,
}

/// `POST /v1/attempts`, to the host that runs it: about one attempt of a job of the sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRequest {
    /// The job's id.
    pub job_id: u64,
    /// Which attempt.
    pub attempt: u64,
    /// The spool of the host when it was placed there.
    pub spool: String,
    /// The owner.
    pub user: String,
    /// What is wanted.
    pub want: Want,
}

/// What a home wants of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Start what was reserved: it is written down at home.
    Start,
    /// Say what you know. "Never seen" is a refusal for ever.
    Ask,
    /// End it.
    Stop {
        /// Milliseconds between TERM and KILL.
        grace_ms: u64,
    },
    /// Send it a signal.
    Signal(String),
    /// It may run so long.
    Time {
        /// Seconds from its start.
        seconds: u64,
        /// The job's queue, as it was signed: the host says how much that gives.
        queue: String,
    },
    /// Home has all it wants.
    Acknowledge,
    /// A piece of its output.
    Output {
        /// Which stream.
        stream: OutputStream,
        /// From this byte on.
        offset: u64,
        /// How long to wait for bytes when there are none; milliseconds.
        wait_ms: u64,
    },
}

/// Answer to [`AttemptRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptAnswer {
    /// What the host knows.
    Known(Known),
    /// A piece of output.
    Output {
        /// The bytes, base64.
        #[serde(with = "crate::attempts::base64_bytes")]
        bytes: Vec<u8>,
        /// Whether nothing comes behind it.
        is_last: bool,
    },
    /// It is kept in a file of the user's on that host, or nowhere.
    NotKept,
    /// It could not be done: why, and of which kind that is for whoever asked.
    Failed(Refusal),
}

/// What a host knows of an attempt, by its durable record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// Not started, and never to be; why, where that is known.
    Refused(Option<Refusal>),
    /// To be started.
    Accepted,
    /// It runs.
    Started,
    /// It ended by itself.
    Ended {
        /// How.
        end: End,
        /// Processes that it left behind.
        left_over: u32,
    },
    /// It is gone without an end of its own.
    Gone,
    /// The host has another spool.
    OtherSpool,
}

/// `POST /v1/attempts/reports`, to the home: what a host knows now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptReport {
    /// The job's id.
    pub job_id: u64,
    /// Which attempt.
    pub attempt: u64,
    /// The host's spool.
    pub spool: String,
    /// What it knows.
    pub known: Known,
    /// The host's rank now that the slot is free.
    #[serde(default)]
    pub rank: Option<OwnRank>,
}

/// Answer to [`AttemptReport`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportAnswer {
    /// Home has written it down: it need not be said again.
    pub taken: bool,
    /// Home wants nothing more of the attempt.
    pub settled: bool,
}

/// `POST /v1/attempts/leases`, to the home: may it go on running?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// The job's id.
    pub job_id: u64,
    /// Which attempt.
    pub attempt: u64,
}

/// Answer to [`LeaseRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseAnswer {
    /// Granted for so long from when it was asked; none: not granted.
    pub lease_ms: Option<u64>,
}

/// `POST /v1/contents`, to the home: bytes that a job needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentRequest {
    /// The owner.
    pub user: String,
    /// Which.
    pub sha256: String,
    /// From this byte on.
    pub offset: u64,
}

/// Bytes as a base64 string.
pub mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes them.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads them.
    ///
    /// # Errors
    /// A string that is no base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
