//! Two ends of a session over a socket in memory that takes and gives as many bytes as a test wants.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::ServerName;

use super::super::{Link, LinkError, Received};
use crate::identity::tls::{Expected, client_config, server_config};
use crate::identity::{Authority, Identity, Kind, SecretKey, Validity};
use crate::session::{Control, Endpoint, Event, HelloKind, Side, Stream};

/// One direction of a socket.
#[derive(Debug)]
pub struct Pipe {
    pub bytes: VecDeque<u8>,
    /// How many bytes it holds, and how many it gives at once.
    capacity: usize,
    piece: usize,
    writer_gone: bool,
    pub reader_gone: bool,
}

impl Pipe {
    fn new(capacity: usize, piece: usize) -> Rc<RefCell<Self>> {
        let pipe = Self { bytes: VecDeque::new(), capacity, piece, writer_gone: false, reader_gone: false };
        Rc::new(RefCell::new(pipe))
    }
}

/// One end of a socket.
#[derive(Debug)]
pub struct Socket {
    pub incoming: Rc<RefCell<Pipe>>,
    pub outgoing: Rc<RefCell<Pipe>>,
}

impl Read for Socket {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.incoming.borrow_mut();
        let count = space.len().min(pipe.piece);
        let count = pipe.bytes.read(&mut space[..count])?;
        if count == 0 && !pipe.writer_gone { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.outgoing.borrow_mut();
        if pipe.reader_gone {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(pipe.capacity - pipe.bytes.len());
        pipe.bytes.extend(&bytes[..count]);
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.outgoing.borrow_mut().writer_gone = true;
        self.incoming.borrow_mut().reader_gone = true;
    }
}

pub fn sockets(capacity: usize, piece: usize) -> (Socket, Socket) {
    let (there, back) = (Pipe::new(capacity, piece), Pipe::new(capacity, piece));
    let client = Socket { incoming: back.clone(), outgoing: there.clone() };
    (client, Socket { incoming: there, outgoing: back })
}

/// Configurations of a client that shows a certificate of this kind, and of a runner.
pub fn configs(kind: Kind) -> (Arc<rustls::ClientConfig>, Arc<rustls::ServerConfig>) {
    let authority = Authority::from_secret(SecretKey::generate());
    let certified = |kind| {
        let key = SecretKey::generate();
        let cluster = authority.cluster();
        let identity = Identity { kind, cluster, host: "redfish".into(), user: "alice".into() };
        let certificate = authority.certify(&key.public_key(), &identity, Validity::runner(0));
        (key, certificate)
    };
    let trust = authority.trust();
    let (key, certificate) = certified(kind);
    let expected = Expected { kind: Kind::Runner, host: None, user: None };
    let client = client_config(&trust, &key, &certificate, expected).expect("they belong together");
    let (key, certificate) = certified(Kind::Runner);
    let server = server_config(&trust, &key, &certificate, &[Kind::Client], &[]);
    (client, server.expect("they belong together"))
}

pub fn name() -> ServerName<'static> {
    ServerName::try_from("r0.u0.queue").expect("a name")
}

/// One end: link, endpoint and what it has heard.
#[derive(Debug)]
pub struct End<S> {
    pub link: Link<S>,
    pub endpoint: Endpoint,
    pub got: Vec<u8>,
    pub messages: Vec<Control>,
}

impl<S: Read + Write> End<S> {
    pub fn new(link: Link<S>, side: Side) -> Self {
        let mut endpoint = Endpoint::new(side);
        endpoint.connect("r0.u0.queue", HelloKind::Start, 1);
        Self { link, endpoint, got: Vec::new(), messages: Vec::new() }
    }

    pub fn receive(&mut self, budget: usize) -> Result<Received, LinkError> {
        let Self { link, endpoint, got, messages } = self;
        link.receive(budget, &mut |mut input| {
            while let Some(event) = endpoint.receive(&mut input)? {
                match event {
                    Event::Data { stream, bytes } => {
                        got.extend_from_slice(bytes);
                        endpoint.consumed(stream, bytes.len());
                    }
                    Event::Control(message) => messages.push(message),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    pub fn turn(&mut self) -> Result<Received, LinkError> {
        let received = self.receive(1 << 20)?;
        self.link.transmit(&mut self.endpoint)?;
        Ok(received)
    }

    /// Queues as many of the bytes as there is room for.
    pub fn write(&mut self, stream: Stream, mut bytes: &[u8]) -> usize {
        let before = bytes.len();
        while !bytes.is_empty() {
            let room = self.endpoint.room(stream);
            if room.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at(room.len().min(bytes.len()));
            room[..piece.len()].copy_from_slice(piece);
            self.endpoint.filled(stream, piece.len());
            bytes = rest;
        }
        before - bytes.len()
    }
}

/// Client and runner, with TLS.
pub fn tls(capacity: usize, piece: usize) -> (End<Socket>, End<Socket>) {
    let (client, server) = configs(Kind::Client);
    let (ours, theirs) = sockets(capacity, piece);
    let client = Link::tls_client(ours, client, name()).expect("a client");
    let runner = Link::tls_server(theirs, server).expect("a server");
    (End::new(client, Side::Client), End::new(runner, Side::Runner))
}

pub fn plain(capacity: usize, piece: usize) -> (End<Socket>, End<Socket>) {
    let (ours, theirs) = sockets(capacity, piece);
    (End::new(Link::plain(ours), Side::Client), End::new(Link::plain(theirs), Side::Runner))
}

pub fn established(mut ends: (End<Socket>, End<Socket>)) -> (End<Socket>, End<Socket>) {
    for _ in 0..20_000 {
        if ends.0.endpoint.established() && ends.1.endpoint.established() {
            return ends;
        }
        ends.0.turn().expect("the client goes on");
        ends.1.turn().expect("the runner goes on");
    }
    panic!("no session after so many turns");
}
