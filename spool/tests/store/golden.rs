//! Spools as every release has left them, as text: each opens, is brought up to date and reads as it did.

use std::path::PathBuf;

use rusqlite::Connection;
use spool::home::State;
use spool::store::{Change, Outcome, Reader, Spool, SqliteReader};
use wire::batch::JobRow;

use crate::samples::{NOW, Place1, job, store};

/// The store that a dump of a version's tables makes.
fn of_version(version: u32) -> Place1 {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/version-{version}.sql"));
    let dump = std::fs::read_to_string(path).expect("a dump for each version");
    let place = store();
    let file = place.directory.join("spool.sqlite");
    place.reopened_with(|| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
        Connection::open(&file).and_then(|connection| connection.execute_batch(&dump)).expect("a good dump");
    })
}

/// Columns that it has not were asked for, and it could not be read.
#[test]
fn an_archive_of_version_1_is_listed_as_it_is() {
    let place = store();
    let path = place.directory.join("archive");
    let dump = std::fs::read_to_string(format!("{}/tests/golden/version-1.sql", env!("CARGO_MANIFEST_DIR")));
    Connection::open(&path).and_then(|file| file.execute_batch(&dump.expect("a dump"))).expect("a good dump");
    let archive = SqliteReader::of_copy(&path).expect("an older copy");
    let (rows, _) = archive.page(&Default::default(), 0, 100, NOW).expect("a store");
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!((rows[0].notify.clone(), rows[0].notice.as_str(), rows[0].array), (None, "", None));
}

#[test]
fn a_spool_of_version_1_opens_and_reads_as_it_did() {
    let mut place = of_version(1);
    assert_eq!(place.spool.id().to_string(), "0123456789abcdef0123456789abcdef");
    let (rows, _) = place.reader.page(&Default::default(), 0, 100, NOW).expect("a store");
    let seen = |row: &JobRow| (row.id, row.state.clone(), row.exit, row.report.clone(), row.tags.clone());
    let seen = rows.iter().map(seen).collect::<Vec<_>>();
    let expected = [
        (1, "finished", Some(3), "sent", vec![]),
        (2, "pending", None, "", vec!["night".to_owned()]),
        (3, "held", None, "", vec![]),
        (4, "running", None, "", vec![]),
        (5, "cancelled", None, "owed", vec![]),
    ];
    assert_eq!(seen, expected.map(|(id, state, exit, report, tags)| (id, state.into(), exit, report.into(), tags)));
    assert_eq!((rows[0].usage.map(|usage| usage.wall_us), rows[0].host.as_deref()), (Some(1000), Some("redfish")));
    let description = place.reader.description(job(2)).expect("a store").expect("a job");
    assert_eq!(description.job.environment[0].0, b"HOME=/");
    assert_eq!((description.number, description.count, description.job.argv[0].0.as_slice()), (1, 5, &b"b"[..]));
    let (past, _) = place.reader.past(&Default::default(), Default::default(), 0, NOW).expect("a store");
    assert_eq!(past.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 5], "listed by their ends as well");
    assert_eq!(place.reader.attempts().expect("a store").len(), 1);
    let brief = place.reader.brief(job(4)).expect("a store").expect("a job");
    assert!(matches!(brief.state(), State::Running(run) if run.place.host == "redfish"));
    assert_eq!(place.reader.check().expect("a store").faults, [""; 0]);
    // And it goes on being written.
    assert!(matches!(place.apply(Change::Delete(job(2))), Outcome::Deleted { .. }));
    assert_eq!(place.submit("new", 10, &["x"]), 10);
    assert_eq!(place.reader.last_id().expect("a store"), 10);
}
