//! A cluster of hosts on this machine, made by `configure-scripts/demo-cluster`: each is a set of
//! namespaces with daemons, directories and a load of its own. Needs root.
//!
//! Every cluster has its own name, so that tests run side by side; it is taken down when it is
//! dropped, and one whose test was killed is taken down by the next.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wire::api::HostsAnswer;
use wire::news::HostRow;

use crate::process::{Ended, PATIENCE, Process};
use crate::programs;
use crate::wait::until;

/// Hosts that are up, with daemons that know each other.
pub struct Cluster {
    name: String,
    directory: PathBuf,
    hosts: Vec<String>,
}

impl Cluster {
    /// Makes `count` hosts (redfish, bluefish, onefish, twofish, host5 ...) and waits until each
    /// of them knows all.
    ///
    /// # Panics
    /// When that fails.
    pub fn up(count: usize) -> Self {
        remove_leftovers();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = base().join(&name);
        let mut cluster = Self { name, directory, hosts: Vec::new() };
        cluster.does(&["up", &count.to_string()]);
        let names = fs::read_to_string(cluster.directory.join("names")).expect("a cluster that is up has names");
        cluster.hosts = names.lines().map(str::to_owned).collect();
        cluster.until_all_are_open();
        cluster
    }

    /// The hosts' names.
    pub fn names(&self) -> Vec<&str> {
        self.hosts.iter().map(String::as_str).collect()
    }

    /// Where the cluster keeps the things of `host`.
    pub fn directory(&self, host: &str) -> PathBuf {
        self.directory.join(host)
    }

    /// A directory that all hosts see, for a test's own files.
    pub fn shared(&self) -> PathBuf {
        let path = self.directory.join("shared");
        fs::create_dir_all(&path).expect("the cluster's directory is ours");
        path
    }

