//! `--spill`: where a pipe's output goes while nobody takes it and its window is full, so that the job
//! need not wait: a file without a name, on the job's host, of bounded length.
//!
//! It dies with the runner; what was in it is then a gap that the client names like any other. So is
//! what a broken disk does not give back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use wire::session::{Control, Endpoint, Gap, Stream};

use super::convert::words;

/// The file of one pipe.
#[derive(Default)]
pub struct Spill {
    most: u64,
    file: Option<File>,
    /// What was moved on, and what was put in, since the file was empty last.
    read: u64,
    written: u64,
    /// What could not be put into the file although it was read already.
    kept: Vec<u8>,
    /// What the disk did not give back and the client was not told of yet.
    lost: u64,
    /// The job has closed the pipe.
    ended: bool,
    failure: Option<String>,
}

impl Spill {
    /// One of at most so many bytes; 0 for none.
    pub fn new(most: u64) -> Self {
        Self { most, ..Self::default() }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.read == self.written && self.kept.is_empty() && self.lost == 0
    }

    /// Whether it takes more.
    pub fn has_room(&self) -> bool {
        self.written < self.most
    }

    /// Takes what the job has written. One that cannot be written takes no more.
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        match self.append(bytes) {
            Ok(()) => {
                self.written += bytes.len() as u64;
                true
            }
            Err(error) => {
                self.most = 0;
                let why = words(&error);
                self.failure = Some(format!("cannot write what nobody reads aside (--spill): {why}; the job waits"));
                false
            }
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(nameless()?);
        }
        match &self.file {
            Some(file) => file.write_all_at(bytes, self.written),
            None => Ok(()),
        }
    }

    /// Keeps what [`Spill::put`] has not taken.
    pub fn keep(&mut self, mut bytes: Vec<u8>, count: usize) {
        bytes.truncate(count);
        self.kept = bytes;
    }

    /// Behind all that is in it the stream ends.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Moves as much on as there is room for.
    pub fn move_on(&mut self, stream: Stream, endpoint: &mut Endpoint) {
        while self.read < self.written && endpoint.has_room(stream) {
            let room = endpoint.room(stream);
            let most = usize::try_from(self.written - self.read).map_or(room.len(), |left| left.min(room.len()));
            let Some(file) = &self.file else {
                break;
            };
            match read_some(file, &mut room[..most], self.read) {
                Ok(count) => {
                    endpoint.filled(stream, count);
                    self.read += count as u64;
                }
                Err(error) => self.lose(&error),
            }
        }
        if self.lost > 0 {
            // Without room for this word nothing moves on: an end that says otherwise must not come.
            let gap = Control::Gap(Gap { stream, bytes: Some(self.lost) });
            if endpoint.control(&gap).is_err() {
                return;
            }
            self.lost = 0;
        }
        while self.read == self.written && !self.kept.is_empty() && endpoint.has_room(stream) {
            let room = endpoint.room(stream);
            let count = room.len().min(self.kept.len());
            room[..count].copy_from_slice(&self.kept[..count]);
            endpoint.filled(stream, count);
            self.kept.drain(..count);
        }
        if self.is_empty() && self.written > 0 {
            // The space goes back to the disk.
            (self.file, self.read, self.written) = (None, 0, 0);
        }
        if self.is_empty() && self.ended {
            endpoint.finish(stream);
        }
    }

    /// A file that we hold open and have written gives its bytes back, or the disk is broken: then all
    /// that is left in it is lost, and no more is entrusted to it.
    fn lose(&mut self, error: &io::Error) {
        self.lost += self.written - self.read;
        self.read = self.written;
        self.most = 0;
        let why = words(error);
        self.failure =
            Some(format!("cannot read what was written aside (--spill): {why}; it is lost, and the job waits"));
    }

    /// Why it takes no more, once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}

