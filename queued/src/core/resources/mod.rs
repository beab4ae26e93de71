//! What a host has for jobs besides slots, and who has it: memory, and what is offered under a name.
//!
//! What is taken is taken until it is given back. Devices are handed out by name, those that stand first in the
//! list first. An offer that shrinks below what is out takes nothing back, and gives nothing more until enough
//! has come back. Slots are not counted here: `admission` counts them by queue.

mod lack;
mod needs;
mod news;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use wire::needs::{Need, NeedTest, NeedValue};
use wire::news::{OfferState, OfferUnit};

pub use lack::Lack;
pub use needs::Needs;
pub use news::{lack_by_news, lack_of_slots};

/// What is offered under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amount {
    /// It is there, and nobody takes it.
    Flag,
    /// So many.
    Count(u64),
    /// So many bytes.
    Bytes(u64),
    /// These.
    Devices(Vec<String>),
}

/// What a host offers, by name.
pub type Offers = BTreeMap<String, Amount>;

/// What a job has of its host while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Taken {
    /// Slots of its queue; 0, from a release that did not say: one.
    #[serde(skip_serializing_if = "is_default")]
    pub cpus: u32,
    /// Bytes of memory; 0: not said.
    #[serde(skip_serializing_if = "is_default")]
    pub memory: u64,
    /// Pieces and bytes of offers.
    #[serde(skip_serializing_if = "is_default")]
    pub amounts: BTreeMap<String, u64>,
    /// Devices of offers, in the order of the offer.
    #[serde(skip_serializing_if = "is_default")]
    pub devices: BTreeMap<String, Vec<String>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What one host has, and who has it.
#[derive(Debug)]
pub struct Pool<K> {
    /// Bytes; 0: not known, and not counted.
    memory: u64,
    /// What the host is, by name: `os`, `arch`.
    facts: BTreeMap<String, String>,
    offers: Offers,
    held: BTreeMap<K, Taken>,
}

impl<K: Ord + Display> Default for Pool<K> {
    fn default() -> Self {
        Self { memory: 0, facts: BTreeMap::new(), offers: Offers::new(), held: BTreeMap::new() }
    }
}

impl<K: Ord + Display> Pool<K> {
    /// What was found on the host: its memory in bytes, and words for what it is.
    pub fn found(&mut self, memory: u64, facts: BTreeMap<String, String>) {
        (self.memory, self.facts) = (memory, facts);
    }

    /// What is offered from now on.
    pub fn offer(&mut self, offers: Offers) {
        self.offers = offers;
    }

    /// Takes what is needed, all of it or nothing. Who has something already keeps it, and gets the same again.
    ///
    /// # Errors
    /// What is missing, and who has it.
    pub fn take(&mut self, key: K, needs: &Needs) -> Result<Taken, Lack> {
        if let Some(taken) = self.held.get(&key) {
            return Ok(taken.clone());
        }
        let taken = self.try_take(needs)?;
        self.held.insert(key, taken.clone());
        Ok(taken)
    }

    /// What is known to be taken already, whatever is offered.
    pub fn adopt(&mut self, key: K, taken: Taken) {
        self.held.insert(key, taken);
    }

    /// It needs nothing any more.
    pub fn give_back(&mut self, key: &K) {
        self.held.remove(key);
    }

    /// What a holder has.
    pub fn held(&self, key: &K) -> Option<&Taken> {
        self.held.get(key)
    }

