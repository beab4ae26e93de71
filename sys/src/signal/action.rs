//! What a process does on a signal: nothing, the default, or a handler.
//!
//! Set and asked with the bare system call, because the C library refuses it for the two signals
//! that it keeps for itself (32 and 33), and those can be inherited as ignored like any other.

use std::io;

use crate::check;

/// An action as the kernel keeps it; the handler is its first word. Larger than that of any
/// architecture.
#[derive(Clone, Copy)]
pub(crate) struct Action([usize; 8]);

impl Action {
    pub const DEFAULT: Action = Action::of(libc::SIG_DFL);
    pub const IGNORE: Action = Action::of(libc::SIG_IGN);

    const fn of(handler: libc::sighandler_t) -> Action {
        Action([handler, 0, 0, 0, 0, 0, 0, 0])
    }

    /// The present action; `None` if there is no such signal.
    pub fn present(number: i32) -> Option<Action> {
        let mut present = Action::DEFAULT;
        // SAFETY: with a null new action the kernel only writes the present one, into an array
        // that is large enough.
        let asked = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, number, std::ptr::null::<usize>(), present.0.as_mut_ptr(), SET_BYTES)
        };
        (asked == 0).then_some(present)
    }

    pub fn is_ignore(&self) -> bool {
        self.0[0] == libc::SIG_IGN
    }

    /// Makes this the action of a signal: 0, or -1 with `errno`. Async-signal-safe.
    pub fn apply(&self, number: i32) -> libc::c_int {
        // SAFETY: the kernel reads one action. It is default, ignore, or one that the kernel
        // itself returned as being in force.
        let applied = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, number, self.0.as_ptr(), std::ptr::null_mut::<usize>(), SET_BYTES)
        };
        applied as libc::c_int
    }

    /// Makes this the action of a signal and answers the former one.
    pub fn replace(&self, number: i32) -> io::Result<Action> {
        let former = Action::present(number);
        check(self.apply(number))?;
        former.ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }
}

/// The size of a set of signals in the kernel: one bit each.
const SET_BYTES: usize = super::LAST as usize / 8;
