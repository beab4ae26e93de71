//! The way to the spool: one thread writes, and everything that waits shares its next sync; one more thread
//! reads long lists; short questions are asked at once.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use spool::home::{Event, Report};
use spool::store::{Change, Outcome, Settled, Spool, SpoolError, SqliteReader, SqliteSpool};
use spool::{SpoolId, hosted};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// A daemon's spool.
pub struct Store {
    id: SpoolId,
    units: mpsc::Sender<Unit>,
    questions: mpsc::Sender<Question>,
    reader: RefCell<SqliteReader>,
    has_failed: Arc<AtomicBool>,
    /// What writes have done to jobs that waited for others; of each write a portion.
    settled: RefCell<Option<UnboundedReceiver<Settled>>>,
}

struct Unit {
    changes: Vec<Change>,
    /// Somebody waits for it, whatever it is.
    is_awaited: bool,
    answer: oneshot::Sender<Result<Vec<Outcome>, SpoolError>>,
}

type Question = Box<dyn FnOnce(&mut SqliteReader) + Send>;

impl Store {
    /// Opens the spool in the state directory, made where there is none.
    ///
    /// # Errors
    /// It cannot be opened or is damaged.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("spool.sqlite");
        let unusable = |error: SpoolError| anyhow::anyhow!("cannot use the spool {}: {error}", path.display());
        let spool = SqliteSpool::open(&path).map_err(unusable)?;
        if let Some(restored) = spool.restored() {
            tracing::warn!(
                "the spool was put in place from a copy: {} jobs that waited are held, since they may have run after \
                 the copy was made",
                restored.held
            );
        }
        let (id, reader) = (spool.id(), spool.reader().map_err(unusable)?);
        let mut lists = spool.reader().map_err(unusable)?;
        let (units, waiting) = mpsc::channel();
        let (questions, asked) = mpsc::channel::<Question>();
        let has_failed = Arc::new(AtomicBool::new(false));
        let failing = has_failed.clone();
        let (telling, settled) = unbounded_channel();
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || write_all(spool, &waiting, &failing, &telling))?;
        std::thread::Builder::new().name("spool-reader".into()).spawn(move || {
            while let Ok(question) = asked.recv() {
                question(&mut lists);
            }
        })?;
        Ok(Self {
            id,
            units,
            questions,
            reader: RefCell::new(reader),
            has_failed,
            settled: RefCell::new(Some(settled)),
        })
    }

    /// Which spool it is.
    pub fn id(&self) -> SpoolId {
        self.id
    }

    /// Where it is told what writes have done to jobs that waited for others; for one who asks first.
    pub fn settled(&self) -> Option<UnboundedReceiver<Settled>> {
        self.settled.borrow_mut().take()
    }

    /// Whether a write has failed so that this daemon ends: what it was asked for is there or not.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Applies changes; when this returns they are durable.
    ///
    /// # Errors
    /// Nothing was applied, or after [`SpoolError::Failed`] nobody knows.
    pub async fn write(&self, changes: Vec<Change>) -> Result<Vec<Outcome>, SpoolError> {
        self.write_for(changes, false).await
    }

    /// As [`Self::write`]; an end that somebody waits for does not wait for company.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_for(&self, changes: Vec<Change>, is_awaited: bool) -> Result<Vec<Outcome>, SpoolError> {
        let gone = || SpoolError::Failed("its thread has gone".to_owned());
        let (answer, outcome) = oneshot::channel();
        self.units.send(Unit { changes, is_awaited, answer }).map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    /// Asks something short, at once.
    pub fn ask<T>(&self, question: impl FnOnce(&SqliteReader) -> T) -> T {
        question(&self.reader.borrow())
    }

    /// Asks something that may take long, on the reader's thread.
    ///
    /// # Errors
    /// The thread has gone.
    pub async fn ask_long<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut SqliteReader) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let gone = || SpoolError::Failed("its reader has gone".to_owned());
        let (sender, answer) = oneshot::channel();
        let question = Box::new(move |reader: &mut SqliteReader| drop(sender.send(question(reader))));
        self.questions.send(question).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Store {
    /// Asks something that may take minutes, on a thread and a connection of its own, so that it holds up nobody.
    ///
    /// # Errors
    /// What the question comes to.
    pub async fn ask_apart<T: Send + 'static>(
        &self,
        question: impl FnOnce(&SqliteReader) -> Result<T, SpoolError> + Send + 'static,
    ) -> Result<T, SpoolError> {
        let reader = self.ask(SqliteReader::another)?;
        apart(move || question(&reader)).await
    }
}

