//! Processes: who one is, signals to others, waiting for changes, orphaned groups.
//!
//! A pid alone names nobody for long. [`ProcessId`] does, and a signal to it goes through a
//! pidfd; a group is signalled only by its leader's parent, before it has reaped the leader.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

mod tree;
mod wait;

pub use tree::{Snapshot, Suspended, descendants, group_is_orphaned, parent, signal_descendants};
pub use wait::{Change, Usage, has_children, wait_any};

/// A process for all time: no other process ever has the same three values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// Which start of the kernel.
    pub boot_id: String,
    /// Its number then.
    pub pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_time: u64,
}

impl ProcessId {
    /// A pidfd of exactly this process; `ESRCH` if it has gone, whoever has its number now.
    pub fn open(&self) -> io::Result<OwnedFd> {
        // First the pidfd, then the comparison: if it is the right one now, the pidfd is too.
        let opened = pidfd(self.pid)?;
        if identify(self.pid)? != *self {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(opened)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{} (boot {}, start {})", self.pid, self.boot_id, self.start_time)
    }
}

/// The identity of the process that has this number now; `ESRCH` if there is none.
pub fn identify(pid: i32) -> io::Result<ProcessId> {
    Ok(ProcessId { boot_id: boot_id()?, pid, start_time: tree::Stat::read(pid)?.start_time })
}

/// The id of this start of the kernel.
pub fn boot_id() -> io::Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim_end().to_owned())
}

/// A descriptor that stands for the process; readable when it has ended.
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes plain numbers and returns a new close-on-exec descriptor.
    let number = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as i32)?;
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends a signal to the process that a pidfd stands for.
pub fn pidfd_signal(fd: BorrowedFd, number: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means the same as kill(2) would send.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), number, no_info, 0) } as i32)?;
    Ok(())
}

/// Sends a signal to all of a process group.
///
/// `EINVAL` for 0 and 1, which kill(2) would take as "my own group" and "everybody".
pub fn signal_group(pgid: i32, number: i32) -> io::Result<()> {
    if pgid <= 1 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: kill takes plain numbers.
    check(unsafe { libc::kill(-pgid, number) })?;
    Ok(())
}

/// From now on orphaned descendants become children of this process instead of init's.
pub fn become_subreaper() -> io::Result<()> {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes a plain number.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    Ok(())
}

/// Makes a session with this process as its leader and without a controlling terminal.
pub fn new_session() -> io::Result<()> {
    nix::unistd::setsid()?;
    Ok(())
}

/// Which of the two processes after a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The one that forked; with the child's pid.
    Parent(i32),
    /// The new one.
    Child,
}

/// Makes a copy of this process that goes on in Rust.
///
/// Only for a process with a single thread: of several the copy has one, and the locks that the
/// others held stay shut for ever. Debug builds check that.
pub fn fork() -> io::Result<Fork> {
    debug_assert_eq!(threads(), 1, "fork in a process with several threads");
    // SAFETY: with one thread the child has everything its parent had, and no lock is held by
    // somebody who is not there.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// How many threads this process has; 1 if it cannot be told.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// The calling thread's timers are exact to a microsecond, not to fifty.
pub fn fine_timers() {
    // SAFETY: PR_SET_TIMERSLACK takes plain numbers; it cannot fail for the calling thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1000, 0, 0, 0) };
}

/// Sets the name of this process (its first 15 bytes) that ps and top show. What was written on
/// the command line stays as it is.
pub fn set_name(name: &str) {
    let mut bytes = [0u8; 16];
    let length = name.floor_char_boundary(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    // SAFETY: PR_SET_NAME reads at most 16 bytes up to a zero byte, which the array ends with.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr(), 0, 0, 0) };
}
