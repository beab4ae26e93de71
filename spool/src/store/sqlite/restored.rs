//! A spool that was put in place from a copy does not know what has happened since the copy was made.
//!
//! So it becomes another spool when it is opened: with a new id, so that it does not take its ignorance of an
//! attempt for knowledge; with numbers far above those that may have been given out since; and with every job
//! that waits held, because it may have run since. Its owner, who knows, releases or deletes it.

use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::Connection;

use super::after::Settling;
use super::status::Tally;
use super::{SpoolError, failed, schema, step};
use crate::home::Event;
use crate::store::StepChange;
use crate::{JobId, LARGEST, SpoolId};

/// What became of a copy when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Jobs that waited and are held now.
    pub held: u64,
}

/// Before the file is opened: the log of the spool that was there before is not this one's.
pub fn clear_log(path: &Path) -> Result<(), SpoolError> {
    if schema::Kind::of_file(path) != Some(schema::Kind::Copy) {
        return Ok(());
    }
    for suffix in ["-wal", "-shm"] {
        let mut log = path.as_os_str().to_owned();
        log.push(suffix);
        match std::fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let log = log.display();
                return Err(SpoolError::Failed(format!("{log} is of the spool before and cannot be removed: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a spool of its own out of a copy; nothing where it is none. It must not have a log yet: what is in that
/// would be thrown away by the next start after a crash.
pub fn adopt(connection: &mut Connection) -> Result<Option<Restored>, SpoolError> {
    if schema::Kind::of(connection)? != Some(schema::Kind::Copy) {
        return Ok(None);
    }
    connection.pragma_update(None, "synchronous", "extra").map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    let mut tally = Tally::stored(&transaction)?;
    let mut held = 0;
    loop {
        let waiting = some_waiting(&transaction)?;
        if waiting.is_empty() {
            break;
        }
        for job in waiting {
            step::step(&transaction, &mut tally, &mut Settling::default(), &StepChange::new(job, Event::Held, 0))?;
            held += 1;
        }
    }
    tally.store(&transaction)?;
    let skipped = "UPDATE jobs SET attempt = attempt + ? WHERE state = 'held'";
    transaction.execute(skipped, [ATTEMPTS_SKIPPED]).map_err(failed)?;
    set_last_id(&transaction, last_id(&transaction)?.saturating_add(IDS_SKIPPED).min(LARGEST - IDS_SKIPPED))?;
    let id = new_id()?.to_string();
    transaction.execute("INSERT OR REPLACE INTO meta VALUES ('spool', ?)", [id]).map_err(failed)?;
    schema::Kind::Spool.mark(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(Some(Restored { held }))
}

fn some_waiting(connection: &Connection) -> Result<Vec<JobId>, SpoolError> {
    let sql = "SELECT id FROM jobs WHERE state = 'pending' LIMIT 1000";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([], |row| row.get::<_, i64>(0)).map_err(failed)?;
    let job = |id: i64| JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()));
    rows.map(|row| job(row.map_err(failed)?)).collect()
}

/// A random id for a new spool.
pub fn new_id() -> Result<SpoolId, SpoolError> {
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| SpoolError::Failed("the kernel gives no random bytes".into()))?;
    Ok(SpoolId::new(random))
}

/// The largest number that a job or a session has, or a job had before it was forgotten.
pub fn last_id(connection: &Connection) -> Result<u64, SpoolError> {
    let sql = "SELECT max(coalesce((SELECT max(id) FROM jobs), 0),
         coalesce((SELECT max(id) FROM sessions), 0),
         coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'last-id'), 0))";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.query_row([], |row| row.get::<_, i64>(0)).map(|last| last as u64).map_err(failed)
}

/// Before a job with this number is forgotten: its number is not.
pub fn keep_number(connection: &Connection, forgotten: JobId) -> Result<(), SpoolError> {
    let largest: Option<i64> = connection
        .prepare_cached("SELECT max(id) FROM jobs")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    if largest == Some(forgotten.number() as i64) { set_last_id(connection, last_id(connection)?) } else { Ok(()) }
}

fn set_last_id(connection: &Connection, last: u64) -> Result<(), SpoolError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('last-id', ?)")
        .and_then(|mut statement| statement.execute([last.to_string()]))
        .map(drop)
        .map_err(failed)
}

/// Numbers that may have been given to jobs since the copy was made.
const IDS_SKIPPED: u64 = 1_000_000;
/// Attempts that a job may have had since the copy was made.
const ATTEMPTS_SKIPPED: i64 = 100;
