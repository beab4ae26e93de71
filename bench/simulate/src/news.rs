//! When a simulated host tells the others: the rule of the host table, without its gossip.
//! A record is published anew when the rank has changed by a tenth or a gate has opened or
//! shut, at most twice a second (less often where many hosts are busy, so that a daemon's
//! share of the traffic has a bound), and every 15 s anyway.

use std::time::Duration;

use wire::news::{HostState, QueueState};

use queued::core::rank::{Figures, RankRule};
use queued::core::time::Millis;

/// The shortest time between two records in a cluster of so many busy hosts.
fn shortest(hosts: usize) -> Duration {
    Duration::from_millis(500).max(Duration::from_micros(hosts as u64 * 50 * 1_000_000 / 11_000))
}

/// The longest time from a record's publication to its being heard.
pub fn under_way(hosts: usize) -> Duration {
    Duration::from_millis(1000 + 3 * hosts.min(1000) as u64)
}

/// The longest time between two records.
pub const LONGEST: Duration = Duration::from_secs(15);

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
    rank: f64,
    open: Vec<bool>,
}

impl Publisher {
    pub fn new(hosts: usize) -> Self {
        Self { shortest: shortest(hosts), last: None, held_back: false }
    }

    /// Whether `state` is to be published now; if so it is taken as published. Call after
    /// every change, after every reading of the load, and at the deadline.
    pub fn due(&mut self, now: Millis, state: &HostState) -> bool {
        let rank = share(state);
        let due = match &self.last {
            None => true,
            Some(last) => {
                let age = now.since(last.at);
                let changed = (rank - last.rank).abs() >= last.rank * 0.1
                    || !state.queues.iter().map(is_open).eq(last.open.iter().copied());
                self.held_back = changed && age < self.shortest;
                age >= LONGEST || changed && age >= self.shortest
            }
        };
        if due {
            let open = state.queues.iter().map(is_open).collect();
            self.last = Some(Told { at: now, rank, open });
        }
        due
    }

    /// When to ask again at the latest.
    pub fn next_deadline(&self) -> Millis {
        let wait = if self.held_back { self.shortest } else { LONGEST };
        self.last.as_ref().map_or(Millis(0), |last| last.at + wait)
    }
}

/// The rank of a host by its own record and the default rule.
fn share(state: &HostState) -> f64 {
    let busy = state.runnable + f64::from(state.starting);
    let figures = Figures { busy, cpus: state.cpus, speed: state.speed, ..Figures::default() };
    figures.rank(RankRule::Share)
}

fn is_open(queue: &QueueState) -> bool {
    queue.shut.is_none() && queue.limit.is_none_or(|limit| queue.running < limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(runnable: f64, running: u32) -> HostState {
        let queue = QueueState { queue: "wait".into(), running, limit: Some(4), shut: None };
        HostState { runnable, cpus: 4, speed: 1.0, queues: vec![queue], ..HostState::default() }
    }

    #[test]
    fn a_tenth_or_a_gate_is_news_and_less_is_not() {
        let mut publisher = Publisher::new(1);
        assert!(publisher.due(Millis(0), &state(4.0, 0)));
        assert!(!publisher.due(Millis(600), &state(4.4, 0)), "under a tenth");
        assert!(publisher.due(Millis(700), &state(4.6, 0)), "over a tenth");
        assert!(publisher.due(Millis(1300), &state(4.6, 4)), "full");
        assert!(publisher.due(Millis(1900), &state(4.6, 3)), "open again");
        assert!(!publisher.due(Millis(9000), &state(4.6, 2)), "one more slot is no gate");
    }

    #[test]
    fn below_saturation_no_host_has_news() {
        let mut publisher = Publisher::new(1);
        assert!(publisher.due(Millis(0), &state(0.0, 0)));
        assert!(!publisher.due(Millis(1000), &state(3.0, 3)));
        assert_eq!(publisher.next_deadline(), Millis(15_000));
        assert!(publisher.due(Millis(15_000), &state(3.0, 3)));
    }

    #[test]
    fn a_change_too_soon_is_published_half_a_second_after_the_last() {
        let mut publisher = Publisher::new(1);
        assert!(publisher.due(Millis(0), &state(0.0, 0)));
        assert!(!publisher.due(Millis(100), &state(9.0, 0)));
        assert_eq!(publisher.next_deadline(), Millis(500));
        assert!(publisher.due(Millis(500), &state(9.0, 0)));
        assert_eq!(publisher.next_deadline(), Millis(15_500));
    }
}
