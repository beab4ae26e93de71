//! A session's way to its client: the connection in use, those that may replace it, and what
//! follows when it is lost.

use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::ServerConfig;
use wire::identity::Trust;
use wire::link::{Link, LinkError, Received};
use wire::session::{Endpoint, ProtocolError, Stream};

use super::arrival::Socket;
use super::display::{Audience, SILENT};

/// The connection in use and the candidates to replace it.
#[derive(Default)]
pub struct ClientLink {
    current: Option<Link<Socket>>,
    candidates: Vec<Candidate>,
    /// What the client said behind its handshake, before its key was known.
    early: Vec<u8>,
    /// The client has said that it will not come back.
    leaving: bool,
    /// How the last connection ended, while there is none.
    pub lost: Option<Lost>,
}

/// A connection whose TLS handshake is under way.
struct Candidate {
    link: Link<Socket>,
    early: Vec<u8>,
    until: Instant,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// When.
    pub at: Instant,
    /// What it means.
    pub how: How,
}

/// What the end of a connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The client closed it in good order, or had said that it would leave.
    Left,
    /// The kernel closed it, over the network: the client is dead unless it comes back soon (a
    /// kernel also resets what it forgot during a cut).
    Died,
    /// The kernel closed it on this host: the client is dead.
    DiedHere,
    /// Nothing was heard: the link is cut.
    Silent,
}

impl ClientLink {
    /// Whether a client is connected.
    pub fn is_connected(&self) -> bool {
        self.current.is_some()
    }

    /// Who takes the output of the session's terminal. The kernel is asked only when that matters:
    /// while there is room for more, every client is there.
    pub fn audience(&self, endpoint: &Endpoint) -> Audience {
        match self.current.as_ref().map(Link::socket) {
            None => Audience::Away,
            Some(_) if endpoint.has_room(Stream::Tty) => Audience::There,
            Some(Socket::Unix(_)) => Audience::There,
            Some(Socket::Tcp(stream)) => match sys::tcp::owed(stream.as_fd()) {
                Ok(Some(length)) if length >= SILENT => Audience::Silent(length),
                _ => Audience::There,
            },
        }
    }

    /// The connection in use.
    pub fn current(&mut self) -> Option<&mut Link<Socket>> {
        self.current.as_mut()
    }

    /// What to wait for: descriptor and whether to write.
    pub fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.current
            .iter()
            .chain(self.candidates.iter().map(|candidate| &candidate.link))
            .map(|link| (link.socket().as_fd(), link.wants_write()))
    }

    /// When the first candidate has had its time.
    pub fn deadline(&self) -> Option<Instant> {
        self.candidates.iter().map(|candidate| candidate.until).min()
    }

    /// A connection of the same user on this host is in use at once: the kernel said who it is.
    pub fn take_local(&mut self, stream: UnixStream) {
        self.replace(Link::plain(Socket::Unix(stream)));
    }

    /// A connection from the network has to prove the session's key first.
    pub fn take_remote(&mut self, stream: TcpStream, config: Arc<ServerConfig>) {
        let ready = stream.set_nonblocking(true).is_ok()
            && stream.set_nodelay(true).is_ok()
            && sys::tcp::keepalive(stream.as_fd(), KEEPALIVE_S, KEEPALIVE_S, KEEPALIVE_COUNT).is_ok();
        if ready
            && self.candidates.len() < MOST_CANDIDATES
            && let Ok(link) = Link::tls_server(Socket::Tcp(stream), config)
        {
            self.candidates.push(Candidate { link, early: Vec::new(), until: Instant::now() + HANDSHAKE });
        }
    }

    /// Goes on with the handshakes. Returns true when a candidate has proved `key` and has become
    /// the connection in use.
    pub fn shake_hands(&mut self, key: &[u8; 32], trust: &Trust) -> bool {
        let now = Instant::now();
        let mut index = 0;
        while index < self.candidates.len() {
            let Candidate { link, early, until } = &mut self.candidates[index];
            let received = link.receive(1, &mut |bytes| {
                early.extend_from_slice(bytes);
                Ok::<(), ProtocolError>(())
            });
            if *until <= now || matches!(received, Err(_) | Ok(Received::Closed)) || early.len() > MOST_EARLY {
                self.candidates.swap_remove(index);
            } else if !link.handshaking() {
                let Candidate { link, early, .. } = self.candidates.swap_remove(index);
                let proved = link
                    .peer_certificate()
                    .and_then(|certificate| trust.verify(&certificate).ok())
                    .is_some_and(|verified| &verified.public_key == key);
                if proved {
                    self.replace(link);
                    self.early = early;
                    return true;
                }
            } else {
                index += 1;
            }
        }
        false
    }

    /// What the client said behind its handshake; to be read before anything else.
    pub fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.early)
    }

    /// Shakes hands with a client that cannot be served, lets `endpoint` say why, and closes.
    pub fn turn_away(&mut self, stream: TcpStream, config: Arc<ServerConfig>, endpoint: &mut Endpoint) {
        self.take_remote(stream, config);
        let Some(Candidate { mut link, until, .. }) = self.candidates.pop() else {
            return;
        };
        let mut closing = false;
        while Instant::now() < until {
            if matches!(link.receive(1 << 16, &mut |_| Ok(())), Err(_) | Ok(Received::Closed)) {
                return;
            }
            if link.transmit(endpoint).is_err() {
                return;
            }
            if !closing && !link.handshaking() && !endpoint.wants_transmit() {
                // The client reads why and closes; until then the connection stays, since a
                // reset could overtake the words.
                closing = link.close().is_ok();
            }
            let flags = if link.wants_write() { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            let mut polled = [PollFd::new(link.socket().as_fd(), flags)];
            let _ = poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        }
    }

    fn replace(&mut self, link: Link<Socket>) {
        self.early.clear();
        self.current = Some(link);
        self.leaving = false;
        self.lost = None;
    }

    /// The client will not come back once this connection has ended.
    pub fn leaves(&mut self) {
        self.leaving = true;
    }

    /// The connection in use has ended.
    pub fn lose(&mut self, ended: &Result<Received, LinkError>) {
        let here = matches!(self.current.as_ref().map(Link::socket), Some(Socket::Unix(_)));
        let how = match ended {
            _ if self.leaving => How::Left,
            // It was we who hung up: the client may come back with better words.
            Err(LinkError::Protocol(_)) => How::Died,
            // Without TLS there is no other way to close than the kernel's.
            Ok(_) | Err(_) if here => How::DiedHere,
            Ok(_) => How::Left,
            Err(LinkError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => How::Silent,
            Err(LinkError::Io(error)) if error.raw_os_error() == Some(nix::libc::EHOSTUNREACH) => How::Silent,
            Err(_) => How::Died,
        };
        self.current = None;
        self.lost = Some(Lost { at: Instant::now(), how });
    }
}

/// A descriptor of the client's for the job.
pub type Handed = (usize, OwnedFd);

/// The link is watched by the kernel: a probe after so many seconds, and as many between two.
const KEEPALIVE_S: u32 = 5;
/// So many unanswered probes are silence.
const KEEPALIVE_COUNT: u32 = 4;
/// Handshakes at the same time; more are closed, and their clients come again.
const MOST_CANDIDATES: usize = 4;
/// What a client may say before its key is known: HELLO, the start, a little input.
const MOST_EARLY: usize = 512 * 1024;
/// A handshake takes a millisecond; this bounds a silent one.
const HANDSHAKE: Duration = Duration::from_secs(5);
