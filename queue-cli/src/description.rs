//! Reading and writing descriptors that are shared with others, without ever waiting in them
//! and without changing them.
//!
//! The client's 0, 1 and 2 are open file descriptions that the shell, the rest of a pipeline
//! and whatever runs next hold too. Setting O_NONBLOCK on them would be seen by all of these
//! (the classic is a `cat` that fails with EAGAIN afterwards). A write that blocks, on the
//! other hand, would hold up signals, the terminal and the other streams. So, by kind:
//!
//! | kind | how |
//! |---|---|
//! | file, block or memory device | as it is, in large pieces: waits for nobody else |
//! | pipe, pseudo-terminal, console | opened again by `/proc/self/fd/N`: a description of our own, non-blocking |
//! | socket | `MSG_DONTWAIT`, which is per call |
//! | anything else, or not allowed to be opened again | only when poll(2) says so, and at most PIPE_BUF at once |
//!
//! The last row can still wait when another process takes the room between poll and write;
//! then it waits exactly where a local program would. A pty *master* is never opened again:
//! that would make a new terminal.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};
use nix::unistd::{read, write};

/// Something to read from.
#[derive(Debug)]
pub struct Source {
    descriptor: OwnedFd,
    way: Way,
}

/// Something to write to.
#[derive(Debug)]
pub struct Sink {
    descriptor: OwnedFd,
    way: Way,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many bytes.
    Bytes(usize),
    /// None now.
    Blocked,
    /// The end.
    End,
}

#[derive(Debug)]
enum Way {
    /// Never waits for others.
    AsItIs,
    /// Through a description of our own. Readiness is asked of the shared one: a FIFO that was
    /// just opened does not report that its last writer went before.
    Own(OwnedFd),
    Socket,
    /// Ask first, and take little.
    Careful,
}

impl Source {
    /// For the descriptor, which stays open as long as this.
    pub fn of(descriptor: BorrowedFd) -> Result<Self, Errno> {
        let (descriptor, way) = prepare(descriptor, OFlag::O_RDONLY)?;
        Ok(Self { descriptor, way })
    }

    /// Reads what is there. An error is final.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Taken, Errno> {
        if buffer.is_empty() {
            return Ok(Taken::Blocked);
        }
        loop {
            let result = match &self.way {
                Way::AsItIs => read(&self.descriptor, buffer),
                Way::Own(own) => read(own, buffer),
                Way::Socket => recv(self.descriptor.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT),
                Way::Careful if !is_ready(self.as_fd(), PollFlags::POLLIN) => {
                    return Ok(Taken::Blocked);
                }
                Way::Careful => read(&self.descriptor, buffer),
            };
            return match result {
                Ok(0) => Ok(Taken::End),
                Ok(count) => Ok(Taken::Bytes(count)),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => Ok(Taken::Blocked),
                Err(error) => Err(error),
            };
        }
    }
}

impl Sink {
    /// For the descriptor, which stays open as long as this.
    pub fn of(descriptor: BorrowedFd) -> Result<Self, Errno> {
        let (descriptor, way) = prepare(descriptor, OFlag::O_WRONLY)?;
        Ok(Self { descriptor, way })
    }

    /// For a description that is non-blocking and nobody else's.
    pub fn of_own(descriptor: OwnedFd) -> Self {
        // Non-blocking already, so "as it is" does not wait either.
        Self { descriptor, way: Way::AsItIs }
    }

    /// Writes as much as is taken now; less than all means that poll has to say when more is.
    /// An error is final.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let mut written = 0;
        while written < bytes.len() {
            let rest = &bytes[written..];
            let result = match &self.way {
                Way::AsItIs => write(&self.descriptor, rest),
                Way::Own(own) => write(own, rest),
                Way::Socket => {
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    send(self.descriptor.as_raw_fd(), rest, flags)
                }
                Way::Careful if !is_ready(self.as_fd(), PollFlags::POLLOUT) => break,
                Way::Careful => write(&self.descriptor, &rest[..rest.len().min(nix::libc::PIPE_BUF)]),
            };
            match result {
                Ok(count) => written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn prepare(descriptor: BorrowedFd, access: OFlag) -> Result<(OwnedFd, Way), Errno> {
    let status = fstat(descriptor)?;
    let device = (major(status.st_rdev), minor(status.st_rdev));
    let way = match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG | SFlag::S_IFBLK | SFlag::S_IFDIR => Way::AsItIs,
        SFlag::S_IFCHR if device.0 == MEMORY_DEVICES => Way::AsItIs,
        SFlag::S_IFCHR if is_terminal(device) => reopen(descriptor, access),
        SFlag::S_IFIFO => reopen(descriptor, access),
        SFlag::S_IFSOCK => Way::Socket,
        _ => Way::Careful,
    };
    let copy = descriptor.try_clone_to_owned();
    let copy = copy.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    Ok((copy, way))
}

fn reopen(descriptor: BorrowedFd, access: OFlag) -> Way {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    let flags = access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path.as_str(), flags, Mode::empty()).map_or(Way::Careful, Way::Own)
}

/// Slaves of pseudo-terminals and virtual consoles. Serial lines are left alone: opening one
/// may raise its modem signals.
fn is_terminal((major, minor): (u64, u64)) -> bool {
    (136..=143).contains(&major) || major == 4 && minor < 64
}

fn is_ready(descriptor: BorrowedFd, events: PollFlags) -> bool {
    matches!(poll(&mut [PollFd::new(descriptor, events)], PollTimeout::ZERO), Ok(1))
}

/// The null, zero and full devices and their kin.
const MEMORY_DEVICES: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{FcntlArg, fcntl};
    use std::os::unix::net::UnixStream;

