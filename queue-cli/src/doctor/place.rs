//! Where a daemon lives: its directories, its socket, its program, and whether it is there.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use sys::disk::FileSystem;
use wire::keeping::Finding;

use crate::daemon;
use crate::failure::words;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A directory of this uid with this mode.
    Directory { uid: u32, mode: u32 },
    /// Something else.
    Other,
    /// It cannot be looked at.
    Unknown(String),
}

impl Found {
    /// What is there.
    pub fn at(path: &Path) -> Self {
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Self::Directory { uid: found.uid(), mode: found.mode() & 0o7777 },
            Ok(_) => Self::Other,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Nothing,
            Err(error) => Self::Unknown(words(&error)),
        }
    }
}

/// The directory of the sockets.
pub fn runtime(path: &Path, found: &Found) -> Finding {
    let check = "socket directory";
    let own = sys::credentials::own_uid();
    let shown = path.display();
    let elsewhere = "set QUEUE_RUNTIME or XDG_RUNTIME_DIR to a directory of yours with mode 0700";
    match found {
        Found::Nothing => Finding::fine(check, format!("{shown} is made when a daemon starts")),
        Found::Unknown(why) => Finding::fault(check, format!("{shown} cannot be looked at: {why}"), elsewhere),
        Found::Other => Finding::fault(check, format!("{shown} is no directory"), elsewhere),
        Found::Directory { uid, .. } if *uid != own && !daemon::is_installed(path, *uid) => {
            Finding::fault(check, format!("{shown} belongs to uid {uid}, not to you"), elsewhere)
        }
        Found::Directory { mode, .. } if mode & 0o022 != 0 => Finding::fault(
            check,
            format!("others can write to {shown} (mode {mode:04o}), and no daemon listens there"),
            format!("chmod go-w {shown}"),
        ),
        Found::Directory { .. } => Finding::fine(check, shown.to_string()),
    }
}

/// The path of the socket, which the kernel wants short.
pub fn socket(path: &Path) -> Finding {
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET {
        return Finding::fault(
            "socket",
            format!("{} has {length} bytes, more than the {LONGEST_SOCKET} of a socket's path", path.display()),
            "set XDG_RUNTIME_DIR or QUEUE_RUNTIME to a shorter path",
        );
    }
    Finding::fine("socket", path.display().to_string())
}

/// Where `queued` is: beside this program, and in PATH.
pub fn programs() -> [Option<PathBuf>; 2] {
    let in_path = std::env::var_os("PATH").and_then(|path| crate::keepalive::find(&path, "queued"));
    [Some(daemon::program()).filter(|path| path.is_absolute()), in_path]
}

/// Whether the daemon's program can be found.
pub fn program([beside, in_path]: &[Option<PathBuf>; 2]) -> Finding {
    match (beside, in_path) {
        (None, None) => Finding::fault(
            "PATH",
            "queued is neither beside queue nor in PATH, so no daemon can be started",
            "add its directory to PATH, or install it beside queue",
        ),
        (Some(path), _) | (None, Some(path)) => Finding::fine("PATH", format!("{} is started", path.display())),
    }
}

/// Whether client and daemon are of one release.
pub fn version(daemon: &str, process: u32) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    if daemon == own {
        return Finding::fine("version", own);
    }
    Finding::fault(
        "version",
        format!("the daemon is version {daemon}, this program {own}"),
        format!("kill {process} (jobs and sessions go on), then: queue hosts"),
    )
}

/// The state directory of a daemon of this user that has not said where it is.
pub fn usual_state(host: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("queue").join(host))
}

/// The state directory and the disk it is on.
pub fn state(path: &Path) -> Vec<Finding> {
    // Before the first start the one above it is looked at.
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
    let disk = sys::disk::file_system(there).map_err(|error| words(&error));
    vec![private(path, &Found::at(path)), local(path, &disk), room(path, &disk)]
}

