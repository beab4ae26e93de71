//! Signals: receiving them as messages, stopping and dying by one; their names.

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::{check, retry};

pub(crate) mod action;
mod inherited;
mod names;

use action::Action;
pub use inherited::ignored_at_start;
pub use names::{name, number};

/// A set of signals that arrive as messages instead of interrupting.
///
/// Blocks them in the calling thread, and so in threads and processes that it makes later: call
/// it before there are others. Dropped, it restores the former mask of the thread that drops it.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
    former: libc::sigset_t,
}

/// One signal that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Which signal.
    pub number: i32,
    /// Whether a process sent it on purpose (kill, sigqueue, tgkill); otherwise it is the
    /// kernel's own: a key on the terminal, a fault, a child.
    pub from_person: bool,
    /// The sender, if a process; the child, for CHLD.
    pub pid: i32,
}

impl Signals {
    /// Blocks the given signals and receives them from now on.
    pub fn block(numbers: &[i32]) -> io::Result<Signals> {
        let wanted = set_of(numbers)?;
        // SAFETY: signalfd reads the set and returns a new descriptor.
        let descriptor = check(unsafe { libc::signalfd(-1, &wanted, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })?;
        // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let former = change_mask(libc::SIG_BLOCK, &wanted)?;
        Ok(Signals { descriptor, former })
    }

    /// The next signal that has arrived; `None` if there is none now.
    pub fn next(&self) -> io::Result<Option<Received>> {
        let mut message = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let length = mem::size_of::<libc::signalfd_siginfo>();
        // SAFETY: read writes at most `length` bytes into a structure of that size.
        let read =
            retry(|| unsafe { libc::read(self.descriptor.as_raw_fd(), message.as_mut_ptr().cast(), length) as i32 });
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        // SAFETY: a signalfd gives whole structures or an error.
        let message = unsafe { message.assume_init() };
        Ok(Some(Received {
            number: message.ssi_signo as i32,
            from_person: [libc::SI_USER, libc::SI_QUEUE, libc::SI_TKILL].contains(&message.ssi_code),
            pid: message.ssi_pid as i32,
        }))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // It was a valid mask when it was read, so setting it cannot fail.
        let _ = change_mask(libc::SIG_SETMASK, &self.former);
    }
}

/// Empties the signal mask of the calling thread.
pub fn unblock_all() -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, &set_of(&[])?)?;
    Ok(())
}

/// Ends this process by a signal, without a core file, as if it had not been handled.
///
/// If the signal does not end it (its default is to be ignored), it exits with 128 + the number.
pub fn die_of(number: i32) -> ! {
    let _ = crate::limits::set_soft_limit("core", Some(0));
    // The limit does not hold where cores go to a program; not being dumpable does.
    // SAFETY: PR_SET_DUMPABLE takes a plain number.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    let _ = default(number);
    if let Ok(only) = set_of(&[number]) {
        let _ = change_mask(libc::SIG_UNBLOCK, &only);
    }
    // SAFETY: raise takes a plain number.
    unsafe { libc::raise(number) };
    std::process::exit(number.saturating_add(128))
}

/// Stops this process by a stop signal, and returns when it is continued.
///
/// If its process group is orphaned, the kernel throws the signal away (except STOP) and this
/// returns at once.
pub fn stop_self(number: i32) {
    // SAFETY: raise takes a plain number.
    with_default(number, || unsafe {
        libc::raise(number);
    });
}

/// Like [`stop_self`] for the whole process group, as a key on the terminal would do it: a shell
/// script that waits for this process stops too, and its own shell sees that.
pub fn stop_own_group(number: i32) {
    // SAFETY: kill takes plain numbers; 0 is the own group.
    with_default(number, || unsafe {
        libc::kill(0, number);
    });
}

/// Sends a signal to the whole process group, this process included: one that blocks it goes on.
pub fn tell_own_group(number: i32) {
    // SAFETY: kill takes plain numbers; 0 is the own group. It cannot fail for one's own group.
    let _ = unsafe { libc::kill(0, number) };
}

/// Gives SIGPIPE its default action, which the Rust runtime has changed to ignored.
pub fn reset_pipe() {
    // SIGPIPE is a signal whose action may be changed, so it cannot fail.
    let _ = default(libc::SIGPIPE);
}

/// Ignores a signal.
pub fn ignore(number: i32) -> io::Result<()> {
    check(Action::IGNORE.apply(number)).map(drop)
}

/// Gives a signal its default action.
pub fn default(number: i32) -> io::Result<()> {
    check(Action::DEFAULT.apply(number)).map(drop)
}

/// Runs `act` while the signal has its default action and is not blocked in this thread.
fn with_default(number: i32, act: impl FnOnce()) {
    let action = Action::DEFAULT.replace(number);
    let mask = set_of(&[number]).and_then(|only| change_mask(libc::SIG_UNBLOCK, &only));
    act();
    if let Ok(former) = mask {
        let _ = change_mask(libc::SIG_SETMASK, &former);
    }
    // For SIGSTOP there was nothing to change and so nothing to restore.
    if let Ok(former) = action {
        former.apply(number);
    }
}

fn set_of(numbers: &[i32]) -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set; sigaddset checks the number.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in numbers {
            check(libc::sigaddset(set.as_mut_ptr(), *number))?;
        }
        Ok(set.assume_init())
    }
}

fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    let mut former = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: reads one set and writes the former one, which is used only after success.
    match unsafe { libc::pthread_sigmask(how, set, former.as_mut_ptr()) } {
        // SAFETY: zero means that the former mask was written.
        0 => Ok(unsafe { former.assume_init() }),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// The highest signal number of Linux on the architectures we know.
pub(crate) const LAST: i32 = 64;
