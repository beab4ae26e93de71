//! Runs every cell of the table and prints it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::cluster::{Jobs, Policy, run};
use super::shipped::{Counts, Shipped};
use super::simple::{AllKnowing, AtRandom, LeastLoad, VirtualLoad};
use super::statistics::{Outcome, Spread};
use super::workload::{Lengths, Machines, Workload};

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seeds: u64,
    cells: Vec<Workload>,
    /// Jobs that count in each simulation, at least.
    counted: usize,
}

/// Compared with the shipped policy, in the order of the columns.
const OTHERS: [&str; 4] = ["random", "round robin", "least load", "GNU vload"];

/// What one cell gave with one seed.
#[derive(Debug, Clone)]
struct Result {
    all_knowing: Outcome,
    shipped: Outcome,
    counts: Counts,
    others: [Outcome; 4],
}

impl Plan {
    /// The whole table.
    pub fn full() -> Self {
        let cells = cells(&[10, 100, 1000], &[1, 10], &[0.5, 0.8, 0.95]);
        Self { seeds: 20, cells, counted: 4000 }
    }

    /// What the goal is about, in small clusters with few jobs.
    pub fn quick() -> Self {
        Self { seeds: 3, cells: cells(&[10, 100], &[10], &[0.8]), counted: 2000 }
    }

    /// Leaves out what has another number of hosts.
    pub fn only_clusters_of(&mut self, hosts: usize) {
        self.cells.retain(|cell| cell.hosts == hosts);
    }

    /// Leaves out the rows before the `first` one, counted from 1: a table that was interrupted is gone
    /// on with.
    pub fn begin_with(&mut self, first: usize) {
        self.cells.drain(..(first - 1).min(self.cells.len()));
    }

    /// Counted is at least one generation of jobs and three seconds, after two generations.
    fn jobs(&self, workload: &Workload) -> Jobs {
        let counted = (self.counted as f64).max(workload.running()).max(3.0 / workload.gap()) as usize;
        let warm_up = (counted / 2).max((2.0 * workload.running()) as usize);
        Jobs { warm_up, counted, afterwards: counted / 4 }
    }
}

fn cells(hosts: &[usize], homes: &[usize], loads: &[f64]) -> Vec<Workload> {
    let mut cells = Vec::new();
    for &hosts in hosts {
        for machines in [Machines::Equal, Machines::Mixed] {
            for lengths in [Lengths::Exponential, Lengths::Pareto] {
                for mean in [1.0, 10.0, 600.0] {
                    for &homes in homes {
                        cells.extend(loads.iter().map(|&load| Workload {
                            hosts,
                            machines,
                            load,
                            lengths,
                            mean,
                            homes,
                        }));
                    }
                }
            }
        }
    }
    cells
}

/// Prints the table row by row as it becomes known.
pub fn print(plan: &Plan) {
    let began = Instant::now();
    let runs = plan.cells.len() * plan.seeds as usize;
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Rows::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        return;
                    }
                    let (cell, seed) = (number / plan.seeds as usize, number as u64 % plan.seeds);
                    let workload = &plan.cells[cell];
                    let result = simulate(workload, plan.jobs(workload), seed);
                    // A thread that panicked has already ended the program's sense.
                    rows.lock().expect("no thread panics with the lock").add(plan, cell, result);
                }
            });
        }
    });
    rows.lock().expect("all threads have ended").summary();
    println!("\n{runs} simulations of 6 policies in {:.0} s on {threads} CPUs", began.elapsed().as_secs_f64());
}

fn simulate(workload: &Workload, jobs: Jobs, seed: u64) -> Result {
    fn outcome<P: Policy>(workload: &Workload, mut policy: P, jobs: Jobs, seed: u64) -> Outcome {
        Outcome::of(run(workload, &mut policy, jobs, seed))
    }
    // All policies see the same jobs.
    let seed = seed.wrapping_mul(0x9e37_79b9).wrapping_add(1);
    let mut policy = Shipped::new(workload.homes);
    Result {
        shipped: Outcome::of(run(workload, &mut policy, jobs, seed)),
        counts: policy.counts,
        all_knowing: outcome(workload, AllKnowing::default(), jobs, seed),
        others: [
            outcome(workload, AtRandom::new(), jobs, seed),
            outcome(workload, AtRandom::in_turn(), jobs, seed),
            outcome(workload, LeastLoad::new(), jobs, seed),
            outcome(workload, VirtualLoad::default(), jobs, seed),
        ],
    }
}

