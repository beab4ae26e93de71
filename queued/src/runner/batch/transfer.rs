//! Moving the bytes of a stream out of a file and into one, each in a thread of its own.
//!
//! The other end is the daemon's: it may be slow or go away, and who does nothing for long is left.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Where bytes come from.
pub struct Source(File);

/// Where bytes go.
pub struct Sink {
    file: File,
    patience: PollTimeout,
}

impl Source {
    /// What the daemon sends.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        sys::descriptors::set_nonblocking(descriptor.as_fd(), true)?;
        Ok(Self(File::from(descriptor)))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match wait(self.0.as_fd(), PollFlags::POLLIN, PollTimeout::from(PATIENCE))
                .and_then(|()| self.0.read(buffer))
            {
                Err(error) if is_passing(&error) => {}
                other => return other,
            }
        }
    }
}

impl Sink {
    /// What the daemon reads; it must not stop for long.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        sys::descriptors::set_nonblocking(descriptor.as_fd(), true)?;
        Ok(Self { file: File::from(descriptor), patience: PollTimeout::from(PATIENCE) })
    }

    /// What somebody looks at: they may take their time.
    pub fn patient(descriptor: OwnedFd) -> io::Result<Self> {
        Ok(Self { patience: PollTimeout::NONE, ..Self::new(descriptor)? })
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match wait(self.file.as_fd(), PollFlags::POLLOUT, self.patience).and_then(|()| self.file.write(bytes)) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Writes the file from `offset` on into `sink`; how many bytes that was. With `ended`, which is readable
/// when nobody will write any more, it goes on until then.
pub fn give(path: &Path, offset: u64, sink: &mut Sink, ended: Option<&Arc<EventFd>>) -> io::Result<u64> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let Some(ended) = ended else {
        return pump(&file, offset, sink);
    };
    // Watched before it is read, so that nothing written meanwhile is missed.
    let growth = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    // By its descriptor: the name may lead to another file by now.
    growth.add_watch(format!("/proc/self/fd/{}", file.as_raw_fd()).as_str(), AddWatchFlags::IN_MODIFY)?;
    let mut at = offset;
    loop {
        // Asked before the last reading: what it wrote at the end is read then.
        let is_over = wait(ended.as_fd(), PollFlags::POLLIN, PollTimeout::ZERO).is_ok();
        at += pump(&file, at, sink)?;
        if is_over {
            return Ok(at - offset);
        }
        let mut polled = [
            PollFd::new(growth.as_fd(), PollFlags::POLLIN),
            PollFd::new(ended.as_fd(), PollFlags::POLLIN),
            PollFd::new(sink.file.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if polled[2].any().unwrap_or(true) {
            return Err(io::Error::from(ErrorKind::BrokenPipe));
        }
        // Many events are one growth; an empty queue is no error here.
        let _ = growth.read_events();
    }
}

fn pump(file: &File, offset: u64, sink: &mut Sink) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut at = offset;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(at - offset),
            Ok(count) => {
                sink.write_all(&buffer[..count])?;
                at += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Appends all that comes from `source` to `file`, and shows it to `see`; how many bytes that was.
pub fn take(source: &mut Source, file: &mut File, mut see: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut taken = 0;
    loop {
        let count = source.read(&mut buffer)?;
        if count == 0 {
            return Ok(taken);
        }
        see(&buffer[..count]);
        file.write_all(&buffer[..count])?;
        taken += count as u64;
    }
}

fn wait(descriptor: BorrowedFd, flags: PollFlags, patience: PollTimeout) -> io::Result<()> {
    match poll(&mut [PollFd::new(descriptor, flags)], patience) {
        Ok(0) => Err(io::Error::new(ErrorKind::TimedOut, "the other side does nothing")),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// How long the other side may do nothing before its place is given to the next.
const PATIENCE: u16 = 60_000;
/// Bytes moved at once.
const BUFFER: usize = 128 * 1024;
