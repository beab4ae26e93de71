//! The way to the runner of the session: the first connection, and a new one after each loss.
//!
//! The first connection has 300 ms to be answered, because until then nothing was released and
//! another host can be tried. Later ones are tried for as long as the session is wanted: after
//! 50 ms, then after twice as long, at most every 2 s, and at once when this process is
//! continued. The daemon is not in this path; a remote host's daemon only passes the socket on.
//! No connection is waited for without a deadline, and none blocks the loop.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wire::api::{Opening, Placement, Route};
use wire::identity::tls::{self, Expected};
use wire::identity::{Kind, SecretKey};
use wire::link::{Link, LinkError, Received, Sink};
use wire::session::{Endpoint, HelloKind};

use crate::daemon::connect_unix;
use crate::failure::{Failure, words};
use crate::socket::Socket;

/// The connection of one session, whatever state it is in.
pub struct Connection {
    /// The host where the session is.
    pub host: String,
    session: String,
    address: Address,
    state: State,
    /// What the next HELLO says; a session is started once.
    kind: HelloKind,
    generation: u64,
    pause: Duration,
    lost_at: Option<Instant>,
    /// When the peer was last heard, for what a person is told.
    heard_at: Instant,
}

enum Address {
    Unix(PathBuf),
    Tls { address: SocketAddr, config: Arc<ClientConfig>, name: ServerName<'static> },
}

enum State {
    /// Not connected; tried again then.
    Down { until: Instant },
    /// TCP is under way.
    Dialing { socket: Socket, until: Instant },
    /// Connected. Until the runner's HELLO has come, only until then.
    Up { link: Box<Link<Socket>>, until: Option<Instant> },
}

impl Connection {
    /// Prepares the way to a placement; nothing is opened yet.
    pub fn new(placement: &Placement, key: &SecretKey) -> Result<Self, Failure> {
        let host = placement.host.clone();
        let address = match &placement.route {
            Route::Unix(path) => Address::Unix(PathBuf::from(path)),
            Route::Tls(address) => tls_address(placement, address, key)
                .map_err(|why| Failure::own(format!("{host}: {why}")))?,
        };
        let now = Instant::now();
        Ok(Self {
            host,
            session: placement.session.clone(),
            address,
            state: State::Down { until: now },
            kind: HelloKind::Start,
            generation: 0,
            pause: FIRST_PAUSE,
            lost_at: None,
            heard_at: now,
        })
    }

