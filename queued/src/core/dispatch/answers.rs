//! What a host has answered, or not.

use wire::api::{Refusal, RefusalKind};

use super::event::{Action, Work};
use super::search::Question;
use super::{Dispatcher, Job, Phase, Placed};
use crate::core::admission::{RESERVATION, Slot};
use crate::core::choose;
use crate::core::names::{HostName, JobId};
use crate::core::rank::Figures;
use crate::core::time::Millis;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It takes too long; it may still come.
    Late,
    /// It will not come.
    Lost,
}

impl Job {
    /// Whether a late answer of this host is waited for.
    fn is_owed_by(&self, host: usize) -> bool {
        self.silent.iter().any(|(other, _)| *other == host)
    }
}

impl Dispatcher {
    pub(super) fn reserved(&mut self, now: Millis, id: JobId, name: &HostName, rank: f64, actions: &mut Vec<Action>) {
        let release = Action::Release { id, host: name.clone() };
        let Some(host) = self.hosts.number(name) else {
            actions.push(release);
            return;
        };
        let Some(job) = self.jobs.get(&id) else {
            // The same host may have been asked twice; what it holds is what was placed.
            if self.placed.get(&id).is_none_or(|placed| placed.host != host) {
                actions.push(release);
            }
            return;
        };
        let reason = match &job.phase {
            Phase::Asking { question, .. } if question.host == host => self.reason(job, question, rank),
            // It comes late, but the job is still without a host.
            _ if job.is_owed_by(host) => self.reason_of_late(job, host, rank),
            _ => {
                actions.push(release);
                return;
            }
        };
        let job = self.take(id);
        let rule = self.hosts.rule(host, job.queue);
        self.hosts.change(host, |host| {
            host.told_rank(now, rank, rule);
            host.started(now, job.queue);
        });
        self.lanes.begin(&job.submission.user);
        self.placed.insert(id, Placed { host, user: job.submission.user, queue: job.queue });
        actions.push(Action::Place { id, host: name.clone(), reason });
        self.pump_host(now, host, actions);
    }

    pub(super) fn refused(
        &mut self,
        now: Millis,
        id: JobId,
        name: &HostName,
        refusal: Refusal,
        rank: f64,
        actions: &mut Vec<Action>,
    ) {
        let Some(host) = self.hosts.number(name) else { return };
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let rule = self.hosts.rule(host, job.queue);
        self.hosts.change(host, |host| host.told_rank(now, rank, rule));
        if refusal.kind == RefusalKind::Full {
            let words = refusal.message.clone();
            self.hosts.change(host, |host| host.said_full(now, job.queue, words));
        }
        let question = match &job.phase {
            Phase::Asking { question, .. } if question.host == host => Some(question),
            _ if job.is_owed_by(host) => None,
            _ => return,
        };
        let compared = question.is_none_or(|question| question.runner_up.is_some());
        let slot = question.map_or(Slot::Counted, |question| question.slot);
        let answers_now = question.is_some();
        job.silent.retain(|(other, _)| *other != host);
        match (refusal.kind, slot) {
            (RefusalKind::Usage, _) => {
                self.take(id);
                actions.push(Action::Refuse { id, refusal });
                return;
            }
            (RefusalKind::Full, Slot::Without) => {
                self.take(id);
                let message = format!("{name}: {}", refusal.message);
                actions.push(Action::Refuse { id, refusal: Refusal { message, ..refusal } });
                return;
            }
            (RefusalKind::Full, Slot::Counted) => {}
            (RefusalKind::Worse, _) if compared => job.worse.push((host, rank)),
            (
                // Worse than nothing is no reason: such a host would be asked for ever.
                RefusalKind::Worse
                | RefusalKind::NotFound
                | RefusalKind::NotExecutable
                | RefusalKind::NoDirectory
                | RefusalKind::Failed,
                _,
            ) => job.cannot.push((host, refusal)),
        }
        if answers_now {
            self.back_in_line(id);
        } else {
            self.bar(id);
        }
        self.pump_host(now, host, actions);
        self.pump_job(now, id, actions);
    }

    pub(super) fn silent(
        &mut self,
        now: Millis,
        id: JobId,
        host: usize,
        silence: Silence,
        actions: &mut Vec<Action>,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match &job.phase {
            Phase::Asking { question, .. } if question.host == host && job.submission.work == Work::Session => {
                let until = match silence {
                    Silence::Late => now + RESERVATION,
                    Silence::Lost => now,
                };
                job.silent.push((host, until));
                if silence == Silence::Late {
                    self.deadlines.insert((until, id));
                }
                self.back_in_line(id);
                self.hosts.change(host, |host| host.suspected(now));
                self.pump_job(now, id, actions);
                self.pump_host(now, host, actions);
            }
            Phase::Asking { .. } | Phase::InLine => {}
        }
    }

    fn reason(&self, job: &Job, question: &Question, rank: f64) -> String {
        let rule = self.hosts.rule(question.host, job.queue);
        let mut chosen = question.figures;
        if let Some(busy) = Figures::busy_of_share(rank, chosen.cpus, chosen.speed) {
            chosen.busy = busy;
        }
        let runner_up = question.runner_up.as_ref();
        let runner_up = runner_up.map(|(host, figures, _)| (&self.hosts[*host].name, figures));
        choose::reason(rule, &chosen, runner_up)
    }

    fn reason_of_late(&self, job: &Job, host: usize, rank: f64) -> String {
        let figures = self.hosts[host].figures(job.queue);
        self.reason(job, &Question { host, figures, runner_up: None, slot: Slot::Counted }, rank)
    }
}
