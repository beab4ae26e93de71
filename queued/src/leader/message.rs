//! What runner and leader say to each other: records of one fixed size, so that the leader needs
//! no memory for them, with descriptors riding along where noted.
//!
//! | to the leader | payload | descriptors |
//! |---|---|---|
//! | `Open` | mask of descriptors that are the terminal, socket name | |
//! | `Assign` | | the assignment's memory file |
//! | `Release` | foreground, mask of descriptors | the client's own, in order |
//! | `Signal` | number | |
//! | `Foreground` | yes or no | |
//! | `Close` | slot | |
//! | `Attached` | key, generation | |
//! | `Acknowledge` | | |
//! | `Batch` | socket name | the assignment's memory file, standard input, output and error |
//! | `Stop` | grace | |
//! | `Lease` | when to freeze, when to end | |
//! | `Suspend` | yes or no | |
//! | `Time` | limit, warning, grace | |
//! | `Exceeded` | what, grace | |
//!
//! | from the leader | payload | descriptors |
//! |---|---|---|
//! | `Ready` | mask of slots | one for each slot in the mask |
//! | `Adopted` | mask, phase, key and generation of the last attachment | assignment, then the slots |
//! | `Started`, `Stopped`, `Continued` | pid; signal | |
//! | `Done` | | |
//! | `StartFailed` | stage, errno | |
//! | `Ended` | code or signal, usage, processes left over, limit | |
//! | `Warned` | signal, what is left | |
//! | `Gone` | why | |
//!
//! The terminal's size and modes are set by the runner itself, through the master side: what it
//! then writes there is read with those modes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::allowance::Time;

/// Length of every record.
pub const RECORD: usize = 128;

/// The longest name of an abstract socket.
pub const LONGEST_NAME: usize = 107;

/// Descriptors that the runner holds for a job; each is a bit in a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Slot {
    /// The master side of the pseudo-terminal.
    Tty = 0,
    /// The writing end of the job's standard input.
    Stdin = 1,
    /// The reading end of its standard output.
    Stdout = 2,
    /// The reading end of its standard error.
    Stderr = 3,
}

impl Slot {
    /// All slots, in the order in which descriptors ride along.
    pub const ALL: [Slot; 4] = [Slot::Tty, Slot::Stdin, Slot::Stdout, Slot::Stderr];

    /// The slot's bit in a mask.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The pipe slot of the job's descriptor 0, 1 or 2.
    pub fn of_descriptor(number: usize) -> Slot {
        Slot::ALL[number + 1]
    }
}

/// From the runner.
#[derive(Debug, Clone, PartialEq)]
pub enum ToLeader {
    /// Make terminal and pipes ready, and be found under this name.
    Open {
        /// Bit N: the job's descriptor N is the terminal; the others are pipes.
        terminal: u8,
        /// The abstract socket's name, at most [`LONGEST_NAME`] bytes.
        name: Vec<u8>,
    },
    /// This is the job: the assignment rides along.
    Assign,
    /// Run the job now.
    Release {
        /// Whether the client is in the foreground of its terminal.
        foreground: bool,
        /// Bit N: the client's own descriptor N rides along and is used as it is.
        handed: u8,
    },
    /// Send this signal to the job's group; answered by `Done`.
    Signal(i32),
    /// The client came to the foreground of its terminal, or left it; answered by `Done`.
    Foreground(bool),
    /// Close your copy of this slot.
    Close(u8),
    /// Another client has taken the session over; told to the next runner.
    Attached(Attachment),
    /// The end was delivered; leave.
    Acknowledge,
    /// This is a batch job, and what it is connected to; instead of `Open` and `Assign`.
    Batch {
        /// The abstract socket's name, at most [`LONGEST_NAME`] bytes.
        name: Vec<u8>,
    },
    /// End the job: TERM to its whole tree, after the grace KILL.
    Stop {
        /// Milliseconds.
        grace_ms: u64,
    },
    /// Suspend the whole tree of the job, or let it go on.
    Suspend(bool),
    /// How long the job may go on. Milliseconds since boot, time asleep included.
    Lease {
        /// From then on it is frozen.
        freeze_ms: u64,
        /// Then it is killed.
        end_ms: u64,
    },
    /// The time that the job may have, from its start, is another than the assignment says.
    Time(Time),
    /// It has had more than it may: TERM to its whole tree, after the grace KILL.
    Exceeded {
        /// Of what.
        limit: Limit,
        /// Milliseconds.
        grace_ms: u64,
    },
}

