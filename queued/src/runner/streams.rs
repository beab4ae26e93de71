//! Bytes between the job's descriptors and the session's streams.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::unistd;
use sys::terminal::{Modes, Size};
use wire::job::Job;
use wire::link::Link;
use wire::session::{Control, Endpoint, Hello, Stream};

use super::arrival::Socket;
use super::batching::Batching;
use super::display::{Audience, Display};
use super::leader_link::LeaderLink;
use super::spill::Spill;
use super::tee::Tee;
use super::viewers::Viewers;
use crate::leader::message::Slot;

/// The streams of one session.
pub struct Streams {
    /// What the client of a terminal has been shown.
    pub display: Display,
    /// Those who look at the terminal besides.
    pub viewers: Viewers,
    /// How much the leader has still to do: start the job, move the terminal's foreground, send a
    /// signal. Until then keys wait.
    orders: u32,
    /// Whether a slot was read to its end, or as far as it counts.
    drained: [bool; 4],
    /// When the pipes are read, by slot.
    batching: [Batching; 4],
    /// Where a copy of all output goes.
    pub tee: Tee,
    /// Where the pipes' output goes while nobody takes it, by slot.
    spills: [Spill; 4],
    /// More will come: after the job's end all is read at once.
    flows: bool,
}

/// What the job writes, in the order of its importance to a person.
pub const OUTPUTS: [(Slot, Stream); 3] =
    [(Slot::Tty, Stream::Tty), (Slot::Stderr, Stream::Stderr), (Slot::Stdout, Stream::Stdout)];

impl Streams {
    /// Streams with a screen of this size, if there is a terminal.
    pub fn new(size: Option<&Size>, has_started: bool, job: &Job) -> Self {
        Self {
            tee: Tee::of(job),
            spills: std::array::from_fn(|_| Spill::new(job.spill.unwrap_or(0))),
            display: Display::new(size),
            viewers: Viewers::default(),
            orders: u32::from(!has_started),
            drained: [false; 4],
            batching: Default::default(),
            flows: true,
        }
    }

    /// The terminal has a new size.
    pub fn resize(&mut self, size: &Size, leader: &LeaderLink) {
        self.display.resize(size);
        self.viewers.resized(size);
        if let Some(master) = leader.slot(Slot::Tty) {
            // It cannot fail while the terminal is there.
            let _ = sys::terminal::set_size(master.as_fd(), size);
        }
    }

    /// Lets somebody look at the terminal.
    pub fn view(&mut self, session: &str, link: Link<Socket>, hello: &Hello) {
        if let Some(screen) = self.display.screen() {
            self.viewers.add(session, link, hello, screen);
        }
    }

    /// Goes on with those who look.
    pub fn show_viewers(&mut self) {
        self.viewers.advance(self.display.screen());
    }

    /// The terminal has new modes, for all keys that follow.
    pub fn set_modes(&self, modes: &Modes, leader: &LeaderLink) {
        if let Some(master) = leader.slot(Slot::Tty) {
            // Odd modes are refused, which a local program would not notice either.
            let _ = sys::terminal::set_modes(master.as_fd(), modes);
        }
    }

    /// The leader was given an order.
    pub fn ordered(&mut self) {
        self.orders += 1;
    }

    /// It has done the oldest of its orders.
    pub fn carried_out(&mut self, leader: &mut LeaderLink, endpoint: &mut Endpoint) {
        self.orders = self.orders.saturating_sub(1);
        self.push(Stream::Tty, leader, endpoint);
    }

    /// Whether there is something to wait for on this output.
    pub fn wants(
        &mut self,
        slot: Slot,
        stream: Stream,
        leader: &LeaderLink,
        endpoint: &mut Endpoint,
        audience: Audience,
    ) -> bool {
        leader.slot(slot).is_some()
            && !self.drained[slot as usize]
            && match stream {
                Stream::Tty => self.display.makes_room(endpoint, audience, Instant::now()),
                _ => {
                    self.has_room(slot, stream, endpoint)
                        && !(self.flows && self.batching[slot as usize].waits(Instant::now()))
                }
            }
    }

    /// Whether a pipe's output has somewhere to go.
    fn has_room(&self, slot: Slot, stream: Stream, endpoint: &Endpoint) -> bool {
        let spill = &self.spills[slot as usize];
        spill.is_empty() && endpoint.has_room(stream) || spill.has_room()
    }

    /// Moves on what was put aside.
    pub fn unspill(&mut self, endpoint: &mut Endpoint) {
        for (slot, stream) in OUTPUTS {
            self.spills[slot as usize].move_on(stream, endpoint);
        }
    }

