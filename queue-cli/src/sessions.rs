//! `queue sessions`: the user's sessions on all hosts, who is with them and since when.

use std::io::{IsTerminal, Write, stderr};

use jiff::Zoned;
use wire::api::{SessionRow, SessionState, SessionsAnswer};
use wire::session::Outcome;

use crate::arguments::Listing;
use crate::attach;
use crate::daemon::Daemon;
use crate::failure::{Failure, printable};
use crate::listing::{self, print, since};
use crate::table::{Align, lay_out};

/// Asks the daemon and prints its answer.
pub fn run(daemon: &Daemon, listing: &Listing) -> Result<(), Failure> {
    let answer = listing::ask::<SessionsAnswer>(daemon, "/v1/sessions", listing, "sessions", attach::PATIENCE)?;
    let Some((answer, now)) = answer else {
        return Ok(());
    };
    print(table(&answer.sessions, &daemon.host(), &now).as_bytes())?;
    if !answer.silent.is_empty() {
        let hosts = answer.silent.iter().map(|host| printable(host)).collect::<Vec<_>>().join(", ");
        let _ = writeln!(stderr(), "queue: no answer from {hosts}; sessions there are not shown");
    } else if answer.sessions.is_empty() && stderr().is_terminal() {
        let _ = writeln!(stderr(), "queue: you have no session");
    }
    Ok(())
}

/// The table as a person on the host `own` sees it at `now`.
fn table(sessions: &[SessionRow], own: &str, now: &Zoned) -> String {
    let heading = ["ID", "STATE", "QUEUE", "HOST", "AGE", "COMMAND"].map(str::to_owned).to_vec();
    let mut rows = vec![heading];
    rows.extend(sessions.iter().map(|row| {
        vec![
            printable(&row.name(own)),
            printable(&state(row, now)),
            printable(&row.queue),
            printable(&row.host),
            age(row.age_ms),
            printable(&row.command),
        ]
    }));
    if rows.len() == 1 {
        return String::new();
    }
    lay_out(&[Align::Right, Align::Left, Align::Left, Align::Left, Align::Right, Align::Left], &rows)
}

fn state(row: &SessionRow, now: &Zoned) -> String {
    let when = since(row.since_ms, now);
    match &row.state {
        SessionState::Attached(from) if *from == row.host => format!("attached since {when}"),
        SessionState::Attached(from) => format!("attached from {from} since {when}"),
        SessionState::Detached => format!("detached since {when}"),
        SessionState::Ended(Outcome::Exited(code)) => format!("exited with {code} at {when}"),
        SessionState::Ended(Outcome::Killed { signal, .. }) => format!("killed by {signal} at {when}"),
    }
}

/// Hours and minutes, days before them where there are some.
fn age(milliseconds: u64) -> String {
    let minutes = milliseconds / 60_000;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match days {
        0 => format!("{hours}:{minutes:02}"),
        _ => format!("{days}d {hours}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use wire::job::Descriptor;

    fn row(job_id: u64, home: &str, state: SessionState, age_ms: u64) -> SessionRow {
        SessionRow {
            job_id,
            home: home.into(),
            host: "bluefish".into(),
            queue: "now".into(),
            command: "vim 'a b'".into(),
            session: String::new(),
            descriptors: [Descriptor::Pty; 3],
            age_ms,
            state,
            since_ms: 60_000,
        }
    }

    #[test]
    fn the_table_says_who_is_with_each_and_since_when() {
        let now = "2026-11-22T14:16:30Z".parse::<Timestamp>().expect("a time").to_zoned(TimeZone::UTC);
        let killed = Outcome::Killed { signal: "TERM".into(), core: false };
        let sessions = [
            row(3, "onefish", SessionState::Attached("onefish".into()), 90_061_000),
            row(17, "redfish", SessionState::Detached, 120_000),
            row(18, "redfish", SessionState::Ended(killed), 0),
        ];
        assert_eq!(
            table(&sessions, "redfish", &now),
            "       ID  STATE                              QUEUE  HOST          AGE  COMMAND\n\
             3@onefish  attached from onefish since 14:15  now    bluefish  1d 1:01  vim 'a b'\n       \
             17  detached since 14:15               now    bluefish     0:02  vim 'a b'\n       \
             18  killed by TERM at 14:15            now    bluefish     0:00  vim 'a b'\n"
        );
        assert_eq!(table(&[], "redfish", &now), "");
    }
}
