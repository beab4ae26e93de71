//! What two daemons tell each other about the hosts: `POST /v1/news` carries a [`Message`] and
//! is answered by one.
//!
//! News of a host comes in two parts, because it is told thousands of times. Its [`Card`] (name,
//! address, CPUs, queues, gates) seldom changes and is told once to each peer; its [`Figures`]
//! (load, free memory, running jobs) are told again and again, in some forty bytes that refer to
//! the card by its [`Key`]. A release that has more to say appends elements to an array: an
//! older one keeps them and passes them on unread. The paper is `docs/host-table.md`.
//!
//! | Key | Content |
//! |---|---|
//! | `h` | [`Greeting`] `[incarnation, hosts known]` |
//! | `c` | the sender's wall clock, microseconds since 1970 |
//! | `f` | [`Introduction`] `[host, address, incarnation, sequence, cpus, speed/1000, MiB, platform, version, [[queue, limit, shut]], [figures], [[offer, total, unit]]]` |
//! | `d` | [`Update`] `[key, [figures]]`; figures are `[step, load/100, runnable/10, free MiB, starting, [running], [free]]` |
//! | `p` | the same, for what was pulled somewhere on its way |
//! | `r` | [`Rumour`] `[host, incarnation, sequence, age in ms]` |
//! | `g` | [`Departure`] `[host, incarnation, 0 left or 1 removed, age in s]` |
//! | `w` | cards the sender lacks and wants |
//! | `s` | cards whose host the sender hears of sooner from another peer: spare it |
//! | `a` | cards whose host it wants to hear of again |
//! | `l` | cards whose host it has lost the way to |
//! | `m` | there is more: ask again |
//! | `b` | the sender will close this connection: no reason to fear for it |
//! | `x` | the sender has no room for another peer: ask the hosts told of here |

mod card;
mod open;

use serde::{Deserialize, Serialize};

pub use card::{Card, Figures, Key, OfferCard, QueueCard};

/// A body longer than this is refused before it is read.
pub const MAX_BYTES: usize = 256 * 1024;
/// Introductions, updates, rumours or departures in one message; the sender pages.
pub const MAX_RECORDS: usize = 512;
/// Keys in one list of one message.
pub const MAX_KEYS: usize = 4096;

/// One direction of an exchange. What is empty is not written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Message {
    /// In the first message of each end on a connection.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Greeting>,
    /// The sender's wall clock at this moment, microseconds since 1970; now and then.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub clock_us: Option<u64>,
    /// Hosts with all that is known of them.
    #[serde(rename = "f", default, deserialize_with = "open::records", skip_serializing_if = "Vec::is_empty")]
    pub introductions: Vec<Introduction>,
    /// New figures of hosts whose card the receiver should have.
    #[serde(rename = "d", default, deserialize_with = "open::records", skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<Update>,
    /// The same, but somebody on the way got them as an answer: such a way is open only when
    /// somebody happens to ask, and nobody should rely on it.
    #[serde(rename = "p", default, deserialize_with = "open::records", skip_serializing_if = "Vec::is_empty")]
    pub pulled: Vec<Update>,
    /// Hosts that somebody has lost.
    #[serde(rename = "r", default, deserialize_with = "open::records", skip_serializing_if = "Vec::is_empty")]
    pub rumours: Vec<Rumour>,
    /// Hosts that said goodbye or were removed.
    #[serde(rename = "g", default, deserialize_with = "open::records", skip_serializing_if = "Vec::is_empty")]
    pub departures: Vec<Departure>,
    /// Cards the sender was told figures for and does not have.
    #[serde(rename = "w", default, deserialize_with = "open::keys", skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Key>,
    /// Hosts the receiver need not tell the sender about for now.
    #[serde(rename = "s", default, deserialize_with = "open::keys", skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<Key>,
    /// Hosts the receiver shall tell the sender about again.
    #[serde(rename = "a", default, deserialize_with = "open::keys", skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<Key>,
    /// Hosts the sender does not hear of any more: the receiver shall tell it about them, and
    /// if it had them from the sender, look for another way itself.
    #[serde(rename = "l", default, deserialize_with = "open::keys", skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Key>,
    /// The sender has more to tell than fitted.
    #[serde(rename = "m", default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// The sender closes this connection after the answer.
    #[serde(rename = "b", default, skip_serializing_if = "is_false")]
    pub closing: bool,
    /// The sender keeps no account of the receiver because it has too many peers already.
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub crowded: bool,
}

impl Message {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Who speaks; the name is known from the connection's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    /// The speaker's life.
    pub incarnation: u64,
    /// How many hosts it knows: one that knows few is told cards at once.
    pub known: u32,
}

/// A host with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Introduction {
    /// What seldom changes.
    pub card: std::sync::Arc<Card>,
    /// What changes all the time.
    pub figures: Figures,
}

/// New figures of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The card they continue.
    pub key: Key,
    /// What changes all the time.
    pub figures: Figures,
}

/// Somebody lost its connection with this host, which had not said goodbye. A later record of
/// the host refutes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rumour {
    /// The host in doubt.
    pub host: String,
    /// The life in doubt.
    pub incarnation: u64,
    /// The last that was heard of it.
    pub sequence: u64,
    /// How long the teller has doubted, milliseconds.
    pub age_ms: u64,
}

/// A host that is no longer part of the cluster; what is heard of this or an earlier life of it
/// is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    /// The host that went.
    pub host: String,
    /// Its last life.
    pub incarnation: u64,
    /// How it went.
    pub manner: Manner,
    /// How long ago, seconds.
    pub age_s: u64,
}

/// How a host left the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// It said goodbye.
    Left,
    /// Somebody removed it.
    Removed,
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests;