/// Does something with a file of SQLite's on a thread of its own.
///
/// # Errors
/// What it comes to.
pub async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    let (sender, answer) = oneshot::channel();
    let work = move || drop(sender.send(work()));
    let started = std::thread::Builder::new().name("spool-apart".into()).spawn(work);
    started.map_err(|error| SpoolError::Refused(format!("no thread can be started: {error}")))?;
    answer.await.map_err(|_| SpoolError::Refused("its thread has gone".to_owned()))?
}

/// The writer's thread.
fn write_all(
    mut spool: SqliteSpool,
    waiting: &mpsc::Receiver<Unit>,
    has_failed: &AtomicBool,
    telling: &UnboundedSender<Settled>,
) {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        let mut size = group[0].changes.len();
        // An end frees nobody: its sync waits a moment for the start that follows it.
        let until = Instant::now() + PATIENCE;
        let mut is_urgent = is_urgent_unit(&group[0]);
        while size < MOST_AT_ONCE {
            let left = until.saturating_duration_since(Instant::now());
            let next = match waiting.try_recv() {
                Err(mpsc::TryRecvError::Empty) if !is_urgent && !left.is_zero() => {
                    waiting.recv_timeout(left).map_err(|_| mpsc::TryRecvError::Empty)
                }
                other => other,
            };
            let Ok(unit) = next else { break };
            is_urgent |= is_urgent_unit(&unit);
            size += unit.changes.len();
            group.push(unit);
        }
        write_group(&mut spool, group, has_failed);
        let settled = spool.settled();
        if settled.is_more || !settled.jobs.is_empty() {
            // Whoever is not there any more reads it from the spool.
            let _ = telling.send(settled);
        }
    }
}

/// Whether somebody waits for this to be on disk: anything but ends and reports that were sent.
fn is_urgent_unit(unit: &Unit) -> bool {
    let is_lazy = |change: &Change| match change {
        Change::Step(change) => matches!(
            change.event,
            Event::Reported { report: Report::Ended(_) | Report::Started, .. } | Event::Delivered { .. }
        ),
        Change::Host { event, .. } => {
            matches!(event, hosted::Event::Ended(_) | hosted::Event::Started | hosted::Event::Acknowledged { .. })
        }
        Change::Reported { .. }
        | Change::Noticed { .. }
        | Change::Forget(_)
        | Change::Session(_)
        | Change::ForgetSessions(_)
        | Change::Look
        | Change::Sweep(_) => true,
        Change::Rotation(_)
        | Change::Submit(_)
        | Change::Booted { .. }
        | Change::Update { .. }
        | Change::Delete(_)
        | Change::Settle
        | Change::Lettered { .. } => false,
    };
    unit.is_awaited || !unit.changes.iter().all(is_lazy)
}

fn write_group(spool: &mut SqliteSpool, group: Vec<Unit>, has_failed: &AtomicBool) {
    let (changes, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|unit| (unit.changes, unit.answer)).unzip();
    match spool.write(&changes) {
        Ok(outcomes) => {
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Whoever asked may have gone; what was written stays.
                let _ = answer.send(Ok(outcome));
            }
        }
        // Something small, such as an end, may fit where a large submission does not.
        Err(SpoolError::Full(_)) if changes.len() > 1 => {
            for (changes, answer) in changes.into_iter().zip(answers) {
                write_group(spool, vec![Unit { changes, is_awaited: true, answer }], has_failed);
            }
        }
        Err(SpoolError::Failed(why)) => {
            has_failed.store(true, Ordering::Release);
            let doubt = format!("{why}. Whether this was written down is not known before queued has started again");
            for answer in answers {
                let _ = answer.send(Err(SpoolError::Failed(doubt.clone())));
            }
            // Whether what was written is on disk nobody knows now. The next start finds out.
            let error = SpoolError::Failed(why);
            tracing::error!("{error}; nothing further can be promised, and this daemon ends");
            std::thread::sleep(LAST_WORDS);
            std::process::exit(1);
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

/// Changes in one transaction, besides a larger one of a single submission.
const MOST_AT_ONCE: usize = 1000;
/// How long an end waits for company.
const PATIENCE: Duration = Duration::from_millis(2);
/// So that the answers still leave.
const LAST_WORDS: Duration = Duration::from_millis(200);
