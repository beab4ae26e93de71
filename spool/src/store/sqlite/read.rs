//! Reading a spool file, beside its writer. No read outlives its call, so that the log can be checkpointed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use wire::ByteString;
use wire::batch::{JobRow, StatusAnswer, Wishes};
use wire::identity::Certificate;
use wire::job::Job;

use super::{Reader, SpoolError, Which, array, configure, failed, hosted, job, pages, parsed, restored, status};
use crate::store::{Brief, Description, InHand, LetterName, Outcomes, Owed};
use crate::{JobId, SpoolId};

/// A reader of a spool file.
pub struct SqliteReader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) own: SpoolId,
    /// The common parts that were read last.
    commons: RefCell<Vec<(i64, Job)>>,
}

impl SqliteReader {
    pub(super) fn open(path: &Path, own: SpoolId) -> Result<Self, SpoolError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        configure(&connection)?;
        Ok(Self { connection, path: path.to_owned(), own, commons: RefCell::default() })
    }

    /// A reader of the same file, for something that takes long.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn another(&self) -> Result<Self, SpoolError> {
        Self::open(&self.path, self.own)
    }

    /// A common part.
    fn common(&self, id: i64) -> Result<Job, SpoolError> {
        let mut commons = self.commons.borrow_mut();
        if let Some((_, job)) = commons.iter().find(|(known, _)| *known == id) {
            return Ok(job.clone());
        }
        let text: String = self
            .connection
            .prepare_cached("SELECT job FROM commons WHERE id = ?")
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)))
            .map_err(failed)?;
        let job: Job = parsed(&text)?;
        if commons.len() == COMMONS_KEPT {
            commons.remove(0);
        }
        commons.push((id, job.clone()));
        Ok(job)
    }

    fn briefs(&self, rest: &str, parameters: impl rusqlite::Params) -> Result<Vec<Brief>, SpoolError> {
        let sql = format!("SELECT {} FROM jobs JOIN lanes ON lanes.id = jobs.lane {rest}", job::BRIEF);
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement.query_map(parameters, job::brief).map_err(failed)?;
        rows.map(|row| row.map_err(failed)?).collect()
    }
}

impl Reader for SqliteReader {
    fn row(&self, id: JobId, now_us: i64) -> Result<Option<JobRow>, SpoolError> {
        pages::one(&self.connection, id, now_us)
    }

    fn page(
        &self,
        which: &Which,
        after: u64,
        most: u32,
        now_us: i64,
    ) -> Result<(Vec<JobRow>, Option<u64>), SpoolError> {
        pages::page(&self.connection, which, after, most, now_us)
    }

    fn brief(&self, id: JobId) -> Result<Option<Brief>, SpoolError> {
        Ok(self.briefs("WHERE jobs.id = ?", [id.number() as i64])?.pop())
    }

    fn waiting(&self, lane: i64, most: u32, now_us: i64) -> Result<Vec<Brief>, SpoolError> {
        self.briefs(
            "WHERE jobs.state = 'pending' AND jobs.not_before_us < 9223372036854775807
                 AND jobs.lane = ? AND jobs.not_before_us <= ?
             ORDER BY jobs.priority DESC, jobs.id LIMIT ?",
            [lane, now_us, i64::from(most)],
        )
    }

    fn at_once<T>(&self, read: impl FnOnce(&Self) -> Result<T, SpoolError>) -> Result<T, SpoolError> {
        self.connection.execute_batch("BEGIN").map_err(failed)?;
        let found = read(self);
        // Whether it was read or not, the log is let go.
        let ended = self.connection.execute_batch("COMMIT").map_err(failed);
        ended.and(found)
    }

    fn next_start(&self, lane: i64, now_us: i64) -> Result<Option<i64>, SpoolError> {
        let sql = "SELECT min(not_before_us) FROM jobs
             WHERE state = 'pending' AND not_before_us > 0 AND lane = ? AND not_before_us > ?
                 AND not_before_us < 9223372036854775807";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.query_row([lane, now_us], |row| row.get(0)).map_err(failed)
    }

