//! Which bytes that were put beside the spool its jobs may still need, and whose they are.

use super::{SpoolError, SqliteReader, failed};

impl SqliteReader {
    /// The SHA-256 of all standard inputs and data directories that jobs refer to, or did until the last sweep: some
    /// rows of what jobs have in common, and after which row it goes on.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn contents(&self, after: i64, most: u32) -> Result<(Vec<String>, Option<i64>), SpoolError> {
        // What was blanked is no JSON.
        let sql = "SELECT id, CASE WHEN job <> '' THEN json_extract(job, '$.batch.stdin.sha256') END,
             CASE WHEN job <> '' THEN json_extract(job, '$.batch.data.sha256') END
             FROM commons WHERE id > ? ORDER BY id LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([after, i64::from(most)]).map_err(failed)?;
        let (mut found, mut last, mut count) = (Vec::new(), after, 0);
        while let Some(row) = rows.next().map_err(failed)? {
            last = row.get(0).map_err(failed)?;
            for column in [1, 2] {
                found.extend(row.get::<_, Option<String>>(column).map_err(failed)?);
            }
            count += 1;
        }
        Ok((found, (count == most).then_some(last)))
    }

    /// All who have jobs here, or had some run here for another home.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn owners(&self) -> Result<Vec<String>, SpoolError> {
        let sql = "SELECT user FROM lanes UNION SELECT user FROM attempts";
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let rows = statement.query_map([], |row| row.get(0)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}
