//! The command line of batch jobs: `-r` with its options, `queue submit`, and the commands about jobs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use wire::after::Written;
use wire::api::JobName;
use wire::array::Array;
use wire::batch::{Change, MailWish, OutputStream, Update};

use super::keeping::{archive, archive_of};
use super::surface::plain;
use super::{Run, checked_host, job_name};
use crate::failure::Failure;
use crate::job_table::Style;
use crate::records::{self, Format};

/// What is said of a batch job besides its command and surroundings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchOptions {
    /// `-h`: names and patterns.
    pub hosts: Vec<String>,
    /// `--priority`.
    pub priority: i32,
    /// `--tag`, each.
    pub tags: Vec<String>,
    /// `-j`.
    pub name: Option<String>,
    /// `--hold`.
    pub held: bool,
    /// `--restartable`.
    pub restartable: bool,
    /// `--retries`.
    pub retries: u32,
    /// `--backoff`; none: the usual pause.
    pub backoff: Option<Duration>,
    /// `--stdin`: a file, `-`, or `@JOB`.
    pub stdin: Option<OsString>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--output`.
    pub stdout: Option<OsString>,
    /// `--error`.
    pub stderr: Option<OsString>,
    /// `--mail`.
    pub mail: Option<MailWish>,
    /// `--array`.
    pub array: Option<Array>,
    /// `--after`, each.
    pub after: Vec<Written>,
    /// `--notify`.
    pub notify: Option<OsString>,
    /// `--unique`.
    pub unique: bool,
    /// `--rq-variables`.
    pub rq_variables: bool,
    /// `--wait`: stay until all have ended.
    pub wait: bool,
    /// `--parsable`, and what a listing of the new jobs looks like.
    pub style: Style,
}

/// What `queue submit` reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A command behind `--`.
    Command(Vec<OsString>),
    /// A file.
    File(PathBuf),
    /// Standard input.
    Input,
}

/// `queue submit`.
#[derive(Debug, Clone, PartialEq)]
pub struct Submit {
    /// Queue, environment and directory, as for a command that runs at once.
    pub run: Run,
    /// The rest.
    pub options: BatchOptions,
    /// The jobs.
    pub source: Source,
    /// `--format`.
    pub format: Option<Format>,
}

/// How jobs are shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// `--json`, `--yaml`, `--parsable`.
    pub style: Style,
    /// `--utc`.
    pub utc: bool,
    /// `--fields`.
    pub fields: Option<Vec<String>>,
    /// `--color`.
    pub colour: Option<bool>,
}

/// Which jobs a command is about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Meant {
    /// Named.
    pub jobs: Vec<JobName>,
    /// The words that are no names, as a query.
    pub query: Option<String>,
    /// `all` was said.
    pub all: bool,
    /// `-`: ids are read from standard input.
    pub input: bool,
    /// `--archive`: jobs that are in this file.
    pub archive: Option<PathBuf>,
}

/// A command about jobs.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCommand {
    /// `queue list`, `queue query`.
    List {
        /// Which.
        meant: Meant,
        /// How.
        shown: Shown,
        /// `--all`: each element of an array.
        all: bool,
    },
    /// `queue history`.
    History {
        /// Which.
        meant: Meant,
        /// How.
        shown: Shown,
    },
    /// `queue show`.
    Show {
        /// Which.
        meant: Meant,
        /// How.
        shown: Shown,
    },
    /// `queue status`.
    Status {
        /// How.
        shown: Shown,
        /// `--exit`.
        exits: Option<String>,
    },
    /// `queue why`.
    Why {
        /// Which.
        meant: Meant,
        /// How.
        shown: Shown,
    },
    /// `queue wait`.
    Wait {
        /// Which.
        meant: Meant,
        /// `--tag`: a query for others.
        tagged: Option<String>,
        /// How the ends are shown; a table is nothing at all.
        shown: Shown,
    },
    /// `queue logs`.
    Logs {
        /// Which.
        meant: Meant,
        /// Which stream; none: both.
        stream: Option<OutputStream>,
        /// Which attempt; none: the newest.
        attempt: Option<u64>,
        /// `-f`.
        follow: bool,
    },
    /// `queue cancel`, `hold` and so on.
    Change {
        /// Which.
        meant: Meant,
        /// What.
        change: Change,
        /// How it is told.
        shown: Shown,
    },
}

/// Options of `-r` and `queue submit`.
pub fn options() -> Vec<Arg> {
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1).help_heading(HEADING);
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help_heading(HEADING);
    let file = |name: &'static str| value(name).value_parser(ValueParser::os_string());
    vec![
        value("priority").value_name("N").allow_hyphen_values(true).help("High first (0); high, normal or low"),
        value("tag").value_name("TAG").action(ArgAction::Append).help("A label to find it by; may be repeated"),
        flag("hold").help("Accept it, but do not start it before \"queue release\""),
        flag("restartable").help("Start it again when its host is lost"),
        value("retries").value_name("N").help("Start it again after a failure, so often"),
        value("backoff").value_name("TIME").help("Before the first of these; doubled each time (10s)"),
        file("stdin").value_name("FILE").allow_hyphen_values(true).help("Its input: a file, - or that of @JOB"),
        file("data").value_name("PATH").help("It gets a copy of this directory or file"),
        file("output").value_name("FILE").help("On its host: %j id, %h host, %a attempt, %i array index"),
        file("error").value_name("FILE").help("The same for standard error"),
        value("mail").value_name("WHEN").help("end, failure, start, none; and an address"),
        file("notify")
            .value_name("COMMAND")
            .help("Run this at home when it has ended; an http(s) address gets its row"),
        value("array").value_name("RANGE").help("A job for each index: 1-1000, 0-99:3, 1-1000%50 at a time"),
        value("after")
            .value_name("JOB")
            .action(ArgAction::Append)
            .help("Only when this job has ended well; 17:any, 17:fail; may be repeated"),
        flag("unique").help("Not twice: change the one that waits"),
        flag("rq-variables").help("RQ_JID and the like for the job"),
        flag("parsable").help("Print ids only"),
    ]
}

const HEADING: &str = "Batch jobs (-r and queue submit)";

/// The names of these options, to be refused where there is no batch job.
pub fn given(matches: &ArgMatches) -> Option<&'static str> {
    NAMES.into_iter().find(|name| matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine))
}

const NAMES: [&str; 17] = [
    "priority",
    "tag",
    "hold",
    "restartable",
    "retries",
    "backoff",
    "stdin",
    "data",
    "output",
    "error",
    "mail",
    "notify",
    "array",
    "after",
    "unique",
    "rq-variables",
    "parsable",
];

/// Reads them.
pub fn read_options(matches: &ArgMatches) -> Result<BatchOptions, Failure> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let file = |name: &str| matches.get_one::<OsString>(name).cloned();
    let number = |name: &str, text: &str| {
        text.parse::<u32>().map_err(|_| Failure::usage(format!("--{name}: a number is expected, not \"{text}\"")))
    };
    // A job in the spool has all the time in the world: "rather there" means nothing to it.
    let rather = matches.try_get_one::<String>("robust-host").ok().flatten().map(String::as_str);
    let hosts = match text("host").or(rather) {
        None | Some("+") => Vec::new(),
        Some(list) => list.split(',').map(checked_host).collect::<Result<_, _>>()?,
    };
    let retries = text("retries").map(|text| number("retries", text)).transpose()?.unwrap_or(0);
    let backoff = text("backoff").map(|text| duration("backoff", text)).transpose()?;
    Ok(BatchOptions {
        hosts,
        priority: text("priority").map(priority).transpose()?.unwrap_or(0),
        tags: matches.get_many::<String>("tag").unwrap_or_default().cloned().collect(),
        name: text("job-name").map(str::to_owned),
        held: matches.get_flag("hold"),
        restartable: matches.get_flag("restartable"),
        retries,
        backoff,
        stdin: file("stdin"),
        data: file("data").map(PathBuf::from),
        stdout: file("output"),
        stderr: file("error"),
        mail: text("mail").map(mail).transpose()?,
        array: text("array").map(array).transpose()?,
        after: matches
            .get_many::<String>("after")
            .unwrap_or_default()
            .map(|text| after(text))
            .collect::<Result<_, _>>()?,
        notify: file("notify").map(notify).transpose()?,
        unique: matches.get_flag("unique"),
        rq_variables: matches.get_flag("rq-variables"),
        wait: false,
        style: if matches.get_flag("parsable") { Style::Parsable } else { Style::Table },
    })
}

/// `1-1000:2%50`.
fn array(text: &str) -> Result<Array, Failure> {
    text.parse().map_err(|why| Failure::usage(format!("--array: {why}")))
}

/// `17`, `17:any`, `101-600:fail`.
fn after(text: &str) -> Result<Written, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("--after: {error}")))
}

/// A command or an address, which is not looked at before it is needed.
fn notify(command: OsString) -> Result<OsString, Failure> {
    if command.as_encoded_bytes().trim_ascii().is_empty() {
        return Err(Failure::usage("--notify: a command or an address such as https://lab.org/ended is expected"));
    }
    Ok(command)
}

/// Before the first retry.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(10);

/// A number, or a word for one.
fn priority(text: &str) -> Result<i32, Failure> {
    match text {
        "high" => Ok(10),
        "normal" => Ok(0),
        "low" => Ok(-10),
        _ => text.parse().map_err(|_| {
            Failure::usage(format!("--priority: a number, or high, normal or low, is expected, not \"{text}\""))
        }),
    }
}

/// `10`, `10s`, `5min`, `2h`, `1d`.
fn duration(option: &str, text: &str) -> Result<Duration, Failure> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => 0,
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).filter(|_| unit > 0);
    let wrong = || Failure::usage(format!("--{option}: a time such as 10s, 5min or 2h is expected, not \"{text}\""));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// `end,failure,me@lab.org`.
fn mail(text: &str) -> Result<MailWish, Failure> {
    let mut wish = MailWish::default();
    for word in text.split(',').map(str::trim) {
        match word {
            "start" => wish.start = true,
            "end" => wish.end = true,
            "failure" | "fail" => wish.failure = true,
            "none" => {}
            address if address.contains('@') => wish.to = Some(address.to_owned()),
            _ => {
                return Err(Failure::usage(format!(
                    "--mail: start, end, failure, none or an address is expected, not \"{word}\""
                )));
            }
        }
    }
    if wish.to.is_some() && !(wish.start || wish.end || wish.failure) {
        wish.end = true;
    }
    Ok(wish)
}

/// The commands about jobs.
pub fn commands() -> Vec<Command> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1);
    let jobs = || {
        Arg::new("jobs")
            .value_name("JOB")
            .num_args(0..)
            .help("Such as 17, 17@redfish, a state, or terms of \"queue query\"; - reads ids from standard input")
    };
    let shown = || {
        vec![
            flag("json").help("For programs"),
            flag("yaml").help("For programs, and for \"queue submit\""),
            flag("parsable").help("Ids only"),
            flag("utc").help("Times in UTC"),
            value("fields").value_name("LIST").help("Only these fields"),
            value("color").value_name("WHEN").value_parser(["always", "never", "auto"]).help("Colours"),
        ]
    };
    let listing =
        |name: &'static str, about: &'static str| plain(Command::new(name).about(about).args(shown()).arg(jobs()));
    vec![
        listing("list", "Show jobs").arg(archive()).arg(flag("all").help("Each element of an array by itself")),
        listing("query", "Show the jobs for which something is true: state=finished exit!=0 tag=night").arg(archive()),
        listing("history", "Show jobs and sessions that have ended").arg(archive()),
        listing("show", "Show everything about a job").arg(archive()),
        plain(
            Command::new("status")
                .about("Count the jobs of this home")
                .args(shown())
                .arg(value("exit").value_name("MAP").help("Classes of exit codes: ok=42,43")),
        ),
        listing("why", "Say why a job does not run"),
        listing("wait", "Wait for the ends of jobs").arg(
            value("tag").value_name("TAG").action(ArgAction::Append).help("Those with this label; may be repeated"),
        ),
        plain(
            Command::new("logs")
                .about("Show what a job has written")
                .args([
                    flag("follow").short('f').help("Go on until it has ended"),
                    flag("stderr").help("Only standard error"),
                    flag("stdout").help("Only standard output"),
                    flag("stdin").help("Its standard input"),
                    value("attempt").value_name("N").help("Of this attempt; the newest without it"),
                ])
                .arg(jobs()),
        ),
        listing("cancel", "End jobs, running or not: TERM, then KILL")
            .arg(value("grace").value_name("TIME").help("Between TERM and KILL (10s)")),
        plain(
            Command::new("signal")
                .about("Send a signal to jobs that run")
                .args(shown())
                .arg(Arg::new("signal").value_name("SIGNAL").required(true).help("Such as USR1"))
                .arg(jobs()),
        ),
        listing("hold", "Keep jobs from starting"),
        listing("release", "Let held jobs start"),
        listing("resubmit", "Start jobs that have ended again, under the same id")
            .arg(flag("failed").help("Those that failed")),
        listing("give-up", "Do not wait any longer for the lost host of a job"),
        listing("delete", "Forget jobs and their files"),
        plain(
            Command::new("update")
                .about("Change jobs that have not ended: priority=7 name=x tag=a,b mail=end time=4h")
                .args(shown())
                .arg(jobs()),
        ),
    ]
}

/// Reads a command about jobs.
pub fn read_command(name: &str, matches: &ArgMatches) -> Result<Option<JobCommand>, Failure> {
    let command = match name {
        "list" | "query" => {
            // A query names what it means, an element too.
            let all = name == "query" || matches.get_flag("all");
            JobCommand::List { meant: meant(matches, "")?, shown: shown(matches), all }
        }
        "history" => JobCommand::History { meant: meant(matches, "ended")?, shown: shown(matches) },
        "show" => JobCommand::Show { meant: named(matches, name)?, shown: shown(matches) },
        "status" => JobCommand::Status { shown: shown(matches), exits: matches.get_one::<String>("exit").cloned() },
        "why" => {
            let meant = named(matches, name)?;
            if meant.jobs.is_empty() && !meant.input {
                return Err(Failure::usage("queue why: a job is expected, such as 17"));
            }
            JobCommand::Why { meant, shown: shown(matches) }
        }
        "wait" => JobCommand::Wait { meant: named(matches, name)?, tagged: tagged(matches)?, shown: shown(matches) },
        "logs" => {
            let stream =
                [("stderr", OutputStream::Stderr), ("stdout", OutputStream::Stdout), ("stdin", OutputStream::Stdin)];
            let attempt = matches.get_one::<String>("attempt");
            let attempt = attempt.map(|text| {
                text.parse().map_err(|_| Failure::usage(format!("--attempt: a number is expected, not \"{text}\"")))
            });
            let meant = named(matches, name)?;
            if meant.jobs.is_empty() && !meant.input {
                return Err(Failure::usage("queue logs: a job is expected, such as 17"));
            }
            JobCommand::Logs {
                meant,
                stream: stream.into_iter().find(|(name, _)| matches.get_flag(name)).map(|(_, stream)| stream),
                attempt: attempt.transpose()?,
                follow: matches.get_flag("follow"),
            }
        }
        "cancel" => {
            let grace = matches.get_one::<String>("grace").map(|text| duration("grace", text)).transpose()?;
            let grace_ms = grace.unwrap_or(GRACE).as_millis() as u64;
            changed(matches, name, "held or pending or running", Change::Cancel { grace_ms })?
        }
        "signal" => {
            let signal = matches.get_one::<String>("signal").map(String::as_str).unwrap_or_default();
            let short = signal.strip_prefix("SIG").unwrap_or(signal);
            let number = short.parse::<i32>().ok().or_else(|| sys::signal::number(short));
            let known = number.map(sys::signal::name).filter(|name| sys::signal::number(name).is_some());
            let signal =
                known.ok_or_else(|| Failure::usage(format!("\"{signal}\" is no signal: USR1 or 10, for example")))?;
            changed(matches, name, "running", Change::Signal(signal))?
        }
        "hold" => changed(matches, name, "pending", Change::Hold)?,
        "release" => changed(matches, name, "held", Change::Release)?,
        "resubmit" => {
            let failed = matches.get_flag("failed");
            let mut command = changed(matches, name, "ended", Change::Resubmit)?;
            if let JobCommand::Change { meant, .. } = &mut command
                && failed
            {
                meant.query = Some(match meant.query.take() {
                    Some(query) => format!("({query}) and (failed or dead)"),
                    None => "failed or dead".to_owned(),
                });
                meant.all = true;
            }
            command
        }
        "give-up" => changed(matches, name, "running", Change::GiveUp)?,
        "delete" => changed(matches, name, "not running", Change::Delete)?,
        "update" => update(matches)?,
        _ => return Ok(None),
    };
    Ok(Some(command))
}

const GRACE: Duration = Duration::from_secs(10);

/// A change, of those of `all` that it can be about.
fn changed(matches: &ArgMatches, name: &str, all: &str, change: Change) -> Result<JobCommand, Failure> {
    let mut meant = meant(matches, "")?;
    if meant.all && meant.query.is_none() {
        meant.query = Some(all.to_owned());
    }
    let failed = name == "resubmit" && matches.get_flag("failed");
    if meant.jobs.is_empty() && meant.query.is_none() && !meant.input && !failed {
        return Err(Failure::usage(format!("queue {name}: which jobs? Say ids, a query, or all")));
    }
    Ok(JobCommand::Change { meant, change, shown: shown(matches) })
}

/// `queue update 17 18 priority=7`.
fn update(matches: &ArgMatches) -> Result<JobCommand, Failure> {
    let words = matches.get_many::<String>("jobs").unwrap_or_default().cloned().collect::<Vec<_>>();
    let (mut updates, mut others) = (Vec::new(), Vec::new());
    for word in words {
        let none = |value: &str| (!matches!(value, "" | "null" | "nil" | "none")).then(|| value.to_owned());
        match word.split_once('=') {
            Some(("priority", value)) => updates.push(Update::Priority(priority(value)?)),
            Some(("name", value)) => updates.push(Update::Name(none(value))),
            Some(("tag" | "tags", value)) => {
                let tags = none(value).map(|tags| tags.split(',').map(str::to_owned).collect());
                updates.push(Update::Tags(tags.unwrap_or_default()));
            }
            Some(("time", value)) => {
                let seconds = super::limits::seconds(value);
                let wrong = |expected| Failure::usage(format!("time: {expected} is expected, not \"{value}\""));
                updates.push(Update::Time(seconds.map_err(wrong)?));
            }
            Some(("mail", "" | "null" | "nil")) => updates.push(Update::Mail(None)),
            Some(("after", "" | "null" | "nil" | "none")) => updates.push(Update::AfterNothing),
            Some(("after", _)) => {
                return Err(Failure::usage(
                    "queue update: after= with nothing behind it has a job wait for no other any more; others need a \
                     new submission",
                ));
            }
            Some(("mail", value)) => updates.push(Update::Mail(Some(mail(value)?))),
            _ => others.push(word),
        }
    }
    if updates.is_empty() {
        return Err(Failure::usage(
            "queue update: what? Say priority=N, name=TEXT, tag=A,B, mail=WHEN, time=TIME or after=; other fields need a new submission",
        ));
    }
    let mut meant = of_words(others, "")?;
    if meant.all && meant.query.is_none() {
        // A time is for those that run.
        let is_time = matches!(updates[..], [Update::Time(_)]);
        meant.query = Some(if is_time { "running" } else { "held or pending" }.to_owned());
    }
    if meant.jobs.is_empty() && meant.query.is_none() && !meant.input {
        return Err(Failure::usage("queue update: which jobs? Say ids, a query, or all"));
    }
    Ok(JobCommand::Change { meant, change: Change::Update(updates), shown: shown(matches) })
}

fn shown(matches: &ArgMatches) -> Shown {
    let style = if matches.get_flag("json") {
        Style::Json
    } else if matches.get_flag("yaml") {
        Style::Yaml
    } else if matches.get_flag("parsable") {
        Style::Parsable
    } else {
        Style::Table
    };
    let fields = matches.get_one::<String>("fields");
    let fields = fields.map(|list| list.split(',').map(|field| field.trim().to_owned()).collect());
    let colour = match matches.get_one::<String>("color").map(String::as_str) {
        Some("always") => Some(true),
        Some("never") => Some(false),
        _ => None,
    };
    Shown { style, utc: matches.get_flag("utc"), fields, colour }
}

fn meant(matches: &ArgMatches, besides: &str) -> Result<Meant, Failure> {
    let words = matches.get_many::<String>("jobs").unwrap_or_default().cloned().collect();
    Ok(Meant { archive: archive_of(matches), ..of_words(words, besides)? })
}

/// `--tag`, each: a query for those with one of these labels.
fn tagged(matches: &ArgMatches) -> Result<Option<String>, Failure> {
    let tags = matches.get_many::<String>("tag").unwrap_or_default();
    let terms = tags.map(|tag| match tag.as_str() {
        "" => Err(Failure::usage("queue wait: --tag: a tag is expected")),
        tag => Ok(format!("tag=\"{}\"", tag.replace('"', "\"\""))),
    });
    let terms = terms.collect::<Result<Vec<_>, _>>()?;
    Ok((!terms.is_empty()).then(|| terms.join(" or ")))
}

/// Only names of jobs.
fn named(matches: &ArgMatches, command: &str) -> Result<Meant, Failure> {
    let mut meant = meant(matches, "")?;
    if matches!(command, "why" | "logs")
        && let Some(ids) = meant.query.as_deref().and_then(ranges)
    {
        meant.query = None;
        meant.jobs.extend(ids.map(|id| JobName { id, home: None }));
    }
    match &meant.query {
        Some(query) if command != "wait" && command != "show" => {
            Err(Failure::usage(format!("queue {command}: ids such as 17 are expected, not \"{query}\"")))
        }
        _ => Ok(meant),
    }
}

/// The ids of `101-600`, or of several such; none where something else stands there too, or where they are too many.
fn ranges(text: &str) -> Option<impl Iterator<Item = u64> + use<>> {
    let range = |word: &str| {
        let (first, last) = word.split_once('-')?;
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        (last.checked_sub(first)? < MOST_SPREAD).then_some(first..=last)
    };
    let ranges = text.split_whitespace().map(range).collect::<Option<Vec<_>>>()?;
    Some(ranges.into_iter().flatten())
}

/// Jobs of a range that are asked for one by one.
const MOST_SPREAD: u64 = 10_000;

/// Ids stand for themselves; everything else is one query.
fn of_words(words: Vec<String>, besides: &str) -> Result<Meant, Failure> {
    let mut meant = Meant::default();
    let mut terms = Vec::new();
    for word in words {
        match word.as_str() {
            "-" => meant.input = true,
            "all" => meant.all = true,
            _ if word.starts_with(|first: char| first.is_ascii_digit()) && !word.contains(['-', '=', ' ']) => {
                meant.jobs.push(job_name(&word)?);
            }
            _ if word.strip_prefix('s').is_some_and(|rest| records::job_name(rest).is_some()) => {
                return Err(Failure::usage(format!("{word} is a session that has ended; only jobs are meant here")));
            }
            _ => terms.push(word),
        }
    }
    if !besides.is_empty() {
        terms.insert(0, format!("({besides})"));
    }
    // Several states are alternatives, as for rq; anything more is written with and, or, not.
    let only_words = terms.len() > 1 && terms.iter().all(|term| term.chars().all(char::is_alphabetic));
    let between = if only_words && !terms.iter().any(|term| matches!(term.as_str(), "and" | "or" | "not")) {
        " or "
    } else {
        " "
    };
    if !terms.is_empty() {
        meant.query = Some(terms.join(between));
    }
    Ok(meant)
}
