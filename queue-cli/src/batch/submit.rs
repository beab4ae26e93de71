//! `queue -r` and `queue submit`: everything is read and checked first, then signed, then sent; what was
//! interrupted is sent again under the same key.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write, stderr, stdin, stdout};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use wire::ByteString;
use wire::api::JobName;
use wire::array::Array;
use wire::batch::{Batch, Content, SubmitHeader, SubmitLine, Submitted, Wishes};
use wire::identity::{SecretKey, Warrant};
use wire::job::Job;

use super::contents;
use super::jobs;
use crate::arguments::batch::{BatchOptions, FIRST_BACKOFF, Source, Submit};
use crate::arguments::limits;
use crate::daemon::Daemon;
use crate::end::Ending;
use crate::failure::{Failure, words};
use crate::http::{Exchange, HttpError};
use crate::job;
use crate::job_table::Style;
use crate::modes::{Here, Plan, Pty};
use crate::place::refused;
use crate::records::{self, Command, Record};
use crate::voucher;

/// Submits; returns how this process is to end.
pub fn run(submit: &Submit) -> Result<Ending, Failure> {
    let daemon = Daemon::of_user();
    let is_one = matches!(submit.source, Source::Command(_));
    let records = read(submit)?;
    if records.is_empty() {
        return Err(Failure::usage("no jobs were given; nothing was submitted"));
    }
    let mut maker = Maker::new(&daemon, submit)?;
    let jobs = records.into_iter().map(|record| maker.line(record)).collect::<Result<Vec<_>, _>>()?;
    let sizes = jobs.iter().map(|line| elements(&maker.commons, line)).collect::<Vec<_>>();
    let total = sizes.iter().sum::<u64>() as usize;
    let bar = bar(total);
    let mut ids = Vec::new();
    for some in portions(&jobs, &maker.commons) {
        let submitted = match send(&daemon, &maker.commons, some) {
            Ok(submitted) => submitted,
            Err(failure) if ids.is_empty() => return Err(failure),
            Err(failure) => {
                // What is on disk is named, whatever came after it.
                bar.finish_and_clear();
                say(&ids, total, is_one, &submit.options, &submit.run.queue)?;
                let message = format!("only the jobs above were submitted; the others were not: {}", failure.message);
                return Err(Failure { message, ..failure });
            }
        };
        bar.inc(some.iter().map(|line| elements(&maker.commons, line)).sum());
        ids.extend(submitted.ids);
    }
    bar.finish_and_clear();
    say(&ids, total, is_one, &submit.options, &submit.run.queue)?;
    if submit.options.wait {
        let names = ids.iter().flat_map(|(first, count)| *first..first + count);
        let names = names.map(|id| JobName { id, home: None }).collect::<Vec<_>>();
        let code = if names.len() == 1 { jobs::Code::Own } else { jobs::Code::AnyFailed };
        return jobs::wait_for(&daemon, names, code, |_| Ok(()));
    }
    Ok(Ending::Code(0))
}

/// How many jobs a line stands for.
fn elements(commons: &[Job], line: &SubmitLine) -> u64 {
    array_of(commons, line).and_then(|array| array.count()).unwrap_or(1)
}

fn array_of(commons: &[Job], line: &SubmitLine) -> Option<Array> {
    commons.get(line.common)?.batch.as_ref()?.array
}

/// What is submitted at once: an array by itself, and others up to a number.
fn portions<'a>(lines: &'a [SubmitLine], commons: &[Job]) -> Vec<&'a [SubmitLine]> {
    let is_array = |line: &SubmitLine| array_of(commons, line).is_some();
    let alike = lines.chunk_by(|one, other| !is_array(one) && !is_array(other));
    alike.flat_map(|some| some.chunks(MOST_AT_ONCE)).collect()
}

