//! The first connection of a session, before anything is released.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};
use wire::link::{LinkError, Received};
use wire::session::{Endpoint, Event};

use super::{Connection, READ_BUDGET, State, why};
use crate::failure::words;

/// Why the runner of a placement was not reached. Nothing has run there.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreached {
    /// It cannot be connected to, or says nothing: another host is to be tried.
    Silent(String),
    /// It is there and turns us away: the reservation may be void because this process was
    /// stopped while it waited, so the same host may take the job when it is asked again.
    TurnedAway(String),
}

impl Connection {
    /// Connects for the first time and waits until the runner has shown that it is there: by its end
    /// of the TLS handshake. On this host the kernel has connected us to it, and it has made a leader
    /// ready a millisecond ago. Nothing is released by that: HELLO goes along with the release, in
    /// one piece. `handed` goes along to a runner on this host.
    pub fn open(&mut self, endpoint: &mut Endpoint, handed: &[(usize, BorrowedFd)]) -> Result<(), Unreached> {
        let deadline = Instant::now() + FIRST_ANSWER;
        let silent = |error: io::Error| Unreached::Silent(words(&error));
        self.dial(endpoint, handed, deadline).map_err(silent)?;
        loop {
            let was_connected = matches!(self.state, State::Up { .. });
            self.advance(endpoint).map_err(|error| match was_connected {
                true => Unreached::TurnedAway(why(&error)),
                false => Unreached::Silent(why(&error)),
            })?;
            if self.has_answered() {
                return Ok(());
            }
            let Some((descriptor, flags)) = self.interest(endpoint) else {
                return Err(Unreached::Silent("the connection was lost".to_owned()));
            };
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(descriptor, flags)], timeout) {
                Ok(0) => {
                    let most = FIRST_ANSWER.as_millis();
                    return Err(Unreached::Silent(format!("no answer within {most} ms")));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(silent(error.into())),
            }
        }
    }

    fn has_answered(&self) -> bool {
        match &self.state {
            State::Up { link, .. } => !link.handshaking(),
            State::Dialing { .. } | State::Down { .. } => false,
        }
    }

    /// One step. What the runner says before the release can only be its HELLO or a refusal.
    fn advance(&mut self, endpoint: &mut Endpoint) -> Result<(), LinkError> {
        self.dialed(endpoint)?;
        let State::Up { link, .. } = &mut self.state else {
            return Ok(());
        };
        if !link.handshaking() {
            return Ok(());
        }
        link.transmit(endpoint)?;
        let mut refusal = None;
        let received = link.receive(READ_BUDGET, &mut |bytes| {
            let mut rest = bytes;
            while let Some(event) = endpoint.receive(&mut rest)? {
                match event {
                    Event::Hello(hello) => self.generation = hello.generation,
                    Event::Refused(text) => refusal = Some(text),
                    Event::Resumed { .. } | Event::Data { .. } | Event::Eof(_) | Event::Control(_) => {}
                }
            }
            Ok(())
        })?;
        match refusal {
            Some(text) => Err(io::Error::other(text).into()),
            None if received == Received::Closed => Err(LinkError::Cut),
            None => Ok(()),
        }
    }
}

/// How long the first connection may be silent before another host is tried.
const FIRST_ANSWER: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use wire::api::{Placement, Route};
    use wire::identity::SecretKey;
    use wire::session::{HelloKind, Side};

    fn open(socket: &std::path::Path) -> Result<(), Unreached> {
        let placement = Placement {
            job_id: 1,
            host: "here".to_owned(),
            reason: String::new(),
            session: wire::identity::session_name(&[7; 16], 7),
            route: Route::Unix(socket.display().to_string()),
            certificate: None,
            user: "me".to_owned(),
            authority: None,
        };
        let mut connection = Connection::new(&placement, &SecretKey::generate(), HelloKind::Start, "1".to_owned())
            .expect("a local route");
        connection.open(&mut Endpoint::new(Side::Client), &[])
    }

    #[test]
    fn a_runner_that_is_not_there_is_not_reached() {
        let nowhere = PathBuf::from("/nonexistent/runner.sock");
        assert_eq!(open(&nowhere), Err(Unreached::Silent("no such file or directory".to_owned())));
    }
}
