//! Taking the name under which a leader is found. The kernel gives each once, so that there are never two leaders of
//! one attempt; one that was dropped before its release may still be leaving when the same attempt is made ready again.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Listens under the name, when the one before who has it has left.
///
/// # Errors
/// `AddrInUse` when it does not leave: it leads a job.
pub fn take(name: &[u8]) -> io::Result<UnixListener> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match sys::unix::abstract_listener(name) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                until_it_leaves(name, deadline);
            }
            other => return other,
        }
    }
}

/// A connection that it has not accepted ends with it, and one that it has when it turns us away.
fn until_it_leaves(name: &[u8], deadline: Instant) {
    let Ok(connection) = sys::unix::abstract_connect(name) else { return };
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    // Whatever comes of it, the name is tried again.
    let _ = poll(&mut [PollFd::new(connection.as_fd(), PollFlags::POLLIN)], timeout);
}

/// One that leaves needs some microseconds.
const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_as_soon_as_it_is_left_and_not_before() {
        let name = format!("queue-test/{}/name", std::process::id()).into_bytes();
        let first = take(&name).expect("a free name");
        let refused = take(&name).expect_err("it is taken");
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| take(&name));
            // Whether it waits already or not, it gets the name.
            drop(first);
            second.join().expect("no panic").expect("the name is free");
        });
    }
}
