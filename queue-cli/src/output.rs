//! What the job writes, on its way to where this process's own output goes.
//!
//! Bytes are written straight from where they were received or decrypted. What is not taken at
//! once is kept in the endpoint, at most a window, and written when poll says so; the window
//! then stops the job as a full pipe would. A destination that has gone takes no more: the job
//! is told, and gets SIGPIPE as it would have got it here.

use std::io::{stderr, stdout};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use wire::session::{Endpoint, Stream};

use crate::description::Sink;
use crate::insertions::Insertions;
use crate::newlines::Newlines;
use crate::traces::Traces;

/// The destinations of a session's output.
#[derive(Default)]
pub struct Output {
    stdout: Destination,
    stderr: Destination,
    tty: Destination,
    newlines: Newlines,
    /// What the job has left switched on the tty.
    traces: Traces,
    /// The job's last byte on the tty ended no line.
    in_line: bool,
    /// Our own words on the tty.
    insertions: Insertions,
    /// Whether newlines of the tty are translated back, because the local terminal does it too.
    pub translates: bool,
    /// Destinations that were lost since the last look, and why.
    lost: Vec<(Stream, Errno)>,
}

#[derive(Default)]
enum Destination {
    /// Not used yet.
    #[default]
    Unopened,
    Open(Sink),
    Gone,
}

impl Output {
    /// The tty's output goes here.
    pub fn set_tty(&mut self, sink: Option<Sink>) {
        self.tty = sink.map_or(Destination::Gone, Destination::Open);
    }

    /// Takes bytes that have just come in.
    pub fn take(&mut self, stream: Stream, bytes: &[u8], endpoint: &mut Endpoint) {
        if stream == Stream::Tty {
            self.traces.feed(bytes);
            self.in_line = bytes.last().is_some_and(|last| *last != b'\n');
        }
        let written = match endpoint.kept(stream) {
            [] => self.write(stream, bytes),
            _ => 0,
        };
        endpoint.consumed(stream, written);
        endpoint.keep(stream, &bytes[written..]);
    }

    /// Writes what was kept, as far as it is taken.
    pub fn push(&mut self, stream: Stream, endpoint: &mut Endpoint) {
        loop {
            let kept = endpoint.kept(stream);
            if kept.is_empty() {
                if stream == Stream::Tty {
                    self.insert();
                }
                return;
            }
            let (length, written) = (kept.len(), self.write(stream, kept));
            endpoint.consumed(stream, written);
            if written < length {
                return;
            }
        }
    }

    /// The streams with something kept, and where to wait for room for it.
    pub fn waits(&self, endpoint: &Endpoint) -> Vec<(Stream, BorrowedFd<'_>)> {
        let has_more = |stream: &Stream| {
            !endpoint.kept(*stream).is_empty() || (*stream == Stream::Tty && !self.insertions.is_empty())
        };
        OUTGOING
            .into_iter()
            .filter(has_more)
            .filter_map(|stream| match self.destination(stream) {
                Destination::Open(sink) => Some((stream, sink.as_fd())),
                Destination::Unopened | Destination::Gone => None,
            })
            .collect()
    }

    /// Whether everything that came in was written.
    pub fn is_done(&self, endpoint: &Endpoint) -> bool {
        OUTGOING.into_iter().all(|stream| endpoint.kept(stream).is_empty()) && self.insertions.is_empty()
    }

    /// Nothing follows on the terminal for now.
    pub fn flush_tty(&mut self) {
        if let Destination::Open(sink) = &self.tty {
            self.newlines.flush(sink);
        }
    }

    /// The place in the tty's stream up to which the terminal has taken it.
    pub fn taken_by_tty(&self) -> u64 {
        self.insertions.place(0)
    }

    /// The place in the tty's stream behind all that has come in.
    pub fn end_of_tty(&self, endpoint: &Endpoint) -> u64 {
        self.insertions.place(endpoint.kept(Stream::Tty).len())
    }

    /// A line of our own at a place in the tty's stream, at the start of a line.
    pub fn say_on_tty(&mut self, at: u64, text: &str) {
        self.insertions.put(at, format!("\r\n{text}\r\n").as_bytes());
        self.insert();
    }

    /// Bytes of our own that are written as they are, before all that the terminal has not taken yet.
    pub fn draw_on_tty(&mut self, bytes: &[u8]) {
        self.insertions.put(self.insertions.place(0), bytes);
        self.insert();
    }

