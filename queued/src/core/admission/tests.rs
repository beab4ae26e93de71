//! Events in, actions compared; an action that nobody looked at fails the test.

use std::collections::VecDeque;

use super::waiting::{MOST_WAITING, OFFERED, REMEMBERED};
use super::*;
use crate::core::names::JobId;
use crate::core::rank::RankRule;
use crate::core::resources::Amount;

struct Here {
    admission: Admission,
    now: Millis,
    actions: VecDeque<Action>,
}

impl Here {
    /// Four CPUs; `now` without limit, `wait` with two slots.
    fn new() -> Self {
        let mut here = Self { admission: Admission::new(4, 1.0), now: Millis(1000), actions: VecDeque::new() };
        here.feed(Event::Queues(vec![rule("now", None), rule("wait", Some(2))]));
        here
    }

    fn feed(&mut self, event: Event) {
        assert!(self.actions.is_empty(), "nobody looked at {:?} before {event:?}", self.actions);
        self.actions.extend(self.admission.handle(self.now, event));
        for rule in &self.admission.queues {
            let counted = self.admission.starts.values();
            let counted = counted.filter(|start| start.slot == Slot::Counted && start.queue == rule.queue);
            assert_eq!(
                counted.map(|start| start.cpus).sum::<u32>(),
                self.admission.running(&rule.queue),
                "slots are counted twice over"
            );
        }
        if let Some(deadline) = self.admission.next_deadline() {
            assert!(deadline > self.now, "a deadline that stays is a busy loop");
        }
    }

    fn wait(&mut self, length: Duration) {
        self.now = self.now + length;
        self.feed(Event::Tick);
    }

    #[track_caller]
    fn accepts(&mut self, ask: Ask) -> f64 {
        let wanted = ask.key.clone();
        self.feed(Event::Asked(ask));
        match self.actions.pop_front() {
            Some(Action::Accept { key, rank, .. }) if key == wanted => rank,
            other => panic!("{other:?} instead of an acceptance"),
        }
    }

    #[track_caller]
    fn refuses(&mut self, ask: Ask) -> (RefusalKind, String) {
        let wanted = ask.key.clone();
        self.feed(Event::Asked(ask));
        match self.actions.pop_front() {
            Some(Action::Refuse { key, refusal, .. }) if key == wanted => (refusal.kind, refusal.message),
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    #[track_caller]
    fn offers(&mut self) -> String {
        match self.actions.pop_front() {
            Some(Action::Offer { home, queue, job: None }) if queue.as_str() == "wait" => home.to_string(),
            other => panic!("{other:?} instead of an offer"),
        }
    }

    /// Two jobs of `h0` take both slots of `wait`.
    fn filled() -> Self {
        let mut here = Self::new();
        here.accepts(ask("h0", 1));
        here.accepts(ask("h0", 2));
        here.feed(Event::Started { key: key("h0", 1) });
        here.feed(Event::Started { key: key("h0", 2) });
        here
    }

    fn end(&mut self, home: &str, id: u64) {
        self.feed(Event::Ended { key: key(home, id), busy: 1.0 });
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.actions.is_empty(), "nobody looked at {:?}", self.actions);
        }
    }
}

fn rule(queue: &str, limit: Option<u32>) -> QueueRule {
    QueueRule { queue: queue.into(), limit, shut: None, rank: RankRule::Share, most_cpus: None }
}

fn key(home: &str, id: u64) -> Key {
    Key { home: home.into(), id: JobId(id) }
}

/// For a slot of `wait`, for alice.
fn ask(home: &str, id: u64) -> Ask {
    Ask {
        key: key(home, id),
        user: "alice".into(),
        queue: "wait".into(),
        priority: 0,
        runner_up_rank: None,
        slot: Slot::Counted,
        needs: Needs::default(),
        if_full: IfFull::Remember,
    }
}

#[test]
fn a_full_queue_is_refused_with_its_numbers() {
    let mut here = Here::filled();
    assert_eq!(here.refuses(ask("h1", 1)), (RefusalKind::Full, "queue \"wait\" is full (2 of 2)".into()));
    for id in 10..60 {
        here.accepts(Ask { queue: "now".into(), ..ask("h1", id) });
    }
}

