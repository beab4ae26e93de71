//! What all lists have in common: how they are asked for and printed, and how a time is shown.

use std::io::{Write, stdout};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::de::DeserializeOwned;

use crate::arguments::Listing;
use crate::daemon::Daemon;
use crate::failure::{Failure, words};

/// Asks the daemon for a list. `None` when it was printed as it is, for `--json`; else with the time that
/// it is, where the person wants it.
pub fn ask<T: DeserializeOwned>(
    daemon: &Daemon,
    path: &str,
    listing: &Listing,
    what: &str,
    patience: Duration,
) -> Result<Option<(T, Zoned)>, Failure> {
    let body = daemon.answer("GET", path, b"", patience)?;
    if listing.json {
        let text = body.strip_suffix(b"\n").unwrap_or(&body);
        return print(&[text, b"\n"].concat()).map(|()| None);
    }
    let answer = serde_json::from_slice(&body)
        .map_err(|error| Failure::own(format!("cannot read the list of {what}: {error}")))?;
    let zone = if listing.utc { TimeZone::UTC } else { TimeZone::system() };
    Ok(Some((answer, Timestamp::now().to_zoned(zone))))
}

/// Writes to standard output; a reader that has gone is not worth a message.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    match stdout().write_all(text).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot write to standard output: {}", words(&error))))
        }
        _ => Ok(()),
    }
}

/// The time of day, with the date when that was not today.
pub fn since(age_ms: u64, now: &Zoned) -> String {
    let age = SignedDuration::from_millis(i64::try_from(age_ms).unwrap_or(i64::MAX));
    match now.checked_sub(age) {
        Ok(then) if then.date() == now.date() => then.strftime("%H:%M").to_string(),
        Ok(then) => then.strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "long ago".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_silent_since_yesterday_is_shown_with_the_date() {
        let now = "2026-11-22T00:30:00Z".parse::<Timestamp>().expect("a time").to_zoned(TimeZone::UTC);
        assert_eq!(since(3_600_000, &now), "2026-11-21 23:30");
        assert_eq!(since(u64::MAX, &now), "long ago");
    }
}
