//! Copies, archives, what is forgotten, and what the doctor sees.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::{HOST, Here};

/// Jobs that have ended, and whose reports are settled.
fn some_ended(here: &Here) -> Vec<u64> {
    let ids = (0..3).map(|code| here.script(&["--mail", "none"], &format!("echo {code}; exit {code}")));
    let ids = ids.collect::<Vec<_>>();
    here.wait(&ids);
    until("nothing is owed", PATIENCE, || {
        here.queue(&["query", "--parsable", "report=owed"]).success().stdout.is_empty().then_some(())
    });
    ids
}

fn end_the_daemon(here: &Here) {
    let daemon = here.login.daemon();
    kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it is there");
    until("the daemon has ended", PATIENCE, || (!crate::login::is_alive(daemon)).then_some(()));
}

fn listed(here: &Here, words: &[&str]) -> String {
    here.queue(&[&["list", "--parsable"], words].concat()).success().text()
}

#[test]
fn a_copy_that_is_put_in_place_runs_nothing_twice_and_gives_no_number_again() {
    let here = Here::new();
    let id = some_ended(&here)[0];
    let waits = here.script(&["--mail", "none", "--hold"], "echo ran >>ran");
    let pending = here.fill("gate");
    let later = here.script(&["--mail", "none"], "echo later >>ran");
    let said = here.queue(&["backup", "copy"]).success().text();
    assert!(said.starts_with(&here.path("copy").display().to_string()), "{said}");
    assert_eq!(fs::metadata(here.path("copy")).expect("a file").permissions().mode() & 0o777, 0o600);
    let refused = here.queue(&["backup", "copy"]);
    assert_eq!(refused.code(), Some(125));
    assert!(refused.errors().contains("it exists and is not replaced"), "{}", refused.errors());
    here.queue(&["backup"]).success();
    let usual = fs::read_dir(here.path(".")).expect("a home").flatten();
    assert!(usual.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("queue-redfish-2")));
    // Everything that waited runs after the copy was made.
    here.open("gate");
    here.queue(&["release", &waits.to_string()]).success();
    here.wait(&pending);
    here.wait(&[waits, later]);
    end_the_daemon(&here);
    let spool = here.login.state(HOST).join("spool.sqlite");
    fs::copy(here.path("copy"), &spool).expect("room");
    // Without `ids` too, as on a new disk.
    fs::remove_file(here.login.state(HOST).join("ids")).expect("it is there");
    assert_eq!(here.show(id)["state"], "finished");
    assert_eq!(here.show(later)["state"], "held");
    let next = here.script(&["--mail", "none"], "true");
    assert!(next > 1_000_000, "{next}");
    assert_eq!(here.wait(&[next]), 0);
    assert_eq!(here.text("ran").matches("later").count(), 1, "it is not started a second time by itself");
    // Its owner can have it run again.
    here.queue(&["release", &later.to_string()]).success();
    assert_eq!(here.wait(&[later]), 0);
    assert_eq!(here.text("ran").matches("later").count(), 2);
}

#[test]
fn what_has_ended_is_in_the_archive_and_not_in_the_spool() {
    let here = Here::new();
    let ids = some_ended(&here);
    let output = here.show(ids[2])["stdout"].as_str().map(str::to_owned).expect("a path");
    let held = here.script(&["--mail", "none", "--hold"], "true");
    let said = here.queue(&["rotate", "old"]).success().text();
    assert_eq!(said, format!("{}: 3 jobs", here.path("old").display()));
    assert_eq!(listed(&here, &[]), held.to_string());
    assert_eq!(listed(&here, &["--archive", "old"]), "1\n2\n3");
    assert_eq!(listed(&here, &["--archive", "old", "exit=2"]), "3");
    let shown = here.queue(&["show", "--archive", "old", "2"]).success().text();
    assert!(shown.contains("exit 1"), "{shown}");
    let missing = here.queue(&["show", "--archive", "old", "4"]);
    assert_eq!(missing.code(), Some(1));
    assert!(missing.errors().contains("there is no job 4 in"), "{}", missing.errors());
    assert!(Path::new(&output).exists(), "output is kept");
    assert!(here.queue(&["rotate", "more"]).success().text().starts_with("no job has ended"));
    assert!(!here.path("more").exists());
    // The next time files are to go too.
    some_ended(&here);
    let output = here.show(held + 3)["stdout"].as_str().map(str::to_owned).expect("a path");
    here.queue(&["rotate", "--prune", "more"]).success();
    until("its output is gone", PATIENCE, || (!Path::new(&output).exists()).then_some(()));
    assert_eq!(listed(&here, &[]), held.to_string());
    let other = here.queue(&["list", "--archive", "/etc/passwd"]);
    assert!(other.errors().contains("/etc/passwd: "), "{}", other.errors());
    assert_eq!(other.code(), Some(125));
}

#[test]
fn the_doctor_is_silent_where_all_is_well_and_names_each_fault_with_its_cure() {
    let here = Here::new();
    let none = here.queue(&["doctor"]);
    assert_eq!(none.code(), Some(1));
    assert!(none.text().starts_with("daemon: none runs on this host"), "{}", none.text());
    assert!(here.login.daemons().is_empty(), "none is started for it");
    let ids = some_ended(&here);
    let well = here.queue(&["doctor"]);
    assert_eq!((well.text(), well.code()), (String::new(), Some(0)));
    assert!(here.queue(&["doctor", "--verbose"]).success().text().lines().count() >= 15);
    // One fault after the other.
    let state = here.login.state(HOST);
    let output = here.show(ids[1])["stdout"].as_str().map(str::to_owned).expect("a path");
    fs::remove_file(&output).expect("it is there");
    fs::create_dir_all(state.join("jobs/content")).expect("ours");
    fs::write(state.join("jobs/content/part-4200000-x"), "").expect("ours");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).expect("ours");
    here.login.configure("prioirty = 3\n");
    let ill = here.queue(&["doctor"]);
    assert_eq!(ill.code(), Some(1));
    let faults = ill.text();
    for fault in [
        "state directory: others can look into",
        "unknown field `prioirty`",
        &format!("output: that of job {} is gone", ids[1]),
        "unfinished files: ",
    ] {
        assert!(faults.contains(fault), "{fault}: {faults}");
    }
    assert_eq!(faults.lines().count(), 8, "a line for each and one for its cure: {faults}");
    let json = here.queue(&["doctor", "--json"]);
    let findings: Vec<wire::keeping::Finding> = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(findings.iter().filter(|finding| finding.is_fault()).count(), 4);
}
