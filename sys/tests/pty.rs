//! Promises about opening pseudo-terminals.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// pty-process 0.5.4 opened the master in two steps: of 1,500 children that were started
/// meanwhile 104 had somebody's master.
#[test]
fn no_master_leaks_into_a_child_started_meanwhile() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    sys::pty::open().unwrap();
                }
            });
        }
        for _ in 0..300 {
            let output = Command::new("/bin/sh").args(["-c", "readlink /proc/$$/fd/*"]).output().unwrap();
            let open = String::from_utf8(output.stdout).unwrap();
            let terminal = open.lines().find(|path| path.contains("/ptmx") || path.contains("/pts/"));
            if terminal.is_some() {
                stop.store(true, Ordering::Relaxed);
                panic!("a child has {open}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_path_is_that_of_the_slave() {
    let pty = sys::pty::open().unwrap();
    assert_eq!(nix::unistd::ttyname(&pty.slave).unwrap(), pty.path);
}
