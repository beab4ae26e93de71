//! Jobs that wait for others: each end settles what it can in the same write, and nothing is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use spool::home::{Death, Event, NeverStarted, State};
use spool::store::{Brief, Change, Ended, Outcome, Reader, Spool};
use wire::after::{After, Condition};
use wire::batch::{JobRow, Update};
use wire::session::Outcome as End;

use crate::samples::{NOW, Place1, job, store, submission};

const OK: Condition = Condition::Ok;
const ANY: Condition = Condition::Any;
const FAIL: Condition = Condition::Fail;

impl Place1 {
    /// Takes one job that waits for these.
    pub fn submit_after(&mut self, id: u64, after: &[(u64, Condition)]) -> Outcome {
        let mut one = submission(&format!("k{id}"), id, &["x"]);
        one.jobs[0].wishes.after =
            after.iter().map(|(job, condition)| After { job: *job, condition: *condition }).collect();
        self.apply(Change::Submit(Arc::new(one)))
    }

    pub fn row(&self, id: u64) -> JobRow {
        self.reader.row(job(id), NOW).expect("a store").expect("a job")
    }

    /// The state of a job with what there is to say about it.
    pub fn stands(&self, id: u64) -> String {
        let row = self.row(id);
        if row.detail.is_empty() { row.state } else { format!("{} ({})", row.state, row.detail) }
    }

    /// Jobs that may start now.
    pub fn ready(&self) -> Vec<u64> {
        let lanes = self.reader.lanes().expect("a store");
        let waiting = lanes.into_iter().flat_map(|lane| self.reader.waiting(lane, 10_000, NOW).expect("a store"));
        waiting.map(|brief| brief.id().number()).collect()
    }
}

fn numbers(jobs: &[Brief]) -> Vec<u64> {
    jobs.iter().map(|brief| brief.id().number()).collect()
}

#[test]
fn a_job_starts_when_the_last_it_waits_for_has_ended_as_it_should() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    place.submit_after(3, &[(1, OK), (2, FAIL)]);
    assert_eq!((place.ready(), place.stands(3).as_str()), (vec![1, 2], "pending (after 1, 2:fail)"));
    let lane = place.reader.lanes().expect("a store")[0];
    assert_eq!(place.reader.next_start(lane, NOW).expect("a store"), None, "no time lets it start");
    assert_eq!(place.reader.waiting_in("wait", None, 10).expect("a store"), 3, "it waits as others do");
    place.run(1, 1, End::Exited(0));
    assert!(place.spool.settled().jobs.is_empty());
    assert_eq!((place.ready(), place.stands(3).as_str()), (vec![2], "pending (after 2:fail)"));
    place.run(2, 1, End::Exited(1));
    let settled = place.spool.settled();
    assert_eq!((numbers(&settled.jobs), settled.is_more), (vec![3], false));
    assert!(place.spool.settled().jobs.is_empty(), "it is told once");
    let place = place.reopened();
    assert_eq!((place.ready(), place.stands(3).as_str(), place.row(3).after), (vec![3], "pending", vec![]));
}

#[test]
fn what_cannot_come_any_more_ends_those_who_wait_for_it_and_those_after_them() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    place.submit_after(2, &[(1, OK)]);
    place.submit_after(3, &[(2, OK)]);
    place.submit_after(4, &[(2, FAIL), (3, ANY)]);
    place.step(3, Event::Held);
    place.run(1, 1, End::Exited(3));
    assert_eq!(numbers(&place.spool.settled().jobs), [2, 3, 4]);
    assert_eq!(place.stands(2), "dead (never started: job 1 ended otherwise (exit 3))");
    assert_eq!(place.stands(3), "dead (never started: job 2 ended otherwise (never started))");
    assert_eq!((place.stands(4).as_str(), place.ready()), ("pending", vec![4]));
    assert_eq!((place.row(2).ended_us, place.row(2).report.as_str()), (Some(NOW), "owed"));
    let counts = place.reader.status(NOW).expect("a store").states;
    let counts = counts.iter().map(|count| count.jobs).collect::<Vec<_>>();
    assert_eq!(counts, [0, 1, 0, 1, 2, 0]);
    // Submitted again it waits for nobody.
    place.step(3, Event::Resubmitted);
    assert_eq!((place.stands(3).as_str(), place.ready()), ("pending", vec![3, 4]));
}

