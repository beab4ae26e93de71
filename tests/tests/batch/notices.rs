//! What is done at the end of a job: a command runs, or an address gets the job's row, until that has gone well.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;
use serde_json::Value;

use crate::here::Here;

fn until_notice(here: &Here, id: u64, notice: &str) {
    until(&format!("the notice of job {id} is {notice}"), PATIENCE, || {
        (here.show(id)["notice"] == notice).then_some(())
    });
}

/// Ends the daemon; the next `queue` starts another.
fn end_daemon(here: &Here) {
    let pid = here.login.daemon();
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    until(&format!("{pid} has ended"), PATIENCE, || (!crate::login::is_alive(pid)).then_some(()));
}

#[test]
fn a_command_gets_the_end_in_its_environment_and_the_report_as_its_input() {
    let here = Here::new();
    std::fs::create_dir(here.path("work")).expect("ours");
    let tell = "cat >../report; env | grep ^QUEUE_ | grep -v SUBMIT_DIR | sort >../environment; pwd >../directory; echo \"$TOLD\" >../told";
    let script =
        format!("cd work && TOLD=by-me queue -r --mail none -j night --notify '{tell}' -- sh -c 'seq 500; exit 3'");
    let id: u64 = here.shell(&script).success().text().trim().parse().expect("an id");
    assert_eq!(here.wait(&[id]), 3);
    until_notice(&here, id, "sent");
    let expected = format!(
        "QUEUE_ATTEMPT=1\nQUEUE_COMMAND=sh -c 'seq 500; exit 3'\nQUEUE_EXIT=3\nQUEUE_HOME_HOST=redfish\n\
         QUEUE_JOB_ID={id}\nQUEUE_NAME=night\nQUEUE_STATE=finished\n"
    );
    assert_eq!(here.text("environment"), expected);
    assert_eq!(here.text("told"), "by-me\n", "it has what the job had");
    assert!(here.text("directory").ends_with("/work\n"), "{}", here.text("directory"));
    let report = here.text("report");
    for line in [&format!("{id} of redfish"), "\n499\n500\n"] {
        assert!(report.contains(line), "{line:?}: {report}");
    }
    let shown = here.queue(&["show", &id.to_string()]).success().text();
    assert!(shown.contains(&format!("notify       {tell}")) && shown.contains("notice       sent"), "{shown}");
    assert_eq!(here.show(id)["report"], "not wanted");
}

#[test]
fn only_failures_are_told_where_mail_is_for_these_and_other_ends_are_told_too() {
    let here = Here::new();
    let tell = "echo $QUEUE_JOB_ID $QUEUE_STATE ${QUEUE_EXIT-} ${QUEUE_SIGNAL-} >>told";
    let told = |options: &[&str], script: &str| here.script(&[options, &["--notify", tell]].concat(), script);
    let good = told(&["--mail", "fail"], "true");
    assert_eq!(here.wait(&[good]), 0);
    until_notice(&here, good, "not wanted");
    let bad = told(&["--mail", "fail"], "exit 7");
    here.wait(&[bad]);
    until_notice(&here, bad, "sent");
    let killed = told(&["--mail", "none"], "kill -TERM $$");
    here.wait(&[killed]);
    until_notice(&here, killed, "sent");
    let held = told(&["--mail", "none", "--hold"], "true");
    here.queue(&["cancel", &held.to_string()]).success();
    until_notice(&here, held, "sent");
    assert_eq!(here.text("told"), format!("{bad} finished 7\n{killed} finished TERM\n{held} cancelled\n"));
}

#[test]
fn a_job_whose_directory_is_gone_is_told_from_home() {
    let here = Here::new();
    std::fs::create_dir(here.path("work")).expect("ours");
    let script = "cd work && queue -r --mail none --notify 'pwd >told' -- sh -c 'rmdir ../work'";
    let id: u64 = here.shell(script).success().text().trim().parse().expect("an id");
    here.wait(&[id]);
    until_notice(&here, id, "sent");
    assert_eq!(here.text("told").trim_end(), here.path("").to_str().expect("UTF-8").trim_end_matches('/'));
}

#[test]
fn what_fails_is_tried_again_and_no_restart_loses_it() {
    let here = Here::new();
    let tell = "echo $QUEUE_JOB_ID.$QUEUE_ATTEMPT >>tries; test -e ready || { echo not ready; exit 1; }";
    let id = here.script(&["--mail", "none", "--notify", tell], "true");
    assert_eq!(here.wait(&[id]), 0);
    let tries = || here.text("tries").lines().count();
    until("it was tried", PATIENCE, || (tries() == 1).then_some(()));
    assert_eq!(here.show(id)["notice"], "owed");
    end_daemon(&here);
    assert_eq!(here.show(id)["notice"], "owed");
    until("the next daemon tries", PATIENCE, || (tries() == 2).then_some(()));
    std::fs::write(here.path("ready"), "").expect("ours");
    // The first pause of a daemon's life is ten seconds.
    until("it is tried again by itself", PATIENCE * 2, || (here.show(id)["notice"] == "sent").then_some(()));
    assert_eq!(here.text("tries"), format!("{id}.1\n").repeat(3));
    // What is done is not done again.
    end_daemon(&here);
    let other = here.script(&["--mail", "none", "--notify", "true"], "true");
    here.wait(&[other]);
    until_notice(&here, other, "sent");
    assert_eq!(tries(), 3);
}

/// Takes one request, answers it with this status; its first line and its body.
fn take(listener: &TcpListener, status: &str) -> (String, Value) {
    let (stream, _) = listener.accept().expect("somebody comes");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut reader = BufReader::new(stream);
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first).expect("a request");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let mut stream: TcpStream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n").expect("it listens");
    (first.trim_end().to_owned(), serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn an_address_gets_the_row_until_it_says_that_it_has_it() {
    let here = Here::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = format!("http://{}/ended?by=queue", listener.local_addr().expect("bound"));
    let yaml = format!("- command: exit 3\n  name: night\n  notify: {address}\n  mail: none\n");
    std::fs::write(here.path("jobs.yaml"), yaml).expect("ours");
    let id: u64 = here.queue(&["submit", "jobs.yaml", "--parsable"]).success().text().trim().parse().expect("an id");
    let (line, first) = take(&listener, "500 Internal Server Error");
    assert_eq!(line, "POST /ended?by=queue HTTP/1.1");
    assert_eq!(here.show(id)["notice"], "owed");
    end_daemon(&here);
    here.queue(&["status"]).success();
    // Where it would be sent on to nobody has asked.
    let (_, redirected) = take(&listener, "302 Found");
    let (_, last) = take(&listener, "204 No Content");
    until_notice(&here, id, "sent");
    assert_eq!((&first, &first), (&redirected, &last), "it is the same end");
    let mut shown = here.show(id);
    assert_eq!((&shown["notify"], &shown["exit"]), (&Value::from(address), &Value::from(3)));
    shown["notice"] = "owed".into();
    assert_eq!(last, shown);
}
