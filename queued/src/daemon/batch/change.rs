//! What owners do to their jobs: each is an event of the table of states, and then what follows from it.

use std::rc::Rc;
use std::time::Duration;

use spool::JobId;
use spool::home::{Cancel, Contact, Event, Stage, State};
use spool::store::{Brief, Change as Written, Outcome, Reader, StepChange};
use wire::api::{JobName, Refusal};
use wire::attempts::Want;
use wire::batch::{Change, ChangeAnswer, ChangeRequest, Update};

use super::{Batch, lists, now_us, spool_failed};
use crate::daemon::Daemon;
use crate::link::{AttemptKey, ToRunner};

impl Batch {
    /// Does something to each of the jobs that are meant.
    pub async fn change(
        &self,
        daemon: &Rc<Daemon>,
        user: &str,
        request: ChangeRequest,
    ) -> Result<ChangeAnswer, Refusal> {
        let mut answer = ChangeAnswer::default();
        if request.select.query.is_none() && !request.select.jobs.is_empty() {
            let jobs = request.select.jobs.iter().map(|name| name.id).collect::<Vec<_>>();
            for some in jobs.chunks(AT_ONCE) {
                self.change_some(daemon, user, some, &request.change, &mut answer).await?;
            }
            return Ok(answer);
        }
        let mut after = 0;
        loop {
            let which = lists::which(user, &request.select)?;
            let page = self.store.ask_long(move |reader| reader.page(&which, after, AT_ONCE as u32, now_us())).await;
            let (rows, more) = page.map_err(|error| spool_failed(&error))?;
            let jobs = rows.iter().map(|row| row.id).collect::<Vec<_>>();
            self.change_some(daemon, user, &jobs, &request.change, &mut answer).await?;
            match more {
                Some(next) => after = next,
                None => return Ok(answer),
            }
        }
    }

    async fn change_some(
        &self,
        daemon: &Rc<Daemon>,
        user: &str,
        jobs: &[u64],
        change: &Change,
        answer: &mut ChangeAnswer,
    ) -> Result<(), Refusal> {
        let refuse = |answer: &mut ChangeAnswer, id: u64, why: String| {
            answer.refusals += 1;
            if answer.refused.len() < MOST_REFUSALS {
                answer.refused.push((JobName { id, home: Some(daemon.host.clone()) }, why));
            }
        };
        let mut mine = Vec::new();
        for id in jobs {
            let job = JobId::new(*id).ok();
            let brief = job.map(|job| self.store.ask(|reader| reader.brief(job))).transpose();
            match brief.map_err(|error| spool_failed(&error))?.flatten().filter(|brief| brief.user == user) {
                Some(brief) => mine.push(brief),
                None => refuse(answer, *id, format!("there is no job {id} of yours on {}", daemon.host)),
            }
        }
        // All of them share one sync.
        let written = mine.iter().map(|brief| self.change_one(daemon, brief, change));
        for (brief, done) in mine.iter().zip(join_all(written.collect()).await) {
            let id = brief.id().number();
            match done {
                Ok(done) => {
                    add(&mut answer.changed, id);
                    if done == Done::Asked {
                        add(&mut answer.asked, id);
                    }
                }
                Err(why) => refuse(answer, id, why),
            }
        }
        Ok(())
    }

    async fn change_one(&self, daemon: &Rc<Daemon>, brief: &Brief, change: &Change) -> Result<Done, String> {
        let job = brief.id();
        let step = |event| Written::Step(StepChange::new(job, event, now_us()));
        let written = match change {
            Change::Cancel { .. } => step(Event::CancelAsked),
            Change::Hold => step(Event::Held),
            Change::Release => step(Event::Released),
            Change::Resubmit => step(Event::Resubmitted),
            Change::GiveUp => {
                let given_up = self.may_be_given_up(daemon, brief);
                given_up.map(|()| step(Event::GivenUp))?
            }
            Change::Update(updates) => {
                let (times, updates): (Vec<_>, Vec<_>) =
                    updates.iter().cloned().partition(|update| matches!(update, Update::Time(_)));
                if let (Some(Update::Time(seconds)), State::Running(_)) = (times.last(), brief.state()) {
                    self.give_time_there(daemon, brief, *seconds).await?;
                    if updates.is_empty() {
                        return Ok(Done::AtOnce);
                    }
                    Written::Update { job, updates }
                } else {
                    Written::Update { job, updates: times.into_iter().chain(updates).collect() }
                }
            }
            Change::Delete => Written::Delete(job),
            Change::Signal(signal) => return self.signal(daemon, brief, signal).await.map(|()| Done::AtOnce),
        };
        let mut outcomes = self.store.write(vec![written]).await.map_err(|error| error.to_string())?;
        match outcomes.pop() {
            Some(Outcome::Job { brief, changed }) => {
                self.follow(daemon, &brief, change, changed).await;
                let is_asked = matches!(change, Change::Cancel { .. }) && matches!(brief.state(), State::Running(_));
                Ok(if is_asked { Done::Asked } else { Done::AtOnce })
            }
            Some(Outcome::Deleted { attempts }) => {
                self.forget_files(daemon, brief, attempts);
                if let Some(array) = brief.array {
                    self.reports.look_at_array(array);
                }
                Ok(Done::AtOnce)
            }
            Some(Outcome::Refused(why)) => Err(why),
            _ => Err("the spool answers something else".to_owned()),
        }
    }

