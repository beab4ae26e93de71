//! A job on a terminal behaves as under a shell.

use std::os::fd::AsFd;

use sys::process::{self, Change};
use sys::{signal, terminal};

use crate::harness::scenarios;
use crate::leader::{Leader, role, words};

scenarios![
    the_suspend_key_stops_a_job,
    the_interrupt_key_kills_a_job,
    a_background_reader_stops_and_reads_when_made_foreground,
    a_background_job_that_changes_modes_stops,
    the_leader_takes_the_foreground_back_without_being_stopped,
    a_job_stops_itself_until_it_is_continued,
    a_job_stops_its_whole_group,
    an_orphaned_group_does_not_hang_when_it_stops_itself,
    a_key_is_not_from_a_person,
];

fn the_suspend_key_stops_a_job() {
    let leader = Leader::new();
    let job = leader.job(&words(&[c"/bin/cat"]), true);
    assert_eq!(terminal::foreground(leader.pty.slave.as_fd()).unwrap(), job);
    leader.press(b"\x1a");
    assert_eq!(leader.change_of(job), Change::Stopped(libc::SIGTSTP));
    process::signal_group(job, libc::SIGCONT).unwrap();
    assert_eq!(leader.change_of(job), Change::Continued);
    leader.press(b"\x04");
    assert_eq!(leader.change_of(job), Change::Exited(0));
}

fn the_interrupt_key_kills_a_job() {
    let leader = Leader::new();
    let job = leader.job(&words(&[c"/bin/cat"]), true);
    leader.press(b"\x03");
    let killed = Change::Killed { signal: libc::SIGINT, core: false };
    assert_eq!(leader.change_of(job), killed);
}

fn a_background_reader_stops_and_reads_when_made_foreground() {
    let mut leader = Leader::new();
    let job = leader.job(&words(&[c"/usr/bin/head", c"-n1"]), false);
    assert_eq!(leader.change_of(job), Change::Stopped(libc::SIGTTIN));
    leader.press(b"hello\n");
    leader.shows("hello\r\n");
    terminal::set_foreground(leader.pty.slave.as_fd(), job).unwrap();
    assert_eq!(leader.continue_to_end(job), Change::Exited(0));
    leader.shows("hello\r\n");
}

fn a_background_job_that_changes_modes_stops() {
    let mut leader = Leader::new();
    let job = leader.job(&role(&["set-modes"]), false);
    assert_eq!(leader.change_of(job), Change::Stopped(libc::SIGTTOU));
    terminal::set_foreground(leader.pty.slave.as_fd(), job).unwrap();
    assert_eq!(leader.continue_to_end(job), Change::Exited(0));
    leader.shows("modes set");
}

fn the_leader_takes_the_foreground_back_without_being_stopped() {
    let leader = Leader::new();
    let own = std::process::id() as i32;
    let job = leader.job(&words(&[c"/bin/cat"]), true);
    terminal::set_foreground(leader.pty.slave.as_fd(), own).unwrap();
    assert_eq!(terminal::foreground(leader.pty.master.as_fd()).unwrap(), own);
    // A read that had begun in the foreground goes on; the next one stops it.
    leader.press(b"x\n");
    assert_eq!(leader.change_of(job), Change::Stopped(libc::SIGTTIN));
}

fn a_job_stops_itself_until_it_is_continued() {
    let mut leader = Leader::new();
    for number in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGSTOP] {
        let job = leader.job(&role(&["stop", &signal::name(number)]), true);
        leader.shows("orphaned false");
        assert_eq!(leader.change_of(job), Change::Stopped(number));
        assert_eq!(leader.continue_to_end(job), Change::Exited(0));
        leader.shows("went on");
    }
}

/// A script waits for the process that stops: it has to stop too, or its shell sees nothing.
fn a_job_stops_its_whole_group() {
    let mut leader = Leader::new();
    let mut script = words(&[c"/bin/sh", c"-c", c"\"$@\"; exit 3", c"sh"]);
    script.extend(role(&["stop-group", "TSTP"]));
    let job = leader.job(&script, true);
    assert_eq!(leader.change_of(job), Change::Stopped(libc::SIGTSTP));
    assert_eq!(leader.continue_to_end(job), Change::Exited(3));
    leader.shows("went on");
}

fn an_orphaned_group_does_not_hang_when_it_stops_itself() {
    // The parent of a session leader is in another session: its group is orphaned.
    let _leader = Leader::new();
    assert!(process::group_is_orphaned());
    for number in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        signal::stop_self(number);
    }
}

fn a_key_is_not_from_a_person() {
    let leader = Leader::new();
    let signals = signal::Signals::block(&[libc::SIGINT]).unwrap();
    let own = std::process::id() as i32;
    terminal::set_foreground(leader.pty.slave.as_fd(), own).unwrap();
    leader.press(b"\x03");
    crate::leader::ready(signals.as_fd(), "the signal of the key");
    let received = signals.next().unwrap().unwrap();
    assert_eq!((received.number, received.from_person), (libc::SIGINT, false));
}
