//! Promises about descriptors that travel, and about pipes.

// Opening until nothing is left needs setrlimit in a test of its own process.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

use sys::descriptors::{MOST_PER_MESSAGE, enlarge_pipe, pipe, receive, send, set_nonblocking};

/// Tests that count the descriptors of the process, or use them up, run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_descriptor_arrives_as_the_same_open_file() {
    let _alone = alone();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (read, write) = pipe().unwrap();
    assert_eq!(send(ours.as_fd(), b"here", &[write.as_fd()]).unwrap(), 4);
    let mut buffer = [0; 16];
    let (length, descriptors) = receive(theirs.as_fd(), &mut buffer, 1).unwrap();
    assert_eq!(&buffer[..length], b"here");
    drop(write);
    for descriptor in descriptors {
        assert!(closes_on_exec(&descriptor));
        File::from(descriptor).write_all(b"through the copy").unwrap();
    }
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(text, "through the copy");
}

#[test]
fn excess_descriptors_are_closed() {
    let _alone = alone();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (read, _write) = pipe().unwrap();
    for (sent, wanted) in [(1, 0), (3, 0), (3, 1), (3, 2), (MOST_PER_MESSAGE, 5), (2, 400)] {
        let before = open_descriptors();
        send(ours.as_fd(), b"x", &vec![read.as_fd(); sent]).unwrap();
        let (length, descriptors) = receive(theirs.as_fd(), &mut [0; 8], wanted).unwrap();
        assert_eq!((length, descriptors.len()), (1, sent.min(wanted)));
        assert_eq!(open_descriptors().len(), before.len() + descriptors.len());
        drop(descriptors);
        assert_eq!(open_descriptors(), before);
    }
}

/// The kernel delivers what fits and cuts the rest; half of a set is of no use and must not leak.
#[test]
fn a_lack_of_descriptors_is_an_error_and_leaks_none() {
    let _alone = alone();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (read, _write) = pipe().unwrap();
    send(ours.as_fd(), b"x", &[read.as_fd(); 3]).unwrap();
    let before = open_descriptors();
    let limit = sys::limits::soft_limits();
    let (_, soft) = limit.iter().find(|(name, _)| name == "nofile").unwrap();
    // Room for two more.
    let top = first_gap(&before, 2) as u64 + 1;
    sys::limits::set_soft_limit("nofile", Some(top)).unwrap();
    let result = receive(theirs.as_fd(), &mut [0; 8], 3);
    sys::limits::set_soft_limit("nofile", *soft).unwrap();
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EMFILE));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn the_end_of_the_stream_is_zero_bytes() {
    let _alone = alone();
    let (ours, theirs) = UnixStream::pair().unwrap();
    send(ours.as_fd(), b"last", &[]).unwrap();
    drop(ours);
    let mut buffer = [0; 16];
    assert_eq!(receive(theirs.as_fd(), &mut buffer, 3).unwrap().0, 4);
    assert_eq!(receive(theirs.as_fd(), &mut buffer, 3).unwrap().0, 0);
    let error = send(theirs.as_fd(), b"nobody", &[]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn a_pipe_closes_on_exec_and_grows() {
    let _alone = alone();
    let (read, write) = pipe().unwrap();
    assert!(closes_on_exec(&read) && closes_on_exec(&write));
    let size = || nix::fcntl::fcntl(&write, nix::fcntl::FcntlArg::F_GETPIPE_SZ).unwrap();
    let before = size();
    enlarge_pipe(write.as_fd(), 2 * before as usize);
    assert_eq!(size(), 2 * before);
    enlarge_pipe(write.as_fd(), 1);
    assert_eq!(size(), 2 * before, "it became smaller");
    enlarge_pipe(write.as_fd(), usize::MAX);
}

#[test]
fn non_blocking_mode_goes_on_and_off() {
    let _alone = alone();
    let (read, write) = pipe().unwrap();
    set_nonblocking(read.as_fd(), true).unwrap();
    let error = File::from(read.try_clone().unwrap()).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    set_nonblocking(read.as_fd(), false).unwrap();
    drop(write);
    assert_eq!(File::from(read).read(&mut [0]).unwrap(), 0);
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn open_descriptors() -> Vec<RawFd> {
    // Asked one by one: listing a directory would show the descriptor of the listing.
    // SAFETY: fcntl takes plain numbers.
    (0..1024).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1).collect()
}

/// The number that is free with `skipped` free ones below it, less one.
fn first_gap(open: &[RawFd], skipped: usize) -> RawFd {
    (0..).filter(|number| !open.contains(number)).nth(skipped).unwrap() - 1
}

fn closes_on_exec(descriptor: &OwnedFd) -> bool {
    // SAFETY: fcntl takes plain numbers.
    unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}
