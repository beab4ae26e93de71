//! What jobs are given to read, and where they write.

use std::fs;
use std::time::{Duration, SystemTime};

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::{HOST, Here};

#[test]
fn standard_input_is_a_file_a_pipe_or_that_of_a_job_before() {
    let here = Here::new();
    std::fs::write(here.path("data"), "from a file\n").expect("ours");
    let file = here.submit(&["--mail", "none", "--stdin", "data", "--", "cat"]);
    // What is in the file later is another matter.
    std::fs::write(here.path("data"), "changed\n").expect("ours");
    let piped = here.shell("echo from a pipe | queue -r --mail none --stdin - -- cat").success().text();
    let again = here.submit(&["--mail", "none", "--stdin", &format!("@{file}"), "--", "tr", "a-z", "A-Z"]);
    let none = here.submit(&["--mail", "none", "--", "cat"]);
    let piped: u64 = piped.parse().expect("an id");
    assert_eq!(here.wait(&[file, piped, again, none]), 0);
    for (id, output) in [(file, "from a file\n"), (piped, "from a pipe\n"), (again, "FROM A FILE\n"), (none, "")] {
        assert_eq!(String::from_utf8_lossy(&here.output(id)), output, "job {id}");
    }
    assert_eq!(here.queue(&["logs", "--stdin", &again.to_string()]).success().text(), "from a file");
}

#[test]
fn a_data_directory_is_copied_at_the_submission() {
    let here = Here::new();
    std::fs::create_dir_all(here.path("tree/below")).expect("ours");
    std::fs::write(here.path("tree/below/file"), "kept").expect("ours");
    let id = here.submit(&[
        "--hold",
        "--mail",
        "none",
        "--data",
        "tree",
        "--",
        "sh",
        "-c",
        "cat \"$QUEUE_DATA/below/file\"",
    ]);
    std::fs::remove_dir_all(here.path("tree")).expect("ours");
    here.queue(&["release", &id.to_string()]).success();
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(here.output(id), b"kept");
}

#[test]
fn output_goes_to_the_files_that_were_named() {
    let here = Here::new();
    let id = here.submit(&[
        "--mail",
        "none",
        "--output",
        "out-%j-%h-%a",
        "--error",
        "both%%",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2",
    ]);
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(here.text(&format!("out-{id}-redfish-1")), "out\n");
    assert_eq!(here.text("both%"), "err\n");
    let together = here.submit(&[
        "--mail",
        "none",
        "--output",
        "one",
        "--error",
        "one",
        "--",
        "sh",
        "-c",
        "echo a; echo b >&2; echo c",
    ]);
    assert_eq!(here.wait(&[together]), 0);
    assert_eq!(here.text("one"), "a\nb\nc\n");
}

#[test]
fn a_file_is_read_as_it_was_when_the_job_was_submitted() {
    let here = Here::new();
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(here.path("in"), &bytes).expect("ours");
    let id = here.submit(&["--hold", "--stdin", "in", "--", "cat"]);
    fs::write(here.path("in"), "something else").expect("ours");
    here.queue(&["release", &id.to_string()]).success();
    assert_eq!(here.wait(&[id]), 0);
    assert!(here.output(id) == bytes);
    // And once more, from the job before.
    let again = here.submit(&["--stdin", &format!("@{id}"), "--", "cat"]);
    assert_eq!(here.wait(&[again]), 0);
    assert!(here.output(again) == bytes);
}

#[test]
fn an_input_that_is_not_there_is_refused() {
    let here = Here::new();
    let said = here.queue(&["-r", "--stdin", "missing", "--", "cat"]);
    said.fails(64, "queue: cannot read missing: no such file or directory");
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), "");
}

#[test]
fn without_an_input_there_is_none() {
    let here = Here::new();
    let id = here.script(&[], "cat; readlink /proc/self/fd/0");
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(here.output(id), b"/dev/null\n");
}

#[test]
fn a_directory_is_copied_for_the_job_and_the_original_stays() {
    let here = Here::new();
    fs::create_dir_all(here.path("things/below")).expect("ours");
    fs::write(here.path("things/below/one"), "first").expect("ours");
    fs::write(here.path("alone"), "a file").expect("ours");
    let script =
        "cat \"$QUEUE_DATA/below/one\"; echo changed >\"$QUEUE_DATA/below/one\"; cat \"$QUEUE_DATA/below/one\"";
    let tree = here.script(&["--data", "things"], script);
    let file = here.script(&["--data", "alone"], "ls \"$QUEUE_DATA\"; cat \"$QUEUE_DATA/alone\"");
    assert_eq!((here.wait(&[tree]), here.wait(&[file])), (0, 0));
    assert_eq!(here.output(tree), b"firstchanged\n");
    assert_eq!(here.output(file), b"alone\na file");
    assert_eq!(here.text("things/below/one"), "first");
}

/// The first look is a minute after the start of the daemon.
#[test]
fn input_that_no_job_needs_is_removed_when_it_is_old_and_what_a_held_job_needs_is_not() {
    let here = Here::new();
    fs::write(here.path("data"), "needed\n").expect("ours");
    let held = here.submit(&["--hold", "--mail", "none", "--stdin", "data", "--", "cat"]);
    let directory = here.login.state(HOST).join("jobs/content");
    let needed = fs::read_dir(&directory).expect("it was put there").flatten().map(|entry| entry.path());
    let needed = needed.collect::<Vec<_>>();
    assert_eq!(needed.len(), 1);
    let [old, young] = ["a", "b"].map(|digit| directory.join(digit.repeat(64)));
    let unfinished = directory.join("part-4194305-x");
    for path in [&old, &young, &unfinished] {
        fs::write(path, "of nobody").expect("ours");
    }
    for path in [&old, &needed[0], &unfinished] {
        let file = fs::File::options().write(true).open(path).expect("ours");
        file.set_modified(SystemTime::now() - Duration::from_secs(25 * 3600)).expect("ours");
    }
    until("what nobody needs is removed", PATIENCE * 6, || (!old.exists()).then_some(()));
    assert!(!unfinished.exists());
    assert!(young.exists() && needed[0].exists());
    here.queue(&["release", &held.to_string()]).success();
    assert_eq!(here.wait(&[held]), 0);
    assert_eq!(here.output(held), b"needed\n");
}
