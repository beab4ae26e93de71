//! What comes in.

use super::endpoint::{Endpoint, Event, Memory, Resumed};
use super::frame::Piece;
use super::{Control, Gap, Hello, ProtocolError, Side, Stream};

impl Endpoint {
    /// Takes one event from the front of `input`; `None`: more input is needed. Data is given
    /// out piecewise as it comes. After an error the connection must be given up with
    /// [`Endpoint::lost`]; the session may go on with another.
    pub fn receive<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Event<'a>>, ProtocolError> {
        loop {
            if let Some(event) = self.waiting_event()? {
                return Ok(Some(event));
            }
            let Some(piece) = self.reader.next(input)? else {
                return Ok(None);
            };
            if let Some(event) = self.take(piece)? {
                return Ok(Some(event));
            }
        }
    }

    /// An event that came with an earlier piece of input.
    fn waiting_event(&mut self) -> Result<Option<Event<'static>>, ProtocolError> {
        if let Some(connection) = &mut self.connection
            && let Some(Resumed { missing, lost_input }) = connection.resumed.take()
        {
            return Ok(Some(Event::Resumed { missing, lost_input }));
        }
        while let Some(message) = self.messages.next()? {
            self.incoming[Stream::Control as usize].consumed(message.length);
            if let Some(control) = message.control {
                self.ending |= matches!(control, Control::End(_));
                return Ok(Some(Event::Control(control)));
            }
        }
        Ok(None)
    }

    fn take<'a>(&mut self, piece: Piece<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        let byte = piece.kind().byte();
        if !self.established() && !matches!(piece, Piece::Hello(_) | Piece::Refused(_)) {
            return Err(ProtocolError::BeforeHello(byte));
        }
        let (by_us, by_peer) = (self.side, self.side.other());
        match piece {
            Piece::Hello(text) => {
                let hello = Hello::parse(&text)?;
                self.resume(&hello)?;
                return Ok(Some(Event::Hello(hello)));
            }
            Piece::Refused(_) if self.side == Side::Runner => {
                return Err(ProtocolError::WrongSide(byte));
            }
            Piece::Refused(text) => {
                let text = String::from_utf8(text).map_err(|_| ProtocolError::RefusalText)?;
                return Ok(Some(Event::Refused(text)));
            }
            Piece::Ack(stream, _) if !stream.is_sent_by(by_us) => {
                return Err(ProtocolError::WrongSide(byte));
            }
            Piece::Data(stream, _) | Piece::Eof(stream) | Piece::Skip(stream, _) if !stream.is_sent_by(by_peer) => {
                return Err(ProtocolError::WrongSide(byte));
            }
            Piece::Eof(Stream::Control) | Piece::Skip(Stream::Control, _) => {
                return Err(ProtocolError::WrongSide(byte));
            }
            _ => {}
        }
        // Only a peer that has our HELLO sends anything else, so it knows what we had lost.
        if self.memory == Memory::Recent {
            self.memory = Memory::Whole;
        }
        self.take_of_stream(piece)
    }

    fn take_of_stream<'a>(&mut self, piece: Piece<'a>) -> Result<Option<Event<'a>>, ProtocolError> {
        Ok(match piece {
            Piece::Data(stream, bytes) => {
                self.incoming[stream as usize].data(bytes.len())?;
                if stream == Stream::Control {
                    self.messages.push(bytes);
                    None
                } else {
                    Some(Event::Data { stream, bytes })
                }
            }
            Piece::Eof(stream) => {
                let news = self.incoming[stream as usize].end()?;
                news.then_some(Event::Eof(stream))
            }
            Piece::Ack(stream, offset) => {
                self.outgoing[stream as usize].acknowledged(offset)?;
                None
            }
            Piece::Skip(stream, offset) => {
                let bytes = self.incoming[stream as usize].skip(offset)?;
                Some(Event::Control(Control::Gap(Gap { stream, bytes: Some(bytes) })))
            }
            Piece::Hello(_) | Piece::Refused(_) => None,
        })
    }
}
