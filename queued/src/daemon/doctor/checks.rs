//! What is wrong with what was seen, and its cure: each check is a function of the facts and of nothing else.

use std::collections::BTreeMap;

use wire::keeping::Finding;

use super::{Facts, Runner};
use crate::daemon::mail::Sink;

/// All checks, in the order in which they are shown.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| check(facts)).collect()
}

const CHECKS: [fn(&Facts) -> Vec<Finding>; 12] =
    [configuration, program, spool, log, runner, silent, clocks, names, reports, notices, sink, key];

fn configuration(facts: &Facts) -> Vec<Finding> {
    one(match &facts.configuration {
        Ok(()) => Finding::fine("configuration", "queued.toml can be read"),
        // What it cites stands on lines of its own.
        Err(error) => Finding::fault(
            "configuration",
            error.lines().next().unwrap_or_default(),
            format!("correct it, then: kill -HUP {}; until then what was read before stays in force", facts.process),
        ),
    })
}

fn program(facts: &Facts) -> Vec<Finding> {
    one(if facts.replaced {
        Finding::fault(
            "program",
            "the daemon still runs a program that was replaced since",
            format!("kill {} (jobs and sessions go on), then: queue hosts", facts.process),
        )
    } else {
        Finding::fine("program", "the daemon's program is the one that is installed")
    })
}

fn spool(facts: &Facts) -> Vec<Finding> {
    let cure = "queue backup keeps what can still be read; then put an older copy in place (queued(8), THE SPOOL)";
    match &facts.spool {
        Err(why) => one(Finding::fault("spool", format!("it cannot be read: {why}"), cure)),
        Ok(soundness) if soundness.faults.is_empty() => one(Finding::fine("spool", "it is sound")),
        Ok(soundness) => {
            soundness.faults.iter().map(|fault| Finding::fault("spool", format!("the spool {fault}"), cure)).collect()
        }
    }
}

fn log(facts: &Facts) -> Vec<Finding> {
    let mib = facts.log_bytes >> 20;
    one(if facts.log_bytes > LARGE_LOG {
        Finding::fault(
            "log of the spool",
            format!("it has grown to {mib} MiB"),
            "somebody reads the spool for very long: end what has spool.sqlite open besides queued (fuser shows it)",
        )
    } else {
        Finding::fine("log of the spool", format!("{mib} MiB"))
    })
}

fn runner(facts: &Facts) -> Vec<Finding> {
    one(match facts.runner {
        Runner::None => Finding::fine("runner", "none is needed"),
        Runner::Answers(sessions) => Finding::fine("runner", format!("it answers; {sessions} sessions")),
        Runner::Silent => Finding::fault(
            "runner",
            "your runner does not answer",
            "look whether it is stopped (ps -C queued -o pid,stat,args): kill -CONT lets it go on",
        ),
        Runner::Gone => Finding::fault(
            "runner",
            "jobs of yours run here, but their runner has gone",
            "any command starts it again: queue -h + -- true; if it does not stay, read the daemon's log",
        ),
    })
}

/// Jobs on hosts of which nothing is heard, host by host.
fn silent(facts: &Facts) -> Vec<Finding> {
    let mut lost: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (job, host) in facts.running.iter().filter(|(_, host)| *host != facts.host) {
        if facts.hosts.iter().filter(|row| row.record.host == *host).all(|row| row.is_silent()) {
            lost.entry(host).or_default().push(*job);
        }
    }
    let fault = |(host, jobs): (&str, Vec<u64>)| {
        let first = jobs.first().copied().unwrap_or_default();
        let what = match jobs.len() {
            1 => format!("job {first} runs on {host}, which is silent"),
            more => format!("{more} jobs run on {host}, which is silent; the first is {first}"),
        };
        let cure = format!("bring {host} back; if it is lost for good: queue give-up {first}");
        Finding::fault("silent hosts", what, cure)
    };
    if lost.is_empty() {
        return one(Finding::fine("silent hosts", "none of your jobs runs on one"));
    }
    lost.into_iter().map(fault).collect()
}

