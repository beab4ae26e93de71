//! Connections with other daemons: those the table of hosts wants to stand, and those that carry
//! this home's questions. All are mutually verified TLS with HTTP/1.1 on top.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use wire::api::Refusal;
use wire::exchange::Message;
use wire::identity::Kind;
use wire::identity::tls::{self, Expected};

use super::Daemon;
use super::port::explain;
use crate::core::table::{Action, ConnectionId, Event};

/// All connections with other daemons.
#[derive(Default)]
pub struct Peers {
    next: Cell<u64>,
    /// Those that the table asked for.
    standing: RefCell<HashMap<u64, Rc<Standing>>>,
    /// Those that came in; ending the task closes one.
    incoming: RefCell<HashMap<u64, ()>>,
    /// Idle ones for questions, by host.
    idle: RefCell<HashMap<String, Vec<Idle>>>,
}

struct Standing {
    sender: tokio::sync::Mutex<Sender>,
    task: RefCell<Option<AbortHandle>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

type Sender = SendRequest<Full<Bytes>>;

impl Peers {
    /// Carries out what the table asks for.
    pub fn carry_out(&self, daemon: &Rc<Daemon>, action: Action) {
        let daemon = daemon.clone();
        match action {
            Action::Connect { address } => {
                tokio::task::spawn_local(async move { daemon.peers.stand(&daemon, address).await });
            }
            Action::Disconnect { connection } => {
                self.incoming.borrow_mut().remove(&connection.0);
                let standing = self.standing.borrow_mut().remove(&connection.0);
                if let Some(task) = standing.and_then(|standing| standing.task.borrow_mut().take()) {
                    task.abort();
                }
            }
            Action::Send { connection, message } => {
                tokio::task::spawn_local(async move { daemon.peers.exchange(&daemon, connection, message).await });
            }
            // Read where the exchange came in.
            Action::Answer { .. } => {}
            Action::Changed => {
                daemon.placing.refresh(&daemon);
                daemon.heard.notify_waiters();
            }
            Action::Incarnation(incarnation) => daemon.keep_incarnation(incarnation),
            Action::Expelled => tracing::error!("this host was removed from the cluster"),
        }
    }

    /// Opens a connection that the table wants and tells it how that went.
    async fn stand(&self, daemon: &Rc<Daemon>, address: String) {
        match tokio::time::timeout(CONNECTING, connect(daemon, &address, None)).await {
            Ok(Ok((host, sender, driver))) => {
                let number = self.number();
                let standing = Rc::new(Standing { sender: sender.into(), task: RefCell::new(None) });
                self.standing.borrow_mut().insert(number, standing.clone());
                let (watching, connection) = (daemon.clone(), ConnectionId(number));
                let task = tokio::task::spawn_local(async move {
                    let ended = driver.await;
                    watching.peers.standing.borrow_mut().remove(&number);
                    watching.table_event(match ended {
                        Ok(()) => Event::Closed { connection },
                        Err(_) => Event::Lost { connection },
                    });
                });
                *standing.task.borrow_mut() = Some(task.abort_handle());
                daemon.table_event(Event::Connected { connection, host, address, incoming: false });
            }
            failed => {
                let reason = match failed {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => "no answer".to_owned(),
                };
                tracing::debug!(%address, %reason, "cannot connect");
                daemon.table_event(Event::ConnectFailed { address, reason });
            }
        }
    }

    async fn exchange(&self, daemon: &Rc<Daemon>, connection: ConnectionId, message: Message) {
        let standing = self.standing.borrow().get(&connection.0).cloned();
        let Some(standing) = standing else {
            return;
        };
        let asked = Instant::now();
        let answer = {
            let mut sender = standing.sender.lock().await;
            tokio::time::timeout(EXCHANGING, request(&mut sender, "/v1/news", &message)).await
        };
        match answer.map_err(anyhow::Error::from).and_then(|answer| Ok(answer??)) {
            Ok(message) => {
                let round_trip_ms = asked.elapsed().as_millis() as u64;
                daemon.table_event(Event::ExchangeAnswer { connection, message, round_trip_ms });
            }
            Err(error) => {
                tracing::debug!(connection = connection.0, "exchange failed: {error:#}");
                let standing = self.standing.borrow_mut().remove(&connection.0);
                if let Some(task) = standing.and_then(|standing| standing.task.borrow_mut().take()) {
                    task.abort();
                    daemon.table_event(Event::Lost { connection });
                }
            }
        }
    }

    /// A daemon has connected. The table is told, and told again when what is returned is dropped.
    pub fn incoming(&self, daemon: &Rc<Daemon>, host: &str, address: SocketAddr) -> Incoming {
        let number = self.number();
        self.incoming.borrow_mut().insert(number, ());
        daemon.table_event(Event::Connected {
            connection: ConnectionId(number),
            host: host.to_owned(),
            address: address.to_string(),
            incoming: true,
        });
        Incoming { daemon: daemon.clone(), number }
    }

    /// An exchange came in; what the table answers.
    pub fn exchanged(&self, daemon: &Rc<Daemon>, number: u64, message: Message) -> Message {
        let connection = ConnectionId(number);
        let mut answer = Message::default();
        for action in daemon.table_actions(Event::Exchange { connection, message }) {
            match action {
                Action::Answer { message, .. } => answer = message,
                other => self.carry_out(daemon, other),
            }
        }
        daemon.rearm();
        answer
    }

