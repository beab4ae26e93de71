//! Where the records are kept: the trait that every store fulfils, and the stores.
//!
//! A store applies changes in groups: a group is durable as a whole when [`Spool::write`] returns, and
//! nothing of it may be promised before. It decides nothing: what a job's state becomes is said by
//! [`home::Record::step`](crate::home::Record::step) and [`hosted::Record::step`](crate::hosted::Record::step).

mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ByteString;
use wire::batch::{JobRow, MailWish, StatusAnswer, Update, Wishes};
use wire::history::EndedSession;
use wire::identity::Certificate;
use wire::job::Job;
use wire::session::Outcome as Ending;

use crate::home::{self, State};
use crate::hosted;
use crate::query::Query;
use crate::{Attempt, JobId, SpoolId};

pub use sqlite::{Archive, Look, Restored, Rotation, Soundness, SqliteReader, SqliteSpool, find_archive};

/// Keeps jobs and attempts. One process writes, from one thread.
pub trait Spool: Send {
    /// Which spool it is.
    fn id(&self) -> SpoolId;

    /// Applies all changes of all units, in order, and makes them durable together. In a unit nothing is done
    /// after a change that was not allowed. The outcomes stand in the order of the changes.
    ///
    /// # Errors
    /// Nothing was applied. After [`SpoolError::Failed`] nothing further may be promised by this process.
    fn write(&mut self, units: &[Vec<Change>]) -> Result<Vec<Vec<Outcome>>, SpoolError>;

    /// What the writes since the last call have done besides to jobs that waited for others. Where more is to be done
    /// a [`Change::Settle`] goes on with it, or any other write.
    fn settled(&mut self) -> Settled;
}

/// Jobs that may start now, or have ended, because another has ended.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// As they are now.
    pub jobs: Vec<Brief>,
    /// Whether there are more.
    pub is_more: bool,
}

/// Reads what is durable. Any number of readers, beside the writer.
pub trait Reader: Send {
    /// Reads several things of one state of the store. It must not take long: the log grows meanwhile.
    ///
    /// # Errors
    /// The store cannot be read.
    fn at_once<T>(&self, read: impl FnOnce(&Self) -> Result<T, SpoolError>) -> Result<T, SpoolError>
    where
        Self: Sized;

    /// A job as listings show it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn row(&self, id: JobId, now_us: i64) -> Result<Option<JobRow>, SpoolError>;

    /// A page of jobs above `after` by id, and where to go on if there may be more.
    ///
    /// # Errors
    /// The store cannot be read.
    fn page(&self, which: &Which, after: u64, most: u32, now_us: i64)
    -> Result<(Vec<JobRow>, Option<u64>), SpoolError>;

    /// A job as the dispatcher sees it.
    ///
    /// # Errors
    /// The store cannot be read.
    fn brief(&self, id: JobId) -> Result<Option<Brief>, SpoolError>;

    /// The jobs of a lane that wait and may start now, in order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn waiting(&self, lane: i64, most: u32, now_us: i64) -> Result<Vec<Brief>, SpoolError>;

    /// When the next job of a lane may start that must not yet.
    ///
    /// # Errors
    /// The store cannot be read.
    fn next_start(&self, lane: i64, now_us: i64) -> Result<Option<i64>, SpoolError>;

    /// All lanes in which somebody waits.
    ///
    /// # Errors
    /// The store cannot be read.
    fn lanes(&self) -> Result<Vec<i64>, SpoolError>;

    /// How many jobs wait in each queue. Looks at all of them.
    ///
    /// # Errors
    /// The store cannot be read.
    fn waiting_by_queue(&self) -> Result<BTreeMap<String, u64>, SpoolError>;

    /// How many jobs wait in a queue or are held, of one user or of all; counted up to `most`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn waiting_in(&self, queue: &str, user: Option<&str>, most: u64) -> Result<u64, SpoolError>;

    /// Whether a submission of this user with this key was taken.
    ///
    /// # Errors
    /// The store cannot be read.
    fn has_submission(&self, user: &str, key: &str) -> Result<bool, SpoolError>;

    /// All jobs about which home wants to hear more: those that run, and those with lost attempts.
    ///
    /// # Errors
    /// The store cannot be read.
    fn unsettled(&self) -> Result<Vec<Brief>, SpoolError>;

