//! `--tee FILE`: a copy of all that a job writes, in a file of the user's on the job's own host.
//!
//! It never holds the job up for longer than a write takes. A file that cannot be written any more is
//! given up with one line to the client; the job goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wire::ByteString;
use wire::job::Job;

use super::convert::words;

/// The copy of one session's output.
#[derive(Default)]
pub struct Tee {
    path: PathBuf,
    umask: u32,
    file: Option<File>,
    failure: Option<String>,
}

impl Tee {
    /// Why this file cannot be written, before the job is started. Nothing is made or changed.
    pub fn check(path: &Path) -> Result<(), String> {
        let writable = |path: &Path| nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).map_err(io::Error::from);
        let found = match path.metadata() {
            Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(_) => writable(path),
            Err(error) if error.kind() == ErrorKind::NotFound => match path.parent() {
                Some(directory) => writable(directory),
                None => Err(error),
            },
            Err(error) => Err(error),
        };
        found.map_err(|error| sentence(path, &error))
    }

    /// The copy that this job wants, if it wants one. Nothing is opened yet.
    pub fn of(job: &Job) -> Self {
        let path = job.tee.as_ref().map(|path| PathBuf::from(path.as_os_str())).unwrap_or_default();
        Self { path, umask: job.umask, ..Self::default() }
    }

    /// Opens the file: emptied for a job that starts, or, for a new runner, as the old one has left it.
    pub fn open(&mut self, goes_on: bool) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        match create(&self.path, self.umask, goes_on) {
            Ok(file) => self.file = Some(file),
            Err(error) => self.failure = Some(sentence(&self.path, &error)),
        }
    }

    /// The job has written this.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(bytes)
        {
            self.failure = Some(sentence(&self.path, &error));
            self.file = None;
        }
    }

    /// Why there is no copy any more, once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }
}

fn create(path: &Path, umask: u32, goes_on: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe that nobody reads must not stop us here.
    options.write(true).append(goes_on).truncate(!goes_on).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY);
    match options.clone().create_new(true).truncate(false).open(path) {
        Ok(file) => {
            // The mask is the job's, not this process's.
            file.set_permissions(PermissionsExt::from_mode(0o666 & !umask))?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

fn sentence(path: &Path, error: &io::Error) -> String {
    let shown = ByteString::from(path.as_os_str().to_owned());
    format!("cannot write {} (--tee): {}", shown.display(), words(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_known_before_and_nothing_is_made() {
        let here = std::env::temp_dir().join(format!("queue-tee-{}", std::process::id()));
        std::fs::create_dir_all(&here).expect("temp is writable");
        assert_eq!(Tee::check(&here.join("new")), Ok(()));
        assert!(!here.join("new").exists());
        let refused = Tee::check(&here).expect_err("a directory");
        assert!(refused.ends_with("(--tee): is a directory"), "{refused}");
        assert!(Tee::check(&here.join("no/such")).is_err_and(|why| why.contains("no such file")));
        std::fs::remove_dir_all(&here).expect("ours");
    }
}
