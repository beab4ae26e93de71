//! The first connection of a session, before anything is released.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};
use wire::link::LinkError;
use wire::session::Endpoint;

use super::{Connection, why};
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
        if self.is_local() {
            return self.dial_here(endpoint, handed).map_err(|error| Unreached::Silent(words(&error)));
        }
        self.attempts.keep_up(&self.address, Instant::now());
        loop {
            match self.attempts.advance(&self.address) {
                Ok(Some(greeted)) => {
                    self.up(endpoint, greeted, deadline);
                    return Ok(());
                }
                Ok(None) => {}
                Err(error) => return Err(unreached(&error)),
            }
            let mut polled =
                self.attempts.interests().map(|(socket, flags)| PollFd::new(socket, flags)).collect::<Vec<_>>();
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut polled, timeout) {
                Ok(0) => {
                    let most = FIRST_ANSWER.as_millis();
                    return Err(Unreached::Silent(format!("no answer within {most} ms")));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(Unreached::Silent(words(&error.into()))),
            }
        }
    }
}

/// One who is there and speaks, but not with us, is not silent.
fn unreached(error: &LinkError) -> Unreached {
    match error {
        LinkError::Io(_) => Unreached::Silent(why(error)),
        LinkError::Tls(_) | LinkError::Cut | LinkError::Protocol(_) => Unreached::TurnedAway(why(error)),
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