    /// What is to be run.
    ///
    /// # Errors
    /// The store cannot be read.
    fn description(&self, id: JobId) -> Result<Option<Description>, SpoolError>;

    /// The digests of all jobs of a submission.
    ///
    /// # Errors
    /// The store cannot be read.
    fn digests(&self, submission: i64) -> Result<Vec<[u8; 32]>, SpoolError>;

    /// The attempts that this host has in hand: accepted or started, or ended and not acknowledged.
    ///
    /// # Errors
    /// The store cannot be read.
    fn attempts(&self) -> Result<Vec<InHand>, SpoolError>;

    /// Counts, ages and means.
    ///
    /// # Errors
    /// The store cannot be read.
    fn status(&self, now_us: i64) -> Result<StatusAnswer, SpoolError>;

    /// Reports that are owed for jobs above `after`, by id.
    ///
    /// # Errors
    /// The store cannot be read.
    fn owed(&self, after: u64, most: u32) -> Result<Vec<Owed>, SpoolError>;

    /// Whether no element of an array is left that has not ended.
    ///
    /// # Errors
    /// The store cannot be read.
    fn is_over(&self, array: i64) -> Result<bool, SpoolError>;

    /// Reports that are owed for elements of an array above `after` and stand in no letter, by id.
    ///
    /// # Errors
    /// The store cannot be read.
    fn owed_of_array(&self, array: i64, after: u64, most: u32) -> Result<Vec<Owed>, SpoolError>;

    /// How the elements of the array have ended that a job is one of. None: it is of none.
    ///
    /// # Errors
    /// The store cannot be read.
    fn outcomes(&self, element: JobId) -> Result<Option<Outcomes>, SpoolError>;

    /// Jobs above `after` whose owner's runner is still to do what was asked for at their end, by id.
    ///
    /// # Errors
    /// The store cannot be read.
    fn noticed(&self, after: u64, most: u32) -> Result<Vec<JobId>, SpoolError>;

    /// The largest id that a job has, or had before it was forgotten.
    ///
    /// # Errors
    /// The store cannot be read.
    fn last_id(&self) -> Result<u64, SpoolError>;
}

/// A report that no sink has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Whose end it tells.
    pub job: JobId,
    /// The attempt that ended.
    pub attempt: u64,
    /// The letter that it stands in, if that was written.
    pub letter: Option<LetterName>,
}

/// How elements of an array have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// With exit status 0.
    pub ok: u64,
    /// Otherwise, or dead.
    pub failed: u64,
    /// By being withdrawn.
    pub cancelled: u64,
}

/// A letter: the first of its jobs names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterName {
    /// The first of its jobs.
    pub first: JobId,
    /// Whether it tells of several at once, or might.
    pub is_digest: bool,
}

/// Which jobs a page shows.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Only this user's.
    pub user: Option<String>,
    /// Only those for which this is true.
    pub query: Option<Query>,
    /// Only these.
    pub ids: Option<Vec<u64>>,
    /// Of the elements of an array only one in each state, which tells how many it stands for.
    pub arrays_as_one: bool,
}

impl Which {
    /// Whether elements of arrays are shown as one: where nothing but states is asked for.
    pub fn is_as_one(&self) -> bool {
        let is_about_states = self.query.as_ref().is_none_or(Query::is_about_states);
        self.arrays_as_one && self.ids.is_none() && is_about_states
    }
}

