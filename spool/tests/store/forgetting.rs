//! Jobs that are forgotten or moved into an archive, and what goes with them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spool::home::Event;
use spool::store::{
    Change, Ended, Outcome, Reader, Rotation, Spool, SpoolError, SqliteReader, SqliteSpool, StepChange, Unused,
    find_archive,
};
use wire::batch::{Batch, Content};
use wire::session::Outcome as End;

use crate::samples::{NOW, Place1, job, store, submission};

const HOUR: i64 = 3_600_000_000;

/// Jobs `a` to `e`: 1 has ended and was reported, 2 has ended, 3 waits, 4 ended later than 1, 5 was cancelled.
fn some_ended() -> Place1 {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c", "d", "e"]);
    for id in [1, 2, 4] {
        place.run(id, 1, End::Exited(0));
    }
    place.step(5, Event::CancelAsked);
    for id in [1, 4, 5] {
        place.apply(Change::Reported { job: job(id), outcome: "sent".into() });
    }
    place
}

fn ids(reader: &SqliteReader) -> Vec<u64> {
    let (rows, _) = reader.page(&Default::default(), 0, 100, NOW).expect("a store");
    rows.into_iter().map(|row| row.id).collect()
}

fn ended(reader: &SqliteReader) -> Vec<Ended> {
    let (mut all, mut after) = (Vec::new(), 0);
    while let Some((some, next)) = reader.ended(after, 2, |_, _| true).expect("a store") {
        all.extend(some);
        after = next;
    }
    all
}

