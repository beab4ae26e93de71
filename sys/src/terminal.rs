//! Terminals: modes, size, the foreground group, the controlling terminal.
//!
//! The modes are read and set with the kernel's own structure (`termios2`) and not through the
//! C library: libraries differ in how they write the speed, and these modes travel to hosts
//! that may have another library.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::{check, retry};

/// The size of a terminal window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Lines of text.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Width in pixels; 0 if unknown.
    pub x_pixels: u16,
    /// Height in pixels; 0 if unknown.
    pub y_pixels: u16,
}

/// The modes of a terminal, as the kernel keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// Input flags (`ICRNL`, `IXON`, ...).
    pub input: u32,
    /// Output flags (`OPOST`, ...).
    pub output: u32,
    /// Control flags (`CS8`, the speed as an index, ...).
    pub control: u32,
    /// Local flags (`ICANON`, `ECHO`, `ISIG`, ...).
    pub local: u32,
    /// Control characters by index (`VINTR`, `VEOF`, ...); 19 of them on Linux.
    pub characters: Vec<u8>,
    /// Input speed in bits per second.
    pub input_speed: u32,
    /// Output speed in bits per second.
    pub output_speed: u32,
}

/// The modes of a terminal.
pub fn modes(fd: BorrowedFd) -> io::Result<Modes> {
    let settings = settings(fd)?;
    Ok(Modes {
        input: settings.c_iflag,
        output: settings.c_oflag,
        control: settings.c_cflag,
        local: settings.c_lflag,
        characters: settings.c_cc.to_vec(),
        input_speed: settings.c_ispeed,
        output_speed: settings.c_ospeed,
    })
}

/// Sets the modes once everything written before has gone out.
///
/// A process in the background of its controlling terminal is stopped by SIGTTOU for this, as
/// it should be; a leader has that signal blocked.
pub fn set_modes(fd: BorrowedFd, modes: &Modes) -> io::Result<()> {
    let mut settings = settings(fd)?;
    settings.c_iflag = modes.input;
    settings.c_oflag = modes.output;
    settings.c_cflag = modes.control;
    settings.c_lflag = modes.local;
    for (here, wanted) in settings.c_cc.iter_mut().zip(&modes.characters) {
        *here = *wanted;
    }
    settings.c_ispeed = modes.input_speed;
    settings.c_ospeed = modes.output_speed;
    // SAFETY: TCSETSW2 reads one termios2.
    retry(|| unsafe { libc::ioctl(fd.as_raw_fd(), libc::TCSETSW2, &raw const settings) })?;
    Ok(())
}

impl Modes {
    /// These modes, but every key goes through as it is typed and nothing is echoed.
    ///
    /// With `keep_signals_and_output` the keys for signals still work and output is still
    /// translated: for a command with a redirected descriptor, whose pipeline the local kernel
    /// must reach and whose neighbours write lines of their own.
    pub fn raw(&self, keep_signals_and_output: bool) -> Modes {
        let mut raw = self.clone();
        raw.input &= !(libc::IGNBRK
            | libc::BRKINT
            | libc::PARMRK
            | libc::ISTRIP
            | libc::INLCR
            | libc::IGNCR
            | libc::ICRNL
            | libc::IXON
            | libc::IXANY
            | libc::IXOFF);
        raw.local &= !(libc::ECHO | libc::ECHONL | libc::ICANON | libc::IEXTEN);
        raw.control = raw.control & !(libc::CSIZE | libc::PARENB) | libc::CS8;
        if !keep_signals_and_output {
            raw.local &= !libc::ISIG;
            raw.output &= !libc::OPOST;
        }
        // A read returns as soon as there is one byte.
        for (index, value) in [(libc::VMIN, 1), (libc::VTIME, 0)] {
            if let Some(character) = raw.characters.get_mut(index) {
                *character = value;
            }
        }
        raw
    }
}