    fn waiting_by_queue(&self) -> Result<BTreeMap<String, u64>, SpoolError> {
        let sql = "SELECT queue, count(*) FROM jobs WHERE state = 'pending' GROUP BY queue";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn waiting_in(&self, queue: &str, user: Option<&str>, most: u64) -> Result<u64, SpoolError> {
        // By lane, as those who wait are indexed, whatever they wait for; and no further than anybody wants to know.
        let sql = "SELECT
                 (SELECT count(*) FROM (
                     SELECT 1 FROM lanes CROSS JOIN jobs ON jobs.lane = lanes.id AND jobs.state = 'pending'
                         AND jobs.not_before_us < 9223372036854775807
                     WHERE lanes.queue = ?1 AND (?2 IS NULL OR lanes.user = ?2) LIMIT ?3))
               + (SELECT count(*) FROM (
                     SELECT 1 FROM lanes CROSS JOIN jobs ON jobs.lane = lanes.id AND jobs.state = 'pending'
                         AND jobs.not_before_us > 0 AND jobs.not_before_us = 9223372036854775807
                     WHERE lanes.queue = ?1 AND (?2 IS NULL OR lanes.user = ?2) LIMIT ?3))
               + (SELECT count(*) FROM (
                     SELECT 1 FROM jobs
                     WHERE state = 'held' AND queue = ?1 AND (?2 IS NULL OR user = ?2) LIMIT ?3))";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let count: i64 = statement.query_row((queue, user, most), |row| row.get(0)).map_err(failed)?;
        Ok(count as u64)
    }

    fn has_submission(&self, user: &str, key: &str) -> Result<bool, SpoolError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM submissions WHERE user = ? AND key = ?)";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        statement.query_row((user, key), |row| row.get(0)).map_err(failed)
    }

    fn lanes(&self) -> Result<Vec<i64>, SpoolError> {
        // From lane to lane by the index: a million jobs that wait in one of them are not looked at.
        let sql = "WITH RECURSIVE next(lane) AS (
                 SELECT min(lane) FROM jobs WHERE state = 'pending' AND not_before_us < 9223372036854775807
                 UNION ALL
                 SELECT (SELECT min(lane) FROM jobs
                     WHERE state = 'pending' AND not_before_us < 9223372036854775807 AND lane > next.lane)
                     FROM next WHERE next.lane IS NOT NULL
             ) SELECT lane FROM next WHERE lane IS NOT NULL";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    fn unsettled(&self) -> Result<Vec<Brief>, SpoolError> {
        let open = "WHERE (jobs.state = 'running' OR jobs.state = 'dead') ORDER BY jobs.id";
        let mut found = self.briefs(open, [])?;
        found.retain(|brief| brief.record.unsettled().next().is_some());
        Ok(found)
    }

    fn description(&self, id: JobId) -> Result<Option<Description>, SpoolError> {
        let sql = "SELECT jobs.common, jobs.argv, submissions.key, jobs.number, jobs.priority, jobs.name, jobs.tags,
                 jobs.mail, jobs.submitted_us, submissions.id, submissions.count, submissions.root,
                 submissions.signature, submissions.certificate, jobs.state
             FROM jobs JOIN submissions ON submissions.id = jobs.submission
             WHERE jobs.id = ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let found = statement
            .query_row([id.number() as i64], |row| {
                let texts: (i64, String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let (tags, mail): (String, Option<String>) = (row.get(6)?, row.get(7)?);
                let wishes = Wishes { priority: row.get(4)?, name: row.get(5)?, ..Wishes::default() };
                let rest = Description {
                    job: empty_job(),
                    wishes,
                    submitted_us: row.get(8)?,
                    submission: row.get(9)?,
                    number: texts.3 as usize,
                    count: row.get::<_, i64>(10)? as usize,
                    root: row.get(11)?,
                    signature: row.get(12)?,
                    certificate: Certificate(row.get(13)?),
                };
                Ok((texts, tags, mail, row.get::<_, String>(14)?, rest))
            })
            .optional()
            .map_err(failed)?;
        let Some(((common, argv, key, number), tags, mail, state, rest)) = found else {
            return Ok(None);
        };
        let mut job = self.common(common)?;
        job.argv = parsed::<Vec<ByteString>>(&argv)?;
        job.submit_key = format!("{key}/{number}");
        let mail = mail.as_deref().map(parsed).transpose()?;
        let wishes = Wishes { tags: parsed(&tags)?, mail, held: state == "held", ..rest.wishes };
        Ok(Some(Description { job, wishes, ..rest }))
    }

    fn digests(&self, submission: i64) -> Result<Vec<[u8; 32]>, SpoolError> {
        let bytes: Vec<u8> = self
            .connection
            .query_row("SELECT digests FROM submissions WHERE id = ?", [submission], |row| row.get(0))
            .map_err(failed)?;
        Ok(bytes.as_chunks::<32>().0.to_vec())
    }

    fn attempts(&self) -> Result<Vec<InHand>, SpoolError> {
        hosted::all_in_hand(&self.connection, self.own)
    }

    fn status(&self, now_us: i64) -> Result<StatusAnswer, SpoolError> {
        status::answer(&self.connection, now_us)
    }

    fn owed(&self, after: u64, most: u32) -> Result<Vec<Owed>, SpoolError> {
        let sql = "SELECT id, attempt, letter, is_digest FROM jobs LEFT JOIN letters ON job = id \
                   WHERE report = 'owed' AND id > ? ORDER BY id LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([after as i64, i64::from(most)]).map_err(failed)?;
        let id = |id: i64| JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()));
        let mut owed = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let letter = match row.get::<_, Option<i64>>(2).map_err(failed)? {
                Some(first) => Some(LetterName { first: id(first)?, is_digest: row.get(3).map_err(failed)? }),
                None => None,
            };
            let (job, attempt) = (id(row.get(0).map_err(failed)?)?, row.get::<_, i64>(1).map_err(failed)? as u64);
            owed.push(Owed { job, attempt, letter });
        }
        Ok(owed)
    }

    fn is_over(&self, array: i64) -> Result<bool, SpoolError> {
        Ok(array::of(&self.connection, array)?.is_none_or(|known| known.is_over()))
    }

    fn owed_of_array(&self, array: i64, after: u64, most: u32) -> Result<Vec<Owed>, SpoolError> {
        array::owed(&self.connection, array, after, most)
    }

    fn outcomes(&self, element: JobId) -> Result<Option<Outcomes>, SpoolError> {
        array::outcomes(&self.connection, element)
    }

    fn noticed(&self, after: u64, most: u32) -> Result<Vec<JobId>, SpoolError> {
        let sql = "SELECT id FROM jobs WHERE notice = 'owed' AND id > ? ORDER BY id LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([after as i64, i64::from(most)], |row| row.get::<_, i64>(0));
        let rows = rows.map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let id = |id: i64| JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()));
        rows.into_iter().map(id).collect()
    }

    fn last_id(&self) -> Result<u64, SpoolError> {
        restored::last_id(&self.connection)
    }
}

/// Common parts that are kept: an environment has some kilobytes.
const COMMONS_KEPT: usize = 16;

/// Stands where the real one is put a moment later.
fn empty_job() -> Job {
    Job {
        argv: Vec::new(),
        environment: Vec::new(),
        directory: ByteString::default(),
        umask: 0,
        nice: 0,
        limits: Vec::new(),
        ignored_signals: Vec::new(),
        descriptors: [wire::job::Descriptor::Pipe; 3],
        queue: String::new(),
        hosts: Vec::new(),
        home: String::new(),
        submit_key: String::new(),
        tee: None,
        spill: None,
        needs: None,
        time: None,
        memory: None,
        batch: None,
    }
}
