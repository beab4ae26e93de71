//! This host as a home: the dispatcher decides whom to ask, and here hosts are asked, clients
//! told and questions closed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::sync::mpsc;
use wire::api::{
    Note, Placement, Refusal, RefusalKind, ReservationAnswer, ReservationRequest, Route, SessionAnswer, SessionRequest,
};
use wire::identity::Certificate;
use wire::news::{Edition, OwnRank};

use super::Daemon;
use crate::core::admission::{IfFull, RESERVATION, Slot};
use crate::core::dispatch::{Action, Dispatcher, Event, HostNews, Submission};
use crate::core::names::{HostName, JobId, QueueName, UserName};
use crate::core::time::Millis;

/// The placing side of this host.
pub struct Placing {
    own: HostName,
    dispatcher: RefCell<Dispatcher>,
    open: RefCell<HashMap<JobId, Open>>,
    /// What the dispatcher was told of each host last.
    told: RefCell<HashMap<String, Version>>,
}

/// Of a host's news: which record, and why it is unavailable.
type Version = (Edition, Option<String>);

/// A submission that has no final answer yet.
struct Open {
    request: Rc<SessionRequest>,
    user: String,
    certificate: Option<Certificate>,
    answers: mpsc::UnboundedSender<SessionAnswer>,
    /// Sessions that hosts have made ready.
    sessions: HashMap<HostName, String>,
}

impl Placing {
    /// A home that knows no host yet.
    pub fn new(own: HostName, seed: u64) -> Self {
        let dispatcher = RefCell::new(Dispatcher::new(own.clone(), seed));
        Self { own, dispatcher, open: RefCell::default(), told: RefCell::default() }
    }

