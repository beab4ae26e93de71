//! Jobs as listings show them, a page at a time.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use wire::ByteString;
use wire::array::Element;
use wire::batch::{JobLimits, JobRow};
use wire::history::{EndPlace, RowKind};
use wire::needs::Needs;
use wire::session::{End, Usage};

use super::after::{self, NOT_YET};
use super::{SpoolError, Which, array, failed, parsed, schema};
use crate::JobId;
use crate::home::{Death, NeverStarted, Output, State, WaitingFor};

pub fn page(
    connection: &Connection,
    which: &Which,
    after: u64,
    most: u32,
    now_us: i64,
) -> Result<(Vec<JobRow>, Option<u64>), SpoolError> {
    let most = page_size(most);
    let conditions = vec!["jobs.id > ?".to_owned()];
    let jobs = select(connection, which, conditions, vec![Value::Integer(after as i64)], "jobs.id", most, now_us)?;
    let more = (jobs.len() as u32 == most).then(|| jobs.last().map(|job| job.id)).flatten();
    Ok((jobs, more))
}

/// Those that have ended, in the order of their ends.
pub fn by_end(
    connection: &Connection,
    which: &Which,
    after: EndPlace,
    most: u32,
    now_us: i64,
) -> Result<Vec<JobRow>, SpoolError> {
    let EndPlace { ended_us, id } = after;
    let behind = "jobs.ended_us >= ? AND (jobs.ended_us > ? OR jobs.id > ?)".to_owned();
    let ended = "jobs.state IN ('finished', 'dead', 'cancelled')".to_owned();
    let values = [ended_us, ended_us, id as i64].map(Value::Integer).to_vec();
    select(connection, which, vec![behind, ended], values, "jobs.ended_us, jobs.id", most, now_us)
}

/// Rows in one page, where so many are wanted; 0: as many as there may be.
pub fn page_size(most: u32) -> u32 {
    if most == 0 { MOST } else { most.min(MOST) }
}

fn select(
    connection: &Connection,
    which: &Which,
    mut conditions: Vec<String>,
    mut values: Vec<Value>,
    order: &str,
    most: u32,
    now_us: i64,
) -> Result<Vec<JobRow>, SpoolError> {
    if let Some(user) = &which.user {
        conditions.push("jobs.user = ?".to_owned());
        values.push(Value::Text(user.clone()));
    }
    if let Some(ids) = &which.ids {
        // As JSON: any number of them is one parameter.
        conditions.push("jobs.id IN (SELECT value FROM json_each(?))".to_owned());
        values.push(Value::Text(format!("{ids:?}")));
    }
    if let Some(query) = &which.query {
        let (condition, parameters) = query.sql();
        conditions.push(format!("({condition})"));
        values.extend(parameters.into_iter().map(|value| match value {
            crate::query::Value::Int(number) => Value::Integer(number),
            crate::query::Value::Text(text) => Value::Text(text),
        }));
    }
    if which.is_as_one() {
        let states = which.query.as_ref().and_then(crate::query::Query::states);
        conditions.push(array::heads(states));
    }
    let columns = columns(connection)?;
    let conditions = conditions.join(" AND ");
    let plain =
        || connection.prepare(&format!("SELECT {columns} FROM jobs WHERE {conditions} ORDER BY {order} LIMIT {most}"));
    let open = open_states(which).filter(|_| order == "jobs.id").unwrap_or_default();
    let mut statement = if open.is_empty() {
        plain()
    } else {
        let part = |(state, index): &(&str, &str)| {
            format!("SELECT {columns} FROM jobs INDEXED BY {index} WHERE {state} AND {conditions}")
        };
        // Each part is in order by its index, so that SQLite merges them and reads no more than a page.
        let parts = open.iter().map(part).collect::<Vec<_>>().join(" UNION ALL ");
        // A copy with older tables has not all of the indexes.
        let merged = connection.prepare(&format!("{parts} ORDER BY 1 LIMIT {most}"));
        if merged.is_ok() {
            values = std::iter::repeat_n(values, open.len()).flatten().collect();
        }
        merged.or_else(|_| plain())
    }
    .map_err(failed)?;
    let rows = statement.query_map(params_from_iter(values), |row| job_row(row, now_us)).map_err(failed)?;
    let mut jobs = Vec::new();
    for row in rows {
        jobs.push(complete(connection, which.is_as_one(), row.map_err(failed)??)?);
    }
    Ok(jobs)
}