    /// Whether the session is on this host, so that descriptors can be handed over.
    pub fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// Connects for the first time and waits until the runner has shown that it is there: by
    /// its end of the TLS handshake, or on this host by its HELLO. Nothing is released by that.
    /// `handed` goes along to a runner on this host. The error is why the host gave no answer.
    pub fn open(
        &mut self,
        endpoint: &mut Endpoint,
        handed: &[(usize, BorrowedFd)],
    ) -> Result<(), String> {
        let deadline = Instant::now() + FIRST_ANSWER;
        self.dial(endpoint, handed, deadline).map_err(|error| words(&error))?;
        loop {
            let answered = match &self.state {
                State::Up { link, .. } if self.is_local() => !link.handshaking() && endpoint.established(),
                State::Up { link, .. } => !link.handshaking(),
                State::Dialing { .. } => false,
                State::Down { .. } => return Err("connection lost".to_owned()),
            };
            if answered {
                return Ok(());
            }
            let Some((descriptor, flags)) = self.interest(endpoint) else {
                return Err("connection lost".to_owned());
            };
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(descriptor, flags)], timeout) {
                Ok(0) => return Err(format!("no answer within {left_all} ms", left_all = FIRST_ANSWER.as_millis())),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(words(&error.into())),
            }
            self.advance(endpoint).map_err(|error| why(&error))?;
        }
    }

    /// One step of the first connection. What the runner says before the release can only be
    /// its HELLO or a refusal; the endpoint keeps track of both.
    fn advance(&mut self, endpoint: &mut Endpoint) -> Result<(), LinkError> {
        self.dialed(endpoint)?;
        let mut refusal = None;
        if let State::Up { link, .. } = &mut self.state {
            link.transmit(endpoint)?;
            let received = link.receive(READ_BUDGET, &mut |bytes| {
                let mut rest = bytes;
                while let Some(event) = endpoint.receive(&mut rest)? {
                    match event {
                        wire::session::Event::Hello(hello) => self.generation = hello.generation,
                        wire::session::Event::Refused(text) => refusal = Some(text),
                        _ => {}
                    }
                }
                Ok(())
            })?;
            if let Some(text) = refusal {
                return Err(io::Error::other(text).into());
            }
            if received == Received::Closed {
                return Err(LinkError::Cut);
            }
            link.transmit(endpoint)?;
        }
        Ok(())
    }

    /// What to wait for, while there is a socket.
    pub fn interest(&self, endpoint: &Endpoint) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.state {
            State::Down { .. } => None,
            State::Dialing { socket, .. } => Some((socket.as_fd(), PollFlags::POLLOUT)),
            State::Up { link, .. } => {
                let mut flags = PollFlags::POLLIN;
                let speaks = !link.handshaking() && endpoint.wants_transmit();
                flags.set(PollFlags::POLLOUT, link.wants_write() || speaks);
                Some((link.socket().as_fd(), flags))
            }
        }
    }

    /// When [`Connection::keep_up`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Down { until } | State::Dialing { until, .. } => Some(*until),
            State::Up { until, .. } => *until,
        }
    }

    /// Whether frames can flow.
    pub fn is_up(&self, endpoint: &Endpoint) -> bool {
        matches!(self.state, State::Up { .. }) && endpoint.established()
    }

    /// Since when nothing was heard, while the connection is lost.
    pub fn silent_since(&self) -> Option<Instant> {
        self.lost_at.map(|_| self.heard_at)
    }

    /// Since when the connection is known to be lost.
    pub fn lost_since(&self) -> Option<Instant> {
        self.lost_at
    }

    /// The job is released: from now on the session may only be resumed. Where the runner's
    /// HELLO has not come yet, it has so long from now.
    pub fn released(&mut self, endpoint: &Endpoint) {
        self.kind = HelloKind::Resume;
        if let State::Up { until, .. } = &mut self.state {
            *until = (!endpoint.established()).then(|| Instant::now() + ANSWER);
        }
    }

    /// The runner's HELLO has come.
    pub fn established(&mut self, generation: u64) {
        self.generation = generation;
        self.pause = FIRST_PAUSE;
        self.lost_at = None;
        if let State::Up { until, .. } = &mut self.state {
            *until = None;
        }
    }

    /// This process was continued: whatever was waited for, now is the time.
    pub fn hurry(&mut self) {
        self.pause = FIRST_PAUSE;
        if let State::Down { until } = &mut self.state {
            *until = Instant::now();
        }
    }

    /// Goes on with what is due by the clock: the next attempt, or the end of one that takes
    /// too long.
    pub fn keep_up(&mut self, endpoint: &mut Endpoint, now: Instant) {
        match &self.state {
            State::Down { until } if *until <= now => {
                if self.dial(endpoint, &[], now + ANSWER).is_err() {
                    self.lose(endpoint);
                }
            }
            State::Dialing { until, .. } | State::Up { until: Some(until), .. } if *until <= now => {
                self.lose(endpoint);
            }
            _ => {}
        }
    }

    /// Writes what there is to write. A connection that fails at it is lost.
    pub fn transmit(&mut self, endpoint: &mut Endpoint) {
        if self.dialed(endpoint).is_err() {
            self.lose(endpoint);
            return;
        }
        if let State::Up { link, .. } = &mut self.state {
            if link.transmit(endpoint).is_err() {
                self.lose(endpoint);
            }
        }
    }

    /// Reads what there is to read, a bounded piece of it; says whether there may be more.
    pub fn receive(&mut self, sink: &mut Sink<'_>) -> Result<Received, LinkError> {
        let State::Up { link, .. } = &mut self.state else {
            return Ok(Received::Blocked);
        };
        let received = link.receive(READ_BUDGET, sink)?;
        self.heard_at = Instant::now();
        Ok(received)
    }

    /// The connection is gone; another will be tried.
    pub fn lose(&mut self, endpoint: &mut Endpoint) {
        let now = Instant::now();
        endpoint.lost();
        self.lost_at.get_or_insert(now);
        self.state = State::Down { until: now + self.pause };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Says that nothing follows. Returns false while something is still to be written.
    pub fn close(&mut self) -> bool {
        let State::Up { link, .. } = &mut self.state else {
            return true;
        };
        match link.close() {
            Ok(()) if link.wants_write() => false,
            _ => {
                link.socket().shut_down();
                true
            }
        }
    }

    /// Starts connecting.
    fn dial(
        &mut self,
        endpoint: &mut Endpoint,
        handed: &[(usize, BorrowedFd)],
        until: Instant,
    ) -> io::Result<()> {
        match &self.address {
            Address::Unix(path) => {
                let stream = connect_unix(path)?;
                if sys::credentials::peer(stream.as_fd())?.uid != sys::credentials::own_uid() {
                    return Err(io::Error::other("its runner is not yours"));
                }
                let opening = Opening::Session {
                    session: self.session.clone(),
                    handed: handed.iter().map(|(number, _)| *number).collect(),
                };
                let descriptors = handed.iter().map(|(_, own)| *own).collect::<Vec<_>>();
                sys::descriptors::send(stream.as_fd(), &opening.encode(), &descriptors)?;
                self.up(endpoint, Link::plain(Socket::Unix(stream)), until);
            }
            Address::Tls { address, .. } => {
                let socket = Socket::Tcp(dial_tcp(address)?);
                self.state = State::Dialing { socket, until };
            }
        }
        Ok(())
    }

    /// Goes on from TCP to TLS, if TCP has come so far.
    fn dialed(&mut self, endpoint: &mut Endpoint) -> Result<(), LinkError> {
        let State::Dialing { socket, until } = &self.state else {
            return Ok(());
        };
        let until = *until;
        if !socket.is_connected()? {
            return Ok(());
        }
        let State::Dialing { socket, .. } =
            std::mem::replace(&mut self.state, State::Down { until })
        else {
            return Ok(());
        };
        if let Address::Tls { config, name, .. } = &self.address {
            let link = Link::tls_client(socket, config.clone(), name.clone())?;
            self.up(endpoint, link, until);
        }
        Ok(())
    }

    fn up(&mut self, endpoint: &mut Endpoint, link: Link<Socket>, until: Instant) {
        endpoint.connect(&self.session, self.kind, self.generation);
        self.state = State::Up { link: Box::new(link), until: Some(until) };
    }
}

