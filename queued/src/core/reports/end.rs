//! How a job ended, in the words of subjects and tables.

use wire::batch::JobRow;

use super::plain;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With exit code 0.
    Ok,
    /// With another.
    Exit(u8),
    /// By a signal.
    Signal {
        /// Its name, without `SIG`.
        name: String,
        /// Whether it left a core.
        core: bool,
    },
    /// For a limit, which is named.
    Limit(String),
    /// Nobody knows how, for this reason.
    Dead(String),
    /// Somebody did not want it any more.
    Cancelled,
}

impl End {
    /// How the job of this row ended.
    pub fn of(row: &JobRow) -> Self {
        match (&row.state[..], &row.signal, row.exit) {
            ("cancelled", _, _) => End::Cancelled,
            ("finished", Some(_), _) if row.detail.starts_with(KILLED) => {
                // The host stands in every letter anyway.
                let words = row.detail[KILLED.len()..].split(" on ").next().unwrap_or_default();
                End::Limit(plain::line(words, 60))
            }
            ("finished", Some(name), _) => End::Signal { name: plain::line(name, 20), core: row.core },
            ("finished", None, Some(0)) => End::Ok,
            ("finished", None, Some(code)) => End::Exit(code),
            _ if row.detail.is_empty() => End::Dead("no end is known".to_owned()),
            _ => End::Dead(plain::line(&row.detail, 60)),
        }
    }

    /// Whether nobody needs to look at it.
    pub fn is_ok(&self) -> bool {
        match self {
            End::Ok => true,
            End::Exit(_) | End::Signal { .. } | End::Limit(_) | End::Dead(_) | End::Cancelled => false,
        }
    }

    /// What a subject begins with.
    pub fn headline(&self) -> String {
        match self {
            End::Ok => "ok".to_owned(),
            End::Exit(_) | End::Signal { .. } | End::Limit(_) => format!("FAILED {}", self.words()),
            End::Dead(_) | End::Cancelled => self.words(),
        }
    }

    /// The same in a list: `exit 3`, `signal KILL`, `dead: lost host`, `cancelled`.
    pub fn words(&self) -> String {
        match self {
            End::Ok => "exit 0".to_owned(),
            End::Exit(code) => format!("exit {code}"),
            End::Signal { name, .. } => format!("signal {name}"),
            End::Limit(limit) => limit.clone(),
            End::Dead(reason) => format!("dead: {reason}"),
            End::Cancelled => "cancelled".to_owned(),
        }
    }
}

/// What the job is called in a letter: its name or, without one, its command.
pub fn label(row: &JobRow) -> String {
    let name = row.name.as_deref().map(|name| plain::line(name, LABEL)).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| plain::line(&row.command, LABEL))
}

/// How long it ran, microseconds, if that is known.
pub fn ran_us(row: &JobRow) -> Option<u64> {
    let by_clock = || u64::try_from(row.ended_us?.saturating_sub(row.started_us?)).ok();
    row.usage.map(|usage| usage.wall_us).or_else(by_clock)
}

/// What the detail of a job begins with that was ended for a limit.
const KILLED: &str = "killed: ";

/// How many characters of a name or command a subject has room for.
const LABEL: usize = 60;
