//! What owners do to their jobs, and what may be done when.

use std::path::Path;

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

#[test]
fn a_held_job_starts_when_it_is_released() {
    let here = Here::new();
    let held = here.script(&["--hold", "--mail", "none"], "echo ran >>ran");
    let free = here.script(&["--mail", "none"], "echo free >>ran");
    assert_eq!(here.wait(&[free]), 0);
    assert_eq!((here.show(held)["state"].as_str(), here.text("ran")), (Some("held"), "free\n".to_owned()));
    let why = here.queue(&["why", &held.to_string()]).success().text();
    assert!(why.contains("it is held"), "{why}");
    here.queue(&["release", &held.to_string()]).success();
    assert_eq!(here.wait(&[held]), 0);
    assert_eq!(here.text("ran"), "free\nran\n");
}

#[test]
fn the_most_urgent_comes_first_and_then_the_oldest() {
    let here = Here::new();
    let blockers = here.fill("gate");
    let mut ids = Vec::new();
    for (name, priority) in [("c", "0"), ("d", "-3"), ("a", "9"), ("b", "0")] {
        ids.push(here.script(&["--mail", "none", "--priority", priority], &format!("echo {name} >>order; sleep 0.1")));
    }
    // What is asked for later is urgent all the same.
    here.queue(&["update", &ids[3].to_string(), "priority=5"]).success();
    let why = here.queue(&["why", &ids[0].to_string()]).success().text();
    assert!(why.contains("is full"), "{why}");
    here.open("gate");
    here.wait(&blockers);
    assert_eq!(here.wait(&ids), 0);
    let order = here.text("order");
    let place = |name: &str| order.find(name).expect("all of them ran");
    // Two slots: neighbours may change places, nobody overtakes two.
    assert!(place("a") < place("c") && place("b") < place("d") && place("c") <= place("d") + 2, "{order}");
}

#[test]
fn a_job_that_waits_is_withdrawn_at_once_and_one_that_runs_with_its_whole_tree() {
    let here = Here::new();
    let blockers = here.fill("gate");
    let waiting = here.script(&["--mail", "none"], "echo never >>ran");
    here.queue(&["cancel", &waiting.to_string()]).success();
    assert_eq!(here.show(waiting)["state"], "cancelled");
    here.open("gate");
    here.wait(&blockers);
    let script = "trap '' TERM; (trap '' TERM; echo $$ >inner; while :; do sleep 1; done) & echo up >up; wait";
    let stubborn = here.script(&["--mail", "none"], script);
    until("the tree is there", PATIENCE, || (here.text("up") == "up\n").then_some(()));
    here.queue(&["cancel", "--grace", "0", &stubborn.to_string()]).success();
    assert_eq!(here.wait(&[stubborn]), 125);
    assert_eq!(here.show(stubborn)["state"], "cancelled");
    assert_eq!(here.text("ran"), "");
    let refused = here.queue(&["cancel", &stubborn.to_string(), "99999"]);
    assert_eq!(refused.code(), Some(1), "what is cancelled stays so, what is not there is named: {}", refused.errors());
    assert!(refused.errors().contains("there is no job 99999"), "{}", refused.errors());
}

#[test]
fn a_signal_reaches_the_job() {
    let here = Here::new();
    here.gate("gate");
    let id =
        here.script(&["--mail", "none"], "trap 'echo caught; exit 4' USR1; echo up >up; while :; do sleep 0.05; done");
    until("it runs", PATIENCE, || (here.text("up") == "up\n").then_some(()));
    here.queue(&["signal", "USR1", &id.to_string()]).success();
    assert_eq!(here.wait(&[id]), 4);
    assert_eq!(here.output(id), b"caught\n");
    assert_eq!(here.queue(&["signal", "USR1", &id.to_string()]).code(), Some(1), "it has ended");
}

#[test]
fn a_job_that_ended_is_submitted_again_under_its_id() {
    let here = Here::new();
    let id = here.script(&["--mail", "none"], "echo $QUEUE_ATTEMPT; test -e fixed");
    assert_eq!(here.wait(&[id]), 1);
    std::fs::write(here.path("fixed"), "").expect("ours");
    here.queue(&["resubmit", "--failed"]).success();
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(here.show(id)["attempt"].as_u64(), Some(2));
    assert_eq!(here.output(id), b"2\n");
    let first = here.queue(&["logs", "--stdout", "--attempt", "1", &id.to_string()]).success().text();
    assert_eq!(first, "1");
}

