//! One end of a session: all streams, and the connection that carries them now.
//!
//! What goes out is in `transmit`, what comes in is in `receive`, and how both go on after a
//! lost connection is in `resume`.

use super::control::{self, Control};
use super::frame::Reader;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::{CHUNK, Full, Hello, HelloKind, STREAMS, Side, Stream};

/// What a control message leaves free for those that must always find room.
const CONTROL_RESERVE: usize = 4 * 1024;

/// One end of a session. It outlives its connections.
#[derive(Debug)]
pub struct Endpoint {
    pub(super) side: Side,
    pub(super) memory: Memory,
    /// Indexed by [`Stream`], also those that this side does not send.
    pub(super) outgoing: [Outgoing; STREAMS],
    /// Indexed by [`Stream`], also those that this side does not receive.
    pub(super) incoming: [Incoming; STREAMS],
    /// Received bytes of control messages that were not taken yet.
    pub(super) messages: control::Buffer,
    pub(super) connection: Option<Connection>,
    pub(super) reader: Reader,
    /// The payload of the last frame, unless it is in a backlog.
    pub(super) text: Vec<u8>,
    pub(super) offset: [u8; 8],
    /// The pipe that was sent last; the others come first next time.
    pub(super) turn: usize,
    /// The end has come: the peer waits for nothing but acknowledgements.
    pub(super) ending: bool,
}

/// What this end remembers of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// Everything since the session began.
    Whole,
    /// Nothing: the offsets are the peer's to say.
    Lost,
    /// Everything since the peer said the offsets; it may not have heard yet that the rest is
    /// lost.
    Recent,
}

/// The connection that carries the session now.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) session: String,
    pub(super) kind: HelloKind,
    pub(super) generation: u64,
    /// The reason for which it is refused, until that was sent.
    pub(super) refusal: Option<String>,
    pub(super) refused: bool,
    pub(super) hello_sent: bool,
    /// The peer's HELLO was accepted, and whether it says that the peer is fresh.
    pub(super) peer: Option<Peer>,
    /// [`super::Event::Resumed`] was not given out yet.
    pub(super) resumed: Option<Resumed>,
    /// The session begins with it, so that nothing can have been lost.
    pub(super) first: bool,
}

/// The peer on this connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) fresh: bool,
}

/// What [`super::Event::Resumed`] says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Resumed {
    pub(super) missing: [u64; STREAMS],
    pub(super) lost_input: [u64; STREAMS],
}

/// The next thing to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Type and length.
    pub header: [u8; 4],
    /// What follows it.
    pub payload: &'a [u8],
}

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The peer's HELLO; [`Event::Resumed`] follows.
    Hello(Hello),
    /// Both have said how far they are, and frames flow.
    Resumed {
        /// By incoming stream: bytes the peer can no longer send.
        missing: [u64; STREAMS],
        /// By outgoing stream, when the peer is fresh: bytes that were sent and that nobody may
        /// have consumed.
        lost_input: [u64; STREAMS],
    },
    /// Bytes of a stream, in order. The driver writes what it can, says how much with
    /// [`Endpoint::consumed`], then gives the rest to [`Endpoint::keep`].
    Data {
        /// The stream, never [`Stream::Control`].
        stream: Stream,
        /// The bytes, never empty.
        bytes: &'a [u8],
    },
    /// The stream ends here, behind what is kept of it.
    Eof(Stream),
    /// A control message, each exactly once. A gap in a stream that is live arrives as
    /// [`Control::Gap`] at its place in that stream.
    Control(Control),
    /// The runner refuses this connection, in words.
    Refused(String),
}

