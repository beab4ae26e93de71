//! A job's row, as what changes it needs it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::session::{End, Outcome as Ending};

use super::{SpoolError, failed, json, parsed};
use crate::home::{Record, Starts};
use crate::store::Brief;
use crate::{Attempt, JobId};

/// What of a job can change.
pub struct Stored {
    pub brief: Brief,
    pub name: Option<String>,
    pub tags: String,
    pub retries: u32,
    /// How many it was submitted with.
    pub retries_submitted: u32,
    pub backoff_s: u32,
    pub host: Option<String>,
    pub started_us: Option<i64>,
    pub ended_us: Option<i64>,
    pub end: Option<End>,
    pub left_over: u32,
    pub stdout: Option<Vec<u8>>,
    pub stderr: Option<Vec<u8>>,
    pub report: String,
    pub notice: String,
}

/// The columns of a [`Brief`], in the order in which [`brief`] reads them.
pub const BRIEF: &str = "jobs.id, jobs.record, jobs.restartable, jobs.attempt, jobs.user, jobs.queue, lanes.hosts, \
     jobs.priority, jobs.lane, jobs.command, jobs.directory, jobs.not_before_us, jobs.mail, \
     jobs.notify IS NOT NULL, jobs.array";

/// Reads the columns of [`BRIEF`].
pub fn brief(row: &Row) -> rusqlite::Result<Result<Brief, SpoolError>> {
    let (id, record, restartable, attempt): (i64, String, bool, i64) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let hosts: String = row.get(6)?;
    let command: String = row.get(9)?;
    let directory: Vec<u8> = row.get(10)?;
    let mail: Option<String> = row.get(12)?;
    let made = || {
        let bad = |error: crate::BadId| SpoolError::Failed(error.to_string());
        let last = if attempt > 0 { Some(Attempt::new(attempt as u64).map_err(bad)?) } else { None };
        let starts = if restartable { Starts::UntilEnd } else { Starts::Once };
        Ok::<_, SpoolError>((
            Record::stored(JobId::new(id as u64).map_err(bad)?, starts, last, parsed(&record)?),
            parsed::<Vec<String>>(&hosts)?,
            mail.as_deref().map(parsed).transpose()?,
        ))
    };
    let (record, hosts, mail) = match made() {
        Ok(made) => made,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(Brief {
        record,
        user: row.get(4)?,
        queue: row.get(5)?,
        hosts,
        priority: row.get(7)?,
        lane: row.get(8)?,
        command: command.split(' ').next().unwrap_or_default().to_owned(),
        directory: wire::ByteString(directory).display(),
        not_before_us: row.get(11)?,
        mail,
        notify: row.get(13)?,
        array: row.get(14)?,
    }))
}

/// The job with this number.
pub fn stored(connection: &Connection, id: JobId) -> Result<Option<Stored>, SpoolError> {
    let sql = format!(
        "SELECT {BRIEF}, jobs.name, jobs.tags, jobs.retries, jobs.backoff_s, jobs.host, jobs.started_us,
             jobs.ended_us, jobs.left_over, jobs.stdout, jobs.stderr, jobs.report, jobs.retries_submitted,
             jobs.notice
         FROM jobs JOIN lanes ON lanes.id = jobs.lane WHERE jobs.id = ?"
    );
    let found = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_row([id.number() as i64], |row| {
                    let brief = match brief(row)? {
                        Ok(brief) => brief,
                        Err(error) => return Ok(Err(error)),
                    };
                    Ok(Ok(Stored {
                        brief,
                        name: row.get(15)?,
                        tags: row.get(16)?,
                        retries: row.get(17)?,
                        backoff_s: row.get(18)?,
                        host: row.get(19)?,
                        started_us: row.get(20)?,
                        ended_us: row.get(21)?,
                        end: None,
                        left_over: row.get(22)?,
                        stdout: row.get(23)?,
                        stderr: row.get(24)?,
                        report: row.get(25)?,
                        retries_submitted: row.get(26)?,
                        notice: row.get(27)?,
                    }))
                })
                .optional()
        })
        .map_err(failed)?;
    found.transpose()
}

impl Stored {
    /// A new attempt begins: what is noted of the one before is not its own.
    pub fn forget_run(&mut self) {
        self.started_us = None;
        self.ended_us = None;
        self.end = None;
        self.left_over = 0;
        self.stdout = None;
        self.stderr = None;
    }

    /// Notes an end.
    pub fn ended(&mut self, end: &End, left_over: u32, at_us: i64) {
        self.ended_us = Some(at_us);
        self.started_us = self.started_us.or(Some(at_us - end.usage.wall_us as i64));
        self.left_over = left_over;
        self.end = Some(end.clone());
    }

    /// Writes everything that may have changed.
    pub fn write(&self, connection: &Connection) -> Result<(), SpoolError> {
        let record = &self.brief.record;
        let state = record.state();
        let text = json(state)?;
        let mail = self.brief.mail.as_ref().map(json).transpose()?;
        connection
            .prepare_cached(
                "UPDATE jobs SET state = ?, record = ?, priority = ?, name = ?, tags = ?, mail = ?, retries = ?,
                     not_before_us = ?, attempt = ?, host = ?, started_us = ?, ended_us = ?, left_over = ?,
                     stdout = ?, stderr = ?, report = ?, notice = ?
                 WHERE id = ?",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    state.word(),
                    text,
                    self.brief.priority,
                    self.name,
                    self.tags,
                    mail,
                    self.retries,
                    self.brief.not_before_us,
                    record.last().map_or(0, Attempt::number) as i64,
                    self.host,
                    self.started_us,
                    self.ended_us,
                    self.left_over,
                    self.stdout,
                    self.stderr,
                    self.report,
                    self.notice,
                    record.id().number() as i64,
                ])
            })
            .map_err(failed)?;
        match &self.end {
            Some(end) => self.write_end(connection, end),
            None if self.ended_us.is_none() => self.clear_end(connection),
            None => Ok(()),
        }
    }

    fn write_end(&self, connection: &Connection, end: &End) -> Result<(), SpoolError> {
        let (exit, signal, core) = match &end.outcome {
            Ending::Exited(code) => (Some(*code), None, false),
            Ending::Killed { signal, core } => (None, Some(signal), *core),
        };
        let usage = &end.usage;
        connection
            .prepare_cached(
                "UPDATE jobs SET exit = ?, signal = ?, core = ?, wall_us = ?, user_us = ?, system_us = ?,
                     max_rss_kib = ? WHERE id = ?",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    exit,
                    signal,
                    core,
                    usage.wall_us as i64,
                    usage.user_us as i64,
                    usage.system_us as i64,
                    usage.max_rss_kib as i64,
                    self.brief.id().number() as i64
                ])
            })
            .map(drop)
            .map_err(failed)
    }

    /// What an earlier attempt left in the row is not this one's.
    fn clear_end(&self, connection: &Connection) -> Result<(), SpoolError> {
        connection
            .prepare_cached(
                "UPDATE jobs SET exit = NULL, signal = NULL, core = NULL, wall_us = NULL, user_us = NULL,
                     system_us = NULL, max_rss_kib = NULL WHERE id = ? AND wall_us IS NOT NULL",
            )
            .and_then(|mut statement| statement.execute([self.brief.id().number() as i64]))
            .map(drop)
            .map_err(failed)
    }
}
