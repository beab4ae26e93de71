use std::os::unix::fs::PermissionsExt;

use super::super::smtp;
use super::reading::Message;
use super::server::{Manner, Server};
use super::*;
use crate::config::mail::Security;
use crate::core::reports::{Kind, compose};
use wire::batch::JobRow;

fn settings(server: &Server) -> SmtpSettings {
    SmtpSettings {
        server: "127.0.0.1".into(),
        port: server.port,
        security: Security::None,
        login: None,
        hello: "redfish".into(),
    }
}

fn to(server: &Server) -> Mailer {
    mailer(Sink::Smtp(settings(server)))
}

#[test]
fn a_letter_arrives_with_what_was_said_in_it() {
    let server = Server::start([Manner::Accepts]);
    assert_eq!(deliver(&to(&server), &letter(), 60), Outcome::Accepted);
    let received = server.received();
    assert_eq!((&received.from[..], &received.to[..]), ("ada@example.org", "ada@example.org"));
    let message = Message::parse(&received.message);
    assert_eq!(message.header("From"), "queue <ada@example.org>");
    assert_eq!(message.header("To"), "ada@example.org");
    assert_eq!(message.header("Subject"), letter().subject);
    assert_eq!(message.header("Message-ID"), letter().message_id);
    assert_eq!(message.header("Auto-Submitted"), "auto-generated");
    assert_eq!(message.header("Precedence"), "bulk");
    assert_eq!(message.header("Priority"), "non-urgent");
    assert_eq!(message.all("Date").len(), 1);
    assert_eq!(String::from_utf8_lossy(&message.content()).trim_end(), letter().body.replace('\n', "\r\n").trim_end());
}

#[test]
fn a_name_with_line_breaks_becomes_no_header_and_no_recipient() {
    let row = JobRow {
        id: 17,
        home: "redfish".into(),
        state: "finished".into(),
        exit: Some(0),
        user: "ada".into(),
        queue: "wait\nX-Queue: y".into(),
        name: Some("größe\r\nBcc: x@example.org\r\n\r\n<b>hello".into()),
        host: Some("bluefish\r\nX-Host: y".into()),
        ..JobRow::default()
    };
    let cluster = "ab12\r\nX-Cluster: y".to_owned();
    let zone = jiff::tz::TimeZone::UTC;
    let report = compose::Report { kind: Kind::End, row, tails: Vec::new(), cluster, zone };
    let mut hostile = compose::compose(&report);
    // Even where a line break has got into a letter.
    let subject = hostile.subject.clone();
    for suffix in ["", "\r\nBcc: x@example.org", "\nBcc: x", "\rBcc: x"] {
        hostile.subject = format!("{subject}{suffix}");
        let server = Server::start([Manner::Accepts]);
        assert_eq!(deliver(&to(&server), &hostile, 60), Outcome::Accepted);
        let received = server.received();
        let message = Message::parse(&received.message);
        assert_eq!(received.to, "ada@example.org");
        for name in ["Bcc", "X-Host", "X-Queue", "X-Cluster"] {
            assert_eq!(message.all(name), Vec::<&str>::new(), "{}", received.message);
        }
        assert_eq!(message.header("Subject"), hostile.subject);
        assert_eq!(message.all("Message-ID").len(), 1);
    }
}

#[test]
fn a_busy_server_is_asked_again_and_gets_the_same_letter() {
    let server = Server::start([Manner::IsBusy, Manner::Accepts]);
    let why = format!("127.0.0.1:{}: 451 4.3.2 come back later", server.port);
    assert_eq!(deliver(&to(&server), &letter(), 60), Outcome::Later(why));
    assert_eq!(deliver(&to(&server), &letter(), 60), Outcome::Accepted);
    let ids =
        [server.received(), server.received()].map(|one| Message::parse(&one.message).header("Message-ID").to_owned());
    assert_eq!(ids, [letter().message_id, letter().message_id]);
}

#[test]
fn a_recipient_that_nobody_knows_is_refused_for_good() {
    let server = Server::start([Manner::KnowsNobody]);
    let why = format!("127.0.0.1:{}: 550 5.1.1 no such user here", server.port);
    assert_eq!(deliver(&to(&server), &letter(), 60), Outcome::Refused(why));
    assert!(server.has_nothing());
}

