//! The way to the runner of the session: the first connection, and a new one after each loss.
//!
//! The first connection has 300 ms to be answered, because until then nothing was released and
//! another host can be tried. Later ones are tried for as long as the session is wanted: see
//! [`attempts`]. The daemon is not in this path; a remote host's daemon only passes the socket on.
//! No connection is waited for without a deadline, and none blocks the loop.

mod attempts;
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
use wire::session::{Endpoint, HelloKind, Side};

pub use first::Unreached;

use crate::failure::{Failure, words};
use crate::socket::Socket;
use attempts::{Attempts, Greeted};
use route::{Address, Watch};
use silence::Silence;

/// The connection of one session, whatever state it is in.
pub struct Connection {
    /// The host where the session is.
    pub host: String,
    /// The job's name, as a person may say it here.
    pub job: String,
    session: String,
    address: Address,
    up: Option<Up>,
    attempts: Attempts,
    /// What the runner has said behind its end of the handshake.
    early: Vec<u8>,
    is_first: bool,
    was_answered: bool,
    /// What the next HELLO says; a session is started once.
    kind: HelloKind,
    generation: u64,
    pause: Duration,
    /// When a path on this host is tried again.
    retry: Instant,
    lost_at: Option<Instant>,
    /// When the peer was last heard, for what a person is told.
    heard_at: Instant,
    /// When something was last said or heard, and how the kernel watches the link since.
    active_at: Instant,
    watch: Watch,
    silence: Silence,
    /// How long a way may be silent before another is tried. One that was only slow must not be given
    /// up again and again.
    suspicion: Duration,
    /// When that led to another way last.
    suspected: Option<Instant>,
}

/// The connection that carries the session. Until the runner's HELLO has come, only until then.
struct Up {
    link: Box<Link<Socket>>,
    until: Option<Instant>,
}

impl Connection {
    /// Prepares the way to a placement; nothing is opened yet.
    pub fn new(placement: &Placement, key: &SecretKey, kind: HelloKind, job: String) -> Result<Self, Failure> {
        let host = placement.host.clone();
        let address = Address::of(placement, key).map_err(|why| Failure::own(format!("{host}: {why}")))?;
        let now = Instant::now();
        let mut attempts = Attempts::default();
        if let Address::Tls { .. } = address {
            attempts.begin(Duration::ZERO);
        }
        Ok(Self {
            host,
            job,
            session: placement.session.clone(),
            address,
            up: None,
            attempts,
            early: Vec::new(),
            is_first: true,
            was_answered: false,
            kind,
            generation: 0,
            pause: FIRST_PAUSE,
            retry: now,
            lost_at: None,
            heard_at: now,
            active_at: now,
            watch: Watch::Closely,
            silence: Silence::default(),
            suspicion: SUSPICION,
            suspected: None,
        })
    }

