//! Where a scenario happens: without queue, on the own host, or on another host.
//!
//! Each place has a directory of its own, which is home and working directory of whoever sits
//! there, and in it a command `run`: `run PROGRAM` is the program itself, or the program through
//! queue (`now PROGRAM` is it through `queue -i`). So the very same keys can be typed in all three, and what is seen be compared.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc::{ECHO, ICANON, ISIG};
use queue_tests::programs;
use queue_tests::terminal::{PATIENCE, Terminal};
use queue_tests::wait;

use crate::processes::{self, Role};

/// A place, with daemons where they are needed. All of it is gone when it is dropped.
pub struct Place {
    directory: PathBuf,
    kind: Kind,
    caretaker: Option<Child>,
}

/// What `run` does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It runs the program.
    Bare,
    /// It runs it through queue on the host where the person sits.
    OwnHost,
    /// The same on another host, for which it takes root to make one.
    #[cfg_attr(not(feature = "root"), expect(dead_code, reason = "without root there is one host"))]
    OtherHost,
}

impl Place {
    /// Without queue.
    pub fn bare() -> Self {
        Self::new(Kind::Bare)
    }

    /// A personal daemon, started by the first `queue`.
    pub fn own_host() -> Self {
        let place = Self::new(Kind::OwnHost);
        place.write("config/queue/queued.toml", "host = \"redfish\"\n");
        place
    }

    /// Two hosts of demo-cluster: the person sits at redfish, and programs run on bluefish.
    #[cfg(feature = "root")]
    pub fn other_host() -> Self {
        let place = Self::new(Kind::OtherHost);
        place.demo_cluster(&["up", "2"]);
        wait::until("redfish knows bluefish", PATIENCE, || {
            let hosts = place.at_seat().args(["queue", "hosts"]).stderr(Stdio::null()).output().expect("it was built");
            let hosts = String::from_utf8_lossy(&hosts.stdout).into_owned();
            hosts.lines().any(|line| line.starts_with("bluefish ") && line.contains("open")).then_some(())
        });
        place
    }

