//! The runner's side of leaders: starting the process they are forked from, and asking it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::leader::Assignment;
use crate::leader::message::{self, FromLeader, ToLeader};

/// The running leader maker. It ends when this is dropped.
pub struct Maker {
    connection: Mutex<UnixStream>,
}

/// A leader that is ready for its release.
pub struct Ready {
    /// The connection to it.
    pub leader: OwnedFd,
    /// What the job is connected to, by slot.
    pub slots: [Option<OwnedFd>; 4],
}

impl Maker {
    /// Starts the maker. Call it first: it should inherit nothing.
    pub fn start() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Command::new("/proc/self/exe")
            .arg0("queued")
            .args(["--role", "leaders"])
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { connection: Mutex::new(ours) })
    }

    /// Has a leader forked for `assignment` and waits until it is ready.
    pub fn make(&self, assignment: &Assignment) -> io::Result<Ready> {
        let sheet = assignment.to_file()?;
        let (ours, theirs) = UnixStream::pair()?;
        {
            let connection = self.connection.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            sys::descriptors::send(connection.as_fd(), &[0], &[theirs.as_fd()])?;
        }
        drop(theirs);
        message::send(ours.as_fd(), &ToLeader::Assign.encode(), &[sheet.as_fd()])?;
        let leader = OwnedFd::from(ours);
        let Some((record, descriptors)) = message::receive(&leader)? else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the leader could not make terminal and pipes"));
        };
        match FromLeader::decode(&record) {
            Some(FromLeader::Ready { slots }) => Ok(Ready { leader, slots: place(slots, descriptors) }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the leader answered something else")),
        }
    }
}

/// Puts descriptors that came in order into the slots of `mask`.
pub fn place(mask: u8, descriptors: Vec<OwnedFd>) -> [Option<OwnedFd>; 4] {
    let mut descriptors = descriptors.into_iter();
    message::Slot::ALL.map(|slot| if mask & slot.bit() != 0 { descriptors.next() } else { None })
}
