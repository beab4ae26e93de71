//! Directories in the spool are queues, and what their profiles say is in force.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::{HOST, Here};
use crate::queue::{profile, row, until_shut};

#[test]
fn a_directory_with_a_profile_is_a_queue() {
    let here = Here::new();
    assert_eq!(row(&here, "wait")["running"], 0);
    profile(&here, "night", "maxexec = 1\nloadsched = \"none\"\n");
    here.gate("gate");
    let first = here.script(&["-d", "night"], "read line <gate; true");
    here.until(first, "running");
    let second = here.script(&["-d", "night"], "true");
    let why = here.queue(&["why", &second.to_string()]).success().text();
    assert!(why.contains("queue \"night\" is full (1 of 1)"), "{why}");
    assert_eq!((row(&here, "night")["limit"].clone(), row(&here, "night")["waiting"].clone()), (1.into(), 1.into()));
    here.open("gate");
    assert_eq!(here.wait(&[first, second]), 0);
    // It is not there any more: what waits in it waits on, and nothing more is taken.
    let third = here.script(&["-d", "night", "--hold"], "true");
    fs::remove_dir_all(here.login.state(HOST).join("spool/night")).expect("ours");
    here.queue(&["queues"]).success();
    here.queue(&["release", &third.to_string()]).success();
    let why = here.queue(&["why", &third.to_string()]).success().text();
    assert!(why.contains("no queue \"night\""), "{why}");
    let words = "queue: no host has a queue \"night\"; known: now wait";
    here.queue(&["-r", "-d", "night", "--", "true"]).fails(64, words);
    profile(&here, "night", "loadsched = \"none\"\n");
    assert_eq!(here.wait(&[third]), 0);
}

#[test]
fn an_error_keeps_the_last_good_profile_in_force_and_is_cited() {
    let here = Here::new();
    profile(&here, "night", "maxexec = 3\nloadsched = \"none\"\n");
    assert_eq!(row(&here, "night")["limit"], 3);
    profile(&here, "night", "maxexec = 7\nloadsched = \"two\"\n");
    let night = row(&here, "night");
    assert_eq!(night["limit"], 3);
    let fault = "2:13: loadsched = \"two\": a number, or a number per CPU such as \"1.5/cpu\", is expected";
    assert_eq!(night["faults"][0], fault);
    let check = here.queue(&["config", "check"]);
    assert_eq!(check.code(), Some(1));
    let said = check.text();
    assert!(said.contains(&format!("/spool/night/profile.toml:{fault}\n    2 | loadsched = \"two\"\n")), "{said}");
    assert!(said.contains("stays in force"), "{said}");
    let id = here.script(&["-d", "night"], "true");
    assert_eq!(here.wait(&[id]), 0, "the queue goes on");
    profile(&here, "night", "maxexec = 7\nloadsched = \"none\"\n");
    assert_eq!(here.queue(&["config", "check"]).code(), Some(0));
    assert_eq!(row(&here, "night")["limit"], 7);
    // Each fault once in the log.
    let log = fs::read_to_string(here.login.state(HOST).join("log")).expect("there is a log");
    assert_eq!(log.matches("loadsched").count(), 1, "{log}");
}

#[test]
fn files_that_are_no_profiles_shut_only_their_own_queue() {
    let here = Here::new();
    let spool = here.login.state(HOST).join("spool");
    profile(&here, "odd", "maxexec = 1\n");
    let file = spool.join("odd/profile.toml");
    let queue = |name: &str| spool.join(name).join("profile.toml");
    fs::create_dir(spool.join("empty")).expect("ours");
    until_shut(&here, "empty", "has no profile.toml");
    // One that was never right has nothing to fall back on.
    profile(&here, "huge", &"#".repeat(300 * 1024));
    until_shut(&here, "huge", "has an error in its profile");
    profile(&here, "open", "");
    fs::set_permissions(queue("open"), fs::Permissions::from_mode(0o666)).expect("ours");
    until_shut(&here, "open", "has an error in its profile");
    assert!(row(&here, "open")["faults"][0].as_str().is_some_and(|fault| fault.contains("chmod o-w")));
    // A pipe is not waited for.
    fs::remove_file(&file).expect("ours");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    until("the pipe is told of", PATIENCE, || {
        row(&here, "odd")["faults"][0].as_str().filter(|fault| fault.contains("is not a file")).map(|_| ())
    });
    assert_eq!(row(&here, "odd")["limit"], 1, "what was read before");
    let id = here.script(&[], "true");
    assert_eq!(here.wait(&[id]), 0, "the other queues go on");
}

#[test]
fn an_alias_shares_the_slots_of_its_queue() {
    let here = Here::new();
    profile(&here, "night", "maxexec = 1\nloadsched = \"none\"\n");
    let spool = here.login.state(HOST).join("spool");
    symlink("night", spool.join("over")).expect("ours");
    symlink("two", spool.join("one")).expect("ours");
    symlink("one", spool.join("two")).expect("ours");
    assert_eq!(row(&here, "over")["alias_of"], "night");
    assert_eq!(row(&here, "one")["shut"], "is an alias that leads back to itself");
    here.gate("gate");
    let first = here.script(&["-d", "over"], "read line <gate; true");
    here.until(first, "running");
    assert_eq!(row(&here, "night")["running"], 1);
    let second = here.script(&["-d", "night"], "true");
    let why = here.queue(&["why", &second.to_string()]).success().text();
    assert!(why.contains("is full (1 of 1)"), "{why}");
    here.open("gate");
    assert_eq!(here.wait(&[first, second]), 0);
}

#[test]
fn what_is_in_force_is_shown_with_where_it_stands() {
    let here = Here::new();
    profile(&here, "night", "maxexec = 2\n[host.redfish]\nnice = 5\n[host.\"blue*\"]\nnice = 9\n");
    let show = here.queue(&["config", "show", "night"]).success().text();
    let lines = show.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_eq!(lines.collect::<Vec<_>>(), ["maxexec = 2 # line 1", "nice = 5 # line 3, [host.redfish]"]);
    let all = here.queue(&["config", "show", "--effective", "night"]).success().text();
    assert!(all.contains("loadsched = \"2/cpu\""), "{all}");
    here.queue(&["config", "show", "nigth"]).fails(64, "queue: redfish has no queue \"nigth\"; it has: night now wait");
    here.queue(&["config", "show", "gold", "night"]).fails(64, "queue: no host named \"gold\"; known: redfish");
}
