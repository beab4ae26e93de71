//! Where a job goes when it may go anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use queue_tests::cluster::Cluster;
use queue_tests::process::{Halted, PATIENCE, Process};
use queue_tests::wait::until;

#[test]
fn every_host_of_an_idle_cluster_is_used() {
    let cluster = Cluster::up(3);
    let mut runs = 0;
    let mut visited = BTreeMap::new();
    until("every host was visited", PATIENCE * 2, || {
        let host = cluster.queue("redfish", &["-n", "--", "hostname"]).success().text();
        *visited.entry(host).or_insert(0) += 1;
        runs += 1;
        (visited.len() == 3).then_some(())
    });
    // By chance alone one of three would be missing after thirty runs in one of 65,000 cases.
    assert!(runs <= 30, "{visited:?}");
}

#[test]
fn a_loaded_host_gets_nothing_until_it_is_idle_again() {
    let cluster = Cluster::up(3);
    cluster.load("onefish", 50);
    until("redfish knows of the load", PATIENCE, || {
        cluster.row("redfish", "onefish").filter(|row| row.record.state.runnable > 10.0)
    });
    // One shell for all: what is counted is where they go.
    let script = "for i in $(seq 50); do queue -n -- hostname || exit; done";
    let mut loop_of_fifty = cluster.spawn("redfish", &["sh", "-c", script]);
    drop(loop_of_fifty.take_input());
    let hosts = loop_of_fifty.end_within(PATIENCE * 3).success().text();
    assert_eq!(hosts.lines().count(), 50);
    assert_eq!(hosts.lines().filter(|host| *host == "onefish").count(), 0, "{hosts}");
    cluster.load("onefish", 0);
    // Runnable tasks are smoothed over five seconds: fifty fade below one after twenty.
    until("onefish is used again", PATIENCE * 2, || {
        (cluster.queue("redfish", &["-n", "--", "hostname"]).success().text() == "onefish").then_some(())
    });
}

#[test]
fn fifty_at_once_from_one_home_are_spread_by_cpus() {
    are_spread(&["redfish"], 50);
}

#[test]
fn fifty_at_once_from_three_homes_are_spread_by_cpus() {
    are_spread(&["redfish", "bluefish", "onefish"], 17);
}

/// No host gets more than its share by CPUs and a fifth, as long as hosts answer in time: a host
/// that is not heard for 300 ms is passed over, and that is another promise. On a machine with
/// other work it happens, so it is tried again then.
fn are_spread(homes: &[&str], each: usize) {
    let all = (each * homes.len()) as f64;
    for _ in 0..ATTEMPTS {
        let cluster = Cluster::up(3);
        let counts = count_where_jobs_run(&cluster, homes, each);
        if homes.iter().any(|home| cluster.log(home).contains("no answer to a reservation")) {
            continue;
        }
        let rows = cluster.hosts("redfish");
        let cpus: BTreeMap<_, _> = rows.iter().map(|row| (&*row.record.host, row.record.state.cpus)).collect();
        for (host, count) in &counts {
            let share = all * f64::from(cpus[host.as_str()]) / f64::from(cpus.values().sum::<u32>());
            assert!(*count as f64 <= share * 1.2 + 0.5, "{host} has more than {share:.1} and a fifth: {counts:?}");
        }
        return;
    }
    panic!("this machine is too slow: each of {ATTEMPTS} times some host did not answer within 300 ms");
}

/// How often a machine may turn out to be busy with something else.
const ATTEMPTS: u32 = 5;

/// Starts `each` jobs on all `homes` at once, which stay until all run, and counts where. The
/// kernel here does not see them, so the load is set as it would be if each kept a CPU busy.
fn count_where_jobs_run(cluster: &Cluster, homes: &[&str], each: usize) -> BTreeMap<String, usize> {
    let shared = cluster.shared();
    let gate = shared.join("gate");
    nix::unistd::mkfifo(&gate, Mode::S_IRWXU).expect("a free path of ours");
    let job = format!("echo >{0}/$QUEUE_HOST.$QUEUE_HOME_HOST.$QUEUE_JOB_ID; read line <{0}/gate", shared.display());
    let script = format!("for i in $(seq {each}); do queue -n -- sh -c '{job}' & done; wait");
    let homes: Vec<Process> = homes.iter().map(|home| cluster.spawn(home, &["sh", "-c", &script])).collect();
    let all = each * homes.len();
    let running = || {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for entry in fs::read_dir(&shared).expect("it is ours").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some((host, _)) = name.split_once('.') {
                *counts.entry(host.to_owned()).or_default() += 1;
            }
        }
        counts
    };
    let said = || homes.iter().map(Process::errors).collect::<String>();
    let mut shown = BTreeMap::new();
    until("all jobs run", PATIENCE * 3, || {
        assert_eq!(said(), "");
        let counts = running();
        for (host, count) in counts.iter().filter(|(host, count)| shown.get(*host) != Some(*count)) {
            cluster.load_at_once(host, *count as u32);
        }
        shown = counts;
        (shown.values().sum::<usize>() == all).then_some(())
    });
    open_the_gate(&gate, || cluster_is_idle(cluster));
    for home in homes {
        home.end_within(PATIENCE * 3).success();
    }
    shown
}

