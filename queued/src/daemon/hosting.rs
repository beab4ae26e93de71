//! This host as one that runs jobs: admission decides, the runner checks, and what runners say
//! comes back as freed slots.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ring::rand::{SecureRandom, SystemRandom};
use wire::api::{Note, Refusal, RefusalKind, ReservationAnswer, ReservationRequest};
use wire::history::{EndedSession, Past};
use wire::identity::{self, Kind};
use wire::news::{HostState, OwnRank, QueueState};

use super::Daemon;
use super::load::{self, Load};
use super::queues::{Queues, supervisor};
use super::runner_link::Word;
use super::runners;
use crate::core::admission::{Action, Admission, Ask, Event, IfFull, Key, QueueRule, Slot};
use crate::core::names::{HostName, JobId, QueueName, UserName};
use crate::core::resources::{Needs, Taken};
use crate::core::time::Millis;
use crate::link::{Held, Prepare, ToRunner};

/// The running side of this host.
pub struct Hosting {
    admission: RefCell<Admission>,
    load: Load,
    sessions: RefCell<Sessions>,
    /// The keys that runners have named.
    runner_keys: RefCell<HashMap<u32, [u8; 32]>>,
}

/// Which session belongs to which start, both ways.
#[derive(Default)]
struct Sessions {
    keys: HashMap<String, Given>,
    names: HashMap<Key, String>,
}

/// A session that was given to a user's runner.
struct Given {
    key: Key,
    uid: u32,
    queue: QueueName,
}

impl Hosting {
    /// A host with its two queues.
    pub fn new(speed: f64, now: Millis) -> Self {
        let cpus = sys::host::cpus();
        let mut admission = Admission::new(cpus, speed);
        let queues = ["now", "wait"].map(|queue| QueueRule::default_for(QueueName::from(queue), cpus));
        let none = admission.handle(now, Event::Queues(queues.into()));
        debug_assert!(none.is_empty(), "queues alone start nothing");
        let facts = [("os", std::env::consts::OS), ("arch", std::env::consts::ARCH)];
        let facts = facts.map(|(name, fact)| (name.to_owned(), fact.to_owned())).into();
        admission.handle(now, Event::Found { memory: load::memory(), facts });
        Self {
            admission: RefCell::new(admission),
            load: Load::default(),
            sessions: RefCell::default(),
            runner_keys: RefCell::default(),
        }
    }

    /// Reads the load and gives the state of this instant.
    pub fn state(&self, daemon: &Rc<Daemon>) -> HostState {
        let now = daemon.now();
        self.load(daemon);
        let mut state = self.admission.borrow().state(now);
        self.load.complete(&mut state, now);
        for (alias, queue) in daemon.queues.aliases() {
            let found = state.queues.iter().find(|state| state.queue == queue).cloned();
            state.queues.extend(found.map(|found| QueueState { queue: alias, ..found }));
        }
        state
    }

    /// The load at this moment: tasks that want a CPU, smoothed, and the average over a minute.
    pub fn load(&self, daemon: &Rc<Daemon>) -> (f64, f64) {
        let now = daemon.now();
        if let Some((runnable, load1)) = self.load.sample(now) {
            self.feed(daemon, Event::Sampled { runnable, load1 });
        }
        self.admission.borrow().load(now)
    }

    /// Jobs that hold a slot of a queue here.
    pub fn running(&self, queue: &QueueName) -> u32 {
        self.admission.borrow().running(queue)
    }

    /// Why a start that needs this could not begin in a queue here now, were a slot free; none: it could.
    pub fn lack(&self, queue: &QueueName, needs: &Needs) -> Option<String> {
        self.admission.borrow().lack(queue, needs)
    }

    /// Why it never could; none: some day it could.
    pub fn never(&self, queue: &QueueName, needs: &Needs) -> Option<String> {
        self.admission.borrow().never(queue, needs)
    }

    /// Whether anything runs here or is about to.
    pub fn has_starts(&self) -> bool {
        self.admission.borrow().has_starts()
    }

