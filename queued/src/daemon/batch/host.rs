//! This host as one that runs attempts: reserved, written down, released to the runner, and what the runner says
//! of them written down and told to their homes.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use spool::home::{Event as JobEvent, Report};
use spool::hosted::{self, Ending};
use spool::store::{Change, InHand, Outcome, Reader, SpoolError, StepChange};
use spool::{Attempt, JobId};
use wire::ByteString;
use wire::api::{ReservationAnswer, ReservationRequest};
use wire::attempts::{AttemptReport, Known};
use wire::news::OwnRank;
use wire::session::End;

use super::{Batch, failed, now_us};
use crate::core::admission::{Event as Admitted, Key, Slot};
use crate::core::dispatch;
use crate::core::names::{self, HostName, QueueName, UserName};
use crate::core::resources::Taken;
use crate::daemon::Daemon;
use crate::daemon::queues::supervisor;
use crate::link::{AttemptKey, AttemptWord, Gone, PrepareAttempt, ToRunner};

/// An attempt on this host.
#[derive(Debug, Clone)]
pub struct Hosted {
    /// Which.
    pub key: AttemptKey,
    /// The user's uid here.
    pub uid: u32,
    /// The user.
    pub user: String,
    /// Its queue.
    pub queue: QueueName,
    /// When its start was heard of and not yet written down.
    started_us: Option<i64>,
    /// Whether it holds a lease.
    pub has_lease: bool,
    /// When the job was submitted, microseconds since 1970; none: nobody here knows any more.
    submitted_us: Option<i64>,
}

impl Hosted {
    /// As a job of any home is named.
    fn name(&self) -> String {
        format!("{}@{}", self.key.job_id, self.key.home)
    }

    /// Whoever watches over its queue is told.
    fn has_started(&self, daemon: &Rc<Daemon>) {
        let waited_us = self.submitted_us.and_then(|since| u64::try_from(now_us() - since).ok());
        let event = supervisor::Event::Start { waited_us };
        daemon.queues.job_did(daemon, self.queue.as_str(), &self.name(), &self.user, &event);
    }

    fn has_ended(&self, daemon: &Rc<Daemon>, word: &AttemptWord) {
        let end = match word {
            AttemptWord::Ended { end, .. } => Some(end),
            AttemptWord::Gone(_) => None,
            AttemptWord::NotStarted(_) | AttemptWord::Released | AttemptWord::Started { .. } => return,
        };
        let event = supervisor::Event::End { end };
        daemon.queues.job_did(daemon, self.queue.as_str(), &self.name(), &self.user, &event);
    }
}

impl Batch {
    /// Has an attempt checked and made ready; admission has a slot for it.
    pub async fn make_ready(
        &self,
        daemon: &Rc<Daemon>,
        key: Key,
        uid: u32,
        rank: OwnRank,
        taken: Taken,
        request: ReservationRequest,
    ) -> ReservationAnswer {
        let Some(terms) = request.attempt else {
            return ReservationAnswer::Refused { refusal: failed("this is no attempt"), rank };
        };
        let attempt = AttemptKey { home: key.home.to_string(), job_id: request.job_id, attempt: terms.attempt };
        let queue = QueueName::from(daemon.queues.resolve(&request.job.queue));
        let prepared = async {
            let runner = daemon.runners.of(uid).await.map_err(|error| failed(format!("{error:#}")))?;
            self.provide_contents(daemon, &runner, key.home.as_str(), &request.user, &request.job).await?;
            let prepare = PrepareAttempt {
                request: 0,
                key: attempt.clone(),
                job: request.job,
                warrant: request.warrant,
                wishes: terms.wishes,
                submitted_us: terms.submitted_us,
                lease_ms: terms.lease_ms,
                bin: bin_of(daemon, &queue),
                taken,
                terms: daemon.queues.terms(queue.as_str()),
            };
            runner.prepare_attempt(prepare).await
        };
        match prepared.await {
            Ok(()) => {
                let has_lease = terms.lease_ms.is_some();
                let submitted_us = Some(terms.submitted_us);
                let hosted =
                    Hosted { key: attempt, uid, user: request.user, queue, started_us: None, has_lease, submitted_us };
                self.prepared.borrow_mut().insert(key, hosted);
                ReservationAnswer::Reserved { session: String::new(), rank, spool: Some(self.store.id().to_string()) }
            }
            Err(refusal) => {
                daemon.hosting.feed(daemon, Admitted::Withdrawn { key });
                ReservationAnswer::Refused { refusal, rank }
            }
        }
    }