#[test]
fn other_queues_have_as_many_slots_as_cpus_and_now_has_no_limit() {
    assert_eq!(QueueRule::default_for("now".into(), 4).limit, None);
    assert_eq!(QueueRule::default_for("night".into(), 4).limit, Some(4));
}

#[test]
fn a_shut_queue_and_an_unknown_one_say_so() {
    let mut here = Here::new();
    here.feed(Event::Queues(vec![QueueRule { shut: Some("is draining".into()), ..rule("wait", None) }]));
    assert_eq!(here.refuses(ask("h1", 1)), (RefusalKind::Full, "queue \"wait\" is draining".into()));
    let night = Ask { queue: "night".into(), ..ask("h1", 1) };
    assert_eq!(here.refuses(night), (RefusalKind::Failed, "no queue \"night\"".into()));
}

#[test]
fn a_host_that_is_worse_than_the_runner_up_refuses() {
    let mut here = Here::new();
    let compared = |id, rank| Ask { queue: "now".into(), runner_up_rank: Some(rank), ..ask("h1", id) };
    for id in 0..4 {
        assert_eq!(here.accepts(compared(id, 1.0)), 1.0, "a CPU is free");
    }
    assert_eq!(here.refuses(compared(4, 1.0)), (RefusalKind::Worse, "4.00 of 4 CPUs busy".into()));
    assert_eq!(here.accepts(compared(4, 1.2)), 1.25, "4 % worse is tolerated");
    assert_eq!(here.refuses(compared(5, 1.25)).0, RefusalKind::Worse);
    here.accepts(Ask { runner_up_rank: None, ..compared(5, 0.0) });
}

#[test]
fn an_unreleased_reservation_is_void_after_five_seconds() {
    let mut here = Here::new();
    here.accepts(ask("h1", 1));
    here.accepts(ask("h1", 2));
    here.feed(Event::Started { key: key("h1", 2) });
    assert_eq!(here.admission.next_deadline(), Some(here.now + RESERVATION));
    here.wait(RESERVATION);
    assert_eq!(here.actions.pop_front(), Some(Action::Void { key: key("h1", 1) }));
    assert_eq!(here.admission.running(&"wait".into()), 1);
    assert_eq!(here.admission.next_deadline(), None);
    here.accepts(ask("h1", 3));
}

#[test]
fn a_withdrawn_reservation_is_free_at_once_and_a_running_job_is_not_withdrawn() {
    let mut here = Here::filled();
    here.end("h0", 2);
    here.accepts(ask("h1", 1));
    here.feed(Event::Withdrawn { key: key("h1", 1) });
    here.feed(Event::Withdrawn { key: key("h0", 1) });
    assert_eq!(here.admission.running(&"wait".into()), 1);
    here.feed(Event::Withdrawn { key: key("h9", 9) });
}

#[test]
fn a_question_that_is_repeated_gets_the_same_answer_and_takes_no_second_slot() {
    let mut here = Here::new();
    here.accepts(ask("h1", 1));
    here.accepts(ask("h1", 1));
    assert_eq!(here.admission.running(&"wait".into()), 1);
    here.feed(Event::Started { key: key("h1", 1) });
    assert_eq!(here.refuses(ask("h1", 1)), (RefusalKind::Failed, "job 1 runs here already".into()));
}

#[test]
fn without_a_slot_a_job_runs_beside_a_full_queue() {
    let mut here = Here::filled();
    let local = Ask { slot: Slot::Without, runner_up_rank: Some(0.1), ..ask("h0", 3) };
    here.accepts(local);
    assert_eq!(here.admission.running(&"wait".into()), 2);
    here.end("h0", 3);
    assert_eq!(here.admission.running(&"wait".into()), 2);
}

#[test]
fn jobs_that_ran_before_the_daemon_hold_their_slots() {
    let mut here = Here::new();
    for id in 1..=2 {
        let (user, queue) = ("alice".into(), "wait".into());
        here.feed(Event::Adopted { key: key("h0", id), user, queue, slot: Slot::Counted, taken: Taken::default() });
    }
    assert_eq!(here.refuses(ask("h1", 1)).0, RefusalKind::Full);
    here.end("h0", 1);
    assert_eq!(here.offers(), "h1");
}

