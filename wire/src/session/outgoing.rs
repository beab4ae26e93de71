//! One outgoing stream: what was not acknowledged, and how far it was sent.
//!
//! ```text
//!            base <= sent <= end        offsets in the stream; EOF occupies the one at `end`
//! acked <= wire      <= sent
//!            |---- backlog ----|        what can still be sent; `base` is HELLO's `oldest`
//! ```
//!
//! `wire` is the offset the peer takes for the next: `sent`, unless bytes were forgotten since.

use std::collections::VecDeque;

use super::backlog::Backlog;
use super::{CHUNK, ProtocolError, Stream};

/// An outgoing stream.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: Stream,
    backlog: Backlog,
    acked: u64,
    base: u64,
    sent: u64,
    wire: u64,
    finished: bool,
    /// Bytes from here on wait until all other streams were sent.
    held: Option<u64>,
    /// Where messages begin that were not acknowledged; used by the control stream.
    messages: VecDeque<u64>,
}

/// What HELLO says of an outgoing stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stated {
    /// The oldest offset that can be sent.
    pub(super) oldest: u64,
    /// Where it goes on for a peer that remembers nothing.
    pub(super) next: u64,
}

/// The next frame of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on at this offset.
    Skip(u64),
    /// So many bytes.
    Data(usize),
    /// The end.
    Eof,
}

