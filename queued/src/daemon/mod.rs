//! The daemon: network, placement, membership. It decides with [`crate::core`] and acts by
//! sockets alone.
//!
//! It must not fork jobs, be in a session's path, or open a file where other users can write.
//! Everything runs on one thread; what is shared is behind `Rc` and `RefCell`, and no borrow is
//! held across an await.

mod attachments;
mod authority;
mod batch;
pub mod cluster;
mod doctor;
mod hosting;
mod ids;
mod load;
pub mod mail;
mod memory;
mod newcomer;
mod peers;
mod placing;
mod port;
mod program;
mod queues;
mod runner_link;
mod runners;
mod server;
mod sessions;
mod socket;
pub mod start;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use wire::api::{Note, Refusal, RefusalKind};
use wire::identity::{Certificate, Kind, tls};
use wire::news::{HostRow, OwnRank};

use crate::config::{Places, Settings};
use crate::core::table::{Action, Event, Table};
use crate::core::time::Millis;
use authority::Standing;
use hosting::Hosting;
use peers::Peers;
use placing::Placing;
use runners::Runners;

/// Everything a daemon knows.
pub struct Daemon {
    places: Places,
    host: String,
    settings: RefCell<Settings>,
    standing: RefCell<Standing>,
    acceptor: RefCell<Option<TlsAcceptor>>,
    port: RefCell<Option<tokio::task::AbortHandle>>,
    table: RefCell<Table>,
    /// Names of users, and when NSS gave them.
    names: RefCell<HashMap<u32, (Millis, String)>>,
    incarnation: Cell<u64>,
    /// How often this life has told its rank.
    words: Cell<u64>,
    /// When the load was looked at last.
    measured: Cell<Millis>,
    ids: ids::Ids,
    runners: Rc<Runners>,
    hosting: Hosting,
    queues: queues::Queues,
    placing: Placing,
    batch: batch::Batch,
    peers: Peers,
    /// Something has a new deadline.
    rearmed: Notify,
    memory: memory::Memory,
    /// The table of hosts has changed.
    heard: Notify,
    /// When this life began.
    started: Millis,
}

impl Daemon {
    /// Milliseconds on a clock that goes on while the machine sleeps.
    fn now(&self) -> Millis {
        Millis::from(sys::host::since_boot())
    }

    fn unix_time(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
    }

    /// Whether jobs of this uid run here by this daemon.
    fn serves(&self, uid: u32) -> bool {
        !self.standing.borrow().signs() || uid == sys::credentials::own_uid()
    }

    /// Refuses a user whom it does not serve.
    fn must_serve(&self, uid: u32) -> Result<(), Refusal> {
        let message = || format!("this daemon serves uid {} only", sys::credentials::own_uid());
        if self.serves(uid) { Ok(()) } else { Err(Refusal { kind: RefusalKind::Failed, message: message() }) }
    }

    /// The name that stands for a uid in certificates and listings. NSS may be slow, and is asked again
    /// after five minutes.
    fn user_of(&self, uid: u32) -> String {
        let now = self.now();
        let mut names = self.names.borrow_mut();
        names.retain(|_, (asked, _)| now.since(*asked) < NAMED);
        let ask = || (now, sys::credentials::user_name(uid).unwrap_or_else(|| uid.to_string()));
        names.entry(uid).or_insert_with(ask).1.clone()
    }

    /// The local uid of a user that a home names. In personal mode whoever holds the authority is
    /// the owner, whatever the name.
    fn uid_of(&self, user: &str) -> Result<u32, String> {
        if self.standing.borrow().signs() {
            return Ok(sys::credentials::own_uid());
        }
        sys::credentials::uid_of(user).ok_or_else(|| format!("there is no user {user:?} here"))
    }

