//! Jobs of one host on others: where they run, how their output comes home, and what happens when a link or a
//! daemon does not hold.

use queue_tests::cluster::Cluster;
use queue_tests::process::{Ended, PATIENCE};
use queue_tests::wait::until;

fn submit(cluster: &Cluster, options: &[&str], script: &str) -> String {
    let words = [&["-r", "--mail", "none"], options, &["--", "sh", "-c", script]].concat();
    cluster.queue("redfish", &words).success().text()
}

fn wait(cluster: &Cluster, id: &str) -> Ended {
    cluster.spawn("redfish", &["queue", "wait", id]).end_within(PATIENCE * 3)
}

#[test]
fn output_is_at_home_before_the_job_is_finished() {
    let cluster = Cluster::up(3);
    cluster.until_all_are_open();
    let id =
        submit(&cluster, &["-h", "bluefish"], "hostname; head -c 5000000 /dev/zero | tr '\\0' x; echo e >&2; exit 4");
    assert_eq!(wait(&cluster, &id).code(), Some(4));
    let there = cluster.queue("redfish", &["logs", "--stdout", &id]).success().stdout;
    assert_eq!(there.len(), "bluefish\n".len() + 5_000_000);
    assert!(there.starts_with(b"bluefish\nxxx"));
    // From any host, about any job.
    let name = format!("{id}@redfish");
    assert_eq!(cluster.queue("onefish", &["logs", "--stderr", &name]).success().errors(), "e");
    assert_eq!(cluster.queue("onefish", &["wait", &name]).code(), Some(4));
    let shown = cluster.queue("onefish", &["list", &name, "--fields", "id,state,host"]).success().text();
    assert!(shown.contains(&name) && shown.contains("finished 4") && shown.contains("bluefish"), "{shown}");
    // Of a job that is not there it is said as at home.
    for (host, missing) in [("redfish", "77"), ("onefish", "77@redfish")] {
        cluster.queue(host, &["logs", missing]).fails(64, "queue: there is no job 77 of yours on redfish");
    }
    // Patterns and lists of hosts.
    for (hosts, expected) in [("one*", "onefish"), ("onefish,gold", "onefish")] {
        let id = submit(&cluster, &["-h", hosts], "hostname");
        assert_eq!(wait(&cluster, &id).code(), Some(0), "{hosts}");
        assert_eq!(cluster.queue("redfish", &["logs", &id]).success().text(), expected);
    }
    let nowhere = submit(&cluster, &["-h", "gold"], "true");
    let why = cluster.queue("redfish", &["why", &nowhere]).success().text();
    assert!(why.contains("no host is named gold"), "{why}");
    cluster.queue("onefish", &["cancel", &format!("{nowhere}@redfish")]).success();
    assert_eq!(wait(&cluster, &nowhere).code(), Some(125));
}

#[test]
fn input_reaches_the_host_that_runs_it() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    let script = "head -c 3000000 /dev/urandom >in; mkdir -p tree; echo kept >tree/file; \
        queue -r --mail none -h bluefish --stdin in --data tree -- sh -c 'sha256sum; cat $QUEUE_DATA/file'; sha256sum <in >sum";
    let work = cluster.directory("redfish");
    let mut command = cluster.command("redfish", &["sh", "-c", script]);
    command.current_dir(&work);
    let id = queue_tests::process::Process::start(command).end().success().text();
    assert_eq!(wait(&cluster, &id).code(), Some(0), "{}", cluster.queue("redfish", &["show", &id]).text());
    let sum = std::fs::read_to_string(work.join("sum")).expect("it is there");
    assert_eq!(cluster.queue("redfish", &["logs", &id]).success().text(), format!("{sum}kept"));
}

#[test]
fn many_jobs_over_three_hosts_each_once() {
    let cluster = Cluster::up(3);
    cluster.until_all_are_open();
    let log = cluster.shared().join("ran");
    let script = format!(
        "for number in $(seq 120); do echo \"echo $number \\$QUEUE_HOST >>{}; sleep 0.05\"; done | queue submit --mail none --wait -",
        log.display()
    );
    cluster.spawn("redfish", &["sh", "-c", &script]).end_within(PATIENCE * 6).success();
    let ran = std::fs::read_to_string(&log).expect("it is there");
    let numbers = ran.lines().filter_map(|line| line.split(' ').next()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!((ran.lines().count(), numbers.len()), (120, 120), "{ran}");
    for host in cluster.names() {
        assert!(ran.contains(host), "nothing ran on {host}");
    }
}

#[test]
fn a_job_outlives_a_cut_link_and_its_end_comes_home() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    let gate = cluster.shared().join("gate");
    let script = format!("echo one; while ! test -e {}; do sleep 0.1; done; echo two; exit 6", gate.display());
    let id = submit(&cluster, &["-h", "bluefish"], &script);
    let listed = |state: &str| {
        let list = cluster.queue("redfish", &["list", &id]).success().text();
        list.contains(state).then_some(list)
    };
    until("it runs", PATIENCE, || listed("running"));
    cluster.cut("bluefish");
    until("its silence is told", PATIENCE * 4, || listed("running (bluefish silent for"));
    std::fs::write(&gate, "").expect("ours");
    cluster.heal("bluefish");
    assert_eq!(wait(&cluster, &id).code(), Some(6));
    assert_eq!(cluster.queue("redfish", &["logs", &id]).success().text(), "one\ntwo");
    assert!(listed("finished 6").is_some());
}

