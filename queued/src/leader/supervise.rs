//! A leader's life: ready, released, supervising, ended, acknowledged.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sys::postfork::{Stage, StartError};
use sys::process::{Change, Usage};
use sys::signal::Signals;

use super::Assignment;
use super::allowance::Time;
use super::custody::{Custody, Kind};
use super::directories::Directories;
use super::job::Surroundings;
use super::message::{self, Attachment, Ended, FromLeader, Slot, ToLeader};
use super::name;
use super::suspension::Suspension;

/// Runs one leader over its connection to the runner; never returns.
pub fn lead(connection: OwnedFd, directories: &Directories) -> ! {
    // A leader that cannot go on has nobody to tell but the runner, which sees it leave.
    let _ = serve(connection, directories);
    std::process::exit(0);
}

/// Leads a session, or one batch job after the other: to fork a leader for each costs more than a short job.
fn serve(mut runner: OwnedFd, directories: &Directories) -> io::Result<()> {
    sys::process::new_session()?;
    sys::process::become_subreaper()?;
    for number in IGNORED {
        sys::signal::ignore(number)?;
    }
    sys::signal::default(nix::libc::SIGCHLD)?;
    let mut signals = Signals::block(&[nix::libc::SIGCHLD])?;
    while let Some(leader) = Leader::prepare(runner, signals)?
        && let Some(freed) = leader.run(directories)?
    {
        (runner, signals) = freed;
    }
    Ok(())
}

struct Leader {
    /// The runner; absent between one's death and the next one's adoption.
    runner: Option<OwnedFd>,
    adoption: UnixListener,
    /// What it was told about its job, and that again for a new runner.
    assignment: Option<Assignment>,
    sheet: Option<OwnedFd>,
    surroundings: Surroundings,
    signals: Signals,
    phase: Phase,
    /// The group that had the terminal when the client left the foreground; 0 for none.
    foreground_before: i32,
    /// The last client that took the session over.
    attachment: Option<Attachment>,
    custody: Custody,
    suspension: Suspension,
}

enum Phase {
    /// Without `until` as long as the runner lives.
    Waiting {
        until: Option<Instant>,
    },
    Running {
        pid: i32,
        since: Instant,
        stopped: bool,
    },
    /// The first process has ended, and others are left that are not to stay.
    Clearing {
        pid: i32,
        ended: Ended,
    },
    /// Without `until` the report is kept as long as somebody may come for it.
    Ended {
        pid: i32,
        report: FromLeader,
        until: Option<Instant>,
    },
    Done,
}

impl Leader {
    /// Waits for a job and makes ready what it needs. `None` when the runner gave up before.
    fn prepare(runner: OwnedFd, signals: Signals) -> io::Result<Option<Self>> {
        sys::process::set_name("queue-spare");
        let Some((record, descriptors)) = message::receive(&runner)? else {
            return Ok(None);
        };
        let mut descriptors = descriptors.into_iter();
        let (name, surroundings, sheet, kind) = match ToLeader::decode(&record) {
            Some(ToLeader::Open { terminal, name }) => (name, Surroundings::make(terminal)?, None, Kind::Session),
            Some(ToLeader::Batch { name }) => {
                let mut next = || descriptors.next().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
                let sheet = next()?;
                (name, Surroundings::given([next()?, next()?, next()?]), Some(sheet), Kind::Batch)
            }
            _ => return Ok(None),
        };
        sys::process::set_name("queue-leader");
        let adoption = name::take(&name)?;
        adoption.set_nonblocking(true)?;
        let leader = Self {
            adoption,
            assignment: sheet.as_ref().map(Assignment::from_file).transpose()?,
            sheet,
            surroundings,
            signals,
            phase: Phase::Waiting { until: (kind == Kind::Session).then(|| Instant::now() + UNRELEASED) },
            foreground_before: 0,
            attachment: None,
            custody: Custody::new(kind),
            suspension: Suspension::default(),
            runner: Some(runner),
        };
        let ready = FromLeader::Ready { slots: leader.surroundings.mask() };
        if let Some(runner) = &leader.runner {
            message::send(runner.as_fd(), &ready.encode(), &leader.surroundings.descriptors())?;
        }
        Ok(Some(leader))
    }

