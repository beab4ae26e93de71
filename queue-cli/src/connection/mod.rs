//! The way to the runner of the session: the first connection, and a new one after each loss.
//!
//! The first connection has 300 ms to be answered, because until then nothing was released and
//! another host can be tried. Later ones are tried for as long as the session is wanted: after
//! 50 ms, then after twice as long, at most every 2 s, and at once when this process is
//! continued. The daemon is not in this path; a remote host's daemon only passes the socket on.
//! No connection is waited for without a deadline, and none blocks the loop.

mod first;
mod route;
mod silence;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::api::Placement;
use wire::identity::{SecretKey, tls};
use wire::link::{Link, LinkError, Received, Sink};
use wire::session::{Endpoint, HelloKind};

pub use first::Unreached;

use crate::failure::{Failure, words};
use crate::socket::Socket;
use route::Address;
use silence::Silence;

/// The connection of one session, whatever state it is in.
pub struct Connection {
    /// The host where the session is.
    pub host: String,
    /// The job's name, as a person may say it here.
    pub job: String,
    session: String,
    address: Address,
    state: State,
    is_first: bool,
    was_answered: bool,
    /// What the next HELLO says; a session is started once.
    kind: HelloKind,
    generation: u64,
    pause: Duration,
    lost_at: Option<Instant>,
    /// When the peer was last heard, for what a person is told.
    heard_at: Instant,
    silence: Silence,
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
    pub fn new(placement: &Placement, key: &SecretKey, kind: HelloKind, job: String) -> Result<Self, Failure> {
        let host = placement.host.clone();
        let address = Address::of(placement, key).map_err(|why| Failure::own(format!("{host}: {why}")))?;
        let now = Instant::now();
        Ok(Self {
            host,
            job,
            session: placement.session.clone(),
            address,
            state: State::Down { until: now },
            is_first: true,
            was_answered: false,
            kind,
            generation: 0,
            pause: FIRST_PAUSE,
            lost_at: None,
            heard_at: now,
            silence: Silence::default(),
        })
    }

    /// Whether the session is on this host, so that descriptors can be handed over.
    pub fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
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
            State::Up { until, .. } => (*until).into_iter().chain(self.silence.next_look()).min(),
        }
    }

    /// Whether frames can flow.
    pub fn is_up(&self, endpoint: &Endpoint) -> bool {
        matches!(self.state, State::Up { .. }) && endpoint.established()
    }

    /// Whether this is the first connection and the runner has not answered it: one that it
    /// refuses has started nothing.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Whether the runner has ever answered. Before that no input is read, which would be missing at
    /// another place.
    pub fn was_answered(&self) -> bool {
        self.was_answered
    }

    /// Whether frames flow, as far as one can know.
    pub fn has_contact(&self, endpoint: &Endpoint) -> bool {
        self.is_up(endpoint) && self.silence.since().is_none_or(|since| since.elapsed() < silence::PATIENCE)
    }

    /// Since when nothing was heard, while something is owed or the connection is lost.
    pub fn silent_since(&self) -> Option<Instant> {
        self.silence.since().or(self.lost_at.map(|_| self.heard_at))
    }

    /// Since when the connection is known to be lost.
    pub fn lost_since(&self) -> Option<Instant> {
        self.lost_at
    }

    /// The job is released: from now on the session may only be resumed. Where the runner's
    /// HELLO has not come yet, it has so long from now.
    pub fn released(&mut self, endpoint: &Endpoint) {
        self.kind = HelloKind::Resume;
        self.is_first = !endpoint.established();
        if let State::Up { until, .. } = &mut self.state {
            *until = (!endpoint.established()).then(|| Instant::now() + ANSWER);
        }
    }

    /// The runner's HELLO has come.
    pub fn established(&mut self, generation: u64) {
        self.is_first = false;
        self.was_answered = true;
        // One who only looks begins anew each time.
        if self.kind != HelloKind::View {
            self.kind = HelloKind::Resume;
        }
        self.generation = generation;
        self.pause = FIRST_PAUSE;
        self.lost_at = None;
        self.silence = Silence::default();
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
        if let State::Up { link, .. } = &self.state {
            self.silence.look(link.socket(), now);
        }
        let (until, is_down) = match &self.state {
            State::Down { until } => (Some(*until), true),
            State::Dialing { until, .. } => (Some(*until), false),
            State::Up { until, .. } => (*until, false),
        };
        if until.is_none_or(|until| until > now) {
            return;
        }
        if is_down && self.dial(endpoint, &[], now + ANSWER).is_ok() {
            return;
        }
        self.lose(endpoint);
    }

    /// Writes what there is to write. A connection that fails at it is lost.
    pub fn transmit(&mut self, endpoint: &mut Endpoint) {
        if endpoint.wants_transmit() {
            self.silence.spoken(Instant::now());
        }
        let sent = self.dialed(endpoint).and_then(|()| match &mut self.state {
            State::Up { link, .. } => link.transmit(endpoint),
            State::Down { .. } | State::Dialing { .. } => Ok(()),
        });
        if sent.is_err() {
            self.lose(endpoint);
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
        self.is_first = false;
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

    /// Leaves for good before the job's end: says so, and waits a moment for the runner to have
    /// read it. A process that ends with unread bytes in its socket resets the connection, and
    /// the goodbye with it.
    pub fn leave(&mut self, endpoint: &mut Endpoint) {
        self.transmit(endpoint);
        let deadline = Instant::now() + GOODBYE;
        loop {
            let is_closed = self.close();
            let State::Up { link, .. } = &mut self.state else {
                return;
            };
            let received = link.receive(READ_BUDGET, &mut |_| Ok(()));
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            if left == 0 || matches!(received, Ok(Received::Closed) | Err(_)) {
                return;
            }
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, !is_closed);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            if poll(&mut [PollFd::new(link.socket().as_fd(), flags)], timeout).is_err() {
                return;
            }
        }
    }

    /// Starts connecting.
    fn dial(&mut self, endpoint: &mut Endpoint, handed: &[(usize, BorrowedFd)], until: Instant) -> io::Result<()> {
        match &self.address {
            Address::Unix(path) => {
                let stream = route::dial_unix(path, &self.session, handed)?;
                self.up(endpoint, Link::plain(Socket::Unix(stream)), until);
            }
            Address::Tls { address, .. } => {
                let socket = Socket::Tcp(route::dial_tcp(address)?);
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
        let State::Dialing { socket, .. } = std::mem::replace(&mut self.state, State::Down { until }) else {
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

/// How long a later attempt may take from its start to the runner's HELLO.
const ANSWER: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Read at once before keys, signals and slow outputs have their turn.
const READ_BUDGET: usize = 1 << 20;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(300);