#[test]
fn what_has_ended_and_was_reported_is_forgotten_and_nothing_else() {
    let mut place = some_ended();
    let old = ended(&place.reader);
    assert_eq!(old.iter().map(|one| one.job.number()).collect::<Vec<_>>(), [1, 4, 5]);
    assert_eq!(
        place.reader.ended(0, 100, |_, at| at < NOW).expect("a store"),
        Some((vec![], 5)),
        "none ended before that"
    );
    // Job 4 is started again before its turn comes: it is not the one that was seen any more.
    place.step(4, Event::Resubmitted);
    match place.apply(Change::Forget(old)) {
        Outcome::Forgotten { jobs } => {
            assert_eq!(jobs, [(job(1), "alice".to_owned(), 1), (job(5), "alice".to_owned(), 0)]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ids(&place.reader), [2, 3, 4]);
    let counts = place.reader.status(NOW).expect("a store").states;
    let counts = counts.into_iter().map(|count| count.jobs).collect::<Vec<_>>();
    assert_eq!(counts, [0, 2, 0, 1, 0, 0], "held, pending, running, finished, dead, cancelled");
    assert_eq!(place.reader.last_id().expect("a store"), 5);
}

/// Looks for what is unused, as the daemon does.
fn unused(place: &mut Place1) -> Option<Unused> {
    match place.apply(Change::Look) {
        Outcome::LookBegun { worthwhile: true } => {}
        Outcome::LookBegun { worthwhile: false } => return None,
        other => panic!("{other:?}"),
    }
    let mut look = place.reader.look().expect("a store");
    while place.reader.look_on(&mut look, 2).expect("a store") {}
    Some(place.reader.unused(&look).expect("a store"))
}

fn other(key: &str, first_id: u64, secret: &str) -> Change {
    let mut other = submission(key, first_id, &["x"]);
    other.commons[0].environment = vec![secret.into()];
    other.commons[0].hosts = vec![secret.into()];
    Change::Submit(std::sync::Arc::new(other))
}

fn delete(place: &mut Place1, id: u64) {
    assert!(matches!(place.apply(Change::Delete(job(id))), Outcome::Deleted { .. }));
}

#[test]
fn an_environment_goes_with_the_last_job_that_needs_it() {
    let mut place = store();
    assert_eq!(unused(&mut place), Some(Unused::default()), "nobody knows what an earlier life has left");
    place.apply(other("one", 1, "SECRET=1"));
    place.apply(other("two", 2, "SECRET=1"));
    place.apply(other("three", 3, "SECRET=3"));
    assert_eq!(unused(&mut place), None, "nothing was forgotten since");
    delete(&mut place, 1);
    let found = unused(&mut place).expect("something was forgotten");
    assert_eq!((found.commons.len(), found.submissions.len(), found.lanes.len()), (0, 1, 0), "{found:?}");
    place.apply(Change::Sweep(found));
    delete(&mut place, 2);
    let found = unused(&mut place).expect("something was forgotten");
    assert_eq!((found.commons.len(), found.submissions.len(), found.lanes.len()), (1, 1, 1), "{found:?}");
    place.apply(Change::Sweep(found));
    assert!(!holds(&place, "SECRET=1") && holds(&place, "SECRET=3"));
    // The newest of them leaves its number behind, so that what is known by it is not taken for the next.
    let before = highest(&place);
    delete(&mut place, 3);
    let found = unused(&mut place).expect("something was forgotten");
    place.apply(Change::Sweep(found));
    assert!(!holds(&place, "environment"));
    assert_eq!(highest(&place), before);
    place.apply(other("four", 4, "SECRET=3"));
    assert!(highest(&place).iter().zip(before).take(2).all(|(now, before)| *now > before));
    assert_eq!(place.reader.description(job(4)).expect("a store").expect("a job").job.hosts, ["SECRET=3"]);
    assert_eq!(place.reader.check().expect("a store").faults, [""; 0]);
}

/// The highest numbers of commons, submissions and lanes.
fn highest(place: &Place1) -> [i64; 3] {
    let file = rusqlite::Connection::open(place.directory.join("spool.sqlite")).expect("a store");
    ["commons", "submissions", "lanes"]
        .map(|table| file.query_row(&format!("SELECT max(id) FROM {table}"), [], |row| row.get(0)).expect("a table"))
}

/// Whether a text is in the spool's records, by a copy that has no free pages.
fn holds(place: &Place1, text: &str) -> bool {
    let copy =
        place.directory.join(format!("copy-{}", text.len() + place.directory.read_dir().map_or(0, Iterator::count)));
    place.reader.backup(&copy).expect("a copy");
    let bytes = std::fs::read(&copy).expect("a file");
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn what_is_used_again_while_it_is_looked_for_stays() {
    let mut place = store();
    place.apply(other("one", 1, "SECRET=1"));
    place.apply(other("two", 2, "SECRET=2"));
    delete(&mut place, 1);
    let found = unused(&mut place).expect("something was forgotten");
    assert_eq!((found.commons.len(), found.lanes.len()), (1, 1));
    // Between the look and the removal a job with the same environment and hosts comes.
    place.apply(other("three", 3, "SECRET=1"));
    place.apply(Change::Sweep(found));
    let description = place.reader.description(job(3)).expect("a store").expect("a job");
    assert_eq!(description.job.hosts, ["SECRET=1"]);
    assert_eq!(place.reader.lanes().expect("a store").len(), 2);
    assert_eq!(place.reader.check().expect("a store").faults, [""; 0]);
}

fn archive_in(place: &Place1) -> PathBuf {
    place.directory.join("old.sqlite")
}

/// Moves what has ended into an archive, and stops after so many steps.
fn rotate(place: &mut Place1, steps: u32) {
    let path = archive_in(place);
    if steps == 0 {
        return;
    }
    let archive = place.reader.archive(&path).expect("room").expect("something has ended");
    assert_eq!(archive.jobs, 3);
    let rotation = Rotation { path: path.to_str().expect("text").into(), archive: archive.id, prune: false };
    if steps == 1 {
        // A crash leaves the file as it is.
        std::mem::forget(archive);
        return;
    }
    place.apply(Change::Rotation(Some(rotation)));
    if steps == 2 {
        std::mem::forget(archive);
        return;
    }
    archive.keep().expect("a name");
    if steps == 3 {
        return;
    }
    let archived = ended(&SqliteReader::of_copy(&path).expect("an archive"));
    for one in archived.chunks(1).take(steps as usize - 3) {
        place.apply(Change::Forget(one.to_vec()));
    }
}

/// What a start of the daemon does about it.
fn resume(place: &mut Place1) {
    let Some(rotation) = place.reader.rotation().expect("a store") else { return };
    if let Some(archive) = find_archive(&rotation).expect("it can be named") {
        place.apply(Change::Forget(ended(&archive)));
    }
    place.apply(Change::Rotation(None));
}

#[test]
fn a_crash_at_any_step_of_a_rotation_loses_no_job_and_doubles_none() {
    for steps in 0..=6 {
        let mut place = some_ended();
        rotate(&mut place, steps);
        place = place.reopened();
        resume(&mut place);
        assert_eq!(place.reader.rotation().expect("a store"), None);
        let path = archive_in(&place);
        let archived = SqliteReader::of_copy(&path).map(|archive| ids(&archive)).unwrap_or_default();
        let mut all = ids(&place.reader);
        all.extend(&archived);
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4, 5], "after {steps} steps");
        assert_eq!(archived.is_empty(), steps < 2, "after {steps} steps: {archived:?}");
        assert_eq!(place.reader.check().expect("a store").faults, [""; 0]);
    }
}

#[test]
fn an_archive_is_read_like_a_spool_and_is_none() {
    let mut place = some_ended();
    let path = archive_in(&place);
    rotate(&mut place, 6);
    assert!(!std::fs::read(&path).expect("a file").windows(7).any(|bytes| bytes == b"HOME=/\""), "no environment");
    let archive = SqliteReader::of_copy(&path).expect("an archive");
    let row = archive.row(job(4), NOW).expect("a store").expect("a job");
    assert_eq!((row.state.as_str(), row.exit, row.command.as_str()), ("finished", Some(0), "d"));
    let query =
        spool::query::Query::parse("exit=0", spool::query::Now { unix_us: NOW, utc_offset_s: 0 }).expect("good");
    let which = spool::store::Which { query: Some(query), ..Default::default() };
    assert_eq!(archive.page(&which, 0, 10, NOW).expect("a store").0.len(), 2);
    assert!(SqliteSpool::open(&path).is_err_and(|error| error.to_string().contains("archive")));
    // Nothing more is to be archived, and no empty file is left behind.
    let none = place.directory.join("none.sqlite");
    assert!(place.reader.archive(&none).expect("room").is_none());
    assert!(!none.exists());
    assert!(matches!(place.reader.archive(&path), Err(SpoolError::Refused(_))), "it exists");
    assert!(path.exists());
}

#[test]
fn what_is_no_copy_is_refused_in_words() {
    let place = store();
    let refused = |path: &Path| match SqliteReader::of_copy(path) {
        Err(SpoolError::Refused(why)) => why,
        _ => panic!("{} was read", path.display()),
    };
    let nothing = place.directory.join("nothing");
    assert!(refused(&nothing).contains("nothing: No such file"), "{}", refused(&nothing));
    std::fs::write(&nothing, "some text").expect("writable");
    assert!(refused(&nothing).contains("not a database"), "{}", refused(&nothing));
    std::fs::write(&nothing, "").expect("writable");
    assert!(refused(&nothing).contains("another program"), "{}", refused(&nothing));
    assert!(refused(&place.directory).contains("it is no file"), "{}", refused(&place.directory));
}

#[test]
fn a_job_that_ended_an_hour_ago_is_older_than_half_an_hour() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    for (id, at) in [(1, NOW - HOUR), (2, NOW)] {
        place.apply(Change::Step(StepChange::new(job(id), Event::CancelAsked, at)));
        place.apply(Change::Reported { job: job(id), outcome: "not wanted".into() });
    }
    let (old, next) = place.reader.ended(0, 10, |_, at| at < NOW - HOUR / 2).expect("a store").expect("jobs");
    assert_eq!((old.len(), old[0].job, next), (1, job(1), 2));
    assert_eq!(place.reader.ended(next, 10, |_, at| at < NOW).expect("a store"), None);
    let of =
        |queue: &'static str| place.reader.ended(0, 10, move |of, _| of == queue).expect("a store").expect("jobs").0;
    assert_eq!((of("wait").len(), of("night").len()), (2, 0), "each queue may keep its own for another time");
    let id = place.spool.id();
    assert_eq!(place.reopened().spool.id(), id);
}

