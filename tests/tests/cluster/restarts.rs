//! What dies and comes back without a session's noticing, and what is told where that cannot be.

use std::path::Path;

use nix::sys::signal::Signal;
use queue_tests::cluster::{Cluster, is_alive};
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

use crate::flow::Flow;

#[test]
fn a_session_does_not_notice_that_the_daemons_of_both_hosts_die() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");

    cluster.kill("redfish", "daemon");
    flow.goes_on();
    // Whoever asks for the daemon starts it.
    cluster.until_open("redfish", "bluefish");
    assert_eq!(cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "hostname"]).success().text(), "bluefish");

    cluster.kill("bluefish", "daemon");
    flow.goes_on();
    runs_again(&cluster, "bluefish");

    cluster.kill("bluefish", "daemon");
    cluster.kill("redfish", "daemon");
    flow.goes_on();
    runs_again(&cluster, "bluefish");
    flow.goes_on();
    // The host knows what it runs although its daemon is new.
    let row = cluster.row("bluefish", "bluefish").expect("its own row");
    assert_eq!(row.record.state.queues[0].running, 1, "{row:?}");
    flow.ends_well();
    until("the slot is free again", PATIENCE, || {
        let row = cluster.row("bluefish", "bluefish")?;
        (row.record.state.queues[0].running == 0).then_some(())
    });
}

/// Nobody starts the daemon of `host` but the runner that has a job there.
fn runs_again(cluster: &Cluster, host: &str) {
    until(&format!("the runner starts the daemon of {host} again"), PATIENCE, || {
        (!cluster.pids(host, "daemon").is_empty()).then_some(())
    });
    cluster.until_open("redfish", host);
    assert_eq!(cluster.queue("redfish", &["-n", "-h", host, "--", "hostname"]).success().text(), host);
    assert_eq!(cluster.queue(host, &["-n", "-h", "redfish", "--", "hostname"]).success().text(), "redfish");
}

#[test]
fn a_session_on_the_own_host_does_not_notice_that_the_daemon_dies() {
    let cluster = Cluster::up(1);
    // Through the runner: without a terminal a job of this host would have our own descriptors.
    let mut session = cluster.spawn("redfish", &["queue", "-n", "--", "sh", "-c", "read line; echo $line; exit 9"]);
    until("the job runs", PATIENCE, || (!cluster.pids("redfish", "leader").is_empty()).then_some(()));
    cluster.kill("redfish", "daemon");
    cluster.queue("redfish", &["-n", "--", "true"]).success();
    session.send(b"still here\n");
    let ended = session.end();
    assert_eq!((ended.code(), ended.text().as_str()), (Some(9), "still here"));
}

#[test]
fn a_link_that_was_cut_until_all_knew_it_is_healed_without_a_lost_byte() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    cluster.cut("bluefish");
    cluster.until_unavailable("redfish", "bluefish");
    cluster.heal("bluefish");
    flow.goes_on();
    cluster.until_open("redfish", "bluefish");
    flow.ends_well();
}

#[test]
fn a_link_that_was_cut_until_the_kernel_gave_the_connection_up_is_healed_without_a_lost_byte() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    let client = cluster.pids("redfish", "client")[0];
    assert_eq!(connections_of(client), 1);
    cluster.cut("bluefish");
    flow.presses_while(|| {
        until("the kernel gives the connection up", PATIENCE * 2, || (connections_of(client) == 0).then_some(()));
    });
    cluster.heal("bluefish");
    flow.goes_on();
    flow.ends_well();
}

/// Established TCP connections of a process.
fn connections_of(pid: i32) -> usize {
    let established = |inode: &str| {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
        table.lines().skip(1).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.get(9) == Some(&inode) && fields.get(3) == Some(&"01")
        })
    };
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .filter(|inode| established(inode))
        .count()
}

#[test]
fn a_job_outlives_its_runner_and_its_status_arrives_when_nothing_was_under_way() {
    let cluster = Cluster::up(2);
    for host in ["redfish", "bluefish"] {
        let fifo = fifo(&cluster, host);
        let script = format!("echo begun; read line <{}; echo $line; exit 7", fifo.display());
        let mut command = cluster.command("redfish", &["queue", "-n", "-h", host, "--", "sh", "-c", &script]);
        // The job's output is not handed over: a socket's other end could be anywhere.
        command.env("QUEUE_TEST", host);
        let session = Process::start(command);
        session.until_it_says("begun");
        let leader = cluster.pids(host, "leader");
        cluster.kill(host, "runner");
        until("another runner is there", PATIENCE, || (!cluster.pids(host, "runner").is_empty()).then_some(()));
        assert_eq!(cluster.pids(host, "leader"), leader);
        write_to(&fifo, "the end");
        let ended = session.end();
        assert_eq!((ended.code(), ended.text().as_str()), (Some(7), "begun\nthe end"), "{host}: {}", ended.errors());
        until("nothing is left of it", PATIENCE, || cluster.pids(host, "leader").is_empty().then_some(()));
    }
}