/// Reads what is there, which is something.
fn read_some(file: &File, room: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(room, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// On a disk where there is one: /tmp is often memory.
fn nameless() -> io::Result<File> {
    let open = |directory: &std::path::Path| {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(nix::libc::O_TMPFILE).open(directory)
    };
    open("/var/tmp".as_ref()).or_else(|_| open(&std::env::temp_dir()))
}

#[cfg(test)]
mod tests {
    use wire::session::{Event, HelloKind, Side};

    use super::*;

    #[test]
    fn what_was_put_in_comes_out_in_order_and_then_the_end() {
        let (mut spill, mut endpoint) = (Spill::new(10 << 20), Endpoint::new(Side::Runner));
        let whole = (0..2_000_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        for piece in whole.chunks(64 * 1024) {
            assert!(spill.has_room() && spill.put(piece));
        }
        spill.end();
        spill.move_on(Stream::Stdout, &mut endpoint);
        assert!(!spill.is_empty(), "a window is smaller");
        assert_eq!(endpoint.unacknowledged(Stream::Stdout), Stream::Stdout.window() as u64);
        endpoint.discard_oldest(Stream::Stdout, Stream::Stdout.window());
        spill.move_on(Stream::Stdout, &mut endpoint);
        assert!(spill.is_empty());
        // All of it, and the end is one more.
        assert_eq!(endpoint.unacknowledged(Stream::Stdout), whole.len() as u64 - Stream::Stdout.window() as u64 + 1);
    }

    /// All that a client hears of a session that begins.
    fn heard(runner: &mut Endpoint) -> (Vec<u8>, Vec<Control>, bool) {
        let mut client = Endpoint::new(Side::Client);
        client.connect("one", HelloKind::Start, 0);
        runner.connect("one", HelloKind::Start, 0);
        let (mut bytes, mut controls, mut ended) = (Vec::new(), Vec::new(), false);
        while client.wants_transmit() || runner.wants_transmit() {
            while let Some(frame) = client.transmit() {
                let all = [&frame.header[..], frame.payload].concat();
                let mut rest = &all[..];
                while runner.receive(&mut rest).expect("a client of ours").is_some() {}
            }
            while let Some(frame) = runner.transmit() {
                let all = [&frame.header[..], frame.payload].concat();
                let mut rest = &all[..];
                while let Some(event) = client.receive(&mut rest).expect("a runner of ours") {
                    match event {
                        Event::Data { stream, bytes: data } => {
                            bytes.extend_from_slice(data);
                            client.consumed(stream, data.len());
                        }
                        Event::Control(control) => controls.push(control),
                        Event::Eof(_) => ended = true,
                        _ => {}
                    }
                }
            }
        }
        (bytes, controls, ended)
    }

    /// A disk that took bytes and does not give them back left the session draining for ever.
    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
        let file = File::options().write(true).open("/dev/null").expect("there is one");
        let mut spill = Spill { most: 1 << 20, file: Some(file), ..Spill::default() };
        let mut endpoint = Endpoint::new(Side::Runner);
        assert!(spill.put(&[b'x'; 1000]));
        spill.keep(b"kept, and more".to_vec(), 4);
        spill.end();
        // The client acknowledges nothing: there is no room even for the word.
        while endpoint.control(&Control::Continued).is_ok() {}
        spill.move_on(Stream::Stdout, &mut endpoint);
        assert!(!spill.is_empty(), "an end must not come before it was said what is missing");
        assert_eq!(endpoint.unacknowledged(Stream::Stdout), 0);
        let mut endpoint = Endpoint::new(Side::Runner);
        spill.move_on(Stream::Stdout, &mut endpoint);
        assert!(spill.is_empty() && !spill.has_room());
        assert!(spill.take_failure().is_some_and(|line| line.contains("cannot read") && line.contains("bad file")));
        let gap = Control::Gap(Gap { stream: Stream::Stdout, bytes: Some(1000) });
        assert_eq!(heard(&mut endpoint), (b"kept".to_vec(), vec![gap], true));
    }

    #[test]
    fn it_takes_no_more_than_it_may() {
        let mut spill = Spill::new(100);
        assert!(spill.has_room() && spill.put(&[1; 100]));
        assert!(!spill.has_room());
        assert!(!Spill::default().has_room());
    }
}
