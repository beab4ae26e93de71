//! Batch jobs in the API: what is submitted, what listings show, what may be changed.
//!
//! Times are microseconds since 1970, UTC. Everything here goes to the job's home; a daemon
//! passes on what is about a job of another home (`17@redfish`), with the name of its user.

use serde::{Deserialize, Serialize};

use crate::ByteString;
use crate::after::After;
use crate::api::JobName;
use crate::array::{Array, Element};
use crate::history::{EndPlace, RowKind};
use crate::identity::Certificate;
use crate::job::{Job, TimeLimit};
use crate::needs::Need;
use crate::session::Usage;

/// What a batch job has and a session does not. Part of [`Job`], and covered by the warrant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Batch {
    /// It may be started again when its host is lost, until one attempt ends.
    pub restartable: bool,
    /// How often it is started again when it ended with a failure.
    pub retries: u32,
    /// Seconds before the first of these; doubled each time, up to an hour.
    pub backoff_s: u32,
    /// Its standard input; none is the null device.
    pub stdin: Option<Content>,
    /// The data directory it gets a copy of, as a tar archive.
    pub data: Option<Content>,
    /// A file on the host that runs it, opened as its user: `%j` the id, `%h` the host, `%a` the
    /// attempt, `%i` the index of an element of an array, `%%` a percent sign. Not absolute: from the job's directory. None: kept in the spool.
    pub stdout: Option<ByteString>,
    /// The same for standard error; the same file as `stdout` means both in their order.
    pub stderr: Option<ByteString>,
    /// Other commands for other kinds of host; the first that matches is taken.
    pub variants: Vec<Variant>,
    /// `RQ_JID` and the like besides our own variables.
    pub rq_variables: bool,
    /// What the owner's runner at home does when it has ended: a shell command, or the address that its
    /// row is posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<ByteString>,
    /// It is many jobs, and these are their indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<Array>,
}

/// Bytes that were put into the spool before the submission, named by what is in them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// How many.
    pub bytes: u64,
}

/// A command for one kind of host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Such as `linux`; empty: any.
    #[serde(default)]
    pub os: String,
    /// Such as `x86_64` or `aarch64`; empty: any.
    #[serde(default)]
    pub arch: String,
    /// What to run there.
    pub argv: Vec<ByteString>,
}

/// What the owner may change later without a new warrant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wishes {
    /// High first; 0 is usual.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// A name for reports.
    #[serde(skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// Labels to find it by.
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// When to mail; none: as the queue says.
    #[serde(skip_serializing_if = "is_default")]
    pub mail: Option<MailWish>,
    /// Accept it, but do not start it before it is released.
    #[serde(skip_serializing_if = "is_default")]
    pub held: bool,
    /// Submit only if no job with the same command and tags waits; else change that one.
    #[serde(skip_serializing_if = "is_default")]
    pub unique: bool,
    /// Do not start it before these jobs have ended like this.
    #[serde(skip_serializing_if = "is_default")]
    pub after: Vec<After>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// When the owner is told, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MailWish {
    /// When it starts.
    pub start: bool,
    /// When it ends, however.
    pub end: bool,
    /// When it fails.
    pub failure: bool,
    /// To whom; none: the owner.
    pub to: Option<String>,
}

/// First line of `POST /v1/jobs`, whose body is NDJSON; a line of [`SubmitLine`] for each job follows. A line of an
/// array is alone, and stands for all of its elements.
///
/// Job number `i` of the submission (from 0) is `commons[line.common]` with the line's `argv`, and with
/// `<submit_key>/<i>` as its submit key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubmitHeader {
    /// Made by the client; the same key again is the same submission.
    pub submit_key: String,
    /// How many jobs.
    pub count: u64,
    /// The client's key, for which the daemon makes a certificate in personal mode.
    pub public_key: [u8; 32],
    /// The root of the hash tree over the digests of all jobs.
    pub root: [u8; 32],
    /// The client's signature, as in a warrant.
    pub signature: Vec<u8>,
    /// A voucher's certificate, in system mode.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// What many jobs have in common; their `argv` and `submit_key` are empty.
    pub commons: Vec<Job>,
}

