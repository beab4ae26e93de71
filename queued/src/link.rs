//! What daemon and runner say to each other, over the unix socket that the runner listens on.
//!
//! A message is its length (four bytes, big end first) and JSON. Descriptors flow only towards
//! the runner and ride on the first byte of the message they belong to. The daemon believes a
//! runner only about sessions that were given to its user.

mod terms;

use std::collections::{BTreeMap, VecDeque};
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wire::ByteString;
use wire::api::{Refusal, SessionRow};
use wire::batch::{JobRow, OutputStream, Wishes};
use wire::history::Past;
use wire::identity::{Certificate, Warrant};
use wire::job::{Job, TimeLimit};
use wire::session::End;

use crate::core::resources::Taken;
pub use terms::{Bounds, Directory, Terms};

/// From the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToRunner {
    /// First message: who this host is.
    Hello {
        /// The host's name.
        host: String,
    },
    /// The certificate for the key that the runner's `Hello` named.
    Certificate(Certificate),
    /// Check this job and make a leader ready for it. Answered by `Prepared`.
    Prepare(Box<Prepare>),
    /// A client's TCP connection, of which nothing was read; the descriptor rides along.
    /// Answered by `Taken`.
    Connection {
        /// Matches question and answer.
        request: u64,
        /// The session that the client named.
        session: String,
    },
    /// Nobody will come for this reservation.
    Void {
        /// The session.
        session: String,
    },
    /// Name all sessions. Answered by `Listed`.
    List {
        /// Matches question and answer.
        request: u64,
    },
    /// A new listening socket in place of the old one, whose path was deleted; it rides along.
    Listen,
    /// Check this attempt of a batch job and make a leader ready for it. Answered by `Prepared`.
    PrepareAttempt(Box<PrepareAttempt>),
    /// Start the attempt that was prepared: it is written down. Answered by words about it.
    Release(AttemptKey),
    /// Nobody will release this attempt.
    Withdraw(AttemptKey),
    /// Its end is on disk: its leader may leave, and nothing is told of it again.
    Settle(AttemptKey),
    /// End it: TERM to its whole tree, after the grace KILL.
    Stop {
        /// Which.
        key: AttemptKey,
        /// Milliseconds.
        grace_ms: u64,
    },
    /// It may run so long from its start; the rest holds where its owner has said nothing.
    Time {
        /// Which.
        key: AttemptKey,
        /// How long.
        limit: TimeLimit,
    },
    /// Queues whose jobs are suspended here, each with why, in words that follow its name; all others go on.
    Suspended(BTreeMap<String, String>),
    /// These queues run nothing here any more: their jobs are asked to end, by TERM.
    Terminate(Vec<String>),
    /// Send a signal to its process group.
    SignalAttempt {
        /// Which.
        key: AttemptKey,
        /// The signal's name without `SIG`.
        signal: String,
    },
    /// Its lease is good for so long from now: frozen at three quarters of it, killed at its end.
    Lease {
        /// Which.
        key: AttemptKey,
        /// Milliseconds.
        left_ms: u64,
    },
    /// Write a stream of an attempt into the descriptor that rides along, and close it. Answered by
    /// `Transferred`.
    ReadOutput {
        /// Matches question and answer.
        request: u64,
        /// Which.
        key: AttemptKey,
        /// Which stream.
        stream: OutputStream,
        /// From this byte on.
        offset: u64,
        /// Go on until the attempt has ended.
        follow: bool,
    },
    /// Append what comes out of the descriptor that rides along to a stream of an attempt that ran on
    /// another host, and sync it at the end. Answered by `Transferred`, with the file's length.
    WriteOutput {
        /// Matches question and answer.
        request: u64,
        /// Which.
        key: AttemptKey,
        /// Which stream.
        stream: OutputStream,
        /// Where it goes on; what the file has beyond it is cut off.
        offset: u64,
    },
    /// How long the streams are that this host has of an attempt. Answered by `Lengths`.
    AskLengths {
        /// Matches question and answer.
        request: u64,
        /// Which.
        key: AttemptKey,
    },
    /// As `ReadOutput`, of bytes that were put into the spool before a submission.
    ReadContent {
        /// Matches question and answer.
        request: u64,
        /// Which.
        sha256: String,
    },
    /// As `WriteOutput`, of such bytes; refused when they are not what their name says.
    WriteContent {
        /// Matches question and answer.
        request: u64,
        /// Which.
        sha256: String,
    },
    /// Whether such bytes are here. Answered by `Transferred` with their number, or an error.
    AskContent {
        /// Matches question and answer.
        request: u64,
        /// Which.
        sha256: String,
    },
    /// Which of such bytes nobody has put there or asked for lately. Answered by `Contents`: the first few names
    /// behind `after`.
    AskOldContents {
        /// Matches question and answer.
        request: u64,
        /// A name, or nothing.
        after: String,
        /// For so many seconds at least, and never less than a day.
        older_s: u64,
    },
    /// No job needs these bytes: delete those that are still as old as that.
    RemoveContents {
        /// Which.
        names: Vec<String>,
        /// As in `AskOldContents`.
        older_s: u64,
    },
    /// A job has ended: do what its owner asked for then. Answered by `Transferred`, with an error if that
    /// is to be tried again.
    Notify(Box<Notify>),
    /// Delete the files of these attempts, slowly.
    Prune(Vec<AttemptKey>),
}

