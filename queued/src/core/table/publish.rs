//! When this host tells the others about itself: when its rank has changed by a tenth or a gate
//! has opened or shut, but not more often than the number of hosts allows; and every 15 s anyway.

use std::sync::Arc;
use std::time::Duration;

use wire::exchange::{Card, Figures, Introduction};
use wire::news::HostState;

use super::event::OwnHost;
use super::pace;
use crate::core::time::Millis;

/// What this host is like, and what it last told.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    state: Option<HostState>,
    /// The same as it would travel.
    live: Option<(Card, Figures)>,
    told: Option<Told>,
    /// Whether the state differs so much from what was told that it is worth telling.
    outdated: bool,
    /// The last sequence number used in this life.
    sequence: u64,
}

#[derive(Debug)]
struct Told {
    at: Millis,
    card: Arc<Card>,
    figures: Figures,
    /// No change is told sooner than this after it.
    pause: Duration,
}

impl Publisher {
    /// The host's state of this moment.
    pub fn measured(&mut self, own: &OwnHost, state: HostState) {
        let card = Card::of(&own.name, &own.address, own.incarnation, 0, &state);
        let figures = Figures::of(0, &state);
        self.outdated = self.told.as_ref().is_none_or(|told| told.is_outdated(&card, &figures));
        self.live = Some((card, figures));
        self.state = Some(state);
    }

    /// What was measured last, as it would travel.
    pub fn live(&self) -> Option<(&Card, &Figures)> {
        self.live.as_ref().map(|(card, figures)| (card, figures))
    }

    /// What was measured last.
    pub fn state(&self) -> Option<&HostState> {
        self.state.as_ref()
    }

    /// What was told last.
    pub fn told(&self) -> Option<Introduction> {
        let Told { card, figures, .. } = self.told.as_ref()?;
        Some(Introduction { card: Arc::clone(card), figures: figures.clone() })
    }

    /// The last sequence number used in this life.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When to publish next among so many hosts; `None` before the first measurement.
    pub fn due(&self, hosts: usize) -> Option<Millis> {
        self.state.as_ref()?;
        let Some(told) = &self.told else {
            return Some(Millis(0));
        };
        let wait = if self.outdated { told.pause } else { pace::heartbeat(hosts) };
        Some(told.at + wait)
    }

    /// The next record, later than `floor`; `busy` hosts publish as often as they may.
    pub fn publish(&mut self, now: Millis, own: &OwnHost, floor: u64, busy: usize) -> Option<Introduction> {
        let state = self.state.as_ref()?;
        self.sequence = self.sequence.max(floor) + 1;
        let mut card = Arc::new(Card::of(&own.name, &own.address, own.incarnation, self.sequence, state));
        if let Some(told) = self.told.take()
            && told.card.says_the_same(&card)
        {
            card = told.card;
        }
        let figures = Figures::of(self.sequence - card.sequence, state);
        self.live = Some((Card::clone(&card), figures.clone()));
        self.outdated = false;
        let pause = pace::between_publications(busy);
        self.told = Some(Told { at: now, card, figures, pause });
        self.told()
    }

    /// A new life begins: numbers start anew.
    pub fn begin_life(&mut self) {
        self.told = None;
        self.sequence = 0;
    }
}

impl Told {
    fn is_outdated(&self, card: &Card, now: &Figures) -> bool {
        let (cpus, memory) = (f64::from(card.cpus.max(1)), card.memory_mib as f64);
        let demand =
            |figures: &Figures| (f64::from(figures.runnable_tenths) / 10.0 + f64::from(figures.starting) + 1.0) / cpus;
        let load = |figures: &Figures| (f64::from(figures.load1_hundredths) / 100.0 + 1.0) / cpus;
        // Below one task per CPU the rank is 1 whatever happens, but which of the idle hosts
        // has most free CPUs still decides; there a tenth of the CPUs counts.
        let by_a_tenth = |before: f64, now: f64| (now - before).abs() >= 0.1 * before.max(1.0);
        by_a_tenth(demand(&self.figures), demand(now))
            || by_a_tenth(load(&self.figures), load(now))
            || now.memory_free_mib.abs_diff(self.figures.memory_free_mib) as f64 > 0.1 * memory
            || now.free != self.figures.free
            || self.gates_differ(card, now)
    }

    /// Anything of the card but the words for why a queue is shut, and whether a queue is full.
    fn gates_differ(&self, card: &Card, figures: &Figures) -> bool {
        let plain = |card: &Card| {
            let mut card = card.clone();
            for queue in &mut card.queues {
                queue.shut = queue.shut.take().map(|_| String::new());
            }
            card
        };
        let full = |card: &Card, figures: &Figures| -> Vec<bool> {
            let running = figures.running.iter();
            let limits = card.queues.iter().map(|queue| queue.limit.unwrap_or(u32::MAX));
            running.zip(limits).map(|(&running, limit)| running >= limit).collect()
        };
        !plain(&self.card).says_the_same(&plain(card)) || full(&self.card, &self.figures) != full(card, figures)
    }
}

