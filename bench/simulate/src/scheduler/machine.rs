//! One simulated host: all its jobs share its CPUs, none gets more than one.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A host that does processor sharing: a job's rate is `min(1, CPUs / running)`.
#[derive(Debug)]
pub struct Machine {
    pub cpus: u32,
    /// The work each job has had since the start, were it there from the start.
    work: f64,
    /// When `work` was computed.
    at: f64,
    jobs: BinaryHeap<Running>,
}

/// A job that runs; the heap gives the one that ends first.
#[derive(Debug, PartialEq)]
struct Running {
    ends_at_work: f64,
    job: u32,
}

impl Machine {
    pub fn new(cpus: u32) -> Self {
        Self { cpus, work: 0.0, at: 0.0, jobs: BinaryHeap::new() }
    }

    pub fn running(&self) -> u32 {
        self.jobs.len() as u32
    }

    pub fn start(&mut self, now: f64, job: u32, length: f64) {
        self.advance(now);
        self.jobs.push(Running { ends_at_work: self.work + length, job });
    }

    /// The job that ends first ends now.
    pub fn end(&mut self, now: f64) -> Option<u32> {
        self.advance(now);
        let ended = self.jobs.pop()?;
        self.work = self.work.max(ended.ends_at_work);
        Some(ended.job)
    }

    /// When the next job ends if nothing changes.
    pub fn next_end(&self) -> Option<f64> {
        let next = self.jobs.peek()?;
        Some(self.at + (next.ends_at_work - self.work).max(0.0) / self.rate())
    }

    fn advance(&mut self, now: f64) {
        self.work += (now - self.at).max(0.0) * self.rate();
        self.at = now;
    }

    fn rate(&self) -> f64 {
        (f64::from(self.cpus) / f64::from(self.running().max(1))).min(1.0)
    }
}

impl Eq for Running {}

impl Ord for Running {
    fn cmp(&self, other: &Self) -> Ordering {
        other.ends_at_work.total_cmp(&self.ends_at_work).then(other.job.cmp(&self.job))
    }
}

impl PartialOrd for Running {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_share_when_there_are_more_than_cpus() {
        let mut machine = Machine::new(2);
        machine.start(0.0, 0, 1.0);
        machine.start(0.0, 1, 10.0);
        assert_eq!(machine.next_end(), Some(1.0));
        machine.start(0.0, 2, 1.0);
        assert_eq!(machine.next_end(), Some(1.5));
        assert_eq!(machine.end(1.5), Some(0));
        assert_eq!(machine.end(1.5), Some(2));
        assert_eq!(machine.next_end(), Some(10.5));
    }
}
