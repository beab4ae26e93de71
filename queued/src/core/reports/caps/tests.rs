use std::collections::HashMap;

use super::*;
use crate::core::names::JobId;

fn address(user: &str, kind: Kind, to: Option<&str>) -> Address {
    Address { user: user.into(), kind, to: to.map(str::to_owned) }
}

fn ada() -> Address {
    address("ada", Kind::End, None)
}

fn attempt(job: u64) -> Attempt {
    Attempt { job: JobId(job), number: 1 }
}

fn owed(caps: &mut Caps, seconds: u64, address: &Address, job: u64) -> Vec<Action> {
    caps.handle(Millis(seconds * 1000), Event::Owed(Owed { attempt: attempt(job), address: address.clone() }))
}

fn tick(caps: &mut Caps, seconds: u64) -> Vec<Action> {
    caps.handle(Millis(seconds * 1000), Event::Tick)
}

/// Ends as many jobs at once as go out alone.
fn exhaust(caps: &mut Caps, seconds: u64, address: &Address) {
    for job in 1..=SINGLES as u64 {
        let one = Owed { attempt: attempt(job), address: address.clone() };
        assert_eq!(owed(caps, seconds, address, job), [Action::SendOne(one)]);
    }
}

fn digest(address: &Address, jobs: impl IntoIterator<Item = u64>) -> Action {
    Action::SendDigest { address: address.clone(), attempts: jobs.into_iter().map(attempt).collect() }
}

#[test]
fn ten_thousand_ends_at_once_are_twenty_letters_and_a_digest() {
    let mut caps = Caps::default();
    exhaust(&mut caps, 5, &ada());
    for job in 21..=10_000 {
        assert_eq!(owed(&mut caps, 5, &ada(), job), []);
    }
    assert_eq!(caps.next_deadline(), Some(Millis(65_000)));
    assert_eq!(tick(&mut caps, 64), []);
    assert_eq!(tick(&mut caps, 65), [digest(&ada(), 21..=10_000)]);
    assert_eq!(caps.next_deadline(), None);
}

#[test]
fn a_digest_goes_out_after_ten_minutes_even_if_it_is_never_quiet() {
    let mut caps = Caps::default();
    exhaust(&mut caps, 0, &ada());
    for second in 1..=600 {
        assert_eq!(owed(&mut caps, second, &ada(), 100 + second), []);
    }
    assert_eq!(tick(&mut caps, 600), []);
    assert_eq!(caps.next_deadline(), Some(Millis(601_000)));
    assert_eq!(tick(&mut caps, 601), [digest(&ada(), 101..=700)]);
}

#[test]
fn a_digest_goes_out_at_once_when_it_is_full() {
    let mut caps = Caps::default();
    exhaust(&mut caps, 0, &ada());
    let full = 100 + COLLECTED as u64;
    for job in 101..full {
        assert_eq!(owed(&mut caps, 1, &ada(), job), []);
    }
    assert_eq!(owed(&mut caps, 1, &ada(), full), [digest(&ada(), 101..=full)]);
    assert_eq!(caps.next_deadline(), None);
    assert_eq!(owed(&mut caps, 2, &ada(), full + 1), []);
}

#[test]
fn after_ten_minutes_letters_about_one_job_go_out_again() {
    let mut caps = Caps::default();
    exhaust(&mut caps, 0, &ada());
    assert_eq!(owed(&mut caps, 599, &ada(), 50), []);
    // While something is collected, the next is collected too.
    assert_eq!(owed(&mut caps, 601, &ada(), 51), []);
    assert_eq!(tick(&mut caps, 661), [digest(&ada(), [50, 51])]);
    exhaust(&mut caps, 662, &ada());
}

#[test]
fn a_collection_of_one_goes_out_alone() {
    let mut caps = Caps::default();
    exhaust(&mut caps, 0, &ada());
    assert_eq!(owed(&mut caps, 1, &ada(), 50), []);
    assert_eq!(tick(&mut caps, 61), [Action::SendOne(Owed { attempt: attempt(50), address: ada() })]);
}

#[test]
fn users_and_kinds_count_apart_and_recipients_have_digests_apart() {
    let mut caps = Caps::default();
    let elsewhere = address("ada", Kind::End, Some("ada@example.org"));
    exhaust(&mut caps, 0, &ada());
    exhaust(&mut caps, 0, &address("ada", Kind::Start, None));
    exhaust(&mut caps, 0, &address("bob", Kind::End, None));
    // Another recipient is no way around the bound.
    for job in [60, 61] {
        assert_eq!(owed(&mut caps, 1, &elsewhere, job), []);
    }
    for job in [71, 70] {
        assert_eq!(owed(&mut caps, 1, &ada(), job), []);
    }
    assert_eq!(tick(&mut caps, 61), [digest(&ada(), [70, 71]), digest(&elsewhere, [60, 61])]);
}

#[test]
fn who_was_written_to_long_ago_is_forgotten() {
    let mut caps = Caps::default();
    exhaust(&mut caps, 0, &ada());
    assert_eq!(tick(&mut caps, 599), []);
    assert_eq!(caps.written.len(), 1);
    assert_eq!(tick(&mut caps, 600), []);
    assert_eq!(caps.written.len(), 0);
}

proptest::proptest! {
    #[test]
    fn every_report_is_in_exactly_one_letter(steps in proptest::collection::vec((0u64..200, 0usize..3), 1..300)) {
        let addresses = [ada(), address("ada", Kind::End, Some("x@y")), address("bob", Kind::Start, None)];
        let (mut caps, mut now, mut told) = (Caps::default(), 0, HashMap::new());
        let mut actions = Vec::new();
        for (job, (pause, which)) in (1..).zip(&steps) {
            now += pause;
            while let Some(due) = caps.next_deadline().filter(|due| due.0 <= now * 1000) {
                actions.extend(caps.handle(due, Event::Tick));
            }
            actions.extend(owed(&mut caps, now, &addresses[*which], job));
        }
        while let Some(due) = caps.next_deadline() {
            actions.extend(caps.handle(due, Event::Tick));
        }
        for action in actions {
            let attempts = match action {
                Action::SendOne(owed) => vec![owed.attempt],
                Action::SendDigest { attempts, .. } => attempts,
            };
            for attempt in attempts {
                *told.entry(attempt.job.0).or_insert(0) += 1;
            }
        }
        proptest::prop_assert_eq!(told.len(), steps.len());
        proptest::prop_assert!(told.values().all(|times| *times == 1));
    }
}
