//! What owners asked for at the ends of their jobs, given to their runners until it has gone well or is given up.
//!
//! The daemon runs no command and opens no address of a user's: it says that a job has ended, and the owner's runner
//! at home does what the owner has signed. As with reports, what is owed is in the spool, and what is only in memory
//! here is made anew from there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use spool::JobId;
use spool::store::{Change, Reader};
use tokio::sync::Notify;
use wire::batch::JobRow;

use super::{Batch, now_us};
use crate::core::reports::outbox::{self, Outbox};
use crate::core::reports::{Kind, compose, notice, plain};
use crate::daemon::Daemon;
use crate::link;

/// Notices on their way.
#[derive(Default)]
pub struct Notices {
    /// One for each user: nobody waits for another's slow commands.
    outboxes: RefCell<BTreeMap<String, Outbox<End>>>,
    /// Jobs that have ended and are to be looked at.
    fresh: RefCell<BTreeSet<u64>>,
    woken: Notify,
}

/// One end of a job; another of the same job has another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    job: JobId,
    at_us: i64,
}

impl Notices {
    /// A notice of this job may be owed.
    pub fn look_at(&self, job: u64) {
        self.fresh.borrow_mut().insert(job);
        self.woken.notify_one();
    }
}

impl Batch {
    /// Sends notices for ever.
    pub async fn send_notices(&self, daemon: &Rc<Daemon>) {
        self.owe_notices_again().await;
        loop {
            let fresh = std::mem::take(&mut *self.notices.fresh.borrow_mut());
            for job in fresh.into_iter().filter_map(|id| JobId::new(id).ok()) {
                if let Some((user, end)) = self.noticed(job).and_then(|row| Some((row.user, end(job, row.ended_us)?))) {
                    self.notice(daemon, &user, outbox::Event::Written(end));
                }
            }
            let users = self.notices.outboxes.borrow().keys().cloned().collect::<Vec<_>>();
            for user in users {
                self.notice(daemon, &user, outbox::Event::Tick);
            }
            self.notices.outboxes.borrow_mut().retain(|_, outbox| !outbox.is_empty());
            let deadline = self.notices.outboxes.borrow().values().filter_map(Outbox::next_deadline).min();
            let woken = self.notices.woken.notified();
            match deadline {
                Some(deadline) => drop(tokio::time::timeout(deadline.since(daemon.now()), woken).await),
                None => woken.await,
            }
        }
    }

    /// What an earlier life owed.
    async fn owe_notices_again(&self) {
        let mut after = 0;
        loop {
            let owed = match self.store.ask_long(move |reader| reader.noticed(after, PAGE)).await {
                Ok(owed) => owed,
                Err(error) => return tracing::error!("the notices that are owed cannot be read: {error}"),
            };
            let Some(last) = owed.last() else { return };
            after = last.number();
            self.notices.fresh.borrow_mut().extend(owed.iter().map(|job| job.number()));
        }
    }

    /// The job, if a notice of it is owed.
    fn noticed(&self, job: JobId) -> Option<JobRow> {
        let row = self.store.ask(|reader| reader.row(job, now_us())).ok().flatten();
        row.filter(|row| row.notice == "owed")
    }

    fn notice(&self, daemon: &Rc<Daemon>, user: &str, event: outbox::Event<End>) {
        let now = daemon.now();
        let actions = {
            let mut outboxes = self.notices.outboxes.borrow_mut();
            let outbox = outboxes.entry(user.to_owned()).or_insert_with(|| Outbox::pausing(notice::FIRST_PAUSE));
            outbox.handle(now, event)
        };
        for action in actions {
            match action {
                outbox::Action::Deliver(end) => {
                    let (daemon, user) = (daemon.clone(), user.to_owned());
                    tokio::task::spawn_local(async move { daemon.batch.deliver_notice(&daemon, &user, end).await });
                }
                outbox::Action::Sent(end) => self.notice_settled(daemon, end, "sent".to_owned()),
                outbox::Action::Refused(end, why) => {
                    tracing::warn!(job = end.job.number(), "what --notify asked for did not go well: {why}");
                    self.notice_settled(daemon, end, why);
                }
                outbox::Action::Postponed(end, why, _) => {
                    tracing::info!(job = end.job.number(), "what --notify asked for is tried again later: {why}");
                }
            }
        }
    }

    async fn deliver_notice(&self, daemon: &Rc<Daemon>, user: &str, end: End) {
        let tried = match self.noticed(end.job).filter(|row| row.ended_us == Some(end.at_us)) {
            Some(row) => self.try_notice(daemon, end.job, row).await,
            // It was deleted or submitted again, so nobody waits for this end any more.
            None => Ok(()),
        };
        // What the runner says its user has said.
        let tried = tried.map_err(|why| plain::line(&why, LONGEST_REASON));
        let since_end = u64::try_from(now_us().saturating_sub(end.at_us)).unwrap_or(0);
        let outcome = notice::outcome(tried, Duration::from_micros(since_end));
        self.notice(daemon, user, outbox::Event::Delivered(end, outcome));
        self.notices.woken.notify_one();
    }

    async fn try_notice(&self, daemon: &Rc<Daemon>, job: JobId, mut row: JobRow) -> Result<(), String> {
        let description = self.store.ask(|reader| reader.description(job)).map_err(|error| error.to_string())?;
        let description = description.ok_or("the job is not in the spool any more")?;
        let warrant = self.trees.borrow_mut().warrant(&self.store, &description).map_err(|error| error.to_string())?;
        self.complete(daemon, &mut row);
        let text = match &row.notify {
            Some(wish) if !notice::is_address(&wish.0) => {
                let (tails, zone) = (self.tails(daemon, &row).await, jiff::tz::TimeZone::system());
                let report = compose::Report { kind: Kind::End, row: row.clone(), tails, cluster: String::new(), zone };
                compose::compose(&report).body
            }
            _ => String::new(),
        };
        let uid = daemon.uid_of(&row.user).map_err(|error| error.to_string())?;
        let runner = daemon.runners.of(uid).await.map_err(|error| format!("{error:#}"))?;
        runner.notify(link::Notify { request: 0, job: description.job, warrant, row, text }).await
    }

    /// The notice is owed no more.
    fn notice_settled(&self, daemon: &Rc<Daemon>, end: End, outcome: String) {
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            let change = Change::Noticed { job: end.job, ended_us: end.at_us, outcome };
            if let Err(error) = daemon.batch.store.write(vec![change]).await {
                tracing::error!("a notice that was sent was not written down: {error}");
            }
        });
    }
}

fn end(job: JobId, ended_us: Option<i64>) -> Option<End> {
    ended_us.map(|at_us| End { job, at_us })
}

/// Notices that are read from the spool at once.
const PAGE: u32 = 1000;
/// Letters of a reason that are kept.
const LONGEST_REASON: usize = 200;
