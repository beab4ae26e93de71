//! Events in, actions compared; an action that nobody looked at fails the test.

mod cluster;
mod full;
mod needs;
mod order;
mod refusals;
mod shares;
mod strangers;
mod together;

use std::collections::VecDeque;
use std::time::Duration;

use wire::api::{HostChoice, OnFull, Refusal, RefusalKind};
use wire::news::{Edition, HostState, OwnRank, QueueState};

use super::*;
use crate::core::admission::{IfFull, RESERVATION};

/// A dispatcher and what it asked for.
struct Home {
    dispatcher: Dispatcher,
    now: Millis,
    actions: VecDeque<Action>,
}

impl Home {
    /// The dispatcher of `redfish`, which knows these hosts.
    fn knowing(hosts: &[HostNews]) -> Self {
        let mut home =
            Self { dispatcher: Dispatcher::new("redfish".into(), 7), now: Millis(1000), actions: VecDeque::new() };
        home.feed(Event::HostsChanged { changed: hosts.to_vec(), gone: Vec::new() });
        home
    }

    fn feed(&mut self, event: Event) {
        assert!(self.actions.is_empty(), "nobody looked at {:?} before {event:?}", self.actions);
        self.actions.extend(self.dispatcher.handle(self.now, event));
    }

    fn wait(&mut self, length: Duration) {
        self.now = self.now + length;
        self.feed(Event::Tick);
    }

    fn submit(&mut self, id: u64) {
        self.feed(Event::Submitted(submission(id)));
    }

    fn reserve(&mut self, id: u64, host: &str, rank: f64) {
        self.feed(Event::Reserved { id: JobId(id), host: host.into(), rank: own_rank(rank) });
    }

    fn refuse(&mut self, id: u64, host: &str, kind: RefusalKind, rank: f64) {
        let message = match kind {
            RefusalKind::Full => "queue \"wait\" is full (4 of 4)",
            RefusalKind::Worse => "4.00 of 4 CPUs busy",
            RefusalKind::NotFound => "\"matlab\" is not found",
            RefusalKind::NotExecutable => "\"matlab\" is not executable",
            RefusalKind::NoDirectory => "no directory /scratch/run",
            RefusalKind::Impossible => "no gpu is offered",
            RefusalKind::Failed => "no user \"alice\"",
            RefusalKind::Denied => "queue \"wait\": alice may not use it",
            RefusalKind::Usage => "the warrant is not valid",
        };
        let refusal = Refusal { message: message.into(), kind };
        self.feed(Event::Refused { id: JobId(id), host: host.into(), refusal, rank: own_rank(rank) });
    }

    #[track_caller]
    fn next(&mut self) -> Action {
        self.actions.pop_front().expect("an action was expected")
    }

    /// The next action is a question about this job; says to which host and what with.
    #[track_caller]
    fn asks(&mut self, wanted: u64) -> (String, Option<f64>) {
        match self.next() {
            Action::Ask { id, host, runner_up_rank, slot: Slot::Counted, if_full: IfFull::Remember, deadline } => {
                assert_eq!((id, deadline), (JobId(wanted), self.now + ANSWER));
                (host.to_string(), runner_up_rank)
            }
            other => panic!("{other:?} instead of a question"),
        }
    }

    #[track_caller]
    fn places(&mut self, wanted: u64) -> (String, String) {
        match self.next() {
            Action::Place { id, host, reason } if id == JobId(wanted) => (host.to_string(), reason),
            other => panic!("{other:?} instead of a place for {wanted}"),
        }
    }

    #[track_caller]
    fn refuses(&mut self, wanted: u64) -> (RefusalKind, String) {
        match self.next() {
            Action::Refuse { id, refusal } if id == JobId(wanted) => (refusal.kind, refusal.message),
            other => panic!("{other:?} instead of a refusal of {wanted}"),
        }
    }

    #[track_caller]
    fn waits(&mut self, wanted: u64) -> String {
        match self.next() {
            Action::Wait { id, text } if id == JobId(wanted) => text,
            other => panic!("{other:?} instead of the waiting of {wanted}"),
        }
    }

    #[track_caller]
    fn releases(&mut self, wanted: u64) -> String {
        match self.next() {
            Action::Release { id, host } if id == JobId(wanted) => host.to_string(),
            other => panic!("{other:?} instead of the release of {wanted}"),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.actions.is_empty(), "nobody looked at {:?}", self.actions);
        }
    }
}

/// A job of alice in `now` that may run anywhere and waits when all is full.
fn submission(id: u64) -> Submission {
    Submission {
        id: JobId(id),
        user: "alice".into(),
        queue: "now".into(),
        command: "matlab".into(),
        directory: "/scratch/run".into(),
        priority: 0,
        choice: HostChoice::Any,
        needs: Default::default(),
        allowed: Vec::new(),
        excluded: Vec::new(),
        on_full: OnFull::Wait,
        work: Work::Session,
    }
}

/// The same in `wait`, where hosts are full.
fn queued(id: u64) -> Submission {
    Submission { queue: "wait".into(), ..submission(id) }
}

/// Said after the first record was published, by a host that has never said anything else.
fn own_rank(value: f64) -> OwnRank {
    use std::sync::atomic::{AtomicU64, Ordering};
    static WORDS: AtomicU64 = AtomicU64::new(1);
    OwnRank { value, edition: edition(1), number: WORDS.fetch_add(1, Ordering::Relaxed) }
}

fn edition(sequence: u64) -> Edition {
    Edition { incarnation: 1, sequence }
}

fn news(host: &str, cpus: u32, busy: f64) -> HostNews {
    let queue = |name: &str, running, limit| QueueState { queue: name.into(), running, limit, shut: None };
    let queues = vec![queue("now", 0, None), queue("wait", 0, Some(cpus))];
    let state = HostState { runnable: busy, cpus, speed: 1.0, queues, ..HostState::default() };
    HostNews { host: host.into(), state, edition: edition(1), heard: Millis(900), unavailable: None }
}

/// A host whose slots of `wait` are all taken.
fn full_news(host: &str) -> HostNews {
    let mut news = news(host, 4, 0.0);
    news.state.queues[1].running = 4;
    news
}

fn unavailable(host: &str, words: &str) -> HostNews {
    HostNews { unavailable: Some(words.into()), ..news(host, 4, 0.0) }
}