/// The window size; all zero if nobody has set it.
pub fn size(fd: BorrowedFd) -> io::Result<Size> {
    let mut size = MaybeUninit::<libc::winsize>::uninit();
    // SAFETY: TIOCGWINSZ writes one winsize, which is read only after success.
    let size = unsafe {
        check(libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()))?;
        size.assume_init()
    };
    Ok(Size { rows: size.ws_row, columns: size.ws_col, x_pixels: size.ws_xpixel, y_pixels: size.ws_ypixel })
}

/// Sets the window size. If it differs, the foreground group gets SIGWINCH.
pub fn set_size(fd: BorrowedFd, size: &Size) -> io::Result<()> {
    let size =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: size.x_pixels, ws_ypixel: size.y_pixels };
    // SAFETY: TIOCSWINSZ reads one winsize.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) })?;
    Ok(())
}

/// The foreground process group of a terminal: of this process's controlling terminal, or,
/// asked through the master, of the session that has the slave.
pub fn foreground(fd: BorrowedFd) -> io::Result<i32> {
    Ok(nix::unistd::tcgetpgrp(fd)?.as_raw())
}

/// Makes a group of this session the foreground group of its controlling terminal.
///
/// SIGTTOU is blocked for that moment: from the background, as a leader is while its job has the
/// terminal, the call would otherwise stop the caller or fail.
pub fn set_foreground(fd: BorrowedFd, pgid: i32) -> io::Result<()> {
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTTOU);
    let former = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = nix::unistd::tcsetpgrp(fd, Pid::from_raw(pgid));
    former.thread_set_mask()?;
    Ok(result?)
}

/// This process's controlling terminal, if it has one.
pub fn controlling() -> Option<OwnedFd> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    nix::fcntl::open("/dev/tty", flags, Mode::empty()).ok()
}

/// Whether the descriptor is this process's controlling terminal.
///
/// The kernel answers `TIOCGSID` on a terminal only to the session that has it as controlling
/// terminal. It also answers it on a master, for the slave; hence the second question, which
/// only a master answers.
pub fn is_controlling(fd: BorrowedFd) -> bool {
    let mut session: libc::pid_t = 0;
    // SAFETY: TIOCGSID writes one pid_t.
    let asked = check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGSID, &raw mut session) });
    // SAFETY: getsid has no arguments in memory; 0 means this process.
    let own = unsafe { libc::getsid(0) };
    asked.is_ok() && session == own && !is_master(fd)
}

/// Makes the terminal the controlling terminal of this process, which must lead a session
/// without one.
pub fn make_controlling(slave: BorrowedFd) -> io::Result<()> {
    // SAFETY: TIOCSCTTY takes a plain number; 0 means not to steal it from another session.
    check(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) })?;
    Ok(())
}

/// How many bytes can be read from this end right now: at least so many, and 0 only if nothing
/// that a program has written is left.
///
/// What was written passes through a queue of the kernel before it is counted, and the count ends
/// at the kernel's line buffer (4 KiB). Asking whether the end is readable moves the queue along
/// when that buffer is empty; so read and ask again until the answer is 0.
pub fn unread_output(fd: BorrowedFd) -> io::Result<usize> {
    let mut ends = [PollFd::new(fd, PollFlags::POLLIN)];
    match nix::poll::poll(&mut ends, PollTimeout::ZERO) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

fn settings(fd: BorrowedFd) -> io::Result<libc::termios2> {
    let mut settings = MaybeUninit::<libc::termios2>::uninit();
    // SAFETY: TCGETS2 writes one termios2, which is read only after success.
    unsafe {
        check(libc::ioctl(fd.as_raw_fd(), libc::TCGETS2, settings.as_mut_ptr()))?;
        Ok(settings.assume_init())
    }
}

fn is_master(fd: BorrowedFd) -> bool {
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN writes one unsigned int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGPTN, &raw mut number) }).is_ok()
}