    fn new(kind: Kind) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // No name is the beginning of another's: processes are told apart by it.
        let directory = std::env::temp_dir().join(format!("qt-{}-{number:04}", std::process::id()));
        for part in ["bin", "config/queue", "state", "tmp", "run"] {
            fs::create_dir_all(directory.join(part)).expect("temp is writable");
        }
        fs::set_permissions(directory.join("run"), fs::Permissions::from_mode(0o700)).expect("ours");
        let mut place = Self { directory, kind, caretaker: None };
        place.caretaker = Some(place.hire_caretaker());
        for (name, options) in [("run", ""), ("now", "-i")] {
            let script = format!("bin/{name}");
            place.write(&script, &format!("#!/bin/sh\nexec {} \"$@\"\n", place.queue(options)));
            fs::set_permissions(place.path(&script), fs::Permissions::from_mode(0o755)).expect("ours");
        }
        place
    }

    /// What kind of place it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The line that a command is put behind to run it here, with these options of queue.
    pub fn queue(&self, options: &str) -> String {
        match self.kind {
            Kind::Bare => String::new(),
            Kind::OwnHost => format!("queue {options} --"),
            Kind::OtherHost => format!("queue -h bluefish {options} --"),
        }
    }

    /// A bash where the person sits.
    pub fn bash(&self) -> Terminal {
        Terminal::bash(self.at_seat(), SIZE)
    }

    /// A dash, which leaves the terminal's modes as it finds them.
    pub fn dash(&self) -> Terminal {
        Terminal::dash(self.at_seat(), SIZE)
    }

    /// A zsh where the person sits.
    pub fn zsh(&self) -> Terminal {
        Terminal::zsh(self.at_seat(), SIZE)
    }

    /// A fish where the person sits.
    pub fn fish(&self) -> Terminal {
        Terminal::fish(self.at_seat(), SIZE)
    }

    /// Types a command that will read from the terminal, and waits until it has the terminal: keys
    /// that come while a shell still edits its line would be the shell's.
    pub fn begin(&self, terminal: &Terminal, command: &str) {
        terminal.type_line(command);
        self.until_it_has(terminal, command);
    }

    fn until_it_has(&self, terminal: &Terminal, command: &str) {
        terminal.wait_for_flags(&format!("{command:?} has the terminal"), |flags| match self.kind {
            Kind::Bare => flags & ICANON != 0,
            Kind::OwnHost | Kind::OtherHost => flags & (ICANON | ISIG) == 0,
        });
    }

    /// Brings a job forward, and waits until it has the terminal.
    pub fn bring_forward(&self, terminal: &Terminal) {
        terminal.bring_forward();
        self.until_it_has(terminal, "fg");
    }

    /// Waits until a job that has asked for the terminal has it. Before that, what is typed is still
    /// edited and echoed here, and then once more there.
    pub fn hand_over(&self, terminal: &Terminal) {
        if self.kind != Kind::Bare {
            terminal.wait_for_flags("the job has the terminal", |flags| flags & ECHO == 0);
        }
    }

    /// Another program as leader of the session.
    pub fn terminal(&self, program: &[&str]) -> Terminal {
        Terminal::start(self.at_seat(), program, SIZE)
    }

    /// What a program is put behind to run where the person sits, with the person's environment.
    pub fn at_seat(&self) -> Command {
        self.at("redfish")
    }

    /// A bash on the host where programs run.
    pub fn bash_there(&self) -> Terminal {
        Terminal::bash(self.at("bluefish"), SIZE)
    }

    fn at(&self, host: &str) -> Command {
        let mut command = match self.kind {
            Kind::Bare | Kind::OwnHost => Command::new("/usr/bin/env"),
            Kind::OtherHost => {
                let mut command = Command::new(demo_cluster());
                command.args(["exec", host, "--"]);
                command
            }
        };
        command.env_clear().envs(self.environment()).current_dir(&self.directory);
        command
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |part: &str| self.directory.join(part).to_str().expect("made of letters").to_owned();
        let programs = programs::directory();
        let programs = programs.to_str().expect("made of letters");
        vec![
            ("PATH", format!("{}:{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", path("bin"))),
            ("HOME", path("")),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm".to_owned()),
            ("LESSHISTFILE", "-".to_owned()),
            ("XDG_CONFIG_HOME", path("config")),
            ("XDG_STATE_HOME", path("state")),
            ("XDG_RUNTIME_DIR", path("run")),
            ("TMPDIR", path("tmp")),
            ("DEMO_CLUSTER", self.cluster()),
            ("QUEUE_BIN", programs.to_owned()),
        ]
    }

    /// The processes in a role: here, or on the host where programs run.
    pub fn processes(&self, role: Role) -> Vec<i32> {
        match self.kind {
            Kind::Bare => Vec::new(),
            Kind::OwnHost => processes::of_directory(&self.directory, role),
            Kind::OtherHost => self.processes_on("bluefish", role),
        }
    }

    /// Waits until a program that runs here has nothing to do but to wait.
    pub fn until_it_waits(&self, name: &str) {
        processes::until_it_waits(&self.directory, name);
    }

    /// The daemons of all hosts.
    pub fn daemons(&self) -> Vec<i32> {
        match self.kind {
            Kind::OtherHost => {
                ["redfish", "bluefish"].iter().flat_map(|host| self.processes_on(host, Role::Daemon)).collect()
            }
            Kind::Bare | Kind::OwnHost => self.processes(Role::Daemon),
        }
    }

    /// The one client that is running where the person sits.
    pub fn client(&self) -> i32 {
        let clients = || match self.kind {
            Kind::OtherHost => self.processes_on("redfish", Role::Client),
            Kind::Bare | Kind::OwnHost => self.processes(Role::Client),
        };
        wait::until("one client", PATIENCE, || <[i32; 1]>::try_from(clients()).ok())[0]
    }

    /// The one process in this role.
    pub fn the(&self, role: Role) -> i32 {
        wait::until(&format!("one {role:?}"), PATIENCE, || <[i32; 1]>::try_from(self.processes(role)).ok())[0]
    }

    fn processes_on(&self, host: &str, role: Role) -> Vec<i32> {
        let mut command = Command::new(demo_cluster());
        command.env_clear().envs(self.demo_environment()).args(["pids", host, role.name()]);
        let found = command.output().expect("bash is there").stdout;
        String::from_utf8_lossy(&found).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// A verb of demo-cluster.
    ///
    /// # Panics
    /// When it fails.
    #[cfg_attr(not(feature = "root"), expect(dead_code, reason = "without root there is one host"))]
    pub fn demo_cluster(&self, arguments: &[&str]) {
        let mut command = Command::new(demo_cluster());
        let done = command.env_clear().envs(self.demo_environment()).args(arguments).stdin(Stdio::null()).output();
        let done = done.expect("bash is there");
        assert!(done.status.success(), "demo-cluster {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// The cluster's directory must be found again: it is where temp is.
    fn demo_environment(&self) -> Vec<(&'static str, String)> {
        self.environment()
    }

    fn cluster(&self) -> String {
        self.directory.file_name().and_then(|name| name.to_str()).expect("made of letters").to_owned()
    }

    /// The path of a file here.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether there is such a file here.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("ours");
    }

    /// The text of a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Somebody who cleans up when this process has ended in whatever way: it reads from a pipe
    /// that only this process can write to.
    fn hire_caretaker(&self) -> Child {
        let work = match self.kind {
            Kind::Bare => "",
            Kind::OwnHost => "read -r daemon <state/queue/redfish/lock && kill \"$daemon\"; ",
            Kind::OtherHost => "\"$DEMO\" down; ",
        };
        Command::new("/bin/sh")
            .args(["-c", &format!("trap '' HUP INT TERM; cat; {work}cd / && rm -rf \"$0\"")])
            .arg(&self.directory)
            .env_clear()
            .envs(self.demo_environment())
            .env("DEMO", demo_cluster())
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("there is a shell")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let own = self.kind == Kind::OwnHost;
        let left = if own { processes::gone(&self.directory, &[Role::Leader]) } else { Vec::new() };
        if let Some(mut caretaker) = self.caretaker.take() {
            drop(caretaker.stdin.take());
            let _ = caretaker.wait();
        }
        // A runner without daemon and sessions leaves after ten seconds; so long we do not wait.
        let after = if own { processes::gone(&self.directory, &[Role::Daemon, Role::Client]) } else { Vec::new() };
        processes::kill_all(&processes::of_directory(&self.directory, Role::Runner));
        processes::kill_all(&left);
        processes::kill_all(&after);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "leaders were left behind: {left:?}");
            assert!(after.is_empty(), "processes were left behind: {after:?}");
        }
    }
}

fn demo_cluster() -> PathBuf {
    programs::source().join("configure-scripts/demo-cluster")
}

/// Rows and columns at the start.
pub const SIZE: (u16, u16) = (24, 80);
