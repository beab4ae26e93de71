//! What other hosts say is not believed to make sense: answers nobody asked for, ranks that are
//! no numbers, ends of jobs that never began.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn host() -> impl Strategy<Value = HostName> {
    prop_oneof![Just("redfish"), Just("bluefish"), Just("onefish"), Just("nobody")].prop_map(HostName::from)
}

fn rank() -> impl Strategy<Value = f64> {
    prop_oneof![0.5..9.0, Just(f64::NAN), Just(f64::INFINITY), Just(-1.0), Just(0.0), Just(f64::MAX)]
}

fn own_rank() -> impl Strategy<Value = OwnRank> {
    (rank(), edition(), 0..4u64).prop_map(|(value, edition, number)| OwnRank { value, edition, number })
}

fn edition() -> impl Strategy<Value = Edition> {
    let number = || prop_oneof![0..4u64, Just(u64::MAX)];
    (number(), number()).prop_map(|(incarnation, sequence)| Edition { incarnation, sequence })
}

fn record() -> impl Strategy<Value = HostState> {
    (rank(), any::<u32>(), rank(), any::<u32>(), proptest::option::of(0..5u32), any::<bool>()).prop_map(
        |(runnable, cpus, speed, starting, limit, is_shut)| {
            let shut = is_shut.then(|| "is draining".to_owned());
            let queues = vec![QueueState { queue: "now".into(), running: 2, limit, shut }];
            HostState { runnable, cpus, speed, starting, queues, ..HostState::default() }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let id = || (0..40u64).prop_map(JobId);
    let kind = prop_oneof![
        Just(RefusalKind::Full),
        Just(RefusalKind::Worse),
        Just(RefusalKind::NotFound),
        Just(RefusalKind::NoDirectory),
        Just(RefusalKind::Impossible),
        Just(RefusalKind::Failed),
        Just(RefusalKind::Usage),
    ];
    let refused = (id(), host(), kind, own_rank()).prop_map(|(id, host, kind, rank)| {
        let refusal = Refusal { message: "no".into(), kind };
        Event::Refused { id, host, refusal, rank }
    });
    let news = (host(), record(), edition(), 0..2000u64, any::<bool>());
    let news = news.prop_map(|(host, state, edition, heard, is_silent)| {
        let unavailable = is_silent.then(|| "is silent".to_owned());
        let changed = vec![HostNews { host, state, edition, heard: Millis(heard), unavailable }];
        Event::HostsChanged { changed, gone: Vec::new() }
    });
    let submitted = (0..40u64, 0..3usize, 0..6usize).prop_map(|(id, on_full, choice)| {
        let on_full = [OnFull::Wait, OnFull::Fail, OnFull::Local][on_full];
        let choice = match choice {
            0 => HostChoice::Only("bluefish".into()),
            1 => HostChoice::Rather("onefish".into()),
            _ => HostChoice::Any,
        };
        Event::Submitted(Submission { on_full, choice, ..submission(id) })
    });
    prop_oneof![
        4 => submitted,
        4 => (id(), host(), own_rank()).prop_map(|(id, host, rank)| Event::Reserved { id, host, rank }),
        6 => refused,
        3 => news,
        1 => host().prop_map(|host| Event::HostsChanged { changed: Vec::new(), gone: vec![host] }),
        2 => (id(), host()).prop_map(|(id, host)| Event::Silent { id, host }),
        2 => host().prop_map(|host| Event::SlotFreed { host, queue: "now".into(), job: None }),
        2 => (id(), host(), proptest::option::of(own_rank())).prop_map(|(id, host, rank)| Event::Ended { id, host, rank }),
        1 => id().prop_map(|id| Event::Cancelled { id }),
        3 => Just(Event::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_from_other_hosts_neither_panics_nor_ends_a_job_twice(
        events in proptest::collection::vec((event(), 0..3000u64), 1..100),
    ) {
        let mut dispatcher = Dispatcher::new("redfish".into(), 1);
        let mut now = Millis(0);
        let mut under_way: HashMap<JobId, bool> = HashMap::new();
        for (event, pause) in events {
            now = Millis(now.0 + pause);
            if let Event::Submitted(Submission { id, .. }) = &event {
                // A number is used once.
                if under_way.contains_key(id) {
                    continue;
                }
                under_way.insert(*id, true);
            }
            let is_tick = event == Event::Tick;
            for action in dispatcher.handle(now, event) {
                match action {
                    Action::Place { id, .. } | Action::Refuse { id, .. } => {
                        prop_assert_eq!(under_way.insert(id, false), Some(true));
                    }
                    Action::Ask { id, .. } | Action::Wait { id, .. } => {
                        prop_assert_eq!(under_way.get(&id), Some(&true));
                    }
                    Action::Release { .. } | Action::Decline { .. } => {}
                }
            }
            if is_tick {
                prop_assert!(dispatcher.next_deadline().is_none_or(|deadline| deadline > now));
            }
        }
    }
}
