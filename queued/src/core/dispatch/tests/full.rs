//! What happens when every host is full.

use super::*;

fn full_home() -> Home {
    Home::knowing(&[full_news("redfish"), full_news("bluefish")])
}

/// Asks at both hosts, which refuse, so that the home is registered there.
fn register(home: &mut Home, id: u64) {
    home.feed(Event::Submitted(queued(id)));
    for _ in 0..2 {
        let (host, runner_up_rank) = home.asks(id);
        assert_eq!(runner_up_rank, None);
        home.refuse(id, &host, RefusalKind::Full, 1.0);
    }
}

const FULL_WORDS: &str = "redfish: queue \"wait\" is full (4 of 4), and so is 1 other host; waiting";

#[test]
fn hosts_that_seem_full_are_asked_so_that_they_remember_and_then_the_job_waits() {
    let mut home = full_home();
    register(&mut home, 1);
    assert_eq!(home.waits(1), format!("{FULL_WORDS} (0 ahead of you)"));
    home.feed(Event::Submitted(queued(2)));
    assert_eq!(home.waits(2), format!("{FULL_WORDS} (1 ahead of you)"), "nobody is asked again so soon");
    home.feed(Event::Cancelled { id: JobId(1) });
    home.feed(Event::Cancelled { id: JobId(2) });
    assert_eq!(home.dispatcher.in_line(), 0);
}

#[test]
fn a_job_that_waits_is_told_once_and_asks_again_before_it_is_forgotten() {
    let mut home = full_home();
    register(&mut home, 1);
    home.waits(1);
    let mut asked = 0;
    for _ in 0..8 {
        let deadline = home.dispatcher.next_deadline().expect("somebody waits");
        assert!(deadline > home.now);
        home.now = deadline;
        home.feed(Event::Tick);
        while !home.actions.is_empty() {
            let (host, _) = home.asks(1);
            asked += 1;
            home.refuse(1, &host, RefusalKind::Full, 1.0);
        }
    }
    assert_eq!(asked, 4, "each host once in 20 s");
    home.feed(Event::Cancelled { id: JobId(1) });
}

#[test]
fn a_slot_that_is_offered_goes_to_the_first_in_line() {
    let mut home = full_home();
    register(&mut home, 1);
    home.waits(1);
    home.feed(Event::Submitted(Submission { priority: 5, ..queued(2) }));
    assert_eq!(home.waits(2), format!("{FULL_WORDS} (0 ahead of you)"));
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
    assert_eq!(home.asks(2), ("bluefish".into(), None));
    home.reserve(2, "bluefish", 1.0);
    home.places(2);
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
    assert_eq!(home.asks(1), ("bluefish".into(), None));
    home.reserve(1, "bluefish", 1.0);
    home.places(1);
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
    assert_eq!(home.next(), Action::Decline { host: "bluefish".into(), queue: "wait".into() });
}

#[test]
fn an_offered_slot_is_declined_when_those_who_wait_may_not_run_there() {
    let mut home = full_home();
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("redfish".into()), ..queued(1) }));
    home.asks(1);
    home.refuse(1, "redfish", RefusalKind::Full, 1.0);
    assert_eq!(home.waits(1), "redfish: queue \"wait\" is full (4 of 4); waiting (0 ahead of you)");
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
    assert_eq!(home.next(), Action::Decline { host: "bluefish".into(), queue: "wait".into() });
    home.feed(Event::Cancelled { id: JobId(1) });
}

#[test]
fn news_of_an_open_host_is_acted_on() {
    let mut home = full_home();
    register(&mut home, 1);
    home.waits(1);
    let heard = home.now;
    home.feed(Event::HostsChanged { changed: vec![HostNews { heard, ..news("bluefish", 4, 0.0) }], gone: Vec::new() });
    assert_eq!(home.asks(1), ("bluefish".into(), None));
    home.feed(Event::Cancelled { id: JobId(1) });
}

#[test]
fn an_own_job_that_ends_makes_room() {
    let mut home = Home::knowing(&[HostNews { ..news("redfish", 1, 0.0) }]);
    home.feed(Event::Submitted(queued(1)));
    home.asks(1);
    home.reserve(1, "redfish", 1.0);
    home.places(1);
    home.feed(Event::Submitted(queued(2)));
    home.asks(2);
    home.refuse(2, "redfish", RefusalKind::Full, 2.0);
    home.waits(2);
    home.feed(Event::Ended { id: JobId(1), host: "redfish".into(), rank: Some(own_rank(1.0)) });
    home.asks(2);
    home.reserve(2, "redfish", 1.0);
    home.places(2);
}

#[test]
fn a_host_that_offered_a_slot_to_nobody_is_believed_to_have_room() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0), news("bluefish", 4, 0.0)]);
    let only = |id| Submission { choice: HostChoice::Only("bluefish".into()), ..queued(id) };
    home.feed(Event::Submitted(only(1)));
    home.asks(1);
    home.refuse(1, "bluefish", RefusalKind::Full, 1.0);
    home.waits(1);
    home.feed(Event::Cancelled { id: JobId(1) });
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
    assert!(matches!(home.next(), Action::Decline { .. }));
    // No news has come, since for the host nothing has changed.
    home.feed(Event::Submitted(only(2)));
    home.asks(2);
    home.reserve(2, "bluefish", 1.0);
    home.places(2);
}

