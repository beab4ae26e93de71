//! Frames: their headers, and a reader that takes them from input cut anywhere.
//!
//! The length is checked against the type before anything is collected, and what is collected
//! grows with what arrives, never with what was announced.

use super::{CHUNK, ProtocolError, Stream};

/// The longest payload of HELLO.
pub(super) const HELLO_LIMIT: usize = 64 * 1024;

/// The longest payload of REFUSED.
pub(super) const REFUSED_LIMIT: usize = 4 * 1024;

/// Bytes of a frame before its payload.
const HEADER: usize = 4;

/// A frame's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Refused,
    Data(Stream),
    Eof(Stream),
    Ack(Stream),
    Skip(Stream),
}

impl Kind {
    /// The first byte of a frame.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Hello => 0x01,
            Self::Refused => 0x02,
            Self::Data(stream) => 0x10 | stream as u8,
            Self::Eof(stream) => 0x20 | stream as u8,
            Self::Ack(stream) => 0x30 | stream as u8,
            Self::Skip(stream) => 0x40 | stream as u8,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, ProtocolError> {
        let unknown = ProtocolError::UnknownFrame(byte);
        match byte {
            0x01 => return Ok(Self::Hello),
            0x02 => return Ok(Self::Refused),
            _ => {}
        }
        let Some(stream) = Stream::ALL.get(usize::from(byte & 0x0f)).copied() else {
            return Err(unknown);
        };
        match byte & 0xf0 {
            0x10 => Ok(Self::Data(stream)),
            0x20 => Ok(Self::Eof(stream)),
            0x30 => Ok(Self::Ack(stream)),
            0x40 => Ok(Self::Skip(stream)),
            _ => Err(unknown),
        }
    }

    /// The shortest and the longest payload.
    fn lengths(self) -> (usize, usize) {
        match self {
            Self::Hello => (2, HELLO_LIMIT),
            Self::Refused => (0, REFUSED_LIMIT),
            Self::Data(_) => (1, CHUNK),
            Self::Eof(_) => (0, 0),
            Self::Ack(_) | Self::Skip(_) => (8, 8),
        }
    }

    /// The header of a frame with so many bytes of payload.
    pub(super) fn header(self, length: usize) -> [u8; HEADER] {
        let (shortest, longest) = self.lengths();
        debug_assert!((shortest..=longest).contains(&length), "{self:?} of {length} bytes");
        let [.., high, middle, low] = length.to_be_bytes();
        [self.byte(), high, middle, low]
    }

    /// Type and payload length of a header.
    fn parse(header: [u8; HEADER]) -> Result<(Self, usize), ProtocolError> {
        let [byte, high, middle, low] = header;
        let kind = Self::from_byte(byte)?;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let (shortest, longest) = kind.lengths();
        if !(shortest..=longest).contains(&(length as usize)) {
            return Err(ProtocolError::Length { frame: byte, length });
        }
        Ok((kind, length as usize))
    }
}

/// A whole frame, or the piece of a DATA frame that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Hello(Vec<u8>),
    Refused(Vec<u8>),
    Data(Stream, &'a [u8]),
    Eof(Stream),
    Ack(Stream, u64),
    Skip(Stream, u64),
}

impl Piece<'_> {
    /// The type of the frame it belongs to.
    pub(super) fn kind(&self) -> Kind {
        match *self {
            Self::Hello(_) => Kind::Hello,
            Self::Refused(_) => Kind::Refused,
            Self::Data(stream, _) => Kind::Data(stream),
            Self::Eof(stream) => Kind::Eof(stream),
            Self::Ack(stream, _) => Kind::Ack(stream),
            Self::Skip(stream, _) => Kind::Skip(stream),
        }
    }
}

/// Takes frames apart.
#[derive(Debug, Default)]
pub(super) struct Reader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Between frames, or inside a header.
    Header { bytes: [u8; HEADER], have: usize },
    /// Inside DATA.
    Data { stream: Stream, left: usize },
    /// Inside ACK or SKIP.
    Offset { kind: Kind, bytes: [u8; 8], have: usize },
    /// Inside HELLO or REFUSED.
    Text { kind: Kind, bytes: Vec<u8>, left: usize },
}

impl Default for State {
    fn default() -> Self {
        Self::Header { bytes: [0; HEADER], have: 0 }
    }
}