#[test]
fn runner_and_daemon_may_die_at_once_and_the_session_goes_on_when_the_daemon_is_back() {
    let cluster = Cluster::up(2);
    let fifo = fifo(&cluster, "bluefish");
    let script = format!("echo begun; read line <{}; echo $line; exit 7", fifo.display());
    let session = cluster.spawn("redfish", &["queue", "-n", "-h", "bluefish", "--", "sh", "-c", &script]);
    session.until_it_says("begun");
    // The daemon first, else it would start another runner.
    cluster.kill("bluefish", "daemon");
    cluster.kill("bluefish", "runner");
    cluster.start("bluefish");
    write_to(&fifo, "the end");
    let ended = session.end();
    assert_eq!((ended.code(), ended.text().as_str()), (Some(7), "begun\nthe end"), "{}", ended.errors());
}

#[test]
fn bytes_that_died_with_a_runner_are_named_and_never_silently_missing() {
    let cluster = Cluster::up(2);
    let fifo = fifo(&cluster, "bluefish");
    let script = format!("echo begun; read line <{}; wc -c; exit 3", fifo.display());
    let mut session = cluster.spawn("redfish", &["queue", "-n", "-h", "bluefish", "--", "sh", "-c", &script]);
    session.until_it_says("begun");
    // More than the job's pipe takes: the runner has the rest.
    session.send(&[0; 1_000_000]);
    let (client, runner) = (cluster.pids("redfish", "client")[0], cluster.pids("bluefish", "runner")[0]);
    until("the runner has all of it", PATIENCE, || {
        (bytes_read(client) >= 1_000_000 && under_way(client) + under_way(runner) == 0).then_some(())
    });
    cluster.kill("bluefish", "runner");
    write_to(&fifo, "go on");
    let ended = session.end();
    let counted: u32 = ended.text().lines().nth(1).and_then(|line| line.parse().ok()).expect("what wc counted");
    assert!(counted < 1_000_000, "the runner has kept nothing: {counted}");
    assert_eq!(ended.code(), Some(125));
    let said = ended.errors();
    assert!(said.starts_with("queue: bluefish: ") && said.contains(" bytes of standard input were lost"), "{said}");
    assert!(said.ends_with("; the job itself exited with 3"), "{said}");

    // In the middle of a stream nobody knows what was under way. Then all is there, or it is said.
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    flow.presses_while(|| drop(cluster.kill("bluefish", "runner")));
    let ended = flow.ends();
    let said = ended.errors();
    let explained = said.contains(" bytes of standard ") && said.ends_with(" were lost; the job itself exited with 0");
    assert!(ended.code() == Some(0) || ended.code() == Some(125) && explained, "{:?}: {said}", ended.code());
    // Nothing is left behind, and the host runs the next job.
    until("the leader has gone", PATIENCE, || cluster.pids("bluefish", "leader").is_empty().then_some(()));
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).success();
}

#[test]
fn a_session_whose_host_was_restarted_ends_with_a_sentence() {
    let cluster = Cluster::up(2);
    let session = cluster.spawn("redfish", &["queue", "-n", "-h", "bluefish", "--", "sh", "-c", "echo begun; cat"]);
    session.until_it_says("begun");
    cluster.crash("bluefish");
    cluster.boot("bluefish");
    // The client's kernel asks after an idle link every thirty seconds.
    let ended = session.end_within(PATIENCE * 3);
    let sentence = "queue: bluefish does not go on with the session: the session is not here: it has ended, or its \
                    host was restarted; how the job ends is not known here";
    ended.fails(125, sentence);
}

#[test]
fn the_job_of_a_killed_client_is_hung_up_and_leaves_nothing_behind() {
    let cluster = Cluster::up(2);
    for host in ["redfish", "bluefish"] {
        let mark = cluster.shared().join(format!("{host}-mark"));
        let script = format!("trap 'echo hung up >{}; exit' HUP; echo begun; sleep 300 & wait", mark.display());
        let session = cluster.spawn("redfish", &["queue", "-n", "-h", host, "--", "sh", "-c", &script]);
        session.until_it_says("begun");
        cluster.kill("redfish", "client");
        until(&format!("the job on {host} is hung up"), PATIENCE, || {
            std::fs::read_to_string(&mark).ok().filter(|text| text == "hung up\n")
        });
        until("the leader has gone", PATIENCE, || cluster.pids(host, "leader").is_empty().then_some(()));
        until("the slot is free again", PATIENCE, || {
            let row = cluster.row(host, host)?;
            (row.record.state.queues[0].running == 0).then_some(())
        });
    }
}

