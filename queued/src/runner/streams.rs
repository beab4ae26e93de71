//! Bytes between the job's descriptors and the session's streams.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd;
use sys::terminal::{Modes, Size};
use wire::session::{Control, Endpoint, Stream};

use super::leader_link::LeaderLink;
use super::screen::Screen;
use crate::leader::message::Slot;

/// The streams of one session, and its screen if it has a terminal.
pub struct Streams {
    /// What a terminal of the client's shows.
    pub screen: Option<Screen>,
    /// What the leader has still to do: start the job, move the terminal's foreground. Until then
    /// keys wait, since the key for a signal would reach the group that is there now.
    orders: u32,
    /// Whether a slot was read to its end, or as far as it counts.
    drained: [bool; 4],
    /// Whether output of the terminal was forgotten since a client saw all of it.
    forgotten: bool,
}

/// What the job writes, in the order of its importance to a person.
pub const OUTPUTS: [(Slot, Stream); 3] =
    [(Slot::Tty, Stream::Tty), (Slot::Stderr, Stream::Stderr), (Slot::Stdout, Stream::Stdout)];

impl Streams {
    /// Streams with a screen of this size, if there is a terminal.
    pub fn new(size: Option<&Size>, has_started: bool) -> Self {
        let orders = u32::from(!has_started);
        Self { screen: size.map(Screen::new), orders, drained: [false; 4], forgotten: false }
    }

    /// The terminal has a new size.
    pub fn resize(&mut self, size: &Size, leader: &LeaderLink) {
        if let Some(screen) = &mut self.screen {
            screen.resize(size);
        }
        if let Some(master) = leader.slot(Slot::Tty) {
            // It cannot fail while the terminal is there.
            let _ = sys::terminal::set_size(master.as_fd(), size);
        }
    }

    /// The terminal has new modes, for all keys that follow.
    pub fn set_modes(&self, modes: &Modes, leader: &LeaderLink) {
        if let Some(master) = leader.slot(Slot::Tty) {
            // Odd modes are refused, which a local program would not notice either.
            let _ = sys::terminal::set_modes(master.as_fd(), modes);
        }
    }

    /// The leader was ordered to move the foreground.
    pub fn ordered(&mut self) {
        self.orders += 1;
    }

    /// It has done the oldest of its orders.
    pub fn carried_out(&mut self, leader: &mut LeaderLink, endpoint: &mut Endpoint) {
        self.orders = self.orders.saturating_sub(1);
        self.push(Stream::Tty, leader, endpoint);
    }

    /// What a client has to be shown that is back after output was forgotten.
    pub fn repaint(&mut self) -> Option<Vec<u8>> {
        let screen = self.screen.as_ref()?;
        std::mem::take(&mut self.forgotten).then(|| screen.repaint())
    }

    /// Shows the screen's last line anew. Where there is no room for it, much follows that will.
    pub fn repaint_last_line(&self, endpoint: &mut Endpoint) {
        let line = self.screen.as_ref().map(Screen::last_line).unwrap_or_default();
        if let Some(room) = endpoint.room(Stream::Tty).get_mut(..line.len()) {
            room.copy_from_slice(&line);
            endpoint.filled(Stream::Tty, line.len());
        }
    }

    /// Whether there is something to wait for on this output.
    pub fn wants(
        &self,
        slot: Slot,
        stream: Stream,
        leader: &LeaderLink,
        endpoint: &mut Endpoint,
        connected: bool,
    ) -> bool {
        leader.slot(slot).is_some()
            && !self.drained[slot as usize]
            && (stream == Stream::Tty && !connected || !endpoint.room(stream).is_empty())
    }