    fn flags(descriptor: &OwnedFd) -> i32 {
        fcntl(descriptor, FcntlArg::F_GETFL).expect("an open descriptor")
    }

    #[test]
    fn a_full_pipe_blocks_nobody_and_keeps_its_flags() {
        let (read_end, write_end) = sys::descriptors::pipe().expect("a pipe");
        let before = flags(&write_end);
        let sink = Sink::of(write_end.as_fd()).expect("a pipe");
        assert!(matches!(sink.way, Way::Own(_)));
        let bytes = vec![b'a'; 1 << 20];
        let first = sink.write(&bytes).expect("a reader is there");
        assert!(first > 0 && first < bytes.len());
        assert_eq!(sink.write(&bytes), Ok(0));
        assert_eq!(flags(&write_end), before);
        drop(read_end);
        assert_eq!(sink.write(&bytes), Err(Errno::EPIPE));
    }

    #[test]
    fn an_empty_pipe_blocks_nobody_and_its_end_is_seen() {
        let (read_end, write_end) = sys::descriptors::pipe().expect("a pipe");
        let before = flags(&read_end);
        let source = Source::of(read_end.as_fd()).expect("a pipe");
        let mut buffer = [0; 8];
        assert_eq!(source.read(&mut buffer), Ok(Taken::Blocked));
        write(&write_end, b"abc").expect("room");
        assert_eq!(source.read(&mut buffer), Ok(Taken::Bytes(3)));
        assert_eq!(flags(&read_end), before);
        drop(write_end);
        assert_eq!(source.read(&mut buffer), Ok(Taken::End));
    }

    #[test]
    fn a_pipe_that_must_not_be_opened_again_is_filled_without_waiting() {
        let (_read_end, write_end) = sys::descriptors::pipe().expect("a pipe");
        let sink = Sink { descriptor: write_end, way: Way::Careful };
        let bytes = vec![b'a'; 1 << 20];
        let first = sink.write(&bytes).expect("a reader is there");
        assert!(first > 0 && first < bytes.len());
        assert_eq!(sink.write(&bytes), Ok(0));
    }

    #[test]
    fn sockets_files_and_devices_are_served_each_in_its_way() {
        let (one, other) = UnixStream::pair().expect("a socket pair");
        let sink = Sink::of(one.as_fd()).expect("a socket");
        assert!(matches!(sink.way, Way::Socket));
        let bytes = vec![b'a'; 8 << 20];
        assert!(sink.write(&bytes).expect("a reader is there") < bytes.len());
        let source = Source::of(other.as_fd()).expect("a socket");
        assert!(matches!(source.read(&mut [0; 16]), Ok(Taken::Bytes(16))));

        let null = std::fs::File::options().read(true).write(true).open("/dev/null");
        let null = null.expect("there is one");
        assert_eq!(Sink::of(null.as_fd()).expect("a device").write(&bytes), Ok(bytes.len()));
        assert_eq!(Source::of(null.as_fd()).expect("a device").read(&mut [0]), Ok(Taken::End));
        let full = std::fs::File::options().write(true).open("/dev/full").expect("there is one");
        assert_eq!(Sink::of(full.as_fd()).expect("a device").write(b"x"), Err(Errno::ENOSPC));
    }

    #[test]
    fn a_terminal_is_opened_again_and_a_master_never() {
        let pty = sys::pty::open().expect("a pseudo-terminal");
        let sink = Sink::of(pty.slave.as_fd()).expect("a terminal");
        assert!(matches!(sink.way, Way::Own(_)));
        assert!(matches!(Sink::of(pty.master.as_fd()).expect("a master").way, Way::Careful));
    }
}