#[test]
fn each_end_lets_those_start_that_wait_for_such_a_one() {
    type Ending = fn(&mut Place1);
    let endings: [(&str, Ending, [bool; 3]); 5] = [
        ("exit 0", |place| drop(place.run(1, 1, End::Exited(0))), [true, true, false]),
        ("exit 7", |place| drop(place.run(1, 1, End::Exited(7))), [false, true, true]),
        (
            "signal KILL",
            |place| drop(place.run(1, 1, End::Killed { signal: "KILL".into(), core: false })),
            [false, true, true],
        ),
        ("cancelled", |place| drop(place.step(1, Event::CancelAsked)), [false, true, false]),
        ("never started", |place| drop(place.step(1, Event::AwaitedInVain("why".into()))), [false, true, true]),
    ];
    for (words, end, expected) in endings {
        for is_early in [true, false] {
            let mut place = store();
            place.submit("k", 1, &["a"]);
            if is_early {
                end(&mut place);
            }
            for (id, condition) in [(2, OK), (3, ANY), (4, FAIL)] {
                place.submit_after(id, &[(1, condition)]);
            }
            if !is_early {
                end(&mut place);
            }
            for (id, is_met) in (2..).zip(expected) {
                let in_vain = format!("dead (never started: job 1 ended otherwise ({words}))");
                assert_eq!(place.stands(id), if is_met { "pending" } else { in_vain.as_str() }, "{words}, {id}");
                assert_eq!(place.ready().contains(&id), is_met);
            }
        }
    }
}

#[test]
fn a_failure_that_is_tried_again_is_no_end() {
    let mut place = store();
    let mut retried = submission("k", 1, &["a"]);
    retried.commons[0].batch.as_mut().expect("a batch job").retries = 1;
    place.apply(Change::Submit(Arc::new(retried)));
    place.submit_after(2, &[(1, FAIL)]);
    place.run(1, 1, End::Exited(3));
    assert_eq!(place.stands(2), "pending (after 1:fail)");
    place.run(1, 2, End::Exited(3));
    assert_eq!(place.ready(), [2]);
}

#[test]
fn what_is_not_there_before_is_refused_and_nothing_is_taken() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    let refused = |outcome| match outcome {
        Outcome::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    // Itself, a later one, none at all; there is no other way to a circle.
    for id in [2, 3, 0, u64::MAX] {
        let why = refused(place.submit_after(2, &[(1, OK), (id, ANY)]));
        assert!(
            why.contains("jobs that are there when it is submitted") && why.contains(&format!("no job {id} ")),
            "{why}"
        );
    }
    let why = refused(place.submit_after(2, &[(1, OK), (1, ANY)]));
    assert!(why.contains("named twice"), "{why}");
    let mut other = submission("other", 5, &["x"]);
    (other.user, other.jobs[0].wishes.after) = ("bob".into(), vec![After { job: 1, condition: OK }]);
    assert!(refused(place.apply(Change::Submit(Arc::new(other)))).contains("no job 1 of yours"));
    let mut second = submission("both", 5, &["x", "y"]);
    second.jobs[1].wishes.after = vec![After { job: 5, condition: OK }];
    assert!(refused(place.apply(Change::Submit(Arc::new(second)))).contains("no job 5 of yours"));
    assert_eq!(place.reader.last_id().expect("a store"), 1);
    // What was taken once is not looked at again.
    place.submit_after(2, &[(1, OK)]);
    place.run(1, 1, End::Exited(0));
    place.apply(Change::Reported { job: job(1), outcome: "sent".into() });
    assert!(matches!(place.apply(Change::Delete(job(1))), Outcome::Deleted { .. }));
    assert!(matches!(place.submit_after(2, &[(1, OK)]), Outcome::Submitted { known: true, .. }));
}

#[test]
fn a_job_that_others_wait_for_is_not_deleted() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    for id in 2..20 {
        place.submit_after(id, &[(1, OK)]);
    }
    let why = match place.apply(Change::Delete(job(1))) {
        Outcome::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(why.starts_with("jobs 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more wait for the end of job 1"), "{why}");
    for id in 3..20 {
        assert!(matches!(place.apply(Change::Delete(job(id))), Outcome::Deleted { .. }));
    }
    assert!(matches!(place.apply(Change::Delete(job(1))), Outcome::Refused(why) if why.starts_with("job 2 waits for")));
    let dropped = Change::Update { job: job(2), updates: vec![Update::AfterNothing] };
    assert!(matches!(place.apply(dropped), Outcome::Job { changed: true, .. }));
    assert_eq!(place.ready(), [1, 2]);
    assert!(matches!(place.apply(Change::Delete(job(1))), Outcome::Deleted { .. }));
}

#[test]
fn what_waits_for_others_is_not_placed() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    place.submit_after(2, &[(1, OK)]);
    let here = spool::home::Place { attempt: spool::Attempt::FIRST, host: "redfish".into(), spool: place.spool.id() };
    assert!(matches!(place.step(2, Event::Placed(here)), Outcome::Refused(_)));
}