    /// When admission wants to be called again.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.admission.borrow().next_deadline()
    }

    /// Tells admission something and carries out what follows.
    pub fn feed(&self, daemon: &Rc<Daemon>, event: Event) {
        let actions = self.admission.borrow_mut().handle(daemon.now(), event);
        for action in actions {
            self.carry_out(daemon, action);
        }
        daemon.rearm();
    }

    /// Answers a home that asks for a start: this very daemon's or another's.
    pub async fn reserve(&self, daemon: &Rc<Daemon>, home: &str, request: ReservationRequest) -> ReservationAnswer {
        let key = Key { home: HostName::from(home), id: JobId(request.job_id) };
        let uid = match daemon.uid_of(&request.user) {
            Ok(uid) => uid,
            Err(message) => return self.refused(daemon, &request, message),
        };
        let queue = QueueName::from(daemon.queues.resolve(&request.job.queue));
        if let Err(message) = may_run(daemon, uid, &request) {
            let rank = self.own_rank(daemon, &queue);
            return ReservationAnswer::Refused { refusal: Refusal { kind: RefusalKind::Denied, message }, rank };
        }
        // The figures of this instant judge whether another host is better by now.
        self.state(daemon);
        let ask = Ask {
            key: key.clone(),
            user: UserName::from(request.user.as_str()),
            queue,
            priority: request.priority,
            runner_up_rank: request.runner_up_rank,
            needs: daemon.queues.needs_of(&request.job),
            slot: if request.without_slot { Slot::Without } else { Slot::Counted },
            if_full: if request.remember { IfFull::Remember } else { IfFull::Forget },
        };
        let mut verdict = None;
        let actions = self.admission.borrow_mut().handle(daemon.now(), Event::Asked(ask));
        for action in actions {
            match action {
                Action::Accept { key: accepted, rank, taken } if accepted == key => verdict = Some(Ok((rank, taken))),
                Action::Refuse { key: refused, refusal, rank } if refused == key => {
                    verdict = Some(Err((refusal, rank)))
                }
                other => self.carry_out(daemon, other),
            }
        }
        daemon.rearm();
        match verdict {
            Some(Ok((rank, taken))) if request.attempt.is_some() => {
                daemon.batch.make_ready(daemon, key, uid, daemon.own_rank(rank), taken, request).await
            }
            Some(Ok((rank, taken))) => self.make_ready(daemon, key, uid, daemon.own_rank(rank), taken, request).await,
            Some(Err((refusal, rank))) => ReservationAnswer::Refused { refusal, rank: daemon.own_rank(rank) },
            None => self.refused(daemon, &request, "no answer from admission".to_owned()),
        }
    }

    async fn make_ready(
        &self,
        daemon: &Rc<Daemon>,
        key: Key,
        uid: u32,
        rank: OwnRank,
        taken: Taken,
        request: ReservationRequest,
    ) -> ReservationAnswer {
        let session = session_name(uid);
        let runner = match daemon.runners.of(uid).await {
            Ok(runner) => runner,
            Err(error) => {
                self.feed(daemon, Event::Withdrawn { key });
                let refusal = Refusal { kind: RefusalKind::Failed, message: format!("{error:#}") };
                return ReservationAnswer::Refused { refusal, rank };
            }
        };
        let queue = QueueName::from(daemon.queues.resolve(&request.job.queue));
        let terms = daemon.queues.terms(queue.as_str());
        {
            let mut sessions = self.sessions.borrow_mut();
            sessions.keys.insert(session.clone(), Given { key: key.clone(), uid, queue });
            sessions.names.insert(key.clone(), session.clone());
        }
        let ReservationRequest { job_id, job, warrant, .. } = request;
        let prepare = Prepare { request: 0, session: session.clone(), job_id, job, warrant, taken, terms };
        match runner.prepare(prepare).await {
            Ok(()) => ReservationAnswer::Reserved { session, rank, spool: None },
            Err(refusal) => {
                self.forget(&session);
                self.feed(daemon, Event::Withdrawn { key });
                ReservationAnswer::Refused { refusal, rank }
            }
        }
    }

    fn refused(&self, daemon: &Rc<Daemon>, request: &ReservationRequest, message: String) -> ReservationAnswer {
        let refusal = Refusal { kind: RefusalKind::Failed, message };
        let queue = QueueName::from(daemon.queues.resolve(&request.job.queue));
        ReservationAnswer::Refused { refusal, rank: self.own_rank(daemon, &queue) }
    }

    /// How good a start in `queue` would be at this instant.
    pub fn own_rank(&self, daemon: &Rc<Daemon>, queue: &QueueName) -> OwnRank {
        daemon.own_rank(self.admission.borrow().rank(daemon.now(), queue))
    }

    /// A home does not need its reservation.
    pub fn release(&self, daemon: &Rc<Daemon>, home: &str, job_id: u64) {
        let key = Key { home: HostName::from(home), id: JobId(job_id) };
        self.void(daemon, &key);
        self.feed(daemon, Event::Withdrawn { key });
    }

    /// A home has nobody waiting for the slot it was offered.
    pub fn declined(&self, daemon: &Rc<Daemon>, home: &str, queue: &str) {
        self.feed(daemon, Event::Declined { home: HostName::from(home), queue: QueueName::from(queue) });
    }

    /// Something happened with a user's runner.
    pub fn runner_said(&self, daemon: &Rc<Daemon>, uid: u32, event: runners::Event) {
        match event {
            runners::Event::Said(Word::Hello {
                public_key,
                sessions,
                attempts,
                queues,
                since_boot_ms,
                holds,
                past,
            }) => {
                self.runner_keys.borrow_mut().insert(uid, public_key);
                for (held, past) in past {
                    tell_past(daemon, uid, held, past);
                }
                self.adopt(daemon, uid, sessions);
                daemon.queues.tell_suspended(daemon, uid);
                self.certify(daemon, uid, public_key);
                let daemon = daemon.clone();
                let (queues, holds) = (queues.into_iter().collect(), holds.into_iter().collect());
                tokio::task::spawn_local(async move {
                    daemon.batch.introduced(&daemon, uid, attempts, &queues, &holds, since_boot_ms).await;
                    if let Some(runner) = daemon.runners.connected(uid) {
                        runner.introduce();
                    }
                });
            }
            runners::Event::Said(Word::Attempt(key, word)) => {
                let daemon = daemon.clone();
                tokio::task::spawn_local(async move { daemon.batch.heard(&daemon, uid, key, word).await });
            }
            runners::Event::Said(Word::Released(session)) => {
                if let Some(key) = self.key_of(&session, uid) {
                    self.watch(daemon, &session, &supervisor::Event::Start { waited_us: None });
                    self.feed(daemon, Event::Started { key });
                }
            }
            runners::Event::Said(Word::Ended(session, busy, past)) => {
                if let Some(key) = self.key_of(&session, uid) {
                    if let Some(told) = &past {
                        self.watch(daemon, &session, &supervisor::Event::End { end: told.1.end.as_ref() });
                    }
                    self.ended(daemon, &session, key, busy, past.map(|told| told.1));
                } else if let Some((held, past)) = past.map(|told| *told) {
                    // It ended while this daemon and the runner met.
                    tell_past(daemon, uid, held, past);
                }
            }
            runners::Event::Gone => self.runner_gone(daemon, uid),
        }
    }

    /// Whoever watches over a session's queue is told.
    fn watch(&self, daemon: &Rc<Daemon>, session: &str, event: &supervisor::Event<'_>) {
        if let Some(Given { key, uid, queue }) = self.sessions.borrow().keys.get(session) {
            let (job, user) = (format!("{}@{}", key.id.0, key.home), daemon.user_of(*uid));
            daemon.queues.job_did(daemon, queue.as_str(), &job, &user, event);
        }
    }

    /// Only what was given to that user is believed.
    fn key_of(&self, session: &str, uid: u32) -> Option<Key> {
        let sessions = self.sessions.borrow();
        sessions.keys.get(session).filter(|given| given.uid == uid).map(|given| given.key.clone())
    }

    /// A daemon that remembers nothing learns from the runner what runs; what it thought was
    /// there and is not has ended.
    fn adopt(&self, daemon: &Rc<Daemon>, uid: u32, held: Vec<Held>) {
        let names = held.iter().map(|one| one.session.clone()).collect::<std::collections::HashSet<_>>();
        let lost = {
            let sessions = self.sessions.borrow();
            let of_user = sessions.keys.iter().filter(|(_, given)| given.uid == uid);
            let lost = of_user.filter(|(name, _)| !names.contains(*name));
            lost.map(|(name, given)| (name.clone(), given.key.clone())).collect::<Vec<_>>()
        };
        for (session, key) in lost {
            self.ended(daemon, &session, key, 0.0, None);
        }
        for one in held {
            // What is known stays under the name that its home goes by here.
            if self.key_of(&one.session, uid).is_some() {
                continue;
            }
            let key = Key { home: HostName::from(one.home), id: JobId(one.job_id) };
            let queue = QueueName::from(daemon.queues.resolve(&one.queue));
            {
                let mut sessions = self.sessions.borrow_mut();
                sessions.names.insert(key.clone(), one.session.clone());
                let given = Given { key: key.clone(), uid, queue: queue.clone() };
                sessions.keys.insert(one.session, given);
            }
            let user = UserName::from(daemon.user_of(uid));
            self.feed(daemon, Event::Adopted { key, user, queue, slot: Slot::Counted, taken: one.taken });
        }
    }

    /// The authority has changed: connected runners get new certificates.
    pub fn certify_all(&self, daemon: &Rc<Daemon>) {
        let keys = self.runner_keys.borrow().clone();
        for (uid, public_key) in keys {
            self.certify(daemon, uid, public_key);
        }
    }

    fn certify(&self, daemon: &Rc<Daemon>, uid: u32, public_key: [u8; 32]) {
        let certificate =
            daemon.standing.borrow().certify(Kind::Runner, &public_key, &daemon.user_of(uid), daemon.unix_time());
        if let (Some(certificate), Some(runner)) = (certificate, daemon.runners.connected(uid)) {
            tokio::task::spawn_local(async move {
                if let Err(error) = runner.tell(&ToRunner::Certificate(certificate), &[]).await {
                    tracing::warn!(uid, %error, "cannot give the runner its certificate");
                }
            });
        }
    }

    /// A dead runner's leaders live on: a new runner adopts them, and its `Hello` settles the rest.
    fn runner_gone(&self, daemon: &Rc<Daemon>, uid: u32) {
        let has_sessions = self.sessions.borrow().keys.values().any(|given| given.uid == uid);
        if has_sessions || daemon.batch.has_attempts(uid) {
            let daemon = daemon.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = daemon.runners.of(uid).await {
                    tracing::warn!(uid, "cannot start a runner in place of the dead one: {error:#}");
                }
            });
        }
    }

    fn ended(&self, daemon: &Rc<Daemon>, session: &str, key: Key, busy: f64, past: Option<Past>) {
        let given = self.forget(session);
        self.feed(daemon, Event::Ended { key: key.clone(), busy });
        let session = given.as_ref().zip(past).map(|(given, past)| {
            Box::new(EndedSession { user: daemon.user_of(given.uid), queue: given.queue.to_string(), past })
        });
        let rank = given.map(|given| self.own_rank(daemon, &given.queue));
        daemon.tell_home(key.home.as_str(), Note::Ended { job_id: key.id.0, rank, session });
    }

    fn forget(&self, session: &str) -> Option<Given> {
        let mut sessions = self.sessions.borrow_mut();
        let given = sessions.keys.remove(session)?;
        sessions.names.remove(&given.key);
        Some(given)
    }

    fn carry_out(&self, daemon: &Rc<Daemon>, action: Action) {
        match action {
            Action::Void { key } => self.void(daemon, &key),
            Action::Offer { home, queue, job } => {
                let note = Note::Offer { queue: queue.to_string(), job_id: job.map(|job| job.0) };
                daemon.tell_home(home.as_str(), note);
            }
            // Verdicts are read where the question was asked.
            Action::Accept { .. } | Action::Refuse { .. } => {}
        }
    }

    /// Tells the runner that nobody will come.
    fn void(&self, daemon: &Rc<Daemon>, key: &Key) {
        daemon.batch.void(daemon, key);
        let session = self.sessions.borrow().names.get(key).cloned();
        let Some(session) = session else {
            return;
        };
        let uid = self.forget(&session).map(|given| given.uid);
        if let Some(runner) = uid.and_then(|uid| daemon.runners.connected(uid)) {
            tokio::task::spawn_local(async move {
                // The runner voids it by itself after the same time.
                drop(runner.tell(&ToRunner::Void { session }, &[]).await);
            });
        }
    }
}

