//! What the end of a job does to others that waited for it: the spool has it written down already, and those who
//! wait for that are told here. See `docs/spool.md`.

use std::rc::Rc;
use std::time::Duration;

use spool::home::State;
use spool::store::{Brief, Change, NOT_YET, Reader, Settled};
use wire::after::After;
use wire::batch::JobRow;

use super::{Batch, now_us};
use crate::daemon::Daemon;

impl Batch {
    /// Goes on with what follows from ends, for ever.
    pub async fn watch_settled(&self, daemon: &Rc<Daemon>) {
        let Some(mut settled) = self.store.settled() else { return };
        while let Some(Settled { jobs, is_more }) = settled.recv().await {
            for brief in &jobs {
                self.has_changed(daemon, brief);
            }
            // Others have a turn between two portions.
            tokio::task::yield_now().await;
            while is_more && let Err(error) = self.store.write(vec![Change::Settle]).await {
                tracing::error!("jobs that wait for others are not told of their ends: {error}");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }

    /// What a job waits for and how that stands, in a sentence.
    pub(super) fn waits_for_ends(&self, after: &[After]) -> String {
        let stands = |one: &After| {
            let job = spool::JobId::new(one.job).ok();
            let row = job.and_then(|job| self.store.ask(|reader| reader.row(job, now_us())).ok().flatten());
            let stands = row.map_or_else(String::new, |row| {
                let on = row.host.filter(|_| row.state == "running").map(|host| format!(" on {host}"));
                let detail = if row.detail.is_empty() { String::new() } else { format!(" ({})", row.detail) };
                format!(", which is {}{}{detail}", row.state, on.unwrap_or_default())
            });
            let condition = match one.condition {
                wire::after::Condition::Ok => "to finish with exit status 0",
                wire::after::Condition::Any => "to end",
                wire::after::Condition::Fail => "to fail",
            };
            format!("job {}{stands}, {condition}", one.job)
        };
        let named = after.iter().take(MOST_NAMED).map(stands).collect::<Vec<_>>().join("; for ");
        match after.len().saturating_sub(MOST_NAMED) {
            0 => format!("it waits for {named}"),
            more => format!("it waits for {named}; and for {more} more"),
        }
    }

    /// What to say of a job that waits for something else than a host or a time.
    pub(super) fn why_not_yet(&self, brief: &Brief, row: &JobRow) -> Option<String> {
        let State::Pending { .. } = brief.state() else { return None };
        match brief.not_before_us == NOT_YET {
            false => None,
            true if row.after.is_empty() => Some(format!("it waits for a place: {}", row.detail)),
            true => Some(self.waits_for_ends(&row.after)),
        }
    }
}

/// How long is waited for room on the disk.
const NO_ROOM: Duration = Duration::from_secs(2);
/// Jobs that one waits for, as far as they are named.
const MOST_NAMED: usize = 5;
