//! The local terminal: raw or as it was found, and never left raw.
//!
//! The terminal is spoken to through a description of our own of `/dev/tty`, non-blocking and
//! shared with nobody. SIGTTOU is not blocked around a change of modes: from the background
//! the kernel stops us for it, as it should. Raw mode ends when [`Terminal`] is dropped, and
//! in a panic before its message is printed; signals that would kill this process come as
//! messages while it is raw and end the loop in order.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError};

use nix::errno::Errno;
use nix::unistd::{getpgrp, read};
use sys::terminal::Modes;
use wire::session;

use crate::description::{Sink, Taken};
use crate::modes::Rawness;

/// The controlling terminal.
pub struct Terminal {
    tty: OwnedFd,
    raw: Option<Modes>,
    ahead: Cell<Ahead>,
}

/// What was typed before the terminal went raw. The kernel has kept it, but where a person has
/// pressed the key for the end of input there is a NUL.
#[derive(Clone, Copy, Default)]
struct Ahead {
    /// So many bytes are still to be read.
    bytes: usize,
    end_key: u8,
}

impl Terminal {
    /// The controlling terminal, if there is one.
    pub fn open() -> Option<Self> {
        let tty = sys::terminal::controlling()?;
        sys::descriptors::set_nonblocking(tty.as_fd(), true).ok()?;
        Some(Self { tty, raw: None, ahead: Cell::default() })
    }

    /// Something to write to it with.
    pub fn sink(&self) -> Option<Sink> {
        self.tty.try_clone().ok().map(Sink::of_own)
    }

    /// Whether this process may use it: its group is the foreground one.
    pub fn is_ours(&self) -> bool {
        sys::terminal::foreground(self.tty.as_fd()).is_ok_and(|group| group == getpgrp().as_raw())
    }

    /// The size of the window.
    pub fn size(&self) -> Option<session::Size> {
        let size = sys::terminal::size(self.tty.as_fd()).ok()?;
        Some(session::Size { rows: size.rows, columns: size.columns, x_pixels: size.x_pixels, y_pixels: size.y_pixels })
    }

    /// The modes it has now, or had before it went raw.
    pub fn modes(&self) -> Option<session::Modes> {
        let modes = match &self.raw {
            Some(_) => lock().as_ref().map(|saved| saved.modes.clone()),
            None => sys::terminal::modes(self.tty.as_fd()).ok(),
        }?;
        Some(session::Modes {
            input: modes.input,
            output: modes.output,
            control: modes.control,
            local: modes.local,
            characters: modes.characters,
            input_speed: modes.input_speed,
            output_speed: modes.output_speed,
        })
    }

    /// Whether it turns `\n` into `\r\n` itself.
    pub fn translates_newlines(&self) -> bool {
        let flags = nix::libc::OPOST | nix::libc::ONLCR;
        sys::terminal::modes(self.tty.as_fd()).is_ok_and(|modes| modes.output & flags == flags)
    }

    /// Whether it is raw by our doing.
    pub fn is_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Makes every key go through. Modes that a shell has set meanwhile are those to go back to.
    pub fn enter_raw(&mut self, rawness: Rawness) {
        let Ok(now) = sys::terminal::modes(self.tty.as_fd()) else {
            return;
        };
        if self.raw.as_ref() == Some(&now) {
            return;
        }
        let raw = now.raw(rawness == Rawness::Shared);
        let end_key = now.characters.get(nix::libc::VEOF).filter(|_| now.local & nix::libc::ICANON != 0).copied();
        let Ok(tty) = self.tty.try_clone() else {
            return;
        };
        // First remembered, then changed: in between nothing can go wrong unseen.
        *lock() = Some(Saved { tty, modes: now });
        restore_in_a_panic();
        if sys::terminal::set_modes(self.tty.as_fd(), &raw).is_ok() {
            self.raw = Some(raw);
            let bytes = sys::terminal::unread_output(self.tty.as_fd()).unwrap_or(0);
            self.ahead.set(end_key.map(|end_key| Ahead { bytes, end_key }).unwrap_or_default());
        }
    }

    /// Puts the modes back. Not from the background: there the terminal is somebody else's, and
    /// its modes too.
    pub fn leave_raw(&mut self) {
        if self.raw.take().is_some() {
            let saved = lock().take();
            if let Some(saved) = saved.filter(|_| self.is_ours()) {
                let _ = sys::terminal::set_modes(saved.tty.as_fd(), &saved.modes);
            }
        }
    }

    /// The keys that interrupted and quit before the terminal went raw; 0 for none.
    pub fn signal_keys(&self) -> [(u8, i32); 2] {
        let saved = lock();
        let key =
            |index: usize| saved.as_ref().and_then(|saved| saved.modes.characters.get(index).copied()).unwrap_or(0);
        [(key(nix::libc::VINTR), nix::libc::SIGINT), (key(nix::libc::VQUIT), nix::libc::SIGQUIT)]
    }

    /// Reads what was typed.
    pub fn read(&self, buffer: &mut [u8]) -> Result<Taken, Errno> {
        match read(&self.tty, buffer) {
            Ok(0) => Ok(Taken::End),
            Ok(count) => {
                self.restore_end_keys(&mut buffer[..count]);
                Ok(Taken::Bytes(count))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Taken::Blocked),
            Err(error) => Err(error),
        }
    }

    fn restore_end_keys(&self, typed: &mut [u8]) {
        let Ahead { bytes, end_key } = self.ahead.get();
        let count = bytes.min(typed.len());
        typed[..count].iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = end_key);
        self.ahead.set(Ahead { bytes: bytes - count, end_key });
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tty.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave_raw();
    }
}

/// What the terminal is put back to.
struct Saved {
    tty: OwnedFd,
    modes: Modes,
}

static SAVED: Mutex<Option<Saved>> = Mutex::new(None);

fn lock() -> std::sync::MutexGuard<'static, Option<Saved>> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The message of a panic shall be readable, and the shell after it usable.
fn restore_in_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // Not waited for: the panic may have come while it was held.
            if let Ok(mut saved) = SAVED.try_lock()
                && let Some(saved) = saved.take()
            {
                let _ = sys::terminal::set_modes(saved.tty.as_fd(), &saved.modes);
            }
            before(panic);
        }));
    });
}
