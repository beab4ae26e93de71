use spool::home::{Event, Place, State};
use spool::hosted::{self, Ending};
use spool::query::{Now, Query};
use spool::store::{Change, Ended, LetterName, Outcome, Owed, Reader, Spool, StepChange, Which};
use spool::{Attempt, JobId};
use wire::batch::{MailWish, Update};
use wire::session::Outcome as End;

use crate::samples::{NOW, job, store, submission};

#[test]
fn an_end_is_in_the_row_and_in_the_counts() {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c"]);
    place.run(1, 1, End::Exited(0));
    place.run(2, 1, End::Killed { signal: "KILL".into(), core: true });
    let place = place.reopened();
    let row = place.reader.row(job(2), NOW).expect("a store").expect("a job");
    assert_eq!((row.state.as_str(), row.exit, row.signal.as_deref(), row.core), ("finished", None, Some("KILL"), true));
    assert_eq!(row.usage.map(|usage| (usage.wall_us, usage.max_rss_kib)), Some((1000, 64)));
    assert_eq!((row.report.as_str(), row.host.as_deref(), row.attempt), ("owed", Some("redfish"), 1));
    assert_eq!((row.started_us, row.ended_us), (Some(NOW - 1000), Some(NOW)));
    let status = place.reader.status(NOW).expect("a store");
    let counts = status.states.iter().map(|count| (count.state.as_str(), count.jobs)).collect::<Vec<_>>();
    let expected = [("held", 0), ("pending", 1), ("running", 0), ("finished", 2), ("dead", 0), ("cancelled", 0)];
    assert_eq!(counts, expected);
    assert_eq!((status.exits, status.signals), (vec![(0, 1)], vec![("KILL".to_owned(), 1)]));
    assert_eq!((status.ended_in, status.mean_us, status.owed), ([2, 2, 2], Some(1000), 2));
    assert_eq!(place.reader.owed(0, 10).expect("a store"), [owed(1, 1), owed(2, 1)]);
    assert_eq!(place.reader.owed(1, 10).expect("a store"), [owed(2, 1)]);
}

fn owed(id: u64, attempt: u64) -> Owed {
    Owed { job: job(id), attempt, letter: None }
}

#[test]
fn a_letter_that_was_written_is_remembered_with_all_it_tells_of_until_it_is_delivered() {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c"]);
    for id in 1..=3 {
        place.run(id, 1, End::Exited(0));
    }
    let letter = LetterName { first: job(1), is_digest: true };
    place.apply(Change::Lettered { letter, jobs: vec![job(1), job(3)] });
    let mut place = place.reopened();
    let told = |id| Owed { letter: Some(letter), ..owed(id, 1) };
    assert_eq!(place.reader.owed(0, 10).expect("a store"), [told(1), owed(2, 1), told(3)]);
    place.apply(Change::Reported { job: job(1), outcome: "sent".into() });
    assert_eq!(place.reader.owed(0, 10).expect("a store"), [owed(2, 1), told(3)]);
    // A later end of the same job is another report.
    place.apply(Change::Reported { job: job(3), outcome: "sent".into() });
    place.step(3, Event::Resubmitted);
    place.run(3, 2, End::Exited(0));
    assert_eq!(place.reader.owed(2, 10).expect("a store"), [owed(3, 2)]);
}

#[test]
fn a_failure_with_retries_left_waits_again_and_longer_each_time() {
    let mut place = store();
    let mut retried = submission("k", 1, &["a"]);
    let batch = retried.commons[0].batch.as_mut().expect("a batch job");
    (batch.retries, batch.backoff_s) = (2, 10);
    place.apply(Change::Submit(std::sync::Arc::new(retried)));
    for (attempt, pause_s) in [(1, 10), (2, 20)] {
        let brief = place.run(1, attempt, End::Exited(3));
        assert!(matches!(brief.state(), State::Pending { .. }), "attempt {attempt}: {:?}", brief.state());
        assert_eq!(brief.not_before_us, NOW + pause_s * 1_000_000);
        assert!(place.reader.waiting(brief.lane, 10, NOW).expect("a store").is_empty());
        assert_eq!(place.reader.next_start(brief.lane, NOW).expect("a store"), Some(brief.not_before_us));
        assert_eq!(place.reader.owed(0, 10).expect("a store"), [], "it has not ended");
    }
    let brief = place.run(1, 3, End::Exited(3));
    assert!(matches!(brief.state(), State::Finished { .. }));
    assert_eq!(place.reader.owed(0, 10).expect("a store"), [owed(1, 3)]);
    // Its owner submits it again: with all its retries, and nothing left of the end.
    place.step(1, Event::Resubmitted);
    let row = place.reader.row(job(1), NOW).expect("a store").expect("a job");
    assert_eq!((row.state.as_str(), row.exit, row.ended_us, row.retries), ("pending", None, None, 2));
    assert_eq!((row.usage, row.report.as_str()), (None, ""));
}

