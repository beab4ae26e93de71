//! The tables, and how a file with older ones is brought up to date.

use rusqlite::Connection;

use super::SpoolError;
use super::failed;

/// "queu" in ASCII, so that `file` and an administrator can tell what it is.
const APPLICATION: i64 = 0x7175_6575;
/// The newest version of the tables; raised with each release that changes them.
const VERSION: i64 = 1;

/// Makes the tables, or checks that they are ours.
pub fn prepare(connection: &Connection) -> Result<(), SpoolError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let (application, version) = (number("application_id")?, number("user_version")?);
    match (application, version) {
        (0, 0) => {
            let made = format!(
                "BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION}; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
            );
            connection.execute_batch(&made).map_err(failed)
        }
        (APPLICATION, VERSION) => Ok(()),
        (APPLICATION, newer) => Err(SpoolError::Failed(format!(
            "it was written by a newer queue (version {newer} of its tables; this one knows {VERSION}): \
             install that again, or move the spool away"
        ))),
        _ => Err(SpoolError::Failed("the file is a database of another program".to_owned())),
    }
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
    id INTEGER PRIMARY KEY, user TEXT NOT NULL, queue TEXT NOT NULL, hosts TEXT NOT NULL, UNIQUE (user, queue, hosts)
) STRICT;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, state TEXT NOT NULL, record TEXT NOT NULL, user TEXT NOT NULL, queue TEXT NOT NULL,
    lane INTEGER NOT NULL, priority INTEGER NOT NULL, name TEXT, tags TEXT NOT NULL, mail TEXT,
    command TEXT NOT NULL, argv TEXT NOT NULL, directory BLOB NOT NULL, common INTEGER NOT NULL,
    submission INTEGER NOT NULL, number INTEGER NOT NULL, restartable INTEGER NOT NULL, retries INTEGER NOT NULL,
    retries_submitted INTEGER NOT NULL, backoff_s INTEGER NOT NULL, not_before_us INTEGER NOT NULL, attempt INTEGER NOT NULL, host TEXT,
    submitted_us INTEGER NOT NULL, started_us INTEGER, ended_us INTEGER, exit INTEGER, signal TEXT, core INTEGER,
    wall_us INTEGER, user_us INTEGER, system_us INTEGER, max_rss_kib INTEGER, left_over INTEGER NOT NULL,
    stdout BLOB, stderr BLOB, report TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_lane ON jobs (lane, priority DESC, id) WHERE state = 'pending';
CREATE INDEX jobs_later ON jobs (lane, not_before_us) WHERE state = 'pending' AND not_before_us > 0;
CREATE INDEX jobs_unsettled ON jobs (id) WHERE state = 'running' OR state = 'dead';
CREATE INDEX jobs_held ON jobs (id) WHERE state = 'held';
CREATE INDEX jobs_owed ON jobs (id) WHERE report = 'owed';

-- The attempts that were placed on this host; of a job the newest.
CREATE TABLE attempts (
    home TEXT NOT NULL, job INTEGER NOT NULL, attempt INTEGER NOT NULL, user TEXT NOT NULL, accepted_ms INTEGER NOT NULL,
    state TEXT NOT NULL, open INTEGER NOT NULL, PRIMARY KEY (home, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_open ON attempts (home, job) WHERE open = 1;
";