/// One attempt of a batch job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The home of the job.
    pub home: String,
    /// The job's id there.
    pub job_id: u64,
    /// Which attempt, from 1 on.
    pub attempt: u64,
}

/// An attempt to be checked and made ready.
#[derive(Debug, Serialize, Deserialize)]
pub struct PrepareAttempt {
    /// Matches question and answer.
    pub request: u64,
    /// Which attempt.
    pub key: AttemptKey,
    /// What to run; `batch` is there.
    pub job: Job,
    /// The owner's word for it. Its dates were judged at the submission.
    pub warrant: Warrant,
    /// What its variables say besides: name, tags, priority.
    pub wishes: Wishes,
    /// When it was submitted, microseconds since 1970.
    pub submitted_us: i64,
    /// For a restartable job, how long its first lease is, counted from the release; milliseconds.
    pub lease_ms: Option<u64>,
    /// The queue's directory of programs, put in front of PATH.
    pub bin: Option<ByteString>,
    /// What it has of this host.
    #[serde(default)]
    pub taken: Taken,
    /// What the queue says of how it runs.
    #[serde(default)]
    pub terms: Terms,
}

/// What a runner needs to tell of the end of a job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Notify {
    /// Matches question and answer.
    pub request: u64,
    /// The job; what to do is in `batch`.
    pub job: Job,
    /// The owner's word for it.
    pub warrant: Warrant,
    /// How it ended.
    pub row: JobRow,
    /// The same for people; empty where nobody reads it.
    pub text: String,
}

/// A job to be checked and made ready.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prepare {
    /// Matches question and answer.
    pub request: u64,
    /// The session's address for life.
    pub session: String,
    /// The job's id on its home.
    pub job_id: u64,
    /// What to run.
    pub job: Job,
    /// The owner's word for it.
    pub warrant: Warrant,
    /// What it has of this host.
    #[serde(default)]
    pub taken: Taken,
    /// What the queue says of how it runs.
    #[serde(default)]
    pub terms: Terms,
}