/// A change of the store.
#[derive(Debug, Clone)]
pub enum Change {
    /// Take these jobs. A submission that is known is answered as it was the first time.
    Submit(Arc<Submission>),
    /// Something happened to a job of this home.
    Step(StepChange),
    /// Something happened to an attempt on this host.
    Host {
        /// The home of the job.
        home: String,
        /// Which job.
        job: JobId,
        /// Which attempt.
        attempt: Attempt,
        /// Whose it is.
        user: String,
        /// When, milliseconds since the host's boot.
        at_ms: u64,
        /// What happened.
        event: hosted::Event,
    },
    /// The host was booted anew, as this: what ran before is gone.
    Booted {
        /// The kernel's name of this boot.
        boot: String,
    },
    /// The owner sets something.
    Update {
        /// Which job.
        job: JobId,
        /// What.
        updates: Vec<Update>,
    },
    /// Forget a job that does not run.
    Delete(JobId),
    /// Forget those of these jobs that are still as they were seen.
    Forget(Vec<Ended>),
    /// What follows from ends for jobs that wait for them is gone on with.
    Settle,
    /// A look for what no job refers to begins.
    Look,
    /// A session of this home has ended.
    Session(Box<PastSession>),
    /// Forget these sessions.
    ForgetSessions(Vec<u64>),
    /// The look has found that no job refers to these: forget what is still so.
    Sweep(Unused),
    /// Jobs are moved into an archive from now on; none: no more.
    Rotation(Option<Rotation>),
    /// The ends of these jobs are told by one letter, and by no other: it is about to be sent.
    Lettered {
        /// Its name.
        letter: LetterName,
        /// What it tells of, some or all.
        jobs: Vec<JobId>,
    },
    /// A sink took the report of this attempt, or refused it for good.
    Reported {
        /// Which job.
        job: JobId,
        /// What became of it, for listings.
        outcome: String,
    },
    /// The owner's runner has done what was asked for at this end of a job, or it was given up.
    Noticed {
        /// Which job.
        job: JobId,
        /// When it ended: another end is owed anew.
        ended_us: i64,
        /// What became of it, for listings.
        outcome: String,
    },
}

/// Something that happened to a job, and what is noted with it.
#[derive(Debug, Clone)]
pub struct StepChange {
    /// Which job.
    pub job: JobId,
    /// What happened.
    pub event: home::Event,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// Processes that a job that ended had left behind.
    pub left_over: u32,
    /// Where its output is to be found, said when it is delivered: standard output and error.
    pub output: Option<[ByteString; 2]>,
}

impl StepChange {
    /// An event with nothing to note but the time.
    pub fn new(job: JobId, event: home::Event, at_us: i64) -> Self {
        Self { job, event, at_us, left_over: 0, output: None }
    }
}

/// What a change came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The jobs are on disk: ranges of ids, first and how many, and their lanes.
    Submitted {
        /// The ids, in the order of the jobs.
        ids: Vec<(u64, u64)>,
        /// Where they wait.
        lanes: Vec<i64>,
        /// It was known already.
        known: bool,
    },
    /// The job is like this now.
    Job {
        /// The job.
        brief: Box<Brief>,
        /// Whether anything was written.
        changed: bool,
    },
    /// True, but not to be settled now; see [`home::Step::Later`].
    Later,
    /// The attempt is like this now.
    Attempt(hosted::Record),
    /// The job is forgotten, with its attempts.
    Deleted {
        /// The newest attempt.
        attempts: u64,
    },
    /// These jobs are forgotten: whose each was, and its newest attempt.
    Forgotten {
        /// In their order.
        jobs: Vec<(JobId, String, u64)>,
    },
    /// The look may begin.
    LookBegun {
        /// Whether jobs were forgotten since the last.
        worthwhile: bool,
    },
    /// Noted.
    Noted,
    /// Not allowed, in words that follow nothing: `job 17 is held; only a release lets it start`.
    Refused(String),
    /// A change before it in its unit was not allowed.
    Skipped,
}

/// A job that has ended, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which job.
    pub job: JobId,
    /// Its newest attempt; 0 before the first.
    pub attempt: u64,
    /// When it ended, microseconds since 1970.
    pub ended_us: i64,
}

/// A session that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastSession {
    /// Its number, which is no job's.
    pub id: JobId,
    /// Where it ran.
    pub host: String,
    /// What the host tells of it.
    pub told: EndedSession,
}

/// Rows that no job refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unused {
    /// What jobs had in common.
    pub commons: Vec<i64>,
    /// Submissions.
    pub submissions: Vec<i64>,
    /// Lanes.
    pub lanes: Vec<i64>,
    /// Arrays.
    pub arrays: Vec<i64>,
}

/// A submission of many jobs at once.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The owner.
    pub user: String,
    /// Made by the client.
    pub key: String,
    /// The root of the hash tree.
    pub root: [u8; 32],
    /// The signature of it.
    pub signature: Vec<u8>,
    /// The client's certificate.
    pub certificate: Certificate,
    /// When it came, microseconds since 1970.
    pub at_us: i64,
    /// The number of the first job, where all are new; the others follow.
    pub first_id: u64,
    /// What many jobs have in common.
    pub commons: Vec<Job>,
    /// The jobs. An array is one, whatever the number of its elements.
    pub jobs: Vec<NewJob>,
    /// The digests of the elements, in their order. None: it is no array.
    pub elements: Vec<[u8; 32]>,
}

