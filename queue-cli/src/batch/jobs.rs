//! The commands about jobs: each asks the own daemon, which asks a job's home where that is another host.

use std::collections::HashSet;
use std::io::{BufWriter, IsTerminal, Read, Write, stderr, stdin, stdout};
use std::time::{Duration, Instant};

use jiff::Zoned;
use wire::api::JobName;
use wire::batch::{
    Change, ChangeAnswer, ChangeRequest, JobRow, ListAnswer, ListRequest, OutputRequest, OutputStream, Select,
    StatusAnswer, WaitRequest, WhyAnswer, WhyRequest,
};
use wire::history::EndPlace;

use super::mail;
use crate::arguments::batch::{JobCommand, Meant, Shown};
use crate::daemon::Daemon;
use crate::end::Ending;
use crate::failure::{Failure, printable, words};
use crate::job_table::{JobWriter, Look, Style, changed, exits, show, status, why};
use crate::listing;
use crate::place::refused;
use crate::records;

/// Carries out a command about jobs.
pub fn run(command: &JobCommand) -> Result<Ending, Failure> {
    let daemon = Daemon::of_user();
    match command {
        JobCommand::List { meant, shown, all } => {
            list(&daemon, meant, shown, if *all { Arrays::Open } else { Arrays::Closed })
        }
        JobCommand::History { meant, shown } if meant.jobs.is_empty() && !meant.input => history(&daemon, meant, shown),
        JobCommand::History { meant, shown } => list(&daemon, meant, shown, Arrays::Open),
        JobCommand::Show { meant, shown } => show_all(&daemon, meant, shown),
        JobCommand::Status { shown, exits } => count(&daemon, shown, exits.as_deref()),
        JobCommand::Why { meant, shown } => explain(&daemon, meant, shown),
        JobCommand::Wait { meant, tagged, shown } => wait(&daemon, meant, tagged.as_deref(), shown),
        JobCommand::Logs { meant, stream, attempt, follow } => {
            logs(&daemon, &select(meant)?.jobs, *stream, *attempt, *follow)
        }
        JobCommand::Change { meant, change, shown } => alter(&daemon, meant, change, shown),
    }
}

/// How things are shown to whoever is there.
fn look(daemon: &Daemon, shown: &Shown) -> Look {
    let is_terminal = stdout().is_terminal();
    let wants_colour = shown.colour.unwrap_or_else(|| is_terminal && std::env::var_os("NO_COLOR").is_none());
    let width = sys::terminal::size(std::os::fd::AsFd::as_fd(&stdout())).ok().map(|size| usize::from(size.columns));
    Look {
        style: shown.style,
        utc: shown.utc,
        fields: shown.fields.clone(),
        own_host: daemon.host(),
        is_terminal,
        colour: wants_colour,
        width: width.filter(|width| is_terminal && *width > 0),
    }
}

/// The jobs that are meant, with those that standard input names.
fn select(meant: &Meant) -> Result<Select, Failure> {
    let mut jobs = meant.jobs.clone();
    if meant.input {
        let mut bytes = Vec::new();
        let read = stdin().lock().take(MOST_INPUT).read_to_end(&mut bytes);
        read.map_err(|error| Failure::own(format!("cannot read standard input: {}", words(&error))))?;
        let records::Named { jobs: named, sessions } = records::read_ids("standard input", &bytes)?;
        if sessions > 0 {
            let what = if sessions == 1 { "1 session is".to_owned() } else { format!("{sessions} sessions are") };
            let _ = writeln!(stderr(), "queue: {what} left out: they have ended, and are no jobs");
        }
        let mut seen = jobs.iter().cloned().map(|job| (job.id, job.home)).collect::<HashSet<_>>();
        jobs.extend(named.into_iter().filter(|job| seen.insert((job.id, job.home.clone()))));
        if jobs.is_empty() && meant.query.is_none() {
            // An empty listing names nobody, which is not everybody.
            return Ok(Select { query: Some("not all".to_owned()), ..Select::default() });
        }
    }
    Ok(Select { jobs, query: meant.query.clone(), all_users: false })
}

/// Asks the daemon something short.
pub fn ask<T: serde::de::DeserializeOwned>(
    daemon: &Daemon,
    path: &str,
    request: &impl serde::Serialize,
) -> Result<T, Failure> {
    ask_for(daemon, path, request, PATIENCE)
}

/// Asks the daemon something that may take so long.
pub fn ask_for<T: serde::de::DeserializeOwned>(
    daemon: &Daemon,
    path: &str,
    request: &impl serde::Serialize,
    patience: Duration,
) -> Result<T, Failure> {
    let body =
        serde_json::to_vec(request).map_err(|error| Failure::own(format!("cannot write the request: {error}")))?;
    understood(&daemon.answer("POST", path, &body, patience)?)
}

