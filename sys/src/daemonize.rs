//! Forgetting whoever started the daemon.
//!
//! A daemon that the first client starts must not end with the client's terminal, nor carry the
//! client's limits: one `ulimit -t 600` would end everybody's daemon after ten minutes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::signal::action::Action;
use crate::{check, limits, postfork, process, retry, signal};

/// Leaves session, directory, descriptors, limits, niceness and ignored signals of the caller.
///
/// To be called after a double fork, by a process with one thread that owns no descriptor above
/// 2: those are closed without asking their owners. Standard output and error stay what the caller
/// made them until [`let_go`]. SIGPIPE stays ignored, as the Rust runtime has it.
pub fn detach_from_caller() -> io::Result<()> {
    postfork::close_from(3, postfork::Close::Now)?;
    process::new_session()?;
    std::env::set_current_dir("/")?;
    nix::sys::stat::umask(Mode::from_bits_retain(0o077));
    forget_ignored_signals()?;
    raise_limits();
    // Both need a privilege if the caller was nicer than us; then it stays.
    let _ = limits::set_nice(0);
    let _ = std::fs::write("/proc/self/oom_score_adj", "0");
    Ok(())
}

fn forget_ignored_signals() -> io::Result<()> {
    for number in 1..=signal::LAST {
        let ignored = Action::present(number).is_some_and(|action| action.is_ignore());
        if ignored && number != libc::SIGPIPE {
            signal::default(number)?;
        }
    }
    signal::unblock_all()
}

/// Raises soft limits to the hard ones. Not those of the core size, since the daemon holds
/// secrets, nor of the stack, where "unlimited" changes how memory is laid out.
fn raise_limits() {
    for (name, soft) in limits::soft_limits() {
        if soft.is_some() && !["core", "stack"].contains(&name.as_str()) {
            let _ = limits::set_soft_limit(&name, None);
        }
    }
}

/// Whether standard error goes to /dev/null: what is said there is heard by nobody.
pub fn is_unheard() -> bool {
    let nowhere = std::fs::metadata("/dev/null").map(|found| found.rdev());
    let error = std::io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from);
    let error = error.and_then(|file| file.metadata());
    matches!((error, nowhere), (Ok(error), Ok(nowhere)) if error.file_type().is_char_device() && error.rdev() == nowhere)
}

/// Standard error goes to `log` from now on.
pub fn log_to(log: BorrowedFd) -> io::Result<()> {
    // SAFETY: 2 belongs to the process, not to an owner in Rust; it stays open.
    retry(|| unsafe { libc::dup2(log.as_raw_fd(), 2) }).map(drop)
}

/// Lets go of the caller's last descriptors: standard input and output from and to nowhere,
/// standard error to `log`.
pub fn let_go(log: BorrowedFd) -> io::Result<()> {
    let nowhere = nix::fcntl::open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    for number in [0, 1] {
        // SAFETY: both belong to the process, not to an owner in Rust; they stay open.
        retry(|| unsafe { libc::dup2(nowhere.as_raw_fd(), number) })?;
    }
    log_to(log)?;
    if nowhere.as_raw_fd() <= 2 {
        // It is one of the three: it must survive both this function and the next exec.
        let number = std::os::fd::IntoRawFd::into_raw_fd(nowhere);
        // SAFETY: F_SETFD takes a plain number.
        check(unsafe { libc::fcntl(number, libc::F_SETFD, 0) })?;
    }
    Ok(())
}