    /// What would be taken at this moment.
    ///
    /// # Errors
    /// As [`Pool::take`].
    pub fn try_take(&self, needs: &Needs) -> Result<Taken, Lack> {
        self.could_ever(needs)?;
        let mut taken = Taken { cpus: needs.cpus, memory: needs.memory, ..Taken::default() };
        if needs.memory > 0 && self.memory > 0 {
            let out: u64 = self.held.values().fold(0, |sum, held| sum.saturating_add(held.memory));
            if out.saturating_add(needs.memory) > self.memory {
                let holders = self.holders(|held| held.memory > 0);
                return Err(Lack::bytes_taken("memory", out, self.memory, needs.memory, &holders));
            }
        }
        // Devices that are named are taken before any that will do.
        let is_named = |need: &Need| matches!(&need.test, NeedTest::Equal(NeedValue::Word(_)));
        let (named, others): (Vec<_>, Vec<_>) = needs.named.iter().partition(|need| is_named(need));
        for need in named.into_iter().chain(others) {
            let NeedTest::Equal(value) = &need.test else { continue };
            self.take_one(&need.name, value, &mut taken)?;
        }
        if let Some(devices) = (!taken.devices.is_empty()).then_some(&mut taken.devices) {
            for (name, given) in devices {
                let place = |device: &String| match self.offers.get(name) {
                    Some(Amount::Devices(list)) => list.iter().position(|one| one == device),
                    _ => None,
                };
                given.sort_by_key(place);
            }
        }
        Ok(taken)
    }

    fn take_one(&self, name: &str, value: &NeedValue, taken: &mut Taken) -> Result<(), Lack> {
        match (self.offers.get(name), value) {
            (Some(Amount::Devices(devices)), value) => {
                let mut free = self.free_devices(name, devices);
                let given = taken.devices.entry(name.to_owned()).or_default();
                free.retain(|device| !given.contains(device));
                match value {
                    NeedValue::Word(word) => match free.contains(word) {
                        true => given.push(word.clone()),
                        false => {
                            let holders = self.holders(|held| has_device(held, name, word));
                            return Err(Lack::device_taken(name, word, &holders));
                        }
                    },
                    NeedValue::Number(count) | NeedValue::Size(wire::size::Size(count)) => {
                        let wanted = usize::try_from(*count).unwrap_or(usize::MAX);
                        if free.len() < wanted {
                            let out = devices.len() - self.free_devices(name, devices).len();
                            let holders = self.holders(|held| held.devices.contains_key(name));
                            return Err(Lack::taken(name, out as u64, devices.len() as u64, *count, &holders));
                        }
                        given.extend(free.into_iter().take(wanted));
                    }
                }
            }
            (Some(offer @ (Amount::Count(total) | Amount::Bytes(total))), value) => {
                let wanted = amount(value).unwrap_or(0);
                let own = taken.amounts.entry(name.to_owned()).or_default();
                let out = self.out(name);
                let after = out.saturating_add(*own).saturating_add(wanted);
                if after > *total {
                    let holders = self.holders(|held| held.amounts.contains_key(name));
                    return Err(match offer {
                        Amount::Bytes(_) => Lack::bytes_taken(name, out, *total, wanted, &holders),
                        _ => Lack::taken(name, out, *total, wanted, &holders),
                    });
                }
                *own += wanted;
            }
            // Nobody takes what is only there, or what the host is.
            (Some(Amount::Flag) | None, _) => {}
        }
        Ok(())
    }