fn clocks(facts: &Facts) -> Vec<Finding> {
    let wrong = facts.hosts.iter().filter_map(|row| {
        let difference_s = row.clock_difference_ms? / 1000;
        let way = if difference_s > 0 { "ahead of" } else { "behind" };
        let host = &row.record.host;
        let apart = length(difference_s.unsigned_abs());
        (difference_s.unsigned_abs() > APART_S).then(|| {
            Finding::fault(
                "clocks",
                format!("the clock of {host} is {apart} {way} this host's"),
                "set both by NTP: certificates of a host with another time are refused",
            )
        })
    });
    some_or(wrong.collect(), || Finding::fine("clocks", "all hosts that are known agree"))
}

fn names(facts: &Facts) -> Vec<Finding> {
    let mut addresses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &facts.hosts {
        addresses.entry(&row.record.host).or_default().push(&row.record.address);
    }
    let shared = addresses.into_iter().filter(|(_, addresses)| addresses.len() > 1).map(|(host, addresses)| {
        Finding::fault(
            "names of hosts",
            format!("{} all say that they are {host}; none of them gets jobs", addresses.join(" and ")),
            "give one another name: host = \"...\" in its queued.toml, or a configuration of its own",
        )
    });
    some_or(shared.collect(), || Finding::fine("names of hosts", "each is used once"))
}

fn reports(facts: &Facts) -> Vec<Finding> {
    let Ok(soundness) = &facts.spool else { return Vec::new() };
    let mut found = Vec::new();
    let age_s = soundness.owed_since_us.map_or(0, |since| (facts.now_us - since).max(0) / 1_000_000) as u64;
    if age_s > LONG_OWED_S {
        found.push(Finding::fault(
            "reports",
            format!("{} reports are owed, the oldest for {}; they go to {}", soundness.owed, length(age_s), facts.sink),
            format!("{} says why it does not take them; correct [mail] in queued.toml", facts.log),
        ));
    }
    if let Some((job, why)) = &soundness.refusal {
        found.push(Finding::fault(
            "reports",
            format!("{} reports were refused for good, the last for job {job}: {why}", soundness.refused),
            "correct the address (--mail, or domain in [mail]); queue delete forgets such jobs",
        ));
    }
    some_or(found, || Finding::fine("reports", format!("{} are on their way", soundness.owed)))
}

fn notices(facts: &Facts) -> Vec<Finding> {
    let Ok(soundness) = &facts.spool else { return Vec::new() };
    let age_s = soundness.notices_since_us.map_or(0, |since| (facts.now_us - since).max(0) / 1_000_000) as u64;
    one(if age_s > LONG_OWED_S {
        let what =
            format!("{} --notify orders are not carried out, the oldest for {}", soundness.notices, length(age_s));
        let cure = format!(
            "queue query notice=owed names the jobs; {} says what their command or address answered; what is not \
             wanted any more: queue delete",
            facts.log
        );
        Finding::fault("notices", what, cure)
    } else {
        Finding::fine("notices", format!("{} are on their way", soundness.notices))
    })
}

fn sink(facts: &Facts) -> Vec<Finding> {
    one(match (&facts.sink_fault, &facts.sink) {
        (Some(why), sink) => Finding::fault(
            "mail",
            format!("reports go to {sink}, which cannot take them: {why}"),
            "correct it, or name another in [mail] of queued.toml: smtp = \"...\" or sendmail = \"...\"",
        ),
        (None, Sink::Maildir(directory)) => Finding::fine(
            "mail",
            format!("there is no mailer; reports are kept in {}, to be read by queue mail", directory.display()),
        ),
        (None, sink) => Finding::fine("mail", format!("reports go to {sink}")),
    })
}