#[test]
fn what_one_command_lists_another_one_takes() {
    let here = Here::new();
    here.shell("seq 4 | sed 's/^/exit /' | queue submit --tag night --mail none - >/dev/null").success();
    here.script(&["--mail", "none"], "exit 0");
    assert_eq!(here.wait(&[1, 2, 3, 4, 5]), 1);
    for style in ["", "--json", "--yaml", "--parsable"] {
        let same = here.shell(&format!("queue query tag=night {style} | queue list - --parsable")).success().text();
        assert_eq!(same, "1\n2\n3\n4", "{style}");
    }
    let files = here.show(2)["stdout"].as_str().map(std::path::PathBuf::from).expect("a path");
    assert!(files.exists());
    here.shell("queue query 'tag=night exit>=2' | queue delete -").success();
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), "1\n5");
    until("its files are deleted", PATIENCE, || (!files.exists()).then_some(()));
    let nothing = here.shell("queue query tag=nobody | queue delete -").success();
    assert!(nothing.text().contains("no job"), "{}", nothing.text());
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), "1\n5", "an empty list is nobody, not everybody");
}

#[test]
fn what_may_not_be_changed_is_refused_with_the_reason() {
    let here = Here::new();
    here.gate("gate");
    let id = here.script(&["--mail", "none"], "read line <gate; exit 0");
    here.until(id, "running");
    let name = id.to_string();
    for (words, reason) in [
        (vec!["update", &name, "priority=3"], "is running"),
        (vec!["hold", &name], "is running"),
        (vec!["delete", &name], "cancel it first"),
        (vec!["resubmit", &name], "is running"),
        (vec!["give-up", &name], "which is not silent; to end it say \"queue cancel"),
    ] {
        let refused = here.queue(&words);
        assert_eq!(refused.code(), Some(1), "{words:?}");
        assert!(refused.errors().contains(reason), "{words:?}: {}", refused.errors());
    }
    here.queue(&["update", &name, "tag=a,b", "name=x"]).success();
    here.open("gate");
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(
        (here.show(id)["name"].as_str(), here.show(id)["tags"].to_string().as_str()),
        (Some("x"), r#"["a","b"]"#)
    );
}

#[test]
fn a_cancel_says_what_it_did_at_once_and_what_it_asked_for() {
    let here = Here::new();
    let waiting = here.script(&["--mail", "none", "--hold"], "true");
    here.gate("gate");
    let running = here.script(&["--mail", "none"], "read line <gate");
    here.until(running, "running");
    let said = here.queue(&["cancel", "all"]).success().text();
    assert_eq!(
        said,
        format!("asked 1 running job to end: {running}\ncancelled job {waiting} (queue resubmit starts it again)")
    );
    assert_eq!(here.wait(&[running]), 125);
    assert_eq!(here.show(running)["state"], "cancelled");
}

#[test]
fn a_cancelled_job_gets_term_first() {
    let here = Here::new();
    let script = "trap 'echo tidied >>ran; exit 0' TERM; echo ready >>ran; while :; do sleep 0.05; done";
    let id = here.script(&[], script);
    until("it is ready", PATIENCE, || (here.text("ran") == "ready\n").then_some(()));
    here.queue(&["cancel", &id.to_string()]).success();
    here.wait(&[id]);
    assert_eq!(here.text("ran"), "ready\ntidied\n");
}

#[test]
fn a_deleted_job_is_gone_with_its_files() {
    let here = Here::new();
    let id = here.script(&["--mail", "none"], "echo something");
    assert_eq!(here.wait(&[id]), 0);
    let path = here.show(id)["stdout"].as_str().expect("a path").to_owned();
    assert!(Path::new(&path).exists());
    here.queue(&["delete", &id.to_string()]).success();
    until("its files are gone", PATIENCE, || (!Path::new(&path).exists()).then_some(()));
    let shown = here.queue(&["show", &id.to_string()]);
    assert_eq!((shown.code(), shown.errors()), (Some(1), format!("queue: there is no job {id} of yours on redfish")));
    // Its number is not given away again.
    assert_eq!(here.submit(&["--", "true"]), id + 1);
}
