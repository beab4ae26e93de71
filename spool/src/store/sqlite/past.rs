//! Sessions that have ended, and the jobs that have, in the order of their ends.
//!
//! A session was promised to nobody: its row is written when there is time, and of very many the oldest go.

use rusqlite::{Connection, Row, params};
use wire::batch::JobRow;
use wire::history::{EndPlace, RowKind};
use wire::session::Outcome as Ending;

use super::{Outcome, SpoolError, SqliteReader, Which, failed, pages, schema};
use crate::store::PastSession;

/// How many sessions there are, counted once and kept up to date by the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(u64);

impl Count {
    /// As it stands in the file.
    pub fn stored(connection: &Connection) -> Result<Self, SpoolError> {
        let count = connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get::<_, i64>(0));
        count.map(|count| Self(count as u64)).map_err(failed)
    }

    /// Remembers a session; one that is told again is known.
    pub fn add(&mut self, connection: &Connection, session: &PastSession) -> Result<Outcome, SpoolError> {
        let PastSession { id, host, told } = session;
        let past = &told.past;
        let (exit, signal, core) = match past.end.as_ref().map(|end| &end.outcome) {
            None => (None, None, false),
            Some(Ending::Exited(code)) => (Some(*code), None, false),
            Some(Ending::Killed { signal, core }) => (None, Some(signal), *core),
        };
        let usage = past.end.as_ref().map(|end| end.usage);
        let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        // A number that a job has is not a session's, whoever says so.
        let sql = "INSERT OR IGNORE INTO sessions
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
             WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?1)";
        let mut statement = connection.prepare_cached(sql).map_err(failed)?;
        let added = statement.execute(params![
            id.number() as i64,
            told.user,
            past.command,
            host,
            told.queue,
            past.started_us,
            past.ended_us,
            exit,
            signal,
            core,
            usage.map(|usage| stored(usage.wall_us)),
            usage.map(|usage| stored(usage.user_us)),
            usage.map(|usage| stored(usage.system_us)),
            usage.map(|usage| stored(usage.max_rss_kib)),
        ]);
        self.0 += added.map_err(failed)? as u64;
        if self.0 > MOST_SESSIONS {
            let oldest = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions ORDER BY ended_us LIMIT ?)";
            self.less(connection.execute(oldest, [SESSIONS_AT_ONCE]).map_err(failed)?);
        }
        Ok(Outcome::Noted)
    }

    /// Forgets these.
    pub fn forget(&mut self, connection: &Connection, sessions: &[u64]) -> Result<Outcome, SpoolError> {
        let mut statement = connection.prepare_cached("DELETE FROM sessions WHERE id = ?").map_err(failed)?;
        for id in sessions {
            self.less(statement.execute([*id as i64]).map_err(failed)?);
        }
        Ok(Outcome::Noted)
    }

    fn less(&mut self, rows: usize) {
        self.0 = self.0.saturating_sub(rows as u64);
    }
}

impl SqliteReader {
    /// A page of the jobs and sessions that have ended, behind `after` in the order of their ends, and where to go
    /// on if there may be more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn past(
        &self,
        which: &Which,
        after: EndPlace,
        most: u32,
        now_us: i64,
    ) -> Result<(Vec<JobRow>, Option<EndPlace>), SpoolError> {
        let most = pages::page_size(most);
        let jobs = pages::by_end(&self.connection, which, after, most, now_us)?;
        let sessions = self.past_sessions(which, after, most)?;
        let is_all = jobs.len() < most as usize && sessions.len() < most as usize;
        let mut rows = jobs;
        rows.extend(sessions);
        rows.sort_by_key(place);
        rows.truncate(most as usize);
        let more = if is_all && rows.len() < most as usize { None } else { rows.last().map(place) };
        Ok((rows, more))
    }

    fn past_sessions(&self, which: &Which, after: EndPlace, most: u32) -> Result<Vec<JobRow>, SpoolError> {
        if which.ids.is_some() || !schema::has_sessions(&self.connection)? {
            return Ok(Vec::new());
        }
        let sql = "SELECT id, user, command, host, queue, started_us, ended_us, exit, signal, core, wall_us, user_us,
                 system_us, max_rss_kib
             FROM sessions WHERE ended_us >= ?1 AND (ended_us > ?1 OR id > ?2) AND (?3 IS NULL OR user = ?3)
             ORDER BY ended_us, id";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map(params![after.ended_us, after.id as i64, which.user], session_row);
        let mut found = Vec::new();
        for row in rows.map_err(failed)? {
            let row = row.map_err(failed)?;
            if which.query.as_ref().is_none_or(|query| query.matches(&row)) {
                found.push(row);
            }
            if found.len() == most as usize {
                break;
            }
        }
        Ok(found)
    }

    /// The numbers of at most so many sessions above `after` that ended before this time, rising.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn past_session_ids(&self, after: u64, most: u32, before_us: i64) -> Result<Vec<u64>, SpoolError> {
        if !schema::has_sessions(&self.connection)? {
            return Ok(Vec::new());
        }
        let sql = "SELECT id FROM sessions WHERE id > ? AND ended_us < ? ORDER BY id LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map(params![after as i64, before_us, most], |row| row.get::<_, i64>(0));
        rows.map_err(failed)?.map(|id| id.map(|id| id as u64).map_err(failed)).collect()
    }
}

fn place(row: &JobRow) -> EndPlace {
    EndPlace { ended_us: row.ended_us.unwrap_or_default(), id: row.id }
}

/// As a listing shows it. The command as its user typed it is not kept, only how that is shown.
fn session_row(row: &Row) -> rusqlite::Result<JobRow> {
    let (exit, signal): (Option<u8>, Option<String>) = (row.get(7)?, row.get(8)?);
    let is_known = exit.is_some() || signal.is_some();
    let usage = pages::usage(row, 10)?;
    let started_us = row.get(5)?;
    Ok(JobRow {
        kind: RowKind::Session,
        id: row.get::<_, i64>(0)? as u64,
        user: row.get(1)?,
        command: row.get(2)?,
        host: row.get(3)?,
        queue: row.get(4)?,
        attempt: 1,
        state: if is_known { "finished" } else { "dead" }.to_owned(),
        detail: if is_known { String::new() } else { "how it ended is not known".to_owned() },
        submitted_us: started_us,
        started_us: Some(started_us),
        ended_us: row.get(6)?,
        exit,
        signal,
        core: row.get(9)?,
        usage,
        ..JobRow::default()
    })
}

/// Sessions that are remembered, and how many of the oldest go when there is one more.
pub const MOST_SESSIONS: u64 = 100_000;
const SESSIONS_AT_ONCE: i64 = 1000;