/// From the runner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromRunner {
    /// First message: the key that its end of TLS uses, and what it has in hand.
    Hello {
        /// The public key to certify.
        public_key: [u8; 32],
        /// All sessions it holds, for a daemon that remembers nothing.
        sessions: Vec<Held>,
        /// All attempts of batch jobs that were released and not settled, each with the last word about it.
        #[serde(default)]
        attempts: Vec<(AttemptKey, AttemptWord)>,
        /// In which queue of this host each of these is.
        #[serde(default)]
        queues: Vec<(AttemptKey, String)>,
        /// When this runner began, milliseconds since boot: what was accepted later and is not named here
        /// was never released.
        #[serde(default)]
        since_boot_ms: u64,
        /// What these attempts have of this host.
        #[serde(default)]
        holds: Vec<(AttemptKey, Taken)>,
        /// Sessions that have ended of which the daemon before may not know.
        #[serde(default)]
        past: Vec<(Held, Past)>,
    },
    /// What became of an attempt that was released.
    Attempt {
        /// Which.
        key: AttemptKey,
        /// What is new.
        word: AttemptWord,
    },
    /// A transfer is over.
    Transferred {
        /// The question's number.
        request: u64,
        /// How many bytes, or the file's length where that was asked.
        bytes: u64,
        /// What went wrong.
        error: Option<String>,
    },
    /// Answer to `AskLengths`.
    Lengths {
        /// The question's number.
        request: u64,
        /// Of standard output and standard error; none: there is no file.
        lengths: [Option<u64>; 2],
    },
    /// Answer to `AskOldContents`.
    Contents {
        /// The question's number.
        request: u64,
        /// In order; empty where there are no more.
        names: Vec<String>,
    },
    /// Answer to `Prepare`.
    Prepared {
        /// The question's number.
        request: u64,
        /// Why not, or `None`: the leader is ready.
        refusal: Option<Refusal>,
    },
    /// Answer to `Connection`: the runner has the descriptor.
    Taken {
        /// The question's number.
        request: u64,
    },
    /// Answer to `List`.
    Listed {
        /// The question's number.
        request: u64,
        /// All that it holds, those that have ended included.
        sessions: Vec<SessionRow>,
    },
    /// The client has come and the job runs.
    Released {
        /// The session.
        session: String,
    },
    /// The job has ended or never ran; its slot is free.
    Ended {
        /// The session.
        session: String,
        /// How many CPUs it kept busy, on average over its life.
        busy: f64,
        /// What there is to be remembered of it, and of which it was: a daemon that has just come may never have
        /// heard of it. None: it never ran.
        #[serde(default)]
        past: Option<Box<(Held, Past)>>,
    },
}

/// What a runner knows of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptWord {
    /// The leader was told to start it.
    Released,
    /// It runs.
    Started {
        /// The job's process group.
        pid: i32,
    },
    /// It was not started, and never will be.
    NotStarted(Refusal),
    /// It has ended by itself.
    Ended {
        /// How, and what it used.
        end: End,
        /// How many processes it left behind; they were killed.
        left_over: u32,
        /// Bytes of standard output and standard error that are kept here; none: they went to a file of
        /// the user's.
        lengths: [Option<u64>; 2],
    },
    /// It was ended by `Stop`, or with its lease, or lost with its leader.
    Gone(Gone),
}

/// Why an attempt has no end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// It was stopped because somebody asked.
    Cancelled,
    /// Its lease was over.
    LeaseOver,
    /// Its leader died, and how it ended is not known.
    Lost,
}

/// A session that a runner holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    /// The session's address.
    pub session: String,
    /// The job's id on its home.
    pub job_id: u64,
    /// Its home.
    pub home: String,
    /// Its queue.
    pub queue: String,
    /// What it has of this host.
    #[serde(default)]
    pub taken: Taken,
}

/// The bytes of a message.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message is too large"));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_be_bytes());
    Ok(bytes)
}

/// Cuts a stream of bytes into messages again.
#[derive(Default)]
pub struct Decoder {
    bytes: VecDeque<u8>,
}

impl Decoder {
    /// Takes what was received.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// A message that is too large or is not what the type says; the connection is of no use then.
    pub fn message<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        if self.bytes.len() < 4 {
            return Ok(None);
        }
        let length = self.bytes.iter().take(4).fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
        if length > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too large"));
        }
        if self.bytes.len() < 4 + length {
            return Ok(None);
        }
        let message = serde_json::from_slice(&self.bytes.make_contiguous()[4..4 + length])?;
        self.bytes.drain(..4 + length);
        if self.bytes.is_empty() {
            self.bytes.shrink_to(4096);
        }
        Ok(Some(message))
    }
}

/// Four times the largest job that a daemon accepts: JSON may escape each byte.
const MOST_BYTES: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_a_stream_cut_anywhere() {
        let sent = [
            encode(&ToRunner::Void { session: "a".into() }).expect("small"),
            encode(&ToRunner::Connection { request: 7, session: "b".into() }).expect("small"),
        ]
        .concat();
        for cut in 0..=sent.len() {
            let mut decoder = Decoder::default();
            let mut got = Vec::new();
            for part in [&sent[..cut], &sent[cut..]] {
                decoder.extend(part);
                while let Some(message) = decoder.message::<ToRunner>().expect("well formed") {
                    got.push(message);
                }
            }
            assert!(matches!(&got[..], [ToRunner::Void { .. }, ToRunner::Connection { request: 7, .. }]));
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_an_error_before_anything_is_kept() {
        let mut decoder = Decoder::default();
        decoder.extend(&[0xff; 4]);
        assert!(decoder.message::<ToRunner>().is_err());
    }
}
