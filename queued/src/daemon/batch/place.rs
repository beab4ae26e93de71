//! Batch jobs and the dispatcher: hosts are asked, starts written down, and what could not be placed waits.

use std::rc::Rc;
use std::time::Duration;

use spool::home::{Event as JobEvent, Place, State};
use spool::hosted;
use spool::store::{Change, Description, Outcome, StepChange};
use spool::{Attempt, JobId};
use wire::api::{Note, Refusal, ReservationAnswer, ReservationRequest};
use wire::attempts::{AttemptAnswer, AttemptTerms, Want};

use super::line::is_definite;
use super::{Batch, lease, now_us};
use crate::core::admission::{IfFull, Slot};
use crate::core::dispatch::{Action, Event};
use crate::core::names::{self, HostName};
use crate::daemon::Daemon;
use crate::daemon::placing;

impl Batch {
    /// Carries out what the dispatcher wants for a batch job; gives back what is about something else.
    pub fn carry_out(&self, daemon: &Rc<Daemon>, action: Action) -> Option<Action> {
        match action {
            Action::Ask { id, host, runner_up_rank, slot, if_full, deadline } if self.line.has(id.0) => {
                let daemon = daemon.clone();
                tokio::task::spawn_local(async move {
                    let asked = Question { id, runner_up_rank, slot, if_full };
                    let event = daemon.batch.ask(&daemon, &asked, host, deadline).await;
                    daemon.placing.feed(&daemon, event);
                });
                None
            }
            Action::Place { id, host, .. } if self.line.has(id.0) => {
                let daemon = daemon.clone();
                tokio::task::spawn_local(async move { daemon.batch.place(&daemon, id.0, host).await });
                None
            }
            Action::Wait { id, text } if self.line.has(id.0) => {
                self.line.waits(id.0, text);
                None
            }
            Action::Refuse { id, refusal } if self.line.has(id.0) => {
                let daemon = daemon.clone();
                tokio::task::spawn_local(async move { daemon.batch.refused(&daemon, id.0, refusal).await });
                None
            }
            other => Some(other),
        }
    }

    async fn ask(
        &self,
        daemon: &Rc<Daemon>,
        question: &Question,
        host: HostName,
        deadline: crate::core::time::Millis,
    ) -> Event {
        let id = question.id;
        let request = match self.reservation(daemon, question) {
            Ok(request) => request,
            Err(why) => {
                // Its row is the dispatcher's only source; a job that was deleted is withdrawn too.
                tracing::warn!(job = id.0, "a job cannot be placed: {why}");
                self.line.leave(id.0);
                return Event::Cancelled { id };
            }
        };
        match daemon.placing.reserve(daemon, &host, request, deadline).await {
            Ok(ReservationAnswer::Reserved { rank, spool, .. }) => match spool.and_then(|spool| spool.parse().ok()) {
                Some(spool) => {
                    self.reserved.borrow_mut().insert((id.0, host.clone()), spool);
                    Event::Reserved { id, host, rank }
                }
                None => Event::Silent { id, host },
            },
            Ok(ReservationAnswer::Refused { refusal, rank }) => placing::refused(id, host, refusal, rank),
            Err(error) => {
                tracing::info!(%host, job = id.0, "a reservation failed: {error:#}");
                Event::Silent { id, host }
            }
        }
    }

    fn reservation(&self, daemon: &Rc<Daemon>, question: &Question) -> Result<ReservationRequest, String> {
        let description = self.line.description(question.id.0).ok_or("it is not in line")?;
        let user = self.line.user(question.id.0).ok_or("it is not in line")?;
        let warrant = self.trees.borrow_mut().warrant(&self.store, &description).map_err(|error| error.to_string())?;
        let attempt = self.line.attempt(question.id.0).ok_or("it is not in line")?;
        let Description { job, wishes, submitted_us, .. } = (*description).clone();
        let restartable = job.batch.as_ref().is_some_and(|batch| batch.restartable);
        let lease_ms = restartable.then(|| lease::length(daemon, &job.queue).as_millis() as u64);
        Ok(ReservationRequest {
            job_id: question.id.0,
            job,
            warrant,
            user,
            priority: wishes.priority,
            runner_up_rank: question.runner_up_rank,
            without_slot: question.slot == Slot::Without,
            remember: question.if_full == IfFull::Remember,
            attempt: Some(AttemptTerms { attempt, wishes, submitted_us, lease_ms }),
        })
    }

