//! What is known of a host, in its two parts, and how they make a [`HostRecord`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::needs::is_offer_name;
use crate::news::{HostRecord, HostState, OfferState, OfferUnit, QueueState};

/// What seldom changes of a host. Sequence numbers count on from the card's.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// The host's name.
    pub host: String,
    /// Where it can be reached, `address:port`; empty when it listens nowhere.
    pub address: String,
    /// The host's life.
    pub incarnation: u64,
    /// The sequence number of the first record with this card.
    pub sequence: u64,
    /// CPUs that jobs may use.
    pub cpus: u32,
    /// Speed relative to the others, thousandths.
    pub speed_thousandths: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Operating system and architecture.
    pub platform: String,
    /// Version of its queued.
    pub version: String,
    /// Queues with limits and gates.
    pub queues: Vec<QueueCard>,
    /// What it offers to jobs.
    pub offers: Vec<OfferCard>,
    /// What a later release wrote behind these; passed on unread.
    pub rest: Vec<Value>,
}

/// What seldom changes of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCard {
    /// The queue's name.
    pub queue: String,
    /// How many jobs may run; `None` is no limit.
    pub limit: Option<u32>,
    /// Why it takes nothing now; `None` when it is open.
    pub shut: Option<String>,
}

/// What seldom changes of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferCard {
    /// Its name.
    pub name: String,
    /// How much there is.
    pub total: u64,
    /// What is counted.
    pub unit: OfferUnit,
}

/// What changes of a host all the time, rounded for travel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// This record's sequence number less the card's.
    pub step: u64,
    /// Load average over one minute, hundredths.
    pub load1_hundredths: u32,
    /// Runnable tasks, tenths.
    pub runnable_tenths: u32,
    /// Memory in MiB that is available.
    pub memory_free_mib: u64,
    /// Starts that `runnable` cannot show yet.
    pub starting: u32,
    /// Jobs running, by queue, in the card's order.
    pub running: Vec<u32>,
    /// What is free, by offer, in the card's order.
    pub free: Vec<u64>,
    /// What a later release wrote behind these; passed on unread.
    pub rest: Vec<Value>,
}

/// A card's short name: 48 bits of the SHA-256 of host, address, incarnation and sequence.
/// Ten thousand hosts share one with probability below one in a million.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Card {
    /// The card of a host in this state, from `sequence` on. Texts beyond their bound are cut.
    pub fn of(host: &str, address: &str, incarnation: u64, sequence: u64, state: &HostState) -> Self {
        Self {
            host: host.to_owned(),
            address: address.to_owned(),
            incarnation,
            sequence,
            cpus: state.cpus,
            speed_thousandths: rounded(state.speed, 1000.0),
            memory_mib: state.memory_mib,
            platform: cut(&state.platform, LONGEST_NAME),
            version: cut(&state.version, LONGEST_NAME),
            queues: state.queues.iter().take(MOST_QUEUES).map(QueueCard::of).collect(),
            offers: state.offers.iter().take(MOST_OFFERS).map(OfferCard::of).collect(),
            rest: Vec::new(),
        }
    }

    /// Whether `other` says the same, apart from when it was written.
    pub fn says_the_same(&self, other: &Card) -> bool {
        let Card {
            host,
            address,
            incarnation,
            sequence: _,
            cpus,
            speed_thousandths,
            memory_mib,
            platform,
            version,
            queues,
            offers,
            rest,
        } = self;
        *host == other.host
            && *address == other.address
            && *incarnation == other.incarnation
            && *cpus == other.cpus
            && *speed_thousandths == other.speed_thousandths
            && *memory_mib == other.memory_mib
            && *platform == other.platform
            && *version == other.version
            && *queues == other.queues
            && *offers == other.offers
            && *rest == other.rest
    }

    /// The card's short name.
    pub fn key(&self) -> Key {
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        for text in [&self.host, &self.address] {
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(&self.incarnation.to_be_bytes());
        hash.update(&self.sequence.to_be_bytes());
        let digest = hash.finish();
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&digest.as_ref()[..6]);
        Key(u64::from_be_bytes(bytes))
    }

    /// About how many bytes an introduction with it is long.
    pub fn weight(&self) -> usize {
        let texts = [&self.host, &self.address, &self.platform, &self.version];
        let queue = |queue: &QueueCard| 24 + queue.queue.len() + queue.shut.as_ref().map_or(0, |why| why.len());
        let rest = if self.rest.is_empty() { 0 } else { LONGEST_REST };
        let offers: usize = self.offers.iter().map(|offer| 24 + offer.name.len()).sum();
        let texts: usize = texts.into_iter().map(|text| text.len()).sum();
        100 + texts + self.queues.iter().map(queue).sum::<usize>() + offers + rest
    }

    /// Whether all of it is within bounds. A record that is not is skipped by who reads it,
    /// so that one broken host does not silence its peers.
    pub fn is_sound(&self) -> bool {
        is_name(&self.host)
            && self.host.len() <= LONGEST_ADDRESS
            && self.address.len() <= LONGEST_ADDRESS
            && self.incarnation <= LARGEST_COUNT
            && self.sequence <= LARGEST_COUNT
            && self.platform.len() <= LONGEST_NAME
            && self.version.len() <= LONGEST_NAME
            && self.queues.len() <= MOST_QUEUES
            && self.queues.iter().all(QueueCard::is_sound)
            && self.offers.len() <= MOST_OFFERS
            && self.offers.iter().all(|offer| is_offer_name(&offer.name))
            && is_short(&self.rest)
    }
}

