//! What comes from other daemons never panics and never grows without bound.

use std::sync::Arc;

use proptest::prelude::*;
use wire::exchange::{Card, Departure, Figures, Greeting, Introduction, Manner, Message, Rumour, Update};
use wire::news::HostState;

use super::super::*;
use super::net::{Net, plain_state};

fn table() -> Table {
    let own = OwnHost { name: "a".into(), address: "a:1".into(), incarnation: 7 };
    let mut table = Table::new(own, vec!["b:1".into()], 1);
    table.handle(Millis(0), Event::OwnState(plain_state(0)));
    for (number, incoming) in [(1, false), (2, true)] {
        let connection = ConnectionId(number);
        let connected = Event::Connected { connection, host: "b".into(), address: "b:1".into(), incoming };
        table.handle(Millis(0), connected);
    }
    table
}

fn introduction(host: &str, address: &str, incarnation: u64, sequence: u64, step: u64) -> Introduction {
    let state = HostState::default();
    let card = Card::of(host, address, incarnation, sequence, &state);
    Introduction { card: Arc::new(card), figures: Figures::of(step, &state) }
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..12u64, Just(1 << 60), Just((1 << 60) - 1), Just(u64::MAX)]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("a".into()), Just("b".into()), Just("c".into()), Just(String::new()), "[a-e]{1,3}"]
}

