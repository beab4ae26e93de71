//! Batch jobs: this host as their home and as one that runs them.
//!
//! What is promised is in the spool before anybody is told (see the crate `spool` for the states). The files of
//! jobs are the runners' affair: the daemon passes their bytes on and opens none of them.

mod api;
mod arrays;
mod change;
mod contents;
mod control;
mod delivery;
mod doubts;
mod follow;
mod host;
mod keeping;
mod lacks;
mod lease;
mod line;
mod lists;
mod notices;
mod output;
pub mod past;
mod place;
mod policy;
mod reports;
mod settled;
mod store;
mod submit;
mod trees;
mod unneeded;
mod waiters;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use spool::JobId;
use spool::home::Place;
use spool::store::{Change, Reader, SpoolError};
use wire::api::{Refusal, RefusalKind};

use crate::core::admission::Key;
use crate::core::names::HostName;
use crate::daemon::Daemon;
use crate::daemon::mail::Mailer;
use crate::link::AttemptKey;
pub use api::{answer, from_host};
pub use store::{Store, apart};

/// What the daemon has in memory about batch jobs; all of it can be made anew from the spool.
pub struct Batch {
    /// The spool.
    pub store: Store,
    line: line::Line,
    trees: RefCell<trees::Trees>,
    waiters: waiters::Waiters,
    keeping: keeping::Keeping,
    unneeded: unneeded::Unneeded,
    past: past::Untold,
    /// Reports on their way to their owners.
    pub reports: reports::Reports,
    /// What owners' runners are to do at the ends of jobs.
    notices: notices::Notices,
    /// Attempts that this host runs, released to a runner.
    hosted: RefCell<HashMap<AttemptKey, host::Hosted>>,
    /// Attempts that a runner has made ready and nobody has released yet.
    prepared: RefCell<HashMap<Key, host::Hosted>>,
    /// Attempts on other hosts of which home does not know how they stand.
    doubts: doubts::Doubts,
    /// Spools of hosts that are ready for a job.
    reserved: RefCell<HashMap<(u64, HostName), spool::SpoolId>>,
    /// Attempts whose output is on its way.
    delivering: RefCell<HashSet<AttemptKey>>,
    /// A moment is waited for before starts are written down.
    writes_starts: Cell<bool>,
    /// Leases of restartable attempts.
    leases: RefCell<lease::Leases>,
}

impl Batch {
    /// With nothing in hand yet.
    pub fn new(store: Store, mailer: Mailer) -> Self {
        Self {
            store,
            line: line::Line::default(),
            trees: RefCell::default(),
            waiters: waiters::Waiters::default(),
            keeping: keeping::Keeping::default(),
            past: past::Untold::default(),
            unneeded: unneeded::Unneeded::default(),
            reports: reports::Reports::new(mailer),
            notices: notices::Notices::default(),
            hosted: RefCell::default(),
            prepared: RefCell::default(),
            doubts: doubts::Doubts::default(),
            reserved: RefCell::default(),
            delivering: RefCell::default(),
            writes_starts: Cell::new(false),
            leases: RefCell::default(),
        }
    }
}

impl Batch {
    /// Before anything else: what a boot has ended, and from which number on jobs are counted.
    ///
    /// # Errors
    /// The spool cannot be used.
    pub async fn begin(&self, daemon: &Rc<Daemon>) -> anyhow::Result<()> {
        let boot = sys::process::boot_id()?;
        self.store.write(vec![Change::Booted { boot }]).await?;
        let last = self.store.ask(|reader| reader.last_id())?;
        daemon.ids.skip_to(last + 1)
    }

    /// When the runners that were left have said what they hold: every attempt is settled with the spool, and then
    /// those who wait get into line.
    pub async fn resume(&self, daemon: &Rc<Daemon>) {
        self.find_attempts(daemon).await;
        self.settle(daemon).await;
        self.fill(daemon);
        let watching = daemon.clone();
        tokio::task::spawn_local(async move { watching.batch.watch(&watching).await });
        let settling = daemon.clone();
        tokio::task::spawn_local(async move { settling.batch.watch_settled(&settling).await });
        let sending = daemon.clone();
        tokio::task::spawn_local(async move { sending.batch.send_reports(&sending).await });
        let telling = daemon.clone();
        tokio::task::spawn_local(async move { telling.batch.send_notices(&telling).await });
        let keeping = daemon.clone();
        tokio::task::spawn_local(async move { keeping.batch.keep(&keeping).await });
    }
}

/// Microseconds since 1970.
pub fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// An attempt of a job, as runners and hosts are told of it.
fn key_of(home: &str, job: JobId, place: &Place) -> AttemptKey {
    AttemptKey { home: home.to_owned(), job_id: job.number(), attempt: place.attempt.number() }
}

fn failed(message: impl Into<String>) -> Refusal {
    Refusal { kind: RefusalKind::Failed, message: message.into() }
}

fn spool_failed(error: &SpoolError) -> Refusal {
    match error {
        SpoolError::Full(_) => Refusal { kind: RefusalKind::Full, message: format!("{error}; try again later") },
        SpoolError::Failed(_) | SpoolError::Refused(_) => failed(error.to_string()),
    }
}
