//! The process that leaders are forked from: small, single-threaded, started by the runner
//! before anything else, so that a leader costs a fork and not an exec.
//!
//! It hears one thing: a descriptor, which becomes the new leader's connection to the runner.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use sys::process::Fork;

use super::directories::Directories;

/// Forks a leader for every descriptor that comes over `runner`, until the runner has gone.
pub fn run(runner: OwnedFd) -> io::Result<()> {
    let directories = Directories::given()?;
    sys::process::set_name("queue-leaders");
    sys::memory::few_arenas();
    // Leaders end unseen here: whoever needs to know holds a connection to them.
    sys::signal::ignore(nix::libc::SIGCHLD)?;
    for number in [nix::libc::SIGHUP, nix::libc::SIGINT, nix::libc::SIGQUIT, nix::libc::SIGPIPE] {
        sys::signal::ignore(number)?;
    }
    loop {
        let mut byte = [0; 1];
        let (count, descriptors) = sys::descriptors::receive(runner.as_fd(), &mut byte, 1)?;
        if count == 0 {
            return Ok(());
        }
        let Some(connection) = descriptors.into_iter().next() else {
            continue;
        };
        // A failed fork closes the connection, which tells the runner.
        if let Ok(Fork::Child) = sys::process::fork() {
            drop(runner);
            super::supervise::lead(connection, &directories);
        }
    }
}
