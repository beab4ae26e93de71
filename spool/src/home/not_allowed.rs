//! Why an event does nothing to a job, in words for whoever caused it.

use crate::{Attempt, JobId, SpoolId};

/// An event that is not allowed in the job's state. The record stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job {job} {why}")]
pub struct NotAllowed {
    /// Which job.
    pub job: JobId,
    /// Why not.
    pub why: Why,
}

/// Why an event is not allowed, as the end of a sentence that begins with the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Placing a held job, or giving it to no host.
    #[error("is held; only a release lets it start")]
    IsHeld,
    /// Giving up a job that waits at home.
    #[error("is {state} and no host has it; cancel it instead")]
    NothingToGiveUp {
        /// The state in one word.
        state: &'static str,
    },
    /// A resubmit of a job that has not ended.
    #[error("is {state}; only a job that has ended can be resubmitted")]
    NotEnded {
        /// The state in one word.
        state: &'static str,
    },
    /// Holding, releasing or placing a job that runs.
    #[error("is running (attempt {attempt} on {host}); that must be settled first")]
    Running {
        /// The attempt.
        attempt: Attempt,
        /// Where it runs.
        host: String,
    },
    /// Anything but a resubmit to a job that has ended.
    #[error("is {state}; only a resubmit starts it again")]
    HasEnded {
        /// The state in one word.
        state: &'static str,
    },
    /// A resubmit of a job with [`MOST_LOST`](super::MOST_LOST) lost attempts.
    #[error("was lost {} times and nothing is known of any of them; submit it as a new job", super::MOST_LOST)]
    LostTooOften,
    /// Cancelling a job whose process has ended.
    #[error("has ended already; its output is on its way from {host}")]
    Delivering {
        /// Where it ran.
        host: String,
    },
    /// Giving up a restartable attempt.
    #[error(
        "is restartable: it starts elsewhere when the lease of attempt {attempt} on {host} \
         has run out; cancel it if it is not to"
    )]
    LeaseDecides {
        /// The attempt.
        attempt: Attempt,
        /// Where it may run.
        host: String,
    },
    /// A lease for a job that is started at most once.
    #[error("is started at most once and holds no lease")]
    NoLease,
    /// The lease of an attempt that is to be cancelled.
    #[error("is to be cancelled; the lease of attempt {attempt} is not renewed")]
    LeaseWithdrawn {
        /// The attempt.
        attempt: Attempt,
    },
    /// The lease of an attempt that home does not count on any more.
    #[error("does not wait for attempt {attempt} any more; its lease is not renewed")]
    LeaseOver {
        /// The attempt.
        attempt: Attempt,
    },
    /// Delivery of output whose end is not known.
    #[error("has no end of attempt {attempt} that could be delivered")]
    EndUnknown {
        /// The attempt.
        attempt: Attempt,
    },
    /// A refusal after the start.
    #[error("was started by {host}, which now says it refused attempt {attempt}")]
    RefusedAfterStart {
        /// The attempt.
        attempt: Attempt,
        /// Who contradicts itself.
        host: String,
    },
    /// An attempt with a number that home has not given out.
    #[error("has no attempt {attempt}: it was never placed")]
    NeverPlaced {
        /// The attempt.
        attempt: Attempt,
    },
    /// Placing anything but the next attempt.
    #[error("cannot place attempt {attempt}: it is not the next one")]
    NotNext {
        /// The attempt.
        attempt: Attempt,
    },
    /// A host that does not know its own spool.
    #[error("placed attempt {attempt} in spool {spool}, which says that it is another")]
    PlacedThere {
        /// The attempt.
        attempt: Attempt,
        /// Where it was placed.
        spool: SpoolId,
    },
    /// A report out of a spool in which the attempt was not placed.
    #[error("placed attempt {attempt} in spool {placed}, not in spool {reported}")]
    NotPlacedThere {
        /// The attempt.
        attempt: Attempt,
        /// Where it was placed.
        placed: SpoolId,
        /// Who reports.
        reported: SpoolId,
    },
}