    /// Asks a host something, over an idle connection or a new one.
    ///
    /// # Errors
    /// When it cannot be reached or does not answer in time.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        daemon: &Rc<Daemon>,
        host: &str,
        path: &str,
        question: &impl Serialize,
        patience: Duration,
    ) -> anyhow::Result<T> {
        let asked = async {
            // One that was closed while it was idle has not taken the question.
            while let Some(mut sender) = self.take_idle(host) {
                if sender.ready().await.is_ok() {
                    let answer = request::<T>(&mut sender, path, question).await?;
                    return Ok((sender, answer));
                }
            }
            let address = daemon.address_of(host).with_context(|| format!("no address of {host} is known"))?;
            let (_, mut sender, driver) = connect(daemon, &address, Some(host)).await?;
            tokio::task::spawn_local(async move { drop(driver.await) });
            let answer = request::<T>(&mut sender, path, question).await?;
            Ok::<_, anyhow::Error>((sender, answer))
        };
        match tokio::time::timeout(patience, asked).await {
            Ok(Ok((sender, answer))) => {
                self.put_idle(host, sender);
                daemon.table_event(Event::Reached { host: host.to_owned() });
                // Whoever refuses is there.
                Ok(answer?)
            }
            Ok(Err(error)) => {
                daemon.table_event(Event::Unreachable { host: host.to_owned(), reason: format!("{error:#}") });
                Err(error)
            }
            Err(_) => bail!("no answer within {} ms", patience.as_millis()),
        }
    }

    fn take_idle(&self, host: &str) -> Option<Sender> {
        self.idle.borrow_mut().get_mut(host)?.pop().map(|idle| idle.sender)
    }

    fn put_idle(&self, host: &str, sender: Sender) {
        let mut idle = self.idle.borrow_mut();
        // Old ones go when a new one comes: no timer is needed to keep their number small.
        for list in idle.values_mut() {
            list.retain(|one| one.since.elapsed() < IDLE && !one.sender.is_closed());
        }
        idle.retain(|_, list| !list.is_empty());
        let list = idle.entry(host.to_owned()).or_default();
        if list.len() < MOST_IDLE {
            list.push(Idle { sender, since: Instant::now() });
        }
    }

    /// The cluster has changed: no connection of the old one is of use.
    pub fn forget_all(&self) {
        self.idle.borrow_mut().clear();
        for (_, standing) in self.standing.borrow_mut().drain() {
            if let Some(task) = standing.task.borrow_mut().take() {
                task.abort();
            }
        }
    }

    fn number(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }
}

/// A connection that came in; dropping it tells the table.
pub struct Incoming {
    daemon: Rc<Daemon>,
    number: u64,
}

impl Incoming {
    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.daemon.peers.incoming.borrow_mut().remove(&self.number).is_some() {
            self.daemon.table_event(Event::Lost { connection: ConnectionId(self.number) });
        }
    }
}

/// A verified connection to a daemon: its host's name, the way to ask, and what drives it.
async fn connect(
    daemon: &Rc<Daemon>,
    address: &str,
    host: Option<&str>,
) -> anyhow::Result<(String, Sender, impl Future<Output = Result<(), hyper::Error>> + 'static)> {
    let stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
    stream.set_nodelay(true)?;
    sys::tcp::keepalive(stream.as_fd(), 1, 1, 3)?;
    let config = {
        let standing = daemon.standing.borrow();
        let expected = Expected { kind: Kind::Host, host: host.map(str::to_owned), user: None };
        tls::client_config(&standing.trust, &standing.key, &standing.certificate, expected)?
    };
    let name = ServerName::try_from("queued.queue").expect("a constant that is a name");
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(|error: io::Error| explain(error).context(address.to_owned()))?;
    let host = daemon.peer_host(stream.get_ref().1.peer_certificates())?;
    let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    Ok((host, sender, driver))
}

/// The refusal of a host that was asked; it can be reached all the same.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Refused(pub Refusal);

async fn request<T: DeserializeOwned>(
    sender: &mut Sender,
    path: &str,
    question: &impl Serialize,
) -> anyhow::Result<Result<T, Refused>> {
    let body = Full::new(Bytes::from(serde_json::to_vec(question)?));
    let request = Request::builder().method(Method::POST).uri(path).header(hyper::header::HOST, "queued").body(body)?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = match Limited::new(response.into_body(), MOST_ANSWER).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => bail!("the answer cannot be read: {error}"),
    };
    if status == StatusCode::BAD_REQUEST
        && let Ok(refusal) = serde_json::from_slice(&bytes)
    {
        return Ok(Err(Refused(refusal)));
    }
    if !status.is_success() {
        bail!("{status}: {}", String::from_utf8_lossy(&bytes).trim());
    }
    serde_json::from_slice(&bytes).map(Ok).context("the answer makes no sense")
}

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(1);
/// How long an exchange of news may take.
const EXCHANGING: Duration = Duration::from_secs(4);
/// Idle connections kept for one host.
const MOST_IDLE: usize = 8;
/// How long they are kept.
const IDLE: Duration = Duration::from_secs(60);
/// A page of jobs with long commands is the largest answer.
const MOST_ANSWER: usize = 16 << 20;
