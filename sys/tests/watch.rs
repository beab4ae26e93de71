//! Promises about watching a path.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use sys::watch::PathWatch;

#[test]
fn a_socket_that_is_unlinked_while_it_listens_is_noticed() {
    let directory = Directory::new("socket");
    let path = directory.0.join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut watch = PathWatch::new(&path).unwrap();
    assert!(!is_ready(watch.as_fd(), Duration::ZERO));
    assert!(!watch.changed().unwrap());
    fs::remove_file(&path).unwrap();
    assert!(until_changed(&mut watch));
    let _again = UnixListener::bind(&path).unwrap();
    assert!(!until_changed(&mut watch));
    fs::remove_file(&path).unwrap();
    assert!(until_changed(&mut watch));
}

#[test]
fn removal_of_several_levels_and_their_return_are_noticed() {
    let directory = Directory::new("levels");
    let top = directory.0.join("a");
    let path = top.join("b/c/socket");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    let mut watch = PathWatch::new(&path).unwrap();
    for _ in 0..3 {
        fs::remove_dir_all(&top).unwrap();
        assert!(until_changed(&mut watch));
        // Level by level: each new one wakes, as the next could be made by somebody else.
        for level in [top.clone(), top.join("b"), top.join("b/c")] {
            settle(&mut watch);
            fs::create_dir(&level).unwrap();
            assert!(until_changed(&mut watch));
        }
        settle(&mut watch);
        fs::write(&path, "").unwrap();
        assert!(!until_changed(&mut watch));
    }
}

#[test]
fn all_levels_made_at_once_are_noticed() {
    let directory = Directory::new("at-once");
    let path = directory.0.join("a/b/c/d");
    let mut watch = PathWatch::new(&path).unwrap();
    assert!(watch.changed().unwrap());
    fs::create_dir_all(&path).unwrap();
    until_state(&mut watch, false);
}

#[test]
fn a_renamed_directory_above_is_noticed() {
    let directory = Directory::new("renamed");
    let path = directory.0.join("a/b/socket");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    let mut watch = PathWatch::new(&path).unwrap();
    fs::rename(directory.0.join("a"), directory.0.join("away")).unwrap();
    assert!(until_changed(&mut watch));
    settle(&mut watch);
    fs::rename(directory.0.join("away"), directory.0.join("a")).unwrap();
    assert!(!until_changed(&mut watch));
}

/// Such a directory does not report its own removal, as long as somebody is in it.
#[test]
fn a_removed_directory_in_which_somebody_stands_is_noticed() {
    let directory = Directory::new("stand");
    let inner = directory.0.join("a/b");
    fs::create_dir_all(&inner).unwrap();
    let path = inner.join("socket");
    let mut watch = PathWatch::new(&path).unwrap();
    let _stands = [fs::File::open(&inner).unwrap(), fs::File::open(inner.parent().unwrap()).unwrap()];
    fs::remove_dir(&inner).unwrap();
    assert!(until_changed(&mut watch));
    settle(&mut watch);
    fs::remove_dir(inner.parent().unwrap()).unwrap();
    assert!(until_changed(&mut watch));
    settle(&mut watch);
    fs::create_dir_all(&inner).unwrap();
    fs::write(&path, "").unwrap();
    until_state(&mut watch, false);
}

#[test]
fn neighbours_do_not_wake() {
    let directory = Directory::new("neighbours");
    let path = directory.0.join("a/socket");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "").unwrap();
    let watch = PathWatch::new(&path).unwrap();
    fs::write(directory.0.join("other"), "").unwrap();
    fs::write(directory.0.join("a/other"), "").unwrap();
    fs::remove_file(directory.0.join("other")).unwrap();
    assert!(!is_ready(watch.as_fd(), Duration::ZERO));
}

/// logind mounts a file system over the runtime directory at login and takes it away at logout.
/// In a process of its own, since it needs a mount name space of its own.
#[test]
fn mounts_over_the_path_are_noticed() {
    const INSIDE: &str = "QUEUE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return mounts_inside();
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: this user cannot mount");
        return;
    }
    let status = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "mounts_over_the_path_are_noticed", "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success());
}

fn mounts_inside() {
    let directory = Directory::new("mounts");
    let place = directory.0.join("runtime");
    fs::create_dir(&place).unwrap();
    let path = place.join("queue/socket");
    let mut watch = PathWatch::new(&path).unwrap();
    for _ in 0..2 {
        settle(&mut watch);
        mount(&["-t", "tmpfs", "none", place.to_str().unwrap()]);
        assert!(until_changed(&mut watch));
        fs::create_dir(place.join("queue")).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        until_state(&mut watch, false);
        settle(&mut watch);
        // Lazily, as it is still in use.
        let unmounted = Command::new("umount").arg("-l").arg(&place).status().unwrap();
        assert!(unmounted.success());
        until_state(&mut watch, true);
        drop(listener);
    }
}

fn mount(arguments: &[&str]) {
    assert!(Command::new("mount").args(arguments).status().unwrap().success());
}

/// Waits for an event and looks.
fn until_changed(watch: &mut PathWatch) -> bool {
    assert!(is_ready(watch.as_fd(), PATIENCE), "waited in vain for an event");
    watch.changed().unwrap()
}

/// Takes events until the path is gone, or there.
fn until_state(watch: &mut PathWatch, gone: bool) {
    let deadline = Instant::now() + PATIENCE;
    while until_changed(watch) != gone {
        assert!(Instant::now() < deadline);
    }
}

/// Takes all events that are still there, so that the next one is new.
fn settle(watch: &mut PathWatch) {
    while is_ready(watch.as_fd(), Duration::ZERO) {
        watch.changed().unwrap();
    }
}

fn is_ready(fd: BorrowedFd, patience: Duration) -> bool {
    let mut ends = [PollFd::new(fd, PollFlags::POLLIN)];
    nix::poll::poll(&mut ends, PollTimeout::try_from(patience).unwrap()).unwrap() == 1
}

/// A directory of the test's own, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("queue-watch-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        let _ = fs::remove_dir_all(path);
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
