//! What travels stays small, keeps what a later release says, and is bounded.

use super::*;
use crate::news::{HostState, OfferState, OfferUnit, QueueState};

fn state() -> HostState {
    let queue = |name: &str, running, limit| QueueState { queue: name.into(), running, limit, shut: None };
    HostState {
        load1: 3.456,
        runnable: 2.24,
        cpus: 16,
        speed: 1.25,
        memory_mib: 64_215,
        memory_free_mib: 51_033,
        starting: 1,
        queues: vec![queue("now", 2, None), queue("wait", 7, Some(16))],
        offers: Vec::new(),
        platform: "linux/x86_64".into(),
        version: "0.1.0".into(),
        clock_us: 1_790_000_000_000_000,
    }
}

fn introduction() -> Introduction {
    let card = Card::of("redfish", "192.0.2.17:7117", 1_790_000_000_000_000, 57, &state());
    Introduction { card: card.into(), figures: Figures::of(4, &state()) }
}

fn through_json(message: &Message) -> Message {
    serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap()
}

#[test]
fn a_card_is_told_in_less_than_160_bytes_and_an_update_in_less_than_45() {
    let introduction = introduction();
    let update = Update { key: introduction.card.key(), figures: introduction.figures.clone() };
    let long = serde_json::to_string(&introduction).unwrap();
    let short = serde_json::to_string(&update).unwrap();
    assert!(long.len() < 160, "{} bytes: {long}", long.len());
    assert!(short.len() < 45, "{} bytes: {short}", short.len());
}

#[test]
fn an_empty_message_is_two_bytes() {
    assert_eq!(serde_json::to_string(&Message::default()).unwrap(), "{}");
}

#[test]
fn everything_arrives_as_it_was_sent() {
    let introduction = introduction();
    let key = introduction.card.key();
    let message = Message {
        greeting: Some(Greeting { incarnation: 7, known: 3 }),
        clock_us: Some(1_790_000_000_000_000),
        updates: vec![Update { key, figures: introduction.figures.clone() }],
        pulled: vec![Update { key, figures: Figures::default() }],
        introductions: vec![introduction],
        rumours: vec![Rumour { host: "a".into(), incarnation: 1, sequence: 2, age_ms: 3 }],
        departures: vec![
            Departure { host: "b".into(), incarnation: 4, manner: Manner::Left, age_s: 0 },
            Departure { host: "c".into(), incarnation: 5, manner: Manner::Removed, age_s: 6 },
        ],
        wanted: vec![key],
        spare: vec![key],
        again: vec![key],
        lost: vec![key],
        more: true,
        closing: true,
        crowded: true,
    };
    assert_eq!(through_json(&message), message);
}

#[test]
fn card_and_figures_make_the_record_they_came_from() {
    let Introduction { card, figures } = introduction();
    let record = figures.record(&card);
    assert_eq!(record.sequence, 61);
    assert_eq!(record.state, HostState { load1: 3.46, runnable: 2.2, clock_us: 0, ..state() });
    // What was rounded once stays as it is.
    assert_eq!(Figures::of(4, &record.state), figures);
    assert!(Card::of("redfish", "192.0.2.17:7117", record.incarnation, 99, &record.state).says_the_same(&card));
}

#[test]
fn offers_travel_with_what_is_free_of_them() {
    let offer = |name: &str, total, free, unit| OfferState { name: name.into(), total, free, unit };
    let offers = vec![
        offer("gpu", 4, 3, OfferUnit::Count),
        offer("raid", 1, 1, OfferUnit::Flag),
        offer("scratch", 1 << 40, 1 << 39, OfferUnit::Bytes),
    ];
    let state = HostState { offers: offers.clone(), ..state() };
    let card = Card::of("redfish", "", 1, 1, &state);
    assert!(card.is_sound());
    let introduction = Introduction { card: card.into(), figures: Figures::of(4, &state) };
    let sent = Message { introductions: vec![introduction.clone()], ..Message::default() };
    let Introduction { card, figures } = through_json(&sent).introductions.remove(0);
    assert_eq!((&card, &figures), (&introduction.card, &introduction.figures));
    assert_eq!(figures.record(&card).state.offers, offers);
    let other = HostState { offers: vec![offer("gpu", 5, 3, OfferUnit::Count)], ..state };
    assert!(!Card::of("redfish", "", 1, 1, &other).says_the_same(&card));
}

