//! Arrays: never more of one run than may, each element is counted, and its report is owed when it is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use spool::home::{Event, Place};
use spool::query::{Now, Query};
use spool::store::{Change, Ended, Outcome, Outcomes, Reader, Spool, SqliteReader, Submission, Which};
use spool::{Attempt, JobId};
use wire::after::{After, Condition};
use wire::batch::{JobRow, Update};
use wire::session::Outcome as End;

use crate::samples::{NOW, Place1, job, store, submission};

/// An array with these indexes, as one submission.
fn array(first_id: u64, range: &str) -> Submission {
    let mut array = submission(&format!("array{first_id}"), first_id, &["x"]);
    let said = range.parse::<wire::array::Array>().expect("a range");
    array.commons[0].batch.as_mut().expect("a batch job").array = Some(said);
    array.elements = (0..said.count().expect("some")).map(|number| [number as u8; 32]).collect();
    array
}

impl Place1 {
    fn take(&mut self, submission: Submission) -> Outcome {
        self.apply(Change::Submit(Arc::new(submission)))
    }

    fn list(&self, query: Option<&str>) -> Vec<(u64, String, u64)> {
        let query = query.map(|text| Query::parse(text, Now { unix_us: NOW, utc_offset_s: 0 }).expect("a query"));
        let which = Which { query, arrays_as_one: true, ..Which::default() };
        let (rows, _) = self.reader.page(&which, 0, 0, NOW).expect("a store");
        let count = |row: &JobRow| row.array.and_then(|array| array.stands_for).map_or(1, |group| group.count);
        rows.iter().map(|row| (row.id, row.state.clone(), count(row))).collect()
    }

    fn array_number(&self, id: u64) -> i64 {
        self.reader.brief(job(id)).expect("a store").expect("a job").array.expect("an element")
    }
}

#[test]
fn an_array_is_many_jobs_with_their_indexes_and_one_signature() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    let taken = place.take(array(101, "10-28:2"));
    assert!(matches!(&taken, Outcome::Submitted { ids, .. } if *ids == [(101, 10)]), "{taken:?}");
    let again = place.take(array(500, "10-28:2"));
    assert!(matches!(again, Outcome::Submitted { known: false, .. }));
    let element = place.row(105).array.expect("an element");
    assert_eq!((element.id, element.index, element.count, element.stands_for), (101, 18, 10, None));
    assert_eq!((place.row(1).array, place.ready().len()), (None, 21));
    let description = place.reader.description(job(105)).expect("a store").expect("a job");
    assert_eq!((description.number, description.count, description.job.submit_key.as_str()), (4, 10, "array101/4"));
    assert_eq!(place.reader.digests(description.submission).expect("a store")[4], [4; 32]);
}

#[test]
fn a_listing_has_one_row_for_each_state_of_an_array() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    place.take(array(101, "1-10"));
    let row = |id, state: &str, count| (id, state.to_owned(), count);
    assert_eq!(place.list(None), [row(1, "pending", 1), row(101, "pending", 10)]);
    for id in [101, 102, 105] {
        place.run(id, 1, End::Exited(if id == 105 { 3 } else { 0 }));
    }
    place.step(103, Event::Held);
    let expected = [
        row(1, "pending", 1),
        row(101, "finished", 2),
        row(103, "held", 1),
        row(104, "pending", 6),
        row(105, "finished", 1),
    ];
    assert_eq!(place.list(None), expected);
    assert_eq!(
        place.list(Some("held or pending")),
        [row(1, "pending", 1), row(103, "held", 1), row(104, "pending", 6)]
    );
    assert_eq!(place.list(Some("waiting")), [row(1, "pending", 1), row(103, "held", 1), row(104, "pending", 6)]);
    assert_eq!(place.list(Some("id=106-108")).len(), 3, "those that are named");
}

