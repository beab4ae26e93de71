//! How fast things go with so many hosts. All durations that a paper or a promise names stand
//! here; `bench/simulate` judges them and `docs/host-table.md` shows what follows.

use std::time::Duration;

/// A host publishes at least this often.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// When news is overdue by so much, all neighbours are asked again for a host.
pub(super) const OVERDUE: Duration = Duration::from_secs(5);
/// A request that is not answered for so long ends its connection: the peer hangs.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// On a connection one exchange follows another after this time, save the first few and those
/// that cannot wait.
pub(super) const BETWEEN_EXCHANGES: Duration = Duration::from_millis(500);
/// So many exchanges may follow each other at once after a rest.
pub(super) const EXCHANGES_AT_ONCE: u32 = 3;
/// A daemon that nobody connects to asks for news this often.
pub(super) const POLL: Duration = Duration::from_secs(2);
/// How often at most the whole table is looked through.
pub(super) const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// How often another neighbour may try to be quicker than the source for a host.
pub(super) const TRIAL: Duration = Duration::from_secs(60);
/// Every so often all is told again to a neighbour, should anything have been missed.
pub(super) const TELL_ALL: Duration = Duration::from_secs(600);
/// How often a peer is told the wall clock.
pub(super) const TELL_CLOCK: Duration = Duration::from_secs(60);
/// A card younger than this is told in full, without asking whether it is known.
pub(super) const NEW_CARD: Duration = Duration::from_secs(30);
/// News may be under way for so long before a daemon that asks for it again can have missed it.
pub(super) const RECENT: Duration = Duration::from_secs(10);

/// Standing connections that a daemon begins.
pub(super) const STANDING: usize = 8;
/// Peers it keeps account of, whoever began; the bits of a [`Slots`](super::neighbours::Slots).
pub(super) const MOST_NEIGHBOURS: usize = 64;
/// Peers beyond this that come in are sent on to other hosts.
pub(super) const CROWDED: usize = 48;
/// Hosts, departed ones included, that are remembered.
pub(super) const MOST_HOSTS: usize = 10_000;

/// How long a host that was lost has to show itself before the others are told. In a large
/// cluster some connection breaks every second, and every doubt is heard by all.
pub(super) fn grace(hosts: usize) -> Duration {
    Duration::from_micros(250_000 + 1_750 * hosts.min(1000) as u64)
}

/// How long a doubted host has to refute before it counts as silent: rumour and refutation
/// cross the cluster once each, repeats of lost packets included.
pub(super) fn confirmation(hosts: usize) -> Duration {
    Duration::from_micros(500_000 + 1_500 * hosts.min(1000) as u64)
}

/// A host publishes changes at most this often. Every daemon hears every record once, so the
/// traffic of one daemon is `busy / interval` records of [`RECORD_BYTES`].
pub(super) fn between_publications(busy: usize) -> Duration {
    Duration::from_micros((busy as u64 * RECORD_BYTES * 1_000_000 / NEWS_BYTES_PER_SECOND).max(500_000))
}

/// The heartbeat; longer than [`HEARTBEAT`] only in clusters of several thousand hosts, where
/// it stays above the time between publications so that busy hosts can be told from idle ones.
pub(super) fn heartbeat(hosts: usize) -> Duration {
    HEARTBEAT.max(between_publications(hosts) * 3 / 2)
}

/// A host nothing new was heard of for so long is not chosen, though nobody lost it.
pub(super) fn quiet(hosts: usize) -> Duration {
    heartbeat(hosts) * 4
}

/// How often one address is tried where a silent host, or a configured peer that is nobody's
/// yet, may be back. All daemons together try some three a second.
pub(super) fn between_probes(hosts: usize) -> Duration {
    Duration::from_secs(10) * (hosts as u32 / 30).max(1)
}

/// What one record costs a daemon that passes it on, its share of what is told twice included.
const RECORD_BYTES: u64 = 50;
/// What records may cost a daemon; exchanges that carry them cost as much again.
const NEWS_BYTES_PER_SECOND: u64 = 11_000;