    /// Nobody released it in time, or its home does not need it.
    pub fn void(&self, daemon: &Rc<Daemon>, key: &Key) {
        let Some(hosted) = self.prepared.borrow_mut().remove(key) else { return };
        self.tell_runner(daemon, hosted.uid, ToRunner::Withdraw(hosted.key));
    }

    /// Whether an attempt stands ready.
    pub fn is_prepared(&self, key: &AttemptKey) -> bool {
        self.prepared.borrow().get(&admission_key(key)).is_some_and(|hosted| hosted.key == *key)
    }

    /// It is written down: the runner starts it.
    pub fn release(&self, daemon: &Rc<Daemon>, key: AttemptKey, user: &str) {
        let admitted = admission_key(&key);
        let Some(hosted) = self.prepared.borrow_mut().remove(&admitted) else {
            if self.hosted.borrow().contains_key(&key) {
                // The same words came twice.
                return;
            }
            // It was void a moment ago; the slot is gone, and nothing was started.
            let (daemon, user) = (daemon.clone(), user.to_owned());
            let word = AttemptWord::NotStarted(failed("the reservation was over when the start came"));
            tokio::task::spawn_local(async move { drop(daemon.batch.write_word(&daemon, key, user, word).await) });
            return;
        };
        let uid = hosted.uid;
        if hosted.has_lease {
            self.keep_lease(daemon, key.clone(), false);
        }
        self.hosted.borrow_mut().insert(key.clone(), hosted);
        self.tell_runner(daemon, uid, ToRunner::Release(key));
        daemon.hosting.feed(daemon, Admitted::Started { key: admitted });
    }

    /// Ends what can be started again elsewhere: each goes back to its home, which places it anew.
    pub fn move_away(&self, daemon: &Rc<Daemon>) {
        let restartable = self.hosted.borrow().values().filter(|hosted| hosted.has_lease).cloned().collect::<Vec<_>>();
        for Hosted { key, uid, .. } in restartable {
            tracing::info!(job = key.job_id, home = key.home, "it is moved away, since this host is evacuated");
            self.tell_runner(daemon, uid, ToRunner::Stop { key, grace_ms: MOVING.as_millis() as u64 });
        }
    }

    /// Tells a user's runner something; one that has gone is asked for everything when it is back.
    pub fn tell_runner(&self, daemon: &Rc<Daemon>, uid: u32, message: ToRunner) {
        let Some(runner) = daemon.runners.connected(uid) else { return self.need_runner(daemon, uid) };
        tokio::task::spawn_local(async move {
            if let Err(error) = runner.tell(&message, &[]).await {
                tracing::info!(uid, %error, "a runner was not told");
            }
        });
    }

