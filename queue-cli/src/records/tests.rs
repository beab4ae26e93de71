//! Each format, each refusal, and bytes that nobody meant.

use std::time::Duration;

use proptest::prelude::*;
use wire::ByteString;
use wire::batch::{JobRow, MailWish};

use super::record::Said;
use super::*;

fn jobs(text: &str) -> Vec<Record> {
    read("jobs", text.as_bytes(), None).expect(text)
}

fn job(text: &str) -> Record {
    let mut records = jobs(text);
    assert_eq!(records.len(), 1, "{text}");
    records.remove(0)
}

/// The message without the file's name before it and what did not happen behind it.
fn refused(text: &str) -> String {
    let failure = read("jobs", text.as_bytes(), None).expect_err(text);
    assert_eq!(failure.code, crate::failure::USAGE);
    let message = failure.message.strip_prefix("jobs:").and_then(|rest| rest.strip_suffix("  Nothing was submitted."));
    message.expect("a place and a consequence").to_owned()
}

fn shell(text: &str) -> Command {
    Command::Shell(text.to_owned())
}

fn argv(words: &[&str]) -> Command {
    Command::Argv(words.iter().map(|word| (*word).into()).collect())
}

fn names(words: &[&str]) -> Option<Vec<String>> {
    Some(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn each_line_is_a_command_as_it_stands_there() {
    let text = "# all of it\n\n  \t\nmake -j8\r\necho 'a # b' # c\n  indented \\\n\t# no\nlast";
    let records = jobs(text);
    let read = records.iter().map(|record| (record.line, record.command.clone())).collect::<Vec<_>>();
    assert_eq!(
        read,
        [(4, shell("make -j8")), (5, shell("echo 'a # b' # c")), (6, shell("  indented \\")), (8, shell("last"))]
    );
    assert!(records.iter().all(|record| record.said.is_none() && record.priority.is_none()));
    assert!(jobs("").is_empty() && jobs("# nothing\n\n").is_empty());
}

#[test]
fn a_line_that_is_no_text_is_run_byte_by_byte() {
    let records = read("jobs", b"ls caf\xe9\n", None).expect("bytes are a command");
    let line = ByteString(b"ls caf\xe9".to_vec());
    assert_eq!(records[0].command, Command::Argv(vec!["/bin/sh".into(), "-c".into(), line]));
    assert_eq!(refused("true\nfal\0se\n"), "2:4: a zero byte cannot be part of a command.");
    assert!(refused(&"x".repeat(LONGEST_LINE + 1)).contains("longer than 1 MiB"));
    assert_eq!(jobs(&"x".repeat(LONGEST_LINE)).len(), 1);
}

#[test]
fn a_line_that_could_be_something_else_is_refused_with_both_readings() {
    for (text, words) in [
        ("make\n17\n", "2:1: \"17\" names job 17"),
        ("17@redfish", "queue resubmit 17@redfish"),
        ("  17  running  wait  bluefish  make", "a table of jobs"),
        ("jid=17", "names job 17"),
        ("make\nid: 17", "names job 17"),
        ("ID  STATE  COMMAND\n17  running  make", "heading of a table"),
        ("make\n---\n- command: make", "belongs to YAML"),
        ("make\n- command: make", "belongs to YAML"),
        ("command: make\npriority: 3", "reads like the field command"),
        ("#!/bin/sh\nmake\n", "1:1: this begins with \"#!\", so it is a script"),
    ] {
        let message = refused(text);
        assert!(message.contains(words) && message.contains("--format lines"), "{text}: {message}");
        assert!(read("jobs", text.as_bytes(), Some(Format::Lines)).is_ok(), "{text}: the person said so");
    }
    for text in ["id=17 ./run", "7z x a", "--version", "ID=3 make", "2>log make", "[[ -f a", "note: x"] {
        assert_eq!(read("jobs", text.as_bytes(), None).is_ok(), !text.starts_with('['), "{text}");
    }
}

#[test]
fn the_first_line_tells_the_format() {
    for (text, format) in [
        ("{}", Format::Json),
        (" \n [1]", Format::Json),
        ("---\n", Format::Yaml),
        ("# why\n\n- command: x", Format::Yaml),
        ("-\n command: x", Format::Yaml),
        ("--- # a\n", Format::Yaml),
        ("%YAML 1.2\n---\n", Format::Yaml),
        ("-x", Format::Lines),
        ("----", Format::Lines),
        ("make # {", Format::Lines),
    ] {
        assert_eq!(Format::of(text.as_bytes()), format, "{text}");
    }
    assert_eq!(jobs("\u{feff}- command: x\n").len(), 1, "a byte order mark is no part of it");
    assert_eq!(Format::named("yaml"), Some(Format::Yaml));
    assert_eq!(Format::named("xml"), None);
}

#[test]
fn a_job_in_yaml_says_all_there_is_to_say() {
    let text = "
# nightly
- command: |
    make && \\
    make check  # all
  queue: night
  hosts: [redfish, \"bluefish\"]
  priority: high
  tags: [1.10, 0x1f, yes, 'a b']
  name: 007
  held: true
  restartable: yes
  retries: 3
  backoff: 5 min
  stdin: in.txt
  data: ./data
  stdout: out.%j
  stderr: out.%j
  mail: end,failure
  mail_to: a@b
  directory: /tmp
  environment:
    A: 1.50
    B: ''
  variants:
    - {os: linux, arch: aarch64, argv: [./run, 5]}
    - {os: freebsd, command: ./run bsd}
  unique: false
";
    let record = job(text);
    assert_eq!(record.line, 3);
    assert_eq!(record.command, shell("make && \\\nmake check  # all\n"));
    let said = Said {
        queue: Some("night".to_owned()),
        hosts: names(&["redfish", "bluefish"]),
        priority: Some(10),
        tags: names(&["1.10", "0x1f", "yes", "a b"]),
        name: Some("007".to_owned()),
        held: Some(true),
        restartable: Some(true),
        retries: Some(3),
        backoff: Some(Duration::from_secs(300)),
        stdin: Some("in.txt".to_owned()),
        data: Some("./data".into()),
        stdout: Some("out.%j".into()),
        stderr: Some("out.%j".into()),
        mail: Some(MailWish { start: false, end: true, failure: true, to: Some("a@b".to_owned()) }),
        directory: Some("/tmp".into()),
        environment: Some(vec![("A".to_owned(), "1.50".to_owned()), ("B".to_owned(), String::new())]),
        variants: vec![
            wire::batch::Variant {
                os: "linux".to_owned(),
                arch: "aarch64".to_owned(),
                argv: vec!["./run".into(), "5".into()],
            },
            wire::batch::Variant {
                os: "freebsd".to_owned(),
                arch: String::new(),
                argv: vec!["/bin/sh".into(), "-c".into(), "./run bsd".into()],
            },
        ],
        unique: Some(false),
    };
    assert_eq!(*record, said);
}

#[test]
fn words_keep_their_spelling_whatever_yaml_makes_of_them() {
    assert_eq!(
        job("- argv: [chmod, 0755, 1e3, .inf, 1_000, no, 'null', \"a\\tb\", 99999999999999999999999]").command,
        argv(&["chmod", "0755", "1e3", ".inf", "1_000", "no", "null", "a\tb", "99999999999999999999999"])
    );
    let umlauts = job("# größer\n- {name: ä, argv: [ö, 0755, ü]}");
    assert_eq!(umlauts.command, argv(&["ö", "0755", "ü"]));
    assert!(refused("- argv: [cd, ~]").starts_with("1:14: argv: nothing stands where a text is expected"));
}

#[test]
fn yaml_may_have_documents_aliases_and_a_single_job() {
    let text = "---\n- &a {command: x, priority: 1}\n- *a\n- {<<: *a, command: y}\n...\n---\n- command: |\n    z\n";
    let records = jobs(text);
    let read = records.iter().map(|record| (record.line, record.priority)).collect::<Vec<_>>();
    assert_eq!(read, [(2, Some(1)), (3, Some(1)), (4, Some(1)), (7, None)]);
    assert_eq!(job("---\ncommand: x\nqueue: night\n").queue.as_deref(), Some("night"));
    assert!(jobs("---\n").is_empty() && jobs("--- []\n").is_empty());
}

#[test]
fn a_wrong_field_is_refused_where_it_stands() {
    let text = "- command: make\n".repeat(15) + "- command: x\n  prioirty: 3\n";
    assert_eq!(refused(&text), "17:3: \"prioirty\": no such field; did you mean \"priority\"?");
    for (text, message) in [
        (
            "- command: x\n  priority: hgh",
            "2:13: priority: \"hgh\" stands where a whole number, or high, normal or low, is expected.",
        ),
        (
            "- command: x\n  priority: 1.5",
            "2:13: priority: 1.5 stands where a whole number, or high, normal or low, is expected.",
        ),
        ("- command: x\n  retries: -1", "2:12: retries: -1 stands where a whole number from 0 is expected."),
        ("- command: x\n  name: [a]", "2:9: name: a list stands where a text is expected."),
        ("- command: x\n  held: maybe", "2:9: held: \"maybe\" stands where true or false is expected."),
        (
            "- command: x\n  backoff: soon",
            "2:12: backoff: \"soon\" stands where a time such as 30, which are seconds, or 5 min is expected.",
        ),
        (
            "- command: x\n  backoff: -5 min",
            "2:12: backoff: \"-5 min\" stands where a time such as 30, which are seconds, or 5 min is expected.",
        ),
        ("- command: x\n  mail: sometimes", "2:9: mail: \"sometimes\" is not one of none, end, start and failure."),
        ("- command: x\n  mail: none,end", "2:9: mail: none stands alone."),
        ("- command: x\n  mail_to: a@b", "2:12: mail_to says to whom and not when; say also mail: end."),
        (
            "- command: x\n  tags: a, b",
            "2:9: tags: \"a, b\" can be one tag or several; write a list, or \"tag\" for one.",
        ),
        ("- command: x\n  tag: a\n  tags: [b]", "3:3: \"tags\" is said twice, under two names."),
        ("- command: x\n  environment: [A]", "2:17: environment: \"A\" stands where NAME=value is expected."),
        ("- command: x\n  environment: {A=B: c}", "2:17: environment: \"A=B\" is not the name of a variable."),
        ("- command: x\n  environment: [A=1, A=2]", "2:22: environment: \"A\" is said twice."),
        ("- command: x\n  variants: [{os: linux}]", "2:14: variants: this one says neither \"command\" nor \"argv\"."),
        ("- command: x\n  state: hodl", "2:10: state: \"hodl\" is none; a job is submitted as held or pending."),
        ("- command: x\n  host: gold", "2:3: \"host\" is where a job ran; for where it shall run say hosts: [gold]."),
        ("- priority: 3", "1:3: this job says neither \"command\" nor \"argv\"."),
        ("- command: ' '", "1:12: command: this is empty."),
        (
            "- command: [echo, a]",
            "1:12: command: a list stands where a shell command (a list of words is \"argv\") is expected.",
        ),
        (
            "- argv: echo a",
            "1:9: argv: \"echo a\" stands where a list of words (a shell command is \"command\") is expected.",
        ),
        ("- argv: ['', a]", "1:9: argv: the program has no name."),
        ("- command: x\n- make", "2:3: a job: \"make\" stands where a map of keys and values is expected."),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn a_key_that_is_said_twice_is_refused_in_each_format() {
    let doubled =
        ["- command: x\n  priority: 1\n  priority: 2", "{\"command\": \"x\",\n  \"priority\": 1, \"priority\": 2}"];
    assert!(refused(doubled[0]).starts_with("3:3: "), "{}", refused(doubled[0]));
    assert!(refused(doubled[1]).starts_with("2:18: \"priority\" is said twice"), "{}", refused(doubled[1]));
    let rq = "---\n-\n jid: 1\n command: x\n command: y\n";
    assert_eq!(refused(rq), "5:2: \"command\" is said twice.");
}

#[test]
fn broken_yaml_is_refused_where_it_breaks() {
    let message = refused("- command: \"make\n- command: x\n");
    assert!(message.contains("this is no YAML"), "{message}");
    let message = refused("---\n- command: x\n---\n- command: y\n  z: [\n");
    assert!(message.starts_with('6') || message.starts_with('5'), "{message}");
    assert!(refused("--- 17").contains("this is no YAML"));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "- &a0 {name: x}\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        text += &format!("- &a{level} [{}]\n", before.trim_end_matches(", "));
    }
    assert!(read("jobs", text.as_bytes(), Some(Format::Yaml)).is_err());
    let nested = format!("- command: {}\n", "[".repeat(100_000));
    assert!(read("jobs", nested.as_bytes(), None).is_err());
}

#[test]
fn json_is_lines_of_objects_or_lists_of_them() {
    let object =
        "{\"argv\": [\"echo\", \"a b\", {\"b64\": \"/w==\"}], \"priority\": -3, \"name\": \"ö\\n\", \"tags\": []}";
    for text in [format!("{object}\n\n{object}\n"), format!("[{object},\n{object}]"), format!("[{object}]\n[{object}]")]
    {
        let records = jobs(&text);
        assert_eq!(records.len(), 2, "{text}");
        for record in &records {
            let bytes = ByteString(vec![0xff]);
            assert_eq!(record.command, Command::Argv(vec!["echo".into(), "a b".into(), bytes]));
            assert_eq!((record.priority, record.name.as_deref()), (Some(-3), Some("ö\n")));
            assert_eq!(record.tags, Some(Vec::new()));
        }
        assert_eq!(records[0].line, 1);
    }
    let pretty = "[\n  {\n    \"command\": \"x\"\n  },\n  {\n    \"command\": \"y\"\n  }\n]\n";
    assert_eq!(jobs(pretty).iter().map(|record| record.line).collect::<Vec<_>>(), [2, 5]);
    assert!(jobs("[]").is_empty());
}

#[test]
fn wrong_json_is_refused_where_it_is_wrong() {
    assert!(refused("{\"command\": \"x\"}\nmake\n").starts_with("2:1: this is no JSON: "));
    assert!(refused("{ make; make check; }\n").contains("for shell commands say --format lines"));
    assert!(refused("[ -f x ] && make\n").contains("for shell commands say --format lines"));
    assert!(refused("{\"command\": \"x\"}\n17\n").starts_with("2:1: an object or a list of objects is expected"));
    assert!(refused("[[\"x\"]]").starts_with("1:2: a job: a list stands where a map"));
    let typo = refused("{\"command\": \"ö\", \"prioirty\": 3}");
    assert!(typo.starts_with("1:18: \"prioirty\": no such field; did you mean \"priority\"?"), "{typo}");
    assert!(refused("{\"command\": \"x\",\n \"priority\": \"hgh\"}").starts_with("2:14: priority: \"hgh\""));
    assert!(refused("{\"name\": \"\\ud800\", \"command\": \"x\"}").starts_with("1:10: this is no JSON"));
    let deep = format!("{{\"command\": \"x\", \"tags\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read("jobs", deep.as_bytes(), None).is_err());
    let other = read("jobs", b"{", Some(Format::Json)).expect_err("not complete").message;
    assert!(!other.contains("--format"), "{other}");
}

fn row() -> JobRow {
    JobRow {
        id: 17,
        home: "redfish".to_owned(),
        state: "finished".to_owned(),
        user: "me".to_owned(),
        queue: "night".to_owned(),
        priority: 3,
        tags: vec!["a b".to_owned()],
        host: Some("bluefish".to_owned()),
        attempt: 2,
        command: "echo 'a…".to_owned(),
        argv: vec!["echo".into(), "a # b: c".into(), ByteString(vec![0xff])],
        directory: "/home/me".into(),
        exit: Some(1),
        started_us: Some(5),
        usage: Some(wire::session::Usage::default()),
        stdout: "/spool/17/stdout".into(),
        stderr: "/spool/17/stderr".into(),
        mail: Some(MailWish { end: true, ..MailWish::default() }),
        report: "sent".to_owned(),
        ..JobRow::default()
    }
}

#[test]
fn our_listings_are_jobs_again_without_what_became_of_them() {
    let rows = vec![row(), JobRow { id: 18, state: "held".to_owned(), ..row() }];
    let answer = wire::batch::ListAnswer { jobs: rows.clone(), ..Default::default() };
    let json = serde_json::to_string(&rows).expect("rows are JSON");
    let lines = rows.iter().map(|row| serde_json::to_string(row).expect("JSON") + "\n").collect::<String>();
    let whole = serde_json::to_string(&answer).expect("an answer is JSON");
    let yaml = serde_saphyr::to_string(&rows).expect("rows are YAML");
    let whole_yaml = format!("---\n{}", serde_saphyr::to_string(&answer).expect("an answer is YAML"));
    for text in [json, lines, whole, yaml, whole_yaml] {
        let records = jobs(&text);
        assert_eq!(records.len(), 2, "{text}");
        let record = &records[0];
        assert_eq!(record.command, Command::Argv(row().argv), "argv is the command, not how it is shown");
        let mail = Some(MailWish { end: true, ..MailWish::default() });
        assert_eq!((record.queue.as_deref(), record.priority, &record.mail), (Some("night"), Some(3), &mail));
        assert_eq!((&record.tags, &record.hosts), (&names(&["a b"]), &names(&[])));
        assert_eq!(record.directory, Some("/home/me".into()));
        assert_eq!((&record.stdout, &record.stderr), (&None, &None), "another job's files");
        assert_eq!((record.held, records[1].held), (None, Some(true)), "what was held is not started");
        let ids = read_ids("list", text.as_bytes()).expect(&text);
        let home = Some("redfish".to_owned());
        assert_eq!(ids, [JobName { id: 17, home: home.clone() }, JobName { id: 18, home }]);
    }
}

#[test]
fn a_command_that_a_listing_has_shortened_is_not_run() {
    let row = JobRow { argv: Vec::new(), command: "x".repeat(200) + "…", ..row() };
    let text = serde_json::to_string(&row).expect("JSON");
    assert!(refused(&text).contains("a listing has shortened this one"));
}

const RQ: &str = "---
-
 jid: 17
 priority: 5
 state: pending
 submitted: 2004-11-12 10:11:12.345678
 started:\x20
 finished:\x20
 elapsed:\x20
 submitter: jib.ngdc.noaa.gov
 runner: node1, node2
 stdin: stdin/17
 stdout:\x20
 stderr:\x20
 data: data/17
 pid:\x20
 exit_status:\x20
 tag: a: \"b\" # c
 restartable: true
 command: echo \"a: b\" 'c' # c
-
 jid: 18
 priority: -1
 state: finished
 submitted: 2004-11-12 10:11:12.345678
 started: 2004-11-12 10:12:12.345678
 finished: 2004-11-12 10:12:42.345678
 elapsed: 30
 submitter: jib.ngdc.noaa.gov
 runner: carp.ngdc.noaa.gov
 stdin: stdin/18
 stdout: stdout/18
 stderr: stderr/18
 data: data/18
 pid: 4711
 exit_status: 0
 tag:\x20
 restartable:\x20
 command: \"quoted\"
";

#[test]
fn what_rq_prints_is_read_by_its_own_rule() {
    let records = jobs(RQ);
    assert_eq!(records.len(), 2);
    let first = &records[0];
    assert_eq!(first.command, shell("echo \"a: b\" 'c' # c"));
    assert_eq!((first.line, first.priority, first.restartable), (3, Some(5), Some(true)));
    assert_eq!(first.tags, names(&["a: \"b\" # c"]));
    assert_eq!(first.hosts, names(&["node1", "node2"]), "it waits, so these are where it may run");
    assert_eq!((first.stdin.as_deref(), &first.data), (Some("stdin/17"), &Some("data/17".into())));
    let second = &records[1];
    assert_eq!((second.line, &second.command), (22, &shell("\"quoted\"")));
    assert_eq!((&second.hosts, &second.tags, second.restartable), (&None, &None, None), "where it ran pins nothing");
    assert_eq!((&second.stdout, &second.stderr), (&None, &None));
    let twice = RQ.to_owned() + &RQ.replace('\n', "\r\n");
    let again = jobs(&twice);
    assert_eq!(
        again.iter().map(|record| record.command.clone()).collect::<Vec<_>>()[2..],
        [first.command.clone(), second.command.clone()]
    );
    let ids = read_ids("list", RQ.as_bytes()).expect("rq's");
    assert_eq!(ids.iter().map(|name| name.id).collect::<Vec<_>>(), [17, 18]);
}

#[test]
fn records_of_rq_that_a_library_wrote_again_are_yaml() {
    let text = "---\n- jid: 17\n  state: pending\n  runner: node1\n  tag: ~\n  restartable: true\n  command: 'a: b'\n";
    let record = job(text);
    assert_eq!((&record.command, &record.hosts, &record.tags), (&shell("a: b"), &names(&["node1"]), &None));
    let unclear = refused("---\n- runner: node1\n  command: x\n");
    assert!(unclear.starts_with("2:3: \"runner\" is where a job may run while it waits"), "{unclear}");
    assert_eq!(job("- {state: running, runner: node1, command: x}").hosts, None);
    assert_eq!(job("- {state: holding, command: x}").held, Some(true));
}

#[test]
fn yaml_in_the_shape_of_rq_is_read_when_both_readings_agree() {
    assert_eq!(job("-\n command: make all\n priority: 3\n").priority, Some(3));
    assert_eq!(job("-\n command: echo a: b\n").command, shell("echo a: b"), "only rq's reading is possible");
    assert_eq!(job("-\n command: x\n tags:\n - a\n").tags, names(&["a"]), "only YAML's reading is possible");
    let text = "---\n-\n command: make\n-\n command: \"make all\"\n";
    assert!(refused(text).starts_with("5:1: this job is one thing as YAML and another as rq's listing"));
    let forced = read("jobs", text.as_bytes(), Some(Format::Yaml)).expect("the person said so");
    assert_eq!(forced[1].command, shell("make all"));
    assert!(refused("-\n command: x\n prioirty: 3\n").starts_with("3:2: \"prioirty\": no such field"));
    assert!(refused("---\n-\n jid: 17\nand more\n").starts_with("4:1: in rq's format"));
}

fn ids(text: &str) -> Result<Vec<String>, String> {
    let shown = |name: JobName| match name.home {
        Some(home) => format!("{}@{home}", name.id),
        None => name.id.to_string(),
    };
    let names = read_ids("list", text.as_bytes()).map_err(|failure| failure.message)?;
    Ok(names.into_iter().map(shown).collect())
}

#[test]
fn ids_are_taken_from_whatever_lists_jobs() {
    let both = || Ok(vec!["17".to_owned(), "18@redfish".to_owned()]);
    for text in [
        "17\n18@redfish\n",
        "# mine\n\n17\r\n18@redfish",
        "17 18@redfish\n",
        "  ID  STATE    QUEUE  COMMAND\n  17  running  wait   make\n  18@redfish  held  wait  7 8\n",
        "jid=17\nid=18@redfish\n",
        " jid: 17\n id: 18@redfish\n",
        "[17, \"18@redfish\"]",
        "{\"id\": 17, \"home\": null, \"new\": {}}\n{\"id\": 18, \"home\": \"redfish\"}\n",
        "- 17\n- 18@redfish\n",
        "---\n- id: 17\n- id: 18\n  home: redfish\n",
        "---\n-\n jid: 17\n-\n jid: 18@redfish\n command: a: 'b\n",
    ] {
        assert_eq!(ids(text), both(), "{text}");
    }
    assert_eq!(ids(""), Ok(Vec::new()));
}

#[test]
fn what_names_no_job_is_refused_where_it_stands() {
    for (text, message) in [
        (
            "17\nmake all\n",
            "list:2:1: \"make all\" does not begin with a job such as 17 or 17@redfish.  Nothing was done.",
        ),
        ("+17", "list:1:1: \"+17\" does not begin with a job such as 17 or 17@redfish.  Nothing was done."),
        ("17-20", "list:1:1: \"17-20\" does not begin with a job such as 17 or 17@redfish.  Nothing was done."),
        ("17@", "list:1:1: \"17@\" does not begin with a job such as 17 or 17@redfish.  Nothing was done."),
        (
            "17 18 make",
            "list:1:1: after several jobs, \"make\" is none: 17 or 17@redfish is expected.  Nothing was done.",
        ),
        ("{\"name\": 17}", "list:1:1: this has no \"id\" and so names no job.  Nothing was done."),
        ("{\"id\": 1, \"jid\": 2}", "list:1:11: an id is said twice.  Nothing was done."),
        ("- id: -3", "list:1:7: id: -3 stands where a job such as 17 or 17@redfish is expected.  Nothing was done."),
        ("- id: 3\n  home: ''", "list:2:9: \"\" is not the name of a host.  Nothing was done."),
    ] {
        assert_eq!(ids(text), Err(message.to_owned()), "{text}");
    }
}

#[test]
fn a_hundred_thousand_lines_are_as_many_jobs() {
    let text = (0..100_000).map(|number| format!("./run --seed {number} > out.{number}\n")).collect::<String>();
    let records = jobs(&text);
    assert_eq!(records.len(), 100_000);
    assert_eq!((records[99_999].line, &records[99_999].command), (100_000, &shell("./run --seed 99999 > out.99999")));
    assert!(size_of::<Record>() <= 48, "a line is little more than its text");
}

proptest! {
    #[test]
    fn bytes_that_nobody_meant_never_panic(start in 0..8usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let start: &[u8] = [&b""[..], b"{", b"[{\"", b"---\n", b"- ", b"-\n ", b"---\n-\n jid: ", b"17 "][start];
        let bytes = [start, &bytes].concat();
        for format in [None, Some(Format::Lines), Some(Format::Yaml), Some(Format::Json)] {
            _ = read("jobs", &bytes, format);
        }
        _ = read_ids("jobs", &bytes);
    }

    #[test]
    fn text_that_looks_like_something_never_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)
    ) {
        let text = pieces.concat();
        for format in [None, Some(Format::Lines), Some(Format::Yaml), Some(Format::Json)] {
            _ = read("jobs", text.as_bytes(), format);
        }
        _ = read_ids("jobs", text.as_bytes());
    }

    #[test]
    fn any_line_of_rq_is_a_command_again(command in "[ -~äö]{0,40}[a-z]", tag in "[a-z: #'\"]{0,9}[a-z]") {
        let text = format!("---\n-\n jid: 1\n tag: {tag}\n command: {command}\n");
        let record = job(&text);
        prop_assert_eq!(&record.command, &shell(&command));
        prop_assert_eq!(&record.tags, &Some(vec![tag]));
    }

    #[test]
    fn any_job_survives_both_of_our_formats(words in prop::collection::vec("\\PC{1,12}", 1..4), priority in any::<i32>()) {
        let argv = words.iter().map(|word| ByteString::from(word.as_str())).collect::<Vec<_>>();
        let row = JobRow { priority, argv: argv.clone(), ..row() };
        let json = serde_json::to_string(&row).expect("JSON");
        let yaml = serde_saphyr::to_string(&vec![row]).expect("YAML");
        for text in [json, yaml] {
            let record = job(&text);
            prop_assert_eq!(&record.command, &Command::Argv(argv.clone()));
            prop_assert_eq!(record.priority, Some(priority));
        }
    }
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "\"",
    "'",
    "\n",
    " ",
    "  ",
    "- ",
    "-\n",
    "---\n",
    "...\n",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    ">-\n",
    "!!binary ",
    "!!str ",
    "%YAML 1.2\n",
    "~",
    "null",
    "true",
    "17",
    "1.5",
    "-",
    "id",
    "jid",
    "command",
    "argv",
    "priority",
    "tags",
    "environment",
    "mail",
    "variants",
    "x",
    "ö",
    "\t",
    "\r\n",
    "\\",
    "\0",
    "? ",
];