/// Who may resume a session after somebody has attached to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// The key of the client; all zeros for one on the session's own host, which needs none.
    pub key: [u8; 32],
    /// How often somebody has attached.
    pub generation: u64,
}

/// From the leader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FromLeader {
    /// Nothing runs yet; the slots of the mask ride along.
    Ready {
        /// Which slots.
        slots: u8,
    },
    /// Answer to a new runner: the assignment and the open slots ride along.
    Adopted {
        /// Which slots.
        slots: u8,
        /// The job's group, 0 before the start.
        pid: i32,
        /// The last attachment, if there was one.
        attachment: Option<Attachment>,
    },
    /// The job's first process runs.
    Started {
        /// Its pid, which is its group too.
        pid: i32,
    },
    /// It could not be started.
    StartFailed {
        /// A `sys::postfork::Stage` as a number.
        stage: u8,
        /// The error of the kernel.
        errno: i32,
    },
    /// The job was stopped by this signal.
    Stopped(i32),
    /// The job goes on.
    Continued,
    /// The oldest order without an answer is carried out.
    Done,
    /// The job has ended.
    Ended(Ended),
    /// A batch job was ended, and nothing of it is left.
    Gone(Gone),
    /// The job was warned that its time will be up.
    Warned {
        /// By this signal.
        signal: i32,
        /// So many milliseconds before.
        left_ms: u64,
    },
}

/// What a job has had too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Time.
    Time {
        /// What it was given.
        seconds: u64,
    },
    /// Memory.
    Memory {
        /// What it was given, in bytes.
        bytes: u64,
        /// What its processes were seen to have together.
        peak: u64,
    },
}

/// Why a job was ended by its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was told to.
    Stopped,
    /// The lease was over.
    LeaseOver,
}

/// How a job ended and what it used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// The exit code, when it exited.
    pub code: Option<u8>,
    /// The signal, when it was killed.
    pub signal: i32,
    /// Whether a core was dumped.
    pub core: bool,
    /// Microseconds from start to end.
    pub wall_us: u64,
    /// Microseconds in user mode.
    pub user_us: u64,
    /// Microseconds in the kernel.
    pub system_us: u64,
    /// Largest resident size.
    pub max_rss_kib: u64,
    /// Processes that a batch job left behind; they were killed.
    pub left_over: u32,
    /// Why it was ended.
    pub limit: Option<Limit>,
}

/// Sends one record with its descriptors.
pub fn send(socket: BorrowedFd, record: &[u8; RECORD], descriptors: &[BorrowedFd]) -> io::Result<()> {
    match sys::descriptors::send(socket, record, descriptors)? {
        RECORD => Ok(()),
        _ => Err(io::Error::from(io::ErrorKind::WriteZero)),
    }
}

/// Receives one record; `None` when the other side has gone.
pub fn receive(socket: &impl AsFd) -> io::Result<Option<([u8; RECORD], Vec<OwnedFd>)>> {
    let mut record = [0; RECORD];
    let (count, descriptors) = sys::descriptors::receive(socket.as_fd(), &mut record, MOST_DESCRIPTORS)?;
    match count {
        0 => Ok(None),
        RECORD => Ok(Some((record, descriptors))),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "half a record between runner and leader")),
    }
}

