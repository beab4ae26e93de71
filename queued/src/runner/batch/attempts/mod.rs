//! The thread that owns all attempts: it waits for orders and for the leaders, and acts.

mod prepare;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use wire::api::{Refusal, RefusalKind};
use wire::job::TimeLimit;

use super::attempt::{Attempt, Phase};
use super::check::Checker;
use super::files::Place;
use super::past::Past;
use super::pool::Pool;
use super::streams::Streams;
use super::{Desk, Inbox, Order};
use crate::core::reports::outbox;
use crate::leader::message::{self, FromLeader, ToLeader};
use crate::leader::{Assignment, Time};
use crate::link::{AttemptKey, AttemptWord, FromRunner, Gone, ToRunner};
use crate::runner::convert::{self, words};
use crate::runner::leader_link::LeaderLink;
use crate::runner::prepare::refusal;
use crate::runner::shared::Shared;

/// All attempts.
pub struct Attempts {
    pub(super) shared: Arc<Shared>,
    desk: Desk,
    inbox: Inbox,
    events: Epoll,
    /// By a number of their own, which is also that of their leader's events.
    attempts: HashMap<u64, Attempt>,
    numbers: HashMap<AttemptKey, u64>,
    next: u64,
    /// Those that were made ready, and until when they may be released; some have been since.
    unreleased: VecDeque<(Instant, u64)>,
    past: Past,
    pub(super) checker: Checker,
    streams: Streams,
    disks: Pool,
    unpacking: Pool,
    pub(super) notices: Pool,
}

impl Attempts {
    /// None yet.
    pub fn new(shared: Arc<Shared>, desk: Desk, inbox: Inbox) -> io::Result<Self> {
        let events = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        events.add(&*inbox.wake, EpollEvent::new(EpollFlags::EPOLLIN, INBOX))?;
        Ok(Self {
            streams: Streams::new(shared.clone()),
            shared,
            desk,
            inbox,
            events,
            attempts: HashMap::new(),
            numbers: HashMap::new(),
            next: INBOX + 1,
            unreleased: VecDeque::new(),
            past: Past::default(),
            checker: Checker::default(),
            // As many lines as there are attempts, each in it at most once.
            disks: Pool::new(MOST_SYNCS, usize::MAX),
            unpacking: Pool::new(MOST_ARCHIVES, usize::MAX),
            notices: Pool::new(outbox::AT_ONCE, MOST_NOTICES),
        })
    }

