//! An attempt as the host that runs it knows it: the host's half of the promise.
//!
//! The host writes `accepted` before its leader execs, and an answer that it gave stays
//! true for ever: [`Record::report`] only ever becomes a later word of the same story. So
//! home may believe a report whenever it arrives. Records of attempts that are over are
//! kept: they are what refuses a start message that comes late. Of the attempts of one
//! submission the highest is enough, since a lower one is never placed again.

use serde::{Deserialize, Serialize};
use wire::session::End;

use crate::home::Report;
use crate::{Attempt, JobId, SpoolId};

/// One attempt in the spool of the host it was placed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    home: String,
    job: JobId,
    attempt: Attempt,
    spool: SpoolId,
    state: State,
}

impl Record {
    /// What a host knows of an attempt that is not in its spool.
    pub fn unseen(home: String, job: JobId, attempt: Attempt, own: SpoolId) -> Self {
        Self::stored(home, job, attempt, own, State::Unseen)
    }

    /// A record as a store has it.
    pub fn stored(home: String, job: JobId, attempt: Attempt, own: SpoolId, state: State) -> Self {
        Self { home, job, attempt, spool: own, state }
    }

    /// The home of the job.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// The job's number in its home's spool.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Which attempt.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The spool this record belongs to.
    pub fn spool(&self) -> SpoolId {
        self.spool
    }

    /// Where the attempt stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What to tell home. Nothing of an unseen attempt: its home has to ask first, so that
    /// the answer is written down.
    pub fn report(&self) -> Option<Report> {
        match &self.state {
            State::Unseen => None,
            State::Accepted => Some(Report::Accepted),
            State::Refused => Some(Report::Refused),
            State::Started => Some(Report::Started),
            State::Ended(Ending::Itself(end)) => Some(Report::Ended(end.clone())),
            // Who asks after acknowledging has been restored from an old copy.
            State::Ended(Ending::Cancelled | Ending::LeaseOver | Ending::Lost) | State::Acknowledged => {
                Some(Report::Gone)
            }
        }
    }

    /// What `event` does to this attempt. Pure: the caller makes the new record durable
    /// before it answers, and before its leader may exec.
    pub fn step(&self, event: &Event) -> Result<Step, NotAllowed> {
        self.check_spool(event)?;
        let refused = |why| Err(NotAllowed { home: self.home.clone(), job: self.job, attempt: self.attempt, why });
        match (&self.state, event) {
            (State::Unseen, Event::StartAsked { .. }) => self.to(State::Accepted),
            (State::Unseen, Event::Asked { .. } | Event::CancelAsked { .. } | Event::Declined) => {
                self.to(State::Refused)
            }
            (State::Unseen, Event::Started | Event::Ended(_)) => refused(Why::NeverAccepted),
            (State::Unseen | State::Accepted | State::Started, Event::Acknowledged { .. }) => refused(Why::NotEnded),

            (State::Accepted, Event::Declined) => self.to(State::Refused),
            (State::Accepted, Event::Started) => self.to(State::Started),
            (State::Accepted | State::Started, Event::Ended(ending)) => self.to(State::Ended(ending.clone())),
            (State::Started | State::Ended(_) | State::Acknowledged, Event::Declined) => refused(Why::HasStarted),
            (State::Ended(_), Event::Acknowledged { .. }) => self.to(State::Acknowledged),

            (State::Refused, Event::Started | Event::Ended(_) | Event::Acknowledged { .. }) => refused(Why::IsRefused),

            (
                State::Accepted | State::Refused | State::Started | State::Ended(_) | State::Acknowledged,
                Event::StartAsked { .. } | Event::Asked { .. } | Event::CancelAsked { .. },
            )
            | (State::Refused, Event::Declined)
            | (State::Started | State::Ended(_) | State::Acknowledged, Event::Started)
            | (State::Ended(_) | State::Acknowledged, Event::Ended(_))
            | (State::Acknowledged, Event::Acknowledged { .. }) => Ok(Step::Nothing),
        }
    }

