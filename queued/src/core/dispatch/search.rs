//! The next host for one job: who may run it, who seems to have room, who is best.

use wire::api::{HostChoice, Refusal};

use super::hosts::{Host, Hosts, Opening};
use super::lanes::{LaneKey, Target};
use super::words::{Obstacle, Obstacles};
use super::{Dispatcher, Job, MOST_REGISTERED, MOST_WORSE};
use crate::core::admission::Slot;
use crate::core::choose::{self, Candidate};
use crate::core::names::{HostName, JobId};
use crate::core::rank::Figures;
use crate::core::time::Millis;
use crate::core::dispatch::event::Submission;

/// Whom to ask, and what it was chosen by.
#[derive(Debug, Clone)]
pub struct Question {
    pub host: usize,
    pub figures: Figures,
    /// The second choice with its figures and rank.
    pub runner_up: Option<(usize, Figures, f64)>,
    pub slot: Slot,
}

/// What to do for the first of a lane.
#[derive(Debug)]
pub enum Next {
    Ask(Question),
    /// Nothing until an answer has come that is under way.
    Later,
    /// No host can be asked.
    Nobody,
}

impl Dispatcher {
    pub(super) fn next(&mut self, now: Millis, id: JobId) -> Next {
        let job = &self.jobs[&id];
        let (queue, hosts) = (&job.submission.queue, &self.hosts);
        let judge = |number: usize| {
            let figures = hosts[number].figures(queue);
            Candidate { host: number, rank: figures.rank(hosts.rule(number, queue)), spare: figures.spare() }
        };
        let question = |host: usize, runner_up: Option<(usize, f64)>| {
            let figures = hosts[host].figures(queue);
            let runner_up = runner_up.map(|(host, rank)| (host, hosts[host].figures(queue), rank));
            Next::Ask(Question { host, figures, runner_up, slot: Slot::Counted })
        };
        let is_worse = |number: usize| job.worse.iter().any(|(host, _)| *host == number);
        let able = || hosts.iter().filter(|(_, host)| can_be_asked(now, &job.lane, host));
        let open = || able().filter(|(_, host)| host.opening(now, queue) == Opening::Open);

        if let Target::Rather(name) = &job.lane.target
            && let Some((number, _)) = open().find(|(_, host)| host.name == *name)
            && !is_worse(number)
        {
            return question(number, None);
        }
        // Who refused as worse sets a rank to compare with, by its own word.
        let refused = job.worse.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1));
        if job.worse.len() < MOST_WORSE {
            let candidates = open().filter(|(number, _)| !is_worse(*number)).map(|(number, _)| judge(number));
            if let Some(choice) = choose::best_two(candidates, &mut self.random) {
                let runner_up = choice.runner_up.map(|second| (second.host, second.rank)).into_iter().chain(refused);
                let runner_up = runner_up.min_by(|one, other| one.1.total_cmp(&other.1));
                return question(choice.best.host, runner_up);
            }
        }
        if let Some((host, _)) = open()
            .filter_map(|(number, _)| job.worse.iter().find(|(host, _)| *host == number))
            .min_by(|one, other| one.1.total_cmp(&other.1))
        {
            return question(*host, None);
        }
        let (mut registered, mut probe, mut under_way) = (0, None, false);
        for (number, host) in able() {
            match host.opening(now, queue) {
                Opening::Full => registered += 1,
                Opening::SeemsFull if host.has_questions() => {
                    registered += 1;
                    under_way = true;
                }
                Opening::SeemsFull => probe = probe.or(Some(number)),
                Opening::Open | Opening::NoQueue => {}
            }
        }
        match probe {
            Some(host) if registered < MOST_REGISTERED => question(host, None),
            _ if under_way => Next::Later,
            _ => Next::Nobody,
        }
    }

    /// Whether this host may have room for the jobs of a lane since it changed.
    pub(super) fn may_open(&self, now: Millis, lane: &LaneKey, number: usize) -> bool {
        let host = &self.hosts[number];
        can_be_asked(now, lane, host) && host.opening(now, &lane.queue) == Opening::Open
    }
}

/// The lane of a job, with the names it was given replaced by those of the table.
pub fn lane_of(submission: &Submission, hosts: &Hosts) -> Result<LaneKey, Refusal> {
    let known = hosts.known();
    let target = match choose::resolve(&submission.choice, &known)? {
        HostChoice::Any => Target::Any,
        HostChoice::Only(name) => Target::Only(name.into()),
        HostChoice::Rather(name) => Target::Rather(name.into()),
    };
    let mut allowed: Vec<HostName> = Vec::new();
    for name in &submission.allowed {
        allowed.push(choose::host_named(name, &known)?.clone());
    }
    let barred = submission.excluded.iter().filter_map(|name| choose::host_named(name, &known).ok());
    let mut barred: Vec<HostName> = barred.cloned().collect();
    for names in [&mut allowed, &mut barred] {
        names.sort();
        names.dedup();
    }
    Ok(LaneKey { queue: submission.queue.clone(), target, allowed, barred })
}

/// Whether the jobs of a lane may run on a host, were it there.
pub fn admits(lane: &LaneKey, host: &Host) -> bool {
    !host.gone && is_meant(lane, host) && (lane.barred.is_empty() || lane.barred.binary_search(&host.name).is_err())
}

/// Each host that may run a job and what is in the way there.
pub fn obstacles(now: Millis, job: &Job, hosts: &Hosts) -> Obstacles {
    let queue = &job.submission.queue;
    let obstacle = |number: usize, host: &Host| {
        if let Some((_, refusal)) = job.cannot.iter().find(|(other, _)| *other == number) {
            return Obstacle::Cannot(refusal.clone());
        }
        if !admits(&job.lane, host) {
            return Obstacle::GivenUp;
        }
        if let Some(words) = &host.unavailable {
            return Obstacle::Unavailable(words.clone());
        }
        if host.is_suspected(now) {
            return Obstacle::Silent;
        }
        match host.opening(now, queue) {
            Opening::NoQueue => Obstacle::NoQueue,
            Opening::Open | Opening::SeemsFull | Opening::Full => {
                Obstacle::Full(host.full_words(now, queue).map(str::to_owned))
            }
        }
    };
    let meant = hosts.iter().filter(|(_, host)| is_meant(&job.lane, host));
    meant.map(|(number, host)| (host.name.clone(), obstacle(number, host))).collect()
}

fn is_meant(lane: &LaneKey, host: &Host) -> bool {
    let is_target = match &lane.target {
        Target::Any | Target::Rather(_) => true,
        Target::Only(name) => *name == host.name,
    };
    is_target && (lane.allowed.is_empty() || lane.allowed.binary_search(&host.name).is_ok())
}

fn can_be_asked(now: Millis, lane: &LaneKey, host: &Host) -> bool {
    host.unavailable.is_none() && !host.is_suspected(now) && admits(lane, host)
}
