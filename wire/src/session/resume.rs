//! How both ends go on with a new connection.
//!
//! | we       | the peer | outgoing streams | incoming streams |
//! |----------|----------|------------------|------------------|
//! | remember | remembers | from its `received` | from our `received`, or its `oldest` if that is later: a gap |
//! | remember | fresh client | from what was sent | from our `received` |
//! | remember | fresh runner | from its `received`, which is our `next` | likewise, gap included |
//! | fresh    | any | our first byte gets its `received` as offset | from its `next` |
//!
//! A fresh runner says that it is fresh until the client's first frame shows that the client
//! knows; its HELLO then carries offsets that the client can go on from like from any other.

use super::endpoint::{Endpoint, Event, Memory, Peer, Resumed};
use super::{Hello, HelloKind, ProtocolError, STREAMS, Side, Stream, VERSION};

/// Offsets beyond this are refused, so that no sum of offsets overflows.
const LARGEST_OFFSET: u64 = 1 << 62;

impl Endpoint {
    /// Takes a HELLO that a [`super::Greeting`] has read from this connection; answers
    /// [`Event::Resumed`]. Nothing has changed if it is an error.
    pub fn accept(&mut self, hello: &Hello) -> Result<Event<'static>, ProtocolError> {
        self.resume(hello)?;
        let resumed = self.connection.as_mut().and_then(|connection| connection.resumed.take());
        let Resumed { missing, lost_input } = resumed.unwrap_or_default();
        Ok(Event::Resumed { missing, lost_input })
    }

    /// Our HELLO, which counts as sent.
    pub(super) fn hello(&mut self) -> Vec<u8> {
        let (mut received, mut consumed) = ([0; STREAMS], [0; STREAMS]);
        let (mut oldest, mut next) = ([0; STREAMS], [0; STREAMS]);
        let peer_is_fresh = self.connection.as_ref().and_then(|connection| connection.peer);
        let peer_is_fresh = peer_is_fresh.is_some_and(|peer| peer.fresh);
        for stream in Stream::ALL {
            let index = stream as usize;
            received[index] = self.incoming[index].received();
            consumed[index] = self.incoming[index].tell();
            // Who remembers nothing has no offsets of its own yet.
            if self.memory != Memory::Lost {
                let stated = self.outgoing[index].state(peer_is_fresh);
                (oldest[index], next[index]) = (stated.oldest, stated.next);
            }
        }
        let Some(connection) = &mut self.connection else {
            return Vec::new();
        };
        connection.hello_sent = true;
        let hello = Hello {
            version: VERSION,
            session: connection.session.clone(),
            kind: connection.kind,
            generation: connection.generation,
            received,
            consumed,
            oldest,
            next,
            fresh: self.memory != Memory::Whole,
        };
        hello.encode()
    }

    pub(super) fn resume(&mut self, hello: &Hello) -> Result<(), ProtocolError> {
        self.check(hello)?;
        let first = self.connection.as_ref().is_some_and(|connection| connection.first);
        let resumed = if first || (self.side == Side::Runner && hello.kind == HelloKind::Start) {
            // Nothing can be lost. The client may have sent more already, and the runner may have
            // acknowledged it.
            self.memory = Memory::Whole;
            for stream in Stream::ALL {
                self.outgoing[stream as usize].acknowledged(hello.consumed[stream as usize])?;
            }
            Resumed::default()
        } else if self.memory == Memory::Lost {
            self.adopt(hello)
        } else {
            self.go_on(hello)
        };
        if let Some(connection) = &mut self.connection {
            connection.peer = Some(Peer { fresh: hello.fresh });
            connection.resumed = Some(resumed);
        }
        Ok(())
    }

    fn check(&self, hello: &Hello) -> Result<(), ProtocolError> {
        let Some(connection) = &self.connection else {
            return Err(ProtocolError::OtherSession);
        };
        if connection.peer.is_some() {
            return Err(ProtocolError::SecondHello);
        }
        if hello.version == 0 {
            return Err(ProtocolError::Version(hello.version));
        }
        if hello.session != connection.session {
            return Err(ProtocolError::OtherSession);
        }
        let starts = self.side == Side::Runner && hello.kind == HelloKind::Start;
        for stream in Stream::ALL {
            let index = stream as usize;
            let impossible = |offset| ProtocolError::Offset { stream, offset };
            let (received, consumed) = (hello.received[index], hello.consumed[index]);
            let (oldest, next) = (hello.oldest[index], hello.next[index]);
            for offset in [received, consumed, oldest, next] {
                if offset > LARGEST_OFFSET {
                    return Err(impossible(offset));
                }
            }
            if consumed > received {
                return Err(impossible(consumed));
            }
            if oldest > next {
                return Err(impossible(oldest));
            }
            let (outgoing, incoming) = (&self.outgoing[index], &self.incoming[index]);
            if starts && (incoming.received() > 0 || !outgoing.is_untouched()) {
                return Err(ProtocolError::AlreadyStarted);
            }
            if starts || connection.first {
                if oldest > 0 {
                    return Err(impossible(oldest));
                }
                outgoing.check(received, consumed)?;
            } else if self.memory == Memory::Lost || !stream.is_sent_by(self.side) {
                // Whatever the peer says is so.
            } else if !hello.fresh {
                outgoing.check(received, consumed)?;
            } else if self.side == Side::Client {
                outgoing.check_fresh(received)?;
            }
        }
        Ok(())
    }

    /// We remember nothing: the peer's offsets are ours.
    fn adopt(&mut self, hello: &Hello) -> Resumed {
        for stream in Stream::ALL {
            let index = stream as usize;
            self.incoming[index].adopt(hello.next[index]);
            self.outgoing[index].adopt(hello.received[index], hello.consumed[index]);
        }
        self.memory = match self.side {
            // The runner's HELLO answers ours, so it knows.
            Side::Client => Memory::Whole,
            Side::Runner => Memory::Recent,
        };
        Resumed::default()
    }

    fn go_on(&mut self, hello: &Hello) -> Resumed {
        let mut resumed = Resumed::default();
        let control = Stream::Control as usize;
        // Half a message can go on only if the peer still has its other half.
        if hello.fresh && (self.side == Side::Runner || hello.oldest[control] >= self.incoming[control].received()) {
            let half = self.messages.clear();
            self.incoming[control].consumed(half);
        }
        for stream in Stream::ALL {
            let index = stream as usize;
            let (received, consumed) = (hello.received[index], hello.consumed[index]);
            if stream.is_sent_by(self.side) {
                let outgoing = &mut self.outgoing[index];
                match (hello.fresh, self.side) {
                    (false, _) => outgoing.resume(received, consumed),
                    (true, Side::Client) => {
                        resumed.lost_input[index] = outgoing.resume_fresh(Some(received));
                    }
                    (true, Side::Runner) => {
                        resumed.lost_input[index] = outgoing.resume_fresh(None);
                    }
                }
            }
            if stream.is_sent_by(self.side.other()) {
                let incoming = &mut self.incoming[index];
                resumed.missing[index] = incoming.jump(hello.oldest[index]);
                if hello.fresh {
                    incoming.peer_is_fresh();
                }
            }
        }
        resumed
    }
}
