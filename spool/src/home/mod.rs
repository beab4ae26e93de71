//! A job as its home knows it: the record, its state, and what a state carries.
//!
//! [`Record::step`] is the only way from one state to the next; the table it follows stands
//! in the crate's document. Nothing here knows a clock, a file or a host: the caller says
//! what happened, writes down the record it gets, and only then answers anybody.

mod event;
mod lost;
mod not_allowed;
mod run;
mod transition;

use serde::{Deserialize, Serialize};
use wire::api::Refusal;
use wire::session::End;

use crate::{Attempt, JobId, SpoolId};

pub use event::{Event, Report};
pub use lost::{Loss, Lost, MOST_LOST};
pub use not_allowed::{NotAllowed, Why};
pub use run::{Cancel, Contact, Run, Stage, WaitingFor};

/// One job in its home's spool, as far as its state goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    id: JobId,
    starts: Starts,
    last: Option<Attempt>,
    state: State,
}

impl Record {
    /// A job that was just submitted; it may start.
    pub fn pending(id: JobId, starts: Starts) -> Self {
        Self::stored(id, starts, None, State::Pending { lost: None })
    }

    /// A job that was just submitted and must not start before it is released.
    pub fn held(id: JobId, starts: Starts) -> Self {
        Self::stored(id, starts, None, State::Held { lost: None })
    }

    /// A record as a store has it.
    pub fn stored(id: JobId, starts: Starts, last: Option<Attempt>, state: State) -> Self {
        Self { id, starts, last, state }
    }

    /// The job's number.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// How often it may be started.
    pub fn starts(&self) -> Starts {
        self.starts
    }

    /// The highest attempt ever placed. It never falls: attempts are not used again.
    pub fn last(&self) -> Option<Attempt> {
        self.last
    }

    /// The attempt to place next; `None` when the numbers are used up.
    pub fn next_attempt(&self) -> Option<Attempt> {
        Attempt::after(self.last)
    }

    /// Where the job stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The attempts that home still wants to hear about, the newest first: whenever their
    /// hosts can be asked, they are to be.
    pub fn unsettled(&self) -> impl Iterator<Item = &Place> {
        let lost = self.lost().filter(|lost| lost.loss != Loss::Gone).map(|lost| &lost.place);
        self.running().into_iter().chain(lost)
    }

    /// Whether home wants nothing more of this attempt, so that its host may be told to
    /// forget the end it keeps. To be asked after a reported end has been taken in.
    pub fn is_settled(&self, attempt: Attempt) -> bool {
        self.last >= Some(attempt) && self.unsettled().all(|place| place.attempt != attempt)
    }

    fn running(&self) -> Option<&Place> {
        match &self.state {
            State::Running(run) => Some(&run.place),
            State::Held { .. } | State::Pending { .. } | State::Finished { .. } | State::Dead(_) | State::Cancelled => {
                None
            }
        }
    }

    /// The lost attempts whose ends would still count, the newest first.
    fn lost(&self) -> impl Iterator<Item = &Lost> {
        let newest = match &self.state {
            State::Held { lost } | State::Pending { lost } => lost.as_ref(),
            State::Running(run) => run.stage.earlier(),
            State::Dead(Death::LostHost(lost)) => Some(lost),
            State::Dead(Death::NeverStarted(_)) | State::Finished { .. } | State::Cancelled => None,
        };
        newest.into_iter().flat_map(Lost::all)
    }

    /// Where an attempt was placed that still matters.
    fn place_of(&self, attempt: Attempt) -> Option<&Place> {
        let lost = self.lost().map(|lost| &lost.place);
        self.running().into_iter().chain(lost).find(|place| place.attempt == attempt)
    }
}

/// How often a job may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Starts {
    /// At most once per submission or resubmit.
    Once,
    /// Until one attempt ends, never two at the same time: each holds a lease.
    UntilEnd,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted; must not start yet.
    Held {
        /// An attempt before this resubmit or restart whose end would still count.
        lost: Option<Lost>,
    },
    /// Durable and in order.
    Pending {
        /// As in `Held`.
        lost: Option<Lost>,
    },
    /// An attempt is placed.
    Running(Run),
    /// An attempt ended by itself.
    Finished {
        /// Exit code or signal, and resource use.
        end: End,
        /// Which attempt it was and where it ran.
        place: Place,
        /// Whether its output came home.
        output: Output,
    },
    /// It will not end any more.
    Dead(Death),
    /// Withdrawn, and no process of it is left.
    Cancelled,
}

impl State {
    /// The state in one word, as listings show it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Pending { .. } => "pending",
            Self::Running(_) => "running",
            Self::Finished { .. } => "finished",
            Self::Dead(_) => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One attempt, where it was placed, and in which spool that host wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Place {
    /// Which attempt.
    pub attempt: Attempt,
    /// The host's name.
    pub host: String,
    /// The host's spool when the attempt was placed.
    pub spool: SpoolId,
}

/// Why a job will not end any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Death {
    /// Its host was lost, and with it the end. A true end that is told later still counts.
    LostHost(Lost),
    /// No attempt of this submission was ever started.
    NeverStarted(NeverStarted),
}

/// Why no attempt was ever started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeverStarted {
    /// No allowed host can run it.
    NoHostCan(Refusal),
    /// It waited for an end of another job that can no longer come; in words.
    AwaitedInVain(String),
    /// It was given up while in doubt; later its host said that it had not started it.
    GivenUp,
}

/// Whether the output of a finished job came home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// All of it.
    Safe,
    /// The host that kept it was given up or has another spool now.
    Lost,
}

/// What an event does to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write this record, make it durable, then answer.
    To(Record),
    /// Nothing new. Answer as if it had been written: it has been, or no longer matters.
    Nothing,
    /// True, but it depends on another attempt what it means. Write nothing and do not
    /// acknowledge it; the host says it again.
    Later,
}
