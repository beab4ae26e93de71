use super::*;
use crate::core::reports::Attachment;

mod local;
mod reading;
mod server;
mod smtp;

fn letter() -> Letter {
    Letter {
        user: "ada".into(),
        to: None,
        subject: "[queue] ok: night-run (wait, 17) on bluefish in 41 s".into(),
        message_id: "<job.17.1.end.ab12@redfish>".into(),
        body: "job        17 of redfish\n\n.a line with a dot\n.\nthe end\n".into(),
        attachments: Vec::new(),
    }
}

fn mailer(sink: Sink) -> Mailer {
    let settings = MailSettings { domain: Some("example.org".into()), ..MailSettings::default() };
    let addresses = Addresses::of(&settings, "redfish");
    Mailer { sink, addresses, threads: Arc::new(Semaphore::new(THREADS)) }
}

/// Delivers within so many seconds, on a runtime like the daemon's.
fn deliver(mailer: &Mailer, letter: &Letter, seconds: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(mailer.deliver(letter, Duration::from_secs(seconds)))
}

/// A directory of the test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("queued-mail-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("temp is writable");
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_first_sink_that_there_is_is_taken() {
    let state = Path::new("/state");
    let choose = |text: &str| Sink::choose(&toml::from_str(text).expect("well formed"), "redfish", state);
    let smtp = choose("smtp = \"mail.example.org\"\nsendmail = \"/bin/cat\"");
    assert_eq!(smtp.to_string(), "mail.example.org:587");
    assert_eq!(choose("sendmail = \"/opt/mail/sendmail\""), Sink::Sendmail("/opt/mail/sendmail".into()));
    assert_eq!(choose("sendmail = \"none\""), Sink::Maildir("/state/mail".into()));
}

#[test]
fn a_letter_to_no_address_is_refused_for_good() {
    let directory = Directory::new("refused");
    let mailer = mailer(Sink::Maildir(directory.0.clone()));
    let to = |to: &str| Letter { to: Some(to.to_owned()), ..letter() };
    let refused = |letter: Letter| match deliver(&mailer, &letter, 60) {
        Outcome::Refused(why) => why,
        outcome => panic!("{outcome:?}"),
    };
    assert_eq!(
        refused(to("a@b.org, c@d.org")),
        "\"a@b.org, c@d.org\": one address such as ada@example.org is expected"
    );
    assert_eq!(
        refused(to("ada\r\nBcc: x@y.org")),
        "\"ada\\r\\nBcc: x@y.org\": one address such as ada@example.org is expected"
    );
    assert_eq!(refused(to("a b")), "\"a b\" cannot stand before the @ of an address");
    assert_eq!(std::fs::read_dir(&directory.0).expect("ours").count(), 0);
}

#[test]
fn what_is_posted_is_ascii_whatever_the_job_has_written() {
    let part = |name, text, bytes: &[u8]| Attachment { name, text, bytes: bytes.to_vec() };
    let letter = Letter {
        subject: "[queue] ok: größe (wait, 1)".into(),
        body: format!("ä\n{}\n", "x".repeat(5000)),
        attachments: vec![part("stdout.txt", true, "ü\r\nx".as_bytes()), part("stderr.bin", false, &[0, 255, 13])],
        ..letter()
    };
    let posted = message::post(&letter, &mailer(Sink::Maildir("/".into())).addresses).expect("it has addresses");
    assert!(posted.message.is_ascii());
    let text = String::from_utf8(posted.message).expect("ASCII");
    assert!(text.lines().all(|line| line.len() <= 998), "a line is too long for SMTP");
    let message = reading::Message::parse(&text);
    assert_eq!(message.header("Subject"), letter.subject);
    let parts = message.parts();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0].content(), letter.body.replace('\n', "\r\n").as_bytes());
    assert_eq!(parts[1].content(), letter.attachments[0].bytes);
    assert!(parts[1].header("Content-Disposition").contains("stdout.txt"));
    assert_eq!(parts[2].content(), letter.attachments[1].bytes);
    assert_eq!(parts[2].header("Content-Type"), "application/octet-stream");
}
