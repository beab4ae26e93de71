use wire::batch::MailWish;
use wire::session::Usage;

use super::*;

fn row() -> JobRow {
    JobRow {
        id: 17,
        home: "redfish".into(),
        state: "finished".into(),
        user: "ada".into(),
        queue: "wait".into(),
        name: Some("night-run".into()),
        host: Some("bluefish".into()),
        attempt: 1,
        command: "./night-run.sh --all".into(),
        directory: "/home/ada/work".into(),
        submitted_us: 1_795_000_000_000_000,
        started_us: Some(1_795_000_001_000_000),
        ended_us: Some(1_795_000_042_000_000),
        exit: Some(0),
        usage: Some(Usage { wall_us: 41_000_000, user_us: 38_100_000, system_us: 2_000_000, max_rss_kib: 1_258_291 }),
        stdout: "/home/ada/.local/state/queue/redfish/17.out".into(),
        stderr: "/home/ada/.local/state/queue/redfish/17.err".into(),
        ..JobRow::default()
    }
}

fn letter(kind: Kind, row: JobRow, tails: Vec<Tail>) -> Letter {
    compose(&Report { kind, row, tails, cluster: "ab12".into(), zone: TimeZone::UTC })
}

fn subject_of(change: impl FnOnce(&mut JobRow)) -> String {
    let mut row = row();
    change(&mut row);
    letter(Kind::End, row, Vec::new()).subject
}

#[test]
fn subjects_say_how_it_ended_what_where_and_how_long() {
    assert_eq!(subject_of(|_| {}), "[queue] ok: night-run (wait, 17) on bluefish in 41 s");
    let limited = subject_of(|row| {
        (row.exit, row.signal) = (None, Some("TERM".into()));
        row.detail = "killed: time limit 41 s on bluefish".into();
    });
    assert_eq!(limited, "[queue] FAILED time limit 41 s: night-run (wait, 17) on bluefish after 41 s");
    let long = |row: &mut JobRow| row.usage = Some(Usage { wall_us: 7_800_000_000, ..Usage::default() });
    assert_eq!(
        subject_of(|row| {
            row.exit = Some(3);
            long(row);
        }),
        "[queue] FAILED exit 3: night-run (wait, 17) on bluefish after 2 h 10 min"
    );
    assert_eq!(
        subject_of(|row| {
            row.exit = None;
            row.signal = Some("KILL".into());
        }),
        "[queue] FAILED signal KILL: night-run (wait, 17) on bluefish after 41 s"
    );
    assert_eq!(
        subject_of(|row| {
            row.state = "dead".into();
            row.detail = "lost host".into();
            (row.usage, row.ended_us, row.exit) = (None, None, None);
        }),
        "[queue] dead: lost host: night-run (wait, 17) on bluefish"
    );
    assert_eq!(
        subject_of(|row| {
            row.state = "cancelled".into();
            row.name = None;
            (row.usage, row.started_us, row.ended_us, row.host, row.exit) = (None, None, None, None, None);
        }),
        "[queue] cancelled: ./night-run.sh --all (wait, 17)"
    );
}

#[test]
fn a_start_is_told_without_an_end() {
    let mut started = row();
    (started.state, started.ended_us, started.exit, started.usage) = ("running".into(), None, None, None);
    let letter = letter(Kind::Start, started, Vec::new());
    assert_eq!(letter.subject, "[queue] started: night-run (wait, 17) on bluefish");
    assert_eq!(letter.message_id, "<job.17.1.start.ab12@redfish>");
    assert!(letter.body.ends_with("host       bluefish\n"), "{}", letter.body);
}

#[test]
fn the_body_is_a_table_then_the_places_then_the_last_lines() {
    let tail = Tail { stream: OutputStream::Stdout, bytes: b"done\n".to_vec(), total: 5 };
    let mut row = row();
    row.left_over = 2;
    let letter = letter(Kind::End, row, vec![tail]);
    assert_eq!(
        letter.body,
        "job        17 of redfish (queue wait)\n\
         command    ./night-run.sh --all\n\
         directory  /home/ada/work\n\
         submitted  2026-11-18 11:06:40 +00:00\n\
         started    2026-11-18 11:06:41 +00:00\n\
         ended      2026-11-18 11:07:22 +00:00 (after 41 s)\n\
         host       bluefish\n\
         exit       0\n\
         CPU        38 s user, 2.0 s system\n\
         memory     1.2 GiB at the peak\n\
         left over  2 processes, killed\n\
         \n\
         output     /home/ada/.local/state/queue/redfish/17.out\n\
         errors     /home/ada/.local/state/queue/redfish/17.err\n\
         \n\
         Standard output:\n\
         \n\
         done\n"
    );
    assert_eq!(letter.attachments, Vec::new());
}

#[test]
fn output_that_may_be_incomplete_is_said_to_be() {
    let mut row = row();
    row.detail = "output may be incomplete: a file of it\nis gone".into();
    let letter = letter(Kind::End, row, Vec::new());
    assert!(letter.body.contains("\nnote       output may be incomplete: a file of it is gone\n"), "{}", letter.body);
}

#[test]
fn a_name_with_line_breaks_stays_in_its_line() {
    let subject = subject_of(|row| row.name = Some("x\r\nBcc: eve@example.org\r\n\r\nhello".into()));
    assert_eq!(subject, "[queue] ok: x Bcc: eve@example.org hello (wait, 17) on bluefish in 41 s");
    assert_eq!(subject_of(|row| row.name = Some("\u{7}\n".into())), subject_of(|row| row.name = None));
}

#[test]
fn nothing_from_outside_adds_a_line_to_the_table() {
    let mut hostile = row();
    hostile.command = "a\nexit       0".into();
    hostile.directory = "/tmp/a\nhost       x".into();
    hostile.host = Some("h\nexit 0".into());
    let plain = letter(Kind::End, row(), Vec::new());
    let letter = letter(Kind::End, hostile, Vec::new());
    assert_eq!(letter.body.lines().count(), plain.body.lines().count(), "{}", letter.body);
}

#[test]
fn one_file_for_both_streams_is_named_once_and_a_wish_says_to_whom() {
    let mut row = row();
    row.stderr = row.stdout.clone();
    row.mail = Some(MailWish { to: Some("Ada <ada@example.org>".into()), ..MailWish::default() });
    let tail = Tail { stream: OutputStream::Stdout, bytes: vec![0; 9], total: 9 };
    let letter = letter(Kind::End, row, vec![tail]);
    assert!(!letter.body.contains("errors"), "{}", letter.body);
    assert!(letter.body.ends_with("\nOutput is not text; all of it is attached.\n"), "{}", letter.body);
    assert_eq!(letter.to.as_deref(), Some("Ada <ada@example.org>"));
    assert_eq!(letter.user, "ada");
    assert_eq!(letter.attachments.len(), 1);
}
