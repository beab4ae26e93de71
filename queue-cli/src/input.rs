//! What the job reads: standard input as a stream of bytes, or keys from the terminal.
//!
//! Nothing is read that the session has no room for, so that a full window stops whoever
//! writes into our standard input as a full pipe would. A terminal is read only while this
//! process is in its foreground: a read from the background would stop us, but it is the job,
//! not the proxy, that has to stop for reading too much.

use std::io::stdin;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use wire::session::{Endpoint, Stream};

use crate::description::{Source, Taken};
use crate::escape::{Command, Escapes};
use crate::output::close_standard;
use crate::terminal::Terminal;

/// Standard input as a stream.
pub struct Input {
    source: Option<Source>,
}

impl Input {
    /// Standard input.
    pub fn standard() -> Self {
        Self { source: Source::of(stdin().as_fd()).ok() }
    }

    /// Nothing: the job has its own.
    pub fn none() -> Self {
        Self { source: None }
    }

    /// Whether there is nothing to read any more, or never was.
    pub fn is_over(&self) -> bool {
        self.source.is_none()
    }

    /// Where to wait for more, while there is room for it.
    pub fn wait(&self, endpoint: &mut Endpoint) -> Option<BorrowedFd<'_>> {
        let source = self.source.as_ref()?;
        (!endpoint.room(Stream::Stdin).is_empty()).then(|| source.as_fd())
    }

    /// Reads once. The error is one of reading, after which the job sees the end.
    pub fn read(&mut self, endpoint: &mut Endpoint) -> Result<(), Errno> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let (over, result) = match source.read(endpoint.room(Stream::Stdin)) {
            Ok(Taken::Bytes(count)) => {
                endpoint.filled(Stream::Stdin, count);
                (false, Ok(()))
            }
            Ok(Taken::Blocked) => (false, Ok(())),
            Ok(Taken::End) => (true, Ok(())),
            // From the background of a terminal that nobody can bring back.
            Err(Errno::EIO) => (true, Ok(())),
            Err(error) => (true, Err(error)),
        };
        if over {
            endpoint.finish(Stream::Stdin);
            self.source = None;
        }
        result
    }

    /// The job has closed its end: whoever writes into ours gets to know.
    pub fn reader_gone(&mut self) {
        if self.source.take().is_some() {
            close_standard(&[Stream::Stdin]);
        }
    }
}

/// Keys from the terminal.
#[derive(Default)]
pub struct Keys {
    escapes: Option<Escapes>,
    /// The last key that is a signal here, and when it was typed.
    signal: Option<(i32, Instant)>,
    /// The terminal has hung up; asked again only when it was given to us anew.
    over: bool,
}

impl Keys {
    /// Whether a key has lately asked for this signal.
    pub fn asked_for(&self, number: i32) -> bool {
        self.signal.is_some_and(|(asked, at)| asked == number && at.elapsed() < BY_KEY)
    }

    /// Keys among which escapes are recognised.
    pub fn with_escapes() -> Self {
        Self { escapes: Some(Escapes::default()), ..Self::default() }
    }

    /// The terminal is ours again.
    pub fn renew(&mut self) {
        self.over = false;
    }

    /// Whether keys are to be waited for. One byte of room is for a `~` that is held back.
    pub fn wants(&self, endpoint: &mut Endpoint) -> bool {
        !self.over && endpoint.room(Stream::Tty).len() > 1
    }

    /// Reads once and passes on what is for the job; what is for us is returned.
    pub fn read(&mut self, terminal: &Terminal, endpoint: &mut Endpoint) -> Vec<Command> {
        let Some(escapes) = &mut self.escapes else {
            match terminal.read(endpoint.room(Stream::Tty)) {
                Ok(Taken::Bytes(count)) => endpoint.filled(Stream::Tty, count),
                Ok(Taken::Blocked) => {}
                Ok(Taken::End) | Err(_) => self.over = true,
            }
            return Vec::new();
        };
        let mut typed = [0; MOST_TYPED];
        let most = endpoint.room(Stream::Tty).len().saturating_sub(1).min(MOST_TYPED);
        let count = match terminal.read(&mut typed[..most]) {
            Ok(Taken::Bytes(count)) => count,
            Ok(Taken::Blocked) => 0,
            Ok(Taken::End) | Err(_) => {
                self.over = true;
                0
            }
        };
        for (key, number) in terminal.signal_keys() {
            if key != 0 && typed[..count].contains(&key) {
                self.signal = Some((number, Instant::now()));
            }
        }
        let (mut typed, mut commands) = (&typed[..count], Vec::new());
        let mut for_job = Vec::with_capacity(count + 1);
        while !typed.is_empty() {
            let (taken, command) = escapes.take(typed, &mut for_job);
            typed = &typed[taken..];
            commands.extend(command);
        }
        fill(endpoint, &for_job);
        commands
    }
}

/// Puts bytes into the terminal's stream, which has room for them.
fn fill(endpoint: &mut Endpoint, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let room = endpoint.room(Stream::Tty);
        let count = room.len().min(bytes.len());
        if count == 0 {
            return;
        }
        room[..count].copy_from_slice(&bytes[..count]);
        endpoint.filled(Stream::Tty, count);
        bytes = &bytes[count..];
    }
}

/// A job that dies of a signal so long after its key has died of the key.
const BY_KEY: Duration = Duration::from_secs(2);
/// Read at once; a paste comes in several.
const MOST_TYPED: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::Side;

    #[test]
    fn keys_fill_the_window_and_not_more() {
        let mut endpoint = Endpoint::new(Side::Client);
        let keys = Keys::with_escapes();
        assert!(keys.wants(&mut endpoint));
        fill(&mut endpoint, &vec![b'a'; Stream::Tty.window() - 1]);
        assert!(!keys.wants(&mut endpoint));
        assert_eq!(endpoint.unacknowledged(Stream::Tty), Stream::Tty.window() as u64 - 1);
    }
}
