//! Letters into the local mail system: `sendmail -i -- RECIPIENT` with the message as its input.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Outcome;
use super::message::Posted;
use crate::daemon::program::{self, Exit};

/// Whether there is a program that this process may execute.
pub fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Sends it. Dropped, it kills what it has started.
pub async fn send(program: &Path, posted: &Posted) -> Outcome {
    let later = |why: String| Outcome::Later(format!("{}: {why}", program.display()));
    let mut arguments: Vec<&[u8]> = vec![program.as_os_str().as_bytes(), b"-i"];
    let sender = posted.envelope.from().filter(|_| posted.sender_known).map(ToString::to_string);
    if let Some(sender) = &sender {
        arguments.extend([b"-f", sender.as_bytes()]);
    }
    arguments.extend([b"--", posted.local_recipient.as_bytes()]);
    let Exit { status, said } = match program::run(&arguments, posted.with_local_lines()).await {
        Ok(exit) => exit,
        Err(error) => return later(format!("cannot be started: {error}")),
    };
    let words = |status: u8| match &said[..] {
        "" => format!("{}: exit {status}", program.display()),
        said => format!("{}: exit {status}: {said}", program.display()),
    };
    match status {
        Some(0) => Outcome::Accepted,
        Some(status) if FINAL.contains(&status) => Outcome::Refused(words(status)),
        Some(status) => Outcome::Later(words(status)),
        None => later("its shell ended without an exit status".to_owned()),
    }
}

/// Exit statuses (sysexits.h) after which no later attempt can help: bad data, no such user, no such host.
const FINAL: [u8; 3] = [65, 67, 68];
