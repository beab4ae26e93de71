//! A user's home directory, and logins that use it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

pub use queue_tests::cluster::is_alive;
use queue_tests::process::{Ended, PATIENCE, Process};
use queue_tests::programs;
use queue_tests::wait::until;

/// A home directory in temp. Whatever was started by its logins is killed when it is dropped.
pub struct Home {
    directory: PathBuf,
}

/// What one login on one host has for itself.
pub struct Login {
    home: PathBuf,
    runtime: PathBuf,
    config: Option<PathBuf>,
}

impl Home {
    /// An empty one.
    pub fn new() -> Self {
        remove_leftovers();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Short: sockets lie below it.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = Path::new("/tmp").join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&directory).expect("temp is writable");
        fs::create_dir(directory.join("home")).expect("temp is writable");
        Self { directory }
    }

    /// A login on this machine.
    pub fn login(&self) -> Login {
        let login = Login { home: self.home(), runtime: self.directory.join("run"), config: None };
        fs::create_dir_all(&login.runtime).expect("ours");
        login
    }

    /// A login on a host that has this home directory too, and only its configuration apart.
    pub fn login_on(&self, host: &str, settings: &str) -> Login {
        let [runtime, config] = ["run", "config"].map(|part| self.directory.join(format!("{host}-{part}")));
        let login = Login { home: self.home(), runtime, config: Some(config) };
        fs::create_dir_all(&login.runtime).expect("ours");
        login.configure(&format!("host = \"{host}\"\n{settings}"));
        login.profile(host, "wait", "loadsched = \"none\"\n");
        login
    }

    /// The directory itself.
    pub fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// What belongs to this home: all that has its name in the environment, and leaders, who have none: those whose
    /// job has it, and those whose job has ended and whose runner has died, who still have what they were told of it.
    fn processes(&self) -> BTreeSet<i32> {
        let mark = self.directory.to_string_lossy().into_owned();
        let is_ours = |pid: &i32| ["environ", "cmdline"].iter().any(|file| read(*pid, file).contains(&mark));
        let mut found: BTreeSet<i32> = all().filter(is_ours).collect();
        let leaders = found.iter().filter_map(|pid| parent_of(*pid)).collect::<Vec<_>>();
        found.extend(leaders.into_iter().filter(|pid| read(*pid, "comm").starts_with("queue-leader")));
        found.extend(all().filter(|pid| was_told_of(*pid, &mark)));
        let children = |pid: &i32| parent_of(*pid).is_some_and(|parent| found.contains(&parent));
        let more: Vec<i32> = all().filter(children).collect();
        found.extend(more);
        found
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for entry in fs::read_dir(self.home().join(".local/state/queue")).into_iter().flatten().flatten() {
                let log = fs::read_to_string(entry.path().join("log")).unwrap_or_default();
                eprintln!("--- log of {}\n{log}", entry.file_name().to_string_lossy());
            }
        }
        // A runner with jobs starts a dead daemon again, so once is not enough.
        loop {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL);
            }
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Login {
    /// A program with this login's environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for name in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "QUEUE_RUNTIME", "QUEUED_LOG"] {
            command.env_remove(name);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs::directory().display()));
        command.env("HOME", &self.home).env("XDG_RUNTIME_DIR", &self.runtime);
        if let Some(config) = &self.config {
            command.env("XDG_CONFIG_HOME", config);
        }
        command
    }

    /// Starts `queue`.
    pub fn spawn(&self, arguments: &[&str]) -> Process {
        let mut command = self.command(programs::queue());
        command.args(arguments);
        Process::start(command)
    }

    /// Runs `queue` to its end.
    pub fn queue(&self, arguments: &[&str]) -> Ended {
        self.spawn(arguments).end()
    }

    /// Runs a shell script to its end.
    pub fn shell(&self, script: &str) -> Ended {
        let mut command = self.command("/bin/bash");
        command.args(["-c", script]);
        Process::start(command).end()
    }

    /// Writes `queued.toml`.
    pub fn configure(&self, text: &str) {
        let path = self.configuration();
        fs::create_dir_all(path.parent().expect("it lies in a directory")).expect("ours");
        fs::write(path, text).expect("ours");
    }

    /// Writes the profile of a queue. What else runs on this machine must not keep a test's jobs from starting.
    pub fn profile(&self, host: &str, queue: &str, text: &str) {
        let directory = self.state(host).join("spool").join(queue);
        DirBuilder::new().mode(0o700).recursive(true).create(&directory).expect("ours");
        // Put in place whole, as editors do.
        fs::write(directory.join("new"), text).expect("ours");
        fs::rename(directory.join("new"), directory.join("profile.toml")).expect("ours");
    }

    /// The path of `queued.toml`.
    pub fn configuration(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.home.join(".config")).join("queue/queued.toml")
    }

    /// The runtime directory.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The state directory of the host `name`.
    pub fn state(&self, name: &str) -> PathBuf {
        self.home.join(".local/state/queue").join(name)
    }

    /// All daemons of this login.
    pub fn daemons(&self) -> Vec<i32> {
        self.in_role(None)
    }

    /// All its runners.
    pub fn runners(&self) -> Vec<i32> {
        self.in_role(Some("runner"))
    }

    fn in_role(&self, role: Option<&str>) -> Vec<i32> {
        let mark = format!("XDG_RUNTIME_DIR={}", self.runtime.display());
        let has_mark = |pid: &i32| read(*pid, "environ").split('\0').any(|variable| variable == mark);
        let has_role = |pid: &i32| {
            let arguments = read(*pid, "cmdline");
            let mut arguments = arguments.split('\0');
            let program = arguments.next().unwrap_or_default();
            arguments.find(|argument| *argument == "--role");
            program.rsplit('/').next() == Some("queued") && arguments.next() == role
        };
        all().filter(|pid| is_alive(*pid) && has_role(pid) && has_mark(pid)).collect()
    }

    /// The one daemon of this login.
    pub fn daemon(&self) -> i32 {
        until("one daemon", PATIENCE, || <[i32; 1]>::try_from(self.daemons()).ok())[0]
    }

    /// Whether the state directory of `host` is held by `pid`: the file of its lock says so.
    pub fn is_held_by(&self, host: &str, pid: i32) -> bool {
        fs::read_to_string(self.state(host).join("lock")).is_ok_and(|text| text.trim() == pid.to_string())
    }
}

/// A file of a process in proc; empty when it is not there or not ours.
pub fn read(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parent_of(pid: i32) -> Option<i32> {
    read(pid, "status").lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// Whether a process has the description of a job open in which this is written.
fn was_told_of(leader: i32, mark: &str) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{leader}/fd")).into_iter().flatten().flatten();
    let is_sheet = |path: &PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains(SHEET));
    let sheets = descriptors.map(|entry| entry.path()).filter(is_sheet);
    sheets.filter_map(|path| fs::read(path).ok()).any(|text| String::from_utf8_lossy(&text).contains(mark))
}

/// All processes but the test's own.
fn all() -> impl Iterator<Item = i32> {
    let own = std::process::id() as i32;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(move |pid| *pid != own)
}

/// Homes of tests that were killed.
fn remove_leftovers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                drop(Home { directory: entry.path() });
            }
        }
    });
}

/// What the memory in which a leader has the description of its job is called.
const SHEET: &str = "queue-assignment";
/// What the directories are called; the process id follows.
const PREFIX: &str = "queue-home-";
