//! What is simulated: hosts, arrivals, lengths.

use queued::core::random::Random;

/// One cell of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    pub hosts: usize,
    pub machines: Machines,
    /// Arriving work divided by what all CPUs can do.
    pub load: f64,
    pub lengths: Lengths,
    /// The nominal mean length in seconds.
    pub mean: f64,
    /// How many homes place jobs.
    pub homes: usize,
}

/// How many CPUs the hosts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// Four each.
    Equal,
    /// Four, sixteen and sixty-four in turn.
    Mixed,
}

/// How job lengths are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    Exponential,
    /// Bounded Pareto with exponent 1.1 from 0.1 to 1,000 times the nominal mean; its true
    /// mean is 0.66 of that.
    Pareto,
}

impl Workload {
    pub fn cpus(&self) -> Vec<u32> {
        let cpus = |host: usize| match self.machines {
            Machines::Equal => 4,
            Machines::Mixed => [4, 16, 64][host % 3],
        };
        (0..self.hosts).map(cpus).collect()
    }

    /// Jobs that run at once on average.
    pub fn running(&self) -> f64 {
        self.load * f64::from(self.cpus().iter().sum::<u32>())
    }

    /// Seconds between two arrivals on average.
    pub fn gap(&self) -> f64 {
        self.lengths.true_mean(self.mean) / self.running()
    }
}

impl Lengths {
    pub fn true_mean(self, mean: f64) -> f64 {
        match self {
            Self::Exponential => mean,
            Self::Pareto => {
                let tail = LOW.powf(1.0 - ALPHA) - HIGH.powf(1.0 - ALPHA);
                mean * ALPHA / (ALPHA - 1.0) * LOW.powf(ALPHA) / (1.0 - (LOW / HIGH).powf(ALPHA)) * tail
            }
        }
    }

    pub fn draw(self, mean: f64, random: &mut Random) -> f64 {
        match self {
            Self::Exponential => mean * exponential(random),
            Self::Pareto => {
                let below = random.fraction() * (1.0 - (LOW / HIGH).powf(ALPHA));
                mean * LOW * (1.0 - below).powf(-1.0 / ALPHA)
            }
        }
    }

    /// What is left of a job that is found running: a job is found in proportion to its
    /// length, at any point of it.
    pub fn draw_rest(self, mean: f64, random: &mut Random) -> f64 {
        match self {
            Self::Exponential => mean * exponential(random),
            Self::Pareto => {
                let (low, high) = (LOW.powf(1.0 - ALPHA), HIGH.powf(1.0 - ALPHA));
                let whole = (low - random.fraction() * (low - high)).powf(1.0 / (1.0 - ALPHA));
                mean * whole * random.fraction()
            }
        }
    }
}

/// An exponential number with mean 1.
pub fn exponential(random: &mut Random) -> f64 {
    -(1.0 - random.fraction()).ln()
}

const ALPHA: f64 = 1.1;
const LOW: f64 = 0.1;
const HIGH: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_lengths_have_their_mean() {
        let mut random = Random::new(3);
        for lengths in [Lengths::Exponential, Lengths::Pareto] {
            let draws = 2_000_000;
            let sum: f64 = (0..draws).map(|_| lengths.draw(10.0, &mut random)).sum();
            let mean = sum / f64::from(draws);
            let wanted = lengths.true_mean(10.0);
            assert!((mean / wanted - 1.0).abs() < 0.05, "{lengths:?}: {mean} instead of {wanted}");
        }
    }
}
