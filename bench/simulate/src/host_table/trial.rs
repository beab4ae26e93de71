//! One cluster size: what is tried, and the figures that come out.

use queued::core::table::Unavailable;

use super::host::{End, State};
use super::load::{Kind, Load};
use super::network::Network;

/// How large a cluster, and how long it is watched.
pub struct Size {
    /// Hosts.
    pub hosts: usize,
    deaths: usize,
    watched_s: u64,
    /// How often all pairs are looked at, milliseconds.
    look_ms: u64,
}

/// What came out for one size.
pub struct Figures {
    /// Hosts.
    pub hosts: usize,
    /// What was measured, and the figure.
    pub rows: Vec<(&'static str, String)>,
}

impl Size {
    /// The sizes that are tried.
    pub fn all() -> impl Iterator<Item = Size> {
        [(3, 40, 600, 50), (10, 30, 300, 50), (30, 20, 120, 50), (100, 10, 60, 100), (1000, 3, 20, 500)]
            .into_iter()
            .map(|(hosts, deaths, watched_s, look_ms)| Size { hosts, deaths, watched_s, look_ms })
    }
}

/// Tries everything with clusters of this size.
pub fn run(size: &Size) -> Figures {
    let mut rows = Vec::new();
    let clock = std::time::Instant::now();
    let progress = |what: &str| eprintln!("{} hosts: {what} ({:.0} s)", size.hosts, clock.elapsed().as_secs_f64());
    progress("all idle");
    idle(size, &mut rows);
    progress("all busy");
    busy(size, &mut rows);
    progress("5 % of the packets lost");
    lossy(size, &mut rows);
    progress("done");
    Figures { hosts: size.hosts, rows }
}

/// The one peer that everybody knows: the first host.
const PEER: &str = "10.1.0.1:7117";

type Rows = Vec<(&'static str, String)>;

/// A cluster whose hosts all start within a second and know one peer.
fn cluster(hosts: usize, kind: Kind, loss: f64, seed: u64) -> (Network, u64) {
    let mut network = Network::new(loss, seed);
    for host in 0..hosts {
        network.run(1_000 * host as u64 / hosts as u64);
        network.start(Load::new(kind, seed + host as u64), vec![PEER.into()]);
    }
    network.run(1_000);
    while !all_know_all(&network) && network.now < 120_000 {
        network.run(network.now + 50);
    }
    let joined = network.now - 1_000;
    network.run(network.now + 30_000);
    (network, joined)
}

fn idle(size: &Size, rows: &mut Rows) {
    let (mut network, joined) = cluster(size.hosts, Kind::Idle, 0.0, 1);
    rows.push(("all started at once: all know all after", seconds(joined as f64)));
    network.reset_counters();
    let begin = network.now;
    network.run(begin + 60_000);
    traffic(
        &network,
        60.0,
        rows,
        ["idle: bytes/s sent per host, mean", "idle: bytes/s sent, busiest host", "idle: wake-ups/s per daemon"],
    );
    rows.push(("connections per host, mean", format!("{:.1}", connections(&network).0)));
    rows.push(("connections, most of a host", connections(&network).1.to_string()));

    let (average, last) = gate(&mut network);
    rows.push(("idle: a gate shuts, known after, mean", seconds(average)));
    rows.push(("idle: a gate shuts, known by all after", seconds(last)));

    let newcomer = network.start(Load::new(Kind::Idle, 99), vec![PEER.into()]);
    let start = network.now;
    let (mut knows, mut known) = (None, None);
    while (knows.is_none() || known.is_none()) && network.now < start + 60_000 {
        network.run(network.now + 10);
        if knows.is_none() && network.hosts[newcomer].table.addresses().count() == size.hosts {
            knows = Some(network.now - start);
        }
        let name = name(newcomer);
        if known.is_none() && network.hosts.iter().all(|host| host.table.address(&name).is_some()) {
            known = Some(network.now - start);
        }
    }
    rows.push(("one joins: knows all after", knows.map_or("-".into(), |ms| seconds(ms as f64))));
    rows.push(("one joins: known to all after", known.map_or("-".into(), |ms| seconds(ms as f64))));
}

fn busy(size: &Size, rows: &mut Rows) {
    let (mut network, _) = cluster(size.hosts, Kind::Busy, 0.0, 2);
    network.reset_counters();
    let begin = network.now;
    let mut ages = Vec::new();
    for step in 1..=40 {
        network.run(begin + step * 500);
        staleness(&network, &mut ages);
    }
    traffic(
        &network,
        20.0,
        rows,
        ["busy: bytes/s sent per host, mean", "busy: bytes/s sent, busiest host", "busy: wake-ups/s per daemon"],
    );
    ages.sort_unstable();
    rows.push(("busy: age of figures, mean", seconds(ages.iter().sum::<u64>() as f64 / ages.len() as f64)));
    rows.push(("busy: age of figures, 99 % below", seconds(ages[ages.len() * 99 / 100] as f64)));
    rows.push(("busy: age of figures, oldest", seconds(ages[ages.len() - 1] as f64)));
    deaths(
        &mut network,
        size,
        End::Power,
        rows,
        ["power fails: not chosen after, mean", "power fails: not chosen by anybody after"],
    );
    deaths(&mut network, size, End::Crash, rows, ["daemon killed: mean", "daemon killed: by anybody"]);
    deaths(&mut network, size, End::Leave, rows, ["goodbye: mean", "goodbye: by anybody"]);
}

/// A host's gate shuts; when the others know: mean and last, milliseconds.
fn gate(network: &mut Network) -> (f64, f64) {
    let subject = network.hosts.len() / 2;
    network.hosts[subject].load.shut = Some("load 40.0 is above loadsched 32".into());
    let name = name(subject);
    let mut start = None;
    let mut known = vec![None; network.hosts.len()];
    while known.iter().any(Option::is_none) {
        network.run(network.now + 5);
        for (host, known) in network.hosts.iter().zip(&mut known) {
            let shut = host
                .table
                .candidate(&name, network.clock_of(subject))
                .is_some_and(|it| it.card.queues[1].shut.is_some());
            if known.is_none() && shut {
                *known = Some(network.now);
            }
        }
        start = start.or_else(|| known[subject]);
    }
    let start = start.unwrap_or_default();
    let waits: Vec<f64> = known.into_iter().flatten().map(|at| (at - start) as f64).collect();
    (waits.iter().sum::<f64>() / (waits.len() - 1) as f64, waits.iter().copied().fold(0.0, f64::max))
}

/// Hosts end one after another and come back: how long after each the others do not choose it
/// any more.
fn deaths(network: &mut Network, size: &Size, end: End, rows: &mut Rows, [mean, most]: [&'static str; 2]) {
    let (mut sum, mut count, mut last) = (0.0, 0, 0.0_f64);
    for death in 0..size.deaths {
        let subject = 1 + death * 7 % (size.hosts - 1);
        let name = name(subject);
        let begin = network.now;
        network.end(subject, end);
        let mut noticed = vec![false; network.hosts.len()];
        noticed[subject] = true;
        while noticed.iter().any(|noticed| !noticed) && network.now < begin + 60_000 {
            network.run(network.now + 20);
            for (host, noticed) in noticed.iter_mut().enumerate() {
                let clock = network.clock_of(host);
                let candidate = network.hosts[host].table.candidate(&name, clock);
                if !*noticed && candidate.is_none_or(|it| it.unavailable.is_some()) {
                    *noticed = true;
                    let wait = (network.now - begin) as f64;
                    sum += wait;
                    count += 1;
                    last = last.max(wait);
                }
            }
        }
        network.run(network.now + 2_000);
        network.restart(subject, vec![PEER.into()]);
        network.run(network.now + 5_000);
    }
    rows.push((mean, seconds(sum / f64::from(count))));
    rows.push((most, seconds(last)));
}

/// Living hosts taken for dead at 5 % loss, by the time of all pairs; and real deaths.
fn lossy(size: &Size, rows: &mut Rows) {
    let (mut network, _) = cluster(size.hosts, Kind::Idle, 0.05, 4);
    let begin = network.now;
    network.breaks = 0;
    network.reset_counters();
    let (mut silent, mut other, mut doubted, mut looks) = (0_u64, 0_u64, 0_u64, 0_u64);
    while network.now < begin + size.watched_s * 1_000 {
        network.run(network.now + size.look_ms);
        for host in 0..size.hosts {
            for candidate in network.hosts[host].table.candidates(network.clock_of(host)) {
                looks += 1;
                doubted += u64::from(candidate.doubted);
                match candidate.unavailable {
                    Some(Unavailable::Silent(_)) => silent += 1,
                    Some(_) => other += 1,
                    None => {}
                }
            }
        }
    }
    let share = |part: u64| if part == 0 { "0".into() } else { format!("{:.1e}", part as f64 / looks as f64) };
    let hours = (size.watched_s * size.hosts as u64) as f64 / 3600.0;
    rows.push(("5 % loss: connections broken per host and hour", format!("{:.0}", network.breaks as f64 / hours)));
    rows.push(("5 % loss: share of time a living host is in doubt", share(doubted)));
    rows.push(("5 % loss: ... is taken for dead", share(silent)));
    rows.push(("5 % loss: ... is not chosen for another reason", share(other)));
    let seconds = size.watched_s as f64;
    traffic(
        &network,
        seconds,
        rows,
        [
            "5 % loss, idle: bytes/s sent per host, mean",
            "5 % loss, idle: bytes/s sent, busiest host",
            "5 % loss, idle: wake-ups/s per daemon",
        ],
    );
    deaths(&mut network, size, End::Power, rows, ["5 % loss, power fails: mean", "5 % loss, power fails: by anybody"]);
}

fn traffic(network: &Network, seconds: f64, rows: &mut Rows, [mean, most, wakes]: [&'static str; 3]) {
    let hosts = network.hosts.len() as f64;
    let sent: u64 = network.hosts.iter().map(|host| host.sent).sum();
    let busiest = network.hosts.iter().map(|host| host.sent).max().unwrap_or_default();
    let woken: u64 = network.hosts.iter().map(|host| host.wakes).sum();
    rows.push((mean, format!("{:.0}", sent as f64 / seconds / hosts)));
    rows.push((most, format!("{:.0}", busiest as f64 / seconds)));
    rows.push((wakes, format!("{:.2}", woken as f64 / seconds / hosts)));
}

fn staleness(network: &Network, ages: &mut Vec<u64>) {
    let stride = (network.hosts.len() / 100).max(1);
    for observer in (0..network.hosts.len()).step_by(stride) {
        for candidate in network.hosts[observer].table.candidates(network.clock_of(observer)) {
            if !candidate.this_host {
                ages.push(network.now.saturating_sub(candidate.figures.memory_free_mib));
            }
        }
    }
}

fn connections(network: &Network) -> (f64, usize) {
    let counts: Vec<usize> = (0..network.hosts.len()).map(|host| network.connections_of(host)).collect();
    (counts.iter().sum::<usize>() as f64 / counts.len() as f64, counts.into_iter().max().unwrap_or_default())
}

fn all_know_all(network: &Network) -> bool {
    let up = network.hosts.iter().filter(|host| host.state == State::Up).count();
    network.hosts.iter().all(|host| host.table.addresses().count() + 1 >= up)
}

fn name(host: usize) -> String {
    format!("host{host:04}")
}

fn seconds(ms: f64) -> String {
    format!("{:.2} s", ms / 1000.0)
}
