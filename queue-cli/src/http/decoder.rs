//! The bytes of an answer, however they are cut. Pure.

use super::HttpError;

/// Turns bytes into status and body, however they are cut.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The status code, once it is known.
    pub status: Option<u16>,
    /// Received and not yet decoded: the head, or a part of a chunk's frame.
    raw: Vec<u8>,
    framing: Framing,
    /// Decoded and not yet taken.
    pub body: Vec<u8>,
    /// How much of `body` is known to have no line end.
    searched: usize,
    /// Whether the body is complete.
    pub ended: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum Framing {
    #[default]
    Unknown,
    Left(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
}

impl Decoder {
    /// Takes what was received.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        self.raw.extend_from_slice(bytes);
        if self.status.is_none() && !self.head()? {
            return Ok(());
        }
        let raw = std::mem::take(&mut self.raw);
        let rest = self.decode(&raw)?;
        self.raw = rest.to_vec();
        if self.body.len() > LONGEST_BODY {
            return Err(HttpError::Malformed("it is too long"));
        }
        Ok(())
    }

    /// The connection has ended: an error, unless the answer ends with it.
    pub fn close(&mut self) -> Result<(), HttpError> {
        match self.framing {
            Framing::UntilClose => self.ended = true,
            _ if self.ended => {}
            _ => return Err(HttpError::Closed),
        }
        Ok(())
    }

    /// The next line of the body without its end.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        let found = self.body[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(found) = found else {
            self.searched = self.body.len();
            if self.ended && !self.body.is_empty() {
                self.searched = 0;
                return Some(std::mem::take(&mut self.body));
            }
            return None;
        };
        let rest = self.body.split_off(self.searched + found + 1);
        let mut line = std::mem::replace(&mut self.body, rest);
        self.searched = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(line)
    }

    /// Reads the head if it is all there; informational answers are skipped.
    fn head(&mut self) -> Result<bool, HttpError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let length = match response.parse(&self.raw) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if self.raw.len() < LONGEST_HEAD => return Ok(false),
                _ => return Err(HttpError::Malformed("not HTTP")),
            };
            let status = response.code.ok_or(HttpError::Malformed("no status"))?;
            let framing = framing(response.headers, status)?;
            self.raw.drain(..length);
            if (100..200).contains(&status) {
                continue;
            }
            self.status = Some(status);
            self.framing = framing;
            return Ok(true);
        }
    }

    /// Decodes what can be decoded and returns the rest.
    fn decode<'a>(&mut self, mut raw: &'a [u8]) -> Result<&'a [u8], HttpError> {
        loop {
            match self.framing {
                Framing::Unknown => return Ok(raw),
                Framing::UntilClose => {
                    self.body.extend_from_slice(raw);
                    return Ok(&[]);
                }
                Framing::Left(0) => {
                    self.ended = true;
                    return Ok(&[]);
                }
                Framing::Left(left) => match self.take(left, &mut raw) {
                    0 => return Ok(raw),
                    taken => self.framing = Framing::Left(left - taken),
                },
                Framing::ChunkSize => match httparse::parse_chunk_size(raw) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        raw = &raw[length..];
                        self.framing = match size {
                            0 => Framing::Trailer,
                            size => Framing::ChunkData(size),
                        };
                    }
                    Ok(httparse::Status::Partial) if raw.len() < LONGEST_HEAD => return Ok(raw),
                    _ => return Err(HttpError::Malformed("chunk")),
                },
                Framing::ChunkData(0) => self.framing = Framing::ChunkEnd,
                Framing::ChunkData(left) => match self.take(left, &mut raw) {
                    0 => return Ok(raw),
                    taken => self.framing = Framing::ChunkData(left - taken),
                },
                Framing::ChunkEnd if raw.len() < 2 => return Ok(raw),
                Framing::ChunkEnd if raw.starts_with(b"\r\n") => {
                    raw = &raw[2..];
                    self.framing = Framing::ChunkSize;
                }
                Framing::ChunkEnd => return Err(HttpError::Malformed("chunk")),
                // Nothing in a trailer is of interest, and the body is complete.
                Framing::Trailer => {
                    self.ended = true;
                    return Ok(&[]);
                }
            }
        }
    }

    fn take(&mut self, left: u64, raw: &mut &[u8]) -> u64 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(raw.len());
        self.body.extend_from_slice(&raw[..count]);
        *raw = &raw[count..];
        count as u64
    }
}