    /// When the dispatcher wants to be called again.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.dispatcher.borrow().next_deadline()
    }

    /// Takes a submission; its answers come out of the receiver, the last one final.
    pub fn submit(
        &self,
        daemon: &Rc<Daemon>,
        id: JobId,
        user: String,
        certificate: Option<Certificate>,
        request: SessionRequest,
    ) -> mpsc::UnboundedReceiver<SessionAnswer> {
        let (answers, receiver) = mpsc::unbounded_channel();
        let command = request.job.argv.first().map(|name| name.display()).unwrap_or_default();
        let submission = Submission {
            id,
            user: UserName::from(user.as_str()),
            queue: QueueName::from(request.job.queue.as_str()),
            command,
            directory: request.job.directory.display(),
            priority: 0,
            choice: request.choice.clone(),
            needs: daemon.queues.needs_of(&request.job),
            allowed: request.job.hosts.clone(),
            excluded: request.excluded.clone(),
            on_full: request.on_full,
            work: Default::default(),
        };
        let open = Open { request: Rc::new(request), user, certificate, answers, sessions: HashMap::new() };
        self.open.borrow_mut().insert(id, open);
        self.refresh(daemon);
        self.feed(daemon, Event::Submitted(submission));
        receiver
    }

    /// Takes a batch job that waits in the spool. What comes of it goes to [`super::batch`].
    pub fn submit_batch(&self, daemon: &Rc<Daemon>, submission: Submission) {
        self.feed(daemon, Event::Submitted(submission));
    }

    /// A batch job waits no more, or is submitted anew.
    pub fn withdraw(&self, daemon: &Rc<Daemon>, id: JobId) {
        self.feed(daemon, Event::Cancelled { id });
    }

    /// Nobody waits for this answer any more.
    pub fn cancel(&self, daemon: &Rc<Daemon>, id: JobId) {
        if self.open.borrow_mut().remove(&id).is_some() {
            self.feed(daemon, Event::Cancelled { id });
        }
    }

    /// Tells the dispatcher what has changed in the table and on this host.
    pub fn refresh(&self, daemon: &Rc<Daemon>) {
        let now = daemon.now();
        // May find that a host has become silent, and then refreshes by itself: nothing is borrowed yet.
        let rows = daemon.host_rows();
        let mut changed = Vec::new();
        let mut told = self.told.borrow_mut();
        let mut present = std::collections::HashSet::new();
        for row in rows {
            let record = row.record;
            let edition = record.edition();
            let version = (edition, row.unavailable.clone());
            present.insert(record.host.clone());
            // The own host's figures are of this instant and have no sequence.
            if !row.this_host && told.get(&record.host) == Some(&version) {
                continue;
            }
            told.insert(record.host.clone(), version);
            changed.push(HostNews {
                host: HostName::from(record.host),
                state: record.state,
                edition,
                heard: Millis(now.0.saturating_sub(row.age_ms)),
                unavailable: row.unavailable.map(|why| after_its_name(&why)),
            });
        }
        let gone = told.keys().filter(|host| !present.contains(*host)).cloned().collect::<Vec<_>>();
        for host in &gone {
            told.remove(host);
        }
        drop(told);
        if !changed.is_empty() || !gone.is_empty() {
            let gone = gone.into_iter().map(HostName::from).collect();
            self.feed(daemon, Event::HostsChanged { changed, gone });
        }
    }

    /// A host has said something unasked.
    pub fn noted(&self, daemon: &Rc<Daemon>, host: &str, note: Note) {
        let host = HostName::from(host);
        match note {
            Note::Ended { job_id, rank, .. } => self.feed(daemon, Event::Ended { id: JobId(job_id), host, rank }),
            Note::Offer { queue, job_id } => {
                let (queue, job) = (QueueName::from(queue), job_id.map(JobId));
                self.feed(daemon, Event::SlotFreed { host, queue, job });
            }
            Note::Release { .. } | Note::Decline { .. } => {}
        }
    }

    /// Tells the dispatcher something and carries out what follows.
    pub fn feed(&self, daemon: &Rc<Daemon>, event: Event) {
        let actions = self.dispatcher.borrow_mut().handle(daemon.now(), event);
        for action in actions {
            self.carry_out(daemon, action);
        }
        daemon.rearm();
    }

    fn carry_out(&self, daemon: &Rc<Daemon>, action: Action) {
        let Some(action) = daemon.batch.carry_out(daemon, action) else {
            return;
        };
        match action {
            Action::Ask { id, host, runner_up_rank, slot, if_full, deadline } => {
                if let Some(request) = self.reservation(id, runner_up_rank, slot, if_full) {
                    let daemon = daemon.clone();
                    tokio::task::spawn_local(
                        async move { daemon.placing.ask(&daemon, id, host, request, deadline).await },
                    );
                }
            }
            Action::Place { id, host, reason } => {
                let daemon = daemon.clone();
                tokio::task::spawn_local(async move { daemon.placing.place(&daemon, id, &host, reason).await });
            }
            Action::Wait { id, text } => {
                if let Some(open) = self.open.borrow().get(&id) {
                    // A client that has gone is noticed where its answer is sent.
                    let _ = open.answers.send(SessionAnswer::Waiting(text));
                }
            }
            Action::Refuse { id, refusal } => {
                if let Some(open) = self.open.borrow_mut().remove(&id) {
                    let _ = open.answers.send(SessionAnswer::Refused(refusal));
                }
            }
            Action::Release { id, host } => daemon.tell_host(host.as_str(), Note::Release { job_id: id.0 }),
            Action::Decline { host, queue } => {
                daemon.tell_host(host.as_str(), Note::Decline { queue: queue.to_string() })
            }
        }
    }

    fn reservation(
        &self,
        id: JobId,
        runner_up_rank: Option<f64>,
        slot: Slot,
        if_full: IfFull,
    ) -> Option<ReservationRequest> {
        let open = self.open.borrow();
        let open = open.get(&id)?;
        let mut warrant = open.request.warrant.clone();
        if warrant.certificate.is_none() {
            warrant.certificate = open.certificate.clone();
        }
        Some(ReservationRequest {
            job_id: id.0,
            job: open.request.job.clone(),
            warrant,
            user: open.user.clone(),
            priority: 0,
            runner_up_rank,
            without_slot: slot == Slot::Without,
            remember: if_full == IfFull::Remember,
            attempt: None,
        })
    }

    /// Asks a host for a reservation, which may be this one.
    pub async fn reserve(
        &self,
        daemon: &Rc<Daemon>,
        host: &HostName,
        request: ReservationRequest,
        deadline: Millis,
    ) -> anyhow::Result<ReservationAnswer> {
        // The dispatcher loses patience by itself, but a late answer may be all that it gets.
        let patience = deadline.since(daemon.now()) + RESERVATION;
        let job = request.job_id;
        let answer = if *host == self.own {
            Ok(daemon.hosting.reserve(daemon, self.own.as_str(), request).await)
        } else {
            daemon.peers.ask::<ReservationAnswer>(daemon, host.as_str(), "/v1/reservations", &request, patience).await
        };
        if daemon.now() > deadline {
            tracing::info!(%host, job, "no answer to a reservation in time");
        }
        answer
    }

    async fn ask(&self, daemon: &Rc<Daemon>, id: JobId, host: HostName, request: ReservationRequest, deadline: Millis) {
        let event = match self.reserve(daemon, &host, request, deadline).await {
            Ok(ReservationAnswer::Reserved { session, rank, .. }) => {
                if let Some(open) = self.open.borrow_mut().get_mut(&id) {
                    open.sessions.insert(host.clone(), session);
                }
                Event::Reserved { id, host, rank }
            }
            Ok(ReservationAnswer::Refused { refusal, rank }) => refused(id, host, refusal, rank),
            Err(error) => {
                tracing::info!(%host, job = id.0, "a reservation failed: {error:#}");
                Event::Silent { id, host }
            }
        };
        self.feed(daemon, event);
    }

    async fn place(&self, daemon: &Rc<Daemon>, id: JobId, host: &HostName, reason: String) {
        let Some(mut open) = self.open.borrow_mut().remove(&id) else {
            return;
        };
        let route = route(daemon, host.as_str(), &open.user).await;
        let answer = match (open.sessions.remove(host), route) {
            (Some(session), Ok(route)) => {
                let standing = daemon.standing.borrow();
                SessionAnswer::Placed(Placement {
                    job_id: id.0,
                    host: host.to_string(),
                    reason,
                    session,
                    route,
                    certificate: open.certificate.take().or_else(|| open.request.warrant.certificate.clone()),
                    user: open.user,
                    authority: standing.signs().then(|| standing.trust.clone()),
                })
            }
            (_, Err(refusal)) => SessionAnswer::Refused(refusal),
            // It was placed where a session was made ready.
            (None, Ok(_)) => SessionAnswer::Refused(unreachable(host.as_str())),
        };
        let _ = open.answers.send(answer);
    }
}

