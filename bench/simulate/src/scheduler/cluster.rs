//! The simulated cluster: machines, jobs and the list of what happens next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use queued::core::random::Random;

use super::machine::Machine;
use super::workload::{Workload, exponential};

/// When a simulation begins, in seconds: hosts have published before it.
pub const START: f64 = 100.0;

/// Jobs shorter than this count as this long, in seconds: what placing costs is not shown by
/// jobs that do nothing.
const SHORTEST: f64 = 0.01;

/// Places jobs. It is told what happens and starts jobs with [`Cluster::start`].
pub trait Policy {
    /// Something that is under way to this policy, at its own choice.
    type Message;

    /// Before the first arrival; the machines run their first jobs already.
    fn begin(&mut self, cluster: &mut Cluster<Self::Message>);
    fn submitted(&mut self, cluster: &mut Cluster<Self::Message>, job: u32);
    /// `before` is how many ran there until now.
    fn ended(&mut self, cluster: &mut Cluster<Self::Message>, job: u32, host: usize, before: u32);
    fn arrived(&mut self, cluster: &mut Cluster<Self::Message>, message: Self::Message);
}

#[derive(Debug)]
pub struct Cluster<M> {
    pub now: f64,
    pub machines: Vec<Machine>,
    pub jobs: Vec<Job>,
    /// For delays; the workload has its own, so that all policies see the same one.
    pub random: Random,
    next: BinaryHeap<Happening<M>>,
    /// The end that each machine's next one is expected at, and its number.
    expected: Vec<(f64, u64)>,
    happened: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Job {
    pub submitted: f64,
    pub length: f64,
    pub home: usize,
    pub started: f64,
    /// Ran before the simulation began.
    pub first: bool,
}

#[derive(Debug)]
struct Happening<M> {
    at: f64,
    number: u64,
    what: What<M>,
}

#[derive(Debug)]
enum What<M> {
    Arrival,
    End { host: usize },
    Message(M),
}

/// What the jobs experienced: response time divided by length, one for each that counts.
pub fn run<P: Policy>(workload: &Workload, policy: &mut P, jobs: Jobs, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut cluster = Cluster::new(workload, &mut random);
    let first = cluster.jobs.len();
    policy.begin(&mut cluster);
    cluster.add(START, What::Arrival);
    let mut submitted = 0;
    let mut unfinished = jobs.counted;
    let mut slowdowns = Vec::with_capacity(jobs.counted);
    while unfinished > 0 {
        let happening = cluster.next.pop().expect("as long as a job runs its end is in the list");
        cluster.now = happening.at;
        match happening.what {
            What::Arrival => {
                let job = cluster.jobs.len() as u32;
                cluster.jobs.push(Job {
                    submitted: cluster.now,
                    length: workload.lengths.draw(workload.mean, &mut random),
                    home: random.below(workload.homes as u64) as usize,
                    started: 0.0,
                    first: false,
                });
                policy.submitted(&mut cluster, job);
                submitted += 1;
                if submitted < jobs.all() {
                    let gap = workload.gap() * exponential(&mut random);
                    cluster.add(cluster.now + gap, What::Arrival);
                }
            }
            What::End { host } => {
                if cluster.expected[host].1 != happening.number {
                    continue;
                }
                let before = cluster.machines[host].running();
                let Some(job) = cluster.machines[host].end(cluster.now) else { continue };
                cluster.expect_end(host);
                policy.ended(&mut cluster, job, host, before);
                let place = job as usize;
                if place >= first + jobs.warm_up && place < first + jobs.warm_up + jobs.counted {
                    unfinished -= 1;
                    let Job { submitted, length, .. } = cluster.jobs[place];
                    slowdowns.push(((cluster.now - submitted) / length.max(SHORTEST)).max(1.0));
                }
            }
            What::Message(message) => policy.arrived(&mut cluster, message),
        }
    }
    slowdowns
}

/// How many jobs a simulation has.
#[derive(Debug, Clone, Copy)]
pub struct Jobs {
    /// Come first and are not counted.
    pub warm_up: usize,
    pub counted: usize,
    /// Keep the load up while the last counted ones run.
    pub afterwards: usize,
}

impl Jobs {
    fn all(&self) -> usize {
        self.warm_up + self.counted + self.afterwards
    }
}

impl<M> Cluster<M> {
    /// A cluster that has been running for long: each machine has its share of jobs, each
    /// somewhere in its life.
    fn new(workload: &Workload, random: &mut Random) -> Self {
        let machines: Vec<Machine> = workload.cpus().into_iter().map(Machine::new).collect();
        let mut cluster = Self {
            now: START,
            expected: vec![(f64::INFINITY, u64::MAX); machines.len()],
            machines,
            jobs: Vec::new(),
            random: Random::new(random.bits()),
            next: BinaryHeap::new(),
            happened: 0,
        };
        for host in 0..cluster.machines.len() {
            let share = workload.load * f64::from(cluster.machines[host].cpus);
            let count = (share + random.fraction()).floor() as usize;
            for _ in 0..count {
                let length = workload.lengths.draw_rest(workload.mean, random);
                let job = cluster.jobs.len() as u32;
                cluster.jobs.push(Job { submitted: START, length, home: 0, started: START, first: true });
                cluster.start(job, host);
            }
        }
        cluster
    }

    pub fn start(&mut self, job: u32, host: usize) {
        let entry = &mut self.jobs[job as usize];
        entry.started = self.now;
        self.machines[host].start(self.now, job, entry.length);
        self.expect_end(host);
    }

    pub fn send(&mut self, after: f64, message: M) {
        self.add(self.now + after, What::Message(message));
    }

    fn expect_end(&mut self, host: usize) {
        let at = self.machines[host].next_end().unwrap_or(f64::INFINITY);
        // An end that stays where it was needs no new entry.
        if (at - self.expected[host].0).abs() > 1e-9 {
            self.expected[host] = (at, self.happened);
            if at.is_finite() {
                self.add(at, What::End { host });
            }
        } else if self.expected[host].0 <= self.now {
            self.expected[host] = (at, self.happened);
            self.add(at, What::End { host });
        }
    }

    fn add(&mut self, at: f64, what: What<M>) {
        self.next.push(Happening { at, number: self.happened, what });
        self.happened += 1;
    }
}

impl<M> PartialEq for Happening<M> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<M> Eq for Happening<M> {}

impl<M> Ord for Happening<M> {
    /// The heap gives the greatest first: the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.number.cmp(&self.number))
    }
}

impl<M> PartialOrd for Happening<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
