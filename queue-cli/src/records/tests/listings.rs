//! Listings, ours and rq's, that are submitted again.

use wire::ByteString;
use wire::after::{After, Condition};
use wire::api::JobName;
use wire::array::Element;
use wire::batch::{JobRow, ListAnswer, MailWish};
use wire::needs::Need;
use wire::session::Usage;

use super::{job, jobs, names, refused, shell};
use crate::records::{Command, Format, read, read_ids};

pub fn row() -> JobRow {
    JobRow {
        id: 17,
        home: "redfish".to_owned(),
        state: "finished".to_owned(),
        user: "me".to_owned(),
        queue: "night".to_owned(),
        priority: 3,
        tags: vec!["a b".to_owned()],
        need: Need::parse("gpu=1").into_iter().collect(),
        cpus: Some(4),
        host: Some("bluefish".to_owned()),
        attempt: 2,
        command: "echo 'a…".to_owned(),
        argv: vec!["echo".into(), "a # b: c".into(), ByteString(vec![0xff])],
        directory: "/home/me".into(),
        exit: Some(1),
        started_us: Some(5),
        usage: Some(Usage::default()),
        stdout: "/spool/17/stdout".into(),
        stderr: "/spool/17/stderr".into(),
        mail: Some(MailWish { end: true, ..MailWish::default() }),
        report: "sent".to_owned(),
        notify: Some("tell me".into()),
        notice: "owed".to_owned(),
        array: Some(Element { id: 10, index: 8, count: 20, stands_for: None }),
        after: vec![After { job: 16, condition: Condition::Any }],
        ..JobRow::default()
    }
}

#[test]
fn our_listings_are_jobs_again_without_what_became_of_them() {
    let rows = vec![row(), JobRow { id: 18, state: "held".to_owned(), ..row() }];
    let answer = ListAnswer { jobs: rows.clone(), ..Default::default() };
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
        assert_eq!(record.array, None, "a job of its own");
        assert_eq!(record.after, Some(vec!["16:any".parse().expect("a job")]));
        assert_eq!(record.notify, Some("tell me".into()));
        assert_eq!((&record.tags, &record.hosts), (&names(&["a b"]), &names(&[])));
        assert_eq!((record.cpus, record.need.as_ref()), (Some(4), Some(&row().need)));
        assert_eq!(record.directory, Some("/home/me".into()));
        assert_eq!((&record.stdout, &record.stderr), (&None, &None), "another job's files");
        assert_eq!((record.held, records[1].held), (None, Some(true)), "what was held is not started");
        let ids = read_ids("list", text.as_bytes()).expect(&text).jobs;
        let home = Some("redfish".to_owned());
        assert_eq!(ids, [JobName { id: 17, home: home.clone() }, JobName { id: 18, home }]);
    }
}

#[test]
fn a_session_is_not_submitted_as_a_job() {
    let row = JobRow { kind: wire::history::RowKind::Session, ..row() };
    let text = serde_json::to_string(&row).expect("JSON");
    assert!(refused(&text).contains("this is a session that has ended, and no job"), "{}", refused(&text));
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
    let ids = read_ids("list", RQ.as_bytes()).expect("rq's").jobs;
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