#[test]
fn no_more_run_than_may_whatever_their_owner_does() {
    let mut place = store();
    place.take(array(1, "1-6%2"));
    assert_eq!((place.ready(), place.stands(3).as_str()), (vec![1, 2], "pending (2 of its array at a time)"));
    // One that is held gives its place away, and gets another in its turn.
    place.step(1, Event::Held);
    assert_eq!(place.ready(), [2, 3]);
    place.step(1, Event::Released);
    assert_eq!(place.ready(), [2, 3]);
    place.run(2, 1, End::Exited(0));
    assert_eq!(place.ready(), [1, 3]);
    // What ends or goes without running makes room too.
    place.step(1, Event::CancelAsked);
    assert!(matches!(place.apply(Change::Delete(job(3))), Outcome::Deleted { .. }));
    let settled = place.spool.settled();
    assert!(settled.jobs.iter().any(|brief| brief.id() == job(5)));
    let mut place = place.reopened();
    assert_eq!(place.ready(), [4, 5]);
    place.step(1, Event::Resubmitted);
    assert_eq!(place.ready(), [4, 5], "there is no room for it");
    place.run(4, 1, End::Exited(0));
    assert_eq!(place.ready(), [1, 5]);
}

#[test]
fn elements_wait_for_others_and_for_a_place() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    let mut waits = array(11, "1-4%2");
    waits.jobs[0].wishes.after = vec![After { job: 1, condition: Condition::Ok }];
    place.take(waits);
    assert_eq!((place.ready(), place.stands(12).as_str()), (vec![1], "pending (after 1)"));
    place.apply(Change::Update { job: job(14), updates: vec![Update::AfterNothing] });
    assert_eq!(place.ready(), [1, 14]);
    place.run(1, 1, End::Exited(0));
    assert_eq!((place.ready(), place.stands(12).as_str()), (vec![11, 14], "pending (2 of its array at a time)"));
    let mut vain = array(21, "1-4%2");
    vain.jobs[0].wishes.after = vec![After { job: 1, condition: Condition::Fail }];
    place.take(vain);
    assert_eq!(place.stands(24), "dead (never started: job 1 ended otherwise (exit 0))");
    assert!(place.reader.is_over(place.array_number(24)).expect("a store"));
}

#[test]
fn the_report_of_an_array_is_due_when_nothing_of_it_is_left_to_end() {
    let mut place = store();
    place.take(array(1, "1-4"));
    let number = place.array_number(1);
    let over = |place: &Place1| place.reader.is_over(number).expect("a store");
    place.run(1, 1, End::Exited(0));
    place.run(2, 1, End::Exited(3));
    place.step(3, Event::CancelAsked);
    assert!(!over(&place));
    assert_eq!(place.reader.status(NOW).expect("a store").owed, 0, "it is not late");
    assert!(
        matches!(place.apply(Change::Delete(job(1))), Outcome::Refused(why) if why.contains("with that of its array"))
    );
    // The last of them goes.
    place.apply(Change::Delete(job(4)));
    assert!(over(&place));
    let owed = place.reader.owed_of_array(number, 0, 10).expect("a store");
    assert_eq!(owed.iter().map(|owed| owed.job.number()).collect::<Vec<_>>(), [1, 2]);
    let outcomes = place.reader.outcomes(job(1)).expect("a store");
    assert_eq!(outcomes, Some(Outcomes { ok: 1, failed: 1, cancelled: 1 }));
    let letter = spool::store::LetterName { first: job(1), is_digest: true };
    place.apply(Change::Lettered { letter, jobs: vec![job(1)] });
    let owed = place.reader.owed_of_array(number, 0, 10).expect("a store");
    assert_eq!(owed.iter().map(|owed| owed.job.number()).collect::<Vec<_>>(), [2], "that letter goes again");
    place.step(2, Event::Resubmitted);
    assert!(!over(&place));
}

