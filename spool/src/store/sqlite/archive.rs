//! Jobs that have ended, moved out of the spool into a file of their own.
//!
//! They are copied first: the archive is whole and on disk before the first of them leaves the spool, and the spool
//! remembers which archive it is until the last has left. So a crash loses none, and afterwards those are left out
//! that are in the archive already. In an archive is what listings show; what was to be run, with its environment,
//! is not.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::backup::NewFile;
use super::{SpoolError, SqliteReader, failed, json, parsed, restored, schema};
use crate::store::Ended;
use crate::{JobId, SpoolId};

/// An archive that is whole and on disk, but not under its name yet.
pub struct Archive {
    new: NewFile,
    /// Which one it is.
    pub id: SpoolId,
    /// How many jobs are in it.
    pub jobs: u64,
    /// How many sessions.
    pub sessions: u64,
}

impl Archive {
    /// Gives it its name.
    ///
    /// # Errors
    /// That cannot be done.
    pub fn keep(self) -> Result<u64, SpoolError> {
        self.new.keep()
    }
}

/// Jobs are on their way into this archive, or out of the spool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Its file.
    pub path: String,
    /// Which one it is.
    pub archive: SpoolId,
    /// Whether the files of its jobs are to go.
    pub prune: bool,
}

impl SqliteReader {
    /// Copies all jobs that have ended, and whose reports are settled, into a new archive, and all sessions. None:
    /// there are none.
    ///
    /// # Errors
    /// It cannot be written, or there is such a file. Nothing is left of it then.
    pub fn archive(&self, path: &Path) -> Result<Option<Archive>, SpoolError> {
        let new = NewFile::reserve(path)?;
        let refused = |error: rusqlite::Error| SpoolError::Refused(format!("cannot write {}: {error}", path.display()));
        let archive = Connection::open(&new.part).map_err(refused)?;
        // Nobody needs it before it is whole, and then all of it is synced.
        archive.pragma_update(None, "synchronous", "off").map_err(refused)?;
        schema::prepare(&archive)?;
        let id = restored::new_id()?;
        schema::Kind::Archive.mark(&archive)?;
        archive.execute("INSERT INTO meta VALUES ('spool', ?)", [id.to_string()]).map_err(refused)?;
        let source = self.path.to_str().ok_or_else(|| SpoolError::Refused("the spool's path is not UTF-8".into()))?;
        archive.execute("ATTACH ? AS spool", [source]).map_err(refused)?;
        for table in ["lanes", "arrays"] {
            archive.execute(&format!("INSERT INTO main.{table} SELECT * FROM spool.{table}"), []).map_err(refused)?;
        }
        let (mut after, mut jobs) = (0_i64, 0);
        while let Some(last) = portion_end(&archive, after)? {
            // No read of the spool lasts longer than this.
            let copy = format!("INSERT INTO main.jobs SELECT * FROM spool.jobs WHERE id > ? AND id <= ? AND {ENDED}");
            jobs += archive.execute(&copy, [after, last]).map_err(refused)?;
            after = last;
        }
        let sessions = archive.execute("INSERT INTO main.sessions SELECT * FROM spool.sessions", []);
        let sessions = sessions.map_err(refused)?;
        archive.execute_batch("DETACH spool").map_err(refused)?;
        archive.close().map_err(|(_, error)| refused(error))?;
        if jobs == 0 && sessions == 0 {
            return Ok(None);
        }
        new.sync()?;
        Ok(Some(Archive { new, id, jobs: jobs as u64, sessions: sessions as u64 }))
    }

    /// Reads a copy or an archive.
    ///
    /// # Errors
    /// It is neither.
    pub fn of_copy(path: &Path) -> Result<Self, SpoolError> {
        let wrong = |why: String| SpoolError::Refused(format!("{}: {why}", path.display()));
        // SQLite would answer "unable to open" to everything that is not there.
        let found = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
        if !found.is_file() {
            return Err(wrong("it is no file".to_owned()));
        }
        let opened = Self::open(path, SpoolId::new([0; 16])).and_then(|mut reader| {
            schema::check(&reader.connection)?;
            let id: Option<String> = reader
                .connection
                .query_row("SELECT value FROM meta WHERE key = 'spool'", [], |row| row.get(0))
                .optional()
                .map_err(failed)?;
            reader.own = id.and_then(|id| id.parse().ok()).unwrap_or(reader.own);
            Ok(reader)
        });
        opened.map_err(|error| match error {
            SpoolError::Failed(why) | SpoolError::Full(why) | SpoolError::Refused(why) => wrong(why),
        })
    }

