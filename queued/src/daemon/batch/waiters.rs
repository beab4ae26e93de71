//! Who waits for the end of which job.

use std::cell::RefCell;
use std::collections::HashMap;

use tokio::sync::mpsc::UnboundedSender;

/// Open waits, by job. What is sent to one of them is bounded by the jobs it named.
#[derive(Default)]
pub struct Waiters {
    by_job: RefCell<HashMap<u64, Vec<UnboundedSender<u64>>>>,
}

impl Waiters {
    /// `waiter` is told when this job has ended.
    pub fn wait(&self, job: u64, waiter: &UnboundedSender<u64>) {
        self.by_job.borrow_mut().entry(job).or_default().push(waiter.clone());
    }

    /// Whether somebody waits for this job and for few others: of many the last is what counts.
    pub fn is_awaited(&self, job: u64) -> bool {
        let by_job = self.by_job.borrow();
        by_job.len() <= FEW && by_job.contains_key(&job)
    }

    /// The job has ended.
    pub fn ended(&self, job: u64) {
        for waiter in self.by_job.borrow_mut().remove(&job).into_iter().flatten() {
            // One that has gone waits for nothing.
            let _ = waiter.send(job);
        }
    }

    /// Forgets those who have gone.
    pub fn forget_gone(&self, jobs: &[u64]) {
        let mut by_job = self.by_job.borrow_mut();
        for job in jobs {
            if let Some(waiters) = by_job.get_mut(job) {
                waiters.retain(|waiter| !waiter.is_closed());
                if waiters.is_empty() {
                    by_job.remove(job);
                }
            }
        }
    }
}

/// So many jobs are waited for one by one.
const FEW: usize = 16;
