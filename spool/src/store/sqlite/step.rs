//! What happens to a job or an attempt: the record is read, stepped and written.

use rusqlite::{Connection, params};
use wire::batch::Update;
use wire::session::{End, Outcome as Ending};

use super::after::{self, NOT_YET, Settling};
use super::array::{self, Standing};
use super::status::Tally;
use super::{Outcome, SpoolError, failed, job, json, restored};
use crate::home::{Event, Report, State, Step};
use crate::store::{LetterName, StepChange};
use crate::{Attempt, JobId};

pub fn step(
    connection: &Connection,
    tally: &mut Tally,
    settling: &mut Settling,
    change: &StepChange,
) -> Result<Outcome, SpoolError> {
    let Some(mut stored) = job::stored(connection, change.job)? else {
        return Ok(Outcome::Refused(format!("there is no job {}", change.job)));
    };
    let before = stored.brief.record.state().clone();
    let stood = Standing::of(&stored.brief);
    if let Some(why) = in_the_way(connection, &stored, &change.event)? {
        return Ok(Outcome::Refused(why));
    }
    match stored.brief.record.step(&change.event) {
        Err(not_allowed) => return Ok(Outcome::Refused(not_allowed.to_string())),
        Ok(Step::Later) => return Ok(Outcome::Later),
        Ok(Step::Nothing) => return Ok(Outcome::Job { brief: Box::new(stored.brief), changed: false }),
        Ok(Step::To(record)) => stored.brief.record = record,
    }
    let at = change.at_us;
    match &change.event {
        Event::Placed(place) => {
            stored.host = Some(place.host.clone());
            stored.forget_run();
        }
        Event::Reported { report: Report::Started, .. } => stored.started_us = Some(at),
        Event::Reported { report: Report::Ended(end), .. } => stored.ended(end, change.left_over, at),
        Event::Resubmitted => {
            stored.forget_run();
            stored.brief.not_before_us = 0;
            stored.report.clear();
            stored.notice.clear();
            stored.retries = stored.retries_submitted;
        }
        _ => {}
    }
    if let Some([stdout, stderr]) = &change.output {
        stored.stdout = Some(stdout.0.clone());
        stored.stderr = Some(stderr.0.clone());
    }
    let entered = stored.brief.state().word() != before.word();
    if entered && let State::Finished { end, .. } = stored.brief.state() {
        let end = end.clone();
        tally.ended(&end, at);
        if is_failure(&end) && stored.retries > 0 {
            retry(&mut stored, at)?;
        }
    }
    let mut has_ended = false;
    if entered {
        note_change(tally, before.word(), &stored);
        has_ended = enter_end(&mut stored, at);
    }
    array::queue_up(connection, &mut stored.brief, stood)?;
    stored.write(connection)?;
    if has_ended {
        after::forget(connection, change.job)?;
        settling.ended(connection, change.job, at)?;
    }
    array::count(connection, settling, stored.brief.array, stood, Standing::of(&stored.brief))?;
    Ok(Outcome::Job { brief: Box::new(stored.brief), changed: true })
}

/// Why an event that the table of states allows is not for this job now.
fn in_the_way(connection: &Connection, stored: &job::Stored, event: &Event) -> Result<Option<String>, SpoolError> {
    let id = stored.brief.id();
    Ok(match event {
        Event::Placed(_) if stored.brief.not_before_us == NOT_YET => {
            Some(format!("job {id} waits for others, and is not to be started yet"))
        }
        // Those who waited for its end have not all been told yet.
        Event::Resubmitted if stored.ended_us.is_some() && after::is_awaited(connection, id)? => Some(format!(
            "job {id} has just ended, and what follows from that is not settled yet; try again in a moment"
        )),
        _ => None,
    })
}

/// Counts a job that is in another state than before.
pub fn note_change(tally: &mut Tally, before: &str, stored: &job::Stored) {
    tally.leaves(before);
    tally.enters(stored.brief.state().word());
}

/// What is noted when a job enters a state, if it has ended: what is owed for it. Says whether it has.
pub fn enter_end(stored: &mut job::Stored, at_us: i64) -> bool {
    if !matches!(stored.brief.state(), State::Finished { .. } | State::Dead(_) | State::Cancelled) {
        return false;
    }
    stored.ended_us = stored.ended_us.or(Some(at_us));
    let owed = |wanted| if wanted { "owed" } else { "not wanted" }.to_owned();
    stored.report = owed(stored.brief.wants_report());
    if stored.brief.notify {
        stored.notice = owed(stored.brief.wants_notice());
    }
    true
}

/// A failure with retries left: the job waits again, as if its owner had resubmitted it.
fn retry(stored: &mut job::Stored, at_us: i64) -> Result<(), SpoolError> {
    match stored.brief.record.step(&Event::Resubmitted) {
        Ok(Step::To(record)) => stored.brief.record = record,
        // What has ended can be resubmitted, by the table of states.
        _ => return Ok(()),
    }
    let done = stored.retries_submitted.saturating_sub(stored.retries).min(12);
    let pause_s = (i64::from(stored.backoff_s) << done).min(LONGEST_BACKOFF_S);
    stored.brief.not_before_us = if pause_s > 0 { at_us + pause_s * 1_000_000 } else { 0 };
    stored.retries -= 1;
    Ok(())
}

fn is_failure(end: &End) -> bool {
    end.outcome != Ending::Exited(0)
}