#[test]
fn a_server_that_hangs_after_the_dot_gets_the_same_letter_again() {
    let server = Server::start([Manner::HangsAfterTheDot, Manner::Accepts]);
    let mailer = to(&server);
    let why = format!("127.0.0.1:{} gave no answer within 3 s", server.port);
    assert_eq!(deliver(&mailer, &letter(), 3), Outcome::Later(why));
    assert_eq!(deliver(&mailer, &letter(), 60), Outcome::Accepted);
    let ids =
        [server.received(), server.received()].map(|one| Message::parse(&one.message).header("Message-ID").to_owned());
    assert_eq!(ids, [letter().message_id, letter().message_id]);
}

#[test]
fn a_connection_that_closes_in_the_middle_is_no_refusal() {
    let server = Server::start([Manner::ClosesInTheMiddle]);
    assert!(matches!(deliver(&to(&server), &letter(), 60), Outcome::Later(_)));
    assert!(server.has_nothing());
}

#[test]
fn what_a_server_thinks_of_us_is_no_refusal_of_the_letter() {
    let server = Server::start([Manner::WantsLogin]);
    let why = format!("127.0.0.1:{}: 530 5.7.0 who are you?", server.port);
    assert_eq!(deliver(&to(&server), &letter(), 60), Outcome::Later(why));
}

#[test]
fn a_server_that_says_nothing_is_called_silent() {
    let server = Server::start([Manner::IsSilent]);
    let posted = message::post(&letter(), &to(&server).addresses).expect("it has addresses");
    let mut told = Vec::new();
    // Without the bound around all: the socket's own.
    smtp::send(&settings(&server), &posted, Instant::now() + Duration::from_millis(300), &mut |outcome| {
        told.push(outcome)
    });
    assert_eq!(told, [Outcome::Later(format!("127.0.0.1:{}: no answer", server.port))]);
}

#[test]
fn no_server_at_all_is_no_refusal() {
    let server = Server::start([]);
    assert!(matches!(deliver(&to(&server), &letter(), 60), Outcome::Later(_)));
}

#[test]
fn what_was_taken_is_taken_though_the_farewell_is_not_answered() {
    let server = Server::start([Manner::AcceptsAndFallsSilent]);
    assert_eq!(deliver(&to(&server), &letter(), 60), Outcome::Accepted);
}

#[test]
fn nothing_is_sent_in_the_clear_when_tls_is_wanted() {
    let server = Server::start([Manner::Accepts]);
    let settings = SmtpSettings { security: Security::Starttls, ..settings(&server) };
    let outcome = deliver(&mailer(Sink::Smtp(settings)), &letter(), 60);
    assert!(matches!(&outcome, Outcome::Later(why) if why.contains("STARTTLS")), "{outcome:?}");
    assert!(server.has_nothing());
}

#[test]
fn a_password_that_is_not_believed_costs_no_letter() {
    let directory = Directory::new("password");
    let file = directory.0.join("password");
    std::fs::write(&file, "secret\n").expect("ours");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("ours");
    let server = Server::start([Manner::BelievesNoPassword]);
    let settings = SmtpSettings { login: Some(("ada".into(), file.clone())), ..settings(&server) };
    let mailer = mailer(Sink::Smtp(settings));
    let later = |mailer: &Mailer| match deliver(mailer, &letter(), 60) {
        Outcome::Later(why) => why,
        outcome => panic!("{outcome:?}"),
    };
    mode(0o644);
    let readable = format!("{}: others can read the password; chmod 600 {0}", file.display());
    assert!(later(&mailer).ends_with(&readable));
    mode(0o600);
    assert!(later(&mailer).ends_with(": 535 5.7.8 wrong password"));
    assert!(server.has_nothing());
}

#[test]
fn a_delivery_that_was_given_up_keeps_its_place_until_its_thread_has_ended() {
    let server = Server::start([Manner::HangsAfterTheDot]);
    let mailer = Mailer { threads: Arc::new(Semaphore::new(1)), ..to(&server) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let letter = letter();
    runtime.block_on(async {
        let given_up = tokio::time::timeout(Duration::from_secs(3), mailer.deliver(&letter, DEADLINE)).await;
        assert!(given_up.is_err(), "{given_up:?}");
        assert_eq!(mailer.threads.available_permits(), 0);
        // The next waits for the place, not longer than its own deadline, and no thread is added.
        let waited = mailer.deliver(&letter, Duration::from_millis(100)).await;
        assert!(matches!(waited, Outcome::Later(_)), "{waited:?}");
    });
    assert!(!server.received().message.is_empty());
    assert!(server.has_nothing());
}
