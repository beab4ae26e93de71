//! A job as it was written: what a record is, and how a value becomes one.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use wire::ByteString;
use wire::after::Written;
use wire::array::Array;
use wire::batch::{MailWish, Variant};
use wire::job::Warn;
use wire::needs::Need;

use super::fields::{self, Field};
use super::source::{Problem, shown};
use super::value::{Entry, Shape, Value};
use super::{LONGEST_LINE, wishes};

/// One job as a person or another program wrote it.
///
/// A plain line says nothing but its command. Such records are small, and what they do not say is read
/// through them all the same: `record.priority`.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The line where it begins, for later messages.
    pub line: usize,
    /// What to run.
    pub command: Command,
    /// What was said besides; none: nothing.
    pub said: Option<Box<Said>>,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// By `/bin/sh -c`.
    Shell(String),
    /// By itself; never empty.
    Argv(Vec<ByteString>),
}

/// What a record says besides its command. What is `None` was not said.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The queue.
    pub queue: Option<String>,
    /// Only on one of these.
    pub hosts: Option<Vec<String>>,
    /// High first.
    pub priority: Option<i32>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// A name for reports.
    pub name: Option<String>,
    /// Accept it, and do not start it.
    pub held: Option<bool>,
    /// Start it again when its host is lost.
    pub restartable: Option<bool>,
    /// How often to start it again after a failure.
    pub retries: Option<u32>,
    /// How long before the first of these.
    pub backoff: Option<Duration>,
    /// As `--stdin` takes it. In rq's listings `stdin/42`, a file below the directory of rq's queue.
    pub stdin: Option<String>,
    /// As `--data` takes it. In rq's listings `data/42`, as above.
    pub data: Option<PathBuf>,
    /// A file on the host that runs it. Never from a listing, where it is the file of the earlier job.
    pub stdout: Option<ByteString>,
    /// The same for standard error.
    pub stderr: Option<ByteString>,
    /// When to tell the owner.
    pub mail: Option<MailWish>,
    /// A job for each of these indexes.
    pub array: Option<Array>,
    /// Only when these have ended.
    pub after: Option<Vec<Written>>,
    /// What to do when it has ended.
    pub notify: Option<ByteString>,
    /// How long it may run, seconds.
    pub time: Option<u64>,
    /// A signal before that is over.
    pub warn: Option<Warn>,
    /// Seconds from TERM to KILL then.
    pub grace_s: Option<u64>,
    /// How many bytes of memory it may have.
    pub memory: Option<u64>,
    /// Where it runs.
    pub directory: Option<ByteString>,
    /// Variables besides or instead of those it would have; names without `=`, each once.
    pub environment: Option<Vec<(String, String)>>,
    /// Other commands for other kinds of host.
    pub variants: Vec<Variant>,
    /// How many slots it takes.
    pub cpus: Option<u32>,
    /// What its host must offer.
    pub need: Option<Vec<Need>>,
    /// Change the job that waits with the same command and tags instead of adding one.
    pub unique: Option<bool>,
}

impl Deref for Record {
    type Target = Said;

    fn deref(&self) -> &Said {
        self.said.as_deref().unwrap_or(&NOTHING_SAID)
    }
}

impl Command {
    /// What is really started.
    pub fn into_argv(self) -> Vec<ByteString> {
        match self {
            Self::Shell(text) => vec!["/bin/sh".into(), "-c".into(), ByteString(text.into_bytes())],
            Self::Argv(argv) => argv,
        }
    }
}

/// Whether a job has a field of this name.
pub fn is_field(name: &str) -> bool {
    fields::field(name).is_some()
}

/// The job that a value describes.
pub fn of_value(value: Value, line: usize) -> Result<Record, Problem> {
    let offset = value.offset;
    let mut draft = Draft::default();
    for entry in value.map("a job")? {
        draft.take(entry)?;
    }
    draft.finish(line, offset)
}

/// A record of which not everything is read.
struct Draft {
    said: Said,
    shell: Option<(usize, String)>,
    argv: Option<Vec<ByteString>>,
    /// Where it says who a mail goes to, and whom it names.
    mail_to: Option<(usize, String)>,
    is_listed: bool,
    host: Option<(usize, String)>,
    runner: Option<(usize, Vec<String>)>,
    state: Option<(usize, String)>,
}

