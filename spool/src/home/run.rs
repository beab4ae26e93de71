//! The attempt of a running job: how far it has come, and what a report of its host makes of it.

use serde::{Deserialize, Serialize};
use wire::session::End;

use super::lost::withdrawn;
use super::{Death, Loss, Lost, Output, Place, Report, Starts, State, Why};

/// The attempt of a running job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Run {
    /// Which attempt, and where.
    pub place: Place,
    /// How far it has come.
    pub stage: Stage,
    /// Whether its host is heard.
    pub contact: Contact,
}

impl Run {
    /// An attempt that home has just written down.
    pub(super) fn placed(place: Place, earlier: Option<Lost>) -> Self {
        let cancel = Cancel::No;
        Self { place, stage: Stage::Placed { cancel, earlier }, contact: Contact::Heard }
    }

    /// What the job waits for besides its own end, in the order of importance.
    pub fn waiting_for(&self) -> Vec<WaitingFor<'_>> {
        let mut all = Vec::new();
        if let Contact::Silent { since_unix } = self.contact {
            let host = &self.place.host;
            all.push(WaitingFor::Host { host, since_unix });
        }
        match self.stage.cancel() {
            Some(Cancel::No) => {}
            Some(Cancel::Asked) => all.push(WaitingFor::Cancel),
            None => all.push(WaitingFor::Delivery),
        }
        all
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<&End> {
        match &self.stage {
            Stage::Placed { .. } | Stage::Accepted { .. } | Stage::Started { .. } => None,
            Stage::Delivering(end) => Some(end),
        }
    }

    /// What a report about this attempt makes of the job; `None` when it is nothing new.
    pub(super) fn reported(&self, report: &Report, starts: Starts) -> Result<Option<State>, Why> {
        Ok(match (report, &self.stage) {
            (Report::Accepted, Stage::Placed { cancel, earlier }) => {
                let (cancel, earlier) = (*cancel, earlier.clone());
                Some(self.at(Stage::Accepted { cancel, earlier }))
            }
            (Report::Started, Stage::Placed { cancel, .. } | Stage::Accepted { cancel, .. }) => {
                Some(self.at(Stage::Started { cancel: *cancel }))
            }
            (Report::Ended(end), Stage::Placed { .. } | Stage::Accepted { .. } | Stage::Started { .. }) => {
                Some(self.at(Stage::Delivering(end.clone())))
            }
            (
                Report::Gone,
                Stage::Placed { cancel, .. } | Stage::Accepted { cancel, .. } | Stage::Started { cancel },
            ) => Some(self.gone(*cancel, starts, Loss::Gone)),
            (Report::Refused, Stage::Placed { cancel, earlier } | Stage::Accepted { cancel, earlier }) => {
                Some(not_started(*cancel, earlier.as_ref()))
            }
            (Report::OtherSpool, Stage::Placed { .. } | Stage::Accepted { .. } | Stage::Started { .. }) => match starts
            {
                Starts::Once => Some(self.dead(Loss::OtherSpool)),
                // The process may be alive all the same; the lease decides.
                Starts::UntilEnd => None,
            },
            (Report::OtherSpool, Stage::Delivering(end)) => Some(self.finished(end, Output::Lost)),
            (Report::Refused, Stage::Started { .. } | Stage::Delivering(_)) => {
                return Err(Why::RefusedAfterStart { attempt: self.place.attempt, host: self.place.host.clone() });
            }
            (Report::Accepted, Stage::Accepted { .. } | Stage::Started { .. } | Stage::Delivering(_))
            | (Report::Started, Stage::Started { .. } | Stage::Delivering(_))
            | (Report::Ended(_) | Report::Gone, Stage::Delivering(_)) => None,
        })
    }

    /// The lease of a restartable attempt has run out; `None` when it had ended before.
    pub(super) fn lease_over(&self) -> Option<State> {
        match &self.stage {
            // No lease was ever granted and none will be, so it is as good as refused.
            Stage::Placed { cancel, earlier } => Some(not_started(*cancel, earlier.as_ref())),
            Stage::Accepted { cancel, .. } | Stage::Started { cancel } => {
                Some(self.gone(*cancel, Starts::UntilEnd, Loss::LeaseOver))
            }
            Stage::Delivering(_) => None,
        }
    }

    /// Its process is gone, and no end of its own is known.
    pub(super) fn gone(&self, cancel: Cancel, starts: Starts, loss: Loss) -> State {
        match (cancel, starts) {
            (Cancel::Asked, Starts::Once | Starts::UntilEnd) => State::Cancelled,
            (Cancel::No, Starts::Once) => self.dead(loss),
            (Cancel::No, Starts::UntilEnd) => State::Pending { lost: Some(self.lost(loss)) },
        }
    }

