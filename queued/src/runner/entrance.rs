//! Connections that have not shown yet whose they are and what they want: the TLS handshake, then HELLO.
//!
//! It judges nobody. What came in is given to the session, which knows who may do what.

use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use wire::identity::{Trust, Verified};
use wire::link::{Link, LinkError, Received};
use wire::session::{Greeting, Hello, ProtocolError};

use super::arrival::Socket;

/// Connections on their way in.
#[derive(Default)]
pub struct Entrance {
    candidates: Vec<Candidate>,
}

struct Candidate {
    link: Link<Socket>,
    greeting: Greeting,
    hello: Option<Hello>,
    early: Vec<u8>,
    handed: Vec<Handed>,
    until: Instant,
}

/// A connection that has said what it wants.
pub struct Entered {
    /// The connection.
    pub link: Link<Socket>,
    /// What it wants.
    pub hello: Hello,
    /// What it said behind that.
    pub early: Vec<u8>,
    /// The client's own descriptors for the job.
    pub handed: Vec<Handed>,
    /// Whom the certificate names; `None` for the same user on this host, as the kernel says.
    pub whose: Option<Verified>,
}

/// A descriptor of the client's for the job.
pub type Handed = (usize, OwnedFd);

impl Entrance {
    /// A connection of the same user on this host.
    pub fn local(&mut self, stream: UnixStream, handed: Vec<Handed>) {
        self.add(Link::plain(Socket::Unix(stream)), handed);
    }

    /// A connection from the network.
    pub fn remote(&mut self, stream: TcpStream, config: Arc<ServerConfig>) {
        if let Ok(link) = secured(stream, config) {
            self.add(link, Vec::new());
        }
    }

    fn add(&mut self, link: Link<Socket>, handed: Vec<Handed>) {
        if self.candidates.len() < MOST_CANDIDATES {
            let until = Instant::now() + GREETING;
            self.candidates.push(Candidate {
                link,
                greeting: Greeting::new(),
                hello: None,
                early: Vec::new(),
                handed,
                until,
            });
        }
    }

    /// What to wait for: descriptor and whether to write.
    pub fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.candidates.iter().map(|one| (one.link.socket().as_fd(), one.link.wants_write()))
    }

    /// When the first of them has had its time.
    pub fn deadline(&self) -> Option<Instant> {
        self.candidates.iter().map(|one| one.until).min()
    }

    /// Goes on with all of them. Those that have said what they want come out; those that took too
    /// long, broke the protocol or show a certificate of another authority are closed.
    pub fn advance(&mut self, trust: &Trust) -> Vec<Entered> {
        let now = Instant::now();
        let mut entered = Vec::new();
        for mut candidate in std::mem::take(&mut self.candidates) {
            match candidate.read() {
                Ok(true) => entered.extend(candidate.judged(trust)),
                Ok(false) if candidate.until > now => self.candidates.push(candidate),
                Ok(false) | Err(_) => {}
            }
        }
        entered
    }
}

impl Candidate {
    /// Reads on; whether HELLO is there.
    fn read(&mut self) -> Result<bool, LinkError> {
        let Self { link, greeting, hello, early, .. } = self;
        let received = link.receive(READ_BUDGET, &mut |mut bytes| {
            if hello.is_none() {
                *hello = greeting.receive(&mut bytes)?;
            }
            early.extend_from_slice(bytes);
            Ok::<(), ProtocolError>(())
        })?;
        match received {
            Received::Closed => Err(LinkError::Cut),
            Received::Blocked | Received::More => Ok(hello.is_some()),
        }
    }

    fn judged(self, trust: &Trust) -> Option<Entered> {
        let Self { link, hello, early, handed, .. } = self;
        let whose = match link.socket() {
            Socket::Unix(_) => None,
            Socket::Tcp(_) => Some(trust.verify(&link.peer_certificate()?).ok()?),
        };
        Some(Entered { link, hello: hello?, early, handed, whose })
    }
}

/// The runner's end of TLS on a connection of which nothing was read.
pub fn secured(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Link<Socket>, LinkError> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    sys::tcp::retry_steadily(stream.as_fd())?;
    sys::tcp::keepalive(stream.as_fd(), KEEPALIVE_S, KEEPALIVE_S, KEEPALIVE_COUNT)?;
    Link::tls_server(Socket::Tcp(stream), config)
}

/// The link is watched by the kernel: a probe after so many seconds, and as many between two.
const KEEPALIVE_S: u32 = 5;
/// So many unanswered probes are silence.
const KEEPALIVE_COUNT: u32 = 4;
/// Connections at the same time; more are closed, and their clients come again.
const MOST_CANDIDATES: usize = 4;
/// A handshake takes a millisecond; this bounds a silent one.
const GREETING: Duration = Duration::from_secs(5);
/// HELLO and a little more.
const READ_BUDGET: usize = 4096;