/// The assignment and all slots.
const MOST_DESCRIPTORS: usize = 5;

impl ToLeader {
    /// The record for it.
    pub fn encode(&self) -> [u8; RECORD] {
        let mut out = Encoder::new();
        match self {
            Self::Open { terminal, name } => {
                out.u8(7);
                out.u8(*terminal);
                out.name(name);
            }
            Self::Batch { name } => {
                out.u8(9);
                out.name(name);
            }
            Self::Stop { grace_ms } => {
                out.u8(10);
                out.u64(*grace_ms);
            }
            Self::Lease { freeze_ms, end_ms } => {
                out.u8(11);
                out.u64(*freeze_ms);
                out.u64(*end_ms);
            }
            Self::Suspend(yes) => {
                out.u8(12);
                out.u8(u8::from(*yes));
            }
            Self::Time(time) => {
                out.u8(13);
                out.time(time);
            }
            Self::Exceeded { limit, grace_ms } => {
                out.u8(14);
                out.limit(Some(limit));
                out.u64(*grace_ms);
            }
            Self::Assign => out.u8(1),
            Self::Release { foreground, handed } => {
                out.u8(2);
                out.u8(u8::from(*foreground));
                out.u8(*handed);
            }
            Self::Signal(number) => {
                out.u8(3);
                out.u32(*number as u32);
            }
            Self::Foreground(yes) => {
                out.u8(4);
                out.u8(u8::from(*yes));
            }
            Self::Close(slot) => {
                out.u8(5);
                out.u8(*slot);
            }
            Self::Acknowledge => out.u8(6),
            Self::Attached(attachment) => {
                out.u8(8);
                out.attachment(Some(attachment));
            }
        }
        out.bytes
    }

    /// Reads a record; `None` for one that no runner of ours sends.
    pub fn decode(record: &[u8; RECORD]) -> Option<Self> {
        let mut from = Decoder { bytes: record, at: 0 };
        Some(match from.u8() {
            1 => Self::Assign,
            2 => Self::Release { foreground: from.u8() != 0, handed: from.u8() },
            3 => Self::Signal(from.u32() as i32),
            4 => Self::Foreground(from.u8() != 0),
            5 => Self::Close(from.u8()),
            6 => Self::Acknowledge,
            8 => Self::Attached(from.attachment()?),
            7 => Self::Open { terminal: from.u8(), name: from.name()? },
            9 => Self::Batch { name: from.name()? },
            10 => Self::Stop { grace_ms: from.u64() },
            11 => Self::Lease { freeze_ms: from.u64(), end_ms: from.u64() },
            12 => Self::Suspend(from.u8() != 0),
            13 => Self::Time(from.time()),
            14 => Self::Exceeded { limit: from.limit()?, grace_ms: from.u64() },
            _ => return None,
        })
    }
}

impl FromLeader {
    /// The record for it.
    pub fn encode(&self) -> [u8; RECORD] {
        let mut out = Encoder::new();
        match *self {
            Self::Ready { slots } => {
                out.u8(65);
                out.u8(slots);
            }
            Self::Adopted { slots, pid, attachment } => {
                out.u8(66);
                out.u8(slots);
                out.u32(pid as u32);
                out.attachment(attachment.as_ref());
            }
            Self::Started { pid } => {
                out.u8(67);
                out.u32(pid as u32);
            }
            Self::StartFailed { stage, errno } => {
                out.u8(68);
                out.u8(stage);
                out.u32(errno as u32);
            }
            Self::Stopped(signal) => {
                out.u8(69);
                out.u32(signal as u32);
            }
            Self::Continued => out.u8(70),
            Self::Ended(ended) => {
                out.u8(71);
                out.u8(u8::from(ended.code.is_some()));
                out.u8(ended.code.unwrap_or(0));
                out.u32(ended.signal as u32);
                out.u8(u8::from(ended.core));
                for figure in [ended.wall_us, ended.user_us, ended.system_us, ended.max_rss_kib] {
                    out.u64(figure);
                }
                out.u32(ended.left_over);
                out.limit(ended.limit.as_ref());
            }
            Self::Done => out.u8(72),
            Self::Gone(why) => {
                out.u8(73);
                out.u8(why as u8);
            }
            Self::Warned { signal, left_ms } => {
                out.u8(74);
                out.u32(signal as u32);
                out.u64(left_ms);
            }
        }
        out.bytes
    }