fn framing(headers: &[httparse::Header<'_>], status: u16) -> Result<Framing, HttpError> {
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    };
    if status == 204 || status == 304 {
        return Ok(Framing::Left(0));
    }
    match (value("transfer-encoding"), value("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::ChunkSize),
        (Some(_), _) => Err(HttpError::Malformed("transfer coding")),
        (None, Some(length)) => length.parse().map(Framing::Left).map_err(|_| HttpError::Malformed("length")),
        (None, None) => Ok(Framing::UntilClose),
    }
}

const MOST_HEADERS: usize = 64;
const LONGEST_HEAD: usize = 32 << 10;
/// Ten thousand hosts take about 10 MB.
const LONGEST_BODY: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n\
        5\r\n{\"a\":\r\n4;ext=1\r\n1}\n{\r\nc\r\n\"b\":2}\n\nlast\r\n0\r\n\r\n";
    const LENGTH: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 19\r\n\r\n{\"a\":1}\n{\"b\":2}\r\nzz";
    const CONTINUED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\nb";
    const CLOSED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\na\nb";

    /// Status, lines and whether it ended, for an answer that comes in two pieces.
    fn answer(bytes: &[u8], cut: usize) -> (Option<u16>, Vec<String>, bool) {
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        let mut collect = |decoder: &mut Decoder| {
            while let Some(line) = decoder.line() {
                lines.push(String::from_utf8(line).expect("text was sent"));
            }
        };
        for piece in [&bytes[..cut], &bytes[cut..]] {
            decoder.push(piece).expect("well formed");
            collect(&mut decoder);
        }
        let whole = decoder.close().is_ok();
        collect(&mut decoder);
        (decoder.status, lines, whole)
    }

    #[test]
    fn answers_are_the_same_wherever_they_are_cut() {
        let rows: [(&[u8], u16, &[&str]); 4] = [
            (CHUNKED, 200, &["{\"a\":1}", "{\"b\":2}", "", "last"]),
            (LENGTH, 404, &["{\"a\":1}", "{\"b\":2}", "zz"]),
            (CONTINUED, 200, &["a", "b"]),
            (CLOSED, 200, &["a", "b"]),
        ];
        for (bytes, status, lines) in rows {
            for cut in 0..=bytes.len() {
                let (seen_status, seen, whole) = answer(bytes, cut);
                assert_eq!(seen_status, Some(status), "cut at {cut}");
                assert_eq!(seen, lines, "cut at {cut}");
                assert!(whole, "cut at {cut}");
            }
        }
    }

    #[test]
    fn an_answer_that_stops_early_is_never_taken_for_whole() {
        for bytes in [CHUNKED, LENGTH, CONTINUED] {
            for length in 0..bytes.len() {
                let mut decoder = Decoder::default();
                decoder.push(&bytes[..length]).expect("well formed so far");
                // Without the last chunk's own line end nothing of the body is missing.
                if !decoder.ended {
                    assert!(matches!(decoder.close(), Err(HttpError::Closed)), "{length} bytes");
                }
            }
        }
    }

    #[test]
    fn nonsense_is_refused_and_bounded() {
        let rows: [&[u8]; 4] = [
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ];
        for bytes in rows {
            assert!(matches!(Decoder::default().push(bytes), Err(HttpError::Malformed(_))));
        }
        let endless = [b"HTTP/1.1 200 OK\r\nA: ", &vec![b'a'; LONGEST_HEAD][..]].concat();
        assert!(matches!(Decoder::default().push(&endless), Err(HttpError::Malformed(_))));
    }
}
