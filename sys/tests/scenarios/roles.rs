//! What a job of a certain behaviour does. Everything it has to say goes to its output.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;

use sys::{limits, process, signal, terminal};

use crate::harness::Scenario;

pub const ROLES: &[Scenario] = &[
    ("describe", describe),
    ("set-modes", set_modes),
    ("stop", stop),
    ("stop-group", stop_group),
    ("die", die),
    ("named", named),
    ("busy", busy),
];

/// Says how it was started.
fn describe() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    let own = std::process::id() as i32;
    say(&format!("arguments {:?}", env::args().skip(3).collect::<Vec<_>>()));
    say(&format!("environment {:?}", env::vars().collect::<Vec<_>>()));
    say(&format!("directory {}", env::current_dir().unwrap().display()));
    say(&format!("umask {:03o}", limits::umask()));
    say(&format!("nice {}", limits::nice()));
    for (name, soft) in limits::soft_limits() {
        say(&format!("limit {name} {soft:?}"));
    }
    say(&format!("ignored {:?}", signal::ignored_at_start()));
    say(&format!("blocked {}", blocked.trim()));
    say(&format!("descriptors {:?}", descriptors()));
    say(&format!("dumpable {}", dumpable()));
    // SAFETY: getpgid takes a plain number.
    say(&format!("own group {}", unsafe { libc::getpgid(0) } == own));
}

/// The descriptors this process has, without the one it needs to find out.
fn descriptors() -> Vec<String> {
    let directory = fs::read_dir("/proc/self/fd").unwrap();
    let mut names: Vec<String> = directory.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // The one that read the directory is closed by now.
    names.retain(|name| fs::read_link(format!("/proc/self/fd/{name}")).is_ok());
    names.sort();
    names
}

/// Whether this process may dump core.
pub fn dumpable() -> i32 {
    // SAFETY: it takes plain numbers.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) }
}

/// Changes the modes of its terminal.
fn set_modes() {
    let input = io::stdin();
    let mut modes = terminal::modes(input.as_fd()).unwrap();
    modes.local &= !libc::ECHO;
    terminal::set_modes(input.as_fd(), &modes).unwrap();
    say("modes set");
}

/// Stops itself by the signal named.
fn stop() {
    say(&format!("orphaned {}", process::group_is_orphaned()));
    signal::stop_self(argument_signal());
    say("went on");
}

/// Stops its group by the signal named.
fn stop_group() {
    signal::stop_own_group(argument_signal());
    say("went on");
}

/// Dies of the signal named, which it had blocked and ignored.
fn die() {
    let number = argument_signal();
    let _signals = signal::Signals::block(&[number]).unwrap();
    let _ = signal::ignore(number);
    let _ = limits::set_soft_limit("core", None);
    signal::die_of(number)
}

/// Takes a name that is hard to parse, and waits for the end of its input.
fn named() {
    process::set_name("a) S 1 (b\n2 3");
    say("ready");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Uses the processor and some memory.
fn busy() {
    let memory = vec![1u8; 20 << 20];
    let start = std::time::Instant::now();
    while start.elapsed().as_millis() < 60 {
        std::hint::black_box(&memory);
    }
    std::process::exit(7);
}

fn argument_signal() -> i32 {
    signal::number(&env::args().nth(3).unwrap()).unwrap()
}

fn say(text: &str) {
    println!("{text}");
}
