//! Finding each other, and at rest.

use super::super::*;
use super::net::{Net, letter};

#[test]
fn a_daemon_without_peers_has_nothing_to_wait_for() {
    let mut net = Net::new(1);
    net.start("a", &[]);
    net.run(10_000);
    assert_eq!(net.daemons[0].table.next_deadline(), None);
    assert_eq!(net.choice(0), ["a"]);
    assert!(net.wakes[0] <= 1, "it chooses peers once: {}", net.wakes[0]);
}

#[test]
fn a_daemon_without_company_still_shows_its_state_of_now() {
    let mut net = Net::new(1);
    net.start("a", &[]);
    net.run(100_000);
    net.measure(0, |state| state.load1 = 3.0);
    let rows = net.rows(0);
    assert_eq!((rows.len(), rows[0].this_host, rows[0].age_ms), (1, true, 0));
    assert_eq!(rows[0].record.state.load1, 3.0);
    assert_eq!(net.daemons[0].table.next_deadline(), None);
}

#[test]
fn one_known_peer_is_enough_to_find_all() {
    let net = Net::cluster(12);
    let all: Vec<String> = (0..12).map(letter).collect();
    for number in 0..12 {
        assert_eq!(net.choice(number), all, "{}", letter(number));
    }
}

#[test]
fn a_configured_peer_that_starts_later_is_found() {
    let mut net = Net::new(1);
    net.start("a", &["b:1", "c:1"]);
    net.run(120_000);
    net.start("b", &[]);
    net.run(60_000);
    assert_eq!(net.choice(0), ["a", "b"]);
    assert_eq!(net.choice(1), ["a", "b"]);
    // Somebody is still missing, and looked for though there is company.
    net.start("c", &[]);
    net.run(60_000);
    assert_eq!(net.choice(2), ["a", "b", "c"]);
}

#[test]
fn a_daemon_that_finds_itself_among_its_peers_leaves_itself_alone() {
    let mut net = Net::new(1);
    net.start_at("a", "192.0.2.1:1", 5, &["a:1"]);
    net.daemons[0].address = "a:1".into();
    net.run(5_000);
    assert_eq!(net.choice(0), ["a"]);
    net.wakes[0] = 0;
    net.run(100_000);
    assert!(net.wakes[0] < 100, "{} wake-ups", net.wakes[0]);
}

#[test]
fn three_hosts_at_rest_wake_less_than_once_a_second() {
    let mut net = Net::cluster(3);
    net.wakes.fill(0);
    net.run(100_000);
    assert!(net.wakes.iter().all(|&wakes| wakes < 30), "{:?}", net.wakes);
}

#[test]
fn no_daemon_holds_more_connections_than_are_useful() {
    let net = Net::cluster(24);
    for daemon in &net.daemons {
        let outgoing = (0..24).filter(|&number| daemon.table.connection(&letter(number)).is_some()).count();
        assert_eq!(outgoing, 8, "{}", daemon.name);
    }
}

#[test]
fn connections_closed_without_farewell_do_not_make_others_connect_for_ever() {
    let mut net = Net::new(1);
    net.rude = true;
    for number in 0..24 {
        net.start(&letter(number), &["a:1"]);
    }
    net.run(60_000);
    net.dials.fill(0);
    net.run(300_000);
    assert_eq!(net.dials, [0; 24]);
}

#[test]
fn the_end_of_a_connection_for_other_requests_is_no_reason_to_fear() {
    let mut net = Net::cluster(3);
    let connection = ConnectionId(1_000_000);
    net.event(0, Event::Connected { connection, host: "b".into(), address: "b:99".into(), incoming: true });
    net.dials.fill(0);
    net.event(0, Event::Lost { connection });
    net.run(1_000);
    assert!(!net.daemons[0].table.candidate("b", net.clock(0)).unwrap().doubted);
    assert_eq!(net.dials, [0; 3]);
}

#[test]
fn a_dead_address_is_not_tried_without_pause() {
    let mut net = Net::cluster(4);
    net.stop(3, 1);
    net.run(5_000);
    net.dials.fill(0);
    net.run(100_000);
    assert!(net.dials.iter().all(|&dials| dials < 20), "{:?}", net.dials);
}

#[test]
fn a_peer_that_hangs_up_at_once_is_not_connected_to_without_pause() {
    let own = OwnHost { name: "a".into(), address: "a:1".into(), incarnation: 1 };
    let mut table = Table::new(own, vec!["b:1".into()], 1);
    let (mut now, mut dials) = (Millis(0), 0);
    let mut actions = table.handle(now, Event::OwnState(super::net::plain_state(0)));
    while now < Millis(60_000) {
        for action in std::mem::take(&mut actions) {
            if let Action::Connect { address } = action {
                dials += 1;
                let connection = ConnectionId(dials);
                table.handle(now, Event::Connected { connection, host: "b".into(), address, incoming: false });
                actions = table.handle(now, Event::Lost { connection });
            }
        }
        now = table.next_deadline().unwrap_or(Millis(60_000));
        actions.extend(table.handle(now, Event::Deadline));
    }
    assert!((4..12).contains(&dials), "{dials} in a minute");
}

#[test]
fn a_host_that_cannot_be_connected_to_hears_all_the_same() {
    let mut net = Net::new(1);
    for number in 0..4 {
        net.walls.push((number, 4));
    }
    for number in 0..5 {
        net.start(&letter(number), &["a:1"]);
    }
    net.run(20_000);
    assert_eq!(net.choice(4), ["a", "b", "c", "d", "e"]);
    net.measure(1, |state| state.cpus = 64);
    net.run(4_000);
    assert_eq!(net.daemons[4].table.host("b", net.clock(4)).unwrap().record.state.cpus, 64);
    // Those it has a connection with may choose it.
    assert_eq!(net.why_not(0, "e"), None);
}

#[test]
fn a_gate_is_known_everywhere_within_a_second() {
    let mut net = Net::cluster(20);
    net.run(1_000);
    net.measure(7, |state| state.cpus = 64);
    net.run(1_000);
    for number in 0..20 {
        assert_eq!(net.daemons[number].table.host("h", net.clock(number)).unwrap().record.state.cpus, 64);
    }
}

#[test]
fn a_crowded_peer_sends_newcomers_on() {
    let mut net = Net::new(1);
    net.start("a", &[]);
    for number in 1..=pace::CROWDED + 12 {
        net.start(&format!("h{number}"), &["a:1"]);
    }
    net.run(30_000);
    for number in 0..net.daemons.len() {
        assert_eq!(net.choice(number).len(), pace::CROWDED + 13, "{}", net.daemons[number].name);
    }
}

#[test]
fn the_two_halves_of_a_cluster_find_each_other_again() {
    let mut net = Net::cluster(6);
    for one in 0..3 {
        for other in 3..6 {
            net.walls.extend([(one, other), (other, one)]);
            net.cut(one, other);
        }
    }
    net.run(60_000);
    assert_eq!(net.choice(0), ["a", "b", "c"]);
    assert_eq!(net.choice(5), ["d", "e", "f"]);
    net.walls.clear();
    net.run(60_000);
    for number in 0..6 {
        assert_eq!(net.choice(number).len(), 6, "{}", letter(number));
    }
}