/// Conditions and indexes for what a query is about, if it is about jobs that have not ended: a million that have are
/// not looked at to find them.
fn open_states(which: &Which) -> Option<Vec<(&'static str, &'static str)>> {
    let states = which.query.as_ref().filter(|_| which.ids.is_none())?.states()?;
    let index = |state: &&'static str| match *state {
        "held" => Some(("jobs.state = 'held'", "jobs_held")),
        "pending" => Some(("jobs.state = 'pending'", "jobs_pending")),
        "running" => Some(("jobs.state = 'running'", "jobs_unsettled")),
        _ => None,
    };
    states.iter().map(index).collect()
}

const COLUMNS: &str = "jobs.id, jobs.record, jobs.user, jobs.queue, jobs.priority, jobs.name, jobs.tags, \
     (SELECT lanes.hosts FROM lanes WHERE lanes.id = jobs.lane), \
     jobs.host, jobs.attempt, jobs.command, jobs.argv, jobs.directory, jobs.submitted_us, jobs.started_us, \
     jobs.ended_us, jobs.exit, jobs.signal, jobs.core, jobs.wall_us, jobs.user_us, jobs.system_us, jobs.max_rss_kib, \
     jobs.left_over, jobs.restartable, jobs.retries, jobs.stdout, jobs.stderr, jobs.mail, jobs.report, \
     jobs.not_before_us";
/// Those that came with version 2 of the tables, and what stands for them before.
const LATER: [&str; 2] = ["jobs.notify, jobs.notice, jobs.array", "NULL, '', NULL"];

/// All that a row is made of. In a copy with older tables there is less of it.
fn columns(connection: &Connection) -> Result<String, SpoolError> {
    let later = LATER[usize::from(!schema::has_sessions(connection)?)];
    let needs = match schema::has_needs(connection)? {
        true => "(SELECT lanes.needs FROM lanes WHERE lanes.id = jobs.lane)",
        false => "''",
    };
    Ok(format!("{COLUMNS}, {later}, {needs}, {LIMITS}"))
}

/// What it may use, in its own words.
const LIMITS: &str = "(SELECT json_object('time', json_extract(commons.job, '$.time'), 'memory', json_extract(commons.job, '$.memory')) \
     FROM commons WHERE commons.id = jobs.common AND commons.job <> '')";

/// The row of one job.
pub fn one(connection: &Connection, id: JobId, now_us: i64) -> Result<Option<JobRow>, SpoolError> {
    let columns = columns(connection)?;
    let found = connection
        .prepare_cached(&format!("SELECT {columns} FROM jobs WHERE jobs.id = ?"))
        .and_then(|mut statement| statement.query_row([id.number() as i64], |row| job_row(row, now_us)).optional())
        .map_err(failed)?;
    found.transpose()?.map(|found| complete(connection, false, found)).transpose()
}

/// What was used, in four columns from this one on.
pub fn usage(row: &Row, first: usize) -> rusqlite::Result<Option<Usage>> {
    let Some(wall) = row.get::<_, Option<i64>>(first)? else { return Ok(None) };
    let column = |number: usize| row.get::<_, i64>(first + number).map(|figure| figure as u64);
    Ok(Some(Usage { wall_us: wall as u64, user_us: column(1)?, system_us: column(2)?, max_rss_kib: column(3)? }))
}

/// What stands in other tables: a file with older ones has no such jobs.
fn complete(connection: &Connection, is_as_one: bool, read: (JobRow, Apart)) -> Result<JobRow, SpoolError> {
    let (mut job, apart) = read;
    let known = match apart.array {
        Some(number) => array::of(connection, number)?.map(|known| (number, known)),
        None => None,
    };
    if let Some((number, known)) = known {
        let group = if is_as_one { Some(array::stands_for(connection, number, &job)?) } else { None };
        job.array = Some(Element { stands_for: group.filter(|group| group.count > 1), ..known.element(job.id) });
    }
    if !apart.is_waiting {
        return Ok(job);
    }
    job.after = after::of_job(connection, job.id)?;
    if job.state == "pending" && job.after.is_empty() {
        if let Some(most) = known.and_then(|(_, known)| known.at_most) {
            job.detail = format!("{most} of its array at a time");
        }
    } else if job.state == "pending" {
        let mut named = job.after.iter().take(MOST_NAMED).map(ToString::to_string).collect::<Vec<_>>();
        if job.after.len() > MOST_NAMED {
            named.push(format!("{} more", job.after.len() - MOST_NAMED));
        }
        job.detail = format!("after {}", named.join(", "));
    }
    Ok(job)
}

/// What of a row stands in other tables.
struct Apart {
    /// The array that it is an element of.
    array: Option<i64>,
    /// Whether it waits for something else than a time.
    is_waiting: bool,
}

