//! A table `jobs` in memory, with the columns that expressions are about.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, params, params_from_iter};
use wire::batch::JobRow;

use super::super::{Query, Value};

/// The table with these rows in it.
pub struct Database(Connection);

impl Database {
    pub fn of(rows: &[JobRow]) -> Self {
        let connection = Connection::open_in_memory().expect("memory can be opened");
        connection.execute_batch(SCHEMA).expect("the schema is valid");
        for row in rows {
            insert(&connection, row);
        }
        Self(connection)
    }

    /// The ids of the rows for which the query is true, and those for which its opposite is: each row has to
    /// be one of the two.
    pub fn select(&self, query: &Query) -> (Vec<u64>, Vec<u64>) {
        let (expression, values) = query.sql();
        let all = |expression: &str| {
            let sql = format!("SELECT id FROM jobs WHERE {expression} ORDER BY id");
            let mut statement = self.0.prepare(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            let ids = statement.query_map(params_from_iter(bound(&values)), |row| row.get::<_, i64>(0));
            let ids: Result<Vec<i64>, _> = ids.and_then(Iterator::collect);
            let ids = ids.unwrap_or_else(|error| panic!("{sql}: {error}"));
            ids.into_iter().map(|id| u64::try_from(id).expect("no id is below zero")).collect()
        };
        (all(&expression), all(&format!("NOT {expression}")))
    }

    /// How SQLite goes about it.
    pub fn plan(&self, query: &Query) -> String {
        let (expression, values) = query.sql();
        let sql = format!("EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE user = 'anna' AND {expression}");
        let mut statement = self.0.prepare(&sql).expect("the expression is valid");
        let steps = statement.query_map(params_from_iter(bound(&values)), |row| row.get::<_, String>(3));
        let steps: Result<Vec<_>, _> = steps.and_then(Iterator::collect);
        steps.expect("a plan is text").join("; ")
    }
}

fn bound(values: &[Value]) -> impl Iterator<Item = SqlValue> {
    values.iter().map(|value| match value {
        Value::Int(number) => SqlValue::Integer(*number),
        Value::Text(text) => SqlValue::Text(text.clone()),
    })
}

fn insert(connection: &Connection, row: &JobRow) {
    let signed = |number: u64| i64::try_from(number).expect("samples are small");
    let usage = row.usage.as_ref();
    let tags = serde_json::to_string(&row.tags).expect("strings are valid JSON");
    let sql = format!("INSERT INTO jobs VALUES ({})", ["?"; 23].join(", "));
    let columns = params![
        signed(row.id),
        row.state,
        row.queue,
        row.user,
        row.priority,
        row.name,
        tags,
        row.host,
        row.exit,
        row.signal,
        row.command,
        row.directory.0,
        signed(row.attempt),
        row.restartable,
        row.report,
        row.notice,
        row.submitted_us,
        row.started_us,
        row.ended_us,
        usage.map(|usage| signed(usage.wall_us)),
        usage.map(|usage| signed(usage.user_us)),
        usage.map(|usage| signed(usage.system_us)),
        usage.map(|usage| signed(usage.max_rss_kib)),
    ];
    connection.execute(&sql, columns).expect("the row fits");
}

const SCHEMA: &str = "
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, state TEXT, queue TEXT, user TEXT, priority INTEGER, name TEXT NULL, tags TEXT,
        host TEXT NULL, exit INTEGER NULL, signal TEXT NULL, command TEXT, directory BLOB, attempt INTEGER,
        restartable INTEGER, report TEXT, notice TEXT, submitted_us INTEGER, started_us INTEGER NULL,
        ended_us INTEGER NULL,
        wall_us INTEGER NULL, user_us INTEGER NULL, system_us INTEGER NULL, max_rss_kib INTEGER NULL
    );
    CREATE INDEX jobs_by_state ON jobs (state);
    CREATE INDEX jobs_by_ended ON jobs (ended_us);
    CREATE INDEX jobs_by_name ON jobs (name);
";
