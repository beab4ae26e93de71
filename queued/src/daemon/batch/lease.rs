//! Leases of restartable attempts: granted by the home, kept by the host, and over for certain before the next attempt.
//!
//! A lease and a quarter of it are what the queue's `lost-after` says.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use spool::home::Event;
use spool::store::{Brief, Change, Outcome, StepChange};
use spool::{Attempt, JobId};
use wire::attempts::{LeaseAnswer, LeaseRequest};

use super::{Batch, now_us};
use crate::core::time::Millis;
use crate::daemon::Daemon;
use crate::daemon::authority::replace_file;
use crate::link::{AttemptKey, ToRunner};
use crate::profile::size::After;

/// What a home has granted.
#[derive(Default)]
pub struct Leases {
    /// When each attempt's is over for certain.
    over: HashMap<(u64, u64), Millis>,
    /// The longest of each queue, milliseconds, as it is on disk: a restarted home knows nothing else of what it
    /// granted, and the profile may have been another then.
    longest: BTreeMap<String, u64>,
}

impl Leases {
    /// Of an attempt nobody needs to know any more.
    pub fn forget(&mut self, job: u64) {
        self.over.retain(|(known, _), _| *known != job);
    }
}

/// How long restartable attempts of a queue may run without a word of their home.
pub fn length(daemon: &Rc<Daemon>, queue: &str) -> Duration {
    match daemon.queues.effective(daemon, queue).map(|effective| effective.lost_after.value) {
        Some(After::For(length)) => (length / 5 * 4).max(SHORTEST),
        Some(After::Never) => FOREVER,
        None => USUAL,
    }
}

impl Batch {
    /// Notes what is granted to an attempt of this home from now on; how long.
    pub(super) fn grant(&self, daemon: &Rc<Daemon>, brief: &Brief, attempt: Attempt) -> Duration {
        let length = length(daemon, &brief.queue);
        let ms = length.as_millis() as u64;
        let known = self.leases.borrow().longest.get(&brief.queue).copied().unwrap_or(USUAL.as_millis() as u64);
        if ms > known {
            let mut longest = self.leases.borrow().longest.clone();
            longest.insert(brief.queue.clone(), ms);
            let text = serde_json::to_vec(&longest).unwrap_or_default();
            if let Err(error) = replace_file(&daemon.places.state.join(FILE), text, 0o600) {
                tracing::error!("a lease is shorter than its queue says: {error:#}");
                self.is_over_after(daemon, brief, attempt, Duration::from_millis(known));
                return Duration::from_millis(known);
            }
            self.leases.borrow_mut().longest = longest;
        }
        self.is_over_after(daemon, brief, attempt, length);
        length
    }

    /// After a restart: whatever was granted was granted before now, and was not longer than any before.
    pub(super) fn granted_before(&self, daemon: &Rc<Daemon>, brief: &Brief, attempt: Attempt) {
        let known = self.leases.borrow().longest.get(&brief.queue).copied().unwrap_or(0);
        let longest = Duration::from_millis(known).max(length(daemon, &brief.queue)).max(USUAL);
        self.is_over_after(daemon, brief, attempt, longest);
    }

    /// What the life before has written down.
    pub(super) fn read_leases(&self, daemon: &Rc<Daemon>) {
        let path = daemon.places.state.join(FILE);
        let longest = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error.to_string()),
        };
        match longest {
            Ok(longest) => self.leases.borrow_mut().longest = longest,
            Err(error) => tracing::error!("{} is of no use: {error}", path.display()),
        }
    }

    fn is_over_after(&self, daemon: &Rc<Daemon>, brief: &Brief, attempt: Attempt, length: Duration) {
        // As much again as a quarter: what the host counts begins when it has asked. A shorter lease does not end
        // the longer one before it, of which the host may know alone.
        let over = daemon.now() + (length + length / 4);
        let mut leases = self.leases.borrow_mut();
        let known = leases.over.entry((brief.id().number(), attempt.number())).or_insert(over);
        *known = (*known).max(over);
    }

    /// The next attempt of a restartable job comes only when the lease of the one before is over for certain.
    pub(super) async fn watch_leases(&self, daemon: &Rc<Daemon>) {
        let now = daemon.now();
        let expired = self.leases.borrow_mut().over.extract_if(|_, over| *over < now).collect::<Vec<_>>();
        for ((job, attempt), _) in expired {
            let (Ok(job), Ok(attempt)) = (JobId::new(job), Attempt::new(attempt)) else { continue };
            let change = Change::Step(StepChange::new(job, Event::LeaseExpired { attempt }, now_us()));
            if let Ok([Outcome::Job { brief, changed: true }]) = self.store.write(vec![change]).await.as_deref() {
                self.has_changed(daemon, brief);
            }
        }
    }

    /// Has the lease of an attempt renewed as long as it runs here. One that was adopted may have little left of
    /// it, or none at all: its home says which.
    pub fn keep_lease(&self, daemon: &Rc<Daemon>, key: AttemptKey, is_adopted: bool) {
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            let (mut is_first, mut pause) = (is_adopted, if is_adopted { Duration::ZERO } else { SHORTEST / RENEWALS });
            loop {
                tokio::time::sleep(pause).await;
                let Some(uid) = daemon.batch.uid_of_attempt(&key) else { return };
                let asked = daemon.now();
                let request = LeaseRequest { job_id: key.job_id, attempt: key.attempt };
                let answer = if key.home == daemon.host {
                    Ok(daemon.batch.lease_asked(&daemon, &key.home, request).await)
                } else {
                    daemon.peers.ask::<LeaseAnswer>(&daemon, &key.home, "/v1/attempts/leases", &request, PATIENCE).await
                };
                pause = AGAIN;
                if let Ok(LeaseAnswer { lease_ms: Some(lease_ms) }) = answer {
                    pause = (Duration::from_millis(lease_ms) / RENEWALS).clamp(AGAIN, LONGEST_PAUSE);
                    if std::mem::take(&mut is_first) {
                        tracing::info!(job = key.job_id, "the lease of an adopted attempt goes on");
                    }
                    // It counts from when it was asked.
                    let spent = daemon.now().since(asked).as_millis() as u64;
                    let left_ms = lease_ms.saturating_sub(spent);
                    daemon.batch.tell_runner(&daemon, uid, ToRunner::Lease { key: key.clone(), left_ms });
                }
            }
        });
    }
}

/// What is on disk of leases, in the state directory.
const FILE: &str = "leases.json";
/// How often a lease is renewed in its life, as long as it is short.
const RENEWALS: u32 = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A home that could not be asked is asked again after so long.
const AGAIN: Duration = Duration::from_secs(4);
/// How long a home may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A shorter lease could not be renewed in time.
const SHORTEST: Duration = Duration::from_secs(20);
/// Where this host has no such queue.
const USUAL: Duration = Duration::from_secs(480);
/// As good as for ever, in numbers that can be added up.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);
