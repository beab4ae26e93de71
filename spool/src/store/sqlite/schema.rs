//! The tables, and how a file with older ones is brought up to date.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;

use super::SpoolError;
use super::failed;

/// "queu" in ASCII, so that `file` and an administrator can tell what it is.
const APPLICATION: i64 = 0x7175_6575;
/// "quec": a copy of a spool.
const COPY: i64 = 0x7175_6563;
/// "quea": an archive of jobs that have ended.
const ARCHIVE: i64 = 0x7175_6561;
/// The version of the tables below; raised with each release that changes them.
const VERSION: i64 = 1 + STEPS.len() as i64;
/// What brings a file of version 1 to 2, of 2 to 3 and so on: statements of SQL. The tables below are those of the
/// newest version. One that was released is never changed again, and leaves a file in `tests/golden`.
const STEPS: [&str; 2] = [SECOND, THIRD];

/// What is done at the end of a job, and what became of that; which ends stand in one letter; sessions that have
/// ended are remembered, and listed among the jobs in the order of their ends; jobs wait for others, and are elements of arrays.
const SECOND: &str = "
ALTER TABLE jobs ADD COLUMN notify BLOB;
ALTER TABLE jobs ADD COLUMN notice TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_noticed ON jobs (id) WHERE notice = 'owed';
CREATE TABLE letters (job INTEGER PRIMARY KEY, letter INTEGER NOT NULL, is_digest INTEGER NOT NULL) STRICT;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, command TEXT NOT NULL, host TEXT NOT NULL, queue TEXT NOT NULL,
    started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, exit INTEGER, signal TEXT, core INTEGER NOT NULL,
    wall_us INTEGER, user_us INTEGER, system_us INTEGER, max_rss_kib INTEGER
) STRICT;
CREATE INDEX sessions_by_end ON sessions (ended_us);
CREATE INDEX jobs_by_end ON jobs (ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX jobs_pending ON jobs (id) WHERE state = 'pending';
CREATE TABLE after (
    job INTEGER NOT NULL, on_job INTEGER NOT NULL, condition TEXT NOT NULL, PRIMARY KEY (job, on_job)
) STRICT, WITHOUT ROWID;
CREATE INDEX after_by_on ON after (on_job, job);
ALTER TABLE jobs ADD COLUMN array INTEGER;
CREATE TABLE arrays (
    id INTEGER PRIMARY KEY, first_job INTEGER NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,
    step INTEGER NOT NULL, at_most INTEGER, busy INTEGER NOT NULL, open INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_of_array ON jobs (array, state, not_before_us, id) WHERE array IS NOT NULL;
DROP INDEX jobs_by_lane;
CREATE INDEX jobs_by_lane ON jobs (lane, priority DESC, id, not_before_us)
    WHERE state = 'pending' AND not_before_us < 9223372036854775807;
";

/// Jobs that need different things of their hosts wait in different lanes.
const THIRD: &str = "
ALTER TABLE lanes RENAME TO lanes_before;
CREATE TABLE lanes (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, queue TEXT NOT NULL, hosts TEXT NOT NULL, needs TEXT NOT NULL,
    UNIQUE (user, queue, hosts, needs)
) STRICT;
INSERT INTO lanes SELECT id, user, queue, hosts, '' FROM lanes_before;
DROP TABLE lanes_before;
";

/// Makes the tables, or brings older ones up to date.
pub fn prepare(connection: &Connection) -> Result<(), SpoolError> {
    if (number(connection, "application_id")?, number(connection, "user_version")?) == (0, 0) {
        let made = format!(
            "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION}; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
        );
        return connection.execute_batch(&made).map_err(failed);
    }
    let version = known_version(connection)?;
    bring_up(connection, version, &STEPS)
}

/// What a file that is ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody's spool.
    Spool,
    /// A copy of one, which becomes another one when it is put in its place.
    Copy,
    /// Jobs that have ended.
    Archive,
}

impl Kind {
    /// What the database says of itself.
    pub fn of(connection: &Connection) -> Result<Option<Self>, SpoolError> {
        number(connection, "application_id").map(Self::numbered)
    }

    /// What a file says that nobody has open: its first bytes. None: it is not there, or something else.
    pub fn of_file(path: &Path) -> Option<Self> {
        let mut header = [0; HEADER];
        File::open(path).and_then(|mut file| file.read_exact(&mut header)).ok()?;
        let number = header.get(APPLICATION_AT..APPLICATION_AT + 4)?.try_into().ok()?;
        Self::numbered(i64::from(u32::from_be_bytes(number)))
    }

    fn numbered(number: i64) -> Option<Self> {
        match number {
            APPLICATION => Some(Self::Spool),
            COPY => Some(Self::Copy),
            ARCHIVE => Some(Self::Archive),
            _ => None,
        }
    }

    /// Has the database say so.
    pub fn mark(self, connection: &Connection) -> Result<(), SpoolError> {
        let number = match self {
            Self::Spool => APPLICATION,
            Self::Copy => COPY,
            Self::Archive => ARCHIVE,
        };
        connection.pragma_update(None, "application_id", number).map_err(failed)
    }
}

/// Bytes before the first table in a file of SQLite's, and where in them the application's number is.
const HEADER: usize = 100;
const APPLICATION_AT: usize = 68;

/// Checks that a file is ours, and one that can be read as it is: what listings show is in the tables of every
/// version, but for [`has_sessions`].
pub fn check(connection: &Connection) -> Result<(), SpoolError> {
    known_version(connection).map(drop)
}

/// Whether sessions that have ended are in it, notices and arrays: it is not older than that.
pub fn has_sessions(connection: &Connection) -> Result<bool, SpoolError> {
    Ok(number(connection, "user_version")? >= 2)
}

/// Whether lanes say what their jobs need.
pub fn has_needs(connection: &Connection) -> Result<bool, SpoolError> {
    Ok(number(connection, "user_version")? >= 3)
}

/// The version of the tables of a file that is ours.
fn known_version(connection: &Connection) -> Result<i64, SpoolError> {
    match (number(connection, "application_id")?, number(connection, "user_version")?) {
        (APPLICATION | COPY | ARCHIVE, version @ 1..=VERSION) => Ok(version),
        (APPLICATION | COPY | ARCHIVE, newer) => Err(SpoolError::Failed(format!(
            "it was written by a newer queue (version {newer} of its tables; this one knows {VERSION}): \
             install that again, or move the spool away"
        ))),
        _ => Err(SpoolError::Failed("the file is a database of another program".to_owned())),
    }
}

/// Takes the steps from `version` on, all of them or none.
fn bring_up(connection: &Connection, version: i64, steps: &[&str]) -> Result<(), SpoolError> {
    let left = steps.iter().skip(version as usize - 1);
    let mut script = String::from("BEGIN IMMEDIATE;");
    for step in left.clone() {
        script.push_str(step);
        script.push(';');
    }
    if left.len() == 0 {
        return Ok(());
    }
    script.push_str(&format!("PRAGMA user_version = {}; COMMIT;", version + left.len() as i64));
    let taken = connection.execute_batch(&script);
    taken.map_err(|error| {
        // The statement that failed may have left the transaction open.
        let _ = connection.execute_batch("ROLLBACK");
        failed(error)
    })
}

fn number(connection: &Connection, name: &str) -> Result<i64, SpoolError> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed)
}

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- What many jobs have in common, their environment above all: a secret.
CREATE TABLE commons (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, job TEXT NOT NULL) STRICT;