    /// Serves as long as the runner lives.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.events.wait(&mut events, self.timeout()) {
                Ok(count) => count,
                Err(Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            let mut has_started = false;
            for event in &events[..count] {
                match event.data() {
                    INBOX => {
                        let _ = self.inbox.wake.read();
                        while let Ok(order) = self.inbox.orders.try_recv() {
                            self.obey(order);
                        }
                    }
                    number => has_started |= self.hear(number),
                }
            }
            if has_started {
                // While the job runs a leader is made ready for the next.
                self.shared.maker.provide();
            }
            self.drop_overdue();
            self.look_at_memory();
        }
    }

    /// Has jobs ended that have more memory than they may.
    fn look_at_memory(&mut self) {
        let (mut snapshot, now) = (None, Instant::now());
        for attempt in self.attempts.values_mut() {
            if let Some(told) = attempt.watch.as_mut().and_then(|watch| watch.look(&mut snapshot, now))
                && let Some(leader) = &attempt.leader
            {
                leader.tell(&told, &[]);
            }
        }
    }

    fn timeout(&self) -> EpollTimeout {
        let release = self.unreleased.front().map(|(until, _)| *until);
        let looks = self.attempts.values().filter_map(|attempt| Some(attempt.watch.as_ref()?.next()));
        let Some(until) = looks.chain(release).min() else {
            return EpollTimeout::NONE;
        };
        let left = until.saturating_duration_since(Instant::now()).as_millis() + 1;
        EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Said(message, descriptor) => self.listen(message, descriptor),
            Order::NoDaemon => self.drop_unreleased(),
            Order::NewDaemon(daemon, welcomed) => {
                self.drop_unreleased();
                self.shared.board.welcome(&self.shared, daemon);
                // The main thread waits for it as long as it lives.
                let _ = welcomed.send(());
            }
            Order::Adopt(assignment, leader, pid) => self.adopt(*assignment, leader, pid),
            Order::Unpacked(number, result) => self.unpacked(number, result),
            Order::Synced(number, fault) => self.synced(number, fault),
        }
    }

    /// What the daemon says.
    fn listen(&mut self, message: ToRunner, descriptor: Option<OwnedFd>) {
        const NOTHING: &str = "no descriptor came with the question";
        match message {
            ToRunner::PrepareAttempt(prepare) => {
                let request = prepare.request;
                if let Err(refusal) = self.prepare(*prepare) {
                    self.answer(request, Some(refusal));
                }
            }
            ToRunner::Release(key) => self.release(&key),
            ToRunner::Withdraw(key) => self.withdraw(&key),
            ToRunner::Settle(key) => self.settle(&key),
            ToRunner::Stop { key, grace_ms } => {
                let told = self.tell_leader(&key, &ToLeader::Stop { grace_ms });
                if !told {
                    self.withdraw(&key);
                }
            }
            ToRunner::SignalAttempt { key, signal } => {
                if let Some(number) = sys::signal::number(&signal) {
                    self.tell_leader(&key, &ToLeader::Signal(number));
                }
            }
            ToRunner::Lease { key, left_ms } => {
                self.tell_leader(&key, &lease(left_ms));
            }
            ToRunner::Time { key, limit } => self.give_time(&key, limit),
            ToRunner::Suspended(_) => {
                for attempt in self.attempts.values().filter(|attempt| attempt.is_released()) {
                    suspend(attempt, &self.shared);
                }
            }
            ToRunner::Terminate(queues) => {
                let meant = self.attempts.values().filter(|attempt| attempt.is_released());
                for leader in meant.filter(|one| queues.contains(&one.queue)).filter_map(|one| one.leader.as_ref()) {
                    leader.tell(&ToLeader::Signal(nix::libc::SIGTERM), &[]);
                    leader.tell(&ToLeader::Signal(nix::libc::SIGCONT), &[]);
                }
            }
            ToRunner::ReadOutput { request, key, stream, offset, follow } => {
                let attempt = self.numbers.get(&key).and_then(|number| self.attempts.get_mut(number));
                let ended = attempt.filter(|_| follow).and_then(Attempt::watch_end);
                match descriptor {
                    Some(descriptor) => {
                        self.streams.read_output(request, &key, stream, offset, ended, descriptor);
                    }
                    None => self.streams.refuse(request, NOTHING),
                }
            }
            ToRunner::WriteOutput { request, key, stream, offset } => match descriptor {
                Some(_) if self.numbers.contains_key(&key) => self.streams.refuse(request, "the attempt runs here"),
                Some(descriptor) => self.streams.write_output(request, &key, stream, offset, descriptor),
                None => self.streams.refuse(request, NOTHING),
            },
            ToRunner::AskLengths { request, key } => self.streams.ask_lengths(request, &key),
            ToRunner::ReadContent { request, sha256 } => match descriptor {
                Some(descriptor) => self.streams.read_content(request, &sha256, descriptor),
                None => self.streams.refuse(request, NOTHING),
            },
            ToRunner::WriteContent { request, sha256 } => match descriptor {
                Some(descriptor) => self.streams.write_content(request, sha256, descriptor),
                None => self.streams.refuse(request, NOTHING),
            },
            ToRunner::AskContent { request, sha256 } => self.streams.ask_content(request, &sha256),
            ToRunner::AskOldContents { request, after, older_s } => {
                self.streams.ask_old_contents(request, after, Duration::from_secs(older_s));
            }
            ToRunner::RemoveContents { names, older_s } => {
                self.streams.remove_contents(names, Duration::from_secs(older_s));
            }
            ToRunner::Notify(notify) => self.notify(*notify),
            ToRunner::Prune(mut keys) => {
                keys.retain(|key| !self.numbers.contains_key(key));
                self.streams.prune(keys);
            }
            // The rest is for sessions, and does not come here.
            ToRunner::Hello { .. }
            | ToRunner::Certificate(_)
            | ToRunner::Prepare(_)
            | ToRunner::Connection { .. }
            | ToRunner::Void { .. }
            | ToRunner::List { .. }
            | ToRunner::Listen => {}
        }
    }

    fn answer(&self, request: u64, refusal: Option<Refusal>) {
        self.shared.tell(&FromRunner::Prepared { request, refusal });
    }

    /// Takes one word of a leader; whether its job has started.
    fn hear(&mut self, number: u64) -> bool {
        let Some(attempt) = self.attempts.get_mut(&number) else {
            return false;
        };
        let word = attempt.leader.as_mut().and_then(LeaderLink::hear);
        match word {
            Some(FromLeader::Ready { .. }) => {
                if let Phase::Opening { request, ready } = &mut attempt.phase {
                    let request = *request;
                    attempt.phase = Phase::Ready(std::mem::take(ready));
                    self.unreleased.push_back((Instant::now() + UNRELEASED, number));
                    self.answer(request, None);
                }
            }
            Some(FromLeader::Started { pid }) => {
                attempt.runs(pid);
                if self.shared.suspended(&attempt.queue).is_some() {
                    suspend(attempt, &self.shared);
                }
                self.shared.board.tell(&self.shared, &attempt.key, &attempt.queue, AttemptWord::Started { pid });
                return true;
            }
            Some(FromLeader::StartFailed { stage, errno }) => {
                self.finish(number, AttemptWord::NotStarted(convert::failure(stage, errno)));
            }
            Some(FromLeader::Ended(ended)) => {
                let lengths = [None; 2];
                let word = AttemptWord::Ended {
                    end: convert::end(&ended, &self.shared.host_name()),
                    left_over: ended.left_over,
                    lengths,
                };
                self.finish(number, word);
            }
            Some(FromLeader::Gone(why)) => self.finish(
                number,
                AttemptWord::Gone(match why {
                    message::Gone::Stopped => Gone::Cancelled,
                    message::Gone::LeaseOver => Gone::LeaseOver,
                }),
            ),
            Some(
                FromLeader::Adopted { .. }
                | FromLeader::Stopped(_)
                | FromLeader::Continued
                | FromLeader::Done
                | FromLeader::Warned { .. },
            ) => {}
            None => self.lost(number),
        }
        false
    }

    /// The leader has died.
    fn lost(&mut self, number: u64) {
        let Some(attempt) = self.attempts.get_mut(&number) else {
            return;
        };
        attempt.leader = None;
        match attempt.phase {
            Phase::Released { pid } => {
                // Orphans of its job are ours now, since the runner is their subreaper: none may go on unwatched.
                let own = nix::unistd::getpid().as_raw();
                if pid > 0 {
                    let _ = sys::process::signal_descendants(own, Some(pid), nix::libc::SIGKILL);
                }
                self.finish(number, AttemptWord::Gone(Gone::Lost));
            }
            Phase::Unpacking { .. } | Phase::Opening { .. } | Phase::Ready(_) => {
                self.drop_attempt(number, Some("the leader of the job could not get ready".to_owned()));
            }
            // What there was to say it has said.
            Phase::Syncing(_) | Phase::Over => {}
        }
    }

    /// Starts an attempt that was made ready.
    fn release(&mut self, key: &AttemptKey) {
        let number = self.numbers.get(key).copied();
        let attempt = number.and_then(|number| Some((number, self.attempts.get_mut(&number)?)));
        if attempt.as_ref().is_some_and(|(_, attempt)| attempt.is_released()) {
            return;
        }
        let had_its_turn = self.past.has(key);
        self.past.note(key);
        let why = match attempt {
            Some((_, attempt)) if matches!(attempt.phase, Phase::Ready(_)) => match start(attempt, &self.shared) {
                Ok(()) => return,
                Err(error) => format!("cannot start the job: {error}"),
            },
            // It was settled long ago.
            None if had_its_turn => return,
            _ => "the job was made ready here, and released too late".to_owned(),
        };
        if let Some(number) = number {
            self.drop_attempt(number, None);
        }
        let word = AttemptWord::NotStarted(refusal(RefusalKind::Failed, why));
        self.shared.tell(&FromRunner::Attempt { key: key.clone(), word });
    }

    fn withdraw(&mut self, key: &AttemptKey) {
        let number = self.numbers.get(key).copied();
        if let Some(number) = number.filter(|number| !self.attempts[number].is_released()) {
            self.drop_attempt(number, None);
        }
    }

    /// Drops all attempts that were not released: who prepared them has gone.
    fn drop_unreleased(&mut self) {
        self.unreleased.clear();
        let unreleased = self.attempts.iter().filter(|(_, attempt)| !attempt.is_released());
        for number in unreleased.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.drop_attempt(number, None);
        }
    }

    /// Drops those that nobody has released in time.
    fn drop_overdue(&mut self) {
        while let Some((until, number)) = self.unreleased.front().copied() {
            let waits = self.attempts.get(&number).is_some_and(|attempt| !attempt.is_released());
            if waits && until > Instant::now() {
                break;
            }
            self.unreleased.pop_front();
            if waits {
                self.drop_attempt(number, None);
            }
        }
    }

    /// Forgets an attempt that was not released. Who still waits for it to be made ready is told why not.
    fn drop_attempt(&mut self, number: u64, why: Option<String>) {
        let Some(attempt) = self.attempts.remove(&number) else {
            return;
        };
        self.numbers.remove(&attempt.key);
        attempt.place.withdraw();
        if let Phase::Unpacking { request, .. } | Phase::Opening { request, .. } = attempt.phase {
            let message = why.unwrap_or_else(|| "it was withdrawn".to_owned());
            self.answer(request, Some(refusal(RefusalKind::Failed, message)));
        }
        // Without its runner a leader that was not released leaves.
    }

    /// Nothing of the job is left: its output is made safe, and then its last word is told.
    fn finish(&mut self, number: u64, mut word: AttemptWord) {
        let Some(attempt) = self.attempts.get_mut(&number) else {
            return;
        };
        attempt.has_ended();
        let found = attempt.place.lengths(attempt.kept);
        if let AttemptWord::Ended { lengths, .. } = &mut word {
            *lengths = found;
        }
        attempt.phase = Phase::Syncing(word);
        // Each was made before the job, so one that is not there was taken away.
        if attempt.kept.iter().zip(found).any(|(is_kept, length)| *is_kept && length.is_none()) {
            let fault = format!("a file of it is gone from {}", attempt.place.directory.display());
            return self.synced(number, Some(fault));
        }
        if found.iter().flatten().all(|length| *length == 0) {
            return self.synced(number, None);
        }
        let (desk, place) = (self.desk.clone(), attempt.place.clone());
        self.disks.run(move || {
            // It is asked once: after a failure the kernel says that all is well, whatever was lost.
            let synced = place.sync(found);
            let fault =
                synced.err().map(|error| format!("cannot sync it in {}: {}", place.directory.display(), words(&error)));
            desk.give(Order::Synced(number, fault));
        });
    }

    /// The last word is told, with what may have become of the output.
    fn synced(&mut self, number: u64, fault: Option<String>) {
        if let Some(attempt) = self.attempts.get_mut(&number)
            && let Phase::Syncing(mut word) = std::mem::replace(&mut attempt.phase, Phase::Over)
        {
            if let Some(fault) = &fault {
                let AttemptKey { home, job_id, attempt } = &attempt.key;
                super::super::complain(format_args!("output of {job_id}@{home}, attempt {attempt}: {fault}"));
            }
            if let AttemptWord::Ended { end, .. } = &mut word {
                end.incomplete = fault;
            }
            self.shared.board.tell(&self.shared, &attempt.key, &attempt.queue, word);
        }
    }

    /// The end of an attempt is on the daemon's disk.
    fn settle(&mut self, key: &AttemptKey) {
        let number = self.numbers.get(key).copied();
        if let Some(number) = number.filter(|number| matches!(self.attempts[number].phase, Phase::Over))
            && let Some(attempt) = self.attempts.remove(&number)
        {
            self.numbers.remove(key);
            self.shared.board.settle(key);
            let Some(leader) = attempt.leader else { return };
            leader.tell(&ToLeader::Acknowledge, &[]);
            if let Some(connection) = leader.into_connection()
                && self.events.delete(&connection).is_ok()
            {
                self.shared.maker.give_back(connection);
            }
        }
    }

    /// Has the leader of an attempt keep to another time limit, with the warning and the grace that it has.
    fn give_time(&self, key: &AttemptKey, limit: TimeLimit) {
        let attempt = self.numbers.get(key).and_then(|number| self.attempts.get(number));
        let own = attempt.and_then(|attempt| attempt.time.as_ref());
        let warn = own.and_then(|own| own.warn.clone()).or(limit.warn);
        let grace_s = own.and_then(|own| own.grace_s).or(limit.grace_s);
        let limit = TimeLimit { seconds: limit.seconds, warn, grace_s };
        self.tell_leader(key, &ToLeader::Time(Time::of(&limit)));
    }

    /// Tells the leader of an attempt that was released; whether there is one.
    fn tell_leader(&self, key: &AttemptKey, told: &ToLeader) -> bool {
        let attempt = self.numbers.get(key).and_then(|number| self.attempts.get(number));
        let Some(attempt) = attempt.filter(|attempt| attempt.is_released()) else {
            return false;
        };
        if let Some(leader) = &attempt.leader {
            leader.tell(told, &[]);
        }
        true
    }

    /// Goes on with an attempt whose runner has died.
    fn adopt(&mut self, assignment: Assignment, leader: LeaderLink, pid: i32) {
        let Assignment { attempt: Some(key), job, taken, .. } = assignment else {
            return;
        };
        let batch = job.batch.unwrap_or_default();
        let kept = [batch.stdout.is_none(), batch.stderr.is_none()];
        let Ok(place) = Place::of(&self.shared.options.jobs, &key) else {
            return;
        };
        self.past.note(&key);
        let number = self.next;
        self.next += 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, number);
        if let Some(Err(error)) = leader.connection().map(|connection| self.events.add(connection, event)) {
            // To say that it is lost would have it started again elsewhere: the next runner hears its leader.
            super::super::complain(format_args!("cannot wait for the leader of job {}: {error}", key.job_id));
        }
        let mut attempt = Attempt::new(key.clone(), job.queue, place, kept, Phase::Released { pid });
        attempt.taken = taken;
        (attempt.time, attempt.memory) = (job.time, job.memory);
        if pid > 0 {
            attempt.runs(pid);
        }
        attempt.leader = Some(leader);
        self.attempts.insert(number, attempt);
        self.numbers.insert(key, number);
    }
}