    /// Reads a record; `None` for one that no leader of ours sends.
    pub fn decode(record: &[u8; RECORD]) -> Option<Self> {
        let mut from = Decoder { bytes: record, at: 0 };
        Some(match from.u8() {
            65 => Self::Ready { slots: from.u8() },
            66 => Self::Adopted { slots: from.u8(), pid: from.u32() as i32, attachment: from.attachment() },
            67 => Self::Started { pid: from.u32() as i32 },
            68 => Self::StartFailed { stage: from.u8(), errno: from.u32() as i32 },
            69 => Self::Stopped(from.u32() as i32),
            70 => Self::Continued,
            71 => {
                let exited = from.u8() != 0;
                let code = from.u8();
                Self::Ended(Ended {
                    code: exited.then_some(code),
                    signal: from.u32() as i32,
                    core: from.u8() != 0,
                    wall_us: from.u64(),
                    user_us: from.u64(),
                    system_us: from.u64(),
                    max_rss_kib: from.u64(),
                    left_over: from.u32(),
                    limit: from.limit(),
                })
            }
            72 => Self::Done,
            73 => Self::Gone([Gone::Stopped, Gone::LeaseOver].into_iter().nth(usize::from(from.u8()))?),
            74 => Self::Warned { signal: from.u32() as i32, left_ms: from.u64() },
            _ => return None,
        })
    }
}

struct Encoder {
    bytes: [u8; RECORD],
    at: usize,
}

