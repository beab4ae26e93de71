use std::sync::Arc;

use spool::store::{Change, Outcome, Reader, Spool, Which};
use wire::job::{Descriptor, Job};
use wire::needs::{Need, Needs};

use crate::samples::{NOW, common, job, store, submission};

#[test]
fn a_submission_that_is_repeated_is_the_same_jobs() {
    let mut place = store();
    assert_eq!(place.submit("k", 17, &["a", "b", "c"]), 17);
    match place.apply(Change::Submit(Arc::new(submission("k", 100, &["a", "b", "c"])))) {
        Outcome::Submitted { ids, known, .. } => assert_eq!((ids, known), (vec![(17, 3)], true)),
        other => panic!("{other:?}"),
    }
    let mut place = place.reopened();
    assert_eq!(place.submit("k", 200, &["a", "b", "c"]), 17, "also by the next life");
    assert_eq!(place.submit("l", 200, &["a"]), 200, "another key is another submission");
    let (rows, more) = place.reader.page(&Which::default(), 0, 100, NOW).expect("a store");
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [17, 18, 19, 200]);
    assert_eq!(more, None);
    assert_eq!(place.reader.last_id().expect("a store"), 200);
}

#[test]
fn what_is_to_be_run_comes_out_as_it_went_in() {
    let mut place = store();
    place.submit("k", 1, &["first", "second"]);
    let found = place.reader.description(job(2)).expect("a store").expect("a job");
    assert_eq!(found.job.argv[0].0, b"second");
    assert_eq!(found.job.submit_key, "k/1");
    assert_eq!(found.job.environment[1].0, [b'X', b'=', 0xff]);
    assert_eq!(found.job.descriptors, [Descriptor::Pipe; 3]);
    assert_eq!((found.number, found.count, found.root), (1, 2, [7; 32]));
    assert_eq!(place.reader.digests(found.submission).expect("a store"), [[0; 32], [1; 32]]);
    assert!(place.reader.description(job(3)).expect("a store").is_none());
}

#[test]
fn unique_changes_the_job_that_waits_instead_of_adding_one() {
    let mut place = store();
    let mut unique = submission("a", 1, &["x", "y"]);
    for job in &mut unique.jobs {
        job.wishes.unique = true;
    }
    let ids = |outcome| match outcome {
        Outcome::Submitted { ids, .. } => ids,
        other => panic!("{other:?}"),
    };
    assert_eq!(ids(place.apply(Change::Submit(Arc::new(unique.clone())))), [(1, 2)]);
    unique.key = "b".into();
    unique.first_id = 10;
    unique.jobs[0].wishes.priority = 5;
    unique.jobs[1].argv = vec!["z".into()];
    assert_eq!(ids(place.apply(Change::Submit(Arc::new(unique)))), [(1, 1), (10, 1)]);
    let first = place.reader.brief(job(1)).expect("a store").expect("a job");
    assert_eq!(first.priority, 5);
}

#[test]
fn lanes_are_filled_by_priority_and_then_by_age() {
    let mut place = store();
    let mut jobs = submission("a", 1, &["a", "b", "c", "d"]);
    for (job, priority) in jobs.jobs.iter_mut().zip([0, 5, 5, -1]) {
        job.wishes.priority = priority;
    }
    place.apply(Change::Submit(Arc::new(jobs)));
    let mut elsewhere = submission("b", 5, &["e"]);
    elsewhere.commons[0].hosts = vec!["gold".into()];
    place.apply(Change::Submit(Arc::new(elsewhere)));
    let lanes = place.reader.lanes().expect("a store");
    assert_eq!(lanes.len(), 2);
    let waiting = |lane| {
        let waiting = place.reader.waiting(lane, 3, NOW).expect("a store");
        waiting.iter().map(|brief| brief.id().number()).collect::<Vec<_>>()
    };
    assert_eq!((waiting(lanes[0]), waiting(lanes[1])), (vec![2, 3, 1], vec![5]));
}

#[test]
fn a_newer_store_and_another_programs_database_are_refused() {
    let place = store();
    let path = place.directory.join("other.sqlite");
    let other = rusqlite::Connection::open(&path).expect("a database");
    other.execute_batch("PRAGMA application_id = 5; CREATE TABLE t (x);").expect("a database");
    drop(other);
    let refused = |path: &std::path::Path| spool::store::SqliteSpool::open(path).err().map(|error| error.to_string());
    assert!(refused(&path).is_some_and(|why| why.contains("another program")));
    let path = place.directory.join("newer.sqlite");
    drop(spool::store::SqliteSpool::open(&path).expect("a new one"));
    let newer = rusqlite::Connection::open(&path).expect("a database");
    newer.execute_batch("PRAGMA user_version = 1000;").expect("a database");
    drop(newer);
    assert!(refused(&path).is_some_and(|why| why.contains("version 1000")));
    std::fs::write(place.directory.join("damaged.sqlite"), vec![7; 8192]).expect("room");
    assert!(refused(&place.directory.join("damaged.sqlite")).is_some());
    assert_ne!(place.spool.id(), spool::store::SqliteSpool::open(&place.directory.join("x")).expect("new").id());
}

#[test]
fn jobs_that_need_different_things_wait_in_different_lanes() {
    let mut place = store();
    let mut submission = submission("k", 1, &["a", "b", "c"]);
    let needs = |text: &str| Some(Needs { cpus: None, named: Need::parse(text).into_iter().collect() });
    submission.commons.extend([Job { needs: needs("gpu=1"), ..common() }, Job { needs: needs("gpu=2"), ..common() }]);
    for (number, job) in submission.jobs.iter_mut().enumerate() {
        job.common = number;
    }
    place.apply(Change::Submit(Arc::new(submission)));
    let lanes = place.reader.lanes().expect("a store");
    let waiting = lanes.iter().map(|lane| place.reader.waiting(*lane, 10, NOW).expect("a store").len());
    assert_eq!(waiting.collect::<Vec<_>>(), [1, 1, 1]);
    // With the same needs they share one.
    let mut again = self::submission("l", 4, &["d"]);
    again.commons = vec![Job { needs: needs("gpu=1"), ..common() }];
    place.apply(Change::Submit(Arc::new(again)));
    assert_eq!(place.reader.lanes().expect("a store").len(), 3);
    let described = place.reader.description(job(4)).expect("a store").expect("a job");
    assert_eq!(described.job.needs, needs("gpu=1"));
    let row = place.reader.row(job(4), NOW).expect("a store").expect("a job");
    assert_eq!(Some(Needs { cpus: row.cpus, named: row.need }), needs("gpu=1"));
}
