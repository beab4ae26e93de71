//! Undoing one of two newline translations.
//!
//! The job's terminal turns each `\n` into `\r\n`. Where the local terminal translates too,
//! because it was left alone or keeps output processing, the person would get `\r\r\n`. So the
//! one carriage return before a line feed is taken out, and the local terminal puts it back.
//! A carriage return at the end of a piece is held until the next byte is known.

use nix::errno::Errno;

use crate::description::Sink;

/// Translates for one terminal.
#[derive(Debug, Default)]
pub struct Newlines {
    held: bool,
}

impl Newlines {
    /// Writes `bytes` translated, as far as they are taken; says how many are done with.
    pub fn write(&mut self, sink: &Sink, bytes: &[u8]) -> Result<usize, Errno> {
        let mut done = 0;
        while done < bytes.len() {
            let piece = &bytes[done..bytes.len().min(done + PIECE)];
            let before = self.held;
            let mut translated = Vec::with_capacity(piece.len() + 1);
            let taken = translate(&mut self.held, piece, usize::MAX, &mut translated);
            let written = sink.write(&translated)?;
            if written == translated.len() {
                done += taken;
                continue;
            }
            // As much of it again as was written, to know how far that is in the original.
            self.held = before;
            translated.clear();
            done += translate(&mut self.held, piece, written, &mut translated);
            break;
        }
        Ok(done)
    }

    /// Nothing follows for now: what was held is written, if there is room for it.
    pub fn flush(&mut self, sink: &Sink) {
        if self.held && sink.write(b"\r") == Ok(1) {
            self.held = false;
        }
    }
}

/// Appends at most `room` bytes of the translation; says how many of `bytes` that is.
fn translate(held: &mut bool, bytes: &[u8], room: usize, translated: &mut Vec<u8>) -> usize {
    let mut done = 0;
    while let Some(&byte) = bytes.get(done) {
        if byte == b'\r' && !*held {
            *held = true;
            done += 1;
            continue;
        }
        if translated.len() == room {
            break;
        }
        if *held && byte != b'\n' {
            translated.push(b'\r');
        } else {
            translated.push(byte);
            done += 1;
        }
        *held = false;
    }
    done
}

const PIECE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The translation when it is taken `room` bytes at a time, and what was held at the end.
    fn in_steps(bytes: &[u8], room: usize) -> (Vec<u8>, bool) {
        let (mut held, mut done, mut all) = (false, 0, Vec::new());
        while done < bytes.len() {
            let mut piece = Vec::new();
            done += translate(&mut held, &bytes[done..], room, &mut piece);
            assert!(piece.len() <= room);
            all.extend(piece);
        }
        (all, held)
    }

    #[test]
    fn exactly_the_return_that_the_other_terminal_added_is_taken_out() {
        let rows: [(&[u8], &[u8], bool); 7] = [
            (b"one\r\ntwo\r\n", b"one\ntwo\n", false),
            (b"\rprogress 10 %\rprogress 20 %", b"\rprogress 10 %\rprogress 20 %", false),
            (b"\r\r\n", b"\r\n", false),
            (b"\n\n", b"\n\n", false),
            (b"end\r", b"end", true),
            (b"\r\r", b"\r", true),
            (b"\r\n\r", b"\n", true),
        ];
        for (bytes, translated, held) in rows {
            for room in [1, 2, 3, 100] {
                assert_eq!(in_steps(bytes, room), (translated.to_vec(), held), "{bytes:?} by {room}");
            }
        }
    }

    #[test]
    fn a_slow_terminal_loses_and_doubles_nothing() {
        let (ours, theirs) = sys::descriptors::pipe().expect("a pipe");
        let sink = Sink::of(std::os::fd::AsFd::as_fd(&theirs)).expect("a pipe");
        let lines = (0..40_000).map(|line| format!("line {line}\r\n")).collect::<String>();
        let mut newlines = Newlines::default();
        let (mut rest, mut got) = (lines.as_bytes(), Vec::new());
        let mut buffer = vec![0; 1000];
        while got.len() < lines.replace('\r', "").len() {
            rest = &rest[newlines.write(&sink, rest).expect("a reader is there")..];
            let count = nix::unistd::read(&ours, &mut buffer).expect("bytes are there");
            got.extend_from_slice(&buffer[..count]);
        }
        assert!(rest.is_empty());
        assert!(got == lines.replace('\r', "").into_bytes());
    }
}
