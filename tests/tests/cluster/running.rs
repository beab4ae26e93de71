//! A job runs where it was told to, and is there what it would be here.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::LazyLock;

use nix::sys::signal::Signal;
use queue_tests::cluster::Cluster;
use queue_tests::process::{PATIENCE, Process};

/// One cluster for all of this file: no test here changes it. The last one to let go of it takes
/// it down.
fn cluster() -> std::sync::Arc<Cluster> {
    use std::sync::{Arc, Mutex, Weak};
    static SHARED: LazyLock<Mutex<Weak<Cluster>>> = LazyLock::new(Mutex::default);
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::up(2));
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}

/// The own host, where descriptors are handed over, and another, over the network.
const HOSTS: [&str; 2] = ["redfish", "bluefish"];

fn on<'a>(host: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [&["-n", "-h", host, "--"], command].concat()
}

#[test]
fn a_job_runs_on_the_host_that_was_named() {
    let cluster = cluster();
    for host in HOSTS {
        assert_eq!(cluster.queue("redfish", &on(host, &["hostname"])).success().text(), host);
    }
    let unknown = cluster.queue("redfish", &on("gold", &["true"]));
    unknown.fails(64, "queue: no host named \"gold\"; known: bluefish redfish");
}

#[test]
fn output_and_errors_stay_apart() {
    let cluster = cluster();
    for host in HOSTS {
        let ended = cluster.queue("redfish", &on(host, &["sh", "-c", "echo out; echo err >&2; echo out2"])).success();
        assert_eq!((ended.text(), ended.errors()), ("out\nout2".to_owned(), "err".to_owned()), "{host}");
    }
}

#[test]
fn an_exit_code_is_the_jobs() {
    let cluster = cluster();
    for host in HOSTS {
        for code in [0, 1, 2, 64, 75, 125, 126, 127, 128, 137, 254, 255] {
            let ended = cluster.queue("redfish", &on(host, &["sh", "-c", &format!("exit {code}")]));
            assert_eq!((ended.code(), ended.errors().as_str()), (Some(code), ""), "{host}");
        }
    }
}

#[test]
fn queue_dies_of_the_signal_that_the_job_died_of() {
    let cluster = cluster();
    let numbers = [("TERM", 15), ("KILL", 9), ("INT", 2), ("USR1", 10), ("SEGV", 11), ("HUP", 1), ("PIPE", 13)];
    for host in HOSTS {
        for (name, number) in numbers {
            let ended = cluster.queue("redfish", &on(host, &["sh", "-c", &format!("kill -{name} $$; sleep 60")]));
            assert_eq!((ended.signal(), ended.errors().as_str()), (Some(number), ""), "{name} on {host}");
        }
    }
}

#[test]
fn fifty_megabytes_go_there_and_come_back_byte_for_byte() {
    let cluster = cluster();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(50_000_000 / 8)
    .flatten()
    .collect();
    for host in HOSTS {
        let mut process = cluster.spawn("redfish", &[&["queue"], &on(host, &["cat"])[..]].concat());
        let mut input = process.take_input().expect("it has one");
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::io::Write::write_all(&mut input, &bytes).expect("cat reads all");
                drop(input);
            });
            process.end_within(PATIENCE * 3).success()
        });
        assert_eq!(ended.stdout.len(), bytes.len(), "{host}");
        assert!(ended.stdout == bytes, "{host}: another {} bytes", bytes.len());
    }
}

#[test]
fn a_job_that_waits_for_the_end_of_its_input_gets_it_and_answers_after_it() {
    let cluster = cluster();
    for host in HOSTS {
        let mut process = cluster.spawn("redfish", &[&["queue"], &on(host, &["sort", "-n"])[..]].concat());
        process.send(b"3\n1\n");
        process.send(b"2\n");
        assert_eq!(process.end().success().text(), "1\n2\n3", "{host}");
    }
}

#[test]
fn a_job_that_closes_its_input_ends_who_writes_into_it() {
    let cluster = cluster();
    for host in HOSTS {
        let script = format!("yes | queue -n -h {host} -- head -n 1; echo ended");
        assert_eq!(cluster.exec("redfish", &["bash", "-c", &script]).success().text(), "y\nended", "{host}");
        let script = format!("queue -n -h {host} -- yes | head -n 1; echo ${{PIPESTATUS[0]}}");
        // The job dies of PIPE, and queue with it.
        assert_eq!(cluster.exec("redfish", &["bash", "-c", &script]).success().text(), "y\n141", "{host}");
    }
}

#[test]
fn a_signal_to_queue_is_a_signal_to_the_job() {
    let cluster = cluster();
    for host in HOSTS {
        let script = "trap 'echo one' USR1; trap 'echo two; exit 5' TERM; echo $$; while :; do sleep 0.01; done";
        let mut process = cluster.spawn("redfish", &[&["queue"], &on(host, &["sh", "-c", script])[..]].concat());
        process.until_it_says("\n");
        // What is sent to the process of `exec` reaches the command.
        cluster.signal(process.id(), Signal::SIGUSR1);
        process.until_it_says("one");
        assert!(process.runs());
        cluster.signal(process.id(), Signal::SIGTERM);
        let ended = process.end();
        assert_eq!(ended.code(), Some(5), "{host}: {}", ended.errors());
        assert!(ended.text().ends_with("one\ntwo"), "{host}: {}", ended.text());
    }
}

