//! A store in a directory of its own, and jobs to put into it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use spool::home::{Event, Place, Report};
use spool::store::{Brief, Change, NewJob, Outcome, Spool, SqliteReader, SqliteSpool, StepChange, Submission};
use spool::{Attempt, JobId};
use wire::ByteString;
use wire::batch::{Batch, Wishes};
use wire::identity::Certificate;
use wire::job::{Descriptor, Job};
use wire::session::{End, Outcome as Ending, Usage};

/// A store that is gone with this.
pub struct Place1 {
    pub directory: PathBuf,
    pub spool: SqliteSpool,
    pub reader: SqliteReader,
}

impl Drop for Place1 {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An empty store.
pub fn store() -> Place1 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("queue-store-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("temp is writable");
    open(directory)
}

fn open(directory: PathBuf) -> Place1 {
    let spool = SqliteSpool::open(&directory.join("spool.sqlite")).expect("a store");
    let reader = spool.reader().expect("a reader");
    Place1 { directory, spool, reader }
}

impl Place1 {
    /// The same store in the next life of the process.
    pub fn reopened(self) -> Self {
        self.reopened_with(|| {})
    }

    /// The same after something was done to its files while nobody had them open.
    pub fn reopened_with(mut self, between: impl FnOnce()) -> Self {
        let directory = std::mem::take(&mut self.directory);
        drop(self);
        between();
        open(directory)
    }

    /// Applies one change.
    pub fn apply(&mut self, change: Change) -> Outcome {
        let mut outcomes = self.spool.write(&[vec![change]]).expect("a store that works");
        outcomes.pop().and_then(|mut unit| unit.pop()).expect("an outcome for each change")
    }

    /// Something happens to a job.
    pub fn step(&mut self, id: u64, event: Event) -> Outcome {
        self.apply(Change::Step(StepChange::new(job(id), event, NOW)))
    }

    /// Takes a submission of these commands; says the first id.
    pub fn submit(&mut self, key: &str, first_id: u64, commands: &[&str]) -> u64 {
        match self.apply(Change::Submit(Arc::new(submission(key, first_id, commands)))) {
            Outcome::Submitted { ids, .. } => ids[0].0,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a job to this end.
    pub fn run(&mut self, id: u64, attempt: u64, end: Ending) -> Brief {
        let spool = self.spool.id();
        let attempt = Attempt::new(attempt).expect("a number");
        let place = Place { attempt, host: "redfish".into(), spool };
        let usage = Usage { wall_us: 1000, user_us: 500, system_us: 100, max_rss_kib: 64 };
        let end = End { outcome: end, usage, incomplete: None, limit: None };
        self.step(id, Event::Placed(place));
        self.step(id, Event::Reported { attempt, spool, report: Report::Ended(end) });
        match self.step(id, Event::Delivered { attempt }) {
            Outcome::Job { brief, .. } => *brief,
            other => panic!("{other:?}"),
        }
    }
}

/// When everything happens.
pub const NOW: i64 = 1_790_000_000_000_000;

/// A number of a job.
pub fn job(id: u64) -> JobId {
    JobId::new(id).expect("a number")
}

/// A submission of these commands.
pub fn submission(key: &str, first_id: u64, commands: &[&str]) -> Submission {
    let jobs = commands.iter().enumerate().map(|(number, command)| NewJob {
        common: 0,
        argv: vec![ByteString::from(*command)],
        wishes: Wishes::default(),
        digest: [number as u8; 32],
    });
    Submission {
        user: "alice".into(),
        key: key.into(),
        root: [7; 32],
        signature: vec![8; 64],
        certificate: Certificate(vec![1, 2, 3]),
        at_us: NOW,
        first_id,
        commons: vec![common()],
        jobs: jobs.collect(),
        elements: Vec::new(),
    }
}

/// What the jobs have in common.
pub fn common() -> Job {
    Job {
        argv: Vec::new(),
        environment: vec!["HOME=/".into(), ByteString(vec![b'X', b'=', 0xff])],
        directory: "/tmp".into(),
        umask: 0o22,
        nice: 0,
        limits: Vec::new(),
        ignored_signals: Vec::new(),
        descriptors: [Descriptor::Pipe; 3],
        queue: "wait".into(),
        hosts: Vec::new(),
        home: "redfish".into(),
        submit_key: String::new(),
        tee: None,
        spill: None,
        needs: None,
        time: None,
        memory: None,
        batch: Some(Batch::default()),
    }
}