    /// Leads the job to its end. What another one may be led with, after a batch job: nothing of it is left then.
    fn run(mut self, directories: &Directories) -> io::Result<Option<(OwnedFd, Signals)>> {
        let mut look = Instant::now();
        loop {
            match &self.phase {
                Phase::Done if self.is_batch() => return Ok(self.runner.map(|runner| (runner, self.signals))),
                Phase::Done => return Ok(None),
                Phase::Waiting { until: Some(until) } if *until <= Instant::now() => return Ok(None),
                // Nobody came for the end of the job in all this time.
                Phase::Ended { until: Some(until), .. } if self.runner.is_none() && *until <= Instant::now() => {
                    return Ok(None);
                }
                // Nobody ever will: what could hear of it was deleted.
                Phase::Ended { until: None, .. } if self.runner.is_none() && look + BETWEEN_LOOKS <= Instant::now() => {
                    look = Instant::now();
                    if directories.are_gone() {
                        return Ok(None);
                    }
                }
                // Unreleased and without a runner nothing has run, and nobody can release it.
                Phase::Waiting { .. } if self.runner.is_none() => return Ok(None),
                _ => {}
            }
            let (runner, adoption, child) = self.wait()?;
            if child {
                self.reap()?;
                self.tend();
            }
            // Before an adoption, which may put another connection in the place of the one that has
            // something: reading that one would wait for ever.
            if runner {
                self.hear();
            }
            if adoption {
                self.adopt();
            }
        }
    }

    fn is_batch(&self) -> bool {
        self.custody.kind() == Kind::Batch
    }

