//! Arrays: which jobs are elements of one, how many of it run, and how many have not ended.
//!
//! Where at most so many may run, so many are given to the dispatcher: the others wait with the earliest start that
//! there is no getting to ([`NOT_YET`]), and the write in which one has ended, or is held or deleted, lets the next
//! of them start. So the limit holds over all hosts, and after every crash.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::array::{Array, Element, Group};
use wire::batch::JobRow;

use super::after::{NOT_YET, Settling};
use super::{SpoolError, failed, job};
use crate::JobId;
use crate::home::State;
use crate::store::{Brief, Outcomes, Owed};

/// What counts of an element: whether it takes one of the places that are limited, and whether it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_busy: bool,
    pub is_open: bool,
}

impl Standing {
    pub fn of(brief: &Brief) -> Self {
        match brief.state() {
            State::Held { .. } => Self { is_busy: false, is_open: true },
            State::Pending { .. } => Self { is_busy: brief.not_before_us != NOT_YET, is_open: true },
            State::Running(_) => Self { is_busy: true, is_open: true },
            State::Finished { .. } | State::Dead(_) | State::Cancelled => Self { is_busy: false, is_open: false },
        }
    }

    /// What an element counts that is not there.
    pub const NONE: Self = Self { is_busy: false, is_open: false };
}

/// Makes an array whose first job has this number. Says which it is.
pub fn insert(connection: &Connection, array: &Array, first_job: u64, count: u64) -> Result<i64, SpoolError> {
    connection
        .prepare_cached(
            "INSERT INTO arrays (first_job, count, first, step, at_most, busy, open) VALUES (?, ?, ?, ?, ?, 0, 0)",
        )
        .and_then(|mut statement| {
            let row = params![
                first_job as i64,
                count as i64,
                array.first as i64,
                array.step as i64,
                array.at_most.map(|most| i64::try_from(most).unwrap_or(i64::MAX)),
            ];
            statement.insert(row)
        })
        .map_err(failed)
}

/// Whether only some of its elements may run at a time.
pub fn is_limited(connection: &Connection, array: Option<i64>) -> Result<bool, SpoolError> {
    let Some(array) = array else { return Ok(false) };
    let found = connection
        .prepare_cached("SELECT at_most IS NOT NULL FROM arrays WHERE id = ?")
        .and_then(|mut statement| statement.query_row([array], |row| row.get(0)).optional())
        .map_err(failed)?;
    Ok(found.unwrap_or(false))
}

/// Before a job is written that stood like this: one that is to wait for a place does.
pub fn queue_up(connection: &Connection, brief: &mut Brief, before: Standing) -> Result<(), SpoolError> {
    let waits = match brief.state() {
        State::Held { .. } => true,
        State::Pending { .. } => !before.is_busy,
        State::Running(_) | State::Finished { .. } | State::Dead(_) | State::Cancelled => false,
    };
    if waits && is_limited(connection, brief.array)? {
        brief.not_before_us = NOT_YET;
    }
    Ok(())
}

/// After a job was written or has gone: it is counted, and those may start for whom there is room now.
pub fn count(
    connection: &Connection,
    settling: &mut Settling,
    array: Option<i64>,
    before: Standing,
    after: Standing,
) -> Result<(), SpoolError> {
    let Some(array) = array else { return Ok(()) };
    let more = |after: bool, before: bool| i64::from(after) - i64::from(before);
    add(connection, array, more(after.is_busy, before.is_busy), more(after.is_open, before.is_open))?;
    refill(connection, settling, array)
}

/// So many more, or fewer.
pub fn add(connection: &Connection, array: i64, busy: i64, open: i64) -> Result<(), SpoolError> {
    if (busy, open) == (0, 0) {
        return Ok(());
    }
    connection
        .prepare_cached("UPDATE arrays SET busy = busy + ?, open = open + ? WHERE id = ?")
        .and_then(|mut statement| statement.execute([busy, open, array]))
        .map(drop)
        .map_err(failed)
}

/// Lets as many start as there is room for, in their order.
pub fn refill(connection: &Connection, settling: &mut Settling, array: i64) -> Result<(), SpoolError> {
    let places: Option<Option<i64>> = connection
        .prepare_cached("SELECT at_most - busy FROM arrays WHERE id = ?")
        .and_then(|mut statement| statement.query_row([array], |row| row.get(0)).optional())
        .map_err(failed)?;
    let mut places = places.flatten().unwrap_or(0);
    while places > 0
        && let Some(id) = next(connection, array)?
        && let Some(mut stored) = job::stored(connection, id)?
    {
        stored.brief.not_before_us = 0;
        stored.write(connection)?;
        add(connection, array, 1, 0)?;
        settling.may_start(stored.brief);
        places -= 1;
    }
    Ok(())
}

