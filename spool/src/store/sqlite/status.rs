//! Counts that are kept with every change, so that a million jobs are not counted for a question, and what is
//! asked of them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use wire::batch::{StateCount, StatusAnswer};
use wire::session::{End, Outcome as Ending};

use super::check::DUE;
use super::{SpoolError, failed, json, parsed};

/// What is counted. Stored with the changes that it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    states: BTreeMap<String, u64>,
    exits: BTreeMap<u8, u64>,
    signals: BTreeMap<String, u64>,
    finished: u64,
    wall_us: u64,
    /// Ends by the hour, the last day's and one before: hours since 1970 and how many.
    hours: BTreeMap<i64, u64>,
}

impl Tally {
    /// As it was stored last.
    pub fn stored(connection: &Connection) -> Result<Self, SpoolError> {
        let text: Option<String> = connection
            .prepare_cached("SELECT value FROM meta WHERE key = 'tally'")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
            .map_err(failed)?;
        text.map_or_else(|| Ok(Self::default()), |text| parsed(&text))
    }

    /// Stores it with the transaction.
    pub fn store(&self, connection: &Connection) -> Result<(), SpoolError> {
        let text = json(self)?;
        connection
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('tally', ?)")
            .and_then(|mut statement| statement.execute([text]))
            .map(drop)
            .map_err(failed)
    }

    /// A job is in this state now.
    pub fn enters(&mut self, state: &str) {
        match self.states.get_mut(state) {
            Some(count) => *count += 1,
            None => drop(self.states.insert(state.to_owned(), 1)),
        }
    }

    /// A job has left this state.
    pub fn leaves(&mut self, state: &str) {
        if let Some(count) = self.states.get_mut(state) {
            *count = count.saturating_sub(1);
        }
    }

    /// A job ended like this.
    pub fn ended(&mut self, end: &End, at_us: i64) {
        match &end.outcome {
            Ending::Exited(code) => *self.exits.entry(*code).or_default() += 1,
            Ending::Killed { signal, .. } => *self.signals.entry(signal.clone()).or_default() += 1,
        }
        self.finished += 1;
        self.wall_us = self.wall_us.saturating_add(end.usage.wall_us);
        let hour = at_us / HOUR_US;
        *self.hours.entry(hour).or_default() += 1;
        if self.hours.len() > HOURS_KEPT {
            self.hours.pop_first();
        }
    }
}

pub fn answer(connection: &Connection, now_us: i64) -> Result<StatusAnswer, SpoolError> {
    let tally = Tally::stored(connection)?;
    let mut states = Vec::new();
    for state in STATES {
        let jobs = tally.states.get(state).copied().unwrap_or(0);
        let (shortest, longest) = if jobs > 0 { ages(connection, state, now_us)? } else { (None, None) };
        states.push(StateCount { state: state.to_owned(), jobs, shortest, longest });
    }
    let owed: i64 = connection
        .query_row(
            &format!("SELECT count(*) FROM (SELECT 1 FROM jobs WHERE report = 'owed' {DUE} LIMIT 100000)"),
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    let ended_within = |hours: i64| {
        let from = now_us / HOUR_US - hours;
        tally.hours.range(from + 1..).map(|(_, count)| count).sum::<u64>()
    };
    Ok(StatusAnswer {
        home: String::new(),
        states,
        ended_in: [1, 12, 24].map(ended_within),
        mean_us: (tally.finished > 0).then(|| tally.wall_us / tally.finished),
        exits: tally.exits.into_iter().collect(),
        signals: tally.signals.into_iter().collect(),
        owed: owed as u64,
    })
}

/// A job and its age, microseconds.
type Aged = Option<(u64, u64)>;

/// The youngest and the oldest in a state: in the order of the ids, which is that of submission.
fn ages(connection: &Connection, state: &str, now_us: i64) -> Result<(Aged, Aged), SpoolError> {
    // Only states with an index of their own: nobody wants to know who finished first among a million.
    let condition = match state {
        "pending" => return pending_ages(connection, now_us),
        "held" => "state = 'held'",
        "running" => "state = 'running' AND (state = 'running' OR state = 'dead')",
        _ => return Ok((None, None)),
    };
    let one = |order: &str| {
        let sql = format!(
            "SELECT id, coalesce(started_us, submitted_us) FROM jobs WHERE {condition} ORDER BY id {order} LIMIT 1"
        );
        let found: Option<(i64, i64)> =
            connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(failed)?;
        Ok::<_, SpoolError>(found.map(|(id, since)| (id as u64, (now_us - since).max(0) as u64)))
    };
    Ok((one("DESC")?, one("ASC")?))
}

/// By lane, since that is how those who wait are indexed.
fn pending_ages(connection: &Connection, now_us: i64) -> Result<(Aged, Aged), SpoolError> {
    let one = |order: &str| {
        let sql = format!("SELECT id, submitted_us FROM jobs WHERE state = 'pending' ORDER BY id {order} LIMIT 1");
        let found: Option<(i64, i64)> =
            connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(failed)?;
        Ok::<_, SpoolError>(found.map(|(id, since)| (id as u64, (now_us - since).max(0) as u64)))
    };
    Ok((one("DESC")?, one("ASC")?))
}

/// In the order of a job's life.
const STATES: [&str; 6] = ["held", "pending", "running", "finished", "dead", "cancelled"];
const HOUR_US: i64 = 3_600_000_000;
const HOURS_KEPT: usize = 26;