/// What a job in any state refers to is named, and what belonged to one that was deleted is not, when it was swept.
#[test]
fn the_contents_that_jobs_refer_to_are_named_page_by_page() {
    let mut place = store();
    let content = |name: &str| Some(Content { sha256: name.into(), bytes: 1 });
    let kinds = [("a", None, None), ("b", content("one"), None), ("c", None, content("two"))];
    let kinds = kinds.into_iter().chain([("d", content("three"), content("one")), ("e", content("four"), None)]);
    for (id, (key, stdin, data)) in (1..).zip(kinds) {
        let mut submission = submission(key, id, &[key]);
        submission.commons[0].batch = Some(Batch { stdin, data, ..Batch::default() });
        place.apply(Change::Submit(Arc::new(submission)));
    }
    let named = |place: &Place1| {
        let (mut all, mut next) = (BTreeSet::new(), Some(0));
        while let Some(after) = next {
            let (some, more) = place.reader.contents(after, 2).expect("a store");
            all.extend(some);
            next = more;
        }
        all.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(named(&place), ["four", "one", "three", "two"]);
    assert_eq!(place.reader.owners().expect("a store"), ["alice"]);
    // The last row of all stays for its number's sake, without what was in it.
    for id in [2, 3, 5] {
        place.step(id, Event::CancelAsked);
        place.apply(Change::Delete(job(id)));
    }
    let unused = unused(&mut place).expect("some were deleted");
    place.apply(Change::Sweep(unused));
    assert_eq!(named(&place), ["one", "three"]);
}
