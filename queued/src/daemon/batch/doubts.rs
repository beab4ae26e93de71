//! Home and the hosts that run its attempts: what a host says is learned, and one that cannot be asked is asked
//! again until it says how the attempt stands.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use spool::home::{Contact, Event, Place, Report, State};
use spool::store::{Brief, Change, Outcome, Reader, StepChange};
use spool::{Attempt, JobId, hosted};
use wire::api::Refusal;
use wire::attempts::{AttemptAnswer, AttemptRequest, Known, ReportAnswer, Want};
use wire::news::OwnRank;

use super::{Batch, key_of, now_us};
use crate::core::dispatch;
use crate::core::names::{self, HostName};
use crate::daemon::Daemon;
use crate::profile::size::After;

/// Attempts of which home does not know how they stand, and where they are.
#[derive(Default)]
pub struct Doubts {
    open: RefCell<HashMap<(JobId, Attempt), Place>>,
}

impl Doubts {
    fn some(&self) -> Vec<((JobId, Attempt), Place)> {
        self.open.borrow().iter().take(MOST_AT_ONCE).map(|(key, place)| (*key, place.clone())).collect()
    }
}

impl Batch {
    /// Home wants to hear about this attempt.
    pub fn doubt(&self, job: JobId, place: &Place) {
        self.doubts.open.borrow_mut().insert((job, place.attempt), place.clone());
    }

    /// After a start of the daemon: everything that is not settled is asked about.
    pub async fn settle(&self, daemon: &Rc<Daemon>) {
        self.read_leases(daemon);
        let unsettled = match self.store.ask(|reader| reader.unsettled()) {
            Ok(unsettled) => unsettled,
            Err(error) => return tracing::error!("the jobs that run cannot be read: {error}"),
        };
        for brief in unsettled {
            let places = brief.record.unsettled().cloned().collect::<Vec<_>>();
            for place in places {
                if place.host == daemon.host {
                    self.settle_here(daemon, brief.id(), &brief.user, &place).await;
                } else {
                    self.doubt(brief.id(), &place);
                }
                if brief.record.starts() == spool::home::Starts::UntilEnd {
                    // A restarted home forgot what it granted: it may have been just now.
                    self.granted_before(daemon, &brief, place.attempt);
                }
            }
        }
    }

    /// This host is asked about its own attempt, as any other would be.
    async fn settle_here(&self, daemon: &Rc<Daemon>, job: JobId, user: &str, place: &Place) {
        if place.spool != self.store.id() {
            self.learn(daemon, job, place, Known::OtherSpool, None).await;
            return;
        }
        let asked = Change::Host {
            home: daemon.host.clone(),
            job,
            attempt: place.attempt,
            user: user.to_owned(),
            at_ms: daemon.now().0,
            event: hosted::Event::Asked { spool: place.spool },
        };
        match self.store.write(vec![asked]).await.as_deref() {
            Ok([Outcome::Attempt(record)]) => {
                if let Some(known) = known_of(record) {
                    self.learn(daemon, job, place, known, None).await;
                }
            }
            Ok([Outcome::Refused(_)]) => {
                self.learn(daemon, job, place, Known::Refused(None), None).await;
            }
            Ok(_) => {}
            Err(error) => tracing::error!("an attempt cannot be settled: {error}"),
        }
    }

