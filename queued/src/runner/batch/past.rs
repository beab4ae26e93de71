//! Which attempts were released here: none of them, and no earlier one of the same job, is started again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::link::AttemptKey;

/// The highest attempt of each of the newest jobs.
#[derive(Default)]
pub struct Past {
    highest: HashMap<(Arc<str>, u64), u64>,
    order: VecDeque<(Arc<str>, u64)>,
    /// Jobs come from few homes, and each name is kept once.
    homes: Vec<Arc<str>>,
}

impl Past {
    /// Whether this attempt, or a later one, was released before.
    pub fn has(&self, key: &AttemptKey) -> bool {
        let home = self.homes.iter().find(|home| ***home == *key.home);
        let highest = home.and_then(|home| self.highest.get(&(home.clone(), key.job_id)));
        highest.is_some_and(|highest| key.attempt <= *highest)
    }

    /// This one is released.
    pub fn note(&mut self, key: &AttemptKey) {
        let home = match self.homes.iter().find(|home| ***home == *key.home) {
            Some(home) => home.clone(),
            None => {
                self.homes.push(key.home.as_str().into());
                self.homes[self.homes.len() - 1].clone()
            }
        };
        let job = (home, key.job_id);
        let highest = self.highest.entry(job.clone()).or_insert_with(|| {
            self.order.push_back(job);
            0
        });
        *highest = (*highest).max(key.attempt);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.highest.remove(&oldest);
            if Arc::strong_count(&oldest.0) == 2 {
                self.homes.retain(|home| *home != oldest.0);
            }
        }
    }
}

/// Jobs that are remembered.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_and_those_before_it_are_known_until_enough_others_came() {
        let key = |home: &str, job_id, attempt| AttemptKey { home: home.into(), job_id, attempt };
        let mut past = Past::default();
        past.note(&key("a", 1, 2));
        past.note(&key("a", 1, 1));
        let known = [("a", 1, 1), ("a", 1, 2), ("a", 1, 3), ("a", 2, 1), ("b", 1, 1)];
        assert_eq!(
            known.map(|(home, job, attempt)| past.has(&key(home, job, attempt))),
            [true, true, false, false, false]
        );
        (0..MOST as u64).for_each(|job| past.note(&key("b", job, 1)));
        assert!(!past.has(&key("a", 1, 1)) && past.has(&key("b", 0, 1)));
        assert_eq!((past.homes.len(), past.highest.len()), (1, MOST));
    }
}
