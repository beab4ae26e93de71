//! Arrays: one submission, one line, one report, and never more at a time than may be.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

/// Submits an array of a script; its first and last id.
#[track_caller]
fn array(here: &Here, range: &str, options: &[&str], script: &str) -> (u64, u64) {
    let words = [&["-r", "--array", range], options, &["--", "sh", "-c", script]].concat();
    ids(&here.queue(&words).success().text())
}

#[track_caller]
fn ids(text: &str) -> (u64, u64) {
    let (first, last) = text.split_once('-').expect("a range is said");
    (first.parse().expect("an id"), last.parse().expect("an id"))
}

#[track_caller]
fn wait(here: &Here, (first, last): (u64, u64)) -> i32 {
    here.start(&["wait", &format!("{first}-{last}")]).end_within(PATIENCE * 3).code().expect("no signal")
}

fn subjects(here: &Here) -> Vec<String> {
    let listed = here.queue(&["mail"]).success().text();
    listed.lines().filter(|line| line.contains("[queue]")).map(str::to_owned).collect()
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    until("it has ended", PATIENCE, || (!crate::login::is_alive(pid)).then_some(()));
}

#[test]
fn each_element_has_its_index_and_its_own_file() {
    let here = Here::new();
    let script = "echo $QUEUE_ARRAY_INDEX $QUEUE_ARRAY_ID $QUEUE_ARRAY_COUNT $QUEUE_JOB_ID";
    let (first, last) = array(&here, "3-12:3", &["--mail", "none", "--output", "out.%i.%j"], script);
    assert_eq!(last - first, 3);
    assert_eq!(wait(&here, (first, last)), 0);
    for number in 0..4 {
        let (index, id) = (3 + 3 * number, first + number);
        assert_eq!(here.text(&format!("out.{index}.{id}")), format!("{index} {first} 4 {id}\n"));
    }
    let row = here.show(first + 1);
    assert_eq!(row["array"], serde_json::json!({"id": first, "index": 6, "count": 4}));
    let sheet = here.queue(&["show", &(first + 1).to_string()]).success().text();
    assert!(sheet.contains(&format!("index 6 of {first}-{last}")), "{sheet}");
    // What is no array has no index, also where its path looks like it.
    let plain = here.script(&["--mail", "none", "--output", "plain.%i"], "echo \"<$QUEUE_ARRAY_INDEX>\"");
    assert_eq!(here.wait(&[plain]), 0);
    assert_eq!(here.text("plain.%i"), "<>\n");
    // From a file each says so itself.
    let records = "- command: echo $QUEUE_ARRAY_INDEX >>listed\n  mail: none\n  array: 7-8\n- command: echo alone >>listed\n  mail: none\n";
    let said = here.shell(&format!("printf '%s' '{records}' | queue submit -")).success().text();
    let listed = said.lines().map(|id| id.parse().expect("an id")).collect::<Vec<u64>>();
    assert_eq!(listed.len(), 3);
    assert_eq!(here.wait(&listed), 0);
    let mut lines = here.text("listed").lines().map(str::to_owned).collect::<Vec<_>>();
    lines.sort();
    assert_eq!(lines, ["7", "8", "alone"]);
}

#[test]
fn an_array_is_one_line_that_opens() {
    let here = Here::new();
    let (first, last) = array(&here, "1-500", &["--mail", "none", "--hold"], "true");
    let name = format!("{first}-{last}");
    let lines = |words: &[&str]| here.queue(words).success().text().lines().map(str::to_owned).collect::<Vec<_>>();
    let listed = lines(&["list"]);
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[1].trim_start().starts_with(&format!("{name}  held ")), "{listed:?}");
    assert!(listed[1].ends_with("  (500 of an array)"), "{listed:?}");
    assert_eq!(lines(&["list", "--all"]).len(), 501);
    assert_eq!(lines(&["list", &name]).len(), 501);
    assert_eq!(lines(&["list", "--parsable"]).len(), 500);
    let json = here.queue(&["list", "--json"]).success();
    assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&json.stdout).expect("JSON").len(), 500);
    // One is in another state: the ids of the others are no range then, and are not written as one.
    here.queue(&["release", &(first + 1).to_string()]).success();
    assert_eq!(here.wait(&[first + 1]), 0);
    let listed = lines(&["list"]);
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed[1].contains(&format!("{first}..{last}  held ")) && listed[1].ends_with("(499 of an array)"));
    assert!(listed[2].contains(&format!("{}  finished", first + 1)), "{listed:?}");
    // Every command takes the name.
    here.queue(&["update", &name, "priority=3"]);
    let cancelled = here.queue(&["cancel", &name]);
    assert_eq!(cancelled.code(), Some(1), "one has ended");
    assert_eq!(here.show(last)["state"], "cancelled");
    here.queue(&["delete", &name]).success();
    assert!(lines(&["list"]).is_empty());
}

