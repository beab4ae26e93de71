//! Ways to the runner that are tried while there is none, or while the one there is gives no sign of life.
//!
//! A cut link is back at some moment that nobody tells. So a new connection is begun every 150 ms, and
//! whichever shakes hands first is the way from then on; each has time enough for a slow network. After a
//! minute there is less hurry.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use wire::link::{Link, LinkError, Received};

use super::route::{self, Address};
use crate::socket::Socket;

/// Connections on their way.
#[derive(Default)]
pub struct Attempts {
    all: VecDeque<Attempt>,
    /// When the next is begun, and since when there are any.
    begun: Option<(Instant, Instant)>,
}

struct Attempt {
    way: Way,
    until: Instant,
}

enum Way {
    /// TCP is under way.
    Dialing(Socket),
    /// TLS is.
    Shaking(Greeted),
}

/// A link, and what has come in with the last bytes of its handshake.
pub struct Greeted {
    /// The link.
    pub link: Box<Link<Socket>>,
    /// What the runner has said already.
    pub early: Vec<u8>,
}

impl Attempts {
    /// Begins to try, the first time after `pause`; goes on where that has begun.
    pub fn begin(&mut self, pause: Duration) {
        let now = Instant::now();
        self.begun.get_or_insert((now + pause, now));
    }

    /// Now is the time for the next.
    pub fn hurry(&mut self) {
        if let Some((next, _)) = &mut self.begun {
            *next = Instant::now();
        }
    }

    /// There is a way.
    pub fn give_up(&mut self) {
        *self = Self::default();
    }

    /// What to wait for.
    pub fn interests(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.all.iter().map(|attempt| match &attempt.way {
            Way::Dialing(socket) => (socket.as_fd(), PollFlags::POLLOUT),
            Way::Shaking(Greeted { link, .. }) => {
                let writes = if link.wants_write() { PollFlags::POLLOUT } else { PollFlags::empty() };
                (link.socket().as_fd(), PollFlags::POLLIN | writes)
            }
        })
    }

    /// When there is something to do by the clock.
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.begun.map(|(next, _)| next);
        next.into_iter().chain(self.all.iter().map(|attempt| attempt.until)).min()
    }

    /// Begins another where it is time to.
    pub fn keep_up(&mut self, address: &Address, now: Instant) {
        self.all.retain(|attempt| attempt.until > now);
        let Some((next, since)) = &mut self.begun else {
            return;
        };
        if *next > now {
            return;
        }
        *next = now + if now.saturating_duration_since(*since) < HURRY { PAUSE } else { LONG_PAUSE };
        // What cannot even be begun is tried again like what comes to nothing.
        if let Address::Tls { address, .. } = address
            && let Ok(way) = route::dial_tcp(address)
        {
            if self.all.len() == MOST {
                self.all.pop_front();
            }
            self.all.push_back(Attempt { way: Way::Dialing(Socket::Tcp(way)), until: now + PATIENCE });
        }
    }

    /// Goes on with all of them; the first that has shaken hands comes out. Those that fail are
    /// forgotten; why the last of them did is the error.
    pub fn advance(&mut self, address: &Address) -> Result<Option<Greeted>, LinkError> {
        let mut failure = None;
        for attempt in std::mem::take(&mut self.all) {
            match attempt.way.advance(address) {
                Ok((Way::Shaking(greeted), true)) => return Ok(Some(greeted)),
                Ok((way, _)) => self.all.push_back(Attempt { way, ..attempt }),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

impl Way {
    /// One step; whether hands are shaken.
    fn advance(self, address: &Address) -> Result<(Self, bool), LinkError> {
        let (mut link, mut early) = match (self, address) {
            (Self::Shaking(Greeted { link, early }), _) => (link, early),
            (Self::Dialing(socket), Address::Tls { config, name, .. }) => {
                if !socket.is_connected()? {
                    return Ok((Self::Dialing(socket), false));
                }
                (Box::new(Link::tls_client(socket, config.clone(), name.clone())?), Vec::new())
            }
            // On this host nothing has to be tried.
            (Self::Dialing(_), Address::Unix(_)) => return Err(LinkError::Cut),
        };
        let received = link.receive(READ_BUDGET, &mut |bytes| {
            early.extend_from_slice(bytes);
            Ok(())
        })?;
        let is_through = !link.handshaking();
        match received {
            Received::Closed if early.is_empty() => Err(LinkError::Cut),
            _ => Ok((Self::Shaking(Greeted { link, early }), is_through)),
        }
    }
}

/// Between two in the first minute or so.
const PAUSE: Duration = Duration::from_millis(150);
const HURRY: Duration = Duration::from_secs(75);
/// Between two later.
const LONG_PAUSE: Duration = Duration::from_millis(1500);
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// At the same time; so each has 1.5 s while there is hurry.
const MOST: usize = 10;
const READ_BUDGET: usize = 64 * 1024;
