//! Jobs in line: who is asked for next, and what is told to those who must wait.

use wire::api::{OnFull, Refusal, RefusalKind};

use super::event::{Action, Submission, Work};
use super::lanes::LaneKey;
use super::search::{self, Next, Question};
use super::words::{self, Obstacle, Obstacles};
use super::{ANSWER, Dispatcher, Due, Job, LOOK_AGAIN, Phase};
use crate::core::admission::{IfFull, Slot};
use crate::core::names::JobId;
use crate::core::time::Millis;

/// Whether a host that is full remembers this job's home.
pub fn if_full(submission: &Submission) -> IfFull {
    match submission.on_full {
        OnFull::Wait => IfFull::Remember,
        OnFull::Fail | OnFull::Local => IfFull::Forget,
    }
}

impl Dispatcher {
    /// Asks for as many jobs of these lanes as there is room for, in order.
    pub(super) fn pump(&mut self, now: Millis, mut lanes: Vec<LaneKey>, actions: &mut Vec<Action>) {
        loop {
            let firsts = lanes.iter().enumerate();
            let firsts = firsts.filter_map(|(number, lane)| Some((self.lanes.first(lane)?, number)));
            let Some((first, number)) = firsts.min() else { return self.have_used_up(lanes, actions) };
            let id = first.place.id;
            match self.next(now, id) {
                Next::Ask(question) => self.ask(now, id, question, actions),
                Next::Later => {
                    lanes.swap_remove(number);
                }
                Next::Nobody => {
                    let lane = lanes.swap_remove(number);
                    let jobs = self.lanes.take_new(&lane);
                    self.conclude(now, jobs, actions);
                }
            }
        }
    }

    /// Whoever came to these lanes and is left may run no more at this moment.
    fn have_used_up(&mut self, lanes: Vec<LaneKey>, actions: &mut Vec<Action>) {
        for lane in lanes {
            if self.lanes.shares.of(&lane.queue).per_user.is_none() {
                continue;
            }
            for id in self.lanes.take_new(&lane) {
                let Some(job) = self.jobs.get_mut(&id).filter(|job| matches!(job.phase, Phase::InLine)) else {
                    continue;
                };
                let Some(words) = self.lanes.shares.is_used_up(&lane.queue, &job.submission.user) else { continue };
                if job.submission.on_full != OnFull::Wait {
                    self.take(id);
                    actions.push(Action::Refuse { id, refusal: Refusal { kind: RefusalKind::Full, message: words } });
                } else if job.told.as_ref() != Some(&words) {
                    job.told = Some(words.clone());
                    actions.push(Action::Wait { id, text: words });
                }
            }
        }
    }

    /// Something changed at this host: whoever may run there is looked at.
    pub(super) fn pump_host(&mut self, now: Millis, host: usize, actions: &mut Vec<Action>) {
        if self.lanes.len() > 0 {
            let lanes = self.lanes.keys().filter(|lane| search::admits(lane, &self.hosts[host]));
            let lanes: Vec<LaneKey> = lanes.cloned().collect();
            self.pump(now, lanes, actions);
        }
    }

    pub(super) fn pump_job(&mut self, now: Millis, id: JobId, actions: &mut Vec<Action>) {
        if let Some(Job { lane, phase: Phase::InLine, .. }) = self.jobs.get(&id) {
            let lanes = vec![lane.clone()];
            self.pump(now, lanes, actions);
        }
    }

    pub(super) fn ask(&mut self, now: Millis, id: JobId, question: Question, actions: &mut Vec<Action>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let submission = &job.submission;
        self.lanes.remove(&job.lane, submission.priority, &submission.user, job.place);
        self.lanes.shares.begin(&job.lane.queue, &submission.user);
        let deadline = now + ANSWER;
        if submission.work == Work::Session {
            self.deadlines.insert((deadline, id, Due::Answer));
        }
        let number = self.hosts.change(question.host, |host| host.asked());
        actions.push(Action::Ask {
            id,
            host: self.hosts[question.host].name.clone(),
            runner_up_rank: question.runner_up.as_ref().map(|(_, _, rank)| *rank),
            slot: question.slot,
            if_full: if_full(submission),
            deadline,
        });
        job.phase = Phase::Asking { question, number, deadline };
    }

