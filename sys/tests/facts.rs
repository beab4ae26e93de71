//! Promises about what the host and this process tell about themselves.

use std::os::fd::AsFd;
use std::time::Duration;

use sys::{credentials, host, limits, memory, process};

#[test]
fn the_load_does_not_count_whoever_asks() {
    let load = host::load_average().unwrap();
    assert!(load.runnable < load.total, "{load:?}");
    assert!(load.one >= 0.0 && load.five >= 0.0 && load.fifteen >= 0.0);
}

#[test]
fn the_host_has_a_name_and_processors() {
    assert!(!host::name().is_empty());
    let parallel = std::thread::available_parallelism().unwrap().get();
    assert!(host::cpus() as usize >= parallel);
}

#[test]
fn time_since_boot_goes_on() {
    let before = host::since_boot();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let after = host::since_boot();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let hundredth = Duration::from_millis(10);
    assert!(before.saturating_sub(hundredth) <= Duration::from_secs_f64(uptime));
    assert!(Duration::from_secs_f64(uptime) <= after + hundredth);
}

#[test]
fn resident_memory_grows_with_what_is_touched_and_shrinks_when_freed() {
    memory::few_arenas();
    let own = std::process::id() as i32;
    let (before, _) = memory::resident_kib(own).unwrap();
    let large = vec![1u8; 64 << 20];
    let (during, _) = memory::resident_kib(own).unwrap();
    drop(std::hint::black_box(large));
    let (after, _) = memory::resident_kib(own).unwrap();
    assert!(during >= before + (60 << 10), "{before} {during}");
    assert!(after < during - (60 << 10), "{during} {after}");
    assert!(memory::resident_kib(i32::MAX).is_err());
}

#[test]
fn every_soft_limit_has_a_name_that_can_be_set() {
    let limits = limits::soft_limits();
    assert_eq!(limits.len(), 16);
    for (name, soft) in limits {
        limits::set_soft_limit(&name, soft).unwrap();
        assert!(limits::resource(&name).is_some());
    }
    assert!(limits::set_soft_limit("NOFILE", Some(1)).is_err());
}

#[test]
fn a_soft_limit_is_never_above_the_hard_one() {
    let soft = || limits::soft_limits().into_iter().find(|(name, _)| name == "nice").unwrap().1;
    let before = soft();
    // Its hard limit is 0 where nobody set it; in no case can it be unlimited after this.
    limits::set_soft_limit("nice", None).unwrap();
    let (_, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NICE).unwrap();
    assert_eq!(soft().unwrap_or(u64::MAX), hard);
    limits::set_soft_limit("nice", before).unwrap();
}

#[test]
fn the_mask_is_read_and_not_set() {
    let mask = limits::umask();
    assert_eq!(limits::umask(), mask);
    assert!(mask <= 0o777);
}

#[test]
fn a_process_is_the_same_as_long_as_it_lives() {
    let own = std::process::id() as i32;
    let id = process::identify(own).unwrap();
    assert_eq!(id, process::identify(own).unwrap());
    assert_eq!(id.boot_id, process::boot_id().unwrap());
    assert_eq!(id.boot_id.len(), 36);
    process::pidfd_signal(id.open().unwrap().as_fd(), 0).unwrap();
    assert_eq!(process::pidfd(0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn names_and_numbers_of_users_fit() {
    let name = credentials::user_name(0).expect("there is a superuser");
    assert_eq!(credentials::uid_of(&name), Some(0));
    assert!(credentials::home_directory(0).is_some());
    assert_eq!(credentials::user_name(3_999_999_999), None);
    assert_eq!(credentials::uid_of("no such user"), None);
}
