//! Copies of a spool, and what becomes of one that is put in its place.

use std::os::unix::fs::PermissionsExt;

use spool::home::State;
use spool::store::{Change, Outcome, Reader, Restored, Spool, SpoolError, SqliteReader};
use wire::session::Outcome as End;

use crate::samples::{NOW, Place1, job, store};

fn states(place: &Place1) -> Vec<(u64, String)> {
    let (rows, _) = place.reader.page(&Default::default(), 0, 100, NOW).expect("a store");
    rows.into_iter().map(|row| (row.id, row.state)).collect()
}

/// The store as it is after `copy` was put in its place.
fn restored(place: Place1, copy: &std::path::Path) -> Place1 {
    let file = place.directory.join("spool.sqlite");
    let log = place.directory.join("spool.sqlite-wal");
    place.reopened_with(|| {
        // As after a crash: what is in the log must not get into the copy.
        assert!(log.exists());
        std::fs::copy(copy, &file).expect("room");
    })
}

#[test]
fn a_copy_is_whole_private_and_never_replaces_anything() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    let copy = place.directory.join("copy.sqlite");
    let reader = place.reader.another().expect("a reader");
    let bytes = reader.backup(&copy).expect("room");
    let found = std::fs::metadata(&copy).expect("a file");
    assert_eq!((found.len(), found.permissions().mode() & 0o777), (bytes, 0o600));
    assert!(
        matches!(reader.backup(&copy), Err(SpoolError::Refused(why)) if why.contains("exists and is not replaced"))
    );
    assert_eq!(std::fs::metadata(&copy).expect("a file").len(), bytes, "it is as it was");
    let elsewhere = place.directory.join("nowhere").join("copy");
    assert!(matches!(reader.backup(&elsewhere), Err(SpoolError::Refused(_))));
    let left = std::fs::read_dir(&place.directory).expect("a directory").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().contains("part")).count();
    assert_eq!(left, 0, "nothing unfinished is left");
    // The writer goes on as before, and the copy does not change with it.
    place.submit("l", 3, &["c"]);
    assert_eq!(states(&place).len(), 3);
}

#[test]
fn what_a_crash_left_of_a_copy_does_not_get_into_the_next() {
    let mut place = store();
    place.submit("k", 1, &["a"]);
    let copy = place.directory.join("copy.sqlite");
    std::fs::write(place.directory.join(".copy.sqlite.part"), "half of something").expect("writable");
    std::fs::write(place.directory.join(".copy.sqlite.part-journal"), "a journal").expect("writable");
    place.reader.backup(&copy).expect("a copy");
    let place = restored(place, &copy);
    assert_eq!(states(&place), [(1, "held".to_owned())]);
}

#[test]
fn a_restored_spool_is_another_one_whose_waiting_jobs_are_held() {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c"]);
    place.run(1, 1, End::Exited(0));
    let before = place.spool.id();
    let copy = place.directory.join("copy.sqlite");
    place.reader.backup(&copy).expect("a copy");
    // After the copy was made job 2 runs, and three more get numbers.
    place.run(2, 1, End::Exited(0));
    place.submit("l", 4, &["d", "e", "f"]);
    let mut place = restored(place, &copy);
    assert_eq!(place.spool.restored(), Some(Restored { held: 2 }));
    assert_ne!(place.spool.id(), before);
    let expected = [(1, "finished"), (2, "held"), (3, "held")].map(|(id, state)| (id, state.to_owned()));
    assert_eq!(states(&place), expected);
    let last = place.reader.last_id().expect("a store");
    assert!(last >= 1_000_003, "{last}: no number comes back");
    let held = place.reader.status(NOW).expect("a store").states.into_iter().find(|count| count.state == "held");
    assert_eq!(held.map(|count| count.jobs), Some(2));
    // An attempt that was placed since the copy was made is not placed again as another one.
    let brief = place.reader.brief(job(2)).expect("a store").expect("a job");
    assert!(brief.record.next_attempt().is_some_and(|attempt| attempt.number() > 2));
    assert!(matches!(brief.state(), State::Held { .. }));
    // It is done once.
    let again = place.spool.id();
    place.apply(Change::Step(spool::store::StepChange::new(job(2), spool::home::Event::Released, NOW)));
    let place = place.reopened();
    assert_eq!((place.spool.restored(), place.spool.id()), (None, again));
    assert_eq!(place.reader.lanes().expect("a store").len(), 1, "what was released waits");
}

#[test]
fn numbers_of_forgotten_jobs_do_not_come_back() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    for id in [2, 1] {
        assert!(matches!(place.apply(Change::Delete(job(id))), Outcome::Deleted { .. }));
    }
    assert_eq!(place.reader.last_id().expect("a store"), 2);
    assert_eq!(place.reopened().reader.last_id().expect("a store"), 2);
}

#[test]
fn a_look_through_the_spool_finds_what_is_damaged_in_it() {
    let mut place = store();
    place.submit("k", 1, &["a", "b"]);
    place.run(1, 1, End::Exited(0));
    let sound = place.reader.check().expect("a store");
    assert_eq!((sound.faults.len(), sound.owed, sound.owed_since_us, sound.refused), (0, 1, Some(NOW), 0));
    place.apply(Change::Reported { job: job(1), outcome: "refused: no such user".into() });
    let refused = place.reader.check().expect("a store");
    assert_eq!((refused.owed, refused.refused), (0, 1));
    assert_eq!(refused.refusal, Some((1, "no such user".to_owned())));
    // Some pages of the file are overwritten in a copy.
    let copy = place.directory.join("copy.sqlite");
    place.reader.backup(&copy).expect("a copy");
    let mut bytes = std::fs::read(&copy).expect("a file");
    let length = bytes.len();
    bytes[8192..length].fill(0x5a);
    std::fs::write(&copy, bytes).expect("writable");
    let damaged = SqliteReader::of_copy(&copy).and_then(|reader| reader.check());
    match damaged {
        Ok(soundness) => assert!(!soundness.faults.is_empty()),
        Err(error) => assert!(error.to_string().contains("malformed"), "{error}"),
    }
}
