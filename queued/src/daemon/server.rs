//! HTTP/1.1 with JSON, the same on the unix socket and for other daemons: what may be asked, and
//! by whom. Each request is handled in a file of its own subject.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use wire::api::{HostsAnswer, Refusal, RefusalKind, SessionsOf};

use super::{Daemon, attachments, batch, cluster, queues, sessions};

/// Who asks.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A user of this host; the kernel said which.
    Local {
        /// The user.
        uid: u32,
    },
    /// Another daemon of the cluster; its certificate said which host.
    Host {
        /// Its name.
        host: String,
        /// Where it comes from.
        address: SocketAddr,
    },
}

/// Serves one connection until it ends.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(daemon: Rc<Daemon>, stream: S, caller: Caller) {
    let connection = match &caller {
        Caller::Host { host, address } => Some(daemon.peers.incoming(&daemon, host, *address)),
        Caller::Local { .. } => None,
    };
    let number = connection.as_ref().map(|connection| connection.number());
    let served = http1::Builder::new()
        .max_headers(64)
        .max_buf_size(64 * 1024)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| {
                let (daemon, caller) = (daemon.clone(), caller.clone());
                async move { Ok::<_, Infallible>(answer_all_of(daemon, caller, number, request).await) }
            }),
        )
        .await;
    if let Err(error) = served {
        tracing::debug!(?caller, %error, "connection ended");
    }
}

/// What was begun is done, whether or not somebody is there for the answer: a home that dies when its word to start
/// an attempt is written down must not keep it from being started. Who waits for a session gives up by going away.
async fn answer_all_of(
    daemon: Rc<Daemon>,
    caller: Caller,
    connection: Option<u64>,
    request: Request<Incoming>,
) -> Response<Answer> {
    if request.uri().path() == "/v1/sessions" {
        return answer(&daemon, caller, connection, request).await;
    }
    let answering = async move { answer(&daemon, caller, connection, request).await };
    tokio::task::spawn_local(answering).await.unwrap_or_else(|error| {
        tracing::error!("a request was not answered: {error}");
        let refusal = Refusal { kind: RefusalKind::Failed, message: "the daemon failed at this request".to_owned() };
        respond(StatusCode::BAD_REQUEST, Answer::whole(json(&refusal).unwrap_or_default()))
    })
}