    /// Waits for runner, adopter and child or clock; says which of them has something.
    fn wait(&self) -> io::Result<(bool, bool, bool)> {
        let timeout = match self.phase {
            Phase::Ended { .. } if self.runner.is_some() => PollTimeout::NONE,
            // Time asleep is not counted, and more often is not needed.
            Phase::Ended { until: None, .. } => PollTimeout::try_from(BETWEEN_LOOKS).unwrap_or(PollTimeout::MAX),
            Phase::Waiting { until: Some(until) } | Phase::Ended { until: Some(until), .. } => {
                let left = until.saturating_duration_since(Instant::now()).as_millis() + 1;
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
            _ => PollTimeout::NONE,
        };
        let timer = self.custody.timer();
        let mut polled = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.adoption.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.runner.as_ref().map_or(self.adoption.as_fd(), |runner| runner.as_fd()), PollFlags::POLLIN),
            PollFd::new(timer.unwrap_or(self.signals.as_fd()), PollFlags::POLLIN),
        ];
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has = |index: usize| polled[index].any().unwrap_or(false);
        Ok((self.runner.is_some() && has(2), has(1), has(0) || has(3)))
    }

    /// Takes one message of the runner.
    fn hear(&mut self) {
        let Some(runner) = &self.runner else {
            return;
        };
        match message::receive(runner) {
            Ok(Some((record, descriptors))) => {
                if let Some(told) = ToLeader::decode(&record) {
                    self.obey(told, descriptors);
                }
            }
            Ok(None) => self.runner = None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.runner = None,
        }
    }

    fn obey(&mut self, told: ToLeader, descriptors: Vec<OwnedFd>) {
        match told {
            ToLeader::Open { .. } | ToLeader::Batch { .. } => {}
            ToLeader::Assign => {
                // One that cannot be read makes the release fail.
                self.sheet = descriptors.into_iter().next();
                self.assignment = self.sheet.as_ref().and_then(|sheet| Assignment::from_file(sheet).ok());
            }
            ToLeader::Release { foreground, handed } => {
                if let Phase::Waiting { .. } = self.phase {
                    self.surroundings.hand_over(handed, descriptors);
                    self.start(foreground);
                }
            }
            ToLeader::Signal(number) => {
                self.signal(number);
                self.tell(FromLeader::Done);
            }
            ToLeader::Foreground(yes) => {
                self.foreground(yes);
                self.tell(FromLeader::Done);
            }
            ToLeader::Close(slot) => {
                if let Some(slot) = self.surroundings.slots.get_mut(slot as usize) {
                    *slot = None;
                }
            }
            ToLeader::Stop { grace_ms } => {
                // A job that has ended by itself before this has that end.
                let _ = self.reap();
                if let Phase::Running { .. } = self.phase {
                    self.custody.stop(Duration::from_millis(grace_ms));
                }
                self.tend();
            }
            ToLeader::Exceeded { limit, grace_ms } => {
                let _ = self.reap();
                if let Phase::Running { .. } = self.phase {
                    self.custody.exceeded(limit, Duration::from_millis(grace_ms));
                }
                self.tend();
            }
            ToLeader::Time(time) => {
                if let Phase::Running { .. } = self.phase {
                    self.custody.set_time(time);
                }
                self.tend();
            }
            ToLeader::Lease { freeze_ms, end_ms } => {
                let was_frozen = self.custody.is_frozen();
                self.custody.lease(freeze_ms, end_ms);
                if was_frozen && !self.custody.is_frozen() {
                    self.suspension.again();
                }
                self.tend();
            }
            ToLeader::Suspend(yes) => {
                if let Phase::Running { .. } = self.phase {
                    self.suspend(yes);
                }
                self.tend();
            }
            ToLeader::Attached(attachment) => self.attachment = Some(attachment),
            ToLeader::Acknowledge => {
                if let Phase::Ended { .. } = self.phase {
                    self.phase = Phase::Done;
                }
            }
        }
    }

    fn start(&mut self, foreground: bool) {
        let since = Instant::now();
        let started = match self.assignment.take() {
            Some(assignment) => {
                let time = assignment.job.time.as_ref().map(Time::of);
                self.surroundings.start(&assignment, foreground).inspect(|_| self.custody.begin(time))
            }
            None => Err(StartError { stage: Stage::Fork, source: io::ErrorKind::InvalidData.into() }),
        };
        let report = match started {
            Ok(pid) => {
                self.phase = Phase::Running { pid, since, stopped: false };
                FromLeader::Started { pid }
            }
            Err(error) => {
                let errno = error.source.raw_os_error().unwrap_or(0);
                let report = FromLeader::StartFailed { stage: error.stage as u8, errno };
                self.phase = Phase::Ended { pid: 0, report, until: self.keep_end() };
                report
            }
        };
        self.tell(report);
        self.tend();
    }

    /// The end of a batch job must not be lost.
    fn keep_end(&self) -> Option<Instant> {
        (!self.is_batch()).then(|| Instant::now() + KEEP_END)
    }

    /// Does what the job needs now; its last word is told when nothing of it is left that is not to stay.
    fn tend(&mut self) {
        if let Phase::Running { .. } = self.phase
            && let Some((number, left)) = self.custody.take_warning()
        {
            self.signal(number);
            let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            self.tell(FromLeader::Warned { signal: number, left_ms });
        }
        let (pid, ended) = match &self.phase {
            Phase::Running { pid, .. } => (*pid, None),
            Phase::Clearing { pid, ended } => (*pid, Some(ended)),
            Phase::Waiting { .. } | Phase::Ended { .. } | Phase::Done => return,
        };
        let last = self.custody.tend(ended);
        if self.custody.is_ending() {
            // One that is suspended hears that it is to end only when it goes on.
            self.suspend(false);
        }
        if let Some(report) = last {
            self.phase = Phase::Ended { pid, report, until: self.keep_end() };
            self.tell(report);
        }
    }

    /// Has the job suspended, or go on, as its queue says; nothing happens where it is so already.
    fn suspend(&mut self, yes: bool) {
        // One that is being ended is not held up.
        let yes = yes && !self.custody.is_ending();
        self.suspension.order(yes);
        self.custody.suspend(yes);
    }

    /// Signals the job's group, but only while its first process has not been waited for: a pid
    /// that was reaped may belong to somebody else.
    fn signal(&mut self, number: i32) {
        let Phase::Running { pid, .. } = self.phase else {
            return;
        };
        if number == nix::libc::SIGCONT {
            if self.custody.is_frozen() {
                return;
            }
            // A user who knows better than the queue may have it go on.
            self.suspend(false);
        }
        // The group in front may be another than the job's own, where the job is a shell: keys
        // mean that one, and after a stop both go on.
        let front = self.surroundings.slave.as_ref().and_then(|slave| sys::terminal::foreground(slave.as_fd()).ok());
        let other = front.filter(|front| *front > 0 && *front != pid && *front != own_group());
        match (other, number) {
            (Some(front), nix::libc::SIGINT | nix::libc::SIGQUIT | nix::libc::SIGTSTP) => {
                let _ = sys::process::signal_group(front, number);
            }
            (Some(front), nix::libc::SIGCONT) => {
                let _ = sys::process::signal_group(pid, number);
                let _ = sys::process::signal_group(front, number);
            }
            _ => {
                let _ = sys::process::signal_group(pid, number);
            }
        }
    }

    fn foreground(&mut self, yes: bool) {
        let (Phase::Running { pid, .. }, Some(slave)) = (&self.phase, &self.surroundings.slave) else {
            return;
        };
        if yes {
            let group = if self.foreground_before > 0 { self.foreground_before } else { *pid };
            if sys::terminal::set_foreground(slave.as_fd(), group).is_err() {
                // The group that had the terminal is gone; the job's own is still there.
                let _ = sys::terminal::set_foreground(slave.as_fd(), *pid);
            }
        } else {
            let own = own_group();
            match sys::terminal::foreground(slave.as_fd()) {
                Ok(group) if group > 0 && group != own => self.foreground_before = group,
                _ => {}
            }
            let _ = sys::terminal::set_foreground(slave.as_fd(), own);
        }
    }

    /// Waits for everything that changed.
    fn reap(&mut self) -> io::Result<()> {
        while self.signals.next()?.is_some() {}
        while let Some((changed, change, usage)) = sys::process::wait_any()? {
            let Phase::Running { pid, since, stopped } = &mut self.phase else {
                continue;
            };
            if changed != *pid {
                continue;
            }
            let report = match change {
                // It is the queue that has stopped it, and not its user.
                Change::Stopped(_) | Change::Continued
                    if self.suspension.hides(matches!(change, Change::Stopped(_)), *stopped) =>
                {
                    continue;
                }
                Change::Stopped(signal) => {
                    *stopped = true;
                    FromLeader::Stopped(signal)
                }
                Change::Continued => {
                    *stopped = false;
                    FromLeader::Continued
                }
                Change::Exited(code) => FromLeader::Ended(ended(Some(code as u8), 0, false, *since, &usage)),
                Change::Killed { signal, core } => FromLeader::Ended(ended(None, signal, core, *since, &usage)),
            };
            let pid = *pid;
            match report {
                FromLeader::Ended(ended) => self.phase = Phase::Clearing { pid, ended },
                // Nobody watches a batch job stop and go on.
                _ if self.is_batch() => {}
                _ => self.tell(report),
            }
        }
        Ok(())
    }

    /// Tells the runner. One that has gone is noticed by hearing it to its end, since its last words
    /// may still lie there; the next one is told on adoption.
    fn tell(&self, report: FromLeader) {
        if let Some(runner) = &self.runner {
            let _ = message::send(runner.as_fd(), &report.encode(), &[]);
        }
    }

    /// Lets a new runner of the same user take over.
    fn adopt(&mut self) {
        let Ok((stream, _)) = self.adoption.accept() else {
            return;
        };
        let connection = OwnedFd::from(stream);
        let same_user =
            sys::credentials::peer(connection.as_fd()).is_ok_and(|peer| peer.uid == sys::credentials::own_uid());
        // The old runner's last words, and that it has gone, may still lie in its connection.
        // What comes after an acknowledged end is about the next job.
        while !matches!(self.phase, Phase::Done) && self.runner.as_ref().is_some_and(has_something) {
            self.hear();
        }
        // While the runner lives the job is its; a second one is turned away.
        if !same_user || self.runner.is_some() {
            return;
        }
        let (pid, report) = match &self.phase {
            Phase::Waiting { .. } | Phase::Done => return,
            Phase::Clearing { pid, .. } => (*pid, None),
            Phase::Running { pid, .. } if self.is_batch() => (*pid, None),
            Phase::Running { pid, stopped, .. } => (*pid, stopped.then_some(FromLeader::Stopped(nix::libc::SIGSTOP))),
            Phase::Ended { pid, report, .. } => (*pid, Some(*report)),
        };
        let Some(sheet) = &self.sheet else {
            return;
        };
        let adopted = FromLeader::Adopted { slots: self.surroundings.mask(), pid, attachment: self.attachment };
        let mut descriptors: Vec<BorrowedFd> = vec![sheet.as_fd()];
        descriptors.extend(self.surroundings.descriptors());
        if message::send(connection.as_fd(), &adopted.encode(), &descriptors).is_err() {
            return;
        }
        self.runner = Some(connection);
        if let Some(report) = report {
            self.tell(report);
        }
    }
}