    /// The TLS end for other daemons.
    fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        if let Some(acceptor) = &*self.acceptor.borrow() {
            return Ok(acceptor.clone());
        }
        let standing = self.standing.borrow();
        let config =
            tls::server_config(&standing.trust, &standing.key, &standing.certificate, &[Kind::Host], &[b"http/1.1"])?;
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        *self.acceptor.borrow_mut() = Some(acceptor.clone());
        Ok(acceptor)
    }

    /// The host that a verified chain belongs to.
    fn peer_host(&self, chain: Option<&[CertificateDer<'static>]>) -> anyhow::Result<String> {
        let first = chain.and_then(|chain| chain.first()).context("the other side showed no certificate")?;
        let verified = self.standing.borrow().trust.verify(&Certificate(first.to_vec()))?;
        Ok(verified.identity.host)
    }

    /// The rows of `queue hosts`, this host's with figures of this instant.
    fn host_rows(self: &Rc<Self>) -> Vec<HostRow> {
        self.publish();
        self.table.borrow().hosts(self.now())
    }

    fn address_of(&self, host: &str) -> Option<String> {
        self.table.borrow().address(host).map(str::to_owned)
    }

    /// The rank of this instant with what others need to put it in order.
    fn own_rank(&self, value: f64) -> OwnRank {
        let number = self.words.get() + 1;
        self.words.set(number);
        OwnRank { value, edition: self.table.borrow().edition(), number }
    }

    /// Tells the table how this host is.
    fn publish(self: &Rc<Self>) {
        self.measured.set(self.now());
        self.queues.look(self);
        let state = self.hosting.state(self);
        self.table_event(Event::OwnState(state));
    }

    /// Tells the table something and carries out what follows.
    fn table_event(self: &Rc<Self>, event: Event) {
        for action in self.table_actions(event) {
            self.peers.carry_out(self, action);
        }
        self.rearm();
    }

    fn table_actions(&self, event: Event) -> Vec<Action> {
        self.table.borrow_mut().handle(self.now(), event)
    }

    /// A message for a home, which may be this very daemon.
    fn tell_home(self: &Rc<Self>, home: &str, note: Note) {
        if home == self.host {
            self.noted(home, note);
        } else {
            self.send(home, note);
        }
    }

    /// A message for a running host, which may be this very daemon.
    fn tell_host(self: &Rc<Self>, host: &str, note: Note) {
        if host == self.host {
            self.noted(host, note);
        } else {
            self.send(host, note);
        }
    }

    fn send(self: &Rc<Self>, host: &str, note: Note) {
        let (daemon, host) = (self.clone(), host.to_owned());
        tokio::task::spawn_local(async move {
            // Notes make things faster; both sides' deadlines put right what a lost one leaves.
            if let Err(error) = daemon.peers.ask::<()>(&daemon, &host, "/v1/notes", &note, NOTE).await {
                tracing::debug!(%host, ?note, "not told: {error:#}");
                batch::past::tell_later(&daemon, &host, note).await;
            }
        });
    }

    /// A host has said something unasked.
    fn noted(self: &Rc<Self>, host: &str, note: Note) {
        match note {
            Note::Release { job_id } => self.hosting.release(self, host, job_id),
            Note::Decline { queue } => self.hosting.declined(self, host, &queue),
            Note::Ended { job_id, rank, session } => {
                if let Some(session) = session {
                    self.batch.remember(self, host, job_id, *session);
                }
                self.placing.noted(self, host, Note::Ended { job_id, rank, session: None });
            }
            Note::Offer { .. } => self.placing.noted(self, host, note),
        }
    }

    /// A deadline may have changed.
    fn rearm(&self) {
        self.rearmed.notify_one();
    }

    /// Calls whoever has a deadline, for ever.
    async fn keep_time(self: Rc<Self>) {
        loop {
            // The load changes without a word, and the others choose by it.
            let watches = self.table.borrow().has_company() || self.queues.are_watched() || self.hosting.has_starts();
            let measure = watches.then(|| self.measured.get() + MEASURE);
            let deadlines = [
                self.placing.next_deadline(),
                self.hosting.next_deadline(),
                self.table.borrow().next_deadline(),
                measure,
            ];
            let rearmed = self.rearmed.notified();
            let Some(earliest) = deadlines.iter().flatten().min().copied() else {
                rearmed.await;
                continue;
            };
            let left = earliest.since(self.now());
            tokio::select! {
                biased;
                () = rearmed => continue,
                () = tokio::time::sleep(left) => {}
            }
            let now = self.now();
            let due = |deadline: Option<Millis>| deadline.is_some_and(|deadline| deadline <= now);
            if due(self.placing.next_deadline()) {
                self.placing.feed(&self, crate::core::dispatch::Event::Tick);
            }
            if due(self.hosting.next_deadline()) {
                self.hosting.feed(&self, crate::core::admission::Event::Tick);
            }
            let table_due = due(self.table.borrow().next_deadline());
            if table_due || due(measure) {
                self.publish();
                self.memory.keep(now, (self.unix_time() / 86_400) as u64, || self.host_rows());
            }
            if table_due {
                self.table_event(Event::Deadline);
            }
        }
    }

    fn keep_incarnation(&self, incarnation: u64) {
        self.incarnation.set(incarnation);
        let path = self.places.state.join("incarnation");
        if let Err(error) = authority::replace_file(&path, format!("{incarnation}\n"), 0o600) {
            tracing::error!("the next start may go unheard: {error:#}");
        }
    }
}

/// How often the load is looked at while there is somebody to tell.
const MEASURE: Duration = Duration::from_secs(1);
/// How long a user's name is believed.
const NAMED: Duration = Duration::from_secs(300);
/// How long a note may take.
const NOTE: Duration = Duration::from_secs(2);
