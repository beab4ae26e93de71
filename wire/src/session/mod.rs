//! The session protocol: what a client and a runner say to each other on one connection after
//! another, as a state machine that does no input or output and owns no clock.
//!
//! Bytes and calls go in, frames and events come out. A session outlives its connections: all
//! streams have offsets, the sender keeps what was not acknowledged, and after a lost
//! connection both say what they have and go on without a lost or doubled byte.
//! The paper is `docs/protocol.md`.
//!
//! # Frames
//!
//! One byte of type, three bytes of payload length (big end first), payload. `s` is the
//! stream's number.
//!
//! | type     | frame   | payload | length | from |
//! |----------|---------|---------|--------|------|
//! | `0x01`   | HELLO   | JSON, [`Hello`]; the first frame of each side on each connection | 2 to 65536 | both |
//! | `0x02`   | REFUSED | UTF-8; the connection is refused, nothing follows | 0 to 4096 | runner |
//! | `0x10+s` | DATA    | the stream's next bytes | 1 to 262144 | see below |
//! | `0x20+s` | EOF     | none; occupies one offset; nothing follows in this stream | 0 | as DATA |
//! | `0x30+s` | ACK     | u64, big end first: everything before this offset was consumed | 8 | receiver |
//! | `0x40+s` | SKIP    | u64, big end first: the next DATA or EOF begins at this later offset | 8 | as DATA |
//!
//! # Streams
//!
//! | s | stream  | from   | window  | in flight | ACK due after |
//! |---|---------|--------|---------|-----------|---------------|
//! | 0 | control | both   |  64 KiB |  64 KiB   |  16 KiB |
//! | 1 | stdin   | client |   4 MiB |   4 MiB   | 256 KiB |
//! | 2 | stdout  | runner |   4 MiB |   4 MiB   | 256 KiB |
//! | 3 | stderr  | runner |   4 MiB |   4 MiB   | 256 KiB |
//! | 4 | tty     | both   | 256 KiB |  64 KiB   |  16 KiB |
//!
//! *Window*: what a sender may keep that was not acknowledged, sent or not. *In flight*: what
//! of it may have been sent. The receiver may keep a window of what it could not deliver yet; a
//! sender that goes beyond is closed. The control stream carries messages, each a u32 length
//! (big end first) and JSON, [`Control`]; it has neither EOF nor SKIP.
//!
//! # A connection
//!
//! ```text
//! client  HELLO ------------------->            received, consumed, oldest, next by stream
//!         <------------------- HELLO   runner   only after it has read the client's
//!         <---- frames in both ways --->        each goes on where the other has stopped
//! ```
//!
//! A client that starts a session (`kind` = start) need not wait for the answer: it has nothing
//! to resume. The runner closes only after everything it sent was acknowledged and the client
//! has closed: a socket closed with unread bytes in it resets the connection and may take the
//! end of the session with it.

mod backlog;
mod control;
mod endpoint;
mod frame;
mod hello;
mod idle;
mod incoming;
mod outgoing;
mod receive;
mod resume;
mod transmit;

pub use control::{Control, End, Gap, Modes, Outcome, Size, StartInfo, Usage};
pub use endpoint::{Endpoint, Event, Frame};
pub use hello::{Greeting, Hello, HelloKind};
pub use idle::Idle;

use serde::{Deserialize, Serialize};

/// The version of the protocol that this release speaks.
pub const VERSION: u32 = 1;

/// The most bytes one DATA frame carries, and the largest piece [`Endpoint::room`] gives.
pub const CHUNK: usize = 256 * 1024;

/// How many streams there are; the length of every array indexed by [`Stream`].
pub const STREAMS: usize = 5;

/// One of the streams of a session. The number is its place in frames and arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Messages, [`Control`], both ways.
    Control = 0,
    /// The job's standard input, from the client.
    Stdin = 1,
    /// The job's standard output, from the runner.
    Stdout = 2,
    /// The job's standard error, from the runner.
    Stderr = 3,
    /// The terminal, both ways.
    Tty = 4,
}