/// In one write there is bounded work; the rest is done by the next, also of the next process.
#[test]
fn very_many_are_settled_in_portions_and_none_is_forgotten() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    let commands = vec!["x"; 2500];
    let mut many = submission("many", 10, &commands);
    for one in &mut many.jobs {
        one.wishes.after = vec![After { job: 1, condition: OK }, After { job: 2, condition: ANY }];
    }
    place.apply(Change::Submit(Arc::new(many)));
    place.run(2, 1, End::Exited(0));
    while place.spool.settled().is_more {
        place.apply(Change::Settle);
    }
    place.run(1, 1, End::Exited(0));
    let settled = place.spool.settled();
    assert_eq!((settled.jobs.len(), settled.is_more), (1000, true));
    let again = place.step(1, Event::Resubmitted);
    assert!(matches!(again, Outcome::Refused(why) if why.contains("has just ended")), "their end is not settled");
    let mut place = place.reopened();
    assert!(place.spool.settled().is_more);
    place.apply(Change::Settle);
    // Nobody can know later how it ended.
    place.apply(Change::Reported { job: job(1), outcome: "sent".into() });
    place.apply(Change::Forget(vec![Ended { job: job(1), attempt: 1, ended_us: NOW }]));
    assert!(!place.spool.settled().is_more);
    assert_eq!(place.ready().len(), 2500);
}

/// What a job came to in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Waits,
    Starts,
    Exits(u8),
    Cancelled,
    InVain,
}

/// Each job, what it came to, and what it waits for.
type Model = BTreeMap<u64, (Came, Vec<(u64, Condition)>)>;

/// Whether the end that a job came to lets one start that waits for it; none: it has not ended.
fn lets(came: Came, condition: Condition) -> Option<bool> {
    Some(match came {
        Came::Waits | Came::Starts => return None,
        Came::Exits(0) => condition != FAIL,
        Came::Exits(_) | Came::InVain => condition != OK,
        Came::Cancelled => condition == ANY,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any graph, ends in any order, the process ending in between: each job is what its conditions make of it.
    #[test]
    fn a_graph_of_jobs_comes_to_what_its_conditions_say(
        graph in prop::collection::vec(prop::collection::btree_map(0..12_usize, 0..3_usize, 0..4), 2..14),
        acts in prop::collection::vec((0..14_usize, 0..5_u8), 1..40),
    ) {
        let mut place = store();
        let mut model: Model = BTreeMap::new();
        for (index, after) in graph.iter().enumerate() {
            let id = index as u64 + 1;
            let after = after.iter().filter(|(on, _)| **on < index);
            let after = after.map(|(on, condition)| (*on as u64 + 1, Condition::ALL[*condition])).collect::<Vec<_>>();
            place.submit_after(id, &after);
            model.insert(id, (Came::Waits, after));
        }
        settle(&mut model);
        for (pick, act) in acts {
            let id = (pick % graph.len()) as u64 + 1;
            match (model[&id].0, act) {
                (_, 4) => place = place.reopened(),
                (Came::Starts, 0..3) => {
                    let code = if act == 2 { 3 } else { 0 };
                    place.run(id, 1, End::Exited(code));
                    model.get_mut(&id).expect("there").0 = Came::Exits(code);
                }
                (Came::Starts | Came::Waits, 3) => {
                    place.step(id, Event::CancelAsked);
                    model.get_mut(&id).expect("there").0 = Came::Cancelled;
                }
                _ => {}
            }
            settle(&mut model);
            compare(&place, &model)?;
        }
    }
}

/// Until nothing changes any more.
fn settle(model: &mut Model) {
    loop {
        let before = model.clone();
        for (came, after) in model.values_mut().filter(|(came, _)| *came == Came::Waits) {
            let stand = after.iter().map(|(on, condition)| lets(before[on].0, *condition)).collect::<Vec<_>>();
            *came = match () {
                () if stand.contains(&Some(false)) => Came::InVain,
                () if stand.iter().all(|one| *one == Some(true)) => Came::Starts,
                () => Came::Waits,
            };
        }
        if model.iter().all(|(id, (came, _))| before[id].0 == *came) {
            return;
        }
    }
}

fn compare(place: &Place1, model: &Model) -> Result<(), TestCaseError> {
    let ready = model.iter().filter(|(_, (came, _))| *came == Came::Starts).map(|(id, _)| *id).collect::<Vec<_>>();
    prop_assert_eq!(place.ready(), ready);
    for (id, (came, after)) in model {
        let brief = place.reader.brief(job(*id)).expect("a store").expect("a job");
        let stands = match brief.state() {
            State::Pending { .. } if brief.not_before_us == 0 => Came::Starts,
            State::Pending { .. } => Came::Waits,
            State::Finished { end, .. } if end.outcome == End::Exited(0) => Came::Exits(0),
            State::Finished { .. } => Came::Exits(3),
            State::Cancelled => Came::Cancelled,
            State::Dead(Death::NeverStarted(NeverStarted::AwaitedInVain(_))) => Came::InVain,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(stands, *came, "job {}, after {:?}", id, after);
    }
    Ok(())
}
