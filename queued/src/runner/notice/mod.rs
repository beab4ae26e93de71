//! Telling of the end of a job as its owner asked: a command is run, or the job's row posted to an address.
//!
//! A process does it that lives no longer than that, with the owner's rights and a deadline: what a server or a
//! command makes of it, and what TLS takes, is no burden to the runner. It says nothing when all went well, else the
//! reason in a line.

mod command;
mod post;

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use wire::ByteString;
use wire::batch::JobRow;

use crate::core::reports::notice;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Errand {
    /// The command or the address.
    pub wish: ByteString,
    /// What the job had.
    pub environment: Vec<ByteString>,
    /// Where the job ran.
    pub directory: ByteString,
    /// The job's.
    pub umask: u32,
    /// The job's soft limit of open files, if it said one: the runner has another.
    pub open_files: Option<Option<u64>>,
    /// How it ended.
    pub row: JobRow,
    /// The same for people.
    pub text: String,
}

/// Has it done by a process of its own. The sentence says why it is to be tried again.
pub fn send(errand: &Errand) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot start what is to tell of it: {error}");
    let mut child = Command::new("/proc/self/exe")
        .arg0("queued")
        .args(["--role", "notify"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        let text = serde_json::to_vec(errand).map_err(io::Error::from).map_err(failed)?;
        input.write_all(&text).map_err(failed)?;
    }
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        output.take(LONGEST_REASON).read_to_string(&mut said).map_err(failed)?;
    }
    match said.as_str() {
        DONE => Ok(()),
        "" => Err("it was interrupted".to_owned()),
        reason => Err(reason.to_owned()),
    }
}

/// The process that does it: the errand is standard input.
///
/// # Errors
/// When there is none, or nobody hears how it went.
pub fn run() -> anyhow::Result<()> {
    sys::process::set_name("queue-notify");
    // The runner ignores these, and would have the command ignore them too.
    for number in [nix::libc::SIGCHLD, nix::libc::SIGHUP, nix::libc::SIGINT, nix::libc::SIGQUIT] {
        sys::signal::default(number)?;
    }
    let errand: Errand = serde_json::from_reader(io::stdin().lock())?;
    let done = if notice::is_address(&errand.wish.0) {
        post::post(&errand.wish, serde_json::to_vec(&errand.row)?)
    } else {
        command::run(errand, command::DEADLINE)
    };
    let said = done.err().unwrap_or_else(|| DONE.to_owned());
    let mut stdout = io::stdout();
    stdout.write_all(said.as_bytes())?;
    Ok(stdout.flush()?)
}

/// What it says when all went well.
const DONE: &str = "done";
/// Bytes of a reason.
const LONGEST_REASON: u64 = 2048;
