//! One queue of this host: its profile as it was read last, and what its gates say at this moment.

use std::path::Path;
use std::rc::Rc;

use crate::core::admission::QueueRule;
use crate::core::dispatch::Share;
use crate::core::gates::{self, Facts, Gates, Verdict};
use crate::core::names::QueueName;
use crate::profile::words::{Exec, Order};
use crate::profile::{self, Effective, Fault, HostFacts, Profile};

use super::files::{self, Stamp};
use super::measure::Measured;

/// A queue.
pub struct Queue {
    name: String,
    /// The version that was looked at last; none: there was no file.
    stamp: Option<Stamp>,
    /// The text of it, for messages.
    text: String,
    /// When the profile in force was read, microseconds since 1970; none: there is none, and what holds are the
    /// defaults.
    read_us: Option<i64>,
    /// What is wrong with the version that was looked at last.
    faults: Vec<Fault>,
    /// Directives of the profile in force that have no effect yet, with their lines.
    idle: Vec<(usize, &'static str)>,
    /// Why there is no profile in force that should be.
    missing: Option<String>,
    /// What holds on this host.
    pub effective: Rc<Effective>,
    gates: Gates,
    /// What was measured for it.
    pub measured: Measured,
    /// What its gates said last.
    pub verdict: Verdict,
}

impl Queue {
    /// A queue of which nothing was read yet: the defaults hold.
    pub fn new(name: &str, host: &HostFacts) -> Self {
        let effective = Rc::new(Profile::default().effective(name, host));
        Self {
            name: name.to_owned(),
            stamp: None,
            text: String::new(),
            read_us: None,
            faults: Vec::new(),
            idle: Vec::new(),
            missing: None,
            gates: gates_of(&effective),
            effective,
            measured: Measured::default(),
            verdict: Verdict::default(),
        }
    }

    /// Reads the profile if it is another than before. With an error the one that was read before stays in force.
    pub fn look(&mut self, path: &Path, host: &HostFacts, now_us: i64) {
        let stamp = files::stamp(path);
        if stamp == self.stamp && (stamp.is_some() || self.missing.is_some()) {
            return;
        }
        let had_faults = std::mem::take(&mut self.faults);
        if stamp.is_none() {
            self.stamp = None;
            return self.has_no_file(host);
        }
        match files::read(path) {
            Err(words) => self.fails(path, vec![Fault { line: 0, column: 0, message: words }], &had_faults),
            Ok(text) => {
                let parsed = profile::parse(&text);
                self.text = text;
                match parsed {
                    Ok(profile) => {
                        tracing::info!(queue = self.name, "the profile {} is in force", path.display());
                        self.stamp = stamp;
                        self.read_us = Some(now_us);
                        self.missing = None;
                        self.idle = profile.idle();
                        for (line, directive) in &self.idle {
                            tracing::warn!(
                                queue = self.name,
                                "{}:{line}: {directive} has no effect in this release",
                                path.display()
                            );
                        }
                        self.take(profile.effective(&self.name, host));
                    }
                    Err(faults) => {
                        self.stamp = stamp;
                        self.fails(path, faults, &had_faults);
                    }
                }
            }
        }
    }

    fn has_no_file(&mut self, host: &HostFacts) {
        self.text.clear();
        self.idle.clear();
        self.read_us = None;
        let is_always = files::ALWAYS.contains(&self.name.as_str());
        // "now" and "wait" need none.
        self.missing = Some(if is_always { String::new() } else { format!("has no {}", files::PROFILE) });
        self.take(Profile::default().effective(&self.name, host));
    }

    fn fails(&mut self, path: &Path, faults: Vec<Fault>, before: &[Fault]) {
        if self.read_us.is_none() {
            self.missing = Some("has an error in its profile (queue config check)".to_owned());
        }
        // Each fault is told once.
        for fault in faults.iter().filter(|fault| !before.contains(fault)) {
            tracing::error!(queue = self.name, "{}:{fault}", path.display());
        }
        self.faults = faults;
    }

    fn take(&mut self, effective: Effective) {
        self.gates = gates_of(&effective);
        self.measured.forget_what_changed(&self.effective, &effective);
        self.effective = Rc::new(effective);
    }

    /// What is wrong with its file.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Directives that are in force and have no effect yet, with their lines.
    pub fn idle(&self) -> &[(usize, &'static str)] {
        &self.idle
    }

    /// The text in which those faults are.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When the profile in force was read; none: the defaults hold.
    pub fn read_us(&self) -> Option<i64> {
        self.read_us
    }

    /// Whether there is a file, right or wrong.
    pub fn has_file(&self) -> bool {
        self.stamp.is_some() || !self.faults.is_empty()
    }

    /// Judges its gates; what is new for whoever watches over it.
    pub fn judge(&mut self, facts: &Facts) -> Option<String> {
        let mut verdict = gates::judge(&self.gates, facts, self.verdict.by_load);
        if let Some(words) = self.missing.as_ref().filter(|words| !words.is_empty()) {
            verdict.shut = Some(words.clone());
        }
        let before = std::mem::replace(&mut self.verdict, verdict);
        let Verdict { shut, suspended, .. } = &self.verdict;
        // Other words for what is so already, such as another load, are no news.
        match (&before.suspended, suspended, &before.shut, shut) {
            (None, Some(words), ..) => Some(format!("SUSPEND {words}")),
            (Some(_), None, ..) => Some("RESUME".to_owned()),
            (_, _, None, Some(words)) => Some(format!("SHUT {words}")),
            (_, _, Some(_), None) => Some("OPEN".to_owned()),
            _ => None,
        }
    }

    /// How this home divides its slots among users.
    pub fn share(&self) -> Share {
        let Effective { max_running_per_user, order, .. } = &*self.effective;
        Share { per_user: max_running_per_user.value, fifo: order.value == Order::Fifo }
    }

    /// What admission is told.
    pub fn rule(&self) -> QueueRule {
        QueueRule {
            queue: QueueName::from(self.name.as_str()),
            limit: self.effective.slots(),
            shut: self.verdict.shut.clone(),
            rank: self.effective.rank_rule(),
            most_cpus: self.effective.max_cpus.value,
        }
    }
}

fn gates_of(effective: &Effective) -> Gates {
    Gates {
        exec: match effective.exec.value {
            Exec::On => gates::Exec::On,
            Exec::Drain => gates::Exec::Drain,
            Exec::Off => gates::Exec::Off,
        },
        loadsched: effective.sched_load(),
        loadstop: effective.stop_load(),
        loadresume: effective.resume_load(),
        minfree: effective.minfree.value.0.iter().map(|free| (free.path.display().to_string(), free.free.0)).collect(),
        program: effective.program.value.as_ref().map(|program| program.argv[0].clone()),
    }
}