fn understood<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer)
        .map_err(|error| Failure::own(format!("the answer of the daemon makes no sense: {error}")))
}

/// Every job that is meant, page by page.
fn each(
    daemon: &Daemon,
    meant: &Meant,
    see: impl FnMut(&JobRow) -> Result<Flow, Failure>,
) -> Result<Vec<(JobName, String)>, Failure> {
    pages(daemon, meant, None, Arrays::Open, see)
}

/// How the elements of an array are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrays {
    /// Each by itself.
    Open,
    /// Those in one state as one.
    Closed,
}

/// The same; from a place on in the order of the ends, if one is said.
fn pages(
    daemon: &Daemon,
    meant: &Meant,
    by_end: Option<EndPlace>,
    arrays: Arrays,
    mut see: impl FnMut(&JobRow) -> Result<Flow, Failure>,
) -> Result<Vec<(JobName, String)>, Failure> {
    let select = select(meant)?;
    let archive = meant.archive.as_deref().map(std::path::absolute).transpose();
    let archive = archive.map_err(|error| Failure::own(format!("cannot find the archive: {}", words(&error))))?;
    let archive = archive.map(|archive| archive.into_os_string().into());
    let arrays_as_one = arrays == Arrays::Closed;
    let mut request = ListRequest { select, after: 0, most: FIRST_PAGE, archive, arrays_as_one, by_end };
    loop {
        let page: ListAnswer = ask(daemon, "/v1/jobs/list", &request)?;
        for row in &page.jobs {
            if let Flow::Stop = see(row)? {
                return Ok(Vec::new());
            }
        }
        match (page.more, page.more_by_end) {
            (None, None) => return Ok(page.missing),
            (Some(after), _) => request.after = after,
            (None, by_end) => request.by_end = by_end,
        }
        request.most = 0;
    }
}

/// Whether more is wanted.
enum Flow {
    More,
    /// Nobody reads any more.
    Stop,
}

fn flow(written: std::io::Result<()>) -> Result<Flow, Failure> {
    match written {
        Ok(()) => Ok(Flow::More),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(Flow::Stop),
        Err(error) => Err(Failure::own(format!("cannot write the list: {}", words(&error)))),
    }
}

fn list(daemon: &Daemon, meant: &Meant, shown: &Shown, arrays: Arrays) -> Result<Ending, Failure> {
    let mut writer = JobWriter::new(stdout(), look(daemon, shown), Zoned::now())?;
    // Programs get each.
    let arrays = if shown.style == Style::Table { arrays } else { Arrays::Open };
    let missing = pages(daemon, meant, None, arrays, |row| flow(writer.row(row)))?;
    flow(writer.finish())?;
    if shown.style == Style::Table && stdout().is_terminal() && stderr().is_terminal() {
        let what = match mail::unread(daemon) {
            0 => None,
            1 => Some("1 report is unread".to_owned()),
            unread => Some(format!("{unread} reports are unread")),
        };
        if let Some(what) = what {
            let _ = writeln!(stderr(), "{what}: queue mail");
        }
    }
    Ok(told_missing(&missing))
}

/// What has ended, jobs and sessions, the newest end last.
fn history(daemon: &Daemon, meant: &Meant, shown: &Shown) -> Result<Ending, Failure> {
    let mut writer = JobWriter::new(stdout(), look(daemon, shown), Zoned::now())?;
    pages(daemon, meant, Some(EndPlace::default()), Arrays::Open, |row| flow(writer.row(row)))?;
    flow(writer.finish())?;
    Ok(Ending::Code(0))
}

/// Jobs that are not there are named on standard error, and make the command fail.
fn told_missing(missing: &[(JobName, String)]) -> Ending {
    for (_, why) in missing {
        let _ = writeln!(stderr(), "queue: {}", printable(why));
    }
    Ending::Code(u8::from(!missing.is_empty()))
}

fn show_all(daemon: &Daemon, meant: &Meant, shown: &Shown) -> Result<Ending, Failure> {
    if meant.jobs.is_empty() && meant.query.is_none() && !meant.input && !meant.all {
        return Err(Failure::usage("queue show: which jobs? Say ids such as 17, a query, or all"));
    }
    if shown.style != Style::Table {
        return list(daemon, meant, shown, Arrays::Open);
    }
    let (look, now) = (look(daemon, shown), Zoned::now());
    let mut out = BufWriter::new(stdout());
    let mut is_first = true;
    let missing = each(daemon, meant, |row| {
        let gap = if std::mem::take(&mut is_first) { "" } else { "\n" };
        flow(write!(out, "{gap}{}", show::show(row, &look, &now)))
    })?;
    flow(out.flush())?;
    Ok(told_missing(&missing))
}

