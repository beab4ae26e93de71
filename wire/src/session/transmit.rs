//! What goes out, and in which order.

use super::endpoint::{Endpoint, Frame};
use super::frame::{Kind, REFUSED_LIMIT};
use super::outgoing::Next;
use super::{Side, Stream};

/// Streams without precedence among each other.
const PIPES: [Stream; 3] = [Stream::Stderr, Stream::Stdout, Stream::Stdin];

/// The next frame, before anything has changed by it.
#[derive(Debug, Clone, Copy)]
enum Plan {
    Refuse,
    Hello,
    Ack(Stream),
    Send(Stream, Next),
}

impl Endpoint {
    /// The next frame to write, which counts as sent. In this order: HELLO, ACKs, control, tty,
    /// then stderr, stdout and stdin in turn. Before the peer's HELLO was accepted there is
    /// only our own, except where a client starts a session: then the rest may follow at once.
    pub fn transmit(&mut self) -> Option<Frame<'_>> {
        if !self.text.is_empty() {
            self.text = Vec::new();
        }
        match self.plan()? {
            Plan::Refuse => {
                let reason = self.connection.as_mut()?.refusal.take()?;
                self.text = shortened(reason).into_bytes();
                Some(Frame { header: Kind::Refused.header(self.text.len()), payload: &self.text })
            }
            Plan::Hello => {
                self.text = self.hello();
                Some(Frame { header: Kind::Hello.header(self.text.len()), payload: &self.text })
            }
            Plan::Ack(stream) => {
                let offset = self.incoming[stream as usize].tell();
                Some(self.offset_frame(Kind::Ack(stream), offset))
            }
            Plan::Send(stream, Next::Skip(offset)) => {
                self.outgoing[stream as usize].send_skip();
                Some(self.offset_frame(Kind::Skip(stream), offset))
            }
            Plan::Send(stream, Next::Eof) => {
                self.outgoing[stream as usize].send_eof();
                Some(Frame { header: Kind::Eof(stream).header(0), payload: &[] })
            }
            Plan::Send(stream, Next::Data(count)) => {
                if let Some(turn) = PIPES.iter().position(|pipe| *pipe == stream) {
                    self.turn = turn;
                }
                let payload = self.outgoing[stream as usize].send(count);
                Some(Frame { header: Kind::Data(stream).header(count), payload })
            }
        }
    }

    /// Whether [`Endpoint::transmit`] would give a frame.
    pub fn wants_transmit(&self) -> bool {
        self.plan().is_some()
    }

    fn plan(&self) -> Option<Plan> {
        let connection = self.connection.as_ref()?;
        if connection.refused {
            return connection.refusal.as_ref().map(|_| Plan::Refuse);
        }
        if !connection.hello_sent {
            let speaks = self.side == Side::Client || connection.peer.is_some();
            return speaks.then_some(Plan::Hello);
        }
        if connection.peer.is_none() && !connection.first {
            return None;
        }
        let next = self.next_of_streams();
        let eagerly = next.is_some() || self.ending;
        let due = Stream::ALL.into_iter().find(|stream| self.incoming[*stream as usize].is_due(eagerly));
        match due {
            Some(stream) => Some(Plan::Ack(stream)),
            None => next.map(|(stream, next)| Plan::Send(stream, next)),
        }
    }

    fn next_of_streams(&self) -> Option<(Stream, Next)> {
        let others_sent = !Stream::ALL[1..].iter().any(|stream| self.outgoing[*stream as usize].has_unsent());
        let next = |stream: Stream| {
            let next = self.outgoing[stream as usize].next(others_sent)?;
            Some((stream, next))
        };
        next(Stream::Control)
            .or_else(|| next(Stream::Tty))
            .or_else(|| (1..=PIPES.len()).find_map(|step| next(PIPES[(self.turn + step) % PIPES.len()])))
    }

    fn offset_frame(&mut self, kind: Kind, offset: u64) -> Frame<'_> {
        self.offset = offset.to_be_bytes();
        Frame { header: kind.header(self.offset.len()), payload: &self.offset }
    }
}

/// Cut to what REFUSED carries, between two characters.
fn shortened(mut reason: String) -> String {
    while reason.len() > REFUSED_LIMIT {
        reason.pop();
    }
    reason
}