#[test]
fn never_more_run_than_may_also_after_kills() {
    let here = Here::new();
    let script = "echo start >>ran; test $(ls running 2>/dev/null | wc -l) -lt 2 || echo more >>broken; \
                  mkdir -p running; touch running/$QUEUE_ARRAY_INDEX; sleep 0.1; rm running/$QUEUE_ARRAY_INDEX";
    let both = array(&here, "1-24%2", &["--mail", "none"], script);
    for count in [4, 10, 16] {
        until(&format!("{count} have run"), PATIENCE, || (here.text("ran").lines().count() >= count).then_some(()));
        end(here.login.daemon());
        here.queue(&["status"]).success();
    }
    assert_eq!(wait(&here, both), 0);
    assert_eq!((here.text("ran").lines().count(), here.text("broken").as_str()), (24, ""));
}

#[test]
fn an_array_waits_for_others_and_others_for_it() {
    let here = Here::new();
    here.gate("gate");
    let before = here.script(&["--mail", "none"], "read line <gate; echo before >>ran");
    let on = before.to_string();
    let both = array(&here, "1-3", &["--mail", "none", "--after", &on], "echo element >>ran");
    let name = format!("{}-{}", both.0, both.1);
    let behind = here.script(&["--mail", "none", "--after", &name], "echo behind >>ran");
    here.open("gate");
    assert_eq!(here.wait(&[behind]), 0);
    assert_eq!(here.text("ran"), "before\nelement\nelement\nelement\nbehind\n");
    // What waits for a place says so.
    here.gate("place");
    let (first, last) = array(&here, "1-2%1", &["--mail", "none"], "read line <place; exit 0");
    here.until(first, "running");
    let why = here.queue(&["why", &format!("{last}-{last}")]).success().text();
    assert!(why.contains("it waits for a place: 1 of its array at a time"), "{why}");
    here.open("place");
    assert_eq!(wait(&here, (first, last)), 0);
}

#[test]
fn what_is_no_array_is_refused_before_anything_is_stored() {
    let here = Here::new();
    for (range, words) in [
        ("1-1000000000", "more than 1000000 elements"),
        ("9-1", "goes backwards: \"1-9\"?"),
        ("1-9:0", "a step of 0 leads nowhere"),
        ("1-9%0", "none of it would ever run"),
        ("nine", "a range such as 1-1000"),
    ] {
        let refused = here.queue(&["-r", "--array", range, "--", "true"]);
        assert!(refused.code() == Some(64) && refused.errors().contains(words), "{range}: {refused:?}");
    }
    let unique = here.queue(&["-r", "--array", "1-2", "--unique", "--", "true"]);
    assert!(unique.code() == Some(64) && unique.errors().contains("never the same job"), "{unique:?}");
    let file = here.shell("echo true | queue submit --array 1-2 -");
    assert!(file.errors().contains("--array is about one command"), "{file:?}");
    assert_eq!(here.queue(&["list"]).success().text(), "");
}

#[test]
fn all_ends_of_an_array_are_told_together_when_the_last_has_ended() {
    let here = Here::new();
    here.gate("gate");
    let script = "test $QUEUE_ARRAY_INDEX != 4 || read line <gate; exit $((QUEUE_ARRAY_INDEX == 2))";
    let both = array(&here, "1-4", &["-j", "sweep"], script);
    for id in [both.0, both.0 + 1, both.0 + 2] {
        here.until(id, "finished");
    }
    // A daemon that is killed meanwhile tells of them all the same, and not before it is over.
    end(here.login.daemon());
    here.queue(&["status"]).success();
    let alone = here.script(&["-j", "alone"], "true");
    until("another is told", PATIENCE, || (here.show(alone)["report"] == "sent").then_some(()));
    assert_eq!(subjects(&here).len(), 1, "nothing of the array");
    let refused = here.queue(&["delete", &both.0.to_string()]);
    assert!(refused.errors().contains("comes with that of its array"), "{refused:?}");
    here.open("gate");
    assert_eq!(wait(&here, both), 1);
    for id in both.0..=both.1 {
        until("it is told", PATIENCE, || (here.show(id)["report"] == "sent").then_some(()));
    }
    let told = subjects(&here);
    assert_eq!(told.len(), 2, "{told:?}");
    let subject = format!("3 of 4 ok, 1 failed: sweep (wait, {}-{})", both.0, both.1);
    let number = told.iter().position(|line| line.contains(&subject)).expect("one letter for all") + 1;
    let letter = here.queue(&["mail", &number.to_string()]).success().text();
    assert!(letter.contains(&format!("  {}  exit 1", both.0 + 1)), "{letter}");
}

#[test]
fn who_wants_failures_only_hears_of_an_array_with_one() {
    let here = Here::new();
    let good = array(&here, "1-3", &["--mail", "failure", "-j", "good"], "true");
    let bad = array(&here, "1-3", &["--mail", "failure", "-j", "bad"], "exit $((QUEUE_ARRAY_INDEX == 3))");
    assert_eq!((wait(&here, good), wait(&here, bad)), (0, 1));
    until("the failure is told", PATIENCE, || (here.show(bad.1)["report"] == "sent").then_some(()));
    let told = subjects(&here);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!("2 of 3 ok, 1 failed: bad (wait, {}-{})", bad.0, bad.1)), "{told:?}");
    assert_eq!(here.show(good.0)["report"], "not wanted");
}