    /// Its host is lost, and nothing is known of its end.
    pub(super) fn dead(&self, loss: Loss) -> State {
        State::Dead(Death::LostHost(self.lost(loss)))
    }

    /// It has ended, and no more is to come.
    pub(super) fn finished(&self, end: &End, output: Output) -> State {
        State::Finished { end: end.clone(), place: self.place.clone(), output }
    }

    /// The same run with something else known of the lost attempt before it.
    pub(super) fn with_earlier(&self, earlier: Option<Lost>) -> Self {
        let mut run = self.clone();
        match &mut run.stage {
            Stage::Placed { earlier: known, .. } | Stage::Accepted { earlier: known, .. } => {
                *known = earlier;
            }
            Stage::Started { .. } | Stage::Delivering(_) => {}
        }
        run
    }

    /// The same run, to be cancelled.
    pub(super) fn to_be_cancelled(&self) -> Self {
        let mut run = self.clone();
        match &mut run.stage {
            Stage::Placed { cancel, .. } | Stage::Accepted { cancel, .. } | Stage::Started { cancel } => {
                *cancel = Cancel::Asked
            }
            Stage::Delivering(_) => {}
        }
        run
    }

    /// The same run with its host heard or silent.
    pub(super) fn with_contact(&self, contact: Contact) -> Self {
        Self { contact, ..self.clone() }
    }

    fn at(&self, stage: Stage) -> State {
        State::Running(Self { stage, ..self.clone() })
    }

    fn lost(&self, loss: Loss) -> Lost {
        let earlier = match loss {
            // It may turn out that it was refused.
            Loss::GivenUp => self.stage.earlier().cloned().map(Box::new),
            // It may have been started, and nothing else will ever be known.
            Loss::Gone | Loss::LeaseOver | Loss::OtherSpool => None,
        };
        Lost { place: self.place.clone(), loss, earlier }
    }
}

/// How far an attempt has come, as far as home knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Home has written it down; the host has not answered yet and may never have heard.
    Placed {
        /// Whether it is to be cancelled.
        cancel: Cancel,
        /// A lost attempt whose end would count if this one is refused.
        earlier: Option<Lost>,
    },
    /// The host has written it down; its leader may exec at any moment, a restartable attempt
    /// only after the lease that it asks for now.
    Accepted {
        /// Whether it is to be cancelled.
        cancel: Cancel,
        /// As in `Placed`.
        earlier: Option<Lost>,
    },
    /// The leader has exec'd. From here on no earlier attempt counts.
    Started {
        /// Whether it is to be cancelled.
        cancel: Cancel,
    },
    /// It ended like this; its output is not safe at home yet.
    Delivering(End),
}

impl Stage {
    /// The lost attempt before this one, if its end would still count.
    pub(super) fn earlier(&self) -> Option<&Lost> {
        match self {
            Self::Placed { earlier, .. } | Self::Accepted { earlier, .. } => earlier.as_ref(),
            Self::Started { .. } | Self::Delivering(_) => None,
        }
    }

    /// Whether it is to be cancelled; `None` once it has ended.
    pub(super) fn cancel(&self) -> Option<Cancel> {
        match self {
            Self::Placed { cancel, .. } | Self::Accepted { cancel, .. } | Self::Started { cancel } => Some(*cancel),
            Self::Delivering(_) => None,
        }
    }
}

/// Whether a running job is to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// No.
    No,
    /// Yes, but its process is not known to be gone.
    Asked,
}

/// Whether a host is heard. It is for people: nothing is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contact {
    /// It is.
    Heard,
    /// It is not.
    Silent {
        /// Seconds since 1970 by home's clock when it was last heard.
        since_unix: i64,
    },
}

/// What a running job waits for besides its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor<'a> {
    /// Its host is silent.
    Host {
        /// The host's name.
        host: &'a str,
        /// Since when, in seconds since 1970.
        since_unix: i64,
    },
    /// A cancel was asked; its process is not known to be gone.
    Cancel,
    /// It has ended; its output is on its way home.
    Delivery,
}

/// What becomes of a job whose attempt was not started and never will be.
fn not_started(cancel: Cancel, earlier: Option<&Lost>) -> State {
    match cancel {
        Cancel::No => State::Pending { lost: earlier.cloned() },
        Cancel::Asked => withdrawn(earlier),
    }
}