fn tls_address(placement: &Placement, address: &str, key: &SecretKey) -> Result<Address, String> {
    // Names would have to be asked for, and a small program that starts fast does not ask.
    let address = address.parse().map_err(|_| format!("\"{address}\" is not an address with a port"))?;
    let trust = placement.authority.as_ref().ok_or("queued did not say who signs runners")?;
    let certificate = placement.certificate.as_ref().ok_or("queued gave no certificate")?;
    let expected = Expected {
        kind: Kind::Runner,
        host: Some(placement.host.clone()),
        user: Some(placement.user.clone()),
    };
    let config = tls::client_config(trust, key, certificate, expected)
        .map_err(|error| format!("the certificate from queued is of no use: {error}"))?;
    let name = ServerName::try_from(placement.session.clone())
        .map_err(|_| format!("\"{}\" is not a session", placement.session))?;
    Ok(Address::Tls { address, config, name })
}

fn dial_tcp(address: &SocketAddr) -> io::Result<std::net::TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket(family, SockType::Stream, flags, None)?;
    sys::tcp::for_session(descriptor.as_fd())?;
    sys::tcp::keepalive(descriptor.as_fd(), KEEPALIVE_S, KEEPALIVE_PAUSE_S, KEEPALIVE_COUNT)?;
    setsockopt(&descriptor, sockopt::TcpUserTimeout, &UNACKNOWLEDGED_MS)?;
    match connect(descriptor.as_raw_fd(), &SockaddrStorage::from(*address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(descriptor.into()),
        Err(error) => Err(error.into()),
    }
}

/// Why a connection failed, for a person.
pub fn why(error: &LinkError) -> String {
    match error {
        LinkError::Io(error) => words(error),
        LinkError::Tls(error) => match tls::refusal(error) {
            Some(refusal) => refusal.to_string(),
            None => format!("TLS: {error}"),
        },
        LinkError::Cut => "it closed the connection".to_owned(),
        LinkError::Protocol(error) => format!("it speaks another protocol: {error}"),
    }
}

/// How long the first connection may be silent before another host is tried.
const FIRST_ANSWER: Duration = Duration::from_millis(300);
/// How long a later attempt may take from its start to the runner's HELLO.
const ANSWER: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Read at once before keys, signals and slow outputs have their turn.
const READ_BUDGET: usize = 1 << 20;
/// An idle link is asked after by the kernel.
const KEEPALIVE_S: u32 = 30;
const KEEPALIVE_PAUSE_S: u32 = 3;
const KEEPALIVE_COUNT: u32 = 3;
/// What was sent and not taken for so long makes the kernel give the connection up. A resume
/// loses nothing and costs a millisecond, so this is short.
const UNACKNOWLEDGED_MS: u32 = 8_000;
