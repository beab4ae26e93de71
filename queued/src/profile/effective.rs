//! What holds on one host: of every directive the value that goes before the others, and where it was said.

use super::access::{Objection, objection};
use super::load::Load;
use super::{Effective, Origin, Set};
use crate::core::rank::RankRule;

impl<T> Set<T> {
    pub(super) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }
}

impl Effective {
    /// How many jobs of the queue run here at a time; `None`: no limit.
    pub fn slots(&self) -> Option<u32> {
        self.maxexec.value.map(|slots| slots.on(self.cpus))
    }

    /// The load from which nothing is started.
    pub fn sched_load(&self) -> Option<f64> {
        self.loadsched.value.map(|load| load.on(self.cpus))
    }

    /// The load from which jobs are suspended.
    pub fn stop_load(&self) -> Option<f64> {
        self.loadstop.value.map(|load| load.on(self.cpus))
    }

    /// The load below which suspended jobs go on. Always below [`Self::stop_load`], unless that is 0: where
    /// `loadresume` is not, because the two were said in different tables or units, it does not count.
    pub fn resume_load(&self) -> Option<f64> {
        let stop = self.stop_load()?;
        let resume = self.loadresume.value.map(|load| load.on(self.cpus));
        Some(resume.filter(|&resume| resume < stop).unwrap_or(stop * RESUME_OF_STOP))
    }

    /// The load from which jobs that save themselves are asked to move.
    pub fn checkpoint_load(&self) -> Option<f64> {
        self.loadcheckpoint.value.map(|load| load.on(self.cpus))
    }

    /// How many jobs may wait in the queue.
    pub fn backlog(&self) -> Option<u32> {
        self.maxqueue.value.and_then(|backlog| backlog.with(self.slots()))
    }

    /// Who counts `maxglobal`; `None`: each home for itself.
    pub fn counter(&self) -> Option<&str> {
        self.counted_by.value.as_deref()
    }

    /// Which formula ranks the hosts.
    pub fn rank_rule(&self) -> RankRule {
        RankRule::of_profile(self.pfactor.value, self.vmaxexec.value, self.slots())
    }

    /// What speaks against a user in these groups.
    pub fn objection<'g>(&self, user: &str, groups: impl IntoIterator<Item = &'g str>) -> Option<Objection> {
        let allow = (&self.allow_users.value, &self.allow_groups.value);
        let deny = (&self.deny_users.value, &self.deny_groups.value);
        objection(allow, deny, user, groups)
    }

    /// Whether this command may be run, given as it was asked for or as an absolute path.
    pub fn allows_command(&self, command: &str) -> bool {
        match &self.allow_commands.value {
            super::access::Allowed::All => true,
            super::access::Allowed::Only(commands) => commands.have_command(command),
        }
    }

    /// Defaults that depend on other directives.
    pub(super) fn complete(mut self) -> Self {
        if self.loadresume.origin == Origin::Default {
            self.loadresume.value = self.loadstop.value.map(|load| load.times(RESUME_OF_STOP));
        }
        if self.counted_by.origin == Origin::Default {
            self.counted_by.value.clone_from(&self.home.value);
        }
        self
    }
}

/// Jobs that were suspended go on when the load has clearly fallen, not when it wavers.
pub(super) const RESUME_OF_STOP: f64 = 0.8;

/// What a queue does with the load where nothing is said.
pub(super) fn usual_loadsched(queue: &str) -> Option<Load> {
    (queue != IMMEDIATE).then_some(Load::PerCpu(2.0))
}

/// And with slots.
pub(super) fn usual_maxexec(queue: &str) -> Option<super::load::Slots> {
    (queue != IMMEDIATE).then_some(super::load::Slots::PerCpu(1.0))
}

/// The queue that is like rsh: nothing waits in it unless somebody says so.
const IMMEDIATE: &str = "now";
