//! Taking a submission: one row for what its jobs have in common, one for each job.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};
use rusqlite::{Connection, OptionalExtension, params};
use wire::array::Array;
use wire::batch::{Batch, Update};
use wire::job::{Job, command_line};

use super::after::{self, NOT_YET, Settling};
use super::array;
use super::expiry::Lately;
use super::status::Tally;
use super::{Outcome, SpoolError, failed, json, parsed, step};
use crate::JobId;
use crate::home::{Record, Starts};
use crate::store::{NewJob, Submission};

pub fn submit(
    connection: &Connection,
    tally: &mut Tally,
    lately: &mut Lately,
    settling: &mut Settling,
    submission: &Submission,
) -> Result<Outcome, SpoolError> {
    let known: Option<String> = connection
        .prepare_cached("SELECT ids FROM submissions WHERE user = ? AND key = ?")
        .and_then(|mut statement| {
            statement.query_row(params![submission.user, submission.key], |row| row.get(0)).optional()
        })
        .map_err(failed)?;
    if let Some(ids) = known {
        return Ok(Outcome::Submitted { ids: parsed(&ids)?, lanes: Vec::new(), known: true });
    }
    if let Some(why) = after::refusal(connection, submission)? {
        return Ok(Outcome::Refused(why));
    }
    let number = insert_submission(connection, submission)?;
    let commons = submission.commons.iter().map(|job| common(connection, job)).collect::<Result<Vec<_>, _>>()?;
    let mut lanes = HashMap::new();
    let mut ids: Vec<(u64, u64)> = Vec::new();
    let mut next = submission.first_id;
    let count = submission.jobs.len().max(submission.elements.len());
    // Of an array all are alike.
    let one_of = |index: usize| submission.jobs.get(if submission.elements.is_empty() { index } else { 0 });
    let (mut array, mut places_taken) = (None, 0);
    for (index, job) in (0..count).filter_map(|index| Some((index, one_of(index)?))) {
        let Some((common, common_id)) = submission.commons.get(job.common).zip(commons.get(job.common)) else {
            return Err(SpoolError::Failed("a submission names a common part that it does not have".to_owned()));
        };
        let lane = match lanes.get(&job.common) {
            Some(lane) => *lane,
            None => {
                let lane = lane(connection, &submission.user, common)?;
                lanes.insert(job.common, lane);
                lately.uses(*common_id, lane);
                lane
            }
        };
        if let Some(said) = common.batch.as_ref().and_then(|batch| batch.array)
            && !submission.elements.is_empty()
        {
            array = match array {
                None => Some((array::insert(connection, &said, next, count as u64)?, said)),
                known => known,
            };
        }
        let existing = if job.wishes.unique { twin(connection, lane, job)? } else { None };
        let id = match existing {
            Some(id) => {
                let id = JobId::new(id).map_err(|error| SpoolError::Failed(error.to_string()))?;
                step::update(connection, settling, id, &[Update::Priority(job.wishes.priority)])?;
                id.number()
            }
            None => {
                let waits = !job.wishes.after.is_empty() || has_no_place(array, index, job);
                let not_before_us = if waits { NOT_YET } else { 0 };
                let place = (array.map(|(array, _)| array), not_before_us);
                insert_job(connection, submission, number, index, *common_id, lane, common, job, next, place)?;
                places_taken += i64::from(!waits && !job.wishes.held);
                after::insert(connection, settling, next, &job.wishes.after, submission.at_us)?;
                tally.enters(if job.wishes.held { "held" } else { "pending" });
                next += 1;
                next - 1
            }
        };
        match ids.last_mut() {
            Some((first, count)) if *first + *count == id => *count += 1,
            _ => ids.push((id, 1)),
        }
    }
    if let Some((array, _)) = array {
        array::add(connection, array, places_taken, count as i64)?;
    }
    let text = json(&ids)?;
    connection
        .prepare_cached("UPDATE submissions SET ids = ? WHERE id = ?")
        .and_then(|mut statement| statement.execute(params![text, number]).map(drop))
        .map_err(failed)?;
    let lanes = lanes.into_values().collect();
    Ok(Outcome::Submitted { ids, lanes, known: false })
}

fn insert_submission(connection: &Connection, submission: &Submission) -> Result<i64, SpoolError> {
    let digests = match submission.elements.is_empty() {
        true => submission.jobs.iter().flat_map(|job| job.digest).collect::<Vec<u8>>(),
        false => submission.elements.concat(),
    };
    connection
        .prepare_cached(
            "INSERT INTO submissions (user, key, root, signature, certificate, at_us, count, ids, digests)
             VALUES (?, ?, ?, ?, ?, ?, ?, '[]', ?)",
        )
        .and_then(|mut statement| {
            statement.insert(params![
                submission.user,
                submission.key,
                submission.root,
                submission.signature,
                submission.certificate.0,
                submission.at_us,
                submission.jobs.len().max(submission.elements.len()) as i64,
                digests
            ])
        })
        .map_err(failed)
}