    /// Whether the session is on this host, so that descriptors can be handed over.
    pub fn is_local(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    /// What to wait for.
    pub fn interests(&self, endpoint: &Endpoint) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let own = self.up.as_ref().map(|up| {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, up.link.wants_write() || endpoint.wants_transmit());
            (up.link.socket().as_fd(), flags)
        });
        own.into_iter().chain(self.attempts.interests())
    }

    /// When [`Connection::keep_up`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.up {
            Some(up) if self.early.is_empty() => [up.until, self.silence.next_look(), self.calm_at()],
            Some(_) => [Some(Instant::now()), None, None],
            None => [self.retry_at(), None, None],
        };
        own.into_iter().flatten().chain(self.attempts.deadline()).min()
    }

    /// When the link need not be watched closely any more.
    fn calm_at(&self) -> Option<Instant> {
        (!self.is_local() && self.watch == Watch::Closely).then(|| self.active_at + CALM)
    }

    /// Something was said or heard.
    fn is_active(&mut self, now: Instant) {
        self.active_at = now;
        self.watch(Watch::Closely);
    }

    fn watch(&mut self, how: Watch) {
        if let (Some(up), false) = (&self.up, self.watch == how) {
            self.watch = how;
            if let Socket::Tcp(stream) = up.link.socket() {
                // The kernel takes any such figures; without them a cut is noticed later.
                let _ = route::watch(stream.as_fd(), how);
            }
        }
    }

    /// When a path on this host is tried again.
    fn retry_at(&self) -> Option<Instant> {
        self.is_local().then_some(self.retry)
    }

    /// Whether there is something to read that poll does not tell of.
    pub fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Whether frames can flow.
    pub fn is_up(&self, endpoint: &Endpoint) -> bool {
        self.up.is_some() && endpoint.established()
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
        if let Some(up) = &mut self.up {
            up.until = (!endpoint.established()).then(|| Instant::now() + ANSWER);
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
        if let Some(up) = &mut self.up {
            up.until = None;
        }
    }

    /// This process was continued: whatever was waited for, now is the time.
    pub fn hurry(&mut self) {
        self.pause = FIRST_PAUSE;
        self.retry = Instant::now();
        self.attempts.hurry();
    }

    /// Goes on with what is due by the clock: another way, or the end of one that takes too long.
    pub fn keep_up(&mut self, endpoint: &mut Endpoint, now: Instant) {
        if let Some(up) = &self.up {
            self.silence.look(up.link.socket(), now);
            if up.until.is_some_and(|until| until <= now) {
                self.lose(endpoint);
            }
        }
        match (&self.address, &self.up) {
            (Address::Unix(_), Some(_)) => {}
            (Address::Unix(_), None) => {
                if self.retry_at().is_some_and(|at| at <= now) && self.dial_here(endpoint, &[]).is_err() {
                    self.lose(endpoint);
                }
            }
            (Address::Tls { .. }, None) => self.attempts.begin(Duration::ZERO),
            (Address::Tls { .. }, Some(up)) if up.until.is_some() => {}
            (Address::Tls { .. }, Some(_)) => {
                let calm = self.suspected.is_none_or(|at| now.saturating_duration_since(at) > CALM);
                if calm {
                    self.suspicion = SUSPICION;
                }
                match self.silence.since() {
                    Some(since)
                        if now.saturating_duration_since(since)
                            >= self.suspicion.max(self.silence.round_trip() * 4) =>
                    {
                        self.attempts.begin(Duration::ZERO);
                    }
                    _ => self.attempts.give_up(),
                }
            }
        }
        self.attempts.keep_up(&self.address, now);
        if self.calm_at().is_some_and(|at| at <= now) {
            self.watch(Watch::NowAndThen);
        }
    }

    /// Writes what there is to write. A connection that fails at it is lost.
    pub fn transmit(&mut self, endpoint: &mut Endpoint) {
        // Why a way cannot be had matters only for the first.
        if let Ok(Some(greeted)) = self.attempts.advance(&self.address) {
            if self.up.is_some() {
                self.suspicion = (self.suspicion * 2).min(LONGEST_SUSPICION);
                self.suspected = Some(Instant::now());
            }
            self.up(endpoint, greeted, Instant::now() + ANSWER);
        }
        if endpoint.wants_transmit() {
            let now = Instant::now();
            self.silence.spoken(now);
            self.is_active(now);
        }
        if let Some(up) = &mut self.up
            && up.link.transmit(endpoint).is_err()
        {
            self.lose(endpoint);
        }
    }

    /// Reads what there is to read, a bounded piece of it; says whether there may be more.
    pub fn receive(&mut self, sink: &mut Sink<'_>) -> Result<Received, LinkError> {
        let Some(up) = &mut self.up else {
            return Ok(Received::Blocked);
        };
        if !self.early.is_empty() {
            sink(&std::mem::take(&mut self.early))?;
        }
        let received = up.link.receive(READ_BUDGET, sink)?;
        self.heard_at = Instant::now();
        self.is_active(self.heard_at);
        Ok(received)
    }

    /// The connection is gone; another will be tried.
    pub fn lose(&mut self, endpoint: &mut Endpoint) {
        let now = Instant::now();
        self.is_first = false;
        endpoint.lost();
        self.lost_at.get_or_insert(now);
        self.up = None;
        self.early.clear();
        self.silence = Silence::default();
        self.retry = now + self.pause;
        self.attempts.begin(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Says that nothing follows. Returns false while something is still to be written.
    pub fn close(&mut self) -> bool {
        let Some(up) = &mut self.up else {
            return true;
        };
        match up.link.close() {
            Ok(()) if up.link.wants_write() => false,
            _ => {
                up.link.socket().shut_down();
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
            let Some(Up { link, .. }) = &mut self.up else {
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

    /// Connects on this host; `handed` goes along.
    fn dial_here(&mut self, endpoint: &mut Endpoint, handed: &[(usize, BorrowedFd)]) -> io::Result<()> {
        let Address::Unix(path) = &self.address else {
            return Ok(());
        };
        let stream = route::dial_unix(path, &self.session, handed)?;
        let link = Box::new(Link::plain(Socket::Unix(stream)));
        self.up(endpoint, Greeted { link, early: Vec::new() }, Instant::now() + ANSWER);
        Ok(())
    }

    fn up(&mut self, endpoint: &mut Endpoint, Greeted { link, early }: Greeted, until: Instant) {
        // The runner makes a new end for each connection of one who only looks, and shows it the screen.
        if self.kind == HelloKind::View {
            *endpoint = Endpoint::new(Side::Client);
        }
        endpoint.connect(&self.session, self.kind, self.generation);
        self.attempts.give_up();
        self.early = early;
        self.silence = Silence::default();
        self.watch = Watch::Closely;
        self.up = Some(Up { link, until: Some(until) });
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

/// A runner that cannot be understood on so many connections never will be.
pub const MOST_STRIKES: u32 = 3;
/// How long a later attempt may take from its start to the runner's HELLO.
const ANSWER: Duration = Duration::from_secs(5);
/// A way that owes something for so long is suspected to be cut.
const SUSPICION: Duration = Duration::from_millis(400);
const LONGEST_SUSPICION: Duration = Duration::from_secs(8);
/// After so long without, a way is suspected as soon as at first, and watched less closely.
const CALM: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Read at once before keys, signals and slow outputs have their turn.
const READ_BUDGET: usize = 1 << 20;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(300);