fn ended(code: Option<u8>, signal: i32, core: bool, since: Instant, usage: &Usage) -> Ended {
    Ended {
        code,
        signal,
        core,
        wall_us: since.elapsed().as_micros() as u64,
        user_us: usage.user_us,
        system_us: usage.system_us,
        max_rss_kib: usage.max_rss_kib,
        left_over: 0,
        limit: None,
    }
}

fn has_something(connection: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut polled, PollTimeout::ZERO), Ok(1..))
}

fn own_group() -> i32 {
    nix::unistd::getpgrp().as_raw()
}

/// A leader outlives hang-ups, keyboard signals and its own writes to a terminal it does not
/// have the foreground of.
const IGNORED: [i32; 8] = [
    nix::libc::SIGHUP,
    nix::libc::SIGINT,
    nix::libc::SIGQUIT,
    nix::libc::SIGPIPE,
    nix::libc::SIGTERM,
    nix::libc::SIGTSTP,
    nix::libc::SIGTTIN,
    nix::libc::SIGTTOU,
];

/// How long the end of a job waits for a runner to tell it to.
const KEEP_END: Duration = Duration::from_secs(3600);

/// From one look whether anybody can still come for the end of a batch job to the next.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// A reservation that nobody released for so long is void.
const UNRELEASED: Duration = Duration::from_secs(5);

const _: () = assert!(Slot::ALL.len() == 4);
