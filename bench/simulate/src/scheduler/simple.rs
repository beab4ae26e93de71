//! What the shipped policy is compared with. None of these sends a message to place a job:
//! their decisions arrive at once.

use queued::core::choose::{Candidate, best_two};
use queued::core::estimate::Estimate;
use queued::core::rank::{Figures, RankRule};
use queued::core::time::Millis;
use wire::news::HostState;

use super::cluster::{Cluster, Policy, START};
use super::load::{Readings, millis};
use super::news::{Publisher, under_way};

/// In proportion to CPUs, else the small hosts of a mixed cluster drown.
pub struct AtRandom {
    /// Each host as often as it has CPUs.
    cpus: Vec<usize>,
    in_turn: Option<usize>,
}

impl AtRandom {
    pub fn new() -> Self {
        Self { cpus: Vec::new(), in_turn: None }
    }

    /// One after the other instead, each as often as it has CPUs.
    pub fn in_turn() -> Self {
        Self { cpus: Vec::new(), in_turn: Some(0) }
    }
}

impl Policy for AtRandom {
    type Message = ();

    fn begin(&mut self, cluster: &mut Cluster<()>) {
        // Spread, so that a large host does not get all its turns in a row.
        let mut turns: Vec<(f64, usize)> = Vec::new();
        for (host, machine) in cluster.machines.iter().enumerate() {
            let offset = cluster.random.fraction();
            let turn = |cpu| (f64::from(cpu) + offset) / f64::from(machine.cpus);
            turns.extend((0..machine.cpus).map(|cpu| (turn(cpu), host)));
        }
        turns.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.cpus = turns.into_iter().map(|(_, host)| host).collect();
    }

    fn submitted(&mut self, cluster: &mut Cluster<()>, job: u32) {
        let turn = match &mut self.in_turn {
            Some(turn) => {
                *turn = (*turn + 1) % self.cpus.len();
                *turn
            }
            None => cluster.random.below(self.cpus.len() as u64) as usize,
        };
        cluster.start(job, self.cpus[turn]);
    }

    fn ended(&mut self, _: &mut Cluster<()>, _: u32, _: usize, _: u32) {}

    fn arrived(&mut self, _: &mut Cluster<()>, (): ()) {}
}

/// The shipped rank with the exact state of the instant.
#[derive(Default)]
pub struct AllKnowing {
    candidates: Vec<Candidate>,
}

impl AllKnowing {
    fn look(&mut self, cluster: &Cluster<()>, host: usize) {
        let machine = &cluster.machines[host];
        let busy = f64::from(machine.running());
        let figures = Figures { busy, cpus: machine.cpus, speed: 1.0, ..Figures::default() };
        self.candidates[host] = Candidate { host, rank: figures.rank(RankRule::Share), merit: figures.spare() };
    }
}

impl Policy for AllKnowing {
    type Message = ();

    fn begin(&mut self, cluster: &mut Cluster<()>) {
        self.candidates = vec![Candidate { host: 0, rank: 0.0, merit: 0.0 }; cluster.machines.len()];
        (0..cluster.machines.len()).for_each(|host| self.look(cluster, host));
    }

    fn submitted(&mut self, cluster: &mut Cluster<()>, job: u32) {
        let choice = best_two(self.candidates.iter().copied(), &mut cluster.random);
        let host = choice.expect("a cluster has hosts").best.host;
        cluster.start(job, host);
        self.look(cluster, host);
    }

    fn ended(&mut self, cluster: &mut Cluster<()>, _: u32, host: usize, _: u32) {
        self.look(cluster, host);
    }

    fn arrived(&mut self, _: &mut Cluster<()>, (): ()) {}
}

/// GNU Queue as it was: every host is asked at every start, and tells its jobs of this
/// instant and its load average of one minute. `vmaxexec` and `pfactor` are the CPUs.
#[derive(Default)]
pub struct VirtualLoad {
    averages: Vec<LoadAverage>,
    candidates: Vec<Candidate>,
}

/// The kernel's load average over one minute, computed every 5 s.
struct LoadAverage {
    value: f64,
    computed: f64,
}

impl VirtualLoad {
    /// Brings the average of a host up to now, before its number of jobs changes.
    fn catch_up(&mut self, now: f64, host: usize, running: u32) {
        let average = &mut self.averages[host];
        let steps = ((now - average.computed) / 5.0).floor();
        if steps >= 1.0 {
            let left = (-5.0 * steps / 60.0).exp();
            average.value = average.value * left + f64::from(running) * (1.0 - left);
            average.computed += 5.0 * steps;
        }
    }

    fn look(&mut self, cluster: &Cluster<()>, host: usize) {
        let (cpus, running) = (cluster.machines[host].cpus, cluster.machines[host].running());
        let figures = Figures { cpus, running, load1: self.averages[host].value, ..Figures::default() };
        let rule = RankRule::VirtualLoad { pfactor: f64::from(cpus), vmaxexec: Some(cpus) };
        self.candidates[host] = Candidate { host, rank: figures.rank(rule), merit: 0.0 };
    }
}

