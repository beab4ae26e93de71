//! Reports of ends and starts: what the spool owes is put into letters, one each or many in one, and given to a
//! sink until it has taken them.
//!
//! A report is owed in the spool until its letter was taken or refused for good. What is only in memory here is made
//! anew from the spool by the next life of the daemon.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use spool::JobId;
use spool::store::{Change, LetterName, Owed, Reader};
use tokio::sync::Notify;
use wire::batch::{JobRow, OutputStream};

use super::{Batch, now_us};
use crate::core::names::{self, UserName};
use crate::core::reports::caps::{self, Address, Caps};
use crate::core::reports::outbox::{self, Outbox};
use crate::core::reports::{Attempt, Kind, Letter, compose, digest, tails};
use crate::daemon::Daemon;
use crate::daemon::mail::{self, Mailer};
use crate::link::AttemptKey;

/// Reports on their way.
pub struct Reports {
    mailer: RefCell<Rc<Mailer>>,
    caps: RefCell<Caps>,
    outbox: RefCell<Outbox<u64>>,
    /// What each letter in the outbox is about.
    letters: RefCell<HashMap<u64, About>>,
    next: Cell<u64>,
    /// Jobs that have ended, or started, and are to be looked at.
    fresh: RefCell<BTreeMap<(u64, Kind), u64>>,
    /// Arrays of which something has ended or gone.
    arrays: RefCell<BTreeSet<i64>>,
    woken: Notify,
}

#[derive(Clone)]
struct About {
    address: Address,
    attempts: Vec<Attempt>,
    is_digest: bool,
    /// Whether the spool knows that these ends stand in this letter. Before that it is not sent: after a crash they
    /// would be told in another one too, which nobody could know to be the same.
    is_written: bool,
}

impl Reports {
    /// Nothing on its way yet.
    pub fn new(mailer: Mailer) -> Self {
        Self {
            mailer: RefCell::new(Rc::new(mailer)),
            caps: RefCell::default(),
            outbox: RefCell::default(),
            letters: RefCell::default(),
            next: Cell::new(0),
            fresh: RefCell::default(),
            arrays: RefCell::default(),
            woken: Notify::new(),
        }
    }

    /// The way they take.
    pub fn mailer(&self) -> Rc<Mailer> {
        self.mailer.borrow().clone()
    }

    /// By another way from now on.
    pub fn replace(&self, mailer: Mailer) {
        *self.mailer.borrow_mut() = Rc::new(mailer);
    }

    /// A report of this job may be owed.
    pub fn look_at(&self, job: u64, attempt: u64, kind: Kind) {
        self.fresh.borrow_mut().insert((job, kind), attempt);
        self.woken.notify_one();
    }
}

impl Reports {
    /// An element of this array has ended, or has gone: the array may be over.
    pub fn look_at_array(&self, array: i64) {
        self.arrays.borrow_mut().insert(array);
        self.woken.notify_one();
    }

    /// The attempts whose ends are told by letters that are on their way.
    pub(super) fn being_told(&self) -> HashSet<Attempt> {
        let letters = self.letters.borrow();
        letters
            .values()
            .filter(|about| about.address.kind == Kind::End)
            .flat_map(|about| about.attempts.clone())
            .collect()
    }
}

impl Batch {
    /// Sends reports for ever.
    pub async fn send_reports(&self, daemon: &Rc<Daemon>) {
        self.owe_again(daemon).await;
        loop {
            let fresh = std::mem::take(&mut *self.reports.fresh.borrow_mut());
            self.owe(daemon, fresh);
            let arrays = std::mem::take(&mut *self.reports.arrays.borrow_mut());
            self.owe_arrays(daemon, arrays).await;
            let now = daemon.now();
            let ticked = self.reports.caps.borrow_mut().handle(now, caps::Event::Tick);
            self.write_letters(daemon, ticked);
            let due = self.reports.outbox.borrow_mut().handle(now, outbox::Event::Tick);
            self.carry_out_letters(daemon, due);
            let deadlines = [self.reports.caps.borrow().next_deadline(), self.reports.outbox.borrow().next_deadline()];
            let woken = self.reports.woken.notified();
            match deadlines.into_iter().flatten().min() {
                Some(deadline) => {
                    let left = deadline.since(daemon.now());
                    drop(tokio::time::timeout(left, woken).await);
                }
                None => woken.await,
            }
        }
    }

    /// What an earlier life owed.
    async fn owe_again(&self, daemon: &Rc<Daemon>) {
        let (mut after, mut letters) = (0, BTreeMap::<LetterName, Vec<Owed>>::new());
        loop {
            let owed = match self.store.ask_long(move |reader| reader.owed(after, PAGE)).await {
                Ok(owed) => owed,
                Err(error) => return tracing::error!("the reports that are owed cannot be read: {error}"),
            };
            let Some(last) = owed.last() else { break };
            after = last.job.number();
            for owed in owed {
                match owed.letter {
                    Some(letter) => letters.entry(letter).or_default().push(owed),
                    None => {
                        self.reports.fresh.borrow_mut().insert((owed.job.number(), Kind::End), owed.attempt);
                    }
                }
            }
        }
        for (letter, owed) in letters {
            self.write_again(daemon, letter, &owed);
        }
    }

