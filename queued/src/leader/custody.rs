//! What a leader does for a job besides waiting for it: ends its whole tree when told to and when it has used up
//! what it may have; of a batch job also when its lease is over, while nobody renews which it is frozen, and when its
//! first process has ended. What a session leaves behind stays.
//!
//! It needs nobody for that: runner and daemon may be dead meanwhile. Times are those since boot, time asleep
//! included, as are those of its timer: a host that wakes up late finds what was due.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::allowance::{Allowance, Time};
use super::message::{Ended, FromLeader, Gone, Limit};

/// The care for one job.
pub struct Custody {
    kind: Kind,
    allowance: Allowance,
    lease: Option<Lease>,
    frozen: bool,
    ending: Option<Ending>,
    /// What the job left behind.
    left_over: BTreeSet<i32>,
    /// When the tree is looked at again, if something of it should be left then.
    again: Duration,
    pause: Duration,
    timer: Option<TimerFd>,
}

struct Lease {
    freeze: Duration,
    end: Duration,
}

/// What is left when the first process has ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of a session everything.
    Session,
    /// Of a batch job nothing.
    Batch,
}

struct Ending {
    why: Why,
    kill: Duration,
    /// Whether it has come to that.
    has_killed: bool,
}

/// Why a job is ended.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// It has no end of its own.
    Gone(Gone),
    /// It had more than it may.
    Limit(Limit),
}

