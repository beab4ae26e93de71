//! Hosts that fall silent, and hosts that only seem to.

use wire::exchange::{Message, Rumour};

use super::super::*;
use super::net::{Net, letter, plain_state};

#[test]
fn a_host_that_lost_power_is_not_chosen_five_seconds_later() {
    let mut net = Net::cluster(10);
    net.stop(4, 4_000);
    net.run(5_000);
    for number in (0..10).filter(|&number| number != 4) {
        assert!(!net.choice(number).contains(&"e".into()), "{}", letter(number));
        let why = net.why_not(number, "e").unwrap();
        assert!(why.starts_with("silent for"), "{why}");
    }
}

#[test]
fn a_killed_daemon_is_not_chosen_a_second_later() {
    let mut net = Net::cluster(10);
    net.stop(4, 1);
    net.run(1_000);
    for number in (0..10).filter(|&number| number != 4) {
        assert!(net.why_not(number, "e").is_some(), "{}", letter(number));
    }
}

#[test]
fn how_long_a_host_has_been_silent_is_counted_on() {
    let mut net = Net::cluster(3);
    net.stop(1, 1);
    net.run(720_000);
    assert_eq!(net.why_not(0, "b").unwrap(), "silent for 11 min");
    // One that joins later is told how long.
    let d = net.start("d", &["a:1"]);
    net.run(1_000);
    assert_eq!(net.why_not(d, "b").unwrap(), "silent for 12 min");
}

#[test]
fn a_host_whose_connections_break_is_never_silent() {
    let mut net = Net::cluster(6);
    for round in 0..200 {
        net.cut(round % 6, (round / 6 + 1 + round) % 6);
        net.run(97);
        for number in 0..6 {
            assert_eq!(net.choice(number).len(), 6, "round {round}");
        }
    }
}

#[test]
fn a_host_cut_off_from_one_other_is_chosen_by_the_rest() {
    let mut net = Net::cluster(5);
    net.walls.extend([(0, 1), (1, 0)]);
    net.cut(0, 1);
    net.run(15_000);
    assert_eq!(net.choice(2).len(), 5);
    assert_eq!(net.choice(3).len(), 5);
    let why = net.why_not(0, "b").unwrap();
    assert!(why.starts_with("cannot be reached from here: connection refused"), "{why}");
    net.walls.clear();
    net.run(70_000);
    assert_eq!(net.choice(0).len(), 5);
}

#[test]
fn an_old_rumour_about_a_living_host_does_no_harm() {
    let mut net = Net::cluster(3);
    let b = net.daemons[0].table.host("b", net.clock(0)).unwrap().record;
    let rumour = Rumour { host: "b".into(), incarnation: b.incarnation, sequence: b.sequence - 1, age_ms: 600_000 };
    let connection = visitor(&mut net, 0);
    let message = Message { rumours: vec![rumour], ..Message::default() };
    let clock = net.clock(0);
    net.daemons[0].table.handle(clock, Event::Exchange { connection, message });
    assert_eq!(net.choice(0), ["a", "b", "c"]);
}

#[test]
fn a_rumour_about_a_living_host_is_refuted() {
    let mut net = Net::cluster(3);
    let b = net.daemons[0].table.host("b", net.clock(0)).unwrap().record;
    let rumour = Rumour { host: "b".into(), incarnation: b.incarnation, sequence: b.sequence, age_ms: 0 };
    let connection = visitor(&mut net, 0);
    let message = Message { rumours: vec![rumour], ..Message::default() };
    let clock = net.clock(0);
    let actions = net.daemons[0].table.handle(clock, Event::Exchange { connection, message });
    assert!(net.daemons[0].table.candidate("b", net.clock(0)).unwrap().doubted);
    let told = |action: &Action| matches!(action, Action::Send { message, .. } if !message.rumours.is_empty());
    assert!(actions.iter().any(told), "it is passed on at once");
}

#[test]
fn a_peer_that_hangs_is_given_up() {
    let own = OwnHost { name: "a".into(), address: "a:1".into(), incarnation: 1 };
    let mut table = Table::new(own, vec!["b:1".into()], 1);
    table.handle(Millis(0), Event::OwnState(plain_state(0)));
    let connection = ConnectionId(1);
    let connected = Event::Connected { connection, host: "b".into(), address: "b:1".into(), incoming: false };
    let actions = table.handle(Millis(10), connected);
    assert!(actions.iter().any(|action| matches!(action, Action::Send { .. })));
    let give_up = Millis(10) + pace::ANSWER_WITHIN;
    let mut actions = Vec::new();
    while let Some(at) = table.next_deadline().filter(|&at| at <= give_up) {
        actions.extend(table.handle(at, Event::Deadline));
    }
    assert!(actions.contains(&Action::Disconnect { connection }));
}

#[test]
fn a_host_nobody_lost_but_nobody_hears_of_is_not_chosen() {
    let mut net = Net::cluster(3);
    // Its connections end in order, but it does not say goodbye.
    net.walls.extend([(0, 2), (1, 2), (2, 0), (2, 1)]);
    for number in [0, 1] {
        for id in 1..60 {
            let table = &mut net.daemons[number].table;
            let host = table.neighbours.connection(ConnectionId(id)).map(|connection| connection.host.to_string());
            if host.as_deref() == Some("c") {
                net.event(number, Event::Closed { connection: ConnectionId(id) });
            }
        }
    }
    net.daemons[2].up = false;
    net.run(70_000);
    assert!(net.why_not(0, "c").is_some());
    assert_eq!(net.choice(1), ["a", "b"]);
}

/// A host that nobody knows visits a daemon.
fn visitor(net: &mut Net, number: usize) -> ConnectionId {
    let connection = ConnectionId(1_000_000);
    let connected = Event::Connected { connection, host: "visitor".into(), address: "v:9".into(), incoming: true };
    let clock = net.clock(number);
    net.daemons[number].table.handle(clock, connected);
    connection
}
