//! HELLO, the first frame of each side on each connection: who speaks and how far it is.

use serde::{Deserialize, Serialize};

use super::frame::{HELLO_LIMIT, Piece, Reader};
use super::{ProtocolError, STREAMS};

/// What each side says first on each connection. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The newest version the speaker understands; the lower of both is spoken.
    pub version: u32,
    /// The session's name.
    pub session: String,
    /// Why the client connects; the runner repeats it.
    pub kind: HelloKind,
    /// The attachment: each `attach` raises it.
    #[serde(default)]
    pub generation: u64,
    /// By stream: the offset up to which the speaker has it, in memory or delivered.
    #[serde(default)]
    pub received: [u64; STREAMS],
    /// By stream: the offset up to which the speaker has consumed it, as ACK says it.
    #[serde(default)]
    pub consumed: [u64; STREAMS],
    /// By stream: the oldest offset the speaker can still send.
    #[serde(default)]
    pub oldest: [u64; STREAMS],
    /// By stream: the offset at which the speaker goes on when its peer remembers nothing.
    #[serde(default)]
    pub next: [u64; STREAMS],
    /// The speaker remembers nothing of the session: a runner after a crash, a client that
    /// attaches.
    #[serde(default)]
    pub fresh: bool,
}

/// Why a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HelloKind {
    /// The session's first connection.
    Start,
    /// The same client again, after a lost connection.
    Resume,
    /// Another client takes the session over.
    Attach,
    /// Another client looks at the terminal and does nothing else.
    View,
}

impl Hello {
    pub(super) fn parse(text: &[u8]) -> Result<Self, ProtocolError> {
        serde_json::from_slice(text).map_err(ProtocolError::Hello)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).expect("plain fields always serialise");
        debug_assert!(text.len() <= HELLO_LIMIT, "a session's name is short");
        text
    }
}

/// Reads the first frame of a connection whose session is not known yet: a runner must see the
/// generation before it lets a client touch a session that another one holds.
///
/// What follows HELLO in the input belongs to the session's [`super::Endpoint`], whose
/// [`accept`](super::Endpoint::accept) takes the [`Hello`].
#[derive(Debug, Default)]
pub struct Greeting {
    reader: Reader,
}

impl Greeting {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes HELLO from the front of `input` and leaves the rest; `None`: more input is needed.
    pub fn receive(&mut self, input: &mut &[u8]) -> Result<Option<Hello>, ProtocolError> {
        match self.reader.next(input)? {
            None => Ok(None),
            Some(Piece::Hello(text)) => Hello::parse(&text).map(Some),
            Some(other) => Err(ProtocolError::BeforeHello(other.kind().byte())),
        }
    }
}
