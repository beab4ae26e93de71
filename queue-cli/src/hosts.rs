//! `queue hosts`: who is there, how busy, and why a host would not be chosen.

use std::time::Duration;

use jiff::Zoned;
use wire::api::HostsAnswer;
use wire::news::{HostRow, QueueState};

use crate::arguments::Listing;
use crate::daemon::Daemon;
use crate::failure::{Failure, printable};
use crate::listing::{self, print, since};
use crate::table::{Align, lay_out};

/// Asks the daemon and prints its answer.
pub fn run(daemon: &Daemon, listing: &Listing) -> Result<(), Failure> {
    let answer = listing::ask::<HostsAnswer>(daemon, "/v1/hosts", listing, "hosts", PATIENCE)?;
    answer.map_or(Ok(()), |(answer, now)| print(table(&answer.hosts, &now).as_bytes()))
}

/// The table as a person sees it at `now`.
fn table(hosts: &[HostRow], now: &Zoned) -> String {
    let queues = queues(hosts);
    let mut columns = vec![Align::Left, Align::Right, Align::Right, Align::Right];
    columns.extend(queues.iter().map(|_| Align::Right));
    columns.extend([Align::Right, Align::Left]);
    let mut heading = ["HOST", "LOAD", "CPUS", "MEMORY"].map(str::to_owned).to_vec();
    heading.extend(queues.iter().map(|queue| queue.to_uppercase()));
    heading.extend(["NEWS", "STATE"].map(str::to_owned));
    let mut rows = vec![heading];
    rows.extend(hosts.iter().map(|host| row(host, &queues, now)));
    lay_out(&columns, &rows)
}

/// The names of all queues: `now` and `wait` first, which always exist.
fn queues(hosts: &[HostRow]) -> Vec<String> {
    let all = hosts.iter().flat_map(|host| &host.record.state.queues).map(|queue| &queue.queue);
    let mut names = all.cloned().collect::<Vec<_>>();
    let place = |name: &str| match name {
        "now" => 0,
        "wait" => 1,
        _ => 2,
    };
    names.sort_by(|one, other| (place(one), one).cmp(&(place(other), other)));
    names.dedup();
    names
}

fn row(host: &HostRow, queues: &[String], now: &Zoned) -> Vec<String> {
    let state = &host.record.state;
    let silent = host.is_silent();
    // Figures of a host that is silent are history; its size is not.
    let figure = |text: String| if silent { "-".to_owned() } else { text };
    let mut cells = vec![
        printable(&host.record.host),
        figure(format!("{:.2}", state.load1)),
        state.cpus.to_string(),
        figure(memory(state.memory_free_mib, state.memory_mib)),
    ];
    cells.extend(queues.iter().map(|queue| {
        let found = state.queues.iter().find(|state| &state.queue == queue);
        figure(found.map_or("-".to_owned(), slots))
    }));
    cells.push(match host.this_host {
        true => "-".to_owned(),
        false => age(host.age_ms),
    });
    cells.push(condition(host, now));
    cells
}

fn slots(queue: &QueueState) -> String {
    match queue.limit {
        Some(limit) => format!("{}/{limit}", queue.running),
        None => queue.running.to_string(),
    }
}

fn memory(free_mib: u64, all_mib: u64) -> String {
    let gib = |mib: u64| mib as f64 / 1024.0;
    format!("{:.1} of {:.0} GiB", gib(free_mib), gib(all_mib))
}

fn age(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{:.1}s", milliseconds as f64 / 1000.0),
        10_000..60_000 => format!("{}s", milliseconds / 1000),
        60_000..3_600_000 => format!("{}m", milliseconds / 60_000),
        3_600_000..86_400_000 => format!("{}h", milliseconds / 3_600_000),
        _ => format!("{}d", milliseconds / 86_400_000),
    }
}

/// Whether it would be chosen, and if not, why.
fn condition(host: &HostRow, now: &Zoned) -> String {
    let mut text = match &host.unavailable {
        Some(_) if host.is_silent() => format!("silent since {}", since(host.age_ms, now)),
        Some(why) => printable(why),
        None => {
            let shut = host.record.state.queues.iter().filter_map(|queue| {
                let full = queue.limit.is_some_and(|limit| queue.running >= limit);
                let why = queue.shut.as_deref().or(full.then_some("full"))?;
                Some(format!("{}: {}", printable(&queue.queue), printable(why)))
            });
            let shut = shut.collect::<Vec<_>>();
            if shut.is_empty() { "open".to_owned() } else { shut.join(", ") }
        }
    };
    let difference = host.clock_difference_ms.unwrap_or(0);
    if difference.unsigned_abs() >= WORTH_TELLING_MS {
        let way = if difference > 0 { "ahead" } else { "behind" };
        text.push_str(&format!(" (clock {} {way})", age(difference.unsigned_abs())));
    }
    if host.this_host {
        text.push_str(" (this host)");
    }
    text
}

/// Clocks that differ by less harm nobody.
const WORTH_TELLING_MS: u64 = 120_000;

const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use wire::news::{HostRecord, HostState};

    fn utc(time: &str) -> Zoned {
        time.parse::<Timestamp>().expect("a time").to_zoned(TimeZone::UTC)
    }

    fn host(name: &str, running: u32, limit: u32) -> HostRow {
        let queue = |queue: &str, running, limit| QueueState { queue: queue.to_owned(), running, limit, shut: None };
        let state = HostState {
            load1: 0.314,
            cpus: 8,
            memory_mib: 31 * 1024,
            memory_free_mib: 21 * 1024 + 410,
            queues: vec![queue("wait", running, Some(limit)), queue("now", 1, None)],
            ..HostState::default()
        };
        HostRow {
            record: HostRecord { host: name.to_owned(), address: String::new(), incarnation: 1, sequence: 1, state },
            age_ms: 400,
            clock_difference_ms: None,
            this_host: false,
            unavailable: None,
        }
    }

    #[test]
    fn the_table_is_the_one_people_were_promised() {
        let now = utc("2026-11-22T14:16:30Z");
        let mut redfish = host("redfish", 0, 4);
        redfish.this_host = true;
        redfish.age_ms = 0;
        let mut twofish = host("twofish", 0, 4);
        twofish.unavailable = Some("silent (no answer on 10.0.0.9:7117)".to_owned());
        twofish.age_ms = 14 * 60_000 + 30_000;
        twofish.clock_difference_ms = Some(-180_000);
        let hosts = [host("bluefish", 2, 8), host("onefish", 8, 8), redfish, twofish];
        assert_eq!(
            table(&hosts, &now),
            "\
HOST      LOAD  CPUS          MEMORY  NOW  WAIT  NEWS  STATE
bluefish  0.31     8  21.4 of 31 GiB    1   2/8  0.4s  open
onefish   0.31     8  21.4 of 31 GiB    1   8/8  0.4s  wait: full
redfish   0.31     8  21.4 of 31 GiB    1   0/4     -  open (this host)
twofish      -     8               -    -     -   14m  silent since 14:02 (clock 3m behind)
"
        );
    }
}