#[test]
fn a_job_that_ignores_being_hung_up_is_killed() {
    let cluster = Cluster::up(1);
    let script = "trap '' HUP TERM; echo $$ begun; while :; do sleep 300; done";
    let session = cluster.spawn("redfish", &["queue", "-n", "--", "sh", "-c", script]);
    session.until_it_says("begun");
    cluster.kill("redfish", "client");
    until("the leader has gone", PATIENCE * 2, || cluster.pids("redfish", "leader").is_empty().then_some(()));
}

#[test]
fn a_daemon_that_is_told_to_end_takes_no_job_with_it() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    for host in ["redfish", "bluefish"] {
        for pid in cluster.pids(host, "daemon") {
            cluster.signal(pid, Signal::SIGTERM);
            until("the daemon ends", PATIENCE, || (!is_alive(pid)).then_some(()));
        }
        flow.goes_on();
    }
    flow.ends_well();
}

/// Bytes that a process has read from files and pipes.
fn bytes_read(pid: i32) -> u64 {
    let counts = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap_or(0)
}

/// Bytes that lie in the TCP connections of a process's host, sent or received.
fn under_way(pid: i32) -> u64 {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let queues = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(4)?.split_once(':'));
    queues.flat_map(|(sent, received)| [sent, received]).filter_map(|bytes| u64::from_str_radix(bytes, 16).ok()).sum()
}

fn fifo(cluster: &Cluster, name: &str) -> std::path::PathBuf {
    let path = cluster.shared().join(format!("{name}-fifo"));
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a free path of ours");
    path
}

/// Lets the job that reads the fifo go on. Opening it waits for the job.
fn write_to(fifo: &Path, line: &str) {
    std::fs::write(fifo, format!("{line}\n")).expect("a job reads it");
}

#[test]
fn a_daemon_that_has_just_started_waits_for_its_peers_before_it_says_that_a_host_is_unknown() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    for (home, host) in [("redfish", "bluefish"), ("bluefish", "redfish")] {
        cluster.kill(home, "daemon");
        assert_eq!(cluster.queue(home, &["-n", "-h", host, "--", "hostname"]).success().text(), host);
    }
    let hosts = cluster.state("bluefish").join("hosts");
    let remembers = || std::fs::read_to_string(&hosts).is_ok_and(|text| text.contains("redfish")).then_some(());
    until("bluefish remembers redfish", PATIENCE, remembers);
    cluster.crash("redfish");
    cluster.kill("bluefish", "daemon");
    let ended = cluster.queue("bluefish", &["-n", "-h", "redfish", "--", "true"]);
    assert_eq!(ended.code(), Some(125));
    let words = "queue: redfish has not been heard of since queued started";
    assert!(ended.errors().starts_with(words), "{}", ended.errors());
    let rather = cluster.queue("bluefish", &["-n", "-H", "redfish", "--", "hostname"]);
    assert_eq!(rather.success().text(), "bluefish");
    // Without any memory nothing can be said of the name.
    cluster.kill("bluefish", "daemon");
    std::fs::remove_file(cluster.state("bluefish").join("hosts")).expect("it was written");
    let ended = cluster.queue("bluefish", &["-n", "-h", "redfish", "--", "true"]);
    let words = "queue: \"redfish\" is not known: no peer has answered since queued started";
    assert!(ended.code() == Some(125) && ended.errors().starts_with(words), "{}", ended.errors());
}

#[test]
fn a_daemon_whose_only_peer_is_away_finds_the_others_again() {
    let cluster = Cluster::up(3);
    cluster.until_all_are_open();
    let hosts = cluster.state("onefish").join("hosts");
    let remembers = || std::fs::read_to_string(&hosts).is_ok_and(|text| text.lines().count() == 2).then_some(());
    until("onefish remembers both", PATIENCE, remembers);
    // Both others have it as their peer.
    cluster.crash("redfish");
    cluster.kill("onefish", "daemon");
    assert_eq!(cluster.queue("onefish", &["-n", "-h", "bluefish", "--", "hostname"]).success().text(), "bluefish");
}