    /// Whether all of it would be there if nobody had anything.
    ///
    /// # Errors
    /// What is missing for ever, as far as this host knows.
    pub fn could_ever(&self, needs: &Needs) -> Result<(), Lack> {
        if self.memory > 0 && needs.memory > self.memory {
            return Err(Lack::too_little_memory(self.memory, needs.memory));
        }
        let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
        let mut words: BTreeSet<(&str, &str)> = BTreeSet::new();
        for need in &needs.named {
            let name = need.name.as_str();
            match (&need.test, self.offers.get(name)) {
                (NeedTest::Equal(NeedValue::Word(word)), Some(Amount::Devices(devices))) => {
                    // Two cannot have the same device, nor can one have it twice.
                    if !devices.contains(word) || !words.insert((name, word)) {
                        return Err(Lack::no_device(name, word));
                    }
                    *numbers.entry(name).or_default() += 1;
                }
                (NeedTest::Equal(NeedValue::Word(word)), None) => match self.facts.get(name) {
                    Some(fact) if fact == word => {}
                    Some(fact) => return Err(Lack::other_fact(name, fact, word)),
                    None => return Err(Lack::not_offered(name)),
                },
                (NeedTest::Equal(NeedValue::Word(word)), Some(_)) => return Err(Lack::no_device(name, word)),
                (_, None) => return Err(Lack::not_offered(name)),
                (NeedTest::Equal(value), Some(_)) => {
                    let sum = numbers.entry(name).or_default();
                    *sum = sum.saturating_add(amount(value).unwrap_or(0));
                }
                (NeedTest::AtLeast(value), Some(offer)) => {
                    let wanted = amount(value).unwrap_or(0);
                    if offer.total() < wanted {
                        return Err(Lack::too_little(name, offer, wanted));
                    }
                }
                (NeedTest::There, Some(offer)) if offer.total() == 0 => return Err(Lack::not_offered(name)),
                (NeedTest::There, Some(_)) => {}
            }
        }
        for (name, wanted) in numbers {
            if let Some(offer) = self.offers.get(name).filter(|offer| offer.total() < wanted) {
                return Err(Lack::too_little(name, offer, wanted));
            }
        }
        Ok(())
    }

    /// What is offered and what is free of it, for the others.
    pub fn state(&self) -> Vec<OfferState> {
        let state = |(name, offer): (&String, &Amount)| {
            let (free, unit) = match offer {
                Amount::Flag => (1, OfferUnit::Flag),
                Amount::Count(total) => (total.saturating_sub(self.out(name)), OfferUnit::Count),
                Amount::Bytes(total) => (total.saturating_sub(self.out(name)), OfferUnit::Bytes),
                Amount::Devices(devices) => (self.free_devices(name, devices).len() as u64, OfferUnit::Count),
            };
            OfferState { name: name.clone(), total: offer.total(), free, unit }
        };
        self.offers.iter().map(state).collect()
    }

    fn out(&self, name: &str) -> u64 {
        let held = self.held.values().filter_map(|held| held.amounts.get(name));
        held.fold(0, |sum, amount| sum.saturating_add(*amount))
    }

    fn free_devices(&self, name: &str, devices: &[String]) -> Vec<String> {
        let out = self.held.values().filter_map(|held| held.devices.get(name)).flatten().collect::<BTreeSet<_>>();
        devices.iter().filter(|device| !out.contains(device)).cloned().collect()
    }

    fn holders(&self, has: impl Fn(&Taken) -> bool) -> Vec<String> {
        let holders = self.held.iter().filter(|(_, held)| has(held));
        holders.map(|(key, _)| key.to_string()).collect()
    }
}

impl Amount {
    /// How much it is in all.
    pub fn total(&self) -> u64 {
        match self {
            Self::Flag => 1,
            Self::Count(total) | Self::Bytes(total) => *total,
            Self::Devices(devices) => devices.len() as u64,
        }
    }

    /// What both sayings of one thing allow.
    pub fn smaller(self, other: Self) -> Self {
        match (self, other) {
            // Of two lists what stands in both.
            (Self::Devices(one), Self::Devices(other)) => {
                Self::Devices(one.into_iter().filter(|device| other.contains(device)).collect())
            }
            (one, other) if other.total() < one.total() => other,
            (one, _) => one,
        }
    }
}

fn amount(value: &NeedValue) -> Option<u64> {
    match value {
        NeedValue::Number(number) => Some(*number),
        NeedValue::Size(size) => Some(size.0),
        NeedValue::Word(_) => None,
    }
}

fn has_device(held: &Taken, name: &str, device: &str) -> bool {
    held.devices.get(name).is_some_and(|devices| devices.iter().any(|one| one == device))
}

#[cfg(test)]
mod tests;
