//! A session's connection to its leader.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::leader::Assignment;
use crate::leader::message::{self, FromLeader, Slot, ToLeader};

/// The connection to one leader, and the job's descriptors as this runner holds them.
pub struct LeaderLink {
    connection: Option<OwnedFd>,
    slots: [Option<OwnedFd>; 4],
}

impl LeaderLink {
    /// Takes a leader that is ready or was adopted.
    pub fn new(connection: OwnedFd, slots: [Option<OwnedFd>; 4]) -> io::Result<Self> {
        for slot in slots.iter().flatten() {
            sys::descriptors::set_nonblocking(slot.as_fd(), true)?;
        }
        Ok(Self { connection: Some(connection), slots })
    }

    /// The connection, to be waited on.
    pub fn connection(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(|connection| connection.as_fd())
    }

    /// The leader's own number, of one that was adopted: of others the connection was made by ourselves.
    pub fn pid(&self) -> Option<i32> {
        let peer = sys::credentials::peer(self.connection.as_ref()?.as_fd()).ok()?;
        (peer.pid > 0).then_some(peer.pid)
    }

    /// The connection to a leader that has no job any more.
    pub fn into_connection(self) -> Option<OwnedFd> {
        self.connection
    }

    /// The descriptor in a slot.
    pub fn slot(&self, slot: Slot) -> Option<&OwnedFd> {
        self.slots[slot as usize].as_ref()
    }

    /// Closes a slot on both sides, so that the job sees the end of it.
    pub fn close(&mut self, slot: Slot) {
        if self.slots[slot as usize].take().is_some() {
            self.tell(&ToLeader::Close(slot as u8), &[]);
        }
    }

    /// Forgets a slot that the leader closes by itself on the release.
    pub fn forget(&mut self, slot: Slot) {
        self.slots[slot as usize] = None;
    }

    /// Tells the leader what its job is.
    pub fn assign(&self, assignment: &mut Assignment) -> io::Result<()> {
        let sheet = assignment.to_file()?;
        self.tell(&ToLeader::Assign, &[sheet.as_fd()]);
        Ok(())
    }

    /// Tells the leader something. One that has died is noticed by [`Self::hear`], behind its last words.
    pub fn tell(&self, told: &ToLeader, descriptors: &[BorrowedFd]) {
        if let Some(connection) = &self.connection {
            let _ = message::send(connection.as_fd(), &told.encode(), descriptors);
        }
    }

    /// The next word of the leader; `None` when it has died.
    pub fn hear(&mut self) -> Option<FromLeader> {
        let heard = self.connection.as_ref().map(message::receive);
        match heard {
            Some(Ok(Some((record, _)))) => FromLeader::decode(&record),
            _ => {
                self.connection = None;
                None
            }
        }
    }
}