impl Custody {
    /// Of a job that does not run yet.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            allowance: Allowance::default(),
            lease: None,
            frozen: false,
            ending: None,
            left_over: BTreeSet::new(),
            again: Duration::ZERO,
            pause: Duration::ZERO,
            timer: None,
        }
    }

    /// Whose it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The job starts, and may have this time.
    pub fn begin(&mut self, time: Option<Time>) {
        self.allowance = Allowance::begin(time, sys::host::since_boot());
    }

    /// It may have another time than before.
    pub fn set_time(&mut self, time: Time) {
        self.allowance.set(time, sys::host::since_boot());
    }

    /// Its queue has it suspended, or go on.
    pub fn suspend(&mut self, yes: bool) {
        self.allowance.suspend(yes, sys::host::since_boot());
    }

    /// The signal of a warning that is due, and how long the job has then. Only while the first process lives.
    pub fn take_warning(&mut self) -> Option<(i32, Duration)> {
        let none_ends = self.ending.is_none();
        none_ends.then(|| self.allowance.take_warning(sys::host::since_boot())).flatten()
    }

    /// Readable when [`Self::tend`] is due by the clock.
    pub fn timer(&self) -> Option<BorrowedFd<'_>> {
        self.timer.as_ref().map(|timer| timer.as_fd())
    }

    /// Whether the job is frozen, and only a renewed lease may wake it.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// The job may go on until then.
    pub fn lease(&mut self, freeze_ms: u64, end_ms: u64) {
        let (freeze, end) = (Duration::from_millis(freeze_ms), Duration::from_millis(end_ms));
        self.lease = Some(Lease { freeze, end });
        if self.frozen && sys::host::since_boot() < freeze {
            self.thaw();
        }
    }

    /// Asks the whole tree to end; after the grace it is killed. Only while the first process lives.
    pub fn stop(&mut self, grace: Duration) {
        self.end(Why::Gone(Gone::Stopped), grace);
    }

    /// The same, since the job has had more of something than it may.
    pub fn exceeded(&mut self, limit: Limit, grace: Duration) {
        self.end(Why::Limit(limit), grace);
    }

    fn end(&mut self, why: Why, grace: Duration) {
        let kill = sys::host::since_boot().saturating_add(grace);
        match &mut self.ending {
            Some(ending) => ending.kill = ending.kill.min(kill),
            None => {
                self.ending = Some(Ending { why, kill, has_killed: false });
                signal(nix::libc::SIGTERM);
                // One that was stopped hears it only when it goes on.
                self.thaw();
            }
        }
    }

    /// Whether the job is being ended.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Does what is due. `ended` is how the first process has ended, if it has; the last word about the job
    /// when nothing of it is left.
    pub fn tend(&mut self, ended: Option<&Ended>) -> Option<FromLeader> {
        let now = sys::host::since_boot();
        let over = self.lease.as_ref().is_some_and(|lease| lease.end <= now);
        match &mut self.ending {
            Some(ending) if over => ending.kill = ending.kill.min(now),
            // One that has ended by itself before has that end.
            None if over && ended.is_none() => {
                self.ending = Some(Ending { why: Why::Gone(Gone::LeaseOver), kill: now, has_killed: false });
            }
            _ => {}
        }
        if let Some(time) = self.allowance.over(now).filter(|_| ended.is_none() && self.ending.is_none()) {
            self.exceeded(Limit::Time { seconds: time.limit.as_secs() }, time.grace);
        }
        let stays = self.kind == Kind::Session && self.ending.is_none();
        if let Some(ended) = ended
            && (stays || !sys::process::has_children())
        {
            // It would be readable for ever.
            self.timer = None;
            return Some(self.last_word(ended));
        }
        let freezes = self.lease.as_ref().is_some_and(|lease| lease.freeze <= now);
        if freezes && !self.frozen && self.ending.is_none() && ended.is_none() {
            self.frozen = true;
            stop_all();
        }
        if self.kills_at(ended.is_some()).is_some_and(|at| at <= now) && self.again <= now {
            stop_all();
            self.left_over.extend(signal(nix::libc::SIGKILL));
            if let Some(ending) = &mut self.ending {
                ending.has_killed = true;
            }
            // Each that dies brings us back here; this is for one that the kernel holds on to.
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.again = now + self.pause;
        }
        // Without its timer it would still do what it is told, and what every end of a process brings.
        let _ = self.arm(ended.is_some(), now);
        None
    }

    /// How the job has ended, of which nothing is left that is not to stay.
    fn last_word(&self, ended: &Ended) -> FromLeader {
        let left_over = u32::try_from(self.left_over.len()).unwrap_or(u32::MAX);
        match &self.ending {
            Some(Ending { why: Why::Limit(limit), has_killed, .. }) => {
                // What it says with its exit code is not how it ended: nobody takes it for a success.
                let signal = match ended.code {
                    // Both were sent in one breath.
                    _ if matches!(limit, Limit::Memory { .. }) => nix::libc::SIGKILL,
                    None => ended.signal,
                    Some(_) if *has_killed => nix::libc::SIGKILL,
                    Some(_) => nix::libc::SIGTERM,
                };
                FromLeader::Ended(Ended { code: None, signal, limit: Some(*limit), ..*ended })
            }
            Some(Ending { why: Why::Gone(gone), .. }) if self.kind == Kind::Batch => FromLeader::Gone(*gone),
            Some(_) => FromLeader::Ended(*ended),
            None => FromLeader::Ended(Ended { left_over, ..*ended }),
        }
    }

    fn kills_at(&self, first_has_ended: bool) -> Option<Duration> {
        match &self.ending {
            Some(ending) => Some(ending.kill),
            None => (first_has_ended && self.kind == Kind::Batch).then_some(Duration::ZERO),
        }
    }

    fn arm(&mut self, first_has_ended: bool, now: Duration) -> io::Result<()> {
        let lease = self.lease.as_ref().filter(|_| !first_has_ended || self.ending.is_some());
        let freeze = lease.map(|lease| lease.freeze).filter(|_| !self.frozen && self.ending.is_none());
        let end = lease.map(|lease| lease.end).filter(|end| *end > now);
        let kill = self.kills_at(first_has_ended).map(|at| at.max(self.again));
        let time = self.allowance.due().filter(|_| !first_has_ended && self.ending.is_none());
        let due = [freeze, end, kill, time].into_iter().flatten().min();
        if due.is_none() && self.timer.is_none() {
            return Ok(());
        }
        let timer = match &mut self.timer {
            Some(timer) => timer,
            none => none.insert(TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?),
        };
        match due {
            // Zero would be no time at all.
            Some(at) => {
                let at = Expiration::OneShot(at.max(Duration::from_nanos(1)).into());
                timer.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
            }
            None => timer.unset()?,
        }
        Ok(())
    }

    fn thaw(&mut self) {
        self.frozen = false;
        signal(nix::libc::SIGCONT);
    }
}

/// Signals the whole tree; who got it.
fn signal(number: i32) -> Vec<i32> {
    // All processes of the job are below this one, which is their subreaper.
    let own = nix::unistd::getpid().as_raw();
    sys::process::signal_descendants(own, None, number).unwrap_or_default()
}

/// Stops the whole tree: one that forks faster than it can be walked is caught in the end.
fn stop_all() {
    let mut before = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let stopped = signal(nix::libc::SIGSTOP);
        if stopped == before {
            break;
        }
        before = stopped;
    }
}

/// Each round halves what can fork; beyond this the next look goes on.
const MOST_ROUNDS: usize = 16;
/// From one look at what does not die to the next, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
