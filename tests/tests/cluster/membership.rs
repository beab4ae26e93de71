//! Who belongs to the cluster, and who is not chosen for now.

use std::fs;

use nix::sys::signal::Signal;
use queue_tests::cluster::{Cluster, is_alive};
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;

#[test]
fn three_hosts_that_each_know_one_other_all_know_each_other() {
    let cluster = Cluster::up(3);
    // `up` has everybody ask the first host. Now a chain, whose first host is told of nobody.
    let names = cluster.names();
    for (host, peer) in [(names[0], None), (names[1], Some(names[0])), (names[2], Some(names[1]))] {
        let peers = peer.map_or(String::new(), |peer| format!("{:?}", format!("{}:7117", cluster.address(peer))));
        let path = cluster.directory(host).join("config/queue/queued.toml");
        let text = fs::read_to_string(&path).expect("demo-cluster wrote it");
        let lines = text.lines().map(|line| match line.starts_with("peers") {
            true => format!("peers = [{peers}]\n"),
            false => format!("{line}\n"),
        });
        fs::write(&path, lines.collect::<String>()).expect("it is ours");
        cluster.kill(host, "daemon");
    }
    names.iter().for_each(|host| cluster.start(host));
    cluster.until_all_are_open();
}

#[test]
fn hosts_as_json_have_the_documented_fields() {
    let cluster = Cluster::up(2);
    let answer = cluster.queue("redfish", &["hosts", "--json"]).success();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    let rows = answer["hosts"].as_array().expect("a list");
    assert_eq!(rows.iter().map(|row| row["host"].as_str()).collect::<Vec<_>>(), [Some("bluefish"), Some("redfish")]);
    for row in rows {
        let (state, this_host) = (&row["state"], row["host"] == "redfish");
        assert_eq!(row["address"], format!("{}:7117", cluster.address(row["host"].as_str().expect("a name"))));
        assert!(row["incarnation"].as_u64() > Some(0) && row["sequence"].as_u64() > Some(0), "{row}");
        assert_eq!((&row["this_host"], &row["unavailable"]), (&this_host.into(), &serde_json::Value::Null));
        assert!(row["age_ms"].as_u64().is_some_and(|age| !this_host || age == 0), "{row}");
        assert!(state["cpus"].as_u64() > Some(0) && state["memory_mib"].as_u64() > Some(0), "{row}");
        for number in ["load1", "runnable", "speed", "memory_free_mib", "starting"] {
            assert!(state[number].is_number(), "{number}: {row}");
        }
        assert_eq!(state["platform"], format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH));
        assert_eq!(state["version"], env!("CARGO_PKG_VERSION"));
        let queues = state["queues"].as_array().expect("a list");
        assert_eq!(queues.iter().map(|queue| &queue["queue"]).collect::<Vec<_>>(), ["now", "wait"]);
        assert_eq!((&queues[0]["limit"], &queues[1]["limit"]), (&serde_json::Value::Null, &state["cpus"]));
        assert!(queues.iter().all(|queue| queue["running"] == 0 && queue["shut"].is_null()), "{row}");
    }
}

#[test]
fn a_host_that_leaves_is_forgotten_until_it_returns() {
    let cluster = Cluster::up(3);
    for pid in cluster.pids("onefish", "daemon") {
        cluster.signal(pid, Signal::SIGTERM);
        until("the daemon ends", PATIENCE, || (!is_alive(pid)).then_some(()));
    }
    for seer in ["redfish", "bluefish"] {
        until(&format!("{seer} shows onefish no more"), PATIENCE, || {
            cluster.row(seer, "onefish").is_none().then_some(())
        });
    }
    let refused = cluster.queue("redfish", &["-n", "-h", "onefish", "--", "true"]);
    refused.fails(64, "queue: no host named \"onefish\"; known: bluefish redfish");
    cluster.start("onefish");
    cluster.until_all_are_open();
}

#[test]
fn a_crashed_host_is_not_chosen_and_what_is_asked_meanwhile_runs_elsewhere() {
    let cluster = Cluster::up(3);
    cluster.crash("onefish");
    // At this moment nobody knows.
    let where_to = cluster.queue("redfish", &["-n", "-H", "onefish", "--", "hostname"]).success().text();
    assert_ne!(where_to, "onefish");
    for seer in ["redfish", "bluefish"] {
        // It may first be one that this daemon cannot connect to, until its neighbours have lost it.
        until(&format!("{seer} knows that onefish is silent"), PATIENCE, || {
            let why = cluster.row(seer, "onefish").and_then(|row| row.unavailable).unwrap_or_default();
            why.starts_with("silent for ").then_some(())
        });
    }
    for _ in 0..10 {
        assert_ne!(cluster.queue("redfish", &["-n", "--", "hostname"]).success().text(), "onefish");
    }
    let only = cluster.queue("redfish", &["-n", "-h", "onefish", "--", "true"]);
    assert_eq!(only.code(), Some(125));
    assert!(only.errors().starts_with("queue: onefish is silent for "), "{}", only.errors());
    let table = cluster.queue("redfish", &["hosts"]).success().text();
    let line = table.lines().find(|line| line.starts_with("onefish")).expect("it is still shown");
    assert!(line.contains("silent since "), "{line}");
    cluster.boot("onefish");
    cluster.until_all_are_open();
    assert_eq!(cluster.queue("redfish", &["-n", "-h", "onefish", "--", "hostname"]).success().text(), "onefish");
}

