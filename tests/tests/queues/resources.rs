//! What a host offers is counted there and handed out by name, in batch jobs and on terminals alike.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::{HOST, Here};
use crate::queue::{profile, row};

const TELL: &str = "echo $CUDA_VISIBLE_DEVICES/$QUEUE_OFFER_GPU/$QUEUE_CPUS";

fn why(here: &Here, id: u64) -> String {
    here.queue(&["why", &id.to_string()]).success().text()
}

/// What the host itself tells of an offer: how much is free.
fn free(here: &Here, name: &str) -> Option<u64> {
    let said = here.queue(&["hosts", "--json"]).success().stdout;
    let answer: serde_json::Value = serde_json::from_slice(&said).expect("JSON as documented");
    let offers = answer["hosts"][0]["state"]["offers"].as_array().cloned().unwrap_or_default();
    offers.iter().find(|offer| offer["name"] == name).and_then(|offer| offer["free"].as_u64())
}

fn until_offered(here: &Here, name: &str, amount: u64) {
    until("it is offered", PATIENCE, || (free(here, name) == Some(amount)).then_some(()));
}

#[test]
fn two_jobs_of_one_gpu_run_one_after_the_other_also_over_a_restart() {
    let here = Here::new();
    profile(&here, "night", "maxexec = 4\nloadsched = \"none\"\noffer = { gpu = [\"7\"] }\n");
    until_offered(&here, "gpu", 1);
    here.gate("gate");
    let options = ["--mail", "none", "-d", "night", "--need", "gpu=1", "--cpus", "2"];
    let first = here.script(&options, &format!("{TELL}; read line <gate; true"));
    here.until(first, "running");
    let second = here.script(&options, TELL);
    let taken = format!("gpu: 1 of 1 taken by job {first}@{HOST}");
    until("it waits for the GPU", PATIENCE, || why(&here, second).contains(&taken).then_some(()));
    assert_eq!((row(&here, "night")["running"].clone(), free(&here, "gpu")), (2.into(), Some(0)));
    let said = why(&here, second);
    assert!(said.contains(") needs gpu=1 and 2 CPUs; it waits: "), "{said}");
    // Who needs none goes on.
    let other = here.script(&["--mail", "none", "-d", "night"], TELL);
    assert_eq!(here.wait(&[other]), 0);
    assert_eq!(here.output(other), b"//1\n");
    for daemon in here.login.daemons() {
        kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it is there");
    }
    until("the next daemon knows who has it", PATIENCE, || why(&here, second).contains(&taken).then_some(()));
    assert_eq!((row(&here, "night")["running"].clone(), free(&here, "gpu")), (2.into(), Some(0)));
    assert_eq!(here.show(second)["state"], "pending");
    here.open("gate");
    assert_eq!(here.wait(&[first, second]), 0);
    assert_eq!((here.output(first), here.output(second)), (b"7/7/2\n".to_vec(), b"7/7/2\n".to_vec()));
    assert_eq!((row(&here, "night")["running"].clone(), free(&here, "gpu")), (0.into(), Some(1)));
}

#[test]
fn a_session_has_its_devices_and_waits_for_them_like_a_job() {
    let here = Here::with("[mail]\nsendmail = \"none\"\n[offer]\ngpu = [\"a\", \"b\"]\nraid = true\n");
    until_offered(&here, "gpu", 2);
    here.gate("gate");
    let script = format!("{TELL}; read line <gate; true");
    let job = here.script(&["--mail", "none", "--need", "gpu=1"], &script);
    here.until(job, "running");
    let told = here.queue(&["--need", "gpu=1", "--need", "raid", "--", "sh", "-c", TELL]).success().text();
    assert_eq!(told, "b/b/1");
    let full = here.queue(&["--on-full", "fail", "--need", "gpu=2", "--", "true"]);
    full.fails(75, &format!("queue: {HOST}: gpu: 1 of 2 taken by job {job}@{HOST}, 2 needed"));
    let waits = here.start(&["--need", "gpu=2", "--", "sh", "-c", TELL]);
    here.open("gate");
    let ended = waits.end_within(PATIENCE * 2);
    assert_eq!(ended.success().text(), "a,b/a,b/1");
    assert_eq!((here.wait(&[job]), here.output(job)), (0, b"a/a/1\n".to_vec()));
    let lost = here.start(&["--need", "gpu=b", "--", "sh", "-c", "kill -9 $$"]);
    lost.end_within(PATIENCE);
    until("a job that was killed has none", PATIENCE, || (free(&here, "gpu") == Some(2)).then_some(()));
}

