//! Streams and content that go in and out of the runner's directory of jobs.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use queued::link::{AttemptKey, FromRunner, ToRunner};
use wire::batch::{Content, OutputStream};
use wire::session::Outcome;

use crate::batch::{directory, ended, job, key, started, until};
use crate::host::Host;

/// The answer to a transfer: bytes, and what went wrong.
fn transferred(host: &mut Host, wanted: u64) -> (u64, Option<String>) {
    match host.hear() {
        FromRunner::Transferred { request, bytes, error } if request == wanted => (bytes, error),
        other => panic!("{other:?} instead of Transferred"),
    }
}

/// What a reader of a stream gets, and the answer.
fn read(host: &mut Host, key: &AttemptKey, stream: OutputStream, offset: u64) -> (String, (u64, Option<String>)) {
    let (mut ours, theirs) = UnixStream::pair().expect("sockets");
    host.hand(&ToRunner::ReadOutput { request: 8, key: key.clone(), stream, offset, follow: false }, &theirs);
    drop(theirs);
    let mut text = String::new();
    ours.read_to_string(&mut text).expect("an end");
    (text, transferred(host, 8))
}

fn write(host: &mut Host, question: &ToRunner, bytes: &[u8]) -> (u64, Option<String>) {
    let (mut ours, theirs) = UnixStream::pair().expect("sockets");
    host.hand(question, &theirs);
    drop(theirs);
    // One that refuses does not read it.
    let _ = ours.write_all(bytes);
    drop(ours);
    transferred(host, 9)
}

