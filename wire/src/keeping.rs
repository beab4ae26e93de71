//! What keeps a spool small and safe, in the API: copies, archives, and the doctor's findings.
//!
//! Paths are absolute, as the client sees them on this host.

use serde::{Deserialize, Serialize};

use crate::ByteString;

/// `POST /v1/jobs/backup`: copy the spool into a new file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// The file.
    pub path: ByteString,
}

/// Answer to [`BackupRequest`]: it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupAnswer {
    /// How long it is.
    pub bytes: u64,
}

/// `POST /v1/jobs/rotate`: move the jobs that have ended, and whose reports are settled, into a new archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateRequest {
    /// The archive.
    pub path: ByteString,
    /// Remove their kept output and data too.
    #[serde(default)]
    pub prune: bool,
}

/// Answer to [`RotateRequest`]: they are in the archive and not in the spool any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateAnswer {
    /// How many; with neither jobs nor sessions there is no archive.
    pub jobs: u64,
    /// Sessions that had ended before them, or since.
    #[serde(default)]
    pub sessions: u64,
}

/// Answer to `GET /v1/jobs/doctor`: what the daemon finds of itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DoctorAnswer {
    /// The host's name.
    pub host: String,
    /// The daemon's version.
    pub version: String,
    /// Its process.
    pub process: u32,
    /// Its state directory.
    pub state: ByteString,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

/// What a look at one thing has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: String,
    /// What was seen, in a line.
    pub what: String,
    /// What to do about it; none: it is fine.
    pub cure: Option<String>,
}

impl Finding {
    /// Nothing is wrong.
    pub fn fine(check: &str, what: impl Into<String>) -> Self {
        Self { check: check.to_owned(), what: what.into(), cure: None }
    }

    /// Something is wrong.
    pub fn fault(check: &str, what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { check: check.to_owned(), what: what.into(), cure: Some(cure.into()) }
    }

    /// Whether something is wrong.
    pub fn is_fault(&self) -> bool {
        self.cure.is_some()
    }
}