#[test]
fn a_freed_slot_is_offered_and_held_for_half_a_second() {
    let mut here = Here::filled();
    here.refuses(ask("h1", 1));
    here.end("h0", 1);
    assert_eq!(here.offers(), "h1");
    assert_eq!(here.refuses(ask("h2", 1)).0, RefusalKind::Full, "the slot is held for h1");
    here.accepts(ask("h1", 7));
    here.end("h1", 7);
    assert_eq!(here.offers(), "h2", "h1 has had its turn");
    here.feed(Event::Declined { home: "h2".into(), queue: "wait".into() });
    assert_eq!(here.offers(), "h1");
    here.wait(OFFERED);
    here.accepts(ask("h3", 1));
}

#[test]
fn an_offer_that_is_not_taken_goes_to_the_next() {
    let mut here = Here::filled();
    here.refuses(ask("h1", 1));
    here.refuses(Ask { user: "bob".into(), ..ask("h2", 1) });
    here.end("h0", 1);
    assert_eq!(here.offers(), "h2", "bob has nothing running");
    here.wait(OFFERED);
    assert_eq!(here.offers(), "h1");
    here.feed(Event::Declined { home: "h1".into(), queue: "wait".into() });
    here.end("h0", 2);
}

#[test]
fn priority_comes_before_the_user_with_least_running() {
    let mut here = Here::filled();
    here.refuses(Ask { user: "bob".into(), ..ask("h1", 1) });
    here.refuses(Ask { priority: 1, ..ask("h2", 1) });
    here.end("h0", 1);
    assert_eq!(here.offers(), "h2");
    here.end("h0", 2);
    assert_eq!(here.offers(), "h1");
    here.feed(Event::Declined { home: "h1".into(), queue: "wait".into() });
    here.feed(Event::Declined { home: "h2".into(), queue: "wait".into() });
}

#[test]
fn homes_take_turns_among_equals() {
    let mut here = Here::filled();
    for home in ["h1", "h2", "h3"] {
        here.refuses(ask(home, 1));
    }
    let mut order = Vec::new();
    let mut running = ("h0".to_owned(), 1);
    for id in 10..16 {
        here.end(&running.0, running.1);
        let home = here.offers();
        here.accepts(ask(&home, id));
        running = (home.clone(), id);
        order.push(home);
    }
    assert_eq!(order, ["h1", "h2", "h3", "h1", "h2", "h3"]);
}

#[test]
fn whoever_does_not_ask_again_is_forgotten() {
    let mut here = Here::filled();
    here.refuses(ask("h1", 1));
    here.refuses(Ask { if_full: IfFull::Forget, ..ask("h3", 1) });
    here.wait(REMEMBERED - Duration::from_secs(1));
    here.refuses(ask("h2", 1));
    here.wait(Duration::from_secs(1));
    here.end("h0", 1);
    assert_eq!(here.offers(), "h2");
    here.feed(Event::Declined { home: "h2".into(), queue: "wait".into() });
}

#[test]
fn those_who_wait_are_bounded() {
    let mut here = Here::filled();
    for home in 0..MOST_WAITING + 10 {
        here.refuses(ask(&format!("h{home}"), 1));
    }
    here.feed(Event::Queues(vec![rule("wait", Some(5000))]));
    for _ in 0..MOST_WAITING {
        here.offers();
    }
}

#[test]
fn a_limit_that_falls_is_kept_even_against_an_offer() {
    let mut here = Here::filled();
    here.refuses(ask("h1", 1));
    here.end("h0", 1);
    here.offers();
    here.feed(Event::Queues(vec![rule("wait", Some(1))]));
    assert_eq!(here.refuses(ask("h1", 1)), (RefusalKind::Full, "queue \"wait\" is full (1 of 1)".into()));
}

#[test]
fn a_gate_that_opens_is_offered() {
    let mut here = Here::new();
    here.feed(Event::Queues(vec![QueueRule { shut: Some("is stopped".into()), ..rule("wait", Some(1)) }]));
    here.refuses(ask("h1", 1));
    here.refuses(ask("h2", 1));
    here.feed(Event::Queues(vec![rule("wait", Some(1))]));
    assert_eq!(here.offers(), "h1");
    here.accepts(ask("h1", 1));
}