#[test]
fn a_success_is_not_tried_again() {
    let mut place = store();
    let mut retried = submission("k", 1, &["a"]);
    retried.commons[0].batch.as_mut().expect("a batch job").retries = 2;
    place.apply(Change::Submit(std::sync::Arc::new(retried)));
    assert!(matches!(place.run(1, 1, End::Exited(0)).state(), State::Finished { .. }));
}

#[test]
fn after_a_refusal_nothing_more_of_its_unit_is_done_and_the_others_are() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    let spool = place.spool.id();
    let placed = |id| {
        let attempt = Attempt::FIRST;
        let here = Place { attempt, host: "redfish".into(), spool };
        let start = hosted::Event::StartAsked { spool };
        vec![
            Change::Step(StepChange::new(job(id), Event::Placed(here), NOW)),
            Change::Host {
                home: "redfish".into(),
                job: job(id),
                attempt,
                user: "alice".into(),
                at_ms: 5,
                event: start,
            },
        ]
    };
    place.step(1, Event::Held);
    let outcomes = place.spool.write(&[placed(1), placed(2)]).expect("a store");
    assert!(matches!(outcomes[0][..], [Outcome::Refused(_), Outcome::Skipped]));
    assert!(matches!(outcomes[1][..], [Outcome::Job { changed: true, .. }, Outcome::Attempt(_)]));
    let in_hand = place.reader.attempts().expect("a store");
    assert_eq!(in_hand.iter().map(|one| one.record.job()).collect::<Vec<_>>(), [job(2)]);
    assert_eq!((in_hand[0].user.as_str(), in_hand[0].accepted_ms), ("alice", 5));
    assert_eq!(place.reader.unsettled().expect("a store").len(), 1);
}

#[test]
fn an_attempt_that_was_never_seen_is_refused_for_ever() {
    let mut place = store();
    let spool = place.spool.id();
    let host = |event| Change::Host {
        home: "gold".into(),
        job: job(9),
        attempt: Attempt::FIRST,
        user: "alice".into(),
        at_ms: 1,
        event,
    };
    for event in [hosted::Event::Asked { spool }, hosted::Event::StartAsked { spool }] {
        match place.apply(host(event)) {
            Outcome::Attempt(record) => assert_eq!(*record.state(), hosted::State::Refused),
            other => panic!("{other:?}"),
        }
        place = place.reopened();
    }
    assert!(place.reader.attempts().expect("a store").is_empty(), "nothing is in hand");
}

#[test]
fn after_a_boot_nothing_runs_that_was_accepted_before() {
    let mut place = store();
    let spool = place.spool.id();
    place.apply(Change::Booted { boot: "one".into() });
    let host = |event| Change::Host {
        home: "gold".into(),
        job: job(9),
        attempt: Attempt::FIRST,
        user: "alice".into(),
        at_ms: 1,
        event,
    };
    place.apply(host(hosted::Event::StartAsked { spool }));
    place.apply(Change::Booted { boot: "one".into() });
    let state = |place: &crate::samples::Place1| place.reader.attempts().expect("a store")[0].record.state().clone();
    assert_eq!(state(&place), hosted::State::Accepted, "the same boot");
    place.apply(Change::Booted { boot: "two".into() });
    assert_eq!(state(&place), hosted::State::Ended(Ending::Lost));
}

#[test]
fn what_may_be_changed_when_is_what_rq_allowed() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    let update = |id, updates| Change::Update { job: job(id), updates };
    assert!(matches!(place.apply(update(1, vec![Update::Priority(9)])), Outcome::Job { .. }));
    place.run(2, 1, End::Exited(0));
    assert!(matches!(place.apply(update(2, vec![Update::Priority(9)])), Outcome::Refused(_)));
    assert!(matches!(place.apply(Change::Delete(job(2))), Outcome::Refused(why) if why.contains("report")));
    place.apply(Change::Reported { job: job(2), outcome: "sent".into() });
    assert!(matches!(place.apply(Change::Delete(job(2))), Outcome::Deleted { attempts: 1 }));
    assert!(place.reader.row(job(2), NOW).expect("a store").is_none());
    assert!(matches!(place.apply(Change::Delete(job(2))), Outcome::Refused(_)));
    let spool = place.spool.id();
    let here = Place { attempt: Attempt::FIRST, host: "redfish".into(), spool };
    place.step(1, Event::Placed(here));
    assert!(matches!(place.apply(Change::Delete(job(1))), Outcome::Refused(why) if why.contains("cancel it first")));
    assert!(matches!(place.step(77, Event::Held), Outcome::Refused(_)));
}

fn query(text: &str) -> Query {
    Query::parse(text, Now { unix_us: NOW, utc_offset_s: 0 }).expect(text)
}