fn count(daemon: &Daemon, shown: &Shown, map: Option<&str>) -> Result<Ending, Failure> {
    let classes = exits::classes(map)?;
    let answer: StatusAnswer = understood(&daemon.answer("GET", "/v1/status", b"", PATIENCE)?)?;
    listing::print(status::status(&answer, &classes, &look(daemon, shown)).as_bytes())?;
    Ok(Ending::Code(0))
}

fn explain(daemon: &Daemon, meant: &Meant, shown: &Shown) -> Result<Ending, Failure> {
    let look = look(daemon, shown);
    for job in select(meant)?.jobs {
        let answer: WhyAnswer = ask(daemon, "/v1/jobs/why", &WhyRequest { job })?;
        listing::print(why::why(&answer, &look, &Zoned::now()).as_bytes())?;
    }
    Ok(Ending::Code(0))
}

fn wait(daemon: &Daemon, meant: &Meant, tagged: Option<&str>, shown: &Shown) -> Result<Ending, Failure> {
    let is_chosen = meant.query.is_some() || meant.all || tagged.is_some();
    let mut jobs = Vec::new();
    if meant.query.is_some() || meant.all {
        each(daemon, meant, |row| {
            jobs.push(JobName { id: row.id, home: Some(row.home.clone()) });
            Ok(Flow::More)
        })?;
    } else {
        jobs = select(meant)?.jobs;
    }
    if let Some(tagged) = tagged {
        let own = daemon.host();
        let is_here = |job: &&JobName| job.home.as_deref().is_none_or(|home| names(home, &own));
        let named = jobs.iter().filter(is_here).map(|job| job.id).collect::<HashSet<_>>();
        each(daemon, &Meant { query: Some(tagged.to_owned()), ..Meant::default() }, |row| {
            if !named.contains(&row.id) {
                jobs.push(JobName { id: row.id, home: Some(row.home.clone()) });
            }
            Ok(Flow::More)
        })?;
    }
    // How many a query has is chance: one is several too.
    let code = if jobs.len() == 1 && !is_chosen { Code::Own } else { Code::AnyFailed };
    if jobs.is_empty() {
        if is_chosen || meant.input {
            return Ok(Ending::Code(0));
        }
        return Err(Failure::usage("queue wait: which jobs? Say ids such as 17, --tag TAG, or a query"));
    }
    if shown.style == Style::Table {
        return wait_for(daemon, jobs, code, |_| Ok(()));
    }
    let mut writer = JobWriter::new(stdout(), look(daemon, shown), Zoned::now())?;
    let ending = wait_for(daemon, jobs, code, |row| flow(writer.row_at_once(row)).map(drop))?;
    flow(writer.finish())?;
    Ok(ending)
}

/// The exit code of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// That of the one job, or 128 and the signal.
    Own,
    /// 1 when one failed.
    AnyFailed,
}

