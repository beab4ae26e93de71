//! TLS of one connection, through rustls' unbuffered interface: records are decrypted where
//! they were read, and encrypted straight into what the socket gets.

use std::fmt;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{AppDataRecord, ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic};

use super::buffer::Buffer;
use super::{LinkError, Sink};

/// The longest TLS record with its header (RFC 8446, 5.2).
pub(super) const LONGEST_RECORD: usize = 5 + 16 * 1024 + 256;

/// The most plaintext in one record.
const RECORD: usize = 16 * 1024;

/// More than a record becomes longer by encryption.
const RECORD_OVERHEAD: usize = 64;

/// Space for what TLS itself may want to say: a flight of the handshake, an alert, new keys.
const OWN_MESSAGES: usize = 8 * 1024;

/// TLS of one connection.
pub(super) struct Tls {
    side: Side,
    peer_closed: bool,
    /// After an error rustls wants to be left alone.
    failed: Option<rustls::Error>,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// What to do once TLS has said what it wants to say itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn<'a> {
    /// Nothing.
    Read,
    /// Encrypt this.
    Write(&'a [u8]),
    /// Say that nothing follows.
    Close,
}

/// How far one step came.
#[derive(PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    Again,
    /// The peer has closed; there may be more to do.
    PeerClosed,
    /// More input is needed, or nothing is left to do.
    Done,
}

impl Tls {
    pub(super) fn client(connection: UnbufferedClientConnection) -> Self {
        Self { side: Side::Client(connection), peer_closed: false, failed: None }
    }

    pub(super) fn server(connection: UnbufferedServerConnection) -> Self {
        Self { side: Side::Server(connection), peer_closed: false, failed: None }
    }

    pub(super) fn handshaking(&self) -> bool {
        match &self.side {
            Side::Client(connection) => connection.is_handshaking(),
            Side::Server(connection) => connection.is_handshaking(),
        }
    }

    /// Whether the peer has said that nothing follows.
    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    pub(super) fn peer_certificate(&self) -> Option<Vec<u8>> {
        let chain = match &self.side {
            Side::Client(connection) => connection.peer_certificates(),
            Side::Server(connection) => connection.peer_certificates(),
        };
        Some(chain?.first()?.to_vec())
    }

    /// Takes whole records from `input` and gives what is in them to `sink`; what has to be
    /// answered is added to `output`, after an error too.
    pub(super) fn receive(
        &mut self,
        input: &mut Buffer,
        output: &mut Buffer,
        sink: &mut Sink<'_>,
    ) -> Result<(), LinkError> {
        loop {
            let (discard, step) = self.step(input.filled_mut(), output, sink, Turn::Read);
            input.take(discard);
            match step {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Again | Step::PeerClosed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes a turn. `partial` is the part of a record that has arrived: rustls wants to see it
    /// each time.
    pub(super) fn advance(
        &mut self,
        partial: &mut Vec<u8>,
        output: &mut Buffer,
        turn: Turn<'_>,
    ) -> Result<(), LinkError> {
        let nothing: &mut Sink<'_> = &mut |_| Ok(());
        loop {
            let (discard, step) = self.step(partial, output, nothing, turn);
            partial.drain(..discard.min(partial.len()));
            if step? == Step::Done {
                return Ok(());
            }
        }
    }

    /// One step; answers also how many bytes of `input` are done with.
    fn step(
        &mut self,
        input: &mut [u8],
        output: &mut Buffer,
        sink: &mut Sink<'_>,
        turn: Turn<'_>,
    ) -> (usize, Result<Step, LinkError>) {
        if let Some(error) = &self.failed {
            return (0, Err(error.clone().into()));
        }
        let (discard, step) = self.side.step(input, output, sink, turn);
        self.peer_closed |= matches!(step, Ok(Step::PeerClosed));
        if let Err(LinkError::Tls(error)) = &step {
            self.failed = Some(error.clone());
            self.side.last_words(input, output);
        }
        (discard, step)
    }
}

impl Side {
    fn step(
        &mut self,
        input: &mut [u8],
        output: &mut Buffer,
        sink: &mut Sink<'_>,
        turn: Turn<'_>,
    ) -> (usize, Result<Step, LinkError>) {
        match self {
            Self::Client(connection) => step(connection.process_tls_records(input), output, sink, turn),
            Self::Server(connection) => step(connection.process_tls_records(input), output, sink, turn),
        }
    }

    /// Tells the peer why, after an error. Not one call more: rustls would read the same input
    /// again and meet the same error.
    fn last_words(&mut self, input: &mut [u8], output: &mut Buffer) {
        let nothing: &mut Sink<'_> = &mut |_| Ok(());
        loop {
            let has_words = match self {
                Self::Client(connection) => connection.wants_write(),
                Self::Server(connection) => connection.wants_write(),
            };
            if !has_words || self.step(input, output, nothing, Turn::Read).1.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
impl Tls {
    pub(super) fn with_server<R>(&mut self, run: impl FnOnce(&mut UnbufferedServerConnection) -> R) -> R {
        match &mut self.side {
            Side::Server(connection) => run(connection),
            Side::Client(_) => panic!("this is a client"),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("handshaking", &self.handshaking()).finish_non_exhaustive()
    }
}

fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    output: &mut Buffer,
    sink: &mut Sink<'_>,
    turn: Turn<'_>,
) -> (usize, Result<Step, LinkError>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = state.map_err(LinkError::from).and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let AppDataRecord { discard: more, payload, .. } = record?;
                discard += more;
                sink(payload)?;
            }
            Ok(Step::Again)
        }
        ConnectionState::EncodeTlsData(mut message) => {
            let mut space = OWN_MESSAGES;
            let count = loop {
                match message.encode(output.space(space)) {
                    Ok(count) => break count,
                    Err(EncodeError::InsufficientSize(needed)) => space = needed.required_size,
                    Err(EncodeError::AlreadyEncoded) => break 0,
                }
            };
            output.extend(count);
            Ok(Step::Again)
        }
        ConnectionState::TransmitTlsData(message) => {
            message.done();
            Ok(Step::Again)
        }
        ConnectionState::WriteTraffic(traffic) => write(traffic, output, turn).map(|()| Step::Done),
        ConnectionState::PeerClosed => Ok(Step::PeerClosed),
        ConnectionState::BlockedHandshake if matches!(turn, Turn::Read) => Ok(Step::Done),
        ConnectionState::Closed => Ok(Step::Done),
        // Nobody writes before the handshake is over, and no configuration of ours allows early data.
        _ => Err(rustls::Error::HandshakeNotComplete.into()),
    });
    (discard, step)
}

fn write<Data>(mut traffic: WriteTraffic<'_, Data>, output: &mut Buffer, turn: Turn<'_>) -> Result<(), LinkError> {
    let mut space = match turn {
        Turn::Read => return Ok(()),
        Turn::Write(bytes) => bytes.len() + (bytes.len() / RECORD + 1) * RECORD_OVERHEAD + OWN_MESSAGES,
        Turn::Close => OWN_MESSAGES,
    };
    let count = loop {
        let written = match turn {
            Turn::Write(bytes) => traffic.encrypt(bytes, output.space(space)),
            Turn::Read | Turn::Close => traffic.queue_close_notify(output.space(space)),
        };
        match written {
            Ok(count) => break count,
            Err(EncryptError::InsufficientSize(needed)) => space = needed.required_size.max(space + 1),
            Err(EncryptError::EncryptExhausted) => return Err(rustls::Error::EncryptError.into()),
        }
    };
    output.extend(count);
    Ok(())
}
