//! Requests and answers of the HTTP API, the same on the unix socket and between hosts.

use serde::{Deserialize, Serialize};

use crate::attempts::AttemptTerms;
use crate::history::EndedSession;
use crate::identity::{Certificate, Trust, Warrant};
use crate::job::{Descriptor, Job};
use crate::news::{HostRow, OwnRank};
use crate::session::Outcome;

/// `POST /v1/sessions`: place this job and make a session for it. Answered by NDJSON lines
/// of [`SessionAnswer`]; the last line is `Placed` or `Refused`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionRequest {
    /// What to run.
    pub job: Job,
    /// Names in which the client asked for a host: `-h` (only there) or `-H` (rather there).
    pub choice: HostChoice,
    /// The client's key, for which the daemon makes a certificate in personal mode.
    pub public_key: [u8; 32],
    /// Signed by the client. Its certificate is absent where the daemon certifies, and the
    /// daemon fills it in.
    pub warrant: Warrant,
    /// Hosts that were just tried and gave no answer to the client.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// What to do when every host is full.
    #[serde(default)]
    pub on_full: OnFull,
}

/// Which hosts the client accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostChoice {
    /// The best one.
    Any,
    /// Only this one (`-h`).
    Only(String),
    /// This one if it can be reached and takes the job, else the best (`-H`).
    Rather(String),
}

/// What to do when every host is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// Wait for a slot.
    #[default]
    Wait,
    /// Refuse with exit code 75.
    Fail,
    /// Run on the caller's own host without a slot.
    Local,
}

/// One line of the answer to [`SessionRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionAnswer {
    /// No host can take it now; what it waits for, in words.
    Waiting(String),
    /// A host has made a leader ready; the client has 5 s to release it.
    Placed(Placement),
    /// No host will run it.
    Refused(Refusal),
}

/// Where a session is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Placement {
    /// The job's id on its home.
    pub job_id: u64,
    /// The host that was chosen.
    pub host: String,
    /// One line for `--verbose`: why this host.
    pub reason: String,
    /// The session's address for life: `r<32 hex digits>.u<uid>.queue`.
    pub session: String,
    /// How to get there.
    pub route: Route,
    /// The client's certificate, where the daemon made one.
    pub certificate: Option<Certificate>,
    /// The user whose runner it is, as certificates name it.
    pub user: String,
    /// The authority that the runner's certificate must be signed by; in system mode the client
    /// reads it from a file of root's instead.
    pub authority: Option<Trust>,
}

/// How a client reaches the runner of its session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// TLS to this `address:port` with the session as server name.
    Tls(String),
    /// The runner's unix socket on the client's own host.
    Unix(String),
}

/// A session as `queue sessions` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The job's id on its home.
    pub job_id: u64,
    /// The host that gave the id.
    pub home: String,
    /// The host where the job runs.
    pub host: String,
    /// Its queue.
    pub queue: String,
    /// The command, as a shell would read it, shortened.
    pub command: String,
    /// The session's address.
    pub session: String,
    /// What the job's descriptors 0, 1 and 2 are.
    pub descriptors: [Descriptor; 3],
    /// How long ago it was released, milliseconds.
    pub age_ms: u64,
    /// Who is with it.
    pub state: SessionState,
    /// For how long that has been so, milliseconds.
    pub since_ms: u64,
}

impl SessionRow {
    /// Its name for somebody on the host `own`, whose jobs need no host behind their number.
    pub fn name(&self, own: &str) -> String {
        if self.home == own { self.job_id.to_string() } else { format!("{}@{}", self.job_id, self.home) }
    }
}

/// Who is with a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// A client, on this host.
    Attached(String),
    /// Nobody; the job runs on.
    Detached,
    /// Nobody, and the job has ended; how is kept for whoever attaches.
    Ended(Outcome),
}

/// Answer to `GET /v1/sessions` and, between daemons, to `POST /v1/sessions/list`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionsAnswer {
    /// All sessions of the user who asks.
    pub sessions: Vec<SessionRow>,
    /// Hosts that did not answer; there may be more sessions.
    #[serde(default)]
    pub silent: Vec<String>,
}

/// `POST /v1/sessions/list` from one daemon to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionsOf {
    /// Whose.
    pub user: String,
}

/// `POST /v1/attachments`: find a session, so that another client can take it over or look at it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachRequest {
    /// Which; `None`: the only one that is detached.
    pub job: Option<JobName>,
    /// Only to look; without a job the only one there is.
    #[serde(default)]
    pub view: bool,
    /// The client's key, for which the daemon makes a certificate in personal mode.
    pub public_key: [u8; 32],
    /// A voucher's certificate for it, in system mode.
    #[serde(default)]
    pub certificate: Option<Certificate>,
}

/// A job as a person names it: `17` or `17@redfish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobName {
    /// Its id.
    pub id: u64,
    /// Its home; `None`: the host where it is asked for.
    pub home: Option<String>,
}

/// Answer to [`AttachRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachAnswer {
    /// The way to it.
    pub placement: Placement,
    /// What it is.
    pub row: SessionRow,
}

