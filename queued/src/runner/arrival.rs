//! What may arrive at a session: a connection through the daemon, one of the same user on this
//! host, or the word that nobody will come.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Something for a session.
pub enum Arrival {
    /// A TCP connection of which nothing was read.
    Remote(TcpStream),
    /// A connection of the same user on this host.
    Local {
        /// The connection, after its opening line.
        stream: UnixStream,
        /// The client's own descriptors, with the numbers they have for the job.
        handed: Vec<(usize, OwnedFd)>,
    },
    /// The reservation is void.
    Void,
    /// Which queues are suspended has changed.
    Suspended,
    /// Its queue runs nothing here any more.
    Terminate,
}

/// A connection to a client, either kind.
pub enum Socket {
    /// From another host, with TLS on top.
    Tcp(TcpStream),
    /// From this host; the kernel said who it is.
    Unix(UnixStream),
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            Self::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