#[test]
fn what_could_never_run_is_refused_at_submission() {
    let here = Here::new();
    profile(&here, "night", "maxexec = 4\nmax-cpus = 3\noffer = { gpu = 2, scratch = \"900GiB\" }\n");
    until_offered(&here, "gpu", 2);
    for (options, words) in [
        (&["--need", "tape"][..], "no tape is offered"),
        (&["--need", "gpu=3"], "gpu: 2 offered, 3 needed"),
        (&["--need", "scratch>=1TiB"], "scratch: 900 GiB offered, 1 TiB needed"),
        (&["--need", "os=plan9"], "os is linux, not plan9"),
        (&["--cpus", "4"], "queue \"night\" allows 3 CPUs a job, 4 needed"),
    ] {
        let batch = [&["-r", "-d", "night"], options, &["--", "true"]].concat();
        here.queue(&batch).fails(125, &format!("queue: {HOST}: {words}"));
        let now = [&["-d", "night"], options, &["--", "true"]].concat();
        here.queue(&now).fails(125, &format!("queue: {HOST}: {words}"));
    }
    assert_eq!(here.queue(&["list"]).success().text().lines().count(), 0, "nothing was submitted");
    std::fs::write(here.path("jobs.yaml"), "- command: echo $QUEUE_OFFER_GPU\n  need: [gpu=2, os=linux]\n  cpus: 3\n")
        .expect("ours");
    let id = here.queue(&["submit", "-d", "night", "jobs.yaml"]).success().text().parse().expect("an id");
    assert_eq!((here.wait(&[id]), here.output(id)), (0, b"2\n".to_vec()));
    let again = format!("queue show {id} --json | queue submit");
    let again = here.shell(&again).success().text().parse().expect("an id");
    assert_eq!((here.wait(&[again]), here.output(again)), (0, b"2\n".to_vec()), "it needs what it needed");
}

#[test]
fn a_queue_speaks_for_jobs_that_say_nothing() {
    let here = Here::new();
    let text =
        "maxexec = 4\nloadsched = \"none\"\nneeds = [\"gpu=1\"]\ncpus = 2\noffer = { gpu = [\"x\", \"y\", \"z\"] }\n";
    profile(&here, "night", text);
    until_offered(&here, "gpu", 3);
    let usual = here.script(&["--mail", "none", "-d", "night"], TELL);
    let own = here.script(&["--mail", "none", "-d", "night", "--need", "gpu=2", "--cpus", "1"], TELL);
    assert_eq!(here.wait(&[usual, own]), 0);
    let said =
        |id| String::from_utf8_lossy(&here.output(id)).trim().split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((said(usual)[1].as_str(), said(own)[1].as_str()), ("2", "1"));
    assert_eq!((said(usual)[0].len(), said(own)[0].len()), (1, 3), "one device, and two with a comma");
}

#[cfg(feature = "root")]
#[test]
fn a_job_goes_to_the_host_that_offers_what_it_needs() {
    use queue_tests::cluster::Cluster;
    let cluster = Cluster::up(2);
    let directory = cluster.state("bluefish").join("spool/wait");
    std::fs::create_dir_all(&directory).expect("ours");
    std::fs::write(directory.join("profile.toml"), "offer = { gpu = [\"0\"] }\n").expect("ours");
    until("redfish knows", PATIENCE * 3, || {
        let offers = cluster.row("redfish", "bluefish")?.record.state.offers;
        offers.iter().any(|offer| offer.name == "gpu" && offer.free == 1).then_some(())
    });
    for _ in 0..3 {
        let words = ["-r", "--mail", "none", "--need", "gpu=1", "--", "sh", "-c", "hostname; echo $QUEUE_OFFER_GPU"];
        let id = cluster.queue("redfish", &words).success().text();
        assert_eq!(cluster.spawn("redfish", &["queue", "wait", &id]).end_within(PATIENCE * 3).code(), Some(0));
        assert_eq!(cluster.queue("redfish", &["logs", &id]).text(), "bluefish\n0");
        let now = cluster.queue("redfish", &["--need", "gpu=1", "--", "hostname"]).success().text();
        assert_eq!(now, "bluefish");
    }
    let long = ["-r", "--mail", "none", "--need", "gpu=1", "--", "sleep", "1000"];
    let has_it = cluster.queue("redfish", &long).success().text();
    let waits = cluster.queue("redfish", &["-r", "--mail", "none", "--need", "gpu=1", "--", "true"]).success().text();
    until("why says it per host", PATIENCE, || {
        let why = cluster.queue("redfish", &["why", &waits]).success().text();
        (why.contains("gpu: 1 of 1 taken") && why.contains("no gpu is offered")).then_some(())
    });
    cluster.queue("redfish", &["cancel", &has_it]).success();
    assert_eq!(cluster.spawn("redfish", &["queue", "wait", &waits]).end_within(PATIENCE * 3).code(), Some(0));
    until("everybody is known", PATIENCE * 3, || {
        let said = cluster.queue("redfish", &["-r", "--mail", "none", "--need", "gpu=2", "--", "true"]);
        (said.code() == Some(125))
            .then(|| String::from_utf8_lossy(&said.stderr).into_owned())
            .filter(|words| words.contains("bluefish: gpu: 1 offered, 2 needed; redfish: no gpu is offered"))
    });
}
