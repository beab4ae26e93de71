//! Who watches over a queue is told what happens in it: lines in a file, or letters that gather them.
//!
//! It is a log and no promise: what cannot be written is dropped and counted, and nothing waits for it. Reports to
//! the owners of jobs are the spool's affair.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use jiff::Zoned;
use wire::session::{End, Outcome as Ending};

use crate::core::reports::{Letter, figures, plain};
use crate::daemon::Daemon;
use crate::daemon::mail::Outcome;
use crate::profile::words::Supervisor;

/// What has happened.
pub enum Event<'a> {
    /// A job has started; how long it had waited, microseconds, if that is known.
    Start { waited_us: Option<u64> },
    /// A job has ended by itself; none: with its host, its leader or its lease, or because somebody ended it.
    End { end: Option<&'a End> },
}

/// The lines on their way.
#[derive(Default)]
pub struct Supervisors {
    /// To the thread that writes files.
    writer: RefCell<Option<mpsc::SyncSender<(PathBuf, String)>>>,
    /// By address.
    letters: RefCell<BTreeMap<String, Gathered>>,
}

#[derive(Default)]
struct Gathered {
    lines: Vec<String>,
    more: u64,
}

impl super::Queues {
    /// Something has happened with a job in a queue, by any of its names.
    pub fn job_did(&self, daemon: &Rc<Daemon>, queue: &str, job: &str, user: &str, event: &Event<'_>) {
        let (supervisor, letters) = {
            let known = self.known.borrow();
            let Some(found) = known.queues.get(queue) else { return };
            let Some(supervisor) = found.effective.supervisor.value.clone() else { return };
            (supervisor, found.effective.mailsupervisor.value)
        };
        let is_wanted = match (&supervisor, event) {
            (Supervisor::File(_), _) => true,
            (Supervisor::Address(_), Event::Start { .. }) => letters.start,
            (Supervisor::Address(_), Event::End { end: Some(_) }) => letters.end,
            (Supervisor::Address(_), Event::End { end: None }) => letters.end || letters.crash,
        };
        if is_wanted {
            self.tell(daemon, &supervisor, queue, &format!("{} {job} {user} {}", word(event), words(event)));
        }
    }

    /// Something has happened with a queue itself.
    pub fn queue_did(&self, daemon: &Rc<Daemon>, queue: &str, supervisor: Option<&Supervisor>, what: &str) {
        if let Some(supervisor) = supervisor {
            self.tell(daemon, supervisor, queue, what);
        }
    }

    fn tell(&self, daemon: &Rc<Daemon>, supervisor: &Supervisor, queue: &str, what: &str) {
        let now = Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        let line = plain::line(&format!("{now} {} {queue} {what}", daemon.host), LONGEST);
        match supervisor {
            Supervisor::File(path) => self.supervisors.write(path, line),
            Supervisor::Address(address) => self.supervisors.gather(daemon, address, line),
        }
    }
}

impl Supervisors {
    fn write(&self, path: &Path, line: String) {
        let mut writer = self.writer.borrow_mut();
        let sender = writer.get_or_insert_with(begin);
        if sender.try_send((path.to_owned(), line)).is_err() {
            tracing::warn!("{} is written too slowly: a line of the supervisor's is dropped", path.display());
        }
    }

    fn gather(&self, daemon: &Rc<Daemon>, address: &str, line: String) {
        let mut letters = self.letters.borrow_mut();
        let is_first = !letters.contains_key(address);
        let gathered = letters.entry(address.to_owned()).or_default();
        if gathered.lines.len() < MOST_LINES {
            gathered.lines.push(line);
        } else {
            gathered.more += 1;
        }
        if is_first {
            let (daemon, address) = (daemon.clone(), address.to_owned());
            tokio::task::spawn_local(async move {
                tokio::time::sleep(GATHERING).await;
                let gathered = daemon.queues.supervisors.letters.borrow_mut().remove(&address);
                if let Some(gathered) = gathered {
                    send(&daemon, &address, gathered).await;
                }
            });
        }
    }
}

async fn send(daemon: &Rc<Daemon>, address: &str, gathered: Gathered) {
    let Gathered { mut lines, more } = gathered;
    let count = lines.len() as u64 + more;
    if more > 0 {
        lines.push(format!("... and {more} more, which are not kept"));
    }
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let subject = match count {
        // Without the time: that stands in the letter's own header.
        1 => format!("queue: {}", first.split_once(' ').map_or(first, |(_, rest)| rest)),
        _ => format!("queue on {}: {count} events", daemon.host),
    };
    let random = crate::daemon::batch::now_us();
    let letter = Letter {
        user: daemon.user_of(sys::credentials::own_uid()),
        to: Some(address.to_owned()),
        subject: plain::line(&subject, 200),
        message_id: format!("<supervisor.{random}.{}@{}.queue>", std::process::id(), daemon.host),
        body: lines.join("\n") + "\n",
        attachments: Vec::new(),
    };
    let mailer = daemon.batch.reports.mailer();
    let mut pause = FIRST_PAUSE;
    for _ in 0..TRIES {
        match mailer.deliver(&letter, DEADLINE).await {
            Outcome::Accepted => return,
            Outcome::Refused(why) => return tracing::error!("{count} lines for {address} are lost: {why}"),
            Outcome::Later(why) => tracing::warn!("{count} lines for {address} wait: {why}"),
        }
        tokio::time::sleep(pause).await;
        pause *= 4;
    }
    tracing::error!("{count} lines for {address} are lost: nobody took them");
}

/// The thread that writes files: a dead file server holds up nobody else.
fn begin() -> mpsc::SyncSender<(PathBuf, String)> {
    let (sender, lines) = mpsc::sync_channel::<(PathBuf, String)>(MOST_LINES);
    let write = move || {
        while let Ok((path, line)) = lines.recv() {
            let opened = OpenOptions::new().append(true).create(true).mode(0o640).open(&path);
            if let Err(error) = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())) {
                tracing::error!("the supervisor's file {} cannot be written: {error}", path.display());
            }
        }
    };
    // Without it lines are dropped, and that is told.
    let _ = std::thread::Builder::new().name("supervisor".into()).spawn(write);
    sender
}

fn word(event: &Event<'_>) -> &'static str {
    match event {
        Event::Start { .. } => "START",
        Event::End { .. } => "END",
    }
}

fn words(event: &Event<'_>) -> String {
    match event {
        Event::Start { waited_us: None } => String::new(),
        Event::Start { waited_us: Some(waited) } => format!("after {}", figures::duration(*waited)),
        Event::End { end: None } => "without an end of its own".to_owned(),
        Event::End { end: Some(End { outcome, usage, .. }) } => {
            let how = match outcome {
                Ending::Exited(code) => format!("exit {code}"),
                Ending::Killed { signal, core: true } => format!("{signal} (core dumped)"),
                Ending::Killed { signal, core: false } => signal.clone(),
            };
            let cpu = figures::duration(usage.user_us.saturating_add(usage.system_us));
            format!("{how}, {cpu} CPU in {}", figures::duration(usage.wall_us))
        }
    }
}

/// Lines that wait to be written, or for one letter.
const MOST_LINES: usize = 1000;
const LONGEST: usize = 500;
/// A letter has all that happens in so long.
const GATHERING: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const TRIES: u32 = 5;
