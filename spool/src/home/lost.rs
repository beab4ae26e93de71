//! Attempts whose end is not known, and what may still be learned of them.
//!
//! A lost attempt is not forgotten: as long as no later attempt has been started, the truth
//! about it wins over what home had to assume.

use super::{Cancel, Contact, Death, Place, Report, Run, Stage, State};
use crate::Attempt;

/// An attempt whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which attempt, and where.
    pub place: Place,
    /// What is known of its process.
    pub loss: Loss,
}

/// What is known of the process of a lost attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What a report says about a lost attempt.
pub(super) enum Learned {
    /// Nothing that matters.
    Nothing,
    /// It was not started and never will be.
    NeverStarted,
    /// Its process is gone, and there is no end.
    Gone(Lost),
    /// It was not lost: this is how it stands.
    Truth(Run),
}

/// Takes a report about `attempt` against what is known of the lost one.
pub(super) fn learn(lost: Option<&Lost>, attempt: Attempt, report: &Report) -> Learned {
    let Some(lost) = lost.filter(|lost| lost.place.attempt == attempt) else {
        return Learned::Nothing;
    };
    let truth = |stage| Learned::Truth(Run { place: lost.place.clone(), stage, contact: Contact::Heard });
    let gone = || Lost { place: lost.place.clone(), loss: Loss::Gone };
    let (cancel, earlier) = (Cancel::No, None);
    match (report, lost.loss) {
        (Report::Ended(end), _any_loss) => truth(Stage::Delivering(end.clone())),
        (Report::Gone, Loss::LeaseOver | Loss::GivenUp | Loss::OtherSpool) => Learned::Gone(gone()),
        (Report::Refused, Loss::GivenUp | Loss::OtherSpool) => Learned::NeverStarted,
        (Report::Accepted, Loss::GivenUp | Loss::OtherSpool) => truth(Stage::Accepted { cancel, earlier }),
        (Report::Started, Loss::GivenUp | Loss::OtherSpool) => truth(Stage::Started { cancel }),
        // Overtaken by what is known already.
        (Report::Gone, Loss::Gone)
        | (Report::Refused | Report::Accepted | Report::Started, Loss::Gone | Loss::LeaseOver) => Learned::Nothing,
    }
}

/// A job that is cancelled before its next start. Cancelled means that no process is left;
/// where that is not known of a lost attempt, the job is what it was before the resubmit.
pub(super) fn withdrawn(lost: Option<&Lost>) -> State {
    match lost {
        Some(lost) if !lost.loss.is_process_gone() => State::Dead(Death::LostHost(lost.clone())),
        Some(_) | None => State::Cancelled,
    }
}
