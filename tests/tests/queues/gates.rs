//! Gates of one host: when nothing is started, and when what runs is suspended.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;
use crate::queue::{lines, profile, row, until_shut};

/// A time specification that does not fit today nor tomorrow.
fn another_day() -> &'static str {
    // Days since a Thursday, in UTC; the test's zone is at most one day away.
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"][(seconds / 86_400 + 3 + 3) as usize % 7]
}

#[test]
fn timesched_keeps_jobs_waiting_and_says_when_it_opens() {
    let here = Here::new();
    profile(&here, "night", &format!("timesched = \"{}\"\nloadsched = \"none\"\n", another_day()));
    until_shut(&here, "night", "is outside its hours (timesched); it opens in ");
    let id = here.script(&["-d", "night"], "true");
    let why = here.queue(&["why", &id.to_string()]).success().text();
    assert!(why.contains("is outside its hours (timesched); it opens in "), "{why}");
    profile(&here, "night", "loadsched = \"none\"\n");
    assert_eq!(here.wait(&[id]), 0);
}

#[test]
fn timestop_suspends_what_runs() {
    let here = Here::new();
    profile(&here, "night", "loadsched = \"none\"\n");
    let id = here.script(&["-d", "night"], "while :; do echo line; sleep 0.02; done");
    until("it writes", PATIENCE, || (lines(&here, id) > 2).then_some(()));
    profile(&here, "night", &format!("timestop = \"{}\"\nloadsched = \"none\"\n", another_day()));
    until("it is suspended", PATIENCE, || row(&here, "night")["suspended"].as_str().map(|_| ()));
    until("it writes no more", PATIENCE, || {
        let before = lines(&here, id);
        // Ten of its turns.
        std::thread::sleep(std::time::Duration::from_millis(200));
        (lines(&here, id) == before).then_some(())
    });
    let before = lines(&here, id);
    profile(&here, "night", "loadsched = \"none\"\n");
    until("it goes on", PATIENCE, || (lines(&here, id) > before).then_some(()));
    here.queue(&["cancel", &id.to_string()]).success();
    here.until(id, "cancelled");
}

#[test]
fn minfree_names_the_place_and_what_is_free() {
    let here = Here::new();
    profile(&here, "big", "minfree = { \"/\" = \"900000TiB\" }\nloadsched = \"none\"\n");
    until_shut(&here, "big", "GiB free on / (now ");
    profile(&here, "big", "minfree = [\"/no/such/place 1M\"]\nloadsched = \"none\"\n");
    until_shut(&here, "big", "cannot tell how much is free on /no/such/place: no such file or directory");
    let id = here.script(&["-d", "big"], "true");
    profile(&here, "big", "minfree = [\"/ 1M\"]\nloadsched = \"none\"\n");
    assert_eq!(here.wait(&[id]), 0);
}

#[test]
fn a_program_of_the_queue_decides() {
    let here = Here::new();
    let program = here.path("program");
    let says = |script: &str| {
        let new = here.path("new");
        fs::write(&new, format!("#!/bin/sh\n{script}\n")).expect("ours");
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("ours");
        fs::rename(&new, &program).expect("ours");
        // Another argument is another question, which is asked at once.
        let argv = format!("program = [\"{}\", \"{}\"]", program.display(), script.len());
        profile(&here, "asked", &format!("{argv}\nprogram-time-limit = \"1s\"\nloadsched = \"none\"\n"));
    };
    says("echo no $2; exit 2");
    until_shut(&here, "asked", "is drained by its program");
    let id = here.script(&["-d", "asked"], "true");
    says("echo $2 is unwell; exit 7");
    until_shut(&here, "asked", "exited with 7: asked is unwell");
    says("sleep 1000 & sleep 1000");
    until_shut(&here, "asked", "did not answer within 1 s");
    says("exit 1");
    until("it is suspended", PATIENCE, || row(&here, "asked")["suspended"].as_str().map(|_| ()));
    says("[ \"$2\" = asked ]");
    assert_eq!(here.wait(&[id]), 0);
}

#[test]
fn exec_drain_starts_nothing_and_off_ends_what_runs_too() {
    let here = Here::new();
    profile(&here, "night", "loadsched = \"none\"\n");
    let id = here.script(&["-d", "night"], "echo begun; exec sleep 1000");
    until("it runs", PATIENCE, || (lines(&here, id) > 1).then_some(()));
    let session = here.start(&["-n", "-d", "night", "--", "sh", "-c", "echo begun; exec sleep 1000"]);
    session.until_it_says("begun");
    profile(&here, "night", "exec = \"drain\"\n");
    until_shut(&here, "night", "is draining here (exec = \"drain\")");
    profile(&here, "night", "exec = \"off\"\n");
    until_shut(&here, "night", "is off here (exec = \"off\")");
    assert_eq!(here.until(id, "finished")["signal"], "TERM");
    assert_eq!(session.end().signal(), Some(nix::libc::SIGTERM));
}
