//! Queues of several hosts: gates that follow the load, and orders for another host.

use queue_tests::cluster::Cluster;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

fn profile(cluster: &Cluster, host: &str, queue: &str, text: &str) {
    let directory = cluster.state(host).join("spool").join(queue);
    std::fs::create_dir_all(&directory).expect("ours");
    std::fs::write(directory.join("new"), text).expect("ours");
    std::fs::rename(directory.join("new"), directory.join("profile.toml")).expect("ours");
    until(&format!("redfish knows that {host} has {queue}"), PATIENCE, || {
        let row = cluster.row("redfish", host)?;
        row.record.state.queues.iter().any(|state| state.queue == queue).then_some(())
    });
}

/// What `redfish` says of a queue on `host`.
fn row(cluster: &Cluster, host: &str, queue: &str) -> serde_json::Value {
    let said = cluster.queue("redfish", &["queues", host, "--json"]).success().stdout;
    let answer: serde_json::Value = serde_json::from_slice(&said).expect("JSON as documented");
    let rows = answer["queues"].as_array().expect("a list");
    rows.iter().find(|row| row["queue"] == queue).cloned().unwrap_or_default()
}

#[test]
fn loadsched_and_loadstop_follow_the_load_of_their_host() {
    let cluster = Cluster::up(2);
    let text = "loadsched = 4\nloadstop = 8\nloadresume = 6\n";
    profile(&cluster, "bluefish", "night", text);
    let submit = |script: &str| {
        let words = ["-r", "--mail", "none", "-d", "night", "-h", "bluefish", "--", "sh", "-c", script];
        cluster.queue("redfish", &words).success().text()
    };
    let id = submit("while :; do echo line; sleep 0.02; done");
    let lines = || cluster.queue("redfish", &["logs", &id]).text().lines().count();
    until("it runs", PATIENCE, || (lines() > 2).then_some(()));
    cluster.load_at_once("bluefish", 5);
    until("nothing is started", PATIENCE, || {
        row(&cluster, "bluefish", "night")["shut"].as_str().filter(|words| words.contains("below 4.0")).map(|_| ())
    });
    assert!(row(&cluster, "bluefish", "night")["suspended"].is_null());
    let waits = submit("true");
    let why = cluster.queue("redfish", &["why", &waits]).success().text();
    assert!(why.contains("bluefish") && why.contains("waits for a load below 4.0"), "{why}");
    cluster.load_at_once("bluefish", 9);
    until("it is suspended", PATIENCE, || row(&cluster, "bluefish", "night")["suspended"].as_str().map(|_| ()));
    cluster.load_at_once("bluefish", 7);
    let still = row(&cluster, "bluefish", "night");
    assert!(still["suspended"].as_str().is_some_and(|words| words.contains("below 6.0")), "{still}");
    let before = until("it stands", PATIENCE, || {
        let before = lines();
        // Ten of its turns.
        std::thread::sleep(std::time::Duration::from_millis(200));
        (lines() == before).then_some(before)
    });
    cluster.load_at_once("bluefish", 0);
    until("it goes on", PATIENCE, || (lines() > before).then_some(()));
    assert_eq!(cluster.spawn("redfish", &["queue", "wait", &waits]).end_within(PATIENCE * 3).code(), Some(0));
    cluster.queue("redfish", &["cancel", &id]).success();
}

#[test]
fn another_host_is_drained_from_here_and_jobs_go_elsewhere() {
    let cluster = Cluster::up(3);
    let said = cluster.queue("redfish", &["drain", "bluefish"]).success().text();
    assert_eq!(said, "bluefish is drained: nothing is started any more, and nothing runs");
    for _ in 0..3 {
        let id = cluster.queue("redfish", &["-r", "--mail", "none", "-h", "*fish", "--", "hostname"]).success().text();
        assert_eq!(cluster.spawn("redfish", &["queue", "wait", &id]).end_within(PATIENCE * 3).code(), Some(0));
        assert_ne!(cluster.queue("redfish", &["logs", &id]).text(), "bluefish");
    }
    let only = cluster.queue("redfish", &["-r", "--mail", "none", "-h", "bluefish", "--", "true"]).success().text();
    until("it says what it waits for", PATIENCE, || {
        let why = cluster.queue("redfish", &["why", &only]).success().text();
        why.contains("queue \"wait\" is drained by its admin").then_some(())
    });
    cluster.queue("onefish", &["undrain", "bluefish"]).success();
    assert_eq!(cluster.spawn("redfish", &["queue", "wait", &only]).end_within(PATIENCE * 3).code(), Some(0));
    let show = cluster.queue("redfish", &["config", "show", "--effective", "bluefish", "wait"]).success().text();
    assert!(show.starts_with("# wait on bluefish: "), "{show}");
}