/// Results by cell, printed in order.
#[derive(Debug, Default)]
struct Rows {
    waiting: BTreeMap<usize, Vec<Result>>,
    printed: usize,
    /// The mean slowdown of shipped divided by all-knowing at 80 % load, by mean length.
    goal: BTreeMap<u64, Vec<f64>>,
}

impl Rows {
    fn add(&mut self, plan: &Plan, cell: usize, result: Result) {
        self.waiting.entry(cell).or_default().push(result);
        while let Some(results) = self.waiting.get(&self.printed)
            && results.len() == plan.seeds as usize
        {
            let results = self.waiting.remove(&self.printed).unwrap_or_default();
            let before = self.printed.checked_sub(1).map(|before| &plan.cells[before]);
            self.print(&plan.cells[self.printed], before, &results);
            self.printed += 1;
        }
    }

    fn print(&mut self, cell: &Workload, before: Option<&Workload>, results: &[Result]) {
        let group = |cell: &Workload| (cell.hosts, cell.machines, cell.lengths);
        if before.map(group) != Some(group(cell)) {
            heading(cell);
        }
        let ratio = Spread::of(results.iter().map(|result| result.shipped.mean / result.all_knowing.mean));
        let asked: u64 = results.iter().map(|result| result.counts.asked).sum();
        let placed: u64 = results.iter().map(|result| result.counts.placed).sum();
        let others = (0..OTHERS.len()).map(|other| figures(results.iter().map(move |result| result.others[other])));
        println!(
            "| {} | {} | {:.0} % | {} | {} | {:.3} ±{:.3} | {:.2} | {} |",
            length(cell.mean),
            cell.homes,
            cell.load * 100.0,
            figures(results.iter().map(|result| result.all_knowing)),
            figures(results.iter().map(|result| result.shipped)),
            ratio.mean,
            ratio.deviation,
            asked as f64 / placed as f64,
            others.collect::<Vec<_>>().join(" | "),
        );
        if cell.load == 0.8 {
            self.goal.entry(cell.mean as u64).or_default().push(ratio.mean);
        }
    }

    fn summary(&self) {
        println!("\nMean slowdown of shipped divided by all-knowing at 80 % load (goal: 1.10 at 10 s and 10 min):");
        for (mean, ratios) in &self.goal {
            let worst = ratios.iter().copied().fold(0.0, f64::max);
            let average = ratios.iter().sum::<f64>() / ratios.len() as f64;
            println!(
                "- {}: {average:.3} on average, {worst:.3} in the worst of {} cells",
                length(*mean as f64),
                ratios.len()
            );
        }
    }
}

fn heading(cell: &Workload) {
    let machines = match cell.machines {
        Machines::Equal => "4 CPUs each",
        Machines::Mixed => "4, 16 and 64 CPUs",
    };
    let lengths = match cell.lengths {
        Lengths::Exponential => "exponential lengths",
        Lengths::Pareto => "bounded Pareto lengths",
    };
    println!("\n### {} hosts, {machines}, {lengths}\n", cell.hosts);
    println!("| length | homes | load | all-knowing | shipped | ratio | asks | {} |", OTHERS.join(" | "));
    println!("|---|---|---|---|---|---|---|{}", "---|".repeat(OTHERS.len()));
}

/// Mean and p99 slowdown, each with its standard deviation over the seeds.
fn figures(outcomes: impl Iterator<Item = Outcome> + Clone) -> String {
    let mean = Spread::of(outcomes.clone().map(|outcome| outcome.mean));
    let p99 = Spread::of(outcomes.map(|outcome| outcome.p99));
    format!("{} p99 {}", spread(mean), spread(p99))
}

fn spread(spread: Spread) -> String {
    let digits = if spread.mean < 10.0 { 2 } else { 0 };
    format!("{:.digits$} ±{:.digits$}", spread.mean, spread.deviation)
}

fn length(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