    /// Reads from the job once. Returns false when there was nothing.
    pub fn pull(
        &mut self,
        slot: Slot,
        stream: Stream,
        leader: &mut LeaderLink,
        endpoint: &mut Endpoint,
        connected: bool,
    ) -> bool {
        let Some(descriptor) = leader.slot(slot) else {
            return false;
        };
        if stream == Stream::Tty && !connected && endpoint.room(stream).is_empty() {
            // A terminal never holds up its job while nobody is there: what is forgotten
            // is repainted from the screen.
            endpoint.discard_oldest(stream, FORGOTTEN_AT_ONCE);
            self.forgotten = true;
        }
        let room = endpoint.room(stream);
        if room.is_empty() {
            return false;
        }
        match unistd::read(descriptor.as_fd(), room) {
            // The end of a terminal is EIO: the last process that had it open is gone.
            Ok(0) | Err(Errno::EIO) => {
                endpoint.finish(stream);
                self.drained[slot as usize] = true;
                leader.close(slot);
                false
            }
            Ok(count) => {
                if let (Stream::Tty, Some(screen)) = (stream, &mut self.screen) {
                    screen.feed(&room[..count]);
                }
                endpoint.filled(stream, count);
                true
            }
            Err(Errno::EAGAIN | Errno::EINTR) => false,
            Err(_) => {
                endpoint.finish(stream);
                self.drained[slot as usize] = true;
                leader.close(slot);
                false
            }
        }
    }

    /// After the job's end: reads what is there. Returns true when all of it is in the endpoint;
    /// false when a window is full and the client must take some first.
    pub fn drain(&mut self, leader: &mut LeaderLink, endpoint: &mut Endpoint, connected: bool) -> bool {
        for (slot, stream) in OUTPUTS {
            while !self.drained[slot as usize] && leader.slot(slot).is_some() {
                if self.pull(slot, stream, leader, endpoint, connected) {
                    continue;
                }
                if endpoint.room(stream).is_empty() && leader.slot(slot).is_some_and(has_something) {
                    return false;
                }
                // What children write later is not the job's.
                self.drained[slot as usize] = true;
                endpoint.finish(stream);
            }
        }
        true
    }

    /// Takes input of the client for the job: written as far as possible, the rest kept.
    pub fn input(&mut self, stream: Stream, bytes: &[u8], leader: &mut LeaderLink, endpoint: &mut Endpoint) {
        let waits = !endpoint.kept(stream).is_empty() || self.must_wait(stream);
        let written = if waits { Ok(0) } else { write(leader, stream, bytes) };
        match written {
            Ok(count) => {
                endpoint.consumed(stream, count);
                endpoint.keep(stream, &bytes[count..]);
            }
            Err(Gone) => {
                endpoint.consumed(stream, bytes.len());
                reader_gone(stream, leader, endpoint);
            }
        }
    }

    /// Writes what was kept, and closes the job's input after its end.
    pub fn push(&mut self, stream: Stream, leader: &mut LeaderLink, endpoint: &mut Endpoint) {
        if self.must_wait(stream) {
            return;
        }
        loop {
            let kept = endpoint.kept(stream);
            let length = kept.len();
            match write(leader, stream, kept) {
                Ok(0) => break,
                Ok(count) => endpoint.consumed(stream, count),
                Err(Gone) => {
                    endpoint.consumed(stream, length);
                    reader_gone(stream, leader, endpoint);
                }
            }
        }
        if stream == Stream::Stdin && endpoint.finished(stream) {
            leader.close(Slot::Stdin);
        }
    }

    /// Whether input of this stream is kept for now.
    pub fn must_wait(&self, stream: Stream) -> bool {
        stream == Stream::Tty && self.orders > 0
    }
}

/// The job has closed its input.
struct Gone;

/// Writes to the job as much as it takes now.
fn write(leader: &LeaderLink, stream: Stream, bytes: &[u8]) -> Result<usize, Gone> {
    let slot = if stream == Stream::Tty { Slot::Tty } else { Slot::Stdin };
    let Some(descriptor) = leader.slot(slot) else {
        return Ok(bytes.len());
    };
    let mut written = 0;
    while written < bytes.len() {
        match unistd::write(descriptor.as_fd(), &bytes[written..]) {
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => break,
            Err(_) => return Err(Gone),
        }
    }
    Ok(written)
}

/// Whoever read the job's input has gone: the client is told once.
fn reader_gone(stream: Stream, leader: &mut LeaderLink, endpoint: &mut Endpoint) {
    if stream == Stream::Stdin {
        leader.close(Slot::Stdin);
        // Should the control stream be full, the client notices at the end of the job.
        let _ = endpoint.control(&Control::Closed(Stream::Stdin));
    }
}

fn has_something(descriptor: &OwnedFd) -> bool {
    matches!(sys::terminal::unread_output(descriptor.as_fd()), Ok(1..))
}

/// How much of a terminal's oldest output is forgotten when its window is full.
const FORGOTTEN_AT_ONCE: usize = 64 * 1024;