CREATE TABLE submissions (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, key TEXT NOT NULL, root BLOB NOT NULL, signature BLOB NOT NULL,
    certificate BLOB NOT NULL, at_us INTEGER NOT NULL, count INTEGER NOT NULL, ids TEXT NOT NULL,
    digests BLOB NOT NULL, UNIQUE (user, key)
) STRICT;

CREATE TABLE lanes (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, queue TEXT NOT NULL, hosts TEXT NOT NULL, needs TEXT NOT NULL,
    UNIQUE (user, queue, hosts, needs)
) STRICT;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, state TEXT NOT NULL, record TEXT NOT NULL, user TEXT NOT NULL, queue TEXT NOT NULL,
    lane INTEGER NOT NULL, priority INTEGER NOT NULL, name TEXT, tags TEXT NOT NULL, mail TEXT,
    command TEXT NOT NULL, argv TEXT NOT NULL, directory BLOB NOT NULL, common INTEGER NOT NULL,
    submission INTEGER NOT NULL, number INTEGER NOT NULL, restartable INTEGER NOT NULL, retries INTEGER NOT NULL,
    retries_submitted INTEGER NOT NULL, backoff_s INTEGER NOT NULL, not_before_us INTEGER NOT NULL, attempt INTEGER NOT NULL, host TEXT,
    submitted_us INTEGER NOT NULL, started_us INTEGER, ended_us INTEGER, exit INTEGER, signal TEXT, core INTEGER,
    wall_us INTEGER, user_us INTEGER, system_us INTEGER, max_rss_kib INTEGER, left_over INTEGER NOT NULL,
    stdout BLOB, stderr BLOB, report TEXT NOT NULL, notify BLOB, notice TEXT NOT NULL DEFAULT '', array INTEGER
) STRICT;
-- Of those that may start, or may at some time; what waits for other jobs has the largest number there is.
CREATE INDEX jobs_by_lane ON jobs (lane, priority DESC, id, not_before_us)
    WHERE state = 'pending' AND not_before_us < 9223372036854775807;
CREATE INDEX jobs_later ON jobs (lane, not_before_us) WHERE state = 'pending' AND not_before_us > 0;
CREATE INDEX jobs_unsettled ON jobs (id) WHERE state = 'running' OR state = 'dead';
CREATE INDEX jobs_held ON jobs (id) WHERE state = 'held';
CREATE INDEX jobs_pending ON jobs (id) WHERE state = 'pending';
CREATE INDEX jobs_owed ON jobs (id) WHERE report = 'owed';
CREATE INDEX jobs_by_end ON jobs (ended_us) WHERE ended_us IS NOT NULL;
CREATE INDEX jobs_noticed ON jobs (id) WHERE notice = 'owed';

