//! Forgetting: jobs that have ended, and what only they needed.
//!
//! What many jobs have in common goes when no job refers to it any more, their environment above all. Which rows
//! these are is found by a reader, page by page; the writer is told in small portions and knows which of them were
//! taken into use again meanwhile.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::after::Settling;
use super::status::Tally;
use super::{Outcome, SpoolError, SqliteReader, failed, restored};
use crate::store::{Ended, Unused};

/// Forgets those of the jobs that are still as they were seen.
pub fn forget(
    connection: &Connection,
    tally: &mut Tally,
    settling: &mut Settling,
    jobs: &[Ended],
) -> Result<Outcome, SpoolError> {
    // How they ended is not known afterwards: who waits for one of them is told before.
    while settling.is_open() {
        settling.go_on(connection, tally, usize::MAX)?;
    }
    let mut forgotten = Vec::new();
    for Ended { job, attempt, ended_us } in jobs {
        restored::keep_number(connection, *job)?;
        let mut statement = connection
            .prepare_cached(
                "DELETE FROM jobs WHERE id = ? AND attempt = ? AND ended_us = ? AND report <> 'owed' AND notice <> 'owed'
                     AND state IN ('finished', 'dead', 'cancelled') RETURNING state, user",
            )
            .map_err(failed)?;
        let mut rows = statement.query(params![job.number() as i64, *attempt as i64, ended_us]).map_err(failed)?;
        if let Some(row) = rows.next().map_err(failed)? {
            let (state, user): (String, String) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
            tally.leaves(&state);
            forgotten.push((*job, user, *attempt));
        }
    }
    Ok(Outcome::Forgotten { jobs: forgotten })
}

/// What has been taken into use since the look for what is unused began.
pub struct Lately {
    /// A job was forgotten since the last look.
    forgotten: bool,
    commons: HashSet<i64>,
    lanes: HashSet<i64>,
}

impl Lately {
    /// Nobody knows what an earlier life has left.
    pub fn new() -> Self {
        Self { forgotten: true, commons: HashSet::new(), lanes: HashSet::new() }
    }

    /// A job was forgotten.
    pub fn forgets(&mut self) {
        self.forgotten = true;
    }

    /// A new job refers to these.
    pub fn uses(&mut self, common: i64, lane: i64) {
        self.commons.insert(common);
        self.lanes.insert(lane);
    }

    /// A look begins. Says whether there is anything to be found.
    pub fn begin(&mut self) -> Outcome {
        self.commons.clear();
        self.lanes.clear();
        Outcome::LookBegun { worthwhile: std::mem::take(&mut self.forgotten) }
    }

    /// Removes what is still unused.
    pub fn sweep(&self, connection: &Connection, unused: &Unused) -> Result<Outcome, SpoolError> {
        let none = HashSet::new();
        for (table, ids, used) in [
            ("commons", &unused.commons, &self.commons),
            ("lanes", &unused.lanes, &self.lanes),
            // Nothing is added to a submission or an array.
            ("submissions", &unused.submissions, &none),
            ("arrays", &unused.arrays, &none),
        ] {
            // Readers know rows by their numbers: the highest stays, so that none comes back.
            let sql = format!("DELETE FROM {table} WHERE id = ?1 AND id < (SELECT max(id) FROM {table})");
            let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
            for id in ids.iter().filter(|id| !used.contains(id)) {
                if statement.execute([id]).map_err(failed)? == 0 && table == "commons" {
                    blank(connection, *id)?;
                }
            }
        }
        Ok(Outcome::Noted)
    }
}

/// What must stay for its number's sake has no environment any more, and is found by none.
fn blank(connection: &Connection, common: i64) -> Result<(), SpoolError> {
    let sql = "UPDATE commons SET job = '', digest = randomblob(32) WHERE id = ?";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute([common]).map(drop).map_err(failed)
}

/// Which rows jobs refer to, as far as the jobs have been looked at.
pub struct Look {
    after: i64,
    /// The highest that there were when the look began: commons, submissions, lanes, arrays.
    last: [i64; 4],
    used: [Vec<u64>; 4],
}

impl SqliteReader {
    /// Begins to look for what no job refers to; the writer must have been told before.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn look(&self) -> Result<Look, SpoolError> {
        let mut last = [0; 4];
        for (last, table) in last.iter_mut().zip(TABLES) {
            let sql = format!("SELECT coalesce(max(id), 0) FROM {table}");
            *last = self.connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
        }
        let used = last.map(|last| vec![0; last as usize / 64 + 1]);
        Ok(Look { after: 0, last, used })
    }

    /// Looks at so many more jobs. Says whether there may be more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn look_on(&self, look: &mut Look, most: u32) -> Result<bool, SpoolError> {
        let sql = "SELECT id, common, submission, lane, coalesce(array, 0) FROM jobs WHERE id > ? ORDER BY id LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([look.after, i64::from(most)]).map_err(failed)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            look.after = row.get(0).map_err(failed)?;
            for (index, used) in look.used.iter_mut().enumerate() {
                let id: i64 = row.get(index + 1).map_err(failed)?;
                // What is newer than the look is not asked about.
                if let Some(word) = used.get_mut(id as usize / 64) {
                    *word |= 1 << (id % 64);
                }
            }
            count += 1;
        }
        Ok(count == most)
    }

    /// What none of the jobs that were looked at refers to.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn unused(&self, look: &Look) -> Result<Unused, SpoolError> {
        let mut found = [const { Vec::new() }; 4];
        for (index, table) in TABLES.into_iter().enumerate() {
            let sql = format!("SELECT id FROM {table} WHERE id <= ?");
            let mut statement = self.connection.prepare_cached(&sql).map_err(failed)?;
            let rows = statement.query_map([look.last[index]], |row| row.get::<_, i64>(0)).map_err(failed)?;
            for id in rows {
                let id = id.map_err(failed)?;
                if look.used[index].get(id as usize / 64).is_some_and(|word| word & 1 << (id % 64) == 0) {
                    found[index].push(id);
                }
            }
        }
        let [commons, submissions, lanes, arrays] = found;
        Ok(Unused { commons, submissions, lanes, arrays })
    }
}

/// In the order of the columns of a job that refer to them.
const TABLES: [&str; 4] = ["commons", "submissions", "lanes", "arrays"];