    /// The job is left behind: the tty goes back to how a shell expects it, at the start of a line.
    pub fn leave_tty(&mut self) {
        let undo = self.traces.undo();
        // The other screen has a cursor of its own.
        let newline: &[u8] = if self.in_line && !self.traces.has_other_screen() { b"\r\n" } else { b"" };
        let all = [&undo[..], newline].concat();
        if !all.is_empty() {
            self.draw_on_tty(&all);
        }
    }

    /// Writes what of our own is due on the tty; says whether all of it was taken.
    fn insert(&mut self) -> bool {
        let Destination::Open(sink) = &self.tty else {
            self.insertions.clear();
            return true;
        };
        while let Some(bytes) = self.insertions.due() {
            self.newlines.flush(sink);
            let length = bytes.len();
            match sink.write(bytes) {
                Ok(count) => {
                    self.insertions.advance(count);
                    if count < length {
                        return false;
                    }
                }
                // The job's bytes will find it too, and say so.
                Err(_) => self.insertions.clear(),
            }
        }
        true
    }

    /// The job has closed this stream and all of it was written: our own copy is closed too, so
    /// that whoever reads it here sees the end when the job meant it, not when the job ends.
    pub fn close(&mut self, stream: Stream) {
        let destination = self.destination_mut(stream);
        if !matches!(destination, Destination::Gone) {
            *destination = Destination::Gone;
            close_standard(&[stream]);
        }
    }

    /// Destinations that were lost since the last call.
    pub fn take_lost(&mut self) -> Vec<(Stream, Errno)> {
        std::mem::take(&mut self.lost)
    }

    /// How much of `bytes` is done with.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> usize {
        if stream != Stream::Tty {
            return self.write_piece(stream, bytes);
        }
        let mut written = 0;
        while written < bytes.len() && self.insert() {
            let rest = &bytes[written..];
            let piece = &rest[..self.insertions.allowed(rest.len())];
            let count = self.write_piece(stream, piece);
            self.insertions.job_wrote(count);
            written += count;
            if count < piece.len() {
                break;
            }
        }
        written
    }

    fn write_piece(&mut self, stream: Stream, bytes: &[u8]) -> usize {
        if let destination @ Destination::Unopened = self.destination_mut(stream) {
            let opened = match stream {
                Stream::Stdout => Sink::of(stdout().as_fd()),
                _ => Sink::of(stderr().as_fd()),
            };
            match opened {
                Ok(sink) => *destination = Destination::Open(sink),
                Err(error) => return self.lose(stream, error, bytes),
            }
        }
        let newlines = &mut self.newlines;
        let result = match (stream, &self.tty, &self.stdout, &self.stderr) {
            (Stream::Tty, Destination::Open(sink), ..) if self.translates => newlines.write(sink, bytes),
            (Stream::Tty, Destination::Open(sink), ..)
            | (Stream::Stdout, _, Destination::Open(sink), _)
            | (Stream::Stderr, _, _, Destination::Open(sink)) => {
                if stream == Stream::Tty {
                    newlines.flush(sink);
                }
                sink.write(bytes)
            }
            _ => return bytes.len(),
        };
        match result {
            Ok(count) => count,
            Err(error) => self.lose(stream, error, bytes),
        }
    }

    fn lose(&mut self, stream: Stream, error: Errno, bytes: &[u8]) -> usize {
        *self.destination_mut(stream) = Destination::Gone;
        if stream == Stream::Tty {
            self.insertions.clear();
        }
        self.lost.push((stream, error));
        bytes.len()
    }

    fn destination(&self, stream: Stream) -> &Destination {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
            _ => &self.tty,
        }
    }

    fn destination_mut(&mut self, stream: Stream) -> &mut Destination {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            _ => &mut self.tty,
        }
    }
}

/// Puts the null device in the place of standard input or output. Standard error stays: it is
/// where our own sentences go.
pub fn close_standard(streams: &[Stream]) {
    let Ok(null) = std::fs::File::options().read(true).write(true).open("/dev/null") else {
        return;
    };
    for stream in streams {
        // Should it fail, whoever waits for the end sees it a little later.
        let _ = match stream {
            Stream::Stdin => nix::unistd::dup2_stdin(&null),
            Stream::Stdout => nix::unistd::dup2_stdout(&null),
            _ => Ok(()),
        };
    }
}

const OUTGOING: [Stream; 3] = [Stream::Stdout, Stream::Stderr, Stream::Tty];