#[test]
fn an_archive_knows_the_arrays_of_its_jobs_and_what_is_forgotten_is_swept() {
    let mut place = store();
    place.take(array(1, "5-7"));
    for id in 1..4 {
        place.run(id, 1, End::Exited(0));
        place.apply(Change::Reported { job: job(id), outcome: "sent".into() });
    }
    let path = place.directory.join("archive");
    place.reader.archive(&path).expect("a store").expect("jobs").keep().expect("a file");
    let archive = SqliteReader::of_copy(&path).expect("an archive");
    let row = archive.row(job(2), NOW).expect("a store").expect("a job");
    assert_eq!(row.array.map(|element| (element.id, element.index, element.count)), Some((1, 6, 3)));
    // The newest array stays, for its number's sake.
    place.take(array(11, "1-2"));
    place.apply(Change::Forget((1..4).map(|id| Ended { job: job(id), attempt: 1, ended_us: NOW }).collect()));
    place.apply(Change::Look);
    let mut look = place.reader.look().expect("a store");
    while place.reader.look_on(&mut look, 10).expect("a store") {}
    let unused = place.reader.unused(&look).expect("a store");
    assert_eq!(unused.arrays, [1]);
    place.apply(Change::Sweep(unused));
    assert_eq!(place.row(12).array.map(|element| element.index), Some(2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens in whichever order: never more run or may start than are allowed, and as soon as something
    /// waits and there is room it may start.
    #[test]
    fn a_limit_is_kept_and_used(
        most in 1..4_u64,
        acts in prop::collection::vec((1..9_u64, 0..8_u8), 1..60),
    ) {
        let mut place = store();
        let mut first = array(1, &format!("1-8%{most}"));
        first.commons[0].batch.as_mut().expect("a batch job").retries = 1;
        place.take(first);
        let mut running = BTreeSet::new();
        for (id, act) in acts {
            let spool = place.spool.id();
            let brief = place.reader.brief(job(id)).expect("a store");
            let Some(brief) = brief else { continue };
            let next = brief.record.next_attempt().expect("far away").number();
            match act {
                0 => drop(place.step(id, Event::Held)),
                1 => drop(place.step(id, Event::Released)),
                2 => drop(place.step(id, Event::Resubmitted)),
                3 => {
                    if !running.contains(&id) {
                        drop(place.step(id, Event::CancelAsked));
                    }
                }
                4 | 5 => {
                    let attempt = Attempt::new(next).expect("a number");
                    let here = Place { attempt, host: "redfish".into(), spool };
                    if let Outcome::Job { changed: true, .. } = place.step(id, Event::Placed(here)) {
                        running.insert(id);
                    }
                }
                6 => {
                    if running.remove(&id) {
                        let attempt = Attempt::new(next - 1).expect("it runs");
                        end(&mut place, id, attempt, if id % 2 == 0 { 0 } else { 3 });
                    }
                }
                _ => place = place.reopened(),
            }
            let ready = place.ready_at_some_time();
            prop_assert!(running.len() + ready.len() <= most as usize, "{running:?} run, {ready:?} may");
            let waits = (1..9).any(|id| place.stands(id).starts_with("pending (") && place.stands(id).contains("of its array"));
            prop_assert!(!waits || running.len() + ready.len() == most as usize, "room is left over");
            let is_open = (1..9).any(|id| matches!(place.row(id).state.as_str(), "held" | "pending" | "running"));
            prop_assert_eq!(place.reader.is_over(1).expect("a store"), !is_open);
        }
    }
}

impl Place1 {
    /// Those that have a place and do not run.
    fn ready_at_some_time(&self) -> Vec<u64> {
        let has_place = |id: &u64| {
            let row = self.row(*id);
            row.state == "pending" && !row.detail.contains("of its array")
        };
        (1..9).filter(has_place).collect()
    }
}

fn end(place: &mut Place1, id: u64, attempt: Attempt, code: u8) {
    let spool = place.spool.id();
    let usage = wire::session::Usage::default();
    let end = wire::session::End { outcome: End::Exited(code), usage, incomplete: None, limit: None };
    let job = JobId::new(id).expect("a number");
    let report = spool::home::Report::Ended(end);
    place.apply(Change::Step(spool::store::StepChange::new(job, Event::Reported { attempt, spool, report }, NOW)));
    place.step(id, Event::Delivered { attempt });
}
