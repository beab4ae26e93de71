//! Noticing that a path has disappeared, and that it could be made again.
//!
//! A daemon's socket lies in a directory that others remove (logind does at the last logout) and
//! make again. What is watched:
//!
//! - the path and every directory above it, for its own removal or renaming;
//! - if the path is missing, the lowest directory that is there, for new names;
//! - the parent of the lowest that is there, for removed names: a directory in which somebody
//!   still stands does not report its own removal;
//! - the list of mounts: a file system mounted over the path, as logind does it, or taken away
//!   while somebody still uses it makes none of the events above.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Watches one path. Its descriptor is readable when [`PathWatch::changed`] should be called.
#[derive(Debug)]
pub struct PathWatch {
    path: PathBuf,
    /// Stands for both of the others.
    events: Epoll,
    inotify: Inotify,
    /// `/proc/self/mountinfo`, which has an exceptional condition when mounts change; kept only
    /// to stay in `events`.
    _mounts: Option<File>,
}

impl PathWatch {
    /// Watches a path that may or may not be there. Symbolic links on the way are followed, and
    /// a change of such a link is not noticed.
    pub fn new(path: impl AsRef<Path>) -> io::Result<PathWatch> {
        let path = std::path::absolute(path)?;
        let events = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mounts = File::open("/proc/self/mountinfo").ok();
        if let Some(mounts) = &mounts {
            events.add(mounts, EpollEvent::new(EpollFlags::EPOLLPRI, 0))?;
        }
        let mut watch = PathWatch { path, events, inotify: no_watches()?, _mounts: mounts };
        watch.arm()?;
        Ok(watch)
    }

    /// Looks again after an event: whether the path is gone now. It watches before it looks, so
    /// nothing that happens after the look is missed.
    ///
    /// It may be called at any time; events that change nothing are normal.
    pub fn changed(&mut self) -> io::Result<bool> {
        // An event of the mounts is taken by looking; those of inotify go with the old instance.
        let mut events = [EpollEvent::empty(); 2];
        match self.events.wait(&mut events, EpollTimeout::ZERO) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.arm()
    }

    /// Replaces all watches by those that fit what is there now; whether the path is gone.
    fn arm(&mut self) -> io::Result<bool> {
        let fresh = no_watches()?;
        self.events.add(&fresh, EpollEvent::new(EpollFlags::EPOLLIN, 1))?;
        // The first one was never there, so that this may fail.
        let _ = self.events.delete(&self.inotify);
        self.inotify = fresh;

        loop {
            let (lowest, gone) = self.watch_what_is_there()?;
            // In this order: should the lowest be replaced now, its parent tells.
            if let Some(parent) = lowest.parent() {
                self.watch(parent, OLD_NAMES)?;
            }
            if gone {
                self.watch(lowest, NEW_NAMES)?;
            }
            if self.watch_what_is_there()? == (lowest, gone) {
                return Ok(gone);
            }
        }
    }

    /// Watches all that is there from the root down to the path; the lowest of it, and whether
    /// that is above the path.
    fn watch_what_is_there(&self) -> io::Result<(&Path, bool)> {
        let mut lowest = Path::new("/");
        let from_below: Vec<&Path> = self.path.ancestors().collect();
        for path in from_below.into_iter().rev() {
            if !self.watch(path, ITSELF)? {
                return Ok((lowest, true));
            }
            lowest = path;
        }
        Ok((lowest, false))
    }

    /// Adds a watch; whether there is something at the path.
    fn watch(&self, path: &Path, what: AddWatchFlags) -> io::Result<bool> {
        match self.inotify.add_watch(path, what | AS_WELL) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(false),
            // There, but not ours to watch: a directory that we may pass and not read. Or not
            // even to pass; then it is as good as gone.
            Err(Errno::EACCES) => Ok(path.symlink_metadata().is_ok()),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for PathWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.0.as_fd()
    }
}

impl AsRawFd for PathWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

fn no_watches() -> io::Result<Inotify> {
    let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
    Ok(Inotify::init(flags)?)
}

/// What happens to a file itself. `IN_ATTRIB` is how the removal of a name shows while the file
/// is still open somewhere, as a socket is by its listener.
const ITSELF: AddWatchFlags =
    AddWatchFlags::IN_ATTRIB.union(AddWatchFlags::IN_DELETE_SELF).union(AddWatchFlags::IN_MOVE_SELF);

/// Names that appear in a directory.
const NEW_NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE.union(AddWatchFlags::IN_MOVED_TO);

/// Names that disappear from a directory.
const OLD_NAMES: AddWatchFlags = AddWatchFlags::IN_DELETE.union(AddWatchFlags::IN_MOVED_FROM);

/// Adds to what is watched already in the same directory instead of replacing it.
const AS_WELL: AddWatchFlags = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
