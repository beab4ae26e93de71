//! What an owner asked for at the end of a job: a command, which learns the end from its environment, or an
//! address that the job's row is posted to.
//!
//! It is the owner's runner that runs and posts, with the owner's rights; nothing of that is here.

use std::time::Duration;

use wire::batch::JobRow;

use super::outbox::Outcome;

/// Whether this is an address and not a command.
pub fn is_address(wish: &[u8]) -> bool {
    [&b"http://"[..], b"https://"]
        .iter()
        .any(|scheme| wish.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

/// What a command finds in its environment, by name; nothing: such a variable is not there, whatever the job had.
pub fn variables(row: &JobRow) -> [(&'static str, Option<String>); 8] {
    let is_finished = row.state == "finished";
    let signal = row.signal.clone().filter(|_| is_finished);
    let exit = row.exit.filter(|_| is_finished && signal.is_none());
    // execve could not take a NUL.
    let text = |text: &str| Some(text.replace('\0', ""));
    [
        ("QUEUE_JOB_ID", Some(row.id.to_string())),
        ("QUEUE_HOME_HOST", text(&row.home)),
        ("QUEUE_ATTEMPT", Some(row.attempt.to_string())),
        ("QUEUE_STATE", text(&row.state)),
        ("QUEUE_EXIT", exit.map(|code| code.to_string())),
        ("QUEUE_SIGNAL", signal),
        ("QUEUE_NAME", text(row.name.as_deref().unwrap_or_default())),
        ("QUEUE_COMMAND", text(&row.command)),
    ]
}

/// What became of one try, so long after the end of the job: a failure is tried again for a day.
pub fn outcome(tried: Result<(), String>, since_end: Duration) -> Outcome {
    match tried {
        Ok(()) => Outcome::Accepted,
        Err(why) if since_end >= GIVEN_UP => Outcome::Refused(format!("given up after a day: {why}")),
        Err(why) => Outcome::Later(why),
    }
}

/// After this a failure is the last.
const GIVEN_UP: Duration = Duration::from_secs(24 * 3600);
/// The pause after the first failure; then as for letters.
pub const FIRST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn found(row: &JobRow) -> Vec<String> {
        let there = variables(row).into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        there.collect()
    }

    #[test]
    fn only_what_begins_like_an_address_is_one() {
        for address in ["http://a", "https://a/b?c", "HTTPS://a"] {
            assert!(is_address(address.as_bytes()), "{address}");
        }
        for command in ["curl https://a", "http", "https:/a", " http://a", "ftp://a", ""] {
            assert!(!is_address(command.as_bytes()), "{command}");
        }
    }

    #[test]
    fn a_command_learns_which_end_of_which_job_it_is() {
        let row = JobRow {
            id: 17,
            home: "redfish".into(),
            attempt: 2,
            state: "finished".into(),
            exit: Some(3),
            name: Some("ni\0ght".into()),
            command: "make 'a b'".into(),
            ..JobRow::default()
        };
        let ids = ["QUEUE_JOB_ID=17", "QUEUE_HOME_HOST=redfish", "QUEUE_ATTEMPT=2"];
        let texts = ["QUEUE_NAME=night", "QUEUE_COMMAND=make 'a b'"];
        assert_eq!(found(&row), [&ids[..], &["QUEUE_STATE=finished", "QUEUE_EXIT=3"], &texts].concat());
        let killed = JobRow { exit: None, signal: Some("KILL".into()), ..row.clone() };
        assert_eq!(found(&killed), [&ids[..], &["QUEUE_STATE=finished", "QUEUE_SIGNAL=KILL"], &texts].concat());
        // What an earlier attempt left does not count.
        let dead = JobRow { state: "dead".into(), ..row };
        assert_eq!(found(&dead), [&ids[..], &["QUEUE_STATE=dead"], &texts].concat());
    }

    #[test]
    fn a_failure_is_the_last_a_day_after_the_end() {
        let failed = || Err("exit 1".to_owned());
        assert_eq!(outcome(Ok(()), GIVEN_UP * 2), Outcome::Accepted);
        assert_eq!(outcome(failed(), GIVEN_UP - Duration::from_secs(1)), Outcome::Later("exit 1".into()));
        assert_eq!(outcome(failed(), GIVEN_UP), Outcome::Refused("given up after a day: exit 1".into()));
    }
}
