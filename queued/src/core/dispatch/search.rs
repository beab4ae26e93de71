//! The next host for one job: who may run it, who seems to have room, who is best.

use wire::api::{HostChoice, Refusal, RefusalKind};

use super::event::Submission;
use super::host::Host;
use super::hosts::{Hosts, Opening, View};
use super::lanes::{LaneKey, Target};
use super::words::{Obstacle, Obstacles};
use super::{Dispatcher, Job, MOST_REGISTERED, MOST_WORSE};
use crate::core::admission::Slot;
use crate::core::choose::{self, Candidate};
use crate::core::names::{HostName, JobId};
use crate::core::rank::Figures;
use crate::core::time::Millis;

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
        let (hosts, lane) = (&self.hosts, &job.lane);
        let question = |host: usize, runner_up: Option<(usize, f64)>| {
            let figures = hosts[host].figures(job.queue);
            let runner_up = runner_up.map(|(host, rank)| (host, hosts[host].figures(job.queue), rank));
            Next::Ask(Question { host, figures, runner_up, slot: Slot::Counted })
        };
        let takes_any = lane.takes_any();
        let is_plain = lane.needs.are_plain();
        let seen = |number: usize| hosts.seen(number, job.queue, &lane.needs);
        let able = || {
            let views = hosts.views(job.queue).iter().enumerate();
            let able = views.filter(|(number, _)| takes_any || admits(lane, &hosts[*number]));
            able.map(|(number, view)| (number, if is_plain { *view } else { seen(number) }))
        };
        let untried = || {
            let tried = |number: usize| job.worse.contains(&number) || job.full.contains(&number);
            able().filter(move |(number, _)| !tried(*number) && !job.was_turned_down_by(*number))
        };
        let trusted = |view: &View| view.is_open(now) && view.suspected_until <= now;

        if let Target::Rather(name) = &lane.target
            && let Some((number, view)) =
                hosts.number(name).and_then(|number| untried().find(|(host, _)| *host == number))
            && trusted(&view)
        {
            return question(number, None);
        }
        // By its answer, and by what was heard and asked since.
        let by_the_answers = || {
            let refusers = job.worse.iter().map(|host| (*host, seen(*host)));
            let refusers = refusers.filter(|(host, view)| {
                view.is_open(now) && admits(lane, &hosts[*host]) && !job.was_turned_down_by(*host)
            });
            refusers.map(|(host, view)| Candidate { host, rank: view.rank, merit: view.spare })
        };
        if job.worse.len() < MOST_WORSE {
            // A refusal shows that what is known is out of date: then the freshest word counts,
            // such as that of a host where a job has just ended.
            let is_first = job.worse.is_empty();
            let merit = |view: &View| if is_first { view.spare } else { view.said.as_secs_f64() };
            let candidates = untried().filter(|(_, view)| trusted(view));
            let candidates = candidates.map(|(host, view)| Candidate { host, rank: view.rank, merit: merit(&view) });
            if let Some(choice) = choose::best_two(candidates, &mut self.random) {
                let others = choice.runner_up.into_iter().chain(by_the_answers());
                let runner_up = others.min_by(|one, other| one.rank.total_cmp(&other.rank));
                return question(choice.best.host, runner_up.map(|second| (second.host, second.rank)));
            }
        }
        if let Some(choice) = choose::best_two(by_the_answers(), &mut self.random) {
            return question(choice.best.host, None);
        }
        let suspects = untried().filter(|(_, view)| view.is_open(now));
        let suspects = suspects.map(|(host, view)| Candidate { host, rank: view.rank, merit: view.spare });
        if let Some(choice) = choose::best_two(suspects, &mut self.random) {
            return question(choice.best.host, None);
        }
        self.next_full(now, job)
    }

    /// Nobody seems to have room: asks some who have not said so themselves, so that they
    /// remember that this home waits.
    fn next_full(&self, now: Millis, job: &Job) -> Next {
        let (mut registered, mut unasked) = (0, None);
        let mut under_way = job.silent.iter().any(|silent| silent.until > now);
        for number in 0..self.hosts.views(job.queue).len() {
            if !admits(&job.lane, &self.hosts[number]) || job.was_turned_down_by(number) {
                continue;
            }
            let view = self.hosts.seen(number, job.queue, &job.lane.needs);
            match view.opening {
                Opening::Open | Opening::Full | Opening::FullIfAsked
                    if view.full_until > now || job.full.contains(&number) =>
                {
                    registered += 1;
                }
                Opening::FullIfAsked => {
                    registered += 1;
                    under_way = true;
                }
                Opening::Full => unasked = unasked.or(Some(number)),
                Opening::Open | Opening::Unfit | Opening::NoQueue | Opening::Unavailable => {}
            }
        }
        match unasked {
            Some(host) if registered < MOST_REGISTERED => {
                let figures = self.hosts[host].figures(job.queue);
                Next::Ask(Question { host, figures, runner_up: None, slot: Slot::Counted })
            }
            _ if under_way => Next::Later,
            _ => Next::Nobody,
        }
    }
}

