//! The way to the own daemon: its socket, and starting it where nobody has yet.
//!
//! Ten clients that find no daemon at once all start one; the daemon's lock lets one of them
//! live, and each of the ten says "ready" on the descriptor that `--ready-fd` names, the losers
//! because somebody else holds the lock. So a client waits for one byte and connects. Every
//! wait here has a deadline and a sentence.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use wire::places;

use crate::failure::{Failure, printable, words};
use crate::http::{Exchange, HttpError};
use crate::place::refused;

/// Where the daemon is reached.
pub struct Daemon {
    runtime: PathBuf,
    socket: PathBuf,
}

impl Daemon {
    /// The daemon of this user's environment; nothing is asked or opened yet.
    pub fn of_user() -> Self {
        let runtime = places::runtime(
            env::var_os(places::RUNTIME_VARIABLE).as_deref(),
            env::var_os("XDG_RUNTIME_DIR").as_deref(),
            sys::credentials::own_uid(),
        );
        Self { socket: places::daemon_socket(&runtime), runtime }
    }

    /// The one whose sockets are in this directory.
    #[cfg(test)]
    pub fn at(runtime: &Path) -> Self {
        Self { socket: places::daemon_socket(runtime), runtime: runtime.to_owned() }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The name that a daemon has written down for this host.
    pub fn host_written(&self) -> Option<String> {
        std::fs::read_to_string(places::host_file(&self.runtime)).ok().map(|name| name.trim().to_owned())
    }

    /// The directory of its sockets.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The name it gives this host: usually the kernel's. A daemon that has not been there yet is
    /// started for it.
    pub fn host(&self) -> String {
        let written = || std::fs::read_to_string(places::host_file(&self.runtime)).ok();
        let name = written().or_else(|| {
            // Why it cannot be started is said when it is asked for more.
            drop(self.connect());
            written()
        });
        name.map_or_else(sys::host::name, |name| name.trim().to_owned())
    }

    /// The whole answer to a request, starting the daemon first if there is none. What is not a success is
    /// the error, and so is silence for longer than `patience`.
    pub fn answer(&self, method: &str, path: &str, body: &[u8], patience: Duration) -> Result<Vec<u8>, Failure> {
        let deadline = Instant::now() + patience;
        // A daemon that ended just now has a successor in a moment; what only asks may be asked again.
        let mut tries = if method == "GET" || ONLY_ASK.contains(&path) { MOST_TRIES } else { 1 };
        loop {
            let exchange = self.try_ask(method, path, body)?;
            let whole = |mut exchange: Exchange| Ok((exchange.status(deadline)?, exchange.whole(deadline)?));
            tries -= 1;
            match exchange.and_then(whole) {
                Ok((200, body)) => return Ok(body),
                Ok((status, body)) => return Err(refused(status, &body)),
                Err(error) if tries == 0 || matches!(error, HttpError::Silent) => return Err(self.said(&error)),
                Err(_) => std::thread::sleep(SUCCESSION),
            }
        }
    }

    /// The answer of a daemon that is there already; `None`: there is none, and none is started for this.
    pub fn answer_of_running(&self, path: &str, patience: Duration) -> Result<Option<Vec<u8>>, Failure> {
        let stream = match dial(&self.socket, Instant::now() + SILENCE) {
            Err(error) if is_absent(&error) => return Ok(None),
            other => other.map_err(|error| self.unreachable(&error))?,
        };
        self.check(&stream)?;
        let deadline = Instant::now() + patience;
        let whole = |mut exchange: Exchange| Ok((exchange.status(deadline)?, exchange.whole(deadline)?));
        match Exchange::send(stream, "GET", path, b"", SILENCE).and_then(whole) {
            Ok((200, body)) => Ok(Some(body)),
            Ok((status, body)) => Err(refused(status, &body)),
            Err(error) => Err(self.said(&error)),
        }
    }

    /// Sends a request, starting the daemon first if there is none. The inner error is a connection that
    /// broke, for a caller that then repeats the request.
    pub fn try_ask(&self, method: &str, path: &str, body: &[u8]) -> Result<Result<Exchange, HttpError>, Failure> {
        Ok(Exchange::send(self.connect()?, method, path, body, SILENCE))
    }

    /// The sentence for a daemon that did not answer as it should.
    pub fn said(&self, error: &HttpError) -> Failure {
        Failure::own(format!("the queued of this host does not answer on {}: {error}", self.socket.display()))
    }

    /// Whether the daemon answers at all: asked when an answer that may take long does.
    pub fn answers(&self) -> bool {
        let Ok(stream) = dial(&self.socket, Instant::now() + SILENCE) else {
            return false;
        };
        Exchange::send(stream, "GET", "/v1/hosts", b"", SILENCE)
            .and_then(|mut exchange| exchange.status(Instant::now() + SILENCE))
            .is_ok()
    }

    fn connect(&self) -> Result<UnixStream, Failure> {
        let deadline = Instant::now() + SILENCE;
        let stream = match dial(&self.socket, deadline) {
            Err(error) if is_absent(&error) => self.start()?,
            other => other.map_err(|error| self.unreachable(&error))?,
        };
        self.check(&stream)?;
        Ok(stream)
    }

    /// In a directory that everybody may write to, somebody else may have been there first.
    fn check(&self, stream: &UnixStream) -> Result<(), Failure> {
        let peer = sys::credentials::peer(stream.as_fd()).map_err(|error| self.unreachable(&error))?;
        if peer.uid == sys::credentials::own_uid() || is_installed(&self.runtime, peer.uid) {
            return Ok(());
        }
        Err(Failure::own(format!(
            "{} is answered by uid {}, not by you: set {} or XDG_RUNTIME_DIR to a directory of yours",
            self.socket.display(),
            peer.uid,
            places::RUNTIME_VARIABLE
        )))
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        Failure::own(format!("cannot reach the queued of this host on {}: {}", self.socket.display(), words(error)))
    }

    /// Starts a daemon and connects to whichever one has the lock.
    fn start(&self) -> Result<UnixStream, Failure> {
        let program = program();
        let failed = |why: String| Failure::own(format!("cannot start {}: {why}", program.display()));
        let (ready, told) = sys::descriptors::pipe().map_err(|error| failed(words(&error)))?;
        // A copy without close-on-exec: there is no other thread that could start a program now.
        let inherited = nix::unistd::dup(&told).map_err(|error| failed(words(&error.into())))?;
        let mut child = Command::new(&program)
            .arg("--detach")
            .arg("--ready-fd")
            .arg(inherited.as_raw_fd().to_string())
            .env_clear()
            .envs(daemon_environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed(words(&error)))?;
        drop((told, inherited));
        let outcome = await_byte(&ready);
        // The one we started leaves a daemon behind and ends; whether it has ended by now does
        // not matter, only that it is not left as a zombie if it has.
        let _ = child.try_wait();
        match outcome {
            Readiness::Ready => {
                let deadline = Instant::now() + SILENCE;
                dial_patiently(&self.socket, deadline).map_err(|error| self.unreachable(&error))
            }
            Readiness::Ended => {
                let why = child.stderr.take().and_then(last_words);
                Err(failed(why.unwrap_or_else(|| "it ended without a word".to_owned())))
            }
            Readiness::Silent => Err(failed(format!("it was not ready within {} s", START.as_secs()))),
        }
    }
}

/// Whether `runtime` was given to the service user `uid` by root: it lies in a directory in which
/// only root can have made it.
pub fn is_installed(runtime: &Path, uid: u32) -> bool {
    let metadata = |path: &Path| std::fs::symlink_metadata(path).ok();
    let (Some(own), Some(parent)) = (metadata(runtime), runtime.parent().and_then(metadata)) else {
        return false;
    };
    own.is_dir() && own.uid() == uid && own.mode() & 0o022 == 0 && parent.uid() == 0 && parent.mode() & 0o022 == 0
}

/// Connects without ever blocking: a stopped daemon's queue of connections may be full.
fn dial(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match connect_unix(path) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= deadline {
                    return Err(Errno::ETIMEDOUT.into());
                }
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// As [`dial`], for a daemon that is known to be on its way.
fn dial_patiently(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match dial(path, deadline) {
            Err(error) if is_absent(&error) && Instant::now() < deadline => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// A non-blocking unix connection, or `WouldBlock` when the listener's queue is full.
pub fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(descriptor.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(descriptor))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// `queued` beside this very program, else from PATH.
pub fn program() -> PathBuf {
    let beside = env::current_exe().ok().map(|own| own.with_file_name(DAEMON));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(DAEMON))
}

/// What the daemon needs of our environment: where its places are and how times are written.
/// It outlives this login, so it gets nothing else of it.
fn daemon_environment() -> impl Iterator<Item = (OsString, OsString)> {
    KEPT.iter().filter_map(|name| Some((OsString::from(*name), env::var_os(name)?)))
}

enum Readiness {
    Ready,
    Ended,
    Silent,
}

fn await_byte(ready: &OwnedFd) -> Readiness {
    let deadline = Instant::now() + START;
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        if left == 0 {
            return Readiness::Silent;
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(ready.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(1) => {}
            _ => continue,
        }
        match nix::unistd::read(ready, &mut [0]) {
            Ok(0) => return Readiness::Ended,
            Ok(_) => return Readiness::Ready,
            Err(Errno::EINTR) => {}
            Err(_) => return Readiness::Ended,
        }
    }
}

/// The sentence that a daemon wrote before it gave up.
fn last_words(mut stderr: ChildStderr) -> Option<String> {
    let mut text = Vec::new();
    let deadline = Instant::now() + SILENCE;
    while text.len() < LONGEST_LAST_WORDS {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        if !matches!(poll(&mut [PollFd::new(stderr.as_fd(), PollFlags::POLLIN)], timeout), Ok(1)) {
            break;
        }
        let mut buffer = [0; 1024];
        match stderr.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => text.extend_from_slice(&buffer[..count]),
        }
    }
    sentence_of(&String::from_utf8_lossy(&text)).map(printable)
}

/// What it ended with; lines below that cite a file and are for its own reader.
fn sentence_of(text: &str) -> Option<&str> {
    let ended_with = text.lines().rev().find_map(|line| line.strip_prefix("queued: "));
    ended_with.or_else(|| text.lines().rev().find(|line| !line.trim().is_empty())).map(str::trim)
}

const DAEMON: &str = "queued";

/// Variables that a daemon started by us inherits.
const KEPT: &[&str] = &[
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "QUEUED_LOG",
    "TZ",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    places::RUNTIME_VARIABLE,
];

/// Requests that change nothing.
const ONLY_ASK: [&str; 2] = ["/v1/jobs/list", "/v1/jobs/why"];
const MOST_TRIES: u32 = 5;
/// Until a daemon that was killed has a successor.
const SUCCESSION: Duration = Duration::from_millis(100);
/// How long a daemon that is there may say nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// How long a daemon may take to start; a tenth of a second is usual.
const START: Duration = Duration::from_secs(10);
/// Between two looks for a socket that will be there in a moment.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_LAST_WORDS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    fn directory(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("queue-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory in temp");
        path
    }

