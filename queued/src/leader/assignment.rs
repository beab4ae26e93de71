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

use crate::core::resources::Taken;
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
    /// Hard limits by name, in the unit of setrlimit(2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hard_limits: Vec<(String, u64)>,
    /// For a batch job, which attempt this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptKey>,
    /// What it has of its host, for a daemon that remembers nothing.
    #[serde(default)]
    pub taken: Taken,
}

impl Assignment {
    /// The assignment as a sealed memory file: the length of the JSON in eight bytes, the JSON without the
    /// environment, and that, each entry with a zero byte behind it. It is most of the whole, and read much
    /// faster so.
    pub fn to_file(&mut self) -> io::Result<OwnedFd> {
        let environment = std::mem::take(&mut self.job.environment);
        let mut bytes = vec![0; LENGTH];
        let written = serde_json::to_writer(&mut bytes, self);
        let length = (bytes.len() - LENGTH) as u64;
        bytes[..LENGTH].copy_from_slice(&length.to_be_bytes());
        bytes.reserve(environment.iter().map(|entry| entry.0.len() + 1).sum());
        for entry in &environment {
            bytes.extend_from_slice(&entry.0);
            bytes.push(0);
        }
        self.job.environment = environment;
        written?;
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create(c"queue-assignment", flags)?);
        file.write_all(&bytes)?;
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
        Ok(file.into())
    }

    /// Reads what [`Assignment::to_file`] wrote, or that of a release before it, which was JSON alone.
    pub fn from_file(file: &OwnedFd) -> io::Result<Self> {
        let mut file = File::from(file.try_clone()?);
        file.rewind()?;
        let length = file.metadata()?.len();
        let wrong = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        if length > MOST_BYTES {
            return Err(wrong("the assignment is too large"));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.read_to_end(&mut bytes)?;
        if bytes.first() == Some(&b'{') {
            return Ok(serde_json::from_slice(&bytes)?);
        }
        let (length, rest) = bytes.split_first_chunk().ok_or_else(|| wrong("the assignment is cut short"))?;
        let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let (json, environment) = rest.split_at_checked(length).ok_or_else(|| wrong("the assignment is cut short"))?;
        let mut assignment: Self = serde_json::from_slice(json)?;
        let entries = environment.split_inclusive(|byte| *byte == 0);
        assignment.job.environment = entries.map(|entry| ByteString(entry[..entry.len() - 1].to_vec())).collect();
        Ok(assignment)
    }
}

/// Bytes of the length of the JSON.
const LENGTH: usize = 8;
/// Four times the largest job that a daemon accepts: JSON may escape each byte.
const MOST_BYTES: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment() -> Assignment {
        let text = r#"{"session":"s","place":"p","job_id":7,"user":"alice","session_key":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,
            7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7],"program":"/bin/true","variables":["QUEUE=r"],"job":{"argv":["true"],
            "environment":["A=b","EMPTY=",{"b64":"Qj3/"}],"directory":"/","umask":18,"nice":0,"limits":[],
            "ignored_signals":[],"descriptors":["pipe","pipe","pipe"],"queue":"now","home":"h","submit_key":"k"}}"#;
        serde_json::from_str(text).expect("as a former release wrote it")
    }

    #[test]
    fn an_assignment_comes_out_of_its_file_as_it_was() {
        let mut assignment = assignment();
        let file = assignment.to_file().expect("memory");
        for read in [Assignment::from_file(&file), Assignment::from_file(&file)] {
            let read = read.expect("what was written");
            assert_eq!(read.job, assignment.job);
            assert_eq!((read.session, read.variables), (assignment.session.clone(), assignment.variables.clone()));
        }
        assert_eq!(assignment.job.environment[2].0, b"B=\xff");
    }

    #[test]
    fn the_file_of_a_former_release_is_read_and_what_is_none_is_an_error() {
        let file = |bytes: &[u8]| {
            let mut file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).expect("memory"));
            file.write_all(bytes).expect("memory");
            OwnedFd::from(file)
        };
        let text = serde_json::to_vec(&assignment()).expect("plain");
        let read = Assignment::from_file(&file(&text)).expect("JSON");
        assert_eq!(read.job, assignment().job);
        for bytes in [&b""[..], b"\0\0", b"\0\0\0\0\0\0\0\x09{}", b"\xff\xff\xff\xff\xff\xff\xff\xff{}"] {
            assert!(Assignment::from_file(&file(bytes)).is_err(), "{bytes:?}");
        }
    }
}
