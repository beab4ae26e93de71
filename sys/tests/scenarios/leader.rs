//! A session leader as the product has it, and jobs that it starts.

use std::env;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use sys::postfork::{Start, StartError, start};
use sys::process::{Change, Usage, wait_any};
use sys::pty::Pty;
use sys::signal::Signals;

use crate::harness::PATIENCE;

/// This process as leader of a session with a terminal of its own.
pub struct Leader {
    pub pty: Pty,
    changes: Signals,
    shown: Vec<u8>,
}

impl Leader {
    pub fn new() -> Leader {
        sys::process::new_session().unwrap();
        // The kernel sends it to us when the terminal goes at the end of the scenario.
        sys::signal::ignore(libc::SIGHUP).unwrap();
        let pty = sys::pty::open().unwrap();
        sys::terminal::make_controlling(pty.slave.as_fd()).unwrap();
        sys::descriptors::set_nonblocking(pty.master.as_fd(), true).unwrap();
        Leader { pty, changes: Signals::block(&[libc::SIGCHLD]).unwrap(), shown: Vec::new() }
    }

    /// Starts a job with all three descriptors on the terminal.
    pub fn job(&self, argv: &[CString], foreground: bool) -> i32 {
        let slave = self.pty.slave.as_fd();
        let mut plan = plan(argv, [slave; 3]);
        plan.terminal = Some((slave, foreground));
        start(&plan).unwrap()
    }

    /// Presses keys.
    pub fn press(&self, keys: &[u8]) {
        assert_eq!(nix::unistd::write(&self.pty.master, keys), Ok(keys.len()));
    }

    /// Waits until the terminal has shown a text (again, after what was waited for before).
    pub fn shows(&mut self, text: &str) {
        loop {
            let found = self.shown.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(start) = found {
                self.shown.drain(..start + text.len());
                return;
            }
            ready(self.pty.master.as_fd(), &format!("{text:?} on the terminal"));
            let mut piece = [0; 4096];
            let length = nix::unistd::read(&self.pty.master, &mut piece).unwrap();
            self.shown.extend_from_slice(&piece[..length]);
        }
    }

    /// Waits for the next change of a child.
    pub fn change(&self) -> (i32, Change, Usage) {
        loop {
            if let Some(change) = wait_any().unwrap() {
                return change;
            }
            ready(self.changes.as_fd(), "a change of a child");
            self.changes.next().unwrap();
        }
    }

    /// Waits for the next change of a certain child.
    pub fn change_of(&self, expected: i32) -> Change {
        let (pid, change, _) = self.change();
        assert_eq!(pid, expected, "{change:?}");
        change
    }

    /// Continues a job and waits for its end. That it continued may not be seen any more.
    pub fn continue_to_end(&self, job: i32) -> Change {
        sys::process::signal_group(job, libc::SIGCONT).unwrap();
        match self.change_of(job) {
            Change::Continued => self.change_of(job),
            end => end,
        }
    }
}

/// Everything of a start set to something plain.
pub fn plan<'a>(argv: &'a [CString], descriptors: [BorrowedFd<'a>; 3]) -> Start<'a> {
    Start {
        path: &argv[0],
        argv,
        environment: &[],
        directory: c"/",
        umask: 0o022,
        nice: 0,
        limits: &[],
        ignored: &[],
        descriptors,
        terminal: None,
    }
}

/// Starts a job with its output in a pipe, waits for its end and answers both.
pub fn output_of(plan: impl FnOnce(BorrowedFd) -> Result<i32, StartError>) -> (String, Change) {
    let (read, write) = sys::descriptors::pipe().unwrap();
    let job = plan(write.as_fd()).unwrap();
    drop(write);
    let text = rest_of(read);
    let mut change = None;
    crate::harness::until("the end of the job", || {
        change = wait_any().unwrap();
        change.is_some()
    });
    let (pid, change, _) = change.unwrap();
    assert_eq!(pid, job);
    (text, change)
}

/// All that comes out of a pipe.
pub fn rest_of(read: OwnedFd) -> String {
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    text
}

/// The command line that runs this program in a role.
pub fn role(words: &[&str]) -> Vec<CString> {
    let program = env::current_exe().unwrap().into_os_string().into_vec();
    let mut argv = vec![CString::new(program).unwrap(), c"--role".into()];
    argv.extend(words.iter().map(|word| CString::new(*word).unwrap()));
    argv
}

/// This process's own three descriptors.
pub fn standard() -> [BorrowedFd<'static>; 3] {
    // SAFETY: nobody closes them while a job is started with them.
    [0, 1, 2].map(|number| unsafe { BorrowedFd::borrow_raw(number) })
}

/// A command line.
pub fn words(words: &[&CStr]) -> Vec<CString> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Waits until a descriptor is readable.
pub fn ready(fd: BorrowedFd, what: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap();
        let mut ends = [PollFd::new(fd, PollFlags::POLLIN)];
        match nix::poll::poll(&mut ends, left).map_err(std::io::Error::from) {
            Ok(0) => panic!("waited in vain: {what}"),
            Ok(_) => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}
