//! `--tee` and `--spill`: copies of what a job writes, and what it writes while nobody reads.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use queue_tests::cluster::Cluster;
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

/// Runs a script on `host` for a person on redfish, in the shared directory.
fn script(cluster: &Cluster, host: &str, options: &str, job: &str) -> Process {
    let shared = cluster.shared();
    let shared = shared.display();
    let line = format!("cd {shared}; umask 027; exec queue -n -h {host} {options} -- sh -c \"$0\"");
    Process::start(cluster.command("redfish", &["bash", "-c", &line, job]))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_copy_of_all_output_is_in_the_file() {
    let cluster = Cluster::up(2);
    for host in ["redfish", "bluefish"] {
        let log = cluster.shared().join("log");
        let ended = script(&cluster, host, "--tee log", "echo out; echo err >&2; exit 3").end();
        assert_eq!((ended.code(), ended.text(), ended.errors()), (Some(3), "out".into(), "err".into()));
        let mut lines = text(&log).lines().map(str::to_owned).collect::<Vec<_>>();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        assert_eq!(log.metadata().expect("ours").permissions().mode() & 0o777, 0o640, "the job's mask");
        script(&cluster, host, "--tee log", "echo again").end().success();
        assert_eq!(text(&log), "again\n", "emptied first");
        std::fs::remove_file(log).expect("ours");
    }
}

#[test]
fn a_copy_that_cannot_be_made_is_refused_before_anything_runs_and_one_that_breaks_stops_nobody() {
    let cluster = Cluster::up(2);
    let ended = script(&cluster, "bluefish", "--tee no/such/log", "touch ran").end();
    let path = cluster.shared().join("no/such/log");
    ended.fails(125, &format!("queue: bluefish: cannot write {} (--tee): no such file or directory", path.display()));
    assert!(!cluster.shared().join("ran").exists());
    let full = script(&cluster, "bluefish", "--tee /dev/full", "echo out; echo more").end();
    assert_eq!(full.success().text(), "out\nmore");
}

#[test]
fn a_copy_goes_on_when_the_runner_has_died() {
    let cluster = Cluster::up(2);
    let log = cluster.shared().join("log");
    let mut session = script(&cluster, "bluefish", "--tee log", "echo one; read line; echo two");
    session.until_it_says("one");
    cluster.kill("bluefish", "runner");
    cluster.until_open("redfish", "bluefish");
    session.send(b"\n");
    session.until_it_says("two");
    drop(session.end());
    assert_eq!(text(&log), "one\ntwo\n");
}

/// More than the window, the pipes on the way and the sockets' buffers.
const MUCH: usize = 48 << 20;

/// A job that writes much and then leaves a mark; its client's output is read by nobody.
fn unread(cluster: &Cluster, options: &str) -> (std::process::Child, PathBuf) {
    let mark = cluster.shared().join("written");
    let job = format!("perl -e 'print chr(65 + $_ % 26) x 1024 for 1..{}'; touch written; exit 5", MUCH / 1024);
    let shared = cluster.shared();
    let shared = shared.display();
    let line = format!("cd {shared}; exec queue -n -h bluefish {options} -- sh -c \"$0\"");
    let mut command = cluster.command("redfish", &["bash", "-c", &line, &job]);
    (command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it was built"), mark)
}

fn read_all(child: std::process::Child) {
    let output = child.wait_with_output().expect("ours");
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout.len(), MUCH);
    let expected = |at: usize| b'A' + ((at / 1024 + 1) % 26) as u8;
    assert!(output.stdout.iter().enumerate().all(|(at, byte)| *byte == expected(at)), "a byte is not what it was");
}

#[test]
fn what_nobody_reads_is_put_aside_and_comes_later() {
    let cluster = Cluster::up(2);
    let (child, mark) = unread(&cluster, "--spill");
    until("the job has written everything", PATIENCE, || mark.exists().then_some(()));
    read_all(child);
}

#[test]
fn a_job_that_writes_more_than_may_be_put_aside_waits() {
    let cluster = Cluster::up(2);
    let (child, mark) = unread(&cluster, "--spill=1M");
    let writer = || cluster.pids("bluefish", "leader").into_iter().next();
    until("it runs", PATIENCE, || writer().map(drop));
    // It waits in a write: no byte moves any more.
    let moved = || text(Path::new(&format!("/proc/{}/io", cluster.pids("bluefish", "runner")[0])));
    until("nothing moves", PATIENCE, || {
        let before = moved();
        std::thread::sleep(std::time::Duration::from_millis(500));
        (before == moved() && before.contains("rchar: ")).then_some(())
    });
    assert!(!mark.exists());
    read_all(child);
}

#[test]
fn what_a_job_writes_through_a_cut_is_put_aside_and_comes_later() {
    let cluster = Cluster::up(2);
    let gate = cluster.shared().join("go");
    let shared = cluster.shared();
    let shared = shared.display();
    let job = format!(
        "until [ -e go ]; do sleep 0.02; done; perl -e 'print chr(65 + $_ % 26) x 1024 for 1..{}'; touch written; exit 5",
        MUCH / 1024
    );
    let line = format!("cd {shared}; exec queue -n -h bluefish --spill -- sh -c \"$0\"");
    let mut command = cluster.command("redfish", &["bash", "-c", &line, &job]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it was built");
    until("it runs", PATIENCE, || cluster.pids("bluefish", "leader").into_iter().next());
    cluster.cut("bluefish");
    std::fs::write(&gate, "").expect("ours");
    let mark = cluster.shared().join("written");
    until("the job has written everything", PATIENCE, || mark.exists().then_some(()));
    cluster.heal("bluefish");
    read_all(child);
}