    /// A letter that may have been sent.
    fn write_again(&self, daemon: &Rc<Daemon>, letter: LetterName, owed: &[Owed]) {
        let row = owed.first().map(|owed| self.store.ask(|reader| reader.row(owed.job, now_us())));
        let Some(Ok(Some(row))) = row else { return };
        let address = address(row, Kind::End);
        let attempts = owed.iter().map(|owed| Attempt { job: names::JobId(owed.job.number()), number: owed.attempt });
        let attempts = attempts.collect();
        self.post(daemon, About { address, attempts, is_digest: letter.is_digest, is_written: true });
    }

    fn owe(&self, daemon: &Rc<Daemon>, fresh: BTreeMap<(u64, Kind), u64>) {
        for ((id, kind), attempt) in fresh {
            let Ok(job) = JobId::new(id) else { continue };
            let Ok(Some(row)) = self.store.ask(|reader| reader.row(job, now_us())) else { continue };
            if kind == Kind::End && row.array.is_some() {
                // It is told with the others.
                let brief = self.store.ask(|reader| reader.brief(job));
                let array = brief.ok().flatten().and_then(|brief| brief.array);
                self.reports.arrays.borrow_mut().extend(array);
                continue;
            }
            if kind == Kind::End && row.report != "owed" {
                continue;
            }
            if kind == Kind::Start && !row.mail.as_ref().is_some_and(|wish| wish.start) {
                continue;
            }
            let address = address(row, kind);
            let attempt = Attempt { job: names::JobId(id), number: attempt };
            let event = caps::Event::Owed(caps::Owed { attempt, address });
            let actions = self.reports.caps.borrow_mut().handle(daemon.now(), event);
            self.write_letters(daemon, actions);
        }
    }

    /// One letter about all of these.
    pub(super) fn post_digest(&self, daemon: &Rc<Daemon>, address: Address, attempts: Vec<Attempt>) {
        self.post(daemon, About { address, attempts, is_digest: true, is_written: false });
    }

    fn write_letters(&self, daemon: &Rc<Daemon>, actions: Vec<caps::Action>) {
        for action in actions {
            let about = match action {
                caps::Action::SendOne(owed) => {
                    let (address, attempts) = (owed.address, vec![owed.attempt]);
                    About { address, attempts, is_digest: false, is_written: false }
                }
                caps::Action::SendDigest { address, attempts } => {
                    About { address, attempts, is_digest: true, is_written: false }
                }
            };
            self.post(daemon, about);
        }
    }

    fn post(&self, daemon: &Rc<Daemon>, about: About) {
        let key = self.reports.next.get();
        self.reports.next.set(key + 1);
        self.reports.letters.borrow_mut().insert(key, about);
        let event = outbox::Event::Written(key);
        let due = self.reports.outbox.borrow_mut().handle(daemon.now(), event);
        self.carry_out_letters(daemon, due);
    }

    fn carry_out_letters(&self, daemon: &Rc<Daemon>, actions: Vec<outbox::Action<u64>>) {
        for action in actions {
            match action {
                outbox::Action::Deliver(key) => {
                    let daemon = daemon.clone();
                    tokio::task::spawn_local(async move { daemon.batch.deliver_letter(&daemon, key).await });
                }
                outbox::Action::Sent(key) => self.settled(daemon, key, "sent".to_owned()),
                outbox::Action::Refused(key, why) => {
                    tracing::warn!("a report was refused for good: {why}");
                    self.settled(daemon, key, format!("refused: {why}"));
                }
                outbox::Action::Postponed(key, why, _) => {
                    tracing::info!(letter = key, "a report is tried again later: {why}");
                }
            }
        }
    }

    async fn deliver_letter(&self, daemon: &Rc<Daemon>, key: u64) {
        let about = self.reports.letters.borrow().get(&key).cloned();
        let outcome = match about {
            None => mail::Outcome::Refused("it is about nothing".to_owned()),
            Some(about) if !self.is_written_down(key, &about).await => {
                mail::Outcome::Later("it cannot be written down what it tells of".to_owned())
            }
            Some(about) => match self.compose(daemon, &about).await {
                Some(letter) => {
                    let mailer = self.reports.mailer();
                    mailer.deliver(&letter, mail::DEADLINE).await
                }
                None => mail::Outcome::Refused("the job was deleted or submitted again".to_owned()),
            },
        };
        let event = outbox::Event::Delivered(key, outcome);
        let actions = self.reports.outbox.borrow_mut().handle(daemon.now(), event);
        self.carry_out_letters(daemon, actions);
        self.reports.woken.notify_one();
    }

