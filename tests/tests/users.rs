//! Across users: the daemon as one, runners and jobs as others, keys with neither. A small root
//! helper stands in for voucher and starter.
#![cfg(feature = "root")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use queue_tests::terminal::Terminal;
use queue_tests::{programs, wait};
use wire::api::Opening;

/// Users that every Debian has and nobody logs in as.
const SERVICE: u32 = 1;
const GAMES: u32 = 5;
const MAN: u32 = 6;

/// Two hosts on loopback addresses that trust one authority.
struct Hosts {
    directory: PathBuf,
    helpers: Vec<Child>,
    daemons: Vec<Child>,
}

impl Hosts {
    fn up(name: &str, net: u8) -> Self {
        let directory = std::env::temp_dir().join(format!("queue-users-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("bin")).expect("temp is writable");
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("ours");
        // The build may lie where other users cannot go.
        for program in ["queue", "queued"] {
            fs::copy(programs::directory().join(program), directory.join("bin").join(program)).expect("built");
        }
        let mut hosts = Self { directory, helpers: Vec::new(), daemons: Vec::new() };
        let secret = wire::identity::SecretKey::generate().to_pkcs8();
        for (number, host) in ["redfish", "bluefish"].into_iter().enumerate() {
            let place = hosts.directory.join(host);
            for part in ["run", "state", "config/queue"] {
                fs::create_dir_all(place.join(part)).expect("ours");
            }
            for part in ["run", "state"] {
                chown(place.join(part), Some(SERVICE), Some(SERVICE)).expect("we are root");
            }
            fs::write(place.join("secret"), &secret).expect("ours");
            let settings = format!(
                "host = {host:?}\nlisten = \"127.118.{net}.{}:7117\"\npeers = [\"127.118.{net}.1:7117\"]\nstarter = {:?}\nauthority = {:?}\n",
                number + 1,
                place.join("run/starter.sock"),
                place.join("authority"),
            );
            fs::write(place.join("config/queue/queued.toml"), settings).expect("ours");
            let mut helper = Command::new(env!("CARGO_BIN_EXE_root-helper"))
                .arg(&place)
                .args([host, &SERVICE.to_string()])
                .arg(hosts.directory.join("bin/queued"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("built with its tests");
            let mut line = String::new();
            BufReader::new(helper.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it speaks");
            assert_eq!(line, "ready\n");
            hosts.helpers.push(helper);
            let daemon = hosts.daemon(host);
            hosts.daemons.push(daemon);
        }
        hosts.know_each_other();
        hosts
    }

    /// Waits until each daemon has heard of the other host, as it must again after its restart.
    fn know_each_other(&self) {
        for (host, other) in [("redfish", "bluefish"), ("bluefish", "redfish")] {
            wait::until("the hosts know each other", PATIENCE, || {
                let rows = self.queue(host, GAMES, &["hosts", "--json"]);
                String::from_utf8_lossy(&rows.stdout).contains(other).then_some(())
            });
        }
    }

    fn daemon(&self, host: &str) -> Child {
        let place = self.directory.join(host);
        let socket = place.join("run/queued.sock");
        let _ = fs::remove_file(&socket);
        let daemon = self
            .as_user(SERVICE, &self.directory.join("bin/queued"), host)
            .env("XDG_STATE_HOME", place.join("state"))
            .env("XDG_CONFIG_HOME", place.join("config"))
            .stdin(Stdio::null())
            .spawn()
            .expect("a copy of ours");
        wait::until("the daemon's socket is there", PATIENCE, || UnixStream::connect(&socket).ok());
        daemon
    }

    fn as_user(&self, uid: u32, program: &Path, host: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("QUEUE_RUNTIME", self.directory.join(host).join("run"))
            .env("QUEUE_AUTHORITY", self.directory.join(host).join("authority"))
            .uid(uid)
            .gid(uid)
            .current_dir("/");
        command
    }

    fn client(&self, host: &str, uid: u32, arguments: &[&str]) -> Command {
        let mut command = self.as_user(uid, &self.directory.join("bin/queue"), host);
        command.args(arguments);
        command
    }

    fn queue(&self, host: &str, uid: u32, arguments: &[&str]) -> Output {
        self.client(host, uid, arguments).stdin(Stdio::null()).output().expect("a copy of ours")
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // Runners leave by themselves ten seconds after their daemon and their last session.
        for child in self.daemons.iter_mut().chain(&mut self.helpers) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn jobs_run_as_their_owners_on_both_hosts() {
    let hosts = Hosts::up("owners", 1);
    for uid in [GAMES, MAN] {
        for host in ["redfish", "bluefish"] {
            let output =
                hosts.queue("redfish", uid, &["-n", "-h", host, "--", "sh", "-c", "id -u; echo $QUEUE_HOST; exit 7"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(text, format!("{uid}\n{host}\n"), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(7));
        }
    }
}

#[test]
fn a_session_does_not_notice_that_the_daemon_of_another_user_dies() {
    let mut hosts = Hosts::up("restart", 2);
    for (number, host) in ["redfish", "bluefish"].into_iter().enumerate() {
        let mut session = hosts
            .client("redfish", GAMES, &["-n", "-h", host, "--", "sh", "-c", "echo first; read line; echo $line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a copy of ours");
        let mut output = BufReader::new(session.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it speaks");
        assert_eq!(line, "first\n");
        hosts.daemons[number].kill().expect("our child");
        hosts.daemons[number].wait().expect("our child");
        session.stdin.take().expect("piped").write_all(b"second\n").expect("it listens");
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "second\n");
        assert!(session.wait().expect("our child").success());
        hosts.daemons[number] = hosts.daemon(host);
        hosts.know_each_other();
        assert!(hosts.queue(host, GAMES, &["-n", "-h", host, "--", "true"]).status.success());
    }
}

#[test]
fn nobody_else_reaches_a_users_runner() {
    let hosts = Hosts::up("neighbour", 3);
    assert!(hosts.queue("redfish", GAMES, &["-n", "-h", "redfish", "--", "true"]).status.success());
    // Anybody may connect; the runner hangs up on all but its user and the daemon.
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\ns.sendall(sys.stdin.buffer.read())\nsys.stdout.buffer.write(s.recv(100))";
    let mut neighbour = hosts
        .as_user(MAN, Path::new("/usr/bin/env"), "redfish")
        .args(["python3", "-c", script])
        .arg(hosts.directory.join("redfish/run/runner-5.sock"))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    neighbour.stdin.take().expect("piped").write_all(&Opening::Daemon.encode()).expect("room");
    let output = neighbour.wait_with_output().expect("our child");
    assert!(output.stdout.is_empty(), "the runner spoke to a stranger: {output:?}");
}

#[test]
fn a_session_is_attached_to_by_its_owner_and_by_nobody_else() {
    let hosts = Hosts::up("attach", 9);
    let queue = hosts.directory.join("bin/queue");
    let queue = queue.to_str().expect("letters");
    let start = |uid: u32, host: &str, words: &[&str]| {
        let on = hosts.as_user(uid, Path::new("/usr/bin/env"), host);
        Terminal::start(on, &[&[queue], words].concat(), (24, 80))
    };
    let twice = |terminal: &Terminal, word: &str| {
        terminal.type_line(word);
        terminal.wait_until("the word twice", |picture| picture.text.matches(word).count() == 2);
    };
    let mut first = start(GAMES, "redfish", &["-h", "bluefish", "--", "sh", "-c", "echo ready; cat"]);
    first.wait_for_line("ready");
    twice(&first, "one");
    // Somebody else sees nothing of it.
    let seen = hosts.queue("bluefish", MAN, &["sessions", "--json"]);
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "{\"sessions\":[],\"silent\":[]}\n");
    let mut other = start(MAN, "bluefish", &["attach", "1@redfish"]);
    assert_eq!(other.wait_for_end().code(), Some(64));
    other.wait_for_text("no session 1@redfish of yours is running");
    // The owner is known by uid on the host where it runs, and by a voucher's certificate elsewhere.
    let mut second = start(GAMES, "bluefish", &["attach", "1@redfish"]);
    assert_eq!(first.wait_for_end().code(), Some(125));
    first.wait_for_text("was taken over from bluefish");
    second.wait_until("the screen", |picture| picture.text.matches("one").count() == 2);
    twice(&second, "two");
    let mut third = start(GAMES, "redfish", &["attach", "1"]);
    assert_eq!(second.wait_for_end().code(), Some(125));
    third.wait_until("the screen", |picture| picture.text.matches("two").count() == 2);
    twice(&third, "three");
    third.type_keys("\x04");
    assert_eq!(third.wait_for_end().code(), Some(0));
}