fn private(path: &Path, found: &Found) -> Finding {
    let shown = path.display();
    match found {
        Found::Directory { mode, .. } if mode & 0o077 != 0 => Finding::fault(
            "state directory",
            format!("others can look into {shown} (mode {mode:04o}), where environments of jobs are"),
            format!("chmod 700 {shown}"),
        ),
        Found::Other => Finding::fault("state directory", format!("{shown} is no directory"), "move it away"),
        Found::Nothing | Found::Directory { .. } | Found::Unknown(_) => {
            Finding::fine("state directory", shown.to_string())
        }
    }
}

fn local(path: &Path, disk: &Result<FileSystem, String>) -> Finding {
    match disk {
        Ok(FileSystem { network: Some(kind), .. }) => Finding::fault(
            "file system",
            format!("{} is on a network file system ({kind}), where the spool cannot be kept safe", path.display()),
            "set XDG_STATE_HOME to a directory on a disk of this host, before the daemon starts",
        ),
        Ok(_) => Finding::fine("file system", format!("{} is on this host", path.display())),
        Err(why) => Finding::fault(
            "file system",
            format!("{} cannot be reached: {why}", path.display()),
            "make it reachable, or set XDG_STATE_HOME to another directory",
        ),
    }
}

fn room(path: &Path, disk: &Result<FileSystem, String>) -> Finding {
    let Ok(FileSystem { bytes, free, .. }) = disk else { return Finding::fine("disk", "not known") };
    let shown = format!("{} free", size(*free));
    let is_low = *free < LEAST_FREE || *free < *bytes / 100 && *free < ENOUGH_FREE;
    if !is_low {
        return Finding::fine("disk", shown);
    }
    Finding::fault(
        "disk",
        format!("the disk of {} is nearly full: {shown}", path.display()),
        "make room: queue delete \"ended and not failed\", queue rotate to another disk, keep = \"30d\" in queued.toml",
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// The process that holds the lock of a state directory.
pub fn lock_holder(state: &Path) -> Option<u32> {
    let found = std::fs::metadata(state.join("lock")).ok()?;
    holder(&std::fs::read_to_string("/proc/locks").ok()?, found.dev(), found.ino())
}

/// Who holds a lock on the whole of a file, by the kernel's list: nothing is locked to find out, since a daemon that
/// starts at this moment would take that for another daemon.
fn holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let file = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    locks.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        // Those who wait for it have an arrow there.
        let kind = fields.next()?;
        let pid = fields.nth(2)?;
        (kind == "FLOCK" && fields.next()? == file).then(|| pid.parse().ok())?
    })
}

/// There is no daemon.
pub fn absent(holder: Option<u32>, state: Option<&Path>) -> Finding {
    let state = state.map_or_else(|| "its state directory".to_owned(), |path| path.display().to_string());
    match holder {
        Some(process) => Finding::fault(
            "daemon",
            format!("process {process} holds {state}, but nobody listens on the socket"),
            format!("it starts or ends just now: try again; if that stays so: kill {process}, then queue hosts"),
        ),
        None => Finding::fault(
            "daemon",
            "none runs on this host: jobs that wait are not started, and reports are not sent",
            "any command starts one: queue hosts; queue keepalive install brings it back after a reboot",
        ),
    }
}

/// There is one that does not answer as it should.
pub fn silent(why: &str, holder: Option<u32>) -> Finding {
    let cure = match holder {
        Some(process) => format!("if it is stopped: kill -CONT {process}; else kill {process}, then: queue hosts"),
        None => "end it by kill (jobs and sessions go on), then: queue hosts".to_owned(),
    };
    Finding::fault("daemon", why, cure)
}

