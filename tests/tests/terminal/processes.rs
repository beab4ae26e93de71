//! Which process of a personal daemon's directory is which. demo-cluster says it for its hosts;
//! here it is found by what each was started with.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use queue_tests::terminal::PATIENCE;
use queue_tests::wait;

/// What a process of queue is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Daemon,
    Runner,
    Leaders,
    Leader,
    Client,
}

impl Role {
    /// As demo-cluster calls it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Daemon => "daemon",
            Role::Runner => "runner",
            Role::Leaders => "leaders",
            Role::Leader => "leader",
            Role::Client => "client",
        }
    }
}

/// The processes in this role that were started in this directory.
pub fn of_directory(directory: &Path, role: Role) -> Vec<i32> {
    let directory = directory.to_str().expect("made of letters");
    let from = |pid: &i32, file: &str| read(*pid, file).contains(directory);
    let named = |pid: &i32, name: &str| read(*pid, "comm").trim_end() == name;
    match role {
        // Neither leaders nor their maker are told a directory: they are known by their parents.
        Role::Leaders => children(&of_directory(directory.as_ref(), Role::Runner), "queue-leaders"),
        Role::Leader => children(&of_directory(directory.as_ref(), Role::Leaders), "queue-leader"),
        Role::Runner => all().filter(|pid| named(pid, "queue-runner") && from(pid, "cmdline")).collect(),
        // It has executed itself anew, and its name is that of the link it did it by.
        Role::Daemon => all().filter(|pid| is_daemon(*pid) && from(pid, "environ")).collect(),
        Role::Client => all().filter(|pid| named(pid, "queue") && from(pid, "environ")).collect(),
    }
}

/// Waits until nobody is in these roles; who still is after a while.
pub fn gone(directory: &Path, roles: &[Role]) -> Vec<i32> {
    let deadline = Instant::now() + LEAVING;
    loop {
        let left = roles.iter().flat_map(|role| of_directory(directory, *role)).collect::<Vec<_>>();
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends a signal to a process that is known to be there.
pub fn send(pid: i32, signal: &str) {
    let number = sys::signal::number(signal).expect("the name of a signal");
    let process = sys::process::pidfd(pid).unwrap_or_else(|error| panic!("process {pid}: {error}"));
    sys::process::pidfd_signal(process.as_fd(), number).unwrap_or_else(|error| panic!("process {pid}: {error}"));
}

/// Kills what should have gone by itself.
pub fn kill_all(pids: &[i32]) {
    for pid in pids {
        if let Ok(process) = sys::process::pidfd(*pid) {
            let _ = sys::process::pidfd_signal(process.as_fd(), nix::libc::SIGKILL);
        }
    }
}

/// Whether there is such a process, and not only what its parent has yet to look at.
pub fn lives(pid: i32) -> bool {
    read(pid, "stat").rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// The sockets that a process has open, by the kernel's names.
#[cfg(feature = "root")]
pub fn sockets(pid: i32) -> Vec<std::path::PathBuf> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).collect()
}

/// Waits until a program of this directory has nothing to do but to wait. `less` notes a stop that
/// comes while it is at work, and may then wait for a key with the note unread.
pub fn until_it_waits(directory: &Path, name: &str) {
    let directory = directory.to_str().expect("made of letters");
    let is_it = |pid: &i32| read(*pid, "comm").trim_end() == name && read(*pid, "environ").contains(directory);
    let waits = |pid: i32| read(pid, "stat").rsplit(')').next().is_some_and(|rest| rest.starts_with(" S"));
    wait::until(&format!("{name} waits"), PATIENCE, || {
        let mut found = all().filter(is_it).peekable();
        (found.peek().is_some() && found.all(waits)).then_some(())
    });
}

/// The one child of a process.
pub fn child_of(parent: i32) -> i32 {
    wait::until(&format!("one child of {parent}"), PATIENCE, || {
        <[i32; 1]>::try_from(all().filter(|pid| parent_of(*pid) == Some(parent)).collect::<Vec<_>>()).ok()
    })[0]
}

fn children(parents: &[i32], name: &str) -> Vec<i32> {
    let is_child = |pid: &i32| parent_of(*pid).is_some_and(|parent| parents.contains(&parent));
    all().filter(|pid| read(*pid, "comm").trim_end() == name && is_child(pid)).collect()
}

fn is_daemon(pid: i32) -> bool {
    let arguments = read(pid, "cmdline");
    let program = arguments.split('\0').next().unwrap_or_default();
    program.rsplit('/').next() == Some("queued") && !arguments.contains("\0--role\0")
}

fn parent_of(pid: i32) -> Option<i32> {
    read(pid, "status").lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("a Linux system").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Empty for a process that has gone.
fn read(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How long daemon, runner and leaders may take to leave.
const LEAVING: Duration = Duration::from_secs(15);
