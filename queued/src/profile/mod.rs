//! The language of `SPOOL/QUEUE/profile.toml`: how a queue behaves. Manual: queue-profile(5).
//!
//! Text goes in; directives come out, each with its type and its place, or every fault with its place. Nothing
//! here opens a file, looks at a clock, resolves a name or enforces anything.
//!
//! | Module | What it is about |
//! |---|---|
//! | `directives` | the table of all directives |
//! | `effective` | what holds on one host, and what follows from it |
//! | `hosts` | which `[host.NAME]` table goes before which |
//! | `checks` | what must fit together |
//! | `import` | GNU Queue's own format |
//! | the others | values of one kind each |

pub mod access;
mod checks;
mod directives;
mod effective;
mod fault;
mod hosts;
pub mod hours;
mod import;
pub mod limits;
pub mod load;
pub mod offer;
pub mod pattern;
pub mod program;
pub mod size;
#[cfg(test)]
mod tests;
mod value;
pub mod words;
mod written;

use toml::de::DeTable;

use directives::Said;
pub use directives::{Effective, NAMES};
pub use fault::Fault;
use fault::{Faults, Source};
use hosts::HostTable;
pub use import::{Import, Remark, import};
use spool::query::suggest;
use value::{Key, Value};

/// What a profile says, for all hosts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    top: Said,
    hosts: Vec<HostTable>,
}

/// What the values of a profile may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's name.
    pub name: String,
    /// The CPUs that jobs may use.
    pub cpus: u32,
}

/// The value that holds, and who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// Where it was said.
    pub origin: Origin,
}

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// Outside of tables, in this line.
    Line(usize),
    /// In the table of this host or these hosts.
    Host {
        /// The name behind `host.`.
        pattern: String,
        /// The line of the value.
        line: usize,
    },
}

/// Reads a profile.
///
/// # Errors
/// What is wrong with it, in the order of the text, the first [`MOST_FAULTS`].
pub fn parse(text: &str) -> Result<Profile, Vec<Fault>> {
    if text.len() > LONGEST {
        let message = format!("the file has {} bytes; at most {LONGEST} are read", text.len());
        return Err(vec![Fault { line: 1, column: 1, message }]);
    }
    let source = Source::new(text);
    let (table, mut errors) = DeTable::parse_recoverable(text);
    // There may be one for every second byte.
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut faults: Faults = errors.iter().take(MOST_FAULTS).map(|error| source.syntax(error)).collect();
    let lines: Vec<usize> = faults.iter().map(|fault| fault.line).collect();
    let mut reader = Reader { source: &source, faults: Vec::new(), unknown: Vec::new() };
    let profile = reader.profile(table.get_ref());
    // To guess what was meant takes time; of very many only the first are told.
    reader.unknown.sort_unstable();
    let unknown = reader.unknown.iter().map(|&(at, name)| (source.place(at), name));
    let unknown = unknown.filter(|(place, _)| !lines.contains(&place.line)).take(MOST_FAULTS);
    faults.extend(unknown.map(|(place, name)| place.fault(no_such(name))));
    // What is guessed of a line that is no TOML is not worth a second complaint.
    faults.extend(reader.faults.into_iter().filter(|fault| !lines.contains(&fault.line)));
    if faults.is_empty() {
        return Ok(profile);
    }
    faults.sort();
    faults.truncate(MOST_FAULTS);
    Err(faults)
}

impl Profile {
    /// Directives that it says and that have no effect in this release, each with its line.
    pub fn idle(&self) -> Vec<(usize, &'static str)> {
        let tables = std::iter::once(&self.top).chain(self.hosts.iter().map(|table| &table.said));
        let mut found: Vec<_> = tables.flat_map(Said::said).filter(|(_, name)| IDLE.contains(name)).collect();
        found.sort_unstable();
        found
    }

    /// What holds on a host for a queue of this name.
    pub fn effective(&self, queue: &str, host: &HostFacts) -> Effective {
        let mut tables: Vec<(&Said, Option<&str>)> =
            hosts::fitting(&self.hosts, &host.name).map(|table| (&table.said, Some(table.pattern.as_str()))).collect();
        tables.push((&self.top, None));
        Effective::of(&tables, queue, host.cpus)
    }
}

/// Goes through the tables of a file and gathers what is wrong.
struct Reader<'a> {
    source: &'a Source<'a>,
    faults: Faults,
    /// Names of no directive, and where they stand.
    unknown: Vec<(usize, &'a str)>,
}

impl<'a> Reader<'a> {
    fn profile(&mut self, table: &'a DeTable<'a>) -> Profile {
        let mut profile = Profile::default();
        for (key, value) in value::entries("", table, self.source) {
            match key.text {
                "host" => self.hosts(&value, &mut profile.hosts),
                _ => self.directive(&mut profile.top, &key, &value, ""),
            }
        }
        self.faults.extend(checks::faults(&profile));
        profile
    }

    fn hosts(&mut self, value: &Value<'a>, hosts: &mut Vec<HostTable>) {
        let Some(entries) = value.entries() else {
            self.faults.push(value.fault("tables such as [host.redfish] or [host.\"gpu*\"] are expected"));
            return;
        };
        if entries.len() > MOST_HOSTS {
            let message = format!("at most {MOST_HOSTS} tables for hosts are expected, here are {}", entries.len());
            self.faults.push(self.source.fault(entries[MOST_HOSTS].0.at, message));
            return;
        }
        for (key, value) in entries {
            let pattern = match HostTable::pattern(key.text, hosts) {
                Ok(pattern) => pattern,
                Err(message) => {
                    self.faults.push(self.source.fault(key.at, message));
                    continue;
                }
            };
            let Some(entries) = value.lines() else {
                self.faults.push(value.fault("a table is expected"));
                continue;
            };
            let mut said = Said::default();
            let place = format!("[host.{}]", written::key(key.text));
            for (key, value) in entries {
                self.directive(&mut said, &key, &value, &place);
            }
            hosts.push(HostTable { pattern, said });
        }
    }

    fn directive(&mut self, said: &mut Said, key: &Key<'a>, value: &Value<'a>, place: &str) {
        match said.take(key.text, value) {
            Some(Ok(())) => {}
            Some(Err(faults)) => self.faults.extend(faults),
            None if key.text == "host" => {
                let message = format!("\"host\" has no meaning inside {place}");
                self.faults.push(self.source.fault(key.at, message));
            }
            None => self.unknown.push((key.at, key.text)),
        }
    }
}

fn no_such(name: &str) -> String {
    let shown = written::quoted(&suggest::shown(name));
    match suggest::nearest(name, NAMES.iter().copied()) {
        Some(nearest) => format!("{shown}: no such directive; did you mean \"{nearest}\"?"),
        None => format!("{shown}: no such directive"),
    }
}

/// Directives that are read and checked, and that nothing heeds yet: whoever says one of them is told.
pub const IDLE: &[&str] = &[
    "restart",
    "restartmode",
    "restartflag",
    "checkpointmode",
    "loadcheckpoint",
    "home",
    "maxglobal",
    "counted-by",
    "max-spool-per-user",
    "ageing",
    "linger",
    "idle-limit",
    "prolog",
    "prolog-time-limit",
    "epilog",
    "epilog-time-limit",
];

/// The longest profile, in bytes.
pub const LONGEST: usize = 256 * 1024;

/// The most tables for hosts; with patterns a few are enough.
const MOST_HOSTS: usize = 1024;

/// The most faults that are told of one profile.
pub const MOST_FAULTS: usize = 20;