/// A refusal: who, what and why, and how the client ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The sentence for the person at the prompt, without the program's name.
    pub message: String,
    /// What kind it is.
    pub kind: RefusalKind,
}

/// Kinds of refusal; each has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request itself is wrong (64).
    Usage,
    /// No slot is free and the client does not want to wait (75).
    Full,
    /// The command was found but cannot be executed (126).
    NotExecutable,
    /// The command was not found (127).
    NotFound,
    /// The working directory does not exist there or cannot be entered (125).
    NoDirectory,
    /// The queue's rules of who may run what (125).
    Denied,
    /// By what the job needs and what there is, it could never run there (125).
    Impossible,
    /// Worse than the runner-up by the host's true state (never reaches a client).
    Worse,
    /// Everything else: queue itself could not (125).
    Failed,
}

impl RefusalKind {
    /// The exit code of `queue` for this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Full => 75,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::NoDirectory | Self::Denied | Self::Impossible | Self::Worse | Self::Failed => 125,
        }
    }
}

/// `POST /v1/reservations` from one daemon to another: make a leader ready for this job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReservationRequest {
    /// The job's id on its home.
    pub job_id: u64,
    /// What to run.
    pub job: Job,
    /// The owner's word for it.
    pub warrant: Warrant,
    /// The owner's name, for fairness and messages; what the runner believes is the warrant.
    #[serde(default)]
    pub user: String,
    /// High first.
    #[serde(default)]
    pub priority: i32,
    /// Refuse when your rank is now worse than this (the runner-up's); `None`: no comparison.
    pub runner_up_rank: Option<f64>,
    /// Run it without a slot (`--on-full local`).
    #[serde(default)]
    pub without_slot: bool,
    /// When full: remember that this home waits.
    #[serde(default)]
    pub remember: bool,
    /// For an attempt of a batch job.
    #[serde(default)]
    pub attempt: Option<AttemptTerms>,
}

/// Answer to [`ReservationRequest`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReservationAnswer {
    /// The leader is ready; unreleased for 5 s it is void and nothing has run.
    Reserved {
        /// The session's address.
        session: String,
        /// The host's rank at this instant, before this start.
        rank: OwnRank,
        /// The host's spool, for an attempt of a batch job.
        #[serde(default)]
        spool: Option<String>,
    },
    /// Not here.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The host's rank at this instant.
        rank: OwnRank,
    },
}

/// `POST /v1/notes`: short messages between daemons that need no answer but "heard".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// To the host: nobody needs this reservation.
    Release {
        /// The job's id on its home, which is the sender.
        job_id: u64,
    },
    /// To the home: a job has ended, or its reservation is void.
    Ended {
        /// The job's id on its home.
        job_id: u64,
        /// The host's rank after this end.
        #[serde(default)]
        rank: Option<OwnRank>,
        /// What there is to be remembered of it, if it was a session that had begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Box<EndedSession>>,
    },
    /// To the home: a slot is held for you.
    Offer {
        /// In this queue.
        queue: String,
        /// With what this job of yours needs; none: for jobs that need nothing but a slot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<u64>,
    },
    /// To the host: nobody waits here for the slot.
    Decline {
        /// In this queue.
        queue: String,
    },
}

/// Answer to `GET /v1/hosts`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostsAnswer {
    /// All hosts known, sorted by name.
    pub hosts: Vec<HostRow>,
}

/// `POST /v1/cluster`: make key, port and configuration (`queue cluster init`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterInit {
    /// The address to listen on, with or without a port; `None`: all, port chosen.
    pub listen: Option<String>,
}

/// Answer to [`ClusterInit`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterMade {
    /// The configuration file written.
    pub configuration: String,
    /// The key file written.
    pub key: String,
    /// Where this host listens.
    pub listen: String,
}

/// The first thing on the runner's socket: who comes. It is sent in one message of exactly
/// [`Opening::LENGTH`] bytes, JSON padded with blanks, together with the descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Opening {
    /// A client of the same user.
    Session {
        /// The session's address.
        session: String,
        /// For each descriptor that rides along: 0, 1 or 2.
        #[serde(default)]
        handed: Vec<usize>,
    },
    /// The daemon.
    Daemon,
}

impl Opening {
    /// Length of the message.
    pub const LENGTH: usize = 128;

    /// The message's bytes.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [b' '; Self::LENGTH];
        let text = serde_json::to_vec(self).unwrap_or_default();
        if let Some(place) = bytes.get_mut(..text.len()) {
            place.copy_from_slice(&text);
        }
        bytes
    }

    /// Reads a message; `None` when it is not one.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_opening_fits_its_message() {
        let longest =
            Opening::Session { session: crate::identity::session_name(&[0xff; 16], u32::MAX), handed: vec![0, 1, 2] };
        assert_eq!(Opening::decode(&longest.encode()), Some(longest));
        assert_eq!(Opening::decode(&Opening::Daemon.encode()), Some(Opening::Daemon));
    }
}
