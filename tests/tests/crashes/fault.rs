//! A signal that reaches a process at a chosen system call, from outside: nothing is built into the programs for it.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::cluster::is_alive;
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

/// A process that is watched by strace until it is dropped.
pub struct Fault {
    strace: Process,
    victim: i32,
}

impl Fault {
    /// `pid` dies when one of its threads enters one of these calls for the `nth` time from now on: the call is
    /// not made any more.
    pub fn kill(pid: i32, calls: &str, nth: u32) -> Self {
        Self::inject(pid, calls, &format!("signal=SIGKILL:when={nth}"))
    }

    /// `pid` is stopped when one of its threads has made one of these calls for the `nth` time.
    pub fn stop(pid: i32, calls: &str, nth: u32) -> Self {
        Self::inject(pid, calls, &format!("signal=SIGSTOP:when={nth}"))
    }

    /// The `nth` of these calls that a thread of `pid` makes from now on is not made, and fails as on a broken disk: once
    /// in each thread that comes so far.
    pub fn fail(pid: i32, calls: &str, nth: u32) -> Self {
        Self::inject_and_trace(pid, calls, &format!("error=EIO:when={nth}"), &format!("{calls},unlink"))
    }

    /// After [`Fault::fail`]: how often the process has removed a file of this name since.
    pub fn removals(&self, name: &str) -> usize {
        let end = format!("/{name}\")");
        self.strace.errors().lines().filter(|line| line.contains("unlink(") && line.contains(&end)).count()
    }

    /// Each of these calls of `pid` takes so much longer.
    pub fn delay(pid: i32, calls: &str, microseconds: u32) -> Self {
        Self::inject(pid, calls, &format!("delay_enter={microseconds}"))
    }

    fn inject(pid: i32, calls: &str, what: &str) -> Self {
        Self::inject_and_trace(pid, calls, what, calls)
    }

    fn inject_and_trace(pid: i32, calls: &str, what: &str, traced: &str) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-s", "4096", "-p", &pid.to_string()]);
        command.args(["-e", &format!("trace={traced}"), "-e", &format!("inject={calls}:{what}")]);
        let strace = Process::start(command);
        until("strace watches", PATIENCE, || strace.errors().contains("attached").then_some(()));
        Self { strace, victim: pid }
    }

    /// Whether the moment has come.
    pub fn has_struck(&self) -> bool {
        let said = self.strace.errors();
        said.contains("killed by SIGKILL") || said.contains("stopped by SIGSTOP")
    }

    /// After [`Fault::fail`]: how many calls have failed.
    pub fn failures(&self) -> usize {
        self.strace.errors().matches("(INJECTED)").count()
    }

    /// After [`Fault::kill`]: whether the victim has died, with all its threads and sockets.
    pub fn has_killed(&self) -> bool {
        !is_alive(self.victim)
    }

    /// Waits for it.
    pub fn until_it_strikes(&self) {
        until("the process comes to that call", PATIENCE, || self.has_struck().then_some(()));
    }

    /// Waits until one of the calls is under way.
    pub fn until_a_call_is_made(&self) {
        until("the process makes such a call", PATIENCE, || self.strace.errors().contains('(').then_some(()));
    }
}

/// What makes files safe.
pub const SYNCS: &str = "fsync,fdatasync";

/// Lets a stopped process go on.
pub fn go_on(pid: i32) {
    // One that was killed meanwhile goes nowhere.
    let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
}

/// Whether a process is stopped, by a signal or by who watches it.
pub fn is_stopped(pid: i32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['T', 't']))
}