/// Waits until all have ended.
pub fn wait_for(
    daemon: &Daemon,
    mut jobs: Vec<JobName>,
    of: Code,
    mut ended: impl FnMut(&JobRow) -> Result<(), Failure>,
) -> Result<Ending, Failure> {
    let mut code = 0;
    let mut broken = 0;
    while !jobs.is_empty() {
        // All are waited for, so that it may be one portion after the other.
        let some = jobs[..jobs.len().min(MOST_WAITED)].to_vec();
        let body = serde_json::to_vec(&WaitRequest { jobs: some })
            .map_err(|error| Failure::own(format!("cannot write the request: {error}")))?;
        let followed = daemon.try_ask("POST", "/v1/jobs/wait", &body)?.and_then(|mut exchange| {
            let status = exchange.status(Instant::now() + PATIENCE)?;
            if status != 200 {
                let text = exchange.whole(Instant::now() + PATIENCE)?;
                return Ok(Err(refused(status, &text)));
            }
            loop {
                let line = match exchange.line(Instant::now() + LOOK) {
                    // It takes as long as it takes; only a dead daemon must be noticed.
                    Err(crate::http::HttpError::Silent) if daemon.answers() => continue,
                    other => other?,
                };
                let Some(line) = line else { return Ok(Ok(())) };
                let row: JobRow = match understood(&line) {
                    Ok(row) => row,
                    Err(failure) => return Ok(Err(failure)),
                };
                // One that was named with its home is that of this home; the other may be another home's.
                let is_meant = |job: &&JobName| job.id == row.id && job.home.is_none();
                let is_named =
                    |job: &&JobName| job.id == row.id && job.home.as_deref().is_some_and(|name| names(name, &row.home));
                let meant = jobs.iter().find(is_named).or_else(|| jobs.iter().find(is_meant)).cloned();
                jobs.retain(|job| Some(job) != meant.as_ref());
                if row.detail.starts_with("killed: ") {
                    // The code alone does not say whose signal it was.
                    let _ = writeln!(stderr(), "queue: job {} was {}", row.id, printable(&row.detail));
                }
                code = code.max(match of {
                    Code::Own => exit_code(&row),
                    Code::AnyFailed => u8::from(exit_code(&row) != 0),
                });
                if let Err(failure) = ended(&row) {
                    return Ok(Err(failure));
                }
            }
        });
        match followed {
            Ok(done) => done?,
            // The daemon ended; the next one is asked about those that are left.
            Err(error) => {
                broken += 1;
                if broken > MOST_BROKEN {
                    return Err(daemon.said(&error));
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
    Ok(Ending::Code(code))
}

/// Whether this is a name of the host: all of it, or its first label.
pub fn names(name: &str, host: &str) -> bool {
    [Some(host), host.split('.').next()].into_iter().flatten().any(|host| host.eq_ignore_ascii_case(name))
}

/// How a job ended, as a shell would say it; 125 where it did not end by itself.
fn exit_code(row: &JobRow) -> u8 {
    if row.state != "finished" {
        // What is known of an exit is then that of an attempt before.
        return 125;
    }
    match (row.exit, &row.signal) {
        (Some(code), _) => code,
        (None, Some(signal)) => sys::signal::number(signal).map_or(125, |number| 128 + number as u8),
        (None, None) => 125,
    }
}

fn logs(
    daemon: &Daemon,
    jobs: &[JobName],
    stream: Option<OutputStream>,
    attempt: Option<u64>,
    follow: bool,
) -> Result<Ending, Failure> {
    let several = jobs.len() > 1;
    for job in jobs {
        if several {
            let name = match &job.home {
                Some(home) => format!("{}@{home}", job.id),
                None => job.id.to_string(),
            };
            listing::print(format!("==> {name} <==\n").as_bytes())?;
        }
        let streams = match stream {
            Some(stream) => vec![stream],
            None => vec![OutputStream::Stdout, OutputStream::Stderr],
        };
        for stream in streams {
            let is_error = stream == OutputStream::Stderr;
            output(daemon, job, stream, attempt, follow, &mut |bytes| {
                let written = if is_error { stderr().write_all(bytes) } else { stdout().write_all(bytes) };
                written.map_err(|error| Failure::own(format!("cannot write the output: {}", words(&error))))
            })?;
        }
    }
    let _ = stdout().flush();
    Ok(Ending::Code(0))
}

/// The bytes of a stream of a job. One that breaks off is asked for again from there.
pub fn output(
    daemon: &Daemon,
    job: &JobName,
    stream: OutputStream,
    attempt: Option<u64>,
    follow: bool,
    see: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut offset = 0;
    let mut broken = 0;
    loop {
        let request = OutputRequest { job: job.clone(), attempt, stream, offset, follow };
        let body =
            serde_json::to_vec(&request).map_err(|error| Failure::own(format!("cannot write the request: {error}")))?;
        let followed = daemon.try_ask("POST", "/v1/jobs/output", &body)?.and_then(|mut exchange| {
            let status = exchange.status(Instant::now() + PATIENCE)?;
            if status != 200 {
                let text = exchange.whole(Instant::now() + PATIENCE)?;
                return Ok(Err(refused(status, &text)));
            }
            loop {
                match exchange.bytes(Instant::now() + LOOK) {
                    Err(crate::http::HttpError::Silent) if daemon.answers() => {}
                    Err(error) => return Err(error),
                    Ok(None) => return Ok(Ok(())),
                    Ok(Some(bytes)) => {
                        offset += bytes.len() as u64;
                        if let Err(failure) = see(&bytes) {
                            return Ok(Err(failure));
                        }
                    }
                }
            }
        });
        match followed {
            Ok(done) => return done,
            Err(error) => {
                broken += 1;
                if broken > MOST_BROKEN {
                    return Err(daemon.said(&error));
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
}

fn alter(daemon: &Daemon, meant: &Meant, change: &Change, shown: &Shown) -> Result<Ending, Failure> {
    let request = ChangeRequest { select: select(meant)?, change: change.clone() };
    let answer: ChangeAnswer = ask(daemon, "/v1/jobs/change", &request)?;
    let told = changed::told(change, &answer, &look(daemon, shown));
    listing::print(told.out.as_bytes())?;
    let _ = stderr().write_all(told.err.as_bytes());
    Ok(Ending::Code(u8::from(answer.refusals > 0)))
}

/// The first page is there at once; the others are as large as the daemon likes.
const FIRST_PAGE: u32 = 200;
const MOST_INPUT: u64 = 256 << 20;
/// A daemon that has much to change or to look at.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long is waited before the daemon is looked at.
const LOOK: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);
const MOST_BROKEN: u32 = 50;
/// Jobs that one request waits for.
const MOST_WAITED: usize = 100_000;
