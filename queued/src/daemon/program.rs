//! Running a program of the host's, such as a mailer or a queue's, whose end somebody wants to know.
//!
//! The daemon ignores SIGCHLD, so nobody can wait for the program and ask how it ended: a shell does, and
//! writes the exit status to a pipe. The program's own output goes to another, for the reason of a failure.
//! What is killed when nobody waits any more is the shell's process group, and only while the shell is
//! there: after that its number may be another's.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use sys::postfork::{Start, start};
use sys::process::ProcessId;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use crate::core::reports::plain;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status; more than 128 for a signal, as a shell says it; none: nobody knows.
    pub status: Option<u8>,
    /// The beginning of what it wrote, in one line.
    pub said: String,
}

/// Runs it to its end, with these bytes as its standard input. Dropped, it kills what it has started.
///
/// # Errors
/// It cannot be started.
pub async fn run(arguments: &[&[u8]], bytes: Vec<u8>) -> io::Result<Exit> {
    let (mut running, mut input, status, output) = begin(arguments)?;
    let mut said = Vec::new();
    let conversation = async {
        let write = async move {
            // A program that does not read tells by its status what it thinks.
            let _ = input.write_all(&bytes).await;
            drop(input);
        };
        tokio::join!(write, read(&output, OUTPUT, &mut said));
        // What counts is the status.
        std::future::pending::<()>().await;
    };
    let mut exit = Vec::new();
    tokio::select! {
        () = read(&status, STATUS, &mut exit) => {}
        () = conversation => {}
    }
    running.ended();
    // The last words are in the pipe by now. A child that the program has left behind may have it open.
    keep_what_is_there(&output, OUTPUT, &mut said);
    let said = plain::line(&String::from_utf8_lossy(&said), WORDS);
    Ok(Exit { status: String::from_utf8_lossy(&exit).trim().parse().ok(), said })
}

/// A shell and what it runs.
struct Running {
    pid: i32,
    /// None once it has ended, or is about to: its number may soon be another's.
    shell: Option<ProcessId>,
}

impl Running {
    fn ended(&mut self) {
        self.shell = None;
        let pid = Pid::from_raw(self.pid);
        // Where nobody ignores SIGCHLD it is a zombie until somebody waits.
        let _ = std::thread::Builder::new().spawn(move || waitpid(pid, None));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(shell) = &self.shell {
            if shell.open().is_ok() {
                let _ = sys::process::signal_group(self.pid, nix::libc::SIGKILL);
            }
            self.ended();
        }
    }
}

type Started = (Running, pipe::Sender, pipe::Receiver, pipe::Receiver);

/// Starts the shell: its process, the program's input, the exit status, the program's output.
fn begin(arguments: &[&[u8]]) -> io::Result<Started> {
    let (theirs, input) = io::pipe()?;
    let (status, status_theirs) = io::pipe()?;
    let (output, output_theirs) = io::pipe()?;
    // Before there is a process that somebody would have to end.
    let input = pipe::Sender::from_owned_fd(OwnedFd::from(input))?;
    let status = pipe::Receiver::from_owned_fd(OwnedFd::from(status))?;
    let output = pipe::Receiver::from_owned_fd(OwnedFd::from(output))?;
    let shell = ["sh", "-c", SCRIPT, "sh"].map(str::as_bytes);
    let argv = shell.iter().chain(arguments).map(|argument| CString::new(*argument));
    let argv = argv.collect::<Result<Vec<_>, _>>()?;
    let pid = start(&Start {
        path: SHELL,
        argv: &argv,
        environment: &environment(),
        directory: c"/",
        umask: 0o077,
        nice: 0,
        limits: &[],
        ignored: &[],
        descriptors: [theirs.as_fd(), status_theirs.as_fd(), output_theirs.as_fd()],
        terminal: None,
    })
    .map_err(io::Error::other)?;
    Ok((Running { pid, shell: sys::process::identify(pid).ok() }, input, status, output))
}

/// What a program needs to find its own settings, and nothing else.
fn environment() -> Vec<CString> {
    let uid = sys::credentials::own_uid();
    let home = sys::credentials::home_directory(uid).map(|home| home.into_os_string().into_encoded_bytes());
    let user = sys::credentials::user_name(uid).map(String::into_bytes);
    let known = [("HOME", home), ("USER", user.clone()), ("LOGNAME", user)];
    let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let path = ("PATH", b"/usr/sbin:/usr/bin:/sbin:/bin".to_vec());
    let variable = |(name, value): (&str, Vec<u8>)| CString::new([name.as_bytes(), b"=", &value].concat()).ok();
    known.chain([path]).filter_map(variable).collect()
}

/// Reads until nobody can write any more, and keeps the first bytes.
async fn read(pipe: &pipe::Receiver, most: usize, kept: &mut Vec<u8>) {
    while pipe.readable().await.is_ok() && keep_what_is_there(pipe, most, kept) {}
}

/// Reads what can be read now; whether more may come.
fn keep_what_is_there(pipe: &pipe::Receiver, most: usize, kept: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 1024];
    loop {
        match pipe.try_read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = most.saturating_sub(kept.len());
                kept.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

const SHELL: &CStr = c"/bin/sh";
/// Only the shell has the pipe for the status.
const SCRIPT: &str = r#""$@" >&2; echo $?"#;
/// How much of the status is kept.
const STATUS: usize = 16;
/// How much of what the program says is kept, and how much of that is told.
const OUTPUT: usize = 1024;
const WORDS: usize = 200;