fn keep(host: &mut Host, sha256: &str, bytes: &[u8]) -> (u64, Option<String>) {
    write(host, &ToRunner::WriteContent { request: 9, sha256: sha256.into() }, bytes)
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn output_is_read_from_where_the_reader_is() {
    let mut host = Host::new("streams-read");
    let script = job(&host, "printf 0123456789; printf oops >&2");
    started(&mut host, script, &key(1));
    ended(&mut host, &key(1));
    host.tell(&ToRunner::Settle(key(1)));
    assert_eq!(read(&mut host, &key(1), OutputStream::Stdout, 0), ("0123456789".into(), (10, None)));
    assert_eq!(read(&mut host, &key(1), OutputStream::Stdout, 7), ("789".into(), (3, None)));
    assert_eq!(read(&mut host, &key(1), OutputStream::Stderr, 99), (String::new(), (0, None)));
    let (text, (_, error)) = read(&mut host, &key(2), OutputStream::Stdout, 0);
    assert!(text.is_empty() && error.is_some_and(|why| why.contains("No such file")));
    host.tell(&ToRunner::AskLengths { request: 3, key: key(1) });
    assert!(matches!(host.hear(), FromRunner::Lengths { request: 3, lengths: [Some(10), Some(4)] }));
    host.tell(&ToRunner::AskLengths { request: 4, key: key(2) });
    assert!(matches!(host.hear(), FromRunner::Lengths { request: 4, lengths: [None, None] }));
}

#[test]
fn a_file_of_the_users_is_read_as_output() {
    let mut host = Host::new("streams-named");
    let file = host.path("mine");
    let mut script = job(&host, "echo mine; echo kept >&2");
    script.batch.as_mut().expect("batch").stdout = Some(file.as_os_str().to_owned().into());
    started(&mut host, script, &key(1));
    assert_eq!(ended(&mut host, &key(1)).2, [None, Some(5)]);
    host.tell(&ToRunner::Settle(key(1)));
    assert_eq!(read(&mut host, &key(1), OutputStream::Stdout, 0).0, "mine\n");
    assert_eq!(read(&mut host, &key(1), OutputStream::Stderr, 0).0, "kept\n");
}

#[test]
fn a_follower_sees_all_and_then_the_end() {
    let mut host = Host::new("streams-follow");
    let go = host.path("go");
    let script = job(&host, &format!("echo first; until test -e {}; do sleep 0.01; done; printf last", go.display()));
    started(&mut host, script, &key(1));
    let (mut ours, theirs) = UnixStream::pair().expect("sockets");
    let stream = OutputStream::Stdout;
    host.hand(&ToRunner::ReadOutput { request: 8, key: key(1), stream, offset: 0, follow: true }, &theirs);
    drop(theirs);
    let mut first = [0; 6];
    ours.read_exact(&mut first).expect("it comes while the job runs");
    assert_eq!(&first, b"first\n");
    fs::write(go, "").expect("writable");
    let mut rest = String::new();
    ours.read_to_string(&mut rest).expect("an end");
    assert_eq!(rest, "last");
    // The end of the attempt and that of the transfer come in any order.
    let mut words = [host.hear(), host.hear()];
    words.sort_by_key(|word| matches!(word, FromRunner::Attempt { .. }));
    assert!(matches!(&words[0], FromRunner::Transferred { request: 8, bytes: 10, error: None }), "{words:?}");
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_follower_who_goes_away_is_noticed() {
    let mut host = Host::new("streams-left");
    let go = host.path("go");
    let script = job(&host, &format!("until test -e {}; do sleep 0.01; done", go.display()));
    started(&mut host, script, &key(1));
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    let stream = OutputStream::Stdout;
    host.hand(&ToRunner::ReadOutput { request: 8, key: key(1), stream, offset: 0, follow: true }, &theirs);
    drop((theirs, ours));
    assert!(transferred(&mut host, 8).1.is_some());
    fs::write(go, "").expect("writable");
    ended(&mut host, &key(1));
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn output_of_another_host_is_continued_where_it_stopped() {
    let mut host = Host::new("streams-write");
    let key = AttemptKey { home: "redfish".into(), job_id: 17, attempt: 3 };
    let question = |offset| {
        let stream = OutputStream::Stdout;
        ToRunner::WriteOutput { request: 9, key: key.clone(), stream, offset }
    };
    assert_eq!(write(&mut host, &question(0), b"abcdef"), (6, None));
    assert_eq!(write(&mut host, &question(4), b"EFG"), (7, None));
    let (length, error) = write(&mut host, &question(100), b"x");
    assert!(length == 7 && error.is_some_and(|why| why.contains("only 7 bytes")));
    assert_eq!(read(&mut host, &key, OutputStream::Stdout, 0).0, "abcdEFG");
    let place = directory(&host, &key);
    assert!(place.exists());
    host.tell(&ToRunner::Prune(vec![key]));
    until(|| !host.path("jobs/redfish").exists(), "the files are deleted, and the directories above them");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let mut host = Host::new("streams-names");
    for home in ["..", "a/b", "", ".x"] {
        let key = AttemptKey { home: home.into(), job_id: 1, attempt: 1 };
        let stream = OutputStream::Stdout;
        assert!(write(&mut host, &ToRunner::WriteOutput { request: 9, key, stream, offset: 0 }, b"x").1.is_some());
    }
    for name in ["", "../../x", &"A".repeat(64), &"0".repeat(63)] {
        assert!(keep(&mut host, name, b"x").1.is_some_and(|why| why.contains("is not a SHA-256")));
    }
    assert!(!host.path("jobs").exists());
}

#[test]
fn content_is_kept_only_if_it_is_what_its_name_says() {
    let mut host = Host::new("streams-content");
    let (bytes, other) = (b"the input\n", sha256(b"another"));
    let good = sha256(bytes);
    let (_, error) = keep(&mut host, &other, bytes);
    assert!(error.is_some_and(|why| why.contains(&good)));
    assert_eq!(fs::read_dir(host.path("jobs/content")).expect("made").count(), 0);
    host.tell(&ToRunner::AskContent { request: 7, sha256: good.clone() });
    assert!(transferred(&mut host, 7).1.is_some());
    assert_eq!(keep(&mut host, &good, bytes), (10, None));
    host.tell(&ToRunner::AskContent { request: 7, sha256: good.clone() });
    assert_eq!(transferred(&mut host, 7), (10, None));
    let (mut ours, theirs) = UnixStream::pair().expect("sockets");
    host.hand(&ToRunner::ReadContent { request: 6, sha256: good.clone() }, &theirs);
    drop(theirs);
    let mut text = Vec::new();
    ours.read_to_end(&mut text).expect("an end");
    assert_eq!((text.as_slice(), transferred(&mut host, 6)), (&bytes[..], (10, None)));

    let mut script = job(&host, "cat");
    script.batch.as_mut().expect("batch").stdin = Some(Content { sha256: good, bytes: 10 });
    started(&mut host, script, &key(1));
    assert_eq!(ended(&mut host, &key(1)).2, [Some(10), Some(0)]);
    host.tell(&ToRunner::Settle(key(1)));
}

#[test]
fn a_data_directory_is_unpacked_for_each_attempt() {
    let mut host = Host::new("streams-data");
    let source = host.path("source");
    fs::create_dir_all(source.join("below")).expect("writable");
    fs::write(source.join("below/file"), "data\n").expect("writable");
    let archive = Command::new("tar").arg("-C").arg(&source).args(["-cf", "-", "."]).output().expect("tar is there");
    let good = sha256(&archive.stdout);
    assert_eq!(keep(&mut host, &good, &archive.stdout).1, None);
    let mut script = job(&host, "cd $QUEUE_DATA && cat below/file && echo more >>below/file");
    let bytes = archive.stdout.len() as u64;
    script.batch.as_mut().expect("batch").data = Some(Content { sha256: good, bytes });
    for attempt in 1..3 {
        started(&mut host, script.clone(), &key(attempt));
        assert_eq!(ended(&mut host, &key(attempt)), (Outcome::Exited(0), 0, [Some(5), Some(0)]));
        host.tell(&ToRunner::Settle(key(attempt)));
    }
    let text = b"this is no archive".repeat(100);
    assert_eq!(keep(&mut host, &sha256(&text), &text).1, None);
    let content = Content { sha256: sha256(&text), bytes: text.len() as u64 };
    script.batch.as_mut().expect("batch").data = Some(content);
    let preparation = crate::batch::preparation(&host, script, &key(3));
    let refusal = crate::batch::prepare(&mut host, preparation).expect_err("no archive");
    assert!(refusal.message.contains("tar"), "{}", refusal.message);
}

/// What nobody has put there or asked for within a day is named and removed on demand; the rest is not, whoever asks.
#[test]
fn content_is_removed_only_when_nobody_has_asked_for_it_within_a_day() {
    let mut host = Host::new("contents");
    let directory = host.path("jobs/content");
    fs::create_dir_all(&directory).expect("ours");
    let plant = |name: &str, hours: u64| {
        let file = fs::File::create(directory.join(name)).expect("ours");
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        file.set_modified(then).expect("ours");
    };
    let name = |digit: &str| digit.repeat(64);
    let nobody = "4194305";
    for (name, hours) in [(name("a"), 48), (name("b"), 23), (name("c"), 25), (name("d"), 48), (name("e"), 48)] {
        plant(&name, hours);
    }
    let unfinished = [format!("part-{nobody}-x"), format!(".{}.{nobody}.0", name("f"))];
    let others = [format!("part-{}-x", std::process::id()), "notes".to_owned(), format!("part-{nobody}-young")];
    unfinished.iter().for_each(|name| plant(name, 48));
    others.iter().zip([48, 48, 1]).for_each(|(name, hours)| plant(name, hours));
    // It is needed by who asks.
    host.tell(&ToRunner::AskContent { request: 1, sha256: name("d") });
    assert!(matches!(host.hear(), FromRunner::Transferred { request: 1, bytes: 0, error: None }));

    let mut old = |after: &str, hours: u64| {
        host.tell(&ToRunner::AskOldContents { request: 2, after: after.into(), older_s: hours * 3600 });
        match host.hear() {
            FromRunner::Contents { request: 2, names } => names,
            other => panic!("{other:?} instead of Contents"),
        }
    };
    assert_eq!(old("", 0), [name("a"), name("c"), name("e")], "a day is the least");
    assert_eq!(old("", 30), [name("a"), name("e")]);
    assert_eq!(old(&name("a"), 24), [name("c"), name("e")]);
    assert!(old(&name("e"), 24).is_empty());
    assert!(unfinished.iter().all(|name| !directory.join(name).exists()));

    // Whoever put it there again meanwhile keeps it.
    plant(&name("c"), 1);
    let names = vec![name("b"), name("c"), name("d"), "notes".into(), "../authority".into(), name("a")];
    host.tell(&ToRunner::RemoveContents { names, older_s: 0 });
    let deadline = Instant::now() + Duration::from_secs(20);
    while directory.join(name("a")).exists() {
        assert!(Instant::now() < deadline, "what nobody needs is still there");
        std::thread::yield_now();
    }
    let left = [name("b"), name("c"), name("d"), name("e")];
    assert!(left.iter().chain(&others).all(|name| directory.join(name).exists()));
    assert!(host.path("authority").exists());
    assert_eq!(fs::read_dir(&directory).expect("ours").count(), left.len() + others.len());
}