/// The row of a common part, which many submissions may share.
fn common(connection: &Connection, job: &Job) -> Result<i64, SpoolError> {
    let text = json(job)?;
    let hash = digest(&SHA256, text.as_bytes());
    let found = connection
        .prepare_cached("SELECT id FROM commons WHERE digest = ?")
        .and_then(|mut statement| statement.query_row([hash.as_ref()], |row| row.get(0)).optional())
        .map_err(failed)?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO commons (digest, job) VALUES (?, ?)")
        .and_then(|mut statement| statement.insert(params![hash.as_ref(), text]))
        .map_err(failed)
}

fn lane(connection: &Connection, user: &str, common: &Job) -> Result<i64, SpoolError> {
    let hosts = json(&common.hosts)?;
    // Who waits for what is taken elsewhere holds up nobody who does not need it.
    let needs = match (&common.needs, common.memory) {
        (None, None) => String::new(),
        both => json(&both)?,
    };
    connection
        .prepare_cached("INSERT OR IGNORE INTO lanes (user, queue, hosts, needs) VALUES (?, ?, ?, ?)")
        .and_then(|mut statement| statement.execute(params![user, common.queue, hosts, needs]))
        .map_err(failed)?;
    connection
        .prepare_cached("SELECT id FROM lanes WHERE user = ? AND queue = ? AND hosts = ? AND needs = ?")
        .and_then(|mut statement| statement.query_row(params![user, common.queue, hosts, needs], |row| row.get(0)))
        .map_err(failed)
}

/// A job that waits with the same command and tags.
fn twin(connection: &Connection, lane: i64, job: &NewJob) -> Result<Option<u64>, SpoolError> {
    let (argv, tags) = (json(&job.argv)?, json(&job.wishes.tags)?);
    connection
        .prepare_cached(
            "SELECT id FROM jobs WHERE state IN ('pending', 'held') AND lane = ? AND argv = ? AND tags = ?
             ORDER BY id LIMIT 1",
        )
        .and_then(|mut statement| statement.query_row(params![lane, argv, tags], |row| row.get::<_, i64>(0)).optional())
        .map(|id| id.map(|id| id as u64))
        .map_err(failed)
}

/// Whether an element has to wait for a place in its array.
fn has_no_place(array: Option<(i64, Array)>, index: usize, job: &NewJob) -> bool {
    let at_most = array.and_then(|(_, array)| array.at_most);
    at_most.is_some_and(|most| job.wishes.held || index as u64 >= most)
}

#[allow(clippy::too_many_arguments, reason = "one row; a struct would only repeat the columns")]
fn insert_job(
    connection: &Connection,
    submission: &Submission,
    submission_id: i64,
    index: usize,
    common_id: i64,
    lane: i64,
    common: &Job,
    job: &NewJob,
    id: u64,
    (array, not_before_us): (Option<i64>, i64),
) -> Result<(), SpoolError> {
    let no_batch = Batch::default();
    let batch = common.batch.as_ref().unwrap_or(&no_batch);
    let starts = if batch.restartable { Starts::UntilEnd } else { Starts::Once };
    let job_id = JobId::new(id).map_err(|error| SpoolError::Failed(error.to_string()))?;
    let record = if job.wishes.held { Record::held(job_id, starts) } else { Record::pending(job_id, starts) };
    let argv =
        if job.argv.is_empty() { batch.variants.first().map_or(&job.argv, |first| &first.argv) } else { &job.argv };
    let (state, tags, json_argv) = (json(record.state())?, json(&job.wishes.tags)?, json(&job.argv)?);
    let mail = job.wishes.mail.as_ref().map(json).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, state, record, user, queue, lane, priority, name, tags, mail, command, argv,
                 directory, common, submission, number, restartable, retries, retries_submitted, backoff_s, not_before_us, attempt,
                 submitted_us, left_over, report, notify, array)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, '', ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id as i64,
                record.state().word(),
                state,
                submission.user,
                common.queue,
                lane,
                job.wishes.priority,
                job.wishes.name,
                tags,
                mail,
                command_line(argv),
                json_argv,
                common.directory.0,
                common_id,
                submission_id,
                index as i64,
                batch.restartable,
                batch.retries,
                batch.retries,
                batch.backoff_s,
                not_before_us,
                submission.at_us,
                batch.notify.as_ref().map(|notify| &notify.0),
                array,
            ])
        })
        .map(drop)
        .map_err(failed)
}