impl LaneKey {
    /// The lane of a job, with the names it was given replaced by those of the table.
    pub fn of(submission: &Submission, hosts: &Hosts) -> Result<Self, Refusal> {
        let Submission { choice, allowed, excluded, .. } = submission;
        let names_none = *choice == HostChoice::Any && allowed.is_empty() && excluded.is_empty();
        let known = if names_none { Vec::new() } else { hosts.known() };
        let target = match choose::resolve(choice, &known)? {
            HostChoice::Any => Target::Any,
            HostChoice::Only(name) => Target::Only(name.into()),
            HostChoice::Rather(name) => Target::Rather(name.into()),
        };
        let allowed = allowed.iter().map(|name| choose::host_named(name, &known));
        let mut allowed = allowed.map(|host| host.cloned()).collect::<Result<Vec<HostName>, Refusal>>()?;
        let barred = excluded.iter().filter_map(|name| choose::host_named(name, &known).ok());
        let mut barred: Vec<HostName> = barred.cloned().collect();
        for names in [&mut allowed, &mut barred] {
            names.sort();
            names.dedup();
        }
        let needs = submission.needs.clone();
        Ok(LaneKey { queue: submission.queue.clone(), target, allowed, barred, needs })
    }

    /// Whether every host is as good as any other.
    fn takes_any(&self) -> bool {
        !matches!(self.target, Target::Only(_)) && self.allowed.is_empty() && self.barred.is_empty()
    }
}

/// Whether the jobs of a lane may run on a host, were it there.
pub fn admits(lane: &LaneKey, host: &Host) -> bool {
    is_meant(lane, host) && lane.barred.binary_search(&host.name).is_err()
}

/// Each host that may run a job and what is in the way there.
pub fn obstacles(now: Millis, job: &Job, hosts: &Hosts) -> Obstacles {
    let obstacle = |number: usize, host: &Host| {
        if let Some((_, refusal)) = job.cannot.iter().find(|(other, _)| *other == number) {
            return Obstacle::Cannot(refusal.clone());
        }
        if !admits(&job.lane, host) {
            return Obstacle::GivenUp;
        }
        if let Some(words) = host.unavailable() {
            return Obstacle::Unavailable(words.to_owned());
        }
        let view = hosts.seen(number, job.queue, &job.lane.needs);
        if view.suspected_until > now || job.was_turned_down_by(number) {
            return Obstacle::Silent(host.heard().map(|heard| now.since(heard)));
        }
        match view.opening {
            Opening::NoQueue | Opening::Unavailable => Obstacle::NoQueue,
            Opening::Unfit => {
                let message =
                    host.lack(job.queue, &job.lane.needs).map_or_else(String::new, |lack| lack.words().to_owned());
                Obstacle::Cannot(Refusal { kind: RefusalKind::Impossible, message })
            }
            Opening::Open | Opening::Full | Opening::FullIfAsked => {
                Obstacle::Full(host.lack_words(job.queue, &job.lane.needs))
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