    /// The cluster's key.
    pub fn key(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// The address of `host`, without a port.
    pub fn address(&self, host: &str) -> String {
        let address = fs::read_to_string(self.directory(host).join("address")).expect("every host has an address");
        address.trim().to_owned()
    }

    /// The state directory of the daemon of `host`.
    pub fn state(&self, host: &str) -> PathBuf {
        self.directory(host).join("state/queue").join(host)
    }

    /// What the daemon of `host` has logged, under whichever way it was started.
    pub fn log(&self, host: &str) -> String {
        let files = [self.directory(host).join("queued.log"), self.state(host).join("log")];
        files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
    }

    /// `argv` on `host`, to be completed and started.
    pub fn command<A: AsRef<OsStr>>(&self, host: &str, argv: &[A]) -> Command {
        let mut command = self.script();
        command.args(["exec", host, "--"]).args(argv);
        command
    }

    /// Starts `argv` on `host`.
    pub fn spawn<A: AsRef<OsStr>>(&self, host: &str, argv: &[A]) -> Process {
        Process::start(self.command(host, argv))
    }

    /// Runs `argv` on `host` to its end.
    pub fn exec<A: AsRef<OsStr>>(&self, host: &str, argv: &[A]) -> Ended {
        self.spawn(host, argv).end()
    }

    /// Runs `queue` on `host` to its end.
    pub fn queue<A: AsRef<OsStr>>(&self, host: &str, arguments: &[A]) -> Ended {
        let mut command = self.command(host, &["queue"]);
        command.args(arguments);
        Process::start(command).end()
    }

    /// What `queue hosts` on `host` shows.
    ///
    /// # Panics
    /// When it fails.
    pub fn hosts(&self, host: &str) -> Vec<HostRow> {
        let answer = self.queue(host, &["hosts", "--json"]).success();
        let answer: HostsAnswer = serde_json::from_slice(&answer.stdout).expect("JSON as documented");
        answer.hosts
    }

    /// What `seer` knows of `host`.
    pub fn row(&self, seer: &str, host: &str) -> Option<HostRow> {
        self.hosts(seer).into_iter().find(|row| row.record.host == host)
    }

    /// Waits until `seer` may choose `host`.
    pub fn until_open(&self, seer: &str, host: &str) {
        until(&format!("{seer} may choose {host}"), PATIENCE, || {
            self.row(seer, host).filter(|row| row.unavailable.is_none())
        });
    }

    /// Waits until `seer` knows why not to choose `host`; the reason.
    pub fn until_unavailable(&self, seer: &str, host: &str) -> String {
        until(&format!("{seer} knows that {host} must not be chosen"), PATIENCE, || {
            self.row(seer, host).and_then(|row| row.unavailable)
        })
    }

    /// Waits until every host may choose every host.
    pub fn until_all_are_open(&self) {
        for seer in self.names() {
            until(&format!("{seer} knows all hosts"), PATIENCE, || {
                let rows = self.hosts(seer);
                (rows.len() == self.hosts.len() && rows.iter().all(|row| row.unavailable.is_none())).then_some(())
            });
        }
    }

    /// Kills everything on `host` at once, as a power failure does.
    pub fn crash(&self, host: &str) {
        self.does(&["crash", host]);
    }

    /// Starts a crashed host again.
    pub fn boot(&self, host: &str) {
        self.does(&["boot", host]);
    }

    /// Silences the network of `host`.
    pub fn cut(&self, host: &str) {
        self.does(&["cut", host]);
    }

    /// Ends a [`Cluster::cut`].
    pub fn heal(&self, host: &str) {
        self.does(&["heal", host]);
    }

    /// Starts the daemon of `host` if there is none.
    pub fn start(&self, host: &str) {
        self.does(&["start", host]);
    }

    /// Sets the load of `host`: so many tasks run.
    pub fn load(&self, host: &str, load: u32) {
        self.does(&["load", host, &load.to_string()]);
    }

    /// The same as fast as a kernel does it: what a test shows must not lag behind what runs.
    ///
    /// # Panics
    /// When the host is down.
    pub fn load_at_once(&self, host: &str, load: u32) {
        let line = format!("{load}.00 {load}.00 {load}.00 {}/{} 1", load + 1, load + 100);
        let mut file = fs::File::options().write(true).open(self.directory(host).join("loadavg")).expect("it is up");
        file.write_all(format!("{line:<63}\n").as_bytes()).expect("it is ours");
    }

    /// The processes of `role` on `host`: daemon, runner, leaders, leader or client.
    pub fn pids(&self, host: &str, role: &str) -> Vec<i32> {
        let mut script = self.script();
        script.args(["pids", host, role]);
        let found = Process::start(script).end();
        found.text().lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Kills the processes of `role` on `host` so that they cannot say a last word, and waits
    /// until they are gone. At least one must be there.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill(&self, host: &str, role: &str) -> Vec<i32> {
        let pids = self.pids(host, role);
        assert!(!pids.is_empty(), "there is no {role} on {host}");
        for pid in &pids {
            self.signal(*pid, Signal::SIGKILL);
        }
        until(&format!("the {role} of {host} is gone"), PATIENCE, || {
            pids.iter().all(|pid| !is_alive(*pid)).then_some(())
        });
        pids
    }

    /// Sends a signal to a process of [`Cluster::pids`].
    pub fn signal(&self, pid: i32, signal: Signal) {
        // One that has just ended needs no signal.
        let _ = kill(Pid::from_raw(pid), signal);
    }

    /// Runs `work` on a thread in the network of `host`: sockets it opens are that host's.
    ///
    /// # Panics
    /// When the host is down, or `work` panics.
    pub fn in_network_of<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> T {
        let init = fs::read_to_string(self.directory(host).join("init")).expect("the host is up");
        let pid = init.split(' ').next().expect("process and start time");
        let network = fs::File::open(format!("/proc/{pid}/ns/net")).expect("the host is up");
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(network.as_fd(), CloneFlags::CLONE_NEWNET).expect("root may enter");
                work()
            });
            match thread.join() {
                Ok(done) => done,
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        })
    }

    fn does(&self, verb: &[&str]) {
        let mut script = self.script();
        script.args(verb);
        Process::start(script).end_within(PATIENCE * 3).success();
    }

    fn script(&self) -> Command {
        script(&self.name)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                eprintln!("--- log of {host}\n{}", self.log(host));
            }
        }
        // A panic here would hide the test's own.
        let _ = self.script().arg("down").status();
    }
}

/// Whether the process is there and not a zombie.
pub fn is_alive(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, rest)) = status.rsplit_once(')') else { return false };
    let fields = rest.split_whitespace().collect::<Vec<_>>();
    // The first thread may be gone before the others, which still have its sockets.
    let threads = fields.get(17).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    !matches!(fields.first(), Some(&"Z" | &"X")) || threads > 1
}

/// Clusters of tests that were killed before they could take them down.
fn remove_leftovers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for entry in fs::read_dir(base()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                let _ = script(&name).arg("down").status();
            }
        }
    });
}

fn script(name: &str) -> Command {
    let mut command = Command::new(programs::source().join("configure-scripts/demo-cluster"));
    command.env("DEMO_CLUSTER", name).env("QUEUE_BIN", programs::directory()).env("TMPDIR", "/tmp");
    // What the daemons of a failed test have to say is shown with it.
    command.env("QUEUED_LOG", "info");
    command
}

fn base() -> PathBuf {
    PathBuf::from(format!("/tmp/queue-demo-{}", nix::unistd::getuid()))
}

/// What the names of our clusters begin with; the process id follows.
const PREFIX: &str = "test-";
