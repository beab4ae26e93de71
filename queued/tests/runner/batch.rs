//! Attempts of batch jobs, from the check to the word that their end is on disk.

use std::fs;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use queued::link::{AttemptKey, AttemptWord, FromRunner, Gone, PrepareAttempt, Terms, ToRunner};
use wire::ByteString;
use wire::api::{Refusal, RefusalKind};
use wire::batch::{Batch, Variant, Wishes};
use wire::job::{Descriptor, Job};
use wire::session::Outcome;

use crate::host::Host;

pub fn key(attempt: u64) -> AttemptKey {
    AttemptKey { home: "bluefish".into(), job_id: 4711, attempt }
}

/// The directory of an attempt.
pub fn directory(host: &Host, key: &AttemptKey) -> PathBuf {
    host.path(&format!("jobs/{}/{}/{}.{}", key.home, key.job_id / 1000, key.job_id, key.attempt))
}

/// A batch job that runs this text with sh.
pub fn job(host: &Host, text: &str) -> Job {
    let mut job = host.job(&["sh", "-c", text], [Descriptor::Client; 3]);
    job.batch = Some(Batch::default());
    job
}

/// A message that has an attempt made ready.
pub fn preparation(host: &Host, job: Job, key: &AttemptKey) -> PrepareAttempt {
    let warrant = host.warrant(&job);
    let wishes = Wishes { name: Some("nightly".into()), tags: vec!["a".into(), "b".into()], ..Wishes::default() };
    let (key, submitted_us) = (key.clone(), 1_700_000_000_000_000);
    let (lease_ms, bin, taken) = (None, None, Default::default());
    PrepareAttempt {
        request: 1,
        key,
        job,
        warrant,
        wishes,
        submitted_us,
        lease_ms,
        bin,
        taken,
        terms: Terms::default(),
    }
}

pub fn prepare(host: &mut Host, prepare: PrepareAttempt) -> Result<(), Refusal> {
    host.tell(&ToRunner::PrepareAttempt(Box::new(prepare)));
    match host.hear() {
        FromRunner::Prepared { request: 1, refusal: None } => Ok(()),
        FromRunner::Prepared { request: 1, refusal: Some(refusal) } => Err(refusal),
        other => panic!("{other:?} instead of Prepared"),
    }
}

/// The next word about this attempt.
pub fn word(host: &mut Host, wanted: &AttemptKey) -> AttemptWord {
    match host.hear() {
        FromRunner::Attempt { key, word } if key == *wanted => word,
        other => panic!("{other:?} instead of a word about {wanted:?}"),
    }
}

/// Has a job start.
pub fn started(host: &mut Host, job: Job, key: &AttemptKey) -> i32 {
    let preparation = preparation(host, job, key);
    release(host, preparation)
}

pub fn release(host: &mut Host, preparation: PrepareAttempt) -> i32 {
    let key = preparation.key.clone();
    prepare(host, preparation).expect("a good job");
    host.tell(&ToRunner::Release(key.clone()));
    match word(host, &key) {
        AttemptWord::Started { pid } => pid,
        other => panic!("{other:?} instead of Started"),
    }
}

/// Outcome, processes left over, lengths.
pub type Ended = (Outcome, u32, [Option<u64>; 2]);

pub fn ended(host: &mut Host, key: &AttemptKey) -> Ended {
    match word(host, key) {
        AttemptWord::Ended { end, left_over, lengths } => (end.outcome, left_over, lengths),
        other => panic!("{other:?} instead of Ended"),
    }
}

/// Runs a job to its end and settles it.
fn run(host: &mut Host, job: Job) -> Ended {
    started(host, job, &key(1));
    let ended = ended(host, &key(1));
    host.tell(&ToRunner::Settle(key(1)));
    ended
}

/// The last word about the one attempt that the next runner adopts, which it has when it says Hello or
/// hears right after it.
pub fn last_word(host: &mut Host) -> AttemptWord {
    match host.start_runner() {
        FromRunner::Hello { mut attempts, .. } if attempts.len() == 1 && attempts[0].0 == key(1) => {
            match attempts.remove(0).1 {
                AttemptWord::Started { .. } => word(host, &key(1)),
                word => word,
            }
        }
        other => panic!("{other:?} instead of Hello with one attempt"),
    }
}

fn exited(code: u8) -> Outcome {
    Outcome::Exited(code)
}

