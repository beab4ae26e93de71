//! What a host tells the others about itself, and what a person sees of it.

use serde::{Deserialize, Serialize};

/// One host's record as it travels. The pair (incarnation, sequence) orders the records of
/// one host; a higher pair replaces a lower one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostRecord {
    /// The host's name, unique in the cluster.
    pub host: String,
    /// Where its one TCP port can be reached, `address:port`.
    pub address: String,
    /// The host's life: microseconds since 1970 at its start, or later than any heard of.
    pub incarnation: u64,
    /// Counts the records of one incarnation.
    pub sequence: u64,
    /// What it had to say then.
    pub state: HostState,
}

/// Which of a host's records: the order in which they were published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Edition {
    /// The host's life.
    pub incarnation: u64,
    /// The record within it; 0 before the first.
    pub sequence: u64,
}

/// How good a start would be on a host by its own word, and when it said so in the order of its
/// records and words. They may overtake each other on their way: the order tells which is newest,
/// and which starts it shows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OwnRank {
    /// The rank at that instant; the lowest wins.
    pub value: f64,
    /// The newest record that the host had published by then.
    pub edition: Edition,
    /// Counts the words of one incarnation.
    pub number: u64,
}

impl HostRecord {
    /// Which of the host's records this is.
    pub fn edition(&self) -> Edition {
        Edition { incarnation: self.incarnation, sequence: self.sequence }
    }
}

/// The figures a host is chosen by.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostState {
    /// Load average over one minute.
    pub load1: f64,
    /// Runnable tasks, smoothed over 5 s.
    pub runnable: f64,
    /// CPUs that jobs may use.
    pub cpus: u32,
    /// Speed relative to the others; 1 unless configured.
    pub speed: f64,
    /// Memory in MiB, all and available.
    pub memory_mib: u64,
    /// Memory in MiB that is available now.
    pub memory_free_mib: u64,
    /// Starts accepted here that `runnable` cannot show yet.
    pub starting: u32,
    /// Slots by queue.
    #[serde(default)]
    pub queues: Vec<QueueState>,
    /// What it offers to jobs under a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<OfferState>,
    /// Operating system and architecture, such as `linux/x86_64`.
    #[serde(default)]
    pub platform: String,
    /// Version of its queued.
    #[serde(default)]
    pub version: String,
    /// The host's wall clock when it published, microseconds since 1970.
    #[serde(default)]
    pub clock_us: u64,
}

/// One queue on one host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct QueueState {
    /// The queue's name.
    pub queue: String,
    /// Jobs running now.
    pub running: u32,
    /// `maxexec`: how many may run; `None` is no limit.
    pub limit: Option<u32>,
    /// Why it takes nothing now, in words; `None` when it is open.
    #[serde(default)]
    pub shut: Option<String>,
}

/// One thing that a host offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OfferState {
    /// Its name, such as `gpu`.
    pub name: String,
    /// How much there is: a number, or bytes.
    pub total: u64,
    /// How much of it nobody has now.
    pub free: u64,
    /// What is counted.
    #[serde(default)]
    pub unit: OfferUnit,
}

/// What is counted of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferUnit {
    /// Pieces, or devices with names.
    #[default]
    Count,
    /// Bytes.
    Bytes,
    /// Nothing: it is there.
    Flag,
}

/// One row of `queue hosts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostRow {
    /// The newest record.
    #[serde(flatten)]
    pub record: HostRecord,
    /// Milliseconds since it was heard, by the clock of the host that answers; 0 for itself.
    pub age_ms: u64,
    /// How its clock differs from the answering host's, milliseconds, positive when ahead.
    pub clock_difference_ms: Option<i64>,
    /// Whether it is the answering host itself.
    pub this_host: bool,
    /// Why it takes no job now, in words; `None` when it may be chosen.
    pub unavailable: Option<String>,
}

impl HostRow {
    /// Whether nothing has been heard of it for too long: its figures are history.
    pub fn is_silent(&self) -> bool {
        self.unavailable.as_deref().is_some_and(|why| why.starts_with("silent"))
    }
}
