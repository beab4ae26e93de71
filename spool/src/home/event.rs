//! What can happen to a job, as its home hears of it.
//!
//! What a host says of an attempt ([`Report`]) is true for ever once it is true. So a report
//! may be delayed, doubled or overtaken, and it still means what it meant.

use wire::api::Refusal;
use wire::session::End;

use super::Place;
use crate::{Attempt, SpoolId};

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The same submission arrived again: the same key, made by the client.
    Submitted,
    /// The owner holds it back.
    Held,
    /// The owner lets it go.
    Released,
    /// The dispatcher has chosen a host that is ready for the next attempt.
    Placed(Place),
    /// The host says what it knows of the attempt.
    Reported {
        /// Which attempt.
        attempt: Attempt,
        /// The spool that the host has.
        spool: SpoolId,
        /// What it says.
        report: Report,
    },
    /// The output of the attempt is safe at home.
    Delivered {
        /// Which attempt.
        attempt: Attempt,
    },
    /// The host has not been heard for longer than `lost-after`.
    HostSilent {
        /// The attempt that it runs.
        attempt: Attempt,
        /// Since when, in seconds since 1970.
        since_unix: i64,
    },
    /// The host is heard again.
    HostHeard {
        /// The attempt that it runs.
        attempt: Attempt,
    },
    /// The host asks for the lease of a restartable attempt, first or again.
    /// It is granted by answering, after what [`Record::step`](super::Record::step) says was
    /// written; an error is the refusal.
    LeaseAsked {
        /// Which attempt.
        attempt: Attempt,
    },
    /// The lease and a quarter have passed since home last granted it, or since it placed
    /// the attempt, or since it was itself started: a restarted home forgot what it granted.
    LeaseExpired {
        /// Which attempt.
        attempt: Attempt,
    },
    /// The owner or an administrator wants it cancelled.
    CancelAsked,
    /// No allowed host can run it: the command is found nowhere, for example.
    NoHostCan(Refusal),
    /// The end of another job that it waits for can no longer be what it waits for, in words.
    AwaitedInVain(String),
    /// Somebody said `queue give-up`: do not wait for that host any longer.
    GivenUp,
    /// Somebody said `queue resubmit`.
    Resubmitted,
}

impl Event {
    /// The attempt it is about; `None` for what is about the job.
    pub fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Reported { attempt, .. }
            | Self::Delivered { attempt }
            | Self::HostSilent { attempt, .. }
            | Self::HostHeard { attempt }
            | Self::LeaseAsked { attempt }
            | Self::LeaseExpired { attempt } => Some(*attempt),
            Self::Submitted
            | Self::Held
            | Self::Released
            | Self::Placed(_)
            | Self::CancelAsked
            | Self::NoHostCan(_)
            | Self::AwaitedInVain(_)
            | Self::GivenUp
            | Self::Resubmitted => None,
        }
    }
}

/// What a host knows of an attempt, by its durable record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It has not started it and never will. `never seen` is this answer too.
    Refused,
    /// It has written it down; it may have been started.
    Accepted,
    /// The leader has exec'd.
    Started,
    /// The process ended by itself, like this.
    Ended(End),
    /// The process is gone without an end of its own: killed by a cancel or with its lease,
    /// or lost in a crash of the host.
    Gone,
    /// The host has another spool than the one the attempt was placed in: it cannot know.
    OtherSpool,
}
