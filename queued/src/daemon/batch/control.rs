//! What daemons ask of each other about attempts, answered: by a host about what it runs, by a home about what
//! it wants.

use std::rc::Rc;
use std::time::Duration;

use spool::home::{Event, Place};
use spool::store::{Change, Outcome, StepChange};
use spool::{SpoolId, hosted};
use wire::api::{Refusal, RefusalKind};
use wire::attempts::{
    AttemptAnswer, AttemptReport, AttemptRequest, Known, LeaseAnswer, LeaseRequest, ReportAnswer, Want,
};
use wire::job::TimeLimit;

use super::doubts::known_of;
use super::host::numbers;
use super::{Batch, failed, now_us, spool_failed};
use crate::daemon::Daemon;
use crate::link::{AttemptKey, ToRunner};

impl Batch {
    /// A home wants something about an attempt on this host.
    pub async fn wanted(&self, daemon: &Rc<Daemon>, home: &str, request: AttemptRequest) -> AttemptAnswer {
        let key = AttemptKey { home: home.to_owned(), job_id: request.job_id, attempt: request.attempt };
        let Ok(spool) = request.spool.parse::<SpoolId>() else {
            return AttemptAnswer::Failed(failed("this is no spool's name"));
        };
        if spool != self.store.id() {
            return AttemptAnswer::Known(Known::OtherSpool);
        }
        match request.want {
            Want::Start if self.is_prepared(&key) => {
                let started = self.note(daemon, &key, &request.user, hosted::Event::StartAsked { spool }).await;
                if matches!(started, AttemptAnswer::Known(Known::Accepted)) {
                    self.release(daemon, key, &request.user);
                }
                started
            }
            // What stands ready no more is refused, unless it was started by the same words said before.
            Want::Start | Want::Ask => self.note(daemon, &key, &request.user, hosted::Event::Asked { spool }).await,
            Want::Stop { grace_ms } => {
                let answer = self.note(daemon, &key, &request.user, hosted::Event::CancelAsked { spool }).await;
                if let Some(uid) = self.uid_of_attempt(&key) {
                    self.tell_runner(daemon, uid, ToRunner::Stop { key, grace_ms });
                }
                answer
            }
            Want::Signal(signal) => match self.uid_of_attempt(&key) {
                Some(uid) => {
                    self.tell_runner(daemon, uid, ToRunner::SignalAttempt { key, signal });
                    AttemptAnswer::Known(Known::Started)
                }
                None => AttemptAnswer::Failed(failed("it does not run here any more")),
            },
            Want::Time { seconds, queue } => self.give_time(daemon, key, seconds, &queue),
            Want::Acknowledge => {
                self.acknowledged(daemon, &key).await;
                AttemptAnswer::Known(Known::Gone)
            }
            Want::Output { stream, offset, wait_ms } => {
                self.piece(
                    daemon,
                    &request.user,
                    &key,
                    stream,
                    offset,
                    Duration::from_millis(wait_ms.min(MOST_WAIT_MS)),
                )
                .await
            }
        }
    }

    /// Has an attempt run longer or shorter than it was to, within what its queue gives here.
    fn give_time(&self, daemon: &Rc<Daemon>, key: AttemptKey, seconds: u64, queue: &str) -> AttemptAnswer {
        let terms = daemon.queues.terms(&daemon.queues.resolve(queue));
        if let Some(message) = terms.too_long(queue, seconds) {
            return AttemptAnswer::Failed(Refusal { kind: RefusalKind::Usage, message });
        }
        let Some(uid) = self.uid_of_attempt(&key) else {
            return AttemptAnswer::Failed(failed("it does not run here any more"));
        };
        let limit = TimeLimit { seconds, warn: terms.warn, grace_s: terms.grace_s };
        self.tell_runner(daemon, uid, ToRunner::Time { key, limit });
        AttemptAnswer::Known(Known::Started)
    }

    async fn note(&self, daemon: &Rc<Daemon>, key: &AttemptKey, user: &str, event: hosted::Event) -> AttemptAnswer {
        let Some((job, attempt)) = numbers(key) else {
            return AttemptAnswer::Failed(failed("these are no numbers of a job"));
        };
        let change =
            Change::Host { home: key.home.clone(), job, attempt, user: user.to_owned(), at_ms: daemon.now().0, event };
        match self.store.write(vec![change]).await.as_deref() {
            Ok([Outcome::Attempt(record)]) => match known_of(record) {
                Some(known) => AttemptAnswer::Known(known),
                None => AttemptAnswer::Failed(failed("it was never seen here")),
            },
            // A later attempt of the same job came after it, so this one is over.
            Ok([Outcome::Refused(_)]) => AttemptAnswer::Known(Known::Refused(None)),
            Ok(_) => AttemptAnswer::Failed(failed("the spool answers something else")),
            Err(error) => AttemptAnswer::Failed(spool_failed(error)),
        }
    }

    /// A host reports on an attempt of this home.
    pub async fn reported(&self, daemon: &Rc<Daemon>, host: &str, report: AttemptReport) -> ReportAnswer {
        let key = AttemptKey { home: daemon.host.clone(), job_id: report.job_id, attempt: report.attempt };
        let (Some((job, attempt)), Ok(spool)) = (numbers(&key), report.spool.parse::<SpoolId>()) else {
            return ReportAnswer { taken: true, settled: true };
        };
        let place = Place { attempt, host: host.to_owned(), spool };
        self.learn(daemon, job, &place, report.known, report.rank).await
    }

    /// A host asks whether a restartable attempt may go on.
    pub async fn lease_asked(&self, daemon: &Rc<Daemon>, host: &str, request: LeaseRequest) -> LeaseAnswer {
        let key = AttemptKey { home: daemon.host.clone(), job_id: request.job_id, attempt: request.attempt };
        let Some((job, attempt)) = numbers(&key) else { return LeaseAnswer { lease_ms: None } };
        let change = Change::Step(StepChange::new(job, Event::LeaseAsked { attempt }, now_us()));
        match self.store.write(vec![change]).await.as_deref() {
            Ok([Outcome::Job { brief, .. }]) => {
                let length = self.grant(daemon, brief, attempt);
                LeaseAnswer { lease_ms: Some(length.as_millis() as u64) }
            }
            other => {
                tracing::info!(job = job.number(), %host, ?other, "a lease is not granted");
                LeaseAnswer { lease_ms: None }
            }
        }
    }
}

/// How long a question about output may wait for some.
const MOST_WAIT_MS: u64 = 20_000;
