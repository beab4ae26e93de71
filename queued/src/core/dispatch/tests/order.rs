//! Who is next: priority, then the user with least under way, then the time of submission.

use super::*;

/// One host with one slot, taken by job 0; the jobs given wait. Says in which order they run.
fn order(jobs: Vec<Submission>) -> Vec<u64> {
    let mut home = Home::knowing(&[full_news("redfish")]);
    let count = jobs.len();
    for (place, job) in jobs.into_iter().enumerate() {
        let id = job.id;
        home.feed(Event::Submitted(job));
        if place == 0 {
            home.asks(id.0);
            home.refuse(id.0, "redfish", RefusalKind::Full, 1.0);
        }
        home.waits(id.0);
    }
    let mut order = Vec::new();
    for _ in 0..count {
        home.feed(Event::SlotFreed { host: "redfish".into(), queue: "wait".into(), job: None });
        let Action::Ask { id, .. } = home.next() else { panic!("a question is expected") };
        order.push(id.0);
        home.reserve(id.0, "redfish", 1.0);
        home.places(id.0);
    }
    order
}

fn of(user: &str, id: u64) -> Submission {
    Submission { user: user.into(), ..queued(id) }
}

#[test]
fn the_time_of_submission_decides_among_equals() {
    assert_eq!(order(vec![queued(3), queued(1), queued(2)]), [3, 1, 2]);
}

#[test]
fn priority_comes_first() {
    let jobs = [0, 5, -1, 5].into_iter().zip(1..).map(|(priority, id)| Submission { priority, ..queued(id) });
    assert_eq!(order(jobs.collect()), [2, 4, 1, 3]);
}

#[test]
fn users_take_turns_by_what_they_have_under_way() {
    let jobs = (1..=4).map(|id| of("alice", id)).chain([of("bob", 5), of("bob", 6), of("carol", 7)]);
    assert_eq!(order(jobs.collect()), [1, 5, 7, 2, 6, 3, 4]);
}

#[test]
fn a_job_that_ended_no_longer_counts_against_its_user() {
    let mut home = Home::knowing(&[news("redfish", 1, 0.0)]);
    home.feed(Event::Submitted(of("alice", 1)));
    home.asks(1);
    home.reserve(1, "redfish", 1.0);
    home.places(1);
    home.feed(Event::Submitted(of("alice", 2)));
    home.asks(2);
    home.refuse(2, "redfish", RefusalKind::Full, 1.0);
    home.waits(2);
    home.feed(Event::Submitted(of("bob", 3)));
    home.waits(3);
    home.feed(Event::SlotFreed { host: "redfish".into(), queue: "wait".into(), job: None });
    home.asks(3);
    home.reserve(3, "redfish", 1.0);
    home.places(3);
    home.feed(Event::Ended { id: JobId(3), host: "redfish".into(), rank: None });
    home.asks(2);
    home.feed(Event::Cancelled { id: JobId(2) });
}
