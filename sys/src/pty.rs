//! Pseudo-terminals.
//!
//! Both ends are opened close-on-exec in one step. With two steps another thread that starts a
//! program in between hands it the master: one user's job could read another's terminal.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::check;

/// A pseudo-terminal that is nobody's controlling terminal yet.
#[derive(Debug)]
pub struct Pty {
    /// The end that shows what the programs write, and types. When no slave is open any more,
    /// reading it fails with `EIO` after the last byte.
    pub master: OwnedFd,
    /// The end that is a terminal.
    pub slave: OwnedFd,
    /// The name of the slave, `/dev/pts/N`.
    pub path: PathBuf,
}

/// Opens a new pseudo-terminal.
pub fn open() -> io::Result<Pty> {
    let master = nix::fcntl::open("/dev/ptmx", FLAGS, Mode::empty())?;
    let unlocked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) })?;
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN writes one unsigned int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number) })?;
    let path = PathBuf::from(format!("/dev/pts/{number}"));
    let slave = open_slave(&master, &path)?;
    Ok(Pty { master, slave, path })
}

/// Opens the slave through its master, which is right in every mount name space; kernels before
/// 4.13 do not know that, there the path has to do.
fn open_slave(master: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    // SAFETY: TIOCGPTPEER takes open flags as its argument and returns a new descriptor.
    let result = check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, FLAGS.bits()) });
    match result {
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        Ok(number) => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        Err(_) => Ok(nix::fcntl::open(path, FLAGS, Mode::empty())?),
    }
}

const FLAGS: OFlag = OFlag::O_RDWR.union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);
