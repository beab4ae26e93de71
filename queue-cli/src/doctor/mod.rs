//! `queue doctor`: what is wrong here, and what to do about it.
//!
//! The daemon says what it knows of itself, if there is one; it is not started for it. The rest is looked at from
//! here. Nothing is changed. Each check is a function of what was seen, in [`place`] and [`files`].

mod files;
mod place;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wire::batch::PlacesAnswer;
use wire::keeping::{DoctorAnswer, Finding};

use crate::daemon::Daemon;
use crate::end::Ending;
use crate::failure::{Failure, printable};
use crate::listing::print;

/// Looks at everything. The code is 1 when something is wrong.
pub fn run(json: bool, verbose: bool) -> Result<Ending, Failure> {
    let findings = look(&Daemon::of_user());
    let text = if json { as_json(&findings)? } else { as_text(&findings, verbose) };
    print(text.as_bytes())?;
    Ok(Ending::Code(u8::from(findings.iter().any(Finding::is_fault))))
}

fn look(daemon: &Daemon) -> Vec<Finding> {
    let mut findings = vec![
        place::runtime(daemon.runtime(), &place::Found::at(daemon.runtime())),
        place::socket(daemon.socket()),
        place::program(&place::programs()),
    ];
    let answer = daemon.answer_of_running("/v1/jobs/doctor", LOOKING);
    let answer = answer.and_then(|answer| answer.map(|answer| understood::<DoctorAnswer>(&answer)).transpose());
    match answer {
        Ok(Some(answer)) => {
            findings.push(place::version(&answer.version, answer.process));
            let state = PathBuf::from(answer.state.as_os_str());
            findings.extend(place::state(&state));
            findings.extend(answer.findings);
            findings.extend(jobs(daemon, &answer.host));
        }
        Ok(None) => {
            let state = place::usual_state(&sys::host::name());
            let holder = state.as_deref().and_then(place::lock_holder);
            findings.push(place::absent(holder, state.as_deref()));
            findings.extend(state.iter().flat_map(|state| place::state(state)));
        }
        Err(failure) => {
            let state = place::usual_state(&daemon.host_written().unwrap_or_else(sys::host::name));
            let holder = state.as_deref().and_then(place::lock_holder);
            findings.push(place::silent(&failure.message, holder));
            findings.extend(state.iter().flat_map(|state| place::state(state)));
        }
    }
    findings
}

/// What the files of jobs and the spool say of each other.
fn jobs(daemon: &Daemon, host: &str) -> Vec<Finding> {
    let places = daemon.answer_of_running("/v1/jobs/places", PATIENCE);
    let places = places.and_then(|answer| answer.map(|answer| understood::<PlacesAnswer>(&answer)).transpose());
    match places {
        Ok(Some(places)) => {
            let directory = Path::new(places.jobs.as_os_str());
            let spool = files::Spool { daemon, directory, host };
            vec![
                spool.without_jobs().unwrap_or_else(|failure| files::unknown(&failure)),
                spool.without_files().unwrap_or_else(|failure| files::unknown(&failure)),
                files::parts(&directory.join("content")),
            ]
        }
        Ok(None) => Vec::new(),
        Err(failure) => vec![files::unknown(&failure)],
    }
}

fn understood<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer)
        .map_err(|error| Failure::own(format!("the answer of the daemon makes no sense: {error}")))
}

/// A line for each fault and one for its cure; what is fine only where that is wanted.
fn as_text(findings: &[Finding], verbose: bool) -> String {
    let mut text = String::new();
    for finding in findings {
        let (check, what) = (printable(&finding.check), printable(&finding.what));
        // Writing into a string does not fail.
        let _ = match &finding.cure {
            Some(cure) => writeln!(text, "{check}: {what}\n    {}", printable(cure)),
            None if verbose => writeln!(text, "{check}: fine: {what}"),
            None => Ok(()),
        };
    }
    text
}

fn as_json(findings: &[Finding]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(findings);
    text.map(|text| text + "\n").map_err(|error| Failure::own(format!("cannot write JSON: {error}")))
}

/// A large spool takes a while to be looked through.
const LOOKING: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fine_is_not_mentioned_unless_that_is_wanted() {
        let findings = [Finding::fine("spool", "it is sound"), Finding::fault("key", "odd \x1b[1m", "chmod 600 /k")];
        assert_eq!(as_text(&findings, false), "key: odd \\u{1b}[1m\n    chmod 600 /k\n");
        assert!(as_text(&findings, true).starts_with("spool: fine: it is sound\n"));
        assert_eq!(as_text(&findings[..1], false), "");
        let json = as_json(&findings).expect("text");
        let read: Vec<Finding> = serde_json::from_str(&json).expect("what was written");
        assert_eq!(read, findings);
    }

    #[test]
    fn without_a_daemon_none_is_started_and_that_is_told() {
        let directory = std::env::temp_dir().join(format!("queue-doctor-none-{}", std::process::id()));
        let daemon = Daemon::at(&directory);
        let faults = look(&daemon).into_iter().filter(|finding| finding.check == "daemon").collect::<Vec<_>>();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].is_fault() && !directory.exists());
    }
}