fn key(facts: &Facts) -> Vec<Finding> {
    let Some(key) = &facts.key else { return one(Finding::fine("key", "this host is in no cluster with a key")) };
    let path = &key.path;
    one(match &key.found {
        Err(why) => Finding::fault(
            "key",
            format!("the cluster's key {path} cannot be looked at: {why}"),
            "copy it there from another host, with mode 0600",
        ),
        Ok((_, mode)) if mode & 0o077 != 0 => Finding::fault(
            "key",
            format!("others can read the cluster's key {path} (mode {mode:04o}); whoever has it is you"),
            format!("chmod 600 {path}; if somebody may have read it, make a new one"),
        ),
        Ok((uid, _)) if *uid != key.own_uid => Finding::fault(
            "key",
            format!("the cluster's key {path} belongs to uid {uid}, not to {}", key.own_uid),
            format!("chown {} {path}", key.own_uid),
        ),
        Ok(_) => Finding::fine("key", format!("only you can read {path}")),
    })
}

fn one(finding: Finding) -> Vec<Finding> {
    vec![finding]
}

fn some_or(faults: Vec<Finding>, fine: impl FnOnce() -> Finding) -> Vec<Finding> {
    if faults.is_empty() { one(fine()) } else { faults }
}

/// `41 s`, `12 min`, `5 h`, `3 days`.
fn length(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A log is put into its place every few MiB, unless somebody reads.
const LARGE_LOG: u64 = 256 << 20;
/// Clocks that differ by less harm nobody.
const APART_S: u64 = 120;
/// A mailer that is down for less is nobody's business.
const LONG_OWED_S: u64 = 3600;

#[cfg(test)]
mod tests {
    use spool::store::Soundness;
    use wire::news::{HostRecord, HostRow, HostState};

    use super::*;
    use crate::daemon::doctor::Key;

    fn host(name: &str, address: &str) -> HostRow {
        let (incarnation, sequence, state) = (1, 1, HostState::default());
        let record = HostRecord { host: name.into(), address: address.into(), incarnation, sequence, state };
        HostRow { record, age_ms: 400, clock_difference_ms: Some(300), this_host: false, unavailable: None }
    }

    fn well() -> Facts {
        Facts {
            host: "redfish".into(),
            process: 4711,
            now_us: 1_790_000_000_000_000,
            spool: Ok(Soundness::default()),
            log_bytes: 8 << 20,
            log: "/state/log".into(),
            running: vec![(17, "redfish".into()), (18, "bluefish".into()), (19, "bluefish".into())],
            hosts: vec![host("bluefish", "10.0.0.2:7117"), host("redfish", "10.0.0.1:7117")],
            configuration: Ok(()),
            sink: Sink::Sendmail("/usr/sbin/sendmail".into()),
            sink_fault: None,
            key: Some(Key { path: "/k".into(), found: Ok((1000, 0o600)), own_uid: 1000 }),
            runner: Runner::Answers(2),
            replaced: false,
        }
    }

    /// The one fault that there is after something was done to a daemon that is well.
    fn fault(plant: impl FnOnce(&mut Facts)) -> (String, String) {
        let mut facts = well();
        plant(&mut facts);
        let mut faults = findings(&facts).into_iter().filter(Finding::is_fault).collect::<Vec<_>>();
        assert_eq!(faults.len(), 1, "{faults:?}");
        let Finding { what, cure, .. } = faults.remove(0);
        assert!(!what.contains('\n'), "{what}");
        (what, cure.unwrap_or_default())
    }

    #[test]
    fn of_a_daemon_that_is_well_everything_is_fine() {
        let found = findings(&well());
        assert_eq!(found.len(), CHECKS.len());
        assert!(found.iter().all(|finding| !finding.is_fault()), "{found:?}");
    }

    #[test]
    fn an_error_in_the_configuration_is_told_in_its_first_line() {
        let cited = "queued.toml:2:1: unknown field `prioirty`\n  2 | prioirty = 3\n      ^^^^";
        let (what, cure) = fault(|facts| facts.configuration = Err(cited.into()));
        assert!(cure.contains("kill -HUP 4711"), "{cure}");
        assert_eq!(what, "queued.toml:2:1: unknown field `prioirty`");
    }

    #[test]
    fn a_program_that_was_replaced_is_told() {
        assert!(fault(|facts| facts.replaced = true).0.contains("replaced"));
    }

    #[test]
    fn each_fault_of_the_spool_is_told() {
        let (what, _) = fault(|facts| facts.spool = Err("disk I/O error".into()));
        assert_eq!(what, "it cannot be read: disk I/O error");
        let faults = vec!["is damaged: page 7".to_owned()];
        let (what, cure) = fault(|facts| facts.spool = Ok(Soundness { faults, ..Soundness::default() }));
        assert_eq!(what, "the spool is damaged: page 7");
        assert!(cure.contains("queue backup"));
        assert_eq!(fault(|facts| facts.log_bytes = 300 << 20).0, "it has grown to 300 MiB");
    }

    #[test]
    fn a_runner_that_does_not_answer_or_has_gone_is_told() {
        assert!(fault(|facts| facts.runner = Runner::Silent).1.contains("kill -CONT"));
        assert!(fault(|facts| facts.runner = Runner::Gone).0.contains("has gone"));
    }

    #[test]
    fn jobs_on_silent_hosts_are_told_host_by_host() {
        let (what, cure) = fault(|facts| facts.hosts[0].unavailable = Some("silent (no answer)".into()));
        assert_eq!(what, "2 jobs run on bluefish, which is silent; the first is 18");
        assert!(cure.ends_with("queue give-up 18"));
        let (what, _) = fault(|facts| {
            facts.running.pop();
            facts.hosts.remove(0);
        });
        assert_eq!(what, "job 18 runs on bluefish, which is silent", "nobody knows it any more");
    }

    #[test]
    fn clocks_that_are_minutes_apart_are_told() {
        let (what, _) = fault(|facts| facts.hosts[0].clock_difference_ms = Some(-180_000));
        assert_eq!(what, "the clock of bluefish is 3 min behind this host's");
        let (what, _) = fault(|facts| facts.hosts[0].clock_difference_ms = Some(7_200_000));
        assert_eq!(what, "the clock of bluefish is 2 h ahead of this host's");
    }

    #[test]
    fn two_addresses_with_one_name_are_told() {
        let (what, _) = fault(|facts| facts.hosts.push(host("bluefish", "10.0.0.9:7117")));
        assert_eq!(what, "10.0.0.2:7117 and 10.0.0.9:7117 all say that they are bluefish; none of them gets jobs");
    }

    #[test]
    fn reports_that_are_owed_for_long_or_refused_are_told() {
        let (what, cure) = fault(|facts| {
            let owed_since_us = Some(facts.now_us - 5 * 3_600_000_000);
            facts.spool = Ok(Soundness { owed: 3, owed_since_us, ..Soundness::default() });
        });
        assert_eq!(what, "3 reports are owed, the oldest for 5 h; they go to /usr/sbin/sendmail");
        assert!(cure.starts_with("/state/log"));
        let refusal = Some((17, "no such user".to_owned()));
        let (what, _) = fault(|facts| facts.spool = Ok(Soundness { refused: 2, refusal, ..Soundness::default() }));
        assert_eq!(what, "2 reports were refused for good, the last for job 17: no such user");
    }

    #[test]
    fn notices_that_are_owed_for_long_are_told() {
        let (what, cure) = fault(|facts| {
            let notices_since_us = Some(facts.now_us - 5 * 3_600_000_000);
            facts.spool = Ok(Soundness { notices: 2, notices_since_us, ..Soundness::default() });
        });
        assert_eq!(what, "2 --notify orders are not carried out, the oldest for 5 h");
        assert!(cure.starts_with("queue query notice=owed"));
    }

    #[test]
    fn a_sink_that_cannot_take_anything_is_told() {
        let (what, _) = fault(|facts| facts.sink_fault = Some("it is no program".into()));
        assert_eq!(what, "reports go to /usr/sbin/sendmail, which cannot take them: it is no program");
    }

    #[test]
    fn a_key_that_others_can_read_is_told() {
        let found = |found| move |facts: &mut Facts| facts.key = facts.key.take().map(|key| Key { found, ..key });
        assert!(fault(found(Ok((1000, 0o640)))).0.contains("(mode 0640)"));
        assert_eq!(fault(found(Ok((0, 0o600)))).1, "chown 1000 /k");
        assert!(fault(found(Err("no such file".into()))).0.ends_with("no such file"));
    }
}