const LONGEST_SOCKET: usize = 107;
/// Less is not enough for the ends of what runs.
const LEAST_FREE: u64 = 256 << 20;
/// So much is enough on any disk.
const ENOUGH_FREE: u64 = 10 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn what(finding: Finding) -> String {
        assert!(finding.is_fault(), "{finding:?}");
        finding.what
    }

    fn directory(mode: u32) -> Found {
        Found::Directory { uid: sys::credentials::own_uid(), mode }
    }

    #[test]
    fn a_socket_directory_must_be_ones_own_and_nobody_elses_to_write() {
        let path = Path::new("/nowhere/queue");
        assert!(!runtime(path, &directory(0o700)).is_fault());
        assert!(!runtime(path, &Found::at(path)).is_fault(), "it is made with the first daemon");
        assert!(what(runtime(path, &directory(0o770))).contains("(mode 0770)"));
        let strangers = Found::Directory { uid: sys::credentials::own_uid() + 1, mode: 0o700 };
        assert!(what(runtime(path, &strangers)).contains("not to you"));
        assert_eq!(Found::at(Path::new("/dev/null")), Found::Other);
        assert!(what(runtime(path, &Found::Other)).contains("is no directory"));
        assert!(what(runtime(path, &Found::Unknown("permission denied".into()))).contains("permission denied"));
    }

    #[test]
    fn a_socket_path_must_not_be_too_long() {
        let path = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert!(!socket(&path(107)).is_fault());
        assert!(what(socket(&path(108))).contains("108 bytes"));
    }

    #[test]
    fn the_daemons_program_must_be_somewhere() {
        let here = Some(PathBuf::from("/bin/queued"));
        assert!(!program(&[here.clone(), None]).is_fault());
        assert!(!program(&[None, here]).is_fault());
        assert!(what(program(&[None, None])).contains("neither beside queue nor in PATH"));
    }

    #[test]
    fn client_and_daemon_must_be_of_one_release() {
        assert!(!version(env!("CARGO_PKG_VERSION"), 1).is_fault());
        assert!(what(version("0.0.9", 4711)).contains("version 0.0.9"));
    }

    #[test]
    fn the_state_directory_must_be_private_local_and_have_room() {
        let path = Path::new("/state");
        assert!(what(private(path, &directory(0o755))).contains("(mode 0755)"));
        assert!(!private(path, &directory(0o700)).is_fault());
        let disk = |free_mib: u64, network| Ok(FileSystem { bytes: 1 << 40, free: free_mib << 20, network });
        assert!(what(local(path, &disk(99_999, Some("NFS")))).contains("(NFS)"));
        assert!(what(local(path, &Err("stale file handle".into()))).contains("stale"));
        assert!(what(room(path, &disk(100, None))).contains("100 MiB free"));
        assert!(what(room(path, &disk(9_000, None))).contains("8.8 GiB free"), "less than a hundredth of a TiB");
        for fine in [local(path, &disk(20_000, None)), room(path, &disk(20_000, None))] {
            assert!(!fine.is_fault(), "{fine:?}");
        }
    }

    #[test]
    fn who_holds_a_lock_is_in_the_kernels_list() {
        let locks = "1: POSIX  ADVISORY  WRITE 99 fd:00:7 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 fd:00:7 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 12 fd:00:8 0 EOF\n";
        let device = nix::sys::stat::makedev(0xfd, 0);
        assert_eq!(holder(locks, device, 7), Some(4711));
        assert_eq!(holder(locks, device, 8), None, "that one only waits");
        assert_eq!(holder(locks, device, 9), None);
        assert!(what(absent(Some(4711), None)).contains("process 4711"));
        assert!(what(absent(None, None)).contains("none runs"));
        assert!(silent("it does not answer", Some(4711)).cure.is_some_and(|cure| cure.contains("kill -CONT 4711")));
    }

    #[test]
    fn a_lock_that_is_held_is_found() {
        let directory = std::env::temp_dir().join(format!("queue-doctor-lock-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("temp is writable");
        assert_eq!(lock_holder(&directory), None);
        let lock = std::fs::File::create(directory.join("lock")).expect("writable");
        lock.lock().expect("nobody has it");
        // In some containers the kernel's list is empty, or names no processes.
        if let Some(process) = lock_holder(&directory) {
            assert_eq!(process, std::process::id());
        }
        std::fs::remove_dir_all(&directory).expect("ours");
    }
}