/// What a child inherits, as the child sees it.
const INHERITED: &str =
    r#"grep SigIgn /proc/self/status; umask; nice; pwd; printf '%s|' "$GREETING" "$EMPTY" "$PATH"; ulimit -S -a"#;

#[test]
fn everything_a_child_inherits_is_what_it_would_be_here() {
    let cluster = cluster();
    let directory = cluster.shared().join("a directory with blanks");
    std::fs::create_dir_all(&directory).expect("it is ours");
    let prefixes = ["", "queue -n -h redfish -- ", "queue -n -h bluefish -- "];
    let [here, own, other] = prefixes.map(|prefix| {
        let script = format!(
            "cd '{}'; umask 027; trap '' HUP USR1; ulimit -S -n 333; ulimit -S -s 4096; ulimit -S -c 0; ulimit -S -t 1000
             export GREETING='hello  \"world\"
             twice' EMPTY=
             exec nice -n 3 {prefix}bash -c '{}'",
            directory.display(),
            INHERITED.replace('\'', "'\\''"),
        );
        cluster.exec("redfish", &["bash", "-c", &script]).success().text()
    });
    assert_eq!(own, here);
    assert_eq!(other, here);
    let lines: Vec<&str> = here.lines().collect();
    let ignored = lines[0].rsplit('\t').next().and_then(|mask| u64::from_str_radix(mask, 16).ok());
    assert!(ignored.is_some_and(|mask| mask & 0x201 == 0x201), "HUP and USR1 are ignored: {here}");
    assert_eq!(lines[1..4], ["0027", "3", &*directory.to_string_lossy()]);
}

#[test]
fn nohup_holds_for_the_job_too() {
    let cluster = cluster();
    for host in HOSTS {
        let script =
            format!("nohup queue -n -h {host} -- sh -c 'kill -HUP $$; echo lives' </dev/null 2>/dev/null | cat");
        assert_eq!(cluster.exec("redfish", &["bash", "-c", &script]).success().text(), "lives", "{host}");
    }
}

#[test]
fn variables_of_this_login_stay_here_and_the_jobs_own_are_told() {
    let cluster = cluster();
    let script = "export SSH_AUTH_SOCK=/tmp/agent TMUX=1 DBUS_SESSION_BUS_ADDRESS=x XDG_RUNTIME_DIR; exec queue -n -h bluefish -- env";
    let environment = cluster.exec("redfish", &["sh", "-c", script]).success().text();
    let variable = |name: &str| environment.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    for denied in ["SSH_AUTH_SOCK", "TMUX", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        assert_eq!(variable(denied), None, "{denied}");
    }
    assert_eq!(variable("QUEUE"), Some("i"));
    assert_eq!(variable("QUEUE_QUEUE"), Some("now"));
    assert_eq!((variable("QUEUE_HOST"), variable("QUEUE_HOME_HOST")), (Some("bluefish"), Some("redfish")));
    assert_eq!((variable("QUEUE_SUBMIT_HOST"), variable("QUEUE_ATTEMPT")), (Some("redfish"), Some("1")));
    assert_eq!(variable("QUEUE_SUBMIT_DIR"), variable("PWD"));
    assert!(variable("QUEUE_JOB_ID").is_some_and(|id| id.parse::<u64>().is_ok()), "{environment}");
}

#[test]
fn every_byte_of_arguments_and_environment_arrives() {
    let cluster = cluster();
    let alone = (1..=255).map(|byte| vec![byte]);
    let pairs = (1..=255).flat_map(|one| (1..=255).map(move |other| vec![one, other]));
    let arguments: Vec<Vec<u8>> = alone.chain(pairs).chain([vec![], (1..=255).collect()]).collect();
    let expected: Vec<u8> = arguments.iter().flat_map(|one| [&one[..], b"\0"].concat()).collect();
    for host in HOSTS {
        let words = on(host, &["printf", "%s\\0"]);
        let mut command = cluster.command("redfish", &[&["queue"], &words[..]].concat());
        command.args(arguments.iter().cloned().map(OsString::from_vec));
        let ended = Process::start(command).end().success();
        assert!(ended.stdout == expected, "{host}: {:?}", String::from_utf8_lossy(&ended.stdout));
        let mut command =
            cluster.command("redfish", &[&["queue"], &on(host, &["sh", "-c", "printf %s \"$ODD\""])[..]].concat());
        let odd: Vec<u8> = (1..=255).collect();
        command.env("ODD", OsString::from_vec(odd.clone()));
        assert!(Process::start(command).end().success().stdout == odd, "{host}");
    }
}