    /// Has the spool know which ends stand in a letter, before it is sent for the first time.
    async fn is_written_down(&self, key: u64, about: &About) -> bool {
        if about.is_written || about.address.kind != Kind::End {
            return true;
        }
        let jobs = about.attempts.iter().filter_map(|attempt| JobId::new(attempt.job.0).ok()).collect::<Vec<_>>();
        let Some(first) = jobs.first() else { return true };
        let letter = LetterName { first: *first, is_digest: about.is_digest };
        // In parts, between which others write; what is left of them after a crash is told by other letters.
        for part in jobs.chunks(AT_ONCE) {
            let change = Change::Lettered { letter, jobs: part.to_vec() };
            if let Err(error) = self.store.write(vec![change]).await {
                tracing::error!("a report waits to be written down: {error}");
                return false;
            }
        }
        if let Some(about) = self.reports.letters.borrow_mut().get_mut(&key) {
            about.is_written = true;
        }
        true
    }

    /// The report is owed no more.
    fn settled(&self, daemon: &Rc<Daemon>, key: u64, outcome: String) {
        let Some(about) = self.reports.letters.borrow_mut().remove(&key) else { return };
        if about.address.kind != Kind::End {
            return;
        }
        let job = |attempt: &Attempt| JobId::new(attempt.job.0).ok();
        let changes = about.attempts.iter().filter_map(job);
        let changes = changes.map(|job| Change::Reported { job, outcome: outcome.clone() }).collect();
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = daemon.batch.store.write(changes).await {
                tracing::error!("a report that was sent was not written down: {error}");
            }
        });
    }

    async fn compose(&self, daemon: &Rc<Daemon>, about: &About) -> Option<Letter> {
        let mut rows = Vec::new();
        for attempt in &about.attempts {
            let job = JobId::new(attempt.job.0).ok()?;
            let mut row = match self.store.ask(|reader| reader.row(job, now_us())) {
                // Its owner may have deleted it, or submitted it again, and knows how it ended.
                Ok(Some(row)) if about.address.kind == Kind::Start || row.report == "owed" => row,
                _ => continue,
            };
            self.complete(daemon, &mut row);
            rows.push(row);
        }
        if rows.is_empty() {
            return None;
        }
        let cluster = daemon.standing.borrow().trust.to_string();
        let cluster = cluster.chars().filter(char::is_ascii_alphanumeric).take(CLUSTER_LETTERS).collect::<String>();
        let kind = about.address.kind;
        if about.is_digest {
            let array = if kind == Kind::End { self.array_of(&rows) } else { None };
            let entries = rows.iter().map(digest::Entry::of).collect();
            let (user, to) = (about.address.user.to_string(), about.address.to.clone());
            let digest = digest::Digest { kind, user, to, home: daemon.host.clone(), cluster, entries, array };
            return Some(digest::compose(&digest));
        }
        let row = rows.pop()?;
        let tails = self.tails(daemon, &row).await;
        let zone = jiff::tz::TimeZone::system();
        Some(compose::compose(&compose::Report { kind, row, tails, cluster, zone }))
    }

    /// The last bytes of what a job has written, where it is kept at home.
    pub(super) async fn tails(&self, daemon: &Rc<Daemon>, row: &JobRow) -> Vec<tails::Tail> {
        let key = AttemptKey { home: daemon.host.clone(), job_id: row.id, attempt: row.attempt };
        let mut found = Vec::new();
        if row.attempt == 0 {
            return found;
        }
        let Ok(uid) = daemon.uid_of(&row.user) else { return found };
        let Ok(runner) = daemon.runners.of(uid).await else { return found };
        let Ok(lengths) = runner.lengths(&key).await else { return found };
        for (stream, length) in [OutputStream::Stdout, OutputStream::Stderr].into_iter().zip(lengths) {
            let Some(total) = length.filter(|length| *length > 0) else { continue };
            let offset = total.saturating_sub(TAIL);
            let piece = self.piece(daemon, &row.user, &key, stream, offset, std::time::Duration::ZERO).await;
            if let wire::attempts::AttemptAnswer::Output { bytes, .. } = piece {
                found.push(tails::Tail { stream, bytes, total });
            }
        }
        found
    }
}

/// Where a report of this job goes.
pub(super) fn address(row: JobRow, kind: Kind) -> Address {
    Address { user: UserName::from(row.user.as_str()), kind, to: row.mail.and_then(|wish| wish.to) }
}

/// Ends of one letter that are written down at once.
const AT_ONCE: usize = 1000;
/// Reports that are read from the spool at once.
const PAGE: u32 = 1000;
/// As much of a stream as a letter can take.
const TAIL: u64 = 64 * 1024;
/// Of the cluster's authority, in the names of letters.
const CLUSTER_LETTERS: usize = 12;
