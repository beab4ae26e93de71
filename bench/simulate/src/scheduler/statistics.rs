//! Mean, p99 and how much they differ from seed to seed.

/// What one simulation gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    pub mean: f64,
    pub p99: f64,
}

impl Outcome {
    pub fn of(mut slowdowns: Vec<f64>) -> Self {
        let mean = slowdowns.iter().sum::<f64>() / slowdowns.len() as f64;
        let place = (slowdowns.len() * 99 / 100).min(slowdowns.len() - 1);
        let (_, p99, _) = slowdowns.select_nth_unstable_by(place, f64::total_cmp);
        Self { mean, p99: *p99 }
    }
}

/// The mean over seeds and their standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub deviation: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        let square = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
        Self { mean, deviation: square.sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p99_is_the_value_that_one_in_a_hundred_reaches() {
        let outcome = Outcome::of((1..=100).rev().map(f64::from).collect());
        assert_eq!(outcome, Outcome { mean: 50.5, p99: 100.0 });
        let spread = Spread::of([1.0, 2.0, 3.0].into_iter());
        assert_eq!(spread, Spread { mean: 2.0, deviation: 1.0 });
    }
}
