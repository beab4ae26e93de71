//! A new runner takes over the leaders that a dead one left.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::batch::{Desk, Order};
use super::leader_link::LeaderLink;
use super::maker;
use super::session::Start;
use super::shared::Shared;
use crate::leader::message::{self, Attachment, FromLeader};
use crate::leader::{Assignment, socket_prefix};
use crate::link::{AttemptWord, Held};

/// Opens a session for every leader of this user and host that has no runner, and goes on with batch jobs.
pub fn adopt_all(shared: &Arc<Shared>, batch: &Desk) -> io::Result<()> {
    let prefix = socket_prefix(sys::credentials::own_uid(), &shared.options.place);
    for name in sys::unix::abstract_names(&prefix)? {
        // One that turns us away has a living runner, or left just now.
        if let Ok((assignment, leader, attachment, pid)) = adopt(&name) {
            if let Some(key) = &assignment.attempt {
                // Noted at once: the daemon's first word of us names it.
                let word = if pid > 0 { AttemptWord::Started { pid } } else { AttemptWord::Released };
                shared.board.hold(key, assignment.taken.clone());
                shared.board.note(key, &assignment.job.queue, word);
                batch.give(Order::Adopt(Box::new(assignment), leader, pid));
                continue;
            }
            let held = Held {
                session: assignment.session.clone(),
                job_id: assignment.job_id,
                home: assignment.job.home.clone(),
                queue: assignment.job.queue.clone(),
                taken: assignment.taken.clone(),
            };
            shared.open(held, Start::Adopt(Box::new(assignment), leader, attachment));
        }
    }
    Ok(())
}

fn adopt(name: &[u8]) -> io::Result<(Assignment, LeaderLink, Option<Attachment>, i32)> {
    let stream = sys::unix::abstract_connect(name)?;
    // Anybody may have taken such a name; only a process of the same user is believed.
    let peer = sys::credentials::peer(std::os::fd::AsFd::as_fd(&stream))?;
    if peer.uid != sys::credentials::own_uid() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = OwnedFd::from(stream);
    let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (record, descriptors) = message::receive(&connection)?.ok_or_else(gone)?;
    let Some(FromLeader::Adopted { slots, attachment, pid }) = FromLeader::decode(&record) else {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    };
    let mut descriptors = descriptors.into_iter();
    let sheet = descriptors.next().ok_or_else(gone)?;
    let assignment = Assignment::from_file(&sheet)?;
    let leader = LeaderLink::new(connection, maker::place(slots, descriptors.collect()))?;
    Ok((assignment, leader, attachment, pid))
}

/// A leader answers at once.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