impl Encoder {
    fn new() -> Self {
        Self { bytes: [0; RECORD], at: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn name(&mut self, name: &[u8]) {
        let name = &name[..name.len().min(LONGEST_NAME)];
        self.u8(name.len() as u8);
        self.put(name);
    }

    /// None has generation 0.
    fn attachment(&mut self, attachment: Option<&Attachment>) {
        if let Some(Attachment { key, generation }) = attachment {
            self.u64(*generation);
            self.put(key);
        }
    }

    fn time(&mut self, time: &Time) {
        self.length(time.limit);
        self.u32(time.warn.map_or(0, |(signal, _)| signal) as u32);
        self.length(time.warn.map_or(Duration::ZERO, |(_, before)| before));
        self.length(time.grace);
    }

    fn length(&mut self, length: Duration) {
        self.u64(u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
    }

    /// None has kind 0.
    fn limit(&mut self, limit: Option<&Limit>) {
        let (kind, amount, peak) = match limit {
            None => (0, 0, 0),
            Some(Limit::Time { seconds }) => (1, *seconds, 0),
            Some(Limit::Memory { bytes, peak }) => (2, *bytes, *peak),
        };
        self.u8(kind);
        self.u64(amount);
        self.u64(peak);
    }

    fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.put(&value.to_be_bytes());
    }
}

struct Decoder<'a> {
    bytes: &'a [u8; RECORD],
    at: usize,
}

impl Decoder<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        if let Some(bytes) = self.bytes.get(self.at..self.at + N) {
            out.copy_from_slice(bytes);
        }
        self.at += N;
        out
    }

    fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(self.u8());
        let name = self.bytes.get(self.at..self.at + length).filter(|name| name.len() <= LONGEST_NAME)?;
        self.at += length;
        Some(name.to_vec())
    }

    fn attachment(&mut self) -> Option<Attachment> {
        let (generation, key) = (self.u64(), self.take());
        (generation > 0).then_some(Attachment { key, generation })
    }

    fn time(&mut self) -> Time {
        let limit = self.length();
        let (signal, before) = (self.u32() as i32, self.length());
        Time { limit, warn: (signal > 0).then_some((signal, before)), grace: self.length() }
    }

    fn length(&mut self) -> Duration {
        Duration::from_millis(self.u64())
    }

    fn limit(&mut self) -> Option<Limit> {
        let (kind, amount, peak) = (self.u8(), self.u64(), self.u64());
        match kind {
            1 => Some(Limit::Time { seconds: amount }),
            2 => Some(Limit::Memory { bytes: amount, peak }),
            _ => None,
        }
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_for_a_socket_is_no_message() {
        for (kind, length_at) in [(7, 2), (9, 1)] {
            let mut record = [kind; RECORD];
            record[length_at] = LONGEST_NAME as u8 + 1;
            assert_eq!(ToLeader::decode(&record), None);
        }
    }

    #[test]
    fn every_message_survives_its_record() {
        let second = Duration::from_secs(1);
        for message in [
            ToLeader::Open { terminal: 7, name: vec![b'n'; LONGEST_NAME] },
            ToLeader::Open { terminal: 0, name: Vec::new() },
            ToLeader::Assign,
            ToLeader::Release { foreground: true, handed: 5 },
            ToLeader::Release { foreground: false, handed: 0 },
            ToLeader::Signal(-1),
            ToLeader::Foreground(true),
            ToLeader::Close(3),
            ToLeader::Acknowledge,
            ToLeader::Attached(Attachment { key: [7; 32], generation: u64::MAX }),
            ToLeader::Batch { name: vec![b'n'; LONGEST_NAME] },
            ToLeader::Stop { grace_ms: u64::MAX },
            ToLeader::Lease { freeze_ms: 3, end_ms: u64::MAX },
            ToLeader::Suspend(true),
            ToLeader::Time(Time { limit: second, warn: Some((10, second * 2)), grace: second * 3 }),
            ToLeader::Time(Time { limit: second, warn: None, grace: Duration::ZERO }),
            ToLeader::Exceeded { limit: Limit::Memory { bytes: 1, peak: u64::MAX }, grace_ms: 7 },
        ] {
            assert_eq!(ToLeader::decode(&message.encode()), Some(message));
        }
        let ended = Ended {
            code: Some(255),
            signal: 0,
            core: false,
            wall_us: u64::MAX,
            user_us: 1,
            system_us: 2,
            max_rss_kib: 3,
            left_over: 4,
            limit: None,
        };
        for message in [
            FromLeader::Ready { slots: 15 },
            FromLeader::Adopted { slots: 1, pid: 77, attachment: None },
            FromLeader::Adopted { slots: 1, pid: 77, attachment: Some(Attachment { key: [1; 32], generation: 1 }) },
            FromLeader::Started { pid: 1 },
            FromLeader::StartFailed { stage: 2, errno: 13 },
            FromLeader::Stopped(20),
            FromLeader::Continued,
            FromLeader::Done,
            FromLeader::Ended(ended),
            FromLeader::Gone(Gone::Stopped),
            FromLeader::Gone(Gone::LeaseOver),
            FromLeader::Warned { signal: 10, left_ms: u64::MAX },
            FromLeader::Ended(Ended { code: None, signal: 9, core: true, ..ended }),
            FromLeader::Ended(Ended { limit: Some(Limit::Time { seconds: u64::MAX }), ..ended }),
        ] {
            assert_eq!(FromLeader::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn foreign_records_are_refused_and_never_panic() {
        for kind in 0..=255u8 {
            for fill in [0u8, 255] {
                let mut record = [fill; RECORD];
                record[0] = kind;
                let _ = ToLeader::decode(&record);
                let _ = FromLeader::decode(&record);
            }
        }
        assert_eq!(ToLeader::decode(&[200; RECORD]), None);
    }
}
