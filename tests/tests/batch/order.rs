//! In which order what waits starts, and that what must not be twice is not.

use crate::here::Here;

#[test]
fn what_is_urgent_starts_first() {
    let here = Here::new();
    // One slot in all, as others stand at their gate.
    let busy = here.fill("gate");
    let jobs = [("low", "-5"), ("normal", "0"), ("high", "5"), ("also-normal", "0")];
    let ids = jobs.map(|(name, priority)| {
        let script = format!("echo {name} >>ran");
        here.script(&["--mail", "none", "--priority", priority], &script)
    });
    here.queue(&["update", &ids[0].to_string(), "priority=9"]).success();
    let one = busy[0].to_string();
    here.queue(&["cancel", "--grace", "0s", &one]).success();
    assert_eq!(here.wait(&ids), 0);
    assert_eq!(here.text("ran"), "low\nhigh\nnormal\nalso-normal\n");
    here.open("gate");
}

#[test]
fn a_queue_that_is_full_is_the_reason_that_is_told() {
    let here = Here::new();
    here.fill("gate");
    let id = here.submit(&["--mail", "none", "--", "true"]);
    assert_eq!(here.show(id)["state"], "pending");
    let why = here.queue(&["why", &id.to_string()]).success().text();
    let slots = sys::host::cpus();
    assert!(why.contains(&format!("queue \"wait\" is full ({slots} of {slots})")), "{why}");
    here.open("gate");
    assert_eq!(here.wait(&[id]), 0);
}

#[test]
fn a_unique_job_changes_the_same_one_that_waits() {
    let here = Here::new();
    let first = here.submit(&["--hold", "--unique", "--", "echo", "backup"]);
    let again = here.submit(&["--hold", "--unique", "--priority", "7", "--", "echo", "backup"]);
    assert_eq!((again, &here.show(first)["priority"]), (first, &7.into()), "it is the same job");
    let other = here.submit(&["--hold", "--unique", "--", "echo", "another"]);
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), format!("{first}\n{other}"));
    // One that does not wait any more is another.
    here.queue(&["cancel", &first.to_string()]).success();
    let anew = here.submit(&["--hold", "--unique", "--", "echo", "backup"]);
    assert!(anew > other, "{anew}");
}
