//! The last words to a connection that a session does not need: said, read by the other side, closed.
//! Each takes a thread of its own for seconds at most, so that a slow one holds up nobody.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::link::{Link, LinkError, Received};
use wire::session::{Endpoint, Side};

use super::arrival::Socket;
use super::entrance::secured;
use super::shared::Shared;

/// Says why a connection is not served, and closes it.
pub fn refuse(link: Link<Socket>, why: &str) {
    let mut endpoint = Endpoint::new(Side::Runner);
    endpoint.refuse(why);
    see_off(link, endpoint);
}

/// Lets `endpoint` say what it has left, and closes.
pub fn see_off(mut link: Link<Socket>, mut endpoint: Endpoint) {
    let spawned = std::thread::Builder::new().name("farewell".into()).stack_size(STACK).spawn(move || {
        // A client that has gone needs no word.
        let _ = talk(&mut link, &mut endpoint);
    });
    // Without a thread the connection is closed wordlessly, and its client asks again.
    drop(spawned);
}

/// Tells a client from the network why its session is not here.
pub fn turn_away(shared: &Arc<Shared>, stream: TcpStream, why: &str) {
    if let Some(Ok(link)) = shared.tls_config().map(|config| secured(stream, config)) {
        refuse(link, why);
    }
}

/// Tells a client on this host why its session is not here.
pub fn turn_away_here(stream: UnixStream, why: &str) {
    let mut endpoint = Endpoint::new(Side::Runner);
    endpoint.refuse(why);
    // The buffer of a fresh connection takes it at once; a client that has gone needs no word.
    let _ = Link::plain(Socket::Unix(stream)).transmit(&mut endpoint);
}

fn talk(link: &mut Link<Socket>, endpoint: &mut Endpoint) -> Result<(), LinkError> {
    let until = Instant::now() + PATIENCE;
    let mut closing = false;
    while Instant::now() < until {
        let received = link.receive(1 << 16, &mut |bytes| {
            let mut rest = bytes;
            // A viewer's HELLO was read long ago; a stranger's is of no interest any more.
            while endpoint.established() && endpoint.receive(&mut rest)?.is_some() {}
            Ok(())
        })?;
        if received == Received::Closed {
            return Ok(());
        }
        link.transmit(endpoint)?;
        if !closing && !link.handshaking() && !link.wants_write() && !endpoint.wants_transmit() {
            // The client reads it and closes; until then the connection stays, since a reset could
            // overtake the words.
            closing = true;
            link.close()?;
        }
        let flags = if link.wants_write() { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let mut polled = [PollFd::new(link.socket().as_fd(), flags)];
        let _ = poll(&mut polled, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
    }
    Ok(())
}

/// Whoever reads at all has read it by then.
const PATIENCE: Duration = Duration::from_secs(5);
const STACK: usize = 256 * 1024;