    /// Asks about what is in doubt, for ever.
    pub async fn watch(&self, daemon: &Rc<Daemon>) {
        loop {
            tokio::time::sleep(WATCH).await;
            self.watch_silence(daemon).await;
            self.watch_leases(daemon).await;
            let open = self.doubts.some();
            for ((job, attempt), place) in open {
                let reachable = daemon.host_rows().iter().any(|row| row.record.host == place.host && !row.is_silent());
                if !reachable {
                    continue;
                }
                let user = self.store.ask(|reader| reader.brief(job)).ok().flatten().map(|brief| brief.user);
                let Some(user) = user else {
                    self.doubts.open.borrow_mut().remove(&(job, attempt));
                    continue;
                };
                match self.tell(daemon, job, &place, &user, Want::Ask, ASK).await {
                    Ok(AttemptAnswer::Known(known)) => {
                        self.doubts.open.borrow_mut().remove(&(job, attempt));
                        self.learn(daemon, job, &place, known, None).await;
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(job = job.number(), host = %place.host, "still in doubt: {error:#}"),
                }
            }
        }
    }

    /// Jobs whose host is silent say so, and are asked about when it is heard again.
    async fn watch_silence(&self, daemon: &Rc<Daemon>) {
        let rows = daemon.host_rows();
        let running = self.store.ask(|reader| reader.unsettled()).unwrap_or_default();
        for brief in running {
            let State::Running(run) = brief.state() else { continue };
            if run.place.host == daemon.host {
                continue;
            }
            let row = rows.iter().find(|row| row.record.host == run.place.host);
            let is_silent = row.is_none_or(|row| row.is_silent());
            let was_silent = matches!(run.contact, spool::home::Contact::Silent { .. });
            let attempt = run.place.attempt;
            let event = match (is_silent, was_silent) {
                (true, false) => {
                    let age_ms = row.map_or(0, |row| row.age_ms);
                    Event::HostSilent { attempt, since_unix: daemon.unix_time() - (age_ms / 1000) as i64 }
                }
                (false, true) => {
                    self.doubt(brief.id(), &run.place);
                    Event::HostHeard { attempt }
                }
                (true, true) if is_given_up(daemon, &brief, run.contact) => Event::GivenUp,
                _ => continue,
            };
            let gives_up = matches!(event, Event::GivenUp);
            let written = self.store.write(vec![Change::Step(StepChange::new(brief.id(), event, now_us()))]).await;
            if let (true, Ok([Outcome::Job { brief, changed: true }])) = (gives_up, written.as_deref()) {
                tracing::warn!(
                    job = brief.id().number(),
                    "given up: its host was silent for longer than its queue waits"
                );
                self.has_changed(daemon, brief);
            }
        }
    }

    /// Tells the host of an attempt something.
    ///
    /// # Errors
    /// It cannot be reached or does not answer in time.
    pub async fn tell(
        &self,
        daemon: &Rc<Daemon>,
        job: JobId,
        place: &Place,
        user: &str,
        want: Want,
        patience: Duration,
    ) -> anyhow::Result<AttemptAnswer> {
        let request = AttemptRequest {
            job_id: job.number(),
            attempt: place.attempt.number(),
            spool: place.spool.to_string(),
            user: user.to_owned(),
            want,
        };
        if place.host == daemon.host {
            return Ok(self.wanted(daemon, &daemon.host.clone(), request).await);
        }
        daemon.peers.ask(daemon, &place.host, "/v1/attempts", &request, patience).await
    }

    /// What a host knows of an attempt is written down, and what follows from it is done.
    pub async fn learn(
        &self,
        daemon: &Rc<Daemon>,
        job: JobId,
        place: &Place,
        known: Known,
        rank: Option<OwnRank>,
    ) -> ReportAnswer {
        let mut refusal: Option<Refusal> = None;
        let (report, left_over) = match known {
            Known::Refused(why) => {
                refusal = why;
                (Report::Refused, 0)
            }
            Known::Accepted => (Report::Accepted, 0),
            Known::Started => (Report::Started, 0),
            Known::Ended { end, left_over } => (Report::Ended(end), left_over),
            Known::Gone => (Report::Gone, 0),
            Known::OtherSpool => (Report::OtherSpool, 0),
        };
        let is_over = matches!(report, Report::Refused | Report::Ended(_) | Report::Gone);
        if is_over && place.host != daemon.host {
            // The slot there is free, whatever becomes of the record.
            let (id, host) = (names::JobId(job.number()), HostName::from(place.host.as_str()));
            daemon.placing.feed(daemon, dispatch::Event::Ended { id, host, rank });
        }
        let (attempt, spool) = (place.attempt, place.spool);
        let event = Event::Reported { attempt, spool, report };
        let change = StepChange { left_over, ..StepChange::new(job, event, now_us()) };
        let brief = match self.store.write(vec![Change::Step(change)]).await.as_deref() {
            Ok([Outcome::Job { brief, .. }]) => brief.clone(),
            // True, and not to be settled now: the host says it again.
            Ok([Outcome::Later]) => return ReportAnswer { taken: false, settled: false },
            Ok([Outcome::Refused(why)]) => {
                tracing::info!(job = job.number(), "a report is of no use: {why}");
                return ReportAnswer { taken: true, settled: true };
            }
            Ok(_) => return ReportAnswer { taken: false, settled: false },
            Err(error) => {
                tracing::error!(job = job.number(), "a report was not written down: {error}");
                return ReportAnswer { taken: false, settled: false };
            }
        };
        if let Some(refusal) = refusal {
            self.line.refuses(job.number(), &place.host, refusal);
        }
        if is_over {
            self.doubts.open.borrow_mut().remove(&(job, place.attempt));
        }
        self.has_changed(daemon, &brief);
        self.deliver_if_ended(daemon, &brief);
        ReportAnswer { taken: true, settled: brief.record.is_settled(place.attempt) }
    }

    /// An attempt that has ended elsewhere has its output fetched.
    fn deliver_if_ended(&self, daemon: &Rc<Daemon>, brief: &Brief) {
        let State::Running(run) = brief.state() else { return };
        if !matches!(run.stage, spool::home::Stage::Delivering(_)) {
            return;
        }
        let key = key_of(&daemon.host, brief.id(), &run.place);
        self.deliver(daemon, brief.id(), run.place.clone(), brief.user.clone(), key);
    }
}

/// What a host says of a record of its own.
pub fn known_of(record: &hosted::Record) -> Option<Known> {
    Some(match record.report()? {
        Report::Refused => Known::Refused(None),
        Report::Accepted => Known::Accepted,
        Report::Started => Known::Started,
        Report::Ended(end) => Known::Ended { end, left_over: 0 },
        Report::Gone => Known::Gone,
        Report::OtherSpool => Known::OtherSpool,
    })
}

/// Whether a silent host is waited for no longer, as `give-up-after` of the job's queue says.
fn is_given_up(daemon: &Rc<Daemon>, brief: &Brief, contact: Contact) -> bool {
    let (Contact::Silent { since_unix }, Some(effective)) = (contact, daemon.queues.effective(daemon, &brief.queue))
    else {
        return false;
    };
    let silent = Duration::from_secs(u64::try_from(daemon.unix_time() - since_unix).unwrap_or(0));
    matches!(effective.give_up_after.value, After::For(length) if silent >= length)
}

/// How often silence, leases and doubts are looked at.
const WATCH: Duration = Duration::from_secs(2);
/// How long a host may take to say what it knows.
const ASK: Duration = Duration::from_secs(5);
/// Questions in one round.
const MOST_AT_ONCE: usize = 100;
