//! Options of a TCP connection.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, setsockopt, sockopt};

use crate::check;

/// Notices a dead peer: after `idle_s` of silence a probe every `interval_s`, `count` of them.
///
/// Keepalive alone does not count while unacknowledged data are under way; so the time that
/// those may take is limited to the same length.
pub fn keepalive(fd: BorrowedFd, idle_s: u32, interval_s: u32, count: u32) -> io::Result<()> {
    setsockopt(&fd, sockopt::KeepAlive, &true)?;
    setsockopt(&fd, sockopt::TcpKeepIdle, &idle_s)?;
    setsockopt(&fd, sockopt::TcpKeepInterval, &interval_s)?;
    setsockopt(&fd, sockopt::TcpKeepCount, &count)?;
    let whole_s = idle_s.saturating_add(interval_s.saturating_mul(count));
    setsockopt(&fd, sockopt::TcpUserTimeout, &whole_s.saturating_mul(1_000))?;
    Ok(())
}

/// Sets a connection up for a session: small pieces go at once, and at most 64 KiB wait unsent
/// in the kernel, so that what is urgent does not stand behind what is bulk.
pub fn for_session(fd: BorrowedFd) -> io::Result<()> {
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    notsent_lowat(fd, SESSION_NOT_SENT_BYTES)
}

/// What a thin stream has lost is sent again every 200 ms for a while, not after twice as long each time:
/// a link that was cut for a second or two is back at once for a person who types.
pub fn retry_steadily(fd: BorrowedFd) -> io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: the option takes an int, and that is what it gets with its length.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_THIN_LINEAR_TIMEOUTS,
            (&raw const yes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// The socket is writable only while fewer than `bytes` wait in it unsent.
pub fn notsent_lowat(fd: BorrowedFd, bytes: u32) -> io::Result<()> {
    // SAFETY: the option takes an unsigned int, and that is what it gets with its length.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const bytes).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// What a peer owes that has not acknowledged everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// How long ago it last acknowledged anything.
    pub heard: Duration,
    /// How long an acknowledgement usually takes.
    pub round_trip: Duration,
}

/// What the peer owes; `None` while it owes nothing.
pub fn owed(fd: BorrowedFd) -> io::Result<Option<Owed>> {
    let mut facts = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, and all-zero is a valid value for those
    // that an older one leaves out.
    let facts = unsafe {
        check(libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            facts.as_mut_ptr().cast(),
            &raw mut length,
        ))?;
        facts.assume_init()
    };
    let heard = Duration::from_millis(facts.tcpi_last_ack_recv.into());
    let round_trip = Duration::from_micros(facts.tcpi_rtt.into());
    Ok((facts.tcpi_unacked > 0).then_some(Owed { heard, round_trip }))
}

/// Reads what has arrived without consuming it: the next read sees it again.
pub fn peek(fd: BorrowedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match nix::sys::socket::recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_PEEK) {
            Err(nix::errno::Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

const SESSION_NOT_SENT_BYTES: u32 = 64 * 1024;
