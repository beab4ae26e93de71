//! One incoming stream: how far it came, how much of it was delivered, what waits meanwhile.

use super::backlog::Backlog;
use super::{ProtocolError, Stream};

/// An incoming stream.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: Stream,
    /// The offset behind the last byte received, EOF included.
    received: u64,
    /// Bytes received and not consumed.
    waiting: u64,
    /// The offset that our last ACK or HELLO named.
    told: u64,
    due: bool,
    eof: Eof,
    kept: Backlog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eof {
    No,
    Received,
    /// Received, but a fresh peer does not know that and may repeat it.
    MayRepeat,
}

impl Incoming {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, received: 0, waiting: 0, told: 0, due: false, eof: Eof::No, kept: Backlog::default() }
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Everything before this offset was consumed. EOF is, as soon as all before it is.
    pub(super) fn consumed_offset(&self) -> u64 {
        let eof = u64::from(self.eof != Eof::No && self.waiting > 0);
        self.received - self.waiting - eof
    }

    pub(super) fn data(&mut self, count: usize) -> Result<(), ProtocolError> {
        if self.eof != Eof::No {
            return Err(ProtocolError::AfterEof(self.stream));
        }
        if self.waiting + count as u64 > self.stream.window() as u64 {
            return Err(ProtocolError::Window(self.stream));
        }
        self.received += count as u64;
        self.waiting += count as u64;
        Ok(())
    }

    /// Answers whether it is news.
    pub(super) fn end(&mut self) -> Result<bool, ProtocolError> {
        let news = match self.eof {
            Eof::No => true,
            Eof::MayRepeat => false,
            Eof::Received => return Err(ProtocolError::AfterEof(self.stream)),
        };
        self.eof = Eof::Received;
        self.received += 1;
        Ok(news)
    }

    /// The peer goes on at a later offset; answers how many bytes are missing.
    pub(super) fn skip(&mut self, offset: u64) -> Result<u64, ProtocolError> {
        if self.eof != Eof::No {
            return Err(ProtocolError::AfterEof(self.stream));
        }
        if offset <= self.received {
            return Err(ProtocolError::Offset { stream: self.stream, offset });
        }
        Ok(self.jump(offset))
    }

    /// Goes on at `offset` if that is later; answers how many bytes are missing. They count as
    /// consumed, so that the peer learns by an ACK that they are not in flight.
    pub(super) fn jump(&mut self, offset: u64) -> u64 {
        let missing = offset.saturating_sub(self.received);
        self.received += missing;
        missing
    }

    pub(super) fn keep(&mut self, bytes: &[u8]) {
        debug_assert!(
            (self.kept.len() + bytes.len()) as u64 <= self.waiting,
            "more is kept of {:?} than was received",
            self.stream
        );
        self.kept.append(bytes);
    }

    pub(super) fn kept(&self) -> &[u8] {
        self.kept.piece(0)
    }

    pub(super) fn consumed(&mut self, count: usize) {
        debug_assert!(count as u64 <= self.waiting, "more of {:?} is consumed than was received", self.stream);
        self.kept.forget(count);
        self.waiting = self.waiting.saturating_sub(count as u64);
    }

    /// Whether an ACK must go out; `eagerly`: as soon as it says anything new.
    pub(super) fn is_due(&self, eagerly: bool) -> bool {
        let news = self.consumed_offset().saturating_sub(self.told);
        self.due || news >= self.stream.acknowledged_after() || (eagerly && news > 0)
    }

    pub(super) fn acknowledge_now(&mut self) {
        self.due |= self.is_untold();
    }

    /// Whether more has reached its destination than the peer was told.
    pub(super) fn is_untold(&self) -> bool {
        self.consumed_offset() > self.told
    }

    /// The offset for ACK or HELLO, which counts as told.
    pub(super) fn tell(&mut self) -> u64 {
        self.told = self.consumed_offset();
        self.due = false;
        self.told
    }

    pub(super) fn finished(&self) -> bool {
        self.eof != Eof::No && self.waiting == 0
    }

    /// The peer remembers nothing and may repeat its EOF.
    pub(super) fn peer_is_fresh(&mut self) {
        if self.eof == Eof::Received {
            self.eof = Eof::MayRepeat;
        }
    }

    /// We remember nothing: the peer goes on here.
    pub(super) fn adopt(&mut self, offset: u64) {
        self.received = offset;
        self.told = offset;
    }

    /// Whether memory is kept for reuse only.
    pub(super) fn has_spare(&self) -> bool {
        self.kept.has_spare()
    }

    /// Gives memory back that is kept for reuse only.
    pub(super) fn release(&mut self) {
        self.kept.release();
    }

    /// Heap bytes held.
    pub(super) fn allocated(&self) -> usize {
        self.kept.allocated()
    }
}