async fn answer(
    daemon: &Rc<Daemon>,
    caller: Caller,
    connection: Option<u64>,
    request: Request<Incoming>,
) -> Response<Answer> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path.starts_with("/v1/jobs")
        || path.starts_with("/v1/attempts")
        || path == "/v1/contents"
        || path == "/v1/status"
    {
        let answered = match &caller {
            Caller::Local { uid } => batch::answer(daemon, *uid, &parts.method, path, body).await,
            Caller::Host { host, .. } => batch::from_host(daemon, host, &parts.method, path, body).await,
        };
        let refused = || json(&wrong("no such request, or not for this caller")).unwrap_or_default();
        return answered.unwrap_or_else(|| respond(StatusCode::BAD_REQUEST, Answer::whole(refused())));
    }
    if path.starts_with("/v1/queues/") && parts.method == Method::POST {
        let answered = queues::api::answer(daemon, &caller, path, body).await;
        return match answered.unwrap_or_else(|| Err(wrong("no such request, or not for this caller"))) {
            Ok(bytes) => respond(StatusCode::OK, Answer::whole(bytes)),
            Err(refusal) => respond(StatusCode::BAD_REQUEST, Answer::whole(json(&refusal).unwrap_or_default())),
        };
    }
    let result = match (&parts.method, parts.uri.path(), &caller) {
        (&Method::POST, "/v1/sessions", Caller::Local { uid }) => match read(body, MOST_JOB).await {
            Ok(asked) => return sessions::open(daemon, *uid, asked).await,
            Err(refusal) => Err(refusal),
        },
        (&Method::GET, "/v1/hosts", Caller::Local { .. }) => json(&HostsAnswer { hosts: daemon.host_rows() }),
        (&Method::GET, "/v1/sessions", Caller::Local { uid }) => {
            attachments::list(daemon, *uid).await.and_then(|all| json(&all))
        }
        (&Method::POST, "/v1/attachments", Caller::Local { uid }) => match read(body, MOST_SMALL).await {
            Ok(asked) => attachments::find(daemon, *uid, asked).await.and_then(|found| json(&found)),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/sessions/list", Caller::Host { .. }) => match read::<SessionsOf>(body, MOST_SMALL).await {
            Ok(asked) => json(&attachments::list_here(daemon, &asked.user).await),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/cluster", Caller::Local { uid }) => match read(body, MOST_SMALL).await {
            Ok(asked) => cluster::init(daemon, *uid, &asked).await.and_then(|made| json(&made)),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/reservations", Caller::Host { host, .. }) => match read(body, MOST_JOB).await {
            Ok(asked) => json(&daemon.hosting.reserve(daemon, host, asked).await),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/notes", Caller::Host { host, .. }) => match read(body, MOST_SMALL).await {
            Ok(note) => {
                daemon.noted(host, note);
                json(&())
            }
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/news", Caller::Host { .. }) => match (read(body, MOST_NEWS).await, connection) {
            (Ok(message), Some(connection)) => json(&daemon.peers.exchanged(daemon, connection, message)),
            (Err(refusal), _) => Err(refusal),
            (Ok(_), None) => Err(wrong("news come from hosts only")),
        },
        _ => Err(wrong("no such request, or not for this caller")),
    };
    match result {
        Ok(bytes) => respond(StatusCode::OK, Answer::whole(bytes)),
        Err(refusal) => {
            let bytes = json(&refusal).unwrap_or_default();
            respond(StatusCode::BAD_REQUEST, Answer::whole(bytes))
        }
    }
}

/// A response of JSON lines.
pub fn respond(status: StatusCode, answer: Answer) -> Response<Answer> {
    let mut response = Response::new(answer);
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}

/// Reads a request of at most so many bytes.
pub async fn read<T: DeserializeOwned>(body: Incoming, most: usize) -> Result<T, Refusal> {
    let bytes = Limited::new(body, most)
        .collect()
        .await
        .map_err(|error| wrong(&format!("the request cannot be read: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| wrong(&format!("the request makes no sense: {error}")))
}

/// A line of JSON.
pub fn json(value: &impl Serialize) -> Result<Bytes, Refusal> {
    let mut bytes = serde_json::to_vec(value).map_err(|error| wrong(&error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

fn wrong(message: &str) -> Refusal {
    Refusal { kind: RefusalKind::Failed, message: message.to_owned() }
}

/// The body of an answer: one piece, or lines as they come.
pub struct Answer {
    first: Option<Bytes>,
    lines: Option<Box<dyn Lines>>,
}

/// Lines that come one by one; dropping it tells that nobody listens any more.
pub trait Lines {
    /// The next line; `None` after the last. An error breaks the answer off, which the asker sees.
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;
}

impl Answer {
    /// All at once.
    pub fn whole(bytes: Bytes) -> Self {
        Self { first: Some(bytes), lines: None }
    }

    /// As they come.
    pub fn lines(first: Bytes, lines: Box<dyn Lines>) -> Self {
        Self { first: Some(first), lines: Some(lines) }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match &mut self.lines {
            Some(lines) => lines.poll_line(context).map(|line| line.map(|bytes| bytes.map(Frame::data))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.lines.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match (&self.first, &self.lines) {
            (Some(bytes), None) => hyper::body::SizeHint::with_exact(bytes.len() as u64),
            (None, None) => hyper::body::SizeHint::with_exact(0),
            _ => hyper::body::SizeHint::default(),
        }
    }
}

/// The largest job, as JSON.
const MOST_JOB: usize = 32 << 20;
/// Requests of a line or two.
const MOST_SMALL: usize = 64 * 1024;
/// News of many hosts.
const MOST_NEWS: usize = wire::exchange::MAX_BYTES;