#[cfg(test)]
mod tests {
    use wire::news::{OfferState, QueueState};

    use super::*;

    fn own() -> OwnHost {
        OwnHost { name: "redfish".into(), address: "192.0.2.1:7117".into(), incarnation: 5 }
    }

    fn state() -> HostState {
        let queue = QueueState { queue: "wait".into(), running: 1, limit: Some(4), shut: None };
        HostState { cpus: 4, speed: 1.0, memory_mib: 1000, queues: vec![queue], ..HostState::default() }
    }

    fn published(state: HostState) -> Publisher {
        let mut publisher = Publisher::default();
        publisher.measured(&own(), state);
        publisher.publish(Millis(1000), &own(), 0, 1);
        publisher
    }

    fn wait_after(change: impl FnOnce(&mut HostState)) -> u64 {
        let mut publisher = published(state());
        let mut state = state();
        change(&mut state);
        publisher.measured(&own(), state);
        publisher.due(3).unwrap().0 - 1000
    }

    #[test]
    fn nothing_is_published_before_it_was_measured() {
        let mut publisher = Publisher::default();
        assert_eq!(publisher.due(3), None);
        assert_eq!(publisher.publish(Millis(0), &own(), 0, 1), None);
        publisher.measured(&own(), state());
        assert_eq!(publisher.due(3), Some(Millis(0)));
    }

    #[test]
    fn what_stays_as_it_is_is_published_every_15_s() {
        assert_eq!(wait_after(|_| ()), 15_000);
        assert_eq!(wait_after(|state| state.runnable = 0.3), 15_000);
        assert_eq!(wait_after(|state| state.load1 = 0.3), 15_000);
        assert_eq!(wait_after(|state| state.memory_free_mib = 90), 15_000);
        assert_eq!(wait_after(|state| state.clock_us = 90), 15_000);
        assert_eq!(wait_after(|state| state.queues[0].running = 3), 15_000);
    }

    #[test]
    fn what_matters_to_a_choice_is_published_after_half_a_second() {
        assert_eq!(wait_after(|state| state.runnable = 0.5), 500);
        assert_eq!(wait_after(|state| state.starting = 1), 500);
        assert_eq!(wait_after(|state| state.load1 = 0.5), 500);
        assert_eq!(wait_after(|state| state.memory_free_mib = 110), 500);
        assert_eq!(wait_after(|state| state.queues[0].running = 4), 500);
        assert_eq!(wait_after(|state| state.queues[0].shut = Some("full".into())), 500);
        assert_eq!(wait_after(|state| state.queues[0].limit = None), 500);
        assert_eq!(wait_after(|state| state.queues.clear()), 500);
        assert_eq!(wait_after(|state| state.cpus = 5), 500);
        let gpu = |free| OfferState { name: "gpu".into(), total: 4, free, ..OfferState::default() };
        assert_eq!(wait_after(|state| state.offers.push(gpu(4))), 500);
    }

    #[test]
    fn other_words_for_a_gate_that_stays_shut_are_not_news() {
        let shut = |why: &str| {
            let mut state = state();
            state.queues[0].shut = Some(why.into());
            state
        };
        let mut publisher = published(shut("load 9.1"));
        publisher.measured(&own(), shut("load 9.2"));
        assert_eq!(publisher.due(3), Some(Millis(16_000)));
    }

    #[test]
    fn an_overloaded_host_counts_tenths_of_its_rank() {
        let loaded = |runnable| HostState { runnable, load1: 0.0, ..state() };
        let mut publisher = published(loaded(39.0));
        publisher.measured(&own(), loaded(42.0));
        assert_eq!(publisher.due(3), Some(Millis(16_000)));
        publisher.measured(&own(), loaded(43.0));
        assert_eq!(publisher.due(3), Some(Millis(1_500)));
    }

    #[test]
    fn the_card_stays_while_only_figures_change() {
        let mut publisher = published(state());
        publisher.measured(&own(), HostState { runnable: 3.0, ..state() });
        let second = publisher.publish(Millis(2000), &own(), 0, 1).unwrap();
        assert_eq!((second.card.sequence, second.figures.step), (1, 1));
        publisher.measured(&own(), HostState { cpus: 5, ..state() });
        let third = publisher.publish(Millis(3000), &own(), 0, 1).unwrap();
        assert_eq!((third.card.sequence, third.figures.step), (3, 0));
        // A doubt about number 9 is refuted by number 10.
        let tenth = publisher.publish(Millis(4000), &own(), 9, 1).unwrap();
        assert_eq!((tenth.card.sequence, tenth.figures.step), (3, 7));
    }

    #[test]
    fn a_thousand_busy_hosts_publish_every_few_seconds() {
        let mut publisher = published(state());
        publisher.publish(Millis(1000), &own(), 0, 1000);
        publisher.measured(&own(), HostState { runnable: 3.0, ..state() });
        let wait = publisher.due(1000).unwrap().0 - 1000;
        assert!((3_000..6_000).contains(&wait), "{wait} ms");
    }
}