fn bar(total: usize) -> ProgressBar {
    if total < WORTH_A_BAR || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("submitting  {human_pos} of {human_len}  {bar:40}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// The result: ids for programs, a sentence for people where there are many.
fn say(ids: &[(u64, u64)], total: usize, is_one: bool, options: &BatchOptions, queue: &str) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(stdout());
    let said = if is_one && options.array.is_some() && options.style != Style::Parsable {
        // As every command takes it.
        ids.iter().try_for_each(|(first, count)| match count {
            1 => writeln!(out, "{first}"),
            _ => writeln!(out, "{first}-{}", first + count - 1),
        })
    } else if is_one || options.style == Style::Parsable || !stdout().is_terminal() {
        ids.iter().flat_map(|(first, count)| *first..first + count).try_for_each(|id| writeln!(out, "{id}"))
    } else {
        let ranges = ids.iter().take(SHOWN_RANGES).map(|(first, count)| match count {
            1 => first.to_string(),
            _ => format!("{first} to {}", first + count - 1),
        });
        let mut ranges = ranges.collect::<Vec<_>>().join(", ");
        if ids.len() > SHOWN_RANGES {
            ranges.push_str(", ...");
        }
        let jobs =
            if total == 1 { "1 job".to_owned() } else { format!("{} jobs", indicatif::HumanCount(total as u64)) };
        writeln!(out, "{jobs}: {ranges} (queue {queue})")
    };
    said.and_then(|()| out.flush()).map_err(|error| Failure::own(format!("cannot write the ids: {}", words(&error))))
}

fn read(submit: &Submit) -> Result<Vec<Record>, Failure> {
    if submit.options.array.is_some() && !matches!(submit.source, Source::Command(_)) {
        return Err(Failure::usage(
            "--array is about one command: queue submit --array 1-9 -- COMMAND; in a file each job says \"array\" itself",
        ));
    }
    let (name, bytes) = match &submit.source {
        Source::Command(command) => {
            let command = submit.run.environment.command(command);
            let argv = command.into_iter().map(ByteString::from).collect();
            return Ok(vec![Record { line: 1, command: Command::Argv(argv), said: None }]);
        }
        Source::File(path) => {
            let unreadable = |error| Failure::usage(format!("cannot read {}: {}", path.display(), words(&error)));
            (path.display().to_string(), std::fs::read(path).map_err(unreadable)?)
        }
        Source::Input => {
            if submit.options.stdin.as_deref().is_some_and(|stdin| stdin == "-") {
                return Err(Failure::usage("standard input is either the jobs or their input: name a file for one"));
            }
            if stdin().is_terminal() {
                eprintln!("queue: reading jobs from the terminal, one command on each line; ^D ends");
            }
            let mut bytes = Vec::new();
            let read = stdin().lock().take(MOST_INPUT).read_to_end(&mut bytes);
            read.map_err(|error| Failure::own(format!("cannot read standard input: {}", words(&error))))?;
            ("standard input".to_owned(), bytes)
        }
    };
    records::read(&name, &bytes, submit.format)
}

/// Makes jobs of records: what they have in common is said once.
struct Maker<'a> {
    daemon: &'a Daemon,
    submit: &'a Submit,
    base: Job,
    commons: Vec<Job>,
    known: HashMap<String, usize>,
    contents: HashMap<OsString, Content>,
    /// The common part of everything that says nothing of its own.
    plain: Option<usize>,
}

impl<'a> Maker<'a> {
    fn new(daemon: &'a Daemon, submit: &'a Submit) -> Result<Self, Failure> {
        let plan = Plan::new(Pty::None, [Here::NoTerminal; 3]);
        let mut base = job::describe(&submit.run, &plan, daemon.host())?;
        base.argv.clear();
        base.submit_key.clear();
        base.hosts.clone_from(&submit.options.hosts);
        at_home(&mut base);
        let (commons, known, contents) = (Vec::new(), HashMap::new(), HashMap::new());
        Ok(Self { daemon, submit, base, commons, known, contents, plain: None })
    }

    fn line(&mut self, record: Record) -> Result<SubmitLine, Failure> {
        let options = &self.submit.options;
        let wishes = Wishes {
            priority: record.priority.unwrap_or(options.priority),
            name: record.name.clone().or_else(|| options.name.clone()),
            tags: record.tags.clone().unwrap_or_else(|| options.tags.clone()),
            mail: record.mail.clone().or_else(|| options.mail.clone()),
            held: record.held.unwrap_or(options.held),
            unique: record.unique.unwrap_or(options.unique),
            after: self.after(record.after.as_ref().unwrap_or(&options.after))?,
        };
        if wishes.unique && record.array.or(options.array).is_some() {
            return Err(Failure::usage(
                "the elements of an array are never the same job as another: leave out \"unique\"",
            ));
        }
        let common = match (&record.said, self.plain) {
            (None, Some(plain)) => plain,
            _ => self.common(&record)?,
        };
        if record.said.is_none() {
            self.plain = Some(common);
        }
        Ok(SubmitLine { common, argv: record.command.into_argv(), wishes })
    }

