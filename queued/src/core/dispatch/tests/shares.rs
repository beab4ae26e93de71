//! How queues divide their slots among users: in turn or in order, and never more than one user may have.

use std::collections::HashMap;

use super::*;
use crate::core::dispatch::Share;

fn rule(per_user: Option<u32>, fifo: bool) -> Event {
    Event::Shares(HashMap::from([("wait".into(), Share { per_user, fifo })]))
}

fn of(user: &str, id: u64) -> Submission {
    Submission { user: user.into(), ..queued(id) }
}

fn ended(id: u64) -> Event {
    Event::Ended { id: JobId(id), host: "redfish".into(), rank: Some(own_rank(1.0)) }
}

impl Home {
    fn runs(&mut self, id: u64) {
        self.asks(id);
        self.reserve(id, "redfish", 1.0);
        self.places(id);
    }
}

#[test]
fn a_user_who_has_his_share_waits_and_holds_up_nobody() {
    let mut home = Home::knowing(&[news("redfish", 64, 0.0)]);
    home.feed(rule(Some(2), false));
    for id in 1..=2 {
        home.feed(Event::Submitted(of("alice", id)));
        home.runs(id);
    }
    for (id, priority) in [(3, 9), (4, 0)] {
        home.feed(Event::Submitted(Submission { priority, ..of("alice", id) }));
        assert_eq!(home.waits(id), "queue \"wait\": alice may run 2 at a time, 2 are running");
    }
    home.feed(Event::Submitted(of("bob", 5)));
    home.runs(5);
    home.feed(ended(5));
    home.feed(ended(1));
    home.runs(3);
    // A job that may run elsewhere only is not forgotten either.
    home.feed(ended(2));
    home.runs(4);
    // The rule is taken away.
    home.feed(Event::Submitted(of("alice", 6)));
    home.waits(6);
    home.feed(Event::Shares(HashMap::new()));
    home.runs(6);
}

#[test]
fn who_does_not_want_to_wait_is_refused() {
    let mut home = Home::knowing(&[news("redfish", 64, 0.0)]);
    home.feed(rule(Some(0), false));
    home.feed(Event::Submitted(Submission { on_full: OnFull::Fail, ..of("alice", 1) }));
    let words = "queue \"wait\": alice may run 0 at a time, 0 are running";
    assert_eq!(home.refuses(1), (RefusalKind::Full, words.into()));
}

#[test]
fn in_a_queue_in_order_nobody_overtakes_whatever_is_under_way() {
    let mut home = Home::knowing(&[news("redfish", 64, 0.0), full_news("bluefish")]);
    home.feed(rule(None, true));
    let only = |user: &str, id| Submission { choice: HostChoice::Only("bluefish".into()), ..of(user, id) };
    for id in 1..=3 {
        home.feed(Event::Submitted(of("alice", id)));
        home.runs(id);
    }
    for (id, user) in [(4, "alice"), (5, "bob")] {
        home.feed(Event::Submitted(only(user, id)));
        if id == 4 {
            home.asks(4);
            home.refuse(4, "bluefish", RefusalKind::Full, 1.0);
        }
        home.waits(id);
    }
    for id in [4, 5] {
        home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
        home.asks(id);
        home.reserve(id, "bluefish", 1.0);
        home.places(id);
    }
}

#[test]
fn the_first_job_of_a_second_user_is_next_however_many_another_has_in_line() {
    let mut home = Home::knowing(&[full_news("redfish")]);
    home.feed(Event::Submitted(of("alice", 1)));
    home.asks(1);
    home.refuse(1, "redfish", RefusalKind::Full, 1.0);
    home.waits(1);
    for id in 2..5000 {
        home.feed(Event::Submitted(of("alice", id)));
        home.waits(id);
    }
    home.feed(Event::Submitted(of("bob", 5000)));
    home.waits(5000);
    let free = || Event::SlotFreed { host: "redfish".into(), queue: "wait".into(), job: None };
    home.feed(free());
    home.runs(1);
    home.feed(free());
    home.runs(5000);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn no_user_ever_runs_more_than_he_may(
        most in 0..4_u32,
        steps in proptest::collection::vec((0..3_u8, 0..3_u8), 1..80),
    ) {
        let mut dispatcher = Dispatcher::new("redfish".into(), 7);
        let mut now = Millis(0);
        let (mut running, mut next) = (Vec::<(u64, u8)>::new(), 0);
        let mut queue = std::collections::VecDeque::new();
        queue.push_back(Event::HostsChanged { changed: vec![news("redfish", 64, 0.0)], gone: Vec::new() });
        queue.push_back(rule(Some(most), false));
        let mut owners = HashMap::new();
        for (what, user) in steps {
            match what {
                0 | 1 => {
                    next += 1;
                    owners.insert(next, user);
                    queue.push_back(Event::Submitted(of(&format!("u{user}"), next)));
                }
                _ if !running.is_empty() => {
                    let (id, _) = running.remove(usize::from(user) % running.len());
                    queue.push_back(ended(id));
                }
                _ => {}
            }
            while let Some(event) = queue.pop_front() {
                now = Millis(now.0 + 1);
                for action in dispatcher.handle(now, event) {
                    match action {
                        // Every third question is refused.
                        Action::Ask { id, host, .. } if id.0.is_multiple_of(3) && now.0.is_multiple_of(2) => {
                            let refusal = Refusal { message: "busy".into(), kind: RefusalKind::Full };
                            queue.push_back(Event::Refused { id, host, refusal, rank: own_rank(1.0) });
                        }
                        Action::Ask { id, host, .. } => {
                            queue.push_back(Event::Reserved { id, host, rank: own_rank(1.0) });
                        }
                        Action::Place { id, .. } => running.push((id.0, owners[&id.0])),
                        _ => {}
                    }
                }
                for user in 0..3 {
                    let count = running.iter().filter(|(_, of)| *of == user).count();
                    proptest::prop_assert!(count as u32 <= most, "{count} of u{user}");
                }
            }
        }
    }
}
