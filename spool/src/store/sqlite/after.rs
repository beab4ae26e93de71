//! Jobs that wait for the ends of others: which, and what an end does to them.
//!
//! A job waits only for jobs that were there before it, so nobody waits for itself, however long the way. What an
//! end settles is done in the same write, those that end by it included; where that is a great many, the next writes
//! go on with it (see [`Settling`]). Until then the rows in `after` say what is left to do, also after a crash.

use std::collections::{HashMap, VecDeque};

use rusqlite::{Connection, OptionalExtension, params};
use wire::after::{After, Condition, MOST};
use wire::session::Outcome as Ending;

use super::array::{self, Standing};
use super::status::Tally;
use super::step::{enter_end, note_change};
use super::{SpoolError, failed, job};
use crate::JobId;
use crate::home::{Death, Event, State, Step};
pub use crate::store::NOT_YET;
use crate::store::{Brief, Submission};

/// Ends whose consequences are not all drawn, and what was drawn from others.
#[derive(Debug, Clone, Default)]
pub struct Settling {
    /// Jobs that have ended, and when.
    ends: VecDeque<(i64, i64)>,
    /// Jobs that may start now, or have ended, because another has.
    settled: Vec<Brief>,
}

impl Settling {
    /// What an earlier life has left.
    pub fn stored(connection: &Connection) -> Result<Self, SpoolError> {
        let sql = "SELECT id, ended_us FROM jobs WHERE ended_us IS NOT NULL
             AND state IN ('finished', 'dead', 'cancelled') AND id IN (SELECT on_job FROM after) ORDER BY id";
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let ends = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
        Ok(Self { ends: ends.collect::<Result<_, _>>().map_err(failed)?, settled: Vec::new() })
    }

    /// A job has ended, which others may wait for.
    pub fn ended(&mut self, connection: &Connection, id: JobId, at_us: i64) -> Result<(), SpoolError> {
        if is_awaited(connection, id)? {
            self.ends.push_back((id.number() as i64, at_us));
        }
        Ok(())
    }

    /// A job may start, because there is a place for it in its array.
    pub fn may_start(&mut self, brief: Brief) {
        self.settled.push(brief);
    }

    /// Whether there is more to do.
    pub fn is_open(&self) -> bool {
        !self.ends.is_empty()
    }

    /// What was done, taken once.
    pub fn take(&mut self) -> Vec<Brief> {
        std::mem::take(&mut self.settled)
    }

    /// Draws consequences, for so many conditions at most.
    pub fn go_on(&mut self, connection: &Connection, tally: &mut Tally, mut most: usize) -> Result<(), SpoolError> {
        while most > 0
            && let Some((on, at_us)) = self.ends.front().copied()
        {
            let end = match job::stored(connection, job_id(on)?)? {
                Some(stored) => End::of(stored.brief.state()),
                None => None,
            };
            // Meanwhile it may have turned out that it runs.
            let waiting = if end.is_some() { waiting(connection, on, most)? } else { Vec::new() };
            let Some(end) = end.filter(|_| !waiting.is_empty()) else {
                self.ends.pop_front();
                continue;
            };
            most -= waiting.len().min(most);
            for (id, condition) in waiting {
                if end.meets(condition) {
                    self.met(connection, id, on)?;
                } else {
                    let why = format!("job {on} ended otherwise ({})", end.words);
                    self.in_vain(connection, tally, id, why, at_us)?;
                }
            }
        }
        Ok(())
    }

    /// One thing less that a job waits for.
    fn met(&mut self, connection: &Connection, id: JobId, on: i64) -> Result<(), SpoolError> {
        connection
            .prepare_cached("DELETE FROM after WHERE job = ? AND on_job = ?")
            .and_then(|mut statement| statement.execute([id.number() as i64, on]))
            .map_err(failed)?;
        if waits(connection, id)? {
            return Ok(());
        }
        let Some(mut stored) = job::stored(connection, id)? else { return Ok(()) };
        if let Some(array) = stored.brief.array
            && array::is_limited(connection, Some(array))?
        {
            // Now it waits for a place only.
            return array::refill(connection, self, array);
        }
        let before = Standing::of(&stored.brief);
        stored.brief.not_before_us = 0;
        stored.write(connection)?;
        array::count(connection, self, stored.brief.array, before, Standing::of(&stored.brief))?;
        self.settled.push(stored.brief);
        Ok(())
    }

