//! Bytes that jobs need, put into the spool before the submission: named by what is in them, so that the same
//! input is there once.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use ring::digest::{Context, SHA256};
use wire::batch::{Content, PlacesAnswer};

use super::jobs;
use crate::daemon::Daemon;
use crate::failure::{Failure, words};

/// Puts everything that can be read into the spool.
pub fn put(daemon: &Daemon, mut from: impl Read, name: &str) -> Result<Content, Failure> {
    let directory = directory(daemon)?;
    let part = directory.join(format!("part-{}-{}", std::process::id(), crate::job::submit_key()?));
    let written = copy(&mut from, &part);
    let kept = written.and_then(|content| {
        let path = directory.join(&content.sha256);
        fs::rename(&part, &path)?;
        File::open(&directory)?.sync_all()?;
        Ok(content)
    });
    kept.map_err(|error| {
        // Nothing is left of what was not all there.
        let _ = fs::remove_file(&part);
        Failure::own(format!("cannot put {name} into the spool ({}): {}", directory.display(), words(&error)))
    })
}

fn copy(from: &mut impl Read, part: &Path) -> std::io::Result<Content> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    let mut hash = Context::new(&SHA256);
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(&buffer[..count]);
                file.write_all(&buffer[..count])?;
                bytes += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.sync_all()?;
    let sha256 = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Content { sha256, bytes })
}

/// Puts a file or a directory into the spool, as an archive.
pub fn put_tree(daemon: &Daemon, path: &Path) -> Result<Content, Failure> {
    let found = fs::symlink_metadata(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {}", path.display(), words(&error))))?;
    let mut tar = Command::new("tar");
    tar.args(["--create", "--file=-", "--directory"]);
    if found.is_dir() {
        tar.arg(path).arg("--").arg(".");
    } else {
        let name = path.file_name().filter(|name| !name.as_bytes().is_empty());
        let name = name.ok_or_else(|| Failure::usage(format!("{} has no name", path.display())))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tar.arg(parent).arg("--").arg(name);
    }
    let failed = |error: std::io::Error| Failure::own(format!("cannot run tar: {}", words(&error)));
    let mut child = tar.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let Some(archive) = child.stdout.take() else { return Err(Failure::own("tar has no output")) };
    let content = put(daemon, archive, &path.display().to_string())?;
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(Failure::own(format!("tar could not read all of {}; nothing was submitted", path.display())));
    }
    Ok(content)
}

/// The input of a job before.
pub fn of_job(daemon: &Daemon, job: &str) -> Result<Content, Failure> {
    let name = crate::arguments::job_name(job)?;
    let mut input = Vec::new();
    jobs::output(daemon, &name, wire::batch::OutputStream::Stdin, None, false, &mut |bytes| {
        input.extend_from_slice(bytes);
        Ok(())
    })?;
    put(daemon, &input[..], &format!("the input of job {job}"))
}

/// Where the runner of this user keeps such bytes on this host; made where it is not there yet.
fn directory(daemon: &Daemon) -> Result<PathBuf, Failure> {
    let answer = daemon.answer("GET", "/v1/jobs/places", b"", PATIENCE)?;
    let places: PlacesAnswer = serde_json::from_slice(&answer)
        .map_err(|error| Failure::own(format!("the answer of the daemon makes no sense: {error}")))?;
    let directory = Path::new(places.jobs.as_os_str()).join("content");
    DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&directory)
        .map_err(|error| Failure::own(format!("cannot make {}: {}", directory.display(), words(&error))))?;
    Ok(directory)
}

const PATIENCE: Duration = Duration::from_secs(10);
