//! HTTP/1.1 to the own daemon over its unix socket: one request, one answer.
//!
//! [`Decoder`] is pure and knows no socket; [`Exchange`] moves the bytes and keeps the
//! deadlines. Only what `queued` sends is understood: a content length, chunks, or a body
//! that ends with the connection; no redirects, no compression, no second request.

mod decoder;

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::failure::words;
use decoder::Decoder;

/// An answer being read.
pub struct Exchange {
    stream: UnixStream,
    decoder: Decoder,
}

impl Exchange {
    /// Sends a request over a non-blocking stream; a peer that does not take it for
    /// `patience` is silent.
    pub fn send(
        mut stream: UnixStream,
        method: &str,
        path: &str,
        body: &[u8],
        patience: Duration,
    ) -> Result<Self, HttpError> {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let mut rest = &request[..];
        let deadline = Instant::now() + patience;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(&stream, PollFlags::POLLOUT, deadline)?;
                }
                // A refusal may have been written before all was read.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { stream, decoder: Decoder::default() })
    }

    /// The status code.
    pub fn status(&mut self, deadline: Instant) -> Result<u16, HttpError> {
        loop {
            if let Some(status) = self.decoder.status {
                return Ok(status);
            }
            self.read(deadline)?;
        }
    }

    /// The next line of the body that is not empty, without its end; `None` after the last.
    /// A deadline that passes is [`HttpError::Silent`] and harms nothing: ask again.
    pub fn line(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, HttpError> {
        loop {
            match self.decoder.line() {
                Some(line) if line.is_empty() => {}
                Some(line) => return Ok(Some(line)),
                None if self.decoder.ended => return Ok(None),
                None => self.read(deadline)?,
            }
        }
    }

    /// What has come of the body; `None` when there is no more. A deadline that passes is
    /// [`HttpError::Silent`] and harms nothing.
    pub fn bytes(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, HttpError> {
        while self.decoder.body.is_empty() {
            if self.decoder.ended {
                return Ok(None);
            }
            self.read(deadline)?;
        }
        Ok(Some(std::mem::take(&mut self.decoder.body)))
    }

    /// All that is left of the body.
    pub fn whole(&mut self, deadline: Instant) -> Result<Vec<u8>, HttpError> {
        while !self.decoder.ended {
            self.read(deadline)?;
        }
        Ok(std::mem::take(&mut self.decoder.body))
    }

    fn read(&mut self, deadline: Instant) -> Result<(), HttpError> {
        wait(&self.stream, PollFlags::POLLIN, deadline)?;
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.decoder.close(),
            Ok(count) => self.decoder.push(&buffer[..count]),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}

fn wait(stream: &UnixStream, events: PollFlags, deadline: Instant) -> Result<(), HttpError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        // One more, because a rest below a millisecond would be waited for in a busy loop.
        let timeout = PollTimeout::try_from(left.saturating_add(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stream.as_fd(), events)], timeout) {
            Ok(0) if Instant::now() >= deadline => return Err(HttpError::Silent),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(HttpError::Io(error.into())),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum HttpError {
    /// The connection failed.
    Io(io::Error),
    /// Nothing came before the deadline.
    Silent,
    /// The connection ended before the answer did.
    Closed,
    /// What came is not an answer of ours.
    Malformed(&'static str),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => f.write_str(&words(error)),
            Self::Silent => f.write_str("it is silent (stopped?)"),
            Self::Closed => f.write_str("it closed the connection before it had answered"),
            Self::Malformed(what) => write!(f, "its answer makes no sense ({what})"),
        }
    }
}

impl From<io::Error> for HttpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_reported_at_the_deadline() {
        let (ours, _theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("a socket");
        let patience = Duration::from_millis(20);
        let mut exchange = Exchange::send(ours, "GET", "/", b"", patience).expect("room in the socket");
        let before = Instant::now();
        assert!(matches!(exchange.status(before + patience), Err(HttpError::Silent)));
        assert!(before.elapsed() >= patience);
    }
}
