//! Pipes, and descriptors that travel over unix sockets.
//!
//! [`receive`] is written over libc because nix returns an error when the control data were
//! cut short, and then leaks the descriptors that did arrive.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::{mem, ptr};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::{check, retry};

/// The most descriptors that one message can carry (the kernel's `SCM_MAX_FD`).
pub const MOST_PER_MESSAGE: usize = 253;

/// Sends bytes, and with the first of them the descriptors; answers how many bytes were taken.
///
/// The descriptors have gone when at least one byte has; `bytes` must therefore not be empty
/// on a stream socket. A peer that went away is an error and no SIGPIPE.
pub fn send(socket: BorrowedFd, bytes: &[u8], descriptors: &[BorrowedFd]) -> io::Result<usize> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control: &[ControlMessage] = if numbers.is_empty() { &[] } else { &rights };
    loop {
        let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None);
        match sent {
            Err(nix::errno::Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Receives bytes and at most `most` descriptors (and never more than [`MOST_PER_MESSAGE`]).
///
/// What the peer sent beyond `most` is closed. If descriptors within `most` were lost because
/// this process has no descriptor numbers left, those that came are closed and the error is
/// `EMFILE`: the bytes that announced them are of no use without them.
pub fn receive(socket: BorrowedFd, buffer: &mut [u8], most: usize) -> io::Result<(usize, Vec<OwnedFd>)> {
    let most = most.min(MOST_PER_MESSAGE);
    let mut control = ControlBuffer([0; CONTROL_SPACE]);
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid msghdr: null pointers with zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &mut piece;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // Exactly the length, without the padding of CMSG_SPACE: into that one more would fit.
    // SAFETY: CMSG_LEN only computes.
    message.msg_controllen = unsafe { libc::CMSG_LEN((most * DESCRIPTOR) as u32) } as _;

    let mut received = 0;
    retry(|| {
        // SAFETY: message points to buffers that outlive the call, with their true lengths.
        received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) };
        if received < 0 { -1 } else { 0 }
    })?;

    let mut descriptors = take_descriptors(&message);
    if message.msg_flags & libc::MSG_CTRUNC != 0 && descriptors.len() < most {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    descriptors.truncate(most);
    Ok((received as usize, descriptors))
}

/// Owns every descriptor that the kernel put into the control data of a message.
fn take_descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut descriptors = Vec::new();
    // SAFETY: the kernel has filled msg_control and set msg_controllen to what it wrote, so the
    // CMSG macros stay within it; each number of an SCM_RIGHTS entry is a new descriptor that
    // nobody else owns, and is read once.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let entry = &*header;
            if entry.cmsg_level == libc::SOL_SOCKET && entry.cmsg_type == libc::SCM_RIGHTS {
                let length = entry.cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let numbers = libc::CMSG_DATA(header).cast::<RawFd>();
                for index in 0..length / DESCRIPTOR {
                    let number = ptr::read_unaligned(numbers.add(index));
                    descriptors.push(OwnedFd::from_raw_fd(number));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    descriptors
}

/// Turns non-blocking mode of an open file on or off. It is shared with every copy of it.
pub fn set_nonblocking(fd: BorrowedFd, on: bool) -> io::Result<()> {
    let before = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    let mut after = before;
    after.set(OFlag::O_NONBLOCK, on);
    if after != before {
        fcntl(fd, FcntlArg::F_SETFL(after))?;
    }
    Ok(())
}

/// A pipe: the end to read from, the end to write to. Both close on exec.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(OFlag::O_CLOEXEC)?)
}

/// How many bytes can be read from a pipe or socket right now.
pub fn readable_bytes(fd: BorrowedFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// Asks for a larger pipe buffer. Best effort: an unprivileged user has a quota, so smaller
/// sizes are tried before it stays as it is.
pub fn enlarge_pipe(fd: BorrowedFd, bytes: usize) {
    let mut wanted = i32::try_from(bytes).unwrap_or(i32::MAX);
    let current = fcntl(fd, FcntlArg::F_GETPIPE_SZ).unwrap_or(i32::MAX);
    while wanted > current && fcntl(fd, FcntlArg::F_SETPIPE_SZ(wanted)).is_err() {
        wanted /= 2;
    }
}

/// Room for control data; aligned as the kernel's header of it must be.
#[repr(C, align(8))]
struct ControlBuffer([u8; CONTROL_SPACE]);

const DESCRIPTOR: usize = mem::size_of::<RawFd>();
const CONTROL_SPACE: usize =
    // SAFETY: CMSG_SPACE only computes.
    unsafe { libc::CMSG_SPACE((MOST_PER_MESSAGE * DESCRIPTOR) as u32) } as usize;