    /// Which spool or archive it is.
    pub fn id(&self) -> SpoolId {
        self.own
    }

    /// Jobs that have ended, above `after` by id, of at most `look` that are looked at; `None`: they are all behind.
    /// Only those of which `is_meant` says so: it is told the queue, and when the job ended, microseconds since 1970.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn ended(
        &self,
        after: u64,
        look: u32,
        is_meant: impl Fn(&str, i64) -> bool,
    ) -> Result<Option<(Vec<Ended>, u64)>, SpoolError> {
        let last = "SELECT max(id) FROM (SELECT id FROM jobs WHERE id > ? ORDER BY id LIMIT ?)";
        let mut statement = self.connection.prepare_cached(last).map_err(failed)?;
        let last: Option<i64> =
            statement.query_row([after as i64, i64::from(look)], |row| row.get(0)).map_err(failed)?;
        let Some(last) = last else { return Ok(None) };
        let sql =
            format!("SELECT id, attempt, ended_us, queue FROM jobs WHERE id > ? AND id <= ? AND {ENDED} ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
        let rows = statement
            .query_map([after as i64, last], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
            })
            .map_err(failed)?;
        let mut found = Vec::new();
        for row in rows {
            let (id, attempt, ended_us, queue) = row.map_err(failed)?;
            if !is_meant(&queue, ended_us) {
                continue;
            }
            let job = JobId::new(id as u64).map_err(|error| SpoolError::Failed(error.to_string()))?;
            found.push(Ended { job, attempt: attempt as u64, ended_us });
        }
        Ok(Some((found, last as u64)))
    }

    /// What was begun and is not finished.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rotation(&self) -> Result<Option<Rotation>, SpoolError> {
        let stored: Option<String> = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'rotation'", [], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        stored.as_deref().map(parsed).transpose()
    }
}

/// The archive of a rotation that a crash has cut off, under its name. None: it never became whole.
///
/// # Errors
/// It is whole, but cannot be given its name.
pub fn find_archive(rotation: &Rotation) -> Result<Option<SqliteReader>, SpoolError> {
    let path = Path::new(&rotation.path);
    let is_it = |path: &Path| SqliteReader::of_copy(path).ok().filter(|archive| archive.id() == rotation.archive);
    if let Some(archive) = is_it(path) {
        return Ok(Some(archive));
    }
    let Some(new) = NewFile::left(path) else { return Ok(None) };
    if is_it(&new.part).is_none() {
        return Ok(None);
    }
    new.keep()?;
    Ok(is_it(path))
}

/// Notes what is begun, or that nothing is.
pub fn note(connection: &Connection, rotation: Option<&Rotation>) -> Result<(), SpoolError> {
    match rotation {
        None => connection.execute("DELETE FROM meta WHERE key = 'rotation'", []),
        Some(rotation) => connection.execute("INSERT OR REPLACE INTO meta VALUES ('rotation', ?)", [json(rotation)?]),
    }
    .map(drop)
    .map_err(failed)
}

fn portion_end(archive: &Connection, after: i64) -> Result<Option<i64>, SpoolError> {
    let sql = "SELECT max(id) FROM (SELECT id FROM spool.jobs WHERE id > ? ORDER BY id LIMIT 1000)";
    let mut statement = archive.prepare_cached(sql).map_err(failed)?;
    statement.query_row([after], |row| row.get(0)).map_err(failed)
}

/// Those of which nothing more is owed to anybody.
const ENDED: &str = "state IN ('finished', 'dead', 'cancelled') AND ended_us IS NOT NULL AND report <> 'owed' \
     AND notice <> 'owed'";