    /// Nobody gives up a job by mistake for cancelling it: that is for hosts that are silent, and for output that
    /// does not come.
    fn may_be_given_up(&self, daemon: &Rc<Daemon>, brief: &Brief) -> Result<(), String> {
        let State::Running(run) = brief.state() else { return Ok(()) };
        if let (Stage::Delivering(_), _) | (_, Contact::Silent { .. }) = (&run.stage, run.contact) {
            return Ok(());
        }
        let host = &run.place.host;
        let row = daemon.table.borrow().host(host, daemon.now());
        if row.is_none_or(|row| !row.this_host && row.unavailable.is_some()) {
            return Ok(());
        }
        let job = brief.id();
        Err(format!("job {job} runs on {host}, which is not silent; to end it say \"queue cancel {job}\""))
    }

    /// What follows from a change that is written down.
    async fn follow(&self, daemon: &Rc<Daemon>, brief: &Brief, change: &Change, changed: bool) {
        if let (Change::Cancel { grace_ms }, State::Running(run)) = (change, brief.state()) {
            let cancel = match run.stage {
                Stage::Placed { cancel, .. } | Stage::Accepted { cancel, .. } | Stage::Started { cancel } => cancel,
                Stage::Delivering(_) => Cancel::No,
            };
            if cancel == Cancel::Asked {
                let want = Want::Stop { grace_ms: *grace_ms };
                if self.tell(daemon, brief.id(), &run.place, &brief.user, want, TELL).await.is_err() {
                    self.doubt(brief.id(), &run.place);
                }
            }
            return;
        }
        if changed {
            // What waits may wait otherwise now, or not at all.
            self.renew(daemon, brief);
            self.has_changed(daemon, brief);
        }
    }

    async fn signal(&self, daemon: &Rc<Daemon>, brief: &Brief, signal: &str) -> Result<(), String> {
        if !matches!(brief.state(), State::Running(_)) {
            return Err(format!("job {} is {}; only what runs gets a signal", brief.id(), brief.state().word()));
        }
        self.ask_host(daemon, brief, Want::Signal(signal.to_owned())).await
    }

    /// Another time limit is for the host to keep, as long as this attempt runs: it is not written down here.
    async fn give_time_there(&self, daemon: &Rc<Daemon>, brief: &Brief, seconds: u64) -> Result<(), String> {
        self.ask_host(daemon, brief, Want::Time { seconds, queue: brief.queue.clone() }).await
    }

    /// The host where a job runs does something about it, or says why not.
    async fn ask_host(&self, daemon: &Rc<Daemon>, brief: &Brief, want: Want) -> Result<(), String> {
        let State::Running(run) = brief.state() else {
            return Err(format!("job {} is {}", brief.id(), brief.state().word()));
        };
        let told = self.tell(daemon, brief.id(), &run.place, &brief.user, want, TELL).await;
        match told {
            Ok(wire::attempts::AttemptAnswer::Failed(refusal)) => {
                Err(format!("job {}: {}", brief.id(), refusal.message))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{} was not told: {error:#}", run.place.host)),
        }
    }

    /// Its files go with it.
    fn forget_files(&self, daemon: &Rc<Daemon>, brief: &Brief, attempts: u64) {
        self.line.forget(brief.id().number());
        self.waiters.ended(brief.id().number());
        let Ok(uid) = daemon.uid_of(&brief.user) else { return };
        let key = |attempt| AttemptKey { home: daemon.host.clone(), job_id: brief.id().number(), attempt };
        let keys = (1..=attempts).rev().take(MOST_ATTEMPTS).map(key).collect::<Vec<_>>();
        if keys.is_empty() {
            return;
        }
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            // Nobody is waited for: what is left is found by the next look for files without a job.
            if let Ok(runner) = daemon.runners.of(uid).await {
                drop(runner.tell(&ToRunner::Prune(keys), &[]).await);
            }
        });
    }
}

/// What a change has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// It is so.
    AtOnce,
    /// Its processes were asked to end.
    Asked,
}

/// Adds one to ranges of ids.
fn add(ranges: &mut Vec<(u64, u64)>, id: u64) {
    match ranges.last_mut() {
        Some((first, count)) if *first + *count == id => *count += 1,
        _ => ranges.push((id, 1)),
    }
}

/// Waits for all, in their order.
async fn join_all<F: std::future::Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting = futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect::<Vec<_>>();
    std::future::poll_fn(move |context| {
        let mut open = false;
        for (future, output) in &mut waiting {
            if let Some(running) = future {
                match running.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => {
                        *output = Some(done);
                        *future = None;
                    }
                    std::task::Poll::Pending => open = true,
                }
            }
        }
        if open {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(waiting.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}

/// Jobs that are changed with one sync.
const AT_ONCE: usize = 500;
/// Refusals that are told one by one.
const MOST_REFUSALS: usize = 1000;
/// Attempts of a job whose files are looked for.
const MOST_ATTEMPTS: usize = 1000;
/// How long a host may take to hear something.
const TELL: Duration = Duration::from_secs(5);
