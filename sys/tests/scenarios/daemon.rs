//! A daemon forgets whoever started it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use sys::process::{self, Change, Fork};
use sys::{daemonize, descriptors, limits, signal};

use crate::harness::{scenarios, until};

scenarios![a_detached_daemon_keeps_nothing_of_its_caller];

fn a_detached_daemon_keeps_nothing_of_its_caller() {
    let directory = std::env::temp_dir().join(format!("queue-test-daemon-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let report = directory.join("report");
    let log = directory.join("log");
    let (read, _write) = descriptors::pipe().unwrap();
    // The last one is of those that the C library does not let us reset.
    for number in [libc::SIGHUP, libc::SIGTSTP, 33] {
        signal::ignore(number).unwrap();
    }
    let _signals = signal::Signals::block(&[libc::SIGTERM]).unwrap();
    limits::set_soft_limit("nofile", Some(64)).unwrap();
    limits::set_soft_limit("cpu", Some(600)).unwrap();
    let core = soft("core");
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let root = sys::credentials::own_uid() == 0;
    limits::set_nice(5).unwrap();

    match process::fork().unwrap() {
        Fork::Child => {
            let number = read.as_raw_fd();
            std::mem::forget(read);
            daemonize::detach_from_caller().unwrap();
            // SAFETY: fcntl takes plain numbers.
            let closed = unsafe { libc::fcntl(number, libc::F_GETFD) } == -1;
            // Until here an error could still be told to the caller.
            let log = fs::File::create(&log).unwrap();
            daemonize::let_go(log.as_fd()).unwrap();
            eprintln!("to the log");
            // SAFETY: getsid takes a plain number.
            let session = unsafe { libc::getsid(0) };
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let standard = ["0", "1", "2"].map(|number| fs::read_link(format!("/proc/self/fd/{number}")).unwrap());
            let text = format!(
                "{} {} {:?} {:03o} {} {:?} {:?} {} {:?}\n{status}",
                session == std::process::id() as i32,
                closed,
                std::env::current_dir().unwrap(),
                limits::umask(),
                limits::nice(),
                soft("cpu"),
                soft("core") == core,
                soft("nofile") > Some(64),
                standard,
            );
            fs::write(&report, text).unwrap();
            std::process::exit(0)
        }
        Fork::Parent(_) => {}
    }
    let mut end = None;
    until("the daemon has reported", || {
        end = process::wait_any().unwrap();
        end.is_some()
    });
    assert_eq!(end.unwrap().1, Change::Exited(0));
    let text = fs::read_to_string(&report).unwrap();
    let (line, status) = text.split_once('\n').unwrap();
    let nice = if root { 0 } else { 5 };
    let standard = format!(r#"["/dev/null", "/dev/null", {log:?}]"#);
    assert_eq!(line, format!(r#"true true "/" 077 {nice} None true true {standard}"#));
    assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
    // PIPE alone, as the Rust runtime has it.
    assert!(status.contains("SigIgn:\t0000000000001000"), "{status}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "to the log\n");
    fs::remove_dir_all(&directory).unwrap();
}

fn soft(wanted: &str) -> Option<u64> {
    let limits = limits::soft_limits();
    limits.into_iter().find(|(name, _)| name == wanted).unwrap().1
}