impl Default for Draft {
    fn default() -> Self {
        let (shell, argv, mail_to, is_listed) = (None, None, None, false);
        Self { said: NOTHING, shell, argv, mail_to, is_listed, host: None, runner: None, state: None }
    }
}

impl Draft {
    fn take(&mut self, entry: Entry) -> Result<(), Problem> {
        let Entry { key, offset, value } = entry;
        let field = fields::field(&key).ok_or_else(|| Problem::at(offset, fields::unknown(&key)))?;
        if field == Field::Id {
            self.is_listed = true;
        }
        if value.shape == Shape::Nothing {
            return Ok(());
        }
        let place = value.offset;
        let said = &mut self.said;
        match field {
            Field::After => said.after = Some(wishes::after(value, &key)?).filter(|after| !after.is_empty()),
            // In a listing: which element of an array it was.
            Field::Array if matches!(value.shape, Shape::Map(_)) => {}
            Field::Array => said.array = Some(wishes::array(&value, &key)?),
            Field::Argv => self.argv = Some(wishes::argv(value, &key)?),
            Field::Command if matches!(value.shape, Shape::List(_)) => {
                return Err(value.is_not(&key, "a shell command (a list of words is \"argv\")"));
            }
            Field::Command => self.shell = Some((place, value.text(&key)?)),
            Field::Backoff => once(&mut said.backoff, wishes::backoff(value, &key)?, &key, offset)?,
            Field::Cpus => said.cpus = Some(wishes::cpus(&value, &key)?),
            Field::Data => said.data = Some(value.bytes(&key)?.as_os_str().into()),
            Field::Directory => said.directory = Some(value.bytes(&key)?),
            Field::Environment => said.environment = Some(wishes::environment(value, &key)?),
            Field::Grace => once(&mut said.grace_s, wishes::length(value, &key)?, &key, offset)?,
            Field::Memory => once(&mut said.memory, wishes::memory(value, &key)?, &key, offset)?,
            Field::Time => once(&mut said.time, wishes::time(value, &key)?, &key, offset)?,
            Field::Warn => once(&mut said.warn, wishes::warning(value, &key)?, &key, offset)?,
            Field::Limits => wishes::limits(value, &key, said)?,
            Field::Held => said.held = Some(value.truth(&key)?),
            Field::Hosts => said.hosts = Some(wishes::hosts(value, &key)?),
            Field::Mail => said.mail = Some(wishes::mail(value, &key)?),
            Field::MailTo => self.mail_to = Some((place, value.text(&key)?)),
            Field::Need => once(&mut said.need, wishes::needs(value, &key)?, &key, offset)?,
            Field::Notify => said.notify = Some(wishes::notify(value, &key)?),
            Field::Name => said.name = Some(value.text(&key)?),
            Field::Priority => said.priority = Some(wishes::priority(&value, &key)?),
            Field::Queue => said.queue = Some(value.text(&key)?),
            Field::Restartable => said.restartable = Some(value.truth(&key)?),
            Field::Retries => said.retries = Some(value.whole(&key, "a whole number from 0")?),
            Field::Stderr => said.stderr = Some(value.bytes(&key)?),
            Field::Stdin => said.stdin = Some(value.text(&key)?),
            Field::Stdout => said.stdout = Some(value.bytes(&key)?),
            Field::Tags => once(&mut said.tags, wishes::tags(value, &key)?, &key, offset)?,
            Field::Unique => said.unique = Some(value.truth(&key)?),
            Field::Variants => said.variants = wishes::variants(value, &key)?,
            Field::Host => self.host = Some((offset, value.text(&key)?)),
            Field::Runner => self.runner = Some((offset, wishes::hosts(value, &key)?)),
            Field::State => self.state = Some((place, value.text(&key)?)),
            Field::Kind if matches!(&value.shape, Shape::Text(kind) if kind == "session") => {
                let message = "this is a session that has ended, and no job; \"queue query ended\" lists jobs only";
                return Err(Problem::at(place, message));
            }
            Field::Id | Field::Kind | Field::Past => {}
        }
        Ok(())
    }

    fn finish(mut self, line: usize, offset: usize) -> Result<Record, Problem> {
        self.settle_state()?;
        self.settle_hosts()?;
        self.settle_mail()?;
        let command = self.command(offset)?;
        if self.is_listed {
            (self.said.stdout, self.said.stderr) = (None, None);
        }
        Ok(Record { line, command, said: (self.said != NOTHING).then(|| Box::new(self.said)) })
    }