    /// A runner is there if it has attempts: one that died before them was not missed.
    fn need_runner(&self, daemon: &Rc<Daemon>, uid: u32) {
        if !self.has_attempts(uid) {
            return;
        }
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = daemon.runners.of(uid).await {
                tracing::error!(uid, "no runner for the attempts in hand: {error:#}");
            }
        });
    }

    /// A runner has come: what it holds is settled with what was written down.
    pub async fn introduced(
        &self,
        daemon: &Rc<Daemon>,
        uid: u32,
        attempts: Vec<(AttemptKey, AttemptWord)>,
        queues: &HashMap<AttemptKey, String>,
        holds: &HashMap<AttemptKey, Taken>,
        since_boot_ms: u64,
    ) {
        let in_hand = match self.store.ask(|reader| reader.attempts()) {
            Ok(in_hand) => in_hand,
            Err(error) => return tracing::error!("the attempts in hand cannot be read: {error}"),
        };
        let (mut words, mut unknown) = (Vec::new(), Vec::new());
        for InHand { record, user, accepted_ms } in in_hand {
            if daemon.uid_of(&user).ok() != Some(uid) || matches!(record.state(), hosted::State::Ended(_)) {
                continue;
            }
            let key = AttemptKey {
                home: record.home().to_owned(),
                job_id: record.job().number(),
                attempt: record.attempt().number(),
            };
            match attempts.iter().find(|(held, _)| *held == key) {
                Some((_, word)) => {
                    // One that does not say has its batch jobs where most are.
                    let queue = queues.get(&key).map_or("wait", String::as_str);
                    let queue = QueueName::from(daemon.queues.resolve(queue));
                    let taken = holds.get(&key).cloned().unwrap_or_default();
                    self.adopt(daemon, uid, &user, &key, queue, taken);
                    words.push((key, user, word.clone()));
                }
                // It lived when this was written down and knows nothing of it: it was never told to start.
                None if since_boot_ms <= accepted_ms => {
                    let refusal = failed("the runner was never told to start it");
                    words.push((key, user, AttemptWord::NotStarted(refusal)));
                }
                None => unknown.push((key, user)),
            }
        }
        // Nobody is waited for before all that is known is adopted: what is said of it next is not missed.
        for (key, user) in unknown {
            let Some(runner) = daemon.runners.connected(uid) else { return };
            let word = match runner.lengths(&key).await {
                // Its directory never got its final name.
                Ok([None, None]) => AttemptWord::NotStarted(failed("the runner ended before it was told to start it")),
                Ok(_) => AttemptWord::Gone(Gone::Lost),
                // The next runner is asked.
                Err(_) => continue,
            };
            words.push((key, user, word));
        }
        for (key, _) in attempts {
            if !words.iter().any(|(known, ..)| *known == key) {
                // Nobody here has written it down, or its end is on disk already.
                self.tell_runner(daemon, uid, ToRunner::Stop { key: key.clone(), grace_ms: 0 });
                self.tell_runner(daemon, uid, ToRunner::Settle(key));
            }
        }
        for (key, user, word) in words {
            self.hear(daemon, uid, key, Some(user), word).await;
        }
    }

    fn adopt(&self, daemon: &Rc<Daemon>, uid: u32, user: &str, key: &AttemptKey, queue: QueueName, taken: Taken) {
        if self.hosted.borrow().contains_key(key) {
            return;
        }
        let (has_lease, started_us, submitted_us) = (false, None, None);
        let hosted = Hosted {
            key: key.clone(),
            uid,
            user: user.to_owned(),
            queue: queue.clone(),
            started_us,
            has_lease,
            submitted_us,
        };
        self.hosted.borrow_mut().insert(key.clone(), hosted);
        // The daemon before renewed its lease, if it has one.
        self.keep_lease(daemon, key.clone(), true);
        let (key, user) = (admission_key(key), UserName::from(user));
        daemon.hosting.feed(daemon, Admitted::Adopted { key, user, queue, slot: Slot::Counted, taken });
    }

    /// A runner says something of an attempt; it is believed about those of its user.
    pub async fn heard(&self, daemon: &Rc<Daemon>, uid: u32, key: AttemptKey, word: AttemptWord) {
        if self.hosted.borrow().get(&key).is_some_and(|hosted| hosted.uid == uid) {
            self.hear(daemon, uid, key, None, word).await;
        }
    }

    async fn hear(&self, daemon: &Rc<Daemon>, uid: u32, key: AttemptKey, user: Option<String>, word: AttemptWord) {
        match &word {
            AttemptWord::Released => return,
            AttemptWord::Started { .. } => return self.note_start(daemon, &key),
            AttemptWord::NotStarted(_) | AttemptWord::Ended { .. } | AttemptWord::Gone(_) => {}
        }
        let hosted = self.hosted.borrow_mut().remove(&key);
        if let Some(hosted) = &hosted {
            hosted.has_ended(daemon, &word);
        }
        // The slot is free now; nobody waits for the disk to use it.
        let busy = match &word {
            AttemptWord::Ended { end, .. } => busy(end),
            _ => 0.0,
        };
        daemon.hosting.feed(daemon, Admitted::Ended { key: admission_key(&key), busy });
        if key.home == daemon.host {
            let queue = hosted.as_ref().map_or_else(|| QueueName::from("wait"), |hosted| hosted.queue.clone());
            let (id, host) = (names::JobId(key.job_id), HostName::from(daemon.host.as_str()));
            let rank = Some(daemon.hosting.own_rank(daemon, &queue));
            daemon.placing.feed(daemon, dispatch::Event::Ended { id, host, rank });
        }
        let user = user.or_else(|| hosted.map(|hosted| hosted.user)).unwrap_or_default();
        loop {
            match self.write_word(daemon, key.clone(), user.clone(), word.clone()).await {
                Ok(Written::Settled) => return self.tell_runner(daemon, uid, ToRunner::Settle(key)),
                Ok(Written::ForHome) => return,
                // The runner and its leader keep the end until there is room for it.
                Err(error) => tracing::error!(job = key.job_id, "an end waits to be written down: {error}"),
            }
            tokio::time::sleep(NO_ROOM).await;
        }
    }

    /// Starts are written together: most jobs that have ended by then need no word about their start.
    fn note_start(&self, daemon: &Rc<Daemon>, key: &AttemptKey) {
        if let Some(hosted) = self.hosted.borrow_mut().get_mut(key) {
            hosted.started_us = Some(now_us());
            hosted.has_started(daemon);
        }
        if self.writes_starts.replace(true) {
            return;
        }
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(STARTS).await;
            daemon.batch.writes_starts.set(false);
            daemon.batch.write_starts(&daemon).await;
        });
    }

    async fn write_starts(&self, daemon: &Rc<Daemon>) {
        let mut started = Vec::new();
        for hosted in self.hosted.borrow_mut().values_mut() {
            if let Some(at_us) = hosted.started_us.take() {
                started.push((hosted.key.clone(), hosted.user.clone(), at_us));
            }
        }
        for (key, user, at_us) in started {
            let Some((job, attempt)) = numbers(&key) else { continue };
            let mut unit = vec![self.host_change(daemon, &key, user, hosted::Event::Started)];
            if key.home == daemon.host {
                let (spool, report) = (self.store.id(), Report::Started);
                unit.push(Change::Step(StepChange::new(job, JobEvent::Reported { attempt, spool, report }, at_us)));
                drop(self.store.write(unit).await);
                self.reports.look_at(key.job_id, key.attempt, crate::core::reports::Kind::Start);
            } else if self.store.write(unit).await.is_ok() {
                self.report(daemon, key, Known::Started);
            }
        }
    }

    fn host_change(&self, daemon: &Rc<Daemon>, key: &AttemptKey, user: String, event: hosted::Event) -> Change {
        // Numbers that are none were never accepted, and nothing is found under the first.
        let first = JobId::new(1).expect("one is a number of a job");
        let (job, attempt) = numbers(key).unwrap_or((first, Attempt::FIRST));
        Change::Host { home: key.home.clone(), job, attempt, user, at_ms: daemon.now().0, event }
    }

    /// Writes the last word about an attempt down, and tells its home.
    async fn write_word(
        &self,
        daemon: &Rc<Daemon>,
        key: AttemptKey,
        user: String,
        word: AttemptWord,
    ) -> Result<Written, SpoolError> {
        let Some((job, attempt)) = numbers(&key) else { return Ok(Written::Settled) };
        let (event, report, known, left_over) = match &word {
            AttemptWord::Ended { end, left_over, .. } => (
                hosted::Event::Ended(Ending::Itself(end.clone())),
                Report::Ended(end.clone()),
                Known::Ended { end: end.clone(), left_over: *left_over },
                *left_over,
            ),
            AttemptWord::NotStarted(refusal) => {
                (hosted::Event::Declined, Report::Refused, Known::Refused(Some(refusal.clone())), 0)
            }
            AttemptWord::Gone(gone) => {
                let ending = match gone {
                    Gone::Cancelled => Ending::Cancelled,
                    Gone::LeaseOver => Ending::LeaseOver,
                    Gone::Lost => Ending::Lost,
                };
                (hosted::Event::Ended(ending), Report::Gone, Known::Gone, 0)
            }
            AttemptWord::Released | AttemptWord::Started { .. } => return Ok(Written::ForHome),
        };
        let mut unit = vec![self.host_change(daemon, &key, user.clone(), event)];
        if key.home != daemon.host {
            self.store.write(unit).await?;
            self.report(daemon, key, known);
            // Its home still wants its output.
            return Ok(if let AttemptWord::Ended { .. } = word { Written::ForHome } else { Written::Settled });
        }
        let (spool, at_us) = (self.store.id(), now_us());
        let reported = JobEvent::Reported { attempt, spool, report };
        unit.push(Change::Step(StepChange { left_over, ..StepChange::new(job, reported, at_us) }));
        if let AttemptWord::Ended { .. } = word {
            // What it wrote is here, and synced.
            let delivered = StepChange::new(job, JobEvent::Delivered { attempt }, at_us);
            unit.push(Change::Step(StepChange { output: Some(self.paths(daemon, &key)), ..delivered }));
        }
        unit.push(self.host_change(daemon, &key, user, hosted::Event::Acknowledged { spool }));
        let outcomes = self.store.write_for(unit, self.waiters.is_awaited(key.job_id)).await?;
        if let AttemptWord::NotStarted(refusal) = word {
            self.line.refuses(key.job_id, &daemon.host, refusal);
        }
        for outcome in outcomes.iter().rev() {
            if let Outcome::Job { brief, .. } = outcome {
                self.has_changed(daemon, brief);
                break;
            }
        }
        Ok(Written::Settled)
    }

    /// Where the output of an attempt is kept at home.
    pub fn paths(&self, daemon: &Rc<Daemon>, key: &AttemptKey) -> [ByteString; 2] {
        let directory = daemon.places.state.join("jobs").join(&key.home);
        let directory = directory.join((key.job_id / 1000).to_string()).join(format!("{}.{}", key.job_id, key.attempt));
        ["stdout", "stderr"].map(|stream| ByteString::from(directory.join(stream).into_os_string()))
    }

    /// Tells a home what is known of an attempt, again and again until it has taken it.
    pub fn report(&self, daemon: &Rc<Daemon>, key: AttemptKey, known: Known) {
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            let queue = QueueName::from("wait");
            let report = AttemptReport {
                job_id: key.job_id,
                attempt: key.attempt,
                spool: daemon.batch.store.id().to_string(),
                rank: (!matches!(known, Known::Started | Known::Accepted))
                    .then(|| daemon.hosting.own_rank(&daemon, &queue)),
                known,
            };
            let mut pause = FIRST_PAUSE;
            loop {
                let asked = daemon.peers.ask::<wire::attempts::ReportAnswer>(
                    &daemon,
                    &key.home,
                    "/v1/attempts/reports",
                    &report,
                    REPORT,
                );
                match asked.await {
                    Ok(answer) if answer.taken => {
                        if answer.settled {
                            daemon.batch.acknowledged(&daemon, &key).await;
                        }
                        return;
                    }
                    Ok(_) => {}
                    Err(error) => tracing::info!(job = key.job_id, home = %key.home, "not reported: {error:#}"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Home has all it wants of an attempt.
    pub async fn acknowledged(&self, daemon: &Rc<Daemon>, key: &AttemptKey) {
        let spool = self.store.id();
        let in_hand = self.store.ask(|reader| reader.attempts()).unwrap_or_default();
        let user = in_hand.into_iter().find(|one| {
            one.record.home() == key.home
                && one.record.job().number() == key.job_id
                && one.record.attempt().number() == key.attempt
        });
        let user = user.map(|one| one.user).unwrap_or_default();
        let change = self.host_change(daemon, key, user.clone(), hosted::Event::Acknowledged { spool });
        if self.store.write(vec![change]).await.is_ok()
            && let Ok(uid) = daemon.uid_of(&user)
        {
            self.tell_runner(daemon, uid, ToRunner::Settle(key.clone()));
            self.tell_runner(daemon, uid, ToRunner::Prune(vec![key.clone()]));
        }
    }

    /// Whether a user's runner has attempts in hand.
    pub fn has_attempts(&self, uid: u32) -> bool {
        self.hosted.borrow().values().any(|hosted| hosted.uid == uid)
    }

    /// Who runs an attempt here.
    pub fn uid_of_attempt(&self, key: &AttemptKey) -> Option<u32> {
        self.hosted.borrow().get(key).map(|hosted| hosted.uid)
    }

    /// After a start of the daemon: every user with attempts in hand gets a runner, which adopts what runs; and
    /// ends that no home has taken are told again.
    pub async fn find_attempts(&self, daemon: &Rc<Daemon>) {
        let in_hand = match self.store.ask(|reader| reader.attempts()) {
            Ok(in_hand) => in_hand,
            Err(error) => return tracing::error!("the attempts in hand cannot be read: {error}"),
        };
        let mut uids = std::collections::BTreeSet::new();
        for InHand { record, user, .. } in &in_hand {
            match record.state() {
                hosted::State::Ended(ending) => {
                    let known = match ending {
                        Ending::Itself(end) => Known::Ended { end: end.clone(), left_over: 0 },
                        Ending::Cancelled | Ending::LeaseOver | Ending::Lost => Known::Gone,
                    };
                    let key = AttemptKey {
                        home: record.home().to_owned(),
                        job_id: record.job().number(),
                        attempt: record.attempt().number(),
                    };
                    if key.home != daemon.host {
                        self.report(daemon, key, known);
                    }
                }
                _ => uids.extend(daemon.uid_of(user)),
            }
        }
        for uid in uids {
            if let Err(error) = daemon.runners.of(uid).await {
                tracing::error!(uid, "no runner for the attempts in hand: {error:#}");
            }
        }
    }
}

/// What became of a last word.
enum Written {
    /// Nobody needs the attempt any more.
    Settled,
    /// Its home has not all of it yet.
    ForHome,
}

/// The key of an attempt in admission.
pub fn admission_key(key: &AttemptKey) -> Key {
    Key { home: HostName::from(key.home.as_str()), id: names::JobId(key.job_id) }
}

/// The numbers of an attempt, if they are such.
pub fn numbers(key: &AttemptKey) -> Option<(JobId, Attempt)> {
    Some((JobId::new(key.job_id).ok()?, Attempt::new(key.attempt).ok()?))
}

/// CPU time used in its life divided by its life.
fn busy(end: &End) -> f64 {
    (end.usage.user_us + end.usage.system_us) as f64 / end.usage.wall_us.max(1) as f64
}

/// The programs of a queue, if it has some.
fn bin_of(daemon: &Rc<Daemon>, queue: &QueueName) -> Option<ByteString> {
    let path = daemon.places.state.join("spool").join(queue.as_str()).join("bin");
    path.is_dir().then(|| ByteString::from(path.into_os_string()))
}

/// How long a job that is moved away has from TERM to KILL.
const MOVING: Duration = Duration::from_secs(10);
/// How long an end waits for room on the disk before it is tried again.
const NO_ROOM: Duration = Duration::from_secs(2);
/// A start that lasts longer is written down by itself.
const STARTS: Duration = Duration::from_millis(50);
/// A home that does not take a report is told again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a home may take to write a report down.
const REPORT: Duration = Duration::from_secs(10);
