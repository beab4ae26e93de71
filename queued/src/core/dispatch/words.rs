//! What the person is told when no host takes a job now, or none ever will.

use std::time::Duration;

use wire::api::{Refusal, RefusalKind};

use super::event::Submission;
use crate::core::names::HostName;

/// Why a host that may run a job is not asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// It is full, in its own words if it has said so.
    Full(Option<String>),
    /// It cannot be asked, in words that follow its name.
    Unavailable(String),
    /// It was asked and did not answer; how long ago it was heard.
    Silent(Option<Duration>),
    /// It does not know the queue.
    NoQueue,
    /// It will not run this job.
    Cannot(Refusal),
    /// The client got no answer from it.
    GivenUp,
}

/// A host and what is in the way there.
pub type Obstacles = Vec<(HostName, Obstacle)>;

/// What a job waits for.
pub fn waiting(job: &Submission, obstacles: &Obstacles) -> String {
    full(job, obstacles).unwrap_or_else(|| format!("queue \"{}\" has no free slot", job.queue))
}

/// Every host is full and the job does not wait.
pub fn no_room(job: &Submission, obstacles: &Obstacles) -> Refusal {
    Refusal { message: waiting(job, obstacles), kind: RefusalKind::Full }
}

/// No host has ever told of the queue.
pub fn no_queue(job: &Submission) -> Refusal {
    Refusal { message: format!("no host has a queue \"{}\"", job.queue), kind: RefusalKind::Failed }
}

/// This home keeps no more jobs in line.
pub fn line_too_long(most: usize) -> Refusal {
    let message = format!("{most} jobs wait here already; submit more when some have started");
    Refusal { message, kind: RefusalKind::Full }
}

/// No host that may run the job can.
pub fn nobody(job: &Submission, obstacles: &Obstacles) -> Refusal {
    if let [(host, obstacle)] = &obstacles[..] {
        return alone(job, host, obstacle);
    }
    let kind = worst(obstacles);
    let who = match kind {
        RefusalKind::NotFound | RefusalKind::NotExecutable => format!("no host can run \"{}\"", job.command),
        RefusalKind::NoDirectory => format!("no host has the directory {}", job.directory),
        RefusalKind::Impossible => "no host has what this needs".to_owned(),
        _ if obstacles.is_empty() => "no host may run this".to_owned(),
        _ => "no host takes this".to_owned(),
    };
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (host, obstacle) in obstacles {
        let words = match obstacle {
            Obstacle::Cannot(refusal) => match refusal.kind {
                RefusalKind::NotFound => "not found on".to_owned(),
                RefusalKind::NotExecutable => "not executable on".to_owned(),
                RefusalKind::NoDirectory if kind == RefusalKind::NoDirectory => "missing on".to_owned(),
                RefusalKind::NoDirectory => format!("no directory {} on", job.directory),
                _ => format!("{} on", refusal.message),
            },
            Obstacle::Silent(_) | Obstacle::GivenUp => "no answer from".to_owned(),
            Obstacle::NoQueue => format!("no queue \"{}\" on", job.queue),
            Obstacle::Full(_) => "full:".to_owned(),
            Obstacle::Unavailable(words) => {
                groups.push((format!("{host} {words}"), Vec::new()));
                continue;
            }
        };
        match groups.iter_mut().find(|(other, _)| *other == words) {
            Some((_, hosts)) => hosts.push(host.as_str()),
            None => groups.push((words, vec![host.as_str()])),
        }
    }
    let reasons: Vec<String> = groups
        .into_iter()
        .map(|(words, mut hosts)| {
            hosts.sort_unstable();
            if hosts.is_empty() { words } else { format!("{words} {}", some(&hosts)) }
        })
        .collect();
    let message = if reasons.is_empty() { who } else { format!("{who}: {}", reasons.join("; ")) };
    Refusal { message, kind }
}

/// The only host that was asked says it in its own words.
fn alone(job: &Submission, host: &HostName, obstacle: &Obstacle) -> Refusal {
    let (message, kind) = match obstacle {
        Obstacle::Full(words) => (full_there(job, host, words.as_deref()), RefusalKind::Full),
        Obstacle::Unavailable(words) => (format!("{host} {words}"), RefusalKind::Failed),
        Obstacle::Silent(Some(ago)) => {
            (format!("{host} does not answer; last heard {} s ago", ago.as_secs()), RefusalKind::Failed)
        }
        Obstacle::Silent(None) | Obstacle::GivenUp => (format!("{host} does not answer"), RefusalKind::Failed),
        Obstacle::NoQueue => (format!("{host}: no queue \"{}\"", job.queue), RefusalKind::Failed),
        Obstacle::Cannot(refusal) => (format!("{host}: {}", refusal.message), refusal.kind),
    };
    Refusal { message, kind }
}

/// The kind that tells most: a host that has the command but cannot execute it comes before
/// one that has it not, and both before one without the directory. That it is impossible is
/// said only where it is so everywhere.
fn worst(obstacles: &Obstacles) -> RefusalKind {
    let is_impossible =
        |obstacle: &Obstacle| matches!(obstacle, Obstacle::Cannot(refusal) if refusal.kind == RefusalKind::Impossible);
    if !obstacles.is_empty() && obstacles.iter().all(|(_, obstacle)| is_impossible(obstacle)) {
        return RefusalKind::Impossible;
    }
    let said = |kind| {
        let says = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Cannot(refusal) if refusal.kind == kind);
        obstacles.iter().any(|(_, obstacle)| says(obstacle))
    };
    let kinds = [RefusalKind::NotExecutable, RefusalKind::NotFound, RefusalKind::NoDirectory];
    kinds.into_iter().find(|kind| said(*kind)).unwrap_or(RefusalKind::Failed)
}

fn full(job: &Submission, obstacles: &Obstacles) -> Option<String> {
    let mut full = obstacles.iter().filter_map(|(host, obstacle)| match obstacle {
        Obstacle::Full(words) => Some((host, words.as_deref())),
        _ => None,
    });
    let (host, words) = full.next()?;
    let others = full.count();
    let first = full_there(job, host, words);
    Some(match others {
        0 => first,
        1 => format!("{first}, and so is 1 other host"),
        _ => format!("{first}, and so are {others} other hosts"),
    })
}

fn full_there(job: &Submission, host: &HostName, words: Option<&str>) -> String {
    match words {
        Some(words) => format!("{host}: {words}"),
        None => format!("{host}: queue \"{}\" is full", job.queue),
    }
}

/// The first few names, and how many more there are.
fn some(hosts: &[&str]) -> String {
    match hosts.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{}, and {} more", first.join(", "), rest.len()),
        _ => hosts.join(", "),
    }
}

/// How many hosts a sentence names.
const NAMED: usize = 8;
