//! What is submitted is what runs: the id, the command, its surroundings, and each exactly once.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use queue_tests::process::Process;
use queue_tests::programs;

use crate::here::Here;

#[test]
fn an_id_and_nothing_else_is_printed() {
    let here = Here::new();
    for id in 1..=3 {
        let said = here.queue(&["-r", "--", "true"]).success();
        assert_eq!((said.stdout, said.stderr), (format!("{id}\n").into_bytes(), Vec::new()));
    }
}

#[test]
fn a_loop_that_submits_what_it_reads_reads_all_of_it() {
    let here = Here::new();
    let script = r#"printf 'one\ntwo\nthree\n' | while read x; do queue -r -- echo "$x"; done"#;
    assert_eq!(here.shell(script).success().text(), "1\n2\n3");
    assert_eq!(here.wait(&[1, 2, 3]), 0);
    let outputs = [1, 2, 3].map(|id| String::from_utf8(here.output(id)).expect("words"));
    assert_eq!(outputs, ["one\n", "two\n", "three\n"]);
}

#[test]
fn every_byte_of_arguments_and_environment_arrives() {
    let here = Here::new();
    let arguments: Vec<Vec<u8>> = (1..=255).map(|byte| vec![byte]).chain([vec![], (1..=255).collect()]).collect();
    let expected: Vec<u8> = arguments.iter().flat_map(|one| [&one[..], b"\0"].concat()).collect();
    let odd: Vec<u8> = (1..=255).collect();
    let mut command = here.login.command(programs::queue());
    command.args(["-r", "--", "sh", "-c", "printf '%s\\0' \"$@\"; printf %s \"$ODD\" >&2", "sh"]);
    command.args(arguments.into_iter().map(OsString::from_vec)).env("ODD", OsString::from_vec(odd.clone()));
    assert_eq!(Process::start(command).end().success().text(), "1");
    assert_eq!(here.wait(&[1]), 0);
    assert!(here.output(1) == expected, "{:?}", String::from_utf8_lossy(&here.output(1)));
    assert!(here.queue(&["logs", "--stderr", "1"]).success().stderr == odd);
}

#[test]
fn directory_mask_and_environment_are_those_of_the_submission() {
    let here = Here::new();
    std::fs::create_dir(here.path("a directory with blanks")).expect("ours");
    let script = r#"cd 'a directory with blanks'; umask 027; export GREETING='hello  "world"
twice'; queue -r -- sh -c 'pwd; umask; printf "%s|%s" "$GREETING" "$QUEUE_JOB_ID"'"#;
    here.shell(script).success();
    assert_eq!(here.wait(&[1]), 0);
    let directory = here.path("a directory with blanks");
    let expected = format!("{}\n0027\nhello  \"world\"\ntwice|1", directory.display());
    assert_eq!(String::from_utf8(here.output(1)).expect("words"), expected);
}

#[test]
fn jobs_from_a_list_run_each_once() {
    let here = Here::new();
    let script = "for number in $(seq 100); do echo \"echo $number >>ran\"; done | queue submit -";
    let ids = here.shell(script).success().text();
    assert_eq!(ids.lines().count(), 100, "{ids}");
    let ids: Vec<u64> = ids.lines().map(|id| id.parse().expect("ids")).collect();
    assert_eq!(here.wait(&ids), 0);
    let ran = here.text("ran");
    assert_eq!(ran.lines().count(), 100);
    let numbers: BTreeSet<u32> = ran.lines().map(|line| line.parse().expect("numbers")).collect();
    assert!(numbers.into_iter().eq(1..=100));
}

#[test]
fn a_listing_can_be_submitted_again() {
    let here = Here::new();
    here.submit(&["-j", "first", "--tag", "night", "--priority", "3", "--mail", "none", "--", "sh", "-c", "echo it"]);
    assert_eq!(here.wait(&[1]), 0);
    for (style, id) in [("--yaml", 2), ("--json", 3)] {
        let said = here.shell(&format!("queue list 1 {style} | queue submit -"));
        assert_eq!((said.text(), said.errors()), (id.to_string(), String::new()), "{style}");
        assert_eq!(here.wait(&[id]), 0);
        assert_eq!(here.output(id), b"it\n");
        let [again, first] = [id, 1].map(|id| here.show(id));
        for field in ["name", "tags", "priority", "argv", "directory", "queue", "mail"] {
            assert_eq!(again[field], first[field], "{style}: {field}");
        }
    }
}

#[test]
fn wrong_input_is_refused_with_its_place_and_nothing_is_submitted() {
    let here = Here::new();
    std::fs::write(here.path("jobs.yaml"), "- command: echo good\n- command: echo bad\n  prioirty: 3\n").expect("ours");
    let said = here.queue(&["submit", "jobs.yaml"]);
    assert_eq!(said.code(), Some(64), "{}", said.errors());
    assert!(said.errors().starts_with("queue: jobs.yaml:3:3: "), "{}", said.errors());
    assert!(said.errors().contains("\"priority\""), "{}", said.errors());
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), "");
}