#[test]
fn only_a_job_whose_host_is_silent_is_given_up_and_what_it_did_is_learnt_later() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    let gate = cluster.shared().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.1; done; exit 6", gate.display());
    let id = submit(&cluster, &["-h", "bluefish"], &script);
    let listed = |state: &str| cluster.queue("redfish", &["list", &id]).text().contains(state).then_some(());
    until("it runs", PATIENCE, || listed("running"));
    cluster.queue("redfish", &["give-up", &id]).fails(
        1,
        &format!("queue: job {id} runs on bluefish, which is not silent; to end it say \"queue cancel {id}\""),
    );
    cluster.cut("bluefish");
    cluster.until_unavailable("redfish", "bluefish");
    cluster.queue("redfish", &["give-up", &id]).success();
    until("it is lost", PATIENCE, || listed("dead"));
    std::fs::write(&gate, "").expect("ours");
    cluster.heal("bluefish");
    until("its end is known", PATIENCE * 2, || listed("finished 6"));
}

#[test]
fn daemons_on_both_ends_are_killed_and_the_job_ends_once() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    let (gate, log) = (cluster.shared().join("gate"), cluster.shared().join("ran"));
    let script = format!(
        "echo start >>{0}; while ! test -e {1}; do sleep 0.1; done; echo end >>{0}; exit 6",
        log.display(),
        gate.display()
    );
    let id = submit(&cluster, &["-h", "bluefish"], &script);
    let said = |text: &str| (std::fs::read_to_string(&log).unwrap_or_default() == text).then_some(());
    until("it runs", PATIENCE, || said("start\n"));
    cluster.kill("redfish", "daemon");
    cluster.kill("bluefish", "daemon");
    std::fs::write(&gate, "").expect("ours");
    until("it has ended", PATIENCE, || said("start\nend\n"));
    cluster.start("redfish");
    cluster.start("bluefish");
    assert_eq!(wait(&cluster, &id).code(), Some(6));
}

#[test]
fn what_runs_elsewhere_is_followed_from_home_and_from_anywhere() {
    let cluster = Cluster::up(3);
    let gate = cluster.shared().join("gate");
    let script = format!("hostname; while ! test -e {}; do sleep 0.1; done; seq 3000000; exit 2", gate.display());
    let id = submit(&cluster, &["-h", "blue*"], &script);
    let name = format!("{id}@redfish");
    let mut at_home = cluster.spawn("redfish", &["queue", "logs", "-f", "--stdout", &id]);
    let mut there = cluster.spawn("onefish", &["queue", "logs", "-f", "--stdout", &name]);
    at_home.until_it_says("bluefish\n");
    there.until_it_says("bluefish\n");
    assert!(at_home.runs() && there.runs());
    let waits = cluster.spawn("onefish", &["queue", "wait", &name]);
    let shown = cluster.queue("onefish", &["show", &name]).success().text();
    assert!(shown.contains("running") && shown.contains("bluefish"), "{shown}");
    std::fs::write(&gate, "").expect("ours");
    let numbers: String = (1..=3_000_000).map(|number| format!("{number}\n")).collect();
    let expected = format!("bluefish\n{numbers}");
    for (which, followed) in [("at home", at_home), ("there", there)] {
        let ended = followed.end_within(PATIENCE * 3).success();
        assert_eq!(ended.stdout.len(), expected.len(), "{which}");
        assert!(ended.stdout == expected.as_bytes(), "{which}");
    }
    assert_eq!(waits.end_within(PATIENCE * 3).code(), Some(2));
    // And what home keeps of it is the same.
    let kept = cluster.spawn("redfish", &["queue", "logs", &id]).end_within(PATIENCE * 3).success();
    assert!(kept.stdout == expected.as_bytes(), "{} bytes", kept.stdout.len());
}

#[test]
fn a_job_is_signalled_and_cancelled_from_another_host() {
    let cluster = Cluster::up(3);
    let log = cluster.shared().join("ran");
    let said = |text: &str| (std::fs::read_to_string(&log).unwrap_or_default() == text).then_some(());
    let script = format!("trap 'echo heard >>{0}' USR1; echo up >>{0}; while :; do sleep 0.1; done", log.display());
    let name = format!("{}@redfish", submit(&cluster, &["-h", "bluefish"], &script));
    until("it runs", PATIENCE, || said("up\n"));
    cluster.queue("onefish", &["signal", "USR1", &name]).success();
    until("it heard the signal", PATIENCE, || said("up\nheard\n"));
    cluster.queue("onefish", &["cancel", "--grace", "0", &name]).success();
    assert_eq!(cluster.queue("onefish", &["wait", &name]).code(), Some(125));
    let shown = cluster.queue("onefish", &["show", &name]).success().text();
    assert!(shown.contains("cancelled"), "{shown}");
}