/// One job of a submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubmitLine {
    /// Index into the header's `commons`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub common: usize,
    /// The command.
    pub argv: Vec<ByteString>,
    /// What may be changed later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub wishes: Wishes,
}

/// Answer to a submission: on disk by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The ids in the order of the jobs, as ranges: first and how many.
    pub ids: Vec<(u64, u64)>,
    /// The home.
    pub home: String,
}

/// Which jobs are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Select {
    /// These.
    pub jobs: Vec<JobName>,
    /// Those of the caller for which this is true, in the language of `queue query`.
    pub query: Option<String>,
    /// Those of all users, for who may.
    pub all_users: bool,
}

/// `POST /v1/jobs/list`: a page of jobs, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListRequest {
    /// Which.
    pub select: Select,
    /// Only ids above this one.
    pub after: u64,
    /// At most so many; 0: as many as the daemon likes to give at once.
    pub most: u32,
    /// Out of this archive or copy of a spool on the caller's host, by its absolute path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ByteString>,
    /// Of the elements of an array one row for each state, where the query is about nothing but states.
    #[serde(skip_serializing_if = "is_default")]
    pub arrays_as_one: bool,
    /// In the order of their ends instead, with the sessions that have ended among them: those behind this
    /// place. `after` says nothing then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_end: Option<EndPlace>,
}

/// Answer to [`ListRequest`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListAnswer {
    /// In the order of their ids, or of their ends if that was asked for.
    pub jobs: Vec<JobRow>,
    /// Ask again with `after` set to this: there may be more.
    pub more: Option<u64>,
    /// The same for `by_end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_by_end: Option<EndPlace>,
    /// Jobs asked for by name that are not there, with the reason.
    pub missing: Vec<(JobName, String)>,
}

/// A job as listings show it. Never its environment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobRow {
    /// Whether it is one: `queue history` shows sessions too.
    pub kind: RowKind,
    /// Its number at home.
    pub id: u64,
    /// Its home.
    pub home: String,
    /// `held`, `pending`, `running`, `finished`, `dead` or `cancelled`.
    pub state: String,
    /// More about the state in words, without parentheses: `redfish silent for 12 min`, `cancel asked`,
    /// `delivering`, `lost host`. Empty: nothing.
    pub detail: String,
    /// The owner.
    pub user: String,
    /// The queue.
    pub queue: String,
    /// High first.
    pub priority: i32,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The hosts it is restricted to; empty: any.
    pub hosts: Vec<String>,
    /// What it needs of its host under a name.
    pub need: Vec<Need>,
    /// How many slots it takes; none: as the queue says.
    pub cpus: Option<u32>,
    /// Where the newest attempt is or was; none before the first.
    pub host: Option<String>,
    /// The newest attempt; 0 before the first.
    pub attempt: u64,
    /// The command as a shell would read it, shortened.
    pub command: String,
    /// The command itself.
    pub argv: Vec<ByteString>,
    /// Its working directory.
    pub directory: ByteString,
    /// When it was submitted.
    pub submitted_us: i64,
    /// When the newest attempt was started.
    pub started_us: Option<i64>,
    /// When it ended.
    pub ended_us: Option<i64>,
    /// Its exit code.
    pub exit: Option<u8>,
    /// The signal that ended it, without `SIG`.
    pub signal: Option<String>,
    /// Whether it left a core.
    pub core: bool,
    /// What it used.
    pub usage: Option<Usage>,
    /// Processes that it left behind and that were killed.
    pub left_over: u32,
    /// As submitted.
    pub restartable: bool,
    /// How many retries are left.
    pub retries: u32,
    /// Where its standard output is: a file at home, or on its host where `--output` named one.
    pub stdout: ByteString,
    /// The same for standard error.
    pub stderr: ByteString,
    /// What it may use, as it says itself.
    pub limits: Option<JobLimits>,
    /// When the owner is told.
    pub mail: Option<MailWish>,
    /// What became of the report: `owed`, `sent`, or why it was refused. Empty: there is none.
    pub report: String,
    /// What is done at its end.
    pub notify: Option<ByteString>,
    /// What became of that: `owed`, `sent`, `not wanted`, or why it was given up. Empty: there is nothing.
    pub notice: String,
    /// The ends of others that it still waits for.
    pub after: Vec<After>,
    /// Which element of an array it is.
    pub array: Option<Element>,
}

