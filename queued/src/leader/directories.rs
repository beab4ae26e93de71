//! The two directories without which nobody will ever come for the end of a job: that of the daemon's state and that of
//! its sockets. Held open, so that a leader can see that they were deleted without any name, and so without memory.
//!
//! The runner gives them to the leaders' process as standard output and standard error, which it has no other use for.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::fstat;

/// Both, for as long as the leader lives.
pub struct Directories([OwnedFd; 2]);

impl Directories {
    /// Takes what the runner has given, and puts the null device in its place.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn given() -> io::Result<Self> {
        let null = open("/dev/null".as_ref())?;
        let both = [io::stdout().as_fd().try_clone_to_owned()?, io::stderr().as_fd().try_clone_to_owned()?];
        nix::unistd::dup2_stdout(&null)?;
        nix::unistd::dup2_stderr(&null)?;
        Ok(Self(both))
    }

    /// Whether both were deleted. One that was moved is still there, and so is what nobody can look at.
    pub fn are_gone(&self) -> bool {
        self.0.iter().all(|directory| match fstat(directory) {
            Ok(found) => found.st_nlink == 0,
            Err(error) => error == Errno::ESTALE,
        })
    }
}

/// Holds a directory open for them; the null device, which is never gone, where that cannot be done.
///
/// # Errors
/// When that cannot be opened either.
pub fn hold(directory: &Path) -> io::Result<OwnedFd> {
    let flags = nix::libc::O_PATH | nix::libc::O_DIRECTORY;
    let held = OpenOptions::new().read(true).custom_flags(flags).open(directory);
    held.map(OwnedFd::from).or_else(|_| open("/dev/null".as_ref()))
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    OpenOptions::new().read(true).write(true).open(path).map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn they_are_gone_when_both_were_deleted_and_not_when_one_was_or_could_not_be_held() {
        let base = std::env::temp_dir().join(format!("queue-directories-{}", std::process::id()));
        let [state, runtime] = ["state", "runtime"].map(|name| base.join(name));
        [&state, &runtime].iter().for_each(|path| fs::create_dir_all(path).expect("temp is writable"));
        let both = Directories([hold(&state), hold(&runtime)].map(|held| held.expect("they are there")));
        assert!(!both.are_gone());
        fs::remove_dir(&runtime).expect("ours");
        assert!(!both.are_gone());
        fs::rename(&state, base.join("moved")).expect("ours");
        assert!(!both.are_gone());
        fs::remove_dir(base.join("moved")).expect("ours");
        assert!(both.are_gone());
        let never = Directories([hold(&state), hold(&runtime)].map(|held| held.expect("the null device")));
        assert!(!never.are_gone());
        fs::remove_dir(&base).expect("ours");
    }
}