    /// The common part for a record, made where there is none like it.
    fn common(&mut self, record: &Record) -> Result<usize, Failure> {
        let options = &self.submit.options;
        let mut job = self.base.clone();
        if let Some(queue) = &record.queue {
            job.queue.clone_from(queue);
        }
        if let Some(hosts) = &record.hosts {
            job.hosts.clone_from(hosts);
            at_home(&mut job);
        }
        if let Some(directory) = &record.directory {
            job.directory = self.seen_from_here(directory);
        }
        for (name, value) in record.environment.iter().flatten() {
            let prefix = format!("{name}=");
            job.environment.retain(|entry| !entry.0.starts_with(prefix.as_bytes()));
            job.environment.push(ByteString(format!("{prefix}{value}").into_bytes()));
        }
        if record.cpus.is_some() || record.need.is_some() {
            let needs = job.needs.get_or_insert_default();
            needs.cpus = record.cpus.or(needs.cpus);
            needs.named = record.need.clone().unwrap_or_else(|| std::mem::take(&mut needs.named));
        }
        job.memory = record.memory.or(job.memory);
        if record.time.is_some() || record.warn.is_some() || record.grace_s.is_some() {
            let option = job.time.take();
            let option = option.as_ref();
            let time = record.time.or(option.map(|time| time.seconds));
            let warn = record.warn.clone().or_else(|| option.and_then(|time| time.warn.clone()));
            let grace_s = record.grace_s.or(option.and_then(|time| time.grace_s));
            let line = record.line;
            job.time = limits::together(time, warn, grace_s)
                .map_err(|why| Failure::usage(format!("line {line}: {why}; nothing was submitted")))?;
        }
        let stdin = record.stdin.clone().map(OsString::from).or_else(|| options.stdin.clone());
        let data = record.data.clone().or_else(|| options.data.clone());
        let file = |said: &Option<ByteString>, option: &Option<OsString>| {
            said.clone().or_else(|| option.clone().map(ByteString::from))
        };
        let retries = record.retries.unwrap_or(options.retries);
        let usual = if retries > 0 { FIRST_BACKOFF } else { Duration::ZERO };
        let backoff = record.backoff.or(options.backoff).unwrap_or(usual);
        job.batch = Some(Batch {
            restartable: record.restartable.unwrap_or(options.restartable),
            retries,
            backoff_s: u32::try_from(backoff.as_secs()).unwrap_or(u32::MAX),
            stdin: stdin.map(|stdin| self.stdin(&stdin)).transpose()?,
            data: data.map(|data| self.data(&data)).transpose()?,
            stdout: file(&record.stdout, &options.stdout),
            stderr: file(&record.stderr, &options.stderr),
            variants: record.variants.clone(),
            rq_variables: options.rq_variables,
            notify: file(&record.notify, &options.notify),
            array: record.array.or(options.array),
        });
        let text = serde_json::to_string(&job)
            .map_err(|error| Failure::own(format!("a job cannot be written down: {error}")))?;
        let next = self.commons.len();
        let number = *self.known.entry(text).or_insert(next);
        if number == next {
            self.commons.push(job);
        }
        Ok(number)
    }

    /// The jobs that one waits for, each by itself; they are of the own home.
    fn after(&self, written: &[wire::after::Written]) -> Result<Vec<wire::after::After>, Failure> {
        let mut all = Vec::new();
        for some in written {
            if let Some(home) = some.home.as_deref().filter(|home| !jobs::names(home, &self.base.home)) {
                let message = format!(
                    "a job waits only for jobs of its own home: job {} is {home}'s, and this one is {}'s",
                    some.first, self.base.home
                );
                return Err(Failure::usage(message));
            }
            all.extend(some.each().map_err(Failure::usage)?);
        }
        Ok(all)
    }

    fn seen_from_here(&self, directory: &ByteString) -> ByteString {
        let path = Path::new(self.base.directory.as_os_str()).join(directory.as_os_str());
        ByteString::from(path.into_os_string())
    }

    /// The input of a job: a file, this process's own, or that of a job before.
    fn stdin(&mut self, stdin: &OsString) -> Result<Content, Failure> {
        if let Some(known) = self.contents.get(stdin) {
            return Ok(known.clone());
        }
        let content = match stdin.as_bytes() {
            b"-" => contents::put(self.daemon, std::io::stdin().lock(), "standard input")?,
            [b'@', job @ ..] => contents::of_job(self.daemon, &String::from_utf8_lossy(job))?,
            _ => {
                let path = Path::new(stdin);
                let unreadable = |error| Failure::usage(format!("cannot read {}: {}", path.display(), words(&error)));
                contents::put(self.daemon, std::fs::File::open(path).map_err(unreadable)?, &path.display().to_string())?
            }
        };
        self.contents.insert(stdin.clone(), content.clone());
        Ok(content)
    }

