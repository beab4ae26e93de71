//! What each format says.

use std::time::Duration;

use wire::ByteString;
use wire::batch::{MailWish, Variant};
use wire::needs::Need;

use super::{argv, job, jobs, names, refused, shell};
use crate::records::record::Said;
use crate::records::{Command, Format, LONGEST_LINE, Record, read};

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
  array: 1-9:2%3
  after: [17, '18:any', 20-30:fail]
  notify: https://lab.org/ended
  time: 2h
  warn: USR1@10m
  grace: 30
  memory: 8G
  mail_to: a@b
  directory: /tmp
  environment:
    A: 1.50
    B: ''
  variants:
    - {os: linux, arch: aarch64, argv: [./run, 5]}
    - {os: freebsd, command: ./run bsd}
  unique: false
  cpus: 4
  need: [scratch>=500GiB, 'gpu=1']
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
        array: Some("1-9:2%3".parse().expect("a range")),
        after: Some(["17", "18:any", "20-30:fail"].map(|one| one.parse().expect("jobs")).to_vec()),
        notify: Some("https://lab.org/ended".into()),
        time: Some(7200),
        warn: Some(wire::job::Warn { signal: "USR1".to_owned(), before_s: 600 }),
        grace_s: Some(30),
        memory: Some(8 << 30),
        directory: Some("/tmp".into()),
        environment: Some(vec![("A".to_owned(), "1.50".to_owned()), ("B".to_owned(), String::new())]),
        variants: vec![
            Variant { os: "linux".to_owned(), arch: "aarch64".to_owned(), argv: vec!["./run".into(), "5".into()] },
            Variant {
                os: "freebsd".to_owned(),
                arch: String::new(),
                argv: vec!["/bin/sh".into(), "-c".into(), "./run bsd".into()],
            },
        ],
        unique: Some(false),
        cpus: Some(4),
        need: Some(["gpu=1", "scratch>=500GiB"].map(|text| Need::parse(text).expect(text)).to_vec()),
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
fn a_hundred_thousand_lines_are_as_many_jobs() {
    let text = (0..100_000).map(|number| format!("./run --seed {number} > out.{number}\n")).collect::<String>();
    let records = jobs(&text);
    assert_eq!(records.len(), 100_000);
    assert_eq!((records[99_999].line, &records[99_999].command), (100_000, &shell("./run --seed 99999 > out.99999")));
    assert!(size_of::<Record>() <= 48, "a line is little more than its text");
}