    /// A job waits for what cannot come any more.
    fn in_vain(
        &mut self,
        connection: &Connection,
        tally: &mut Tally,
        id: JobId,
        why: String,
        at_us: i64,
    ) -> Result<(), SpoolError> {
        forget(connection, id)?;
        let Some(mut stored) = job::stored(connection, id)? else { return Ok(()) };
        let (before, stood) = (stored.brief.state().word(), Standing::of(&stored.brief));
        match stored.brief.record.step(&Event::AwaitedInVain(why)) {
            Ok(Step::To(record)) => stored.brief.record = record,
            // What has ended or runs waits for nothing, by the table of states.
            Ok(Step::Nothing | Step::Later) | Err(_) => return Ok(()),
        }
        note_change(tally, before, &stored);
        enter_end(&mut stored, at_us);
        stored.write(connection)?;
        self.ended(connection, id, at_us)?;
        array::count(connection, self, stored.brief.array, stood, Standing::of(&stored.brief))?;
        self.settled.push(stored.brief);
        Ok(())
    }
}

/// How a job ended.
struct End {
    /// The condition besides `any` that it meets.
    meets: Option<Condition>,
    /// In words.
    words: String,
}

impl End {
    /// None: it has not.
    fn of(state: &State) -> Option<Self> {
        let (meets, words) = match state {
            State::Held { .. } | State::Pending { .. } | State::Running(_) => return None,
            State::Finished { end, .. } => match &end.outcome {
                Ending::Exited(0) => (Some(Condition::Ok), "exit 0".to_owned()),
                Ending::Exited(code) => (Some(Condition::Fail), format!("exit {code}")),
                Ending::Killed { signal, .. } => (Some(Condition::Fail), format!("signal {signal}")),
            },
            State::Dead(Death::LostHost(_)) => (Some(Condition::Fail), "lost host".to_owned()),
            State::Dead(Death::NeverStarted(_)) => (Some(Condition::Fail), "never started".to_owned()),
            State::Cancelled => (None, "cancelled".to_owned()),
        };
        Some(Self { meets, words })
    }

    fn meets(&self, condition: Condition) -> bool {
        condition == Condition::Any || self.meets == Some(condition)
    }
}

/// Why a submission is refused for what its jobs wait for. None: it is not.
pub fn refusal(connection: &Connection, submission: &Submission) -> Result<Option<String>, SpoolError> {
    let mut total = 0;
    // A submission of many that wait for the same is the usual one.
    let mut known = HashMap::new();
    for job in &submission.jobs {
        let after = &job.wishes.after;
        total += after.len();
        if after.len() > MOST {
            return Ok(Some(format!("a job waits for {} others; at most {MOST} are possible", after.len())));
        }
        if total > MOST_IN_ALL {
            return Ok(Some(format!("the jobs wait for more than {MOST_IN_ALL} others; submit them in parts")));
        }
        let mut seen = HashMap::new();
        for one in after {
            let id = one.job;
            if seen.insert(id, one.condition).is_some_and(|before| before != one.condition) {
                return Ok(Some(format!("job {id} is named twice, with different conditions")));
            }
            let is_there = match known.get(&id) {
                Some(is_there) => *is_there,
                None => {
                    let is_there = is_of(connection, id, &submission.user)?;
                    known.insert(id, is_there);
                    is_there
                }
            };
            if !is_there {
                return Ok(Some(format!(
                    "a job can wait only for jobs that are there when it is submitted: there is no job {id} of yours"
                )));
            }
        }
    }
    Ok(None)
}

