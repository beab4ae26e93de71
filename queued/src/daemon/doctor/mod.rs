//! What the daemon knows of itself for `queue doctor`: facts are collected here, [`checks`] say what is wrong with
//! them. Nothing is changed, and no file of a user's is opened.

mod checks;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use spool::home::State;
use spool::store::{Reader, Soundness, SqliteReader};
use wire::keeping::DoctorAnswer;
use wire::news::HostRow;

use super::Daemon;
use super::mail::Sink;
use crate::config::Settings;

/// What the checks look at.
struct Facts {
    host: String,
    process: u32,
    now_us: i64,
    /// What a look through the spool has found, or why there was none.
    spool: Result<Soundness, String>,
    /// How long the spool's log is.
    log_bytes: u64,
    /// The log of the daemon, for who wants to read more.
    log: String,
    /// Jobs of the user that run, and where.
    running: Vec<(u64, String)>,
    hosts: Vec<HostRow>,
    /// What reading the configuration again would come to.
    configuration: Result<(), String>,
    sink: Sink,
    /// What keeps the sink from taking anything.
    sink_fault: Option<String>,
    key: Option<Key>,
    runner: Runner,
    /// The daemon's program was replaced by another since it was started.
    replaced: bool,
}

/// The file with the cluster's key.
struct Key {
    path: String,
    /// Owner and mode, or why it cannot be looked at.
    found: Result<(u32, u32), String>,
    own_uid: u32,
}

/// The user's runner.
#[derive(Clone, Copy)]
enum Runner {
    /// It is not needed.
    None,
    /// With so many sessions.
    Answers(usize),
    /// It is connected and says nothing.
    Silent,
    /// It has gone, and jobs run that it ought to watch.
    Gone,
}

/// Looks at everything, for a user.
pub async fn look(daemon: &Rc<Daemon>, uid: u32) -> DoctorAnswer {
    let user = daemon.user_of(uid);
    let spool = daemon.batch.store.ask_apart(SqliteReader::check).await.map_err(|error| error.to_string());
    let running = daemon.batch.store.ask(Reader::unsettled).unwrap_or_default();
    let running = running.iter().filter(|brief| brief.user == user).filter_map(|brief| match brief.state() {
        State::Running(run) => Some((brief.id().number(), run.place.host.clone())),
        _ => None,
    });
    let state = &daemon.places.state;
    let key = daemon.settings.borrow().key.as_deref().map(key);
    let configuration = Settings::read(&daemon.places.configuration(), &sys::host::name());
    let sink = daemon.batch.reports.mailer().sink().clone();
    let facts = Facts {
        host: daemon.host.clone(),
        process: std::process::id(),
        now_us: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64),
        spool,
        log_bytes: fs::metadata(state.join("spool.sqlite-wal")).map_or(0, |found| found.len()),
        log: state.join("log").display().to_string(),
        running: running.collect(),
        hosts: daemon.host_rows(),
        configuration: configuration.map(drop).map_err(|error| format!("{error:#}")),
        sink_fault: sink_fault(&sink),
        sink,
        key,
        runner: runner(daemon, uid).await,
        replaced: fs::read_link("/proc/self/exe").is_ok_and(|path| path.to_string_lossy().ends_with(" (deleted)")),
    };
    DoctorAnswer {
        host: daemon.host.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        state: state.clone().into_os_string().into(),
        findings: checks::findings(&facts),
    }
}

async fn runner(daemon: &Rc<Daemon>, uid: u32) -> Runner {
    match daemon.runners.connected(uid) {
        Some(link) => link.list().await.map_or(Runner::Silent, |sessions| Runner::Answers(sessions.len())),
        None if daemon.batch.has_attempts(uid) => Runner::Gone,
        None => Runner::None,
    }
}

fn key(path: &Path) -> Key {
    let found = fs::metadata(path).map(|found| (found.uid(), found.mode() & 0o7777));
    Key {
        path: path.display().to_string(),
        found: found.map_err(|error| error.to_string()),
        own_uid: sys::credentials::own_uid(),
    }
}

/// What can be seen without sending anything.
fn sink_fault(sink: &Sink) -> Option<String> {
    match sink {
        // Whether it answers is seen by its letters only.
        Sink::Smtp(_) => None,
        Sink::Sendmail(program) => match fs::metadata(program) {
            Ok(found) if found.is_file() && found.mode() & 0o111 != 0 => None,
            Ok(_) => Some("it is no program".to_owned()),
            Err(error) => Some(error.to_string()),
        },
        Sink::Maildir(directory) => {
            // It is made with the first letter.
            let there = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
            let writable = nix::unistd::access(there, nix::unistd::AccessFlags::W_OK).map_err(io::Error::from);
            writable.err().map(|error| format!("cannot write to {}: {error}", there.display()))
        }
    }
}