fn job_row(row: &Row, now_us: i64) -> rusqlite::Result<Result<(JobRow, Apart), SpoolError>> {
    let (record, tags, hosts, argv): (String, String, String, String) =
        (row.get(1)?, row.get(6)?, row.get(7)?, row.get(11)?);
    let mail: Option<String> = row.get(28)?;
    let needs: String = row.get(34)?;
    let parsed = || {
        let mail = mail.as_deref().map(parsed).transpose()?;
        // With the memory that it needs, which its limits say too.
        let needs = if needs.is_empty() { None } else { parsed::<(Option<Needs>, Option<u64>)>(&needs)?.0 };
        let needs = needs.unwrap_or_default();
        Ok::<_, SpoolError>((parsed::<State>(&record)?, parsed(&tags)?, parsed(&hosts)?, parsed(&argv)?, mail, needs))
    };
    let limits: Option<String> = row.get(35)?;
    let limits = match limits.as_deref().map(self::parsed::<JobLimits>).transpose() {
        Ok(limits) => limits,
        Err(error) => return Ok(Err(error)),
    };
    let (state, tags, hosts, argv, mail, needs) = match parsed() {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(error)),
    };
    let usage = usage(row, 19)?;
    let not_before_us: i64 = row.get(30)?;
    let job = JobRow {
        kind: RowKind::Job,
        id: row.get::<_, i64>(0)? as u64,
        home: String::new(),
        state: state.word().to_owned(),
        detail: detail(&state, not_before_us, now_us),
        user: row.get(2)?,
        queue: row.get(3)?,
        priority: row.get(4)?,
        name: row.get(5)?,
        tags,
        hosts,
        need: needs.named,
        cpus: needs.cpus,
        host: row.get(8)?,
        attempt: row.get::<_, i64>(9)? as u64,
        command: row.get(10)?,
        argv,
        directory: ByteString(row.get(12)?),
        submitted_us: row.get(13)?,
        started_us: row.get(14)?,
        ended_us: row.get(15)?,
        exit: row.get(16)?,
        signal: row.get(17)?,
        core: row.get::<_, Option<bool>>(18)?.unwrap_or(false),
        usage,
        left_over: row.get(23)?,
        restartable: row.get(24)?,
        retries: row.get(25)?,
        stdout: ByteString(row.get::<_, Option<Vec<u8>>>(26)?.unwrap_or_default()),
        stderr: ByteString(row.get::<_, Option<Vec<u8>>>(27)?.unwrap_or_default()),
        limits: limits.filter(|limits| *limits != JobLimits::default()),
        mail,
        report: row.get(29)?,
        notify: row.get::<_, Option<Vec<u8>>>(31)?.map(ByteString),
        notice: row.get(32)?,
        after: Vec::new(),
        array: None,
    };
    Ok(Ok((job, Apart { array: row.get(33)?, is_waiting: not_before_us == NOT_YET })))
}

/// What there is to say about a state besides its word.
fn detail(state: &State, not_before_us: i64, now_us: i64) -> String {
    match state {
        State::Running(run) => {
            let words = run.waiting_for().into_iter().map(|waiting| match waiting {
                WaitingFor::Host { host, since_unix } => {
                    format!("{host} silent for {}", minutes(now_us / 1_000_000 - since_unix))
                }
                WaitingFor::Cancel => "cancel asked".to_owned(),
                WaitingFor::Delivery => "delivering".to_owned(),
            });
            words.collect::<Vec<_>>().join(", ")
        }
        State::Dead(Death::LostHost(_)) => "lost host".to_owned(),
        State::Dead(Death::NeverStarted(NeverStarted::NoHostCan(refusal))) => {
            format!("never started: {}", refusal.message)
        }
        State::Dead(Death::NeverStarted(NeverStarted::AwaitedInVain(why))) => format!("never started: {why}"),
        State::Dead(Death::NeverStarted(NeverStarted::GivenUp)) => "never started: given up".to_owned(),
        State::Pending { .. } if not_before_us > now_us && not_before_us < NOT_YET => {
            format!("again in {}", minutes((not_before_us - now_us) / 1_000_000 + 1))
        }
        State::Finished { end, output, .. } => finished(end, *output == Output::Lost),
        State::Held { .. } | State::Pending { .. } | State::Cancelled => String::new(),
    }
}

/// What there is to say about an end and its output.
fn finished(end: &End, output_is_lost: bool) -> String {
    let limit = end.limit.as_ref().map(|limit| format!("killed: {limit}"));
    let output = match &end.incomplete {
        _ if output_is_lost => Some("its output is lost".to_owned()),
        why => why.as_ref().map(|why| format!("output may be incomplete: {why}")),
    };
    limit.into_iter().chain(output).collect::<Vec<_>>().join("; ")
}

/// `41 s`, `12 min`, `2 h 10 min`.
fn minutes(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Jobs that one waits for, as far as a listing names them.
const MOST_NAMED: usize = 3;
/// Jobs in one page at most.
const MOST: u32 = 1000;