/// Has the leader start the job. From here on the attempt counts as released.
fn start(attempt: &mut Attempt, shared: &Shared) -> io::Result<()> {
    attempt.place.release()?;
    if let Phase::Ready(ready) = std::mem::replace(&mut attempt.phase, Phase::Released { pid: 0 }) {
        for file in ready.named {
            // Only a regular file has anything to empty.
            let _ = file.set_len(0);
        }
        shared.board.hold(&attempt.key, attempt.taken.clone());
        shared.board.note(&attempt.key, &attempt.queue, AttemptWord::Released);
        if let Some(leader) = &attempt.leader {
            if let Some(left_ms) = ready.lease_ms {
                leader.tell(&lease(left_ms), &[]);
            }
            leader.tell(&ToLeader::Release { foreground: false, handed: 0 }, &[]);
        }
    }
    Ok(())
}

/// Has the job of an attempt suspended, or go on, as its queue is.
fn suspend(attempt: &Attempt, shared: &Shared) {
    if let Some(leader) = &attempt.leader {
        leader.tell(&ToLeader::Suspend(shared.suspended(&attempt.queue).is_some()), &[]);
    }
}

/// A lease of so many milliseconds from now.
fn lease(left_ms: u64) -> ToLeader {
    let now = sys::host::since_boot().as_millis() as u64;
    ToLeader::Lease { freeze_ms: now.saturating_add(left_ms / 4 * 3), end_ms: now.saturating_add(left_ms) }
}

/// The inbox among the numbers of attempts.
const INBOX: u64 = 0;
/// Nobody will release it after this.
const UNRELEASED: Duration = Duration::from_secs(10);
/// Files that are synced at the same time: file systems do several in one go.
const MOST_SYNCS: usize = 16;
/// Those that wait; the daemon of a life before may have left some.
const MOST_NOTICES: usize = 16;
/// Archives that are unpacked at the same time.
const MOST_ARCHIVES: usize = 2;