fn is_of(connection: &Connection, id: u64, user: &str) -> Result<bool, SpoolError> {
    let Ok(id) = i64::try_from(id) else { return Ok(false) };
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = ? AND user = ?)")
        .and_then(|mut statement| statement.query_row(params![id, user], |row| row.get(0)))
        .map_err(failed)
}

/// Notes what a new job waits for. What has ended already is settled in the same write.
pub fn insert(
    connection: &Connection,
    settling: &mut Settling,
    id: u64,
    after: &[After],
    at_us: i64,
) -> Result<(), SpoolError> {
    for one in after {
        let on = one.job as i64;
        connection
            .prepare_cached("INSERT OR IGNORE INTO after (job, on_job, condition) VALUES (?, ?, ?)")
            .and_then(|mut statement| statement.execute(params![id as i64, on, one.condition.word()]))
            .map_err(failed)?;
        let ended: bool = connection
            .prepare_cached("SELECT state IN ('finished', 'dead', 'cancelled') FROM jobs WHERE id = ?")
            .and_then(|mut statement| statement.query_row([on], |row| row.get(0)))
            .map_err(failed)?;
        if ended && settling.ends.iter().all(|(known, _)| *known != on) {
            settling.ends.push_back((on, at_us));
        }
    }
    Ok(())
}

/// A job waits for nothing any more.
pub fn forget(connection: &Connection, id: JobId) -> Result<(), SpoolError> {
    connection
        .prepare_cached("DELETE FROM after WHERE job = ?")
        .and_then(|mut statement| statement.execute([id.number() as i64]))
        .map(drop)
        .map_err(failed)
}

/// What a job waits for, by id.
pub fn of_job(connection: &Connection, id: u64) -> Result<Vec<After>, SpoolError> {
    let sql = "SELECT on_job, condition FROM after WHERE job = ? ORDER BY on_job";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map([id as i64], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
    let rows = rows.map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let after = |(on, word): (i64, String)| Ok(After { job: on as u64, condition: condition(&word)? });
    rows.into_iter().map(after).collect()
}

/// Whether a job waits for others.
pub fn waits(connection: &Connection, id: JobId) -> Result<bool, SpoolError> {
    exists(connection, "SELECT EXISTS (SELECT 1 FROM after WHERE job = ?)", id)
}

/// Whether others wait for a job.
pub fn is_awaited(connection: &Connection, id: JobId) -> Result<bool, SpoolError> {
    exists(connection, "SELECT EXISTS (SELECT 1 FROM after WHERE on_job = ?)", id)
}

/// Those who wait for a job, at most so many.
pub fn waiting_for(connection: &Connection, id: JobId, most: usize) -> Result<Vec<u64>, SpoolError> {
    let waiting = waiting(connection, id.number() as i64, most)?;
    Ok(waiting.into_iter().map(|(job, _)| job.number()).collect())
}

fn waiting(connection: &Connection, on: i64, most: usize) -> Result<Vec<(JobId, Condition)>, SpoolError> {
    let sql = "SELECT job, condition FROM after WHERE on_job = ? ORDER BY job LIMIT ?";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map(params![on, most as i64], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    let rows = rows.map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    rows.into_iter().map(|(id, word)| Ok((job_id(id)?, condition(&word)?))).collect()
}

fn exists(connection: &Connection, sql: &str, id: JobId) -> Result<bool, SpoolError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([id.number() as i64], |row| row.get(0)).optional())
        .map(|found| found.unwrap_or(false))
        .map_err(failed)
}

fn condition(word: &str) -> Result<Condition, SpoolError> {
    Condition::of(word).ok_or_else(|| SpoolError::Failed(format!("\"{word}\" is no condition")))
}

fn job_id(id: i64) -> Result<JobId, SpoolError> {
    JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()))
}

/// Conditions of all jobs of a submission.
const MOST_IN_ALL: usize = 1_000_000;
/// Conditions that are settled in one write.
pub const AT_ONCE: usize = 1000;
