//! Waiting for children, and what they have used.

use std::io;
use std::mem::MaybeUninit;

use crate::retry;

/// What happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It ended by itself, with this status.
    Exited(i32),
    /// A signal ended it.
    Killed {
        /// Which one.
        signal: i32,
        /// Whether a core was written.
        core: bool,
    },
    /// A signal stopped it; this one.
    Stopped(i32),
    /// It runs again.
    Continued,
}

/// What a child and those it has waited for have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Processor time in user mode, in microseconds.
    pub user_us: u64,
    /// Processor time in the kernel, in microseconds.
    pub system_us: u64,
    /// The largest resident size, in KiB.
    pub max_rss_kib: u64,
}

/// The next change of any child; `None` if there is none now, or no child at all.
pub fn wait_any() -> io::Result<Option<(i32, Change, Usage)>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let flags = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    // SAFETY: wait4 writes one int and one rusage; all-zero is a valid rusage besides.
    let pid = retry(|| unsafe { libc::wait4(-1, &mut status, flags, usage.as_mut_ptr()) });
    // SAFETY: see above.
    let usage = unsafe { usage.assume_init() };
    match pid {
        Ok(0) => Ok(None),
        Ok(pid) => Ok(Some((pid, change_of(status), usage_of(&usage)))),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there is any child, one that has ended and was not waited for included.
pub fn has_children() -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: waitid writes one siginfo, which nobody reads.
    retry(|| unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), flags) }).is_ok()
}

fn change_of(status: i32) -> Change {
    if libc::WIFEXITED(status) {
        Change::Exited(libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        Change::Killed { signal: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
    } else if libc::WIFSTOPPED(status) {
        Change::Stopped(libc::WSTOPSIG(status))
    } else {
        Change::Continued
    }
}

fn usage_of(usage: &libc::rusage) -> Usage {
    Usage {
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
        max_rss_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    }
}

fn microseconds(time: libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_usec).unwrap_or(0);
    seconds * 1_000_000 + rest
}