    #[test]
    fn a_stopped_daemon_is_silent_and_not_waited_for_beyond_the_deadline() {
        let directory = directory("stopped");
        let path = directory.join("s");
        let _listener = UnixListener::bind(&path).expect("a socket");
        let mut waiting = Vec::new();
        // Nobody accepts: the queue of the listener fills up, and then the deadline counts.
        let error = loop {
            match dial(&path, Instant::now() + Duration::from_millis(30)) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(nix::libc::ETIMEDOUT));
        std::fs::remove_dir_all(&directory).expect("ours");
    }

    #[test]
    fn a_socket_nobody_listens_on_means_no_daemon() {
        let directory = directory("absent");
        let path = directory.join("s");
        assert!(is_absent(&dial(&path, Instant::now()).expect_err("no file")));
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(is_absent(&dial(&path, Instant::now()).expect_err("nobody listens")));
        std::fs::remove_dir_all(&directory).expect("ours");
    }

    #[test]
    fn a_daemons_last_words_are_its_sentence_and_not_what_it_cites() {
        let cited = "WARN something\nqueued: a.toml:2:1: unknown field `x`\n  2 | x = 3\n      ^\n";
        assert_eq!(sentence_of(cited), Some("a.toml:2:1: unknown field `x`"));
        assert_eq!(sentence_of("one\n  two \n\n"), Some("two"));
        assert_eq!(sentence_of("\n"), None);
    }

    #[test]
    fn readiness_is_one_byte_and_an_end_without_it_is_a_failure() {
        let (ready, told) = sys::descriptors::pipe().expect("a pipe");
        std::fs::File::from(told).write_all(b"\n").expect("room");
        assert!(matches!(await_byte(&ready), Readiness::Ready));
        assert!(matches!(await_byte(&ready), Readiness::Ended));
    }
}