#[test]
fn a_job_whose_host_was_given_up_is_placed_anew_and_its_place_there_is_free() {
    let mut home = Home::knowing(&[HostNews { ..news("redfish", 1, 0.0) }]);
    home.feed(Event::Submitted(queued(1)));
    home.asks(1);
    home.reserve(1, "redfish", 1.0);
    home.places(1);
    // Nobody ever tells that it has ended.
    home.feed(Event::Submitted(queued(1)));
    home.asks(1);
    home.reserve(1, "redfish", 1.0);
    home.places(1);
    home.feed(Event::Ended { id: JobId(1), host: "redfish".into(), rank: Some(own_rank(1.0)) });
    home.feed(Event::Submitted(queued(2)));
    home.asks(2);
    home.reserve(2, "redfish", 1.0);
    home.places(2);
}

#[test]
fn fail_is_refused_with_75_and_is_not_remembered() {
    let mut home = full_home();
    home.feed(Event::Submitted(Submission { on_full: OnFull::Fail, ..queued(1) }));
    for _ in 0..2 {
        let Action::Ask { host, if_full, .. } = home.next() else { panic!("a question is expected") };
        assert_eq!(if_full, IfFull::Forget);
        home.refuse(1, host.as_str(), RefusalKind::Full, 1.0);
    }
    let words = "redfish: queue \"wait\" is full (4 of 4), and so is 1 other host";
    assert_eq!(home.refuses(1), (RefusalKind::Full, words.into()));
}

#[test]
fn local_runs_at_home_without_a_slot() {
    let mut home = full_home();
    register(&mut home, 1);
    home.waits(1);
    home.feed(Event::Submitted(Submission { on_full: OnFull::Local, ..queued(2) }));
    match home.next() {
        Action::Ask { id: JobId(2), host, slot: Slot::Without, runner_up_rank: None, .. } => {
            assert_eq!(host.as_str(), "redfish");
        }
        other => panic!("{other:?}"),
    }
    home.reserve(2, "redfish", 2.0);
    home.places(2);
    home.feed(Event::Cancelled { id: JobId(1) });
}

#[test]
fn no_more_than_ten_thousand_wait() {
    let mut home = full_home();
    register(&mut home, 1);
    home.waits(1);
    for id in 2..=MOST_IN_LINE as u64 {
        home.feed(Event::Submitted(queued(id)));
        home.waits(id);
    }
    home.feed(Event::Submitted(queued(20_000)));
    let words = "10000 jobs wait here already; submit more when some have started";
    assert_eq!(home.refuses(20_000), (RefusalKind::Full, words.into()));
    home.feed(Event::SlotFreed { host: "redfish".into(), queue: "wait".into(), job: None });
    home.asks(1);
}

#[test]
fn a_queue_that_a_host_does_not_have_is_not_looked_for_there() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0), news("bluefish", 4, 0.0)]);
    home.feed(Event::Submitted(Submission { queue: "night".into(), ..submission(1) }));
    assert_eq!(home.refuses(1), (RefusalKind::Failed, "no host has a queue \"night\"".into()));

    let mut other = news("onefish", 4, 0.0);
    other.state.queues[0].queue = "night".into();
    home.feed(Event::HostsChanged { changed: vec![other], gone: Vec::new() });
    home.feed(Event::Submitted(Submission { queue: "night".into(), ..submission(2) }));
    assert_eq!(home.asks(2), ("onefish".into(), None));
    home.refuse(2, "onefish", RefusalKind::Failed, 1.0);
    let words = "no host takes this: no queue \"night\" on bluefish, redfish; no user \"alice\" on onefish";
    assert_eq!(home.refuses(2), (RefusalKind::Failed, words.into()));
}

/// A job that does not wait must not make hosts seem registered for those who do.
#[test]
fn a_host_that_forgot_is_asked_again_by_a_job_that_waits() {
    let mut home = Home::knowing(&[full_news("redfish")]);
    home.feed(Event::Submitted(Submission { on_full: OnFull::Fail, ..queued(1) }));
    assert!(matches!(home.next(), Action::Ask { if_full: IfFull::Forget, .. }));
    home.refuse(1, "redfish", RefusalKind::Full, 1.0);
    home.refuses(1);
    home.feed(Event::Submitted(queued(2)));
    home.waits(2);
    home.wait(LOOK_AGAIN);
    home.asks(2);
    home.refuse(2, "redfish", RefusalKind::Full, 1.0);
    home.wait(LOOK_AGAIN);
    home.feed(Event::Cancelled { id: JobId(2) });
}

#[test]
fn one_full_host_does_not_hold_up_those_who_may_run_elsewhere() {
    let mut home = Home::knowing(&[full_news("redfish"), news("bluefish", 4, 0.0)]);
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("redfish".into()), priority: 9, ..queued(1) }));
    home.asks(1);
    home.refuse(1, "redfish", RefusalKind::Full, 1.0);
    home.waits(1);
    home.feed(Event::Submitted(queued(2)));
    assert_eq!(home.asks(2).0, "bluefish");
    home.reserve(2, "bluefish", 1.0);
    home.places(2);
    home.feed(Event::Cancelled { id: JobId(1) });
}

#[test]
fn more_jobs_than_known_slots_wait_for_the_answers_that_are_under_way() {
    let mut home = Home::knowing(&[news("redfish", 2, 0.0)]);
    for id in 1..=2 {
        home.feed(Event::Submitted(queued(id)));
        home.asks(id);
    }
    home.feed(Event::Submitted(Submission { on_full: OnFull::Fail, ..queued(3) }));
    home.reserve(1, "redfish", 1.0);
    home.places(1);
    home.refuse(2, "redfish", RefusalKind::NotFound, 1.0);
    // Job 2 leaves a slot that job 3 gets, instead of having been refused too early.
    assert_eq!(home.refuses(2).0, RefusalKind::NotFound);
    let Action::Ask { id: JobId(3), .. } = home.next() else { panic!("job 3 is asked for") };
    home.reserve(3, "redfish", 1.0);
    home.places(3);
}