#[test]
fn the_state_for_the_others_is_what_the_rank_is_made_of() {
    let mut here = Here::new();
    here.feed(Event::Sampled { runnable: 0.0, load1: 0.7 });
    for id in 0..3 {
        here.accepts(ask("h1", id).in_now());
    }
    here.accepts(ask("h1", 3));
    here.now = here.now + Duration::from_secs(2);
    let state = here.admission.state(here.now);
    let busy = state.runnable + f64::from(state.starting);
    let queue = QueueName::from("now");
    let figures = Figures { busy, cpus: 4, speed: 1.0, ..Figures::default() };
    assert!((figures.rank(RankRule::Share) - here.admission.rank(here.now, &queue)).abs() < 1e-9);
    assert_eq!((state.load1, state.cpus), (0.7, 4));
    let running: Vec<_> = state.queues.iter().map(|queue| (queue.queue.as_str(), queue.running)).collect();
    assert_eq!(running, [("now", 3), ("wait", 1)]);
}

#[test]
fn a_profile_with_pfactor_ranks_by_its_formula() {
    let mut here = Here::new();
    let rank = RankRule::VirtualLoad { pfactor: 100.0, vmaxexec: Some(2) };
    here.feed(Event::Queues(vec![QueueRule { rank, ..rule("now", None) }]));
    let now = QueueName::from("now");
    assert_eq!(here.admission.rank(here.now, &now), 1.0 / 300.0);
    here.accepts(ask("h1", 1).in_now());
    assert_eq!(here.admission.rank(here.now, &now), 1.0 / 200.0);
}

impl Ask {
    fn in_now(self) -> Self {
        Self { queue: "now".into(), ..self }
    }
}

fn needing(home: &str, id: u64, texts: &[&str]) -> Ask {
    let named = texts.iter().map(|text| wire::needs::Need::parse(text).expect(text)).collect();
    Ask { needs: Needs { named, ..Needs::default() }, queue: "now".into(), ..ask(home, id) }
}

fn wide(home: &str, id: u64, cpus: u32) -> Ask {
    Ask { needs: Needs { cpus, ..Needs::default() }, ..ask(home, id) }
}

/// A host that offers two GPUs by name.
fn with_gpus() -> Here {
    let mut here = Here::new();
    let gpus = Amount::Devices(vec!["0".into(), "1".into()]);
    here.feed(Event::Offers([("gpu".to_owned(), gpus)].into()));
    here
}

fn free_gpus(here: &Here) -> u64 {
    here.admission.state(here.now).offers[0].free
}

#[test]
fn what_a_job_takes_is_free_again_when_it_ends_is_void_or_withdrawn() {
    let mut here = with_gpus();
    here.feed(Event::Asked(needing("h0", 1, &["gpu=1"])));
    match here.actions.pop_front() {
        Some(Action::Accept { taken, .. }) => assert_eq!(taken.devices["gpu"], ["0"]),
        other => panic!("{other:?} instead of an acceptance"),
    }
    here.feed(Event::Started { key: key("h0", 1) });
    here.accepts(needing("h0", 2, &["gpu=1"]));
    assert_eq!(free_gpus(&here), 0);
    let forgetful = |id, texts: &[&str]| Ask { if_full: IfFull::Forget, ..needing("h1", id, texts) };
    let (kind, words) = here.refuses(forgetful(1, &["gpu=1"]));
    assert_eq!((kind, &*words), (RefusalKind::Full, "gpu: 2 of 2 taken by job 1@h0 and job 2@h0"));
    here.accepts(Ask { queue: "now".into(), ..ask("h1", 2) });
    here.feed(Event::Withdrawn { key: key("h0", 2) });
    assert_eq!(free_gpus(&here), 1);
    here.accepts(needing("h0", 3, &["gpu=1"]));
    here.wait(RESERVATION);
    for _ in 0..2 {
        assert!(matches!(here.actions.pop_front(), Some(Action::Void { .. })));
    }
    assert_eq!(free_gpus(&here), 1, "nobody came for it");
    here.end("h0", 1);
    assert_eq!(free_gpus(&here), 2);
    let impossible = |here: &mut Here, ask| match here.refuses(ask) {
        (RefusalKind::Impossible, words) => words,
        other => panic!("{other:?} instead of never"),
    };
    assert_eq!(impossible(&mut here, needing("h1", 3, &["gpu=3"])), "gpu: 2 offered, 3 needed");
    assert_eq!(impossible(&mut here, needing("h1", 4, &["tape"])), "no tape is offered");
    let without = Ask { slot: Slot::Without, ..needing("h1", 5, &["tape"]) };
    assert_eq!(impossible(&mut here, without), "no tape is offered", "without a slot it needs a tape all the same");
}