impl QueueCard {
    fn of(state: &QueueState) -> Self {
        Self {
            queue: cut(&state.queue, LONGEST_NAME),
            limit: state.limit,
            shut: state.shut.as_deref().map(|why| cut(why, LONGEST_REASON)),
        }
    }

    fn is_sound(&self) -> bool {
        is_name(&self.queue)
            && self.queue.len() <= LONGEST_NAME
            && self.shut.as_ref().is_none_or(|why| why.len() <= LONGEST_REASON)
    }
}

impl OfferCard {
    fn of(state: &OfferState) -> Self {
        Self { name: state.name.clone(), total: state.total, unit: state.unit }
    }
}

impl Figures {
    /// The figures of a host in this state, `step` records after its card.
    pub fn of(step: u64, state: &HostState) -> Self {
        Self {
            step,
            load1_hundredths: rounded(state.load1, 100.0),
            runnable_tenths: rounded(state.runnable, 10.0),
            memory_free_mib: state.memory_free_mib,
            starting: state.starting,
            running: state.queues.iter().take(MOST_QUEUES).map(|queue| queue.running).collect(),
            free: state.offers.iter().take(MOST_OFFERS).map(|offer| offer.free).collect(),
            rest: Vec::new(),
        }
    }

    /// Whether they fit a card that is sound.
    pub fn is_sound(&self) -> bool {
        self.step <= LARGEST_COUNT
            && self.running.len() <= MOST_QUEUES
            && self.free.len() <= MOST_OFFERS
            && is_short(&self.rest)
    }

    /// The record that card and figures make. `clock_us` does not travel with a record (an old
    /// one passed on would look like a clock that is slow) and is 0.
    pub fn record(&self, card: &Card) -> HostRecord {
        let running = self.running.iter().copied().chain(std::iter::repeat(0));
        let queues = card.queues.iter().zip(running).map(|(queue, running)| QueueState {
            queue: queue.queue.clone(),
            running,
            limit: queue.limit,
            shut: queue.shut.clone(),
        });
        let free = self.free.iter().copied().chain(std::iter::repeat(0));
        let offers = card.offers.iter().zip(free).map(|(offer, free)| OfferState {
            name: offer.name.clone(),
            total: offer.total,
            free,
            unit: offer.unit,
        });
        HostRecord {
            host: card.host.clone(),
            address: card.address.clone(),
            incarnation: card.incarnation,
            sequence: card.sequence.saturating_add(self.step),
            state: HostState {
                load1: f64::from(self.load1_hundredths) / 100.0,
                runnable: f64::from(self.runnable_tenths) / 10.0,
                cpus: card.cpus,
                speed: f64::from(card.speed_thousandths) / 1000.0,
                memory_mib: card.memory_mib,
                memory_free_mib: self.memory_free_mib,
                starting: self.starting,
                queues: queues.collect(),
                offers: offers.collect(),
                platform: card.platform.clone(),
                version: card.version.clone(),
                clock_us: 0,
            },
        }
    }
}

impl Key {
    /// Its eight letters.
    pub fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0.to_be_bytes()[2..])
    }

    /// The key these letters stand for.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 8];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes[2..]) {
            Ok(6) => Some(Self(u64::from_be_bytes(bytes))),
            _ => None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text())
    }
}

/// Characters of a host name or an address.
const LONGEST_ADDRESS: usize = 255;
/// Bytes of a queue's name, a platform, a version.
const LONGEST_NAME: usize = 64;
/// Bytes of the words for why a queue is shut.
const LONGEST_REASON: usize = 200;
/// Queues of one host that are told.
const MOST_QUEUES: usize = 64;
/// Offers of one host that are told.
const MOST_OFFERS: usize = 64;
/// Bytes of what a later release may append.
const LONGEST_REST: usize = 1024;
/// Incarnations and sequence numbers stay below, so that adding one never overflows.
const LARGEST_COUNT: u64 = 1 << 60;

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn is_short(rest: &[Value]) -> bool {
    rest.is_empty() || serde_json::to_string(rest).is_ok_and(|text| text.len() <= LONGEST_REST)
}

fn rounded(figure: f64, scale: f64) -> u32 {
    // `as` saturates, and makes 0 of what is no number.
    (figure * scale).round() as u32
}

fn cut(text: &str, longest: usize) -> String {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
