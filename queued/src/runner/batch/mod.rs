//! Batch jobs: one thread owns all attempts of this user on this host ([`attempts`]), from the check to the
//! word that their end is on disk.
//!
//! It must not wait for anything slow: disks, archives and other people's readers are for helper threads
//! ([`pool`]). What is told about attempts goes through the [`board`], so that a new daemon misses nothing.

mod attempt;
mod attempts;
mod board;
mod check;
mod content;
mod files;
mod notices;
mod past;
mod pool;
mod streams;
mod transfer;
pub mod unpack;
mod variables;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::leader_link::LeaderLink;
use super::shared::Shared;
use crate::leader::Assignment;
use crate::link::ToRunner;

pub use board::Board;

/// The way to the thread of all attempts.
#[derive(Clone)]
pub struct Desk {
    orders: Sender<Order>,
    wake: Arc<EventFd>,
}

/// What reaches it. The line is as long as what the daemon has said and nobody has read yet.
pub enum Order {
    /// The daemon said so; with the descriptor that rode along.
    Said(ToRunner, Option<OwnedFd>),
    /// The daemon has gone: what it had not released never will be.
    NoDaemon,
    /// Another has come, and the same holds. It is told what there is when all is done that the one before had
    /// said: it takes what it is not told for never started. Then whoever waits for that is told.
    NewDaemon(UnixStream, Sender<()>),
    /// A leader has outlived its runner; with the job's process group, or 0.
    Adopt(Box<Assignment>, LeaderLink, i32),
    /// The data directory of this attempt is there, or why not.
    Unpacked(u64, Result<(), String>),
    /// The output of this attempt is safe, or nobody knows: why.
    Synced(u64, Option<String>),
}

impl Desk {
    /// The way, and where it ends.
    pub fn new() -> io::Result<(Self, Inbox)> {
        let (orders, inbox) = channel();
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        Ok((Self { orders, wake: wake.clone() }, Inbox { orders: inbox, wake }))
    }

    /// Gives an order. The thread lives as long as the runner.
    pub fn give(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // The counter cannot overflow before the thread reads it; there is nothing else to fail.
            let _ = self.wake.write(1);
        }
    }
}

/// Where orders arrive.
pub struct Inbox {
    orders: Receiver<Order>,
    wake: Arc<EventFd>,
}

/// Starts the thread of all attempts.
///
/// # Errors
/// When there is no room for it.
pub fn start(shared: Arc<Shared>, desk: Desk, inbox: Inbox) -> io::Result<()> {
    let attempts = attempts::Attempts::new(shared, desk, inbox)?;
    std::thread::Builder::new().name("batch".into()).stack_size(STACK).spawn(move || {
        // Without it no batch job would ever be answered for again: another runner adopts them all.
        if let Err(error) = attempts.run() {
            super::complain(format_args!("batch jobs are left to the next runner: {error}"));
            std::process::exit(1);
        }
    })?;
    Ok(())
}

/// Its calls are not deep, but JSON is read and written there.
const STACK: usize = 1024 * 1024;