    /// What was held is not started by being submitted again. Other states are history.
    fn settle_state(&mut self) -> Result<(), Problem> {
        let Some((place, state)) = &self.state else { return Ok(()) };
        match state.as_str() {
            "held" | "holding" => _ = self.said.held.get_or_insert(true),
            "pending" => {}
            _ if self.is_listed || PAST.contains(&state.as_str()) => {}
            _ => {
                let message = format!("state: {} is none; a job is submitted as held or pending", shown(state));
                return Err(Problem::at(*place, message));
            }
        }
        Ok(())
    }

    /// Where a job ran is not where the new one has to run.
    fn settle_hosts(&mut self) -> Result<(), Problem> {
        let state = self.state.as_ref().map(|(_, state)| state.as_str());
        let is_past = self.is_listed || state.is_some_and(|state| PAST.contains(&state));
        if let (Some((place, host)), false) = (&self.host, is_past) {
            let message = format!("\"host\" is where a job ran; for where it shall run say hosts: [{host}]");
            return Err(Problem::at(*place, message));
        }
        let Some((place, hosts)) = self.runner.take() else { return Ok(()) };
        match state {
            Some("pending" | "holding" | "held") if self.said.hosts.is_none() => self.said.hosts = Some(hosts),
            Some(_) => {}
            None => {
                let message = "\"runner\" is where a job may run while it waits, and where it ran afterwards; without \
                               \"state\" it can be either; say \"hosts\" for where it shall run, or leave it out";
                return Err(Problem::at(place, message));
            }
        }
        Ok(())
    }

    fn settle_mail(&mut self) -> Result<(), Problem> {
        let Some((place, to)) = self.mail_to.take() else { return Ok(()) };
        match &mut self.said.mail {
            Some(wish) if wish.to.is_some() => Err(Problem::at(place, "mail_to: \"mail\" names somebody already")),
            Some(wish) if wish.start || wish.end || wish.failure => {
                wish.to = Some(to);
                Ok(())
            }
            _ => Err(Problem::at(place, "mail_to says to whom and not when; say also mail: end")),
        }
    }

    /// `argv` is what was run; `command` beside it is how that is shown.
    fn command(&mut self, offset: usize) -> Result<Command, Problem> {
        if let Some(argv) = self.argv.take().filter(|argv| !argv.is_empty()) {
            let bytes = argv.iter().map(|word| word.0.len()).sum::<usize>();
            return match bytes > LONGEST_LINE {
                true => Err(Problem::at(offset, "argv: a command has at most 1 MiB")),
                false => Ok(Command::Argv(argv)),
            };
        }
        match self.shell.take() {
            None => Err(Problem::at(offset, "this job says neither \"command\" nor \"argv\"")),
            Some((place, text)) if text.trim().is_empty() => Err(Problem::at(place, "command: this is empty")),
            Some((place, text)) if text.len() > LONGEST_LINE => {
                Err(Problem::at(place, "command: a command has at most 1 MiB"))
            }
            Some((place, text)) if text.len() >= SHORTENED && text.ends_with('…') => Err(Problem::at(
                place,
                "command: a listing has shortened this one; submit a listing that has the field argv as well",
            )),
            Some((_, text)) => Ok(Command::Shell(text)),
        }
    }
}

/// For fields with two names.
fn once<T>(slot: &mut Option<T>, value: T, key: &str, offset: usize) -> Result<(), Problem> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Problem::at(offset, format!("\"{key}\" is said twice, under two names"))),
    }
}

static NOTHING_SAID: Said = NOTHING;

const NOTHING: Said = Said {
    queue: None,
    hosts: None,
    priority: None,
    tags: None,
    name: None,
    held: None,
    restartable: None,
    retries: None,
    backoff: None,
    stdin: None,
    data: None,
    stdout: None,
    stderr: None,
    mail: None,
    array: None,
    after: None,
    notify: None,
    time: None,
    warn: None,
    grace_s: None,
    memory: None,
    directory: None,
    environment: None,
    variants: Vec::new(),
    cpus: None,
    need: None,
    unique: None,
};

/// States of jobs that were, ours and rq's.
const PAST: [&str; 4] = ["running", "finished", "dead", "cancelled"];

/// Bytes from which a listing shortens a command.
const SHORTENED: usize = 200;
