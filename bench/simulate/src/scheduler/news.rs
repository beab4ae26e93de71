//! When a simulated host tells the others: the rule of the host table, without its gossip.
//!
//! A record is published anew when the tasks that want a CPU have changed by a tenth of the
//! CPUs, or by a tenth where there are more tasks than CPUs; at most twice a second (less
//! often where many hosts are busy, so that a daemon's share of the traffic has a bound); and
//! every 15 s anyway. It is under way for up to as long as the table reckons with.

use std::time::Duration;

use queued::core::time::Millis;
use wire::news::HostState;

/// The longest time between two records.
const LONGEST: Duration = Duration::from_secs(15);

/// The shortest time between two records in a cluster of so many busy hosts.
fn shortest(hosts: usize) -> Duration {
    Duration::from_millis(500).max(Duration::from_micros(hosts as u64 * 50 * 1_000_000 / 11_000))
}

/// The longest time from a record's publication to its being heard.
pub fn under_way(hosts: usize) -> Duration {
    Duration::from_millis(1000 + 3 * hosts.min(1000) as u64)
}

/// Remembers what the others were told last.
#[derive(Debug, Clone)]
pub struct Publisher {
    shortest: Duration,
    last: Option<Told>,
    /// Something changed too soon after the last record.
    held_back: bool,
}

#[derive(Debug, Clone)]
struct Told {
    at: Millis,
    demand: f64,
}

impl Publisher {
    pub fn new(hosts: usize) -> Self {
        Self { shortest: shortest(hosts), last: None, held_back: false }
    }

    /// Whether `state` is to be published now; if so it is taken as published.
    pub fn due(&mut self, now: Millis, state: &HostState) -> bool {
        let demand = (state.runnable + f64::from(state.starting) + 1.0) / f64::from(state.cpus.max(1));
        let due = match &self.last {
            None => true,
            Some(last) => {
                let age = now.since(last.at);
                let changed = (demand - last.demand).abs() >= 0.1 * last.demand.max(1.0);
                self.held_back = changed && age < self.shortest;
                age >= LONGEST || changed && age >= self.shortest
            }
        };
        if due {
            self.last = Some(Told { at: now, demand });
        }
        due
    }

    /// When to ask again at the latest.
    pub fn next_deadline(&self) -> Millis {
        let wait = if self.held_back { self.shortest } else { LONGEST };
        self.last.as_ref().map_or(Millis(0), |last| last.at + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(runnable: f64) -> HostState {
        HostState { runnable, cpus: 20, speed: 1.0, ..HostState::default() }
    }

    #[test]
    fn a_tenth_is_news_and_less_is_not() {
        let mut publisher = Publisher::new(1);
        assert!(publisher.due(Millis(0), &state(4.0)));
        assert!(!publisher.due(Millis(600), &state(5.0)), "a twentieth of the CPUs");
        assert!(publisher.due(Millis(700), &state(6.1)), "a tenth of them");
        assert!(publisher.due(Millis(1300), &state(39.0)));
        assert!(!publisher.due(Millis(1900), &state(42.0)), "under a tenth of the tasks");
        assert!(publisher.due(Millis(1900), &state(43.0)));
    }

    #[test]
    fn every_fifteen_seconds_there_is_news_anyway() {
        let mut publisher = Publisher::new(1);
        assert!(publisher.due(Millis(0), &state(0.0)));
        assert!(!publisher.due(Millis(14_999), &state(0.0)));
        assert_eq!(publisher.next_deadline(), Millis(15_000));
        assert!(publisher.due(Millis(15_000), &state(0.0)));
    }

    #[test]
    fn a_change_too_soon_is_published_half_a_second_after_the_last() {
        let mut publisher = Publisher::new(1);
        assert!(publisher.due(Millis(0), &state(0.0)));
        assert!(!publisher.due(Millis(100), &state(9.0)));
        assert_eq!(publisher.next_deadline(), Millis(500));
        assert!(publisher.due(Millis(500), &state(9.0)));
        assert_eq!(publisher.next_deadline(), Millis(15_500));
    }
}
