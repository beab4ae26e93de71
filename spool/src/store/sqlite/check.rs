//! Whether a spool is sound: its file, and what its tables say of each other. Read only.

use super::{SpoolError, SqliteReader, failed};

/// What a look through the whole spool has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Soundness {
    /// What is wrong, in words that follow "the spool": the first few. None: it is sound.
    pub faults: Vec<String>,
    /// Reports that are owed.
    pub owed: u64,
    /// Since when the oldest of them is, microseconds since 1970.
    pub owed_since_us: Option<i64>,
    /// Reports that were refused for good.
    pub refused: u64,
    /// One of the jobs concerned, and why.
    pub refusal: Option<(u64, String)>,
    /// Notices that are owed: what `--notify` asked for.
    pub notices: u64,
    /// Since when the oldest of them is, microseconds since 1970.
    pub notices_since_us: Option<i64>,
}

impl SqliteReader {
    /// Looks through the whole spool. It may take seconds, so it belongs on a connection of its own: see
    /// [`SqliteReader::another`].
    ///
    /// # Errors
    /// It is too damaged to be read at all.
    pub fn check(&self) -> Result<Soundness, SpoolError> {
        let connection = &self.connection;
        let mut faults = Vec::new();
        let mut statement = connection.prepare(&format!("PRAGMA quick_check({MOST})")).map_err(failed)?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        for line in lines {
            match line.map_err(failed)? {
                ok if ok == "ok" => {}
                fault => faults.push(format!("is damaged: {}", fault.replace('\n', " "))),
            }
        }
        for (table, column, what) in REFERENCES {
            let sql = format!(
                "SELECT count(*), min(id) FROM jobs WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE id = jobs.{column})"
            );
            let (count, first): (i64, Option<i64>) =
                connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
            if let Some(first) = first {
                faults.push(format!("has {count} jobs without {what}, the first is {first}"));
            }
        }
        let (owed, owed_since_us): (i64, Option<i64>) = connection
            .query_row(&format!("SELECT count(*), min(ended_us) FROM jobs WHERE report = 'owed' {DUE}"), [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(failed)?;
        // Of several the newest: what is wrong now is rather in that.
        let (refused, newest, why): (i64, Option<i64>, Option<String>) = connection
            .query_row("SELECT count(*), max(id), report FROM jobs WHERE report LIKE 'refused:%'", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(failed)?;
        let why = why.map(|why| why.trim_start_matches("refused:").trim().to_owned());
        let refusal = newest.map(|job| job as u64).zip(why);
        let (notices, notices_since_us): (i64, Option<i64>) = connection
            .query_row("SELECT count(*), min(ended_us) FROM jobs WHERE notice = 'owed'", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .map_err(failed)?;
        let notices = notices as u64;
        Ok(Soundness {
            faults,
            notices,
            notices_since_us,
            owed: owed as u64,
            owed_since_us,
            refused: refused as u64,
            refusal,
        })
    }
}

/// What each job needs: the table, the column that names its row, and how it is called.
const REFERENCES: [(&str, &str, &str); 3] = [
    ("commons", "common", "what they are to run"),
    ("submissions", "submission", "the submission they came with"),
    ("lanes", "lane", "a lane"),
];
/// The report of an array is owed when it is over.
pub const DUE: &str = "AND (array IS NULL OR (SELECT open FROM arrays WHERE arrays.id = jobs.array) <= 0)";
/// Faults of the file that are named.
const MOST: u32 = 5;
