//! Hosts whose clocks differ. The kernel here has one clock for all, so the daemon of a host is
//! started with a library that shifts what it reads.

use std::path::PathBuf;
use std::process::Command;

use queue_tests::cluster::Cluster;
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

/// Starts the daemon of `host` again with another clock.
fn shift_clock(cluster: &Cluster, host: &str, seconds: i64) -> Process {
    let library = shifting_library(cluster, seconds);
    cluster.kill(host, "daemon");
    let preload = format!("LD_PRELOAD={}", library.display());
    let daemon = cluster.spawn(host, &["env", &preload, "queued"]);
    until(&format!("the daemon of {host} is back"), PATIENCE, || {
        cluster.row("redfish", host).filter(|row| {
            let ahead = row.clock_difference_ms.unwrap_or(0) / 1000;
            row.unavailable.is_none() && (ahead - seconds).abs() < 60
        })
    });
    daemon
}

fn shifting_library(cluster: &Cluster, seconds: i64) -> PathBuf {
    let directory = cluster.shared();
    let (source, library) = (directory.join("clock.c"), directory.join(format!("clock{seconds}.so")));
    std::fs::write(&source, SOURCE).expect("it is ours");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", &format!("-DSHIFT={seconds}"), "-o"]).arg(&library).arg(&source);
    Process::start(compiler).end().success();
    library
}

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(clock, now);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += SHIFT;
    return status;
}
"#;

#[test]
fn hosts_whose_clocks_are_four_minutes_apart_run_each_others_jobs() {
    let cluster = Cluster::up(3);
    let _ahead = shift_clock(&cluster, "bluefish", 240);
    let _behind = shift_clock(&cluster, "onefish", -240);
    for (home, host) in
        [("redfish", "bluefish"), ("bluefish", "redfish"), ("redfish", "onefish"), ("onefish", "redfish")]
    {
        cluster.until_open(home, host);
        assert_eq!(cluster.queue(home, &["-n", "-h", host, "--", "hostname"]).success().text(), host);
    }
    let table = cluster.queue("redfish", &["hosts"]).success().text();
    // Some milliseconds are lost on the way, and minutes are rounded down.
    let says = |way: &str| [3, 4].iter().any(|minutes| table.contains(&format!("(clock {minutes}m {way})")));
    assert!(says("ahead") && says("behind"), "{table}");
}

#[test]
fn a_refusal_because_of_clocks_eleven_minutes_apart_names_them() {
    let cluster = Cluster::up(2);
    let _ahead = shift_clock(&cluster, "bluefish", 660);
    let refused = cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]);
    assert_eq!(refused.code(), Some(125));
    let expected = "the clock here is 11 min ahead of the clock of the host that made it";
    assert!(refused.errors().starts_with("queue: bluefish: the job's warrant is refused: "), "{}", refused.errors());
    assert!(refused.errors().contains(expected), "{}", refused.errors());
    cluster.until_open("bluefish", "redfish");
    let refused = cluster.queue("bluefish", &["-n", "-h", "redfish", "--", "true"]);
    assert_eq!(refused.code(), Some(125));
    let expected = "behind the clock of the host that made it";
    assert!(refused.errors().contains(expected), "{}", refused.errors());
    // Nobody is shut out by that: the rest of the cluster goes on.
    assert_eq!(cluster.queue("redfish", &["-n", "-H", "bluefish", "--", "hostname"]).success().text(), "redfish");
}