    /// Lines for the person about copies that cannot be kept.
    pub fn take_failures(&mut self) -> Vec<String> {
        self.spills.iter_mut().filter_map(Spill::take_failure).chain(self.tee.take_failure()).collect()
    }

    /// When a pipe that is left alone for a moment is to be looked at again.
    pub fn next_look(&self) -> Option<Instant> {
        self.batching.iter().filter_map(Batching::deadline).min()
    }

    /// Reads from the job what one record carries, and returns whether there was something. A terminal
    /// gives less than that at once, and each record costs both ends a system call.
    pub fn pull_record(
        &mut self,
        slot: Slot,
        stream: Stream,
        leader: &mut LeaderLink,
        endpoint: &mut Endpoint,
        audience: Audience,
    ) -> bool {
        let mut count = self.pull(slot, stream, leader, endpoint, audience);
        let any = count > 0;
        for _ in 0..MORE_READS {
            if stream != Stream::Tty || count < FULL_READ {
                break;
            }
            count = self.pull(slot, stream, leader, endpoint, audience);
        }
        any
    }

    /// Reads from the job once: how many bytes, 0 when there was nothing.
    fn pull(
        &mut self,
        slot: Slot,
        stream: Stream,
        leader: &mut LeaderLink,
        endpoint: &mut Endpoint,
        audience: Audience,
    ) -> usize {
        if !self.wants(slot, stream, leader, endpoint, audience) {
            return 0;
        }
        let Some(descriptor) = leader.slot(slot) else {
            return 0;
        };
        // Behind what was put aside comes what is put aside.
        let spill = &mut self.spills[slot as usize];
        let aside = !spill.is_empty() || !endpoint.has_room(stream);
        let mut beside = if aside { vec![0; PUT_ASIDE] } else { Vec::new() };
        let room = if aside { &mut beside[..] } else { endpoint.room(stream) };
        let batching = &mut self.batching[slot as usize];
        let available = || sys::descriptors::readable_bytes(descriptor.as_fd()).unwrap_or(usize::MAX);
        if stream != Stream::Tty && self.flows && !batching.reads(available, Instant::now()) {
            return 0;
        }
        match unistd::read(descriptor.as_fd(), room) {
            Ok(count @ 1..) => {
                match stream {
                    Stream::Tty => {
                        self.display.feed(&room[..count]);
                        self.viewers.feed(&room[..count]);
                    }
                    _ => batching.took(count, Instant::now()),
                }
                self.tee.write(&room[..count]);
                if !aside {
                    endpoint.filled(stream, count);
                } else if !spill.put(&room[..count]) {
                    // What was read must not be lost: it is more than the window, once.
                    spill.keep(beside, count);
                }
                count
            }
            Err(Errno::EAGAIN | Errno::EINTR) => 0,
            // The end of a terminal is EIO: the last process that had it open is gone.
            Ok(0) | Err(_) => {
                spill.end();
                spill.move_on(stream, endpoint);
                self.drained[slot as usize] = true;
                leader.close(slot);
                0
            }
        }
    }

    /// After the job's end: reads what is there. Returns true when all of it is in the endpoint;
    /// false when a window is full and the client must take some first.
    /// `patient`: pipes that children of the job hold are not at their end yet.
    pub fn drain(
        &mut self,
        leader: &mut LeaderLink,
        endpoint: &mut Endpoint,
        audience: Audience,
        patient: bool,
    ) -> bool {
        self.display.give_up_repaint();
        self.flows = false;
        let mut all = true;
        for (slot, stream) in OUTPUTS {
            while !self.drained[slot as usize] && leader.slot(slot).is_some() {
                if self.pull(slot, stream, leader, endpoint, audience) > 0 || self.drained[slot as usize] {
                    continue;
                }
                if !self.has_room(slot, stream, endpoint) && leader.slot(slot).is_some_and(has_something) {
                    return false;
                }
                // The terminal's leader has hung it up.
                if patient && stream != Stream::Tty {
                    all = false;
                    break;
                }
                // What children write later is not the job's.
                self.drained[slot as usize] = true;
                self.spills[slot as usize].end();
            }
        }
        self.unspill(endpoint);
        all && self.spills.iter().all(Spill::is_empty)
    }

    /// Whether somebody may still write into a pipe of the job.
    pub fn has_open_pipes(&self, leader: &LeaderLink) -> bool {
        let is_open = |slot: Slot| leader.slot(slot).is_some() && !self.drained[slot as usize];
        is_open(Slot::Stdout) || is_open(Slot::Stderr)
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

/// What the kernel gives of a terminal at once, but for the byte it keeps free.
const FULL_READ: usize = 4095;
/// Read at once into a file.
const PUT_ASIDE: usize = 64 * 1024;
/// With the first read, less than a TLS record.
const MORE_READS: usize = 3;
