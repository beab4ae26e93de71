//! The transition function of a job: one match over (state, event). The table that it
//! follows stands in the crate's document; `tests/states/table.rs` compares the two cell by cell.

use super::lost::{Learned, MOST_LOST, learn, withdrawn};
use super::{
    Cancel, Contact, Death, Event, Loss, NeverStarted, NotAllowed, Output, Record, Report, Run, Starts, State, Step,
    Why,
};

impl Record {
    /// What `event` does to this job. Pure: the caller makes the new record durable before
    /// it answers anybody, and then carries out what the new state asks for.
    pub fn step(&self, event: &Event) -> Result<Step, NotAllowed> {
        let next =
            self.check_source(event).and_then(|()| self.next(event)).map_err(|why| NotAllowed { job: self.id, why })?;
        Ok(match next {
            Next::To(state) => Step::To(self.with(state)),
            Next::Nothing => Step::Nothing,
            Next::Later => Step::Later,
        })
    }

    fn next(&self, event: &Event) -> Result<Next, Why> {
        let starts = self.starts;
        let state = self.state.word();
        match (&self.state, event) {
            // Held and pending: the job waits at home, perhaps with a lost attempt behind it.
            (State::Held { .. }, Event::Submitted | Event::Held) => Ok(Next::Nothing),
            (State::Pending { .. }, Event::Submitted | Event::Released) => Ok(Next::Nothing),
            (State::Pending { lost }, Event::Held) => to(State::Held { lost: lost.clone() }),
            (State::Held { lost }, Event::Released) => to(State::Pending { lost: lost.clone() }),
            (State::Held { .. }, Event::Placed(_) | Event::NoHostCan(_)) => Err(Why::IsHeld),
            (State::Pending { lost }, Event::Placed(place)) => {
                let attempt = place.attempt;
                if self.next_attempt() != Some(attempt) {
                    return Err(Why::NotNext { attempt });
                }
                to(State::Running(Run::placed(place.clone(), lost.clone())))
            }
            (State::Pending { lost }, Event::NoHostCan(refusal)) => to(State::Dead(match lost {
                Some(lost) => Death::LostHost(lost.clone()),
                None => Death::NeverStarted(NeverStarted::NoHostCan(refusal.clone())),
            })),
            (State::Held { lost } | State::Pending { lost }, Event::AwaitedInVain(why)) => {
                to(State::Dead(match lost {
                    Some(lost) => Death::LostHost(lost.clone()),
                    None => Death::NeverStarted(NeverStarted::AwaitedInVain(why.clone())),
                }))
            }
            (State::Held { lost } | State::Pending { lost }, Event::CancelAsked) => to(withdrawn(lost.as_ref())),
            (State::Held { lost }, Event::Reported { attempt, report, .. }) => {
                match learn(lost.as_ref(), *attempt, report) {
                    Learned::Nothing => Ok(Next::Nothing),
                    Learned::Remains(lost) => to(State::Held { lost }),
                    Learned::Truth(run) => to(State::Running(run)),
                    Learned::Later => Ok(Next::Later),
                }
            }
            (State::Pending { lost }, Event::Reported { attempt, report, .. }) => {
                match learn(lost.as_ref(), *attempt, report) {
                    Learned::Nothing => Ok(Next::Nothing),
                    Learned::Remains(lost) => to(State::Pending { lost }),
                    Learned::Truth(run) => to(State::Running(run)),
                    Learned::Later => Ok(Next::Later),
                }
            }
            (State::Held { .. } | State::Pending { .. }, Event::GivenUp) => Err(Why::NothingToGiveUp { state }),
            (State::Held { .. } | State::Pending { .. } | State::Running(_), Event::Resubmitted) => {
                Err(Why::NotEnded { state })
            }

            // Running, and the event is about another attempt than the one that runs.
            (State::Running(run), Event::Reported { attempt, report, .. }) if *attempt != run.place.attempt => {
                match learn(run.stage.earlier(), *attempt, report) {
                    Learned::Nothing => Ok(Next::Nothing),
                    Learned::Remains(lost) => to(State::Running(run.with_earlier(lost))),
                    // It counts only if the attempt that is placed now is refused.
                    Learned::Truth(_) | Learned::Later => Ok(Next::Later),
                }
            }
            (State::Running(run), Event::LeaseAsked { attempt }) if *attempt != run.place.attempt => {
                Err(Why::LeaseOver { attempt: *attempt })
            }
            (
                State::Running(run),
                Event::Delivered { attempt }
                | Event::HostSilent { attempt, .. }
                | Event::HostHeard { attempt }
                | Event::LeaseExpired { attempt },
            ) if *attempt != run.place.attempt => Ok(Next::Nothing),

            // Running, and the event is about that attempt or about the job.
            (State::Running(_), Event::Submitted) => Ok(Next::Nothing),
            (
                State::Running(run),
                Event::Held | Event::Released | Event::Placed(_) | Event::NoHostCan(_) | Event::AwaitedInVain(_),
            ) => Err(Why::Running { attempt: run.place.attempt, host: run.place.host.clone() }),
            (State::Running(run), Event::Reported { report, .. }) => Ok(match run.reported(report, starts)? {
                Some(state) => Next::To(state),
                None => Next::Nothing,
            }),
            (State::Running(run), Event::GivenUp) => match (run.ended(), starts) {
                (Some(end), _) => to(run.finished(end, Output::Lost)),
                (None, Starts::Once) => to(run.dead(Loss::GivenUp)),
                (None, Starts::UntilEnd) => {
                    Err(Why::LeaseDecides { attempt: run.place.attempt, host: run.place.host.clone() })
                }
            },
            (State::Running(run), Event::Delivered { attempt }) => match run.ended() {
                Some(end) => to(run.finished(end, Output::Safe)),
                None => Err(Why::EndUnknown { attempt: *attempt }),
            },
            (State::Running(run), Event::HostSilent { since_unix, .. }) => match run.contact {
                Contact::Heard => {
                    let since_unix = *since_unix;
                    to(State::Running(run.with_contact(Contact::Silent { since_unix })))
                }
                Contact::Silent { .. } => Ok(Next::Nothing),
            },
            (State::Running(run), Event::HostHeard { .. }) => match run.contact {
                Contact::Heard => Ok(Next::Nothing),
                Contact::Silent { .. } => to(State::Running(run.with_contact(Contact::Heard))),
            },
            (State::Running(run), Event::LeaseAsked { attempt }) => {
                let attempt = *attempt;
                match (starts, run.stage.cancel()) {
                    (Starts::Once, _) => Err(Why::NoLease),
                    // Who asks has accepted. The first grant is written down, see `lease_over`.
                    (Starts::UntilEnd, Some(Cancel::No)) => Ok(match run.reported(&Report::Accepted, starts)? {
                        Some(accepted) => Next::To(accepted),
                        None => Next::Nothing,
                    }),
                    (Starts::UntilEnd, Some(Cancel::Asked)) => Err(Why::LeaseWithdrawn { attempt }),
                    (Starts::UntilEnd, None) => Err(Why::LeaseOver { attempt }),
                }
            }
            (State::Running(run), Event::LeaseExpired { .. }) => match starts {
                Starts::Once => Err(Why::NoLease),
                Starts::UntilEnd => Ok(run.lease_over().map_or(Next::Nothing, Next::To)),
            },
            (State::Running(run), Event::CancelAsked) => match run.stage.cancel() {
                Some(Cancel::No) => to(State::Running(run.to_be_cancelled())),
                Some(Cancel::Asked) => Ok(Next::Nothing),
                None => Err(Why::Delivering { host: run.place.host.clone() }),
            },

            // Ended: a resubmit leads away, and the truth about a lost attempt.
            (State::Finished { .. } | State::Dead(_) | State::Cancelled, Event::Submitted)
            | (State::Cancelled, Event::CancelAsked) => Ok(Next::Nothing),
            (State::Finished { .. } | State::Dead(_), Event::CancelAsked)
            | (
                State::Finished { .. } | State::Dead(_) | State::Cancelled,
                Event::Held
                | Event::Released
                | Event::Placed(_)
                | Event::NoHostCan(_)
                | Event::AwaitedInVain(_)
                | Event::GivenUp,
            ) => Err(Why::HasEnded { state }),
            (State::Dead(Death::LostHost(lost)), Event::Reported { attempt, report, .. }) => {
                match learn(Some(lost), *attempt, report) {
                    Learned::Nothing => Ok(Next::Nothing),
                    Learned::Remains(None) => to(State::Dead(Death::NeverStarted(NeverStarted::GivenUp))),
                    Learned::Remains(Some(lost)) => to(State::Dead(Death::LostHost(lost))),
                    Learned::Truth(run) => to(State::Running(run)),
                    Learned::Later => Ok(Next::Later),
                }
            }
            (
                State::Finished { .. } | State::Dead(Death::NeverStarted(_)) | State::Cancelled,
                Event::Reported { .. },
            ) => Ok(Next::Nothing),
            (State::Dead(Death::LostHost(lost)), Event::Resubmitted) => {
                if lost.all().count() >= MOST_LOST {
                    return Err(Why::LostTooOften);
                }
                to(State::Pending { lost: Some(lost.clone()) })
            }
            (State::Finished { .. } | State::Dead(Death::NeverStarted(_)) | State::Cancelled, Event::Resubmitted) => {
                to(State::Pending { lost: None })
            }

            // Not running: nothing else about an attempt matters, and no lease is granted.
            (
                State::Held { .. } | State::Pending { .. } | State::Finished { .. } | State::Dead(_) | State::Cancelled,
                Event::Delivered { .. }
                | Event::HostSilent { .. }
                | Event::HostHeard { .. }
                | Event::LeaseExpired { .. },
            ) => Ok(Next::Nothing),
            (
                State::Held { .. } | State::Pending { .. } | State::Finished { .. } | State::Dead(_) | State::Cancelled,
                Event::LeaseAsked { attempt },
            ) => Err(Why::LeaseOver { attempt: *attempt }),
        }
    }