-- What jobs wait for before they may start: an end of another one. A row is gone when that has come.
CREATE TABLE after (
    job INTEGER NOT NULL, on_job INTEGER NOT NULL, condition TEXT NOT NULL, PRIMARY KEY (job, on_job)
) STRICT, WITHOUT ROWID;
CREATE INDEX after_by_on ON after (on_job, job);

-- Arrays: their indexes, how many may run at a time, how many do or may, how many have not ended.
CREATE TABLE arrays (
    id INTEGER PRIMARY KEY, first_job INTEGER NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL,
    step INTEGER NOT NULL, at_most INTEGER, busy INTEGER NOT NULL, open INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_of_array ON jobs (array, state, not_before_us, id) WHERE array IS NOT NULL;

-- Ends whose letter was written and is not known to be delivered: the same letter is sent again, whatever happens.
CREATE TABLE letters (job INTEGER PRIMARY KEY, letter INTEGER NOT NULL, is_digest INTEGER NOT NULL) STRICT;

-- Sessions of this home that have ended.
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, command TEXT NOT NULL, host TEXT NOT NULL, queue TEXT NOT NULL,
    started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, exit INTEGER, signal TEXT, core INTEGER NOT NULL,
    wall_us INTEGER, user_us INTEGER, system_us INTEGER, max_rss_kib INTEGER
) STRICT;
CREATE INDEX sessions_by_end ON sessions (ended_us);

-- The attempts that were placed on this host; of a job the newest.
CREATE TABLE attempts (
    home TEXT NOT NULL, job INTEGER NOT NULL, attempt INTEGER NOT NULL, user TEXT NOT NULL, accepted_ms INTEGER NOT NULL,
    state TEXT NOT NULL, open INTEGER NOT NULL, PRIMARY KEY (home, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_open ON attempts (home, job) WHERE open = 1;
";

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        number(connection, "user_version").expect("a number")
    }

    #[test]
    fn steps_are_taken_in_order_from_where_a_file_stands_and_all_or_none() {
        let connection = Connection::open_in_memory().expect("memory");
        prepare(&connection).expect("new tables");
        connection.pragma_update(None, "user_version", 1).expect("writable");
        let steps = ["CREATE TABLE one (a)", "ALTER TABLE one ADD COLUMN b", "ALTER TABLE one ADD COLUMN c"];
        bring_up(&connection, 1, &steps[..2]).expect("two steps");
        assert_eq!(version(&connection), 3);
        bring_up(&connection, 3, &steps).expect("the third");
        assert_eq!(version(&connection), 4);
        connection.execute("INSERT INTO one (a, b, c) VALUES (1, 2, 3)", []).expect("all columns");
        bring_up(&connection, 4, &steps).expect("nothing is left to do");
        let broken = [&steps[..], &["ALTER TABLE one ADD COLUMN d", "no SQL"]].concat();
        assert!(bring_up(&connection, 4, &broken).is_err());
        assert_eq!(version(&connection), 4);
        assert!(connection.execute("UPDATE one SET d = 1", []).is_err(), "the step before was taken back");
    }

    #[test]
    fn what_is_brought_up_to_date_is_like_what_is_made_new() {
        let tables = |connection: &Connection| {
            let sql = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
            let mut statement = connection.prepare(sql).expect("a table of tables");
            // A column that was added stands in another line.
            let words = |sql: String| sql.replace(|letter: char| letter.is_whitespace(), "");
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, words(row.get(1)?))));
            rows.expect("rows").collect::<Result<Vec<_>, _>>().expect("rows")
        };
        let (new, old) = (Connection::open_in_memory().expect("memory"), Connection::open_in_memory().expect("memory"));
        prepare(&new).expect("new tables");
        let first = include_str!("../../../tests/golden/version-1.sql");
        old.execute_batch(first).expect("a good dump");
        assert!(!has_sessions(&old).expect("a number"));
        prepare(&old).expect("older tables");
        assert_eq!(tables(&old), tables(&new));
        assert!(has_sessions(&old).expect("a number"));
    }

    #[test]
    fn what_is_newer_or_not_ours_is_refused_with_the_reason() {
        let connection = Connection::open_in_memory().expect("memory");
        prepare(&connection).expect("new tables");
        connection.pragma_update(None, "user_version", VERSION + 1).expect("writable");
        let newer = prepare(&connection).expect_err("newer").to_string();
        assert!(newer.contains(&format!("version {} of its tables", VERSION + 1)), "{newer}");
        connection.pragma_update(None, "application_id", 7).expect("writable");
        assert!(prepare(&connection).is_err_and(|error| error.to_string().contains("another program")));
        assert!(check(&connection).is_err());
    }
}
