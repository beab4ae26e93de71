//! What a queue's profile says that its jobs may use.

use queue_tests::process::Process;

use crate::here::Here;
use crate::queue::{profile, row};

const SHOW: &str = "pwd; nice; ulimit -n; ulimit -Hn";

#[test]
fn jobs_and_sessions_run_on_the_terms_of_their_queue() {
    let here = Here::new();
    profile(&here, "night", "loadsched = \"none\"\nnice = 7\nrlimitnofile = [64, 128]\nchdir = \"home\"\n");
    let shown = format!("{}\n7\n64\n128\n", here.path("").display().to_string().trim_end_matches('/'));
    let id = here.script(&["-d", "night", "--chdir", "/"], SHOW);
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(String::from_utf8_lossy(&here.output(id)), shown);
    let mut command = here.login.command(queue_tests::programs::queue());
    command.args(["-n", "-d", "night", "--", "sh", "-c", SHOW]).current_dir("/");
    assert_eq!(Process::start(command).end().success().text(), shown.trim_end());
    // Without a word of its queue a job has what its caller has.
    let own = here.shell(SHOW).success().text();
    assert_eq!(here.queue(&["-n", "--", "sh", "-c", SHOW]).success().text(), own);
}

#[test]
fn a_job_whose_time_is_over_is_ended_and_everybody_says_why() {
    let here = Here::new();
    let id = here.script(&["--time", "1s", "--grace", "5", "--mail", "none"], "exec sleep 3600");
    let waited = here.queue(&["wait", &id.to_string()]);
    assert_eq!(waited.code(), Some(128 + 15));
    assert_eq!(waited.errors(), format!("queue: job {id} was killed: time limit 1 s on redfish"));
    let row = here.show(id);
    let detail = "killed: time limit 1 s on redfish";
    assert_eq!((&row["state"], &row["signal"], &row["detail"]), (&"finished".into(), &"TERM".into(), &detail.into()));
    assert_eq!(row["limits"], serde_json::json!({"time": {"seconds": 1, "grace_s": 5}}));
    let shown = here.queue(&["show", &id.to_string()]).success().text();
    assert!(shown.contains("finished TERM (killed: time limit 1 s on redfish)"), "{shown}");
    assert!(shown.lines().any(|line| line.ends_with("1 s, grace 5 s")), "{shown}");
    // What a listing has of it is submitted again.
    let again = here.shell(&format!("queue list {id} --json | queue submit --hold --parsable")).success().text();
    assert_eq!(here.show(again.parse().expect("an id"))["limits"], row["limits"]);
}

#[test]
fn a_session_whose_time_is_over_ends_by_its_signal_and_says_why() {
    let here = Here::new();
    profile(&here, "now", "time-limit = \"1s\"\n");
    let ended = here.queue(&["-n", "--", "sleep", "3600"]);
    assert_eq!(ended.signal(), Some(15));
    assert_eq!(ended.errors(), "queue: killed: time limit 1 s on redfish");
    // Its own time goes before that of its queue.
    here.queue(&["-n", "--time", "1h", "--", "sleep", "1.5"]).success();
}

#[test]
fn a_job_that_runs_is_given_another_time_and_one_that_waits_is_not() {
    let here = Here::new();
    profile(&here, "night", "loadsched = \"none\"\nmax-time-limit = \"2h\"\n");
    let id = here.script(&["-d", "night", "--time", "1h", "--grace", "0", "--mail", "none"], "exec sleep 3600");
    here.until(id, "running");
    let more = here.queue(&["update", &id.to_string(), "time=3h"]);
    let why = "a time limit of 3 h is more than queue \"night\" gives here (at most 2 h)";
    assert!(more.errors().contains(why), "{}", more.errors());
    assert_ne!(more.code(), Some(0));
    here.queue(&["update", &id.to_string(), "time=1s"]).success();
    assert_eq!(here.wait(&[id]), 128 + 15);
    assert_eq!(here.show(id)["detail"], "killed: time limit 1 s on redfish");
    let held = here.script(&["--hold"], "true");
    let refused = here.queue(&["update", &held.to_string(), "time=3h"]);
    assert!(
        refused.errors().contains("its time limit is signed: cancel it and submit it again"),
        "{}",
        refused.errors()
    );
}

#[test]
fn who_asks_for_more_time_than_the_queue_gives_hears_it() {
    let here = Here::new();
    profile(&here, "night", "loadsched = \"none\"\nmax-time-limit = \"1h\"\n");
    let why = "a time limit of 2 h is more than queue \"night\" gives here (at most 1 h)";
    let refused = here.queue(&["-n", "-d", "night", "--time", "2h", "--", "true"]);
    assert_eq!(refused.code(), Some(64), "{}", refused.errors());
    assert!(refused.errors().contains(why), "{}", refused.errors());
    here.queue(&["-n", "--warn", "USR1@1m", "--", "true"]).fails(64, "queue: --warn has a meaning only with --time");
}

#[test]
fn a_job_that_has_too_much_memory_is_killed_and_everybody_says_why() {
    let here = Here::new();
    let three = "for i in 1 2 3; do head -c 40000000 /dev/zero | tail -c 40000000 | sleep 3600 & done; wait";
    let id = here.script(&["--mem", "96M", "--mail", "none"], three);
    let waited = here.queue(&["wait", &id.to_string()]);
    assert_eq!(waited.code(), Some(128 + 9));
    let said = format!("queue: job {id} was killed: memory limit 96 MiB on redfish, peak 1");
    assert!(waited.errors().starts_with(&said), "{}", waited.errors());
    let shown = here.queue(&["show", &id.to_string()]).success().text();
    assert!(shown.contains("memory 96 MiB (address space 96 MiB, all watched)"), "{shown}");
    let again = here.shell(&format!("queue list {id} --json | queue submit --hold --parsable")).success().text();
    assert_eq!(here.show(again.parse().expect("an id"))["limits"], serde_json::json!({"memory": 96 << 20}));
    // A queue's word is for sessions too.
    profile(&here, "now", "max-memory = \"96M\"\n");
    row(&here, "now");
    let ended = here.queue(&["-n", "--", "sh", "-c", three]);
    assert_eq!(ended.signal(), Some(9));
    assert!(ended.errors().starts_with("queue: killed: memory limit 96 MiB on redfish, peak 1"), "{}", ended.errors());
    let why = "a memory limit of 8 GiB is more than queue \"now\" gives here (at most 96 MiB)";
    let refused = here.queue(&["-n", "--mem", "8G", "--", "true"]);
    assert!(refused.errors().contains(why), "{}", refused.errors());
}