pub fn update(
    connection: &Connection,
    settling: &mut Settling,
    id: JobId,
    updates: &[Update],
) -> Result<Outcome, SpoolError> {
    let Some(mut stored) = job::stored(connection, id)? else {
        return Ok(Outcome::Refused(format!("there is no job {id}")));
    };
    if let State::Finished { .. } | State::Dead(_) | State::Cancelled = stored.brief.state() {
        let word = stored.brief.state().word();
        return Ok(Outcome::Refused(format!("job {id} is {word}; nothing of it can be changed any more")));
    }
    let stood = Standing::of(&stored.brief);
    for update in updates {
        match update {
            Update::Priority(_) if !matches!(stored.brief.state(), State::Held { .. } | State::Pending { .. }) => {
                let word = stored.brief.state().word();
                return Ok(Outcome::Refused(format!("job {id} is {word}; its priority does not matter any more")));
            }
            Update::Priority(priority) => stored.brief.priority = *priority,
            Update::Name(name) => stored.name.clone_from(name),
            Update::Tags(tags) => stored.tags = json(tags)?,
            // The host that runs a job keeps to it, and what waits has signed what it said.
            Update::Time(_) => {
                let word = stored.brief.state().word();
                let message = format!("job {id} is {word}; its time limit is signed: cancel it and submit it again");
                return Ok(Outcome::Refused(message));
            }
            Update::Mail(mail) => stored.brief.mail.clone_from(mail),
            Update::AfterNothing => {
                after::forget(connection, id)?;
                // In an array with a limit it is given a place below, if there is one.
                if stored.brief.not_before_us == NOT_YET && !array::is_limited(connection, stored.brief.array)? {
                    stored.brief.not_before_us = 0;
                }
            }
        }
    }
    stored.write(connection)?;
    array::count(connection, settling, stored.brief.array, stood, Standing::of(&stored.brief))?;
    Ok(Outcome::Job { brief: Box::new(stored.brief), changed: true })
}

pub fn delete(
    connection: &Connection,
    tally: &mut Tally,
    settling: &mut Settling,
    id: JobId,
) -> Result<Outcome, SpoolError> {
    let Some(stored) = job::stored(connection, id)? else {
        return Ok(Outcome::Refused(format!("there is no job {id}")));
    };
    let state = stored.brief.state();
    if let State::Running(run) = state {
        return Ok(Outcome::Refused(format!("job {id} is running on {}; cancel it first", run.place.host)));
    }
    if stored.report == "owed"
        && let Some(array) = stored.brief.array
        && array::of(connection, array)?.is_some_and(|known| !known.is_over())
    {
        return Ok(Outcome::Refused(format!(
            "the report of job {id} comes with that of its array, when all of it has ended"
        )));
    }
    if stored.report == "owed" {
        return Ok(Outcome::Refused(format!("the report of job {id} is not delivered yet; try again in a moment")));
    }
    if let Some(why) = awaited(connection, id)? {
        return Ok(Outcome::Refused(why));
    }
    after::forget(connection, id)?;
    tally.leaves(state.word());
    restored::keep_number(connection, id)?;
    connection
        .prepare_cached("DELETE FROM jobs WHERE id = ?")
        .and_then(|mut statement| statement.execute([id.number() as i64]))
        .map_err(failed)?;
    array::count(connection, settling, stored.brief.array, Standing::of(&stored.brief), Standing::NONE)?;
    let attempts = stored.brief.record.last().map_or(0, Attempt::number);
    Ok(Outcome::Deleted { attempts })
}

/// Why a job is not forgotten that others wait for.
fn awaited(connection: &Connection, id: JobId) -> Result<Option<String>, SpoolError> {
    let waiting = after::waiting_for(connection, id, MOST_NAMED + 1)?;
    let Some(first) = waiting.first() else { return Ok(None) };
    let (who, drop) = match waiting.len() {
        1 => (format!("job {first} waits"), format!("\"queue update {first} after=\" has it wait no more")),
        _ => {
            let named = waiting.iter().take(MOST_NAMED).map(u64::to_string).collect::<Vec<_>>().join(", ");
            let more = if waiting.len() > MOST_NAMED { " and more" } else { "" };
            (format!("jobs {named}{more} wait"), "\"queue update ID after=\" has one wait no more".to_owned())
        }
    };
    Ok(Some(format!("{who} for the end of job {id}; {drop}")))
}

pub fn lettered(connection: &Connection, letter: LetterName, jobs: &[JobId]) -> Result<Outcome, SpoolError> {
    let sql = "INSERT INTO letters (job, letter, is_digest) VALUES (?, ?, ?) ON CONFLICT (job) DO UPDATE \
               SET letter = excluded.letter, is_digest = excluded.is_digest";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    for job in jobs {
        let row = params![job.number() as i64, letter.first.number() as i64, letter.is_digest];
        statement.execute(row).map_err(failed)?;
    }
    Ok(Outcome::Noted)
}

pub fn reported(connection: &Connection, id: JobId, outcome: &str) -> Result<Outcome, SpoolError> {
    connection
        .prepare_cached("DELETE FROM letters WHERE job = ?")
        .and_then(|mut statement| statement.execute([id.number() as i64]))
        .map_err(failed)?;
    connection
        .prepare_cached("UPDATE jobs SET report = ? WHERE id = ? AND report = 'owed'")
        .and_then(|mut statement| statement.execute(params![outcome, id.number() as i64]))
        .map_err(failed)?;
    Ok(Outcome::Noted)
}

pub fn noticed(connection: &Connection, id: JobId, ended_us: i64, outcome: &str) -> Result<Outcome, SpoolError> {
    connection
        .prepare_cached("UPDATE jobs SET notice = ? WHERE id = ? AND ended_us = ? AND notice = 'owed'")
        .and_then(|mut statement| statement.execute(params![outcome, id.number() as i64, ended_us]))
        .map_err(failed)?;
    Ok(Outcome::Noted)
}

/// Jobs that wait for one, as far as they are named.
const MOST_NAMED: usize = 10;
/// The longest pause before a retry.
const LONGEST_BACKOFF_S: i64 = 3600;
