//! What a job may use, as it says so itself: how long it may run, and how much memory it may have. How these are
//! written and read, for people.

use serde::{Deserialize, Serialize};

/// How long a job may run. Time in which its queue has it suspended does not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeLimit {
    /// From its start. Then it gets TERM, and after the grace KILL, with all that it has started.
    pub seconds: u64,
    /// A signal before that; none: as the queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<Warn>,
    /// Seconds between TERM and KILL; none: as the queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_s: Option<u64>,
}

/// A signal before the time is up, to the job's process group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Warn {
    /// Its name without `SIG`.
    pub signal: String,
    /// So many seconds before.
    pub before_s: u64,
}

impl std::fmt::Display for Warn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.signal, length(self.before_s).replace(' ', ""))
    }
}

/// A length of time for people: `45 s`, `10 min`, `2 h 10 min`, `7 d`.
pub fn length(seconds: u64) -> String {
    let (large, small) = match seconds {
        0..60 => ((seconds, "s"), (0, "")),
        60..3600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86_400 => ((seconds / 3600, "h"), (seconds / 60 % 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds / 3600 % 24, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (number, unit) => format!("{} {} {number} {unit}", large.0, large.1),
    }
}

/// Reads such a length: a number of seconds, or numbers with units such as `2h`, `90 min`, `1h 30m`, `7d`.
pub fn parse_length(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(seconds);
    }
    let (mut seconds, mut rest) = (0_u64, text.trim());
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
        let behind = behind.trim_start();
        let end = behind.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(behind.len());
        let unit = match &behind[..end] {
            "s" | "sec" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return None,
        };
        seconds = number.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(seconds)?;
        rest = behind[end..].trim_start();
    }
    (!text.trim().is_empty()).then_some(seconds)
}

/// A size for people: `8 GiB`, `8.1 GiB`, `512 MiB`.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} bytes"),
        1024..0x10_0000 => (1024, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1_u64 << 30, "GiB"),
    };
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    match tenths % 10 {
        0 => format!("{} {name}", tenths / 10),
        rest => format!("{}.{rest} {name}", tenths / 10),
    }
}

/// The longest time that may be asked for: a hundred years, so that nothing overflows.
pub const LONGEST_S: u64 = 100 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, seconds) in
            [("90", 90), ("2h", 7200), ("1h 30m", 5400), ("1h30min", 5400), (" 10 min ", 600), ("7d", 604_800)]
        {
            assert_eq!(parse_length(text), Some(seconds), "{text:?}");
        }
        for text in ["", " ", "h", "2 hours", "1h 30", "-5", "2.5h", "99999999999999999d", "1h,2m", "10 ém"] {
            assert_eq!(parse_length(text), None, "{text:?}");
        }
    }

    #[test]
    fn lengths_are_shown_in_the_two_units_that_matter() {
        let shown = [0, 45, 60, 600, 610, 7800, 90_000, 604_800].map(length);
        assert_eq!(shown, ["0 s", "45 s", "1 min", "10 min", "10 min 10 s", "2 h 10 min", "1 d 1 h", "7 d"]);
        let sizes = [0, 1 << 10, 512 << 20, 8 << 30, (8 << 30) + (107 << 20), u64::MAX].map(size);
        assert_eq!(sizes, ["0 bytes", "1 KiB", "512 MiB", "8 GiB", "8.1 GiB", "17179869184 GiB"]);
        assert_eq!(Warn { signal: "USR1".into(), before_s: 600 }.to_string(), "USR1@10min");
    }
}