#[test]
fn what_no_other_host_knows_is_refused_and_nobody_waits_for_it() {
    let cluster = Cluster::up(2);
    let missing = "there is no job 77 of yours on bluefish";
    for words in [["wait", "77@bluefish"], ["show", "77@bluefish"], ["logs", "77@bluefish"], ["cancel", "77@bluefish"]]
    {
        let ended = cluster.queue("redfish", &words);
        assert!(ended.code() != Some(0) && ended.errors().contains(missing), "{words:?}: {}", ended.errors());
    }
    for words in [["wait", "7@gold"], ["show", "7@gold"], ["logs", "7@gold"], ["cancel", "7@gold"], ["why", "7@gold"]] {
        let ended = cluster.queue("redfish", &words);
        ended.fails(64, "queue: no host named \"gold\"; known: bluefish redfish");
    }
}

#[test]
fn a_job_whose_host_is_silent_says_so_and_starts_when_it_is_back() {
    let cluster = Cluster::up(2);
    cluster.cut("bluefish");
    cluster.until_unavailable("redfish", "bluefish");
    let id = submit(&cluster, &["-h", "bluefish"], "hostname");
    let why = until("the silence is the reason", PATIENCE, || {
        let why = cluster.queue("redfish", &["why", &id]).success().text();
        why.contains("silent").then_some(why)
    });
    assert!(why.contains("bluefish"), "{why}");
    cluster.heal("bluefish");
    assert_eq!(wait(&cluster, &id).code(), Some(0));
    assert_eq!(cluster.queue("redfish", &["logs", &id]).success().text(), "bluefish");
}

/// A restartable job lives as long as its lease. The daemon that adopted one did not renew it, and the job was killed
/// five minutes later.
#[test]
fn a_new_daemon_renews_the_leases_of_what_it_adopts() {
    let cluster = Cluster::up(2);
    let gate = cluster.shared().join("gate");
    let script = format!("while ! test -e {}; do sleep 0.1; done", gate.display());
    let hosts = ["redfish", "bluefish"];
    let ids = hosts.map(|host| submit(&cluster, &["-h", host, "--restartable"], &script));
    for id in &ids {
        until("it runs", PATIENCE, || {
            cluster.queue("redfish", &["list", id]).success().text().contains("running").then_some(())
        });
    }
    for host in hosts {
        cluster.kill(host, "daemon");
        cluster.start(host);
    }
    for (host, id) in hosts.iter().zip(&ids) {
        until(&format!("{host} has the lease of {id} renewed"), PATIENCE, || {
            let log = cluster.log(host);
            let told = |line: &str| line.contains("lease of an adopted attempt goes on") && line.contains("job=");
            log.lines().any(told).then_some(())
        });
    }
    std::fs::write(&gate, "").expect("ours");
    ids.iter().for_each(|id| assert_eq!(wait(&cluster, id).code(), Some(0)));
}

#[test]
fn a_session_on_another_host_is_remembered_at_home_even_if_home_was_away() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    let history = |host: &str| -> Vec<serde_json::Value> {
        let shown = cluster.queue(host, &["history", "--json"]).success();
        serde_json::from_slice(&shown.stdout).expect("JSON")
    };
    let gate = cluster.shared().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    let script = format!("echo runs; read line <{}; exit 4", gate.display());
    for is_home_away in [false, true] {
        let session = cluster.spawn("redfish", &["queue", "-h", "bluefish", "--", "sh", "-c", &script]);
        session.until_it_says("runs");
        if is_home_away {
            assert_eq!(cluster.kill("redfish", "daemon").len(), 1);
        }
        std::fs::write(&gate, "go\n").expect("it waits");
        assert_eq!(session.end().code(), Some(4));
        if is_home_away {
            cluster.start("redfish");
        }
        let rows = until("home knows of the end", PATIENCE * 3, || {
            Some(history("redfish")).filter(|rows| rows.len() == 1 + usize::from(is_home_away))
        });
        let row = rows.last().expect("one at least");
        assert_eq!(
            (&row["kind"], &row["host"], &row["home"]),
            (&"session".into(), &"bluefish".into(), &"redfish".into())
        );
        assert_eq!((&row["exit"], row["usage"]["max_rss_kib"].as_u64() > Some(0)), (&4.into(), true), "{row}");
        assert!(row["command"].as_str().is_some_and(|command| command.starts_with("sh -c")), "{row}");
    }
    assert_eq!(history("bluefish").len(), 0, "it was begun on the other");
}