/// The first that waits for nothing but a place.
fn next(connection: &Connection, array: i64) -> Result<Option<JobId>, SpoolError> {
    let found: Option<i64> = connection
        .prepare_cached(
            "SELECT id FROM jobs WHERE array = ? AND state = 'pending' AND not_before_us = 9223372036854775807
                 AND NOT EXISTS (SELECT 1 FROM after WHERE after.job = jobs.id) ORDER BY id LIMIT 1",
        )
        .and_then(|mut statement| statement.query_row([array], |row| row.get(0)).optional())
        .map_err(failed)?;
    found.map(|id| JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()))).transpose()
}

/// An array as listings and reports need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    first_job: i64,
    count: i64,
    first: i64,
    step: i64,
    pub at_most: Option<i64>,
    /// How many have not ended.
    open: i64,
}

fn known(row: &Row) -> rusqlite::Result<Known> {
    let (first_job, count, first) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Known { first_job, count, first, step: row.get(3)?, at_most: row.get(4)?, open: row.get(5)? })
}

/// The array with this number.
pub fn of(connection: &Connection, array: i64) -> Result<Option<Known>, SpoolError> {
    connection
        .prepare_cached("SELECT first_job, count, first, step, at_most, open FROM arrays WHERE id = ?")
        .and_then(|mut statement| statement.query_row([array], known).optional())
        .map_err(failed)
}

impl Known {
    /// Which element of it a job is.
    pub fn element(&self, id: u64) -> Element {
        let number = (id as i64).wrapping_sub(self.first_job);
        let index = self.first.wrapping_add(self.step.wrapping_mul(number)) as u64;
        Element { id: self.first_job as u64, index, count: self.count as u64, stands_for: None }
    }

    /// Whether none of it is left that has not ended.
    pub fn is_over(&self) -> bool {
        self.open <= 0
    }
}

/// Only the first element of each array in each of these states, or in each there is; those that failed are apart from
/// those that ended well.
pub fn heads(states: Option<&[&str]>) -> String {
    let states = states.map(|states| format!("AND state IN ('{}')", states.join("', '"))).unwrap_or_default();
    format!(
        "(jobs.array IS NULL OR jobs.id IN
             (SELECT min(id) FROM jobs WHERE array IS NOT NULL {states} GROUP BY array, state, exit IS NOT 0))"
    )
}

/// What such a row stands for.
pub fn stands_for(connection: &Connection, array: i64, row: &JobRow) -> Result<Group, SpoolError> {
    connection
        .prepare_cached("SELECT count(*), max(id) FROM jobs WHERE array = ? AND state = ? AND (exit IS NOT 0) = ?")
        .and_then(|mut statement| {
            statement.query_row(params![array, row.state, row.exit != Some(0)], |row| {
                let (count, last): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(Group { count: count as u64, last: last as u64 })
            })
        })
        .map_err(failed)
}

/// Reports that are owed and stand in no letter.
pub fn owed(connection: &Connection, array: i64, after: u64, most: u32) -> Result<Vec<Owed>, SpoolError> {
    let sql = "SELECT id, attempt FROM jobs WHERE array = ? AND report = 'owed' AND id > ?
             AND NOT EXISTS (SELECT 1 FROM letters WHERE letters.job = jobs.id) ORDER BY id LIMIT ?";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement
        .query_map(params![array, after as i64, most], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .map_err(failed)?;
    let owed = |(id, attempt): (i64, i64)| {
        let job = JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()))?;
        Ok(Owed { job, attempt: attempt as u64, letter: None })
    };
    rows.map(|row| row.map_err(failed).and_then(owed)).collect()
}

/// How all elements have ended of the array that a job is one of.
pub fn outcomes(connection: &Connection, element: JobId) -> Result<Option<Outcomes>, SpoolError> {
    connection
        .prepare_cached(
            "SELECT count(*) FILTER (WHERE state = 'finished' AND exit = 0),
                 count(*) FILTER (WHERE state = 'dead' OR state = 'finished' AND exit IS NOT 0),
                 count(*) FILTER (WHERE state = 'cancelled')
             FROM jobs WHERE array = (SELECT array FROM jobs WHERE id = ?) HAVING count(*) > 0",
        )
        .and_then(|mut statement| {
            statement
                .query_row([element.number() as i64], |row| {
                    let number = |column| row.get::<_, i64>(column).map(|count| count as u64);
                    Ok(Outcomes { ok: number(0)?, failed: number(1)?, cancelled: number(2)? })
                })
                .optional()
        })
        .map_err(failed)
}