#[test]
fn a_wide_job_takes_as_many_slots() {
    let mut here = Here::new();
    here.feed(Event::Queues(vec![rule("now", None), rule("wait", Some(16))]));
    for id in 1..=3 {
        here.accepts(wide("h0", id, 4));
    }
    here.accepts(ask("h0", 4));
    let forgetful = |cpus| Ask { if_full: IfFull::Forget, ..wide("h0", 100 + u64::from(cpus), cpus) };
    let words = "queue \"wait\" has 3 of 16 slots free, 4 needed";
    assert_eq!(here.refuses(forgetful(4)), (RefusalKind::Full, words.into()));
    here.end("h0", 4);
    here.accepts(forgetful(4));
    assert_eq!(here.admission.running(&"wait".into()), 16);
    let words = "queue \"wait\" has 16 slots in all, 17 needed";
    assert_eq!(here.refuses(forgetful(17)), (RefusalKind::Impossible, words.into()));
    let in_now = Ask { queue: "now".into(), ..wide("h0", 6, 5) };
    assert_eq!(here.refuses(in_now), (RefusalKind::Impossible, "4 CPUs in all, 5 needed".into()));
    here.feed(Event::Queues(vec![QueueRule { most_cpus: Some(2), ..rule("wait", Some(16)) }]));
    let words = "queue \"wait\" allows 2 CPUs a job, 3 needed";
    assert_eq!(here.refuses(wide("h0", 7, 3)), (RefusalKind::Impossible, words.into()));
}

#[test]
fn what_is_free_again_is_held_for_one_who_needs_it() {
    let mut here = with_gpus();
    here.accepts(needing("h0", 1, &["gpu=2"]));
    here.feed(Event::Started { key: key("h0", 1) });
    assert_eq!(here.refuses(needing("h1", 1, &["gpu=2"])).0, RefusalKind::Full);
    assert_eq!(here.refuses(needing("h2", 1, &["gpu=1"])).0, RefusalKind::Full);
    here.end("h0", 1);
    let offered = Action::Offer { home: "h1".into(), queue: "now".into(), job: Some(JobId(1)) };
    assert_eq!(here.actions.pop_front(), Some(offered));
    let (kind, words) = here.refuses(needing("h3", 1, &["gpu=1"]));
    assert_eq!((kind, &*words), (RefusalKind::Full, "gpu: 2 of 2 taken by one who waits for it"));
    here.accepts(needing("h1", 7, &["gpu=2"]));
    here.feed(Event::Started { key: key("h1", 7) });
    here.end("h1", 7);
    // It has its turn, and so have both of those who need one.
    let homes = (0..2).map(|_| match here.actions.pop_front() {
        Some(Action::Offer { home, job: Some(_), .. }) => home.to_string(),
        other => panic!("{other:?} instead of an offer"),
    });
    assert_eq!(homes.collect::<Vec<_>>(), ["h2", "h3"]);
    here.wait(OFFERED);
    match here.actions.pop_front() {
        Some(Action::Offer { home, .. }) => assert_eq!(home.as_str(), "h1", "the others did not come"),
        other => panic!("{other:?} instead of an offer"),
    }
    here.feed(Event::Declined { home: "h1".into(), queue: "now".into() });
    assert_eq!(free_gpus(&here), 2);
}

#[test]
fn after_a_restart_what_adopted_jobs_have_is_taken() {
    let mut here = with_gpus();
    let taken = Taken { cpus: 2, devices: [("gpu".to_owned(), vec!["1".to_owned()])].into(), ..Taken::default() };
    let (user, queue) = ("alice".into(), "wait".into());
    here.feed(Event::Adopted { key: key("h0", 1), user, queue, slot: Slot::Counted, taken });
    assert_eq!(here.admission.running(&"wait".into()), 2);
    here.accepts(needing("h1", 1, &["gpu=1"]));
    let lack = here.admission.lack(&"now".into(), &needing("h1", 2, &["gpu=1"]).needs);
    assert_eq!(lack.as_deref(), Some("gpu: 2 of 2 taken by job 1@h0 and job 1@h1"));
    here.end("h0", 1);
    assert_eq!((here.admission.running(&"wait".into()), free_gpus(&here)), (0, 1));
    here.feed(Event::Withdrawn { key: key("h1", 1) });
}
