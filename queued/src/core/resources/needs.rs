//! What a start needs of a host when everybody has been asked: the job itself, and the queue for a job that says
//! nothing.

use wire::needs::{Need, NeedTest};

use super::lack::round;

/// What a start needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Needs {
    /// Slots of its queue, at least one.
    pub cpus: u32,
    /// Bytes of memory; 0: not said.
    pub memory: u64,
    /// What is offered under a name.
    pub named: Vec<Need>,
}

/// One slot, and nothing else.
impl Default for Needs {
    fn default() -> Self {
        Self { cpus: 1, memory: 0, named: Vec::new() }
    }
}

impl Needs {
    /// Of a job that says this, in a queue that says that much for those who say nothing, and needs `usual` of
    /// every host besides.
    pub fn of(
        said: Option<&wire::needs::Needs>,
        memory: Option<u64>,
        usual_cpus: u32,
        usual_memory: Option<u64>,
        usual: &[Need],
    ) -> Self {
        let mut named = said.map(|said| said.named.clone()).unwrap_or_default();
        let takes = |need: &Need| matches!(need.test, NeedTest::Equal(_));
        // Of what the job says itself how much it takes, the queue does not take more.
        let of_queue = usual.iter().filter(|need| {
            !named.iter().any(|own| own.name == need.name && (own == *need || takes(own) && takes(need)))
        });
        let of_queue = of_queue.cloned().collect::<Vec<_>>();
        named.extend(of_queue);
        named.sort();
        let cpus = said.and_then(|said| said.cpus).unwrap_or(usual_cpus).max(1);
        Self { cpus, memory: memory.or(usual_memory).unwrap_or(0), named }
    }

    /// Whether it is one slot and nothing else.
    pub fn are_plain(&self) -> bool {
        self.cpus <= 1 && self.memory == 0 && self.named.is_empty()
    }

    /// As a person says it: `gpu=1, 4 CPUs and 64 GiB of memory`.
    pub fn words(&self) -> String {
        let mut all = self.named.iter().map(Need::to_string).collect::<Vec<_>>();
        if self.cpus > 1 {
            all.push(format!("{} CPUs", self.cpus));
        }
        if self.memory > 0 {
            all.push(format!("{} of memory", round(self.memory)));
        }
        match &all[..] {
            [] => "one slot".to_owned(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }

    /// Whether a host gives something besides slots for them.
    pub fn take_something(&self) -> bool {
        self.memory > 0 || !self.named.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(texts: &[&str]) -> Vec<Need> {
        texts.iter().map(|text| Need::parse(text).expect(text)).collect()
    }

    #[test]
    fn a_queue_speaks_for_jobs_that_say_nothing() {
        let usual = named(&["gpu=1", "raid"]);
        let needs = Needs::of(None, None, 2, Some(7), &usual);
        assert_eq!(needs, Needs { cpus: 2, memory: 7, named: usual.clone() });
        let said = wire::needs::Needs { cpus: Some(4), named: named(&["gpu=3", "gpu>=4"]) };
        let needs = Needs::of(Some(&said), Some(9), 2, Some(7), &usual);
        assert!(Needs::default().are_plain() && !needs.are_plain());
        assert_eq!(needs, Needs { cpus: 4, memory: 9, named: named(&["gpu=3", "gpu>=4", "raid"]) });
        assert_eq!(Needs { memory: 64 << 30, ..needs }.words(), "gpu=3, gpu>=4, raid, 4 CPUs and 64 GiB of memory");
        assert_eq!(Needs::default().words(), "one slot");
        assert_eq!(Needs::of(Some(&wire::needs::Needs::default()), None, 1, None, &[]), Needs::default());
    }
}