    /// A message for another spool than this one is about a past that nobody here knows.
    fn check_spool(&self, event: &Event) -> Result<(), NotAllowed> {
        match event {
            Event::StartAsked { spool }
            | Event::Asked { spool }
            | Event::CancelAsked { spool }
            | Event::Acknowledged { spool }
                if *spool != self.spool =>
            {
                Err(NotAllowed {
                    home: self.home.clone(),
                    job: self.job,
                    attempt: self.attempt,
                    why: Why::OtherSpool { placed: *spool, own: self.spool },
                })
            }
            Event::StartAsked { .. }
            | Event::Asked { .. }
            | Event::CancelAsked { .. }
            | Event::Acknowledged { .. }
            | Event::Declined
            | Event::Started
            | Event::Ended(_) => Ok(()),
        }
    }

    fn to(&self, state: State) -> Result<Step, NotAllowed> {
        Ok(Step::To(Self { state, ..self.clone() }))
    }
}

/// Where an attempt stands on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not in the spool.
    Unseen,
    /// To be started; its leader may exec at any moment.
    Accepted,
    /// Not started, and never to be.
    Refused,
    /// The leader has said that it exec'd.
    Started,
    /// It is over; home has not said yet that it needs nothing more.
    Ended(Ending),
    /// It is over, and home has all it wants. Kept so that it is not started again.
    Acknowledged,
}

/// How an attempt ended on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself.
    Itself(End),
    /// Killed because it was cancelled.
    Cancelled,
    /// Killed because its lease ran out.
    LeaseOver,
    /// The process is not there any more and left no end: the host went down.
    Lost,
}

/// Something that happened to an attempt on its host. What home says names the spool in
/// which it placed the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Home says: start it. The host has checked all there is to check, and is ready.
    StartAsked {
        /// The spool home means.
        spool: SpoolId,
    },
    /// Home is in doubt and asks.
    Asked {
        /// The spool home means.
        spool: SpoolId,
    },
    /// Home says: it is cancelled. Whoever holds the leader kills what runs, and says
    /// `Declined` or `Ended` when it knows.
    CancelAsked {
        /// The spool home means.
        spool: SpoolId,
    },
    /// Home says: nothing more is needed of it.
    Acknowledged {
        /// The spool home means.
        spool: SpoolId,
    },
    /// The host will not start it; its leader, if there was one, did not exec and is gone.
    Declined,
    /// The leader says that it exec'd.
    Started,
    /// The leader, or its absence after a search for its report, says that it is over.
    Ended(Ending),
}

/// What an event does to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write this record, make it durable, then answer with its report.
    To(Record),
    /// Nothing new; answer with the report of the record as it is.
    Nothing,
}

/// An event that is not allowed. The record stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attempt {attempt} of job {job}@{home} {why}")]
pub struct NotAllowed {
    /// The home of the job.
    pub home: String,
    /// Which job.
    pub job: JobId,
    /// Which attempt.
    pub attempt: Attempt,
    /// Why not.
    pub why: Why,
}

/// Why an event is not allowed, as the end of a sentence that begins with the attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Home hears this as [`Report::OtherSpool`].
    #[error("was placed in spool {placed}, this is spool {own}: nobody can know whether it ran")]
    OtherSpool {
        /// Where home placed it.
        placed: SpoolId,
        /// The spool here.
        own: SpoolId,
    },
    /// A leader speaks of an attempt that is not in the spool: its home decides.
    #[error("was never accepted here")]
    NeverAccepted,
    /// A leader speaks of an attempt that was refused.
    #[error("was refused, which is for ever")]
    IsRefused,
    /// A refusal after the start.
    #[error("has been started and cannot be refused any more")]
    HasStarted,
    /// An acknowledgement before the end.
    #[error("has not ended; there is nothing to acknowledge")]
    NotEnded,
}