#[test]
fn a_host_whose_daemon_is_stopped_is_not_waited_for() {
    let cluster = Cluster::up(2);
    // It accepts connections (its kernel does) and says nothing.
    let daemon = cluster.pids("bluefish", "daemon")[0];
    cluster.signal(daemon, Signal::SIGSTOP);
    is_not_waited_for(&cluster, "bluefish does not answer");
    cluster.signal(daemon, Signal::SIGCONT);
    cluster.until_all_are_open();
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).success();
}

#[test]
fn a_host_whose_runner_is_stopped_is_not_waited_for() {
    let cluster = Cluster::up(2);
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).success();
    let runner = cluster.pids("bluefish", "runner")[0];
    cluster.signal(runner, Signal::SIGSTOP);
    is_not_waited_for(&cluster, "bluefish");
    cluster.signal(runner, Signal::SIGCONT);
    until("it takes jobs again", PATIENCE, || {
        cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).status.success().then_some(())
    });
}

/// Jobs that may go elsewhere do, and one that may not ends with a sentence.
fn is_not_waited_for(cluster: &Cluster, sentence: &str) {
    for arguments in [&["-n", "-H", "bluefish", "--", "hostname"][..], &["-n", "--", "hostname"]] {
        assert_eq!(cluster.queue("redfish", arguments).success().text(), "redfish");
    }
    let only = cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]);
    assert_eq!(only.code(), Some(125));
    assert!(only.errors().starts_with(&format!("queue: {sentence}")), "{}", only.errors());
}

#[test]
fn a_host_with_another_key_is_not_admitted() {
    let cluster = Cluster::up(3);
    cluster.kill("onefish", "daemon");
    cluster.until_unavailable("redfish", "onefish");
    let key = cluster.directory("onefish").join("other-key");
    cluster.exec("onefish", &["queued", "--new-key", &key.to_string_lossy()]).success();
    let path = cluster.directory("onefish").join("config/queue/queued.toml");
    let text = fs::read_to_string(&path).expect("demo-cluster wrote it");
    fs::write(&path, text.replace(&*cluster.key().to_string_lossy(), &key.to_string_lossy())).expect("it is ours");
    // It says on which grounds it was turned away, and by whom.
    let mut command = cluster.command("onefish", &["queued"]);
    command.env("QUEUED_LOG", "debug");
    let alone = Process::start(command);
    until("the daemon with the other key says why it is alone", PATIENCE, || {
        alone.errors().contains("signed by another cluster").then_some(())
    });
    let said = "connection closed: the other end did not accept our certificate: it may be of another cluster";
    until("those it calls say so too", PATIENCE, || cluster.log("redfish").contains(said).then_some(()));
    let rows = cluster.hosts("onefish");
    assert_eq!(rows.iter().map(|row| row.record.host.as_str()).collect::<Vec<_>>(), ["onefish"]);
    // It may be reached or not: it does not belong to them.
    cluster.until_unavailable("redfish", "onefish");
    let refused = cluster.queue("redfish", &["-n", "-h", "onefish", "--", "true"]);
    assert_eq!(refused.code(), Some(125), "{}", refused.errors());
}

#[test]
fn two_hosts_of_one_name_are_both_shown_and_neither_is_chosen() {
    let cluster = Cluster::up(3);
    // A second bluefish, on the machine of onefish.
    let own = cluster.directory("onefish").join("second");
    fs::create_dir_all(own.join("config/queue")).expect("it is ours");
    let address = format!("{}:7118", cluster.address("onefish"));
    let text = format!(
        "host = \"bluefish\"\nlisten = \"{address}\"\npeers = [\"{}:7117\"]\nkey = {:?}\n",
        cluster.address("redfish"),
        cluster.key(),
    );
    fs::write(own.join("config/queue/queued.toml"), text).expect("it is ours");
    let variables = ["STATE_HOME", "CONFIG_HOME", "RUNTIME_DIR"].map(|name| {
        let directory = own.join(if name == "CONFIG_HOME" { "config" } else { name });
        format!("XDG_{name}={}", directory.display())
    });
    let argv: Vec<&str> = ["env"].into_iter().chain(variables.iter().map(String::as_str)).chain(["queued"]).collect();
    let _second = cluster.spawn("onefish", &argv);
    let addresses = [format!("{}:7117", cluster.address("bluefish")), address];
    until("both are shown, with the reason why neither is chosen", PATIENCE * 2, || {
        let rows = cluster.hosts("redfish");
        let both: Vec<_> = rows.iter().filter(|row| row.record.host == "bluefish").collect();
        let explained = both.iter().all(|row| {
            let why = row.unavailable.as_deref().unwrap_or_default();
            why.starts_with("two hosts use this name: ") && addresses.iter().all(|address| why.contains(address))
        });
        (both.len() == 2 && explained).then_some(())
    });
    for _ in 0..10 {
        assert_ne!(cluster.queue("redfish", &["-n", "--", "hostname"]).success().text(), "bluefish");
    }
    let refused = cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]);
    assert_eq!(refused.code(), Some(125));
    let sentence = "queue: bluefish is not chosen: two hosts use this name: ";
    assert!(refused.errors().starts_with(sentence), "{}", refused.errors());
}