/// Waits until this holds.
pub fn until(mut holds: impl FnMut() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// What a job wrote with `echo $$`, once it has.
pub fn number_in(path: &std::path::Path) -> i32 {
    let mut number = None;
    let mut read = || {
        number =
            fs::read_to_string(path).ok().filter(|text| text.ends_with('\n')).and_then(|text| text.trim().parse().ok());
        number.is_some()
    };
    until(&mut read, "the job writes its number");
    number.expect("it is there")
}

#[test]
fn output_is_in_its_files_when_the_end_is_told() {
    let mut host = Host::new("batch-output");
    let script = job(&host, "cat; echo out; echo err >&2; exit 42");
    assert_eq!(run(&mut host, script), (exited(42), 0, [Some(4), Some(4)]));
    let directory = directory(&host, &key(1));
    assert_eq!(fs::read_to_string(directory.join("stdout")).expect("there"), "out\n");
    assert_eq!(fs::read_to_string(directory.join("stderr")).expect("there"), "err\n");
}

#[test]
fn a_batch_job_dies_of_its_signal() {
    let mut host = Host::new("batch-signal");
    let script = job(&host, "kill -KILL $$");
    let killed = Outcome::Killed { signal: "KILL".into(), core: false };
    assert_eq!(run(&mut host, script), (killed, 0, [Some(0), Some(0)]));
}

#[test]
fn what_is_left_behind_is_killed_and_counted() {
    let mut host = Host::new("batch-left");
    let file = host.path("left");
    let text = format!(
        "(trap '' TERM; sleep 100 & setsid sleep 100 & wait) & setsid sh -c 'echo $$ >{}; exec sleep 100' & \
                        while ! [ -s {} ]; do :; done",
        file.display(),
        file.display()
    );
    let script = job(&host, &text);
    let (outcome, left_over, _) = run(&mut host, script);
    assert_eq!((outcome, left_over >= 2), (exited(0), true), "{left_over}");
    assert!(!lives(number_in(&file)));
}

#[test]
fn variables_say_what_job_it_is() {
    let mut host = Host::new("batch-variables");
    let mut script = job(
        &host,
        "echo $QUEUE/$QUEUE_JOB_ID/$QUEUE_HOST/$QUEUE_HOME_HOST/$QUEUE_ATTEMPT/$QUEUE_JOB_NAME/$QUEUE_JOB_TAGS; \
         echo $RQ_JID/$RQ_STATE/$RQ_TAG/$RQ_RUNNER; test $RQ_PID = $$ && echo own; \
         echo \"$RQ_JOB\" | grep -E '^(jid|state|pid|tag):'; cd $QUEUE_JOB_DIR && ls; echo ${PATH%%:*}; test -f $RQ_STDOUT",
    );
    script.batch.as_mut().expect("batch").rq_variables = true;
    let mut preparation = preparation(&host, script, &key(1));
    preparation.bin = Some("/opt/first".into());
    release(&mut host, preparation);
    assert_eq!(ended(&mut host, &key(1)).0, exited(0));
    host.tell(&ToRunner::Settle(key(1)));
    assert_eq!(
        fs::read_to_string(directory(&host, &key(1)).join("stdout")).expect("there"),
        "r/4711/redfish/bluefish/1/nightly/a b\n4711/running/a/redfish\nown\n\
         jid: 4711\nstate: \"running\"\npid: null\ntag: \"a\"\nstderr\nstdout\n/opt/first\n"
    );
}

#[test]
fn output_goes_to_files_of_the_users_in_its_order() {
    let mut host = Host::new("batch-named");
    let named = host.path("out.%j.%a.%h%%");
    let pattern = ByteString::from(named.as_os_str().to_owned());
    let file = host.path("out.4711.1.redfish%");
    fs::write(&file, "of an earlier run, and much longer than what comes now").expect("writable");
    let mut script = job(&host, "echo one; echo two >&2; echo three");
    let batch = script.batch.as_mut().expect("batch");
    (batch.stdout, batch.stderr) = (Some(pattern.clone()), Some(pattern));
    let preparation = preparation(&host, script, &key(1));
    prepare(&mut host, preparation).expect("a good job");
    assert!(fs::read_to_string(&file).expect("there").starts_with("of an"), "nothing has been started");
    host.tell(&ToRunner::Release(key(1)));
    assert!(matches!(word(&mut host, &key(1)), AttemptWord::Started { .. }));
    assert_eq!(ended(&mut host, &key(1)), (exited(0), 0, [None, None]));
    host.tell(&ToRunner::Settle(key(1)));
    assert_eq!(fs::read_to_string(&file).expect("there"), "one\ntwo\nthree\n");
}

#[test]
fn a_withdrawn_attempt_leaves_nothing() {
    let mut host = Host::new("batch-withdrawn");
    let ran = host.path("ran");
    let script = job(&host, &format!("touch {}", ran.display()));
    let again = preparation(&host, script.clone(), &key(1));
    let preparation = preparation(&host, script, &key(1));
    prepare(&mut host, preparation).expect("a good job");
    assert_eq!(host.leaders().len(), 1);
    host.tell(&ToRunner::Withdraw(key(1)));
    until(|| host.leaders().is_empty(), "the leader leaves");
    let place = directory(&host, &key(1));
    let fresh = place.with_extension("1.new");
    until(|| !place.exists() && !fresh.exists(), "its directory is removed");
    host.tell(&ToRunner::Release(key(1)));
    assert!(matches!(word(&mut host, &key(1)), AttemptWord::NotStarted(_)));
    // That was an answer for ever.
    let refusal = prepare(&mut host, again).expect_err("it will never be started");
    assert!(refusal.message.contains("attempt 1"), "{}", refusal.message);
    assert!(!ran.exists());
}

#[test]
fn an_attempt_is_started_once_and_an_earlier_one_never_after_it() {
    let mut host = Host::new("batch-once");
    let script = job(&host, "exit 0");
    for attempt in [2, 1] {
        let preparation = preparation(&host, script.clone(), &key(attempt));
        if attempt == 2 {
            release(&mut host, preparation);
            ended(&mut host, &key(2));
            host.tell(&ToRunner::Settle(key(2)));
        } else {
            prepare(&mut host, preparation).expect_err("a later one ran");
        }
    }
    // Also by a runner that remembers nothing.
    until(|| host.leaders().is_empty(), "the leader leaves");
    host.replace_runner();
    let preparation = preparation(&host, script, &key(2));
    prepare(&mut host, preparation).expect_err("it ran");
}

#[test]
fn what_another_daemon_had_not_released_is_dropped() {
    let mut host = Host::new("batch-daemon");
    let script = job(&host, "exit 0");
    let first = preparation(&host, script.clone(), &key(1));
    prepare(&mut host, first).expect("a good job");
    match host.replace_daemon() {
        FromRunner::Hello { attempts, since_boot_ms, .. } => {
            assert_eq!(attempts, []);
            assert!(since_boot_ms > 0);
        }
        other => panic!("{other:?} instead of Hello"),
    }
    let second = preparation(&host, script, &key(1));
    release(&mut host, second);
    assert_eq!(ended(&mut host, &key(1)).0, exited(0));
    match host.replace_daemon() {
        FromRunner::Hello { attempts, queues, .. } => {
            assert!(matches!(&attempts[..], [(_, AttemptWord::Ended { .. })]));
            assert_eq!(queues, [(key(1), "now".to_owned())]);
        }
        other => panic!("{other:?} instead of Hello"),
    }
    host.tell(&ToRunner::Settle(key(1)));
    until(|| host.leaders().is_empty(), "the leader leaves");
    match host.replace_daemon() {
        FromRunner::Hello { attempts, .. } => assert_eq!(attempts, []),
        other => panic!("{other:?} instead of Hello"),
    }
}

#[test]
fn stop_ends_a_whole_tree_that_does_not_want_to() {
    let mut host = Host::new("batch-stop");
    let file = host.path("pid");
    let text = format!(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >{}; while :; do sleep 100; done' & while :; do sleep 1; done",
        file.display()
    );
    let script = job(&host, &text);
    let first = started(&mut host, script, &key(1));
    let other = number_in(&file);
    host.tell(&ToRunner::Stop { key: key(1), grace_ms: 100 });
    assert_eq!(word(&mut host, &key(1)), AttemptWord::Gone(Gone::Cancelled));
    assert!(!lives(first) && !lives(other));
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_job_that_heeds_a_stop_has_its_grace() {
    let mut host = Host::new("batch-grace");
    let file = host.path("cleaned");
    let ready = host.path("ready");
    let text = format!(
        "trap 'echo up >{}; exit 3' TERM; touch {}; while :; do sleep 0.01; done",
        file.display(),
        ready.display()
    );
    let script = job(&host, &text);
    started(&mut host, script, &key(1));
    until(|| ready.exists(), "the job has its trap");
    host.tell(&ToRunner::Stop { key: key(1), grace_ms: 60_000 });
    assert_eq!(word(&mut host, &key(1)), AttemptWord::Gone(Gone::Cancelled));
    assert_eq!(fs::read_to_string(file).expect("written"), "up\n");
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_signal_reaches_the_group() {
    let mut host = Host::new("batch-signalled");
    let ready = host.path("ready");
    let script = job(&host, &format!("trap 'exit 9' USR1; touch {}; while :; do sleep 0.01; done", ready.display()));
    started(&mut host, script, &key(1));
    until(|| ready.exists(), "the job has its trap");
    host.tell(&ToRunner::SignalAttempt { key: key(1), signal: "USR1".into() });
    assert_eq!(ended(&mut host, &key(1)).0, exited(9));
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_lease_freezes_wakes_and_kills() {
    let mut host = Host::new("batch-lease");
    let script = job(&host, "while :; do sleep 0.01; done");
    let mut preparation = preparation(&host, script, &key(1));
    preparation.lease_ms = Some(4_000);
    let pid = release(&mut host, preparation);
    let is_frozen = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "));
    until(is_frozen, "it is frozen at three quarters");
    host.tell(&ToRunner::Lease { key: key(1), left_ms: 60_000 });
    until(|| !is_frozen(), "it goes on");
    assert!(lives(pid));
    // The leader alone is enough.
    host.tell(&ToRunner::Lease { key: key(1), left_ms: 400 });
    until(is_frozen, "it is frozen again");
    host.kill_runner();
    until(|| !lives(pid), "it is killed");
    assert_eq!(last_word(&mut host), AttemptWord::Gone(Gone::LeaseOver));
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn an_end_survives_the_runner_until_it_is_settled() {
    let mut host = Host::new("batch-adopted");
    let go = host.path("go");
    let script =
        job(&host, &format!("echo before; until test -e {}; do sleep 0.01; done; echo after; exit 5", go.display()));
    let pid = started(&mut host, script, &key(1));
    host.kill_runner();
    match host.start_runner() {
        FromRunner::Hello { attempts, queues, .. } => {
            assert_eq!(attempts, [(key(1), AttemptWord::Started { pid })]);
            assert_eq!(queues, [(key(1), "now".to_owned())]);
        }
        other => panic!("{other:?} instead of Hello"),
    }
    // It ends while nobody is there, and is told by each next runner until it is settled.
    host.kill_runner();
    fs::write(&go, "").expect("writable");
    until(|| !lives(pid), "it ends");
    for _ in 0..2 {
        let word = last_word(&mut host);
        let AttemptWord::Ended { end, lengths, .. } = &word else { panic!("{word:?} instead of Ended") };
        assert_eq!((&end.outcome, lengths), (&exited(5), &[Some(13), Some(0)]));
        host.kill_runner();
    }
    last_word(&mut host);
    host.tell(&ToRunner::Settle(key(1)));
    until(|| host.leaders().is_empty(), "the leader leaves");
    assert!(matches!(host.replace_daemon(), FromRunner::Hello { attempts, .. } if attempts.is_empty()));
}

#[test]
fn a_job_whose_leader_dies_is_lost_and_does_not_go_on() {
    let mut host = Host::new("batch-lost");
    let script = job(&host, "while :; do sleep 0.01; done");
    let pid = started(&mut host, script, &key(1));
    let name = host.leaders().pop().expect("the job's leader");
    let leader = sys::unix::abstract_connect(&name).expect("it listens");
    let leader = sys::credentials::peer(leader.as_fd()).expect("a socket").pid;
    let leader = sys::process::pidfd(leader).expect("it is there");
    sys::process::pidfd_signal(leader.as_fd(), nix::libc::SIGKILL).expect("ours");
    assert_eq!(word(&mut host, &key(1)), AttemptWord::Gone(Gone::Lost));
    until(|| !lives(pid), "its job is killed");
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_stop_that_nobody_waits_for_is_carried_out() {
    let mut host = Host::new("batch-alone");
    let script = job(&host, "trap '' TERM; while :; do sleep 0.01; done");
    let pid = started(&mut host, script, &key(1));
    host.tell(&ToRunner::Stop { key: key(1), grace_ms: 300 });
    // The answer to this says that the order before it was heard.
    host.tell(&ToRunner::AskLengths { request: 5, key: key(1) });
    assert!(matches!(host.hear(), FromRunner::Lengths { request: 5, .. }));
    host.kill_runner();
    until(|| !lives(pid), "it is killed");
    assert_eq!(last_word(&mut host), AttemptWord::Gone(Gone::Cancelled));
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn the_first_variant_that_fits_is_the_command() {
    let mut host = Host::new("batch-variants");
    let variant = |os: &str, text: &str| {
        let argv = ["sh", "-c", text].map(ByteString::from).to_vec();
        Variant { os: os.into(), arch: String::new(), argv }
    };
    let mut script = job(&host, "exit 1");
    let batch = script.batch.as_mut().expect("batch");
    batch.variants = vec![variant("plan9", "exit 2"), variant("linux", "exit 3"), variant("", "exit 4")];
    assert_eq!(run(&mut host, script.clone()).0, exited(3));
    script.batch.as_mut().expect("batch").variants.truncate(1);
    started(&mut host, script.clone(), &key(2));
    assert_eq!(ended(&mut host, &key(2)).0, exited(1));
    host.tell(&ToRunner::Settle(key(2)));
    script.argv.clear();
    let preparation = preparation(&host, script, &key(3));
    let refusal = prepare(&mut host, preparation).expect_err("no command");
    assert_eq!(refusal.kind, RefusalKind::NotExecutable);
}

#[test]
fn what_cannot_run_is_refused_and_leaves_nothing() {
    let mut host = Host::new("batch-refused");
    let mut cases = Vec::new();
    let mut case = |change: &dyn Fn(&mut Job), kind, words| {
        let mut script = job(&host, "exit 0");
        change(&mut script);
        cases.push((script, kind, words));
    };
    case(&|job| job.argv = vec!["no-such".into()], RefusalKind::NotFound, "command not found");
    case(&|job| job.directory = "/no/such".into(), RefusalKind::NoDirectory, "cannot enter /no/such");
    case(&|job| job.batch = None, RefusalKind::Usage, "not a batch job");
    let content = || Some(wire::batch::Content { sha256: "a".repeat(64), bytes: 1 });
    case(&|job| job.batch = Some(Batch { stdin: content(), ..Batch::default() }), RefusalKind::Failed, "not here");
    case(&|job| job.batch = Some(Batch { data: content(), ..Batch::default() }), RefusalKind::Failed, "not here");
    let nowhere = || Some("/no/such/file".into());
    case(&|job| job.batch = Some(Batch { stderr: nowhere(), ..Batch::default() }), RefusalKind::NoDirectory, "--error");
    for (script, kind, words) in cases {
        let preparation = preparation(&host, script, &key(1));
        let refusal = prepare(&mut host, preparation).expect_err(words);
        assert_eq!((refusal.kind, refusal.message.contains(words)), (kind, true), "{}", refusal.message);
    }
    let mut foreign = preparation(&host, job(&host, "exit 0"), &key(1));
    foreign.job.argv.push("more".into());
    let refusal = prepare(&mut host, foreign).expect_err("another command than was signed");
    assert!(refusal.message.starts_with("the job's warrant is refused"), "{}", refusal.message);
    let place = directory(&host, &key(1));
    assert!(!place.exists() && !place.with_extension("1.new").exists() && host.leaders().is_empty());
}

/// Leaders of homes that were deleted stayed for ever: they had the end of a job to tell, and nobody could come for it.
#[test]
fn a_leader_whose_host_was_deleted_waits_for_nobody_any_more() {
    let hosts = ["batch-deleted", "batch-kept"].map(Host::new);
    let [deleted, kept] = hosts.map(|mut host| {
        let go = host.path("go");
        let script = job(&host, &format!("until test -e {}; do sleep 0.01; done", go.display()));
        let pid = started(&mut host, script, &key(1));
        host.kill_runner();
        fs::write(go, "").expect("ours");
        until(|| !PathBuf::from(format!("/proc/{pid}")).exists(), "the job ends");
        host
    });
    assert_eq!((deleted.leaders().len(), kept.leaders().len()), (1, 1));
    fs::remove_dir_all(deleted.path("")).expect("ours");
    let deadline = Instant::now() + Duration::from_secs(80);
    while !deleted.leaders().is_empty() {
        assert!(Instant::now() < deadline, "it still waits");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(kept.leaders().len(), 1, "the end of its job can still be told");
}