impl Endpoint {
    /// An end without a connection. Buffers are allocated when they are needed and released
    /// when they are empty.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            memory: Memory::Whole,
            outgoing: Stream::ALL.map(Outgoing::new),
            incoming: Stream::ALL.map(Incoming::new),
            messages: control::Buffer::default(),
            connection: None,
            reader: Reader::default(),
            text: Vec::new(),
            offset: [0; 8],
            turn: 0,
            ending: false,
        }
    }

    /// There is a new connection: HELLO is the first frame on it, and half-parsed frames of the
    /// last one are forgotten. The runner's HELLO is made only after the client's was accepted,
    /// so that a terminal may be [replaced](Endpoint::replace) in between.
    ///
    /// `Start` is for the first connection of a session; a client that lost it asks with
    /// `Resume`, because the runner may have started the job.
    pub fn connect(&mut self, session: &str, kind: HelloKind, generation: u64) {
        self.lost();
        let untouched = self.outgoing.iter().all(Outgoing::is_untouched)
            && self.incoming.iter().all(|incoming| incoming.received() == 0);
        if matches!(kind, HelloKind::Attach | HelloKind::View) && self.side == Side::Client && untouched {
            self.memory = Memory::Lost;
        }
        self.connection = Some(Connection {
            session: session.to_owned(),
            kind,
            generation,
            refusal: None,
            refused: false,
            hello_sent: false,
            peer: None,
            resumed: None,
            first: kind == HelloKind::Start && self.side == Side::Client && untouched,
        });
    }

    /// The connection is refused: REFUSED is the only frame that still goes out on it. Needs no
    /// [`Endpoint::connect`]; a new endpoint serves where the session is not known.
    pub fn refuse(&mut self, reason: &str) {
        let connection = self.connection.get_or_insert_with(|| Connection {
            session: String::new(),
            kind: HelloKind::Resume,
            generation: 0,
            refusal: None,
            refused: false,
            hello_sent: false,
            peer: None,
            resumed: None,
            first: false,
        });
        connection.refusal = Some(reason.to_owned());
        connection.refused = true;
    }

    /// The connection is gone: nothing is transmitted until [`Endpoint::connect`].
    pub fn lost(&mut self) {
        self.connection = None;
        self.reader = Reader::default();
        self.text = Vec::new();
    }

    /// This end remembers nothing of the session and has no connection yet: a runner after a
    /// crash. (A client that connects with `Attach` or `View` for the first time is fresh by itself.)
    pub fn mark_fresh(&mut self) {
        self.memory = Memory::Lost;
    }

    /// Whether the peer's HELLO was accepted on this connection.
    pub fn established(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.peer.is_some())
    }

    /// Whether [`Endpoint::room`] would give any; allocates nothing.
    pub fn has_room(&self, stream: Stream) -> bool {
        self.sends(stream) && self.outgoing[stream as usize].free() > 0
    }

    /// Space to read into, contiguous and at most [`CHUNK`] bytes; empty: the window is full, do
    /// not read. It is less than 1 KiB only where the window has no more. Nothing may happen to
    /// this end between it and [`Endpoint::filled`].
    pub fn room(&mut self, stream: Stream) -> &mut [u8] {
        if !self.sends(stream) {
            return &mut [];
        }
        let room = self.outgoing[stream as usize].room();
        let most = room.len().min(CHUNK);
        &mut room[..most]
    }

    /// The first `count` bytes of the last [`Endpoint::room`] were filled.
    pub fn filled(&mut self, stream: Stream, count: usize) {
        self.outgoing[stream as usize].filled(count);
    }

    /// EOF; repeating it does nothing.
    pub fn finish(&mut self, stream: Stream) {
        if self.sends(stream) {
            self.outgoing[stream as usize].finish();
        }
    }

    /// Queues a control message. An `End` goes out after all bytes of all streams, as does
    /// everything queued behind it. `Full` when the peer acknowledges nothing, or when the
    /// message is longer than 64 KiB; `End` and `Closed` find room even then.
    pub fn control(&mut self, message: &Control) -> Result<(), Full> {
        let body = message.encode();
        let outgoing = &mut self.outgoing[Stream::Control as usize];
        let reserve = match message {
            Control::End(_) | Control::Closed(_) => 0,
            _ => CONTROL_RESERVE,
        };
        if body.len() + size_of::<u32>() + reserve > outgoing.free() {
            return Err(Full);
        }
        if matches!(message, Control::End(_)) {
            outgoing.hold();
        }
        outgoing.message(&body);
        Ok(())
    }

    /// Forgets everything of a stream that was not acknowledged and sends `bytes` instead: the
    /// screen of a terminal. The peer learns how many bytes it will never see. Does nothing to
    /// a stream whose EOF was sent.
    pub fn replace(&mut self, stream: Stream, bytes: &[u8]) {
        if self.sends(stream) {
            self.outgoing[stream as usize].replace(bytes);
        }
    }

    /// Makes room by forgetting the oldest `count` bytes, sent or not: for a terminal that
    /// nobody looks at.
    pub fn discard_oldest(&mut self, stream: Stream, count: usize) {
        if self.sends(stream) {
            self.outgoing[stream as usize].discard_oldest(count);
        }
    }

    /// How much of an outgoing stream was not acknowledged, sent or not, EOF included.
    pub fn unacknowledged(&self, stream: Stream) -> u64 {
        self.outgoing[stream as usize].unacknowledged()
    }

    /// Whether everything, ends included, was sent and acknowledged. Only then, and after the
    /// peer has closed, may a runner close its connection.
    pub fn sent_all_acknowledged(&self) -> bool {
        self.outgoing.iter().all(|outgoing| outgoing.unacknowledged() == 0)
    }

    /// Keeps what could not be written at once, behind what is kept already.
    pub fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        self.incoming[stream as usize].keep(bytes);
    }

    /// The first contiguous piece of what is kept; empty when nothing is.
    pub fn kept(&self, stream: Stream) -> &[u8] {
        self.incoming[stream as usize].kept()
    }

    /// So many bytes have reached their destination, or were thrown away because it is gone.
    /// They are taken from what is kept, if anything is. This is what ACK tells the peer.
    pub fn consumed(&mut self, stream: Stream, count: usize) {
        self.incoming[stream as usize].consumed(count);
    }

    /// Sends an ACK for every stream where there is something new to tell. Without it an ACK
    /// waits for a quarter of the window, for another frame to go along with, or for the end:
    /// call it before a long wait, so that the peer can release its memory.
    pub fn acknowledge_now(&mut self) {
        for incoming in &mut self.incoming {
            incoming.acknowledge_now();
        }
    }

    /// Whether the peer was not told of all that has reached its destination.
    pub fn owes_acknowledgement(&self) -> bool {
        self.incoming.iter().any(Incoming::is_untold)
    }

    /// Whether memory is kept only because more bytes may follow soon.
    pub fn has_spare(&self) -> bool {
        self.outgoing.iter().any(Outgoing::has_spare) || self.incoming.iter().any(Incoming::has_spare)
    }

    /// Gives memory back that is kept only because more bytes may follow soon. Call it when none
    /// have for a while.
    pub fn release(&mut self) {
        for outgoing in &mut self.outgoing {
            outgoing.release();
        }
        for incoming in &mut self.incoming {
            incoming.release();
        }
    }

    /// Whether EOF was received and everything before it consumed.
    pub fn finished(&self, stream: Stream) -> bool {
        self.incoming[stream as usize].finished()
    }

    /// Bytes of buffers held now.
    pub fn allocated(&self) -> usize {
        let outgoing: usize = self.outgoing.iter().map(Outgoing::allocated).sum();
        let incoming: usize = self.incoming.iter().map(Incoming::allocated).sum();
        outgoing + incoming + self.messages.allocated() + self.reader.allocated() + self.text.capacity()
    }

    /// Whether this side sends this stream of bytes.
    fn sends(&self, stream: Stream) -> bool {
        let sends = stream != Stream::Control && stream.is_sent_by(self.side);
        debug_assert!(sends, "{:?} does not send bytes of {stream:?}", self.side);
        sends
    }
}