    /// The question is over; the job is in line again, without the hosts that cannot run it.
    pub(super) fn back_in_line(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Phase::Asking { question, number, deadline } = std::mem::replace(&mut job.phase, Phase::InLine) else {
            return;
        };
        self.deadlines.remove(&(deadline, id, Due::Answer));
        self.hosts.change(question.host, |host| host.not_asked(number));
        self.over.push(question.host);
        let Submission { user, priority, .. } = &job.submission;
        self.lanes.shares.end(&job.lane.queue, user);
        job.lane.bar(job.cannot.iter().map(|(host, _)| &self.hosts[*host].name));
        self.lanes.insert(&job.lane, *priority, user, job.place);
    }

    /// A host that was not being waited for cannot run the job.
    pub(super) fn bar(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Submission { user, priority, .. } = &job.submission;
        if let Phase::InLine = job.phase {
            self.lanes.remove(&job.lane, *priority, user, job.place);
            job.lane.bar(job.cannot.iter().map(|(host, _)| &self.hosts[*host].name));
            self.lanes.insert(&job.lane, *priority, user, job.place);
        }
    }

    /// The submission is over.
    pub(super) fn take(&mut self, id: JobId) -> Job {
        let job = self.jobs.remove(&id).expect("callers have just seen this job");
        let Submission { user, priority, .. } = &job.submission;
        for silent in &job.silent {
            self.deadlines.remove(&(silent.until, id, Due::LateAnswer));
        }
        match &job.phase {
            Phase::Asking { question, number, deadline } => {
                self.deadlines.remove(&(*deadline, id, Due::Answer));
                self.lanes.shares.end(&job.lane.queue, user);
                self.hosts.change(question.host, |host| host.not_asked(*number));
                self.over.push(question.host);
            }
            Phase::InLine => {
                self.lanes.remove(&job.lane, *priority, user, job.place);
                if self.left.last() != Some(&job.lane) {
                    self.left.push(job.lane.clone());
                }
            }
        }
        job
    }

    /// No host can be asked for these jobs of one lane now: they wait, are refused, or run at
    /// home.
    fn conclude(&mut self, now: Millis, jobs: Vec<JobId>, actions: &mut Vec<Action>) {
        let mut shared: Option<Obstacles> = None;
        for id in jobs {
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            if matches!(job.phase, Phase::Asking { .. }) {
                continue;
            }
            job.worse.clear();
            let job = &self.jobs[&id];
            // Looking at every host is done once for all that no host has turned down.
            let own = (!job.cannot.is_empty()).then(|| search::obstacles(now, job, &self.hosts));
            let obstacles =
                own.as_ref().unwrap_or_else(|| shared.get_or_insert_with(|| search::obstacles(now, job, &self.hosts)));
            self.conclude_one(now, id, obstacles, actions);
        }
    }

    fn conclude_one(&mut self, now: Millis, id: JobId, obstacles: &Obstacles, actions: &mut Vec<Action>) {
        let job = &self.jobs[&id];
        let is_full = obstacles.iter().any(|(_, obstacle)| matches!(obstacle, Obstacle::Full(_)));
        let refusal = match (is_full, job.submission.on_full) {
            (false, _) => words::nobody(&job.submission, obstacles),
            (true, OnFull::Fail) => words::no_room(&job.submission, obstacles),
            (true, OnFull::Wait) => return self.wait(now, id, obstacles, actions),
            (true, OnFull::Local) => match self.hosts.number(&self.own) {
                Some(host) if !job.was_turned_down_by(host) => {
                    let figures = self.hosts[host].figures(job.queue);
                    let question = Question { host, figures, runner_up: None, slot: Slot::Without };
                    return self.ask(now, id, question, actions);
                }
                _ => words::nobody(&job.submission, obstacles),
            },
        };
        self.take(id);
        actions.push(Action::Refuse { id, refusal });
    }

    fn wait(&mut self, now: Millis, id: JobId, obstacles: &Obstacles, actions: &mut Vec<Action>) {
        self.look_again_at(now + LOOK_AGAIN);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.silent.clear();
        job.full.clear();
        let what_for = words::waiting(&job.submission, obstacles);
        if job.told.as_ref() != Some(&what_for) {
            let ahead = self.lanes.ahead(&job.lane, job.submission.priority, job.place);
            let text = format!("{what_for}; waiting ({ahead} ahead of you)");
            job.told = Some(what_for);
            actions.push(Action::Wait { id, text });
        }
    }
}
