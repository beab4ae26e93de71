//! What queues and jobs say of limits, as jobs feel it.

use std::fs;
use std::time::Duration;

use queued::link::{AttemptWord, Bounds, Directory, FromRunner, Terms, ToRunner};
use wire::api::RefusalKind;
use wire::job::{Descriptor, Limit, TimeLimit, Warn};
use wire::session::{Control, Outcome, StartInfo};

use crate::batch::{
    directory, ended, job, key, last_word, lives, number_in, preparation, prepare, release, started, until, word,
};
use crate::host::Host;

fn terms() -> Terms {
    let nofile = Bounds { name: "nofile".into(), soft: Some(60), hard: Some(80) };
    let core = Bounds { name: "core".into(), soft: Some(7 << 10), hard: None };
    let chdir = Some(Directory::Path("/usr".into()));
    Terms { nice: Some(11), limits: vec![nofile, core], chdir, ..Terms::default() }
}

const SHOW: &str = "pwd; nice; ulimit -n; ulimit -Hn; ulimit -c; ulimit -n 81 2>/dev/null || echo not raised";
const SHOWN: &str = "/usr\n11\n50\n80\n14\nnot raised\n";

#[test]
fn a_batch_job_runs_on_the_terms_of_its_queue() {
    let mut host = Host::new("terms-batch");
    let mut job = job(&host, SHOW);
    job.limits = vec![Limit { name: "nofile".into(), soft: Some(50) }];
    let mut preparation = preparation(&host, job, &key(1));
    preparation.terms = terms();
    release(&mut host, preparation);
    assert_eq!(ended(&mut host, &key(1)).0, Outcome::Exited(0));
    assert_eq!(fs::read_to_string(directory(&host, &key(1)).join("stdout")).expect("its output"), SHOWN);
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_session_runs_on_the_terms_of_its_queue() {
    let mut host = Host::new("terms-session");
    let mut job = host.job(&["sh", "-c", SHOW], [Descriptor::Pipe; 3]);
    job.limits = vec![Limit { name: "nofile".into(), soft: Some(50) }];
    let warrant = host.warrant(&job);
    let session = host.prepare_with(job, warrant, terms()).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    assert_eq!(String::from_utf8_lossy(&client.see_it_through().stdout), SHOWN);
}

/// A time limit in these seconds.
fn time(seconds: u64, grace_s: u64) -> Option<TimeLimit> {
    Some(TimeLimit { seconds, warn: None, grace_s: Some(grace_s) })
}

/// The last word about an attempt: how it ended, and for which limit.
fn limited(host: &mut Host) -> (Outcome, Option<String>) {
    let last = match word(host, &key(1)) {
        AttemptWord::Ended { end, .. } => (end.outcome, end.limit),
        other => panic!("{other:?} instead of Ended"),
    };
    host.tell(&ToRunner::Settle(key(1)));
    last
}

fn killed(signal: &str) -> Outcome {
    Outcome::Killed { signal: signal.into(), core: false }
}

/// A job whose grandchild has left its group, its session and its parent, is deaf to TERM, and writes its number there.
fn with_deaf_grandchild(path: &std::path::Path) -> String {
    let deaf = format!("trap \"\" TERM; echo $$ >{}; while :; do sleep 0.01; done", path.display());
    format!("(setsid sh -c '{deaf}' &); exec sleep 3600")
}

#[test]
fn a_batch_job_ends_with_its_time_and_with_it_all_that_it_started() {
    let mut host = Host::new("time-batch");
    let path = host.path("deaf");
    let mut job = job(&host, &with_deaf_grandchild(&path));
    job.time = time(2, 0);
    started(&mut host, job, &key(1));
    let deaf = number_in(&path);
    assert_eq!(limited(&mut host), (killed("TERM"), Some("time limit 2 s on redfish".into())));
    assert!(!lives(deaf), "it did not hear TERM and got away");
}

#[test]
fn nobody_takes_the_exit_code_of_a_job_whose_time_was_over_for_a_success() {
    let mut host = Host::new("time-code");
    let mut job = job(&host, "trap 'echo cleaned; exit 0' TERM; while :; do sleep 0.01; done");
    job.time = time(1, 30);
    started(&mut host, job, &key(1));
    assert_eq!(limited(&mut host).0, killed("TERM"));
    assert_eq!(fs::read_to_string(directory(&host, &key(1)).join("stdout")).expect("its output"), "cleaned\n");
}

#[test]
fn a_warning_comes_before_the_end_and_goes_to_the_group() {
    let mut host = Host::new("time-warning");
    let mut job = job(&host, "trap 'echo warned; exit 7' USR1; while :; do sleep 0.01; done");
    job.time =
        Some(TimeLimit { seconds: 600, warn: Some(Warn { signal: "USR1".into(), before_s: 599 }), grace_s: None });
    started(&mut host, job, &key(1));
    assert_eq!(limited(&mut host), (Outcome::Exited(7), None));
}

#[test]
fn another_time_is_kept_to_while_it_runs_and_no_runner_is_needed_for_it() {
    let mut host = Host::new("time-other");
    let mut job = job(&host, "exec sleep 3600");
    job.time = time(3600, 0);
    started(&mut host, job, &key(1));
    let limit = TimeLimit { seconds: 2, warn: None, grace_s: None };
    host.tell(&ToRunner::Time { key: key(1), limit });
    // What is asked behind it is answered behind it: the leader has heard it.
    host.tell(&ToRunner::AskLengths { request: 5, key: key(1) });
    assert!(matches!(host.hear(), FromRunner::Lengths { request: 5, .. }));
    host.kill_runner();
    match last_word(&mut host) {
        AttemptWord::Ended { end, .. } => {
            assert_eq!((end.outcome, end.limit), (killed("TERM"), Some("time limit 2 s on redfish".into())));
        }
        other => panic!("{other:?} instead of Ended"),
    }
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn time_in_which_the_queue_has_a_job_suspended_does_not_count() {
    let mut host = Host::new("time-suspended");
    let mut job = job(&host, "exec sleep 3600");
    job.time = time(2, 0);
    let pid = started(&mut host, job, &key(1));
    let begun = sys::host::since_boot();
    host.tell(&ToRunner::Suspended([("now".to_owned(), "is suspended".to_owned())].into()));
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    until(|| stat().contains(") T "), "it is suspended");
    until(|| sys::host::since_boot() > begun + Duration::from_millis(2500), "its time would be over");
    assert!(stat().contains(") T "), "it was ended while it could not run: {}", stat());
    host.tell(&ToRunner::Suspended([].into()));
    assert_eq!(limited(&mut host), (killed("TERM"), Some("time limit 2 s on redfish".into())));
    assert!(sys::host::since_boot() > begun + Duration::from_secs(4), "it has not had its two seconds");
}

#[test]
fn a_session_ends_with_its_time_and_its_terminal_is_told_before() {
    let mut host = Host::new("time-session");
    let path = host.path("deaf");
    let mut job = host.job(&["sh", "-c", &with_deaf_grandchild(&path)], [Descriptor::Pipe; 3]);
    job.time = Some(TimeLimit { seconds: 2, warn: Some(Warn { signal: "URG".into(), before_s: 1 }), grace_s: Some(0) });
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    let seen = client.see_it_through();
    let notice = Control::Notice("the time limit is reached in 1 s; the command got URG".into());
    assert!(seen.control.contains(&notice), "{:?}", seen.control);
    match seen.control.last() {
        Some(Control::End(end)) => {
            assert_eq!((&end.outcome, end.limit.as_deref()), (&killed("TERM"), Some("time limit 2 s on redfish")));
        }
        other => panic!("{other:?} instead of End"),
    }
    assert!(!lives(number_in(&path)), "it did not hear TERM and got away");
}

#[test]
fn a_job_that_asks_for_more_time_than_its_queue_gives_is_refused() {
    let mut host = Host::new("time-most");
    let mut job = job(&host, "true");
    job.time = time(7200, 0);
    let mut preparation = preparation(&host, job, &key(1));
    preparation.terms = Terms { most_time_s: Some(3600), ..Terms::default() };
    let refused = prepare(&mut host, preparation).expect_err("too long");
    assert_eq!(refused.kind, RefusalKind::Usage);
    assert_eq!(refused.message, "a time limit of 2 h is more than queue \"now\" gives here (at most 1 h)");
}

/// Three processes with 40 MB each, and little address space.
const THREE_TIMES_40_MB: &str =
    "for i in 1 2 3; do head -c 40000000 /dev/zero | tail -c 40000000 | sleep 3600 & done; ulimit -v; wait";
const MEMORY: u64 = 96 << 20;

#[test]
fn a_batch_job_whose_processes_together_take_too_much_memory_is_ended() {
    let mut host = Host::new("memory-batch");
    let mut job = job(&host, THREE_TIMES_40_MB);
    job.memory = Some(MEMORY);
    started(&mut host, job, &key(1));
    let (outcome, limit) = limited(&mut host);
    assert_eq!(outcome, killed("KILL"));
    let limit = limit.expect("it did not end by itself");
    assert!(limit.starts_with("memory limit 96 MiB on redfish, peak 1"), "{limit}");
    let output = fs::read_to_string(directory(&host, &key(1)).join("stdout")).expect("its output");
    assert_eq!(output, format!("{}\n", MEMORY >> 10), "its address space");
}

#[test]
fn a_session_is_watched_by_the_next_runner_too() {
    let mut host = Host::new("memory-session");
    let gate = host.path("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    let script = format!("read line <{}; {THREE_TIMES_40_MB}", gate.display());
    let mut job = host.job(&["sh", "-c", &script], [Descriptor::Pipe; 3]);
    job.memory = Some(MEMORY);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    assert!(client.until(|seen| seen.control.contains(&Control::Started)));
    host.replace_runner();
    client.resume(&host);
    fs::write(&gate, "go\n").expect("the job reads");
    let seen = client.see_it_through();
    match seen.control.last() {
        Some(Control::End(end)) => {
            assert_eq!(end.outcome, killed("KILL"));
            let limit = end.limit.as_deref().unwrap_or_default();
            assert!(limit.starts_with("memory limit 96 MiB on redfish, peak 1"), "{limit}");
        }
        other => panic!("{other:?} instead of End"),
    }
}

#[test]
fn what_processes_share_counts_once() {
    let mut host = Host::new("memory-shared");
    // A shell with 15 MB and its four children, which have the same pages: more than the limit, if each counted.
    let script =
        "x=$(head -c 15000000 /dev/zero | tr '\\0' x); for i in 1 2 3 4; do (sleep 2.5; :) & done; wait; echo ${#x}";
    let mut job = job(&host, script);
    job.memory = Some(64 << 20);
    started(&mut host, job, &key(1));
    assert_eq!(limited(&mut host), (Outcome::Exited(0), None));
    let output = fs::read_to_string(directory(&host, &key(1)).join("stdout")).expect("its output");
    assert_eq!(output, "15000000\n");
}
