//! What a host has answered, or not.

use wire::api::{Refusal, RefusalKind};
use wire::news::OwnRank;

use super::event::{Action, Work};
use super::{Dispatcher, Due, Job, Phase, Placed, Silent, line};
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
    /// The number of the question to this host whose answer is still waited for, in time or
    /// late.
    fn question_to(&self, host: usize) -> Option<u64> {
        match &self.phase {
            Phase::Asking { question, number, .. } if question.host == host => Some(*number),
            Phase::Asking { .. } | Phase::InLine => {
                self.silent.iter().find(|silent| silent.host == host).map(|silent| silent.question)
            }
        }
    }
}

impl Dispatcher {
    pub(super) fn reserved(
        &mut self,
        now: Millis,
        id: JobId,
        name: &HostName,
        rank: OwnRank,
        actions: &mut Vec<Action>,
    ) {
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
        let Some(question) = job.question_to(host) else {
            // Nobody waits for it any more.
            actions.push(release);
            return;
        };
        let reason = self.reason(job, host, rank.value);
        let job = self.take(id);
        let rule = self.hosts.rule(host, job.queue);
        let cpus = job.submission.needs.cpus;
        self.hosts.change(host, |host| host.accepted(now, question, rank, rule, (job.queue, cpus)));
        self.lanes.shares.begin(&job.lane.queue, &job.submission.user);
        let (user, in_queue) = (job.submission.user, job.lane.queue);
        self.placed.insert(id, Placed { host, user, queue: job.queue, in_queue, cpus });
        actions.push(Action::Place { id, host: name.clone(), reason });
    }

    pub(super) fn refused(
        &mut self,
        now: Millis,
        id: JobId,
        name: &HostName,
        refusal: Refusal,
        rank: OwnRank,
        actions: &mut Vec<Action>,
    ) {
        let Some(host) = self.hosts.number(name) else { return };
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(question) = job.question_to(host) else { return };
        let rule = self.hosts.rule(host, job.queue);
        self.hosts.change(host, |host| host.answered(now, question, rank, rule));
        if refusal.kind == RefusalKind::Full {
            let words = refusal.message.clone();
            let if_full = line::if_full(&job.submission);
            let (queue, needs) = (job.queue, &job.submission.needs);
            self.hosts.change(host, |host| host.said_full(now, queue, needs, words, if_full));
        }
        let asking = match &job.phase {
            Phase::Asking { question, .. } if question.host == host => Some(question),
            Phase::Asking { .. } | Phase::InLine => None,
        };
        let was_compared = asking.is_none_or(|question| question.runner_up.is_some());
        let slot = asking.map_or(Slot::Counted, |question| question.slot);
        let is_late = asking.is_none();
        for silent in job.silent.extract_if(.., |silent| silent.host == host) {
            self.deadlines.remove(&(silent.until, id, Due::LateAnswer));
        }
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
            (RefusalKind::Full, Slot::Counted) => job.full.push(host),
            (RefusalKind::Worse, _) if was_compared => job.worse.push(host),
            // Worse than nothing is no reason: such a host would be asked for ever.
            (RefusalKind::Worse, _) => {
                job.cannot.push((host, Refusal { kind: RefusalKind::Failed, message: refusal.message }));
            }
            (
                RefusalKind::NotFound
                | RefusalKind::NotExecutable
                | RefusalKind::NoDirectory
                | RefusalKind::Denied
                | RefusalKind::Impossible
                | RefusalKind::Failed,
                _,
            ) => job.cannot.push((host, refusal)),
        }
        if is_late {
            self.bar(id);
        } else {
            self.back_in_line(id);
        }
        self.pump_job(now, id, actions);
    }

    pub(super) fn silent(&mut self, now: Millis, id: JobId, host: usize, silence: Silence, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match &job.phase {
            Phase::Asking { question, number, .. } if question.host == host && job.submission.work == Work::Session => {
                let until = match silence {
                    Silence::Late => now + RESERVATION,
                    Silence::Lost => now,
                };
                job.silent.push(Silent { host, question: *number, until });
                if silence == Silence::Late {
                    self.deadlines.insert((until, id, Due::LateAnswer));
                }
                self.back_in_line(id);
                self.hosts.change(host, |host| host.suspected(now));
                self.pump_job(now, id, actions);
            }
            Phase::Asking { .. } | Phase::InLine => {}
        }
    }

    /// Why this host, in the numbers it was chosen by and its own word.
    fn reason(&self, job: &Job, host: usize, rank: f64) -> String {
        let rule = self.hosts.rule(host, job.queue);
        let (mut chosen, runner_up) = match &job.phase {
            Phase::Asking { question, .. } if question.host == host => (question.figures, question.runner_up.as_ref()),
            Phase::Asking { .. } | Phase::InLine => (self.hosts[host].figures(job.queue), None),
        };
        if let Some(busy) = Figures::busy_of_share(rank, chosen.cpus, chosen.speed) {
            chosen.busy = busy;
        }
        let runner_up = runner_up.map(|(host, figures, _)| (&self.hosts[*host].name, figures));
        choose::reason(rule, &chosen, runner_up)
    }
}