/// Whether this host's profile lets a user run this in the queue.
fn may_run(daemon: &Rc<Daemon>, uid: u32, request: &ReservationRequest) -> Result<(), String> {
    let queue = &request.job.queue;
    let Some(effective) = daemon.queues.effective(daemon, queue) else { return Ok(()) };
    let command = request.job.argv.first().map(|command| command.display()).unwrap_or_default();
    let said = daemon.queues.admits(daemon, &effective, uid).and_then(|()| Queues::allows(&effective, &command));
    said.map_err(|words| format!("queue \"{queue}\": {words}"))
}

/// A session has ended while this daemon was away: its slot is free by now, and home is told all the same.
fn tell_past(daemon: &Rc<Daemon>, uid: u32, held: Held, past: Past) {
    let Held { job_id, home, queue, .. } = held;
    let session = Some(Box::new(EndedSession { user: daemon.user_of(uid), queue, past }));
    daemon.tell_home(&home, Note::Ended { job_id, rank: None, session });
}

/// A fresh address for a session: random, so that nobody meets another's by chance.
fn session_name(uid: u32) -> String {
    let mut random = [0; 16];
    // The kernel's generator does not fail once it has begun, and it has made our keys.
    SystemRandom::new().fill(&mut random).expect("the kernel gives random bytes");
    identity::session_name(&random, uid)
}
