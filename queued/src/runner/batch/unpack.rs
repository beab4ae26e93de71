//! Unpacking the archive of a data directory, by tar(1).
//!
//! The runner does not learn how its children end, and hands that down to them, where tar would not learn it
//! of its own: so a process in between asks tar and says how it went.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Unpacks the archive into a new directory. The sentence says why not.
pub fn unpack(archive: File, directory: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot unpack the job's data directory: {error}");
    std::fs::create_dir(directory).map_err(failed)?;
    let mut child = Command::new("/proc/self/exe")
        .arg0("queued")
        .args(["--role", "unpack"])
        .current_dir(directory)
        .stdin(Stdio::from(archive))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        output.take(LONGEST_REASON).read_to_string(&mut said).map_err(failed)?;
    }
    match said.as_str() {
        DONE => Ok(()),
        "" => Err("cannot unpack the job's data directory: it was interrupted".to_owned()),
        reason => Err(format!("cannot unpack the job's data directory: {}", reason.trim_end())),
    }
}

/// The process in between: the archive is standard input, and the directory is entered.
///
/// # Errors
/// When nobody hears how it went.
pub fn run() -> anyhow::Result<()> {
    sys::signal::default(nix::libc::SIGCHLD)?;
    // Files are the user's, whoever owned them where they came from.
    let tar = Command::new("tar").args(["-xof", "-"]).stdin(Stdio::inherit()).stdout(Stdio::null()).output();
    let said = match tar {
        Ok(output) if output.status.success() => DONE.to_owned(),
        Ok(output) => format!("tar: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
        Err(error) => format!("tar: {error}"),
    };
    let mut stdout = io::stdout();
    stdout.write_all(said.as_bytes())?;
    Ok(stdout.flush()?)
}

/// What the process in between says when all went well.
const DONE: &str = "done";
/// Bytes of what tar complains about.
const LONGEST_REASON: u64 = 2048;
