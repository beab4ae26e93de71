//! Who may use a queue, for what, and how much may wait in it.

use crate::here::Here;
use crate::queue::profile;

fn user() -> String {
    sys::credentials::user_name(sys::credentials::own_uid()).expect("who runs tests has a name")
}

/// What `queue -r -d night` and `queue -n -d night` say of the same refusal.
#[track_caller]
fn refused(here: &Here, command: &str, words: &str) {
    here.queue(&["-r", "-d", "night", "--", command]).fails(125, &format!("queue: queue \"night\": {words}"));
    let said = here.queue(&["-n", "-d", "night", "--", command]);
    assert_eq!(said.code(), Some(125));
    assert!(said.errors().contains(&format!("queue \"night\": {words}")), "{}", said.errors());
}

#[test]
fn users_and_groups_are_allowed_and_denied() {
    let here = Here::new();
    let user = user();
    let group = sys::credentials::group_names(sys::credentials::own_uid()).remove(0);
    profile(&here, "night", &format!("deny-users = [\"{user}\"]\n"));
    here.queue(&["queues"]).success();
    refused(&here, "true", &format!("{user} may not use it (deny-users)"));
    profile(&here, "night", &format!("deny-groups = [\"{group}\"]\n"));
    here.queue(&["queues"]).success();
    refused(&here, "true", &format!("{user} may not use it (deny-groups)"));
    profile(&here, "night", "allow-users = [\"ada\"]\n");
    here.queue(&["queues"]).success();
    refused(&here, "true", &format!("{user} is not among those who may use it (allow-users, allow-groups)"));
    profile(&here, "night", &format!("allow-users = [\"ada\"]\nallow-groups = [\"{group}\"]\nloadsched = \"none\"\n"));
    here.queue(&["queues"]).success();
    let id = here.submit(&["-d", "night", "--", "true"]);
    assert_eq!(here.wait(&[id]), 0);
}

#[test]
fn only_allowed_commands_are_run() {
    let here = Here::new();
    profile(&here, "night", "allow-commands = [\"/bin/echo\", \"tru*\"]\nloadsched = \"none\"\n");
    here.queue(&["queues"]).success();
    refused(&here, "echo", "\"echo\" may not be run in it (allow-commands)");
    let ids = ["/bin/echo", "true"].map(|command| here.submit(&["-d", "night", "--", command]));
    assert_eq!(here.wait(&ids), 0);
}

#[test]
fn a_queue_that_nobody_has_is_refused_at_once() {
    let here = Here::new();
    here.queue(&["-r", "-d", "nigth", "--", "true"]).fails(64, "queue: no host has a queue \"nigth\"; known: now wait");
}

#[test]
fn no_more_jobs_wait_than_the_queue_takes() {
    let here = Here::new();
    profile(&here, "night", "exec = \"drain\"\nmaxexec = 2\nmaxqueue = \"2x\"\nloadsched = \"none\"\n");
    here.queue(&["queues"]).success();
    let ids = [1, 2, 3].map(|_| here.submit(&["-d", "night", "--", "true"]));
    let held = here.submit(&["-d", "night", "--hold", "--", "true"]);
    let full =
        "queue: queue \"night\" takes no more: 4 jobs wait in it, at most 4 may (maxqueue); 1 more were not submitted";
    here.queue(&["-r", "-d", "night", "--", "true"]).fails(75, full);
    profile(&here, "night", "max-queued-per-user = 3\nloadsched = \"none\"\nexec = \"drain\"\n");
    here.queue(&["queues"]).success();
    let said = here.queue(&["-r", "-d", "night", "--", "true"]);
    assert_eq!(said.code(), Some(75));
    assert!(said.errors().contains(&format!("4 jobs of {} wait in it, at most 3 may", user())), "{}", said.errors());
    profile(&here, "night", "maxqueue = 4\nloadsched = \"none\"\n");
    here.queue(&["queues"]).success();
    assert_eq!(here.wait(&ids), 0);
    here.queue(&["cancel", &held.to_string()]).success();
}

#[test]
fn priorities_have_a_limit_and_letters_a_default() {
    let here = Here::new();
    profile(&here, "night", "max-priority = 5\nmail = \"none\"\nloadsched = \"none\"\n");
    here.queue(&["queues"]).success();
    let words = "queue: queue \"night\": priority 6 is more than it allows, 5 (max-priority)";
    here.queue(&["-r", "-d", "night", "--priority", "6", "--", "true"]).fails(125, words);
    let id = here.submit(&["-d", "night", "--priority", "5", "--", "true"]);
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(here.show(id)["report"], "not wanted");
    let own = here.submit(&["-d", "night", "--mail", "end", "--", "true"]);
    assert_eq!(here.wait(&[own]), 0);
    assert_ne!(here.show(own)["report"], "not wanted");
}

#[test]
fn a_user_runs_no_more_at_a_time_than_the_queue_lets_him() {
    let here = Here::new();
    profile(&here, "night", "max-running-per-user = 1\nmaxexec = 4\nloadsched = \"none\"\n");
    here.queue(&["queues"]).success();
    here.gate("gate");
    let first = here.script(&["-d", "night"], "read line <gate; true");
    here.until(first, "running");
    let second = here.script(&["-d", "night"], "true");
    let why = here.queue(&["why", &second.to_string()]).success().text();
    assert!(why.contains(&format!("queue \"night\": {} may run 1 at a time, 1 are running", user())), "{why}");
    here.open("gate");
    assert_eq!(here.wait(&[first, second]), 0);
}
