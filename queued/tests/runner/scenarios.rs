//! What a job sees and leaves.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use wire::api::RefusalKind;
use wire::job::Descriptor;
use wire::session::{Control, Modes, Outcome, Size, StartInfo, Stream};

use crate::host::{Host, Seen};

fn outcome(seen: &Seen) -> Option<&Outcome> {
    match seen.control.last() {
        Some(Control::End(end)) => Some(&end.outcome),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn exit_status_arrives_after_all_output() {
    let mut host = Host::new("status");
    let seen = host.run(&["sh", "-c", "head -c 3000000 /dev/zero; echo err >&2; exit 200"], b"");
    assert_eq!(seen.stdout.len(), 3_000_000);
    assert_eq!(text(&seen.stderr), "err\n");
    assert_eq!(outcome(&seen), Some(&Outcome::Exited(200)));
}

#[test]
fn input_and_its_end_reach_the_job() {
    let mut host = Host::new("input");
    let input = (0..500_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>();
    let seen = host.run(&["cat"], &input);
    assert!(seen.stdout == input, "{} of {} bytes came back, or others", seen.stdout.len(), input.len());
    assert_eq!(outcome(&seen), Some(&Outcome::Exited(0)));
}

#[test]
fn death_by_signal_is_told_by_its_name() {
    let mut host = Host::new("signal");
    let seen = host.run(&["sh", "-c", "kill -KILL $$"], b"");
    assert_eq!(outcome(&seen), Some(&Outcome::Killed { signal: "KILL".into(), core: false }));
}

#[test]
fn the_surroundings_are_the_jobs_own() {
    let mut host = Host::new("surroundings");
    let seen = host.run(
        &["sh", "-c", "pwd; umask; echo $GREETING $QUEUE $QUEUE_HOST $QUEUE_HOME_HOST; ls -l /proc/self/fd | wc -l"],
        b"",
    );
    // Three descriptors, the directory that ls itself reads, and its line "total".
    assert_eq!(text(&seen.stdout), "/tmp\n0027\nhello i redfish bluefish\n5\n");
}

#[test]
fn a_background_child_that_keeps_the_pipe_does_not_keep_the_session() {
    let mut host = Host::new("background");
    let seen = host.run(&["sh", "-c", "sleep 30 & echo done"], b"");
    assert_eq!(text(&seen.stdout), "done\n");
    assert_eq!(outcome(&seen), Some(&Outcome::Exited(0)));
}

#[test]
fn a_terminal_has_the_clients_size_and_is_the_controlling_one() {
    let mut host = Host::new("terminal");
    let job = host.job(&["sh", "-c", "stty size </dev/tty; tty >/dev/null && echo is a tty"], [Descriptor::Pty; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    let size = Size { rows: 33, columns: 77, x_pixels: 0, y_pixels: 0 };
    client.start(StartInfo { size: Some(size), modes: None, foreground: true, ..StartInfo::default() });
    let seen = client.see_it_through();
    assert_eq!(text(&seen.tty), "33 77\r\nis a tty\r\n");
}

#[test]
fn keys_that_come_with_new_modes_and_the_foreground_are_read_with_both() {
    // A shell's fg: the client found its terminal in the modes of a line editor before. Keys in the
    // same segment went to the job's terminal before the modes: the line had no end and no echo.
    let mut host = Host::new("modes");
    for round in 0..20 {
        let job = host.job(&["sh", "-c", "echo ready; read word; echo got $word"], [Descriptor::Pty; 3]);
        let warrant = host.warrant(&job);
        let session = host.prepare(job, warrant).expect("a good job");
        let mut client = host.client(&session, &[]);
        let cooked = modes();
        let raw = Modes { input: 0, local: 0, ..cooked.clone() };
        client.start(StartInfo { size: None, modes: Some(raw), foreground: false, ..StartInfo::default() });
        assert!(client.until(|seen| text(&seen.tty).contains("ready")));
        client.endpoint.control(&Control::Modes(cooked)).expect("room");
        client.endpoint.control(&Control::Foreground(true)).expect("room");
        client.endpoint.control(&Control::Signal("CONT".into())).expect("room");
        client.send(Stream::Tty, b"word\r");
        let seen = client.see_it_through();
        assert!(text(&seen.tty).ends_with("got word\r\n"), "round {round}: {:?}", text(&seen.tty));
    }
}

#[test]
fn a_stop_key_right_behind_a_continue_is_not_undone_by_it() {
    // fg and ^Z in one breath. The key stopped the job, and then came the signal that had been sent
    // before it: the job ran on, and whoever waited for it to stop waited for ever.
    let mut host = Host::new("breath");
    let job = host.job(&["cat"], [Descriptor::Pty; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo { size: None, modes: Some(modes()), foreground: true, ..StartInfo::default() });
    client.send(Stream::Tty, b"\x1a");
    for round in 1..30 {
        let stops = |seen: &Seen| seen.control.iter().filter(|said| matches!(said, Control::Stopped(_))).count();
        assert!(client.until(|seen| stops(seen) == round), "round {round}");
        client.endpoint.control(&Control::Foreground(true)).expect("room");
        client.endpoint.control(&Control::Signal("CONT".into())).expect("room");
        client.send(Stream::Tty, b"\x1a");
    }
    client.endpoint.control(&Control::Signal("KILL".into())).expect("room");
    let seen = client.see_it_through();
    assert_eq!(outcome(&seen), Some(&Outcome::Killed { signal: "KILL".into(), core: false }));
}

#[test]
fn frames_that_make_no_sense_end_their_connection_and_not_the_session() {
    let mut host = Host::new("babble");
    let job = host.job(&["cat"], [Descriptor::Pipe; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    client.send(Stream::Stdin, b"before ");
    assert!(client.until(|seen| seen.stdout == b"before "));
    // No frame, one that is longer than any, and an acknowledgement of what was never sent.
    for bytes in [&[0xff; 16][..], &[0x11, 0xff, 0xff, 0xff], &[0x31, 0, 0, 8, 9, 9, 9, 9, 9, 9, 9, 9]] {
        client.babble(bytes);
        client.resume(&host);
    }
    client.send(Stream::Stdin, b"after");
    client.endpoint.finish(Stream::Stdin);
    let seen = client.see_it_through();
    assert_eq!((text(&seen.stdout).as_str(), outcome(&seen)), ("before after", Some(&Outcome::Exited(0))));
}

/// The modes of a fresh terminal.
fn modes() -> Modes {
    let pty = sys::pty::open().expect("there are free ones");
    let modes = sys::terminal::modes(pty.slave.as_fd()).expect("a terminal");
    Modes {
        input: modes.input,
        output: modes.output,
        control: modes.control,
        local: modes.local,
        characters: modes.characters,
        input_speed: modes.input_speed,
        output_speed: modes.output_speed,
    }
}

#[test]
fn stop_and_continue_are_told() {
    let mut host = Host::new("stop");
    let job = host.job(&["sh", "-c", "kill -TSTP $$; read line; echo went on"], [Descriptor::Pty; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo { size: None, modes: None, foreground: true, ..StartInfo::default() });
    assert!(client.until(|seen| seen.control.contains(&Control::Stopped("TSTP".into()))));
    client.endpoint.control(&Control::Signal("CONT".into())).expect("room");
    // The job waits for its line: the end of a job may overtake the word that it went on.
    assert!(client.until(|seen| seen.control.contains(&Control::Continued)));
    client.send(Stream::Tty, b"\n");
    assert!(text(&client.see_it_through().tty).ends_with("went on\r\n"));
}

#[test]
fn a_background_reader_stops_until_it_is_made_foreground() {
    let mut host = Host::new("background-reader");
    let job = host.job(&["sh", "-c", "read line; echo got $line"], [Descriptor::Pty; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo { size: None, modes: None, foreground: false, ..StartInfo::default() });
    assert!(client.until(|seen| seen.control.contains(&Control::Stopped("TTIN".into()))));
    client.endpoint.control(&Control::Foreground(true)).expect("room");
    client.endpoint.control(&Control::Signal("CONT".into())).expect("room");
    client.send(Stream::Tty, b"me\n");
    assert!(text(&client.see_it_through().tty).ends_with("got me\r\n"));
}

#[test]
fn a_descriptor_of_the_clients_is_the_jobs_own() {
    let mut host = Host::new("handed");
    let job = host.job(&["echo", "straight"], [Descriptor::Pipe; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let (read, write) = sys::descriptors::pipe().expect("a pipe");
    let mut client = host.client(&session, &[(1, write)]);
    client.start(StartInfo::default());
    let seen = client.see_it_through();
    let mut output = String::new();
    File::from(read).read_to_string(&mut output).expect("all writers have gone");
    assert_eq!((output.as_str(), seen.stdout.len()), ("straight\n", 0));
}

#[test]
fn what_cannot_run_is_refused_before_the_start_with_its_reason() {
    let mut host = Host::new("refusals");
    let cases: [(&[&str], &str, RefusalKind, &str); 4] = [
        (&["no-such-thing"], "/tmp", RefusalKind::NotFound, "no-such-thing: command not found"),
        (&["/etc/passwd"], "/tmp", RefusalKind::NotExecutable, "cannot execute /etc/passwd: permission denied"),
        (&["true"], "/no/such", RefusalKind::NoDirectory, "cannot enter /no/such: no such file or directory"),
        (&["true"], "/etc/passwd", RefusalKind::NoDirectory, "cannot enter /etc/passwd: it is not a directory"),
    ];
    for (argv, directory, kind, message) in cases {
        let mut job = host.job(argv, [Descriptor::Pipe; 3]);
        job.directory = directory.into();
        let warrant = host.warrant(&job);
        let refusal = host.prepare(job, warrant).expect_err("it cannot run");
        assert_eq!((refusal.kind, refusal.message.as_str()), (kind, message));
    }
}

#[test]
fn a_job_other_than_the_one_that_was_signed_does_not_run() {
    let mut host = Host::new("warrant");
    let signed = host.job(&["true"], [Descriptor::Pipe; 3]);
    let warrant = host.warrant(&signed);
    let other = host.job(&["false"], [Descriptor::Pipe; 3]);
    let refusal = host.prepare(other, warrant).expect_err("another command");
    assert!(refusal.message.starts_with("the job's warrant is refused: "), "{}", refusal.message);
    let mut bare = host.warrant(&signed);
    bare.certificate = None;
    assert!(host.prepare(signed.clone(), bare).is_err(), "a warrant without a certificate");
    let stranger = Host::new("stranger");
    assert!(host.prepare(signed.clone(), stranger.warrant(&signed)).is_err(), "signed by another authority");
}

#[test]
fn a_status_survives_the_runner_and_reaches_the_client_through_the_next() {
    let mut host = Host::new("adopted");
    let job = host.job(&["sh", "-c", "echo before; read line; echo after $line; exit 7"], [Descriptor::Pipe; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    assert!(client.until(|seen| text(&seen.stdout) == "before\n"));
    assert_eq!(host.replace_runner(), [session]);
    client.resume(&host);
    client.send(Stream::Stdin, b"all\n");
    let seen = client.see_it_through();
    assert_eq!(text(&seen.stdout), "before\nafter all\n");
    assert_eq!(outcome(&seen), Some(&Outcome::Exited(7)));
}

#[test]
fn a_job_that_ended_between_two_runners_is_not_forgotten() {
    let mut host = Host::new("ended-between");
    let job = host.job(&["sh", "-c", "read line; exit 9"], [Descriptor::Pipe; 3]);
    let warrant = host.warrant(&job);
    let session = host.prepare(job, warrant).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    assert!(client.until(|seen| seen.control.contains(&Control::Started)));
    // The dying runner closes the input, which ends the job; or the next one does.
    host.kill_runner();
    assert_eq!(host.replace_runner(), [session]);
    client.resume(&host);
    client.endpoint.finish(Stream::Stdin);
    assert_eq!(outcome(&client.see_it_through()), Some(&Outcome::Exited(9)));
}
