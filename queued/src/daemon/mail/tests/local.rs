use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::reading::Message;
use super::*;

/// A sendmail that does what these lines of shell say. It is written by another process: a file that this
/// one has open for writing while another test starts a program could not be executed.
fn sendmail(directory: &Directory, lines: &str) -> PathBuf {
    let path = directory.0.join("sendmail");
    let script = format!("#!/bin/sh\ncd {:?}\n{lines}\n", directory.0);
    let written = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", &script])
        .arg(&path)
        .status();
    assert!(written.expect("there is a shell").success());
    path
}

#[test]
fn sendmail_gets_the_recipient_and_the_letter_and_no_environment_of_ours() {
    let directory = Directory::new("sendmail");
    let program = sendmail(&directory, "echo \"$@\" > arguments; env > environment; cat > message");
    assert_eq!(deliver(&mailer(Sink::Sendmail(program)), &letter(), 60), Outcome::Accepted);
    let read = |name: &str| fs::read_to_string(directory.0.join(name)).expect("it has been written");
    assert_eq!(read("arguments"), "-i -- ada@example.org\n");
    let text = read("message");
    assert!(!text.contains('\r'), "{text}");
    let message = Message::parse(&text);
    assert_eq!(message.header("Message-ID"), letter().message_id);
    assert_eq!(message.header("Auto-Submitted"), "auto-generated");
    assert!(text.contains("\n.\nthe end\n"), "{text}");
    let environment = read("environment");
    let names: Vec<&str> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let expected = ["HOME", "USER", "LOGNAME", "PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.contains(&"PATH") && names.iter().all(|name| expected.contains(name)), "{names:?}");
}

#[test]
fn without_a_domain_the_local_mail_system_gets_the_bare_name_and_a_configured_sender() {
    let directory = Directory::new("bare");
    let program = sendmail(&directory, "echo \"$@\" > arguments; cat > message");
    let settings = MailSettings { from: Some("Queue <queue@example.org>".into()), ..MailSettings::default() };
    let mailer = Mailer { addresses: Addresses::of(&settings, "redfish"), ..mailer(Sink::Sendmail(program)) };
    assert_eq!(deliver(&mailer, &letter(), 60), Outcome::Accepted);
    let read = |name: &str| fs::read_to_string(directory.0.join(name)).expect("it has been written");
    assert_eq!(read("arguments"), "-i -f queue@example.org -- ada\n");
    assert_eq!(Message::parse(&read("message")).header("To"), "ada@redfish");
    assert_eq!(Message::parse(&read("message")).header("From"), "Queue <queue@example.org>");
}

#[test]
fn the_exit_status_of_sendmail_says_whether_another_attempt_helps() {
    let directory = Directory::new("status");
    let outcome = |lines: &str| {
        let program = sendmail(&directory, lines);
        deliver(&mailer(Sink::Sendmail(program)), &letter(), 60)
    };
    let program = directory.0.join("sendmail").display().to_string();
    let refused = Outcome::Refused(format!("{program}: exit 67: ada... User unknown"));
    assert_eq!(outcome("cat > /dev/null; echo 'ada... User unknown' >&2; exit 67"), refused);
    let later = |words: &str| Outcome::Later(format!("{program}: {words}"));
    assert_eq!(outcome("echo disk full; exit 75"), later("exit 75: disk full"));
    assert_eq!(outcome("exit 1"), later("exit 1"));
    // The program ends without having read; a child that it leaves behind has its output open.
    assert_eq!(outcome("sleep 120 & echo $! > child"), Outcome::Accepted);
    let child = fs::read_to_string(directory.0.join("child")).expect("it has been written");
    assert!(Command::new("kill").arg(child.trim()).status().expect("there is a kill").success());
    let missing = deliver(&mailer(Sink::Sendmail(directory.0.join("nowhere"))), &letter(), 60);
    assert!(matches!(missing, Outcome::Later(ref why) if why.contains("exit 127")), "{missing:?}");
}

#[test]
fn a_sendmail_that_hangs_is_ended_at_the_deadline_with_all_it_started() {
    let directory = Directory::new("hangs");
    let program = sendmail(&directory, "echo $$ > own; sleep 120 & echo $! > child; wait");
    let outcome = deliver(&mailer(Sink::Sendmail(program.clone())), &letter(), 3);
    assert_eq!(outcome, Outcome::Later(format!("{} gave no answer within 3 s", program.display())));
    for name in ["own", "child"] {
        let pid: i32 = fs::read_to_string(directory.0.join(name)).expect("it ran").trim().parse().expect("a number");
        let started = Instant::now();
        while is_running(pid) {
            assert!(started.elapsed() < Duration::from_secs(20), "{name} goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether there is such a process, and it is no zombie that waits for its new parent.
fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// The daemon ignores SIGCHLD: its children are gone before anybody can wait for them. The same must hold in
/// the mail program, which has children of its own to wait for.
#[test]
fn sendmail_is_understood_where_nobody_can_wait_for_children() {
    const INSIDE: &str = "QUEUED_TEST_WITHOUT_CHILDREN";
    let Some(program) = std::env::var_os(INSIDE) else {
        let directory = Directory::new("children");
        let program = sendmail(&directory, "cat > message; sh -c 'exit 67'");
        let name = "daemon::mail::tests::local::sendmail_is_understood_where_nobody_can_wait_for_children";
        let mut own = Command::new(std::env::current_exe().expect("it runs"));
        let output = own.args(["--exact", name]).env(INSIDE, program).output().expect("it runs again");
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
        assert!(directory.0.join("message").exists(), "{output:?}");
        return;
    };
    sys::signal::ignore(nix::libc::SIGCHLD).expect("it can be ignored");
    let outcome = deliver(&mailer(Sink::Sendmail(program.into())), &letter(), 60);
    assert!(matches!(outcome, Outcome::Refused(ref why) if why.ends_with("exit 67")), "{outcome:?}");
}

#[test]
fn a_maildir_has_whole_letters_that_only_the_daemon_can_read() {
    let directory = Directory::new("maildir");
    let root = directory.0.join("state/mail");
    let mailer = mailer(Sink::Maildir(root.clone()));
    for _ in 0..3 {
        assert_eq!(deliver(&mailer, &letter(), 60), Outcome::Accepted);
    }
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    for part in ["tmp", "new", "cur"] {
        assert_eq!(mode(&root.join("ada").join(part)), 0o700, "{part}");
    }
    assert_eq!(fs::read_dir(root.join("ada/tmp")).expect("ours").count(), 0);
    let letters: Vec<_> = fs::read_dir(root.join("ada/new")).expect("ours").map(|entry| entry.expect("ours")).collect();
    assert_eq!(letters.len(), 3);
    for entry in letters {
        assert_eq!(mode(&entry.path()), 0o600);
        let message = Message::parse(&fs::read_to_string(entry.path()).expect("text"));
        assert_eq!(message.header("Subject"), letter().subject);
        assert_eq!(message.header("Message-ID"), letter().message_id);
    }
}

#[test]
fn a_maildir_that_cannot_be_written_is_tried_again() {
    let directory = Directory::new("file");
    let root = directory.0.join("mail");
    fs::write(&root, "a file is in the way").expect("ours");
    let outcome = deliver(&mailer(Sink::Maildir(root)), &letter(), 60);
    assert!(matches!(outcome, Outcome::Later(ref why) if why.starts_with("cannot write into ")), "{outcome:?}");
}

#[test]
fn no_user_has_letters_outside_the_directory() {
    let directory = Directory::new("outside");
    let mailer = mailer(Sink::Maildir(directory.0.join("mail")));
    for user in ["../ada", "..", ".", "", "a/b"] {
        // There may be an address all the same.
        let letter = Letter { user: user.into(), to: Some("ada@example.org".into()), ..letter() };
        assert!(matches!(deliver(&mailer, &letter, 60), Outcome::Refused(_)), "{user}");
    }
    assert_eq!(fs::read_dir(&directory.0).expect("ours").count(), 0);
}
