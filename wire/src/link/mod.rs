//! One connection of a session over a non-blocking socket, TLS or plain. Both ends use it.
//!
//! A [`Link`] moves bytes between its socket and an [`Endpoint`] and copies as little as it
//! can: received plaintext is lent to the caller from the buffer it was decrypted in, large
//! frames go from the endpoint's memory into the cipher or the socket. It owns no buffer while
//! nothing is under way. It does not wait: whoever polls the socket calls it.
//! The paper is `docs/protocol.md`.
//!
//! **Closing.** Whoever has sent something closes last: a runner closes only after
//! [`Endpoint::sent_all_acknowledged`] and after [`Received::Closed`], because a socket closed
//! with unread bytes in it resets the connection, and a reset overtakes the end of the session.
//! A write that fails because the peer has closed is for the same reason not reported by
//! [`Link::transmit`], but by [`Link::receive`], after everything that was there to read.

mod buffer;
mod tls;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;

use crate::identity::Certificate;
use crate::session::{Endpoint, Frame, ProtocolError};
use buffer::{Buffer, SIZE};
use tls::{Tls, Turn};

/// Takes received plaintext, piece by piece.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), ProtocolError> + 'a;

/// Frames up to this length are gathered, so that they share a TLS record and a system call.
const GATHERED: usize = 16 * 1024;

/// One connection.
#[derive(Debug)]
pub struct Link<S> {
    socket: S,
    /// `None`: plain.
    tls: Option<Box<Tls>>,
    /// The part of a TLS record that has arrived.
    partial: Vec<u8>,
    /// What the socket did not take yet.
    output: Buffer,
    /// A write has failed because the peer is gone.
    broken: Option<io::Error>,
    closing: bool,
}

/// How far [`Link::receive`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The budget is used up; there may be more.
    More,
    /// The socket has no more now.
    Blocked,
    /// The peer has closed in order; nothing more comes.
    Closed,
}

