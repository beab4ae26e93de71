//! One host with a spool, and what tests ask of it.

use std::fs;
use std::path::PathBuf;

use queue_tests::process::{Ended, PATIENCE, Process};
use queue_tests::wait::until;
use serde_json::Value;

use crate::login::{Home, Login};

/// A host of its own, with the spool in a home directory of its own.
pub struct Here {
    /// What runs `queue`.
    pub login: Login,
    home: Home,
}

impl Here {
    /// With nothing in the spool. Letters stay here whatever mailer this machine has.
    pub fn new() -> Self {
        Self::with("[mail]\nsendmail = \"none\"\n")
    }

    /// With these settings in `queued.toml`.
    pub fn with(settings: &str) -> Self {
        let home = Home::new();
        Self { login: home.login_on(HOST, settings), home }
    }

    /// A path for a test's own files; jobs start there too.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.home().join(name)
    }

    /// What such a file says; nothing while it is not there.
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs `queue` to its end.
    pub fn queue(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Starts `queue` in the home directory.
    pub fn start(&self, arguments: &[&str]) -> Process {
        let mut command = self.login.command(queue_tests::programs::queue());
        command.args(arguments).current_dir(self.home.home());
        Process::start(command)
    }

    /// Runs a shell script in the home directory to its end.
    pub fn shell(&self, script: &str) -> Ended {
        let mut command = self.login.command("/bin/bash");
        command.args(["-c", script]).current_dir(self.home.home());
        Process::start(command).end()
    }

    /// Submits one job; its id.
    #[track_caller]
    pub fn submit(&self, arguments: &[&str]) -> u64 {
        let said = self.queue(&[&["-r"], arguments].concat()).success();
        String::from_utf8_lossy(&said.stdout).strip_suffix('\n').and_then(|id| id.parse().ok()).expect("an id is said")
    }

    /// Submits a shell script.
    #[track_caller]
    pub fn script(&self, options: &[&str], script: &str) -> u64 {
        self.submit(&[options, &["--", "sh", "-c", script]].concat())
    }

    /// All that `queue show` knows of a job.
    #[track_caller]
    pub fn show(&self, id: u64) -> Value {
        let shown = self.queue(&["show", &id.to_string(), "--json"]).success();
        let mut rows: Vec<Value> = serde_json::from_slice(&shown.stdout).expect("JSON");
        assert_eq!(rows.len(), 1);
        rows.remove(0)
    }

    /// Waits until a job is `running`, `finished` and so on.
    pub fn until(&self, id: u64, state: &str) -> Value {
        until(&format!("job {id} is {state}"), PATIENCE, || {
            let row = self.show(id);
            (row["state"] == state).then_some(row)
        })
    }

    /// Waits with `queue wait`; its exit code.
    pub fn wait(&self, ids: &[u64]) -> i32 {
        let ids = ids.iter().map(u64::to_string).collect::<Vec<_>>();
        let words = ["wait"].into_iter().chain(ids.iter().map(String::as_str)).collect::<Vec<_>>();
        self.start(&words).end_within(PATIENCE * 2).code().expect("no signal")
    }

    /// What a job has written to standard output.
    pub fn output(&self, id: u64) -> Vec<u8> {
        self.queue(&["logs", "--stdout", &id.to_string()]).success().stdout
    }

    /// A FIFO; a job that opens it for reading stands still until [`Here::open`].
    pub fn gate(&self, name: &str) -> PathBuf {
        let gate = self.path(name);
        nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).expect("ours");
        gate
    }

    /// Jobs in all slots of the queue "wait", until the gate opens.
    pub fn fill(&self, gate: &str) -> Vec<u64> {
        self.gate(gate);
        let script = format!("read line <{gate}");
        let ids: Vec<_> = (0..sys::host::cpus()).map(|_| self.script(&["--mail", "none"], &script)).collect();
        ids.iter().for_each(|id| drop(self.until(*id, "running")));
        ids
    }

    /// Lets all go that stand at the gate.
    pub fn open(&self, gate: &str) {
        // One that comes later finds it open too: the file is one at which nobody stands.
        let path = self.path(gate);
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).expect("it is there");
        fs::remove_file(&path).expect("ours");
        fs::write(&path, "").expect("ours");
        drop(file);
    }
}

/// As the host is called.
pub const HOST: &str = "redfish";
