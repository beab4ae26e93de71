//! Arrays at home: what is checked before one is taken, and its report, which comes when its last element has ended.
//!
//! An end of an element is owed in the spool like any other. Only the letter waits: so a daemon that is killed finds
//! them all again, and one that starts tells of an array that has ended meanwhile.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use spool::store::{Owed, Reader};
use wire::api::{Refusal, RefusalKind};
use wire::array::MOST;
use wire::batch::{JobRow, Wishes};
use wire::job::Job;

use super::{Batch, now_us};
use crate::core::names;
use crate::core::reports::caps::COLLECTED;
use crate::core::reports::{Attempt, Kind, digest};
use crate::daemon::Daemon;

/// How many jobs a line of a submission stands for, the only one if it is an array.
///
/// # Errors
/// It is an array that cannot be taken.
pub fn elements(common: &Job, lines: u64, wishes: &Wishes) -> Result<Option<u64>, Refusal> {
    let Some(array) = common.batch.as_ref().and_then(|batch| batch.array) else { return Ok(None) };
    let refused = |message: String| Refusal { kind: RefusalKind::Usage, message };
    let count = array.count().ok_or_else(|| {
        refused(format!(
            "{array} is no array: it takes an upward range of at most {MOST} elements; nothing was submitted"
        ))
    })?;
    if lines != 1 {
        return Err(refused("an array is a submission of its own".to_owned()));
    }
    if wishes.unique {
        return Err(refused("elements of an array are never the same job as another: leave out --unique".to_owned()));
    }
    Ok(Some(count))
}

/// An array that is submitted.
pub struct Elements {
    /// One of its elements.
    pub sample: Job,
    /// The hash of its environment.
    pub environment: [u8; 32],
    /// The submission's.
    pub submit_key: String,
    /// How many there are.
    pub count: u64,
}

impl Elements {
    /// The digests of all, in their order.
    pub fn digests(mut self) -> Vec<[u8; 32]> {
        let digest = |number| {
            self.sample.submit_key = format!("{}/{number}", self.submit_key);
            self.sample.digest_with(&self.environment)
        };
        (0..self.count).map(digest).collect()
    }
}

impl Batch {
    /// Tells of those of these arrays that are over.
    pub(super) async fn owe_arrays(&self, daemon: &Rc<Daemon>, arrays: BTreeSet<i64>) {
        for array in arrays {
            if let Err(error) = self.owe_array(daemon, array).await {
                tracing::error!("the ends of an array cannot be read: {error}");
            }
        }
    }

    async fn owe_array(&self, daemon: &Rc<Daemon>, array: i64) -> Result<(), spool::store::SpoolError> {
        if !self.store.ask(|reader| reader.is_over(array))? {
            return Ok(());
        }
        let mut after = 0;
        let told = self.reports.being_told();
        loop {
            let most = COLLECTED as u32;
            let owed = self.store.ask_long(move |reader| reader.owed_of_array(array, after, most)).await?;
            let Some(last) = owed.last() else { return Ok(()) };
            after = last.job.number();
            self.post_array(daemon, &told, &owed);
        }
    }

    fn post_array(&self, daemon: &Rc<Daemon>, told: &HashSet<Attempt>, owed: &[Owed]) {
        let attempt = |owed: &Owed| Attempt { job: names::JobId(owed.job.number()), number: owed.attempt };
        let mut attempts = owed.iter().map(attempt).filter(|attempt| !told.contains(attempt)).collect::<Vec<_>>();
        attempts.sort_unstable();
        // Their owner may have sent each elsewhere since: one letter for each address.
        let mut by_address = std::collections::BTreeMap::new();
        for attempt in attempts {
            let job = spool::JobId::new(attempt.job.0).ok();
            let row = job.and_then(|job| self.store.ask(|reader| reader.row(job, now_us())).ok().flatten());
            if let Some(row) = row.filter(|row| row.report == "owed") {
                by_address.entry(super::reports::address(row, Kind::End)).or_insert_with(Vec::new).push(attempt);
            }
        }
        for (address, attempts) in by_address {
            self.post_digest(daemon, address, attempts);
        }
    }

    /// How all of an array have ended, if these rows are of one.
    pub(super) fn array_of(&self, rows: &[JobRow]) -> Option<digest::OfArray> {
        let element = rows.first()?.array?;
        let is_of_it = |row: &JobRow| row.array.is_some_and(|other| other.id == element.id);
        let job = spool::JobId::new(rows.first()?.id).ok()?;
        let counts = rows.iter().all(is_of_it).then(|| self.store.ask(|reader| reader.outcomes(job)))?.ok()??;
        Some(digest::OfArray {
            first: element.id,
            last: element.id + element.count.saturating_sub(1),
            ok: counts.ok,
            failed: counts.failed,
            cancelled: counts.cancelled,
        })
    }
}