fn message() -> impl Strategy<Value = Message> {
    let introductions = (name(), name(), number(), number(), number())
        .prop_map(|(host, address, incarnation, sequence, step)| {
            introduction(&host, &address, incarnation, sequence, step)
        })
        .boxed();
    let updates = (introductions.clone(), number())
        .prop_map(|(told, step)| Update {
            key: told.card.key(),
            figures: Figures { step, running: vec![u32::MAX; 3], ..told.figures },
        })
        .boxed();
    let rumours = (name(), number(), number(), number()).prop_map(|(host, incarnation, sequence, age_ms)| Rumour {
        host,
        incarnation,
        sequence,
        age_ms,
    });
    let departures = (name(), number(), any::<bool>(), number()).prop_map(|(host, incarnation, removed, age_s)| {
        Departure { host, incarnation, manner: if removed { Manner::Removed } else { Manner::Left }, age_s }
    });
    let keys = prop::collection::vec(introductions.clone().prop_map(|told| told.card.key()), 0..4).boxed();
    (
        prop::option::of((number(), any::<u32>())),
        prop::option::of(number()),
        prop::collection::vec(introductions, 0..4),
        (prop::collection::vec(updates.clone(), 0..4), prop::collection::vec(updates, 0..4)),
        prop::collection::vec(rumours, 0..4),
        prop::collection::vec(departures, 0..2),
        (keys.clone(), keys.clone(), keys.clone(), keys),
        any::<[bool; 3]>(),
    )
        .prop_map(
            |(
                greeting,
                clock_us,
                introductions,
                (updates, pulled),
                rumours,
                departures,
                keys,
                [more, closing, crowded],
            )| {
                Message {
                    greeting: greeting.map(|(incarnation, known)| Greeting { incarnation, known }),
                    clock_us,
                    introductions,
                    updates,
                    pulled,
                    rumours,
                    departures,
                    wanted: keys.0,
                    spare: keys.1,
                    again: keys.2,
                    lost: keys.3,
                    more,
                    closing,
                    crowded,
                }
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let connection = || (0..5u64).prop_map(ConnectionId);
    prop_oneof![
        8 => (connection(), message()).prop_map(|(connection, message)| Event::Exchange { connection, message }),
        8 => (connection(), message(), number()).prop_map(|(connection, message, round_trip_ms)| {
            Event::ExchangeAnswer { connection, message, round_trip_ms }
        }),
        2 => (connection(), name(), any::<bool>()).prop_map(|(connection, host, incoming)| {
            Event::Connected { connection, host, address: "b:1".into(), incoming }
        }),
        1 => connection().prop_map(|connection| Event::Lost { connection }),
        1 => connection().prop_map(|connection| Event::Closed { connection }),
        1 => name().prop_map(|address| Event::ConnectFailed { address, reason: String::new() }),
        1 => name().prop_map(|host| Event::Unreachable { host, reason: String::new() }),
        1 => name().prop_map(|host| Event::Reached { host }),
        1 => name().prop_map(|host| Event::Remove { host }),
        1 => name().prop_map(Event::Address),
        1 => Just(Event::OwnState(plain_state(3))),
        1 => Just(Event::Peers(vec!["c".into()])),
        4 => Just(Event::Deadline),
    ]
}

proptest! {
    #[test]
    fn nothing_that_is_told_makes_it_panic_or_spin(events in prop::collection::vec((event(), 0..3_000u64), 0..60)) {
        let mut table = table();
        let mut now = Millis(0);
        for (event, wait) in events {
            now = Millis(now.0 + wait);
            let request = matches!(event, Event::Exchange { .. });
            let actions = table.handle(now, event);
            let answers = actions.iter().filter(|action| matches!(action, Action::Answer { .. })).count();
            prop_assert_eq!(answers, usize::from(request));
            table.handle(now, Event::Deadline);
            table.handle(now, Event::Deadline);
            prop_assert!(table.next_deadline().is_none_or(|at| at > now), "{:?}", table.next_deadline());
            prop_assert!(table.hosts(now).len() < 200);
        }
    }

    #[test]
    fn bytes_from_outside_are_a_message_or_an_error(text in "[\\[\\]{}\":,0-9a-z]{0,80}") {
        drop(serde_json::from_str::<Message>(&text));
    }
}

#[test]
fn no_more_than_ten_thousand_hosts_are_remembered() {
    let mut table = table();
    let connection = ConnectionId(2);
    for page in 0..41 {
        let host = |number: u64| introduction(&format!("h{}", page * 256 + number), "x:1", 1, 1, 0);
        let message = Message { introductions: (0..256).map(host).collect(), ..Message::default() };
        table.handle(Millis(page), Event::Exchange { connection, message });
    }
    let count = table.hosts(Millis(200)).len();
    assert!((9_990..=10_000).contains(&count), "{count}");
    // One that departed makes room.
    table.handle(Millis(200), Event::Remove { host: "h7".into() });
    let message = Message { introductions: vec![introduction("new", "x:1", 1, 1, 0)], ..Message::default() };
    table.handle(Millis(201), Event::Exchange { connection, message });
    assert!(table.address("new").is_some());
}

#[test]
fn a_thousand_hosts_are_told_in_pages() {
    let mut table = table();
    let connection = ConnectionId(2);
    for page in 0..4 {
        let host = |number: u64| introduction(&format!("h{}", page * 250 + number), "x:1", 1, 1, 0);
        let message = Message { introductions: (0..250).map(host).collect(), ..Message::default() };
        table.handle(Millis(page), Event::Exchange { connection, message });
    }
    let connection = ConnectionId(9);
    let connected = Event::Connected { connection, host: "new".into(), address: "n:9".into(), incoming: true };
    table.handle(Millis(10), connected);
    let greeting = Some(Greeting { incarnation: 1, known: 1 });
    let mut message = Message { greeting, ..Message::default() };
    let mut told = 0;
    for _ in 0..20 {
        let actions = table.handle(Millis(20), Event::Exchange { connection, message: std::mem::take(&mut message) });
        let answer = actions.into_iter().find_map(|action| match action {
            Action::Answer { message, .. } => Some(message),
            _ => None,
        });
        let answer = answer.unwrap();
        assert!(serde_json::to_string(&answer).unwrap().len() < wire::exchange::MAX_BYTES);
        told += answer.introductions.len();
        if !answer.more {
            break;
        }
    }
    assert_eq!(told, 1_001);
}

#[test]
fn a_clock_is_compared_only_in_an_exchange_with_its_host() {
    let mut net = Net::cluster(12);
    net.run(70_000);
    // What was passed on for minutes does not look like a slow clock.
    let rows = net.rows(0);
    let differences: Vec<i64> = rows.iter().filter_map(|row| row.clock_difference_ms).collect();
    assert!((8..12).contains(&differences.len()), "{differences:?}");
    assert!(differences.iter().all(|difference| difference.abs() < 1_000), "{differences:?}");
    let mut table = table();
    let message =
        Message { introductions: vec![introduction("far", "x:1", 1, 1, 0)], clock_us: Some(5), ..Message::default() };
    table.handle(Millis(5), Event::Exchange { connection: ConnectionId(2), message });
    assert_eq!(table.host("far", Millis(5)).unwrap().clock_difference_ms, None);
}

#[test]
fn a_clock_that_is_three_minutes_ahead_is_seen() {
    let mut net = Net::new(1);
    net.start("a", &[]);
    net.start("b", &["a:1"]);
    net.measure(1, |state| state.clock_us += 180_000_000);
    net.run(2_000);
    let difference = net.daemons[0].table.host("b", net.clock(0)).unwrap().clock_difference_ms.unwrap();
    assert!((179_000..=181_000).contains(&difference), "{difference}");
    let difference = net.daemons[1].table.host("a", net.clock(1)).unwrap().clock_difference_ms.unwrap();
    assert!((-181_000..=-179_000).contains(&difference), "{difference}");
}