#[test]
fn those_that_have_not_ended_are_listed_in_order_whatever_their_states() {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c", "d", "e", "f", "g"]);
    for id in [1, 4] {
        place.run(id, 1, End::Exited(0));
    }
    place.step(6, Event::Held);
    place.step(2, Event::Held);
    let ids = |text: &str, after, most| {
        let which = Which { query: Some(query(text)), user: Some("alice".into()), ..Which::default() };
        let (rows, more) = place.reader.page(&which, after, most, NOW).expect("a store");
        (rows.iter().map(|row| row.id).collect::<Vec<_>>(), more)
    };
    assert_eq!(ids("pending", 0, 10), (vec![3, 5, 7], None));
    assert_eq!(ids("held", 0, 10), (vec![2, 6], None));
    assert_eq!(ids("waiting", 0, 10), (vec![2, 3, 5, 6, 7], None));
    assert_eq!(ids("waiting", 0, 2), (vec![2, 3], Some(3)));
    assert_eq!(ids("waiting", 3, 2), (vec![5, 6], Some(6)));
    assert_eq!(ids("state!=running state!=held", 0, 10).0, [1, 3, 4, 5, 7]);
    assert_eq!(ids("pending id>3 queue=wait", 0, 10).0, [5, 7]);
    assert_eq!(ids("running", 0, 10).0, Vec::<u64>::new());
    assert_eq!(ids("pending or id=1", 0, 10).0, [1, 3, 5, 7]);
}

#[test]
fn pages_show_whose_and_which_jobs_are_meant() {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c", "d", "e"]);
    place.run(2, 1, End::Exited(3));
    let ids = |which: &Which, after, most| {
        let (rows, more) = place.reader.page(which, after, most, NOW).expect("a store");
        (rows.iter().map(|row| row.id).collect::<Vec<_>>(), more)
    };
    assert_eq!(ids(&Which::default(), 0, 2), (vec![1, 2], Some(2)));
    assert_eq!(ids(&Which::default(), 2, 2), (vec![3, 4], Some(4)));
    assert_eq!(ids(&Which::default(), 4, 2), (vec![5], None));
    let bob = Which { user: Some("bob".into()), ..Which::default() };
    assert_eq!(ids(&bob, 0, 10), (vec![], None));
    let some = Which { ids: Some(vec![5, 3, 99]), user: Some("alice".into()), ..Which::default() };
    assert_eq!(ids(&some, 0, 10), (vec![3, 5], None));
    let failed = Which { query: Some(query("state=finished exit!=0 user=alice queue=wait")), ..Which::default() };
    assert_eq!(ids(&failed, 0, 10), (vec![2], None));
    assert!(JobId::new(0).is_err());
}

#[test]
fn what_is_done_at_an_end_is_owed_for_that_end_until_it_is_done_or_given_up() {
    let mut place = store();
    let mut told = submission("k", 1, &["a", "b", "c"]);
    told.commons[0].batch.as_mut().expect("a batch job").notify = Some("tell".into());
    told.jobs[1].wishes.mail = Some(MailWish { failure: true, ..MailWish::default() });
    told.jobs[2].wishes.mail = Some(MailWish::default());
    place.apply(Change::Submit(std::sync::Arc::new(told)));
    place.submit("silent", 4, &["d"]);
    for (id, end) in [(1, End::Exited(0)), (2, End::Exited(0)), (4, End::Exited(1))] {
        place.run(id, 1, end);
    }
    place.step(3, Event::CancelAsked);
    let mut place = place.reopened();
    let notice = |place: &crate::samples::Place1, id| {
        place.reader.row(job(id), NOW).expect("a store").map(|row| (row.notify.is_some(), row.notice))
    };
    let is = |notify, notice: &str| Some((notify, notice.to_owned()));
    assert_eq!(notice(&place, 1), is(true, "owed"));
    assert_eq!(notice(&place, 2), is(true, "not wanted"), "only failures are wanted");
    assert_eq!(notice(&place, 3), is(true, "owed"), "no mail is another wish");
    assert_eq!(notice(&place, 4), is(false, ""));
    assert_eq!(place.reader.noticed(0, 10).expect("a store"), [job(1), job(3)]);
    assert_eq!(place.reader.noticed(1, 10).expect("a store"), [job(3)]);
    let done = |ended_us| Change::Noticed { job: job(1), ended_us, outcome: "sent".into() };
    place.apply(done(NOW - 1));
    assert_eq!(notice(&place, 1), is(true, "owed"), "that was another end");
    // What is owed is not forgotten, also when the report is not owed any more.
    place.apply(Change::Reported { job: job(1), outcome: "sent".into() });
    let ended = || Change::Forget(vec![Ended { job: job(1), attempt: 1, ended_us: NOW }]);
    place.apply(ended());
    assert_eq!(notice(&place, 1), is(true, "owed"));
    place.apply(done(NOW));
    assert_eq!(notice(&place, 1), is(true, "sent"));
    place.step(3, Event::Resubmitted);
    assert_eq!(notice(&place, 3), is(true, ""), "the next end is another");
    place.apply(ended());
    assert_eq!(notice(&place, 1), None);
}