impl Policy for VirtualLoad {
    type Message = ();

    fn begin(&mut self, cluster: &mut Cluster<()>) {
        self.candidates = vec![Candidate { host: 0, rank: 0.0, merit: 0.0 }; cluster.machines.len()];
        for host in 0..cluster.machines.len() {
            let computed = START - 5.0 * cluster.random.fraction();
            self.averages.push(LoadAverage { value: f64::from(cluster.machines[host].running()), computed });
            self.look(cluster, host);
        }
    }

    fn submitted(&mut self, cluster: &mut Cluster<()>, job: u32) {
        for host in 0..cluster.machines.len() {
            if cluster.now - self.averages[host].computed >= 5.0 {
                self.catch_up(cluster.now, host, cluster.machines[host].running());
                self.look(cluster, host);
            }
        }
        let choice = best_two(self.candidates.iter().copied(), &mut cluster.random);
        let host = choice.expect("a cluster has hosts").best.host;
        cluster.start(job, host);
        self.look(cluster, host);
    }

    fn ended(&mut self, cluster: &mut Cluster<()>, _: u32, host: usize, before: u32) {
        self.catch_up(cluster.now, host, before);
        self.look(cluster, host);
    }

    fn arrived(&mut self, _: &mut Cluster<()>, (): ()) {}
}

/// Least load by the news: the same news as the shipped policy has, and nothing else.
#[derive(Default)]
pub struct LeastLoad {
    hosts: Vec<Told>,
    /// The same at every home, by host: when the record was published, and the load for each CPU.
    table: Vec<(f64, f64)>,
}

struct Told {
    estimate: Estimate,
    readings: Readings,
    publisher: Publisher,
    /// When it looks again whether it has news.
    look: Millis,
}

pub enum Message {
    Look { host: usize },
    News { host: usize, published: f64, load: f64 },
}

impl LeastLoad {
    pub fn new() -> Self {
        Self::default()
    }

    fn look(&mut self, cluster: &mut Cluster<Message>, host: usize) {
        let now = millis(cluster.now);
        let cpus = cluster.machines[host].cpus;
        let most = under_way(cluster.machines.len()).as_secs_f64();
        let told = &mut self.hosts[host];
        let state = HostState { runnable: told.estimate.r(now), cpus, speed: 1.0, ..HostState::default() };
        if told.publisher.due(now, &state) {
            let delay = 0.05 + (most - 0.05) * cluster.random.fraction();
            let load = state.runnable / f64::from(cpus);
            cluster.send(delay, Message::News { host, published: cluster.now, load });
        }
        let deadline = told.publisher.next_deadline();
        if told.look <= now || deadline < told.look {
            told.look = deadline;
            cluster.send((deadline.as_secs_f64() - cluster.now).max(0.001), Message::Look { host });
        }
    }

    fn changes(&mut self, cluster: &mut Cluster<Message>, host: usize, before: u32) {
        let told = &mut self.hosts[host];
        if let Some((at, count)) = told.readings.changes(cluster.now, before) {
            told.estimate.sampled(at, count);
        }
    }
}

impl Policy for LeastLoad {
    type Message = Message;

    fn begin(&mut self, cluster: &mut Cluster<Message>) {
        for host in 0..cluster.machines.len() {
            let running = f64::from(cluster.machines[host].running());
            let mut estimate = Estimate::default();
            estimate.sampled(Millis(0), running);
            let state = HostState { runnable: running, cpus: cluster.machines[host].cpus, ..HostState::default() };
            let mut publisher = Publisher::new(cluster.machines.len());
            publisher.due(millis(START - 15.0 * cluster.random.fraction()), &state);
            let readings = Readings::new(cluster.random.fraction());
            let look = Millis(0);
            self.hosts.push(Told { estimate, readings, publisher, look });
            let load = running / f64::from(state.cpus);
            self.table.push((0.0, load));
            self.look(cluster, host);
        }
    }

    fn submitted(&mut self, cluster: &mut Cluster<Message>, job: u32) {
        let candidates = self.table.iter().enumerate();
        let candidates = candidates.map(|(host, (_, load))| Candidate { host, rank: *load, merit: 0.0 });
        let host = best_two(candidates, &mut cluster.random).expect("a cluster has hosts").best.host;
        self.changes(cluster, host, cluster.machines[host].running());
        cluster.start(job, host);
    }

    fn ended(&mut self, cluster: &mut Cluster<Message>, _: u32, host: usize, before: u32) {
        self.changes(cluster, host, before);
        self.look(cluster, host);
    }

    fn arrived(&mut self, cluster: &mut Cluster<Message>, message: Message) {
        match message {
            Message::Look { host } => {
                let running = cluster.machines[host].running();
                let told = &mut self.hosts[host];
                if let Some((at, count)) = told.readings.before(cluster.now, running) {
                    told.estimate.sampled(at, count);
                }
                if millis(cluster.now) >= told.look {
                    self.look(cluster, host);
                }
            }
            Message::News { host, published, load } => {
                let known = &mut self.table[host];
                if published > known.0 {
                    *known = (published, load);
                }
            }
        }
    }
}
