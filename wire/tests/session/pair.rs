//! Two ends of one session and a wire between them that gives bytes when it is told to.

use std::collections::BTreeMap;

use wire::session::{Control, Endpoint, Event, HelloKind, ProtocolError, STREAMS, Side, Stream};

/// The session that both ends speak of.
pub const SESSION: &str = "r00112233445566778899aabbccddeeff.u1000.queue";

/// One end, what it has heard so far, and the bytes on their way to it.
#[derive(Debug)]
pub struct End {
    pub endpoint: Endpoint,
    side: Side,
    pub arriving: Vec<u8>,
    /// How many bytes of each stream have come.
    pub arrived: [usize; STREAMS],
    /// By stream number: everything that was consumed.
    pub consumed: BTreeMap<u8, Vec<u8>>,
    pub heard: Heard,
    /// Whether data is kept instead of consumed at once.
    pub slow: bool,
}

/// What an end has heard, apart from bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    pub messages: Vec<Control>,
    pub ends: Vec<Stream>,
    pub resumed: Vec<Resumed>,
    pub refused: Vec<String>,
}

/// What one `Event::Resumed` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumed {
    pub missing: [u64; 5],
    pub lost_input: [u64; 5],
}

impl End {
    pub fn new(side: Side) -> Self {
        Self {
            endpoint: Endpoint::new(side),
            side,
            arriving: Vec::new(),
            arrived: [0; STREAMS],
            consumed: BTreeMap::new(),
            heard: Heard::default(),
            slow: false,
        }
    }

    /// Queues bytes of a stream, as many as there is room for; answers how many.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            let room = self.endpoint.room(stream);
            if room.is_empty() {
                break;
            }
            let count = room.len().min(bytes.len() - written);
            room[..count].copy_from_slice(&bytes[written..written + count]);
            self.endpoint.filled(stream, count);
            written += count;
        }
        written
    }

    pub fn say(&mut self, message: Control) {
        self.endpoint.control(&message).expect("the tests say little at once");
    }

    /// The next frame in bytes.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        assert!(
            self.endpoint.unacknowledged(Stream::Tty) <= Stream::Tty.window() as u64 + 1,
            "more than the window is unacknowledged"
        );
        let wants = self.endpoint.wants_transmit();
        let frame = self.endpoint.transmit().map(|frame| [&frame.header, frame.payload].concat());
        assert_eq!(wants, frame.is_some(), "wants_transmit and transmit disagree");
        frame
    }

    /// Takes the first `count` bytes that are on their way.
    pub fn arrive(&mut self, count: usize) -> Result<(), ProtocolError> {
        let bytes: Vec<u8> = self.arriving.drain(..count).collect();
        self.hear(&bytes)
    }

    pub fn hear(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut input = bytes;
        while let Some(event) = self.endpoint.receive(&mut input)? {
            if let Event::Data { stream, bytes } = &event {
                self.arrived[*stream as usize] += bytes.len();
            }
            match event {
                Event::Hello(hello) => assert_eq!(hello.session, SESSION),
                Event::Resumed { missing, lost_input } => {
                    self.heard.resumed.push(Resumed { missing, lost_input });
                }
                Event::Data { stream, bytes } if self.slow => self.endpoint.keep(stream, bytes),
                Event::Data { stream, bytes } => {
                    assert!(self.endpoint.kept(stream).is_empty());
                    self.consumed.entry(stream as u8).or_default().extend_from_slice(bytes);
                    self.endpoint.consumed(stream, bytes.len());
                }
                Event::Eof(stream) => self.heard.ends.push(stream),
                Event::Control(message) => self.heard.messages.push(message),
                Event::Refused(reason) => self.heard.refused.push(reason),
            }
        }
        assert!(input.is_empty(), "receive leaves nothing behind");
        Ok(())
    }

    /// Consumes up to `count` bytes of what was kept of a stream.
    pub fn consume(&mut self, stream: Stream, count: usize) {
        let mut left = count;
        while left > 0 && !self.endpoint.kept(stream).is_empty() {
            let kept = self.endpoint.kept(stream);
            let piece = &kept[..kept.len().min(left)];
            self.consumed.entry(stream as u8).or_default().extend_from_slice(piece);
            let count = piece.len();
            self.endpoint.consumed(stream, count);
            left -= count;
        }
    }

    pub fn consume_all(&mut self) {
        for stream in Stream::ALL {
            self.consume(stream, usize::MAX);
        }
    }

    pub fn got(&self, stream: Stream) -> &[u8] {
        self.consumed.get(&(stream as u8)).map_or(&[], Vec::as_slice)
    }

    /// Every stream whose EOF has come is finished, and no other.
    pub fn check_ends(&self) {
        for stream in Stream::ALL {
            let waits = !self.endpoint.kept(stream).is_empty();
            let ended = self.heard.ends.contains(&stream);
            assert_eq!(self.endpoint.finished(stream), ended && !waits, "{:?} {stream:?}", self.side);
        }
    }
}

/// Two ends.
#[derive(Debug)]
pub struct Pair {
    pub client: End,
    pub runner: End,
}

impl Pair {
    /// Both ends, not connected yet.
    pub fn new() -> Self {
        Self { client: End::new(Side::Client), runner: End::new(Side::Runner) }
    }

    /// Both ends, at the start of a session, nothing on the wire.
    pub fn started() -> Self {
        let mut pair = Self::new();
        pair.connect(HelloKind::Start);
        pair.settle();
        pair
    }

    pub fn connect(&mut self, kind: HelloKind) {
        self.client.endpoint.connect(SESSION, kind, 1);
        self.runner.endpoint.connect(SESSION, kind, 1);
    }

    /// The connection is gone with everything on its way.
    pub fn cut(&mut self) {
        for end in [&mut self.client, &mut self.runner] {
            end.endpoint.lost();
            end.arriving.clear();
            assert_eq!(end.endpoint.transmit(), None, "nothing is said without a connection");
        }
    }

    pub fn reconnect(&mut self) {
        self.cut();
        self.connect(HelloKind::Resume);
        self.settle();
    }

    /// Moves one frame from each end to the other's arriving bytes; answers how many.
    pub fn transmit_once(&mut self) -> usize {
        let mut count = 0;
        if let Some(frame) = self.client.frame() {
            self.runner.arriving.extend(frame);
            count += 1;
        }
        if let Some(frame) = self.runner.frame() {
            self.client.arriving.extend(frame);
            count += 1;
        }
        count
    }

    pub fn deliver(&mut self) {
        for end in [&mut self.client, &mut self.runner] {
            let count = end.arriving.len();
            end.arrive(count).expect("our own frames are in order");
        }
    }

    /// Goes on until neither has anything to say.
    pub fn settle(&mut self) {
        while self.transmit_once() > 0 {
            self.deliver();
        }
    }

    pub fn acknowledge(&mut self) {
        for end in [&mut self.client, &mut self.runner] {
            end.consume_all();
            end.endpoint.acknowledge_now();
        }
        self.settle();
    }
}
