//! Jobs that wait for others: `--after`, `queue wait` for all that have a tag, and what a crash does to neither.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

/// Submits a script that waits for this.
#[track_caller]
fn after(here: &Here, on: &[String], script: &str) -> u64 {
    let mut options = vec!["--mail", "none"];
    for on in on {
        options.extend(["--after", on]);
    }
    here.script(&options, script)
}

fn stands(here: &Here, id: u64) -> (String, String) {
    let row = here.show(id);
    let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    (word("state"), word("detail"))
}

#[test]
fn a_chain_runs_in_its_order_and_many_come_together_in_one() {
    let here = Here::new();
    here.gate("gate");
    let first = here.script(&["--mail", "none"], "read line <gate; echo first >>ran");
    let second = after(&here, &[first.to_string()], "echo second >>ran");
    let beside = after(&here, &[format!("{first}:any")], "echo beside >side");
    let last = after(&here, &[second.to_string(), beside.to_string()], "echo last >>ran; cat side >>ran");
    assert_eq!(stands(&here, second), ("pending".into(), format!("after {first}")));
    let list = here.queue(&["list"]).success().text();
    assert!(list.contains(&format!("pending (after {second}, {beside})")), "{list}");
    here.until(first, "running");
    let why = here.queue(&["why", &second.to_string()]).success().text();
    let expected = format!("it waits for job {first}, which is running on redfish, to finish with exit status 0");
    assert!(why.contains(&expected), "{why}");
    let refused = here.queue(&["delete", &second.to_string()]);
    assert_eq!(refused.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains(&format!("job {last} waits for the end of job {second}")), "{words}");
    here.open("gate");
    assert_eq!(here.wait(&[first, second, beside, last]), 0);
    assert_eq!(here.text("ran"), "first\nsecond\nlast\nbeside\n");
    assert_eq!(here.show(last)["after"], serde_json::json!([]));
}

#[test]
fn each_condition_is_met_by_its_ends_and_the_others_are_waited_for_in_vain() {
    let here = Here::new();
    here.gate("gate");
    let bad = here.script(&["--mail", "none"], "read line <gate; exit 3");
    let gone = here.script(&["--mail", "none", "--hold"], "true");
    let ids = [bad, gone].map(|on| {
        ["", ":ok", ":any", ":fail"]
            .map(|condition| after(&here, &[format!("{on}{condition}")], "echo $QUEUE_JOB_ID >>ran"))
    });
    // The failure of one that waited in vain is an end too.
    let cascade = after(&here, &[ids[0][0].to_string()], "true");
    let rescue = after(&here, &[format!("{cascade}:fail")], "echo rescued >>ran");
    here.queue(&["cancel", &gone.to_string()]).success();
    here.open("gate");
    let all = [bad, cascade, rescue].into_iter().chain(ids.into_iter().flatten()).collect::<Vec<_>>();
    assert_eq!(here.wait(&all), 1);
    let in_vain = |on: u64, how: &str| ("dead".to_owned(), format!("never started: job {on} ended otherwise ({how})"));
    let done = || ("finished".to_owned(), String::new());
    for (ids, on, how, fails) in [(ids[0], bad, "exit 3", true), (ids[1], gone, "cancelled", false)] {
        let [plain, ok, any, fail] = ids.map(|id| stands(&here, id));
        assert_eq!((plain, ok, any), (in_vain(on, how), in_vain(on, how), done()));
        assert_eq!(fail, if fails { done() } else { in_vain(on, how) });
    }
    assert_eq!(stands(&here, cascade), in_vain(ids[0][0], "never started"));
    assert_eq!(here.text("ran").lines().filter(|line| *line == "rescued").count(), 1);
    assert_eq!(here.text("ran").lines().count(), 4, "{}", here.text("ran"));
    // What had ended before is settled at once.
    let late = [bad.to_string(), format!("{bad}:fail")].map(|on| after(&here, &[on], "true"));
    here.wait(&late);
    assert_eq!(late.map(|id| stands(&here, id)), [in_vain(bad, "exit 3"), done()]);
    // Submitted again, a job waits for nobody.
    here.queue(&["resubmit", &cascade.to_string()]).success();
    assert_eq!(here.wait(&[cascade]), 0);
}

#[test]
fn a_retry_is_no_end_and_conditions_can_be_dropped() {
    let here = Here::new();
    let script = "echo try >>ran; test $(wc -l <ran) = 2";
    let tried = here.script(&["--mail", "none", "--retries", "2", "--backoff", "0s"], script);
    let next = after(&here, &[tried.to_string()], "echo next >>ran");
    assert_eq!(here.wait(&[tried, next]), 0);
    assert_eq!(here.text("ran"), "try\ntry\nnext\n");
    let held = here.script(&["--mail", "none", "--hold"], "true");
    let waits = after(&here, &[held.to_string()], "echo free >>ran");
    assert_eq!(stands(&here, waits).0, "pending");
    here.queue(&["update", &waits.to_string(), "after="]).success();
    assert_eq!(here.wait(&[waits]), 0);
    assert!(here.text("ran").ends_with("free\n"));
}