impl Outgoing {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            backlog: Backlog::default(),
            acked: 0,
            base: 0,
            sent: 0,
            wire: 0,
            finished: false,
            held: None,
            messages: VecDeque::new(),
        }
    }

    /// The offset behind the last byte.
    fn end(&self) -> u64 {
        self.base + self.backlog.len() as u64
    }

    fn eof_sent(&self) -> bool {
        self.sent > self.end()
    }

    /// How many more bytes the window takes.
    pub(super) fn free(&self) -> usize {
        if self.finished {
            return 0;
        }
        self.stream.window().saturating_sub(self.backlog.len())
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        let free = self.free();
        self.backlog.room(free)
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.backlog.filled(count);
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// Queues a message behind its length; only for the control stream.
    pub(super) fn message(&mut self, body: &[u8]) {
        self.messages.push_back(self.end());
        self.backlog.append(&(body.len() as u32).to_be_bytes());
        self.backlog.append(body);
    }

    /// What is queued from now on waits until all other streams were sent.
    pub(super) fn hold(&mut self) {
        if self.held.is_none() {
            self.held = Some(self.end());
        }
    }

    /// The next frame. `others_sent`: nothing of the other streams waits.
    pub(super) fn next(&self, others_sent: bool) -> Option<Next> {
        let end = match self.held {
            Some(held) if !others_sent => held,
            _ => self.end(),
        };
        if self.sent < end {
            if self.wire < self.sent {
                return Some(Next::Skip(self.sent));
            }
            let in_flight = clamp(self.wire - self.acked);
            let window = self.stream.in_flight().saturating_sub(in_flight);
            let count = self.ready().len().min(CHUNK).min(window).min(clamp(end - self.sent));
            return (count > 0).then_some(Next::Data(count));
        }
        if self.finished && self.sent == self.end() {
            return Some(if self.wire < self.sent { Next::Skip(self.sent) } else { Next::Eof });
        }
        None
    }

    /// The contiguous bytes that come next.
    fn ready(&self) -> &[u8] {
        self.backlog.piece(clamp(self.sent - self.base))
    }

    /// Takes the bytes of [`Next::Data`] as sent.
    pub(super) fn send(&mut self, count: usize) -> &[u8] {
        let position = clamp(self.sent - self.base);
        self.sent += count as u64;
        self.wire = self.sent;
        &self.backlog.piece(position)[..count]
    }

    /// EOF counts as sent.
    pub(super) fn send_eof(&mut self) {
        self.sent += 1;
        self.wire = self.sent;
    }

    /// SKIP counts as sent.
    pub(super) fn send_skip(&mut self) {
        self.wire = self.sent;
    }

    /// Whether anything was not sent yet, whatever the window says.
    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.end() || (self.finished && !self.eof_sent())
    }

    /// Bytes and EOF that were not acknowledged, sent or not.
    pub(super) fn unacknowledged(&self) -> u64 {
        let eof = self.finished && self.acked <= self.end();
        self.backlog.len() as u64 + u64::from(eof)
    }

    /// Whether anything was ever sent.
    pub(super) fn is_untouched(&self) -> bool {
        self.wire == 0
    }

    pub(super) fn acknowledged(&mut self, offset: u64) -> Result<(), ProtocolError> {
        if offset < self.acked || offset > self.wire {
            return Err(self.impossible(offset));
        }
        self.acked = offset;
        self.forget_before(offset);
        Ok(())
    }

    fn forget_before(&mut self, offset: u64) {
        let count = offset.min(self.end()).saturating_sub(self.base);
        self.backlog.forget(clamp(count));
        self.base += count;
        self.sent = self.sent.max(self.base);
        while self.messages.front().is_some_and(|start| *start < self.base) {
            self.messages.pop_front();
        }
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }

    /// Makes room by forgetting, sent or not.
    pub(super) fn discard_oldest(&mut self, count: usize) {
        self.forget_before(self.base + count.min(self.backlog.len()) as u64);
    }

    /// Forgets everything and goes on with `bytes`. What ended already stays as it is.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        if self.eof_sent() {
            return;
        }
        self.forget_before(self.end());
        self.backlog.append(bytes);
    }

    /// What HELLO is to say. A fresh peer begins to count at `next`; one that remembers jumps to
    /// `oldest`.
    pub(super) fn state(&mut self, peer_is_fresh: bool) -> Stated {
        let stated = Stated { oldest: self.base, next: self.next_for_fresh() };
        if peer_is_fresh {
            self.sent = stated.next;
            self.wire = stated.next;
            self.acked = stated.next;
        } else {
            self.wire = self.wire.max(stated.oldest);
        }
        stated
    }

    /// Nothing is sent twice to a peer that remembers nothing, but EOF, which does no harm, and
    /// a message whose first part it has lost.
    fn next_for_fresh(&self) -> u64 {
        let sent = self.sent.min(self.end());
        if sent == self.end() {
            return sent;
        }
        self.messages.iter().rev().find(|start| **start <= sent).copied().unwrap_or(sent)
    }

    /// Whether a peer that remembers may say this of the stream.
    pub(super) fn check(&self, received: u64, consumed: u64) -> Result<(), ProtocolError> {
        if received < self.acked || received > self.wire {
            return Err(self.impossible(received));
        }
        if consumed < self.acked {
            return Err(self.impossible(consumed));
        }
        Ok(())
    }

    /// Goes on after a lost connection. A client hears where the runner is after it has jumped
    /// over what was forgotten; to a runner's client [`Outgoing::state`] is still to be said.
    pub(super) fn resume(&mut self, received: u64, consumed: u64) {
        self.acked = consumed;
        self.forget_before(consumed);
        self.wire = received;
        self.sent = received.max(self.base);
    }

    /// Whether a peer that remembers nothing may begin here.
    pub(super) fn check_fresh(&self, start: u64) -> Result<(), ProtocolError> {
        if start < self.acked.min(self.end()) || start > self.wire {
            return Err(self.impossible(start));
        }
        Ok(())
    }

    /// Goes on with a peer that remembers nothing and begins at `start`, or, without it, where
    /// our HELLO will say; answers how much may be lost.
    pub(super) fn resume_fresh(&mut self, start: Option<u64>) -> u64 {
        let start = start.unwrap_or_else(|| self.next_for_fresh());
        let lost = start.min(self.end()).saturating_sub(self.acked);
        self.forget_before(start);
        self.acked = start;
        self.wire = start;
        self.sent = start.max(self.base);
        lost
    }

    /// We remember nothing: our first byte has the offset up to which the peer has the stream.
    pub(super) fn adopt(&mut self, received: u64, consumed: u64) {
        for start in &mut self.messages {
            *start += received;
        }
        self.base += received;
        self.sent += received;
        self.wire += received;
        self.acked = consumed;
        if let Some(held) = &mut self.held {
            *held += received;
        }
    }

    fn impossible(&self, offset: u64) -> ProtocolError {
        ProtocolError::Offset { stream: self.stream, offset }
    }

    /// Whether memory is kept for reuse only.
    pub(super) fn has_spare(&self) -> bool {
        self.backlog.has_spare()
    }

    /// Gives memory back that is kept for reuse only.
    pub(super) fn release(&mut self) {
        self.backlog.release();
    }

    /// Heap bytes held.
    pub(super) fn allocated(&self) -> usize {
        self.backlog.allocated() + self.messages.capacity() * size_of::<u64>()
    }
}

/// A length that is bounded by memory anyway.
fn clamp(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
