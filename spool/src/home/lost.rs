//! Attempts whose end is not known, and what may still be learned of them.
//!
//! A lost attempt is not forgotten: as long as no later attempt has been started, the truth
//! about it wins over what home had to assume. Several may be lost at a time, each one placed
//! after a resubmit (restartable attempts never: their leases settle them). The bound is
//! [`MOST_LOST`]; a job with so many is not resubmitted.

use serde::{Deserialize, Serialize};

use super::{Cancel, Contact, Death, Place, Report, Run, Stage, State};
use crate::Attempt;

/// An attempt whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Lost {
    /// Which attempt, and where.
    pub place: Place,
    /// What is known of its process.
    pub loss: Loss,
    /// The lost attempt before it, which counts if this one turns out to have been refused.
    pub earlier: Option<Box<Lost>>,
}

impl Lost {
    /// It and those before it, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |lost| lost.earlier.as_deref())
    }
}

/// How many attempts of a job may be lost and unsettled at a time.
pub const MOST_LOST: usize = 8;

/// What is known of the process of a lost attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// It is gone without an end of its own: its host says so.
    Gone,
    /// It is gone, because its lease has run out; it may have ended by itself before.
    LeaseOver,
    /// Nothing: somebody gave it up while its host was silent.
    GivenUp,
    /// Nothing: its host has another spool now.
    OtherSpool,
}

impl Loss {
    /// Whether its process is known to be gone.
    pub fn is_process_gone(self) -> bool {
        match self {
            Self::Gone | Self::LeaseOver => true,
            Self::GivenUp | Self::OtherSpool => false,
        }
    }
}

/// What a report says about lost attempts.
pub(super) enum Learned {
    /// Nothing that matters.
    Nothing,
    /// This is what remains lost. `None`: nothing has been started.
    Remains(Option<Lost>),
    /// It was not lost: this is how it stands.
    Truth(Run),
    /// It was not lost, but a later one may have been started.
    Later,
}

/// Takes a report about `attempt` against what is known of the lost ones.
pub(super) fn learn(lost: Option<&Lost>, attempt: Attempt, report: &Report) -> Learned {
    let Some(lost) = lost else {
        return Learned::Nothing;
    };
    if lost.place.attempt != attempt {
        return match learn(lost.earlier.as_deref(), attempt, report) {
            Learned::Nothing => Learned::Nothing,
            Learned::Remains(earlier) => {
                let earlier = earlier.map(Box::new);
                Learned::Remains(Some(Lost { earlier, ..lost.clone() }))
            }
            Learned::Truth(_) | Learned::Later => Learned::Later,
        };
    }
    let truth = |stage| Learned::Truth(Run { place: lost.place.clone(), stage, contact: Contact::Heard });
    // It may have been started, so those before it count no more.
    let remains = |loss| Learned::Remains(Some(Lost { place: lost.place.clone(), loss, earlier: None }));
    let earlier = || lost.earlier.as_deref().cloned();
    let cancel = Cancel::No;
    match (report, lost.loss) {
        (Report::Ended(end), Loss::Gone | Loss::LeaseOver | Loss::GivenUp | Loss::OtherSpool) => {
            truth(Stage::Delivering(end.clone()))
        }
        (Report::Gone, Loss::LeaseOver | Loss::GivenUp | Loss::OtherSpool) => remains(Loss::Gone),
        (Report::OtherSpool, Loss::GivenUp) => remains(Loss::OtherSpool),
        (Report::Refused, Loss::GivenUp | Loss::OtherSpool) => Learned::Remains(earlier()),
        (Report::Accepted, Loss::GivenUp | Loss::OtherSpool) => truth(Stage::Accepted { cancel, earlier: earlier() }),
        (Report::Started, Loss::GivenUp | Loss::OtherSpool) => truth(Stage::Started { cancel }),
        // Overtaken by what is known already.
        (Report::Gone, Loss::Gone)
        | (Report::Refused | Report::Accepted | Report::Started, Loss::Gone | Loss::LeaseOver)
        | (Report::OtherSpool, Loss::Gone | Loss::LeaseOver | Loss::OtherSpool) => Learned::Nothing,
    }
}

/// A job that is cancelled before its next start. Cancelled means that no process is left;
/// where that is not known of a lost attempt, the job is what it was before the resubmit.
pub(super) fn withdrawn(lost: Option<&Lost>) -> State {
    match lost {
        // There are older ones only behind one that is in doubt itself.
        Some(lost) if !lost.loss.is_process_gone() => State::Dead(Death::LostHost(lost.clone())),
        Some(_) | None => State::Cancelled,
    }
}