impl Reader {
    /// Takes the next piece from the front of `input`; `None`: more input is needed.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, ProtocolError> {
        loop {
            match &mut self.state {
                State::Header { bytes, have } => {
                    *have += fill(&mut bytes[*have..], input);
                    if *have < HEADER {
                        return Ok(None);
                    }
                    let (kind, length) = Kind::parse(*bytes)?;
                    self.state = match kind {
                        Kind::Data(stream) => State::Data { stream, left: length },
                        Kind::Ack(_) | Kind::Skip(_) => State::Offset { kind, bytes: [0; 8], have: 0 },
                        Kind::Hello | Kind::Refused => State::Text { kind, bytes: Vec::new(), left: length },
                        Kind::Eof(stream) => {
                            self.state = State::default();
                            return Ok(Some(Piece::Eof(stream)));
                        }
                    };
                }
                State::Data { stream, left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let (piece, rest) = input.split_at(input.len().min(*left));
                    *input = rest;
                    *left -= piece.len();
                    let stream = *stream;
                    if *left == 0 {
                        self.state = State::default();
                    }
                    return Ok(Some(Piece::Data(stream, piece)));
                }
                State::Offset { kind, bytes, have } => {
                    *have += fill(&mut bytes[*have..], input);
                    if *have < bytes.len() {
                        return Ok(None);
                    }
                    let offset = u64::from_be_bytes(*bytes);
                    let kind = *kind;
                    self.state = State::default();
                    return Ok(Some(match kind {
                        Kind::Skip(stream) => Piece::Skip(stream, offset),
                        Kind::Ack(stream) => Piece::Ack(stream, offset),
                        other => unreachable!("{other:?} carries no offset"),
                    }));
                }
                State::Text { kind, bytes, left } => {
                    let (piece, rest) = input.split_at(input.len().min(*left));
                    *input = rest;
                    *left -= piece.len();
                    bytes.extend_from_slice(piece);
                    if *left > 0 {
                        return Ok(None);
                    }
                    let (kind, bytes) = (*kind, std::mem::take(bytes));
                    self.state = State::default();
                    return Ok(Some(match kind {
                        Kind::Hello => Piece::Hello(bytes),
                        _ => Piece::Refused(bytes),
                    }));
                }
            }
        }
    }

    /// Heap bytes held.
    pub(super) fn allocated(&self) -> usize {
        match &self.state {
            State::Text { bytes, .. } => bytes.capacity(),
            State::Header { .. } | State::Data { .. } | State::Offset { .. } => 0,
        }
    }
}

/// Moves bytes from the front of `input` into `space`; answers how many.
fn fill(space: &mut [u8], input: &mut &[u8]) -> usize {
    let (piece, rest) = input.split_at(input.len().min(space.len()));
    space[..piece.len()].copy_from_slice(piece);
    *input = rest;
    piece.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<String>, ProtocolError> {
        let mut reader = Reader::default();
        let mut pieces = Vec::new();
        for mut input in bytes.chunks(piece) {
            while let Some(piece) = reader.next(&mut input)? {
                pieces.push(format!("{piece:?}"));
            }
            assert!(input.is_empty());
        }
        Ok(pieces)
    }

    #[test]
    fn every_header_reads_back() {
        for byte in 0..=255u8 {
            let Ok(kind) = Kind::from_byte(byte) else { continue };
            assert_eq!(kind.byte(), byte);
            let (shortest, longest) = kind.lengths();
            for length in [shortest, longest] {
                assert_eq!(Kind::parse(kind.header(length)).expect("we wrote it"), (kind, length));
            }
            let mut header = kind.header(longest);
            let too_long = (longest as u32 + 1).to_be_bytes();
            header[1..].copy_from_slice(&too_long[1..]);
            assert!(matches!(Kind::parse(header), Err(ProtocolError::Length { .. })), "{kind:?}");
        }
    }

    #[test]
    fn frames_are_read_from_input_cut_anywhere() {
        let bytes = [
            b"\x01\x00\x00\x02{}".as_slice(),
            b"\x02\x00\x00\x00",
            b"\x11\x00\x00\x01i",
            b"\x21\x00\x00\x00",
            b"\x32\x00\x00\x08\x00\x00\x00\x00\x00\x00\x01\x02",
            b"\x44\x00\x00\x08\x80\x00\x00\x00\x00\x00\x00\x00",
        ]
        .concat();
        let expected = [
            r"Hello([123, 125])",
            r"Refused([])",
            r"Data(Stdin, [105])",
            r"Eof(Stdin)",
            r"Ack(Stdout, 258)",
            r"Skip(Tty, 9223372036854775808)",
        ];
        for piece in 1..=bytes.len() {
            assert_eq!(read(&bytes, piece).expect("in order"), expected);
        }
    }

    #[test]
    fn a_header_alone_allocates_nothing() {
        let mut reader = Reader::default();
        assert_eq!(reader.next(&mut &b"\x01\x01\x00\x00"[..]).expect("so far"), None);
        assert_eq!(reader.allocated(), 0);
    }
}
