//! Sessions that have ended, among the jobs that have.

use spool::query::{Now, Query};
use spool::store::{Change, PastSession, Reader, SqliteReader, Which};
use wire::batch::JobRow;
use wire::history::{EndPlace, EndedSession, Past, RowKind};
use wire::session::{End, Outcome as Ending, Usage};

use crate::samples::{NOW, Place1, job, store};

fn session(id: u64, user: &str, ended_us: i64, outcome: Option<Ending>) -> Change {
    let usage = Usage { wall_us: 100, user_us: 7, system_us: 2, max_rss_kib: 64 };
    let end = outcome.map(|outcome| End { outcome, usage, incomplete: None, limit: None });
    let past = Past { command: "vim x".into(), started_us: ended_us - 100, ended_us, end };
    let told = EndedSession { user: user.into(), queue: "now".into(), past };
    Change::Session(Box::new(PastSession { id: job(id), host: "bluefish".into(), told }))
}

fn all(reader: &SqliteReader, which: &Which, most: u32) -> Vec<JobRow> {
    let (mut rows, mut after) = (Vec::new(), EndPlace::default());
    loop {
        let (page, more) = reader.past(which, after, most, NOW).expect("a store");
        assert!(page.len() <= most as usize);
        rows.extend(page);
        match more {
            Some(more) => after = more,
            None => return rows,
        }
    }
}

fn some() -> Place1 {
    let mut place = store();
    place.submit("k", 1, &["a", "b", "c", "d"]);
    for id in [2, 1, 3] {
        place.run(id, 1, Ending::Exited(0));
    }
    place.apply(session(5, "alice", NOW - 10, Some(Ending::Exited(3))));
    place.apply(session(6, "alice", NOW + 10, Some(Ending::Killed { signal: "HUP".into(), core: true })));
    place.apply(session(7, "bob", NOW, None));
    place
}

#[test]
fn jobs_and_sessions_come_in_the_order_of_their_ends_whatever_the_size_of_a_page() {
    let place = some();
    for most in [1, 2, 3, 100] {
        let rows = all(&place.reader, &Which::default(), most);
        let ids = rows.iter().map(|row| (row.id, row.kind == RowKind::Session)).collect::<Vec<_>>();
        assert_eq!(ids, [(5, true), (1, false), (2, false), (3, false), (7, true), (6, true)], "{most}");
    }
    let rows = all(&place.reader, &Which { user: Some("alice".into()), ..Which::default() }, 2);
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 1, 2, 3, 6]);
    let query = Query::parse("failed", Now { unix_us: NOW, utc_offset_s: 0 }).expect("a query");
    let failed = all(&place.reader, &Which { query: Some(query), ..Which::default() }, 1);
    assert_eq!(failed.iter().map(|row| row.id).collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn what_is_known_of_a_session_is_kept_and_a_second_telling_changes_nothing() {
    let mut place = some();
    place.apply(session(5, "alice", NOW + 99, Some(Ending::Exited(0))));
    place.apply(session(4, "alice", NOW, Some(Ending::Exited(0))));
    let place = place.reopened();
    let rows = all(&place.reader, &Which::default(), 100);
    assert_eq!(rows.len(), 6, "a number that a job has is no session's");
    let row = rows.iter().find(|row| row.id == 5).expect("a session");
    assert_eq!((row.exit, row.ended_us, row.host.as_deref()), (Some(3), Some(NOW - 10), Some("bluefish")));
    assert_eq!((row.started_us, row.command.as_str(), row.queue.as_str()), (Some(NOW - 110), "vim x", "now"));
    assert_eq!(row.usage.map(|usage| (usage.user_us, usage.max_rss_kib)), Some((7, 64)));
    let killed = rows.iter().find(|row| row.id == 6).expect("a session");
    assert_eq!((killed.signal.as_deref(), killed.core, killed.state.as_str()), (Some("HUP"), true, "finished"));
    let lost = rows.iter().find(|row| row.id == 7).expect("a session");
    assert_eq!((lost.exit, lost.usage, lost.state.as_str()), (None, None, "dead"));
    // They are in no other listing.
    assert_eq!(place.reader.page(&Which::default(), 0, 100, NOW).expect("a store").0.len(), 4);
    assert_eq!(place.reader.last_id().expect("a store"), 7, "their numbers are taken");
}

#[test]
fn old_sessions_are_found_and_forgotten_and_move_into_archives() {
    let mut place = some();
    let archive = place.directory.join("old.sqlite");
    let made = place.reader.archive(&archive).expect("room").expect("something has ended");
    assert_eq!((made.jobs, made.sessions), (0, 3), "the reports of the jobs are owed");
    made.keep().expect("room");
    let copy = SqliteReader::of_copy(&archive).expect("an archive");
    assert_eq!(all(&copy, &Which::default(), 100).len(), 3);
    assert_eq!(copy.past_session_ids(5, 1, i64::MAX).expect("an archive"), [6]);
    let old = place.reader.past_session_ids(0, 100, NOW).expect("a store");
    assert_eq!(old, [5]);
    place.apply(Change::ForgetSessions(old));
    assert_eq!(place.reader.past_session_ids(0, 100, i64::MAX).expect("a store"), [6, 7]);
}

#[test]
fn of_very_many_sessions_the_oldest_go() {
    let mut place = store();
    let many = (1..=100_001).map(|id| session(id, "alice", NOW + id as i64, Some(Ending::Exited(0)))).collect();
    spool::store::Spool::write(&mut place.spool, &[many]).expect("a store that works");
    let left = place.reader.past_session_ids(0, 200_000, i64::MAX).expect("a store");
    assert_eq!((left.len(), left[0]), (99_001, 1001));
}
