//! Where client and daemon of one user meet on a host. Only names; nothing is opened here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The runtime directory: `override_directory` if given (for tests and unusual set-ups), else
/// `queue` in the user's runtime directory, else a directory in temp that carries the uid.
pub fn runtime(override_directory: Option<&OsStr>, xdg_runtime: Option<&OsStr>, uid: u32) -> PathBuf {
    match (set(override_directory), set(xdg_runtime)) {
        (Some(directory), _) => PathBuf::from(directory),
        (None, Some(directory)) => Path::new(directory).join("queue"),
        (None, None) => PathBuf::from(format!("/tmp/queue-{uid}")),
    }
}

/// The daemon's socket in a runtime directory.
pub fn daemon_socket(runtime: &Path) -> PathBuf {
    runtime.join("queued.sock")
}

/// The voucher's socket in a runtime directory; there is one only in system mode.
pub fn voucher_socket(runtime: &Path) -> PathBuf {
    runtime.join("voucher.sock")
}

/// The file in a runtime directory that holds the host's name: it may be configured to be another
/// than the kernel's.
pub fn host_file(runtime: &Path) -> PathBuf {
    runtime.join("host")
}

/// The runtime directory of a system installation.
pub const SYSTEM_RUNTIME: &str = "/run/queue";

/// The file with the authority of a system installation, written by root.
pub const SYSTEM_AUTHORITY: &str = "/etc/queue/authority";

/// The variable that names another such file.
pub const AUTHORITY_VARIABLE: &str = "QUEUE_AUTHORITY";

/// The variable that names another runtime directory.
pub const RUNTIME_VARIABLE: &str = "QUEUE_RUNTIME";

fn set(value: Option<&OsStr>) -> Option<&OsStr> {
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        assert_eq!(runtime(None, Some(OsStr::new("")), 7), Path::new("/tmp/queue-7"));
        assert_eq!(runtime(None, Some(OsStr::new("/run/user/7")), 7), Path::new("/run/user/7/queue"));
        assert_eq!(runtime(Some(OsStr::new("/x")), Some(OsStr::new("/run/user/7")), 7), Path::new("/x"));
    }
}