#[test]
fn what_is_not_there_is_refused_and_nothing_is_submitted() {
    let here = Here::new();
    let id = here.script(&["--mail", "none"], "true");
    here.wait(&[id]);
    let next = id + 1;
    let cases = [
        (format!("{next}"), format!("there is no job {next} of yours")),
        ("maybe".into(), "--after: a job such as 17, 17:any, 17:fail or 101-600 is expected, not \"maybe\"".into()),
        (format!("{id}:soon"), format!("not \"{id}:soon\"")),
        (format!("{id}@bluefish"), format!("job {id} is bluefish's, and this one is redfish's")),
        ("1-20000".into(), "at most 10000 others".into()),
    ];
    for (on, words) in cases {
        let refused = here.queue(&["-r", "--after", &on, "--", "true"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.code() != Some(0) && said.contains(&words), "{on}: {said}");
    }
    let records = format!(
        "[{{\"command\": \"echo {{}}\", \"after\": {id}}}, {{\"command\": \"true\", \"after\": [\"{id}:any\", {next}]}}]"
    );
    let refused = here.shell(&format!("echo '{records}' | queue submit --format json -"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains(&format!("there is no job {next} of yours")), "{said}");
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), id.to_string(), "nothing was taken");
    let record = format!("[{{\"command\": \"echo ran >ran\", \"after\": [\"{id}:any\"]}}]");
    let taken = here.shell(&format!("echo '{record}' | queue submit --format json -")).success().text();
    assert_eq!(here.wait(&[taken.parse().expect("an id")]), 0);
    assert_eq!(here.text("ran"), "ran\n");
}

/// The first ends while nobody is there who could start the second; then daemons are killed again and again.
#[test]
fn a_daemon_that_is_killed_between_two_loses_neither_and_runs_each_once() {
    let here = Here::new();
    let end = |pid: i32| {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
        until("it has ended", PATIENCE, || (!crate::login::is_alive(pid)).then_some(()));
    };
    here.gate("gate");
    let mut ids = vec![here.script(&["--mail", "none"], "read line <gate; echo 0 >>ran")];
    for number in 1..12 {
        let on = ids[number - 1].to_string();
        ids.push(after(&here, &[on], &format!("echo {number} >>ran; sleep 0.05")));
    }
    let in_vain = after(&here, &[format!("{}:fail", ids[5])], "echo never >>ran");
    here.until(ids[0], "running");
    end(here.login.daemon());
    here.open("gate");
    until("the first has ended", PATIENCE, || (here.text("ran") == "0\n").then_some(()));
    here.queue(&["status"]).success();
    for count in [3, 6, 9] {
        until(&format!("{count} have run"), PATIENCE, || (here.text("ran").lines().count() >= count).then_some(()));
        end(here.login.daemon());
        here.queue(&["status"]).success();
    }
    assert_eq!(here.wait(&ids), 0);
    let expected = (0..12).map(|number| format!("{number}\n")).collect::<String>();
    assert_eq!(here.text("ran"), expected);
    assert_eq!(
        here.until(in_vain, "dead")["detail"],
        format!("never started: job {} ended otherwise (exit 0)", ids[5])
    );
}

#[test]
fn ten_thousand_that_wait_for_one_end_with_it() {
    let here = Here::new();
    let first = here.script(&["--mail", "none", "--hold"], "exit 0");
    let script = format!("seq 10000 | sed 's/.*/true &/' | queue submit --mail none --tag many --after {first} -");
    let ids = here.shell(&script).success().text();
    assert_eq!(ids.lines().count(), 10_000);
    here.queue(&["cancel", &first.to_string()]).success();
    let waited = here.start(&["wait", "--tag", "many"]).end_within(PATIENCE * 3);
    assert_eq!(waited.code(), Some(1));
    let dead = here.queue(&["query", "tag=many dead", "--parsable"]).success().text();
    assert_eq!(dead.lines().count(), 10_000);
}

#[test]
fn a_wait_for_a_tag_is_for_those_that_were_there_at_its_start() {
    let here = Here::new();
    here.gate("gate");
    let night = here.script(&["--mail", "none", "--tag", "a night"], "read line <gate; exit 7");
    let ended = here.script(&["--mail", "none", "--tag", "a night"], "true");
    let day = here.script(&["--mail", "none", "--tag", "day", "--hold"], "true");
    assert_eq!(here.wait(&[ended]), 0);
    let waits = here.start(&["wait", "--tag", "a night", "--parsable"]);
    let other = here.start(&["wait", "tag=\"a night\""]);
    waits.until_it_says(&format!("{ended}\n"));
    let late = here.script(&["--mail", "none", "--tag", "a night", "--hold"], "true");
    here.until(night, "running");
    here.open("gate");
    let waited = waits.end_within(PATIENCE * 2);
    assert_eq!((waited.code(), waited.text()), (Some(1), format!("{ended}\n{night}")));
    here.queue(&["cancel", &late.to_string()]).success();
    assert_eq!(other.end_within(PATIENCE * 2).code(), Some(1));
    here.queue(&["cancel", &day.to_string()]).success();
    // Named ones and those with the tag; with a query those that are both.
    let two = [ended, late].map(|id| id.to_string());
    let both = here.queue(&["wait", &two[0], "--tag", "day", "--tag", "nobody", "--parsable"]);
    assert_eq!((both.code(), both.text()), (Some(1), format!("{ended}\n{day}")));
    let neither = here.queue(&["wait", &two[0], &two[1], "cancelled", "--parsable"]);
    assert_eq!((neither.code(), neither.text()), (Some(1), two[1].clone()));
    // As for several, although it is one.
    let one = here.script(&["--mail", "none", "--tag", "one"], "exit 7");
    assert_eq!((here.queue(&["wait", "--tag", "one"]).code(), here.wait(&[one])), (Some(1), 7));
    assert_eq!(here.queue(&["wait", "--tag", "nothing"]).code(), Some(0), "there is nothing to wait for");
    let nobody = here.queue(&["wait", "--tag", ""]);
    assert!(nobody.code() != Some(0) && nobody.errors().contains("a tag is expected"), "{nobody:?}");
}
