//! What the kernel offers, in the words of this project.
//!
//! One file per kernel idea; no policy and no knowledge of the other crates. Calls go through
//! nix where it has them and through libc otherwise, so this is the one crate with `unsafe`.
//! Everything opened here is close-on-exec from its first moment, because other threads of
//! the same process may be starting programs.
//!
//! | File | Idea |
//! |---|---|
//! | [`credentials`] | who is at the other end, who am I, becoming somebody else for good |
//! | [`daemonize`] | forgetting whoever started the daemon |
//! | [`descriptors`] | pipes, and descriptors that travel over sockets |
//! | [`disk`] | the file system that a path is on |
//! | [`host`] | name, processors, load, time since boot |
//! | [`limits`] | resource limits, umask, niceness, room for arguments |
//! | [`memory`] | how the allocator behaves, how much a process uses |
//! | [`postfork`] | from fork to exec |
//! | [`process`] | identity, signals to others, waiting, orphaned groups |
//! | [`pty`] | pseudo-terminals |
//! | [`signal`] | names, receiving, stopping and dying by a signal |
//! | [`tcp`] | options of a TCP connection |
//! | [`terminal`] | modes, size, foreground group, controlling terminal |
//! | [`unix`] | sockets in the abstract name space |
//! | [`watch`] | noticing that a path has disappeared |

// Kernel calls that nix does not wrap (or wraps with a leak, see `descriptors::receive`) need
// unsafe code; it is kept here so that every other crate can do without.
#![allow(unsafe_code)]

pub mod credentials;
pub mod daemonize;
pub mod descriptors;
pub mod disk;
pub mod host;
pub mod limits;
pub mod memory;
pub mod postfork;
pub mod process;
pub mod pty;
pub mod signal;
pub mod tcp;
pub mod terminal;
pub mod unix;
pub mod watch;

use std::io;

/// The result of a system call: -1 becomes the error in `errno`.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Repeats a system call for as long as a signal interrupts it.
pub(crate) fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        match check(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
