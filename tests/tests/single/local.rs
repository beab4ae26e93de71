//! A job on the own host has the caller's own descriptors, and nothing between.

use std::fs;

use queue_tests::process::{Halted, PATIENCE};
use queue_tests::programs;
use queue_tests::wait::until;

use crate::login::Home;

#[test]
fn a_job_of_the_own_host_has_the_callers_descriptors() {
    let home = Home::new();
    let login = home.login();
    let [input, output] = ["in", "out"].map(|name| home.home().join(name));
    fs::write(&input, "a line\nanother\n").expect("ours");
    let script = format!(
        "queue -- sh -c 'for number in 0 1 2; do readlink /proc/self/fd/$number; done; read line; echo $line' \
         <{0} >{1} 2>&1; queue -- cat <{0} >>{1}",
        input.display(),
        output.display(),
    );
    login.shell(&script).success();
    let expected = format!("{0}\n{1}\n{1}\na line\na line\nanother\n", input.display(), output.display());
    assert_eq!(fs::read_to_string(&output).expect("ours"), expected);
}

#[test]
fn an_offset_is_shared_as_it_is_between_parent_and_child() {
    let home = Home::new();
    let login = home.login();
    let file = home.home().join("lines");
    fs::write(&file, "1\n2\n3\n").expect("ours");
    // Each reads the line where the one before has stopped.
    let script = format!("{{ read a; queue -- sh -c 'read b; echo $b'; read c; echo $a$c; }} <{}", file.display());
    assert_eq!(login.shell(&script).success().text(), "2\n13");
}

#[test]
fn a_pipe_between_two_jobs_ends_when_its_writer_does() {
    let home = Home::new();
    let login = home.login();
    let script = "queue -- seq 100000 | queue -- sort -n | queue -- tail -n 1; queue -- yes | head -n 1";
    assert_eq!(login.shell(script).success().text(), "100000\ny");
}

#[test]
fn a_child_in_the_background_does_not_keep_queue() {
    let home = Home::new();
    let login = home.login();
    let mark = home.home().join("mark");
    // Our own descriptors are the job's, so only a child without them lets go of the test's pipe.
    let script =
        format!("queue -- sh -c '(read line <{0}/fifo; echo late >{0}/mark) >&- 2>&- & exit 3'", home.home().display());
    nix::unistd::mkfifo(&home.home().join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("ours");
    let ended = login.shell(&script);
    assert_eq!(ended.code(), Some(3));
    assert!(!mark.exists());
    fs::write(home.home().join("fifo"), "go\n").expect("the child reads it");
    until("the child has gone on", PATIENCE, || mark.exists().then_some(()));
}

#[test]
fn wrong_usage_is_64_and_one_sentence() {
    let home = Home::new();
    let login = home.login();
    let wrong: [(&[&str], &str); 5] = [
        (&["ls"], "queue: a command stands behind --; say: queue -- ls"),
        (&[], "queue: no command was given; say: queue [options] -- COMMAND [ARGS...] (queue --help)"),
        (&["-h"], "queue: -h names a host: -h HOST; for help type: queue --help"),
        (&["cluster"], "queue: say: queue cluster init (queue cluster --help)"),
        (
            &["-d", "a/b", "--", "true"],
            "queue: \"a/b\" is not the name of a queue: it has 1 to 31 bytes, no \"/\" and no \".\" at its start",
        ),
    ];
    for (arguments, sentence) in wrong {
        login.queue(arguments).fails(64, sentence);
    }
    assert_eq!(login.daemons(), [0; 0], "nothing was started for that");
}

#[test]
fn a_queue_that_does_not_exist_is_named() {
    let home = Home::new();
    let login = home.login_on("redfish", "");
    let ended = login.queue(&["-n", "-d", "night", "--", "true"]);
    ended.fails(125, "queue: no host has a queue \"night\"");
}

#[test]
fn a_full_queue_makes_wait_or_fails_with_75_or_runs_here_as_was_asked() {
    let home = Home::new();
    let login = home.login_on("redfish", "");
    let slots = sys::host::cpus();
    let gate = home.home().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).expect("ours");
    let script = format!("echo begun; read line <{}", gate.display());
    let running: Vec<_> = (0..slots).map(|_| login.spawn(&["-q", "-n", "--", "sh", "-c", &script])).collect();
    running.iter().for_each(|one| one.until_it_says("begun"));
    let full = login.queue(&["-q", "-n", "--on-full", "fail", "--", "true"]);
    full.fails(75, &format!("queue: redfish: queue \"wait\" is full ({slots} of {slots})"));
    login.queue(&["-q", "-n", "--on-full", "local", "--", "true"]).success();
    let mut waiting = login.spawn(&["-q", "-n", "--", "echo", "at last"]);
    let rows = login.queue(&["hosts"]).success().text();
    assert!(rows.contains(&format!("{slots}/{slots}")) && rows.contains("wait: full"), "{rows}");
    assert!(waiting.runs());
    // All of them read from it; an opened gate lets all go that are there.
    let open = std::fs::OpenOptions::new().write(true).open(&gate).expect("they read it");
    drop(open);
    running.into_iter().for_each(|one| drop(one.end()));
    assert_eq!(waiting.end().success().text(), "at last");
}

#[test]
fn a_client_that_was_stopped_until_its_place_was_given_away_is_placed_again() {
    let home = Home::new();
    let login = home.login_on("redfish", "");
    // The client has a place, and says so before it releases the job: into a pipe that is full.
    let mut command = login.command(programs::queue());
    command.args(["-q", "-n", "--verbose", "--", "sh", "-c", "echo once >>ran; cat"]).current_dir(home.home());
    let client = Halted::start(command);
    let taken = |count: usize| {
        let rows = login.queue(&["hosts"]).success().text();
        let column = format!(" {count}/{}", sys::host::cpus());
        rows.contains(&column).then_some(())
    };
    until("the client has a slot", PATIENCE, || taken(1));
    until("the slot is given away", PATIENCE, || taken(0));
    let (output, said) = client.end_with(b"what is typed");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"what is typed"[..]), "{said}");
    assert_eq!(std::fs::read_to_string(home.home().join("ran")).expect("it ran"), "once\n");
    assert_eq!(said.matches("queue: on redfish").count(), 2, "it was placed twice");
}