fn cluster_is_idle(cluster: &Cluster) -> bool {
    cluster.names().iter().all(|host| cluster.pids(host, "client").is_empty())
}

/// Lets everybody go who reads from the fifo, and who comes late, until all have gone.
fn open_the_gate(gate: &Path, mut all_have_gone: impl FnMut() -> bool) {
    until("all have passed the gate", PATIENCE * 2, || {
        // Fails while nobody is waiting at it.
        drop(open(gate, OFlag::O_WRONLY | OFlag::O_NONBLOCK, Mode::empty()));
        all_have_gone().then_some(())
    });
}

/// Hides what lies in `directory` from `host` alone: there an empty file system stands in its
/// place.
fn hide(cluster: &Cluster, host: &str, directory: &Path) {
    cluster.exec(host, &["mount", "-t", "tmpfs", "none", &directory.to_string_lossy()]).success();
}

fn program(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
    fs::write(path, "#!/bin/sh\nhostname\n").expect("it is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_command_that_some_hosts_lack_runs_where_it_is() {
    let cluster = Cluster::up(3);
    let directory = cluster.shared().join("bin");
    program(&directory.join("rare"));
    for host in ["redfish", "onefish"] {
        hide(&cluster, host, &directory);
    }
    let rare = directory.join("rare").to_string_lossy().into_owned();
    for _ in 0..10 {
        assert_eq!(cluster.queue("redfish", &["-n", "--", &rare]).success().text(), "bluefish");
    }
    hide(&cluster, "bluefish", &directory);
    let nowhere = format!("queue: no host can run \"{rare}\": not found on bluefish, onefish, redfish");
    cluster.queue("redfish", &["-n", "--", &rare]).fails(127, &nowhere);
    let sentence = format!("queue: bluefish: {rare}: command not found");
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", &rare]).fails(127, &sentence);
}

#[test]
fn a_file_that_cannot_be_executed_is_126() {
    let cluster = Cluster::up(2);
    let path = cluster.shared().join("text");
    fs::write(&path, "no program\n").expect("it is ours");
    let path = path.to_string_lossy();
    let nowhere = format!("queue: no host can run \"{path}\": not executable on bluefish, redfish");
    cluster.queue("redfish", &["-n", "--", &path]).fails(126, &nowhere);
    let sentence = format!("queue: bluefish: cannot execute {path}: permission denied");
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", &path]).fails(126, &sentence);
}

#[test]
fn a_directory_that_some_hosts_lack_is_looked_for_elsewhere() {
    let cluster = Cluster::up(3);
    let directory = cluster.shared().join("work");
    fs::create_dir_all(directory.join("here")).expect("it is ours");
    let here = directory.join("here").to_string_lossy().into_owned();
    let run = |arguments: &str| {
        let script = format!("cd {here} && exec queue -n {arguments} -- sh -c 'hostname; pwd'");
        cluster.exec("redfish", &["sh", "-c", &script])
    };
    hide(&cluster, "bluefish", &directory);
    for _ in 0..6 {
        let ended = run("").success().text();
        assert!(ended.ends_with(&here) && !ended.starts_with("bluefish"), "{ended}");
    }
    run("-h bluefish").fails(125, &format!("queue: bluefish: cannot enter {here}: no such file or directory"));
    hide(&cluster, "onefish", &directory);
    assert_eq!(run("").success().text(), format!("redfish\n{here}"));
    // It is there while we enter it, and nobody else has it.
    let script = format!("cd {here} && mount -t tmpfs none {} && exec queue -n -- true", directory.display());
    let nowhere = cluster.exec("redfish", &["sh", "-c", &script]);
    nowhere.fails(125, &format!("queue: no host has the directory {here}: missing on bluefish, onefish, redfish"));
}

#[test]
fn a_client_that_was_stopped_until_its_place_was_given_away_is_placed_again() {
    let cluster = Cluster::up(2);
    cluster.until_all_are_open();
    // It has a place, and says so before it releases the job: into a pipe that is full.
    let script = "echo once >>ran; cat";
    let mut command =
        cluster.command("redfish", &["queue", "-q", "-n", "-h", "bluefish", "--verbose", "--", "sh", "-c", script]);
    command.current_dir(cluster.shared());
    let client = Halted::start(command);
    let taken = |count: u32| {
        let row = cluster.row("bluefish", "bluefish")?;
        let wait = row.record.state.queues.into_iter().find(|queue| queue.queue == "wait")?;
        (wait.running == count).then_some(())
    };
    until("the client has a slot", PATIENCE, || taken(1));
    until("the slot is given away", PATIENCE, || taken(0));
    let (output, said) = client.end_with(b"what is typed");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"what is typed"[..]), "{said}");
    assert_eq!(std::fs::read_to_string(cluster.shared().join("ran")).expect("it ran"), "once\n");
    assert_eq!(said.matches("queue: on bluefish").count(), 2, "it was placed twice");
}
