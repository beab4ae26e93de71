//! The hosts of the cluster, across restarts: a daemon whose only configured peer is away finds the others
//! again, and knows their names before it has heard of them.
//!
//! One line for each other host, `NAME ADDRESS DAY`, in the state directory; the day is when it was heard of
//! last, since 1970. A host that is away when this daemon starts stays in it for a month. Only a help for
//! the first moments: what is wrong in it costs an attempt to connect, no more.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use wire::news::HostRow;

use super::authority::replace_file;
use crate::config::is_host_name;
use crate::core::names::HostName;
use crate::core::time::Millis;

/// What was known at the start, and what was written last.
pub struct Memory {
    path: PathBuf,
    /// What stood there at the start.
    hosts: Vec<Line>,
    /// Hosts that this life has heard of.
    heard: RefCell<HashSet<String>>,
    written: RefCell<String>,
    looked: Cell<Millis>,
}

struct Line {
    name: HostName,
    address: String,
    day: u64,
}

impl Memory {
    /// What an earlier life has left in this directory; nothing where nothing can be read.
    pub fn of(state: &std::path::Path) -> Self {
        let path = state.join("hosts");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let line = |line: &str| {
            let mut fields = line.split(' ');
            let (name, address, day) = (fields.next()?, fields.next()?, fields.next()?.parse().ok()?);
            is_host_name(name).then(|| Line { name: HostName::from(name), address: address.to_owned(), day })
        };
        let hosts = text.lines().filter_map(line).take(MOST).collect();
        Self { path, hosts, heard: RefCell::default(), written: RefCell::new(text), looked: Cell::new(Millis(0)) }
    }

    /// Where peers may be.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|line| line.address.as_str())
    }

    /// Hosts that were there at the start.
    pub fn names(&self) -> impl Iterator<Item = &HostName> {
        self.hosts.iter().map(|line| &line.name)
    }

    /// Writes down who is there, where that has changed, not too often.
    pub fn keep(&self, now: Millis, today: u64, rows: impl FnOnce() -> Vec<HostRow>) {
        if now.since(self.looked.get()) < BETWEEN_LOOKS {
            return;
        }
        let mut text = String::new();
        let rows = rows();
        let mut heard = self.heard.borrow_mut();
        for row in rows.into_iter().filter(|row| !row.this_host && !row.record.address.is_empty()).take(MOST) {
            let _ = writeln!(text, "{} {} {today}", row.record.host, row.record.address);
            heard.insert(row.record.host);
        }
        let away = self.hosts.iter().filter(|line| !heard.contains(line.name.as_str()));
        for line in away.filter(|line| line.day + MONTH >= today) {
            let _ = writeln!(text, "{} {} {}", line.name, line.address, line.day);
        }
        // The first that are heard are written down at once.
        if !heard.is_empty() {
            self.looked.set(now);
        }
        if *self.written.borrow() == text {
            return;
        }
        if let Err(error) = replace_file(&self.path, &text, 0o600) {
            tracing::warn!("the hosts of the cluster are not remembered: {error:#}");
        }
        *self.written.borrow_mut() = text;
    }
}

/// As many as the table keeps.
const MOST: usize = 10_000;
/// Days after which a host that is away is forgotten.
const MONTH: u64 = 30;
/// Hosts rarely come and go.
const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use wire::news::{HostRecord, HostState};

    use super::*;

    fn row(host: &str, address: &str, this_host: bool) -> HostRow {
        let (host, address, state) = (host.to_owned(), address.to_owned(), HostState::default());
        let record = HostRecord { host, address, incarnation: 1, sequence: 1, state };
        HostRow { record, age_ms: 0, clock_difference_ms: None, this_host, unavailable: None }
    }

    #[test]
    fn the_others_are_remembered_and_nonsense_is_not_believed() {
        let state = std::env::temp_dir().join(format!("queued-memory-{}", std::process::id()));
        std::fs::create_dir_all(&state).expect("temp is writable");
        let memory = Memory::of(&state);
        assert_eq!(memory.names().count(), 0);
        let rows =
            || vec![row("redfish", "10.0.0.1:1", true), row("bluefish", "10.0.0.2:1", false), row("x", "", false)];
        memory.keep(Millis(10_000), 7, rows);
        memory.keep(Millis(10_001), 7, || unreachable!("too soon"));
        let again = Memory::of(&state);
        assert_eq!(again.names().map(HostName::as_str).collect::<Vec<_>>(), ["bluefish"]);
        assert_eq!(again.addresses().collect::<Vec<_>>(), ["10.0.0.2:1"]);
        let names = |memory: &Memory| memory.names().map(ToString::to_string).collect::<Vec<_>>();
        again
            .keep(Millis(10_000), 37, || vec![row("redfish", "10.0.0.1:1", true), row("onefish", "10.0.0.3:1", false)]);
        assert_eq!(names(&Memory::of(&state)), ["onefish", "bluefish"], "who is away is not forgotten");
        again.keep(Millis(20_000), 38, || vec![row("redfish", "10.0.0.1:1", true)]);
        assert_eq!(names(&Memory::of(&state)), [""; 0], "but after a month, or when it has left");
        std::fs::write(state.join("hosts"), "\u{1b}[31m evil 1\nno-address\n").expect("ours");
        assert_eq!(Memory::of(&state).names().count(), 0);
        std::fs::remove_dir_all(state).expect("ours");
    }
}