/// Whose words they are the dispatcher says itself.
pub fn refused(id: JobId, host: HostName, mut refusal: Refusal, rank: OwnRank) -> Event {
    if let Some(words) = refusal.message.strip_prefix(&format!("{host}: ")) {
        refusal.message = words.to_owned();
    }
    Event::Refused { id, host, refusal, rank }
}

/// How a client of this host gets to a user's runner on a host.
///
/// # Errors
/// The host has left, or its name is looked up in vain.
pub async fn route(daemon: &Rc<Daemon>, host: &str, user: &str) -> Result<Route, Refusal> {
    if host == daemon.host {
        let uid = daemon.uid_of(user).unwrap_or_else(|_| sys::credentials::own_uid());
        return Ok(Route::Unix(daemon.places.runner_socket(uid).to_string_lossy().into_owned()));
    }
    let address = match daemon.address_of(host) {
        Some(address) => literal(address).await,
        None => None,
    };
    address.map(Route::Tls).ok_or_else(|| unreachable(host))
}

fn unreachable(host: &str) -> Refusal {
    let message = format!("{host} cannot be reached: it has left, or its address has no number");
    Refusal { kind: RefusalKind::Failed, message }
}

/// Why a host takes nothing, in words that follow its name.
fn after_its_name(why: &str) -> String {
    if why.starts_with("silent") { format!("is {why}") } else { format!("is not chosen: {why}") }
}

/// An address in numbers: the client asks nobody for names.
async fn literal(address: String) -> Option<String> {
    if address.parse::<SocketAddr>().is_ok() {
        return Some(address);
    }
    tokio::net::lookup_host(address).await.ok()?.next().map(|found| found.to_string())
}