    /// Nobody speaks for an attempt that was never placed, or out of another spool.
    fn check_source(&self, event: &Event) -> Result<(), Why> {
        match event.attempt() {
            Some(attempt) if self.last < Some(attempt) => return Err(Why::NeverPlaced { attempt }),
            Some(_) | None => {}
        }
        let Event::Reported { attempt, spool, report } = event else {
            return Ok(());
        };
        let (attempt, reported) = (*attempt, *spool);
        match (self.place_of(attempt).map(|place| place.spool), report) {
            (Some(spool), Report::OtherSpool) if spool == reported => Err(Why::PlacedThere { attempt, spool }),
            (Some(placed), Report::Refused | Report::Accepted | Report::Started | Report::Ended(_) | Report::Gone)
                if placed != reported =>
            {
                Err(Why::NotPlacedThere { attempt, placed, reported })
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// This record in another state.
    fn with(&self, state: State) -> Self {
        let next = Self { id: self.id, starts: self.starts, last: self.last, state };
        let placed = next.running().map(|place| place.attempt);
        Self { last: next.last.max(placed), ..next }
    }
}

/// [`Step`] before it is a whole record.
enum Next {
    To(State),
    Nothing,
    Later,
}

fn to(state: State) -> Result<Next, Why> {
    Ok(Next::To(state))
}
