//! A spool in one SQLite file: WAL, full sync, one writer.
//!
//! Nobody in the process opens the file but SQLite: closing any other descriptor of it would drop the locks of
//! the whole process.

mod after;
mod archive;
mod array;
mod backup;
mod check;
mod contents;
mod expiry;
mod hosted;
mod job;
mod log;
mod pages;
mod past;
mod read;
mod restored;
mod schema;
mod status;
mod step;
mod submit;

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use super::{Change, Outcome, Reader, Settled, Spool, SpoolError, Which};
use crate::SpoolId;

pub use archive::{Archive, Rotation, find_archive};
pub use check::Soundness;
pub use expiry::Look;
pub use read::SqliteReader;
pub use restored::Restored;

/// The writer of a spool file.
pub struct SqliteSpool {
    connection: Connection,
    path: PathBuf,
    id: SpoolId,
    tally: status::Tally,
    lately: expiry::Lately,
    sessions: past::Count,
    settling: after::Settling,
    restored: Option<Restored>,
}

impl SqliteSpool {
    /// Opens the file, made where there is none.
    ///
    /// # Errors
    /// It cannot be opened, is damaged, or another program's.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        restored::clear_log(path)?;
        log::renew(path)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        configure(&connection)?;
        if schema::Kind::of(&connection)? == Some(schema::Kind::Archive) {
            return Err(SpoolError::Failed("it is an archive of jobs that have ended, to be read by --archive".into()));
        }
        schema::prepare(&connection)?;
        let restored = restored::adopt(&mut connection)?;
        // The data is the users': their environments are in it.
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed)?;
        if mode != "wal" {
            return Err(SpoolError::Failed(format!("its journal is \"{mode}\": is it on a network file system?")));
        }
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
        let id = identity(&connection)?;
        let tally = status::Tally::stored(&connection)?;
        let lately = expiry::Lately::new();
        let sessions = past::Count::stored(&connection)?;
        let settling = after::Settling::stored(&connection)?;
        Ok(Self { connection, path: path.to_owned(), id, tally, lately, sessions, settling, restored })
    }

    /// One more reader of the same file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn reader(&self) -> Result<SqliteReader, SpoolError> {
        SqliteReader::open(&self.path, self.id)
    }

    /// What was done when it was opened, if it had been put in place from a copy.
    pub fn restored(&self) -> Option<Restored> {
        self.restored
    }
}

impl Spool for SqliteSpool {
    fn id(&self) -> SpoolId {
        self.id
    }

    fn write(&mut self, units: &[Vec<Change>]) -> Result<Vec<Vec<Outcome>>, SpoolError> {
        let (mut tally, mut sessions, mut settling) = (self.tally.clone(), self.sessions, self.settling.clone());
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut outcomes = Vec::with_capacity(units.len());
        for unit in units {
            let mut refused = false;
            let mut results = Vec::with_capacity(unit.len());
            for change in unit {
                let outcome = if refused {
                    Outcome::Skipped
                } else {
                    let kept = (&mut tally, &mut sessions, &mut self.lately, &mut settling);
                    apply(&transaction, kept, self.id, change)?
                };
                refused |= matches!(outcome, Outcome::Refused(_) | Outcome::Later);
                results.push(outcome);
            }
            outcomes.push(results);
        }
        settling.go_on(&transaction, &mut tally, after::AT_ONCE)?;
        if tally != self.tally {
            tally.store(&transaction)?;
        }
        transaction.commit().map_err(failed)?;
        (self.tally, self.sessions, self.settling) = (tally, sessions, settling);
        Ok(outcomes)
    }

    fn settled(&mut self) -> Settled {
        Settled { jobs: self.settling.take(), is_more: self.settling.is_open() }
    }
}

/// What the writer keeps besides the tables.
type Kept<'a> = (&'a mut status::Tally, &'a mut past::Count, &'a mut expiry::Lately, &'a mut after::Settling);

fn apply(
    connection: &Connection,
    (tally, sessions, lately, settling): Kept,
    own: SpoolId,
    change: &Change,
) -> Result<Outcome, SpoolError> {
    match change {
        Change::Submit(submission) => submit::submit(connection, tally, lately, settling, submission),
        Change::Step(change) => step::step(connection, tally, settling, change),
        Change::Host { home, job, attempt, user, at_ms, event } => {
            let place = hosted::Place { home, job: *job, attempt: *attempt, user, at_ms: *at_ms };
            hosted::host(connection, own, &place, event)
        }
        Change::Booted { boot } => hosted::booted(connection, own, boot),
        Change::Update { job, updates } => step::update(connection, settling, *job, updates),
        Change::Delete(job) => {
            lately.forgets();
            step::delete(connection, tally, settling, *job)
        }
        Change::Forget(jobs) => {
            lately.forgets();
            expiry::forget(connection, tally, settling, jobs)
        }
        // It is gone on with in every write.
        Change::Settle => Ok(Outcome::Noted),
        Change::Look => Ok(lately.begin()),
        Change::Sweep(unused) => lately.sweep(connection, unused),
        Change::Rotation(rotation) => archive::note(connection, rotation.as_ref()).map(|()| Outcome::Noted),
        Change::Lettered { letter, jobs } => step::lettered(connection, *letter, jobs),
        Change::Reported { job, outcome } => step::reported(connection, *job, outcome),
        Change::Noticed { job, ended_us, outcome } => step::noticed(connection, *job, *ended_us, outcome),
        Change::Session(session) => sessions.add(connection, session),
        Change::ForgetSessions(ids) => sessions.forget(connection, ids),
    }
}

fn configure(connection: &Connection) -> Result<(), SpoolError> {
    // A checkpoint by the writer may hold a reader up for a moment, never longer.
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A statement is planned once, not anew for every value that is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -(CACHE_KIB as i64)).map_err(failed)?;
    connection.pragma_update(None, "temp_store", "memory").map_err(failed)
}

fn identity(connection: &Connection) -> Result<SpoolId, SpoolError> {
    let stored: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'spool'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if let Some(text) = stored {
        return text.parse().map_err(|error| SpoolError::Failed(format!("its identity is damaged: {error}")));
    }
    let id = restored::new_id()?;
    connection.execute("INSERT INTO meta VALUES ('spool', ?)", [id.to_string()]).map_err(failed)?;
    Ok(id)
}

/// No room is a state of the disk that passes; everything else is final.
fn failed(error: rusqlite::Error) -> SpoolError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => SpoolError::Full(error.to_string()),
        _ => SpoolError::Failed(error.to_string()),
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, SpoolError> {
    serde_json::to_string(value).map_err(|error| SpoolError::Failed(error.to_string()))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, SpoolError> {
    serde_json::from_str(text).map_err(|error| SpoolError::Failed(format!("a record is damaged: {error}")))
}

/// Pages of the log before they are put into their places: 8 MiB.
const CHECKPOINT_PAGES: i64 = 2000;
/// What each connection keeps in memory.
const CACHE_KIB: u32 = 4096;
