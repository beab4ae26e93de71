//! What is shared by many, or vanishes: a home directory on several hosts, the runtime directory.

use std::fs;

use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

use crate::login::Home;

#[test]
fn two_hosts_that_share_a_home_directory_have_a_daemon_each() {
    let home = Home::new();
    let hosts = ["redfish", "bluefish"];
    let logins = hosts.map(|host| home.login_on(host, ""));
    let all: Vec<Process> = (0..20).map(|number| logins[number % 2].spawn(&["-n", "--", "true"])).collect();
    all.into_iter().for_each(|one| drop(one.end().success()));
    for (host, login) in hosts.iter().zip(&logins) {
        let daemon = login.daemon();
        assert!(login.is_held_by(host, daemon), "{host}");
        let hosts = login.queue(&["hosts", "--json"]).success().text();
        assert!(hosts.contains(&format!("\"host\":\"{host}\"")), "{hosts}");
    }
    assert_ne!(logins[0].daemons(), logins[1].daemons());
}

#[test]
fn a_table_of_settings_counts_for_its_host_only() {
    let home = Home::new();
    let login = home.login();
    let own = sys::host::name();
    login.configure(&format!("speed = 2.0\n[host.{own}]\nspeed = 3.5\n[host.some-other]\nspeed = 9.0\n"));
    let answer = login.queue(&["hosts", "--json"]).success();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!(answer["hosts"][0]["state"]["speed"], 3.5);
}

/// Deletes a directory that a daemon may be making again at this very moment.
fn remove(directory: &std::path::Path) {
    until("it is deleted", PATIENCE, || match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => None,
        other => {
            other.expect("ours");
            Some(())
        }
    });
}

#[test]
fn a_deleted_runtime_directory_is_made_again_by_the_same_daemon() {
    let home = Home::new();
    let login = home.login();
    // With a job that talks through its runner meanwhile.
    let mut session = login.spawn(&["-n", "--", "sh", "-c", "echo begun; cat"]);
    session.until_it_says("begun");
    let daemon = login.daemon();
    let directory = login.runtime().join("queue");
    remove(&directory);
    until("the socket is back", PATIENCE, || directory.join("queued.sock").exists().then_some(()));
    login.queue(&["-n", "--", "true"]).success();
    // As at the last logout: all of it, and the next login makes it again.
    remove(login.runtime());
    fs::create_dir_all(login.runtime()).expect("ours");
    until("the socket is back", PATIENCE, || directory.join("queued.sock").exists().then_some(()));
    assert_eq!(login.queue(&["-n", "--", "echo", "again"]).success().text(), "again");
    assert_eq!(login.daemons(), [daemon]);
    session.send(b"and the session goes on\n");
    assert_eq!(session.end().success().text(), "begun\nand the session goes on");
}

#[test]
fn a_slot_is_free_again_after_a_job_whose_runner_died() {
    // The first job of a daemon is described before anybody has asked what the host is called.
    let home = Home::new();
    let login = home.login_on("redfish", "");
    let gate = home.home().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    let script = format!("echo begun; read line <{}; exit 7", gate.display());
    let session = login.spawn(&["-n", "--", "sh", "-c", &script]);
    session.until_it_says("begun");
    let runners = login.runners();
    assert_eq!(runners.len(), 1);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(runners[0]), nix::sys::signal::SIGKILL).expect("ours");
    until("another runner is there", PATIENCE, || (![&[], &runners[..]].contains(&&login.runners()[..])).then_some(()));
    let running = || {
        let answer = login.queue(&["hosts", "--json"]).success();
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
        answer["hosts"][0]["state"]["queues"][0]["running"].clone()
    };
    assert_eq!(running(), 1);
    fs::write(&gate, "go\n").expect("the job reads it");
    assert_eq!(session.end().code(), Some(7));
    until("the slot is free", PATIENCE, || (running() == 0).then_some(()));
}

#[test]
fn a_runtime_directory_that_vanishes_while_the_daemon_is_busy_starting_jobs_comes_back() {
    let home = Home::new();
    let login = home.login();
    login.queue(&["-n", "--", "true"]).success();
    let daemon = login.daemon();
    for _ in 0..5 {
        let many: Vec<Process> = (0..4).map(|_| login.spawn(&["-n", "--", "true"])).collect();
        // A socket that comes back between the two steps of a removal is removed as well.
        until("the directory is gone", PATIENCE, || fs::remove_dir_all(login.runtime().join("queue")).ok());
        // Those that were on their way may end either way, but none may hang.
        many.into_iter().for_each(|one| drop(one.end()));
        until("new ones work", PATIENCE, || login.queue(&["-n", "--", "true"]).status.success().then_some(()));
    }
    assert_eq!(login.daemons(), [daemon]);
}
