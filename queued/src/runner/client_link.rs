//! A session's way to its client: the connection in use, and what follows when it is lost.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use wire::link::{Link, LinkError, Received};
use wire::session::{Endpoint, Stream};

use super::arrival::Socket;
use super::display::{Audience, SILENT};

/// The connection in use.
#[derive(Default)]
pub struct ClientLink {
    current: Option<Link<Socket>>,
    /// What the client said behind its HELLO before it was let in.
    early: Vec<u8>,
    /// The client has said that it will not come back.
    leaving: Option<How>,
    /// How the last connection ended, while there is none.
    pub lost: Option<Lost>,
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
    /// The client had said that it goes and that the job is to run on.
    Detached,
    /// The kernel closed it, over the network: the client is dead unless it comes back soon (a
    /// kernel also resets what it forgot during a cut).
    Died,
    /// The kernel closed it on this host: the client is dead.
    DiedHere,
    /// Nothing was heard: the link is cut.
    Silent,
}

impl ClientLink {
    /// Who takes the output of the session's terminal. The kernel is asked only when that matters:
    /// while there is room for more, every client is there.
    pub fn audience(&self, endpoint: &Endpoint) -> Audience {
        match self.current.as_ref().map(Link::socket) {
            None => Audience::Away,
            Some(_) if endpoint.has_room(Stream::Tty) => Audience::There,
            Some(Socket::Unix(_)) => Audience::There,
            Some(Socket::Tcp(stream)) => match sys::tcp::owed(stream.as_fd()) {
                Ok(Some(owed)) if owed.heard >= SILENT => Audience::Silent(owed.heard),
                _ => Audience::There,
            },
        }
    }

    /// The connection in use.
    pub fn current(&mut self) -> Option<&mut Link<Socket>> {
        self.current.as_mut()
    }

    /// What to wait for: descriptor and whether to write.
    pub fn waits(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.current.as_ref().map(|link| (link.socket().as_fd(), link.wants_write()))
    }

    /// What the client said behind its HELLO; to be read before anything else.
    pub fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.early)
    }

    /// This connection is in use from now on; the one before it comes out.
    pub fn replace(&mut self, link: Link<Socket>, early: Vec<u8>) -> Option<Link<Socket>> {
        self.early = early;
        self.leaving = None;
        self.lost = None;
        self.current.replace(link)
    }

    /// The connection is somebody else's from now on.
    pub fn take(&mut self) -> Option<Link<Socket>> {
        self.early.clear();
        self.current.take()
    }

    /// The client will not come back once this connection has ended.
    pub fn leaves(&mut self, how: How) {
        self.leaving = Some(how);
    }

    /// The connection in use has ended.
    pub fn lose(&mut self, ended: &Result<Received, LinkError>) {
        let here = matches!(self.current.as_ref().map(Link::socket), Some(Socket::Unix(_)));
        let how = match ended {
            _ if self.leaving.is_some() => self.leaving.unwrap_or(How::Left),
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