/// What a job may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobLimits {
    /// How long it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeLimit>,
    /// How many bytes of memory it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// `POST /v1/jobs/change`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRequest {
    /// Which jobs.
    pub select: Select,
    /// What to do.
    pub change: Change,
}

/// What may be done to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// End it: TERM to its whole tree, after the grace KILL.
    Cancel {
        /// Milliseconds.
        grace_ms: u64,
    },
    /// Send a signal, by its name without `SIG`, to the job's process group.
    Signal(String),
    /// Do not start it.
    Hold,
    /// Start it.
    Release,
    /// Set what may be set while it waits.
    Update(Vec<Update>),
    /// Start it again under the same id.
    Resubmit,
    /// Do not wait any longer for its lost host.
    GiveUp,
    /// Forget it and its files.
    Delete,
}

/// A change of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// High first.
    Priority(i32),
    /// None: without a name.
    Name(Option<String>),
    /// All of them.
    Tags(Vec<String>),
    /// None: as the queue says.
    Mail(Option<MailWish>),
    /// How long it may run, from its start, in seconds: of a job that runs.
    Time(u64),
    /// It waits for no other job any more.
    AfterNothing,
}

/// Answer to [`ChangeRequest`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChangeAnswer {
    /// Jobs that were changed, as ranges of ids of this home: first and how many.
    pub changed: Vec<(u64, u64)>,
    /// Those of them that run and were only asked to end, by a cancel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<(u64, u64)>,
    /// Jobs that were not, and why; the first thousand.
    pub refused: Vec<(JobName, String)>,
    /// How many were refused in all.
    pub refusals: u64,
}

/// `POST /v1/jobs/wait`: answered by NDJSON lines of [`JobRow`], one as each of them has ended, and the
/// end of the answer when all have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WaitRequest {
    /// Which.
    pub jobs: Vec<JobName>,
}

/// `POST /v1/jobs/why`, answered by [`WhyAnswer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhyRequest {
    /// Which.
    pub job: JobName,
}

/// Why a job does not run; never empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WhyAnswer {
    /// The job.
    pub job: JobRow,
    /// What is true of the job itself, in a sentence.
    pub summary: String,
    /// For each host the one rule that refuses it: the host's name and the words.
    pub hosts: Vec<(String, String)>,
    /// When that may change, if anybody can say.
    pub earliest: Option<String>,
}

/// Answer to `GET /v1/jobs/places`: where things of the user are on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacesAnswer {
    /// The directory of the files of jobs; what jobs need is put under `content` in it.
    pub jobs: ByteString,
    /// The maildir for reports where there is no mailer.
    pub mail: ByteString,
}

/// `POST /v1/jobs/output`: answered by the bytes themselves.
///
/// With `follow` the answer ends only when the attempt has ended and all was said; an answer that is cut
/// off is asked for again from where it stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputRequest {
    /// Which job.
    pub job: JobName,
    /// Which attempt; none: the newest.
    #[serde(default)]
    pub attempt: Option<u64>,
    /// Which stream.
    pub stream: OutputStream,
    /// From this byte on.
    #[serde(default)]
    pub offset: u64,
    /// Go on while it runs.
    #[serde(default)]
    pub follow: bool,
}

/// A stream of a job that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Standard input, as it was submitted.
    Stdin,
}

/// Answer to `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusAnswer {
    /// The home.
    pub home: String,
    /// For each state in the order of a job's life.
    pub states: Vec<StateCount>,
    /// How many ended in the last 1, 12 and 24 hours.
    pub ended_in: [u64; 3],
    /// Mean time from start to end of those that finished, microseconds.
    pub mean_us: Option<u64>,
    /// How many finished with each exit code.
    pub exits: Vec<(u8, u64)>,
    /// How many ended by a signal.
    pub signals: Vec<(String, u64)>,
    /// How many reports are owed.
    pub owed: u64,
}

/// The jobs in one state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StateCount {
    /// The state.
    pub state: String,
    /// How many.
    pub jobs: u64,
    /// The job that has been in it shortest, and for how long (waiting, running or its run time, as the
    /// state is), microseconds.
    pub shortest: Option<(u64, u64)>,
    /// The one that has been in it longest.
    pub longest: Option<(u64, u64)>,
}