/// The runner's reason for REFUSED where the job was not released in time. Nothing has run and nothing
/// will, whatever the client has sent meanwhile.
pub const NOT_RELEASED: &str = "the job was not released within 5 s, and its place was given away";

/// How the runner's reason for REFUSED begins where a person's `attach` has taken the session from this
/// client; where from follows.
pub const TAKEN_OVER: &str = "the session was taken over";

impl Stream {
    /// All streams in the order of their numbers.
    pub const ALL: [Self; STREAMS] = [Self::Control, Self::Stdin, Self::Stdout, Self::Stderr, Self::Tty];

    /// The most bytes of it that a sender keeps unacknowledged.
    pub const fn window(self) -> usize {
        match self {
            Self::Control => 64 * 1024,
            Self::Stdin | Self::Stdout | Self::Stderr => 4 * 1024 * 1024,
            Self::Tty => 256 * 1024,
        }
    }

    /// The most bytes of it that are sent and not acknowledged.
    pub const fn in_flight(self) -> usize {
        match self {
            Self::Tty => 64 * 1024,
            Self::Control | Self::Stdin | Self::Stdout | Self::Stderr => self.window(),
        }
    }

    /// How much is consumed before an ACK is due by itself. Of a large window it is a small part, so
    /// that the sender's memory stays in its caches.
    const fn acknowledged_after(self) -> u64 {
        let quarter = self.in_flight() / 4;
        if quarter < CHUNK { quarter as u64 } else { CHUNK as u64 }
    }

    /// Whether `side` is a sender of it.
    pub const fn is_sent_by(self, side: Side) -> bool {
        match self {
            Self::Control | Self::Tty => true,
            Self::Stdin => matches!(side, Side::Client),
            Self::Stdout | Self::Stderr => matches!(side, Side::Runner),
        }
    }
}

/// Which end of a session this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The person's end: `queue`.
    Client,
    /// The job's end.
    Runner,
}

impl Side {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Runner,
            Self::Runner => Self::Client,
        }
    }
}

/// No room for a control message: the peer has not acknowledged the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer does not acknowledge control messages")]
pub struct Full;

/// The peer broke the protocol. Its connection is closed; the session may go on with another.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// No frame has this type.
    #[error("frame of unknown type {0:#04x}")]
    UnknownFrame(u8),
    /// A frame of this type cannot have this length.
    #[error("frame of type {frame:#04x} with {length} bytes")]
    Length {
        /// The frame's type.
        frame: u8,
        /// The length it announced.
        length: u32,
    },
    /// The first frame is not HELLO.
    #[error("frame of type {0:#04x} before HELLO")]
    BeforeHello(u8),
    /// HELLO twice on one connection.
    #[error("HELLO twice on one connection")]
    SecondHello,
    /// HELLO cannot be read.
    #[error("unreadable HELLO")]
    Hello(#[source] serde_json::Error),
    /// HELLO with a version that no release spoke.
    #[error("HELLO with version {0}")]
    Version(u32),
    /// HELLO for a session that is not ours.
    #[error("HELLO for another session")]
    OtherSession,
    /// HELLO of a client that starts what was started before.
    #[error("HELLO starts a session that was started before")]
    AlreadyStarted,
    /// HELLO, ACK or SKIP with an offset that cannot be.
    #[error("impossible offset {offset} in stream {stream:?}")]
    Offset {
        /// The stream.
        stream: Stream,
        /// What the peer said.
        offset: u64,
    },
    /// The peer never sends this stream, or its control stream has an EOF or a SKIP.
    #[error("frame of type {0:#04x} from the wrong side")]
    WrongSide(u8),
    /// More bytes than the window allows.
    #[error("peer sends beyond the window of stream {0:?}")]
    Window(Stream),
    /// Bytes after EOF.
    #[error("peer sends after the end of stream {0:?}")]
    AfterEof(Stream),
    /// A control message is too long.
    #[error("control message of {0} bytes")]
    ControlLength(u32),
    /// A control message cannot be read.
    #[error("unreadable control message")]
    Control(#[source] serde_json::Error),
    /// The text of REFUSED is not UTF-8.
    #[error("refusal is not UTF-8")]
    RefusalText,
}
