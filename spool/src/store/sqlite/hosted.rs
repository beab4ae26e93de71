//! What happens to an attempt on its host: the record is read, stepped and written.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Outcome, SpoolError, failed, json, parsed};
use crate::hosted::{Ending, Event, Record, State, Step};
use crate::store::InHand;
use crate::{Attempt, JobId, SpoolId};

/// Which attempt, whose, and when something happened to it.
pub struct Place<'a> {
    pub home: &'a str,
    pub job: JobId,
    pub attempt: Attempt,
    pub user: &'a str,
    pub at_ms: u64,
}

pub fn host(connection: &Connection, own: SpoolId, place: &Place, event: &Event) -> Result<Outcome, SpoolError> {
    let Place { home, job, attempt, user, at_ms } = *place;
    let known = known(connection, own, home, job)?;
    let (record, user, at_ms) = match known {
        // The newest is enough: a lower one is never placed again.
        Some(known) if known.record.attempt() > attempt => {
            return Ok(Outcome::Refused(format!(
                "attempt {attempt} of job {job}@{home} is over: attempt {} came after it",
                known.record.attempt()
            )));
        }
        Some(known) if known.record.attempt() == attempt => (known.record, known.user, known.accepted_ms),
        Some(_) | None => (Record::unseen(home.to_owned(), job, attempt, own), user.to_owned(), at_ms),
    };
    match record.step(event) {
        Err(not_allowed) => Ok(Outcome::Refused(not_allowed.to_string())),
        Ok(Step::Nothing) => Ok(Outcome::Attempt(record)),
        Ok(Step::To(next)) => {
            write(connection, &next, &user, at_ms)?;
            Ok(Outcome::Attempt(next))
        }
    }
}

/// After a boot nothing of what was accepted before is there any more.
pub fn booted(connection: &Connection, own: SpoolId, boot: &str) -> Result<Outcome, SpoolError> {
    let before: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'boot'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if before.as_deref() == Some(boot) {
        return Ok(Outcome::Noted);
    }
    for in_hand in all_in_hand(connection, own)? {
        if let Ok(Step::To(lost)) = in_hand.record.step(&Event::Ended(Ending::Lost)) {
            write(connection, &lost, &in_hand.user, in_hand.accepted_ms)?;
        }
    }
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", [boot]).map_err(failed)?;
    Ok(Outcome::Noted)
}

/// The attempts that are accepted or started, or ended and not acknowledged.
pub fn all_in_hand(connection: &Connection, own: SpoolId) -> Result<Vec<InHand>, SpoolError> {
    let sql = "SELECT home, job, attempt, state, user, accepted_ms FROM attempts WHERE open = 1";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([], |row| in_hand(own, row)).map_err(failed)?;
    rows.map(|row| row.map_err(failed)?).collect()
}

fn known(connection: &Connection, own: SpoolId, home: &str, job: JobId) -> Result<Option<InHand>, SpoolError> {
    let sql = "SELECT home, job, attempt, state, user, accepted_ms FROM attempts WHERE home = ? AND job = ?";
    let found = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement.query_row(params![home, job.number() as i64], |row| in_hand(own, row)).optional()
        })
        .map_err(failed)?;
    found.transpose()
}

fn in_hand(own: SpoolId, row: &Row) -> rusqlite::Result<Result<InHand, SpoolError>> {
    let (home, job, attempt): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (state, user, accepted_ms): (String, String, i64) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let bad = |error: crate::BadId| SpoolError::Failed(error.to_string());
    let made = || {
        let (job, attempt) = (JobId::new(job as u64).map_err(bad)?, Attempt::new(attempt as u64).map_err(bad)?);
        Ok(Record::stored(home, job, attempt, own, parsed(&state)?))
    };
    Ok(made().map(|record| InHand { record, user, accepted_ms: accepted_ms as u64 }))
}

fn write(connection: &Connection, record: &Record, user: &str, accepted_ms: u64) -> Result<(), SpoolError> {
    let open = match record.state() {
        State::Accepted | State::Started | State::Ended(_) => 1,
        State::Unseen | State::Refused | State::Acknowledged => 0,
    };
    let state = json(record.state())?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO attempts (home, job, attempt, user, accepted_ms, state, open)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                record.home(),
                record.job().number() as i64,
                record.attempt().number() as i64,
                user,
                accepted_ms as i64,
                state,
                open
            ])
        })
        .map(drop)
        .map_err(failed)
}