/// Why a connection is lost.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The socket failed.
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    /// TLS failed; with a certificate that we refuse, the cause says why.
    #[error("TLS failed: {0}")]
    Tls(#[from] rustls::Error),
    /// The stream stopped without a close: never an end, always a lost connection.
    #[error("connection was cut")]
    Cut,
    /// The peer broke the session protocol.
    #[error("peer broke the session protocol: {0}")]
    Protocol(#[from] ProtocolError),
}

impl<S: Read + Write> Link<S> {
    /// Without TLS. The socket is non-blocking.
    pub fn plain(socket: S) -> Self {
        Self::new(socket, None)
    }

    /// TLS, as the one who connects. The socket is non-blocking.
    pub fn tls_client(
        socket: S,
        config: Arc<rustls::ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, LinkError> {
        let connection = UnbufferedClientConnection::new(config, name)?;
        let mut link = Self::new(socket, Some(Tls::client(connection)));
        link.advance(Turn::Read)?;
        Ok(link)
    }

    /// TLS, as the one who listens. The socket is non-blocking.
    pub fn tls_server(socket: S, config: Arc<rustls::ServerConfig>) -> Result<Self, LinkError> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self::new(socket, Some(Tls::server(connection))))
    }

    fn new(socket: S, tls: Option<Tls>) -> Self {
        Self {
            socket,
            tls: tls.map(Box::new),
            partial: Vec::new(),
            output: Buffer::default(),
            broken: None,
            closing: false,
        }
    }

    /// The socket, for polling.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Whether the TLS handshake is still under way.
    pub fn handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.handshaking())
    }

    /// The certificate that the peer has shown, after the handshake.
    pub fn peer_certificate(&self) -> Option<Certificate> {
        self.tls.as_ref()?.peer_certificate().map(Certificate)
    }

    /// Reads until the socket would block, the peer has closed, or `budget` bytes were read (with
    /// TLS a record more), and gives what is in them to `sink`. An error of `sink` ends the
    /// connection.
    pub fn receive(&mut self, budget: usize, sink: &mut Sink<'_>) -> Result<Received, LinkError> {
        let mut input = Buffer::default();
        input.append(&self.partial);
        self.partial.clear();
        let received = self.receive_into(&mut input, budget, sink);
        if input.filled().is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(input.filled());
        }
        // Why reading has failed says more than that writing did.
        let flushed = self.flush();
        let received = received?;
        flushed.map(|()| received)
    }

    fn receive_into(&mut self, input: &mut Buffer, budget: usize, sink: &mut Sink<'_>) -> Result<Received, LinkError> {
        if self.tls.as_ref().is_some_and(|tls| tls.peer_closed()) {
            return Ok(Received::Closed);
        }
        let mut left = budget;
        while left > 0 {
            let space = input.space(tls::LONGEST_RECORD);
            let most = space.len().min(left.max(tls::LONGEST_RECORD));
            let most = if self.tls.is_some() { most } else { most.min(left) };
            match self.socket.read(&mut space[..most]) {
                Ok(0) if self.tls.is_some() => return Err(LinkError::Cut),
                Ok(0) => return Ok(Received::Closed),
                Ok(count) => {
                    input.extend(count);
                    left = left.saturating_sub(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return match self.broken.take() {
                        Some(broken) => Err(broken.into()),
                        None => Ok(Received::Blocked),
                    };
                }
                Err(error) => return Err(error.into()),
            }
            match &mut self.tls {
                None => {
                    sink(input.filled())?;
                    input.clear();
                }
                Some(tls) => {
                    tls.receive(input, &mut self.output, sink)?;
                    if tls.peer_closed() {
                        input.clear();
                        return Ok(Received::Closed);
                    }
                }
            }
        }
        Ok(Received::More)
    }

    /// Writes what is pending, then frames of `endpoint` while the socket takes them.
    pub fn transmit(&mut self, endpoint: &mut Endpoint) -> Result<(), LinkError> {
        loop {
            self.flush()?;
            if self.wants_write() || self.broken.is_some() || self.closing || self.handshaking() {
                return Ok(());
            }
            let progress = match self.tls {
                None => self.write_frames(endpoint),
                Some(_) => self.encrypt_frames(endpoint)?,
            };
            if !progress {
                return Ok(());
            }
        }
    }

    /// Whether something waits until the socket takes it.
    pub fn wants_write(&self) -> bool {
        !self.output.filled().is_empty()
    }

    /// Says that nothing follows and writes what is pending. While [`Link::wants_write`], poll
    /// and repeat. The peer of a plain link hears it only when the socket is shut down.
    pub fn close(&mut self) -> Result<(), LinkError> {
        if !self.closing && self.tls.is_some() && !self.handshaking() {
            self.advance(Turn::Close)?;
        }
        self.closing = true;
        self.flush()
    }

    /// Fills the output with frames; `false`: there are none.
    fn encrypt_frames(&mut self, endpoint: &mut Endpoint) -> Result<bool, LinkError> {
        let mut gathered = Vec::new();
        let mut progress = false;
        while self.output.filled().len() + gathered.len() < GATHERED
            && let Some(Frame { header, payload }) = endpoint.transmit()
        {
            progress = true;
            gathered.extend_from_slice(&header);
            if gathered.len() + payload.len() <= GATHERED {
                gathered.extend_from_slice(payload);
            } else {
                self.advance(Turn::Write(&gathered))?;
                gathered.clear();
                self.advance(Turn::Write(payload))?;
            }
        }
        if !gathered.is_empty() {
            self.advance(Turn::Write(&gathered))?;
        }
        Ok(progress)
    }

    fn advance(&mut self, turn: Turn<'_>) -> Result<(), LinkError> {
        match &mut self.tls {
            Some(tls) => tls.advance(&mut self.partial, &mut self.output, turn),
            None => Ok(()),
        }
    }

    /// Writes or gathers frames; `false`: there are none.
    fn write_frames(&mut self, endpoint: &mut Endpoint) -> bool {
        let mut progress = false;
        while self.broken.is_none()
            && self.output.filled().len() < GATHERED
            && let Some(Frame { header, payload }) = endpoint.transmit()
        {
            progress = true;
            self.output.append(&header);
            if payload.len() <= GATHERED {
                self.output.append(payload);
                continue;
            }
            let pieces = [IoSlice::new(self.output.filled()), IoSlice::new(payload)];
            // The next flush meets the same error and knows what to do with it.
            let written = self.socket.write_vectored(&pieces).unwrap_or(0);
            let before = self.output.filled().len();
            self.output.take(written.min(before));
            self.output.append(&payload[written.saturating_sub(before)..]);
        }
        progress
    }

    fn flush(&mut self) -> Result<(), LinkError> {
        while self.wants_write() && self.broken.is_none() {
            match self.socket.write(self.output.filled()) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(count) => self.output.take(count),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => break,
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
                        self.output.clear();
                        self.broken = Some(error);
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(())
    }
}

const _: () = assert!(SIZE > crate::session::CHUNK + 2 * GATHERED);

#[cfg(test)]
mod tests;