#[test]
fn what_a_later_release_appends_is_passed_on() {
    let text = r#"{"f":[["a","b:1",1,2,4,1000,64,"linux/x86_64","9.9",[["now",null,null,"new"],["wait",3]],[5,1,2,3,4,[0,1],[1],"figure"],[["gpu",2,0,"x"]],{"later":2}]],"d":[["AAAAAAAA",[6,1,2,3,4,[5],[],7],8]],"h":[1,2,3],"r":[["a",1,2,3,4]],"g":[["a",1,9,4,5]],"z":1}"#;
    let message: Message = serde_json::from_str(text).unwrap();
    let introduction = &message.introductions[0];
    assert_eq!(introduction.card.rest, [serde_json::json!({"later": 2})]);
    assert_eq!(introduction.figures.rest, [serde_json::json!("figure")]);
    assert_eq!(introduction.card.queues[1].limit, Some(3));
    assert_eq!(message.updates[0].figures.rest, [serde_json::json!(7)]);
    assert_eq!(message.departures[0].manner, Manner::Left);
    assert_eq!(through_json(&message).introductions, message.introductions);
    assert_eq!(through_json(&message).updates, message.updates);
}

#[test]
fn an_earlier_release_says_less() {
    let message: Message = serde_json::from_str(r#"{"d":[["AAAAAAAA",[6]]]}"#).unwrap();
    assert_eq!(message.updates[0].figures, Figures { step: 6, ..Figures::default() });
}

#[test]
fn a_list_longer_than_any_honest_one_is_refused() {
    let updates = vec![r#"["AAAAAAAA",[1]]"#; MAX_RECORDS + 1].join(",");
    assert!(serde_json::from_str::<Message>(&format!(r#"{{"d":[{updates}]}}"#)).is_err());
    let keys = vec![r#""AAAAAAAA""#; MAX_KEYS + 1].join(",");
    assert!(serde_json::from_str::<Message>(&format!(r#"{{"w":[{keys}]}}"#)).is_err());
    for text in [r#"{"w":["short"]}"#, r#"{"w":["!!!!!!!!"]}"#, r#"{"d":[[]]}"#, r#"{"d":[["AAAAAAAA",[-1]]]}"#] {
        assert!(serde_json::from_str::<Message>(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_out_of_bounds_is_not_sound() {
    let good = introduction().card;
    assert!(good.is_sound());
    let spoil = |change: fn(&mut Card)| {
        let mut card = (*good).clone();
        change(&mut card);
        !card.is_sound()
    };
    assert!(spoil(|card| card.host.clear()));
    assert!(spoil(|card| card.host = "a\nb".into()));
    assert!(spoil(|card| card.host = "x".repeat(256)));
    assert!(spoil(|card| card.address = "x".repeat(256)));
    assert!(spoil(|card| card.incarnation = u64::MAX));
    assert!(spoil(|card| card.sequence = u64::MAX));
    assert!(spoil(|card| card.queues = vec![card.queues[0].clone(); 65]));
    assert!(spoil(|card| card.queues[0].shut = Some("x".repeat(201))));
    assert!(spoil(|card| card.rest = vec![serde_json::json!("x".repeat(2000))]));
    assert!(!Figures { step: u64::MAX, ..Figures::default() }.is_sound());
}

#[test]
fn what_is_published_is_always_sound() {
    let mut state = state();
    state.load1 = f64::NAN;
    state.runnable = f64::INFINITY;
    state.speed = -1.0;
    state.platform = "ä".repeat(100);
    state.queues =
        vec![QueueState { queue: "q".repeat(99), shut: Some("é".repeat(300)), ..QueueState::default() }; 99];
    assert!(Card::of("a", "", 1, 1, &state).is_sound());
    assert!(Figures::of(1, &state).is_sound());
}