    fn data(&mut self, data: &Path) -> Result<Content, Failure> {
        let key = [b"data:", data.as_os_str().as_bytes()].concat();
        let key = std::os::unix::ffi::OsStringExt::from_vec(key);
        if let Some(known) = self.contents.get(&key) {
            return Ok(known.clone());
        }
        let content = contents::put_tree(self.daemon, data)?;
        self.contents.insert(key, content.clone());
        Ok(content)
    }
}

/// `localhost` is what every host calls itself.
fn at_home(job: &mut Job) {
    for host in &mut job.hosts {
        if host == "localhost" {
            host.clone_from(&job.home);
        }
    }
}

/// Signs some jobs and sends them, again under the same key when the answer does not come.
fn send(daemon: &Daemon, commons: &[Job], lines: &[SubmitLine]) -> Result<Submitted, Failure> {
    let key = SecretKey::generate();
    let submit_key = job::submit_key()?;
    let environments = commons.iter().map(Job::environment_digest).collect::<Vec<_>>();
    let mut samples = commons.to_vec();
    let array = lines.first().filter(|_| lines.len() == 1).filter(|line| array_of(commons, line).is_some());
    let count = lines.iter().map(|line| elements(commons, line)).sum::<u64>() as usize;
    let mut digests = Vec::with_capacity(count);
    // Of an array the one line stands for all.
    for (number, line) in (0..count).zip(lines.iter().chain(array.into_iter().cycle())) {
        let sample = &mut samples[line.common];
        sample.submit_key = format!("{submit_key}/{number}");
        sample.argv.clone_from(&line.argv);
        digests.push(sample.digest_with(&environments[line.common]));
    }
    let warrant = Warrant::sign_each(&key, &digests).next();
    let warrant = warrant.ok_or_else(|| Failure::usage("no jobs were given"))?;
    let header = SubmitHeader {
        submit_key,
        count: lines.len() as u64,
        public_key: key.public_key(),
        root: warrant.root,
        signature: warrant.signature.to_vec(),
        certificate: voucher::certificate(daemon.runtime(), &key.public_key())?,
        commons: commons.to_vec(),
    };
    let unwritable = |error| Failure::own(format!("a job cannot be written down: {error}"));
    let mut body = serde_json::to_vec(&header).map_err(unwritable)?;
    body.push(b'\n');
    for line in lines {
        serde_json::to_writer(&mut body, line).map_err(unwritable)?;
        body.push(b'\n');
    }
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        let exchange = daemon.try_ask("POST", "/v1/jobs", &body)?;
        let deadline = std::time::Instant::now() + PATIENCE;
        let whole = |mut exchange: Exchange| Ok((exchange.status(deadline)?, exchange.whole(deadline)?));
        match exchange.and_then(whole) {
            Ok((200, answer)) => {
                return serde_json::from_slice(&answer)
                    .map_err(|error| Failure::own(format!("the answer of the daemon makes no sense: {error}")));
            }
            // Its disk has failed it, and whether it was written down shows when the next one has started.
            Ok((IT_ENDS, answer)) if attempt == MOST_ATTEMPTS => return Err(refused(IT_ENDS, &answer)),
            Ok((IT_ENDS, _)) => std::thread::sleep(pause),
            Ok((status, answer)) => return Err(refused(status, &answer)),
            // Whether it was written down is not known; under the same key it is the same submission.
            Err(error) if attempt == MOST_ATTEMPTS || matches!(error, HttpError::Silent) => {
                return Err(daemon.said(&error));
            }
            Err(_) => std::thread::sleep(pause),
        }
        pause *= 2;
    }
    Err(Failure::own("the daemon does not answer"))
}

/// Jobs in one submission: what a daemon keeps of a large one in memory is bounded by this.
const MOST_AT_ONCE: usize = 100_000;
const MOST_INPUT: u64 = 1 << 30;
const WORTH_A_BAR: usize = 20_000;
const SHOWN_RANGES: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MOST_ATTEMPTS: u32 = 6;
/// The status of a daemon that ends because it cannot know what is on its disk.
const IT_ENDS: u16 = 503;
/// A large submission is read, checked and synced before the answer.
const PATIENCE: Duration = Duration::from_secs(120);