    /// A host is ready: the start is written down, and only then is it told to go on.
    async fn place(&self, daemon: &Rc<Daemon>, id: u64, host: HostName) {
        let spool = self.reserved.borrow_mut().remove(&(id, host.clone()));
        self.reserved.borrow_mut().retain(|(job, _), _| *job != id);
        let attempt = self.line.attempt(id).and_then(|attempt| Attempt::new(attempt).ok());
        let (Some(spool), Some(attempt), Ok(job)) = (spool, attempt, JobId::new(id)) else {
            return self.not_placed(daemon, id, &host);
        };
        let place = Place { attempt, host: host.to_string(), spool };
        let placed = Change::Step(StepChange::new(job, JobEvent::Placed(place.clone()), now_us()));
        let is_here = host.as_str() == daemon.host;
        let user = self.line.user(id).unwrap_or_default();
        let mut unit = vec![placed];
        if is_here {
            unit.push(Change::Host {
                home: daemon.host.clone(),
                job,
                attempt,
                user: user.clone(),
                at_ms: daemon.now().0,
                event: hosted::Event::StartAsked { spool },
            });
        }
        let written = self.store.write(unit).await;
        let brief = match written.as_deref() {
            Ok([Outcome::Job { brief, changed: true }, ..]) => brief.clone(),
            other => {
                if let Err(error) = other {
                    tracing::warn!(job = id, "a start was not written down: {error}");
                }
                return self.not_placed(daemon, id, &host);
            }
        };
        self.line.leave(id);
        self.feed(daemon, brief.lane);
        if brief.record.starts() == spool::home::Starts::UntilEnd {
            self.grant(daemon, &brief, attempt);
        }
        if is_here {
            self.release(daemon, super::key_of(&daemon.host, job, &place), &user);
            return;
        }
        match self.tell(daemon, job, &place, &user, Want::Start, START).await {
            Ok(AttemptAnswer::Known(known)) => {
                self.learn(daemon, job, &place, known, None).await;
            }
            // It may have been started: it is asked until it says how it stands.
            Ok(_) | Err(_) => self.doubt(job, &place),
        }
    }

    /// The host is let go again; the job goes on waiting, if it still does.
    fn not_placed(&self, daemon: &Rc<Daemon>, id: u64, host: &HostName) {
        daemon.tell_host(host.as_str(), Note::Release { job_id: id });
        daemon.placing.feed(daemon, Event::Ended { id: names::JobId(id), host: host.clone(), rank: None });
        self.turned_away(daemon, id, AGAIN);
    }

    /// No host takes it. It is dead only if every host that may run it has said that it cannot. What one needs that no
    /// host offers any more, it waits for: an admin may be about to offer it again.
    async fn refused(&self, daemon: &Rc<Daemon>, id: u64, refusal: Refusal) {
        let before = self.line.refusals(id);
        let is_final =
            is_definite(refusal.kind) || !before.is_empty() && before.iter().all(|(_, said)| is_definite(said.kind));
        self.line.waits(id, refusal.message.clone());
        let (true, Ok(job)) = (is_final && self.everybody_is_known(daemon), JobId::new(id)) else {
            return self.turned_away(daemon, id, AGAIN);
        };
        let refusal = match before.last() {
            Some((host, said)) if !is_definite(refusal.kind) => {
                Refusal { kind: said.kind, message: format!("{host}: {}", said.message) }
            }
            _ => refusal,
        };
        let change = Change::Step(StepChange::new(job, JobEvent::NoHostCan(refusal), now_us()));
        let lane = self.line.leave(id);
        match self.store.write(vec![change]).await.as_deref() {
            Ok([Outcome::Job { brief, .. }]) => self.has_changed(daemon, brief),
            Ok(_) => {}
            Err(error) => tracing::warn!(job = id, "an end was not written down: {error}"),
        }
        if let Some(lane) = lane {
            self.feed(daemon, lane);
        }
    }

    /// Whether no host is silent or only just started: one of those might be able to.
    pub(super) fn everybody_is_known(&self, daemon: &Rc<Daemon>) -> bool {
        daemon.now().since(daemon.started) > NEWCOMERS && daemon.host_rows().iter().all(|row| !row.is_silent())
    }

    /// A job is in another state than before: whoever waits for that is told.
    pub fn has_changed(&self, daemon: &Rc<Daemon>, brief: &spool::store::Brief) {
        let id = brief.id().number();
        match brief.state() {
            State::Pending { .. } => {
                if !self.line.has(id) {
                    self.feed(daemon, brief.lane);
                }
            }
            State::Finished { .. } | State::Dead(_) | State::Cancelled => {
                self.line.forget(id);
                self.waiters.ended(id);
                self.leases.borrow_mut().forget(id);
                if brief.wants_notice() {
                    self.notices.look_at(id);
                }
                if let Some(array) = brief.array {
                    self.reports.look_at_array(array);
                } else if brief.wants_report() {
                    let attempt = brief.record.last().map_or(0, Attempt::number);
                    self.reports.look_at(id, attempt, crate::core::reports::Kind::End);
                }
            }
            State::Held { .. } | State::Running(_) => {}
        }
    }
}

/// What the dispatcher wants to know of a host.
struct Question {
    id: names::JobId,
    runner_up_rank: Option<f64>,
    slot: Slot,
    if_full: IfFull,
}

/// A host answers a start when it has written it down.
const START: Duration = Duration::from_secs(5);
/// A job that no host takes is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// By then a daemon that just started has heard of the others.
const NEWCOMERS: Duration = Duration::from_secs(5);