#[test]
fn a_host_that_is_silent_for_too_long_is_given_up() {
    let cluster = Cluster::up(2);
    profile(&cluster, "redfish", "night", "give-up-after = \"2s\"\n");
    profile(&cluster, "bluefish", "night", "");
    let words = ["-r", "--mail", "none", "-d", "night", "-h", "bluefish", "--", "sleep", "1000"];
    let id = cluster.queue("redfish", &words).success().text();
    let state = || cluster.queue("redfish", &["list", &id, "--fields", "id,state"]).text();
    until("it runs", PATIENCE, || state().contains("running").then_some(()));
    cluster.crash("bluefish");
    until("it is given up", PATIENCE * 2, || state().contains("dead").then_some(()));
    let show = cluster.queue("redfish", &["show", &id]).success().text();
    assert!(show.contains("lost host"), "{show}");
}

#[test]
fn a_restartable_job_starts_elsewhere_when_its_host_was_silent_for_lost_after() {
    let cluster = Cluster::up(3);
    for host in ["redfish", "bluefish", "onefish"] {
        profile(&cluster, host, "night", "lost-after = \"25s\"\n");
    }
    let ledger = cluster.shared().join("ledger");
    let script = format!("while :; do echo $(hostname) $(date +%s.%N) >>{}; sleep 0.1; done", ledger.display());
    let words =
        ["-r", "--mail", "none", "-d", "night", "-h", "bluefish,onefish", "--restartable", "--", "sh", "-c", &script];
    cluster.queue("redfish", &["drain", "onefish"]).success();
    let id = cluster.queue("redfish", &words).success().text();
    let lines = || {
        let text = std::fs::read_to_string(&ledger).unwrap_or_default();
        let line =
            |line: &str| Some((line.split_once(' ')?.0.to_owned(), line.split_once(' ')?.1.parse::<f64>().ok()?));
        text.lines().filter_map(line).collect::<Vec<_>>()
    };
    until("it runs on bluefish", PATIENCE, || lines().iter().any(|(host, _)| host == "bluefish").then_some(()));
    cluster.queue("redfish", &["undrain", "onefish"]).success();
    cluster.cut("bluefish");
    until("it runs on onefish", PATIENCE * 4, || lines().iter().any(|(host, _)| host == "onefish").then_some(()));
    let all = lines();
    let of = |name: &str| all.iter().filter(|(host, _)| host == name).map(|(_, at)| *at).collect::<Vec<_>>();
    let (first, second) = (of("bluefish"), of("onefish"));
    let last = first.iter().copied().fold(0.0, f64::max);
    assert!(last < second[0], "never two at the same time: {last} and {}", second[0]);
    cluster.heal("bluefish");
    cluster.queue("redfish", &["cancel", &id]).success();
    assert_eq!(of("bluefish").len(), first.len());
}

#[test]
fn an_evacuated_host_gives_away_what_can_start_elsewhere_and_takes_nothing() {
    let cluster = Cluster::up(3);
    cluster.queue("redfish", &["drain", "onefish"]).success();
    let submit = |host: &str, options: &[&str], script: &str| {
        let words = [&["-r", "--mail", "none"], options, &["--", "sh", "-c", script]].concat();
        cluster.queue(host, &words).success().text()
    };
    let moves = submit("redfish", &["-h", "bluefish,onefish", "--restartable"], "hostname; exec sleep 1000");
    let stays = submit("redfish", &["-h", "bluefish"], "exec sleep 1000");
    let state = |id: &str| cluster.queue("redfish", &["list", id, "--fields", "id,state,host"]).text();
    for id in [&moves, &stays] {
        until("it runs", PATIENCE, || Some(state(id)).filter(|state| state.contains("running")).map(|_| ()));
    }
    assert!(state(&moves).contains("bluefish"));
    cluster.queue("redfish", &["undrain", "onefish"]).success();
    let said = cluster.queue("redfish", &["evacuate", "bluefish"]).success().text();
    assert!(said.starts_with("bluefish is evacuated: ") && said.ends_with("its spool has no open jobs"), "{said}");
    until("it goes elsewhere", PATIENCE, || state(&moves).contains("onefish").then_some(()));
    assert!(state(&stays).contains("running") && state(&stays).contains("bluefish"), "{}", state(&stays));
    let words = "queue: bluefish is being evacuated and takes no more jobs; submit them on another host, or say: queue undrain bluefish";
    cluster.queue("bluefish", &["-r", "--", "true"]).fails(75, words);
    cluster.queue("redfish", &["undrain", "bluefish"]).success();
    cluster.queue("bluefish", &["-r", "--", "true"]).success();
    cluster.queue("redfish", &["cancel", &moves, &stays]).success();
}
