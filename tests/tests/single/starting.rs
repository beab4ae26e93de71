//! The daemon that the first `queue` starts: one, and nothing of its starter's.

use std::fs;

use queue_tests::process::{PATIENCE, Process};
use queue_tests::programs;
use queue_tests::terminal::Terminal;
use queue_tests::wait::until;

use crate::login::{Home, is_alive, read};

#[test]
fn the_first_queue_starts_a_daemon_that_survives_its_terminal() {
    let home = Home::new();
    let login = home.login();
    let terminal = Terminal::bash(login.command("/usr/bin/env"), (24, 80));
    assert_eq!(terminal.run("queue -- true"), 0);
    let daemon = login.daemon();
    let shell = terminal.leader();
    drop(terminal);
    until("the shell has been hung up", PATIENCE, || (!is_alive(shell)).then_some(()));
    assert_eq!(login.queue(&["-n", "--", "echo", "still here"]).success().text(), "still here");
    assert_eq!(login.daemons(), [daemon]);
}

#[test]
fn ten_at_the_same_moment_start_exactly_one_daemon() {
    let home = Home::new();
    let login = home.login();
    let ten: Vec<Process> = (0..10).map(|number| login.spawn(&["-n", "--", "echo", &number.to_string()])).collect();
    for (number, one) in ten.into_iter().enumerate() {
        assert_eq!(one.end().success().text(), number.to_string());
    }
    let daemon = login.daemon();
    assert!(login.is_held_by(&sys::host::name(), daemon));
}

#[test]
fn nothing_of_the_caller_leaks_into_the_daemon() {
    let home = Home::new();
    let login = home.login();
    let directory = home.home().join("caller");
    fs::create_dir(&directory).expect("ours");
    let script = format!(
        "cd {}; umask 000; ulimit -S -t 600; ulimit -S -n 100; trap '' HUP INT TERM USR1 PIPE
         export SECRET=1 LD_LIBRARY_PATH=/nowhere; exec 7<.
         nice -n 5 queue -n -- true",
        directory.display(),
    );
    login.shell(&script).success();
    let daemon = login.daemon();
    let status = read(daemon, "status");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    assert_eq!(field("Umask"), Some("0077"));
    let ignored = u64::from_str_radix(field("SigIgn").expect("a mask"), 16).expect("a mask");
    // INT, USR1 and TERM are not ignored; PIPE and CHLD are, by the daemon's own will.
    assert_eq!(ignored & (1 << 1 | 1 << 9 | 1 << 14), 0, "{ignored:x}");
    assert_eq!(field("SigBlk"), Some("0000000000000000"));
    let environment = read(daemon, "environ");
    assert!(!environment.contains("SECRET") && !environment.contains("LD_LIBRARY_PATH"), "{environment:?}");
    assert_eq!(fs::read_link(format!("/proc/{daemon}/cwd")).expect("ours"), std::path::Path::new("/"));
    let limits = read(daemon, "limits");
    for (name, soft) in [("Max cpu time", "600"), ("Max open files", "100")] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert!(fields[0] == fields[1] && fields[0] != soft, "{name}{line}");
    }
    let descriptors = fs::read_dir(format!("/proc/{daemon}/fd")).expect("ours").flatten();
    let open: Vec<_> = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    assert!(!open.contains(&directory), "{open:?}");
    assert!(open.iter().all(|path| !path.to_string_lossy().starts_with("pipe:")), "{open:?}");
    // Session, controlling terminal, and (for root, who alone may undo it) niceness.
    let stat = read(daemon, "stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    assert_eq!((fields[3], fields[4]), (daemon.to_string().as_str(), "0"), "session and terminal: {stat}");
    if sys::credentials::own_uid() == 0 {
        assert_eq!(fields[16], "0", "niceness: {stat}");
    }
}

#[test]
fn a_second_daemon_says_who_holds_the_state_directory() {
    let home = Home::new();
    let login = home.login();
    login.queue(&["-n", "--", "true"]).success();
    let daemon = login.daemon();
    let second = Process::start(login.command(programs::directory().join("queued"))).end();
    let state = login.state(&sys::host::name());
    let sentence = format!(
        "queued: another queued holds {} (process {daemon}); one state directory has one daemon",
        state.display()
    );
    second.fails(1, &sentence);
    assert_eq!(login.daemons(), [daemon]);
}

#[test]
fn an_error_in_the_configuration_is_cited_with_line_and_column() {
    let home = Home::new();
    let login = home.login();
    login.configure("speed = 1.0\nprioirty = 3\n");
    let path = login.configuration();
    let ended = Process::start(login.command(programs::directory().join("queued"))).end();
    let said = ended.errors();
    assert_eq!(ended.code(), Some(1));
    assert!(said.starts_with(&format!("queued: {}:2:1: unknown field `prioirty`", path.display())), "{said}");
    assert!(said.ends_with("  2 | prioirty = 3\n      ^^^^^^^^"), "{said}");
    // Whoever would have started it is told the same, in one sentence.
    let ended = login.queue(&["-n", "--", "true"]);
    let said = ended.errors();
    assert_eq!(ended.code(), Some(125));
    let program = programs::directory().join("queued");
    let expected =
        format!("queue: cannot start {}: {}:2:1: unknown field `prioirty`", program.display(), path.display());
    assert!(said.starts_with(&expected) && !said.contains('\n'), "{said}");
}

#[test]
fn a_configuration_that_has_become_wrong_leaves_the_last_good_one_in_force() {
    let home = Home::new();
    let login = home.login_on("redfish", "");
    login.queue(&["-n", "--", "true"]).success();
    let daemon = login.daemon();
    login.configure("listen = \"somewhere\"\n");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::SIGHUP).expect("ours");
    let log = login.state("redfish").join("log");
    let expected = "what was read before stays in force: ";
    let line = until("the log says so", PATIENCE, || {
        let log = fs::read_to_string(&log).ok()?;
        log.lines().find(|line| line.contains(expected)).map(str::to_owned)
    });
    assert!(
        line.contains("listen = \"somewhere\": an address and a port such as \"10.0.0.1:7117\" are expected"),
        "{line}"
    );
    login.queue(&["-n", "--", "true"]).success();
    assert_eq!(login.daemons(), [daemon]);
}

#[test]
fn a_runtime_directory_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let login = home.login();
    let directory = login.runtime().join("queue");
    fs::create_dir(&directory).expect("ours");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).expect("ours");
    let ended = login.queue(&["-n", "--", "true"]);
    let said = ended.errors();
    assert_eq!(ended.code(), Some(125));
    let expected = format!("{}: this must be a directory that belongs to uid ", directory.display());
    assert!(said.contains(&expected) && said.ends_with("and that nobody else can write to"), "{said}");
}

#[test]
fn a_stopped_daemon_is_not_waited_for_for_ever() {
    let home = Home::new();
    let login = home.login();
    login.queue(&["-n", "--", "true"]).success();
    let daemon = nix::unistd::Pid::from_raw(login.daemon());
    nix::sys::signal::kill(daemon, nix::sys::signal::SIGSTOP).expect("ours");
    let ended = login.queue(&["-n", "--", "true"]);
    assert_eq!(ended.code(), Some(125));
    let socket = login.runtime().join("queue/queued.sock");
    let expected = format!("queue: the queued of this host does not answer on {}: ", socket.display());
    assert!(ended.errors().starts_with(&expected), "{}", ended.errors());
    nix::sys::signal::kill(daemon, nix::sys::signal::SIGCONT).expect("ours");
    login.queue(&["-n", "--", "true"]).success();
}
