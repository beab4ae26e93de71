//! Receiving signals, and dying by one.

use std::os::fd::AsFd;

use sys::process::{self, Change};
use sys::signal::{self, Signals};

use crate::harness::scenarios;
use crate::leader::{Leader, ready, role};

scenarios![
    a_signal_from_a_process_is_from_a_person,
    real_time_signals_arrive_one_by_one,
    the_former_mask_is_restored,
    an_end_by_a_signal_looks_like_one,
    an_ignored_signal_ends_with_its_status,
];

fn a_signal_from_a_process_is_from_a_person() {
    let signals = Signals::block(&[libc::SIGUSR1, libc::SIGSEGV]).unwrap();
    assert_eq!(signals.next().unwrap(), None);
    let own = std::process::id() as i32;
    for number in [libc::SIGUSR1, libc::SIGSEGV] {
        // SAFETY: kill takes plain numbers.
        unsafe { libc::kill(own, number) };
        ready(signals.as_fd(), "the signal");
        let received = signals.next().unwrap().unwrap();
        assert_eq!((received.number, received.from_person, received.pid), (number, true, own));
        assert_eq!(signals.next().unwrap(), None);
    }
}

fn real_time_signals_arrive_one_by_one() {
    let number = signal::number("RTMIN+3").unwrap();
    let signals = Signals::block(&[number]).unwrap();
    for _ in 0..3 {
        // SAFETY: raise takes a plain number.
        unsafe { libc::raise(number) };
    }
    for _ in 0..3 {
        assert_eq!(signals.next().unwrap().map(|received| received.number), Some(number));
    }
    assert_eq!(signals.next().unwrap(), None);
}

fn the_former_mask_is_restored() {
    let blocked = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("SigBlk:"));
        line.unwrap().to_owned()
    };
    let before = blocked();
    let outer = Signals::block(&[libc::SIGTERM]).unwrap();
    let between = blocked();
    drop(Signals::block(&[libc::SIGTERM, libc::SIGHUP]).unwrap());
    assert_eq!(blocked(), between);
    drop(outer);
    assert_eq!(blocked(), before);
}

fn an_end_by_a_signal_looks_like_one() {
    let leader = Leader::new();
    for name in ["HUP", "INT", "QUIT", "TERM", "PIPE", "SEGV", "KILL", "RTMIN+3"] {
        let job = leader.job(&role(&["die", name]), true);
        let signal = signal::number(name).unwrap();
        assert_eq!(leader.change_of(job), Change::Killed { signal, core: false }, "{name}");
    }
    assert_eq!(process::wait_any().unwrap(), None);
}

fn an_ignored_signal_ends_with_its_status() {
    let leader = Leader::new();
    let job = leader.job(&role(&["die", "WINCH"]), true);
    assert_eq!(leader.change_of(job), Change::Exited(128 + libc::SIGWINCH));
}
