//! What a leader is told about its job, once, before anything runs.
//!
//! It travels as a sealed memory file, so that its size is bounded by the job's and not by a
//! socket buffer, and so that the leader can hand the very same bytes to a new runner.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use wire::ByteString;
use wire::job::Job;

use crate::link::AttemptKey;

/// A job as the runner checked it and the leader runs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Assignment {
    /// The session's address for life.
    pub session: String,
    /// Tells this host from others on the same machine in socket names.
    pub place: String,
    /// The job's id on its home.
    pub job_id: u64,
    /// The owner, as the warrant's certificate names it.
    pub user: String,
    /// The key whose holder may resume the session.
    pub session_key: [u8; 32],
    /// The program, found in the job's PATH by the runner.
    pub program: ByteString,
    /// Variables set for the job besides its own.
    pub variables: Vec<ByteString>,
    /// What to run.
    pub job: Job,
    /// For a batch job, which attempt this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptKey>,
}

impl Assignment {
    /// The assignment as a sealed memory file.
    pub fn to_file(&self) -> io::Result<OwnedFd> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create(c"queue-assignment", flags)?);
        file.write_all(&serde_json::to_vec(self)?)?;
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        Ok(file.into())
    }

    /// Reads what [`Assignment::to_file`] wrote.
    pub fn from_file(file: &OwnedFd) -> io::Result<Self> {
        let mut file = File::from(file.try_clone()?);
        file.rewind()?;
        let length = file.metadata()?.len();
        if length > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the assignment is too large"));
        }
        let mut text = Vec::with_capacity(length as usize);
        file.read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Four times the largest job that a daemon accepts: JSON may escape each byte.
const MOST_BYTES: u64 = 32 << 20;