/// One job of a submission.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Index into the commons.
    pub common: usize,
    /// The command.
    pub argv: Vec<ByteString>,
    /// What may be changed later.
    pub wishes: Wishes,
    /// The digest of the whole job.
    pub digest: [u8; 32],
}

/// An attempt that this host has in hand.
#[derive(Debug, Clone)]
pub struct InHand {
    /// Its record.
    pub record: hosted::Record,
    /// Whose it is.
    pub user: String,
    /// When it was accepted, milliseconds since this boot.
    pub accepted_ms: u64,
}

/// A job as the dispatcher sees it.
#[derive(Debug, Clone)]
pub struct Brief {
    /// Its record.
    pub record: home::Record,
    /// The owner.
    pub user: String,
    /// The queue.
    pub queue: String,
    /// The hosts it is restricted to.
    pub hosts: Vec<String>,
    /// High first.
    pub priority: i32,
    /// Jobs of one user, queue and choice of hosts.
    pub lane: i64,
    /// Its command's name.
    pub command: String,
    /// Its working directory.
    pub directory: String,
    /// Not before this time, microseconds since 1970; 0: at once.
    pub not_before_us: i64,
    /// When its owner wants to be told, if something else than usual.
    pub mail: Option<MailWish>,
    /// Whether something is to be done at its end.
    pub notify: bool,
    /// The array that it is an element of.
    pub array: Option<i64>,
}

/// The earliest start of a job that waits for something else than a time: for ends of others, or for a place in its
/// array. Questions about those who may start leave such jobs out by this very number in their text.
pub const NOT_YET: i64 = i64::MAX;

impl Brief {
    /// Its number.
    pub fn id(&self) -> JobId {
        self.record.id()
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        self.record.state()
    }

    /// Whether its owner wants to be told of its end. Without a wish every end is told but that of a job that
    /// was withdrawn.
    pub fn wants_report(&self) -> bool {
        let (is_end, has_failed) = match self.state() {
            State::Held { .. } | State::Pending { .. } | State::Running(_) => return false,
            State::Finished { end, .. } => (true, end.outcome != Ending::Exited(0)),
            State::Dead(_) => (true, true),
            State::Cancelled => (self.mail.is_some(), false),
        };
        match &self.mail {
            Some(wish) => wish.end || wish.failure && has_failed,
            None => is_end,
        }
    }

    /// Whether what is to be done at its end is to be done at this one: at every one, but only at failures
    /// where mail is wanted for these and not for every end.
    pub fn wants_notice(&self) -> bool {
        let has_failed = match self.state() {
            State::Held { .. } | State::Pending { .. } | State::Running(_) => return false,
            State::Finished { end, .. } => end.outcome != Ending::Exited(0),
            State::Dead(_) => true,
            State::Cancelled => false,
        };
        let only_failures = self.mail.as_ref().is_some_and(|wish| wish.failure && !wish.end);
        self.notify && (has_failed || !only_failures)
    }
}

/// What is to be run, and the owner's word for it.
#[derive(Debug, Clone)]
pub struct Description {
    /// The job as it was signed.
    pub job: Job,
    /// What may have been changed since.
    pub wishes: Wishes,
    /// When it was submitted, microseconds since 1970.
    pub submitted_us: i64,
    /// Its submission.
    pub submission: i64,
    /// Its place in the submission, from 0.
    pub number: usize,
    /// How many jobs the submission has.
    pub count: usize,
    /// The root of the submission's hash tree.
    pub root: [u8; 32],
    /// The signature of it.
    pub signature: Vec<u8>,
    /// The client's certificate.
    pub certificate: Certificate,
}

/// Why a store does not do what it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// There is no room; nothing was written, and later there may be.
    #[error("the spool has no room: {0}")]
    Full(String),
    /// It is damaged or cannot be reached; nothing further may be promised.
    #[error("the spool failed: {0}")]
    Failed(String),
    /// What was asked for besides cannot be done, in a sentence; the spool itself is as it was.
    #[error("{0}")]
    Refused(String),
}
